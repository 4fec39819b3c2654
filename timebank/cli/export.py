"""``timebank export``: the whole book on standard output, as a journal for an auditor's own tools or as an archive."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database
from timebank.cli.progress import Bar
from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.config import Settings

NAME: Final = "export"
HELP: Final = "write the book of a group as a journal for hledger or beancount or as a sheet, or the whole group as an archive"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    parser.add_argument(
        "--format",
        required=True,
        choices=("hledger", "beancount", "csv", "archive", "log"),
        help="whose journal it is to be; a sheet, one line a transfer; an archive, which `timebank import` reads; or the"
        " public log, which `timebank verify` checks",
    )
    parser.add_argument(
        "--from",
        dest="first",
        type=_day,
        metavar="DATE",
        help="first day, such as 2026-01-01; what was before is one transaction of balances",
    )
    parser.add_argument("--to", dest="last", type=_day, metavar="DATE", help="last day, itself included")
    parser.add_argument(
        "--period",
        type=_period,
        metavar="N",
        help="number of a closed period: the book as that close left it (as it is now)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the journal; whether it came to its end says the exit code, and its last line."""
    packed = {"archive": _archive, "log": _log}
    if args.format in packed:
        if args.first or args.last or args.period:
            raise OperatorError("An archive is of the whole book: leave --from, --to and --period away.")
        if sys.stdout.isatty():
            raise OperatorError("An archive is no text. Add > FILE.zip to write it into a file.")
    export = packed.get(args.format, _export)
    with open_database(args.settings) as dsn:
        asyncio.run(export(args, args.settings, dsn))
    return 0


async def _export(args: argparse.Namespace, settings: Settings, dsn: Dsn) -> None:
    from timebank.services.export import open_journal
    from timebank.services.house import open_house
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        journal = await open_journal(
            house.database,
            await house.database.group_id(args.group),
            args.format,
            first=args.first,
            last=args.last,
            period=args.period,
        )
        bar = Bar(args.group)
        # As bytes: a journal is UTF-8 whatever the terminal believes in.
        out = sys.stdout.buffer
        async for chunk in journal.chunks(lambda done, total: bar.show("entries", done, total)):
            out.write(chunk)
        out.flush()
        bar.close()


async def _archive(args: argparse.Namespace, settings: Settings, dsn: Dsn) -> None:
    from timebank.services.archive import write_archive
    from timebank.services.house import open_house
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        group_id = await house.database.group_id(args.group)
        bar = Bar(args.group)
        out = sys.stdout.buffer
        await write_archive(house, group_id, out, now=datetime.now(UTC), show=bar.show)
        out.flush()
        bar.close()


async def _log(args: argparse.Namespace, settings: Settings, dsn: Dsn) -> None:
    from timebank.services.house import open_house
    from timebank.services.log_archive import write_log
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        bar = Bar(args.group)
        out = sys.stdout.buffer
        await write_log(house.database, args.group, out, show=bar.show)
        out.flush()
        bar.close()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2026-03-01") from None


def _period(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) < 10**9:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)
