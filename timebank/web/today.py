"""What a steward finds today: what waits, by its kind, the oldest first and no more of a kind than one can take in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, Refusal, UnknownPage
from timebank.rules.commands import SettleHours
from timebank.rules.written import read_minutes
from timebank.services.draws import list_draws, read_draws
from timebank.services.live import read_live
from timebank.services.overview import read_rules, read_waiting_hours
from timebank.web.ask import ask_about, ask_title
from timebank.web.ask_card import Fact, ask_facts, short_id, why_not
from timebank.web.forms import Answer, field_text, is_look
from timebank.web.hours_sight import read_other, sight_of_other, told_of
from timebank.web.inside import Inside
from timebank.web.people import age_in_words
from timebank.web.rooms import LOG_MANY, TODAY, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import Sight
from timebank.web.stewards import READ, Fault, done, done_in_words, steward_reads, steward_sends
from timebank.web.today_more import MoreLine, read_more
from timebank.web.words import amounts_of, category_in_words, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from litestar.handlers import HTTPRouteHandler
    from markupsafe import Markup

    from timebank.rules.state import SetUp
    from timebank.services.draws import DrawView
    from timebank.services.hours import Hours
    from timebank.web.private import PrivatePage

#: So many of a kind stand on the day's page, and so many on a page of all of them.
KIND_SHOWN: Final = 5
ALL_SHOWN: Final = 20
_PAGE: Final = 200

ASKS, HOURS, LINKS = "asks", "hours", "links"


class AskBrief(NamedTuple):
    """An ask that waits, in short.

    Attributes:
        facts: What needs a look; what is kept stands together in the last one.
        why_not: Why it is for others to decide; empty if it is the reader's.
    """

    id: str
    short: str
    href: str
    title: str
    age: str
    about: str
    facts: tuple[Fact, ...]
    why_not: str


@dataclass(frozen=True, slots=True)
class HoursToSettle:
    """Hours between people about which nobody said yes yet; ``action`` is empty for the reader's own."""

    id: str
    what: Markup
    age: str
    question: str
    reason: str
    action: str
    key: str
    time: Answer
    is_open: bool
    sight: Sight
    told: bool
    looked: bool


class LostLink(NamedTuple):
    """An ask without an account that was said yes to, and where its new link is made."""

    what: str
    action: str
    key: str


class Kind(NamedTuple):
    """How many of a kind wait and since when; ``all`` leads to the rest of them, if there are more than are shown."""

    key: str
    words: str
    oldest: str
    all: str
    all_href: str


@dataclass(frozen=True, slots=True)
class TodayPage:
    """What waits for the stewards; ``further`` is answered on other pages."""

    name: str
    href: str
    ways: tuple[Way, ...]
    said: str
    lede: str
    kinds: Mapping[str, Kind]
    faults: tuple[tuple[str, str], ...]
    asks: tuple[AskBrief, ...]
    hours: tuple[HoursToSettle, ...]
    hours_aside: str
    further: tuple[MoreLine, ...]
    lost: tuple[LostLink, ...]
    many_href: str
    import_href: str


@dataclass(frozen=True, slots=True)
class AllPage:
    """All of one kind that waits, so many at a time; ``newer`` leads to the next of them."""

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    title: str
    kind: str
    faults: tuple[tuple[str, str], ...]
    asks: tuple[AskBrief, ...]
    hours: tuple[HoursToSettle, ...]
    lost: tuple[LostLink, ...]
    newer: str


# ---------------------------------------------------------------- handlers


