"""The server refuses a database that may forget, and a role that could step over the walls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.database import Dsn, Server, connected, database_name, drop, dsn_of, run
from timebank.errors import DatabaseNotDurable, DatabaseTooOld, RoleTooStrong
from timebank.store.guards import refuse_unsafe
from timebank.store.migrate import SUPERUSER, upgrade
from timebank.store.roles import APP, BACKUP, MIGRATE

pytestmark = [pytest.mark.database, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def durable_dsn(durable_cluster: Server) -> AsyncIterator[Dsn]:
    """Arguments for a migrated database on a server with the settings of a real one."""
    name = database_name("durable")
    await upgrade(dsn_of(durable_cluster, name), embedded=True)

    yield dsn_of(durable_cluster, name)

    await drop(durable_cluster, name)


async def test_the_role_that_serves_is_let_in(durable_dsn: Dsn) -> None:
    async with connected(durable_dsn, APP) as app:
        await refuse_unsafe(app)


async def test_a_connection_that_does_not_wait_for_the_disk_is_refused(durable_dsn: Dsn) -> None:
    async with connected(durable_dsn, APP, synchronous_commit="off") as app:
        with pytest.raises(DatabaseNotDurable) as refusal:
            await refuse_unsafe(app)
        await refuse_unsafe(app, allow_lossy=True)

    assert refusal.value.params == {"setting": "synchronous_commit"}
    assert not refusal.value.retryable


async def test_a_database_set_not_to_wait_for_the_disk_is_refused(durable_dsn: Dsn) -> None:
    database = durable_dsn(APP)["database"]
    await run(durable_dsn, SUPERUSER, f'ALTER DATABASE "{database}" SET synchronous_commit = off')
    try:
        async with connected(durable_dsn, APP) as app:
            with pytest.raises(DatabaseNotDurable):
                await refuse_unsafe(app)
    finally:
        await run(durable_dsn, SUPERUSER, f'ALTER DATABASE "{database}" RESET synchronous_commit')


class Pretending:
    """A connection to a durable server that has one setting off; only a restart could really turn it."""

    def __init__(self, connection: Any, setting: str) -> None:
        self._connection = connection
        self._setting = setting

    def get_server_version(self) -> Any:
        return self._connection.get_server_version()

    async def fetchval(self, query: str, *values: Any) -> Any:
        return "off" if values == (self._setting,) else await self._connection.fetchval(query, *values)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_may_lose_pages_is_refused(durable_dsn: Dsn, setting: str) -> None:
    async with connected(durable_dsn, APP) as app:
        with pytest.raises(DatabaseNotDurable) as refusal:
            await refuse_unsafe(Pretending(app, setting))

    assert refusal.value.params == {"setting": setting}


async def test_the_quick_server_of_the_tests_is_refused_where_it_is_not_allowed(fresh_dsn: Dsn) -> None:
    async with connected(fresh_dsn, APP) as app:
        with pytest.raises(DatabaseNotDurable):
            await refuse_unsafe(app)
        await refuse_unsafe(app, allow_lossy=True)


class OldServer(NamedTuple):
    major: int = 14


class OldConnection:
    def get_server_version(self) -> OldServer:
        return OldServer()


async def test_a_server_older_than_15_is_refused() -> None:
    with pytest.raises(DatabaseTooOld) as refusal:
        await refuse_unsafe(OldConnection())

    assert refusal.value.params == {"version": 14, "version_min": 15}


@pytest.mark.parametrize(
    ("role", "why"),
    [
        (SUPERUSER, "it is a superuser"),
        (MIGRATE, "it bypasses row-level security, as or through timebank_migrate"),
        (BACKUP, "it bypasses row-level security, as or through timebank_backup"),
    ],
)
async def test_a_role_that_sees_past_the_walls_is_refused(durable_dsn: Dsn, role: str, why: str) -> None:
    async with connected(durable_dsn, role) as connection:
        with pytest.raises(RoleTooStrong) as refusal:
            await refuse_unsafe(connection)

    assert refusal.value.params == {"role": role, "why": why}


async def test_a_strong_role_that_only_plays_the_weak_one_is_refused(durable_dsn: Dsn) -> None:
    async with connected(durable_dsn, SUPERUSER) as connection:
        await connection.execute(f"SET ROLE {APP}")
        with pytest.raises(RoleTooStrong) as refusal:
            await refuse_unsafe(connection)

    assert refusal.value.params == {"role": SUPERUSER, "why": "it is a superuser"}


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        ("GRANT timebank_owner TO {role}", "it owns the tables, as or through timebank_owner"),
        (
            "GRANT timebank_migrate TO {role}",
            "it bypasses row-level security, as or through timebank_migrate",
        ),
        ("ALTER TABLE timebank.hours OWNER TO {role}", "it owns the tables, as or through {role}"),
        ("ALTER SCHEMA people OWNER TO {role}", "it owns a schema, as or through {role}"),
        ("GRANT UPDATE ON timebank.records TO {role}", "it may change what is in records"),
        ("GRANT UPDATE (salt) ON timebank.records TO {role}", "it may change what is in records"),
        ("GRANT DELETE ON timebank.entries TO {role}", "it may change what is in entries"),
        ("GRANT TRUNCATE ON timebank.transfers TO {role}", "it may change what is in transfers"),
        ("GRANT pg_write_all_data TO {role}", "it may change what is in entries"),
    ],
)
async def test_a_role_that_was_given_too_much_is_refused(durable_dsn: Dsn, grant: str, why: str) -> None:
    role = database_name("like_app")

    async with connected(durable_dsn, SUPERUSER) as connection:
        # Roles belong to the whole server, so all of this is taken back at the end.
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"CREATE ROLE {role}; GRANT timebank_app TO {role}")
            # With the rights of our own role it is let in: it is the one right more that counts.
            await connection.execute(f"SET SESSION AUTHORIZATION {role}")
            await refuse_unsafe(connection)
            await connection.execute("RESET SESSION AUTHORIZATION")
            await connection.execute(grant.format(role=role))
            await connection.execute(f"SET SESSION AUTHORIZATION {role}")

            with pytest.raises(RoleTooStrong) as refusal:
                await refuse_unsafe(connection)
        finally:
            await transaction.rollback()

    assert refusal.value.params == {"role": role, "why": why.format(role=role)}
