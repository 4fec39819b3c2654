"""Draws as people see them: their own, those to decide, those to hand over; and who looked at whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.errors import (
    DrawNotOpen,
    FieldInvalid,
    NotYourDraw,
    PayerApproved,
    SteppedAside,
    UnknownDraw,
)
from timebank.rules.asks import CapUsed, cap_use
from timebank.rules.draw_steps import OPEN, STEPS, waits_for
from timebank.rules.set_up import NOT_KNOWN
from timebank.rules.state import Draw, Hand, Past, Pot
from timebank.services.acts import Acted, Once
from timebank.store import asks as store
from timebank.store import members as members_store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.draws import find_past
from timebank.store.engine import driver
from timebank.store.setup import load_members, load_setup

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.rules.policies import Terms
    from timebank.rules.state import MemberAccounts, SetUp
    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx

#: In which of them a duty sees the draws of everybody.
_OF_DUTIES: Final[Mapping[str, frozenset[str]]] = {
    "steward": OPEN,
    "treasurer": frozenset({"promised"}),
}
#: In which of them a duty finds a draw by its id.
_FOUND_BY: Final[Mapping[str, frozenset[str]]] = {
    "steward": frozenset(STEPS),
    "treasurer": frozenset({"promised", "handed_over", "arrived"}),
}
#: What a steward told whoever asked, and what they said to it.
_SAID: Final = ("reason", "question", "answer")


@dataclass(frozen=True, slots=True)
class DrawView:
    """A draw as one person sees it; nobody else's name is in it.

    Attributes:
        mine: Whether it is theirs, or they asked it for somebody.
        waits_for: ``yes``, ``window``, ``objection``, ``queue``, or empty.
        approvals, approvals_needed, objections: How far the decision is.
        my_part: What this person did with it: asked, approved, paid, stepped_aside, objected.
        limits: For whom it is, how much of each limit of the pot is used; for stewards and the asker.
        said: Reason, question and answer; for the asker and stewards.
    """

    draw: Draw
    pot: Pot
    mine: bool
    waits_for: str
    approvals: int
    approvals_needed: int
    objections: int
    my_part: tuple[str, ...]
    warnings: tuple[str, ...]
    limits: tuple[CapUsed, ...] = ()
    said: Mapping[str, str] | None = None


class Who(NamedTuple):
    """Whose draw it is: their nickname, None for somebody without an account or erased, and who asked for them."""

    nickname: str | None
    asked_by: list[str | None]


class Look(NamedTuple):
    """Somebody looked at what is personal about a draw; ``nickname`` is None for somebody who was erased."""

    nickname: str | None
    what: str
    looked_at: datetime


class Papers(NamedTuple):
    """What whoever hands over needs to know; empty where nothing was said or it is wiped."""

    contact: str
    payout: str


async def list_draws(
    house: House,
    actor: Actor,
    *,
    states: Sequence[str] | None,
    after: UUID | None,
    limit: int,
) -> tuple[list[DrawView], UUID | None]:
    """Return a page of the draws that somebody may see, newest first, and where the next one begins.

    Members see what they, or whom they stand in for, asked; stewards all that is open; treasurers all
    that is promised.

    Raises:
        NeedsScope: The token was not made for reading.
        FieldInvalid: There is no such state.
    """
    actor.require_scope("read")
    if states is not None and not frozenset(STEPS).issuperset(states):
        raise FieldInvalid(field="state", why=NOT_KNOWN)
    seen = frozenset().union(*(_OF_DUTIES.get(role, frozenset()) for role in actor.roles))
    async with house.database.read(actor.group_id) as tx:
        found = await store.list_draws(
            tx,
            actor.group_id,
            mine=_mine(actor),
            states_of_all=sorted(seen),
            states=states,
            after=after,
            limit=limit + 1,
        )
        setup = await _setup(tx, actor.group_id)
        hands = await store.list_hands(tx, actor.group_id, [draw.draw_id for draw in found])
    shown = found[:limit]
    views = [_view(draw, hands[draw.draw_id], actor, setup) for draw in shown]
    return views, shown[-1].draw_id if len(found) > limit else None


async def read_draw(house: House, actor: Actor, draw_id: UUID, *, now: datetime) -> DrawView:
    """Return one draw with what was said about it and how much of the pot's limits is used.

    Raises:
        NeedsScope: The token was not made for reading.
        UnknownDraw: It is not there, or not this actor's to see.
    """
    actor.require_scope("read")
    group_id = actor.group_id
    async with house.database.read(group_id) as tx:
        draw, hands = await _find(tx, actor, draw_id)
        setup = await _setup(tx, group_id)
        view = _view(draw, hands, actor, setup)
        if not view.mine and "steward" not in actor.roles:
            return view
        (whole,) = await _whole(house, tx, setup, [(view, hands)], now)
    return whole


async def read_draws(
    house: House, actor: Actor, views: Sequence[DrawView], *, now: datetime
) -> list[DrawView]:
    """Return draws of a list with what was said about them and how much of the limits is used, at once for all.

    Raises:
        NeedsScope, NeedsRole: It is for stewards.
    """
    actor.require_scope("read")
    actor.require_role("steward")
    async with house.database.read(actor.group_id) as tx:
        setup = await _setup(tx, actor.group_id)
        hands = await store.list_hands(tx, actor.group_id, [view.draw.draw_id for view in views])
        return await _whole(house, tx, setup, [(view, hands[view.draw.draw_id]) for view in views], now)


async def note_look(house: House, actor: Actor, draw_id: UUID, *, once: Once) -> Answer:
    """Write down that a steward looks at whose draw it is; that person is shown it. Names are not in the answer.

    Raises:
        NeedsRole
    """
    actor.require_role("steward")

    async def look(tx: Tx) -> Acted:
        await _find(tx, actor, draw_id)
        look_id = once.answer_id(actor)
        await store.insert_look(tx, actor.group_id, look_id, draw_id, actor.member_id, "who", now=once.now)
        return Acted(200, {"id": str(draw_id)}, [])

    return await once.run(house, actor, look)


async def read_who(house: House, actor: Actor, draw_id: UUID) -> Who:
    """Return whose draw it is, to a steward whose look was written down.

    Raises:
        NeedsRole, UnknownDraw
    """
    actor.require_role("steward")
    async with house.database.read(actor.group_id) as tx:
        _, hands = await _find(tx, actor, draw_id)
        names = {
            member_id: await _nickname(house, tx, actor.group_id, member_id)
            for member_id, hand in hands.items()
            if hand.asked
        }
    theirs = next((member_id for member_id, hand in hands.items() if hand.theirs), None)
    return Who(
        None if theirs is None else names[theirs],
        [name for member_id, name in names.items() if member_id != theirs],
    )


async def list_looks(house: House, actor: Actor, draw_id: UUID) -> list[Look]:
    """Return who looked at what is personal about an own draw, newest first.

    Raises:
        NeedsScope: The token was not made for reading.
        UnknownDraw: It is not there, or not their own.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        _, hands = await _find(tx, actor, draw_id)
        if not _is_mine(hands, actor):
            raise UnknownDraw
        return [
            Look(await _nickname(house, tx, actor.group_id, row.member_id), row.what, row.looked_at)
            for row in await store.list_looks(tx, actor.group_id, draw_id)
        ]


