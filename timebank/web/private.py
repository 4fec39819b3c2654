"""Pages for one reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from timebank.i18n import language, language_codes
from timebank.web.pages import CONTENT_SECURITY_POLICY, PAGE_HEADERS

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

    from timebank.i18n import Language

#: For the few pages that have a script: from here, and it talks to here.
SCRIPTED_POLICY: Final = f"{CONTENT_SECURITY_POLICY}; script-src 'self'; connect-src 'self'"


class PrivatePage:
    """A page for one reader, as bytes: no cache keeps it, no search engine lists it, no link tells where it was.

    Args:
        body: As it is sent.
        chosen: Its language.
        status: HTTP status.
        location: Where to go instead.
        cookies: Header pairs that give or take a session (``edge.sessions``).
        with_script: Whether the page has a script of ours, which may ask this server and nobody else.
    """

    __slots__ = ("_cookies", "_headers", "body", "status")

    def __init__(
        self,
        body: bytes,
        chosen: Language,
        *,
        status: int = 200,
        location: str = "",
        cookies: tuple[tuple[bytes, bytes], ...] = (),
        with_script: bool = False,
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
            **({"Content-Security-Policy": SCRIPTED_POLICY} if with_script else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI)."""
        headers = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        headers += self._cookies
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        is_head = cast("HTTPScope", scope)["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_head else self.body, "more_body": False})


def go_to(
    location: str, *, cookies: tuple[tuple[bytes, bytes], ...] = (), again: bool = False
) -> PrivatePage:
    """Return an answer without a page that leads elsewhere on this server.

    Args:
        location: Path with query.
        cookies: Header pairs that give or take a session.
        again: Whether the browser sends there what it just sent here; else it only looks.
    """
    return PrivatePage(
        b"", language(language_codes()[0]), status=307 if again else 303, location=location, cookies=cookies
    )
