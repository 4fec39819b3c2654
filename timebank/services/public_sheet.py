"""Everything that was published, row by row, for a sheet; read in small pieces, however long the book is."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank import __version__
from timebank.errors import UnknownPage
from timebank.formats.public_csv import PublicRow
from timebank.rules.publication import PublicFlow, PublicGroup, PublishedLine
from timebank.services.published import BEFORE_ALL
from timebank.store import published as store
from timebank.store.public_log import find_note_of

if TYPE_CHECKING:
    from timebank.store.engine import Database

_PERIODS_AT_ONCE: Final = 62
_LINES_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class PublicSheet:
    """Which sheet somebody asks for; nothing of it was read yet.

    Attributes:
        first, last: Numbers of its periods.
        until: Last day that it speaks of; None before the first close, and then it is empty.
        version: Another one if, and only if, another sheet would come out.
    """

    group_id: UUID
    group: PublicGroup
    first: int
    last: int
    until: date | None
    version: str


async def open_public_sheet(database: Database, slug: str, *, year: int | None = None) -> PublicSheet:
    """Return the sheet of a whole book, or of the periods that ended in one year.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Nothing was published in this year.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        spans = [
            one for one in await store.list_months(tx, group_id) if year is None or one.first_day.year == year
        ]
        if not spans and year is not None:
            raise UnknownPage
        first, last = (
            min((one.first for one in spans), default=1),
            max((one.last for one in spans), default=0),
        )
        period = await store.find_period(tx, group_id, last)
        note = await find_note_of(tx, group_id, last)
    until = period.last_day if period else None
    # The checkpoint stands for every line; before there was a log, nothing published was ever changed.
    said = f"{__version__}\n{slug}\n{first}\n{last}\n{until}\n{note or ''}"
    version = hashlib.sha256(said.encode()).hexdigest()[:32]
    return PublicSheet(group_id, group, first, last, until, version)


async def read_public_sheet(database: Database, sheet: PublicSheet) -> AsyncIterator[PublicRow]:
    """Yield the rows of a sheet, newest period first; what is published while it is read is not among them."""
    last = sheet.last
    while last >= sheet.first:
        first = max(sheet.first, last - _PERIODS_AT_ONCE + 1)
        async with database.public_read(sheet.group_id) as tx:
            flows = await store.list_flows(
                tx, sheet.group_id, first_period=first, last_period=last, by_kind=True
            )
        # What was published as a total has no lines; it comes after those of its period.
        apart = [flow for flow in flows if not flow.lines and (flow.came_in or flow.went_out)]
        async for line in _lines(database, sheet.group_id, first, last):
            while apart and apart[-1].period > line.period:
                yield _of_flow(apart.pop())
            for row in _of_line(line):
                yield row
        for flow in reversed(apart):
            yield _of_flow(flow)
        last = first - 1


async def _lines(database: Database, group_id: UUID, first: int, last: int) -> AsyncIterator[PublishedLine]:
    after: tuple[int, UUID] | None = (last, BEFORE_ALL)
    while after:
        # A transaction of its own for each piece: a slow reader must not keep one open.
        async with database.public_read(group_id) as tx:
            lines = await store.list_lines(
                tx, group_id, first_period=first, after=after, limit=_LINES_AT_ONCE
            )
        for line in lines:
            yield line
        full = len(lines) == _LINES_AT_ONCE
        after = (lines[-1].period, UUID(lines[-1].line_id)) if full else None


def _of_line(line: PublishedLine) -> Iterator[PublicRow]:
    """Yield a row for each pot that a line touches."""
    for pot, unit in dict.fromkeys((change.pot, change.unit) for change in line.changes):
        changes = [change for change in line.changes if (change.pot, change.unit) == (pot, unit)]
        yield PublicRow(
            line.period,
            line.first_day,
            line.last_day,
            line.day,
            line.arrived_late,
            line.kind,
            line.category,
            pot,
            unit,
            came_in=sum(max(0, change.total) for change in changes),
            went_out=sum(max(0, -change.total) for change in changes),
            promised=sum(abs(change.promised) for change in changes if not change.total),
            line=line.line_id,
        )


def _of_flow(flow: PublicFlow) -> PublicRow:
    return PublicRow(
        flow.period,
        flow.first_day,
        flow.last_day,
        None,
        late=False,
        kind=flow.kind or "total",
        category="",
        pot=flow.pot,
        unit=flow.unit,
        came_in=flow.came_in,
        went_out=flow.went_out,
        promised=0,
        line="",
    )
