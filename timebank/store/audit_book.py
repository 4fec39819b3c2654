"""What is opened for auditors, in SQL: beside the records, what decisions rested on and for whom they were."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from timebank.rules.audit import ChangeRow
from timebank.store.audit import fetch_ways, looking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timebank.rules.readiness import Way
    from timebank.store.engine import Database, Raw

PAGE: Final = 2_000


class OpenedHead(NamedTuple):
    """What the set-up and its history say, and the head, at one moment; everything up to its number never changes.

    Attributes:
        ways: How the group publishes, and from which first day of a period on; earliest first.
        changes: Every change of settings.
    """

    slug: str
    origin: str
    book_id: bytes
    began_on: date
    time_zone: str
    seq: int
    epoch: int
    checkpoint: str
    ways: list[tuple[date, Way]]
    changes: list[ChangeRow]


class AskRow(NamedTuple):
    """For whom an ask is; nobody for one without an account."""

    draw_id: UUID
    asked_at: datetime
    member_id: UUID | None
    household_id: UUID | None


class FactsRow(NamedTuple):
    """The sealed facts of a decision, with the id of the member, or of the ask, whose key opens them."""

    about_id: UUID
    owner: UUID
    of_ask: bool
    salt: bytes
    box: bytes


class BareRecord(NamedTuple):
    """A record and its salt."""

    seq: int
    record: bytes
    salt: bytes


_HEAD: Final = """
    SELECT g.slug, g.origin, g.book_id, g.began_on, g.time_zone, h.seq, h.epoch, h.checkpoint
      FROM timebank.groups AS g
      JOIN timebank.book_heads AS h ON h.group_id = g.group_id
     WHERE g.group_id = $1
"""
_CHANGES: Final = """
    SELECT change_id::text, changed_by, before::text, after::text
      FROM timebank.settings_history
     WHERE group_id = $1
"""
_ASKS: Final = """
    SELECT d.draw_id, d.asked_at, h.member_id, m.household_id
      FROM timebank.draws AS d
 LEFT JOIN timebank.draw_hands AS h ON h.group_id = $1 AND h.draw_id = d.draw_id AND h.theirs
 LEFT JOIN people.members AS m ON m.group_id = $1 AND m.member_id = h.member_id
     WHERE d.group_id = $1
       AND d.draw_id > $2
  ORDER BY d.draw_id
     LIMIT $3
"""
_FACTS: Final = """
    SELECT about_id, owner, of_ask, salt, box
      FROM (SELECT about_id, member_id AS owner, false AS of_ask, salt, box
              FROM people.notes
             WHERE group_id = $1
               AND what = 'facts'
         UNION ALL
            SELECT about_id, draw_id, true, salt, box
              FROM people.ask_notes
             WHERE group_id = $1
               AND what = 'facts') AS facts
     WHERE about_id > $2
  ORDER BY about_id
     LIMIT $3
"""
_RECORDS: Final = """
    SELECT seq, record, salt
      FROM timebank.records
     WHERE group_id = $1
       AND seq BETWEEN $2 AND $3
  ORDER BY seq
"""


async def find_head(connection: Raw, group_id: UUID) -> OpenedHead:
    """Return what the set-up of a group that is there says, and the head of its book."""
    # A change of settings that came after the head would be one of which the opened records say nothing.
    async with looking(connection, group_id, "REPEATABLE READ"):
        head = await connection.fetchrow(_HEAD, group_id)
        ways = await fetch_ways(connection, group_id)
        rows = await connection.fetch(_CHANGES, group_id)
    changes = [ChangeRow(row[0], row[1], json.loads(row[2]), json.loads(row[3])) for row in rows]
    return OpenedHead(**head, ways=ways, changes=changes)


async def list_asks(database: Database, group_id: UUID) -> AsyncIterator[list[AskRow]]:
    """Yield for whom asks are, page by page; between two of them nothing is held."""
    async for rows in _pages(database, group_id, _ASKS):
        yield [AskRow(*row) for row in rows]


async def list_facts(database: Database, group_id: UUID) -> AsyncIterator[list[FactsRow]]:
    """Yield the sealed facts of decisions, page by page; between two of them nothing is held."""
    async for rows in _pages(database, group_id, _FACTS):
        yield [FactsRow(*row) for row in rows]


async def read_records(connection: Raw, group_id: UUID, first_seq: int, last_seq: int) -> list[BareRecord]:
    """Return the records from one number to another, both included."""
    async with looking(connection, group_id):
        return [BareRecord(*row) for row in await connection.fetch(_RECORDS, group_id, first_seq, last_seq)]


async def _pages(database: Database, group_id: UUID, statement: str) -> AsyncIterator[list[Any]]:
    after = UUID(int=0)
    while True:
        async with database.hot.acquire(timeout=30) as connection, looking(connection, group_id):
            rows = await connection.fetch(statement, group_id, after, PAGE)
        yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1][0]
