"""The group's side of a draw: deciding by the pot's rules, handing over, taking back, each by somebody who did not ask."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from timebank.errors import (
    AlreadyApproved,
    AlreadyDone,
    AmountOutOfRange,
    DrawNotOpen,
    MoreThanHanded,
    MoreThanPromised,
    NeedsRole,
    NotOwnUnsaid,
    NotYourDraw,
    NotYourEntry,
    PayerApproved,
    PolicyRefuses,
    Refusal,
    SteppedAside,
    UnknownDraw,
    UnknownEntry,
    UnknownPot,
)
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import Draft, EntryKind, KnownEntry, Transfer
from timebank.rules.commands import (
    ApproveDraw,
    DeclineDraw,
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
from timebank.rules.draw_steps import (
    WAITING,
    Act,
    after_giving_back,
    agree,
    check_step,
    count_approvals,
    date_promise,
    date_window,
    done,
    drain_queue,
    facts_of,
    find_draw,
    give,
    give_back,
    go,
    hand_of,
    open_again,
    pot_of,
    record_step,
    settle,
    waits_for,
    write_note,
)
from timebank.rules.money import check_unit, held_place
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.policies import Terms
from timebank.rules.state import MINUTES, Draw, Hand, Note, State


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
    draw = find_draw(command.draw, state)
    settle(draw, state)
    mine = _unbiased(draw, actor, state)
    if mine.approved:
        raise AlreadyApproved
    check_step(draw, Act.APPROVE)
    if draw.agreed_at is not None:
        raise DrawNotOpen(state="agreed")
    check_unit(command.unit, pot_of(draw, state).unit)
    amount = command.amount if command.amount is not None else (draw.agreed or draw.asked)
    if not 1 <= amount <= draw.asked:
        raise AmountOutOfRange(amount=amount, amount_max=draw.asked)
    if draw.agreed and amount != draw.agreed:
        raise PolicyRefuses(rule="same_amount", limit=draw.agreed)
    terms = state.setup.terms_of(draw)
    actor.require_role(*terms.approver_roles(amount))
    if draw.without_account and not command.not_own:
        raise NotOwnUnsaid

    before = count_approvals(draw, state)
    needed = max(1, terms.approvals_needed(amount))
    agreed_before, draw.agreed = draw.agreed, amount
    seq = 0
    if before + 1 >= needed:
        result = agree(draw, actor.account, state, before + 1)
        if isinstance(result, Refusal):
            draw.agreed = agreed_before
            return result
        seq = result
    mine = hand_of(state, draw.draw_id, actor.member_id)
    mine.approved, mine.objected, mine.not_own = True, False, draw.without_account
    if not seq:
        # Whoever objected and says yes now has taken the objection back.
        date_window(draw, state)
        go(draw, Act.APPROVE, "looked_at", state, keep_due=True)
        seq = _record_approval(draw, actor, state, before + 1)
    body = {"approvals": before + 1, "approvals_needed": needed}
    if waiting := waits_for(draw, state.hands[draw.draw_id].values()):
        body["waits_for"] = waiting  # type: ignore[assignment]
    return done(draw, seq, **body)


def decline(command: DeclineDraw, actor: Actor, state: State) -> Done | Refusal:
    """Say "not now", with a reason for whoever asked.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen
    """
    actor.require_role("steward")
    draw = find_draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    check_step(draw, Act.DECLINE)
    open_again(draw, agreed=draw.agreed)
    go(draw, Act.DECLINE, "not_now", state)
    return done(draw, _speak(state, draw, Act.DECLINE, actor, "reason", command.reason))


def object_to(command: ObjectDraw, actor: Actor, state: State) -> Done | Refusal:
    """Object while the rules let stewards do so, or take an objection back.

    Nothing is promised while an objection stands; the asker may change the ask, a steward say "not now".

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen, PolicyRefuses, AlreadyDone
    """
    actor.require_role("steward")
    draw = find_draw(command.draw, state)
    settle(draw, state)
    mine = _unbiased(draw, actor, state)
    check_step(draw, Act.OBJECT)
    terms = state.setup.terms_of(draw)
    if not terms.consent_hours or draw.queued_at is not None:
        raise PolicyRefuses(rule="consent_hours", limit=terms.consent_hours)
    if mine.objected != command.withdraw:
        raise AlreadyDone
    mine = hand_of(state, draw.draw_id, actor.member_id)
    mine.objected = not command.withdraw
    mine.approved = False
    _recount(draw, state)
    go(draw, Act.OBJECT, "looked_at", state, keep_due=True)
    date_window(draw, state)
    seq = _speak(state, draw, Act.OBJECT, actor, "objection", "" if command.withdraw else command.reason)
    settle(draw, state)
    return done(draw, seq)


def question(command: QuestionDraw, actor: Actor, state: State) -> Done | Refusal:
    """Ask whoever asked something.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen
    """
    actor.require_role("steward")
    draw = find_draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    check_step(draw, Act.QUESTION)
    go(draw, Act.QUESTION, "looked_at", state, keep_due=True)
    return done(draw, _speak(state, draw, Act.QUESTION, actor, "question", command.text))


def step_aside(command: StepAside, actor: Actor, state: State) -> Done | Refusal:
    """Leave an ask to others; a yes that was said counts no more, unless the promise is made.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, AlreadyApproved, DrawNotOpen
    """
    actor.require_role("steward", "treasurer")
    draw = find_draw(command.draw, state)
    settle(draw, state)
    mine = _unbiased(draw, actor, state)
    check_step(draw, Act.STEP_ASIDE)
    if draw.state == "promised" and (mine.approved or mine.paid):
        # What was decided stays decided by whom it was.
        raise AlreadyApproved
    mine = hand_of(state, draw.draw_id, actor.member_id)
    mine.stepped_aside, mine.approved, mine.objected = True, False, False
    if draw.state in WAITING:
        _recount(draw, state)
        date_window(draw, state)
    go(draw, Act.STEP_ASIDE, draw.state, state, keep_due=True)
    return done(draw, record_step(state, draw, Act.STEP_ASIDE, actor.account))


def hand_over(command: HandOver, actor: Actor, state: State) -> Done | Refusal:
    """Hand money of a promised draw over, in whole or in part.

    Raises:
        NeedsRole, StepUpNeeded, UnknownDraw, NotYourDraw, SteppedAside, PayerApproved, DrawNotOpen,
        MoreThanPromised, UnknownHeldPlace, PolicyRefuses
    """
    actor.require_role("treasurer")
    actor.require_fresh()
    setup = state.setup
    draw = find_draw(command.draw, state)
    settle(draw, state)
    pot, terms = pot_of(draw, state), setup.terms_of(draw)
    mine = _unbiased(draw, actor, state)
    if mine.approved and not terms.two_people:
        raise PayerApproved
    check_step(draw, Act.HAND_OVER)
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
    hand = hand_of(state, draw.draw_id, actor.member_id)
    hand.paid, hand.two_people = True, terms.two_people
    return done(draw, result[0].seq, entry=str(entry_id), amount=amount, currency=pot.unit, left=draw.left)


def undo(command: UndoDrawEntry, actor: Actor, state: State) -> Done | Refusal:
    """Undo a hand-over, or hours given for an ask; what it was for is promised again, if the draw is open.

    A hand-over is undone by a steward or treasurer, hours by who took part in them or a steward.

    Raises:
        NeedsRole, StepUpNeeded, UnknownDraw, NotYourDraw, NotYourEntry, UnknownEntry, DrawNotOpen,
        UnknownHeldPlace, MoreThanHanded: Part of it came back in another way.
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
    settle(draw, state)
    if is_hours:
        _may_undo_hours(command.entry, draw, actor, state)
    elif known.draft.kind is not EntryKind.HAND_OVER:
        raise UnknownEntry
    else:
        _unbiased(draw, actor, state)
    check_step(draw, Act.UNDO)
    return _undo(command, known, draw, actor, state)


