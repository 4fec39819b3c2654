"""Leaves of the public log: one form each, and whatever only looks like one is refused."""

from __future__ import annotations

import json
import re
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.ledger.oracle import json_text, mth
from timebank.ledger.notes import (
    checkpoint_body,
    key_id,
    parse_checkpoint,
    parse_note,
    sign_note,
    verifier_key,
)
from timebank.ledger.public_log import (
    CAREFUL,
    LEAF_BYTES_MAX,
    OPEN,
    SHELTERED,
    Change,
    ClosingLeaf,
    GenesisLeaf,
    Held,
    KeyLeaf,
    KindFigures,
    LineLeaf,
    LogUnit,
    NotALeaf,
    Parts,
    PolicyLeaf,
    PolicyVersion,
    PotFigures,
    PotUnit,
    RecordLeaf,
    RestoredLeaf,
    key_message,
    keys_after,
    keys_of,
    leaf_bytes,
    padding_commitment,
    padding_needed,
    policy_path,
    read_leaf,
    sorted_leaves,
)
from timebank.ledger.tiles import TileWriter, read_bundle
from timebank.ledger.tree import commitment

PAGE = (Path(__file__).parents[2] / "docs" / "proofs.md").read_text(encoding="utf-8").partition("## 7. ")[2]
EXAMPLE, NOTE, SHELTERED_CLOSING = (block.removeprefix("text\n") for block in PAGE.split("```")[1::2])
LEAVES = [line.encode() for line in EXAMPLE.splitlines()]

BOOK = bytes(range(16))
ORIGIN = "open.example/g/garden"
LOG, LIVE, RECOVERY, NEW = (
    Ed25519PrivateKey.from_private_bytes(bytes(range(n, n + 32))) for n in (0, 32, 64, 96)
)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def committed(number: int) -> bytes:
    return commitment(BOOK, bytes([number]) * 32, b"record %d" % number)


GENESIS = GenesisLeaf(
    commitment=committed(1),
    origin=ORIGIN,
    book=BOOK,
    units=(LogUnit("EUR", 2, "money"), LogUnit("minutes", 0, "time")),
    pots=(PotUnit("hours", "minutes"), PotUnit("money", "EUR")),
    preset=OPEN,
    log_key=verifier_key(ORIGIN, public(LOG)),
    live_key=verifier_key(f"{ORIGIN}/live", public(LIVE)),
    recovery=sha256(public(RECOVERY)).digest(),
)


def new_key(
    *, reason: str = "rotation", by: Ed25519PrivateKey = LOG, recovery: bytes = b"", **more
) -> KeyLeaf:
    leaf = KeyLeaf(
        committed(6), GENESIS.log_key, verifier_key(ORIGIN, public(NEW)), reason, b"", recovery, **more
    )
    return leaf._replace(signature=by.sign(key_message(BOOK, leaf)))


