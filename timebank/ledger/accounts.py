"""Accounts: the only thing in the core that changes, and only by adding."""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class AccountKind(StrEnum):
    """What an account stands for; the posting table in ``posting`` shows which moves against which."""

    POT = "pot"
    PROMISED = "promised"
    SHARED = "shared"
    MEMBER = "member"
    EXCHANGE = "exchange"
    OUTSIDE = "outside"
    CUSTODY = "custody"
    HELD = "held"
    OPENING = "opening"
    ADJUSTMENT = "adjustment"


class Account:
    """One account of a group in one unit, with its gross turnover.

    Attributes:
        account_id: Random number from 1 to 2^53 - 1; says nothing about whose it is.
        kind: What it stands for.
        unit: Code of the unit that it keeps.
        pot_account: For pot, promised and shared the number of the pot's own account; else 0.
        floor: Lowest balance that a decision may leave, or None. Promised and held accounts
            always have the floor 0, and for them it binds facts too.
        closed: Whether it takes no more entries but corrections of those it has.
        debits: Sum of all that was taken from it, from 0 to 2^53 - 1.
        credits: Sum of all that was put into it, same range.
        reversal_debits: The part of ``debits`` that corrections put there.
        reversal_credits: The part of ``credits`` that corrections put there.
    """

    __slots__ = (
        "account_id",
        "closed",
        "credits",
        "debits",
        "floor",
        "kind",
        "pot_account",
        "reversal_credits",
        "reversal_debits",
        "unit",
    )

    def __init__(
        self,
        account_id: int,
        kind: AccountKind | str,
        unit: str,
        pot_account: int = 0,
        floor: int | None = None,
        *,
        closed: bool = False,
        debits: int = 0,
        credits: int = 0,  # noqa: A002 - the word of the trade
        reversal_debits: int = 0,
        reversal_credits: int = 0,
    ) -> None:
        self.account_id = account_id
        self.kind = AccountKind(kind)
        self.unit = unit
        self.pot_account = pot_account
        self.floor = 0 if kind in (AccountKind.PROMISED, AccountKind.HELD) else floor
        self.closed = closed
        self.debits = debits
        self.credits = credits
        self.reversal_debits = reversal_debits
        self.reversal_credits = reversal_credits

    @property
    def net(self) -> int:
        """Credits - debits: the balance of every kind but ``held``."""
        return self.credits - self.debits

    @property
    def balance(self) -> int:
        """What people call its balance: debits - credits of a held place, credits - debits of the rest."""
        if self.kind is AccountKind.HELD:
            return self.debits - self.credits
        return self.credits - self.debits

    @property
    def given(self) -> int:
        """What came from here, without what was corrected away; for members, outside and exchange."""
        return self.debits - self.reversal_debits - self.reversal_credits

    @property
    def received(self) -> int:
        """What went to here, without what was corrected away; for shared (drawn) and exchange."""
        return self.credits - self.reversal_debits - self.reversal_credits

    def __repr__(self) -> str:
        return f"<{self.kind} {self.account_id} {self.unit} {self.balance}>"
