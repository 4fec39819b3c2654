"""Komunitin: the file of four columns with which somebody makes many transfers at once.

Source: ``parseTransfersFile`` in ``app/src/pages/transactions/CreateTransactionLoadFileBtn.vue`` of
komunitin/komunitin; it too takes a first line as a header if its last cell is no number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from timebank.errors import N_, FieldEmpty, Refusal
from timebank.formats.cells import Cell, Lines, apart, same_person
from timebank.formats.columns import Column, Layout, Match
from timebank.rules.sheets import Fault, HoursLine, Item, ReadOptions


class _Transfers(Lines):
    """Whoever pays has received the help, and whoever is paid gave it."""

    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._payer = self.nickname("payer")
        self._payee = self.nickname("payee")
        self._amount = self.minutes("amount")
        self._description = self.note("description")
        self._asked_for_day = False

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        payer, payee = self._payer.of(cells), self._payee.of(cells)
        minutes = self._amount.of(cells)
        apart(payee, payer)
        note = self._description.of(cells)
        if self.options.on is None:
            return tuple(self._ask_for_day(line))
        return (HoursLine(line, self.options.on, giver=payee, receiver=payer, minutes=minutes, note=note),)

    def explain(self, line: int, cells: Sequence[str]) -> Iterator[Item]:
        """Yield every fault of a line, and once that nobody said the day."""
        yield from self._ask_for_day(line)
        yield from super().explain(line, cells)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        yield from same_person(self._payer, self._payee, cells)

    def _ask_for_day(self, line: int) -> Iterator[Item]:
        if self.options.on is None and not self._asked_for_day:
            self._asked_for_day = True
            yield Fault(line, "date", FieldEmpty())


def has_header(cells: Sequence[str]) -> bool:
    """Say whether a first line names columns, in whatever language: its last cell has no digit.

    A number that cannot be read still has one, so that no line is lost as a header.
    """
    return not any(sign.isdigit() for sign in cells[-1])


TRANSFERS: Final = Layout(
    name="komunitin",
    title=N_("Transfers of Komunitin"),
    columns=(
        Column("payer", N_("Who received help and paid for it."), needed=True),
        Column("payee", N_("Who gave help and was paid."), needed=True),
        Column("description", N_("What it was about; it becomes the note."), needed=True),
        Column("amount", N_("How many hours it was."), needed=True),
    ),
    reader=_Transfers,
    left_behind=(N_("Files of this layout have no days: every line gets the day that you say."),),
    headless=True,
)
