"""A backup is made while people write, is of one moment, and is never half there."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cast import Cast, cast, house
from tests.conftest import pg_bin
from tests.database import Dsn
from timebank.config import OperatorError
from timebank.services.backup import make_backup
from timebank.store import dumps
from timebank.store.backup_folders import DATABASE, read_folder
from timebank.store.postgres_binaries import Binaries, find

__all__ = ["cast", "house"]

pytestmark = pytest.mark.database


async def back_up(cast: Cast, dsn: Dsn, place: Path, binaries: Binaries | None = None) -> Path:
    return await make_backup(
        dsn,
        binaries or find(pg_bin()),
        cast.house.keys,
        place,
        now=datetime.now(UTC),
        days=30,
        show=lambda _what, done, total: seen.append((done, total)),
    )


seen: list[tuple[int, int]] = []


async def test_a_backup_says_how_far_each_book_was_and_has_no_key(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    seen.clear()

    folder = await back_up(cast, fresh_dsn, tmp_path / "backups")

    about = read_folder(folder)
    assert [book.slug for book in about.books] == ["hillside", "riverside"]
    assert all(book.records > 0 and "/live\n" in book.checkpoint for book in about.books)
    assert seen[-1][0] < seen[-1][1] == about.tables
    data = b"".join(path.read_bytes() for path in folder.iterdir())
    for name, member_id in cast.ids.items():
        key = cast.house.keys.find_member_key(cast.group_of(name), member_id)
        assert key is not None
        assert key not in data
        assert key.hex().encode() not in data


async def test_a_full_disk_is_said_before_and_leaves_nothing(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(10**9, 10**9, 1000))

    with pytest.raises(OperatorError, match="free some space"):
        await back_up(cast, fresh_dsn, tmp_path / "backups")

    assert list((tmp_path / "backups").iterdir()) == []


async def test_a_copy_that_fails_leaves_nothing(cast: Cast, fresh_dsn: Dsn, tmp_path: Path) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    program = broken / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump: error: No space left on device' >&2; exit 1\n")
    program.chmod(0o755)

    with pytest.raises(OperatorError, match="not enough room on the disk"):
        await back_up(cast, fresh_dsn, tmp_path / "backups", Binaries(broken, 18))

    assert list((tmp_path / "backups").iterdir()) == []


def look_from_outside(folder: Path) -> str:
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    return subprocess.run(
        [find(pg_bin()).pg_restore, "--list", folder / DATABASE], check=True, capture_output=True, text=True
    ).stdout


async def test_a_backup_can_be_read_by_the_tools_of_the_system(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    folder = await back_up(cast, fresh_dsn, tmp_path / "backups")

    assert "TABLE DATA timebank records" in await asyncio.to_thread(look_from_outside, folder)


def test_a_password_is_never_among_the_words_of_a_command() -> None:
    words, environment = dumps._connection(
        {"dsn": "postgresql://timebank_backup:hunt%40er2@db.example:5433/book?sslmode=require"}
    )

    assert words == ["--dbname=postgresql://timebank_backup@db.example:5433/book?sslmode=require"]
    assert environment == {"PGPASSWORD": "hunt@er2"}
