"""Imports: whole or not at all, never twice, in any order, and taken back as one batch."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.cast import NOON, Cast, a_group
from timebank.errors import (
    ImportHasFaults,
    ImportNotUndoable,
    ImportUnderWay,
    JobRunning,
    NeedsRole,
    Refusal,
)
from timebank.rules.commands import CorrectEntry, GiveMoney
from timebank.services import imports, jobs
from timebank.services.close import close_period
from timebank.services.groups import create_group
from timebank.services.import_report import ImportOptions, Report, Source
from timebank.services.jobs import JobCancelled, Teller
from timebank.services.long_batch import rehearsal
from timebank.services.statement import read_statement
from timebank.services.treasury import list_money, read_money
from timebank.services.verify import verify_group
from timebank.services.writer import Writer

pytestmark = pytest.mark.database

HOURS = """\
date,giver,receiver,hours,category,note
2026-02-01,Ada,,1:30,cooking,soup for all
2026-01-15,Flo,Ada,90m,repairs,
2026-01-15,Flo,Ada,90m,repairs,
2026-03-02,Greta,Bo,1.5,,
"""
MONEY = """\
date,direction,person,amount,currency,held,reference,note
2026-02-03,out,,15.00,EUR,cash-box,,stamps
2026-01-02,in,Ada,40.00,EUR,cash-box,R1,
2026-01-05,in,,7.50,,bank,R2,jumble sale
"""


def now() -> datetime:
    return datetime.now(UTC)


def sheet(*texts: str) -> list[Source]:
    return [Source(f"sheet-{number}.csv", io.BytesIO(text.encode())) for number, text in enumerate(texts)]


async def bring_in(
    cast: Cast, *texts: str, dry_run: bool = False, **options: Any
) -> tuple[Report, UUID | None]:
    return await imports.import_files(
        cast.house, cast.group_id, sheet(*texts), ImportOptions(**options), clock=now, dry_run=dry_run
    )


async def faults_of(cast: Cast, *texts: str, **options: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(ImportHasFaults) as refused:
        await bring_in(cast, *texts, **options)
    report: Report = refused.value.report  # type: ignore[attr-defined]
    return [(fault.line, fault.column, fault.code) for fault in report.faults]


async def rows(cast: Cast, sql: str, **params: Any) -> list[Any]:
    async with cast.house.database.read(cast.group_id) as tx:
        return list(await tx.execute(text(sql), params))


async def balances(cast: Cast) -> dict[str, int]:
    """Return credits - debits by kind and unit, without accounts that nothing moved through."""
    found = await rows(
        cast,
        "SELECT kind || ':' || unit, sum(credits - debits)::bigint FROM timebank.accounts"
        " GROUP BY 1 HAVING sum(credits) + sum(debits) > 0",
    )
    return {row[0]: row[1] for row in found}


async def trace(cast: Cast) -> dict[str, int]:
    """Return how many rows of everything there are, which is what an import could leave behind."""
    tables = (
        "timebank.records", "timebank.entries", "timebank.transfers", "timebank.hours", "timebank.accounts",
        "timebank.account_days", "timebank.imports", "timebank.import_columns", "people.members", "people.notes",
    )  # fmt: skip
    return {table: (await rows(cast, f"SELECT count(*) FROM {table}"))[0][0] for table in tables}


async def is_whole(cast: Cast) -> bool:
    verdict = await verify_group(cast.house, cast.group_id)
    assert verdict.ok, verdict.findings
    return True


# ---------------------------------------------------------------- what comes of lines


async def test_hours_come_in_with_their_days_and_whoever_is_new_joins(cast: Cast) -> None:
    report, import_id = await bring_in(cast, HOURS)

    assert import_id is not None
    assert (report.new, report.already, report.people_new) == (4, 0, ["Greta"])
    assert [(t.what, t.unit, t.amount, t.lines) for t in report.totals] == [("given", "minutes", 360, 4)]
    assert await balances(cast) == {"member:minutes": -360, "pot:minutes": 90, "shared:minutes": 270}
    days = await rows(cast, "SELECT effective_on, kind, category FROM timebank.entries ORDER BY seq")
    assert [(str(day), kind, category) for day, kind, category in days] == [
        ("2026-01-15", "help_answered", "repairs"),
        ("2026-01-15", "help_answered", "repairs"),
        ("2026-02-01", "help_given", "cooking"),
        ("2026-03-02", "help_answered", ""),
    ]
    assert await is_whole(cast)


async def test_each_person_finds_the_imported_hours_in_their_own_statement(cast: Cast) -> None:
    await bring_in(cast, HOURS)

    statement = await read_statement(cast.house.database, cast.house.keys, await cast.actor("ada"))

    assert [(line.what, line.amount, line.state, line.note) for line in statement.lines] == [
        ("given", 90, "recorded", "soup for all"),
        ("received", 90, "confirmed", ""),
        ("received", 90, "confirmed", ""),
    ]


async def test_money_comes_in_before_it_goes_out_whatever_the_order_of_the_file(cast: Cast) -> None:
    report, _ = await bring_in(cast, MONEY)

    assert [(t.what, t.amount, t.lines) for t in report.totals] == [("in", 4750, 2), ("out", 1500, 1)]
    assert await balances(cast) == {
        "pot:EUR": 3250,
        "member:EUR": -4000,
        "outside:EUR": 750,
        "custody:EUR": 3250,
        "held:EUR": -3250,
    }
    assert await is_whole(cast)


async def test_a_treasurer_reads_the_banks_reference_of_an_imported_gift_and_never_its_givers_note(
    cast: Cast,
) -> None:
    lines = (
        "date,direction,person,amount,currency,held,reference,note\n"
        "2026-01-02,in,Ada,40.00,EUR,cash-box,R1,for my late mother\n"
        "2026-01-03,in,Ada,5.00,EUR,cash-box,,for my late mother\n"
    )
    await bring_in(cast, lines)
    ed = await cast.actor("ed")

    entries = await list_money(cast.house, ed)
    seen = [await read_money(cast.house, ed, entry.entry_id) for entry in entries]

    assert [(one.amount, one.reference, one.note) for one in seen] == [(500, "", ""), (4000, "R1", "")]


async def test_money_that_was_never_there_cannot_have_gone_out(cast: Cast) -> None:
    before = await trace(cast)

    found = await faults_of(cast, MONEY.replace("15.00", "45.00"))

    assert found == [(2, "amount", "below_floor")]
    assert await trace(cast) == before


async def test_saved_hours_of_a_time_bank_are_openings_and_elsewhere_have_no_place(cast: Cast) -> None:
    openings = "date,person,hours,received\n2026-01-02,Ada,12:00,no\n2026-01-02,Flo,7:00,yes\n"
    assert await faults_of(cast, openings) == [(2, "person", "no_time_bank"), (3, "person", "no_time_bank")]

    group_id = await create_group(
        cast.house, a_group("saved", time_bank=True), origin="bank.example/g/saved", now=now()
    )
    saved = Cast(cast.house, group_id, cast.other_group_id, {}, {})
    # People must be somebody: what they saved is theirs, so nobody stays outside here.
    report, _ = await bring_in(saved, openings, people="outsiders")

    assert (report.people_new_count, report.outside) == (2, 0)
    assert await balances(saved) == {"exchange:minutes": -300, "opening:minutes": 300}
    assert await is_whole(saved)


async def test_what_a_pot_brings_along_is_an_opening_with_the_money_where_it_lies(cast: Cast) -> None:
    await bring_in(
        cast,
        "date,person,pot,hours,received,amount,currency,held\n2026-01-01,,hours,10:00,,,,\n"
        "2026-01-01,,,,,200,EUR,bank\n",
    )

    found = await balances(cast)
    assert (found["pot:minutes"], found["pot:EUR"], found["held:EUR"]) == (600, 20_000, -20_000)
    assert found["opening:minutes"] == -600


async def test_who_stays_outside_leaves_no_name_and_no_note_behind(cast: Cast) -> None:
    before = await trace(cast)

    report, _ = await bring_in(
        cast, HOURS.replace(",Greta,Bo,1.5,,", ",Greta,Bo,1.5,,a word"), people="outsiders"
    )

    after = await trace(cast)
    assert (report.outside, report.notes_lost, report.people_new_count) == (1, 1, 0)
    assert after["people.members"] == before["people.members"]
    assert after["people.notes"] - before["people.notes"] == 1
    assert (await balances(cast))["outside:minutes"] == -90


# ---------------------------------------------------------------- all or nothing


async def test_one_bad_line_keeps_every_line_out_and_all_bad_lines_are_told(cast: Cast) -> None:
    before = await trace(cast)
    text = (
        HOURS + "2026-01-32,Ada,,1:00,cooking,\n2026-02-02,Ada,,1:75,knitting,\n2031-01-01,Ada,Ada,1:00,,\n"
    )

    found = await faults_of(cast, text)

    assert found == [
        (6, "date", "day_unreadable"),
        (7, "hours", "duration_unreadable"),
        # The book itself is only asked about lines that can be read.
        (8, "receiver", "same_account_twice"),
    ]
    assert await trace(cast) == before


async def test_a_dry_run_tells_the_same_and_writes_nothing(cast: Cast) -> None:
    before = await trace(cast)

    dry, nothing = await bring_in(cast, HOURS, dry_run=True)
    after_dry = await trace(cast)
    real, import_id = await bring_in(cast, HOURS)

    assert nothing is None
    assert after_dry == before
    assert (dry.new, dry.totals, dry.people_new) == (real.new, real.totals, real.people_new)
    assert import_id is not None


async def test_a_rehearsal_may_think_for_as_long_as_the_import_may(cast: Cast) -> None:
    # Nobody is asked anything while a million lines are read: the database must not take that for the end.
    async with rehearsal(cast.house, cast.group_id, now=NOON) as batch:
        patience = await batch.connection.fetchval("SHOW idle_in_transaction_session_timeout")

    assert patience == "10min"


async def test_a_category_that_the_group_has_not_is_refused_or_kept_as_it_says(cast: Cast) -> None:
    text = HOURS.replace("cooking", "Knitting")
    assert await faults_of(cast, text) == [(2, "category", "unknown_category")]

    report, _ = await bring_in(cast, text, categories="add")

    assert report.categories_new == ["Knitting"]
    kept = await rows(cast, "SELECT categories FROM timebank.groups")
    assert kept[0][0] == ["cooking", "repairs", "company", "Knitting"]


async def test_an_older_past_needs_a_word_and_then_the_book_begins_earlier(cast: Cast) -> None:
    text = HOURS.replace("2026-01-15", "2019-06-30")
    assert {code for _, _, code in await faults_of(cast, text)} == {"date_before_begin"}

    report, _ = await bring_in(cast, text, began=date(2019, 6, 30))

    assert report.began_on == date(2019, 6, 30)
    assert (await rows(cast, "SELECT began_on FROM timebank.groups"))[0][0] == date(2019, 6, 30)
    assert await is_whole(cast)


async def test_in_public_the_beginning_moves_with_the_next_close_and_not_before(cast: Cast) -> None:
    await bring_in(cast, HOURS.replace("2026-01-15", "2019-06-30"), began=date(2019, 6, 30))
    public = "SELECT began_on FROM timebank.published_groups"
    before = (await rows(cast, public))[0][0]

    async with cast.house.database.tx(cast.group_id) as tx:
        await tx.execute(text("UPDATE timebank.groups SET preset = preset"))
    closed = await close_period(cast.house, cast.group_id, now=NOON)

    assert before == date(2026, 1, 1)
    assert closed.periods[0].lines == 4
    assert (await rows(cast, public))[0][0] == date(2019, 6, 30)
    assert await is_whole(cast)


async def test_who_says_which_column_is_which_is_not_asked_again(cast: Cast) -> None:
    theirs = HOURS.replace("giver,receiver,hours", "Helferin,Empfang,Dauer")
    assert [code for _, _, code in await faults_of(cast, theirs)] == ["columns_missing"]

    columns = {"giver": "Helferin", "receiver": "Empfang", "hours": "Dauer"}
    await bring_in(cast, theirs, columns=columns)
    report, nothing = await bring_in(cast, theirs)

    assert (report.already, nothing) == (4, None)


# ---------------------------------------------------------------- never twice


async def test_the_next_import_is_not_refused_while_the_last_ones_connection_still_ends(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending: list[Any] = []
    monkeypatch.setattr("asyncpg.Connection.terminate", lambda line: ending.append(line))

    await bring_in(cast, HOURS)
    report, nothing = await bring_in(cast, HOURS)

    assert (report.already, nothing) == (4, None)
    monkeypatch.undo()
    assert ending
    for line in ending:
        line.terminate()


async def test_the_same_file_again_posts_nothing_and_says_so(cast: Cast) -> None:
    await bring_in(cast, HOURS, MONEY)
    before = await trace(cast)

    report, import_id = await bring_in(cast, HOURS, MONEY)

    assert (report.new, report.already, import_id) == (0, 7, None)
    assert await trace(cast) == before


async def test_a_file_that_grew_brings_only_its_new_lines(cast: Cast) -> None:
    await bring_in(cast, HOURS)
    # The third lift on the same day, and one line of another day; in another order.
    header, *lines = HOURS.splitlines(keepends=True)
    grown = header + "".join(reversed(lines)) + lines[1] + "2026-03-03,Ada,,0:15,,\n"

    report, _ = await bring_in(cast, grown)

    assert (report.new, report.already) == (2, 4)
    assert (await rows(cast, "SELECT count(*) FROM timebank.entries"))[0][0] == 6


async def test_two_imports_at_once_never_double_a_line(cast: Cast) -> None:
    tries = await asyncio.gather(*[bring_in(cast, HOURS) for _ in range(4)], return_exceptions=True)

    done = [each for each in tries if isinstance(each, tuple) and each[1] is not None]
    assert len(done) == 1
    assert all(isinstance(each, JobRunning | tuple) for each in tries)
    assert (await rows(cast, "SELECT count(*) FROM timebank.entries"))[0][0] == 4
    assert await is_whole(cast)


async def test_without_the_look_into_the_book_a_file_could_come_in_twice_and_the_database_refuses(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control: the ids of lines are what keeps them from coming twice, even if nobody looks."""
    await bring_in(cast, MONEY)
    before = await trace(cast)

    async def see_nothing(*_: object) -> dict[UUID, bool]:
        return {}

    monkeypatch.setattr("timebank.store.imports.find_booked", see_nothing)
    with pytest.raises(Exception, match="entries_by_id"):
        await bring_in(cast, MONEY)

    after = await trace(cast)
    assert {name: after[name] - before[name] for name in after if name != "timebank.imports"} == {
        name: 0 for name in after if name != "timebank.imports"
    }


