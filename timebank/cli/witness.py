"""``timebank witness``: watch public logs of others, cosign what goes on from what was there, keep proof of what does not."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from timebank.config import OperatorError
from timebank.ledger.public_log import COSIGNATURES_PATH
from timebank.services.log_sources import HttpLog, NoLogError, is_address, open_log
from timebank.services.witness import Cosigned, Evidence, Watched, Witness, WitnessError

NAME: Final = "witness"
HELP: Final = "watch the public log of a group, and say so when it does not go on from what was there"
NEEDS_HOME: Final = False

GOOD: Final = 0
REFUSED: Final = 1
NOT_SEEN: Final = 2

_BODY_MAX: Final = 64 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=_default_folder(),
        metavar="DIR",
        help="where the key, the last checkpoints and the evidence are (%(default)s)",
    )
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    begin = steps.add_parser("begin", help="make a key, once")
    begin.add_argument("name", metavar="NAME", help="name of the key for ever, such as witness.example/ada")
    add = steps.add_parser("add", help="check a log from its first leaf on, and watch it from now on")
    add.add_argument("where", metavar="ADDRESS", help="of the group's page or of its log; or a folder")
    add.add_argument("--key", metavar="KEY", help="the log's key as the group gave it to you")
    poll = steps.add_parser("poll", help="look at every log once; run it from a timer")
    poll.add_argument("logs", nargs="*", metavar="ORIGIN|ADDRESS", help="only these (all)")
    show = steps.add_parser(
        "show", help="what is watched and what was refused; or the cosigned checkpoint of one log"
    )
    show.add_argument("log", nargs="?", metavar="ORIGIN|ADDRESS")
    submit = steps.add_parser("submit", help="send the cosigned checkpoints to where the logs are")
    submit.add_argument("logs", nargs="*", metavar="ORIGIN|ADDRESS", help="only these (all)")
    serve = steps.add_parser(
        "serve", help="give cosigned checkpoints to whoever asks, and take new ones from logs"
    )
    serve.add_argument("--port", type=int, default=8790, help="port on 127.0.0.1 (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Do one step; 0 when all is well, 1 when a log was refused, 2 when something could not be looked at."""
    try:
        return _STEPS[args.step](args)
    except WitnessError as error:
        raise OperatorError(str(error)) from error


def _default_folder() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "timebank-witness"


def _begin(args: argparse.Namespace) -> int:
    witness = Witness.begin(args.folder, args.name, secrets.token_bytes(32))
    print(f"The witness is in {args.folder}. Keep the folder; give this key to groups:\n{witness.key}")
    return GOOD


def _add(args: argparse.Namespace) -> int:
    witness = Witness(args.folder)
    try:
        with open_log(args.where) as log:
            where = args.where if is_address(args.where) else str(Path(args.where).resolve())
            verdict, _ = witness.add(where, log, at=_now(), key=args.key)
    except NoLogError as error:
        return _say(error, NOT_SEEN)
    if not verdict.ok or verdict.keys is None:
        for leaf, what in verdict.findings:
            print(f"{args.where}: {'the log' if leaf is None else f'leaf {leaf}'}: {what}.")
        print("It is not watched: only a log that is whole can be.")
        return REFUSED
    print(f"{verdict.origin} is watched from now on, from leaf {verdict.seen.leaves:,}. Its key:")
    print(verdict.keys.log_key)
    if args.key is None:
        print(
            "Compare it with what the group says elsewhere: whoever answered here could have shown any key."
        )
    return GOOD


def _poll(args: argparse.Namespace) -> int:
    witness = Witness(args.folder)
    worst = GOOD
    for watched in _named(witness, args.logs):
        try:
            with open_log(watched.url) as log:
                seen = witness.poll(watched, log, at=_now())
        except NoLogError as error:
            worst = max(worst, _say(f"{watched.origin} was not seen: {error}", NOT_SEEN))
            continue
        if isinstance(seen, Evidence):
            _tell_evidence(seen)
            worst = REFUSED
            continue
        _tell_cosigned(watched, seen)
    return worst


