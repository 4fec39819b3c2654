"""The load: a process of its own that sends requests made of ready bytes and looks at every answer.

It shares two cores with the server and the database, so it does as little as it can: one
``write`` for each request and one look at the head of the answer.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from timebank.bench.measure import WentWrong

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_GRACE_S: Final = 30.0
_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class Ask(NamedTuple):
    """A request as bytes; the Idempotency-Key goes between the two parts."""

    before: bytes
    after: bytes


class Job(NamedTuple):
    """What to send.

    Attributes:
        asks: One for each connection; it sends the same again and again, under fresh keys.
        in_turn: One connection sends all of them instead, one after the other, again and again.
        seconds: How long requests are sent.
        count_max: Most requests, over all connections.
        status: What every answer must have.
        marks: How often ``mark`` must be in every answer.
    """

    port: int
    asks: list[Ask]
    seconds: float
    count_max: int
    status: int = 201
    mark: bytes = b""
    marks: int = 0
    in_turn: bool = False


class Sent(NamedTuple):
    """What came of it: how many requests were answered as they should, in how long, and how long each took."""

    answered: int
    seconds: float
    latencies: list[float]
    wrong: str


def make_ask(method: str, path: str, *, token: str = "", body: bytes = b"") -> Ask:
    """Return a request that is ready to be sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if method != "POST":
        return Ask("\r\n".join([*lines, "", ""]).encode(), b"")
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "Idempotency-Key: "]
    return Ask("\r\n".join(lines).encode(), _END_OF_HEAD + body)


class Load:
    """The process that sends; one for a whole run."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=send_jobs, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    async def send(self, job: Job) -> Sent:
        """Have a job done.

        Raises:
            WentWrong: An answer was not as it should be, or none came.
        """
        self._pipe.send(job)
        limit = job.seconds + 2 * _GRACE_S
        if not await asyncio.to_thread(self._pipe.poll, limit):
            raise WentWrong(f"no result of the load after {limit:.0f} s")
        sent: Sent = self._pipe.recv()
        if sent.wrong:
            raise WentWrong(sent.wrong)
        return sent

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
        self._pipe.close()


def send_jobs(pipe: Connection) -> None:
    """Do jobs until there are no more; the life of the load's process."""
    import uvloop

    # Nothing here makes cycles, and a sweep would be counted as the server's time.
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, suppress(EOFError, KeyboardInterrupt):
        while (job := pipe.recv()) is not None:
            try:
                sent = runner.run(_send(job))
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
                sent = Sent(0, 0.0, [], f"the load failed: {error!r}")
            pipe.send(sent)


async def _send(job: Job) -> Sent:
    loop = asyncio.get_running_loop()
    crowd = _Crowd(job, loop)
    connections = [job.asks] if job.in_turn else [[ask] for ask in job.asks]
    await asyncio.gather(
        *(
            loop.create_connection(partial(_Client, crowd, asks), "127.0.0.1", job.port)
            for asks in connections
        )
    )
    crowd.begin()
    try:
        await asyncio.wait_for(crowd.done, job.seconds + _GRACE_S)
    except TimeoutError:
        crowd.wrong = crowd.wrong or f"{crowd.busy} requests got no answer in {_GRACE_S:.0f} s"
    for client in crowd.clients:
        client.transport.abort()
    return Sent(len(crowd.latencies), crowd.last - crowd.began, crowd.latencies, crowd.wrong)


class _Crowd:
    """What all connections of a job have in common."""

    def __init__(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        self.job = job
        self.status = b"HTTP/1.1 %d " % job.status
        self.done: asyncio.Future[None] = loop.create_future()
        self.clients: list[_Client] = []
        self.latencies: list[float] = []
        self.keys = secrets.token_hex(8).encode()
        self.sent = self.busy = 0
        self.began = self.until = self.last = 0.0
        self.wrong = ""

    def begin(self) -> None:
        self.began = self.last = time.perf_counter()
        self.until = self.began + self.job.seconds
        for client in self.clients:
            client.ask_next(self.began)

    def may_ask(self, now: float) -> bool:
        return now < self.until and self.sent < self.job.count_max and not self.wrong

    def leave(self) -> None:
        if self.busy == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, why: str) -> None:
        self.wrong = self.wrong or why
        if not self.done.done():
            self.done.set_result(None)


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    transport: asyncio.Transport

    def __init__(self, crowd: _Crowd, asks: list[Ask]) -> None:
        self.crowd = crowd
        self.asks = cycle(asks)
        self.asked = 0.0
        self.waiting = False
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.crowd.clients.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting:
            self.crowd.fail(f"the server closed a connection in the middle: {exc!r}")

    def ask_next(self, now: float) -> None:
        crowd = self.crowd
        self.waiting = crowd.may_ask(now)
        if not self.waiting:
            crowd.leave()
            return
        crowd.sent += 1
        crowd.busy += 1
        self.asked = now
        before, after = next(self.asks)
        self.transport.write(before + crowd.keys + b"-%d" % crowd.sent + after if after else before)

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        end = data.find(_END_OF_HEAD)
        if end < 0 or len(data) < end + 4 + self._length(data, end):
            self.buffer = data
            return
        self.buffer = b""
        crowd = self.crowd
        if not data.startswith(crowd.status) or (
            crowd.job.marks and data.count(crowd.job.mark) != crowd.job.marks
        ):
            crowd.fail(f"an answer was {data[:600]!r}")
            return
        now = crowd.last = time.perf_counter()
        crowd.latencies.append(now - self.asked)
        crowd.busy -= 1
        self.ask_next(now)

    def _length(self, data: bytes, end: int) -> int:
        at = data.find(_LENGTH, 0, end)
        if at < 0:
            self.crowd.fail(f"an answer does not say how long it is: {data[:300]!r}")
            return 0
        at += len(_LENGTH)
        return int(data[at : data.find(b"\r", at)])


def quantile(latencies: Sequence[float], part: float) -> float:
    """Return the latency that ``part`` of all requests stayed below, in seconds; 0 for none."""
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
