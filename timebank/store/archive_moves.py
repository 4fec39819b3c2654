"""What moves row by row with a group's own book, in SQL: read in one cut, written as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import exc

from timebank.errors import UnknownGroup
from timebank.rules.moving import MOVED, PAGED
from timebank.store.engine import driver

if TYPE_CHECKING:
    from timebank.ledger.entries import Entry
    from timebank.rules.moving import MovedTable
    from timebank.rules.state import HoursRow
    from timebank.store.engine import Raw, Tx

PAGE: Final = 4_000

CONTRADICTIONS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    exc.DataError,
    exc.IntegrityError,
)
"""What is raised for rows that no group could have together."""

Rows = list[tuple[Any, ...]]


class BookRow(NamedTuple):
    """What a book is known by, and how often it was restored."""

    book_id: bytes
    created_at: datetime
    epoch: int


class MovedCut(NamedTuple):
    """What moves, seen at one moment.

    Attributes:
        tables: By name, rows of all tables that are not paged; without the group.
        periods: Numbers of the periods that are published.
        log_size: Leaves of the public log.
    """

    book: BookRow
    tables: dict[str, Rows]
    periods: list[int]
    log_size: int


def _columns(moved: MovedTable) -> list[str]:
    own = [column.name for column in moved.columns]
    # An account's name in the archive is no column of its table.
    return own[1:] if moved.table == "timebank.accounts" else own


def _select(moved: MovedTable, more: str = "") -> str:
    texts = {column.name for column in moved.columns if column.kind == "json"}
    shown = [f"{name}::text" if name in texts else name for name in _columns(moved)]
    return (
        f"SELECT {', '.join(shown)} FROM {moved.table}"
        f" WHERE group_id = $1{more} ORDER BY {', '.join(moved.order)}"
    )


def _places(moved: MovedTable, first: int) -> str:
    """Return a place for each value, the first with this number; JSON travels as the text that it is."""
    texts = {column.name for column in moved.columns if column.kind == "json"}
    return ", ".join(
        f"${number}::text::jsonb" if name in texts else f"${number}"
        for number, name in enumerate(_columns(moved), start=first)
    )


async def take_moved_cut(tx: Tx, group_id: UUID) -> MovedCut:
    """Return what moves of a group that is there; ``tx`` sees one moment."""
    connection = await driver(tx)
    tables = {
        moved.table.removeprefix("timebank."): [
            tuple(row) for row in await connection.fetch(_select(moved), group_id)
        ]
        for moved in MOVED
        if moved.table.removeprefix("timebank.") not in PAGED
    }
    book = await connection.fetchrow(
        """
        SELECT g.book_id, g.created_at, h.epoch
          FROM timebank.groups AS g
          JOIN timebank.book_heads AS h ON h.group_id = g.group_id
         WHERE g.group_id = $1
        """,
        group_id,
    )
    assert book is not None, group_id
    notes = tables["published_checkpoints"]
    return MovedCut(
        book=BookRow(*book),
        tables=tables,
        periods=[row[0] for row in tables["published_periods"]],
        log_size=notes[-1][1] if notes else 0,
    )


async def find_book_id(tx: Tx, group_id: UUID) -> bytes:
    """Return the id of a group's book.

    Raises:
        UnknownGroup: There is no such group.
    """
    connection = await driver(tx)
    found: bytes | None = await connection.fetchval(
        "SELECT book_id FROM timebank.groups WHERE group_id = $1", group_id
    )
    if found is None:
        raise UnknownGroup
    return found


async def list_lines(tx: Tx, group_id: UUID, moved: MovedTable, period: int) -> Rows:
    """Return the rows of one period of a table that is paged."""
    connection = await driver(tx)
    return [
        tuple(row) for row in await connection.fetch(_select(moved, " AND period = $2"), group_id, period)
    ]


async def list_records(
    tx: Tx, group_id: UUID, *, first_seq: int, last_seq: int
) -> list[tuple[int, bytes, str]]:
    """Return number, salt and text of records."""
    connection = await driver(tx)
    rows = await connection.fetch(
        """
        SELECT seq, salt, record
          FROM timebank.records
         WHERE group_id = $1
           AND seq BETWEEN $2 AND $3
      ORDER BY seq
        """,
        group_id,
        first_seq,
        last_seq,
    )
    return [(seq, salt, record.decode()) for seq, salt, record in rows]


# ---------------------------------------------------------------- the way back in


async def insert_rows(
    connection: Raw, group_id: UUID, moved: MovedTable, rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows of a table as they came, page by page."""
    columns = _columns(moved)
    statement = f"INSERT INTO {moved.table} (group_id, {', '.join(columns)}) VALUES ($1, {_places(moved, 2)})"
    page: list[tuple[Any, ...]] = []
    for row in rows:
        page.append((group_id, *row))
        if len(page) == PAGE:
            await connection.executemany(statement, page)
            page.clear()
    if page:
        await connection.executemany(statement, page)


