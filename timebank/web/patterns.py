"""The pattern page: every part in each of its states, made of an invented book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from timebank.errors import N_
from timebank.i18n import Language
from timebank.ledger.units import HOURS, Unit
from timebank.rules.publication import (
    Change,
    PublicBalance,
    PublicBook,
    PublicFlow,
    PublicGroup,
    PublicPeriod,
    PublicPlace,
    PublicPolicy,
    PublicPot,
    PublishedLine,
)
from timebank.web.book_page import Ink, LanguageLink, Leaf, book_page
from timebank.web.drawings import Part, PotBar, held_strip, pot_bar
from timebank.web.pot_view import Figure, bar_sentence, pot_figures
from timebank.web.words import Amounts

_EURO = Unit("EUR", "money", 2)
_AS_OF = date(2026, 9, 27)


@dataclass(frozen=True, slots=True)
class BarState:
    """The pot bar in one state."""

    key: str
    name: str
    ink: Ink
    figures: tuple[Figure, Figure]
    bar: PotBar
    sentence: str
    where: str
    strip: tuple[Part, ...]
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """Figures for the parts of forms and receipts."""

    given: Figure
    received: Figure
    time: str
    money: str
    day: str
    number: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatternsPage:
    """Every part once."""

    languages: tuple[LanguageLink, ...]
    bars: tuple[BarState, ...]
    flows: tuple[Leaf, ...]
    example: Example


def patterns_page(language: Language, languages: tuple[LanguageLink, ...]) -> PatternsPage:
    """Return the parts in one language."""
    say = language.say
    states = (
        ("usual", say(N_("The usual")), _EURO, 98650, 19000),
        ("all-promised", say(N_("All of it promised")), HOURS, 0, 1080),
        ("a-little", say(N_("Very little promised of very much")), HOURS, 728_745, 15),
        ("short", say(N_("Short: counted, and not all there")), _EURO, -5000, 12000),
        ("ahead", say(N_("Hours asked ahead of giving")), HOURS, -720, 240),
        ("empty", say(N_("An empty pot")), HOURS, 0, 0),
    )
    spread = book_page(_book(), language, explicit=False).spreads[0]
    return PatternsPage(
        languages=languages,
        bars=tuple(_state(key, name, Amounts(unit, language), *sums) for key, name, unit, *sums in states),
        flows=tuple(leaf for leaf in (spread.recto, spread.verso) if leaf),
        example=_example(language, spread.verso.rules.rules if spread.verso and spread.verso.rules else ()),
    )


def _example(language: Language, rules: tuple[str, ...]) -> Example:
    hours = Amounts(HOURS, language)
    return Example(
        given=pot_figures(2730, 0, hours)[0],
        received=pot_figures(1245, 0, hours)[0],
        time=hours.digits(90),
        money=Amounts(_EURO, language).words(4000),
        day=language.day(_AS_OF),
        number=language.number(61),
        rules=rules[:3],
    )


def _state(key: str, name: str, amounts: Amounts, available: int, promised: int) -> BarState:
    rtl = amounts.language.direction == "rtl"
    places = [21230, 96420] if key == "usual" else []
    say = amounts.language.say
    return BarState(
        key=key,
        name=name,
        ink="hours" if amounts.is_time else "money",
        figures=pot_figures(available, promised, amounts),
        bar=pot_bar(
            available,
            promised,
            label=amounts.label,
            plain_label=amounts.plain_label,
            unit_step=amounts.step,
            rtl=rtl,
            bar_height=2.5,
        ),
        sentence=bar_sentence(available, promised, amounts),
        where=say(N_("Where it is")),
        strip=held_strip(places, rtl=rtl),
        places=tuple(zip((say(N_("cash box")), say(N_("bank"))), map(amounts.words, places), strict=False)),
    )


def _book() -> PublicBook:
    """Return a small book: a wide period, a silent week, a late line, a correction."""
    flows = tuple(
        PublicFlow(
            number,
            first,
            first + timedelta(days=days - 1),
            pot,
            unit,
            "",
            came_in * step,
            went_out * step,
            lines,
        )
        for pot, unit, step, lines in (("hours", "minutes", 15, 9), ("money", "EUR", 500, 2))
        for number, (first, days, came_in, went_out) in enumerate(
            (
                (date(2026, 8, 10), 7, 74, 48),
                (date(2026, 8, 17), 14, 119, 85),
                (date(2026, 8, 31), 7, 0, 30),
                (date(2026, 9, 7), 7, 115, 74),
                (date(2026, 9, 21), 7, 26, 14),
            ),
            start=1,
        )
    )
    return PublicBook(
        group=PublicGroup(
            slug="example",
            name="Example",
            languages=("en",),
            preset="open",
            began_on=date(2026, 8, 10),
            first_close_on=date(2026, 8, 11),
            units=(HOURS, _EURO),
            pots=(PublicPot("hours", "minutes", 1), PublicPot("money", "EUR", 1)),
        ),
        period=PublicPeriod(5, date(2026, 9, 21), _AS_OF, _AS_OF + timedelta(days=2), 8),
        balances=(
            PublicBalance("hours", "minutes", 8790, 1080, 9000, 3765, 390, 210),
            PublicBalance("money", "EUR", 98650, 19000, 167000, 125500, 13000, 7000),
        ),
        before=(
            PublicBalance("hours", "minutes", 8610, 1080, 8610, 3555, 0, 0),
            PublicBalance("money", "EUR", 92650, 19000, 154000, 118500, 0, 0),
        ),
        held=(
            PublicPlace("eur-cash-1", "cash", 1, "EUR", 21230),
            PublicPlace("eur-bank-1", "bank", 1, "EUR", 96420),
        ),
        flows=flows,
        lines=(
            _line(1, "help_given", "errands", Change("hours", "minutes", 240, 0)),
            _line(
                2,
                "fulfil",
                "repairs",
                Change("hours", "minutes", 150, 0),
                Change("hours", "minutes", 0, -150),
            ),
            _line(3, "correction", "errands", Change("hours", "minutes", -60, 0)),
            _line(4, "promise", "lifts", Change("hours", "minutes", -120, 120)),
            _line(5, "money_in", "", Change("money", "EUR", 13000, 0), late=True),
            _line(6, "hand_over", "", Change("money", "EUR", 0, -7000)),
        ),
        lines_from=date(2026, 9, 21),
        line_flows=tuple(flow for flow in flows if flow.period == 5),
        policies=(
            PublicPolicy(
                "hours",
                2,
                date(2026, 6, 1),
                {"approvals": [{"above": 0, "count": 0}, {"above": 120, "count": 1}]},
            ),
            PublicPolicy(
                "money",
                1,
                date(2026, 6, 1),
                {"per_request_max": 5000, "approvals": [{"above": 0, "count": 2}]},
            ),
        ),
    )


def _line(number: int, kind: str, category: str, *changes: Change, late: bool = False) -> PublishedLine:
    day = date(2026, 9, 12) if late else date(2026, 9, 23)
    return PublishedLine(str(number), 5, date(2026, 9, 21), _AS_OF, kind, category, day, late, changes)
