"""Duties that wait for a second yes, and who printed a sign-in card for whom, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class DutyRow(NamedTuple):
    """A row of people.duty_proposals; one that expired is still open there."""

    duty_id: UUID
    member_id: UUID
    roles: list[str]
    state: str
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    signed_by: UUID | None = None
    ended_at: datetime | None = None

    def state_at(self, now: datetime) -> str:
        """Return what it is at a moment: open, given, withdrawn or expired."""
        return "expired" if self.state == "open" and now >= self.expires_at else self.state


_COLUMNS: Final = (
    "duty_id, member_id, roles, state, proposed_by, proposed_at, expires_at, signed_by, ended_at"
)


async def insert_duty(tx: Tx, group_id: UUID, row: DutyRow) -> None:
    """Insert a proposal."""
    await tx.execute(
        text(f"""
            INSERT INTO people.duty_proposals (group_id, {_COLUMNS})
            VALUES (:group_id, :duty_id, :member_id, CAST(:roles AS text[]), :state, :proposed_by, :proposed_at,
                    :expires_at, :signed_by, :ended_at)
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def find_duty(tx: Tx, group_id: UUID, duty_id: UUID) -> DutyRow | None:
    """Return a proposal in whatever state, or None."""
    row = (
        await tx.execute(
            text(f"""
                SELECT {_COLUMNS}
                  FROM people.duty_proposals
                 WHERE group_id = :group_id
                   AND duty_id = :duty_id
            """),
            {"group_id": group_id, "duty_id": duty_id},
        )
    ).one_or_none()
    return None if row is None else DutyRow(*row)


async def list_duties(tx: Tx, group_id: UUID, *, limit: int) -> list[DutyRow]:
    """Return proposals, newest first."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}
              FROM people.duty_proposals
             WHERE group_id = :group_id
          ORDER BY proposed_at DESC, duty_id
             LIMIT :limit
        """),
        {"group_id": group_id, "limit": limit},
    )
    return [DutyRow(*row) for row in rows]


async def end_duty(
    tx: Tx, group_id: UUID, duty_id: UUID, state: str, *, now: datetime, signed_by: UUID | None = None
) -> None:
    """End a proposal; the caller holds the group's lock and saw that it is open."""
    await tx.execute(
        text("""
            UPDATE people.duty_proposals
               SET state = :state, ended_at = :now, signed_by = CAST(:signed_by AS uuid)
             WHERE group_id = :group_id
               AND duty_id = :duty_id
        """),
        {"group_id": group_id, "duty_id": duty_id, "state": state, "now": now, "signed_by": signed_by},
    )


async def withdraw_duties_of(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> list[DutyRow]:
    """End what somebody proposed, and what was proposed for them, if it is open; return those."""
    rows = await tx.execute(
        text(f"""
            UPDATE people.duty_proposals
               SET state = 'withdrawn', ended_at = :now
             WHERE group_id = :group_id
               AND (proposed_by = :member_id OR member_id = :member_id)
               AND state = 'open'
         RETURNING {_COLUMNS}
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return [DutyRow(*row) for row in rows]


async def is_there_another_steward(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> bool:
    """Return whether a steward other than this member is active and has a way to sign in."""
    return bool(
        await tx.scalar(
            text("""
                SELECT EXISTS (
                    SELECT FROM people.member_roles AS r
                      JOIN people.members AS m ON m.group_id = r.group_id AND m.member_id = r.member_id
                     WHERE r.group_id = :group_id
                       AND r.member_id <> :member_id
                       AND r.role = 'steward'
                       AND r.since <= :now
                       AND (r.until IS NULL OR r.until > :now)
                       AND m.state = 'active'
                       AND m.signs_in)
            """),
            {"group_id": group_id, "member_id": member_id, "now": now},
        )
    )


# ---------------------------------------------------------------- who printed cards


async def note_card_maker(tx: Tx, group_id: UUID, member_id: UUID, made_by: UUID) -> None:
    """Note that somebody printed a sign-in card for another; noting it again changes nothing."""
    await tx.execute(
        text("""
            INSERT INTO people.card_makers (group_id, member_id, made_by)
            VALUES (:group_id, :member_id, :made_by)
       ON CONFLICT (group_id, member_id, made_by) DO NOTHING
        """),
        {"group_id": group_id, "member_id": member_id, "made_by": made_by},
    )


async def list_card_makers(tx: Tx, group_id: UUID, member_id: UUID) -> list[UUID]:
    """Return who printed cards for a member since somebody else last said who they are."""
    rows = await tx.execute(
        text("""
            SELECT made_by
              FROM people.card_makers
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY made_by
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return list(rows.scalars())


async def list_unvouched(tx: Tx, group_id: UUID, *, now: datetime) -> list[UUID]:
    """Return active members who carry a duty that waits, because others printed cards for them."""
    rows = await tx.execute(
        text("""
            SELECT DISTINCT k.member_id
              FROM people.card_makers AS k
              JOIN people.members AS m ON m.group_id = k.group_id AND m.member_id = k.member_id
              JOIN people.member_roles AS r ON r.group_id = k.group_id AND r.member_id = k.member_id
             WHERE k.group_id = :group_id
               AND m.state = 'active'
               AND r.role <> 'stand_in'
               AND r.since <= :now
               AND (r.until IS NULL OR r.until > :now)
          ORDER BY k.member_id
        """),
        {"group_id": group_id, "now": now},
    )
    return list(rows.scalars())


async def forget_card_makers(tx: Tx, group_id: UUID, member_id: UUID) -> None:
    """Forget who printed cards for a member, and with that every such card that was not used."""
    names = {"group_id": group_id, "member_id": member_id}
    await tx.execute(
        text("""
            DELETE FROM people.cards AS c
             USING people.card_makers AS k
             WHERE c.group_id = :group_id
               AND c.member_id = :member_id
               AND c.used_at IS NULL
               AND k.group_id = c.group_id
               AND k.member_id = c.member_id
               AND k.made_by = c.made_by
        """),
        names,
    )
    await tx.execute(
        text("DELETE FROM people.card_makers WHERE group_id = :group_id AND member_id = :member_id"), names
    )
