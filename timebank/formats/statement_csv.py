"""A member's own rows as a sheet: RFC 4180, with a byte order mark so that spreadsheets read UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from timebank.formats.formulas import defused
from timebank.formats.journal import written
from timebank.ledger.units import MINUTES

COLUMNS: Final = (
    "date", "what", "kind", "hours", "amount", "currency", "category", "state", "pot", "note",
)  # fmt: skip

#: What stands in the place of a day in the closing lines, as in our other sheets.
TOTAL: Final = "total"
_BOM: Final = "\ufeff"
_LINES_A_CHUNK: Final = 500


class StatementLine(NamedTuple):
    """One row; ``what`` and ``kind`` as the API has them, ``amount`` in ``unit`` and above zero."""

    day: date
    what: str
    kind: str
    unit: str
    amount: int
    category: str
    state: str
    pot: str
    note: str


class StatementSum(NamedTuple):
    """What some lines add up to; ``what`` is given or received, and there is no difference of the two."""

    what: str
    unit: str
    amount: int
    lines: int


def write_statement(
    lines: Sequence[StatementLine],
    sums: Iterable[StatementSum],
    *,
    digits: Mapping[str, int],
    taken_at: datetime,
) -> Iterator[str]:
    """Yield the sheet in pieces: a header, the lines in their order, closing lines with what they add up to.

    Args:
        digits: Digits after the point by unit.
        taken_at: The moment of which the lines are all there were; every closing line names it.
    """
    out = io.StringIO(newline="")
    sheet = csv.writer(out)
    out.write(_BOM)
    sheet.writerow(COLUMNS)
    for number, line in enumerate(lines, 1):
        hours, amount, currency = _quantity(line.amount, line.unit, digits)
        words = map(defused, (line.category, line.state, line.pot, line.note))
        sheet.writerow((line.day, line.what, line.kind, hours, amount, currency, *words))
        if number % _LINES_A_CHUNK == 0:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    cut = f"cut={taken_at.isoformat(timespec='seconds')}"
    for what, unit, total, counted in sums:
        quantity = _quantity(total, unit, digits)
        sheet.writerow((TOTAL, what, "", *quantity, "", "", "", f"lines={counted}; {cut}"))
    sheet.writerow((TOTAL, "all", *[""] * 7, f"lines={len(lines)}; {cut}"))
    yield out.getvalue()


def _quantity(amount: int, unit: str, digits: Mapping[str, int]) -> tuple[str, str, str]:
    """Return (hours, amount, currency), of which one or two stay empty."""
    if unit == MINUTES:
        hours, minutes = divmod(amount, 60)
        return f"{hours}:{minutes:02}", "", ""
    return "", written(amount, digits[unit]), unit
