"""Imports: which entry follows from a line of a spreadsheet, and in which order the past is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

from timebank.errors import (
    AmountOutOfRange,
    BelowFloor,
    DateBeforeBegin,
    DateInFuture,
    NoTimeBank,
    Overflow,
    Refusal,
    SameAccountTwice,
    UnknownCategory,
    UnknownHeldPlace,
    UnknownPot,
)
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import Draft, EntryKind, Transfer
from timebank.ledger.units import MINUTES
from timebank.rules.names import folded
from timebank.rules.outcome import text_hash
from timebank.rules.set_up import HELD_KINDS
from timebank.rules.sheets import HoursLine, Line, MoneyLine, OpeningLine
from timebank.rules.state import EXCHANGE, HeldPlace, HoursRow, Note, Reference, State

SOURCE: Final = "import"

COLUMN_OF: Final[Mapping[type[Refusal], str]] = {
    AmountOutOfRange: "amount",
    BelowFloor: "amount",
    DateBeforeBegin: "date",
    DateInFuture: "date",
    NoTimeBank: "person",
    Overflow: "amount",
    SameAccountTwice: "receiver",
    UnknownCategory: "category",
    UnknownHeldPlace: "held",
    UnknownPot: "pot",
}
"""Which of our columns a refusal of the book is about."""


class Somebody(NamedTuple):
    """Whom a name in a file means.

    Attributes:
        member_id: None for somebody outside the group, who is kept nowhere.
        accounts: Account numbers by name, as in an Actor.
    """

    member_id: UUID | None
    accounts: Mapping[str, int]


class _Rank(IntEnum):
    """What comes first on one day: what is brought along, what comes in, what goes out."""

    OPENING = 0
    IN = 1
    OUT = 2


def order_of(line: Line) -> tuple[date, int]:
    """Return what lines are sorted by before they are booked: day by day, and what comes in first.

    A file has them in any order; a cash box that is emptied in line 3 and filled in line 900 was
    filled first.
    """
    if isinstance(line, OpeningLine):
        return line.day, _Rank.OPENING
    if isinstance(line, MoneyLine) and not line.incoming:
        return line.day, _Rank.OUT
    assert isinstance(line, HoursLine | MoneyLine), line
    return line.day, _Rank.IN


class Bookkeeper:
    """Turns lines into entries, for one import.

    Args:
        state: The book; entries are accepted or refused in it.
        people: Whom each name means, as it stands in the lines.
        categories: The group's categories by the spelling in the lines.
        time_bank: Whether the group keeps hours between two people.
        actor: Account number of who imports; 0 for the host.
        note_keeper: Member with whose key notes are sealed that nobody of the group wrote; None
            lets them go.
    """

    def __init__(
        self,
        state: State,
        *,
        people: Mapping[str, Somebody],
        categories: Mapping[str, str],
        time_bank: bool,
        actor: int,
        note_keeper: UUID | None,
    ) -> None:
        self.state = state
        self.people = people
        self.categories = categories
        self.time_bank = time_bank
        self.actor = actor
        self.note_keeper = note_keeper
        self._setup = state.setup
        self._places: dict[tuple[str, str], HeldPlace] = {}

    def book(self, line: Line, entry_id: UUID) -> Refusal | None:
        """Book one line, or say why not.

        Args:
            entry_id: Id of its entry; nothing in the book has it.
        """
        try:
            if isinstance(line, HoursLine):
                return self._hours(line, entry_id)
            if isinstance(line, MoneyLine):
                return self._money(line, entry_id)
            assert isinstance(line, OpeningLine), line
            return self._opening(line, entry_id)
        except Refusal as refusal:
            return refusal

    # ------------------------------------------------------------ one kind each

    def _hours(self, line: HoursLine, entry_id: UUID) -> Refusal | None:
        giver = self.people[line.giver]
        receiver = self.people[line.receiver] if line.receiver else None
        outside = self._setup.special[AccountKind.OUTSIDE, MINUTES]
        given_by = giver.accounts.get(MINUTES, outside)
        received_by = None if receiver is None else receiver.accounts.get(MINUTES, outside)
        if received_by == given_by and giver.member_id is not None:
            return SameAccountTwice()
        category = self._category(line.category)
        kind, transfers = self._help(line, giver, receiver, given_by)

        salt = self.state.salt() if line.note else b""
        refusal = self._post(
            entry_id, kind, transfers, line.day, category, note_hash=text_hash(salt, line.note)
        )
        if refusal is not None:
            return refusal
        seq = self.state.books.seq
        self.state.new_hours.append(
            HoursRow(
                entry_id,
                seq,
                # Nobody is asked to confirm what lies years back.
                "confirmed",
                given_by,
                received_by,
                None,
                line.minutes,
                line.day,
                category,
                self.actor,
                self.state.books.recorded_at,
            )
        )
        self._note(entry_id, "note", giver, salt, line.note)
        return None

    def _help(
        self, line: HoursLine, giver: Somebody, receiver: Somebody | None, given_by: int
    ) -> tuple[EntryKind, tuple[Transfer, ...]]:
        if (
            self.time_bank
            and receiver is not None
            and EXCHANGE in giver.accounts
            and EXCHANGE in receiver.accounts
            and not line.pot
        ):
            return EntryKind.HELP_EXCHANGED, posting.help_exchanged(
                giver.accounts[EXCHANGE], receiver.accounts[EXCHANGE], line.minutes
            )
        pot = self._setup.pot(line.pot, MINUTES)
        if receiver is None:
            return EntryKind.HELP_GIVEN, posting.help_given(given_by, pot.pot_account, line.minutes)
        return EntryKind.HELP_ANSWERED, posting.help_answered(
            given_by, pot.pot_account, pot.shared_account, line.minutes
        )

    def _money(self, line: MoneyLine, entry_id: UUID) -> Refusal | None:
        unit = line.currency
        pot = self._setup.pot(line.pot, unit)
        held = self._place(line.held, unit).account_id
        custody = self._setup.special[AccountKind.CUSTODY, unit]
        outside = self._setup.special[AccountKind.OUTSIDE, unit]
        category = self._category(line.category)
        giver = self.people[line.person] if line.person and line.incoming else Somebody(None, {})
        if line.incoming:
            kind = EntryKind.MONEY_IN
            transfers = posting.money_in(
                unit, giver.accounts.get(unit, outside), pot.pot_account, held, custody, line.amount
            )
        else:
            kind = EntryKind.MONEY_OUT
            transfers = posting.money_out(unit, pot.pot_account, outside, custody, held, line.amount)

        words = "\n".join(filter(None, (line.reference, line.note)))
        salt = self.state.salt() if words else b""
        refusal = self._post(entry_id, kind, transfers, line.day, category, note_hash=text_hash(salt, words))
        if refusal is None:
            self._note(entry_id, "reference", giver, salt, line.reference)
            if line.incoming and line.reference:
                known = Reference(folded(line.reference), held, line.amount)
                self.state.treasury.new_references.append((known, entry_id))
            self._note(entry_id, "note", giver, salt, line.note)
        return refusal

    def _opening(self, line: OpeningLine, entry_id: UUID) -> Refusal | None:
        opening = self._setup.special.get((AccountKind.OPENING, line.unit))
        if line.person:
            exchange = self.people[line.person].accounts.get(EXCHANGE)
            if exchange is None:
                return NoTimeBank()
            assert opening is not None
            if line.received:
                transfers = posting.opening_exchange_received(opening, exchange, line.amount)
            else:
                transfers = posting.opening_exchange_given(exchange, opening, line.amount)
            return self._post(entry_id, EntryKind.OPENING, transfers, line.day, "")
        pot = self._setup.pot(line.pot, line.unit)
        assert opening is not None, "a unit that a pot keeps has an opening account"
        if line.unit == MINUTES:
            transfers = posting.opening_hours(opening, pot.pot_account, line.amount)
        else:
            transfers = posting.opening_money(
                line.unit,
                opening,
                pot.pot_account,
                self._place(line.held, line.unit).account_id,
                self._setup.special[AccountKind.CUSTODY, line.unit],
                line.amount,
            )
        return self._post(entry_id, EntryKind.OPENING, transfers, line.day, "")

    # ------------------------------------------------------------ what they share

    def _post(
        self,
        entry_id: UUID,
        kind: EntryKind,
        transfers: tuple[Transfer, ...],
        day: date,
        category: str,
        note_hash: str = "",
    ) -> Refusal | None:
        result = self.state.post(
            Draft(
                entry_id=entry_id,
                kind=kind,
                source=SOURCE,
                transfers=transfers,
                effective_on=day,
                actor=self.actor,
                category=category,
                note_hash=note_hash,
            )
        )
        return result if isinstance(result, Refusal) else None

    def _category(self, written: str) -> str:
        if not written:
            return ""
        known = self.categories.get(written)
        if known is None:
            raise UnknownCategory
        return known

    def _place(self, written: str, unit: str) -> HeldPlace:
        found = self._places.get((written, unit))
        if found is None:
            found = self._places[written, unit] = find_place(self._setup.held, written, unit)
        return found

    def _note(self, about: UUID, what: str, author: Somebody, salt: bytes, words: str) -> None:
        keeper = author.member_id or self.note_keeper
        if words and keeper is not None:
            self.state.notes.append(Note(about, what, keeper, salt, words))


def find_place(places: Mapping[str, HeldPlace], written: str, unit: str) -> HeldPlace:
    """Return the place that a cell means: its code, or its kind or nothing where only one can be meant.

    Raises:
        UnknownHeldPlace: None, or more than one, can be meant.
    """
    word = written.casefold()
    place = places.get(word)
    if place is not None and place.unit == unit:
        return place
    meant = [
        place
        for place in places.values()
        if place.unit == unit and (not word or (word in HELD_KINDS and place.kind == word))
    ]
    if len(meant) != 1:
        raise UnknownHeldPlace(currency=unit)
    return meant[0]
