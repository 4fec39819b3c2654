"""What a form shows above its button: the public line to come, made by the function that will publish it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from timebank.errors import N_
from timebank.web.words import Amounts, category_in_words, kind_in_words

if TYPE_CHECKING:
    from datetime import date

    from timebank.i18n import Language
    from timebank.rules.publication import PublicLine


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
        return amounts.digits(amount) if known else "?"

    return SightLine(
        case=case,
        kind=kind_in_words(line.kind, amounts.unit, amounts.language),
        category=category_in_words(line.category, amounts.language),
        came_in=shown(came_in),
        went_out=shown(went_out),
    )


def published_from(effective_on: date, today: date, chosen: Language) -> str:
    """Return when a line of a day comes out at the earliest, under the preset that closes every day."""
    first = max(effective_on, today) + timedelta(days=1)
    return chosen.say(
        N_("With the day, %(day)s, and published on %(first)s at the earliest. No name, no time, no note."),
        day=chosen.weekday(effective_on),
        first=chosen.weekday(first),
    )
