"""Pages about mailed links: ask for one, sign in with it, confirm an address. Opening a link changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.limits import slow_down
from timebank.edge.problems import status_of
from timebank.edge.sessions import find_visitor, set_cookie
from timebank.errors import N_, MailNotOffered, UnknownMailLink
from timebank.rules.mail import ADDRESS_MAX
from timebank.services import sessions
from timebank.services.mail import SECRET_LENGTH, confirm_address, is_confirmable
from timebank.services.mail_links import ask_for_link, look_at_link, use_link, written_index
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to
from timebank.web.strangers import Stranger, stranger

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
    from timebank.services.post import Post

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_SECRET: Final = re.compile(rf"[A-Za-z0-9_-]{{{SECRET_LENGTH}}}", re.ASCII)
#: Longer than any link of its lives.
_COOKIE_SECONDS: Final = 1200
_ASK: Final = "/sign-in/mail"

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


@route("/g/{slug:str}/sign-in/mail", http_method=_READ, include_in_schema=False)
async def mail_ask_form(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form that asks for a link."""
    here = await stranger(request, slug)
    _require_offered(request, here)
    return _ask_page(here, Answer("", ""))


@post("/g/{slug:str}/sign-in/mail", include_in_schema=False)
async def mail_ask(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Note that somebody wants a link, and say the same whoever it is."""
    here = await stranger(request, slug)
    offered = _require_offered(request, here)
    who = field_text(await read_form(request), "who").strip()[:ADDRESS_MAX]
    if not who:
        return _ask_page(here, Answer("", here.chosen.say(WRITE_WHO)), status=422)
    house = here.door.house
    await slow_down(request, here.group_id, "mail_link", account=written_index(house, here.group_id, who))
    browser = _browser(request, offered) or house.random(32).hex()
    await ask_for_link(
        house, here.group_id, who, browser=browser, language=here.chosen.code, now=here.door.clock()
    )
    return _said(here, "sent", cookies=(_cookie(offered, browser),))


@route("/g/{slug:str}/sign-in/mail/{secret:str}", http_method=_READ, include_in_schema=False)
async def mail_link_page(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Show the button of a link; programs that look at mail follow links, so this changes nothing."""
    here = await stranger(request, slug)
    offered = _require_offered(request, here)
    state = "ended"
    if _SECRET.fullmatch(secret):
        state = await look_at_link(
            here.door.house,
            here.group_id,
            secret,
            browser=_browser(request, offered),
            now=here.door.clock(),
        )
    return _said(here, state, action=here.path(f"{_ASK}/{secret}"))


@post("/g/{slug:str}/sign-in/mail/{secret:str}", include_in_schema=False)
async def mail_link_used(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Sign somebody in. That the browser's cookie must fit the link keeps other sites from sending this."""
    here = await stranger(request, slug)
    offered = _require_offered(request, here)
    now = here.door.clock()
    await slow_down(request, here.group_id, "sign_in")
    try:
        if not _SECRET.fullmatch(secret):
            raise UnknownMailLink
        member_id = await use_link(
            here.door.house, here.group_id, secret, browser=_browser(request, offered), now=now
        )
    except UnknownMailLink as refusal:
        return _said(here, "ended", status=status_of(refusal))
    before = await find_visitor(request)
    made = await sessions.begin(
        here.door.house,
        here.group_id,
        member_id,
        way="mail",
        strong=False,
        now=now,
        replaces=before.session_id if before else None,
    )
    return go_to(
        here.path(""), cookies=(*set_cookie(request, slug, made.secret), _cookie(offered, "", seconds=0))
    )


@route("/g/{slug:str}/mail/{secret:str}", http_method=_READ, include_in_schema=False)
async def mail_confirm_page(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Show the button that confirms an address; this changes nothing."""
    here = await stranger(request, slug)
    can = bool(_SECRET.fullmatch(secret)) and await is_confirmable(
        here.door.house, here.group_id, secret, now=here.door.clock()
    )
    action = here.path(f"/mail/{secret}")
    return _said(here, "confirm" if can else "ended", action=action, again=here.path(""))


@post("/g/{slug:str}/mail/{secret:str}", include_in_schema=False)
async def mail_confirmed(
    request: Request[Any, Any, Any], slug: FromPath[str], secret: FromPath[str]
) -> ASGIApp:
    """Confirm an address. Whoever knows the secret read the mail, and nothing else is needed."""
    here = await stranger(request, slug)
    await slow_down(request, here.group_id, "code")
    try:
        if not _SECRET.fullmatch(secret):
            raise UnknownMailLink
        await confirm_address(here.door.house, here.group_id, secret, now=here.door.clock())
    except UnknownMailLink as refusal:
        return _said(here, "ended", status=status_of(refusal), again=here.path(""))
    return _said(here, "confirmed")


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


def _require_offered(request: Request[Any, Any, Any], here: Stranger) -> Post:
    post = here.door.house.post
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


def _ask_page(here: Stranger, who: Answer, *, status: int = 200) -> PrivatePage:
    page = AskPage(here.group.name, here.path(""), here.path(_ASK), who)
    return PrivatePage(render("mail_ask.html", page, here.chosen), here.chosen, status=status)


def _said(
    here: Stranger,
    what: str,
    *,
    action: str = "",
    again: str = "",
    status: int = 200,
    cookies: tuple[tuple[bytes, bytes], ...] = (),
) -> PrivatePage:
    page = SaidPage(here.group.name, here.path(""), what, action, again or here.path(_ASK))
    body = render("mail_said.html", page, here.chosen)
    return PrivatePage(body, here.chosen, status=status, cookies=cookies)
