"""Types that several bodies share, and what must hold across their fields."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from timebank.errors import N_, AmountOutOfRange, FieldInvalid
from timebank.ledger.units import AMOUNT_MAX, MINUTES, TOTAL_MAX

Code = Annotated[str, Meta(max_length=40, description="Code of a pot or place, such as `cash-box`.")]
Category = Annotated[str, Meta(max_length=40, description="One of the group's categories.")]
Currency = Annotated[str, Meta(max_length=3, description="ISO 4217 code, such as `EUR`.")]
# Said, not enforced here: whatever is out of range is refused with a code of its own.
_RANGE: Final = {"minimum": 1, "maximum": AMOUNT_MAX}
# Without its range: a batch takes an item that is out of it, and refuses that one in its outcomes.
Minutes = Annotated[int, Meta(description=f"Whole minutes, 1 to {AMOUNT_MAX}.")]
Amount = Annotated[
    int,
    Meta(description=f"Whole smallest coins of the currency, 1 to {AMOUNT_MAX}.", extra_json_schema=_RANGE),
]
Note = Annotated[str, Meta(max_length=2000, description="Free text, encrypted at rest and never public.")]

NOTE_MAX: Final = 2000
ONE_OR_THE_OTHER: Final = N_("give either minutes, or an amount with its currency")


def whole(value: int) -> int:
    """Return an amount that the book can look at.

    Raises:
        AmountOutOfRange: It is so large that no reader of JSON is sure to count it right.
    """
    if not -TOTAL_MAX <= value <= TOTAL_MAX:
        raise AmountOutOfRange(amount=value, amount_max=AMOUNT_MAX)
    return value


def quantity(minutes: int | None, amount: int | None, currency: str | None) -> tuple[int, str] | None:
    """Return (amount, unit) of a body that says ``minutes``, or ``amount`` with ``currency``; None for neither.

    Raises:
        FieldInvalid: It says both, or half of the second.
        AmountOutOfRange: See ``whole``.
    """
    if minutes is not None:
        if amount is not None or currency is not None:
            raise FieldInvalid(field="minutes", why=ONE_OR_THE_OTHER)
        return whole(minutes), MINUTES
    if (amount is None) != (currency is None):
        raise FieldInvalid(field="currency" if currency is None else "amount", why=ONE_OR_THE_OTHER)
    if amount is None or currency is None:
        return None
    return whole(amount), currency
