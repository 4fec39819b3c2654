"""The server's worker: in turn, once, and never half, whoever is killed in between."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.cast import Cast
from tests.database import Dsn, connected
from timebank.errors import JobNotOpen, JobRunning, NeedsRole
from timebank.services import imports, jobs, work
from timebank.services.import_report import ImportOptions
from timebank.services.jobs import Teller
from timebank.services.members import revoke_role
from timebank.services.verify import verify_group
from timebank.services.work import Workshop, child_runner, open_workshop
from timebank.store.migrate import SUPERUSER

pytestmark = pytest.mark.database

HOURS = b"date,giver,receiver,hours\n2026-02-01,Ada,,1:30\n2026-01-15,Flo,Ada,90m\n"
MONEY = b"date,direction,person,amount,currency,held\n2026-02-01,in,Ada,5.00,EUR,bank\n"


def now() -> datetime:
    return datetime.now(UTC)


async def hand_in(cast: Cast, name: str = "bo", data: bytes = HOURS, *, at: datetime | None = None) -> UUID:
    import_id = cast.house.new_id()
    await imports.hand_in(
        cast.house,
        await cast.actor(name),
        [("past.csv", data)],
        ImportOptions(),
        import_id=import_id,
        now=at or now(),
    )
    return import_id


async def state_of(cast: Cast, import_id: UUID, name: str = "bo") -> tuple[str, str, str, str]:
    found = await imports.find_import(cast.house, await cast.actor(name), import_id)
    assert found.job is not None
    return found.row.state, found.job.kind, found.job.state, found.job.refusal


async def count(cast: Cast, table: str) -> int:
    async with cast.house.database.read(cast.group_id) as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def work_all(cast: Cast) -> None:
    await work.work(cast.house, clock=now)


async def checked(cast: Cast) -> UUID:
    """An import that waits to be written."""
    import_id = await hand_in(cast)
    await work_all(cast)
    await imports.ask_for(cast.house, await cast.actor("bo"), import_id, "post", now=now())
    return import_id


# ---------------------------------------------------------------- the work itself


async def test_what_waits_is_checked_written_and_taken_back(cast: Cast) -> None:
    bo = await cast.actor("bo")
    import_id = await hand_in(cast)

    await work_all(cast)
    assert await state_of(cast, import_id) == ("checked", "check", "done", "")
    assert await count(cast, "timebank.entries") == 0

    await imports.ask_for(cast.house, bo, import_id, "post", now=now())
    await work_all(cast)
    assert await state_of(cast, import_id) == ("posted", "post", "done", "")
    assert await count(cast, "timebank.entries") == 2

    await imports.ask_for(cast.house, bo, import_id, "undo", now=now())
    await work_all(cast)
    assert await state_of(cast, import_id) == ("undone", "undo", "done", "")
    assert await count(cast, "timebank.entries") == 4
    async with cast.house.database.read(cast.group_id) as tx:
        written = await tx.execute(text("SELECT record FROM timebank.records WHERE kind = 'import_undone'"))
        assert str(bo.account).encode() in bytes(written.scalar_one())
    assert (await verify_group(cast.house, cast.group_id)).ok


async def test_what_was_asked_for_first_is_done_first(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    later = await hand_in(cast, "bo", at=now())
    earlier = await hand_in(cast, "cy", at=now() - timedelta(hours=1))
    order: list[UUID] = []

    async def note(_house: Any, _group_id: UUID, import_id: UUID, _teller: Teller) -> None:
        order.append(import_id)

    monkeypatch.setattr(imports, "check_import", note)
    await work_all(cast)

    assert order == [earlier, later]


async def test_two_groups_are_worked_for_side_by_side_by_two_servers(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own worker; both look at the same list, and neither does what the other does."""
    both = {await hand_in(cast, "bo"), await hand_in(cast, "cy")}
    seen: list[UUID] = []
    together = asyncio.Event()
    check = imports.check_import

    async def meet(house: Any, group_id: UUID, import_id: UUID, teller: Teller) -> None:
        seen.append(import_id)
        if len(seen) == 2:
            together.set()
        await together.wait()
        await check(house, group_id, import_id, teller)

    monkeypatch.setattr(imports, "check_import", meet)
    await asyncio.gather(work_all(cast), work_all(cast))

    assert sorted(seen) == sorted(both)
    for name in ("bo", "cy"):
        rows = (await imports.list_imports(cast.house, await cast.actor(name))).rows
        assert [row.state for row in rows] == ["checked"], name


