"""Drawings: where the bars, ticks and columns of a page lie; geometry only, no words and no ink.

Every drawing is measured in per cent from side to side and in em from top to bottom, so that
bars stretch with the page while letters and hatching keep their size. Amounts are whole
minutes or smallest coins. In a language that runs from right to left, x' = 100 % - x - width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, Literal, NamedTuple

Label = Callable[[int], str]

MINIMUM_SHARE: Final = 1.5  # per cent: a part that is not nought can be seen
_TICKS_MAX: Final = 20
_LABEL_EVERY: Final = 5
_GRID_MAX: Final = 3


class Tick(NamedTuple):
    """A mark on a scale; ``text`` is empty between labels, ``text_x`` differs from ``x`` at the far end."""

    x: str
    text_x: str
    text: str
    anchor: Literal["start", "middle", "end"]


class Part(NamedTuple):
    """A stretch of a bar; ``shape`` is solid, hatched, dashed or hollow."""

    shape: Literal["solid", "hatched", "dashed", "hollow"]
    x: str
    width: str


class PotBar(NamedTuple):
    """A pot as a measure with a scale.

    Attributes:
        parts: What is there, what is promised, what is not there; in this order, empty ones left out.
        frame: Outline around what the pot holds; None for a pot that holds nothing.
        ticks: The scale under the bar; empty for an empty pot.
        height, bar_height: em.
    """

    parts: tuple[Part, ...]
    frame: Part | None
    ticks: tuple[Tick, ...]
    height: str
    bar_height: str
    tick_from: str
    tick_to: str
    tick_to_label: str
    text_y: str


class Column(NamedTuple):
    """What came in and went out from one day to another; ``weeks`` is how wide it stands."""

    first_day: date
    last_day: date
    came_in: int
    went_out: int
    weeks: int = 1


class GridLine(NamedTuple):
    """A line across the chart with its amount above it, in em."""

    y: str
    text_y: str
    text: str


class Bar(NamedTuple):
    """One column of the chart: a solid bar on the dates, a hollow one under them.

    ``came_in_y`` and the heights are in em; a height is empty when nothing moved.
    """

    x: str
    width: str
    came_in_y: str
    came_in_height: str
    went_out_height: str
    span_from: str
    span_to: str
    middle: str
    day: str
    month: str


class Chart(NamedTuple):
    """In and out over some weeks, one scale for both."""

    grid: tuple[GridLine, ...]
    bars: tuple[Bar, ...]
    text_x: str
    height: str
    went_out_y: str
    span_y: str
    day_y: str
    month_y: str


# ---------------------------------------------------------------- the pot bar


def pot_bar(
    available: int,
    promised: int,
    *,
    label: Label,
    unit_step: int,
    plain_label: Label | None = None,
    missing: int = 0,
    rtl: bool = False,
    bar_height: float = 3.5,
) -> PotBar:
    """Draw a pot: solid is there, hatched is there and promised, dashed is not there.

    Args:
        available: Free to ask for; below zero it is drawn as missing.
        promised: Said yes to, 0 and up.
        label: Writes an amount for the scale, with its unit.
        unit_step: Smallest round amount of the scale: 60 for hours, 100 for euros, 1 for yen.
        plain_label: Writes the labels before the last one, where the unit need not be repeated.
        missing: What is asked for and not there, beyond a pot below zero.
        rtl: Whether the page runs from right to left.
        bar_height: em.
    """
    missing += max(0, -available)
    there = max(0, available) + promised
    total = there + missing
    if not total:
        empty = Part("dashed", "0%", "100%")
        return _bar_of((empty,), None, (), bar_height, scale=False)

    amounts: list[tuple[Literal["solid", "hatched", "dashed"], int]] = [
        ("solid", max(0, available)),
        ("hatched", promised),
        ("dashed", missing),
    ]
    shapes = [(shape, amount) for shape, amount in amounts if amount]
    edges = _edges([amount for _, amount in shapes])
    parts = tuple(
        Part(shape, *_stretch(start, end, rtl=rtl))
        for (shape, _), (start, end) in zip(shapes, edges, strict=True)
    )
    ends = [end for (shape, _), (_, end) in zip(shapes, edges, strict=True) if shape != "dashed"]
    frame = Part("hollow", *_stretch(0.0, ends[-1], rtl=rtl)) if ends else None
    ticks = _scale(total, label, plain_label or label, unit_step, rtl=rtl)
    return _bar_of(parts, frame, ticks, bar_height, scale=True)


def held_strip(amounts: Sequence[int], *, rtl: bool = False) -> tuple[Part, ...]:
    """Draw where money is: hollow stretches, together exactly as long as the bar above them."""
    if not sum(amounts):
        return (Part("hollow", "0%", "100%"),)
    held = [amount for amount in amounts if amount]
    return tuple(Part("hollow", *_stretch(start, end, rtl=rtl)) for start, end in _edges(held))


def _bar_of(
    parts: tuple[Part, ...], frame: Part | None, ticks: tuple[Tick, ...], bar_height: float, *, scale: bool
) -> PotBar:
    return PotBar(
        parts=parts,
        frame=frame,
        ticks=ticks,
        height=_em(bar_height + (2.25 if scale else 0.125)),
        bar_height=_em(bar_height),
        tick_from=_em(bar_height + 0.25),
        tick_to=_em(bar_height + 0.5),
        tick_to_label=_em(bar_height + 0.8125),
        text_y=_em(bar_height + 1.9375),
    )


def _edges(amounts: Sequence[int]) -> list[tuple[float, float]]:
    """Return where stretches begin and end, in per cent; none is too small to be seen."""
    total = sum(amounts)
    shares = [max(MINIMUM_SHARE, 100 * amount / total) for amount in amounts]
    scale = 100 / sum(shares)
    edges, start = [], 0.0
    for share in shares:
        edges.append((start, start + share * scale))
        start += share * scale
    return edges


def _scale(total: int, label: Label, plain_label: Label, unit_step: int, *, rtl: bool) -> tuple[Tick, ...]:
    step = round_step(total, unit_step, _TICKS_MAX)
    last = total // (step * _LABEL_EVERY) * _LABEL_EVERY
    ticks = []
    for number in range(total // step + 1):
        share = 100 * number * step / total
        has_label = number % _LABEL_EVERY == 0
        write = label if number == last else plain_label
        at_end = share > 92.5
        anchor: Literal["start", "middle", "end"] = "start" if not number else "end" if at_end else "middle"
        text_share = 100.0 if at_end else share
        ticks.append(
            Tick(
                _percent(100 - share if rtl else share),
                _percent(100 - text_share if rtl else text_share),
                write(number * step) if has_label else "",
                anchor,
            )
        )
    return tuple(ticks)


def round_step(total: int, unit_step: int, steps_max: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten of ``unit_step`` that fits fewer than ``steps_max`` times."""
    assert total > 0, total
    assert unit_step > 0, unit_step
    power = unit_step
    while True:
        for times in (1, 2, 5):
            if total < power * times * steps_max:
                return power * times
        power *= 10


