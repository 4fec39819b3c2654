"""Ways back in for people with a duty, in SQL: who, until when it can be stopped, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class RecoveryRow(NamedTuple):
    """A row of people.recoveries.

    Attributes:
        state: asked; then stopped or done.
        due_at: Until then others can stop it.
        stopped_by: The member who did.
    """

    recovery_id: UUID
    member_id: UUID
    state: str
    asked_at: datetime
    due_at: datetime
    ended_at: datetime | None = None
    stopped_by: UUID | None = None


_COLUMNS = "recovery_id, member_id, state, asked_at, due_at, ended_at, stopped_by"


async def insert_recovery(tx: Tx, group_id: UUID, row: RecoveryRow) -> None:
    """Insert a recovery; the caller holds the group's lock and saw that none is open."""
    await tx.execute(
        text("""
            INSERT INTO people.recoveries (group_id, recovery_id, member_id, state, asked_at, due_at, ended_at,
                                           stopped_by)
            VALUES (:group_id, :recovery_id, :member_id, :state, :asked_at, :due_at, :ended_at, :stopped_by)
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def find_recovery(tx: Tx, group_id: UUID, recovery_id: UUID) -> RecoveryRow | None:
    """Return a recovery in whatever state, or None."""
    row = (
        await tx.execute(
            text(f"""
                SELECT {_COLUMNS}
                  FROM people.recoveries
                 WHERE group_id = :group_id
                   AND recovery_id = :recovery_id
            """),
            {"group_id": group_id, "recovery_id": recovery_id},
        )
    ).one_or_none()
    return None if row is None else RecoveryRow(*row)


async def find_last_recovery(tx: Tx, group_id: UUID, member_id: UUID) -> RecoveryRow | None:
    """Return a member's newest recovery, or None."""
    row = (
        await tx.execute(
            text(f"""
                SELECT {_COLUMNS}
                  FROM people.recoveries
                 WHERE group_id = :group_id
                   AND member_id = :member_id
              ORDER BY asked_at DESC, recovery_id
                 LIMIT 1
            """),
            {"group_id": group_id, "member_id": member_id},
        )
    ).one_or_none()
    return None if row is None else RecoveryRow(*row)


async def list_recoveries(tx: Tx, group_id: UUID, *, limit: int) -> list[RecoveryRow]:
    """Return recoveries, newest first."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}
              FROM people.recoveries
             WHERE group_id = :group_id
          ORDER BY asked_at DESC, recovery_id
             LIMIT :limit
        """),
        {"group_id": group_id, "limit": limit},
    )
    return [RecoveryRow(*row) for row in rows]


async def list_recoveries_of(tx: Tx, group_id: UUID, member_id: UUID) -> list[RecoveryRow]:
    """Return a member's recoveries, newest first."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}
              FROM people.recoveries
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY asked_at DESC, recovery_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [RecoveryRow(*row) for row in rows]


async def end_recovery(
    tx: Tx, group_id: UUID, recovery_id: UUID, state: str, *, now: datetime, stopped_by: UUID | None = None
) -> None:
    """Say how an open recovery ended."""
    await tx.execute(
        text("""
            UPDATE people.recoveries
               SET state = :state, ended_at = :now, stopped_by = :stopped_by
             WHERE group_id = :group_id
               AND recovery_id = :recovery_id
               AND state = 'asked'
        """),
        {
            "group_id": group_id,
            "recovery_id": recovery_id,
            "state": state,
            "now": now,
            "stopped_by": stopped_by,
        },
    )


async def list_duty_people(tx: Tx, group_id: UUID, *, now: datetime) -> list[UUID]:
    """Return active members who decide or hold something at a moment: stewards, treasurers, auditors."""
    rows = await tx.execute(
        text("""
            SELECT DISTINCT r.member_id
              FROM people.member_roles AS r
              JOIN people.members AS m ON m.group_id = r.group_id AND m.member_id = r.member_id
             WHERE r.group_id = :group_id
               AND r.role IN ('steward', 'treasurer', 'auditor')
               AND r.since <= :now
               AND (r.until IS NULL OR r.until > :now)
               AND m.state = 'active'
          ORDER BY r.member_id
        """),
        {"group_id": group_id, "now": now},
    )
    return list(rows.scalars())
