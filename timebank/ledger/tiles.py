"""A tree as files that anyone can serve and everyone can check (C2SP tlog-tiles): paths, tiles, bundles, proofs.

A tile is a row of up to 256 hashes of one level; level 0 has those of leaves, each level above
those of whole tiles below. Only the tiles at the right edge ever change, and they then change name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from timebank.ledger.tree import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash, node_hash, root_of

TILE_WIDTH: Final = 256
_TILE_BITS: Final = 8
ENTRY_BYTES_MAX: Final = 65_535

Read = Callable[[str], bytes]
"""Returns what a log has at a path, such as ``tile/0/x001/234``."""

File = tuple[str, bytes]
"""A path below the log, and what stands there for ever."""


class NotATile(ValueError):
    """Bytes are not the tile or the bundle that their path says."""


class Tile(NamedTuple):
    """A tile: its level, its place in the level from 0, and how many hashes it has."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"tile/{self.level}/{_place(self.number, self.width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return where the bundle with the entries of a tile of level 0 is served."""
    return f"tile/entries/{_place(index, width)}"


def _place(index: int, width: int) -> str:
    assert 1 <= width <= TILE_WIDTH, width
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    place = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return place if width == TILE_WIDTH else f"{place}.p/{width}"


def tiles_at(size: int, level: int) -> Iterator[Tile]:
    """Return the tiles of one level of a tree, in order, the last one with fewer hashes if need be."""
    return new_tiles_at(0, size, level)


def new_tiles_at(old_size: int, size: int, level: int) -> Iterator[Tile]:
    """Return the tiles of one level that a tree has and did not have, with this width, when it was smaller."""
    old, new = old_size >> _TILE_BITS * level, size >> _TILE_BITS * level
    if old == new:
        return
    for index in range(old // TILE_WIDTH, -(-new // TILE_WIDTH)):
        yield Tile(level, index, min(TILE_WIDTH, new - index * TILE_WIDTH))


def levels(size: int) -> range:
    """Return the levels that have tiles."""
    return range(-(-size.bit_length() // _TILE_BITS))


def new_paths(old_size: int, size: int) -> list[str]:
    """Return every path that an append makes, bundles first; nothing else of the log changes but its checkpoint."""
    bundles = [entries_path(tile.number, tile.width) for tile in new_tiles_at(old_size, size, 0)]
    return bundles + [tile.path for level in levels(size) for tile in new_tiles_at(old_size, size, level)]


# ---------------------------------------------------------------- bytes


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return 1 to 256 entries as one file: before each its length in two bytes, the bigger first."""
    assert 1 <= len(entries) <= TILE_WIDTH, len(entries)
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def read_bundle(data: bytes, width: int) -> list[bytes]:
    """Read what ``bundle`` wrote.

    Raises:
        NotATile: It does not have exactly ``width`` entries and nothing else.
    """
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise NotATile("an entry is cut off")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise NotATile(f"{len(entries)} entries instead of {width}")
    return entries


def read_tile(tile: Tile, read: Read) -> list[bytes]:
    """Return the hashes of a tile.

    Raises:
        NotATile: Its length is wrong. Whether its hashes are right, the root tells.
    """
    data = read(tile.path)
    if len(data) != tile.width * HASH_BYTES:
        raise NotATile(f"{tile.path} has {len(data)} bytes")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


# ---------------------------------------------------------------- appending


class TileWriter:
    """The right edge of a log that grows: whole tiles leave it as they fill, in order, each once.

    Keeps a tile of each level and the entries of the last bundle; an entry costs O(log n) at most.
    """

    def __init__(self, size: int = 0, read: Read | None = None) -> None:
        """Take up a log where it ends.

        Args:
            size: Leaves so far.
            read: Reads the files at its right edge; not needed while it is empty.

        Raises:
            NotATile: They are not those of a log of this size.
        """
        assert size == 0 or read is not None, size
        self.size = size
        self._entries: list[bytes] = []
        self._edge: list[list[bytes]] = []
        self._frontier = Frontier()
        if size and read is not None:
            self._frontier = frontier_at(size, read)
            for level in levels(size):
                index, width = divmod(size >> _TILE_BITS * level, TILE_WIDTH)
                self._edge.append(read_tile(Tile(level, index, width), read) if width else [])
            index, width = divmod(size, TILE_WIDTH)
            self._entries = read_bundle(read(entries_path(index, width)), width) if width else []

    def append(self, entry: bytes) -> list[File]:
        """Add one entry; returns the files that it filled, mostly none."""
        assert len(entry) <= ENTRY_BYTES_MAX, len(entry)
        hash_ = leaf_hash(entry)
        self._frontier.append(hash_)
        self._entries.append(entry)
        self.size += 1
        filled: list[File] = []
        if len(self._entries) == TILE_WIDTH:
            filled.append((entries_path(self.size // TILE_WIDTH - 1), bundle(self._entries)))
            self._entries = []
        for level in range(len(self._edge) + 1):
            if level == len(self._edge):
                self._edge.append([])
            row = self._edge[level]
            row.append(hash_)
            if len(row) < TILE_WIDTH:
                break
            index = (self.size >> _TILE_BITS * (level + 1)) - 1
            filled.append((Tile(level, index, TILE_WIDTH).path, b"".join(row)))
            hash_ = root_of(row)
            self._edge[level] = []
        return filled

    def rest(self) -> list[File]:
        """Return the tiles and the bundle at the edge that are not full: what a checkpoint now needs too."""
        files: list[File] = []
        if self._entries:
            files.append((entries_path(self.size // TILE_WIDTH, len(self._entries)), bundle(self._entries)))
        for level, row in enumerate(self._edge):
            if row:
                index = self.size >> _TILE_BITS * (level + 1)
                files.append((Tile(level, index, len(row)).path, b"".join(row)))
        return files

    def root(self) -> bytes:
        """Return the root of all that was appended."""
        return self._frontier.root()


# ---------------------------------------------------------------- proofs from tiles alone


def node_at(level: int, index: int, size: int, read: Read) -> bytes:
    """Return the root of a whole subtree: ``2^level`` leaves from ``index * 2^level`` on.

    Raises:
        NotATile: A tile has a wrong length.
    """
    assert (index + 1) << level <= size, (level, index, size)
    tile_level, within = divmod(level, _TILE_BITS)
    place, offset = divmod(index << within, TILE_WIDTH)
    width = min(TILE_WIDTH, (size >> _TILE_BITS * tile_level) - place * TILE_WIDTH)
    return root_of(read_tile(Tile(tile_level, place, width), read)[offset : offset + (1 << within)])


def _range_root(start: int, end: int, size: int, read: Read) -> bytes:
    """Return the root over leaves from ``start`` to before ``end``, where a subtree of RFC 6962 begins and ends."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(node_at(level, start >> level, size, read))
        start += 1 << level
    root = nodes.pop()
    while nodes:
        root = node_hash(nodes.pop(), root)
    return root


def frontier_at(size: int, read: Read, *, now: int | None = None) -> Frontier:
    """Return the frontier of a tree, read from its tiles; its root is that of the tree.

    Args:
        size: Leaves of the tree.
        read: Reads the tiles of a log.
        now: Leaves that the log has, if they are more; then its tiles at the edge are wider.

    Raises:
        NotATile: A tile has a wrong length.
    """
    hashes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(node_at(level, start >> level, now or size, read))
            start += 1 << level
    return Frontier(size, hashes)


def root_at(size: int, read: Read) -> bytes:
    """Return the root of a tree, read from its tiles."""
    return frontier_at(size, read).root() if size else EMPTY_ROOT


def inclusion_from_tiles(index: int, size: int, read: Read) -> tuple[bytes, ...]:
    """Prove that a leaf is in a tree (RFC 6962, 2.1.1), as ``tree.inclusion_proof`` does, from tiles alone.

    Args:
        index: Place of the leaf, from 0.
        size: Leaves of the tree.
        read: Reads tiles of this size; a few for each level.

    Raises:
        NotATile: A tile has a wrong length.
    """
    assert 0 <= index < size, (index, size)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            path.append(_range_root(middle, end, size, read))
            end = middle
        else:
            path.append(_range_root(start, middle, size, read))
            start = middle
    return tuple(reversed(path))


def consistency_from_tiles(old_size: int, size: int, read: Read) -> tuple[bytes, ...]:
    """Prove that a tree begins with a smaller one (RFC 6962, 2.1.2), as ``tree.consistency_proof`` does.

    Args:
        old_size: Leaves of the older tree, from 1 to all.
        size: Leaves of the newer one.
        read: Reads tiles of the newer one.

    Raises:
        NotATile: A tile has a wrong length.
    """
    assert 1 <= old_size <= size, (old_size, size)
    proof: list[bytes] = []
    start, end, whole = 0, size, True
    while old_size != end:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if old_size <= middle:
            proof.append(_range_root(middle, end, size, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, size, read))
            start, whole = middle, False
    if not whole:
        proof.append(_range_root(start, end, size, read))
    return tuple(reversed(proof))
