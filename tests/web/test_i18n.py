"""Languages: complete catalogues, the choice among them, and how figures and days are written."""

from __future__ import annotations

import io
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from babel.numbers import get_currency_precision, get_currency_symbol

from timebank.errors import AmountOutOfRange
from timebank.i18n import (
    DAYS,
    NO_BREAK,
    choose_language,
    frontend_path,
    language,
    language_codes,
    read_accept_language,
    read_catalogue,
)
from timebank.rules.written import read_amount, read_minutes

EN, ES, AR = language("en"), language("es"), language("ar")
PACKAGE = Path(__file__).parents[2] / "timebank"
KEYWORDS: Any = {
    "N_": None,
    "_": None,
    "say_many": (1, 2),
    "told_many": (2, 3),
    "gettext": None,
    "ngettext": (1, 2),
}


@cache
def said() -> list[tuple[str | tuple[str, str], str]]:
    """Every sentence that is marked for translation, those for a number with both forms, and the file that it is in."""
    found: list[tuple[str | tuple[str, str], str]] = []
    sources = [("python", path) for path in sorted(PACKAGE.rglob("*.py"))]
    sources += [("jinja2", path) for path in sorted((frontend_path() / "templates").glob("*.html"))]
    for method, path in sources:
        options = {"trimmed": "true"}
        for _, message, _, _ in extract_from_file(method, path, keywords=KEYWORDS, options=options):
            found.append((message if isinstance(message, str) else message[:2], path.name))
    return found


def marked() -> dict[str, str]:
    """Every sentence that is marked for translation, by its first form, and the file that it is in."""
    return {message if isinstance(message, str) else message[0]: where for message, where in said()}


def catalogue(code: str) -> dict[str, Message]:
    path = frontend_path() / f"locales/{code}/LC_MESSAGES/timebank.po"
    po = read_po(io.BytesIO(path.read_bytes()), locale=code)
    return {
        message.id if isinstance(message.id, str) else message.id[0]: message for message in po if message.id
    }


@pytest.mark.parametrize("code", language_codes()[1:])
def test_every_sentence_is_in_every_language(code):
    known, wanted = catalogue(code), marked()

    missing = {sentence: where for sentence, where in wanted.items() if sentence not in known}
    assert not missing, f"not in {code}: {missing}"
    stale = set(known) - set(wanted)
    assert not stale, f"no longer said anywhere: {stale}"
    empty = [sentence for sentence, message in known.items() if not all(_forms(message)) or message.fuzzy]
    assert not empty


@pytest.mark.parametrize("code", language_codes()[1:])
def test_a_translation_has_the_places_of_its_sentence(code):
    for message in catalogue(code).values():
        one, many = (message.id, message.id) if isinstance(message.id, str) else message.id
        *others, last = _forms(message)
        assert _places(last) == _places(many), last
        for form in others:
            # "One answer needs a look" may leave the number out.
            assert _places(one) & _places(many) - {"count"} <= _places(form) <= _places(many), form
        for form in (*others, last):
            # A lone per cent sign would be taken for the begin of a place.
            assert not re.search(r"%(?!\()", form), form


def test_no_sentence_is_said_both_alone_and_for_a_number():
    # A catalogue has one entry for both, and Python before 3.11.3 finds that entry for the number only.
    alone = {message for message, _ in said() if isinstance(message, str)}
    counted = {message for message, _ in said() if not isinstance(message, str)}

    assert not alone & {one for one, _ in counted}
    assert len({one for one, _ in counted}) == len(counted), "one sentence with two plurals"