@route("/g/{slug:str}/today", http_method=READ, include_in_schema=False)
async def today_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what waits."""
    here = await steward_reads(request, slug, TODAY)
    return await _page(here, done_in_words(request, here.chosen)) if isinstance(here, Inside) else here


@route("/g/{slug:str}/today/all/{kind:str}", http_method=READ, include_in_schema=False)
async def all_page(request: Request[Any, Any, Any], slug: FromPath[str], kind: FromPath[str]) -> ASGIApp:
    """Show all of one kind that waits."""
    if kind not in {ASKS, HOURS, LINKS}:
        raise UnknownPage
    here = await steward_reads(request, slug, f"{TODAY}/all/{kind}")
    if not isinstance(here, Inside):
        return here
    page = request.query_params.get("page", "")
    return await _all(
        here, kind, page=int(page) if page.isascii() and page.isdecimal() and len(page) < 5 else 0
    )


@post("/g/{slug:str}/today/hours/{hours_id:uuid}", include_in_schema=False)
async def settle_hours(
    request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]
) -> ASGIApp:
    """Settle what two people do not agree on."""
    here, fields = await steward_sends(request, slug)
    try:
        minutes = read_minutes(field_text(fields, "time"))
    except Refusal:
        advice = here.chosen.say(N_("Write how long it was, for example 1:30"))
        return await _all(here, HOURS, Fault(str(hours_id), advice, fields), status=422)
    if is_look(fields):
        return await _all(here, HOURS, Fault(str(hours_id), "", fields))
    sent = await send(here, fields, SettleHours(hours_id, minutes))
    if sent.is_refused:
        return await _all(here, HOURS, Fault(str(hours_id), sent.sentence, fields), status=sent.status)
    return done(here, TODAY, "settled")


TODAY_PAGES: Final[list[HTTPRouteHandler]] = [today_page, all_page, settle_hours]


# ---------------------------------------------------------------- the pages


async def _page(here: Inside, said: str) -> PrivatePage:
    now, chosen = here.door.clock(), here.chosen
    rules = await read_rules(here.door.house, here.actor.group_id)
    zone = ZoneInfo(rules.time_zone)
    waiting, lost = await _waiting(here), await _on_its_way(here)
    hours, names = await read_waiting_hours(here.door.house, here.actor, now=now)
    further = await read_more(here, rules)
    kinds = dict[str, Kind]()
    if waiting:
        count = chosen.say_many("%(count)s ask waits", "%(count)s asks wait", len(waiting))
        kinds[ASKS] = _kind(here, ASKS, count, len(waiting), waiting[0].draw.asked_at, zone)
    if hours:
        count = chosen.say_many("%(count)s log of hours waits", "%(count)s logs of hours wait", len(hours))
        kinds[HOURS] = _kind(here, HOURS, count, len(hours), hours[-1].logged_at, zone)
    if further:
        count = chosen.say_many("%(count)s other thing", "%(count)s other things", len(further))
        kinds["further"] = Kind("further", count, "", "", "")
    if lost:
        count = chosen.say_many("%(count)s link may be lost", "%(count)s links may be lost", len(lost))
        kinds[LINKS] = _kind(here, LINKS, count, len(lost), lost[0].draw.asked_at, zone)
    page = TodayPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, TODAY),
        said=said,
        lede=chosen.weekday(now.astimezone(zone).date()),
        kinds=kinds,
        faults=(),
        asks=await _briefs(here, waiting[:KIND_SHOWN], rules, now),
        hours=tuple(_hours(here, each, names, None, rules) for each in hours[: -KIND_SHOWN - 1 : -1]),
        hours_aside=_hours_aside(here, rules),
        further=further,
        lost=_lost(here, lost[:KIND_SHOWN]),
        many_href=here.path(LOG_MANY),
        import_href=here.path("/import"),
    )
    return here.page("today.html", page, with_script=bool(page.hours))


def _kind(here: Inside, key: str, words: str, count: int, oldest: datetime, zone: ZoneInfo) -> Kind:
    chosen = here.chosen
    days = (here.door.clock().astimezone(zone).date() - oldest.astimezone(zone).date()).days
    since = chosen.say(N_("all of them since today"))
    if days > 0:
        since = chosen.say_many("the oldest for %(count)s day", "the oldest for %(count)s days", days)
    every = ""
    if count > KIND_SHOWN:
        every = chosen.say_many("See all %(count)s of them", "See all %(count)s of them", count)
    return Kind(key, words, since, every, here.path(f"{TODAY}/all/{key}"))


_TITLES: Final[Mapping[str, str]] = {
    ASKS: N_("All asks that wait"),
    HOURS: N_("All hours that wait for a yes"),
    LINKS: N_("Lost links"),
}


async def _all(
    here: Inside, kind: str, fault: Fault | None = None, *, page: int = 0, status: int = 200
) -> PrivatePage:
    now = here.door.clock()
    rules = await read_rules(here.door.house, here.actor.group_id)
    some = slice(page * ALL_SHOWN, (page + 1) * ALL_SHOWN)
    waiting = await _waiting(here) if kind == ASKS else await _on_its_way(here) if kind == LINKS else []
    hours: tuple[Hours, ...] = ()
    names: Mapping[UUID, str] = {}
    if kind == HOURS:
        newest_first, names = await read_waiting_hours(here.door.house, here.actor, now=now)
        hours = newest_first[::-1]
    if fault is not None:
        # What was wrong stands on the page, wherever its hours are in the list.
        hours, some = tuple(each for each in hours if str(each.id) == fault.field), slice(0, 1)
    there_is_more = len(hours) + len(waiting) > some.stop and fault is None
    below = f"{TODAY}/all/{kind}"
    shown = AllPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, TODAY),
        back=here.path(TODAY),
        title=here.chosen.say(_TITLES[kind]),
        kind=kind,
        faults=((f"time-{fault.field}", fault.text),) if fault and fault.text else (),
        asks=await _briefs(here, waiting[some], rules, now) if kind == ASKS else (),
        hours=tuple(_hours(here, each, names, fault, rules) for each in hours[some]),
        lost=_lost(here, waiting[some]) if kind == LINKS else (),
        newer=here.path(below) + ("&" if here.query else "?") + f"page={page + 1}" if there_is_more else "",
    )
    return here.page("today_all.html", shown, status=status, with_script=bool(shown.hours))


# ---------------------------------------------------------------- asks


async def _waiting(here: Inside) -> list[DrawView]:
    """Return the asks that wait for stewards, oldest first."""
    found: list[DrawView] = []
    after: UUID | None = None
    while True:
        page, after = await list_draws(
            here.door.house, here.actor, states=("asked", "looked_at"), after=after, limit=_PAGE
        )
        found += page
        if after is None:
            return found[::-1]


async def _briefs(
    here: Inside, views: Sequence[DrawView], rules: SetUp, now: datetime
) -> tuple[AskBrief, ...]:
    house, chosen, zone = here.door.house, here.chosen, ZoneInfo(rules.time_zone)
    live = {pot.pot: pot for pot in (await read_live(house.database, here.actor, now=now)).pots}
    whole = await read_draws(house, here.actor, views, now=now) if views else []
    found = []
    for view in whole:
        draw, amounts = view.draw, amounts_of(view.pot.unit, chosen)
        found.append(
            AskBrief(
                id=str(draw.draw_id),
                short=short_id(draw.draw_id),
                href=here.path(f"{TODAY}/{draw.draw_id}"),
                title=ask_title(draw.asked, amounts),
                age=age_in_words(draw.asked_at, zone, now, chosen),
                about=ask_about(draw.category, draw.needed_by, chosen),
                facts=_in_short(here, view, ask_facts(view, rules, amounts, live)),
                why_not=why_not(view, chosen),
            )
        )
    return tuple(found)


def _in_short(here: Inside, view: DrawView, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return what needs a look, each by itself, and one line for the rules that are kept."""
    chosen = here.chosen
    short = [fact for fact in facts if fact.mark != "solid"]
    if view.said and view.said.get("answer"):
        short.insert(
            0, Fact("hatched", chosen.say(N_("Answered.")), chosen.say(N_("They answered a question.")))
        )
    kept = sum(fact.mark == "solid" and bool(fact.rule) for fact in facts)
    if kept:
        words = chosen.say_many("%(count)s rule is kept.", "%(count)s rules are kept.", kept)
        short.append(Fact("solid", chosen.say(N_("Fits.")), words))
    return tuple(short)


