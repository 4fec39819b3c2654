"""Through a real server and real sockets: whoever hangs up finds out with the same key."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn

from tests.cast import Cast, trust_this_server
from tests.database import Dsn
from timebank.app import build_app
from timebank.config import Settings


@pytest_asyncio.fixture(loop_scope="session")
async def address(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, int]]:
    """Where a server answers that was started for one test."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    app = build_app(Settings(home=tmp_path, database_urls={}), fresh_dsn)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="critical", access_log=False, http="httptools", timeout_graceful_shutdown=3
        )
    )
    serving = asyncio.create_task(server._serve([listener]))
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    await serving
    listener.close()


def request(token: str, key: str, body: bytes) -> bytes:
    return (
        b"POST /api/v1/groups/riverside/hours HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + f"Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def test_who_hangs_up_at_any_moment_is_written_once_and_told_so_later(
    cast: Cast, address: tuple[str, int], today: str
) -> None:
    body = json.dumps({"minutes": 1, "effective_on": today, "category": "cooking"}).encode()
    token = cast.tokens["ada"]
    chance = random.Random(7)

    async def hang_up(key: str) -> None:
        _, writer = await asyncio.open_connection(*address)
        writer.write(request(token, key, body))
        await asyncio.sleep(chance.uniform(0, 0.006))
        writer.transport.abort()

    keys = [f"storm-{number}" for number in range(150)]
    await asyncio.gather(*[hang_up(key) for key in keys])
    async with httpx.AsyncClient(
        base_url=f"http://{address[0]}:{address[1]}/api/v1/groups/riverside"
    ) as http:

        async def again(key: str) -> httpx.Response:
            headers = {
                "Authorization": f"Bearer {token}",
                "Idempotency-Key": key,
                "Content-Type": "application/json",
            }
            return await http.post("/hours", content=body, headers=headers)

        answers = [await again(key) for key in keys]
        replays = [await again(key) for key in keys]
        statement: dict[str, Any] = (
            await http.get("/me/statement", headers={"Authorization": f"Bearer {token}"})
        ).json()

    assert {answer.status_code for answer in answers} == {201}
    assert [replay.content for replay in replays] == [answer.content for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 150
    assert statement["totals"][0]["given"] == 150
    async with cast.house.database.write_door(cast.group_id) as connection:
        idle = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE state LIKE 'idle in transaction%' AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.execute("ROLLBACK")
    assert idle == 0


async def test_a_body_in_pieces_and_bodies_too_large_over_the_wire(
    cast: Cast, address: tuple[str, int], today: str
) -> None:
    body = json.dumps({"minutes": 1, "effective_on": today, "category": "cooking"}).encode()
    headers = {
        "Authorization": f"Bearer {cast.tokens['ada']}",
        "Idempotency-Key": "pieces",
        "Content-Type": "application/json",
    }

    async def pieces() -> AsyncIterator[bytes]:
        for byte in body:
            yield bytes([byte])

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20_000):
            yield b" " * 10_000

    url = f"http://{address[0]}:{address[1]}/api/v1/groups/riverside/hours"
    async with httpx.AsyncClient() as http:
        fine = await http.post(url, content=pieces(), headers=headers)
        same = await http.post(url, content=body, headers=headers)
        large = await http.post(url, content=b" " * 70_000, headers=headers)
        try:
            more = await http.post(url, content=endless(), headers=headers)
        except httpx.TransportError:
            # The server answered and closed while we were still sending; that is its right.
            more = large

    assert (fine.status_code, same.content) == (201, fine.content)
    assert (large.status_code, more.status_code) == (413, 413)
