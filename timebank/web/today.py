"""What a steward finds today: asks that wait, oldest first, with the facts of the rules and without names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.problems import renderer
from timebank.errors import N_, FieldInvalid, MalformedBody, Refusal
from timebank.rules.commands import (
    ApproveDraw,
    DeclineDraw,
    ObjectDraw,
    QuestionDraw,
    SettleHours,
    StepAside,
)
from timebank.rules.names import free_text
from timebank.rules.written import read_minutes
from timebank.services.acts import Once
from timebank.services.draws import list_draws, note_look, read_draw, read_draws, read_who
from timebank.services.live import read_live
from timebank.services.overview import read_rules, read_waiting_hours
from timebank.web.ask import WORDS_MAX, ask_about, ask_title, policy_words
from timebank.web.draw_sight import draw_sight
from timebank.web.forms import NOT_A_FORM, Answer, field_text, is_look
from timebank.web.hours_sight import read_other, sight_of_other, told_of
from timebank.web.inside import Inside, inside, received
from timebank.web.money_pages import read_sum, refusal_in_words
from timebank.web.policy_words import rule_numbers
from timebank.web.private import go_to
from timebank.web.rooms import LOG_MANY, TODAY, Way, ways
from timebank.web.sending import key_of, new_key, send
from timebank.web.sight import Sight, asked_in_public
from timebank.web.sign_in import duty_location
from timebank.web.today_more import MoreLine, read_more
from timebank.web.words import amounts_of, category_in_words, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from litestar.handlers import HTTPRouteHandler
    from markupsafe import Markup

    from timebank.i18n import Language
    from timebank.rules.asks import CapUsed
    from timebank.rules.commands import Command
    from timebank.rules.state import SetUp
    from timebank.services.draws import DrawView
    from timebank.services.hours import Hours
    from timebank.services.live import LivePot
    from timebank.web.private import PrivatePage
    from timebank.web.words import Amounts

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: So many stand on the page with everything; the others are counted.
ASKS_SHOWN: Final = 20
_PAGE: Final = 200

YES, PART, LATER, QUESTION, ASIDE, OBJECT, NO_OBJECTION = (
    "yes",
    "part",
    "later",
    "question",
    "aside",
    "object",
    "no-objection",
)
_WARNINGS: Final[Mapping[str, str]] = {
    "perhaps_twice": N_("Somebody who can be reached in the same way asks already."),
    "talk_first": N_("They have reached the limit at which the group talks first."),
}
#: Answers that take a fresh proof.
_NEEDS_PROOF: Final = frozenset({YES, PART})
#: Answers that say something to whoever asked.
_NEEDS_WORDS: Final = {
    LATER: N_("Write the reason: whoever asked will read it"),
    QUESTION: N_("Write the question: whoever asked will read it"),
}


class Fact(NamedTuple):
    """What a rule says about an ask: mark, verdict, the fact, and the number of the rule; empty for none."""

    mark: str
    verdict: str
    text: str
    rule: str = ""


class Choice(NamedTuple):
    """An answer that can be given; ``hint`` says what goes with it."""

    value: str
    label: str
    hint: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class AskToDecide:
    """An ask that waits.

    Attributes:
        short: How people can speak of it: the first signs of its id.
        facts: What the rules and the pot say.
        choices: The answers that the reader can give; empty where it is for others.
        why_not: Why it is for others.
        asks_not_own: Whether a yes needs the statement that it is not the reader's own.
        amount, words: The fields that go with some answers.
        sight: What the public will see of it; ``told`` whether of this answer, ``looked`` whether somebody asked.
        who: Whose it is, once the reader asked and it was written down.
        link_action: Where a new link is made for somebody without an account; else empty.
    """

    id: str
    short: str
    title: str
    age: str
    about: str
    said: tuple[tuple[str, str], ...]
    facts: tuple[Fact, ...]
    version: str
    action: str
    key: str
    choices: tuple[Choice, ...]
    why_not: str
    asks_not_own: bool
    part: Answer
    words: Answer
    choice_fault: str
    own_fault: str
    sight: Sight
    told: bool
    looked: bool
    who_action: str
    who_key: str
    who: str
    link_action: str
    link_key: str


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


@dataclass(frozen=True, slots=True)
class TodayPage:
    """What waits for the stewards; ``further`` is answered on other pages."""

    name: str
    href: str
    ways: tuple[Way, ...]
    lede: str
    faults: tuple[tuple[str, str], ...]
    asks: tuple[AskToDecide, ...]
    more: str
    hours: tuple[HoursToSettle, ...]
    hours_aside: str
    further: tuple[MoreLine, ...]
    lost: tuple[LostLink, ...]
    many_href: str
    import_href: str
    words_max: int


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with an answer, with what stood in its fields; a look finds nothing wrong."""

    about: UUID
    field: str
    text: str
    fields: Mapping[str, list[str]]


