"""Types that several bodies share, and what must hold across their fields."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from timebank.errors import N_, AmountOutOfRange, FieldInvalid, Refusal
from timebank.ledger.units import AMOUNT_MAX, MINUTES, TOTAL_MAX
from timebank.rules.written import read_minutes

Code = Annotated[str, Meta(max_length=40, description="Code of a pot or place, such as `cash-box`.")]
Category = Annotated[str, Meta(max_length=40, description="One of the group's categories.")]
Currency = Annotated[str, Meta(max_length=3, description="ISO 4217 code, such as `EUR`.")]
# Said, not enforced here: whatever is out of range is refused with a code of its own.
_RANGE: Final = {"minimum": 1, "maximum": AMOUNT_MAX}
# Without its range: a batch takes an item that is out of it, and refuses that one in its outcomes.
Minutes = Annotated[int, Meta(description=f"Whole minutes, 1 to {AMOUNT_MAX}.")]
Time = Annotated[
    str, Meta(max_length=40, description="Time as people write it: `1:30`, `1h30`, `90m`, `1.5`.")
]
Amount = Annotated[
    int,
    Meta(description=f"Whole smallest coins of the currency, 1 to {AMOUNT_MAX}.", extra_json_schema=_RANGE),
]
Note = Annotated[str, Meta(max_length=2000, description="Free text, encrypted at rest and never public.")]

NOTE_MAX: Final = 2000
ONE_OR_THE_OTHER: Final = N_("give either minutes, or an amount with its currency")
MINUTES_OR_TIME: Final = N_("give either minutes, or a time as people write it")


class NothingBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing: the address says it all."""


def whole(value: int) -> int:
    """Return an amount that the book can look at.

    Raises:
        AmountOutOfRange: It is so large that no reader of JSON is sure to count it right.
    """
    if not -TOTAL_MAX <= value <= TOTAL_MAX:
        raise AmountOutOfRange(amount=value, amount_max=AMOUNT_MAX)
    return value


def minutes_of(minutes: int | None, time: str | None) -> int:
    """Return what a body says in ``minutes`` or writes in ``time``.

    Raises:
        FieldInvalid: It says both, or neither, or what is written is no time.
        AmountOutOfRange: See ``whole``.
    """
    found = minutes_if_any(minutes, time)
    if found is None:
        raise FieldInvalid(field="minutes", why=MINUTES_OR_TIME)
    return found


def minutes_if_any(minutes: int | None, time: str | None) -> int | None:
    """Return what a body says in ``minutes`` or writes in ``time``, None for neither; raises as minutes_of."""
    if minutes is not None and time is None:
        return whole(minutes)
    if minutes is None and time is not None:
        return written_minutes(time, field="time")
    if minutes is not None:
        raise FieldInvalid(field="minutes", why=MINUTES_OR_TIME)
    return None


def written_minutes(text: str, *, field: str) -> int:
    """Return a time that somebody wrote, in whole minutes.

    Raises:
        FieldInvalid: It is none; ``why`` says what is wrong with it.
    """
    try:
        return read_minutes(text)
    except Refusal as refusal:
        raise FieldInvalid(field=field, why=refusal.message % refusal.params) from None


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
