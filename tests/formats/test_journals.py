"""Journals word by word: tiny books, and what may not happen to them on the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest

from tests.services.auditors import READERS, ask_hledger, without_zeros
from timebank.formats.beancount import BeancountWriter
from timebank.formats.hledger import HledgerWriter
from timebank.formats.journal import KIND_WORDS, Journal, JournalWriter, one_line, percent_encoded, written
from timebank.formats.journal_csv import SheetWriter
from timebank.ledger import posting
from timebank.ledger.entries import EntryKind, Transfer
from timebank.ledger.units import MINUTES
from timebank.rules.journal import BookAccount, JournalEntry, name_accounts

POT, PROMISED, SHARED, ADA, FLO, ADAS_EUROS, MONEY, BOX, CUSTODY, OUTSIDE, OUTSIDE_EUR = range(11, 22)
ACCOUNTS = (
    BookAccount(POT, "pot", MINUTES, "hours"),
    BookAccount(PROMISED, "promised", MINUTES, "hours"),
    BookAccount(SHARED, "shared", MINUTES, "hours"),
    BookAccount(ADA, "member", MINUTES),
    BookAccount(FLO, "member", MINUTES),
    BookAccount(ADAS_EUROS, "member", "EUR"),
    BookAccount(MONEY, "pot", "EUR", "money"),
    BookAccount(BOX, "held", "EUR", "cash-box"),
    BookAccount(CUSTODY, "custody", "EUR"),
    BookAccount(OUTSIDE, "outside", MINUTES),
    BookAccount(OUTSIDE_EUR, "outside", "EUR"),
)
FIRST_SEEN = (FLO, ADAS_EUROS)
DRAW = UUID(int=0xD)

WRITERS: Mapping[str, type[JournalWriter]] = {"hledger": HledgerWriter, "beancount": BeancountWriter}


def entry(number: int, kind: str, day: int, transfers: tuple[Transfer, ...], **more: Any) -> JournalEntry:
    values: dict[str, Any] = {"category": "", "draw_id": None, "corrects": None, **more}
    return JournalEntry(
        UUID(int=number), kind, effective_on=date(2026, 3, day), transfers=transfers, **values
    )


ENTRIES = (
    entry(1, "help_answered", 1, posting.help_answered(FLO, POT, SHARED, 90), category="cooking"),
    entry(2, "money_in", 2, posting.money_in("EUR", ADAS_EUROS, MONEY, BOX, CUSTODY, 1_250)),
    entry(3, "correction", 2, posting.mirror(posting.money_in("EUR", ADAS_EUROS, MONEY, BOX, CUSTODY, 1_250)),
          corrects=UUID(int=2)),
)  # fmt: skip
CLOSING = {FLO: 90, SHARED: -90}


def a_journal(**changes: Any) -> Journal:
    values: dict[str, Any] = {
        "name": 'The "Riverside"',
        "slug": "riverside",
        "cut": "through record 12 of the live book",
        "first": None,
        "last": None,
        "opens_on": date(2026, 1, 1),
        "digits": {MINUTES: 0, "EUR": 2},
        "accounts": name_accounts(ACCOUNTS, FIRST_SEEN),
        "opening": {},
        "closing": CLOSING,
    }
    return Journal(**{**values, **changes})


def text_of(file_format: str, *entries: JournalEntry, **changes: Any) -> str:
    return "".join(WRITERS[file_format](a_journal(**changes)).text(entries))


HLEDGER = """\
; timebank journal, format 1 (hledger)
; group: The "Riverside" (riverside)
; cut: through record 12 of the live book
; days: the whole book

commodity MIN
commodity EUR
    format 1000.00 EUR

tag kind
tag category
tag draw
tag corrects

account assets:held:cash-box
    ; type: Asset
account equity:custody
    ; type: Equity
account equity:member:m0001
    ; type: Equity
account equity:member:m0002
    ; type: Equity
account equity:outside
    ; type: Equity
account equity:pot:hours
    ; type: Equity
account equity:pot:money
    ; type: Equity
account equity:promised:hours
    ; type: Equity
account equity:shared:hours
    ; type: Equity

2026-03-01 * (00000000-0000-0000-0000-000000000001) Help between neighbours, answered by the pot
    ; kind: help_answered
    ; category: cooking
    equity:member:m0001                                 90 MIN
    equity:pot:hours                                   -90 MIN
    equity:pot:hours                                    90 MIN
    equity:shared:hours                                -90 MIN

2026-03-02 * (00000000-0000-0000-0000-000000000002) Money came in
    ; kind: money_in
    equity:member:m0002                              12.50 EUR
    equity:pot:money                                -12.50 EUR
    assets:held:cash-box                             12.50 EUR
    equity:custody                                  -12.50 EUR

