"""``timebank member``: let people join a group, with the duties they carry."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.config import Settings

NAME: Final = "member"
HELP: Final = "let somebody join a group"

ROLES: Final = ("steward", "treasurer", "auditor")
SCOPES: Final = ("read", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    doings = parser.add_subparsers(dest="doing", metavar="DOING", required=True)
    add = doings.add_parser("add", help="let somebody join, and print their id", allow_abbrev=False)
    # The command has it too; people write it where they remember it.
    add.add_argument("--data", type=Path, default=argparse.SUPPRESS, metavar="DIR", help=argparse.SUPPRESS)
    add.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    add.add_argument("--nickname", required=True, metavar="NAME", help="1 to 40 characters")
    add.add_argument(
        "--role", action="append", default=[], choices=ROLES, help="a duty from now on; may be given again"
    )
    add.add_argument(
        "--token", action="store_true", help="print a token as well; it is shown this once, and nowhere kept"
    )


def run(args: argparse.Namespace) -> int:
    """Add the member; the first line is their id, the second, if asked for, their token."""
    with open_database(args.settings) as dsn:
        member_id, token = asyncio.run(
            _add(args.settings, dsn, args.group, args.nickname, args.role, with_token=args.token)
        )
    print(member_id)
    if token:
        print(token)
    return 0


async def _add(
    settings: Settings, dsn: Dsn, slug: str, nickname: str, roles: list[str], *, with_token: bool
) -> tuple[UUID, str]:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.house import open_house
    from timebank.services.members import add_member
    from timebank.services.tokens import make_token
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        now = datetime.now(UTC)
        group_id = await house.database.group_id(slug)
        member_id = await add_member(house, group_id, nickname, now=now, roles=tuple(dict.fromkeys(roles)))
        if not with_token:
            return member_id, ""
        return member_id, (await make_token(house, group_id, member_id, SCOPES, now=now)).token
