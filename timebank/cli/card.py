"""``timebank card``: print a sign-in card, also for a steward who lost every other way in."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.cli.database import Dsn, open_database

if TYPE_CHECKING:
    from timebank.config import Settings

NAME: Final = "card"
HELP: Final = "print a card that signs a member in once, within thirty days"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    parser.add_argument("--member", required=True, metavar="NICK", help="nickname of the member, or their id")
    parser.add_argument(
        "--start-anew",
        action="store_true",
        help="for somebody who lost their passkey or app: they may set up another with this card. "
        "Be sure that it is them",
    )


def run(args: argparse.Namespace) -> int:
    """Print the card: its code alone on the first line."""
    with open_database(args.settings) as dsn:
        code, until = asyncio.run(_make(args.settings, dsn, args))
    print(code)
    print(f"It signs in once, until {until:%Y-%m-%d}, at .../g/{args.group}/sign-in. It is shown this once.")
    return 0


async def _make(settings: Settings, dsn: Dsn, args: argparse.Namespace) -> tuple[str, datetime]:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.cards import make_card
    from timebank.services.house import open_house
    from timebank.services.members import find_member
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        now = datetime.now(UTC)
        group_id = await house.database.group_id(args.group)
        member_id, nickname = _named(args.member)
        member = await find_member(house, group_id, now=now, member_id=member_id, nickname=nickname)
        made = await make_card(
            house, group_id, member.member_id, made_by=None, now=now, recovers=args.start_anew
        )
        return made.code, made.expires_at


def _named(said: str) -> tuple[UUID | None, str | None]:
    try:
        return UUID(said), None
    except ValueError:
        return None, said
