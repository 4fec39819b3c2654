"""What a treasurer hands over: promised money only, with how to reach and pay whoever asked, and where from.

What is not needed any more goes back to the pot from here; what was handed over lately can be undone on its receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.ledger.entries import EntryKind
from timebank.ledger.units import MINUTES
from timebank.rules.commands import HandOver, ReleaseDraw
from timebank.services.draws import Papers, list_draws, read_draw, read_papers
from timebank.services.overview import today_of
from timebank.services.treasury import list_held, list_money
from timebank.web.ask import policy_words
from timebank.web.draw_sight import draw_sight
from timebank.web.forms import Answer, field_text, is_look
from timebank.web.inside import Inside, inside, received
from timebank.web.log_reading import read_past_day
from timebank.web.money_in import ENTRIES
from timebank.web.money_pages import draw_words, proof_words, read_sum, refusal_in_words
from timebank.web.private import go_to
from timebank.web.rooms import PAY, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import Sight, published_from
from timebank.web.sign_in import duty_location
from timebank.web.words import amounts_of, category_in_words, place_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.state import SetUp
    from timebank.services.draws import DrawView
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_PAGE: Final = 200

_DONE: Final = {
    "1": N_("It is written: handed over. Whoever asked is asked whether it has arrived."),
    "back": N_("It is written: back in the pot."),
}
#: Of what was handed over lately, so much stands on the page.
_LATELY: Final = 10

_FIELD_OF: Final = {
    "more_than_promised": "amount",
    "amount_out_of_range": "amount",
    "unknown_held_place": "held",
    "below_floor": "held",
    "date_in_future": "day",
    "date_before_begin": "day",
}


class Held(NamedTuple):
    """A place that money can be taken from."""

    code: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Promise:
    """Promised money that waits to be handed over.

    Attributes:
        about: Kind, and the day by which it is needed.
        why_not: Why somebody else hands it over; empty if the reader may.
        papers: How to reach and pay whoever asked, once the reader looked.
        receipts: Whether a receipt can be looked at.
        is_open: Whether the form stands open: the only one, or somebody is at it.
        sight: What the public will see of it; ``told`` whether all of that is known, ``looked`` whether somebody asked.
    """

    id: str
    short: str
    title: str
    age: str
    about: str
    why_not: str
    papers_action: str
    papers: Papers | None
    action: str
    key: str
    places: tuple[Held, ...]
    held_fault: str
    amount: Answer
    day: Answer
    receipts: bool
    receipt_fault: str
    form_fault: str
    sight: Sight
    told: bool
    looked: bool
    amount_words: str
    release_action: str
    release_key: str
    back: Answer
    back_open: bool
    is_open: bool


class Handed(NamedTuple):
    """Money that was handed over lately; ``about`` says whether it has arrived, ``mark`` is solid once it has."""

    href: str
    what: str
    about: str
    mark: str


@dataclass(frozen=True, slots=True)
class PayPage:
    """What waits to be handed over.

    Attributes:
        said: What was just done; mostly empty.
        few: What those with a duty will see of it.
        proof: What is said about the fresh proof that it takes; empty while the last one is fresh.
        totals: All that is promised, by currency.
        handed: What was handed over lately, newest first.
        printed: The day, for paper.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    said: str
    today: str
    faults: tuple[tuple[str, str], ...]
    promises: tuple[Promise, ...]
    few: str
    proof: str
    totals: tuple[str, ...]
    handed: tuple[Handed, ...]
    printed: str


class _Shown(NamedTuple):
    """What of one promise is shown besides: faults by field with what stood there, or the papers."""

    draw_id: UUID
    faults: Mapping[str, str]
    fields: Mapping[str, list[str]]
    papers: Papers | None = None


@route("/g/{slug:str}/pay", http_method=_READ, include_in_schema=False)
async def pay_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what waits to be handed over."""
    here = await inside(request, slug)
    if "treasurer" in here.visitor.duties_wait:
        return go_to(duty_location(here, PAY))
    return await _page(here, said=_DONE.get(request.query_params.get("done", ""), ""))


@post("/g/{slug:str}/pay/{draw_id:uuid}/papers", include_in_schema=False)
async def show_papers(
    request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]
) -> ASGIApp:
    """Show how to reach and pay whoever asked; that is written down, and shown to that person."""
    here, _ = await received(request, slug)
    papers = await read_papers(here.door.house, here.actor, draw_id, now=here.door.clock())
    return await _page(here, _Shown(draw_id, {}, {}, papers))


@post("/g/{slug:str}/pay/{draw_id:uuid}", include_in_schema=False)
async def hand_it_over(
    request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]
) -> ASGIApp:
    """Write down that promised money was handed over."""
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer")
    view = await read_draw(here.door.house, here.actor, draw_id, now=here.door.clock())
    rules, today = await today_of(here.door.house, here.actor.group_id, now=here.door.clock())
    command, faults = _read(view, rules, today, fields, here.chosen)
    if command is None:
        return await _page(here, _Shown(draw_id, faults, fields), status=422)
    if is_look(fields):
        return await _page(here, _Shown(draw_id, {}, fields))
    here.actor.require_fresh()
    sent = await send(here, fields, command)
    if sent.is_refused:
        told = _refused(sent, view, here.chosen)
        return await _page(here, _Shown(draw_id, told, fields), status=sent.status)
    return go_to(here.path(PAY) + ("&" if here.query else "?") + "done=1")


@post("/g/{slug:str}/pay/{draw_id:uuid}/back", include_in_schema=False)
async def give_back(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Give what is promised back to the pot, in whole or in part."""
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer")
    view = await read_draw(here.door.house, here.actor, draw_id, now=here.door.clock())
    amount, fault = read_sum(field_text(fields, "back"), view.pot.unit, here.chosen)
    if fault:
        return await _page(here, _Shown(draw_id, {"back": fault}, fields), status=422)
    sent = await send(here, fields, ReleaseDraw(draw_id, amount, view.pot.unit))
    if sent.is_refused:
        told = refusal_in_words(sent, view.pot.unit, here.chosen)
        return await _page(here, _Shown(draw_id, {"back": told}, fields), status=sent.status)
    return go_to(here.path(PAY) + ("&" if here.query else "?") + "done=back")


