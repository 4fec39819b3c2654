"""Sessions in SQL: hashes only, and the look-up that every request of somebody signed in makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from timebank.store.engine import inside
from timebank.store.stand_ins import NO_TIES, find_ties

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Pool, Tx


class SessionRow(NamedTuple):
    """A row of people.sessions; the id that the cookie carries is nowhere."""

    session_id: UUID
    session_hash: bytes
    member_id: UUID
    way: str
    strong: bool
    begun_at: datetime
    turned_at: datetime
    proved_at: datetime
    seen_at: datetime


class Signed(NamedTuple):
    """A session that is there, whose duties did not change since its id was made."""

    session_id: UUID
    member_id: UUID
    way: str
    strong: bool
    begun_at: datetime
    proved_at: datetime
    seen_at: datetime
    roles: Sequence[str]
    accounts_box: bytes
    has_passkey: bool
    has_totp: bool
    vouched: bool = True
    stands_in: Mapping[UUID, frozenset[str]] = NO_TIES


async def insert_session(tx: Tx, group_id: UUID, session: SessionRow) -> None:
    """Insert a session of a member who is there."""
    await tx.execute(
        text("""
            INSERT INTO people.sessions (group_id, session_id, session_hash, member_id, way, strong,
                                         begun_at, turned_at, proved_at, seen_at)
            VALUES (:group_id, :session_id, :session_hash, :member_id, :way, :strong,
                    :begun_at, :turned_at, :proved_at, :seen_at)
        """),
        {"group_id": group_id, **session._asdict()},
    )


async def turn_session(
    tx: Tx, group_id: UUID, session_id: UUID, *, old: bytes, new: bytes, strong: bool, now: datetime
) -> bool:
    """Give a session another id after a proof; False if it ended, or was turned by somebody else meanwhile.

    Args:
        old, new: Hashes of the id that it had and of the one that it gets.
        strong: Whether the proof was a strong one; what was strong stays so.
    """
    result = await tx.execute(
        text("""
            UPDATE people.sessions
               SET session_hash = :new,
                   strong = strong OR :strong,
                   turned_at = greatest(turned_at, :now),
                   proved_at = greatest(proved_at, :now),
                   seen_at = greatest(seen_at, :now)
             WHERE group_id = :group_id
               AND session_id = :session_id
               AND session_hash = :old
        """),
        {
            "group_id": group_id,
            "session_id": session_id,
            "old": old,
            "new": new,
            "strong": strong,
            "now": now,
        },
    )
    return bool(result.rowcount)


async def touch_session(tx: Tx, group_id: UUID, session_id: UUID, *, now: datetime) -> None:
    """Note that a session is in use."""
    await tx.execute(
        text("""
            UPDATE people.sessions
               SET seen_at = greatest(seen_at, :now)
             WHERE group_id = :group_id
               AND session_id = :session_id
        """),
        {"group_id": group_id, "session_id": session_id, "now": now},
    )


async def delete_session(tx: Tx, group_id: UUID, session_id: UUID, *, member_id: UUID | None = None) -> bool:
    """End one session, if it is of this member or no member is given; False if there is none."""
    result = await tx.execute(
        text("""
            DELETE FROM people.sessions
             WHERE group_id = :group_id
               AND session_id = :session_id
               AND (CAST(:member_id AS uuid) IS NULL OR member_id = CAST(:member_id AS uuid))
        """),
        {"group_id": group_id, "member_id": member_id, "session_id": session_id},
    )
    return bool(result.rowcount)


async def delete_sessions(tx: Tx, group_id: UUID, member_id: UUID, *, besides: UUID | None = None) -> int:
    """End every session of a member, or all but one; return how many."""
    result = await tx.execute(
        text("""
            DELETE FROM people.sessions
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND (CAST(:besides AS uuid) IS NULL OR session_id <> CAST(:besides AS uuid))
        """),
        {"group_id": group_id, "member_id": member_id, "besides": besides},
    )
    return int(result.rowcount)


async def delete_old_sessions(tx: Tx, group_id: UUID, *, proved_before: datetime) -> list[UUID]:
    """Sweep what nobody can use any more; return whose sessions they were, each once."""
    found = await tx.execute(
        text("""
            DELETE FROM people.sessions
             WHERE group_id = :group_id
               AND proved_at < :proved_before
         RETURNING member_id
        """),
        {"group_id": group_id, "proved_before": proved_before},
    )
    return sorted(set(found.scalars()))


async def list_sessions(tx: Tx, group_id: UUID, member_id: UUID) -> list[SessionRow]:
    """Return a member's sessions, newest first, also those that are over and not swept yet."""
    rows = await tx.execute(
        text("""
            SELECT session_id, session_hash, member_id, way, strong, begun_at, turned_at, proved_at, seen_at
              FROM people.sessions
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY begun_at DESC, session_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [SessionRow(*row) for row in rows]


# Whoever got or lost a duty since the id was made signs in again: no id outlives a change of what it opens.
_FIND_SIGNED = """
    SELECT s.session_hash, s.session_id, s.member_id, s.way, s.strong, s.begun_at, s.proved_at, s.seen_at,
           ARRAY(SELECT r.role
                   FROM people.member_roles AS r
                  WHERE r.group_id = $1
                    AND r.member_id = s.member_id
                    AND r.since <= $3
                    AND (r.until IS NULL OR r.until > $3)) AS roles,
           m.accounts_box,
           EXISTS (SELECT FROM people.passkeys AS p
                    WHERE p.group_id = $1 AND p.member_id = s.member_id) AS has_passkey,
           EXISTS (SELECT FROM people.totps AS t
                    WHERE t.group_id = $1 AND t.member_id = s.member_id) AS has_totp,
           NOT EXISTS (SELECT FROM people.card_makers AS k
                        WHERE k.group_id = $1 AND k.member_id = s.member_id) AS vouched
      FROM people.sessions AS s
      JOIN people.members AS m ON m.group_id = s.group_id AND m.member_id = s.member_id
     WHERE s.group_id = $1
       AND s.session_hash = ANY($2::bytea[])
       AND m.state = 'active'
       AND NOT EXISTS (SELECT FROM people.member_roles AS r
                        WHERE r.group_id = $1
                          AND r.member_id = s.member_id
                          AND (r.since > s.turned_at AND r.since <= $3
                               OR r.until > s.turned_at AND r.until <= $3))
"""


async def find_signed(
    pool: Pool, group_id: UUID, session_hashes: Collection[bytes], *, now: datetime
) -> dict[bytes, Signed]:
    """Return the sessions behind ids in this group at this moment, with the duties of this moment.

    An unknown id costs the same statements as a known one, and is left out.

    Raises:
        StoreAway: The database cannot be reached.
    """
    async with inside(pool, group_id) as connection:
        rows = await connection.fetch(_FIND_SIGNED, group_id, list(session_hashes), now)
        acting = [row["member_id"] for row in rows if "stand_in" in row["roles"]]
        ties = await find_ties(connection, group_id, acting, now=now) if acting else {}
    return {row[0]: Signed(*row[1:])._replace(stands_in=ties.get(row["member_id"], NO_TIES)) for row in rows}
