"""Any file in, rows or a clear fault out; and what size alone refuses is not read to its end."""

from __future__ import annotations

import codecs
import csv
import io

import pytest

from tests.formats.made import Counted, cells, fault, items, table
from timebank.errors import FileUnreadable, QuoteOpen, Refusal
from timebank.formats.formulas import defused
from timebank.formats.table import (
    COMPRESSED,
    OLD_WORKBOOK,
    PDF,
    PICTURE,
    QUOTE_STRAY,
    ROW_TOO_LONG,
    WEB_PAGE,
    XML,
    Row,
    open_table,
)
from timebank.formats.text import LINE_TOO_LONG, NO_ENCODING, ZERO_BYTES
from timebank.formats.workbook import CELL_TOO_LONG, ROW_TOO_WIDE
from timebank.rules.names import EMPTY
from timebank.rules.sheets import CELL_MAX, COLUMNS_MAX, Fault
from timebank.rules.written import shown

HEADER = b"date,giver,hours\n"
ADA = b"2025-12-31,ada,1:30\n"
NEAR_ONE_MIB = 2**21
"""Bytes: what may be read, twice in part, of a file that its size alone refuses."""


def why(refusal: Refusal) -> object:
    assert isinstance(refusal, FileUnreadable), refusal
    return refusal.params["why"]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_each_way_to_write_a_table_gives_the_same_rows(sign: str, end: str, mark: bytes) -> None:
    lines = ["day,giver,note", '2025-12-31,Zoë,"says ""yes"""', "2025-12-31,bo,"]
    content = "".join(line.replace(",", sign) + end for line in lines)

    rows = cells(mark + content.encode())

    assert rows == [("day", "giver", "note"), ("2025-12-31", "Zoë", 'says "yes"'), ("2025-12-31", "bo", "")]
    assert cells(codecs.BOM_UTF16_LE + content.encode("utf-16-le")) == rows
    assert cells(content.encode("cp1252")) == rows


def test_how_a_file_was_read_is_said_where_it_is_not_obvious() -> None:
    assert table(b"a,b\n").remarks == ()
    assert [remark.msgid for remark in table("a;é\n".encode("cp1252")).remarks] == [
        "Read as Windows-1252. Look whether names with accents are right.",
        "Its cells are divided by semicolons.",
    ]
    assert [remark.msgid for remark in table(b"a\tb\n").remarks] == ["Its cells are divided by tabs."]


@pytest.mark.parametrize(
    ("content", "first"),
    [
        (b"1,5;ada;x\n2,5;bo;y\n", ("1,5", "ada", "x")),
        (b'"a;b";c;d\n1;2;3\n', ("a;b", "c", "d")),
        (b'a,"x;y;z;w;v"\n1,2\n', ("a", "x;y;z;w;v")),
        (b"a,b;c;d;e,f\n1,2,3\n4,5,6\n", ("a", "b;c;d;e", "f")),
        (b"one\n", ("one",)),
        (b'"a"\t"b"\n"1"\t"2"\n', ("a", "b")),
        (b" \t\na,b\n", ("a", "b")),
        (b'\n\n"a\nb";c\n', ("a\nb", "c")),
    ],
)
def test_the_dividing_sign_is_the_one_that_divides_the_rows_alike(
    content: bytes, first: tuple[str, ...]
) -> None:
    assert cells(content)[0] == first


def test_rows_of_another_dividing_sign_keep_their_line_for_the_layout_to_refuse() -> None:
    assert items(HEADER + b"2025-12-31;bo;1\n" + ADA)[1] == Row(2, ("2025-12-31;bo;1",))


def test_a_row_has_the_number_of_its_first_line() -> None:
    content = b'a,b\r\n\r\n1,"two\r\nlines"\r\n,\r\n" ",\r\n2,3'

    assert items(content) == [Row(1, ("a", "b")), Row(3, ("1", "two\r\nlines")), Row(7, ("2", "3"))]


def test_white_space_around_cells_is_not_theirs_and_blank_rows_are_none() -> None:
    assert cells(b" a , b\n\xc2\xa01\t,2\n , \n,\n") == [("a", "b"), ("1", "2")]
    assert cells(b'a, "x, y"\n') == [("a", "x, y")]


def test_rows_can_be_read_again_and_at_the_same_time() -> None:
    found = table(HEADER + ADA * 50_000)

    pairs = list(zip(found.rows(), found.rows(), strict=True))

    assert len(pairs) == 50_001
    assert all(left == right for left, right in pairs)


