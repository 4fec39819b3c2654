"""Our own sheets, version 1: hours, money, openings, people, and the closing lines that our exports end with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from timebank.errors import (
    N_,
    DirectionUnreadable,
    FieldEmpty,
    FieldInvalid,
    NicknameTaken,
    ReferenceTwice,
    Refusal,
    TotalsDiffer,
)
from timebank.formats.cells import (
    NO_SUCH_CURRENCY,
    REFERENCE_MAX,
    Cell,
    Lines,
    apart,
    currency_codes,
    once,
    readable,
    same_person,
)
from timebank.formats.columns import Column, Layout, Match, folded
from timebank.ledger.units import MINUTES
from timebank.rules.set_up import CATEGORY_MAX, CODE_MAX
from timebank.rules.sheets import (
    Fault,
    HoursLine,
    Item,
    MoneyLine,
    OpeningLine,
    Passed,
    PersonLine,
    ReadOptions,
    Total,
)
from timebank.rules.written import read_amount, read_minutes, shown

VERSION: Final = 1
"""Of these four layouts; docs/formats.md says what it promises."""

TOTAL: Final = "total"
"""What stands in the place of a day in a closing line."""

DIRECTIONS: Final = {"in": True, "entrada": True, "out": False, "salida": False}
ANSWERS: Final = {
    **dict.fromkeys(("yes", "y", "si", "true", "1"), True),
    **dict.fromkeys(("no", "n", "false", "0"), False),
}

NOT_YES_OR_NO: Final = N_("write yes or no")
NOT_BOTH: Final = N_("write hours or an amount, not both")
NOT_A_PERSON: Final = N_("money belongs to a pot, not to a person")
NOT_A_POT: Final = N_("only people received more than they gave")
NOT_COMPARED: Final = N_("it is a sum that does not say of how many lines, and was not compared")

_LINES: Final = re.compile(r"\blines=([0-9]{1,15})\b")
_CLOCK: Final = re.compile(r"([0-9]{1,18}):([0-5][0-9])")
_PLAIN: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?")


# ---------------------------------------------------------------- closing lines


class _Of(NamedTuple):
    """What one sum is of: a unit, and for money whether it came in."""

    unit: str
    incoming: bool | None = None


class _Sum:
    """An amount and the number of lines that it comes from."""

    __slots__ = ("amount", "lines")

    def __init__(self) -> None:
        self.amount = 0
        self.lines = 0


class Closing(Lines):
    """A reader that adds up what it reads, and compares that with the closing lines of the file."""

    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._sums: dict[_Of, _Sum] = {}
        self._told: set[_Of] = set()
        self._closed_at = 0
        self._ran_on = False
        self._codes = currency_codes(options)
        names = [column.name for column in match.layout.columns]
        self._sum_column = "amount" if "amount" in names else "hours"
        self._directed = "direction" in names

    def sum_of(self, unit: str, *, incoming: bool | None = None) -> _Sum:
        """Return the sum that lines of a unit are added to."""
        return self._sums.setdefault(_Of(unit, incoming), _Sum())

    def ran_on(self, line: int) -> Iterator[Item]:
        """Yield a fault for the first line after the closing ones; two files may have become one."""
        if self._closed_at and not self._ran_on:
            self._ran_on = True
            lines = sum(each.lines for each in self._sums.values())
            yield Fault(line, "", TotalsDiffer(told=f"lines={lines}", found=f"lines={lines + 1}"))

    def explain(self, line: int, cells: Sequence[str]) -> Iterator[Item]:
        """Yield every fault of a line, or the total that it is."""
        if folded(self._text(cells, "date")) == TOTAL:
            yield from self._close(line, cells)
            return
        yield from self.ran_on(line)
        yield from super().explain(line, cells)

    def finish(self) -> Iterator[Item]:
        """Yield a fault for every sum that the closing lines leave out."""
        if not self._closed_at or self.spoiled:
            return
        for of, found in self._sums.items():
            if found.lines and of not in self._told:
                refusal = TotalsDiffer(
                    told=self._said(of, 0, 0), found=self._said(of, found.amount, found.lines)
                )
                yield Fault(self._closed_at, "", refusal)

    def _close(self, line: int, cells: Sequence[str]) -> Iterator[Item]:
        counted = _LINES.search(self._text(cells, "note"))
        if counted is None:
            yield Passed(line, NOT_COMPARED)
            return
        self._closed_at = line
        column = "hours" if self._text(cells, "hours") else self._sum_column
        value = shown(self._text(cells, column))
        try:
            of = self._what(cells, column)
            amount = self._amount(self._text(cells, column), of)
        except Refusal as refusal:
            self.spoiled = True
            yield Fault(line, column, refusal, value)
            return
        lines = int(counted[1])
        self._told.add(of)
        yield Total(line, amount, of.unit, lines, of.incoming)
        found = self._sums.get(of) or _Sum()
        if not self.spoiled and (amount, lines) != (found.amount, found.lines):
            differ = TotalsDiffer(
                told=self._said(of, amount, lines), found=self._said(of, found.amount, found.lines)
            )
            yield Fault(line, column, differ, value)

    def _text(self, cells: Sequence[str], column: str) -> str:
        place = self._match.places.get(column)
        return "" if place is None else cells[place]

    def _what(self, cells: Sequence[str], column: str) -> _Of:
        if column == "hours":
            return _Of(MINUTES)
        written = self._text(cells, "currency")
        if written:
            unit = self._codes.get(written.casefold(), "")
        else:
            unit = next(iter(self.options.digits)) if len(self.options.digits) == 1 else ""
        if not unit:
            raise FieldInvalid(field="currency", why=NO_SUCH_CURRENCY)
        return _Of(unit, _direction(self._text(cells, "direction")) if self._directed else None)

    def _amount(self, text: str, of: _Of) -> int:
        """Return a sum as exports write it; a spreadsheet may have written it anew in its own way."""
        if of.unit == MINUTES:
            clock = _CLOCK.fullmatch(text)
            if clock:
                return int(clock[1]) * 60 + int(clock[2])
            return read_minutes(text, decimal=self.options.decimal)
        digits = self.options.digits[of.unit]
        plain = _PLAIN.fullmatch(text)
        if plain and len(plain[2] or "") <= digits:
            return int(plain[1] + (plain[2] or "").ljust(digits, "0"))
        return read_amount(text, digits=digits, decimal=self.options.decimal)

    def _said(self, of: _Of, amount: int, lines: int) -> str:
        if of.unit == MINUTES:
            return f"{amount // 60}:{amount % 60:02} (lines={lines})"
        digits = self.options.digits[of.unit]
        whole, rest = divmod(amount, 10**digits)
        number = f"{whole}.{rest:0{digits}}" if digits else str(whole)
        way = {True: " in", False: " out", None: ""}[of.incoming]
        return f"{number} {of.unit}{way} (lines={lines})"


# ---------------------------------------------------------------- readers


class _Hours(Closing):
    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._day = self.day("date")
        self._giver = self.nickname("giver")
        self._receiver = self.nickname("receiver", empty=True)
        self._hours = self.minutes("hours")
        self._category = self.words("category", length_max=CATEGORY_MAX)
        self._note = self.note("note")
        self._pot = self.words("pot", length_max=CODE_MAX)
        self._sum = self.sum_of(MINUTES)

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        day = self._day.of(cells)
        giver = self._giver.of(cells)
        receiver = self._receiver.of(cells)
        minutes = self._hours.of(cells)
        apart(giver, receiver)
        item = HoursLine(
            line,
            day,
            giver,
            receiver,
            minutes,
            self._category.of(cells),
            self._note.of(cells),
            self._pot.of(cells),
        )
        early = tuple(self.ran_on(line)) if self._closed_at else ()
        self._sum.amount += minutes
        self._sum.lines += 1
        return (*early, item)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        yield from same_person(self._giver, self._receiver, cells)


class _Money(Closing):
    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._day = self.day("date")
        self._incoming = self.column("direction", _direction, missing=True)
        self._person = self.nickname("person", empty=True)
        self._currency = self.currency("currency")
        self._amount_cell = self.money("amount", self._currency)
        self._held = self.words("held", length_max=CODE_MAX)
        self._reference = self.words("reference", length_max=REFERENCE_MAX, remember=False)
        self._note = self.note("note")
        self._category = self.words("category", length_max=CATEGORY_MAX)
        self._pot = self.words("pot", length_max=CODE_MAX)
        self._first_with: dict[str, int] = {}

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        incoming = self._incoming.of(cells)
        currency = self._currency.of(cells)
        amount = self._amount_cell.of(cells)
        reference = self._reference.of(cells)
        item = MoneyLine(
            line,
            self._day.of(cells),
            incoming,
            self._person.of(cells),
            amount,
            currency,
            self._held.of(cells),
            reference,
            self._note.of(cells),
            self._category.of(cells),
            self._pot.of(cells),
        )
        once(self._first_with, reference, line)
        early = tuple(self.ran_on(line)) if self._closed_at else ()
        found = self.sum_of(currency, incoming=incoming)
        found.amount += amount
        found.lines += 1
        return (*early, item)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:
        if readable(cells, self._reference):
            try:
                once(self._first_with, self._reference.of(cells), line)
            except ReferenceTwice as refusal:
                yield self._reference, refusal


class _Openings(Closing):
    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._day = self.day("date")
        self._person = self.nickname("person", empty=True)
        self._pot = self.words("pot", length_max=CODE_MAX)
        self._hours = self.minutes("hours", optional=True)
        self._received = self.column("received", _answer, missing=None)
        self._currency = self.currency("currency", optional=True)
        self._amount_cell = self.money("amount", self._currency, optional=True)
        self._held = self.words("held", length_max=CODE_MAX)

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        day = self._day.of(cells)
        minutes = self._hours.of(cells)
        unit = MINUTES if minutes else self._currency.of(cells)
        amount = minutes or self._amount_cell.of(cells)
        person, received = self._person.of(cells), self._received.of(cells) or False
        item = OpeningLine(
            line, day, person, received, amount, unit, self._pot.of(cells), self._held.of(cells)
        )
        for _, refusal in self.across(line, cells):
            raise refusal
        early = tuple(self.ran_on(line)) if self._closed_at else ()
        found = self.sum_of(unit)
        found.amount += amount
        found.lines += 1
        return (*early, item)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        person, hours, amount = (
            bool(cell.written(cells)) for cell in (self._person, self._hours, self._amount_cell)
        )
        if hours and amount:
            yield self._amount_cell, FieldInvalid(field="amount", why=NOT_BOTH)
        elif person and amount:
            yield self._person, FieldInvalid(field="person", why=NOT_A_PERSON)
        elif not hours and not amount:
            yield self._hours, FieldEmpty()
        if amount and readable(cells, self._currency) and not self._currency.of(cells):
            yield self._currency, FieldEmpty()
        if readable(cells, self._received):
            received = self._received.of(cells)
            if received is None and person and not amount:
                yield self._received, FieldEmpty()
            elif received and not person:
                yield self._received, FieldInvalid(field="received", why=NOT_A_POT)


class _People(Lines):
    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._nickname = self.nickname("nickname")
        self._first_with: dict[str, int] = {}

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        nickname = self._nickname.of(cells)
        if self._first_with.setdefault(nickname.casefold(), line) != line:
            raise NicknameTaken
        return (PersonLine(line, nickname),)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        if readable(cells, self._nickname):
            yield self._nickname, NicknameTaken()


def _direction(text: str) -> bool:
    if not text:
        raise FieldEmpty
    try:
        return DIRECTIONS[folded(text)]
    except KeyError:
        raise DirectionUnreadable from None


def _answer(text: str) -> bool | None:
    if not text:
        return None
    try:
        return ANSWERS[folded(text)]
    except KeyError:
        raise FieldInvalid(field="received", why=NOT_YES_OR_NO) from None


# ---------------------------------------------------------------- layouts

_DATE = Column("date", N_("The day it happened."), needed=True, also=("day", "fecha", "dia"))
_CATEGORY = Column("category", N_("What it was about, in the group's words."), also=("categoria",))
_NOTE = Column(
    "note",
    N_("Anything more. It is sealed, and only who gave reads it."),
    also=(
        "notes",
        "comment",
        "comments",
        "description",
        "nota",
        "notas",
        "comentario",
        "comentarios",
        "descripcion",
    ),
)
_POT = Column("pot", N_("The code of the pot; empty is the first one."), also=("bote", "fondo"))
_AMOUNT = ("sum", "importe", "cantidad", "monto")
_CURRENCY = Column(
    "currency",
    N_("The currency; not needed in a group that keeps one."),
    needed=True,
    also=("moneda", "divisa"),
)
_HELD = Column(
    "held",
    N_("Where the money lies: cash, bank, platform or the code of a place."),
    also=("held at", "where", "place", "donde", "lugar"),
)


def _one_currency(options: ReadOptions) -> frozenset[str]:
    return frozenset({"currency"}) if len(options.digits) == 1 else frozenset()


HOURS: Final = Layout(
    name="hours",
    title=N_("Hours of help given"),
    columns=(
        _DATE,
        Column(
            "giver",
            N_("Who gave the time."),
            needed=True,
            also=("given by", "who gave", "da", "dio", "quien da", "quien dio", "dador", "dadora"),
        ),
        Column(
            "receiver",
            N_("Whom it reached; empty is the pot."),
            needed=True,
            blank=True,
            also=(
                "received by",
                "who received",
                "recibe",
                "recibio",
                "quien recibe",
                "quien recibio",
                "receptor",
                "receptora",
            ),
        ),
        Column(
            "hours",
            N_("How long it was: 1:30, 1h30, 90m or 1.5."),
            needed=True,
            also=("time", "duration", "horas", "tiempo", "duracion"),
        ),
        _CATEGORY,
        _NOTE,
        _POT,
    ),
    reader=_Hours,
)

MONEY: Final = Layout(
    name="money",
    title=N_("Money in and out"),
    columns=(
        _DATE,
        Column(
            "direction",
            N_("Whether it came in or went out: in or out."),
            needed=True,
            also=("in or out", "in out", "sentido", "direccion", "entrada o salida", "entrada salida"),
        ),
        Column(
            "person", N_("Who gave or got it; empty is somebody outside."), also=("persona", "quien", "who")
        ),
        Column("amount", N_("How much it was, above zero."), needed=True, also=_AMOUNT),
        _CURRENCY,
        _HELD,
        Column(
            "reference",
            N_("What the bank statement says; every line has another one."),
            also=("ref", "referencia"),
        ),
        _NOTE,
        _CATEGORY,
        _POT,
    ),
    reader=_Money,
    waived=_one_currency,
)

OPENINGS: Final = Layout(
    name="openings",
    title=N_("What people and pots bring along from an older book"),
    columns=(
        _DATE,
        Column(
            "person",
            N_("Whose saved hours they are; empty is what a pot brings along."),
            needed=True,
            blank=True,
            also=("persona", "quien", "who"),
        ),
        _POT,
        Column(
            "hours", N_("How many hours: 1:30, 1h30, 90m or 1.5."), needed=True, blank=True, also=("horas",)
        ),
        Column(
            "received",
            N_("Of a person: whether they received more than they gave, yes or no."),
            needed=True,
            blank=True,
            also=("received more", "recibio", "recibio mas"),
        ),
        Column("amount", N_("How much money a pot brings along."), also=_AMOUNT),
        Column("currency", N_("The currency of the money."), also=("moneda", "divisa")),
        _HELD,
        Column("note", N_("Read in the closing line only.")),
    ),
    reader=_Openings,
)

PEOPLE: Final = Layout(
    name="people",
    title=N_("People"),
    columns=(
        Column(
            "nickname", N_("What the group calls them."), needed=True, also=("nick", "apodo", "mote", "alias")
        ),
    ),
    reader=_People,
    left_behind=(N_("Of people only the nickname is taken over."),),
)
