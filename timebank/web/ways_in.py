"""Handlers of the pages where somebody sees and changes their own ways in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.edge.problems import status_of
from timebank.edge.qr import qr_inline
from timebank.edge.sessions import place_of, secret_of, set_cookie
from timebank.errors import (
    N_,
    CardNeeded,
    FieldInvalid,
    PasskeyTaken,
    ProofFailed,
    Refusal,
    StepUpNeeded,
    UnknownCard,
    UnknownPage,
    UnknownPasskey,
    UnknownSession,
)
from timebank.services import cards, duties, passkeys, sessions, totp, ways_in
from timebank.services.enrolment import check_may_change
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.sign_in import NoAnswer, prove_location, read_passkey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.services.totp import NewTotp
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
HERE: Final = "/me/ways-in"

_WAYS: Final = {
    "card": N_("with a card"),
    "mail": N_("with a link by mail"),
    "passkey": N_("with a passkey"),
    "recovery": N_("with a card to start anew"),
    "set_up": N_("when the group was set up"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One way in, or one session; ``words`` say what it is and since when."""

    id: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class WaysInPage:
    """Everything somebody signs in with.

    Attributes:
        action: What the addresses of the forms begin with.
        query: ``?lang=es`` if the address named a language, else empty.
        can_change: Whether passkeys and the app can be changed now.
        prove_href: Where to prove it first; empty where that would not help.
        needs_card: Whether only a sign-in with a card would help.
        word: What another steward has to see before one's duties are there; empty where they do not wait for that.
        this_session: What the session that reads this is.
        faults: (field, what to do about it).
    """

    name: str
    href: str
    action: str
    query: str
    can_change: bool
    prove_href: str
    needs_card: bool
    word: str
    carries_duty: bool
    options: str
    passkeys: tuple[Row, ...]
    has_totp: bool
    cards: tuple[Row, ...]
    this_session: str
    sessions: tuple[Row, ...]
    faults: tuple[tuple[str, str], ...]
    device: Answer
    passkey_fault: str


@dataclass(frozen=True, slots=True)
class AppPage:
    """An app that is being set up: a drawing to scan and letters to type.

    Attributes:
        qr: The drawing, as SVG.
        secret: In groups of four.
    """

    name: str
    href: str
    action: str
    back: str
    qr: Markup
    address: str
    secret: str
    nonce: str
    faults: tuple[tuple[str, str], ...]
    code: Answer


@dataclass(frozen=True, slots=True)
class CardPage:
    """A fresh card, to print or to copy; its code is shown this once.

    Attributes:
        address: Where it is typed in.
        until: Last day on which it works.
    """

    name: str
    href: str
    back: str
    code: str
    address: str
    until: str


@route("/g/{slug:str}/me/ways-in", http_method=_READ, include_in_schema=False)
async def ways_in_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show one's own ways in."""
    return await _page(await inside(request, slug))


@post("/g/{slug:str}/me/ways-in/{act:str}", include_in_schema=False)
async def change_ways_in(request: Request[Any, Any, Any], slug: FromPath[str], act: FromPath[str]) -> ASGIApp:
    """Do what a button of the page says, and show the page again."""
    here, fields = await received(request, slug)
    do = _ACTS.get(act)
    if do is None:
        raise UnknownPage
    try:
        return await do(request, here, fields)
    except (FieldInvalid, PasskeyTaken, ProofFailed, NoAnswer) as refusal:
        status = status_of(refusal) if isinstance(refusal, Refusal) else 422
        return await _page(here, fields=fields, refusal=refusal, status=status)
    except (UnknownCard, UnknownPasskey, UnknownSession):
        # The page was older than what it is about; the new one says what is there.
        return here.go(HERE)