def test_cells_that_were_defused_come_back_and_live_formulas_are_text() -> None:
    written = ["=1+1", "'=1", "-5", "'s", '=HYPERLINK("http://x","y")', "@a"]
    content = io.StringIO(newline="")
    csv.writer(content).writerow(map(defused, written))

    assert cells(content.getvalue().encode()) == [tuple(written)]
    assert cells(b'"=HYPERLINK(""http://x"")",b\n') == [('=HYPERLINK("http://x")', "b")]
    assert cells(b'"two\n\'lines","\'=1"\n') == [("two\n'lines", "=1")]


# ---------------------------------------------------------------- what is no table


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", EMPTY),
        (b"%PDF-1.7\n", PDF),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), OLD_WORKBOOK),
        (b"\x1f\x8b\x08\x00", COMPRESSED),
        (b"\xfd7zXZ\0\0", COMPRESSED),
        (b"\x89PNG\r\n\x1a\n", PICTURE),
        (b"\xff\xd8\xff\xe0", PICTURE),
        (b"RIFF\0\0\0\0WEBPVP8 ", PICTURE),
        (b"\n <!DOCTYPE html><title>Sign in</title>", WEB_PAGE),
        (codecs.BOM_UTF8 + b"<html>", WEB_PAGE),
        (b'<?xml version="1.0"?><Workbook/>', XML),
        (b"a,b\n\x81\xff", NO_ENCODING),
    ],
)
def test_what_is_no_table_is_refused_with_the_way_out(content: bytes, reason: str) -> None:
    with pytest.raises(FileUnreadable) as refusal:
        table(content)

    assert refusal.value.params == {"why": reason}


@pytest.mark.parametrize(
    "content", [b"\n", b" \r\n\t", b",,\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\x1a"]
)
def test_a_file_of_nothing_has_no_rows_and_no_faults(content: bytes) -> None:
    assert [item for item in items(content) if isinstance(item, Fault) or any(item.cells)] in (
        [],
        [Row(1, ("\x1a",))],
    )


# ---------------------------------------------------------------- the torture set


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HEADER + b'2025-12-31,"ada,1:30\n', 2),
        (HEADER + ADA + b'2025-12-31,"ada,1:30\n' + ADA * 5, 3),
        (HEADER + b'"2025-12-31,ada,1:30\n' + b'2025-12-31,"bo",1:30\n', 2),
        (HEADER + b'"two\nlines",x,"open\n' + ADA, 3),
        (HEADER + b'x,y,"', 2),
        (HEADER + ADA + b'2025-12-31,"ada,1:30\n' + ADA * 100_000, 3),
        (HEADER.replace(b"\n", b"\r") + b'x\r"two\rlines",x,"open\r', 4),
    ],
)
def test_a_quote_that_stays_open_is_found_where_it_opens_and_ends_the_rows(content: bytes, line: int) -> None:
    found = items(content)

    assert found[-1] == Fault(line, "", QuoteOpen())
    assert all(isinstance(item, Row) for item in found[:-1])


def test_a_quote_that_stays_open_is_found_without_reading_on() -> None:
    file = Counted(HEADER + b'2025-12-31,"ada,1:30\n' + ADA * 1_500_000)

    found = list(open_table(file).rows())

    assert found[-1] == Fault(2, "", QuoteOpen())
    assert file.count < NEAR_ONE_MIB


def test_a_stray_quote_costs_its_own_row_only() -> None:
    found = items(HEADER + b'2025-12-31,"a"da,1\n' + ADA)

    assert [item.line for item in found] == [1, 2, 3]
    assert isinstance(found[1], Fault)
    assert why(found[1].refusal) == QUOTE_STRAY
    assert cells(b'a,5" tall\n') == [("a", '5" tall')]


@pytest.mark.parametrize("begin", [b"", b'"'])
def test_a_field_of_30_mb_is_refused_after_the_first_mib(begin: bytes) -> None:
    file = Counted(HEADER + begin + b"x" * 30_000_000 + begin + b"\n" + ADA)

    (_, refused) = open_table(file).rows()

    assert isinstance(refused, Fault)
    assert (refused.line, why(refused.refusal)) == (2, LINE_TOO_LONG)
    assert file.count < 2 * NEAR_ONE_MIB


