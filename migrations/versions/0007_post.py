"""The post: mail that waits to be sent, links that it carries, and limits on how often anybody tries."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0007_post.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
