"""The past of a public book: a list of its pages, each page as it was written, and what can be taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.i18n import Language
from timebank.ledger.units import Unit
from timebank.rules.publication import PublicBalance, PublicFlow, PublicPeriod, PublicPot
from timebank.services.published import (
    PublicHistory,
    read_public_group,
    read_public_page,
    read_public_periods,
)
from timebank.web.book_page import Ink, Turn, book_page, in_the_pot, pot_titles
from timebank.web.public import database_of, origin_of, public_language, public_reply
from timebank.web.public_lines import read_number
from timebank.web.words import Amounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from litestar.handlers import HTTPRouteHandler

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]


@dataclass(frozen=True, slots=True)
class PastRow:
    """One page of the past, or one year of them, with what one pot did there."""

    href: str
    days: str
    came_in: str
    went_out: str
    left: str


@dataclass(frozen=True, slots=True)
class PastGroup:
    """Pages of one month, or of one year of a book of monthly pages; sums are empty unless all its pages are here."""

    name: str
    came_in: str
    went_out: str
    rows: tuple[PastRow, ...]


@dataclass(frozen=True, slots=True)
class PastLeaf:
    """The pages of the past as one pot saw them, newest first; ``years`` is empty for a book of one year."""

    key: str
    ink: Ink
    side: str
    title: str
    column_unit: str
    years: tuple[PastRow, ...]
    groups: tuple[PastGroup, ...]
    before_day: str
    before: str


@dataclass(frozen=True, slots=True)
class PastPage:
    """The list of pages of a book.

    Attributes:
        keep: What the address says besides the language.
        leaves: None of a pair where the group keeps no pot on that side.
        newer, older: Ways on; empty where there is nothing.
        first_on: When the first page is written, before there is one.
    """

    slug: str
    name: str
    query: str
    keep: str
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
    """Everything public that can be taken away, by whom it is for; no sheets before the first close."""

    slug: str
    name: str
    query: str
    sheets: tuple[Download, ...]
    figures: tuple[Download, ...]
    proofs: tuple[Download, ...]


@route("/g/{slug:str}/periods", http_method=_READ, include_in_schema=False)
async def periods_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """List the pages of a book, newest first."""
    said = request.query_params.get("before")
    before = read_number(said) if said else None
    history = await read_public_periods(database_of(request), slug, before=before)
    chosen, explicit = public_language(request, history.group)
    page = _past(history, chosen, f"?lang={chosen.code}" if explicit else "", before)
    return public_reply("periods.html", page, chosen)


@route("/g/{slug:str}/periods/{number:str}", http_method=_READ, include_in_schema=False)
async def period_page(request: Request[Any, Any, Any], slug: FromPath[str], number: FromPath[str]) -> ASGIApp:
    """Show one page of the past as it was written; only the way to the page after it comes later."""
    wanted = read_number(number)
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
    older = f"/g/{slug}/lines?from={wanted}{page.query.replace('?', '&')}"
    return public_reply("period.html", replace(page, turn=turn, older=older), chosen)


@route("/g/{slug:str}/downloads", http_method=_READ, include_in_schema=False)
async def downloads_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Say what can be taken away, and what each file is for."""
    history = await read_public_periods(database_of(request), slug, before=None, limit=1)
    group = history.group
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
        sheets=_sheets(history, chosen),
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


def _sheets(history: PublicHistory, language: Language) -> tuple[Download, ...]:
    """Return the sheet of everything, and one of each year where there are several."""
    at, say = f"/g/{history.group.slug}/lines.csv", language.say
    years = list(dict.fromkeys(month.first_day.year for month in history.months))
    if not years:
        return ()
    whole = Download(
        at,
        say(N_("All lines as a sheet")),
        say(
            N_(
                "For a spreadsheet (CSV): one row a line, newest page first. Hours and money have columns of their own."
            )
        ),
    )
    if len(years) == 1:
        return (whole,)
    named = [(year, language.digits(str(year))) for year in years]
    return (
        whole,
        *(
            Download(f"{at}?year={year}", say(N_("The lines of %(year)s"), year=name), "")
            for year, name in named
        ),
    )


def _unit(units: tuple[Unit, ...], pot: PublicPot) -> Unit:
    return next(unit for unit in units if unit.code == pot.unit)


