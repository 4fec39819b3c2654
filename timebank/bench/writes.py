"""How fast the one door is, in this process: batches long and short, against COPY and against row locks."""

from __future__ import annotations

import gc
import os
import time
from typing import TYPE_CHECKING

from timebank.bench.baselines import Copies, RowLocking, Rows
from timebank.bench.imports import LargePast
from timebank.bench.measure import Run, Say, WentWrong, in_turns
from timebank.bench.plan import (
    BATCH,
    BATCH_LONG,
    BATCH_SHORT,
    COPY_ALL,
    COPY_BARE,
    FRESH,
    IMPORT,
    LONG_BATCH,
    ROW_LOCKING,
    SHARE,
    Plan,
)
from timebank.bench.stage import make_requests
from timebank.ledger.canonical import read_entry
from timebank.ledger.entries import Entry
from timebank.ledger.tree import Frontier
from timebank.store.book import Head, seal_records

if TYPE_CHECKING:
    from collections.abc import Collection

    from timebank.bench.stage import Group, Stage

NAMES = frozenset({COPY_ALL, COPY_BARE, ROW_LOCKING, LONG_BATCH, FRESH, IMPORT, SHARE})


class Writes:
    """The ways to write that are measured in turns.

    Args:
        stage, loaded: The group that has its entries and its figures for the planner.
        fresh_stage, fresh: A group in a database that was made just now and never analysed.

    Attributes:
        large: What was imported, if that was wanted.
    """

    def __init__(
        self, stage: Stage, loaded: Group, fresh_stage: Stage, fresh: Group | None, plan: Plan
    ) -> None:
        self.stage = stage
        self.loaded = loaded
        self.fresh_stage = fresh_stage
        self.fresh = fresh
        self.plan = plan
        self.large = LargePast(stage, plan)
        self._rows: Rows = {}
        self._seq = 0

    async def measure(self, wanted: Collection[str], say: Say) -> dict[str, list[float]]:
        """Return seconds per entry of each way that the wanted ratios need."""
        runs: dict[str, Run] = {}
        copies = locking = None
        found: dict[str, list[float]] = {}
        if {COPY_ALL, COPY_BARE, ROW_LOCKING, LONG_BATCH, SHARE} & set(wanted):
            runs["batch_1000"] = self._batch
        runs |= {"proof": self._proof} if SHARE in wanted else {}
        if {COPY_ALL, COPY_BARE, IMPORT} & set(wanted):
            say("making twins of the tables for COPY")
            copies = Copies(self.stage, self.loaded)
            await copies.open()
        if copies is not None and {COPY_ALL, COPY_BARE} & set(wanted):
            runs["copy_all"] = self._copy_all(copies)
            runs["copy_bare"] = self._copy_bare(copies)
        runs |= {"batch_5000": lambda: self._write(BATCH_LONG)} if LONG_BATCH in wanted else {}
        if ROW_LOCKING in wanted:
            say("making twins of the tables for a ledger that locks rows")
            locking = RowLocking(self.stage, self.loaded)
            await locking.open()
            runs["row_locking"] = self._row_locking(locking)
        if FRESH in wanted:
            runs["batch_100"] = self._short
            runs["fresh_100"] = self._short_fresh
        try:
            if runs:
                found = await in_turns(runs, rounds=self.plan.rounds, say=say)
            if locking is not None:
                await locking.check()
            if copies is not None and IMPORT in wanted:
                found |= await self._imports(copies, say)
        finally:
            if copies is not None:
                await copies.close()
            if locking is not None:
                await locking.close()
        return found

    async def _batch(self) -> float:
        group_id = self.loaded.group_id
        async with self.stage.superuser() as connection:
            self._seq = await connection.fetchval(
                "SELECT seq FROM timebank.book_heads WHERE group_id = $1", group_id
            )
        return await self._write(BATCH)

    async def _write(self, size: int) -> float:
        return await self.stage.write(self.loaded, make_requests(self.loaded, size))

    def _copy_all(self, copies: Copies) -> Run:
        async def run() -> float:
            self._rows = await copies.rows_after(self._seq)
            sizes = {table: len(rows) for table, rows in self._rows.items() if table != "account_days"}
            if set(sizes.values()) != {BATCH}:
                raise WentWrong(f"a batch of {BATCH} wrote {sizes}")
            return await copies.copy_all(self._rows)

        return run

    async def _imports(self, copies: Copies, say: Say) -> dict[str, list[float]]:
        """Measure COPY once more, in turns with imports, which take too long for every round."""
        copy_all = self._copy_all(copies)

        async def many_copies() -> float:
            seconds = 0.0
            for _ in range(self.plan.import_copies):
                await self._batch()
                seconds += await copy_all()
            self._rows = {}
            return seconds / self.plan.import_copies

        say("importing a large past")
        runs: dict[str, Run] = {"copy_all_beside_import": many_copies, "import": self.large.run}
        return await in_turns(runs, rounds=self.plan.import_rounds, warm_up=0, say=say)

    async def _proof(self) -> float:
        """Make record bytes, salts, commitments and tree of the last batch once more, and nothing else of it."""
        async with self.stage.superuser() as connection:
            group_id = self.loaded.group_id
            frontier, book_id = await connection.fetchrow(
                "SELECT h.frontier, g.book_id FROM timebank.book_heads AS h JOIN timebank.groups AS g USING (group_id)"
                " WHERE group_id = $1",
                group_id,
            )
            rows = await connection.fetch(
                "SELECT seq, record FROM timebank.records WHERE group_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                group_id,
                self._seq,
                BATCH,
            )
        size = self._seq + len(rows)
        entries = [Entry(size + at, *read_entry(row["record"]), (), None) for at, row in enumerate(rows, 1)]
        head = Head(group_id, size, Frontier.from_bytes(size, frontier), entries[0].recorded_at, 1, 1)
        if len(rows) != BATCH:
            raise WentWrong(f"a batch of {BATCH} wrote {len(rows)} records")
        gc.collect()
        began = time.perf_counter()
        seal_records(head, book_id, entries, os.urandom(32 * BATCH))
        head.frontier.root()
        return (time.perf_counter() - began) / BATCH

    def _copy_bare(self, copies: Copies) -> Run:
        async def run() -> float:
            seconds = await copies.copy_bare(self._rows)
            # Half a million values that nobody needs any more would slow down who measures next.
            self._rows = {}
            return seconds

        return run

    def _row_locking(self, locking: RowLocking) -> Run:
        async def run() -> float:
            return await locking.write(make_requests(self.loaded, self.plan.row_locking))

        return run

    async def _short(self) -> float:
        batches = self.plan.short_batches
        return sum([await self._write(BATCH_SHORT) for _ in range(batches)]) / batches

    async def _short_fresh(self) -> float:
        assert self.fresh is not None
        batches = [make_requests(self.fresh, BATCH_SHORT) for _ in range(self.plan.short_batches)]
        return sum([await self.fresh_stage.write(self.fresh, batch) for batch in batches]) / len(batches)
