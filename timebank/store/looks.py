"""Who looked at whose name, in SQL: one row a day, shown to whoever was looked at."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from timebank.store.engine import Tx

#: Of so many rows, newest first, a person is shown; a year of daily looks by one other person fits.
SHOWN_MAX = 500


class SeenRow(NamedTuple):
    """Somebody looked.

    Attributes:
        looker: A member, or the group's own id for whoever keeps the server.
        what: ``found``, ``list``, ``hours``, ``audit``, ``archive``, or of an own ask ``who``, ``payout``, ``link``.
        all: Whether it was everybody whom they saw, and not this person alone.
        draw_id: The ask, where it was about one.
    """

    looked_on: date
    looker: UUID
    what: str
    all: bool
    draw_id: UUID | None


async def insert_seen(
    tx: Tx, group_id: UUID, *, whose: UUID, looker: UUID, what: str, looked_on: date
) -> None:
    """Write down that somebody looked; the same on one day is one row. The group's id stands for everybody."""
    await tx.execute(
        text("""
            INSERT INTO people.looks (group_id, whose, looked_on, looker, what)
            VALUES (:group_id, :whose, :looked_on, :looker, :what)
                ON CONFLICT DO NOTHING
        """),
        {"group_id": group_id, "whose": whose, "looked_on": looked_on, "looker": looker, "what": what},
    )


async def list_seen(tx: Tx, group_id: UUID, member_id: UUID) -> list[SeenRow]:
    """Return who looked at a member's name, alone or with everybody's, and at their own asks; newest first."""
    rows = await tx.execute(
        text("""
            SELECT looked_on, looker, what COLLATE "C" AS what, whose = :group_id AS of_all, CAST(NULL AS uuid) AS draw_id
              FROM people.looks
             WHERE group_id = :group_id
               AND whose IN (:member_id, :group_id)
               AND looker <> :member_id
         UNION ALL
            SELECT (l.looked_at AT TIME ZONE g.time_zone)::date, l.member_id, l.what COLLATE "C", false, l.draw_id
              FROM timebank.draw_hands AS h
              JOIN people.draw_looks AS l ON l.group_id = h.group_id AND l.draw_id = h.draw_id
              JOIN timebank.groups AS g ON g.group_id = h.group_id
             WHERE h.group_id = :group_id
               AND h.member_id = :member_id
               AND h.theirs
               AND l.member_id <> :member_id
          ORDER BY 1 DESC, 3, 2
             LIMIT :limit
        """),
        {"group_id": group_id, "member_id": member_id, "limit": SHOWN_MAX},
    )
    return [SeenRow(*row) for row in rows]
