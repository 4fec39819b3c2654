"""What every journal of plain-text accounting says, whatever its dialect: accounts, amounts, words, totals.

A journal is for an auditor from outside: the whole book in the signs of bookkeeping, debits
positive, and no person in it. Of when something was recorded, and as which number, only the
header speaks: the same book kept elsewhere gives the same journal.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final, NamedTuple

from timebank.ledger.entries import EntryKind
from timebank.ledger.units import MINUTES, is_money
from timebank.rules.journal import JournalAccount, JournalEntry

FORMAT: Final = "timebank journal, format 1"

#: Description of each kind of entry; a file is the same in every language.
KIND_WORDS: Final[Mapping[str, str]] = {
    EntryKind.HELP_GIVEN: "Help given to the pot",
    EntryKind.HELP_ANSWERED: "Help between neighbours, answered by the pot",
    EntryKind.HELP_EXCHANGED: "Help between two neighbours",
    EntryKind.MONEY_IN: "Money came in",
    EntryKind.PROMISE: "Promised",
    EntryKind.RELEASE: "Promise given back",
    EntryKind.FULFIL: "Help for an ask",
    EntryKind.HAND_OVER: "Handed over",
    EntryKind.HAND_OVER_UNDONE: "Hand-over taken back",
    EntryKind.FULFIL_UNDONE: "Help for an ask taken back",
    EntryKind.MONEY_RETURNED: "Money came back",
    EntryKind.MONEY_OUT: "Money passed on",
    EntryKind.HELD_MOVE: "Moved from place to place",
    EntryKind.POT_MOVE: "Moved between pots",
    EntryKind.COUNTED_MISSING: "Counted: missing",
    EntryKind.COUNTED_FOUND: "Counted: found",
    EntryKind.OPENING: "Brought along from an older book",
    EntryKind.CORRECTION: "Correction",
}
OPENING_WORDS: Final = "Balances brought forward"
CLOSING_WORDS: Final = "Balances to check"
OPENING_CODE: Final = "opening-balances"
CLOSING_CODE: Final = "closing-balances"

_LINE_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Journal:
    """All that a journal says besides its entries.

    Attributes:
        name: What people call the group.
        slug: Its address.
        cut: What the journal contains at most, such as ``through record 12 of the live book``.
        first: First effective day of its entries; None for the book's beginning.
        last: Last effective day of its entries; None for no end.
        opens_on: A day not after the first transaction.
        digits: Digits after the point by unit, in the order in which units are named.
        accounts: By number; every account that an entry or a balance names.
        opening: Debits - credits by account before ``first``; without zeros.
        closing: Debits - credits by account after the last entry, as the book itself keeps them.
    """

    name: str
    slug: str
    cut: str
    first: date | None
    last: date | None
    opens_on: date
    digits: Mapping[str, int]
    accounts: Mapping[int, JournalAccount]
    opening: Mapping[int, int]
    closing: Mapping[int, int]

    @property
    def days(self) -> str:
        """Which days the journal is of, in words."""
        if self.first and self.last:
            return f"{self.first} to {self.last}"
        if self.first:
            return f"{self.first} and later"
        return f"up to {self.last}" if self.last else "the whole book"


def commodity(unit: str) -> str:
    """Return what a unit is called in a journal: ``MIN`` for whole minutes, a currency by its code."""
    if unit == MINUTES:
        return "MIN"
    assert is_money(unit), unit
    return unit


def written(amount: int, digits: int) -> str:
    """Return an amount with exactly so many digits after the point: ``-12.50``, ``90``."""
    if not digits:
        return str(amount)
    whole, rest = divmod(abs(amount), 10**digits)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{digits}}"


def one_line(words: str) -> str:
    """Return words for a comment, which ends with its line."""
    return _LINE_BREAKS.sub(" ", words)


def percent_encoded(words: str, signs: str) -> str:
    """Return words with ``signs`` (ASCII), ``%`` and whatever ends a line written as ``%2C``; no two become one."""
    return "".join(
        "".join(f"%{byte:02X}" for byte in sign.encode())
        if sign == "%" or sign in signs or _LINE_BREAKS.match(sign)
        else sign
        for sign in words
    )


class Posting(NamedTuple):
    """One side of a movement, or a balance: debit positive; ``account`` as the dialect spells it."""

    account: str
    amount: int
    unit: str


class BookWriter(ABC):
    """Writes one book from its beginning to its end, piece by piece; keeps totals and no entry.

    Entries come in order of their effective day, on one day in the order of the book.
    """

    dialect: ClassVar[str]

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.last_day = journal.opens_on
        self._names = {number: self.spelled(account.name) for number, account in journal.accounts.items()}
        self._entries = self._postings = 0
        self._moved: Counter[str] = Counter()

    def text(self, entries: Iterable[JournalEntry]) -> Iterator[str]:
        """Yield the whole text."""
        yield self.begin()
        for entry in entries:
            yield self.transaction(entry)
        yield self.end()

    @abstractmethod
    def spelled(self, name: tuple[str, ...]) -> str:
        """Return the name of an account; different names are spelled differently."""

    @abstractmethod
    def begin(self) -> str:
        """Return what stands before the first entry, with balances brought forward."""

    @abstractmethod
    def transaction(self, entry: JournalEntry) -> str:
        """Return one entry."""

    @abstractmethod
    def end(self) -> str:
        """Return what stands after the last entry: every balance, and totals."""

    def _balances(self, by_number: Mapping[int, int]) -> list[Posting]:
        """Return balances by name of account, then in the order of units."""
        order = {unit: place for place, unit in enumerate(self.journal.digits)}
        accounts = self.journal.accounts
        postings = [Posting(self._names[n], amount, accounts[n].unit) for n, amount in by_number.items()]
        return sorted(postings, key=lambda posting: (posting.account, order[posting.unit]))


class JournalWriter(BookWriter):
    """Writes a journal of plain-text accounting."""

    def begin(self) -> str:
        """Return what stands before the first entry: header, declarations, balances brought forward."""
        journal = self.journal
        lines = [
            f"; {FORMAT} ({self.dialect})",
            f"; group: {one_line(journal.name)} ({journal.slug})",
            f"; cut: {journal.cut}",
            f"; days: {journal.days}",
            "",
            *self.declarations(),
        ]
        if journal.opening:
            assert journal.first is not None, "before the beginning there is nothing"
            # The day before, so that from then on the balance of every day is the book's own.
            self.last_day = journal.first - timedelta(days=1)
            lines += ["", *self.opening(self.last_day, self._balances(journal.opening))]
        return "\n".join(lines) + "\n"

    def transaction(self, entry: JournalEntry) -> str:
        """Return one entry, with an empty line before it."""
        assert entry.effective_on >= self.last_day, "entries come in order of their days"
        self.last_day = entry.effective_on
        postings = []
        for unit, debit, credit, amount in entry.transfers:
            postings.append(Posting(self._names[debit], amount, unit))
            postings.append(Posting(self._names[credit], -amount, unit))
            self._moved[unit] += amount
        self._entries += 1
        self._postings += len(postings)
        return "\n" + "\n".join(self.entry(entry, postings)) + "\n"

    def end(self) -> str:
        """Return what stands after the last entry: a balance to check for every account, and totals."""
        journal = self.journal
        closing = {number: journal.closing.get(number, 0) for number in journal.accounts}
        lines = ["", *self.closing(self.last_day, self._balances(closing))]
        lines += ["", f"; total: {self._entries} entries with {self._postings} postings"]
        lines += [f"; total: {self.amount(self._moved[unit], unit)} moved" for unit in journal.digits]
        return "\n".join(lines) + "\n"

    def amount(self, amount: int, unit: str) -> str:
        """Return an amount with its commodity."""
        return f"{written(amount, self.journal.digits[unit])} {commodity(unit)}"

    def accounts(self) -> list[tuple[str, list[str]]]:
        """Return every account with its commodities; accounts that several units share are one."""
        units: dict[str, list[str]] = {}
        for account, _, unit in self._balances(dict.fromkeys(self.journal.accounts, 0)):
            units.setdefault(account, []).append(commodity(unit))
        return list(units.items())

    # ------------------------------------------------------------ what a dialect says in its own way

    @abstractmethod
    def declarations(self) -> list[str]:
        """Return the lines that declare options, commodities and accounts."""

    @abstractmethod
    def opening(self, day: date, balances: Sequence[Posting]) -> list[str]:
        """Return the transaction that brings balances forward."""

    @abstractmethod
    def entry(self, entry: JournalEntry, postings: Sequence[Posting]) -> list[str]:
        """Return the lines of one transaction."""

    @abstractmethod
    def closing(self, day: date, balances: Sequence[Posting]) -> list[str]:
        """Return what makes a reader compare every balance after the last day."""
