"""Reading a whole book to check it: one short cut of what moves, then page by page what never changes.

A snapshot that is held for a minute starves the hot rows: the versions of the head and of the
pots pile up under it. So only what changes (head, accounts, days) is read in one short
snapshot, the cut; records, entries and transfers up to its number can be read at leisure.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from timebank.ledger.checks import AccountRow, DayRow, EntryRow, RecordRow, TransferRow
from timebank.rules.audit import (
    ChangeRow,
    CloseRow,
    FlowRow,
    HeldRow,
    LineRow,
    PeriodRow,
    PlaceRow,
    PotRow,
    Published,
    TermsRow,
    closed_of,
)
from timebank.rules.log_audit import PlacedLeaf, PublishedLog
from timebank.rules.publication import Change, PublicBalance
from timebank.rules.readiness import Way

if TYPE_CHECKING:
    from timebank.store.engine import Database, Raw

PAGE: Final = 4_000
"""Records of one page; a page is one transaction of a few milliseconds."""

IMMUTABLE: Final = ("records", "entries", "transfers")


class MemberBox(NamedTuple):
    """A member's row as far as it ties account numbers to somebody; the box opens with their key."""

    member_id: UUID
    state: str
    accounts_box: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """All that changes in a book, and its set-up, seen at one moment.

    Attributes:
        backend_pid: Process number of the server's side of the connection.
        seq: Size of the book; everything up to it is there and never changes.
        checkpoint: The signed note that stands in the head row.
        strays: (table, seq) of rows of the book that are beyond the head or before number 1.
        period: Last closed period, 0 for none.
        heads: How many head rows there are; one is right.
    """

    group_id: UUID
    backend_pid: int
    slug: str
    origin: str
    book_id: bytes
    began_on: date
    preset: str
    time_zone: str
    seq: int
    frontier: bytes
    recorded_at: datetime
    epoch: int
    checkpoint: str
    accounts: list[AccountRow]
    days: list[DayRow]
    pots: list[PotRow]
    places: list[PlaceRow]
    members: list[MemberBox]
    changes: list[ChangeRow]
    strays: list[tuple[str, int]]
    period: int
    heads: int


class Page(NamedTuple):
    """Some records, and every entry and transfer with their numbers."""

    records: list[RecordRow]
    entries: list[EntryRow]
    transfers: list[TransferRow]


async def list_addresses(database: Database) -> dict[UUID, str]:
    """Return every group that has an address, by id, in order of address."""
    rows = await database.hot.fetch(
        """
        SELECT group_id, slug
          FROM timebank.published_slugs
      ORDER BY slug COLLATE "C"
        """
    )
    return {UUID(str(group_id)): slug for group_id, slug in rows}


@contextlib.asynccontextmanager
async def open_line(database: Database) -> AsyncIterator[Raw]:
    """Lend one connection of the app role for a whole check; transactions on it stay short."""
    async with database.hot.acquire(timeout=30) as connection:
        yield connection


@contextlib.asynccontextmanager
async def looking(connection: Raw, group_id: UUID, level: str = "READ COMMITTED") -> AsyncIterator[None]:
    """Read as one group for a while, at one moment if the level says so."""
    await connection.execute(
        f"BEGIN ISOLATION LEVEL {level} READ ONLY;"
        f" SELECT set_config('timebank.group', '{UUID(str(group_id))}', true)"
    )
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")


_CUT: Final = """
    SELECT g.slug, g.origin, g.book_id, g.began_on, g.preset, g.time_zone,
           h.seq, h.frontier, h.recorded_at, h.epoch, h.checkpoint,
           pg_backend_pid() AS backend_pid, count(*) OVER () AS heads,
           (SELECT coalesce(max(c.period), 0) FROM timebank.closes AS c WHERE c.group_id = $1) AS period
      FROM timebank.groups AS g
      JOIN timebank.book_heads AS h ON h.group_id = g.group_id
     WHERE g.group_id = $1
"""
_ACCOUNTS: Final = """
    SELECT account_id, kind, unit, pot_account, floor,
           debits, credits, reversal_debits, reversal_credits, closed
      FROM timebank.accounts
     WHERE group_id = $1
"""
_DAYS: Final = """
    SELECT account_id, effective_on, debits, credits, reversal_debits, reversal_credits
      FROM timebank.account_days
     WHERE group_id = $1
"""
_POTS: Final = """
    SELECT code, unit, pot_account, promised_account, shared_account
      FROM timebank.pots
     WHERE group_id = $1
"""
_PLACES: Final = """
    SELECT kind, number, unit, account_id
      FROM timebank.held_places
     WHERE group_id = $1
"""
_MEMBERS: Final = """
    SELECT member_id, state, accounts_box
      FROM people.members
     WHERE group_id = $1
"""
_CHANGES: Final = """
    SELECT change_id::text, changed_by, before::text, after::text
      FROM timebank.settings_history
     WHERE group_id = $1
"""
_STRAYS: Final = """
    (SELECT seq FROM timebank.{table} WHERE group_id = $1 AND seq > $2 ORDER BY seq LIMIT 1)
  UNION ALL
    (SELECT seq FROM timebank.{table} WHERE group_id = $1 AND seq < 1 ORDER BY seq LIMIT 1)
"""


