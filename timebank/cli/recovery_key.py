"""``timebank recovery-key``: put the key on paper that can introduce a new key of a group's public log."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database
from timebank.config import OperatorError
from timebank.services.recovery_paper import on_paper

if TYPE_CHECKING:
    from timebank.config import Settings

NAME: Final = "recovery-key"
HELP: Final = "print the recovery key of a group's public log, to be kept on paper only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    parser.add_argument(
        "--forget",
        action="store_true",
        help="destroy it here: from now on it is on your paper and nowhere else",
    )


def run(args: argparse.Namespace) -> int:
    """Print the key in groups of four signs, or destroy it."""
    with open_database(args.settings) as dsn:
        key = asyncio.run(_take(args.settings, dsn, args.group, forget=args.forget))
    if args.forget:
        print("It is destroyed here. Keep the paper: nobody can make it again.")
    elif key is None:
        print("It is not here any more: it was put on paper before.")
        return 1
    else:
        print(on_paper(key))
        print(
            "Write it down, or print it, and keep it where this machine is not. If the key of the log is ever lost or\n"
            "stolen, this one introduces another. Then run the same with --forget."
        )
    return 0


async def _take(settings: Settings, dsn: Dsn, slug: str, *, forget: bool) -> bytes | None:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.house import open_house
    from timebank.services.public_log import make_keys
    from timebank.store.migrate import upgrade
    from timebank.store.public_log import find_head

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        group_id = await house.database.group_id(slug)
        await make_keys(house, group_id)
        key = await asyncio.to_thread(house.keys.recovery_key, group_id)
        async with house.database.read(group_id) as tx:
            begun = await find_head(tx, group_id) is not None
        if forget and not begun:
            raise OperatorError(
                "Its public log has not begun, and begins with this key: run timebank close first."
            )
        if forget:
            await asyncio.to_thread(house.keys.forget_recovery_key, group_id)
        return key
