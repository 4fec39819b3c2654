"""What a spreadsheet says, line by line, whatever system it came from; nothing here is in a book yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, NamedTuple

from timebank.errors import Refusal

DayOrder = Literal["iso", "dmy", "mdy"]
DecimalSign = Literal[".", ","]

NOTE_MAX: Final = 1_000
CELL_MAX: Final = 10_000
"""Characters of one cell; nothing that people write by hand is longer."""
COLUMNS_MAX: Final = 200


class HoursLine(NamedTuple):
    """Help that was given.

    Attributes:
        line: Number of the line in its file, from 1; the header counts.
        giver: Nickname of who gave the time; never empty.
        receiver: Nickname of whom it reached; empty is the pot.
        minutes: 1 to 10^12.
        category: As written; empty for none.
        pot: Code of a pot; empty for the first pot of hours.
    """

    line: int
    day: date
    giver: str
    receiver: str
    minutes: int
    category: str = ""
    note: str = ""
    pot: str = ""


class MoneyLine(NamedTuple):
    """Money that came in or went out.

    Attributes:
        incoming: Whether it came in.
        person: Nickname of who gave or got it; empty is somebody outside.
        amount: Whole smallest coins of ``currency``, 1 to 10^12.
        currency: ISO 4217 code.
        held: Code of the place where it lies, or its kind (cash, bank, platform) where the group
            has one place of that kind; empty where it has one place only.
        reference: What the bank statement says; no two lines of a file share one.
        category: As written; empty for none.
    """

    line: int
    day: date
    incoming: bool
    person: str
    amount: int
    currency: str
    held: str = ""
    reference: str = ""
    note: str = ""
    category: str = ""
    pot: str = ""


class OpeningLine(NamedTuple):
    """What somebody or a pot brings along from an older book.

    Attributes:
        person: Nickname, for saved hours of a time bank; empty for what a pot brings along.
        received: Of a person: whether they received more than they gave. Of a pot: False.
        amount: Minutes or smallest coins, 1 to 10^12.
        unit: ``minutes`` or an ISO 4217 code.
        held: Where money lies; see MoneyLine.
    """

    line: int
    day: date
    person: str
    received: bool
    amount: int
    unit: str
    pot: str = ""
    held: str = ""


class PersonLine(NamedTuple):
    """Somebody to join; ``key`` is how other files of the same system name them, empty for the nickname."""

    line: int
    nickname: str
    key: str = ""


Line = HoursLine | MoneyLine | OpeningLine | PersonLine


class Fault(NamedTuple):
    """What is wrong with a line.

    Attributes:
        line: Number of the line in its file, from 1.
        column: Our name of the column; empty for the line as a whole.
        refusal: Why, with a stable code.
        value: What was written, at most 80 characters, controls and invisible signs made visible.
    """

    line: int
    column: str
    refusal: Refusal
    value: str = ""


class Total(NamedTuple):
    """A closing line that our own exports write; the importer compares it with what it read.

    Attributes:
        amount: Sum of the column in minutes or smallest coins.
        unit: ``minutes`` or an ISO 4217 code.
        lines: How many lines of this unit the file has.
        incoming: Of money, whether it is the sum of what came in; None elsewhere.
    """

    line: int
    amount: int
    unit: str
    lines: int
    incoming: bool | None = None


class Passed(NamedTuple):
    """A line that is passed over on purpose, such as a transfer that was never finished; ``why`` is a msgid."""

    line: int
    why: str


Item = Line | Fault | Total | Passed


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is to be read; what is not said is never guessed silently.

    Attributes:
        layout: Name of a layout in ``formats.layouts``, or empty to recognise it by its columns.
        days: Order of day, month and year; None reads ISO dates only.
        decimal: The decimal sign of numbers; None takes both where only one reading is possible.
        nearest: Whether time that is no whole number of minutes goes to the nearest one.
        on: The day of lines in layouts that have none.
        columns: Our column: the header that it has in this file.
        digits: Digits after the point of every currency of the group, by code.
        symbols: Other ways to write each currency, by code: ``{"EUR": ("€",)}``.
        sheet: Name of the sheet of a workbook; empty for the first one.
    """

    layout: str = ""
    days: DayOrder | None = None
    decimal: DecimalSign | None = None
    nearest: bool = False
    on: date | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    digits: Mapping[str, int] = field(default_factory=dict)
    symbols: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sheet: str = ""