# ---------------------------------------------------------------- taking back


async def undo(cast: Cast, import_id: UUID) -> int:
    teller = Teller(clock=now)
    return await imports.undo_import(cast.house, cast.group_id, import_id, teller)


async def test_an_import_is_taken_back_as_one_batch_and_can_come_in_again(cast: Cast) -> None:
    _, import_id = await bring_in(cast, HOURS, MONEY)
    assert import_id is not None

    assert await undo(cast, import_id) == 7

    assert set((await balances(cast)).values()) == {0}
    states = await rows(cast, "SELECT DISTINCT state FROM timebank.hours")
    assert [row[0] for row in states] == ["withdrawn"]
    assert await is_whole(cast)
    with pytest.raises(ImportNotUndoable):
        await undo(cast, import_id)
    report, again = await bring_in(cast, HOURS, MONEY)
    assert (report.new, report.already) == (7, 0)
    assert again is not None
    assert await is_whole(cast)


async def test_lines_that_somebody_corrected_meanwhile_stay_corrected(cast: Cast) -> None:
    _, import_id = await bring_in(cast, HOURS)
    assert import_id is not None
    entry = (await rows(cast, "SELECT entry_id FROM timebank.entries ORDER BY seq LIMIT 1"))[0][0]
    await tell(cast, "bo", CorrectEntry(entry))

    assert await undo(cast, import_id) == 3

    assert set((await balances(cast)).values()) == {0}


