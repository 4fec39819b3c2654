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
    """A pot; ``available`` may be below zero. Where only totals are shown ``promised`` is null: it is part of them."""

    pot: str
    unit: str
    available: int
    promised: int | None


class LivePlaceOut(msgspec.Struct):
    """What is in one held place."""

    held: str
    kind: str
    unit: str
    amount: int


class LiveOut(msgspec.Struct, omit_defaults=True):
    """Pots and places at one moment; `as_of_seq` only for duties and tokens that may see it.

    While nothing is published, members of groups that are not *open* see no pot, and `as_of` is null.
    """

    as_of: datetime | None
    now: bool
    pots: list[LivePotOut]
    held: list[LivePlaceOut]
    as_of_seq: int | None = None


@get(
    "/groups/{slug:str}/live",
    operation_class=reads(
        LiveOut,
        summary="The pots, now or as of the last close",
        description="Now for stewards and treasurers, and in groups that chose *open*; else as of the last close.",
    ),
)
async def get_live(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the pots, now or as of the last close."""
    door, actor = await signed_in(request)
    live = await read_live(door.house.database, actor, now=door.clock())
    return json_reply(
        LiveOut(
            as_of=live.as_of,
            now=live.now,
            pots=[
                LivePotOut(p.pot, p.unit, p.available, None if live.totals_only else p.promised)
                for p in live.pots
            ],
            held=[LivePlaceOut(h.held, h.kind, h.unit, h.amount) for h in live.held],
            as_of_seq=live.seq,
        )
    )


ROUTES: Final = (get_live,)
