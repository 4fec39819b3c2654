"""The five database roles, and the SQL that makes them: who owns the tables and who may only use them."""

from __future__ import annotations

import re
from typing import Final

OWNER: Final = "timebank_owner"
MIGRATE: Final = "timebank_migrate"
BACKUP: Final = "timebank_backup"
APP: Final = "timebank_app"
PUBLIC: Final = "timebank_public"

ROLES: Final = (OWNER, MIGRATE, BACKUP, APP, PUBLIC)

# The owner has no login, so that nobody works as the role that could lift the walls. Migrate
# and backup bypass row-level security, because FORCE hides rows from the owner without a word:
# a dump or a data migration would silently be empty.
_ATTRIBUTES: Final = {
    OWNER: "NOLOGIN NOBYPASSRLS",
    MIGRATE: "LOGIN BYPASSRLS",
    BACKUP: "LOGIN BYPASSRLS",
    APP: "LOGIN NOBYPASSRLS",
    PUBLIC: "LOGIN NOBYPASSRLS",
}
_NEVER: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT"


def role_sql(database: str = "timebank", *, passwords: bool = False) -> str:
    """Return the SQL that creates the roles and lets them into a database; running it again changes nothing.

    Args:
        database: Name of an existing database; the script must be run inside it, by a superuser.
        passwords: Whether to add an ``ALTER ROLE … PASSWORD`` line with a place to fill in for
            every role with a login. The embedded server needs none: it trusts the peer's identity.
    """
    parts = [_cluster_sql()]
    if passwords:
        parts.append(_password_sql())
    parts.append(database_sql(database))
    return "\n".join(parts)


def database_sql(database: str) -> str:
    """Return the part of :func:`role_sql` about one database: it is not copied with a template database."""
    name = _identifier(database)
    everyone = f"{MIGRATE}, {BACKUP}, {APP}, {PUBLIC}"
    return f"""\
REVOKE ALL ON DATABASE {name} FROM PUBLIC;
GRANT CONNECT ON DATABASE {name} TO {everyone};
GRANT CREATE ON DATABASE {name} TO {OWNER};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""


def _cluster_sql() -> str:
    create = "\n".join(_create_sql(role) for role in ROLES)
    alter = "\n".join(f"ALTER ROLE {role} {attributes} {_NEVER};" for role, attributes in _ATTRIBUTES.items())
    return f"""\
-- The roles of timebank; running this again changes nothing. Run it as a superuser, inside the
-- database: only a superuser may give BYPASSRLS, which migrations and backups need.
DO $roles$
BEGIN
{create}
END
$roles$;
{alter}
GRANT {OWNER} TO {MIGRATE};
"""


def _create_sql(role: str) -> str:
    return (
        f"    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{role}') THEN\n"
        f"        CREATE ROLE {role};\n"
        f"    END IF;"
    )


def _password_sql() -> str:
    logins = (role for role in ROLES if role != OWNER)
    return "".join(f"ALTER ROLE {role} PASSWORD 'put-a-long-password-here';\n" for role in logins)


def _identifier(name: str) -> str:
    # Names come from our own configuration; what does not look like a name is a mistake.
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", name):
        raise ValueError(f"not a database name: {name!r}")
    return f'"{name}"'
