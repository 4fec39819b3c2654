"""Long answers that are written while they are sent: a file, piece by piece, to somebody who is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from timebank.edge.headers import GUARDS, NOT_KEPT

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send


class FileReply:
    """A file to be saved. Whatever could be refused was refused before; its length is not known.

    When writing fails half-way the connection is cut, so that nobody takes the part for the whole.

    Args:
        chunks: The file, in pieces of moderate size; read no faster than they are taken.
        media_type: The Content-Type header.
        file_name: What to call it, in plain ASCII without quotes.
    """

    __slots__ = ("_chunks", "_headers")

    def __init__(self, chunks: AsyncGenerator[bytes, None], media_type: str, file_name: str) -> None:
        assert file_name.isascii(), file_name
        assert '"' not in file_name, file_name
        self._chunks = chunks
        self._headers = [
            *GUARDS,
            NOT_KEPT,
            (b"content-type", media_type.encode("ascii")),
            (b"content-disposition", f'attachment; filename="{file_name}"'.encode("ascii")),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI), for as long as somebody listens."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send_chunks(self._chunks, receive, send)


async def send_chunks(chunks: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Send the body of an answer in pieces, for as long as somebody listens."""
    gone = asyncio.ensure_future(_wait_for_the_end(receive))
    try:
        async with aclosing(chunks) as pieces:
            async for piece in pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        gone.cancel()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_the_end(receive: Receive) -> None:
    """Return when the client went away; what the server sends to somebody like that is thrown away unseen."""
    while (await receive())["type"] != "http.disconnect":
        pass
