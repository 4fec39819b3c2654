"""Steps of others on a draw over the API: deciding on it, handing over what was promised, and taking that back."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.draws import SOME_DRAW, AmountBody, StepOut, TextBody, part_of, some_words, words
from timebank.api.fields import (
    Amount,
    Code,
    Currency,
    Minutes,
    Note,
    NothingBody,
    quantity,
)
from timebank.edge.bodies import Reader
from timebank.edge.door import Write
from timebank.edge.openapi import DATED, writes
from timebank.rules import commands


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


def _approve(body: ApproveBody, params: dict[str, Any]) -> list[commands.ApproveDraw]:
    amount, unit = part_of(body)
    return [commands.ApproveDraw(draw=params["draw_id"], amount=amount, unit=unit, not_own=body.not_own)]


def _decline(body: ReasonBody, params: dict[str, Any]) -> list[commands.DeclineDraw]:
    return [commands.DeclineDraw(params["draw_id"], words(body.reason, "reason"))]


def _object(body: ObjectBody, params: dict[str, Any]) -> list[commands.ObjectDraw]:
    return [commands.ObjectDraw(params["draw_id"], words(body.reason, "reason"), body.withdraw)]


def _question(body: TextBody, params: dict[str, Any]) -> list[commands.QuestionDraw]:
    return [commands.QuestionDraw(params["draw_id"], some_words(body.text, "text"))]


def _step_aside(_body: NothingBody, params: dict[str, Any]) -> list[commands.StepAside]:
    return [commands.StepAside(params["draw_id"])]


def _release(body: AmountBody, params: dict[str, Any]) -> list[commands.ReleaseDraw]:
    amount, unit = part_of(body)
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


APPROVE: Final = Write(Reader(ApproveBody), _approve, empty=b"{}")

DECLINE: Final = Write(Reader(ReasonBody), _decline, empty=b"{}")

OBJECT: Final = Write(Reader(ObjectBody), _object, empty=b"{}")

QUESTION: Final = Write(Reader(TextBody), _question)

STEP_ASIDE: Final = Write(Reader(NothingBody), _step_aside, empty=b"{}")

RELEASE: Final = Write(Reader(AmountBody), _release, empty=b"{}")

HAND_OVER: Final = Write(Reader(HandOverBody), _hand_over)

RETURN: Final = Write(Reader(ReturnBody), _return)

UNDO: Final = Write(Reader(UndoBody), _undo)


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
            "id": SOME_DRAW,
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
    "/groups/{slug:str}/draws/{draw_id:uuid}/hand-over",
    operation_class=writes(
        HandOverBody,
        summary="Hand promised money over",
        description="By a treasurer who neither asked nor, unless the rules say so, approved.",
        status=200,
        answer=HandedOverOut,
        example={"held": "bank"},
        gives={
            "id": SOME_DRAW,
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


ROUTES: Final = (
    approve_draw,
    decline_draw,
    object_to_draw,
    question_draw,
    step_aside_from_draw,
    hand_over_draw,
    undo_of_draw,
    return_to_draw,
    release_draw,
)
