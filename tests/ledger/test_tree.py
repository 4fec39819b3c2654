"""The tree against RFC 6962: the known vectors, the recursive definition, and proofs that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.oracle import mth, path, proof, sha
from timebank.ledger.tree import (
    Frontier,
    commitment,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text())["tree"]
INPUTS = [bytes.fromhex(leaf) for leaf in VECTORS["leaf_inputs_hex"]]
LEAVES = [leaf_hash(data) for data in INPUTS]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots_hex"]]
MANY = [b"leaf %d" % number for number in range(70)]


def test_the_known_roots():
    for size, root in enumerate(ROOTS):
        assert mth(INPUTS[:size]) == root
        assert root_of(LEAVES[:size]) == root


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=repr)
def test_the_known_inclusion_proofs(vector: dict[str, Any]):
    index, size = vector["index"], vector["size"]
    hashes = tuple(bytes.fromhex(hash_) for hash_ in vector["proof_hex"])

    assert inclusion_proof(index, LEAVES[:size]) == hashes
    assert verify_inclusion(LEAVES[index], index, size, hashes, ROOTS[size])


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=repr)
def test_the_known_consistency_proofs(vector: dict[str, Any]):
    old_size, size = vector["old_size"], vector["size"]
    hashes = tuple(bytes.fromhex(hash_) for hash_ in vector["proof_hex"])

    assert consistency_proof(old_size, LEAVES[:size]) == hashes
    assert verify_consistency(old_size, ROOTS[old_size], size, ROOTS[size], hashes)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 33, 64, 70])
def test_every_leaf_of_a_tree_is_proved_and_nothing_else(size: int):
    data = MANY[:size]
    leaves = [leaf_hash(leaf) for leaf in data]
    root = mth(data)
    for index in range(size):
        hashes = inclusion_proof(index, leaves)
        assert list(hashes) == path(index, data)
        assert verify_inclusion(leaves[index], index, size, hashes, root)

        assert not verify_inclusion(leaf_hash(b"other"), index, size, hashes, root)
        assert not verify_inclusion(leaves[index], size, size, hashes, root)
        assert not verify_inclusion(leaves[index], -1, size, hashes, root)
        assert not verify_inclusion(leaves[index], index, size, hashes, sha(root))
        assert not verify_inclusion(leaves[index], index, size, (*hashes, root), root)
        if hashes:
            assert not verify_inclusion(leaves[index], index, size, hashes[:-1], root)
            assert not verify_inclusion(leaves[index], index, size, (sha(b"x"), *hashes[1:]), root)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 33, 64, 70])
def test_every_older_tree_is_proved_to_be_the_beginning_and_no_other(size: int):
    leaves = [leaf_hash(leaf) for leaf in MANY[:size]]
    root = mth(MANY[:size])
    for old_size in range(1, size + 1):
        old_root = mth(MANY[:old_size])
        hashes = consistency_proof(old_size, leaves)
        assert list(hashes) == proof(old_size, MANY[:size])
        assert verify_consistency(old_size, old_root, size, root, hashes)

        assert not verify_consistency(old_size, sha(old_root), size, root, hashes)
        assert not verify_consistency(old_size, old_root, size, sha(root), hashes)
        assert not verify_consistency(old_size, old_root, size, root, (*hashes, root))
        if old_size < size:
            assert not verify_consistency(old_size, old_root, size, root, hashes[:-1])
            assert not verify_consistency(size, root, old_size, old_root, hashes)
            assert not verify_consistency(0, root_of([]), size, root, hashes)


@settings(deadline=None)
@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_goes_on_where_it_was_put_down(first: int, more: int):
    frontier = Frontier()
    for data in MANY[:first]:
        frontier.append(leaf_hash(data))

    again = Frontier.from_bytes(first, frontier.to_bytes())
    aside = again.copy()
    for data in MANY[first : first + more]:
        again.append(leaf_hash(data))

    assert (again.size, again.root()) == (len(MANY[: first + more]), mth(MANY[: first + more]))
    assert (aside.size, aside.root()) == (first, mth(MANY[:first]))


@pytest.mark.parametrize(
    ("size", "data"), [(1, b""), (0, bytes(32)), (3, bytes(32)), (2, bytes(31)), (-1, bytes(32))]
)
def test_bytes_that_are_no_frontier_of_that_size_are_refused(size: int, data: bytes):
    with pytest.raises(ValueError, match="hashes"):
        Frontier.from_bytes(size, data)


def test_a_commitment_is_bound_to_book_salt_and_record():
    book, salt, record = bytes(16), bytes(32), b"{}"
    one = commitment(book, salt, record)

    assert one == sha(b"timebank/commitment/1\x00", book, salt, record)
    others = {
        commitment(bytes([1]) + bytes(15), salt, record),
        commitment(book, bytes([1]) + bytes(31), record),
        commitment(book, salt, b"{} "),
    }
    assert len(others | {one}) == 4
