"""A book as an auditor from outside reads it: accounts have names, and people have none.

A member's account is ``m0001`` by its first appearance in the book, which is the same in every
part of it and wherever it is kept. Accounts of one person in several units are numbered each
for itself: what ties them together is personal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import Transfer

_LETTERS: Final = {AccountKind.MEMBER: "m", AccountKind.EXCHANGE: "x"}
_OF_POTS: Final = (AccountKind.POT, AccountKind.PROMISED, AccountKind.SHARED)


class BookAccount(NamedTuple):
    """An account as the book knows it; ``owner`` is the code of its pot or held place, else empty."""

    account_id: int
    kind: str
    unit: str
    owner: str = ""


class JournalAccount(NamedTuple):
    """An account as a journal names it: ``("assets", "held", "cash-box")``, and the unit that it keeps."""

    name: tuple[str, ...]
    unit: str


class JournalEntry(NamedTuple):
    """An entry as a journal tells it; ``corrects`` is the id of the entry that it takes back, if any."""

    entry_id: UUID
    kind: str
    category: str
    effective_on: date
    draw_id: UUID | None
    corrects: UUID | None
    transfers: tuple[Transfer, ...]


def name_accounts(accounts: Iterable[BookAccount], first_seen: Sequence[int]) -> dict[int, JournalAccount]:
    """Return the name of each account in a journal; accounts of members that nothing ever touched have none.

    Args:
        accounts: All of the book.
        first_seen: Numbers of the members' accounts in the order in which the book first names them.
    """
    by_number = {account.account_id: account for account in accounts}
    named = {
        account.account_id: JournalAccount(_name(account), account.unit)
        for account in by_number.values()
        if account.kind not in _LETTERS
    }
    counts: Counter[str] = Counter()
    for number in first_seen:
        account = by_number[number]
        counts[account.kind] += 1
        letter = _LETTERS[AccountKind(account.kind)]
        named[number] = JournalAccount(
            ("equity", account.kind, f"{letter}{counts[account.kind]:04}"), account.unit
        )
    return named


def _name(account: BookAccount) -> tuple[str, ...]:
    kind = AccountKind(account.kind)
    if kind is AccountKind.HELD:
        return ("assets", "held", account.owner)
    if kind in _OF_POTS:
        return ("equity", kind.value, account.owner)
    return ("equity", kind.value)
