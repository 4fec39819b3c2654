"""New keys on the same server: whoever follows the log follows them, and nobody else can bring any in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.cast import SLUG, make_cast
from tests.services.book_with_clock import MARCH_2, Book
from tests.services.test_republish import checked, is_whole, save
from timebank.config import OperatorError
from timebank.ledger.public_log import KeyLeaf, RecordLeaf
from timebank.services import close as close_module
from timebank.services.close import close_what_is_over
from timebank.services.house import House
from timebank.services.log_sources import open_log
from timebank.services.new_keys import introduce_keys, settle_keys
from timebank.services.witness import Cosigned, Witness
from timebank.store.engine import Tx
from timebank.store.groups import bump_setup_version

pytestmark = pytest.mark.database

ORIGIN = f"bank.example/g/{SLUG}"


@pytest_asyncio.fixture(loop_scope="session")
async def book(house: House) -> AsyncIterator[Book]:
    made = Book(await make_cast(house, MARCH_2))
    await made.give(90, date(2026, 3, 2))
    made.now += timedelta(days=1)
    await made.close()
    yield made
    await made.writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def witness(book: Book, tmp_path: Path) -> Witness:
    witness = Witness.begin(tmp_path / "witness", "witness.example/ada", bytes(range(32)))
    with open_log(str(await save(book, tmp_path / "first.zip"))) as log:
        witness.add("https://bank.example/g/riverside", log, at=1)
    return witness


async def introduce(book: Book, reason: str, paper: bytes | None = None) -> Any:
    made = await introduce_keys(book.house, book.group_id, reason=reason, paper=paper, now=book.now)
    await book.house.checkpoints.close()
    return made


def paper_of(book: Book) -> bytes:
    paper = book.house.keys.recovery_key(book.group_id)
    assert paper is not None
    return paper


async def key_leaves(book: Book) -> list[KeyLeaf]:
    return [leaf for leaf in await book.leaves() if isinstance(leaf, KeyLeaf)]


async def is_followed(book: Book, witness: Witness, path: Path) -> None:
    """Assert that both programs and the witness go along with the log as it is now."""
    checked(await save(book, path))
    with open_log(str(path)) as log:
        assert isinstance(witness.poll(witness.list_watched()[0], log, at=2), Cosigned)


async def test_keys_are_changed_with_the_next_close_by_those_before(
    book: Book, witness: Witness, tmp_path: Path
) -> None:
    before = book.house.checkpoints.log_keys(book.group_id, ORIGIN)

    made = await introduce(book, "rotation")

    assert (made.log, made.live) == book.house.checkpoints.log_keys(book.group_id, ORIGIN)
    assert await key_leaves(book) == [], "nothing public moves between closes"
    await is_whole(book)
    with pytest.raises(OperatorError, match="counts from the next close on"):
        await introduce(book, "rotation")
    # A day that was over before the change: its close is signed with the new key, and says so.
    await book.close()
    book.now += timedelta(days=1)
    await book.close()

    told = await key_leaves(book)
    assert sorted((leaf.old, leaf.new, leaf.reason) for leaf in told) == sorted(
        (old, new, "rotation") for old, new in zip(before, made, strict=True)
    )
    assert [leaf.recovery for leaf in told] == [b"", b""]
    await is_followed(book, witness, tmp_path / "after.zip")
    assert witness.list_watched()[0].known.keys.log_key == made.log
    await is_whole(book)

    await introduce(book, "rotation")
    book.now += timedelta(days=1)
    await book.close()
    assert len(await key_leaves(book)) == 4
    await is_followed(book, witness, tmp_path / "again.zip")


@pytest.mark.parametrize("reason", ["lost", "stolen"])
async def test_lost_and_stolen_keys_are_replaced_by_the_key_on_paper_alone(
    book: Book, witness: Witness, tmp_path: Path, reason: str
) -> None:
    paper, keys = paper_of(book), book.house.keys
    if reason == "lost":
        keys._db.execute("DELETE FROM log_keys")
        keys._db.execute("DELETE FROM group_keys")
        keys._forget()
    for wrong in (None, bytes(32)):
        with pytest.raises(OperatorError, match="not the recovery key"):
            await introduce(book, reason, wrong)
    if reason == "lost":
        with pytest.raises(OperatorError, match="--lost"):
            await introduce(book, "rotation")

    first = await introduce(book, reason, paper)
    # It goes wrong again before anybody was told: the later one counts, the earlier one comes to nothing.
    made = await introduce(book, reason, paper)
    book.now += timedelta(days=1)
    await book.close()

    told = await key_leaves(book)
    assert {leaf.new for leaf in told} == {made.log, made.live}
    assert {leaf.reason for leaf in told} == {reason}
    assert first.log not in repr(told)
    assert len([leaf for leaf in await book.leaves() if isinstance(leaf, RecordLeaf)]) > 2
    await is_followed(book, witness, tmp_path / "after.zip")
    await is_whole(book)


async def test_a_server_with_another_key_publishes_nothing_until_it_is_introduced(book: Book) -> None:
    before = await book.leaves()
    right = book.house.keys.log_key(book.group_id)
    book.house.keys.change_log_keys(book.group_id, bytes(range(32)), book.house.keys.live_key(book.group_id))
    book.now += timedelta(days=1)

    with pytest.raises(OperatorError, match="new-keys --lost"):
        await book.close()
    await close_what_is_over(book.house, book.group_id, now=book.now)

    assert await book.leaves() == before
    # The change was cut short before the book knew of it: the start of the server undoes it.
    await settle_keys(book.house, book.group_id)
    assert book.house.keys.log_key(book.group_id) == right
    assert not book.house.keys.has_former_keys(book.group_id)
    await book.close()
    assert len(await book.leaves()) > len(before)


async def test_a_change_that_was_cut_short_after_the_book_said_so_is_finished(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(book.house.keys, "forget_former_keys", lambda _group_id: None)
        made = await introduce(book, "rotation")
    assert book.house.keys.has_former_keys(book.group_id)

    await settle_keys(book.house, book.group_id)

    assert not book.house.keys.has_former_keys(book.group_id)
    assert book.house.checkpoints.log_keys(book.group_id, ORIGIN) == tuple(made)
    book.now += timedelta(days=1)
    await book.close()
    await is_whole(book)


async def test_nobody_changes_keys_or_takes_them_back_while_somebody_else_has_the_book(book: Book) -> None:
    keys, group_id = book.house.keys, book.group_id
    before = keys.log_key(group_id)

    async with book.house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        asked = [asyncio.create_task(introduce(book, "rotation")) for _ in range(2)]
        await until_waiting(book, 2)
        assert keys.log_key(group_id) == before

    said = sorted(type(one).__name__ for one in await asyncio.gather(*asked, return_exceptions=True))
    assert said == ["NewKeys", "OperatorError"], "the second one has to wait for a close"
    made = keys.log_key(group_id)
    assert made != before

    # A change under way in another process: its former keys are nobody's to settle.
    keys.change_log_keys(group_id, bytes(range(32)), keys.live_key(group_id))
    async with book.house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        settling = asyncio.create_task(settle_keys(book.house, group_id))
        await until_waiting(book, 1)
        assert keys.log_key(group_id) == bytes(range(32))
    await settling
    assert keys.log_key(group_id) == made


async def test_keys_that_are_changed_while_a_close_adds_up_are_told_with_it(
    book: Book, witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, made = close_module.store.lock_book, []

    async def late(tx: Tx, group_id: UUID) -> None:
        if not made:
            made.append(await introduce(book, "rotation"))
        await right(tx, group_id)

    monkeypatch.setattr(close_module.store, "lock_book", late)
    book.now += timedelta(days=1)
    await book.close()

    assert {leaf.new for leaf in await key_leaves(book)} == set(made[0])
    await is_followed(book, witness, tmp_path / "after.zip")
    await is_whole(book)


async def until_waiting(book: Book, people: int) -> None:
    """Return as soon as so many wait for somebody's lock."""
    query = (
        "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " WHERE NOT l.granted AND a.datname = current_database()"
    )
    async with asyncio.timeout(30):
        while (await book.rows(query))[0][0] < people:
            pass
