"""The walls hold for the roles that serve people: between groups, around the past, around what is private.

Tables come from the catalog and rows are made from their column types, so that a table added
later is inside these tests without anybody thinking of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from tests.database import Dsn, Server, connected, copied, run
from timebank.store.migrate import SUPERUSER
from timebank.store.roles import APP, BACKUP, MIGRATE, PUBLIC

pytestmark = [pytest.mark.database, pytest.mark.asyncio(loop_scope="session")]

GROUP_A = UUID("aaaaaaaa-0000-4000-8000-000000000001")
GROUP_B = UUID("bbbbbbbb-0000-4000-8000-000000000002")

BOOK = ("timebank.records", "timebank.entries", "timebank.transfers")
# Tables without a group: the version of the schema, and nothing else.
NO_GROUP = {"timebank.alembic_version"}
# The address book of groups: everybody may read it, and only the group may write its own line.
WAY_IN = "timebank.published_slugs"

OUR_TABLES = """
    SELECT n.nspname || '.' || c.relname AS name,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'group_id') AS grouped
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname NOT LIKE 'pg\\_%'
       AND n.nspname <> 'information_schema'
       AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
  ORDER BY 1
"""
COLUMNS = """
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type
      FROM pg_attribute
     WHERE attrelid = $1::text::regclass
       AND attnum > 0
       AND NOT attisdropped
  ORDER BY attnum
"""
CHECKS = """
    SELECT n.nspname || '.' || c.relname AS name, conname
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE contype = 'c' AND n.nspname IN ('timebank', 'people')
"""


def value_of(type_name: str, group: UUID) -> Any:
    """Return a value of a column's type, different for each group; a new type asks to be added."""
    number = 1 if group == GROUP_A else 2
    values: dict[str, Any] = {
        "bigint": number,
        "boolean": False,
        "bytea": bytes([number]) * 32,
        "date": date(2026, 1, number),
        "integer": number,
        "jsonb": "{}",
        "smallint": number,
        "text": f"group-{number}",
        "text[]": [f"group-{number}"],
        "timestamp with time zone": datetime(2026, 1, number, tzinfo=UTC),
        "uuid": group,
    }
    return values[type_name]


@dataclass(frozen=True)
class Walled:
    """A migrated database with one row of group A and one of group B in every table.

    Attributes:
        tables: Every table with a ``group_id``, by qualified name.
        columns: Names and types of their columns.
    """

    dsn: Dsn
    tables: tuple[str, ...]
    columns: dict[str, tuple[tuple[str, str], ...]]

    def insert(self, table: str, group: UUID, like: UUID | None = None) -> tuple[str, list[Any]]:
        """Return an INSERT of a row of ``group``, its other columns as those of group ``like``."""
        names = [name for name, _ in self.columns[table]]
        values = [
            group if name == "group_id" else value_of(kind, like or group)
            for name, kind in self.columns[table]
        ]
        places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", values

    def writable(self, table: str) -> list[str]:
        """Return the columns that an UPDATE may name without touching the group."""
        return [name for name, _ in self.columns[table] if name != "group_id"]


async def fill(dsn: Dsn) -> Walled:
    """Put a row of each group into every table of a migrated database."""
    async with connected(dsn, SUPERUSER) as connection:
        rows = await connection.fetch(OUR_TABLES)
        tables = tuple(row["name"] for row in rows if row["grouped"])
        columns = {
            table: tuple((row["name"], row["type"]) for row in await connection.fetch(COLUMNS, table))
            for table in tables
        }
        walled = Walled(dsn, tables, columns)
        # What rows say is no matter here: only that they are there, and whose they are.
        for row in await connection.fetch(CHECKS):
            await connection.execute(f'ALTER TABLE {row["name"]} DROP CONSTRAINT "{row["conname"]}"')
        await connection.execute("SET session_replication_role = replica")
        for table in tables:
            for group in (GROUP_A, GROUP_B):
                statement, values = walled.insert(table, group)
                await connection.execute(statement, *values)
    return walled


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walled(cluster: Server, database_template: str) -> AsyncIterator[Walled]:
    """A filled database that every test leaves as it was."""
    async with copied(cluster, database_template) as dsn:
        yield await fill(dsn)


