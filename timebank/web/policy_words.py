"""The rules of a pot in plain words, made from the terms that the group agreed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from timebank.errors import N_
from timebank.i18n import Language
from timebank.ledger.units import Unit

_STEWARDS: Final = {
    1: N_("one steward says yes"),
    2: N_("two stewards say yes"),
    3: N_("three stewards say yes"),
}
_PEOPLE: Final = {
    1: N_("one person says yes"),
    2: N_("two people say yes"),
    3: N_("three people say yes"),
}
_ROLES: Final = {"steward": N_("steward"), "treasurer": N_("treasurer"), "auditor": N_("auditor")}
_CAPS: Final = {
    ("person", "month"): N_("One person: up to %(most)s in a calendar month."),
    ("person", "year"): N_("One person: up to %(most)s in a calendar year."),
    ("person", "days"): N_("One person: up to %(most)s in %(days)s days."),
    ("household", "month"): N_("One household: up to %(most)s in a calendar month."),
    ("household", "year"): N_("One household: up to %(most)s in a calendar year."),
    ("household", "days"): N_("One household: up to %(most)s in %(days)s days."),
}
_EVERY: Final = {
    "week": N_("Money is handed over once a week, from %(weekday)s on."),
    "fortnight": N_("Money is handed over every second week, from %(weekday)s on."),
}
_LIMITS: Final = {
    "pause": N_("Whoever received %(amount)s more than they gave pauses before they receive more."),
    "talk": N_(
        "Whoever received %(amount)s more than they gave talks with a steward first; nobody is turned away."
    ),
}
#: A Monday, to name the days of the week by.
MONDAY: Final = date(2026, 3, 2)


def rules_in_words(terms: Mapping[str, Any], unit: Unit, language: Language) -> tuple[str, ...]:
    """Return the numbered rules of one policy version; a version always gives the same ones in the same order.

    Args:
        terms: As ``rules.policies.Terms.as_json`` writes them, and ``rounding`` in minutes; what is missing
            or null says nothing.
        unit: The pot's unit: amounts in the terms are whole minutes or smallest coins.
        language: Language of the sentences.
    """
    return (
        *_asking(terms, unit, language),
        *_deciding(terms, unit, language),
        *_handing_over(terms, unit, language),
        *_reminding(terms, unit, language),
    )


def rule_numbers(terms: Mapping[str, Any]) -> Mapping[str, int]:
    """Return under which number the rules about asking and deciding stand in ``rules_in_words``, by their name.

    Names are those of the terms, ``caps[0]`` for the first limit, ``who`` and ``own``.
    """
    names = ["who"]
    if terms.get("per_request_max") is not None:
        names.append("per_request_max")
    names += [f"caps[{place}]" for place, _ in enumerate(terms.get("caps") or ())]
    names.append("approvals")
    if terms.get("consent_hours"):
        names.append("consent_hours")
    names.append("own")
    return {name: number for number, name in enumerate(names, 1)}


def amount_in_words(amount: int, unit: Unit, language: Language) -> str:
    """Return an amount of a pot's unit with its unit: ``2 h``, ``€50.00``."""
    return language.hours(amount) if unit.kind == "time" else language.money(amount, unit.code)


def _asking(terms: Mapping[str, Any], unit: Unit, language: Language) -> Iterator[str]:
    say, time = language.say, unit.kind == "time"
    if terms.get("who") == "anyone":
        yield say(N_("Anyone with the link may ask, also without an account. Nobody has to prove need."))
    elif time:
        yield say(N_("Any member may ask, also before giving anything."))
    else:
        yield say(N_("Any member may ask. Nobody has to prove need."))
    most = terms.get("per_request_max")
    if most is not None:
        yield say(N_("Up to %(amount)s for one ask."), amount=amount_in_words(most, unit, language))
    for cap in terms.get("caps") or ():
        yield say(
            _CAPS[cap["per"], cap["period"]],
            most=_most(cap, unit, language),
            **({"days": language.number(cap["days"])} if cap["period"] == "days" else {}),
        )


def _most(cap: Mapping[str, Any], unit: Unit, language: Language) -> str:
    parts = []
    if cap.get("sum") is not None:
        parts.append(amount_in_words(cap["sum"], unit, language))
    if cap.get("count") is not None:
        parts.append(language.say_many("%(count)s ask", "%(count)s asks", cap["count"]))
    return (
        language.say(N_("%(amount)s and %(asks)s"), amount=parts[0], asks=parts[1]) if parts[1:] else parts[0]
    )


def _deciding(terms: Mapping[str, Any], unit: Unit, language: Language) -> Iterator[str]:
    say, time = language.say, unit.kind == "time"
    yield _approvals(terms.get("approvals") or [], unit, language)
    if terms.get("consent_hours"):
        yield say(
            N_("After the last yes, any steward may object for %(time)s."),
            time=language.hours(60 * terms["consent_hours"]),
        )
    yield (
        say(N_("Nobody decides about their own ask."))
        if time
        else say(N_("Nobody decides about, or hands over, their own ask."))
    )
    if terms.get("reserve"):
        yield say(
            N_("%(amount)s always stays in the pot."),
            amount=amount_in_words(terms["reserve"], unit, language),
        )
    if terms.get("scarcity") == "queue":
        yield say(N_("If the pot is short, asks that were agreed wait their turn, in order."))


