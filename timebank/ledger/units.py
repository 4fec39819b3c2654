"""What the book counts: whole minutes, whole smallest coins, whole pieces of goods."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

AMOUNT_MAX: Final = 10**12
"""Largest amount of one transfer, in minutes or smallest coins."""

TOTAL_MAX: Final = 2**53 - 1
"""Largest turnover of one account: what every JSON reader still counts exactly."""

MINUTES: Final = "minutes"
"""Code of the unit of time given; shown to people as hours."""


class Unit(NamedTuple):
    """One unit of a group.

    Attributes:
        code: ``"minutes"``, an ISO 4217 code such as ``"EUR"``, or a group's own word for goods.
        kind: What rules apply: ``"time"``, ``"money"`` or ``"goods"``.
        digits: Digits after the point when shown; amounts themselves are whole.
    """

    code: str
    kind: Literal["time", "money", "goods"]
    digits: int


HOURS: Final = Unit(MINUTES, "time", 0)


def is_money(code: str) -> bool:
    """Say whether a unit code is that of a currency: three capital letters, as ISO 4217 has them."""
    return len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()
