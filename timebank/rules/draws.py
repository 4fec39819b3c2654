"""The life of a draw: one table of what may follow what, and the rule of each step.

Whoever asked has no say in the decision, and nothing they do stands in the book under their number:
who a draw was for is kept beside it, where it can be erased. The group itself acts by what it agreed:
"at once", a window that ended, a promise that nobody used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple
from uuid import UUID

from timebank.errors import (
    AlreadyApproved,
    AlreadyDone,
    AmountOutOfRange,
    BelowFloor,
    DrawNotOpen,
    MoreThanHanded,
    MoreThanPromised,
    NeedsAccount,
    NeedsRole,
    NotAsker,
    NotOwnUnsaid,
    NotYourDraw,
    NotYourEntry,
    PayerApproved,
    PolicyRefuses,
    Refusal,
    SteppedAside,
    UnknownCategory,
    UnknownDraw,
    UnknownEntry,
    UnknownPot,
)
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.canonical import canonical
from timebank.ledger.entries import Draft, EntryKind, KnownEntry, Transfer
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import (
    AnswerDraw,
    ApproveDraw,
    AskDraw,
    CancelDraw,
    ChangeDraw,
    DeclineDraw,
    DrawArrived,
    DrawDue,
    HandOver,
    ObjectDraw,
    QuestionDraw,
    QueueDue,
    ReleaseDraw,
    ReturnMoney,
    StepAside,
    UndoDrawEntry,
)
from timebank.rules.money import check_unit, held_place
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.policies import Cap, Terms
from timebank.rules.state import MINUTES, Draw, Hand, NewLink, Note, Past, Pot, State


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


# ---------------------------------------------------------------- asking


def ask(command: AskDraw, actor: Actor, state: State) -> Done | Refusal:
    """Take an ask. It looks at who, how much and how often, by the published policy; never at the pot.

    Where the policy says "at once", the same command promises it if the pot has it. The answer is the
    same whether it has or not.

    Raises:
        UnknownPot, UnknownCategory, UnknownMember, AmountOutOfRange, PolicyRefuses, NeedsRole, NeedsAccount
    """
    setup = state.setup
    pot = setup.pot(command.pot, command.unit)
    if command.category not in setup.categories:
        raise UnknownCategory(category=command.category)
    policy = setup.newest[pot.pot_id]
    terms = policy.terms
    _check_amount(command.amount, terms)
    asker = _who_asks(command, actor, state, terms)
    if asker is not None:
        _check_caps(terms, asker, pot, command.amount, state)

    draw = Draw(
        draw_id=command.ask_id or next(state.ids),
        pot_id=pot.pot_id,
        category=command.category,
        needed_by=command.needed_by,
        state="asked",
        policy_version=policy.version,
        asked=command.amount,
        agreed=0,
        promised=0,
        handed=0,
        released=0,
        asked_at=state.now,
        without_account=asker is None,
        warnings=_warnings(command, terms, asker, pot, state),
    )
    if draw.draw_id in state.draws:
        raise AlreadyDone
    state.draws[draw.draw_id] = draw
    state.hands[draw.draw_id] = {}
    state.new_draws.append(draw)
    # Asking for somebody else is asking, too: neither of the two may decide or pay.
    if asker is not None:
        _hand(state, draw.draw_id, asker).theirs = True
        _remember(draw, asker, state)
    for member_id in {asker, None if actor.is_stranger else actor.member_id} - {None}:
        assert member_id is not None
        _hand(state, draw.draw_id, member_id).asked = True
    for what, words in (("contact", command.contact), ("payout", command.payout)):
        if words:
            _write_note(state, draw, draw.draw_id, what, state.salt(), words)
    if asker is None:
        # Without a link yet, its hash is one that nothing has.
        state.new_links.append(NewLink(draw.draw_id, command.link or state.salt(), command.contact_index))
        if command.contact_index:
            state.contacts.add(command.contact_index)
    _decide_at_once(draw, state)
    body: dict[str, Any] = {"id": str(draw.draw_id), "pot": pot.code, "state": "asked"}
    if "talk_first" in draw.warnings:
        body["talk_first"] = True
    return Done(201, body, 0)


def change(command: ChangeDraw, actor: Actor, state: State) -> Done | Refusal:
    """Ask for another amount; every yes and objection so far is void.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen, UnitMismatch, AmountOutOfRange, PolicyRefuses
    """
    draw = _draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    _may(draw, Act.CHANGE)
    pot, terms = _pot(draw, state), state.setup.terms_of(draw)
    check_unit(command.unit, pot.unit)
    _check_amount(command.amount, terms)
    asker = _asker(draw, state)
    if asker is not None:
        _check_caps(terms, asker, pot, command.amount, state, but=draw.draw_id)
    for member_id, hand in state.hands[draw.draw_id].items():
        if hand.approved or hand.objected:
            hand.approved = hand.objected = hand.not_own = False
            state.changed_hands.add((draw.draw_id, member_id))
    draw.asked = command.amount
    _unsettle(draw, agreed=0)
    _go(draw, Act.CHANGE, "asked", state)
    if asker is not None:
        _remember(draw, asker, state)
    _record(state, draw, Act.CHANGE, 0)
    _decide_at_once(draw, state)
    return Done(200, {"id": str(draw.draw_id), "state": "asked", **_quantity("asked", draw.asked, pot)}, 0)


def cancel(command: CancelDraw, actor: Actor, state: State) -> Done | Refusal:
    """Need it no more; what is still promised goes back to the pot.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen
    """
    draw = _draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    _may(draw, Act.CANCEL)
    if draw.state == "promised":
        given_back = _give_back(draw, draw.left, 0, state)
        if isinstance(given_back, Refusal):
            return given_back
        _go(draw, Act.CANCEL, "handed_over" if draw.handed else "cancelled", state)
        _drain(draw.pot_id, state)
    else:
        _unsettle(draw, agreed=draw.agreed)
        _go(draw, Act.CANCEL, "cancelled", state)
        _record(state, draw, Act.CANCEL, 0)
    return _done(draw)


def answer(command: AnswerDraw, actor: Actor, state: State) -> Done | Refusal:
    """Answer a question of a steward.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen
    """
    draw = _draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    _may(draw, Act.ANSWER)
    salt = state.salt()
    _write_note(state, draw, draw.draw_id, "answer", salt, command.text)
    _go(draw, Act.ANSWER, "looked_at", state)
    _record(state, draw, Act.ANSWER, 0, note_hash=text_hash(salt, command.text))
    return _done(draw)


def arrived(command: DrawArrived, actor: Actor, state: State) -> Done | Refusal:
    """Say that it arrived.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen
    """
    draw = _draw(command.draw, state)
    _require_asker(draw, actor, state)
    _may(draw, Act.ARRIVE)
    _go(draw, Act.ARRIVE, "arrived", state, keep_due=True)
    _record(state, draw, Act.ARRIVE, 0)
    return _done(draw)


# ---------------------------------------------------------------- deciding


def approve(command: ApproveDraw, actor: Actor, state: State) -> Done | Refusal:
    """Say yes to an ask; the last yes that the policy wants promises the amount.

    It waits instead while a window for objections is open, and, where the policy has a queue, while
    the pot is short.

    Raises:
        NeedsRole, StepUpNeeded, UnknownDraw, NotYourDraw, SteppedAside, AlreadyApproved, DrawNotOpen,
        NotOwnUnsaid, UnitMismatch, AmountOutOfRange, PolicyRefuses
    """
    actor.require_role(*_approvers(state))
    actor.require_fresh()
    draw = _draw(command.draw, state)
    settle(draw, state)
    mine = _unbiased(draw, actor, state)
    if mine.approved:
        raise AlreadyApproved
    _may(draw, Act.APPROVE)
    if draw.agreed_at is not None:
        raise DrawNotOpen(state="agreed")
    check_unit(command.unit, _pot(draw, state).unit)
    amount = command.amount if command.amount is not None else (draw.agreed or draw.asked)
    if not 1 <= amount <= draw.asked:
        raise AmountOutOfRange(amount=amount, amount_max=draw.asked)
    if draw.agreed and amount != draw.agreed:
        raise PolicyRefuses(rule="same_amount", limit=draw.agreed)
    terms = state.setup.terms_of(draw)
    actor.require_role(*terms.approver_roles(amount))
    if draw.without_account and not command.not_own:
        raise NotOwnUnsaid

    before = _approvals(draw, state)
    needed = max(1, terms.approvals_needed(amount))
    agreed_before, draw.agreed = draw.agreed, amount
    seq = 0
    if before + 1 >= needed:
        result = _agree(draw, actor.account, state, before + 1)
        if isinstance(result, Refusal):
            draw.agreed = agreed_before
            return result
        seq = result
    mine = _hand(state, draw.draw_id, actor.member_id)
    mine.approved, mine.objected, mine.not_own = True, False, draw.without_account
    if not seq:
        _go(draw, Act.APPROVE, "looked_at", state, keep_due=True)
        seq = _record_approval(draw, actor, state, before + 1)
    body = {"approvals": before + 1, "approvals_needed": needed}
    if waiting := waits_for(draw, state.hands[draw.draw_id].values()):
        body["waits_for"] = waiting  # type: ignore[assignment]
    return _done(draw, seq, **body)


def decline(command: DeclineDraw, actor: Actor, state: State) -> Done | Refusal:
    """Say "not now", with a reason for whoever asked.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen
    """
    actor.require_role("steward")
    draw = _draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    _may(draw, Act.DECLINE)
    _unsettle(draw, agreed=draw.agreed)
    _go(draw, Act.DECLINE, "not_now", state)
    return _done(draw, _speak(state, draw, Act.DECLINE, actor, "reason", command.reason))


def object_to(command: ObjectDraw, actor: Actor, state: State) -> Done | Refusal:
    """Object while the rules let stewards do so, or take an objection back.

    Nothing is promised while an objection stands; the asker may change the ask, a steward say "not now".

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen, PolicyRefuses, AlreadyDone
    """
    actor.require_role("steward")
    draw = _draw(command.draw, state)
    settle(draw, state)
    mine = _unbiased(draw, actor, state)
    _may(draw, Act.OBJECT)
    terms = state.setup.terms_of(draw)
    if not terms.consent_hours or draw.queued_at is not None:
        raise PolicyRefuses(rule="consent_hours", limit=terms.consent_hours)
    if mine.objected != command.withdraw:
        raise AlreadyDone
    mine = _hand(state, draw.draw_id, actor.member_id)
    mine.objected = not command.withdraw
    mine.approved = False
    _recount(draw, state)
    _go(draw, Act.OBJECT, "looked_at", state, keep_due=True)
    if draw.agreed_at is not None:
        stands = any(hand.objected for hand in state.hands[draw.draw_id].values())
        draw.due_at = None if stands else draw.agreed_at + timedelta(hours=terms.consent_hours)
    seq = _speak(state, draw, Act.OBJECT, actor, "objection", "" if command.withdraw else command.reason)
    settle(draw, state)
    return _done(draw, seq)


def question(command: QuestionDraw, actor: Actor, state: State) -> Done | Refusal:
    """Ask whoever asked something.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen
    """
    actor.require_role("steward")
    draw = _draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    _may(draw, Act.QUESTION)
    _go(draw, Act.QUESTION, "looked_at", state, keep_due=True)
    return _done(draw, _speak(state, draw, Act.QUESTION, actor, "question", command.text))


def step_aside(command: StepAside, actor: Actor, state: State) -> Done | Refusal:
    """Leave an ask to others; a yes that was said counts no more, unless the promise is made.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, AlreadyApproved, DrawNotOpen
    """
    actor.require_role("steward", "treasurer")
    draw = _draw(command.draw, state)
    settle(draw, state)
    mine = _unbiased(draw, actor, state)
    _may(draw, Act.STEP_ASIDE)
    if draw.state == "promised" and (mine.approved or mine.paid):
        # What was decided stays decided by whom it was.
        raise AlreadyApproved
    mine = _hand(state, draw.draw_id, actor.member_id)
    mine.stepped_aside, mine.approved, mine.objected = True, False, False
    if draw.state in WAITING:
        _recount(draw, state)
    _go(draw, Act.STEP_ASIDE, draw.state, state, keep_due=True)
    return _done(draw, _record(state, draw, Act.STEP_ASIDE, actor.account))


# ---------------------------------------------------------------- handing over, and back


def hand_over(command: HandOver, actor: Actor, state: State) -> Done | Refusal:
    """Hand money of a promised draw over, in whole or in part.

    Raises:
        NeedsRole, StepUpNeeded, UnknownDraw, NotYourDraw, SteppedAside, PayerApproved, DrawNotOpen,
        MoreThanPromised, UnknownHeldPlace, PolicyRefuses
    """
    actor.require_role("treasurer")
    actor.require_fresh()
    setup = state.setup
    draw = _draw(command.draw, state)
    settle(draw, state)
    pot, terms = _pot(draw, state), setup.terms_of(draw)
    mine = _unbiased(draw, actor, state)
    if mine.approved and not terms.two_people:
        raise PayerApproved
    _may(draw, Act.HAND_OVER)
    if pot.unit == MINUTES:
        # Hours are not handed over by a treasurer: somebody gives them, and logs that.
        raise PolicyRefuses(rule="hours_are_given")
    place = held_place(setup, command.held, pot.unit)
    check_unit(command.unit, pot.unit)
    amount = draw.left if command.amount is None else command.amount
    if amount > draw.left:
        raise MoreThanPromised(promised=draw.left, asked=amount)
    day = command.effective_on or state.today
    _check_rhythm(draw, terms, day)
    if terms.wants_receipt(amount) and not command.receipt:
        raise PolicyRefuses(rule="receipts", limit=terms.receipts_above)
    if terms.receipts == "never" and command.receipt:
        raise PolicyRefuses(rule="receipts")

    entry_id = next(state.ids)
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=EntryKind.HAND_OVER,
            source="draw",
            transfers=posting.hand_over(
                pot.unit,
                pot.promised_account,
                pot.shared_account,
                setup.special[AccountKind.CUSTODY, pot.unit],
                place.account_id,
                amount,
            ),
            effective_on=day,
            actor=actor.account,
            category=draw.category,
            draw_id=draw.draw_id,
        )
    )
    if isinstance(result, Refusal):
        return result

    give(draw, amount, Act.HAND_OVER, state)
    hand = _hand(state, draw.draw_id, actor.member_id)
    hand.paid, hand.two_people = True, terms.two_people
    return _done(draw, result[0].seq, entry=str(entry_id), amount=amount, currency=pot.unit, left=draw.left)


def give(draw: Draw, amount: int, act: Act, state: State) -> None:
    """Count what reached whoever asked, at most what is left; with the last of it the draw is handed over."""
    draw.handed += min(amount, draw.left)
    _go(draw, act, "promised" if draw.left else "handed_over", state, keep_due=bool(draw.left))


def undo(command: UndoDrawEntry, actor: Actor, state: State) -> Done | Refusal:
    """Undo a hand-over, or hours given for an ask; what it was for is promised again, if the draw is open.

    A hand-over is undone by a steward or treasurer, hours by who took part in them or a steward.

    Raises:
        NeedsRole, StepUpNeeded, UnknownDraw, NotYourDraw, NotYourEntry, UnknownEntry, DrawNotOpen,
        UnknownHeldPlace
    """
    known = state.known.get(command.entry)
    draw = state.draws.get(command.draw)
    is_hours = command.entry in state.hours
    if not is_hours:
        actor.require_role("steward", "treasurer")
        actor.require_fresh()
    if draw is None:
        raise UnknownDraw
    if known is None or known.draft.draw_id != draw.draw_id:
        raise UnknownEntry
    if is_hours:
        _may_undo_hours(command.entry, draw, actor, state)
    elif known.draft.kind is not EntryKind.HAND_OVER:
        raise UnknownEntry
    else:
        _unbiased(draw, actor, state)
    _may(draw, Act.UNDO)
    return _undo(command, known, draw, actor, state)


def money_returned(command: ReturnMoney, actor: Actor, state: State) -> Done | Refusal:
    """Take back money of a draw that whoever asked did not need; it is the pot's again.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, DrawNotOpen, PolicyRefuses, UnknownHeldPlace, MoreThanHanded
    """
    actor.require_role("treasurer")
    setup = state.setup
    draw = _draw(command.draw, state)
    _unbiased(draw, actor, state)
    _may(draw, Act.RETURN)
    pot = _pot(draw, state)
    if pot.unit == MINUTES:
        raise PolicyRefuses(rule="hours_are_given")
    place = held_place(setup, command.held, pot.unit)
    check_unit(command.unit, pot.unit)
    if command.amount > draw.handed:
        raise MoreThanHanded(handed=draw.handed, asked=command.amount)
    result = state.post(
        Draft(
            entry_id=next(state.ids),
            kind=EntryKind.MONEY_RETURNED,
            source="draw",
            transfers=posting.money_returned(
                pot.unit,
                pot.shared_account,
                pot.pot_account,
                place.account_id,
                setup.special[AccountKind.CUSTODY, pot.unit],
                command.amount,
            ),
            effective_on=command.effective_on or state.today,
            actor=actor.account,
            category=draw.category,
            draw_id=draw.draw_id,
            reversal_legs=2,
        )
    )
    if isinstance(result, Refusal):
        return result
    draw.handed -= command.amount
    draw.released += command.amount
    after = "released" if not draw.handed and not draw.left else draw.state
    _go(draw, Act.RETURN, after, state, keep_due=after == draw.state)
    _drain(draw.pot_id, state)
    return _done(draw, result[0].seq, entry=str(result[0].draft.entry_id), amount=command.amount)


def release(command: ReleaseDraw, actor: Actor, state: State) -> Done | Refusal:
    """Give back what a draw was promised and does not need.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen, UnitMismatch, MoreThanPromised
    """
    actor.require_role("steward", "treasurer")
    draw = _draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    _may(draw, Act.RELEASE)
    check_unit(command.unit, _pot(draw, state).unit)
    amount = draw.left if command.amount is None else command.amount
    if amount > draw.left:
        raise MoreThanPromised(promised=draw.left, asked=amount)
    result = _give_back(draw, amount, actor.account, state)
    if isinstance(result, Refusal):
        return result
    _go(draw, Act.RELEASE, _after_giving_back(draw, "released"), state, keep_due=bool(draw.left))
    _drain(draw.pot_id, state)
    return _done(draw, result, amount=amount, left=draw.left)


# ---------------------------------------------------------------- what the group does


def due(command: DrawDue, actor: Actor, state: State) -> Done | Refusal:
    """Do what is due with a draw now, if anything is.

    Raises:
        NeedsRole: Somebody else than the group itself.
        UnknownDraw
    """
    _require_group(actor)
    draw = _draw(command.draw, state)
    return _done(draw, settle(draw, state))


def queue_due(command: QueueDue, actor: Actor, state: State) -> Done | Refusal:
    """Promise what waits in the queue of a pot, in order, as far as there is enough.

    Raises:
        NeedsRole: Somebody else than the group itself.
        UnknownPot
    """
    _require_group(actor)
    pot = state.setup.pots_by_id.get(command.pot)
    if pot is None:
        raise UnknownPot(pot=str(command.pot))
    return Done(200, {"pot": pot.code}, _drain(command.pot, state))


def waits_for(draw: Draw, hands: Iterable[Hand]) -> str:
    """Return what an ask waits for: ``yes``, ``window``, ``objection``, ``queue``; empty if for nothing."""
    if draw.state not in WAITING:
        return ""
    if draw.queued_at is not None:
        return "queue"
    if draw.agreed_at is None:
        return "yes"
    return "objection" if any(hand.objected for hand in hands) else "window"


# ---------------------------------------------------------------- who asks, how much, how often


def _who_asks(command: AskDraw, actor: Actor, state: State, terms: Terms) -> UUID | None:
    """Return the member that an ask is for; None for somebody without an account."""
    if command.without_account:
        if terms.who != "anyone":
            raise NeedsAccount
        if not actor.is_stranger:
            actor.require_role("steward")
        return None
    asker = actor.member_id if command.on_behalf_of is None else command.on_behalf_of
    if asker != actor.member_id:
        if not actor.may_act_for(asker, "ask"):
            actor.require_role("steward")
        state.setup.member_account(asker, MINUTES)
    return asker


def _check_amount(amount: int, terms: Terms) -> None:
    if not 1 <= amount <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=amount, amount_max=AMOUNT_MAX)
    if terms.per_request_max is not None and amount > terms.per_request_max:
        raise PolicyRefuses(rule="per_request_max", limit=terms.per_request_max)


def _check_caps(
    terms: Terms, asker: UUID, pot: Pot, amount: int, state: State, *, but: UUID | None = None
) -> None:
    if terms.limit is not None and terms.limit.then == "pause" and _is_over(terms, asker, state):
        raise PolicyRefuses(rule="limit", limit=terms.limit.at)
    for place, (cap, used, times) in enumerate(_caps_used(terms, asker, pot.pot_id, state, but)):
        if cap.most is not None and used + amount > cap.most:
            raise PolicyRefuses(rule=f"caps[{place}].sum", limit=cap.most, left=max(0, cap.most - used))
        if cap.times is not None and times + 1 > cap.times:
            raise PolicyRefuses(rule=f"caps[{place}].count", limit=cap.times, left=max(0, cap.times - times))


class CapUsed(NamedTuple):
    """A limit and how much of it was used in the period that ``today`` is in."""

    cap: Cap
    used: int
    times: int


def cap_use(
    terms: Terms, past: Mapping[UUID, Iterable[Past]], asker: UUID, household: UUID | None, *, today: date
) -> list[CapUsed]:
    """Return how much of each limit a person, or their household, has used.

    Args:
        past: Their draws from this pot, by person and by household.
    """
    used = []
    for cap in terms.caps:
        whose = household if cap.per == "household" and household is not None else asker
        first = cap.first_day(today)
        counted = [each.counted for each in past.get(whose, ()) if first <= each.on]
        used.append(CapUsed(cap, sum(counted), sum(amount > 0 for amount in counted)))
    return used


def _caps_used(terms: Terms, asker: UUID, pot_id: UUID, state: State, but: UUID | None) -> list[CapUsed]:
    member = state.setup.members.get(asker)
    household = None if member is None else member.household
    past = {
        whose: [
            _now(each, state)
            for each in state.past.get(whose, {}).values()
            if each.pot_id == pot_id and each.draw_id != but
        ]
        for whose in (asker, household)
        if whose is not None
    }
    return cap_use(terms, past, asker, household, today=state.today)


def _now(past: Past, state: State) -> Past:
    """Return a past draw as this batch left it."""
    draw = state.draws.get(past.draw_id)
    return past if draw is None else past._replace(counted=draw.counted, is_open=draw.state in OPEN)


def _remember(draw: Draw, asker: UUID, state: State) -> None:
    member = state.setup.members.get(asker)
    for whose in {asker, asker if member is None else member.household or asker}:
        state.past.setdefault(whose, {})[draw.draw_id] = Past(
            draw.draw_id, draw.pot_id, state.today, draw.counted, True, draw.asked
        )


def _is_over(terms: Terms, asker: UUID, state: State) -> bool:
    member = state.setup.members.get(asker)
    number = None if member is None else member.accounts.get(f"exchange:{MINUTES}")
    account = None if number is None else state.books.accounts.get(number)
    return terms.limit is not None and account is not None and account.net >= terms.limit.at


def _warnings(command: AskDraw, terms: Terms, asker: UUID | None, pot: Pot, state: State) -> tuple[str, ...]:
    warnings = []
    if asker is None:
        twice = bool(command.contact_index) and command.contact_index in state.contacts
    else:
        twice = any(
            past.pot_id == pot.pot_id and past.asked == command.amount and _now(past, state).is_open
            for past in state.past.get(asker, {}).values()
        )
        if _is_over(terms, asker, state):
            warnings.append("talk_first")
    if twice:
        warnings.append("perhaps_twice")
    return tuple(warnings)


# ---------------------------------------------------------------- who may


def _draw(draw_id: UUID, state: State) -> Draw:
    draw = state.draws.get(draw_id)
    if draw is None:
        raise UnknownDraw
    return draw


def _unbiased(draw: Draw, actor: Actor, state: State) -> Hand:
    """Return what the actor did with a draw so far, unless they asked it or stepped aside."""
    mine = state.hands[draw.draw_id].get(actor.member_id) or Hand()
    if mine.asked:
        raise NotYourDraw
    if mine.stepped_aside:
        raise SteppedAside
    return mine


def _require_asker(draw: Draw, actor: Actor, state: State) -> None:
    """Refuse whoever did not ask and stands in for nobody who did; without a duty, the draw is not there."""
    if actor.is_stranger:
        if actor.member_id == draw.draw_id:
            return
        raise UnknownDraw
    for member_id, hand in state.hands[draw.draw_id].items():
        if (hand.asked and member_id == actor.member_id) or (
            hand.theirs and actor.may_act_for(member_id, "ask")
        ):
            return
    if actor.roles.isdisjoint({"steward", "treasurer"}):
        raise UnknownDraw
    raise NotAsker


def _require_group(actor: Actor) -> None:
    if not actor.is_group:
        raise NeedsRole(role="group")


def _may_undo_hours(entry: UUID, draw: Draw, actor: Actor, state: State) -> None:
    hours = state.hours[entry]
    if actor.account in (hours.giver_account, hours.logged_by):
        return
    if "steward" not in actor.roles:
        raise NotYourEntry
    _unbiased(draw, actor, state)


def _approvers(state: State) -> tuple[str, ...]:
    """Return every duty whose yes counts under some version of some pot's rules; stewards first."""
    roles = {
        role: None
        for policy in state.setup.policies.values()
        for _, each in policy.terms.approvers
        for role in each
    }
    return tuple(dict.fromkeys(("steward", *roles)))


