"""The past of a public book: a list of its pages, each page as it was written, and what can be taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, UnknownPage
from timebank.i18n import Language
from timebank.ledger.units import Unit
from timebank.rules.publication import PublicPot
from timebank.services.published import (
    PublicHistory,
    read_public_group,
    read_public_page,
    read_public_periods,
)
from timebank.web.book_page import Ink, Turn, book_page, in_the_pot, pot_titles
from timebank.web.public import database_of, origin_of, public_language, public_reply
from timebank.web.words import Amounts

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
#: Longer than any number of a page will ever be, and shorter than what a database would not take.
_DIGITS_MAX: Final = 9


@dataclass(frozen=True, slots=True)
class PastRow:
    """One page of the past, with what one pot did on it."""

    href: str
    days: str
    came_in: str
    went_out: str
    left: str


@dataclass(frozen=True, slots=True)
class PastLeaf:
    """The pages of the past as one pot saw them, newest first; ``months`` are (heading, rows)."""

    key: str
    ink: Ink
    side: str
    title: str
    column_unit: str
    months: tuple[tuple[str, tuple[PastRow, ...]], ...]
    before_day: str
    before: str


@dataclass(frozen=True, slots=True)
class PastPage:
    """The list of pages of a book.

    Attributes:
        leaves: None of a pair where the group keeps no pot on that side.
        newer, older: Ways on; empty where there is nothing.
        first_on: When the first page is written, before there is one.
    """

    slug: str
    name: str
    query: str
    leaves: tuple[tuple[PastLeaf | None, PastLeaf | None], ...]
    newer: str
    older: str
    first_on: str


@dataclass(frozen=True, slots=True)
class Download:
    """Something to take away."""

    href: str
    name: str
    what_for: str


@dataclass(frozen=True, slots=True)
class DownloadsPage:
    """Everything public that can be taken away, by whom it is for."""

    slug: str
    name: str
    query: str
    figures: tuple[Download, ...]
    proofs: tuple[Download, ...]


@route("/g/{slug:str}/periods", http_method=_READ, include_in_schema=False)
async def periods_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """List the pages of a book, newest first."""
    said = request.query_params.get("before")
    before = _number(said) if said else None
    history = await read_public_periods(database_of(request), slug, before=before)
    chosen, explicit = public_language(request, history.group)
    page = _past(history, chosen, f"?lang={chosen.code}" if explicit else "", is_newest=before is None)
    return public_reply("periods.html", page, chosen)


@route("/g/{slug:str}/periods/{number:str}", http_method=_READ, include_in_schema=False)
async def period_page(request: Request[Any, Any, Any], slug: FromPath[str], number: FromPath[str]) -> ASGIApp:
    """Show one page of the past as it was written; only the way to the page after it comes later."""
    wanted = _number(number)
    book = await read_public_page(database_of(request), slug, wanted)
    newest = await read_public_group(database_of(request), slug)
    chosen, explicit = public_language(request, book.group)
    page = book_page(book, chosen, explicit=explicit, origin=origin_of(request))
    is_last = newest.period is None or wanted >= newest.period.period
    at = f"/g/{slug}/periods"
    turn = Turn(
        earlier=f"{at}/{wanted - 1}{page.query}" if wanted > 1 else "",
        later="" if is_last else f"{at}/{wanted + 1}{page.query}",
    )
    return public_reply("period.html", replace(page, turn=turn), chosen)


@route("/g/{slug:str}/downloads", http_method=_READ, include_in_schema=False)
async def downloads_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Say what can be taken away, and what each file is for."""
    group = (await read_public_group(database_of(request), slug)).group
    chosen, explicit = public_language(request, group)
    api, log, say = f"/api/v1/groups/{slug}", f"/g/{slug}/log", chosen.say
    rules = tuple(
        Download(f"{api}/policies/{pot.pot}", pot_titles(group, pot, _unit(group.units, pot), chosen)[3], "")
        for pot in group.pots
    )
    page = DownloadsPage(
        slug=group.slug,
        name=group.name,
        query=f"?lang={chosen.code}" if explicit else "",
        figures=(
            Download(
                f"{api}/balances",
                say(N_("The pots as JSON")),
                say(N_("What is in each pot, and where the money is.")),
            ),
            Download(
                f"{api}/flows",
                say(N_("In and out as JSON")),
                say(N_("Sums of each page, for a chart or a report of your own.")),
            ),
            Download(
                f"{api}/entries",
                say(N_("All lines as JSON")),
                say(N_("Every published line, newest page first; each answer says where the next one is.")),
            ),
            *(
                replace(one, what_for=say(N_("Every version that the group agreed on, with its day.")))
                for one in rules
            ),
        ),
        proofs=(
            Download(
                f"{log}/checkpoint",
                say(N_("Signed checkpoint of the public log")),
                say(
                    N_(
                        "A text of five lines that stands for everything published. Keep it, and compare later."
                    )
                ),
            ),
            Download(
                "/check_book.py",
                say(N_("Get check_book.py")),
                say(N_("A program that fetches the whole public log and checks every line of it.")),
            ),
        ),
    )
    return public_reply("downloads.html", page, chosen)


