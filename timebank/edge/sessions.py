"""Who is signed in with a browser, and whether what they send comes from a page of ours.

The contract for pages and routes::

    visitor = await find_visitor(request)      # Visitor, or None for somebody who is not signed in
    visitor = await demand_visitor(request)    # the same, or to the sign-in page and back (303)
    check_form(request, visitor, fields)       # every POST of a page: token in the field ``csrf``
    visitor.actor                              # rules.people.Actor; ``.fresh`` for 5 minutes after a proof
    visitor.csrf                               # goes into ``<input type="hidden" name="csrf">``
    visitor.duties_wait                        # duties that wait for a passkey or a code
    set_cookie(request, slug, secret)          # header pairs for an answer that signs in or proves
    drop_cookie(request, slug)                 # header pairs for an answer that signs out

A page that calls ``actor.require_fresh()`` needs nothing more: the application answers ``StepUpNeeded`` with
the form that asks for a proof, and that form sends once more what was sent (``web.sign_in``). Fields of a
form that was read with ``web.forms.read_form`` are carried along; files are not.

Sessions count on the JSON API, too: the cookie says who, and a request that changes something also
carries the token in ``X-CSRF-Token``. A bearer token wins over a cookie and needs none of this.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from timebank.errors import FormNotOurs, NotSignedIn
from timebank.services.passkeys import Place
from timebank.services.sessions import SECRET_LENGTH, SignedIn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from litestar import Request
    from litestar.types import HTTPScope

    from timebank.edge.door import Door

#: Somebody who is signed in; see services.sessions.
Visitor = SignedIn

CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_COOKIE_FOR_S: Final = 30 * 24 * 3600
_NEXT_MAX: Final = 500
_HOST: Final = re.compile(r"[a-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-f:.]{2,45}\](?::[0-9]{1,5})?", re.ASCII)


class SignInFirst(Exception):
    """A page is for people who are signed in; the application sends whoever asked to ``location``."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


# ---------------------------------------------------------------- who


async def find_visitor(request: Request[Any, Any, Any]) -> Visitor | None:
    """Return who is signed in with this browser in the group of the address, looked up once a request.

    Raises:
        UnknownGroup: There is no group at this address.
        StoreAway: The database cannot be reached.
    """
    state = request.scope.setdefault("state", {})
    if "visitor" not in state:
        state["visitor"] = await _look_up(request)
    found: Visitor | None = state["visitor"]
    return found


async def demand_visitor(request: Request[Any, Any, Any]) -> Visitor:
    """Return who is signed in with this browser.

    Raises:
        SignInFirst: Nobody is. Let it pass: the application sends them to the sign-in page.
        UnknownGroup: There is no group at this address.
    """
    visitor = await find_visitor(request)
    if visitor is None:
        raise SignInFirst(sign_in_location(request))
    return visitor


async def visitor_of_cookie(door: Door, scope: HTTPScope, *, unsafe: bool) -> Visitor:
    """Return who is signed in, for routes of the JSON API that came without a bearer token.

    Raises:
        NotSignedIn: Nobody is.
        FormNotOurs: The request changes something and lacks the token, or came from another site.
        UnknownGroup
    """
    slug = scope["path_params"]["slug"]
    headers = scope["headers"]
    group_id = await door.keeper.group_id(slug)
    secret = _secret_of(headers, cookie_name(slug, secure=is_secure(door, scope)))
    if secret is None:
        raise NotSignedIn
    visitor = await door.keeper.sessions.find(group_id, secret)
    if unsafe:
        refuse_other_sites(door, headers)
        _check_token(visitor, _last(headers, CSRF_HEADER.encode()))
    return visitor


async def _look_up(request: Request[Any, Any, Any]) -> Visitor | None:
    door: Door = request.app.state.door
    slug = request.path_params["slug"]
    group_id = await door.keeper.group_id(slug)
    secret = secret_of(request)
    if secret is None:
        return None
    try:
        return await door.keeper.sessions.find(group_id, secret)
    except NotSignedIn:
        return None


def secret_of(request: Request[Any, Any, Any]) -> str | None:
    """Return the session secret that came with a request, if it could be one."""
    door: Door = request.app.state.door
    name = cookie_name(request.path_params["slug"], secure=is_secure(door, request.scope))
    return _secret_of(request.scope["headers"], name)


