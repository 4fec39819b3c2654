"""What the book promises under load, as functions that fail; negative controls call them, too, and want that.

Every one takes doors (stands) that stand before the same group: several are several processes'
worth of writers and connection pools.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from tests.database import Dsn
from tests.properties.stand import Stand, ask, code, hand_over, hours, money, open_stand, said, shut
from timebank.errors import Refusal
from timebank.rules.commands import ApproveDraw, CorrectEntry, Instead
from timebank.store.engine import STORE_ERRORS

T = TypeVar("T")


class Broken(AssertionError):
    """A promise did not hold."""


@asynccontextmanager
async def another_door(first: Stand, home: Path) -> AsyncIterator[Stand]:
    """A second writer with connections of its own before the same groups."""
    second = await open_stand(first.dsn, home)
    second.groups = first.groups
    try:
        yield second
    finally:
        await shut(second)


_LOOK = """
    SELECT kind, unit, pot_account, credits - debits, debits, credits
      FROM timebank.accounts
"""


async def look(stand: Stand, *, facts: bool) -> None:
    """Read every account at one moment and fail unless the figures fit together.

    Args:
        facts: Whether corrections are among what goes on: a fact may leave a pot short.
    """
    totals: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for kind, unit, _, net, debits, credits_ in await stand.rows(_LOOK):
        totals[unit] += credits_ - debits
        if kind in {"promised", "pot"} and unit != "minutes":
            held[unit] += net
            if net < 0 and not (facts and kind == "pot"):
                raise Broken(f"a {kind} account of {unit} is at {net}")
        if kind == "held":
            held[unit] += net
            if net > 0:
                raise Broken(f"a held place of {unit} is at {-net}")
    if any(totals.values()):
        raise Broken(f"debits and credits differ: {totals}")
    if any(held.values()):
        raise Broken(f"what is held is not what pots have: {held}")


async def watch(stand: Stand, done: asyncio.Event, *, facts: bool) -> int:
    """Look again and again until the event is set; return how often."""
    looks = 0
    while not done.is_set():
        await look(stand, facts=facts)
        looks += 1
        await asyncio.sleep(0)
    await look(stand, facts=facts)
    return looks + 1


async def every_read_balances(doors: Sequence[Stand], *, clients: int = 32, rounds: int = 12) -> int:
    """Debits equal credits in every read while many people do different things; return how many reads."""
    done = asyncio.Event()
    watching = [asyncio.create_task(watch(door, done, facts=True)) for door in doors for _ in range(2)]
    try:
        await asyncio.gather(
            *[_a_client(doors[number % len(doors)], number, rounds) for number in range(clients)]
        )
    finally:
        done.set()
        looks = await asyncio.gather(*watching, return_exceptions=True)
    for result in looks:
        if isinstance(result, BaseException):
            raise result
    return sum(look for look in looks if isinstance(look, int))


async def _a_client(door: Stand, number: int, rounds: int) -> None:
    chance = random.Random(number)
    people = sorted(door.group.people)
    entries: list[str] = []
    for _ in range(rounds):
        who = chance.choice(people)
        deed = chance.randrange(5)
        if deed == 0:
            entries.append(said(await door.send("ed", money(chance.randint(1, 400))))["entry"])
        elif deed == 1:
            await door.send(who, *[hours(chance.randint(1, 90)) for _ in range(chance.randint(2, 9))])
        elif deed == 2:
            draw = said(await door.send("ada", ask(chance.randint(1, 300))))["id"]
            await door.send(chance.choice(["bo", "di"]), ApproveDraw(UUID(draw)))
            await door.send(chance.choice(["ed", "hal"]), hand_over(UUID(draw)))
        elif deed == 3 and entries:
            wrong = UUID(entries.pop())
            instead = Instead(amount=chance.randint(1, 400)) if chance.random() < 0.5 else None
            await door.send("ed", CorrectEntry(wrong, instead=instead))
        else:
            entries.append(said(await door.send(who, hours(chance.randint(1, 90))))["entry"])
            if "steward" not in door.group.people[who].roles:
                entries.pop()


async def a_hundred_hands_over_ten_times_ten(doors: Sequence[Stand], *, draws: int = 60) -> None:
    """A pot with 100 and 60 draws of 10, all at once: exactly ten, and nobody ever sees it below zero."""
    first = doors[0]
    assert code(await first.send("ed", money(100))) == "ok"

    done = asyncio.Event()
    watching = [asyncio.create_task(watch(door, done, facts=False)) for door in doors]
    paid: list[str] = []

    async def one(number: int) -> None:
        door = doors[number % len(doors)]
        draw = UUID(said(await door.send("ada" if number % 2 else "flo", ask(10)))["id"])
        door = doors[(number + 1) % len(doors)]
        steward = ("bo", "di", "gus")[number % 3]
        await door.send(steward, ApproveDraw(draw))
        # Both treasurers reach for it at the same time.
        both = await asyncio.gather(
            door.send("ed", hand_over(draw)), doors[number % len(doors)].send("hal", hand_over(draw))
        )
        paid.extend(str(draw) for answer in both if code(answer) == "ok")

    sent = await asyncio.gather(*[one(number) for number in range(draws)], return_exceptions=True)
    done.set()
    # What readers saw comes first: a request that failed may be the lesser evil.
    for result in [*await asyncio.gather(*watching, return_exceptions=True), *sent]:
        if isinstance(result, BaseException):
            raise result
    if len(paid) != 10 or len(set(paid)) != 10:
        raise Broken(f"{len(paid)} draws were handed over, {len(set(paid))} different ones")
    rows = await first.rows(
        "SELECT count(*) FILTER (WHERE amount_handed = 10) AS handed, sum(amount_handed) AS sum,"
        "       (SELECT count(*) FROM timebank.entries WHERE kind = 'hand_over') AS entries"
        "  FROM timebank.draws"
    )
    if tuple(rows[0]) != (10, 100, 10):
        raise Broken(f"(draws, coins, entries) handed over: {tuple(rows[0])}")


async def one_key_fifty_times_is_one_effect(
    doors: Sequence[Stand], *, times: int = 50, key: str = "the-same"
) -> None:
    """The same request under the same key, all at once: one effect, identical bytes."""
    before = await doors[0].rows("SELECT count(*) AS n FROM timebank.entries")
    answers = await asyncio.gather(
        *[doors[number % len(doors)].send("ada", hours(25), key=key) for number in range(times)]
    )
    after = await doors[0].rows("SELECT count(*) AS n FROM timebank.entries")
    if after[0]["n"] - before[0]["n"] != 1:
        raise Broken(f"{after[0]['n'] - before[0]['n']} effects of one key")
    if len({(answer.status, answer.body) for answer in answers}) != 1:
        raise Broken("answers under one key differ")
    if sum(not answer.replayed for answer in answers) != 1:
        raise Broken("not exactly one of the answers is the first")


async def without_a_group_there_are_no_rows(dsn: Dsn) -> None:
    """Every tenant table shows nothing outside a group's wall: on a fresh connection and on a used one."""
    connection = await asyncpg.connect(**dsn("timebank_app"))
    try:
        tables = [
            f"{schema}.{table}"
            for schema, table in await connection.fetch(
                """
                SELECT c.table_schema, c.table_name
                  FROM information_schema.columns AS c
                 WHERE c.column_name = 'group_id'
                   AND c.table_schema IN ('timebank', 'people')
                   AND c.table_name <> 'published_slugs'
              ORDER BY 1, 2
                """
            )
        ]
        assert len(tables) > 20, tables
        group_id = await connection.fetchval("SELECT group_id FROM timebank.published_slugs LIMIT 1")
        for used in (False, True):
            if used:
                async with connection.transaction():
                    await connection.execute("SELECT set_config('timebank.group', $1, true)", str(group_id))
                    assert await connection.fetchval("SELECT count(*) FROM timebank.accounts") > 0
            for table in tables:
                try:
                    rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
                except asyncpg.PostgresError as error:
                    raise Broken(f"{table} cannot be asked: {error}") from error
                if rows:
                    raise Broken(f"{table} shows {rows} rows outside any group")
    finally:
        await connection.close()


