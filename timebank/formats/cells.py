"""Cells: one reader for each column, and everything that is wrong with a line at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, Generic, TypeVar
from unicodedata import is_normalized, normalize

from timebank.errors import (
    N_,
    AmountUnreadable,
    FieldEmpty,
    FieldInvalid,
    NumberAmbiguous,
    ReferenceTwice,
    Refusal,
    SameAccountTwice,
)
from timebank.formats.columns import Match
from timebank.formats.formulas import LIVE_SIGNS, is_live
from timebank.rules.names import NICKNAME_MAX, free_text, plain_text
from timebank.rules.sheets import NOTE_MAX, DecimalSign, Fault, Item, ReadOptions
from timebank.rules.written import read_amount, read_day, read_minutes, read_moment_day, shown

T = TypeVar("T")

REFERENCE_MAX: Final = NOTE_MAX
READINGS_MAX: Final = 20_000
"""Readings of equal texts that one column remembers; then it starts anew."""
REMEMBERED_MAX: Final = 64
"""Characters of a text whose reading is remembered; longer ones are rarely written twice."""

NO_SUCH_CURRENCY: Final = N_("the group keeps no such currency")
FORMULA: Final = N_("it is a formula; if it is meant as text, write an apostrophe before it")


class Readings(dict[str, T]):
    """What equal texts were read as, so that each is read once; refusals are not remembered."""

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> T:
        value = self._read(text)
        if len(text) <= REMEMBERED_MAX:
            if len(self) >= READINGS_MAX:
                self.clear()
            self[text] = value
        return value


class Cell(Generic[T]):
    """One column of one file: ``of`` returns what a line has there, or raises why not.

    Attributes:
        name: Our name of the column.
        place: Its index in the file.
    """

    def __init__(self, name: str, place: int, read: Callable[[str], T], *, remember: bool = True) -> None:
        self.name = name
        self.place = place
        self._readings: Readings[T] | _Unremembered[T] = Readings(read) if remember else _Unremembered(read)

    def of(self, cells: Sequence[str]) -> T:
        """Return what a line has here.

        Raises:
            Refusal: It cannot be read.
        """
        return self._readings[cells[self.place]]

    def refusal(self, cells: Sequence[str]) -> Refusal | None:
        """Return what is wrong with the cell by itself."""
        try:
            self.of(cells)
        except Refusal as refusal:
            return refusal
        return None

    def written(self, cells: Sequence[str]) -> str:
        """Return the text as it stands."""
        return cells[self.place]


class _Unremembered(Generic[T]):
    """Stands in for Readings where nearly every text is another."""

    def __init__(self, read: Callable[[str], T]) -> None:
        self._read = read

    def __getitem__(self, text: str) -> T:
        return self._read(text)


class Missing(Cell[T]):
    """A column that the file does not have: the same for every line."""

    def __init__(self, name: str, value: T) -> None:
        super().__init__(name, -1, lambda _: value)
        self._value = value

    def of(self, cells: Sequence[str]) -> T:  # noqa: ARG002
        """Return the same for every line."""
        return self._value

    def written(self, cells: Sequence[str]) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""


class Words(Cell[str]):
    """A column of short texts, which no spreadsheet is to run wherever they come out again."""

    def of(self, cells: Sequence[str]) -> str:
        """Return what a line has here.

        Raises:
            FieldInvalid: It is a live formula.
            Refusal: It cannot be read.
        """
        text = cells[self.place]
        # Before the readings that are remembered: the same signs with the mark of text are no formula.
        if text.startswith(LIVE_SIGNS) and is_live(text):
            raise FieldInvalid(field=self.name, why=FORMULA)
        return super().of(cells)


class Money(Cell[int]):
    """An amount in the currency that another column names."""

    def __init__(
        self, name: str, place: int, currency: Cell[str], options: ReadOptions, *, optional: bool = False
    ) -> None:
        super().__init__(name, place, lambda _: 0)
        self._currency = currency
        self._optional = optional
        self._of_any = _amounts("", 2, options)
        self._by_currency = {"": Readings(self._of_any)} | {
            code: Readings(_amounts(code, digits, options)) for code, digits in options.digits.items()
        }

    def of(self, cells: Sequence[str]) -> int:
        """Return smallest coins; 0 where an optional cell is empty."""
        text = cells[self.place]
        if self._optional and not text:
            return 0
        return self._by_currency[self._currency.of(cells)][text]

    def refusal(self, cells: Sequence[str]) -> Refusal | None:
        """Return what is wrong with the amount; without its currency only what is wrong in any."""
        if readable(cells, self._currency) and self._currency.of(cells):
            return super().refusal(cells)
        text = cells[self.place]
        if self._optional and not text:
            return None
        try:
            self._of_any(text)
        except (FieldEmpty, AmountUnreadable, NumberAmbiguous) as refusal:
            return refusal
        except Refusal:
            return None
        return None


class Lines:
    """What the readers of all layouts have in common: cells, and the faults of a line."""

    def __init__(self, match: Match, options: ReadOptions) -> None:
        self.spoiled = False
        self.options = options
        self._match = match
        self._cells: list[Cell[Any]] = []

    # ------------------------------------------------------------ what a layout says

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        """Return what a line says; see ``columns.LineReader``."""
        raise NotImplementedError

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        """Yield what is wrong between cells, each of which may be wrong by itself too."""
        yield from ()

    def finish(self) -> Iterator[Item]:
        """Yield what only the end of the file can tell."""
        yield from ()

    # ------------------------------------------------------------ faults

    def explain(self, line: int, cells: Sequence[str]) -> Iterator[Item]:
        """Yield every fault of a line."""
        self.spoiled = True
        for cell in self._cells:
            refusal = cell.refusal(cells)
            if refusal is not None:
                yield Fault(line, cell.name, refusal, shown(cell.written(cells)))
        for cell, refusal in self.across(line, cells):
            yield Fault(line, cell.name, refusal, shown(cell.written(cells)))

    # ------------------------------------------------------------ columns

    def column(self, name: str, read: Callable[[str], T], *, missing: T, remember: bool = True) -> Cell[T]:
        """Return the reader of a column; ``missing`` is what lines have where the file lacks it."""
        place = self._match.places.get(name)
        cell = Missing(name, missing) if place is None else Cell(name, place, read, remember=remember)
        self._cells.append(cell)
        return cell

    def add(self, cell: Cell[Any]) -> None:
        """Have a column of a layout's own kind explain its faults with the others."""
        self._cells.append(cell)

    def stamp(self, name: str, day_of: Callable[[str], date] = read_moment_day) -> Cell[date]:
        """Return a column of time stamps; where there are none, the day that the options say."""
        on = self.options.on

        def read(text: str) -> date:
            return on if on and not text else day_of(text)

        return self.column(name, read, missing=on or date.min)

    def nickname(self, name: str, *, empty: bool = False) -> Cell[str]:
        """Return a column of names of people."""
        return self.words(name, length_max=NICKNAME_MAX, empty=empty)

    def words(self, name: str, *, length_max: int, empty: bool = True, remember: bool = True) -> Cell[str]:
        """Return a column of short texts in one line, none of them a formula."""

        def read(text: str) -> str:
            if not text:
                if empty:
                    return ""
                raise FieldEmpty
            # Printable ASCII has no tricks; this spares looking at every sign of a million references.
            if len(text) <= length_max and text.isascii() and text.isprintable() and not text.isspace():
                return text.strip()
            return plain_text(text, field=name, length_max=length_max)

        place = self._match.places.get(name)
        cell = Missing(name, "") if place is None else Words(name, place, read, remember=remember)
        self._cells.append(cell)
        return cell

    def note(self, name: str) -> Cell[str]:
        """Return a column of longer texts, which may be empty."""

        def read(text: str) -> str:
            # What can be printed has no control to refuse; this spares looking at every sign.
            if len(text) <= NOTE_MAX and text.isprintable() and is_normalized("NFC", text):
                return text.strip()
            return free_text(text, field=name, length_max=NOTE_MAX)

        return self.column(name, read, missing="", remember=False)

    def day(self, name: str) -> Cell[date]:
        """Return a column of days, in the order that the options say."""
        order = self.options.days
        return self.column(name, lambda text: read_day(text, order=order), missing=date.min)

    def minutes(self, name: str, *, optional: bool = False, decimal: DecimalSign | None = None) -> Cell[int]:
        """Return a column of hours, in minutes above 0; of an optional one an empty cell is 0.

        ``decimal`` is the sign that the files of this layout have unless the options say another.
        """
        decimal, nearest = self.options.decimal or decimal, self.options.nearest

        def read(text: str) -> int:
            if optional and not text:
                return 0
            return read_minutes(text, decimal=decimal, nearest=nearest)

        return self.column(name, read, missing=0)

    def currency(self, name: str, *, optional: bool = False) -> Cell[str]:
        """Return a column of currencies; empty is the only one of the group, if it has one only.

        Otherwise an empty cell is refused, or of an optional one is empty.
        """
        codes = currency_codes(self.options)
        only = next(iter(self.options.digits)) if len(self.options.digits) == 1 else ""

        def read(text: str) -> str:
            if not text:
                if only or optional:
                    return only
                raise FieldEmpty
            try:
                return codes[_currency_key(text)]
            except KeyError:
                raise FieldInvalid(field=name, why=NO_SUCH_CURRENCY) from None

        return self.column(name, read, missing=only)

    def money(self, name: str, currency: Cell[str], *, optional: bool = False) -> Cell[int]:
        """Return a column of amounts above 0; of an optional one an empty cell is 0."""
        place = self._match.places.get(name)
        cell: Cell[int]
        if place is None:
            cell = Missing(name, 0)
        else:
            cell = Money(name, place, currency, self.options, optional=optional)
        self._cells.append(cell)
        return cell


