"""The pot for people who are signed in: now for those who work with it, as it was published last for the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from timebank.rules.publication import OPEN, SHELTERED
from timebank.store import live as store
from timebank.store import published as published_store
from timebank.store.groups import find_frame

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.store.engine import Database, Tx


@dataclass(frozen=True, slots=True)
class LivePot:
    """A pot at one moment; ``available`` and ``promised`` in its unit, the first may be below zero.

    Where only totals are shown ``available`` is both together, and ``promised`` 0.
    """

    pot: str
    unit: str
    available: int
    promised: int


@dataclass(frozen=True, slots=True)
class LivePlace:
    """What is in one held place at that moment, in the smallest coins of ``unit``."""

    held: str
    kind: str
    unit: str
    amount: int


@dataclass(frozen=True, slots=True)
class Live:
    """Every figure of one page, read at one moment.

    Attributes:
        as_of: The moment that the figures speak of; None while nothing is published.
        now: Whether that is the moment of asking, and not the last close.
        totals_only: Whether what is promised is part of ``available``.
        seq: Last record that they contain; None for whoever must not learn how busy the group is.
        held: Empty for whoever sees what is published: one place could tell of one person.
    """

    as_of: datetime | None
    now: bool
    totals_only: bool
    seq: int | None
    pots: tuple[LivePot, ...]
    held: tuple[LivePlace, ...]


async def read_live(database: Database, actor: Actor, *, now: datetime) -> Live:
    """Return the pots and places of the actor's group.

    Whoever could see each evening's figures would know on which day somebody drew, and how much.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    async with database.read(actor.group_id) as tx:
        frame = await find_frame(tx, actor.group_id)
        if frame.preset != OPEN and not actor.sees_live:
            return await _published(tx, actor.group_id, ZoneInfo(frame.time_zone))
        pots = await store.list_pots(tx, actor.group_id)
        places = await store.list_places(tx, actor.group_id)
        return Live(
            as_of=now,
            now=True,
            totals_only=False,
            seq=await store.find_head_seq(tx, actor.group_id) if actor.sees_seq else None,
            pots=tuple(LivePot(pot.code, pot.unit, pot.available, pot.promised) for pot in pots),
            held=tuple(LivePlace(place.code, place.kind, place.unit, place.amount) for place in places),
        )


async def _published(tx: Tx, group_id: UUID, zone: ZoneInfo) -> Live:
    period = await published_store.find_last_period(tx, group_id)
    if period is None:
        return Live(as_of=None, now=False, totals_only=False, seq=None, pots=(), held=())
    balances = await published_store.list_balances(tx, group_id, period.period)
    return Live(
        as_of=_end_of(period.last_day, zone),
        now=False,
        totals_only=period.preset == SHELTERED,
        seq=None,
        pots=tuple(LivePot(one.pot, one.unit, one.available, one.promised) for one in balances),
        held=(),
    )


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
