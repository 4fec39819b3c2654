"""Entries over the API: correcting one."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank.api.fields import NOTE_MAX, Amount, Category, Code, Currency, Minutes, Note, quantity
from timebank.edge.bodies import Faults, Reader
from timebank.edge.door import Write
from timebank.edge.openapi import writes
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
    ),
)
async def correct_entry(request: Request[Any, Any, Any]) -> ASGIApp:
    """Correct an entry."""
    return await CORRECT.answer(request)


ROUTES: Final = (correct_entry,)
