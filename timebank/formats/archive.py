"""A whole group in one ZIP of CSV files, written and read in bounded memory; docs/archive.md has it byte for byte.

Every sheet ends with how many lines it has and what they add up to, and ``files.csv`` has the
SHA-256 of each: whatever was changed, cut off or taken from another archive is noticed.
"""

from __future__ import annotations

import csv
import io
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn, Self, cast

from timebank.errors import N_, FieldInvalid, FileUnreadable, QuoteOpen, Refusal, RowWidth, TotalsDiffer
from timebank.formats.archive_rows import (
    ACCOUNTS,
    DRAWS,
    ENTRIES,
    FILES,
    GROUP,
    HANDS,
    HOURS,
    MEMBERS,
    MOVED_SHEETS,
    PLACES,
    POLICIES,
    POTS,
    ROLES,
    SHEETS,
    TRANSFERS,
    AccountLine,
    ArchivedGroup,
    BadLine,
    DrawLine,
    EntryLine,
    FileLine,
    HandLine,
    HoursLine,
    MemberLine,
    PlaceLine,
    PolicyLine,
    PotLine,
    RoleLine,
    Sheet,
    TransferLine,
    read_group,
)
from timebank.formats.text import Encoding, read_lines
from timebank.rules.sheets import Fault
from timebank.rules.written import shown

README: Final = "README.txt"
LOG: Final = "log"
"""The folder with the public log."""

NOT_A_ZIP: Final = N_("it is no ZIP file, or was cut off")
OTHER_FILES: Final = N_("an archive has just its own files, each once, and no folders")
PACKED_OTHERWISE: Final = N_("it is packed or locked in a way that archives are not")
PACKED_TOO_TIGHT: Final = N_("it unpacks to far more than an archive holds")
BROKEN: Final = N_("it cannot be unpacked: it was cut off or changed")
OTHER_HEADER: Final = N_("its first line is not that of this file in an archive")
OTHER_VERSION: Final = N_("it is an archive of a version that this program does not know")
CUT_OFF: Final = N_("it was cut off: the closing line is missing")
GOES_ON: Final = N_("it goes on after its closing line")
CHANGED: Final = N_("it was changed, or is from another archive")
NOT_IN_ORDER: Final = N_("it is not the next one")
NO_TRANSFERS: Final = N_("this entry moves nothing")
NO_SUCH_ENTRY: Final = N_("it belongs to no entry before it")

_BOM: Final = b"\xef\xbb\xbf"
_TOTAL: Final = "total"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_CHUNK: Final = 2**17
#: Text in columns packs to a tenth; what unpacks to a hundred times as much is there to hurt.
_RATIO_MAX: Final = 100
_SMALL: Final = 2**20
#: Beyond this a sheet may pass 2 GiB, which the plain form of ZIP cannot hold.
_LARGE: Final = 4_000_000


# ---------------------------------------------------------------- writing


class _Unseekable:
    """A file that cannot go back, so that an archive has the same bytes in a file and in a pipe."""

    def __init__(self, out: BinaryIO) -> None:
        self.write = out.write
        self.flush = out.flush


class ArchiveWriter:
    """Writes an archive from its beginning to its end; keeps counts and no line.

    Args:
        out: Takes the bytes; it need not be able to go back.
        records: How many records the book has.
        readme: What ``README.txt`` says.
        moves: Whether the book itself follows, so that it can go on elsewhere.
    """

    def __init__(self, out: BinaryIO, *, records: int, readme: str, moves: bool = False) -> None:
        self._zip = zipfile.ZipFile(cast("BinaryIO", _Unseekable(out)), "w", zipfile.ZIP_DEFLATED)
        self._large = records > _LARGE
        self._readme = readme
        self._left = [*SHEETS, *(MOVED_SHEETS if moves else ())]
        self._files: list[FileLine] = []

    @contextmanager
    def sheet(self, sheet: Sheet) -> Iterator[SheetWriter]:
        """Open the next sheet, in the order of ``SHEETS`` and ``MOVED_SHEETS``; leaving it writes its closing line."""
        assert self._left.pop(0) is sheet, sheet.name
        with self._sheet(sheet) as writer:
            yield writer
        self._files.append(FileLine(sheet.name, writer.lines, writer.bytes, writer.digest.hexdigest()))

    def add(self, sheet: Sheet, rows: Iterable[Any]) -> None:
        """Write a whole sheet at once."""
        with self.sheet(sheet) as writer:
            writer.add(rows)

    def add_log(self, path: str, data: bytes) -> None:
        """Write a file of the public log, as anybody can read it from a host; after all sheets."""
        assert not self._left, self._left
        with self._zip.open(_info(f"{LOG}/{path}"), "w") as file:
            file.write(data)

    def close(self) -> None:
        """Write what stands at the end; an archive without it cannot be read."""
        assert not self._left, self._left
        with self._sheet(FILES) as writer:
            writer.add(self._files)
        with self._zip.open(_info(README), "w") as file:
            file.write(self._readme.replace("\n", "\r\n").encode())
        self._zip.close()

    @contextmanager
    def _sheet(self, sheet: Sheet) -> Iterator[SheetWriter]:
        with self._zip.open(_info(sheet.name), "w", force_zip64=self._large) as file:
            writer = SheetWriter(sheet, cast("BinaryIO", file))
            yield writer
            writer.end()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o600 << 16
    return info


