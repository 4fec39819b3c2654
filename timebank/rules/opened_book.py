"""A book as somebody reads it who has nothing but its records: rows as checks take them, made of the bytes alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from timebank.ledger.canonical import NotCanonical, read_entry
from timebank.ledger.checks import AccountRow, EntryRow, HeadRow, RecordRow, TransferRow
from timebank.ledger.entries import EntryKind
from timebank.ledger.tree import commitment
from timebank.rules.audit import CloseRow, PlaceRow, PotRow, closed_of, read_accounts
from timebank.rules.log_audit import fields_of

_ENTRIES = frozenset(str(kind) for kind in EntryKind)


class OpenedRecord(NamedTuple):
    """A record with its salt, opened."""

    seq: int
    record: bytes
    salt: bytes


@dataclass(slots=True)
class Outline:
    """What has to be known of a book before its entries are read: made in a first pass over all records.

    Attributes:
        accounts: As records opened and closed them.
        closings: Number of the record of each close, with what it says.
        put_back: Number of the record of a restore, with what it says of each period that it took up again.
        policies: What the records of all versions of rules say, in order.
        keys: Keys that records introduce.
        lost: How many published records the book says were lost, in all restores.
        padding_again: Salts of padding in periods that a restore took up again, as far as it had them.
        reverses: Ids of entries that another one takes back.
        records: How many there are.
    """

    book_id: bytes
    accounts: dict[int, AccountRow] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    closings: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    put_back: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    lost: int = 0
    padding_again: list[str] = field(default_factory=list)
    reverses: set[UUID] = field(default_factory=set)
    records: int = 0

    def add(self, opened: OpenedRecord, kind: str, reverses: str) -> None:
        """Take the next record.

        Args:
            kind: As its bytes say.
            reverses: Of an entry: the id of what it takes back, or empty.
        """
        self.records += 1
        if reverses:
            self.reverses.add(UUID(reverses))
        if kind in _ENTRIES:
            return
        fields = fields_of(RecordRow(opened.seq, kind, opened.record, b"", b""))
        if kind in {"genesis", "opened", "joined"}:
            for one in read_accounts(fields) or ():
                self.accounts[one.number] = AccountRow(
                    one.number, one.kind, one.unit, 0, one.floor, 0, 0, 0, 0
                )
                self.owners[one.number] = one.owner
        elif kind in {"closed", "reopened"}:
            for number in fields.get("accounts", ()):
                if number in self.accounts:
                    self.accounts[number] = self.accounts[number]._replace(closed=kind == "closed")
        elif kind == "closing":
            self.closings.append((opened.seq, fields))
        elif kind == "policy":
            self.policies.append(fields)
        elif kind == "key":
            self.keys.append(str(fields.get("new")))
        elif kind == "restored":
            self.lost += int(fields.get("published_lost", 0))
            self.padding_again += fields.get("padding", ())
            self.put_back += ((opened.seq, one) for one in closed_of(fields))

    def finish(self) -> None:
        """Tie the accounts of pots to each other, once every record was taken."""
        pots = {
            (row.unit, self.owners[number]): number
            for number, row in self.accounts.items()
            if row.kind == "pot"
        }
        for number, row in self.accounts.items():
            if row.kind in {"pot", "promised", "shared"}:
                pot = pots.get((row.unit, self.owners[number]), 0)
                self.accounts[number] = row._replace(pot_account=pot)

    @property
    def head(self) -> HeadRow:
        """The head as far as records tell it: its frontier and its moment are not known."""
        return HeadRow(self.book_id, self.records, b"", datetime.min.replace(tzinfo=UTC))

    @property
    def pots(self) -> list[PotRow]:
        """The pots and their accounts, by code."""
        found: dict[str, dict[str, int]] = {}
        units: dict[str, str] = {}
        for number, row in self.accounts.items():
            if row.kind in {"pot", "promised", "shared"}:
                found.setdefault(self.owners[number], {})[row.kind] = number
                units[self.owners[number]] = row.unit
        return [
            PotRow(code, units[code], own.get("pot", 0), own.get("promised", 0), own.get("shared", 0))
            for code, own in sorted(found.items())
        ]

    @property
    def places(self) -> list[PlaceRow]:
        """The held places; the name of each says what it is, such as ``eur-cash-1``."""
        found = []
        for number, row in self.accounts.items():
            if row.kind == "held":
                _, _, rest = self.owners[number].partition("-")
                kind, _, place = rest.partition("-")
                found.append(PlaceRow(kind, int(place) if place.isdigit() else 0, row.unit, number))
        return found

    @property
    def told(self) -> list[tuple[int, dict[str, Any]]]:
        """What records say of every closed period: their own, or the one of a restore that lost it."""
        return sorted([*self.closings, *self.put_back], key=lambda one: one[0])

    @property
    def closes(self) -> list[CloseRow]:
        """The closes that have a record of their own."""
        return [close_of(fields) for _, fields in self.closings]


def close_of(fields: Mapping[str, Any]) -> CloseRow:
    """Return a close as a record tells of it."""
    return CloseRow(
        int(fields.get("period", 0)),
        date.fromisoformat(str(fields.get("first_day"))),
        date.fromisoformat(str(fields.get("last_day"))),
        int(fields.get("through_seq", 0)),
    )


class Rows(NamedTuple):
    """A page of a book, as checks take it."""

    records: list[RecordRow]
    entries: list[EntryRow]
    transfers: list[TransferRow]


class RowReader:
    """Makes rows of records, in order; balances beside transfers are those that follow."""

    def __init__(self, outline: Outline) -> None:
        self._book_id = outline.book_id
        self._reverses = outline.reverses
        self._nets: dict[int, int] = {}
        self._reversed: dict[UUID, int] = {}
        self._kinds: dict[int, str] = {}

    def read(self, page: Iterable[tuple[OpenedRecord, str]]) -> Rows:
        """Return the rows of a page of records, each with its kind."""
        rows = Rows([], [], [])
        for (seq, record, salt), kind in page:
            rows.records.append(RecordRow(seq, kind, record, salt, commitment(self._book_id, salt, record)))
            if kind in _ENTRIES:
                self._read_entry(seq, record, rows)
        return rows

    def undone(self, reverses_seq: int | None) -> str:
        """Return the kind of an earlier entry that another one takes back."""
        return "" if reverses_seq is None else self._kinds.get(reverses_seq, "")

    def _read_entry(self, seq: int, record: bytes, rows: Rows) -> None:
        try:
            draft, recorded_at = read_entry(record)
        except NotCanonical:
            # Without its row the checks say that it is none.
            return
        rows.entries.append(
            EntryRow(
                seq,
                draft.entry_id,
                str(draft.kind),
                draft.source,
                draft.effective_on,
                recorded_at,
                draft.category,
                draft.draw_id,
                None if draft.reverses is None else self._reversed.get(draft.reverses, 0),
            )
        )
        if draft.entry_id in self._reverses:
            self._reversed[draft.entry_id] = seq
            self._kinds[seq] = str(draft.kind)
        nets = self._nets
        for leg, transfer in enumerate(draft.transfers):
            nets[transfer.debit] = debit = nets.get(transfer.debit, 0) - transfer.amount
            nets[transfer.credit] = credit = nets.get(transfer.credit, 0) + transfer.amount
            rows.transfers.append(
                TransferRow(seq, leg, transfer.debit, transfer.credit, transfer.amount, debit, credit)
            )
