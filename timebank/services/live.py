"""The pot for people who are signed in: now for those who work with it, as of last midnight for the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from timebank.store import live as store
from timebank.store.groups import find_frame

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.store.engine import Database


@dataclass(frozen=True, slots=True)
class LivePot:
    """A pot at one moment; ``available`` and ``promised`` in its unit, the first may be below zero."""

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
        as_of: The moment that the figures speak of.
        now: Whether that is the moment of asking, and not last midnight.
        seq: Last record that they contain; None for whoever must not learn how busy the group is.
    """

    as_of: datetime
    now: bool
    seq: int | None
    pots: tuple[LivePot, ...]
    held: tuple[LivePlace, ...]


async def read_live(database: Database, actor: Actor, *, now: datetime) -> Live:
    """Return the pots and places of the actor's group.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    async with database.read(actor.group_id) as tx:
        frame = await find_frame(tx, actor.group_id)
        pots = await store.list_pots(tx, actor.group_id)
        places = await store.list_places(tx, actor.group_id)
        if frame.preset == "open" or actor.sees_live:
            return Live(
                as_of=now,
                now=True,
                seq=await store.find_head_seq(tx, actor.group_id) if actor.sees_seq else None,
                pots=tuple(LivePot(pot.code, pot.unit, pot.available, pot.promised) for pot in pots),
                held=tuple(LivePlace(place.code, place.kind, place.unit, place.amount) for place in places),
            )

        zone = ZoneInfo(frame.time_zone)
        midnight = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone)
        seq = await store.find_seq_before(tx, actor.group_id, midnight)
        numbers = [number for pot in pots for number in (pot.pot_account, pot.promised_account)]
        numbers += [place.account_id for place in places]
        balances = await store.find_balances_at(tx, actor.group_id, numbers, seq)
        return Live(
            as_of=midnight,
            now=False,
            seq=seq if actor.sees_seq else None,
            pots=tuple(
                LivePot(pot.code, pot.unit, balances[pot.pot_account], balances[pot.promised_account])
                for pot in pots
            ),
            # A held account is debited when money comes: its balance has the other sign.
            held=tuple(
                LivePlace(place.code, place.kind, place.unit, -balances[place.account_id]) for place in places
            ),
        )
