"""Keys of auditors in SQL: whose they are, and which of them count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class KeyRow(NamedTuple):
    """A key that an auditor introduced; ``withdrawn_at`` is None while it counts."""

    name: str
    key: str
    member_id: UUID
    withdrawn_at: datetime | None


_COUNTS: Final = """
    SELECT k.key
      FROM timebank.auditor_keys AS k
     WHERE k.group_id = :group_id
       AND k.withdrawn_at IS NULL
       AND EXISTS (SELECT
                     FROM people.member_roles AS r
                     JOIN people.members AS m ON m.group_id = r.group_id AND m.member_id = r.member_id
                    WHERE r.group_id = :group_id
                      AND r.member_id = k.member_id
                      AND r.role = 'auditor'
                      AND r.since <= :now
                      AND (r.until IS NULL OR r.until > :now)
                      AND m.state = 'active')
  ORDER BY k.key COLLATE "C"
     LIMIT 50
"""


async def list_keys(tx: Tx, group_id: UUID, *, now: datetime) -> list[str]:
    """Return the keys that count: of those who carry the duty at a moment; sorted."""
    return list((await tx.execute(text(_COUNTS), {"group_id": group_id, "now": now})).scalars())


async def list_introduced(tx: Tx, group_id: UUID) -> list[KeyRow]:
    """Return every key that an auditor ever introduced, withdrawn or not."""
    rows = await tx.execute(
        text("""
            SELECT name, key, member_id, withdrawn_at
              FROM timebank.auditor_keys
             WHERE group_id = :group_id
        """),
        {"group_id": group_id},
    )
    return [KeyRow(*row) for row in rows]


async def find_key_of(tx: Tx, group_id: UUID, member_id: UUID) -> KeyRow | None:
    """Return the key that somebody introduced and did not withdraw."""
    row = (
        await tx.execute(
            text("""
                SELECT name, key, member_id, withdrawn_at
                  FROM timebank.auditor_keys
                 WHERE group_id = :group_id
                   AND member_id = :member_id
                   AND withdrawn_at IS NULL
            """),
            {"group_id": group_id, "member_id": member_id},
        )
    ).one_or_none()
    return None if row is None else KeyRow(*row)


async def insert_key(tx: Tx, group_id: UUID, row: KeyRow, *, now: datetime) -> None:
    """Keep a key; one that was withdrawn counts again."""
    await tx.execute(
        text("""
            INSERT INTO timebank.auditor_keys (group_id, name, key, member_id, introduced_at, withdrawn_at)
            VALUES (:group_id, :name, :key, :member_id, :now, NULL)
                ON CONFLICT (group_id, name) DO UPDATE SET withdrawn_at = NULL
        """),
        {"group_id": group_id, "name": row.name, "key": row.key, "member_id": row.member_id, "now": now},
    )


async def withdraw_key(tx: Tx, group_id: UUID, name: str, *, now: datetime) -> None:
    """Have a key count no more."""
    await tx.execute(
        text("""
            UPDATE timebank.auditor_keys
               SET withdrawn_at = :now
             WHERE group_id = :group_id
               AND name = :name
        """),
        {"group_id": group_id, "name": name, "now": now},
    )


async def list_witnesses(tx: Tx, group_id: UUID) -> list[str]:
    """Return the verifier keys of the witnesses that a group chose; none if it leaves that to its host."""
    found = await tx.scalar(
        text("SELECT witnesses FROM timebank.groups WHERE group_id = :group_id"), {"group_id": group_id}
    )
    return list(found or ())
