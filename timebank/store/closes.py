"""Closing a period: the immutable rows it covers, page by page, and the snapshot that is published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.errors import GroupBusy, UnknownGroup
from timebank.ledger.canonical import parse, read_moment
from timebank.ledger.entries import Transfer
from timebank.rules.publication import (
    Change,
    PotAccount,
    PotTotals,
    PublicAccounts,
    PublicBalance,
    PublicLine,
    PublicPeriod,
    PublicPlace,
    place_name,
)
from timebank.store.engine import Tx

PAGE: Final = 2_000


class LastClose(NamedTuple):
    """The last close of a group; period 0 stands for none yet."""

    period: int
    last_day: date | None
    through_seq: int


class GroupToClose(NamedTuple):
    """What a close needs to know of a group."""

    preset: str
    time_zone: str
    began_on: date
    created_at: datetime


class PotAccounts(NamedTuple):
    """A pot with the numbers of the two accounts that its figures are read from."""

    pot: str
    unit: str
    available: int
    promised: int


class HeldAccount(NamedTuple):
    """A held place with the number of its account; named as the public knows it."""

    place: PublicPlace
    account: int


class CloseFrame(NamedTuple):
    """The accounts of a group, as far as its public figures need them; ``units`` of those of pots."""

    pots: tuple[PotAccounts, ...]
    held: tuple[HeldAccount, ...]
    accounts: PublicAccounts
    units: dict[int, str]

    @property
    def numbers(self) -> list[int]:
        """The accounts whose balances are published."""
        of_pots = [number for pot in self.pots for number in (pot.available, pot.promised)]
        return of_pots + [held.account for held in self.held]


class ClosableRecord(NamedTuple):
    """A record that a close may cover; ``kind`` is empty for records that are not entries."""

    seq: int
    recorded_at: datetime
    kind: str
    category: str
    effective_on: date | None
    transfers: tuple[Transfer, ...]


class NewLine(NamedTuple):
    """A public line about to be published, under its random id."""

    line_id: UUID
    line: PublicLine
    arrived_late: bool


async def find_group_to_close(tx: Tx, group_id: UUID) -> GroupToClose:
    """Return what a close needs to know of a group.

    Raises:
        UnknownGroup: There is no such group.
    """
    row = (
        await tx.execute(
            text("""
                SELECT preset, time_zone, began_on, created_at
                  FROM timebank.groups
                 WHERE group_id = :group_id
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    if row is None:
        raise UnknownGroup
    return GroupToClose(*row)


