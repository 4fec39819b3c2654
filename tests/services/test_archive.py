"""An archive is the whole group: what comes out of one house comes into another as it was, or not at all."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.cast import a_group
from tests.database import Dsn
from tests.properties.stand import (
    Stand,
    a_stand,
    ask,
    ask_and_approve,
    code,
    hand_over,
    hours,
    money,
    said,
    today,
)
from timebank.errors import GroupNotEmpty, ImportHasFaults, ImportNotUndoable, SlugTaken
from timebank.ledger.units import MINUTES
from timebank.rules.commands import ApproveDraw, CorrectEntry, Instead
from timebank.rules.people import Actor
from timebank.rules.set_up import NewHeldPlace, NewPot, Terms
from timebank.services import archive_import, imports, jobs
from timebank.services.archive import write_archive
from timebank.services.archive_import import NewAddress, import_archive
from timebank.services.close import close_period
from timebank.services.example import make_example
from timebank.services.export import open_journal
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.import_report import ImportOptions, Report, Source
from timebank.services.jobs import JobCancelled, Teller
from timebank.services.members import (
    add_member,
    erase_member,
    find_member,
    grant_role,
    revoke_role,
    set_state,
)
from timebank.services.statement import read_statement
from timebank.services.verify import verify_group
from timebank.store import archive as store
from timebank.store.members import set_household
from timebank.store.settings import find_settings, update_settings

#: Cells that say when something was recorded, or which book it is of: a copy has its own.
MOMENTS = {
    "entries.csv": {"recorded_at"},
    "hours.csv": {"logged_at"},
    "draws.csv": {"asked_at"},
}
OF_THIS_BOOK = {"slug", "origin", "records", "taken_at", "checkpoint"}


def now() -> datetime:
    return datetime.now(UTC)


# ---------------------------------------------------------------- out and in


async def archived(house: House, group_id: UUID) -> bytes:
    out = io.BytesIO()
    await write_archive(house, group_id, out, now=now())
    return out.getvalue()


async def bring_in(
    house: House, where: UUID | str, data: bytes, *, dry_run: bool = False, **more: Any
) -> tuple[Report, UUID | None]:
    place = NewAddress(where, f"other.example/g/{where}") if isinstance(where, str) else where
    return await import_archive(
        house, place, Source("book.zip", io.BytesIO(data)), clock=now, dry_run=dry_run, **more
    )


async def copied(house: House, data: bytes, slug: str = "copy") -> UUID:
    await bring_in(house, slug, data)
    return await house.database.group_id(slug)


def sheets(data: bytes) -> dict[str, list[list[str]]]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {
            name: list(csv.reader(io.StringIO(packed.read(name).decode("utf-8-sig"), newline="")))
            for name in packed.namelist()
            if name.endswith(".csv")
        }


def without_moments(data: bytes) -> dict[str, list[list[str]]]:
    """Return what an archive says but for when it was written down, and in which book."""
    found = {
        name: rows for name, rows in sheets(data).items() if not name.startswith(("moved_", "published_"))
    }
    del found["files.csv"]
    for name, rows in found.items():
        blank = [place for place, column in enumerate(rows[0]) if column in MOMENTS.get(name, ())]
        found[name] = [[*("" if place in blank else cell for place, cell in enumerate(row))] for row in rows]
    found["group.csv"] = [row for row in found["group.csv"] if row[0] not in OF_THIS_BOOK]
    return found


def repacked(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Return an archive in which somebody changed something, and made its sums of files right again."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    lines = ["file,lines,bytes,sha256"]
    for name, content in files.items():
        if name.endswith(".csv") and name != "files.csv":
            count = len(list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))) - 2
            lines.append(f"{name},{count},{len(content)},{sha256(content).hexdigest()}")
    files["files.csv"] = ("\ufeff" + "\r\n".join([*lines, f"total,{len(lines) - 1},,"]) + "\r\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


def edited(data: bytes, name: str, old: str, new: str) -> bytes:
    """Return an archive with one text in one file replaced once."""

    def change(files: dict[str, bytes]) -> None:
        text = files[name].decode()
        assert old in text, old
        files[name] = text.replace(old, new, 1).encode()

    return repacked(data, change)


async def fault_of(house: House, where: UUID | str, data: bytes, **more: Any) -> tuple[str, int, str, str]:
    """Return (file, line, column, code) of what is wrong with an archive."""
    with pytest.raises(ImportHasFaults) as refused:
        await bring_in(house, where, data, **more)
    (fault,) = refused.value.report.faults  # type: ignore[attr-defined]
    return fault.file, fault.line, fault.column, fault.code


# ---------------------------------------------------------------- what is compared


async def rows(house: House, group_id: UUID, query: str, *values: Any) -> list[Any]:
    async with house.database.write_door(group_id) as connection:
        found = await connection.fetch(query, *values)
        await connection.execute("ROLLBACK")
        return list(found)


async def nothing_in(house: House, group_id: UUID) -> bool:
    """Say whether a group is as empty as it was made."""
    tables = ("timebank.entries", "timebank.transfers", "timebank.hours", "timebank.draws",
              "timebank.imports", "people.members", "people.member_roles")  # fmt: skip
    counts = [(await rows(house, group_id, f"SELECT count(*) FROM {table}"))[0][0] for table in tables]
    kinds = {row[0] for row in await rows(house, group_id, "SELECT kind FROM timebank.records")}
    return not any(counts) and kinds == {"genesis", "policy"}


async def people(house: House, group_id: UUID) -> dict[str, Actor]:
    """Return everybody who can be told apart, by nickname."""
    found = {}
    for (member_id,) in await rows(house, group_id, "SELECT member_id FROM people.members"):
        member = await find_member(house, group_id, now=now(), member_id=member_id)
        if member.nickname is not None:
            found[member.nickname] = Actor(
                group_id, member_id, member.accounts[MINUTES], member.accounts,
                frozenset({"member", *member.roles}), frozenset({"read", "write"}),
            )  # fmt: skip
    return found


async def statements(house: House, group_id: UUID) -> dict[str, Any]:
    """Return what everybody reads of themselves, in the order in which they read it, without moments and notes."""
    found: dict[str, Any] = {}
    for nickname, actor in (await people(house, group_id)).items():
        lines, after = [], None
        while True:
            page = await read_statement(house.database, house.keys, actor, after=after, limit=7)
            lines += [replace(line, at=datetime.min, note="") for line in page.lines]
            after = page.next
            if after is None:
                break
        found[nickname] = (page.totals, lines)
    return found


async def journal(house: House, group_id: UUID) -> str:
    """Return the group's journal below its header."""
    opened = await open_journal(house.database, group_id, "hledger")
    text = b"".join([chunk async for chunk in opened.chunks()]).decode()
    return text.partition("\n\n")[2]


