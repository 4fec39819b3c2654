"""What a group says about itself, in SQL: as it is, what it was, and the time zone that begins with a day."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from timebank.errors import UnknownGroup
from timebank.rules.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class NextZone(NamedTuple):
    """A time zone that begins at a moment."""

    name: str
    begins_at: datetime


class HistoryRow(NamedTuple):
    """One change: who (account number, 0 is the group or its host), when, and what it was before and after."""

    change_id: UUID
    changed_at: datetime
    changed_by: int
    before: dict[str, Any]
    after: dict[str, Any]


async def find_settings(tx: Tx, group_id: UUID) -> tuple[Settings, NextZone | None]:
    """Return what a group says about itself, and the time zone that waits for its day.

    Raises:
        UnknownGroup: There is no such group.
    """
    row = (
        await tx.execute(
            text("""
                SELECT name, languages, time_zone, categories, categories_retired, rounding_minutes,
                       rounding_up, confirm_days, words, preset, member_list, joining,
                       next_time_zone, next_time_zone_from, witnesses
                  FROM timebank.groups
                 WHERE group_id = :group_id
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    if row is None:
        raise UnknownGroup
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in row[:12]]
    settings = replace(Settings(*values), witnesses=tuple(row[14]))
    return settings, NextZone(row[12], row[13]) if row[12] else None


async def update_settings(tx: Tx, group_id: UUID, settings: Settings, next_zone: NextZone | None) -> None:
    """Write settings; the caller holds the group's lock. The preset is not among them."""
    await tx.execute(
        text("""
            UPDATE timebank.groups
               SET name = :name, languages = CAST(:languages AS text[]), time_zone = :time_zone,
                   categories = CAST(:categories AS text[]),
                   categories_retired = CAST(:categories_retired AS text[]),
                   rounding_minutes = :rounding_minutes, rounding_up = :rounding_up,
                   confirm_days = :confirm_days, words = :words, member_list = :member_list,
                   joining = :joining, witnesses = CAST(:witnesses AS text[]),
                   next_time_zone = :zone, next_time_zone_from = :zone_from
             WHERE group_id = :group_id
        """),
        {
            "group_id": group_id,
            **settings.as_json(),
            "zone": next_zone.name if next_zone else "",
            "zone_from": next_zone.begins_at if next_zone else None,
        },
    )


async def insert_change(tx: Tx, group_id: UUID, row: HistoryRow) -> None:
    """Keep what was and what is."""
    await tx.execute(
        text("""
            INSERT INTO timebank.settings_history (group_id, change_id, changed_at, changed_by, before, after)
            VALUES (:group_id, :change_id, :changed_at, :changed_by, CAST(:before AS jsonb),
                    CAST(:after AS jsonb))
        """),
        {
            "group_id": group_id,
            **row._asdict(),
            "before": json.dumps(row.before),
            "after": json.dumps(row.after),
        },
    )


async def list_changes(
    tx: Tx, group_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[HistoryRow]:
    """Return changes, newest first.

    Args:
        before: (moment, id) of the last one seen; None begins with the newest.
        limit: Most rows to return.
    """
    rows = await tx.execute(
        text("""
            SELECT change_id, changed_at, changed_by, before, after
              FROM timebank.settings_history
             WHERE group_id = :group_id
               AND (CAST(:seen_id AS uuid) IS NULL
                    OR (changed_at, change_id) < (CAST(:seen_at AS timestamptz), CAST(:seen_id AS uuid)))
          ORDER BY changed_at DESC, change_id DESC
             LIMIT :limit
        """),
        {
            "group_id": group_id,
            "seen_at": None if before is None else before[0],
            "seen_id": None if before is None else before[1],
            "limit": limit,
        },
    )
    return [HistoryRow(row[0], row[1], row[2], _object(row[3]), _object(row[4])) for row in rows]


def _object(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found


async def publish_frame(tx: Tx, group_id: UUID) -> None:
    """Let the public know what the group is called by now, its languages and its word for a pot; only a close does that."""
    await tx.execute(
        text("""
            WITH said AS (
                SELECT g.group_id, g.name, g.languages,
                       (SELECT jsonb_agg(each.pot || jsonb_build_object('word', g.words) ORDER BY each.place)
                          FROM jsonb_array_elements(p.pots) WITH ORDINALITY AS each (pot, place)) AS pots
                  FROM timebank.groups AS g
                  JOIN timebank.published_groups AS p ON p.group_id = g.group_id
                 WHERE g.group_id = :group_id
            )
            UPDATE timebank.published_groups AS p
               SET name = s.name, languages = s.languages, pots = s.pots
              FROM said AS s
             WHERE p.group_id = :group_id
               AND (p.name, p.languages, p.pots) IS DISTINCT FROM (s.name, s.languages, s.pots)
        """),
        {"group_id": group_id},
    )