def _asker(draw: Draw, state: State) -> UUID | None:
    hands = state.hands[draw.draw_id].items()
    theirs = next((member_id for member_id, hand in hands if hand.theirs), None)
    return theirs or (None if draw.without_account else next((i for i, hand in hands if hand.asked), None))


# ---------------------------------------------------------------- moving along


def _may(draw: Draw, act: Act) -> None:
    if act not in STEPS[draw.state]:
        raise DrawNotOpen(state=draw.state)


def _go(draw: Draw, act: Act, after: str, state: State, *, keep_due: bool = False) -> None:
    """Move a draw on by the table; what ends is due once more, for its papers."""
    assert after in STEPS[draw.state].get(act, ()), (draw.state, act, after)
    draw.state = after
    if not keep_due:
        draw.due_at = None
    if after in ENDED and draw.due_at is None and act is not Act.WIPE:
        draw.due_at = state.now + timedelta(days=state.setup.terms_of(draw).keep_days)
    state.changed_draws[draw.draw_id] = draw


def _unsettle(draw: Draw, *, agreed: int) -> None:
    """Take back that the approvals are complete, and the place in the queue with it."""
    draw.agreed = agreed
    draw.agreed_at = draw.queued_at = draw.due_at = None


def _recount(draw: Draw, state: State) -> None:
    """Take back that the approvals are complete if too few of them are left."""
    count = _approvals(draw, state)
    needed = state.setup.terms_of(draw).approvals_needed(draw.agreed)
    if draw.agreed < draw.asked:
        # "At once" is for the whole of an ask; to less than that, somebody has to say yes.
        needed = max(1, needed)
    if draw.agreed_at is None or count < needed:
        _unsettle(draw, agreed=draw.agreed if count else 0)