async def assert_same(house: House, one: UUID, other: UUID, data: bytes) -> None:
    """Fail unless a copy has the balances, statements, journal and archive of the original, and verifies."""
    verdict = await verify_group(house, other)
    assert verdict.ok, verdict.findings
    again = await archived(house, other)
    assert without_moments(again) == without_moments(data)
    assert await statements(house, other) == await statements(house, one)
    assert await journal(house, other) == await journal(house, one)


# ---------------------------------------------------------------- groups with a life


async def live(stand: Stand) -> None:
    """Let everything happen that services can do: corrections, asks in every state, duties, people who go."""
    house, group_id = stand.house, stand.group.group_id
    ids = {name: actor.member_id for name, actor in stand.group.people.items()}
    days = [today() - timedelta(days=back) for back in (3, 40, 0, 40, 7)]
    for number, day in enumerate(days):
        for who, what in (
            ("ada", hours(30 + number, effective_on=day, note="=1+1 for Flo")),
            ("flo", hours(25, effective_on=day, receiver=ids["ada"])),
            ("ed", money(7_000 + number, effective_on=day, reference="bank line of Flo")),
            ("ed", money(1_001, held="bank", giver=ids["flo"], effective_on=day)),
        ):
            assert code(await stand.send(who, what)) == "ok"
    draw = await ask_and_approve(stand, "ada", "bo", 3_000)
    assert code(await stand.send("ed", hand_over(draw, 1_234))) == "ok"
    # Three asks with no entry between them: their order is all that tells them apart.
    for amount in (900, 700, 800):
        assert code(await stand.send("flo", ask(amount))) == "ok"
    assert code(await stand.send("hal", hand_over(draw))) == "ok"
    time_draw = UUID(said(await stand.send("ada", ask(60, MINUTES)))["id"])
    assert code(await stand.send("bo", ApproveDraw(time_draw))) == "ok"
    assert code(await stand.send("flo", hours(40, draw=time_draw))) == "ok"
    # One of two yeses, and an ask that was promised and not handed over.
    big = UUID(said(await stand.send("flo", ask(4_000)))["id"])
    assert code(await stand.send("bo", ApproveDraw(big))) == "ok"
    await ask_and_approve(stand, "ada", "di", 1_000)
    wrong = UUID(said(await stand.send("ada", hours(500)))["entry"])
    assert code(await stand.send("ada", CorrectEntry(wrong, "typo", Instead(amount=50)))) == "ok"
    gone = UUID(said(await stand.send("ed", money(33)))["entry"])
    assert code(await stand.send("ed", CorrectEntry(gone, held="bank"))) == "ok"
    # Gus is forgotten, Hal leaves, somebody else takes his name, Di is no steward any more.
    assert code(await stand.send("gus", hours(77))) == "ok"
    await erase_member(house, group_id, ids["gus"], now=now())
    await set_state(house, group_id, ids["hal"], "left")
    await add_member(house, group_id, "Hal", now=now())
    await add_member(house, group_id, "=cmd|' /C calc'!A0", now=now(), roles=("auditor",))
    await revoke_role(house, group_id, ids["di"], "steward", now=now())
    await grant_role(house, group_id, ids["flo"], "treasurer", now=now())
    await set_state(house, group_id, ids["bo"], "suspended")
    async with house.database.tx(group_id) as tx:
        await set_household(tx, group_id, [ids["ada"], ids["flo"]], house.new_id())
        settings, _ = await find_settings(tx, group_id)
        changed = replace(
            settings, rounding_minutes=15, words="kitty", joining="request", categories_retired=("lifts",)
        )
        await update_settings(tx, group_id, changed, None)
    for amount in (300, 200):
        assert code(await stand.send("flo", ask(amount))) == "ok"


