"""Reading a book for an export: one short cut of what moves, then what never changes, page by page.

A journal is in the order of days, the book in that of records. The database sorts once, over
immutable rows, and gives the order back as packed numbers (8 bytes an entry). So no cursor and
no connection is held while somebody reads slowly, and a snapshot lasts as long as one sort.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.ledger.entries import Transfer
from timebank.rules.journal import BookAccount, JournalEntry

if TYPE_CHECKING:
    from timebank.store.engine import Tx

PAGE: Final = 1_000
"""Entries of one page; a page is one transaction of some milliseconds."""

SUMMED: Final = 50_000
"""Records that are added up at once; a fraction of a second."""

#: Sorting ten million entries takes longer than a page may.
_SORT_SECONDS: Final = 300


class BookCut(NamedTuple):
    """A book as it stands at one moment.

    Attributes:
        seq: Number of the last record.
        accounts: All of them, those of pots and places with the code of their owner.
        balances: Debits - credits by account.
    """

    name: str
    slug: str
    began_on: date
    seq: int
    accounts: list[BookAccount]
    balances: dict[int, int]


async def read_cut(tx: Tx, group_id: UUID) -> BookCut:
    """Return the head of a group that is there, and its accounts."""
    group = (
        await tx.execute(
            text("""
                SELECT g.name, g.slug, g.began_on, h.seq
                  FROM timebank.groups AS g
                  JOIN timebank.book_heads AS h ON h.group_id = g.group_id
                 WHERE g.group_id = :group_id
            """),
            {"group_id": group_id},
        )
    ).one()
    rows = await tx.execute(
        text("""
            SELECT a.account_id, a.kind, a.unit, coalesce(p.code, h.code, '') AS owner,
                   a.debits - a.credits AS balance
              FROM timebank.accounts AS a
         LEFT JOIN timebank.pots AS p
                ON p.group_id = a.group_id
               AND p.pot_account = a.pot_account
         LEFT JOIN timebank.held_places AS h
                ON h.group_id = a.group_id
               AND h.account_id = a.account_id
             WHERE a.group_id = :group_id
          ORDER BY a.account_id
        """),
        {"group_id": group_id},
    )
    accounts, balances = [], {}
    for *account, balance in rows:
        accounts.append(BookAccount(*account))
        balances[account[0]] = balance
    return BookCut(group.name, group.slug, group.began_on, group.seq, accounts, balances)


class ClosedPeriod(NamedTuple):
    """The last day of a closed period, and the last record that it covers."""

    last_day: date
    through_seq: int


async def find_close(tx: Tx, group_id: UUID, period: int) -> ClosedPeriod | None:
    """Return the close of a period, or None if it is not closed."""
    row = (
        await tx.execute(
            text("""
                SELECT last_day, through_seq
                  FROM timebank.closes
                 WHERE group_id = :group_id
                   AND period = :period
            """),
            {"group_id": group_id, "period": period},
        )
    ).one_or_none()
    return None if row is None else ClosedPeriod(*row)


# Accounts that nothing moved through are left out: for each of them the planner, which takes every
# account for equally busy, would walk the whole book before it finds nothing.
_FIRST_SEEN: Final = """
    SELECT a.account_id,
           least((SELECT min(t.seq)
                    FROM timebank.transfers AS t
                   WHERE t.group_id = :group_id
                     AND t.debit_account = a.account_id
                     AND t.seq <= :through_seq),
                 (SELECT min(t.seq)
                    FROM timebank.transfers AS t
                   WHERE t.group_id = :group_id
                     AND t.credit_account = a.account_id
                     AND t.seq <= :through_seq)) AS seq
      FROM timebank.accounts AS a
     WHERE a.group_id = :group_id
       AND a.kind IN ('member', 'exchange')
       AND a.debits + a.credits > 0
"""
_SIDES: Final = """
    SELECT seq, debit_account, credit_account
      FROM timebank.transfers
     WHERE group_id = :group_id
       AND seq = ANY(CAST(:seqs AS bigint[]))
  ORDER BY seq, leg
