"""The receipt of help that was written down: what happens now, the code to keep, and the way to take it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup, escape

from timebank.errors import N_
from timebank.ledger.units import MINUTES
from timebank.rules.commands import WithdrawHours
from timebank.rules.publication import SHELTERED
from timebank.rules.readiness import period_end
from timebank.services.overview import LoggedHours, read_logged
from timebank.services.receipts import Receipt, read_receipt
from timebank.web.hours_sight import ToldHours, sight_of_undo
from timebank.web.inside import Inside, inside, received
from timebank.web.log_sight import sentence, sentence_to_you
from timebank.web.money_pages import refusal_in_words
from timebank.web.rooms import LOG, Way, ways
from timebank.web.sending import form_key, new_key, send
from timebank.web.words import category_in_words, told

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup
    from timebank.web.sight import Sight

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: In the address of a receipt: the key of the form that wrote it, whose answer has the code.
SENT: Final = "sent"


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What was written, with the code that shows it is in the book.

    Attributes:
        title: What became of it.
        receipt: Code of what the book has of it; empty if that is not known here.
        waits: Whether it waits for a yes.
        proof: How far the receipt can be proved by now; ``proof_href`` is where to take it from.
        next: What happens now: (mark, sentence).
        can_undo: Whether a button takes it back; ``sight`` is what the public will see of that.
        fault: Why it was not taken back just now; mostly empty.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    sentence: str
    when: str
    written: str
    kind: str
    receipt: str
    waits: bool
    next: tuple[tuple[str, str], ...]
    can_undo: bool
    sight: Sight
    undo: str
    undo_hint: str
    key: str
    fault: str
    proof: str
    proof_href: str
    log_href: str
    home_href: str


@route("/g/{slug:str}/log/{hours_id:uuid}", http_method=_READ, include_in_schema=False)
async def receipt_page(
    request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]
) -> ASGIApp:
    """Show what was written, and the way to take it back."""
    here = await inside(request, slug)
    house, actor = here.door.house, here.actor
    logged = await read_logged(house, actor, hours_id, key=form_key(request.query_params.get(SENT, "")))
    proof = await read_receipt(house, actor, hours_id, opened=False) if logged.is_posted else None
    return here.page("receipt.html", _receipt(here, logged, proof))


@post("/g/{slug:str}/log/{hours_id:uuid}/undo", include_in_schema=False)
async def undo_log(request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]) -> ASGIApp:
    """Take one's own slip back: a second line, nothing is rubbed out."""
    here, fields = await received(request, slug)
    # Hours of others look like none before anything is written about them.
    await read_logged(here.door.house, here.actor, hours_id)
    sent = await send(here, fields, WithdrawHours(hours_id))
    if sent.is_refused:
        logged = await read_logged(here.door.house, here.actor, hours_id)
        told = refusal_in_words(sent, MINUTES, here.chosen)
        return here.page("receipt.html", _receipt(here, logged, None, fault=told), status=sent.status)
    return here.go(f"{LOG}/{hours_id}")


RECEIPT_PAGES: Final[list[HTTPRouteHandler]] = [receipt_page, undo_log]


def what_happened(logged: LoggedHours, chosen: Language) -> Markup:
    """Return who helped whom as one of them reads it, or whoever wrote it down for them."""
    if logged.i_gave:
        return sentence_to_you(logged.receiver, chosen, gave=True)
    if logged.i_received:
        return sentence_to_you(logged.giver, chosen, gave=False)
    nobody = chosen.say(N_("A neighbour"))
    receiver = "" if logged.receiver is None else logged.receiver or nobody
    return sentence(receiver, logged.giver or nobody, chosen, gave=True)


