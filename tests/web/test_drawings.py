"""Drawings: where things lie, in figures."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timebank.web.drawings import MINIMUM_SHARE, Column, chart, held_strip, pot_bar, round_step

label = str


def bar(available: int, promised: int, **more):
    return pot_bar(available, promised, label=label, unit_step=60, **more)


def percent(text: str) -> float:
    return float(text.removesuffix("%"))


def test_the_bar_is_the_one_in_the_pattern_book():
    drawn = bar(8790, 1080)

    assert [(part.shape, part.x, part.width) for part in drawn.parts] == [
        ("solid", "0%", "89.06%"),
        ("hatched", "89.06%", "10.94%"),
    ]
    assert drawn.frame
    assert drawn.frame.width == "100%"
    assert [tick.text for tick in drawn.ticks if tick.text] == ["0", "3000", "6000", "9000"]
    assert [tick.x for tick in drawn.ticks[:3]] == ["0%", "6.08%", "12.16%"]
    assert (drawn.height, drawn.bar_height) == ("5.75em", "3.5em")


def test_right_to_left_turns_the_bar_round():
    left, right = bar(8790, 1080), bar(8790, 1080, rtl=True)

    for one, other in zip(left.parts, right.parts, strict=True):
        assert percent(one.x) + percent(one.width) + percent(other.x) == pytest.approx(100, abs=0.02)
    assert right.ticks[0].x == "100%"
    assert right.ticks[0].anchor == "start"


def test_below_zero_is_dashed_and_has_no_minus():
    drawn = bar(-720, 240)

    assert [(part.shape, part.width) for part in drawn.parts] == [("hatched", "25%"), ("dashed", "75%")]
    assert drawn.frame
    assert drawn.frame.width == "25%"


def test_an_empty_pot_is_a_dashed_frame_without_a_scale():
    drawn = bar(0, 0)

    assert [part.shape for part in drawn.parts] == ["dashed"]
    assert drawn.ticks == ()
    assert drawn.frame is None


amounts = st.integers(0, 10**12)


@given(st.integers(-(10**12), 10**12), amounts, st.booleans())
def test_parts_fill_the_bar_and_every_part_can_be_seen(available, promised, rtl):
    drawn = bar(available, promised, rtl=rtl)

    assert sum(percent(part.width) for part in drawn.parts) == pytest.approx(100, abs=0.05)
    # Making room for one small part takes a little from the others.
    assert all(percent(part.width) >= MINIMUM_SHARE * 0.95 for part in drawn.parts)
    assert all(0 <= percent(tick.x) <= 100 for tick in drawn.ticks)
    assert len([tick for tick in drawn.ticks if tick.text]) <= 4


@given(st.lists(amounts, min_size=1, max_size=6))
def test_the_strip_is_as_long_as_the_bar(held):
    drawn = held_strip(held)

    assert sum(percent(part.width) for part in drawn) == pytest.approx(100, abs=0.1)


@given(st.integers(1, 10**15), st.sampled_from([1, 60, 100]))
def test_a_step_is_round(total, unit_step):
    step = round_step(total, unit_step, 20)

    assert str(step // unit_step).rstrip("0") in {"1", "2", "5"}
    assert total < step * 20


def columns(*pairs: tuple[int, int]) -> list[Column]:
    return [Column(date(2026, 8, 3), date(2026, 8, 9), came_in, went_out) for came_in, went_out in pairs]


def draw(shown, **more):
    return chart(
        shown, label=label, unit_step=60, day_text=lambda column: "9", month_text=lambda column: "Aug", **more
    )


def test_both_directions_share_one_scale():
    drawn = draw(columns((600, 300), (0, 600)))

    assert drawn.bars[0].came_in_height == "7em"
    assert drawn.bars[0].went_out_height == "3.5em"
    assert drawn.bars[1].came_in_height == ""
    assert drawn.bars[1].went_out_height == "7em"


def test_a_month_is_named_once():
    drawn = draw(columns((1, 1), (1, 1), (1, 1)))

    assert [bar.month for bar in drawn.bars] == ["Aug", "", ""]


def test_a_wide_period_takes_the_width_of_its_weeks():
    week, wide = (
        Column(date(2026, 8, 3), date(2026, 8, 9), 1, 1),
        Column(date(2026, 8, 10), date(2026, 8, 23), 1, 1, 2),
    )
    drawn = draw([week, wide])

    narrow_span, wide_span = (percent(bar.span_to) - percent(bar.span_from) for bar in drawn.bars)
    assert wide_span > 2 * narrow_span
    assert drawn.bars[0].width == drawn.bars[1].width


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=10), st.booleans())
def test_nothing_is_drawn_outside(pairs, rtl):
    drawn = draw(columns(*pairs), rtl=rtl)

    height = float(drawn.height.removesuffix("em"))
    for each in drawn.bars:
        assert percent(each.x) >= 0
        assert percent(each.x) + percent(each.width) <= 100.01
        assert float(each.came_in_y.removesuffix("em")) >= 1.49
        if each.went_out_height:
            assert 12.125 + float(each.went_out_height.removesuffix("em")) <= height
    assert len(drawn.grid) <= 6


def test_weeks_without_anything_draw_no_bars_and_no_scale():
    drawn = draw(columns((0, 0), (0, 0)))

    assert drawn.grid == ()
    assert all(bar.came_in_height == bar.went_out_height == "" for bar in drawn.bars)
