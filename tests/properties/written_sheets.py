"""Lines as people's spreadsheets have them: any lines of ours, written down in any of the ways that we read."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Final, NamedTuple
from unicodedata import normalize

from hypothesis import strategies as st

from timebank.errors import FieldInvalid
from timebank.formats.formulas import defused
from timebank.ledger.units import AMOUNT_MAX, MINUTES
from timebank.rules.names import NICKNAME_MAX, free_text, plain_text
from timebank.rules.sheets import (
    NOTE_MAX,
    HoursLine,
    Line,
    MoneyLine,
    OpeningLine,
    PersonLine,
    ReadOptions,
)

DIGITS: Final = {"EUR": 2, "JPY": 0, "TND": 3}
_SIGNS: Final = st.characters(categories=("L", "M", "N", "P", "S", "Zs", "Cf"))
_ANY: Final = st.text(_SIGNS, min_size=1, max_size=NICKNAME_MAX) | st.text(
    "aé=+-@'\",;\t \u200d\U0001f642٣", min_size=1, max_size=12
)


def _normal(text: str) -> str:
    return normalize("NFC", text).strip()


def _is_plain(text: str) -> bool:
    with suppress(FieldInvalid):
        return plain_text(text, field="", length_max=NICKNAME_MAX) == text
    return False


def _is_note(text: str) -> bool:
    with suppress(FieldInvalid):
        return free_text(text, field="", length_max=NOTE_MAX) == text
    return False


words: Final = _ANY.map(_normal).filter(_is_plain)
notes: Final = st.just("") | (_ANY | st.text("a =\n\t'\"\u2028,;", max_size=30)).map(_normal).filter(_is_note)
codes: Final = st.just("") | st.from_regex(r"[a-z][a-z0-9]{0,10}", fullmatch=True)
days: Final = st.dates()
minutes: Final = st.integers(1, 10_000) | st.integers(1, AMOUNT_MAX)
_apart: Final = st.tuples(words, st.just("") | words).filter(
    lambda two: two[0].casefold() != two[1].casefold()
)


@st.composite
def hours_lines(draw: st.DrawFn) -> HoursLine:
    giver, receiver = draw(_apart)
    # Categories and names share their signs; only the lengths differ, and both are 40.
    category = draw(st.just("") | words)
    return HoursLine(0, draw(days), giver, receiver, draw(minutes), category, draw(notes), draw(codes))


money_lines: Final = st.builds(
    MoneyLine,
    st.just(0),
    days,
    st.booleans(),
    st.just("") | words,
    st.integers(1, AMOUNT_MAX) | st.integers(1, 100_000),
    st.sampled_from(sorted(DIGITS)),
    codes,
    st.just("") | words,
    notes,
    st.just("") | words,
    codes,
)


@st.composite
def opening_lines(draw: st.DrawFn) -> OpeningLine:
    day, amount = draw(days), draw(minutes)
    what = draw(st.sampled_from(["person", "hours", "money"]))
    if what == "person":
        return OpeningLine(0, day, draw(words), draw(st.booleans()), amount, MINUTES, "", "")
    if what == "hours":
        return OpeningLine(0, day, "", False, amount, MINUTES, draw(codes), "")
    return OpeningLine(
        0, day, "", False, amount, draw(st.sampled_from(sorted(DIGITS))), draw(codes), draw(codes)
    )


def _same_reference(line: MoneyLine) -> object:
    return line.reference or object()


LINES: Final[dict[str, st.SearchStrategy[list[Any]]]] = {
    "hours": st.lists(hours_lines(), min_size=1, max_size=7),
    "money": st.lists(money_lines, min_size=1, max_size=7, unique_by=_same_reference),
    "openings": st.lists(opening_lines(), min_size=1, max_size=7),
    "people": st.lists(
        st.builds(PersonLine, st.just(0), words, st.just("")),
        min_size=1,
        max_size=7,
        unique_by=lambda line: line.nickname.casefold(),
    ),
}


class Way(NamedTuple):
    """How somebody's program writes a sheet.

    Attributes:
        order: Of day, month and year; None writes ISO dates and says nothing.
        decimal: None writes what can only be read in one way, and says nothing.
        renamed: Headers of theirs, by our column; the options tell.
        closing: Whether the sheet ends with sums, as our exports do.

    """

    delimiter: str
    codec: str
    end: str
    order: str | None
    decimal: str | None
    renamed: bool
    closing: bool


ways: Final = st.builds(
    Way,
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([None, "iso", "dmy", "mdy"]),
    st.sampled_from([None, ".", ","]),
    st.booleans(),
    st.booleans(),
)


def options_of(layout: str, way: Way, columns: Sequence[str]) -> ReadOptions:
    """Return what has to be said of a sheet that was written in a way."""
    return ReadOptions(
        layout=layout if way.renamed else "",
        days=way.order,  # type: ignore[arg-type]
        decimal=way.decimal,  # type: ignore[arg-type]
        columns={name: _renamed(name) for name in columns} if way.renamed else {},
        digits=DIGITS,
    )


COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "hours": ("date", "giver", "receiver", "hours", "category", "note", "pot"),
    "money": (
        "date", "direction", "person", "amount", "currency", "held", "reference", "note", "category", "pot",
    ),
    "openings": ("date", "person", "pot", "hours", "received", "amount", "currency", "held", "note"),
    "people": ("nickname",),
}  # fmt: skip


def write_sheet(
    layout: str, lines: Sequence[Line], way: Way, draw: Callable[[st.SearchStrategy[Any]], Any]
) -> bytes:
    """Return a sheet of lines, with columns in any order and one that nobody knows.

    Args:
        draw: Chooses the order of columns, and for each number one of the ways to write it.
    """
    rows = [_cells(line, way, draw) for line in lines]
    if way.closing and layout != "people":
        rows += _closing(lines)
    columns = draw(st.permutations([*COLUMNS[layout], "Ihre Bemerkung"]))
    file = io.StringIO(newline="")
    # Where lines end otherwise, the csv module leaves some line ends within cells without quotation marks.
    quoting = csv.QUOTE_MINIMAL if way.end == "\r\n" and len(columns) > 2 else csv.QUOTE_ALL
    writer = csv.writer(file, delimiter=way.delimiter, lineterminator=way.end, quoting=quoting)
    writer.writerow([_renamed(name) if way.renamed and name in COLUMNS[layout] else name for name in columns])
    for row in rows:
        writer.writerow([defused(row.get(name, "")) for name in columns])
    return _encoded(file.getvalue(), way.codec)


def _encoded(text: str, codec: str) -> bytes:
    if codec == "utf-16-be":
        return codecs.BOM_UTF16_BE + text.encode(codec)
    if codec == "cp1252":
        with suppress(UnicodeEncodeError):
            content = text.encode(codec)
            with suppress(UnicodeDecodeError):
                # What could be UTF-8 as well is taken for that.
                content.decode()
                return text.encode()
            return content
        return text.encode()
    return text.encode(codec)


def _renamed(name: str) -> str:
    return f"Spalte {name[::-1]}"


def _cells(line: Line, way: Way, draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, str]:
    if isinstance(line, PersonLine):
        return {"nickname": line.nickname}
    cells = {"date": _day(line.day, way.order, draw), "pot": line.pot}
    if isinstance(line, HoursLine):
        return cells | {
            "giver": line.giver,
            "receiver": line.receiver,
            "hours": _time(line.minutes, way.decimal, draw),
            "category": line.category,
            "note": line.note,
        }
    if isinstance(line, MoneyLine):
        return cells | {
            "direction": draw(
                st.sampled_from(["in", "IN", "entrada"] if line.incoming else ["out", "Salida"])
            ),
            "person": line.person,
            "amount": _amount(line.amount, DIGITS[line.currency], way.decimal, draw),
            "currency": line.currency,
            "held": line.held,
            "reference": line.reference,
            "note": line.note,
            "category": line.category,
        }
    cells |= {"person": line.person, "held": line.held}
    if line.person:
        cells["received"] = draw(st.sampled_from(["yes", "sí", "1"] if line.received else ["no", "N", "0"]))
    if line.unit == MINUTES:
        return cells | {"hours": _time(line.amount, way.decimal, draw)}
    return cells | {
        "amount": _amount(line.amount, DIGITS[line.unit], way.decimal, draw),
        "currency": line.unit,
    }


def _day(day: date, order: str | None, draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    iso = day.isoformat()
    if order in (None, "iso"):
        return iso
    sign = draw(st.sampled_from("./-"))
    first, second = (day.day, day.month) if order == "dmy" else (day.month, day.day)
    short = f"{first}{sign}{second}{sign}{day.year:04}"
    long = f"{first:02}{sign}{second:02}{sign}{day.year:04}"
    return str(draw(st.sampled_from([iso, short, long])))


def _time(minutes: int, decimal: str | None, draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    whole, rest = divmod(minutes, 60)
    ways = [
        f"{whole}:{rest:02}",
        f"{whole}h{rest:02}",
        f"{whole} h {rest} min",
        f"{minutes}m",
        f"{minutes} min",
    ]
    if rest % 3 == 0:
        ways.append(f"{whole}{decimal or '.'}{rest * 100 // 60:02}")
    return str(draw(st.sampled_from(ways)))


def _amount(
    amount: int, digits: int, decimal: str | None, draw: Callable[[st.SearchStrategy[Any]], Any]
) -> str:
    whole, rest = divmod(amount, 10**digits)
    fraction = f"{rest:0{digits}}" if digits else ""
    if decimal is None:
        # With a zero more, three digits behind a point cannot be meant as thousands.
        fraction = f"{fraction}0" if digits == 3 else fraction
        return f"{whole}.{fraction}" if fraction else str(whole)
    grouped = f"{whole:,}".replace(",", draw(st.sampled_from(["", " ", "'", "." if decimal == "," else ","])))
    return f"{grouped}{decimal}{fraction}" if fraction else grouped


def _closing(lines: Sequence[Line]) -> list[dict[str, str]]:
    """Return a closing line for every sum."""
    sums: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        if isinstance(line, HoursLine):
            sums.setdefault(("", MINUTES), []).append(line.minutes)
        elif isinstance(line, MoneyLine):
            sums.setdefault(("in" if line.incoming else "out", line.currency), []).append(line.amount)
        elif isinstance(line, OpeningLine):
            sums.setdefault(("", line.unit), []).append(line.amount)
    rows = []
    for (way, unit), amounts in sums.items():
        row = {"date": "total", "note": f"lines={len(amounts)}; cut=seq 7", "direction": way}
        total = sum(amounts)
        if unit == MINUTES:
            row["hours"] = f"{total // 60}:{total % 60:02}"
        else:
            whole, rest = divmod(total, 10 ** DIGITS[unit])
            row["currency"] = unit
            row["amount"] = f"{whole}.{rest:0{DIGITS[unit]}}" if DIGITS[unit] else str(whole)
        rows.append(row)
    return rows
