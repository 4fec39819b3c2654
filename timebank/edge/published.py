"""Answers that are the same for everybody: an ETag made of the content, caches welcome, no cookie."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, cast

from timebank.edge.streams import send_chunks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from litestar.types import HTTPScope, Receive, Scope, Send

#: Nothing published changes between closes; a minute is how late a cache may notice one.
A_MINUTE: Final = "public, max-age=60"
FOR_EVER: Final = "public, max-age=31536000, immutable"


class PublishedReply:
    """One answer as bytes, for GET and HEAD; whoever has it already gets 304 and nothing else.

    Args:
        body: The whole answer; equal bytes have equal ETags in every process.
        media_type: The Content-Type header.
        cache: The Cache-Control header.
        headers: Further headers, names in lower case.
        status: HTTP status; only 200 can become 304.
    """

    __slots__ = ("_headers", "body", "etag", "status")

    def __init__(
        self,
        body: bytes,
        media_type: str,
        *,
        cache: str = A_MINUTE,
        headers: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> None:
        self.body = body
        self.status = status
        self.etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        self._headers = {
            "content-type": media_type,
            "cache-control": cache,
            "etag": self.etag,
            **(headers or {}),
        }

    def to_asgi_response(self, *_: Any, **__: Any) -> PublishedReply:
        """Return the reply itself, where the framework wants a response of its own making."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI)."""
        http = cast("HTTPScope", scope)
        status, body, headers = self.status, self.body, dict(self._headers)
        if status == 200 and _has_already(http, self.etag):
            status, body = 304, b""
            headers.pop("content-type")
        else:
            headers["content-length"] = str(len(body))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            }
        )
        is_head = http["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_head else body, "more_body": False})


class PublishedFile:
    """A file that is the same for everybody and written while it is sent, for GET and HEAD.

    When writing fails half-way the connection is cut, so that nobody takes the part for the whole.

    Args:
        chunks: The file in pieces; nothing of it is read where only its headers are wanted.
        media_type: The Content-Type header.
        file_name: What to call it, in plain ASCII without quotes.
        version: Another one if, and only if, the file is another one.
    """

    __slots__ = ("_chunks", "_headers", "etag")

    def __init__(
        self, chunks: AsyncGenerator[bytes], media_type: str, file_name: str, *, version: str
    ) -> None:
        self.etag = f'"{version}"'
        self._chunks = chunks
        self._headers = {
            "content-type": media_type,
            "content-disposition": f'attachment; filename="{file_name}"',
            "cache-control": A_MINUTE,
            "etag": self.etag,
        }

    def to_asgi_response(self, *_: Any, **__: Any) -> PublishedFile:
        """Return the file itself, where the framework wants a response of its own making."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI), for as long as somebody listens."""
        http = cast("HTTPScope", scope)
        unchanged = _has_already(http, self.etag)
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        status = 304 if unchanged else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if unchanged or http["method"] == "HEAD":
            await self._chunks.aclose()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await send_chunks(self._chunks, receive, send)


def _has_already(scope: HTTPScope, etag: str) -> bool:
    sent = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    tags = {tag.strip().removeprefix("W/") for tag in sent.decode("latin-1").split(",")}
    return "*" in tags or etag in tags
