"""Languages: catalogues, the choice among them, and how hours, money and days are written in each."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import (
    format_currency,
    format_decimal,
    get_currency_name,
    get_currency_precision,
    get_decimal_symbol,
)

from timebank.errors import Refusal
from timebank.ledger.units import MINUTES
from timebank.pot_words import NOUNS, POT, is_of_any_group, turning
from timebank.refusal_words import SUMS
from timebank.refusal_words import WORDS as REFUSAL_WORDS

NO_BREAK: Final = "\u00a0"
SOURCE_LANGUAGE: Final = "en"
DOMAIN: Final = "timebank"

RIGHT_TO_LEFT_MARK: Final = "\u200f"

# A digit, and whatever a locale puts between digits.
_DIGITS: Final = re.compile(r"\d(?:[\d.,'’٬٫\u00a0\u202f]*\d)?")
_LETTER_MEETS_DIGIT: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_DECIMALS: Final = re.compile(r"0\.0+")


class Days(NamedTuple):
    """How one language writes days, as Unicode date patterns.

    Babel's skeletons look like the same thing and are not: where CLDR has no pattern for one
    it silently falls back to a shorter relative ("dom, 27 de septiembre"), so the few patterns
    that pages need are written down here for every language that ships.
    """

    whole: str
    weekday: str
    month: str
    month_year: str
    short: str
    short_year: str


DAYS: Final[dict[str, Days]] = {
    "en": Days("EEEE d MMMM y", "EEEE d MMMM", "d MMMM", "d MMMM y", "d MMM", "d MMM y"),
    "es": Days(
        "EEEE d 'de' MMMM 'de' y",
        "EEEE d 'de' MMMM",
        "d 'de' MMMM",
        "d 'de' MMMM 'de' y",
        "d MMM",
        "d MMM y",
    ),
    "fr": Days("EEEE d MMMM y", "EEEE d MMMM", "d MMMM", "d MMMM y", "d MMM", "d MMM y"),
    "pt": Days(
        "EEEE, d 'de' MMMM 'de' y",
        "EEEE, d 'de' MMMM",
        "d 'de' MMMM",
        "d 'de' MMMM 'de' y",
        "d MMM",
        "d MMM y",
    ),
    "ar": Days("EEEE، d MMMM y", "EEEE، d MMMM", "d MMMM", "d MMMM y", "d MMM", "d MMM y"),
}
_ANY_DAYS: Final = Days("EEEE d MMMM y", "EEEE d MMMM", "d MMMM", "d MMMM y", "d MMM", "d MMM y")

# CLDR's plain "ar" has Latin digits, because some countries write these; our pages write one kind. And
# Babel takes the separators of a numbering system, but never its digits: these are put in here.
_NUMBERING: Final = {"ar": "arab"}
_FIRST_DIGIT: Final = {"arab": "٠"}
# What stands before the minutes that follow hours; CLDR has it as a list of units, Babel has a gap there.
_AND_MINUTES: Final = {"ar": "و"}


def frontend_path() -> Path:
    """Return the directory of templates, style sheets and catalogues: inside the wheel, or of the checkout."""
    inside = Path(__file__).parent / "frontend"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "frontend"


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """One language that pages are written in; it knows words and how figures look, never what they mean.

    Attributes:
        code: BCP 47 code, as in ``lang="es"``.
        locale: What Babel knows of it.
        direction: How its text runs.
        translations: Its catalogue; the source language has an empty one.
    """

    code: str
    locale: Locale
    direction: Literal["ltr", "rtl"]
    translations: NullTranslations

    def for_group(self, word: str) -> Language:
        """Return this language with what a group calls its pot in every sentence.

        Args:
            word: One of ``rules.set_up.WORDS``; one that this version does not know leaves the language as it is.
        """
        return self if word == POT else _for_group(self, word)

    # -- words

    def say(self, message: str, /, **params: str | int) -> str:
        """Return a sentence in this language with its ``%(name)s`` places filled."""
        said = self.translations.gettext(message)
        return said % self._written(params) if params else said

    def say_many(self, one: str, many: str, /, count: int, **params: str | int) -> str:
        """Return the sentence for a number of things; ``%(count)s`` is written as this language writes numbers."""
        said = self.translations.ngettext(one, many, count)
        return said % {"count": self.number(count), **self._written(params)}

    def refusal(self, refusal: Refusal, unit: str = "") -> str:
        """Return a refusal as a sentence for people; see ``refused``."""
        return self.refused(refusal.message, refusal.params, unit)

    def refused(self, message: str, params: Mapping[str, Any], unit: str = "") -> str:
        """Return what a refusal says, also one that was kept as its message and parameters.

        States and duties are said in words, and a reason that is a sentence of its own in this language.

        Args:
            unit: ``minutes`` or a currency, which amounts are of, where whoever shows it knows; a refusal that has
                a currency of its own needs none.
        """
        unit = unit or (str(params["currency"]) if "amount" in params and "currency" in params else "")
        return self.say(message, **{name: self._named(name, value, unit) for name, value in params.items()})

    def _named(self, name: str, value: Any, unit: str) -> Any:
        if name == "why":
            return self.translations.gettext(str(value))
        if name in REFUSAL_WORDS and value in REFUSAL_WORDS[name]:
            return self.translations.gettext(REFUSAL_WORDS[name][value])
        if unit and type(value) is int and value >= 0 and (name in SUMS or name == "amount"):
            return self.hours(value) if unit == MINUTES else self.money(value, unit)
        return value

    def _written(self, params: Mapping[str, Any]) -> dict[str, Any]:
        # What is text already may be a code or an address: its digits stay.
        return {
            name: self.digits(str(value)) if type(value) is int else value for name, value in params.items()
        }

    def listed(self, parts: Iterable[str]) -> str:
        """Return parts with this language's comma between them."""
        return ("، " if self.code == "ar" else ", ").join(parts)

    @property
    def unknown(self) -> str:
        """What stands for a figure that is not known yet."""
        return "؟" if self.code == "ar" else "?"

    @property
    def name(self) -> str:
        """What the language calls itself, such as ``Español``."""
        name = str(self.locale.get_language_name() or self.code)
        return name[:1].upper() + name[1:]

    # -- numbers, hours, money; always of what is there: no page shows a minus

    def number(self, value: int) -> str:
        """Return a whole number, grouped."""
        return self.digits(str(format_decimal(value, locale=self.locale, numbering_system=self._numbering)))

    def digits(self, written: str) -> str:
        """Return a text with the digits of this language in place of 0 to 9; never for codes."""
        first = _FIRST_DIGIT.get(self._numbering)
        return written.translate(_digits_from(first)) if first else written

    def hours_parts(self, minutes: int) -> tuple[tuple[str, str], ...]:
        """Return (number, unit) pairs, at least one: ``(("146", "h"), ("30", "min"))``.

        The number is always written, also where a language has a word for two hours: that word
        would have to bend to its sentence, and a figure need not.

        Args:
            minutes: Whole minutes, 0 and up.
        """
        assert minutes >= 0, minutes
        hours, rest = divmod(minutes, 60)
        parts = []
        if hours or not rest:
            parts.append((self.number(hours), self.translations.ngettext("h", "h", hours)))
        if rest:
            joined = _AND_MINUTES.get(self.code, "") if parts else ""
            parts.append((joined + self.number(rest), self.translations.ngettext("min", "min", rest)))
        return tuple(parts)

    def hours(self, minutes: int) -> str:
        """Return hours as ``146 h 30 min``; a number never parts from its unit at the end of a line."""
        return NO_BREAK.join(f"{number}{NO_BREAK}{unit}" for number, unit in self.hours_parts(minutes))

    def hours_digits(self, minutes: int) -> str:
        """Return hours for a column of figures: ``31:15``."""
        assert minutes >= 0, minutes
        hours, rest = divmod(minutes, 60)
        return f"{self.number(hours)}:{self.digits(f'{rest:02}')}"

    def money(self, amount: int, currency: str) -> str:
        """Return money with its sign: ``€986.50``, ``986,50 €``.

        Args:
            amount: Whole smallest coins, 0 and up.
            currency: ISO 4217 code; CLDR says how many digits its coins have.
        """
        assert amount >= 0, amount
        value = _decimal(amount, currency)
        return self._money(
            format_currency(value, currency, locale=self.locale, numbering_system=self._numbering)
        )

    def money_parts(self, amount: int, currency: str) -> tuple[str, str, str]:
        """Return (sign before, figure, sign after) for large figures, whose sign is written small."""
        written = self.money(amount, currency)
        figure = _DIGITS.search(written)
        assert figure is not None, written
        return written[: figure.start()], figure.group(), written[figure.end() :]

    def money_digits(self, amount: int, currency: str) -> str:
        """Return money for a column of figures, without its sign: ``1,176.50``."""
        return self.money_parts(amount, currency)[1]

    def money_field(self, amount: int, currency: str) -> str:
        """Return money as somebody writes it into a field: with the point of the language, and nothing else.

        Three digits after a point could be thousands; coins that are so small get a fourth, which is nothing.
        """
        whole, point, rest = f"{_decimal(amount, currency):f}".partition(".")
        if len(rest) == 3:
            rest += "0"
        if point:
            point = get_decimal_symbol(self.locale, numbering_system=self._numbering)
        return self.digits(whole + point + rest)

    def money_round(self, amount: int, currency: str) -> str:
        """Return money for the scale of a drawing: coins only where there are any (``€1,000``)."""
        if amount % 10 ** get_currency_precision(currency):
            return self.money(amount, currency)
        pattern = _DECIMALS.sub("0", self.locale.currency_formats["standard"].pattern)
        return self._money(
            format_currency(
                _decimal(amount, currency),
                currency,
                pattern,
                locale=self.locale,
                currency_digits=False,
                numbering_system=self._numbering,
            )
        )

    def _money(self, written: str) -> str:
        # CLDR's marks of direction are for texts without one; our pages have one, and forms read figures back.
        return _spaced(self.digits(written.replace(RIGHT_TO_LEFT_MARK, "")))

    def currency_name(self, currency: str) -> str:
        """Return what a currency is called, in the plural: ``euros``."""
        return str(get_currency_name(currency, count=5, locale=self.locale))

    # -- days; dates only, because exact times are never shown to the public

    def day(self, day: date) -> str:
        """Return ``Sunday 27 September 2026``."""
        return self._date(day, self._days.whole)

    def weekday(self, day: date) -> str:
        """Return ``Sunday 27 September``."""
        return self._date(day, self._days.weekday)

    def weekday_name(self, day: date) -> str:
        """Return ``Sunday``."""
        return self._date(day, "EEEE")

    def day_month(self, day: date) -> str:
        """Return ``27 September``."""
        return self._date(day, self._days.month)

    def day_month_year(self, day: date) -> str:
        """Return ``27 September 2026``."""
        return self._date(day, self._days.month_year)

    def year(self, day: date) -> str:
        """Return ``2026``."""
        return self._date(day, "y")

    def day_number(self, day: date) -> str:
        """Return the day of the month: ``27``."""
        return self._date(day, "d")

    def day_short(self, day: date) -> str:
        """Return ``27 Sep``, for a column of days."""
        return self._date(day, self._days.short)

    def month_short(self, day: date) -> str:
        """Return ``Sep``, with no full stop where a drawing has no room for one."""
        return self._date(day, "LLL").rstrip(".")

    def span(self, first: date, last: date) -> tuple[str, str]:
        """Return both ends of a stretch of days for a sentence, saying month and year once: ``21``, ``27 September``."""
        if first.year != last.year:
            return self.day_month_year(first), self.day_month_year(last)
        if first.month != last.month:
            return self.day_month(first), self.day_month(last)
        return self.day_number(first), self.day_month(last)

    def span_short(self, first: date, last: date) -> str:
        """Return a stretch of days for a table: ``21–27 Sep``, ``31 Aug – 6 Sep``."""
        if first == last:
            return self._date(last, self._days.short)
        if first.year != last.year:
            return f"{self._date(first, self._days.short_year)} – {self._date(last, self._days.short_year)}"
        if first.month != last.month:
            return f"{self._date(first, self._days.short)} – {self._date(last, self._days.short)}"
        return f"{self.day_number(first)}–{self._date(last, self._days.short)}"

    def month_year(self, day: date) -> str:
        """Return the month of a day, as a heading: ``September 2026``."""
        return self._date(day, "LLLL y")

    @property
    def _numbering(self) -> str:
        return _NUMBERING.get(self.code, "default")

    @property
    def _days(self) -> Days:
        return DAYS.get(self.code, _ANY_DAYS)

    def _date(self, day: date, pattern: str) -> str:
        return self.digits(str(format_date(day, pattern, locale=self.locale)))