2026-03-02 * (00000000-0000-0000-0000-000000000003) Correction
    ; kind: correction
    ; corrects: 00000000-0000-0000-0000-000000000002
    equity:pot:money                                 12.50 EUR
    equity:member:m0002                             -12.50 EUR
    equity:custody                                   12.50 EUR
    assets:held:cash-box                            -12.50 EUR

2026-03-02 * (closing-balances) Balances to check
    ; kind: closing-balances
    assets:held:cash-box                              0.00 EUR = 0.00 EUR
    equity:custody                                    0.00 EUR = 0.00 EUR
    equity:member:m0001                                  0 MIN = 90 MIN
    equity:member:m0002                               0.00 EUR = 0.00 EUR
    equity:outside                                       0 MIN = 0 MIN
    equity:outside                                    0.00 EUR = 0.00 EUR
    equity:pot:hours                                     0 MIN = 0 MIN
    equity:pot:money                                  0.00 EUR = 0.00 EUR
    equity:promised:hours                                0 MIN = 0 MIN
    equity:shared:hours                                  0 MIN = -90 MIN

; total: 3 entries with 12 postings
; total: 180 MIN moved
; total: 50.00 EUR moved
"""

BEANCOUNT = """\
; timebank journal, format 1 (beancount)
; group: The "Riverside" (riverside)
; cut: through record 12 of the live book
; days: 2026-03-01 and later

option "title" "The \\"Riverside\\""
option "inferred_tolerance_default" "*:0"

2026-01-01 commodity MIN
2026-01-01 commodity EUR

2026-01-01 open Assets:Held:Cash-box                      EUR
2026-01-01 open Equity:Custody                            EUR
2026-01-01 open Equity:Member:M0001                       MIN
2026-01-01 open Equity:Member:M0002                       EUR
2026-01-01 open Equity:Outside                            MIN,EUR
2026-01-01 open Equity:Pot:Hours                          MIN
2026-01-01 open Equity:Pot:Money                          EUR
2026-01-01 open Equity:Promised:Hours                     MIN
2026-01-01 open Equity:Shared:Hours                       MIN

2026-02-28 * "Balances brought forward"
  kind: "opening-balances"
  Equity:Member:M0001                                 30 MIN
  Equity:Pot:Hours                                   -30 MIN

2026-03-01 * "Help between neighbours, answered by the pot"
  entry: "00000000-0000-0000-0000-000000000001"
  kind: "help_answered"
  category: "cooking"
  Equity:Member:M0001                                 90 MIN
  Equity:Pot:Hours                                   -90 MIN
  Equity:Pot:Hours                                    90 MIN
  Equity:Shared:Hours                                -90 MIN

; Balances to check
2026-03-02 balance Assets:Held:Cash-box                          0.00 ~ 0 EUR
2026-03-02 balance Equity:Custody                                0.00 ~ 0 EUR
2026-03-02 balance Equity:Member:M0001                            120 ~ 0 MIN
2026-03-02 balance Equity:Member:M0002                           0.00 ~ 0 EUR
2026-03-02 balance Equity:Outside                                   0 ~ 0 MIN
2026-03-02 balance Equity:Outside                                0.00 ~ 0 EUR
2026-03-02 balance Equity:Pot:Hours                               -30 ~ 0 MIN
2026-03-02 balance Equity:Pot:Money                              0.00 ~ 0 EUR
2026-03-02 balance Equity:Promised:Hours                            0 ~ 0 MIN
2026-03-02 balance Equity:Shared:Hours                            -90 ~ 0 MIN

