"""Invitations in SQL: hashes of secrets, and how often each was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class InvitationRow(NamedTuple):
    """A row of people.invitations; the secret itself is nowhere."""

    invitation_id: UUID
    secret_hash: bytes
    roles: list[str]
    uses_max: int
    uses: int
    made_by: UUID
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return what it is at a moment: open, revoked, used_up or expired."""
        if self.revoked_at is not None:
            return "revoked"
        if self.uses >= self.uses_max:
            return "used_up"
        return "open" if now < self.expires_at else "expired"


_COLUMNS: Final = (
    "invitation_id, secret_hash, roles, uses_max, uses, made_by, made_at, expires_at, revoked_at"
)


async def insert_invitation(tx: Tx, group_id: UUID, row: InvitationRow) -> None:
    """Insert an invitation."""
    await tx.execute(
        text(f"""
            INSERT INTO people.invitations (group_id, {_COLUMNS})
            VALUES (:group_id, :invitation_id, :secret_hash, CAST(:roles AS text[]), :uses_max, :uses,
                    :made_by, :made_at, :expires_at, :revoked_at)
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def find_invitation(
    tx: Tx, group_id: UUID, *, invitation_id: UUID | None = None, secret_hash: bytes | None = None
) -> InvitationRow | None:
    """Return an invitation by id or by the hash of its secret, or None."""
    row = (
        await tx.execute(
            text(f"""
                SELECT {_COLUMNS}
                  FROM people.invitations
                 WHERE group_id = :group_id
                   AND (invitation_id = CAST(:invitation_id AS uuid)
                        OR secret_hash = CAST(:secret_hash AS bytea))
            """),
            {"group_id": group_id, "invitation_id": invitation_id, "secret_hash": secret_hash},
        )
    ).one_or_none()
    return None if row is None else InvitationRow(*row)


async def list_invitations(tx: Tx, group_id: UUID, *, now: datetime, limit: int) -> list[InvitationRow]:
    """Return invitations: those that are open first, and of each kind the newest first."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}
              FROM people.invitations
             WHERE group_id = :group_id
          ORDER BY (revoked_at IS NULL AND uses < uses_max AND expires_at > :now) DESC,
                   made_at DESC, invitation_id
             LIMIT :limit
        """),
        {"group_id": group_id, "now": now, "limit": limit},
    )
    return [InvitationRow(*row) for row in rows]


async def revoke_invitation(tx: Tx, group_id: UUID, invitation_id: UUID, *, now: datetime) -> None:
    """End an invitation; the caller holds the group's lock."""
    await tx.execute(
        text("""
            UPDATE people.invitations
               SET revoked_at = :now
             WHERE group_id = :group_id
               AND invitation_id = :invitation_id
        """),
        {"group_id": group_id, "invitation_id": invitation_id, "now": now},
    )


async def revoke_all_of(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> int:
    """End what somebody invited with and others could still join by; return how many those were."""
    result = await tx.execute(
        text("""
            UPDATE people.invitations
               SET revoked_at = :now
             WHERE group_id = :group_id
               AND made_by = :member_id
               AND revoked_at IS NULL
               AND uses < uses_max
               AND expires_at > :now
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return int(result.rowcount)


async def use_invitation(
    tx: Tx, group_id: UUID, invitation_id: UUID, member_id: UUID, *, now: datetime
) -> None:
    """Count a use and keep who it was; the caller holds the group's lock and looked."""
    await tx.execute(
        text("""
            UPDATE people.invitations
               SET uses = uses + 1
             WHERE group_id = :group_id
               AND invitation_id = :invitation_id
        """),
        {"group_id": group_id, "invitation_id": invitation_id},
    )
    await tx.execute(
        text("""
            INSERT INTO people.invited (group_id, member_id, invitation_id, joined_at)
            VALUES (:group_id, :member_id, :invitation_id, :now)
        """),
        {"group_id": group_id, "member_id": member_id, "invitation_id": invitation_id, "now": now},
    )


async def joined_at(tx: Tx, group_id: UUID, invitation_id: UUID, member_id: UUID) -> datetime | None:
    """Return when somebody joined by this invitation, or None."""
    at: datetime | None = await tx.scalar(
        text("""
            SELECT joined_at
              FROM people.invited
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND invitation_id = :invitation_id
        """),
        {"group_id": group_id, "member_id": member_id, "invitation_id": invitation_id},
    )
    return at
