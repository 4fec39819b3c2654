"""An archive says again what was written, or that it is none: cut off, changed, packed by somebody who means harm."""

from __future__ import annotations

import csv
import io
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from timebank.formats import archive as formats
from timebank.formats.archive import (
    Archive,
    ArchivedEntry,
    ArchiveReader,
    ArchiveWriter,
    WrongArchive,
    is_archive,
)
from timebank.formats.archive_rows import (
    FILES,
    FORMAT,
    GROUP,
    SHEETS,
    AccountLine,
    ArchivedGroup,
    DrawLine,
    EntryLine,
    HandLine,
    HoursLine,
    MemberLine,
    PlaceLine,
    PolicyLine,
    PotLine,
    RoleLine,
    Sheet,
    TransferLine,
    group_lines,
    read_group,
)
from timebank.ledger.entries import EntryKind

AT = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
DAY = date(2026, 2, 28)
IDS = [UUID(int=number, version=4) for number in range(1, 9)]
NAMES = ("=1+1", "'=1+1", "-5", "@x", "+44 123", 'a "b", c', "Ünï ☂", "'", "''=x", "plain")

GROUP_SAYS = ArchivedGroup(
    slug="garden",
    name="=HYPERLINK(1)",
    languages=("en", "es"),
    time_zone="Europe/Madrid",
    began_on=date(2026, 1, 1),
    preset="open",
    categories=("cooking", "'+repairs"),
    currencies=("EUR",),
    time_bank=False,
    origin="open.example/g/garden",
    records=5,
    taken_at=AT,
    checkpoint="open.example/g/garden/live\n5\nAAAA\n\n— open.example/g/garden/live AAAA\n",
    rounding_minutes=15,
    rounding_up=True,
    confirm_days=14,
    words="kitty",
    member_list=True,
    joining="request",
    categories_retired=("-lifts",),
    households=((1, 3), (2, 4)),
    lines={},
)


def entry(number: int, **more: Any) -> EntryLine:
    values: dict[str, Any] = {
        "entry": number,
        "id": IDS[number],
        "kind": EntryKind.HELP_GIVEN,
        "source": "hours",
        "effective_on": DAY,
        "recorded_at": AT,
        "category": "=cooking",
        "draw": None,
        "corrects": None,
        "reversal_legs": 0,
        "chain": None,
        "written_by": "member:1",
    }
    return EntryLine(**{**values, **more})


ENTRIES = [
    entry(1),
    entry(2, category="", written_by="", draw=IDS[7], corrects=IDS[1], reversal_legs=1, chain=IDS[1]),
]
TRANSFERS = [
    TransferLine(1, 1, "minutes", "member:1", "pot:hours", 90),
    TransferLine(1, 2, "minutes", "pot:hours", "shared:hours", 90),
    TransferLine(2, 1, "EUR", "held:cash-1", "custody", 10**12),
]
HOURS = [
    HoursLine(IDS[1], True, "member:1", "", None, 90, DAY, "=cooking", "logged", "", AT),
    HoursLine(IDS[5], False, "member:1", "member:2", IDS[7], 5, DAY, "", "questioned", "member:2", AT),
]
ROWS: dict[str, list[Any]] = {
    "group.csv": group_lines(GROUP_SAYS),
    "pots.csv": [PotLine(1, "total", "minutes", -600), PotLine(1, "money", "EUR", None)],
    "policies.csv": [PolicyLine(1, "total", DAY, {"b": [1, {"ä": None}], "a": True})],
    "places.csv": [PlaceLine(1, "total", "cash", "EUR")],
    "members.csv": [MemberLine(place, name, "active", DAY) for place, name in enumerate(NAMES, 1)]
    + [MemberLine(len(NAMES) + 1, "", "erased", DAY)],
    "roles.csv": [RoleLine(1, "steward", AT, None), RoleLine(2, "treasurer", AT, AT)],
    "accounts.csv": [AccountLine("member:1", "minutes", 2**53 - 1, 0, 0, 0), AccountLine("custody", "EUR", 1, 2, 3, 4)],
    "entries.csv": ENTRIES,
    "transfers.csv": TRANSFERS,
    "hours.csv": HOURS,
    "draws.csv": [DrawLine(IDS[7], "money", "'=x", None, "asked", 1, 5, 0, 0, 0, 0, AT, 1)],
    "hands.csv": [HandLine(IDS[7], 1, True, False, False, False)],
}  # fmt: skip


