"""Journals for beancount, which counts exactly as long as it is told to tolerate nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import ClassVar

from timebank.formats.journal import (
    CLOSING_WORDS,
    KIND_WORDS,
    OPENING_CODE,
    OPENING_WORDS,
    JournalWriter,
    Posting,
    commodity,
    one_line,
)
from timebank.rules.journal import JournalEntry


class BeancountWriter(JournalWriter):
    """Writes a journal that ``bean-check`` accepts, with a ``balance`` for every account at its end."""

    dialect: ClassVar[str] = "beancount"

    def spelled(self, name: tuple[str, ...]) -> str:
        """Return the name with every part capitalised; parts are small letters, digits and hyphens."""
        # Not str.capitalize(): only the first letter changes, so that no two names become one.
        return ":".join(part[:1].upper() + part[1:] for part in name)

    def declarations(self) -> list[str]:
        """Return options, and what is opened before the first transaction."""
        day = self.journal.opens_on
        return [
            f'option "title" {_quoted(one_line(self.journal.name))}',
            'option "inferred_tolerance_default" "*:0"',
            "",
            *(f"{day} commodity {commodity(unit)}" for unit in self.journal.digits),
            "",
            *(f"{day} open {account:<40}  {','.join(units)}" for account, units in self.accounts()),
        ]

    def opening(self, day: date, balances: Sequence[Posting]) -> list[str]:
        """Return the transaction of the kind ``opening-balances``."""
        return [
            f'{day} * "{OPENING_WORDS}"',
            f'  kind: "{OPENING_CODE}"',
            *(self._line(posting) for posting in balances),
        ]

    def entry(self, entry: JournalEntry, postings: Sequence[Posting]) -> list[str]:
        """Return a transaction with the entry's id as metadata."""
        said = {
            "entry": str(entry.entry_id),
            "kind": entry.kind,
            "category": entry.category,
            "draw": str(entry.draw_id or ""),
            "corrects": str(entry.corrects or ""),
        }
        return [
            f'{entry.effective_on} * "{KIND_WORDS[entry.kind]}"',
            *(f"  {key}: {_quoted(value)}" for key, value in said.items() if value),
            *(self._line(posting) for posting in postings),
        ]

    def closing(self, day: date, balances: Sequence[Posting]) -> list[str]:
        """Return balances of the day after, which beancount compares at its start.

        Each says that nothing is tolerated: of its own beancount lets one coin more or less pass.
        """
        after = day + timedelta(days=1)
        return [
            f"; {CLOSING_WORDS}",
            *(
                f"{after} balance {account:<40}  {self._exactly(amount, unit):>16}"
                for account, amount, unit in balances
            ),
        ]

    def _exactly(self, amount: int, unit: str) -> str:
        number, _, name = self.amount(amount, unit).partition(" ")
        return f"{number} ~ 0 {name}"

    def _line(self, posting: Posting) -> str:
        return f"  {posting.account:<40}  {self.amount(posting.amount, posting.unit):>16}"


def _quoted(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