def _approvals(draw: Draw, state: State) -> int:
    return sum(hand.approved for hand in state.hands[draw.draw_id].values())


def _decide_at_once(draw: Draw, state: State) -> None:
    """Where no yes is needed, the group decides: now, after the window, or in the queue."""
    terms = state.setup.terms_of(draw)
    if terms.approvals_needed(draw.asked):
        return
    draw.agreed = draw.asked
    if isinstance(_agree(draw, 0, state, 0), Refusal):
        # A steward's yes can still promise it, once the pot has it.
        _unsettle(draw, agreed=0)
    elif draw.state == "asked":
        _go(draw, Act.PROMISE, "looked_at", state, keep_due=True)


def _agree(draw: Draw, account: int, state: State, approvals: int) -> int | Refusal:
    """The approvals are complete: promise, or wait; return the seq of the promise, 0 if it waits."""
    terms = state.setup.terms_of(draw)
    if terms.consent_hours:
        draw.agreed_at = state.now
        if not any(hand.objected for hand in state.hands[draw.draw_id].values()):
            draw.due_at = state.now + timedelta(hours=terms.consent_hours)
        return 0
    result = _promise_in_turn(draw, account, state, approvals)
    if isinstance(result, BelowFloor) and terms.scarcity == "queue":
        draw.agreed_at = draw.queued_at = state.now
        state.queues.setdefault(draw.pot_id, []).append(draw.draw_id)
        return 0
    return result


