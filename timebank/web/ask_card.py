"""One ask as a steward decides it: the facts of the rules without a name, the answers, and what happened so far."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.problems import renderer
from timebank.errors import N_, FieldInvalid, MalformedBody
from timebank.rules.commands import ApproveDraw, DeclineDraw, ObjectDraw, QuestionDraw, StepAside
from timebank.rules.draw_steps import WAITING
from timebank.rules.names import free_text
from timebank.services.acts import Once
from timebank.services.draws import note_look, read_draw, read_who
from timebank.services.live import read_live
from timebank.services.overview import read_rules
from timebank.web.ask import WORDS_MAX, ask_about, ask_title, policy_words
from timebank.web.draw_sight import draw_sight
from timebank.web.forms import NOT_A_FORM, Answer, field_text, is_look
from timebank.web.inside import Inside
from timebank.web.money_pages import read_sum, refusal_in_words
from timebank.web.people import age_in_words
from timebank.web.policy_words import rule_numbers
from timebank.web.rooms import TODAY, Way, ways
from timebank.web.sending import key_of, new_key, send
from timebank.web.sight import Sight, asked_in_public
from timebank.web.stewards import READ, done, steward_reads, steward_sends
from timebank.web.words import amounts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.asks import CapUsed
    from timebank.rules.commands import Command
    from timebank.rules.state import SetUp
    from timebank.services.draws import DrawView
    from timebank.services.live import LivePot
    from timebank.web.private import PrivatePage
    from timebank.web.words import Amounts

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


class Happened(NamedTuple):
    """Something that happened to an ask; ``words`` are somebody's own."""

    mark: str
    what: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class AskCardPage:
    """An ask for stewards.

    Attributes:
        short: How people can speak of it: the first signs of its id.
        facts: What the rules and the pot say.
        choices: The answers that the reader can give; empty where it is for others.
        why_not: Why it is for others, or that it does not wait.
        asks_not_own: Whether a yes needs the statement that it is not the reader's own.
        part, words: The fields that go with some answers.
        sight: What the public will see of it; ``told`` whether of this answer, ``looked`` whether somebody asked.
        history: What happened so far, oldest first.
        who: Whose it is, once the reader asked and it was written down.
        link_action: Where a new link is made for somebody without an account; else empty.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    faults: tuple[tuple[str, str], ...]
    id: str
    short: str
    title: str
    age: str
    about: str
    facts: tuple[Fact, ...]
    version: str
    action: str
    key: str
    choices: tuple[Choice, ...]
    why_not: str
    asks_not_own: bool
    part: Answer
    words: Answer
    words_max: int
    choice_fault: str
    own_fault: str
    sight: Sight
    told: bool
    looked: bool
    history: tuple[Happened, ...]
    who_action: str
    who_key: str
    who: str
    link_action: str
    link_key: str


class _Said(NamedTuple):
    """An answer that was not taken: the field with what is wrong there, and what stood in the form; or a look."""

    field: str
    text: str
    fields: Mapping[str, list[str]]


# ---------------------------------------------------------------- handlers


@route("/g/{slug:str}/today/{draw_id:uuid}", http_method=READ, include_in_schema=False)
async def ask_card_page(
    request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]
) -> ASGIApp:
    """Show one ask with everything that helps to decide it."""
    here = await steward_reads(request, slug, f"{TODAY}/{draw_id}")
    return await _page(here, draw_id) if isinstance(here, Inside) else here


@post("/g/{slug:str}/today/{draw_id:uuid}", include_in_schema=False)
async def decide(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Take a steward's answer to an ask."""
    here, fields = await steward_sends(request, slug)
    view = await read_draw(here.door.house, here.actor, draw_id, now=here.door.clock())
    command, fault = _decision(view, fields, here.chosen)
    if command is None:
        return await _page(here, draw_id, _Said(*fault, fields), status=422)
    if is_look(fields):
        return await _page(here, draw_id, _Said("", "", fields))
    if field_text(fields, "say") in _NEEDS_PROOF:
        here.actor.require_fresh()
    sent = await send(here, fields, command)
    if not sent.is_refused:
        return done(here, TODAY, "answered")
    said = refusal_in_words(sent, view.pot.unit, here.chosen)
    if sent.code == "policy_refuses":
        said = policy_words(sent.body, amounts_of(view.pot.unit, here.chosen))
    return await _page(here, draw_id, _Said("say", said, fields), status=sent.status)


