"""Files that come broken, odd or hostile: each is refused by line and column and leaves nothing, and its mended twin comes in."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import pytest

from tests.cast import Cast
from tests.database import Dsn, connected
from tests.formats.made import Counted, archive, row, xlsx
from timebank.errors import ImportHasFaults
from timebank.formats.cells import FORMULA
from timebank.formats.layouts import NO_LINES
from timebank.formats.table import PDF
from timebank.formats.text import CHARACTERS_BROKEN, LINE_TOO_LONG, NO_ENCODING, ZERO_BYTES
from timebank.formats.workbook import CELL_TOO_LONG, ROW_TOO_WIDE
from timebank.rules.names import EMPTY, NOT_TEXT
from timebank.services import imports
from timebank.services.import_report import ImportOptions, Report, SeenFault, Source
from timebank.services.own_data import read_own_statement, write_own_csv
from timebank.services.verify import verify_group
from timebank.store.migrate import SUPERUSER

HOURS: Final = "date,giver,receiver,hours,category,note\n"
FLO: Final = "2026-01-15,Flo,Ada,1:30,repairs,a lift\n"
MONEY: Final = "date,direction,person,amount,currency,held,reference,note\n"
GIFT: Final = "2026-01-15,in,Ada,40.00,EUR,bank,R1,\n"
MIB: Final = 2**20
REACHED_MAX: Final = 2 * MIB
"""How far into a file anybody looks that its size alone refuses; its beginning is looked at twice."""
TOO_EARLY: Final = "it is too early"
LARGE: Final = "its sheets are too large, or their cells too far apart; save the one sheet as CSV"

Found = tuple[int, str, str, str, str]
"""Line, column, code, the reason that a general code gives, and the value as it is shown."""


def hours(*lines: str) -> str:
    """Return a sheet of hours: one good line, and then these."""
    return HOURS + FLO + "".join(f"{line}\n" for line in lines)


def money(*lines: str) -> str:
    return MONEY + GIFT + "".join(f"{line}\n" for line in lines)


def said(hours: str) -> str:
    """Return a line of hours with this under hours."""
    return f'2026-02-01,Ada,,"{hours}",cooking,'


def paid(amount: str) -> str:
    return f'2026-02-01,in,,"{amount}",EUR,bank,,'


def on(day: str) -> str:
    return f"{day},Ada,,1:00,cooking,"


@dataclass(frozen=True, slots=True)
class Torture:
    """A file and its mended twin.

    Attributes:
        found: Every fault of the broken one, in order.
        brings: New lines of the twin; whatever is in it must come in.
        large: Whether its size alone refuses the broken one, so that most of it is never read.
    """

    broken: str | bytes
    found: tuple[Found, ...]
    mended: str | bytes
    brings: int
    options: dict[str, Any] = field(default_factory=dict)
    mended_options: dict[str, Any] = field(default_factory=dict)
    large: bool = False


def unreadable(line: int, why: str) -> tuple[Found, ...]:
    return ((line, "", "file_unreadable", why, ""),)


def bomb() -> bytes:
    """Return a workbook of 20 KB whose sheet says that it has 200 MB."""
    file = io.BytesIO(xlsx(row(1, "date")))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as target:
        target.writestr("xl/media/picture.bin", bytes(200 * MIB))
    return file.getvalue()


def workbook(*rows: str) -> bytes:
    return xlsx(row(1, "date", "giver", "receiver", "hours", "category", "note"), *rows)


TORTURE: Final[dict[str, Torture]] = {
    # -------------------------------------------------------- encodings and line ends
    "two files with a mark each behind one another": Torture(
        "\ufeff" + hours() + "\ufeff" + hours(),
        (
            (3, "date", "day_unreadable", "", "\\ufeffdate"),
            (3, "hours", "duration_unreadable", "", "hours"),
        ),
        "\ufeff" + hours() + FLO,
        2,
    ),
    "a mark within a name": Torture(
        hours("2026-02-01,A\ufeffda,,1:00,cooking,"),
        ((3, "giver", "field_invalid", NOT_TEXT, "A\\ufeffda"),),
        "\ufeff" + hours("2026-02-01,Ada,,1:00,cooking,"),
        2,
    ),
    "UTF-16 cut in the middle of a character": Torture(
        hours().encode("utf-16")[:-1],
        unreadable(2, CHARACTERS_BROKEN),
        hours().encode("utf-16"),
        1,
    ),
    "bytes that no encoding has": Torture(
        hours("2026-02-01,Zo,,1:00,cooking,x").encode() + b"\x81\xff",
        unreadable(0, NO_ENCODING),
        hours("2026-02-01,Zoë,,1:00,cooking,x").encode("cp1252"),
        2,
    ),
    "only CR, and a bad line": Torture(
        hours(said("1:75")).replace("\n", "\r"),
        ((3, "hours", "duration_unreadable", "", "1:75"),),
        hours(said("1:15")).replace("\n", "\r"),
        2,
    ),
    "zero bytes": Torture(
        hours("2026-02-01,Ada,,1:00,cooking,\0", on("2026-02-02")),
        unreadable(3, ZERO_BYTES),
        hours("2026-02-01,Ada,,1:00,cooking,", on("2026-02-02")),
        3,
    ),
    "a lone surrogate": Torture(
        hours("2026-02-01,A\ud800,,1:00,cooking,").encode("utf-8", "surrogatepass"),
        ((3, "giver", "field_invalid", NOT_TEXT, "A\\ud800"),),
        hours("2026-02-01,A\N{SMILE},,1:00,cooking,"),
        2,
    ),
    "a lone surrogate in UTF-16": Torture(
        hours("2026-02-01,Ada,,1:00,cooking,\udfff").encode("utf-16", "surrogatepass"),
        ((3, "note", "field_invalid", NOT_TEXT, "\\udfff"),),
        hours("2026-02-01,Ada,,1:00,cooking,\N{SMILE}").encode("utf-16"),
        2,
    ),
    "a name that turns the line around": Torture(
        hours("2026-02-01,\u202eadA,,1:00,cooking,"),
        ((3, "giver", "field_invalid", NOT_TEXT, "\\u202eadA"),),
        hours("2026-02-01,عدى,,1:00,cooking,"),
        2,
    ),
    "a name that would write on the terminal": Torture(
        hours("2026-02-01,\x1b[31mAda,,1:00,\x07cooking,"),
        (
            (3, "giver", "field_invalid", NOT_TEXT, "\\u001b[31mAda"),
            (3, "category", "field_invalid", NOT_TEXT, "\\u0007cooking"),
        ),
        hours("2026-02-01,[31mAda,,1:00,cooking,"),
        2,
    ),
    # -------------------------------------------------------- shape
    "mixed dividing signs": Torture(
        hours("2026-02-01;Ada;;1:00;cooking;", on("2026-02-02")),
        ((3, "", "row_width", "", ""),),
        hours(on("2026-02-01"), on("2026-02-02")).replace(",", ";"),
        3,
    ),
    "a quotation mark that stays open": Torture(
        hours('2026-02-01,Ada,,1:00,cooking,"soup', on("2026-02-02")),
        ((3, "", "quote_open", "", ""),),
        hours('2026-02-01,Ada,,1:00,cooking,"soup"', on("2026-02-02")),
        3,
    ),
    "a field of 30 MB": Torture(
        hours("2026-02-01,Ada,,1:00,cooking," + "x" * 30 * MIB, on("2026-02-02")),
        unreadable(3, LINE_TOO_LONG),
        hours("2026-02-01,Ada,,1:00,cooking," + "x" * 1_000, on("2026-02-02")),
        3,
        large=True,
    ),
    "a field of 30 MB in quotes and many lines": Torture(
        hours('2026-02-01,Ada,,1:00,cooking,"' + "x\n" * 15 * MIB + '"'),
        ((3, "", "quote_open", "", ""),),
        hours('2026-02-01,Ada,,1:00,cooking,"' + "x\n" * 499 + '"'),
        2,
        large=True,
    ),
    "a quotation mark that stays open for 30 MB": Torture(
        hours('2026-02-01,Ada,,1:00,cooking,"', *[on("2026-02-02")] * MIB),
        ((3, "", "quote_open", "", ""),),
        hours("2026-02-01,Ada,,1:00,cooking,", on("2026-02-02")),
        3,
        large=True,
    ),
    "a cell of 10,001 characters": Torture(
        hours("2026-02-01,Ada,,1:00,cooking," + "x" * 10_001, on("2026-02-32")),
        ((3, "", "file_unreadable", CELL_TOO_LONG, ""), (4, "date", "day_unreadable", "", "2026-02-32")),
        hours("2026-02-01,Ada,,1:00,cooking," + "x" * 1_000, on("2026-02-03")),
        3,
    ),
    "a million columns": Torture(
        HOURS.strip() + "," * 1_000_000 + "\n" + FLO,
        unreadable(0, ROW_TOO_WIDE),
        HOURS.strip() + "," * 100 + "\n" + FLO.strip() + "," * 100 + "\n",
        1,
        large=True,
    ),
    "a million columns further down": Torture(
        hours("," * 1_000_000, on("2026-02-02")),
        unreadable(3, ROW_TOO_WIDE),
        hours("," * 5, on("2026-02-02")),
        2,
        large=True,
    ),
    "a PDF": Torture(b"%PDF-1.7\n" + hours().encode(), unreadable(0, PDF), hours(), 1),
    "nothing": Torture(b"", unreadable(0, EMPTY), hours(), 1),
    "blank lines": Torture("\n \n,,\n", unreadable(0, NO_LINES), "\n \n" + hours(), 1),
    "a workbook that unpacks to 200 MB": Torture(
        bomb(),
        unreadable(0, LARGE),
        workbook(row(2, "2026-02-01", "Ada", "", "1:00", "cooking", "")),
        1,
        large=True,
    ),
    "a workbook of nothing that we know": Torture(
        archive({"secrets.txt": "no"}),
        unreadable(0, "it is an archive, but no workbook of the kinds XLSX or ODS"),
        workbook(row(2, "2026-02-01", "Ada", "", "1:00", "cooking", "")),
        1,
    ),
    # -------------------------------------------------------- days
    "days that are in no calendar": Torture(
        hours(on("2026-02-30"), on("2026-13-01"), on("2025-02-29"), on("0000-01-01")),
        tuple(
            (line, "date", "day_unreadable", "", day)
            for line, day in enumerate(("2026-02-30", "2026-13-01", "2025-02-29", "0000-01-01"), start=3)
        ),
        hours(on("2026-02-28"), on("2026-12-01"), on("2028-02-29"))
        .replace("2028", "2024")
        .replace("2026-12-01", "2026-02-01"),
        4,
        mended_options={"began": date(2024, 1, 1)},
    ),
    "a moment that the clocks leave out": Torture(
        hours(on("2026-03-29T02:30"), on("2026-03-29 02:30")),
        (
            (3, "date", "day_unreadable", "", "2026-03-29T02:30"),
            (4, "date", "day_unreadable", "", "2026-03-29 02:30"),
        ),
        hours(on("2026-03-29"), on("2026-03-29")),
        3,
    ),
    "the years 1 and 9999": Torture(
        hours(on("0001-01-01"), on("9999-12-31")),
        ((3, "date", "date_before_begin", "", ""), (4, "date", "date_in_future", "", "9999-12-31")),
        hours(on("1900-01-01"), on("2026-01-01")),
        3,
        mended_options={"began": date(1900, 1, 1)},
    ),
    "a book that begins in the year 1": Torture(
        hours(on("0001-01-01")),
        ((0, "", "field_invalid", TOO_EARLY, ""), (3, "date", "date_before_begin", "", "")),
        hours(on("1900-01-01")),
        2,
        options={"began": date(1, 1, 1)},
        mended_options={"began": date(1900, 1, 1)},
    ),
    "days in an order that nobody said": Torture(
        hours(on("03/04/2026")),
        ((3, "date", "day_ambiguous", "", "03/04/2026"),),
        hours(on("03/04/2026")),
        2,
        mended_options={"days": "dmy"},
    ),
    # -------------------------------------------------------- numbers
    "times that are none": Torture(
        hours(*map(said, ("1:75", "NaN", "1e3", "inf", "-1:00", "0", "0:00", "1,500", "१:७५", ""))),
        tuple(
            (line, "hours", code, "", value)
            for line, (value, code) in enumerate(
                (
                    ("1:75", "duration_unreadable"),
                    ("NaN", "duration_unreadable"),
                    ("1e3", "duration_unreadable"),
                    ("inf", "duration_unreadable"),
                    ("-1:00", "duration_unreadable"),
                    ("0", "amount_out_of_range"),
                    ("0:00", "amount_out_of_range"),
                    ("1,500", "number_ambiguous"),
                    ("१:७५", "duration_unreadable"),
                    ("", "field_empty"),
                ),
                start=3,
            )
        ),
        hours(*map(said, ("1:15", "1h30", "90m", "1.5", "1,5", "१:१५"))),
        7,
    ),
    "amounts that are none": Torture(
        money(*map(paid, ("NaN", "1e3", "-5", "0", "1:30", "0.001", "1,500"))),
        tuple(
            (line, "amount", code, "", value)
            for line, (value, code) in enumerate(
                (
                    ("NaN", "amount_unreadable"),
                    ("1e3", "amount_unreadable"),
                    ("-5", "amount_unreadable"),
                    ("0", "amount_out_of_range"),
                    ("1:30", "amount_unreadable"),
                    ("0.001", "amount_too_fine"),
                    ("1,500", "number_ambiguous"),
                ),
                start=3,
            )
        ),
        money(*map(paid, ("5", "0.01", "1,500.00", "1 500", "€ 5", "٥٫٥"))),
        7,
    ),
    "more than 10^12": Torture(
        money(paid("10000000000.01"), paid("9" * 400)),
        (
            (3, "amount", "amount_out_of_range", "", "10000000000.01"),
            (4, "amount", "amount_out_of_range", "", "9" * 79 + "…"),
        ),
        money(paid("10000000000.00")),
        2,
    ),
    "hours of more than 10^12 minutes": Torture(
        hours(said("16666666666:41")),
        ((3, "hours", "amount_out_of_range", "", "16666666666:41"),),
        hours(said("16666666666:40")),
        2,
    ),
    # -------------------------------------------------------- formulas, and what is there twice
    "a formula for a name, a category and a pot": Torture(
        "date,giver,receiver,hours,category,note,pot\n"
        '2026-02-01,"=HYPERLINK(""http://x.example"",""Ada"")",@SUM(A1),1:00,+cmd|x,,-A1\n',
        (
            (2, "giver", "field_invalid", FORMULA, '=HYPERLINK("http://x.example","Ada")'),
            (2, "receiver", "field_invalid", FORMULA, "@SUM(A1)"),
            (2, "category", "field_invalid", FORMULA, "+cmd|x"),
            (2, "pot", "field_invalid", FORMULA, "-A1"),
        ),
        "date,giver,receiver,hours,category,note,pot\n"
        '2026-02-01,"\'=HYPERLINK(""http://x"")",\'@Sue,1:00,cooking,,hours\n',
        1,
    ),
    "a formula for a reference and a place": Torture(
        money('2026-02-01,in,"=1+1",5,EUR,=bank,"=HYPERLINK(""http://x.example"")",'),
        (
            (3, "person", "field_invalid", FORMULA, "=1+1"),
            (3, "held", "field_invalid", FORMULA, "=bank"),
            (3, "reference", "field_invalid", FORMULA, '=HYPERLINK("http://x.example")'),
        ),
        # References and telephone numbers begin with signs, and are no formulas for that.
        money("2026-02-01,in,,5,EUR,bank,-12,", "2026-02-01,in,,5,EUR,bank,+34 600 123 456,"),
        3,
    ),
    "a reference twice": Torture(
        money("2026-02-01,in,,5,EUR,bank,R2,", "2026-02-02,in,,6,EUR,bank,R1,"),
        ((4, "reference", "reference_twice", "", "R1"),),
        money("2026-02-01,in,,5,EUR,bank,R2,", "2026-02-02,in,,6,EUR,bank,R3,"),
        3,
    ),
}


def now() -> datetime:
    return datetime.now(UTC)


def bytes_of(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


class Watched(Counted):
    """A file that also knows how far into it anybody read."""

    reached = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.reached = max(self.reached, self.tell())
        return piece


async def bring_in(
    cast: Cast, content: str | bytes | Watched, *, name: str = "sheet.csv", **options: Any
) -> tuple[Report, UUID | None]:
    """Import a file; return the report and the id, which is None when nothing was written."""
    file = content if isinstance(content, Watched) else io.BytesIO(bytes_of(content))
    try:
        report, import_id = await imports.import_files(
            cast.house,
            cast.group_id,
            [Source(name, file)],
            ImportOptions(**options),
            clock=now,
            dry_run=False,
        )
    except ImportHasFaults as refused:
        told: Report = refused.report  # type: ignore[attr-defined]
        return told, None
    return report, import_id


async def everything(dsn: Dsn) -> dict[str, int]:
    """Return how many rows every table has; only the list of jobs may say that somebody tried."""
    async with connected(dsn, SUPERUSER) as connection:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('timebank', 'people')"
        )
        names = sorted(name for (name,) in tables if name != "timebank.jobs")
        assert len(names) > 20
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}


def found_in(report: Report) -> tuple[Found, ...]:
    return tuple(
        (
            fault.line,
            fault.column,
            fault.code,
            str(fault.params["why"]) if fault.code in {"field_invalid", "file_unreadable"} else "",
            fault.value,
        )
        for fault in report.faults
    )


def is_safe(fault: SeenFault) -> bool:
    """Whether everything that a fault shows can be shown: no controls, nothing that turns text around."""
    words = (
        fault.file,
        fault.column,
        fault.value,
        fault.message % fault.params,
        *map(str, fault.params.values()),
    )
    return all(
        unicodedata.category(sign) not in {"Cc", "Cf", "Cs", "Co", "Cn"} for word in words for sign in word
    )


@pytest.mark.parametrize("what", TORTURE)
async def test_what_is_broken_leaves_nothing_and_its_mended_twin_comes_in(
    what: str, cast: Cast, fresh_dsn: Dsn
) -> None:
    torture = TORTURE[what]
    before = await everything(fresh_dsn)

    file = Watched(bytes_of(torture.broken))
    report, import_id = await bring_in(cast, file, **torture.options)

    assert found_in(report) == torture.found
    assert report.fault_count == len(torture.found)
    assert all(map(is_safe, report.faults))
    assert import_id is None
    assert await everything(fresh_dsn) == before
    if torture.large:
        assert file.reached <= REACHED_MAX
        assert file.count <= 2 * REACHED_MAX

    report, import_id = await bring_in(cast, torture.mended, **torture.options | torture.mended_options)

    assert (report.faults, report.new) == ([], torture.brings)
    assert import_id is not None
    assert (await verify_group(cast.house, cast.group_id)).ok


async def test_a_file_whose_name_would_write_on_the_terminal_is_named_safely(cast: Cast) -> None:
    report, _ = await bring_in(cast, hours(said("x")), name="\x1b[2J\u202esheet\udcff.csv")

    assert [fault.file for fault in report.faults] == ["\\u001b[2J\\u202esheet\\udcff.csv"]
    assert report.files[0].name == report.faults[0].file


async def test_a_header_alone_is_nothing_to_import_and_no_fault(cast: Cast, fresh_dsn: Dsn) -> None:
    before = await everything(fresh_dsn)

    report, import_id = await bring_in(cast, HOURS)

    assert (report.faults, report.new, report.already, import_id) == ([], 0, 0, None)
    assert await everything(fresh_dsn) == before


async def test_windows_1252_is_said_aloud(cast: Cast) -> None:
    report, _ = await bring_in(cast, hours("2026-02-01,Zoë,,1:00,cooking,").encode("cp1252"))

    assert report.people_new == ["Zoë"]
    assert [remark[0] for remark in report.files[0].remarks] == [
        "Read as Windows-1252. Look whether names with accents are right."
    ]


@pytest.mark.parametrize(
    "digits",
    [
        "٠١٢٣٤٥٦٧٨٩",
        "۰۱۲۳۴۵۶۷۸۹",
        "०१२३४५६७८९",
        "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19",
    ],
)
async def test_digits_of_any_script_are_the_same_digits(digits: str, cast: Cast) -> None:
    text = HOURS + '2026-01-15,Flo,Ada,1:30,,\n2026-01-16,Flo,Ada,"1,5",,\n2026-01-17,Flo,,123,,\n'
    await bring_in(cast, text)

    report, import_id = await bring_in(
        cast, text.translate(dict(zip(map(ord, "0123456789"), digits, strict=True)))
    )

    # The same lines: they are in the book already.
    assert (report.faults, report.new, report.already, import_id) == ([], 0, 3, None)


async def test_time_given_is_a_length_and_no_clock_can_move_it(cast: Cast) -> None:
    """In Madrid no 02:30 was on 29 March 2026, and there were two on 26 October 2025."""
    text = HOURS + "2026-03-29,Flo,,02:30,,\n2025-10-26,Flo,,02:30,,\n2025-10-26,Flo,,25:00,,\n"

    report, _ = await bring_in(cast, text, began=date(2025, 1, 1))

    assert [(total.amount, total.lines) for total in report.totals] == [(150 + 150 + 1_500, 3)]
    assert (report.first_day, report.last_day) == (date(2025, 10, 26), date(2026, 3, 29))


async def test_a_formula_in_a_note_is_text_that_leaves_harmless_and_comes_back_as_it_was(cast: Cast) -> None:
    note = '=HYPERLINK("http://x.example","look")'
    cell = '"' + note.replace('"', '""') + '"'
    text = HOURS + f"2026-02-01,Ada,,1:00,cooking,{cell}\n"
    await bring_in(cast, text)

    statement = await read_own_statement(
        cast.house, await cast.actor("ada"), first=None, last=None, now=now()
    )
    sheet = "".join(write_own_csv(statement))
    report, _ = await bring_in(cast, text.replace('"=', "\"'="))

    assert [line.note for _, line in statement.lines] == [note]
    assert ",\"'=HYPERLINK(" in sheet
    assert ',"=' not in sheet
    # With the mark that exports write, it is the very same line.
    assert (report.new, report.already) == (0, 1)
