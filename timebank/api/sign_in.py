"""Signing in and out over the API, and proving once more who one is: the same sessions as on the pages."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.edge.bodies import Reader
from timebank.edge.door import Door, json_reply, read_json, session_of
from timebank.edge.headers import Reply
from timebank.edge.openapi import changes, reads
from timebank.edge.sessions import (
    Visitor,
    drop_cookie,
    place_of,
    refuse_other_sites,
    set_cookie,
)
from timebank.edge.sign_in import begin, prove_once_more
from timebank.errors import N_, FieldInvalid
from timebank.services import passkeys, sessions
from timebank.services.proofs import Proof
from timebank.services.sessions import SessionSecret

ONE_OF_THEM: Final = N_("give exactly one of the ways")

CardText = Annotated[str, Meta(max_length=100, description="As printed: `ABCD-EFGH-JKMN-PQRS`, in any case.")]
CodeText = Annotated[str, Meta(max_length=40, description="Six digits of an app.")]


class SignInBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A way in: exactly one of them. `passkey` is what `navigator.credentials.get` gave, as JSON."""

    card: CardText | None = None
    passkey: dict[str, Any] | None = None


class ProveBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A proof: exactly one of them. `passkey` is what `navigator.credentials.get` gave, as JSON."""

    code: CodeText | None = None
    passkey: dict[str, Any] | None = None
    card: CardText | None = None


class PasskeyOptionsOut(msgspec.Struct):
    """Options of a passkey ceremony in the JSON form of WebAuthn; good for five minutes."""

    publicKey: dict[str, Any]  # noqa: N815 - the browser's own name


class SessionOut(msgspec.Struct):
    """Who is signed in; `csrf` goes into `X-CSRF-Token` of requests that change something."""

    member: UUID
    roles: list[str]
    duties_wait: list[str]
    fresh: bool
    csrf: str


class DeviceOut(msgspec.Struct):
    """A session that holds, and how it began; from where is not known."""

    id: UUID
    way: str
    since: datetime
    current: bool


class DevicesOut(msgspec.Struct):
    """One's own sessions, newest first."""

    sessions: list[DeviceOut]


class EndedOut(msgspec.Struct):
    """How many sessions ended."""

    ended: int


SIGN_IN: Final = Reader(SignInBody)
PROVE: Final = Reader(ProveBody)


