"""What ``timebank keys`` and ``timebank restore`` refuse, each beside what they do."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cast import trust_this_server
from tests.database import Dsn
from tests.properties.stand import Stand, a_stand, hours
from timebank.cli import brought, keys, restore
from timebank.config import OperatorError, Settings
from timebank.services.close import close_period
from timebank.services.house import House
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.key_exports import new_code, take_copy, write_copy
from timebank.store.keys import KeyStore
from timebank.store.service_user import ServiceUser


def sealed(home: Path, code: str, *, made_at: datetime) -> Path:
    target = home / f"keys-{made_at:%Y%m%d}.sealed"
    with KeyStore(home) as store:
        write_copy(take_copy(store, home, now=made_at), code, target)
    return target


def test_a_copy_of_keys_is_taken_with_its_code_and_not_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, now = new_code(), datetime.now(UTC)
    young = sealed(tmp_path, code, made_at=now - timedelta(days=29))
    old = sealed(tmp_path, code, made_at=now - timedelta(days=31))
    with KeyStore(tmp_path / "there") as store:
        monkeypatch.setattr(keys, "_ask_code", new_code)
        with pytest.raises(OperatorError, match="does not open"):
            keys.bring_back(young, store, tmp_path / "there", old=False)
        monkeypatch.setattr(keys, "_ask_code", lambda: code)

        keys.bring_back(young, store, tmp_path / "there", old=False)
        with pytest.raises(OperatorError, match="more than 30 days ago"):
            keys.bring_back(old, store, tmp_path / "there", old=False)
        keys.bring_back(old, store, tmp_path / "there", old=True)


def test_restore_wants_a_folder_or_that_it_is_settled(tmp_path: Path) -> None:
    for folder, settled in ((None, False), (tmp_path, True)):
        args = argparse.Namespace(
            settings=Settings(home=tmp_path, database_urls={}), folder=folder, settle=settled
        )
        with pytest.raises(OperatorError, match="--settle"):
            restore.run(args)


def test_an_outside_database_is_put_back_by_its_own_tools(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_urls={"timebank_app": "elsewhere"})
    args = argparse.Namespace(
        settings=settings, folder=tmp_path, settle=False, keys=None, erased=None, log=None
    )
    with pytest.raises(OperatorError, match="with its own tools"):
        restore.run(args)


def test_a_database_is_never_written_over(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    (home / ".lock").touch()
    args = argparse.Namespace(
        settings=Settings(home=home, database_urls={}),
        folder=tmp_path,
        settle=False,
        keys=None,
        erased=None,
        log=None,
    )
    with pytest.raises(OperatorError, match="has a database already"):
        restore.run(args)


def test_what_lies_in_the_home_is_named_from_there(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_urls={})

    assert brought.found(settings, Path("home:incoming/keys.sealed")) == tmp_path / "incoming" / "keys.sealed"
    assert brought.found(settings, Path("/mnt/stick/keys.sealed")) == Path("/mnt/stick/keys.sealed")
    assert brought.found(settings, None) is None


def test_root_brings_a_backup_with_a_log_from_beside_it_each_to_a_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick, elsewhere = tmp_path / "stick", tmp_path / "elsewhere"
    for path in (stick / "backup" / "ABOUT", stick / "logs" / "own", stick / "log" / "checkpoint", elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    (stick / "erased.txt").write_text("here")
    monkeypatch.setattr(
        brought.service_user, "find_or_make", lambda: ServiceUser("me", os.geteuid(), os.getegid())
    )
    settings = Settings(home=tmp_path / "home", database_urls={})

    def prepared(log: str) -> argparse.Namespace:
        """Give the words as a shell does, and read what root hands on."""
        parser = argparse.ArgumentParser()
        restore.add_arguments(parser)
        words = [f"{stick}/backup/", f"--keys={elsewhere}", "--log", log]
        args = parser.parse_args(words)
        args.settings = settings
        said = parser.parse_args(restore.prepare(words, args))
        for word in (said.folder, said.keys, said.log):
            assert str(word).startswith(("home:incoming/", "https:")), word
        return said

    for log, name in ((f"{stick}/log", "checkpoint"), (f"{stick}/logs/", "own")):
        said = prepared(log)
        folder, kept = brought.found(settings, said.folder), brought.found(settings, Path(said.log))
        assert folder is not None
        assert kept is not None
        assert (folder / "ABOUT").read_text() == "ABOUT"
        assert (folder.parent / "erased.txt").read_text() == "here"
        assert (folder.parent / "logs" / "own").exists()
        assert {one.name for one in kept.iterdir()} == {name}
    # What is no file is left as it is.
    assert prepared("https://bank.example/g/riverside").log == "https://bank.example/g/riverside"
    with pytest.raises(OperatorError, match="No such file"):
        prepared(f"{stick}/none")


@pytest_asyncio.fixture(loop_scope="session")
async def stand(fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    async with a_stand(fresh_dsn, tmp_path) as one:
        await one.send("ada", hours(30))
        await one.house.checkpoints.close()
        yield one


@pytest.mark.database
async def test_missing_keys_are_said_and_gone_on_without_only_when_that_is_said(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stand.house.keys
    store._db.execute(
        "DELETE FROM member_keys WHERE member_id = ?", (stand.group.people["flo"].member_id.bytes,)
    )
    store._forget()
    beside = Checkpoints(store, tmp_path)
    args = argparse.Namespace(settle=False, without_keys=False, log=None)

    with pytest.raises(OperatorError, match="keys of 1 people"):
        await restore._settle(tmp_path / "scratch", stand.dsn, store, beside, args)
    args.without_keys = True
    (head,) = await restore._settle(tmp_path / "scratch", stand.dsn, store, beside, args)

    assert head.group_id == stand.group.group_id
    assert "the book is whole" in capsys.readouterr().out


@pytest.mark.database
async def test_a_book_that_is_wrong_is_not_put_in_place(stand: Stand, tmp_path: Path) -> None:
    from tests.properties.stand import superuser

    await superuser(
        stand.dsn,
        "ALTER TABLE timebank.transfers DISABLE TRIGGER append_only;"
        " UPDATE timebank.transfers SET amount = amount + 1",
    )
    args = argparse.Namespace(settle=False, without_keys=False, log=None)

    with pytest.raises(OperatorError, match="is wrong, first with record"):
        await restore._settle(
            tmp_path / "scratch", stand.dsn, stand.house.keys, Checkpoints(stand.house.keys, tmp_path), args
        )


@pytest.mark.database
async def test_where_every_key_is_lost_the_one_on_paper_lets_the_log_go_on(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = stand.house.keys.recovery_key(stand.group.group_id)
    asked: list[str] = []

    def ask_paper(slug: str) -> bytes | None:
        asked.append(slug)
        return paper if len(asked) > 1 else bytes(32)

    monkeypatch.setattr(restore, "ask_paper", ask_paper)
    args = argparse.Namespace(settle=False, without_keys=True, log=None)
    (home := tmp_path / "new").mkdir()
    with KeyStore(home) as store:
        beside = Checkpoints(store, home)
        with pytest.raises(OperatorError, match="not the recovery key"):
            await restore._settle(home / "scratch", stand.dsn, store, beside, args)
        args.without_keys = False
        with pytest.raises(OperatorError, match="have its recovery key at hand"):
            await restore._settle(home / "scratch", stand.dsn, store, beside, args)
        args.without_keys = True

        await restore._settle(home / "scratch", stand.dsn, store, beside, args)

        assert len(asked) == 2
        assert "which the recovery key introduces" in capsys.readouterr().out
        database = await Database.open(stand.dsn)
        house = House(database, store, Checkpoints(store, home))
        later = datetime.now(UTC) + timedelta(days=1)
        try:
            closed = await close_period(house, stand.group.group_id, now=later)
        finally:
            await house.checkpoints.close()
            await database.close()
        assert not closed.nothing_to_do
