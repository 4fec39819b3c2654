"""All of what is one's own, page by page: hours, asks, and what waits for one's yes; the own page has the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.services.overview import list_own_asks, read_own_hours
from timebank.web.inside import Inside, inside
from timebank.web.own_rows import (
    AskLine,
    EntryLine,
    RefusedAnswer,
    WaitingHours,
    ask_line,
    entry_line,
    waiting_hours,
)
from timebank.web.rooms import HOME, Way, ways

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.state import SetUp
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

OWN_HOURS: Final = f"{HOME}/hours"
OWN_ASKS: Final = f"{HOME}/asks"
WAITING: Final = f"{HOME}/waiting"
#: In a form of the page with all that waits: where that page began, so that it is shown again.
LIST_FIELD: Final = "list"


@dataclass(frozen=True, slots=True)
class OwnListPage:
    """All of one kind, newest first; what is of another kind is empty.

    Attributes:
        place: Where this page begins, for forms that come back to it.
        said: Hours to which the reader said "not quite" and nobody has answered; on the first page only.
        waiting_aside: What silence does, in one sentence; empty in groups where it does nothing.
        older: Where the ones before these are, or empty.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    home_href: str
    statement_href: str
    faults: tuple[tuple[str, str], ...] = ()
    place: str = ""
    waiting: tuple[WaitingHours, ...] = ()
    said: tuple[WaitingHours, ...] = ()
    waiting_aside: str = ""
    entries: tuple[EntryLine, ...] = ()
    asks: tuple[AskLine, ...] = ()
    older: str = ""


@route("/g/{slug:str}/me/hours", http_method=_READ, include_in_schema=False)
async def own_hours(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show all of one's own hours."""
    here = await inside(request, slug)
    found = await read_own_hours(here.door.house, here.actor, _before(request))
    entries = tuple(entry_line(here, found.nicknames, each) for each in found.hours)
    return here.page(
        "own_hours.html", _list(here, entries=entries, older=_older(here, OWN_HOURS, found.next))
    )


@route("/g/{slug:str}/me/asks", http_method=_READ, include_in_schema=False)
async def own_asks(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show all that one asked for."""
    here = await inside(request, slug)
    found, rules, after = await list_own_asks(here.door.house, here.actor, _before(request))
    asks = tuple(ask_line(here, rules, each) for each in found)
    return here.page("own_asks.html", _list(here, asks=asks, older=_older(here, OWN_ASKS, after)))


@route("/g/{slug:str}/me/waiting", http_method=_READ, include_in_schema=False)
async def own_waiting(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show all that waits for one's yes."""
    return await waiting_page(await inside(request, slug), _before(request))


OWN_LISTS_PAGES: Final[list[HTTPRouteHandler]] = [own_hours, own_asks, own_waiting]


async def waiting_page(
    here: Inside, before: str, refused: RefusedAnswer | None = None, *, status: int = 200
) -> PrivatePage:
    """Return a page of what waits for the reader's yes.

    Args:
        before: Id of the last ones of the page before; anything else begins anew.
        refused: An answer on this page that was not taken just now.
    """
    house, actor = here.door.house, here.actor
    mine = await read_own_hours(house, actor, before, turn="mine")
    theirs = None if before else await read_own_hours(house, actor, turn="theirs")
    page = _list(
        here,
        faults=faults_of(refused),
        place=before,
        waiting=tuple(waiting_hours(here, mine.rules, mine.nicknames, each, refused) for each in mine.hours),
        said=tuple(
            waiting_hours(here, theirs.rules, theirs.nicknames, each, refused) for each in theirs.hours
        )
        if theirs
        else (),
        waiting_aside=silence(mine.rules, here.chosen),
        older=_older(here, WAITING, mine.next),
    )
    return here.page("own_waiting.html", page, status=status)


def faults_of(refused: RefusedAnswer | None) -> tuple[tuple[str, str], ...]:
    """Return what the summary of faults says about an answer that was not taken."""
    if refused is None:
        return ()
    return ((f"{refused.field}-{refused.hours_id}" if refused.field else "waits", refused.fault),)


def silence(rules: SetUp, chosen: Language) -> str:
    """Return what no answer means; empty in groups where it means nothing."""
    if not rules.time_bank:
        return ""
    return chosen.say_many(
        "No answer within %(count)s day counts as a yes.",
        "No answer within %(count)s days counts as a yes.",
        rules.confirm_days,
    )


def _list(here: Inside, **kind: Any) -> OwnListPage:
    return OwnListPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        home_href=here.path(HOME),
        statement_href=here.path("/statement"),
        **kind,
    )


def _before(request: Request[Any, Any, Any]) -> str:
    # No longer than an id: it comes back in every form of the page.
    return request.query_params.get("before", "")[:36]


def _older(here: Inside, below: str, after: str) -> str:
    mark = "&" if here.query else "?"
    return f"{here.path(below)}{mark}before={after}" if after else ""
