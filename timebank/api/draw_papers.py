"""Who is behind a draw, over the API: contact and payout, who asked, who looked, and a new link for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.fields import NothingBody
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, Door, json_reply, signed_in
from timebank.edge.openapi import acts, reads
from timebank.rules.people import Actor
from timebank.services import asks, draws
from timebank.services.acts import Once
from timebank.services.writer import Answer


class PapersOut(msgspec.Struct, frozen=True):
    """How to reach and pay whoever asked; empty where nothing was said, or when it was wiped."""

    contact: str
    payout: str


class LookOut(msgspec.Struct, frozen=True):
    """Somebody looked at what is personal about this draw: `who` it is for, the `payout`, or its `link`."""

    nickname: str | None
    what: str
    looked_at: datetime


class LooksOut(msgspec.Struct, frozen=True):
    """Who looked, newest first."""

    looks: tuple[LookOut, ...]


class WhoOut(msgspec.Struct):
    """Whose ask it is; `nickname` is null for somebody without an account, `asked_by` who asked for them."""

    id: UUID
    nickname: str | None
    asked_by: list[str]


class LinkOut(msgspec.Struct):
    """A new link and code, the `issue`-th; those before lead nowhere."""

    id: UUID
    issue: int
    link: str
    code: str


async def _see_who(
    door: Door, actor: Actor, _body: NothingBody, params: dict[str, Any], once: Once
) -> Answer:
    answer = await draws.note_look(door.house, actor, params["draw_id"], once=once)
    if answer.status >= 400:
        return answer
    # Names are never kept with the answer: they are read again for each reader who may.
    who = await draws.read_who(door.house, actor, params["draw_id"])
    said = {**msgspec.json.decode(answer.body), **who._asdict()}
    return answer._replace(body=msgspec.json.encode(said))


def _link_and_code(door: Door, actor: Actor, said: dict[str, Any]) -> dict[str, Any]:
    link, code = asks.issued(door.house.keys, actor.group_id, UUID(said["id"]), said["issue"])
    return {**said, "link": link, "code": code}


async def _issue_link(
    door: Door, actor: Actor, _body: NothingBody, params: dict[str, Any], once: Once
) -> Answer:
    return await asks.issue_link(door.house, actor, params["draw_id"], once=once)


WHO: Final = Act(Reader(NothingBody), _see_who, empty=b"{}")

LINK: Final = Act(Reader(NothingBody), _issue_link, empty=b"{}", reveal=_link_and_code)


@get(
    "/groups/{slug:str}/draws/{draw_id:uuid}/payout",
    operation_class=reads(
        PapersOut,
        summary="How to reach and pay whoever asked",
        description="To a treasurer who may hand a promised draw over. Each look is shown to that person.",
        refusals=(
            errors.DrawNotOpen,
            errors.NeedsRole,
            errors.NotYourDraw,
            errors.PayerApproved,
            errors.StepUpNeeded,
            errors.SteppedAside,
            errors.UnknownDraw,
        ),
    ),
)
async def get_payout(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return how to reach and pay whoever asked."""
    door, actor = await signed_in(request)
    papers = await draws.read_papers(door.house, actor, request.path_params["draw_id"], now=door.clock())
    return json_reply(PapersOut(papers.contact, papers.payout))


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/who",
    operation_class=acts(
        NothingBody,
        WhoOut,
        summary="I need to know who asked",
        description="To a steward; that they looked is shown to that person.",
        body_required=False,
        refusals=(
            errors.NeedsRole,
            errors.UnknownDraw,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "nickname": "Ada", "asked_by": []},
    ),
)
async def see_who_asked(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell a steward who asked."""
    return await WHO.answer(request)


@get(
    "/groups/{slug:str}/draws/{draw_id:uuid}/who",
    operation_class=reads(
        LooksOut,
        summary="Who looked at what is personal about an own draw",
        description="To whoever asked, or stands in for them.",
        refusals=(errors.UnknownDraw,),
    ),
)
async def get_who_looked(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who looked at what is personal about an own draw."""
    door, actor = await signed_in(request)
    looks = await draws.list_looks(door.house, actor, request.path_params["draw_id"])
    return json_reply(LooksOut(tuple(LookOut(*look) for look in looks)))


@post(
    "/groups/{slug:str}/draws/{draw_id:uuid}/link",
    operation_class=acts(
        NothingBody,
        LinkOut,
        summary="A new link and short code of an ask without an account",
        description="By a steward. The ones before lead nowhere from then on.",
        body_required=False,
        refusals=(
            errors.NeedsRole,
            errors.StepUpNeeded,
            errors.UnknownDraw,
        ),
        example={},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "issue": 1,
            "link": "c8CyF1fvVvCsb4DTKhKQFfxjdqRdHUxSKkP9n8sK-ZM",
            "code": "K7QP-3MWX",
        },
    ),
)
async def issue_link_of_draw(request: Request[Any, Any, Any]) -> ASGIApp:
    """Give out a new link and short code of an ask without an account."""
    return await LINK.answer(request)


ROUTES: Final = (
    get_payout,
    see_who_asked,
    get_who_looked,
    issue_link_of_draw,
)
