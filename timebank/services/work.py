"""What the server's worker does: long work that somebody asked for, in a process of its own, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from timebank.errors import JobRunning, Refusal, StoreAway, UnknownMember
from timebank.services import imports, jobs
from timebank.services.house import open_house
from timebank.services.jobs import JobCancelled, Teller
from timebank.services.logs import log_to_stderr
from timebank.services.members import actor_of
from timebank.store.engine import STORE_ERRORS
from timebank.store.jobs import JobRow

if TYPE_CHECKING:
    from timebank.services.house import House
    from timebank.store.engine import Dsn

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
#: Does everything that waits; returns whether it came to its end by itself.
Runner = Callable[[], Awaitable[bool]]

_ROLES: Final = ("timebank_app", "timebank_public")
_LOOKS_MAX: Final = 20
_LOOK_AGAIN_S: Final = 0.25
_STOP_WITHIN_S: Final = 2.0
_CANCEL_AGAIN_S: Final = 0.2
_LOOK_EVERY_S: Final = 6 * 3600.0
#: Pauses before a worker that was ended from outside is started again; afterwards its work has failed.
PAUSES_S: Final = (1.0, 5.0, 15.0)

# The search path comes first: a private interpreter that root made knows none of our packages.
_BOOT: Final = """\
import json, sys
told = json.loads(sys.stdin.readline())
sys.path[:] = told["path"]
from timebank.services.work import work_as_child
sys.exit(work_as_child(told))
"""


# ---------------------------------------------------------------- the work


async def work(house: House, *, clock: Clock, step_back: Callable[[int], None] = lambda _pid: None) -> None:
    """Do all work that waits for a server, oldest first, until nothing is left.

    However a piece of work ends, its row says so and the next one has its turn. What another
    process does is left to that process.

    Args:
        step_back: Told the database's process numbers that serve this work.

    Raises:
        StoreAway: The database cannot be reached.
    """
    looks: Counter[UUID] = Counter()
    left: set[UUID] = set()
    while todo := [each for each in await jobs.list_waiting(house) if each[2].job_id not in left]:
        for _, group_id, job in todo:
            looks[job.job_id] += 1
            ended = await _do(house, group_id, job, clock=clock, step_back=step_back)
            if ended or job.state == "running" or looks[job.job_id] >= _LOOKS_MAX:
                left.add(job.job_id)
            else:
                # Somebody holds the lock of a group whose work waits: whoever asks does, for a moment.
                await asyncio.sleep(_LOOK_AGAIN_S)


async def _do(
    house: House, group_id: UUID, job: JobRow, *, clock: Clock, step_back: Callable[[int], None]
) -> bool:
    """Do one piece of work; return False if another process has the group's lock."""
    try:
        async with jobs.doing(
            house,
            group_id,
            clock=clock,
            kind=job.kind,
            about_id=job.about_id,
            job_id=job.job_id,
            step_back=step_back,
        ) as teller:
            await _dispatch(house, group_id, job, teller)
    except JobRunning:
        return False
    except StoreAway:
        raise
    except (Refusal, JobCancelled):
        # The row says how it ended, and whoever asked reads it there.
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, the next piece has its turn
        # Where it happened, and never with what: the values are people's.
        log.error(  # noqa: TRY400
            "work of the kind %s failed: %s\n%s",
            job.kind,
            type(error).__name__,
            "".join(traceback.format_tb(error.__traceback__)),
        )
    return True


async def _dispatch(house: House, group_id: UUID, job: JobRow, teller: Teller) -> None:
    if job.kind == "check":
        await imports.check_import(house, group_id, job.about_id, teller)
    elif job.kind == "post":
        await imports.post_import(house, group_id, job.about_id, teller)
    else:
        assert job.kind == "undo", job.kind
        if job.asked_by is None:
            raise UnknownMember
        actor = await actor_of(house, group_id, job.asked_by, now=teller.clock())
        await imports.undo_import(house, group_id, job.about_id, teller, actor=actor)


# ---------------------------------------------------------------- the process that does it


def child_runner(home: Path, dsn: Dsn, *, embedded: bool) -> Runner:
    """Return what does all waiting work in a process of its own, which ends with this one.

    Reading files is hours of computing for a processor, and whoever asks for a page is not to
    wait for it. What the process must know goes through its standard input, where nobody else can
    read it; when that ends, because we are gone, it ends at once.

    Args:
        embedded: Whether the database runs here as our user, so that its processes can step back, too.
    """

    async def run() -> bool:
        told = {
            "path": sys.path,
            "home": str(home),
            "dsn": {role: dict(dsn(role)) for role in _ROLES},
            "embedded": embedded,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_interpreter_flags(),
            "-c",
            _BOOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            # Ctrl-C is for the server, which stops its children itself.
            start_new_session=True,
        )
        assert process.stdin is not None, "it is a pipe"
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(json.dumps(told).encode() + b"\n")
                await process.stdin.drain()
            return await process.wait() == 0
        finally:
            await _end(process)

    return run


