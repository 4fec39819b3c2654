"""Stepping back: a process that works for long is behind those that answer, in whatever session they are."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cast import Cast
from tests.database import Dsn, connected
from timebank.services import jobs
from timebank.services.jobs import step_back
from timebank.store.jobs import is_anybody_writing
from timebank.store.migrate import SUPERUSER

GROUPED = Path("/proc/self/autogroup").exists()
by_session = pytest.mark.skipif(not GROUPED, reason="this system does not share processors by session")


@contextmanager
def waiting(*, leads: bool) -> Iterator[int]:
    """A process that waits for us, in a session of its own or in ours."""
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=leads,
    )
    try:
        yield process.pid
    finally:
        process.communicate(b"\n")


def group_of(pid: int) -> tuple[str, int]:
    """Return the name of a process's session group and how nice it is.

    Where no session was ever begun, as under some container's first process, the system says nothing, and
    nobody's group is nice.
    """
    name, _, nice = Path(f"/proc/{pid}/autogroup").read_text(encoding="ascii").strip().partition(" nice ")
    return name, int(nice or 0)


@by_session
def test_who_leads_a_session_steps_back_with_it() -> None:
    """How nice a process is counts within its session only; a process of the database has one to itself."""
    with waiting(leads=True) as pid:
        step_back(pid)

        assert os.getpriority(os.PRIO_PROCESS, pid) == 10
        assert group_of(pid)[1] == 10

        step_back(pid, idle=True)

        assert os.sched_getscheduler(pid) == os.SCHED_IDLE
        assert group_of(pid)[1] == 19


@by_session
def test_a_session_that_somebody_else_leads_stays_where_it_is() -> None:
    """The server could be in it."""
    before = group_of(os.getpid())

    with waiting(leads=False) as pid:
        step_back(pid)

        assert os.getpriority(os.PRIO_PROCESS, pid) == 10
        assert group_of(pid) == group_of(os.getpid()) == before


def test_a_process_that_is_gone_or_not_ours_is_no_reason_to_stop() -> None:
    with waiting(leads=True) as pid:
        pass

    step_back(pid)


# ---------------------------------------------------------------- resting while others write


def test_who_works_for_long_rests_twice_as_long_as_it_computed_while_others_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed = iter([10.0, 10.05, 10.15, 10.25, 19.0])
    rests: list[float] = []
    monkeypatch.setattr("timebank.services.jobs.time.process_time", lambda: next(computed))
    monkeypatch.setattr("timebank.services.jobs.time.sleep", rests.append)
    pace = jobs._Pace()

    pace.keep()
    pace.keep()
    pace.others_write = True
    pace.keep()
    pace.others_write = False
    pace.keep()
    pace.others_write = True
    pace.keep()

    # What was computed while nobody wrote is forgotten, and no rest is long.
    assert rests == pytest.approx([0.2, 0.5])


@asynccontextmanager
async def somebody_writing(cast: Cast) -> AsyncIterator[None]:
    """Keep a transaction of the write door open; afterwards nobody is there at all."""
    async with cast.house.database.hot.acquire() as connection:
        await connection.execute("BEGIN")
        yield
        await connection.execute("ROLLBACK")
    await cast.house.database.hot.close()


@pytest.mark.database
async def test_whoever_is_at_the_write_door_is_felt_and_nobody_who_is_not(cast: Cast) -> None:
    async with cast.house.database.dial(cast.group_id) as line:
        async with somebody_writing(cast):
            assert await is_anybody_writing(line)

        assert not await is_anybody_writing(line)


@pytest.mark.database
async def test_who_waits_for_the_lock_of_long_work_does_not_slow_it_down(cast: Cast, fresh_dsn: Dsn) -> None:
    database = cast.house.database
    await database.hot.close()
    async with (
        database.dial(cast.group_id) as line,
        connected(fresh_dsn, SUPERUSER) as holder,
        connected(fresh_dsn, "timebank_app", application_name="timebank-writer") as waiter,
    ):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(1)")
        waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_lock(1)"))
        found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        while not await line.fetchval(found):  # noqa: ASYNC110 - the server has a flag, no event
            await asyncio.sleep(0)

        assert not await is_anybody_writing(line)

        await holder.execute("COMMIT")
        await waiting
        assert await is_anybody_writing(line)


@pytest.mark.database
async def test_work_asks_whether_others_write_whenever_it_says_how_far_it_is(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    felt: list[bool] = []
    pace = jobs._Pace()
    monkeypatch.setattr(jobs, "_pace", pace)
    monkeypatch.setattr(pace, "keep", lambda: felt.append(pace.others_write))
    async with jobs.doing(
        cast.house, cast.group_id, clock=lambda: datetime.now(UTC), kind="post", about_id=cast.house.new_id()
    ) as teller:
        async with somebody_writing(cast):
            await teller.tell("reading", 0, 2)
            await teller.tell("reading", 1, 2)
        await teller.tell("reading", 2, 2, now=True)
        await teller.tell("reading", 2, 2)

    assert felt == [False, True, True, False]