@pytest_asyncio.fixture(loop_scope="session")
async def lively(fresh_dsn: Dsn, tmp_path: Path) -> AsyncIterator[Stand]:
    terms = {"money": Terms(approvals=((0, 1), (3_000, 2)))}
    async with a_stand(fresh_dsn, tmp_path, **terms) as stand:
        await live(stand)
        yield stand


async def test_a_group_comes_out_of_its_archive_as_it_was(lively: Stand) -> None:
    house, group_id = lively.house, lively.group.group_id
    data = await archived(house, group_id)

    report, import_id = await bring_in(house, "copy", data)

    assert import_id is not None
    assert report.new == len(sheets(data)["entries.csv"]) - 2
    said = {tuple(line) for line in sheets(data)["group.csv"]}
    assert {("rounding_minutes", "15"), ("words", "kitty"), ("category_retired", "lifts")} <= said
    assert [value for name, value in said if name == "household"]
    copy_id = await house.database.group_id("copy")
    await assert_same(house, group_id, copy_id, data)
    assert await archived(house, group_id) != b""


async def test_the_example_comes_out_of_its_archive_as_it_was_told(house: House) -> None:
    async def nothing(*_: object) -> None:
        pass

    example = await make_example(house, host="bank.example", now=now(), progress=nothing, days=60)
    data = await archived(house, example.group_id)

    other = await copied(house, data)

    await assert_same(house, example.group_id, other, data)
    # Counted from answers alone, by a story that never saw the book.
    found = {row[0]: row for row in sheets(await archived(house, other))["accounts.csv"]}
    for account, total in example.totals.items():
        debits, credits = map(int, found[account][2:4])
        assert (debits - credits if account.startswith("held") else credits - debits) == total, account
    shared = {pot: list(map(int, found[f"shared:{pot}"][2:])) for pot in example.drawn}
    drawn = {pot: credits - back - forth for pot, (_, credits, back, forth) in shared.items()}
    assert drawn == example.drawn
    closed = await close_period(house, other, now=now() + timedelta(days=1))
    assert closed.periods
    assert (await verify_group(house, other)).ok


