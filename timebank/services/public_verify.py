"""Checks a public log with nothing but its published files, and says what was found and what was proved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from timebank.ledger.notes import (
    Checkpoint,
    NotANote,
    Note,
    parse_checkpoint,
    parse_note,
    read_verifier_key,
    verified,
)
from timebank.ledger.public_check import PublicCheck, Seen, WrongLeaf
from timebank.ledger.public_log import CHECKPOINT_PATH, LogKeys
from timebank.ledger.tiles import TileWriter, entries_path, tiles_at
from timebank.ledger.tree import HASH_BYTES, leaf_hash

if TYPE_CHECKING:
    from timebank.services.log_sources import LogSource

Progress = Callable[[int, int], None]
"""Is told how many leaves are done, and how many there are."""

Take = Callable[[bytes], None]
"""Is given every leaf that is as it must be, in order."""


class NotACheckpointError(Exception):
    """What somebody kept, or what is to be compared with, is no checkpoint of a public log."""


class LogFinding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        leaf: The first leaf that is wrong, from 0; None where it is the log as a whole.
        what: A sentence for people, without its full stop.
    """

    leaf: int | None
    what: str


class LogVerdict(NamedTuple):
    """What a check of a log found.

    Attributes:
        findings: Empty if the log is whole; a wrong leaf is always the only one.
        origin: Of the log, as far as it could be read.
        note: The newest checkpoint as it was read.
        keys: Those that count at its end; None unless the log is whole.
        seen: How much there was, up to the first wrong leaf.
        kept: Leaves of the older checkpoint that it goes on from; None if none was given.
    """

    findings: tuple[LogFinding, ...]
    origin: str
    note: bytes
    keys: LogKeys | None
    seen: Seen
    kept: int | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify_with(key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature is Ed25519 of a message under a key of 32 bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_checkpoint(data: bytes) -> tuple[Note, Checkpoint]:
    """Read a signed note whose text is a checkpoint; nothing of it is verified.

    Raises:
        NotACheckpointError: It is none.
    """
    try:
        note = parse_note(data)
        return note, parse_checkpoint(note.text)
    except NotANote as error:
        raise NotACheckpointError(str(error)) from error


def is_signed(note: Note, key: str) -> bool:
    """Say whether a note is signed with this verifier key, and has no wrong signature of it."""
    name, tag, public = read_verifier_key(key)
    try:
        verified(note, {(name, tag): lambda signature, text: verify_with(public, signature, text)})
    except NotANote:
        return False
    return True


def check_log(
    log: LogSource,
    *,
    kept: bytes | None = None,
    progress: Progress = lambda _done, _total: None,
    take: Take = lambda _leaf: None,
) -> LogVerdict:
    """Check a log from its first leaf to its last; memory stays flat however long it is.

    Args:
        log: The published files.
        kept: An older checkpoint that somebody kept.
        progress: Is told how far the check is, once for 256 leaves.
        take: Is given every leaf.

    Raises:
        NotACheckpointError: ``kept`` is no checkpoint.
        NoLogError: The files cannot be read.
    """
    older = read_checkpoint(kept) if kept is not None else None
    if older and not older[1].size:
        raise NotACheckpointError("a log has a leaf at least")
    check = PublicCheck(verify=verify_with, read=log.read)
    data = log.read(CHECKPOINT_PATH)
    try:
        note, newest = read_checkpoint(data or b"")
    except NotACheckpointError as error:
        why = "there is no checkpoint" if data is None else f"the checkpoint is none: {error}"
        return LogVerdict((LogFinding(None, why),), "", data or b"", None, check.seen, None)
    walk = _Walk(log, newest, check, older[1].size if older else None, take)
    try:
        walk.leaves(progress)
    except WrongLeaf as wrong:
        findings = [LogFinding(wrong.leaf, wrong.why)]
    else:
        findings = [LogFinding(None, why) for why in walk.whole(note, older)]
    return LogVerdict(
        findings=tuple(findings),
        origin=newest.origin,
        note=data or b"",
        keys=None if findings else check.keys,
        seen=check.seen,
        kept=older[1].size if older else None,
    )


_ENDS_OPEN: Final = "the log ends in the middle of a period"


class _Walk:
    """Goes through bundles and tiles side by side, and remembers what is needed at the end."""

    def __init__(
        self, log: LogSource, newest: Checkpoint, check: PublicCheck, kept: int | None, take: Take
    ) -> None:
        self._log = log
        self._told = take
        self._newest = newest
        self._check = check
        self._writer = TileWriter()
        self._kept_size = kept
        self._kept_root = b""
        self._kept_key = ""
        self._wrong_tile = ""

    def leaves(self, progress: Progress) -> None:
        """Take every leaf.

        Raises:
            WrongLeaf: The first that is wrong.
        """
        size = self._newest.size
        self._log.expect(name for tile in tiles_at(size, 0) for name in (entries_path(*tile[1:]), tile.path))
        for tile in tiles_at(size, 0):
            bundle = self._log.read(entries_path(tile.number, tile.width)) or b""
            hashes = self._log.read(tile.path) or b""
            self._bundle(bundle, hashes, tile.width)
            progress(self._check.size, size)

    def _bundle(self, bundle: bytes, hashes: bytes, width: int) -> None:
        at = 0
        for place in range(1, width + 1):
            end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
            entry = bundle[at + 2 : end]
            hash_ = hashes[(place - 1) * HASH_BYTES : place * HASH_BYTES]
            if at + 2 > len(bundle) or end > len(bundle) or (place == width and end < len(bundle)):
                raise WrongLeaf(self._check.size, "it is not there as a whole, or there is more than it")
            if hash_ != leaf_hash(entry) or (place == width and len(hashes) != width * HASH_BYTES):
                raise WrongLeaf(self._check.size, "its bytes and its hash are not the same")
            self._take(entry)
            at = end

    def _take(self, entry: bytes) -> None:
        self._check.add(entry)
        self._told(entry)
        for path, data in self._writer.append(entry):
            self._compare(path, data)
        if self._check.size == self._kept_size:
            self._kept_root = self._writer.root()
            self._kept_key = self._check.keys.log_key if self._check.whole else ""

    def _compare(self, path: str, data: bytes) -> None:
        # Bundles and the tiles of level 0 were read leaf by leaf.
        if path.startswith(("tile/entries/", "tile/0/")) or self._wrong_tile:
            return
        if self._log.read(path) != data:
            self._wrong_tile = path

    def whole(self, note: Note, older: tuple[Note, Checkpoint] | None) -> list[str]:
        """Return what is wrong with the log as a whole, once every leaf was taken."""
        check, newest = self._check, self._newest
        if not check.whole:
            return [_ENDS_OPEN if check.genesis else "the log is empty"]
        wrong = []
        for path, data in self._writer.rest():
            self._compare(path, data)
        if self._wrong_tile:
            wrong.append(f"{self._wrong_tile} is not the tile of these leaves")
        if self._writer.root() != newest.root:
            wrong.append("the root in the checkpoint is not that of these leaves")
        if check.genesis is None or newest.origin != check.genesis.origin:
            wrong.append("the checkpoint is of another log than the first leaf")
        if not is_signed(note, check.keys.log_key):
            wrong.append("the checkpoint is not signed with the key of this log")
        return wrong + (self._compare_kept(*older) if older else [])

    def _compare_kept(self, note: Note, kept: Checkpoint) -> list[str]:
        newest = self._newest
        if kept.origin != newest.origin:
            return [f"the checkpoint that was kept is of another log: {kept.origin}"]
        if kept.size > newest.size:
            there = f"{newest.size} leaves, and {kept.size} were there when the checkpoint was kept"
            return [f"an older state is shown as if it were today's: {there}"]
        if kept.root != self._kept_root:
            changed = f"the first {kept.size} leaves are not those of the checkpoint that was kept"
            return [f"history was changed: {changed}"]
        if not self._kept_key or not is_signed(note, self._kept_key):
            return ["the checkpoint that was kept is not signed with the key that this log had then"]
        return []