def _interpreter_flags() -> list[str]:
    """Return what makes a child find no code that this process would not find."""
    return ["-P", *(["-I"] if sys.flags.isolated else []), *(["-S"] if sys.flags.no_site else [])]


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a worker; its work is one transaction, so nothing of it is half done."""
    assert process.stdin is not None, "it is a pipe"
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_WITHIN_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    process.stdin.close()
    with contextlib.suppress(ConnectionError):
        await process.stdin.wait_closed()


def work_as_child(told: Mapping[str, Any]) -> int:
    """Do all waiting work in this process, which is there for nothing else; return its exit code.

    Args:
        told: What ``child_runner`` wrote.
    """
    threading.Thread(target=_end_with_parent, name="parent-watcher", daemon=True).start()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    log_to_stderr()
    jobs.step_back(0)
    try:
        asyncio.run(_work_alone(told))
    except Refusal as refusal:
        log.warning("the worker stopped: %s", refusal.code)
        return 1
    return 0


async def _work_alone(told: Mapping[str, Any]) -> None:
    async with open_house(Path(told["home"]), told["dsn"].__getitem__, check=False) as house:
        await work(
            house,
            clock=lambda: datetime.now(UTC),
            step_back=jobs.step_back if told["embedded"] else lambda _pid: None,
        )


def _end_with_parent() -> None:
    """Wait until whoever started this process is gone, however that happened, and go, too."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 4096):
            pass
    os._exit(1)


# ---------------------------------------------------------------- the workshop


class Workshop:
    """Sees to it that one worker works while there is work; one per application, in ``app.state``.

    Args:
        runner: Does everything that waits.
        give_up: Called when workers were ended from outside again and again, to let their work fail.
        pauses_s: How long to wait before the next try, each time.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        give_up: Callable[[], Awaitable[None]],
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._runner = runner
        self._give_up = give_up
        self._pauses_s = pauses_s
        self._asked = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Have the work done that waits now; returns at once, and costs nothing while somebody works."""
        if self._closed:
            return
        self._asked = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def idle(self) -> None:
        """Wait until everything is done that was asked for before."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Stop whoever works, within two seconds; what was not finished is done after the next start."""
        self._closed = True
        if self._task is not None:
            await _end_task(self._task)

    async def _work(self) -> None:
        ended_early = 0
        while self._asked:
            self._asked = False
            try:
                if await self._runner():
                    ended_early = 0
                elif ended_early < len(self._pauses_s):
                    await asyncio.sleep(self._pauses_s[ended_early])
                    ended_early += 1
                    self._asked = True
                else:
                    log.error("long work was interrupted again and again; it has failed")
                    await self._give_up()
                    return
            except (Refusal, OSError) as error:
                # No process could be started, or the database is away: whoever looks next wakes us again.
                log.warning("long work waits: %s", type(error).__name__)
                return


@contextlib.asynccontextmanager
async def open_workshop(house: House, *, clock: Clock, runner: Runner) -> AsyncIterator[Workshop]:
    """Open the workshop of an application; what an earlier one left unfinished is done first."""
    workshop = Workshop(runner, give_up=lambda: jobs.give_up(house, now=clock()))
    stopping = asyncio.Event()
    watcher = asyncio.create_task(_watch(house, workshop, clock, stopping))
    try:
        yield workshop
    finally:
        # It is asked, and not cancelled: a look takes milliseconds, and ends with its connection given back.
        stopping.set()
        await asyncio.wait({watcher}, timeout=_STOP_WITHIN_S)
        await _end_task(watcher)
        await workshop.close()


async def _end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended.

    Once is not enough: a wait with a time limit that is over in the same moment gives its result,
    and the cancellation is lost (as ``asyncio.wait_for`` does before Python 3.12).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)


async def _watch(house: House, workshop: Workshop, clock: Clock, stopping: asyncio.Event) -> None:
    """Look for unfinished work and for papers whose week is over: at the start, and then every few hours."""
    while not stopping.is_set():
        # While the database is away there is nothing to find; the next look is soon enough.
        with contextlib.suppress(StoreAway, *STORE_ERRORS):
            if await jobs.list_waiting(house):
                workshop.wake()
            await imports.forget_expired(house, now=clock())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _LOOK_EVERY_S)