@post(
    "/groups/{slug:str}/sign-in/options",
    status_code=200,
    operation_class=changes(
        PasskeyOptionsOut,
        summary="Begin to sign in with a passkey",
        description="The device knows whose passkey it is, so nobody says who they are.",
        who="anybody",
    ),
)
async def offer_sign_in(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return what to ask a passkey for."""
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(slug)
    offered = passkeys.offer_sign_in(door.house, group_id, place_of(request, ""), now=door.clock())
    return json_reply(offered)


@post(
    "/groups/{slug:str}/sign-in",
    status_code=200,
    operation_class=changes(
        SessionOut,
        summary="Sign in with a card or a passkey",
        description="Sets the session's cookie. A card signs in once. Duties wait for a passkey or a code.",
        body=SignInBody,
        who="anybody",
        refusals=(
            errors.FormNotOurs,
            errors.SignInFailed,
            errors.TooManyTries,
        ),
        example={"card": "ABCD-EFGH-JKMN-PQRS"},
        gives={
            "member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "roles": ["member"],
            "duties_wait": [],
            "fresh": True,
            "csrf": "Zd4_Jzx6SplrgXPsK-LUggW1Q3T0ieh0SfmKgai-A6c",
        },
    ),
)
async def sign_in(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Begin a session."""
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(slug)
    refuse_other_sites(door, request.scope["headers"])
    body = await read_json(request, SIGN_IN)
    _check_one(body.card, body.passkey)
    made = await begin(request, group_id, card=body.card, passkey=body.passkey, key=secrets.token_hex(16))
    return await session_reply(request, door, group_id, made)


@post(
    "/groups/{slug:str}/sign-out",
    status_code=200,
    operation_class=changes(
        None,
        summary="Sign out",
        description="The session ends on the server.",
        refusals=(errors.UnknownSession,),
    ),
)
async def sign_out(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """End the session that asks."""
    door, visitor, _ = await session_of(request)
    actor = visitor.actor
    await sessions.end(door.house, actor.group_id, actor.member_id, visitor.session_id, now=door.clock())
    return json_reply({}, more=drop_cookie(request, slug))


@get(
    "/groups/{slug:str}/me/session",
    operation_class=reads(
        SessionOut,
        summary="Who is signed in",
        description="`duties_wait` lists duties that wait for a passkey or a code; `fresh` says whether "
        "the last proof is at most five minutes old.",
        who="session",
    ),
)
async def get_session(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who is signed in with this session."""
    _, visitor, _ = await session_of(request)
    return json_reply(_session_out(visitor))


@get(
    "/groups/{slug:str}/me/sessions",
    operation_class=reads(
        DevicesOut,
        summary="One's own sessions",
        description="When each began and how; nothing else is kept of them.",
        who="session",
    ),
)
async def list_sessions(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the member's sessions."""
    door, visitor, _ = await session_of(request)
    actor = visitor.actor
    rows = await sessions.list_sessions(door.house, actor.group_id, actor.member_id, now=door.clock())
    return json_reply(
        DevicesOut(
            [
                DeviceOut(row.session_id, row.way, row.begun_at, row.session_id == visitor.session_id)
                for row in rows
            ]
        )
    )


@post(
    "/groups/{slug:str}/me/sessions/{session_id:uuid}/end",
    status_code=200,
    operation_class=changes(
        None,
        summary="End one of one's own sessions",
        description="From the next request on.",
        refusals=(errors.UnknownSession,),
    ),
)
async def end_session(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> ASGIApp:
    """End a session of the member."""
    door, visitor, _ = await session_of(request)
    actor = visitor.actor
    await sessions.end(door.house, actor.group_id, actor.member_id, session_id, now=door.clock())
    return json_reply({})


@post(
    "/groups/{slug:str}/me/sessions/end-others",
    status_code=200,
    operation_class=changes(
        EndedOut,
        summary="End all of one's own sessions but this one",
        description="From the next request on.",
    ),
)
async def end_other_sessions(request: Request[Any, Any, Any]) -> ASGIApp:
    """End every other session of the member."""
    door, visitor, _ = await session_of(request)
    actor = visitor.actor
    ended = await sessions.end_all(
        door.house, actor.group_id, actor.member_id, now=door.clock(), besides=visitor.session_id
    )
    return json_reply(EndedOut(ended))


@post(
    "/groups/{slug:str}/me/prove/options",
    status_code=200,
    operation_class=changes(
        PasskeyOptionsOut,
        summary="Begin to prove with a passkey who one is",
        description="For this session only.",
    ),
)
async def offer_proof(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return what to ask a passkey of the member for."""
    door, visitor, _ = await session_of(request)
    return json_reply(
        await passkeys.offer_proof(door.house, visitor, place_of(request, ""), now=door.clock())
    )


@post(
    "/groups/{slug:str}/me/prove",
    status_code=200,
    operation_class=changes(
        SessionOut,
        summary="Prove once more who one is",
        description="After `step_up_needed`; then send the same again. The cookie changes with it. A card is "
        "enough only for members without duties who have neither passkey nor app.",
        body=ProveBody,
        refusals=(
            errors.CodesWait,
            errors.ProofFailed,
            errors.TooManyTries,
        ),
        example={"card": "ABCD-EFGH-JKMN-PQRS"},
        gives={
            "member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "roles": ["member"],
            "duties_wait": [],
            "fresh": True,
            "csrf": "Zd4_Jzx6SplrgXPsK-LUggW1Q3T0ieh0SfmKgai-A6c",
        },
    ),
)
async def prove(request: Request[Any, Any, Any]) -> ASGIApp:
    """Make the session fresh, and strong if the proof is."""
    door, visitor, secret = await session_of(request)
    body = await read_json(request, PROVE)
    _check_one(body.code, body.passkey, body.card)
    proof = Proof(code=body.code, passkey=body.passkey, card=body.card, key=secrets.token_hex(16))
    made = await prove_once_more(request, visitor, secret, proof)
    return await session_reply(request, door, visitor.actor.group_id, made)


ROUTES: Final = (
    offer_sign_in,
    sign_in,
    sign_out,
    get_session,
    list_sessions,
    end_session,
    end_other_sessions,
    offer_proof,
    prove,
)


def _check_one(*ways: object) -> None:
    if sum(way is not None for way in ways) != 1:
        raise FieldInvalid(field="card", why=ONE_OF_THEM)


async def session_reply(
    request: Request[Any, Any, Any], door: Door, group_id: UUID, made: SessionSecret
) -> Reply:
    """Return who is signed in now, with the cookie of a session that was begun or turned."""
    visitor = await door.keeper.sessions.find(group_id, made.secret)
    return json_reply(
        _session_out(visitor), more=set_cookie(request, request.path_params["slug"], made.secret)
    )


def _session_out(visitor: Visitor) -> SessionOut:
    return SessionOut(
        member=visitor.actor.member_id,
        roles=sorted(visitor.actor.roles),
        duties_wait=list(visitor.duties_wait),
        fresh=visitor.actor.fresh,
        csrf=visitor.csrf,
    )
