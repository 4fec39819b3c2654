"""The rules of a pot in plain words, made from the terms that the group agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timebank.errors import N_
from timebank.i18n import Language
from timebank.ledger.units import Unit

_COUNTS = {
    1: N_("one steward says yes"),
    2: N_("two stewards say yes"),
    3: N_("three stewards say yes"),
}


def rules_in_words(terms: Mapping[str, Any], unit: Unit, language: Language) -> tuple[str, ...]:
    """Return the numbered rules of one policy version; a version always gives the same ones in the same order.

    Args:
        terms: ``{"who": "members", "per_request_max": int | null, "approvals": [{"above": int,
            "count": int}], "two_people": bool, "rounding": int | null}``; what is missing or
            null says nothing.
        unit: The pot's unit: amounts in the terms are whole minutes or smallest coins.
        language: Language of the sentences.
    """
    say, time = language.say, unit.kind == "time"
    rules = [
        say(N_("Any member may ask, also before giving anything."))
        if time
        else say(N_("Any member may ask. Nobody has to prove need."))
    ]
    most = terms.get("per_request_max")
    if most is not None:
        rules.append(say(N_("Up to %(amount)s for one ask."), amount=amount_in_words(most, unit, language)))
    rules.append(_approvals(terms.get("approvals") or [], unit, language))
    rules.append(
        say(N_("Nobody decides about their own ask."))
        if time
        else say(N_("Nobody decides about, or hands over, their own ask."))
    )
    if not time:
        rules.append(
            say(N_("With so few of us, whoever says yes may also hand the money over."))
            if terms.get("two_people")
            else say(N_("Whoever says yes does not hand the money over."))
        )
    step = terms.get("rounding")
    if step and time:
        rules.append(say(N_("Time is written in steps of %(amount)s."), amount=language.hours(step)))
    return tuple(rules)


def amount_in_words(amount: int, unit: Unit, language: Language) -> str:
    """Return an amount of a pot's unit with its unit: ``2 h``, ``€50.00``."""
    return language.hours(amount) if unit.kind == "time" else language.money(amount, unit.code)


def _approvals(tiers: list[Mapping[str, int]], unit: Unit, language: Language) -> str:
    """Return one rule for all steps, such as ``Up to €30.00: one steward says yes. Above €30.00: …``."""
    steps = sorted((tier["above"], tier["count"]) for tier in tiers) or [(0, 0)]
    first = _answer(steps[0][1], language)
    if len(steps) == 1:
        return language.say(N_("To every ask: %(answer)s."), answer=first)
    sentences = [
        language.say(
            N_("Up to %(amount)s: %(answer)s."),
            amount=amount_in_words(steps[1][0], unit, language),
            answer=first,
        )
    ]
    for above, count in steps[1:]:
        sentences.append(
            language.say(
                N_("Above %(amount)s: %(answer)s."),
                amount=amount_in_words(above, unit, language),
                answer=_answer(count, language),
            )
        )
    return " ".join(sentences)


def _answer(count: int, language: Language) -> str:
    if not count:
        return language.say(N_("yes at once"))
    if count in _COUNTS:
        return language.say(_COUNTS[count])
    return language.say_many("%(count)s steward says yes", "%(count)s stewards say yes", count)
