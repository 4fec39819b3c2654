"""Invitations: making them, the card to print with its QR code, and ending them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.edge.qr import qr_inline
from timebank.edge.sessions import origin_of
from timebank.errors import N_, UnknownInvitation
from timebank.refusal_words import DUTIES
from timebank.rules.people import NAMED_DUTIES, may_give
from timebank.services import joining as service
from timebank.services.joining import DAYS_MAX, USES_MAX, invitation_secret
from timebank.services.ways_in import time_zone_of
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside
from timebank.web.people import INVITATIONS
from timebank.web.private import PrivatePage
from timebank.web.rooms import PEOPLE, Way, ways
from timebank.web.sending import act, new_key
from timebank.web.stewards import READ, Option, done, done_in_words, steward_reads, steward_sends
from timebank.web.words import duties_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.store.invitations import InvitationRow

_USES: Final = "1"
_DAYS: Final = "14"
_STATES: Final[Mapping[str, str]] = {
    "open": N_("open"),
    "used_up": N_("used up"),
    "expired": N_("over"),
    "revoked": N_("taken back"),
}
_SHOWN: Final = 50
#: So many cards go on a sheet, to cut apart.
_ON_A_SHEET: Final = 4


class InvitationLine(NamedTuple):
    """An invitation; ``card_href`` leads to its card while it is open."""

    id: str
    words: str
    age: str
    card_href: str
    action: str
    key: str


@dataclass(frozen=True, slots=True)
class InvitationsPage:
    """The group's invitations, those that are open first, and the form for another."""

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    told: str
    faults: tuple[tuple[str, str], ...]
    invitations: tuple[InvitationLine, ...]
    action: str
    key: str
    uses: Answer
    days: Answer
    roles: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class InvitationCard:
    """An invitation to print.

    Attributes:
        qr: The address as a drawing.
        copies: How many cards the sheet has besides the one on the screen.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    address: str
    qr: Markup
    holds: str
    duties: str
    copies: int


@route("/g/{slug:str}/people/invitations", http_method=READ, include_in_schema=False)
async def invitations_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the invitations."""
    here = await steward_reads(request, slug, INVITATIONS)
    if isinstance(here, PrivatePage):
        return here
    return await _page(here, told=done_in_words(request, here.chosen))


