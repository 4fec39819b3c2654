"""Closing a period: the immutable rows it covers, page by page, and the snapshot that is published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.errors import GroupBusy, UnknownGroup
from timebank.ledger.canonical import parse, read_moment
from timebank.ledger.entries import Transfer
from timebank.rules.publication import (
    LOST,
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
from timebank.rules.readiness import WAITED, Way
from timebank.store.engine import Tx

PAGE: Final = 2_000


class LastClose(NamedTuple):
    """The last close of a group; period 0 stands for none yet."""

    period: int
    last_day: date | None
    through_seq: int


class GroupToClose(NamedTuple):
    """What a close needs to know of a group."""

    origin: str
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
    """The accounts of a group, as far as its public figures need them.

    Attributes:
        units: Of accounts of pots and of held places, by number.
        outside: Accounts of those who are no members.
    """

    pots: tuple[PotAccounts, ...]
    held: tuple[HeldAccount, ...]
    accounts: PublicAccounts
    units: dict[int, str]
    outside: frozenset[int]

    @property
    def pots_by_unit(self) -> dict[str, frozenset[str]]:
        """By unit, the codes of its pots."""
        units = {pot.unit for pot in self.pots}
        return {unit: frozenset(pot.pot for pot in self.pots if pot.unit == unit) for unit in units}

    @property
    def numbers(self) -> list[int]:
        """The accounts whose balances are published."""
        of_pots = [number for pot in self.pots for number in (pot.available, pot.promised)]
        return of_pots + [held.account for held in self.held]


class ClosableRecord(NamedTuple):
    """A record that a close may cover.

    Attributes:
        is_entry: Whether it moved something; others have no day and no transfers.
        fields: What a record that is no entry says; empty for entries.
    """

    seq: int
    commitment: bytes
    recorded_at: datetime
    kind: str
    is_entry: bool
    category: str
    effective_on: date | None
    transfers: tuple[Transfer, ...]
    fields: dict[str, Any]


class Drawn(NamedTuple):
    """For whom an entry counts as drawn; nothing of it is ever published.

    Attributes:
        undoes: For a correction: the kind of what it takes back, else empty.
        without_account: Whether it is of a draw that somebody asked for who is no member.
        member_id: Whom its draw is for, if it has one.
        receiver: Account of whom the help reached, if it is help without an ask.
    """

    undoes: str
    without_account: bool
    member_id: UUID | None
    receiver: int | None


class WaitingRow(NamedTuple):
    """An entry that waits, with the way of publishing that it was written under."""

    seq: int
    recorded_on: date
    way: Way


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
                SELECT origin, time_zone, began_on, created_at
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
    places = held.all()
    givers = await tx.execute(
        text("""
            SELECT account_id, kind
              FROM timebank.accounts
             WHERE group_id = :group_id
               AND kind IN ('member', 'outside')
        """),
        {"group_id": group_id},
    )
    kinds = {row.account_id: row.kind for row in givers}
    units = {number: pot.unit for pot in frame_pots for number in (pot.available, pot.promised)}
    return CloseFrame(
        pots=tuple(frame_pots),
        held=tuple(
            HeldAccount(PublicPlace(place_name(kind, number, unit), kind, number, unit, 0), account)
            for kind, number, unit, account in places
        ),
        accounts=PublicAccounts(pots=by_number, givers=frozenset(kinds)),
        units=units | {account: unit for _, _, unit, account in places},
        outside=frozenset(account for account, kind in kinds.items() if kind == "outside"),
    )


_RECORDS: Final = """
    SELECT r.seq, r.kind, r.commitment, e.recorded_at, e.category, e.effective_on,
           CASE WHEN e.seq IS NULL THEN r.record END AS record
      FROM (SELECT seq, kind, commitment, record
              FROM timebank.records
             WHERE group_id = :group_id
               AND {which}
          ORDER BY seq
             LIMIT :limit) AS r
 LEFT JOIN timebank.entries AS e
        ON e.group_id = :group_id
       AND e.seq = r.seq
  ORDER BY r.seq
"""
_TRANSFERS: Final = """
    SELECT seq, debit_account, credit_account, amount
      FROM timebank.transfers
     WHERE group_id = :group_id
       AND {which}
  ORDER BY seq, leg
