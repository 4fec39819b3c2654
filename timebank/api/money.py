"""Money over the API: what came in, and where it now is."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.fields import NOTE_MAX, Amount, Code, Currency, Note, whole
from timebank.edge.bodies import Faults, Reader
from timebank.edge.door import Write
from timebank.edge.openapi import DATED, writes
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
    again: bool = False


class MoneyOut(msgspec.Struct, omit_defaults=True):
    """Money as it was written down; `seq` for duties and tokens that may see it."""

    entry: UUID
    pot: str
    amount: int
    currency: str
    held: str
    effective_on: date
    receipt: str = ""
    seq: int = 0


_EXAMPLE: Final = {
    "pot": "money",
    "amount": 1250,
    "currency": "EUR",
    "held": "bank",
    "effective_on": "2026-03-01",
    "reference": "From the spring fair",
}


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
            again=body.again,
        )
    ]


MONEY: Final = Write(Reader(MoneyBody), _commands)


@post(
    "/groups/{slug:str}/money",
    operation_class=writes(
        MoneyBody,
        summary="Record money that came in",
        description=(
            "By a treasurer. Without `giver` it came from outside the group. As much at the same place under the same "
            "`reference` is refused as `reference_known`, unless `again` says that it is really another one."
        ),
        answer=MoneyOut,
        example=_EXAMPLE,
        gives={
            "entry": "3c1b2a60-57c4-4f0e-8f57-0c8c8a3b9e11",
            "pot": "money",
            "amount": 1250,
            "currency": "EUR",
            "held": "bank",
            "effective_on": "2026-03-01",
            "receipt": "9XPD-Q3HV-71KC",
            "seq": 204,
        },
        refusals=(
            errors.AccountClosed,
            errors.AmountOutOfRange,
            *DATED,
            errors.NeedsRole,
            errors.Overflow,
            errors.ReferenceKnown,
            errors.UnknownHeldPlace,
            errors.UnknownMember,
            errors.UnknownPot,
        ),
    ),
)
async def give_money(request: Request[Any, Any, Any]) -> ASGIApp:
    """Record money that came in."""
    return await MONEY.answer(request)


ROUTES: Final = (give_money,)
