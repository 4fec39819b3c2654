"""Published leaves and the newest public checkpoint as files beside the keys, outside database and backups.

A server whose database was put back knows from them what was published and is in no book any more. Beside what
is public they have the salts of padding, so that whoever counts what was lost can tell it from padding.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from timebank.ledger.tiles import NotATile, bundle
from timebank.store.private_files import give_to_owner_of_home

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKPOINT = "checkpoint"

#: In a home, and once more beside backups.
LOGS: Final = "logs"

_SALT_BYTES: Final = 32


class KeptPeriod(NamedTuple):
    """A period of a log as it is kept.

    Attributes:
        period: As the log counts them; 0 is the one it begins with.
        note: The checkpoint that was signed at its end; None if that is not kept.
        salts: Of its padding; none where they are not known.
        texts: Published texts of policies of which it has leaves, by (pot, version).
    """

    period: int
    leaves: list[bytes]
    note: str | None
    salts: list[bytes]
    texts: dict[tuple[str, int], bytes]


class LogFiles:
    """The files of every group, in ``<home>/logs/<group id>``: some for each period, and ``checkpoint``."""

    def __init__(self, home: Path) -> None:
        self._folder = home / LOGS

    def has(self, group_id: UUID, period: int) -> bool:
        """Whether a period is kept as a whole."""
        return self._path(group_id, period, "checkpoint").exists()

    def keep_period(self, group_id: UUID, kept: KeptPeriod) -> None:
        """Keep a period; it counts as kept once its last file is there, and half a file is never seen."""
        for (pot, version), text in kept.texts.items():
            self._write(group_id, self._folder / str(group_id) / f"{pot}.{version}.policy", text)
        self._write(group_id, self._path(group_id, kept.period, "salts"), b"".join(kept.salts))
        self._write(group_id, self._path(group_id, kept.period, "leaves"), _in_bundles(kept.leaves))
        note = self._path(group_id, kept.period, "checkpoint")
        if kept.note is None:
            note.unlink(missing_ok=True)
        else:
            self._write(group_id, note, kept.note.encode())

    def keep_checkpoint(self, group_id: UUID, note: str) -> None:
        """Keep the newest checkpoint; the leaves that it speaks of are kept before."""
        self._write(group_id, self.checkpoint_path(group_id), note.encode())

    def read_checkpoint(self, group_id: UUID) -> str | None:
        """Return the newest checkpoint that was kept, or None."""
        with contextlib.suppress(FileNotFoundError):
            return self.checkpoint_path(group_id).read_text(encoding="utf-8", errors="replace")
        return None

    def checkpoint_path(self, group_id: UUID) -> Path:
        """Return where the newest checkpoint is kept."""
        return self._folder / str(group_id) / CHECKPOINT

    def read_periods(self, group_id: UUID, *, after: int) -> list[KeptPeriod]:
        """Return the periods that are kept after one, in order, up to the first that is not there.

        Raises:
            NotATile: A file of leaves is cut off, or none.
        """
        texts = self._read_texts(group_id)
        found: list[KeptPeriod] = []
        while (kept := self._read_period(group_id, after + 1 + len(found), texts)) is not None:
            found.append(kept)
        return found

    def read_period(self, group_id: UUID, period: int) -> KeptPeriod | None:
        """Return one period, or None if it is not kept.

        Raises:
            NotATile: Its file of leaves is cut off, or none.
        """
        return self._read_period(group_id, period, self._read_texts(group_id))

    def _read_period(
        self, group_id: UUID, period: int, texts: dict[tuple[str, int], bytes]
    ) -> KeptPeriod | None:
        path, note = (self._path(group_id, period, what) for what in ("leaves", "checkpoint"))
        if not path.exists():
            return None
        return KeptPeriod(
            period,
            _of_bundles(path.read_bytes()),
            note.read_text(encoding="utf-8", errors="replace") if note.exists() else None,
            self.read_salts(group_id, period),
            texts,
        )

    def read_salts(self, group_id: UUID, period: int) -> list[bytes]:
        """Return the salts of a period's padding, also where its leaves are damaged; none where they are not kept."""
        path = self._path(group_id, period, "salts")
        data = path.read_bytes() if path.exists() else b""
        return [data[at : at + _SALT_BYTES] for at in range(0, len(data), _SALT_BYTES)]

    def _read_texts(self, group_id: UUID) -> dict[tuple[str, int], bytes]:
        texts = {}
        for path in (self._folder / str(group_id)).glob("*.policy"):
            pot, version = path.stem.split(".")
            texts[pot, int(version)] = path.read_bytes()
        return texts

    def _path(self, group_id: UUID, period: int, what: str) -> Path:
        return self._folder / str(group_id) / f"{period:06}.{what}"

    def _write(self, group_id: UUID, path: Path, data: bytes) -> None:
        folder = self._folder / str(group_id)
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            give_to_owner_of_home(self._folder, folder)
        side = path.with_name(f"{path.name}.{os.getpid()}.new")
        side.write_bytes(data)
        give_to_owner_of_home(self._folder, side)
        side.replace(path)


def copy_newer(source: Path, target: Path) -> None:
    """Bring kept logs of one place to another: of each group only where they are longer there than here.

    Args:
        source, target: Folders that have, or get, a folder for each group.
    """
    for folder in sorted(source.glob("*/")) if source.is_dir() else ():
        here = target / folder.name
        if not (folder / CHECKPOINT).exists() or _size(folder) <= _size(here):
            continue
        here.mkdir(mode=0o700, parents=True, exist_ok=True)
        give_to_owner_of_home(target, here)
        # The checkpoint last: what it speaks of is there before.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == CHECKPOINT):
            side = here / f"{path.name}.{os.getpid()}.new"
            if path.suffix != ".new":
                shutil.copyfile(path, side)
                give_to_owner_of_home(target, side)
                side.replace(here / path.name)


def _size(folder: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
        return int((folder / CHECKPOINT).read_text(encoding="utf-8").split("\n")[1])
    return 0


def _in_bundles(leaves: Sequence[bytes]) -> bytes:
    return b"".join(bundle(leaves[start : start + 256]) for start in range(0, len(leaves), 256))


def _of_bundles(data: bytes) -> list[bytes]:
    """Return leaves behind each other, each behind its length in two bytes.

    Raises:
        NotATile: The last one is cut off.
    """
    leaves, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise NotATile("a file of leaves is cut off")
        leaves.append(data[at + 2 : end])
        at = end
    return leaves