async def take_cut(connection: Raw, group_id: UUID) -> Cut | None:
    """Return all that changes in a group's book, at one moment; None when it has no book."""
    async with looking(connection, group_id, "REPEATABLE READ"):
        row = await connection.fetchrow(_CUT, group_id)
        if row is None:
            return None
        strays = [
            (table, stray["seq"])
            for table in IMMUTABLE
            for stray in await connection.fetch(_STRAYS.format(table=table), group_id, row["seq"])
        ]
        return Cut(
            group_id=group_id,
            accounts=[AccountRow(*account) for account in await connection.fetch(_ACCOUNTS, group_id)],
            days=[DayRow(*day) for day in await connection.fetch(_DAYS, group_id)],
            pots=[PotRow(*pot) for pot in await connection.fetch(_POTS, group_id)],
            places=[PlaceRow(*place) for place in await connection.fetch(_PLACES, group_id)],
            members=[MemberBox(*member) for member in await connection.fetch(_MEMBERS, group_id)],
            changes=[
                ChangeRow(change[0], change[1], json.loads(change[2]), json.loads(change[3]))
                for change in await connection.fetch(_CHANGES, group_id)
            ],
            strays=strays,
            **row,
        )


_CORRECTED: Final = """
    SELECT reverses_seq
      FROM timebank.entries
     WHERE group_id = $1
       AND reverses_seq IS NOT NULL
       AND reverses_seq > $2
  ORDER BY reverses_seq
     LIMIT $3
"""


async def list_corrected(connection: Raw, group_id: UUID) -> set[int]:
    """Return the numbers of all entries that another one reverses."""
    found: set[int] = set()
    after, limit = -(2**63), 10_000
    while True:
        async with looking(connection, group_id):
            rows = await connection.fetch(_CORRECTED, group_id, after, limit)
        found.update(row["reverses_seq"] for row in rows)
        if len(rows) < limit:
            return found
        after = rows[-1]["reverses_seq"]


_RECORD_PAGE: Final = """
    SELECT seq, kind, record, salt, commitment
      FROM timebank.records
     WHERE group_id = $1
       AND seq BETWEEN $2 AND $3
  ORDER BY seq
"""
_ENTRY_PAGE: Final = """
    SELECT seq, entry_id, kind, source, effective_on, recorded_at, category, draw_id, reverses_seq
      FROM timebank.entries
     WHERE group_id = $1
       AND seq BETWEEN $2 AND $3
  ORDER BY seq
"""
_TRANSFER_PAGE: Final = """
    SELECT seq, leg, debit_account, credit_account, amount, debit_balance, credit_balance
      FROM timebank.transfers
     WHERE group_id = $1
       AND seq BETWEEN $2 AND $3
  ORDER BY seq, leg
"""


async def read_page(connection: Raw, group_id: UUID, first_seq: int, last_seq: int) -> Page:
    """Return what is in the book from one number to another, both included; it can never change."""
    async with looking(connection, group_id):
        return Page(
            list(map(RecordRow._make, await connection.fetch(_RECORD_PAGE, group_id, first_seq, last_seq))),
            list(map(EntryRow._make, await connection.fetch(_ENTRY_PAGE, group_id, first_seq, last_seq))),
            list(
                map(TransferRow._make, await connection.fetch(_TRANSFER_PAGE, group_id, first_seq, last_seq))
            ),
        )


# ---------------------------------------------------------------- the public log

_LEAF_PAGE: Final = """
    SELECT r.seq, l.period, l.leaf
      FROM timebank.records AS r
      JOIN timebank.published_leaves AS l
        ON l.group_id = r.group_id
       AND l.commitment = r.commitment
       AND l.leaf_index < $4
     WHERE r.group_id = $1
       AND r.seq BETWEEN $2 AND $3
"""
_LOG: Final = """
    SELECT (SELECT coalesce(max(size), 0) FROM timebank.published_checkpoints WHERE group_id = $1),
           (SELECT coalesce(max(through_seq), 0) FROM timebank.closes WHERE group_id = $1),
           (SELECT coalesce(max(period), 0) FROM timebank.closes WHERE group_id = $1),
           (SELECT coalesce(max(period), 0) FROM timebank.published_checkpoints WHERE group_id = $1)
"""


