"""Whoever reads every public page of a year ties no draw to a person or a day, and yet pages are worth reading."""

from __future__ import annotations

import pytest

from tests.properties.year_outside import (
    ANYBODY,
    Group,
    attack,
    longest_wait,
    share_with_draws,
    smallest_cell,
)
from timebank.rules.readiness import Way

PEOPLE = (5, 12, 40, 150)
DRAWS = (4, 12, 30)
#: Alone; with a payee who tells everything; as somebody without an account; as somebody who joined to look.
KNOWS = ((), (0,), (ANYBODY,), (1,))


@pytest.mark.parametrize("preset", ["careful", "sheltered"])
@pytest.mark.parametrize("people", PEOPLE)
@pytest.mark.parametrize("draws", DRAWS)
def test_nobody_outside_finds_out_who_drew_when_or_under_sheltered_how_much(
    preset: str, people: int, draws: int
):
    way = Way.of(preset)

    pages = Group(people=people, draws=draws, gifts=2, seed=1).publish(way)

    for knows in KNOWS:
        score = attack(pages, way, knows=knows)
        assert score.draws > draws * 6
        assert (score.persons, score.days, score.amounts) == (0, 0, 0), knows
    assert smallest_cell(pages, way) >= way.people
    # The score counts together with this: nothing waits for ever.
    assert longest_wait(pages) <= (91 if preset == "careful" else 182)


@pytest.mark.parametrize("people", PEOPLE)
def test_with_twelve_draws_a_month_careful_shows_draws_in_more_than_half_of_the_weeks(people: int):
    pages = Group(people=people, draws=12, gifts=2, seed=1).publish(Way.of("careful"))

    assert share_with_draws(pages) >= 0.5


def test_the_same_reader_finds_out_everything_where_each_entry_is_published_at_once():
    score = attack(Group(people=40, draws=12, gifts=2, seed=1).leak(), Way.of("open"))

    assert score.draws > 100
    assert score.persons >= score.draws
    assert score.days >= score.draws


def test_more_friends_than_the_minimum_allows_for_do_find_out():
    way = Way.of("careful")
    pages = Group(people=5, draws=12, gifts=2, seed=1, without_account=0).publish(way)

    # Three people stand behind a week, and two of them tell: so the page says against how many it protects.
    assert attack(pages, way, knows=(0, 1, 2, 3)).persons > 0
