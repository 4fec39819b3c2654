"""Hours over the API: logging one, many under one key, or shares of it; and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import (
    NOTE_MAX,
    Category,
    Code,
    Minutes,
    Note,
    NothingBody,
    Time,
    minutes_if_any,
    minutes_of,
    whole,
)
from timebank.edge.bodies import BATCH_BODY_MAX, Faults, Reader
from timebank.edge.door import Write, json_reply, signed_in
from timebank.edge.openapi import DATED, reads, writes
from timebank.edge.paging import Listing, day, one_of, text
from timebank.errors import (
    AmountOutOfRange,
    FieldInvalid,
)
from timebank.rules.commands import (
    ConfirmHours,
    LogHours,
    QuestionHours,
    SettleHours,
    Share,
    ShareHours,
    WithdrawHours,
)
from timebank.rules.hours import HOURS_STATES, SHARES_MAX, WEIGHT_MAX
from timebank.rules.names import free_text
from timebank.services.hours import PAGE_MAX, Hours, Place, Wanted, list_hours

HOURS_LIST: Final[Listing[Place]] = Listing(
    "hours",
    tuple[Annotated[datetime, Meta(tz=True)], UUID],
    usual=50,
    largest=PAGE_MAX,
    filters=(
        one_of(
            "whose",
            ("own", "waiting"),
            "waiting: all of the group that wait for a word, for stewards",
            default="own",
        ),
        one_of("state", tuple(HOURS_STATES), "Only these"),
        one_of("role", ("gave", "got"), "Which side one is on"),
        text("category", "Only this one"),
        day("from", "First day that it happened on"),
        day("to", "Last day that it happened on"),
    ),
)


class HoursBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """Help that was given: `minutes`, or `time` as people write it."""

    effective_on: date
    category: Category
    minutes: Minutes | None = None
    time: Time | None = None
    giver: UUID | None = None
    receiver: UUID | None = None
    draw: UUID | None = None
    note: Note | None = None
    pot: Code | None = None
    mode: Literal["pot", "exchange"] | None = None


class ShareBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One person's part: by `weight`, or in `minutes` or `time`."""

    giver: UUID
    weight: Annotated[int, Meta(description=f"Whole number, 1 to {WEIGHT_MAX}.")] | None = None
    minutes: Minutes | None = None
    time: Time | None = None


class SharesBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Help that several people gave together."""

    givers: Annotated[list[ShareBody], Meta(max_length=SHARES_MAX)]
    effective_on: date
    category: Category
    minutes: Minutes | None = None
    time: Time | None = None
    receiver: UUID | None = None
    draw: UUID | None = None
    note: Note | None = None
    pot: Code | None = None


class QuestionBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What it should be instead."""

    minutes: Minutes | None = None
    time: Time | None = None
    reason: Note | None = None


class SettleBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What it is; without `minutes` and `time` what was proposed."""

    minutes: Minutes | None = None
    time: Time | None = None
    reason: Note | None = None


class HoursOut(msgspec.Struct, omit_defaults=True):
    """Hours that one sees; `giver` and `receiver` are null for somebody who was forgotten, or for the pot."""

    id: UUID
    state: str
    posted: bool
    giver: UUID | None
    receiver: UUID | None
    logged_by: UUID | None
    minutes: int
    effective_on: date
    category: str
    logged_at: datetime
    draw: UUID | None = None
    proposed: int | None = None
    why: str = ""
    waits_for_me: bool = False


class HoursListOut(msgspec.Struct, omit_defaults=True):
    """A page of hours, newest first; `next` is the cursor of the next page."""

    hours: list[HoursOut]
    next: str = ""


class HoursBatchBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Up to 5,000 times help that was given; each is accepted or refused by itself."""

    items: list[HoursBody]


