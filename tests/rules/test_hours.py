"""Shares add up to the whole, rounding is the group's own, and no state of hours is a dead end by mistake."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timebank.errors import AmountOutOfRange
from timebank.rules.hours import HOURS_STATES, counted, split
from timebank.rules.proposals import PROPOSAL_STATES
from timebank.rules.state import Rounding

weights = st.lists(st.integers(1, 1_000_000), min_size=1, max_size=200).map(tuple)


@given(st.integers(1, 10**12), weights)
def test_shares_add_up_to_the_whole_to_the_minute(minutes: int, weighted: tuple[int, ...]) -> None:
    parts = split(minutes, weighted)

    whole = sum(weighted)
    assert sum(parts) == minutes
    for part, weight in zip(parts, weighted, strict=True):
        # Nobody is further than a minute from what is due to them.
        assert minutes * weight // whole <= part <= -(-minutes * weight // whole)


@given(st.integers(1, 10**6), weights)
def test_a_heavier_share_is_never_the_smaller_one(minutes: int, weighted: tuple[int, ...]) -> None:
    parts = split(minutes, weighted)

    in_order = sorted(zip(weighted, parts, strict=True))
    assert all(light[1] <= heavy[1] for light, heavy in pairwise(in_order) if light[0] < heavy[0])


def test_the_splits_that_others_got_wrong() -> None:
    assert split(600, (1, 1, 1)) == [200, 200, 200]
    assert split(601, (1, 1, 1)) == [201, 200, 200]
    assert split(10 * 60, (3, 2, 2)) == [257, 172, 171]
    # Three times 3 h 20 min is ten hours, not nine and not 9.99.
    assert sum(split(3 * 200, (200, 200, 200))) == 600


@given(st.integers(1, 10**9), st.sampled_from([1, 5, 6, 10, 15, 30, 60]), st.booleans())
def test_rounding_goes_to_a_step_and_never_to_nothing(minutes: int, step: int, up: bool) -> None:
    rounded = Rounding(step, up=up).of(minutes)

    assert rounded % step == 0
    assert rounded >= step
    assert (0 <= rounded - minutes < step) if up or minutes < step else (abs(rounded - minutes) * 2 <= step)


@pytest.mark.parametrize("table", [HOURS_STATES, PROPOSAL_STATES])
def test_every_state_that_is_no_end_is_reached_and_can_be_left(table: dict[str, dict[str, str]]) -> None:
    ends = {"settled", "withdrawn", "signed", "expired"}
    first = next(iter(table))
    reached = {first} | {state for acts in table.values() for state in acts.values()}

    assert reached == set(table)
    assert all(bool(acts) != (state in ends) for state, acts in table.items())


def test_what_is_rounded_must_be_something_first() -> None:
    class Group:
        rounding = Rounding(15, up=True)

    for minutes in (0, -1, 10**12 + 1):
        with pytest.raises(AmountOutOfRange):
            counted(minutes, Group())  # type: ignore[arg-type]
    assert counted(1, Group()) == 15  # type: ignore[arg-type]
