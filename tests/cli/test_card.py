"""``timebank card``: prints a card that signs in, and one to start anew for who lost everything else."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Cast, cast, house, trust_this_server
from tests.database import Dsn
from timebank.cli import card
from timebank.config import Settings
from timebank.errors import RecoveryWaits, UnknownGroup, UnknownMember
from timebank.services import cards
from timebank.services.sessions import Sessions

__all__ = ["cast", "house"]


@pytest.fixture
def command(cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command's own coroutine on the cast's database."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr("timebank.store.migrate.upgrade", nothing)

    async def run(*words: str) -> str:
        parser = argparse.ArgumentParser(exit_on_error=False)
        card.add_arguments(parser)
        args = parser.parse_args(words)
        args.settings = Settings(home=tmp_path, database_urls={})
        code, _ = await card._make(args.settings, fresh_dsn, args)
        return code

    return run


@pytest.mark.parametrize(("more", "way"), [((), "card"), (("--start-anew",), "recovery")])
async def test_a_card_signs_in_by_nickname_or_id(
    command: Any, cast: Cast, more: tuple[str, ...], way: str
) -> None:
    now = datetime.now(UTC)
    for named in ("ada", str(cast.ids["ada"])):
        code = await command("--group", "riverside", "--member", named, *more)

        made = await cards.sign_in(cast.house, cast.group_id, code, key="k", now=now)
        found = await Sessions(cast.house, clock=lambda: now).find(cast.group_id, made.secret)
        assert (found.actor.member_id, found.way) == (cast.ids["ada"], way)


async def test_who_has_a_duty_starts_anew_only_after_others_could_stop_it(command: Any, cast: Cast) -> None:
    with pytest.raises(RecoveryWaits):
        await command("--group", "riverside", "--member", "bo", "--start-anew")

    assert await command("--group", "riverside", "--member", "bo")


async def test_nobody_and_nowhere_are_refused(command: Any) -> None:
    with pytest.raises(UnknownMember):
        await command("--group", "riverside", "--member", "Nobody")
    with pytest.raises(UnknownGroup):
        await command("--group", "nowhere", "--member", "bo")
