"""The own page: what waits for its reader, the two doors, hours given and received side by side, and the pot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
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
from timebank.web.forms import NOT_A_FORM, Answer, field_text, is_look
from timebank.web.hours_sight import read_other, sight_of_other, sight_of_yes, told_of
from timebank.web.inside import Inside, inside, received
from timebank.web.log_sight import sentence_to_you
from timebank.web.pot_view import bar_sentence, pot_figures
from timebank.web.rooms import ASK, HOME, LOG, PAY, SETTINGS, TODAY, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.words import Amounts, amounts_of, category_in_words, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.commands import Command
    from timebank.services.hours import Hours
    from timebank.services.overview import Home
    from timebank.store.statement import AskedRow
    from timebank.web.private import PrivatePage
    from timebank.web.sight import Sight

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

REASON_MAX: Final = 500
#: So much of what waits is shown at once; whoever was away for a month still finds their own hours below it.
_AT_ONCE: Final = 5

#: (mark, what it is called) of an ask in each of its states.
ASK_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "asked": ("hollow", N_("received, waiting for a yes")),
    "looked_at": ("hollow", N_("being looked at")),
    "promised": ("hatched", N_("yes, on its way to you")),
    "handed_over": ("hatched", N_("handed over: has it arrived?")),
    "arrived": ("solid", N_("arrived")),
    "released": ("solid", N_("given back to the pot")),
    "not_now": ("hollow", N_("not now")),
    "expired": ("hollow", N_("over: nobody took it up in time")),
    "cancelled": ("hollow", N_("taken back")),
}


class Figure(NamedTuple):
    """An amount as large figures with small units, and as programs read it."""

    pieces: tuple[tuple[str, bool], ...]
    machine: str


@dataclass(frozen=True, slots=True)
class WaitingHours:
    """Hours about which it is the reader's turn.

    Attributes:
        key: Of the form that says yes; ``other_key`` of the one that says otherwise.
        what: What somebody says happened.
        age: When, what about, and what silence does.
        proposal: What the other one says it was instead; empty where the reader may say it.
        said: What the reader said it was; empty where they have not said it yet.
        can_withdraw: Whether the reader can take it back altogether.
        is_open: Whether the part with "not quite" stands open, because something in it is wrong or was looked at.
        sight: What the public will see of a yes.
        other: The same of "not quite", once the other one agrees.
        told: Whether ``other`` is of what stands in the form; ``looked`` whether it was asked for.
    """

    id: str
    action: str
    key: str
    other_key: str
    what: Markup | str
    age: str
    proposal: str
    said: str
    can_withdraw: bool
    reason: str
    is_open: bool
    time: Answer
    why: Answer
    sight: Sight
    other: Sight
    told: bool
    looked: bool


class EntryLine(NamedTuple):
    """One of the reader's last hours; ``age`` says what is to be known besides, often nothing."""

    day: str
    href: str
    what: Markup | str
    age: Markup | str
    given: str
    received: str


class PotLine(NamedTuple):
    """A pot as its members see it: two figures in words, and the bar."""

    key: str
    ink: str
    title: str
    figures: tuple[tuple[str, str, str], ...]
    bar: PotBar
    sentence: str