def _tell_cosigned(watched: Watched, seen: Cosigned) -> None:
    more = seen.size - seen.before
    print(f"{watched.origin}: {seen.size:,} leaves, {f'{more:,} more' if more else 'as before'}; cosigned.")
    for restored in seen.accepted.restores:
        print(
            f"  It says that its book was restored from a backup: epoch {restored.epoch}, {restored.lost} records lost."
        )
    for key in seen.accepted.new_keys:
        print(f"  It has a new key ({key.reason}): {key.new}")


def _tell_evidence(evidence: Evidence) -> None:
    print(f"{evidence.origin}: REFUSED ({evidence.kind}): {evidence.why}.")
    if evidence.proves:
        print(f"  Both signed checkpoints, which prove it, are in {evidence.path}. Show them to the group.")
    else:
        print(f"  What was shown is in {evidence.path}.")


def _show(args: argparse.Namespace) -> int:
    witness = Witness(args.folder)
    if args.log is not None:
        sys.stdout.write(witness.find(args.log).note.decode())
        return GOOD
    print(f"Key: {witness.key}")
    for one in witness.list_watched():
        checkpoint = one.known.checkpoint
        print(f"{checkpoint.origin}: {checkpoint.size:,} leaves, root {checkpoint.root.hex()}, at {one.url}")
    for evidence in witness.list_evidence():
        _tell_evidence(evidence)
    return GOOD


def _submit(args: argparse.Namespace) -> int:
    witness = Witness(args.folder)
    worst = GOOD
    for watched in _named(witness, args.logs):
        if not is_address(watched.url):
            continue
        try:
            log = HttpLog(watched.url)
            try:
                status = log.send(COSIGNATURES_PATH, watched.note)
            finally:
                log.close()
        except NoLogError as error:
            worst = max(worst, _say(f"{watched.origin} was not told: {error}", NOT_SEEN))
            continue
        taken = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        print(f"{watched.origin}: {'taken' if taken else f'not taken ({status})'}.")
        worst = worst if taken else REFUSED
    return worst


def _serve(args: argparse.Namespace) -> int:
    witness = Witness(args.folder)
    with make_server(witness, args.port) as server:
        print(f"Cosigned checkpoints are at http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
    return GOOD


def make_server(witness: Witness, port: int) -> ThreadingHTTPServer:
    """Return a server on 127.0.0.1: ``/<folder>/checkpoint`` of each log, and C2SP ``POST /add-checkpoint``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            for one in witness.list_watched():
                if self.path == f"/{one.folder}/checkpoint":
                    self._answer(HTTPStatus.OK, one.note)
                    return
            if self.path == "/":
                lines = [
                    witness.key,
                    *(f"{one.folder}/checkpoint {one.origin}" for one in witness.list_watched()),
                ]
                self._answer(HTTPStatus.OK, ("\n".join(lines) + "\n").encode())
                return
            self._answer(HTTPStatus.NOT_FOUND, b"")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint" or not length.isdigit() or int(length) > _BODY_MAX:
                self.close_connection = True
                self._answer(HTTPStatus.NOT_FOUND, b"")
                return
            status, body = witness.add_checkpoint(self.rfile.read(int(length)), at=_now())
            sort = "text/x.tlog.size" if status == HTTPStatus.CONFLICT else "text/plain; charset=utf-8"
            self._answer(status, body.encode(), sort)

        def _answer(self, status: int, body: bytes, sort: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", sort)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: who asks is nobody's business."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _named(witness: Witness, names: list[str]) -> list[Watched]:
    return [witness.find(name) for name in names] if names else witness.list_watched()


def _now() -> int:
    return int(time.time())


def _say(what: object, code: int) -> int:
    print(f"timebank: {what}", file=sys.stderr, flush=True)
    return code


_STEPS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "begin": _begin,
    "add": _add,
    "poll": _poll,
    "show": _show,
    "submit": _submit,
    "serve": _serve,
}
