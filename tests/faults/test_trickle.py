"""Twelve hundred clients that send a byte at a time: whoever asks whether the server is well is told within a second."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.served import SLUG, Served, a_server

pytestmark = pytest.mark.slow

CLIENTS = 1_200
#: More than the server gives to anybody for a whole head: some are let go while we look, and come back.
FOR_S = 12.0
WITHIN_S = 1.0
#: A machine on which this very process, or the server's, was not let on for so long says nothing of the server.
AWAY_S = 0.25


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no more than {hard} files can be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(slots=True)
class Trickle:
    """Clients that never finish asking.

    Attributes:
        open: How many of them are connected now.
        again: How often one was let go and came back.
        began: Whether all of them were connected at some time.
    """

    served: Served
    clients: int
    open: int = 0
    again: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def one(self) -> None:
        """Send a head byte by byte; whoever is let go begins again."""
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.served.port)
                self.open += 1
                if self.open + self.again >= self.clients:
                    self.began.set()
                try:
                    for byte in b"GET /health HTTP/1.1\r\nx-slow: " + b"a" * 1_000:
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(0.5)
                finally:
                    self.open -= 1
                    writer.transport.abort()
            self.again += 1


@asynccontextmanager
async def trickling(served: Served, clients: int) -> AsyncIterator[Trickle]:
    """Let so many clients begin, and wait until all of them were connected."""
    trickle = Trickle(served, clients)
    tasks = []
    for at in range(clients):
        tasks.append(asyncio.create_task(trickle.one()))
        if at % 50 == 0:
            await asyncio.sleep(0.01)
    await trickle.began.wait()
    try:
        yield trickle
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class Watch:
    """Somebody who asks again and again.

    Attributes:
        answered: How many were told so in time.
        late: The addresses that did not answer in time.
        unknown: How many times nobody can say, since this process itself or the server's was kept waiting.
        pids: The processes of the server and its database.
    """

    served: Served
    pids: Sequence[int]
    answered: int = 0
    late: list[str] = field(default_factory=list)
    unknown: int = 0

    async def ask(self, path: str) -> None:
        """Ask once, on a connection of its own."""
        pulse, waited = asyncio.create_task(slowest_beat()), waited_s(self.pids)
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await get(self.served.port, path)
        except (TimeoutError, OSError):
            answer = b""
        pulse.cancel()
        in_line = [after - before for before, after in zip(waited, waited_s(self.pids), strict=True)]
        away = max(await pulse, *in_line)
        if answer.startswith(b"HTTP/1.1 200 "):
            self.answered += 1
        elif away > AWAY_S:
            self.unknown += 1
        else:
            self.late.append(f"{path}: {answer[:40]!r}")


def waited_s(pids: Sequence[int]) -> list[float]:
    """Return for how long each of these processes stood in line for a processor so far, although it could go on.

    The second number of ``/proc/PID/schedstat``, in nanoseconds (Linux, Documentation/scheduler/sched-stats).
    """
    waited = []
    for pid in pids:
        try:
            waited.append(int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9)
        except OSError:
            waited.append(0.0)
    return waited


def family(pid: int) -> list[int]:
    """Return a process and all that came from it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{each}/task/{each}/children").read_text(encoding="ascii")
            found += [int(child) for child in children.split()]
    return found


async def slowest_beat() -> float:
    """Return by how much this process was late at most, once it is told to stop."""
    loop, slowest = asyncio.get_running_loop(), 0.0
    while True:
        before = loop.time()
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            return max(slowest, loop.time() - before - 0.02)
        slowest = max(slowest, loop.time() - before - 0.02)


async def get(port: int, path: str) -> bytes:
    """Return all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.transport.abort()


async def test_while_twelve_hundred_clients_trickle_the_server_says_within_a_second_that_it_is_well(
    scratch: Path, many_files: None
) -> None:
    place = scratch / "trickle"
    place.mkdir(mode=0o755)
    async with a_server(place) as served:
        assert served.process is not None
        loop, watch = asyncio.get_running_loop(), Watch(served, family(served.process.pid))
        async with trickling(served, CLIENTS) as trickle:
            until, open_least = loop.time() + FOR_S, CLIENTS
            while loop.time() < until:
                for path in ("/health", f"/g/{SLUG}", f"/api/v1/groups/{SLUG}"):
                    await watch.ask(path)
                open_least = min(open_least, trickle.open)
                await asyncio.sleep(0.2)
            assert trickle.again > 0, "the server lets go of whoever never ends, and they came back"

        print(f"{watch.answered} answers in time, {watch.unknown} unknown; {open_least} to {CLIENTS} clients")
        assert watch.late == []
        assert watch.answered > 3 * watch.unknown
        assert open_least > CLIENTS // 2, "there was a crowd all along"
        # And once they are gone, as before.
        assert b'{"status":"ok"}' in await get(served.port, "/health")