async def test_money_that_went_elsewhere_meanwhile_keeps_the_whole_import_in(cast: Cast) -> None:
    _, import_id = await bring_in(cast, MONEY)
    assert import_id is not None
    await bring_in(
        cast,
        "date,direction,person,amount,currency,held,reference,note\n2026-03-01,out,,25.00,EUR,cash-box,,rent\n",
    )
    before = await balances(cast), (await trace(cast))["timebank.entries"]

    with pytest.raises(Refusal) as refused:
        await undo(cast, import_id)

    assert refused.value.code == "below_floor"
    assert (await balances(cast), (await trace(cast))["timebank.entries"]) == before


async def test_a_day_that_was_never_the_beginning_is_found(cast: Cast) -> None:
    """A control of the record ``began``: without it the set-up says another day than the book."""
    await bring_in(cast, HOURS.replace("2026-01-15", "2019-06-30"), began=date(2019, 6, 30))
    async with cast.house.database.tx(cast.group_id) as tx:
        await tx.execute(text("UPDATE timebank.groups SET began_on = DATE '2018-01-01'"))

    verdict = await verify_group(cast.house, cast.group_id)

    assert [finding.check for finding in verdict.findings] == ["genesis"]


# ---------------------------------------------------------------- who may, and what others notice


async def tell(cast: Cast, name: str, command: Any, writer: Writer | None = None) -> int:
    """Have somebody send a command through the one door; return the status."""
    house = cast.house
    writer = writer or Writer(house.database, house.keys, house.checkpoints)

    def say(refusal: Refusal) -> tuple[int, dict[str, Any]]:
        return 409, {"code": refusal.code}

    answer = await writer.submit(
        cast.group_id,
        [command],
        actor=await cast.actor(name),
        key=str(cast.house.new_id()),
        request_hash=b"\1" * 32,
        render=say,
    )
    return answer.status