class LoggedOut(msgspec.Struct, omit_defaults=True):
    """Help as it was written down; `seq` for duties and tokens that may see it.

    `entry` once it is in the book: help between two people waits for a yes, and from `silence_counts_on` on
    silence is one. `said` is what was said where the group rounds; `talk_first`: whoever got
    it has reached the limit at which the group talks.
    """

    id: UUID
    state: str
    minutes: int
    effective_on: date
    entry: UUID | None = None
    said: int | None = None
    talk_first: bool = False
    silence_counts_on: date | None = None
    receipt: str = ""
    seq: int = 0


class PartOut(msgspec.Struct):
    """One person's part, as it was written down."""

    id: UUID
    giver: UUID
    minutes: int


class SharesOut(msgspec.Struct, omit_defaults=True):
    """Help that several people gave together, and the part of each, in order."""

    minutes: int
    effective_on: date
    shares: list[PartOut]
    receipt: str = ""
    seq: int = 0


class HoursStepOut(msgspec.Struct, omit_defaults=True):
    """What hours are now. `minutes` is what was logged; `said` what was said where the group rounds.

    `entry` is what is in the book by now, `correction` what took it out again; `instead` the right hours,
    with `counted` minutes. `talk_first`: whoever got them has reached the limit at which the group talks.
    """

    id: UUID
    state: str
    minutes: int
    entry: UUID | None = None
    proposed: int | None = None
    said: int | None = None
    correction: UUID | None = None
    instead: UUID | None = None
    counted: int | None = None
    talk_first: bool = False
    receipt: str = ""
    seq: int = 0


class HoursBatchOut(msgspec.Struct):
    """What became of each item, in order: as it was written down, or problem details, beside its `status`."""

    outcomes: list[dict[str, Any]]


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
        whole(body.minutes)
        if body.minutes is not None and body.time is None
        else minutes_of(body.minutes, body.time),
        body.effective_on,
        body.category,
        free_text(body.note, field="note", length_max=NOTE_MAX) if body.note else "",
        body.pot or "",
        body.mode == "exchange",
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
            minutes_of(item.minutes, item.time)
        with faults.at(at or "note"):
            free_text(item.note or "", field="note", length_max=NOTE_MAX)
    faults.settle()


def _share(body: SharesBody, _params: dict[str, Any]) -> list[ShareHours]:
    return [
        ShareHours(
            shares=tuple(
                Share(
                    share.giver,
                    None if share.weight is None else whole(share.weight),
                    minutes_if_any(share.minutes, share.time),
                )
                for share in body.givers
            ),
            minutes=minutes_if_any(body.minutes, body.time),
            receiver=body.receiver,
            draw=body.draw,
            effective_on=body.effective_on,
            category=body.category,
            note=free_text(body.note or "", field="note", length_max=NOTE_MAX),
            pot=body.pot or "",
        )
    ]


def _confirm(_body: NothingBody, params: dict[str, Any]) -> list[ConfirmHours]:
    return [ConfirmHours(params["hours_id"])]


def _question(body: QuestionBody, params: dict[str, Any]) -> list[QuestionHours]:
    return [QuestionHours(params["hours_id"], minutes_of(body.minutes, body.time), _reason(body.reason))]


def _settle(body: SettleBody, params: dict[str, Any]) -> list[SettleHours]:
    return [SettleHours(params["hours_id"], minutes_if_any(body.minutes, body.time), _reason(body.reason))]


def _withdraw(_body: NothingBody, params: dict[str, Any]) -> list[WithdrawHours]:
    return [WithdrawHours(params["hours_id"])]


def _reason(text: str | None) -> str:
    return free_text(text or "", field="reason", length_max=NOTE_MAX)


HOURS: Final = Write(Reader(HoursBody), _single)
HOURS_BATCH: Final = Write(Reader(HoursBatchBody, size_max=BATCH_BODY_MAX), _many, many=True)
SHARES: Final = Write(Reader(SharesBody), _share)
CONFIRM: Final = Write(Reader(NothingBody), _confirm, empty=b"{}")
QUESTION: Final = Write(Reader(QuestionBody), _question)
SETTLE: Final = Write(Reader(SettleBody), _settle, empty=b"{}")
WITHDRAW: Final = Write(Reader(NothingBody), _withdraw, empty=b"{}")


