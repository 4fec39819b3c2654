"""``timebank recover``: a way back in for somebody with a duty who lost every other."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database

if TYPE_CHECKING:
    from timebank.config import Settings

NAME: Final = "recover"
HELP: Final = "let somebody with a duty sign in anew, after others could say no for 48 hours"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    parser.add_argument("--nickname", required=True, metavar="NAME", help="who lost their ways to sign in")
    parser.add_argument(
        "--finish", action="store_true", help="the 48 hours are over: let a card be made for them now"
    )


def run(args: argparse.Namespace) -> int:
    """Ask for it, or finish it; say what comes next."""
    with open_database(args.settings) as dsn:
        print(asyncio.run(_recover(args.settings, dsn, args.group, args.nickname, finish=args.finish)))
    return 0


async def _recover(settings: Settings, dsn: Dsn, slug: str, nickname: str, *, finish: bool) -> str:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.house import open_house
    from timebank.services.members import find_member
    from timebank.services.post import post_of
    from timebank.services.recovery import ask_recovery, finish_recovery
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn, post=post_of(settings)) as house:
        now = datetime.now(UTC)
        group_id = await house.database.group_id(slug)
        member = await find_member(house, group_id, now=now, nickname=nickname)
        act = finish_recovery if finish else ask_recovery
        row = await act(house, group_id, member.member_id, now=now)
    if row.state == "done":
        return "Done: within 24 hours, timebank card makes a card with which they sign in."
    return (
        f"Asked. Others with a duty can stop it until {row.due_at:%Y-%m-%d %H:%M} UTC;"
        " after that run the same with --finish."
    )
