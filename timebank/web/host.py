"""The page for whoever keeps the server: what a seizure of the machine would reveal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.services.seizure import what_it_reveals
from timebank.web.inside import inside
from timebank.web.rooms import HOST, Way, ways

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: What a class of columns is called on this page.
_NAMES: Final[Mapping[str, str]] = {
    "public": N_("what is published"),
    "group": N_("the group itself"),
    "book": N_("the book"),
    "tie": N_("random ids"),
    "clear": N_("states and moments"),
    "sealed": N_("sealed boxes"),
    "blind": N_("blind indexes"),
    "guess": N_("what can be guessed"),
    "hash": N_("hashes of secrets"),
    "proof": N_("proofs"),
}


class Revealed(NamedTuple):
    """One row: what it is, and what it tells."""

    name: str
    columns: str
    without_keys: str
    with_keys: str


@dataclass(frozen=True, slots=True)
class SeizurePage:
    """What a seizure would reveal; ``beside`` has (what, what it gives away) of what is not in the database."""

    name: str
    href: str
    ways: tuple[Way, ...]
    revealed: tuple[Revealed, ...]
    beside: tuple[tuple[str, str], ...]


@route("/g/{slug:str}/host", http_method=_READ, include_in_schema=False)
async def seizure_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show a host what a seizure of the machine would reveal."""
    here = await inside(request, slug)
    told = what_it_reveals(here.actor)
    chosen = here.chosen
    page = SeizurePage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, HOST),
        revealed=tuple(
            Revealed(
                chosen.say(_NAMES[kind]),
                chosen.say_many("%(count)s column", "%(count)s columns", count),
                chosen.say(words.without_keys),
                chosen.say(words.with_keys),
            )
            for kind, words, count in told.classes
        ),
        beside=tuple((what, chosen.say(gives)) for what, gives in told.beside.items()),
    )
    return here.page("host.html", page)


HOST_PAGES: Final[list[HTTPRouteHandler]] = [seizure_page]
