"""The whole life of hours; money that moves, is counted and goes out."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0006_hours_and_money.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
