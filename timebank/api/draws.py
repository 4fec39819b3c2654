"""Draws over the API: asking, deciding, handing over, and what each may see of them."""

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
from timebank.edge.door import Act, Door, Write, json_reply, signed_in
from timebank.edge.openapi import DATED, acts, reads, writes
from timebank.edge.paging import Listing, some_of
from timebank.errors import (
    FieldInvalid,
)
from timebank.rules import commands
from timebank.rules.draw_steps import STEPS
from timebank.rules.names import EMPTY, free_text
from timebank.rules.people import Actor
from timebank.services import asks, draws
from timebank.services.acts import Once
from timebank.services.draws import DrawView
from timebank.services.writer import Answer

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


class ApproveBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A yes; to less than was asked with `minutes`, or `amount` and `currency`."""

    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    not_own: bool = False


class HandOverBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Money given to whoever asked; without `amount` all that is still promised."""

    held: Code
    amount: Amount | None = None
    currency: Currency | None = None
    effective_on: date | None = None
    receipt: bool = False


class ReturnBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Money of a draw that came back, and where it is."""

    held: Code
    amount: Amount
    currency: Currency
    effective_on: date | None = None


class UndoBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A hand-over, or hours given for the ask, that was written by mistake."""

    entry: UUID
    held: Code | None = None
    reason: Note | None = None


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A reason, told to whoever asked."""

    reason: Note | None = None


class ObjectBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An objection; with `withdraw` it is taken back."""

    reason: Note | None = None
    withdraw: bool = False


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


class PapersOut(msgspec.Struct, frozen=True):
    """How to reach and pay whoever asked; empty where nothing was said, or when it was wiped."""

    contact: str
    payout: str


class LookOut(msgspec.Struct, frozen=True):
    """Somebody looked at what is personal about this draw: `who` it is for, the `payout`, or its `link`."""

    nickname: str | None
    what: str
    looked_at: datetime


class LooksOut(msgspec.Struct, frozen=True):
    """Who looked, newest first."""

    looks: tuple[LookOut, ...]


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


class ApprovedOut(msgspec.Struct, omit_defaults=True):
    """How many said yes, and how many must; `receipt` and `seq` with the last one."""

    id: UUID
    state: str
    approvals: int
    approvals_needed: int
    waits_for: str = ""
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


class UndoneOut(msgspec.Struct, omit_defaults=True):
    """The entry that undoes another, and what is promised now."""

    id: UUID
    state: str
    entry: UUID
    undoes: UUID
    left: int
    receipt: str = ""
    seq: int = 0


class ReturnedOut(msgspec.Struct, omit_defaults=True):
    """Money that came back."""

    id: UUID
    state: str
    entry: UUID
    amount: int
    receipt: str = ""
    seq: int = 0


class ReleasedOut(msgspec.Struct, omit_defaults=True):
    """What was given back, and what of the promise is left."""

    id: UUID
    state: str
    amount: int
    left: int
    receipt: str = ""
    seq: int = 0


class WhoOut(msgspec.Struct):
    """Whose ask it is; `nickname` is null for somebody without an account, `asked_by` who asked for them."""

    id: UUID
    nickname: str | None
    asked_by: list[str]


class LinkOut(msgspec.Struct):
    """A new link and code, the `issue`-th; those before lead nowhere."""

    id: UUID
    issue: int
    link: str
    code: str


_DRAW: Final = "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10"


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


def _part(body: AmountBody | ApproveBody) -> tuple[int | None, str]:
    return quantity(body.minutes, body.amount, body.currency) or (None, "")


def _approve(body: ApproveBody, params: dict[str, Any]) -> list[commands.ApproveDraw]:
    amount, unit = _part(body)
    return [commands.ApproveDraw(draw=params["draw_id"], amount=amount, unit=unit, not_own=body.not_own)]


def _decline(body: ReasonBody, params: dict[str, Any]) -> list[commands.DeclineDraw]:
    return [commands.DeclineDraw(params["draw_id"], words(body.reason, "reason"))]


def _object(body: ObjectBody, params: dict[str, Any]) -> list[commands.ObjectDraw]:
    return [commands.ObjectDraw(params["draw_id"], words(body.reason, "reason"), body.withdraw)]


def _question(body: TextBody, params: dict[str, Any]) -> list[commands.QuestionDraw]:
    return [commands.QuestionDraw(params["draw_id"], some_words(body.text, "text"))]


