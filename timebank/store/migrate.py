"""Bringing a database up to this code: roles, one lock, forward-only migrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from alembic import command, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from timebank.config import migrations_dir
from timebank.errors import DatabaseTooNew, DatabaseTooOld, RolesMissing, StoreAway
from timebank.store.guards import SERVER_VERSION_MIN
from timebank.store.roles import MIGRATE, OWNER, role_sql
from timebank.store.tables import metadata

Dsn = Callable[[str], dict[str, Any]]

SUPERUSER: Final = "timebank"
SCHEMAS: Final = ("people", "timebank")
VERSION_SCHEMA: Final = "timebank"

# Any number will do as long as no other program takes the same; these are the letters "timebank".
_LOCK: Final = int.from_bytes(b"timebank", "big")
_WAIT_S: Final = 600.0
_POLL_S: Final = 0.2
_ATTEMPTS: Final = 5

# A migration that waits for a lock makes everyone behind it wait too, so it gives up early and
# tries again. row_security = off turns FORCE's silence into an error: a data migration, which
# would see no rows as the owner, must SET ROLE NONE and work as the migrate role.
_SETTINGS: Final[dict[str, str]] = {
    "application_name": "timebank upgrade",
    "lock_timeout": "5s",
    "role": OWNER,
    "row_security": "off",
    "statement_timeout": "15min",
}

# What "the roles are not there" looks like: no such login, no entry for it, no right to connect.
_NO_ROLES: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidParameterValueError,
    asyncpg.InsufficientPrivilegeError,
)


async def upgrade(dsn: Dsn, *, embedded: bool) -> None:
    """Make roles (embedded server only) and tables as this code needs them; a second run changes nothing.

    Processes that start together wait for each other. A migration commits together with its
    version, so that an upgrade that was interrupted goes on where it stopped.

    Args:
        dsn: Gives the asyncpg arguments for a role; ``database`` must be among them.
        embedded: Whether the server is ours, so that the superuser role ``timebank`` makes the
            database and the roles. On an outside server somebody has run ``role_sql`` before.

    Raises:
        DatabaseTooNew: A newer version of this program upgraded the database before.
        DatabaseTooOld: The server is older than PostgreSQL 15.
        RolesMissing: The roles are not there, or are not let in.
        StoreAway: Another process kept the lock for ten minutes.
    """
    if embedded:
        await make_roles(dsn)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with _migrating(dsn) as connection:
                await connection.run_sync(_upgrade)
            return
        except Exception as error:
            if attempt == _ATTEMPTS or not _is_lock_timeout(error):
                raise
            await asyncio.sleep(attempt)


async def drift(dsn: Dsn) -> list[str]:
    """Return what ``alembic check`` would say: one line per difference between tables and code."""
    async with _migrating(dsn) as connection:
        return await connection.run_sync(_drift)


def run_script(name: str) -> None:
    """Run one file of ``migrations/sql`` inside the migration's own transaction."""
    bind = op.get_bind()
    # SQLAlchemy sends BEGIN only with its first statement, and the script goes past it to the driver.
    bind.execute(text("SELECT 1"))
    driver = bind.connection.driver_connection
    assert driver is not None, "the migration has lost its connection"
    script = (migrations_dir() / "sql" / name).read_text(encoding="utf-8")
    await_only(driver.execute(script))


async def make_roles(dsn: Dsn) -> None:
    """Make the database and the roles on a server of our own; a second run changes nothing."""
    arguments = dsn(SUPERUSER)
    database = arguments["database"]
    keeper = await asyncpg.connect(**{**arguments, "database": "postgres"})
    try:
        # Locks belong to a database but roles to the whole server, so all who make roles meet here.
        await keeper.execute("SELECT pg_advisory_lock($1)", _LOCK)
        if not await keeper.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
            await keeper.execute(f'CREATE DATABASE "{database}" TEMPLATE template0')
        connection = await asyncpg.connect(**arguments)
        try:
            await connection.execute(role_sql(database))
        finally:
            await connection.close()
    finally:
        await keeper.close()


@asynccontextmanager
async def _migrating(dsn: Dsn) -> AsyncIterator[AsyncConnection]:
    """A connection that works as the owner while everyone else who wants to upgrade waits."""
    arguments = dsn(MIGRATE)
    settings = {**arguments.get("server_settings", {}), **_SETTINGS}

    async def connect() -> Any:
        try:
            return await asyncpg.connect(**{**arguments, "server_settings": settings})
        except _NO_ROLES as error:
            raise RolesMissing(database=str(arguments.get("database", ""))) from error

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await _refuse_old_server(connection)
            await _lock(connection)
            yield connection
    finally:
        await engine.dispose()


async def _refuse_old_server(connection: AsyncConnection) -> None:
    version = int(await connection.scalar(text("SELECT current_setting('server_version_num')"))) // 10_000
    if version < SERVER_VERSION_MIN:
        raise DatabaseTooOld(version=version, version_min=SERVER_VERSION_MIN)


async def _lock(connection: AsyncConnection) -> None:
    # Asking again and again, not waiting inside the statement: a waiting statement holds a
    # snapshot, and CREATE INDEX CONCURRENTLY of whoever has the lock would wait for it for ever.
    deadline = asyncio.get_running_loop().time() + _WAIT_S
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
        await connection.rollback()
        if asyncio.get_running_loop().time() > deadline:
            raise StoreAway
        await asyncio.sleep(_POLL_S)
    # The lock belongs to the session and goes with it; only the transaction ends here.
    await connection.commit()


def _upgrade(connection: Connection) -> None:
    config = _config(connection)
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    with connection.begin():
        # Alembic keeps its version here, so the schema must be there before the first migration.
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
    command.upgrade(config, "head")


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    with connection.begin():
        context = MigrationContext.configure(connection, opts={"version_table_schema": VERSION_SCHEMA})
        unknown = [head for head in context.get_current_heads() if not _knows(scripts, head)]
    if unknown:
        raise DatabaseTooNew(version=unknown[0], version_known=scripts.get_current_head() or "")


def _knows(scripts: ScriptDirectory, version: str) -> bool:
    return any(script.revision == version for script in scripts.walk_revisions())


def _drift(connection: Connection) -> list[str]:
    options = {
        "version_table_schema": VERSION_SCHEMA,
        "include_schemas": True,
        "include_name": is_ours,
        "compare_type": True,
        "compare_server_default": True,
    }
    context = MigrationContext.configure(connection, opts=options)
    return [str(difference) for difference in compare_metadata(context, metadata)]


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Tell Alembic which schemas to look into; everything inside them is ours."""
    return kind != "schema" or name in SCHEMAS


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _is_lock_timeout(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, asyncpg.LockNotAvailableError):
            return True
        error = error.__cause__ or getattr(error, "orig", None)
    return False
