"""Held places over the API: where money is, carrying it, counting it, opening and closing places."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import NOTE_MAX, Amount, Code, Currency, Note, NothingBody, whole
from timebank.api.proposals import ProposedOut
from timebank.edge.bodies import Reader
from timebank.edge.door import Write, json_reply, signed_in
from timebank.edge.openapi import DATED, reads, writes
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import ClosePlace, CountHeld, MoveHeld, OpenPlace, SignProposal
from timebank.rules.names import free_text
from timebank.services.treasury import list_held

Counted = Annotated[int, Meta(description=f"Whole smallest coins that were there, 0 to {AMOUNT_MAX}.")]


class PlaceBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A new place where money will be; `held` is its code."""

    held: Code
    kind: Literal["cash", "bank", "platform"]
    currency: Currency


class HeldMoveBody(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"source": "from", "target": "to"}
):
    """Money carried from one place to another; without `effective_on` today."""

    source: Code
    target: Code
    amount: Amount
    currency: Currency
    effective_on: date | None = None


class CountBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What was counted; `pot` is the one that bears a difference, the first of this currency if left out."""

    amount: Counted
    currency: Currency
    pot: Code | None = None
    reason: Note | None = None


class HeldPlaceOut(msgspec.Struct):
    """A place with what is in it now."""

    held: str
    kind: str
    number: int
    amount: int
    currency: str
    closed: bool


class HeldListOut(msgspec.Struct):
    """All places, by currency, kind and number."""

    held: list[HeldPlaceOut]


class OpenedPlaceOut(msgspec.Struct, omit_defaults=True):
    """A place that was opened."""

    held: str
    kind: str
    currency: str
    receipt: str = ""
    seq: int = 0


class PlaceClosedOut(msgspec.Struct, omit_defaults=True):
    """Whether a place is closed now; no receipt if it was so before."""

    held: str
    closed: bool
    receipt: str = ""
    seq: int = 0


class HeldMoveOut(msgspec.Struct, omit_defaults=True, rename={"source": "from", "target": "to"}):
    """Money that was carried."""

    entry: UUID
    source: str
    target: str
    amount: int
    currency: str
    effective_on: date
    receipt: str = ""
    seq: int = 0


class CountOut(msgspec.Struct, omit_defaults=True):
    """A count beside what the book says: `state` right, or open for a proposal about the difference, `amount`."""

    held: str
    counted: int
    book: int
    currency: str
    state: str
    proposal: UUID | None = None
    effective_on: date | None = None
    pot: str = ""
    amount: int = 0
    receipt: str = ""
    seq: int = 0


def _open(body: PlaceBody, _params: dict[str, Any]) -> list[OpenPlace]:
    return [OpenPlace(body.held, body.kind, body.currency)]


def _close(_body: NothingBody, params: dict[str, Any]) -> list[ClosePlace]:
    return [ClosePlace(params["held"])]


def _reopen(_body: NothingBody, params: dict[str, Any]) -> list[ClosePlace]:
    return [ClosePlace(params["held"], reopen=True)]


def _move(body: HeldMoveBody, _params: dict[str, Any]) -> list[MoveHeld]:
    return [MoveHeld(body.source, body.target, whole(body.amount), body.currency, body.effective_on)]


def _count(body: CountBody, params: dict[str, Any]) -> list[CountHeld]:
    return [
        CountHeld(
            held=params["held"],
            counted=whole(body.amount),
            currency=body.currency,
            pot=body.pot or "",
            reason=free_text(body.reason or "", field="reason", length_max=NOTE_MAX),
        )
    ]


def _sign(_body: NothingBody, params: dict[str, Any]) -> list[SignProposal]:
    return [SignProposal(params["count_id"], count_of=params["held"])]


PLACES: Final = Write(Reader(PlaceBody), _open)
CLOSE: Final = Write(Reader(NothingBody), _close, empty=b"{}")
REOPEN: Final = Write(Reader(NothingBody), _reopen, empty=b"{}")
MOVES: Final = Write(Reader(HeldMoveBody), _move)
COUNTS: Final = Write(Reader(CountBody), _count)
SIGN_COUNT: Final = Write(Reader(NothingBody), _sign, empty=b"{}")


@get(
    "/groups/{slug:str}/held",
    operation_class=reads(
        HeldListOut,
        summary="Where money is",
        description="For treasurers, stewards and auditors: every place with what is in it now.",
        refusals=(errors.NeedsRole,),
    ),
)
async def get_held(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return every place with what is in it now."""
    door, actor = await signed_in(request)
    places = await list_held(door.house, actor)
    return json_reply(
        HeldListOut([HeldPlaceOut(p.code, p.kind, p.number, p.amount, p.unit, p.closed) for p in places])
    )


