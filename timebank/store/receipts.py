"""One's own entries by their id, for receipts: whoever has no part in one finds nothing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from timebank.store.engine import Tx


class OwnEntry(NamedTuple):
    """An entry of somebody, with what opens it; ``origin`` and ``epoch`` are of the book now."""

    commitment: bytes
    record: bytes
    salt: bytes
    recorded_at: datetime
    origin: str
    epoch: int
    time_zone: str


async def find_own_entry(
    tx: Tx, group_id: UUID, entry_id: UUID, *, member_id: UUID, accounts: Collection[int]
) -> OwnEntry | None:
    """Return an entry that somebody gave, received, logged or drew; None for anybody else's, or none.

    Args:
        accounts: Numbers of the member's accounts.
    """
    row = (
        await tx.execute(
            text("""
                SELECT r.commitment, r.record, r.salt, e.recorded_at, g.origin, b.epoch, g.time_zone
                  FROM timebank.entries AS e
                  JOIN timebank.records AS r ON r.group_id = e.group_id AND r.seq = e.seq
                  JOIN timebank.groups AS g ON g.group_id = e.group_id
                  JOIN timebank.book_heads AS b ON b.group_id = e.group_id
                 WHERE e.group_id = :group_id
                   AND e.entry_id = :entry_id
                   AND (EXISTS (SELECT FROM timebank.transfers AS t
                                 WHERE t.group_id = e.group_id
                                   AND t.seq = e.seq
                                   AND (t.debit_account = ANY(CAST(:accounts AS bigint[]))
                                        OR t.credit_account = ANY(CAST(:accounts AS bigint[]))))
                        OR EXISTS (SELECT FROM timebank.hours AS h
                                    WHERE h.group_id = e.group_id
                                      AND h.hours_id = e.entry_id
                                      AND (h.receiver_account = ANY(CAST(:accounts AS bigint[]))
                                           OR h.logged_by = ANY(CAST(:accounts AS bigint[]))))
                        OR EXISTS (SELECT FROM timebank.draw_hands AS d
                                    WHERE d.group_id = e.group_id
                                      AND d.draw_id = e.draw_id
                                      AND d.member_id = :member_id
                                      AND d.asked))
            """),
            {
                "group_id": group_id,
                "entry_id": entry_id,
                "member_id": member_id,
                "accounts": list(accounts),
            },
        )
    ).one_or_none()
    if row is None:
        return None
    commitment, record, salt, *rest = row
    return OwnEntry(bytes(commitment), bytes(record), bytes(salt), *rest)
