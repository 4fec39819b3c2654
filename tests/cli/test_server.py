"""The server lets go of clients that never finish asking, keeps room for the others, and stops quickly."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from timebank.cli import server
from timebank.cli.server import listen, serve_app
from timebank.config import OperatorError, Settings

TRICKLING = 1_200

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A page that reads the body it is sent; ``/stream`` never ends."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size = 0
    while scope["method"] == "POST":
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b"%d bytes" % size})


@asynccontextmanager
async def serving(*, connections_max: int = 100) -> AsyncIterator[int]:
    settings = Settings(home=Path("/nonexistent"), database_urls={}, connections_max=connections_max)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    ready = asyncio.Event()
    task = asyncio.create_task(serve_app(app, settings, listener, ready=ready.set))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        yield port
    finally:
        if ready.is_set():
            # Before that nobody has said what the signal means: it would end the tests.
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            task.cancel()
        await asyncio.wait({task}, timeout=10)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=10)
            raise AssertionError("it did not stop")
        with suppress(asyncio.CancelledError):
            task.result()


OPEN: list[asyncio.StreamWriter] = []


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    OPEN.append(writer)
    return reader, writer


@pytest.fixture(autouse=True)
async def nothing_stays_open() -> AsyncIterator[None]:
    yield
    while OPEN:
        writer = OPEN.pop()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def get(port: int) -> bytes:
    reader, writer = await connect(port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    with suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 5)
    return b""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.4)
    monkeypatch.setattr(server, "BODY_WITHIN_S", 0.8)
    monkeypatch.setattr(server, "IDLE_WITHIN_S", 1)
    monkeypatch.setattr(server, "READ_ANSWER_WITHIN_S", 0.8)
    monkeypatch.setattr(server, "_SWEEP_EVERY_S", 0.05)


def test_the_real_patience_is_as_promised() -> None:
    source = Path(server.__file__).read_text(encoding="utf-8")
    assert "HEAD_WITHIN_S: Final = 10.0" in source
    assert "BODY_WITHIN_S: Final = 30.0" in source
    assert "IDLE_WITHIN_S: Final = 75" in source


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\n"], ids=["nothing", "half a head"])
async def test_who_does_not_send_a_head_is_told_and_let_go(first: bytes) -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(first)
        answer = await asyncio.wait_for(reader.read(), 2)
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_head_sent_drop_by_drop_gains_no_time() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        answer = asyncio.create_task(reader.read())
        drops = iter(b"GET / HTTP/1.1\r\nx-slow: " + b"a" * 2_000)
        for byte in drops:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if answer.done():
                break
        assert next(drops, None) is not None, "it was let go on to the end"
        with suppress(ConnectionError):
            await answer


async def test_who_does_not_send_the_body_is_let_go_and_who_does_is_answered() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n"
        writer.write(head + b"12345")
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 2) == b""

        reader, writer = await connect(port)
        writer.write(head + b"12345")
        await asyncio.sleep(0.5)
        writer.write(b"67890")
        assert b"10 bytes" in await asyncio.wait_for(reader.read(300), 2)
        writer.close()


async def test_a_kept_connection_gets_new_patience_for_each_request_and_ends_when_idle() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b"0 bytes" in await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 2)
            await asyncio.sleep(0.3)
        assert await asyncio.wait_for(reader.read(), 3) == b""


async def test_a_head_without_end_is_refused_before_it_fills_the_memory() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(b"GET / HTTP/1.1\r\nx-long: " + b"a" * 65_536)
        assert (await asyncio.wait_for(reader.read(), 2)).startswith(b"HTTP/1.1 431 ")


async def test_a_big_body_is_no_big_head() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 300000\r\n\r\n")
        writer.write(b"a" * 300_000)
        assert b"300000 bytes" in await asyncio.wait_for(reader.read(), 3)


async def test_many_clients_that_ask_nothing_do_not_keep_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 60.0)
    async with serving(connections_max=50) as port:
        idlers = [await connect(port) for _ in range(120)]
        for _, writer in idlers:
            writer.write(b"G")
        for _ in range(20):
            assert b" 200 " in await get(port)


@pytest.fixture
def many_files() -> Iterator[Callable[[tuple[int, int]], None]]:
    """Says how many files may be open; after the test it is as before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield partial(resource.setrlimit, resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_while_twelve_hundred_clients_trickle_whoever_asks_is_answered(
    monkeypatch: pytest.MonkeyPatch, many_files: Callable[[tuple[int, int]], None]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Both ends of every connection are in this process, and all of them at once.
    if hard != resource.RLIM_INFINITY and hard < 2 * TRICKLING + 200:
        pytest.skip(f"no more than {hard} files can be open here")
    many_files((max(soft, 2 * TRICKLING + 200), hard))
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 60.0)
    answered = 0
    async with serving(connections_max=TRICKLING + 50) as port:
        tricklers = [writer for _, writer in [await connect(port) for _ in range(TRICKLING)]]
        head = b"GET / HTTP/1.1\r\nx-slow: aaaa"
        for at in range(len(head)):
            for writer in tricklers:
                writer.write(head[at : at + 1])
            if at % 5 == 0:
                answered += b" 200 " in await get(port)
        assert not any(writer.is_closing() for writer in tricklers)
    assert answered == 6


async def test_when_everyone_is_being_served_one_more_is_told_to_come_back() -> None:
    async with serving(connections_max=10) as port:
        streams = [await connect(port) for _ in range(10)]
        for reader, writer in streams:
            writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
            assert await asyncio.wait_for(reader.readline(), 2)
        reader, _ = await connect(port)
        answer = await asyncio.wait_for(reader.read(), 2)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in answer


async def test_it_stops_although_a_stream_is_open_that_never_ends() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await asyncio.wait_for(reader.readline(), 2)
    # What is left of the stream when the server is gone; before, this would wait for ever.
    await reader.read()


def test_a_taken_port_means_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with listen("127.0.0.1", port) as listener:
            assert listener.getsockname()[1] > port


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(OperatorError, match=r"cannot be used|no address"):
        listen("192.0.2.1", 8000)
