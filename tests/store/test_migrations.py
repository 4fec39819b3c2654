"""A database is brought up to the code from any state, by any number of processes, and never guessed at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import Connection

from tests.database import Dsn, Server, connected, copied, run
from timebank.errors import DatabaseTooNew, RolesMissing
from timebank.store import migrate
from timebank.store.migrate import SUPERUSER, drift, upgrade
from timebank.store.roles import APP, MIGRATE, OWNER, ROLES, role_sql
from timebank.store.walls import check_walls, compare_walls, expected_walls, read_walls

pytestmark = [pytest.mark.database, pytest.mark.asyncio(loop_scope="session")]

NEWEST = "0012"


async def walls_of(dsn: Dsn) -> list[str]:
    async with connected(dsn, APP) as connection:
        return await read_walls(connection)


async def differences(dsn: Dsn) -> list[str]:
    return compare_walls(await walls_of(dsn), expected_walls())


async def versions(dsn: Dsn) -> list[str]:
    async with connected(dsn, APP) as connection:
        rows = await connection.fetch("SELECT version_num FROM timebank.alembic_version")
        return [row["version_num"] for row in rows]


async def differences_after(dsn: Dsn, change: str) -> list[str]:
    """Return what a change by a superuser makes different, and take it back."""
    async with connected(dsn, SUPERUSER) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(change)
            return compare_walls(await read_walls(connection), expected_walls())
        finally:
            await transaction.rollback()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_dsn(cluster: Server, database_template: str) -> AsyncIterator[Dsn]:
    """Arguments for a migrated database that every test leaves as it was."""
    async with copied(cluster, database_template) as dsn:
        yield dsn


async def test_an_upgrade_from_nothing_gives_the_tables_and_the_walls(empty_dsn: Dsn) -> None:
    await upgrade(empty_dsn, embedded=True)

    assert await versions(empty_dsn) == [NEWEST]
    assert await drift(empty_dsn) == []
    assert await differences(empty_dsn) == []


async def test_a_second_upgrade_changes_nothing(fresh_dsn: Dsn) -> None:
    before = await walls_of(fresh_dsn)

    await upgrade(fresh_dsn, embedded=True)
    await upgrade(fresh_dsn, embedded=False)

    assert await walls_of(fresh_dsn) == before
    assert await versions(fresh_dsn) == [NEWEST]


async def test_processes_that_start_together_upgrade_once(empty_dsn: Dsn) -> None:
    await asyncio.gather(*(upgrade(empty_dsn, embedded=True) for _ in range(6)))

    assert await versions(empty_dsn) == [NEWEST]
    assert await differences(empty_dsn) == []


async def test_an_upgrade_waits_while_another_has_the_lock(fresh_dsn: Dsn) -> None:
    async with connected(fresh_dsn, MIGRATE) as holder:
        await holder.execute("SELECT pg_advisory_lock($1)", migrate._LOCK)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(upgrade(fresh_dsn, embedded=False), timeout=1)

    await asyncio.wait_for(upgrade(fresh_dsn, embedded=False), timeout=10)


async def test_an_upgrade_that_meets_a_lock_steps_back_and_tries_again(
    fresh_dsn: Dsn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(migrate._SETTINGS, "lock_timeout", "100ms")

    async with connected(fresh_dsn, SUPERUSER) as busy:
        await busy.execute("BEGIN; LOCK TABLE timebank.alembic_version")
        upgrading = asyncio.create_task(upgrade(fresh_dsn, embedded=False))
        await asyncio.sleep(0.5)
        assert not upgrading.done()
        await busy.execute("ROLLBACK")
        await asyncio.wait_for(upgrading, timeout=10)


async def test_an_interrupted_upgrade_leaves_nothing_half_done_and_goes_on(
    empty_dsn: Dsn, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_script = migrate.run_script

    def stop_at_the_walls(name: str) -> None:
        if name == "0001_walls.sql":
            raise KeyboardInterrupt
        run_script(name)

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "run_script", stop_at_the_walls)
        with pytest.raises(KeyboardInterrupt):
            await upgrade(empty_dsn, embedded=True)
    # Tables without walls must never be left standing.
    async with connected(empty_dsn, SUPERUSER) as connection:
        assert await connection.fetchval("SELECT to_regclass('timebank.records')") is None
    await upgrade(empty_dsn, embedded=True)

    assert await versions(empty_dsn) == [NEWEST]
    assert await differences(empty_dsn) == []


async def test_an_upgrade_whose_connection_is_cut_goes_on_next_time(
    empty_dsn: Dsn, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_script = migrate.run_script

    def cut_after_the_tables(name: str) -> None:
        run_script(name)
        if name == "0001_the_book.sql":
            bind = migrate.op.get_bind()
            bind.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "run_script", cut_after_the_tables)
        with pytest.raises(Exception, match=r"terminat|closed"):
            await upgrade(empty_dsn, embedded=True)
    await upgrade(empty_dsn, embedded=True)

    assert await versions(empty_dsn) == [NEWEST]
    assert await differences(empty_dsn) == []


async def test_a_database_newer_than_the_code_is_refused(fresh_dsn: Dsn) -> None:
    await run(fresh_dsn, SUPERUSER, "UPDATE timebank.alembic_version SET version_num = '9999'")

    with pytest.raises(DatabaseTooNew) as refusal:
        await upgrade(fresh_dsn, embedded=True)

    assert refusal.value.params == {"version": "9999", "version_known": NEWEST}
    assert await versions(fresh_dsn) == ["9999"]


async def test_an_outside_server_without_our_roles_is_refused_clearly(fresh_dsn: Dsn) -> None:
    def dsn(role: str) -> dict[str, object]:
        return {**fresh_dsn(role), "user": "nobody_made_this_role"}

    with pytest.raises(RolesMissing):
        await upgrade(dsn, embedded=False)


async def test_a_migration_that_would_silently_see_no_rows_fails_instead(fresh_dsn: Dsn) -> None:
    async with connected(fresh_dsn, MIGRATE, **migrate._SETTINGS) as connection:
        assert await connection.fetchval("SELECT current_user") == OWNER
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.fetch("SELECT * FROM timebank.groups")

        await connection.execute("SET ROLE NONE")
        assert await connection.fetch("SELECT * FROM timebank.groups") == []


async def test_alembic_check_itself_finds_no_drift(fresh_dsn: Dsn) -> None:
    def check(connection: Connection) -> None:
        command.check(migrate._config(connection))

    async with migrate._migrating(fresh_dsn) as connection:
        await connection.run_sync(check)


async def test_alembic_names_a_column_that_the_code_does_not_know(fresh_dsn: Dsn) -> None:
    await run(fresh_dsn, SUPERUSER, "ALTER TABLE timebank.hours ADD COLUMN surprise text")

    found = await drift(fresh_dsn)

    assert len(found) == 1
    assert "surprise" in found[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP POLICY one_group ON timebank.hours", "missing: table timebank.hours: policy one_group"),
        (
            "ALTER POLICY one_group ON timebank.hours USING (true)",
            "unexpected: table timebank.hours: policy one_group permissive for all to timebank_app using true",
        ),
        (
            "CREATE POLICY more ON people.notes FOR SELECT USING (true)",
            "unexpected: table people.notes: policy more",
        ),
        (
            "ALTER TABLE timebank.draws DISABLE ROW LEVEL SECURITY",
            "unexpected: table timebank.draws: owner timebank_owner, rls off",
        ),
        (
            "ALTER TABLE timebank.draws NO FORCE ROW LEVEL SECURITY",
            "unexpected: table timebank.draws: owner timebank_owner, rls on, force off",
        ),
        (
            "ALTER TABLE timebank.entries DISABLE TRIGGER append_only",
            "missing: table timebank.entries: CREATE TRIGGER append_only",
        ),
        (
            "ALTER TABLE timebank.entries DISABLE TRIGGER append_only",
            "unexpected: table timebank.entries: CREATE TRIGGER append_only",
        ),
        ("DROP TRIGGER append_only ON timebank.records", "missing: table timebank.records: CREATE TRIGGER"),
        (
            "ALTER TABLE timebank.pots DISABLE TRIGGER ALL",
            "unexpected: table timebank.pots: trigger of a foreign key DISABLED",
        ),
        (
            (
                "CREATE OR REPLACE FUNCTION timebank.refuse_change() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN RETURN NULL; END'"
            ),
            "unexpected: function timebank.refuse_change(): owner timebank_owner: BEGIN RETURN NULL; END",
        ),
        (
            "CREATE RULE quiet AS ON INSERT TO timebank.records DO INSTEAD NOTHING",
            "unexpected: table timebank.records: rule quiet",
        ),
        (
            "GRANT UPDATE ON timebank.records TO timebank_app",
            "unexpected: table timebank.records: grant to timebank_app: INSERT, SELECT, UPDATE",
        ),
        (
            "GRANT UPDATE (salt) ON timebank.records TO timebank_app",
            "unexpected: table timebank.records: column salt: grant to timebank_app: UPDATE",
        ),
        (
            "GRANT SELECT ON people.members TO PUBLIC",
            "unexpected: table people.members: grant to PUBLIC: SELECT",
        ),
        (
            "REVOKE SELECT ON people.notes FROM timebank_backup",
            "missing: table people.notes: grant to timebank_backup: SELECT",
        ),
        (
            "ALTER TABLE timebank.accounts DROP CONSTRAINT held_never_below_zero",
            "missing: table timebank.accounts: constraint held_never_below_zero CHECK",
        ),
        (
            (
                "ALTER TABLE timebank.draw_hands DROP CONSTRAINT nobody_pays_their_own,"
                " ADD CONSTRAINT nobody_pays_their_own CHECK (NOT (asked AND paid)) NOT VALID"
            ),
            "unexpected: table timebank.draw_hands: constraint nobody_pays_their_own CHECK",
        ),
        (
            (
                "DROP INDEX timebank.entries_corrected_once;"
                "CREATE UNIQUE INDEX entries_corrected_once ON timebank.entries (group_id, reverses_seq)"
            ),
            "missing: table timebank.entries: CREATE UNIQUE INDEX entries_corrected_once",
        ),
        ("ALTER TABLE timebank.accounts RESET (fillfactor)", "missing: table timebank.accounts: owner"),
        ("ALTER TABLE timebank.answers SET UNLOGGED", "unexpected: table timebank.answers: owner"),
        ("ALTER TABLE timebank.hours OWNER TO timebank", "unexpected: table timebank.hours: owner timebank,"),
        (
            "GRANT CREATE ON SCHEMA timebank TO timebank_app",
            "unexpected: schema timebank: grant to timebank_app",
        ),
        (
            "CREATE VIEW timebank.window AS SELECT * FROM timebank.hours",
            "unexpected: view timebank.window: owner timebank",
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE timebank_owner GRANT ALL ON TABLES TO timebank_public",
            "unexpected: default for tables of timebank_owner: grant to timebank_public",
        ),
    ],
)
async def test_a_wall_that_somebody_took_away_is_named(shared_dsn: Dsn, change: str, named: str) -> None:
    assert await differences(shared_dsn) == []

    found = await differences_after(shared_dsn, change)

    assert any(line.startswith(named) for line in found), found


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER ROLE timebank_app BYPASSRLS", "unexpected: role timebank_app: login, bypasses row-level"),
        ("GRANT timebank_owner TO timebank_app", "unexpected: role timebank_app: member of timebank_owner"),
        ("ALTER ROLE timebank_owner LOGIN", "unexpected: role timebank_owner: login"),
        (
            "ALTER ROLE timebank_app SET synchronous_commit = off",
            "unexpected: role timebank_app: sets synchronous_commit=off",
        ),
    ],
)
async def test_a_role_that_somebody_made_stronger_is_named(shared_dsn: Dsn, change: str, named: str) -> None:
    # Roles are shared with every other test on this server; nothing of this is ever committed.
    found = await differences_after(shared_dsn, change)

    assert any(line.startswith(named) for line in found), found


async def test_the_role_script_can_run_again_and_has_places_for_passwords(fresh_dsn: Dsn) -> None:
    database = fresh_dsn(APP)["database"]

    await run(fresh_dsn, SUPERUSER, role_sql(database))
    await run(fresh_dsn, SUPERUSER, role_sql(database))

    assert await check_walls(fresh_dsn) == []
    assert "PASSWORD" not in role_sql(database)
    assert role_sql(database, passwords=True).count("PASSWORD 'put-a-long-password-here'") == len(ROLES) - 1


async def test_the_role_script_takes_no_name_that_could_be_sql() -> None:
    with pytest.raises(ValueError, match="not a database name"):
        role_sql('timebank"; DROP DATABASE postgres; --')
