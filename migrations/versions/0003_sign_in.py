"""How people sign in: sessions, passkeys, codes and cards."""

from __future__ import annotations

from timebank.store.migrate import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script("0003_sign_in.sql")


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup instead")
