"""Many people at once, through one writer, two writers, and writers in other processes."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path

import pytest

from tests.database import Dsn
from tests.properties.promises import (
    a_hundred_hands_over_ten_times_ten,
    another_door,
    every_read_balances,
    one_key_fifty_times_is_one_effect,
    without_a_group_there_are_no_rows,
    writers_take_turns,
)
from tests.properties.stand import a_stand, hours

pytestmark = [pytest.mark.database]

ROOT = Path(__file__).parents[2]


async def test_debits_equal_credits_in_every_read_under_32_mixed_clients(
    fresh_dsn: Dsn, tmp_path: Path
) -> None:
    async with a_stand(fresh_dsn, tmp_path, hot_size=8) as door, another_door(door, tmp_path) as second:
        reads = await every_read_balances([door, second])

        assert reads > 50
        await door.verified()


async def test_a_pot_with_a_hundred_and_60_parallel_draws_of_ten_hands_over_exactly_ten(
    fresh_dsn: Dsn, tmp_path: Path
) -> None:
    async with a_stand(fresh_dsn, tmp_path, hot_size=8) as door, another_door(door, tmp_path) as second:
        await a_hundred_hands_over_ten_times_ten([door, second])

        await door.verified()


async def test_two_writers_take_turns(fresh_dsn: Dsn, tmp_path: Path) -> None:
    async with a_stand(fresh_dsn, tmp_path) as door, another_door(door, tmp_path) as second:
        await writers_take_turns([door, second])

        await door.verified()


async def test_one_key_fifty_times_in_parallel_is_one_effect_and_one_answer(
    fresh_dsn: Dsn, tmp_path: Path
) -> None:
    async with a_stand(fresh_dsn, tmp_path) as door, another_door(door, tmp_path) as second:
        await one_key_fifty_times_is_one_effect([door], key="through one writer")
        # Two writers do not know of each other's queue: the database has to tell them.
        await one_key_fifty_times_is_one_effect([door, second], key="through two")

        await door.verified()


async def test_without_a_group_every_tenant_table_is_empty(fresh_dsn: Dsn, tmp_path: Path) -> None:
    async with a_stand(fresh_dsn, tmp_path) as door:
        await door.send("ada", hours())

        await without_a_group_there_are_no_rows(fresh_dsn)


async def test_writers_in_several_processes_keep_one_book(fresh_dsn: Dsn, tmp_path: Path) -> None:
    async with a_stand(fresh_dsn, tmp_path) as door:
        plan = tmp_path / "plan"
        plan.write_bytes(
            pickle.dumps(
                (dict(fresh_dsn("timebank_app")), dict(fresh_dsn("timebank_public")), tmp_path, door.group)
            )
        )
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.properties.worker", str(plan), str(number), "40",
                cwd=ROOT, stdout=asyncio.subprocess.PIPE,
            )
            for number in range(3)
        ]  # fmt: skip
        mine = [asyncio.create_task(door.send("bo", *[hours(7)] * 5)) for _ in range(40)]
        told = [json.loads((await process.communicate())[0]) for process in processes]
        await asyncio.gather(*mine)

        assert [process.returncode for process in processes] == [0, 0, 0]
        acknowledged = [entry for lines in told for entry in lines]
        assert len(set(acknowledged)) == len(acknowledged) == 3 * 40
        rows = await door.rows("SELECT entry_id FROM timebank.entries")
        assert len(rows) == 3 * 40 + 40 * 5
        assert {str(row["entry_id"]) for row in rows} > set(acknowledged)
        await door.verified()
