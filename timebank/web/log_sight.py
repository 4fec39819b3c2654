"""Help in words, before and after it is written: what happened, and who will see what of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from timebank.errors import N_
from timebank.ledger.units import HOURS, MINUTES
from timebank.rules.previews import exchange_line, hours_line
from timebank.web.log_reading import Help, is_possible
from timebank.web.sight import Sight, SightLine, published_from, seen_lines, sight_line
from timebank.web.words import Amounts, category_in_words, told, told_many

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from timebank.i18n import Language
    from timebank.rules.publication import PublicLine
    from timebank.rules.state import SetUp
    from timebank.web.inside import Inside

#: So many public lines are shown of what one form writes; the others look like them.
LINES_SHOWN = 4


def between_two(rules: SetUp, told_help: Help) -> bool:
    """Whether help goes from one account to the other: with a neighbour, in a group in time-bank mode."""
    return rules.time_bank and told_help.other is not None


# ---------------------------------------------------------------- the public


def sight_of(here: Inside, rules: SetUp, today: date, helped: Help, parts: Sequence[int] = ()) -> Sight:
    """Return what the public will see of help; ``parts`` are the minutes of each who gave it together."""
    helps = [replace(helped, minutes=part) for part in parts] or [helped]
    return sight_of_many(here, rules, today, helps)


def sight_of_many(here: Inside, rules: SetUp, today: date, helps: Sequence[Help]) -> Sight:
    """Return what the public will see of the first ones of help that is written at once."""
    amounts, lines, words = Amounts(HOURS, here.chosen), [], dict[str, None]()
    for helped in helps[:LINES_SHOWN]:
        line = _public_line(here, rules, helped, helped.minutes)
        lines.append((line, sight_line(line, amounts, known=helped.minutes is not None)))
        words[published_from(helped.day, today, here.chosen, here.group)] = None
    if any(between_two(rules, helped) for helped in helps[:LINES_SHOWN]):
        between = N_("No amount: it goes from one of you to the other and touches no pot.")
        words[here.chosen.say(between)] = None
    return Sight(here.chosen.say(N_("Help")), seen_lines(lines), tuple(words))


def both_sights(here: Inside, rules: SetUp, today: date, kind: str) -> Sight:
    """Return what the public will see of either answer, while none is given yet."""
    amounts = Amounts(HOURS, here.chosen)
    lines: list[tuple[PublicLine, SightLine]] = []
    cases: list[tuple[UUID | None, str]] = [(here.actor.member_id, N_("If it was for a neighbour"))]
    if MINUTES in rules.first_pots:
        cases = [(None, N_("If it was for the whole group")), *cases]
    for other, case in cases if is_possible(rules) else ():
        line = _public_line(here, rules, Help(True, other, "", today, kind, "", None), None)
        lines.append((line, sight_line(line, amounts, case=here.chosen.say(case), known=False)))
    words = published_from(today, today, here.chosen, here.group)
    return Sight(here.chosen.say(N_("Help")), seen_lines(lines), (words,))


def _public_line(here: Inside, rules: SetUp, helped: Help, minutes: int | None) -> PublicLine:
    preset, known = here.group.preset, minutes or 60
    if between_two(rules, helped):
        return exchange_line(
            rules, preset=preset, minutes=known, effective_on=helped.day, category=helped.kind
        )
    return hours_line(
        rules,
        preset=preset,
        minutes=known,
        effective_on=helped.day,
        category=helped.kind,
        answered=helped.other is not None,
    )


# ---------------------------------------------------------------- the other one and the stewards


def few_of(here: Inside, rules: SetUp, helped: Help, nickname: str) -> tuple[str, ...]:
    """Return what the other one and the stewards will see; ``nickname`` is of who the form speaks for."""
    chosen = here.chosen
    names = [nickname, *(name for _, name in helped.others)]
    said: list[str] = [sentence(helped.other_name, name, chosen, gave=helped.gave) for name in names]
    said.append(
        " · ".join(
            (
                chosen.hours(helped.minutes)
                if helped.minutes
                else chosen.say(N_("the time that you choose")),
                category_in_words(helped.kind, chosen),
                chosen.day(helped.day),
            )
        )
    )
    said.append(_silence_words(rules, helped.other_name if helped.other else "", chosen, gave=helped.gave))
    if helped.note:
        said.append(chosen.say(N_("Your note is for you alone: you find it in your statement.")))
    return tuple(each for each in said if each)


def few_before(rules: SetUp, chosen: Language) -> tuple[str, ...]:
    """Return the same while nothing is written yet."""
    return (
        chosen.say(N_("Who helped whom, how long, on which day, and the kind of help.")),
        _silence_words(rules, chosen.say(N_("The other one")), chosen, gave=True),
        chosen.say(N_("Your note is for you alone: you find it in your statement.")),
    )


def _silence_words(rules: SetUp, name: str, chosen: Language, *, gave: bool) -> str:
    if not name:
        return ""
    if not rules.time_bank:
        return told(chosen, N_("%(name)s can say that it was not quite like that."), {"name": name})
    if not gave:
        return ""
    return told_many(
        chosen,
        "%(name)s is asked whether this is right; no answer for %(count)s day counts as a yes.",
        "%(name)s is asked whether this is right; no answer for %(count)s days counts as a yes.",
        rules.confirm_days,
        {"name": name},
    )


# ---------------------------------------------------------------- what happened


def sentence(other: str, nickname: str, chosen: Language, *, gave: bool) -> Markup:
    """Return what happened, said of two people; ``other`` is empty for the whole group."""
    if not other:
        return told(chosen, N_("%(name)s helped the whole group"), {"name": nickname})
    first, second = (nickname, other) if gave else (other, nickname)
    return told(chosen, N_("%(name)s helped %(other)s"), {"name": first, "other": second})


def sentence_to_you(other: str | None, chosen: Language, *, gave: bool) -> Markup:
    """Return what happened, said to the reader; ``other`` is None for the group, empty for nobody any more."""
    if other is None:
        return escape(chosen.say(N_("You helped the whole group")))
    name = other or chosen.say(N_("a neighbour") if gave else N_("A neighbour"))
    return told(chosen, N_("You helped %(name)s") if gave else N_("%(name)s helped you"), {"name": name})
