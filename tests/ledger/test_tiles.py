"""Tiles against the tree they are cut from: paths, what an append changes, and proofs from tiles alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ledger.oracle import mth, path, proof
from timebank.ledger.tiles import (
    NotATile,
    Tile,
    TileWriter,
    bundle,
    consistency_from_tiles,
    entries_path,
    frontier_at,
    inclusion_from_tiles,
    levels,
    new_paths,
    read_bundle,
    root_at,
    tiles_at,
)
from timebank.ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)


def entry(number: int) -> bytes:
    return b"entry %d" % number


def grown(*sizes: int) -> dict[str, bytes]:
    """Return every file of a log that was published at each of these sizes, taken up anew each time."""
    files: dict[str, bytes] = {}
    size = 0
    for until in sizes:
        writer = TileWriter(size, files.__getitem__)
        made: dict[str, bytes] = {}
        for number in range(size, until):
            made.update(writer.append(entry(number)))
        made.update(writer.rest())
        assert not any(files.get(name, data) != data for name, data in made.items()), "a file changed"
        files |= made
        size = until
    return files


def test_paths_are_those_of_the_specification():
    assert Tile(0, 1_234_067, 256).path == "tile/0/x001/x234/067"
    assert Tile(3, 7, 12).path == "tile/3/007.p/12"
    assert entries_path(999) == "tile/entries/999"
    assert entries_path(1000, 1) == "tile/entries/x001/000.p/1"


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts():
    assert levels(70_000) == range(3)
    at = [list(tiles_at(70_000, level)) for level in range(3)]

    assert [len(row) for row in at] == [274, 2, 1]
    assert [row[-1].width for row in at] == [112, 17, 1]
    assert [tile.width for tile in at[0][:-1]] == [256] * 273
    assert at[1][0].width == 256


def test_a_tree_of_256_has_a_whole_tile_and_one_hash_above():
    assert [tile for level in levels(256) for tile in tiles_at(256, level)] == [
        Tile(0, 0, 256),
        Tile(1, 0, 1),
    ]
    assert [tile for level in levels(255) for tile in tiles_at(255, level)] == [Tile(0, 0, 255)]


@pytest.mark.parametrize(
    "sizes", [(1,), (17, 33), (255, 256, 257), (1, 512, 513), (300, 700), (65_536, 65_537)]
)
def test_an_append_makes_the_files_that_new_paths_names_and_changes_none(sizes: tuple[int, ...]):
    before = 0
    for at, size in enumerate(sizes):
        earlier = grown(*sizes[:at]) if at else {}
        later = grown(*sizes[: at + 1])

        assert later.keys() - earlier.keys() == set(new_paths(before, size))
        before = size


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1200), min_size=1, max_size=4, unique=True), st.randoms(use_true_random=False))
@example([256, 257], random.Random(1))
@example([1, 2, 1024], random.Random(1))
def test_proofs_from_tiles_are_those_of_the_whole_tree(sizes: list[int], chance: random.Random):
    sizes = sorted(sizes)
    files = grown(*sizes)
    leaves = [leaf_hash(entry(number)) for number in range(sizes[-1])]
    for size in sizes:
        root = root_of(leaves[:size])
        index, old = chance.randrange(size), chance.randrange(1, size + 1)
        included = inclusion_from_tiles(index, size, files.__getitem__)
        consistent = consistency_from_tiles(old, size, files.__getitem__)

        assert root_at(size, files.__getitem__) == root
        assert included == inclusion_proof(index, leaves[:size])
        assert consistent == consistency_proof(old, leaves[:size])
        assert verify_inclusion(leaves[index], index, size, included, root)
        assert verify_consistency(old, root_of(leaves[:old]), size, root, consistent)


def test_proofs_from_tiles_are_those_of_the_definition():
    size = 300
    data = [entry(number) for number in range(size)]
    files = grown(size)

    assert root_at(size, files.__getitem__) == mth(data)
    for index in (0, 1, 255, 256, 299):
        assert list(inclusion_from_tiles(index, size, files.__getitem__)) == path(index, data)
    for old in (1, 255, 256, 257, 299, 300):
        assert list(consistency_from_tiles(old, size, files.__getitem__)) == proof(old, data)


def test_a_writer_that_takes_up_a_log_goes_on_as_the_one_before_would_have():
    writer, whole = TileWriter(), Frontier()
    for number in range(70_000):
        writer.append(entry(number))
        whole.append(leaf_hash(entry(number)))
    files = grown(65_535, 70_000)

    again = TileWriter(70_000, files.__getitem__)

    assert again.root() == writer.root() == whole.root()
    assert again.rest() == writer.rest()
    assert frontier_at(70_000, files.__getitem__).to_bytes() == whole.to_bytes()


def test_an_empty_log_has_no_tiles_and_the_root_of_nothing():
    assert TileWriter().rest() == []
    assert root_at(0, {}.__getitem__) == TileWriter().root() == EMPTY_ROOT
    assert new_paths(0, 0) == []


def test_bundles_have_a_length_before_each_entry():
    entries = [b"", b"ab", b"x" * 65_535]

    data = bundle(entries)

    assert data == b"\0\0" + b"\0\x02ab" + b"\xff\xff" + b"x" * 65_535
    assert read_bundle(data, 3) == entries


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"\0\x02a", 1), (b"\0", 1), (b"\0\x01a\0\x01b", 1), (b"\0\x01a", 2), (b"", 1), (b"\0\x01aX", 1)],
)
def test_bundles_that_are_cut_off_or_have_another_number_of_entries_are_refused(data: bytes, width: int):
    with pytest.raises(NotATile):
        read_bundle(data, width)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b""])
def test_a_tile_of_another_length_is_refused(change):
    files = {name: change(data) for name, data in grown(300).items()}

    with pytest.raises(NotATile):
        inclusion_from_tiles(5, 300, files.__getitem__)
    with pytest.raises(NotATile):
        TileWriter(300, files.__getitem__)


def test_proofs_at_a_million_leaves_are_as_short_as_promised():
    size = 10**6
    row = b"h" * 32

    def read(name: str) -> bytes:
        width = int(name.rpartition(".p/")[2]) if ".p/" in name else 256
        return row * width

    assert (
        32 * max(len(inclusion_from_tiles(i, size, read)) for i in (0, 1, 524_287, 524_288, size - 1)) <= 640
    )
    assert max(32 * len(consistency_from_tiles(old, size, read)) for old in (1, 3, 524_287, 999_999)) <= 672
