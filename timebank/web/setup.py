"""Handlers of the set-up pages: a group in one form, or an example to look at; both behind a secret address."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.edge.qr import qr_inline
from timebank.edge.sessions import host_of, origin_of, refuse_other_sites, set_cookie
from timebank.errors import (
    N_,
    FieldInvalid,
    Refusal,
    SlugTaken,
    UnknownPage,
)
from timebank.i18n import Language, choose_language, language, language_codes
from timebank.ledger.units import MINUTES, Unit
from timebank.rules.names import EMPTY, NICKNAME_MAX, NOT_A_CODE, NOT_TEXT, TOO_LONG
from timebank.rules.set_up import NAME_MAX, NOT_DAYS, NOT_KNOWN, SLUG_MAX, TOO_SHORT, WORDS
from timebank.services.setup import (
    CONFIRM_DAYS,
    INVITED,
    INVITED_DAYS,
    POLICIES,
    PRESET,
    ROUNDINGS,
    FirstGroup,
    check_first_group,
    currency_of,
    group_with_defaults,
    server_time_zone,
    slug_from,
)
from timebank.web.book_page import LanguageLink
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.pages import render
from timebank.web.policy_words import rules_in_words
from timebank.web.private import PrivatePage
from timebank.web.words import category_in_words, pot_in_words

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
    from timebank.services.setup import ExampleState, MadeGroup, SetUpDesk

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

# What to do about a field, in the words of the person who fills it in.
_ADVICE: Final[Mapping[tuple[str, str], str]] = {
    ("name", EMPTY): N_("Write the name of your group"),
    ("name", TOO_LONG): N_("Write a shorter name, %(count)s characters at most"),
    ("name", NOT_TEXT): N_("Write the name in plain letters, without line breaks or invisible signs"),
    ("slug", EMPTY): N_("Write an address: the name has no Latin letters that one could be made from"),
    ("slug", NOT_A_CODE): N_("Write the address with small letters a to z, digits and single hyphens"),
    ("slug", TOO_SHORT): N_("Write a longer address, at least two characters"),
    ("slug", TOO_LONG): N_("Write a shorter address, %(count)s characters at most"),
    ("time_zone", NOT_KNOWN): N_("Choose a time zone from the list"),
    ("currency", NOT_KNOWN): N_(
        "Write the three letters of a currency, such as EUR, or of three at most; or leave this empty"
    ),
    ("languages", NOT_KNOWN): N_("Choose the languages of your group"),
    ("nickname", EMPTY): N_("Write a nickname for yourself"),
    ("nickname", TOO_LONG): N_("Write a shorter nickname, %(count)s characters at most"),
    ("rounding", NOT_KNOWN): N_("Choose how hours are rounded from the list"),
    ("confirm_days", NOT_DAYS): N_("Write a number of days from 1 to 90"),
    ("words", NOT_KNOWN): N_("Choose a word from the list"),
    ("preset", NOT_KNOWN): N_("Choose what everybody may see"),
    ("policy", NOT_KNOWN): N_("Choose who says yes"),
    ("nickname", NOT_TEXT): N_("Write the nickname in plain letters, without line breaks or invisible signs"),
}
_LANGUAGES_MAX: Final = 20
_COUNTS: Final = {"name": NAME_MAX, "slug": SLUG_MAX, "nickname": NICKNAME_MAX}
_FIELDS: Final = (
    *("name", "nickname", "languages", "time_zone", "currency", "policy"),
    *("slug", "preset", "rounding", "confirm_days", "words"),
)
#: These are folded away, as long as nothing is wrong with them.
_REST: Final = frozenset(_FIELDS[6:])

ROUNDING_WORDS: Final = {
    "1": N_("Not at all: minutes count as they are"),
    "5": N_("To the nearest 5 minutes"),
    "15": N_("To the nearest quarter of an hour"),
    "15-up": N_("Up to the next quarter of an hour"),
    "30": N_("To the nearest half hour"),
    "30-up": N_("Up to the next half hour"),
}

PRESET_WORDS: Final = {
    "careful": N_(
        "Week by week: kinds and amounts without days, once at least three people stand behind them. What waits for "
        "others comes out as one total after 13 weeks."
    ),
    "sheltered": N_(
        "Month by month: totals only, once at least five people stand behind them, after 26 weeks at the latest."
    ),
    "open": N_("Day by day: day, kind and amount of every line, also when only one person stands behind it."),
}

#: (name, what it means) of what a group begins with.
_POLICIES: Final = {
    "two": (
        N_("Two signatures"),
        N_("One steward says yes to a small amount of money, two to a larger one."),
    ),
    "trust": (N_("Trust first"), N_("One steward says yes to any amount; time is given at once.")),
    "consent": (
        N_("Consent circle"),
        N_("One steward says yes, and for two days any steward may object."),
    ),
    "time_bank": (
        N_("Time bank only"),
        N_("No money. Hours go between two people, or to the whole group."),
    ),
}

_OFTEN: Final[tuple[str, ...]] = (
    "Europe/Madrid", "Europe/London", "Europe/Dublin", "Europe/Paris", "Europe/Berlin", "Europe/Rome",
    "Europe/Lisbon", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Mexico_City", "America/Bogota", "America/Lima", "America/Santiago",
    "America/Argentina/Buenos_Aires", "America/Sao_Paulo", "Africa/Johannesburg", "Asia/Kolkata",
    "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland", "UTC",
)  # fmt: skip
_REGIONS: Final = {
    "Africa": N_("Africa"),
    "America": N_("America"),
    "Asia": N_("Asia"),
    "Atlantic": N_("Atlantic Ocean"),
    "Australia": N_("Australia"),
    "Europe": N_("Europe"),
    "Indian": N_("Indian Ocean"),
    "Pacific": N_("Pacific Ocean"),
}
_CURRENCIES: Final = (
    "EUR",
    "USD",
    "GBP",
    "MXN",
    "ARS",
    "COP",
    "CLP",
    "PEN",
    "BRL",
    "CHF",
    "CAD",
    "AUD",
    "NZD",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers; ``hint`` says what it means."""

    value: str
    label: str
    chosen: bool
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """Answers under one heading."""

    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class SetUpPage:
    """The first page of an empty house.

    Attributes:
        action: Address that the forms below start from, without a slash at the end.
        query: ``?lang=es`` if the address named a language, else empty.
        faults: (field, what to do about it) in the order of the form.
        rest_open: Whether something is wrong with what is folded away.
        group_address: What stands before the group's own part of its address.
        book_host: First part of the book's name in proofs, for ever.
        book_host_is_sure: Whether the operator said so, and it is not just this machine's name.
        hours_rules, money_rules: What the pots will say, in the words that are published.
        example: How far the example group is.
    """

    languages: tuple[LanguageLink, ...]
    action: str
    query: str
    faults: tuple[tuple[str, str], ...]
    rest_open: bool
    name: Answer
    slug: Answer
    time_zone: Answer
    currency: Answer
    language_choice: Answer
    nickname: Answer
    rounding: Answer
    confirm_days: Answer
    words: Answer
    preset: Answer
    policy: Answer
    policy_choices: tuple[Choice, ...]
    gifts_wait: bool
    preset_choices: tuple[Choice, ...]
    rounding_choices: tuple[Choice, ...]
    words_choices: tuple[Choice, ...]
    time_zones: tuple[Choices, ...]
    language_choices: tuple[Choice, ...]
    currencies: tuple[str, ...]
    group_address: str
    book_host: str
    book_host_is_sure: bool
    hours_rules: tuple[str, ...]
    money_rules: tuple[str, ...]
    categories: str
    example: ExampleState


