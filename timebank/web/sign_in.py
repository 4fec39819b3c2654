"""Handlers of the pages to sign in, to sign out, and to prove once more who one is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.problems import status_of
from timebank.edge.sessions import (
    CSRF_FIELD,
    check_form,
    drop_cookie,
    find_visitor,
    own_path,
    refuse_other_sites,
    secret_of,
    set_cookie,
)
from timebank.edge.sign_in import begin, prove_once_more
from timebank.errors import N_, CodesWait, ProofFailed, Refusal, SignInFailed, TooManyTries
from timebank.services import sessions
from timebank.services.proofs import Proof, is_card_enough
from timebank.web.forms import Answer, field_text, field_whole, form_of, read_form
from timebank.web.inside import Inside, group_and_language, inside
from timebank.web.mail_links import is_offered
from timebank.web.pages import render
from timebank.web.private import PrivatePage, go_to

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler
    from litestar.types import Receive, Scope, Send

    from timebank.edge.door import Door
    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: What the form that proves it adds to what it carries along; no form of ours has fields like these.
PROOF: Final = "prove-"
CODE: Final = f"{PROOF}code"
CARD: Final = f"{PROOF}card"
PASSKEY: Final = f"{PROOF}passkey"
THEN: Final = f"{PROOF}then"
WAITING: Final = f"{PROOF}waiting"
KEY: Final = f"{PROOF}key"
_OF_PROOF: Final = frozenset({CODE, CARD, PASSKEY, THEN, WAITING, KEY, CSRF_FIELD})
#: Whatever another form may have, and the fields above.
_CARRIED_MAX: Final = 128 * 1024
_CARRIED_FIELDS_MAX: Final = 500

NO_SCRIPT: Final = N_("Use a card: a passkey needs JavaScript, and it is switched off here")
TRY_AGAIN: Final = N_("Try it again: your device did not answer for this page")


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The ways in.

    Attributes:
        action: Where the forms go.
        options: Where the script asks what to ask a passkey for.
        then: Where to go afterwards.
        key: Tells this page from others, so that a card is used once although the form is sent twice.
        faults: (field, what to do about it).
        card: What was typed stays; a card that was used up is of no use to anybody.
        mail_action: Where the form for a link by mail goes; empty where mail is not set up.
    """

    name: str
    href: str
    action: str
    options: str
    then: str
    key: str
    faults: tuple[tuple[str, str], ...]
    card: Answer
    passkey_fault: str
    mail_action: str
    join_href: str
    ask_href: str


@dataclass(frozen=True, slots=True)
class ProvePage:
    """The form that asks once more who it is, with what waits to be sent.

    Attributes:
        then: Where that goes, or where to go if nothing waits.
        carried: (name, value) of each field that waits.
        is_waiting: Whether something waits to be sent.
        duties_wait: Whether duties wait for the proof.
        has_passkey, has_totp, takes_card: What can be given as a proof.
    """

    name: str
    href: str
    action: str
    options: str
    then: str
    key: str
    carried: tuple[tuple[str, str], ...]
    is_waiting: bool
    duties_wait: bool
    has_passkey: bool
    has_totp: bool
    takes_card: bool
    faults: tuple[tuple[str, str], ...]
    code: Answer
    card: Answer


# ---------------------------------------------------------------- in and out