async def read_log(connection: Raw, group_id: UUID, period: int) -> PublishedLog:
    """Return what there is of a group's public log, and what waits for it."""
    async with looking(connection, group_id, "REPEATABLE READ"):
        leaves, through_seq, last_period, logged = await connection.fetchrow(_LOG, group_id)
        rows = await connection.fetch("SELECT seq FROM timebank.waiting WHERE group_id = $1", group_id)
    # Of closes that came meanwhile both count the same.
    logged = max(0, logged - (last_period - period))
    waiting = frozenset(row["seq"] for row in rows)
    return PublishedLog(leaves, through_seq, waiting, last_period == period, logged)


async def read_leaves(
    connection: Raw, group_id: UUID, first_seq: int, last_seq: int, *, size: int
) -> dict[int, PlacedLeaf]:
    """Return the leaves of records from one number to another, by number, from a log of this size."""
    async with looking(connection, group_id):
        rows = await connection.fetch(_LEAF_PAGE, group_id, first_seq, last_seq, size)
    return {seq: PlacedLeaf(period, bytes(leaf)) for seq, period, leaf in rows}


# ---------------------------------------------------------------- who stands behind what was published

_WAYS: Final = """
    SELECT from_day, preset, people, gifts_wait
      FROM timebank.publishing
     WHERE group_id = $1
  ORDER BY from_day
"""
_COUNTED: Final = """
    SELECT e.seq, coalesce(o.kind, '') AS undoes, coalesce(d.without_account, false) AS without_account,
           h.member_id, r.receiver_account
      FROM timebank.entries AS e
 LEFT JOIN timebank.entries AS o ON o.group_id = $1 AND o.seq = e.reverses_seq AND e.kind = 'correction'
 LEFT JOIN timebank.draws AS d ON d.group_id = $1 AND d.draw_id = e.draw_id
 LEFT JOIN timebank.draw_hands AS h ON h.group_id = $1 AND h.draw_id = e.draw_id AND h.theirs
 LEFT JOIN timebank.hours AS r
        ON r.group_id = $1
       AND r.hours_id = coalesce(o.entry_id, e.entry_id)
       -- Between two people no pot gives anything: it counts for nobody, and the record has both accounts.
       AND coalesce(o.kind, e.kind) <> 'help_exchanged'
     WHERE e.group_id = $1
       AND e.seq BETWEEN $2 AND $3
"""


class CountedRow(NamedTuple):
    """For whom an entry counts as drawn, as tables have it; ``undoes`` is the kind of what a correction takes back."""

    undoes: str
    without_account: bool
    member_id: UUID | None
    receiver: int | None


async def list_ways(connection: Raw, group_id: UUID) -> list[tuple[date, Way]]:
    """Return how a group publishes, and from which first day of a period on; earliest first."""
    async with looking(connection, group_id):
        return await fetch_ways(connection, group_id)


async def fetch_ways(connection: Raw, group_id: UUID) -> list[tuple[date, Way]]:
    """Return the same to whoever is looking already."""
    return [(day, Way(*way)) for day, *way in await connection.fetch(_WAYS, group_id)]


async def read_counted(
    connection: Raw, group_id: UUID, first_seq: int, last_seq: int
) -> dict[int, CountedRow]:
    """Return for whom entries from one number to another count as drawn, by number."""
    found: dict[int, CountedRow] = {}
    async with looking(connection, group_id):
        for seq, *counted in await connection.fetch(_COUNTED, group_id, first_seq, last_seq):
            # Several people behind one draw would count as one.
            found.setdefault(seq, CountedRow(*counted))
    return found


# ---------------------------------------------------------------- what was published

