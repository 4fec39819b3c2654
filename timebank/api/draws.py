"""Draws over the API: asking, what whoever asked does with it, and what each may see of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.fields import (
    NOTE_MAX,
    ONE_OR_THE_OTHER,
    Amount,
    Category,
    Code,
    Currency,
    Minutes,
    Note,
    NothingBody,
    quantity,
)
from timebank.edge.bodies import Faults, Reader
from timebank.edge.door import Write, json_reply, signed_in
from timebank.edge.openapi import reads, writes
from timebank.edge.paging import Listing, some_of
from timebank.errors import FieldInvalid
from timebank.rules import commands
from timebank.rules.draw_steps import STEPS
from timebank.rules.names import EMPTY, free_text
from timebank.services import draws
from timebank.services.draws import DrawView

DRAWS_LIST: Final[Listing[UUID]] = Listing(
    "draws",
    UUID,
    usual=50,
    largest=200,
    filters=(some_of("state", tuple(STEPS), "Only these states, with commas between them"),),
)


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
    without_account: bool = False


class AmountBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An amount: `minutes`, or `amount` and `currency`."""

    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None


class TextBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Words for whoever asked, or theirs."""

    text: Note


class LimitOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit of the pot, and how much of it this person or household has used in its period."""

    per: str
    period: str
    used: int
    times: int
    days: int = 0
    sum: int | None = None
    count: int | None = None


class DrawOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A draw; amounts in the unit of its pot. Whose it is, is not in it."""

    id: UUID
    pot: str
    unit: str
    category: str
    state: str
    policy: int
    asked_at: datetime
    asked: int
    agreed: int
    promised: int
    handed: int
    released: int
    left: int
    mine: bool
    approvals: int
    approvals_needed: int
    without_account: bool = False
    objections: int = 0
    waits_for: str = ""
    needed_by: date | None = None
    promised_on: date | None = None
    my_part: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    limits: tuple[LimitOut, ...] = ()
    reason: str = ""
    question: str = ""
    answer: str = ""


class DrawsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Draws, newest first; `next` is the cursor of the next page."""

    draws: tuple[DrawOut, ...]
    next: str | None = None


class HasAmount(Protocol):
    """A body that says an amount."""

    @property
    def minutes(self) -> int | None:
        """Whole minutes."""

    @property
    def amount(self) -> int | None:
        """Whole smallest coins."""

    @property
    def currency(self) -> str | None:
        """ISO 4217 code."""


def asked_amount(body: HasAmount) -> tuple[int, str]:
    """Return (amount, unit) of a body that must say one.

    Raises:
        FieldInvalid, AmountOutOfRange: See ``quantity``.
    """
    asked = quantity(body.minutes, body.amount, body.currency)
    if asked is None:
        raise FieldInvalid(field="minutes", why=ONE_OR_THE_OTHER)
    return asked


def words(text: str | None, field: str) -> str:
    """Return free text in normal form; empty for none.

    Raises:
        FieldInvalid: See ``free_text``.
    """
    return free_text(text or "", field=field, length_max=NOTE_MAX)


def some_words(text: str, field: str) -> str:
    """Return free text that must say something.

    Raises:
        FieldInvalid: It is empty, or see ``free_text``.
    """
    said = words(text, field)
    if not said:
        raise FieldInvalid(field=field, why=EMPTY)
    return said


class AskedOut(msgspec.Struct, omit_defaults=True):
    """An ask as it stands. `talk_first`: whoever asked has reached the limit at which the group talks."""

    id: UUID
    pot: str
    state: str
    talk_first: bool = False


class StepOut(msgspec.Struct, omit_defaults=True):
    """How an ask stands after a step; whoever asked gets no receipt, because no entry names them."""

    id: UUID
    state: str
    receipt: str = ""
    seq: int = 0


class ChangedAskOut(msgspec.Struct):
    """An ask for another amount, in the unit of its pot."""

    id: UUID
    state: str
    asked: int
    unit: str


SOME_DRAW: Final = "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10"


def _ask(body: DrawBody, _params: dict[str, Any]) -> list[commands.AskDraw]:
    faults, amount, unit, contact, payout = Faults(), 0, "", "", ""
    with faults.at("minutes"):
        amount, unit = asked_amount(body)
    with faults.at("contact"):
        contact = words(body.contact, "contact")
    with faults.at("payout"):
        payout = words(body.payout, "payout")
    faults.settle()
    return [
        commands.AskDraw(
            pot=body.pot,
            amount=amount,
            unit=unit,
            category=body.category,
            needed_by=body.needed_by,
            contact=contact,
            payout=payout,
            on_behalf_of=body.on_behalf_of,
            without_account=body.without_account,
        )
    ]


def part_of(body: HasAmount) -> tuple[int | None, str]:
    """Return (amount, unit) of a body that may say one; None stands for all."""
    return quantity(body.minutes, body.amount, body.currency) or (None, "")


def _answer(body: TextBody, params: dict[str, Any]) -> list[commands.AnswerDraw]:
    return [commands.AnswerDraw(params["draw_id"], some_words(body.text, "text"))]


def _cancel(_body: NothingBody, params: dict[str, Any]) -> list[commands.CancelDraw]:
    return [commands.CancelDraw(params["draw_id"])]


def _arrived(_body: NothingBody, params: dict[str, Any]) -> list[commands.DrawArrived]:
    return [commands.DrawArrived(params["draw_id"])]


def _change(body: AmountBody, params: dict[str, Any]) -> list[commands.ChangeDraw]:
    amount, unit = asked_amount(body)
    return [commands.ChangeDraw(params["draw_id"], amount, unit)]


