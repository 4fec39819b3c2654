"""What is over goes, what is not stays, and no table is without a clock, a keeper or a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.cast import Cast, cast, house
from tests.database import Dsn, connected
from timebank.services import due
from timebank.services.retention import CLOCKS, ELSEWHERE, STAYS, forget_over
from timebank.services.writer import Writer
from timebank.store.migrate import SUPERUSER
from timebank.store.retention import OVER
from timebank.store.tables import metadata

__all__ = ["cast", "house"]

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
DAYS = {clock.table: clock.days for clock in CLOCKS}


def test_every_table_has_a_clock_a_keeper_or_a_reason_and_only_one_of_them() -> None:
    tables = sorted(f"{table.schema}.{table.name}" for table in metadata.tables.values())

    assert sorted([*DAYS, *ELSEWHERE, *STAYS]) == tables
    assert sorted(OVER) == sorted(DAYS)


def test_the_page_says_what_the_program_does() -> None:
    rows = {tuple(line.strip("| ").split(" | ")) for line in PAGE.splitlines() if line.startswith("| `")}

    assert rows == {
        *(
            (f"`{c.table}`", f"{c.days} days after {c.since}" if c.days else f"until {c.since}", c.why)
            for c in CLOCKS
        ),
        *((f"`{table}`", when, who) for table, (when, who) in ELSEWHERE.items()),
        *((f"`{table}`", why) for table, why in STAYS.items()),
    }


def test_the_sweep_of_every_half_hour_has_it() -> None:
    assert forget_over in due.SLOW_CHORES


def test_answers_are_kept_for_as_long_as_the_api_promises() -> None:
    assert DAYS["timebank.answers"] >= 30


#: One row of each table, as of :at, for member :m of group :g; :x is a fresh id.
ROWS = {
    "timebank.answers": "($1, $4, decode(repeat('00', 32), 'hex'), 200, '', $2)",
    "timebank.jobs": "($1, $4, 'post', $4, NULL, 'server', 'done', '', 0, 0, false, '', $2, $2, $2, NULL)",
    "people.tokens": "($1, decode(repeat('0a', 32), 'hex'), $4, $3, '{read}', $2, NULL, $2)",
    "people.spent_challenges": "($1, decode(repeat('00', 32), 'hex'), $2)",
    "people.notes": "($1, $4, 'note', $3, decode(repeat('00', 32), 'hex'), '', ($2::timestamptz AT TIME ZONE 'UTC')::date)",
    "people.invitations": "($1, $4, decode(repeat('0b', 32), 'hex'), '{}', 1, 0, $3, $2::timestamptz - interval '1 day', $2, NULL)",
    "people.join_requests": "($1, $4, decode(repeat('00', 32), 'hex'), 'not_now', '', '', $2::timestamptz - interval '1 day', $2, $2, NULL)",
    "people.stand_ins": "($1, $4, $3, $5, '{see}', 'said', $5, $2::timestamptz - interval '1 day', $2, ($2::timestamptz AT TIME ZONE 'UTC')::date, NULL)",
    "people.recoveries": "($1, $4, $3, 'stopped', $2::timestamptz - interval '1 day', $2, $2, $3)",
    "people.looks": "($1, $3, ($2::timestamptz AT TIME ZONE 'UTC')::date, $5, 'found')",
}


@pytest.mark.database
async def test_a_row_goes_when_its_time_is_over_and_not_before(cast: Cast, fresh_dsn: Dsn) -> None:
    for table in sorted(ROWS):
        await goes_in_time(cast, fresh_dsn, table)


async def goes_in_time(cast: Cast, fresh_dsn: Dsn, table: str) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await put(cast, fresh_dsn, table, at)
    before = await count(fresh_dsn, table)

    await forget_over(cast.house, cast.group_id, now=at + timedelta(days=DAYS[table], hours=-1))
    assert await count(fresh_dsn, table) == before, table

    await forget_over(cast.house, cast.other_group_id, now=at + timedelta(days=DAYS[table] + 2))
    assert await count(fresh_dsn, table) == before, "another group's rows are its own"

    assert await forget_over(cast.house, cast.group_id, now=at + timedelta(days=DAYS[table] + 2)) == 1, table
    assert await count(fresh_dsn, table) == before - 1


@pytest.mark.database
async def test_the_server_forgets_by_itself_twice_an_hour(cast: Cast, fresh_dsn: Dsn) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await put(cast, fresh_dsn, "timebank.answers", at)
    there = await count(fresh_dsn, "timebank.answers")
    house = cast.house
    writer = Writer(house.database, house.keys, house.checkpoints)

    await due.sweep_group(house, writer, cast.group_id, now=at + timedelta(days=61, minutes=7))
    assert await count(fresh_dsn, "timebank.answers") == there
    await due.sweep_group(house, writer, cast.group_id, now=at + timedelta(days=61, minutes=30))
    await writer.close()

    assert await count(fresh_dsn, "timebank.answers") == there - 1


async def put(cast: Cast, dsn: Dsn, table: str, at: datetime) -> UUID:
    made = uuid4()
    values: Sequence[Any] = (cast.group_id, at, cast.ids["ada"], made, cast.ids["bo"])
    used = [value for place, value in enumerate(values, start=1) if f"${place}" in ROWS[table]]
    row = ROWS[table]
    for new, old in enumerate([p for p in range(1, 6) if f"${p}" in row], start=1):
        row = row.replace(f"${old}", f"${new}")
    async with connected(dsn, SUPERUSER) as connection:
        await connection.execute(f"INSERT INTO {table} VALUES {row}", *used)
    return made


async def count(dsn: Dsn, table: str) -> int:
    async with connected(dsn, SUPERUSER) as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
