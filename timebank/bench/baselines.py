"""What the writer is compared with: binary COPY of the same rows, and a ledger that locks rows.

Both get what makes them fast: ready rows, prepared statements, few round trips, the same tables
and indexes with the same rows in them, and figures for the planner.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from timebank.bench.measure import WentWrong
from timebank.ledger.canonical import entry_record
from timebank.ledger.entries import Draft, Entry, EntryKind, Transfer
from timebank.ledger.tree import commitment
from timebank.rules.commands import LogHours
from timebank.rules.people import Actor
from timebank.store.checkpoints import receipt_code
from timebank.store.engine import enter_group

if TYPE_CHECKING:
    from timebank.bench.stage import Group, Request, Stage

APPENDED: Final = ("answers", "records", "entries", "transfers", "hours")
BARE: Final = "bare_transfers"
_COPIES: Final = "bench_copies"
_LOCKING: Final = "bench_locking"
CONNECTIONS: Final = 16


# ---------------------------------------------------------------- COPY


Rows = dict[str, list[tuple[Any, ...]]]
"""The rows that one batch of the writer wrote, by table."""


class Copies:
    """Twins of the tables, filled by COPY as a role that bypasses row-level security."""

    def __init__(self, stage: Stage, group: Group) -> None:
        self.stage = stage
        self.group = group
        self._connection: Any = None

    async def open(self) -> None:
        """Make the twins: LIKE INCLUDING ALL, with the rows that are in the originals."""
        tables = (*APPENDED, "account_days")
        async with self.stage.superuser() as connection:
            await connection.execute(f"CREATE SCHEMA {_COPIES}")
            for table in tables:
                await _twin(connection, _COPIES, table, table)
                await connection.execute(f"INSERT INTO {_COPIES}.{table} SELECT * FROM timebank.{table}")
            await _twin(connection, _COPIES, BARE, "transfers")
            await connection.execute(f"INSERT INTO {_COPIES}.{BARE} SELECT * FROM timebank.transfers")
            await connection.execute(f"GRANT USAGE ON SCHEMA {_COPIES} TO timebank_migrate")
            await connection.execute(f"GRANT INSERT ON ALL TABLES IN SCHEMA {_COPIES} TO timebank_migrate")
            await connection.execute("VACUUM (ANALYZE)")
        self._connection = await asyncpg.connect(**self.stage.dsn("timebank_migrate"))

    async def close(self) -> None:
        """Drop the connection; the twins go with the database."""
        if self._connection is not None:
            await self._connection.close()

    async def rows_after(self, seq: int) -> Rows:
        """Return what the batch after a seq wrote; its day sums as rows that are new.

        The answers of a batch are those of its moment, which no other batch has.
        """
        group_id = self.group.group_id
        batch = f"group_id = '{group_id}' AND seq > {seq}"
        moment = f"group_id = '{group_id}' AND answered_at = (SELECT max(answered_at) FROM timebank.answers WHERE group_id = '{group_id}')"
        # A batch adds to sums of days that are there already. COPY can only write new rows, so these
        # go to a group of their own.
        days = f"""
            SELECT '{uuid4()}'::uuid, account_id, effective_on, sum(debits)::bigint, sum(credits)::bigint,
                   0::bigint, 0::bigint
              FROM (SELECT e.effective_on, s.account_id, s.debits, s.credits
                      FROM timebank.transfers AS t
                      JOIN timebank.entries AS e USING (group_id, seq)
                     CROSS JOIN LATERAL (VALUES (t.debit_account, t.amount, 0),
                                                (t.credit_account, 0, t.amount)) AS s (account_id, debits, credits)
                     WHERE t.group_id = '{group_id}' AND t.seq > {seq}) AS moved
          GROUP BY account_id, effective_on
        """
        queries = {
            table: f"SELECT * FROM timebank.{table} WHERE {moment if table == 'answers' else batch}"
            + ("" if table == "answers" else " ORDER BY seq")
            for table in APPENDED
        }
        queries["account_days"] = days
        async with self.stage.superuser() as connection:
            return {
                table: [tuple(row) for row in await connection.fetch(query)]
                for table, query in queries.items()
            }

    async def copy_all(self, rows: Rows) -> float:
        """Write all of them in one transaction, from values, as a program has to; return seconds per entry."""
        began = time.perf_counter()
        async with self._connection.transaction():
            for table, values in rows.items():
                await self._connection.copy_records_to_table(table, schema_name=_COPIES, records=values)
        return (time.perf_counter() - began) / len(rows["entries"])

    async def copy_bare(self, rows: Rows) -> float:
        """Write the transfer rows alone in one transaction; return seconds per entry."""
        began = time.perf_counter()
        async with self._connection.transaction():
            await self._connection.copy_records_to_table(BARE, schema_name=_COPIES, records=rows["transfers"])
        return (time.perf_counter() - began) / len(rows["entries"])

    async def count(self) -> int:
        """Return how many entries the twins have."""
        async with self.stage.superuser() as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {_COPIES}.entries"))


async def _twin(connection: Any, schema: str, name: str, original: str) -> None:
    await connection.execute(f"CREATE TABLE {schema}.{name} (LIKE timebank.{original} INCLUDING ALL)")


# ---------------------------------------------------------------- a ledger that locks rows


_LOCK_ACCOUNTS: Final = f"""
    SELECT account_id, floor, closed, debits, credits
      FROM {_LOCKING}.accounts
     WHERE group_id = $1 AND account_id = ANY($2::bigint[])
  ORDER BY account_id
       FOR UPDATE
