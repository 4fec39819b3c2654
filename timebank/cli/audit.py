"""``timebank audit``: open every record of a group that one audits, hold it against what is public, and cosign."""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from timebank.cli.progress import Bar
from timebank.config import OperatorError
from timebank.formats.opened_book import NotAnOpenedBook
from timebank.ledger.public_log import CHECKPOINT_PATH, COSIGNATURES_PATH
from timebank.services.audit_host import AuditHost, AuditRefused
from timebank.services.auditing import CHECKS, Audit, audit_book, read_log
from timebank.services.log_sources import HttpLog, NoLogError
from timebank.services.public_verify import NotACheckpointError, read_checkpoint
from timebank.services.witness import Witness, WitnessError

NAME: Final = "audit"
HELP: Final = (
    "open every record of a group of which one is an auditor, hold it against what is public, and sign for it"
)
NEEDS_HOME: Final = False

GOOD: Final = 0
WRONG: Final = 1
NOT_SEEN: Final = 2

_OPENED: Final = """\
  {records} records were opened, {entries} of them entries; they are all that the host signed for.
  Each one that was closed has its leaf in the public log, which says what the record says; {waiting} wait, as they should.
  All other leaves are padding. Every closing, {periods} of them, adds up from the records, and nothing went out too early or too late.
  Every rule that the book shows was kept: who said yes, who handed over, reserves, floors, corrections; and the limits
  per person, by the facts of {decisions} decisions."""
_MEANS: Final = "  Signed as {name}: I opened every record up to this size ({size} leaves)."
_TRUE: Final = "  Not proved, here or anywhere: that what people wrote down is true."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=_default_folder(),
        metavar="DIR",
        help="where the key and the checkpoints that one signed are (%(default)s)",
    )
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    begin = steps.add_parser("begin", help="make a key, once")
    begin.add_argument("name", metavar="NAME", help="name of the key for ever, such as auditor.example/al")
    introduce = steps.add_parser("introduce", help="have the group know the key; its next closing names it")
    _reach(introduce)
    opened = steps.add_parser("open", help="open every record, check it, and sign if all is well")
    _reach(opened)
    opened.add_argument("--no-sign", action="store_true", help="only check")
    steps.add_parser("show", help="the key, and what was signed with it")


def _reach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", metavar="ADDRESS", help="of the group's page")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with a token of an auditor, - for standard input (asked for)",
    )


def run(args: argparse.Namespace) -> int:
    """Do one step; 0 when all is well, 1 when something is wrong, 2 when it could not be looked at."""
    try:
        return _STEPS[args.step](args)
    except WitnessError as error:
        raise OperatorError(str(error)) from error
    except (AuditRefused, NoLogError, NotAnOpenedBook) as error:
        print(f"timebank: {error}", file=sys.stderr, flush=True)
        return NOT_SEEN


def _default_folder() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "timebank-audit"


def _begin(args: argparse.Namespace) -> int:
    auditor = Witness.begin(args.folder, args.name, secrets.token_bytes(32), tool=NAME)
    print(f"The key is in {args.folder}. Keep the folder, and introduce the key to the group:\n{auditor.key}")
    return GOOD


def _introduce(args: argparse.Namespace) -> int:
    auditor = Witness(args.folder, tool=NAME)
    host = AuditHost(args.where, _token(args.token_file))
    host.introduce(auditor.key)
    print(f"{host.log_url} knows the key from now on; its next closing names it.")
    return GOOD