class AskLine(NamedTuple):
    """One of the reader's asks."""

    href: str
    mark: str
    words: str
    day: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """The own page.

    Attributes:
        faults: (field, what to do about it).
        waiting: The newest of what waits for the reader's yes; ``further`` is folded behind it.
        further_open: Whether something of it was answered just now, and the answer not taken.
        said: Hours to which the reader said "not quite", and nobody has answered yet.
        waiting_aside: What silence does, in one sentence; empty in groups where it does nothing.
        duties: Pages of duties that the reader carries.
        last: The reader's last hours, newest first.
        pots_as_of: Of which moment the pots are; there are none before the first close.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    nickname: str
    log_href: str
    ask_href: str
    statement_href: str
    settings_href: str
    looks_href: str
    duties: tuple[Way, ...]
    faults: tuple[tuple[str, str], ...]
    waiting: tuple[WaitingHours, ...]
    further: tuple[WaitingHours, ...]
    further_open: bool
    said: tuple[WaitingHours, ...]
    waiting_aside: str
    given: Figure
    received: Figure
    asks: tuple[AskLine, ...]
    last: tuple[EntryLine, ...]
    pots: tuple[PotLine, ...]
    pots_as_of: str


class _Refused(NamedTuple):
    """An answer to hours that was not taken: whose, which field, why, and what stood in the fields.

    One that is only looked at has no fault.
    """

    hours_id: UUID
    field: str
    fault: str
    time: str
    why: str
    looked: bool = False


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
        return await _page(here, _Refused(hours_id, field, fault, time, why), status=status)

    command: Command
    match "not-quite" if is_look(fields) else field_text(fields, "say"):
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
    if is_look(fields):
        return await _page(here, _Refused(hours_id, "", "", time, why, looked=True))
    sent = await send(here, fields, command)
    if sent.is_refused:
        if sent.status == 404:
            # What is not theirs to see looks like what is not there.
            return await refused("", sent.sentence, 404)
        return await refused("time" if sent.code == "amount_out_of_range" else "", sent.sentence, sent.status)
    return here.go(HOME)


HOME_PAGES: Final[list[HTTPRouteHandler]] = [home_page, answer_hours]


async def _page(here: Inside, refused: _Refused | None = None, *, status: int = 200) -> PrivatePage:
    home = await read_home(here.door.house, here.actor)
    live = await read_live(here.door.house.database, here.actor, now=here.door.clock())
    chosen = here.chosen
    hours = Amounts(HOURS, chosen)
    rooms = ways(here, HOME)
    duties = {here.path(TODAY), here.path(PAY)}
    waiting = tuple(_waiting(here, home, each, refused) for each in home.waiting)
    page = HomePage(
        name=here.group.name,
        href=here.href,
        ways=rooms,
        nickname=home.nickname,
        log_href=here.path(LOG),
        ask_href=here.path(ASK),
        statement_href=here.path("/statement"),
        settings_href=here.path(SETTINGS),
        looks_href=here.path(f"{HOME}/looks"),
        duties=tuple(way for way in rooms if way.href in duties),
        faults=((_anchor(refused), refused.fault),) if refused and refused.fault else (),
        waiting=waiting[:_AT_ONCE],
        further=waiting[_AT_ONCE:],
        further_open=any(hours.is_open for hours in waiting[_AT_ONCE:]),
        said=tuple(_waiting(here, home, each, refused) for each in home.asked),
        waiting_aside=_aside(home, chosen),
        given=Figure(hours.figure(home.given), hours.machine(home.given)),
        received=Figure(hours.figure(home.received), hours.machine(home.received)),
        asks=tuple(_ask(here, home, each) for each in home.asks),
        last=tuple(_entry(here, home, each) for each in home.last),
        pots=tuple(_pot(pot, live.pots, chosen) for pot in live.pots),
        pots_as_of=_as_of(live, home, chosen),
    )
    return here.page("home.html", page, status=status, with_script=bool(page.waiting or page.said))


def _anchor(refused: _Refused) -> str:
    return f"{refused.field}-{refused.hours_id}" if refused.field else "waits"


def _aside(home: Home, chosen: Language) -> str:
    if not home.rules.time_bank:
        return ""
    return chosen.say_many(
        "No answer within %(count)s day counts as a yes.",
        "No answer within %(count)s days counts as a yes.",
        home.rules.confirm_days,
    )


def _waiting(here: Inside, home: Home, hours: Hours, refused: _Refused | None) -> WaitingHours:
    chosen, me = here.chosen, here.actor.member_id
    mine = refused if refused and refused.hours_id == hours.id else None
    age = [chosen.weekday(hours.effective_on), category_in_words(hours.category, chosen)]
    if not hours.posted and hours.state == "logged":
        on = hours.logged_at.astimezone(ZoneInfo(home.rules.time_zone)).date()
        until = on + timedelta(days=home.rules.confirm_days)
        age.append(chosen.say(N_("counts as a yes on %(day)s"), day=chosen.weekday(until)))
    instead = chosen.hours(hours.proposed or 0)
    asked_me = hours.proposed is not None and hours.waits_for_me
    i_asked = hours.proposed is not None and not hours.waits_for_me
    sight, other, is_told = _sights(here, home, hours, mine.time if mine else "", agrees=asked_me)
    return WaitingHours(
        id=str(hours.id),
        action=here.path(f"{HOME}/hours/{hours.id}"),
        key=new_key(),
        other_key=new_key(),
        what=_what(hours, home.nicknames, me, chosen),
        age=" · ".join(age),
        proposal=chosen.say(N_("The other one says it was %(time)s instead."), time=instead)
        if asked_me
        else "",
        said=chosen.say(N_("You said it was %(time)s."), time=instead) if i_asked else "",
        can_withdraw=hours.draw is None and (me in {hours.giver, hours.logged_by}),
        reason=hours.why,
        is_open=bool(mine and (mine.field or mine.looked)),
        time=Answer(mine.time if mine else "", mine.fault if mine and mine.field == "time" else ""),
        why=Answer(mine.why if mine else "", mine.fault if mine and mine.field == "why" else ""),
        sight=sight,
        other=other,
        told=is_told,
        looked=bool(mine and mine.looked),
    )


def _sights(
    here: Inside, home: Home, hours: Hours, written: str, *, agrees: bool
) -> tuple[Sight, Sight, bool]:
    """Return what the public will see of a yes, and of something else; and whether that is known."""
    rules = home.rules
    today = here.door.clock().astimezone(ZoneInfo(rules.time_zone)).date()
    minutes, told_hours = read_other(written, rules), told_of(hours)
    return (
        sight_of_other(here, rules, today, told_hours, hours.proposed)
        if agrees
        else sight_of_yes(here, rules, today, told_hours),
        sight_of_other(here, rules, today, told_hours, minutes),
        minutes is not None,
    )


def _what(hours: Hours, nicknames: Mapping[UUID, str], me: UUID, chosen: Language) -> Markup:
    # The first is escaped, and the second is digits and letters of our own.
    return Markup(chosen.listed((_who(hours, nicknames, me, chosen), chosen.hours(hours.minutes))))  # noqa: S704


def _who(hours: Hours, nicknames: Mapping[UUID, str], me: UUID, chosen: Language) -> Markup:
    if hours.receiver == me:
        return sentence_to_you(_name(hours.giver, nicknames), chosen, gave=False)
    if hours.is_for_pot:
        return sentence_to_you(None, chosen, gave=True)
    return sentence_to_you(_name(hours.receiver, nicknames), chosen, gave=True)


def _name(member_id: UUID | None, nicknames: Mapping[UUID, str]) -> str:
    """Return what somebody is called; empty for whoever was forgotten."""
    return nicknames.get(member_id, "") if member_id else ""


def _entry(here: Inside, home: Home, hours: Hours) -> EntryLine:
    chosen, me = here.chosen, here.actor.member_id
    got = hours.receiver == me
    gone = hours.state in {"withdrawn", "settled"}
    time = Amounts(HOURS, chosen).digits(hours.minutes)
    if gone:
        age: Markup | str = chosen.say(N_("taken back"))
    elif hours.waits_for_me:
        age = chosen.say(N_("waits for your yes"))
    elif hours.state == "confirmed" and not got and not hours.is_for_pot:
        name = _name(hours.receiver, home.nicknames) or chosen.say(N_("A neighbour"))
        age = told(chosen, N_("%(name)s said yes. Thank you."), {"name": name})
    elif hours.state == "questioned" or not hours.posted:
        age = chosen.say(N_("waits for the other one"))
    else:
        age = ""
    return EntryLine(
        day=chosen.day_short(hours.effective_on),
        href=here.path(f"{LOG}/{hours.id}"),
        what=_who(hours, home.nicknames, me, chosen),
        age=Markup(" · ").join(each for each in (category_in_words(hours.category, chosen), age) if each),
        given="" if got or gone else time,
        received=time if got and not gone else "",
    )


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


def _ask(here: Inside, home: Home, ask: AskedRow) -> AskLine:
    mark, state = ASK_STATES.get(ask.state, ("hollow", ask.state))
    on = ask.at.astimezone(ZoneInfo(home.rules.time_zone)).date()
    return AskLine(
        href=here.path(f"/asks/{ask.draw_id}"),
        mark=mark,
        words=here.chosen.say(
            N_("%(amount)s: %(state)s"),
            amount=amounts_of(ask.unit, here.chosen).words(ask.asked),
            state=here.chosen.say(state),
        ),
        day=here.chosen.say(N_("asked on %(day)s"), day=here.chosen.weekday(on)),
    )
