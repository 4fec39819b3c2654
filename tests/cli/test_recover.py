"""``timebank recover`` asks, says how long others can say no, and finishes when they did not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cast import Cast, cast, house, trust_this_server
from tests.database import Dsn, connected
from timebank.cli.recover import _recover
from timebank.config import Settings
from timebank.errors import RecoveryWaits, UnknownMember
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house"]

pytestmark = pytest.mark.database


async def test_the_host_asks_waits_and_finishes(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    settings = Settings(home=tmp_path, database_urls={"timebank_app": "elsewhere"})

    said = await _recover(settings, fresh_dsn, "riverside", "bo", finish=False)
    with pytest.raises(RecoveryWaits):
        await _recover(settings, fresh_dsn, "riverside", "bo", finish=True)
    with pytest.raises(UnknownMember):
        await _recover(settings, fresh_dsn, "riverside", "nobody", finish=False)

    day = (datetime.now(UTC) + timedelta(hours=48)).date().isoformat()
    assert f"can stop it until {day}" in said
    async with connected(fresh_dsn, SUPERUSER) as connection:
        await connection.execute(
            "UPDATE people.recoveries SET asked_at = asked_at - interval '3 days', due_at = due_at - interval '3 days'"
        )
    assert (await _recover(settings, fresh_dsn, "riverside", "Bo", finish=True)).startswith("Done")
