"""Refusals in words: states, duties and amounts are said in the reader's language, also of answers that were kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.test_errors import with_code
from timebank.errors import (
    BelowFloor,
    DrawNotOpen,
    MoreThanHanded,
    NeedsRole,
    PlaceNotEmpty,
    messages,
)
from timebank.i18n import language, language_codes
from timebank.refusal_words import DUTIES, STATES, SUMS
from timebank.web.sending import sent_as

EN, ES, AR = language("en"), language("es"), language("ar")
ROOT = Path(__file__).parents[2]


def test_amounts_are_said_as_people_write_them():
    refusal = MoreThanHanded(handed=1250, asked=2000)

    assert EN.refusal(refusal, "EUR") == "Only €12.50 was handed over; €20.00 was to come back."
    assert "٢٠ ساعة" in AR.refusal(BelowFloor(available=60, asked=1200), "minutes").replace("\u00a0", " ")
    # Nobody knows of what: as the book has it.
    assert "1250" in EN.refusal(refusal)


def test_a_refusal_with_a_currency_of_its_own_needs_nobody_who_knows():
    refusal = PlaceNotEmpty(amount=1250, currency="EUR")

    assert EN.refusal(refusal) == "There is still something in this place: €12.50."
    assert "12,50" in ES.refusal(refusal)


def test_states_and_duties_are_words():
    assert EN.refusal(DrawNotOpen(state="not_now")).startswith("This ask is answered with “not now”;")
    assert "caducado" in ES.refusal(DrawNotOpen(state="expired"))
    assert "tesorería" in ES.refusal(NeedsRole(role="treasurer"))
    # A group's own word is in them, too.
    assert "quien cuida la hucha" in ES.for_group("kitty").refusal(NeedsRole(role="steward"))
    # One that nobody knows stands as it is rather than break the page.
    assert "sleeping" in ES.refusal(DrawNotOpen(state="sleeping"))


@pytest.mark.parametrize("code", language_codes()[1:])
def test_no_state_stays_english(code):
    english = {EN.say(word) for word in STATES.values()}

    assert not english & {language(code).say(word) for word in STATES.values()}


def test_every_state_that_a_refusal_can_name_has_words():
    walls = (ROOT / "migrations/walls.txt").read_text(encoding="utf-8")
    tables = r"draws|hours|imports|jobs|proposals|members|join_requests|recoveries|duty_proposals"
    known = set()
    for allowed in re.findall(rf"constraint (?:{tables})_state_check CHECK (.*)", walls):
        known |= set(re.findall(r"'(\w+)'::text", allowed))
    for path in sorted((ROOT / "timebank").rglob("*.py")):
        known |= set(
            re.findall(r'(?:NotOpen|NotUndoable)\(state="([^"]+)"', path.read_text(encoding="utf-8"))
        )

    assert len(known) > 30
    assert known - STATES.keys() == set()
    assert DUTIES.keys() >= {"steward", "treasurer", "auditor", "host"}


def test_what_is_an_amount_is_named_like_one():
    """A refusal with a sum under another name would show raw coins."""
    places = {name for refusal in with_code() for name in re.findall(r"%\((\w+)\)s", refusal.message)}

    assert places >= SUMS


def test_a_kept_refusal_is_said_in_the_language_of_whoever_reads_it():
    kept = {"code": "draw_not_open", "detail": "This ask is expired", "params": {"state": "expired"}}

    assert "caducado" in sent_as(409, kept, ES).sentence
    assert sent_as(409, kept, EN).sentence == "This ask is run out; that step is not possible now."
    # A code of a newer version is shown as it was said.
    assert sent_as(409, {**kept, "code": "newer"}, ES).sentence == "This ask is expired"


def test_every_code_has_one_sentence():
    assert all(messages()[refusal.code] == refusal.message for refusal in with_code())
