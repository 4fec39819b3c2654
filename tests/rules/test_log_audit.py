"""What the public log shows of restores and new keys is what their records say, and no restore is hidden in it."""

from __future__ import annotations

from typing import Any

import pytest

from timebank.ledger.canonical import canonical
from timebank.ledger.checks import Finding, RecordRow
from timebank.ledger.public_log import Leaf, RecordLeaf, RestoredLeaf, leaf_bytes
from timebank.rules.log_audit import LogAudit, PlacedLeaf, PublishedLog
from timebank.rules.publication import PublicAccounts

COMMITMENT = bytes(range(32))
BARE = RecordLeaf(COMMITMENT)
RESTORED = RestoredLeaf(COMMITMENT, epoch=2, live_old=bytes(32), live_new=bytes(32), lost=4)
NEW = {"new": {"root": "00" * 32, "size": 9}}


def found(leaf: Leaf, kind: str, **fields: Any) -> list[Finding]:
    """Look at a record with its leaf in the public log."""
    log = PublishedLog(leaves=1, through_seq=5, waiting=frozenset(), is_of_cut=False)
    audit = LogAudit(log, PublicAccounts({}, frozenset()), {})
    record = RecordRow(5, kind, canonical({"kind": kind, **fields}), bytes(32), COMMITMENT)
    audit.feed([record], [], [], {5: PlacedLeaf(1, leaf_bytes(leaf))})
    return audit.finish()


def test_a_restore_is_shown_as_its_record_says():
    assert found(RESTORED, "restored", epoch=2, published_lost=4, **NEW) == []
    for other in ({"epoch": 3, "published_lost": 4}, {"epoch": 2, "published_lost": 5}, {"epoch": 2}):
        assert len(found(RESTORED, "restored", **other, **NEW)) == 1


@pytest.mark.parametrize(
    "said", [{"published_lost": 4, **NEW}, {"published_lost": 0, **NEW}, {"published_lost": 4}, NEW]
)
def test_a_restore_behind_a_bare_commitment_is_found(said: dict[str, Any]):
    (finding,) = found(BARE, "restored", epoch=2, **said)

    assert (finding.check, finding.seq) == ("public_log", 5)


def test_a_restore_that_has_nothing_to_tell_and_a_key_that_never_signed_may_be_bare():
    assert found(BARE, "restored", epoch=2) == []
    assert found(BARE, "key", old="a", new="b", reason="rotation", signature="00" * 64) == []
    # A policy that came to nothing there is not.
    assert len(found(BARE, "policy", pot="hours", version=1, terms_hash="00" * 32)) == 1
