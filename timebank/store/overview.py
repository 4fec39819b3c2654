"""What pages show of people and their own entries beside what the lists give, in SQL."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.store.members import open_nickname

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore


class HoursSeen(NamedTuple):
    """Hours with the commitment of the record that posted them; None while they wait for a yes."""

    hours_id: UUID
    state: str
    giver_account: int
    receiver_account: int | None
    logged_by: int
    draw_id: UUID | None
    minutes: int
    effective_on: date
    category: str
    logged_at: datetime
    commitment: bytes | None


async def list_hours_of(tx: Tx, group_id: UUID, hours_ids: Sequence[UUID], account: int) -> list[HoursSeen]:
    """Return those of some hours that a member gave, received or logged, in no order."""
    rows = await tx.execute(
        text("""
            SELECT h.hours_id, h.state, h.giver_account, h.receiver_account, h.logged_by, h.draw_id,
                   h.minutes, h.effective_on, h.category, h.logged_at, r.commitment
              FROM timebank.hours AS h
         LEFT JOIN timebank.records AS r ON r.group_id = h.group_id AND r.seq = h.seq
             WHERE h.group_id = :group_id
               AND h.hours_id = ANY(CAST(:hours_ids AS uuid[]))
               AND :account IN (h.giver_account, h.receiver_account, h.logged_by)
        """),
        {"group_id": group_id, "hours_ids": list(hours_ids), "account": account},
    )
    return [HoursSeen(*row) for row in rows]


async def sum_received(tx: Tx, group_id: UUID, account: int) -> int:
    """Return the minutes of help in the book that reached a member and still count."""
    found = await tx.execute(
        text("""
            SELECT coalesce(sum(minutes), 0)::bigint
              FROM timebank.hours
             WHERE group_id = :group_id
               AND receiver_account = :account
               AND seq IS NOT NULL
               AND state IN ('logged', 'questioned', 'confirmed')
        """),
        {"group_id": group_id, "account": account},
    )
    return int(found.scalar_one())


async def find_nicknames(
    tx: Tx, keys: KeyStore, group_id: UUID, member_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return the nicknames of members by id; who was erased is left out."""
    if not member_ids:
        return {}
    rows = await tx.execute(
        text("""
            SELECT member_id, nickname_box
              FROM people.members
             WHERE group_id = :group_id
               AND member_id = ANY(CAST(:member_ids AS uuid[]))
        """),
        {"group_id": group_id, "member_ids": list(member_ids)},
    )
    names = {row.member_id: open_nickname(keys, group_id, row.member_id, row.nickname_box) for row in rows}
    return {member_id: name for member_id, name in names.items() if name}
