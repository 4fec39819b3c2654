"""What people write for a time, an amount or a day, read exactly or refused; nothing is guessed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from timebank.errors import (
    AmountOutOfRange,
    AmountTooFine,
    AmountUnreadable,
    DayAmbiguous,
    DayUnreadable,
    DurationNotWhole,
    DurationUnreadable,
    FieldEmpty,
    NumberAmbiguous,
    Refusal,
)
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.sheets import CELL_MAX, DayOrder, DecimalSign

SHOWN_MAX: Final = 80

_ARABIC_DECIMAL: Final = "\u066b"
_ARABIC_COMMA: Final = "\u060c"
_NUMBER: Final = re.compile(r"[0-9]*(?:[.,' \u066b\u066c][0-9]+)*")
_SEPARATORS: Final = re.compile(r"[.,' \u066b\u066c]")
_CLOCK: Final = re.compile(r"([0-9]+) ?: ?([0-5][0-9])(?: ?: ?([0-5][0-9]))?")
# In Latin letters, and as Arabic pages write them: "1 h 30 min", "١ ساعة و٣٠ دقيقة", "٩٠د".
_HOUR: Final = r"(?:h(?:rs?|ours?)?|س(?:اعة|اعات)?)"
_MINUTE: Final = r"(?:m(?:ins?|inutes?)?|د(?:قيقة|قائق)?)"
# One digit alone after the h could be meant as tens; with a unit behind it, it cannot.
_HOURS_MINUTES: Final = re.compile(rf"([0-9]+) ?{_HOUR} ?(?:و ?)?(?:([0-5][0-9])|([0-5]?[0-9]) ?{_MINUTE})")
_WITH_UNIT: Final = re.compile(rf"([0-9.,' \u066b\u066c]*)(?:({_HOUR})|({_MINUTE}))?")
_ISO_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_OTHER_DAY: Final = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})")
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?"
    r"(?: ?(?:Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_WHOLE_DIGITS_MAX: Final = 15
"""More digits before the point than any amount has; int() of long texts is slow, or refused by Python."""
_FRACTION_DIGITS_MAX: Final = 1_000
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Not seen, though Unicode calls them letters or marks.
_HIDDEN_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_JOINERS: Final = frozenset("\u200c\u200d")


class _Number(NamedTuple):
    """The digits before and after the decimal sign; at least one of both is there."""

    whole: str
    fraction: str


def read_minutes(text: str, *, decimal: DecimalSign | None = None, nearest: bool = False) -> int:
    """Return a written time in whole minutes, 1 to 10^12.

    It may be hours and minutes (``1:30``, ``25:00``, ``1h30``, ``1 h 30 min``, ``١ ساعة و٣٠ دقيقة``), hours (``2``,
    ``1.5``, ``1,5h``) or minutes (``90m``), in the digits of any script.

    Args:
        decimal: The decimal sign; None takes both where only one reading is possible.
        nearest: Whether what is no whole number of minutes goes to the nearest one, half up.

    Raises:
        FieldEmpty: Nothing is written.
        NumberAmbiguous: It is like ``1.500``, and nobody said what the point is.
        DurationNotWhole: It is no whole number of minutes, and ``nearest`` is not wanted.
        AmountOutOfRange: It is nothing, or more than the book takes.
        DurationUnreadable: It is anything else.
    """
    plain = _plain(text, DurationUnreadable).lower()
    if clock := _CLOCK.fullmatch(plain):
        hours, minutes, seconds = clock.groups(default="0")
        return _rounded(_whole(hours) * 3600 + int(minutes) * 60 + int(seconds), 60, nearest=nearest)
    if parts := _HOURS_MINUTES.fullmatch(plain):
        hours, bare, minutes = parts.groups()
        return _in_range(_whole(hours) * 60 + int(bare or minutes))
    unit = _WITH_UNIT.fullmatch(plain)
    number = _number(unit[1].strip(" "), decimal) if unit else None
    if unit is None or number is None:
        raise DurationUnreadable
    fraction = number.fraction.rstrip("0")[:_FRACTION_DIGITS_MAX]
    parts_each = 10 ** len(fraction)
    minutes_each = 1 if unit[3] else 60
    scaled = _whole(number.whole) * parts_each + int(fraction or "0")
    return _rounded(scaled * minutes_each, parts_each, nearest=nearest)


def read_amount(
    text: str, *, digits: int, decimal: DecimalSign | None = None, symbols: Sequence[str] = ()
) -> int:
    """Return a written amount of money in whole smallest coins, 1 to 10^12.

    Thousands may be set apart, in groups of three, by a point, comma, space or apostrophe; if two
    different signs are there, the last is the decimal one.

    Args:
        digits: Digits after the point of the currency.
        decimal: The decimal sign; None takes both where only one reading is possible.
        symbols: Ways to write the currency, in front or behind; the first is its code.

    Raises:
        FieldEmpty: Nothing is written.
        NumberAmbiguous: It is like ``1.500``, and nobody said what the point is.
        AmountTooFine: It has digits, other than 0, that the currency has not.
        AmountOutOfRange: It is nothing, or more than the book takes.
        AmountUnreadable: It is anything else; signs before it are, too.
    """
    assert 0 <= digits <= 9, digits
    number = _number(_without_symbol(_plain(text, AmountUnreadable).lower(), symbols), decimal)
    if number is None:
        raise AmountUnreadable
    whole = _whole(number.whole)
    if number.fraction[digits:].strip("0"):
        raise AmountTooFine(currency=symbols[0] if symbols else "¤", digits=digits)
    return _in_range(whole * 10**digits + int(number.fraction[:digits].ljust(digits, "0") or "0"))


def read_day(text: str, *, order: DayOrder | None = None) -> date:
    """Return a written day: ``2025-12-31`` always, ``31.12.2025`` or ``12/31/2025`` as ``order`` says.

    Raises:
        FieldEmpty: Nothing is written.
        DayAmbiguous: It is not year first, and ``order`` does not say what is.
        DayUnreadable: It is anything else, or in no calendar.
    """
    plain = _plain(text, DayUnreadable)
    if iso := _ISO_DAY.fullmatch(plain):
        return _day(iso[1], iso[2], iso[3])
    other = _OTHER_DAY.fullmatch(plain)
    if other is None or order == "iso":
        raise DayUnreadable
    first, _, second, year = other.groups()
    if order == "dmy":
        return _day(year, second, first)
    if order == "mdy":
        return _day(year, first, second)
    if int(first) > 12 and int(second) > 12:
        raise DayUnreadable
    raise DayAmbiguous


def read_moment_day(text: str) -> date:
    """Return the calendar day of another system's time stamp, such as ``2018-01-30T10:00:00Z``, as written.

    Raises:
        FieldEmpty: Nothing is written.
        DayUnreadable: It is no such time stamp, or in no calendar.
    """
    moment = _MOMENT.fullmatch(_plain(text, DayUnreadable))
    if moment is None:
        raise DayUnreadable
    return date_of(moment[1])


def date_of(iso: str) -> date:
    """Return the day of ``YYYY-MM-DD``.

    Raises:
        DayUnreadable: It is in no calendar.
    """
    return _day(*iso.split("-"))


def shown(value: str) -> str:
    r"""Return a value as a report may show it: at most 80 characters, what cannot be seen as ``\u202e``."""
    signs = [_visible(sign) for sign in value[: SHOWN_MAX + 1]]
    if sum(map(len, signs)) <= SHOWN_MAX:
        return "".join(signs)
    while sum(map(len, signs)) >= SHOWN_MAX:
        signs.pop()
    return "".join(signs) + "…"


def _visible(sign: str) -> str:
    if sign in _JOINERS:
        # Persian and many emoji need them.
        return sign
    if sign in _HIDDEN_LETTERS or unicodedata.category(sign) in _HIDDEN_CATEGORIES:
        return f"\\u{ord(sign):04x}" if ord(sign) <= 0xFFFF else f"\\U{ord(sign):08x}"
    return sign


def _plain(text: str, unreadable: type[Refusal]) -> str:
    """Return a text with ASCII digits and single plain spaces, none around it."""
    if len(text) > CELL_MAX:
        raise unreadable
    if not text.isascii():
        text = "".join(map(_plain_sign, text))
    words = text.replace("\t", " ").split(" ")
    plain = " ".join(word for word in words if word)
    if not plain:
        raise FieldEmpty
    return plain


def _plain_sign(sign: str) -> str:
    if sign.isascii():
        return sign
    if sign == "\u2019":
        return "'"
    if sign == _ARABIC_COMMA:
        return ","
    if unicodedata.category(sign) == "Zs":
        return " "
    digit = unicodedata.decimal(sign, None)
    return sign if digit is None else str(digit)


def _number(text: str, decimal: DecimalSign | None) -> _Number | None:
    """Return a number without sign, or None where the text is none.

    Raises:
        NumberAmbiguous: It could be two.
    """
    if not text or not _NUMBER.fullmatch(text):
        return None
    signs = "".join(_SEPARATORS.findall(text))
    if not signs:
        return _Number(text, "")
    point = _decimal_sign(text, signs, decimal)
    whole, _, fraction = text.rpartition(point) if point else (text, "", "")
    if _SEPARATORS.search(fraction):
        return None
    groups = _SEPARATORS.split(whole)
    thousands = signs[:-1] if point else signs
    if thousands and (len(set(thousands)) > 1 or thousands[0] == point or not _grouped(groups)):
        return None
    return _Number("".join(groups), fraction)


def _decimal_sign(text: str, signs: str, decimal: DecimalSign | None) -> str:
    """Say which of a number's separators is the decimal one; empty for none."""
    if _ARABIC_DECIMAL in signs:
        return _ARABIC_DECIMAL
    if decimal is not None:
        return decimal if decimal in signs else ""
    last = signs[-1]
    if last not in ".," or signs.count(last) > 1:
        return ""
    if len(signs) == 1 and _grouped(text.split(last)):
        raise NumberAmbiguous
    return last


