"""What a form shows above its button: the public line to come, made by the function that will publish it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from timebank.errors import N_
from timebank.rules.publication import CAREFUL, NO_LINE, OPEN, SHELTERED
from timebank.rules.readiness import period_end
from timebank.web.words import Amounts, category_in_words, kind_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup, PublicLine


class SightLine(NamedTuple):
    """One public line in words; ``case`` says when it will be this one, where there are several."""

    case: str
    kind: str
    category: str
    came_in: str
    went_out: str


class Sight(NamedTuple):
    """What the public will see: lines in a table with a column head, and what is to be said about them."""

    head: str
    lines: tuple[SightLine, ...]
    words: tuple[str, ...]


def sight_line(line: PublicLine, amounts: Amounts, *, case: str = "", known: bool = True) -> SightLine:
    """Return a public line as a form shows it.

    Args:
        known: Whether the amount is known yet; else a question mark stands for it.
    """
    came_in = sum(max(0, change.total) for change in line.changes)
    went_out = sum(max(0, -change.total) for change in line.changes)

    def shown(amount: int) -> str:
        if not amount:
            return ""
        return amounts.digits(amount) if known else amounts.language.unknown

    return SightLine(
        case=case,
        kind=kind_in_words(line.kind, amounts.unit, amounts.language),
        category=category_in_words(line.category, amounts.language),
        came_in=shown(came_in),
        went_out=shown(went_out),
    )


def seen_lines(lines: Iterable[tuple[PublicLine, SightLine]]) -> tuple[SightLine, ...]:
    """Return those of some lines that will be lines; what is only a part of totals is none."""
    return tuple(shown for line, shown in lines if line != NO_LINE)


def published_from(effective_on: date, today: date, chosen: Language, group: PublicGroup) -> str:
    """Return how and when something comes out at the earliest, as the group publishes."""
    first = period_end(group.preset, max(effective_on, today)) + timedelta(days=1)
    if group.preset == OPEN:
        return chosen.say(
            N_(
                "With the day, %(day)s, and published on %(first)s at the earliest. No name, no time, no note."
            ),
            day=chosen.weekday(effective_on),
            first=chosen.weekday(first),
        )
    if group.preset == CAREFUL:
        return chosen.say(
            N_(
                "Without the day, among the figures of a week, on %(first)s at the earliest: once at least "
                "%(people)s different people stand behind them. After 13 weeks it is shown all the same, as a part "
                "of one total. No name, no time, no note."
            ),
            first=chosen.weekday(first),
            people=chosen.number(group.people),
        )
    return chosen.say(
        N_(
            "No line: only a part of the totals of a month, on %(first)s at the earliest, once at least %(people)s "
            "different people stand behind them; after 26 weeks all the same, as a part of one total."
        ),
        first=chosen.weekday(first),
        people=chosen.number(group.people),
    )


def published_with_its_pot(effective_on: date, today: date, chosen: Language, group: PublicGroup) -> str:
    """Return when something comes out at the earliest that waits for nobody but its pot: a count, a move of money."""
    if group.preset != CAREFUL:
        return published_from(effective_on, today, chosen, group)
    first = period_end(group.preset, max(effective_on, today)) + timedelta(days=1)
    return chosen.say(
        N_(
            "Without the day, among the figures of a week, on %(first)s at the earliest. No name, no time, no note."
        ),
        first=chosen.weekday(first),
    )


def published_gift(effective_on: date, today: date, chosen: Language, group: PublicGroup) -> str:
    """Return how and when a gift of money comes out: it waits for others only where the group chose so."""
    if group.gifts_wait:
        return published_from(effective_on, today, chosen, group)
    return published_with_its_pot(effective_on, today, chosen, group)


def asked_in_public(chosen: Language, group: PublicGroup) -> str:
    """Return what the public sees of an ask, and when; an ask that is not met is never shown."""
    if group.preset == OPEN:
        return chosen.say(
            N_(
                "Once it is handed over, with its day. No name, no reason. An ask that is not met is never shown."
            )
        )
    if group.preset == CAREFUL:
        return chosen.say(
            N_(
                "Once it is handed over, without its day, among the figures of a week and together with asks of at "
                "least %(people)s different people. If so many do not come together within 13 weeks, it is shown "
                "as a part of one total. No name, no reason. An ask that is not met is never shown."
            ),
            people=chosen.number(group.people),
        )
    return chosen.say(
        N_(
            "No line: once it is handed over, only a part of the totals of a month, together with at least %(people)s "
            "different people; after 26 weeks all the same, as a part of one total. An ask that is not met is never "
            "shown."
        ),
        people=chosen.number(group.people),
    )


def seen_of_gifts(chosen: Language, group: PublicGroup) -> tuple[str, ...]:
    """Return what the public will see of what somebody gives, hours and money, for those who think about giving."""
    if group.preset == OPEN:
        return (chosen.say(N_("The public sees the day, the kind of help and the amount. Never a name.")),)
    people = chosen.number(group.people)
    if group.preset == SHELTERED:
        words = N_(
            "The public sees totals of a month, once at least %(people)s different people stand behind them. Never a "
            "name, a day or a single amount."
        )
        return (chosen.say(words, people=people),)
    hours = N_(
        "The public sees the kind of help and the amount, once at least %(people)s different people stand behind a "
        "week. Never a name or a day."
    )
    money = (
        N_("A gift of money waits for others in the same way.")
        if group.gifts_wait
        else N_(
            "A gift of money does not wait for others: its amount is shown among the figures of the week."
        )
    )
    return chosen.say(hours, people=people), chosen.say(money)
