"""What people write for times, amounts and days: each way that is read, beside the ones that are refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest

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
from timebank.rules.written import read_amount, read_day, read_minutes, read_moment_day, shown

NBSP, NARROW, THIN = "\u00a0", "\u202f", "\u2009"


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1:30", 90),
        ("0:01", 1),
        ("01:05", 65),
        ("25:00", 1500),
        ("1 : 30", 90),
        ("1:30:00", 90),
        ("1h30", 90),
        ("1H30", 90),
        ("1 h 30 min", 90),
        (f"1{NBSP}h{NARROW}30{THIN}min", 90),
        ("1\th 30", 90),
        ("1h05", 65),
        ("1h5m", 65),
        ("1h", 60),
        ("1 hour", 60),
        ("2 hrs", 120),
        ("90m", 90),
        ("90 min", 90),
        ("90.0 min", 90),
        ("1 minute", 1),
        ("2", 120),
        ("1.5", 90),
        ("1,5", 90),
        (".5", 30),
        ("0,5", 30),
        ("1.5h", 90),
        ("1,5 h", 90),
        ("1.50", 90),
        ("0.1", 6),
        ("0.05", 3),
        ("0.750", 45),
        ("1 000", 60_000),
        ("1'000,5", 60_030),
        ("1.000,5", 60_030),
        ("1,000.5", 60_030),
        ("\u0661:\u0663\u0660", 90),
        ("\u0661\u066b\u0665", 90),
        ("١،٥", 90),
        ("٢س", 120),
        ("٩٠ د", 90),
        ("٣ ساعات", 180),
        ("١ ساعة و٣٠ دقيقة", 90),
        ("١٠ ساعات و ٥ دقائق", 605),
        ("1\u0665:\u09e9\u0660", 15 * 60 + 30),
        ("\uff11:\uff13\uff10", 90),
        ("  1:30  ", 90),
        ("0" * 5_000 + "1:30", 90),
        ("1." + "5" + "0" * 5_000, 90),
        (f"{AMOUNT_MAX}m", AMOUNT_MAX),
    ],
)
def test_a_written_time_is_read_in_minutes(text: str, minutes: int) -> None:
    assert read_minutes(text) == minutes


@pytest.mark.parametrize(
    "text",
    [
        *["1:75", "1:60", "1:5", "1:", ":30", "1:30:60", "1:30:0", "1:2:30", "1::30"],
        *["1h75", "1h5", "1h60m", "h", "1hh", "1.5h30", "1,5:30", "1h30s", "1d", "30 sec"],
        *["-1", "-1:00", "\u22121", "+1", "1-", "(1)", "NaN", "inf", "infinity", "1e3", "0x10", "1_000"],
        *["one", "½", "²", "1..5", "1.5.", "1,", "1,5,5", "1,5.5", "1 5", "1 30", "1.00.000", "1.0000,5"],
        *["=1+1", "'1", "1\n", "1\0", "1\u200b", "\u202e1", "\ud800", "1:30 \x1c", "%d", "1/2"],
        "1" * (CELL_MAX + 1),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(DurationUnreadable):
        read_minutes(text)


@pytest.mark.parametrize("text", ["", " ", NBSP, "\t"])
def test_nothing_written_is_said_to_be_nothing(text: str) -> None:
    with pytest.raises(FieldEmpty):
        read_minutes(text)
    with pytest.raises(FieldEmpty):
        read_amount(text, digits=2)
    with pytest.raises(FieldEmpty):
        read_day(text)
    with pytest.raises(FieldEmpty):
        read_moment_day(text)


@pytest.mark.parametrize(
    "text",
    ["0", "0:00", "0h00", "0m", "0.0", f"{AMOUNT_MAX + 1}m", "9" * 17, "9" * CELL_MAX, "9" * 20 + ":00"],
)
def test_a_time_of_nothing_or_beyond_the_book_is_out_of_range(text: str) -> None:
    with pytest.raises(AmountOutOfRange) as refusal:
        read_minutes(text)

    assert refusal.value.params["amount_max"] == AMOUNT_MAX
    assert len(str(refusal.value.params["amount"])) <= 80


@pytest.mark.parametrize("text", ["1.500", "1,500", "12.500", "999,000", "1.500h", "1.500 min"])
def test_a_number_that_could_be_two_is_refused_until_somebody_says_the_sign(text: str) -> None:
    with pytest.raises(NumberAmbiguous):
        read_minutes(text)


@pytest.mark.parametrize(
    ("text", "decimal", "minutes"),
    [
        ("1.500", ".", 90),
        ("1,500", ",", 90),
        ("1.500", ",", 90_000),
        ("1,500", ".", 90_000),
        ("1\u066b5", ".", 90),
        ("1\u066c500\u066b5", ",", 90_030),
    ],
)
def test_the_decimal_sign_that_was_said_decides(text: str, decimal: DecimalSign, minutes: int) -> None:
    assert read_minutes(text, decimal=decimal) == minutes


def test_the_other_sign_is_not_taken_for_the_decimal_one() -> None:
    with pytest.raises(DurationUnreadable):
        read_minutes("1.5", decimal=",")
    with pytest.raises(DurationUnreadable):
        read_minutes("1,5", decimal=".")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("1.333h", 80),
        ("1:30:29", 90),
        ("1:30:30", 91),
        ("0.01", 1),
        ("90.5 min", 91),
        ("90.49 min", 90),
        ("0." + "3" * 5_000, 20),
        ("0.00833334", 1),
    ],
)
def test_time_that_is_no_whole_minute_is_refused_or_rounded_when_asked(text: str, nearest: int) -> None:
    decimal: DecimalSign = "."
    with pytest.raises(DurationNotWhole):
        read_minutes(text, decimal=decimal)

    assert read_minutes(text, decimal=decimal, nearest=True) == nearest


def test_every_hundredth_of_an_hour_is_exact_or_refused() -> None:
    for hundredths in range(1, 1000):
        text = f"{hundredths // 100}.{hundredths % 100:02}"
        if hundredths * 60 % 100:
            with pytest.raises(DurationNotWhole):
                read_minutes(text)
        else:
            assert read_minutes(text) == hundredths * 60 // 100


def test_rounding_never_makes_a_minute_of_nothing() -> None:
    with pytest.raises(AmountOutOfRange):
        read_minutes("0.001", decimal=".", nearest=True)


@pytest.mark.parametrize(
    ("text", "digits", "coins"),
    [
        ("12", 2, 1200),
        ("12.5", 2, 1250),
        ("12,50", 2, 1250),
        ("0.01", 2, 1),
        (".5", 2, 50),
        ("12.500", 3, None),
        ("12.500", 2, None),
        ("12,500", 0, None),
        ("0.500", 2, 50),
        ("1234.500", 2, 123_450),
        ("1.234,56", 2, 123_456),
        ("1,234.56", 2, 123_456),
        ("1.234.567", 2, 123_456_700),
        ("1,234,567.8", 2, 123_456_780),
        ("1 234,56", 2, 123_456),
        (f"1{NBSP}234,56", 2, 123_456),
        (f"1{NARROW}234,56", 2, 123_456),
        (f"1{THIN}234", 2, 123_400),
        ("1'234.50", 2, 123_450),
        ("1\u2019234.50", 2, 123_450),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", 2, 123_450),
        ("12.0", 0, 12),
        ("12.5000", 2, 1250),
        ("12.3456", 4, 123_456),
        ("EUR 12", 2, 1200),
        ("12 EUR", 2, 1200),
        ("12eur", 2, 1200),
        ("€12,50", 2, 1250),
        (f"12,50{NBSP}€", 2, 1250),
        ("10000000000.00", 2, AMOUNT_MAX),
    ],
)
def test_a_written_amount_is_read_in_smallest_coins(text: str, digits: int, coins: int | None) -> None:
    if coins is None:
        with pytest.raises(NumberAmbiguous):
            read_amount(text, digits=digits)
    else:
        assert read_amount(text, digits=digits, symbols=("EUR", "€")) == coins


@pytest.mark.parametrize(
    "text",
    [
        *[
            "-1",
            "+1",
            "\u22121",
            "1-",
            "(5)",
            "5,-",
            "NaN",
            "inf",
            "1e3",
            "1e400",
            "-0",
            "0x10",
            "1_000",
            "ten",
        ],
        *[
            "1.23.456",
            "12.34.567",
            "1,23,456.00",
            "1234,567.00",
            "0,123.00",
            "1 23",
            "1.234 567",
            "1,234 567.0",
        ],
        *["1..2", "1.", "EUR", "EUR 5 €", "USD 5", "$5", "=5", "5\u200f", "\ud800", "5\n6", "1'234'56"],
        "1" * (CELL_MAX + 1),
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountUnreadable):
        read_amount(text, digits=2, symbols=("EUR", "€"))


@pytest.mark.parametrize("text", ["0", "0.00", "10000000000.01", "9223372036854775808", "9" * CELL_MAX])
def test_an_amount_of_nothing_or_beyond_the_book_is_out_of_range(text: str) -> None:
    with pytest.raises(AmountOutOfRange):
        read_amount(text, digits=2)


@pytest.mark.parametrize(("text", "digits"), [("0.005", 2), ("12.345", 2), ("12.5", 0), ("1.2345", 3)])
def test_an_amount_finer_than_its_coins_is_refused_with_the_currency(text: str, digits: int) -> None:
    with pytest.raises(AmountTooFine) as refusal:
        read_amount(text, digits=digits, decimal=".", symbols=("EUR", "€"))

    assert refusal.value.params == {"currency": "EUR", "digits": digits}


def test_the_decimal_sign_that_was_said_decides_amounts_too() -> None:
    assert read_amount("1.500", digits=2, decimal=",") == 150_000
    assert read_amount("1.500", digits=3, decimal=".") == 1_500
    with pytest.raises(AmountUnreadable):
        read_amount("1,50", digits=2, decimal=".")


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2025-12-31", None, date(2025, 12, 31)),
        ("2025-12-31", "mdy", date(2025, 12, 31)),
        ("0001-01-01", "iso", date(1, 1, 1)),
        ("9999-12-31", None, date(9999, 12, 31)),
        ("\u0662\u0660\u0662\u0665-\u0661\u0662-\u0663\u0661", None, date(2025, 12, 31)),
        ("31.12.2025", "dmy", date(2025, 12, 31)),
        ("31/12/2025", "dmy", date(2025, 12, 31)),
        ("31-12-2025", "dmy", date(2025, 12, 31)),
        ("1.2.2025", "dmy", date(2025, 2, 1)),
        ("12/31/2025", "mdy", date(2025, 12, 31)),
        ("1/2/2025", "mdy", date(2025, 1, 2)),
        ("29.02.2024", "dmy", date(2024, 2, 29)),
        (" 2025-12-31 ", None, date(2025, 12, 31)),
    ],
)
def test_a_written_day_is_read_in_the_order_that_was_said(
    text: str, order: DayOrder | None, day: date
) -> None:
    assert read_day(text, order=order) == day


@pytest.mark.parametrize("text", ["31.12.2025", "12/31/2025", "01-02-2025", "1/2/2025"])
def test_a_day_in_an_order_that_nobody_said_is_not_guessed(text: str) -> None:
    with pytest.raises(DayAmbiguous):
        read_day(text)
    with pytest.raises(DayUnreadable):
        read_day(text, order="iso")


@pytest.mark.parametrize(
    "text",
    [
        *["2026-02-30", "2025-13-01", "2025-00-10", "2025-01-00", "0000-01-01", "10000-01-01", "2025-1-5"],
        *[
            "29.02.2025",
            "31.02.2025",
            "32.01.2025",
            "1.13.2025",
            "31.12.25",
            "31.12/2025",
            "31.12.",
            "31.12.0000",
        ],
        *["2025-12-31T10:00", "2025-12-31 10:00:00", "31.12.2025 10:00", "20251231", "46022", "2025/12/31"],
        *["31 Dec 2025", "today", "=TODAY()", "-2025-12-31", "2025-12-31\u202e", "\ud800", "2025-12-31\n1"],
        "1" * (CELL_MAX + 1),
    ],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(DayUnreadable):
        read_day(text, order="dmy")


def test_a_day_that_no_order_makes_possible_is_not_called_ambiguous() -> None:
    with pytest.raises(DayUnreadable):
        read_day("45.45.2025")


@pytest.mark.parametrize(
    "text",
    [
        *["2018-01-30", "2018-01-30 10:00", "2018-01-30 10:00:00", "2018-01-30 10:00:00 UTC"],
        *["2018-01-30T10:00:00Z", "2018-01-30T23:59:60.123456Z", "2018-01-30T10:00:00+02:00"],
        *["2018-01-30 10:00:00.5 +0200", "2018-01-30T23:00:00-11", "2018-01-30t10:00:00z"],
    ],
)
def test_a_time_stamp_is_the_calendar_day_that_it_says(text: str) -> None:
    assert read_moment_day(text) == date(2018, 1, 30)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "2018-02-30 10:00:00",
            "2018-01-30 24:00:00",
            "2018-01-30 10:60:00",
            "2018-01-30T",
            "2018-01-30 CET",
        ],
        *[
            "30.01.2018 10:00",
            "2018-01-30 10",
            "0000-01-30T10:00:00Z",
            "1517270400",
            "2018-01-30 10:00:00 UTC+1",
        ],
        "2018-01-30 10:00:00." + "0" * CELL_MAX,
    ],
)
def test_what_is_no_time_stamp_is_refused(text: str) -> None:
    with pytest.raises(DayUnreadable):
        read_moment_day(text)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("1:75", "1:75"),
        ("Zoë 李 علي", "Zoë 李 علي"),
        ("\u0639\u200c\u0644", "\u0639\u200c\u0644"),
        ("a\u202eb", r"a\u202eb"),
        ("\0\n\t\x85", r"\u0000\u000a\u0009\u0085"),
        ("\ud800", r"\ud800"),
        ("\u200b\ufeff\u00ad\u3164\u2066", r"\u200b\ufeff\u00ad\u3164\u2066"),
        ("\U000e0041", r"\U000e0041"),
        ("\u2028", r"\u2028"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 10**6, "x" * 79 + "…"),
        ("\0" * 80, r"\u0000" * 13 + "…"),
        ("", ""),
    ],
)
def test_a_value_in_a_report_shows_what_cannot_be_seen(value: str, seen: str) -> None:
    assert shown(value) == seen
    assert len(shown(value)) <= 80
    shown(value).encode()


def test_every_refusal_is_a_refusal_and_nothing_else_for_each_single_character() -> None:
    for code in (*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10000), 0x1D7CE, 0x1F600, 0x10FFFF):
        for text in (chr(code), f"1{chr(code)}5", f"{chr(code)}1"):
            for read in (read_minutes, read_day, read_moment_day, lambda text: read_amount(text, digits=2)):
                with suppress(Refusal):
                    read(text)
