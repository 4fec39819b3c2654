"""The own page: the two doors, what waits for its reader, hours given and received side by side, and the pot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.errors import N_, FieldInvalid, MalformedBody, Refusal
from timebank.ledger.units import HOURS, MINUTES
from timebank.rules.commands import ConfirmHours, QuestionHours, SettleHours, WithdrawHours
from timebank.rules.names import free_text
from timebank.rules.written import read_minutes
from timebank.services.live import Live, LivePot, read_live
from timebank.services.overview import read_home
from timebank.web.drawings import PotBar, pot_bar
from timebank.web.forms import NOT_A_FORM, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.own_lists import LIST_FIELD, OWN_ASKS, OWN_HOURS, WAITING, faults_of, silence, waiting_page
from timebank.web.own_rows import (
    AskLine,
    EntryLine,
    RefusedAnswer,
    WaitingHours,
    ask_line,
    entry_line,
    thanks,
    waiting_hours,
)
from timebank.web.pot_view import bar_sentence, pot_figures
from timebank.web.rooms import ASK, HOME, LOG, Way, ways
from timebank.web.sending import send
from timebank.web.words import Amounts, amounts_of

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.commands import Command
    from timebank.services.overview import Home
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

REASON_MAX: Final = 500


class Figure(NamedTuple):
    """An amount as large figures with small units, and as programs read it."""

    pieces: tuple[tuple[str, bool], ...]
    machine: str


class PotLine(NamedTuple):
    """A pot as its members see it: two figures in words, and the bar."""

    key: str
    ink: str
    title: str
    figures: tuple[tuple[str, str, str], ...]
    bar: PotBar
    sentence: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """The own page.

    Attributes:
        faults: (field, what to do about it).
        is_new: Whether there is nothing of the reader's yet, and the page says how to begin.
        waiting: The newest of what waits for the reader's yes.
        said: Hours to which the reader said "not quite", and nobody has answered yet.
        waiting_aside: What silence does, in one sentence; empty in groups where it does nothing.
        last: The reader's last hours, newest first.
        thanks: Who said yes to hours of the reader.
        all_waiting, all_hours, all_asks: Where all of them are; empty where all of them are here.
        pots_as_of: Of which moment the pots are; there are none before the first close.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    nickname: str
    log_href: str
    ask_href: str
    statement_href: str
    book_href: str
    is_new: bool
    faults: tuple[tuple[str, str], ...]
    waiting: tuple[WaitingHours, ...]
    said: tuple[WaitingHours, ...]
    waiting_aside: str
    given: Figure
    received: Figure
    asks: tuple[AskLine, ...]
    last: tuple[EntryLine, ...]
    thanks: tuple[Markup, ...]
    all_waiting: str
    all_hours: str
    all_asks: str
    pots: tuple[PotLine, ...]
    pots_as_of: str


