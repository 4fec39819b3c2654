"""Pages about mailed links: ask for one, sign in with it, confirm an address. Opening a link changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.limits import slow_down
from timebank.edge.problems import status_of
from timebank.edge.sessions import find_visitor, set_cookie
from timebank.errors import N_, MailNotOffered, UnknownMailLink
from timebank.i18n import Language, choose_language, language_codes
from timebank.rules.mail import ADDRESS_MAX
from timebank.services import sessions
from timebank.services.mail import SECRET_LENGTH, confirm_address, is_confirmable
from timebank.services.mail_links import ask_for_link, look_at_link, use_link, written_index
from timebank.services.published import read_public_group
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
    from timebank.rules.publication import PublicGroup
    from timebank.services.post import Post

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_SECRET: Final = re.compile(rf"[A-Za-z0-9_-]{{{SECRET_LENGTH}}}", re.ASCII)
#: Longer than any link of its lives.
_COOKIE_SECONDS: Final = 1200

WRITE_WHO: Final = N_("Write your nickname or your mail address")


@dataclass(frozen=True, slots=True)
class AskPage:
    """The form that asks for a link."""

    name: str
    href: str
    action: str
    who: Answer


@dataclass(frozen=True, slots=True)
class SaidPage:
    """One thing to know, and perhaps one button.

    Attributes:
        what: sent, ready, other_browser, ended; confirm, confirmed.
        action: Where the button goes.
        again: Where to ask anew.
    """

    name: str
    href: str
    what: str
    action: str
    again: str


class _Visit(NamedTuple):
    """What every page here needs."""

    door: Door
    group_id: UUID
    group: PublicGroup
    chosen: Language
    query: str

    @property
    def href(self) -> str:
        return f"/g/{self.group.slug}{self.query}"

    @property
    def ask_href(self) -> str:
        return f"/g/{self.group.slug}/sign-in/mail{self.query}"


@route("/g/{slug:str}/sign-in/mail", http_method=_READ, include_in_schema=False)
async def mail_ask_form(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form that asks for a link."""
    visit = await _visit(request, slug)
    _require_offered(request, visit)
    return _ask_page(visit, Answer("", ""))


