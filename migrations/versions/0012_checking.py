"""Checking: keys of auditors, a group's own list of witnesses, and what a cosignature says."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0012_checking.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