async def test_a_time_bank_with_hours_from_before_comes_along(house: House) -> None:
    group_id = await create_group(
        house,
        a_group("bank", time_bank=True, began_on=date(2024, 1, 1)),
        origin="bank.example/g/bank",
        now=now(),
    )
    openings = (
        "date,person,pot,hours,received,amount,currency,held\n"
        "2024-01-31,Ada,,27:00,yes,,,\n2024-01-31,Bo,,12:15,no,,,\n2024-01-31,,money,,,1250.00,EUR,bank\n"
    )
    lines = (
        "date,giver,receiver,hours,category,note\n"
        "2024-02-01,Ada,Bo,1:30,cooking,soup\n2024-02-02,Bo,,2:00,repairs,\n2024-02-03,Cleo,Ada,45m,,\n"
    )
    for text in (openings, lines):
        await imports.import_files(
            house,
            group_id,
            [Source("s.csv", io.BytesIO(text.encode()))],
            ImportOptions(),
            clock=now,
            dry_run=False,
        )
    data = await archived(house, group_id)

    other = await copied(house, data)

    await assert_same(house, group_id, other, data)
    kinds = {row[0] for row in await rows(house, other, "SELECT DISTINCT kind FROM timebank.entries")}
    assert kinds == {"opening", "help_exchanged", "help_given"}


async def test_hours_that_wait_for_a_yes_come_along_without_an_entry(lively: Stand) -> None:
    house, group_id = lively.house, lively.group.group_id
    people = lively.group.people
    async with house.database.write_door(group_id) as connection:
        await connection.execute(
            "INSERT INTO timebank.hours SELECT group_id, gen_random_uuid(), NULL, 'logged', giver_account, $1,"
            " NULL, 45, effective_on, '', $1, now() FROM timebank.hours WHERE giver_account <> $1 LIMIT 1",
            people["flo"].account,
        )
        await connection.execute("COMMIT")
    data = await archived(house, group_id)

    other = await copied(house, data)

    assert without_moments(await archived(house, other)) == without_moments(data)
    (waiting,) = await rows(house, other, "SELECT minutes, state FROM timebank.hours WHERE seq IS NULL")
    assert tuple(waiting) == (45, "logged")


async def test_nothing_that_people_wrote_is_in_an_archive_and_only_nicknames_of_who_is_there(
    lively: Stand,
) -> None:
    data = await archived(lively.house, lively.group.group_id)

    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    for words in (b"for Flo", b"bank line", b"typo", b"Gus"):
        assert not [name for name, content in files.items() if words in content]
    found = sheets(data)["members.csv"]
    assert [row[2] for row in found if row[1] == ""] == ["erased"]
    assert "'=cmd|' /C calc'!A0" in {row[1] for row in found}
    numbers = {row[0] for row in await lively.rows("SELECT account_id FROM timebank.accounts")}
    # Only a book that moves needs the numbers of accounts, which stand in each of its records.
    text = b"".join(content for name, content in files.items() if not name.startswith("moved_"))
    assert not [number for number in numbers if str(number).encode() in text]