@pytest_asyncio.fixture(loop_scope="session")
async def breakable(fresh_dsn: Dsn) -> Walled:
    """A filled database of one test's own, to take walls away."""
    return await fill(fresh_dsn)


@pytest_asyncio.fixture(loop_scope="session")
async def app(walled: Walled) -> AsyncIterator[Any]:
    """A new connection of the role that serves requests."""
    async with connected(walled.dsn, APP) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="session")
async def public(walled: Walled) -> AsyncIterator[Any]:
    """A new connection of the role that serves public pages."""
    async with connected(walled.dsn, PUBLIC) as connection:
        yield connection


async def enter(connection: Any, group: UUID) -> None:
    """Set the group for the rest of the transaction, as the application does."""
    await connection.execute("SELECT set_config('timebank.group', $1, true)", str(group))


async def use_and_hand_back(connection: Any) -> None:
    """Do what a request does, and leave the connection as a pool gets it back."""
    async with connection.transaction():
        await enter(connection, GROUP_A)
        assert await connection.fetchval("SELECT count(*) FROM timebank.records") == 1


async def rows_seen(connection: Any, tables: tuple[str, ...]) -> dict[str, int]:
    """Return the number of rows of each table that shows any; the check that the walls hold."""
    counts = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    return {table: count for table, count in counts.items() if count}


def tenant_tables(walled: Walled) -> tuple[str, ...]:
    return tuple(table for table in walled.tables if table != WAY_IN)


# ---------------------------------------------------------------- between groups


async def test_every_table_belongs_to_a_group(app: Any) -> None:
    rows = await app.fetch(OUR_TABLES)

    assert {row["name"] for row in rows if not row["grouped"]} == NO_GROUP
    assert len([row for row in rows if row["grouped"]]) >= 27


async def test_without_a_group_a_fresh_connection_sees_no_row(walled: Walled, app: Any) -> None:
    assert await rows_seen(app, tenant_tables(walled)) == {}

    async with connected(walled.dsn, SUPERUSER) as superuser:
        assert await rows_seen(superuser, walled.tables) == dict.fromkeys(walled.tables, 2)


async def test_without_a_group_a_reused_connection_sees_no_row(walled: Walled, app: Any) -> None:
    assert await app.fetchval("SELECT current_setting('timebank.group', true)") is None
    await use_and_hand_back(app)
    assert await app.fetchval("SELECT current_setting('timebank.group', true)") == ""

    assert await rows_seen(app, tenant_tables(walled)) == {}


async def test_after_a_transaction_that_failed_the_group_is_gone_too(walled: Walled, app: Any) -> None:
    transaction = app.transaction()
    await transaction.start()
    await enter(app, GROUP_A)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await app.fetchval("SELECT 1 / 0")
    await transaction.rollback()

    assert await rows_seen(app, tenant_tables(walled)) == {}


@pytest.mark.parametrize("role", [APP, PUBLIC])
async def test_in_a_group_only_its_rows_are_seen(walled: Walled, role: str) -> None:
    tables = tenant_tables(walled)
    if role == PUBLIC:
        tables = tuple(table for table in tables if table.startswith("timebank.published_"))

    async with connected(walled.dsn, role) as connection:
        for group in (GROUP_A, GROUP_B):
            async with connection.transaction():
                await enter(connection, group)
                for table in tables:
                    rows = await connection.fetch(f"SELECT group_id FROM {table}")
                    assert [row["group_id"] for row in rows] == [group], table


async def test_in_a_group_no_row_of_another_can_be_added(walled: Walled, app: Any) -> None:
    for table in walled.tables:
        statement, values = walled.insert(table, GROUP_B)
        async with app.transaction():
            await enter(app, GROUP_A)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
                async with app.transaction():
                    await app.execute(statement, *values)


