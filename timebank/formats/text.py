"""The characters of a text file: in which encoding it is, and its lines, in bounded memory."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

from timebank.errors import N_, FileUnreadable

LINE_MAX: Final = 2**20
"""Bytes of one line."""
CHUNK: Final = 2**17

NO_ENCODING = N_("it is no text in UTF-8, UTF-16 or Windows-1252")
ZERO_BYTES = N_("it contains zero bytes, as no text does")
LINE_TOO_LONG = N_("a line is longer than 1 MiB")
CHARACTERS_BROKEN = N_("it ends or goes on in the middle of a character")

_UNDEFINED_IN_1252: Final = b"\x81\x8d\x8f\x90\x9d"
_SAMPLE: Final = 4096
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Remark(NamedTuple):
    """How a file was read, said to whoever imports it; ``msgid`` has ``%(name)s`` places for ``params``."""

    msgid: str
    params: Mapping[str, str | int] = MappingProxyType({})


class Encoding(NamedTuple):
    """How to decode a file.

    Attributes:
        codec: Python's name of it.
        begin: Bytes of the mark at the beginning, 0 for none.
    """

    codec: str
    begin: int = 0

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What to say about it; nothing about the ones that cannot be mistaken."""
        if self.codec != "cp1252":
            return ()
        return (Remark(N_("Read as Windows-1252. Look whether names with accents are right.")),)


def find_encoding(file: BinaryIO, *, cut: bool = False) -> Encoding:
    """Return the encoding of a file, for which all of it is read, a piece at a time.

    Lone surrogates do not make it another encoding; they are for whoever reads the cells.

    Args:
        cut: Whether this is only the beginning of a file, which may end within a character.

    Raises:
        FileUnreadable: It is in none that we read.
    """
    file.seek(0)
    sample = file.read(_SAMPLE)
    for bom, codec in _BOMS:
        if sample.startswith(bom):
            return Encoding(codec, len(bom))
    if codec := _utf16_without_bom(sample):
        return Encoding(codec)
    return Encoding(_eight_bit_codec(file, cut=cut))


def read_lines(file: BinaryIO, encoding: Encoding) -> Iterator[str]:
    """Return the lines of a file with their ends, which may be LF, CR LF or CR.

    Nobody else has to leave the position of the file alone meanwhile.

    Raises:
        FileUnreadable: Where the text cannot go on: zero bytes, a line of more than ``LINE_MAX``
            bytes, or broken characters. Every line before that was returned.
    """
    decoder = codecs.getincrementaldecoder(encoding.codec)(_errors(encoding.codec))
    position = encoding.begin
    rest = ""
    held = 0
    while True:
        file.seek(position)
        raw = file.read(CHUNK)
        position += len(raw)
        try:
            text = rest + decoder.decode(raw, not raw)
        except UnicodeDecodeError:
            raise FileUnreadable(why=CHARACTERS_BROKEN) from None
        lines = io.StringIO(text, newline="").readlines()
        # The last line may go on, and the LF of its CR may be still to come.
        rest = lines.pop() if lines and raw else ""
        if "\0" in text:
            yield from _before_zero(lines)
            raise FileUnreadable(why=ZERO_BYTES)
        yield from lines
        if not raw:
            return
        held = len(raw) if lines else held + len(raw)
        if held > LINE_MAX:
            raise FileUnreadable(why=LINE_TOO_LONG)


def _before_zero(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            return
        yield line


def _errors(codec: str) -> str:
    return "strict" if codec == "cp1252" else "surrogatepass"


def _utf16_without_bom(sample: bytes) -> str:
    """Return the codec of a text whose every second byte is often, and whose others are never zero."""
    pairs = len(sample) // 2
    high, low = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if pairs >= 4 and high == 0 and 4 * low >= pairs:
        return "utf-16-le"
    if pairs >= 4 and low == 0 and 4 * high >= pairs:
        return "utf-16-be"
    return ""


def _eight_bit_codec(file: BinaryIO, *, cut: bool) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")(_errors("utf-8"))
    maybe_utf8, maybe_1252 = True, True
    file.seek(0)
    while maybe_utf8 or maybe_1252:
        raw = file.read(CHUNK)
        if maybe_utf8:
            try:
                decoder.decode(raw, not raw and not cut)
            except UnicodeDecodeError:
                maybe_utf8 = False
        maybe_1252 = maybe_1252 and len(raw.translate(None, _UNDEFINED_IN_1252)) == len(raw)
        if not raw:
            break
    if maybe_utf8:
        return "utf-8"
    if maybe_1252:
        return "cp1252"
    raise FileUnreadable(why=NO_ENCODING)
