"""The live book's tree: RFC 6962 hashes, commitments, and proofs that a record is in and stays as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
_COMMITMENT: Final = b"timebank/commitment/1\0"
EMPTY_ROOT: Final = sha256(b"").digest()


def commitment(book_id: bytes, salt: bytes, record: bytes) -> bytes:
    """Return the 32 bytes that stand for a record without showing it.

    Args:
        book_id: 16 random bytes, fixed when the book was created.
        salt: 32 random bytes of this record alone.
        record: The record's canonical bytes.
    """
    assert len(book_id) == 16, len(book_id)
    assert len(salt) == 32, len(salt)
    return sha256(_COMMITMENT + book_id + salt + record).digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the RFC 6962 hash of a leaf; in the live book a leaf is the 32 bytes of a commitment."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a tree: all that is needed to add leaves and to know the root.

    One hash for each one bit of the size, that of the biggest whole subtree first.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes are no frontier of {size} leaves")

    def append(self, leaf: bytes) -> None:
        """Add one leaf, given as its leaf hash."""
        size = self.size
        hashes = self.hashes
        while size & 1:
            leaf = sha256(b"\1" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the tree's root; of no leaves it is the hash of nothing."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        """Return one that goes on alone."""
        return Frontier(self.size, self.hashes)

    def to_bytes(self) -> bytes:
        """Return the hashes in a row, that of the biggest subtree first."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Read what ``to_bytes`` wrote.

        Raises:
            ValueError: The length does not fit the size.
        """
        if len(data) % HASH_BYTES:
            raise ValueError(f"{len(data)} bytes are not a row of hashes")
        return cls(size, (data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, in order."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def _split(size: int) -> int:
    """Return the largest power of two below a size of 2 or more."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Prove that a leaf is in the tree.

    Args:
        index: Place of the leaf, from 0.
        leaves: All leaf hashes of the tree.

    Returns:
        The hashes beside the way from the leaf up to the root, lowest first (RFC 6962, 2.1.1).
    """
    assert 0 <= index < len(leaves), (index, len(leaves))
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether the proof shows that ``leaf`` is at ``index`` of the tree with this size and root."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node_hash(hash_, found)
            while not here & 1 and here:
                here >>= 1
                last >>= 1
        else:
            found = node_hash(found, hash_)
        here >>= 1
        last >>= 1
    return last == 0 and found == root


def consistency_proof(old_size: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Prove that a tree begins with all leaves of an older one.

    Args:
        old_size: Leaves of the older tree, from 1 to all.
        leaves: All leaf hashes of the newer tree.

    Returns:
        Hashes in the order of RFC 6962, 2.1.2; none if both trees are the same.
    """
    assert 1 <= old_size <= len(leaves), (old_size, len(leaves))
    proof: list[bytes] = []
    start, end, whole = 0, len(leaves), True
    while start + old_size != end:
        middle = start + _split(end - start)
        if start + old_size <= middle:
            proof.append(root_of(leaves[middle:end]))
            end = middle
        else:
            proof.append(root_of(leaves[start:middle]))
            old_size -= middle - start
            start, whole = middle, False
    if not whole:
        proof.append(root_of(leaves[start:end]))
    return tuple(reversed(proof))


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Say whether the proof shows that the newer tree begins with the older one (RFC 9162, 2.1.4.2)."""
    if old_size == new_size:
        return not proof and old_root == new_root
    if not 0 < old_size < new_size or not proof:
        return False
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    here, last = old_size - 1, new_size - 1
    while here & 1:
        here >>= 1
        last >>= 1
    old = new = path[0]
    for hash_ in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old = node_hash(hash_, old)
            new = node_hash(hash_, new)
            while not here & 1 and here:
                here >>= 1
                last >>= 1
        else:
            new = node_hash(new, hash_)
        here >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root
