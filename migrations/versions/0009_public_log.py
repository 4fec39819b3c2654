"""The public log, what waits to be published, and ways of publishing that begin with a day."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0009_public_log.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