_CLOSES: Final = """
    SELECT period, first_day, last_day, through_seq
      FROM timebank.closes
     WHERE group_id = $1
       AND period <= $2
  ORDER BY period
"""
_PERIODS: Final = """
    SELECT period, first_day, last_day, lines, preset
      FROM timebank.published_periods
     WHERE group_id = $1
  ORDER BY period
"""
_PUBLISHED_BALANCES: Final = """
    SELECT period, pot, unit, available, promised, given, drawn, came_in, went_out
      FROM timebank.published_balances
     WHERE group_id = $1
"""
_PUBLISHED_HELD: Final = """
    SELECT period, place, kind, number, unit, amount
      FROM timebank.published_held
     WHERE group_id = $1
"""
_PUBLISHED_FLOWS: Final = """
    SELECT period, pot, kind, unit, came_in, went_out, lines
      FROM timebank.published_flows
     WHERE group_id = $1
"""
_TERMS: Final = """
    SELECT 'applied', o.code, p.version, p.agreed_on, p.terms
      FROM timebank.policies AS p
      JOIN timebank.pots AS o ON o.group_id = p.group_id AND o.pot_id = p.pot_id
     WHERE p.group_id = $1
 UNION ALL
    SELECT 'published', pot, version, agreed_on, terms
      FROM timebank.published_policies
     WHERE group_id = $1
"""
_RESTORED: Final = """
    SELECT record
      FROM timebank.records
     WHERE group_id = $1
       AND kind = 'restored'
"""
_LINES: Final = """
    SELECT line_id, kind, category, day, arrived_late, changes
      FROM timebank.published_lines
     WHERE group_id = $1
       AND period = $2
       AND line_id > $3
  ORDER BY line_id
     LIMIT $4
"""


async def read_published(connection: Raw, group_id: UUID, period: int) -> Published:
    """Return all published figures; closes of periods after ``period`` came after the cut."""
    async with looking(connection, group_id, "REPEATABLE READ"):
        closes = [CloseRow(*row) for row in await connection.fetch(_CLOSES, group_id, period)]
        later = await connection.fetchval(
            "SELECT coalesce(max(period), 0) FROM timebank.closes WHERE group_id = $1", group_id
        )
        # Periods of a close that came meanwhile are left to the next check; others have no excuse.
        meanwhile = range(period + 1, later + 1)
        balances: dict[int, list[PublicBalance]] = {}
        for number, *balance in await connection.fetch(_PUBLISHED_BALANCES, group_id):
            if number not in meanwhile:
                balances.setdefault(number, []).append(PublicBalance(*balance))
        held: dict[int, list[HeldRow]] = {}
        for number, *place in await connection.fetch(_PUBLISHED_HELD, group_id):
            if number not in meanwhile:
                held.setdefault(number, []).append(HeldRow(*place))
        flows: dict[int, list[FlowRow]] = {}
        for number, *flow in await connection.fetch(_PUBLISHED_FLOWS, group_id):
            if number not in meanwhile:
                flows.setdefault(number, []).append(FlowRow(*flow))
        return Published(
            closes=closes,
            periods=[
                PeriodRow(*row)
                for row in await connection.fetch(_PERIODS, group_id)
                if row["period"] not in meanwhile
            ],
            balances=balances,
            held=held,
            flows=flows,
            terms=[
                TermsRow(where, pot, version, agreed_on, json.loads(terms))
                for where, pot, version, agreed_on, terms in await connection.fetch(_TERMS, group_id)
            ],
            put_back=frozenset(
                one["period"]
                for row in await connection.fetch(_RESTORED, group_id)
                for one in _closed_by(row["record"])
            ),
        )


def _closed_by(record: bytes) -> list[dict[str, Any]]:
    # Bytes that cannot be read are found by the ledger's own checks.
    try:
        fields = json.loads(record)
    except ValueError:
        return []
    told = closed_of(fields) if isinstance(fields, dict) else []
    return [one for one in told if type(one.get("period")) is int]


async def read_lines(connection: Raw, group_id: UUID, period: int) -> AsyncIterator[Sequence[LineRow]]:
    """Yield the published lines of a period, page by page; their order means nothing."""
    after = UUID(int=0)
    while True:
        async with looking(connection, group_id):
            rows = await connection.fetch(_LINES, group_id, period, after, PAGE)
        yield [
            LineRow(
                kind,
                category,
                day,
                late,
                _read_changes(changes),
            )
            for _, kind, category, day, late, changes in rows
        ]
        if len(rows) < PAGE:
            return
        after = rows[-1]["line_id"]


_CHANGE_KEYS: Final = frozenset({"pot", "unit", "available", "promised"})


def _read_changes(text: str) -> tuple[Change, ...]:
    """Read the changes of a line; what nobody would have written comes out as a change of no pot."""
    changes: Any = json.loads(text)
    if not isinstance(changes, list):
        return (Change("", text, 0, 0),)
    read = []
    for change in changes:
        if not isinstance(change, dict) or not change.keys() <= _CHANGE_KEYS:
            return (Change("", text, 0, 0),)
        one = Change(
            change.get("pot", 0), change.get("unit", 0), change.get("available", 0), change.get("promised", 0)
        )
        if [type(value) for value in one] != [str, str, int, int]:
            return (Change("", text, 0, 0),)
        read.append(one)
    return tuple(read)
