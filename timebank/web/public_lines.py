"""Every published line: page by page to read, and as a sheet to take away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.published import PublishedFile
from timebank.errors import UnknownPage
from timebank.formats.public_csv import write_public_sheet
from timebank.ledger.units import Unit
from timebank.rules.publication import SHELTERED, PublicPot
from timebank.services.public_sheet import open_public_sheet, read_public_sheet
from timebank.services.published import BEFORE_ALL, PublicLines, read_public_lines
from timebank.web.book_page import Ink, LinesDay, days_of_lines, pot_titles, promises_of, sums_of_lines
from timebank.web.public import database_of, public_language, public_reply
from timebank.web.words import Amounts

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_CSV: Final = "text/csv; charset=utf-8; header=present"
LINES_ON_A_PAGE: Final = 100
#: Longer than any number of a page will ever be, and shorter than what a database would not take.
_DIGITS_MAX: Final = 9


@dataclass(frozen=True, slots=True)
class LinesLeaf:
    """The lines of one pot on this page, with what they add up to; no days where it has none of them."""

    key: str
    ink: Ink
    side: Literal["recto", "verso"]
    title: str
    column_unit: str
    days: tuple[LinesDay, ...]
    came_in: str
    went_out: str
    promised: tuple[str, ...]
    given_back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinesPage:
    """A page of lines.

    Attributes:
        keep: What the address says besides the language.
        leaves: None of a pair where the group keeps no pot on that side; no pairs where there are no lines.
        newest, older: Ways on; empty where there is nothing.
        totals_only: Whether the group publishes totals and no lines.
        first_on: When the first page is written, before there is one.
    """

    slug: str
    name: str
    query: str
    keep: str
    leaves: tuple[tuple[LinesLeaf | None, LinesLeaf | None], ...]
    newest: str
    older: str
    totals_only: bool
    first_on: str


@route("/g/{slug:str}/lines", http_method=_READ, include_in_schema=False)
async def lines_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show published lines, newest page first: all, or from one page on into the past."""
    after, keep = _place(request)
    found = await read_public_lines(database_of(request), slug, after=after, limit=LINES_ON_A_PAGE)
    if after and (found.period is None or after[0] > found.period.period):
        raise UnknownPage
    chosen, explicit = public_language(request, found.group)
    page = _page(found, chosen, f"?lang={chosen.code}" if explicit else "", keep)
    return public_reply("lines.html", page, chosen)


@route("/g/{slug:str}/lines.csv", http_method=_READ, include_in_schema=False)
async def lines_sheet(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Give all lines, or those of one year, as a sheet."""
    said = request.query_params.get("year")
    year = read_number(said) if said is not None else None
    database = database_of(request)
    sheet = await open_public_sheet(database, slug, year=year)
    chunks = write_public_sheet(
        read_public_sheet(database, sheet),
        digits={unit.code: unit.digits for unit in sheet.group.units},
        cut=f"until={sheet.until or 'nothing'}",
    )
    name = f"{slug}-{year}.csv" if year else f"{slug}.csv"
    return PublishedFile(chunks, _CSV, name, version=sheet.version)


LINES_PAGES: Final[list[HTTPRouteHandler]] = [lines_page, lines_sheet]


def read_number(said: str) -> int:
    """Return a number of a page, or a year, in an address.

    Raises:
        UnknownPage: It is none.
    """
    if not (said.isascii() and said.isdigit() and said[0] != "0" and len(said) <= _DIGITS_MAX):
        raise UnknownPage
    return int(said)


def _place(request: Request[Any, Any, Any]) -> tuple[tuple[int, UUID] | None, str]:
    """Return where lines begin, and the same as part of an address."""
    said, line = request.query_params.get("from"), request.query_params.get("after")
    if said is None:
        return None, ""
    number = read_number(said)
    if line is None:
        return (number, BEFORE_ALL), f"from={number}"
    try:
        after = UUID(line)
    except ValueError:
        raise UnknownPage from None
    return (number, after), f"from={number}&after={after}"


def _page(found: PublicLines, language: Language, query: str, keep: str) -> LinesPage:
    group, at = found.group, f"/g/{found.group.slug}/lines"
    leaves = [_leaf(found, pot, language) for pot in group.pots] if found.lines else []
    more = query.replace("?", "&")
    return LinesPage(
        slug=group.slug,
        name=group.name,
        query=query,
        keep=keep,
        leaves=tuple(
            zip_longest(
                [leaf for leaf in leaves if leaf.ink == "hours"],
                [leaf for leaf in leaves if leaf.ink != "hours"],
            )
        ),
        newest=f"{at}{query}" if keep else "",
        older=f"{at}?from={found.after[0]}&after={found.after[1]}{more}" if found.after else "",
        totals_only=found.period is not None and found.period.preset == SHELTERED,
        first_on="" if found.period else language.weekday(group.first_close_on - timedelta(days=1)),
    )


def _leaf(found: PublicLines, pot: PublicPot, language: Language) -> LinesLeaf:
    amounts = Amounts(_unit(found.group.units, pot), language)
    mine = [line for line in found.lines if any(change.pot == pot.pot for change in line.changes)]
    came_in, went_out = sums_of_lines(mine, pot)
    return LinesLeaf(
        key=pot.pot,
        ink="hours" if amounts.is_time else "money",
        side="recto" if amounts.is_time else "verso",
        title=pot_titles(found.group, pot, amounts.unit, language)[2],
        column_unit=amounts.column_unit,
        days=days_of_lines(mine, pot, amounts),
        came_in=amounts.digits(came_in),
        went_out=amounts.digits(went_out),
        promised=promises_of(mine, "promise", pot, amounts),
        given_back=promises_of(mine, "release", pot, amounts),
    )


def _unit(units: tuple[Unit, ...], pot: PublicPot) -> Unit:
    return next(unit for unit in units if unit.code == pot.unit)