class SheetWriter:
    """Writes the lines of one sheet."""

    def __init__(self, sheet: Sheet, file: BinaryIO) -> None:
        self.lines = self.bytes = 0
        self.digest = sha256()
        self._sheet = sheet
        self._file = file
        self._sums: Counter[str] = Counter()
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text)
        self._send(_BOM)
        self._csv.writerow(sheet.header)

    def add(self, rows: Iterable[Any]) -> None:
        """Write rows, whose fields are those of the columns in order."""
        writes = [column.write for column in self._sheet.columns]
        width = len(writes)
        plain = all(write is str for write in writes)
        sum_of = self._sheet.sum_of
        for row in rows:
            cells = row[:width]
            self._csv.writerow(
                cells if plain else [write(value) for write, value in zip(writes, cells, strict=True)]
            )
            self.lines += 1
            if sum_of is not None:
                name, amount = sum_of(row)
                self._sums[name] += amount
        if self._text.tell() > _CHUNK:
            self._flush()

    def add_cells(self, rows: Sequence[Sequence[str]]) -> None:
        """Write rows whose cells are written already, in a sheet that adds nothing up."""
        assert self._sheet.sum_of is None, self._sheet.name
        self._csv.writerows(rows)
        self.lines += len(rows)
        if self._text.tell() > _CHUNK:
            self._flush()

    def end(self) -> None:
        """Write the closing line."""
        told = [_TOTAL, str(self.lines), _sums_told(self._sums)]
        width = len(self._sheet.header)
        self._csv.writerow((told + [""] * width)[:width])
        self._flush()

    def _flush(self) -> None:
        self._send(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()

    def _send(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += len(data)


def _sums_told(sums: Counter[str]) -> str:
    return " ".join(f"{name}={amount}" for name, amount in sorted(sums.items()))


# ---------------------------------------------------------------- reading


class WrongArchive(Exception):
    """An archive that cannot be what a group once was.

    Attributes:
        file: Name of the file in it; empty for the archive as a whole.
        fault: Where and why.
    """

    def __init__(self, file: str, fault: Fault) -> None:
        super().__init__(file, fault)
        self.file = file
        self.fault = fault


def wrong(sheet: Sheet, line: int, column: str, refusal: Refusal, value: str = "") -> NoReturn:
    """Say that a line of a sheet is wrong.

    Raises:
        WrongArchive: Always.
    """
    raise WrongArchive(sheet.name, Fault(line, column, refusal, shown(value)))


class ArchivedEntry(NamedTuple):
    """An entry with all that belongs to it."""

    entry: EntryLine
    transfers: list[TransferLine]
    hours: HoursLine | None


@dataclass(frozen=True, slots=True)
class Archive:
    """All of an archive but its entries and hours, which are read one by one."""

    group: ArchivedGroup
    pots: list[PotLine]
    policies: list[PolicyLine]
    places: list[PlaceLine]
    members: list[MemberLine]
    roles: list[RoleLine]
    accounts: list[AccountLine]
    draws: list[DrawLine]
    hands: list[HandLine]
    entries: int


def is_archive(file: BinaryIO) -> bool:
    """Say whether a file is an archive of whatever version, perhaps cut off, and not a workbook, also a ZIP."""
    file.seek(0)
    # As we write it: the name of the first file stands thirty bytes behind the beginning of a ZIP.
    head = file.read(30 + len(GROUP.name))
    if head.startswith(b"PK\x03\x04") and head.endswith(GROUP.name.encode()):
        file.seek(0)
        return True
    try:
        with zipfile.ZipFile(file) as packed, packed.open(GROUP.name) as sheet:
            return b'format,"timebank archive' in sheet.read(64)
    except (*_BROKEN, KeyError):
        return False
    finally:
        file.seek(0)


_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What the standard library raises for a ZIP that somebody else made."""


class ArchiveReader:
    """Reads an archive, which must be able to go back.

    Raises:
        WrongArchive: It is none, or not all of one. So does everything else here.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            size = file.seek(0, io.SEEK_END)
            self._zip = zipfile.ZipFile(file)
            self._names = frozenset(self._zip.namelist())
        except _BROKEN:
            raise WrongArchive("", Fault(0, "", FileUnreadable(why=NOT_A_ZIP))) from None
        try:
            self._check_directory(size)
            self._told = {file.file: file for file in self._rows(FILES)}
            moved = MOVED_SHEETS if self.moves else ()
            if self._told.keys() != {sheet.name for sheet in (*SHEETS, *moved)}:
                wrong(FILES, 0, "file", FileUnreadable(why=OTHER_FILES))
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the archive; the file stays open."""
        self._zip.close()

    def head(self) -> Archive:
        """Read all but the entries."""
        try:
            group = read_group(self._rows(GROUP))
        except BadLine as bad:
            wrong(GROUP, bad.line, "", bad.refusal, bad.value)
        return Archive(
            group=group,
            pots=list(self._rows(POTS)),
            policies=list(self._rows(POLICIES)),
            places=list(self._rows(PLACES)),
            members=list(self._rows(MEMBERS)),
            roles=list(self._rows(ROLES)),
            accounts=list(self._rows(ACCOUNTS)),
            draws=list(self._rows(DRAWS)),
            hands=list(self._rows(HANDS)),
            entries=self._told[ENTRIES.name].lines,
        )

    @property
    def moves(self) -> bool:
        """Whether the book itself is in it, with its log, so that it can go on as the very same."""
        return MOVED_SHEETS[0].name in self._names

    @property
    def packed(self) -> zipfile.ZipFile:
        """The file as such, for whoever reads the log in it."""
        return self._zip

    def rows(self, sheet: Sheet) -> Iterator[Any]:
        """Read one of ``MOVED_SHEETS``, row by row."""
        return self._rows(sheet)

    def hours(self) -> Iterator[HoursLine]:
        """Read hours alone."""
        return self._rows(HOURS)

    def entry_lines(self) -> Iterator[EntryLine]:
        """Read the entries alone."""
        return self._rows(ENTRIES)

    def entries(self, waiting: list[HoursLine]) -> Iterator[ArchivedEntry]:
        """Read the entries in the order of the book, each with its transfers and hours.

        Args:
            waiting: Takes hours that have no entry yet, once all entries were read.
        """
        transfers = self._rows(TRANSFERS)
        hours = self._rows(HOURS)
        transfer: TransferLine | None = next(transfers, None)
        logged: HoursLine | None = next(hours, None)
        for number, entry in enumerate(self._rows(ENTRIES), start=1):
            if entry.entry != number:
                wrong(ENTRIES, entry.line, "entry", FieldInvalid(field="entry", why=NOT_IN_ORDER))
            legs: list[TransferLine] = []
            while transfer is not None and transfer.entry == number:
                legs.append(transfer)
                if transfer.leg != len(legs):
                    wrong(TRANSFERS, transfer.line, "leg", FieldInvalid(field="leg", why=NOT_IN_ORDER))
                transfer = next(transfers, None)
            if not legs:
                wrong(ENTRIES, entry.line, "entry", FieldInvalid(field="entry", why=NO_TRANSFERS))
            mine = None
            if logged is not None and logged.id == entry.id and logged.posted:
                mine, logged = logged, next(hours, None)
            yield ArchivedEntry(entry, legs, mine)
        if transfer is not None:
            wrong(TRANSFERS, transfer.line, "entry", FieldInvalid(field="entry", why=NO_SUCH_ENTRY))
        while logged is not None:
            if logged.posted:
                wrong(HOURS, logged.line, "id", FieldInvalid(field="id", why=NO_SUCH_ENTRY))
            waiting.append(logged)
            logged = next(hours, None)

    # ------------------------------------------------------------ the ZIP around it

    def _check_directory(self, size: int) -> None:
        infos = self._zip.infolist()
        names = sorted(info.filename for info in infos if not _LOG_FILE.fullmatch(info.filename))
        whole = len(self._names) == len(infos) and (
            names == sorted((*_NAMES, *(sheet.name for sheet in MOVED_SHEETS)))
            if self.moves
            else len(infos) == len(names) and names == sorted(_NAMES)
        )
        if not whole:
            why = OTHER_FILES
        elif any(
            info.compress_type not in {zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED} or info.flag_bits & 1
            for info in infos
        ):
            why = PACKED_OTHERWISE
        elif any(
            info.compress_size > size or info.file_size > _RATIO_MAX * info.compress_size + _SMALL
            for info in infos
        ):
            why = PACKED_TOO_TIGHT
        else:
            return
        raise WrongArchive("", Fault(0, "", FileUnreadable(why=why)))

    # ------------------------------------------------------------ lines of a sheet

    def _rows(self, sheet: Sheet) -> Iterator[Any]:
        """Read a sheet to its end, where its closing line and ``files.csv`` must be right about it."""
        state = _Reading(sheet)
        try:
            member = _Member(self._zip, sheet.name)
            try:
                if member.read(len(_BOM)) != _BOM:
                    raise FileUnreadable(why=OTHER_HEADER)
                yield from state.rows(read_lines(cast("BinaryIO", member), Encoding("utf-8", len(_BOM))))
            finally:
                member.close()
        except FileUnreadable as refusal:
            wrong(sheet, state.line, "", refusal)
        if sheet is not FILES:
            told = self._told[sheet.name]
            if (member.at, member.digest.hexdigest(), state.count) != (told.bytes, told.sha256, told.lines):
                wrong(sheet, 0, "", FileUnreadable(why=CHANGED))


_LOG_FILE: Final = re.compile(
    r"log/(?:checkpoint|cosignatures|tile/(?:entries|[0-7])/(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/[0-9]{1,3})?"
    r"|policies/[a-z0-9-]{1,32}/[0-9]{1,9})",
    re.ASCII,
)
_NAMES: Final = (*(sheet.name for sheet in SHEETS), FILES.name, README)


class _Member:
    """A file in the ZIP, read from front to back; it counts and hashes what comes out."""

    def __init__(self, packed: zipfile.ZipFile, name: str) -> None:
        self.at = 0
        self.digest = sha256()
        self._most = _RATIO_MAX * packed.getinfo(name).compress_size + _SMALL
        try:
            self._file = packed.open(name)
        except _BROKEN:
            raise FileUnreadable(why=BROKEN) from None

    def seek(self, position: int) -> int:
        assert position == self.at, "nobody goes back"
        return position

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except _BROKEN:
            raise FileUnreadable(why=BROKEN) from None
        self.at += len(data)
        self.digest.update(data)
        if self.at > self._most:
            raise FileUnreadable(why=PACKED_TOO_TIGHT)
        return data

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class _Reading:
    """How far a sheet was read."""

    sheet: Sheet
    line: int = 0
    count: int = 0
    sums: Counter[str] = field(default_factory=Counter)

    def rows(self, lines: Iterator[str]) -> Iterator[Any]:
        sheet, sums = self.sheet, self.sums
        cells_of = self._cells(lines)
        self._check_header(next(cells_of, None))
        reads = [column.read for column in sheet.columns]
        width, make, sum_of = len(reads), sheet.make, sheet.sum_of
        for cells in cells_of:
            if len(cells) != width:
                wrong(sheet, self.line, "", RowWidth(cells=len(cells), columns=width))
            if cells[0] == _TOTAL:
                self._check_total(cells)
                if next(cells_of, None) is not None:
                    wrong(sheet, self.line, "", FileUnreadable(why=GOES_ON))
                return
            try:
                row = make(*[read(cell) for read, cell in zip(reads, cells, strict=True)], self.line)
            except Refusal:
                self._blame(cells)
            self.count += 1
            if sum_of is not None:
                name, amount = sum_of(row)
                sums[name] += amount
            yield row
        wrong(sheet, self.line, "", FileUnreadable(why=CUT_OFF))

    def _cells(self, lines: Iterator[str]) -> Iterator[list[str]]:
        reader = csv.reader(lines, strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                wrong(self.sheet, reader.line_num, "", QuoteOpen())
            self.line = reader.line_num
            yield cells

    def _check_header(self, cells: Sequence[str] | None) -> None:
        if cells is not None and tuple(cells) == self.sheet.header:
            return
        other = self.sheet is GROUP and cells is not None and len(cells) == 2 and cells[0] == "format"
        wrong(
            self.sheet,
            1,
            "",
            FileUnreadable(why=OTHER_VERSION if other else OTHER_HEADER),
            "" if cells is None else ",".join(cells),
        )

    def _check_total(self, cells: Sequence[str]) -> None:
        if cells[1] != str(self.count):
            wrong(self.sheet, self.line, "", TotalsDiffer(told=shown(cells[1]), found=self.count))
        if len(cells) > 2 and cells[2] != _sums_told(self.sums):
            wrong(self.sheet, self.line, "", TotalsDiffer(told=shown(cells[2]), found=_sums_told(self.sums)))
        if any(cells[3:]):
            wrong(self.sheet, self.line, "", FileUnreadable(why=GOES_ON))

    def _blame(self, cells: Sequence[str]) -> NoReturn:
        """Say which cell of a line cannot be read."""
        for column, cell in zip(self.sheet.columns, cells, strict=True):
            try:
                column.read(cell)
            except FieldInvalid as refusal:
                why = refusal.params["why"]
                wrong(self.sheet, self.line, column.name, FieldInvalid(field=column.name, why=why), cell)
            except Refusal as refusal:
                wrong(self.sheet, self.line, column.name, refusal, cell)
        raise AssertionError("one of them could not be read")
