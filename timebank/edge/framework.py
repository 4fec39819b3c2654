"""Where answers of ours, which are bytes already, meet a framework that likes to make its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Response

from timebank.edge.headers import Reply
from timebank.edge.published import PublishedReply

if TYPE_CHECKING:
    from litestar.types import ASGIApp


class AsIs(Response[Any]):
    """Sends an answer of ours as it is; anything else the framework turns into JSON as usual.

    The application's ``response_class``, for handlers whose return type says nothing.
    """

    def to_asgi_response(self, *args: Any, **more: Any) -> Any:
        """Return what will be sent (ASGI)."""
        if isinstance(self.content, Reply | PublishedReply):
            return self.content
        return super().to_asgi_response(*args, **more)


class Framed:
    """An answer of ours where the framework wants a response of its own, as after an exception."""

    __slots__ = ("_answer",)

    def __init__(self, answer: ASGIApp) -> None:
        self._answer = answer

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:
        """Return the answer; nothing of the framework is added."""
        return self._answer
