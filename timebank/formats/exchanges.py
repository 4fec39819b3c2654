"""hOurworld and Community Weaver: their lists of exchanges.

Source: the page "Exchange Record" of the Community Weaver 3 help, which says what an exchange holds:
provider, recipient, date of the service, description, category, hours, and when and from which ad it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from timebank.errors import N_, Refusal
from timebank.formats.cells import Cell, Lines, apart, same_person
from timebank.formats.columns import Column, Layout, Match
from timebank.rules.set_up import CATEGORY_MAX
from timebank.rules.sheets import HoursLine, Item, ReadOptions


class _Exchanges(Lines):
    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._provider = self.nickname("provider")
        self._recipient = self.nickname("recipient")
        self._date = self.day("date of service")
        self._description = self.note("description")
        self._category = self.words("category", length_max=CATEGORY_MAX)
        self._hours = self.minutes("hours")

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        provider, recipient = self._provider.of(cells), self._recipient.of(cells)
        apart(provider, recipient)
        return (
            HoursLine(
                line,
                self._date.of(cells),
                giver=provider,
                receiver=recipient,
                minutes=self._hours.of(cells),
                category=self._category.of(cells),
                note=self._description.of(cells),
            ),
        )

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        yield from same_person(self._provider, self._recipient, cells)


EXCHANGES: Final = Layout(
    name="exchanges",
    title=N_("Exchanges of hOurworld or Community Weaver"),
    columns=(
        Column(
            "provider",
            N_("Who gave the time."),
            needed=True,
            also=("provider name", "service provider", "service provider s name"),
        ),
        Column(
            "recipient",
            N_("Whom it reached."),
            needed=True,
            also=(
                "recipient name",
                "receiver name",
                "service recipient",
                "service recipient s name",
                "receiver",
            ),
        ),
        Column(
            "date of service",
            N_("The day it happened."),
            needed=True,
            also=("date", "service date", "date of the service"),
        ),
        Column("description", N_("What was done; it becomes the note."), also=("service description",)),
        Column("category", N_("What it was about."), also=("service category",)),
        Column(
            "hours",
            N_("How long it was."),
            needed=True,
            also=("hours exchanged", "number of hours", "number of hours exchanged"),
        ),
        Column(
            "recorded at",
            N_("Not taken over."),
            also=("recorded", "date recorded", "recorded on", "recorded date"),
        ),
        Column("source ad", N_("Not taken over."), also=("ad", "service ad", "source")),
    ),
    reader=_Exchanges,
    left_behind=(N_("When an exchange was recorded, and from which ad it came, stays behind."),),
)
