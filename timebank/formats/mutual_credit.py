"""mutual_credit of Drupal: the transactions that its import module takes and its sites export.

Source: ``import_transactions_form`` in ``extras/import/mcapi_import.module`` of drupalprojects/mutual_credit
(columns, states and their fallback) and the query in its README that makes such a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from timebank.errors import N_, Refusal
from timebank.formats.cells import Cell, Lines, apart, same_person, waived_day
from timebank.formats.columns import Column, Layout, Match, folded
from timebank.rules.names import plain_text
from timebank.rules.set_up import CATEGORY_MAX
from timebank.rules.sheets import HoursLine, Item, Passed, ReadOptions
from timebank.rules.written import read_moment_day

FINISHED: Final = frozenset({"", "1", "finished", "done", "completed"})
"""States that count, as ``folded`` has them; without a state a line is finished, as in the original."""

NEVER_FINISHED: Final = N_("it was never finished, or was undone")

# Of 1973 to 2286: shorter and longer numbers are days such as 20180130, or nothing known.
_UNIX_SECONDS: Final = re.compile(r"[0-9]{9,10}")


class _Transactions(Lines):
    """Whoever pays has received the help, and whoever is paid gave it."""

    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._finished = self.column("state", _is_finished, missing=True)
        self._payer = self.nickname("payer")
        self._payee = self.nickname("payee")
        # Quantities are written by a program, with a point.
        self._quantity = self.minutes("quantity", decimal=".")
        self._created = self.stamp("created", _moment_day)
        self._description = self.note("description")
        self._category = self.column("categories", _first_category, missing="")

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        if not self._finished.of(cells):
            return (Passed(line, NEVER_FINISHED),)
        payer, payee = self._payer.of(cells), self._payee.of(cells)
        apart(payee, payer)
        return (
            HoursLine(
                line,
                self._created.of(cells),
                giver=payee,
                receiver=payer,
                minutes=self._quantity.of(cells),
                category=self._category.of(cells),
                note=self._description.of(cells),
            ),
        )

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        yield from same_person(self._payer, self._payee, cells)


def _is_finished(text: str) -> bool:
    return folded(text) in FINISHED and "-" not in text


def _moment_day(text: str) -> date:
    if _UNIX_SECONDS.fullmatch(text.strip()):
        return datetime.fromtimestamp(int(text), tz=UTC).date()
    return read_moment_day(text)


def _first_category(text: str) -> str:
    first = next((part for part in text.split(",") if part and not part.isspace()), "")
    return plain_text(first, field="categories", length_max=CATEGORY_MAX) if first else ""


TRANSACTIONS: Final = Layout(
    name="mutual-credit",
    title=N_("Transactions of mutual_credit"),
    columns=(
        Column("xid", N_("Not taken over.")),
        Column("payer", N_("Who received help and paid for it."), needed=True),
        Column("payee", N_("Who gave help and was paid."), needed=True),
        Column("quantity", N_("How many hours it was."), needed=True),
        Column("created", N_("When it was written down."), needed=True),
        Column("type", N_("Not taken over.")),
        Column("state", N_("Whether it was finished.")),
        Column("description", N_("What it was about; it becomes the note.")),
        Column(
            "categories", N_("Words for it, with commas; the first one is taken over."), also=("category",)
        ),
    ),
    reader=_Transactions,
    left_behind=(
        N_(
            "Payments that were never finished stay behind, and all categories of a line but the first. "
            "Names are taken over as they are; e-mail addresses in their place would be seen as nicknames."
        ),
    ),
    waived=waived_day("created"),
)