@post("/g/{slug:str}/today/{draw_id:uuid}/who", include_in_schema=False)
async def show_who(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Tell whose ask it is; that is written down, and shown to that person."""
    here, fields = await steward_sends(request, slug)
    once = Once(
        key=f"page-{key_of(fields)}",
        request_hash=sha256(b"who" + draw_id.bytes).digest(),
        now=here.door.clock(),
        render=renderer(here.chosen),
    )
    await note_look(here.door.house, here.actor, draw_id, once=once)
    found = await read_who(here.door.house, here.actor, draw_id)
    name = found.nickname or here.chosen.say(N_("somebody without an account, or who has left"))
    return await _page(here, draw_id, who=name)


ASK_CARD_PAGES: Final[list[HTTPRouteHandler]] = [ask_card_page, decide, show_who]


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
    here: Inside, draw_id: UUID, said: _Said | None = None, *, who: str = "", status: int = 200
) -> PrivatePage:
    house, now, chosen = here.door.house, here.door.clock(), here.chosen
    view = await read_draw(house, here.actor, draw_id, now=now)
    rules = await read_rules(house, here.actor.group_id)
    zone = ZoneInfo(rules.time_zone)
    live = {pot.pot: pot for pot in (await read_live(house.database, here.actor, now=now)).pots}
    draw, amounts = view.draw, amounts_of(view.pot.unit, chosen)
    fields = said.fields if said else {}
    choices = _choices(view, field_text(fields, "say"), amounts)
    sight, is_told = _sight(here, view, rules, now.astimezone(zone).date(), fields)

    def fault_in(field: str) -> str:
        return said.text if said and said.field == field else ""

    page = AskCardPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, TODAY),
        back=here.path(TODAY),
        faults=((said.field, said.text),) if said and said.text else (),
        id=str(draw_id),
        short=short_id(draw_id),
        title=ask_title(draw.asked, amounts),
        age=age_in_words(draw.asked_at, zone, now, chosen) if draw.state in WAITING else "",
        about=ask_about(draw.category, draw.needed_by, chosen),
        facts=ask_facts(view, rules, amounts, live),
        version=chosen.number(draw.policy_version),
        action=here.path(f"{TODAY}/{draw_id}"),
        key=new_key(),
        choices=choices,
        why_not="" if choices else why_not(view, chosen),
        asks_not_own=draw.without_account and any(choice.value == YES for choice in choices),
        part=Answer(field_text(fields, "part"), fault_in("part")),
        words=Answer(field_text(fields, "words"), fault_in("words")),
        words_max=WORDS_MAX,
        choice_fault=fault_in("say"),
        own_fault=fault_in("own"),
        sight=sight,
        told=is_told,
        looked=is_look(fields) and not (said and said.text),
        history=_history(view, zone, amounts),
        who_action="" if view.mine or draw.without_account else here.path(f"{TODAY}/{draw_id}/who"),
        who_key=new_key(),
        who=who,
        link_action=here.path(f"{TODAY}/{draw_id}/link") if draw.without_account else "",
        link_key=new_key(),
    )
    return here.page("ask_card.html", page, status=status, with_script=True)


def short_id(draw_id: UUID) -> str:
    """Return how people can speak of an ask."""
    return str(draw_id)[:4].upper()


def _history(view: DrawView, zone: ZoneInfo, amounts: Amounts) -> tuple[Happened, ...]:
    """Return what happened to an ask so far; who did it stands nowhere on the page."""
    draw, said, chosen = view.draw, view.said or {}, amounts.language
    asked_on = chosen.weekday(draw.asked_at.astimezone(zone).date())
    happened = [Happened("solid", chosen.say(N_("Asked on %(day)s"), day=asked_on))]
    if question := said.get("question"):
        happened.append(Happened("solid", chosen.say(N_("A steward asked:")), question))
    if answer := said.get("answer"):
        happened.append(Happened("solid", chosen.say(N_("They answered:")), answer))
    if view.approvals:
        yes = chosen.say_many(
            "%(count)s steward has said yes.", "%(count)s stewards have said yes.", view.approvals
        )
        happened.append(Happened("solid", yes))
    if view.objections:
        no = chosen.say_many("%(count)s steward objects.", "%(count)s stewards object.", view.objections)
        happened.append(Happened("dotted", no))
    if draw.promised_on is not None:
        promised = chosen.say(
            N_("%(amount)s promised on %(day)s"),
            amount=amounts.words(draw.promised),
            day=chosen.weekday(draw.promised_on),
        )
        happened.append(Happened("solid", promised))
    if draw.handed:
        handed = chosen.say(N_("%(amount)s handed over"), amount=amounts.words(draw.handed))
        happened.append(Happened("solid" if draw.state == "arrived" else "hatched", handed))
    return tuple(happened)


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


def _choices(view: DrawView, pressed: str, amounts: Amounts) -> tuple[Choice, ...]:
    """Return the answers that the reader can give; none of them is chosen beforehand."""
    say, part = amounts.language.say, view.my_part
    if why_not(view, amounts.language):
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


def why_not(view: DrawView, chosen: Language) -> str:
    """Return why an ask is for others to decide; empty if it is the reader's."""
    if view.draw.state not in WAITING:
        return chosen.say(N_("This ask does not wait for stewards any more."))
    if "stepped_aside" in view.my_part:
        return chosen.say(N_("You stepped aside: others decide."))
    if view.mine or "asked" in view.my_part:
        return chosen.say(N_("You asked this, for yourself or for somebody: others decide."))
    return ""


def ask_facts(
    view: DrawView, rules: SetUp, amounts: Amounts, live: Mapping[str, LivePot]
) -> tuple[Fact, ...]:
    """Return what the rules and the pot say of an ask, in the order of the rules, what needs a look first."""
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
