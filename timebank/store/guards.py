"""Asked of the database before anyone is served: that it forgets nothing, and that we are not too strong."""

from __future__ import annotations

from typing import Any, Final

from timebank.errors import DatabaseNotDurable, DatabaseTooOld, RoleTooStrong

SERVER_VERSION_MIN: Final = 15

# Without the first two, what was acknowledged is gone after a power cut (fsync) or a crash of
# the server (synchronous_commit); without the third, a torn page can end the whole database.
_DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")

# Asked of session_user, not only of current_user: whoever came in as a strong role and said
# SET ROLE can say RESET ROLE. MEMBER counts what one could become, not only what one is now.
_STRENGTH: Final = """
    SELECT why
      FROM (
            SELECT 1 AS rank, 'it is a superuser' AS why
              FROM pg_catalog.pg_roles
             WHERE rolsuper
               AND rolname IN (session_user, current_user)
         UNION ALL
            SELECT 2, 'it bypasses row-level security, as or through ' || rolname
              FROM pg_catalog.pg_roles
             WHERE (rolbypassrls OR rolsuper)
               AND (pg_has_role(session_user, oid, 'MEMBER') OR pg_has_role(current_user, oid, 'MEMBER'))
         UNION ALL
            SELECT 3, 'it owns the tables, as or through ' || pg_get_userbyid(c.relowner)
              FROM pg_catalog.pg_class c
              JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname IN ('timebank', 'people')
               AND (pg_has_role(session_user, c.relowner, 'MEMBER')
                    OR pg_has_role(current_user, c.relowner, 'MEMBER'))
         UNION ALL
            SELECT 4, 'it owns a schema, as or through ' || pg_get_userbyid(nspowner)
              FROM pg_catalog.pg_namespace
             WHERE nspname IN ('timebank', 'people')
               AND (pg_has_role(session_user, nspowner, 'MEMBER')
                    OR pg_has_role(current_user, nspowner, 'MEMBER'))
         UNION ALL
            SELECT 5, 'it may change what is in ' || c.relname
              FROM pg_catalog.pg_class c
              JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'timebank'
               AND c.relname IN ('records', 'entries', 'transfers')
               AND (has_table_privilege(current_user, c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')
                    OR has_any_column_privilege(current_user, c.oid, 'UPDATE'))
           ) AS reasons
  ORDER BY rank, why
     LIMIT 1
"""


async def refuse_unsafe(connection: Any, *, allow_lossy: bool = False) -> None:
    """Refuse to serve on a database that may forget, or as a role that could step over its walls.

    Args:
        connection: An asyncpg connection, made exactly as the ones that will serve.
        allow_lossy: For tests only, which need not survive a power cut: skips the three settings
            that make writes durable. No setting of the server leads here.

    Raises:
        DatabaseTooOld: The server is older than PostgreSQL 15.
        DatabaseNotDurable: fsync, synchronous_commit or full_page_writes is off.
        RoleTooStrong: The role is a superuser, bypasses row-level security, owns the tables, may
            become a role like that, or may change the append-only tables.
    """
    version = connection.get_server_version().major
    if version < SERVER_VERSION_MIN:
        raise DatabaseTooOld(version=version, version_min=SERVER_VERSION_MIN)

    if not allow_lossy:
        await _refuse_lossy(connection)

    why = await connection.fetchval(_STRENGTH)
    if why is not None:
        raise RoleTooStrong(role=await connection.fetchval("SELECT session_user"), why=why)


async def _refuse_lossy(connection: Any) -> None:
    for setting in _DURABLE:
        if await connection.fetchval("SELECT current_setting($1)", setting) == "off":
            raise DatabaseNotDurable(setting=setting)
