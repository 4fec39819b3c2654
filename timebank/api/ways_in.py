"""One's own ways in over the API: passkeys, the app that shows codes, and printed cards, also for others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.sign_in import CodeText, PasskeyOptionsOut, SessionOut, session_reply
from timebank.edge.bodies import Reader
from timebank.edge.door import json_reply, read_json, session_of, signed_in
from timebank.edge.openapi import changes, reads
from timebank.edge.sessions import place_of
from timebank.errors import UnknownMember, UnknownPage
from timebank.services import cards, duties, passkeys, totp, ways_in

PasskeyName = Annotated[str, Meta(max_length=200, description="What its owner calls it, 1 to 40 characters.")]


class PasskeyBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A passkey that was just made: what `navigator.credentials.create` gave, as JSON."""

    name: PasskeyName
    passkey: dict[str, Any]


class TotpBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The first code of an app, with the nonce of the secret that it was set up with."""

    nonce: Annotated[str, Meta(max_length=100)]
    code: CodeText


class PasskeyOut(msgspec.Struct):
    """A passkey of one's own."""

    id: UUID
    name: str
    added_at: datetime


class CardOut(msgspec.Struct):
    """A card that holds; its code is not kept anywhere."""

    id: UUID
    made_at: datetime
    expires_at: datetime


class WaysInOut(msgspec.Struct, omit_defaults=True):
    """How somebody signs in; `show` is the code that another steward sees before waiting duties are there."""

    passkeys: list[PasskeyOut]
    totp: bool
    cards: list[CardOut]
    show: str = ""


class CardsOut(msgspec.Struct):
    """Cards of one member that hold, newest first."""

    cards: list[CardOut]


class MadeCardOut(msgspec.Struct):
    """A fresh card; `card` is the only copy of its code there will ever be."""

    id: UUID
    card: str
    expires_at: datetime


class NewTotpOut(msgspec.Struct):
    """A secret for an app: in base32 to type, as an address for a QR code, with a nonce that comes back."""

    nonce: str
    secret: str
    address: str


@contextmanager
def named_in_address() -> Iterator[None]:
    """Answer 404 for a member who is not there: the address names them, and no body does."""
    try:
        yield
    except UnknownMember:
        raise UnknownPage from None


PASSKEY: Final = Reader(PasskeyBody)
TOTP: Final = Reader(TotpBody)


