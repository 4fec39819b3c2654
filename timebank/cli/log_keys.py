"""``timebank keys recovery|log``: the recovery key of a public log on paper, and its other keys for a move."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

from timebank.cli.database import Dsn, open_database
from timebank.config import OperatorError

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.config import Settings
    from timebank.store.keys import KeyStore

_PAPER: Final = """\
Recovery key of the public log of "{slug}". Write it on paper now; it is shown this once,
and after it this server does not have it any more:

    {code}

It signs a new key for the log when the old one is lost, stolen, or left behind on another
server. Two people with a duty should keep a copy each, not in the same house."""


def add_actions(actions: Any) -> None:
    """Describe both actions below ``timebank keys``."""
    for name, act, help_ in (
        ("recovery", _recovery, "show the recovery key of a group's log, this once, to write it on paper"),
        ("log", _log, "write the keys of a group's log on standard output, for a server it moves to"),
    ):
        action = actions.add_parser(name, help=help_, description=f"{help_}.", allow_abbrev=False)
        action.add_argument("--group", required=True, metavar="SLUG", help="address of the group")
        action.set_defaults(act=act)


def _recovery(args: argparse.Namespace, settings: Settings) -> None:
    from timebank.store.log_key_files import paper_code

    with open_database(settings) as dsn, _keys(settings) as keys:
        group_id = asyncio.run(_group_id(dsn, args.group))
        secret = keys.recovery_key(group_id)
        if secret is None:
            raise OperatorError("It was shown before and is on paper only; there is no other copy.")
        print(_PAPER.format(slug=args.group, code=paper_code(secret)), flush=True)
        # Only once it was shown: whoever cannot see it has not lost it.
        keys.forget_recovery_key(group_id)


def _log(args: argparse.Namespace, settings: Settings) -> None:
    from timebank.store.log_key_files import export_keys

    if sys.stdout.isatty():
        raise OperatorError("These are secrets and no text to read. Add > FILE to write them into a file.")
    with open_database(settings) as dsn, _keys(settings) as keys:
        group_id = asyncio.run(_group_id(dsn, args.group))
        try:
            sys.stdout.write(export_keys(keys, group_id))
        except LookupError as error:
            raise OperatorError(f"The key store has {error}.") from error


async def _group_id(dsn: Dsn, slug: str) -> UUID:
    from timebank.store.engine import Database

    database = await Database.open(dsn)
    try:
        return await database.group_id(slug)
    finally:
        await database.close()


def _keys(settings: Settings) -> KeyStore:
    from timebank.store.keys import KeyStore

    return KeyStore(settings.home)