@route("/g/{slug:str}/sign-in", http_method=_READ, include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the ways in; whoever is in already goes on."""
    group, chosen, query = await group_and_language(request, slug)
    then = own_path(slug, request.query_params.get("next", f"/g/{slug}/me"))
    if await find_visitor(request) is not None:
        return go_to(then)
    return _sign_in_page(request, group, chosen, query, then)


@post("/g/{slug:str}/sign-in", include_in_schema=False)
async def sign_in(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Begin a session, or show the ways in again with what is wrong."""
    door: Door = request.app.state.door
    group, chosen, query = await group_and_language(request, slug)
    # There is no session yet whose token a form could carry.
    refuse_other_sites(door, request.scope["headers"])
    fields = await read_form(request)
    then = own_path(slug, field_whole(fields, "next"))
    by_passkey = "passkey" in fields
    try:
        passkey = read_passkey(fields, "passkey") if by_passkey else None
        made = await begin(
            request,
            await door.keeper.group_id(slug),
            card=None if by_passkey else field_text(fields, "card"),
            passkey=passkey,
            key=field_text(fields, "key"),
        )
    except (SignInFailed, NoAnswer, CodesWait, TooManyTries) as refusal:
        fault = _advice(refusal, chosen)
        status = status_of(refusal) if isinstance(refusal, Refusal) else 422
        return _sign_in_page(
            request, group, chosen, query, then, fields=fields, status=status,
            card_fault="" if by_passkey else fault, passkey_fault=fault if by_passkey else "",
        )  # fmt: skip
    return go_to(then, cookies=set_cookie(request, slug, made.secret))


@post("/g/{slug:str}/sign-out", include_in_schema=False)
async def sign_out(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """End the session on the server, and go to the public page."""
    door: Door = request.app.state.door
    _, _, query = await group_and_language(request, slug)
    visitor = await find_visitor(request)
    fields = await read_form(request)
    if visitor is not None:
        check_form(request, visitor, fields)
        actor = visitor.actor
        await sessions.end(door.house, actor.group_id, actor.member_id, visitor.session_id, now=door.clock())
    return go_to(f"/g/{slug}{query}", cookies=drop_cookie(request, slug))


# ---------------------------------------------------------------- once more


@route("/g/{slug:str}/prove", http_method=_READ, include_in_schema=False)
async def prove_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Ask for a proof, and go on from there."""
    here = await inside(request, slug)
    then = own_path(slug, request.query_params.get("next", f"/g/{slug}/me/ways-in"))
    return _prove_page(here, {}, then=then, is_waiting=False)


@post("/g/{slug:str}/prove", include_in_schema=False)
async def prove(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Take a proof; then the browser sends what waited, or goes on."""
    here = await inside(request, slug)
    fields = await read_form(request, size_max=_CARRIED_MAX, fields_max=_CARRIED_FIELDS_MAX)
    check_form(request, here.visitor, fields)
    secret = secret_of(request)
    assert secret is not None, "it was found by it"
    then = own_path(slug, field_whole(fields, THEN))
    is_waiting = field_text(fields, WAITING) == "yes"
    try:
        proof = Proof(
            code=field_text(fields, CODE) if CODE in fields else None,
            card=field_text(fields, CARD) if CARD in fields else None,
            passkey=read_passkey(fields, PASSKEY) if PASSKEY in fields else None,
            key=field_text(fields, KEY),
        )
        made = await prove_once_more(request, here.visitor, secret, proof)
    except (ProofFailed, NoAnswer, CodesWait) as refusal:
        status = status_of(refusal) if isinstance(refusal, Refusal) else 422
        return _prove_page(
            here, fields, then=then, is_waiting=is_waiting, fault=_advice(refusal, here.chosen), status=status
        )
    return go_to(then, cookies=set_cookie(request, slug, made.secret), again=is_waiting)


class ProofAsked:
    """The answer to somebody whose page said ``StepUpNeeded``: the form that proves it, with what they sent."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        request = self._request
        slug = request.path_params["slug"]
        here = await inside(request, slug)
        fields = form_of(request)
        is_waiting = fields is not None and request.method == "POST"
        query = request.scope["query_string"].decode("latin-1")
        then = own_path(slug, request.scope["path"] + (f"?{query}" if query else ""))
        page = _prove_page(here, fields or {}, then=then, is_waiting=is_waiting, status=403)
        await page(scope, receive, send)


def asks_for_proof(request: Request[Any, Any, Any]) -> bool:
    """Return whether a request is for a page of somebody who is signed in, who can prove who they are."""
    found = request.scope.get("state", {}).get("visitor")
    return found is not None and request.url.path.startswith("/g/")


SIGN_IN_PAGES: Final[list[HTTPRouteHandler]] = [sign_in_page, sign_in, sign_out, prove_page, prove]


# ---------------------------------------------------------------- what a passkey said


class NoAnswer(Exception):
    """A form for a passkey came without one: no script ran, or the device did not answer."""

    def __init__(self, advice: str) -> None:
        super().__init__(advice)
        self.advice = advice


def read_passkey(fields: Mapping[str, list[str]], name: str) -> Mapping[str, Any]:
    """Return what a script wrote into a form.

    Raises:
        NoAnswer: Nothing, or nothing that a browser gives.
    """
    said = field_whole(fields, name)
    if not said:
        raise NoAnswer(NO_SCRIPT)
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        raise NoAnswer(TRY_AGAIN) from None
    if not isinstance(answer, dict):
        raise NoAnswer(TRY_AGAIN)
    return answer


def _advice(refusal: Refusal | NoAnswer, chosen: Language) -> str:
    if isinstance(refusal, NoAnswer):
        return chosen.say(refusal.advice)
    if isinstance(refusal, SignInFailed):
        return chosen.say(N_("Look at it again: it may be mistyped, used already or too old"))
    if isinstance(refusal, ProofFailed):
        return chosen.say(N_("Try it again: a code is good once, and for half a minute"))
    return chosen.refusal(refusal)


# ---------------------------------------------------------------- pages


def _sign_in_page(
    request: Request[Any, Any, Any],
    group: PublicGroup,
    chosen: Language,
    query: str,
    then: str,
    *,
    fields: Mapping[str, list[str]] | None = None,
    card_fault: str = "",
    passkey_fault: str = "",
    status: int = 200,
) -> PrivatePage:
    slug = group.slug
    page = SignInPage(
        name=group.name,
        href=f"/g/{slug}{query}",
        action=f"/g/{slug}/sign-in{query}",
        options=f"/api/v1/groups/{slug}/sign-in/options",
        then=then,
        # Another key after a refusal: the card that is typed next is another one.
        key=secrets.token_hex(16),
        faults=tuple(
            (field, fault) for field, fault in (("card", card_fault), ("passkey", passkey_fault)) if fault
        ),
        card=Answer(field_text(fields or {}, "card"), card_fault),
        passkey_fault=passkey_fault,
        mail_action=f"/g/{group.slug}/sign-in/mail{query}" if is_offered(request) else "",
        join_href=f"/g/{slug}/join{query}",
        ask_href=f"/g/{slug}/ask{query}",
    )
    return PrivatePage(render("sign_in.html", page, chosen), chosen, status=status, with_script=True)


def _prove_page(
    here: Inside,
    fields: Mapping[str, list[str]],
    *,
    then: str,
    is_waiting: bool,
    fault: str = "",
    status: int = 200,
) -> PrivatePage:
    visitor, slug = here.visitor, here.group.slug
    faulty = next((name for name in (CODE, CARD, PASSKEY) if name in fields), CODE) if fault else ""
    page = ProvePage(
        name=here.group.name,
        href=here.href,
        action=here.path("/prove"),
        options=f"/api/v1/groups/{slug}/me/prove/options",
        then=then,
        key=secrets.token_hex(16),
        carried=tuple(
            (name, value) for name, values in fields.items() if name not in _OF_PROOF for value in values
        ),
        is_waiting=is_waiting,
        duties_wait=bool(visitor.duties_wait),
        has_passkey=visitor.has_passkey,
        has_totp=visitor.has_totp,
        takes_card=is_card_enough(visitor),
        faults=((faulty, fault),) if fault else (),
        code=Answer("", fault if faulty == CODE else ""),
        card=Answer("", fault if faulty == CARD else ""),
    )
    return here.page("prove.html", page, status=status, with_script=visitor.has_passkey)


def duty_location(here: Inside, below: str) -> str:
    """Return where somebody goes whose duty waits: to a proof and back, or to what they show another steward."""
    return here.path("/me/ways-in") if here.visitor.strong else prove_location(here, below)


def prove_location(here: Inside, below: str) -> str:
    """Return the address of the page that asks for a proof and leads to another page of the group."""
    back = quote(here.path(below), safe="")
    return f"/g/{here.group.slug}/prove?next={back}{here.query.replace('?', '&')}"
