"""Joining over the API: invitations, and requests by people without an account; an address with a secret opens each."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import NothingBody
from timebank.api.members import Duty, Nickname
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, json_reply, read_stranger, signed_in
from timebank.edge.limits import slow_down
from timebank.edge.openapi import acts, for_strangers, gives_file, reads
from timebank.edge.published import PublishedReply
from timebank.edge.qr import qr_svg
from timebank.errors import UnknownInvitation
from timebank.services import joining as service
from timebank.services.joining import DAYS_MAX, USES_MAX, invitation_secret, request_secret

if TYPE_CHECKING:
    from timebank.edge.door import Door
    from timebank.rules.people import Actor
    from timebank.store.invitations import InvitationRow

_SVG: Final = "image/svg+xml"


# ---------------------------------------------------------------- shapes


class InvitationBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An invitation for so many people, for so many days."""

    uses: Annotated[
        int, Meta(ge=1, le=USES_MAX, description=f"How many may join by it, 1 to {USES_MAX}.")
    ] = 1
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX, description=f"For how many days, 1 to {DAYS_MAX}.")] = 14
    roles: list[Duty] = []


class JoinBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who joins."""

    nickname: Nickname


class RequestBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who would like to join, and a few words to the stewards."""

    nickname: Nickname
    words: Annotated[str, Meta(max_length=500, description="For stewards only; gone once they decided.")] = ""


class AcceptBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A yes; under another nickname if the one that was written is taken."""

    nickname: Nickname | None = None


class MadeInvitationOut(msgspec.Struct):
    """An invitation; `path` is where it opens, `secret` what opens it. Both are shown again under the same key."""

    id: UUID
    state: str
    roles: list[str]
    uses_max: int
    expires_at: datetime
    secret: str
    path: str


class InvitationOut(msgspec.Struct):
    """An invitation without its secret; `state` is open, used_up, expired or revoked."""

    id: UUID
    state: str
    roles: list[str]
    uses: int
    uses_max: int
    made_by: UUID
    made_at: datetime
    expires_at: datetime


class InvitationsOut(msgspec.Struct):
    """The group's invitations, newest first."""

    invitations: list[InvitationOut]


class StateOut(msgspec.Struct, omit_defaults=True):
    """What something is now; `member` is who came of it."""

    id: UUID
    state: str
    member: UUID | None = None


class InvitedOut(msgspec.Struct):
    """What the holder of an invitation sees: what the group is called, and the key for the form."""

    name: str
    key: str


class JoinedOut(msgspec.Struct):
    """Somebody who is a member now; `card` signs them in once and is shown this once."""

    member: UUID
    card: str


class WayOut(msgspec.Struct, omit_defaults=True):
    """How people join: by invitation, or also by a request with this key."""

    name: str
    joining: str
    key: str = ""


class AskedToJoinOut(msgspec.Struct):
    """A request that was taken in; `secret` shows what becomes of it."""

    secret: str
    state: str


class RequestStateOut(msgspec.Struct):
    """What became of a request: waiting, accepted, not_now, withdrawn or expired."""

    state: str


class WaitingOut(msgspec.Struct):
    """Somebody who would like to join."""

    id: UUID
    nickname: str
    words: str
    asked_at: datetime
    expires_at: datetime


class WaitingListOut(msgspec.Struct):
    """Who waits to be let in, longest first."""

    requests: list[WaitingOut]


# ---------------------------------------------------------------- invitations, by stewards


def _with_secret(door: Door, actor: Actor, said: dict[str, Any]) -> dict[str, Any]:
    """Add the secret, which is derived from the id and stored nowhere."""
    secret = invitation_secret(door.house, actor.group_id, UUID(said["id"]))
    return {**said, "secret": secret, "path": f"/join/{secret}"}


INVITE: Final = Act(
    Reader(InvitationBody),
    lambda door, actor, body, _params, once: service.make_invitation(
        door.house, actor, once, roles=body.roles, uses=body.uses, days=body.days
    ),
    reveal=_with_secret,
)
REVOKE: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.revoke_invitation(
        door.house, actor, once, params["invitation_id"]
    ),
    empty=b"{}",
)
ACCEPT: Final = Act(
    Reader(AcceptBody),
    lambda door, actor, body, params, once: service.accept_request(
        door.house, actor, once, params["request_id"], nickname=body.nickname
    ),
    empty=b"{}",
)
NOT_NOW: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.decline_request(
        door.house, actor, once, params["request_id"]
    ),
    empty=b"{}",
)


