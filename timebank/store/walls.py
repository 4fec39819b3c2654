"""The walls as they stand in the live catalog, one fact a line, to compare with ``migrations/walls.txt``.

``alembic check`` sees tables, columns, keys and indexes. It sees no policy, no trigger, no CHECK,
no grant and no role: somebody could take one away on a live server and nothing would notice.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from timebank.config import migrations_dir
from timebank.store.migrate import SCHEMAS, Dsn
from timebank.store.roles import APP, ROLES

# Every query gives lines of text. They look at names only, never at numbers that differ between
# servers, and leave out what PostgreSQL 18 has and 15 has not: NOT NULL as a constraint of its
# own (alembic sees nullable columns), MAINTAIN among the owner's own rights.
_OUR_ROLES: Final = ", ".join(f"'{role}'" for role in ROLES)
_OUR_SCHEMAS: Final = ", ".join(f"'{schema}'" for schema in SCHEMAS)
_OURS: Final = f"n.nspname IN ({_OUR_SCHEMAS})"
_KIND: Final = (
    "CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'"
    " WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'foreign table' END"
)
_DEFAULT_KIND: Final = (
    "CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'routines'"
    " WHEN 'T' THEN 'types' ELSE 'schemas' END"
)
_GRANTEE: Final = "CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee) END"
_PRIVILEGES: Final = (
    "string_agg(acl.privilege_type || CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,"
    " ', ' ORDER BY acl.privilege_type)"
)

_ROLES: Final = f"""
    SELECT format('role %s: %s', rolname, concat_ws(', ',
               CASE WHEN rolcanlogin THEN 'login' ELSE 'no login' END,
               CASE WHEN rolsuper THEN 'SUPERUSER' END,
               CASE WHEN rolbypassrls THEN 'bypasses row-level security' END,
               CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN rolcreatedb THEN 'CREATEDB' END,
               CASE WHEN rolreplication THEN 'REPLICATION' END,
               CASE WHEN NOT rolinherit THEN 'inherits nothing' END))
      FROM pg_roles
     WHERE rolname IN ({_OUR_ROLES})
"""
_MEMBERS: Final = f"""
    SELECT format('role %s: member of %s', member.rolname, role.rolname)
      FROM pg_auth_members m
      JOIN pg_roles role   ON role.oid = m.roleid
      JOIN pg_roles member ON member.oid = m.member
     WHERE role.rolname IN ({_OUR_ROLES}) OR member.rolname IN ({_OUR_ROLES})
"""
_ROLE_SETTINGS: Final = f"""
    SELECT format('role %s: sets %s', rolname, unnest(setconfig))
      FROM pg_db_role_setting s
      JOIN pg_roles r ON r.oid = s.setrole
     WHERE rolname IN ({_OUR_ROLES})
"""
_SCHEMAS: Final = f"""
    SELECT format('schema %s: owner %s', nspname, pg_get_userbyid(nspowner))
      FROM pg_namespace n
     WHERE {_OURS}
"""
_SCHEMA_GRANTS: Final = f"""
    SELECT format('schema %s: grant to %s: %s', nspname, {_GRANTEE}, {_PRIVILEGES})
      FROM pg_namespace n,
           aclexplode(coalesce(nspacl, acldefault('n', nspowner))) acl
     WHERE {_OURS} AND acl.grantee <> nspowner
  GROUP BY nspname, acl.grantee
"""
_DATABASE_GRANTS: Final = f"""
    SELECT format('database: grant to %s: %s', {_GRANTEE}, {_PRIVILEGES})
      FROM pg_database d,
           aclexplode(coalesce(datacl, acldefault('d', datdba))) acl
     WHERE datname = current_database() AND acl.grantee <> datdba
  GROUP BY acl.grantee
"""
_DEFAULT_GRANTS: Final = f"""
    SELECT format('default for %s of %s%s: grant to %s: %s', {_DEFAULT_KIND}, pg_get_userbyid(defaclrole),
               CASE WHEN nspname IS NULL THEN '' ELSE ' in schema ' || nspname END, {_GRANTEE}, {_PRIVILEGES})
      FROM pg_default_acl d
      LEFT JOIN pg_namespace n ON n.oid = defaclnamespace,
           aclexplode(defaclacl) acl
     WHERE pg_get_userbyid(defaclrole) IN ({_OUR_ROLES}) AND acl.grantee <> defaclrole
  GROUP BY defaclobjtype, defaclrole, nspname, acl.grantee
"""
# An empty list of grants means that the built-in grants to PUBLIC are gone: worth a line of its own.
_DEFAULTS: Final = f"""
    SELECT format('default for %s of %s%s: set', {_DEFAULT_KIND}, pg_get_userbyid(defaclrole),
               CASE WHEN nspname IS NULL THEN '' ELSE ' in schema ' || nspname END)
      FROM pg_default_acl d
      LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
     WHERE pg_get_userbyid(defaclrole) IN ({_OUR_ROLES})
"""
_RELATIONS: Final = f"""
    SELECT format('%s %s.%s: %s', {_KIND}, nspname, relname, concat_ws(', ',
               'owner ' || pg_get_userbyid(relowner),
               CASE WHEN relkind IN ('r', 'p') THEN
                    'rls ' || CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END END,
               CASE WHEN relkind IN ('r', 'p') THEN
                    'force ' || CASE WHEN relforcerowsecurity THEN 'on' ELSE 'off' END END,
               CASE WHEN relpersistence <> 'p' THEN 'NOT LOGGED' END,
               array_to_string(reloptions, ' ')))
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE {_OURS} AND relkind NOT IN ('i', 'I', 't', 'c')
"""
_RELATION_GRANTS: Final = f"""
    SELECT format('%s %s.%s: grant to %s: %s', {_KIND}, nspname, relname, {_GRANTEE}, {_PRIVILEGES})
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace,
           aclexplode(relacl) acl
     WHERE {_OURS} AND relkind NOT IN ('i', 'I', 't', 'c') AND acl.grantee <> relowner
  GROUP BY relkind, nspname, relname, acl.grantee