@pytest.mark.parametrize(
    ("name", "text", "role"),
    [("ed", HOURS, "steward"), ("bo", MONEY, "treasurer"), ("ada", HOURS, "steward")],
)
async def test_hours_are_a_stewards_to_import_and_money_a_treasurers(
    cast: Cast, name: str, text: str, role: str
) -> None:
    actor = await cast.actor(name)
    import_id = cast.house.new_id()

    async def hand_in_and_check() -> None:
        await imports.hand_in(
            cast.house, actor, [("a.csv", text.encode())], ImportOptions(), import_id=import_id, now=now()
        )
        await imports.check_import(cast.house, cast.group_id, import_id, Teller(clock=now))

    with pytest.raises(NeedsRole) as refused:
        await hand_in_and_check()

    assert refused.value.params == {"role": role}


async def test_files_lie_sealed_until_they_are_posted_and_are_gone_then(cast: Cast) -> None:
    actor = await cast.actor("bo")
    import_id = cast.house.new_id()
    await imports.hand_in(
        cast.house, actor, [("a.csv", HOURS.encode())], ImportOptions(), import_id=import_id, now=now()
    )
    sealed = await rows(cast, "SELECT box FROM people.import_papers")

    await work(cast, import_id, "check")
    seen = await imports.find_import(cast.house, actor, import_id)
    await imports.ask_for(cast.house, actor, import_id, "post", now=now())
    await work(cast, import_id, "post")

    assert all(word not in bytes(row[0]) for row in sealed for word in (b"Greta", b"soup", b"date"))
    assert seen.report is not None
    assert (seen.row.state, seen.report.people_new) == ("checked", ["Greta"])
    assert "Greta" not in json.dumps(seen.row.summary)
    assert await rows(cast, "SELECT 1 FROM people.import_papers") == []
    posted = await imports.find_import(cast.house, actor, import_id)
    assert (posted.row.state, posted.job and posted.job.state, posted.report) == ("posted", "done", None)
    assert await is_whole(cast)


