"""Published leaves and the newest public checkpoint as files beside the keys, outside database and backups.

A server whose database was put back knows from them what was published and is in no book any more.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from timebank.ledger.tiles import bundle
from timebank.store.private_files import give_to_owner_of_home

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

CHECKPOINT = "checkpoint"


class LogFiles:
    """The files of every group, in ``<home>/logs/<group id>``: one of leaves for each period, and ``checkpoint``."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "logs"

    def has(self, group_id: UUID, period: int) -> bool:
        """Whether the leaves of a period are kept."""
        return self._path(group_id, period).exists()

    def keep_leaves(self, group_id: UUID, period: int, leaves: Sequence[bytes]) -> None:
        """Keep the leaves of a period, each behind its length in two bytes; half a file is never seen."""
        self._write(group_id, self._path(group_id, period), _in_bundles(leaves))

    def keep_checkpoint(self, group_id: UUID, note: str) -> None:
        """Keep the newest checkpoint; the leaves that it speaks of are kept before."""
        self._write(group_id, self._folder / str(group_id) / CHECKPOINT, note.encode())

    def read_checkpoint(self, group_id: UUID) -> str | None:
        """Return the newest checkpoint that was kept, or None."""
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / str(group_id) / CHECKPOINT).read_text(encoding="utf-8")
        return None

    def _path(self, group_id: UUID, period: int) -> Path:
        return self._folder / str(group_id) / f"{period:06}.leaves"

    def _write(self, group_id: UUID, path: Path, data: bytes) -> None:
        folder = self._folder / str(group_id)
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            give_to_owner_of_home(self._folder, folder)
        side = path.with_suffix(f".{os.getpid()}.new")
        side.write_bytes(data)
        give_to_owner_of_home(self._folder, side)
        side.replace(path)


def _in_bundles(leaves: Sequence[bytes]) -> bytes:
    return b"".join(bundle(leaves[start : start + 256]) for start in range(0, len(leaves), 256))
