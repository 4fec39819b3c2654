"""A member's own mail address over the API."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.edge.bodies import Reader, check_media_type, receive_body
from timebank.edge.door import Asked, json_reply, signed_in
from timebank.edge.idempotency import check_key
from timebank.edge.limits import slow_down
from timebank.edge.openapi import reads, sets
from timebank.edge.problems import language_of
from timebank.services.mail import MailAddress, read_address, remove_address, set_address

_WHAT_IT_IS: Final = (
    "An address is always optional. It is sealed, shown to its owner only, and used once it is confirmed."
)


class MailBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where mail should go."""

    address: Annotated[str, msgspec.Meta(max_length=320, examples=["ada@mail.example"])]


class MailOut(msgspec.Struct):
    """The actor's address, empty for none; `confirmed` once the link that was mailed there was used."""

    address: str
    confirmed: bool


READER: Final = Reader(MailBody)


def _out(found: MailAddress | None) -> MailOut:
    return MailOut("", False) if found is None else MailOut(found.address, found.confirmed)


@get(
    "/groups/{slug:str}/me/mail",
    operation_class=reads(
        MailOut,
        summary="Own mail address",
        description=_WHAT_IT_IS,
    ),
)
async def get_mail(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the actor's own mail address."""
    door, actor = await signed_in(request)
    actor.require_scope("read")
    return json_reply(_out(await read_address(door.house, actor.group_id, actor.member_id)))


@post(
    "/groups/{slug:str}/me/mail",
    operation_class=sets(
        MailOut,
        body=MailBody,
        summary="Set the own mail address",
        description="A link that confirms it is mailed there; it works for three days. Mail is written in the"
        " language of this request. The same address again mails another link, unless it is confirmed or a"
        " link left within the last minute. Somebody without a duty can then sign in by mail.",
        refusals=(
            errors.MailNotOffered,
            errors.StepUpNeeded,
            errors.TooManyTries,
        ),
        example={"address": "ada@mail.example"},
        gives={"address": "ada@mail.example", "confirmed": False},
    ),
)
async def post_mail(request: Request[Any, Any, Any]) -> ASGIApp:
    """Set the actor's mail address."""
    door, actor = await signed_in(request)
    actor.require_scope("write")
    actor.require_fresh()
    asked = Asked(request.scope["headers"])
    body = await receive_body(request.receive, size_max=READER.size_max, announced=asked.content_length)
    check_media_type(asked.content_type)
    check_key(asked.keys)
    address = READER.read(body).address
    await slow_down(request, actor.group_id, "mail_address", account=actor.member_id.bytes)
    found = await set_address(
        door.house,
        actor.group_id,
        actor.member_id,
        address,
        language=language_of(asked.accept_language).code,
        now=door.clock(),
    )
    return json_reply(_out(found))


@delete(
    "/groups/{slug:str}/me/mail",
    status_code=200,
    operation_class=sets(
        MailOut,
        summary="Forget the own mail address",
        description="Links that were mailed there stop working. Forgetting it again changes nothing.",
        refusals=(errors.StepUpNeeded,),
    ),
)
async def delete_mail(request: Request[Any, Any, Any]) -> ASGIApp:
    """Forget the actor's mail address."""
    door, actor = await signed_in(request)
    actor.require_scope("write")
    actor.require_fresh()
    await remove_address(door.house, actor.group_id, actor.member_id, now=door.clock())
    return json_reply(_out(None))


ROUTES: Final = (get_mail, post_mail, delete_mail)