# ---------------------------------------------------------------- handlers


@route("/g/{slug:str}/today", http_method=_READ, include_in_schema=False)
async def today_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what waits."""
    here = await inside(request, slug)
    if "steward" in here.visitor.duties_wait:
        return go_to(duty_location(here, TODAY))
    return await _page(here)


@post("/g/{slug:str}/today/{draw_id:uuid}", include_in_schema=False)
async def decide(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Take a steward's answer to an ask."""
    here, fields = await received(request, slug)
    here.actor.require_role("steward")
    view = await read_draw(here.door.house, here.actor, draw_id, now=here.door.clock())
    command, fault = _decision(view, fields, here.chosen)
    if command is None:
        return await _page(here, _Fault(draw_id, *fault, fields), status=422)
    if is_look(fields):
        return await _page(here, _Fault(draw_id, "", "", fields))
    if field_text(fields, "say") in _NEEDS_PROOF:
        here.actor.require_fresh()
    sent = await send(here, fields, command)
    if not sent.is_refused:
        return here.go(TODAY)
    said = refusal_in_words(sent, view.pot.unit, here.chosen)
    if sent.code == "policy_refuses":
        said = policy_words(sent.body, amounts_of(view.pot.unit, here.chosen))
    return await _page(here, _Fault(draw_id, "say", said, fields), status=sent.status)


