"""Handlers of the pages that anybody can read: no cookie, no script, the same bytes for everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.published import FOR_EVER, PublishedReply
from timebank.errors import N_, Refusal, ServerFault, TooManyTries, Unknown, UnknownGroup, UnknownPage
from timebank.i18n import Language, choose_language, every_language, language_codes
from timebank.services.joining import BY_REQUEST, REQUEST_DAYS, read_joining
from timebank.services.published import read_public_book, read_public_group
from timebank.web.book_page import LanguageLink, book_page
from timebank.web.files import static_files
from timebank.web.pages import PAGE_HEADERS, render
from timebank.web.patterns import patterns_page
from timebank.web.sight import seen_of_gifts

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door as Threshold
    from timebank.rules.publication import PublicGroup
    from timebank.store.engine import Database

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_HTML: Final = "text/html; charset=utf-8"

Door = Literal["give", "join"]


class Reading(NamedTuple):
    """In what language a request is answered, and on whose pages, as far as its handler has come.

    Attributes:
        group: Whose pages these are; None where it is no group's, or where none is at the address.
        query: ``?lang=es`` if the address named a language, else empty.
    """

    chosen: Language
    group: PublicGroup | None
    query: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """A refusal as people read it.

    Attributes:
        name: Whose head it has: the group's, or this program's.
        href: Where head and way out lead.
        of_group: Whether that is a group's page.
    """

    title: str
    sentence: str
    can_retry: bool
    name: str
    href: str
    of_group: bool


@dataclass(frozen=True, slots=True)
class DoorPage:
    """What giving or joining takes in a group.

    Attributes:
        seen: What the public will see of what is given.
        by_request: Whether somebody without an invitation may ask to be let in here.
        days: Within how many a steward answers that.
    """

    slug: str
    name: str
    query: str
    door: Door
    seen: tuple[str, ...]
    by_request: bool = False
    days: str = ""


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """The start page of a host; it names no group unless the operator shows an example.

    Attributes:
        set_up_href: Where a first group is set up; empty when the link is only on the console.
        example_href: The example group, if this server is the demo.
    """

    languages: tuple[LanguageLink, ...]
    set_up_href: str
    example_href: str


@route("/", http_method=_READ, include_in_schema=False)
async def start_page(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say what this server is."""
    chosen, _ = public_language(request)
    example = str(getattr(request.app.state, "example_slug", "") or "")
    page = WelcomePage(
        languages=_all_languages(chosen), set_up_href="", example_href=f"/g/{example}" if example else ""
    )
    return public_reply("welcome.html", page, chosen)


@route("/patterns", http_method=_READ, include_in_schema=False)
async def patterns(request: Request[Any, Any, Any]) -> ASGIApp:
    """Show every part of the pages in each of its states."""
    chosen, _ = public_language(request)
    return public_reply("patterns.html", patterns_page(chosen, _all_languages(chosen)), chosen)


@route("/g/{slug:str}", http_method=_READ, include_in_schema=False)
async def group_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show a group's open book as of the last close."""
    book = await read_public_book(database_of(request), slug)
    chosen, explicit = public_language(request, book.group)
    template = "public.html" if book.period else "public_empty.html"
    page = book_page(book, chosen, explicit=explicit, origin=origin_of(request))
    return public_reply(template, page, chosen)


@route("/g/{slug:str}/{door:str}", http_method=_READ, include_in_schema=False)
async def door_page(request: Request[Any, Any, Any], slug: FromPath[str], door: FromPath[str]) -> ASGIApp:
    """Say how to give to a group."""
    group = (await read_public_group(database_of(request), slug)).group
    chosen, query = _chosen(request, group)
    if door != "give":
        raise UnknownPage
    page = DoorPage(group.slug, group.name, query, "give", seen_of_gifts(chosen, group))
    return public_reply("door.html", page, chosen)


