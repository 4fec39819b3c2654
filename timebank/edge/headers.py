"""What every answer says besides its body: nobody may frame it, guess its type, keep it or follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from litestar.types import Message, Receive, Scope, Send

RawHeaders = list[tuple[bytes, bytes]]

#: On every answer that does not say otherwise. The policy is the strictest there is; pages that
#: need a style sheet bring their own.
GUARDS: Final[RawHeaders] = [
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]

#: For whatever somebody got because of who they are, and for refusals: no cache keeps it.
NOT_KEPT: Final = (b"cache-control", b"no-store")

#: Over TLS: for a year, nothing else. What other hosts below this name do is not ours to decide.
KEEP_TO_TLS: Final = (b"strict-transport-security", b"max-age=31536000")

#: On an answer that was given before, under the same key.
REPLAYED: Final = (b"idempotent-replayed", b"true")

JSON: Final = (b"content-type", b"application/json")
PROBLEM: Final = (b"content-type", b"application/problem+json")


class _Guarded(RawHeaders):
    """Headers that have their guards already; the hook below knows them by their type."""

    __slots__ = ()


class Reply:
    """One answer as bytes, ready to be sent: what the framework would do on top is left out.

    Args:
        status: HTTP status.
        body: As it is sent.
        kind: The Content-Type header, ``JSON`` or ``PROBLEM``.
        more: Further headers, names in lower case.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, body: bytes, kind: tuple[bytes, bytes], more: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.body = body
        self.headers = _Guarded(GUARDS)
        self.headers += (kind, NOT_KEPT, (b"content-length", b"%d" % len(body)), *more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI)."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


async def guard_headers(message: Message, scope: Scope) -> None:
    """Add the guards that an answer does not bring itself; a ``before_send`` hook of the application."""
    if message["type"] != "http.response.start":
        return
    headers = message["headers"]
    if type(headers) is _Guarded:
        if _over_tls(scope):
            message["headers"] = [*headers, KEEP_TO_TLS]
        return
    if scope.get("method") == "OPTIONS" and message["status"] == 204:
        # The framework knows only those of whichever handler came first at this address.
        headers = [*(pair for pair in headers if pair[0].lower() != b"allow"), (b"allow", _allowed(scope))]
    own = {name.lower() for name, _ in headers}
    more = [guard for guard in GUARDS if guard[0] not in own]
    if b"cache-control" not in own and message["status"] >= 400:
        more.append(NOT_KEPT)
    if _over_tls(scope):
        more.append(KEEP_TO_TLS)
    message["headers"] = [*headers, *more]


def _over_tls(scope: Scope) -> bool:
    """Whether people reach us over TLS, as far as this request or the operator says."""
    return scope.get("scheme") == "https" or scope["litestar_app"].state.over_tls


def _allowed(scope: Scope) -> bytes:
    """Return every method that an address takes."""
    address = scope["path_template"]
    here = [route for route in scope["litestar_app"].routes if route.path_format == address]
    methods = {str(method) for route in here for method in getattr(route, "methods", ())}
    return ", ".join(sorted(methods)).encode("ascii")
