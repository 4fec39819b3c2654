"""What the public will see of a word about hours: a yes, a "not quite", what stewards settle on, and taking them back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from timebank.errors import N_, Refusal
from timebank.ledger.units import AMOUNT_MAX, HOURS
from timebank.rules.hours import counted
from timebank.rules.previews import exchange_line, hours_line, hours_undone_line
from timebank.rules.written import read_minutes
from timebank.web.sight import Sight, published_from, seen_lines, sight_line
from timebank.web.words import Amounts

if TYPE_CHECKING:
    from datetime import date

    from timebank.rules.publication import PublicLine
    from timebank.rules.state import SetUp
    from timebank.services.hours import Hours
    from timebank.web.inside import Inside
    from timebank.web.sight import SightLine


class ToldHours(NamedTuple):
    """Hours that somebody has a word about.

    Attributes:
        posted: Whether they are in the book already.
        for_pot: Whether nobody but the pot got them.
    """

    minutes: int
    day: date
    category: str
    posted: bool
    for_pot: bool


def told_of(hours: Hours) -> ToldHours:
    """Return hours as this room needs them."""
    return ToldHours(hours.minutes, hours.effective_on, hours.category, hours.posted, hours.is_for_pot)


def sight_of_yes(here: Inside, rules: SetUp, today: date, hours: ToldHours) -> Sight:
    """Return what the public will see of a yes to hours as they are."""
    if hours.posted:
        return _words(here, N_("Nothing new: its line is in the book already."))
    return _sight(here, rules, today, hours, [_right(here, rules, hours, hours.minutes)])


def sight_of_other(here: Inside, rules: SetUp, today: date, hours: ToldHours, minutes: int | None) -> Sight:
    """Return what the public will see once hours are counted as so many minutes; None while that is not known.

    Raises:
        AmountOutOfRange: It would be none, or more than the book takes.
    """
    right = None if minutes is None else counted(minutes, rules)
    if right == hours.minutes:
        return sight_of_yes(here, rules, today, hours)
    lines = [_undone(here, rules, hours)] if hours.posted else []
    return _sight(here, rules, today, hours, [*lines, _right(here, rules, hours, right)])


def read_other(written: str, rules: SetUp) -> int | None:
    """Return how long hours were as somebody wrote it; None for what they could not be."""
    with suppress(Refusal):
        minutes = read_minutes(written)
        if 1 <= counted(minutes, rules) <= AMOUNT_MAX:
            return minutes
    return None


def sight_of_undo(here: Inside, rules: SetUp, today: date, hours: ToldHours) -> Sight:
    """Return what the public will see of hours that are taken back."""
    if not hours.posted:
        return _words(here, N_("Nothing: it never comes into the book."))
    return _sight(here, rules, today, hours, [_undone(here, rules, hours)])


def _words(here: Inside, said: str) -> Sight:
    return Sight(here.chosen.say(N_("Help")), (), (here.chosen.say(said),))


def _sight(
    here: Inside, rules: SetUp, today: date, hours: ToldHours, lines: list[tuple[PublicLine, SightLine]]
) -> Sight:
    words = [published_from(hours.day, today, here.chosen, here.group)]
    if rules.time_bank and not hours.for_pot:
        words.append(
            here.chosen.say(N_("No amount: it goes from one of you to the other and touches no pot."))
        )
    return Sight(here.chosen.say(N_("Help")), seen_lines(lines), tuple(words))


def _right(here: Inside, rules: SetUp, hours: ToldHours, minutes: int | None) -> tuple[PublicLine, SightLine]:
    preset, known = here.group.preset, minutes or 60
    if rules.time_bank and not hours.for_pot:
        line = exchange_line(
            rules, preset=preset, minutes=known, effective_on=hours.day, category=hours.category
        )
    else:
        line = hours_line(
            rules,
            preset=preset,
            minutes=known,
            effective_on=hours.day,
            category=hours.category,
            answered=not hours.for_pot,
        )
    return line, sight_line(line, Amounts(HOURS, here.chosen), known=minutes is not None)


def _undone(here: Inside, rules: SetUp, hours: ToldHours) -> tuple[PublicLine, SightLine]:
    to = "pot" if hours.for_pot else "other" if rules.time_bank else "somebody"
    line = hours_undone_line(
        rules,
        preset=here.group.preset,
        minutes=hours.minutes,
        effective_on=hours.day,
        category=hours.category,
        to=to,
    )
    return line, sight_line(line, Amounts(HOURS, here.chosen))