LOST_KEY = new_key(reason="lost", by=RECOVERY, recovery=public(RECOVERY))
PERIOD = [
    PolicyLeaf(committed(2), "money", 1, sha256(b'{"who":"members"}').digest()),
    LineLeaf(committed(3), "help_given", (Change("hours", "minutes", 90, 0),), "garden", date(2026, 3, 1)),
    LineLeaf(committed(4), "money_in", (Change("money", "EUR", 5000, 0),), "", date(2026, 3, 1)),
    LineLeaf(committed(5), "promise", (Change("money", "EUR", -2000, 2000),), "", date(2026, 3, 1)),
    LOST_KEY,
    RecordLeaf(committed(7)),
]
CLOSING = ClosingLeaf(
    commitment=committed(8),
    period=1,
    first_day=date(2026, 3, 1),
    last_day=date(2026, 3, 1),
    preset=OPEN,
    pots=(
        PotFigures(
            "hours", "minutes", Parts(0, 0), Parts(90, 0), 90, 0, (KindFigures("help_given", 90, 0, 1),)
        ),
        PotFigures(
            "money",
            "EUR",
            Parts(0, 0),
            Parts(3000, 2000),
            5000,
            0,
            (KindFigures("money_in", 5000, 0, 1), KindFigures("promise", 0, 0, 1)),
        ),
    ),
    held=(Held("EUR", 5000),),
    policies=(PolicyVersion("money", 1),),
    live=sha256(b"the live checkpoint").digest(),
)
WITNESS = verifier_key("witness.example/w1", public(NEW), 4)
OTHERS = [
    LineLeaf(committed(9), "help_exchanged", ()),
    LineLeaf(committed(9), "correction", (Change("hours", "minutes", 0, -5),)),
    RestoredLeaf(committed(9), 2, b"o" * 32, b"n" * 32, 17),
    new_key(recovery_next=b"r" * 32),
    CLOSING._replace(auditors=(WITNESS,), pots=(CLOSING.pots[0]._replace(waited=Parts(-30, 30)),)),
    CLOSING._replace(pots=(CLOSING.pots[0]._replace(lost=Parts(-90, 0)),)),
    ClosingLeaf(
        committed(9),
        2,
        date(2026, 3, 2),
        date(2026, 3, 31),
        SHELTERED,
        (PotFigures("hours", "minutes", 90, 170, 240, 120, waited=-30, lost=-10),),
        (),
        (),
        b"l" * 32,
    ),
]
ALL = [GENESIS, *PERIOD, CLOSING, *OTHERS]


# ---------------------------------------------------------------- the page


def test_the_example_of_the_page_is_made_of_what_it_says():
    salts = [bytes([100 + n]) * 32 for n in range(padding_needed(len(PERIOD), OPEN))]
    made = [leaf_bytes(leaf) for leaf in (GENESIS, *sorted_leaves(PERIOD, salts), CLOSING)]

    assert made == LEAVES
    for line in (*LEAVES, SHELTERED_CLOSING.strip().encode()):
        assert json_text(json.loads(line)).encode() == line
        assert leaf_bytes(read_leaf(line)) == line


def test_the_checkpoint_of_the_page_is_over_its_leaves_and_signed_with_the_new_key():
    root = mth(LEAVES)
    writer = TileWriter()
    for leaf in LEAVES:
        assert writer.append(leaf) == []
    files = dict(writer.rest())

    assert writer.root() == root
    assert parse_checkpoint(parse_note(NOTE).text) == (ORIGIN, 18, root)
    assert sign_note(checkpoint_body(ORIGIN, 18, root), ORIGIN, key_id(ORIGIN, public(NEW)), NEW.sign) == NOTE
    assert read_bundle(files["tile/entries/000.p/18"], 18) == LEAVES
    assert all(f"`{path}`" in PAGE for path in (*files, policy_path("money", 1)))


def test_the_page_names_every_key_of_every_leaf():
    keys = {key for leaf in ALL for key in _keys(json.loads(leaf_bytes(leaf)))}

    assert {key for key in keys if f"`{key}`" not in PAGE} == set()


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    return {key for item in value for key in _keys(item)} if isinstance(value, list) else set()


# ---------------------------------------------------------------- leaves


@pytest.mark.parametrize("leaf", ALL, ids=lambda leaf: type(leaf).__name__)
def test_a_leaf_comes_back_as_it_was_and_in_its_one_form(leaf):
    data = leaf_bytes(leaf)

    assert read_leaf(data) == leaf
    assert json_text(json.loads(data)).encode() == data


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Return the path of every value within a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, item in items for found in places(item, (*path, name)))]


def with_change(data: bytes, path: tuple, change) -> bytes:
    fields = json.loads(data)
    if not path:
        return json_text(change(fields)).encode()
    inner = fields
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = change(inner[path[-1]])
    return json_text(fields).encode()


