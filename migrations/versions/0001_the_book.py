"""The first schema, and the walls around it."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0001_the_book.sql")
    run_script("0001_walls.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
