"""Connections to PostgreSQL: one pool for the write door, one engine for reads, one for the public."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from timebank.errors import StoreAway, UnknownGroup
from timebank.store.guards import refuse_unsafe

#: The driver's own connection and pool; asyncpg brings no types of its own.
Raw: TypeAlias = Any
Pool: TypeAlias = Any

Dsn = Callable[[str], Mapping[str, Any]]
Tx = AsyncConnection

_CLOSE_WITHIN_S = 2.0

#: What a statement raises when the server is away, refuses, or is lost half-way.
# The last one is no InterfaceError: the driver raises it when the server went away in mid-sentence.
STORE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# Every statement of the write door joins arrays of one batch with rows found by primary key.
# A plan made while a table was empty or never analysed would scan or hash instead, and is
# cached: it cost a factor of five. So this pool is only offered the plan that stays linear, and
# makes it once.
WRITE_DOOR_SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "application_name": "timebank-writer",
}
READ_SETTINGS = {
    "jit": "off",
    "lock_timeout": "2s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",
    "application_name": "timebank",
}


def is_our_fault(error: BaseException) -> bool:
    """Say whether a statement failed for what was in it, and not because the server is away."""
    return isinstance(
        error,
        asyncpg.IntegrityConstraintViolationError | asyncpg.DataError | asyncpg.SyntaxOrAccessError,
    )


def is_locked_out(error: BaseException) -> bool:
    """Say whether a statement gave up because somebody else held a lock for too long."""
    return isinstance(error, asyncpg.LockNotAvailableError)


def enter_group(group_id: UUID) -> str:
    """Return the statements that open a transaction inside one group's wall, for one round trip."""
    return f"BEGIN; SELECT set_config('timebank.group', '{UUID(str(group_id))}', true)"


async def _leave_clean(connection: Raw) -> None:
    """Never hand a connection on inside a transaction: whoever had it was interrupted."""
    if connection.is_in_transaction():
        connection.terminate()


@dataclass(slots=True)
class Database:
    """The pools of one process; open() makes them, close() ends them."""

    hot: Pool
    engine: AsyncEngine
    public: AsyncEngine
    app: Mapping[str, Any]

    @classmethod
    async def open(cls, dsn: Dsn, *, check: bool = True, hot_size: int = 8) -> Database:
        """Connect as the app role and as the public role.

        Raises:
            Unsafe: The server would lose acknowledged writes, or the role could see past the walls.
        """
        app, public = dict(dsn("timebank_app")), dict(dsn("timebank_public"))
        if check:
            connection = await asyncpg.connect(**app, server_settings=READ_SETTINGS)
            try:
                await refuse_unsafe(connection)
            finally:
                await connection.close()
        hot = await asyncpg.create_pool(
            **app, min_size=1, max_size=hot_size, server_settings=WRITE_DOOR_SETTINGS, reset=_leave_clean
        )
        return cls(hot=hot, engine=_engine(app, size=6), public=_engine(public, size=6), app=app)

    async def close(self) -> None:
        """Close every connection; work in flight should have ended before."""
        try:
            await asyncio.wait_for(self.hot.close(), _CLOSE_WITHIN_S)
        except TimeoutError:
            # Whoever is cancelled in the wrong moment leaves the pool waiting for a connection that
            # nobody has any more. A server that stops must not.
            self.hot.terminate()
        await self.engine.dispose()
        await self.public.dispose()

    @contextlib.asynccontextmanager
    async def tx(self, group_id: UUID) -> AsyncIterator[Tx]:
        """Open a read-write transaction of the app role inside one group's wall."""
        async with self.engine.begin() as tx:
            await _wall(tx, group_id)
            yield tx

    @contextlib.asynccontextmanager
    async def read(self, group_id: UUID) -> AsyncIterator[Tx]:
        """Open a transaction whose reads all see one moment of one group's rows."""
        async with _snapshot(self.engine, group_id) as tx:
            yield tx

    @contextlib.asynccontextmanager
    async def public_read(self, group_id: UUID) -> AsyncIterator[Tx]:
        """The same for the public role, which can select from nothing but published tables."""
        async with _snapshot(self.public, group_id) as tx:
            yield tx

    async def group_id(self, slug: str) -> UUID:
        """Return the group at an address.

        Raises:
            UnknownGroup: No group has this slug.
            StoreAway: The database cannot be reached.
        """
        try:
            found = await self.hot.fetchval(
                "SELECT group_id FROM timebank.published_slugs WHERE slug = $1", slug
            )
        except STORE_ERRORS as error:
            raise StoreAway from error
        if found is None:
            raise UnknownGroup
        return UUID(str(found))

    def has_line_to_spare(self) -> bool:
        """Return whether a connection of the write door is free that nobody else waits for."""
        return bool(self.hot.get_idle_size() or self.hot.get_size() < self.hot.get_max_size())

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[Raw]:
        """Lend a raw connection of the write door; it comes back outside any transaction, or is replaced.

        Raises:
            StoreAway: No connection could be had.
        """
        try:
            connection = await self.hot.acquire(timeout=10)
        except STORE_ERRORS as error:
            raise StoreAway from error
        try:
            yield connection
        finally:
            await leave_clean(connection)
            # What cannot be taken back is replaced by the pool; whoever borrowed it is done with it.
            with contextlib.suppress(*STORE_ERRORS):
                await self.hot.release(connection, timeout=5)

    @contextlib.asynccontextmanager
    async def dial(self, group_id: UUID) -> AsyncIterator[Raw]:
        """Open a connection of one's own inside one group's wall; session locks on it end with it.

        Raises:
            StoreAway: It could not be opened.
        """
        try:
            connection = await asyncpg.connect(**self.app, server_settings=READ_SETTINGS)
        except STORE_ERRORS as error:
            raise StoreAway from error
        try:
            await connection.execute(f"SELECT set_config('timebank.group', '{UUID(str(group_id))}', false)")
            yield connection
        finally:
            # Closed and never lent on: nobody else may find themselves inside this group's wall.
            connection.terminate()

    @contextlib.asynccontextmanager
    async def write_door(self, group_id: UUID) -> AsyncIterator[Raw]:
        """Lend a raw connection inside a transaction and one group's wall; whoever wants to keep commits.

        Raises:
            StoreAway: No connection could be had.
        """
        async with self.lend() as connection:
            await connection.execute(enter_group(group_id))
            yield connection


