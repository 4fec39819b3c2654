"""The page that an invitation leads to: one field, and then what to sign in with, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.limits import slow_down
from timebank.edge.sessions import refuse_other_sites
from timebank.errors import N_, FieldInvalid, NicknameTaken
from timebank.i18n import choose_language, language_codes
from timebank.rules.names import EMPTY, NICKNAME_MAX, NOT_TEXT, TOO_LONG
from timebank.services.joining import accept_invitation, look_at_invitation
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.pages import render
from timebank.web.private import PrivatePage

if TYPE_CHECKING:
    from uuid import UUID

    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
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
    door, group_id, chosen = await _arrive(request, slug)
    found = await look_at_invitation(door.house, group_id, secret, now=door.clock())
    page = JoinPage(found.name, f"/g/{slug}", f"/g/{slug}/join/{secret}", found.key, Answer("", ""), ())
    return PrivatePage(render("join.html", page, chosen), chosen)


@post("/g/{slug:str}/join/{secret:str}", include_in_schema=False)
async def join(request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]) -> ASGIApp:
    """Let somebody in, or show the form again with what is wrong."""
    door, group_id, chosen = await _arrive(request, slug)
    refuse_other_sites(door, request.scope["headers"])
    fields = await read_form(request)
    nickname, key = field_text(fields, "nickname"), field_text(fields, "key")
    try:
        joined = await accept_invitation(
            door.house,
            group_id,
            secret,
            key=key,
            nickname=nickname,
            now=door.clock(),
        )
    except (FieldInvalid, NicknameTaken) as refusal:
        found = await look_at_invitation(door.house, group_id, secret, now=door.clock())
        said = nickname_fault(refusal, chosen)
        page = JoinPage(
            found.name,
            f"/g/{slug}",
            f"/g/{slug}/join/{secret}",
            found.key,
            Answer(nickname, said),
            (("nickname", said),),
        )
        return PrivatePage(render("join.html", page, chosen), chosen, status=422)
    done = JoinedPage(nickname, f"/g/{slug}", joined.card, f"/g/{slug}/sign-in")
    return PrivatePage(render("joined.html", done, chosen), chosen)


JOIN_PAGES: Final[list[HTTPRouteHandler]] = [join_page, join]


async def _arrive(request: Request[Any, Any, Any], slug: str) -> tuple[Door, UUID, Language]:
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(slug)
    await slow_down(request, group_id, "invitation")
    explicit = request.query_params.get("lang")
    known = explicit if explicit in language_codes() else None
    chosen = choose_language(explicit=known, accept_language=request.headers.get("accept-language"))
    return door, group_id, chosen


def nickname_fault(refusal: FieldInvalid | NicknameTaken, chosen: Language) -> str:
    """Return what to do about a nickname that cannot be one."""
    advice = _ADVICE.get(str(refusal.params.get("why", "")))
    if advice is None:
        return chosen.refusal(refusal)
    count = chosen.number(NICKNAME_MAX)
    return chosen.say(advice, count=count) if "%(count)s" in advice else chosen.say(advice)
