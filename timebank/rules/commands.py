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
        exchange: Whether it goes between the two people, and no pot answers.
    """

    giver: UUID | None
    receiver: UUID | None
    draw: UUID | None
    minutes: int
    effective_on: date
    category: str
    note: str = ""
    pot: str = ""
    exchange: bool = False


class Share(NamedTuple):
    """One person's part in help that several gave together: by weight, or in minutes; one of the two."""

    giver: UUID
    weight: int | None = None
    minutes: int | None = None


class ShareHours(NamedTuple):
    """Help that several people gave together, booked for all of them or for none.

    Attributes:
        shares: Each person once; all by weight or all in minutes. Their minutes add up to the
            whole, to the minute.
        minutes: All of it; None when the shares are in minutes and say it.
        receiver, draw, effective_on, category, note, pot: As in LogHours.
    """

    shares: tuple[Share, ...]
    minutes: int | None
    receiver: UUID | None
    draw: UUID | None
    effective_on: date
    category: str
    note: str = ""
    pot: str = ""


class ConfirmHours(NamedTuple):
    """The other side's yes to hours; those between two people are posted by it."""

    hours: UUID


class QuestionHours(NamedTuple):
    """The other side's "not quite": what it should be instead.

    Attributes:
        minutes: Whole minutes, 1 to 10^12.
        reason: Free text, sealed with the actor's key; empty for none.
    """

    hours: UUID
    minutes: int
    reason: str = ""


class SettleHours(NamedTuple):
    """An end to a question: whoever was asked agrees, or a steward decides.

    Attributes:
        minutes: What a steward decides; None for what was proposed.
        reason: Free text, sealed with the actor's key; empty for none.
    """

    hours: UUID
    minutes: int | None = None
    reason: str = ""


class WithdrawHours(NamedTuple):
    """Hours taken back as if they had never been logged: one's own slip, or what a steward finds wrong."""

    hours: UUID


class PassSilence(NamedTuple):
    """The group's own yes to hours between two people, after so many days without a word."""

    hours: UUID


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
        again: Whether it is really another one, though its reference and amount came in before.
    """

    pot: str
    amount: int
    currency: str
    held: str
    giver: UUID | None
    effective_on: date
    reference: str = ""
    again: bool = False


class OpenPlace(NamedTuple):
    """A new place where money of one currency will be; ``kind`` is cash, bank or platform."""

    code: str
    kind: str
    currency: str


class ClosePlace(NamedTuple):
    """An empty place that is used no more; ``reopen`` takes it into use again."""

    held: str
    reopen: bool = False


class MoveHeld(NamedTuple):
    """Money carried from one place to another; no pot changes.

    Attributes:
        source, target: Codes of two places of this currency.
        effective_on: None is today.
    """

    source: str
    target: str
    amount: int
    currency: str
    effective_on: date | None = None


class CountHeld(NamedTuple):
    """What somebody counted in a place; a difference to the book waits for a second signature.

    Attributes:
        counted: Whole smallest coins, 0 to 10^12.
        pot: Code of the pot that bears a difference; empty for the first one of this currency.
        reason: Free text, sealed with the actor's key; empty for none.
    """

    held: str
    counted: int
    currency: str
    pot: str = ""
    reason: str = ""


class ProposeOut(NamedTuple):
    """Money that shall leave without a draw, such as a bank's fee or a surplus passed on.

    Attributes:
        category: One of the group's categories, or empty.
        effective_on: None is today.
        reason: Free text, sealed with the actor's key; empty for none.
    """

    pot: str
    amount: int
    currency: str
    held: str
    category: str = ""
    effective_on: date | None = None
    reason: str = ""


class ProposePotMove(NamedTuple):
    """Something that one pot shall pass on to another of the same unit; see ProposeOut."""

    source: str
    target: str
    amount: int
    unit: str
    effective_on: date | None = None
    reason: str = ""


class ProposeOpening(NamedTuple):
    """What a pot or a member brings along from an older book; see ProposeOut.

    Attributes:
        pot: Code of a pot; empty when it is a member's.
        held: Where money lies; empty for hours.
        member: Whose hours between two people they are; None for a pot's.
        received: Whether the member received more than they gave, and not the other way round.
    """

    pot: str
    amount: int
    unit: str
    held: str = ""
    member: UUID | None = None
    received: bool = False
    effective_on: date | None = None
    reason: str = ""


class SignProposal(NamedTuple):
    """The second signature; what was proposed is posted by it. ``count_of`` names the place of a count."""

    proposal: UUID
    count_of: str = ""


class WithdrawProposal(NamedTuple):
    """A proposal taken back, or refused by another one with a duty."""

    proposal: UUID


class ExpireProposal(NamedTuple):
    """A proposal that nobody signed in time, ended by the group itself."""

    proposal: UUID


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
Command = (
    LogHours
    | ShareHours
    | ConfirmHours
    | QuestionHours
    | SettleHours
    | WithdrawHours
    | PassSilence
    | GiveMoney
    | OpenPlace
    | ClosePlace
    | MoveHeld
    | CountHeld
    | ProposeOut
    | ProposePotMove
    | ProposeOpening
    | SignProposal
    | WithdrawProposal
    | ExpireProposal
    | AskDraw
    | DrawCommand
    | QueueDue
    | CorrectEntry
)