@contextlib.asynccontextmanager
async def inside(pool: Pool, group_id: UUID) -> AsyncIterator[Raw]:
    """Lend a connection inside a transaction and one group's wall for a look-up, in as few round trips as can be.

    Raises:
        StoreAway: The database cannot be reached.
    """
    try:
        async with pool.acquire() as connection:
            try:
                await connection.execute(enter_group(group_id))
                try:
                    yield connection
                finally:
                    await connection.execute("COMMIT")
            except asyncpg.InternalClientError:
                # The driver no longer knows where the conversation stands: nobody may go on with it.
                connection.terminate()
                raise
    except STORE_ERRORS as error:
        raise StoreAway from error


async def leave_clean(connection: Raw, after: BaseException | None = None) -> None:
    """End whatever transaction was left open; a connection on which that fails is never lent again.

    Args:
        after: What went wrong on it, if anything. Whatever the server did not say itself leaves
            the driver not knowing where the conversation stands, so nobody may go on with it.
    """
    # A connection that breaks is taken back by the pool at once; then it answers nothing any more.
    with contextlib.suppress(asyncpg.InterfaceError):
        if after is not None and not isinstance(after, asyncpg.PostgresError):
            connection.terminate()
            return
        try:
            if not connection.is_closed() and connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        except STORE_ERRORS:
            connection.terminate()


def is_lost(connection: Raw) -> bool:
    """Say whether a lent connection is of no use any more."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def driver(tx: Tx) -> Raw:
    """Return the driver's own connection of a transaction that is already under way."""
    raw = await tx.get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, asyncpg.Connection)
    return connection


def _engine(connect: Mapping[str, Any], *, size: int) -> AsyncEngine:
    async def open_connection() -> Any:
        return await asyncpg.connect(**connect, server_settings=READ_SETTINGS)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=open_connection,
        pool_size=size,
        max_overflow=0,
        pool_timeout=10,
        # What is bound to a statement is nobody's to read in an exception.
        hide_parameters=True,
    )


async def _wall(tx: Tx, group_id: UUID) -> None:
    await tx.execute(
        text("SELECT set_config('timebank.group', :group_id, true)"), {"group_id": str(group_id)}
    )


@contextlib.asynccontextmanager
async def _snapshot(engine: AsyncEngine, group_id: UUID) -> AsyncIterator[Tx]:
    try:
        async with engine.connect() as connection:
            tx = await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            async with tx.begin():
                await _wall(tx, group_id)
                yield tx
    except _AWAY as error:
        raise StoreAway from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreAway from error
        raise


_AWAY = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    PoolTimeout,
)