def _grouped(groups: Sequence[str]) -> bool:
    """Say whether digits are set apart as thousands are: 1 to 3 without a 0 in front, then threes."""
    first, *others = groups
    return 1 <= len(first) <= 3 and first[0] != "0" and all(len(group) == 3 for group in others)


def _without_symbol(text: str, symbols: Sequence[str]) -> str:
    for symbol in sorted(symbols, key=len, reverse=True):
        sign = symbol.strip().lower()
        if sign and text.startswith(sign):
            return text[len(sign) :].strip(" ")
        if sign and text.endswith(sign):
            return text[: -len(sign)].strip(" ")
    return text


def _whole(digits: str) -> int:
    significant = digits.lstrip("0")
    if len(significant) > _WHOLE_DIGITS_MAX:
        raise AmountOutOfRange(amount_max=AMOUNT_MAX, amount=shown(significant))
    return int(significant or "0")


def _rounded(parts: int, parts_each: int, *, nearest: bool) -> int:
    """Return parts of a minute as minutes; ``parts_each`` of them are one."""
    if parts % parts_each and not nearest:
        raise DurationNotWhole
    return _in_range((2 * parts + parts_each) // (2 * parts_each))


def _in_range(amount: int) -> int:
    if not 1 <= amount <= AMOUNT_MAX:
        raise AmountOutOfRange(amount_max=AMOUNT_MAX, amount=amount)
    return amount


def _day(year: str, month: str, day: str) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise DayUnreadable from None