# ---------------------------------------------------------------- catalogues


@lru_cache
def language_codes() -> tuple[str, ...]:
    """Return the languages that have a catalogue, the source language first, the others by code."""
    catalogues = frontend_path().glob(f"locales/*/LC_MESSAGES/{DOMAIN}.po")
    return (SOURCE_LANGUAGE, *sorted(path.parent.parent.name for path in catalogues))


@lru_cache
def language(code: str) -> Language:
    """Return a language by its code.

    Raises:
        LookupError: There is no catalogue for it.
    """
    if code not in language_codes():
        raise LookupError(code)
    locale = Locale.parse(code, sep="-")
    direction: Literal["ltr", "rtl"] = "rtl" if locale.text_direction == "rtl" else "ltr"
    return Language(code=code, locale=locale, direction=direction, translations=_catalogue(code))


def every_language() -> list[Language]:
    """Return every language that pages can be read in, the source language first."""
    return [language(code) for code in language_codes()]


@lru_cache
def _for_group(plain: Language, word: str) -> Language:
    if word not in NOUNS.get(plain.code, {}):
        return plain
    return replace(plain, translations=_InItsWord(plain.translations, turning(word, plain.code)))


class _InItsWord(NullTranslations):
    """A catalogue in which a group's own word stands for its pot (``pot_words``)."""

    def __init__(self, plain: NullTranslations, turn: Callable[[str], str]) -> None:
        super().__init__()
        self._plain, self._turn = plain, turn

    def gettext(self, message: str) -> str:
        """Return a sentence."""
        said = self._plain.gettext(message)
        return said if is_of_any_group(message) else self._turn(said)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the sentence for a number of things."""
        said = self._plain.ngettext(msgid1, msgid2, n)
        return said if is_of_any_group(msgid1) else self._turn(said)


def read_catalogue(source: bytes, code: str) -> NullTranslations:
    """Return the translations of a .po file; sentences still marked fuzzy are left in English."""
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale=code, domain=DOMAIN))
    compiled.seek(0)
    return GNUTranslations(compiled)


def _catalogue(code: str) -> NullTranslations:
    if code == SOURCE_LANGUAGE:
        return NullTranslations()
    # Compiled in memory, once per process, so that no binary file can be older than its source.
    return read_catalogue((frontend_path() / f"locales/{code}/LC_MESSAGES/{DOMAIN}.po").read_bytes(), code)


# ---------------------------------------------------------------- the choice


def choose_language(
    *,
    explicit: str | None = None,
    person: str | None = None,
    accept_language: str | None = None,
    group: Sequence[str] = (),
) -> Language:
    """Return the language of one answer.

    Args:
        explicit: What the address says (``?lang=es``); wins.
        person: What somebody who is signed in has chosen.
        accept_language: Header of the browser.
        group: The group's languages in its own order; the first that has a catalogue is used
            when nobody else says anything.
    """
    for wanted in (explicit, person):
        found = _closest(wanted) if wanted else None
        if found:
            return language(found)
    for wanted in read_accept_language(accept_language or ""):
        found = _closest(wanted)
        if found:
            return language(found)
    return language(next((found for code in group if (found := _closest(code))), SOURCE_LANGUAGE))


def read_accept_language(header: str) -> list[str]:
    """Return the codes of an Accept-Language header, best first; what cannot be read is left out."""
    # Long headers are an attack or an accident; nobody reads twenty languages.
    weighted = [_weighted(item) for item in header[:400].split(",")[:20]]
    wanted = [(weight, code) for weight, code in weighted if weight > 0 and code and code != "*"]
    return [code for _, code in sorted(wanted, key=lambda pair: -pair[0])]


def offered(codes: Iterable[str]) -> list[Language]:
    """Return those of a group's languages that have a catalogue, in the group's order."""
    return [language(code) for code in dict.fromkeys(codes) if code in language_codes()]


def _weighted(item: str) -> tuple[float, str]:
    code, _, weight = item.strip().partition(";")
    weight = weight.strip()
    try:
        return (float(weight[2:]) if weight.startswith("q=") else 1.0), code.strip()
    except ValueError:
        return 0.0, ""


def _closest(code: str) -> str | None:
    exact = code.replace("_", "-")
    for candidate in (exact, exact.partition("-")[0]):
        for known in language_codes():
            if known.lower() == candidate.lower():
                return known
    return None


@lru_cache
def _digits_from(first: str) -> dict[int, str]:
    return {ord("0") + value: chr(ord(first) + value) for value in range(10)}


def _spaced(written: str) -> str:
    """Put a no-break space between letters and digits: CLDR asks for it (``TND 5``), Babel leaves it out."""
    return _LETTER_MEETS_DIGIT.sub(NO_BREAK, written)


def _decimal(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-get_currency_precision(currency))
