"""Half of all clients hang up at once: what was acknowledged stays, and no connection stays in a transaction.

``TIMEBANK_TEST_CANCELS=30000`` is the full storm.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.faults.served import Cut, a_server, backends, from_inside, post_hours, written, wrongly_written

pytestmark = pytest.mark.slow

CLIENTS = int(os.environ.get("TIMEBANK_TEST_CANCELS", "3000"))


async def test_half_of_the_clients_hang_up_and_nothing_acknowledged_is_lost(scratch: Path) -> None:
    place = scratch / "storm"
    place.mkdir(mode=0o755)
    chance = random.Random(7)
    async with a_server(place) as served:
        answers: dict[int, bytes] = {}
        hung_up: list[int] = []
        numbers = iter(range(1, CLIENTS + 1))

        async def client() -> None:
            for number in numbers:
                leaves = chance.uniform(0, 0.006) if chance.random() < 0.5 else None
                try:
                    status, body = await post_hours(served, number, f"key-{number}", hang_up_after=leaves)
                except Cut:
                    assert leaves is not None, number
                    hung_up.append(number)
                else:
                    assert status == 201, body
                    answers[number] = body

        for number in range(CLIENTS + 1, CLIENTS + 101):
            status, body = await post_hours(served, number, f"key-{number}")
            assert status == 201, body
            answers[number] = body
        connections = await backends(served, "%")
        await asyncio.gather(*[client() for _ in range(24)])
        await asyncio.sleep(1.0)

        assert await backends(served, "idle in transaction%") == 0
        assert await backends(served, "active") == 0
        # The pool may have grown to its full size under load, and no further: 8 to write, 12 to read.
        assert connections <= await backends(served, "%") <= 20
        async with from_inside(served) as stand:
            found = await written(stand)
            assert wrongly_written(answers.items(), found) == []
            assert all(len(entries) == 1 for entries in found.values())
            assert len(hung_up) > CLIENTS / 10

            # Whoever hung up asks again under the same key, and learns what became of it.
            again = random.Random(8).sample(hung_up, min(200, len(hung_up)))
            for number in again:
                _, body = await post_hours(served, number, f"key-{number}")
                answers[number] = body
            found_now = await written(stand)
            assert wrongly_written(answers.items(), found_now) == []
            assert all(found_now[number] == entries for number, entries in found.items())
            await stand.verified()
        written_though = sum(number in found for number in hung_up)
        print(f"{len(hung_up)} of {CLIENTS} hung up, {written_though} of them after it was written")
