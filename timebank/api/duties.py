"""Duties that were proposed, over the API: what waits, a second steward's yes, and saying that somebody is who they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import NothingBody
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, json_reply, signed_in
from timebank.edge.openapi import acts, reads
from timebank.services import duties as service

_SIGN_REFUSALS: Final = (
    errors.MemberNotOpen,
    errors.NeedsRole,
    errors.OwnProposal,
    errors.ProposalNotOpen,
    errors.StepUpNeeded,
    errors.UnknownProposal,
)
_WITHDRAW_REFUSALS: Final = (errors.NotYourProposal, errors.ProposalNotOpen, errors.UnknownProposal)
_VOUCH_REFUSALS: Final = (
    errors.MadeTheirCard,
    errors.MemberNotFound,
    errors.MemberNotOpen,
    errors.NeedsRole,
    errors.ProofFailed,
    errors.StepUpNeeded,
)
_SOME_ID: Final = "6a1f8a52-3f0e-4b7e-9d55-0c5d7f0e9b11"
_SOMEBODY: Final = "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"


class VouchBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the person shows on their page with their ways in, while they are with the steward."""

    code: Annotated[
        str, Meta(max_length=100, description="Eight letters and digits, in any case: `ABCD-EFGH`.")
    ]


class VouchedOut(msgspec.Struct):
    """Whose duties wait no more."""

    id: UUID


class DutyOut(msgspec.Struct, omit_defaults=True):
    """Duties that somebody wants to give; `state` is open, given, withdrawn or expired."""

    id: UUID
    member: UUID
    roles: list[str]
    state: str
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    mine: bool
    signed_by: UUID | None = None
    ended_at: datetime | None = None


class DutiesOut(msgspec.Struct):
    """Proposals, newest first, at most 200."""

    duties: list[DutyOut]


class EndedDutyOut(msgspec.Struct, omit_defaults=True):
    """What became of a proposal; `roles` are the duties that the member has now."""

    id: UUID
    state: str
    member: UUID
    roles: list[str] | None = None


SIGN: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.sign_duty(door.house, actor, once, params["duty_id"]),
    empty=b"{}",
)
WITHDRAW: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.withdraw_duty(
        door.house, actor, once, params["duty_id"]
    ),
    empty=b"{}",
)
VOUCH: Final = Act(
    Reader(VouchBody),
    lambda door, actor, body, params, once: service.vouch(
        door.house, actor, once, params["member_id"], code=body.code
    ),
)


@get(
    "/groups/{slug:str}/duties",
    operation_class=reads(
        DutiesOut,
        summary="Duties that were proposed",
        description="For stewards and hosts. Giving a duty takes a second steward wherever there is one who can sign "
        "in; a proposal that nobody signs is over after thirty days.",
        gives={
            "duties": [
                {
                    "id": _SOME_ID,
                    "member": _SOMEBODY,
                    "roles": ["treasurer"],
                    "state": "open",
                    "proposed_by": "b7a6d3c2-5a7e-4f9d-8c21-7d0f3e2a1b60",
                    "proposed_at": "2026-03-01T12:00:00Z",
                    "expires_at": "2026-03-31T12:00:00Z",
                    "mine": False,
                }
            ]
        },
        refusals=(errors.NeedsRole,),
    ),
)
async def list_duties(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return which duties were proposed."""
    door, actor = await signed_in(request)
    rows = await service.list_duties(door.house, actor)
    now = door.clock()
    return json_reply(
        DutiesOut(
            [
                DutyOut(
                    id=row.duty_id,
                    member=row.member_id,
                    roles=row.roles,
                    state=row.state_at(now),
                    proposed_by=row.proposed_by,
                    proposed_at=row.proposed_at,
                    expires_at=row.expires_at,
                    mine=row.proposed_by == actor.member_id,
                    signed_by=row.signed_by,
                    ended_at=row.ended_at,
                )
                for row in rows
            ]
        )
    )


@post(
    "/groups/{slug:str}/duties/{duty_id:uuid}/sign",
    operation_class=acts(
        NothingBody,
        EndedDutyOut,
        summary="Agree to duties that somebody else proposed",
        description="By a steward who proved just now who they are. They count from the member's next request on.",
        body_required=False,
        example={},
        gives={"id": _SOME_ID, "state": "given", "member": _SOMEBODY, "roles": ["treasurer"]},
        refusals=_SIGN_REFUSALS,
    ),
)
async def sign_duty(request: Request[Any, Any, Any]) -> ASGIApp:
    """Agree to duties that somebody else proposed."""
    return await SIGN.answer(request)


@post(
    "/groups/{slug:str}/duties/{duty_id:uuid}/withdraw",
    operation_class=acts(
        NothingBody,
        EndedDutyOut,
        summary="Take proposed duties back, or refuse them",
        description="By who proposed them, or any steward.",
        body_required=False,
        example={},
        gives={"id": _SOME_ID, "state": "withdrawn", "member": _SOMEBODY},
        refusals=_WITHDRAW_REFUSALS,
    ),
)
async def withdraw_duty(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take proposed duties back, or refuse them."""
    return await WITHDRAW.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/vouch",
    operation_class=acts(
        VouchBody,
        VouchedOut,
        summary="Say that somebody is who they are",
        description="By a steward who printed no sign-in card for them and is with them: `code` is what their page with "
        "their ways in shows. Until then duties of somebody for whom a steward printed a card wait.",
        example={"code": "ABCD-EFGH"},
        gives={"id": _SOMEBODY},
        refusals=_VOUCH_REFUSALS,
    ),
)
async def vouch(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say that somebody is who they are."""
    return await VOUCH.answer(request)


ROUTES: Final = (list_duties, sign_duty, withdraw_duty, vouch)
