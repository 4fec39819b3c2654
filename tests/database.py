"""Fixtures of tests that need a database: one migrated template a session, a copy of it for each test."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
import pytest_asyncio

from timebank.store.migrate import SUPERUSER, upgrade
from timebank.store.roles import database_sql

Dsn = Callable[[str], dict[str, Any]]


class Server(Protocol):
    """What these fixtures need of the fixture ``cluster``: a server with peer or trust authentication."""

    def dsn(self, role: str) -> dict[str, Any]:
        """Return asyncpg arguments for a role; the superuser is ``timebank``."""


def database_name(what: str) -> str:
    """Return a name that no other test run on the same server uses."""
    return f"{what}_{os.getpid()}_{secrets.token_hex(4)}"


def dsn_of(cluster: Server, database: str) -> Dsn:
    """Return the arguments for one database of the server, whatever the role."""
    return lambda role: {**cluster.dsn(role), "database": database}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_template(cluster: Server) -> AsyncIterator[str]:
    """Name of a migrated, empty database that nobody is connected to."""
    name = database_name("template")
    await upgrade(dsn_of(cluster, name), embedded=True)

    yield name

    await drop(cluster, name)


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_dsn(cluster: Server, database_template: str) -> AsyncIterator[Dsn]:
    """Arguments, by role, for a migrated database of one test's own; dropped after it."""
    async with copied(cluster, database_template) as dsn:
        yield dsn


@pytest_asyncio.fixture(loop_scope="session")
async def empty_dsn(cluster: Server) -> AsyncIterator[Dsn]:
    """Arguments for a database that is not there yet; dropped after the test if it was made."""
    name = database_name("empty")

    yield dsn_of(cluster, name)

    await drop(cluster, name)


@asynccontextmanager
async def copied(cluster: Server, template: str) -> AsyncIterator[Dsn]:
    """A copy of a database that nobody is connected to, with the same roles let in."""
    name = database_name("fresh")
    async with connected(dsn_of(cluster, "postgres"), SUPERUSER) as connection:
        # Copying files is quicker than writing a small database through the log.
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        # Who may connect belongs to the server, not to the database: it is not copied.
        await connection.execute(database_sql(name))
    try:
        yield dsn_of(cluster, name)
    finally:
        await drop(cluster, name)


async def drop(cluster: Server, name: str) -> None:
    """Drop a database if it is there, whoever is still connected to it."""
    await run_as_superuser(cluster, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@asynccontextmanager
async def connected(dsn: Dsn, role: str, /, **settings: str) -> AsyncIterator[Any]:
    """A connection of a role, with settings of its own."""
    connection = await asyncpg.connect(**{**dsn(role), "server_settings": settings})
    try:
        yield connection
    finally:
        await connection.close()


async def run(dsn: Dsn, role: str, script: str) -> None:
    """Run a script as a role on a connection of its own."""
    async with connected(dsn, role) as connection:
        await connection.execute(script)


async def run_as_superuser(cluster: Server, script: str) -> None:
    """Run a script from outside every test database, as making and dropping them needs."""
    await run(dsn_of(cluster, "postgres"), SUPERUSER, script)
