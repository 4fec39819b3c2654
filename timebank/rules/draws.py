"""Draws: asking, saying yes by the pot's policy, and handing over, each by somebody else."""

from __future__ import annotations

from uuid import UUID

from timebank.errors import (
    AlreadyApproved,
    AmountOutOfRange,
    DrawNotOpen,
    MoreThanPromised,
    NotYourDraw,
    PayerApproved,
    PolicyRefuses,
    Refusal,
    UnknownCategory,
    UnknownDraw,
)
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import Draft, EntryKind
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import ApproveDraw, AskDraw, HandOver
from timebank.rules.money import check_unit, held_place
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.state import MINUTES, Draw, Hand, Note, State


def ask(command: AskDraw, actor: Actor, state: State) -> Done | Refusal:
    """Take an ask. It never looks at the pot: only at who, how much, and the published policy.

    Where the policy says "at once", the same command promises it, if the pot has it; an ask that
    the pot cannot answer now waits like any other.

    Raises:
        UnknownPot, UnknownCategory, UnknownMember, AmountOutOfRange, PolicyRefuses
    """
    setup = state.setup
    pot = setup.pot(command.pot, command.unit)
    if command.category not in setup.categories:
        raise UnknownCategory(category=command.category)
    if not 1 <= command.amount <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=command.amount, amount_max=AMOUNT_MAX)
    policy = setup.newest[pot.pot_id]
    if policy.per_request_max is not None and command.amount > policy.per_request_max:
        raise PolicyRefuses(rule="per_request_max", limit=policy.per_request_max)
    asker = actor.member_id if command.on_behalf_of is None else command.on_behalf_of
    if asker != actor.member_id:
        actor.require_role("steward")
        setup.member_account(asker, MINUTES)

    draw = Draw(
        draw_id=next(state.ids),
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
    )
    state.draws[draw.draw_id] = draw
    state.hands[draw.draw_id] = {}
    state.new_draws.append(draw)
    # Asking for somebody else is asking, too: neither of the two may decide or pay.
    for member_id in {asker, actor.member_id}:
        _hand(state, draw.draw_id, member_id).asked = True
    for what, words in (("contact", command.contact), ("payout", command.payout)):
        if words:
            state.notes.append(Note(draw.draw_id, what, asker, state.salt(), words))

    seq = 0
    if policy.approvals_needed(command.amount) == 0:
        draw.agreed = command.amount
        promised = _promise(draw, asker, actor, state)
        if isinstance(promised, Refusal):
            draw.agreed = 0
        else:
            seq = promised
    return Done(201, {"id": str(draw.draw_id), "pot": pot.code, "state": draw.state}, seq)


def approve(command: ApproveDraw, actor: Actor, state: State) -> Done | Refusal:
    """Say yes to an ask; the last yes that the policy wants promises the amount.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, AlreadyApproved, DrawNotOpen, AmountOutOfRange, PolicyRefuses
    """
    actor.require_role("steward")
    draw = _draw(command.draw, state)
    mine = state.hands[draw.draw_id].get(actor.member_id)
    if mine is not None and mine.asked:
        raise NotYourDraw
    if mine is not None and mine.approved:
        raise AlreadyApproved
    if draw.state != "asked":
        raise DrawNotOpen(state=draw.state)
    check_unit(command.unit, state.setup.pots_by_id[draw.pot_id].unit)
    amount = command.amount if command.amount is not None else (draw.agreed or draw.asked)
    if not 1 <= amount <= draw.asked:
        raise AmountOutOfRange(amount=amount, amount_max=draw.asked)
    if draw.agreed and amount != draw.agreed:
        raise PolicyRefuses(rule="same_amount", limit=draw.agreed)

    policy = state.setup.policy_of(draw)
    hands = state.hands[draw.draw_id]
    before = sum(hand.approved for hand in hands.values())
    needed = max(1, policy.approvals_needed(amount))
    previously_agreed, draw.agreed = draw.agreed, amount
    if before + 1 < needed:
        seq = _record_approval(draw, actor, state)
    else:
        asker = next(member_id for member_id, hand in hands.items() if hand.asked)
        promised = _promise(draw, asker, actor, state)
        if isinstance(promised, Refusal):
            draw.agreed = previously_agreed
            return promised
        seq = promised
    _hand(state, draw.draw_id, actor.member_id).approved = True
    state.changed_draws[draw.draw_id] = draw
    return Done(
        200,
        {"id": str(draw.draw_id), "state": draw.state, "approvals": before + 1, "approvals_needed": needed},
        seq,
    )


