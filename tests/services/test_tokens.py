"""Tokens: whoever asks gets an answer, whatever happens to those who ask beside them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.cast import Cast
from timebank.services import tokens as tokens_module
from timebank.services.tokens import Tokens

pytestmark = pytest.mark.database


async def test_a_key_store_that_fails_once_keeps_nobody_waiting(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens(cast.house.database, cast.house.keys, clock=lambda: datetime.now(UTC))
    open_accounts = tokens_module.members_store.open_accounts

    def fail_once(*_: object) -> None:
        monkeypatch.setattr(tokens_module.members_store, "open_accounts", open_accounts)
        raise OSError("the key store is locked")

    monkeypatch.setattr(tokens_module.members_store, "open_accounts", fail_once)
    with pytest.raises(OSError, match="locked"):
        await tokens.find_actor(cast.group_id, cast.tokens["ada"])

    found = await tokens.find_actor(cast.group_id, cast.tokens["ada"])
    assert found.member_id == cast.ids["ada"]