"""
_COLUMN_GRANTS: Final = f"""
    SELECT format('%s %s.%s: column %s: grant to %s: %s', {_KIND}, nspname, relname, attname,
               {_GRANTEE}, {_PRIVILEGES})
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace,
           aclexplode(attacl) acl
     WHERE {_OURS} AND NOT attisdropped
  GROUP BY relkind, nspname, relname, attname, acl.grantee
"""
_POLICIES: Final = f"""
    SELECT format('table %s.%s: policy %s %s for %s to %s using %s with check %s', schemaname, tablename,
               policyname, lower(permissive), lower(cmd), array_to_string(roles, ' '),
               coalesce(qual, 'nothing'), coalesce(with_check, 'nothing'))
      FROM pg_policies
     WHERE schemaname IN ({_OUR_SCHEMAS})
"""
_CONSTRAINTS: Final = f"""
    SELECT format('table %s.%s: constraint %s %s%s', nspname, relname, conname,
               pg_get_constraintdef(k.oid), CASE WHEN convalidated THEN '' ELSE ' UNCHECKED' END)
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE {_OURS} AND contype <> 'n'
"""
_INDEXES: Final = f"""
    SELECT format('table %s.%s: %s%s', nspname, c.relname, pg_get_indexdef(i.indexrelid),
               CASE WHEN indisvalid AND indisready THEN '' ELSE ' INVALID' END)
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE {_OURS}
"""
# Internal triggers are the foreign keys; they have no stable names, and matter once they are not on.
_TRIGGERS: Final = f"""
    SELECT format('table %s.%s: %s %s', nspname, relname,
               CASE WHEN tgisinternal THEN 'trigger of a foreign key' ELSE pg_get_triggerdef(t.oid) END,
               CASE tgenabled WHEN 'O' THEN 'enabled' ELSE format('DISABLED (%s)', tgenabled) END)
      FROM pg_trigger t
      JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE {_OURS} AND (NOT tgisinternal OR tgenabled <> 'O')
"""
_RULES: Final = f"""
    SELECT format('table %s.%s: rule %s %s', nspname, relname, rulename, ev_type)
      FROM pg_rewrite r
      JOIN pg_class c ON c.oid = r.ev_class
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE {_OURS} AND rulename <> '_RETURN'
"""
_FUNCTIONS: Final = f"""
    SELECT format('function %s.%s(%s): %s: %s', nspname, proname, pg_get_function_identity_arguments(p.oid),
               concat_ws(', ', 'owner ' || pg_get_userbyid(proowner),
                   CASE WHEN prosecdef THEN 'SECURITY DEFINER' END,
                   array_to_string(proconfig, ' ')),
               btrim(regexp_replace(prosrc, '\\s+', ' ', 'g')))
      FROM pg_proc p
      JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE {_OURS}
"""
_FUNCTION_GRANTS: Final = f"""
    SELECT format('function %s.%s(%s): grant to %s: %s', nspname, proname,
               pg_get_function_identity_arguments(p.oid), {_GRANTEE}, {_PRIVILEGES})
      FROM pg_proc p
      JOIN pg_namespace n ON n.oid = p.pronamespace,
           aclexplode(coalesce(proacl, acldefault('f', proowner))) acl
     WHERE {_OURS} AND acl.grantee <> proowner
  GROUP BY p.oid, nspname, proname, acl.grantee
"""
_QUERIES: Final = (
    _ROLES,
    _MEMBERS,
    _ROLE_SETTINGS,
    _SCHEMAS,
    _SCHEMA_GRANTS,
    _DATABASE_GRANTS,
    _DEFAULTS,
    _DEFAULT_GRANTS,
    _RELATIONS,
    _RELATION_GRANTS,
    _COLUMN_GRANTS,
    _POLICIES,
    _CONSTRAINTS,
    _INDEXES,
    _TRIGGERS,
    _RULES,
    _FUNCTIONS,
    _FUNCTION_GRANTS,
)


async def check_walls(dsn: Dsn) -> list[str]:
    """Return what differs from the walls that every database must have; empty when all stand."""
    connection = await asyncpg.connect(**dsn(APP))
    try:
        return compare_walls(await read_walls(connection), expected_walls())
    finally:
        await connection.close()


async def read_walls(connection: Any) -> list[str]:
    """Return the walls of the connected database, sorted, the same on PostgreSQL 15 to 18.

    Any role can read them: the catalog is open to all.

    Args:
        connection: An asyncpg connection outside a transaction.
    """
    lines: set[str] = set()
    async with connection.transaction(readonly=True):
        # Names come out with their schema only if the schema is not on the path.
        await connection.execute("SET LOCAL search_path = pg_catalog")
        for query in _QUERIES:
            lines.update(row[0] for row in await connection.fetch(query))
    return sorted(lines)


def expected_walls() -> list[str]:
    """Return the lines of ``migrations/walls.txt``: the walls that every database must have."""
    return (migrations_dir() / "walls.txt").read_text(encoding="utf-8").splitlines()


def compare_walls(found: list[str], expected: list[str]) -> list[str]:
    """Return what differs, ``missing:`` and ``unexpected:`` lines sorted; empty when all walls stand."""
    missing = sorted(set(expected) - set(found))
    unexpected = sorted(set(found) - set(expected))
    return [f"missing: {line}" for line in missing] + [f"unexpected: {line}" for line in unexpected]
