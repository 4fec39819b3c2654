"""Entries over the API: correcting one."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.fields import NOTE_MAX, Amount, Category, Code, Currency, Minutes, Note, quantity
from timebank.edge.bodies import Faults, Reader
from timebank.edge.door import Write
from timebank.edge.openapi import DATED, writes
from timebank.rules.commands import CorrectEntry, Instead
from timebank.rules.names import free_text


class InsteadBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the right entry says; what is left out stays as it was."""

    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    effective_on: date | None = None
    category: Category | None = None


class CorrectBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Undo an entry by its mirror, and perhaps write the right one with it."""

    reason: Note
    instead: InsteadBody | None = None
    held: Code | None = None


class CorrectedOut(msgspec.Struct, omit_defaults=True):
    """The mirror, what it undoes, and the right entry if one came with it."""

    entry: UUID
    corrects: UUID
    instead: UUID | None = None
    receipt: str = ""
    seq: int = 0


def _commands(body: CorrectBody, params: dict[str, Any]) -> list[CorrectEntry]:
    faults, reason, instead = Faults(), "", None
    with faults.at("reason"):
        reason = free_text(body.reason, field="reason", length_max=NOTE_MAX)
    if body.instead is not None:
        with faults.at("instead."):
            instead = _instead(body.instead)
    faults.settle()
    return [CorrectEntry(entry=params["entry_id"], reason=reason, instead=instead, held=body.held or "")]


def _instead(said: InsteadBody) -> Instead:
    amount, unit = quantity(said.minutes, said.amount, said.currency) or (None, "")
    return Instead(amount=amount, unit=unit, effective_on=said.effective_on, category=said.category)


CORRECT: Final = Write(Reader(CorrectBody), _commands)


@post(
    "/groups/{slug:str}/entries/{entry_id:uuid}/correct",
    operation_class=writes(
        CorrectBody,
        summary="Correct an entry",
        description="Once only, linked to it. With `instead` both are accepted or refused together.",
        answer=CorrectedOut,
        example={"reason": "It was an hour and a half", "instead": {"minutes": 90}},
        gives={
            "entry": "e4da3b7f-bbce-4345-9777-2b0674a318d5",
            "corrects": "1679091c-5a88-4faf-9afb-5e6087eb1b2d",
            "instead": "c9f0f895-fb98-4b91-99f5-1fd0297e236d",
            "receipt": "V3TX-5R8P-E9GN",
            "seq": 207,
        },
        refusals=(
            errors.AccountClosed,
            errors.AlreadyCorrected,
            errors.AmountOutOfRange,
            errors.BelowFloor,
            errors.CorrectionOfCorrection,
            *DATED,
            errors.EntryBelongsToDraw,
            errors.NotYourEntry,
            errors.Overflow,
            errors.SameAccountTwice,
            errors.UnitMismatch,
            errors.UnknownCategory,
            errors.UnknownEntry,
            errors.UnknownHeldPlace,
        ),
    ),
)
async def correct_entry(request: Request[Any, Any, Any]) -> ASGIApp:
    """Correct an entry."""
    return await CORRECT.answer(request)


ROUTES: Final = (correct_entry,)
