"""Sign-in cards in SQL: hashes of codes, who they are for, and the one use of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class CardRow(NamedTuple):
    """A row of people.cards; the code itself is nowhere."""

    card_id: UUID
    code_hash: bytes
    member_id: UUID
    made_by: UUID | None
    recovers: bool
    made_at: datetime
    expires_at: datetime


class UsedCard(NamedTuple):
    """A card that was just used."""

    card_id: UUID
    member_id: UUID
    recovers: bool


async def insert_card(tx: Tx, group_id: UUID, card: CardRow) -> None:
    """Insert a card of a member who is there."""
    await tx.execute(
        text("""
            INSERT INTO people.cards (group_id, card_id, code_hash, member_id, made_by, recovers,
                                      made_at, expires_at, used_at, used_key)
            VALUES (:group_id, :card_id, :code_hash, :member_id, CAST(:made_by AS uuid), :recovers,
                    :made_at, :expires_at, NULL, NULL)
        """),
        {"group_id": group_id, **card._asdict()},
    )


async def use_card(
    tx: Tx, group_id: UUID, code_hash: bytes, *, key: bytes, now: datetime, again_since: datetime
) -> UsedCard | None:
    """Use a card of somebody active up; None if there is none that still holds.

    Whose card it is is asked in the same statement: a card of somebody who left takes no longer than one that is none.

    Args:
        key: Hash of what tells this sending of a form from others.
        again_since: A card that was used with the same key since then is answered again.
    """
    row = (
        await tx.execute(
            text("""
                UPDATE people.cards AS c
                   SET used_at = coalesce(used_at, :now), used_key = :key
                 WHERE group_id = :group_id
                   AND code_hash = :code_hash
                   AND expires_at > :now
                   AND EXISTS (SELECT FROM people.members AS m
                                WHERE m.group_id = c.group_id
                                  AND m.member_id = c.member_id
                                  AND m.state = 'active')
                   AND (used_at IS NULL OR used_key = :key AND used_at > :again_since)
             RETURNING card_id, member_id, recovers
            """),
            {
                "group_id": group_id,
                "code_hash": code_hash,
                "key": key,
                "now": now,
                "again_since": again_since,
            },
        )
    ).one_or_none()
    return None if row is None else UsedCard(*row)


async def delete_card(tx: Tx, group_id: UUID, card_id: UUID, *, member_id: UUID | None = None) -> UUID | None:
    """Take a card back that was not used yet; return whose it was, or None if there is none.

    Args:
        member_id: Only a card of this member; None for anybody's.
    """
    found = await tx.execute(
        text("""
            DELETE FROM people.cards
             WHERE group_id = :group_id
               AND card_id = :card_id
               AND used_at IS NULL
               AND (CAST(:member_id AS uuid) IS NULL OR member_id = CAST(:member_id AS uuid))
         RETURNING member_id
        """),
        {"group_id": group_id, "card_id": card_id, "member_id": member_id},
    )
    return found.scalar_one_or_none()


async def delete_old_cards(tx: Tx, group_id: UUID, *, now: datetime, used_before: datetime) -> list[UUID]:
    """Sweep cards that expired or were used; return whose they were, each once."""
    found = await tx.execute(
        text("""
            DELETE FROM people.cards
             WHERE group_id = :group_id
               AND (expires_at <= :now OR used_at < :used_before)
         RETURNING member_id
        """),
        {"group_id": group_id, "now": now, "used_before": used_before},
    )
    return sorted(set(found.scalars()))


async def list_cards(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> list[CardRow]:
    """Return a member's cards that still hold, newest first."""
    rows = await tx.execute(
        text("""
            SELECT card_id, code_hash, member_id, made_by, recovers, made_at, expires_at
              FROM people.cards
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND used_at IS NULL
               AND expires_at > :now
          ORDER BY made_at DESC, card_id
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return [CardRow(*row) for row in rows]
