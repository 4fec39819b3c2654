"""Whole-book checks: one pass over all rows of a book, which finds the first wrong record and names it.

The rows come as they stand in the tables; nothing of the state machine in ``books`` is
used to judge them, so that a mistake there is found here. The state kept is a few numbers
per account, per account and day, and per entry that was corrected.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from operator import itemgetter
from typing import Final, NamedTuple
from uuid import UUID

from timebank.ledger.accounts import AccountKind
from timebank.ledger.canonical import (
    NotCanonical,
    entry_record,
    moment,
    parse,
    quoted,
    read_entry,
    read_moment,
    uuid_text,
)
from timebank.ledger.entries import DECISIONS, OF_DRAWS, UNDOES, Entry, EntryKind, Transfer
from timebank.ledger.tree import Frontier, commitment
from timebank.ledger.units import TOTAL_MAX, is_money

WHOLE_BOOK_CHECKS: Final[Mapping[str, str]] = {
    "gapless": "Records are numbered from 1 to the number in the head, none missing, none twice.",
    "commitments": "Every commitment is the hash of book id, salt and record.",
    "tree": "The tree over all commitments has the frontier that the head keeps.",
    "canonical": "Every record is written in its one canonical form.",
    "columns": "Entry and transfers say in their columns what the record says, and nothing more is there.",
    "recorded_at": "Each record was written later than the one before it; the head has the last moment.",
    "accounts": "Every transfer is between two accounts of the book, and both keep its unit.",
    "running_balances": "The balances beside each transfer follow from the transfers before it.",
    "debits_equal_credits": "In every unit, what was taken from accounts is what was put into accounts.",
    "floors": "No decision left an account below its floor, or a pot with less than nothing of its own.",
    "never_below_zero": "No held place and no promise was ever below zero.",
    "custody": "After every entry, what is held is what pots have and have promised, currency by currency.",
    "corrected_once": "No entry was corrected twice, and no correction was corrected.",
    "corrections_mirror": "Every correction takes back exactly what its entry did.",
    "account_days": "The sums by account and day are those of the transfers.",
    "account_totals": "The turnover of every account is that of its transfers.",
}
"""Every check by name, with the promise that it holds."""


class HeadRow(NamedTuple):
    """The head at the cut: all rows up to its ``seq`` are checked, none after it."""

    book_id: bytes
    seq: int
    frontier: bytes
    recorded_at: datetime


class AccountRow(NamedTuple):
    """An account as it stood at the cut.

    Decisions are judged by this floor; that it is the one that the book has is for ``rules.audit``.
    """

    account_id: int
    kind: str
    unit: str
    pot_account: int
    floor: int | None
    debits: int
    credits: int
    reversal_debits: int
    reversal_credits: int
    closed: bool = False


class RecordRow(NamedTuple):
    """One record, in the order of ``seq``."""

    seq: int
    kind: str
    record: bytes
    salt: bytes
    commitment: bytes


class EntryRow(NamedTuple):
    """One entry, in the order of ``seq``."""

    seq: int
    entry_id: UUID
    kind: str
    source: str
    effective_on: date
    recorded_at: datetime
    category: str
    draw_id: UUID | None
    reverses_seq: int | None


class TransferRow(NamedTuple):
    """One transfer, in the order of ``seq``, then ``leg``: its place in the record, from 0."""

    seq: int
    leg: int
    debit_account: int
    credit_account: int
    amount: int
    debit_balance: int
    credit_balance: int


class DayRow(NamedTuple):
    """What one account turned over on one effective day, as it stood at the cut."""

    account_id: int
    effective_on: date
    debits: int
    credits: int
    reversal_debits: int
    reversal_credits: int


class Finding(NamedTuple):
    """Something that is not as it should be.

    Attributes:
        check: Name in ``WHOLE_BOOK_CHECKS``.
        seq: Number of the first wrong record, or 0 if it is about the book as a whole.
        what: One English sentence for who keeps the server; names no person.
    """

    check: str
    seq: int
    what: str


class _Account:
    """What the pass remembers of an account."""

    __slots__ = ("backs", "days", "floor", "kind", "net", "pot_account", "unit")

    def __init__(self, row: AccountRow) -> None:
        self.kind = row.kind
        self.unit = row.unit
        self.pot_account = row.pot_account
        self.floor = row.floor
        self.net = 0
        # Money in pots and promises is held somewhere; held places count the other way round,
        # so that all of these together are always zero.
        self.backs = is_money(row.unit) and row.kind in (_POT, _PROMISED, _HELD)
        self.days: dict[date, list[int]] = {}


class _Original:
    """What the pass remembers of an entry that is corrected later."""

    __slots__ = ("corrected", "entry", "legs")

    def __init__(self, entry: EntryRow, legs: Sequence[TransferRow]) -> None:
        self.entry = EntryRow(*entry)
        self.legs = legs
        self.corrected = False


class _Extra(NamedTuple):
    """What only the record says of an entry: no column has it."""

    links: str
    reversal_legs: int


_POT: Final = str(AccountKind.POT)
_PROMISED: Final = str(AccountKind.PROMISED)
_HELD: Final = str(AccountKind.HELD)
_CUSTODY: Final = str(AccountKind.CUSTODY)
_KINDS: Final = frozenset(str(kind) for kind in EntryKind)
_DECISIONS: Final = frozenset(str(kind) for kind in DECISIONS)
_OF_DRAWS: Final = frozenset(str(kind) for kind in OF_DRAWS)
_UNDOES: Final = {str(kind): str(undone) for kind, undone in UNDOES.items()}

# Ordinary records, read ten times faster than as JSON; whatever does not match is read as JSON.
_ORDINARY: Final = re.compile(
    r'\{"actor":(0|[1-9][0-9]{0,15})(?:,"category":"[^"]*")?(?:,"draw":"[^"]*")?,"effective_on":"[^"]*"'
    r'((?:,"facts_hash":"[0-9a-f]+")?),"id":"[^"]*","kind":"[^"]*"'
    r'((?:,"links":\{"[a-z_]+":"[-0-9a-z]+"(?:,"[a-z_]+":"[-0-9a-z]+")*\})?)'
    r'((?:,"note_hash":"[0-9a-f]+")?),"recorded_at":"[^"]*"((?:,"reversal_legs":([1-9][0-9]?))?)'
    r'((?:,"reverses":"[-0-9a-f]{36}")?),"source":"',
    re.ASCII,
)


_LINK_NAME: Final = re.compile(r'"([a-z_]+)":')


class BookCheck:
    """One pass over a book: made with the head and the accounts, fed page by page, finished with the days.

    Args:
        head: The head at the cut.
        accounts: All accounts of the group, as they stood at the cut.
        corrected: Numbers of all entries that a later entry reverses, so that only those need
            to be remembered; None remembers every entry.
    """

    def __init__(
        self, head: HeadRow, accounts: Iterable[AccountRow], corrected: Collection[int] | None = None
    ) -> None:
        self.head = head
        self.rows = list(accounts)
        self.accounts = {row.account_id: _Account(row) for row in self.rows}
        self.corrected = corrected
        self.frontier = Frontier()
        self.seq = 0
        self.recorded_at: datetime | None = None
        self.originals: dict[int, _Original] = {}
        self.found: dict[str, Finding] = {}
        self._gaps: dict[str, int] = {}
        # The chain that is being read: its first id, its transfers, and whom to judge at its end.
        self._first = ""
        self._legs: list[Sequence[TransferRow]] = []
        self._decided: list[tuple[int, int, bool]] = []
        self._low: list[tuple[int, int]] = []

    def feed(
        self, records: Iterable[RecordRow], entries: Iterable[EntryRow], transfers: Iterable[TransferRow]
    ) -> None:
        """Take the next page: some records, and all entries and transfers that have their numbers."""
        entry_rows, transfer_rows = iter(entries), iter(transfers)
        entry, transfer = next(entry_rows, None), next(transfer_rows, None)
        book_id = self.head.book_id
        append = self.frontier.append
        for row in records:
            seq, _, record, salt, committed = row
            if seq != self.seq + 1:
                self._find("gapless", min(seq, self.seq + 1), f"record {seq} comes after record {self.seq}")
                if seq <= self.seq:
                    continue
            self.seq = seq
            if len(salt) != 32 or commitment(book_id, salt, record) != committed:
                self._find("commitments", seq, "the commitment is not that of this record")
            append(sha256(b"\0" + committed).digest())

            while entry is not None and entry[0] < seq:
                self._find("columns", entry[0], "an entry without a record")
                entry = next(entry_rows, None)
            while transfer is not None and transfer[0] < seq:
                self._find("columns", transfer[0], "a transfer without a record")
                transfer = next(transfer_rows, None)
            legs = []
            while transfer is not None and transfer[0] == seq:
                legs.append(transfer)
                transfer = next(transfer_rows, None)
            if entry is not None and entry[0] == seq:
                self._entry(row, entry, legs)
                entry = next(entry_rows, None)
            else:
                self._other(row, legs)
        if entry is not None:
            self._find("columns", entry[0], "an entry without a record")
        if transfer is not None:
            self._find("columns", transfer[0], "a transfer without a record")

    def end(self) -> list[Finding]:
        """Return what ``finish`` would, to somebody who has the records and no sums to compare with."""
        self._judge()
        return sorted(self.found.values(), key=lambda finding: (finding.seq == 0, finding.seq))

    def finish(self, days: Iterable[DayRow]) -> list[Finding]:
        """Compare what was added up with head, days and accounts.

        Args:
            days: All sums by account and effective day, in any order, as they stood at the cut.

        Returns:
            The first finding of each check that found something, by number, those about the
            whole book last; none if all is well.
        """
        self._judge()
        head = self.head
        if self.seq != head.seq:
            self._find("gapless", self.seq + 1, f"the head counts {head.seq} records, {self.seq} are there")
        if self.frontier.to_bytes() != bytes(head.frontier):
            self._find("tree", 0, "the commitments do not give the frontier of the head")
        if self.recorded_at is not None and self.recorded_at != head.recorded_at:
            self._find("recorded_at", 0, "the head has another moment than the last record")
        self._compare_totals()
        self._compare_days(days)
        return self.end()

    def _find(self, check: str, seq: int, what: str) -> None:
        # Only the first of a kind: what follows from one wrong row would bury it.
        assert check in WHOLE_BOOK_CHECKS, check
        first = self.found.get(check)
        if first is None or 0 < seq < first.seq:
            self.found[check] = Finding(check, seq, what)

    # ------------------------------------------------------------ one record

    def _entry(self, row: RecordRow, entry: EntryRow, legs: list[TransferRow]) -> None:
        seq, entry_id, kind, _, day, recorded_at, _, _, reverses_seq = entry
        extra = self._written(row, entry, legs)
        if self.recorded_at is not None and recorded_at <= self.recorded_at:
            self._find("recorded_at", seq, "written no later than the record before it")
        self.recorded_at = recorded_at

        if not (extra.links and self._first in extra.links):
            if self._decided or self._low:
                self._judge()
            self._first = f'"with":"{uuid_text(entry_id)}"'
            self._legs = [legs]
        else:
            self._legs.append(legs)
        self._fold(kind, day, legs, extra.reversal_legs)
        if reverses_seq is not None:
            self._correction(entry, legs, extra.reversal_legs)
        elif kind == "correction" or kind in _UNDOES:
            self._find("corrections_mirror", seq, "a correction of nothing")
        if self.corrected is None or seq in self.corrected:
            self.originals[seq] = _Original(entry, legs)

    def _written(self, row: RecordRow, entry: EntryRow, legs: Sequence[TransferRow]) -> _Extra:
        # Build the record from the columns, with what only the record has, and compare.
        _, kind, record, _, _ = row
        text = record.decode("latin-1")
        match = _ORDINARY.match(text) if kind == entry[2] else None
        if match is not None and record.isascii():
            actor, facts, links, note, legs_text, reversal_legs, reverses = match.groups()
            if len(actor) > 15 and int(actor) > TOTAL_MAX:
                return self._written_slow(row, entry, legs)
            if "," in links[1:]:
                names = _LINK_NAME.findall(links)[1:]
                if names != sorted(set(names)):
                    return self._written_slow(row, entry, legs)
            accounts = self.accounts
            try:
                legs_told = [
                    f'{{"amount":{leg[4]},"credit":{leg[3]},"debit":{leg[2]},"unit":"{accounts[leg[2]].unit}"}}'
                    for place, leg in enumerate(legs)
                    if leg[1] == place
                ]
            except KeyError:
                return self._written_slow(row, entry, legs)
            if len(legs_told) != len(legs):
                # A transfer under a number that is not its place is one too many, or one is missing.
                return self._written_slow(row, entry, legs)
            moved = ",".join(legs_told)
            _, entry_id, _, source, day, recorded_at, category, draw_id, reverses_seq = entry
            category = f',"category":{quoted(category)}' if category else ""
            draw = f',"draw":"{uuid_text(draw_id)}"' if draw_id is not None else ""
            if reverses_seq is not None:
                original = self.originals.get(reverses_seq)
                reverses = f',"reverses":"{original.entry.entry_id}"' if original else reverses
            elif reverses:
                return self._written_slow(row, entry, legs)
            if text == (
                f'{{"actor":{actor}{category}{draw},"effective_on":"{day.isoformat()}"{facts}'
                f',"id":"{uuid_text(entry_id)}","kind":"{kind}"{links}{note}'
                f',"recorded_at":"{moment(recorded_at)}"{legs_text}{reverses}'
                f',"source":{quoted(source)},"transfers":[{moved}],"v":1}}'
            ):
                return _Extra(links, int(reversal_legs or 0))
        return self._written_slow(row, entry, legs)

    def _written_slow(self, row: RecordRow, entry: EntryRow, legs: Sequence[TransferRow]) -> _Extra:
        seq, record, entry = row[0], bytes(row[2]), EntryRow(*entry)
        try:
            draft, _ = read_entry(record)
        except NotCanonical as error:
            self._find("canonical", seq, str(error))
            return _Extra("", 0)
        links = "".join(f'"{name}":"{value}"' for name, value in draft.links)
        if row[1] != entry.kind or entry.kind not in _KINDS:
            self._find("columns", seq, f"the kinds {row[1]} and {entry.kind}")
            return _Extra(links, draft.reversal_legs)
        reverses = None
        if entry.reverses_seq is not None:
            original = self.originals.get(entry.reverses_seq)
            # Which entry is meant is for the corrections to say; a reversal must be told anyway.
            reverses = original.entry.entry_id if original else draft.reverses
        columns = draft._replace(
            entry_id=entry.entry_id,
            kind=EntryKind(entry.kind),
            source=entry.source,
            effective_on=entry.effective_on,
            category=entry.category,
            draw_id=entry.draw_id,
            reverses=reverses,
            transfers=tuple(
                Transfer(self._unit(leg[2]), leg[2], leg[3], leg[4]) for leg in map(TransferRow._make, legs)
            ),
        )
        if (
            entry_record(Entry(seq, columns, entry.recorded_at, (), None)) != record
            or (reverses is None) != (entry.reverses_seq is None)
            or [leg[1] for leg in legs] != list(range(len(legs)))
        ):
            self._find("columns", seq, "columns of the entry or its transfers differ from the record")
        return _Extra(links, draft.reversal_legs)

    def _unit(self, account_id: int) -> str:
        account = self.accounts.get(account_id)
        return account.unit if account else ""

    def _other(self, row: RecordRow, legs: Sequence[TransferRow]) -> None:
        seq, kind, record, _, _ = row
        self._judge()
        self._first, self._legs = "", []
        if kind in _KINDS or legs:
            self._find("columns", seq, "the record of an entry without the entry, or transfers without one")
            return
        try:
            value = parse(bytes(record))
            fields = value if isinstance(value, dict) else {}
            recorded_at = read_moment(str(fields.get("recorded_at")))
        except NotCanonical as error:
            self._find("canonical", seq, str(error))
            return
        if fields.get("kind") != kind or fields.get("v") != 1 or type(fields.get("actor")) is not int:
            self._find("columns", seq, f"the record is not one of kind {kind}")
        if self.recorded_at is not None and recorded_at <= self.recorded_at:
            self._find("recorded_at", seq, "written no later than the record before it")
        self.recorded_at = recorded_at

    # ------------------------------------------------------------ what an entry moves

    def _fold(self, kind: str, day: date, legs: Sequence[TransferRow], reversal_legs: int) -> None:
        accounts = self.accounts
        decision = kind in _DECISIONS
        gap = 0
        for seq, place, debit, credit, amount, debit_balance, credit_balance in legs:
            source, target = accounts.get(debit), accounts.get(credit)
            if source is None or target is None or source.unit != target.unit or debit == credit:
                self._find("accounts", seq, f"transfer {place} is not between two accounts of one unit")
                continue
            source.net = debit_net = source.net - amount
            target.net = credit_net = target.net + amount
            if debit_net != debit_balance or credit_net != credit_balance:
                self._find("running_balances", seq, f"balances after transfer {place} do not follow")
                # Go on from what is written, so that later records are judged on their own.
                source.net, target.net = debit_balance, credit_balance
            of_day = source.days.get(day)
            if of_day is None:
                of_day = source.days[day] = [0, 0, 0, 0]
            of_day[0] += amount
            if place < reversal_legs:
                of_day[2] += amount
            of_day = target.days.get(day)
            if of_day is None:
                of_day = target.days[day] = [0, 0, 0, 0]
            of_day[1] += amount
            if place < reversal_legs:
                of_day[3] += amount
            if source.backs is not target.backs:
                gap += amount if target.backs else -amount
            if decision and (source.floor is not None or source.pot_account):
                self._decided.append((seq, debit, kind == "hand_over" and is_money(source.unit)))
            if (debit_net < 0 and source.kind == _PROMISED) or (credit_net > 0 and target.kind == _HELD):
                self._low.append((seq, debit if source.kind == _PROMISED else credit))
        if gap:
            self._find("custody", legs[0][0], f"pots and promises differ from what is held by {gap}")

    def _judge(self) -> None:
        """Judge the chain that ends here, as a whole."""
        decided, low, self._decided, self._low = self._decided, self._low, [], []
        for seq, account_id in low:
            account = self.accounts[account_id]
            if (account.net < 0) == (account.kind == _PROMISED) and account.net != 0:
                self._find("never_below_zero", seq, f"a {account.kind} account is below zero")
        for seq, account_id, hand_over in decided:
            account = self.accounts[account_id]
            too_low = account.kind != _HELD and account.floor is not None and account.net < account.floor
            if too_low and self._lost(account_id) > 0:
                self._find("floors", seq, f"a {account.kind} account is at {account.net}, below its floor")
            if hand_over and account.kind == _PROMISED:
                pot = self.accounts.get(account.pot_account)
                if pot is not None and pot.net + account.net < 0:
                    self._find("floors", seq, f"the pot handed over {-pot.net - account.net} that it had not")

    def _lost(self, account_id: int) -> int:
        return sum(
            leg[4] * ((leg[2] == account_id) - (leg[3] == account_id)) for legs in self._legs for leg in legs
        )

    # ------------------------------------------------------------ corrections

    def _correction(self, entry: EntryRow, legs: Sequence[TransferRow], reversal_legs: int) -> None:
        seq, kind, reverses_seq = entry[0], entry[2], entry[8]
        original = self.originals.get(reverses_seq or 0)
        if original is None:
            self._find("corrections_mirror", seq, f"it corrects {reverses_seq}, which is no earlier entry")
            return
        if original.corrected:
            self._find("corrected_once", seq, f"entry {reverses_seq} was corrected before")
        if original.entry[8] is not None:
            self._find("corrected_once", seq, f"entry {reverses_seq} is a correction itself")
        original.corrected = True
        then, back, rest = original.legs, legs[:reversal_legs], legs[reversal_legs:]
        fits = (
            kind == "correction"
            and not rest
            and original.entry[7] is None
            and original.entry[2] not in _OF_DRAWS
        ) or (_UNDOES.get(kind) == original.entry[2] and entry[7] == original.entry[7])
        mirrors = len(back) == len(then) and all(map(self._takes_back, back, then))
        if not (fits and mirrors and all(self._releases(leg, back) for leg in rest)):
            self._find(
                "corrections_mirror", seq, f"it does not take back exactly what entry {reverses_seq} did"
            )

    def _takes_back(self, now: TransferRow, then: TransferRow) -> bool:
        return (
            now[4] == then[4]
            and (now[2] == then[3] or self._both_held(now[2], then[3]))
            and (now[3] == then[2] or self._both_held(now[3], then[2]))
        )

    def _both_held(self, one: int, other: int) -> bool:
        first, second = self.accounts.get(one), self.accounts.get(other)
        return (
            first is not None
            and second is not None
            and first.kind == second.kind == _HELD
            and first.unit == second.unit
        )

    def _releases(self, leg: TransferRow, back: Sequence[TransferRow]) -> bool:
        source = self.accounts.get(leg[2])
        return (
            source is not None
            and source.kind == _PROMISED
            and source.pot_account == leg[3]
            and any(undone[3] == leg[2] and undone[4] == leg[4] for undone in back)
        )

    # ------------------------------------------------------------ the end

    def _compare_totals(self) -> None:
        totals: dict[str, int] = {}
        for row in self.rows:
            days = self.accounts[row.account_id].days.values()
            folded = [sum(map(itemgetter(i), days)) for i in range(4)]
            if folded != [row.debits, row.credits, row.reversal_debits, row.reversal_credits]:
                self._find(
                    "account_totals", 0, f"account {row.account_id} does not have the sums of its transfers"
                )
            totals[row.unit] = totals.get(row.unit, 0) + row.credits - row.debits
        for unit, total in totals.items():
            if total:
                self._find("debits_equal_credits", 0, f"in {unit}, credits are {total} more than debits")

    def _compare_days(self, days: Iterable[DayRow]) -> None:
        seen = 0
        for account_id, day, *sums in days:
            account = self.accounts.get(account_id)
            if account is None or account.days.get(day) != sums:
                self._find(
                    "account_days",
                    0,
                    f"account {account_id} on {day} does not have the sums of its transfers",
                )
            seen += 1
        if seen != sum(len(account.days) for account in self.accounts.values()):
            self._find("account_days", 0, "days are missing, or there twice")


def check_book(
    head: HeadRow,
    accounts: Iterable[AccountRow],
    records: Iterable[RecordRow],
    entries: Iterable[EntryRow],
    transfers: Iterable[TransferRow],
    days: Iterable[DayRow],
    *,
    corrected: Collection[int] | None = None,
) -> list[Finding]:
    """Check a book whose rows are at hand all at once; ``BookCheck`` takes them page by page."""
    check = BookCheck(head, accounts, corrected)
    check.feed(records, entries, transfers)
    return check.finish(days)