@post(
    "/groups/{slug:str}/invitations",
    operation_class=acts(
        InvitationBody,
        MadeInvitationOut,
        summary="Invite people",
        description="By a steward. Duties in it take a fresh proof of who is asking, and are never more than they may "
        "give; where another steward can sign in, whoever joins gets them once that one agrees. It stops working when its maker may not invite any more.",
        status=201,
        example={"uses": 20, "days": 30},
        refusals=(
            errors.MayNotGive,
            errors.NeedsRole,
            errors.StepUpNeeded,
        ),
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "state": "open",
            "roles": [],
            "uses_max": 20,
            "expires_at": "2026-03-31T12:00:00Z",
            "secret": "EvxE6Fp3kzleo5DeFtRx0exzM32SYJrB",
            "path": "/join/EvxE6Fp3kzleo5DeFtRx0exzM32SYJrB",
        },
    ),
)
async def invite(request: Request[Any, Any, Any]) -> ASGIApp:
    """Invite people."""
    return await INVITE.answer(request)


@get(
    "/groups/{slug:str}/invitations",
    operation_class=reads(
        InvitationsOut,
        summary="The group's invitations",
        description="Those that are open first, then the newest first. For stewards.",
        refusals=(errors.NeedsRole,),
    ),
)
async def list_invitations(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the group's invitations."""
    door, actor = await signed_in(request)
    now = door.clock()
    rows = await service.list_invitations(door.house, actor, now=now)
    return json_reply(InvitationsOut([_invitation(row, now) for row in rows]))


@get(
    "/groups/{slug:str}/invitations/{invitation_id:uuid}/qr.svg",
    operation_class=gives_file(
        _SVG,
        summary="An invitation to print",
        description="Its address as a QR code; for stewards, while it is open.",
        refusals=(
            errors.NeedsRole,
            errors.UnknownInvitation,
        ),
    ),
)
async def get_qr(request: Request[Any, Any, Any], invitation_id: FromPath[UUID]) -> ASGIApp:
    """Return the address of an invitation as a QR code."""
    door, actor = await signed_in(request)
    rows = await service.list_invitations(door.house, actor, now=door.clock())
    row = next((row for row in rows if row.invitation_id == invitation_id), None)
    if row is None or row.state(door.clock()) != "open":
        raise UnknownInvitation
    secret = invitation_secret(door.house, actor.group_id, invitation_id)
    address = f"{_origin(request)}/g/{request.path_params['slug']}/join/{secret}"
    return PublishedReply(qr_svg(address), _SVG, cache="no-store")


@post(
    "/groups/{slug:str}/invitations/{invitation_id:uuid}/revoke",
    operation_class=acts(
        NothingBody,
        StateOut,
        summary="End an invitation",
        description="By a steward; who joined by it stays.",
        body_required=False,
        refusals=(
            errors.InvitationNotOpen,
            errors.NeedsRole,
            errors.UnknownInvitation,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "revoked"},
    ),
)
async def revoke_invitation(request: Request[Any, Any, Any]) -> ASGIApp:
    """End an invitation."""
    return await REVOKE.answer(request)


# ---------------------------------------------------------------- invitations, by who holds one


@get(
    "/groups/{slug:str}/invitations/{secret:str}",
    operation_class=for_strangers(
        InvitedOut,
        summary="Look at an invitation",
        description="What the group is called, and the key for joining. One that is over is as if it had never been.",
        refusals=(
            errors.TooManyTries,
            errors.UnknownInvitation,
        ),
    ),
)
async def look_at_invitation(request: Request[Any, Any, Any], secret: FromPath[str]) -> ASGIApp:
    """Return what an invitation opens."""
    door, group_id = await _stranger(request)
    found = await service.look_at_invitation(door.house, group_id, secret, now=door.clock())
    return json_reply(InvitedOut(found.name, found.key))


_JOIN: Final = Reader(JoinBody)


@post(
    "/groups/{slug:str}/invitations/{secret:str}",
    operation_class=for_strangers(
        JoinedOut,
        summary="Join by an invitation",
        description="With the key that looking at it gave. Sent again within ten minutes, it gives another card to the "
        "same member.",
        body=JoinBody,
        keyed=True,
        status=201,
        refusals=(
            errors.InvitationNotOpen,
            errors.KeyNotIssued,
            errors.KeyReused,
            errors.NicknameTaken,
            errors.TooManyTries,
            errors.UnknownInvitation,
        ),
        example={"nickname": "Noor"},
        gives={"member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "card": "KQ94-Q4ER-R7NV-6TVR"},
    ),
)
async def accept_invitation(request: Request[Any, Any, Any], secret: FromPath[str]) -> ASGIApp:
    """Join by an invitation."""
    door, group_id = await _stranger(request)
    key, body = await read_stranger(request, _JOIN)
    joined = await service.accept_invitation(
        door.house,
        group_id,
        secret,
        key=key,
        nickname=body.nickname,
        now=door.clock(),
    )
    return json_reply(JoinedOut(joined.member_id, joined.card), 201, replayed=joined.again)


# ---------------------------------------------------------------- requests, by who asks


@get(
    "/groups/{slug:str}/joining",
    operation_class=for_strangers(
        WayOut,
        summary="How people join",
        description="Whether requests are taken, and the key for one.",
        refusals=(errors.TooManyTries,),
    ),
)
async def get_way(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return how people join."""
    door, group_id = await _stranger(request)
    way = await service.find_way(door.house, group_id)
    return json_reply(WayOut(way.name, way.joining, way.key))


_ASK: Final = Reader(RequestBody)


@post(
    "/groups/{slug:str}/join-requests",
    operation_class=for_strangers(
        AskedToJoinOut,
        summary="Ask to join",
        description="Without an account, where the group takes requests. Whether a nickname is free is never told; "
        "after fourteen days without an answer the request is gone.",
        body=RequestBody,
        keyed=True,
        status=201,
        refusals=(
            errors.JoiningClosed,
            errors.KeyNotIssued,
            errors.KeyReused,
            errors.RequestsFull,
            errors.TooManyTries,
        ),
        example={"nickname": "Inés", "words": "We met at the allotment."},
        gives={"secret": "ZBkFGKFIkzMvf-CsFYETMR-JEHUkfSVf", "state": "waiting"},
    ),
)
async def ask_to_join(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask to join."""
    door, group_id = await _stranger(request)
    await slow_down(request, group_id, "join")
    key, body = await read_stranger(request, _ASK)
    request_id = await service.ask_to_join(
        door.house, group_id, key=key, nickname=body.nickname, words=body.words, now=door.clock()
    )
    return json_reply(AskedToJoinOut(request_secret(door.house, group_id, request_id), "waiting"), 201)


@get(
    "/groups/{slug:str}/join-requests/{secret:str}",
    operation_class=for_strangers(
        RequestStateOut,
        summary="What became of a request",
        description="For who holds its secret.",
        refusals=(
            errors.TooManyTries,
            errors.UnknownJoinRequest,
        ),
    ),
)
async def look_at_request(request: Request[Any, Any, Any], secret: FromPath[str]) -> ASGIApp:
    """Return what became of a request."""
    door, group_id = await _stranger(request)
    row = await service.look_at_request(door.house, group_id, secret)
    return json_reply(RequestStateOut(row.state_at(door.clock())))


@post(
    "/groups/{slug:str}/join-requests/{secret:str}/withdraw",
    operation_class=for_strangers(
        RequestStateOut,
        summary="Take a request back",
        description="What was written is gone at once. No key: a second time changes nothing.",
        refusals=(
            errors.JoinRequestNotOpen,
            errors.TooManyTries,
            errors.UnknownJoinRequest,
        ),
    ),
    status_code=200,
)
async def withdraw_request(request: Request[Any, Any, Any], secret: FromPath[str]) -> ASGIApp:
    """Take a request back."""
    door, group_id = await _stranger(request)
    await service.withdraw_request(door.house, group_id, secret, now=door.clock())
    return json_reply(RequestStateOut("withdrawn"))


@post(
    "/groups/{slug:str}/join-requests/{secret:str}/enter",
    operation_class=for_strangers(
        JoinedOut,
        summary="Get a way in",
        description="Once the request was accepted: something to sign in with once. No key: for ten minutes it can be "
        "asked for again, in case the answer was lost.",
        status=201,
        refusals=(
            errors.JoinRequestNotOpen,
            errors.TooManyTries,
            errors.UnknownJoinRequest,
        ),
    ),
)
async def enter_by_request(request: Request[Any, Any, Any], secret: FromPath[str]) -> ASGIApp:
    """Give a way in."""
    door, group_id = await _stranger(request)
    joined = await service.enter_by_request(door.house, group_id, secret, now=door.clock())
    return json_reply(JoinedOut(joined.member_id, joined.card), 201, replayed=joined.again)


# ---------------------------------------------------------------- requests, by stewards


@get(
    "/groups/{slug:str}/join-requests",
    operation_class=reads(
        WaitingListOut,
        summary="Who waits to be let in",
        description="For stewards.",
        refusals=(errors.NeedsRole,),
    ),
)
async def list_requests(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who waits to be let in."""
    door, actor = await signed_in(request)
    waiting = await service.list_requests(door.house, actor, now=door.clock())
    return json_reply(
        WaitingListOut(
            [
                WaitingOut(one.request_id, one.nickname, one.words, one.asked_at, one.expires_at)
                for one in waiting
            ]
        )
    )


@post(
    "/groups/{slug:str}/join-requests/{request_id:uuid}/accept",
    operation_class=acts(
        AcceptBody,
        StateOut,
        summary="Let somebody in",
        description="By a steward, under the nickname that was written, or another one if it is taken.",
        body_required=False,
        example={},
        refusals=(
            errors.JoinRequestNotOpen,
            errors.NeedsRole,
            errors.NicknameTaken,
            errors.UnknownJoinRequest,
        ),
        gives={
            "id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "state": "accepted",
            "member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
        },
    ),
)
async def accept_request(request: Request[Any, Any, Any]) -> ASGIApp:
    """Let somebody in."""
    return await ACCEPT.answer(request)


@post(
    "/groups/{slug:str}/join-requests/{request_id:uuid}/not-now",
    operation_class=acts(
        NothingBody,
        StateOut,
        summary="Say not now",
        description="By a steward. What was written in the request is gone.",
        body_required=False,
        refusals=(
            errors.JoinRequestNotOpen,
            errors.NeedsRole,
            errors.UnknownJoinRequest,
        ),
        example={},
        gives={"id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "state": "not_now"},
    ),
)
async def decline_request(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say not now."""
    return await NOT_NOW.answer(request)


ROUTES: Final = (
    invite,
    list_invitations,
    get_qr,
    revoke_invitation,
    look_at_invitation,
    accept_invitation,
    get_way,
    ask_to_join,
    look_at_request,
    withdraw_request,
    enter_by_request,
    list_requests,
    accept_request,
    decline_request,
)


async def _stranger(request: Request[Any, Any, Any]) -> tuple[Door, UUID]:
    """Return the door and the group of somebody without an account, who may have to wait."""
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(request.path_params["slug"])
    await slow_down(request, group_id, "invitation")
    return door, group_id


def _origin(request: Request[Any, Any, Any]) -> str:
    """Return what people type to get here, without a slash at the end."""
    said = urlsplit(request.app.state.set_up.origin)
    if said.netloc:
        return f"{said.scheme}://{said.netloc}"
    return f"{request.url.scheme}://{request.url.netloc}"


def _invitation(row: InvitationRow, now: datetime) -> InvitationOut:
    return InvitationOut(
        id=row.invitation_id,
        state=row.state(now),
        roles=list(row.roles),
        uses=row.uses,
        uses_max=row.uses_max,
        made_by=row.made_by,
        made_at=row.made_at,
        expires_at=row.expires_at,
    )
