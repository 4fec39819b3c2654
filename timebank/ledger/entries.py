"""Entries: one event each, made of transfers that are written together or not at all."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum, unique
from typing import Final, NamedTuple
from uuid import UUID


class Transfer(NamedTuple):
    """A positive amount of one unit, taken from the debit account and put into the credit account."""

    unit: str
    debit: int
    credit: int
    amount: int


@unique
class EntryKind(StrEnum):
    """What happened; ``posting`` says for each kind what moves."""

    HELP_GIVEN = "help_given"
    HELP_ANSWERED = "help_answered"
    HELP_EXCHANGED = "help_exchanged"
    MONEY_IN = "money_in"
    PROMISE = "promise"
    RELEASE = "release"
    FULFIL = "fulfil"
    HAND_OVER = "hand_over"
    HAND_OVER_UNDONE = "hand_over_undone"
    FULFIL_UNDONE = "fulfil_undone"
    MONEY_RETURNED = "money_returned"
    MONEY_OUT = "money_out"
    HELD_MOVE = "held_move"
    POT_MOVE = "pot_move"
    COUNTED_MISSING = "counted_missing"
    COUNTED_FOUND = "counted_found"
    OPENING = "opening"
    CORRECTION = "correction"


DECISIONS: Final = frozenset(
    {EntryKind.PROMISE, EntryKind.HAND_OVER, EntryKind.FULFIL, EntryKind.POT_MOVE, EntryKind.MONEY_OUT}
)
"""Kinds that a pot's floor can refuse; all others are facts or give something back."""

OF_DRAWS: Final = frozenset(
    {
        EntryKind.PROMISE,
        EntryKind.RELEASE,
        EntryKind.FULFIL,
        EntryKind.HAND_OVER,
        EntryKind.HAND_OVER_UNDONE,
        EntryKind.FULFIL_UNDONE,
        EntryKind.MONEY_RETURNED,
    }
)
"""Kinds that always belong to a draw and are corrected through it."""

UNDOES: Final = {EntryKind.HAND_OVER_UNDONE: EntryKind.HAND_OVER, EntryKind.FULFIL_UNDONE: EntryKind.FULFIL}
"""Which kind a draw's own kind of correction undoes."""


class Draft(NamedTuple):
    """An entry as rules propose it, before the book has accepted it.

    Attributes:
        entry_id: Its name for ever; a second draft with the same id is the same event.
        kind: What happened.
        source: How it came: ``"web"``, ``"api"``, ``"import"``, ``"sheet"``...; ASCII, no free text.
        transfers: What moves; at least one.
        effective_on: The day it happened, in the group's time zone.
        actor: Account number of who wrote it.
        category: One of the group's words, or ``""``.
        links: Names and ids of what it refers to, sorted by name.
        note_hash: Hex SHA-256 of salt and note, or ``""``.
        facts_hash: Hex SHA-256 of salt and the facts that allowed it, or ``""``.
        draw_id: The draw it belongs to, or None.
        reverses: The entry that it corrects, or None.
        reversal_legs: How many of the transfers, from the first, take back what was
            booked before; they count into the reversal totals of their accounts.
    """

    entry_id: UUID
    kind: EntryKind
    source: str
    transfers: tuple[Transfer, ...]
    effective_on: date
    actor: int
    category: str = ""
    links: tuple[tuple[str, str], ...] = ()
    note_hash: str = ""
    facts_hash: str = ""
    draw_id: UUID | None = None
    reverses: UUID | None = None
    reversal_legs: int = 0


class Entry(NamedTuple):
    """A draft that the book accepted.

    Attributes:
        seq: Number of its record, gapless over all records of the group, from 1.
        draft: What was proposed; in a chain with the link ``with`` added (see ``books``).
        recorded_at: When it was written, aware UTC; strictly later than every record before it.
        balances: For each transfer, credits - debits of its debit account and of its credit
            account right after it.
        reverses_seq: Number of the entry that it corrects, or None.
    """

    seq: int
    draft: Draft
    recorded_at: datetime
    balances: tuple[tuple[int, int], ...]
    reverses_seq: int | None


class KnownEntry(NamedTuple):
    """An entry that is in the book already, as far as replays and corrections need it."""

    seq: int
    draft: Draft
    corrected: bool


class Replayed(NamedTuple):
    """The answer to a chain of which every entry is in the book already, with the same content."""

    entries: tuple[KnownEntry, ...]
