"""The page that an invitation leads to: one field, and then what to sign in with, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.limits import check_pace, slow_down
from timebank.edge.sessions import refuse_other_sites
from timebank.errors import N_, FieldInvalid, NicknameTaken, Refusal, UnknownInvitation
from timebank.rules.names import EMPTY, NICKNAME_MAX, NOT_TEXT, TOO_LONG, plain_text
from timebank.services.joining import accept_invitation, look_at_invitation
from timebank.web.forms import Answer, field_text, is_look, read_form
from timebank.web.pages import render
from timebank.web.private import PrivatePage
from timebank.web.strangers import Stranger, arrive, stranger

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language

_ADVICE: Final = {
    EMPTY: N_("Write a nickname for yourself"),
    TOO_LONG: N_("Write a shorter nickname, %(count)s characters at most"),
    NOT_TEXT: N_("Write the nickname in plain letters, without line breaks or invisible signs"),
}


@dataclass(frozen=True, slots=True)
class JoinPage:
    """The form of an invitation.

    Attributes:
        name: What the group is called.
        key: Makes sending the form twice the same as once.
        faults: (field, what to do about it).
        shown: The nickname as the group will have it; empty while there is none that can be one.
        looked: Whether that was asked for.
    """

    name: str
    href: str
    action: str
    key: str
    nickname: Answer
    faults: tuple[tuple[str, str], ...]
    shown: str
    looked: bool


@dataclass(frozen=True, slots=True)
class JoinedPage:
    """Somebody who is a member now, with what signs them in once; ``name`` is empty where it was not just written."""

    name: str
    href: str
    card: str
    sign_in_href: str


@route(
    "/g/{slug:str}/join/{secret:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False
)
async def join_page(request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]) -> ASGIApp:
    """Show the form of an invitation; one that is over is not there."""
    return await _page(await arrive(request, slug), secret, Answer("", ""))


@post("/g/{slug:str}/join/{secret:str}", include_in_schema=False)
async def join(request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]) -> ASGIApp:
    """Let somebody in, or show the form again with what is wrong."""
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    try:
        fields = await read_form(request)
    except Refusal:
        await arrive(request, slug)
        raise
    nickname, key = field_text(fields, "nickname"), field_text(fields, "key")
    if is_look(fields):
        return await _look(request, slug, secret, nickname)
    here = await arrive(request, slug)
    door = here.door
    try:
        joined = await accept_invitation(
            door.house,
            here.group_id,
            secret,
            key=key,
            nickname=nickname,
            now=door.clock(),
        )
    except (FieldInvalid, NicknameTaken) as refusal:
        said = nickname_fault(refusal, here.chosen)
        return await _page(here, secret, Answer(nickname, said), status=422)
    done = JoinedPage(nickname, here.path(""), joined.card, here.path("/sign-in"))
    return PrivatePage(render("joined.html", done, here.chosen), here.chosen)


async def _look(request: Request[Any, Any, Any], slug: str, secret: str, nickname: str) -> PrivatePage:
    """Show what the group will see of somebody; only who has no invitation is counted, and waits like everybody."""
    here = await stranger(request, slug)
    await check_pace(request, here.group_id, "invitation")
    try:
        return await _page(here, secret, *looked_at(nickname, here.chosen), looked=True)
    except UnknownInvitation:
        await slow_down(request, here.group_id, "invitation")
        raise


JOIN_PAGES: Final[list[HTTPRouteHandler]] = [join_page, join]


async def _page(
    here: Stranger,
    secret: str,
    nickname: Answer,
    shown: str = "",
    *,
    status: int = 200,
    looked: bool = False,
) -> PrivatePage:
    found = await look_at_invitation(here.door.house, here.group_id, secret, now=here.door.clock())
    page = JoinPage(
        name=found.name,
        href=here.path(""),
        action=here.path(f"/join/{secret}"),
        key=found.key,
        nickname=nickname,
        faults=(("nickname", nickname.fault),) if nickname.fault else (),
        shown=shown,
        looked=looked and bool(shown),
    )
    if looked and nickname.fault:
        status = 422
    return PrivatePage(render("join.html", page, here.chosen), here.chosen, status=status, with_script=True)


def looked_at(nickname: str, chosen: Language) -> tuple[Answer, str]:
    """Return a nickname that is only looked at with what is wrong with it, and as the group will have it.

    Whether it is free is not said: for that it must be sent.
    """
    try:
        return Answer(nickname, ""), plain_text(nickname, field="nickname", length_max=NICKNAME_MAX)
    except FieldInvalid as refusal:
        return Answer(nickname, nickname_fault(refusal, chosen)), ""


def nickname_fault(refusal: FieldInvalid | NicknameTaken, chosen: Language) -> str:
    """Return what to do about a nickname that cannot be one."""
    advice = _ADVICE.get(str(refusal.params.get("why", "")))
    if advice is None:
        return chosen.refusal(refusal)
    count = chosen.number(NICKNAME_MAX)
    return chosen.say(advice, count=count) if "%(count)s" in advice else chosen.say(advice)
