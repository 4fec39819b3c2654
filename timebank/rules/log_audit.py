"""What a whole-book check asks of the public log: that it withholds no record, and shows what the book says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from timebank.ledger.canonical import NotCanonical, parse
from timebank.ledger.checks import EntryRow, Finding, RecordRow, TransferRow
from timebank.ledger.entries import Transfer
from timebank.ledger.public_log import (
    OTHER,
    ClosingLeaf,
    GenesisLeaf,
    Leaf,
    LineLeaf,
    NotALeaf,
    RecordLeaf,
    RestoredLeaf,
    read_leaf,
)
from timebank.rules.closing import NOT_IN_PERIODS, TOLD_AT_ONCE, leaf_of_record
from timebank.rules.publication import changes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timebank.rules.publication import PublicAccounts

LOG_CHECKS: Final[Mapping[str, str]] = {
    "public_log": "Every record that was closed has its leaf or waits, no leaf says what its record does not, "
    "and all others are padding, or as many as a restore says it lost.",
}
"""Every check by name, with the promise that it holds."""


class PublishedLog(NamedTuple):
    """What there is of a public log, read at one moment.

    Attributes:
        leaves: How many; 0 while it has not begun.
        through_seq: Last record that a close covered.
        waiting: Records up to there that wait.
        is_of_cut: Whether no close came between the cut and this.
        logged: How many closes, the last ones, have their closing in it.
    """

    leaves: int
    through_seq: int
    waiting: frozenset[int]
    is_of_cut: bool
    logged: int = 0


class PlacedLeaf(NamedTuple):
    """The bytes of a leaf, and the period of the log that it stands in."""

    period: int
    data: bytes


class LogAudit:
    """One pass over a book beside others: fed page by page, with the leaves of its records.

    Args:
        log: What there is of the log.
        accounts: What the public may know of.
        units: Unit of each account.
    """

    def __init__(self, log: PublishedLog, accounts: PublicAccounts, units: Mapping[int, str]) -> None:
        self._log = log
        self._accounts = accounts
        self._units = units
        self._found: Finding | None = None
        self._leaves = self._padding = self._lost = 0

    def feed(
        self,
        records: Sequence[RecordRow],
        entries: Sequence[EntryRow],
        transfers: Sequence[TransferRow],
        leaves: Mapping[int, PlacedLeaf],
    ) -> None:
        """Take the next page, and the leaf of each of its records that has one."""
        if not self._log.leaves:
            return
        by_seq = {entry.seq: entry for entry in entries}
        legs: dict[int, list[Transfer]] = {}
        for seq, _, debit, credit, amount, *_ in transfers:
            legs.setdefault(seq, []).append(Transfer(self._units.get(debit, ""), debit, credit, amount))
        for record in records:
            self._leaves += record.seq in leaves
            if record.kind in {"closing", "restored"}:
                # A restore tells of the padding of periods whose closing it lost.
                fields = fields_of(record)
                self._padding += len(fields.get("padding", ()))
                lost = fields.get("published_lost", 0)
                self._lost += lost if type(lost) is int else 0
            wrong = self._compare(
                record, by_seq.get(record.seq), legs.get(record.seq, ()), leaves.get(record.seq)
            )
            if wrong and self._found is None:
                self._found = Finding("public_log", record.seq, wrong)

    def finish(self) -> list[Finding]:
        """Compare the log as a whole; return the first finding."""
        if self._found is None and self._log.leaves and self._log.is_of_cut:
            strange = self._log.leaves - self._leaves - self._padding - self._lost
            if strange:
                self._found = Finding(
                    "public_log", 0, f"{abs(strange)} leaves of the log are of no record, and no padding"
                )
        return [] if self._found is None else [self._found]

    def _compare(
        self,
        record: RecordRow,
        entry: EntryRow | None,
        legs: Sequence[Transfer],
        placed: PlacedLeaf | None,
    ) -> str:
        """Return what is wrong with the leaf of a record, or nothing."""
        kind = str(record.kind)
        closed = record.seq <= self._log.through_seq and record.seq not in self._log.waiting
        if placed is None:
            return "it was published, and the public log has no leaf of it" * (
                closed and kind not in NOT_IN_PERIODS
            )
        if not closed and kind not in NOT_IN_PERIODS and kind not in TOLD_AT_ONCE:
            return "the public log has a leaf of it, and no close published it"
        try:
            leaf = read_leaf(placed.data)
        except NotALeaf as error:
            return f"its leaf in the public log is none: {error}"
        if leaf.commitment != record.commitment:
            return "its leaf in the public log has another commitment"
        right = self._is_of_entry(leaf, entry, legs) if entry else _is_of_other(leaf, record)
        return "" if right else "its leaf in the public log says something else"

    def _is_of_entry(self, leaf: Leaf, entry: EntryRow, legs: Sequence[Transfer]) -> bool:
        if isinstance(leaf, RecordLeaf):
            return True
        if not isinstance(leaf, LineLeaf):
            return False
        changes = [tuple(change) for leg in legs for change in changes_of(leg, self._accounts)]
        if [tuple(change) for change in leaf.changes] != changes:
            return False
        if leaf.day is None:
            return leaf.kind in {entry.kind, OTHER}
        return (leaf.kind, leaf.category, leaf.day) == (entry.kind, entry.category, entry.effective_on)


def _is_of_other(leaf: Leaf, record: RecordRow) -> bool:
    kind = str(record.kind)
    if kind in NOT_IN_PERIODS:
        return isinstance(leaf, GenesisLeaf if kind == "genesis" else ClosingLeaf)
    if kind == "restored":
        return _is_of_restore(leaf, fields_of(record))
    if kind == "key" and isinstance(leaf, RecordLeaf):
        # Another one replaced it before it ever signed.
        return True
    try:
        return leaf == leaf_of_record(kind, bytes(record.commitment), fields_of(record))
    except (KeyError, ValueError):
        return False


def _is_of_restore(leaf: Leaf, fields: Mapping[str, Any]) -> bool:
    if isinstance(leaf, RecordLeaf):
        # Nothing to tell: it says neither where the book went on nor what it lost.
        return fields.keys().isdisjoint({"new", "published_lost"})
    said = (leaf.epoch, leaf.lost) if isinstance(leaf, RestoredLeaf) else None
    return said == (fields.get("epoch"), fields.get("published_lost"))


def fields_of(record: RecordRow) -> dict[str, Any]:
    """Return what a record says; nothing of one whose bytes are no record."""
    # Bytes that cannot be read were found by the ledger's own checks.
    try:
        fields = parse(bytes(record.record))
    except NotCanonical:
        return {}
    return fields if isinstance(fields, dict) else {}
