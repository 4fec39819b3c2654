"""A book opened for its auditors, as lines of JSON: what its records rest on, then the records themselves, then an end.

No name is in it. People are told apart by words that are made anew for each audit, and tied to no account.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO, Final

import msgspec

FORMAT: Final = "timebank audit 1"
NOT_KNOWN: Final = "?"
"""Stands for somebody of whom it is not known any more who it was."""

LINE_MAX: Final = 4_000_000
"""No line of a book is longer."""


class NotAnOpenedBook(ValueError):
    """A file is no opened book, or was cut off."""


class WayLine(msgspec.Struct, frozen=True):
    """How the group publishes, from a day on."""

    from_day: date
    preset: str
    people: int
    gifts_wait: bool


class HeadLine(msgspec.Struct, frozen=True, tag_field="line", tag="book"):
    """The first line: what the host says of the book; ``live`` is its signed live checkpoint."""

    format: str
    origin: str
    book: str
    began_on: date
    time_zone: str
    epoch: int
    records: int
    live: str
    ways: list[WayLine]


class SettingLine(msgspec.Struct, frozen=True, tag_field="line", tag="setting"):
    """A change of settings, whose hash a record has; ``by`` is an account number."""

    change: str
    by: int
    before: dict[str, Any]
    after: dict[str, Any]


class AskLine(msgspec.Struct, frozen=True, tag_field="line", tag="ask", omit_defaults=True):
    """For whom an ask is; ``person`` is empty for somebody without an account."""

    ask: str
    asked_at: datetime
    person: str = ""
    household: str = ""


class FactsLine(msgspec.Struct, frozen=True, tag_field="line", tag="facts"):
    """The facts of a decision: SHA-256 of salt and text stands in its record."""

    decision: str
    salt: str
    text: str


class RecordLine(msgspec.Struct, frozen=True, tag_field="line", tag="record", omit_defaults=True):
    """A record; ``counts_for`` says for whom an entry counts as drawn, ``?`` that it is not known any more."""

    seq: int
    record: str
    salt: str
    counts_for: str = ""


class EndLine(msgspec.Struct, frozen=True, tag_field="line", tag="end"):
    """The last line: how many records there were."""

    records: int


Line = HeadLine | SettingLine | AskLine | FactsLine | RecordLine | EndLine

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Line).decode


def write_line(line: Line) -> bytes:
    """Return a line with its end."""
    return _encode(line) + b"\n"


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a whole book, the head first; its end is looked for and not among them.

    Raises:
        NotAnOpenedBook: It is none, or was cut off.
    """
    records, head = 0, None
    while data := file.readline(LINE_MAX):
        try:
            line = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotAnOpenedBook(str(error)) from error
        if (head is None) != isinstance(line, HeadLine):
            raise NotAnOpenedBook("its first line, and no other, says what it is")
        if isinstance(line, HeadLine):
            head = line
            if line.format != FORMAT:
                raise NotAnOpenedBook(f"its format is {line.format!r}, not {FORMAT!r}")
        if isinstance(line, EndLine):
            if file.read(1) or line.records != records or head is None or head.records != records:
                raise NotAnOpenedBook("it does not end as it should")
            return
        records += isinstance(line, RecordLine)
        yield line
    raise NotAnOpenedBook("it was cut off")
