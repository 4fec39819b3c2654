"""A book on its way from one place to another: names for its accounts, and the sums that must come out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from timebank.errors import N_, FieldInvalid, Refusal, UnknownAccount, UnknownDraw
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import OF_DRAWS, EntryKind
from timebank.ledger.units import MINUTES, is_money
from timebank.rules.audit import MOVES
from timebank.rules.journal import BookAccount

Key = tuple[str, str]
"""An account of an archive: its name, such as ``pot:hours`` or ``member:3``, and its unit."""

MOVES_OTHERWISE: Final = N_("no entry of this kind moves between such accounts")
NOT_BACKED: Final = N_("money moves between pots and not between the places where it lies")
NOT_A_CORRECTION: Final = N_("what it takes back and what it corrects do not fit")
NOT_A_CHAIN: Final = N_("it does not come right after the entry that it is judged with")
OTHER_DRAW: Final = N_("an entry of this kind belongs to an ask, and others do not")

_OF_OWNERS: Final = frozenset({"pot", "promised", "shared", "held"})
_OF_MEMBERS: Final = frozenset({"member", "exchange"})
_BACKED: Final[Mapping[str, int]] = {
    AccountKind.POT: 1,
    AccountKind.PROMISED: 1,
    AccountKind.CUSTODY: -1,
}


def name_accounts(
    accounts: Iterable[BookAccount], members: Mapping[int, int], nobodys: Sequence[int]
) -> dict[int, str]:
    """Return the name of every account in an archive.

    Args:
        accounts: All of the book.
        members: The number of the member whom each account of a person is tied to.
        nobodys: Accounts of people who were erased, in the order in which the book first names
            them; each is numbered for itself, after all members.
    """
    numbers = dict(members)
    first = max(members.values(), default=0) + 1
    numbers |= {account: first + place for place, account in enumerate(nobodys)}
    return {account.account_id: _name(account, numbers) for account in accounts}


def _name(account: BookAccount, numbers: Mapping[int, int]) -> str:
    if account.kind in _OF_OWNERS:
        return f"{account.kind}:{account.owner}"
    if account.kind in _OF_MEMBERS:
        return f"{account.kind}:{numbers[account.account_id]}"
    return account.kind


def kind_of(name: str) -> str:
    """Return the kind of an account by its name in an archive."""
    return name.partition(":")[0]


def owner_of(name: str) -> str:
    """Return the code or the number behind the kind; empty for the group's own accounts."""
    return name.partition(":")[2]


def names_of_group(
    pots: Iterable[tuple[str, str]], places: Iterable[tuple[str, str]], units: Iterable[str]
) -> set[Key]:
    """Return the accounts that a group has whoever is in it.

    Args:
        pots, places: (code, unit) of each.
        units: What the group counts, minutes among it.
    """
    keys = {(f"{kind}:{code}", unit) for code, unit in pots for kind in ("pot", "promised", "shared")}
    keys |= {(f"held:{code}", unit) for code, unit in places}
    for unit in units:
        keys |= {(kind, unit) for kind in ("outside", "opening", "adjustment")}
        if unit != MINUTES:
            keys.add(("custody", unit))
    return keys


class Moved(NamedTuple):
    """One transfer between accounts by their names."""

    unit: str
    debit: str
    credit: str
    amount: int


class Told(NamedTuple):
    """An entry by names, as far as its own sense can be judged without a book."""

    entry_id: UUID
    kind: EntryKind
    draw_id: UUID | None
    corrects: UUID | None
    reversal_legs: int
    chain: UUID | None
    transfers: Sequence[Moved]


class Sums:
    """Adds an archived book up, entry by entry, and says what no book could contain.

    What only a book can judge, such as floors and mirrors, is left to it.

    Args:
        accounts: All there are.
        draws: All asks.

    Attributes:
        turnover: By account: debits, credits, reversal debits, reversal credits.
        left: By ask: what is promised and neither handed over nor given back.
    """

    def __init__(self, accounts: Iterable[Key], draws: Iterable[UUID]) -> None:
        self.turnover: dict[Key, list[int]] = {key: [0, 0, 0, 0] for key in accounts}
        self.left: dict[UUID, int] = dict.fromkeys(draws, 0)
        self._chain: UUID | None = None

    def add(self, told: Told) -> Refusal | None:
        """Take the next entry of the book, or say what is wrong with it."""
        refusal = self._sense(told)
        if refusal is not None:
            return refusal
        if told.chain is None:
            self._chain = told.entry_id
        left = 0
        for place, (unit, debit, credit, amount) in enumerate(told.transfers):
            source = self.turnover.get((debit, unit))
            target = self.turnover.get((credit, unit))
            if source is None or target is None:
                return UnknownAccount()
            source[0] += amount
            target[1] += amount
            if place < told.reversal_legs:
                source[2] += amount
                target[3] += amount
            left += amount * ((kind_of(credit) == "promised") - (kind_of(debit) == "promised"))
        if told.draw_id is not None:
            self.left[told.draw_id] += left
        return None

    def _sense(self, told: Told) -> Refusal | None:
        if told.chain is not None and told.chain != self._chain:
            return FieldInvalid(field="with", why=NOT_A_CHAIN)
        if told.draw_id is not None and told.draw_id not in self.left:
            return UnknownDraw()
        if told.kind in OF_DRAWS and told.draw_id is None:
            return FieldInvalid(field="draw", why=OTHER_DRAW)
        takes_back = told.kind is EntryKind.CORRECTION or told.corrects is not None
        if (
            takes_back != (told.corrects is not None)
            or takes_back != (told.reversal_legs > 0)
            or told.reversal_legs > len(told.transfers)
        ):
            return FieldInvalid(field="reversal_legs", why=NOT_A_CORRECTION)
        # A correction is the mirror of an entry that made sense: the book compares the two.
        if told.kind is EntryKind.CORRECTION:
            return None
        allowed = MOVES[told.kind]
        if any((kind_of(t.debit), kind_of(t.credit)) not in allowed for t in told.transfers):
            return FieldInvalid(field="kind", why=MOVES_OTHERWISE)
        gap = sum(
            t.amount * (_BACKED.get(kind_of(t.credit), 0) - _BACKED.get(kind_of(t.debit), 0))
            for t in told.transfers
            if is_money(t.unit)
        )
        return FieldInvalid(field="kind", why=NOT_BACKED) if gap else None
