"""Whatever people write, the readers return a value in range or a refusal; and what we write, they read.

``TIMEBANK_TEST_FUZZ=1000000`` is how many inputs each of these gets, 2,000 by default.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties import fuzz_written as fuzz
from timebank.errors import FileUnreadable, Refusal
from timebank.formats.formulas import defused
from timebank.formats.table import open_table
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.sheets import DayOrder, DecimalSign, Fault
from timebank.rules.written import read_amount, read_day, read_minutes, read_moment_day, shown

INPUTS = int(os.environ.get("TIMEBANK_TEST_FUZZ", "2000"))
many = settings(
    max_examples=INPUTS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

decimals = st.sampled_from([None, ".", ","])
orders = st.sampled_from([None, "iso", "dmy", "mdy"])
signs = st.sampled_from(fuzz.SIGNS)
amounts = st.integers(1, AMOUNT_MAX)
any_text = (
    st.text()
    | st.lists(signs, max_size=20).map("".join)
    | st.text(alphabet=st.characters(categories=["Nd", "P"]))
)


@st.composite
def near(draw: Callable[[Any], Any], forms: tuple[Any, ...], pieces: Any) -> Any:
    """Draw something close to one of these forms."""
    value = draw(st.sampled_from(forms))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(value)))
        end = draw(st.integers(begin, min(len(value), begin + 3)))
        value = value[:begin] + draw(pieces) + value[end:]
    return value


@many
@given(any_text | near(fuzz.DURATIONS, signs), decimals, st.booleans())
def test_any_text_is_a_time_in_range_or_refused(
    text: str, decimal: DecimalSign | None, nearest: bool
) -> None:
    with suppress(Refusal):
        assert 1 <= read_minutes(text, decimal=decimal, nearest=nearest) <= AMOUNT_MAX


@many
@given(any_text | near(fuzz.AMOUNTS, signs), decimals, st.integers(0, 4))
def test_any_text_is_an_amount_in_range_or_refused(
    text: str, decimal: DecimalSign | None, digits: int
) -> None:
    with suppress(Refusal):
        assert 1 <= read_amount(text, digits=digits, decimal=decimal, symbols=("EUR", "€")) <= AMOUNT_MAX


@many
@given(any_text | near(fuzz.DAYS, signs), orders)
def test_any_text_is_a_day_or_refused(text: str, order: DayOrder | None) -> None:
    with suppress(Refusal):
        assert type(read_day(text, order=order)) is date
    with suppress(Refusal):
        assert type(read_moment_day(text)) is date


@many
@given(any_text)
def test_any_text_can_be_shown(text: str) -> None:
    assert len(shown(text)) <= 80
    assert shown(text).isprintable() or not text.isprintable()
    shown(text).encode()


@many
@given(
    st.binary()
    | near(fuzz.TABLES, st.sampled_from(fuzz.BYTES))
    | st.lists(st.sampled_from([b'"', b",", b";", b"\n", b"\r", b" ", b"a", b"'="]), max_size=40).map(
        b"".join
    )
)
def test_any_file_is_sound_rows_and_faults_and_says_the_same_twice(content: bytes) -> None:
    # A file that is no text at all is refused at once; the ones that begin like a workbook are tested elsewhere.
    try:
        table = open_table(io.BytesIO(content))
    except FileUnreadable:
        return
    items = list(table.rows())

    assert items == list(table.rows())
    lines = [item.line for item in items]
    assert lines == sorted(set(lines))
    for item in items:
        if not isinstance(item, Fault):
            fuzz.assert_sound(item)


# ---------------------------------------------------------------- there and back


@many
@given(
    amounts,
    st.sampled_from(["{h}:{m:02}", "{h}h{m:02}", "{h} h {m} min", "{h}:{m:02}:00", "{all}m", "{all} min"]),
)
def test_minutes_that_are_written_are_read(minutes: int, form: str) -> None:
    text = form.format(h=minutes // 60, m=minutes % 60, all=minutes)

    assert read_minutes(text) == minutes
    assert read_minutes(text.translate({ord("0") + n: 0x660 + n for n in range(10)})) == minutes


@many
@given(amounts, st.sampled_from([".", ","]), st.sampled_from(["", " ", "'", "\u00a0", "\u066c", "other"]))
def test_amounts_that_are_written_are_read(amount: int, decimal: DecimalSign, thousands: str) -> None:
    sign = {".": ",", ",": "."}[decimal] if thousands == "other" else thousands
    text = f"{amount // 100:,}".replace(",", sign) + f"{decimal}{amount % 100:02}"

    assert read_amount(text, digits=2) == amount
    assert read_amount(text, digits=2, decimal=decimal) == amount
    assert read_amount(f"€ {text}", digits=2, symbols=("EUR", "€")) == amount


@many
@given(st.dates())
def test_days_that_are_written_are_read(day: date) -> None:
    assert read_day(day.isoformat()) == day
    assert read_day(f"{day.day}.{day.month}.{day.year:04}", order="dmy") == day
    assert read_day(f"{day.month:02}/{day.day:02}/{day.year:04}", order="mdy") == day
    assert read_moment_day(f"{day}T23:59:59Z") == day


texts = st.text(st.characters(exclude_characters="\0")).map(str.strip)


@many
@given(
    st.lists(st.lists(texts, min_size=3, max_size=3), max_size=5),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_rows_that_are_written_are_read(rows: list[list[str]], delimiter: str, end: str) -> None:
    file = io.StringIO(newline="")
    # Where lines end in LF, the csv module of Python 3.11 leaves a CR within a cell without quotation marks.
    writer = csv.writer(
        file,
        delimiter=delimiter,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL,
    )
    writer.writerow(["date", "giver", "note"])
    writer.writerows([defused(cell) for cell in row] for row in rows)

    read = list(open_table(io.BytesIO(file.getvalue().encode("utf-8", "surrogatepass"))).rows())

    assert [list(row.cells) for row in read if not isinstance(row, Fault)][1:] == [
        row for row in rows if any(row)
    ]


# ---------------------------------------------------------------- the fuzzer that is fast enough for millions


@pytest.mark.parametrize("name", fuzz.READERS)
def test_mutated_forms_are_read_or_refused_soon(name: str) -> None:
    report = fuzz.throw(name, INPUTS, seed=INPUTS)

    assert report.wrong == []
    assert report.accepted > 0
    assert report.refused > 0


def test_the_fuzzer_sees_what_breaks_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, chance: object) -> bool:
        return bool(1 / (len(text) % 3))

    monkeypatch.setitem(fuzz.READERS, "durations", (fuzz.READERS["durations"][0], broken))

    assert fuzz.throw("durations", 100, seed=1).wrong