def _promise_in_turn(draw: Draw, account: int, state: State, approvals: int) -> int | Refusal:
    """Promise an amount, unless others wait longer for it than this draw."""
    _drain(draw.pot_id, state)
    if state.queues.get(draw.pot_id):
        return BelowFloor(account=str(AccountKind.POT), available=0, asked=draw.agreed)
    return _promise(draw, account, state, approvals)


def _drain(pot_id: UUID, state: State) -> int:
    """Promise what waits for a pot, longest first, until it is short again; return the last seq, or 0."""
    queue = state.queues.get(pot_id, [])
    seq = 0
    while queue:
        draw = state.draws[queue[0]]
        if draw.queued_at is not None:
            result = _promise(draw, 0, state, _approvals(draw, state))
            if isinstance(result, Refusal):
                break
            seq = result
        queue.pop(0)
    return seq


def _promise(draw: Draw, account: int, state: State, approvals: int) -> int | Refusal:
    """Move the agreed amount from the pot to its promises; return the seq, or why not."""
    pot, terms = _pot(draw, state), state.setup.terms_of(draw)
    available = state.books.accounts[pot.pot_account].net
    if terms.reserve is not None and available - draw.agreed < terms.reserve:
        return BelowFloor(
            account=str(AccountKind.POT), available=max(0, available - terms.reserve), asked=draw.agreed
        )
    salt, facts = _facts(draw, state, approvals)
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
    _write_note(state, draw, entry_id, "facts", salt, facts)
    draw.agreed_at = draw.agreed_at or state.now
    draw.queued_at = None
    draw.promised, draw.promised_on = draw.agreed, state.today
    _go(draw, Act.PROMISE, "promised", state)
    _date_promise(draw, terms, state)
    return result[0].seq