def _places(sentence: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", sentence))


def test_an_arabic_sentence_is_arabic_but_for_names_and_codes():
    for message in catalogue("ar").values():
        english = " ".join([message.id] if isinstance(message.id, str) else message.id)
        for form in _forms(message):
            words = re.sub(r"%\(\w+\)s", "", form)
            left = set(re.findall(r"[A-Za-z]+", words)) - set(re.findall(r"[A-Za-z]+", english))
            assert not left, f"{left} in {form}"
            assert re.search(r"[\u0621-\u064a]", words) or not re.search(r"[A-Za-z]", words), form


def test_a_day_in_digits_keeps_its_order_in_an_arabic_sentence():
    # After Arabic letters 2026-03-01 would be shown as 01-03-2026; a left-to-right mark in front prevents it.
    for message in catalogue("ar").values():
        for form in _forms(message):
            assert not re.search(r"(?<!\u200e)\b[0-9]{4}-[0-9]{2}-[0-9]{2}", form), form
            assert not re.search(r"(?<!\u200e)%\((began_on|effective_on|through)\)s", form), form


@pytest.mark.parametrize("code", language_codes()[1:])
def test_a_catalogue_counts_as_babel_does(code):
    spoken = language(code)
    forms = {number: spoken.locale.plural_form(number) for number in range(1001)}
    tags = [tag for tag in ("zero", "one", "two", "few", "many", "other") if tag in forms.values()]

    plural = spoken.translations.plural  # type: ignore[attr-defined]
    assert {number: tags[plural(number)] for number in forms} == forms
    for message in catalogue(code).values():
        if not isinstance(message.id, str):
            assert len(message.string) == len(tags), message.id


def _forms(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (str(message.string),)


def test_minutes_are_written_as_hours_that_never_break():
    assert EN.hours(8790) == f"146{NO_BREAK}h{NO_BREAK}30{NO_BREAK}min"
    assert EN.hours(0) == f"0{NO_BREAK}h"
    assert EN.hours(45) == f"45{NO_BREAK}min"
    assert EN.hours(728_745) == f"12,145{NO_BREAK}h{NO_BREAK}45{NO_BREAK}min"
    assert ES.hours(728_745) == f"12.145{NO_BREAK}h{NO_BREAK}45{NO_BREAK}min"
    assert EN.hours_digits(1875) == "31:15"
    assert EN.hours_digits(5) == "0:05"


def test_money_has_the_digits_of_its_currency():
    assert EN.money(98650, "EUR") == "€986.50"
    assert ES.money(98650, "EUR") == f"986,50{NO_BREAK}€"
    assert EN.money(1200, "JPY") == "¥1,200"
    assert EN.money(1234567, "TND") == f"TND{NO_BREAK}1,234.567"
    assert EN.money_parts(98650, "EUR") == ("€", "986.50", "")
    assert ES.money_parts(98650, "EUR") == ("", "986,50", f"{NO_BREAK}€")
    assert EN.money_round(100000, "EUR") == "€1,000"
    assert ES.money_round(100000, "EUR") == f"1.000{NO_BREAK}€"
    assert EN.money_round(50, "EUR") == "€0.50"
    assert EN.money_digits(117650, "EUR") == "1,176.50"


def test_arabic_figures_have_arabic_digits_and_words_that_agree():
    hours = [AR.hours(minutes).replace(NO_BREAK, " ") for minutes in (0, 1, 60, 120, 630, 6_600, 8_790)]

    assert hours == [
        "٠ ساعة", "١ دقيقة", "١ ساعة", "٢ ساعة", "١٠ ساعات و٣٠ دقيقة", "١١٠ ساعات", "١٤٦ ساعة و٣٠ دقيقة",
    ]  # fmt: skip
    assert AR.hours_parts(8_790) == (("١٤٦", "ساعة"), ("و٣٠", "دقيقة"))
    assert AR.hours_digits(1_875) == "٣١:١٥"
    assert AR.hours_digits(5) == "٠:٠٥"
    assert AR.number(12_146) == "١٢٬١٤٦"
    assert AR.money(117_650, "EUR") == f"١٬١٧٦٫٥٠{NO_BREAK}€"
    assert AR.money_parts(98_650, "EUR") == ("", "٩٨٦٫٥٠", f"{NO_BREAK}€")
    assert AR.money_round(100_000, "EUR") == f"١٬٠٠٠{NO_BREAK}€"
    assert AR.money(1_234_567, "TND") == f"١٬٢٣٤٫٥٦٧{NO_BREAK}د.ت."
    assert AR.day(date(2026, 9, 27)) == "الأحد، ٢٧ سبتمبر ٢٠٢٦"
    assert AR.span_short(date(2026, 8, 31), date(2026, 9, 6)) == "٣١ أغسطس – ٦ سبتمبر"
    assert AR.say_many("%(count)s day", "%(count)s days", 2) == "يومان"
    assert AR.say_many("%(count)s day", "%(count)s days", 12) == "١٢ يومًا"
    assert AR.refusal(AmountOutOfRange(amount=0, amount_max=10)).count("١٠") == 1


@pytest.mark.parametrize("currency", ["EUR", "GBP", "JPY", "TND", "EGP", "USD"])
def test_a_figure_that_is_shown_can_be_typed_in_again(currency):
    digits = get_currency_precision(currency)
    for spoken in map(language, language_codes()):
        for amount in (5, 98_650, 123_456_789):
            written = spoken.money(amount, currency)
            symbols = (currency, get_currency_symbol(currency, locale=spoken.locale).replace("\u200f", ""))
            sign = {"en": ".", "ar": "."}.get(spoken.code, ",")
            assert read_amount(written, digits=digits, symbols=symbols, decimal=sign) == amount, written
        for minutes in (5, 60, 90, 125, 185, 8_790):
            assert read_minutes(spoken.hours_digits(minutes)) == minutes
            assert read_minutes(spoken.hours(minutes)) == minutes


def test_arabic_pages_show_no_latin_digit_in_any_figure():
    day = date(2026, 9, 27)
    shown = [AR.hours(8_790), AR.hours_digits(61), AR.number(1_234_567), AR.currency_name("EUR")]
    shown += [AR.money(98_650, currency) for currency in ("EUR", "GBP", "USD", "JPY", "TND", "EGP", "MAD")]
    shown += [AR.money_round(98_600, "EUR"), AR.money_digits(5, "EUR"), *AR.span(day, day)]
    shown += [AR.day(day), AR.weekday(day), AR.day_month_year(day), AR.day_number(day), AR.month_short(day)]

    assert not [figure for figure in shown if re.search(r"[0-9]", figure)]
    assert not [figure for figure in shown if re.search(r"[\u200e\u200f\u202a-\u202e]", figure)]


def test_no_figure_is_below_zero():
    for write in (EN.hours, EN.hours_digits):
        with pytest.raises(AssertionError):
            write(-1)
    with pytest.raises(AssertionError):
        EN.money(-1, "EUR")


def test_days_are_written_out():
    day = date(2026, 9, 27)

    assert EN.day(day) == "Sunday 27 September 2026"
    assert ES.day(day) == "domingo 27 de septiembre de 2026"
    assert EN.weekday(day) == "Sunday 27 September"
    assert EN.span(date(2026, 9, 21), day) == ("21", "27 September")
    assert EN.span(date(2026, 8, 31), day) == ("31 August", "27 September")
    assert ES.span(date(2025, 12, 31), day) == ("31 de diciembre de 2025", "27 de septiembre de 2026")
    assert EN.span_short(date(2026, 9, 21), day) == "21–27 Sep"
    assert ES.span_short(date(2026, 8, 31), date(2026, 9, 6)) == "31 ago – 6 sept"


@pytest.mark.parametrize("code", language_codes())
def test_babel_has_no_gap_that_a_page_would_show(code):
    spoken = language(code)

    assert code in DAYS, "a language says how it writes days"
    assert spoken.locale.currency_formats["standard"].pattern
    assert spoken.name != code
    for month in range(1, 13):
        day = date(2026, month, 1)
        # Where CLDR has no name for a month, Babel writes its number.
        assert not spoken.month_short(day).isdigit()
        assert not re.fullmatch(r"M\d\d", spoken.month_short(day))
        assert spoken.day_month(day)[-1].isalpha()
    for weekday in range(1, 8):
        assert len(spoken.weekday(date(2026, 3, weekday)).split()[0]) > 3, "the weekday is not shortened"
    for currency in ("EUR", "GBP", "USD", "JPY", "TND"):
        assert spoken.currency_name(currency) != currency


def test_the_address_wins_then_the_person_then_the_browser_then_the_group():
    everything = {"explicit": "es", "person": "en", "accept_language": "en", "group": ("en",)}

    assert choose_language(**everything).code == "es"
    assert choose_language(**{**everything, "explicit": None}).code == "en"
    assert choose_language(accept_language="es-MX,es;q=0.9,en;q=0.1", group=("en",)).code == "es"
    assert choose_language(accept_language="tlh", group=("es",)).code == "es"
    assert choose_language(accept_language="*", group=("xx", "es")).code == "es"
    assert choose_language(accept_language="ar-EG,en;q=0.5", group=("en",)).code == "ar"
    assert choose_language(accept_language="ar_MA").direction == "rtl"
    assert choose_language().code == "en"
    assert choose_language(explicit="../../etc", group=("es",)).code == "es"


@pytest.mark.parametrize("header", ["", ";;;", "q=1", "es;q=x", "," * 5000, "x" * 9000, "es;q=nan"])
def test_a_strange_header_does_no_harm(header):
    read_accept_language(header)

    assert choose_language(accept_language=header).code in {"en", "es"}


def test_a_refusal_is_said_in_the_language_of_the_person():
    refusal = AmountOutOfRange(amount=0, amount_max=10)

    assert EN.refusal(refusal) == "The amount must be between 1 and 10; 0 was given."
    assert ES.refusal(refusal) == "La cantidad tiene que estar entre 1 y 10; se indicó 0."


def test_what_is_not_translated_stays_english():
    empty = read_catalogue(b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n', "es")

    assert empty.gettext("Week") == "Week"
