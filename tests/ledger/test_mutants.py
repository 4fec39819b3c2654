"""Guards taken out of the state machine one by one: the whole-book checks notice each time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ledger.notation import Stage
from timebank.ledger.books import Books
from timebank.ledger.entries import Draft, EntryKind, Transfer

Guard = tuple[str, Callable[..., object]]
NO_FLOORS: Guard = ("_too_low", lambda books, entries: None)
ANY_CORRECTION: Guard = ("_not_correctable", lambda books, draft: None)
NOT_BACKED: Guard = ("_stays_backed", lambda books, transfers: True)


def wrong_stamp(books: Books, draft: Draft, now: object) -> object:
    """Stamp every entry with the same moment."""
    moment = books.recorded_at
    entry = Books.__dict__["_apply_right"](books, draft, now)
    books.recorded_at = moment
    return entry._replace(recorded_at=moment)


def wrong_balance(books: Books, draft: Draft, now: object) -> object:
    """Write down balances that are one too high."""
    entry = Books.__dict__["_apply_right"](books, draft, now)
    return entry._replace(balances=tuple((debit + 1, credit) for debit, credit in entry.balances))


MUTANTS: dict[str, tuple[Guard, str, str, int]] = {
    "no floor for a promise": (NO_FLOORS, "promise food 1 d1", "floors", 1),
    "no floor for hours that have one": (NO_FLOORS, "promise garden 61 d1", "floors", 1),
    "no floor for a move of a pot": (
        NO_FLOORS,
        "money ada.eur food cash 10\n move food rent 11",
        "floors",
        2,
    ),
    "no floor for money out": (
        NO_FLOORS,
        "money ada.eur food cash 10\n money ada.eur rent cash 10\n out food cash 11",
        "floors",
        3,
    ),
    "more handed over than promised": (
        NO_FLOORS,
        "money ada.eur food cash 10\n promise food 5 d1\n hand food cash 6 d1",
        "never_below_zero",
        3,
    ),
    "a loss paid with the other pot's money": (
        NO_FLOORS,
        "money ada.eur food cash 10\n money bo.eur rent cash 10\n promise food 10 d1\n missing food cash 4\n hand food cash 6 d1\n hand food cash 1 d1",
        "floors",
        6,
    ),
    "more taken from a place than it holds": (
        NO_FLOORS,
        "money ada.eur food cash 10\n carry bank cash 1",
        "never_below_zero",
        2,
    ),
    "a wrong last step of a chain": (
        NO_FLOORS,
        "money ada.eur food cash 10\n m: move food rent 5\n correct m + move food rent 11",
        "floors",
        4,
    ),
    "corrected twice": (ANY_CORRECTION, "g: give ada pot 60\n correct g\n correct g", "corrected_once", 3),
    "a correction corrected": (
        ANY_CORRECTION,
        "g: give ada pot 60\n c: correct g\n correct c",
        "corrected_once",
        3,
    ),
    "an entry of a draw corrected beside it": (
        ANY_CORRECTION,
        "p: promise pot 60 d1\n correct p",
        "corrections_mirror",
        2,
    ),
    "the clock stands still": (
        ("_apply", wrong_stamp),
        "give ada pot 60\n give ada pot 60",
        "recorded_at",
        2,
    ),
    "wrong balances written down": (("_apply", wrong_balance), "give ada pot 60", "running_balances", 1),
    "days not counted": (("_count", lambda books, entries: None), "give ada pot 60", "account_days", 0),
}


@pytest.mark.parametrize(("guard", "table", "check", "seq"), MUTANTS.values(), ids=MUTANTS)
def test_a_missing_guard_is_noticed(
    guard: Guard, table: str, check: str, seq: int, monkeypatch: pytest.MonkeyPatch
):
    stage = Stage()
    stage.names["garden"].floor = -60
    monkeypatch.setattr(Books, "_apply_right", Books._apply, raising=False)
    monkeypatch.setattr(Books, *guard)

    for line in table.split("\n"):
        stage.happen(line.strip())

    found = {finding.check: finding.seq for finding in stage.findings()}
    assert found[check] == seq, found


def test_the_same_tables_are_refused_with_every_guard_in_place():
    for name, (guard, table, _, _) in MUTANTS.items():
        stage = Stage()
        stage.names["garden"].floor = -60
        *before, last = (line.strip() for line in table.split("\n"))
        for line in before:
            stage.happen(line)

        if guard in (NO_FLOORS, ANY_CORRECTION):
            stage.refused(last)
        else:
            stage.happen(last)

        assert stage.findings() == [], name


def test_money_without_a_place_is_noticed(monkeypatch: pytest.MonkeyPatch):
    stage = Stage()
    stage.happen("money ada.eur food cash 10")
    monkeypatch.setattr(Books, *NOT_BACKED)
    drafts = [
        stage.make(EntryKind.MONEY_IN, (Transfer("EUR", stage.number("ada.eur"), stage.number("food"), 5),)),
        stage.make(EntryKind.HELD_MOVE, (Transfer("EUR", stage.number("bank"), stage.number("ada.eur"), 5),)),
    ]

    for draft in drafts:
        entries = stage.books.post([draft], stage.books.recorded_at)
        assert isinstance(entries, tuple)
        stage.entries.extend(entries)

    assert [finding[:2] for finding in stage.findings()] == [("custody", 2)]


CORRECTIONS = {
    "a smaller amount": lambda draft, n: draft._replace(
        transfers=tuple(t._replace(amount=t.amount - 1) for t in draft.transfers)
    ),
    "the other way round": lambda draft, n: draft._replace(
        transfers=tuple(t._replace(debit=t.credit, credit=t.debit) for t in draft.transfers)
    ),
    "somebody else": lambda draft, n: draft._replace(
        transfers=tuple(
            t._replace(credit=n("bo.eur") if t.credit == n("ada.eur") else t.credit) for t in draft.transfers
        )
    ),
    "a part only": lambda draft, n: draft._replace(reversal_legs=1),
    "another kind": lambda draft, n: draft._replace(kind=EntryKind.MONEY_RETURNED),
}


@pytest.mark.parametrize("change", CORRECTIONS.values(), ids=CORRECTIONS)
def test_a_correction_that_is_no_mirror_is_noticed(change, monkeypatch: pytest.MonkeyPatch):
    stage = Stage()
    stage.happen("m: money ada.eur food cash 10")
    draft, _ = stage.draft(["correct", "m"])
    monkeypatch.setattr(Books, *ANY_CORRECTION)

    entries = stage.books.post([change(draft, stage.number)], stage.books.recorded_at)

    assert isinstance(entries, tuple)
    stage.entries.extend(entries)
    assert ("corrections_mirror", 2) in [finding[:2] for finding in stage.findings()]
