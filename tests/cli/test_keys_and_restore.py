"""What ``timebank keys`` and ``timebank restore`` refuse, each beside what they do."""

from __future__ import annotations

import argparse
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
from timebank.store.checkpoints import Checkpoints
from timebank.store.key_exports import new_code, take_copy, write_copy
from timebank.store.keys import KeyStore


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
    args = argparse.Namespace(settings=settings, folder=tmp_path, settle=False, keys=None, erased=None)
    with pytest.raises(OperatorError, match="with its own tools"):
        restore.run(args)


def test_a_database_is_never_written_over(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    (home / ".lock").touch()
    args = argparse.Namespace(
        settings=Settings(home=home, database_urls={}), folder=tmp_path, settle=False, keys=None, erased=None
    )
    with pytest.raises(OperatorError, match="has a database already"):
        restore.run(args)


def test_what_lies_in_the_home_is_named_from_there(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_urls={})

    assert brought.found(settings, Path("home:incoming/keys.sealed")) == tmp_path / "incoming" / "keys.sealed"
    assert brought.found(settings, Path("/mnt/stick/keys.sealed")) == Path("/mnt/stick/keys.sealed")
    assert brought.found(settings, None) is None


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
    args = argparse.Namespace(settle=False, without_keys=False)

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
    args = argparse.Namespace(settle=False, without_keys=False)

    with pytest.raises(OperatorError, match="is wrong, first with record"):
        await restore._settle(
            tmp_path / "scratch", stand.dsn, stand.house.keys, Checkpoints(stand.house.keys, tmp_path), args
        )