; total: 1 entries with 4 postings
; total: 180 MIN moved
; total: 0.00 EUR moved
"""


def test_a_journal_for_hledger_is_exactly_this() -> None:
    assert text_of("hledger", *ENTRIES) == HLEDGER


def test_a_part_of_a_book_for_beancount_is_exactly_this() -> None:
    part = text_of(
        "beancount",
        ENTRIES[0],
        first=date(2026, 3, 1),
        opening={FLO: 30, POT: -30},
        closing={FLO: 120, POT: -30, SHARED: -90},
    )

    assert part == BEANCOUNT


@pytest.mark.parametrize("file_format", WRITERS)
def test_both_are_read_without_a_complaint_and_a_wrong_balance_is_not(file_format: str) -> None:
    complaint_of, balances_of = READERS[file_format]

    text = text_of(file_format, *ENTRIES)

    assert complaint_of(text) == ""
    assert without_zeros(balances_of(text)) == {
        ("equity:member:m0001", "MIN"): 90,
        ("equity:shared:hours", "MIN"): -90,
    }
    assert complaint_of(text_of(file_format, *ENTRIES, closing={FLO: 91, SHARED: -91}))
    # One cent is as wrong as one hour; of its own beancount would let it pass.
    assert complaint_of(text_of(file_format, *ENTRIES, closing={**CLOSING, BOX: 1}))
    assert complaint_of(text_of(file_format, *ENTRIES[:2]))


WORDS = (
    'a "quoted" one',
    "back\\slash \\",
    "food, drink",
    "kind: promise",
    "x  ; category: y",
    "[2020-01-01]",
    "100 %",
    "%2C",
    "naïve ἀγορά 中文 العربية",
    "date: 2020-01-01, date2: 2020-01-01",
    "amount  5 EUR = 7 EUR",
    "(code) | payee @ 3 EUR",
)


@pytest.mark.parametrize("file_format", WRITERS)
@pytest.mark.parametrize("words", WORDS)
def test_no_category_says_anything_to_a_reader(file_format: str, words: str) -> None:
    complaint_of, balances_of = READERS[file_format]
    plain = text_of(file_format, *ENTRIES)

    text = text_of(file_format, ENTRIES[0]._replace(category=words), *ENTRIES[1:])

    assert complaint_of(text) == ""
    assert balances_of(text) == balances_of(plain)
    assert text.count("\n") == plain.count("\n")


@pytest.mark.parametrize("words", WORDS)
def test_hledger_reads_a_category_whole_and_no_tag_that_is_not_ours(words: str) -> None:
    text = text_of("hledger", ENTRIES[0]._replace(category=words), *ENTRIES[1:])

    values = ask_hledger(text, "tags", "--values", "^category$").stdout.splitlines()
    names = ask_hledger(text, "tags").stdout.split()

    assert [unquote(value) for value in values] == [words]
    assert set(names) <= {"category", "corrects", "kind", "type"}


@pytest.mark.parametrize("file_format", WRITERS)
def test_no_name_of_a_group_gets_out_of_its_line(file_format: str) -> None:
    complaint_of, _ = READERS[file_format]

    text = text_of(file_format, *ENTRIES, name='A\n2026-01-01 open "\\\u2028Assets:Bad\r; x\x85')

    assert complaint_of(text) == ""
    assert text.count("\n") == text_of(file_format, *ENTRIES).count("\n")


def test_encoding_never_makes_one_of_two() -> None:
    words = ["a,b", "a%2Cb", "a%252Cb", "a%2cb", "a b", "a\nb", "a\u2028b", "a%0Ab"]

    assert len({percent_encoded(each, ",") for each in words}) == len(words)
    assert percent_encoded("a,b", ",") == "a%2Cb"
    assert one_line("a\r\nb\u2028c") == "a b c"


@pytest.mark.parametrize(
    ("amount", "digits", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (-1_250, 2, "-12.50"),
        (1_250, 3, "1.250"),
        (-90, 0, "-90"),
        (2**53 - 1, 2, "90071992547409.91"),
        (-(2**53 - 1), 3, "-9007199254740.991"),
    ],
)
def test_amounts_are_written_exactly(amount: int, digits: int, text: str) -> None:
    assert written(amount, digits) == text


@pytest.mark.parametrize("file_format", WRITERS)
def test_currencies_with_three_digits_or_none_are_exact_too(file_format: str) -> None:
    complaint_of, _ = READERS[file_format]
    for currency, digits, amount in (("BHD", 3, 1_234), ("JPY", 0, 1_234), ("EUR", 2, 10**12)):
        accounts = [BookAccount(1, "outside", currency), BookAccount(2, "pot", currency, "money")]
        given = entry(1, "money_in", 1, (Transfer(currency, 1, 2, amount),))

        text = text_of(
            file_format,
            given,
            digits={MINUTES: 0, currency: digits},
            accounts=name_accounts(accounts, ()),
            closing={1: amount, 2: -amount},
        )

        assert complaint_of(text) == ""
        assert f" {written(amount, digits)} {currency}\n" in text


def test_accounts_of_different_names_stay_different() -> None:
    codes = ("a", "a-b", "ab", "a-1", "1a", "1", "a1", "cash-box", "cash-box-2")
    accounts = [BookAccount(number, "held", "EUR", code) for number, code in enumerate(codes)]
    named = name_accounts(accounts, ())

    for writer in WRITERS.values():
        spelled = {writer(a_journal()).spelled(account.name) for account in named.values()}
        assert len(spelled) == len(codes)


def test_members_are_numbered_as_the_book_first_names_them_and_no_kind_knows_the_other() -> None:
    accounts = [BookAccount(n, "member" if n % 2 else "exchange", MINUTES) for n in (901, 17, 300, 4, 55)]

    named = name_accounts(accounts, [55, 4, 901, 300])

    assert {number: account.name[1:] for number, account in named.items()} == {
        55: ("member", "m0001"),
        901: ("member", "m0002"),
        4: ("exchange", "x0001"),
        300: ("exchange", "x0002"),
    }
    # A longer book adds numbers and changes none.
    longer = name_accounts(accounts, [55, 4, 901, 300, 17])
    assert {number: longer[number] for number in named} == named
    many = [BookAccount(n, "member", MINUTES) for n in range(10_001)]
    assert name_accounts(many, range(10_001))[10_000].name == ("equity", "member", "m10001")


def test_every_kind_has_words() -> None:
    assert set(KIND_WORDS) == set(EntryKind)
    assert len(set(KIND_WORDS.values())) == len(KIND_WORDS)


def test_entries_out_of_order_are_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        text_of("hledger", ENTRIES[1], ENTRIES[0])


@pytest.mark.parametrize("file_format", WRITERS)
def test_every_entry_of_the_posting_table_balances(file_format: str) -> None:
    complaint_of, _ = READERS[file_format]
    euros = ("EUR", ADAS_EUROS, MONEY, BOX, CUSTODY)
    moves = {
        "help_given": posting.help_given(FLO, POT, 60),
        "promise": posting.promise(MINUTES, POT, PROMISED, 50),
        "release": posting.release(MINUTES, PROMISED, POT, 10),
        "fulfil": posting.fulfil(FLO, POT, PROMISED, SHARED, 50, left=40, beyond_shared=True),
        "money_in": posting.money_in(*euros, 900),
        "money_out": posting.money_out("EUR", MONEY, OUTSIDE_EUR, CUSTODY, BOX, 100),
        "opening": posting.opening_hours(OUTSIDE, POT, 30),
    }
    entries = [entry(n, kind, n, moved) for n, (kind, moved) in enumerate(moves.items(), 1)]
    closing: dict[int, int] = {}
    for each in entries:
        for _, debit, credit, amount in each.transfers:
            closing[debit] = closing.get(debit, 0) + amount
            closing[credit] = closing.get(credit, 0) - amount

    assert complaint_of(text_of(file_format, *entries, closing=closing)) == ""


# ---------------------------------------------------------------- as a sheet

SHEET = """\
\ufeffdate,entry,kind,category,draw,corrects,debit,credit,hours,amount,currency,note
2026-03-01,00000000-0000-0000-0000-000000000001,help_answered,'=cooking,,,equity:member:m0001,equity:pot:hours,1:30,,,
2026-03-01,00000000-0000-0000-0000-000000000001,help_answered,'=cooking,,,equity:pot:hours,equity:shared:hours,1:30,,,
2026-03-01,,closing-balances,,,,assets:held:cash-box,,,0.00,EUR,
2026-03-01,,closing-balances,,,,equity:custody,,,0.00,EUR,
2026-03-01,,closing-balances,,,,equity:member:m0001,,1:30,,,
2026-03-01,,closing-balances,,,,equity:member:m0002,,,0.00,EUR,
2026-03-01,,closing-balances,,,,equity:outside,,0:00,,,
2026-03-01,,closing-balances,,,,equity:outside,,,0.00,EUR,
2026-03-01,,closing-balances,,,,equity:pot:hours,,0:00,,,
2026-03-01,,closing-balances,,,,equity:pot:money,,,0.00,EUR,
2026-03-01,,closing-balances,,,,equity:promised:hours,,0:00,,,
2026-03-01,,closing-balances,,,,,equity:shared:hours,1:30,,,
total,,,,,,,,3:00,,,lines=2; cut=through record 12 of the live book
total,,,,,,,,,0.00,EUR,lines=2; cut=through record 12 of the live book
"""


def test_a_sheet_has_a_line_for_each_transfer_and_says_what_it_adds_up_to() -> None:
    hours = entry(1, "help_answered", 1, posting.help_answered(FLO, POT, SHARED, 90), category="=cooking")

    text = "".join(SheetWriter(a_journal()).text([hours]))

    assert text.replace("\r\n", "\n") == SHEET
    assert text.count("\r\n") == text.count("\n")


def test_a_part_of_the_book_begins_with_what_was_there_before() -> None:
    later = a_journal(first=date(2026, 3, 1), opening={FLO: 90, SHARED: -90})

    lines = "".join(SheetWriter(later).text([])).splitlines()

    assert lines[1:3] == [
        "2026-02-28,,opening-balances,,,,equity:member:m0001,,1:30,,,",
        "2026-02-28,,opening-balances,,,,,equity:shared:hours,1:30,,,",
    ]