def _date_promise(draw: Draw, terms: Terms, state: State) -> None:
    draw.due_at = state.now + timedelta(days=terms.promise_days) if terms.promise_days else None


def settle(draw: Draw, state: State) -> int:
    """Do what time has decided about a draw; return the seq of the last record, 0 for none."""
    if draw.state in WAITING and draw.needed_by is not None and draw.needed_by < state.today:
        _unsettle(draw, agreed=draw.agreed)
        _go(draw, Act.EXPIRE, "expired", state)
        return _record(state, draw, Act.EXPIRE, 0)
    if draw.due_at is None or state.now < draw.due_at:
        return 0
    if draw.state in WAITING:
        return _window_over(draw, state)
    if draw.state == "promised":
        result = _give_back(draw, draw.left, 0, state)
        # Giving back is never refused.
        assert not isinstance(result, Refusal), result
        _go(draw, Act.EXPIRE, _after_giving_back(draw, "expired"), state)
        _drain(draw.pot_id, state)
        return result
    state.papers_gone.append(draw.draw_id)
    _go(draw, Act.WIPE, draw.state, state)
    return 0


def _window_over(draw: Draw, state: State) -> int:
    """Nobody objects any more: promise it, or let it wait in the queue."""
    result = _promise_in_turn(draw, 0, state, _approvals(draw, state))
    if not isinstance(result, Refusal):
        return result
    draw.queued_at = state.now
    state.queues.setdefault(draw.pot_id, []).append(draw.draw_id)
    _go(draw, Act.PROMISE, "looked_at", state)
    return 0


