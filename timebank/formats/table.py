"""The rows of a spreadsheet file, text or workbook, whatever they say, in bounded memory."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from timebank.errors import N_, FileUnreadable, QuoteOpen
from timebank.formats.formulas import undefused
from timebank.formats.text import CHUNK, LINE_MAX, Encoding, Remark, find_encoding, read_lines
from timebank.formats.workbook import CELL_TOO_LONG, ROW_TOO_WIDE, Workbook, open_workbook
from timebank.rules.names import EMPTY
from timebank.rules.sheets import CELL_MAX, COLUMNS_MAX, Fault

ROW_TOO_LONG = N_("a row is longer than 1 MiB")
QUOTE_STRAY = N_("something follows a closing quotation mark; within a cell, write the mark twice")

PDF = N_("it is a PDF; export the table as XLSX, ODS or CSV")
OLD_WORKBOOK = N_("it is an old or a protected workbook; save it as XLSX, ODS or CSV, without a password")
COMPRESSED = N_("it is compressed; unpack it first")
WEB_PAGE = N_("it is a web page, perhaps one that asks to sign in; export the table as XLSX, ODS or CSV")
XML = N_("it is XML; save it as XLSX, ODS or CSV")
PICTURE = N_("it is a picture; the table itself is needed, as XLSX, ODS or CSV")
DOCUMENT = N_("it is a text document; save the table as XLSX, ODS or CSV")

_BEGINNING: Final = LINE_MAX + 4 * CHUNK
_DELIMITER_ROWS: Final = 50
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OTHER_FILES: Final = (
    (b"%PDF-", PDF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_WORKBOOK),
    (b"\x1f\x8b", COMPRESSED),
    (b"BZh", COMPRESSED),
    (b"\xfd7zXZ\0", COMPRESSED),
    (b"\x28\xb5\x2f\xfd", COMPRESSED),
    (b"7z\xbc\xaf\x27\x1c", COMPRESSED),
    (b"Rar!\x1a", COMPRESSED),
    (b"\x89PNG", PICTURE),
    (b"\xff\xd8\xff", PICTURE),
    (b"GIF8", PICTURE),
    (b"II*\0", PICTURE),
    (b"MM\0*", PICTURE),
    (b"{\\rtf", DOCUMENT),
)
_WEB_PAGES: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<table")
_QUOTED: Final = re.compile(r'"[^"]*(?:"|$)')
_QUOTED_CELL: Final = re.compile(r' *"(?>[^"]*(?:""[^"]*)*)"')
_QUOTE: Final = re.compile(r' *"')
_DIVIDED_BY: Final = {
    ",": (),
    ";": (Remark(N_("Its cells are divided by semicolons.")),),
    "\t": (Remark(N_("Its cells are divided by tabs.")),),
}


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        line: Number of the row's first line in its file, from 1; of a workbook, the row's number.
        cells: What is written, without white space around it and without the mark of ``defused``;
            at least one is not empty, and at most ``COLUMNS_MAX`` are there.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What a file contains.

    Attributes:
        remarks: How it was read, where that is not obvious.
    """

    remarks: tuple[Remark, ...]
    source: Callable[[], Iterator[Row | Fault]]

    def rows(self) -> Iterator[Row | Fault]:
        """Return every row that is not empty, from the beginning, as often as it is called.

        A fault stands where a row cannot be read. After one with a single line to it (a cell that
        is too long, a stray quotation mark) more rows may follow; where the rest of the file
        cannot be trusted or is not worth reading (a quotation mark that stays open, lines without
        end, too many columns, zero bytes), the fault is the last. Nothing is raised.
        """
        return self.source()


def open_table(file: BinaryIO, *, sheet: str = "") -> Table:
    """Return the table in a file, which must be seekable and stay open while rows are read.

    What it is, its content says, not its name.

    Args:
        sheet: Name of the sheet of a workbook; empty for the first one.

    Raises:
        FileUnreadable: It is no text and no workbook that we read, or has no such sheet.
    """
    file.seek(0)
    beginning = file.read(_BEGINNING)
    if not beginning:
        raise FileUnreadable(why=EMPTY)
    if beginning.startswith(_ZIP):
        book = open_workbook(file, sheet=sheet)
        return Table(book.remarks, partial(_workbook_rows, book))
    _refuse_other_files(beginning)
    encoding = _encoding(file, beginning)
    delimiter = _find_delimiter(read_lines(io.BytesIO(beginning), encoding))
    remarks = encoding.remarks + _DIVIDED_BY[delimiter]
    return Table(remarks, partial(_text_rows, file, encoding, delimiter))


def _refuse_other_files(beginning: bytes) -> None:
    for magic, why in _OTHER_FILES:
        if beginning.startswith(magic):
            raise FileUnreadable(why=why)
    if beginning.startswith(b"RIFF") and beginning[8:12] == b"WEBP":
        raise FileUnreadable(why=PICTURE)
    text = beginning[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_WEB_PAGES):
        raise FileUnreadable(why=WEB_PAGE)
    if text.startswith(b"<?xml"):
        raise FileUnreadable(why=XML)