def _secret_of(headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
    wanted = name.encode() + b"="
    values = [
        part.strip().removeprefix(wanted)
        for header, value in headers
        if header == b"cookie"
        for part in value.split(b";")
        if part.strip().startswith(wanted)
    ]
    # Two of one name are a sign that somebody beside us sets cookies for this host.
    if len(values) != 1 or len(values[0]) != SECRET_LENGTH or not values[0].isascii():
        return None
    return values[0].decode("ascii")


# ---------------------------------------------------------------- from a page of ours


def check_form(request: Request[Any, Any, Any], visitor: Visitor, fields: Mapping[str, list[str]]) -> None:
    """Refuse a form that did not come from a page that this very session was shown.

    Raises:
        FormNotOurs: It has no token or another one, or the browser says that another site sent it.
    """
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    _check_token(visitor, next(iter(fields.get(CSRF_FIELD, ())), ""))


def refuse_other_sites(door: Door, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse what another site made the browser send, where the browser says so.

    Pages here are sent without a referrer, so an honest browser may say ``Origin: null``. It says
    ``Sec-Fetch-Site`` then, where the connection is private or local; elsewhere the token decides.

    Raises:
        FormNotOurs: It came from somewhere else.
    """
    headers = list(headers)
    site = _last(headers, b"sec-fetch-site")
    if site:
        if site not in {"same-origin", "none"}:
            raise FormNotOurs
        return
    origin = _last(headers, b"origin")
    if origin in {"", "null"}:
        return
    ours = {urlsplit(door.origin).netloc, _last(headers, b"host")} - {""}
    if urlsplit(origin).netloc not in ours:
        raise FormNotOurs


def _check_token(visitor: Visitor, token: str) -> None:
    if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), visitor.csrf.encode()):
        raise FormNotOurs


def _last(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in reversed(list(headers)) if key == name), "")


# ---------------------------------------------------------------- cookies


def is_secure(door: Door, scope: Any) -> bool:
    """Return whether people reach us over TLS, as far as this request or the operator says."""
    return bool(door.origin.startswith("https://") or scope.get("scheme") == "https")


def cookie_name(slug: str, *, secure: bool) -> str:
    """Return the name of a group's cookie; browsers take one with ``__Host-`` from nobody but this host."""
    return f"__Host-timebank-{slug}" if secure else f"timebank-{slug}"


def set_cookie(request: Request[Any, Any, Any], slug: str, secret: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that gives a browser its session."""
    return (_cookie(request, slug, secret, _COOKIE_FOR_S),)


def drop_cookie(request: Request[Any, Any, Any], slug: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that takes a browser's session away."""
    return (_cookie(request, slug, "", 0),)


def _cookie(request: Request[Any, Any, Any], slug: str, value: str, age: int) -> tuple[bytes, bytes]:
    secure = is_secure(request.app.state.door, request.scope)
    said = f"{cookie_name(slug, secure=secure)}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax"
    return b"set-cookie", (said + "; Secure" if secure else said).encode("ascii")


# ---------------------------------------------------------------- there and back


def sign_in_location(request: Request[Any, Any, Any]) -> str:
    """Return the address of the sign-in page that leads back here."""
    slug = request.path_params["slug"]
    query = request.scope["query_string"].decode("latin-1")
    here = request.scope["path"] + (f"?{query}" if query else "")
    return f"/g/{slug}/sign-in?next={quote(here, safe='')}{_lang(request)}"


def own_path(slug: str, said: str) -> str:
    """Return where to go next, if it is a page of this group; else its public page."""
    home = f"/g/{slug}"
    is_ours = said == home or said.startswith((f"{home}/", f"{home}?"))
    plain = said.isascii() and said.isprintable() and len(said) <= _NEXT_MAX
    if not is_ours or not plain or "\\" in said or "//" in said or "/." in said:
        return home
    return said


def host_of(request: Request[Any, Any, Any]) -> str:
    """Return host and port as people typed them: what the operator said, else what the browser says."""
    door: Door = request.app.state.door
    said = urlsplit(door.origin).netloc
    typed = _last(request.scope["headers"], b"host").lower()
    return said or (typed if _HOST.fullmatch(typed) else "localhost")


def origin_of(request: Request[Any, Any, Any]) -> str:
    """Return what people type to get here, without a slash at the end."""
    door: Door = request.app.state.door
    return door.origin or f"{request.scope['scheme']}://{host_of(request)}"


def _lang(request: Request[Any, Any, Any]) -> str:
    lang = request.query_params.get("lang", "")
    return f"&lang={lang}" if re.fullmatch(r"[A-Za-z-]{2,10}", lang) else ""


def place_of(request: Request[Any, Any, Any], group_name: str) -> Place:
    """Return where a passkey is made or used: it belongs to the host in the address bar, without its port."""
    origin = origin_of(request)
    return Place(urlsplit(origin).hostname or "localhost", origin, group_name)
