"""A batch as long as it has to be, in one transaction: decided and written slice by slice, kept whole or not at all.

The writer's batches fit in memory and are over in a moment; a group's past is neither. While this
runs, the group's head is locked: everybody else who writes for that group waits, and is told for
how long. Other groups go on. In rehearsal nothing is locked and nothing is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.ledger.accounts import Account, AccountKind
from timebank.ledger.books import Books
from timebank.rules.state import State, Treasury
from timebank.store import book
from timebank.store.book import Settlement, Slice
from timebank.store.engine import driver
from timebank.store.hours import set_hours_states
from timebank.store.ids import random_ids
from timebank.store.notes import insert_notes
from timebank.store.setup import load_setup
from timebank.store.treasury import write_treasury

if TYPE_CHECKING:
    from timebank.rules.state import SetUp
    from timebank.services.house import House
    from timebank.store.book import Head
    from timebank.store.engine import Raw, Tx

SLICE: Final = 1_000
"""Records of one statement."""
_DAYS_MAX: Final = 20_000
"""Sums by day that are kept in memory before they are added to those in the database."""


class LongBatch:
    """One transaction of one group, under its lock or in rehearsal.

    Attributes:
        tx: For changes of the set-up; make them before ``load``, and never while a slice is on its way.
        connection: The driver's own, of the same transaction.
        backend_pid: Process number of the database's side.
        state: What the rules decide on; there once ``load`` was called.
    """

    def __init__(self, house: House, group_id: UUID, tx: Tx, connection: Raw, now: datetime) -> None:
        self.house = house
        self.group_id = group_id
        self.tx = tx
        self.connection = connection
        self.now = now
        self.rehearsal = False
        self.state: State
        self._head: Head
        self._sending: asyncio.Task[None] | None = None

    async def load_setup(self) -> SetUp:
        """Return the set-up as this transaction sees it; its members are the caller's to fill in."""
        version = await self.connection.fetchval(
            "SELECT setup_version FROM timebank.book_heads WHERE group_id = $1", self.group_id
        )
        return await load_setup(self.connection, self.group_id, version)

    async def load(self, setup: SetUp, numbers: Collection[int]) -> None:
        """Read the head, and the accounts with these numbers beside the group's own."""
        self._head, accounts = await book.load(
            self.connection, self.group_id, setup.common_accounts | set(numbers)
        )
        self.state = State(
            setup=setup,
            books=Books(
                accounts=accounts,
                seq=self._head.seq,
                recorded_at=self._head.recorded_at,
                began_on=setup.began_on,
                today=self.now.astimezone(ZoneInfo(setup.zone_at(self.now))).date(),
            ),
            now=self.now,
            today=self.now.astimezone(ZoneInfo(setup.zone_at(self.now))).date(),
            ids=random_ids(self.house.random),
            salt=lambda: self.house.random(32),
        )

    async def load_more(self, numbers: Collection[int]) -> None:
        """Read more accounts; nothing may be on its way."""
        if numbers:
            _, accounts = await book.load(self.connection, self.group_id, numbers)
            self.state.books.accounts |= accounts

    async def load_known(self, entry_ids: Collection[UUID]) -> None:
        """Read entries of earlier slices that are about to be corrected, once they are written."""
        if entry_ids:
            await self._sent()
            self.state.books.known |= await book.load_known(self.connection, self.group_id, entry_ids)

    def open_accounts(self, names: Mapping[int, str]) -> None:
        """Have accounts in a rehearsal that members will have who are yet to join: {number: name in an Actor}."""
        assert self.rehearsal
        for number, name in names.items():
            kind, _, unit = name.rpartition(":")
            self.state.books.accounts[number] = Account(number, kind or AccountKind.MEMBER, unit)

    @property
    def is_full(self) -> bool:
        """Whether enough was decided for a slice."""
        return len(self.state.written) >= SLICE

    async def flush(self) -> None:
        """Send what was decided since the last call; the next slice can be decided while it is written.

        Entries of earlier slices are forgotten: whoever corrects one looks it up again.
        """
        state, head = self.state, self._head
        written, state.written = state.written, []
        hours, state.new_hours = state.new_hours, []
        notes, state.notes = state.notes, []
        changed, state.changed_hours = state.changed_hours, {}
        treasury, state.treasury = state.treasury, Treasury()
        state.books.known.clear()
        if self.rehearsal:
            state.books.days.clear()
            return
        # Made ready while the slice before is still on its way.
        random = self.house.random(32 * len(written))
        appended = book.seal_records(head, state.setup.book_id, written, random)
        ready = book.ready_slice(self.group_id, Slice((), self.now, appended, written, hours))
        await self._sent()

        async def send() -> None:
            await book.append(self.connection, ready)
            await set_hours_states(self.connection, self.group_id, changed, {})
            await insert_notes(self.connection, self.house.keys, self.group_id, notes)
            await write_treasury(self.connection, self.house.keys, self.group_id, treasury, now=self.now)

        self._sending = asyncio.create_task(send())
        # Let the task hand its bytes to the kernel before the next slice keeps us busy.
        await asyncio.sleep(0)
        if len(state.books.days) > _DAYS_MAX:
            await self.settle()

    async def settle(self) -> None:
        """Wait until everything decided so far is written, balances and head with it; not yet committed."""
        await self._sent()
        head, books = self._head, self.state.books
        head.checkpoint = self.house.checkpoints.sign(
            self.group_id, self.state.setup.origin, head.epoch, head.seq, head.frontier.root()
        )
        accounts = [books.accounts[number] for number in books.touched]
        nothing = Slice((), self.now, book.seal_records(head, b"", (), b""), (), ())
        settlement = Settlement(head, accounts, books.days)
        await book.append(self.connection, book.ready_to_settle(self.group_id, nothing, settlement))
        books.days.clear()

    async def finish(self) -> tuple[int, str]:
        """Write what is left, the balances and the head; return what ``checkpoints.keep`` wants after the commit."""
        assert not self.rehearsal
        await self.flush()
        await self.settle()
        return self._head.seq, self._head.checkpoint

    async def _sent(self) -> None:
        if self._sending is not None:
            sending, self._sending = self._sending, None
            await sending

    async def abandon(self) -> None:
        """Wait for a slice that is on its way, whatever becomes of it, so that the connection is free."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None


@asynccontextmanager
async def long_batch(house: House, group_id: UUID, *, now: datetime) -> AsyncIterator[LongBatch]:
    """Open a long batch under the group's lock; leaving without an exception commits it.

    Raises:
        NotDurable: The server would answer before a commit is on disk.
        LookupError: The group has no book.
    """
    async with house.database.tx(group_id) as tx:
        connection = await driver(tx)
        await book.be_patient(connection)
        await book.lock_head(connection, group_id)
        batch = LongBatch(house, group_id, tx, connection, now)
        try:
            yield batch
        except BaseException:
            await batch.abandon()
            raise


@asynccontextmanager
async def rehearsal(house: House, group_id: UUID, *, now: datetime) -> AsyncIterator[LongBatch]:
    """Open a long batch that takes no lock and writes nothing, to find out what would be refused."""
    async with house.database.read(group_id) as tx:
        connection = await driver(tx)
        # A million lines are thought about for longer than a transaction may say nothing.
        await book.be_patient(connection)
        batch = LongBatch(house, group_id, tx, connection, now)
        batch.rehearsal = True
        yield batch
