"""Settings: everything that a group said at set-up can be changed, by a steward, and what it was is kept."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.errors import FieldInvalid
from timebank.ledger.canonical import canonical
from timebank.rules.readiness import Way, period_end, way_on
from timebank.rules.settings import NOTHING, Change, Settings, change_settings, difference, refuse_taken
from timebank.services.acts import Acted, Once, Records
from timebank.store import groups as groups_store
from timebank.store import settings as store
from timebank.store.auditors import list_introduced
from timebank.store.closes import insert_way, list_ways
from timebank.store.settings import HistoryRow, NextZone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx

PAGE_MAX: Final = 100
#: Of a row in the history: when it was changed, and its id.
Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class SettingsNow:
    """What a group says about itself now, and what waits for its day: a time zone, a way of publishing."""

    settings: Settings
    next_zone: NextZone | None
    next_way: Way | None = None
    way_from: date | None = None


async def read_settings(house: House, actor: Actor, *, now: datetime) -> SettingsNow:
    """Return the group's settings to any member.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        settings, next_zone = await store.find_settings(tx, actor.group_id)
        ways = await list_ways(tx, actor.group_id)
    if next_zone is not None and next_zone.begins_at <= now:
        settings, next_zone = replace(settings, time_zone=next_zone.name), None
    today = now.astimezone(ZoneInfo(settings.time_zone)).date()
    current, (from_day, last) = way_on(ways, today), ways[-1]
    settings = replace(settings, **current._asdict())
    if from_day <= today or last == current:
        return SettingsNow(settings, next_zone)
    return SettingsNow(settings, next_zone, last, from_day)


async def write_settings(house: House, actor: Actor, once: Once, change: Change) -> Answer:
    """Change settings; name and languages are public from the next close on.

    Another time zone begins with the next day, another way of publishing with the next period.

    Refuses: NeedsRole, StepUpNeeded, FieldInvalid.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        actor.require_fresh()
        if change == Change():
            raise FieldInvalid(field="settings", why=NOTHING)
        await _let_zone_begin(tx, actor.group_id, now=once.now)
        records: Records = []
        before, waiting = await store.find_settings(tx, actor.group_id)
        # A zone that waits for its day is what the group said last.
        said = replace(before, time_zone=waiting.name) if waiting else before
        ways = await list_ways(tx, actor.group_id)
        said = replace(said, **ways[-1][1]._asdict())
        after, faults = change_settings(said, change, time_zones_known=zoneinfo.available_timezones())
        if faults:
            raise faults[0]
        if change.witnesses:
            introduced = [row.key for row in await list_introduced(tx, actor.group_id)]
            for key in change.witnesses:
                refuse_taken(key, introduced, field="witnesses")
        if change.time_zone is not None:
            waiting = _next_zone(before.time_zone, change.time_zone, once.now)
        was, now_is = difference(said, after)
        way_from = None
        if after.way != said.way:
            way_from = _way_from(ways, once.now, before.time_zone)
            await insert_way(tx, actor.group_id, way_from, after.way, decided_at=once.now)
        # The zone is the next one's affair until the day is over.
        await store.update_settings(tx, actor.group_id, replace(after, time_zone=before.time_zone), waiting)
        if now_is:
            records += await _keep(house, tx, actor.group_id, actor.account, was, now_is, now=once.now)
        body: dict[str, Any] = {"changed": sorted(now_is)}
        if way_from is not None:
            body["publishing_from"] = way_from.isoformat()
        if waiting is not None:
            body["time_zone_from"] = waiting.begins_at.isoformat()
        return Acted(200, body, records)

    return await once.run(house, actor, act)


@dataclass(frozen=True, slots=True)
class History:
    """A page of changes, newest first; ``next`` begins the next one, None on the last."""

    changes: tuple[HistoryRow, ...]
    next: Place | None


async def read_history(house: House, actor: Actor, *, after: Place | None = None, limit: int = 50) -> History:
    """Return what was changed, to any member.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    assert 1 <= limit <= PAGE_MAX, limit
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        rows = await store.list_changes(tx, actor.group_id, before=after, limit=limit + 1)
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return History(tuple(shown), None if last is None else (last.changed_at, last.change_id))


async def let_time_zone_begin(house: House, group_id: UUID, *, now: datetime) -> bool:
    """Put a time zone into force whose day has come; return whether there was one. For the sweep and for closes."""
    async with house.database.read(group_id) as tx:
        _, waiting = await store.find_settings(tx, group_id)
    if waiting is None or waiting.begins_at > now:
        return False
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        await _let_zone_begin(tx, group_id, now=now)
    return True


async def _let_zone_begin(tx: Tx, group_id: UUID, *, now: datetime) -> None:
    settings, waiting = await store.find_settings(tx, group_id)
    if waiting is not None and waiting.begins_at <= now:
        await store.update_settings(tx, group_id, replace(settings, time_zone=waiting.name), None)


def _way_from(ways: Sequence[tuple[date, Way]], now: datetime, zone: str) -> date:
    """Return the first day of the next period: what is written until then was promised to come out as it is now."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return period_end(way_on(ways, today).preset, today) + timedelta(days=1)


def _next_zone(current: str, wanted: str, now: datetime) -> NextZone | None:
    """Return when another time zone begins: as the day that is now ends where the group was; None for the same."""
    if wanted == current:
        return None
    zone = ZoneInfo(current)
    midnight = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone)
    return NextZone(wanted, midnight)


async def _keep(
    house: House,
    tx: Tx,
    group_id: UUID,
    account: int,
    was: dict[str, Any],
    now_is: dict[str, Any],
    *,
    now: datetime,
) -> Records:
    row = HistoryRow(house.new_id(), now, account, was, now_is)
    await store.insert_change(tx, group_id, row)
    said = canonical({"after": now_is, "before": was, "change": str(row.change_id)})
    # Names that a group writes may say who somebody is: the book has which settings, and a hash of what they were.
    fields = {"change": str(row.change_id), "changed": sorted(now_is), "hash": sha256(said).hexdigest()}
    return [("settings", account, fields)]