def _answer(body: TextBody, params: dict[str, Any]) -> list[commands.AnswerDraw]:
    return [commands.AnswerDraw(params["draw_id"], some_words(body.text, "text"))]


def _step_aside(_body: NothingBody, params: dict[str, Any]) -> list[commands.StepAside]:
    return [commands.StepAside(params["draw_id"])]


def _cancel(_body: NothingBody, params: dict[str, Any]) -> list[commands.CancelDraw]:
    return [commands.CancelDraw(params["draw_id"])]


def _arrived(_body: NothingBody, params: dict[str, Any]) -> list[commands.DrawArrived]:
    return [commands.DrawArrived(params["draw_id"])]


def _change(body: AmountBody, params: dict[str, Any]) -> list[commands.ChangeDraw]:
    amount, unit = asked_amount(body)
    return [commands.ChangeDraw(params["draw_id"], amount, unit)]


def _release(body: AmountBody, params: dict[str, Any]) -> list[commands.ReleaseDraw]:
    amount, unit = _part(body)
    return [commands.ReleaseDraw(params["draw_id"], amount, unit)]


def _hand_over(body: HandOverBody, params: dict[str, Any]) -> list[commands.HandOver]:
    amount, unit = quantity(None, body.amount, body.currency) or (None, "")
    return [
        commands.HandOver(
            draw=params["draw_id"],
            held=body.held,
            amount=amount,
            unit=unit,
            effective_on=body.effective_on,
            receipt=body.receipt,
        )
    ]


def _return(body: ReturnBody, params: dict[str, Any]) -> list[commands.ReturnMoney]:
    amount, unit = quantity(None, body.amount, body.currency) or (0, "")
    return [commands.ReturnMoney(params["draw_id"], body.held, amount, body.effective_on, unit)]


def _undo(body: UndoBody, params: dict[str, Any]) -> list[commands.UndoDrawEntry]:
    return [
        commands.UndoDrawEntry(params["draw_id"], body.entry, body.held or "", words(body.reason, "reason"))
    ]


DRAWS: Final = Write(Reader(DrawBody), _ask)
APPROVE: Final = Write(Reader(ApproveBody), _approve, empty=b"{}")
DECLINE: Final = Write(Reader(ReasonBody), _decline, empty=b"{}")
OBJECT: Final = Write(Reader(ObjectBody), _object, empty=b"{}")
QUESTION: Final = Write(Reader(TextBody), _question)
ANSWER: Final = Write(Reader(TextBody), _answer)
STEP_ASIDE: Final = Write(Reader(NothingBody), _step_aside, empty=b"{}")
CANCEL: Final = Write(Reader(NothingBody), _cancel, empty=b"{}")
ARRIVED: Final = Write(Reader(NothingBody), _arrived, empty=b"{}")
CHANGE: Final = Write(Reader(AmountBody), _change)
RELEASE: Final = Write(Reader(AmountBody), _release, empty=b"{}")
HAND_OVER: Final = Write(Reader(HandOverBody), _hand_over)
RETURN: Final = Write(Reader(ReturnBody), _return)
UNDO: Final = Write(Reader(UndoBody), _undo)


async def _see_who(
    door: Door, actor: Actor, _body: NothingBody, params: dict[str, Any], once: Once
) -> Answer:
    answer = await draws.note_look(door.house, actor, params["draw_id"], once=once)
    if answer.status >= 400:
        return answer
    # Names are never kept with the answer: they are read again for each reader who may.
    who = await draws.read_who(door.house, actor, params["draw_id"])
    said = {**msgspec.json.decode(answer.body), **who._asdict()}
    return answer._replace(body=msgspec.json.encode(said))


def _link_and_code(door: Door, actor: Actor, said: dict[str, Any]) -> dict[str, Any]:
    link, code = asks.issued(door.house.keys, actor.group_id, UUID(said["id"]), said["issue"])
    return {**said, "link": link, "code": code}


async def _issue_link(
    door: Door, actor: Actor, _body: NothingBody, params: dict[str, Any], once: Once
) -> Answer:
    return await asks.issue_link(door.house, actor, params["draw_id"], once=once)