async def read_papers(house: House, actor: Actor, draw_id: UUID, *, now: datetime) -> Papers:
    """Return how to reach and pay whoever asked, to a treasurer who may hand this draw over.

    Each look is written down and shown to that person.

    Raises:
        NeedsScope, NeedsRole, StepUpNeeded
        UnknownDraw: It is not there, or not this actor's to see.
        NotYourDraw, SteppedAside, PayerApproved: Somebody else hands it over.
        DrawNotOpen: Nothing is promised.
    """
    actor.require_scope("read")
    actor.require_role("treasurer")
    actor.require_fresh()
    group_id = actor.group_id
    async with house.database.tx(group_id) as tx:
        draw = await store.find_draw(tx, group_id, draw_id)
        if draw is None:
            raise UnknownDraw
        setup = await _setup(tx, group_id)
        mine = (await store.list_hands(tx, group_id, [draw_id]))[draw_id].get(actor.member_id, Hand())
        _may_hand_over(mine, setup.terms_of(draw))
        if draw.state != "promised":
            raise DrawNotOpen(state=draw.state)
        await store.insert_look(tx, group_id, house.new_id(), draw_id, actor.member_id, "payout", now=now)
        said = await _open(house, tx, group_id, draw_id, ("contact", "payout"))
    return Papers(said.get("contact", ""), said.get("payout", ""))


async def open_words(house: House, tx: Tx, group_id: UUID, draw_id: UUID) -> tuple[Mapping[str, str], SetUp]:
    """Return what was said about an ask to whoever asked it, and the set-up, for the one who holds its link."""
    return await _open(house, tx, group_id, draw_id, _SAID), await _setup(tx, group_id)


# ---------------------------------------------------------------- what is seen


async def _find(tx: Tx, actor: Actor, draw_id: UUID) -> tuple[Draw, dict[UUID, Hand]]:
    draw = await store.find_draw(tx, actor.group_id, draw_id)
    if draw is None:
        raise UnknownDraw
    hands = (await store.list_hands(tx, actor.group_id, [draw_id]))[draw_id]
    found_by = frozenset().union(*(_FOUND_BY.get(role, frozenset()) for role in actor.roles))
    if draw.state not in found_by and not _is_mine(hands, actor):
        raise UnknownDraw
    return draw, hands


def _mine(actor: Actor) -> list[UUID]:
    stood_in_for = [member_id for member_id, what in actor.stands_in.items() if what & {"ask", "see"}]
    return [actor.member_id, *stood_in_for]


