"""The page that an invitation leads to: one field, and then what to sign in with, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.sessions import refuse_other_sites
from timebank.errors import N_, FieldInvalid, NicknameTaken
from timebank.rules.names import EMPTY, NICKNAME_MAX, NOT_TEXT, TOO_LONG
from timebank.services.joining import accept_invitation, look_at_invitation
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.pages import render
from timebank.web.private import PrivatePage
from timebank.web.strangers import Stranger, arrive

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
    """

    name: str
    href: str
    action: str
    key: str
    nickname: Answer
    faults: tuple[tuple[str, str], ...]


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
    here = await arrive(request, slug)
    door = here.door
    refuse_other_sites(door, request.scope["headers"])
    fields = await read_form(request)
    nickname, key = field_text(fields, "nickname"), field_text(fields, "key")
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


JOIN_PAGES: Final[list[HTTPRouteHandler]] = [join_page, join]


async def _page(here: Stranger, secret: str, nickname: Answer, *, status: int = 200) -> PrivatePage:
    found = await look_at_invitation(here.door.house, here.group_id, secret, now=here.door.clock())
    page = JoinPage(
        name=found.name,
        href=here.path(""),
        action=here.path(f"/join/{secret}"),
        key=found.key,
        nickname=nickname,
        faults=(("nickname", nickname.fault),) if nickname.fault else (),
    )
    return PrivatePage(render("join.html", page, here.chosen), here.chosen, status=status)


def nickname_fault(refusal: FieldInvalid | NicknameTaken, chosen: Language) -> str:
    """Return what to do about a nickname that cannot be one."""
    advice = _ADVICE.get(str(refusal.params.get("why", "")))
    if advice is None:
        return chosen.refusal(refusal)
    count = chosen.number(NICKNAME_MAX)
    return chosen.say(advice, count=count) if "%(count)s" in advice else chosen.say(advice)
