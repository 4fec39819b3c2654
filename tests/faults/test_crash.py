"""kill -9 under load: what was acknowledged is there once, nothing is there twice, and retries tell the truth.

``TIMEBANK_TEST_CRASHES=20`` kills as often as the full run does.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.faults.served import Load, Served, a_server, from_inside, written, wrongly_written

pytestmark = pytest.mark.slow

CRASHES = int(os.environ.get("TIMEBANK_TEST_CRASHES", "3"))


async def kill(served: Served, what: str) -> None:
    if what != "server":
        served.kill_postgres()
    if what != "postgres":
        served.kill_server()
        await asyncio.to_thread(served.start)


@pytest.mark.parametrize("what", ["server", "postgres", "both"])
async def test_every_acknowledged_write_is_there_once_after_kill_9(scratch: Path, what: str) -> None:
    place = scratch / f"crash-{what}"
    place.mkdir(mode=0o755)
    chance = random.Random(what)
    async with a_server(place) as served:
        load = Load(served)
        load.begin(12)
        for _ in range(CRASHES):
            known = len(load.answers)
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            while len(load.answers) < known + 5:  # noqa: ASYNC110 - clients report by counting
                await asyncio.sleep(0.05)
            await kill(served, what)
        await asyncio.sleep(0.5)
        await load.end()

        async with from_inside(served) as stand:
            found = await written(stand)
            assert load.odd == []
            assert load.unsure >= CRASHES
            assert wrongly_written(load.answers.items(), found) == []
            # Everybody asked until they knew: all that was ever sent is written, and nothing else.
            assert found.keys() == load.answers.keys() == set(range(1, load.sent + 1))
            await stand.verified()
        print(f"{what}: {CRASHES} kills, {len(load.answers)} acknowledged, {load.unsure} asked again")
