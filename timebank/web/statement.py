"""A member's statement as a page to print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.edge.days import read_day
from timebank.edge.problems import status_of
from timebank.errors import N_, FieldInvalid, Refusal, TooLarge
from timebank.i18n import Language
from timebank.ledger.units import HOURS, MINUTES
from timebank.services.export import ENDS_BEFORE
from timebank.services.own_data import OwnStatement, counts, read_own_statement
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside, inside
from timebank.web.rooms import Way, ways
from timebank.web.words import Amounts, amounts_of, category_in_words, kind_in_words, told

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.services.own_data import DatedLine
    from timebank.services.statement import Line

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

LINES_SHOWN_MAX: Final = 5_000
"""More than anybody prints; the sheet has them all."""

CORRECTED: Final = N_("corrected: %(amount)s does not count")
WITHDRAWN: Final = N_("withdrawn: %(amount)s does not count")
TAKEN_BACK: Final = N_("Taken back: %(amount)s")
ENTERED_BY: Final = N_("Entered for you by %(name)s.")

# Where the words of the public page would be those of somebody else.
_KINDS: Final = {"fulfil": N_("Help for an ask"), "hours": N_("Help that reached you")}
_ASK_STATES: Final = {
    "asked": N_("waiting for a yes"),
    "looked_at": N_("being looked at"),
    "promised": N_("promised"),
    "handed_over": N_("handed over"),
    "arrived": N_("arrived"),
    "released": N_("given back to the pot"),
    "not_now": N_("not now"),
    "expired": N_("no longer needed"),
    "cancelled": N_("taken back"),
}
_FIELDS: Final = ("from", "to")


@dataclass(frozen=True, slots=True)
class StatementFormPage:
    """The form that asks for days.

    Attributes:
        action: Where it goes.
        lang: The language, if the address named one.
        href: The group's page.
        sheet: Everything for a spreadsheet.
        faults: (field, what to do about it) in the order of the form.
    """

    name: str
    action: str
    lang: str
    href: str
    ways: tuple[Way, ...]
    sheet: str
    faults: tuple[tuple[str, str], ...]
    first: Answer
    last: Answer


class Figure(NamedTuple):
    """An amount as large figures with small units, and as programs read it."""

    pieces: tuple[tuple[str, bool], ...]
    machine: str


class Row(NamedTuple):
    """One line of a table.

    Attributes:
        what: What happened, in words.
        category: What it was about; empty for nothing.
        state: What else is to be known, such as that it does not count; often empty.
        note: What the member wrote.
        given, received: Amounts for the columns; empty where there is none.
    """

    day: str
    what: str
    category: str
    state: str
    note: Markup | str
    given: str
    received: str


class Year(NamedTuple):
    """The lines of one year."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """Everything in one unit, with totals that are the sums of the columns."""

    key: str
    title: str
    column_unit: str
    years: tuple[Year, ...]
    given: str
    received: str


@dataclass(frozen=True, slots=True)
class StatementPage:
    """A statement to print.

    Attributes:
        days: Which days it is of, in words.
        as_of: The day on which it was made.
        again: Where other days are chosen; ``sheet`` is the same statement for a spreadsheet.
        hours_given, hours_received: Side by side, never taken from one another.
        hours: Their table; None when there is no line in it.
        money: One table for each currency that has a line.
        asks: What they asked for, year by year; ``given`` is what was asked, ``received`` what arrived.
    """

    name: str
    nickname: str
    href: str
    ways: tuple[Way, ...]
    again: str
    sheet: str
    days: str
    as_of: str
    hours_given: Figure
    hours_received: Figure
    hours: Leaf | None
    money: tuple[Leaf, ...]
    asks: tuple[Year, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is no line at all."""
        return not (self.hours or self.money or self.asks)


