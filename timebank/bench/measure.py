"""Measuring in turns: A B A B, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

Run = Callable[[], Awaitable[float]]
"""Does one measurement and returns seconds per entry or per request; preparing is not counted."""

Say = Callable[[str], None]

WARM_UP: Final = 2


class WentWrong(Exception):
    """An answer was not what it should be, so the figures mean nothing."""


async def in_turns(
    runs: Mapping[str, Run],
    *,
    rounds: int,
    warm_up: int = WARM_UP,
    say: Say = lambda _line: None,
) -> dict[str, list[float]]:
    """Run everything once, then again, and so on.

    Args:
        rounds: How often each of them is counted.
        warm_up: Rounds before that, which are not counted.

    Returns:
        For each name what its runs returned, in order.
    """
    assert rounds >= 1, rounds
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(warm_up + rounds):
        say(f"round {number + 1} of {warm_up + rounds}")
        for name, run in runs.items():
            # What one run left behind is not swept up on the next one's time.
            gc.collect()
            seconds = await run()
            if number >= warm_up:
                found[name].append(seconds)
    return found


def median(values: list[float]) -> float:
    """Return the middle one, which a few disturbed runs do not move."""
    return statistics.median(values)


def per_second(seconds: list[float]) -> float:
    """Return how many a second the median run did."""
    return 1.0 / median(seconds)
