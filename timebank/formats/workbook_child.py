"""The process that reads a workbook from its input and writes the rows of one sheet to its output.

``workbook`` runs it, and hands it the name of the sheet as a line of JSON, and then the file. It is a
process because a workbook of two cells far apart makes the library ask for memory without end, which
ends the process. Each line that it writes is a JSON list of answers:

- ``{"sheets": [...], "sheet": "..."}`` comes first;
- ``[line, [cells]]`` is a row;
- ``{"refused": "...", "line": 3}`` is a word of ``workbook._WHY``, and where;
- ``null`` is the end; without it, something broke.
"""

from __future__ import annotations

import io
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import python_calamine

from timebank.rules.sheets import CELL_MAX, COLUMNS_MAX

MEMORY_MAX: Final = 2**30
SECONDS_MAX: Final = 60
"""Of computing; a sheet of a million cells takes two."""
MEMBERS_MAX: Final = 1_000
UNPACKED_MAX: Final = 100_000_000

_ODS: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_PIECE: Final = 2**18
_ANSWERS_EACH: Final = 2**16
# The library returns nothing for a cell with an error, and nothing may mean the pot.
_ERROR_CELL: Final = re.compile(rb"""<(?:\w+:)?c\s[^<>]*\bt\s*=\s*["']e["']""")
_LONG_TIME: Final = re.compile(r"(-?)PT([0-9]{1,9})H([0-9]{1,2})M([0-9]{1,2})(?:[.,]([0-9]{1,9}))?S")


class Refused(Exception):
    """A word of ``workbook._WHY``."""

    def __init__(self, word: str, line: int | None = None) -> None:
        super().__init__(word)
        self.answer = {"refused": word} if line is None else {"refused": word, "line": line}


def main() -> None:
    """Read a workbook, and say what is in it."""
    _limit(resource.RLIMIT_AS, MEMORY_MAX)
    _limit(resource.RLIMIT_CPU, SECONDS_MAX)
    _limit(resource.RLIMIT_CORE, 0)
    wanted = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    for line in _gathered(_answers(content, wanted)):
        sys.stdout.write(line)
        sys.stdout.flush()


def _answers(content: bytes, wanted: str) -> Iterator[Any]:
    try:
        _guard(content)
        yield from _read(content, wanted)
    except Refused as refused:
        yield refused.answer
    yield None


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, hard))


def _guard(content: bytes) -> None:
    """Unpack everything once, a piece at a time, before the library does it at once."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX:
                raise Refused("large")
            if any(member.flag_bits & 1 for member in members):
                raise Refused("password")
            _refuse_other_kinds(archive)
            unpacked = 0
            for member in members:
                unpacked = _unpack(archive, member, unpacked)
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - whatever zipfile and its decompressors make of a broken one
        raise Refused("broken") from None


def _refuse_other_kinds(archive: zipfile.ZipFile) -> None:
    names = set(archive.namelist())
    if "xl/workbook.xml" in names:
        return
    if "content.xml" in names and "mimetype" in names:
        with archive.open("mimetype") as kind:
            if kind.read(len(_ODS)) == _ODS:
                return
    raise Refused("kind")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, unpacked: int) -> int:
    """Return how many bytes there are with those of one more member.

    Raises:
        Refused: They are too many, or a formula in them has an error.
    """
    before = b""
    with archive.open(member) as stream:
        while piece := stream.read(_PIECE):
            unpacked += len(piece)
            if unpacked > UNPACKED_MAX:
                raise Refused("large")
            if member.filename.startswith("xl/"):
                if _ERROR_CELL.search(before + piece):
                    raise Refused("error")
                before = piece[-256:]
    return unpacked


def _read(content: bytes, wanted: str) -> Iterator[Any]:
    try:
        book = python_calamine.load_workbook(io.BytesIO(content))
    except python_calamine.PasswordError:
        raise Refused("password") from None
    if not book.sheet_names or (wanted and wanted not in book.sheet_names):
        raise Refused("sheet")
    name = wanted or book.sheet_names[0]
    yield {"sheets": book.sheet_names, "sheet": name}
    line = 0
    try:
        for line, cells in enumerate(book.get_sheet_by_name(name).iter_rows(), start=1):
            yield _row(line, list(map(_text, cells)))
    except OverflowError:
        raise Refused("value", line + 1) from None


def _row(line: int, cells: list[str]) -> Any:
    while len(cells) > COLUMNS_MAX and not cells[-1]:
        cells.pop()
    if len(cells) > COLUMNS_MAX:
        raise Refused("wide", line)
    if max(map(len, cells), default=0) > CELL_MAX:
        return {"refused": "cell", "line": line}
    return [line, cells]


def _gathered(answers: Iterator[Any]) -> Iterator[str]:
    """Put answers together to lines; the first one stands alone, since somebody may wait for it only."""
    line: list[str] = []
    size = 0
    first = True
    for answer in answers:
        line.append(json.dumps(answer))
        size += len(line[-1])
        if first or size > _ANSWERS_EACH:
            yield f"[{','.join(line)}]\n"
            line, size, first = [], 0, False
    yield f"[{','.join(line)}]\n"


def _text(value: Any) -> str:
    """Return a cell as somebody would write it into a text file."""
    if isinstance(value, str):
        long = _LONG_TIME.fullmatch(value)
        return _long_time(long) if long else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, time):
        return _duration(
            timedelta(
                hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
            )
        )
    return value.isoformat() if isinstance(value, date) else str(value)


def _number(value: float) -> str:
    """Return a number without exponent, in the 15 digits that spreadsheets show: 1.1, not 1.1000000000000001."""
    text = f"{Decimal(f'{value:.15g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(value: datetime) -> str:
    value = (value + timedelta(milliseconds=500)).replace(microsecond=0)
    return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")


def _duration(value: timedelta) -> str:
    """Return ``h:mm``, with seconds if there are; days as fractions are exact to a millisecond at best."""
    milliseconds = round(value / timedelta(milliseconds=1))
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, rest = divmod(milliseconds, 1000)
    if rest in {1, 999}:
        seconds, rest = seconds + (rest == 999), 0
    text = f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}"
    if rest:
        return f"{text}:{seconds % 60:02}.{rest:03}"
    return f"{text}:{seconds % 60:02}" if seconds % 60 else text


def _long_time(parts: re.Match[str]) -> str:
    """Return a time of more than a day, which the library leaves as ODS has it."""
    sign, hours, minutes, seconds, fraction = parts.groups(default="")
    value = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(f"{seconds}.{fraction or 0}"))
    return _duration(-value if sign else value)


if __name__ == "__main__":
    main()