async def test_without_a_group_no_row_can_be_added(walled: Walled, app: Any) -> None:
    await use_and_hand_back(app)

    for table in walled.tables:
        statement, values = walled.insert(table, GROUP_A)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
            await app.execute(statement, *values)


async def test_in_a_group_no_row_of_another_can_be_changed_or_taken(walled: Walled, app: Any) -> None:
    changed = deleted = 0
    transaction = app.transaction()
    await transaction.start()
    try:
        await enter(app, GROUP_A)
        for table in walled.tables:
            for column in walled.writable(table):
                if await app.fetchval("SELECT has_column_privilege($1, $2, 'UPDATE')", table, column):
                    # Naming the other group finds nothing; naming none finds one's own row only.
                    statement = f"UPDATE {table} SET {column} = {column}"
                    assert await app.execute(f"{statement} WHERE group_id = '{GROUP_B}'") == "UPDATE 0"
                    assert await app.execute(statement) == "UPDATE 1", table
                    changed += 1
            if await app.fetchval("SELECT has_table_privilege($1, 'DELETE')", table):
                assert await app.execute(f"DELETE FROM {table}") == "DELETE 1", table
                deleted += 1
    finally:
        await transaction.rollback()

    assert changed > 0
    assert deleted > 0


async def test_in_a_group_no_row_can_be_given_to_another(walled: Walled, app: Any) -> None:
    tried = 0
    for table in walled.tables:
        if await app.fetchval("SELECT has_column_privilege($1, 'group_id', 'UPDATE')", table):
            async with app.transaction():
                await enter(app, GROUP_A)
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
                    async with app.transaction():
                        await app.execute(f"UPDATE {table} SET group_id = '{GROUP_B}'")
                tried += 1

    assert tried > 0


async def test_a_group_that_is_no_id_is_an_error_and_shows_nothing(app: Any) -> None:
    async with app.transaction():
        await app.execute("SELECT set_config('timebank.group', 'x'' OR true --', true)")
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            async with app.transaction():
                await app.fetch("SELECT * FROM timebank.records")


async def test_control_the_check_sees_a_policy_that_forgets_the_empty_setting(breakable: Walled) -> None:
    guard = "group_id = (SELECT current_setting('timebank.group', true)::uuid)"
    for table in tenant_tables(breakable):
        await run(breakable.dsn, SUPERUSER, f"ALTER POLICY one_group ON {table} USING ({guard})")

    async with connected(breakable.dsn, APP) as app:
        # On a fresh connection nothing shows it: the setting is NULL, not empty.
        assert await rows_seen(app, tenant_tables(breakable)) == {}
        await use_and_hand_back(app)
        with pytest.raises(asyncpg.InvalidTextRepresentationError, match='uuid: ""'):
            await rows_seen(app, tenant_tables(breakable))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER POLICY one_group ON timebank.hours USING (true)",
        "CREATE POLICY more ON timebank.hours FOR SELECT USING (true)",
        "ALTER TABLE timebank.hours DISABLE ROW LEVEL SECURITY",
    ],
)
async def test_control_the_check_sees_a_wall_that_is_gone(breakable: Walled, change: str) -> None:
    await run(breakable.dsn, SUPERUSER, change)

    async with connected(breakable.dsn, APP) as app:
        assert await rows_seen(app, tenant_tables(breakable)) == {"timebank.hours": 2}


# ---------------------------------------------------------------- the past


