"""``timebank new-keys``: introduce new keys for a group's public log, with the keys before or with the one on paper."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from getpass import getpass
from typing import TYPE_CHECKING, Final

from timebank.cli.database import Dsn, open_database
from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.config import Settings
    from timebank.services.new_keys import NewKeys

NAME: Final = "new-keys"
HELP: Final = "let a group's public log and receipts be signed with new keys from the next close on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
    why = parser.add_mutually_exclusive_group()
    why.add_argument(
        "--lost", action="store_true", help="the keys are lost: asks for the recovery key on paper"
    )
    why.add_argument(
        "--stolen",
        action="store_true",
        help="somebody else may have them: asks for the recovery key on paper",
    )


def run(args: argparse.Namespace) -> int:
    """Make the keys, and say from when on they count."""
    reason = "lost" if args.lost else "stolen" if args.stolen else "rotation"
    paper = None if reason == "rotation" else ask_paper(args.group)
    with open_database(args.settings, alone=True) as dsn:
        made = asyncio.run(_introduce(args.settings, dsn, args.group, reason, paper))
    print("New keys are made, and the book says so. They count from the next close on; the log's is:")
    print(f"    {made.log}")
    if paper is not None:
        print("The recovery key stays the same: put the paper back to where it was.")
    print(
        "Make a new copy of the keys now (timebank keys export), and give the log's key to whoever has the old one."
    )
    return 0


def ask_paper(slug: str) -> bytes:
    """Ask for a group's recovery key.

    Raises:
        OperatorError: What was typed is none.
    """
    from timebank.store.log_key_files import NoKeysError, read_paper

    text = getpass(f"Recovery key of {slug}, on the paper: ") if sys.stdin.isatty() else sys.stdin.readline()
    try:
        return read_paper(text)
    except NoKeysError as error:
        raise OperatorError(str(error)) from error


async def _introduce(settings: Settings, dsn: Dsn, slug: str, reason: str, paper: bytes | None) -> NewKeys:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.house import open_house
    from timebank.services.new_keys import introduce_keys
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    async with open_house(settings.home, dsn) as house:
        group_id = await house.database.group_id(slug)
        return await introduce_keys(house, group_id, reason=reason, paper=paper, now=datetime.now(UTC))
