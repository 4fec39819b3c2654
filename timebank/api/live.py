"""The pot over the API, for people who are signed in."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from timebank.edge.door import json_reply, signed_in
from timebank.edge.openapi import reads
from timebank.services.live import read_live


class LivePotOut(msgspec.Struct):
    """A pot; ``available`` may be below zero."""

    pot: str
    unit: str
    available: int
    promised: int


class LivePlaceOut(msgspec.Struct):
    """What is in one held place."""

    held: str
    kind: str
    unit: str
    amount: int


class LiveOut(msgspec.Struct, omit_defaults=True):
    """Pots and places at one moment; `as_of_seq` only for duties and tokens that may see it."""

    as_of: datetime
    now: bool
    pots: list[LivePotOut]
    held: list[LivePlaceOut]
    as_of_seq: int | None = None


@get(
    "/groups/{slug:str}/live",
    operation_class=reads(
        LiveOut,
        summary="The pots, now or as of last midnight",
        description="Now for stewards and treasurers, and in groups that chose *open*; else as of midnight.",
    ),
)
async def get_live(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the pots, now or as of last midnight."""
    door, actor = await signed_in(request)
    live = await read_live(door.house.database, actor, now=door.clock())
    return json_reply(
        LiveOut(
            as_of=live.as_of,
            now=live.now,
            pots=[LivePotOut(p.pot, p.unit, p.available, p.promised) for p in live.pots],
            held=[LivePlaceOut(h.held, h.kind, h.unit, h.amount) for h in live.held],
            as_of_seq=live.seq,
        )
    )


ROUTES: Final = (get_live,)
