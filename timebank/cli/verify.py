"""``timebank verify``: recompute the books of a home, or check a public log from outside; say what was proved."""

from __future__ import annotations

import argparse
import asyncio
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.cli.database import Dsn, open_database
from timebank.cli.progress import Bar
from timebank.config import OperatorError, Settings
from timebank.services.jobs import step_back

if TYPE_CHECKING:
    from timebank.services.verify import Progress, Verdict

NAME: Final = "verify"
HELP: Final = (
    "recompute every balance, day, byte and tree of the books and name the first wrong record; or, with an address or"
    " an archive, check a public log with nothing but what is published"
)

_PROVED: Final = """\
  Every record is there, in order, with the bytes it was written with: {records} of them, {entries} entries.
  Every transfer, balance and sum by day is the one that follows from these bytes; debits equal credits.
  Every account is as a record opened it: its kind, unit, pot and floor, and closed only where a record says so.
  No decision took an account below its floor; every correction takes back what it corrects, once.
  The signed checkpoint is of exactly these records.{kept}{published}"""
_KEPT: Final = """
  The first {kept} of them are those of the checkpoint that is kept outside the database."""
_PUBLISHED: Final = """
  All that was published of {periods} closed periods follows from them, line by line."""
_SEAL: Final = "  The seal of what was published, the same as on the newest page and on its print: {seal}"
_PUT_BACK: Final = """\
  It was put back from a backup, and says so: it goes on in epoch {epoch}, and receipts of earlier ones may be of
  records that it lost."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "where",
        nargs="?",
        metavar="ADDRESS|ARCHIVE",
        help="http(s) address of a group's page, or an archive or a folder with its public log (the books of the home)",
    )
    parser.add_argument("--group", metavar="SLUG", help="only the group at this address (all groups)")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="a checkpoint of the public log that you kept earlier"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="keep the newest checkpoint in this file, and compare with the one that is there from the last time",
    )


def works_outside(args: argparse.Namespace) -> bool:
    """Say whether it is about somebody's public log and not about the books of this home."""
    return args.where is not None


def run(args: argparse.Namespace) -> int:
    """Check the books; 0 when everything is as it should be, 1 when anything is not."""
    if args.where is not None:
        from timebank.cli.verify_log import verify_log

        return verify_log(args.where, checkpoint=args.checkpoint, keep=args.keep)
    if args.checkpoint or args.keep:
        raise OperatorError(
            "Checkpoints that were kept are of public logs: say which one, address or archive."
        )
    settings: Settings = args.settings
    step_back(0, idle=True)
    with open_database(settings) as dsn:
        return asyncio.run(_verify(settings, dsn, args.group))


async def _verify(settings: Settings, dsn: Dsn, slug: str | None) -> int:
    from timebank.services.house import open_house
    from timebank.services.verify import list_books, verify_group

    async with open_house(settings.home, dsn) as house:
        books = await list_books(house)
        if slug is not None:
            books = {await house.database.group_id(slug): slug}
        if not books:
            print("There is no group here yet, so there is nothing to verify.")
        wrong = 0
        for group_id, name in books.items():
            shown = name or str(group_id)
            began = time.monotonic()
            verdict = await verify_group(
                house,
                group_id,
                progress=_progress(shown),
                meet=partial(step_back, idle=True) if settings.embedded else lambda _pid: None,
            )
            _tell(shown, group_id, verdict, time.monotonic() - began)
            wrong += not verdict.ok
    return 1 if wrong else 0


def _tell(name: str, group_id: UUID, verdict: Verdict, seconds: float) -> None:
    """Print what was found, and what was not looked at."""
    from timebank.services.verify import CHECKS

    if verdict.ok:
        print(f"{name}: the book is whole ({verdict.records:,} records, {seconds:.1f} s).")
        print(
            _PROVED.format(
                records=f"{verdict.records:,}",
                entries=f"{verdict.entries:,}",
                kept=_KEPT.format(kept=f"{verdict.kept:,}") if verdict.kept is not None else "",
                published=_PUBLISHED.format(periods=f"{verdict.periods:,}") if verdict.periods else "",
            )
        )
        if verdict.seal:
            print(_SEAL.format(seal=verdict.seal))
        if verdict.epoch > 1:
            print(_PUT_BACK.format(epoch=verdict.epoch))
    else:
        first = verdict.findings[0]
        where = f"record {first.seq}" if first.seq else "the book as a whole"
        print(f"{name}: SOMETHING IS WRONG, first with {where} (group {group_id}).")
        for finding in verdict.findings:
            place = f"record {finding.seq}" if finding.seq else "whole book"
            print(f"  {place}: {finding.what}. [{finding.check}]")
            print(f"    What should hold: {CHECKS[finding.check]}")
    for what in verdict.unproved:
        print(f"  Not proved: {what}.")
    print("  Not proved, here or anywhere: that what people wrote down is true.")


def _progress(name: str) -> Progress:
    """Return what shows on a terminal how far the check is, and says nothing elsewhere."""
    bar = Bar(name)
    return lambda done, total: bar.show("records", done, total)