@post("/g/{slug:str}/people/invitations", include_in_schema=False)
async def invite(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Make an invitation, and show its card."""
    here, fields = await steward_sends(request, slug)
    uses, days = _whole(field_text(fields, "uses")), _whole(field_text(fields, "days"))
    faults = {}
    if not 1 <= uses <= USES_MAX:
        faults["uses"] = here.chosen.say(
            N_("Write a number from 1 to %(most)s"), most=here.chosen.number(USES_MAX)
        )
    if not 1 <= days <= DAYS_MAX:
        faults["days"] = here.chosen.say(
            N_("Write a number from 1 to %(most)s"), most=here.chosen.number(DAYS_MAX)
        )
    if faults:
        return await _page(here, fields, faults, status=422)
    roles = [role for role in DUTIES if role in fields.get("roles", ()) and role in NAMED_DUTIES]
    sent = await act(
        here,
        fields,
        ("invite", uses, days, roles),
        lambda once: service.make_invitation(
            here.door.house, here.actor, once, roles=roles, uses=uses, days=days
        ),
    )
    if sent.is_refused:
        return await _page(here, fields, {"roles": sent.sentence}, status=sent.status)
    return here.go(f"{INVITATIONS}/{sent.body['id']}")


@route("/g/{slug:str}/people/invitations/{invitation_id:uuid}", http_method=READ, include_in_schema=False)
async def invitation_card(
    request: Request[Any, Any, Any], slug: FromPath[str], invitation_id: FromPath[UUID]
) -> ASGIApp:
    """Show an invitation as a card to print."""
    here = await steward_reads(request, slug, f"{INVITATIONS}/{invitation_id}")
    if isinstance(here, PrivatePage):
        return here
    rows = await service.list_invitations(here.door.house, here.actor, now=here.door.clock())
    row = next((row for row in rows if row.invitation_id == invitation_id), None)
    if row is None or row.state(here.door.clock()) != "open":
        raise UnknownInvitation
    secret = invitation_secret(here.door.house, here.actor.group_id, invitation_id)
    address = f"{origin_of(request)}/g/{slug}/join/{secret}"
    page = InvitationCard(
        name=here.group.name,
        href=here.href,
        ways=ways(here, PEOPLE),
        back=here.path(INVITATIONS),
        address=address,
        # It is made of numbers only; what was put into it is in the drawing, not in the text.
        qr=qr_inline(address),
        holds=_holds(here, row, await _zone(here)),
        duties=duties_in_words(row.roles, here.chosen),
        copies=_ON_A_SHEET - 1 if row.uses_max - row.uses > 1 else 0,
    )
    return here.page("invitation.html", page)


@post("/g/{slug:str}/people/invitations/{invitation_id:uuid}", include_in_schema=False)
async def revoke(
    request: Request[Any, Any, Any], slug: FromPath[str], invitation_id: FromPath[UUID]
) -> ASGIApp:
    """End an invitation."""
    here, fields = await steward_sends(request, slug)
    sent = await act(
        here,
        fields,
        ("revoke", invitation_id),
        lambda once: service.revoke_invitation(here.door.house, here.actor, once, invitation_id),
    )
    if sent.status == 404:
        raise UnknownInvitation
    if sent.is_refused:
        return await _page(here, fields, {str(invitation_id): sent.sentence}, status=sent.status)
    return done(here, INVITATIONS, "revoked")


INVITATION_PAGES: Final[list[HTTPRouteHandler]] = [invitations_page, invite, invitation_card, revoke]


def _whole(said: str) -> int:
    said = said.strip()
    return int(said) if said.isdecimal() and len(said) <= 4 else 0


# ---------------------------------------------------------------- pages


async def _page(
    here: Inside,
    fields: Mapping[str, list[str]] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    told: str = "",
    status: int = 200,
) -> PrivatePage:
    said, wrong, zone = fields or {}, faults or {}, await _zone(here)
    rows = await service.list_invitations(here.door.house, here.actor, now=here.door.clock())
    page = InvitationsPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, PEOPLE),
        back=here.path(PEOPLE),
        told=told,
        faults=tuple(wrong.items()),
        invitations=tuple(_line(here, row, zone) for row in rows[:_SHOWN]),
        action=here.path(INVITATIONS),
        key=new_key(),
        uses=Answer(field_text(said, "uses") or _USES, wrong.get("uses", "")),
        days=Answer(field_text(said, "days") or _DAYS, wrong.get("days", "")),
        roles=tuple(
            Option(role, here.chosen.say(words), role in said.get("roles", ()))
            for role, words in DUTIES.items()
            if role in NAMED_DUTIES and may_give(here.actor.roles, (role,))
        ),
    )
    return here.page("invitations.html", page, status=status)


def _line(here: Inside, row: InvitationRow, zone: ZoneInfo) -> InvitationLine:
    chosen, state = here.chosen, row.state(here.door.clock())
    words = chosen.say(
        N_("%(used)s of %(most)s joined by it"),
        used=chosen.number(row.uses),
        most=chosen.number(row.uses_max),
    )
    if row.roles:
        words = f"{words} · {duties_in_words(row.roles, chosen)}"
    path = f"{INVITATIONS}/{row.invitation_id}"
    is_open = state == "open"
    return InvitationLine(
        id=str(row.invitation_id),
        words=words,
        age=_holds(here, row, zone) if is_open else chosen.say(_STATES[state]),
        card_href=here.path(path) if is_open else "",
        action=here.path(path) if is_open else "",
        key=new_key(),
    )


async def _zone(here: Inside) -> ZoneInfo:
    return ZoneInfo(await time_zone_of(here.door.house, here.actor.group_id))


def _holds(here: Inside, row: InvitationRow, zone: ZoneInfo) -> str:
    """Return how often an invitation still opens, and until when."""
    chosen = here.chosen
    return chosen.say_many(
        "for %(count)s person, until %(day)s",
        "for %(count)s people, until %(day)s",
        row.uses_max - row.uses,
        day=chosen.day_month_year(row.expires_at.astimezone(zone).date()),
    )
