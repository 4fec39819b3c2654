"""``timebank close``: publish every period that is over."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database

if TYPE_CHECKING:
    from timebank.config import Settings
    from timebank.services.close import Closed

NAME: Final = "close"
HELP: Final = "publish every period of a group that is over and not published yet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    parser.add_argument(
        "--through", type=_day, metavar="DATE", help="last day to close, such as 2026-03-01 (yesterday)"
    )


def run(args: argparse.Namespace) -> int:
    """Close, and say what was closed; closing again says that there was nothing to do."""
    with open_database(args.settings) as dsn:
        closed = asyncio.run(_close(args.settings, dsn, args.group, args.through))
    if closed.nothing_to_do:
        through = f" Closed through {closed.last_day}." if closed.last_day else ""
        print(f"Nothing to close.{through}")
        return 0
    first, last = closed.periods[0], closed.periods[-1]
    lines = sum(period.lines for period in closed.periods)
    print(f"Closed {len(closed.periods)} periods, {first.first_day} to {last.last_day}: {lines} lines.")
    return 0


async def _close(settings: Settings, dsn: Dsn, slug: str, through: date | None) -> Closed:
    from timebank.services.close import close_period
    from timebank.services.house import open_house
    from timebank.services.jobs import step_back
    from timebank.store.migrate import upgrade

    # A long day is published for seconds; whoever writes meanwhile goes first.
    step_back(0)
    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        group_id = await house.database.group_id(slug)
        return await close_period(
            house,
            group_id,
            now=datetime.now(UTC),
            through=through,
            meet=step_back if settings.embedded else lambda _pid: None,
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2026-03-01") from None
