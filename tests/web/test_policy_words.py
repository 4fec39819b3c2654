"""The rules of a pot in words."""

from __future__ import annotations

import pytest

from timebank.i18n import language
from timebank.ledger.units import HOURS, Unit
from timebank.web.policy_words import rules_in_words

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
