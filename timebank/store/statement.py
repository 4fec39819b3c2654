"""What one member gave, received and asked for, in SQL; the cost of a page does not grow with the book."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.store.engine import Tx

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_LAST_ID = UUID(int=2**128 - 1)


class TotalRow(NamedTuple):
    """What an account has seen, without what was taken back."""

    account_id: int
    kind: str
    unit: str
    given: int
    received: int


class PassedRow(NamedTuple):
    """A transfer from one of the member's accounts, or to it (``came_in``), as corrections are."""

    entry_id: UUID
    leg: int
    at: datetime
    kind: str
    unit: str
    amount: int
    effective_on: date
    category: str
    came_in: bool
    corrected: bool


class ReceivedRow(NamedTuple):
    """Help that reached the member."""

    hours_id: UUID
    at: datetime
    state: str
    minutes: int
    effective_on: date
    category: str


class AskedRow(NamedTuple):
    """A draw that the member asked for, or that was asked for them."""

    draw_id: UUID
    at: datetime
    pot: str
    unit: str
    category: str
    state: str
    needed_by: date | None
    asked: int
    promised: int
    handed: int


class NoteRow(NamedTuple):
    """A sealed note."""

    about_id: UUID
    what: str
    box: bytes


async def list_totals(tx: Tx, group_id: UUID, accounts: Sequence[int]) -> list[TotalRow]:
    """Return what passed through some accounts, from their own rows."""
    rows = await tx.execute(
        text("""
            SELECT account_id, kind, unit,
                   debits - reversal_debits - reversal_credits AS given,
                   credits - reversal_debits - reversal_credits AS received
              FROM timebank.accounts
             WHERE group_id = :group_id
               AND account_id = ANY(CAST(:accounts AS bigint[]))
          ORDER BY unit <> 'minutes', unit COLLATE "C", kind
        """),
        {"group_id": group_id, "accounts": list(accounts)},
    )
    return [TotalRow(*row) for row in rows]


async def list_passed(
    tx: Tx, group_id: UUID, accounts: Sequence[int], *, before: tuple[UUID, int] | None, limit: int
) -> list[PassedRow]:
    """Return transfers that touch some accounts, newest first.

    Args:
        before: (entry, leg) of the last row seen; None begins with the newest.
        limit: Most rows to return.
    """
    rows = await tx.execute(
        text("""
            WITH seen AS (
                SELECT coalesce((SELECT seq
                                   FROM timebank.entries
                                  WHERE group_id = :group_id
                                    AND entry_id = CAST(:entry_id AS uuid)), 9223372036854775807) AS seq
            ), mine AS (
                SELECT t.*
                  FROM unnest(CAST(:accounts AS bigint[])) AS own (account_id)
            CROSS JOIN LATERAL (
                           (SELECT seq, leg, debit_account AS account_id, amount, false AS came_in
                              FROM timebank.transfers
                             WHERE group_id = :group_id
                               AND debit_account = own.account_id
                               AND seq <= (SELECT seq FROM seen)
                          ORDER BY seq DESC
                             LIMIT :reach)
                             UNION ALL
                           (SELECT seq, leg, credit_account, amount, true
                              FROM timebank.transfers
                             WHERE group_id = :group_id
                               AND credit_account = own.account_id
                               AND seq <= (SELECT seq FROM seen)
                          ORDER BY seq DESC
                             LIMIT :reach)
                       ) AS t
            )
            SELECT e.entry_id, m.leg, e.recorded_at, e.kind, a.unit, m.amount, e.effective_on, e.category,
                   m.came_in,
                   EXISTS (SELECT FROM timebank.entries AS c
                            WHERE c.group_id = e.group_id AND c.reverses_seq = e.seq) AS corrected
              FROM mine AS m
              JOIN timebank.entries AS e ON e.group_id = :group_id AND e.seq = m.seq
              JOIN timebank.accounts AS a ON a.group_id = :group_id AND a.account_id = m.account_id
             WHERE m.seq < (SELECT seq FROM seen) OR m.leg < CAST(:leg AS integer)
          ORDER BY m.seq DESC, m.leg DESC
             LIMIT :limit
        """),
        {
            "group_id": group_id,
            "accounts": list(accounts),
            "entry_id": None if before is None else before[0],
            "leg": 0 if before is None else before[1],
            "limit": limit,
            # The legs of the entry that was seen last come once more before they are left out.
            "reach": limit + 8,
        },
    )
    return [PassedRow(*row) for row in rows]