async def work(cast: Cast, import_id: UUID, kind: str) -> None:
    """Do what waits, as the server's worker does."""
    waiting = [job for _, _, job in await jobs.list_waiting(cast.house) if job.about_id == import_id]
    assert [job.kind for job in waiting] == [kind]
    doing = {"check": imports.check_import, "post": imports.post_import}[kind]
    async with jobs.doing(
        cast.house, cast.group_id, clock=now, kind=kind, about_id=import_id, job_id=waiting[0].job_id
    ) as teller:
        await doing(cast.house, cast.group_id, import_id, teller)


async def test_who_lost_the_duty_meanwhile_posts_nothing(cast: Cast) -> None:
    from timebank.services.members import revoke_role

    actor = await cast.actor("bo")
    import_id = cast.house.new_id()
    await imports.hand_in(
        cast.house, actor, [("a.csv", HOURS.encode())], ImportOptions(), import_id=import_id, now=now()
    )
    await work(cast, import_id, "check")
    await imports.ask_for(cast.house, actor, import_id, "post", now=now())
    await revoke_role(cast.house, cast.group_id, cast.ids["bo"], "steward", now=now())

    with pytest.raises(NeedsRole):
        await work(cast, import_id, "post")

    assert (await trace(cast))["timebank.entries"] == 0