async def _on_its_way(here: Inside) -> list[DrawView]:
    """Return asks without an account that wait for nobody here, but whose link may be lost; oldest first."""
    page, _ = await list_draws(here.door.house, here.actor, states=("promised",), after=None, limit=_PAGE)
    return [view for view in page[::-1] if view.draw.without_account]


def _lost(here: Inside, views: Sequence[DrawView]) -> tuple[LostLink, ...]:
    return tuple(
        LostLink(
            here.chosen.say(
                N_("Ask %(short)s, %(amount)s"),
                short=short_id(view.draw.draw_id),
                amount=amounts_of(view.pot.unit, here.chosen).words(view.draw.agreed or view.draw.asked),
            ),
            here.path(f"{TODAY}/{view.draw.draw_id}/link"),
            new_key(),
        )
        for view in views
    )


# ---------------------------------------------------------------- hours


def _hours_aside(here: Inside, rules: SetUp) -> str:
    if not rules.time_bank:
        return ""
    return here.chosen.say_many(
        "No answer counts as a yes after %(count)s day. A call is kinder.",
        "No answer counts as a yes after %(count)s days. A call is kinder.",
        rules.confirm_days,
    )


def _hours(
    here: Inside, hours: Hours, names: Mapping[UUID, str], fault: Fault | None, rules: SetUp
) -> HoursToSettle:
    chosen = here.chosen
    mine = fault if fault and fault.field == str(hours.id) else None
    nobody = chosen.say(N_("A neighbour"))
    giver = names.get(hours.giver, nobody) if hours.giver else nobody
    time = chosen.hours(hours.minutes)
    if hours.is_for_pot:
        what = told(chosen, N_("%(name)s helped the whole group, %(time)s"), {"name": giver}, time=time)
    else:
        receiver = names.get(hours.receiver, nobody) if hours.receiver else nobody
        names_of_both = {"name": giver, "other": receiver}
        what = told(chosen, N_("%(name)s helped %(other)s, %(time)s"), names_of_both, time=time)
    age = [chosen.weekday(hours.effective_on), category_in_words(hours.category, chosen)]
    if rules.time_bank and hours.state == "logged":
        until = hours.logged_at.astimezone(ZoneInfo(rules.time_zone)).date() + timedelta(
            days=rules.confirm_days
        )
        age.append(chosen.say(N_("counts as a yes on %(day)s"), day=chosen.weekday(until)))
    written = field_text(mine.fields, "time") if mine else ""
    minutes = read_other(written, rules)
    today = here.door.clock().astimezone(ZoneInfo(rules.time_zone)).date()
    took_part = here.actor.member_id in (hours.giver, hours.receiver)
    return HoursToSettle(
        id=str(hours.id),
        what=what,
        age=" · ".join(age),
        question=chosen.say(N_("One of them says it was %(time)s."), time=chosen.hours(hours.proposed))
        if hours.proposed
        else "",
        reason=hours.why,
        action="" if took_part else here.path(f"{TODAY}/hours/{hours.id}"),
        key=new_key(),
        time=Answer(written, mine.text if mine else ""),
        is_open=mine is not None,
        sight=sight_of_other(here, rules, today, told_of(hours), minutes),
        told=minutes is not None,
        looked=mine is not None and is_look(mine.fields) and not mine.text,
    )
