"""Keys of a log outside the key store: what comes back is what went out, and what is mistyped is no key."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from timebank.cli.recovery_key import on_paper
from timebank.store.keys import KeyStore
from timebank.store.log_key_files import NoKeysError, OldKeys, PaperKey, export_keys, read_introducer

KEY = bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        on_paper(KEY),
        on_paper(KEY).lower() + "\n",
        on_paper(KEY).replace(" ", ""),
        on_paper(KEY).replace(" ", "-"),
        on_paper(KEY).replace("O", "0").replace("I", "1"),
    ],
)
def test_a_key_on_paper_is_read_however_it_is_spaced(text: str) -> None:
    assert read_introducer(text) == PaperKey(KEY)


@pytest.mark.parametrize("text", ["", "x", on_paper(KEY)[:-1], on_paper(KEY) + "AA", "9" * 52, "é" * 52])
def test_what_is_no_key_on_paper_is_refused(text: str) -> None:
    with pytest.raises(NoKeysError):
        read_introducer(text)


def test_keys_come_out_for_another_server_and_the_recovery_key_only_while_it_is_on_no_paper(
    tmp_path: Path,
) -> None:
    group_id = uuid4()
    with KeyStore(tmp_path) as keys:
        with pytest.raises(LookupError):
            export_keys(keys, group_id)
        keys.create_group_keys(group_id)
        keys.create_log_keys(group_id)
        log, live, recovery = keys.log_key(group_id), keys.live_key(group_id), keys.recovery_key(group_id)

        assert read_introducer(export_keys(keys, group_id)) == OldKeys(log, live, recovery)

        keys.forget_recovery_key(group_id)
        assert read_introducer(export_keys(keys, group_id)) == OldKeys(log, live, None)


@pytest.mark.parametrize(
    "changed", [{"format": "x"}, {"log": "00"}, {"log": 7}, {"live": "zz"}, {"recovery": "11"}]
)
def test_a_file_that_is_not_one_with_keys_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    group_id = uuid4()
    with KeyStore(tmp_path) as keys:
        keys.create_group_keys(group_id)
        keys.create_log_keys(group_id)
        told = json.loads(export_keys(keys, group_id))

    with pytest.raises(NoKeysError):
        read_introducer(json.dumps(told | changed))
    with pytest.raises(NoKeysError):
        read_introducer("{")


def test_a_moved_log_has_a_key_of_its_own_and_no_new_recovery_key(tmp_path: Path) -> None:
    one, other = uuid4(), uuid4()
    with KeyStore(tmp_path) as keys:
        keys.move_log_keys(one, None)
        keys.move_log_keys(other, KEY)

        assert keys.recovery_key(one) is None
        assert keys.recovery_key(other) == KEY
        assert keys.log_key(one) != keys.log_key(other)
