"""The steps of a draw: one table of what may follow what, and how a draw is moved along, promised, and given back.

The group itself acts by what it agreed: "at once", a window that ended, a promise that nobody used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum, unique
from typing import Any, Final
from uuid import UUID

from timebank.errors import BelowFloor, DrawNotOpen, Refusal, UnknownDraw
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.canonical import canonical, moment
from timebank.ledger.entries import Draft, EntryKind
from timebank.rules.outcome import Done, text_hash
from timebank.rules.policies import Terms
from timebank.rules.state import Draw, Hand, Note, Pot, State


@unique
class Act(StrEnum):
    """What can be done with a draw."""

    APPROVE = "approve"
    DECLINE = "decline"
    OBJECT = "object"
    QUESTION = "question"
    ANSWER = "answer"
    STEP_ASIDE = "step_aside"
    CANCEL = "cancel"
    CHANGE = "change"
    PROMISE = "promise"
    EXPIRE = "expire"
    HAND_OVER = "hand_over"
    FULFIL = "fulfil"
    UNDO = "undo"
    RETURN = "return"
    RELEASE = "release"
    ARRIVE = "arrive"
    WIPE = "wipe"


def _steps(**acts: str) -> Mapping[str, frozenset[str]]:
    return {act: frozenset(states.split()) for act, states in acts.items()}


#: From each state, what can be done and which states that can lead to. Nothing else moves a draw.
STEPS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "asked": _steps(
        approve="looked_at promised",
        decline="not_now",
        object="looked_at",
        question="looked_at",
        step_aside="asked",
        cancel="cancelled",
        change="asked",
        promise="looked_at promised",
        expire="expired",
    ),
    "looked_at": _steps(
        approve="looked_at promised",
        decline="not_now",
        object="looked_at",
        question="looked_at",
        answer="looked_at",
        step_aside="looked_at",
        cancel="cancelled",
        change="asked",
        promise="looked_at promised",
        expire="expired",
    ),
    "promised": _steps(
        step_aside="promised",
        hand_over="promised handed_over",
        fulfil="promised handed_over",
        undo="promised",
        **{"return": "promised"},
        release="promised released handed_over",
        cancel="cancelled handed_over",
        expire="expired handed_over",
    ),
    "handed_over": _steps(
        arrive="arrived", undo="promised", **{"return": "handed_over released"}, wipe="handed_over"
    ),
    "arrived": _steps(undo="arrived released", **{"return": "arrived released"}, wipe="arrived"),
    "released": _steps(wipe="released"),
    "not_now": _steps(wipe="not_now"),
    "expired": _steps(wipe="expired"),
    "cancelled": _steps(wipe="cancelled"),
}


WAITING: Final = frozenset({"asked", "looked_at"})


OPEN: Final = WAITING | {"promised"}


ENDED: Final = frozenset(STEPS) - OPEN


def give(draw: Draw, amount: int, act: Act, state: State) -> None:
    """Count what reached whoever asked, at most what is left; with the last of it the draw is handed over."""
    draw.handed += min(amount, draw.left)
    go(draw, act, "promised" if draw.left else "handed_over", state, keep_due=bool(draw.left))


def waits_for(draw: Draw, hands: Iterable[Hand]) -> str:
    """Return what an ask waits for: ``yes``, ``window``, ``objection``, ``queue``; empty if for nothing."""
    if draw.state not in WAITING:
        return ""
    if draw.queued_at is not None:
        return "queue"
    if draw.agreed_at is None:
        return "yes"
    return "objection" if any(hand.objected for hand in hands) else "window"


def find_draw(draw_id: UUID, state: State) -> Draw:
    """Return a draw that the command names.

    Raises:
        UnknownDraw: It is not there.
    """
    draw = state.draws.get(draw_id)
    if draw is None:
        raise UnknownDraw
    return draw


def asker_of(draw: Draw, state: State) -> UUID | None:
    """Return the member that a draw is for; None for somebody without an account."""
    hands = state.hands[draw.draw_id].items()
    theirs = next((member_id for member_id, hand in hands if hand.theirs), None)
    return theirs or (None if draw.without_account else next((i for i, hand in hands if hand.asked), None))


def check_step(draw: Draw, act: Act) -> None:
    """Refuse a step that the table does not have in this state.

    Raises:
        DrawNotOpen
    """
    if act not in STEPS[draw.state]:
        raise DrawNotOpen(state=draw.state)


def go(draw: Draw, act: Act, after: str, state: State, *, keep_due: bool = False) -> None:
    """Move a draw on by the table; what ends is due once more, for its papers."""
    assert after in STEPS[draw.state].get(act, ()), (draw.state, act, after)
    draw.state = after
    if not keep_due:
        draw.due_at = None
    if after in ENDED and draw.due_at is None and act is not Act.WIPE:
        draw.due_at = state.now + timedelta(days=state.setup.terms_of(draw).keep_days)
    state.changed_draws[draw.draw_id] = draw


def open_again(draw: Draw, *, agreed: int) -> None:
    """Take back that the approvals are complete, and the place in the queue with it."""
    draw.agreed = agreed
    draw.agreed_at = draw.queued_at = draw.due_at = None


def count_approvals(draw: Draw, state: State) -> int:
    """Return how many people say yes to a draw."""
    return sum(hand.approved for hand in state.hands[draw.draw_id].values())


def decide_at_once(draw: Draw, state: State) -> None:
    """Where no yes is needed, the group decides: now, after the window, or in the queue."""
    terms = state.setup.terms_of(draw)
    if terms.approvals_needed(draw.asked):
        return
    draw.agreed = draw.asked
    if isinstance(agree(draw, 0, state, 0), Refusal):
        # A steward's yes can still promise it, once the pot has it.
        open_again(draw, agreed=0)
    elif draw.state == "asked":
        go(draw, Act.PROMISE, "looked_at", state, keep_due=True)


def agree(draw: Draw, account: int, state: State, approvals: int) -> int | Refusal:
    """The approvals are complete: promise, or wait; return the seq of the promise, 0 if it waits."""
    terms = state.setup.terms_of(draw)
    if terms.consent_hours:
        draw.agreed_at = state.now
        date_window(draw, state)
        return 0
    result = _promise_in_turn(draw, account, state, approvals)
    if isinstance(result, BelowFloor) and terms.scarcity == "queue":
        draw.agreed_at = state.now
        _queue_up(draw, state)
        return 0
    return result


def date_window(draw: Draw, state: State) -> None:
    """Say when the window for objections ends: not while one stands."""
    if draw.state in WAITING and draw.agreed_at is not None and draw.queued_at is None:
        stands = any(hand.objected for hand in state.hands[draw.draw_id].values())
        hours = state.setup.terms_of(draw).consent_hours
        draw.due_at = None if stands else draw.agreed_at + timedelta(hours=hours)


def _promise_in_turn(draw: Draw, account: int, state: State, approvals: int) -> int | Refusal:
    """Promise an amount, unless others wait longer for it than this draw."""
    drain_queue(draw.pot_id, state)
    if state.queues.get(draw.pot_id) or draw.pot_id in state.long_queues:
        return BelowFloor(account=str(AccountKind.POT), available=0, asked=draw.agreed)
    return _promise(draw, account, state, approvals)


def _queue_up(draw: Draw, state: State) -> None:
    """Have a draw wait for its pot behind all others, wherever it stood before."""
    queue = state.queues.setdefault(draw.pot_id, [])
    if draw.draw_id in queue:
        queue.remove(draw.draw_id)
    queue.append(draw.draw_id)
    draw.queued_at = state.now


def drain_queue(pot_id: UUID, state: State) -> int:
    """Promise what waits for a pot, longest first, until it is short again; return the last seq, or 0.

    Whatever would help nobody any more ends on the way, whether or not a sweep has been by.
    """
    queue = state.queues.get(pot_id, [])
    seq = 0
    while queue:
        draw = state.draws[queue[0]]
        if _helps_no_more(draw, state):
            seq = _expire(draw, state)
        elif draw.queued_at is not None:
            result = _promise(draw, 0, state, count_approvals(draw, state))
            if isinstance(result, Refusal):
                break
            seq = result
        queue.pop(0)
    return seq


def _promise(draw: Draw, account: int, state: State, approvals: int) -> int | Refusal:
    """Move the agreed amount from the pot to its promises; return the seq, or why not."""
    pot, terms = pot_of(draw, state), state.setup.terms_of(draw)
    available = state.books.accounts[pot.pot_account].net
    if terms.reserve is not None and available - draw.agreed < terms.reserve:
        return BelowFloor(
            account=str(AccountKind.POT), available=max(0, available - terms.reserve), asked=draw.agreed
        )
    salt, facts = facts_of(draw, state, approvals)
    entry_id = next(state.ids)
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=EntryKind.PROMISE,
            source="draw",
            transfers=posting.promise(pot.unit, pot.pot_account, pot.promised_account, draw.agreed),
            effective_on=state.today,
            actor=account,
            category=draw.category,
            facts_hash=text_hash(salt, facts),
            draw_id=draw.draw_id,
        )
    )
    if isinstance(result, Refusal):
        return result
    write_note(state, draw, entry_id, "facts", salt, facts)
    draw.agreed_at = draw.agreed_at or state.now
    draw.queued_at = None
    draw.promised, draw.promised_on = draw.agreed, state.today
    go(draw, Act.PROMISE, "promised", state)
    date_promise(draw, terms, state)
    return result[0].seq


def date_promise(draw: Draw, terms: Terms, state: State) -> None:
    """Say when a promise that nobody uses is given back."""
    draw.due_at = state.now + timedelta(days=terms.promise_days) if terms.promise_days else None


def settle(draw: Draw, state: State) -> int:
    """Do what time has decided about a draw; return the seq of the last record, 0 for none."""
    if _helps_no_more(draw, state):
        return _expire(draw, state)
    if draw.due_at is None or state.now < draw.due_at:
        return 0
    if draw.state in WAITING:
        return _window_over(draw, state)
    if draw.state == "promised":
        result = give_back(draw, draw.left, 0, state)
        # Giving back is never refused.
        assert not isinstance(result, Refusal), result
        go(draw, Act.EXPIRE, after_giving_back(draw, "expired"), state)
        drain_queue(draw.pot_id, state)
        return result
    state.papers_gone.append(draw.draw_id)
    go(draw, Act.WIPE, draw.state, state)
    return 0


def _helps_no_more(draw: Draw, state: State) -> bool:
    return draw.state in WAITING and draw.needed_by is not None and draw.needed_by < state.today


def _expire(draw: Draw, state: State) -> int:
    """End what waited until it was too late; return the seq of its record."""
    open_again(draw, agreed=draw.agreed)
    go(draw, Act.EXPIRE, "expired", state)
    return record_step(state, draw, Act.EXPIRE, 0)


def _window_over(draw: Draw, state: State) -> int:
    """Nobody objects any more: promise it, or let it wait in the queue."""
    result = _promise_in_turn(draw, 0, state, count_approvals(draw, state))
    if not isinstance(result, Refusal):
        return result
    _queue_up(draw, state)
    go(draw, Act.PROMISE, "looked_at", state)
    return 0


def give_back(draw: Draw, amount: int, account: int, state: State) -> int | Refusal:
    """Move an amount of what is promised back to the pot; return the seq, or why not."""
    pot = pot_of(draw, state)
    result = state.post(
        Draft(
            entry_id=next(state.ids),
            kind=EntryKind.RELEASE,
            source="draw",
            transfers=posting.release(pot.unit, pot.promised_account, pot.pot_account, amount),
            effective_on=state.today,
            actor=account,
            category=draw.category,
            draw_id=draw.draw_id,
        )
    )
    if isinstance(result, Refusal):
        return result
    draw.released += amount
    return result[0].seq


def after_giving_back(draw: Draw, otherwise: str) -> str:
    """Return the state that follows when something was given back."""
    if draw.left:
        return "promised"
    return "handed_over" if draw.handed else otherwise


def facts_of(draw: Draw, state: State, approvals: int) -> tuple[bytes, str]:
    """Return a salt, and what allowed a decision, as it is hashed and sealed."""
    needed = state.setup.terms_of(draw).approvals_needed(draw.agreed)
    facts = canonical(
        {
            "agreed": draw.agreed,
            "approvals": approvals,
            "approvals_needed": needed,
            "asked": draw.asked,
            "asked_at": moment(draw.asked_at),
            "draw": str(draw.draw_id),
            "policy": draw.policy_version,
            "pot": pot_of(draw, state).code,
        }
    )
    return state.salt(), facts.decode()


def record_step(state: State, draw: Draw, act: Act, account: int, *, note_hash: str = "") -> int:
    """Record a step that moves nothing; 0 stands for the group, and for whoever asked."""
    fields: dict[str, Any] = {"act": str(act), "draw": str(draw.draw_id), "policy": draw.policy_version}
    if note_hash:
        fields["note_hash"] = note_hash
    return state.record("draw", account, fields)


def write_note(state: State, draw: Draw, about: UUID, what: str, salt: bytes, words: str) -> None:
    """Keep words about a draw, sealed with the key of whoever it is for."""
    asker = asker_of(draw, state)
    state.notes.append(Note(about, what, asker or draw.draw_id, salt, words, of_ask=asker is None))


def done(draw: Draw, seq: int = 0, **more: Any) -> Done:
    """Return the answer to a step."""
    return Done(200, {"id": str(draw.draw_id), "state": draw.state, **more}, seq)


def pot_of(draw: Draw, state: State) -> Pot:
    """Return the pot that a draw is asked of."""
    return state.setup.pots_by_id[draw.pot_id]


def hand_of(state: State, draw_id: UUID, member_id: UUID) -> Hand:
    """Return what somebody did with a draw, to be changed."""
    state.changed_hands.add((draw_id, member_id))
    return state.hands[draw_id].setdefault(member_id, Hand())