def hand_over(command: HandOver, actor: Actor, state: State) -> Done | Refusal:
    """Hand money of a promised draw over, in whole or in part.

    Raises:
        NeedsRole, UnknownDraw, NotYourDraw, PayerApproved, DrawNotOpen, MoreThanPromised, UnknownHeldPlace,
        PolicyRefuses
    """
    actor.require_role("treasurer")
    setup = state.setup
    draw = _draw(command.draw, state)
    pot = setup.pots_by_id[draw.pot_id]
    mine = state.hands[draw.draw_id].get(actor.member_id) or Hand()
    policy = setup.policy_of(draw)
    if mine.asked:
        raise NotYourDraw
    if mine.approved and not policy.two_people:
        raise PayerApproved
    if draw.state != "promised":
        raise DrawNotOpen(state=draw.state)
    if pot.unit == MINUTES:
        # Hours are not handed over by a treasurer: somebody gives them, and logs that.
        raise PolicyRefuses(rule="hours_are_given")
    place = held_place(setup, command.held, pot.unit)
    check_unit(command.unit, pot.unit)
    amount = draw.left if command.amount is None else command.amount
    if amount > draw.left:
        raise MoreThanPromised(promised=draw.left, asked=amount)

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
            effective_on=command.effective_on or state.today,
            actor=actor.account,
            category=draw.category,
            draw_id=draw.draw_id,
        )
    )
    if isinstance(result, Refusal):
        return result

    draw.handed += amount
    draw.state = "promised" if draw.left else "handed_over"
    state.changed_draws[draw.draw_id] = draw
    hand = _hand(state, draw.draw_id, actor.member_id)
    hand.paid, hand.two_people = True, policy.two_people
    return Done(
        200,
        {
            "id": str(draw.draw_id),
            "entry": str(entry_id),
            "state": draw.state,
            "amount": amount,
            "currency": pot.unit,
            "left": draw.left,
        },
        result[0].seq,
    )


def _promise(draw: Draw, asker: UUID, actor: Actor, state: State) -> int | Refusal:
    """Move the agreed amount from the pot to its promises; return the seq, or why not."""
    pot = state.setup.pots_by_id[draw.pot_id]
    salt = state.salt()
    facts = (
        f'{{"agreed":{draw.agreed},"asked":{draw.asked},"draw":"{draw.draw_id}",'
        f'"policy":{draw.policy_version},"pot":"{pot.code}"}}'
    )
    entry_id = next(state.ids)
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=EntryKind.PROMISE,
            source="draw",
            transfers=posting.promise(pot.unit, pot.pot_account, pot.promised_account, draw.agreed),
            effective_on=state.today,
            actor=actor.account,
            category=draw.category,
            facts_hash=text_hash(salt, facts),
            draw_id=draw.draw_id,
        )
    )
    if isinstance(result, Refusal):
        return result
    state.notes.append(Note(entry_id, "facts", asker, salt, facts))
    draw.promised, draw.state = draw.agreed, "promised"
    return result[0].seq


def _record_approval(draw: Draw, actor: Actor, state: State) -> int:
    """Record a yes that does not complete the approvals; nothing moves yet."""
    return state.record(
        "approval",
        actor.account,
        {"amount": draw.agreed, "draw": str(draw.draw_id), "policy": draw.policy_version},
    )


def _draw(draw_id: UUID, state: State) -> Draw:
    draw = state.draws.get(draw_id)
    if draw is None:
        raise UnknownDraw
    return draw


def _hand(state: State, draw_id: UUID, member_id: UUID) -> Hand:
    state.changed_hands.add((draw_id, member_id))
    return state.hands[draw_id].setdefault(member_id, Hand())
