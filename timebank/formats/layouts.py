"""Layouts by name, and how a table becomes lines: what its columns are, then one item after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from timebank.errors import N_, FileUnreadable, Refusal, RowWidth, UnknownLayout
from timebank.formats import exchanges, komunitin, mutual_credit, open_collective, own, timeoverflow
from timebank.formats.columns import (
    Layout,
    LineReader,
    Match,
    columns_found,
    columns_lacking,
    match_header,
    match_order,
)
from timebank.formats.table import Row, Table
from timebank.formats.text import Remark
from timebank.rules.sheets import Fault, Item, ReadOptions

NO_LINES: Final = N_("it has no lines")

LAYOUTS: Final[Mapping[str, Layout]] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            own.HOURS,
            own.MONEY,
            own.OPENINGS,
            own.PEOPLE,
            timeoverflow.MEMBERS,
            timeoverflow.TRANSFERS,
            komunitin.TRANSFERS,
            mutual_credit.TRANSACTIONS,
            open_collective.TRANSACTIONS,
            exchanges.EXCHANGES,
        )
    }
)


class Reading:
    """A table and what its columns are; every pass over it gives the same items.

    Attributes:
        match: The layout and where its columns are.
    """

    def __init__(self, table: Table, options: ReadOptions) -> None:
        """Look at the first line.

        Raises:
            Refusal: As ``recognise`` and ``header_of`` do.
        """
        self.match = recognise(header_of(table), options)
        self._table = table
        self._options = options

    def remarks(self) -> Iterator[Remark]:
        """Yield what to say of the file as a whole, beside what the table remarks by itself."""
        yield from self.match.remarks()

    def __iter__(self) -> Iterator[Item]:
        """Yield every line, fault, total and passed line in the order of the file; never raise a refusal."""
        reader = self.match.layout.reader(self.match, self._options)
        headed = self.match.headed
        for row in self._table.rows():
            if isinstance(row, Fault):
                reader.spoiled = True
                yield row
            elif headed:
                headed = False
            else:
                yield from _items(reader, row, self.match.width)
        yield from reader.finish()


def header_of(table: Table) -> tuple[str, ...]:
    """Return the cells of the first line.

    Raises:
        FileUnreadable: There is none.
        Refusal: The first thing in the table is a fault; this is the refusal.
    """
    for row in table.rows():
        if isinstance(row, Fault):
            raise row.refusal
        return row.cells
    raise FileUnreadable(why=NO_LINES)


def recognise(head: Sequence[str], options: ReadOptions) -> Match:
    """Return which layout a file has, by its first line, and where its columns are.

    A layout that the options name is taken at its word. Otherwise it is the one that knows most
    of the columns among those that lack none; then the one whose lines look like no other's.

    Raises:
        UnknownLayout: No layout has such columns, or the options name none of ours.
        ColumnsMissing: One comes close and lacks some.
    """
    if options.layout:
        layout = LAYOUTS.get(options.layout)
        if layout is None:
            raise UnknownLayout
        return (
            _match_headless(layout, head, options) if layout.headless else match_header(layout, head, options)
        )
    found = {layout.name: columns_found(layout, head, options) for layout in LAYOUTS.values()}
    whole = [
        layout
        for layout in LAYOUTS.values()
        if found[layout.name] and not columns_lacking(layout, found[layout.name], options)
    ]
    if whole:
        return match_header(max(whole, key=lambda layout: len(found[layout.name])), head, options)
    for layout in LAYOUTS.values():
        if layout.unmistakable and layout.unmistakable(head):
            return match_order(layout)
    nearest = max(LAYOUTS.values(), key=lambda layout: len(found[layout.name]))
    if len(found[nearest.name]) < 2:
        raise UnknownLayout
    return match_header(nearest, head, options)


def _match_headless(layout: Layout, head: Sequence[str], options: ReadOptions) -> Match:
    if not columns_lacking(layout, columns_found(layout, head, options), options):
        return match_header(layout, head, options)
    return match_order(layout, headed=layout is komunitin.TRANSFERS and komunitin.has_header(head))


def _items(reader: LineReader, row: Row, width: int) -> Iterator[Item]:
    line, cells = row
    # Empty cells behind the last column are nothing; a cell too few means that all others may have moved.
    if len(cells) != width and (len(cells) < width or any(cells[width:])):
        reader.spoiled = True
        yield Fault(line, "", RowWidth(cells=len(cells), columns=width))
        return
    try:
        items = reader.read(line, cells)
    except Refusal:
        yield from reader.explain(line, cells)
    else:
        yield from items
