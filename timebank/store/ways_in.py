"""Ways in, in SQL: whether somebody has any, whichever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


async def has_way_in(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> bool:
    """Return whether a member can get in now, or is in: by token, passkey, card, session or mail."""
    # Another kind of way in adds its line here.
    found = await tx.execute(
        text("""
            SELECT EXISTS (SELECT FROM people.tokens AS t
                            WHERE t.group_id = :group_id AND t.member_id = :member_id
                              AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now))
                OR EXISTS (SELECT FROM people.passkeys AS p
                            WHERE p.group_id = :group_id AND p.member_id = :member_id)
                OR EXISTS (SELECT FROM people.cards AS c
                            WHERE c.group_id = :group_id AND c.member_id = :member_id
                              AND c.used_at IS NULL AND c.expires_at > :now)
                OR EXISTS (SELECT FROM people.sessions AS s
                            WHERE s.group_id = :group_id AND s.member_id = :member_id)
                OR EXISTS (SELECT FROM people.mail AS a
                            WHERE a.group_id = :group_id AND a.member_id = :member_id
                              AND a.confirmed_at IS NOT NULL
                              AND NOT EXISTS (SELECT FROM people.member_roles AS r
                                               WHERE r.group_id = a.group_id AND r.member_id = a.member_id
                                                 AND r.since <= :now AND (r.until IS NULL OR r.until > :now)))
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return bool(found.scalar_one())


async def delete_proofs(tx: Tx, group_id: UUID, member_id: UUID) -> None:
    """Take away somebody's passkeys and their app."""
    for table in ("people.passkeys", "people.totps"):
        await tx.execute(
            text(f"DELETE FROM {table} WHERE group_id = :group_id AND member_id = :member_id"),
            {"group_id": group_id, "member_id": member_id},
        )


async def delete_ways_in(tx: Tx, group_id: UUID, member_id: UUID) -> None:
    """Take away everything that somebody who is forgotten could sign in with, and end their sessions."""
    # Another kind of way in adds its table here.
    await delete_proofs(tx, group_id, member_id)
    for table in ("people.sessions", "people.cards"):
        await tx.execute(
            text(f"DELETE FROM {table} WHERE group_id = :group_id AND member_id = :member_id"),
            {"group_id": group_id, "member_id": member_id},
        )
