"""``timebank new-keys``: what it asks for, and what it says of the keys that it made."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cast import SLUG, Cast, cast, house, trust_this_server
from tests.database import Dsn
from timebank.cli import new_keys
from timebank.cli.recovery_key import on_paper
from timebank.config import OperatorError, Settings

__all__ = ["cast", "house"]


def test_what_is_typed_in_must_be_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("MFRG GZDF\n"))
    with pytest.raises(OperatorError, match="no recovery key"):
        new_keys.ask_paper(SLUG)


async def test_stolen_keys_are_replaced_with_what_stands_on_the_paper(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr("timebank.store.migrate.upgrade", nothing)
    settings = Settings(home=tmp_path, database_urls={})
    before = cast.house.keys.log_key(cast.group_id)
    paper = cast.house.keys.recovery_key(cast.group_id)
    assert paper is not None
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{on_paper(paper)}\n"))

    made = await new_keys._introduce(settings, fresh_dsn, SLUG, "stolen", new_keys.ask_paper(SLUG))

    cast.house.keys._forget()
    assert cast.house.keys.log_key(cast.group_id) != before
    assert made.log.startswith(f"bank.example/g/{SLUG}+")


def test_a_change_on_purpose_asks_for_nothing_and_needs_the_server_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Any] = []

    @contextmanager
    def opened(_settings: Settings, *, alone: bool) -> Iterator[None]:
        told.append(alone)
        yield None

    async def introduce(*words: Any) -> Any:
        told.append(words[2:])
        return new_keys_made

    from timebank.services.new_keys import NewKeys

    new_keys_made = NewKeys("bank.example/g/riverside+1+log", "live")
    monkeypatch.setattr(new_keys, "open_database", opened)
    monkeypatch.setattr(new_keys, "_introduce", introduce)
    args = argparse.Namespace(
        settings=Settings(home=tmp_path, database_urls={}), group=SLUG, lost=False, stolen=False
    )

    assert new_keys.run(args) == 0

    assert told == [True, (SLUG, "rotation", None)]
    assert new_keys_made.log in capsys.readouterr().out
