"""What a database that was put back still has of people who were erased since, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from timebank.store.engine import Tx


class BoxedMember(NamedTuple):
    """Somebody who is not erased here, and the box with their accounts."""

    member_id: UUID
    accounts_box: bytes


async def list_members(tx: Tx, group_id: UUID) -> list[BoxedMember]:
    """Return everybody of a group who is not erased in it."""
    rows = await tx.execute(
        text("""
            SELECT member_id, accounts_box
              FROM people.members
             WHERE group_id = :group_id
               AND state <> 'erased'
        """),
        {"group_id": group_id},
    )
    return [BoxedMember(*row) for row in rows]


async def list_waiting_requests(tx: Tx, group_id: UUID, ids: Collection[UUID]) -> list[UUID]:
    """Return which of these ids are requests to join that still wait."""
    rows = await tx.execute(
        text("""
            SELECT request_id
              FROM people.join_requests
             WHERE group_id = :group_id
               AND request_id = ANY(:ids)
               AND state = 'waiting'
        """),
        {"group_id": group_id, "ids": list(ids)},
    )
    return list(rows.scalars())


async def list_accounts_of_people(tx: Tx, group_id: UUID) -> set[int]:
    """Return the numbers of all accounts that are, or were, somebody's."""
    rows = await tx.execute(
        text("""
            SELECT account_id
              FROM timebank.accounts
             WHERE group_id = :group_id
               AND kind IN ('member', 'exchange')
        """),
        {"group_id": group_id},
    )
    return set(rows.scalars())


async def list_records(tx: Tx, group_id: UUID, kind: str) -> list[bytes]:
    """Return the bytes of all records of a kind, in order; reads the whole book, so for rare occasions."""
    rows = await tx.execute(
        text("""
            SELECT record
              FROM timebank.records
             WHERE group_id = :group_id
               AND kind = :kind
          ORDER BY seq
        """),
        {"group_id": group_id, "kind": kind},
    )
    return [bytes(record) for record in rows.scalars()]


async def find_epoch(tx: Tx, group_id: UUID) -> int:
    """Return the epoch that the book of a group is in."""
    found = await tx.scalar(
        text("SELECT epoch FROM timebank.book_heads WHERE group_id = :group_id"), {"group_id": group_id}
    )
    return int(found or 1)


async def begin_epoch(tx: Tx, group_id: UUID, epoch: int) -> None:
    """Let the book of a group go on in an epoch; the caller holds the group's lock."""
    await tx.execute(
        text("UPDATE timebank.book_heads SET epoch = :epoch WHERE group_id = :group_id"),
        {"group_id": group_id, "epoch": epoch},
    )
