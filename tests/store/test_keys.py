"""The key store and its boxes: what is destroyed stays destroyed, and nobody else can look."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from timebank.store import keys as keys_module
from timebank.store.boxes import BoxBrokenError, blind_index, open_box, seal
from timebank.store.keys import KeyErasedError, KeyStore

GROUP = uuid.UUID(int=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def everything_on_disk(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted((home / "keys").iterdir()))


def test_a_key_stays_the_same_until_it_is_destroyed(tmp_path: Path) -> None:
    ada = uuid.uuid4()
    with KeyStore(tmp_path) as keys:
        keys.create_member_keys(GROUP, [ada])
        key = keys.find_member_key(GROUP, ada)
        assert key is not None

        keys.create_member_keys(GROUP, [ada])

        assert keys.find_member_key(GROUP, ada) == key
    with KeyStore(tmp_path) as keys:
        assert keys.find_member_key(GROUP, ada) == key
        assert keys.find_member_key(uuid.UUID(int=2), ada) is None


def test_an_erased_key_is_in_no_byte_of_any_file(tmp_path: Path) -> None:
    everybody = [uuid.uuid4() for _ in range(200)]
    with KeyStore(tmp_path) as keys:
        keys.create_member_keys(GROUP, everybody)
        secrets = {member: keys.find_member_key(GROUP, member) for member in everybody}
        assert all(
            secret is not None and secret in everything_on_disk(tmp_path) for secret in secrets.values()
        )
        gone = everybody[::7]

        keys.erase_members(GROUP, gone, now=NOW)

        left = everything_on_disk(tmp_path)
        for member, secret in secrets.items():
            assert secret is not None
            assert (secret in left) == (member not in gone)
            assert keys.find_member_key(GROUP, member) == (None if member in gone else secret)


def test_the_erased_are_remembered_and_never_get_a_key_again(tmp_path: Path) -> None:
    ada, bo = uuid.uuid4(), uuid.uuid4()
    with KeyStore(tmp_path) as keys:
        keys.create_member_keys(GROUP, [ada, bo])
        keys.erase_members(GROUP, [ada], now=NOW)
        keys.erase_members(GROUP, [ada], now=NOW)

        with pytest.raises(KeyErasedError):
            keys.create_member_keys(GROUP, [uuid.uuid4(), ada])

        assert [(line.member_id, line.erased_at) for line in keys.list_erased()] == [(ada, NOW)]
        assert keys.find_member_key(GROUP, ada) is None
        assert keys.find_member_key(GROUP, bo) is not None


def test_a_key_destroyed_elsewhere_is_forgotten_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "_RECHECK_SECONDS", 0.0)
    ada = uuid.uuid4()
    with KeyStore(tmp_path) as here, KeyStore(tmp_path) as elsewhere:
        here.create_member_keys(GROUP, [ada])
        assert here.find_member_key(GROUP, ada) is not None

        elsewhere.erase_members(GROUP, [ada], now=NOW)

        assert here.find_member_key(GROUP, ada) is None


def test_two_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, uuid; from pathlib import Path; from timebank.store.keys import KeyStore\n"
        "with KeyStore(Path(sys.argv[1])) as keys:\n"
        "    for n in range(25):\n"
        "        keys.create_member_keys(uuid.UUID(int=1), [uuid.UUID(int=int(sys.argv[2]) + n)])\n"
        "    print(keys.derive('x').hex())\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(start)], stdout=subprocess.PIPE, text=True
        )
        for start in (1000, 2000)
    ]
    secrets = {run.communicate(timeout=60)[0] for run in runs}

    assert [run.returncode for run in runs] == [0, 0]
    assert len(secrets) == 1, "both processes derive from the same host secret"
    with KeyStore(tmp_path) as keys:
        for start in (1000, 2000):
            assert all(keys.find_member_key(GROUP, uuid.UUID(int=start + n)) for n in range(25))


def test_threads_share_one_store(tmp_path: Path) -> None:
    everybody = [uuid.uuid4() for _ in range(40)]
    with KeyStore(tmp_path, cache_size=5) as keys:
        keys.create_member_keys(GROUP, everybody)
        wrong: list[uuid.UUID] = []
        expected = {member: keys.find_member_key(GROUP, member) for member in everybody}

        def read() -> None:
            wrong.extend(m for m in everybody * 20 if keys.find_member_key(GROUP, m) != expected[m])

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert not wrong


def test_only_the_owner_can_look(tmp_path: Path) -> None:
    with KeyStore(tmp_path) as keys:
        keys.create_group_keys(GROUP)
        assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
        for file in (tmp_path / "keys").iterdir():
            assert file.stat().st_mode & 0o777 == 0o600, file.name

    keys.path.chmod(0o640)

    with pytest.raises(PermissionError, match="chmod"):
        KeyStore(tmp_path)


def test_a_group_has_two_different_keys_and_a_stranger_has_none(tmp_path: Path) -> None:
    with KeyStore(tmp_path) as keys:
        keys.create_group_keys(GROUP)
        assert len(keys.index_key(GROUP)) == len(keys.live_key(GROUP)) == 32
        assert keys.index_key(GROUP) != keys.live_key(GROUP)

        with pytest.raises(LookupError):
            keys.index_key(uuid.UUID(int=9))


def test_derived_secrets_repeat_and_their_parts_cannot_be_shifted(tmp_path: Path) -> None:
    with KeyStore(tmp_path) as keys:
        first = keys.derive("invitation", b"ab", b"c")
    with KeyStore(tmp_path) as keys:
        assert keys.derive("invitation", b"ab", b"c") == first
        assert keys.derive("invitation", b"a", b"bc") != first
        assert keys.derive("status", b"ab", b"c") != first


def test_a_box_opens_only_in_its_own_place() -> None:
    key, row = b"k" * 32, uuid.uuid4()
    place = {"group_id": GROUP, "table": "people.members", "row": row, "column": "nickname_box"}
    box = seal(key, b"Ada", **place)  # type: ignore[arg-type]

    assert open_box(key, box, **place) == b"Ada"  # type: ignore[arg-type]
    assert box != seal(key, b"Ada", **place)  # type: ignore[arg-type]
    elsewhere: dict[str, object]
    for change in (
        {"group_id": uuid.UUID(int=2)},
        {"row": uuid.uuid4()},
        {"table": "people.notes"},
        {"column": "accounts_box"},
    ):
        elsewhere = {**place, **change}
        with pytest.raises(BoxBrokenError):
            open_box(key, box, **elsewhere)  # type: ignore[arg-type]
    for broken in (b"", box[:-1], b"\x02" + box[1:], box[:20] + bytes([box[20] ^ 1]) + box[21:]):
        with pytest.raises(BoxBrokenError):
            open_box(key, broken, **place)  # type: ignore[arg-type]
    with pytest.raises(BoxBrokenError):
        open_box(b"l" * 32, box, **place)  # type: ignore[arg-type]


def test_a_nickname_is_found_in_any_spelling_and_only_with_the_key() -> None:
    index = blind_index(b"k" * 32, "Ana María")

    assert blind_index(b"k" * 32, "  ana  MARI\u0301A ") == index
    assert blind_index(b"k" * 32, "Ana Maria") != index
    assert blind_index(b"l" * 32, "Ana María") != index