"""
_NEXT_SEQ: Final = f"""
    UPDATE {_LOCKING}.book_heads
       SET seq = seq + 1, recorded_at = greatest(clock_timestamp(), recorded_at + interval '1 microsecond')
     WHERE group_id = $1
 RETURNING seq, recorded_at
"""
# Everything that a request writes, in one round trip.
_WRITE: Final = f"""
    WITH recorded AS (
        INSERT INTO {_LOCKING}.records (group_id, seq, kind, record, salt, commitment)
        VALUES ($1, $2, 'entry', $3, $4, $5)
    ), entered AS (
        INSERT INTO {_LOCKING}.entries (group_id, seq, entry_id, kind, source, effective_on, recorded_at,
                                        category, draw_id, reverses_seq)
        VALUES ($1, $2, $6, $7, 'hours', $8, $9, $10, NULL, NULL)
    ), transferred AS (
        INSERT INTO {_LOCKING}.transfers (group_id, seq, leg, debit_account, credit_account, amount,
                                          debit_balance, credit_balance)
        VALUES ($1, $2, 0, $11, $12, $13, $14, $15)
    ), dated AS (
        INSERT INTO {_LOCKING}.account_days AS d (group_id, account_id, effective_on, debits, credits,
                                                  reversal_debits, reversal_credits)
        VALUES ($1, $11, $8, $13, 0, 0, 0), ($1, $12, $8, 0, $13, 0, 0)
            ON CONFLICT (group_id, account_id, effective_on) DO UPDATE
           SET debits = d.debits + excluded.debits, credits = d.credits + excluded.credits
    ), answered AS (
        INSERT INTO {_LOCKING}.answers (group_id, answer_id, request_hash, status, body, answered_at)
        VALUES ($1, $16, $17, 201, $18, $9)
    ), logged AS (
        INSERT INTO {_LOCKING}.hours (group_id, hours_id, seq, state, giver_account, receiver_account, draw_id,
                                      minutes, effective_on, category, logged_by, logged_at)
        VALUES ($1, $6, $2, 'logged', $11, NULL, NULL, $13, $8, $10, $11, $9)
    )
    UPDATE {_LOCKING}.accounts
       SET debits  = debits  + CASE account_id WHEN $11 THEN $13::bigint ELSE 0 END,
           credits = credits + CASE account_id WHEN $12 THEN $13::bigint ELSE 0 END
     WHERE group_id = $1 AND account_id IN ($11, $12)