@route("/g/{slug:str}/me", http_method=_READ, include_in_schema=False)
async def home_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the own page."""
    return await _page(await inside(request, slug))


@post("/g/{slug:str}/me/hours/{hours_id:uuid}", include_in_schema=False)
async def answer_hours(
    request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]
) -> ASGIApp:
    """Say yes to hours, or "not quite" with what it should be."""
    here, fields = await received(request, slug)
    time, why = field_text(fields, "time").strip(), field_text(fields, "why")

    async def refused(field: str, fault: str, status: int) -> PrivatePage:
        answer = RefusedAnswer(hours_id, field, fault, time, why)
        if LIST_FIELD in fields:
            return await waiting_page(here, field_text(fields, LIST_FIELD)[:36], answer, status=status)
        return await _page(here, answer, status=status)

    command: Command
    match field_text(fields, "say"):
        case "yes":
            command = ConfirmHours(hours_id)
        case "agree":
            command = SettleHours(hours_id)
        case "withdraw":
            command = WithdrawHours(hours_id)
        case "not-quite":
            try:
                command = QuestionHours(
                    hours_id, read_minutes(time), free_text(why, field="why", length_max=REASON_MAX)
                )
            except FieldInvalid:
                return await refused("why", here.chosen.say(N_("Write it again, and shorter")), 422)
            except Refusal:
                advice = here.chosen.say(N_("Write how long it was, for example 1:30"))
                return await refused("time", advice, 422)
        case _:
            raise MalformedBody(why=NOT_A_FORM)
    sent = await send(here, fields, command)
    if sent.is_refused:
        if sent.status == 404:
            # What is not theirs to see looks like what is not there.
            return await refused("", sent.sentence, 404)
        return await refused("time" if sent.code == "amount_out_of_range" else "", sent.sentence, sent.status)
    return here.go(WAITING if LIST_FIELD in fields else HOME)


HOME_PAGES: Final[list[HTTPRouteHandler]] = [home_page, answer_hours]


async def _page(here: Inside, refused: RefusedAnswer | None = None, *, status: int = 200) -> PrivatePage:
    home = await read_home(here.door.house, here.actor)
    live = await read_live(here.door.house.database, here.actor, now=here.door.clock())
    chosen = here.chosen
    hours = Amounts(HOURS, chosen)
    rules, names = home.rules, home.nicknames
    is_new = not (home.waiting or home.asked or home.asks or home.last)
    page = HomePage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, HOME),
        nickname=home.nickname,
        log_href=here.path(LOG),
        ask_href=here.path(ASK),
        statement_href=here.path("/statement"),
        book_href=here.path(""),
        is_new=is_new,
        faults=faults_of(refused),
        waiting=tuple(waiting_hours(here, rules, names, each, refused) for each in home.waiting),
        said=tuple(waiting_hours(here, rules, names, each, refused) for each in home.asked),
        waiting_aside=silence(rules, chosen),
        given=Figure(hours.figure(home.given), hours.machine(home.given)),
        received=Figure(hours.figure(home.received), hours.machine(home.received)),
        asks=tuple(ask_line(here, rules, each) for each in home.asks),
        last=tuple(entry_line(here, names, each) for each in home.last),
        thanks=tuple(thanks(names, each, chosen) for each in home.thanks),
        all_waiting=here.path(WAITING) if home.more & {"waiting", "asked"} else "",
        all_hours=here.path(OWN_HOURS) if "last" in home.more else "",
        all_asks=here.path(OWN_ASKS) if "asks" in home.more else "",
        pots=tuple(_pot(pot, live.pots, chosen) for pot in live.pots),
        pots_as_of=_as_of(live, home, chosen),
    )
    return here.page("home.html", page, status=status)


def _pot(pot: LivePot, pots: tuple[LivePot, ...], chosen: Language) -> PotLine:
    amounts = amounts_of(pot.unit, chosen)
    same = [each.pot for each in pots if (each.unit == MINUTES) == amounts.is_time]
    title = chosen.say(N_("Hours") if amounts.is_time else N_("Money"))
    if len(same) > 1:
        number = chosen.say(N_("pot %(number)s"), number=chosen.number(same.index(pot.pot) + 1))
        title = chosen.listed((title, number))
    first, second = pot_figures(pot.available, pot.promised, amounts)
    return PotLine(
        key=pot.pot,
        ink="hours" if amounts.is_time else "money",
        title=title,
        figures=(
            (first.mark, amounts.words(abs(pot.available)), first.name),
            (second.mark, amounts.words(pot.promised), second.name),
        ),
        bar=pot_bar(
            pot.available,
            pot.promised,
            label=amounts.label,
            plain_label=amounts.plain_label,
            unit_step=amounts.step,
            rtl=chosen.direction == "rtl",
            bar_height=2.0,
        )._replace(ticks=(), height="2.125em"),
        sentence=bar_sentence(pot.available, pot.promised, amounts),
    )


def _as_of(live: Live, home: Home, chosen: Language) -> str:
    if live.as_of is None:
        return ""
    day = live.as_of.astimezone(ZoneInfo(home.rules.time_zone)).date()
    if live.now:
        return chosen.say(N_("As it is now, %(day)s. For members only."), day=chosen.weekday(day))
    return chosen.say(N_("As it was when %(day)s began."), day=chosen.weekday(day))
