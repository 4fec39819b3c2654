"""A backup: the database of one moment in a folder of its own, beside it the erased and what was published, and no key."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from timebank import __version__
from timebank.config import OperatorError
from timebank.store.backup_folders import (
    DATABASE,
    About,
    BookCopied,
    finish,
    new_folder,
    take_away_old,
    write_list_of_erased,
)
from timebank.store.dumps import dump, moment
from timebank.store.keys import KeyStore
from timebank.store.log_files import LOGS, copy_newer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from timebank.store.dumps import Copied, Show
    from timebank.store.engine import Dsn
    from timebank.store.postgres_binaries import Binaries

#: Left free beside the largest that a copy can be.
_ROOM: Final = 50_000_000


async def make_backup(
    dsn: Dsn, binaries: Binaries, keys: KeyStore, place: Path, *, now: datetime, days: int, show: Show
) -> Path:
    """Copy the database as it is at one moment, while everybody goes on writing; return the folder.

    Args:
        place: Directory of backups. Those that are older than ``days`` are taken away once this one is whole.

    Raises:
        OperatorError: There is no room, or it cannot be written; nothing is left then but what was there.
    """
    folder = new_folder(place, now=now)
    try:
        async with moment(dsn) as copied:
            _check_room(place, copied)
            await dump(binaries, dsn, copied, folder / DATABASE, show=show)
        final = finish(folder, _about(copied, now))
        write_list_of_erased(keys, place)
        copy_newer(keys.home / LOGS, place / LOGS)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OperatorError(f"The backup could not be written: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    take_away_old(place, now=now, days=days)
    return final


def _check_room(place: Path, copied: Copied) -> None:
    free = shutil.disk_usage(place).free
    if free < copied.size + _ROOM:
        raise OperatorError(
            f"{place} has {free / 1e6:,.0f} MB free, and a backup of this database may need"
            f" {(copied.size + _ROOM) / 1e6:,.0f}; free some space, or name another directory with --to."
        )


def _about(copied: Copied, now: datetime) -> About:
    return About(
        v=1,
        made_at=now,
        program=__version__,
        schema=copied.schema,
        server=copied.server,
        tables=copied.tables,
        books=[
            BookCopied(
                group_id=head.group_id,
                slug=head.slug,
                records=head.seq,
                epoch=head.epoch,
                checkpoint=head.checkpoint,
            )
            for head in copied.heads
        ],
    )