DRAWS: Final = Write(Reader(DrawBody), _ask)

ANSWER: Final = Write(Reader(TextBody), _answer)

CANCEL: Final = Write(Reader(NothingBody), _cancel, empty=b"{}")

ARRIVED: Final = Write(Reader(NothingBody), _arrived, empty=b"{}")

CHANGE: Final = Write(Reader(AmountBody), _change)


def draw_out(view: DrawView) -> DrawOut:
    """Return a draw as the API shows it."""
    draw, said = view.draw, view.said or {}
    return DrawOut(
        id=draw.draw_id,
        pot=view.pot.code,
        unit=view.pot.unit,
        category=draw.category,
        state=draw.state,
        policy=draw.policy_version,
        asked_at=draw.asked_at,
        asked=draw.asked,
        agreed=draw.agreed,
        promised=draw.promised,
        handed=draw.handed,
        released=draw.released,
        left=draw.left,
        mine=view.mine,
        approvals=view.approvals,
        approvals_needed=view.approvals_needed,
        without_account=draw.without_account,
        objections=view.objections,
        waits_for=view.waits_for,
        needed_by=draw.needed_by,
        promised_on=draw.promised_on,
        my_part=view.my_part,
        warnings=view.warnings,
        limits=tuple(
            LimitOut(
                per=limit.cap.per,
                period=limit.cap.period,
                used=limit.used,
                times=limit.times,
                days=limit.cap.days,
                sum=limit.cap.most,
                count=limit.cap.times,
            )
            for limit in view.limits
        ),
        reason=said.get("reason", ""),
        question=said.get("question", ""),
        answer=said.get("answer", ""),
    )


# ---------------------------------------------------------------- routes
@post(
    "/groups/{slug:str}/draws",
    operation_class=writes(
        DrawBody,
        summary="Ask for hours or money from a pot",
        description="Asking never looks at the pot: only at who asks, how much and how often, by the pot's rules.",
        answer=AskedOut,
        example={
            "pot": "money",
            "amount": 2500,
            "currency": "EUR",
            "category": "repairs",
            "contact": "Ring twice",
        },
        gives={"id": SOME_DRAW, "pot": "money", "state": "asked"},
        refusals=(
            errors.AmountOutOfRange,
            errors.NeedsAccount,
            errors.NeedsRole,
            errors.PolicyRefuses,
            errors.UnknownCategory,
            errors.UnknownMember,
            errors.UnknownPot,
        ),
    ),
)
async def ask_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask for hours or money from a pot."""
    return await DRAWS.answer(request)


@get(
    "/groups/{slug:str}/draws",
    operation_class=reads(
        DrawsOut,
        summary="Draws that you may see",
        description="Own ones; to stewards all that are open, to treasurers all that are promised. No names.",
        query=DRAWS_LIST.query,
    ),
)
async def get_draws(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return draws that somebody may see, newest first."""
    door, actor = await signed_in(request)
    asked = DRAWS_LIST.read(request.scope["query_string"])
    views, following = await draws.list_draws(
        door.house,
        actor,
        states=asked.filters.get("state"),
        after=asked.after,
        limit=asked.limit,
    )
    return json_reply(DrawsOut(tuple(draw_out(view) for view in views), DRAWS_LIST.next(following) or None))


@get(
    "/groups/{slug:str}/draws/{draw_id:uuid}",
    operation_class=reads(
        DrawOut,
        summary="One draw",
        description="With what was said about it, and how much of the pot's limits is used.",
        refusals=(errors.UnknownDraw,),
    ),
)
async def get_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return one draw."""
    door, actor = await signed_in(request)
    view = await draws.read_draw(door.house, actor, request.path_params["draw_id"], now=door.clock())
    return json_reply(draw_out(view))


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/answer",
    operation_class=writes(
        TextBody,
        summary="Answer a question about an own ask",
        description="By whoever asked, or stands in for them.",
        status=200,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.NotAsker,
            errors.UnknownDraw,
        ),
        example={"text": "By Friday"},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "looked_at"},
    ),
)
async def answer_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Answer a question about an own ask."""
    return await ANSWER.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/cancel",
    operation_class=writes(
        NothingBody,
        summary="Need an own ask no more",
        description="By whoever asked, or stands in for them; what is still promised goes back.",
        status=200,
        body_required=False,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.NotAsker,
            errors.Overflow,
            errors.UnknownDraw,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "cancelled"},
    ),
)
async def cancel_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Need an own ask no more."""
    return await CANCEL.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/change",
    operation_class=writes(
        AmountBody,
        summary="Ask for another amount",
        description="By whoever asked, before it is promised. Every yes and objection so far is void.",
        status=200,
        answer=ChangedAskOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.DrawNotOpen,
            errors.NotAsker,
            errors.PolicyRefuses,
            errors.UnitMismatch,
            errors.UnknownDraw,
        ),
        example={"amount": 2000, "currency": "EUR"},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "asked", "asked": 2000, "unit": "EUR"},
    ),
)
async def change_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask for another amount."""
    return await CHANGE.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/arrived",
    operation_class=writes(
        NothingBody,
        summary="Say that it arrived",
        description="By whoever asked, or stands in for them.",
        status=200,
        body_required=False,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.NotAsker,
            errors.UnknownDraw,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "arrived"},
    ),
)
async def draw_arrived(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say that it arrived."""
    return await ARRIVED.answer(request)


ROUTES: Final = (
    ask_draw,
    get_draws,
    get_draw,
    answer_draw,
    cancel_draw,
    change_draw,
    draw_arrived,
)
