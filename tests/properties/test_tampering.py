"""Whoever owns the database and not the keys changes something at random: verify finds it and names the first wrong record.

Each change is made as superuser, in a database without any constraint or trigger, and taken back after it was looked for.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pytest
import pytest_asyncio

from tests.database import Dsn
from tests.properties.stand import Stand, a_stand, hours
from tests.services.test_verify import CHANGES, UNPROVED, do_a_bit_of_everything, unguarded, untriggered
from timebank.ledger.canonical import parse, read_entry
from timebank.ledger.public_log import read_leaf
from timebank.ledger.tree import Frontier, commitment, leaf_hash, root_of
from timebank.services.close import close_period
from timebank.services.house import House
from timebank.services.public_verify import verify_with
from timebank.services.verify import Verdict, verify_group
from timebank.store.engine import Database

COUNT: Final = int(os.environ.get("TIMEBANK_TEST_TAMPER", "200"))
SEED: Final = int(os.environ.get("TIMEBANK_TAMPER_SEED", "7"))

BOOK: Final = ("records", "entries", "transfers")
LOG: Final = ("published_leaves", "published_nodes", "published_checkpoints")
TABLES: Final = (
    *BOOK,
    *LOG,
    "accounts",
    "account_days",
    "book_heads",
    "closes",
    "policies",
    "published_policies",
    "published_periods",
    "published_balances",
    "published_held",
    "published_flows",
    "published_lines",
)


class Column(NamedTuple):
    name: str
    type: str
    nullable: bool


class Change(NamedTuple):
    """What was done, for whoever reads why it was not found; ``seq`` is the first wrong record, None for none."""

    what: str
    seq: int | None
    changed: bool = True
    in_order_only: bool = False

    @property
    def allowed(self) -> set[int]:
        """The records that verify may name: where only the order is wrong, the one after stands too early."""
        assert self.seq is not None
        return {self.seq, self.seq + 1} if self.in_order_only else {self.seq}


class Inside:
    """A connection inside one transaction and one group: what verify begins and ends there is nothing more."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.fetch = connection.fetch
        self.fetchrow = connection.fetchrow
        self.fetchval = connection.fetchval
        self.is_closed = connection.is_closed

    async def execute(self, statement: str) -> None:
        if statement != "ROLLBACK" and not statement.startswith("BEGIN"):
            await self._connection.execute(statement)