WHO: Final = Act(Reader(NothingBody), _see_who, empty=b"{}")
LINK: Final = Act(Reader(NothingBody), _issue_link, empty=b"{}", reveal=_link_and_code)


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
        gives={"id": _DRAW, "pot": "money", "state": "asked"},
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
    "/groups/{slug:str}/draws/{draw_id:uuid}/approve",
    operation_class=writes(
        ApproveBody,
        summary="Say yes to an ask",
        description="By a steward who did not ask. The last yes that the rules want promises the amount, or lets "
        "it wait for the window of objections or for the pot. To an ask without an account, `not_own` must be true.",
        status=200,
        body_required=False,
        answer=ApprovedOut,
        example={},
        gives={
            "id": _DRAW,
            "state": "promised",
            "approvals": 1,
            "approvals_needed": 1,
            "receipt": "4WQM-80ZR-T5FA",
            "seq": 205,
        },
        refusals=(
            errors.AlreadyApproved,
            errors.AmountOutOfRange,
            errors.BelowFloor,
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotOwnUnsaid,
            errors.NotYourDraw,
            errors.Overflow,
            errors.PolicyRefuses,
            errors.StepUpNeeded,
            errors.SteppedAside,
            errors.UnitMismatch,
            errors.UnknownDraw,
        ),
    ),
)
async def approve_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say yes to an ask."""
    return await APPROVE.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/decline",
    operation_class=writes(
        ReasonBody,
        summary="Say not now to an ask",
        description="By a steward who did not ask; the reason is told to whoever did.",
        status=200,
        body_required=False,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.SteppedAside,
            errors.UnknownDraw,
        ),
        example={"reason": "Not this month"},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "not_now",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def decline_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say not now to an ask."""
    return await DECLINE.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/object",
    operation_class=writes(
        ObjectBody,
        summary="Object to an ask, or take an objection back",
        description="By a steward, where the rules have a window for it. Nothing is promised while one stands.",
        status=200,
        body_required=False,
        answer=StepOut,
        refusals=(
            errors.AlreadyDone,
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.PolicyRefuses,
            errors.SteppedAside,
            errors.UnknownDraw,
        ),
        example={"reason": "It is too much"},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "looked_at",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def object_to_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Object to an ask, or take an objection back."""
    return await OBJECT.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/question",
    operation_class=writes(
        TextBody,
        summary="Ask whoever asked something",
        description="By a steward.",
        status=200,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.SteppedAside,
            errors.UnknownDraw,
        ),
        example={"text": "By when is it needed?"},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "looked_at",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def question_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask whoever asked something."""
    return await QUESTION.answer(request)


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
    "/groups/{slug:str}/draws/{draw_id:uuid}/step-aside",
    operation_class=writes(
        NothingBody,
        summary="Leave an ask to others",
        description="By a steward or treasurer who is too close to it. It cannot be taken back.",
        status=200,
        body_required=False,
        answer=StepOut,
        refusals=(
            errors.AlreadyApproved,
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.SteppedAside,
            errors.UnknownDraw,
        ),
        example={},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "asked",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def step_aside_from_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Leave an ask to others."""
    return await STEP_ASIDE.answer(request)


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
    "/groups/{slug:str}/draws/{draw_id:uuid}/hand-over",
    operation_class=writes(
        HandOverBody,
        summary="Hand promised money over",
        description="By a treasurer who neither asked nor, unless the rules say so, approved.",
        status=200,
        answer=HandedOverOut,
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
        refusals=(
            errors.AccountClosed,
            errors.AmountOutOfRange,
            errors.BelowFloor,
            *DATED,
            errors.DrawNotOpen,
            errors.MoreThanPromised,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.Overflow,
            errors.PayerApproved,
            errors.PolicyRefuses,
            errors.StepUpNeeded,
            errors.SteppedAside,
            errors.UnitMismatch,
            errors.UnknownDraw,
            errors.UnknownHeldPlace,
        ),
    ),
)
async def hand_over_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Hand promised money over."""
    return await HAND_OVER.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/undo",
    operation_class=writes(
        UndoBody,
        summary="Undo a hand-over, or hours given for an ask",
        description="A hand-over by a steward or treasurer, hours by who took part or a steward.",
        status=200,
        answer=UndoneOut,
        refusals=(
            errors.AccountClosed,
            errors.AlreadyCorrected,
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.NotYourEntry,
            errors.Overflow,
            errors.StepUpNeeded,
            errors.SteppedAside,
            errors.UnknownDraw,
            errors.UnknownEntry,
            errors.UnknownHeldPlace,
        ),
        example={"entry": "a87ff679-a2f3-471d-9181-a67b7542122c", "held": "bank"},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "promised",
            "entry": "c9f0f895-fb98-4b91-99f5-1fd0297e236d",
            "undoes": "a87ff679-a2f3-471d-9181-a67b7542122c",
            "left": 2500,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def undo_of_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Undo a hand-over, or hours given for an ask."""
    return await UNDO.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/return",
    operation_class=writes(
        ReturnBody,
        summary="Record money of a draw that came back",
        description="By a treasurer who did not ask.",
        status=200,
        answer=ReturnedOut,
        refusals=(
            errors.AccountClosed,
            errors.AmountOutOfRange,
            *DATED,
            errors.DrawNotOpen,
            errors.MoreThanHanded,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.Overflow,
            errors.PolicyRefuses,
            errors.SteppedAside,
            errors.UnitMismatch,
            errors.UnknownDraw,
            errors.UnknownHeldPlace,
        ),
        example={"held": "bank", "amount": 50, "currency": "EUR"},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "handed_over",
            "entry": "c9f0f895-fb98-4b91-99f5-1fd0297e236d",
            "amount": 50,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def return_to_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Record money of a draw that came back."""
    return await RETURN.answer(request)


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/release",
    operation_class=writes(
        AmountBody,
        summary="Give back what is promised and not needed",
        description="By a steward or treasurer who did not ask; all that is left, or a part.",
        status=200,
        body_required=False,
        answer=ReleasedOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.DrawNotOpen,
            errors.MoreThanPromised,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.Overflow,
            errors.SteppedAside,
            errors.UnitMismatch,
            errors.UnknownDraw,
        ),
        example={},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "released",
            "amount": 2500,
            "left": 0,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def release_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Give back what is promised and not needed."""
    return await RELEASE.answer(request)


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


@get(
    "/groups/{slug:str}/draws/{draw_id:uuid}/payout",
    operation_class=reads(
        PapersOut,
        summary="How to reach and pay whoever asked",
        description="To a treasurer who may hand a promised draw over. Each look is shown to that person.",
        refusals=(
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.PayerApproved,
            errors.StepUpNeeded,
            errors.SteppedAside,
            errors.UnknownDraw,
        ),
    ),
)
async def get_payout(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return how to reach and pay whoever asked."""
    door, actor = await signed_in(request)
    papers = await draws.read_papers(door.house, actor, request.path_params["draw_id"], now=door.clock())
    return json_reply(PapersOut(papers.contact, papers.payout))


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/who",
    operation_class=acts(
        NothingBody,
        WhoOut,
        summary="I need to know who asked",
        description="To a steward; that they looked is shown to that person.",
        body_required=False,
        refusals=(
            errors.NeedsRole,
            errors.UnknownDraw,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "nickname": "Ada", "asked_by": []},
    ),
)
async def see_who_asked(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell a steward who asked."""
    return await WHO.answer(request)


@get(
    "/groups/{slug:str}/draws/{draw_id:uuid}/who",
    operation_class=reads(
        LooksOut,
        summary="Who looked at what is personal about an own draw",
        description="To whoever asked, or stands in for them.",
        refusals=(errors.UnknownDraw,),
    ),
)
async def get_who_looked(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who looked at what is personal about an own draw."""
    door, actor = await signed_in(request)
    looks = await draws.list_looks(door.house, actor, request.path_params["draw_id"])
    return json_reply(LooksOut(tuple(LookOut(*look) for look in looks)))


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/link",
    operation_class=acts(
        NothingBody,
        LinkOut,
        summary="A new link and short code of an ask without an account",
        description="By a steward. The ones before lead nowhere from then on.",
        body_required=False,
        refusals=(
            errors.NeedsRole,
            errors.StepUpNeeded,
            errors.UnknownDraw,
        ),
        example={},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "issue": 1,
            "link": "c8CyF1fvVvCsb4DTKhKQFfxjdqRdHUxSKkP9n8sK-ZM",
            "code": "K7QP-3MWX",
        },
    ),
)
async def issue_link_of_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Give out a new link and short code of an ask without an account."""
    return await LINK.answer(request)


ROUTES: Final = (
    ask_draw,
    get_draws,
    get_draw,
    approve_draw,
    decline_draw,
    object_to_draw,
    question_draw,
    answer_draw,
    step_aside_from_draw,
    cancel_draw,
    change_draw,
    hand_over_draw,
    undo_of_draw,
    return_to_draw,
    release_draw,
    draw_arrived,
    get_payout,
    see_who_asked,
    get_who_looked,
    issue_link_of_draw,
)
