"""The whole-book checks: a sound book passes, and each wrong row is found and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import pytest

from tests.ledger.notation import BOOK_ID, NOW, Rows, Stage, uuid
from timebank.ledger.canonical import other_record
from timebank.ledger.checks import (
    WHOLE_BOOK_CHECKS,
    BookCheck,
    EntryRow,
    RecordRow,
    TransferRow,
)
from timebank.ledger.tree import Frontier, commitment, leaf_hash

STORY = """
    give ada pot 120
    money ada.eur food cash 100
    promise food 80 d1
    hand food cash 50 d1
    wrong: give bo pot 30
    correct wrong + give bo pot 25
    carry cash bank 20
    promise pot 60 d2
    fulfil cy pot 90 d2 beyond
    missing food bank 5
"""
GIVEN, MONEY, PROMISED, HANDED, WRONG, CORRECTED, RIGHT, CARRIED, PROMISED_HOURS, FULFILLED, MISSING = range(
    1, 12
)


def book() -> Rows:
    """Return a sound book with a record between the entries that moves nothing."""
    stage = Stage()
    stage.play(STORY)
    return stage.rows()


def with_other_record(rows: Rows, **changes: object) -> Rows:
    """Return the book with a record that moves nothing at its end."""
    seq = rows.head.seq + 1
    at = rows.head.recorded_at + timedelta(seconds=1)
    record = other_record("approved", at, 7, {"draw": str(uuid(3))})
    salt = bytes(32)
    row = RecordRow(seq, "approved", record, salt, commitment(BOOK_ID, salt, record))
    rows.records.append(row._replace(**changes))
    frontier = Frontier()
    for row in rows.records:
        frontier.append(leaf_hash(row.commitment))
    rows.head = rows.head._replace(seq=seq, recorded_at=at, frontier=frontier.to_bytes())
    return rows


def found(rows: Rows) -> dict[str, int]:
    """Return what the checks find: name and number."""
    return {finding.check: finding.seq for finding in rows.check()}


def test_a_sound_book_passes():
    assert book().check() == []
    assert with_other_record(book()).check() == []


def change(table: str, number: int, **changes: object) -> Callable[[Rows], None]:
    """Return what changes one row of a table, counted from 0."""

    def tamper(rows: Rows) -> None:
        row = getattr(rows, table)[number]
        getattr(rows, table)[number] = row._replace(**changes)

    return tamper


def drop(table: str, number: int) -> Callable[[Rows], None]:
    def tamper(rows: Rows) -> None:
        del getattr(rows, table)[number]

    return tamper


def both(*tampers: Callable[[Rows], None]) -> Callable[[Rows], None]:
    def tamper(rows: Rows) -> None:
        for one in tampers:
            one(rows)

    return tamper


def rewrite(seq: int, old: bytes, new: bytes) -> Callable[[Rows], None]:
    """Return what rewrites a record, its commitment and the tree, as somebody with the host could."""

    def tamper(rows: Rows) -> None:
        record = rows.records[seq - 1].record
        assert old in record
        rows.seal(seq, record.replace(old, new))

    return tamper


@cache
def place(seq: int, leg: int = 0) -> int:
    """Return the place of a transfer in its table."""
    return next(i for i, row in enumerate(book().transfers) if (row.seq, row.leg) == (seq, leg))


TAMPERS: dict[str, tuple[Callable[[Rows], None], str, int]] = {
    "a byte of a record": (
        lambda rows: change("records", GIVEN - 1, record=rows.records[0].record.replace(b"120", b"121"))(
            rows
        ),
        "commitments",
        GIVEN,
    ),
    "a salt": (change("records", MONEY - 1, salt=bytes(32)), "commitments", MONEY),
    "a short salt": (change("records", MONEY - 1, salt=bytes(31)), "commitments", MONEY),
    "a commitment": (change("records", MONEY - 1, commitment=bytes(32)), "tree", 0),
    "the frontier": (lambda rows: change_head(rows, frontier=bytes(96)), "tree", 0),
    "a record missing": (drop("records", PROMISED - 1), "gapless", PROMISED),
    "a record twice": (lambda rows: rows.records.insert(3, rows.records[2]), "gapless", PROMISED),
    "the tail cut off": (
        both(drop("records", -1), drop("entries", -1), drop("transfers", -1), drop("transfers", -1)),
        "gapless",
        MISSING,
    ),
    "the tail cut off and the head with it": (lambda rows: cut_tail(rows), "account_totals", 0),
    "a record in another form": (rewrite(GIVEN, b'{"actor"', b'{ "actor"'), "canonical", GIVEN),
    "a record rewritten with key and tree": (rewrite(GIVEN, b":120", b":121"), "columns", GIVEN),
    "an entry's kind": (change("entries", GIVEN - 1, kind="opening"), "columns", GIVEN),
    "a record's kind": (change("records", GIVEN - 1, kind="opening"), "columns", GIVEN),
    "an entry's kind of no kind": (
        both(change("entries", GIVEN - 1, kind="gift"), change("records", GIVEN - 1, kind="gift")),
        "columns",
        GIVEN,
    ),
    "an entry's id": (change("entries", GIVEN - 1, entry_id=uuid(77)), "columns", GIVEN),
    "an entry's source": (change("entries", GIVEN - 1, source="import"), "columns", GIVEN),
    "an entry's day": (change("entries", GIVEN - 1, effective_on=date(2026, 2, 28)), "columns", GIVEN),
    "an entry's moment": (
        change("entries", GIVEN - 1, recorded_at=NOW - timedelta(days=1)),
        "columns",
        GIVEN,
    ),
    "an entry's category": (change("entries", GIVEN - 1, category="garden"), "columns", GIVEN),
    "an entry's draw": (change("entries", PROMISED - 1, draw_id=uuid(78)), "columns", PROMISED),
    "an entry taken out of its draw": (change("entries", PROMISED - 1, draw_id=None), "columns", PROMISED),
    "an entry put into a draw": (change("entries", GIVEN - 1, draw_id=uuid(78)), "columns", GIVEN),
    "what a correction corrects": (
        change("entries", CORRECTED - 1, reverses_seq=GIVEN),
        "columns",
        CORRECTED,
    ),
    "a correction of nothing": (change("entries", CORRECTED - 1, reverses_seq=None), "columns", CORRECTED),
    "an entry that became a correction": (change("entries", RIGHT - 1, reverses_seq=GIVEN), "columns", RIGHT),
    "a correction of what is not there": (
        change("entries", CORRECTED - 1, reverses_seq=99),
        "corrections_mirror",
        CORRECTED,
    ),
    "an entry missing": (drop("entries", CARRIED - 1), "columns", CARRIED),
    "an entry without a record": (
        lambda rows: rows.entries.append(rows.entries[-1]._replace(seq=99)),
        "columns",
        99,
    ),
    "an entry twice": (lambda rows: rows.entries.insert(2, rows.entries[1]), "columns", MONEY),
    "a transfer's amount": (change("transfers", place(MONEY, 1), amount=101), "columns", MONEY),
    "a transfer's account": (change("transfers", place(CARRIED), debit_account=101), "columns", CARRIED),
    "a transfer between units": (change("transfers", place(MONEY, 1), debit_account=101), "accounts", MONEY),
    "a transfer of nobody": (change("transfers", place(MONEY, 1), debit_account=1), "accounts", MONEY),
    "a transfer missing": (drop("transfers", place(MONEY, 1)), "columns", MONEY),
    "a transfer without a record": (
        lambda rows: rows.transfers.append(TransferRow(99, 0, 101, 102, 1, 0, 0)),
        "columns",
        99,
    ),
    "a transfer too many": (
        lambda rows: rows.transfers.insert(1, TransferRow(GIVEN, 1, 101, 102, 1, -121, 1)),
        "columns",
        GIVEN,
    ),
    "transfers in another order": (change("transfers", place(MONEY), leg=2), "columns", MONEY),
    "a balance beside a transfer": (
        change("transfers", place(HANDED), debit_balance=31),
        "running_balances",
        HANDED,
    ),
    "the other balance": (
        change("transfers", place(HANDED, 1), credit_balance=0),
        "running_balances",
        HANDED,
    ),
    "an account's turnover": (
        lambda rows: account(rows, "ada", debits=121, credits=1),
        "account_totals",
        0,
    ),
    "an account's debits alone": (lambda rows: account(rows, "ada", debits=121), "debits_equal_credits", 0),
    "an account's corrected part": (
        lambda rows: account(rows, "bo", reversal_credits=0),
        "account_totals",
        0,
    ),
    "a day's sum": (change("days", 0, debits=1), "account_days", 0),
    "a day's corrected part": (change("days", 0, reversal_debits=1), "account_days", 0),
    "a day missing": (drop("days", 0), "account_days", 0),
    "a day of nobody": (change("days", 0, account_id=1), "account_days", 0),
    "the head's moment": (lambda rows: change_head(rows, recorded_at=NOW), "recorded_at", 0),
    "the head's number": (lambda rows: change_head(rows, seq=12), "gapless", 12),
}


def change_head(rows: Rows, **changes: object) -> None:
    rows.head = rows.head._replace(**changes)


def account(rows: Rows, name: str, **changes: object) -> None:
    number = Stage().number(name)
    at = next(i for i, row in enumerate(rows.accounts) if row.account_id == number)
    rows.accounts[at] = rows.accounts[at]._replace(**changes)


def cut_tail(rows: Rows) -> None:
    del rows.records[-1], rows.entries[-1], rows.transfers[-2:]
    frontier = Frontier()
    for row in rows.records:
        frontier.append(leaf_hash(row.commitment))
    rows.head = rows.head._replace(
        seq=MISSING - 1, frontier=frontier.to_bytes(), recorded_at=rows.entries[-1].recorded_at
    )


@pytest.mark.parametrize(("tamper", "check", "seq"), TAMPERS.values(), ids=TAMPERS)
def test_a_changed_row_is_found_and_named(tamper: Callable[[Rows], None], check: str, seq: int):
    rows = book()

    tamper(rows)

    findings = rows.check()
    assert found(rows)[check] == seq, findings
    if seq:
        assert findings[0].seq == seq, "nothing before the changed record is blamed"


@pytest.mark.parametrize("leg", [0, 7])
@pytest.mark.parametrize("seq", [GIVEN, PROMISED, CARRIED])
def test_a_transfer_too_many_is_found_whatever_its_number_though_its_balances_fit(seq: int, leg: int):
    rows = book()
    at = max(number for number, row in enumerate(rows.transfers) if row.seq == seq)
    last = rows.transfers[at]
    more = last._replace(
        leg=last.leg + leg,
        debit_balance=last.debit_balance - last.amount,
        credit_balance=last.credit_balance + last.amount,
    )

    rows.transfers.insert(at + 1, more)

    assert found(rows)["columns"] == seq


def test_every_single_changed_byte_of_a_record_is_found():
    rows = book()
    for row in rows.records:
        for at in range(0, len(row.record), 7):
            changed = bytearray(row.record)
            changed[at] ^= 1
            rows.records[row.seq - 1] = row._replace(record=bytes(changed))

            assert rows.check()[0].seq == row.seq

            rows.records[row.seq - 1] = row
    assert rows.check() == []


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"record": b"{}", "commitment": commitment(BOOK_ID, bytes(32), b"{}")}, "canonical"),
        ({"record": b"[]", "commitment": commitment(BOOK_ID, bytes(32), b"[]")}, "canonical"),
        ({"record": b"\xff", "commitment": commitment(BOOK_ID, bytes(32), b"\xff")}, "canonical"),
        ({"kind": "policy"}, "columns"),
        ({"kind": "promise"}, "columns"),
    ],
)
def test_records_that_move_nothing_are_checked_too(changes: dict[str, object], check: str):
    rows = with_other_record(book(), **changes)

    assert found(rows)[check] == rows.head.seq


def test_a_record_of_the_past_is_found():
    rows = book()
    early = other_record("approved", NOW - timedelta(days=1), 7, {})
    rows = with_other_record(rows, record=early, commitment=commitment(BOOK_ID, bytes(32), early))

    assert found(rows) == {"recorded_at": rows.head.seq}


def test_a_book_is_checked_page_by_page_with_the_same_result():
    rows = with_other_record(book())
    for size in (1, 2, 5):
        check = BookCheck(rows.head, rows.accounts)
        for first in range(1, rows.head.seq + 1, size):
            page = range(first, first + size)
            check.feed(
                [row for row in rows.records if row.seq in page],
                [row for row in rows.entries if row.seq in page],
                [row for row in rows.transfers if row.seq in page],
            )
        assert check.finish(rows.days) == []


def test_rows_as_the_database_gives_them_are_enough():
    # Not our tuples, but any that come apart the same way.
    rows = book()
    check = BookCheck(rows.head, rows.accounts)
    check.feed(map(list, rows.records), map(list, rows.entries), map(list, rows.transfers))  # type: ignore[arg-type]

    assert check.finish(map(tuple, rows.days)) == []  # type: ignore[arg-type]


def test_every_named_check_has_a_test_that_makes_it_speak():
    # Those that only a wrong state machine can break are in test_mutants.py.
    here = {check for _, check, _ in TAMPERS.values()}

    assert set(WHOLE_BOOK_CHECKS) - here == {"floors", "never_below_zero", "custody", "corrected_once"}
    assert isinstance(book().entries[0], EntryRow)