@pytest.mark.parametrize("table", BOOK)
async def test_the_application_cannot_change_the_past(walled: Walled, app: Any, table: str) -> None:
    columns = [name for name, _ in walled.columns[table]]
    attempts = [
        *(f"UPDATE {table} SET {column} = {column}" for column in columns),
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"ALTER TABLE {table} DISABLE TRIGGER append_only",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"DROP TRIGGER append_only ON {table}",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        f"DROP POLICY one_group ON {table}",
        f"CREATE POLICY more ON {table} USING (true)",
        f"CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING",
        f"DROP TABLE {table}",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"SELECT 1 FROM {table} FOR UPDATE",
        "DROP FUNCTION timebank.refuse_change()",
        "CREATE TABLE timebank.shadow (id integer)",
        "CREATE TEMPORARY TABLE records (id integer)",
        "SET session_replication_role = replica",
        "SET ROLE timebank_owner",
        "SET ROLE timebank_migrate",
        "SET SESSION AUTHORIZATION timebank",
        "ALTER ROLE timebank_app BYPASSRLS",
    ]
    statement, values = walled.insert(table, GROUP_A)
    key = f"{table.removeprefix('timebank.')}_pkey"

    async with app.transaction():
        await enter(app, GROUP_A)
        for attempt in attempts:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with app.transaction():
                    await app.execute(attempt)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with app.transaction():
                await app.execute(
                    f"{statement} ON CONFLICT ON CONSTRAINT {key} DO UPDATE SET seq = 7", *values
                )
        # Refused before a row is read: COPY FROM does not go through policies.
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="row-level security"):
            async with app.transaction():
                await app.execute(f"COPY {table} FROM STDIN")
        # The refused left no trace, and what is allowed still is.
        assert len(await app.fetch(f"SELECT * FROM {table}")) == 1


