"""What takes two people, over the API: proposing it, signing it, taking it back, and what waits."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

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
    whole,
)
from timebank.edge.bodies import Reader
from timebank.edge.door import Write, json_reply, signed_in
from timebank.edge.openapi import DATED, reads, writes
from timebank.edge.paging import Listing, one_of
from timebank.errors import FieldInvalid
from timebank.ledger.units import MINUTES
from timebank.rules.commands import (
    ProposeOpening,
    ProposeOut,
    ProposePotMove,
    SignProposal,
    WithdrawProposal,
)
from timebank.rules.names import free_text
from timebank.rules.proposals import PROPOSAL_STATES
from timebank.services.treasury import KINDS, PAGE_MAX, Place, SeenProposal, list_proposals

PROPOSALS: Final[Listing[Place]] = Listing(
    "proposals",
    tuple[Annotated[datetime, Meta(tz=True)], UUID],
    usual=50,
    largest=PAGE_MAX,
    filters=(
        one_of("state", tuple(PROPOSAL_STATES), "Only these"),
        one_of("kind", tuple(KINDS), "Only these"),
    ),
)


class MoneyOutBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Money that shall leave without an ask; without `effective_on` today."""

    pot: Code
    amount: Amount
    currency: Currency
    held: Code
    category: Category | None = None
    effective_on: date | None = None
    reason: Note | None = None


class PotMoveBody(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"source": "from", "target": "to"}
):
    """What one pot shall pass on to another: `minutes`, or `amount` and `currency`."""

    source: Code
    target: Code
    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    effective_on: date | None = None
    reason: Note | None = None


class OpeningBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a pot, or a member of a time bank, brings along from an older book.

    Money has `held`, where it lies. `received` says that the member received more than they gave.
    """

    pot: Code | None = None
    member: UUID | None = None
    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    held: Code | None = None
    received: bool = False
    effective_on: date | None = None
    reason: Note | None = None


class ProposalOut(msgspec.Struct, omit_defaults=True):
    """A proposal. What is not of its kind is left out; `book` and `counted` are of a count."""

    proposal: UUID
    kind: str
    state: str
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    effective_on: date
    mine: bool
    signed_by: UUID | None = None
    entry: UUID | None = None
    minutes: int | None = None
    amount: int | None = None
    currency: str | None = None
    pot: str = ""
    held: str = ""
    source: str = msgspec.field(default="", name="from")
    target: str = msgspec.field(default="", name="to")
    category: str = ""
    member: UUID | None = None
    received: bool | None = None
    book: int | None = None
    counted: int | None = None
    why: str = ""


class ProposedOut(msgspec.Struct, omit_defaults=True, rename={"source": "from", "target": "to"}):
    """What was proposed, signed or posted at once; what is not of its kind is left out.

    `state` is open, signed, or posted for an opening of an empty book, which has an `entry` and no `proposal`.
    """

    state: str
    effective_on: date
    proposal: UUID | None = None
    entry: UUID | None = None
    minutes: int | None = None
    amount: int | None = None
    currency: str | None = None
    pot: str = ""
    held: str = ""
    source: str = ""
    target: str = ""
    category: str = ""
    member: UUID | None = None
    received: bool | None = None
    book: int | None = None
    counted: int | None = None
    receipt: str = ""
    seq: int = 0


class ProposalEndedOut(msgspec.Struct, omit_defaults=True):
    """A proposal that nobody signs any more."""

    proposal: UUID
    state: str
    receipt: str = ""
    seq: int = 0


class ProposalsOut(msgspec.Struct, omit_defaults=True):
    """A page of proposals, newest first; `next` is the cursor of the next page."""

    proposals: list[ProposalOut]
    next: str = ""


def _out(body: MoneyOutBody, _params: dict[str, Any]) -> list[ProposeOut]:
    return [
        ProposeOut(
            pot=body.pot,
            amount=whole(body.amount),
            currency=body.currency,
            held=body.held,
            category=body.category or "",
            effective_on=body.effective_on,
            reason=_reason(body.reason),
        )
    ]


def _pot_move(body: PotMoveBody, _params: dict[str, Any]) -> list[ProposePotMove]:
    amount, unit = _needed(body.minutes, body.amount, body.currency)
    return [
        ProposePotMove(body.source, body.target, amount, unit, body.effective_on, reason=_reason(body.reason))
    ]


def _opening(body: OpeningBody, _params: dict[str, Any]) -> list[ProposeOpening]:
    amount, unit = _needed(body.minutes, body.amount, body.currency)
    return [
        ProposeOpening(
            pot=body.pot or "",
            amount=amount,
            unit=unit,
            held=body.held or "",
            member=body.member,
            received=body.received,
            effective_on=body.effective_on,
            reason=_reason(body.reason),
        )
    ]


def _sign(_body: NothingBody, params: dict[str, Any]) -> list[SignProposal]:
    return [SignProposal(params["proposal_id"])]


def _withdraw(_body: NothingBody, params: dict[str, Any]) -> list[WithdrawProposal]:
    return [WithdrawProposal(params["proposal_id"])]


def _needed(minutes: int | None, amount: int | None, currency: str | None) -> tuple[int, str]:
    said = quantity(minutes, amount, currency)
    if said is None:
        raise FieldInvalid(field="minutes", why=ONE_OR_THE_OTHER)
    return said


def _reason(text: str | None) -> str:
    return free_text(text or "", field="reason", length_max=NOTE_MAX)


MONEY_OUT: Final = Write(Reader(MoneyOutBody), _out)
POT_MOVES: Final = Write(Reader(PotMoveBody), _pot_move)
OPENINGS: Final = Write(Reader(OpeningBody), _opening)
SIGN: Final = Write(Reader(NothingBody), _sign, empty=b"{}")
WITHDRAW: Final = Write(Reader(NothingBody), _withdraw, empty=b"{}")


@post(
    "/groups/{slug:str}/money/out",
    operation_class=writes(
        MoneyOutBody,
        summary="Propose money out without an ask",
        description="By a treasurer, such as a bank's fee or a surplus passed on; somebody else signs it.",
        answer=ProposedOut,
        refusals=(
            errors.AmountOutOfRange,
            *DATED,
            errors.NeedsRole,
            errors.UnknownCategory,
            errors.UnknownHeldPlace,
            errors.UnknownPot,
        ),
        example={
            "pot": "money",
            "held": "bank",
            "amount": 350,
            "currency": "EUR",
            "reason": "Fee of the bank",
        },
        gives={
            "proposal": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "open",
            "effective_on": "2026-03-01",
            "held": "bank",
            "pot": "money",
            "amount": 350,
            "currency": "EUR",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def propose_money_out(request: Request[Any, Any, Any]) -> ASGIApp:
    """Propose money out without an ask."""
    return await MONEY_OUT.answer(request)


@post(
    "/groups/{slug:str}/pots/moves",
    operation_class=writes(
        PotMoveBody,
        summary="Propose that one pot passes something on to another",
        description="By a treasurer, hours also by a steward; somebody else signs it. Both keep the same unit.",
        answer=ProposedOut,
        refusals=(
            errors.AmountOutOfRange,
            *DATED,
            errors.NeedsRole,
            errors.UnknownPot,
        ),
        example={"from": "money", "to": "spare", "amount": 10000, "currency": "EUR"},
        gives={
            "proposal": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "open",
            "effective_on": "2026-03-01",
            "from": "money",
            "to": "spare",
            "amount": 10000,
            "currency": "EUR",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def propose_pot_move(request: Request[Any, Any, Any]) -> ASGIApp:
    """Propose that one pot passes something on to another."""
    return await POT_MOVES.answer(request)


@post(
    "/groups/{slug:str}/openings",
    operation_class=writes(
        OpeningBody,
        summary="Bring something along from an older book",
        description=(
            "Hours by a steward, money by a treasurer. While the book says nothing but openings it is posted at "
            "once; later somebody else signs it."
        ),
        answer=ProposedOut,
        refusals=(
            errors.AccountClosed,
            errors.AmountOutOfRange,
            *DATED,
            errors.NeedsRole,
            errors.NoTimeBank,
            errors.Overflow,
            errors.StepUpNeeded,
            errors.UnknownHeldPlace,
            errors.UnknownMember,
            errors.UnknownPot,
        ),
        example={"pot": "hours", "minutes": 600},
        gives={
            "proposal": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "open",
            "effective_on": "2026-03-01",
            "pot": "hours",
            "minutes": 600,
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def propose_opening(request: Request[Any, Any, Any]) -> ASGIApp:
    """Bring something along from an older book."""
    return await OPENINGS.answer(request)


@post(
    "/groups/{slug:str}/proposals/{proposal_id:uuid}/sign",
    operation_class=writes(
        NothingBody,
        summary="Sign what somebody else proposed",
        description="By a steward or treasurer. It is posted now; what the book refuses stays open.",
        status=200,
        body_required=False,
        answer=ProposedOut,
        refusals=(
            errors.AccountClosed,
            errors.BelowFloor,
            errors.NeedsRole,
            errors.NoTimeBank,
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
            "held": "bank",
            "effective_on": "2026-03-01",
            "amount": 350,
            "currency": "EUR",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def sign_proposal(request: Request[Any, Any, Any]) -> ASGIApp:
    """Sign what somebody else proposed."""
    return await SIGN.answer(request)


@post(
    "/groups/{slug:str}/proposals/{proposal_id:uuid}/withdraw",
    operation_class=writes(
        NothingBody,
        summary="Take a proposal back, or refuse it",
        description="By who proposed it, or any steward or treasurer.",
        status=200,
        body_required=False,
        answer=ProposalEndedOut,
        refusals=(
            errors.NotYourProposal,
            errors.ProposalNotOpen,
            errors.UnknownProposal,
        ),
        example={},
        gives={
            "proposal": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "withdrawn",
            "receipt": "K7QF-2M9T-XW4H-8B3D",
            "seq": 208,
        },
    ),
)
async def withdraw_proposal(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take a proposal back, or refuse it."""
    return await WITHDRAW.answer(request)


