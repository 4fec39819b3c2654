"""What an import is told, and what it tells: options in, a report out; both can be kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import msgspec

FAULTS_SHOWN_MAX: Final = 1_000
NAMES_SHOWN_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How files are read, and what is done with whom and what the group does not have.

    Attributes:
        people: ``members`` lets names that nobody here has join; ``outsiders`` keeps no name.
        categories: ``add`` lets the group keep categories that it did not have; ``refuse``.
        began: First day of the book if it is earlier than now; None leaves it.
        layout, days, decimal, nearest, on, columns, sheet: See rules.sheets.ReadOptions.
    """

    people: Literal["members", "outsiders"] = "members"
    categories: Literal["refuse", "add"] = "refuse"
    began: date | None = None
    layout: str = ""
    days: Literal["iso", "dmy", "mdy"] | None = None
    decimal: Literal[".", ","] | None = None
    nearest: bool = False
    on: date | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""


class Source(NamedTuple):
    """A file as it was handed in; ``file`` can be read from its beginning again."""

    name: str
    file: BinaryIO


class SeenFile(msgspec.Struct, frozen=True):
    """What one file was.

    Attributes:
        layout: Name of the layout that it was read by.
        lines: Lines that say something.
        passed: (why, how many) of lines that were passed over on purpose.
        remarks: (msgid, parameters) about the file as a whole.
    """

    name: str
    layout: str
    lines: int
    passed: list[tuple[str, int]]
    remarks: list[tuple[str, dict[str, str | int]]]


class SeenFault(msgspec.Struct, frozen=True):
    """One thing that is wrong, with the place where it is."""

    file: str
    line: int
    column: str
    code: str
    message: str
    params: dict[str, str | int]
    value: str


class SeenColumn(msgspec.Struct, frozen=True):
    """One of our columns, for whoever says which of theirs it is.

    Attributes:
        means: Msgid.
        needed: Whether the file must have it.
        blank: Whether one can say that the file has none.
        theirs: Header that it is taken to be; empty for none.
    """

    name: str
    means: str
    needed: bool
    blank: bool
    theirs: str


class SeenHeader(msgspec.Struct, frozen=True):
    """The first line of a file, and what its columns are taken to be.

    Attributes:
        layout: Empty if nobody knows; then there are no columns, either.
        headers: Those that one can choose; nobody has to read a thousand.
        whole: Whether everything that is needed was found.
    """

    file: str
    layout: str
    headers: list[str]
    columns: list[SeenColumn]
    whole: bool


class SeenTotal(msgspec.Struct, frozen=True):
    """Sum of new lines of one kind and unit: given, in, out, opening."""

    what: str
    unit: str
    amount: int
    lines: int


class Report(msgspec.Struct, frozen=True):
    """What files hold, and what came or would come of them.

    Attributes:
        faults: The first thousand; ``fault_count`` counts all.
        new: Lines that are not in the book.
        already: Lines that an earlier import brought.
        people_new, categories_new: Who and what the group does not have, at most 200 named;
            the counts beside them count all.
        outside: How many names stay outside the group and are not kept.
        notes_lost: Notes of people outside, which nobody's key could seal.
        began_on: First day of the book, afterwards.
        headers: Of files that have one, in their order.
    """

    files: list[SeenFile]
    faults: list[SeenFault]
    fault_count: int
    new: int
    already: int
    totals: list[SeenTotal]
    people_new: list[str]
    people_new_count: int
    people_known: int
    outside: int
    categories_new: list[str]
    notes_lost: int
    began_on: date
    first_day: date | None
    last_day: date | None
    headers: list[SeenHeader] = msgspec.field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures without a name or a value, as they may be kept in the open."""
        return {
            "new": self.new,
            "already": self.already,
            "faults": self.fault_count,
            "people_new": self.people_new_count,
            "totals": [msgspec.to_builtins(total) for total in self.totals],
        }