@pytest.mark.parametrize("leaf", ALL, ids=lambda leaf: type(leaf).__name__)
def test_a_value_of_another_type_or_an_unknown_key_anywhere_is_refused(leaf):
    data = leaf_bytes(leaf)
    for path in places(json.loads(data)):
        for other in (True, "", "x y", [], ["x"], {}, {"x": 1}, -1, 2**60, "ﬁ"):
            changed = with_change(data, path, lambda _, other=other: other)
            try:
                again = read_leaf(changed)
            except NotALeaf:
                continue
            # What was put there may be right by chance, such as another amount or an empty list; then it
            # must be all there.
            assert leaf_bytes(again) == changed, (path, other)
            assert again != leaf or other in ([], ""), (path, other)
        if isinstance(_at(json.loads(data), path), dict):
            with pytest.raises(NotALeaf):
                read_leaf(with_change(data, path, lambda fields: {**fields, "zz": 1}))
            for key in _at(json.loads(data), path):
                lacking = with_change(data, path, lambda f, key=key: {k: v for k, v in f.items() if k != key})
                try:
                    assert leaf_bytes(read_leaf(lacking)) == lacking
                except NotALeaf:
                    continue
                assert key in {
                    "category",
                    "waited",
                    "lost",
                    "available",
                    "promised",
                    "recovery_next",
                    "day",
                    "kind",
                }, key


def _at(value, path: tuple):
    for name in path:
        value = value[name]
    return value


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b":", b": ", 1),
        lambda data: b" " + data,
        lambda data: data + b"\n",
        lambda data: data.replace(b"a", b"A", 1),
        lambda data: data.replace(b'"v":1', b'"v":1,"v":1'),
        lambda data: data.replace(b'"v":1', b'"v":1.0'),
        lambda data: data.replace(b'"v":1', b'"v":2'),
        lambda data: b'{"v":1,' + data[1:].replace(b',"v":1}', b"}"),
        lambda data: data.replace(b"c", b"\\u0063", 1),
        lambda data: data[:-1],
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"\xff" + data,
    ],
)
@pytest.mark.parametrize("leaf", ALL[:4] + ALL[6:8], ids=lambda leaf: type(leaf).__name__)
def test_another_spelling_of_the_same_leaf_is_refused(leaf, change):
    changed = change(leaf_bytes(leaf))
    assert changed != leaf_bytes(leaf)

    with pytest.raises(NotALeaf):
        read_leaf(changed)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"null", b"{}", b'{"v":1}', b"[" * 100_000, b'{"kind":[],"v":1}']
)
def test_what_is_no_leaf_at_all_is_refused(data: bytes):
    with pytest.raises(NotALeaf):
        read_leaf(data)


@pytest.mark.parametrize(
    "leaf",
    [
        CLOSING._replace(pots=CLOSING.pots[::-1]),
        CLOSING._replace(pots=(CLOSING.pots[0], CLOSING.pots[0])),
        CLOSING._replace(last_day=date(2026, 2, 28)),
        CLOSING._replace(period=0),
        CLOSING._replace(auditors=(GENESIS.log_key,)),
        CLOSING._replace(policies=(PolicyVersion("money", 1), PolicyVersion("hours", 1))),
        CLOSING._replace(held=(Held("EUR", 1), Held("EUR", 1))),
        CLOSING._replace(pots=(CLOSING.pots[1]._replace(kinds=CLOSING.pots[1].kinds[::-1]),)),
        GENESIS._replace(pots=GENESIS.pots[::-1]),
        GENESIS._replace(units=GENESIS.units[::-1]),
        GENESIS._replace(live_key=GENESIS.log_key),
        GENESIS._replace(log_key=GENESIS.live_key),
        GENESIS._replace(book=BOOK[:-1]),
        GENESIS._replace(preset="secret"),
        LineLeaf(committed(9), "joined", ()),
        LineLeaf(committed(9), "promise", (Change("hours", "minutes", 0, 0),)),
        LineLeaf(committed(9), "promise", (Change("Hours!", "minutes", 1, 0),)),
        LineLeaf(committed(9), "promise", (Change("hours", "minutes", 2**53, 0),)),
        LineLeaf(committed(9), "promise", (), category="garden"),
        RestoredLeaf(committed(9), 1, b"o" * 32, b"n" * 32, 0),
        new_key(reason="lost"),
        new_key(reason="stolen"),
        new_key(reason="because"),
        new_key()._replace(new=GENESIS.log_key),
        new_key()._replace(new=GENESIS.live_key),
        new_key()._replace(signature=b"short"),
        PolicyLeaf(committed(9), "money", 0, b"h" * 32),
        RecordLeaf(b"short"),
    ],
)
def test_a_leaf_that_is_out_of_its_bounds_is_refused(leaf):
    with pytest.raises(NotALeaf):
        read_leaf(leaf_bytes(leaf))