def _handing_over(terms: Mapping[str, Any], unit: Unit, language: Language) -> Iterator[str]:
    say, time = language.say, unit.kind == "time"
    if not time:
        yield (
            say(N_("With so few of us, whoever says yes may also hand the money over."))
            if terms.get("two_people")
            else say(N_("Whoever says yes does not hand the money over."))
        )
    yield from _receipts(terms, unit, language)
    if terms.get("rhythm"):
        yield _rhythm(terms["rhythm"], language)
    if terms.get("beyond_at_once") is not None:
        yield (
            say(N_("Help beyond what was promised reaches whoever asked, without another yes."))
            if terms["beyond_at_once"]
            else say(N_("Help beyond what was promised stays in the pot."))
        )
    if terms.get("promise_days"):
        yield language.say_many(
            "A promise that nobody uses goes back to the pot after %(count)s day.",
            "A promise that nobody uses goes back to the pot after %(count)s days.",
            terms["promise_days"],
        )
    if terms.get("keep_days") is not None:
        yield language.say_many(
            "Contact and payout details are deleted %(count)s day after the end.",
            "Contact and payout details are deleted %(count)s days after the end.",
            terms["keep_days"],
        )
    step = terms.get("rounding")
    if step and time:
        yield say(N_("Time is written in steps of %(amount)s."), amount=language.hours(step))


def _receipts(terms: Mapping[str, Any], unit: Unit, language: Language) -> Iterator[str]:
    kind, above = terms.get("receipts"), terms.get("receipts_above") or 0
    if kind == "optional":
        yield language.say(N_("A receipt may come along; nobody has to bring one."))
    elif kind == "above" and above:
        yield language.say(
            N_("Above %(amount)s a receipt is looked at."), amount=amount_in_words(above, unit, language)
        )
    elif kind == "above":
        yield language.say(N_("A receipt is looked at."))


def _rhythm(rhythm: Mapping[str, Any], language: Language) -> str:
    if rhythm["every"] == "month":
        return language.say(
            N_("Money is handed over once a month, from day %(day)s on."), day=language.number(rhythm["day"])
        )
    weekday = language.weekday_name(MONDAY + timedelta(days=rhythm["weekday"] - 1))
    return language.say(_EVERY[rhythm["every"]], weekday=weekday)


def _reminding(terms: Mapping[str, Any], unit: Unit, language: Language) -> Iterator[str]:
    limit = terms.get("limit")
    if limit:
        yield language.say(_LIMITS[limit["then"]], amount=amount_in_words(limit["at"], unit, language))
    surplus = terms.get("surplus")
    if surplus:
        above = amount_in_words(surplus["above"], unit, language)
        if surplus.get("keep") is not None:
            keep = amount_in_words(surplus["keep"], unit, language)
            said = language.say(
                N_("With more than %(amount)s in the pot, what is over %(keep)s is passed on."),
                amount=above,
                keep=keep,
            )
        else:
            said = language.say(
                N_("With more than %(amount)s in the pot, the group talks about it."), amount=above
            )
        yield _with_own_words(said, surplus)
    yield from _stewards(terms.get("stewards") or {}, language)


def _stewards(stewards: Mapping[str, Any], language: Language) -> Iterator[str]:
    if stewards.get("months"):
        yield language.say_many(
            "Nobody is steward for more than %(count)s month in a row.",
            "Nobody is steward for more than %(count)s months in a row.",
            stewards["months"],
        )
    if stewards.get("people"):
        yield language.say_many(
            "There should be %(count)s steward.", "There should be %(count)s stewards.", stewards["people"]
        )
    if stewards.get("text"):
        yield _ended(stewards["text"])


def _with_own_words(said: str, rule: Mapping[str, Any]) -> str:
    return f"{said} {_ended(rule['text'])}" if rule.get("text") else said


def _ended(words: str) -> str:
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def _approvals(tiers: Sequence[Mapping[str, Any]], unit: Unit, language: Language) -> str:
    """Return one rule for all steps, such as ``Up to €30.00: one steward says yes. Above €30.00: …``."""
    steps = sorted(tiers, key=lambda tier: tier["above"]) or [{"above": 0, "count": 0}]
    first = _answer(steps[0], language)
    if len(steps) == 1:
        return language.say(N_("To every ask: %(answer)s."), answer=first)
    sentences = [
        language.say(
            N_("Up to %(amount)s: %(answer)s."),
            amount=amount_in_words(steps[1]["above"], unit, language),
            answer=first,
        )
    ]
    sentences.extend(
        language.say(
            N_("Above %(amount)s: %(answer)s."),
            amount=amount_in_words(step["above"], unit, language),
            answer=_answer(step, language),
        )
        for step in steps[1:]
    )
    return " ".join(sentences)


def _answer(step: Mapping[str, Any], language: Language) -> str:
    count, roles = step["count"], step.get("roles") or ["steward"]
    if not count:
        return language.say(N_("yes at once"))
    if roles == ["steward"]:
        if count in _STEWARDS:
            return language.say(_STEWARDS[count])
        return language.say_many("%(count)s steward says yes", "%(count)s stewards say yes", count)
    people = (
        language.say(_PEOPLE[count])
        if count in _PEOPLE
        else language.say_many("%(count)s person says yes", "%(count)s people say yes", count)
    )
    duties = " / ".join(language.say(_ROLES[role]) for role in roles)
    return language.say(N_("%(people)s (%(duties)s)"), people=people, duties=duties)