def _give_back(draw: Draw, amount: int, account: int, state: State) -> int | Refusal:
    pot = _pot(draw, state)
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


def _after_giving_back(draw: Draw, otherwise: str) -> str:
    if draw.left:
        return "promised"
    return "handed_over" if draw.handed else otherwise


def _undo(
    command: UndoDrawEntry, known: KnownEntry, draw: Draw, actor: Actor, state: State
) -> Done | Refusal:
    pot, wrong = _pot(draw, state), known.draft
    is_open = draw.state != "arrived"
    if command.entry in state.hours:
        kind = EntryKind.FULFIL_UNDONE
        transfers = posting.fulfil_undone(
            wrong.transfers, pot.promised_account, pot.pot_account, draw_open=is_open
        )
    else:
        kind = EntryKind.HAND_OVER_UNDONE
        transfers = posting.hand_over_undone(
            wrong.transfers,
            pot.promised_account,
            pot.pot_account,
            draw_open=is_open,
            held_instead=_held_now(command.held, wrong.transfers, state),
        )
    entry_id = next(state.ids)
    salt = state.salt() if command.reason else b""
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=kind,
            source="draw",
            transfers=transfers,
            effective_on=wrong.effective_on,
            actor=actor.account,
            category=draw.category,
            note_hash=text_hash(salt, command.reason),
            draw_id=draw.draw_id,
            reverses=command.entry,
            reversal_legs=len(wrong.transfers),
        )
    )
    if isinstance(result, Refusal):
        return result
    if command.reason:
        state.notes.append(Note(entry_id, "note", actor.member_id, salt, command.reason))
    if command.entry in state.hours:
        state.changed_hours[command.entry] = "withdrawn"
    taken_back = sum(t.amount for t in wrong.transfers if t.debit == pot.promised_account)
    draw.handed -= taken_back
    if is_open:
        _go(draw, Act.UNDO, "promised", state)
        _date_promise(draw, state.setup.terms_of(draw), state)
    else:
        draw.released += taken_back
        _go(draw, Act.UNDO, "arrived" if draw.handed else "released", state, keep_due=True)
        _drain(draw.pot_id, state)
    return _done(draw, result[0].seq, entry=str(entry_id), undoes=str(command.entry), left=draw.left)


