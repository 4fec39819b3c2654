"""``timebank token``: a token works until it is ended, and refusals are one sentence."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Cast, cast, house
from tests.database import Dsn
from timebank.cli import token
from timebank.config import Settings
from timebank.errors import UnknownGroup, UnknownMember, UnknownToken

__all__ = ["cast", "house"]


@pytest.fixture
def command(cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command's own coroutine on the cast's database."""

    @contextlib.contextmanager
    def open_database(_settings: Settings) -> Iterator[Dsn]:
        yield fresh_dsn

    async def trust(_connection: Any) -> None:
        pass

    monkeypatch.setattr(token, "open_database", open_database)
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust)

    async def run(*words: str) -> None:
        parser = argparse.ArgumentParser(exit_on_error=False)
        token.add_arguments(parser)
        args = parser.parse_args(words)
        args.settings = Settings(home=tmp_path, database_urls={})
        await token._run(args, fresh_dsn)

    return run


async def test_a_token_is_made_by_nickname_and_ended_by_id(
    command: Any, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    await command("make", "--group", "riverside", "--nickname", "ada", "--scope", "read", "--scope", "write")
    shown, _, says = capsys.readouterr().out.partition("\n")
    cast.tokens["ada"] = shown
    actor = await cast.actor("ada")
    assert actor.member_id == cast.ids["ada"]
    assert actor.scopes == {"read", "write"}

    await command("revoke", "--group", "riverside", says.split()[-1])

    from timebank.errors import NotSignedIn

    with pytest.raises(NotSignedIn):
        await cast.actor("ada")


async def test_a_token_without_scopes_only_reads_and_may_end_by_itself(
    command: Any, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    await command("make", "--group", "riverside", "--member", str(cast.ids["bo"]), "--days", "3")

    cast.tokens["bo"] = capsys.readouterr().out.partition("\n")[0]
    assert (await cast.actor("bo")).scopes == {"read"}


async def test_what_is_not_there_is_refused(command: Any, cast: Cast) -> None:
    with pytest.raises(UnknownGroup):
        await command("make", "--group", "nowhere", "--nickname", "ada")
    with pytest.raises(UnknownMember):
        await command("make", "--group", "riverside", "--nickname", "cy")
    with pytest.raises(UnknownToken):
        await command("revoke", "--group", "riverside", str(cast.ids["ada"]))
    for words in (
        ("make", "--group", "riverside"),
        ("make", "--group", "riverside", "--nickname", "ada", "--scope", "all"),
        ("make", "--group", "riverside", "--nickname", "ada", "--days", "0"),
        ("revoke", "--group", "riverside", "x"),
    ):
        with pytest.raises((SystemExit, argparse.ArgumentError)):
            await command(*words)