# ---------------------------------------------------------------- small readings


def waived_day(name: str) -> Callable[[ReadOptions], frozenset[str]]:
    """Return what says that a file need not have this column if the options say a day."""
    return lambda options: frozenset({name}) if options.on else frozenset()


def readable(cells: Sequence[str], *columns: Cell[Any]) -> bool:
    """Say whether a line has something in each of these columns that can be compared with others."""
    try:
        for column in columns:
            column.of(cells)
    except Refusal:
        return False
    return True


def apart(giver: str, receiver: str) -> None:
    """Refuse somebody who helps themselves.

    Raises:
        SameAccountTwice: Both are the same nickname, in whatever case.
    """
    if giver == receiver or giver.casefold() == receiver.casefold():
        raise SameAccountTwice


def same_person(
    giver: Cell[str], receiver: Cell[str], cells: Sequence[str]
) -> Iterator[tuple[Cell[str], Refusal]]:
    """Yield the receiver's cell if it names the giver; nothing where one of them cannot be read."""
    if readable(cells, giver, receiver):
        try:
            apart(giver.of(cells), receiver.of(cells))
        except SameAccountTwice as refusal:
            yield receiver, refusal


def once(first_with: dict[str, int], reference: str, line: int) -> None:
    """Refuse a reference that an earlier line has; an empty one is none.

    Raises:
        ReferenceTwice: With the number of the earlier line.
    """
    first = first_with.setdefault(reference, line) if reference else line
    if first != line:
        raise ReferenceTwice(line=first)


def currency_codes(options: ReadOptions) -> Mapping[str, str]:
    """Return every way to write a currency of the group that means one only, and its code."""
    codes: dict[str, str] = {}
    shared: set[str] = set()
    for code, symbols in options.symbols.items():
        for symbol in symbols:
            key = _currency_key(symbol)
            if codes.setdefault(key, code) != code:
                shared.add(key)
    for key in shared:
        del codes[key]
    return {key: code for key, code in codes.items() if code in options.digits} | {
        _currency_key(code): code for code in options.digits
    }


def _currency_key(text: str) -> str:
    return normalize("NFKC", text).strip().casefold()


def _amounts(code: str, digits: int, options: ReadOptions) -> Callable[[str], int]:
    symbols = (code, *options.symbols.get(code, ())) if code else ()
    return lambda text: read_amount(text, digits=digits, decimal=options.decimal, symbols=symbols)