def test_balances_are_in_parts_and_under_sheltered_their_sum():
    for wrong in (CLOSING._replace(preset=SHELTERED), OTHERS[-1]._replace(preset=CAREFUL)):
        with pytest.raises(NotALeaf, match="sheltered"):
            leaf_bytes(wrong)


def test_a_leaf_can_be_as_long_as_a_bundle_can_say_and_no_longer():
    line = LineLeaf(committed(9), "promise", (), "x", date(2026, 3, 1))
    room = LEAF_BYTES_MAX - len(leaf_bytes(line)) + 1
    longest = leaf_bytes(line._replace(category="x" * room))

    assert len(longest) == LEAF_BYTES_MAX
    assert leaf_bytes(read_leaf(longest)) == longest
    with pytest.raises(NotALeaf, match="too long"):
        leaf_bytes(line._replace(category="x" * (room + 1)))
    with pytest.raises(NotALeaf, match="too long"):
        read_leaf(longest.replace(b'"x', b'"xx'))


# ---------------------------------------------------------------- periods and keys


@pytest.mark.parametrize(
    ("leaves", "preset", "padding"),
    [(0, OPEN, 16), (1, OPEN, 15), (16, OPEN, 0), (17, CAREFUL, 15), (0, SHELTERED, 64), (65, SHELTERED, 63)],
)
def test_padding_fills_a_block_at_least(leaves: int, preset: str, padding: int):
    assert padding_needed(leaves, preset) == padding


def test_padding_stands_among_the_others_and_looks_like_a_record():
    salts = [bytes([n]) * 32 for n in range(10)]
    ordered = sorted_leaves(PERIOD, salts)

    assert [leaf.commitment for leaf in ordered] == sorted(leaf.commitment for leaf in ordered)
    assert {RecordLeaf(padding_commitment(salt)) for salt in salts} <= set(ordered)
    shape = {re.sub(rb"[0-9a-f]{64}", b"", leaf_bytes(leaf)) for leaf in ordered if type(leaf) is RecordLeaf}
    assert len(shape) == 1


def test_a_new_key_is_introduced_by_the_old_one_or_by_the_recovery_key():
    keys = keys_of(GENESIS)

    assert keys_after(keys, new_key(), verify).log_key == new_key().new
    assert keys_after(keys, LOST_KEY, verify) == keys._replace(log_key=LOST_KEY.new)
    changed = keys_after(keys, new_key(recovery_next=b"r" * 32), verify)
    assert changed == keys._replace(log_key=LOST_KEY.new, recovery=b"r" * 32)


@pytest.mark.parametrize(
    "leaf",
    [
        new_key(by=NEW),
        new_key(reason="lost", by=NEW, recovery=public(RECOVERY)),
        new_key(reason="lost", by=NEW, recovery=public(NEW)),
        new_key()._replace(reason="moved"),
        new_key()._replace(recovery_next=b"r" * 32),
        new_key()._replace(old=verifier_key(ORIGIN, public(LIVE))),
    ],
)
def test_a_new_key_that_nobody_who_may_has_signed_is_refused(leaf: KeyLeaf):
    with pytest.raises(NotALeaf):
        keys_after(keys_of(GENESIS), leaf, verify)


def test_a_new_key_of_one_book_is_none_in_another():
    with pytest.raises(NotALeaf):
        keys_after(keys_of(GENESIS._replace(book=bytes(16))), new_key(), verify)
