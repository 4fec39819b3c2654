"""The pots of a group as they are now, or as they were at a moment, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class PotFigures(NamedTuple):
    """A pot's two accounts, each with its balance now."""

    code: str
    unit: str
    number: int
    pot_account: int
    promised_account: int
    available: int
    promised: int


class PlaceFigures(NamedTuple):
    """A held place with what is in it now."""

    code: str
    kind: str
    number: int
    unit: str
    account_id: int
    amount: int


async def list_pots(tx: Tx, group_id: UUID) -> list[PotFigures]:
    """Return all pots with their balances now, hours first, then by number."""
    rows = await tx.execute(
        text("""
            SELECT p.code, p.unit, p.number, p.pot_account, p.promised_account,
                   a.credits - a.debits AS available, b.credits - b.debits AS promised
              FROM timebank.pots AS p
              JOIN timebank.accounts AS a ON a.group_id = p.group_id AND a.account_id = p.pot_account
              JOIN timebank.accounts AS b ON b.group_id = p.group_id AND b.account_id = p.promised_account
             WHERE p.group_id = :group_id
          ORDER BY p.unit <> 'minutes', p.unit COLLATE "C", p.number
        """),
        {"group_id": group_id},
    )
    return [PotFigures(*row) for row in rows]


async def list_places(tx: Tx, group_id: UUID) -> list[PlaceFigures]:
    """Return all held places with what is in them now, by unit, kind and number."""
    rows = await tx.execute(
        text("""
            SELECT h.code, h.kind, h.number, h.unit, h.account_id, a.debits - a.credits AS amount
              FROM timebank.held_places AS h
              JOIN timebank.accounts AS a ON a.group_id = h.group_id AND a.account_id = h.account_id
             WHERE h.group_id = :group_id
          ORDER BY h.unit COLLATE "C", h.kind, h.number
        """),
        {"group_id": group_id},
    )
    return [PlaceFigures(*row) for row in rows]


async def find_head_seq(tx: Tx, group_id: UUID) -> int:
    """Return the seq of the last record of the book."""
    found = await tx.execute(
        text("SELECT seq FROM timebank.book_heads WHERE group_id = :group_id"), {"group_id": group_id}
    )
    return int(found.scalar_one())


async def find_seq_before(tx: Tx, group_id: UUID, moment: datetime) -> int:
    """Return the seq of the last entry recorded before a moment; 0 if there is none.

    recorded_at never decreases along seq, so halving finds it in as many steps as a number has
    bits, by the primary key and without an index on time.
    """
    found = await tx.execute(
        text("""
            WITH RECURSIVE halving AS (
                SELECT CAST(0 AS bigint) AS low, seq AS high
                  FROM timebank.book_heads
                 WHERE group_id = :group_id
                 UNION ALL
                SELECT CASE WHEN e.recorded_at IS NULL OR e.recorded_at < :moment
                            THEN (h.low + h.high + 1) / 2
                            ELSE h.low END,
                       CASE WHEN e.recorded_at IS NULL OR e.recorded_at < :moment
                            THEN h.high
                            ELSE e.seq - 1 END
                  FROM halving AS h
             LEFT JOIN LATERAL (
                           SELECT seq, recorded_at
                             FROM timebank.entries
                            WHERE group_id = :group_id
                              AND seq <= (h.low + h.high + 1) / 2
                         ORDER BY seq DESC
                            LIMIT 1
                       ) AS e ON true
                 WHERE h.low < h.high
            )
            SELECT max(low) FROM halving WHERE low >= high
        """),
        {"group_id": group_id, "moment": moment},
    )
    return int(found.scalar() or 0)


async def find_balances_at(tx: Tx, group_id: UUID, accounts: Sequence[int], seq: int) -> dict[int, int]:
    """Return credits - debits of accounts just after a record, by account number; 0 before any transfer.

    Two index look-ups for each account, however long the book is.
    """
    rows = await tx.execute(
        text("""
            SELECT wanted.account_id, coalesce(last.balance, 0) AS balance
              FROM unnest(CAST(:accounts AS bigint[])) AS wanted (account_id)
         LEFT JOIN LATERAL (
                       SELECT balance
                         FROM ((SELECT seq, leg, debit_balance AS balance
                                  FROM timebank.transfers
                                 WHERE group_id = :group_id
                                   AND debit_account = wanted.account_id
                                   AND seq <= :seq
                              ORDER BY seq DESC, leg DESC
                                 LIMIT 1)
                                 UNION ALL
                               (SELECT seq, leg, credit_balance
                                  FROM timebank.transfers
                                 WHERE group_id = :group_id
                                   AND credit_account = wanted.account_id
                                   AND seq <= :seq
                              ORDER BY seq DESC, leg DESC
                                 LIMIT 1)) AS ends
                     ORDER BY seq DESC, leg DESC
                        LIMIT 1
                   ) AS last ON true
        """),
        {"group_id": group_id, "accounts": list(accounts), "seq": seq},
    )
    return {row[0]: row[1] for row in rows}
