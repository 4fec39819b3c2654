"""Columns and layouts: which header of a file is which column of ours."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from timebank.errors import N_, ColumnsMissing
from timebank.formats.text import Remark
from timebank.rules.sheets import Item, ReadOptions
from timebank.rules.written import shown

HEADERS_SHOWN_MAX: Final = 10
"""Headers that one remark names; a sheet can have hundreds that mean nothing here."""


class Column(NamedTuple):
    """A column of a layout.

    Attributes:
        name: Our name of it, which faults and mappings use.
        means: Msgid for the page that asks which column is which.
        needed: Whether a file must have it.
        blank: Of a needed one, whether all its cells may be empty: then a mapping to no header
            says that the file has none. Leaving such a column away without a word would change
            what the lines mean, so that is not guessed.
        also: Other headers that are taken for it, as ``folded`` returns them.
    """

    name: str
    means: str
    needed: bool = False
    blank: bool = False
    also: tuple[str, ...] = ()


class LineReader(Protocol):
    """Makes lines of cells, for one pass over one file; it may remember what earlier lines said.

    Attributes:
        spoiled: Whether some line could not be read, so that sums of the others tell nothing.
    """

    spoiled: bool

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        """Return what a line says.

        Raises:
            Refusal: Something is wrong with it; ``explain`` says all of it.
        """

    def explain(self, line: int, cells: Sequence[str]) -> Iterator[Item]:
        """Yield everything that is wrong with a line that ``read`` refused, or what it is instead."""

    def finish(self) -> Iterator[Item]:
        """Yield what only the end of the file can tell."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file.

    Attributes:
        name: What options and pages call it.
        title: Msgid.
        columns: In the order in which files without a header have them.
        reader: Makes the reader of one pass.
        left_behind: Msgids that say what of such files is not taken over.
        headless: Whether such files come without a header; then every line has all columns.
        unmistakable: Whether a first line can only be one of this layout; of headless ones.
        waived: Columns that a file need not have, under these options.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    reader: Callable[[Match, ReadOptions], LineReader]
    left_behind: tuple[str, ...] = ()
    headless: bool = False
    unmistakable: Callable[[Sequence[str]], bool] | None = None
    waived: Callable[[ReadOptions], frozenset[str]] = field(default=lambda _: frozenset())


class Match(NamedTuple):
    """How the columns of one file are those of a layout.

    Attributes:
        places: Our column: its index in the file, from 0.
        width: How many cells every line has.
        headed: Whether the first line is a header.
        passed_over: Headers that mean nothing here.
    """

    layout: Layout
    places: Mapping[str, int]
    width: int
    headed: bool = True
    passed_over: tuple[str, ...] = ()

    def remarks(self) -> Iterator[Remark]:
        """Yield what whoever imports the file should know before they do."""
        if self.passed_over:
            names = ", ".join(shown(header) for header in self.passed_over[:HEADERS_SHOWN_MAX])
            more = len(self.passed_over) - HEADERS_SHOWN_MAX
            if more > 0:
                yield Remark(
                    N_("These columns are passed over: %(columns)s and %(count)s more."),
                    {"columns": names, "count": more},
                )
            else:
                yield Remark(N_("These columns are passed over: %(columns)s."), {"columns": names})
        for message in self.layout.left_behind:
            yield Remark(message)


def folded(header: str) -> str:
    """Return a header without case, accents and signs: ``Categoría *`` is ``categoria``."""
    plain = unicodedata.normalize("NFKD", header).casefold()
    return " ".join(
        "".join(sign if sign.isalnum() else " " for sign in plain if not unicodedata.combining(sign)).split()
    )


def columns_found(layout: Layout, head: Sequence[str], options: ReadOptions) -> dict[str, int]:
    """Return where the columns of a layout are; a page can offer it as a guess.

    What a mapping names comes first, then our own names, then other spellings; of two
    headers that are as good the left one is taken.
    """
    headers = [folded(header) for header in head]
    wishes = [
        (column.name, folded(options.columns[column.name]))
        for column in layout.columns
        if column.name in options.columns
    ]
    wishes += [(column.name, folded(column.name)) for column in layout.columns]
    wishes += [(column.name, header) for column in layout.columns for header in column.also]
    places: dict[str, int] = {}
    taken: set[int] = set()
    for name, wish in wishes:
        if not wish or name in places:
            continue
        for place, header in enumerate(headers):
            if header == wish and place not in taken:
                places[name] = place
                taken.add(place)
                break
    return places


def columns_lacking(layout: Layout, places: Mapping[str, int], options: ReadOptions) -> list[str]:
    """Return the names of the needed columns that were not found and that nobody waived."""
    waived = layout.waived(options)
    return [
        column.name
        for column in layout.columns
        if column.needed
        and column.name not in places
        and column.name not in waived
        and not (column.blank and options.columns.get(column.name) == "")
    ]


def match_header(layout: Layout, head: Sequence[str], options: ReadOptions) -> Match:
    """Return which column of a file is which.

    Raises:
        ColumnsMissing: Some that the layout needs are not there.
    """
    places = columns_found(layout, head, options)
    lacking = columns_lacking(layout, places, options)
    if lacking:
        raise ColumnsMissing(columns=", ".join(lacking))
    taken = set(places.values())
    passed_over = tuple(
        header for place, header in enumerate(head) if place not in taken and header and not header.isspace()
    )
    return Match(layout, places, len(head), passed_over=passed_over)


def match_order(layout: Layout, *, headed: bool = False) -> Match:
    """Return the columns of a file that has them in the order of the layout, and no header that says so."""
    places = {column.name: place for place, column in enumerate(layout.columns)}
    return Match(layout, places, len(layout.columns), headed=headed)
