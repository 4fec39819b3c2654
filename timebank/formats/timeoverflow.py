"""TimeOverflow: the member and transfer files that its administration page takes.

Source: ``UserImporter`` and ``TransferImporter`` in its repository, coopdevs/timeoverflow (``app/services``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from timebank.errors import (
    N_,
    AmountOutOfRange,
    DurationNotWhole,
    DurationUnreadable,
    FieldEmpty,
    FieldInvalid,
    ReferenceTwice,
    Refusal,
    SameAccountTwice,
)
from timebank.formats.cells import Cell, Lines, once, readable, waived_day
from timebank.formats.columns import Column, Layout, Match, folded
from timebank.ledger.units import AMOUNT_MAX, MINUTES
from timebank.rules.names import NICKNAME_MAX, plain_text
from timebank.rules.sheets import (
    HoursLine,
    Item,
    OpeningLine,
    Passed,
    PersonLine,
    ReadOptions,
)

MEMBER: Final = "member"
ORGANIZATION: Final = "organization"
ID_MAX: Final = 20

NOT_A_TYPE: Final = N_("write member or organization")
BETWEEN_POTS: Final = N_("it moves time from the organization to itself")

_ID: Final = re.compile(r"[0-9]{1,20}")
_SECONDS: Final = re.compile(r"[0-9]{1,18}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def key_of(member_id: str) -> str:
    """Return how lines name a member of whom they only know the number."""
    return f"member:{member_id}"


# ---------------------------------------------------------------- members


class _Members(Lines):
    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._id = self.column("member_id", _id, missing="")
        self._name = self.nickname("name1")
        self._first_with: dict[str, int] = {}
        self._names: set[str] = set()

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        member_id, name = self._id.of(cells), self._name.of(cells)
        once(self._first_with, member_id, line)
        return (PersonLine(line, self._new_name(name), key_of(member_id)),)

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:
        if readable(cells, self._id):
            try:
                once(self._first_with, self._id.of(cells), line)
            except ReferenceTwice as refusal:
                yield self._id, refusal

    def _new_name(self, name: str) -> str:
        """Return a name that no earlier line has: the second Ana is ``Ana 2``."""
        new, count = name, 1
        while new.casefold() in self._names:
            count += 1
            new = f"{name[: NICKNAME_MAX - len(str(count)) - 1]} {count}"
        self._names.add(new.casefold())
        return new


def _id(text: str) -> str:
    if not text:
        raise FieldEmpty
    return plain_text(text, field="member_id", length_max=ID_MAX)


def _is_member(cells: Sequence[str]) -> bool:
    return (
        len(cells) == len(MEMBERS.columns)
        and _ID.fullmatch(cells[0]) is not None
        and _DAY.fullmatch(cells[1]) is not None
        and cells[2] != ""
        and (cells[5] == "" or cells[5].isdigit())
        and (cells[6] == "" or _DAY.fullmatch(cells[6]) is not None)
        and (cells[9] == "" or "@" in cells[9])
    )


MEMBERS: Final = Layout(
    name="timeoverflow-members",
    title=N_("Members of TimeOverflow"),
    columns=(
        Column("member_id", N_("The number of the member."), needed=True),
        Column("entry_date", N_("Not taken over.")),
        Column("name1", N_("The first name; it becomes the nickname."), needed=True),
        Column("name2", N_("Not taken over.")),
        Column("name3", N_("Not taken over.")),
        Column("gender", N_("Not taken over.")),
        Column("date_of_birth", N_("Not taken over.")),
        Column("phone", N_("Not taken over.")),
        Column("alt_phone", N_("Not taken over.")),
        Column("email", N_("Not taken over.")),
    ),
    reader=_Members,
    left_behind=(
        N_(
            "Only first names are taken over, as nicknames. Last names, gender, birthdays, "
            "telephone numbers and e-mail addresses stay behind."
        ),
    ),
    headless=True,
    unmistakable=_is_member,
)


# ---------------------------------------------------------------- transfers


class _Transfers(Lines):
    """In a time bank whoever pays has received the help, and whoever is paid gave it."""

    def __init__(self, match: Match, options: ReadOptions) -> None:
        super().__init__(match, options)
        self._source = self._party("source_id", "source_type")
        self._destination = self._party("destination_id", "destination_type")
        self._amount = self.column("amount", lambda text: _minutes(text, nearest=options.nearest), missing=0)
        self._day = self.stamp("created_at")
        self._reason = self.note("reason")

    def read(self, line: int, cells: Sequence[str]) -> tuple[Item, ...]:
        source, destination = self._source.of(cells), self._destination.of(cells)
        minutes = self._amount.of(cells)
        day = self._day.of(cells)
        note = self._reason.of(cells)
        if not source and not destination:
            return (Passed(line, BETWEEN_POTS),)
        if source == destination:
            raise SameAccountTwice
        if destination:
            return (HoursLine(line, day, giver=destination, receiver=source, minutes=minutes, note=note),)
        # Saved hours cannot be moved into a pot, so what became of them is booked as two openings:
        # the member has used that much, and the pot brings that much along.
        return (
            OpeningLine(line, day, source, received=True, amount=minutes, unit=MINUTES),
            OpeningLine(line, day, "", received=False, amount=minutes, unit=MINUTES),
        )

    def across(self, line: int, cells: Sequence[str]) -> Iterator[tuple[Cell[Any], Refusal]]:  # noqa: ARG002
        if readable(cells, self._source, self._destination):
            source = self._source.of(cells)
            if source and source == self._destination.of(cells):
                yield self._destination, SameAccountTwice()

    def _party(self, id_name: str, type_name: str) -> _Party:
        kind = self.column(type_name, lambda text: _type(text, type_name), missing=MEMBER)
        party = _Party(id_name, self._match.places[id_name], kind)
        self.add(party)
        return party


class _Party(Cell[str]):
    """One side of a transfer: the key of a member, or empty for the organization, whose number says nothing."""

    def __init__(self, name: str, place: int, kind: Cell[str]) -> None:
        super().__init__(name, place, lambda text: key_of(_id(text)))
        self._kind = kind

    def of(self, cells: Sequence[str]) -> str:
        return "" if self._kind.of(cells) == ORGANIZATION else super().of(cells)

    def refusal(self, cells: Sequence[str]) -> Refusal | None:
        """Return what is wrong with the number; that its type is wrong, another column says."""
        return super().refusal(cells) if readable(cells, self._kind) else None


def _type(text: str, field: str) -> str:
    if not text:
        raise FieldEmpty
    kind = folded(text)
    if kind not in {MEMBER, ORGANIZATION}:
        raise FieldInvalid(field=field, why=NOT_A_TYPE)
    return kind


def _minutes(text: str, *, nearest: bool) -> int:
    """Return whole seconds as minutes.

    Raises:
        FieldEmpty, DurationUnreadable: There are none.
        DurationNotWhole: They are no whole minutes, and nobody allowed the nearest one.
        AmountOutOfRange: They are less than a minute or more than 10^12.
    """
    if not text:
        raise FieldEmpty
    if not _SECONDS.fullmatch(text):
        raise DurationUnreadable
    minutes, seconds = divmod(int(text), 60)
    if seconds and not nearest:
        raise DurationNotWhole
    minutes += seconds >= 30
    if not 1 <= minutes <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=minutes, amount_max=AMOUNT_MAX)
    return minutes


def _is_transfer(cells: Sequence[str]) -> bool:
    kinds = {MEMBER, ORGANIZATION}
    return (
        len(cells) == len(TRANSFERS.columns)
        and folded(cells[1]) in kinds
        and folded(cells[3]) in kinds
        and _SECONDS.fullmatch(cells[4]) is not None
    )


TRANSFERS: Final = Layout(
    name="timeoverflow-transfers",
    title=N_("Transfers of TimeOverflow"),
    columns=(
        Column("source_id", N_("The number of whoever received help and paid for it."), needed=True),
        Column("source_type", N_("Whether that is a member or the organization."), needed=True),
        Column("destination_id", N_("The number of whoever gave help and was paid."), needed=True),
        Column("destination_type", N_("Whether that is a member or the organization."), needed=True),
        Column("amount", N_("How long it was, in seconds."), needed=True),
        Column("created_at", N_("When it was written down."), needed=True),
        Column("reason", N_("What it was about; it becomes the note.")),
        Column("post_id", N_("Not taken over.")),
    ),
    reader=_Transfers,
    left_behind=(
        N_(
            "What members paid to the organization is booked as openings: the hours that they used, "
            "and what the pot brings along. The offers behind transfers stay behind."
        ),
    ),
    headless=True,
    unmistakable=_is_transfer,
    waived=waived_day("created_at"),
)
