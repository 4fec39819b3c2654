"""The cast: Ada gives time, Bo is steward, Cy a stranger, Di the second steward, Ed the treasurer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from tests.database import Dsn, run
from timebank.app import open_life, put_together
from timebank.config import Settings
from timebank.rules.people import Actor
from timebank.rules.set_up import MINUTES, NewGroup, NewHeldPlace, NewPot, Terms
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.members import NewMember, add_members
from timebank.services.tokens import find_actor, make_token
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.migrate import SUPERUSER

SLUG = "riverside"
OTHER_SLUG = "hillside"
NAMES = ("ada", "flo", "bo", "di", "ed")
ROLES: Mapping[str, tuple[str, ...]] = {"bo": ("steward",), "di": ("steward",), "ed": ("treasurer",)}
SCOPES = ("read", "write")

#: Where the cast's groups live.
ZONE = ZoneInfo("Europe/Madrid")
#: For tests that bring a clock of their own: an even hour of the day after today *in the group*, so after whatever
#: was really written. A fixed day would pass until it is over, and before it begins no duty would be given yet; and
#: counted from the day in UTC, what was written in the last hours of the evening would not be over.
NOON = datetime.combine(datetime.now(ZONE).date() + timedelta(days=1), time(12), UTC)

_keys = itertools.count()


@dataclass(slots=True)
class Cast:
    """Two groups, who is in them, and the token of each.

    Attributes:
        ids: Members by first name: ada, flo (another member), bo, di, ed; cy is in the other group.
        tokens: API tokens by first name, each good for reading and writing in their own group.
    """

    house: House
    group_id: UUID
    other_group_id: UUID
    ids: dict[str, UUID]
    tokens: dict[str, str]

    def group_of(self, name: str) -> UUID:
        """Return the group that somebody is in."""
        return self.other_group_id if name == "cy" else self.group_id

    async def actor(self, name: str) -> Actor:
        """Return somebody of the cast as they are now."""
        return await find_actor(self.house, self.group_of(name), self.tokens[name], now=datetime.now(UTC))


def a_group(slug: str = SLUG, **changes: Any) -> NewGroup:
    """Return a group with a pot of hours, a pot of euros, a cash box and a bank account."""
    values: dict[str, Any] = {
        "slug": slug,
        "name": "Riverside",
        "languages": ("en", "es"),
        "time_zone": "Europe/Madrid",
        "began_on": date(2026, 1, 1),
        "categories": ("cooking", "repairs", "company"),
        "preset": "open",
        "currencies": ("EUR",),
        "pots": (
            NewPot("hours", MINUTES),
            NewPot("money", "EUR", terms=Terms(approvals=((0, 1), (3000, 2)))),
        ),
        "held_places": (NewHeldPlace("cash-box", "cash", "EUR"), NewHeldPlace("bank", "bank", "EUR")),
    }
    return NewGroup(**{**values, **changes})


async def make_cast(house: House, now: datetime, **changes: Any) -> Cast:
    """Set both groups up, through the services and nothing else; ``changes`` are of the first one."""
    group_id = await create_group(house, a_group(**changes), origin=f"bank.example/g/{SLUG}", now=now)
    other_id = await create_group(
        house, a_group(OTHER_SLUG, name="Hillside"), origin=f"bank.example/g/{OTHER_SLUG}", now=now
    )
    joined = await add_members(
        house, group_id, [NewMember(name.title(), ROLES.get(name, ())) for name in NAMES], now=now
    )
    stranger = (await add_members(house, other_id, [NewMember("Cy", ("steward", "treasurer"))], now=now))[0]
    ids = dict(zip(NAMES, joined, strict=True)) | {"cy": stranger}
    cast = Cast(house, group_id, other_id, ids, {})
    for name, member_id in ids.items():
        made = await make_token(house, cast.group_of(name), member_id, SCOPES, now=now)
        cast.tokens[name] = made.token
    return cast


async def be_durable_enough(dsn: Dsn) -> None:
    """Switch on what the writer insists on, in one database of a server that forgets in a crash anyway."""
    name = dsn(SUPERUSER)["database"]
    await run(dsn, SUPERUSER, f'ALTER DATABASE "{name}" SET synchronous_commit = on')


@pytest_asyncio.fixture(loop_scope="session")
async def house(fresh_dsn: Dsn, tmp_path: Path) -> AsyncIterator[House]:
    """What services work with, on a database and a home of one test's own."""
    await be_durable_enough(fresh_dsn)
    database = await Database.open(fresh_dsn, check=False)
    keys = KeyStore(tmp_path)
    checkpoints = Checkpoints(keys, tmp_path)
    yield House(database, keys, checkpoints)
    await checkpoints.close()
    await database.close()
    keys.close()


@pytest_asyncio.fixture(loop_scope="session")
async def cast(house: House) -> Cast:
    """The cast on that database."""
    return await make_cast(house, datetime.now(UTC))


async def trust_this_server(_connection: Any) -> None:
    """Stand in for the guard that refuses servers without fsync, as test servers are."""


@dataclass(slots=True)
class Stage:
    """The cast and an application that answers them, without a network in between."""

    cast: Cast
    http: httpx.AsyncClient

    async def send(
        self,
        name: str | None,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        **more: Any,
    ) -> httpx.Response:
        """Send a request as somebody of the cast; paths are below the group.

        Args:
            name: First name, or None for a visitor without a token.
            key: Idempotency-Key; empty for a fresh one, None for none.
        """
        headers: dict[str, str] = dict(more.pop("headers", {}))
        if name is not None:
            headers["Authorization"] = f"Bearer {self.cast.tokens[name]}"
        if method == "POST" and key is not None:
            headers.setdefault("Idempotency-Key", key or f"test-{next(_keys)}")
        if body is not None:
            more["json"] = body
        slug = more.pop("slug", SLUG)
        return await self.http.request(method, f"/api/v1/groups/{slug}{path}", headers=headers, **more)

    async def post(self, name: str | None, path: str, body: Any, **more: Any) -> httpx.Response:
        """Post as somebody of the cast."""
        return await self.send(name, "POST", path, body, **more)

    async def get(self, name: str | None, path: str, **more: Any) -> httpx.Response:
        """Read as somebody of the cast."""
        return await self.send(name, "GET", path, **more)


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """Keep an application started. A task of its own enters and leaves it: fixtures end in another one."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ended.wait()

    task = asyncio.create_task(live())
    await asyncio.wait({task, waiting := asyncio.create_task(started.wait())}, return_when="FIRST_COMPLETED")
    waiting.cancel()
    try:
        yield
    finally:
        ended.set()
        await task


#: What the application of this process lives on, from one start of it to the next.
_life: dict[str, Any] = {}


@cache
def _app_of_this_process() -> Litestar:
    """Return an application that is put together once: with all its routes that takes longer than most tests.

    All that it remembers is made when it starts.
    """
    return put_together(lambda app: open_life(app, **_life), over_tls=False)


@pytest_asyncio.fixture(loop_scope="session")
async def stage(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """The cast, and an application of its own on the same database and home."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    _life.update(settings=Settings(home=tmp_path, database_urls={}), dsn=fresh_dsn)
    app = _app_of_this_process()
    async with running(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield Stage(cast, http)


@pytest.fixture
def today() -> str:
    """Today in the time zone of the cast's group, as the API writes days."""
    return datetime.now(ZONE).date().isoformat()
