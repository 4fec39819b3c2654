"""``timebank recovery-key``: the key that a log begins with goes onto paper, and from then on is nowhere else."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cast import SLUG, Cast, cast, house, trust_this_server
from tests.database import Dsn
from timebank.cli import recovery_key
from timebank.config import Settings
from timebank.ledger.public_log import GenesisLeaf, read_leaf
from timebank.store.public_log import list_leaves

__all__ = ["cast", "house"]


async def test_the_key_on_paper_is_the_one_whose_hash_the_log_begins_with(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr("timebank.store.migrate.upgrade", nothing)
    settings = Settings(home=tmp_path, database_urls={})
    async with cast.house.database.public_read(cast.group_id) as tx:
        (first,) = await list_leaves(tx, cast.group_id, 0, 1)
    genesis = read_leaf(first)
    assert isinstance(genesis, GenesisLeaf)

    key = await recovery_key._take(settings, fresh_dsn, SLUG, forget=False)

    assert key is not None
    paper = recovery_key.on_paper(key)
    typed = paper.replace(" ", "")
    again = base64.b32decode(typed + "=" * (-len(typed) % 8))
    public = Ed25519PrivateKey.from_private_bytes(again).public_key().public_bytes_raw()
    assert sha256(public).digest() == genesis.recovery

    await recovery_key._take(settings, fresh_dsn, SLUG, forget=True)

    assert await recovery_key._take(settings, fresh_dsn, SLUG, forget=False) is None
    assert key not in (tmp_path / "keys" / "keys.sqlite").read_bytes()
    # The log goes on without it.
    assert cast.house.keys.log_key(cast.group_id)
