"""Our own sheets: what their columns may be called, what every line says, and every fault of those that do not."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.sheet import (
    KEPT,
    faults_of,
    lines_of,
    passed_of,
    read,
    read_file,
    reading,
    remarks_of,
)
from timebank.errors import (
    ColumnsMissing,
    FieldEmpty,
    FileUnreadable,
    ReferenceTwice,
    RowWidth,
    SameAccountTwice,
    TotalsDiffer,
    UnknownLayout,
)
from timebank.formats.cells import READINGS_MAX, Readings
from timebank.formats.columns import folded
from timebank.formats.layouts import LAYOUTS, Reading, header_of, recognise
from timebank.formats.own import ANSWERS, DIRECTIONS, VERSION
from timebank.formats.table import Row, Table, open_table
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

DAY = date(2025, 3, 1)


# ---------------------------------------------------------------- the files


def test_the_hours_of_the_file_add_up_to_what_was_counted_by_hand() -> None:
    items = read_file("hours")

    lines = lines_of(items)
    assert sum(line.minutes for line in lines) == 2250
    assert sum(line.minutes for line in lines if line.receiver == "") == 735, "what the pot got"
    assert lines[0] == HoursLine(2, date(2025, 2, 26), "Inés", "", 75, "errands", "Llevó las cajas")
    assert items[-1] == Total(32, 2250, "minutes", 30)
    assert faults_of(items) == []


def test_every_fault_of_the_broken_hours_is_found_and_the_right_lines_stay_right() -> None:
    items = read_file("hours.broken")

    assert faults_of(items) == [
        (3, "date", "day_unreadable"),
        (4, "date", "day_ambiguous"),
        (4, "hours", "duration_unreadable"),
        (5, "date", "field_empty"),
        (5, "giver", "field_empty"),
        (5, "hours", "duration_unreadable"),
        (6, "receiver", "same_account_twice"),
        (7, "hours", "amount_out_of_range"),
        (7, "receiver", "same_account_twice"),
        (8, "hours", "number_ambiguous"),
        (9, "hours", "duration_not_whole"),
        (10, "", "row_width"),
        (11, "", "row_width"),
        (12, "giver", "field_invalid"),
        (13, "giver", "field_invalid"),
        (13, "category", "field_invalid"),
    ]
    assert [line.line for line in lines_of(items)] == [2, 14]


def test_the_money_of_the_file_adds_up_by_currency_and_direction() -> None:
    items = read_file("money")

    sums: dict[tuple[str, bool], int] = {}
    for line in lines_of(items):
        key = (line.currency, line.incoming)
        sums[key] = sums.get(key, 0) + line.amount
    assert sums == {("CHF", True): 59350, ("EUR", True): 129400, ("CHF", False): 32375, ("EUR", False): 90875}
    assert items[-4:] == [
        Total(30, 59350, "CHF", 6, incoming=True),
        Total(31, 129400, "EUR", 12, incoming=True),
        Total(32, 32375, "CHF", 2, incoming=False),
        Total(33, 90875, "EUR", 8, incoming=False),
    ]


def test_every_fault_of_the_broken_money_is_found() -> None:
    items = read_file("money.broken")

    assert faults_of(items) == [
        (3, "direction", "direction_unreadable"),
        (4, "amount", "amount_unreadable"),
        (5, "currency", "field_invalid"),
        (5, "amount", "amount_unreadable"),
        (6, "amount", "amount_too_fine"),
        (7, "reference", "reference_twice"),
        (8, "direction", "field_empty"),
        (8, "currency", "field_empty"),
        (8, "amount", "field_empty"),
        (9, "amount", "amount_out_of_range"),
        (10, "date", "day_unreadable"),
        (10, "amount", "number_ambiguous"),
        (10, "reference", "reference_twice"),
    ]
    assert [line.line for line in lines_of(items)] == [2, 11]


def test_openings_are_of_people_and_of_pots() -> None:
    items = read_file("openings")

    lines = lines_of(items)
    assert sum(line.amount for line in lines if line.unit == "minutes") == 30975
    assert sum(line.amount for line in lines if line.unit == "EUR") == 133745
    assert lines[0] == OpeningLine(2, date(2024, 12, 31), "Ada", True, 27 * 60, "minutes")
    assert lines[18] == OpeningLine(20, date(2024, 12, 31), "", False, 7230, "minutes", "hours")
    assert lines[19] == OpeningLine(21, date(2024, 12, 31), "", False, 125000, "EUR", "money", "bank")
    assert sum(line.received for line in lines) == 6
    assert items[-2:] == [Total(23, 30975, "minutes", 19), Total(24, 133745, "EUR", 2)]


def test_every_fault_of_the_broken_openings_is_found() -> None:
    assert faults_of(read_file("openings.broken")) == [
        (3, "received", "field_empty"),
        (4, "received", "field_invalid"),
        (5, "hours", "field_empty"),
        (6, "person", "field_invalid"),
        (7, "amount", "field_invalid"),
        (8, "received", "field_invalid"),
        (9, "currency", "field_empty"),
        (10, "currency", "field_invalid"),
    ]


def test_of_people_only_the_nickname_is_read() -> None:
    lines = lines_of(read_file("people"))

    assert len(lines) == 20
    assert lines[2] == PersonLine(4, "Inés")
    assert not any("600" in repr(line) for line in lines)


def test_every_fault_of_the_broken_people_is_found() -> None:
    assert faults_of(read_file("people.broken")) == [
        (3, "nickname", "field_empty"),
        (4, "nickname", "nickname_taken"),
        (5, "nickname", "field_invalid"),
    ]


# ---------------------------------------------------------------- columns


def test_columns_are_known_in_any_order_case_and_accent_and_in_spanish() -> None:
    items = read(
        """
        HORAS;Nota;Categoría;RECIBE;Da;Fecha
        1h30;con prisa;recados;;Inés;2025-03-01
        """
    )

    assert items == [HoursLine(2, DAY, "Inés", "", 90, "recados", "con prisa")]


def test_money_is_read_in_spanish_too() -> None:
    items = read(
        """
        fecha;sentido;persona;importe;moneda;lugar;referencia;nota
        2025-03-01;ENTRADA;Inés;12,50;€;caja;R-1;donación
        2025-03-01;salida;;3;eur;;;
        """,
        symbols={"EUR": ("€",), "CHF": ("Fr.",)},
    )

    assert items == [
        MoneyLine(2, DAY, True, "Inés", 1250, "EUR", "caja", "R-1", "donación"),
        MoneyLine(3, DAY, False, "", 300, "EUR"),
    ]


def test_a_mapping_says_which_header_is_which_and_beats_every_other_spelling() -> None:
    sheet = reading(
        """
        Wann,Helferin,Wem,Dauer,giver
        2025-03-01,Ada,Bo,1:00,Milo
        """,
        layout="hours",
        columns={"date": "wann", "giver": "HELFERIN", "receiver": "Wem", "hours": "Dauer"},
    )

    assert list(sheet) == [HoursLine(2, DAY, "Ada", "Bo", 60)]
    assert remarks_of(sheet) == ["These columns are passed over: giver."]


def test_columns_that_are_missing_are_named_in_our_words() -> None:
    with pytest.raises(ColumnsMissing) as refusal:
        read("Wann,giver,Dauer\n2025-03-01,Ada,1:00", layout="hours")

    assert refusal.value.params == {"columns": "date, receiver, hours"}


def test_a_file_that_comes_close_to_a_layout_is_told_what_lacks() -> None:
    with pytest.raises(ColumnsMissing) as refusal:
        read("date,giver,hours,note\n2025-03-01,Ada,1:00,x")

    assert refusal.value.params == {"columns": "receiver"}


def test_that_everything_went_to_the_pot_is_said_and_not_guessed() -> None:
    text = "date,giver,hours\n2025-03-01,Ada,1:00"

    with pytest.raises(ColumnsMissing):
        read(text)
    assert read(text, columns={"receiver": ""}) == [HoursLine(2, DAY, "Ada", "", 60)]


def test_a_column_whose_cells_are_needed_cannot_be_mapped_away() -> None:
    with pytest.raises(ColumnsMissing) as refusal:
        read("giver,receiver,hours\nAda,Bo,1:00", columns={"date": ""})

    assert refusal.value.params == {"columns": "date"}


def test_one_header_is_one_column_whatever_a_mapping_says() -> None:
    with pytest.raises(ColumnsMissing) as refusal:
        read(
            "date,who,hours\n2025-03-01,Ada,1:00", layout="hours", columns={"giver": "who", "receiver": "who"}
        )

    assert refusal.value.params == {"columns": "receiver"}


@pytest.mark.parametrize("text", ["x,y,z\n1,2,3", "2025-03-01,Ada,Bo,1:00", "date\n2025-03-01"])
def test_columns_of_no_layout_are_refused(text: str) -> None:
    with pytest.raises(UnknownLayout):
        read(text)


def test_a_layout_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownLayout):
        read("nickname\nAda", layout="ledger")


def test_names_of_people_never_make_a_file_one_of_people_that_has_a_column_called_name() -> None:
    with pytest.raises(UnknownLayout):
        read("date,name,minutes\n2025-03-01,Ada,60")


def test_columns_that_mean_nothing_are_passed_over_and_said() -> None:
    extra = [f"x{number}" for number in range(14)]
    head = ",".join(["date", "giver", "receiver", "hours", *extra])

    sheet = reading(f"{head}\n2025-03-01,Ada,Bo,1:00{',?' * 14}")

    assert list(sheet) == [HoursLine(2, DAY, "Ada", "Bo", 60)]
    (remark,) = remarks_of(sheet)
    assert remark == "These columns are passed over: x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 4 more."


def test_of_two_headers_for_one_column_our_own_name_counts_and_the_other_is_said() -> None:
    sheet = reading("fecha,date,giver,receiver,hours\n2020-01-01,2025-03-01,Ada,Bo,1:00")

    assert list(sheet) == [HoursLine(2, DAY, "Ada", "Bo", 60)]
    assert remarks_of(sheet) == ["These columns are passed over: fecha."]


def test_headers_are_compared_without_case_accents_and_signs() -> None:
    assert folded(" Categoría *") == "categoria"
    assert folded("shortId") == folded("SHORTID")
    assert folded("date_of-service") == "date of service"
    assert folded("#") == ""


def test_no_two_columns_of_a_layout_share_a_spelling() -> None:
    for layout in LAYOUTS.values():
        spellings = [
            folded(spelling) for column in layout.columns for spelling in {column.name, *column.also}
        ]
        assert len(set(spellings)) == len(spellings), layout.name
        assert all(also == folded(also) for column in layout.columns for also in column.also), layout.name


def test_a_page_can_ask_which_column_is_which() -> None:
    table = open_table(io.BytesIO(b"Wer,Wann\nAda,2025-03-01\n"))

    assert header_of(table) == ("Wer", "Wann")
    needed = {column.name for column in LAYOUTS["hours"].columns if column.needed}
    assert needed == {"date", "giver", "receiver", "hours"}
    assert all(column.means for layout in LAYOUTS.values() for column in layout.columns)


def test_a_table_without_a_line_is_refused() -> None:
    with pytest.raises(FileUnreadable):
        header_of(Table((), lambda: iter(())))


def test_a_table_that_begins_with_a_fault_is_refused_with_it() -> None:
    begins = Fault(1, "", FileUnreadable(why="x"))

    with pytest.raises(FileUnreadable):
        header_of(Table((), lambda: iter((begins,))))


def test_a_table_that_cannot_be_recognised_is_refused_at_once_and_not_at_the_first_line() -> None:
    table = open_table(io.BytesIO(b"x,y\n1,2\n"))

    with pytest.raises(UnknownLayout):
        Reading(table, ReadOptions())


# ---------------------------------------------------------------- lines


def test_empty_cells_behind_the_last_column_are_nothing_but_a_cell_too_few_is_a_fault() -> None:
    items = read(
        """
        date,giver,receiver,hours
        2025-03-01,Ada,Bo,1:00,,
        2025-03-01,Ada,Bo
        """
    )

    assert items == [
        HoursLine(2, DAY, "Ada", "Bo", 60),
        Fault(3, "", RowWidth(cells=3, columns=4)),
    ]


def test_what_the_table_cannot_read_stands_between_the_lines() -> None:
    broken = Fault(3, "", FileUnreadable(why="x"))
    rows = [
        Row(1, ("date", "giver", "receiver", "hours")),
        Row(2, ("2025-03-01", "Ada", "Bo", "1:00")),
        broken,
        Row(4, ("2025-03-01", "Bo", "Ada", "0:30")),
    ]

    items = list(Reading(Table((), lambda: iter(rows)), ReadOptions()))

    assert items == [HoursLine(2, DAY, "Ada", "Bo", 60), broken, HoursLine(4, DAY, "Bo", "Ada", 30)]


def test_names_are_in_one_form_and_have_nothing_that_is_not_seen() -> None:
    text = "date,giver,receiver,hours\n2025-03-01,{},,1:00"

    assert read(text.format("Ine\u0301s")) == [HoursLine(2, DAY, "In\u00e9s", "", 60)]
    assert faults_of(read(text.format("Ada\u3164"))) == [(2, "giver", "field_invalid")]


def test_helping_oneself_is_a_fault_in_whatever_case() -> None:
    items = read("date,giver,receiver,hours\n2025-03-01,Ada,ADA,1:00")

    assert items == [Fault(2, "receiver", SameAccountTwice(), "ADA")]


def test_a_fault_shows_what_was_written_but_nothing_that_turns_the_line_around() -> None:
    (fault,) = read("date,giver,receiver,hours\n2025-03-01,Ada,Bo,\u202e1:00")

    assert isinstance(fault, Fault)
    assert fault.value == "\\u202e1:00"


def test_the_later_of_two_equal_references_names_the_earlier_even_if_that_one_is_faulty() -> None:
    items = read(
        """
        date,direction,amount,currency,reference
        never,in,1.00,EUR,R-1
        2025-03-01,in,1.00,EUR,
        2025-03-01,in,1.00,EUR,
        2025-03-01,in,2.00,EUR,R-1
        """
    )

    assert faults_of(items) == [(2, "date", "day_unreadable"), (5, "reference", "reference_twice")]
    assert items[-1] == Fault(5, "reference", ReferenceTwice(line=2), "R-1")


def test_a_group_with_one_currency_needs_no_column_for_it_and_others_do() -> None:
    text = "date,direction,amount\n2025-03-01,in,1.00"

    assert read(text, digits={"EUR": 2}) == [MoneyLine(2, DAY, True, "", 100, "EUR")]
    with pytest.raises(ColumnsMissing):
        read(text, digits={"EUR": 2, "CHF": 2})


def test_an_empty_currency_is_the_only_one_and_of_two_a_fault() -> None:
    text = "date,direction,amount,currency\n2025-03-01,in,1,"

    assert read(text, digits={"JPY": 0}) == [MoneyLine(2, DAY, True, "", 1, "JPY")]
    assert read(text) == [Fault(2, "currency", FieldEmpty())]


def test_a_symbol_that_two_currencies_share_says_nothing() -> None:
    items = read(
        "date,direction,amount,currency\n2025-03-01,in,1,$",
        digits={"USD": 2, "CAD": 2},
        symbols={"USD": ("$",), "CAD": ("$",)},
    )

    assert faults_of(items) == [(2, "currency", "field_invalid")]


def test_notes_keep_their_lines_and_are_refused_when_they_are_too_long() -> None:
    items = read(
        'date,giver,receiver,hours,note\n2025-03-01,Ada,Bo,1:00,"one\ntwo"\n2025-03-01,Ada,Bo,1:00,'
        + "x" * 1001
    )

    assert items[0] == HoursLine(2, DAY, "Ada", "Bo", 60, note="one\ntwo")
    assert faults_of(items) == [(4, "note", "field_invalid")]


def test_what_was_read_of_equal_texts_is_forgotten_before_it_grows() -> None:
    readings = Readings(int)
    for number in range(READINGS_MAX + 5):
        assert readings[str(number)] == number

    assert len(readings) == 5
    assert readings["0" * 100 + "7"] == 7
    assert len(readings) == 5, "long texts are not remembered"


# ---------------------------------------------------------------- closing lines


HOURS = """
    date,giver,receiver,hours,category,note
    2025-03-01,Ada,Bo,1:00,,
    2025-03-01,Bo,,0:45,,
    total,,,{told},,lines={lines}; cut=seq 9
    """


def test_a_closing_line_that_is_right_is_a_total() -> None:
    items = read(HOURS.format(told="1:45", lines=2))

    assert items[2:] == [Total(4, 105, "minutes", 2)]


@pytest.mark.parametrize(("told", "lines"), [("1:44", 2), ("1:45", 3), ("100:45", 1)])
def test_a_closing_line_that_is_wrong_is_a_fault(told: str, lines: int) -> None:
    items = read(HOURS.format(told=told, lines=lines))

    refusal = TotalsDiffer(told=f"{told} (lines={lines})", found="1:45 (lines=2)")
    assert items[3:] == [Fault(4, "hours", refusal, told)]


def test_lines_behind_the_closing_one_are_a_fault_said_once() -> None:
    text = HOURS.format(told="1:45", lines=2)
    items = read(f"{text.strip()}\n2025-03-01,Ada,Bo,1:00,,\n2025-03-01,Ada,Bo,1:00,,")

    refusal = TotalsDiffer(told="lines=2", found="lines=3")
    assert [item for item in items if isinstance(item, Fault)] == [Fault(5, "", refusal)]


def test_a_broken_line_behind_the_closing_one_is_said_to_be_behind_it_too() -> None:
    text = HOURS.format(told="1:45", lines=2)
    items = read(f"{text.strip()}\n2025-03-01,Ada,Bo,never,,")

    assert faults_of(items) == [(5, "", "totals_differ"), (5, "hours", "duration_unreadable")]


def test_a_file_that_lost_a_line_does_not_add_up() -> None:
    text = HOURS.format(told="1:45", lines=2).replace("    2025-03-01,Bo,,0:45,,\n", "")

    assert faults_of(read(text)) == [(3, "hours", "totals_differ")]


MONEY = """
    date,direction,person,amount,currency,held,reference,note
    2025-03-01,in,,10.00,EUR,,,
    2025-03-01,out,,2.50,EUR,,,
    total,in,,10.00,EUR,,,lines=1; cut=seq 9
    """


def test_a_file_whose_closing_lines_were_cut_off_does_not_add_up() -> None:
    whole = MONEY.rstrip() + "\n    total,out,,2.50,EUR,,,lines=1; cut=seq 9\n"

    assert faults_of(read(whole)) == []
    (fault,) = [item for item in read(MONEY) if isinstance(item, Fault)]
    assert fault == Fault(4, "", TotalsDiffer(told="0.00 EUR out (lines=0)", found="2.50 EUR out (lines=1)"))


def test_sums_are_not_compared_while_lines_cannot_be_read() -> None:
    items = read(HOURS.format(told="1:45", lines=2).replace("0:45", "soon"))

    assert faults_of(items) == [(3, "hours", "duration_unreadable")]
    assert items[-1] == Total(4, 105, "minutes", 2)


def test_a_sum_that_lacks_is_no_fault_while_lines_cannot_be_read() -> None:
    items = read(MONEY.replace("2025-03-01,in", "never,in"))

    assert faults_of(items) == [(2, "date", "day_unreadable")]


@pytest.mark.parametrize("cells", ["2025-03-01,Ada", '"2025-03-01"x,Ada,Bo,1:00,,'])
def test_lines_that_have_no_cells_to_read_make_sums_unknown_too(cells: str) -> None:
    items = read(HOURS.format(told="1:45", lines=2).replace("2025-03-01,Bo,,0:45,,", cells))

    assert len(faults_of(items)) == 1
    assert faults_of(items)[0][0] == 3


def test_an_empty_export_adds_up() -> None:
    items = read("date,giver,receiver,hours,category,note\ntotal,,,0:00,,lines=0; cut=seq 1")

    assert items == [Total(2, 0, "minutes", 0)]


def test_a_sum_that_somebody_wrote_by_hand_is_passed_over() -> None:
    items = read("date,giver,receiver,hours\n2025-03-01,Ada,Bo,1:00\nTotal,,,99:00")

    assert lines_of(items) == [HoursLine(2, DAY, "Ada", "Bo", 60)]
    assert passed_of(items) == [3]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("total,in,,many,EUR,,,lines=1", "amount_unreadable"),
        ("total,in,,1.00,XXX,,,lines=1", "field_invalid"),
        ("total,both,,1.00,EUR,,,lines=1", "direction_unreadable"),
        ("total,in,,,EUR,,,lines=1", "field_empty"),
    ],
)
def test_a_closing_line_that_cannot_be_read_is_one_fault(line: str, code: str) -> None:
    items = read(f"date,direction,person,amount,currency,held,reference,note\n{line}")

    assert faults_of(items) == [(2, "amount", code)]


def test_a_spreadsheet_may_write_a_sum_in_its_own_way() -> None:
    items = read(MONEY.replace("total,in,,10.00", "total,in,,10").replace("2025-03-01,out,,2.50,EUR,,,", ""))

    assert items[-1] == Total(4, 1000, "EUR", 1, incoming=True)


# ---------------------------------------------------------------- whatever is written


PLAIN = """
    total Total 2025-03-01 1:00 0:30 in out EUR € yes no Ada Bo ada member organization 3600 -1 0 1,5 12.50
    lines=1 CREDIT DEBIT finished 1517392800 9999999999
    """
TRICKS = ["", "lines=1; cut=x", "\u202e", "\ud800", "1" * 400, "9" * 18 + ":00"]
WORDS = st.one_of(st.sampled_from(PLAIN.split()), st.sampled_from(TRICKS), st.text(max_size=12))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(LAYOUTS)))
def test_whatever_is_written_is_yielded_as_an_item_and_nothing_is_raised(
    data: st.DataObject, name: str
) -> None:
    layout = LAYOUTS[name]
    width = len(layout.columns)
    head = Row(1, tuple(column.name for column in layout.columns))
    bodies = st.lists(st.lists(WORDS, min_size=max(1, width - 1), max_size=width + 1), max_size=6)
    rows = [head] + [Row(line, tuple(cells)) for line, cells in enumerate(data.draw(bodies), 2)]
    options = ReadOptions(
        layout=name,
        days=data.draw(st.sampled_from([None, "iso", "dmy", "mdy"])),
        decimal=data.draw(st.sampled_from([None, ".", ","])),
        nearest=data.draw(st.booleans()),
        on=data.draw(st.sampled_from([None, DAY])),
        digits=data.draw(st.sampled_from([{}, {"EUR": 2}, KEPT])),
        symbols={"EUR": ("€",)},
    )

    items = list(Reading(Table((), lambda: iter(rows)), options))

    kinds: Any = (Fault, Total, Passed, HoursLine, MoneyLine, OpeningLine, PersonLine)
    assert all(isinstance(item, kinds) for item in items)
    told_of = {item.line for item in items}
    assert {row.line for row in rows[1:]} <= told_of or name == "komunitin", "no line is lost without a word"
    assert all(_is_sound(item) for item in items)


def _is_sound(item: Item) -> bool:
    match item:
        case HoursLine():
            return item.giver != "" and 1 <= item.minutes <= 10**12
        case MoneyLine() | OpeningLine():
            return 1 <= item.amount <= 10**12
        case PersonLine():
            return item.nickname != ""
        case Fault():
            return len(item.value) <= 80
        case _:
            return True


@settings(max_examples=100, deadline=None)
@given(head=st.lists(WORDS, min_size=1, max_size=28), name=st.sampled_from(["", *sorted(LAYOUTS)]))
def test_whatever_the_first_line_says_it_is_recognised_or_refused(head: list[str], name: str) -> None:
    try:
        match = recognise(head, ReadOptions(layout=name))
    except (ColumnsMissing, UnknownLayout):
        return

    assert not name or match.layout.name == name


def test_every_pass_over_a_reading_begins_anew() -> None:
    sheet = reading(HOURS.format(told="1:45", lines=2))

    first, second = iter(sheet), iter(sheet)
    pairs = list(zip(first, second, strict=True))

    assert isinstance(sheet, Reading)
    assert all(one == other for one, other in pairs)
    assert pairs[-1][0] == Total(4, 105, "minutes", 2)


# ---------------------------------------------------------------- the page about it


def test_the_page_about_formats_names_every_layout_column_and_spelling() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    words = f" {folded(page)} "

    for layout in LAYOUTS.values():
        assert layout.name in page
        for column in layout.columns:
            assert f"`{column.name}`" in page, (layout.name, column.name)
            for spelling in column.also:
                assert f" {spelling} " in words, (layout.name, column.name, spelling)
    assert f"version {VERSION}" in page
    for word in (*DIRECTIONS, *ANSWERS):
        assert f" {word} " in words, word
