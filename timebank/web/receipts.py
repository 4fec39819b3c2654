"""All of one's own receipts: a code for each entry, and the way to its proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.ledger.units import HOURS
from timebank.services.overview import list_receipts
from timebank.web.inside import inside
from timebank.web.receipt import what_happened
from timebank.web.rooms import HOME, LOG, Way, ways
from timebank.web.words import Amounts

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]


class ReceiptLine(NamedTuple):
    """One entry with its code."""

    href: str
    what: Markup
    day: str
    time: str
    code: str


@dataclass(frozen=True, slots=True)
class ReceiptsPage:
    """The reader's receipts, newest first; ``older`` is where the ones before these are, or empty."""

    name: str
    href: str
    ways: tuple[Way, ...]
    lines: tuple[ReceiptLine, ...]
    older: str


@route("/g/{slug:str}/me/receipts", http_method=_READ, include_in_schema=False)
async def receipts_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show them, a hundred at a time."""
    here = await inside(request, slug)
    logged, after = await list_receipts(here.door.house, here.actor, request.query_params.get("before", ""))
    amounts, mark = Amounts(HOURS, here.chosen), "&" if here.query else "?"
    page = ReceiptsPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        lines=tuple(
            ReceiptLine(
                href=here.path(f"{LOG}/{each.id}"),
                what=what_happened(each, here.chosen),
                day=here.chosen.day_month_year(each.effective_on),
                time=amounts.digits(each.minutes),
                code=each.receipt,
            )
            for each in logged
        ),
        older=f"{here.path(f'{HOME}/receipts')}{mark}before={after}" if after else "",
    )
    return here.page("receipts.html", page)


RECEIPTS_PAGES: Final[list[HTTPRouteHandler]] = [receipts_page]