@post("/g/{slug:str}/today/{draw_id:uuid}/who", include_in_schema=False)
async def show_who(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Tell whose ask it is; that is written down, and shown to that person."""
    here, fields = await received(request, slug)
    once = Once(
        key=f"page-{key_of(fields)}",
        request_hash=sha256(b"who" + draw_id.bytes).digest(),
        now=here.door.clock(),
        render=renderer(here.chosen),
    )
    await note_look(here.door.house, here.actor, draw_id, once=once)
    found = await read_who(here.door.house, here.actor, draw_id)
    name = found.nickname or here.chosen.say(N_("somebody without an account, or who has left"))
    return await _page(here, who=(draw_id, name))


@post("/g/{slug:str}/today/hours/{hours_id:uuid}", include_in_schema=False)
async def settle_hours(
    request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]
) -> ASGIApp:
    """Settle what two people do not agree on."""
    here, fields = await received(request, slug)
    here.actor.require_role("steward")
    try:
        minutes = read_minutes(field_text(fields, "time"))
    except Refusal:
        advice = here.chosen.say(N_("Write how long it was, for example 1:30"))
        return await _page(here, _Fault(hours_id, "time", advice, fields), status=422)
    if is_look(fields):
        return await _page(here, _Fault(hours_id, "", "", fields))
    sent = await send(here, fields, SettleHours(hours_id, minutes))
    if sent.is_refused:
        return await _page(here, _Fault(hours_id, "time", sent.sentence, fields), status=sent.status)
    return here.go(TODAY)


TODAY_PAGES: Final[list[HTTPRouteHandler]] = [today_page, decide, show_who, settle_hours]


def _decision(
    view: DrawView, fields: Mapping[str, list[str]], chosen: Language
) -> tuple[Command | None, tuple[str, str]]:
    """Return what a steward answers, or (field, what is wrong with it)."""
    draw_id, said = view.draw.draw_id, field_text(fields, "say")
    try:
        words = free_text(field_text(fields, "words"), field="words", length_max=WORDS_MAX)
    except FieldInvalid:
        advice = chosen.say(
            N_("Write it again: at most %(count)s characters that can be shown"),
            count=chosen.number(WORDS_MAX),
        )
        return None, ("words", advice)
    if said in _NEEDS_PROOF:
        return _yes(view, fields, chosen)
    if not words and said in _NEEDS_WORDS:
        return None, ("words", chosen.say(_NEEDS_WORDS[said]))
    match said:
        case "later":
            return DeclineDraw(draw_id, words), ("", "")
        case "question":
            return QuestionDraw(draw_id, words), ("", "")
        case "aside":
            return StepAside(draw_id), ("", "")
        case "object":
            return ObjectDraw(draw_id, words), ("", "")
        case "no-objection":
            return ObjectDraw(draw_id, withdraw=True), ("", "")
        case "":
            return None, ("say", chosen.say(N_("Choose an answer")))
    raise MalformedBody(why=NOT_A_FORM)


def _yes(
    view: DrawView, fields: Mapping[str, list[str]], chosen: Language
) -> tuple[Command | None, tuple[str, str]]:
    draw_id, not_own = view.draw.draw_id, "not-own" in fields
    if view.draw.without_account and not not_own:
        return None, ("own", chosen.say(N_("Set the tick if it is not your own ask; if it is, step aside")))
    if field_text(fields, "say") == YES:
        return ApproveDraw(draw_id, not_own=not_own), ("", "")
    amount, fault = _part(field_text(fields, "part"), view, chosen)
    if fault:
        return None, ("part", fault)
    return ApproveDraw(draw_id, amount, view.pot.unit, not_own), ("", "")


def _part(written: str, view: DrawView, chosen: Language) -> tuple[int, str]:
    """Return a written part of an ask, and what is wrong with it."""
    unit, asked = view.pot.unit, view.draw.asked
    amount, fault = read_sum(written, unit, chosen)
    if fault:
        return 0, chosen.say(N_("Write how much of it, for example 12.50 or 1:30"))
    if amount > asked:
        most = amounts_of(unit, chosen).words(asked)
        return 0, chosen.say(N_("Write at most %(amount)s: no more was asked for"), amount=most)
    return amount, ""


# ---------------------------------------------------------------- the page


async def _page(
    here: Inside,
    fault: _Fault | None = None,
    *,
    who: tuple[UUID, str] | None = None,
    status: int = 200,
) -> PrivatePage:
    here.actor.require_role("steward")
    house, now, chosen = here.door.house, here.door.clock(), here.chosen
    waiting = await _waiting(here)
    rules = await read_rules(house, here.actor.group_id)
    today = now.astimezone(ZoneInfo(rules.time_zone)).date()
    live = {pot.pot: pot for pot in (await read_live(house.database, here.actor, now=now)).pots}
    shown = await read_draws(house, here.actor, waiting[:ASKS_SHOWN], now=now)
    asks = [_ask(here, view, rules, today, live, fault, who) for view in shown]
    hours, names = await read_waiting_hours(house, here.actor, now=here.door.clock())
    more = len(waiting) - len(asks)
    further = await read_more(here, rules)
    page = TodayPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, TODAY),
        lede=_lede(today, len(waiting), len(hours), len(further), chosen),
        faults=((f"{fault.field}-{fault.about}", fault.text),) if fault and fault.text else (),
        asks=tuple(asks),
        more=chosen.say_many("%(count)s more waits.", "%(count)s more wait.", more) if more > 0 else "",
        hours=tuple(_hours(here, each, names, fault, rules, today) for each in hours),
        hours_aside=chosen.say_many(
            "No answer counts as a yes after %(count)s day. A call is kinder.",
            "No answer counts as a yes after %(count)s days. A call is kinder.",
            rules.confirm_days,
        )
        if rules.time_bank
        else "",
        further=further,
        lost=_lost(here, await _on_its_way(here)),
        many_href=here.path(LOG_MANY),
        import_href=here.path("/import"),
        words_max=WORDS_MAX,
    )
    return here.page("today.html", page, status=status, with_script=True)


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


def _lede(today: date, asks: int, hours: int, further: int, chosen: Language) -> str:
    said = [chosen.weekday(today)]
    if asks:
        said.append(chosen.say_many("%(count)s ask waits", "%(count)s asks wait", asks))
    if hours:
        said.append(chosen.say_many("%(count)s log of hours waits", "%(count)s logs of hours wait", hours))
    if further:
        said.append(chosen.say_many("%(count)s other thing", "%(count)s other things", further))
    if not asks and not hours and not further:
        said.append(chosen.say(N_("nothing waits")))
    return " · ".join(said)


def _ask(
    here: Inside,
    view: DrawView,
    rules: SetUp,
    today: date,
    live: Mapping[str, LivePot],
    fault: _Fault | None,
    who: tuple[UUID, str] | None,
) -> AskToDecide:
    draw, chosen = view.draw, here.chosen
    mine = fault if fault and fault.about == draw.draw_id else None
    amounts = amounts_of(view.pot.unit, chosen)
    said = mine.fields if mine else {}
    choices = _choices(view, field_text(said, "say"), amounts)
    sight, is_told = _sight(here, view, rules, today, said)
    days = (today - draw.asked_at.astimezone(ZoneInfo(rules.time_zone)).date()).days

    def fault_in(field: str) -> str:
        return mine.text if mine and mine.field == field else ""

    return AskToDecide(
        id=str(draw.draw_id),
        short=str(draw.draw_id)[:4].upper(),
        title=ask_title(draw.asked, amounts),
        age=chosen.say_many("waiting for %(count)s day", "waiting for %(count)s days", days)
        if days
        else chosen.say(N_("waiting since today")),
        about=ask_about(draw.category, draw.needed_by, chosen),
        said=_said(view, chosen),
        facts=_facts(view, rules, amounts, live),
        version=chosen.number(draw.policy_version),
        action=here.path(f"{TODAY}/{draw.draw_id}"),
        key=new_key(),
        choices=choices,
        why_not="" if choices else _why_not(view, chosen),
        asks_not_own=draw.without_account and any(choice.value == YES for choice in choices),
        part=Answer(field_text(said, "part"), fault_in("part")),
        words=Answer(field_text(said, "words"), fault_in("words")),
        choice_fault=fault_in("say"),
        own_fault=fault_in("own"),
        sight=sight,
        told=is_told,
        looked=is_look(said) and not (mine and mine.text),
        who_action=here.path(f"{TODAY}/{draw.draw_id}/who") if not view.mine else "",
        who_key=new_key(),
        who=who[1] if who and who[0] == draw.draw_id else "",
        link_action=here.path(f"{TODAY}/{draw.draw_id}/link") if draw.without_account else "",
        link_key=new_key(),
    )


def _sight(
    here: Inside, view: DrawView, rules: SetUp, today: date, fields: Mapping[str, list[str]]
) -> tuple[Sight, bool]:
    """Return what the public will see after an answer, and whether one is given that can be read."""
    draw, said, chosen = view.draw, field_text(fields, "say"), here.chosen
    if said == LATER:
        return Sight("", (), (chosen.say(N_("Nothing.")),)), True
    amount, fault = draw.agreed or draw.asked, ""
    if said == PART:
        amount, fault = _part(field_text(fields, "part"), view, chosen)
    sight = draw_sight(
        here,
        rules,
        view.pot,
        amount=None if fault else amount,
        category=draw.category,
        day=today,
        words=asked_in_public(chosen, here.group),
    )
    return sight, bool(said) and not fault


def _said(view: DrawView, chosen: Language) -> tuple[tuple[str, str], ...]:
    names = {"question": N_("A steward asked:"), "answer": N_("They answered:")}
    return tuple(
        (chosen.say(name), view.said[what])
        for what, name in names.items()
        if view.said and view.said.get(what)
    )


def _choices(view: DrawView, pressed: str, amounts: Amounts) -> tuple[Choice, ...]:
    """Return the answers that the reader can give; none of them is chosen beforehand."""
    say, part = amounts.language.say, view.my_part
    if view.mine or "asked" in part or "stepped_aside" in part:
        return ()
    offered: list[tuple[str, str, str]] = []
    if view.waits_for == "yes" and "approved" not in part:
        agreed = view.draw.agreed
        if agreed:
            offered.append(
                (
                    YES,
                    say(N_("Yes, to %(amount)s"), amount=amounts.words(agreed)),
                    say(N_("as the first yes did")),
                )
            )
        else:
            offered.append((YES, say(N_("Yes, all of it")), ""))
            offered.append((PART, say(N_("Yes, a part")), say(N_("write below how much"))))
    if view.waits_for in {"window", "objection"}:
        if "objected" in part:
            offered.append((NO_OBJECTION, say(N_("I take my objection back")), ""))
        else:
            offered.append((OBJECT, say(N_("I object")), say(N_("until it is changed or settled"))))
    offered.append((LATER, say(N_("Not now")), say(N_("write the reason below: whoever asked reads it"))))
    offered.append(
        (QUESTION, say(N_("I have a question")), say(N_("write it below: whoever asked reads it")))
    )
    offered.append((ASIDE, say(N_("I step aside")), say(N_("too close to me"))))
    return tuple(Choice(value, label, hint, value == pressed) for value, label, hint in offered)


def _why_not(view: DrawView, chosen: Language) -> str:
    if "stepped_aside" in view.my_part:
        return chosen.say(N_("You stepped aside: others decide."))
    return chosen.say(N_("You asked this, for yourself or for somebody: others decide."))


def _facts(view: DrawView, rules: SetUp, amounts: Amounts, live: Mapping[str, LivePot]) -> tuple[Fact, ...]:
    say = amounts.language.say
    fits = say(N_("Fits."))
    numbers = rule_numbers(rules.terms_of(view.draw).as_json())
    rule = {name: amounts.language.number(number) for name, number in numbers.items()}
    facts = [
        Fact("dotted", say(N_("Look here.")), say(text)) for text in map(_WARNINGS.get, view.warnings) if text
    ]
    asks = N_("Anybody may ask this pot, also without an account.")
    asks = asks if view.draw.without_account else N_("A member asks.")
    facts.append(Fact("solid", fits, say(asks), rule["who"]))
    facts += [
        _limit(used, amounts)._replace(rule=rule.get(f"caps[{place}]", ""))
        for place, used in enumerate(view.limits)
    ]
    facts.append(
        _approvals(view, amounts)._replace(
            rule=rule.get("consent_hours" if view.waits_for in {"window", "objection"} else "approvals", "")
        )
    )
    if view.mine:
        facts.append(
            Fact("hollow", say(N_("Not yours.")), say(N_("Whoever asks never decides.")), rule["own"])
        )
    else:
        facts.append(Fact("solid", fits, say(N_("You are not the one who asks.")), rule["own"]))
    pot = live.get(view.pot.code)
    if pot is not None and view.waits_for in {"yes", "queue"}:
        facts.append(_pot_after(view, pot, amounts))
    return tuple(facts)


def _pot_after(view: DrawView, pot: LivePot, amounts: Amounts) -> Fact:
    """Return what a yes would leave in the pot; hours may be asked ahead of giving, money may not."""
    say, amount = amounts.language.say, view.draw.agreed or view.draw.asked
    after = pot.available - amount
    if after < 0 and not amounts.is_time:
        missing = say(
            N_("The pot has %(available)s: %(missing)s are missing."),
            available=amounts.words(max(0, pot.available)),
            missing=amounts.words(min(amount, -after)),
        )
        return Fact("dotted", say(N_("Not there yet.")), missing)
    left = say(
        N_("The pot after a yes: %(available)s available, %(promised)s promised."),
        available=amounts.words(max(0, after)),
        promised=amounts.words(pot.promised + amount),
    )
    return Fact("solid", say(N_("Fits.")), left)


def _limit(used: CapUsed, amounts: Amounts) -> Fact:
    chosen, cap = amounts.language, used.cap
    whose = chosen.say(N_("This household") if cap.per == "household" else N_("This person"))
    time = {"month": N_("this month"), "year": N_("this year")}.get(cap.period)
    when = chosen.say(time) if time else chosen.say_many("in %(count)s day", "in %(count)s days", cap.days)
    parts = []
    if cap.most is not None:
        parts.append(
            chosen.say(
                N_("%(used)s with this, up to %(most)s"),
                used=amounts.words(used.used),
                most=amounts.words(cap.most),
            )
        )
    if cap.times is not None:
        parts.append(
            chosen.say(
                N_("asked %(used)s times with this, up to %(most)s"),
                used=chosen.number(used.times),
                most=chosen.number(cap.times),
            )
        )
    over = (cap.most is not None and used.used > cap.most) or (
        cap.times is not None and used.times > cap.times
    )
    verdict = chosen.say(N_("Talk first.") if over else N_("Fits."))
    text = chosen.say(N_("%(whose)s %(when)s: %(what)s."), whose=whose, when=when, what=chosen.listed(parts))
    return Fact("dotted" if over else "solid", verdict, text)


def _approvals(view: DrawView, amounts: Amounts) -> Fact:
    chosen = amounts.language
    if view.waits_for == "window":
        return Fact("hatched", chosen.say(N_("Said yes.")), chosen.say(N_("Any steward may still object.")))
    if view.waits_for == "objection":
        return Fact(
            "dotted", chosen.say(N_("Objected.")), chosen.say(N_("Nothing is promised while that stands."))
        )
    if view.waits_for == "queue":
        return Fact(
            "hatched", chosen.say(N_("Said yes.")), chosen.say(N_("It waits until the pot has enough."))
        )
    needed = max(1, view.approvals_needed)
    left = needed - view.approvals
    verdict = chosen.say_many("%(count)s yes needed.", "%(count)s yeses needed.", left)
    if not view.approvals:
        return Fact("hollow", verdict, chosen.say(N_("Nobody has said yes so far.")))
    verdict = chosen.say_many("%(count)s more yes needed.", "%(count)s more yeses needed.", left)
    return Fact(
        "hatched",
        verdict,
        chosen.say_many(
            "%(count)s steward has said yes.", "%(count)s stewards have said yes.", view.approvals
        ),
    )


async def _on_its_way(here: Inside) -> list[DrawView]:
    """Return asks without an account that wait for nobody here, but whose link may be lost."""
    page, _ = await list_draws(here.door.house, here.actor, states=("promised",), after=None, limit=_PAGE)
    return [view for view in page if view.draw.without_account]


def _lost(here: Inside, views: Sequence[DrawView]) -> tuple[LostLink, ...]:
    return tuple(
        LostLink(
            here.chosen.say(
                N_("Ask %(short)s, %(amount)s"),
                short=str(view.draw.draw_id)[:4].upper(),
                amount=amounts_of(view.pot.unit, here.chosen).words(view.draw.agreed or view.draw.asked),
            ),
            here.path(f"{TODAY}/{view.draw.draw_id}/link"),
            new_key(),
        )
        for view in views
    )


def _hours(
    here: Inside, hours: Hours, names: Mapping[UUID, str], fault: _Fault | None, rules: SetUp, today: date
) -> HoursToSettle:
    chosen = here.chosen
    mine = fault if fault and fault.about == hours.id else None
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
