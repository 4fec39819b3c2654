"""Stand-ins over the API: who acts for whom, in what, until when."""

from __future__ import annotations

from datetime import date, datetime
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
from timebank.services import stand_ins as service
from timebank.services.stand_ins import Tie

_IDS: Final = ("3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "8c5a1d0e-7b52-4f3a-a0c4-6f1e2d3b4a59")

Scope = Annotated[str, Meta(max_length=10, description="log, ask or see.")]
Consent = Annotated[str, Meta(max_length=30, description="said, on_paper or in_person_with_steward.")]


class StandInBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"member": "for"}):
    """Who is to act for whom, until which day; the consent is that of `for`."""

    stand_in: UUID
    member: UUID
    scopes: list[Scope]
    until: date
    consent: Consent


class BegunOut(msgspec.Struct, rename={"member": "for"}):
    """Somebody who stands in now."""

    id: UUID
    stand_in: UUID
    member: UUID
    scopes: list[str]
    until: date
    state: str


class EndOut(msgspec.Struct):
    """A tie that ended."""

    id: UUID
    state: str


class PersonOut(msgspec.Struct):
    """One of the two; the nickname is empty once they were forgotten."""

    id: UUID
    nickname: str


class TieOut(msgspec.Struct, rename={"member": "for"}):
    """Who acts for whom: `state` is active, ended or expired."""

    id: UUID
    stand_in: PersonOut
    member: PersonOut
    scopes: list[str]
    consent: str
    since: datetime
    until: date
    state: str


class TiesOut(msgspec.Struct):
    """Stand-ins, newest first."""

    stand_ins: list[TieOut]


BEGIN: Final = Act(
    Reader(StandInBody),
    lambda door, actor, body, _params, once: service.begin_stand_in(
        door.house,
        actor,
        once,
        stand_in=body.stand_in,
        member_id=body.member,
        scopes=body.scopes,
        until=body.until,
        consent=body.consent,
    ),
)
END: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.end_stand_in(
        door.house, actor, once, params["stand_in_id"]
    ),
    empty=b"{}",
)


@post(
    "/groups/{slug:str}/stand-ins",
    operation_class=acts(
        StandInBody,
        BegunOut,
        summary="Let somebody stand in for somebody",
        description="By the person they act for, or by a steward who is not the stand-in and writes the consent down. "
        "At most a year; it takes the place of the tie before it between the same two.",
        status=201,
        example={
            "stand_in": _IDS[0],
            "for": _IDS[1],
            "scopes": ["log", "see"],
            "until": "2026-12-31",
            "consent": "said",
        },
        refusals=(
            errors.NotYourConsent,
            errors.StepUpNeeded,
            errors.UnknownMember,
        ),
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "stand_in": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "for": "8c5a1d0e-7b52-4f3a-a0c4-6f1e2d3b4a59",
            "scopes": ["log", "see"],
            "until": "2026-12-31",
            "state": "active",
        },
    ),
)
async def begin_stand_in(request: Request[Any, Any, Any]) -> ASGIApp:
    """Let somebody stand in for somebody."""
    return await BEGIN.answer(request)


@post(
    "/groups/{slug:str}/stand-ins/{stand_in_id:uuid}/end",
    operation_class=acts(
        NothingBody,
        EndOut,
        summary="End a stand-in",
        description="By either of the two, or a steward; it counts from the next request on.",
        body_required=False,
        refusals=(
            errors.StandInNotOpen,
            errors.UnknownStandIn,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "ended"},
    ),
)
async def end_stand_in(request: Request[Any, Any, Any]) -> ASGIApp:
    """End a stand-in."""
    return await END.answer(request)


@get(
    "/groups/{slug:str}/stand-ins",
    operation_class=reads(
        TiesOut,
        summary="Who stands in for whom",
        description="Stewards see all; others those they are part of.",
    ),
)
async def list_stand_ins(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return stand-ins."""
    door, actor = await signed_in(request)
    return _answer(await service.list_stand_ins(door.house, actor, now=door.clock()))


@get(
    "/groups/{slug:str}/me/stands-in",
    operation_class=reads(
        TiesOut,
        summary="Own stand-ins",
        description="For whom the actor stands in, and who stands in for them.",
    ),
)
async def list_own(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the actor's stand-ins."""
    door, actor = await signed_in(request)
    return _answer(await service.list_stand_ins(door.house, actor, now=door.clock(), own=True))


ROUTES: Final = (begin_stand_in, end_stand_in, list_stand_ins, list_own)


def _answer(ties: list[Tie]) -> ASGIApp:
    return json_reply(
        TiesOut(
            [
                TieOut(
                    id=tie.row.stand_in_id,
                    stand_in=PersonOut(*tie.stand_in),
                    member=PersonOut(*tie.member),
                    scopes=list(tie.row.scopes),
                    consent=tie.row.consent,
                    since=tie.row.since,
                    until=tie.row.until,
                    state=tie.state,
                )
                for tie in ties
            ]
        )
    )
