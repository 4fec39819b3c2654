"""Indexes for what a book and a log have few of: closings, restores, new keys."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0011_told_at_once.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
