"""Hours over the API: one, or many under one key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank.api.fields import NOTE_MAX, Category, Code, Minutes, Note, whole
from timebank.edge.bodies import BATCH_BODY_MAX, Faults, Reader
from timebank.edge.door import Write
from timebank.edge.openapi import writes
from timebank.errors import (
    AmountOutOfRange,
    DrawNotOpen,
    FieldInvalid,
    NeedsRole,
    NotYourDraw,
    NotYourEntry,
    UnknownCategory,
    UnknownDraw,
    UnknownMember,
    UnknownPot,
)
from timebank.rules.commands import LogHours
from timebank.rules.names import free_text


class HoursBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """Help that was given."""

    minutes: Minutes
    effective_on: date
    category: Category
    giver: UUID | None = None
    receiver: UUID | None = None
    draw: UUID | None = None
    note: Note | None = None
    pot: Code | None = None


class HoursBatchBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Up to 5,000 times help that was given; each is accepted or refused by itself."""

    items: list[HoursBody]


class HoursOut(msgspec.Struct, omit_defaults=True):
    """Help as it was written down; `seq` for duties and tokens that may see it."""

    id: UUID
    entry: UUID
    state: str
    minutes: int
    effective_on: date
    receipt: str = ""
    seq: int = 0


class HoursBatchOut(msgspec.Struct):
    """What became of each item, in order: as it was written down, or problem details, beside its `status`."""

    outcomes: list[dict[str, Any]]


_REFUSALS: Final = (
    DrawNotOpen,
    NeedsRole,
    NotYourDraw,
    NotYourEntry,
    UnknownCategory,
    UnknownDraw,
    UnknownMember,
    UnknownPot,
)
_EXAMPLE: Final = {"minutes": 90, "effective_on": "2026-03-01", "category": "cooking", "note": "Soup for ten"}
_GIVES: Final = {
    "id": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
    "entry": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
    "state": "logged",
    "minutes": 90,
    "effective_on": "2026-03-01",
    "receipt": "K7QF-2M9T-XW4H",
}


def _one(body: HoursBody) -> LogHours:
    return LogHours(
        body.giver,
        body.receiver,
        body.draw,
        whole(body.minutes),
        body.effective_on,
        body.category,
        free_text(body.note, field="note", length_max=NOTE_MAX) if body.note else "",
        body.pot or "",
    )


def _single(body: HoursBody, _params: dict[str, Any]) -> list[LogHours]:
    try:
        return [_one(body)]
    except (FieldInvalid, AmountOutOfRange):
        _refuse("", [body])
        raise


def _many(body: HoursBatchBody, _params: dict[str, Any]) -> list[LogHours]:
    try:
        return [_one(item) for item in body.items]
    except (FieldInvalid, AmountOutOfRange):
        _refuse("items[%d].", body.items)
        raise


def _refuse(path: str, items: Sequence[HoursBody]) -> None:
    """Say everything that is wrong, once something is: whoever writes well does not wait for it."""
    faults = Faults()
    for place, item in enumerate(items):
        at = path % place if path else ""
        with faults.at(f"{at}minutes"):
            whole(item.minutes)
        with faults.at(at or "note"):
            free_text(item.note or "", field="note", length_max=NOTE_MAX)
    faults.settle()


HOURS: Final = Write(Reader(HoursBody), _single)
HOURS_BATCH: Final = Write(Reader(HoursBatchBody, size_max=BATCH_BODY_MAX), _many, many=True)


@post(
    "/groups/{slug:str}/hours",
    operation_class=writes(
        HoursBody,
        summary="Log help that was given",
        description="Without `giver` the actor gave it. With `draw` it answers that ask.",
        answer=HoursOut,
        refusals=_REFUSALS,
        example=_EXAMPLE,
        gives=_GIVES,
    ),
)
async def log_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """Log help that was given."""
    return await HOURS.answer(request)


@post(
    "/groups/{slug:str}/hours/batch",
    operation_class=writes(
        HoursBatchBody,
        summary="Log help many times under one key",
        description="`outcomes` has one entry for each item, in order; a refused one leaves the others alone.",
        status=200,
        answer=HoursBatchOut,
        refusals=_REFUSALS,
        example={"items": [_EXAMPLE, {**_EXAMPLE, "minutes": 45}]},
        gives={"outcomes": [{"status": 201, **_GIVES}, {"status": 201, **_GIVES, "minutes": 45}]},
    ),
)
async def log_hours_batch(request: Request[Any, Any, Any]) -> ASGIApp:
    """Log help many times under one key."""
    return await HOURS_BATCH.answer(request)


ROUTES: Final = (log_hours, log_hours_batch)