async def test_the_application_cannot_turn_the_walls_off_for_itself(app: Any) -> None:
    async with app.transaction():
        await app.execute("SET LOCAL row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await app.fetch("SELECT * FROM timebank.records")


async def test_the_application_changes_only_what_is_listed(app: Any) -> None:
    rows = await app.fetch(OUR_TABLES)

    async def allowed(privilege: str) -> set[str]:
        query = "SELECT has_table_privilege($1, $2)"
        return {row["name"] for row in rows if await app.fetchval(query, row["name"], privilege)}

    assert await allowed("TRUNCATE") == set()
    assert await allowed("REFERENCES") == set()
    assert await allowed("TRIGGER") == set()
    assert await allowed("DELETE") == {
        "people.ask_notes",
        "people.cards",
        "people.import_papers",
        "people.mail",
        "people.mail_asks",
        "people.mail_links",
        "people.notes",
        "people.outbox",
        "people.passkeys",
        "people.sessions",
        "people.spent_challenges",
        "people.tokens",
        "people.totps",
        "people.tries",
        "timebank.hours_waiting",
        "timebank.waiting",
    }
    assert await allowed("UPDATE") == {
        "people.member_roles",
        "people.members",
        "people.notes",
        "people.tokens",
        "timebank.account_days",
        "timebank.accounts",
        "timebank.book_heads",
        "timebank.draw_hands",
        "timebank.draws",
        "timebank.held_places",
        "timebank.hours",
        "timebank.import_columns",
        "timebank.imports",
        "timebank.jobs",
        "timebank.pots",
        "timebank.published_groups",
        "timebank.published_slugs",
    }


async def test_what_every_commitment_holds_cannot_be_changed(app: Any) -> None:
    async with app.transaction():
        await enter(app, GROUP_A)
        assert await app.execute("UPDATE timebank.groups SET name = 'Helping hands'") == "UPDATE 1"

        for column in ("group_id", "book_id", "origin", "created_at"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with app.transaction():
                    await app.execute(f"UPDATE timebank.groups SET {column} = {column}")


async def test_a_book_begins_earlier_if_an_import_says_so_and_never_later(app: Any) -> None:
    async with app.transaction():
        await enter(app, GROUP_A)
        earlier = "UPDATE timebank.groups SET began_on = began_on - 1"
        assert await app.execute(earlier) == "UPDATE 1"

        with pytest.raises(asyncpg.PostgresError, match="cannot begin later"):
            async with app.transaction():
                await app.execute("UPDATE timebank.groups SET began_on = began_on + 1")


@pytest.mark.parametrize("role", [SUPERUSER, MIGRATE])
@pytest.mark.parametrize("table", BOOK)
async def test_the_trigger_refuses_even_those_with_every_right(walled: Walled, role: str, table: str) -> None:
    async with connected(walled.dsn, role) as connection:
        for attempt in (
            f"UPDATE {table} SET seq = seq",
            f"UPDATE {table} SET seq = seq WHERE false",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.PostgresError, match="append-only") as refusal:
                await connection.execute(attempt)
            assert refusal.value.sqlstate == "TB001"
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 2


async def test_control_without_the_trigger_a_superuser_changes_the_past(breakable: Walled) -> None:
    async with connected(breakable.dsn, SUPERUSER) as superuser:
        await superuser.execute("ALTER TABLE timebank.records DISABLE TRIGGER append_only")

        assert await superuser.execute("UPDATE timebank.records SET kind = 'changed'") == "UPDATE 2"


# ---------------------------------------------------------------- the public


async def test_the_public_role_can_read_what_is_published_and_nothing_else(public: Any) -> None:
    relations = await public.fetch("""
        SELECT n.nspname || '.' || c.relname AS name,
               has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT') AS reads,
               has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                   OR has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES') AS writes
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema')
           AND n.nspname NOT LIKE 'pg\\_toast%'
    """)

    assert {row["name"] for row in relations if row["reads"]} == {
        row["name"] for row in relations if row["name"].startswith("timebank.published_")
    }
    assert [row["name"] for row in relations if row["writes"]] == []
    assert len(relations) >= 28


async def test_the_public_role_is_refused_when_it_tries(walled: Walled, public: Any) -> None:
    async with public.transaction():
        await enter(public, GROUP_A)
        for table in (*walled.tables, *NO_GROUP):
            published = table.startswith("timebank.published_")
            if published:
                await public.fetch(f"SELECT * FROM {table}")
            for attempt in (
                *(() if published else (f"SELECT * FROM {table}", f"SELECT count(*) FROM {table}")),
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"INSERT INTO {table} DEFAULT VALUES",
                f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with public.transaction():
                        await public.execute(attempt)


async def test_the_public_role_can_call_no_function_of_ours(public: Any) -> None:
    callable_functions = await public.fetch("""
        SELECT p.oid::regprocedure::text AS name
          FROM pg_proc p
          JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
           AND has_function_privilege(p.oid, 'EXECUTE')
    """)
    definers = await public.fetch(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND oid >= 16384"
    )

    assert callable_functions == []
    assert definers == []


async def test_the_public_role_can_make_nothing(public: Any) -> None:
    schemas = await public.fetch("""
        SELECT nspname,
               has_schema_privilege(oid, 'USAGE') AS uses,
               has_schema_privilege(oid, 'CREATE') AS makes
          FROM pg_namespace
         WHERE nspname NOT IN ('pg_catalog', 'information_schema')
    """)

    assert [row["nspname"] for row in schemas if row["uses"]] == ["timebank"]
    assert [row["nspname"] for row in schemas if row["makes"]] == []
    for privilege in ("CREATE", "TEMPORARY"):
        assert not await public.fetchval(
            "SELECT has_database_privilege(current_database(), $1)", privilege
        ), privilege


async def test_the_public_role_without_a_group_sees_addresses_only(walled: Walled, public: Any) -> None:
    published = tuple(table for table in walled.tables if table.startswith("timebank.published_"))

    assert await rows_seen(public, published) == {WAY_IN: 2}


# ---------------------------------------------------------------- backups


async def test_the_backup_role_reads_every_row_and_writes_none(walled: Walled) -> None:
    async with connected(walled.dsn, BACKUP) as backup:
        assert await rows_seen(backup, walled.tables) == dict.fromkeys(walled.tables, 2)
        for table in (*walled.tables, *NO_GROUP):
            for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                query = "SELECT has_table_privilege($1, $2)"
                assert not await backup.fetchval(query, table, privilege), (table, privilege)


async def test_a_table_of_a_later_migration_is_in_the_backup(fresh_dsn: Dsn) -> None:
    script = "SET ROLE timebank_owner; CREATE TABLE timebank.later (group_id uuid)"
    await run(fresh_dsn, MIGRATE, script)

    await run(fresh_dsn, BACKUP, "SELECT * FROM timebank.later")
    for role in (APP, PUBLIC):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(fresh_dsn, role, "SELECT * FROM timebank.later")
