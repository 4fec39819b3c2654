"""Answers under their keys in SQL, for what does not go through the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from timebank.store.book import StoredAnswer

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.book import AnswerRow
    from timebank.store.engine import Tx


async def find_answer(tx: Tx, group_id: UUID, answer_id: UUID) -> StoredAnswer | None:
    """Return what was answered before, or None."""
    row = (
        await tx.execute(
            text("""
                SELECT request_hash, status, body
                  FROM timebank.answers
                 WHERE group_id = :group_id
                   AND answer_id = :answer_id
            """),
            {"group_id": group_id, "answer_id": answer_id},
        )
    ).one_or_none()
    return None if row is None else StoredAnswer(*row)


async def insert_answer(tx: Tx, group_id: UUID, answer: AnswerRow, *, now: datetime) -> bool:
    """Keep an answer; False if its key has one already, which stays."""
    result = await tx.execute(
        text("""
            INSERT INTO timebank.answers (group_id, answer_id, request_hash, status, body, answered_at)
            VALUES (:group_id, :answer_id, :request_hash, :status, :body, :now)
       ON CONFLICT DO NOTHING
        """),
        {"group_id": group_id, **answer._asdict(), "now": now},
    )
    return result.rowcount == 1
