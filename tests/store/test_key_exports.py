"""A copy of the keys opens with its code alone, and never brings back who was erased."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from timebank.config import OperatorError
from timebank.store.checkpoints import Checkpoints
from timebank.store.key_exports import merge_copy, new_code, read_copy, take_copy, write_copy
from timebank.store.keys import KeyStore, read_erased

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GROUP = UUID(int=1)


def test_a_copy_brings_every_key_back_as_often_as_it_is_brought(tmp_path: Path) -> None:
    here, there, code = tmp_path / "here", tmp_path / "there", new_code()
    ada = uuid4()
    with KeyStore(here) as keys:
        keys.create_group_keys(GROUP)
        keys.create_member_keys(GROUP, [ada])
        secrets = (keys.find_member_key(GROUP, ada), keys.live_key(GROUP), keys.derive("x"))
        (here / "checkpoints").mkdir()
        (here / "checkpoints" / f"{GROUP}.live").write_text("note", encoding="utf-8")
        write_copy(take_copy(keys, here, now=NOW), code, tmp_path / "keys.sealed")

    assert len(code.replace("-", "")) == 32
    assert all(secret not in (tmp_path / "keys.sealed").read_bytes() for secret in secrets if secret)
    assert (tmp_path / "keys.sealed").stat().st_mode & 0o077 == 0
    with KeyStore(there) as keys:
        for typed in (code, code.lower().replace("-", " ") + "\n"):
            merge_copy(read_copy(tmp_path / "keys.sealed", typed), keys, there)
        assert (keys.find_member_key(GROUP, ada), keys.live_key(GROUP), keys.derive("x")) == secrets
        kept = Checkpoints(keys, there)
        assert kept.read_kept(GROUP) == "note"
        assert not kept.is_newest(GROUP)


def test_another_code_a_changed_byte_or_another_file_opens_nothing(tmp_path: Path) -> None:
    code, file = new_code(), tmp_path / "keys.sealed"
    with KeyStore(tmp_path / "here") as keys:
        write_copy(take_copy(keys, tmp_path, now=NOW), code, file)
        with pytest.raises(OperatorError, match="is there already"):
            write_copy(take_copy(keys, tmp_path, now=NOW), code, file)
    with pytest.raises(OperatorError, match="does not open"):
        read_copy(file, new_code())
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(OperatorError, match="does not open"):
        read_copy(file, code)
    file.write_bytes(b"something else")
    with pytest.raises(OperatorError, match="no copy of keys"):
        read_copy(file, code)


def test_an_old_copy_never_brings_back_who_was_erased_since(tmp_path: Path) -> None:
    ada, bo = uuid4(), uuid4()
    with KeyStore(tmp_path) as keys:
        keys.create_member_keys(GROUP, [ada, bo])
        key = keys.find_member_key(GROUP, ada)
        copy = take_copy(keys, tmp_path, now=NOW)
        keys.erase_members(GROUP, [ada], now=NOW)

        merge_copy(copy, keys, tmp_path)

        assert keys.find_member_key(GROUP, ada) is None
        assert keys.find_member_key(GROUP, bo) is not None
        assert key is not None
        assert all(key not in file.read_bytes() for file in (tmp_path / "keys").iterdir())
        listed = read_erased(keys.erased_path)
    with KeyStore(tmp_path / "there") as keys:
        merge_copy(copy, keys, tmp_path / "there")
        assert keys.find_member_key(GROUP, ada) == key, "the copy alone cannot know"

        keys.erase_listed(listed)

        assert keys.find_member_key(GROUP, ada) is None
        assert [line.member_id for line in keys.list_erased()] == [ada]
