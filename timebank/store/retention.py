"""Deleting what is over, table by table, some thousand rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx

#: Rows that one statement deletes at most, so that nobody waits for it.
AT_ONCE: Final = 2_000

#: By table, which of its rows (t) are over once :before has passed. Where a row is needed as long as another one
#: is there, the condition says so.
OVER: Final[dict[str, str]] = {
    "timebank.answers": "t.answered_at < :before",
    "timebank.jobs": "t.state NOT IN ('waiting', 'running') AND t.changed_at < :before",
    "people.tokens": "coalesce(t.revoked_at, t.expires_at) < :before",
    "people.spent_challenges": "t.expires_at < :before",
    "people.notes": "t.expires_on < (CAST(:before AS timestamptz) AT TIME ZONE 'UTC')::date",
    "people.invited": "t.joined_at < :before",
    "people.invitations": """coalesce(t.revoked_at, t.expires_at) < :before
        AND NOT EXISTS (SELECT FROM people.invited AS i
                         WHERE i.group_id = t.group_id AND i.invitation_id = t.invitation_id)""",
    "people.join_requests": "t.decided_at < :before",
    "people.stand_ins": "coalesce(t.ended_at, t.expires_at) < :before",
    "people.recoveries": "t.ended_at < :before",
    "people.looks": "t.looked_on < (CAST(:before AS timestamptz) AT TIME ZONE 'UTC')::date",
    "people.draw_looks": "t.looked_at < :before",
    "people.ask_notes": """EXISTS (SELECT FROM timebank.draws AS d
        WHERE d.group_id = t.group_id AND d.draw_id = t.draw_id AND d.changed_at < :before
          AND d.state NOT IN ('asked', 'looked_at', 'promised'))""",
    "people.ask_links": """EXISTS (SELECT FROM timebank.draws AS d
        WHERE d.group_id = t.group_id AND d.draw_id = t.draw_id AND d.changed_at < :before
          AND d.state NOT IN ('asked', 'looked_at', 'promised'))""",
    "people.import_papers": "t.expires_on < (CAST(:before AS timestamptz) AT TIME ZONE 'UTC')::date",
}


async def delete_over(tx: Tx, group_id: UUID, table: str, *, before: datetime) -> tuple[int, list[UUID]]:
    """Delete up to ``AT_ONCE`` rows of a table that were over before a moment.

    Returns:
        How many were deleted, and of ``people.ask_links`` the asks that they led to.
    """
    assert table in OVER, table
    asks = table == "people.ask_links"
    result = await tx.execute(
        text(f"""
            DELETE FROM {table}
             WHERE group_id = :group_id
               AND ctid = ANY (ARRAY(SELECT t.ctid
                                       FROM {table} AS t
                                      WHERE t.group_id = :group_id
                                        AND {OVER[table]}
                                      LIMIT {AT_ONCE}))
            {"RETURNING draw_id" if asks else ""}
        """),
        {"group_id": group_id, "before": before},
    )
    if not asks:
        return int(result.rowcount), []
    ids = list(result.scalars())
    return len(ids), ids
