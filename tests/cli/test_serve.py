"""``timebank serve`` as an operator sees it: it starts, says where it is, survives, and stops cleanly."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from timebank.store.embedded import Cluster
from timebank.store.roles import role_sql

ROOT = Path(__file__).resolve().parents[2]


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


class Served:
    """A running ``timebank serve`` and what it said."""

    def __init__(self, home: Path, *words: str, **variables: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TIMEBANK_")}
        if named := os.environ.get("TIMEBANK_TEST_PG_BIN"):
            clean["TIMEBANK_PG_BIN"] = named
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "run", "serve", "--data", home, *words],
            env={**clean, "TIMEBANK_NO_VENV": "1", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        STARTED.append(self.process)
        self.said = ""

    def wait_ready(self) -> str:
        """Return the address once it is printed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C stops" in line:
                break
        found = re.search(r"timebank is ready: (http://localhost:(\d+))", self.said)
        assert found, self.said
        # Not "localhost": that may be tried on IPv6 first, where somebody else may listen.
        return f"http://127.0.0.1:{found[2]}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the whole group, as a terminal does, and return the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        self.said += self.process.communicate(timeout=30)[0]
        return self.process.returncode


def status(address: str) -> int:
    # The page of nobody's group: an answer that needs the database.
    try:
        with urllib.request.urlopen(f"{address}/g/nobody", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
    except OSError:
        return 0


@pytest.fixture
def home(scratch: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="s", dir=scratch))
    place.chmod(0o755)
    yield place / "home"
    shutil.rmtree(place, ignore_errors=True)


def test_from_nothing_to_an_answer_and_back(home: Path) -> None:
    first = Served(home, "--port", "0")
    address = first.wait_ready()
    assert status(address) == 404
    assert re.search(r"Set up your group with this link, which works once: \S+/setup/\S{32}\n", first.said)
    assert str(home) in first.said

    second = Served(home, "--port", "0")
    assert second.end(0) == 1
    assert "is already running in" in second.said
    assert status(address) == 404

    postmaster = int((home / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    os.kill(postmaster, signal.SIGKILL)
    give_up = time.monotonic() + 40
    while status(address) != 404:
        assert time.monotonic() < give_up, "the database did not come back"
        time.sleep(0.1)

    assert first.end(signal.SIGTERM) == 0
    assert not (home / "postgres" / "postmaster.pid").exists()

    third = Served(home, "--port", "0")
    third.wait_ready()
    assert third.end(signal.SIGINT) == 0, third.said
    assert "Traceback" not in third.said


def test_a_signal_while_it_starts_ends_it_cleanly(home: Path) -> None:
    served = Served(home, "--port", "0")
    give_up = time.monotonic() + 30
    while not (home / "postgres.log").exists():
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert served.end(signal.SIGTERM) == 0
    assert "Traceback" not in served.said


def test_a_taken_port_is_said_aloud(home: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        served = Served(home, "--port", str(port))
        address = served.wait_ready()
        assert f"Port {port} is taken, so this is port {address.rpartition(':')[2]}." in served.said
        assert served.end() == 0


def outside(cluster: Cluster) -> dict[str, str]:
    """Make the roles as an operator does, and return the address of the server as one elsewhere."""

    async def prepare() -> None:
        connection = await asyncpg.connect(**cluster.dsn("timebank"))
        try:
            await connection.execute(role_sql("timebank"))
        finally:
            await connection.close()

    asyncio.run(prepare())
    place = cluster.dsn("timebank")["host"]
    return {"TIMEBANK_DATABASE_URL": f"postgresql://timebank_app@/timebank?host={place}"}


def test_an_outside_server_is_used_when_it_is_named(home: Path, durable_cluster: Cluster) -> None:
    served = Served(home, "--port", "0", **outside(durable_cluster))
    address = served.wait_ready()
    assert status(address) == 404
    assert not (home / "postgres").exists()
    assert served.end() == 0


def test_an_outside_server_that_may_forget_is_refused(home: Path, cluster: Cluster) -> None:
    served = Served(home, "--port", "0", **outside(cluster))
    assert served.process.wait(30) == 1
    assert served.end() == 1
    assert "fsync" in served.said
