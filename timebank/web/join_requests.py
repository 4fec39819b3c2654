"""Asking to join without an invitation: a form, and the page behind a secret address that says what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.limits import slow_down
from timebank.edge.problems import status_of
from timebank.edge.sessions import origin_of, refuse_other_sites
from timebank.errors import (
    N_,
    FieldInvalid,
    JoiningClosed,
    JoinRequestNotOpen,
    KeyReused,
    MalformedBody,
    Refusal,
    RequestsFull,
)
from timebank.services import joining as service
from timebank.services.joining import REQUEST_DAYS, request_secret
from timebank.store.join_requests import WORDS_MAX
from timebank.web.forms import NOT_A_FORM, Answer, field_text, field_whole, read_form
from timebank.web.inside import group_and_language
from timebank.web.join import JoinedPage, nickname_fault
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to
from timebank.web.sending import SENT_BEFORE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
    from timebank.i18n import Language

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
ASK_TO_JOIN: Final = "/ask-to-join"

#: (heading, what follows) of a request in each of its states.
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "waiting": (N_("It waits for a steward"), N_("Come back to this address in a few days.")),
    "accepted": (N_("You are in"), N_("Get your card to sign in with. It is shown once.")),
    "not_now": (N_("Not now"), N_("What you wrote is gone. You may ask again, or speak to somebody here.")),
    "withdrawn": (N_("Taken back"), N_("What you wrote is gone.")),
    "expired": (N_("Nobody answered in time"), N_("What you wrote is gone. You may ask again.")),
}


@dataclass(frozen=True, slots=True)
class AskToJoinPage:
    """The form of a request; ``key`` is empty where people join by invitation only."""

    name: str
    href: str
    action: str
    key: str
    nickname: Answer
    words: Answer
    words_max: int
    days: str
    faults: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestStatePage:
    """What became of a request.

    Attributes:
        say: What the one button does: withdraw, enter, or nothing.
        address: Where this page is, to keep.
    """

    name: str
    href: str
    action: str
    address: str
    title: str
    text: str
    say: str
    fault: str


@route(f"/g/{{slug:str}}{ASK_TO_JOIN}", http_method=_READ, include_in_schema=False)
async def ask_to_join_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form of a request, or that this group has none."""
    door, group_id, chosen, query = await _arrive(request, slug)
    return await _form(door, group_id, slug, chosen, query, {}, {})


@post(f"/g/{{slug:str}}{ASK_TO_JOIN}", include_in_schema=False)
async def ask_to_join(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Take in a request, and show where its answer will be."""
    door, group_id, chosen, query = await _arrive(request, slug)
    refuse_other_sites(door, request.scope["headers"])
    await slow_down(request, group_id, "join")
    fields = await read_form(request)
    try:
        request_id = await service.ask_to_join(
            door.house,
            group_id,
            key=field_text(fields, "key"),
            nickname=field_text(fields, "nickname"),
            words=field_whole(fields, "words")[: 2 * WORDS_MAX],
            now=door.clock(),
        )
    except FieldInvalid as refusal:
        field = "words" if refusal.params["field"] == "words" else "nickname"
        told = (
            chosen.say(N_("Write it again, and shorter"))
            if field == "words"
            else nickname_fault(refusal, chosen)
        )
        return await _form(door, group_id, slug, chosen, query, fields, {field: told}, status=422)
    except KeyReused:
        told = chosen.say(SENT_BEFORE)
        return await _form(door, group_id, slug, chosen, query, fields, {"nickname": told}, status=409)
    except (JoiningClosed, RequestsFull) as refusal:
        told = chosen.refusal(refusal)
        return await _form(
            door, group_id, slug, chosen, query, fields, {"nickname": told}, status=status_of(refusal)
        )
    secret = request_secret(door.house, group_id, request_id)
    return go_to(f"/g/{slug}{ASK_TO_JOIN}/{secret}{query}")


@route(f"/g/{{slug:str}}{ASK_TO_JOIN}/{{secret:str}}", http_method=_READ, include_in_schema=False)
async def request_page(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Show what became of a request."""
    door, group_id, chosen, query = await _arrive(request, slug)
    return await _state(request, door, group_id, slug, secret, chosen, query)


@post(f"/g/{{slug:str}}{ASK_TO_JOIN}/{{secret:str}}", include_in_schema=False)
async def act_on_request(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Take a request back, or get what signs in with once it was accepted."""
    door, group_id, chosen, query = await _arrive(request, slug)
    refuse_other_sites(door, request.scope["headers"])
    fields = await read_form(request)
    try:
        match field_text(fields, "say"):
            case "withdraw":
                await service.withdraw_request(door.house, group_id, secret, now=door.clock())
                return go_to(f"/g/{slug}{ASK_TO_JOIN}/{secret}{query}")
            case "enter":
                joined = await service.enter_by_request(door.house, group_id, secret, now=door.clock())
                page = JoinedPage("", f"/g/{slug}{query}", joined.card, f"/g/{slug}/sign-in{query}")
                return PrivatePage(render("joined.html", page, chosen), chosen)
            case _:
                raise MalformedBody(why=NOT_A_FORM)
    except JoinRequestNotOpen as refusal:
        return await _state(request, door, group_id, slug, secret, chosen, query, refusal=refusal)


JOIN_REQUEST_PAGES: Final[list[HTTPRouteHandler]] = [
    ask_to_join_page,
    ask_to_join,
    request_page,
    act_on_request,
]


async def _arrive(request: Request[Any, Any, Any], slug: str) -> tuple[Door, UUID, Language, str]:
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(slug)
    await slow_down(request, group_id, "invitation")
    _, chosen, query = await group_and_language(request, slug)
    return door, group_id, chosen, query


async def _form(
    door: Door,
    group_id: UUID,
    slug: str,
    chosen: Language,
    query: str,
    fields: Mapping[str, list[str]],
    faults: Mapping[str, str],
    *,
    status: int = 200,
) -> PrivatePage:
    way = await service.find_way(door.house, group_id)
    page = AskToJoinPage(
        name=way.name,
        href=f"/g/{slug}{query}",
        action=f"/g/{slug}{ASK_TO_JOIN}{query}",
        key=way.key,
        nickname=Answer(field_text(fields, "nickname"), faults.get("nickname", "")),
        words=Answer(field_whole(fields, "words")[:WORDS_MAX], faults.get("words", "")),
        words_max=WORDS_MAX,
        days=chosen.number(REQUEST_DAYS),
        faults=tuple(faults.items()),
    )
    return PrivatePage(render("ask_to_join.html", page, chosen), chosen, status=status)


async def _state(
    request: Request[Any, Any, Any],
    door: Door,
    group_id: UUID,
    slug: str,
    secret: str,
    chosen: Language,
    query: str,
    *,
    refusal: Refusal | None = None,
) -> PrivatePage:
    row = await service.look_at_request(door.house, group_id, secret)
    state = row.state_at(door.clock())
    title, text = _STATES[state]
    group, _, _ = await group_and_language(request, slug)
    path = f"/g/{slug}{ASK_TO_JOIN}/{secret}"
    page = RequestStatePage(
        name=group.name,
        href=f"/g/{slug}{query}",
        action=f"{path}{query}",
        address=f"{origin_of(request)}{path}",
        title=chosen.say(title),
        text=chosen.say(text),
        say={"waiting": "withdraw", "accepted": "enter"}.get(state, ""),
        fault=chosen.refusal(refusal) if refusal else "",
    )
    status = status_of(refusal) if refusal else 200
    return PrivatePage(render("join_request.html", page, chosen), chosen, status=status)
