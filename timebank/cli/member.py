"""``timebank member``: let people join a group, say who is in it, and change their duties and codes."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from uuid import UUID

    from timebank.config import Settings
    from timebank.services.house import House

    Doing = Callable[[argparse.Namespace, House, UUID], Coroutine[None, None, None]]

NAME: Final = "member"
HELP: Final = "let somebody join a group, list its members, change duties and codes"

ROLES: Final = ("steward", "treasurer", "auditor", "host")
SCOPES: Final = ("read", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    doings = parser.add_subparsers(dest="doing", metavar="DOING", required=True)

    def doing(name: str, does: str, act: Doing) -> argparse.ArgumentParser:
        found = doings.add_parser(name, help=does, allow_abbrev=False)
        # The command has it too; people write it where they remember it.
        found.add_argument(
            "--data", type=Path, default=argparse.SUPPRESS, metavar="DIR", help=argparse.SUPPRESS
        )
        found.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
        found.set_defaults(act=act)
        return found

    add = doing("add", "let somebody join, and print their id", _add)
    add.add_argument("--nickname", required=True, metavar="NAME", help="1 to 40 characters")
    add.add_argument(
        "--role", action="append", default=[], choices=ROLES, help="a duty from now on; may be given again"
    )
    add.add_argument(
        "--token", action="store_true", help="print a token as well; it is shown this once, and nowhere kept"
    )
    doing("list", "print code, state, nickname and duties of everybody", _list)
    roles = doing("roles", "give and take duties, and print those that hold now", _roles)
    roles.add_argument("--nickname", required=True, metavar="NAME", help="of the member")
    roles.add_argument("--give", action="append", default=[], choices=ROLES, help="may be given again")
    roles.add_argument("--take", action="append", default=[], choices=ROLES, help="may be given again")
    vouch = doing("vouch", "say that somebody for whom a steward printed a card is who they are", _vouch)
    vouch.add_argument("--nickname", required=True, metavar="NAME", help="of the member")
    code = doing("code", "give somebody a new short code, and print it", _code)
    code.add_argument("--nickname", required=True, metavar="NAME", help="of the member")


def run(args: argparse.Namespace) -> int:
    """Do it; refusals become one sentence and exit code 1."""
    with open_database(args.settings) as dsn:
        asyncio.run(_run(args, args.settings, dsn))
    return 0


async def _run(args: argparse.Namespace, settings: Settings, dsn: Dsn) -> None:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.house import open_house
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        await args.act(args, house, await house.database.group_id(args.group))


async def _add(args: argparse.Namespace, house: House, group_id: UUID) -> None:
    """Add a member; the first line is their id, the second, if asked for, their token."""
    from timebank.services.members import add_member
    from timebank.services.tokens import make_token

    now = datetime.now(UTC)
    roles = tuple(dict.fromkeys(args.role))
    member_id = await add_member(house, group_id, args.nickname, now=now, roles=roles)
    print(member_id)
    if args.token:
        print((await make_token(house, group_id, member_id, SCOPES, now=now)).token)


async def _list(args: argparse.Namespace, house: House, group_id: UUID) -> None:  # noqa: ARG001
    from timebank.services.member_acts import list_for_host

    for one in await list_for_host(house, group_id, now=datetime.now(UTC)):
        words = (one.code or "-" * 8, one.state, one.nickname or "-", " ".join(one.roles))
        print("\t".join(words).rstrip())


async def _roles(args: argparse.Namespace, house: House, group_id: UUID) -> None:
    from timebank.services.members import find_member, grant_role, revoke_role

    member = await find_member(house, group_id, nickname=args.nickname, now=datetime.now(UTC))
    for role in dict.fromkeys(args.give):
        await grant_role(house, group_id, member.member_id, role, now=datetime.now(UTC))
    for role in dict.fromkeys(args.take):
        await revoke_role(house, group_id, member.member_id, role, now=datetime.now(UTC))
    member = await find_member(house, group_id, member_id=member.member_id, now=datetime.now(UTC))
    print(" ".join(member.roles) or "none")


async def _vouch(args: argparse.Namespace, house: House, group_id: UUID) -> None:
    from timebank.services.duties import vouch_as_host
    from timebank.services.members import find_member

    now = datetime.now(UTC)
    member = await find_member(house, group_id, nickname=args.nickname, now=now)
    await vouch_as_host(house, group_id, member.member_id, now=now)


async def _code(args: argparse.Namespace, house: House, group_id: UUID) -> None:
    from timebank.services.members import find_member, give_code
    from timebank.store.groups import bump_setup_version

    member = await find_member(house, group_id, nickname=args.nickname, now=datetime.now(UTC))
    async with house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        code = await give_code(house, tx, group_id, member.member_id)
    print(code)
