"""Whether a long book is slower to read than a short one, and whether checking it holds writers up."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import io
import multiprocessing
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from timebank.bench.load import Job, Load, make_ask
from timebank.bench.measure import Say, WentWrong
from timebank.bench.plan import BATCH, BATCH_LONG, Plan
from timebank.bench.server import Server
from timebank.bench.stage import make_requests
from timebank.services.close import close_period

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from timebank.bench.stage import Dsn, Group, Stage

    class Command(Protocol):
        """The life of a process that works on a group; what it sends first is that it begins."""

        __name__: str

        def __call__(self, dsn: Dsn, slug: str, pipe: Connection) -> None:
            """Do it."""


#: So few that even in the short book everybody has a full page of rows of their own.
READERS = 10
DAYS_OF_BOOKS = 21
#: What a new connection asks first is not counted: pools and caches wake up with it.
FIRST_READS = 10
_WITHIN_S = 900.0


async def load_books(stage: Stage, plan: Plan, say: Say) -> tuple[Group, Group]:
    """Make a short and a long book of three weeks, all days before today closed and published."""
    began = datetime.now(UTC) - timedelta(days=DAYS_OF_BOOKS)
    small = await stage.make_group("short-book", READERS, now=began)
    large = await stage.make_group("long-book", READERS, now=began)
    for group, entries, batch in ((small, plan.small, BATCH), (large, plan.large, BATCH_LONG)):
        await stage.load(group, entries, batch=min(batch, entries // 50), say=say, since=began)
        say(f"{group.slug}: closing its days")
        closed = await close_period(stage.house, group.group_id, now=datetime.now(UTC))
        if closed.nothing_to_do:
            raise WentWrong(f"{group.slug} has no day to close")
    say("figures for the planner")
    await stage.analyse()
    return small, large


@dataclass(slots=True)
class Reads:
    """Balance, statement and public page of both books, in turns."""

    small: Group
    large: Group
    plan: Plan
    server: Server
    load: Load

    async def measure(self, say: Say) -> dict[str, list[float]]:
        """Return how long each request took, in seconds."""
        found: dict[str, list[float]] = {}
        for number in range(self.plan.read_rounds):
            say(f"round {number + 1} of {self.plan.read_rounds}")
            for what, path in (
                ("live", "/api/v1/groups/{slug}/live"),
                ("statement", "/api/v1/groups/{slug}/me/statement"),
                ("page", "/g/{slug}"),
            ):
                small, large = await self._read(path)
                found.setdefault(f"{what}_small", []).extend(small)
                found.setdefault(f"{what}_large", []).extend(large)
        return found

    async def _read(self, path: str) -> tuple[list[float], list[float]]:
        """Ask both books in turns on one connection; a disturbance hits both alike."""
        asks = [
            make_ask(
                "GET", path.format(slug=group.slug), token="" if path.startswith("/g/") else group.tokens[-1]
            )
            for group in (self.small, self.large)
        ]
        count = 2 * (FIRST_READS + self.plan.reads)
        sent = await self.load.send(Job(self.server.port, asks, 30.0, count, status=200, in_turn=True))
        latencies = sent.latencies[2 * FIRST_READS :]
        if len(latencies) < 2:
            raise WentWrong("reading took longer than half a minute")
        return latencies[::2], latencies[1::2]


async def verify_beside_writers(stage: Stage, group: Group, plan: Plan, say: Say) -> dict[str, list[float]]:
    """Write to a book before, while and after ``timebank verify`` checks it in another process.

    Returns:
        Seconds per entry, batch by batch, without and with it; and how long the check took.
    """
    alone, beside, took = await write_beside(stage, group, verify, plan.verify_seconds, say)
    return {"writers_alone": alone, "writers_beside_verify": beside, "verify": [took]}


async def write_beside(
    stage: Stage, group: Group, command: Command, seconds: float, say: Say
) -> tuple[list[float], list[float], float]:
    """Write to a group before, while and after a command works on it in another process.

    Returns:
        Seconds per entry, batch by batch, without and with it; and how long the command took.
    """
    say("writing alone")
    alone = await _write_for(stage, group, seconds)
    say(f"writing beside {command.__name__}")
    working = _Working(stage.dsn, group.slug, command)
    try:
        await working.begin()
        beside = await _write_for(stage, group, _WITHIN_S, until=working.is_over)
        took = working.result()
    finally:
        working.close()
    say("writing alone, again")
    alone += await _write_for(stage, group, seconds)
    return alone, beside, took


async def _write_for(
    stage: Stage, group: Group, seconds: float, *, until: Callable[[], bool] = lambda: False
) -> list[float]:
    """Write batch after batch; return seconds per entry of each."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while not found or (time.perf_counter() < end and not until()):
        requests = make_requests(group, BATCH)
        gc.collect()
        found.append(await stage.write(group, requests))
    return found


class _Working:
    """A command of operators in a process of its own."""

    def __init__(self, dsn: Dsn, slug: str, command: Command) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=command, args=(dsn, slug, theirs), daemon=True)
        self._process.start()
        theirs.close()

    async def begin(self) -> None:
        """Return when it is about to begin."""
        if not await asyncio.to_thread(self._pipe.poll, 60.0):
            raise WentWrong("a command did not start")
        self._pipe.recv()

    def is_over(self) -> bool:
        """Whether there is a result."""
        return self._pipe.poll()

    def result(self) -> float:
        """Return how many seconds it took.

        Raises:
            WentWrong: It ended otherwise than well, or not at all.
        """
        if not self._pipe.poll():
            raise WentWrong(f"a command did not end within {_WITHIN_S:.0f} s")
        try:
            code, seconds, said = self._pipe.recv()
        except EOFError:
            raise WentWrong("a command died") from None
        if code:
            raise WentWrong(f"a command ended with {code} and said: {said}")
        return float(seconds)

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process.is_alive():
            self._process.join(2)
            self._process.kill()
        self._process.join(10)
        self._pipe.close()


def verify(dsn: Dsn, slug: str, pipe: Connection) -> None:
    """Check a book as operators do; the life of its process."""
    from timebank.cli import verify as command

    _run(command.run, dsn, pipe, group=slug, where=None, checkpoint=None, keep=None)


def close(dsn: Dsn, slug: str, pipe: Connection) -> None:
    """Publish what is over as operators do; the life of its process."""
    from timebank.cli import close as command

    _run(command.run, dsn, pipe, group=slug, through=None)


def _run(run: Callable[[argparse.Namespace], int], dsn: Dsn, pipe: Connection, **words: object) -> None:
    from timebank.config import Settings

    said = io.StringIO()
    pipe.send("begins")
    began = time.perf_counter()
    with contextlib.redirect_stdout(said):
        code = run(argparse.Namespace(settings=Settings(home=dsn.home, database_urls={}), **words))
    pipe.send((code, time.perf_counter() - began, said.getvalue()))
