"""Limits hold for all processes and over a restart, lock nobody out, and know nobody's address."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, get
from litestar.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.cast import Cast, cast, house, running, trust_this_server
from tests.database import Dsn, connected
from timebank.app import build_app
from timebank.config import Settings
from timebank.edge.door import Door
from timebank.edge.headers import JSON, Reply
from timebank.edge.limits import peer_bytes, slow_down
from timebank.edge.problems import answer_problem
from timebank.errors import TooManyTries
from timebank.rules.tries import PACES, Pace
from timebank.services.house import House
from timebank.services.limits import forget_old, forgive, take
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house"]

pytestmark = pytest.mark.database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE, ELSEWHERE = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"
ADA = b"ada" * 10


async def taken_until_refused(house: House, cast: Cast, whose: str, *, account: bool) -> tuple[int, int]:
    """Return how many tries were taken, each of somebody else, and the seconds to wait after them."""
    for tried in range(100):
        one = whose.encode() + b"%08d" % tried
        who, of = (HERE, one) if account else (one, b"")
        try:
            await take(house, cast.group_id, "sign_in", who, now=NOON, account=of)
        except TooManyTries as refusal:
            return tried, int(refusal.params["seconds"])
    raise AssertionError("nobody was refused")


async def tries_until_refused(
    house: House, cast: Cast, who: bytes, account: bytes = ADA, most: int = 100
) -> int:
    for tried in range(most):
        try:
            await take(house, cast.group_id, "sign_in", who, now=NOON, account=account)
        except TooManyTries:
            return tried
    return most


async def test_after_a_few_tries_one_waits_and_then_tries_again(house: House, cast: Cast) -> None:
    free = PACES["sign_in"].pair.free
    assert await tries_until_refused(house, cast, HERE) == free + 1

    with pytest.raises(TooManyTries) as refusal:
        await take(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA)
    assert refusal.value.params == {"seconds": 2}
    for _ in range(50):
        with pytest.raises(TooManyTries):
            await take(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA)
    await take(house, cast.group_id, "sign_in", HERE, now=NOON + timedelta(seconds=2), account=ADA)


async def test_whoever_tries_an_account_slows_only_themselves_down(house: House, cast: Cast) -> None:
    await tries_until_refused(house, cast, HERE)

    await take(house, cast.group_id, "sign_in", ELSEWHERE, now=NOON, account=ADA)
    await take(house, cast.group_id, "sign_in", HERE, now=NOON, account=b"flo" * 10)
    await take(house, cast.group_id, "code", HERE, now=NOON, account=ADA)
    await take(house, cast.other_group_id, "sign_in", HERE, now=NOON, account=ADA)


async def test_many_accounts_from_one_address_are_slowed_down_too(house: House, cast: Cast) -> None:
    taken, _ = await taken_until_refused(house, cast, "account", account=True)

    assert taken == PACES["sign_in"].address.free + 1


async def test_a_crowd_is_slowed_down_before_it_wears_the_database_out(
    house: House, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces = PACES["sign_in"]
    monkeypatch.setitem(PACES, "sign_in", paces._replace(everybody=paces.everybody._replace(free=8)))

    taken, seconds = await taken_until_refused(house, cast, "address", account=False)

    assert taken == 9
    assert seconds == 1, "a moment, and never longer"


async def test_whoever_got_in_begins_anew(house: House, cast: Cast) -> None:
    await tries_until_refused(house, cast, HERE)

    await forgive(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA)

    await take(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA)


async def test_tries_at_the_same_moment_are_counted_one_by_one(house: House, cast: Cast) -> None:
    answers = await asyncio.gather(
        *(take(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA) for _ in range(40)),
        return_exceptions=True,
    )

    assert sum(answer is None for answer in answers) == PACES["sign_in"].pair.free + 1
    assert all(answer is None or isinstance(answer, TooManyTries) for answer in answers)


async def test_a_restart_and_a_second_process_know_what_was_tried(
    house: House, cast: Cast, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    for _ in range(3):
        await take(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA)

    database = await Database.open(fresh_dsn, check=False)
    with KeyStore(tmp_path) as keys:
        other = House(database, keys, Checkpoints(keys, tmp_path))
        left = await tries_until_refused(other, cast, HERE)
        with pytest.raises(TooManyTries):
            await take(house, cast.group_id, "sign_in", HERE, now=NOON, account=ADA)
        await other.checkpoints.close()
    await database.close()

    assert left == PACES["sign_in"].pair.free + 1 - 3


async def test_with_the_day_its_key_is_gone_and_so_is_what_it_counted(
    house: House, cast: Cast, fresh_dsn: Dsn, tmp_path: Path
) -> None:
    folder = tmp_path / "keys" / "days"
    await tries_until_refused(house, cast, HERE)
    assert [path.name for path in folder.iterdir()] == ["2026-03-01.key"]
    assert (folder / "2026-03-01.key").stat().st_mode & 0o777 == 0o600
    first = (folder / "2026-03-01.key").read_bytes()
    async with connected(fresh_dsn, SUPERUSER) as connection:
        counted = await connection.fetchval("SELECT count(*) FROM people.tries")
        assert counted == 3
        keys = [row[0] for row in await connection.fetch("SELECT try_key FROM people.tries")]
        assert not any(first in key or HERE in key for key in keys)

        await forget_old(house, cast.group_id, now=NOON)
        assert await connection.fetchval("SELECT count(*) FROM people.tries") == counted
        await forget_old(house, cast.group_id, now=NOON + timedelta(days=1))

        assert await connection.fetchval("SELECT count(*) FROM people.tries") == 0
    assert list(folder.iterdir()) == []
    await take(house, cast.group_id, "sign_in", HERE, now=NOON + timedelta(days=1), account=ADA)
    assert first not in [path.read_bytes() for path in folder.iterdir()]


def test_processes_that_ask_for_the_days_key_at_once_get_the_same(tmp_path: Path) -> None:
    stores = [KeyStore(tmp_path) for _ in range(4)]

    found = {keys.days.find(NOON.date()) for keys in stores}

    assert len(found) == 1
    assert len(found.pop()) == 32
    assert len(os.listdir(tmp_path / "keys" / "days")) == 1
    for keys in stores:
        keys.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("", "unix:", False),
    ],
)
def test_one_peer_is_one_address_or_one_network(one: str, other: str, same: bool) -> None:
    assert (peer_bytes(one) == peer_bytes(other)) == same


# ---------------------------------------------------------------- over HTTP


def an_app(house: House, cast: Cast) -> Litestar:
    """Return an application with one route that can be tried."""

    @get("/try")
    async def try_it(request: Request) -> ASGIApp:  # type: ignore[type-arg]
        await slow_down(request, cast.group_id, "code", account=ADA)
        return Reply(200, b"{}", JSON)

    app = Litestar([try_it], exception_handlers={Exception: answer_problem}, openapi_config=None)
    app.state.door = Door(house, None, None, lambda: NOON)  # type: ignore[arg-type]
    return app


async def statuses(app: object, header: str, *, tries: int = 12) -> list[int]:
    transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 5000))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return [
            (await http.get("/try", headers={"X-Forwarded-For": header % number})).status_code
            for number in range(tries)
        ]


async def test_a_forwarded_address_that_changes_every_time_helps_nobody(house: House, cast: Cast) -> None:
    app = an_app(house, cast)
    async with running(app):
        # As the server has it without a trusted proxy, and with one that is somebody else.
        for served in (app, ProxyHeadersMiddleware(app, "10.9.9.9")):  # type: ignore[arg-type]
            found = await statuses(served, "198.51.100.%d")
            assert 429 in found
            assert found[-1] == 429


async def test_behind_a_trusted_proxy_its_own_word_counts_and_not_the_clients(
    house: House, cast: Cast
) -> None:
    app = an_app(house, cast)
    async with running(app):
        behind = ProxyHeadersMiddleware(app, "192.0.2.7")  # type: ignore[arg-type]
        # What the client made up stands to the left of what the proxy saw.
        assert (await statuses(behind, "198.51.100.%d, 203.0.113.1"))[-1] == 429
        assert set(await statuses(behind, "203.0.113.1, 198.51.100.%d")) == {200}


async def test_a_refusal_says_when_to_come_again(house: House, cast: Cast) -> None:
    app = an_app(house, cast)
    async with (
        running(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http,
    ):
        while (answer := await http.get("/try")).status_code == 200:
            pass

    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_tries"
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"] == str(answer.json()["params"]["seconds"]) == "2"


# ---------------------------------------------------------------- joining, with and without an invitation

#: What a stranger can try, as method and path below the group; bodies do not matter before the limit does.
OF_STRANGERS = {
    "join": ("POST", "/api/v1/groups/riverside/join-requests"),
    "invitation": ("GET", "/api/v1/groups/riverside/invitations/" + "x" * 32),
    "invitation by joining": ("POST", "/api/v1/groups/riverside/invitations/" + "x" * 32),
    "invitation on a page": ("GET", "/g/riverside/join/" + "x" * 32),
    "invitation by joining on a page": ("POST", "/g/riverside/join/" + "x" * 32),
    "invitation by looking on a page": ("POST", "/g/riverside/join/" + "x" * 32),
    "card": ("POST", "/api/v1/groups/riverside/sign-in"),
}
MORE: dict[str, dict[str, dict[str, str]]] = {
    "card": {"json": {"card": "AAAA-AAAA-AAAA-AAAA"}},
    "invitation by looking on a page": {"data": {"look": "first"}},
}


async def tried(dsn: Dsn, home: Path, way: str, tries: int, *, host: str = "192.0.2.7") -> list[int]:
    """Start a server, try as often from one place that names another one each time, and stop the server."""
    app = build_app(Settings(home=home, database_urls={}), dsn, clock=lambda: NOON)
    method, path = OF_STRANGERS[way]
    async with running(app):
        transport = httpx.ASGITransport(app=app, client=(host, 5000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            more: dict[str, Any] = MORE.get(way, {})
            return [
                (
                    await http.request(
                        method, path, headers={"X-Forwarded-For": f"198.51.100.{number}"}, **more
                    )
                ).status_code
                for number in range(tries)
            ]


@pytest.mark.parametrize("way", OF_STRANGERS)
async def test_a_stranger_who_changes_their_address_or_waits_for_a_restart_is_slowed_down_alike(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    # A few tries are enough to see it.
    few = Pace(4, 60, 600, 600)
    for what in ("join", "invitation", "sign_in"):
        monkeypatch.setitem(PACES, what, PACES[what]._replace(address=few))

    first = await tried(fresh_dsn, tmp_path, way, 3)
    assert 429 not in first
    # Another server process, started later: it knows of the first tries, whatever the header says.
    second = await tried(fresh_dsn, tmp_path, way, 4)
    assert second == [first[0], first[0], 429, 429]
    # And nobody else is slowed down by it.
    assert 429 not in await tried(fresh_dsn, tmp_path, way, 3, host="192.0.2.8")
