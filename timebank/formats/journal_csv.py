"""The book as a sheet: one line a transfer, for whoever reads books in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import ClassVar, Final

from timebank.formats.formulas import defused
from timebank.formats.journal import CLOSING_CODE, OPENING_CODE, BookWriter, Posting, one_line, written
from timebank.ledger.units import MINUTES
from timebank.rules.journal import JournalEntry

COLUMNS: Final = (
    "date", "entry", "kind", "category", "draw", "corrects", "debit", "credit", "hours", "amount", "currency",
    "note",
)  # fmt: skip
TOTAL: Final = "total"
_BOM: Final = "\ufeff"


class SheetWriter(BookWriter):
    """Writes RFC 4180 with a byte order mark: transfers, then every balance, then what each unit adds up to.

    A balance has its account under ``debit`` or under ``credit``, and no sign.
    """

    dialect: ClassVar[str] = "csv"

    def begin(self) -> str:
        """Return the header, and the balances brought forward."""
        journal = self.journal
        rows: list[Sequence[object]] = [COLUMNS]
        if journal.opening:
            assert journal.first is not None, "before the beginning there is nothing"
            self.last_day = journal.first - timedelta(days=1)
            rows += self._sides(self.last_day, OPENING_CODE, self._balances(journal.opening))
        return _BOM + _csv(rows)

    def transaction(self, entry: JournalEntry) -> str:
        """Return one entry, a line for each transfer."""
        assert entry.effective_on >= self.last_day, "entries come in order of their days"
        self.last_day = entry.effective_on
        rows = []
        for unit, debit, credit, amount in entry.transfers:
            self._moved[unit] += amount
            rows.append(
                (
                    entry.effective_on,
                    entry.entry_id,
                    entry.kind,
                    defused(entry.category),
                    entry.draw_id or "",
                    entry.corrects or "",
                    self._names[debit],
                    self._names[credit],
                    *self._quantity(amount, unit),
                    "",
                )
            )
        self._entries += 1
        self._postings += len(rows)
        return _csv(rows)

    def end(self) -> str:
        """Return every balance as the book keeps it, and how much was moved in each unit, with the cut."""
        journal = self.journal
        closing = {number: journal.closing.get(number, 0) for number in journal.accounts}
        rows = self._sides(self.last_day, CLOSING_CODE, self._balances(closing))
        note = f"lines={self._postings}; cut={one_line(journal.cut)}"
        for unit in journal.digits:
            rows.append((TOTAL, *[""] * 7, *self._quantity(self._moved[unit], unit), note))
        return _csv(rows)

    def spelled(self, name: tuple[str, ...]) -> str:
        """Return the name of an account, as in the other journals."""
        return ":".join(name)

    def _sides(self, day: date, kind: str, balances: Iterable[Posting]) -> list[Sequence[object]]:
        rows: list[Sequence[object]] = []
        for account, amount, unit in balances:
            sides = (account, "") if amount >= 0 else ("", account)
            rows.append((day, "", kind, "", "", "", *sides, *self._quantity(abs(amount), unit), ""))
        return rows

    def _quantity(self, amount: int, unit: str) -> tuple[str, str, str]:
        if unit == MINUTES:
            hours, minutes = divmod(amount, 60)
            return f"{hours}:{minutes:02}", "", ""
        return "", written(amount, self.journal.digits[unit]), unit


def _csv(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()
