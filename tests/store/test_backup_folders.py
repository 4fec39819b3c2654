"""A folder of a backup is whole or refused, and old ones go, but never the last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from timebank.config import OperatorError
from timebank.store.backup_folders import (
    ABOUT,
    DATABASE,
    About,
    finish,
    new_folder,
    read_folder,
    read_list_of_erased,
    take_away_old,
    write_list_of_erased,
)
from timebank.store.keys import KeyStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GROUP = UUID(int=1)


def a_backup(place: Path, made_at: datetime = NOW) -> Path:
    folder = new_folder(place, now=made_at)
    (folder / DATABASE).write_bytes(b"rows" * 1000)
    about = About(v=1, made_at=made_at, program="1", schema="0010", server=18, tables=2, books=[])
    return finish(folder, about)


def test_a_finished_folder_says_what_it_is_of(tmp_path: Path) -> None:
    folder = a_backup(tmp_path)

    assert folder.name == "timebank-20260301T120000Z"
    assert read_folder(folder).made_at == NOW
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", [DATABASE, ABOUT])
def test_one_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    folder = a_backup(tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[7] ^= 1
    (folder / name).write_bytes(bytes(data))

    with pytest.raises(OperatorError, match=f"{name} is not as it was written"):
        read_folder(folder)


def test_half_a_backup_is_refused(tmp_path: Path) -> None:
    folder = new_folder(tmp_path, now=NOW)
    with pytest.raises(OperatorError, match="never finished"):
        read_folder(folder)
    whole = a_backup(tmp_path)
    (whole / DATABASE).unlink()
    with pytest.raises(OperatorError, match="cannot be read"):
        read_folder(whole)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    a_backup(tmp_path)
    with pytest.raises(OperatorError, match="is there already"):
        a_backup(tmp_path)


def test_old_folders_go_but_never_the_newest_whole_one_and_nothing_else(tmp_path: Path) -> None:
    old = [a_backup(tmp_path, NOW - timedelta(days=days)) for days in (90, 31, 29)]
    half = new_folder(tmp_path, now=NOW - timedelta(days=2))
    (tmp_path / "timebank-mine").mkdir()

    gone = take_away_old(tmp_path, now=NOW, days=30)

    assert set(gone) == {*old[:2], half}
    assert sorted(path.name for path in tmp_path.iterdir()) == [old[2].name, "timebank-mine"]
    assert take_away_old(tmp_path, now=NOW + timedelta(days=500), days=30) == []


def test_the_list_of_the_erased_beside_backups_never_shrinks(tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    ada, bo = uuid4(), uuid4()
    for name, who in (("one", ada), ("two", bo)):
        with KeyStore(tmp_path / name) as keys:
            keys.create_member_keys(GROUP, [who])
            keys.erase_members(GROUP, [who], now=NOW)
            write_list_of_erased(keys, place)

    assert {line.member_id for line in read_list_of_erased(place)} == {ada, bo}
    (place / "erased.txt").write_text("nonsense\n", encoding="ascii")
    with pytest.raises(OperatorError, match="no list of the erased"):
        read_list_of_erased(place)
