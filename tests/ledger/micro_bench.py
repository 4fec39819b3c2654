"""How long the hot parts take, printed and never asserted: ``python -m tests.ledger.micro_bench``."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from datetime import date, timedelta
from time import perf_counter
from uuid import uuid4

from tests.ledger.notation import NOW, Rows
from timebank.ledger import posting
from timebank.ledger.accounts import Account, AccountKind
from timebank.ledger.books import Books
from timebank.ledger.canonical import entry_record, read_entry
from timebank.ledger.checks import check_book
from timebank.ledger.entries import Draft, Entry, EntryKind
from timebank.ledger.tree import Frontier, commitment, leaf_hash

ENTRIES, ROUNDS, BEGAN_ON = 5_000, 20, date(2024, 1, 1)


def books() -> Books:
    """Return the empty books of a group of 200 accounts."""
    accounts = {1: Account(1, AccountKind.POT, "minutes", 1)}
    accounts |= {n: Account(n, AccountKind.MEMBER, "minutes") for n in range(2, 201)}
    return Books(accounts, 0, NOW, BEGAN_ON, NOW.date(), {})


def drafts() -> list[list[Draft]]:
    """Return chains of one draft with one transfer each, over two years."""
    return [
        [
            Draft(
                uuid4(),
                EntryKind.HELP_GIVEN,
                "hours",
                posting.help_given(2 + n % 199, 1, 60),
                BEGAN_ON + timedelta(days=n * 700 // ENTRIES),
                2 + n % 199,
                "garden",
                (("hours", str(uuid4())),),
            )
        ]
        for n in range(ENTRIES)
    ]


def timed(what: str, each: int, work: Callable[[], object]) -> object:
    """Run a few rounds, print the best of them, and return what the last one gave."""
    best, result = float("inf"), None
    for _ in range(ROUNDS):
        start = perf_counter()
        result = work()
        best = min(best, perf_counter() - start)
    print(f"{what:32} {best / each * 1e6:6.2f} us")
    return result


def main() -> None:
    """Print a line for each hot part."""
    gc.disable()
    chains = drafts()

    def post() -> tuple[Books, list[Entry]]:
        fresh = books()
        return fresh, [fresh.post(chain, NOW)[0] for chain in chains]  # type: ignore[index]

    written, entries = timed("Books.post, one transfer", ENTRIES, post)  # type: ignore[misc]
    records = timed("entry_record", ENTRIES, lambda: [entry_record(entry) for entry in entries])
    timed("read_entry", ENTRIES, lambda: [read_entry(record) for record in records])  # type: ignore[attr-defined]
    book, salt = os.urandom(16), os.urandom(32)
    committed = timed(
        "commitment",
        ENTRIES,
        lambda: [commitment(book, salt, record) for record in records],  # type: ignore[attr-defined]
    )
    leaves = timed("leaf_hash", ENTRIES, lambda: list(map(leaf_hash, committed)))  # type: ignore[call-overload]

    def grow() -> None:
        frontier = Frontier()
        for leaf in leaves:  # type: ignore[attr-defined]
            frontier.append(leaf)

    timed("Frontier.append", ENTRIES, grow)
    rows = Rows(entries, written)
    found = timed(
        "check_book, an entry",
        ENTRIES,
        lambda: check_book(
            rows.head, rows.accounts, rows.records, rows.entries, rows.transfers, rows.days, corrected=()
        ),
    )
    assert found == []


if __name__ == "__main__":
    main()
