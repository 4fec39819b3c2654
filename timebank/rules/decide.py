"""The one table of what decides which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from timebank.errors import Refusal
from timebank.rules import asks, draws
from timebank.rules.commands import (
    AnswerDraw,
    ApproveDraw,
    AskDraw,
    CancelDraw,
    ChangeDraw,
    ClosePlace,
    Command,
    ConfirmHours,
    CorrectEntry,
    CountHeld,
    DeclineDraw,
    DrawArrived,
    DrawDue,
    ExpireProposal,
    GiveMoney,
    HandOver,
    LogHours,
    MoveHeld,
    ObjectDraw,
    OpenPlace,
    PassSilence,
    ProposeOpening,
    ProposeOut,
    ProposePotMove,
    QuestionDraw,
    QuestionHours,
    QueueDue,
    ReleaseDraw,
    ReturnMoney,
    SettleHours,
    ShareHours,
    SignProposal,
    StepAside,
    UndoDrawEntry,
    WithdrawHours,
    WithdrawProposal,
)
from timebank.rules.entries import correct_entry
from timebank.rules.held import close_place, count_held, move_held, open_place
from timebank.rules.hours import log_hours, share_hours
from timebank.rules.hours_life import confirm, pass_silence, question, settle, withdraw
from timebank.rules.money import give_money
from timebank.rules.proposals import (
    expire_proposal,
    propose_opening,
    propose_out,
    propose_pot_move,
    sign,
    withdraw_proposal,
)

if TYPE_CHECKING:
    from timebank.rules.outcome import Done
    from timebank.rules.people import Actor
    from timebank.rules.state import State


RULES: Final[dict[type, Callable[[Any, Actor, State], Done | Refusal]]] = {
    LogHours: log_hours,
    ShareHours: share_hours,
    ConfirmHours: confirm,
    QuestionHours: question,
    SettleHours: settle,
    WithdrawHours: withdraw,
    PassSilence: pass_silence,
    GiveMoney: give_money,
    OpenPlace: open_place,
    ClosePlace: close_place,
    MoveHeld: move_held,
    CountHeld: count_held,
    ProposeOut: propose_out,
    ProposePotMove: propose_pot_move,
    ProposeOpening: propose_opening,
    SignProposal: sign,
    WithdrawProposal: withdraw_proposal,
    ExpireProposal: expire_proposal,
    AskDraw: asks.ask,
    ApproveDraw: draws.approve,
    DeclineDraw: draws.decline,
    ObjectDraw: draws.object_to,
    QuestionDraw: draws.question,
    AnswerDraw: asks.answer,
    StepAside: draws.step_aside,
    CancelDraw: asks.cancel,
    ChangeDraw: asks.change,
    HandOver: draws.hand_over,
    UndoDrawEntry: draws.undo,
    ReturnMoney: draws.money_returned,
    ReleaseDraw: draws.release,
    DrawArrived: asks.arrived,
    DrawDue: draws.due,
    QueueDue: draws.queue_due,
    CorrectEntry: correct_entry,
}


def decide(command: Command, actor: Actor, state: State) -> Done | Refusal:
    """Return what comes of a command, and have ``state`` moved on; or why nothing does."""
    try:
        return RULES[type(command)](command, actor, state)
    except Refusal as refusal:
        return refusal
