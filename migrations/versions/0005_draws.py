"""The whole life of a draw, and policies as data."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0005_draws.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
