"""Pages for one reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from timebank.web.pages import PAGE_HEADERS

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

    from timebank.i18n import Language


class PrivatePage:
    """A page for one reader, as bytes: no cache keeps it, no search engine lists it, no link tells where it was."""

    __slots__ = ("_cookies", "_headers", "body", "status")

    def __init__(
        self,
        body: bytes,
        chosen: Language,
        *,
        status: int = 200,
        location: str = "",
        cookies: tuple[str, ...] = (),
    ) -> None:
        self.body = body
        self.status = status
        self._cookies = cookies
        self._headers = {
            **PAGE_HEADERS,
            "cache-control": "no-store",
            "content-language": chosen.code,
            "content-length": str(len(body)),
            "content-type": "text/html; charset=utf-8",
            "x-robots-tag": "noindex, nofollow",
            **({"location": location} if location else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI)."""
        headers = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        headers += [(b"set-cookie", cookie.encode("ascii")) for cookie in self._cookies]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        is_head = cast("HTTPScope", scope)["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_head else self.body, "more_body": False})
