"""A second steward's yes to every duty, and who printed a sign-in card for whom."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0008_second_yes.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
