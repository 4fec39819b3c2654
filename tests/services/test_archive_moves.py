"""A group that moves is the same book on another server, and whoever followed its log goes on following it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cast import be_durable_enough
from tests.database import Dsn, Server, copied
from tests.properties.stand import Stand, make_group
from tests.services.test_archive import (
    archived,
    journal,
    lively,
    repacked,
    rows,
    sheets,
    statements,
    without_moments,
)
from timebank.errors import BookIsHere, ImportHasFaults, KeyNotOfTheLog, SlugTaken
from timebank.ledger.notes import parse_checkpoint, parse_note
from timebank.ledger.public_log import KeyLeaf, read_leaf
from timebank.services.archive_moves import Introducer, move_group
from timebank.services.close import close_period
from timebank.services.example import make_example
from timebank.services.house import House
from timebank.services.import_report import Source
from timebank.services.log_sources import open_log
from timebank.services.public_verify import check_log
from timebank.services.verify import verify_group
from timebank.services.witness import Cosigned, Evidence, Witness
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.log_key_files import OldKeys, PaperKey

__all__ = ["lively"]

CHECK_BOOK = Path(__file__).parents[2] / "frontend" / "download" / "check_book.py"
PUBLISHED = ("published_group", "published_policies", "published_periods", "published_balances",
             "published_held", "published_flows", "published_lines", "published_checkpoints")  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere(cluster: Server, database_template: str, tmp_path: Path) -> AsyncIterator[House]:
    """Another server, which knows nothing."""
    (home := tmp_path / "elsewhere").mkdir()
    async with copied(cluster, database_template) as dsn, a_house(dsn, home) as house:
        yield house


@asynccontextmanager
async def a_house(dsn: Dsn, home: Path) -> AsyncIterator[House]:
    await be_durable_enough(dsn)
    database = await Database.open(dsn, check=False)
    keys = KeyStore(home)
    checkpoints = Checkpoints(keys, home)
    try:
        yield House(database, keys, checkpoints)
    finally:
        await checkpoints.close()
        await database.close()
        keys.close()


def old_keys(house: House, group_id: UUID) -> OldKeys:
    return OldKeys(house.keys.log_key(group_id), house.keys.live_key(group_id))


def paper(house: House, group_id: UUID) -> PaperKey:
    recovery = house.keys.recovery_key(group_id)
    assert recovery is not None
    return PaperKey(recovery)


async def moved(house: House, data: bytes, keys: Introducer, slug: str = "moved") -> UUID:
    try:
        _, group_id = await move_group(house, slug, Source("book.zip", io.BytesIO(data)), keys, clock=now)
    except ImportHasFaults as refused:
        refused.add_note(repr(refused.report.faults))
        raise
    await house.checkpoints.close()
    return group_id


async def close_all(house: House, group_id: UUID, *, days: int = 1) -> None:
    await close_period(house, group_id, now=now() + timedelta(days=days))


def log_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist() if name.startswith("log/")}


def published(data: bytes) -> dict[str, Any]:
    found = sheets(data)
    return {name: found[f"{name}.csv"] for name in PUBLISHED}


def save(data: bytes, path: Path) -> Path:
    path.write_bytes(data)
    return path


def is_checked(path: Path, *, kept: bytes | None = None) -> list[Any]:
    """Assert that two programs which share nothing find nothing wrong in an archive; return its new keys."""
    with open_log(str(path)) as log:
        verdict = check_log(log, kept=kept)
        assert verdict.ok, verdict.findings
        size = parse_checkpoint(parse_note(verdict.note).text).size
    words = [sys.executable, str(CHECK_BOOK), str(path)]
    if kept is not None:
        older = path.with_suffix(".kept")
        older.write_bytes(kept)
        words += ["--checkpoint", str(older)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [size, verdict.keys]


async def leaves(house: House, group_id: UUID) -> list[bytes]:
    query = "SELECT leaf FROM timebank.published_leaves ORDER BY leaf_index"
    return [row[0] for row in await rows(house, group_id, query)]


async def live(house: House, group_id: UUID) -> list[Any]:
    """Return every record, and what follows from it."""
    return [
        await rows(house, group_id, query)
        for query in (
            "SELECT seq, kind, record, salt, commitment FROM timebank.records ORDER BY seq",
            (
                "SELECT seq, entry_id, kind, source, effective_on, recorded_at, category, draw_id, reverses_seq"
                " FROM timebank.entries ORDER BY seq"
            ),
            (
                "SELECT seq, leg, debit_account, credit_account, amount, debit_balance, credit_balance"
                " FROM timebank.transfers ORDER BY seq, leg"
            ),
            (
                "SELECT account_id, kind, unit, floor, closed, debits, credits, reversal_debits, reversal_credits"
                " FROM timebank.accounts ORDER BY account_id"
            ),
            (
                "SELECT account_id, effective_on, debits, credits, reversal_debits, reversal_credits"
                " FROM timebank.account_days ORDER BY account_id, effective_on"
            ),
            (
                "SELECT hours_id, seq, state, giver_account, receiver_account, draw_id, minutes, effective_on, category,"
                " logged_by, logged_at FROM timebank.hours ORDER BY hours_id"
            ),
        )
    ]


async def test_the_demo_moved_to_another_server_has_the_same_root_balances_and_leaves(
    house: House, elsewhere: House, tmp_path: Path
) -> None:
    async def nothing(*_: object) -> None:
        pass

    example = await make_example(house, host="bank.example", now=now(), progress=nothing, days=30)
    group_id = example.group_id
    data = await archived(house, group_id)
    before = is_checked(save(data, tmp_path / "before.zip"))
    witness = Witness.begin(tmp_path / "witness", "witness.example/w1", bytes(range(32)))
    with open_log(str(tmp_path / "before.zip")) as log:
        witness.add(str(tmp_path / "before.zip"), log, at=1)

    other = await moved(elsewhere, data, paper(house, group_id))

    # Everything that was there is there, under the numbers and with the bytes that it had.
    for one, two in zip(await live(house, group_id), await live(elsewhere, other), strict=True):
        assert [tuple(row) for row in two][: len(one)] == [tuple(row) for row in one]
    assert await leaves(elsewhere, other) == await leaves(house, group_id)
    again = await archived(elsewhere, other)
    assert log_of(again) == log_of(data)
    assert published(again) == published(data)
    assert await statements(elsewhere, other) == await statements(house, group_id)
    assert await journal(elsewhere, other) == await journal(house, group_id)
    verdict = await verify_group(elsewhere, other)
    assert verdict.ok, verdict.findings
    assert verdict.periods > 2

    await close_all(elsewhere, other)

    # The next close goes on from there; the new key signs it, and the leaf before it says why.
    after = save(await archived(elsewhere, other), tmp_path / "after.zip")
    size, keys = is_checked(after, kept=log_of(data)["log/checkpoint"])
    assert size > before[0]
    assert keys != before[1]
    new = [read_leaf(leaf) for leaf in (await leaves(elsewhere, other))[before[0] :]]
    introduced = [leaf for leaf in new if isinstance(leaf, KeyLeaf)]
    assert {leaf.reason for leaf in introduced} == {"moved"}
    assert {(leaf.old, leaf.new) for leaf in introduced} == {
        (before[1].log_key, keys.log_key),
        (before[1].live_key, keys.live_key),
    }
    assert (await verify_group(elsewhere, other)).ok
    with open_log(str(after)) as log:
        assert isinstance(witness.poll(witness.list_watched()[0], log, at=2), Cosigned)

    # Had the old server gone on as well, the witness would have seen two histories.
    await close_all(house, group_id)
    fork = save(await archived(house, group_id), tmp_path / "fork.zip")
    with open_log(str(fork)) as log:
        assert isinstance(witness.poll(witness.list_watched()[0], log, at=3), Evidence)


async def test_a_group_with_a_life_moves_as_it_is_and_lives_on(lively: Stand, elsewhere: House) -> None:
    house, group_id = lively.house, lively.group.group_id
    await close_all(house, group_id)
    data = await archived(house, group_id)

    other = await moved(elsewhere, data, old_keys(house, group_id))

    again = await archived(elsewhere, other)
    assert without_moments(again) == without_moments(data)
    kept = {name for name in sheets(data) if name.startswith(("moved_", "published_"))}
    changed = {name for name in kept if sheets(again)[name] != sheets(data)[name]}
    # Two records are new: they introduce keys.
    assert changed == {"moved_records.csv"}
    was, is_now = sheets(data)["moved_records.csv"], sheets(again)["moved_records.csv"]
    assert is_now[: len(was) - 1] == was[:-1]
    assert len(is_now) == len(was) + 2
    verdict = await verify_group(elsewhere, other)
    assert verdict.ok, verdict.findings
    assert await statements(elsewhere, other) == await statements(house, group_id)


async def test_a_book_moves_once_to_a_free_address_with_keys_that_can_introduce_others(
    lively: Stand, elsewhere: House
) -> None:
    house, group_id = lively.house, lively.group.group_id
    data = await archived(house, group_id)
    stranger = Ed25519PrivateKey.generate().private_bytes_raw()
    right = old_keys(house, group_id)
    for keys in (
        PaperKey(stranger),
        right._replace(log=stranger),
        right._replace(live=stranger),
        right._replace(recovery=stranger),
        PaperKey(right.log),
    ):
        with pytest.raises(KeyNotOfTheLog):
            await moved(elsewhere, data, keys)
    there = await make_group(elsewhere, "taken")
    with pytest.raises(SlugTaken):
        await moved(elsewhere, data, right, "taken")
    assert not await rows(elsewhere, there.group_id, "SELECT 1 FROM timebank.entries")
    with pytest.raises(BookIsHere):
        await moved(house, data, right)

    assert await moved(elsewhere, data, right)

    with pytest.raises(BookIsHere):
        await moved(elsewhere, data, right, "again")


async def test_what_was_changed_on_the_way_does_not_come_in(lively: Stand, elsewhere: House) -> None:
    house, group_id = lively.house, lively.group.group_id
    await close_all(house, group_id)
    data, keys = await archived(house, group_id), old_keys(house, group_id)

    def in_a_record(files: dict[str, bytes]) -> None:
        text = files["moved_records.csv"]
        files["moved_records.csv"] = text.replace(b'""amount"":32', b'""amount"":33', 1)
        assert files["moved_records.csv"] != text

    def in_the_log(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.startswith("log/tile/entries/"))
        files[name] = files[name].replace(b'"available":', b'"available":1', 1)

    def in_an_old_checkpoint(files: dict[str, bytes]) -> None:
        text = files["published_checkpoints.csv"]
        at = text.index(b"\r\n0,1,") + 60
        files["published_checkpoints.csv"] = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]

    def without_a_leaf(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.startswith("log/tile/entries/"))
        del files[name]

    for change in (in_a_record, in_the_log, in_an_old_checkpoint, without_a_leaf):
        with pytest.raises(ImportHasFaults):
            await moved(elsewhere, repacked(data, change), keys)
    # Nothing of all that stayed: the address is free.
    assert await moved(elsewhere, data, keys)