def money_returned(command: ReturnMoney, actor: Actor, state: State) -> Done | Refusal:
    """Take back money of a draw that whoever asked did not need; it is the pot's again.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, DrawNotOpen, PolicyRefuses, UnknownHeldPlace, MoreThanHanded
    """
    actor.require_role("treasurer")
    setup = state.setup
    draw = find_draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    check_step(draw, Act.RETURN)
    pot = pot_of(draw, state)
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
    go(draw, Act.RETURN, after, state, keep_due=after == draw.state)
    drain_queue(draw.pot_id, state)
    return done(draw, result[0].seq, entry=str(result[0].draft.entry_id), amount=command.amount)


def release(command: ReleaseDraw, actor: Actor, state: State) -> Done | Refusal:
    """Give back what a draw was promised and does not need.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, SteppedAside, DrawNotOpen, UnitMismatch, MoreThanPromised
    """
    actor.require_role("steward", "treasurer")
    draw = find_draw(command.draw, state)
    settle(draw, state)
    _unbiased(draw, actor, state)
    check_step(draw, Act.RELEASE)
    check_unit(command.unit, pot_of(draw, state).unit)
    amount = draw.left if command.amount is None else command.amount
    if amount > draw.left:
        raise MoreThanPromised(promised=draw.left, asked=amount)
    result = give_back(draw, amount, actor.account, state)
    if isinstance(result, Refusal):
        return result
    go(draw, Act.RELEASE, after_giving_back(draw, "released"), state, keep_due=bool(draw.left))
    drain_queue(draw.pot_id, state)
    return done(draw, result, amount=amount, left=draw.left)


