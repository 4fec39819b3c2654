"""What ``doctor`` asks the database: whether it would keep what is written, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import asyncpg

from timebank.errors import Refusal, StoreAway
from timebank.store.engine import STORE_ERRORS
from timebank.store.guards import refuse_unsafe
from timebank.store.roles import APP, BACKUP, MIGRATE, PUBLIC

if TYPE_CHECKING:
    from timebank.store.engine import Database

Dsn = Callable[[str], Mapping[str, Any]]

_GUARDED: Final = (APP, PUBLIC)
_SEES_ALL: Final = (MIGRATE, BACKUP)


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        what: The thing, in a few words.
        well: Whether it is as it must be.
        says: What was found; where it is not well, what to do.
    """

    what: str
    well: bool
    says: str


async def find_version_and_clock(database: Database) -> tuple[str, datetime]:
    """Return the version of the database and what time it has.

    Raises:
        StoreAway: It does not answer.
    """
    try:
        row = await database.hot.fetchrow("SELECT current_setting('server_version'), clock_timestamp()")
    except STORE_ERRORS as error:
        raise StoreAway from error
    return str(row[0]).split()[0], row[1]


async def look(dsn: Dsn) -> list[Finding]:
    """Return what is well and what is not, role by role."""
    return [await _look_as(dsn, role) for role in (*_GUARDED, *_SEES_ALL)]


async def _look_as(dsn: Dsn, role: str) -> Finding:
    what = f"role {role}"
    try:
        connection = await asyncpg.connect(**dsn(role), timeout=10)
    except STORE_ERRORS as error:
        return Finding(what, False, f"cannot connect: {str(error) or type(error).__name__}")
    try:
        return await _judge(connection, role, what)
    except Refusal as refusal:
        return Finding(what, False, refusal.message % refusal.params)
    finally:
        await connection.close()


async def _judge(connection: Any, role: str, what: str) -> Finding:
    version = (await connection.fetchval("SHOW server_version")).split()[0]
    if role in _GUARDED:
        await refuse_unsafe(connection)
        return Finding(what, True, f"PostgreSQL {version}; writes are kept; sees one group at a time")
    sees_all = await connection.fetchval("SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user")
    if not sees_all:
        return Finding(
            what, False, "row-level security hides every row, so a backup would be empty; see --roles"
        )
    return Finding(what, True, f"PostgreSQL {version}; sees every group")
