"""What Alembic runs around the migrations; the connection comes from timebank.store.migrate."""

from __future__ import annotations

from alembic import context

from timebank.store.migrate import VERSION_SCHEMA, is_ours
from timebank.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations run through timebank.store.migrate, which holds the lock and the role")

context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=VERSION_SCHEMA,
    # Each migration commits with its version, so that an interrupted upgrade goes on where it stopped.
    transaction_per_migration=True,
    include_schemas=True,
    include_name=is_ours,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
