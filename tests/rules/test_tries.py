"""Tries slow down and never stop: a few at once, then longer and longer waits, and always one more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from timebank.rules.tries import PACES, Pace, begin, count, wait_seconds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACE = Pace(free=3, first_s=2, most_s=60, heal_s=600)


def test_a_few_come_at_once_and_then_each_waits_twice_as_long_up_to_the_longest() -> None:
    now, tried, waits = NOON, begin(NOON), []

    for _ in range(10):
        tried = count(tried, PACE, now=now)
        waits.append(wait_seconds(tried, now=now))
        now = max(now, tried.open_at)

    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 60, 60]


def test_what_is_forgotten_makes_room_again_one_by_one() -> None:
    tried = begin(NOON)
    for _ in range(4):
        tried = count(tried, PACE, now=NOON)

    later = NOON + timedelta(seconds=600)
    assert wait_seconds(count(tried, PACE, now=later), now=later) == 2, "one was forgotten, one came"
    much_later = NOON + timedelta(hours=3)
    assert count(tried, PACE, now=much_later).tried == 1


def test_the_time_between_is_not_lost_when_tries_come_faster_than_they_are_forgotten() -> None:
    pace = Pace(free=10, first_s=0.1, most_s=0.1, heal_s=1)
    tried = begin(NOON)
    for step in range(200):
        tried = count(tried, pace, now=NOON + timedelta(seconds=step * 0.5))

    assert tried.tried == 200 - 99


def test_a_clock_that_goes_back_forgets_nothing_and_breaks_nothing() -> None:
    tried = count(begin(NOON), PACE, now=NOON)

    assert count(tried, PACE, now=NOON - timedelta(hours=1)).tried == 2


def test_a_server_whose_clock_is_behind_takes_what_need_not_wait() -> None:
    behind = NOON - timedelta(seconds=1)

    assert wait_seconds(begin(NOON), now=behind) == 0
    assert wait_seconds(count(begin(NOON), PACE, now=NOON), now=behind) == 0


def test_whatever_can_be_tried_is_never_locked_for_longer_than_an_hour() -> None:
    for paces in PACES.values():
        for pace in paces:
            tried, now = begin(NOON), NOON
            for _ in range(2_000):
                tried = count(tried, pace, now=now)
                assert wait_seconds(tried, now=now) <= 3600
                now = max(now, tried.open_at)