def _held_now(held: str, transfers: Iterable[Transfer], state: State) -> dict[int, int]:
    if not held:
        return {}
    places = {place.account_id for place in state.setup.held.values()}
    return {
        transfer.credit: held_place(state.setup, held, transfer.unit).account_id
        for transfer in transfers
        if transfer.credit in places
    }


def _check_rhythm(draw: Draw, terms: Terms, day: date) -> None:
    if terms.rhythm is not None and draw.promised_on is not None:
        first = terms.rhythm.next_day(draw.promised_on)
        if day < first:
            raise PolicyRefuses(rule="rhythm", limit=first.isoformat())


# ---------------------------------------------------------------- what is kept of it


def _facts(draw: Draw, state: State, approvals: int) -> tuple[bytes, str]:
    """Return a salt, and what allowed a decision, as it is hashed and sealed."""
    needed = state.setup.terms_of(draw).approvals_needed(draw.agreed)
    facts = canonical(
        {
            "agreed": draw.agreed,
            "approvals": approvals,
            "approvals_needed": needed,
            "asked": draw.asked,
            "draw": str(draw.draw_id),
            "policy": draw.policy_version,
            "pot": _pot(draw, state).code,
        }
    )
    return state.salt(), facts.decode()


def _record_approval(draw: Draw, actor: Actor, state: State, approvals: int) -> int:
    """Record a yes that promises nothing yet."""
    salt, facts = _facts(draw, state, approvals)
    decision = next(state.ids)
    _write_note(state, draw, decision, "facts", salt, facts)
    return state.record(
        "approval",
        actor.account,
        {
            "amount": draw.agreed,
            "draw": str(draw.draw_id),
            "facts_hash": text_hash(salt, facts),
            "id": str(decision),
            "policy": draw.policy_version,
        },
    )


