"""Long work: one piece at a time for a group, that says how far it is, can be stopped, and survives a restart.

Whoever works holds a session lock of the group in the database, on a connection of its own on which
progress is told. If the process is killed, the lock is gone with it, and the next who looks sets
right what the row still says. What the work changes is one transaction that also says "done", so it
is done or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import JobNotOpen, JobRunning, Refusal, StoreAway, UnknownJob
from timebank.store import jobs as store
from timebank.store.engine import STORE_ERRORS
from timebank.store.jobs import JobRow

if TYPE_CHECKING:
    from timebank.services.house import House
    from timebank.store.engine import Raw

#: Told what is being done, how much of it, and how much there is; 0 while nobody knows.
Show = Callable[[str, int, int], None]

_TELL_EVERY_S: Final = 0.3
_NICE: Final = 15
#: The database's side gets on a little sooner: now and then it holds a lock that all of its others need.
_NICE_WITH_LOCKS: Final = 10
_NICE_IDLE: Final = 19
#: Rest for each second of computing, and how long one rest may be.
_REST: Final = 2.0
_REST_MAX_S: Final = 0.5
_TRIES: Final = 10
_TRY_AGAIN_S: Final = 0.11


class _Pace:
    """Rests between two steps, while others write: for as long as this process computed since the last rest.

    A processor that somebody else computes on is slower for everybody, however low it is in rank:
    caches, memory and the turns that a nice process takes all the same are shared.
    """

    def __init__(self) -> None:
        self.others_write = False
        self._computed = 0.0

    def keep(self) -> None:
        """Rest if somebody writes; the whole process does, since one's rest would be another's turn."""
        computed = time.process_time()
        since, self._computed = computed - self._computed, computed
        if self.others_write:
            time.sleep(min(since * _REST, _REST_MAX_S))


_pace = _Pace()


class JobCancelled(Exception):
    """Somebody asked the work to stop; nothing of it was kept."""


class Teller:
    """Says how far a piece of work is: to the terminal, to the database, or to nobody.

    Attributes:
        ended: Whether the work's own transaction said that it is done.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        show: Show | None = None,
        line: Raw | None = None,
        group_id: UUID | None = None,
        job_id: UUID | None = None,
        step_back: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        self.clock = clock
        self.step_back = step_back
        self.ended = False
        self._show = show
        self._line = line
        self._group_id = group_id
        self._job_id = job_id
        self._next_at = 0.0

    async def tell(
        self, phase: str, done: int, total: int, *, locked_until: datetime | None = None, now: bool = False
    ) -> None:
        """Say how far the work is, and rest while others write; most calls cost nothing else.

        Args:
            phase: What is being done.
            locked_until: When others may write again; None while they may.
            now: Say it whenever it was said before.

        Raises:
            JobCancelled: Somebody asked it to stop.
        """
        _pace.keep()
        moment = time.monotonic()
        if not now and moment < self._next_at:
            return
        self._next_at = moment + _TELL_EVERY_S
        if self._show is not None:
            self._show(phase, done, total)
        if self._line is None or self._group_id is None or self._job_id is None:
            return
        cancel = await store.tell_progress(
            self._line,
            self._group_id,
            self._job_id,
            phase=phase,
            done=done,
            total=total,
            locked_until=locked_until,
            now=self.clock(),
        )
        if cancel:
            raise JobCancelled
        _pace.others_write = await store.is_anybody_writing(self._line)

    async def end_within(self, connection: Raw) -> None:
        """Say inside the transaction of the work's effect that it is done."""
        if self._job_id is not None and self._group_id is not None:
            await store.end_job(connection, self._group_id, self._job_id, state="done", now=self.clock())
        self.ended = True

    async def wait_for_a_slot(self) -> None:
        """Wait until there is room for one more to write; others of this server may be writing."""
        if self._line is None:
            return
        while not await store.take_slot(self._line):
            await self.tell("waiting", 0, 0, now=True)
            await asyncio.sleep(_TELL_EVERY_S)


# ---------------------------------------------------------------- doing


@asynccontextmanager
async def doing(
    house: House,
    group_id: UUID,
    *,
    clock: Callable[[], datetime],
    kind: str,
    about_id: UUID,
    job_id: UUID | None = None,
    show: Show | None = None,
    step_back: Callable[[int], None] = lambda _pid: None,
) -> AsyncIterator[Teller]:
    """Do one piece of long work of a group; however it ends, its row says so.

    Args:
        job_id: Work that waits, for a server; None for work of a terminal, which begins at once.
        step_back: Told the database's process numbers that serve this work.

    Raises:
        JobRunning: Another process works for this group, or other work waits.
        JobNotOpen: ``job_id`` does not wait any more.
    """
    async with house.database.dial(group_id) as line:
        if not await store.take_lock(line, group_id):
            raise JobRunning
        await store.clear_dead(line, group_id, now=clock())
        runner = "command" if job_id is None else "server"
        if job_id is None:
            job_id = house.new_id()
            await store.insert_job(line, group_id, job_id, kind, about_id, runner="command", now=clock())
        if not await store.start_job(line, group_id, job_id, now=clock()):
            raise JobNotOpen(state="ended")
        teller = Teller(
            clock=clock, show=show, line=line, group_id=group_id, job_id=job_id, step_back=step_back
        )
        state, refusal = "failed", "server_fault"
        try:
            yield teller
            state, refusal = "done", ""
        except JobCancelled:
            state, refusal = "cancelled", ""
            raise
        except Refusal as reason:
            state, refusal = "refused", reason.code
            raise
        except asyncio.CancelledError:
            # Ctrl-C ends a command's work; a server that stops takes its own up again after the start.
            state, refusal = "cancelled", ""
            teller.ended = runner == "server"
            raise
        finally:
            # If the database is away, the next who looks finds the lock free and sets it right.
            with contextlib.suppress(*STORE_ERRORS):
                if not teller.ended:
                    await store.end_job(line, group_id, job_id, state=state, refusal=refusal, now=clock())
                # A connection that is cut lets go of its lock a moment later, and the next is there by then.
                await store.release_lock(line, group_id)


