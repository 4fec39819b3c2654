"""docs/proofs.md: every number of its example follows from its text, and it names every check and kind."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.ledger.oracle import json_text, mth, sha
from timebank.ledger.canonical import NotCanonical, parse, read_entry
from timebank.ledger.checks import WHOLE_BOOK_CHECKS
from timebank.ledger.entries import EntryKind
from timebank.ledger.notes import checkpoint_body, key_id, parse_checkpoint, parse_note, sign_note
from timebank.ledger.tree import Frontier, commitment, leaf_hash, node_hash
from timebank.rules.audit import AUDIT_CHECKS
from timebank.rules.closing_audit import CLOSING_CHECKS
from timebank.rules.draw_audit import DRAW_CHECKS
from timebank.rules.log_audit import LOG_CHECKS
from timebank.rules.set_up import (
    MINUTES,
    NewGroup,
    NewPot,
    OpenedAccount,
    accounts_of_group,
    accounts_of_member,
    opened_accounts,
)

PAGE = (Path(__file__).parents[2] / "docs" / "proofs.md").read_text(encoding="utf-8")
EXAMPLE, NOTE, BEGINNING = (block.removeprefix("text\n") for block in PAGE.split("```")[1:6:2])


def value(name: str) -> bytes:
    """Return the bytes beside a name in the example."""
    found = re.search(rf"^{name} +([0-9a-f]+)$", EXAMPLE, re.MULTILINE)
    assert found, name
    return bytes.fromhex(found[1])


def records() -> list[bytes]:
    return [line.encode() for line in EXAMPLE.split("\n") if line.startswith("{")]


def test_every_record_of_the_page_is_canonical():
    kinds = []
    for record in records():
        fields = json.loads(record)
        assert json_text(fields).encode() == record
        assert parse(record) == fields
        kinds.append(fields["kind"])
        try:
            read_entry(record)
        except NotCanonical:
            assert fields["kind"] not in set(EntryKind)
    assert kinds == ["help_given", "correction", "closed"]


def test_every_hash_of_the_page_follows_from_its_text():
    book_id, frontier, leaves, committed = value("book id"), Frontier(), [], []
    for number, record in enumerate(records(), start=1):
        salt = value(f"salt {number}")
        one = sha(b"timebank/commitment/1", b"\x00", book_id, salt, record)
        assert one == value(f"commitment {number}") == commitment(book_id, salt, record)
        assert leaf_hash(one) == value(f"leaf {number}") == sha(b"\x00", one)
        committed.append(one)
        leaves.append(leaf_hash(one))
        frontier.append(leaves[-1])

    assert node_hash(leaves[0], leaves[1]) == value("node 1-2")
    assert frontier.root() == value("root") == mth(committed)
    assert frontier.to_bytes() == value("frontier") == value("node 1-2") + value("leaf 3")


def test_the_checkpoint_of_the_page_is_signed_with_its_key():
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()
    origin = "open.example/g/garden/live"
    tag = key_id(origin, public)

    assert f"`{public.hex()}`" in PAGE
    assert f"`{tag.hex()}`" in PAGE
    assert sign_note(checkpoint_body(origin, 3, value("root")), origin, tag, key.sign) == NOTE
    assert parse_checkpoint(parse_note(NOTE).text) == (origin, 3, value("root"))


def test_the_beginning_on_the_page_opens_accounts_as_set_up_does():
    genesis, joined = (json.loads(line) for line in BEGINNING.splitlines())
    for line, fields in zip(BEGINNING.splitlines(), (genesis, joined), strict=True):
        assert json_text(fields) == line
        assert parse(line.encode()) == fields
    group = NewGroup(
        slug="garden",
        name="Garden",
        languages=("en",),
        time_zone="UTC",
        began_on=date.fromisoformat(genesis["began_on"]),
        categories=("garden",),
        preset=genesis["preset"],
        pots=(NewPot("hours", MINUTES, floor=-600),),
    )
    numbers = {(a["kind"], a["unit"], a.get("owner", "")): a["number"] for a in genesis["accounts"]}
    people = accounts_of_member([MINUTES], time_bank=False).values()

    assert genesis["accounts"] == opened_accounts(
        OpenedAccount(numbers[kind, unit, owner], kind, unit, owner, floor)
        for kind, unit, owner, floor in accounts_of_group(group)
    )
    assert joined["accounts"] == opened_accounts(
        OpenedAccount(number, one.kind, one.unit) for number in (5210, 4104) for one in people
    )


def test_the_page_names_every_kind_of_entry_and_every_check():
    for kind in EntryKind:
        assert f"`{kind}`" in PAGE, kind
    every = (WHOLE_BOOK_CHECKS, AUDIT_CHECKS, LOG_CHECKS, CLOSING_CHECKS, DRAW_CHECKS)
    for name, promise in (one for checks in every for one in checks.items()):
        assert f"| `{name}` | {promise} |" in PAGE
