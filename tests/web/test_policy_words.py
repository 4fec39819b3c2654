"""The rules of a pot in words."""

from __future__ import annotations

import re

import pytest

from tests.rules.policies.cases import POLICIES
from timebank.i18n import language, language_codes
from timebank.ledger.units import HOURS, Unit
from timebank.web.policy_form import fields_of, read_policy_form
from timebank.web.policy_words import rule_numbers, rules_in_words

EN, ES = language("en"), language("es")
EURO = Unit("EUR", "money", 2)


def plain(sentences: tuple[str, ...]) -> list[str]:
    return [sentence.replace("\u00a0", " ") for sentence in sentences]


def test_the_rules_of_an_hours_pot():
    terms = {
        "per_request_max": 360,
        "approvals": [{"above": 0, "count": 0}, {"above": 120, "count": 1}],
        "rounding": 15,
    }

    assert plain(rules_in_words(terms, HOURS, EN)) == [
        "Any member may ask, also before giving anything.",
        "Up to 6 h for one ask.",
        "Up to 2 h: yes at once. Above 2 h: one steward says yes.",
        "Nobody decides about their own ask.",
        "Time is written in steps of 15 min.",
    ]


def test_the_rules_of_a_money_pot_of_a_few_people():
    terms = {
        "per_request_max": 5000,
        "approvals": [{"above": 3000, "count": 2}, {"above": 0, "count": 1}],
        "two_people": True,
    }

    assert plain(rules_in_words(terms, EURO, ES)) == [
        "Puede pedir cualquier miembro. Nadie tiene que demostrar que lo necesita.",
        "Hasta 50,00 € por petición.",
        (
            "Hasta 30,00 €: da el sí una persona que cuida el bote. "
            "A partir de 30,00 €: dan el sí dos personas que cuidan el bote."
        ),
        "Nadie decide sobre lo que ha pedido ni se lo entrega.",
        "Como somos tan pocas personas, quien da el sí también puede entregar el dinero.",
    ]


@pytest.mark.parametrize(
    "terms", [{}, {"approvals": []}, {"approvals": [{"above": 0, "count": 5}], "rounding": None}]
)
@pytest.mark.parametrize("unit", [HOURS, EURO])
def test_short_terms_have_words_too(terms, unit):
    for spoken in (EN, ES):
        sentences = rules_in_words(terms, unit, spoken)

        assert len(sentences) >= 3
        assert all(sentence.endswith(".") for sentence in sentences)
        assert not any("None" in sentence for sentence in sentences)


@pytest.mark.parametrize("name", POLICIES)
def test_every_rule_of_a_written_policy_has_a_sentence(name):
    written = POLICIES[name]
    unit = HOURS if written.unit == "minutes" else Unit(written.unit, "money", 2)
    for spoken in (EN, ES):
        whole = rules_in_words(written.terms, unit, spoken)

        assert all(sentence.endswith((".", "!", "?")) for sentence in whole)
        assert len(set(whole)) == len(whole)
        # Take a rule away, and what is said changes; what says nothing needs no sentence.
        for rule, said in written.terms.items():
            less = {key: value for key, value in written.terms.items() if key != rule}
            if said not in (None, False, 0, "never", [{"above": 0, "count": 0}]):
                assert rules_in_words(less, unit, spoken) != whole, rule


def test_the_rules_of_a_pot_with_everything():
    terms = {
        "who": "anyone",
        "approvals": [
            {"above": 0, "count": 1},
            {"above": 3000, "count": 2, "roles": ["steward", "treasurer"]},
        ],
        "caps": [
            {"per": "household", "period": "month", "sum": 5000},
            {"per": "person", "period": "days", "days": 90, "sum": 9000, "count": 2},
        ],
        "consent_hours": 48,
        "receipts": "above",
        "receipts_above": 2000,
        "reserve": 10000,
        "scarcity": "queue",
        "rhythm": {"every": "week", "weekday": 5},
        "promise_days": 30,
        "keep_days": 1,
        "surplus": {"above": 50000, "keep": 40000, "text": "To the food bank"},
        "stewards": {"months": 3, "people": 3},
    }

    assert plain(rules_in_words(terms, EURO, EN)) == [
        "Anyone with the link may ask, also without an account. Nobody has to prove need.",
        "One household: up to €50.00 in a calendar month.",
        "One person: up to €90.00 and 2 asks in 90 days.",
        "Up to €30.00: one steward says yes. Above €30.00: two people say yes (steward / treasurer).",
        "After the last yes, any steward may object for 48 h.",
        "Nobody decides about, or hands over, their own ask.",
        "€100.00 always stays in the pot.",
        "If the pot is short, asks that were agreed wait their turn, in order.",
        "Whoever says yes does not hand the money over.",
        "Above €20.00 a receipt is looked at.",
        "Money is handed over once a week, from Friday on.",
        "A promise that nobody uses goes back to the pot after 30 days.",
        "Contact and payout details are deleted 1 day after the end.",
        "With more than €500.00 in the pot, what is over €400.00 is passed on. To the food bank.",
        "Nobody is steward for more than 3 months in a row.",
        "There should be 3 stewards.",
    ]


def test_numbers_are_those_under_which_the_rules_stand():
    terms = {
        "who": "anyone",
        "per_request_max": 5000,
        "caps": [
            {"per": "household", "period": "month", "sum": 5000},
            {"per": "person", "period": "year", "count": 2},
        ],
        "approvals": [{"above": 0, "count": 1}],
        "consent_hours": 48,
    }
    begins = {
        "who": "Anyone with the link",
        "per_request_max": "Up to €50.00 for one ask",
        "caps[0]": "One household: up to €50.00",
        "caps[1]": "One person: up to 2 asks",
        "approvals": "To every ask",
        "consent_hours": "After the last yes",
        "own": "Nobody decides about",
    }

    for some in (terms, {name: terms[name] for name in ("approvals", "caps")}, {}):
        rules, numbers = plain(rules_in_words(some, EURO, EN)), rule_numbers(some)
        for name, number in numbers.items():
            begin = "Any member may ask" if name == "who" and "who" not in some else begins[name]
            assert rules[number - 1].startswith(begin) or (name == "approvals" and not some), name


@pytest.mark.parametrize("code", language_codes())
@pytest.mark.parametrize("unit", [HOURS, EURO, Unit("JPY", "money", 0), Unit("TND", "money", 3)])
def test_what_stands_in_the_form_is_written_and_read_as_a_reader_of_the_language_writes(
    unit: Unit, code: str
):
    chosen = language(code)
    terms = {
        "per_request_max": 123_456_789,
        "receipts": "above",
        "receipts_above": 7,
        "reserve": 1_000,
        "keep_days": 0,
        "promise_days": 110,
        "approvals": [{"above": 0, "count": 0}, {"above": 12_345, "count": 2}],
        "caps": [{"per": "person", "period": "month", "sum": 5_050, "count": 12}],
    }

    fields = fields_of(terms, unit, chosen)
    read = read_policy_form(fields, unit, chosen)

    assert read.faults == {}
    assert {name: read.terms.get(name) for name in terms if name not in {"approvals", "caps"}} == {
        name: value for name, value in terms.items() if name not in {"approvals", "caps"}
    }
    assert [(tier["above"], tier["count"]) for tier in read.terms["approvals"]] == [(0, 0), (12_345, 2)]
    assert [(cap["sum"], cap["count"]) for cap in read.terms["caps"]] == [(5_050, 12)]
    if code == "ar":
        assert not re.search("[0-9]", "".join(value for values in fields.values() for value in values))