@route("/g/{slug:str}/statement", http_method=_READ, include_in_schema=False)
async def statement_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form, the statement for the days it names, or the form again with what is wrong."""
    here = await inside(request, slug)
    query = request.query_params
    said = {name: [query[name]] for name in _FIELDS if name in query}
    if not said:
        return here.page("statement_form.html", _form_page(here, {}, {}))
    try:
        statement = await _read_statement(here, said)
    except (FieldInvalid, TooLarge) as refusal:
        page = _form_page(here, said, {_field_of(refusal): _advice(refusal, here.chosen)})
        status = 422 if isinstance(refusal, TooLarge) else status_of(refusal)
        return here.page("statement_form.html", page, status=status)
    return here.page("statement.html", _statement_page(here, statement))


STATEMENT_PAGES: Final[list[HTTPRouteHandler]] = [statement_page]


# ---------------------------------------------------------------- requests


async def _read_statement(here: Inside, fields: Mapping[str, list[str]]) -> OwnStatement:
    first = read_day(field_text(fields, "from").strip(), field="from")
    last = read_day(field_text(fields, "to").strip(), field="to")
    door = here.door
    statement = await read_own_statement(door.house, here.actor, first=first, last=last, now=door.clock())
    if len(statement.lines) > LINES_SHOWN_MAX:
        raise TooLarge(limit=LINES_SHOWN_MAX)
    return statement


def _field_of(refusal: Refusal) -> str:
    if isinstance(refusal, FieldInvalid):
        return str(refusal.params["field"])
    return "from"


def _advice(refusal: Refusal, chosen: Language) -> str:
    """Return what to do about a refusal, for the summary and beside the field alike."""
    if isinstance(refusal, TooLarge):
        return chosen.say(N_("Choose fewer days: these have more lines than a page shows"))
    if refusal.params.get("why") == ENDS_BEFORE:
        return chosen.say(N_("Choose a last day that is not before the first one"))
    return chosen.say(N_("Write a day such as 2026-03-01, or leave this empty"))


# ---------------------------------------------------------------- pages


def _form_page(here: Inside, fields: Mapping[str, list[str]], faults: Mapping[str, str]) -> StatementFormPage:
    return StatementFormPage(
        name=here.group.name,
        action=f"/g/{here.group.slug}/statement",
        lang=here.chosen.code if here.query else "",
        href=here.href,
        ways=ways(here, ""),
        sheet=_sheet(here, None, None),
        faults=tuple((field, faults[field]) for field in _FIELDS if field in faults),
        first=Answer(field_text(fields, "from"), faults.get("from", "")),
        last=Answer(field_text(fields, "to"), faults.get("to", "")),
    )


def _statement_page(here: Inside, statement: OwnStatement) -> StatementPage:
    chosen = here.chosen
    hours = Amounts(HOURS, chosen)
    given = next((total.amount for total in statement.given if total.unit == MINUTES), 0)
    received = statement.received.amount
    of_hours = [each for each in statement.lines if each.line.what != "asked" and each.line.unit == MINUTES]
    money = []
    for total in statement.given:
        lines = [e for e in statement.lines if e.line.what != "asked" and e.line.unit == total.unit]
        if lines and total.unit != MINUTES:
            amounts = amounts_of(total.unit, chosen)
            title = chosen.say(N_("Money given, in %(currency)s"), currency=chosen.currency_name(total.unit))
            money.append(_leaf(total.unit, title, lines, amounts, amounts.digits(total.amount), ""))
    return StatementPage(
        name=statement.group.name,
        nickname=statement.nickname,
        href=here.href,
        ways=ways(here, ""),
        again=here.path("/statement"),
        sheet=_sheet(here, statement.first, statement.last),
        days=_days_in_words(statement.first, statement.last, chosen),
        as_of=chosen.day_month_year(
            statement.taken_at.astimezone(ZoneInfo(statement.group.time_zone)).date()
        ),
        hours_given=Figure(hours.figure(given), hours.machine(given)),
        hours_received=Figure(hours.figure(received), hours.machine(received)),
        hours=_leaf(
            "hours", chosen.say(N_("Hours")), of_hours, hours, hours.digits(given), hours.digits(received)
        )
        if of_hours
        else None,
        money=tuple(money),
        asks=_by_year(
            ((each.day, _ask(each, chosen)) for each in statement.lines if each.line.what == "asked"),
            chosen,
        ),
    )


def _leaf(
    key: str, title: str, lines: Sequence[DatedLine], amounts: Amounts, given: str, received: str
) -> Leaf:
    rows = ((each.day, _row(each, amounts)) for each in lines)
    return Leaf(key, title, amounts.column_unit, _by_year(rows, amounts.language), given, received)


def _by_year(rows: Iterable[tuple[date, Row]], chosen: Language) -> tuple[Year, ...]:
    return tuple(
        Year(chosen.year(date(year, 1, 1)), tuple(row for _, row in group))
        for year, group in groupby(rows, key=lambda pair: pair[0].year)
    )


def _sheet(here: Inside, first: date | None, last: date | None) -> str:
    days = {"from": first, "to": last}
    query = urlencode({name: day.isoformat() for name, day in days.items() if day})
    return f"/api/v1/groups/{here.group.slug}/me/statement.csv" + (f"?{query}" if query else "")


def _row(dated: DatedLine, amounts: Amounts) -> Row:
    """Return a line for a table; what does not count says its amount in words, so that columns add up."""
    line, chosen = dated.line, amounts.language
    day, words = chosen.day_short(dated.day), amounts.words(line.amount)
    category = category_in_words(line.category, chosen)
    note = _note(line, chosen)
    if line.what == "taken_back":
        return Row(day, chosen.say(TAKEN_BACK, amount=words), category, "", note, "", "")
    own_words = _KINDS.get(line.kind)
    what = chosen.say(own_words) if own_words else kind_in_words(line.kind, amounts.unit, chosen)
    if not counts(line):
        why = WITHDRAWN if line.state == "withdrawn" else CORRECTED
        return Row(day, what, category, chosen.say(why, amount=words), note, "", "")
    digits = amounts.digits(line.amount)
    given, received = ("", digits) if line.what == "received" else (digits, "")
    return Row(day, what, category, "", note, given, received)


def _note(line: Line, chosen: Language) -> Markup | str:
    """Return what the member noted, after who entered the line for them."""
    if not line.entered_by:
        return line.note
    who = told(chosen, ENTERED_BY, {"name": line.entered_by})
    return Markup("{} <bdi>{}</bdi>").format(who, line.note) if line.note else who


def _ask(dated: DatedLine, chosen: Language) -> Row:
    line = dated.line
    amounts = amounts_of(line.unit, chosen)
    state = _ASK_STATES.get(line.state)
    return Row(
        day=chosen.day_short(dated.day),
        what=chosen.say(state) if state else line.state,
        category=category_in_words(line.category, chosen),
        state="",
        note=line.note,
        given=amounts.words(line.amount),
        received=amounts.words(line.handed) if line.handed else "",
    )


def _days_in_words(first: date | None, last: date | None, chosen: Language) -> str:
    if first and last:
        start, end = (chosen.day_month_year(day) for day in (first, last))
        return chosen.say(N_("From %(first)s to %(last)s"), first=start, last=end)
    if first:
        return chosen.say(N_("From %(first)s on"), first=chosen.day_month_year(first))
    if last:
        return chosen.say(N_("Up to %(last)s"), last=chosen.day_month_year(last))
    return chosen.say(N_("From the beginning on"))
