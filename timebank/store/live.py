"""The pots of a group as they are now, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
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