@dataclass(frozen=True, slots=True)
class SetUpDonePage:
    """A group that is there now, with the token of its first member, shown this once.

    Attributes:
        ways_in_href: Where they set up a passkey or an app; empty if they are not signed in.
        recovery: The recovery key to put on paper; empty once it was destroyed here.
        forget: Where the form goes that destroys it.
        join: Address of an invitation for the others; empty if there is none. ``qr`` is its drawing.
        invited: How many people it lets in, and until when, in words.
        host_href: The page about the machine; empty for whoever does not keep it.
    """

    name: str
    slug: str
    href: str
    past_href: str
    log_href: str
    cards_href: str
    ways_in_href: str
    token: str
    currency: str
    curl: str
    close: str
    commands: str
    recovery: str
    forget: str
    join: str
    qr: Markup
    invited: str
    host_href: str


@dataclass(frozen=True, slots=True)
class SetUpExamplePage:
    """The example group: not begun, under way, ready, or in trouble.

    Attributes:
        can_set_up: Whether the link still opens the form.
        part: (days told, days in all) as this language writes numbers.
        tokens: (what they do there, token); only right after they were made.
        cards: The same with sign-in cards.
        sign_in_href: Where a card is typed in.
        curl: How to use one of them.
    """

    action: str
    query: str
    state: ExampleState
    can_set_up: bool
    part: tuple[str, str]
    is_closing: bool
    problem: str
    tokens: tuple[tuple[str, str], ...]
    cards: tuple[tuple[str, str], ...]
    sign_in_href: str
    curl: str


