"""Every route of the API, and the description of them all."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Router, get
from litestar.types import ASGIApp, ControllerRouterHandler

from timebank.api import (
    asks,
    audit,
    draw_papers,
    draw_steps,
    draws,
    duties,
    entries,
    exports,
    held,
    hours,
    imports,
    joining,
    live,
    looks,
    mail,
    members,
    money,
    policies,
    proposals,
    receipts,
    recoveries,
    settings,
    sign_in,
    stand_ins,
    statement,
    ways_in,
)
from timebank.api.health import get_health
from timebank.api.public import PUBLIC_API
from timebank.edge.headers import JSON, Reply
from timebank.edge.openapi import build_document

OPENAPI_PATH: Final = "/api/openapi.json"

SIGNED_IN_API: Final = Router(
    path="/api/v1",
    route_handlers=[
        *hours.ROUTES,
        *money.ROUTES,
        *held.ROUTES,
        *proposals.ROUTES,
        *draws.ROUTES,
        *draw_steps.ROUTES,
        *draw_papers.ROUTES,
        *policies.ROUTES,
        *entries.ROUTES,
        *live.ROUTES,
        *statement.ROUTES,
        *looks.ROUTES,
        *receipts.ROUTES,
        *exports.ROUTES,
        *audit.ROUTES,
        *imports.ROUTES,
        *sign_in.ROUTES,
        *ways_in.ROUTES,
        *members.ROUTES,
        *duties.ROUTES,
        *joining.ROUTES,
        *stand_ins.ROUTES,
        *settings.ROUTES,
        *mail.ROUTES,
        *recoveries.ROUTES,
    ],
    tags=["signed in"],
)


BY_LINK_API: Final = Router(path="/api/v1", route_handlers=[*asks.ROUTES], tags=["without an account"])


@get(OPENAPI_PATH, include_in_schema=False)
async def get_openapi(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the description of the API (OpenAPI 3.1)."""
    state = request.app.state
    if "openapi_document" not in state:
        # Put together once, when somebody first asks: a server without readers starts faster.
        state["openapi_document"] = msgspec.json.encode(build_document(request.app))
    return Reply(200, state["openapi_document"], JSON)


API: Final[list[ControllerRouterHandler]] = [SIGNED_IN_API, BY_LINK_API, *PUBLIC_API, get_openapi, get_health]
