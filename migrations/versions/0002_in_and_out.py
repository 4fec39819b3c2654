"""Imports, and long work that says how far it is."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0002_in_and_out.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
