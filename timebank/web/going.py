"""Leaving the group, and being forgotten: first what stays and what goes, in plain words, and only then it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.sessions import drop_cookie
from timebank.errors import N_
from timebank.services.member_acts import forget_member, leave_group, look_at_leaving
from timebank.web.forms import field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.pages import render
from timebank.web.private import PrivatePage
from timebank.web.rooms import HOME, SETTINGS, Way, ways
from timebank.web.sending import act, new_key

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

LEAVE, FORGET = "leave", "forget"
_PATHS: Final = [f"/g/{{slug:str}}/me/{LEAVE}", f"/g/{{slug:str}}/me/{FORGET}"]


def ngettext(one: str, many: str) -> tuple[str, str]:
    """Mark a sentence about a number of things for translators."""
    return one, many


#: What is said of each line of the answer to leaving.
_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "asks_cancelled": ngettext(
        "%(count)s ask of yours is taken back.", "%(count)s asks of yours are taken back."
    ),
    "proposals_withdrawn": ngettext(
        "%(count)s proposal of yours is taken back.", "%(count)s proposals of yours are taken back."
    ),
    "duties": ngettext("%(count)s duty ends.", "%(count)s duties end."),
    "stand_ins": ngettext("%(count)s tie of standing in ends.", "%(count)s ties of standing in end."),
    "invitations": ngettext(
        "%(count)s invitation that you made ends.", "%(count)s invitations that you made end."
    ),
    "tokens": ngettext(
        "%(count)s program of yours is signed out.", "%(count)s programs of yours are signed out."
    ),
    "asks_open": ngettext(
        "%(count)s ask that you sent for somebody else stays open.",
        "%(count)s asks that you sent for somebody else stay open.",
    ),
}


@dataclass(frozen=True, slots=True)
class GoingPage:
    """What happens when somebody goes.

    Attributes:
        forgets: Whether they are forgotten for good, or leave and can come back.
        ends: What ends with it, of what they have now.
        key: Of the form that does it.
        faults: (field, what to do about it).
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    forgets: bool
    ends: tuple[str, ...]
    goes: tuple[str, ...]
    stays: tuple[str, ...]
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    sure_fault: str
    back: str
    data_href: str


@dataclass(frozen=True, slots=True)
class GonePage:
    """To somebody who went: what ended, and what they were told would stay."""

    name: str
    href: str
    forgotten: bool
    ended: tuple[str, ...]


@route(_PATHS, http_method=_READ, include_in_schema=False)
async def going_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Say what would happen; nothing does."""
    return await _page(await inside(request, slug), _which(request))


@post(_PATHS, include_in_schema=False)
async def go(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Let somebody go who said that they mean it."""
    here, fields = await received(request, slug)
    which, me = _which(request), here.actor.member_id
    if field_text(fields, "sure") != "yes":
        return await _page(
            here, which, {"sure": here.chosen.say(N_("Set the tick if you mean it"))}, status=422
        )
    do = forget_member if which == FORGET else leave_group
    sent = await act(here, fields, (which,), lambda once: do(here.door.house, here.actor, once, me))
    if sent.is_refused:
        return await _page(here, which, {"sure": sent.sentence}, status=sent.status)
    ended = _ends(sent.body.get("ended", {}), here.chosen)
    page = GonePage(here.group.name, here.href, which == FORGET, ended)
    return PrivatePage(
        render("gone.html", page, here.chosen, me=None),
        here.chosen,
        cookies=drop_cookie(request, here.group.slug),
    )


GOING_PAGES: Final[list[HTTPRouteHandler]] = [going_page, go]


def _which(request: Request[Any, Any, Any]) -> str:
    return FORGET if request.scope["path"].endswith(FORGET) else LEAVE


async def _page(
    here: Inside, which: str, faults: Mapping[str, str] | None = None, *, status: int = 200
) -> PrivatePage:
    say, faults = here.chosen.say, faults or {}
    would_end = await look_at_leaving(
        here.door.house, here.actor, here.actor.member_id, now=here.door.clock()
    )
    goes: tuple[str, ...]
    stays: tuple[str, ...]
    if which == FORGET:
        goes = (
            N_("Your nickname, your code, and the tie between you and your numbers in the book."),
            N_("Everything that you wrote: notes, ways to reach you, where money should go."),
            N_("Your ways in, your mail address, your household, who stands in for you."),
            N_("In backups, too: your own key is destroyed, and without it nobody can read them."),
        )
        stays = (
            N_("Your entries, under a number that leads to nobody any more."),
            N_("The totals of the pot, and what was decided. The book stays right."),
            N_("What others remember, or printed."),
        )
    else:
        goes = (N_("Signing in, on every device."), N_("Your duties, and whoever stands in for you."))
        stays = (
            N_("Your entries, your notes and your statement."),
            N_(
                "Your nickname. A steward can let you in again, with everything as it was, but without duties."
            ),
        )
    page = GoingPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        forgets=which == FORGET,
        ends=_ends(would_end, here.chosen),
        goes=tuple(say(each) for each in goes),
        stays=tuple(say(each) for each in stays),
        action=here.path(f"{HOME}/{which}"),
        key=new_key(),
        faults=tuple(faults.items()),
        sure_fault=faults.get("sure", ""),
        back=here.path(SETTINGS),
        data_href=f"/api/v1/groups/{here.group.slug}/me/data",
    )
    return here.page("going.html", page, status=status)


def _ends(said: Mapping[str, Any], chosen: Language) -> tuple[str, ...]:
    """Return what ends, or ended, one sentence for each kind of which there is any."""

    def count(name: str) -> int:
        value = said.get(name, 0)
        return value if isinstance(value, int) else len(value)

    return tuple(
        chosen.say_many(one, many, count(name)) for name, (one, many) in _ENDS.items() if count(name)
    )