"""


class RowLocking:
    """A ledger as it is often written: each request is a transaction that locks its rows, sorted.

    It writes the rows that the writer writes, as the same role behind the same walls, and leaves
    out what the writer does on top: the tree and its signature.
    """

    def __init__(self, stage: Stage, group: Group) -> None:
        self.stage = stage
        self.group = group
        self.pot = 0
        self.written = 0
        self._connections: list[Any] = []

    async def open(self) -> None:
        """Make a twin of every hot table, walls and rows too, and sixteen connections."""
        tables = (*APPENDED, "accounts", "account_days", "book_heads")
        async with self.stage.superuser() as connection:
            await connection.execute(f"CREATE SCHEMA {_LOCKING}")
            await connection.execute(f"GRANT USAGE ON SCHEMA {_LOCKING} TO timebank_app")
            for table in tables:
                await _twin(connection, _LOCKING, table, table)
                await connection.execute(
                    f"INSERT INTO {_LOCKING}.{table} SELECT * FROM timebank.{table} WHERE group_id = $1",
                    self.group.group_id,
                )
                await connection.execute(f"""
                    GRANT SELECT, INSERT, UPDATE ON {_LOCKING}.{table} TO timebank_app;
                    ALTER TABLE {_LOCKING}.{table} ENABLE ROW LEVEL SECURITY;
                    ALTER TABLE {_LOCKING}.{table} FORCE ROW LEVEL SECURITY;
                    CREATE POLICY one_group ON {_LOCKING}.{table} TO timebank_app
                     USING (group_id = (SELECT NULLIF(current_setting('timebank.group', true), '')::uuid))
                      WITH CHECK (group_id = (SELECT NULLIF(current_setting('timebank.group', true), '')::uuid))
                """)
            await connection.execute("VACUUM (ANALYZE)")
            self.pot = await connection.fetchval(
                "SELECT pot_account FROM timebank.pots WHERE group_id = $1 AND unit = 'minutes'",
                self.group.group_id,
            )
        self._connections = [
            await asyncpg.connect(**self.stage.dsn("timebank_app")) for _ in range(CONNECTIONS)
        ]

    async def close(self) -> None:
        """Drop the connections; the twins go with the database."""
        for connection in self._connections:
            await connection.close()

    async def write(self, requests: list[Request]) -> float:
        """Write every request in a transaction of its own; return seconds for each of them."""
        waiting = list(requests)
        began = time.perf_counter()
        await asyncio.gather(*(self._work(connection, waiting) for connection in self._connections))
        seconds = time.perf_counter() - began
        self.written += len(requests)
        return seconds / len(requests)

    async def check(self) -> None:
        """Count what is there.

        Raises:
            WentWrong: A request left no trace, or two.
        """
        async with self.stage.superuser() as connection:
            row = await connection.fetchrow(f"""
                SELECT (SELECT count(*) FROM {_LOCKING}.entries) - (SELECT count(*) FROM timebank.entries
                         WHERE group_id = '{self.group.group_id}') AS gap,
                       (SELECT sum(amount) FROM {_LOCKING}.transfers)
                     = (SELECT sum(debits) FROM {_LOCKING}.accounts) AS sums,
                       (SELECT max(seq) FROM {_LOCKING}.records)
                     = (SELECT seq FROM {_LOCKING}.book_heads) AS gapless
            """)
        if not row["sums"] or not row["gapless"]:
            raise WentWrong(f"the row-locking ledger is wrong itself: {dict(row)}")

    async def _work(self, connection: Any, waiting: list[Request]) -> None:
        while waiting:
            await self._write_one(connection, waiting.pop())

    async def _write_one(self, connection: Any, request: Request) -> None:
        command, actor, key, request_hash = request
        group_id = self.group.group_id
        await connection.execute(enter_group(group_id))
        locked = await connection.fetch(_LOCK_ACCOUNTS, group_id, [actor.account, self.pot])
        accounts = {row["account_id"]: row for row in locked}
        giver, pot = accounts[actor.account], accounts[self.pot]
        net = giver["credits"] - giver["debits"] - command.minutes
        if giver["closed"] or pot["closed"] or (giver["floor"] is not None and net < giver["floor"]):
            raise WentWrong("the row-locking ledger refused a request")
        seq, recorded_at = await connection.fetchrow(_NEXT_SEQ, group_id)
        balances = net, pot["credits"] - pot["debits"] + command.minutes
        row = _row(command, actor, self.pot, seq, recorded_at, balances)
        answer_id = UUID(bytes=sha256(b"%d\0%s" % (actor.account, key.encode())).digest()[:16])
        await connection.execute(
            _WRITE, group_id, seq, *row.record, row.entry_id, EntryKind.HELP_GIVEN.value, command.effective_on,
            recorded_at, command.category, actor.account, self.pot, command.minutes, *balances, answer_id,
            request_hash, row.body,
        )  # fmt: skip
        await connection.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class _Row:
    entry_id: UUID
    record: tuple[bytes, bytes, bytes]
    body: bytes


def _row(
    command: LogHours, actor: Actor, pot: int, seq: int, recorded_at: datetime, balances: tuple[int, int]
) -> _Row:
    """Make the bytes of one request, with the same functions as the writer."""
    entry_id = uuid4()
    draft = Draft(
        entry_id=entry_id,
        kind=EntryKind.HELP_GIVEN,
        source="hours",
        transfers=(Transfer("minutes", actor.account, pot, command.minutes),),
        effective_on=command.effective_on,
        actor=actor.account,
        category=command.category,
    )
    record = entry_record(Entry(seq, draft, recorded_at, (balances,), None))
    salt = os.urandom(32)
    sealed = commitment(b"bench-locking-id", salt, record)
    body = msgspec.json.encode(
        {
            "id": str(entry_id),
            "entry": str(entry_id),
            "state": "logged",
            "minutes": command.minutes,
            "effective_on": command.effective_on.isoformat(),
            "receipt": receipt_code(sealed),
        }
    )
    return _Row(entry_id, (record, salt, sealed), body)
