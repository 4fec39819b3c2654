"""The restore drill of docs/operating.md, walked as it is written there, with kill -9 in each step.

``TIMEBANK_TEST_CRASHES=20`` kills as often as the full run does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import pg_bin
from tests.faults.served import ROOT, SLUG, Served, a_server, from_inside, kill_databases
from tests.properties.stand import Stand, hours
from timebank.services.close import close_period
from timebank.services.log_sources import open_log
from timebank.services.members import erase_member
from timebank.services.witness import Cosigned, Witness
from timebank.store.backup_folders import read_folder
from timebank.store.keys import KeyStore, read_erased

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("TIMEBANK_TEST_CRASHES", "3"))
CHECK_BOOK = ROOT / "frontend" / "download" / "check_book.py"
DRILL = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8").partition("## Putting a backup back")[2]
#: What is there once each step of a restore has begun: the keys, an empty database, its tables, what was
#: settled about it, and the database in its place.
STEPS = (
    "keys/keys.sqlite",
    "restoring/postgres.new",
    "restoring/postgres",
    "restoring/checkpoints",
    "postgres",
)
COMMANDS = re.findall(r"^    (timebank .+)$", DRILL, re.MULTILINE)


@contextlib.contextmanager
def start(home: Path, *words: str, out: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Start a command as somebody at a terminal does; it is over afterwards, whatever went wrong."""
    named = pg_bin()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIMEBANK_")}
    environment |= {"TIMEBANK_PG_BIN": str(named)} if named else {}
    with subprocess.Popen(
        [sys.executable, "-m", "timebank", words[0], "--data", str(home), *words[1:]],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=subprocess.STDOUT if out == subprocess.PIPE else subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def command(home: Path, *words: str, typed: str = "", code: int = 0) -> str:
    """Run a command to its end and return what it said."""
    with start(home, *words) as process:
        said = process.communicate(typed, timeout=120)[0]
    assert process.returncode == code, said
    return said


def kill_after(seconds: float, home: Path, *words: str, typed: str = "") -> None:
    """Run a command and kill it at once after so many seconds."""
    with start(home, *words) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(typed)
            process.stdin.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def kill_at(step: Path, home: Path, *words: str, typed: str = "") -> None:
    """Run a command and kill it at once when a file of its next step is there."""
    with start(home, *words) as process:
        assert process.stdin is not None
        process.stdin.write(typed)
        process.stdin.flush()
        give_up = time.monotonic() + 120
        while not step.exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < give_up
            time.sleep(0.001)


def seconds_of(home: Path, *words: str, typed: str = "") -> tuple[str, float]:
    began = time.monotonic()
    return command(home, *words, typed=typed), time.monotonic() - began


async def give_hours(stand: Stand, *amounts: int) -> None:
    for minutes in amounts:
        await stand.send("ada", hours(minutes))


def folders(home: Path) -> list[Path]:
    return sorted(path for path in (home / "backups").glob("timebank-*") if path.suffix != ".part")


def walk(line: str, **names: str) -> list[str]:
    """Return the words of a line of the documentation, with what stands for something put in."""
    for stands, put in names.items():
        line = re.sub(stands, put, line)
    return line.split()[1:]


@pytest.fixture
def place(scratch: Path) -> Iterator[Path]:
    """A directory for homes; a database that a killed command left there does not outlive the test."""
    place = Path(tempfile.mkdtemp(prefix="d", dir=scratch))
    place.chmod(0o755)
    yield place
    kill_databases(place)


async def test_a_book_comes_back_on_a_new_machine_by_the_documentation_alone(place: Path) -> None:
    chance = random.Random(5)
    async with a_server(place) as served:
        home = served.home
        async with from_inside(served) as stand:
            await give_hours(stand, 30, 45, 60)
            flo = stand.group.people["flo"].member_id
            before = await stand.balances()
            records = (await stand.rows("SELECT seq FROM timebank.book_heads"))[0][0]

        # A backup is whole under its name or has none, whenever it is killed.
        _, whole = await asyncio.to_thread(seconds_of, home, "backup")
        for _ in range(max(2, KILLS // 2)):
            await asyncio.to_thread(kill_after, chance.uniform(0.5, 1) * whole, home, "backup")
        for folder in folders(home):
            read_folder(folder)
        backup = folders(home)[0]
        assert oct(backup.stat().st_mode)[-3:] == "700"

        said = await asyncio.to_thread(command, home, "keys", "export")
        code = re.search(r"^    (\w{4}(?:-\w{4}){7})$", said, re.MULTILINE)
        assert code is not None, said
        (sealed,) = (home / "backups").glob("*.sealed")

        async with from_inside(served) as stand:
            await erase_member(stand.house, stand.group.group_id, flo, now=datetime.now(UTC))
            await give_hours(stand, 15)
            await publish(stand, days=1)
        published = await asyncio.to_thread(export_log, home, place / "published.zip")
        witness = Witness.begin(place / "witness", "witness.example/ada", bytes(range(32)))
        with open_log(str(published)) as log:
            assert witness.add("https://bank.example/g/riverside", log, at=1)[0].ok
        await asyncio.to_thread(command, home, "backup")
        assert [line.member_id for line in read_erased(home / "backups" / "erased.txt")] == [flo]

    # Another machine: nothing but what was copied onto a stick, which only its owner can read.
    there, stick = place / "there", place / "stick"
    stick.mkdir(mode=0o700)
    for path in (backup, home / "backups" / "erased.txt", home / "backups" / "logs"):
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, stick / path.name)
    shutil.copy2(sealed, stick / "keys.sealed")
    put_back = walk(COMMANDS[0].replace("/mnt/stick/timebank-20261126T020000Z", str(stick / backup.name)))
    put_back = [word.replace("/mnt/stick/keys.sealed", str(stick / "keys.sealed")) for word in put_back]
    new = Served(there, served.port, group=served.group)
    for step in STEPS:
        await asyncio.to_thread(kill_at, there / step, there, *put_back, typed=f"{code[1]}\n")
        assert (there / "postgres").exists() == (step == STEPS[-1]), step
    # The last kill came after the database was in its place: what was left to do is tidying.
    said = await asyncio.to_thread(command, there, *put_back, typed=f"{code[1]}\n")
    assert "Done." in said
    assert "has a database already" in await asyncio.to_thread(command, there, *put_back, code=1)
    assert not (there / "restoring").exists()
    assert not (there / "incoming").exists()

    # What was published is published again, to the last byte.
    again = await asyncio.to_thread(export_log, there, place / "again.zip")
    assert again.read_bytes() == published.read_bytes()

    assert COMMANDS[1:] == ["timebank verify", "timebank serve", "timebank close --group SLUG"]
    assert "the book is whole" in await asyncio.to_thread(command, there, "verify")
    try:
        await asyncio.to_thread(new.start)
        await asyncio.to_thread(command, there, *walk(COMMANDS[3], SLUG=SLUG))
        async with from_inside(new) as stand:
            assert await stand.balances() == before
            assert await told(stand) == (2, records)
            assert stand.house.keys.find_member_key(stand.group.group_id, flo) is None
            (row,) = await stand.rows(
                "SELECT state, nickname_box FROM people.members WHERE member_id = $1", flo
            )
            assert tuple(row) == ("erased", b"")
            await stand.verified()
            await publish(stand, days=2)
            await stand.verified()
        # The next publication says so, and whoever followed the log goes on following it.
        after = await asyncio.to_thread(export_log, there, place / "after.zip")
        with open_log(str(after)) as log:
            polled = witness.poll(witness.list_watched()[0], log, at=2)
        assert isinstance(polled, Cosigned)
        (restored,) = polled.accepted.restores
        assert (restored.epoch, restored.lost > 0) == (2, True)
        assert "It lost" in await asyncio.to_thread(command, there, "verify", str(after))
        other = subprocess.run(  # noqa: ASYNC221
            [sys.executable, CHECK_BOOK, after], capture_output=True, text=True, check=False
        )
        assert "restored from a backup" in other.stdout, other.stdout + other.stderr
    finally:
        new.end()


async def publish(stand: Stand, *, days: int) -> None:
    """Close what is over in so many days."""
    await close_period(stand.house, stand.group.group_id, now=datetime.now(UTC) + timedelta(days=days))
    await stand.house.checkpoints.close()


def export_log(home: Path, target: Path) -> Path:
    with (
        target.open("wb") as out,
        start(home, "export", "--group", SLUG, "--format", "log", out=out) as process,
    ):
        assert process.wait(120) == 0
    return target


async def told(stand: Stand) -> tuple[int, int]:
    """Return the epoch that the book is in, and the size that the record of the restore says it had."""
    ((epoch,),) = await stand.rows("SELECT epoch FROM timebank.book_heads")
    ((record,),) = await stand.rows("SELECT record FROM timebank.records WHERE kind = 'restored'")
    size = re.search(rb'"new":\{"root":"[0-9a-f]{64}","size":(\d+)\}', bytes(record))
    assert size is not None, record
    return epoch, int(size[1])


async def test_a_database_that_is_put_back_on_the_same_machine_says_how_much_is_missing(place: Path) -> None:
    async with a_server(place) as served:
        home: Any = served.home
        assert served.group is not None
        async with from_inside(served) as stand:
            await give_hours(stand, 30)
            records = (await stand.rows("SELECT seq FROM timebank.book_heads"))[0][0]
        await asyncio.to_thread(command, home, "backup")
        async with from_inside(served) as stand:
            await give_hours(stand, 45, 60)
            await publish(stand, days=1)
        served.stop()
        (backup,) = folders(home)
        (home / "postgres").rename(place / "as-it-was")

        said = await asyncio.to_thread(command, home, "restore", str(backup))

        # Two entries, and the close that published them.
        assert "3 records that were signed after this backup may be missing" in said
        assert "3 of them were published" in said
        assert "epoch 2" in said
        # Somebody is on the list who was not when this was restored: the start of the server sees to it.
        gus = served.group.people["gus"].member_id
        with KeyStore(home) as keys:
            keys.erase_members(served.group.group_id, [gus], now=datetime.now(UTC))
        await asyncio.to_thread(served.start)
        async with from_inside(served) as stand:
            assert await told(stand) == (2, records)
            (row,) = await stand.rows(
                "SELECT state, nickname_box FROM people.members WHERE member_id = $1", gus
            )
            assert tuple(row) == ("erased", b"")
            await give_hours(stand, 15)
            await stand.verified()
        assert len(list((home / "checkpoints").glob("*.aside"))) == 1

        # Somebody puts back the copy of before by other means: the server does not go on as if nothing were missing.
        served.stop()
        shutil.rmtree(home / "postgres")
        (place / "as-it-was").rename(home / "postgres")
        said = await asyncio.to_thread(command, home, "serve", code=1)
        assert "restore --settle" in said

        said = await asyncio.to_thread(command, home, "restore", "--settle")

        assert "goes on in epoch 3" in said
        assert "1 people who had been erased since are erased again" in said
        await asyncio.to_thread(served.start)
        async with from_inside(served) as stand:
            await stand.verified()