def _encoding(file: BinaryIO, beginning: bytes) -> Encoding:
    """Return the encoding; a file whose beginning is refused already is not read to its end for that."""
    if len(beginning) < _BEGINNING:
        return find_encoding(io.BytesIO(beginning))
    head = io.BytesIO(beginning)
    encoding = find_encoding(head, cut=True)
    delimiter = _find_delimiter(read_lines(head, encoding))
    for _ in _text_rows(head, encoding, delimiter):
        pass
    return encoding if head.tell() < len(beginning) else find_encoding(file)


def _find_delimiter(lines: Iterator[str]) -> str:
    """Return the sign that divides the first row, and most others the same way; the comma if none does."""
    sample: list[str] = []
    with suppress(FileUnreadable):
        sample.extend(islice(lines, _DELIMITER_ROWS))
    text = _QUOTED.sub("x", "".join(sample))
    rows = [line for line in io.StringIO(text, newline="") if line.strip()]
    if not rows:
        return ","

    def fitness(sign: str) -> tuple[int, int]:
        count = rows[0].count(sign)
        return (sum(row.count(sign) == count for row in rows) if count else 0), count

    return max(",;\t", key=fitness)


def _text_rows(file: BinaryIO, encoding: Encoding, delimiter: str) -> Iterator[Row | Fault]:
    pending: list[str] = []
    # strict: a quotation mark that is never closed is an error, not a very long cell.
    reader = csv.reader(
        _noted(read_lines(file, encoding), pending), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    while True:
        try:
            for cells in reader:
                first = reader.line_num - len(pending) + 1
                large = len(pending) > 1 or len(pending[0]) > CELL_MAX or len(cells) > COLUMNS_MAX
                if large and (why := _oversize(cells)):
                    yield Fault(first, "", FileUnreadable(why=why))
                    if why == ROW_TOO_WIDE or len(pending) > 1:
                        return
                elif row := _row(first, cells, defused=large or "'" in pending[0]):
                    yield row
                pending.clear()
            return
        except FileUnreadable as refusal:
            yield Fault(reader.line_num + 1, "", refusal)
            return
        except csv.Error:
            fault = _quote_fault(reader.line_num - len(pending) + 1, pending, delimiter)
            yield fault
            if len(pending) > 1 or fault.refusal == QuoteOpen():
                return
            pending.clear()


def _workbook_rows(book: Workbook) -> Iterator[Row | Fault]:
    for item in book.rows():
        if isinstance(item, Fault):
            yield item
        elif row := _row(item.line, item.cells, defused=True):
            yield row


def _row(line: int, cells: list[str], *, defused: bool) -> Row | None:
    """Return a row with its cells trimmed, or None if all of them are empty."""
    trimmed = tuple(map(str.strip, cells))
    if not any(trimmed):
        return None
    return Row(line, tuple(map(undefused, trimmed)) if defused else trimmed)


def _noted(lines: Iterable[str], pending: list[str]) -> Iterator[str]:
    """Pass lines on and note them in ``pending``, which whoever reads them clears at the end of a row."""
    size = 0
    for line in lines:
        size = size + len(line) if pending else len(line)
        if size > LINE_MAX:
            raise FileUnreadable(why=ROW_TOO_LONG)
        pending.append(line)
        yield line


def _oversize(cells: list[str]) -> str:
    if len(cells) > COLUMNS_MAX:
        return ROW_TOO_WIDE
    return CELL_TOO_LONG if max(map(len, cells), default=0) > CELL_MAX else ""


def _quote_fault(first: int, pending: list[str], delimiter: str) -> Fault:
    """Say why the csv module gave up on a row that begins at the line ``first``."""
    text = "".join(pending)
    begin, closed = _bad_quote(text, delimiter)
    if begin is None:
        # It has a limit of its own, far above ours.
        return Fault(first, "", FileUnreadable(why=CELL_TOO_LONG))
    if closed and len(pending) == 1:
        return Fault(first, "", FileUnreadable(why=QUOTE_STRAY))
    # One that was forgotten lines above ends at the next that comes, where something follows it.
    return Fault(first + _line_ends(text[:begin]), "", QuoteOpen())


def _bad_quote(text: str, delimiter: str) -> tuple[int | None, bool]:
    """Return where the first quoted cell begins that does not end as one, and whether it was closed at all."""
    plain = re.compile(rf"[^{delimiter}\r\n]*")
    position = 0
    while position < len(text):
        quoted = _QUOTED_CELL.match(text, position)
        if quoted is None and _QUOTE.match(text, position):
            return position, False
        cell = quoted or plain.match(text, position)
        assert cell, "the pattern of plain cells matches anything"
        if quoted and text[cell.end() : cell.end() + 1] not in (delimiter, "\r", "\n", ""):
            return position, True
        position = cell.end() + 1
    return None, False


def _line_ends(text: str) -> int:
    return sum(line.endswith(("\n", "\r")) for line in io.StringIO(text, newline=""))
