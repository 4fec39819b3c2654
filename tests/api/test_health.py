"""Whether the server reaches its book, for programs that watch it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cast import SLUG, Stage
from timebank.errors import StoreAway


async def test_a_server_that_reaches_its_book_says_so_and_nothing_else(stage: Stage) -> None:
    answer = await stage.http.get("/health")
    head = await stage.http.head("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


async def away(*_: Any) -> None:
    raise StoreAway


async def silent(*_: Any) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize("database", [away, silent])
async def test_a_book_that_is_away_or_does_not_answer_is_a_503_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    monkeypatch.setattr("timebank.services.host._REACHED_WITHIN_S", 0.01)
    monkeypatch.setattr("timebank.store.health.find_version_and_clock", database)

    answer = await stage.http.get("/health")

    assert (answer.status_code, answer.json()["code"]) == (503, "store_away")
    assert answer.headers["retry-after"]
    assert SLUG not in answer.text