async def list_received(
    tx: Tx, group_id: UUID, account: int, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[ReceivedRow]:
    """Return help that reached the member with this account, newest first; see list_passed.

    Hours between two people are among what passed through the member's accounts, once they are posted.
    """
    rows = await tx.execute(
        text("""
            SELECT hours_id, logged_at, state, minutes, effective_on, category
              FROM timebank.hours
             WHERE group_id = :group_id
               AND receiver_account = :account
               AND logged_at <= CAST(:at AS timestamptz)
               AND (logged_at, hours_id) < (CAST(:at AS timestamptz), CAST(:hours_id AS uuid))
               AND seq IS NOT NULL
               AND NOT EXISTS (SELECT FROM timebank.entries AS e
                                WHERE e.group_id = hours.group_id
                                  AND e.entry_id = hours.hours_id
                                  AND e.kind = 'help_exchanged')
          ORDER BY logged_at DESC, hours_id DESC
             LIMIT :limit
        """),
        {"group_id": group_id, "account": account, "limit": limit, **_before(before, "hours_id")},
    )
    return [ReceivedRow(*row) for row in rows]


async def list_asked(
    tx: Tx, group_id: UUID, member_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[AskedRow]:
    """Return draws that a member asked for, newest first; see list_passed."""
    rows = await tx.execute(
        text("""
            SELECT d.draw_id, d.asked_at, p.code, p.unit, d.category, d.state, d.needed_by,
                   d.amount_asked, d.amount_promised, d.amount_handed
              FROM timebank.draw_hands AS h
              JOIN timebank.draws AS d ON d.group_id = h.group_id AND d.draw_id = h.draw_id
              JOIN timebank.pots AS p ON p.group_id = d.group_id AND p.pot_id = d.pot_id
             WHERE h.group_id = :group_id
               AND h.member_id = :member_id
               AND h.asked
               AND (d.asked_at, d.draw_id) < (CAST(:at AS timestamptz), CAST(:draw_id AS uuid))
          ORDER BY d.asked_at DESC, d.draw_id DESC
             LIMIT :limit
        """),
        {"group_id": group_id, "member_id": member_id, "limit": limit, **_before(before, "draw_id")},
    )
    return [AskedRow(*row) for row in rows]


async def find_asked_place(
    tx: Tx, group_id: UUID, member_id: UUID, draw_id: UUID | None
) -> tuple[datetime, UUID] | None:
    """Return after which of the draws that a member asked for a page begins; None if this is none of them."""
    rows = await tx.execute(
        text("""
            SELECT d.asked_at, d.draw_id
              FROM timebank.draw_hands AS h
              JOIN timebank.draws AS d ON d.group_id = h.group_id AND d.draw_id = h.draw_id
             WHERE h.group_id = :group_id
               AND h.member_id = :member_id
               AND h.asked
               AND d.draw_id = :draw_id
        """),
        {"group_id": group_id, "member_id": member_id, "draw_id": draw_id},
    )
    row = rows.one_or_none()
    return None if row is None else (row[0], row[1])


async def list_notes(tx: Tx, group_id: UUID, member_id: UUID, about_ids: Sequence[UUID]) -> list[NoteRow]:
    """Return what a member wrote about some entries and draws, still sealed."""
    rows = await tx.execute(
        text("""
            SELECT about_id, what, box
              FROM people.notes
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND about_id = ANY(CAST(:about_ids AS uuid[]))
               AND what IN ('note', 'reference')
        """),
        {"group_id": group_id, "member_id": member_id, "about_ids": list(about_ids)},
    )
    return [NoteRow(*row) for row in rows]


async def list_entered_by_others(
    tx: Tx, group_id: UUID, account: int, hours_ids: Sequence[UUID]
) -> list[tuple[UUID, int]]:
    """Return (id, account number of who logged it) of those hours that somebody else logged."""
    if not hours_ids:
        return []
    rows = await tx.execute(
        text("""
            SELECT hours_id, logged_by
              FROM timebank.hours
             WHERE group_id = :group_id
               AND hours_id = ANY(CAST(:hours_ids AS uuid[]))
               AND logged_by <> :account
        """),
        {"group_id": group_id, "hours_ids": list(hours_ids), "account": account},
    )
    return [(row[0], row[1]) for row in rows]


async def list_writers_for(tx: Tx, group_id: UUID, member_id: UUID) -> list[tuple[UUID, bytes, bytes]]:
    """Return (id, nickname box, accounts box) of those who could enter something for a member, then or now."""
    rows = await tx.execute(
        text("""
            SELECT m.member_id, m.nickname_box, m.accounts_box
              FROM people.members AS m
             WHERE m.group_id = :group_id
               AND m.state <> 'erased'
               AND m.member_id <> :member_id
               AND (EXISTS (SELECT FROM people.stand_ins AS s
                             WHERE s.group_id = m.group_id
                               AND s.stand_in = m.member_id
                               AND s.member_id = :member_id)
                    OR EXISTS (SELECT FROM people.member_roles AS r
                                WHERE r.group_id = m.group_id
                                  AND r.member_id = m.member_id
                                  AND r.role = 'steward'))
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _before(before: tuple[datetime, UUID] | None, name: str) -> dict[str, object]:
    at, seen = before if before is not None else (_END_OF_TIME, _LAST_ID)
    return {"at": at, name: seen}


async def list_notes_of_others(
    tx: Tx, group_id: UUID, about: Sequence[UUID]
) -> list[tuple[UUID, str, UUID, bytes]]:
    """Return (about, what, author, box) of every note about these things, whoever wrote it."""
    if not about:
        return []
    rows = await tx.execute(
        text("""
            SELECT about_id, what, member_id, box
              FROM people.notes
             WHERE group_id = :group_id
               AND about_id = ANY(CAST(:about AS uuid[]))
        """),
        {"group_id": group_id, "about": list(about)},
    )
    return [tuple(row) for row in rows]
