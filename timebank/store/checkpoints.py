"""Signed live checkpoints: one per batch in the head row, and the last one in a file outside the database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from timebank.ledger.notes import checkpoint_body, key_id, sign_note, verifier_key
from timebank.store.keys import write_whole
from timebank.store.private_files import give_to_owner_of_home

if TYPE_CHECKING:
    from timebank.store.keys import KeyStore

log = logging.getLogger(__name__)


#: Between two files. A busy group is signed hundreds of times a second; its file may be that late.
_PAUSE_S = 0.2

#: How a checkpoint is named that came with a copy of the keys: others may have been signed after it.
COPIED = ".copied"

#: Beside it, the last epoch of the book.
EPOCH = ".epoch"


class _Signer:
    """A group's live key, ready to sign; 23 microseconds a signature."""

    __slots__ = ("name", "private", "secret", "tag")

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self.secret = secret
        self.private = Ed25519PrivateKey.from_private_bytes(secret)
        self.tag = key_id(name, self.public)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()


class Checkpoints:
    """Signs live checkpoints, and keeps the newest of each group in ``<home>/checkpoints``.

    The file is how ``verify`` sees that a tail was cut off: it is written after the commit that
    it speaks of, so it never runs ahead of the database. Written lazily, newest only, so that a
    busy group costs one file write at a time and not one per batch.
    """

    def __init__(self, keys: KeyStore, home: Path) -> None:
        self._keys = keys
        self._folder = home / "checkpoints"
        self._signers: dict[UUID, _Signer] = {}
        self._log_signers: dict[UUID, _Signer] = {}
        self._newest: dict[UUID, tuple[int, str]] = {}
        self._dirty: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def sign(self, group_id: UUID, origin: str, epoch: int, size: int, root: bytes) -> str:
        """Return the C2SP signed note of a live checkpoint: origin + ``/live``, size, root.

        The epoch is not in the note; it stands in the head row and in receipts.
        """
        assert epoch >= 1, epoch
        signer = self._signer(group_id, live_origin(origin))
        return sign_note(
            checkpoint_body(signer.name, size, root), signer.name, signer.tag, signer.private.sign
        )

    def sign_log(self, group_id: UUID, origin: str, size: int, root: bytes) -> str:
        """Return the C2SP signed note of a checkpoint of the group's public log."""
        signer = self._log_signer(group_id, origin)
        return sign_note(
            checkpoint_body(signer.name, size, root), signer.name, signer.tag, signer.private.sign
        )

    def sign_promise(self, group_id: UUID, origin: str, words: str) -> str:
        """Return a signed note that begins with the origin of the live book, as receipts are.

        Args:
            words: The lines after the first, each with its newline.
        """
        signer = self._signer(group_id, live_origin(origin))
        return sign_note(f"{signer.name}\n{words}", signer.name, signer.tag, signer.private.sign)

    def log_keys(self, group_id: UUID, origin: str) -> tuple[str, str]:
        """Return the verifier keys of a group's public log and of its live book."""
        log_signer, live = self._log_signer(group_id, origin), self._signer(group_id, live_origin(origin))
        return verifier_key(log_signer.name, log_signer.public), verifier_key(live.name, live.public)

    def recovery_hash(self, group_id: UUID) -> bytes:
        """Return the hash of the recovery key, which a log begins with; only while it is not yet on paper alone.

        Raises:
            LookupError: It was taken already.
        """
        secret = self._keys.recovery_key(group_id)
        if secret is None:
            raise LookupError(f"the recovery key of group {group_id} is on paper only")
        public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        return sha256(public).digest()

    def public_key(self, group_id: UUID, origin: str) -> Ed25519PublicKey:
        """Return the key that verifies this group's live checkpoints."""
        return self._signer(group_id, live_origin(origin)).private.public_key()

    def keep(self, group_id: UUID, size: int, note: str) -> None:
        """Remember a committed checkpoint; it reaches its file soon, from the event loop's side."""
        if self._newest.get(group_id, (-1, ""))[0] >= size:
            return
        self._newest[group_id] = (size, note)
        self._dirty.add(group_id)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_dirty())

    def read_epoch(self, group_id: UUID) -> int:
        """Return the last epoch that this home knows of, also of books that were lost since; 1 for none."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._path(group_id).with_suffix(EPOCH).read_text(encoding="ascii"))
        return 1

    def keep_epoch(self, group_id: UUID, epoch: int) -> None:
        """Remember an epoch, so that no restore ever begins it again.

        Raises:
            OSError: It cannot be written.
        """
        if epoch > self.read_epoch(group_id):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._path(group_id).with_suffix(EPOCH), f"{epoch}\n")

    def replace(self, group_id: UUID, size: int, note: str) -> None:
        """Keep a checkpoint of a book that was restored, though it may be smaller; the one before is put aside.

        Raises:
            OSError: It cannot be written.
        """
        before = self.read_kept(group_id)
        if before == note and self.is_newest(group_id):
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if before is not None:
            # What was signed and is in no book any more: whoever holds a receipt of it may want to see it.
            aside = self._path(group_id).with_suffix(f".{before.split(chr(10))[1]}.aside")
            write_whole(aside, before)
        write_whole(self._path(group_id), note)
        self._path(group_id).with_suffix(COPIED).unlink(missing_ok=True)
        self._newest[group_id] = (size, note)

    def read_kept(self, group_id: UUID) -> str | None:
        """Return the note in the file, or None when this home never kept one for the group."""
        for path in (self._path(group_id), self._path(group_id).with_suffix(COPIED)):
            with contextlib.suppress(FileNotFoundError):
                return path.read_text(encoding="utf-8")
        return None

    def is_newest(self, group_id: UUID) -> bool:
        """Return whether what is kept is the last that was ever signed, and not of a copy made at some time."""
        return self._path(group_id).exists()

    def list_kept(self) -> list[UUID]:
        """Return the groups of which this home keeps a checkpoint."""
        found = []
        for path in sorted(self._folder.glob("*.live")):
            with contextlib.suppress(ValueError):
                found.append(UUID(path.stem))
        return found

    async def idle(self) -> None:
        """Return once all that was to be kept so far is in its files."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Write what is still on its way."""
        self._closing.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write_dirty()

    async def _write_dirty(self) -> None:
        while self._dirty:
            group_id = self._dirty.pop()
            size, note = self._newest[group_id]
            try:
                await asyncio.to_thread(self._write, group_id, size, note)
            except OSError as error:
                # A full disk must not stop anybody: the next checkpoint tries again, and until
                # then verify compares with the last one that could be written.
                log.warning("the checkpoint of %s was not kept: %s", group_id, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _PAUSE_S)

    def _write(self, group_id: UUID, size: int, note: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(group_id)
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            # Another process may have written a later one meanwhile: never go back.
            if int(path.read_text(encoding="utf-8").split("\n")[1]) >= size:
                return
        side = path.with_suffix(f".{os.getpid()}.new")
        side.write_text(note, encoding="utf-8")
        give_to_owner_of_home(self._folder, side)
        side.replace(path)

    def _path(self, group_id: UUID) -> Path:
        return self._folder / f"{group_id}.live"

    def _signer(self, group_id: UUID, name: str) -> _Signer:
        # The key store is asked each time: a key can be changed while others sign.
        secret = self._keys.live_key(group_id)
        signer = self._signers.get(group_id)
        if signer is None or (signer.name, signer.secret) != (name, secret):
            signer = self._signers[group_id] = _Signer(name, secret)
        return signer

    def _log_signer(self, group_id: UUID, origin: str) -> _Signer:
        secret = self._keys.log_key(group_id)
        signer = self._log_signers.get(group_id)
        if signer is None or (signer.name, signer.secret) != (origin, secret):
            signer = self._log_signers[group_id] = _Signer(origin, secret)
        return signer


def live_origin(origin: str) -> str:
    """Return the origin of a group's live book, which is not that of its public log."""
    return f"{origin}/live"


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


def receipt_code(commitment: bytes) -> str:
    """Return a code for people, from a commitment: its first 80 bits in base 32, four groups of four."""
    number = int.from_bytes(commitment[:10])
    pairs = _PAIRS
    return (
        f"{pairs[number >> 70]}{pairs[number >> 60 & 1023]}-{pairs[number >> 50 & 1023]}"
        f"{pairs[number >> 40 & 1023]}-{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}-"
        f"{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )
