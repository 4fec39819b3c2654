"""Asking the pot: what the rules say, what is left, six short questions, and who will see what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from babel.numbers import get_currency_precision, get_currency_symbol
from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.days import read_day
from timebank.edge.sessions import find_visitor, sign_in_location
from timebank.errors import N_, AmountOutOfRange, AmountTooFine, FieldInvalid, NumberAmbiguous, Refusal
from timebank.ledger.units import MINUTES
from timebank.rules.commands import AskDraw
from timebank.rules.names import free_text
from timebank.rules.previews import ask_line
from timebank.rules.publication import OPEN
from timebank.rules.written import read_amount, read_minutes
from timebank.services.overview import AskRules, read_ask_rules
from timebank.web.ask_voices import OTHER, for_whom, list_voices
from timebank.web.forms import Answer, field_text, is_live, is_look
from timebank.web.inside import group_and_language, inside, received
from timebank.web.pages import render
from timebank.web.policy_words import rules_in_words
from timebank.web.private import PrivatePage
from timebank.web.rooms import ASK, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import Sight, asked_in_public, seen_lines, sight_line
from timebank.web.words import Amounts, amounts_of, category_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.asks import CapUsed
    from timebank.rules.publication import PublicGroup
    from timebank.rules.state import Pot
    from timebank.web.inside import Inside
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

WORDS_MAX: Final = 300
_FIELDS: Final = ("form", "whom", "pot", "amount", "kind", "needed-by", "contact", "payout")
_FIELD_OF: Final = {
    "policy_refuses": "amount",
    "amount_out_of_range": "amount",
    "unknown_pot": "pot",
    "unknown_category": "kind",
    "unknown_member": "whom",
    "needs_account": "whom",
    "needs_role": "whom",
}


NO_ANSWER: Final = Answer("", "")


class Place(Protocol):
    """Where the form stands: inside for members, or behind a link."""

    @property
    def group(self) -> PublicGroup:
        """The group that is asked."""

    @property
    def chosen(self) -> Language:
        """The language of the page."""


class Asking(NamedTuple):
    """What stands in the form, as it was written.

    Attributes:
        voice: For whom: id of somebody whom the reader stands in for, ``other`` for whoever ``whom`` says,
            or empty for the reader.
        whom: Nickname or code; empty for somebody without an account.
    """

    pot: str = ""
    amount: str = ""
    kind: str = ""
    needed_by: str = ""
    contact: str = ""
    payout: str = ""
    voice: str = ""
    whom: str = ""


class AskPot(NamedTuple):
    """A pot that can be asked.

    Attributes:
        label: What it gives, such as "Money".
        ink: hours or money.
        rules: Its rules in words, numbered as on the public page.
        version: Of the rules.
        left: What is left for the reader, one sentence for each limit.
    """

    code: str
    label: str
    ink: str
    chosen: bool
    title: str
    rules: tuple[str, ...]
    version: str
    left: tuple[str, ...]


class Kind(NamedTuple):
    """A kind of need."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class AskPage:
    """The form.

    Attributes:
        ways: Other pages of the reader; empty for somebody without an account.
        key: Tells this form from others.
        today: First day that can be chosen.
        told: Whether ``sight`` and ``few`` are of what stands in the form, and not of every ask.
        looked: Whether that is what was asked for.
        few: What stewards will see; ``hands`` what whoever hands over will see.
        learn: What a member who watches could learn, in one sentence.
        voices: Ways to the form for each for whom the reader may ask; empty where that is nobody else.
        asks_whom: Whether it is asked for whom it is; ``whom_hint`` says who can be written.
        keep_link: Whether the reader has to keep the address of the next page.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    pots: tuple[AskPot, ...]
    pot_fault: str
    amount: Answer
    kinds: tuple[Kind, ...]
    kind_fault: str
    needed_by: Answer
    today: str
    contact: Answer
    payout: Answer
    words_max: int
    sight: Sight
    told: bool
    looked: bool
    few: tuple[str, ...]
    hands: str
    learn: str
    keep_link: bool
    voices: tuple[Way, ...] = ()
    voice: str = ""
    asks_whom: bool = False
    whom: Answer = NO_ANSWER
    whom_hint: str = ""


@dataclass(frozen=True, slots=True)
class AskDoorPage:
    """The way to the form for somebody who is not signed in; ``link_href`` is empty where only members may ask."""

    name: str
    href: str
    sign_in_href: str
    link_href: str


@route("/g/{slug:str}/ask", http_method=_READ, include_in_schema=False)
async def ask_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form; to somebody who is not signed in, the ways to it."""
    if await find_visitor(request) is None:
        return await _door(request, slug)
    here = await inside(request, slug)
    asking = Asking(voice=request.query_params.get("for", "")[:36])
    return await _form(here, await _rules(here, asking), asking, {})


@post("/g/{slug:str}/ask", include_in_schema=False)
async def ask_the_pot(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Send an ask and go to the page that says how far it is, or say what is wrong."""
    here, fields = await received(request, slug)
    asking = asking_of(fields)
    rules = await _rules(here, asking)
    command, faults = read_asking(here, rules, asking)
    whose, fault = await for_whom(here, asking.voice, asking.whom, live=is_live(fields))
    if fault:
        faults["whom"] = fault
    if command is None or fault:
        return await _form(here, rules, asking, faults, status=422)
    if is_look(fields):
        return await _form(here, rules, asking, {}, looked=True)
    sent = await send(here, fields, command._replace(**whose))
    if sent.is_refused:
        faults = refused(here, rules, asking, sent)
        return await _form(here, rules, asking, faults, status=sent.status)
    return here.go(f"/asks/{sent.body['id']}")


ASK_PAGES: Final[list[HTTPRouteHandler]] = [ask_page, ask_the_pot]


async def _rules(here: Inside, asking: Asking) -> AskRules:
    # What is left for somebody else is theirs to know.
    who = None if asking.voice else here.actor
    return await read_ask_rules(here.door.house, who, here.actor.group_id, now=here.door.clock())


async def _door(request: Request[Any, Any, Any], slug: str) -> PrivatePage:
    group, chosen, query = await group_and_language(request, slug)
    door = request.app.state.door
    rules = await read_ask_rules(door.house, None, await door.keeper.group_id(slug), now=door.clock())
    anyone = any(policy.terms.who == "anyone" for policy in rules.setup.newest.values())
    page = AskDoorPage(
        name=group.name,
        href=f"/g/{slug}{query}",
        sign_in_href=sign_in_location(request),
        link_href=f"/g/{slug}/a{query}" if anyone else "",
    )
    return PrivatePage(render("ask_door.html", page, chosen, me=None), chosen)


# ---------------------------------------------------------------- reading


def asking_of(fields: Mapping[str, list[str]]) -> Asking:
    """Return what stands in a form."""
    return Asking(
        pot=field_text(fields, "pot"),
        amount=field_text(fields, "amount").strip(),
        kind=field_text(fields, "kind"),
        needed_by=field_text(fields, "needed_by").strip(),
        contact=field_text(fields, "contact"),
        payout=field_text(fields, "payout"),
        voice=field_text(fields, "voice"),
        whom=field_text(fields, "whom").strip(),
    )


def read_asking(place: Place, rules: AskRules, asking: Asking) -> tuple[AskDraw | None, dict[str, str]]:
    """Return the ask that a form says, or everything that is wrong with it by field."""
    say, setup, faults = place.chosen.say, rules.setup, dict[str, str]()
    pot = setup.pots.get(asking.pot)
    if pot is None:
        faults["pot"] = say(N_("Choose what would help"))
    amount, fault = read_asked(asking.amount, pot, place.chosen)
    if fault:
        faults["amount"] = fault
    if asking.kind not in setup.categories:
        faults["kind"] = say(N_("Choose what it is for"))
    try:
        day = read_day(asking.needed_by, field="needed_by")
        if day is not None and day < rules.today:
            raise FieldInvalid(field="needed_by", why="")
    except FieldInvalid:
        day = None
        faults["needed-by"] = say(N_("Choose today or a later day, or leave it empty"))
    said = {}
    for name in ("contact", "payout"):
        try:
            said[name] = free_text(getattr(asking, name), field=name, length_max=WORDS_MAX)
        except FieldInvalid:
            faults[name] = say(
                N_("Write it again: at most %(count)s characters that can be shown"),
                count=place.chosen.number(WORDS_MAX),
            )
    if faults or pot is None:
        return None, faults
    return AskDraw(pot.code, amount, pot.unit, asking.kind, day, said["contact"], said["payout"]), {}


def read_asked(written: str, pot: Pot | None, chosen: Language) -> tuple[int, str]:
    """Return an amount in the unit of its pot, and what is wrong with what was written."""
    if pot is None:
        return 0, "" if written else chosen.say(N_("Write how much"))
    if pot.unit == MINUTES:
        try:
            return read_minutes(written), ""
        except Refusal:
            return 0, chosen.say(N_("Write hours and minutes, for example 1:30"))
    digits = get_currency_precision(pot.unit)
    symbols = (pot.unit, str(get_currency_symbol(pot.unit, locale=chosen.locale)))
    try:
        return read_amount(written, digits=digits, symbols=symbols), ""
    except NumberAmbiguous:
        return 0, chosen.say(N_("Write it another way: this could be two amounts. For example 1500"))
    except AmountTooFine:
        return 0, chosen.say(N_("Write whole coins: fewer digits after the point"))
    except AmountOutOfRange:
        return 0, chosen.say(N_("Write an amount above nought"))
    except Refusal:
        return 0, chosen.say(N_("Write an amount, for example 12.50"))


def refused(place: Place, rules: AskRules, asking: Asking, sent: Sent) -> dict[str, str]:
    """Return what the rules have against an ask, by the field that it is about."""
    field = _FIELD_OF.get(sent.code, "form")
    pot = rules.setup.pots.get(asking.pot)
    if sent.code != "policy_refuses" or pot is None:
        return {field: sent.sentence}
    return {field: policy_words(sent.body, amounts_of(pot.unit, place.chosen))}


def policy_words(params: Mapping[str, Any], amounts: Amounts) -> str:
    """Return what to do about a rule of the pot that says no; ``params`` are those of the refusal."""
    say, rule, limit = amounts.language.say, str(params.get("rule", "")), params.get("limit", 0)
    if rule == "per_request_max":
        return say(
            N_("Ask for at most %(amount)s: the rules allow no more for one ask"), amount=amounts.words(limit)
        )
    if rule.endswith(".sum"):
        left = int(params.get("left", 0))
        if not left:
            return say(
                N_("Nothing is left for you in this time: the rules allow %(amount)s"),
                amount=amounts.words(limit),
            )
        return say(
            N_("Ask for at most %(left)s: that is left of the %(amount)s that the rules allow in this time"),
            left=amounts.words(left),
            amount=amounts.words(limit),
        )
    if rule.endswith(".count"):
        return say(N_("Wait a while, or talk to a steward: the rules allow no further ask in this time"))
    if rule == "limit":
        return say(N_("Talk to a steward first: you have reached the limit that the group agreed on"))
    if rule == "rhythm":
        return say(
            N_("Wait until %(day)s: the rules say on which days money is handed over"),
            day=amounts.language.weekday(date.fromisoformat(str(limit))),
        )
    if rule == "receipts":
        return say(N_("The rules say when a receipt is looked at: set the tick as they say"))
    if rule == "same_amount":
        return say(N_("Say yes to %(amount)s, as the first yes did, or do not"), amount=amounts.words(limit))
    return say(N_("The rules of this pot do not allow that"))


# ---------------------------------------------------------------- the page


async def _form(
    here: Inside,
    rules: AskRules,
    asking: Asking,
    faults: Mapping[str, str],
    *,
    looked: bool = False,
    status: int = 200,
) -> PrivatePage:
    page = form_page(
        here,
        rules,
        asking,
        faults,
        href=here.href,
        rooms=ways(here, ASK),
        action=here.path(ASK),
        key=new_key(),
        by_link=False,
        looked=looked,
    )
    page = replace(
        page,
        voices=await list_voices(here, asking.voice),
        voice=asking.voice,
        asks_whom=asking.voice == OTHER,
        whom=Answer(asking.whom, faults.get("whom", "")),
        whom_hint=here.chosen.say(
            N_("The exact nickname, or the code. Leave it empty for somebody without an account.")
        ),
    )
    return here.page("ask.html", page, status=status, with_script=True)


def form_page(
    place: Place,
    rules: AskRules,
    asking: Asking,
    faults: Mapping[str, str],
    *,
    href: str,
    rooms: tuple[Way, ...],
    action: str,
    key: str,
    by_link: bool,
    looked: bool = False,
) -> AskPage:
    """Return the form with what stands in it and what is wrong with that.

    Args:
        by_link: Whether somebody without an account asks: only pots that let them are shown.
        looked: Whether somebody wants to see what others will see, before the ask is sent.
    """
    chosen, setup = place.chosen, rules.setup
    pots = [
        pot for pot in setup.pots.values() if not by_link or setup.newest[pot.pot_id].terms.who == "anyone"
    ]
    pot = next((pot for pot in pots if pot.code == asking.pot), None)
    read, fault = read_asked(asking.amount, pot, chosen)
    amount = None if pot is None or fault else read
    kinds = sorted(setup.categories, key=lambda kind: category_in_words(kind, chosen))
    return AskPage(
        name=place.group.name,
        href=href,
        ways=rooms,
        action=action,
        key=key,
        faults=tuple((field, faults[field]) for field in _FIELDS if field in faults),
        pots=tuple(_pot(pot, pots, rules, asking, chosen) for pot in pots),
        pot_fault=faults.get("pot", ""),
        amount=Answer(asking.amount, faults.get("amount", "")),
        kinds=tuple(Kind(kind, category_in_words(kind, chosen), kind == asking.kind) for kind in kinds),
        kind_fault=faults.get("kind", ""),
        needed_by=Answer(asking.needed_by, faults.get("needed-by", "")),
        today=rules.today.isoformat(),
        contact=Answer(asking.contact, faults.get("contact", "")),
        payout=Answer(asking.payout, faults.get("payout", "")),
        words_max=WORDS_MAX,
        sight=_sight(place, rules, pots, asking, pot, amount),
        told=amount is not None,
        looked=looked,
        few=(
            *_few(rules, asking, pot, amount, chosen),
            chosen.say(
                N_("A steward who needs to know who must say so: it is written down, and you can read it.")
            ),
        ),
        hands=_hands(setup.newest[pots[0].pot_id].terms.keep_days if pots else 30, chosen),
        learn=chosen.say(
            N_("A member who looks at the pot every day sees that it was promised, and could guess to whom.")
        )
        + _share_what_they_know(place),
        keep_link=by_link,
    )


def _share_what_they_know(place: Place) -> str:
    """Return against how many people who talk to each other the minimum protects, after a space; or nothing."""
    group, chosen = place.group, place.chosen
    if group.preset == OPEN:
        return ""
    return " " + chosen.say_many(
        "Whoever reads the published figures cannot tell, unless more than %(count)s person of the others share what they know.",
        "Whoever reads the published figures cannot tell, unless more than %(count)s people of the others share what they know.",
        group.people - 2,
    )


def _hands(keep_days: int, chosen: Language) -> str:
    return chosen.say_many(
        "How to reach you, and where the money should go: after a yes, and only for whoever hands it over. Deleted %(count)s day after the end.",
        "How to reach you, and where the money should go: after a yes, and only for whoever hands it over. Deleted %(count)s days after the end.",
        keep_days,
    )


def _pot(pot: Pot, pots: list[Pot], rules: AskRules, asking: Asking, chosen: Language) -> AskPot:
    policy = rules.setup.newest[pot.pot_id]
    amounts = amounts_of(pot.unit, chosen)
    return AskPot(
        code=pot.code,
        label=pot_label(pot, pots, chosen),
        ink="hours" if pot.unit == MINUTES else "money",
        chosen=pot.code == asking.pot,
        title=chosen.say(N_("Rules for hours") if pot.unit == MINUTES else N_("Rules for money")),
        rules=rules_in_words(policy.terms.as_json(), amounts.unit, chosen),
        version=chosen.number(policy.version),
        left=tuple(_left(used, amounts) for used in rules.limits.get(pot.code, ())),
    )


def pot_label(pot: Pot, pots: list[Pot], chosen: Language) -> str:
    """Return what a pot gives, by its number where there are several of its kind."""
    money = pot.unit != MINUTES
    same = sum((other.unit == MINUTES) != money for other in pots)
    label = chosen.say(N_("Money") if money else N_("Someone’s time"))
    if same == 1:
        return label
    if money and sum(other.unit == pot.unit for other in pots) == 1:
        return chosen.listed((label, chosen.currency_name(pot.unit)))
    return chosen.listed((label, chosen.say(N_("pot %(number)s"), number=chosen.number(pot.number))))


def _left(used: CapUsed, amounts: Amounts) -> str:
    """Return what is left of one limit, as a sentence."""
    chosen, cap = amounts.language, used.cap
    time = {"month": N_("this month"), "year": N_("this year")}.get(cap.period)
    when = chosen.say(time) if time else chosen.say_many("in %(count)s day", "in %(count)s days", cap.days)
    whose = chosen.say(N_("for your household") if cap.per == "household" else N_("for you"))
    parts = []
    if cap.most is not None:
        amount = amounts.words(max(0, cap.most - used.used))
        parts.append(chosen.say(N_("%(left)s of %(amount)s"), left=amount, amount=amounts.words(cap.most)))
    if cap.times is not None:
        parts.append(
            chosen.say_many("%(count)s more ask", "%(count)s more asks", max(0, cap.times - used.times))
        )
    return chosen.say(
        N_("Left %(whose)s %(when)s: %(what)s"), whose=whose, when=when, what=chosen.listed(parts)
    )


def ask_title(amount: int, amounts: Amounts) -> str:
    """Return how much an ask is for, as stewards read it."""
    title = N_("A neighbour asks for %(amount)s")
    if amounts.is_time:
        title = N_("A neighbour asks for %(amount)s of someone’s time")
    return amounts.language.say(title, amount=amounts.words(amount))


def ask_about(kind: str, needed_by: date | None, chosen: Language) -> str:
    """Return what an ask is for, as stewards read it."""
    about = [category_in_words(kind, chosen)] if kind else []
    if needed_by is not None:
        about.append(chosen.say(N_("by %(day)s"), day=chosen.weekday(needed_by)))
    return " · ".join(about)


def _few(
    rules: AskRules, asking: Asking, pot: Pot | None, amount: int | None, chosen: Language
) -> tuple[str, ...]:
    """Return what stewards will see of an ask, as far as it is written; in general while that is no amount of a pot."""
    if pot is None or amount is None:
        return (chosen.say(N_("A neighbour asks for so much, for this kind of thing, by this day.")),)
    try:
        needed_by = read_day(asking.needed_by, field="needed_by")
    except FieldInvalid:
        needed_by = None
    kind = asking.kind if asking.kind in rules.setup.categories else ""
    said = (ask_title(amount, amounts_of(pot.unit, chosen)), ask_about(kind, needed_by, chosen))
    return tuple(each for each in said if each)


def _sight(
    place: Place, rules: AskRules, pots: list[Pot], asking: Asking, asked: Pot | None, amount: int | None
) -> Sight:
    """Return what the public will see of an ask, of every pot while none is asked; amount is None while it is not known."""
    chosen, lines = place.chosen, []
    is_kind = asking.kind in rules.setup.categories
    for pot in [asked] if asked else pots:
        line = ask_line(
            rules.setup,
            pot,
            preset=place.group.preset,
            amount=amount or 60,
            effective_on=rules.today,
            category=asking.kind if is_kind else min(rules.setup.categories),
        )
        case = "" if asked else pot_label(pot, pots, chosen)
        seen = sight_line(line, amounts_of(pot.unit, chosen), case=case, known=amount is not None)
        if place.group.preset == OPEN and not is_kind:
            seen = seen._replace(category=chosen.say(N_("what it is for")))
        lines.append((line, seen))
    words = asked_in_public(chosen, place.group)
    return Sight(chosen.say(N_("Asked for")), seen_lines(lines), (words,))