@dataclass(frozen=True, slots=True)
class SetUpClosedPage:
    """A set-up link that leads nowhere; nobody learns whether it ever did."""

    languages: tuple[LanguageLink, ...]


# ---------------------------------------------------------------- handlers


@route("/setup/{token:str}", http_method=_READ, include_in_schema=False)
async def set_up_page(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIApp:
    """Show the form of a first group, and the way to the example."""
    chosen, query = _language(request)
    desk = _desk(request)
    if not desk.is_open(token):
        return _closed(chosen)
    page = _form_page(request, token, _first_answers(chosen), {}, chosen, query, await desk.example.state())
    return PrivatePage(render("setup.html", page, chosen), chosen)


@post("/setup/{token:str}", include_in_schema=False)
async def set_up(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIApp:
    """Set up the group that the form says, or show the form again with everything that is wrong."""
    chosen, query = _language(request)
    desk = _desk(request)
    if not desk.knows(token):
        return _closed(chosen)
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    written = _first_group(await read_form(request))
    first, faults = check_first_group(written, languages_known=language_codes())
    if not faults:
        try:
            made = await desk.set_up(token, first, host=host_of(request))
        except SlugTaken as refusal:
            faults = {"slug": refusal}
        except UnknownPage:
            return _closed(chosen)
        else:
            body = render("setup_done.html", _done_page(request, token, made, query, chosen), chosen)
            cookies = set_cookie(request, made.slug, made.session) if made.session else ()
            return PrivatePage(body, chosen, cookies=cookies)
    page = _form_page(request, token, first, faults, chosen, query, await desk.example.state())
    return PrivatePage(render("setup.html", page, chosen), chosen, status=422)


@post("/setup/{token:str}/recovery-key", include_in_schema=False)
async def forget_recovery(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIApp:
    """Destroy the recovery key here, now that it is on paper, and show the group once more."""
    chosen, query = _language(request)
    desk = _desk(request)
    if not desk.knows(token):
        return _closed(chosen)
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    try:
        made = await desk.forget_recovery_key(token)
    except UnknownPage:
        return _closed(chosen)
    return PrivatePage(
        render("setup_done.html", _done_page(request, token, made, query, chosen), chosen), chosen
    )


@route("/setup/{token:str}/example", http_method=_READ, include_in_schema=False)
async def example_page(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIApp:
    """Show how far the example group is; the page reads itself again until it is ready."""
    chosen, query = _language(request)
    desk = _desk(request)
    if not desk.knows(token):
        return _closed(chosen)
    page = _example_page(request, token, await desk.example.state(), {}, {}, chosen, query)
    return PrivatePage(render("setup_example.html", page, chosen), chosen)


@post("/setup/{token:str}/example", include_in_schema=False)
async def load_example(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIApp:
    """Begin to make the example group, and go to the page that says how far it is."""
    chosen, query = _language(request)
    desk = _desk(request)
    if not desk.knows(token):
        return _closed(chosen)
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    await desk.example.start(host=host_of(request))
    return PrivatePage(b"", chosen, status=303, location=f"/setup/{token}/example{query}")


@post("/setup/{token:str}/example/tokens", include_in_schema=False)
async def make_example_tokens(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIApp:
    """Make fresh tokens for three people of the example, and show them once."""
    chosen, query = _language(request)
    desk = _desk(request)
    if not desk.knows(token):
        return _closed(chosen)
    refuse_other_sites(request.app.state.door, request.scope["headers"])
    tokens, cards = await desk.example.make_tokens(), await desk.example.make_cards()
    page = _example_page(request, token, await desk.example.state(), tokens, cards, chosen, query)
    return PrivatePage(render("setup_example.html", page, chosen), chosen)


SET_UP_PAGES: Final[list[HTTPRouteHandler]] = [
    set_up_page,
    set_up,
    forget_recovery,
    example_page,
    load_example,
    make_example_tokens,
]


# ---------------------------------------------------------------- requests


def _desk(request: Request[Any, Any, Any]) -> SetUpDesk:
    desk: SetUpDesk = request.app.state.set_up
    return desk


def _first_group(fields: Mapping[str, list[str]]) -> FirstGroup:
    return FirstGroup(
        name=field_text(fields, "name"),
        slug=field_text(fields, "slug"),
        time_zone=field_text(fields, "time_zone"),
        currency=field_text(fields, "currency"),
        languages=tuple(dict.fromkeys(" ".join(fields.get("languages", ())[:_LANGUAGES_MAX])[:500].split())),
        nickname=field_text(fields, "nickname"),
        rounding=field_text(fields, "rounding"),
        confirm_days=field_text(fields, "confirm_days"),
        words=field_text(fields, "words"),
        preset=field_text(fields, "preset"),
        gifts_wait=field_text(fields, "gifts_wait"),
        policy=field_text(fields, "policy"),
    )


def _first_answers(chosen: Language) -> FirstGroup:
    """Return what stands in the form at first: the machine's time zone, and the currency used there."""
    zone = server_time_zone()
    return FirstGroup("", "", zone, currency_of(zone), (chosen.code,), "")


def _language(request: Request[Any, Any, Any]) -> tuple[Language, str]:
    """Return the language of an answer, and ``?lang=`` with it if the address named it."""
    explicit = request.query_params.get("lang")
    known = explicit if explicit in language_codes() else None
    chosen = choose_language(explicit=known, accept_language=request.headers.get("accept-language"))
    return chosen, f"?lang={known}" if known else ""


# ---------------------------------------------------------------- pages


def _closed(chosen: Language) -> PrivatePage:
    return PrivatePage(
        render("setup_closed.html", SetUpClosedPage(_language_links(chosen)), chosen), chosen, status=404
    )


def _form_page(
    request: Request[Any, Any, Any],
    token: str,
    written: FirstGroup,
    faults: Mapping[str, Refusal],
    chosen: Language,
    query: str,
    example: ExampleState,
) -> SetUpPage:
    said = {field: _advice(field, refusal, chosen) for field, refusal in faults.items()}
    # An address that was made from the name and cannot be used is shown, so that it can be changed.
    slug = written.slug or (slug_from(written.name) if "slug" in said else "")
    rules = group_with_defaults(_example_of(written.currency, written.policy), now=_now(request))
    money = next((pot for pot in rules.pots if pot.unit != MINUTES), None)
    return SetUpPage(
        languages=_language_links(chosen),
        action=f"/setup/{token}",
        query=query,
        faults=tuple((field, said[field]) for field in _FIELDS if field in said),
        rest_open=not _REST.isdisjoint(said),
        name=Answer(written.name, said.get("name", "")),
        slug=Answer(slug, said.get("slug", "")),
        time_zone=Answer(written.time_zone, said.get("time_zone", "")),
        currency=Answer(written.currency, said.get("currency", "")),
        language_choice=Answer(" ".join(written.languages), said.get("languages", "")),
        nickname=Answer(written.nickname, said.get("nickname", "")),
        rounding=Answer(written.rounding, said.get("rounding", "")),
        confirm_days=Answer(
            written.confirm_days or chosen.number(CONFIRM_DAYS), said.get("confirm_days", "")
        ),
        words=Answer(written.words, said.get("words", "")),
        preset=Answer(written.preset, said.get("preset", "")),
        policy=Answer(written.policy, said.get("policy", "")),
        policy_choices=tuple(
            Choice(each, chosen.say(name), each == (written.policy or POLICIES[0]), chosen.say(hint))
            for each, (name, hint) in _POLICIES.items()
        ),
        gifts_wait=bool(written.gifts_wait),
        preset_choices=tuple(
            Choice(each, chosen.say(words), each == (written.preset or PRESET))
            for each, words in PRESET_WORDS.items()
        ),
        rounding_choices=tuple(
            Choice(each, chosen.say(ROUNDING_WORDS[each]), each == (written.rounding or "1"))
            for each in ROUNDINGS
        ),
        words_choices=tuple(
            Choice(each, pot_in_words(each, chosen), each == (written.words or WORDS[0])) for each in WORDS
        ),
        time_zones=time_zone_choices(written.time_zone, chosen),
        language_choices=_language_choices(written.languages, chosen),
        currencies=_CURRENCIES,
        group_address=f"{host_of(request)}/g/",
        book_host=host_of(request),
        book_host_is_sure=bool(_desk(request).origin),
        hours_rules=rules_in_words(rules.pots[0].terms.as_json(), Unit(MINUTES, "time", 0), chosen),
        money_rules=rules_in_words(money.terms.as_json(), Unit(money.unit, "money", 2), chosen)
        if money
        else (),
        categories=chosen.listed(category_in_words(category, chosen) for category in rules.categories),
        example=example,
    )


def _example_of(currency: str, policy: str) -> FirstGroup:
    """Return a group whose rules the form shows; euros where nothing usable was written."""
    first, faults = check_first_group(FirstGroup("", "", "UTC", currency, (), ""), languages_known=())
    shown = "EUR" if "currency" in faults or not first.currency else first.currency.split()[0]
    return FirstGroup("", "", "UTC", shown, (), "", policy=policy if policy in POLICIES else "")


def _advice(field: str, refusal: Refusal, chosen: Language) -> str:
    """Return what to do about a field, for the summary and beside the field alike."""
    if isinstance(refusal, SlugTaken):
        return chosen.say(N_("Choose another address: %(slug)s is taken"), **refusal.params)
    advice = _ADVICE.get((field, str(refusal.params.get("why", ""))))
    if isinstance(refusal, FieldInvalid) and advice is not None:
        count = _COUNTS.get(field, 0)
        return chosen.say(advice, count=chosen.number(count)) if "%(count)s" in advice else chosen.say(advice)
    return chosen.refusal(refusal)


def _done_page(
    request: Request[Any, Any, Any], token: str, made: MadeGroup, query: str, chosen: Language
) -> SetUpDonePage:
    # The day on which its book began: a good day in the group's own time zone, whatever it is here.
    today = made.began_on.isoformat()
    curl = (
        f"curl {origin_of(request)}/api/v1/groups/{made.slug}/hours \\\n"
        f"  -H 'Authorization: Bearer {made.token}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -H 'Idempotency-Key: my-first-hour' \\\n"
        f'  -d \'{{"minutes": 60, "effective_on": "{today}", "category": "errands"}}\''
    )
    data = _desk(request).data_option
    join = f"{origin_of(request)}/g/{made.slug}/join/{made.invitation}" if made.invitation else ""
    people = (("Bo", " --role steward"), ("Cy", " --role treasurer"), ("Di", ""))
    commands = "\n".join(
        f"./run member add{data} --group {made.slug} --nickname {nickname}{role} --token"
        for nickname, role in people
    )
    return SetUpDonePage(
        name=made.name,
        slug=made.slug,
        href=f"/g/{made.slug}{query}",
        past_href=f"/g/{made.slug}/import{query}",
        log_href=f"/g/{made.slug}/log{query}",
        cards_href=f"/g/{made.slug}/people{query}",
        ways_in_href=f"/g/{made.slug}/me/ways-in{query}" if made.session else "",
        token=made.token,
        currency=made.currency,
        curl=curl,
        close=f"./run close{data} --group {made.slug}",
        commands=commands,
        recovery=made.recovery,
        forget=f"/setup/{token}/recovery-key{query}",
        join=join,
        qr=qr_inline(join) if join else Markup(),
        invited=chosen.say(
            N_("It lets %(people)s people in, until %(day)s."),
            people=chosen.number(INVITED),
            day=chosen.day_month_year(made.began_on + timedelta(days=INVITED_DAYS)),
        ),
        host_href=f"/g/{made.slug}/host{query}" if made.keeps_machine else "",
    )


def _example_page(
    request: Request[Any, Any, Any],
    token: str,
    state: ExampleState,
    tokens: Mapping[str, str],
    cards: Mapping[str, str],
    chosen: Language,
    query: str,
) -> SetUpExamplePage:
    curl = (
        f"curl {origin_of(request)}/api/v1/groups/{state.slug}/me/statement \\\n"
        f"  -H 'Authorization: Bearer {tokens['member']}'"
        if tokens
        else ""
    )
    return SetUpExamplePage(
        action=f"/setup/{token}",
        query=query,
        state=state,
        can_set_up=_desk(request).is_open(token),
        part=(chosen.number(state.told), chosen.number(state.days)),
        # The story reports week by week, and closing reports nothing until it is done.
        is_closing=state.days - state.told <= state.days % 7,
        problem=chosen.refusal(state.problem) if state.problem else "",
        tokens=tuple(tokens.items()),
        cards=tuple(cards.items()),
        sign_in_href=f"/g/{state.slug}/sign-in{query}",
        curl=curl,
    )


def _language_links(chosen: Language) -> tuple[LanguageLink, ...]:
    known = [language(code) for code in language_codes()]
    return tuple(LanguageLink(each.code, each.name, f"?lang={each.code}", each is chosen) for each in known)


def _language_choices(written: tuple[str, ...], chosen: Language) -> tuple[Choice, ...]:
    """Return every language to tick: what was ticked in its order, then the one of the page, then the others."""
    codes = [code for code in written if code in language_codes()]
    every = dict.fromkeys((*codes, chosen.code, *language_codes()))
    return tuple(Choice(code, language(code).name, code in codes) for code in every)


def time_zone_choices(written: str, chosen: Language) -> tuple[Choices, ...]:
    """Return every time zone under its region, those used often first; what was written is one of them."""
    groups = [(chosen.say(N_("Often chosen")), _OFTEN)]
    groups += [(chosen.say(label), _zones_of(region)) for region, label in _REGIONS.items()]
    if written and not any(written in zones for _, zones in groups):
        groups.insert(0, (chosen.say(N_("Chosen now")), (written,)))
    found, made = False, []
    for label, zones in groups:
        choices = []
        for zone in zones:
            choices.append(Choice(zone, zone.replace("_", " "), zone == written and not found))
            found = found or zone == written
        made.append(Choices(label, tuple(choices)))
    return tuple(made)


@lru_cache
def _zones_of(region: str) -> tuple[str, ...]:
    return tuple(sorted(zone for zone in zoneinfo.available_timezones() if zone.startswith(f"{region}/")))


def _now(request: Request[Any, Any, Any]) -> datetime:
    door: Door = request.app.state.door
    return door.clock()
