"""How people join, change and leave; who stands in for whom; what a group says about itself over time."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0004_people.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
