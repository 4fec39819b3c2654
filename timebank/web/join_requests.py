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
from timebank.rules.names import NICKNAME_MAX, free_text, plain_text
from timebank.services import joining as service
from timebank.services.joining import REQUEST_DAYS, request_secret
from timebank.store.join_requests import WORDS_MAX
from timebank.web.forms import NOT_A_FORM, Answer, field_text, field_whole, is_look, read_form
from timebank.web.join import JoinedPage, nickname_fault
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to
from timebank.web.sending import SENT_BEFORE
from timebank.web.strangers import Stranger, arrive, stranger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

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
    """The form of a request.

    Attributes:
        key: Empty where people join by invitation only.
        shown: (nickname, words) as stewards will read them; None while they cannot be read.
        looked: Whether that was asked for.
    """

    name: str
    href: str
    action: str
    key: str
    nickname: Answer
    words: Answer
    words_max: int
    days: str
    faults: tuple[tuple[str, str], ...]
    shown: tuple[str, str] | None
    looked: bool


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
    return await _form(await arrive(request, slug), {}, {})


@post(f"/g/{{slug:str}}{ASK_TO_JOIN}", include_in_schema=False)
async def ask_to_join(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Take in a request, and show where its answer will be."""
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    fields = await read_form(request)
    if is_look(fields):
        return await _look(await stranger(request, slug), fields)
    here = await arrive(request, slug)
    await slow_down(request, here.group_id, "join")
    try:
        request_id = await service.ask_to_join(
            here.door.house,
            here.group_id,
            key=field_text(fields, "key"),
            nickname=field_text(fields, "nickname"),
            words=field_whole(fields, "words")[: 2 * WORDS_MAX],
            now=here.door.clock(),
        )
    except FieldInvalid as refusal:
        return await _form(here, fields, _fault(here, refusal), status=422)
    except KeyReused:
        return await _form(here, fields, {"nickname": here.chosen.say(SENT_BEFORE)}, status=409)
    except (JoiningClosed, RequestsFull) as refusal:
        told = here.chosen.refusal(refusal)
        return await _form(here, fields, {"nickname": told}, status=status_of(refusal))
    secret = request_secret(here.door.house, here.group_id, request_id)
    return go_to(here.path(f"{ASK_TO_JOIN}/{secret}"))


@route(f"/g/{{slug:str}}{ASK_TO_JOIN}/{{secret:str}}", http_method=_READ, include_in_schema=False)
async def request_page(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Show what became of a request."""
    return await _state(request, await arrive(request, slug), secret)


@post(f"/g/{{slug:str}}{ASK_TO_JOIN}/{{secret:str}}", include_in_schema=False)
async def act_on_request(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Take a request back, or get what signs in with once it was accepted."""
    here = await arrive(request, slug)
    house, now = here.door.house, here.door.clock()
    refuse_other_sites(here.door, request.scope["headers"])
    fields = await read_form(request)
    try:
        match field_text(fields, "say"):
            case "withdraw":
                await service.withdraw_request(house, here.group_id, secret, now=now)
                return go_to(here.path(f"{ASK_TO_JOIN}/{secret}"))
            case "enter":
                joined = await service.enter_by_request(house, here.group_id, secret, now=now)
                page = JoinedPage("", here.path(""), joined.card, here.path("/sign-in"))
                return PrivatePage(render("joined.html", page, here.chosen), here.chosen)
            case _:
                raise MalformedBody(why=NOT_A_FORM)
    except JoinRequestNotOpen as refusal:
        return await _state(request, here, secret, refusal=refusal)


JOIN_REQUEST_PAGES: Final[list[HTTPRouteHandler]] = [
    ask_to_join_page,
    ask_to_join,
    request_page,
    act_on_request,
]


def _fault(here: Stranger, refusal: FieldInvalid) -> Mapping[str, str]:
    if refusal.params["field"] == "words":
        return {"words": here.chosen.say(N_("Write it again, and shorter"))}
    return {"nickname": nickname_fault(refusal, here.chosen)}


async def _look(here: Stranger, fields: Mapping[str, list[str]]) -> PrivatePage:
    """Show a request as stewards will read it."""
    try:
        nickname = plain_text(field_text(fields, "nickname"), field="nickname", length_max=NICKNAME_MAX)
        words = free_text(field_whole(fields, "words"), field="words", length_max=WORDS_MAX)
    except FieldInvalid as refusal:
        return await _form(here, fields, _fault(here, refusal), status=422)
    return await _form(here, fields, {}, shown=(nickname, words))


async def _form(
    here: Stranger,
    fields: Mapping[str, list[str]],
    faults: Mapping[str, str],
    *,
    status: int = 200,
    shown: tuple[str, str] | None = None,
) -> PrivatePage:
    way = await service.find_way(here.door.house, here.group_id)
    page = AskToJoinPage(
        name=way.name,
        href=here.path(""),
        action=here.path(ASK_TO_JOIN),
        key=way.key,
        nickname=Answer(field_text(fields, "nickname"), faults.get("nickname", "")),
        words=Answer(field_whole(fields, "words")[:WORDS_MAX], faults.get("words", "")),
        words_max=WORDS_MAX,
        days=here.chosen.number(REQUEST_DAYS),
        faults=tuple(faults.items()),
        shown=shown,
        looked=shown is not None,
    )
    body = render("ask_to_join.html", page, here.chosen)
    return PrivatePage(body, here.chosen, status=status, with_script=True)


async def _state(
    request: Request[Any, Any, Any],
    here: Stranger,
    secret: str,
    *,
    refusal: Refusal | None = None,
) -> PrivatePage:
    chosen = here.chosen
    row = await service.look_at_request(here.door.house, here.group_id, secret)
    state = row.state_at(here.door.clock())
    title, text = _STATES[state]
    path = f"{ASK_TO_JOIN}/{secret}"
    page = RequestStatePage(
        name=here.group.name,
        href=here.path(""),
        action=here.path(path),
        address=f"{origin_of(request)}/g/{here.group.slug}{path}",
        title=chosen.say(title),
        text=chosen.say(text),
        say={"waiting": "withdraw", "accepted": "enter"}.get(state, ""),
        fault=chosen.refusal(refusal) if refusal else "",
    )
    status = status_of(refusal) if refusal else 200
    return PrivatePage(render("join_request.html", page, chosen), chosen, status=status)
