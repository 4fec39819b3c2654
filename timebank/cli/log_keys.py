"""``timebank log-keys``: the keys that sign for a group, in a file for the server that the group moves to."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database
from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.config import Settings

NAME: Final = "log-keys"
HELP: Final = "write the keys of a group's log and live book, for the server that it moves to"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")


def run(args: argparse.Namespace) -> int:
    """Write the keys on standard output."""
    if sys.stdout.isatty():
        raise OperatorError("These are secrets and no text to read. Add > FILE to write them into a file.")
    with open_database(args.settings) as dsn:
        sys.stdout.write(asyncio.run(_export(args.settings, dsn, args.group)))
    return 0


async def _export(settings: Settings, dsn: Dsn, slug: str) -> str:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.house import open_house
    from timebank.store.log_key_files import export_keys
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        group_id = await house.database.group_id(slug)
        try:
            return await asyncio.to_thread(export_keys, house.keys, group_id)
        except LookupError as error:
            raise OperatorError(f"The key store has {error}.") from error
