"""``timebank backup``: copy the whole database into a folder of its own, while the server runs."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timebank.cli.brought import reworded
from timebank.cli.database import Dsn, open_database
from timebank.cli.progress import Bar

if TYPE_CHECKING:
    from timebank.config import Settings

NAME: Final = "backup"
HELP: Final = "copy the whole database, without the keys, into a folder of its own; the server may run"

#: How long backups are kept by default: as long as copies of the keys may be.
KEEP_DAYS: Final = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="directory that gets the new folder (`backups` in the home)"
    )
    parser.add_argument(
        "--keep-days",
        type=_days,
        default=KEEP_DAYS,
        metavar="N",
        help=f"take away folders in it that are older, but never the newest ({KEEP_DAYS})",
    )


def prepare(words: Sequence[str], args: argparse.Namespace) -> list[str]:
    """Name the directory in a way that means the same wherever this process will be."""
    return absolute(words, args.to)


def absolute(words: Sequence[str], *paths: Path | None) -> list[str]:
    """Return words of a command line with these paths written out whole."""
    whole = {path: os.path.abspath(path) for path in paths if path is not None}
    return [reworded(word, whole) for word in words]


def run(args: argparse.Namespace) -> int:
    """Make the backup, and say where it is and what is not in it."""
    place = Path(os.path.abspath(args.to)) if args.to else args.settings.home / "backups"
    with open_database(args.settings) as dsn:
        asyncio.run(_backup(args.settings, dsn, place, args.keep_days))
    return 0


async def _backup(settings: Settings, dsn: Dsn, place: Path, days: int) -> None:
    # Imported late: the overview of commands needs none of it.
    from timebank.services.backup import make_backup
    from timebank.store.keys import KeyStore
    from timebank.store.postgres_binaries import find

    bar = Bar("backup")
    with KeyStore(settings.home) as keys:
        folder = await make_backup(
            dsn,
            find(settings.pg_bin, major=_major(settings)),
            keys,
            place,
            now=datetime.now(UTC),
            days=days,
            show=bar.show,
        )
    bar.close()
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"The database is in {folder} ({size / 1e6:,.1f} MB).")
    print("Copy it to another machine, together with erased.txt beside it.")
    print("The keys are not in it; without them nobody can be read: timebank keys export")


def _major(settings: Settings) -> int | None:
    version = settings.home / "postgres" / "PG_VERSION"
    return int(version.read_text(encoding="ascii")) if settings.embedded and version.exists() else None


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 36_500:
        raise argparse.ArgumentTypeError("a whole number of days from 1 on")
    return int(text)