# ---------------------------------------------------------------- asking for it, and about it


async def insert_waiting(
    house: House,
    line: Raw,
    group_id: UUID,
    kind: str,
    about_id: UUID,
    *,
    now: datetime,
    asked_by: UUID | None = None,
) -> UUID:
    """Add work for the server to do, on a connection of the group's; return its id.

    Raises:
        JobRunning: The group has work that is not ended.
    """
    await _clear_dead(line, group_id, now=now)
    job_id = house.new_id()
    await store.insert_job(
        line, group_id, job_id, kind, about_id, runner="server", now=now, asked_by=asked_by
    )
    return job_id


async def _clear_dead(line: Raw, group_id: UUID, *, now: datetime, for_good: bool = False) -> None:
    if await store.take_lock(line, group_id):
        try:
            await store.clear_dead(line, group_id, now=now, for_good=for_good)
        finally:
            # Whoever is woken next must not find it taken because this connection ends slowly.
            with contextlib.suppress(*STORE_ERRORS):
                await store.release_lock(line, group_id)


async def give_up(house: House, *, now: datetime) -> None:
    """Let work have failed that ended every process which tried it; what somebody works on is left alone."""
    for _, group_id, job in await list_waiting(house):
        if job.state == "running":
            async with house.database.dial(group_id) as line:
                await _clear_dead(line, group_id, now=now, for_good=True)


async def cancel(house: House, group_id: UUID, about_id: UUID, *, now: datetime) -> None:
    """Ask the open work about an import to stop; what is written already by then stays.

    Raises:
        UnknownJob: There never was any.
        JobNotOpen: It has ended.
    """
    async with house.database.dial(group_id) as line:
        job = await store.find_last_job(line, group_id, about_id)
        if job is None:
            raise UnknownJob
        if not await store.ask_to_cancel(line, group_id, job.job_id, now=now):
            raise JobNotOpen(state=job.state)
        if job.state == "running":
            # If nobody is there to stop, its process is gone.
            await _clear_dead(line, group_id, now=now)


async def list_waiting(house: House) -> list[tuple[datetime, UUID, JobRow]]:
    """Return all work that servers have to do, of all groups: what was asked for first comes first.

    Work that says it runs is in it, too: only whoever can take the group's lock may do it.
    """
    found = []
    for group_id in await store.list_groups(house.database):
        try:
            async with house.database.write_door(group_id) as connection:
                job = await store.find_open_job(connection, group_id)
        except STORE_ERRORS as error:
            raise StoreAway from error
        if job is not None and job.runner == "server":
            found.append((job.created_at, group_id, job))
    return sorted(found, key=lambda each: (each[0], each[1]))


def seconds_locked(job: JobRow, *, now: datetime) -> int:
    """Return for about how many seconds more others wait because of this work; 0 if they do not."""
    if job.state != "running" or job.locked_until is None:
        return 0
    return max(1, int((job.locked_until - now).total_seconds()) + 1)


def step_back(pid: int, *, idle: bool = False) -> None:
    """Let a process step back behind everybody who answers requests: this one (0), or one of the database's.

    The database's can be asked only where it runs on this machine, as our user.

    Args:
        idle: Take only what is left over. Whoever holds a lock must not: others may wait for it.
    """
    nice = _NICE_IDLE if idle else _NICE_WITH_LOCKS if pid else _NICE
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    if sys.platform != "linux":
        return
    # Being nice still takes its turn and is in the way of others; being idle takes what is left over.
    if idle:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        _step_back_as_session(pid or os.getpid(), nice)


def _step_back_as_session(pid: int, nice: int) -> None:
    """Let the session step back that a process leads.

    Linux shares the processors among sessions first; how nice a process is counts within its own
    session only (sched(7), on autogroups). Every process of the database has a session to itself,
    and so has a server's worker: without this, neither would step back behind anybody. A session
    that somebody else leads may have others in it, such as the server, and is left alone.

    Raises:
        OSError: This system does not share like that, or the process is not ours or gone.
    """
    if os.getsid(pid) != pid:
        return
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(_TRIES):
        if group.read_text(encoding="ascii").endswith(f" nice {nice}\n"):
            return
        try:
            group.write_text(str(nice), encoding="ascii")
        except BlockingIOError:
            # One process in a tenth of a second may ask for this, on the whole machine.
            time.sleep(_TRY_AGAIN_S)
        else:
            return