"""


async def list_first_seen(tx: Tx, group_id: UUID, *, through_seq: int) -> list[int]:
    """Return the accounts of members that the book names up to a seq, in the order in which it first does."""
    rows = await tx.execute(text(_FIRST_SEEN), {"group_id": group_id, "through_seq": through_seq})
    first = {number: seq for number, seq in rows if seq is not None}
    sides = await tx.execute(text(_SIDES), {"group_id": group_id, "seqs": sorted(set(first.values()))})
    # On one transfer the debit is named before the credit.
    named = [number for seq, debit, credit in sides for number in (debit, credit) if first.get(number) == seq]
    return list(dict.fromkeys(named))


async def sum_balances(
    tx: Tx, group_id: UUID, *, after_seq: int, through_seq: int, through_day: date | None
) -> dict[int, int]:
    """Return debits - credits by account, added up from the transfers of some records themselves.

    Args:
        after_seq: Last record before them; at most ``SUMMED`` of them count at once.
        through_seq: Last of them.
        through_day: Last effective day that counts; None for all.
    """
    assert through_seq - after_seq <= SUMMED, (after_seq, through_seq)
    rows = await tx.execute(
        text("""
            SELECT side.account_id, CAST(sum(side.amount) AS bigint) AS balance
              FROM timebank.entries AS e
              JOIN timebank.transfers AS t
                ON t.group_id = e.group_id
               AND t.seq = e.seq
        CROSS JOIN LATERAL (VALUES (t.debit_account, t.amount), (t.credit_account, -t.amount))
                AS side (account_id, amount)
             WHERE e.group_id = :group_id
               AND e.seq > :after_seq
               AND e.seq <= :through_seq
               AND t.group_id = :group_id
               AND t.seq > :after_seq
               AND t.seq <= :through_seq
               AND e.effective_on <= CAST(:through_day AS date)
          GROUP BY side.account_id
        """),
        {
            "group_id": group_id,
            "after_seq": after_seq,
            "through_seq": through_seq,
            "through_day": through_day or date.max,
        },
    )
    return {row.account_id: row.balance for row in rows}


async def list_seqs_by_day(
    tx: Tx, group_id: UUID, *, through_seq: int, first: date | None, last: date | None
) -> array[int]:
    """Return the numbers of entries by effective day and then by number.

    Args:
        through_seq: Last record to look at.
        first, last: Effective days, both included; None for no bound.
    """
    await tx.execute(text(f"SET LOCAL statement_timeout = '{_SORT_SECONDS}s'"))
    packed = await tx.scalar(
        text("""
            SELECT string_agg(int8send(seq), '' ORDER BY effective_on, seq)
              FROM timebank.entries
             WHERE group_id = :group_id
               AND seq <= :through_seq
               AND effective_on BETWEEN CAST(:first AS date) AND CAST(:last AS date)
        """),
        {
            "group_id": group_id,
            "through_seq": through_seq,
            "first": first or date.min,
            "last": last or date.max,
        },
    )
    seqs = array("q", packed or b"")
    if sys.byteorder == "little":
        seqs.byteswap()
    return seqs


async def list_entries(
    tx: Tx, group_id: UUID, seqs: Sequence[int], *, units: dict[int, str]
) -> list[JournalEntry]:
    """Return entries in the order of their numbers in ``seqs``, at most a page of them.

    Args:
        units: Unit of each account.
    """
    assert len(seqs) <= PAGE, len(seqs)
    wanted = {"group_id": group_id, "seqs": list(seqs)}
    transfers = await tx.execute(
        text("""
            SELECT seq, debit_account, credit_account, amount
              FROM timebank.transfers
             WHERE group_id = :group_id
               AND seq = ANY(CAST(:seqs AS bigint[]))
          ORDER BY seq, leg
        """),
        wanted,
    )
    legs: dict[int, list[Transfer]] = {}
    for seq, debit, credit, amount in transfers:
        legs.setdefault(seq, []).append(Transfer(units[debit], debit, credit, amount))
    # A join here would be one of two whole tables until somebody has analysed them.
    entries = await tx.execute(
        text("""
            SELECT e.seq, e.entry_id, e.kind, e.category, e.effective_on, e.draw_id,
                   (SELECT r.entry_id
                      FROM timebank.entries AS r
                     WHERE r.group_id = e.group_id
                       AND r.seq = e.reverses_seq) AS corrects
              FROM timebank.entries AS e
             WHERE e.group_id = :group_id
               AND e.seq = ANY(CAST(:seqs AS bigint[]))
        """),
        wanted,
    )
    found = {seq: JournalEntry._make((*entry, tuple(legs[seq]))) for seq, *entry in entries}
    return [found[seq] for seq in seqs]
