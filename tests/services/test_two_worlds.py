"""Worlds that differ in who drew or who gave look the same to everybody outside, byte for byte.

Outside is nobody signed in, somebody who asked without an account, and somebody who joined to look. They see
every address that the running application has (``tests/surfaces.py``), so a new route is in these tests by itself.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar, Request, get
from sqlalchemy import text

from tests.cast import SLUG, be_durable_enough, make_cast
from tests.database import Server, copied
from tests.services.book_with_clock import MARCH_2, Book
from tests.surfaces import Answers, differing, everything, open_app, session_of, without_chance
from timebank.rules.commands import AskDraw, GiveMoney
from timebank.rules.set_up import MINUTES, NewPot, Terms
from timebank.services.asks import find_holder, make_form
from timebank.services.house import House
from timebank.services.members import NewMember, add_members
from timebank.services.tokens import make_token
from timebank.services.writer import Writer
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.public_log import find_note

PRESETS = ("open", "careful", "sheltered")
LIVE = f"/api/v1/groups/{SLUG}/live"
POTS = (
    NewPot("hours", MINUTES),
    NewPot("money", "EUR", terms=Terms(approvals=((0, 1), (3000, 2)), who="anyone")),
)


@dataclass(slots=True)
class World:
    """A group, and an application that shows it.

    Attributes:
        member: Headers of somebody who joined to look, by token and with a session.
        secret: Of an ask without an account.
    """

    book: Book
    app: Litestar
    http: httpx.AsyncClient
    member: dict[str, str]
    secret: str = ""

    async def look(self, *, in_every_way: bool = False) -> Answers:
        """Return what somebody sees who asked without an account: what everybody does, and their ask."""
        own = {"secret": (self.secret,)} if self.secret else {}
        return await self._look(own=own, in_every_way=in_every_way)

    async def look_as_member(self) -> Answers:
        """Return what somebody sees who joined to look."""
        return await self._look(headers=self.member)

    async def _look(self, **how: Any) -> Answers:
        async with self.book.house.database.public_read(self.book.group_id) as tx:
            found = await find_note(tx, self.book.group_id)
        assert found is not None
        seen = await everything(self.app, self.http, log_size=found[0], **how)
        assert [path for path, answer in seen.items() if answer[0] >= 500] == []
        return seen


@asynccontextmanager
async def a_world(cluster: Server, template: str, home: Path, preset: str) -> AsyncIterator[World]:
    """Open the cast's book with a seed in the place of chance: two worlds draw the same ids and salts."""
    with pytest.MonkeyPatch.context() as patch:
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
                book = Book(await make_cast(house, MARCH_2, preset=preset, pots=POTS))
                await book.writer.close()
                book.writer = Writer(
                    database, keys, checkpoints, clock=lambda: book.now, random=chance.randbytes
                )
                try:
                    async with open_app(dsn, home, lambda: book.now, patch) as (app, http):
                        yield World(book, app, http, {})
                finally:
                    await book.writer.close()
                    await checkpoints.close()
                    await database.close()


async def tell(world: World, people: tuple[str, str, str], givers: tuple[str, str, str]) -> None:
    """Live some weeks: money comes in, three people draw, three people help; others come to look."""
    book = world.book
    await book.write("ed", GiveMoney("money", 90000, "EUR", "bank", None, date(2026, 3, 2)))
    for name, amount in zip(people, (1000, 2500, 700), strict=True):
        await book.draw(name, amount)
        book.now += timedelta(hours=5)
    for name, minutes in zip(givers, (30, 75, 240), strict=True):
        await book.give(minutes, book.now.date(), name)
        book.now += timedelta(hours=3)
    book.now += timedelta(days=5 * 7)
    await book.close()
    await _come_to_look(world)


async def _come_to_look(world: World) -> None:
    book, house, group_id = world.book, world.book.house, world.book.group_id
    # What is drawn by chance from here on is no part of the story, and the same whatever the story took.
    fixed = random.Random(9)
    own = replace(
        house,
        new_id=lambda: UUID(int=fixed.getrandbits(128), version=4),
        new_number=lambda: 1 + fixed.randrange(2**53 - 1),
        random=fixed.randbytes,
    )
    (member_id,) = await add_members(own, group_id, [NewMember("Gus")], now=book.now)
    token = await make_token(own, group_id, member_id, ("read", "write"), now=book.now)
    with without_chance():
        world.member = {
            "Authorization": f"Bearer {token.token}",
            **await session_of(own, group_id, member_id, now=book.now),
        }
        world.secret = make_form(house.keys, group_id)
    holder = await find_holder(house, group_id, world.secret)
    ask = AskDraw(
        "money", 700, "EUR", "repairs", without_account=True, link=holder.link_hash, ask_id=holder.ask_id
    )
    await book.writer.submit(
        group_id,
        [ask],
        actor=holder.actor,
        key="asked by link",
        request_hash=sha256(b"asked by link").digest(),
        render=lambda refusal: (409, {"code": refusal.code}),
    )
    async with house.database.read(group_id) as tx:
        assert (await tx.execute(text("SELECT count(*) FROM people.ask_links"))).scalar() == 1


