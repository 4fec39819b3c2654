"""The money at a glance: how much each pot has, where it is, what waits for a second signature, and the last lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, UnknownPage
from timebank.rules.commands import ClosePlace
from timebank.services.live import read_live
from timebank.services.treasury import list_money, list_proposals
from timebank.web.carry import CARRY
from timebank.web.drawings import held_strip, pot_bar
from timebank.web.inside import Inside, inside, received
from timebank.web.money_in import ENTRIES, IN
from timebank.web.money_pages import open_desk_of, proof_words, wait_for_proof
from timebank.web.places import NEW, PLACES_AT
from timebank.web.pot_view import bar_sentence, pot_figures
from timebank.web.propose import OUT, POTS
from timebank.web.rooms import MONEY, PAY, Way, ways
from timebank.web.second import SECOND, Waiting, waiting_row
from timebank.web.sending import new_key, send
from timebank.web.words import amounts_of, kind_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

    from timebank.ledger.units import Unit
    from timebank.services.live import LivePot
    from timebank.services.treasury import MoneyEntry
    from timebank.web.drawings import Part, PotBar
    from timebank.web.money_pages import Desk
    from timebank.web.pot_view import Figure
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
#: Lines that stand on this page.
LINES: Final = 15


class PlaceRow(NamedTuple):
    """A place with what the book says is in it.

    Attributes:
        count_href: Where it is counted; empty for whoever only looks, and for a closed one.
        turn: Where the form goes that closes or reopens it; empty where it cannot be.
    """

    id: str
    label: str
    code: str
    amount: str
    closed: bool
    count_href: str
    turn: str
    key: str


@dataclass(frozen=True, slots=True)
class PotRow:
    """A pot of money: its two figures and the bar."""

    name: str
    figures: tuple[Figure, ...]
    bar: PotBar
    bar_sentence: str
    available: str
    promised: str


@dataclass(frozen=True, slots=True)
class Purse:
    """All money of one currency: what it is for, and where it is; both have the same sum."""

    id: str
    title: str
    column_unit: str
    pots: tuple[PotRow, ...]
    strip: tuple[Part, ...]
    places: tuple[PlaceRow, ...]
    total: str


class Line(NamedTuple):
    """An entry about money in a list; ``amount`` stands under in, out, or neither where no pot changed."""

    href: str
    kind: str
    where: str
    day: str
    came_in: str
    went_out: str
    mark: str


@dataclass(frozen=True, slots=True)
class MoneyPage:
    """The money at a glance.

    Attributes:
        said: What was just done; mostly empty.
        writes: (address, words) of what the reader can write down.
        waits: What waits for the reader's signature; ``others`` counts what waits for somebody else.
        new_place: Where a new place is opened; empty for whoever only looks.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    said: str
    faults: tuple[tuple[str, str], ...]
    writes: tuple[tuple[str, str], ...]
    purses: tuple[Purse, ...]
    waits: tuple[Waiting, ...]
    others: str
    second: str
    lines: tuple[Line, ...]
    new_place: str
    proof: str


@route("/g/{slug:str}/money", http_method=_READ, include_in_schema=False)
async def money_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the money at a glance."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, MONEY):
        return waiting
    return await _page(here, is_right=request.query_params.get("said") == "right")


@post("/g/{slug:str}/money/places/{held:str}/close", include_in_schema=False)
async def close_place(request: Request[Any, Any, Any], slug: FromPath[str], held: FromPath[str]) -> ASGIApp:
    """Close a place that is empty."""
    return await _turn(request, slug, held, reopen=False)


@post("/g/{slug:str}/money/places/{held:str}/reopen", include_in_schema=False)
async def reopen_place(request: Request[Any, Any, Any], slug: FromPath[str], held: FromPath[str]) -> ASGIApp:
    """Take a closed place into use again."""
    return await _turn(request, slug, held, reopen=True)


async def _turn(request: Request[Any, Any, Any], slug: str, held: str, *, reopen: bool) -> ASGIApp:
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer", "steward")
    if (await open_desk_of(here)).place(held) is None:
        raise UnknownPage
    here.actor.require_fresh()
    sent = await send(here, fields, ClosePlace(held, reopen=reopen))
    if sent.is_refused:
        return await _page(here, fault=(f"place-{held}", sent.sentence), status=sent.status)
    return here.go(MONEY)


MONEY_PAGES: Final[list[HTTPRouteHandler]] = [money_page, close_place, reopen_place]