@post(
    "/groups/{slug:str}/hours",
    operation_class=writes(
        HoursBody,
        summary="Log help that was given",
        description=(
            "Without `giver` the actor gave it. With `draw` it answers that ask. With the `mode` exchange, in "
            "groups with time-bank mode, it goes between `giver` and `receiver` and is posted by the receiver's yes."
        ),
        answer=LoggedOut,
        example=_EXAMPLE,
        gives=_GIVES,
        refusals=(
            errors.AmountOutOfRange,
            errors.BelowFloor,
            *DATED,
            errors.DrawNotOpen,
            errors.NoTimeBank,
            errors.NotYourDraw,
            errors.NotYourEntry,
            errors.Overflow,
            errors.PolicyRefuses,
            errors.SameAccountTwice,
            errors.UnknownCategory,
            errors.UnknownDraw,
            errors.UnknownMember,
            errors.UnknownPot,
        ),
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
        description="`outcomes` has one entry for each item, in order; a refused one leaves the others alone, and has a "
        "code of `log_hours`.",
        status=200,
        answer=HoursBatchOut,
        example={"items": [_EXAMPLE, {**_EXAMPLE, "minutes": 45}]},
        gives={"outcomes": [{"status": 201, **_GIVES}, {"status": 201, **_GIVES, "minutes": 45}]},
        refusals=(errors.AmountOutOfRange,),
    ),
)
async def log_hours_batch(request: Request[Any, Any, Any]) -> ASGIApp:
    """Log help many times under one key."""
    return await HOURS_BATCH.answer(request)


@post(
    "/groups/{slug:str}/hours/shares",
    operation_class=writes(
        SharesBody,
        summary="Log help that several people gave together",
        description=(
            "Shares by `weight` of the whole, or each in minutes. They add up to the whole, to the minute, and "
            "are written all or none."
        ),
        answer=SharesOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.BelowFloor,
            *DATED,
            errors.DrawNotOpen,
            errors.NotYourDraw,
            errors.NotYourEntry,
            errors.Overflow,
            errors.SameAccountTwice,
            errors.UnknownCategory,
            errors.UnknownDraw,
            errors.UnknownMember,
            errors.UnknownPot,
        ),
        example={
            "minutes": 90,
            "effective_on": "2026-03-01",
            "category": "cooking",
            "givers": [
                {"giver": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "weight": 2},
                {"giver": "8c5a1d0e-7b52-4f3a-a0c4-6f1e2d3b4a59", "weight": 1},
            ],
        },
        gives={
            "minutes": 90,
            "effective_on": "2026-03-01",
            "shares": [
                {
                    "id": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
                    "giver": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
                    "minutes": 60,
                },
                {
                    "id": "c9f0f895-fb98-4b91-99f5-1fd0297e236d",
                    "giver": "8c5a1d0e-7b52-4f3a-a0c4-6f1e2d3b4a59",
                    "minutes": 30,
                },
            ],
            "receipt": "K7QF-2M9T-XW4H-8B3D",
        },
    ),
)
async def share_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """Log help that several people gave together."""
    return await SHARES.answer(request)


@post(
    "/groups/{slug:str}/hours/{hours_id:uuid}/confirm",
    operation_class=writes(
        NothingBody,
        summary="Say yes to hours",
        description="By the side that did not log them. Hours between two people are posted by the receiver's yes.",
        status=200,
        body_required=False,
        answer=HoursStepOut,
        refusals=(
            errors.HoursNotOpen,
            errors.NoTimeBank,
            errors.NotYourHours,
            errors.Overflow,
            errors.PolicyRefuses,
            errors.UnknownHours,
        ),
        example={},
        gives={
            "id": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
            "state": "confirmed",
            "minutes": 90,
            "entry": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
        },
    ),
)
async def confirm_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say yes to hours."""
    return await CONFIRM.answer(request)


@post(
    "/groups/{slug:str}/hours/{hours_id:uuid}/question",
    operation_class=writes(
        QuestionBody,
        summary='Say "not quite" to hours',
        description="By the side that did not log them, with what it should be. Asking again replaces it.",
        status=200,
        answer=HoursStepOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.HoursNotOpen,
            errors.NoTimeBank,
            errors.NotYourHours,
            errors.UnknownHours,
        ),
        example={"minutes": 60, "reason": "We began at three"},
        gives={
            "id": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
            "state": "questioned",
            "minutes": 90,
            "proposed": 60,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
        },
    ),
)
async def question_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say "not quite" to hours."""
    return await QUESTION.answer(request)