def written(rows: dict[str, list[Any]] | None = None) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out, records=5, readme="For people.\nTwo lines.\n")
    for sheet in SHEETS:
        writer.add(sheet, (rows or ROWS)[sheet.name])
    writer.close()
    return out.getvalue()


GOOD = written()


def read(data: bytes) -> tuple[Archive, list[ArchivedEntry], list[HoursLine]]:
    waiting: list[HoursLine] = []
    with ArchiveReader(io.BytesIO(data)) as reader:
        return reader.head(), list(reader.entries(waiting)), waiting


@contextmanager
def files_of(data: bytes) -> Iterator[dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        yield {name: packed.read(name) for name in packed.namelist()}


def packed(files: dict[str, bytes], *, right: bool = True, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack files; with ``right``, files.csv says what they are now."""
    if right:
        rows = [
            (name, max(0, content.count(b"\r\n") - 2), len(content), sha256(content).hexdigest())
            for name, content in files.items()
            if name in {sheet.name for sheet in SHEETS}
        ]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([FILES.header, *rows, ("total", len(rows), "", "")])
        files = {**files, "files.csv": b"\xef\xbb\xbf" + text.getvalue().encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as zip_file:
        for name, content in files.items():
            zip_file.writestr(name, content)
    return out.getvalue()


def changed(name: str, change: Callable[[bytes], bytes], *, right: bool = True) -> bytes:
    with files_of(GOOD) as files:
        return packed({**files, name: change(files[name])}, right=right)


def swapped(name: str, old: str, new: str, **more: Any) -> bytes:
    def change(content: bytes) -> bytes:
        assert old.encode() in content, (name, old)
        return content.replace(old.encode(), new.encode(), 1)

    return changed(name, change, **more)


def fault_of(data: bytes) -> tuple[str, int, str, str]:
    """Return (file, line, column, code) of what is wrong."""
    with pytest.raises(WrongArchive) as refused:
        read(data)
    wrong = refused.value
    return wrong.file, wrong.fault.line, wrong.fault.column, wrong.fault.refusal.code


def why_of(data: bytes) -> Any:
    with pytest.raises(WrongArchive) as refused:
        read(data)
    return refused.value.fault.refusal.params.get("why")


def bare(rows: list[Any]) -> list[Any]:
    return [row._replace(line=0) for row in rows]


# ---------------------------------------------------------------- what was written comes back


def test_what_was_written_comes_back_unchanged():
    archive, entries, waiting = read(GOOD)

    assert {**vars_of(archive.group), "lines": {}} == vars_of(GROUP_SAYS)
    for name, rows in (
        ("pots.csv", archive.pots), ("policies.csv", archive.policies), ("places.csv", archive.places),
        ("members.csv", archive.members), ("roles.csv", archive.roles), ("accounts.csv", archive.accounts),
        ("draws.csv", archive.draws), ("hands.csv", archive.hands),
    ):  # fmt: skip
        assert bare(rows) == ROWS[name], name
    assert bare([each.entry for each in entries]) == ENTRIES
    assert bare([leg for each in entries for leg in each.transfers]) == TRANSFERS
    assert bare([each.hours for each in entries if each.hours]) == HOURS[:1]
    assert bare(waiting) == HOURS[1:]
    assert archive.entries == 2
    assert [each.entry.line for each in entries] == [2, 3]


def vars_of(group: ArchivedGroup) -> dict[str, Any]:
    return {name: getattr(group, name) for name in ArchivedGroup.__slots__}


def test_no_cell_begins_like_a_formula():
    with files_of(GOOD) as files:
        cells = [
            cell
            for name, content in files.items()
            if name.endswith(".csv")
            for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
            for cell in row
        ]

    assert not [cell for cell in cells if cell[:1] in {"=", "+", "@", "\t", "\r"}]
    assert [cell for cell in cells if cell.startswith("-")] == ["-600"]


def test_the_same_group_gives_the_same_bytes():
    assert written() == GOOD
    with zipfile.ZipFile(io.BytesIO(GOOD)) as zip_file:
        assert [info.filename for info in zip_file.infolist()] == [sheet.name for sheet in SHEETS] + [
            "files.csv",
            "README.txt",
        ]
        assert {info.date_time for info in zip_file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_every_sheet_is_rfc_4180_with_a_mark_and_a_closing_line():
    with files_of(GOOD) as files:
        for sheet in (*SHEETS, FILES):
            content = files[sheet.name]
            assert content.startswith(b"\xef\xbb\xbf")
            assert content.endswith(b"\r\n")
            rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
            assert {len(row) for row in rows} == {len(sheet.header)}
            assert rows[0] == list(sheet.header)
            assert rows[-1][:2] == ["total", str(len(rows) - 2)]
        assert b"total,3,EUR=1000000000000 minutes=180,,,\r\n" in files["transfers.csv"]
        assert files["README.txt"] == b"For people.\r\nTwo lines.\r\n"


def test_an_empty_book_is_an_archive_too():
    archive, entries, waiting = read(written({**{name: [] for name in ROWS}, "group.csv": ROWS["group.csv"]}))

    assert (archive.members, entries, waiting, archive.entries) == ([], [], [], 0)


# ---------------------------------------------------------------- recognising one


def test_only_an_archive_is_taken_for_one():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zip_file:
        zip_file.writestr("xl/workbook.xml", "<x/>")

    # One that was cut off is told so; one that somebody packed again has its files in another order.
    with files_of(GOOD) as files:
        again = packed(dict(sorted(files.items(), reverse=True)))
    for data in (GOOD, GOOD[: len(GOOD) // 2], again):
        assert is_archive(io.BytesIO(data))
    for other in (out.getvalue(), b"", b"PK\x03\x04", b"date,giver\r\n", GOOD[1:]):
        file = io.BytesIO(other)
        assert not is_archive(file)
        assert file.tell() == 0


def test_another_version_is_recognised_and_refused():
    later = swapped("group.csv", FORMAT, "timebank archive, version 2")

    assert is_archive(io.BytesIO(later))
    assert fault_of(later)[:2] == ("group.csv", 1)
    assert why_of(later) == formats.OTHER_VERSION


# ---------------------------------------------------------------- cut off and changed


def test_wherever_it_is_cut_off_it_is_no_archive():
    dice = random.Random(1)
    for size in (0, 1, 4, 22, len(GOOD) - 1, *(dice.randrange(len(GOOD)) for _ in range(300))):
        assert fault_of(GOOD[:size])[3] == "file_unreadable", size


def test_whatever_byte_is_changed_it_says_so_or_says_the_same():
    dice = random.Random(2)
    right = read(GOOD)
    refused = 0
    for _ in range(1_500):
        at, bit = dice.randrange(len(GOOD)), 1 << dice.randrange(8)
        data = bytearray(GOOD)
        data[at] ^= bit
        try:
            assert read(bytes(data)) == right, (at, bit)
        except WrongArchive:
            refused += 1
    assert refused > 1_000


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_a_changed_file_is_noticed_by_its_hash_where_nothing_else_would(sheet: Sheet):
    def change(content: bytes) -> bytes:
        # A space after the mark of a header's last cell is another text for a hash only.
        head, end, rest = content.partition(b"\r\n")
        quoted = head.rsplit(b",", 1)
        return (
            quoted[0] + b',"' + quoted[1].strip(b'"') + b'"' + end + rest if sheet is not GROUP else content
        )

    data = changed(sheet.name, change, right=False)

    if sheet is GROUP:
        data = swapped("group.csv", "garden", "gardem", right=False)
    file, line, _, code = fault_of(data)
    assert (file, line, code) == (sheet.name, 0, "file_unreadable")
    assert why_of(data) == formats.CHANGED


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_sheet_must_end_as_it_says(sheet: Sheet):
    name = sheet.name
    with files_of(GOOD) as files:
        lines = files[name].split(b"\r\n")[:-1]
        more = files[name] + lines[-2] + b"\r\n"
    count = len(ROWS[name])

    for content, why in (
        (b"\r\n".join(lines[:-1]) + b"\r\n", formats.CUT_OFF),
        (more, formats.GOES_ON),
        (b"\r\n".join([*lines, b""]) + b"\r\n", formats.GOES_ON),
        (b"\r\n".join([*lines[:-2], lines[-1]]) + b"\r\n", None),
        (b"\r\n".join([*lines[:-1], lines[-2], lines[-1]]) + b"\r\n", None),
        (files[name].replace(b"total,%d" % count, b"total,%d" % (count + 1)), None),
        (files[name][3:], formats.OTHER_HEADER),
        (files[name].replace(lines[0][3:], b"x"), formats.OTHER_HEADER),
        (b"", formats.OTHER_HEADER),
    ):
        with files_of(GOOD) as files:
            data = packed({**files, name: content})
        told = fault_of(data)
        assert told[0] in {name, "transfers.csv", "entries.csv"}, told
        if why is not None:
            assert (told[0], why_of(data)) == (name, why)


def test_sums_are_compared_with_what_they_are_sums_of():
    for name, old, new in (
        ("transfers.csv", "pot:hours,90", "pot:hours,91"),
        ("accounts.csv", "custody,EUR,1,", "custody,EUR,5,"),
        ("hours.csv", ",90,", ",89,"),
        ("draws.csv", "asked,1,5,", "asked,1,6,"),
    ):
        assert fault_of(swapped(name, old, new))[::3] == (name, "totals_differ")


def test_entries_transfers_and_hours_belong_together():
    # A transfer of no entry, an entry without one, legs and entries out of order, hours of no entry.
    for name, old, new, told in (
        ("transfers.csv", "2,1,EUR", "3,1,EUR", ("entries.csv", 3)),
        ("transfers.csv", "1,2,minutes", "1,3,minutes", ("transfers.csv", 3)),
        ("entries.csv", "1,00000000", "2,00000000", ("entries.csv", 2)),
        ("hours.csv", str(IDS[1]), str(IDS[4]), ("hours.csv", 2)),
    ):
        data = swapped(name, old, new)
        assert fault_of(data)[:2] == told, (name, new)
        assert fault_of(data)[3] == "field_invalid"


# ---------------------------------------------------------------- cells that nobody wrote


BAD: dict[str, tuple[str, ...]] = {
    "entry": ("0", "01", "1.0", "-1", "", "١", "9" * 17, "1e3", " 1"),
    "id": ("", "x", str(IDS[0]).upper().replace("0", "A"), str(IDS[0]).replace("-", ""), f"{{{IDS[0]}}}"),
    "kind": ("", "gift", "Help_given"),
    "source": ("", "a b", "ä", "A", "x" * 33, "=x"),
    "effective_on": ("", "20260228", "2026-2-28", "2026-02-30", "28.02.2026", "2026-W09-6", "٢٠٢٦-02-28"),
    "recorded_at": ("", "2026-03-01", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000001+00:00"),
    "category": ("a\tb", "\u202ex", "x" * 41, "\ufeff"),
    "draw": ("x",),
    "corrects": ("1",),
    "reversal_legs": ("", "-1", "1001"),
    "with": ("x",),
    "written_by": ("ada", "member:0", "member:01", "pot:", "pot:A", "held:../x", "member:1:2", "Outside"),
}


@pytest.mark.parametrize("column", BAD)
def test_a_cell_that_nobody_wrote_is_named(column: str):
    sheet = next(sheet for sheet in SHEETS if sheet.name == "entries.csv")
    place = sheet.header.index(column)
    assert set(BAD) == set(sheet.header)

    for cell in BAD[column]:

        def change(content: bytes, cell: str = cell) -> bytes:
            rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
            rows[1][place] = cell
            text = io.StringIO(newline="")
            csv.writer(text).writerows(rows)
            return b"\xef\xbb\xbf" + text.getvalue().encode()

        file, line, told, _ = fault_of(changed("entries.csv", change))
        assert (file, line, told) == ("entries.csv", 2, column), cell


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("pots.csv", ",minutes,-600", ",hours,-600"),
        ("pots.csv", ",minutes,-600", ",minutes,0600"),
        ("policies.csv", '"{""a""', '"[""a""'),
        ("policies.csv", "true", "1" + "0" * 5_000),
        ("places.csv", "cash", "vault"),
        ("members.csv", "m1,", "1,"),
        ("members.csv", "erased", "gone"),
        ("members.csv", ",plain,", f",{'x' * 41},"),
        ("members.csv", ",plain,", ",pl\u202eain,"),
        ("roles.csv", "steward", "king"),
        ("accounts.csv", "9007199254740991", "9007199254740992"),
        ("transfers.csv", "1000000000000", "1000000000001"),
        ("transfers.csv", ",90", ",0"),
        ("hours.csv", ",yes,", ",Yes,"),
        ("hours.csv", "logged", "lost"),
        ("draws.csv", "asked", "hoped"),
        ("hands.csv", "yes", "1"),
        ("group.csv", "records,5", "records,five"),
        ("group.csv", "time_bank,no", "time_bank,maybe"),
        ("group.csv", "slug,", "shape,"),
        ("group.csv", "rounding_up,yes", "rounding_up,up"),
        ("group.csv", "confirm_days,14", "confirm_days,x"),
        ("group.csv", "household,m1 m3", "household,m1  m3"),
        ("group.csv", "preset,open", "slug,twice"),
    ],
)
def test_other_sheets_are_as_strict(name: str, old: str, new: str):
    assert fault_of(swapped(name, old, new))[0] == name


def test_group_must_say_everything_once():
    with files_of(GOOD) as files:
        lines = files["group.csv"].split(b"\r\n")
        del lines[1]
        text = b"\r\n".join(lines).replace(b"total,24", b"total,23")
        assert fault_of(packed({**files, "group.csv": text}))[::3] == ("group.csv", "file_unreadable")


# ---------------------------------------------------------------- lines and bytes that nobody wrote


def test_lines_that_are_no_csv_end_the_reading_at_once():
    for content, code in (
        ('x,"open', "quote_open"),
        ('x,"a"b', "quote_open"),
        (f'"{"x" * 140_000}",y', "quote_open"),
        (random.Random(3).randbytes(2**20).hex(), "file_unreadable"),
        ("x,\0", "file_unreadable"),
        ("x", "row_width"),
        ("x," * 100_000, "row_width"),
    ):

        def change(good: bytes, content: str = content) -> bytes:
            head, end, rest = good.partition(b"\r\n")
            return head + end + content.encode() + end + rest

        assert fault_of(changed("members.csv", change))[::3] == ("members.csv", code), content[:20]
    broken = changed("members.csv", lambda good: good.replace(b"plain", b"pl\xffin"))
    assert fault_of(broken)[::3] == ("members.csv", "file_unreadable")
    lone = changed("members.csv", lambda good: good.replace(b"plain", b"pl\xed\xa0\x80in"))
    assert fault_of(lone)[::2] == ("members.csv", "nickname")


def test_an_archive_has_its_own_files_and_no_others():
    with files_of(GOOD) as files:
        for name in (
            "../evil.csv",
            "/etc/passwd",
            "people/members.csv",
            "members.CSV",
            "__MACOSX/x",
            "C:\\x",
            "x/",
        ):
            assert why_of(packed({**files, name: b""})) == formats.OTHER_FILES
            assert why_of(packed({(name if each == "members.csv" else each): files[each] for each in files}))
        for missing in files:
            rest = {name: content for name, content in files.items() if name != missing}
            assert why_of(packed(rest, right=False)) == formats.OTHER_FILES
        out = io.BytesIO(packed(files))
        with zipfile.ZipFile(out, "a") as zip_file, pytest.warns(UserWarning, match="Duplicate"):
            zip_file.writestr("members.csv", files["members.csv"])
        assert why_of(out.getvalue()) == formats.OTHER_FILES
        # files.csv names each of the others, and no two of them are each other.
        text = files["files.csv"].replace(b"hands.csv", b"hours.csv")
        assert why_of(packed({**files, "files.csv": text}, right=False)) == formats.OTHER_FILES


def test_an_archive_may_be_packed_again_but_not_in_every_way():
    with files_of(GOOD) as files:
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            assert read(packed(files, method=method)) == read(GOOD)
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            assert why_of(packed(files, method=method)) == formats.PACKED_OTHERWISE
    # The flag of a file that is locked, in the directory.
    locked = bytearray(GOOD)
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    assert why_of(bytes(locked)) == formats.PACKED_OTHERWISE


def test_what_unpacks_to_far_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch):
    with files_of(GOOD) as files:
        bomb = packed({**files, "entries.csv": files["entries.csv"] + b"\r\n" * 20_000_000})
    assert len(bomb) < 2**17
    opened: list[str] = []
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda _self, name, *_: opened.append(name))

    assert why_of(bomb) == formats.PACKED_TOO_TIGHT
    assert not opened


def test_a_directory_that_lies_about_sizes_does_not_help(monkeypatch: pytest.MonkeyPatch):
    with files_of(GOOD) as files:
        head, end, rest = files["members.csv"].partition(b"\r\n")
        line = b"m1,x,active,2026-02-28\r\n"
        bomb = bytearray(packed({**files, "members.csv": head + end + line * 200_000 + rest}))
    monkeypatch.setattr(formats, "_SMALL", 0)
    assert why_of(bytes(bomb)) == formats.PACKED_TOO_TIGHT
    at = bomb.rindex(b"members.csv")
    # It says that it unpacks to less: then it ends early, or its checksum is wrong.
    bomb[at - 22 : at - 18] = (10_000).to_bytes(4, "little")

    assert fault_of(bytes(bomb))[::3] == ("members.csv", "file_unreadable")


def test_zip64_is_read_and_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(formats, "_LARGE", 1)

    large = written()

    assert large != GOOD
    assert read(large) == read(GOOD)


# ---------------------------------------------------------------- the page that says all this


def test_the_page_names_every_file_and_every_column_in_order():
    page = (Path(__file__).parents[2] / "docs" / "archive.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ([\w.]+)$", page.partition("# The format, version 1")[2], flags=re.MULTILINE)[1:]
    told = dict(zip(parts[::2], parts[1::2], strict=True))

    assert list(told) == [*(sheet.name for sheet in SHEETS), "files.csv", "README.txt"]
    assert f'format,"{FORMAT}"' in told["group.csv"]
    assert set(re.findall(r"`(\w+)`", told["group.csv"])) == {line.name for line in ROWS["group.csv"]}
    for sheet in (*SHEETS[1:], FILES):
        assert re.findall(r"^\| `(\w+)` \|", told[sheet.name], re.MULTILINE) == list(sheet.header), sheet.name


def test_an_archive_of_before_settings_could_be_changed_reads_with_what_held_then():
    new = {"rounding_minutes", "rounding_up", "confirm_days", "words", "member_list", "joining"}
    lines = [line for line in ROWS["group.csv"] if line.name not in {*new, "category_retired", "household"}]

    group = read_group(lines)

    assert (group.rounding_minutes, group.confirm_days, group.words, group.households) == (1, 7, "pot", ())
