"""What is kept and for how long: who looked at whose name, and leave to delete what is over."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0010_keeping.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