async def live_on(world: World) -> None:
    """Let twenty entries happen in the period that is open."""
    book = world.book
    for minutes in range(1, 15):
        await book.give(minutes, book.now.date(), ("ada", "flo", "di")[minutes % 3])
    for name in ("ada", "flo", "di"):
        await book.draw(name, 100)


def copy_keys(one: Path, other: Path) -> None:
    """Give another home the keys of one that may be in use."""
    shutil.copytree(one / "keys", other / "keys", ignore=shutil.ignore_patterns("*.sqlite*"))
    (other / "keys" / "keys.sqlite").touch(mode=0o600)
    with (
        closing(sqlite3.connect(one / "keys" / "keys.sqlite")) as source,
        closing(sqlite3.connect(other / "keys" / "keys.sqlite")) as target,
    ):
        source.backup(target)


ADA_FLO_DI = ("ada", "flo", "di")
FLO_DI_ADA = ("flo", "di", "ada")


@pytest.mark.parametrize("preset", PRESETS)
async def test_neither_who_drew_nor_twenty_entries_in_an_open_period_change_a_byte(
    cluster: Server, database_template: str, tmp_path: Path, preset: str
):
    homes = tmp_path / "one", tmp_path / "other"
    every = preset == "careful"
    async with a_world(cluster, database_template, homes[0], preset) as one:
        await tell(one, ADA_FLO_DI, ADA_FLO_DI)
        before, as_member = await one.look(in_every_way=every), await one.look_as_member()
        assert sum(answer[0] == 200 for answer in (before | as_member).values()) > 60
        copy_keys(*homes)

        async with a_world(cluster, database_template, homes[1], preset) as other:
            await tell(other, FLO_DI_ADA, ADA_FLO_DI)
            assert differing(before, await other.look(in_every_way=every)) == []
            assert differing(as_member, await other.look_as_member()) == []

            # In the one nothing happens, in the other a lot; nobody sees it, nor do members on the next day.
            await live_on(other)
            assert differing(before, await other.look(in_every_way=every)) == []
            one.book.now += timedelta(days=1)
            other.book.now += timedelta(days=1)
            saw = differing(await one.look_as_member(), await other.look_as_member())
            # Members of a group that chose *open* see the pot as it is.
            assert saw == ([f"GET {LIVE}", f"GET /g/{SLUG}/me"] if preset == "open" else [])

            # The control: a close is seen.
            other.book.now += timedelta(days=31)
            await other.book.close()
            assert f"GET /g/{SLUG}/log/checkpoint" in differing(before, await other.look())


@pytest.mark.parametrize("preset", PRESETS)
async def test_who_gave_changes_no_byte_but_commitments(
    cluster: Server, database_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
):
    def commits_to_nothing(_book_id: bytes, salt: bytes, _record: bytes) -> bytes:
        return sha256(salt).digest()

    monkeypatch.setattr("timebank.store.book.commitment", commits_to_nothing)
    homes, seen = (tmp_path / "one", tmp_path / "other"), []
    for home, givers in zip(homes, (ADA_FLO_DI, FLO_DI_ADA), strict=True):
        if seen:
            copy_keys(*homes)
        async with a_world(cluster, database_template, home, preset) as world:
            await tell(world, ADA_FLO_DI, givers)
            seen.append(await world.look())

    assert differing(*seen) == []


async def test_a_new_route_that_tells_of_what_happens_is_noticed_though_nobody_named_it(
    cluster: Server, database_template: str, tmp_path: Path
):
    @get("/g/{slug:str}/busy", include_in_schema=False)
    async def busy(request: Request[Any, Any, Any]) -> Any:
        group_id = await request.app.state.database.group_id(SLUG)
        async with request.app.state.database.read(group_id) as tx:
            found = await tx.execute(text("SELECT seq FROM timebank.book_heads"))
        return {"records": found.scalar_one()}

    async with a_world(cluster, database_template, tmp_path, "careful") as world:
        world.app.register(busy)
        await tell(world, ADA_FLO_DI, ADA_FLO_DI)
        before = await world.look()
        await world.book.give(5, world.book.now.date(), "ada")

        changed = differing(before, await world.look())
        assert {path.partition("/")[2] for path in changed} == {f"g/{SLUG}/busy"}