HISTORY_PAGES: Final[list[HTTPRouteHandler]] = [periods_page, period_page, downloads_page]


def _number(said: str) -> int:
    if not (said.isascii() and said.isdigit() and said[0] != "0" and len(said) <= _DIGITS_MAX):
        raise UnknownPage
    return int(said)


def _unit(units: tuple[Unit, ...], pot: PublicPot) -> Unit:
    return next(unit for unit in units if unit.code == pot.unit)


def _past(history: PublicHistory, language: Language, query: str, *, is_newest: bool) -> PastPage:
    group, at = history.group, f"/g/{history.group.slug}/periods"
    leaves = [_leaf(history, pot, language, query) for pot in group.pots] if history.periods else []
    time = [leaf for leaf in leaves if leaf.ink == "hours"]
    rest = [leaf for leaf in leaves if leaf.ink != "hours"]
    more = query.replace("?", "&")
    return PastPage(
        slug=group.slug,
        name=group.name,
        query=query,
        leaves=tuple(zip_longest(time, rest)),
        newer="" if is_newest else f"{at}{query}",
        older=f"{at}?before={history.before}{more}" if history.before else "",
        first_on="" if history.periods else language.weekday(group.first_close_on - timedelta(days=1)),
    )


def _leaf(history: PublicHistory, pot: PublicPot, language: Language, query: str) -> PastLeaf:
    amounts = Amounts(_unit(history.group.units, pot), language)
    balance = next((one for one in history.balances if one.pot == pot.pot), None)
    left = balance.available + balance.promised if balance else 0
    flows = {flow.period: flow for flow in history.flows if flow.pot == pot.pot}
    months: dict[str, list[PastRow]] = {}
    for period in history.periods:
        flow = flows.get(period.period)
        came_in, went_out = (flow.came_in, flow.went_out) if flow else (0, 0)
        months.setdefault(language.month_year(period.last_day), []).append(
            PastRow(
                href=f"/g/{history.group.slug}/periods/{period.period}{query}",
                days=language.span_short(period.first_day, period.last_day),
                came_in=amounts.digits(came_in) if came_in else "",
                went_out=amounts.digits(went_out) if went_out else "",
                left=in_the_pot(left, amounts),
            )
        )
        left -= came_in - went_out
    return PastLeaf(
        key=pot.pot,
        ink="hours" if amounts.is_time else "money",
        side="recto" if amounts.is_time else "verso",
        title=pot_titles(history.group, pot, amounts.unit, language)[0],
        column_unit=amounts.column_unit,
        months=tuple((month, tuple(rows)) for month, rows in months.items()),
        before_day=language.day_month_year(history.periods[-1].first_day),
        before=in_the_pot(left, amounts),
    )
