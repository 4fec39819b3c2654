"""Who looked at one's own name over the API."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from timebank.edge.door import json_reply, signed_in
from timebank.edge.openapi import reads
from timebank.services.looks import list_seen


class SeenOut(msgspec.Struct, omit_defaults=True):
    """Somebody with a duty saw one's name on a day; `what` is found, list, hours, audit, archive, who, payout or link.

    `by` is empty for somebody who is gone, and where `host` says that it was whoever keeps the server.
    """

    on: date
    what: str
    by: str
    host: bool = False
    everybody: bool = False
    draw: UUID | None = None


class SeenListOut(msgspec.Struct):
    """Newest day first, at most 500."""

    looks: list[SeenOut]


@get(
    "/groups/{slug:str}/me/looks",
    operation_class=reads(
        SeenListOut,
        summary="Who looked at one's own name",
        description="People with a duty who found the actor by their code, opened a list with everybody's names"
        " (`everybody`) or looked at an ask of theirs (`draw`), and whoever keeps the server. Kept for a year.",
    ),
)
async def get_seen(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who looked at the actor's name."""
    door, actor = await signed_in(request)
    return json_reply(
        SeenListOut(
            [
                SeenOut(seen.on, seen.what, seen.by, seen.host, seen.everybody, seen.draw_id)
                for seen in await list_seen(door.house, actor)
            ]
        )
    )


ROUTES: Final = (get_seen,)