async def find_last_close(tx: Tx, group_id: UUID) -> LastClose:
    """Return the last close, or period 0 through seq 0."""
    row = (
        await tx.execute(
            text("""
                SELECT period, last_day, through_seq
                  FROM timebank.closes
                 WHERE group_id = :group_id
              ORDER BY period DESC
                 LIMIT 1
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    return LastClose(*row) if row else LastClose(0, None, 0)


async def find_frame(tx: Tx, group_id: UUID) -> CloseFrame:
    """Return the accounts that public figures are made of; those of givers only as a set of numbers."""
    pots = await tx.execute(
        text("""
            SELECT code, unit, pot_account, promised_account, shared_account
              FROM timebank.pots
             WHERE group_id = :group_id
          ORDER BY code COLLATE "C"
        """),
        {"group_id": group_id},
    )
    by_number: dict[int, PotAccount] = {}
    frame_pots = []
    for code, unit, available, promised, shared in pots:
        frame_pots.append(PotAccounts(code, unit, available, promised))
        by_number[available] = PotAccount(code, "available")
        by_number[promised] = PotAccount(code, "promised")
        by_number[shared] = PotAccount(code, "shared")
    held = await tx.execute(
        text("""
            SELECT kind, number, unit, account_id
              FROM timebank.held_places
             WHERE group_id = :group_id
          ORDER BY unit COLLATE "C", kind COLLATE "C", number
        """),
        {"group_id": group_id},
    )
    givers = await tx.execute(
        text("""
            SELECT account_id
              FROM timebank.accounts
             WHERE group_id = :group_id
               AND kind IN ('member', 'outside')
        """),
        {"group_id": group_id},
    )
    return CloseFrame(
        pots=tuple(frame_pots),
        held=tuple(
            HeldAccount(PublicPlace(place_name(kind, number, unit), kind, number, unit, 0), account)
            for kind, number, unit, account in held
        ),
        accounts=PublicAccounts(pots=by_number, givers=frozenset(givers.scalars())),
        units={number: pot.unit for pot in frame_pots for number in (pot.available, pot.promised)},
    )


async def list_records_after(
    tx: Tx, group_id: UUID, *, after_seq: int, units: Mapping[int, str], limit: int = PAGE
) -> list[ClosableRecord]:
    """Return records after a seq, in order of seq; they can never change.

    Args:
        units: Unit of each account of a pot: transfers that touch none have an empty unit,
            because nothing of them is ever public.
    """
    assert 1 <= limit <= PAGE, limit
    records = (
        await tx.execute(
            text("""
                SELECT r.seq, e.recorded_at, e.kind, e.category, e.effective_on,
                       CASE WHEN e.seq IS NULL THEN r.record END AS record
                  FROM (SELECT seq, record
                          FROM timebank.records
                         WHERE group_id = :group_id
                           AND seq > :after_seq
                      ORDER BY seq
                         LIMIT :limit) AS r
             LEFT JOIN timebank.entries AS e
                    ON e.group_id = :group_id
                   AND e.seq = r.seq
              ORDER BY r.seq
            """),
            {"group_id": group_id, "after_seq": after_seq, "limit": limit},
        )
    ).all()
    if not records:
        return []
    transfers = await tx.execute(
        text("""
            SELECT seq, debit_account, credit_account, amount
              FROM timebank.transfers
             WHERE group_id = :group_id
               AND seq > :after_seq
               AND seq <= :last_seq
          ORDER BY seq, leg
        """),
        {"group_id": group_id, "after_seq": after_seq, "last_seq": records[-1].seq},
    )
    legs: dict[int, list[Transfer]] = {}
    for seq, debit, credit, amount in transfers:
        unit = units.get(debit) or units.get(credit) or ""
        legs.setdefault(seq, []).append(Transfer(unit, debit, credit, amount))
    return [
        ClosableRecord(
            seq=row.seq,
            recorded_at=row.recorded_at or _recorded_at(row.record),
            kind=row.kind or "",
            category=row.category or "",
            effective_on=row.effective_on,
            transfers=tuple(legs.get(row.seq, ())),
        )
        for row in records
    ]


async def find_balances_at(
    tx: Tx, group_id: UUID, accounts: Sequence[int], *, through_seq: int
) -> dict[int, int]:
    """Return credits - debits of accounts right after a seq, by account: one index look-up for each side."""
    rows = await tx.execute(
        text("""
            SELECT a.account_id,
                   COALESCE((SELECT t.balance
                               FROM ((SELECT seq, leg, debit_balance AS balance
                                        FROM timebank.transfers
                                       WHERE group_id = :group_id
                                         AND debit_account = a.account_id
                                         AND seq <= :through_seq
                                    ORDER BY seq DESC, leg DESC
                                       LIMIT 1)
                                     UNION ALL
                                     (SELECT seq, leg, credit_balance AS balance
                                        FROM timebank.transfers
                                       WHERE group_id = :group_id
                                         AND credit_account = a.account_id
                                         AND seq <= :through_seq
                                    ORDER BY seq DESC, leg DESC
                                       LIMIT 1)) AS t
                           ORDER BY t.seq DESC, t.leg DESC
                              LIMIT 1), 0) AS net
              FROM unnest(CAST(:accounts AS bigint[])) AS a (account_id)
        """),
        {"group_id": group_id, "accounts": list(accounts), "through_seq": through_seq},
    )
    return {row.account_id: row.net for row in rows}


async def lock_closing(tx: Tx, group_id: UUID) -> None:
    """Let one process at a time close periods of a group; it does not hold up who writes in the book.

    Raises:
        GroupBusy: Somebody else is closing right now.
    """
    got = await tx.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended('timebank/close/' || :group_id, 0))"),
        {"group_id": str(group_id)},
    )
    if not got:
        raise GroupBusy


async def lock_book(tx: Tx, group_id: UUID) -> None:
    """Take the head row lock: from here to the commit nothing is written in this book by anybody else."""
    await tx.execute(
        text("SELECT seq FROM timebank.book_heads WHERE group_id = :group_id FOR UPDATE"),
        {"group_id": group_id},
    )


async def insert_lines(tx: Tx, group_id: UUID, period: int, lines: Sequence[NewLine]) -> None:
    """Publish lines, sorted by their random ids; some thousands at a time."""
    ordered = sorted(lines, key=lambda line: line.line_id.int)
    for start in range(0, len(ordered), PAGE):
        page = ordered[start : start + PAGE]
        await tx.execute(
            text("""
                INSERT INTO timebank.published_lines (group_id, period, line_id, kind, category, day,
                                                      arrived_late, changes)
                SELECT :group_id, :period, new.line_id, new.kind, new.category, new.day,
                       new.arrived_late, CAST(new.changes AS jsonb)
                  FROM unnest(CAST(:line_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:categories AS text[]),
                              CAST(:days AS date[]), CAST(:lates AS boolean[]), CAST(:changes AS text[]))
                    AS new (line_id, kind, category, day, arrived_late, changes)
            """),
            {
                "group_id": group_id,
                "period": period,
                "line_ids": [line.line_id for line in page],
                "kinds": [line.line.kind for line in page],
                "categories": [line.line.category for line in page],
                "days": [line.line.day for line in page],
                "lates": [line.arrived_late for line in page],
                "changes": [_changes_json(line.line.changes) for line in page],
            },
        )


async def insert_figures(
    tx: Tx,
    group_id: UUID,
    period: PublicPeriod,
    *,
    balances: Sequence[PublicBalance],
    held: Sequence[PublicPlace],
    totals: Mapping[str, PotTotals],
) -> None:
    """Publish the period with its balances, places and flows."""
    # An import may have let the book begin earlier; in public nothing moves but at a close.
    await tx.execute(
        text("""
            UPDATE timebank.published_groups AS p
               SET began_on = g.began_on
              FROM timebank.groups AS g
             WHERE p.group_id = :group_id
               AND g.group_id = p.group_id
               AND g.began_on < p.began_on
        """),
        {"group_id": group_id},
    )
    await tx.execute(
        text("""
            INSERT INTO timebank.published_periods (group_id, period, first_day, last_day, next_close_on, lines)
            VALUES (:group_id, :period, :first_day, :last_day, :next_close_on, :lines)
        """),
        {
            "group_id": group_id,
            "period": period.period,
            "first_day": period.first_day,
            "last_day": period.last_day,
            "next_close_on": period.next_close_on,
            "lines": period.lines,
        },
    )
    key = {"group_id": group_id, "period": period.period}
    if balances:
        await tx.execute(
            text("""
                INSERT INTO timebank.published_balances (group_id, period, pot, unit, available, promised,
                                                         given, drawn, came_in, went_out)
                VALUES (:group_id, :period, :pot, :unit, :available, :promised,
                        :given, :drawn, :came_in, :went_out)
            """),
            [
                {
                    **key,
                    "pot": balance.pot,
                    "unit": balance.unit,
                    "available": balance.available,
                    "promised": balance.promised,
                    "given": balance.given,
                    "drawn": balance.drawn,
                    "came_in": balance.came_in,
                    "went_out": balance.went_out,
                }
                for balance in balances
            ],
        )
    if held:
        await tx.execute(
            text("""
                INSERT INTO timebank.published_held (group_id, period, place, kind, number, unit, amount)
                VALUES (:group_id, :period, :place, :kind, :number, :unit, :amount)
            """),
            [
                {
                    **key,
                    "place": place.place,
                    "kind": place.kind,
                    "number": place.number,
                    "unit": place.unit,
                    "amount": place.amount,
                }
                for place in held
            ],
        )
    flows = [
        {
            **key,
            "pot": pot,
            "kind": kind,
            "unit": total.unit,
            "came_in": came_in,
            "went_out": went_out,
            "lines": lines,
        }
        for pot, total in totals.items()
        for kind, (came_in, went_out, lines) in total.flows.items()
    ]
    if flows:
        await tx.execute(
            text("""
                INSERT INTO timebank.published_flows (group_id, period, pot, kind, unit, came_in, went_out, lines)
                VALUES (:group_id, :period, :pot, :kind, :unit, :came_in, :went_out, :lines)
            """),
            flows,
        )


async def insert_close(
    tx: Tx, group_id: UUID, period: PublicPeriod, *, through_seq: int, closed_at: datetime
) -> None:
    """Remember which records a close covered."""
    await tx.execute(
        text("""
            INSERT INTO timebank.closes (group_id, period, first_day, last_day, through_seq, closed_at)
            VALUES (:group_id, :period, :first_day, :last_day, :through_seq, :closed_at)
        """),
        {
            "group_id": group_id,
            "period": period.period,
            "first_day": period.first_day,
            "last_day": period.last_day,
            "through_seq": through_seq,
            "closed_at": closed_at,
        },
    )


def _changes_json(changes: Sequence[Change]) -> str:
    return json.dumps(
        [
            {
                "pot": change.pot,
                "unit": change.unit,
                **({"available": change.available} if change.available else {}),
                **({"promised": change.promised} if change.promised else {}),
            }
            for change in changes
        ]
    )


def _recorded_at(record: bytes) -> datetime:
    fields = parse(bytes(record))
    assert isinstance(fields, dict), "a record is an object"
    return read_moment(str(fields["recorded_at"]))
