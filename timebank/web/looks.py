"""The page that says who looked at its reader's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.services.looks import Seen, list_seen
from timebank.web.inside import Inside, inside
from timebank.web.rooms import HOME, Way, ways
from timebank.web.words import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

LOOKS: Final = f"{HOME}/looks"

#: What somebody did, by ``Seen.what``; a ``list`` of the reader or their household alone is a ``page``.
_DONE: Final[Mapping[str, str]] = {
    "found": N_("%(name)s found you by your code."),
    "list": N_("%(name)s opened the list of all members."),
    "hours": N_("%(name)s opened the hours of everybody that wait for a word."),
    "page": N_("%(name)s opened a page about you or your household."),
    "audit": N_("%(name)s opened every record of the book for an audit, without names."),
    "archive": N_("%(name)s took the whole book out, with all names."),
    "who": N_("%(name)s looked who is behind an ask of yours."),
    "payout": N_("%(name)s looked how to reach and pay you for an ask."),
    "link": N_("%(name)s made a new link for an ask of yours."),
}


class SeenLine(NamedTuple):
    """One look; ``href`` is the ask that it was about, or empty."""

    words: str
    day: str
    href: str


@dataclass(frozen=True, slots=True)
class LooksPage:
    """Who looked at the reader's name, newest day first."""

    name: str
    href: str
    ways: tuple[Way, ...]
    looks: tuple[SeenLine, ...]


@route("/g/{slug:str}/me/looks", http_method=_READ, include_in_schema=False)
async def looks_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show who looked at the reader's name."""
    here = await inside(request, slug)
    page = LooksPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        looks=tuple(_line(here, seen) for seen in await list_seen(here.door.house, here.actor)),
    )
    return here.page("looks.html", page)


LOOKS_PAGES: Final[list[HTTPRouteHandler]] = [looks_page]


def _line(here: Inside, seen: Seen) -> SeenLine:
    chosen = here.chosen
    if seen.host:
        name = chosen.say(N_("Whoever keeps the server"))
    else:
        name = seen.by or chosen.say(N_("Somebody who has left"))
    what = "page" if seen.what == "list" and not seen.everybody else seen.what
    return SeenLine(
        words=told(chosen, _DONE[what], {"name": name}),
        day=chosen.weekday(seen.on),
        href=here.path(f"/asks/{seen.draw_id}") if seen.draw_id else "",
    )