async def set_epoch(connection: Raw, group_id: UUID, epoch: int, recorded_at: datetime) -> None:
    """Let an empty book begin in the epoch that it had, and before its first record."""
    await connection.execute(
        "UPDATE timebank.book_heads SET epoch = $2, recorded_at = $3 WHERE group_id = $1",
        group_id,
        epoch,
        recorded_at,
    )


async def insert_published_group(
    connection: Raw, group_id: UUID, slug: str, moved: MovedTable, row: Sequence[Any]
) -> None:
    """Show to everybody what they saw of the group before, at its new address."""
    columns = _columns(moved)
    await connection.execute(
        f"INSERT INTO {moved.table} (group_id, slug, {', '.join(columns)})"
        f" VALUES ($1, $2, {_places(moved, 3)})",
        group_id,
        slug,
        *row,
    )


async def close_accounts(connection: Raw, group_id: UUID, numbers: Sequence[int]) -> None:
    """Close accounts that were closed."""
    if numbers:
        await connection.execute(
            """
            UPDATE timebank.accounts
               SET closed = true
             WHERE group_id = $1
               AND account_id = ANY($2::bigint[])
            """,
            group_id,
            numbers,
        )


class MovedRecord(NamedTuple):
    """A record as it was written, and the entry that it is, if it is one."""

    seq: int
    kind: str
    record: bytes
    salt: bytes
    commitment: bytes
    entry: Entry | None


async def insert_records(connection: Raw, group_id: UUID, records: Sequence[MovedRecord]) -> None:
    """Write records, entries and transfers with the numbers and moments that they had."""
    await connection.executemany(
        "INSERT INTO timebank.records (group_id, seq, kind, record, salt, commitment)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        [(group_id, *record[:5]) for record in records],
    )
    entries = [record.entry for record in records if record.entry is not None]
    await connection.executemany(
        "INSERT INTO timebank.entries (group_id, seq, entry_id, kind, source, effective_on, recorded_at, category,"
        " draw_id, reverses_seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [
            (
                group_id,
                entry.seq,
                entry.draft.entry_id,
                str(entry.draft.kind),
                entry.draft.source,
                entry.draft.effective_on,
                entry.recorded_at,
                entry.draft.category,
                entry.draft.draw_id,
                entry.reverses_seq,
            )
            for entry in entries
        ],
    )
    await connection.executemany(
        "INSERT INTO timebank.transfers (group_id, seq, leg, debit_account, credit_account, amount, debit_balance,"
        " credit_balance) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (group_id, entry.seq, leg, transfer.debit, transfer.credit, transfer.amount, *balances)
            for entry in entries
            for leg, (transfer, balances) in enumerate(
                zip(entry.draft.transfers, entry.balances, strict=True)
            )
        ],
    )


async def insert_hours(connection: Raw, group_id: UUID, hours: Sequence[HoursRow]) -> None:
    """Write hours with the moments at which they were logged."""
    await connection.executemany(
        "INSERT INTO timebank.hours (group_id, hours_id, seq, state, giver_account, receiver_account, draw_id,"
        " minutes, effective_on, category, logged_by, logged_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        [(group_id, *row) for row in hours],
    )


async def take_witnesses(connection: Raw, group_id: UUID) -> None:
    """Have a group keep the list of witnesses that it wrote last; only its history says which."""
    await connection.execute(
        """
        UPDATE timebank.groups
           SET witnesses = ARRAY(SELECT jsonb_array_elements_text(h.after->'witnesses')
                                   FROM (SELECT after
                                           FROM timebank.settings_history
                                          WHERE group_id = $1
                                            AND after ? 'witnesses'
                                       ORDER BY changed_at DESC, change_id DESC
                                          LIMIT 1) AS h)
         WHERE group_id = $1
        """,
        group_id,
    )
