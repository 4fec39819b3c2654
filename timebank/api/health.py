"""Whether the server is there and reaches its book: for whatever watches it, and for nobody in particular."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.types import ASGIApp

from timebank.edge.headers import JSON, Reply
from timebank.edge.problems import answer_problem
from timebank.services.host import reach_book

HEALTH_PATH: Final = "/health"
_WELL: Final = b'{"status":"ok"}'


# A program asks, and not below the addresses of the API: it gets a program's answer all the same.
@route(
    HEALTH_PATH,
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    exception_handlers={Exception: answer_problem},
)
async def get_health(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return that all is well; a book that cannot be reached is a 503 like everywhere."""
    await reach_book(request.app.state.door.house)
    return Reply(200, _WELL, JSON)