@route("/g/{slug:str}/me/ways-in/new-app", http_method=_READ, include_in_schema=False)
async def app_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what an app is set up with."""
    here = await inside(request, slug)
    check_may_change(here.visitor)
    name, nickname = await ways_in.names_of(here.door.house, here.actor)
    return _app_page(here, totp.offer_totp(here.door.house, here.visitor, group_name=name, nickname=nickname))


WAYS_IN_PAGES: Final[list[HTTPRouteHandler]] = [ways_in_page, app_page, change_ways_in]


# ---------------------------------------------------------------- doing


async def _add_passkey(
    request: Request[Any, Any, Any], here: Inside, fields: Mapping[str, list[str]]
) -> PrivatePage:
    made = await passkeys.add_passkey(
        here.door.house,
        here.visitor,
        _secret(request),
        read_passkey(fields, "passkey"),
        place_of(request, here.group.name),
        name=field_text(fields, "device"),
        now=here.door.clock(),
    )
    return here.go(HERE, cookies=set_cookie(request, here.group.slug, made.secret))


async def _remove_passkey(
    _request: Request[Any, Any, Any], here: Inside, fields: Mapping[str, list[str]]
) -> PrivatePage:
    passkey_id = _id(fields, UnknownPasskey)
    await passkeys.remove_passkey(here.door.house, here.visitor, passkey_id, now=here.door.clock())
    return here.go(HERE)


async def _add_app(
    request: Request[Any, Any, Any], here: Inside, fields: Mapping[str, list[str]]
) -> PrivatePage:
    nonce = field_text(fields, "nonce")
    try:
        made = await totp.add_totp(
            here.door.house,
            here.visitor,
            _secret(request),
            nonce=nonce,
            code=field_text(fields, "code"),
            now=here.door.clock(),
        )
    except ProofFailed as refusal:
        name, nickname = await ways_in.names_of(here.door.house, here.actor)
        offered = totp.totp_of(here.door.house, here.visitor, nonce, group_name=name, nickname=nickname)
        fault = here.chosen.say(N_("Type the six digits that the app shows now"))
        return _app_page(here, offered, fault=fault, status=status_of(refusal))
    return here.go(HERE, cookies=set_cookie(request, here.group.slug, made.secret))


async def _remove_app(
    _request: Request[Any, Any, Any], here: Inside, _fields: Mapping[str, list[str]]
) -> PrivatePage:
    await totp.remove_totp(here.door.house, here.visitor)
    return here.go(HERE)


async def _make_card(
    request: Request[Any, Any, Any], here: Inside, _fields: Mapping[str, list[str]]
) -> PrivatePage:
    actor = here.actor
    made = await cards.make_card_for(here.door.house, actor, actor.member_id, now=here.door.clock())
    return card_page(request, here, made.code, made.expires_at, back=here.path(HERE))


async def _revoke_card(
    _request: Request[Any, Any, Any], here: Inside, fields: Mapping[str, list[str]]
) -> PrivatePage:
    await cards.revoke_card(here.door.house, here.actor, _id(fields, UnknownCard), now=here.door.clock())
    return here.go(HERE)


async def _end_session(
    _request: Request[Any, Any, Any], here: Inside, fields: Mapping[str, list[str]]
) -> PrivatePage:
    actor, session_id = here.actor, _id(fields, UnknownSession)
    await sessions.end(here.door.house, actor.group_id, actor.member_id, session_id, now=here.door.clock())
    return here.go(HERE)


async def _end_others(
    _request: Request[Any, Any, Any], here: Inside, _fields: Mapping[str, list[str]]
) -> PrivatePage:
    actor = here.actor
    await sessions.end_all(
        here.door.house,
        actor.group_id,
        actor.member_id,
        now=here.door.clock(),
        besides=here.visitor.session_id,
    )
    return here.go(HERE)


_ACTS: Final = {
    "passkey": _add_passkey,
    "passkey-remove": _remove_passkey,
    "app": _add_app,
    "app-remove": _remove_app,
    "card": _make_card,
    "card-revoke": _revoke_card,
    "session-end": _end_session,
    "sessions-end": _end_others,
}


def _secret(request: Request[Any, Any, Any]) -> str:
    secret = secret_of(request)
    assert secret is not None, "whoever reads this was found by it"
    return secret


def _id(fields: Mapping[str, list[str]], missing: type[Refusal]) -> UUID:
    try:
        return UUID(field_text(fields, "id"))
    except ValueError:
        raise missing from None


# ---------------------------------------------------------------- pages


async def _page(
    here: Inside,
    *,
    fields: Mapping[str, list[str]] | None = None,
    refusal: Refusal | NoAnswer | None = None,
    status: int = 200,
) -> PrivatePage:
    house, visitor, now = here.door.house, here.visitor, here.door.clock()
    actor = here.actor
    zone = ZoneInfo(await ways_in.time_zone_of(house, actor.group_id))
    own = await passkeys.list_own(house, visitor)
    rows = await cards.list_cards(house, actor, actor.member_id, now=now)
    held = await sessions.list_sessions(house, actor.group_id, actor.member_id, now=now)
    why = _why_not(here)
    fault = _advice(refusal, here) if refusal else ""
    field = "device" if isinstance(refusal, FieldInvalid) and refusal.params["field"] == "name" else "passkey"

    def day(moment: datetime) -> str:
        return here.chosen.day_month_year(moment.astimezone(zone).date())

    page = WaysInPage(
        name=here.group.name,
        href=here.href,
        action=f"/g/{here.group.slug}{HERE}",
        query=here.query,
        can_change=why is None,
        prove_href=prove_location(here, HERE) if isinstance(why, StepUpNeeded) else "",
        needs_card=isinstance(why, CardNeeded),
        word=await duties.find_word(house, visitor),
        carries_duty=bool(visitor.duties),
        options=f"/api/v1/groups/{here.group.slug}/me/passkeys/options",
        passkeys=tuple(
            Row(str(each.passkey_id), each.name, here.chosen.say(ADDED, day=day(each.added_at)))
            for each in own
        ),
        has_totp=visitor.has_totp,
        cards=tuple(
            Row(
                str(row.card_id),
                "",
                here.chosen.say(PRINTED, day=day(row.made_at), until=day(row.expires_at)),
            )
            for row in rows
        ),
        this_session=here.chosen.say(
            SINCE, day=day(visitor.begun_at), way=here.chosen.say(_WAYS[visitor.way])
        ),
        sessions=tuple(
            Row(
                str(row.session_id),
                "",
                here.chosen.say(SINCE, day=day(row.begun_at), way=here.chosen.say(_WAYS[row.way])),
            )
            for row in held
            if row.session_id != visitor.session_id
        ),
        faults=((field, fault),) if fault else (),
        device=Answer(field_text(fields or {}, "device"), fault if field == "device" else ""),
        passkey_fault=fault if field == "passkey" else "",
    )
    return here.page("ways_in.html", page, status=status, with_script=True)


ADDED: Final = N_("added on %(day)s")
PRINTED: Final = N_("printed on %(day)s, works once until %(until)s")
SINCE: Final = N_("since %(day)s, %(way)s")


def _why_not(here: Inside) -> Refusal | None:
    try:
        check_may_change(here.visitor)
    except (CardNeeded, StepUpNeeded) as refusal:
        return refusal
    return None


def _advice(refusal: Refusal | NoAnswer, here: Inside) -> str:
    if isinstance(refusal, NoAnswer):
        return here.chosen.say(refusal.advice)
    if isinstance(refusal, FieldInvalid) and refusal.params["field"] == "name":
        return here.chosen.say(N_("Write a name for this device, 40 characters at most"))
    if isinstance(refusal, FieldInvalid):
        return here.chosen.say(N_("Take one of your passkeys away first: there are as many as can be"))
    if isinstance(refusal, ProofFailed):
        return here.chosen.say(N_("Try it again: your device did not answer for this page"))
    return here.chosen.refusal(refusal)


def _app_page(here: Inside, offered: NewTotp, *, fault: str = "", status: int = 200) -> PrivatePage:
    page = AppPage(
        name=here.group.name,
        href=here.href,
        action=here.path(f"{HERE}/app"),
        back=here.path(HERE),
        # It is made of numbers only; what was put into it is in the drawing, not in the text.
        qr=qr_inline(offered.address),
        address=offered.address,
        secret=" ".join(offered.secret[at : at + 4] for at in range(0, len(offered.secret), 4)),
        nonce=offered.nonce,
        faults=(("code", fault),) if fault else (),
        code=Answer("", fault),
    )
    return here.page("ways_in_app.html", page, status=status)


def card_page(
    request: Request[Any, Any, Any], here: Inside, code: str, expires_at: datetime, *, back: str
) -> PrivatePage:
    """Return a fresh card to print, for oneself or, printed by a steward, for somebody else."""
    last = here.chosen.day_month_year((expires_at).date())
    address = f"{place_of(request, '').origin}/g/{here.group.slug}/sign-in"
    page = CardPage(here.group.name, here.href, back, code, address, last)
    return here.page("card.html", page)
