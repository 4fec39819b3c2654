"""What the next close will do, for stewards: when it comes, what arrived late, and what has been waiting, without names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from timebank.rules.readiness import (
    LONG_STOP_DAYS,
    Way,
    pots_of,
    touches_of,
)
from timebank.services.close import next_period
from timebank.store import closes as store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.closes import ClosableRecord, CloseFrame, WaitingRow

LATE_SHOWN: Final = 50


class LateEntry(NamedTuple):
    """An entry of a day that is closed already; nothing in it says whose it is."""

    kind: str
    category: str
    effective_on: date
    recorded_on: date


class WaitingSide(NamedTuple):
    """Entries of one side of a pot that earlier closes left; ``side`` is empty where nobody stands behind them.

    Attributes:
        people: How many different people must stand behind what is shown.
        since: Day on which the oldest was written; ``until`` is the last day that it can wait.
    """

    pot: str
    side: str
    entries: int
    people: int
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class NextClose:
    """What the next close is about.

    Attributes:
        last_day: Last day that is closed; None before the first close.
        first_day, ends_on: The days that it takes together; it happens once the last of them is over.
        entries: How many entries no close has seen yet.
        late: Those of them that are of closed days, newest first, at most fifty.
        waiting: What earlier closes saw and left, by side.
    """

    last_day: date | None
    first_day: date
    ends_on: date
    way: Way
    entries: int
    late: tuple[LateEntry, ...]
    waiting: tuple[WaitingSide, ...]


async def read_next_close(house: House, actor: Actor) -> NextClose:
    """Return what waits for the next close. How many people stand behind something is not in it.

    Raises:
        NeedsScope, NeedsRole: It is for stewards.
    """
    actor.require_scope("read")
    actor.require_role("steward")
    group_id = actor.group_id
    async with house.database.read(group_id) as tx:
        group = await store.find_group_to_close(tx, group_id)
        last = await store.find_last_close(tx, group_id)
        ways = await store.list_ways(tx, group_id)
        frame = await store.find_frame(tx, group_id)
        count, seqs = await store.list_late(
            tx, group_id, after_seq=last.through_seq, last_day=last.last_day or date.min, limit=LATE_SHOWN
        )
        late = await store.list_records(tx, group_id, sorted(seqs), units=frame.units)
        rows = await store.list_waiting(tx, group_id)
        records = await store.list_records(tx, group_id, [row.seq for row in rows], units=frame.units)
        drawn = await store.list_drawn(tx, group_id, [row.seq for row in rows])
    zone = ZoneInfo(group.time_zone)
    first_day, ends_on, way = next_period(group, last, ways, zone)
    undone = {seq: each.undoes for seq, each in drawn.items()}
    return NextClose(
        last_day=last.last_day,
        first_day=first_day,
        ends_on=ends_on,
        way=way,
        entries=count,
        late=tuple(_late(record, zone) for record in reversed(late)),
        waiting=_by_side(zip(rows, records, strict=True), undone, frame),
    )


def _late(record: ClosableRecord, zone: ZoneInfo) -> LateEntry:
    assert record.effective_on is not None, "it is an entry"
    recorded_on = _day(record.recorded_at, zone)
    return LateEntry(record.kind, record.category, record.effective_on, recorded_on)


def _by_side(
    waiting: Iterable[tuple[WaitingRow, ClosableRecord]], undone: dict[int, str], frame: CloseFrame
) -> tuple[WaitingSide, ...]:
    found: dict[tuple[str, str], WaitingSide] = {}
    for row, record in waiting:
        touches = touches_of(record.kind, record.transfers, frame.accounts, undoes=undone.get(row.seq, ""))
        sides: set[tuple[str, str]] = {(touch.side.pot, touch.side.side) for touch in touches}
        if not sides:
            pots = pots_of(record.transfers, frame.accounts, frame.pots_by_unit)
            sides = {(pot, "") for pot in pots}
        until = row.recorded_on + timedelta(days=LONG_STOP_DAYS[row.way.preset])
        for pot, side in sides:
            so_far = found.get((pot, side), WaitingSide(pot, side, 0, row.way.people, row.recorded_on, until))
            found[pot, side] = so_far._replace(
                entries=so_far.entries + 1,
                people=max(so_far.people, row.way.people),
                since=min(so_far.since, row.recorded_on),
                until=min(so_far.until, until),
            )
    return tuple(side for _, side in sorted(found.items()))


def _day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()