async def test_a_piece_that_breaks_is_said_without_a_value_and_the_next_has_its_turn(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await hand_in(cast, "cy", at=now() - timedelta(hours=1))
    whole = await hand_in(cast, "bo")
    check, secret = imports.check_import, "owed-by-greta"

    async def break_once(house: Any, group_id: UUID, import_id: UUID, teller: Teller) -> None:
        if import_id == broken:
            raise RuntimeError(secret)
        await check(house, group_id, import_id, teller)

    monkeypatch.setattr(imports, "check_import", break_once)
    await work_all(cast)

    assert await state_of(cast, broken, "cy") == ("new", "check", "failed", "server_fault")
    assert await state_of(cast, whole) == ("checked", "check", "done", "")
    assert "RuntimeError" in caplog.text
    assert secret not in caplog.text


async def test_a_refusal_ends_a_piece_and_says_why(cast: Cast) -> None:
    import_id = await hand_in(cast, "ed", HOURS)

    await work_all(cast)

    assert await state_of(cast, import_id, "ed") == ("new", "check", "refused", "needs_role")


async def test_who_is_gone_takes_nothing_back(cast: Cast) -> None:
    import_id = await checked(cast)
    await work_all(cast)
    await imports.ask_for(cast.house, await cast.actor("di"), import_id, "undo", now=now())
    await revoke_role(cast.house, cast.group_id, cast.ids["di"], "steward", now=now())

    await work_all(cast)

    assert await state_of(cast, import_id) == ("posted", "undo", "refused", "needs_role")
    assert await count(cast, "timebank.entries") == 2


async def test_money_is_taken_back_by_a_treasurer_only(cast: Cast) -> None:
    import_id = await hand_in(cast, "ed", MONEY)
    await work_all(cast)
    await imports.ask_for(cast.house, await cast.actor("ed"), import_id, "post", now=now())
    await work_all(cast)

    with pytest.raises(NeedsRole) as refused:
        await imports.ask_for(cast.house, await cast.actor("bo"), import_id, "undo", now=now())

    assert refused.value.params == {"role": "treasurer"}
    await imports.ask_for(cast.house, await cast.actor("ed"), import_id, "undo", now=now())
    await work_all(cast)
    assert (await state_of(cast, import_id, "ed"))[0] == "undone"


async def test_a_stop_while_it_is_written_leaves_the_preview_as_it_was(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.services.long_batch.SLICE", 1)
    monkeypatch.setattr("timebank.services.jobs._TELL_EVERY_S", 0.0)
    import_id = await checked(cast)
    bo = await cast.actor("bo")
    tell = Teller.tell

    async def stop_then_tell(self: Teller, phase: str, done: int, total: int, **more: Any) -> None:
        if phase == "writing":
            await imports.stop_work(cast.house, bo, import_id, now=now())
        await tell(self, phase, done, total, **more)

    monkeypatch.setattr(Teller, "tell", stop_then_tell)
    await work_all(cast)

    assert await state_of(cast, import_id) == ("checked", "post", "cancelled", "")
    assert await count(cast, "timebank.entries") == 0
    found = await imports.find_import(cast.house, bo, import_id)
    assert found.report is not None


async def test_what_waits_can_be_dropped_and_is_not_done_any_more(cast: Cast) -> None:
    import_id = await hand_in(cast)

    await imports.drop_import(cast.house, await cast.actor("bo"), import_id, now=now())
    await work_all(cast)

    assert await state_of(cast, import_id) == ("dropped", "check", "cancelled", "")
    assert await count(cast, "people.import_papers") == 0


async def test_a_check_that_ends_after_its_import_was_dropped_does_not_bring_it_back(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = await hand_in(cast)
    bo = await cast.actor("bo")
    rehearse = imports._rehearse

    async def drop_meanwhile(*args: Any, **more: Any) -> Any:
        found = await rehearse(*args, **more)
        await imports.drop_import(cast.house, bo, import_id, now=now())
        return found

    monkeypatch.setattr(imports, "_rehearse", drop_meanwhile)
    await work_all(cast)

    assert (await state_of(cast, import_id))[0] == "dropped"
    assert await count(cast, "people.import_papers") == 0


async def test_the_other_way_to_read_a_file_is_checked_before_anything_is_written(cast: Cast) -> None:
    bo = await cast.actor("bo")
    import_id = await hand_in(
        cast, "bo", HOURS.replace(b"2026-02-01", b"01.02.2026").replace(b"2026-01-15", b"15.01.2026")
    )
    await work_all(cast)
    first = await imports.find_import(cast.house, bo, import_id)

    await imports.change_options(cast.house, bo, import_id, ImportOptions(days="dmy"), now=now())
    changed = await imports.find_import(cast.house, bo, import_id)
    await work_all(cast)
    second = await imports.find_import(cast.house, bo, import_id)

    assert first.report is not None
    assert first.report.fault_count == 2
    assert changed.row.state == "new"
    assert second.report is not None
    assert (second.row.state, second.report.fault_count, second.report.new) == ("checked", 0, 2)
    with pytest.raises(JobNotOpen):
        await imports.change_options(
            cast.house, await cast.actor("di"), import_id, ImportOptions(), now=now()
        )


async def test_papers_are_gone_after_a_week_and_the_import_can_not_be_written(cast: Cast) -> None:
    import_id = await hand_in(cast)
    await work_all(cast)
    await imports.ask_for(cast.house, await cast.actor("bo"), import_id, "post", now=now())

    await imports.forget_expired(cast.house, now=now() + timedelta(days=7))
    assert await count(cast, "people.import_papers") > 0
    await work.work(cast.house, clock=lambda: now() + timedelta(days=8))
    await imports.forget_expired(cast.house, now=now() + timedelta(days=8))

    assert await state_of(cast, import_id) == ("checked", "post", "refused", "unknown_import")
    assert await count(cast, "people.import_papers") == 0
    assert await count(cast, "timebank.entries") == 0


# ---------------------------------------------------------------- what the dead leave behind


async def leave_behind(cast: Cast, runner: str, state: str) -> UUID:
    """A row as a process leaves it that was killed."""
    job_id = cast.house.new_id()
    async with cast.house.database.tx(cast.group_id) as tx:
        await tx.execute(
            text("""
                INSERT INTO timebank.jobs (group_id, job_id, kind, about_id, runner, state, phase, done, total,
                                           cancel, refusal, created_at, changed_at)
                VALUES (:group_id, :job_id, 'post', :job_id, :runner, :state, 'writing', 1, 2, false, '',
                        now(), now())
            """),
            {"group_id": cast.group_id, "job_id": job_id, "runner": runner, "state": state},
        )
    return job_id


@pytest.mark.parametrize("state", ["waiting", "running"])
async def test_work_of_a_terminal_that_is_gone_has_failed_and_is_in_nobodys_way(
    cast: Cast, state: str
) -> None:
    job_id = await leave_behind(cast, "command", state)

    import_id = await hand_in(cast)
    await work_all(cast)

    assert await state_of(cast, import_id) == ("checked", "check", "done", "")
    async with cast.house.database.read(cast.group_id) as tx:
        found = await tx.execute(
            text("SELECT state, refusal FROM timebank.jobs WHERE job_id = :id"), {"id": job_id}
        )
        assert tuple(found.one()) == ("failed", "interrupted")


async def test_work_that_somebody_does_is_left_to_them(cast: Cast) -> None:
    job_id = await leave_behind(cast, "server", "running")
    async with cast.house.database.dial(cast.group_id) as line:
        assert await line.fetchval("SELECT pg_try_advisory_lock($1)", jobs.store.lock_key(cast.group_id))

        await work_all(cast)
        await jobs.give_up(cast.house, now=now())
        with pytest.raises(JobRunning):
            await hand_in(cast)

        waiting = await jobs.list_waiting(cast.house)
        assert [(job.job_id, job.state) for _, _, job in waiting] == [(job_id, "running")]


async def test_whoever_asked_is_not_in_the_way_of_who_does_it(cast: Cast) -> None:
    """Asking looks for what the dead left behind, under the lock; the lock must not outlast the asking."""
    async with cast.house.database.dial(cast.group_id) as asking:
        await jobs.insert_waiting(
            cast.house, asking, cast.group_id, "check", cast.house.new_id(), now=now(), asked_by=None
        )
        async with cast.house.database.dial(cast.group_id) as doing:
            assert await jobs.store.take_lock(doing, cast.group_id)


# ---------------------------------------------------------------- the workshop


@asynccontextmanager
async def a_workshop(
    runner: Callable[[], Awaitable[bool]], *, pauses_s: tuple[float, ...] = (0.0, 0.0)
) -> AsyncIterator[tuple[Workshop, list[str]]]:
    said: list[str] = []

    async def give_up() -> None:
        said.append("gave up")

    workshop = Workshop(runner, give_up=give_up, pauses_s=pauses_s)
    try:
        yield workshop, said
    finally:
        await workshop.close()


async def test_whoever_asks_while_somebody_works_is_heard_afterwards() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    runs = 0

    async def run() -> bool:
        nonlocal runs
        runs += 1
        begun.set()
        await go_on.wait()
        return True

    async with a_workshop(run) as (workshop, _):
        workshop.wake()
        await begun.wait()
        workshop.wake()
        workshop.wake()
        go_on.set()
        await workshop.idle()

    assert runs == 2


async def test_a_worker_that_is_ended_every_time_is_given_up_on(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0

    async def be_killed() -> bool:
        nonlocal runs
        runs += 1
        return False

    async with a_workshop(be_killed) as (workshop, said):
        workshop.wake()
        await workshop.idle()

    assert (runs, said) == (3, ["gave up"])
    assert "again and again" in caplog.text


async def test_a_closed_workshop_starts_nobody() -> None:
    runs = 0

    async def run() -> bool:
        nonlocal runs
        runs += 1
        return True

    async with a_workshop(run) as (workshop, _):
        await workshop.close()
        workshop.wake()
        await workshop.idle()

    assert runs == 0


async def test_what_an_earlier_server_left_is_begun_at_the_start(cast: Cast) -> None:
    import_id = await hand_in(cast)
    done = asyncio.Event()

    async def run() -> bool:
        await work_all(cast)
        done.set()
        return True

    async with open_workshop(cast.house, clock=now, runner=run):
        await done.wait()

    assert (await state_of(cast, import_id))[0] == "checked"


async def test_work_that_ends_every_worker_has_failed_in_the_end(cast: Cast) -> None:
    import_id = await checked(cast)
    async with cast.house.database.tx(cast.group_id) as tx:
        await tx.execute(text("UPDATE timebank.jobs SET state = 'running' WHERE state = 'waiting'"))

    await jobs.give_up(cast.house, now=now())

    assert await state_of(cast, import_id) == ("checked", "post", "failed", "interrupted")
    assert await jobs.list_waiting(cast.house) == []


# ---------------------------------------------------------------- the process


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.subprocess.Process]:
    """Every process that was started, in order."""
    processes: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def start_and_tell(*args: Any, **more: Any) -> asyncio.subprocess.Process:
        process = await start(*args, **more)
        processes.append(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_and_tell)
    return processes


async def waits_for_a_lock(connection: Any) -> None:
    """Return once somebody in this database waits for a lock."""
    while not await connection.fetchval(  # noqa: ASYNC110 - the database has no event
        "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
        " WHERE NOT l.granted AND d.datname = current_database()"
    ):
        await asyncio.sleep(0.01)


async def test_a_killed_worker_wrote_nothing_and_the_next_does_it_once(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, started: list[asyncio.subprocess.Process]
) -> None:
    import_id = await checked(cast)
    run = child_runner(tmp_path, fresh_dsn, embedded=False)

    async with connected(fresh_dsn, SUPERUSER) as other, a_workshop(run, pauses_s=(0.0,)) as (workshop, said):
        await other.execute("BEGIN")
        # It can write every line, but not say that it is done.
        await other.execute("LOCK TABLE timebank.imports IN SHARE MODE")
        workshop.wake()
        await waits_for_a_lock(other)
        os.kill(started[0].pid, signal.SIGKILL)
        await started[0].wait()
        assert await count(cast, "timebank.entries") == 0
        await other.execute("ROLLBACK")
        await workshop.idle()

    assert said == []
    assert len(started) == 2
    assert await state_of(cast, import_id) == ("posted", "post", "done", "")
    assert await count(cast, "timebank.entries") == 2
    assert (await verify_group(cast.house, cast.group_id)).ok


async def test_a_server_that_stops_takes_its_worker_along_and_the_work_waits(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, started: list[asyncio.subprocess.Process]
) -> None:
    import_id = await checked(cast)
    run = child_runner(tmp_path, fresh_dsn, embedded=False)

    async with connected(fresh_dsn, SUPERUSER) as other:
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE timebank.imports IN SHARE MODE")
        async with a_workshop(run) as (workshop, _):
            workshop.wake()
            await waits_for_a_lock(other)
        assert started[0].returncode == -signal.SIGTERM
        await other.execute("ROLLBACK")

    assert await count(cast, "timebank.entries") == 0
    await work_all(cast)
    assert await state_of(cast, import_id) == ("posted", "post", "done", "")


async def test_a_worker_whose_server_is_gone_goes_too(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, started: list[asyncio.subprocess.Process]
) -> None:
    await checked(cast)
    run = child_runner(tmp_path, fresh_dsn, embedded=False)

    async with connected(fresh_dsn, SUPERUSER) as other:
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE timebank.imports IN SHARE MODE")
        child = asyncio.create_task(run())
        await waits_for_a_lock(other)
        # What the kernel does when we are killed.
        assert started[0].stdin is not None
        started[0].stdin.close()
        assert await child is False
        await other.execute("ROLLBACK")

    assert started[0].returncode == 1
    assert await count(cast, "timebank.entries") == 0


async def test_a_server_that_stops_while_it_looks_for_work_gives_its_connection_back(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that was cancelled instead of asked to end lost its connection in one stop of forty."""
    looking, go_on = asyncio.Event(), asyncio.Event()
    looked: list[UUID] = []
    find, hot = jobs.store.find_open_job, cast.house.database.hot

    async def find_at_leisure(connection: Any, group_id: UUID) -> Any:
        looking.set()
        await go_on.wait()
        found = await find(connection, group_id)
        looked.append(group_id)
        return found

    async def run() -> bool:
        raise AssertionError("nothing waits")

    async def serve() -> None:
        async with open_workshop(cast.house, clock=now, runner=run):
            await looking.wait()

    monkeypatch.setattr(jobs.store, "find_open_job", find_at_leisure)
    server = asyncio.create_task(serve())
    await looking.wait()
    # Now the stop comes, in the midst of the look; whatever would be cancelled is by then.
    for _ in range(10):
        await asyncio.sleep(0)
    assert not server.done()
    assert hot.get_idle_size() < hot.get_size()
    go_on.set()
    await asyncio.wait_for(server, 10)

    assert sorted(looked) == sorted((cast.group_id, cast.other_group_id))
    assert hot.get_idle_size() == hot.get_size()
