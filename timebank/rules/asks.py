"""The asker's side of a draw: asking, by who, how much and how often; changing, answering, cancelling, arriving.

Nothing that whoever asked does stands in the book under their number: who a draw was for is kept beside it, where it
can be erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from timebank.errors import (
    AlreadyDone,
    AmountOutOfRange,
    NeedsAccount,
    NotAsker,
    PolicyRefuses,
    Refusal,
    UnknownCategory,
    UnknownDraw,
)
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import AnswerDraw, AskDraw, CancelDraw, ChangeDraw, DrawArrived
from timebank.rules.draw_steps import (
    OPEN,
    Act,
    asker_of,
    check_step,
    decide_at_once,
    done,
    drain_queue,
    find_draw,
    give_back,
    go,
    hand_of,
    open_again,
    pot_of,
    record_step,
    settle,
    write_note,
)
from timebank.rules.money import check_unit
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.policies import Cap, Terms
from timebank.rules.state import MINUTES, Draw, NewLink, Past, Pot, State


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
        raise UnknownCategory
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
        hand_of(state, draw.draw_id, asker).theirs = True
        _remember(draw, asker, state)
    for member_id in {asker, None if actor.is_stranger else actor.member_id} - {None}:
        assert member_id is not None
        hand_of(state, draw.draw_id, member_id).asked = True
    for what, words in (("contact", command.contact), ("payout", command.payout)):
        if words:
            write_note(state, draw, draw.draw_id, what, state.salt(), words)
    if asker is None:
        # Without a link yet, its hash is one that nothing has.
        state.new_links.append(NewLink(draw.draw_id, command.link or state.salt(), command.contact_index))
        if command.contact_index:
            state.contacts.add(command.contact_index)
    decide_at_once(draw, state)
    body: dict[str, Any] = {"id": str(draw.draw_id), "pot": pot.code, "state": "asked"}
    if "talk_first" in draw.warnings:
        body["talk_first"] = True
    return Done(201, body, 0)


def change(command: ChangeDraw, actor: Actor, state: State) -> Done | Refusal:
    """Ask for another amount; every yes and objection so far is void.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen, UnitMismatch, AmountOutOfRange, PolicyRefuses
    """
    draw = find_draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    check_step(draw, Act.CHANGE)
    pot, terms = pot_of(draw, state), state.setup.terms_of(draw)
    check_unit(command.unit, pot.unit)
    _check_amount(command.amount, terms)
    asker = asker_of(draw, state)
    if asker is not None:
        _check_caps(terms, asker, pot, command.amount, state, but=draw.draw_id)
    for member_id, hand in state.hands[draw.draw_id].items():
        if hand.approved or hand.objected:
            hand.approved = hand.objected = hand.not_own = False
            state.changed_hands.add((draw.draw_id, member_id))
    draw.asked = command.amount
    open_again(draw, agreed=0)
    go(draw, Act.CHANGE, "asked", state)
    if asker is not None:
        _remember(draw, asker, state)
    record_step(state, draw, Act.CHANGE, 0)
    decide_at_once(draw, state)
    return Done(200, {"id": str(draw.draw_id), "state": "asked", **_quantity("asked", draw.asked, pot)}, 0)


def cancel(command: CancelDraw, actor: Actor, state: State) -> Done | Refusal:
    """Need it no more; what is still promised goes back to the pot.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen
    """
    draw = find_draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    check_step(draw, Act.CANCEL)
    if draw.state == "promised":
        given_back = give_back(draw, draw.left, 0, state)
        if isinstance(given_back, Refusal):
            return given_back
        go(draw, Act.CANCEL, "handed_over" if draw.handed else "cancelled", state)
        drain_queue(draw.pot_id, state)
    else:
        open_again(draw, agreed=draw.agreed)
        go(draw, Act.CANCEL, "cancelled", state)
        record_step(state, draw, Act.CANCEL, 0)
    return done(draw)


def answer(command: AnswerDraw, actor: Actor, state: State) -> Done | Refusal:
    """Answer a question of a steward.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen
    """
    draw = find_draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    check_step(draw, Act.ANSWER)
    salt = state.salt()
    write_note(state, draw, draw.draw_id, "answer", salt, command.text)
    go(draw, Act.ANSWER, "looked_at", state, keep_due=True)
    record_step(state, draw, Act.ANSWER, 0, note_hash=text_hash(salt, command.text))
    return done(draw)


def arrived(command: DrawArrived, actor: Actor, state: State) -> Done | Refusal:
    """Say that it arrived.

    Raises:
        UnknownDraw, NotAsker, DrawNotOpen
    """
    draw = find_draw(command.draw, state)
    _require_asker(draw, actor, state)
    settle(draw, state)
    check_step(draw, Act.ARRIVE)
    go(draw, Act.ARRIVE, "arrived", state, keep_due=True)
    record_step(state, draw, Act.ARRIVE, 0)
    return done(draw)


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
    state.open_asks.add((asker, draw.pot_id, draw.asked))
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
        twice = (asker, pot.pot_id, command.amount) in state.open_asks
        if _is_over(terms, asker, state):
            warnings.append("talk_first")
    if twice:
        warnings.append("perhaps_twice")
    return tuple(warnings)


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


def _quantity(name: str, amount: int, pot: Pot) -> dict[str, Any]:
    return {name: amount, "unit": pot.unit}
