"""``timebank keys``: a copy of the keys in a file that opens with a code on paper, and back again."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timebank.cli.backup import absolute
from timebank.cli.brought import bring, clear, found
from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.config import Settings
    from timebank.store.key_exports import KeyCopy
    from timebank.store.keys import KeyStore

NAME: Final = "keys"
HELP: Final = "copy the keys into a file that opens with a code on paper, or bring such a copy back"

#: A copy that is older may have keys of people who were erased longer ago than anybody must remember.
AGE_MAX: Final = timedelta(days=30)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(metavar="export|import", required=True)
    export = actions.add_parser(
        "export", help="write a copy and show its code, this once", allow_abbrev=False
    )
    export.set_defaults(act=_export)
    export.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="the new file (`keys-DAY.sealed` in `backups`)"
    )
    bring = actions.add_parser("import", help="merge a copy into this home's keys", allow_abbrev=False)
    bring.set_defaults(act=_import)
    bring.add_argument("file", type=Path, metavar="FILE", help="what `keys export` wrote")
    bring.add_argument("--old", action="store_true", help="take it though it is older than 30 days")


def prepare(words: Sequence[str], args: argparse.Namespace) -> list[str]:
    """Name the file in a way that means the same wherever this process will be; bring one that is read."""
    return bring(words, args, "file") if args.act is _import else absolute(words, args.file)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    args.act(args, args.settings)
    return 0


def _export(args: argparse.Namespace, settings: Settings) -> None:
    from timebank.store.key_exports import new_code, take_copy, write_copy
    from timebank.store.keys import KeyStore

    if not (settings.home / "keys" / "keys.sqlite").exists():
        raise OperatorError(f"There are no keys in {settings.home_name}.")
    now = datetime.now(UTC)
    target = args.file
    if target is None:
        target = settings.home / "backups" / f"keys-{now:%Y%m%dT%H%M%SZ}.sealed"
        target.parent.mkdir(mode=0o700, exist_ok=True)
    target, code = Path(os.path.abspath(target)), new_code()
    with KeyStore(settings.home) as keys:
        write_copy(take_copy(keys, settings.home, now=now), code, target)
    print(f"The keys are in {target}. It opens with this code, which is shown only now; put it on paper:\n")
    print(f"    {code}\n")
    print("Keep file and paper in two places, and neither beside a backup. Make a new copy each month, and")
    print("destroy this one after 30 days: it still has the keys of whoever is erased from now on.")


def _import(args: argparse.Namespace, settings: Settings) -> None:
    from timebank.store.keys import KeyStore

    source = found(settings, args.file)
    assert source is not None
    try:
        with KeyStore(settings.home) as keys:
            bring_back(source, keys, settings.home, old=args.old)
    finally:
        clear(settings)
    print(f"The keys of {args.file} are in {settings.home_name}.")


def bring_back(source: Path, keys: KeyStore, home: Path, *, old: bool) -> KeyCopy:
    """Ask for the code of a copy and merge it into a key store; doing it again changes nothing.

    Raises:
        OperatorError: The code is wrong, or the copy is older than 30 days.
    """
    from timebank.store.key_exports import merge_copy, read_copy

    copy = read_copy(source, _ask_code())
    if not old and copy.made_at < datetime.now(UTC) - AGE_MAX:
        raise OperatorError(
            f"{source} was made on {copy.made_at:%Y-%m-%d}, more than 30 days ago, and may have keys of people who were"
            " erased since. If there is no newer copy and you have the newest erased.txt, add --old."
        )
    merge_copy(copy, keys, home)
    return copy


def _ask_code() -> str:
    if sys.stdin.isatty():
        return getpass("Code on the paper: ")
    return sys.stdin.readline()
