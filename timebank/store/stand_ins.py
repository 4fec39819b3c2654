"""Who stands in for whom, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime

    from timebank.store.engine import Raw, Tx

#: What somebody has who stands in for nobody.
NO_TIES: Final[Mapping[UUID, frozenset[str]]] = {}


class StandInRow(NamedTuple):
    """A tie between two members; it holds until ``expires_at`` unless it was ended before.

    Attributes:
        stand_in: Who acts.
        member_id: For whom.
        consent_by: The member themselves, or the steward who wrote it down.
        until: Last day, in the group's time zone as it was then.
    """

    stand_in_id: UUID
    stand_in: UUID
    member_id: UUID
    scopes: list[str]
    consent: str
    consent_by: UUID
    since: datetime
    expires_at: datetime
    until: date
    ended_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return what it is at a moment: active, ended or expired."""
        if self.ended_at is not None:
            return "ended"
        return "active" if now < self.expires_at else "expired"


_COLUMNS: Final = (
    "stand_in_id, stand_in, member_id, scopes, consent, consent_by, since, expires_at, until, ended_at"
)


async def insert_stand_in(tx: Tx, group_id: UUID, row: StandInRow) -> None:
    """Insert a tie; the one before it between the same two is ended."""
    await tx.execute(
        text(f"""
            INSERT INTO people.stand_ins (group_id, {_COLUMNS})
            VALUES (:group_id, :stand_in_id, :stand_in, :member_id, CAST(:scopes AS text[]), :consent,
                    :consent_by, :since, :expires_at, :until, :ended_at)
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def find_stand_in(tx: Tx, group_id: UUID, stand_in_id: UUID) -> StandInRow | None:
    """Return a tie, or None."""
    row = (
        await tx.execute(
            text(f"""
                SELECT {_COLUMNS}
                  FROM people.stand_ins
                 WHERE group_id = :group_id
                   AND stand_in_id = :stand_in_id
            """),
            {"group_id": group_id, "stand_in_id": stand_in_id},
        )
    ).one_or_none()
    return None if row is None else StandInRow(*row)


async def list_stand_ins(tx: Tx, group_id: UUID, *, member_id: UUID | None = None) -> list[StandInRow]:
    """Return ties, newest first: of everybody, or those that somebody is one side of."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}
              FROM people.stand_ins
             WHERE group_id = :group_id
               AND (CAST(:member_id AS uuid) IS NULL
                    OR stand_in = CAST(:member_id AS uuid)
                    OR member_id = CAST(:member_id AS uuid))
          ORDER BY since DESC, stand_in_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [StandInRow(*row) for row in rows]


async def end_stand_ins(tx: Tx, group_id: UUID, stand_in_ids: Collection[UUID], *, now: datetime) -> None:
    """End ties that are not ended yet."""
    await tx.execute(
        text("""
            UPDATE people.stand_ins
               SET ended_at = greatest(CAST(:now AS timestamptz), since)
             WHERE group_id = :group_id
               AND stand_in_id = ANY(CAST(:ids AS uuid[]))
               AND ended_at IS NULL
        """),
        {"group_id": group_id, "ids": list(stand_in_ids), "now": now},
    )


async def list_open_asks(tx: Tx, group_id: UUID, member_id: UUID, *, own: bool) -> list[UUID]:
    """Return the asks of a member, or by them for others, of which something is still to come.

    Args:
        own: Whether what was asked is for themselves.
    """
    rows = await tx.execute(
        text("""
            SELECT d.draw_id
              FROM timebank.draw_hands AS h
              JOIN timebank.draws AS d ON d.group_id = h.group_id AND d.draw_id = h.draw_id
             WHERE h.group_id = :group_id
               AND h.member_id = :member_id
               AND h.asked
               AND h.theirs = :own
               AND d.state IN ('asked', 'looked_at', 'promised')
          ORDER BY d.asked_at, d.draw_id
        """),
        {"group_id": group_id, "member_id": member_id, "own": own},
    )
    return list(rows.scalars())


_FIND_TIES: Final = """
    SELECT s.stand_in, s.member_id, s.scopes
      FROM people.stand_ins AS s
      JOIN people.members AS m ON m.group_id = s.group_id AND m.member_id = s.member_id
     WHERE s.group_id = $1
       AND s.stand_in = ANY($2::uuid[])
       AND s.since <= $3
       AND s.expires_at > $3
       AND (s.ended_at IS NULL OR s.ended_at > $3)
       AND m.state = 'active'
"""


async def find_ties(
    connection: Raw, group_id: UUID, stand_ins: Sequence[UUID], *, now: datetime
) -> dict[UUID, dict[UUID, frozenset[str]]]:
    """Return for whom these members stand in at a moment, and in what; ask only about who carries the role."""
    ties: dict[UUID, dict[UUID, frozenset[str]]] = {}
    for stand_in, member_id, scopes in await connection.fetch(_FIND_TIES, group_id, list(stand_ins), now):
        ties.setdefault(stand_in, {})[member_id] = frozenset(scopes)
    return ties