def test_a_field_of_30_mb_in_many_lines_is_refused_after_the_first_mib() -> None:
    file = Counted(HEADER + b'x,"' + b"line\n" * 6_000_000 + b'"\n' + ADA)

    (_, refused) = open_table(file).rows()

    assert refused == Fault(2, "", QuoteOpen())
    assert file.count < NEAR_ONE_MIB


def test_a_row_of_30_mb_in_many_lines_is_refused_after_the_first_mib() -> None:
    file = Counted(HEADER + b'"x\n",' * 6_000_000 + b"\n" + ADA)

    (_, refused) = open_table(file).rows()

    assert isinstance(refused, Fault)
    assert why(refused.refusal) == ROW_TOO_LONG
    assert file.count < 2 * NEAR_ONE_MIB


@pytest.mark.parametrize("cell", [b"", b"x", b'""'])
def test_a_million_columns_are_refused(cell: bytes) -> None:
    file = Counted((cell + b",") * 1_000_000 + b"\n" + ADA * 1_000_000)

    (refused,) = open_table(file).rows()

    assert isinstance(refused, Fault)
    assert refused.line == 1
    assert why(refused.refusal) in {ROW_TOO_WIDE, LINE_TOO_LONG}
    assert file.count < 2 * NEAR_ONE_MIB


def test_as_many_columns_as_there_may_be_are_read_and_one_more_is_refused() -> None:
    assert len(cells(b",".join([b"x"] * COLUMNS_MAX) + b"\n")[0]) == COLUMNS_MAX
    assert why(fault(b",".join([b"x"] * (COLUMNS_MAX + 1)) + b"\n").refusal) == ROW_TOO_WIDE


@pytest.mark.parametrize("size", [CELL_MAX + 1, 200_000])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_cell_that_is_too_long_costs_its_own_row_only(quote: bytes, size: int) -> None:
    found = items(HEADER + b"2025-12-31,ada," + quote + b"x" * size + quote + b"\n" + ADA)

    assert [item.line for item in found] == [1, 2, 3]
    assert isinstance(found[1], Fault)
    assert why(found[1].refusal) == CELL_TOO_LONG
    assert isinstance(found[2], Row)


def test_a_cell_as_long_as_it_may_be_is_read() -> None:
    assert len(cells(HEADER + b"x," + b"y" * CELL_MAX + b"\n")[1][1]) == CELL_MAX
    assert len(cells(HEADER + b'x,"' + b"y\n" * (CELL_MAX // 2 - 1) + b'z"\n')[1][1]) == CELL_MAX - 1


def test_after_a_cell_of_many_lines_that_is_too_long_nothing_is_trusted() -> None:
    refused = items(HEADER + b'x,"' + b"y\n" * CELL_MAX + b'"\n' + ADA)[-1]

    assert isinstance(refused, Fault)
    assert (refused.line, why(refused.refusal)) == (2, CELL_TOO_LONG)


def test_zero_bytes_end_the_rows_on_their_line() -> None:
    found = items(HEADER + ADA + b"2025-12-31,a\0da,1\n" + ADA)

    assert [item.line for item in found] == [1, 2, 3]
    assert isinstance(found[2], Fault)
    assert why(found[2].refusal) == ZERO_BYTES


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        (b"\xed\xa0\x80", r"\ud800"),
        ("\u202e30:1".encode(), r"\u202e30:1"),
        (b"1:75", "1:75"),
        (b"NaN", "NaN"),
        (b"1e3", "1e3"),
        ("\u0661:\u0663\u0660".encode(), "\u0661:\u0663\u0660"),
        (b'"=HYPERLINK(""http://x"")"', '=HYPERLINK("http://x")'),
    ],
)
def test_a_strange_cell_is_a_cell_that_can_be_shown(cell: bytes, seen: str) -> None:
    (_, (_, _, found)) = cells(HEADER + b"2025-12-31,ada," + cell + b"\n")

    assert shown(found) == seen


def test_rows_are_not_kept() -> None:
    """Only the piece of the file that is being read is in memory: a row is there before the next piece is read."""
    file = Counted(HEADER + ADA * 500_000)
    found = open_table(file)
    before = file.count

    rows = found.rows()
    next(rows)

    assert file.count - before <= 2**17
    rows.close()  # type: ignore[attr-defined]


def test_a_sound_file_is_read_to_its_end_for_its_encoding() -> None:
    sound = Counted(HEADER + ADA * 200_000 + "Zoë".encode("cp1252"))

    assert open_table(sound).remarks
    assert sound.count > 200_000 * len(ADA)
