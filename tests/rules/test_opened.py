"""What records say of the accounts that they open, and which of it a whole-book check does not take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from timebank.ledger.canonical import canonical
from timebank.ledger.checks import AccountRow, RecordRow
from timebank.rules.audit import BookAudit, GroupFrame, PlaceRow, PotRow, Published
from timebank.rules.set_up import OpenedAccount, opened_accounts

POT, PROMISED, SHARED, CASH, ADA, FLO = 11, 12, 13, 14, 21, 22
BOOK_ID = bytes(range(16))

OPENED = {
    "genesis": [
        OpenedAccount(POT, "pot", "EUR", "money", 0),
        OpenedAccount(PROMISED, "promised", "EUR", "money", 0),
        OpenedAccount(SHARED, "shared", "EUR", "money"),
        OpenedAccount(CASH, "held", "EUR", "eur-cash-1", 0),
        *(
            OpenedAccount(30 + place, kind, unit)
            for place, (kind, unit) in enumerate(
                (kind, unit)
                for unit in ("minutes", "EUR")
                for kind in ("outside", "opening", "adjustment", "custody")
                if (kind, unit) != ("custody", "minutes")
            )
        ),
    ],
    "joined": [OpenedAccount(FLO, "member", "EUR"), OpenedAccount(ADA, "member", "minutes")],
}

Records = list[tuple[str, dict[str, Any]]]


def a_book() -> Records:
    """Return the first two records of a group, as they are written."""
    genesis = {"book": BOOK_ID.hex(), "origin": "bank.example/g/riverside", "began_on": "2026-01-01"}
    return [
        ("genesis", {**genesis, "accounts": opened_accounts(OPENED["genesis"])}),
        ("joined", {"accounts": opened_accounts(OPENED["joined"])}),
    ]


def findings(records: Records) -> dict[str, int]:
    """Return the number of the record that each check names, when these records lead to that set-up."""
    accounts = [
        AccountRow(
            one.number, one.kind, one.unit, POT if one.owner == "money" else 0, one.floor, 0, 0, 0, 0, False
        )
        for opened in OPENED.values()
        for one in opened
    ]
    frame = GroupFrame(
        book_id=BOOK_ID,
        origin="bank.example/g/riverside",
        began_on=date(2026, 1, 1),
        preset="open",
        epoch=1,
        accounts=accounts,
        pots=[PotRow("money", "EUR", POT, PROMISED, SHARED)],
        places=[PlaceRow("cash", 1, "EUR", CASH)],
        ties={ADA: "minutes", FLO: "EUR"},
        all_opened=True,
    )
    audit = BookAudit(frame, Published([], [], {}, {}, {}, []))
    audit.feed(
        [
            RecordRow(seq, kind, canonical({**fields, "kind": kind}), b"", b"")
            for seq, (kind, fields) in enumerate(records, start=1)
        ],
        [],
        [],
    )
    return {finding.check: finding.seq for finding in audit.finish()}


def test_what_is_opened_is_written_by_number_and_without_what_it_has_not() -> None:
    assert opened_accounts(OPENED["joined"]) == [
        {"kind": "member", "number": ADA, "unit": "minutes"},
        {"kind": "member", "number": FLO, "unit": "EUR"},
    ]
    assert opened_accounts([OpenedAccount(POT, "pot", "EUR", "money", 0)]) == [
        {"floor": 0, "kind": "pot", "number": POT, "owner": "money", "unit": "EUR"}
    ]


def test_a_book_whose_records_opened_every_account_is_whole() -> None:
    assert findings(a_book()) == {}


def change(record: int, account: int, **fields: Any) -> Callable[[Records], None]:
    """Return what changes one account of one record; ``...`` leaves a field out."""

    def run(records: Records) -> None:
        accounts = records[record][1]["accounts"]
        changed = {**accounts[account], **fields}
        accounts[account] = {name: value for name, value in changed.items() if value is not ...}

    return run


def swapped(records: Records) -> None:
    records[1][1]["accounts"].reverse()


#: What somebody with the key could write into the records, and the check and record that name it.
WRONGS: dict[str, tuple[Callable[[Records], Any], str, int]] = {
    "another floor": (change(0, 0, floor=-1), "opened", 1),
    "no floor": (change(0, 0, floor=...), "opened", 1),
    "another owner": (change(0, 0, owner="hours"), "opened", 1),
    "no owner": (change(0, 2, owner=...), "opened", 1),
    "another place": (change(0, 3, owner="eur-cash-2"), "opened", 0),
    "another unit": (change(0, 4, unit="EUR"), "opened", 1),
    "another number": (change(0, 4, number=29), "opened", 1),
    "a number that is a word": (change(0, 4, number="30"), "opened", 1),
    "a number that is true": (change(0, 4, number=True), "opened", 1),
    "a floor that is a word": (change(0, 0, floor="0"), "opened", 1),
    "a kind that is a number": (change(0, 4, kind=5), "opened", 1),
    "more than an account has": (change(1, 0, nickname="Ada"), "opened", 2),
    "a member's floor": (change(1, 0, floor=0), "opened", 2),
    "whose it is": (change(1, 0, owner="ada"), "opened", 2),
    "an account that is none": (lambda records: records[1][1]["accounts"].append(23), "opened", 2),
    "no list of accounts": (lambda records: records[1][1].update(accounts="none"), "opened", 2),
    "nothing of accounts": (lambda records: records[1][1].clear(), "opened", 2),
    "an order that tells who is who": (swapped, "opened", 2),
    "the same accounts again": (lambda records: records.append(records[1]), "opened", 3),
    "an account of the group by joining": (
        lambda records: records[1][1]["accounts"].append({"kind": "outside", "number": 40, "unit": "USD"}),
        "opened",
        2,
    ),
    "an account of a member at the beginning": (
        lambda records: records[0][1]["accounts"].append({"kind": "member", "number": 40, "unit": "EUR"}),
        "opened",
        1,
    ),
    "members who never joined": (lambda records: records.pop(), "opened", 0),
    "no beginning": (lambda records: records.pop(0), "genesis", 1),
    "a second beginning": (lambda records: records.append(records[0]), "genesis", 3),
    "a beginning that comes later": (lambda records: records.reverse(), "genesis", 2),
    "another first day": (lambda records: records[0][1].update(began_on="2026-01-02"), "genesis", 1),
    "another origin": (lambda records: records[0][1].update(origin="other.example"), "genesis", 1),
    "another book": (lambda records: records[0][1].update(book="00"), "genesis", 1),
}


@pytest.mark.parametrize("what", WRONGS)
def test_records_that_open_accounts_otherwise_are_named(what: str) -> None:
    wrong, check, seq = WRONGS[what]
    records = a_book()

    wrong(records)

    assert findings(records).get(check) == seq, findings(records)