"""


async def list_records_after(
    tx: Tx, group_id: UUID, *, after_seq: int, units: Mapping[int, str], limit: int = PAGE
) -> list[ClosableRecord]:
    """Return records after a seq, in order of seq; they can never change.

    Args:
        units: Unit of each account of a pot or place: other transfers have an empty unit,
            because nothing of them is ever public.
    """
    assert 1 <= limit <= PAGE, limit
    records = (
        await tx.execute(
            text(_RECORDS.format(which="seq > :after_seq")),
            {"group_id": group_id, "after_seq": after_seq, "limit": limit},
        )
    ).all()
    if not records:
        return []
    transfers = await tx.execute(
        text(_TRANSFERS.format(which="seq > :after_seq AND seq <= :last_seq")),
        {"group_id": group_id, "after_seq": after_seq, "last_seq": records[-1].seq},
    )
    return _closable(records, transfers.all(), units)


async def list_late(
    tx: Tx, group_id: UUID, *, after_seq: int, last_day: date, limit: int
) -> tuple[int, list[int]]:
    """Return how many entries no close has seen yet, and the seqs of those of days that are closed, newest first."""
    names = {"group_id": group_id, "after_seq": after_seq, "last_day": last_day, "limit": limit}
    count = await tx.scalar(
        text("SELECT count(*) FROM timebank.entries WHERE group_id = :group_id AND seq > :after_seq"), names
    )
    late = await tx.execute(
        text("""
            SELECT seq
              FROM timebank.entries
             WHERE group_id = :group_id
               AND seq > :after_seq
               AND effective_on <= CAST(:last_day AS date)
          ORDER BY seq DESC
             LIMIT :limit
        """),
        names,
    )
    return int(count or 0), list(late.scalars())


async def list_records(
    tx: Tx, group_id: UUID, seqs: Sequence[int], *, units: Mapping[int, str]
) -> list[ClosableRecord]:
    """Return records by their seqs, in order; see list_records_after."""
    found: list[ClosableRecord] = []
    for start in range(0, len(seqs), PAGE):
        values = {"group_id": group_id, "seqs": list(seqs[start : start + PAGE])}
        which = "seq = ANY(CAST(:seqs AS bigint[]))"
        records = await tx.execute(text(_RECORDS.format(which=which)), values | {"limit": PAGE})
        transfers = await tx.execute(text(_TRANSFERS.format(which=which)), values)
        found += _closable(records.all(), transfers.all(), units)
    return found


def _closable(
    records: Sequence[Any], transfers: Sequence[Any], units: Mapping[int, str]
) -> list[ClosableRecord]:
    legs: dict[int, list[Transfer]] = {}
    for seq, debit, credit, amount in transfers:
        unit = units.get(debit) or units.get(credit) or ""
        legs.setdefault(seq, []).append(Transfer(unit, debit, credit, amount))
    closable = []
    for row in records:
        fields = {} if row.record is None else _fields(row.record)
        closable.append(
            ClosableRecord(
                seq=row.seq,
                commitment=bytes(row.commitment),
                recorded_at=row.recorded_at or read_moment(str(fields["recorded_at"])),
                kind=row.kind,
                is_entry=row.record is None,
                category=row.category or "",
                effective_on=row.effective_on,
                transfers=tuple(legs.get(row.seq, ())),
                fields=fields,
            )
        )
    return closable


async def list_told_at_once(tx: Tx, group_id: UUID, *, after_seq: int) -> list[ClosableRecord]:
    """Return records of restores and new keys that no close has seen and that have no leaf yet.

    The next close publishes them whichever days it covers: it is signed with the new key, and goes on after the restore.
    """
    rows = await tx.execute(
        text("""
            SELECT r.seq
              FROM timebank.records AS r
             WHERE r.group_id = :group_id
               AND r.kind IN ('restored', 'key')
               AND r.seq > :after_seq
               AND NOT EXISTS (SELECT 1
                                 FROM timebank.published_leaves AS l
                                WHERE l.group_id = :group_id
                                  AND l.commitment = r.commitment)
          ORDER BY r.seq
        """),
        {"group_id": group_id, "after_seq": after_seq},
    )
    seqs = list(rows.scalars())
    return await list_records(tx, group_id, seqs, units={}) if seqs else []


async def list_drawn(tx: Tx, group_id: UUID, seqs: Sequence[int]) -> dict[int, Drawn]:
    """Return for whom entries count as drawn, by seq; a close alone asks, and forgets it again."""
    found: dict[int, Drawn] = {}
    for start in range(0, len(seqs), PAGE):
        rows = await tx.execute(
            text("""
                SELECT e.seq, COALESCE(o.kind, '') AS undoes, COALESCE(d.without_account, false),
                       h.member_id, r.receiver_account
                  FROM timebank.entries AS e
             LEFT JOIN timebank.entries AS o
                    ON o.group_id = :group_id
                   AND o.seq = e.reverses_seq
                   AND e.kind = 'correction'
             LEFT JOIN timebank.draws AS d
                    ON d.group_id = :group_id
                   AND d.draw_id = e.draw_id
             LEFT JOIN timebank.draw_hands AS h
                    ON h.group_id = :group_id
                   AND h.draw_id = e.draw_id
                   AND h.theirs
             LEFT JOIN timebank.hours AS r
                    ON r.group_id = :group_id
                   AND r.hours_id = COALESCE(o.entry_id, e.entry_id)
                 WHERE e.group_id = :group_id
                   AND e.seq = ANY(CAST(:seqs AS bigint[]))
            """),
            {"group_id": group_id, "seqs": list(seqs[start : start + PAGE])},
        )
        for seq, *drawn in rows:
            # Several people behind one draw would count as one.
            found.setdefault(seq, Drawn(*drawn))
    return found


async def list_ways(tx: Tx, group_id: UUID) -> list[tuple[date, Way]]:
    """Return how a group publishes, and from which first day of a period on; earliest first."""
    rows = await tx.execute(
        text("""
            SELECT from_day, preset, people, gifts_wait
              FROM timebank.publishing
             WHERE group_id = :group_id
          ORDER BY from_day
        """),
        {"group_id": group_id},
    )
    return [(row.from_day, Way(row.preset, row.people, row.gifts_wait)) for row in rows]


async def insert_way(tx: Tx, group_id: UUID, from_day: date, way: Way, *, decided_at: datetime) -> None:
    """Have a group publish in a way from a day on, instead of what was to begin on that day."""
    await tx.execute(
        text("""
            INSERT INTO timebank.publishing (group_id, from_day, preset, people, gifts_wait, decided_at)
            VALUES (:group_id, :from_day, :preset, :people, :gifts_wait, :decided_at)
                ON CONFLICT (group_id, from_day) DO UPDATE
               SET preset = excluded.preset, people = excluded.people,
                   gifts_wait = excluded.gifts_wait, decided_at = excluded.decided_at
        """),
        {"group_id": group_id, "from_day": from_day, **way._asdict(), "decided_at": decided_at},
    )


async def let_way_begin(tx: Tx, group_id: UUID, way: Way) -> None:
    """Let everybody know how the group publishes from the next period on; only a close does that."""
    for table in ("groups", "published_groups"):
        more = "" if table == "groups" else ", people = :people, gifts_wait = :gifts_wait"
        other = "preset" if table == "groups" else "(preset, people, gifts_wait)"
        value = ":preset" if table == "groups" else "(:preset, :people, :gifts_wait)"
        await tx.execute(
            text(f"""
                UPDATE timebank.{table}
                   SET preset = :preset{more}
                 WHERE group_id = :group_id
                   AND {other} IS DISTINCT FROM {value}
            """),
            {"group_id": group_id, **(way._asdict() if more else {"preset": way.preset})},
        )


async def list_waiting(tx: Tx, group_id: UUID) -> list[WaitingRow]:
    """Return every entry that closes have seen and not published, in order of seq."""
    rows = await tx.execute(
        text("""
            SELECT seq, recorded_on, preset, people, gifts_wait
              FROM timebank.waiting
             WHERE group_id = :group_id
          ORDER BY seq
        """),
        {"group_id": group_id},
    )
    return [WaitingRow(seq, recorded_on, Way(*way)) for seq, recorded_on, *way in rows]


async def change_waiting(tx: Tx, group_id: UUID, *, gone: Sequence[int], new: Sequence[WaitingRow]) -> None:
    """Take out what was published, and put in what waits from now on."""
    if gone:
        await tx.execute(
            text("""
                DELETE FROM timebank.waiting
                 WHERE group_id = :group_id
                   AND seq = ANY(CAST(:seqs AS bigint[]))
            """),
            {"group_id": group_id, "seqs": list(gone)},
        )
    for start in range(0, len(new), PAGE):
        page = new[start : start + PAGE]
        await tx.execute(
            text("""
                INSERT INTO timebank.waiting (group_id, seq, recorded_on, preset, people, gifts_wait)
                SELECT :group_id, new.*
                  FROM unnest(CAST(:seqs AS bigint[]), CAST(:days AS date[]), CAST(:presets AS text[]),
                              CAST(:people AS integer[]), CAST(:gifts_wait AS boolean[])) AS new
            """),
            {
                "group_id": group_id,
                "seqs": [row.seq for row in page],
                "days": [row.recorded_on for row in page],
                "presets": [row.way.preset for row in page],
                "people": [row.way.people for row in page],
                "gifts_wait": [row.way.gifts_wait for row in page],
            },
        )


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
            INSERT INTO timebank.published_periods (group_id, period, first_day, last_day, next_close_on,
                                                    lines, preset)
            VALUES (:group_id, :period, :first_day, :last_day, :next_close_on, :lines, :preset)
        """),
        {
            "group_id": group_id,
            "period": period.period,
            "first_day": period.first_day,
            "last_day": period.last_day,
            "next_close_on": period.next_close_on,
            "lines": period.lines,
            "preset": period.preset,
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
        for kind, (came_in, went_out, lines) in _flows(total).items()
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


def _flows(total: PotTotals) -> dict[str, Sequence[int]]:
    """Return flows by kind; what waited until the long stop, or was lost, stands as a kind of its own, without lines."""
    flows: dict[str, Sequence[int]] = dict(total.flows)
    for kind, apart in ((WAITED, total.waited), (LOST, total.lost)):
        if apart is not None:
            flows[kind] = (max(0, sum(apart)), max(0, -sum(apart)), 0)
    return flows


def _fields(record: bytes) -> dict[str, Any]:
    fields = parse(bytes(record))
    assert isinstance(fields, dict), "a record is an object"
    return fields