def _receipt(here: Inside, logged: LoggedHours, proof: Receipt | None, *, fault: str = "") -> ReceiptPage:
    chosen = here.chosen
    said = (what_happened(logged, chosen), chosen.hours(logged.minutes))
    zone = ZoneInfo(logged.rules.time_zone)
    gone = logged.state in {"withdrawn", "settled"}
    if gone:
        title = chosen.say(N_("It is taken back"))
    elif logged.is_posted:
        title = chosen.say(N_("It is in the book. Thank you."))
    else:
        title = chosen.say(N_("It is noted, and waits for a yes"))
    return ReceiptPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        title=title,
        sentence=Markup(chosen.listed([escape(part) for part in said])),  # noqa: S704 - parts are escaped
        when=chosen.day(logged.effective_on),
        written=chosen.day(logged.logged_at.astimezone(zone).date()),
        kind=category_in_words(logged.category, chosen),
        receipt=logged.receipt,
        waits=not logged.is_posted and not gone,
        next=_next(logged, zone, chosen, here.group),
        proof=_proof(proof, chosen),
        proof_href=f"/api/v1/groups/{here.group.slug}/me/receipts/{logged.id}" if proof else "",
        can_undo=logged.may_withdraw,
        sight=sight_of_undo(
            here,
            logged.rules,
            here.door.clock().astimezone(zone).date(),
            ToldHours(
                logged.minutes,
                logged.effective_on,
                logged.category,
                logged.is_posted,
                logged.receiver is None,
            ),
        ),
        undo=here.path(f"{LOG}/{logged.id}/undo"),
        undo_hint=chosen.say(
            N_("Undo writes a second line that takes this one back. Nothing is rubbed out.")
            if logged.is_posted
            else N_("Undo takes it back before it comes into the book.")
        ),
        key=new_key(),
        fault=fault,
        log_href=here.path(LOG),
        home_href=here.path("/me"),
    )


def _proof(proof: Receipt | None, chosen: Language) -> str:
    """Return how far the receipt reaches by now; empty while there is no entry."""
    if proof is None:
        return ""
    if proof.inclusion is None:
        return chosen.say(
            N_(
                "Once it is published, this page has the proof that it stands in the public log. Come back then."
            )
        )
    return chosen.say(
        N_("It stands in the public log, as leaf %(number)s. With the proof anybody can check that."),
        number=chosen.number(proof.inclusion.index),
    )


def _next(
    logged: LoggedHours, zone: ZoneInfo, chosen: Language, group: PublicGroup
) -> tuple[tuple[str, str], ...]:
    """Return what happens now: what is done, what is on its way, what is still to come."""
    time = chosen.hours(logged.minutes)
    other = (logged.giver if logged.i_received else logged.receiver) or chosen.say(N_("the other one"))
    if logged.state in {"withdrawn", "settled"}:
        said = N_("These %(time)s do not count any more. The receipt still holds: the book shows both lines.")
        if not logged.is_posted:
            said = N_("These %(time)s do not count, and the book never had them.")
        return (("solid", chosen.say(said, time=time)),)
    day = logged.logged_at.astimezone(zone).date()
    if not logged.is_posted:
        until = day + timedelta(days=logged.rules.confirm_days)
        asked = told(
            chosen,
            N_("%(name)s is asked whether this is right. No answer by %(day)s counts as a yes."),
            {"name": other},
            day=chosen.weekday(until),
        )
        return (("hatched", asked), ("hollow", chosen.say(N_("Then it comes into the book."))))
    if logged.receiver is None:
        first = chosen.say(N_("The %(time)s are in the pot."), time=time)
    elif logged.rules.time_bank:
        first = chosen.say(N_("The %(time)s went from one of you to the other."), time=time)
    else:
        first = chosen.say(N_("The %(time)s are in the pot, and the pot has answered."), time=time)
    out = period_end(group.preset, max(day, logged.effective_on)) + timedelta(days=1)
    seen = N_("The public sees it on %(day)s at the earliest, as one line without names.")
    if group.preset == SHELTERED:
        seen = N_("The public sees it on %(day)s at the earliest, as a part of the totals of a month.")
    public = chosen.say(seen, day=chosen.weekday(out))
    steps = [("solid", first), ("hollow", public)]
    if logged.receiver is not None and logged.state == "logged" and not logged.rules.time_bank:
        may = told(chosen, N_("%(name)s can say that it was not quite like that."), {"name": other})
        steps.insert(1, ("hatched", may))
    return tuple(steps)