class OneConnection:
    """A pool that lends one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = Inside(connection)
        self.hot = self

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[Inside]:
        assert timeout
        yield self._connection


class Tampering:
    """A book whose owner changes something, again and again."""

    def __init__(self, stand: Stand, connection: Any, chance: random.Random) -> None:
        self.group_id = stand.group.group_id
        self.db = connection
        self.chance = chance
        self.house: House = dataclasses.replace(
            stand.house, database=cast("Database", OneConnection(connection))
        )
        self.columns: dict[str, list[Column]] = {}

    async def look(self) -> Verdict:
        return await verify_group(self.house, self.group_id)

    async def learn(self) -> None:
        rows = await self.db.fetch(
            "SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns"
            " WHERE table_schema = 'timebank' AND table_name = ANY($1::text[])",
            list(TABLES),
        )
        for table, *column in rows:
            self.columns.setdefault(table, []).append(Column(*column))

    async def rows(self, table: str, many: int = 1) -> list[Any]:
        rows = await self.db.fetch(
            f"SELECT ctid::text AS ctid, t.* FROM timebank.{table} AS t ORDER BY t.ctid"
        )
        return self.chance.sample(rows, min(many, len(rows)))

    def column(self, table: str) -> Column:
        proved = [
            column
            for column in self.columns[table]
            if (table, column.name) not in UNPROVED
            # Under open every line has its day; a seq of NULL is a row of no record, as one that was deleted.
            and column.name != "group_id"
        ]
        return self.chance.choice(proved)

    # ------------------------------------------------------------ what can be done

    async def flip(self, table: str) -> Change:
        (row,) = await self.rows(table)
        column = self.column(table)
        value = row[column.name]
        at = self.chance.randrange(len(value)) if isinstance(value, bytes) and value else 0
        to = CHANGES[column.type].format(column=column.name, at=at)
        if column.type == "bytea" and value:
            bit = 1 << self.chance.randrange(8)
            to = f"set_byte({column.name}, {at}, get_byte({column.name}, {at}) # {bit})"
        elif column.type == "text" and value:
            at = self.chance.randrange(len(value))
            to = f"overlay({column.name} placing '{'q' if value[at] != 'q' else 'z'}' from {at + 1} for 1)"
        elif column.type in {"bigint", "integer"} and value is not None:
            to = f"{column.name} + {self.chance.choice((-60, -1, 1, 7, 1000))}"
        if column.nullable and value is not None and self.chance.random() < 0.3:
            to = "NULL"
        if value is None and column.type not in {"bigint", "uuid"}:
            to = {"date": "date '2026-01-02'", "timestamp with time zone": "now()"}.get(column.type, "'x'")
        await self.db.execute(
            f"UPDATE timebank.{table} SET {column.name} = {to} WHERE ctid = '{row['ctid']}'::tid"
        )
        seqs = [row["seq"]] if table in BOOK else []
        if seqs and column.name == "seq":
            # Before the beginning no record has a number: verify says 0.
            seqs.append(max(0, await self._new_seq(table, row, to)))
        return Change(f"{table}.{column.name} = {to} of {dict(row)}", self._first(table, seqs))

    async def _new_seq(self, table: str, row: Any, to: str) -> int:
        found: int = await self.db.fetchval(f"SELECT {to.replace('seq', str(row['seq']))}")
        return found

    async def delete(self, table: str) -> Change:
        (row,) = await self.rows(table)
        await self.db.execute(f"DELETE FROM timebank.{table} WHERE ctid = '{row['ctid']}'::tid")
        return Change(f"{dict(row)} of {table} deleted", self._first(table, [row.get("seq", 0)]))

    async def insert(self, table: str) -> Change:
        (row,) = await self.rows(table)
        names = [column.name for column in self.columns[table]]
        await self.db.execute(
            f"INSERT INTO timebank.{table} ({', '.join(names)})"
            f" SELECT {', '.join(names)} FROM timebank.{table} WHERE ctid = '{row['ctid']}'::tid"
        )
        return Change(f"{dict(row)} of {table} twice", self._first(table, [row.get("seq", 0)]))

    async def swap(self, table: str) -> Change:
        rows = await self.rows(table, 2)
        column = self.column(table)
        if len(rows) < 2 or rows[0][column.name] == rows[1][column.name]:
            return Change("", None, changed=False)
        one, two = rows
        await self.db.execute(
            f"UPDATE timebank.{table} AS t SET {column.name} = o.{column.name} FROM timebank.{table} AS o"
            f" WHERE t.ctid IN ('{one['ctid']}', '{two['ctid']}')"
            f" AND o.ctid IN ('{one['ctid']}', '{two['ctid']}') AND t.ctid <> o.ctid"
        )
        first = self._first(table, [row.get("seq", 0) for row in rows])
        if self._alike(column.name, table, one, two):
            return Change("", None, changed=False)
        in_order_only = (table, column.name) == ("records", "seq")
        what = f"{table}.{column.name} of {dict(one)} and {dict(two)} swapped"
        return Change(what, first, in_order_only=in_order_only)

    def _alike(self, swapped: str, table: str, one: Any, two: Any) -> bool:
        """Say whether two rows differ in one column and in what proves nothing: swapped, they are what they were."""
        names = [column.name for column in self.columns[table] if column.name != swapped]
        return all(one[name] == two[name] for name in names if (table, name) not in UNPROVED)

    async def truncate(self, table: str) -> Change:
        """Cut off the end, somewhere; or all of it."""
        rows = await self.db.fetch(
            f"SELECT ctid::text AS ctid, t.* FROM timebank.{table} AS t ORDER BY {ORDERS.get(table, 't.ctid')}"
        )
        gone = rows[self.chance.randrange(len(rows)) :] if self.chance.random() < 0.8 else rows
        await self.db.execute(
            f"DELETE FROM timebank.{table} WHERE ctid = ANY($1::tid[])",
            [tuple(map(int, row["ctid"].strip("()").split(","))) for row in gone],
        )
        seqs = [row["seq"] for row in gone] if table in BOOK else []
        return Change(f"{len(gone)} of {len(rows)} rows of {table} cut off", self._first(table, seqs))

    def _first(self, table: str, seqs: list[int]) -> int | None:
        return min(seqs) if table in BOOK else None

    # ------------------------------------------------------------ hashed again, without the key

    async def rehash_book(self, _table: str) -> Change:
        """Write other records, and every hash above them; only signatures are left as they are."""
        rows = await self.db.fetch("SELECT seq, record, salt FROM timebank.records ORDER BY seq")
        victim = self.chance.choice(rows)
        told = json.loads(victim["record"])
        told["actor"] = told["actor"] + 1
        changed = json.dumps(told, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
        book_id = await self.db.fetchval(
            "SELECT book_id FROM timebank.groups WHERE group_id = $1", self.group_id
        )
        frontier = Frontier()
        for row in rows:
            record = changed if row is victim else row["record"]
            sealed = commitment(book_id, row["salt"], record)
            frontier.append(leaf_hash(sealed))
            if row is victim:
                await self.db.execute(
                    "UPDATE timebank.records SET record = $2, commitment = $3 WHERE seq = $1",
                    row["seq"], record, sealed,
                )  # fmt: skip
        await self.db.execute("UPDATE timebank.book_heads SET frontier = $1", frontier.to_bytes())
        return Change(f"record {victim['seq']} written anew, and the tree", None)

    async def rehash_log(self, _table: str) -> Change:
        """Write another leaf, and every hash above it; only signatures are left as they are."""
        rows = await self.db.fetch(
            "SELECT leaf_index, commitment, leaf, hash FROM timebank.published_leaves ORDER BY leaf_index"
        )
        lines = [row for row in rows if b'"available":' in row["leaf"] and b'"day"' in row["leaf"]]
        victim = self.chance.choice(lines or rows)
        leaf = victim["leaf"].replace(b'"available":', b'"available":1', 1)
        hashes = [leaf_hash(leaf) if row is victim else row["hash"] for row in rows]
        await self.db.execute(
            "UPDATE timebank.published_leaves SET leaf = $2, hash = $3 WHERE leaf_index = $1",
            victim["leaf_index"], leaf, leaf_hash(leaf),
        )  # fmt: skip
        place = victim["leaf_index"] // 256
        if len(hashes) >= 256 * (place + 1):
            await self.db.execute(
                "UPDATE timebank.published_nodes SET hash = $2 WHERE node_index = $1 AND level = 1",
                place,
                root_of(hashes[256 * place : 256 * (place + 1)]),
            )
        frontier, at = Frontier(), 0
        for size in [
            row[0]
            for row in await self.db.fetch("SELECT size FROM timebank.published_checkpoints ORDER BY 1")
        ]:
            for hash_ in hashes[at:size]:
                frontier.append(hash_)
            at = size
            await self.db.execute(
                "UPDATE timebank.published_checkpoints SET frontier = $2 WHERE size = $1",
                size,
                frontier.to_bytes(),
            )
        return Change(f"leaf {victim['leaf_index']} written anew, and the tree", None)


ORDERS: Final = {
    "records": "seq",
    "entries": "seq",
    "transfers": "seq, leg",
    "published_leaves": "leaf_index",
    "published_checkpoints": "period",
    "published_periods": "period",
    "closes": "period",
}
Act = Callable[[Tampering, str], Coroutine[Any, Any, Change]]
ACTS: Final[tuple[Act, ...]] = (
    Tampering.flip, Tampering.flip, Tampering.flip, Tampering.delete, Tampering.insert, Tampering.swap,
    Tampering.truncate,
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def published(fresh_dsn: Dsn, tmp_path: Path) -> AsyncIterator[Stand]:
    """A group that did a bit of everything, with some periods closed and a day after them."""
    async with a_stand(fresh_dsn, tmp_path) as stand:
        await do_a_bit_of_everything(stand)
        # A tile of leaves is full, in few periods: each of them costs every look.
        await stand.send("ada", *(hours(minutes) for minutes in range(1, 236)))
        await close_period(stand.house, stand.group.group_id, now=datetime.now(UTC) + timedelta(days=3))
        await do_a_bit_of_everything(stand)
        await stand.house.checkpoints.close()
        yield stand


@pytest.fixture
def reading_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what depends on bytes alone be worked out once for the same bytes: each look is at nearly the same book."""
    once = lru_cache(maxsize=20_000)
    monkeypatch.setattr("timebank.ledger.public_check.read_leaf", leaf := once(read_leaf))
    monkeypatch.setattr("timebank.rules.log_audit.read_leaf", leaf)
    monkeypatch.setattr("timebank.services.whole_log.verify_with", signed := once(verify_with))
    monkeypatch.setattr("timebank.services.public_verify.verify_with", signed)
    monkeypatch.setattr("timebank.ledger.checks.read_entry", once(read_entry))
    parsed = once(parse)
    for module in ("timebank.ledger.checks", "timebank.rules.audit", "timebank.rules.log_audit"):
        monkeypatch.setattr(f"{module}.parse", lambda data: copy.copy(parsed(data)))


