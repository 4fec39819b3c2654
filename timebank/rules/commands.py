"""What a person can ask the book to do; each command is data, decided by the rules under the group's lock."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple
from uuid import UUID


class LogHours(NamedTuple):
    """Help that was given.

    Attributes:
        giver: Member who gave the time; None is the actor.
        receiver: Member whom it reached; None is the pot itself.
        draw: The ask that it answers, if any.
        minutes: Whole minutes, 1 to 10^12.
        effective_on: Day on which it happened, in the group's time zone.
        category: One of the group's categories.
        note: Free text, sealed with the actor's key; empty for none.
        pot: Code of an hours pot; empty for the group's first one.
    """

    giver: UUID | None
    receiver: UUID | None
    draw: UUID | None
    minutes: int
    effective_on: date
    category: str
    note: str = ""
    pot: str = ""


class GiveMoney(NamedTuple):
    """Money that came in.

    Attributes:
        pot: Code of a money pot.
        amount: Whole smallest coins of ``currency``, 1 to 10^12.
        currency: ISO 4217 code.
        held: Code of the place where it now is.
        giver: Member who gave it; None for somebody outside the group.
        effective_on: Day on which it came in, in the group's time zone.
        reference: What the bank statement says, sealed; empty for none.
    """

    pot: str
    amount: int
    currency: str
    held: str
    giver: UUID | None
    effective_on: date
    reference: str = ""


class AskDraw(NamedTuple):
    """An ask: hours or money from a pot.

    Attributes:
        pot: Code of the pot.
        amount: Whole minutes or smallest coins, 1 to 10^12.
        unit: Unit of ``amount``; it must be the pot's.
        category: One of the group's categories.
        needed_by: Day after which it no longer helps, or None.
        contact: How the treasurer reaches the asker, sealed; empty for none.
        payout: Where money should go, sealed; empty for none.
        on_behalf_of: Member for whom the actor asks; None is the actor.
        without_account: Whether it is for somebody who is no member.
        link: For those: SHA-256 of the status link that it was sent under; None if a steward enters it.
        contact_index: Blind index of ``contact``, by which two asks of one person are noticed; may be empty.
        ask_id: Id of the ask and of the key that seals what it says; None draws one.
    """

    pot: str
    amount: int
    unit: str
    category: str
    needed_by: date | None = None
    contact: str = ""
    payout: str = ""
    on_behalf_of: UUID | None = None
    without_account: bool = False
    link: bytes | None = None
    contact_index: bytes = b""
    ask_id: UUID | None = None


class ApproveDraw(NamedTuple):
    """One yes to an ask; the last one that the policy wants promises the amount.

    Attributes:
        draw: The ask.
        amount: What is promised when it is less than was asked; None for all of it. It is
            settled by the first yes; a later one must say the same or nothing.
        unit: What ``amount`` counts; empty for the pot's unit, anything else must be it.
        not_own: Whether the actor states that they did not ask it; an ask without an account needs that.
    """

    draw: UUID
    amount: int | None = None
    unit: str = ""
    not_own: bool = False


class DeclineDraw(NamedTuple):
    """A "not now" to an ask; the reason is sealed, and told to whoever asked."""

    draw: UUID
    reason: str = ""


class ObjectDraw(NamedTuple):
    """A steward's objection while the rules let them; with ``withdraw`` it is taken back."""

    draw: UUID
    reason: str = ""
    withdraw: bool = False


class QuestionDraw(NamedTuple):
    """A question to whoever asked, sealed."""

    draw: UUID
    text: str


class AnswerDraw(NamedTuple):
    """What whoever asked says to a question, sealed."""

    draw: UUID
    text: str


class StepAside(NamedTuple):
    """Somebody with a duty leaves an ask to others; their yes, if any, counts no more."""

    draw: UUID


class CancelDraw(NamedTuple):
    """Whoever asked needs it no more; what is still promised goes back."""

    draw: UUID


class ChangeDraw(NamedTuple):
    """Another amount than was asked first; every yes and objection so far is void."""

    draw: UUID
    amount: int
    unit: str = ""


class HandOver(NamedTuple):
    """Money of a promised draw given to the one who asked, in whole or in part.

    Attributes:
        draw: The promised ask.
        held: Code of the place that the money is taken from.
        amount: What is handed over; None for all that is still promised.
        effective_on: Day of the hand-over; None is today.
        unit: What ``amount`` counts; empty for the pot's unit, anything else must be it.
        receipt: Whether a receipt was looked at; only where the rules ask for one.
    """

    draw: UUID
    held: str
    amount: int | None = None
    effective_on: date | None = None
    unit: str = ""
    receipt: bool = False


class UndoDrawEntry(NamedTuple):
    """A hand-over, or hours given for an ask, that was written by mistake.

    Attributes:
        entry: The hand-over or the hours.
        held: Code of the place where the money is now; empty for the one it was taken from.
        reason: Free text, sealed; empty for none.
    """

    draw: UUID
    entry: UUID
    held: str = ""
    reason: str = ""


class ReturnMoney(NamedTuple):
    """Money of a draw that came back into the pot.

    Attributes:
        held: Code of the place where it now is.
    """

    draw: UUID
    held: str
    amount: int
    effective_on: date | None = None
    unit: str = ""


class ReleaseDraw(NamedTuple):
    """What a draw was promised and does not need: all that is left, or ``amount`` of it."""

    draw: UUID
    amount: int | None = None
    unit: str = ""


class DrawArrived(NamedTuple):
    """Whoever asked says that it arrived."""

    draw: UUID


class DrawDue(NamedTuple):
    """The group does what is due with an ask now: its window is over, its promise too old, its papers to be wiped."""

    draw: UUID


class QueueDue(NamedTuple):
    """The group promises what waits in the queue of a pot, in order, as far as there is enough."""

    pot: UUID


class Instead(NamedTuple):
    """The right entry that comes with a correction; None keeps what the wrong one said."""

    amount: int | None = None
    effective_on: date | None = None
    category: str | None = None
    #: What ``amount`` counts; empty for the unit of the wrong entry, anything else must be it.
    unit: str = ""


class CorrectEntry(NamedTuple):
    """Undo an entry by its mirror, and perhaps write the right one with it.

    Attributes:
        entry: The wrong entry.
        reason: Free text, sealed with the actor's key; empty for none.
        instead: The right entry, judged together with the mirror; None for none.
        held: Code of the place where the money of the wrong entry is now; empty for the same.
    """

    entry: UUID
    reason: str = ""
    instead: Instead | None = None
    held: str = ""


#: What is done with an ask that is there.
DrawCommand = (
    ApproveDraw
    | DeclineDraw
    | ObjectDraw
    | QuestionDraw
    | AnswerDraw
    | StepAside
    | CancelDraw
    | ChangeDraw
    | HandOver
    | UndoDrawEntry
    | ReturnMoney
    | ReleaseDraw
    | DrawArrived
    | DrawDue
)
Command = LogHours | GiveMoney | AskDraw | DrawCommand | QueueDue | CorrectEntry