async def test_a_stop_in_the_middle_leaves_nothing_and_the_row_says_so(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.services.long_batch.SLICE", 1)
    monkeypatch.setattr("timebank.services.jobs._TELL_EVERY_S", 0.0)
    before = await trace(cast)
    seen: list[str] = []

    def stop_when_writing(phase: str, done: int, _total: int) -> None:
        seen.append(phase)
        if phase == "writing" and done >= 2:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        await imports.import_files(
            cast.house,
            cast.group_id,
            sheet(HOURS),
            ImportOptions(),
            clock=now,
            dry_run=False,
            show=stop_when_writing,
        )

    after = await trace(cast)
    assert "writing" in seen
    assert {name for name in after if after[name] != before[name]} == {"timebank.imports"}
    state = await rows(cast, "SELECT state, refusal FROM timebank.jobs")
    assert [tuple(row) for row in state] == [("cancelled", "")]
    report, import_id = await bring_in(cast, HOURS)
    assert (report.new, import_id is not None) == (4, True)


async def test_ctrl_c_in_the_middle_leaves_nothing_and_nothing_in_the_way(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.services.long_batch.SLICE", 1)
    monkeypatch.setattr("timebank.services.jobs._TELL_EVERY_S", 0.0)
    before = await trace(cast)
    halfway = asyncio.Event()
    tell_progress = jobs.Teller.tell

    async def tell_and_linger(self: Teller, phase: str, done: int, total: int, **more: Any) -> None:
        await tell_progress(self, phase, done, total, **more)
        if phase == "writing" and done == 2:
            halfway.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(jobs.Teller, "tell", tell_and_linger)
    running = asyncio.create_task(bring_in(cast, HOURS))
    await asyncio.wait({running, asyncio.create_task(halfway.wait())}, return_when="FIRST_COMPLETED")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    monkeypatch.setattr(jobs.Teller, "tell", tell_progress)

    after = await trace(cast)
    assert {name for name in after if after[name] != before[name]} == {"timebank.imports"}
    state = await rows(cast, "SELECT state, refusal FROM timebank.jobs")
    assert [tuple(row) for row in state] == [("cancelled", "")]
    report, import_id = await bring_in(cast, HOURS)
    assert (report.new, import_id is not None) == (4, True)


async def test_whoever_writes_meanwhile_is_told_for_how_long_to_wait(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book is locked while it is written; others of the group wait, other groups do not."""
    monkeypatch.setattr("timebank.services.long_batch.SLICE", 1)
    monkeypatch.setattr("timebank.services.jobs._TELL_EVERY_S", 0.0)
    halfway, go_on = asyncio.Event(), asyncio.Event()
    tell_progress = jobs.Teller.tell

    async def tell_and_wait(self: Teller, phase: str, done: int, total: int, **more: Any) -> None:
        await tell_progress(self, phase, done, total, **more)
        if phase == "writing" and done == 2:
            halfway.set()
            await go_on.wait()

    monkeypatch.setattr(jobs.Teller, "tell", tell_and_wait)
    running = asyncio.create_task(bring_in(cast, HOURS))
    await asyncio.wait({running, asyncio.create_task(halfway.wait())}, return_when="FIRST_COMPLETED")
    assert halfway.is_set(), running
    monkeypatch.setattr("timebank.store.book._LOCK", "SET LOCAL lock_timeout = '50ms'; " + _lock_statement())
    give = GiveMoney("money", 500, "EUR", "bank", None, date(2026, 2, 1))

    with pytest.raises(ImportUnderWay) as refused:
        await tell(cast, "ed", give)

    assert 1 <= int(refused.value.params["seconds"]) <= 600
    go_on.set()
    report, _ = await running
    assert report.new == 4
    assert await tell(cast, "ed", give) == 201
    assert await is_whole(cast)


def _lock_statement() -> str:
    from timebank.store import book

    return book._LOCK