def _open(args: argparse.Namespace) -> int:
    auditor = None if args.no_sign else Witness(args.folder, tool=NAME)
    host = AuditHost(args.where, _token(args.token_file))
    began = time.monotonic()
    log = HttpLog(host.log_url)
    bar = Bar(args.where)
    try:
        kept = _kept(auditor, host.log_url, log)
        # The log first: whatever is in it must be in a book that is opened afterwards.
        verdict, leaves = read_log(log, kept=kept, progress=bar.show)
        # Nobody else on this machine sees the file, and nothing of it stays.
        with tempfile.TemporaryFile() as book:
            if verdict.ok:
                host.open_book(book)
            audit = audit_book(log, verdict, leaves, book, bar.show)
        bar.close()
        _tell(args.where, audit, time.monotonic() - began)
        if not audit.ok:
            return WRONG
        if auditor is None:
            return GOOD
        signed = auditor.sign_checked(host.log_url, audit.log, at=int(time.time()))
        print(_MEANS.format(name=auditor.name, size=f"{audit.log.seen.leaves:,}"))
        return _send(log, signed)
    except NotACheckpointError as error:
        raise OperatorError(f"what was signed before cannot be read: {error}.") from error
    finally:
        bar.close()
        log.close()


def _kept(auditor: Witness | None, url: str, log: HttpLog) -> bytes | None:
    """Return the checkpoint that was signed last at this address, or of this log while it was at another."""
    watched = auditor.list_watched() if auditor else []
    # The address first: whoever answers there must go on from what was there, whatever log they show now.
    found = [one for one in watched if one.url == url]
    if watched and not found:
        try:
            origin = read_checkpoint(log.read(CHECKPOINT_PATH) or b"")[1].origin
        except NotACheckpointError:
            # The check of the log says what is wrong with it.
            return None
        found = [one for one in watched if one.origin == origin]
    return found[0].note if found else None


def _send(log: HttpLog, signed: bytes) -> int:
    status = log.send(COSIGNATURES_PATH, signed)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        print("  The host took it, and shows it on Check this book.")
        return GOOD
    if status == HTTPStatus.FORBIDDEN:
        why = "it does not know this key: timebank audit introduce"
    else:
        why = "a period was closed meanwhile; audit again" if status == HTTPStatus.CONFLICT else f"{status}"
    print(f"timebank: the host did not take it: {why}.", file=sys.stderr, flush=True)
    return WRONG


def _tell(where: str, audit: Audit, seconds: float) -> None:
    if not audit.log.ok:
        print(f"{where}: SOMETHING IS WRONG with the public log.")
        for leaf, what in audit.log.findings:
            print(f"  {'the log as a whole' if leaf is None else f'leaf {leaf} (the first is 0)'}: {what}.")
        print("  Nothing was opened.")
        return
    if audit.findings:
        print(
            f"{where}: SOMETHING IS WRONG ({audit.records:,} records, {seconds:.1f} s). Nothing was signed."
        )
        for finding in audit.findings:
            place = f"record {finding.seq}" if finding.seq else "whole book"
            print(f"  {place}: {finding.what}. [{finding.check}]")
            print(f"    What should hold: {CHECKS[finding.check]}")
    else:
        print(f"{where}: every record fits ({seconds:.1f} s).")
        print(
            _OPENED.format(
                records=f"{audit.records:,}",
                entries=f"{audit.entries:,}",
                waiting=f"{audit.waiting:,}",
                periods=f"{audit.log.seen.periods:,}",
                decisions=f"{audit.decisions:,}",
            )
        )
    for what in audit.unproved:
        print(f"  Not proved: {what}.")
    print(_TRUE)


def _show(args: argparse.Namespace) -> int:
    auditor = Witness(args.folder, tool=NAME)
    print(f"Key: {auditor.key}")
    for one in auditor.list_watched():
        checkpoint = one.known.checkpoint
        print(f"{checkpoint.origin}: every record up to {checkpoint.size:,} leaves, at {one.url}")
    return GOOD


def _token(file: Path | None) -> str:
    """Return a token that is in no command line, where others could read it."""
    try:
        if file is None:
            return getpass.getpass("Token of an auditor: ").strip()
        return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).strip()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}.") from error
    except EOFError as error:
        raise OperatorError("There is no token: name a file with --token-file.") from error


_STEPS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "begin": _begin,
    "introduce": _introduce,
    "open": _open,
    "show": _show,
}
