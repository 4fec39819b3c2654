"""The rules of a pot as data: what can be written, what is told when it cannot, and eight real ones at work."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from tests.rules.life import Life, a_life
from tests.rules.policies.cases import POLICIES
from timebank.errors import PolicyInvalid, RuleNotYet
from timebank.rules.commands import ApproveDraw, CancelDraw, DrawDue, HandOver, LogHours, QueueDue
from timebank.rules.policies import Cap, Rhythm, Terms, read_policy, read_terms, stored_terms

CASES = [(name, case) for name, written in POLICIES.items() for case in written.cases]


def begin(name: str, **more: Any) -> Life:
    written = POLICIES[name]
    terms = read_terms(written.terms, written.unit)
    life = a_life(terms, unit=written.unit, households=written.households, **more)
    if written.funded:
        life.fund(written.funded)
    return life


@pytest.mark.parametrize("name", POLICIES)
def test_a_written_policy_reads_and_is_stored_as_it_was_written(name: str) -> None:
    written = POLICIES[name]

    terms = read_terms(written.terms, written.unit)

    stored = terms.as_json()
    assert stored_terms(stored) == terms
    # What says nothing is left out; all that was said is there.
    assert {k: v for k, v in written.terms.items() if k in stored} == stored
    assert written.terms.keys() - stored.keys() <= {"receipts"}


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{n}: {c}" for n, c in CASES])
def test_what_happens_under_a_written_policy(name: str, case: str) -> None:
    life = begin(name)
    latest: dict[str, Any] = {}
    for step in POLICIES[name].cases[case]:
        latest = _take(life, step, latest)


def _take(life: Life, step: tuple[Any, ...], latest: dict[str, Any]) -> dict[str, Any]:
    what, who, *rest = step
    if what == "on":
        life.on(date.fromisoformat(who))
        return latest
    if what == "fund":
        life.fund(rest[0])
        return latest
    if what == "state":
        assert life.draw(latest).state == who
        return latest
    if what == "received":
        number = life.people[who].accounts["exchange:minutes"]
        life.state.books.accounts[number].credits += rest[0]
        return latest
    amount, expected = rest
    if what in {"ask", "stranger"}:
        said = _ask(life, who, amount)
        latest = said if said["code"] == "ok" else latest
    else:
        draw = UUID(latest["id"])
        commands: dict[str, Any] = {
            "approve": ApproveDraw(draw, amount),
            "cancel": CancelDraw(draw),
            "hand_over": HandOver(draw, "cash"),
            "receipt": HandOver(draw, "cash", receipt=True),
            "due": DrawDue(draw),
        }
        if what == "due":
            life.do("group", QueueDue(UUID(int=1)))
        said = life.do(who, commands[what])
    told = {said["code"], said.get("rule"), said.get("state"), "talk_first" if "talk_first" in said else ""}
    assert expected in told, (step, said)
    return latest


def _ask(life: Life, who: str, amount: int) -> dict[str, Any]:
    if who:
        return life.ask(who, amount)
    ask_id = UUID(int=99)
    return life.ask(str(ask_id), amount, without_account=True, link=bytes(32), ask_id=ask_id)


@pytest.mark.parametrize("name", POLICIES)
def test_each_hands_over_a_draw_that_one_of_its_own_stewards_asked(name: str) -> None:
    life = begin(name)
    draw = UUID(life.ask("bo", 60)["id"])
    assert life.do("bo", ApproveDraw(draw))["code"] == "own_draw"
    for steward in ("di", "gus"):
        if life.state.draws[draw].state != "promised":
            assert life.do(steward, ApproveDraw(draw))["code"] == "ok"
    life.go_on(days=20)

    if life.unit == "minutes":
        assert (
            life.do("bo", LogHours(None, None, draw, 60, life.state.today, "company"))["code"] == "own_draw"
        )
        life.do("flo", LogHours(None, None, draw, 60, life.state.today, "company"))
    else:
        assert life.do("bo", HandOver(draw, "cash"))["code"] == "needs_role"
        life.do("ed", HandOver(draw, "cash"))

    assert life.state.draws[draw].state == "handed_over"


# ---------------------------------------------------------------- what cannot be written


def test_every_field_that_is_wrong_is_told_at_once_by_its_path() -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_terms(
            {
                "who": "everybody",
                "approvals": [{"above": 5, "count": 1}, {"above": 5, "count": 99, "roles": ["host"]}],
                "per_request_max": 0,
                "two_people": "yes",
                "caps": [
                    {"per": "street", "period": "days"},
                    {"per": "person", "period": "month", "days": 3, "sum": 1},
                ],
                "consent_hours": 10_000,
                "receipts": "above",
                "reserve": 1.5,
                "rhythm": {"every": "fortnight", "weekday": 8},
                "beyond_at_once": True,
                "promise_days": -1,
                "limit": {"at": 60, "then": "shout"},
                "surplus": {"above": 10, "keep": 20},
                "stewards": {"months": 0},
                "price_of_an_hour": 12,
            },
            "EUR",
        )

    assert {field for field, _ in refused.value.faults} == {
        "who", "approvals", "approvals[1].count", "approvals[1].roles", "per_request_max", "two_people",
        "caps[0]", "caps[0].per", "caps[0].days", "caps[1].days", "consent_hours", "receipts_above", "reserve",
        "rhythm.first", "rhythm.weekday", "beyond_at_once", "promise_days", "limit", "limit.then",
        "surplus.keep", "stewards.months", "price_of_an_hour",
    }  # fmt: skip


@pytest.mark.parametrize(
    "told", [[], "no", None, {"caps": {}}, {"approvals": "x"}, {"rhythm": 3}, {"caps": [1]}]
)
def test_what_is_no_policy_at_all_is_told_too(told: Any) -> None:
    with pytest.raises(PolicyInvalid):
        read_terms(told, "EUR")


@pytest.mark.parametrize("word", ["pro_rata", "lottery", "poll"])
def test_answers_to_a_short_pot_that_come_later_are_refused_as_not_yet(word: str) -> None:
    with pytest.raises(RuleNotYet):
        read_terms({"scarcity": word}, "EUR")


def test_what_was_stored_before_there_was_more_to_say_still_reads() -> None:
    old = {
        "approvals": [{"above": 0, "count": 1}, {"above": 3000, "count": 2}],
        "per_request_max": None,
        "two_people": True,
    }

    policy = read_policy(3, old)

    assert policy.terms == Terms(approvals=((0, 1), (3000, 2)), two_people=True)
    assert policy.terms.as_json() == old


# ---------------------------------------------------------------- calendars


@pytest.mark.parametrize(
    ("cap", "today", "first"),
    [
        (Cap("person", "month"), date(2026, 3, 31), date(2026, 3, 1)),
        (Cap("person", "month"), date(2028, 2, 29), date(2028, 2, 1)),
        (Cap("person", "year"), date(2026, 12, 31), date(2026, 1, 1)),
        (Cap("person", "days", 30), date(2026, 3, 1), date(2026, 1, 31)),
        (Cap("person", "days", 1), date(2026, 3, 1), date(2026, 3, 1)),
    ],
)
def test_the_first_day_that_counts(cap: Cap, today: date, first: date) -> None:
    assert cap.first_day(today) == first


@pytest.mark.parametrize(
    ("rhythm", "promised", "handed"),
    [
        (Rhythm("week", weekday=5), date(2026, 3, 13), date(2026, 3, 13)),
        (Rhythm("week", weekday=5), date(2026, 3, 14), date(2026, 3, 20)),
        (Rhythm("week", weekday=1), date(2026, 12, 31), date(2027, 1, 4)),
        (Rhythm("fortnight", weekday=1, first=date(2026, 3, 2)), date(2026, 3, 2), date(2026, 3, 2)),
        (Rhythm("fortnight", weekday=1, first=date(2026, 3, 2)), date(2026, 3, 3), date(2026, 3, 16)),
        (Rhythm("fortnight", weekday=1, first=date(2026, 3, 2)), date(2026, 2, 10), date(2026, 2, 16)),
        (Rhythm("month", day=28), date(2026, 2, 28), date(2026, 2, 28)),
        (Rhythm("month", day=1), date(2026, 1, 31), date(2026, 2, 1)),
        (Rhythm("month", day=15), date(2026, 12, 16), date(2027, 1, 15)),
    ],
)
def test_the_next_day_of_handing_over(rhythm: Rhythm, promised: date, handed: date) -> None:
    assert rhythm.next_day(promised) == handed