def due(command: DrawDue, actor: Actor, state: State) -> Done | Refusal:
    """Do what is due with a draw now, if anything is.

    Raises:
        NeedsRole: Somebody else than the group itself.
        UnknownDraw
    """
    _require_group(actor)
    draw = find_draw(command.draw, state)
    return done(draw, settle(draw, state))


def queue_due(command: QueueDue, actor: Actor, state: State) -> Done | Refusal:
    """Promise what waits in the queue of a pot, in order, as far as there is enough.

    Raises:
        NeedsRole: Somebody else than the group itself.
        UnknownPot
    """
    _require_group(actor)
    pot = state.setup.pots_by_id.get(command.pot)
    if pot is None:
        raise UnknownPot
    return Done(200, {"pot": pot.code}, drain_queue(command.pot, state))


def _unbiased(draw: Draw, actor: Actor, state: State) -> Hand:
    """Return what the actor did with a draw so far, unless they asked it or stepped aside."""
    mine = state.hands[draw.draw_id].get(actor.member_id) or Hand()
    if mine.asked:
        raise NotYourDraw
    if mine.stepped_aside:
        raise SteppedAside
    return mine


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


def _recount(draw: Draw, state: State) -> None:
    """Take back that the approvals are complete if too few of them are left."""
    count = count_approvals(draw, state)
    needed = state.setup.terms_of(draw).approvals_needed(draw.agreed)
    if draw.agreed < draw.asked:
        # "At once" is for the whole of an ask; to less than that, somebody has to say yes.
        needed = max(1, needed)
    if draw.agreed_at is None or count < needed:
        open_again(draw, agreed=draw.agreed if count else 0)


def _undo(
    command: UndoDrawEntry, known: KnownEntry, draw: Draw, actor: Actor, state: State
) -> Done | Refusal:
    pot, wrong = pot_of(draw, state), known.draft
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
    taken_back = sum(t.amount for t in wrong.transfers if t.debit == pot.promised_account)
    if taken_back > draw.handed and not known.corrected:
        # Some of it came back already: it cannot come back a second time.
        raise MoreThanHanded(handed=draw.handed, asked=taken_back)
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
    draw.handed -= taken_back
    if is_open:
        go(draw, Act.UNDO, "promised", state)
        date_promise(draw, state.setup.terms_of(draw), state)
    else:
        draw.released += taken_back
        go(draw, Act.UNDO, "arrived" if draw.handed else "released", state, keep_due=True)
        drain_queue(draw.pot_id, state)
    return done(draw, result[0].seq, entry=str(entry_id), undoes=str(command.entry), left=draw.left)


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


def _record_approval(draw: Draw, actor: Actor, state: State, approvals: int) -> int:
    """Record a yes that promises nothing yet."""
    salt, facts = facts_of(draw, state, approvals)
    decision = next(state.ids)
    write_note(state, draw, decision, "facts", salt, facts)
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


def _speak(state: State, draw: Draw, act: Act, actor: Actor, what: str, words: str) -> int:
    """Record what somebody with a duty did, with their words sealed; one of a kind is kept of each draw."""
    salt = state.salt() if words else b""
    if words:
        state.notes.append(Note(draw.draw_id, what, actor.member_id, salt, words))
    return record_step(state, draw, act, actor.account, note_hash=text_hash(salt, words))
