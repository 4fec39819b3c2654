"""What a witness decides: whether a newer checkpoint goes on from the last one that it knows, and with whose key.

It keeps nothing of a log but its last checkpoint and its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from timebank.ledger.notes import Checkpoint
from timebank.ledger.public_log import (
    ClosingLeaf,
    KeyLeaf,
    LogKeys,
    NotALeaf,
    RestoredLeaf,
    VerifyWith,
    keys_after,
    read_leaf,
)
from timebank.ledger.tiles import TILE_WIDTH, NotATile, Read, entries_path, frontier_at, read_bundle, tiles_at
from timebank.ledger.tree import leaf_hash

RefusalKind = Literal["other_log", "rollback", "fork", "not_signed", "not_its_files"]

PROVES: Final[frozenset[RefusalKind]] = frozenset({"fork"})
"""What the two signed checkpoints, with the log's files, prove against whoever has its key. An older checkpoint was
right once, so that it was shown as the newest is only this witness's word; the rest may be a broken host."""


class Known(NamedTuple):
    """All that a witness keeps of a log: the last checkpoint that it cosigned, and the keys that count then."""

    checkpoint: Checkpoint
    keys: LogKeys


class Accepted(NamedTuple):
    """A checkpoint that goes on from the one before.

    Attributes:
        known: What is kept from now on.
        restores: What the log says of backups that it was restored from since.
        new_keys: Keys that it changed since.
    """

    known: Known
    restores: tuple[RestoredLeaf, ...] = ()
    new_keys: tuple[KeyLeaf, ...] = ()


class NotWitnessed(Exception):
    """A checkpoint that no witness cosigns.

    Attributes:
        kind: What is wrong with it.
        why: A sentence for people.
        signed: Whether it is signed with a key that the log has or had, as far as that is known.
    """

    def __init__(self, kind: RefusalKind, why: str, *, signed: bool) -> None:
        super().__init__(kind, why)
        self.kind = kind
        self.why = why
        self.signed = signed


IsSigned = Callable[[str], bool]
"""Says whether the new checkpoint is signed with a verifier key."""


def go_on(
    known: Known, newest: Checkpoint, *, is_signed: IsSigned, read: Read, verify: VerifyWith
) -> Accepted:
    """Decide whether a checkpoint goes on from the last one that is known.

    Args:
        known: What was kept.
        newest: The checkpoint that the log shows now.
        is_signed: Looks at the signatures of the newest checkpoint.
        read: Reads the log's tiles and bundles; reads what is new, and a few tiles of what is old.
        verify: Verifies Ed25519.

    Raises:
        NotWitnessed: It does not.
    """
    last = known.checkpoint
    signed = is_signed(known.keys.log_key)
    if newest.origin != last.origin:
        raise NotWitnessed("other_log", f"it is of {newest.origin}", signed=signed)
    if newest.size < last.size:
        why = f"it has {newest.size} leaves, and there were {last.size} before: an older state is shown as the newest"
        raise NotWitnessed("rollback", why, signed=signed)
    if newest.size == last.size:
        if newest.root != last.root:
            why = f"there are two different logs of {last.size} leaves"
            raise NotWitnessed("fork", why, signed=signed)
        accepted, same_begin = Accepted(known), True
    else:
        try:
            accepted, same_begin = _append(known, newest, read, verify)
        except (NotATile, NotALeaf) as error:
            raise NotWitnessed("not_its_files", str(error), signed=signed) from error
        signed = signed or is_signed(accepted.known.keys.log_key)
    if not same_begin:
        why = f"its first {last.size} leaves are not those that were there before: history was changed"
        raise NotWitnessed("fork", why, signed=signed)
    if not is_signed(accepted.known.keys.log_key):
        raise NotWitnessed("not_signed", "it is not signed with the log's key", signed=signed)
    return accepted


def _append(known: Known, newest: Checkpoint, read: Read, verify: VerifyWith) -> tuple[Accepted, bool]:
    """Take the new leaves; returns what follows from them, and whether what was before them is the same."""
    last = known.checkpoint
    frontier = frontier_at(last.size, read, now=newest.size)
    same_begin = frontier.root() == last.root
    keys = known.keys
    restores: list[RestoredLeaf] = []
    new_keys: list[KeyLeaf] = []
    period: list[KeyLeaf] = []
    for data in leaves_from(last.size, newest.size, read):
        frontier.append(leaf_hash(data))
        if not same_begin:
            # What another history says of its keys means nothing here; only its root is still to be known.
            continue
        leaf = read_leaf(data)
        if isinstance(leaf, RestoredLeaf):
            restores.append(leaf)
        elif isinstance(leaf, KeyLeaf):
            period.append(leaf)
        elif isinstance(leaf, ClosingLeaf):
            for key in period:
                keys = keys_after(keys, key, verify)
            new_keys += period
            period = []
    if frontier.root() != newest.root:
        raise NotATile("its tiles and leaves are not those that its checkpoint is about")
    return Accepted(Known(newest, keys), tuple(restores), tuple(new_keys)), same_begin


def leaves_from(start: int, size: int, read: Read) -> Iterator[bytes]:
    """Return the leaves of a log from a place on, bundle by bundle.

    Raises:
        NotATile: A bundle has not the leaves that it should have.
    """
    for tile in tiles_at(size, 0):
        first = tile.number * TILE_WIDTH
        if first + tile.width > start:
            entries = read_bundle(read(entries_path(tile.number, tile.width)), tile.width)
            yield from entries[max(0, start - first) :]