@get(
    "/groups/{slug:str}/me/ways-in",
    operation_class=reads(
        WaysInOut,
        summary="One's own ways in",
        description="Passkeys, whether there is an app that shows codes, and cards that hold; and while duties wait "
        "because a steward printed a card, the code to show to another steward.",
        who="session",
    ),
)
async def get_ways_in(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return how the member signs in."""
    door, visitor, _ = await session_of(request)
    own = await passkeys.list_own(door.house, visitor)
    rows = await cards.list_cards(door.house, visitor.actor, visitor.actor.member_id, now=door.clock())
    return json_reply(
        WaysInOut(
            passkeys=[PasskeyOut(each.passkey_id, each.name, each.added_at) for each in own],
            totp=visitor.has_totp,
            cards=[CardOut(row.card_id, row.made_at, row.expires_at) for row in rows],
            show=await duties.find_word(door.house, visitor),
        )
    )


@post(
    "/groups/{slug:str}/me/passkeys/options",
    status_code=200,
    operation_class=changes(
        PasskeyOptionsOut,
        summary="Begin to add a passkey",
        description="For this session only. Needs a fresh proof; who has a passkey or app already proves with it.",
        refusals=(
            errors.CardNeeded,
            errors.StepUpNeeded,
        ),
    ),
)
async def offer_passkey(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return what to ask a device for that makes a passkey."""
    door, visitor, _ = await session_of(request)
    name = await ways_in.name_of_group(door.house, visitor.actor.group_id)
    return json_reply(
        await passkeys.offer_add(door.house, visitor, place_of(request, name), now=door.clock())
    )


@post(
    "/groups/{slug:str}/me/passkeys",
    status_code=200,
    operation_class=changes(
        SessionOut,
        summary="Add a passkey",
        description="It proves who one is, so that the cookie changes and duties that waited are there.",
        body=PasskeyBody,
        refusals=(
            errors.CardNeeded,
            errors.PasskeyTaken,
            errors.ProofFailed,
            errors.StepUpNeeded,
        ),
        example={
            "name": "My phone",
            "passkey": {"id": "gUx9Drd2y-UsORBeBOEPLw", "type": "public-key", "response": {}},
        },
        gives={
            "member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "roles": ["member"],
            "duties_wait": [],
            "fresh": True,
            "csrf": "Zd4_Jzx6SplrgXPsK-LUggW1Q3T0ieh0SfmKgai-A6c",
        },
    ),
)
async def add_passkey(request: Request[Any, Any, Any]) -> ASGIApp:
    """Keep a passkey that was just made."""
    door, visitor, secret = await session_of(request)
    body = await read_json(request, PASSKEY)
    made = await passkeys.add_passkey(
        door.house,
        visitor,
        secret,
        body.passkey,
        place_of(request, ""),
        name=body.name,
        now=door.clock(),
    )
    return await session_reply(request, door, visitor.actor.group_id, made)


@post(
    "/groups/{slug:str}/me/passkeys/{passkey_id:uuid}/remove",
    status_code=200,
    operation_class=changes(
        None,
        summary="Take a passkey away",
        description="One of one's own, after a fresh proof.",
        refusals=(
            errors.CardNeeded,
            errors.StepUpNeeded,
            errors.UnknownPasskey,
        ),
    ),
)
async def remove_passkey(request: Request[Any, Any, Any], passkey_id: FromPath[UUID]) -> ASGIApp:
    """Take a passkey of the member away."""
    door, visitor, _ = await session_of(request)
    await passkeys.remove_passkey(door.house, visitor, passkey_id, now=door.clock())
    return json_reply({})


@post(
    "/groups/{slug:str}/me/totp/offer",
    status_code=200,
    operation_class=changes(
        NewTotpOut,
        summary="Begin to set up an app that shows codes",
        description="Nothing is kept before the first code comes back.",
    ),
)
async def offer_totp(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a secret for an app."""
    door, visitor, _ = await session_of(request)
    name, nickname = await ways_in.names_of(door.house, visitor.actor)
    offered = totp.offer_totp(door.house, visitor, group_name=name, nickname=nickname)
    return json_reply(NewTotpOut(offered.nonce, offered.secret, offered.address))


@post(
    "/groups/{slug:str}/me/totp",
    status_code=200,
    operation_class=changes(
        SessionOut,
        summary="Set up an app that shows codes",
        description="It replaces one that was there, and proves who one is. Needs a fresh proof before.",
        body=TotpBody,
        refusals=(
            errors.CardNeeded,
            errors.ProofFailed,
            errors.StepUpNeeded,
        ),
        example={"nonce": "d5c76786d1a3fef18dabd2a00cdf08e6", "code": "631959"},
        gives={
            "member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "roles": ["member"],
            "duties_wait": [],
            "fresh": True,
            "csrf": "Zd4_Jzx6SplrgXPsK-LUggW1Q3T0ieh0SfmKgai-A6c",
        },
    ),
)
async def add_totp(request: Request[Any, Any, Any]) -> ASGIApp:
    """Keep an app whose first code is right."""
    door, visitor, secret = await session_of(request)
    body = await read_json(request, TOTP)
    made = await totp.add_totp(
        door.house, visitor, secret, nonce=body.nonce, code=body.code, now=door.clock()
    )
    return await session_reply(request, door, visitor.actor.group_id, made)


@post(
    "/groups/{slug:str}/me/totp/remove",
    status_code=200,
    operation_class=changes(
        None,
        summary="Take the app away",
        description="After a fresh proof.",
        refusals=(
            errors.CardNeeded,
            errors.StepUpNeeded,
        ),
    ),
)
async def remove_totp(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take the member's app away."""
    door, visitor, _ = await session_of(request)
    await totp.remove_totp(door.house, visitor)
    return json_reply({})


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/cards",
    status_code=200,
    operation_class=changes(
        MadeCardOut,
        summary="Print a sign-in card",
        description="For oneself, or as a steward for a member without duties. It signs in once, within "
        "thirty days. Needs a fresh proof.",
        who="token",
        refusals=(
            errors.CardForDuty,
            errors.NeedsRole,
            errors.StepUpNeeded,
        ),
    ),
)
async def make_card(request: Request[Any, Any, Any], member_id: FromPath[UUID]) -> ASGIApp:
    """Make a card for a member."""
    door, actor = await signed_in(request)
    actor.require_scope("write")
    with named_in_address():
        made = await cards.make_card_for(door.house, actor, member_id, now=door.clock())
    return json_reply(MadeCardOut(made.card_id, made.code, made.expires_at))


@get(
    "/groups/{slug:str}/members/{member_id:uuid}/cards",
    operation_class=reads(
        CardsOut,
        summary="Sign-in cards of a member that hold",
        description="One's own; a steward sees those of all. Without the codes, which nobody has but the paper.",
        who="token",
        refusals=(errors.NeedsRole,),
    ),
)
async def list_cards(request: Request[Any, Any, Any], member_id: FromPath[UUID]) -> ASGIApp:
    """Return a member's cards."""
    door, actor = await signed_in(request)
    actor.require_scope("read")
    with named_in_address():
        rows = await cards.list_cards(door.house, actor, member_id, now=door.clock())
    return json_reply(CardsOut([CardOut(row.card_id, row.made_at, row.expires_at) for row in rows]))


@post(
    "/groups/{slug:str}/cards/{card_id:uuid}/revoke",
    status_code=200,
    operation_class=changes(
        None,
        summary="Take a sign-in card back",
        description="One's own, or as a steward anybody's, if it was not used.",
        who="token",
        refusals=(errors.UnknownCard,),
    ),
)
async def revoke_card(request: Request[Any, Any, Any], card_id: FromPath[UUID]) -> ASGIApp:
    """Take a card back."""
    door, actor = await signed_in(request)
    actor.require_scope("write")
    await cards.revoke_card(door.house, actor, card_id, now=door.clock())
    return json_reply({})


ROUTES: Final = (
    get_ways_in,
    offer_passkey,
    add_passkey,
    remove_passkey,
    offer_totp,
    add_totp,
    remove_totp,
    make_card,
    list_cards,
    revoke_card,
)
