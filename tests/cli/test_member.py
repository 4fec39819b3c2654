"""``timebank member``: the host lets people in, sees who is there, and changes duties and codes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Cast, cast, house
from tests.database import Dsn
from timebank.cli import member
from timebank.config import Settings
from timebank.errors import LastSteward, UnknownGroup, UnknownMember

__all__ = ["cast", "house"]


@pytest.fixture
def command(cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command's own coroutine on the cast's database."""

    async def trust(_connection: Any) -> None:
        pass

    async def nothing_to_upgrade(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust)
    monkeypatch.setattr("timebank.store.migrate.upgrade", nothing_to_upgrade)

    async def run(*words: str) -> None:
        parser = argparse.ArgumentParser(exit_on_error=False)
        member.add_arguments(parser)
        await member._run(parser.parse_args(words), Settings(home=tmp_path, database_urls={}), fresh_dsn)

    return run


async def test_the_host_adds_lists_and_changes_duties_and_codes(
    command: Any, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    await command("add", "--group", "riverside", "--nickname", "Rosa", "--role", "auditor")
    capsys.readouterr()

    await command("list", "--group", "riverside")
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {line[2] for line in lines} == {"Ada", "Flo", "Bo", "Di", "Ed", "Rosa"}
    (rosa,) = [line for line in lines if line[2] == "Rosa"]
    assert rosa[1:] == ["active", "Rosa", "auditor"]

    await command(
        "roles", "--group", "riverside", "--nickname", "rosa", "--give", "host", "--take", "auditor"
    )
    assert capsys.readouterr().out == "host\n"
    await command("code", "--group", "riverside", "--nickname", "rosa")
    code = capsys.readouterr().out.strip()
    assert len(code) == 8
    assert code != rosa[0]


async def test_what_the_host_cannot_do_is_refused(command: Any, cast: Cast) -> None:
    await command("roles", "--group", "riverside", "--nickname", "di", "--take", "steward")
    with pytest.raises(LastSteward):
        await command("roles", "--group", "riverside", "--nickname", "bo", "--take", "steward")
    with pytest.raises(UnknownMember):
        await command("code", "--group", "riverside", "--nickname", "nobody")
    with pytest.raises(UnknownGroup):
        await command("list", "--group", "nowhere")