async def test_an_archive_is_the_same_whenever_it_is_made_and_wherever_it_goes(lively: Stand) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    at, pipe, file = now(), Pipe(), io.BytesIO()

    for out in (pipe, file):
        await write_archive(lively.house, lively.group.group_id, out, now=at)  # type: ignore[arg-type]

    assert pipe.data == file.getvalue()


async def test_pages_make_no_difference(lively: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    house, group_id = lively.house, lively.group.group_id
    data = await archived(house, group_id)
    monkeypatch.setattr(store, "PAGE", 3)
    monkeypatch.setattr(archive_import, "SLICE", 4)

    assert without_moments(await archived(house, group_id)) == without_moments(data)
    other = await copied(house, data)

    await assert_same(house, group_id, other, data)


async def test_what_is_written_meanwhile_is_not_in_it(lively: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    house, group_id = lively.house, lively.group.group_id
    before = await archived(house, group_id)
    monkeypatch.setattr(store, "PAGE", 5)
    list_entries, sent = store.list_entries, []

    async def slowly(*args: Any, **more: Any) -> list[bytes]:
        if not sent:
            sent.append(await lively.send("ada", hours(11)))
            last = (await lively.rows("SELECT hours_id FROM timebank.hours ORDER BY seq LIMIT 1"))[0][0]
            sent.append(await lively.send("ada", CorrectEntry(last)))
            sent.append(await lively.send("ada", ask(99)))
        return await list_entries(*args, **more)

    monkeypatch.setattr(store, "list_entries", slowly)

    meanwhile = await archived(house, group_id)

    assert {code(answer) for answer in sent} == {"ok"}
    assert without_moments(meanwhile) == without_moments(before)


# ---------------------------------------------------------------- where it may come in


async def test_the_same_archive_again_writes_nothing_and_says_so(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await copied(house, data)
    records = await rows(house, other, "SELECT count(*) FROM timebank.records")

    for _ in range(2):
        report, import_id = await bring_in(house, other, data)
        assert import_id is None
        assert (report.new, report.already) == (0, len(sheets(data)["entries.csv"]) - 2)

    assert await rows(house, other, "SELECT count(*) FROM timebank.records") == records
    # It is the copy's own by now, and goes on; the archive is still in it.
    assert code(await lively.send("ada", hours(5))) == "ok"
    assert (await bring_in(house, other, data))[0].already


async def test_a_group_with_another_past_refuses_an_archive(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await copied(house, data)
    assert code(await lively.send("ada", hours(5))) == "ok"
    later = await archived(house, lively.group.group_id)

    first = sheets(data)["entries.csv"][1][1]
    another = edited(data, "entries.csv", first, first.translate(str.maketrans("0123456789", "1234567890")))

    for where, came in ((other, later), (lively.group.group_id, another)):
        with pytest.raises(GroupNotEmpty):
            await bring_in(house, where, came)
        with pytest.raises(GroupNotEmpty):
            await bring_in(house, where, came, dry_run=True)

    with pytest.raises(SlugTaken):
        await bring_in(house, "copy", data)
    # Nothing is in an empty archive, so it is not "in the book already".
    empty = await create_group(house, a_group("empty"), origin="x/g/empty", now=now())
    with pytest.raises(GroupNotEmpty):
        await bring_in(house, other, await archived(house, empty))
    report, import_id = await bring_in(house, "empty-copy", await archived(house, empty))
    assert (report.new, import_id is None) == (0, False)


async def test_an_empty_group_with_other_pots_takes_an_archive_and_keeps_its_own(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await create_group(
        house,
        a_group(
            "other",
            began_on=date(2026, 1, 1),
            categories=("company",),
            currencies=("EUR", "USD"),
            pots=(NewPot("hours", MINUTES, terms=Terms(per_request_max=60)), NewPot("gifts", "EUR")),
            held_places=(NewHeldPlace("box", "cash", "EUR"), NewHeldPlace("till", "cash", "USD")),
        ),
        origin="bank.example/g/other",
        now=now(),
    )
    await add_member(house, other, "Steward", now=now(), roles=("steward",))

    await bring_in(house, other, data)

    verdict = await verify_group(house, other)
    assert verdict.ok, verdict.findings
    assert await journal(house, other) != ""
    mine, theirs = await statements(house, other), await statements(house, lively.group.group_id)
    assert mine.keys() - theirs.keys() == {"Steward"}
    assert {name: each[1] for name, each in mine.items() if name in theirs} == {
        name: each[1] for name, each in theirs.items()
    }
    pots = await rows(house, other, "SELECT code, unit, number FROM timebank.pots ORDER BY unit, number")
    assert [tuple(pot) for pot in pots] == [("gifts", "EUR", 1), ("money", "EUR", 2), ("hours", "minutes", 1)]
    places = await rows(house, other, "SELECT code, kind, number FROM timebank.held_places ORDER BY code")
    assert [tuple(place) for place in places] == [
        ("bank", "bank", 1), ("box", "cash", 1), ("cash-box", "cash", 2), ("till", "cash", 1),
    ]  # fmt: skip
    # What was asked under the first rules of the archive is decided under them, not under the group's own.
    versions = await rows(
        house, other,
        "SELECT DISTINCT o.code, d.policy_version FROM timebank.draws AS d JOIN timebank.pots AS o USING (pot_id)",
    )  # fmt: skip
    assert {tuple(row) for row in versions} == {("hours", 2), ("money", 1)}
    (group,) = await rows(house, other, "SELECT categories, began_on FROM timebank.groups")
    assert (group[0], group[1]) == (["company", "cooking", "repairs"], date(2025, 1, 1))
    (shown,) = await rows(house, other, "SELECT pots::text, held::text FROM timebank.published_groups")
    assert {pot["pot"] for pot in json.loads(shown[0])} == {"hours", "gifts", "money"}
    assert len(json.loads(shown[1])) == 4
    assert "cash-box" not in shown[1]


async def test_a_group_that_keeps_something_else_under_the_same_name_refuses(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    time_bank = edited(data, "group.csv", "time_bank,no", "time_bank,yes")
    many = tuple(f"category {number}" for number in range(49))
    for number, (changes, file, column, why) in enumerate((
        ({"currencies": ("USD",), "pots": (NewPot("hours", MINUTES),), "held_places": ()}, "group.csv", "currency", "field_invalid"),
        ({"pots": (NewPot("money", MINUTES),)}, "pots.csv", "unit", "unit_mismatch"),
        ({"held_places": (NewHeldPlace("bank", "cash", "EUR"),)}, "places.csv", "code", "field_invalid"),
        ({"categories": many}, "group.csv", "category", "field_invalid"),
        ({"name": "time"}, "group.csv", "time_bank", "no_time_bank"),
    )):  # fmt: skip
        slug = f"other-{number}"
        other = await create_group(house, a_group(slug, **changes), origin=f"x/g/{slug}", now=now())

        found = await fault_of(house, other, time_bank if "name" in changes else data)

        assert (found[0], found[2], found[3]) == (file, column, why)
        assert await nothing_in(house, other)


async def test_nobody_takes_a_nickname_that_somebody_has(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await create_group(house, a_group("other"), origin="x/g/other", now=now())
    await add_member(house, other, "FLO", now=now())

    assert (await fault_of(house, other, data))[::3] == ("members.csv", "nickname_taken")

    # Within the archive as well; and whoever left may have the name of who is there, as Hal has.
    twice = edited(data, "members.csv", ",Flo,", ",ada,")
    assert (await fault_of(house, "new", twice))[::3] == ("members.csv", "nickname_taken")


async def test_a_book_tells_of_which_book_it_is_a_copy(lively: Stand) -> None:
    house, group_id = lively.house, lively.group.group_id
    data = await archived(house, group_id)
    other = await copied(house, data)

    (record,) = await rows(house, other, "SELECT record FROM timebank.records WHERE kind = 'import'")

    told = json.loads(record[0])
    note = dict(sheets(data)["group.csv"][1:-1])["checkpoint"].split("\n")
    assert told["entries"] == len(sheets(data)["entries.csv"]) - 2
    assert told["from"]["origin"] + "/live" == note[0]
    assert str(told["from"]["size"]) == note[1]
    (head,) = await rows(house, group_id, "SELECT checkpoint FROM timebank.book_heads")
    import base64

    assert base64.b64encode(bytes.fromhex(told["from"]["root"])).decode() == head[0].split("\n")[2]


async def test_an_archive_is_not_undone(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    await bring_in(house, "copy", data)
    other = await house.database.group_id("copy")
    ((import_id,),) = await rows(house, other, "SELECT import_id FROM timebank.imports")
    entries = await rows(house, other, "SELECT count(*) FROM timebank.entries")

    with pytest.raises(ImportNotUndoable):
        await imports.undo_import(house, other, import_id, Teller(clock=now))
    steward = (await people(house, other))["Di"]
    with pytest.raises(ImportNotUndoable):
        await imports.ask_for(
            house, replace(steward, roles=frozenset({"steward"})), import_id, "undo", now=now()
        )

    assert await rows(house, other, "SELECT count(*) FROM timebank.entries") == entries


# ---------------------------------------------------------------- what was changed, and what was interrupted


async def test_whatever_was_changed_is_named_and_nothing_is_written(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await create_group(house, a_group("other"), origin="x/g/other", now=now())
    found = sheets(data)
    last = {name: len(rows) for name, rows in found.items()}
    handed = next(row for row in found["transfers.csv"] if row[4] == "promised:money")
    wrong = next(row for row in found["entries.csv"] if row[2] == "correction")
    promised = next(row for row in found["draws.csv"] if row[4] == "promised")
    gone = next(number for number, row in enumerate(found["accounts.csv"], 1) if row[0] == "member:2")

    def swapped(files: dict[str, bytes]) -> None:
        files["hours.csv"] = files["hands.csv"]

    def shorter(name: str, line: int) -> bytes:
        def change(files: dict[str, bytes]) -> None:
            lines = files[name].split(b"\r\n")
            del lines[line]
            files[name] = b"\r\n".join(lines)

        return repacked(data, change)

    def told_otherwise(files: dict[str, bytes]) -> None:
        # Amount and totals, so that only the accounts know better.
        text = files["transfers.csv"].decode().replace(",".join(handed), ",".join([*handed[:5], "2999"]))
        total = re.search(r"EUR=(\d+)", text)
        assert total
        files["transfers.csv"] = text.replace(total[0], f"EUR={int(total[1]) - 1}").encode()

    half = [*promised[:8], str(int(promised[8]) - 1), *promised[9:]]
    for changed, file, line, why in (
        (edited(data, "transfers.csv", ",".join(handed), ",".join([*handed[:5], "2999"])), "transfers.csv", last["transfers.csv"], "totals_differ"),
        (repacked(data, told_otherwise), "accounts.csv", None, "totals_differ"),
        (shorter("transfers.csv", 3), None, None, None),
        (shorter("entries.csv", 3), None, None, "field_invalid"),
        (shorter("hours.csv", 1), "hours.csv", last["hours.csv"] - 1, "totals_differ"),
        (shorter("accounts.csv", gone - 1), "accounts.csv", last["accounts.csv"] - 1, "totals_differ"),
        (repacked(data, swapped), "hours.csv", 1, "file_unreadable"),
        (edited(data, "draws.csv", ",".join(promised), ",".join(half)), "draws.csv", None, "totals_differ"),
        (edited(data, "entries.csv", ",".join(wrong[2:5]), ",".join(["help_given", *wrong[3:5]])), "entries.csv", int(wrong[0]) + 1, "field_invalid"),
        (edited(data, "hours.csv", ",cooking,", ",repairs,"), "hours.csv", None, "field_invalid"),
    ):  # fmt: skip
        for where in (other, "new"):
            told = await fault_of(house, where, changed)
            assert file is None or told[0] == file, told
            assert line is None or told[1] == line, told
            assert why is None or told[3] == why, told

    assert await nothing_in(house, other)
    assert not await rows(house, other, "SELECT FROM timebank.published_slugs WHERE slug = 'new'")


async def test_the_book_judges_every_entry_again(lively: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    found = sheets(data)
    other = await create_group(house, a_group("other"), origin="x/g/other", now=now())

    # A mirror that takes back from another day's entry is none; sums say nothing about it.
    entries = found["entries.csv"]
    wrong = next(row for row in entries if row[2] == "correction")
    another = next(row for row in entries if row[2] == "help_answered")
    row = ",".join(wrong)
    told = await fault_of(house, other, edited(data, "entries.csv", row, row.replace(wrong[8], another[1])))
    assert told == ("entries.csv", int(wrong[0]) + 1, "", "not_a_mirror")

    # Two entries of one id, far enough apart for the database to be the one who notices.
    first, second = entries[1], entries[3]
    hours_of = [row for row in found["hours.csv"] if row[0] == second[1]]
    assert not hours_of
    for size in (1_000, 1):
        monkeypatch.setattr(archive_import, "SLICE", size)
        told = await fault_of(house, other, edited(data, "entries.csv", second[1], first[1]))
        assert told == ("entries.csv", 4, "id", "entry_id_reused")

    assert await nothing_in(house, other)


async def test_a_dry_run_says_the_same_and_writes_nothing(lively: Stand) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await create_group(house, a_group("other"), origin="x/g/other", now=now())

    for where in (other, "new"):
        report, import_id = await bring_in(house, where, data, dry_run=True)
        assert import_id is None
        assert report.new == len(sheets(data)["entries.csv"]) - 2
        broken = edited(data, "entries.csv", "money_in", "money_out")
        assert (await fault_of(house, where, broken, dry_run=True))[0] == "entries.csv"

    assert await nothing_in(house, other)
    assert not await rows(house, other, "SELECT FROM timebank.published_slugs WHERE slug = 'new'")


async def test_stopping_in_the_middle_leaves_nothing_and_the_next_try_does_it_all(
    lively: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = lively.house
    data = await archived(house, lively.group.group_id)
    other = await create_group(house, a_group("other"), origin="x/g/other", now=now())
    monkeypatch.setattr(jobs, "_TELL_EVERY_S", 0)
    monkeypatch.setattr(archive_import, "SLICE", 5)
    written = asyncio.Event()
    tell = Teller.tell

    async def slowly(self: Teller, phase: str, done: int, total: int, **more: Any) -> None:
        if phase == "writing" and done > 15:
            written.set()
            await asyncio.sleep(0)
            if not stopped:
                stopped.append(True)
                ((about_id,),) = await rows(
                    house, other, "SELECT about_id FROM timebank.jobs WHERE state = 'running'"
                )
                await jobs.cancel(house, other, about_id, now=now())
        await tell(self, phase, done, total, **more)

    stopped: list[bool] = []
    monkeypatch.setattr(Teller, "tell", slowly)
    with pytest.raises(JobCancelled):
        await bring_in(house, other, data)
    assert await nothing_in(house, other)
    assert (await verify_group(house, other)).ok

    written.clear()
    task = asyncio.create_task(bring_in(house, other, data))
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await nothing_in(house, other)

    await bring_in(house, other, data)
    assert (await verify_group(house, other)).ok
    assert not await nothing_in(house, other)