async def what_was_acknowledged_survives_the_postmaster(
    door: Stand, cluster: Any, *, seconds: float = 1.5
) -> int:
    """Kill PostgreSQL under load: all that was acknowledged is there afterwards; return how much that was."""
    acknowledged: set[str] = set()
    stopping = asyncio.Event()

    async def client(number: int) -> None:
        people = sorted(door.group.people)
        while not stopping.is_set():
            try:
                answer = await door.send(people[number % len(people)], hours(5))
            except Refusal:
                await asyncio.sleep(0.01)
            else:
                acknowledged.add(said(answer)["entry"])

    clients = [asyncio.create_task(client(number)) for number in range(16)]
    await asyncio.sleep(seconds)
    os.kill(cluster.pid, signal.SIGKILL)
    stopping.set()
    await asyncio.gather(*clients)
    # A process of the server that was killed may still answer for a moment, out of memory that is lost with it.
    await door.house.database.hot.expire_connections()
    rows = await _patiently(lambda: door.rows("SELECT entry_id FROM timebank.entries"))
    lost = acknowledged - {str(row["entry_id"]) for row in rows}
    if lost:
        raise Broken(f"{len(lost)} of {len(acknowledged)} acknowledged entries are gone")
    return len(acknowledged)


async def _patiently(ask_again: Callable[[], Awaitable[T]], *, seconds: float = 60.0) -> T:
    """Ask until the database is back."""
    give_up = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await ask_again()
        except (Refusal, *STORE_ERRORS):
            if asyncio.get_running_loop().time() > give_up:
                raise
            await asyncio.sleep(0.1)


async def writers_take_turns(doors: Sequence[Stand], *, times: int = 25) -> None:
    """Single requests of several writers at the same time: every one is written, none is turned away."""

    async def one_after_the_other(door: Stand) -> None:
        for _ in range(times):
            await door.send("ada", hours(15))

    await asyncio.gather(*[one_after_the_other(door) for door in doors])
    rows = await doors[0].rows("SELECT count(*) AS n FROM timebank.transfers WHERE amount = 15")
    if rows[0]["n"] != times * len(doors):
        raise Broken(f"{rows[0]['n']} of {times * len(doors)} entries")
