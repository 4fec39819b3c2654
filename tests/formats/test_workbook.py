"""Workbooks read like texts; and what is made to hurt hurts only the process that reads it."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.formats.made import archive, cells, fault, items, ods, ods_row, row, table, xlsx
from timebank.errors import FileUnreadable
from timebank.formats.table import Row
from timebank.formats.workbook import _WHY, BROKEN, CELL_TOO_LONG, NO_SHEET, ROW_TOO_WIDE
from timebank.rules.sheets import CELL_MAX, Fault

DAY_45000 = "2023-03-15"


def refused(content: bytes, *, sheet: str = "") -> object:
    """Return why a workbook is refused when it is opened."""
    with pytest.raises(FileUnreadable) as refusal:
        table(content, sheet=sheet)
    return refusal.value.params["why"]


@pytest.mark.parametrize(
    ("number", "style", "text"),
    [
        (1, "plain", "1"),
        (1.5, "plain", "1.5"),
        (0.1, "plain", "0.1"),
        (1.1000000000000001, "plain", "1.1"),
        (1e-7, "plain", "0.0000001"),
        (1e20, "plain", "100000000000000000000"),
        (-2, "plain", "-2"),
        (45000, "day", DAY_45000),
        (45000.5, "moment", f"{DAY_45000} 12:00:00"),
        (0.0625, "time", "1:30"),
        (1 / 18, "time", "1:20"),
        (1 / 18, "hours", "1:20"),
        (0.0555555555555556, "hours", "1:20"),
        (1.0625, "hours", "25:30"),
        (1, "hours", "24:00"),
        (0.0625 + 5 / 86400, "hours", "1:30:05"),
        (-0.0625, "hours", "-1:30"),
    ],
)
def test_a_number_of_xlsx_is_the_text_that_somebody_would_write(number: float, style: str, text: str) -> None:
    assert cells(xlsx(row(1, (number, style))))[0][0] == text


def test_a_time_of_more_than_a_day_in_a_format_that_hides_it_is_not_a_time() -> None:
    assert cells(xlsx(row(1, (1.0625, "time"))))[0][0].startswith("1900-01-01 ")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("Zoë", "Zoë"),
        ("float=1.50", "1.5"),
        ("currency=12.5", "12.5"),
        ("date=2025-12-31", "2025-12-31"),
        ("date=2025-12-31T10:00:00", "2025-12-31 10:00:00"),
        ("time=PT01H30M00S", "1:30"),
        ("time=PT25H30M00S", "25:30"),
        ("time=PT25H30M05S", "25:30:05"),
        ("time=PT01H19M59.999999S", "1:20"),
        ("boolean=true", "TRUE"),
    ],
)
def test_a_cell_of_ods_is_the_text_that_somebody_would_write(cell: str, text: str) -> None:
    assert cells(ods(ods_row(cell, "x")))[0] == (text, "x")


def test_truth_is_written_in_capitals() -> None:
    assert cells(xlsx('<row r="1"><c t="b"><v>1</v></c><c t="b"><v>0</v></c></row>')) == [("TRUE", "FALSE")]


def test_rows_have_the_numbers_of_the_sheet_and_empty_ones_are_none() -> None:
    content = xlsx(row(3, "day", "giver"), row(5, (45000, "day"), " Ada "), row(6, "", "'=1"))

    assert items(content) == [Row(3, ("day", "giver")), Row(5, (DAY_45000, "Ada")), Row(6, ("", "=1"))]


def test_the_sheet_that_was_read_is_said_if_there_are_several() -> None:
    content = xlsx(row(1, "a"), more={"Geld": row(1, "b"), "-x": row(1, "c")})

    assert table(xlsx(row(1, "a"))).remarks == ()
    assert table(content).remarks[0].params == {"sheet": "Hours", "count": 3}
    assert cells(content) == [("a",)]
    assert cells(content, sheet="Geld") == [("b",)]
    assert cells(content, sheet="-x") == [("c",)]


@pytest.mark.parametrize("sheet", ["Nowhere", "hours", "a\0b", "\ud800", "a\nb"])
def test_a_sheet_that_is_not_there_is_refused(sheet: str) -> None:
    assert refused(xlsx(row(1, "a")), sheet=sheet) == NO_SHEET
    assert refused(ods(ods_row("a")), sheet=sheet) == NO_SHEET


def test_many_rows_come_through_and_again() -> None:
    found = table(xlsx(*(row(n, f"name {n}", n) for n in range(1, 20_001))))

    rows = list(found.rows())

    assert rows[-1] == Row(20_000, ("name 20000", "20000"))
    assert len(rows) == 20_000
    assert list(found.rows()) == rows


def test_whoever_stops_listening_leaves_no_process_behind() -> None:
    rows = table(xlsx(*(row(n, n) for n in range(1, 20_001)))).rows()

    assert next(rows) == Row(1, ("1",))
    rows.close()  # type: ignore[attr-defined]


# ---------------------------------------------------------------- what is made to hurt


def test_two_cells_far_apart_end_the_other_process_only() -> None:
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    assert fault(xlsx(far)).refusal == FileUnreadable(why=_WHY["large"])


def test_a_cell_repeated_without_end_is_refused() -> None:
    repeated = (
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell'
        ' table:number-columns-repeated="16000" office:value-type="float" office:value="1"/></table:table-row>'
    )

    assert refused(ods(repeated)) in {BROKEN, _WHY["large"]}


def test_more_than_100_mb_unpacked_are_refused() -> None:
    assert refused(xlsx(row(1, "a"), extra={"xl/media/x": bytes(100_000_000)})) == _WHY["large"]
    assert cells(xlsx(row(1, "a"), extra={"xl/media/x": bytes(1_000_000)})) == [("a",)]


def test_a_bomb_in_a_bomb_is_not_opened() -> None:
    inner = archive({"x": bytes(90_000_000)})

    assert cells(ods(ods_row("a"), extra={"x.zip": inner})) == [("a",)]


def test_more_than_1000_members_are_refused() -> None:
    assert refused(xlsx(row(1, "a"), extra={f"x/{n}": b"" for n in range(1_000)})) == _WHY["large"]


def test_a_protected_workbook_is_said_to_be_one() -> None:
    content = bytearray(ods(ods_row("a")))
    # The bit that says so, in every entry of the directory at the end.
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 4)

    assert refused(bytes(content)) == _WHY["password"]


@pytest.mark.parametrize(
    "content",
    [
        archive({"word/document.xml": "<x/>"}),
        archive({"a.csv": "a,b"}),
        archive({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": "<x/>"}),
        archive({}),
    ],
)
def test_another_kind_of_archive_is_refused(content: bytes) -> None:
    assert refused(content) == _WHY["kind"]


def test_broken_workbooks_are_refused_wherever_they_break() -> None:
    for whole in (xlsx(row(1, "a")), ods(ods_row("a"))):
        for size in range(4, len(whole), len(whole) // 12):
            assert refused(whole[:size]) == BROKEN


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_changed_byte_is_a_fault_or_nothing_but_never_anything_else(compression: int) -> None:
    whole = xlsx(row(1, "a", 1), row(2, (45000, "day"), (0.5, "time")))
    with zipfile.ZipFile(io.BytesIO(whole)) as source:
        whole = archive({name: source.read(name) for name in source.namelist()}, compression)
    for at in range(0, len(whole), len(whole) // 12):
        content = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        try:
            found = items(content)
        except FileUnreadable:
            continue
        assert all(isinstance(item, Row | Fault) for item in found)


def test_a_sheet_that_is_no_xml_is_a_fault() -> None:
    assert fault(xlsx("<row><c><v>1</row>")).refusal == FileUnreadable(why=BROKEN)


def test_a_cell_with_an_error_is_not_taken_for_an_empty_one() -> None:
    error = '<row r="2"><c r="A2"/><c r="B2" s="1" t="e"><f>A9/0</f><v>#DIV/0!</v></c></row>'

    assert refused(xlsx(row(1, "a"), error)) == _WHY["error"]
    assert cells(ods(ods_row("#DIV/0!"))) == [("#DIV/0!",)]


def test_a_time_that_is_none_is_a_fault_on_its_row() -> None:
    found = items(xlsx(row(1, "a"), row(2, (1e300, "hours"))))

    assert found == [Row(1, ("a",)), Fault(2, "", FileUnreadable(why=_WHY["value"]))]


def test_a_cell_that_is_too_long_costs_its_own_row_only() -> None:
    found = items(xlsx(row(1, "a"), row(2, "x" * (CELL_MAX + 1)), row(3, "b")))

    assert found == [Row(1, ("a",)), Fault(2, "", FileUnreadable(why=CELL_TOO_LONG)), Row(3, ("b",))]


def test_a_cell_far_to_the_right_is_refused_and_empty_ones_there_are_not() -> None:
    assert fault(xlsx(row(1, "a"), '<row r="2"><c r="ZZ2"><v>1</v></c></row>')).refusal == FileUnreadable(
        why=ROW_TOO_WIDE
    )
    # A cell with a format far to the right, and nothing in it.
    assert cells(ods(ods_row("a", *[""] * 300)))[0][0] == "a"
