"""Money beside the balances, in SQL: references that came in before, proposals, and places."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.ledger.entries import EntryKind
from timebank.rules.state import HeldPlace, Proposal, Reference
from timebank.store.boxes import blind_reference

if TYPE_CHECKING:
    from datetime import date, datetime

    from timebank.rules.state import Treasury
    from timebank.store.engine import Raw, Tx
    from timebank.store.keys import KeyStore

# What was taken back meanwhile did not come in.
_REFERENCES = """
    SELECT r.reference_index, r.held_account, r.amount, r.entry_id
      FROM timebank.money_references AS r
      JOIN timebank.entries AS e ON e.group_id = r.group_id AND e.entry_id = r.entry_id
     WHERE r.group_id = $1
       AND r.reference_index = ANY($2::bytea[])
       AND NOT EXISTS (SELECT FROM timebank.entries AS c
                        WHERE c.group_id = e.group_id AND c.reverses_seq = e.seq)
  ORDER BY e.seq
"""

_REFER = """
    INSERT INTO timebank.money_references (group_id, reference_index, entry_id, held_account, amount)
    SELECT $1, u.*
      FROM unnest($2::bytea[], $3::uuid[], $4::bigint[], $5::bigint[]) AS u
"""

_CARRY = """
    INSERT INTO timebank.money_references (group_id, reference_index, entry_id, held_account, amount)
    SELECT r.group_id, r.reference_index, u.right_id, u.held_account, u.amount
      FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[])
        AS u (wrong_id, right_id, held_account, amount)
      JOIN timebank.money_references AS r ON r.group_id = $1 AND r.entry_id = u.wrong_id
"""

_FIND = """
    SELECT proposal_id, kind, body::text, state, proposed_by, proposed_at, signed_by, entry_id
      FROM timebank.proposals
     WHERE group_id = $1
       AND proposal_id = ANY($2::uuid[])
"""

_INSERT = """
    INSERT INTO timebank.proposals (group_id, proposal_id, kind, body, state, proposed_by, signed_by, entry_id,
                                    proposed_at, changed_at)
    VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, $9, $9)
"""

_UPDATE = """
    UPDATE timebank.proposals
       SET state = $3, signed_by = $4, entry_id = $5, changed_at = $6
     WHERE group_id = $1
       AND proposal_id = $2
"""

_OPEN_ACCOUNT = """
    INSERT INTO timebank.accounts (group_id, account_id, kind, unit, pot_account, floor, closed,
                                   debits, credits, reversal_debits, reversal_credits)
    VALUES ($1, $2, 'held', $3, 0, 0, false, 0, 0, 0, 0)