async def _page(
    here: Inside, *, fault: tuple[str, str] | None = None, is_right: bool = False, status: int = 200
) -> PrivatePage:
    chosen, say = here.chosen, here.chosen.say
    desk = await open_desk_of(here)
    live = await read_live(here.door.house.database, here.actor, now=here.door.clock())
    entries = await list_money(here.door.house, here.actor, limit=LINES)
    found = (await list_proposals(here.door.house, here.actor, state="open", limit=100)).proposals
    mine = sum(seen.mine for seen in found)
    page = MoneyPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, MONEY),
        said=say(N_("It is written: counted, and right.")) if is_right else "",
        faults=(fault,) if fault else (),
        writes=_writes(here, desk),
        purses=tuple(_purse(here, desk, unit, live.pots) for unit in desk.units),
        waits=tuple(waiting_row(here, desk, seen) for seen in found if not seen.mine),
        others=chosen.say_many(
            "One waits for somebody else, because you proposed it.",
            "%(count)s wait for somebody else, because you proposed them.",
            mine,
        )
        if mine
        else "",
        second=here.path(SECOND),
        lines=tuple(_line(here, desk, entry) for entry in entries),
        new_place=here.path(NEW) if _writer(here) and desk.units else "",
        proof=proof_words(here),
    )
    return here.page("money.html", page, status=status)


def _writer(here: Inside) -> bool:
    return not here.actor.roles.isdisjoint({"treasurer", "steward"})


def _writes(here: Inside, desk: Desk) -> tuple[tuple[str, str], ...]:
    """Return what the reader can write down, the most frequent first."""
    say, links = here.chosen.say, list[tuple[str, str]]()
    units = [pot.unit for pot in desk.rules.pots.values()]
    if "treasurer" in here.actor.roles and desk.units:
        links += [
            (here.path(IN), say(N_("Money came in"))),
            (here.path(PAY), say(N_("Hand over"))),
        ]
        if len(desk.open_places) > 1:
            links.append((here.path(CARRY), say(N_("Carry it from place to place"))))
        links.append((here.path(OUT), say(N_("Money out without an ask"))))
    if _writer(here) and any(units.count(unit) > 1 for unit in units):
        links.append((here.path(POTS), say(N_("From one pot to another"))))
    return tuple(links)


def _purse(here: Inside, desk: Desk, unit: str, live: Sequence[LivePot]) -> Purse:
    chosen, amounts = here.chosen, amounts_of(unit, here.chosen)
    places = [place for place in desk.places if place.unit == unit]
    figures = {pot.pot: pot for pot in live}
    rtl = chosen.direction == "rtl"
    pots = []
    for pot in desk.money_pots:
        if pot.unit != unit:
            continue
        now = figures[pot.code]
        pots.append(
            PotRow(
                name=desk.pot_name(pot, chosen),
                figures=pot_figures(now.available, now.promised, amounts),
                bar=pot_bar(
                    now.available,
                    now.promised,
                    label=amounts.label,
                    plain_label=amounts.plain_label,
                    unit_step=amounts.step,
                    rtl=rtl,
                ),
                bar_sentence=bar_sentence(now.available, now.promised, amounts),
                available=amounts.digits(now.available),
                promised=amounts.digits(now.promised),
            )
        )
    return Purse(
        id=unit.lower(),
        title=chosen.currency_name(unit),
        column_unit=amounts.column_unit,
        pots=tuple(pots),
        strip=held_strip([place.amount for place in places], rtl=rtl)
        if any(p.amount for p in places)
        else (),
        places=tuple(
            PlaceRow(
                id=f"place-{place.code}",
                label=desk.label(place, chosen),
                code=desk.short_name(place),
                amount=amounts.digits(place.amount),
                closed=place.closed,
                count_href=here.path(f"{PLACES_AT}/{place.code}")
                if _writer(here) and not place.closed
                else "",
                turn=here.path(f"{PLACES_AT}/{place.code}/{'reopen' if place.closed else 'close'}")
                if _writer(here) and not place.amount
                else "",
                key=new_key(),
            )
            for place in places
        ),
        total=amounts.digits(sum(place.amount for place in places)),
    )


def _line(here: Inside, desk: Desk, entry: MoneyEntry) -> Line:
    chosen, amounts = here.chosen, amounts_of(entry.unit, here.chosen)
    unit: Unit = amounts.unit
    amount = amounts.digits(entry.amount)
    places = [desk.label_of(code, chosen) for code in (entry.out_of, entry.into) if code]
    moved = bool(entry.into and entry.out_of)
    return Line(
        href=here.path(f"{ENTRIES}/{entry.entry_id}"),
        kind=kind_in_words(entry.kind, unit, chosen),
        where=" → ".join(places),
        day=chosen.day_month(entry.effective_on),
        came_in=amount if entry.into and not moved else "",
        went_out=amount if entry.out_of and not moved else "",
        mark=amount if moved else "",
    )