@pytest.mark.usefixtures("reading_once")
async def test_whatever_is_changed_without_the_keys_is_found_and_the_first_wrong_record_is_named(
    published: Stand,
) -> None:
    connection = await unguarded(published.dsn)
    await connection.execute("ANALYZE")
    tampering = Tampering(published, connection, random.Random(SEED))
    await tampering.learn()
    assert all([await connection.fetchval(f"SELECT count(*) FROM timebank.{table}") for table in TABLES])
    transaction = connection.transaction()
    await transaction.start()
    # Seen by chance alone, and rarely: the newest checkpoint goes, and what it is about stays.
    await connection.execute(
        "DELETE FROM timebank.published_checkpoints"
        " WHERE period = (SELECT max(period) FROM timebank.published_checkpoints)"
    )
    assert "log_whole" in {finding.check for finding in (await tampering.look()).findings}
    await transaction.rollback()
    missed, done = [], 0
    while done < COUNT:
        transaction = connection.transaction()
        await transaction.start()
        if tampering.chance.random() < 0.04:
            act, table = tampering.chance.choice((Tampering.rehash_book, Tampering.rehash_log)), ""
        else:
            act, table = tampering.chance.choice(ACTS), tampering.chance.choice(TABLES)
        change = await act(tampering, table)
        if change.changed:
            done += 1
            verdict = await tampering.look()
            named = {finding.seq for finding in verdict.findings}
            if verdict.ok or (change.seq is not None and not named & change.allowed):
                missed.append((change, verdict.findings))
        await transaction.rollback()

    assert not missed, "\n".join(map(str, missed[:20])) + f"\n{len(missed)} of {done}, seed {SEED}"
    async with connection.transaction():
        assert (await tampering.look()).findings == ()
    await connection.close()


async def test_only_a_tail_newer_than_the_checkpoint_beside_the_keys_can_go_unseen_and_it_says_so(
    published: Stand,
) -> None:
    # What was written since the file was kept can be cut off cleanly, head and signed checkpoint with it.
    kept = published.house.checkpoints.read_kept(published.group.group_id)
    connection = await untriggered(published.dsn)
    before = await verify_group(published.house, published.group.group_id)
    published.house.checkpoints.keep = lambda *_: None  # type: ignore[method-assign]
    await published.send("ada", hours(15))
    await published.send("ada", hours(25))
    assert published.house.checkpoints.read_kept(published.group.group_id) == kept
    for table in ("records", "entries", "transfers", "accounts", "account_days", "book_heads"):
        await connection.execute(
            f"DELETE FROM timebank.{table}; INSERT INTO timebank.{table} SELECT * FROM saved_{table}"
        )

    verdict = await verify_group(published.house, published.group.group_id)

    assert verdict.ok
    # This is how far it is proved; what was written after it is the window.
    assert verdict.kept == before.records == verdict.records
    await connection.close()