"""

_OPEN_PLACE = """
    INSERT INTO timebank.held_places (group_id, held_id, code, kind, number, unit, account_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_CLOSE = "UPDATE timebank.accounts SET closed = $3 WHERE group_id = $1 AND account_id = $2"

_NEW_SETUP = "UPDATE timebank.book_heads SET setup_version = setup_version + 1 WHERE group_id = $1"

_HAS_ENTRIES = "SELECT EXISTS (SELECT FROM timebank.entries WHERE group_id = $1 AND kind <> $2)"


async def find_references(
    connection: Raw, keys: KeyStore, group_id: UUID, folded: Collection[str]
) -> dict[Reference, UUID]:
    """Return the entries that came in under these references, the last of each kind."""
    if not folded:
        return {}
    key = keys.index_key(group_id)
    indexes = {blind_reference(key, words): words for words in folded}
    rows = await connection.fetch(_REFERENCES, group_id, list(indexes))
    return {Reference(indexes[index], account, amount): entry for index, account, amount, entry in rows}


async def find_proposals(
    connection: Raw, group_id: UUID, proposal_ids: Collection[UUID]
) -> dict[UUID, Proposal]:
    """Return the proposals with these ids, by id; unknown ids are left out."""
    if not proposal_ids:
        return {}
    rows = await connection.fetch(_FIND, group_id, list(proposal_ids))
    return {row[0]: Proposal(row[0], row[1], json.loads(row[2]), *row[3:]) for row in rows}


async def has_entries(connection: Raw, group_id: UUID) -> bool:
    """Say whether the book has an entry that is no opening."""
    return bool(await connection.fetchval(_HAS_ENTRIES, group_id, EntryKind.OPENING.value))


async def write_treasury(
    connection: Raw, keys: KeyStore, group_id: UUID, treasury: Treasury, *, now: datetime
) -> None:
    """Write what a batch did with references, proposals and places."""
    await _write_references(connection, keys, group_id, treasury)
    new = {proposal.proposal_id for proposal in treasury.new_proposals}
    for proposal in treasury.new_proposals:
        body = json.dumps(proposal.body)
        await connection.execute(
            _INSERT,
            group_id,
            proposal.proposal_id,
            proposal.kind,
            body,
            proposal.state,
            proposal.proposed_by,
            proposal.signed_by,
            proposal.entry_id,
            proposal.proposed_at,
        )
    for proposal_id, proposal in treasury.changed_proposals.items():
        if proposal_id not in new:
            await connection.execute(
                _UPDATE,
                group_id,
                proposal_id,
                proposal.state,
                proposal.signed_by,
                proposal.entry_id,
                now,
            )
    await _write_places(connection, group_id, treasury.new_places, treasury.closed)


async def _write_references(connection: Raw, keys: KeyStore, group_id: UUID, treasury: Treasury) -> None:
    if treasury.new_references:
        key = keys.index_key(group_id)
        rows = [
            (blind_reference(key, known.folded), entry_id, known.held_account, known.amount)
            for known, entry_id in treasury.new_references
        ]
        await connection.execute(_REFER, group_id, *zip(*rows, strict=True))
    if treasury.carried:
        await connection.execute(_CARRY, group_id, *zip(*treasury.carried, strict=True))


async def _write_places(
    connection: Raw, group_id: UUID, places: Sequence[HeldPlace], closed: Mapping[int, bool]
) -> None:
    for place in places:
        await connection.execute(_OPEN_ACCOUNT, group_id, place.account_id, place.unit)
        await connection.execute(_OPEN_PLACE, group_id, *place)
    for account_id, is_closed in closed.items():
        await connection.execute(_CLOSE, group_id, account_id, is_closed)
    if places:
        # Writers read the set-up anew. In public nothing moves but at a close, which shows the place.
        await connection.execute(_NEW_SETUP, group_id)


# ---------------------------------------------------------------- lists


class ListedPlace(NamedTuple):
    """A held place with what is in it now, in the smallest coins of ``unit``."""

    code: str
    kind: str
    number: int
    unit: str
    amount: int
    closed: bool


async def list_places(tx: Tx, group_id: UUID) -> list[ListedPlace]:
    """Return all held places, by unit, kind and number."""
    rows = await tx.execute(
        text("""
            SELECT h.code, h.kind, h.number, h.unit, a.debits - a.credits AS amount, a.closed
              FROM timebank.held_places AS h
              JOIN timebank.accounts AS a ON a.group_id = h.group_id AND a.account_id = h.account_id
             WHERE h.group_id = :group_id
          ORDER BY h.unit COLLATE "C", h.kind, h.number
        """),
        {"group_id": group_id},
    )
    return [ListedPlace(*row) for row in rows]


async def list_proposals(
    tx: Tx,
    group_id: UUID,
    *,
    state: str | None,
    kind: str | None,
    before: tuple[datetime, UUID],
    limit: int,
) -> list[Proposal]:
    """Return proposals, newest first.

    Args:
        before: (proposed_at, id) of the last one seen.
        state, kind: Only these; None for all.
    """
    rows = await tx.execute(
        text("""
            SELECT proposal_id, kind, body::text, state, proposed_by, proposed_at, signed_by, entry_id
              FROM timebank.proposals
             WHERE group_id = :group_id
               AND (proposed_at, proposal_id) < (CAST(:at AS timestamptz), CAST(:proposal_id AS uuid))
               AND (CAST(:state AS text) IS NULL OR state = :state)
               AND (CAST(:kind AS text) IS NULL OR kind = :kind)
          ORDER BY proposed_at DESC, proposal_id DESC
             LIMIT :limit
        """),
        {
            "group_id": group_id,
            "at": before[0],
            "proposal_id": before[1],
            "state": state,
            "kind": kind,
            "limit": limit,
        },
    )
    return [_proposal(row) for row in rows]


async def list_overdue(tx: Tx, group_id: UUID, *, before: datetime, limit: int) -> list[UUID]:
    """Return open proposals that were made before a moment, oldest first."""
    rows = await tx.execute(
        text("""
            SELECT proposal_id
              FROM timebank.proposals
             WHERE group_id = :group_id
               AND state = 'open'
               AND proposed_at <= :before
          ORDER BY proposed_at
             LIMIT :limit
        """),
        {"group_id": group_id, "before": before, "limit": limit},
    )
    return list(rows.scalars())


class MoneyRow(NamedTuple):
    """An entry with everything that it moved.

    Attributes:
        draw_state: State of its draw now; None if it has none.
        corrects, corrected_by: The entry that it takes back, and the one that took it back.
        moved: (debit account, credit account, amount) of each transfer, in order.
    """

    entry_id: UUID
    kind: str
    category: str
    effective_on: date
    recorded_at: datetime
    draw_id: UUID | None
    draw_state: str | None
    commitment: bytes
    corrects: UUID | None
    corrected_by: UUID | None
    moved: tuple[tuple[int, int, int], ...]


_ENTRIES = """
    SELECT e.entry_id, e.kind, e.category, e.effective_on, e.recorded_at, e.draw_id, d.state,
           r.commitment, w.entry_id, c.entry_id,
           (SELECT json_agg(json_build_array(t.debit_account, t.credit_account, t.amount) ORDER BY t.leg)::text
              FROM timebank.transfers AS t
             WHERE t.group_id = e.group_id
               AND t.seq = e.seq)
      FROM timebank.entries AS e
      JOIN timebank.records AS r ON r.group_id = e.group_id AND r.seq = e.seq
 LEFT JOIN timebank.entries AS w ON w.group_id = e.group_id AND w.seq = e.reverses_seq
 LEFT JOIN timebank.entries AS c ON c.group_id = e.group_id AND c.reverses_seq = e.seq
 LEFT JOIN timebank.draws AS d ON d.group_id = e.group_id AND d.draw_id = e.draw_id
"""

# By the index of each place: as many steps as rows are wanted, however long the book of hours is.
_LAST = """
     WHERE e.group_id = :group_id
       AND e.seq IN (SELECT t.seq
                       FROM unnest(CAST(:accounts AS bigint[])) AS place (account_id)
                 CROSS JOIN LATERAL ((SELECT seq
                                        FROM timebank.transfers
                                       WHERE group_id = :group_id
                                         AND debit_account = place.account_id {of_kind}
                                    ORDER BY seq DESC
                                       LIMIT :limit)
                                       UNION ALL
                                     (SELECT seq
                                        FROM timebank.transfers
                                       WHERE group_id = :group_id
                                         AND credit_account = place.account_id {of_kind}
                                    ORDER BY seq DESC
                                       LIMIT :limit)) AS t)
  ORDER BY e.seq DESC
     LIMIT :limit
"""

_OF_KIND = """
                                         AND EXISTS (SELECT
                                                       FROM timebank.entries AS k
                                                      WHERE k.group_id = :group_id
                                                        AND k.seq = transfers.seq
                                                        AND k.kind = :kind)"""

_ONE = """
     WHERE e.group_id = :group_id
       AND e.entry_id = CAST(:entry_id AS uuid)
"""


async def find_entry(tx: Tx, group_id: UUID, entry_id: UUID) -> MoneyRow | None:
    """Return an entry of any kind, or None."""
    found = await tx.execute(text(_ENTRIES + _ONE), {"group_id": group_id, "entry_id": entry_id})
    row = found.one_or_none()
    return None if row is None else _money_row(row)


async def list_last_entries(
    tx: Tx, group_id: UUID, accounts: Collection[int], *, kind: EntryKind | None = None, limit: int
) -> list[MoneyRow]:
    """Return the last entries that touch some accounts, newest first; of one kind only where one is named."""
    names = {"group_id": group_id, "accounts": list(accounts), "limit": limit}
    if kind is not None:
        names["kind"] = kind.value
    last = _LAST.format(of_kind="" if kind is None else _OF_KIND)
    rows = await tx.execute(text(_ENTRIES + last), names)
    return [_money_row(row) for row in rows]


def _money_row(row: Sequence[Any]) -> MoneyRow:
    values = list(row)
    values[7] = bytes(values[7])
    values[10] = tuple((debit, credit, amount) for debit, credit, amount in json.loads(values[10]))
    return MoneyRow(*values)


def _proposal(row: Sequence[Any]) -> Proposal:
    proposal_id, kind, body, *rest = row
    return Proposal(proposal_id, kind, json.loads(body), *rest)


async def list_open_proposals(tx: Tx, group_id: UUID, member_id: UUID) -> list[UUID]:
    """Return what somebody proposed and nobody signed yet, oldest first."""
    rows = await tx.execute(
        text("""
            SELECT proposal_id
              FROM timebank.proposals
             WHERE group_id = :group_id
               AND proposed_by = :member_id
               AND state = 'open'
          ORDER BY proposed_at, proposal_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return list(rows.scalars())
