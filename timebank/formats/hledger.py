"""Journals for hledger; the same file reads in ledger, which fixes some of its form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Final

from timebank.formats.journal import (
    CLOSING_CODE,
    CLOSING_WORDS,
    KIND_WORDS,
    OPENING_CODE,
    OPENING_WORDS,
    JournalWriter,
    Posting,
    commodity,
    percent_encoded,
)
from timebank.rules.journal import JournalEntry

#: Signs that end a tag's value or begin something else in a comment: another tag, a date, a comment.
_NOT_IN_TAGS: Final = ',:;[]"'
_TYPES: Final = {"assets": "Asset", "equity": "Equity"}
_TAGS: Final = ("kind", "category", "draw", "corrects")


class HledgerWriter(JournalWriter):
    """Writes a journal that ``hledger check -s`` accepts and whose last transaction checks the balances."""

    dialect: ClassVar[str] = "hledger"

    def spelled(self, name: tuple[str, ...]) -> str:
        """Return the name with colons."""
        return ":".join(name)

    def declarations(self) -> list[str]:
        """Return directives: ledger takes comments on lines of their own only, hledger takes both."""
        lines = []
        for unit, digits in self.journal.digits.items():
            lines.append(f"commodity {commodity(unit)}")
            if digits:
                # With a point, so that nobody takes it for a sign between thousands.
                lines.append(f"    format 1000.{'0' * digits} {commodity(unit)}")
        lines += ["", *(f"tag {tag}" for tag in _TAGS), ""]
        for account, _ in self.accounts():
            lines += [f"account {account}", f"    ; type: {_TYPES[account.partition(':')[0]]}"]
        return lines

    def opening(self, day: date, balances: Sequence[Posting]) -> list[str]:
        """Return the transaction with the code ``opening-balances``."""
        return [
            f"{day} * ({OPENING_CODE}) {OPENING_WORDS}",
            f"    ; kind: {OPENING_CODE}",
            *(self._line(posting) for posting in balances),
        ]

    def entry(self, entry: JournalEntry, postings: Sequence[Posting]) -> list[str]:
        """Return a transaction whose code is the entry's id; each tag has a line of its own."""
        said = (entry.kind, percent_encoded(entry.category, _NOT_IN_TAGS), entry.draw_id, entry.corrects)
        return [
            f"{entry.effective_on} * ({entry.entry_id}) {KIND_WORDS[entry.kind]}",
            *(f"    ; {tag}: {value}" for tag, value in zip(_TAGS, said, strict=True) if value),
            *(self._line(posting) for posting in postings),
        ]

    def closing(self, day: date, balances: Sequence[Posting]) -> list[str]:
        """Return a transaction of nothing that asserts every balance.

        At the very end: ledger checks assertions in the order of the file, hledger in that of days.
        """
        return [
            f"{day} * ({CLOSING_CODE}) {CLOSING_WORDS}",
            f"    ; kind: {CLOSING_CODE}",
            *(
                f"{self._line(Posting(account, 0, unit))} = {self.amount(amount, unit)}"
                for account, amount, unit in balances
            ),
        ]

    def _line(self, posting: Posting) -> str:
        return f"    {posting.account:<40}  {self.amount(posting.amount, posting.unit):>16}"