@post(
    "/groups/{slug:str}/hours/{hours_id:uuid}/settle",
    operation_class=writes(
        SettleBody,
        summary="End a question about hours",
        description=(
            "Whoever was asked agrees to what was proposed, or a steward who took no part decides. The right hours "
            "take the place of what was logged, with a correction if that was in the book."
        ),
        status=200,
        body_required=False,
        answer=HoursStepOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.EntryBelongsToDraw,
            errors.HoursNotOpen,
            errors.NoTimeBank,
            errors.NotYourHours,
            errors.Overflow,
            errors.OwnHours,
            errors.PolicyRefuses,
            errors.UnknownHours,
        ),
        example={"minutes": 75},
        gives={
            "id": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
            "state": "settled",
            "minutes": 90,
            "instead": "c9f0f895-fb98-4b91-99f5-1fd0297e236d",
            "counted": 75,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
        },
    ),
)
async def settle_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """End a question about hours."""
    return await SETTLE.answer(request)


@post(
    "/groups/{slug:str}/hours/{hours_id:uuid}/withdraw",
    operation_class=writes(
        NothingBody,
        summary="Take hours back",
        description="By whoever gave or logged them, or a steward; what is in the book is corrected.",
        status=200,
        body_required=False,
        answer=HoursStepOut,
        refusals=(
            errors.EntryBelongsToDraw,
            errors.HoursNotOpen,
            errors.NotYourHours,
            errors.Overflow,
            errors.UnknownHours,
        ),
        example={},
        gives={
            "id": "0d0f5f0e-6a4b-4d2e-9b1a-2f9d1c7f4a55",
            "state": "withdrawn",
            "minutes": 90,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
        },
    ),
)
async def withdraw_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take hours back."""
    return await WITHDRAW.answer(request)


@get(
    "/groups/{slug:str}/hours",
    operation_class=reads(
        HoursListOut,
        summary="Hours, newest first",
        description="One's own; for stewards also all that wait for somebody's word.",
        query=HOURS_LIST.query,
        refusals=(errors.NeedsRole,),
    ),
)
async def get_hours(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a page of hours."""
    door, actor = await signed_in(request)
    asked = HOURS_LIST.read(request.scope["query_string"])
    said = asked.filters
    page = await list_hours(
        door.house,
        actor,
        Wanted(
            waiting=said.get("whose") == "waiting",
            state=said.get("state", ""),
            role=said.get("role", ""),
            category=said.get("category", ""),
            first=said.get("from"),
            last=said.get("to"),
            after=asked.after,
            limit=asked.limit,
        ),
        now=door.clock(),
    )
    return json_reply(
        HoursListOut(hours=[_hours_out(hours) for hours in page.hours], next=HOURS_LIST.next(page.next))
    )


def _hours_out(hours: Hours) -> HoursOut:
    return HoursOut(
        id=hours.id,
        state=hours.state,
        posted=hours.posted,
        giver=hours.giver,
        receiver=hours.receiver,
        logged_by=hours.logged_by,
        minutes=hours.minutes,
        effective_on=hours.effective_on,
        category=hours.category,
        logged_at=hours.logged_at,
        draw=hours.draw,
        proposed=hours.proposed,
        why=hours.why,
        waits_for_me=hours.waits_for_me,
    )


ROUTES: Final = (
    log_hours,
    log_hours_batch,
    share_hours,
    confirm_hours,
    question_hours,
    settle_hours,
    withdraw_hours,
    get_hours,
)
