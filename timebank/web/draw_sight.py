"""What the public will see of an ask that stewards decide, or that somebody hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.errors import N_
from timebank.rules.previews import ask_line
from timebank.web.sight import Sight, seen_lines, sight_line
from timebank.web.words import amounts_of

if TYPE_CHECKING:
    from datetime import date

    from timebank.rules.state import Pot, SetUp
    from timebank.web.inside import Inside


def draw_sight(
    here: Inside, rules: SetUp, pot: Pot, *, amount: int | None, category: str, day: date, words: str
) -> Sight:
    """Return the line of an ask once so much of it is handed over.

    Args:
        amount: None while it is not known.
        day: On which that is, as far as it is known.
        words: When it comes out, and what is not in it.
    """
    chosen = here.chosen
    line = ask_line(
        rules, pot, preset=here.group.preset, amount=amount or 60, effective_on=day, category=category
    )
    shown = sight_line(line, amounts_of(pot.unit, chosen), known=amount is not None)
    return Sight(chosen.say(N_("Asked for")), seen_lines([(line, shown)]), (words,))