PAY_PAGES: Final[list[HTTPRouteHandler]] = [pay_page, show_papers, hand_it_over, give_back]


def _read(
    view: DrawView, rules: SetUp, today: date, fields: Mapping[str, list[str]], chosen: Language
) -> tuple[HandOver | None, dict[str, str]]:
    faults = dict[str, str]()
    held = field_text(fields, "held")
    place = rules.held.get(held)
    if place is None or place.unit != view.pot.unit:
        faults["held"] = chosen.say(N_("Choose where the money is taken from"))
    amount, fault = read_sum(field_text(fields, "amount"), view.pot.unit, chosen)
    if fault:
        faults["amount"] = fault
    written = field_text(fields, "day").strip()
    # No day is the one on which it is written down.
    day, fault = read_past_day(written, rules, today, chosen) if written else (None, "")
    if fault:
        faults["day"] = fault
    if faults:
        return None, faults
    receipt = field_text(fields, "receipt") == "yes"
    return HandOver(view.draw.draw_id, held, amount, day, view.pot.unit, receipt), {}


def _sight(
    here: Inside, rules: SetUp, view: DrawView, today: date, amount: str, day: str
) -> tuple[Sight, bool]:
    """Return what the public will see of what the form of a promise says, and whether all of that is known."""
    chosen, written = here.chosen, day.strip()
    read, amount_fault = read_sum(amount, view.pot.unit, chosen)
    found, day_fault = read_past_day(written, rules, today, chosen) if written else (today, "")
    on = found or today
    sight = draw_sight(
        here,
        rules,
        view.pot,
        amount=None if amount_fault else read,
        category=view.draw.category,
        day=on,
        words=published_from(on, today, chosen, here.group),
    )
    return sight, not amount_fault and not day_fault


def _refused(sent: Sent, view: DrawView, chosen: Language) -> dict[str, str]:
    if sent.code != "policy_refuses":
        return {_FIELD_OF.get(sent.code, "form"): refusal_in_words(sent, view.pot.unit, chosen)}
    field = {"rhythm": "day", "receipts": "receipt"}.get(str(sent.body.get("rule", "")), "form")
    return {field: policy_words(sent.body, amounts_of(view.pot.unit, chosen))}


async def _page(
    here: Inside, shown: _Shown | None = None, *, said: str = "", status: int = 200
) -> PrivatePage:
    here.actor.require_role("treasurer")
    chosen = here.chosen
    rules, today = await today_of(here.door.house, here.actor.group_id, now=here.door.clock())
    waiting = [view for view in await _promised(here) if view.pot.unit != MINUTES]
    closed = {place.code for place in await list_held(here.door.house, here.actor) if place.closed}
    page = PayPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, PAY),
        said=chosen.say(said) if said else "",
        today=today.isoformat(),
        faults=_faults(here, shown, waiting),
        promises=tuple(
            _promise(here, view, rules, today, shown, closed, alone=len(waiting) == 1) for view in waiting
        ),
        few=chosen.say(N_("From where to where, how much, and on which day.")),
        proof=proof_words(here),
        totals=_totals(waiting, chosen),
        handed=await _handed(here),
        printed=chosen.day_month_year(today),
    )
    return here.page("pay.html", page, status=status, with_script=True)


def _faults(here: Inside, shown: _Shown | None, waiting: list[DrawView]) -> tuple[tuple[str, str], ...]:
    """Return what is wrong, with the field; what somebody else did meanwhile leads to what was done lately."""
    if shown is None:
        return ()
    if all(view.draw.draw_id != shown.draw_id for view in waiting):
        told = here.chosen.say(
            N_(
                "Look at what was handed over lately: this ask does not wait any more, and nothing was written just now"
            )
        )
        return (("lately", told),)
    return tuple((f"{field}-{shown.draw_id}", text) for field, text in shown.faults.items())


