"""Draws over the API: asking, saying yes, handing over."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank.api.fields import (
    NOTE_MAX,
    ONE_OR_THE_OTHER,
    Amount,
    Category,
    Code,
    Currency,
    Minutes,
    Note,
    quantity,
)
from timebank.edge.bodies import Faults, Reader
from timebank.edge.door import Write
from timebank.edge.openapi import writes
from timebank.errors import (
    AlreadyApproved,
    DrawNotOpen,
    FieldInvalid,
    MoreThanPromised,
    NeedsRole,
    NotYourDraw,
    PayerApproved,
    PolicyRefuses,
    UnknownCategory,
    UnknownDraw,
    UnknownHeldPlace,
    UnknownMember,
    UnknownPot,
)
from timebank.rules.commands import ApproveDraw, AskDraw, HandOver
from timebank.rules.names import free_text


class DrawBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An ask: `minutes`, or `amount` and `currency`."""

    pot: Code
    category: Category
    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    needed_by: date | None = None
    contact: Note | None = None
    payout: Note | None = None
    on_behalf_of: UUID | None = None


class ApproveBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A yes; to less than was asked with `minutes`, or `amount` and `currency`."""

    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None


class HandOverBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Money given to whoever asked; without `amount` all that is still promised."""

    held: Code
    amount: Amount | None = None
    currency: Currency | None = None
    effective_on: date | None = None


class DrawOut(msgspec.Struct, omit_defaults=True):
    """An ask as it stands; `receipt` and `seq` where it was promised at once."""

    id: UUID
    pot: str
    state: str
    receipt: str = ""
    seq: int = 0


class ApprovedOut(msgspec.Struct, omit_defaults=True):
    """How many said yes, and how many must; `receipt` and `seq` with the last one."""

    id: UUID
    state: str
    approvals: int
    approvals_needed: int
    receipt: str = ""
    seq: int = 0


class HandedOverOut(msgspec.Struct, omit_defaults=True):
    """What was handed over, and what of the promise is left."""

    id: UUID
    entry: UUID
    state: str
    amount: int
    currency: str
    left: int
    receipt: str = ""
    seq: int = 0


_DRAW: Final = "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10"


def _ask(body: DrawBody, _params: dict[str, Any]) -> list[AskDraw]:
    faults, amount, unit, contact, payout = Faults(), 0, "", "", ""
    with faults.at("minutes"):
        asked = quantity(body.minutes, body.amount, body.currency)
        if asked is None:
            raise FieldInvalid(field="minutes", why=ONE_OR_THE_OTHER)
        amount, unit = asked
    with faults.at("contact"):
        contact = free_text(body.contact or "", field="contact", length_max=NOTE_MAX)
    with faults.at("payout"):
        payout = free_text(body.payout or "", field="payout", length_max=NOTE_MAX)
    faults.settle()
    return [
        AskDraw(
            pot=body.pot,
            amount=amount,
            unit=unit,
            category=body.category,
            needed_by=body.needed_by,
            contact=contact,
            payout=payout,
            on_behalf_of=body.on_behalf_of,
        )
    ]


def _approve(body: ApproveBody, params: dict[str, Any]) -> list[ApproveDraw]:
    amount, unit = quantity(body.minutes, body.amount, body.currency) or (None, "")
    return [ApproveDraw(draw=params["draw_id"], amount=amount, unit=unit)]


def _hand_over(body: HandOverBody, params: dict[str, Any]) -> list[HandOver]:
    amount, unit = quantity(None, body.amount, body.currency) or (None, "")
    return [
        HandOver(
            draw=params["draw_id"],
            held=body.held,
            amount=amount,
            unit=unit,
            effective_on=body.effective_on,
        )
    ]


DRAWS: Final = Write(Reader(DrawBody), _ask)
APPROVE: Final = Write(Reader(ApproveBody), _approve, empty=b"{}")
HAND_OVER: Final = Write(Reader(HandOverBody), _hand_over)


@post(
    "/groups/{slug:str}/draws",
    operation_class=writes(
        DrawBody,
        summary="Ask for hours or money from a pot",
        description="Asking never looks at the pot: only at who asks, how much, and the pot's rules.",
        answer=DrawOut,
        refusals=(NeedsRole, PolicyRefuses, UnknownCategory, UnknownMember, UnknownPot),
        example={
            "pot": "money",
            "amount": 2500,
            "currency": "EUR",
            "category": "repairs",
            "contact": "Ring twice",
        },
        gives={"id": _DRAW, "pot": "money", "state": "asked"},
    ),
)
async def ask_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask for hours or money from a pot."""
    return await DRAWS.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/approve",
    operation_class=writes(
        ApproveBody,
        summary="Say yes to an ask",
        description="By a steward who did not ask. The last yes that the rules want promises the amount.",
        status=200,
        body_required=False,
        answer=ApprovedOut,
        refusals=(NeedsRole, NotYourDraw, UnknownDraw, AlreadyApproved, DrawNotOpen, PolicyRefuses),
        example={},
        gives={
            "id": _DRAW,
            "state": "promised",
            "approvals": 1,
            "approvals_needed": 1,
            "receipt": "4WQM-80ZR-T5FA",
            "seq": 205,
        },
    ),
)
async def approve_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say yes to an ask."""
    return await APPROVE.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/hand-over",
    operation_class=writes(
        HandOverBody,
        summary="Hand promised money over",
        description="By a treasurer who neither asked nor, unless the rules say so, approved.",
        status=200,
        answer=HandedOverOut,
        refusals=(
            NeedsRole,
            NotYourDraw,
            PayerApproved,
            UnknownDraw,
            UnknownHeldPlace,
            DrawNotOpen,
            MoreThanPromised,
            PolicyRefuses,
        ),
        example={"held": "bank"},
        gives={
            "id": _DRAW,
            "entry": "a87ff679-a2f3-471d-9181-a67b7542122c",
            "state": "handed_over",
            "amount": 2500,
            "currency": "EUR",
            "left": 0,
            "receipt": "B2NC-66YD-0HJS",
            "seq": 206,
        },
    ),
)
async def hand_over_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Hand promised money over."""
    return await HAND_OVER.answer(request)


ROUTES: Final = (ask_draw, approve_draw, hand_over_draw)
