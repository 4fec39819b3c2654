"""Money over the API: what came in, and where it now is."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank.api.fields import NOTE_MAX, Amount, Code, Currency, Note, whole
from timebank.edge.bodies import Faults, Reader
from timebank.edge.door import Write
from timebank.edge.openapi import writes
from timebank.rules.commands import GiveMoney
from timebank.rules.names import free_text


class MoneyBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Money that came in."""

    pot: Code
    amount: Amount
    currency: Currency
    held: Code
    effective_on: date
    giver: UUID | None = None
    reference: Note | None = None


def _commands(body: MoneyBody, _params: dict[str, Any]) -> list[GiveMoney]:
    faults, reference = Faults(), ""
    with faults.at("amount"):
        whole(body.amount)
    with faults.at("reference"):
        reference = free_text(body.reference or "", field="reference", length_max=NOTE_MAX)
    faults.settle()
    return [
        GiveMoney(
            pot=body.pot,
            amount=body.amount,
            currency=body.currency,
            held=body.held,
            giver=body.giver,
            effective_on=body.effective_on,
            reference=reference,
        )
    ]


MONEY: Final = Write(Reader(MoneyBody), _commands)


@post(
    "/groups/{slug:str}/money",
    operation_class=writes(
        MoneyBody,
        summary="Record money that came in",
        description="By a treasurer. Without `giver` it came from outside the group.",
    ),
)
async def give_money(request: Request[Any, Any, Any]) -> ASGIApp:
    """Record money that came in."""
    return await MONEY.answer(request)


ROUTES: Final = (give_money,)
