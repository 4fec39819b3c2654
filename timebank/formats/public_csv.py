"""The published lines as a sheet for whoever has no program: RFC 4180, with a byte order mark, newest page first."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import date
from typing import Final, NamedTuple

from timebank.formats.formulas import defused
from timebank.formats.journal import written
from timebank.formats.statement_csv import TOTAL
from timebank.ledger.units import MINUTES

COLUMNS: Final = (
    "page", "first_day", "last_day", "day", "late", "kind", "category", "pot",
    "hours_in", "hours_out", "hours_promised", "amount_in", "amount_out", "amount_promised", "currency", "line",
)  # fmt: skip

_BOM: Final = "\ufeff"
_ROWS_A_CHUNK: Final = 500
#: What stands before the quantities in a closing row: it is of no day and no kind.
_NO_DAYS: Final = ("",) * 6


class PublicRow(NamedTuple):
    """What one published line did to one pot, or a total that was published without lines (``line`` is empty).

    Attributes:
        page: Number of the period that published it.
        day: None where the group does not publish days.
        came_in, went_out, promised: In ``unit``, 0 and up; what a line promises moves nothing in or out.
    """

    page: int
    first_day: date
    last_day: date
    day: date | None
    late: bool
    kind: str
    category: str
    pot: str
    unit: str
    came_in: int
    went_out: int
    promised: int
    line: str


async def write_public_sheet(
    rows: AsyncIterator[PublicRow], *, digits: Mapping[str, int], cut: str
) -> AsyncGenerator[bytes]:
    """Yield the sheet in pieces: a header, the rows, closing rows with what came in and went out by pot.

    Args:
        digits: Digits after the point by unit.
        cut: Up to where it goes; the last row names it, so that a part of a sheet is not taken for the whole.
    """
    out = io.StringIO(newline="")
    sheet = csv.writer(out)
    out.write(_BOM)
    sheet.writerow(COLUMNS)
    sums: dict[tuple[str, str], list[int]] = {}
    count = 0
    async for row in rows:
        total = sums.setdefault((row.pot, row.unit), [0, 0])
        total[0] += row.came_in
        total[1] += row.went_out
        count += 1
        sheet.writerow(_cells(row, digits))
        if count % _ROWS_A_CHUNK == 0:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    for (pot, unit), (came_in, went_out) in sorted(sums.items()):
        sheet.writerow((TOTAL, *_NO_DAYS, pot, *_quantities((came_in, went_out, 0), unit, digits), ""))
    sheet.writerow((TOTAL, *_NO_DAYS, "", *[""] * 7, f"rows={count}; {cut}"))
    yield out.getvalue().encode()


def _cells(row: PublicRow, digits: Mapping[str, int]) -> tuple[object, ...]:
    return (
        row.page,
        row.first_day,
        row.last_day,
        row.day or "",
        "late" if row.late else "",
        defused(row.kind),
        defused(row.category),
        defused(row.pot),
        *_quantities((row.came_in, row.went_out, row.promised), row.unit, digits),
        row.line,
    )


def _quantities(amounts: tuple[int, int, int], unit: str, digits: Mapping[str, int]) -> tuple[str, ...]:
    """Return hours in, out and promised, then amounts, then the currency; what is nought or of another kind is empty."""
    if unit == MINUTES:
        return (*(f"{a // 60}:{a % 60:02}" if a else "" for a in amounts), "", "", "", "")
    return ("", "", "", *(written(a, digits[unit]) if a else "" for a in amounts), defused(unit))