def _past(history: PublicHistory, language: Language, query: str, before: int | None) -> PastPage:
    group, at = history.group, f"/g/{history.group.slug}/periods"
    leaves = [_leaf(history, pot, language, query) for pot in group.pots] if history.periods else []
    time = [leaf for leaf in leaves if leaf.ink == "hours"]
    rest = [leaf for leaf in leaves if leaf.ink != "hours"]
    more = query.replace("?", "&")
    return PastPage(
        slug=group.slug,
        name=group.name,
        query=query,
        keep=f"before={before}" if before else "",
        leaves=tuple(zip_longest(time, rest)),
        newer=f"{at}{query}" if before else "",
        older=f"{at}?before={history.before}{more}" if history.before else "",
        first_on="" if history.periods else language.weekday(group.first_close_on - timedelta(days=1)),
    )


def _leaf(history: PublicHistory, pot: PublicPot, language: Language, query: str) -> PastLeaf:
    amounts = Amounts(_unit(history.group.units, pot), language)
    groups, left = _groups(history, pot, amounts, query)
    return PastLeaf(
        key=pot.pot,
        ink="hours" if amounts.is_time else "money",
        side="recto" if amounts.is_time else "verso",
        title=pot_titles(history.group, pot, amounts.unit, language)[0],
        column_unit=amounts.column_unit,
        years=_years(history, pot, amounts, query),
        groups=groups,
        before_day=language.day_month_year(history.periods[-1].first_day),
        before=in_the_pot(left, amounts),
    )


def _groups(
    history: PublicHistory, pot: PublicPot, amounts: Amounts, query: str
) -> tuple[tuple[PastGroup, ...], int]:
    """Return the pages of the list by month or by year, and what the pot held before all of them."""
    language, left = amounts.language, _held(history.balances, pot)
    flows = {flow.period: flow for flow in history.flows if flow.pot == pot.pot}
    groups: list[PastGroup] = []
    for day, found in groupby(history.periods, lambda one: _first_day(one.last_day, history)):
        periods, rows = list(found), []
        for period in periods:
            flow = flows.get(period.period)
            came_in, went_out = (flow.came_in, flow.went_out) if flow else (0, 0)
            rows.append(
                PastRow(
                    href=f"/g/{history.group.slug}/periods/{period.period}{query}",
                    days=language.span_short(period.first_day, period.last_day),
                    came_in=amounts.digits(came_in) if came_in else "",
                    went_out=amounts.digits(went_out) if went_out else "",
                    left=in_the_pot(left, amounts),
                )
            )
            left -= came_in - went_out
        name = language.digits(str(day.year)) if history.by_year else language.month_year(day)
        sums = _sums_of(periods, flows) if _is_whole(day, periods, history) else None
        written = tuple(map(amounts.digits, sums)) if sums else ("", "")
        groups.append(PastGroup(name, written[0], written[1], tuple(rows)))
    return tuple(groups), left


def _first_day(day: date, history: PublicHistory) -> date:
    """Return the first day of the month that a page belongs to, or of its year."""
    return day.replace(day=1, month=1) if history.by_year else day.replace(day=1)


def _is_whole(day: date, periods: Sequence[PublicPeriod], history: PublicHistory) -> bool:
    """Whether these are all pages that the book has so far of a month or a year, and more than one."""
    months = [one for one in history.months if _first_day(one.first_day, history) == day]
    first, last = min(one.first for one in months), max(one.last for one in months)
    return len(periods) > 1 and (first, last) == (periods[-1].period, periods[0].period)


def _sums_of(periods: Sequence[PublicPeriod], flows: Mapping[int, PublicFlow]) -> tuple[int, int]:
    found = [flows[one.period] for one in periods if one.period in flows]
    return sum(flow.came_in for flow in found), sum(flow.went_out for flow in found)


def _years(history: PublicHistory, pot: PublicPot, amounts: Amounts, query: str) -> tuple[PastRow, ...]:
    """Return what every year of the book did to a pot, each with the list of its pages."""
    at, left = f"/g/{history.group.slug}/periods", _held(history.now, pot)
    rows: list[PastRow] = []
    for year, found in groupby(history.months, lambda one: one.first_day.year):
        months = list(found)
        came_in = sum(one.came_in for one in months if one.pot == pot.pot)
        went_out = sum(one.went_out for one in months if one.pot == pot.pot)
        href = f"{at}?before={max(one.last for one in months) + 1}{query.replace('?', '&')}"
        rows.append(
            PastRow(
                href=href if rows else f"{at}{query}",
                days=amounts.language.digits(str(year)),
                came_in=amounts.digits(came_in),
                went_out=amounts.digits(went_out),
                left=in_the_pot(left, amounts),
            )
        )
        left -= came_in - went_out
    return tuple(rows) if len(rows) > 1 else ()


def _held(balances: Sequence[PublicBalance], pot: PublicPot) -> int:
    found = next((one for one in balances if one.pot == pot.pot), None)
    return found.available + found.promised if found else 0
