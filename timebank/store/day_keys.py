"""Keys of one day, in files beside the key store: whoever has the database alone cannot tell who tried what."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from datetime import date
from pathlib import Path

from timebank.store.private_files import give_to_owner_of_home

_KEY_BYTES = 32


class DayKeys:
    """The key of each day, in ``<home>/keys/days``; made when first asked for, destroyed when the day is over.

    Not in the key store itself: that is copied by backups, and this must be forgotten. Any thread may
    ask; several processes share the files.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "keys" / "days"
        self._lock = threading.Lock()
        self._known: tuple[date, bytes] | None = None

    def find(self, day: date) -> bytes:
        """Return the 32 bytes of a day; asking for a new day destroys those of the days before it.

        Raises:
            OSError: The file cannot be read or made.
        """
        with self._lock:
            if self._known is None or self._known[0] != day:
                self._known = (day, self._read_or_make(day))
                self._destroy_before(day)
            return self._known[1]

    def forget_before(self, day: date) -> None:
        """Destroy the keys of days that are over, also when nobody asks for today's."""
        with self._lock:
            if self._known is not None and self._known[0] < day:
                self._known = None
            self._destroy_before(day)

    def _read_or_make(self, day: date) -> bytes:
        path = self._folder / f"{day.isoformat()}.key"
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = self._folder / f"new-{secrets.token_hex(8)}"
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        give_to_owner_of_home(self._folder.parent, self._folder)
        give_to_owner_of_home(self._folder.parent, fresh)
        # A link appears whole or not at all, and the first of several processes wins.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
        return path.read_bytes()

    def _destroy_before(self, day: date) -> None:
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            over = path.suffix == ".key" and path.stem < day.isoformat()
            # Another process may be doing the same.
            with contextlib.suppress(FileNotFoundError):
                if over:
                    with path.open("r+b", buffering=0) as file:
                        file.write(bytes(_KEY_BYTES))
                        os.fsync(file.fileno())
                    path.unlink()