@post(
    "/groups/{slug:str}/held",
    operation_class=writes(
        PlaceBody,
        summary="Open a place for money",
        description="By a treasurer or steward. It can be used from the next request on.",
        answer=OpenedPlaceOut,
        refusals=(
            errors.NeedsRole,
            errors.PlaceTaken,
            errors.StepUpNeeded,
        ),
        example={"held": "tin-in-the-hall", "kind": "cash", "currency": "EUR"},
        gives={
            "held": "tin-in-the-hall",
            "kind": "cash",
            "currency": "EUR",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def open_place(request: Request[Any, Any, Any]) -> ASGIApp:
    """Open a place for money."""
    return await PLACES.answer(request)


@post(
    "/groups/{slug:str}/held/{held:str}/close",
    operation_class=writes(
        NothingBody,
        summary="Close a place that is empty",
        description="By a treasurer or steward. Closing it twice changes nothing.",
        status=200,
        body_required=False,
        answer=PlaceClosedOut,
        refusals=(
            errors.NeedsRole,
            errors.PlaceNotEmpty,
            errors.StepUpNeeded,
            errors.UnknownPage,
        ),
        example={},
        gives={"held": "tin-in-the-hall", "closed": True, "receipt": "K7QF-2M9T-XW4H-8B3D", "seq": 208},
    ),
)
async def close_place(request: Request[Any, Any, Any]) -> ASGIApp:
    """Close a place that is empty."""
    return await CLOSE.answer(request)


@post(
    "/groups/{slug:str}/held/{held:str}/reopen",
    operation_class=writes(
        NothingBody,
        summary="Take a closed place into use again",
        description="By a treasurer or steward. Opening it twice changes nothing.",
        status=200,
        body_required=False,
        answer=PlaceClosedOut,
        refusals=(
            errors.NeedsRole,
            errors.StepUpNeeded,
            errors.UnknownPage,
        ),
        example={},
        gives={"held": "tin-in-the-hall", "closed": False, "receipt": "K7QF-2M9T-XW4H-8B3D", "seq": 208},
    ),
)
async def reopen_place(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take a closed place into use again."""
    return await REOPEN.answer(request)


@post(
    "/groups/{slug:str}/held/moves",
    operation_class=writes(
        HeldMoveBody,
        summary="Carry money from one place to another",
        description="By a treasurer. No pot changes.",
        answer=HeldMoveOut,
        refusals=(
            errors.AccountClosed,
            errors.AmountOutOfRange,
            errors.BelowFloor,
            *DATED,
            errors.NeedsRole,
            errors.Overflow,
            errors.StepUpNeeded,
            errors.UnknownHeldPlace,
        ),
        example={"from": "bank", "to": "cash-box", "amount": 5000, "currency": "EUR"},
        gives={
            "entry": "a87ff679-a2f3-471d-9181-a67b7542122c",
            "from": "bank",
            "to": "cash-box",
            "amount": 5000,
            "currency": "EUR",
            "effective_on": "2026-03-01",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def move_held(request: Request[Any, Any, Any]) -> ASGIApp:
    """Carry money from one place to another."""
    return await MOVES.answer(request)


@post(
    "/groups/{slug:str}/held/{held:str}/counts",
    operation_class=writes(
        CountBody,
        summary="Count a place against the book",
        description=(
            "By a treasurer or steward. `state` is right where the book says the same; a difference waits for the "
            "signature of somebody else (`proposal`)."
        ),
        answer=CountOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.NeedsRole,
            errors.UnitMismatch,
            errors.UnknownPage,
            errors.UnknownPot,
        ),
        example={"amount": 4200, "currency": "EUR", "reason": "After the market"},
        gives={
            "held": "cash-box",
            "counted": 4200,
            "book": 4700,
            "currency": "EUR",
            "proposal": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "open",
            "effective_on": "2026-03-01",
            "pot": "money",
            "amount": 500,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def count_held(request: Request[Any, Any, Any]) -> ASGIApp:
    """Count a place against the book."""
    return await COUNTS.answer(request)


@post(
    "/groups/{slug:str}/held/{held:str}/counts/{count_id:uuid}/sign",
    operation_class=writes(
        NothingBody,
        summary="Sign a counted difference",
        description="By a steward or treasurer who did not count; it is posted now.",
        status=200,
        body_required=False,
        answer=ProposedOut,
        refusals=(
            errors.AccountClosed,
            errors.BelowFloor,
            errors.NeedsRole,
            errors.Overflow,
            errors.OwnProposal,
            errors.ProposalNotOpen,
            errors.StepUpNeeded,
            errors.UnknownProposal,
        ),
        example={},
        gives={
            "proposal": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "signed",
            "entry": "a87ff679-a2f3-471d-9181-a67b7542122c",
            "pot": "money",
            "book": 4700,
            "held": "cash-box",
            "counted": 4200,
            "effective_on": "2026-03-01",
            "amount": 500,
            "currency": "EUR",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def sign_count(request: Request[Any, Any, Any]) -> ASGIApp:
    """Sign a counted difference."""
    return await SIGN_COUNT.answer(request)


ROUTES: Final = (
    get_held,
    open_place,
    close_place,
    reopen_place,
    move_held,
    count_held,
    sign_count,
)
