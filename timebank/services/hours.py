"""Hours as people look at them, and what silence decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import FieldInvalid
from timebank.rules.commands import PassSilence
from timebank.rules.hours import HOURS_STATES
from timebank.rules.set_up import NOT_KNOWN
from timebank.services.looks import note_seen
from timebank.store import hours as store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.members import list_ties
from timebank.store.statement import list_notes_of_others

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.rules.commands import Command
    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.hours import ListedHours

PAGE_MAX: Final = 100
ROLES: Final = frozenset({"", "gave", "got"})
TURNS: Final = frozenset({"", "mine", "theirs"})
#: What one sweep of a group takes; the next one takes the rest.
SWEEP_MAX: Final = 1_000
#: Of a row in a list: when it was logged, and its id.
Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which hours a list shall have; empty or None is all.

    Attributes:
        waiting: All of the group that wait for somebody's word, instead of one's own.
        role: ``gave`` or ``got``; of one's own only.
        turn: ``mine`` for those that wait for the reader's word, ``theirs`` for those to which the reader
            said "not quite" and has no answer yet; of one's own only.
        after: ``next`` of the page before; None for the first one.
        limit: Most rows, 1 to 100.
    """

    waiting: bool = False
    state: str = ""
    role: str = ""
    turn: str = ""
    category: str = ""
    first: date | None = None
    last: date | None = None
    after: Place | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours that somebody sees.

    Attributes:
        posted: Whether they are in the book; those between two people wait for a yes.
        giver, receiver: Members; None for somebody who was erased or is none, and for the pot.
        is_for_pot: Whether nobody received them; somebody who was erased did.
        proposed: What a question says it should be; None without one.
        why: What was written with the question, to those who may read it.
        waits_for_me: Whether it is the reader's turn to say something.
    """

    id: UUID
    posted: bool
    state: str
    giver: UUID | None
    receiver: UUID | None
    is_for_pot: bool
    logged_by: UUID | None
    draw: UUID | None
    minutes: int
    effective_on: date
    category: str
    logged_at: datetime
    proposed: int | None
    why: str
    waits_for_me: bool


@dataclass(frozen=True, slots=True)
class HoursPage:
    """One page, newest first; ``next`` is None on the last one."""

    hours: tuple[Hours, ...]
    next: Place | None


async def list_hours(house: House, actor: Actor, wanted: Wanted, *, now: datetime | None = None) -> HoursPage:
    """Return a page of the actor's own hours, or for stewards of all that wait.

    Args:
        now: Needed for what waits: that a steward looks at it is written down for everybody.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: What waits is for stewards.
        FieldInvalid: A filter says something that is not there.
    """
    assert 1 <= wanted.limit <= PAGE_MAX, wanted.limit
    assert wanted.turn in TURNS, wanted.turn
    assert not (wanted.turn and wanted.waiting)
    actor.require_scope("read")
    if wanted.waiting:
        actor.require_role("steward")
    if wanted.state and wanted.state not in HOURS_STATES:
        raise FieldInvalid(field="state", why=NOT_KNOWN)
    if wanted.role not in ROLES or (wanted.role and wanted.waiting):
        raise FieldInvalid(field="role", why=NOT_KNOWN)
    filters = {
        "before": wanted.after,
        "state": wanted.state or None,
        "category": wanted.category or None,
        "first": wanted.first,
        "last": wanted.last,
    }
    limit = wanted.limit + 1
    if wanted.waiting:
        assert now is not None
        async with house.database.tx(actor.group_id) as tx:
            await note_seen(tx, actor.group_id, actor, what="hours", now=now)
    async with house.database.read(actor.group_id) as tx:
        if wanted.waiting:
            rows = await store.list_open_hours(tx, actor.group_id, limit=limit, **filters)
        else:
            rows = await store.list_own_hours(
                tx, actor.group_id, actor.account, role=wanted.role, turn=wanted.turn, limit=limit, **filters
            )
        shown = rows[: wanted.limit]
        ties = await _ties(tx, house, actor, shown)
        said = await _questions(tx, house, actor, shown)
    hours = tuple(_seen(row, ties, said, actor) for row in shown)
    last = shown[-1] if len(rows) > wanted.limit else None
    return HoursPage(hours, None if last is None else (last.logged_at, last.hours_id))


async def due_hours(house: House, group_id: UUID, *, now: datetime) -> list[Command]:
    """Return what silence decides by now, to be sent to the writer by the group itself."""
    async with house.database.read(group_id) as tx:
        overdue = await store.list_overdue(tx, group_id, now=now, limit=SWEEP_MAX)
    return [PassSilence(hours_id) for hours_id in overdue]


async def _ties(tx: Tx, house: House, actor: Actor, rows: Sequence[ListedHours]) -> dict[int, UUID]:
    """Return who the accounts on a page are; no more boxes of members are opened than it takes to find them."""
    named = {number for row in rows for number in (row.giver_account, row.receiver_account, row.logged_by)}
    if named <= {actor.account, None}:
        return {actor.account: actor.member_id}
    wanted = {number for number in named if number is not None} - {actor.account}
    found = await list_ties(tx, house.keys, actor.group_id, wanted=wanted)
    return {**found, actor.account: actor.member_id}


def _seen(row: ListedHours, ties: dict[int, UUID], said: dict[UUID, str], actor: Actor) -> Hours:
    receiver = None if row.receiver_account is None else ties.get(row.receiver_account)
    mine = actor.account in (row.giver_account, row.receiver_account)
    asked_me = row.asked_by is not None and mine and row.asked_by != actor.account
    unconfirmed = row.state == "logged" and (
        row.receiver_account == actor.account if not row.posted else mine and row.logged_by != actor.account
    )
    return Hours(
        id=row.hours_id,
        posted=row.posted,
        state=row.state,
        giver=ties.get(row.giver_account),
        receiver=receiver,
        is_for_pot=row.receiver_account is None,
        logged_by=ties.get(row.logged_by),
        draw=row.draw_id,
        minutes=row.minutes,
        effective_on=row.effective_on,
        category=row.category,
        logged_at=row.logged_at,
        proposed=row.proposed,
        why="" if row.question_id is None else said.get(row.question_id, ""),
        waits_for_me=asked_me or unconfirmed,
    )


async def _questions(tx: Tx, house: House, actor: Actor, rows: Sequence[ListedHours]) -> dict[UUID, str]:
    """Return what was written with open questions; whoever sees the hours may read it."""
    about = [row.question_id for row in rows if row.question_id is not None]
    said = {}
    for question_id, what, author, box in await list_notes_of_others(tx, actor.group_id, about):
        key = house.keys.find_member_key(actor.group_id, author)
        if key is None:
            continue
        try:
            words = open_box(
                key, box, group_id=actor.group_id, table="people.notes", row=question_id, column=what
            )
        except BoxBrokenError:
            continue
        said[question_id] = words.decode()
    return said