def _is_mine(hands: Mapping[UUID, Hand], actor: Actor) -> bool:
    return any(hand.asked and member_id in _mine(actor) for member_id, hand in hands.items())


def _view(draw: Draw, hands: Mapping[UUID, Hand], actor: Actor, setup: SetUp) -> DrawView:
    mine, own = _is_mine(hands, actor), hands.get(actor.member_id, Hand())
    told = draw.warnings if "steward" in actor.roles else ("talk_first",) if mine else ()
    return DrawView(
        draw=draw,
        pot=setup.pots_by_id[draw.pot_id],
        mine=mine,
        waits_for=waits_for(draw, hands.values()),
        approvals=sum(hand.approved for hand in hands.values()),
        approvals_needed=setup.terms_of(draw).approvals_needed(draw.agreed or draw.asked),
        objections=sum(hand.objected for hand in hands.values()),
        my_part=tuple(
            name for name in ("asked", "approved", "paid", "stepped_aside", "objected") if getattr(own, name)
        ),
        warnings=tuple(word for word in draw.warnings if word in told),
    )


async def _whole(
    house: House,
    tx: Tx,
    setup: SetUp,
    views: Sequence[tuple[DrawView, Mapping[UUID, Hand]]],
    now: datetime,
) -> list[DrawView]:
    """Return draws with what was said about them and how much of the pots' limits is used."""
    said = await _open_all(house, tx, setup.group_id, [view.draw.draw_id for view, _ in views], _SAID)
    theirs = {
        view.draw.draw_id: member_id
        for view, hands in views
        for member_id, hand in hands.items()
        if hand.theirs and setup.terms_of(view.draw).caps
    }
    connection = await driver(tx)
    people = sorted(set(theirs.values()))
    members = await load_members(connection, house.keys, setup.group_id, people) if people else {}
    past = await find_past(connection, setup.group_id, people, now=now)
    whole = []
    for view, _ in views:
        draw_id = view.draw.draw_id
        limits: tuple[CapUsed, ...] = ()
        if draw_id in theirs:
            limits = _limits(setup, view.draw, theirs[draw_id], members, past, now)
        whole.append(replace(view, limits=limits, said=said[draw_id]))
    return whole


def _limits(
    setup: SetUp,
    draw: Draw,
    theirs: UUID,
    members: Mapping[UUID, MemberAccounts],
    past: Sequence[tuple[UUID, bool, Past]],
    now: datetime,
) -> tuple[CapUsed, ...]:
    member = members.get(theirs)
    household = None if member is None else member.household
    counted: dict[UUID, list[Past]] = {}
    for asker, own, each in past:
        if asker == theirs and each.pot_id == draw.pot_id:
            if own:
                counted.setdefault(theirs, []).append(each)
            if household is not None:
                counted.setdefault(household, []).append(each)
    return tuple(cap_use(setup.terms_of(draw), counted, theirs, household, today=_today(setup, now)))


def _today(setup: SetUp, now: datetime) -> date:
    return now.astimezone(ZoneInfo(setup.time_zone)).date()


def _may_hand_over(mine: Hand, terms: Terms) -> None:
    if mine.asked:
        raise NotYourDraw
    if mine.stepped_aside:
        raise SteppedAside
    if mine.approved and not terms.two_people:
        raise PayerApproved


async def _setup(tx: Tx, group_id: UUID) -> SetUp:
    return await load_setup(await driver(tx), group_id, 0)


async def _nickname(house: House, tx: Tx, group_id: UUID, member_id: UUID) -> str | None:
    row = await members_store.find_member(tx, group_id, member_id)
    if row is None:
        return None
    return members_store.open_nickname(house.keys, group_id, member_id, row.nickname_box)


async def _open(house: House, tx: Tx, group_id: UUID, draw_id: UUID, what: Sequence[str]) -> dict[str, str]:
    """Return the words of these kinds about a draw; what cannot be opened any more is left out."""
    return (await _open_all(house, tx, group_id, [draw_id], what))[draw_id]


async def _open_all(
    house: House, tx: Tx, group_id: UUID, draw_ids: Sequence[UUID], what: Sequence[str]
) -> dict[UUID, dict[str, str]]:
    opened: dict[UUID, dict[str, str]] = {draw_id: {} for draw_id in draw_ids}
    for draw_id, rows in (await store.list_words(tx, group_id, draw_ids, what)).items():
        for row in rows:
            key = house.keys.find_member_key(group_id, row.member_id or draw_id)
            table = "people.ask_notes" if row.member_id is None else "people.notes"
            if key is None:
                continue
            try:
                words = open_box(key, row.box, group_id=group_id, table=table, row=draw_id, column=row.what)
            except BoxBrokenError:
                continue
            opened[draw_id][row.what] = words.decode()
    return opened