def _record(state: State, draw: Draw, act: Act, account: int, *, note_hash: str = "") -> int:
    """Record a step that moves nothing; 0 stands for the group, and for whoever asked."""
    fields: dict[str, Any] = {"act": str(act), "draw": str(draw.draw_id), "policy": draw.policy_version}
    if note_hash:
        fields["note_hash"] = note_hash
    return state.record("draw", account, fields)


def _speak(state: State, draw: Draw, act: Act, actor: Actor, what: str, words: str) -> int:
    """Record what somebody with a duty did, with their words sealed; one of a kind is kept of each draw."""
    salt = state.salt() if words else b""
    if words:
        state.notes.append(Note(draw.draw_id, what, actor.member_id, salt, words))
    return _record(state, draw, act, actor.account, note_hash=text_hash(salt, words))


def _write_note(state: State, draw: Draw, about: UUID, what: str, salt: bytes, words: str) -> None:
    """Keep words about a draw, sealed with the key of whoever it is for."""
    asker = _asker(draw, state)
    state.notes.append(Note(about, what, asker or draw.draw_id, salt, words, of_ask=asker is None))


def _done(draw: Draw, seq: int = 0, **more: Any) -> Done:
    return Done(200, {"id": str(draw.draw_id), "state": draw.state, **more}, seq)


def _quantity(name: str, amount: int, pot: Pot) -> dict[str, Any]:
    return {name: amount, "unit": pot.unit}


def _pot(draw: Draw, state: State) -> Pot:
    return state.setup.pots_by_id[draw.pot_id]


def _hand(state: State, draw_id: UUID, member_id: UUID) -> Hand:
    state.changed_hands.add((draw_id, member_id))
    return state.hands[draw_id].setdefault(member_id, Hand())