@get(
    "/groups/{slug:str}/proposals",
    operation_class=reads(
        ProposalsOut,
        summary="What takes two people, newest first",
        description="For treasurers, stewards and auditors.",
        query=PROPOSALS.query,
        refusals=(errors.NeedsRole,),
    ),
)
async def get_proposals(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a page of what takes two people."""
    door, actor = await signed_in(request)
    asked = PROPOSALS.read(request.scope["query_string"])
    page = await list_proposals(
        door.house,
        actor,
        state=asked.filters.get("state", ""),
        kind=asked.filters.get("kind", ""),
        after=asked.after,
        limit=asked.limit,
    )
    return json_reply(
        ProposalsOut([_proposal_out(seen) for seen in page.proposals], PROPOSALS.next(page.next))
    )


def _proposal_out(seen: SeenProposal) -> ProposalOut:
    proposal, body = seen.proposal, seen.proposal.body
    hours = body["unit"] == MINUTES
    return ProposalOut(
        proposal=proposal.proposal_id,
        kind=proposal.kind,
        state=proposal.state,
        proposed_by=proposal.proposed_by,
        proposed_at=proposal.proposed_at,
        expires_at=seen.expires_at,
        effective_on=date.fromisoformat(body["effective_on"]),
        mine=seen.mine,
        signed_by=proposal.signed_by,
        entry=proposal.entry_id,
        minutes=body["amount"] if hours else None,
        amount=None if hours else body["amount"],
        currency=None if hours else body["unit"],
        pot=body.get("pot", ""),
        held=body.get("held", ""),
        source=body.get("from", ""),
        target=body.get("to", ""),
        category=body.get("category", ""),
        member=UUID(body["member"]) if "member" in body else None,
        received=body.get("received"),
        book=body.get("book"),
        counted=body.get("counted"),
        why=seen.why,
    )


ROUTES: Final = (
    propose_money_out,
    propose_pot_move,
    propose_opening,
    sign_proposal,
    withdraw_proposal,
    get_proposals,
)