@post("/g/{slug:str}/sign-in/mail", include_in_schema=False)
async def mail_ask(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Note that somebody wants a link, and say the same whoever it is."""
    visit = await _visit(request, slug)
    offered = _require_offered(request, visit)
    who = field_text(await read_form(request), "who").strip()[:ADDRESS_MAX]
    if not who:
        return _ask_page(visit, Answer("", visit.chosen.say(WRITE_WHO)), status=422)
    house = visit.door.house
    await slow_down(request, visit.group_id, "mail_link", account=written_index(house, visit.group_id, who))
    browser = _browser(request, offered) or house.random(32).hex()
    await ask_for_link(
        house, visit.group_id, who, browser=browser, language=visit.chosen.code, now=visit.door.clock()
    )
    return _said(visit, "sent", cookies=(_cookie(offered, browser),))


@route("/g/{slug:str}/sign-in/mail/{secret:str}", http_method=_READ, include_in_schema=False)
async def mail_link_page(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Show the button of a link; programs that look at mail follow links, so this changes nothing."""
    visit = await _visit(request, slug)
    offered = _require_offered(request, visit)
    state = "ended"
    if _SECRET.fullmatch(secret):
        state = await look_at_link(
            visit.door.house,
            visit.group_id,
            secret,
            browser=_browser(request, offered),
            now=visit.door.clock(),
        )
    return _said(visit, state, action=f"/g/{slug}/sign-in/mail/{secret}{visit.query}")


@post("/g/{slug:str}/sign-in/mail/{secret:str}", include_in_schema=False)
async def mail_link_used(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Sign somebody in. That the browser's cookie must fit the link keeps other sites from sending this."""
    visit = await _visit(request, slug)
    offered = _require_offered(request, visit)
    now = visit.door.clock()
    await slow_down(request, visit.group_id, "sign_in")
    try:
        if not _SECRET.fullmatch(secret):
            raise UnknownMailLink
        member_id = await use_link(
            visit.door.house, visit.group_id, secret, browser=_browser(request, offered), now=now
        )
    except UnknownMailLink as refusal:
        return _said(visit, "ended", status=status_of(refusal))
    before = await find_visitor(request)
    made = await sessions.begin(
        visit.door.house,
        visit.group_id,
        member_id,
        way="mail",
        strong=False,
        now=now,
        replaces=before.session_id if before else None,
    )
    return go_to(
        visit.href, cookies=(*set_cookie(request, slug, made.secret), _cookie(offered, "", seconds=0))
    )


@route("/g/{slug:str}/mail/{secret:str}", http_method=_READ, include_in_schema=False)
async def mail_confirm_page(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Show the button that confirms an address; this changes nothing."""
    visit = await _visit(request, slug)
    can = bool(_SECRET.fullmatch(secret)) and await is_confirmable(
        visit.door.house, visit.group_id, secret, now=visit.door.clock()
    )
    action = f"/g/{slug}/mail/{secret}{visit.query}"
    return _said(visit, "confirm" if can else "ended", action=action, again=visit.href)


@post("/g/{slug:str}/mail/{secret:str}", include_in_schema=False)
async def mail_confirmed(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Confirm an address. Whoever knows the secret read the mail, and nothing else is needed."""
    visit = await _visit(request, slug)
    await slow_down(request, visit.group_id, "code")
    try:
        if not _SECRET.fullmatch(secret):
            raise UnknownMailLink
        await confirm_address(visit.door.house, visit.group_id, secret, now=visit.door.clock())
    except UnknownMailLink as refusal:
        return _said(visit, "ended", status=status_of(refusal), again=visit.href)
    return _said(visit, "confirmed")


MAIL_PAGES: Final[list[HTTPRouteHandler]] = [
    mail_ask_form,
    mail_ask,
    mail_link_page,
    mail_link_used,
    mail_confirm_page,
    mail_confirmed,
]


def is_offered(request: Request[Any, Any, Any]) -> bool:
    """Return whether pages may offer the way in by mail."""
    door: Door = request.app.state.door
    return door.house.post is not None


# ---------------------------------------------------------------- requests


async def _visit(request: Request[Any, Any, Any], slug: str) -> _Visit:
    group = (await read_public_group(request.app.state.database, slug)).group
    door: Door = request.app.state.door
    explicit = request.query_params.get("lang")
    known = explicit if explicit in language_codes() else None
    chosen = choose_language(
        explicit=known, accept_language=request.headers.get("accept-language"), group=group.languages
    )
    query = f"?lang={known}" if known else ""
    return _Visit(door, await door.keeper.group_id(slug), group, chosen, query)


def _require_offered(request: Request[Any, Any, Any], visit: _Visit) -> Post:
    post = visit.door.house.post
    if post is None or not is_offered(request):
        raise MailNotOffered
    return post


def _cookie_name(offered: Post) -> str:
    # The prefix makes browsers refuse it from anybody but this very host over TLS; on localhost there is no TLS.
    return "__Host-timebank-mail" if offered.origin.startswith("https://") else "timebank-mail"


def _cookie(offered: Post, value: str, *, seconds: int = _COOKIE_SECONDS) -> tuple[bytes, bytes]:
    secure = "; Secure" if offered.origin.startswith("https://") else ""
    # Lax: the link is opened from a mail program, which may be a page of another site.
    said = f"{_cookie_name(offered)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", said.encode("ascii")


def _browser(request: Request[Any, Any, Any], offered: Post) -> str:
    """Return the secret of this browser; empty if it has none that we could have made."""
    value = request.cookies.get(_cookie_name(offered), "")
    return value if re.fullmatch(r"[0-9a-f]{64}", value) else ""


def _ask_page(visit: _Visit, who: Answer, *, status: int = 200) -> PrivatePage:
    page = AskPage(visit.group.name, visit.href, visit.ask_href, who)
    return PrivatePage(render("mail_ask.html", page, visit.chosen), visit.chosen, status=status)


def _said(
    visit: _Visit,
    what: str,
    *,
    action: str = "",
    again: str = "",
    status: int = 200,
    cookies: tuple[tuple[bytes, bytes], ...] = (),
) -> PrivatePage:
    page = SaidPage(visit.group.name, visit.href, what, action, again or visit.ask_href)
    body = render("mail_said.html", page, visit.chosen)
    return PrivatePage(body, visit.chosen, status=status, cookies=cookies)
