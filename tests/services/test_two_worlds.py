"""Worlds that differ in who drew or who gave look the same to everybody outside, byte for byte."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from tests.cast import SLUG, be_durable_enough, make_cast
from tests.database import Server, copied
from tests.services.book_with_clock import MARCH_2, Book
from timebank.api.public import PUBLIC_API
from timebank.ledger.tiles import new_paths
from timebank.rules.commands import GiveMoney
from timebank.services.house import House
from timebank.services.writer import Writer
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.public_log import find_note
from timebank.web.public import PUBLIC_PAGES
from timebank.web.public_log import PUBLIC_LOG

Answer = tuple[int, bytes, tuple[tuple[str, str], ...]]


@asynccontextmanager
async def a_world(cluster: Server, template: str, home: Path, preset: str) -> AsyncIterator[Book]:
    """Open the cast's book with a seed in the place of chance: two worlds draw the same ids and salts."""
    async with copied(cluster, template) as dsn:
        await be_durable_enough(dsn)
        chance = random.Random(7)
        database = await Database.open(dsn, check=False)
        with KeyStore(home) as keys:
            checkpoints = Checkpoints(keys, home)
            house = House(
                database,
                keys,
                checkpoints,
                new_id=lambda: UUID(int=chance.getrandbits(128), version=4),
                new_number=lambda: 1 + chance.randrange(2**53 - 1),
                random=chance.randbytes,
            )
            book = Book(await make_cast(house, MARCH_2, preset=preset))
            await book.writer.close()
            book.writer = Writer(database, keys, checkpoints, clock=lambda: book.now, random=chance.randbytes)
            try:
                yield book
            finally:
                await book.writer.close()
                await checkpoints.close()
                await database.close()


async def tell(book: Book, people: tuple[str, str, str], givers: tuple[str, str, str]) -> None:
    """Live some weeks: money comes in, three people draw, three people help."""
    await book.write("ed", GiveMoney("money", 90000, "EUR", "bank", None, date(2026, 3, 2)))
    for name, amount in zip(people, (1000, 2500, 700), strict=True):
        await book.draw(name, amount)
        book.now += timedelta(hours=5)
    for name, minutes in zip(givers, (30, 75, 240), strict=True):
        await book.give(minutes, book.now.date(), name)
        book.now += timedelta(hours=3)
    book.now += timedelta(days=5 * 7)
    await book.close()


async def everything_public(book: Book) -> dict[str, Answer]:
    """Return what every public surface answers, headers included but ``Date``."""
    app = Litestar(
        route_handlers=[*PUBLIC_API, *PUBLIC_PAGES, *PUBLIC_LOG], openapi_config=None, logging_config=None
    )
    app.state.database = book.house.database
    async with book.house.database.public_read(book.group_id) as tx:
        found = await find_note(tx, book.group_id)
    assert found is not None
    api = f"/api/v1/groups/{SLUG}"
    paths = [f"/g/{SLUG}", f"/g/{SLUG}/give", f"/g/{SLUG}/join", f"/g/{SLUG}?lang=es", api]
    paths += [f"{api}/{name}" for name in ("balances", "flows", "flows?by=kind", "entries", "policies/money")]
    files = ["checkpoint", "cosignatures", "policies/money/1", *new_paths(0, found[0])]
    paths += [f"/g/{SLUG}/log/{name}" for name in files]
    answers: dict[str, Answer] = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
        for path in paths:
            for method in ("GET", "HEAD"):
                said = await http.request(method, path)
                headers = tuple(sorted(pair for pair in said.headers.items() if pair[0] != "date"))
                answers[f"{method} {path}"] = (said.status_code, said.content, headers)
    assert {answer[0] for answer in answers.values()} == {200}, answers.keys()
    return answers


async def live(
    cluster: Server, template: str, home: Path, preset: str, **who: Any
) -> tuple[dict[str, Answer], Book]:
    async with a_world(cluster, template, home, preset) as book:
        await tell(book, **who)
        return await everything_public(book), book


def differing(one: dict[str, Answer], other: dict[str, Answer]) -> list[str]:
    return [path for path in {**one, **other} if one.get(path) != other.get(path)]


ADA_FLO_DI = ("ada", "flo", "di")
FLO_DI_ADA = ("flo", "di", "ada")


@pytest.mark.parametrize("preset", ["open", "careful", "sheltered"])
async def test_who_drew_changes_no_public_byte(
    cluster: Server, database_template: str, tmp_path: Path, preset: str
):
    one_home, other_home = tmp_path / "one", tmp_path / "other"
    one, _ = await live(cluster, database_template, one_home, preset, people=ADA_FLO_DI, givers=ADA_FLO_DI)
    shutil.copytree(one_home / "keys", other_home / "keys")

    other, _ = await live(
        cluster, database_template, other_home, preset, people=FLO_DI_ADA, givers=ADA_FLO_DI
    )

    assert differing(one, other) == []


async def test_who_gave_changes_no_public_byte_but_commitments(
    cluster: Server, database_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def commits_to_nothing(_book_id: bytes, salt: bytes, _record: bytes) -> bytes:
        return sha256(salt).digest()

    one_home, other_home = tmp_path / "one", tmp_path / "other"
    with monkeypatch.context() as blind:
        blind.setattr("timebank.store.book.commitment", commits_to_nothing)
        one, _ = await live(
            cluster, database_template, one_home, "careful", people=ADA_FLO_DI, givers=ADA_FLO_DI
        )
        shutil.copytree(one_home / "keys", other_home / "keys")
        other, _ = await live(
            cluster, database_template, other_home, "careful", people=ADA_FLO_DI, givers=FLO_DI_ADA
        )

    assert differing(one, other) == []


async def test_twenty_entries_in_an_open_period_change_no_public_byte(
    cluster: Server, database_template: str, tmp_path: Path
):
    async with a_world(cluster, database_template, tmp_path, "careful") as book:
        await tell(book, ADA_FLO_DI, ADA_FLO_DI)
        before = await everything_public(book)

        for minutes in range(1, 15):
            await book.give(minutes, book.now.date(), ("ada", "flo", "di")[minutes % 3])
        for name in ("ada", "flo", "di"):
            await book.draw(name, 100)

        assert differing(before, await everything_public(book)) == []

        # The control: a close is seen.
        book.now += timedelta(days=7)
        await book.close()
        assert f"GET /g/{SLUG}/log/checkpoint" in differing(before, await everything_public(book))
