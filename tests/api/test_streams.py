"""A long answer stops when nobody listens, and never ends well when it broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from timebank.edge.streams import FileReply


class Client:
    """What the server stands for: takes messages, and says when the client went away."""

    def __init__(self, *, leaves_after: int = 10**9) -> None:
        self.got: list[Any] = []
        self.gone = asyncio.Event()
        self.leaves_after = leaves_after
        self.asked = False

    async def receive(self) -> Any:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.got.append(message)
        if len(self.got) > self.leaves_after:
            self.gone.set()
        await asyncio.sleep(0)


class Book:
    """A file of so many pieces that notes how far it was written, and whether it was put away."""

    def __init__(self, pieces: int, *, breaks_at: int = -1) -> None:
        self.pieces, self.breaks_at = pieces, breaks_at
        self.written = 0
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self.pieces):
                if number == self.breaks_at:
                    raise RuntimeError("the database went away")
                self.written += 1
                yield b"%d\n" % number
        finally:
            self.closed = True


async def test_every_piece_arrives_and_then_the_end() -> None:
    client, book = Client(), Book(3)

    await FileReply(book.chunks(), "text/plain", "a.txt")({}, client.receive, client.send)  # type: ignore[arg-type]

    start, *bodies = client.got
    assert start["status"] == 200
    assert (b"content-disposition", b'attachment; filename="a.txt"') in start["headers"]
    assert b"".join(body["body"] for body in bodies) == b"0\n1\n2\n"
    assert [body["more_body"] for body in bodies] == [True, True, True, False]


async def test_nothing_more_is_written_once_the_client_went_away() -> None:
    client, book = Client(leaves_after=3), Book(10_000)

    await FileReply(book.chunks(), "text/plain", "a.txt")({}, client.receive, client.send)  # type: ignore[arg-type]

    assert book.written < 10
    assert book.closed
    assert client.got[-1]["more_body"] is True, "nobody is told that this was all"


async def test_a_file_that_breaks_off_has_no_end() -> None:
    client, book = Client(), Book(5, breaks_at=2)

    with pytest.raises(RuntimeError):
        await FileReply(book.chunks(), "text/plain", "a.txt")({}, client.receive, client.send)  # type: ignore[arg-type]

    assert book.closed
    assert client.got[-1]["more_body"] is True


def test_a_name_of_a_file_is_plain() -> None:
    for name in ('a".txt', "é.txt"):
        with pytest.raises(AssertionError):
            FileReply(Book(1).chunks(), "text/plain", name)
