"""A test that cannot fail proves nothing: each wall is taken away here, and its own test has to turn red.

The promises are those that ``test_concurrency`` and the crash tests hold with all walls in place.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import pg_bin
from tests.database import Dsn, dsn_of
from tests.properties.promises import (
    Broken,
    a_hundred_hands_over_ten_times_ten,
    another_door,
    one_key_fifty_times_is_one_effect,
    what_was_acknowledged_survives_the_postmaster,
    without_a_group_there_are_no_rows,
    writers_take_turns,
)
from tests.properties.stand import a_stand, hours, superuser
from timebank.errors import DatabaseNotDurable, ServerFault, StoreAway
from timebank.ledger.books import Books
from timebank.services.writer import Writer
from timebank.store import book
from timebank.store.embedded import Cluster
from timebank.store.engine import Database
from timebank.store.migrate import upgrade


@pytest.fixture
def slow_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that stop and think between reading and writing: a race that can be lost is lost."""
    load = Writer._load

    async def load_and_think(*given: Any) -> Any:
        state = await load(*given)
        await asyncio.sleep(0.1)
        return state

    monkeypatch.setattr(Writer, "_load", load_and_think)


async def test_with_all_walls_slow_writers_keep_the_promise_too(
    fresh_dsn: Dsn, tmp_path: Path, slow_to_decide: None
) -> None:
    async with a_stand(fresh_dsn, tmp_path, hot_size=8) as door, another_door(door, tmp_path) as second:
        await a_hundred_hands_over_ten_times_ten([door, second])
        await writers_take_turns([door, second])

        await door.verified()


async def test_without_the_head_row_lock_two_writers_stand_in_each_others_way(
    fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow_to_decide: None
) -> None:
    # The second wall, one record per number, still keeps the book whole: what breaks is that
    # requests find their number taken and are turned away.
    monkeypatch.setattr(book, "_LOCK", without("FOR UPDATE", book._LOCK))
    async with a_stand(fresh_dsn, tmp_path, hot_size=8) as door, another_door(door, tmp_path) as second:
        with pytest.raises((StoreAway, ServerFault)):
            await writers_take_turns([door, second])

        await door.verified()


async def test_without_lock_and_without_numbers_taken_once_the_pot_hands_over_what_it_has_not(
    fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow_to_decide: None
) -> None:
    monkeypatch.setattr(book, "_LOCK", without("FOR UPDATE", book._LOCK))
    await superuser(
        fresh_dsn,
        """
        ALTER TABLE timebank.records DROP CONSTRAINT records_pkey;
        ALTER TABLE timebank.entries DROP CONSTRAINT entries_pkey;
        ALTER TABLE timebank.transfers DROP CONSTRAINT transfers_pkey;
        """,
    )
    async with a_stand(fresh_dsn, tmp_path, hot_size=8) as door, another_door(door, tmp_path) as second:
        with pytest.raises(Broken):
            await a_hundred_hands_over_ten_times_ten([door, second])

        with pytest.raises(AssertionError):
            await door.verified()


async def test_without_the_constraint_on_answers_one_key_has_two_effects(
    fresh_dsn: Dsn, tmp_path: Path
) -> None:
    await superuser(fresh_dsn, "ALTER TABLE timebank.answers DROP CONSTRAINT answers_once")
    async with a_stand(fresh_dsn, tmp_path) as door, another_door(door, tmp_path) as second:
        with pytest.raises(Broken, match="effects of one key"):
            await one_key_fifty_times_is_one_effect([door, second])


async def test_without_the_floor_check_a_pot_is_seen_below_zero(
    fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Books, "_too_low", lambda *_: None)
    async with a_stand(fresh_dsn, tmp_path, hot_size=8) as door, another_door(door, tmp_path) as second:
        with pytest.raises(Broken, match="account of EUR is at -"):
            await a_hundred_hands_over_ten_times_ten([door, second])

        # Verify judges decisions on its own, so it sees them, too.
        with pytest.raises(AssertionError, match="floors"):
            await door.verified()


async def test_without_the_guard_for_an_empty_setting_a_used_connection_cannot_even_ask(
    fresh_dsn: Dsn, tmp_path: Path
) -> None:
    async with a_stand(fresh_dsn, tmp_path) as door:
        await door.send("ada", hours())
        await without_a_group_there_are_no_rows(fresh_dsn)

        await superuser(
            fresh_dsn,
            """
            DROP POLICY one_group ON timebank.hours;
            CREATE POLICY one_group ON timebank.hours FOR ALL TO timebank_app
                USING (group_id = (SELECT current_setting('timebank.group', true)::uuid));
            """,
        )
        with pytest.raises(Broken, match="cannot be asked"):
            await without_a_group_there_are_no_rows(fresh_dsn)


async def test_without_any_wall_between_groups_rows_show_outside_them(fresh_dsn: Dsn, tmp_path: Path) -> None:
    async with a_stand(fresh_dsn, tmp_path) as door:
        await door.send("ada", hours())

        await superuser(fresh_dsn, "ALTER TABLE timebank.entries DISABLE ROW LEVEL SECURITY")
        with pytest.raises(Broken, match="outside any group"):
            await without_a_group_there_are_no_rows(fresh_dsn)


@pytest.mark.parametrize("synchronous_commit", ["on", "off"])
async def test_acknowledged_writes_survive_the_postmaster_only_with_synchronous_commit(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous_commit: str
) -> None:
    with Cluster(scratch / f"commit-{synchronous_commit}", pg_bin=pg_bin()) as cluster:
        dsn = dsn_of(cluster, "timebank")
        await upgrade(dsn, embedded=True)
        # So that not even luck writes the log in time: neither the clock nor much work wakes its writer.
        await superuser(dsn, "ALTER SYSTEM SET wal_writer_delay = '10s'")
        await superuser(dsn, "ALTER SYSTEM SET wal_writer_flush_after = '1GB'")
        await superuser(dsn, "SELECT pg_reload_conf()")
        async with a_stand(dsn, tmp_path, hot_size=2) as door:
            if synchronous_commit == "on":
                assert await what_was_acknowledged_survives_the_postmaster(door, cluster) > 50
                await door.verified()
                return

            # What is switched off is refused at every turn: at the start, and by each batch.
            await superuser(dsn, "ALTER DATABASE timebank SET synchronous_commit = off")
            # Only after it: the pool connects again by itself, and one connection that still waits
            # for the disk would save what the others wrote.
            await door.house.database.hot.expire_connections()
            with pytest.raises(DatabaseNotDurable):
                await Database.open(dsn)
            with pytest.raises((StoreAway, ServerFault)):
                await door.send("ada", hours())

            blind = without("current_setting", book._LOAD_ONLY).replace("('synchronous_commit')", "'on'")
            monkeypatch.setattr(book, "_LOAD_ONLY", blind)
            with pytest.raises(Broken, match="are gone"):
                await what_was_acknowledged_survives_the_postmaster(door, cluster)
            # The checkpoint beside the database knows that more had been written.
            with pytest.raises(AssertionError, match="kept_checkpoint"):
                await door.verified()


def without(words: str, sql: str) -> str:
    """Take words out of a statement; they have to be in it."""
    assert len(re.findall(words, sql)) == 1
    return sql.replace(words, "")
