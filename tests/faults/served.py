"""The real ``timebank serve`` in a process of its own, with a group in it, and clients that never give up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from tests.conftest import pg_bin
from tests.properties.stand import Group, Stand, make_group, open_stand, shut, today
from timebank.services.tokens import make_token
from timebank.store.embedded import Cluster

ROOT = Path(__file__).parents[2]
SLUG = "riverside"


@dataclass(slots=True)
class Served:
    """A server at an address.

    Attributes:
        token: Of somebody who may log hours.
        process: What is running; None between a kill and the next start.
    """

    home: Path
    port: int
    process: subprocess.Popen[str] | None = None
    token: str = ""
    group: Group | None = None

    @property
    def cluster(self) -> Cluster:
        """A way to its database from outside."""
        return Cluster(self.home, pg_bin=pg_bin())

    def start(self) -> None:
        """Start the server; returns when it says that it is ready."""
        named = pg_bin()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TIMEBANK_PORT": str(self.port)}
        environment |= {"TIMEBANK_PG_BIN": str(named)} if named else {}
        for name in [name for name in environment if name.startswith("TIMEBANK_TEST")]:
            del environment[name]
        with (self.home.parent / "serve.err").open("a", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "timebank", "serve", "--data", str(self.home)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "timebank is ready" in line:
                assert line.rstrip().endswith(f":{self.port}"), line
                return
        raise AssertionError(f"serve ended: {said} {(self.home.parent / 'serve.err').read_text()[-2000:]}")

    def kill_server(self) -> None:
        """Kill the server's process, and nothing else, at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None

    def kill_postgres(self) -> None:
        """Kill PostgreSQL's first process at once, or as soon as it is there again."""
        give_up = time.monotonic() + 30
        while not kill_database(self.home / "postgres"):
            assert time.monotonic() < give_up, "there is no PostgreSQL to kill"
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask the server to end."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(timeout=30) == 0
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None

    def end(self) -> None:
        """Stop the server if there is one; if it does not stop, kill it and its database."""
        try:
            self.stop()
        finally:
            if self.process is not None:
                self.kill_server()
                kill_databases(self.home)


def kill_database(data: Path) -> bool:
    """Kill the first process of the PostgreSQL of a directory, and nobody who has its number since; return whether it was."""
    with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
        pid = int((data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        # Its command line may name the directory otherwise: by a descriptor, by a mount, or as it was called before.
        if data.samefile(f"/proc/{pid}/cwd"):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def kill_databases(place: Path) -> None:
    """Kill every PostgreSQL below a directory that was left running there."""
    for file in place.rglob("postmaster.pid"):
        with contextlib.suppress(OSError, IndexError):
            kill_database(file.parent)


@asynccontextmanager
async def a_server(place: Path) -> AsyncIterator[Served]:
    """A fresh server with a group; Ada has a token."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    served = Served(place / "home", port)
    try:
        await asyncio.to_thread(served.start)
        async with from_inside(served) as stand:
            served.group = await make_group(stand.house, SLUG)
            ada = served.group.people["ada"].member_id
            made = await make_token(
                stand.house, served.group.group_id, ada, ("read", "write"), now=datetime.now(UTC)
            )
            served.token = made.token
        yield served
    finally:
        # Whatever it died of, the tests of it have seen.
        with contextlib.suppress(AssertionError):
            served.end()


@asynccontextmanager
async def from_inside(served: Served) -> AsyncIterator[Stand]:
    """The server's database, keys and checkpoints, from this process."""
    stand = await open_stand(served.cluster.dsn, served.home)
    stand.groups = [served.group] if served.group else []
    try:
        yield stand
    finally:
        await shut(stand)


# ---------------------------------------------------------------- clients


class Cut(Exception):
    """No whole answer came."""


async def post_hours(
    served: Served, minutes: int, key: str, *, hang_up_after: float | None = None
) -> tuple[int, bytes]:
    """Log so many minutes on a connection of its own; return status and body.

    Args:
        hang_up_after: Seconds after which the client is gone, whatever it was told.

    Raises:
        Cut: The connection was not to be had or ended too early.
    """
    body = json.dumps(
        {"minutes": minutes, "effective_on": today().isoformat(), "category": "cooking"}
    ).encode()
    head = (
        f"POST /api/v1/groups/{SLUG}/hours HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {served.token}\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    writer = None
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", served.port), 5)
        writer.write(head + body)
        if hang_up_after is not None:
            answer = await asyncio.wait_for(reader.read(), hang_up_after) if hang_up_after else b""
        else:
            answer = await asyncio.wait_for(reader.read(), 20)
        status_line, _, rest = answer.partition(b"\r\n")
        headers, blank, content = rest.partition(b"\r\n\r\n")
        lengths = [line for line in headers.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not blank or not lengths or len(content) != int(lengths[0].partition(b":")[2]):
            raise Cut
        return int(status_line.split()[1]), content
    except (OSError, TimeoutError, EOFError, IndexError, ValueError) as error:
        raise Cut from error
    finally:
        if writer is not None:
            if hang_up_after is not None:
                writer.transport.abort()
            else:
                writer.close()


@dataclass(slots=True)
class Load:
    """Clients that log hours, each amount once, and ask again with the same key until they know.

    Attributes:
        answers: By amount, the first answer that said it was written.
        unsure: How many requests had to be asked again.
    """

    served: Served
    answers: dict[int, bytes] = field(default_factory=dict)
    sent: int = 0
    unsure: int = 0
    odd: list[tuple[int, bytes]] = field(default_factory=list)
    _stopping: bool = False
    _clients: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self, clients: int) -> None:
        """Let so many clients begin."""
        self._clients = [asyncio.create_task(self._client()) for _ in range(clients)]

    async def end(self) -> None:
        """Begin nothing new, and wait until everybody knows."""
        self._stopping = True
        await asyncio.wait_for(asyncio.gather(*self._clients), 120)

    async def _client(self) -> None:
        while not self._stopping:
            self.sent += 1
            await self._until_it_is_known(self.sent)

    async def _until_it_is_known(self, number: int) -> None:
        while True:
            try:
                status, body = await post_hours(self.served, number, f"key-{number}")
            except Cut:
                self.unsure += 1
            else:
                if status == 201:
                    self.answers[number] = body
                    return
                if status != 503:
                    self.odd.append((status, body))
                self.unsure += 1
            await asyncio.sleep(0.05)


async def written(stand: Stand) -> dict[int, list[str]]:
    """Return the entries of each amount that is in the book."""
    rows = await stand.rows(
        "SELECT t.amount, e.entry_id FROM timebank.transfers AS t"
        "  JOIN timebank.entries AS e ON e.group_id = t.group_id AND e.seq = t.seq"
    )
    found: dict[int, list[str]] = {}
    for amount, entry_id in rows:
        found.setdefault(amount, []).append(str(entry_id))
    return found


def wrongly_written(acknowledged: Iterable[tuple[int, bytes]], found: dict[int, list[str]]) -> list[Any]:
    """Return every acknowledged amount that is not in the book exactly once, as its answer said."""
    return [
        (amount, body, found.get(amount))
        for amount, body in acknowledged
        if found.get(amount) != [json.loads(body)["entry"]]
    ]


async def backends(served: Served, state: str) -> int:
    """Return how many connections of the server are in a state."""
    connection = await asyncpg.connect(**served.cluster.dsn("timebank"))
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'timebank%' AND state LIKE $1",
            state,
        )
        return count
    finally:
        await connection.close()
