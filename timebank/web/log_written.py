"""What one form wrote down for several people at once: each line with its receipt, and the way to take them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.errors import N_, KeyReused, UnknownPage
from timebank.ledger.units import HOURS
from timebank.rules.commands import WithdrawHours
from timebank.services.overview import LoggedHours, list_logged, read_answer
from timebank.web.forms import field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.log_reading import may_log_for_others
from timebank.web.receipt import what_happened
from timebank.web.rooms import LOG, LOG_MANY, Way, ways
from timebank.web.sending import SENT_BEFORE, form_key, new_key, send_many
from timebank.web.words import Amounts, category_in_words

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

_GONE: Final = frozenset({"withdrawn", "settled"})


class Line(NamedTuple):
    """One of what was written; ``state`` says what is to be known besides, often nothing."""

    id: str
    href: str
    day: str
    what: Markup
    kind: str
    time: str
    receipt: str
    state: str
    can_undo: bool


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """What was written at once.

    Attributes:
        whole: All that counts of it, in words.
        key: Of the form that takes back.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    column_unit: str
    whole: str
    can_undo: int
    log_href: str
    many_href: str
    home_href: str


@route("/g/{slug:str}/log/many/{key:str}", http_method=_READ, include_in_schema=False)
async def written_page(request: Request[Any, Any, Any], slug: FromPath[str], key: FromPath[str]) -> ASGIApp:
    """Show what a form of the reader wrote."""
    here = await inside(request, slug)
    return _page(here, key, await _logged(here, key))


@post("/g/{slug:str}/log/many/{key:str}", include_in_schema=False)
async def undo_written(request: Request[Any, Any, Any], slug: FromPath[str], key: FromPath[str]) -> ASGIApp:
    """Take one line back, or all of them: each is a second line, nothing is rubbed out."""
    here, fields = await received(request, slug)
    logged, wish = await _logged(here, key), field_text(fields, "do")
    wanted = [each for each in logged if each.may_withdraw and wish in {"all", str(each.id)}]
    if not wanted:
        return here.go(f"{LOG_MANY}/{key}")
    try:
        outcomes = await send_many(here, fields, [WithdrawHours(each.id) for each in wanted])
    except KeyReused:
        # The page that this came from was used already: the new one says what is left.
        return _page(here, key, logged, here.chosen.say(SENT_BEFORE), status=422)
    refused = next((sent for sent in outcomes if sent.is_refused), None)
    if refused:
        return _page(here, key, await _logged(here, key), refused.sentence, status=refused.status)
    return here.go(f"{LOG_MANY}/{key}")


LOG_WRITTEN_PAGES: Final[list[HTTPRouteHandler]] = [written_page, undo_written]


async def _logged(here: Inside, key: str) -> list[LoggedHours]:
    """Return what a form of the reader wrote, as it is now.

    Raises:
        UnknownPage: They sent no form with this key, or so long ago that nobody knows.
    """
    said = await read_answer(here.door.house, here.actor, form_key(key)) if form_key(key) else {}
    made = said.get("shares") or [each for each in said.get("outcomes", ()) if each["status"] == 201]
    logged = await list_logged(here.door.house, here.actor, [UUID(each["id"]) for each in made])
    if not logged:
        raise UnknownPage
    return logged


def _page(
    here: Inside, key: str, logged: list[LoggedHours], fault: str = "", *, status: int = 200
) -> PrivatePage:
    chosen = here.chosen
    amounts = Amounts(HOURS, chosen)
    counts = [each for each in logged if each.state not in _GONE]
    title = chosen.say_many(
        "One line is written. Thank you.", "%(count)s lines are written. Thank you.", len(counts)
    )
    page = WrittenPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        title=title if counts else chosen.say(N_("It is taken back")),
        action=here.path(f"{LOG_MANY}/{key}"),
        key=new_key(),
        faults=(("lines", fault),) if fault else (),
        lines=tuple(_line(here, each, amounts) for each in logged),
        column_unit=amounts.column_unit,
        whole=amounts.digits(sum(each.minutes for each in counts)),
        can_undo=sum(each.may_withdraw for each in logged),
        log_href=here.path(LOG),
        many_href=here.path(LOG_MANY) if may_log_for_others(here) else "",
        home_href=here.path("/me"),
    )
    return here.page("log_written.html", page, status=status)


def _line(here: Inside, logged: LoggedHours, amounts: Amounts) -> Line:
    chosen, state = here.chosen, ""
    if logged.state in _GONE:
        state = chosen.say(N_("taken back"))
    elif not logged.is_posted:
        state = chosen.say(N_("waits for a yes"))
    return Line(
        id=str(logged.id),
        href=here.path(f"{LOG}/{logged.id}"),
        day=chosen.day_month(logged.effective_on),
        what=what_happened(logged, chosen),
        kind=category_in_words(logged.category, chosen),
        time=amounts.digits(logged.minutes) if logged.state not in _GONE else "",
        receipt=logged.receipt,
        state=state,
        can_undo=logged.may_withdraw,
    )