@route("/g/{slug:str}/join", http_method=_READ, include_in_schema=False)
async def join_door(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Say how to join, by the group's setting of this moment; an address of its own, since invitations are below it."""
    database = database_of(request)
    group = (await read_public_group(database, slug)).group
    joining = await read_joining(database, await database.group_id(slug))
    chosen, query = _chosen(request, group)
    page = DoorPage(
        group.slug,
        group.name,
        query,
        "join",
        (),
        by_request=joining == BY_REQUEST,
        days=chosen.number(REQUEST_DAYS),
    )
    return public_reply("door.html", page, chosen)


def _chosen(request: Request[Any, Any, Any], group: PublicGroup) -> tuple[Language, str]:
    chosen, explicit = public_language(request, group)
    return chosen, f"?lang={chosen.code}" if explicit else ""


@route("/static/{path:path}", http_method=_READ, include_in_schema=False)
async def static_file(path: FromPath[str]) -> ASGIApp:
    """Give a static file; its address changes when its content does, so it may be kept for ever."""
    file = static_files().get(path.removeprefix("/"))
    if file is None:
        raise UnknownPage
    return PublishedReply(file.content, file.media_type, cache=FOR_EVER)


PUBLIC_PAGES: Final[list[HTTPRouteHandler]] = [
    start_page,
    patterns,
    group_page,
    door_page,
    join_door,
    static_file,
]


def error_page(request: Request[Any, Any, Any], refusal: Refusal, status: int) -> PublishedReply:
    """Return a refusal as a page, for addresses that people open in a browser.

    It is in the language, and under the head of the group, that the handler had found out when it gave up: whoever
    chose a language reads in it that something is wrong, too.

    Args:
        status: HTTP status that the edge chose for it.
    """
    if not hasattr(request.state, "reading"):
        public_language(request)
    chosen, group, query = request.state.reading
    page = ErrorPage(
        title=_title(refusal, chosen),
        sentence=chosen.refusal(refusal),
        can_retry=refusal.retryable,
        name=group.name if group else "timebank",
        href=f"/g/{group.slug}{query}" if group else f"/{query}",
        of_group=group is not None,
    )
    body = render("error.html", page, chosen)
    headers = {**PAGE_HEADERS, "content-language": chosen.code, "vary": "accept-language"}
    if isinstance(refusal, TooManyTries):
        headers["retry-after"] = str(refusal.params["seconds"])
    return PublishedReply(body, _HTML, cache="no-store", headers=headers, status=status)


def _title(refusal: Refusal, chosen: Language) -> str:
    if isinstance(refusal, UnknownGroup):
        return chosen.say(N_("No group is here"))
    if isinstance(refusal, Unknown):
        return chosen.say(N_("Nothing is here"))
    if isinstance(refusal, ServerFault) or refusal.retryable:
        return chosen.say(N_("Not now"))
    return chosen.say(N_("This cannot be done"))


def database_of(request: Request[Any, Any, Any]) -> Database:
    """Return the database of the application."""
    database: Database = request.app.state.database
    return database


def origin_of(request: Request[Any, Any, Any]) -> str:
    """Return what people type to get to this host; empty if it has not said."""
    door: Threshold | None = getattr(request.app.state, "door", None)
    return door.origin if door else ""


def public_language(
    request: Request[Any, Any, Any], group: PublicGroup | None = None, *, person: str = ""
) -> tuple[Language, bool]:
    """Return the language of an answer, in which a group's pot has the group's word, and whether the address named it.

    Args:
        group: Whose page it is, if it is a group's.
        person: The language that somebody who is signed in chose; the address wins over it.
    """
    explicit = request.query_params.get("lang")
    known = explicit if explicit in language_codes() else None
    chosen = choose_language(
        explicit=known,
        person=person,
        accept_language=request.headers.get("accept-language"),
        group=group.languages if group else (),
    )
    if group:
        chosen = chosen.for_group(group.word)
    request.state.reading = Reading(chosen, group, f"?lang={chosen.code}" if known else "")
    return chosen, known is not None


def _all_languages(chosen: Language) -> tuple[LanguageLink, ...]:
    return tuple(
        LanguageLink(each.code, each.name, f"?lang={each.code}", each.code == chosen.code)
        for each in every_language()
    )


def public_reply(template: str, page: object, chosen: Language) -> PublishedReply:
    """Return a page that is the same for everybody who reads this language."""
    headers = {**PAGE_HEADERS, "content-language": chosen.code, "vary": "accept-language"}
    return PublishedReply(render(template, page, chosen), _HTML, headers=headers)
