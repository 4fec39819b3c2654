"""kill -9 in the middle of an import: all of it is there or nothing, and the next try brings it in once.

``TIMEBANK_TEST_CRASHES=20`` kills as often as the full run does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.faults.served import ROOT, SLUG, Served, a_server, from_inside
from tests.properties.stand import Stand, today

pytestmark = pytest.mark.slow

CRASHES = max(3, int(os.environ.get("TIMEBANK_TEST_CRASHES", "3")) // 2)
LINES = 5_000


def write_sheet(path: Path, number: int) -> Path:
    """Write a sheet of which no line says the same as one of another sheet."""
    chance = random.Random(number)
    days = [today() - timedelta(days=back) for back in range(5)]
    with path.open("w", encoding="utf-8") as file:
        file.write("date,giver,receiver,hours,category,note\n")
        for _ in range(LINES):
            giver, receiver = chance.sample(range(40), 2)
            file.write(f"{chance.choice(days)},P{giver},P{receiver},0:{15 + number},,\n")
    path.chmod(0o644)
    return path


def begin(served: Served, sheet: Path) -> subprocess.Popen[str]:
    """Start an import as somebody at a terminal does, beside the server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIMEBANK_TEST")}
    return subprocess.Popen(
        [sys.executable, "-m", "timebank", "import", "--data", str(served.home), "--group", SLUG, str(sheet)],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def imported(stand: Stand) -> int:
    return int((await rows(stand, "SELECT count(*) FROM timebank.entries WHERE source = 'import'"))[0][0])


async def rows(stand: Stand, sql: str) -> list[Any]:
    async with stand.house.database.read(stand.groups[0].group_id) as tx:
        return list(await tx.execute(text(sql)))


async def test_an_import_that_is_killed_is_there_whole_or_not_at_all(scratch: Path) -> None:
    place = scratch / "crash-import"
    place.mkdir(mode=0o755)
    sheets = [write_sheet(place / f"{number}.csv", number) for number in range(CRASHES)]
    chance = random.Random("import")
    came_through = 0
    async with a_server(place) as served, from_inside(served) as stand:
        # How long it takes until lines are written is found out by the first one.
        began = time.monotonic()
        process = begin(served, sheets[0])
        while not await rows(stand, "SELECT 1 FROM timebank.jobs WHERE phase = 'writing'"):
            assert process.poll() is None, process.communicate()
            await asyncio.sleep(0.02)
        until_written = time.monotonic() - began
        for sheet in sheets:
            if sheet is not sheets[0]:
                process = begin(served, sheet)
                # All moments, and more of them while it writes.
                await asyncio.sleep(chance.choice([1.0, 1.25]) * chance.uniform(0.3, until_written))
            process.kill()
            process.communicate()
            before, found = came_through, await settled(stand)
            came_through = found // LINES
            assert found % LINES == 0, "half an import is in the book"
            assert came_through - before in (0, 1), "an import is in the book twice"

        for sheet in sheets * 2:
            process = begin(served, sheet)
            out, _ = await asyncio.to_thread(process.communicate)
            assert process.returncode == 0, out
        assert "in the book already" in out, out
        assert await settled(stand) == CRASHES * LINES
        assert await rows(stand, "SELECT 1 FROM timebank.jobs WHERE state IN ('waiting', 'running')") == []
        await stand.verified()
    print(f"import: {CRASHES} kills, {came_through} of them too late to matter, no half, none twice")


async def settled(stand: Stand) -> int:
    """Return how many lines are in the book once no transaction of a killed process is under way."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            busy = await rows(
                stand,
                "SELECT 1 FROM pg_stat_activity WHERE application_name IN ('timebank', 'timebank-writer')"
                " AND state <> 'idle' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
                " AND query NOT LIKE '%pg_stat_activity%'",
            )
            if not busy:
                break
        await asyncio.sleep(0.05)
    return await imported(stand)