# ---------------------------------------------------------------- in and out, week by week

_TOP: Final = 1.5
_TALLEST: Final = 7.0
_DATES: Final = _TOP + _TALLEST
_BELOW: Final = _DATES + 3.625


def chart(
    columns: Sequence[Column],
    *,
    label: Label,
    unit_step: int,
    day_text: Callable[[Column], str],
    month_text: Callable[[Column], str],
    gutter: float = 16.0,
    rtl: bool = False,
) -> Chart:
    """Draw what came in above the dates and what went out below them, on one scale.

    Args:
        columns: Oldest first, at least one.
        label: Writes an amount beside a grid line.
        unit_step: Smallest round amount of the scale.
        day_text: What stands under a column; the month is written where it changes.
        month_text: Name of the month of a column.
        gutter: Room for the amounts, in per cent.
        rtl: Whether time runs from right to left.
    """
    most_in = max(column.came_in for column in columns)
    most_out = max(column.went_out for column in columns)
    most = max(most_in, most_out, 1)
    scale = _TALLEST / most

    bars: list[Bar] = []
    pitch = (100 - gutter) / (sum(column.weeks for column in columns) - 0.12)
    start, month = gutter, ""
    for column in columns:
        width = column.weeks * pitch - 0.24 * pitch
        middle = start + width / 2
        bar_x, bar_width = _stretch(middle - 0.31 * pitch, middle + 0.31 * pitch, rtl=rtl)
        edges = (start, start + width) if not rtl else (100 - start - width, 100 - start)
        new_month = month_text(column)
        bars.append(
            Bar(
                x=bar_x,
                width=bar_width,
                came_in_y=_em(_DATES - column.came_in * scale),
                came_in_height=_em(column.came_in * scale) if column.came_in else "",
                went_out_height=_em(column.went_out * scale) if column.went_out else "",
                span_from=_percent(edges[0]),
                span_to=_percent(edges[1]),
                middle=_percent(100 - middle if rtl else middle),
                day=day_text(column),
                month=new_month if new_month != month else "",
            )
        )
        start, month = start + column.weeks * pitch, new_month

    return Chart(
        grid=_grid(most, most_in, most_out, scale, label, unit_step),
        bars=tuple(bars),
        text_x="100%" if rtl else "0%",
        height=_em(_BELOW + max(most_out * scale, 1.5) + 0.5625),
        went_out_y=_em(_BELOW),
        span_y=_em(_DATES + 0.34375),
        day_y=_em(_DATES + 1.5625),
        month_y=_em(_DATES + 2.75),
    )


def _grid(
    most: int, most_in: int, most_out: int, scale: float, label: Label, unit_step: int
) -> tuple[GridLine, ...]:
    if most <= 1:
        return ()
    step = round_step(most, unit_step, _GRID_MAX + 1)
    lines = []
    for amount in range(step, most + 1, step):
        above, below = _DATES - amount * scale, _BELOW + amount * scale
        # A label needs a line of its own height: none is drawn on top of another.
        if amount <= most_in:
            lines.append(GridLine(_em(above), _em(above - 0.34375), label(amount)))
        if amount <= most_out:
            lines.append(GridLine(_em(below), _em(below - 0.34375), label(amount)))
    return tuple(lines)


# ---------------------------------------------------------------- numbers as attributes


def _stretch(start: float, end: float, *, rtl: bool) -> tuple[str, str]:
    return _percent(100 - end if rtl else start), _percent(end - start)


def _percent(value: float) -> str:
    return f"{_plain(value, 2)}%"


def _em(value: float) -> str:
    return f"{_plain(value, 3)}em"


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
