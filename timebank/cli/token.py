"""``timebank token``: make and end API tokens."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.cli.database import Dsn, open_database

if TYPE_CHECKING:
    from timebank.config import Settings
    from timebank.services.house import House

NAME: Final = "token"
HELP: Final = "make an API token for a member of a group, or end one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(metavar="make|revoke", required=True)

    make = actions.add_parser("make", help="make a token and show it, this once", allow_abbrev=False)
    make.set_defaults(act=_make)
    make.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    who = make.add_mutually_exclusive_group(required=True)
    who.add_argument("--nickname", metavar="NAME", help="nickname of the member")
    who.add_argument("--member", type=UUID, metavar="ID", help="id of the member")
    make.add_argument(
        "--scope",
        action="append",
        choices=("read", "write", "seq"),
        help="what the token may be used for; may be given more than once (read)",
    )
    make.add_argument("--days", type=_days, metavar="N", help="days until it ends by itself (never)")

    revoke = actions.add_parser("revoke", help="end a token", allow_abbrev=False)
    revoke.set_defaults(act=_revoke)
    revoke.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    revoke.add_argument("token_id", type=UUID, metavar="TOKEN-ID", help="what `token make` showed beside it")


def run(args: argparse.Namespace) -> int:
    """Do it; refusals become one sentence and exit code 1."""
    settings: Settings = args.settings
    with open_database(settings) as dsn:
        asyncio.run(_run(args, dsn))
    return 0


async def _run(args: argparse.Namespace, dsn: Dsn) -> None:
    from timebank.services.house import open_house

    async with open_house(args.settings.home, dsn) as house:
        group_id = await house.database.group_id(args.group)
        await args.act(args, house, group_id)


async def _make(args: argparse.Namespace, house: House, group_id: UUID) -> None:
    from timebank.services.members import find_member
    from timebank.services.tokens import make_token

    now = datetime.now(UTC)
    member = await find_member(house, group_id, now=now, member_id=args.member, nickname=args.nickname)
    made = await make_token(
        house,
        group_id,
        member.member_id,
        set(args.scope or ("read",)),
        now=now,
        expires_at=None if args.days is None else now + timedelta(days=args.days),
    )
    print(f"{made.token}\nThis is the only time it is shown. To end it: token revoke {made.token_id}")


async def _revoke(args: argparse.Namespace, house: House, group_id: UUID) -> None:
    from timebank.services.tokens import revoke_token

    await revoke_token(house, group_id, args.token_id, now=datetime.now(UTC))
    print("The token is ended.")


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:5]) <= 3660:
        raise argparse.ArgumentTypeError("a whole number from 1 to 3660")
    return int(text)
