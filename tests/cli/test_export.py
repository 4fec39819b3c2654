"""``timebank export``: the journal and nothing else on standard output, or one sentence and nothing."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Cast, cast, house, stage, today
from tests.database import Dsn
from tests.services.auditors import beancount_complaint, hledger_complaint
from timebank.cli import COMMANDS, export, main
from timebank.config import Settings
from timebank.errors import FieldInvalid, UnknownGroup
from timebank.rules.commands import LogHours

__all__ = ["cast", "house", "stage", "today"]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    export.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def command(cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command's own coroutine on the cast's database."""

    async def trust(_connection: Any) -> None:
        pass

    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust)

    async def run(*words: str) -> None:
        await export._export(parsed(*words), Settings(home=tmp_path, database_urls={}), fresh_dsn)

    return run


async def test_the_book_comes_out_whole_and_alone(
    command: Any, cast: Cast, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    await command("--group", "riverside", "--format", "hledger")
    empty = capsysbinary.readouterr()
    assert empty.err == b""
    assert hledger_complaint(empty.out.decode()) == ""

    from tests.properties.stand import render
    from timebank.services.writer import Writer

    writer = Writer(cast.house.database, cast.house.keys, cast.house.checkpoints)
    answer = await writer.submit(
        cast.group_id,
        [LogHours(None, None, None, 90, date(2026, 1, 2), "cooking")],
        actor=await cast.actor("ada"),
        key="one",
        request_hash=bytes(32),
        render=render,
    )
    assert answer.status == 201
    for file_format, complaint_of in (("hledger", hledger_complaint), ("beancount", beancount_complaint)):
        await command("--group", "riverside", "--format", file_format, "--from", "2026-01-02")
        text = capsysbinary.readouterr().out.decode()
        assert complaint_of(text) == ""
        assert "; days: 2026-01-02 and later\n" in text
        assert "; total: 90 MIN moved\n" in text


async def test_what_cannot_be_exported_leaves_nothing_on_standard_output(
    command: Any, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    with pytest.raises(UnknownGroup):
        await command("--group", "nowhere", "--format", "hledger")
    with pytest.raises(FieldInvalid):
        await command("--group", "riverside", "--format", "hledger", "--period", "3")
    with pytest.raises(FieldInvalid):
        await command(
            "--group", "riverside", "--format", "hledger", "--from", "2026-02-02", "--to", "2026-02-01"
        )
    assert capsysbinary.readouterr().out == b""


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "ledger"],
        ["--format", "hledger", "--from", "1.2.2026"],
        ["--format", "hledger", "--period", "0"],
        ["--format", "hledger", "--period", "x"],
        [],
    ],
)
def test_words_that_say_nothing_are_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["export", "--group", "riverside", *words])

    assert end.value.code == 2
    assert "usage: timebank export" in capsys.readouterr().err


def test_it_is_a_command() -> None:
    assert "export" in COMMANDS