def _totals(waiting: list[DrawView], chosen: Language) -> tuple[str, ...]:
    sums = dict[str, int]()
    for view in waiting:
        sums[view.pot.unit] = sums.get(view.pot.unit, 0) + view.draw.left
    return tuple(amounts_of(unit, chosen).words(total) for unit, total in sums.items())


async def _handed(here: Inside) -> tuple[Handed, ...]:
    chosen = here.chosen
    entries = await list_money(here.door.house, here.actor, kind=EntryKind.HAND_OVER, limit=_LATELY)
    return tuple(
        Handed(
            here.path(f"{ENTRIES}/{entry.entry_id}"),
            amounts_of(entry.unit, chosen).words(entry.amount),
            " · ".join(
                (
                    chosen.say(N_("Ask %(short)s"), short=str(entry.draw_id)[:4].upper()),
                    chosen.weekday(entry.effective_on),
                    chosen.say(draw_words(entry.draw_state)),
                )
            ),
            "solid" if entry.draw_state == "arrived" else "hatched",
        )
        for entry in entries
        if entry.corrected_by is None
    )


async def _promised(here: Inside) -> list[DrawView]:
    """Return what is promised and not handed over yet, oldest first."""
    found: list[DrawView] = []
    after: UUID | None = None
    while True:
        page, after = await list_draws(
            here.door.house, here.actor, states=("promised",), after=after, limit=_PAGE
        )
        found += page
        if after is None:
            return found[::-1]


def _promise(
    here: Inside,
    view: DrawView,
    rules: SetUp,
    today: date,
    shown: _Shown | None,
    closed: set[str],
    *,
    alone: bool,
) -> Promise:
    draw, chosen = view.draw, here.chosen
    mine = shown if shown and shown.draw_id == draw.draw_id else None
    fields, faults = (mine.fields, mine.faults) if mine else ({}, {})
    amounts = amounts_of(view.pot.unit, chosen)
    written = Answer(
        field_text(fields, "amount") if "amount" in fields else amounts.field(draw.left),
        faults.get("amount", ""),
    )
    day = Answer(field_text(fields, "day") if "day" in fields else today.isoformat(), faults.get("day", ""))
    sight, told = _sight(here, rules, view, today, written.value, day.value)
    terms = rules.terms_of(draw)
    about = [category_in_words(draw.category, chosen)]
    if draw.needed_by is not None:
        about.append(chosen.say(N_("by %(day)s"), day=chosen.weekday(draw.needed_by)))
    if terms.rhythm is not None and draw.promised_on is not None:
        first = terms.rhythm.next_day(draw.promised_on)
        about.append(chosen.say(N_("to be handed over from %(day)s on"), day=chosen.weekday(first)))
    days = (today - (draw.promised_on or draw.asked_at.astimezone(ZoneInfo(rules.time_zone)).date())).days
    return Promise(
        id=str(draw.draw_id),
        short=str(draw.draw_id)[:4].upper(),
        title=chosen.say(N_("%(amount)s to a neighbour"), amount=amounts.words(draw.left)),
        age=chosen.say_many("promised %(count)s day ago", "promised %(count)s days ago", days)
        if days
        else chosen.say(N_("promised today")),
        about=" · ".join(about),
        why_not=_why_not(view, chosen, two_people=terms.two_people),
        papers_action=here.path(f"{PAY}/{draw.draw_id}/papers"),
        papers=mine.papers if mine else None,
        action=here.path(f"{PAY}/{draw.draw_id}"),
        key=new_key(),
        places=_places(view, rules, field_text(fields, "held"), chosen, closed),
        held_fault=faults.get("held", ""),
        amount=written,
        day=day,
        receipts=terms.receipts != "never",
        receipt_fault=faults.get("receipt", ""),
        form_fault=faults.get("form", ""),
        sight=sight,
        told=told,
        looked=is_look(fields) and not faults,
        amount_words=amounts.words(draw.left),
        release_action=here.path(f"{PAY}/{draw.draw_id}/back"),
        release_key=new_key(),
        back=Answer(
            field_text(fields, "back") if "back" in fields else amounts.field(draw.left),
            faults.get("back", ""),
        ),
        back_open="back" in faults,
        is_open=alone or (mine is not None and "back" not in faults),
    )


def _why_not(view: DrawView, chosen: Language, *, two_people: bool) -> str:
    part = view.my_part
    if view.mine or "asked" in part:
        return chosen.say(N_("You asked this: somebody else hands it over."))
    if "stepped_aside" in part:
        return chosen.say(N_("You stepped aside: somebody else hands it over."))
    if "approved" in part and not two_people:
        return chosen.say(N_("You said yes to this: somebody else hands it over."))
    return ""


def _places(
    view: DrawView, rules: SetUp, pressed: str, chosen: Language, closed: set[str]
) -> tuple[Held, ...]:
    places = [place for place in rules.held.values() if place.unit == view.pot.unit]
    kinds = [place.kind for place in places]
    places = [place for place in places if place.code not in closed]
    return tuple(
        Held(
            place.code,
            place_in_words(place.kind, place.number, alone=kinds.count(place.kind) == 1, language=chosen),
            place.code == pressed,
        )
        for place in sorted(places, key=lambda place: (place.kind, place.number))
    )
