"""*Check this book*: how to check it without trusting its host, and what witnesses said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.bodies import BODY_MAX, receive_body
from timebank.edge.published import PublishedReply
from timebank.errors import N_
from timebank.i18n import frontend_path
from timebank.ledger.notes import seal_of
from timebank.services.cosigning import read_checking, take_cosignatures
from timebank.web.pages import PAGE_HEADERS, render
from timebank.web.public import public_language
from timebank.web.words import told_in_words

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_AT_ONCE: Final = "no-cache"
PROGRAM: Final = "check_book.py"

SAW: Final = N_("%(name)s saw the log go on up to entry %(size)s, on %(day)s.")
OPENED: Final = N_("%(name)s opened every record until %(until)s, and signed so on %(day)s.")


@dataclass(frozen=True, slots=True)
class CheckPage:
    """What somebody needs to check a book.

    Attributes:
        name, slug, query: Of the group; the query keeps the language.
        address: Of the group's page, as a program is given it.
        number, seal: Of the newest page; empty before the first close.
        note: The newest checkpoint.
        log_key: The key that signed it.
        witnessed: A sentence for each witness who cosigned something: what, and when.
        audited: The same for each auditor: until which day, and when.
        told: A sentence for each restore and each new key that the log tells of.
    """

    name: str
    slug: str
    query: str
    address: str
    number: str
    seal: str
    note: str
    log_key: str
    witnessed: tuple[str, ...]
    audited: tuple[str, ...]
    told: tuple[str, ...]


@route("/g/{slug:str}/check", http_method=_READ, include_in_schema=False)
async def check_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Say how a group's book is checked; it changes when a witness has signed, and so stands apart from the book."""
    door: Door = request.app.state.door
    checking = await read_checking(door.house, slug)
    chosen, explicit = public_language(request, checking.group)
    page = CheckPage(
        name=checking.group.name,
        slug=slug,
        query=f"?lang={chosen.code}" if explicit else "",
        address=f"{door.origin or 'https://HOST'}/g/{slug}",
        number=chosen.number(checking.period) if checking.period else "",
        seal=seal_of(checking.note) if checking.period else "",
        note=checking.note,
        log_key=checking.log_key,
        witnessed=tuple(
            chosen.say(
                SAW,
                name=one.name,
                size=chosen.number(one.size),
                day=chosen.day_month_year(one.at.date()),
            )
            for one in checking.witnessed
        ),
        audited=tuple(
            chosen.say(
                OPENED,
                name=one.name,
                until=chosen.day_month_year(one.until),
                day=chosen.day_month_year(one.at.date()),
            )
            for one in checking.audited
            if one.until is not None
        ),
        told=tuple(told_in_words(one, chosen) for one in checking.told),
    )
    headers = {**PAGE_HEADERS, "content-language": chosen.code, "vary": "accept-language"}
    body = render("check.html", page, chosen)
    return PublishedReply(body, "text/html; charset=utf-8", cache=_AT_ONCE, headers=headers)


@post("/g/{slug:str}/log/cosignatures", include_in_schema=False, status_code=204)
async def take(request: Request[Any, Any, Any], slug: FromPath[str]) -> None:
    """Take a cosigned checkpoint from a witness or an auditor who is known here."""
    door: Door = request.app.state.door
    body = await receive_body(
        request.receive, size_max=BODY_MAX, announced=request.headers.get("content-length", "")
    )
    await take_cosignatures(door.house, slug, body, witnesses=door.witnesses, now=door.clock())


@route(f"/{PROGRAM}", http_method=_READ, include_in_schema=False)
async def program() -> ASGIApp:
    """Give the program that checks books without ours, as a file to keep and read."""
    headers = {"content-disposition": f'attachment; filename="{PROGRAM}"'}
    return PublishedReply(_program(), "text/x-python; charset=utf-8", headers=headers)


@lru_cache
def _program() -> bytes:
    return (frontend_path() / "download" / PROGRAM).read_bytes()


CHECKING: Final[list[HTTPRouteHandler]] = [check_page, take, program]
