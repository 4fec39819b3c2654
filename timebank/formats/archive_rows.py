"""What stands in each sheet of a group's archive: its columns, and how every cell is written and read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from timebank.errors import N_, DayUnreadable, FieldInvalid, FileUnreadable
from timebank.formats.formulas import defused, undefused
from timebank.ledger.canonical import NotCanonical, moment, read_moment, uuid_text
from timebank.ledger.entries import EntryKind
from timebank.ledger.units import AMOUNT_MAX, MINUTES, TOTAL_MAX, is_money
from timebank.rules.moving import BY_TABLE, Cells
from timebank.rules.names import NICKNAME_MAX, code, plain_text
from timebank.rules.people import DUTIES
from timebank.rules.set_up import CATEGORY_MAX, CODE_MAX, HELD_KINDS, NOT_KNOWN, TWICE

FORMAT: Final = "timebank archive, version 1"

NOT_A_NUMBER: Final = N_("it is no whole number in its range")
NOT_AN_ID: Final = N_("it is no id in small letters with hyphens")
NOT_A_MOMENT: Final = N_("it is no moment such as 2026-03-01T12:00:00.000001Z")
NOT_AN_ACCOUNT: Final = N_("it is no name of an account")
NOT_A_MEMBER: Final = N_("it is no member such as m1")
NOT_YES_OR_NO: Final = N_("it is neither yes nor no")
NOT_JSON: Final = N_("it is no JSON object")
LINES_MISSING: Final = N_("lines are missing")
NOT_A_UNIT: Final = N_("it is neither minutes nor a currency")

STATES: Final = ("active", "suspended", "left", "erased")
HOURS_STATES: Final = ("logged", "confirmed", "questioned", "settled", "withdrawn")
DRAW_STATES: Final = (
    "asked", "looked_at", "promised", "handed_over", "arrived", "released", "not_now", "expired", "cancelled",
)  # fmt: skip

_WHOLE: Final = re.compile(r"(?:0|-?[1-9][0-9]{0,15})", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){1,64}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_SOURCE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_MEMBER: Final = re.compile(r"m([1-9][0-9]{0,8})", re.ASCII)
_CODE_PART: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_ACCOUNT: Final = re.compile(
    rf"(?:pot|promised|shared|held):{_CODE_PART}|(?:member|exchange):[1-9][0-9]{{0,8}}"
    r"|outside|custody|opening|adjustment",
    re.ASCII,
)


class Column(NamedTuple):
    """One column; ``read`` raises a refusal for a cell that ``write`` would never have written."""

    name: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One CSV file of an archive.

    Attributes:
        header: Its first line.
        make: What a line is read as; the number of the line is its last field.
        sum_of: What of a row is added up, and under which name; None for a sheet without sums.
    """

    name: str
    header: tuple[str, ...]
    columns: tuple[Column, ...]
    make: Callable[..., Any]
    sum_of: Callable[[Any], tuple[str, int]] | None = None


# ---------------------------------------------------------------- cells

#: A book says the same few words again and again; what was read once need not be looked at twice.
_remembered = lru_cache(maxsize=2**14)


def _text(length_max: int) -> Callable[[str], str]:
    @_remembered
    def read(cell: str) -> str:
        return plain_text(undefused(cell), field="", length_max=length_max)

    return read


def _code(cell: str) -> str:
    return code(cell, field="", length_max=CODE_MAX)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(cell: str) -> int:
        if not _WHOLE.fullmatch(cell) or not least <= int(cell) <= most:
            raise FieldInvalid(field="", why=NOT_A_NUMBER)
        return int(cell)

    return read


@_remembered
def _day(cell: str) -> date:
    try:
        day = date.fromisoformat(cell)
    except ValueError:
        raise DayUnreadable from None
    # It takes other spellings too, such as 20260301 and 2026-W09-7.
    if day.isoformat() != cell:
        raise DayUnreadable
    return day


def _moment(cell: str) -> datetime:
    try:
        return read_moment(cell)
    except NotCanonical:
        raise FieldInvalid(field="", why=NOT_A_MOMENT) from None


def _id(cell: str) -> UUID:
    if not _ID.fullmatch(cell):
        raise FieldInvalid(field="", why=NOT_AN_ID)
    return UUID(cell)


@_remembered
def _unit(cell: str) -> str:
    if cell != MINUTES and not is_money(cell):
        raise FieldInvalid(field="", why=NOT_A_UNIT)
    return cell


@_remembered
def _account(cell: str) -> str:
    if not _ACCOUNT.fullmatch(cell):
        raise FieldInvalid(field="", why=NOT_AN_ACCOUNT)
    return cell


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if not pattern.fullmatch(cell):
            raise FieldInvalid(field="", why=NOT_KNOWN)
        return cell

    return read


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    known = frozenset(words)

    def read(cell: str) -> str:
        if cell not in known:
            raise FieldInvalid(field="", why=NOT_KNOWN)
        return cell

    return read


@_remembered
def _kind(cell: str) -> EntryKind:
    try:
        return EntryKind(cell)
    except ValueError:
        raise FieldInvalid(field="", why=NOT_KNOWN) from None


def _member(cell: str) -> int:
    found = _MEMBER.fullmatch(cell)
    if found is None:
        raise FieldInvalid(field="", why=NOT_A_MEMBER)
    return int(found[1])


def _flag(cell: str) -> bool:
    if cell not in {"yes", "no"}:
        raise FieldInvalid(field="", why=NOT_YES_OR_NO)
    return cell == "yes"


def _json(cell: str) -> dict[str, Any]:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FieldInvalid(field="", why=NOT_JSON)
    return value


def _write_member(number: int) -> str:
    return f"m{number}"


def _write_flag(flag: bool) -> str:  # noqa: FBT001 - it is the value of a cell
    return "yes" if flag else "no"


def _write_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


_AMOUNT: Final = _whole(1, AMOUNT_MAX)
_PART: Final = _whole(0, AMOUNT_MAX)
_TOTAL: Final = _whole(0, TOTAL_MAX)
_COUNT: Final = _whole(0, TOTAL_MAX)
_NUMBER: Final = _whole(1, TOTAL_MAX)
_CATEGORY: Final = _text(CATEGORY_MAX)


def _optional(column: Column, otherwise: str | None = None) -> Column:
    """Return the column with an empty cell for what is not there: None, or an empty text."""

    def write(value: Any) -> str:
        return "" if value == otherwise else column.write(value)

    def read(cell: str) -> Any:
        return column.read(cell) if cell else otherwise

    return Column(column.name, write, read)


# ---------------------------------------------------------------- the group


class GroupLine(NamedTuple):
    """One thing that the group says about itself."""

    name: str
    value: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class ArchivedGroup:
    """A group as its archive has it.

    Attributes:
        origin: Name of its book in proofs.
        records: How many records of the book are behind the archive: all up to this one.
        checkpoint: The signed note of the live book at that record.
        households: Members of each household, by their numbers in the archive.
        lines: Number of the line on which each thing is said first.
    """

    slug: str
    name: str
    languages: tuple[str, ...]
    time_zone: str
    began_on: date
    preset: str
    categories: tuple[str, ...]
    currencies: tuple[str, ...]
    time_bank: bool
    origin: str
    records: int
    taken_at: datetime
    checkpoint: str
    rounding_minutes: int
    rounding_up: bool
    confirm_days: int
    words: str
    member_list: bool
    joining: str
    categories_retired: tuple[str, ...]
    households: tuple[tuple[int, ...], ...]
    lines: Mapping[str, int]


_SINGLE: Final[Mapping[str, tuple[Callable[[Any], str], Callable[[str], Any]]]] = {
    "slug": (str, str),
    "name": (str, str),
    "time_zone": (str, str),
    "began_on": (date.isoformat, _day),
    "preset": (str, str),
    "time_bank": (_write_flag, _flag),
    "origin": (str, str),
    "records": (str, _COUNT),
    "taken_at": (moment, _moment),
    "checkpoint": (str, str),
    "rounding_minutes": (str, _NUMBER),
    "rounding_up": (_write_flag, _flag),
    "confirm_days": (str, _NUMBER),
    "words": (str, str),
    "member_list": (_write_flag, _flag),
    "joining": (str, str),
}
#: What archives of before these could be set do not say.
_SINCE_THEN: Final[Mapping[str, Any]] = {
    "rounding_minutes": 1,
    "rounding_up": False,
    "confirm_days": 7,
    "words": "pot",
    "member_list": False,
    "joining": "invitation",
}
_SEVERAL: Final[Mapping[str, tuple[str, Callable[[Any], str], Callable[[str], Any]]]] = {
    "language": ("languages", str, str),
    "category": ("categories", str, str),
    "currency": ("currencies", str, str),
    "category_retired": ("categories_retired", str, str),
    "household": (
        "households",
        lambda members: " ".join(map(_write_member, members)),
        lambda cell: tuple(map(_member, cell.split(" "))),
    ),
}


def group_lines(group: ArchivedGroup) -> list[GroupLine]:
    """Return what a group says about itself, line by line."""
    lines = [GroupLine(name, write(getattr(group, name))) for name, (write, _) in _SINGLE.items()]
    for name, (field, write, _) in _SEVERAL.items():
        lines += [GroupLine(name, write(value)) for value in getattr(group, field)]
    return lines


def read_group(lines: Iterable[GroupLine]) -> ArchivedGroup:
    """Read what ``group_lines`` returned; whether it can be a group is for rules.set_up to say.

    Raises:
        BadLine: A line is unknown, or is there twice, or cannot be read.
        FileUnreadable: One is missing.
    """
    values: dict[str, Any] = {field: [] for field, _, _ in _SEVERAL.values()}
    first: dict[str, int] = {}
    for name, value, line in lines:
        if name not in _SEVERAL and name not in _SINGLE:
            raise BadLine(line, FieldInvalid(field="name", why=NOT_KNOWN), name)
        if name in _SINGLE and name in first:
            raise BadLine(line, FieldInvalid(field="name", why=TWICE), name)
        try:
            if name in _SEVERAL:
                values[_SEVERAL[name][0]].append(_SEVERAL[name][2](value))
            else:
                values[name] = _SINGLE[name][1](value)
        except (FieldInvalid, DayUnreadable) as refusal:
            raise BadLine(line, refusal, value) from None
        first.setdefault(name, line)
    if missing := _SINGLE.keys() - first.keys() - _SINCE_THEN.keys():
        raise BadLine(0, FileUnreadable(why=LINES_MISSING), ", ".join(sorted(missing)))
    several: dict[str, Any] = {field: tuple(values.pop(field)) for field, _, _ in _SEVERAL.values()}
    return ArchivedGroup(**{**_SINCE_THEN, **values}, **several, lines=first)


class BadLine(Exception):
    """A line of ``group.csv`` that says nothing a group could say."""

    def __init__(self, line: int, refusal: Any, value: str) -> None:
        super().__init__(line, refusal, value)
        self.line = line
        self.refusal = refusal
        self.value = value


GROUP: Final = Sheet(
    "group.csv",
    ("format", FORMAT),
    (Column("name", str, _matching(re.compile(r"[a-z_]{1,32}"))), Column("value", defused, undefused)),
    GroupLine,
)


# ---------------------------------------------------------------- set-up


def _sheet(
    name: str,
    make: Callable[..., Any],
    *columns: Column,
    sum_of: Callable[[Any], tuple[str, int]] | None = None,
) -> Sheet:
    return Sheet(name, tuple(column.name for column in columns), columns, make, sum_of)


class PotLine(NamedTuple):
    """A common pot; ``number`` counts the pots of its unit from 1."""

    number: int
    code: str
    unit: str
    floor: int | None
    line: int = 0


POTS: Final = _sheet(
    "pots.csv",
    PotLine,
    Column("number", str, _NUMBER),
    Column("code", str, _code),
    Column("unit", str, _unit),
    _optional(Column("floor", str, _whole(-TOTAL_MAX, TOTAL_MAX))),
)


class PolicyLine(NamedTuple):
    """One version of a pot's rules."""

    version: int
    pot: str
    agreed_on: date
    terms: dict[str, Any]
    line: int = 0


POLICIES: Final = _sheet(
    "policies.csv",
    PolicyLine,
    Column("version", str, _NUMBER),
    Column("pot", str, _code),
    Column("agreed_on", date.isoformat, _day),
    Column("terms", _write_json, _json),
)


class PlaceLine(NamedTuple):
    """A place where money lies; ``number`` counts those of its unit and kind from 1."""

    number: int
    code: str
    kind: str
    unit: str
    line: int = 0


PLACES: Final = _sheet(
    "places.csv",
    PlaceLine,
    Column("number", str, _NUMBER),
    Column("code", str, _code),
    Column("kind", str, _one_of(HELD_KINDS)),
    Column("unit", str, _unit),
)


class MemberLine(NamedTuple):
    """A member; ``nickname`` is empty for somebody who was erased."""

    member: int
    nickname: str
    state: str
    joined_on: date
    line: int = 0


MEMBERS: Final = _sheet(
    "members.csv",
    MemberLine,
    Column("member", _write_member, _member),
    _optional(Column("nickname", defused, _text(NICKNAME_MAX)), ""),
    Column("state", str, _one_of(STATES)),
    Column("joined_on", date.isoformat, _day),
)


class RoleLine(NamedTuple):
    """A duty and how long it was carried; ``until`` None is until it is taken away."""

    member: int
    role: str
    since: datetime
    until: datetime | None
    line: int = 0


ROLES: Final = _sheet(
    "roles.csv",
    RoleLine,
    Column("member", _write_member, _member),
    Column("role", str, _one_of(DUTIES)),
    Column("since", moment, _moment),
    _optional(Column("until", moment, _moment)),
)


class AccountLine(NamedTuple):
    """An account and all that went through it."""

    account: str
    unit: str
    debits: int
    credits: int
    reversal_debits: int
    reversal_credits: int
    line: int = 0


ACCOUNTS: Final = _sheet(
    "accounts.csv",
    AccountLine,
    Column("account", str, _account),
    Column("unit", str, _unit),
    Column("debits", str, _TOTAL),
    Column("credits", str, _TOTAL),
    Column("reversal_debits", str, _TOTAL),
    Column("reversal_credits", str, _TOTAL),
    sum_of=lambda row: (row.unit, row.debits),
)


# ---------------------------------------------------------------- the book


class EntryLine(NamedTuple):
    """An entry without its transfers.

    Attributes:
        entry: Its number among all entries, from 1, in the order of the book.
        chain: Id of the entry with which it was judged as one, itself not the first; None for others.
        written_by: Account of who wrote it; empty for the host.
    """

    entry: int
    id: UUID
    kind: EntryKind
    source: str
    effective_on: date
    recorded_at: datetime
    category: str
    draw: UUID | None
    corrects: UUID | None
    reversal_legs: int
    chain: UUID | None
    written_by: str
    line: int = 0


_draw: Final = _optional(Column("draw", uuid_text, _id))

ENTRIES: Final = _sheet(
    "entries.csv",
    EntryLine,
    Column("entry", str, _NUMBER),
    Column("id", uuid_text, _id),
    Column("kind", str, _kind),
    Column("source", str, _matching(_SOURCE)),
    Column("effective_on", date.isoformat, _day),
    Column("recorded_at", moment, _moment),
    _optional(Column("category", defused, _CATEGORY), ""),
    _draw,
    _optional(Column("corrects", uuid_text, _id)),
    Column("reversal_legs", str, _whole(0, 1000)),
    _optional(Column("with", uuid_text, _id)),
    _optional(Column("written_by", str, _account), ""),
)


class TransferLine(NamedTuple):
    """One leg of an entry, from 1."""

    entry: int
    leg: int
    unit: str
    debit: str
    credit: str
    amount: int
    line: int = 0


TRANSFERS: Final = _sheet(
    "transfers.csv",
    TransferLine,
    Column("entry", str, _NUMBER),
    Column("leg", str, _whole(1, 1000)),
    Column("unit", str, _unit),
    Column("debit", str, _account),
    Column("credit", str, _account),
    Column("amount", str, _AMOUNT),
    sum_of=lambda row: (row.unit, row.amount),
)


class HoursLine(NamedTuple):
    """Hours as people logged them.

    Attributes:
        id: Also that of their entry.
        posted: Whether there is one; time-bank hours may wait for a yes without.
        receiver, logged_by: Accounts; empty for the pot, and for the host.
    """

    id: UUID
    posted: bool
    giver: str
    receiver: str
    draw: UUID | None
    minutes: int
    effective_on: date
    category: str
    state: str
    logged_by: str
    logged_at: datetime
    line: int = 0


HOURS: Final = _sheet(
    "hours.csv",
    HoursLine,
    Column("id", uuid_text, _id),
    Column("posted", _write_flag, _flag),
    Column("giver", str, _account),
    _optional(Column("receiver", str, _account), ""),
    _draw,
    Column("minutes", str, _AMOUNT),
    Column("effective_on", date.isoformat, _day),
    _optional(Column("category", defused, _CATEGORY), ""),
    Column("state", str, _one_of(HOURS_STATES)),
    _optional(Column("logged_by", str, _account), ""),
    Column("logged_at", moment, _moment),
    sum_of=lambda row: (MINUTES, row.minutes),
)


class DrawLine(NamedTuple):
    """An ask and what became of it; ``after`` is how many entries were recorded before it was asked."""

    id: UUID
    pot: str
    category: str
    needed_by: date | None
    state: str
    policy: int
    asked: int
    agreed: int
    promised: int
    handed: int
    released: int
    asked_at: datetime
    after: int
    line: int = 0

    @property
    def left(self) -> int:
        """What is promised and neither handed over nor given back."""
        return self.promised - self.handed - self.released


DRAWS: Final = _sheet(
    "draws.csv",
    DrawLine,
    Column("id", uuid_text, _id),
    Column("pot", str, _code),
    Column("category", defused, _CATEGORY),
    _optional(Column("needed_by", date.isoformat, _day)),
    Column("state", str, _one_of(DRAW_STATES)),
    Column("policy", str, _NUMBER),
    Column("asked", str, _AMOUNT),
    Column("agreed", str, _PART),
    Column("promised", str, _PART),
    Column("handed", str, _PART),
    Column("released", str, _PART),
    Column("asked_at", moment, _moment),
    Column("after", str, _COUNT),
    sum_of=lambda row: (row.pot, row.asked),
)


class HandLine(NamedTuple):
    """What one member did with one ask."""

    draw: UUID
    member: int
    asked: bool
    approved: bool
    paid: bool
    two_people: bool
    line: int = 0


HANDS: Final = _sheet(
    "hands.csv",
    HandLine,
    Column("draw", uuid_text, _id),
    Column("member", _write_member, _member),
    Column("asked", _write_flag, _flag),
    Column("approved", _write_flag, _flag),
    Column("paid", _write_flag, _flag),
    Column("two_people", _write_flag, _flag),
)


class FileLine(NamedTuple):
    """One of the other files as it was written: lines without header and total, bytes, and their SHA-256."""

    file: str
    lines: int
    bytes: int
    sha256: str
    line: int = 0


FILES: Final = _sheet(
    "files.csv",
    FileLine,
    Column("file", str, _matching(re.compile(r"[a-z_]{1,40}\.csv"))),
    Column("lines", str, _COUNT),
    Column("bytes", str, _COUNT),
    Column("sha256", str, _matching(re.compile(r"[0-9a-f]{64}"))),
)

SHEETS: Final = (
    GROUP, POTS, POLICIES, PLACES, MEMBERS, ROLES, ACCOUNTS, ENTRIES, TRANSFERS, HOURS, DRAWS, HANDS,
)  # fmt: skip
"""All but ``files.csv``, in the order in which they are written."""


# ---------------------------------------------------------------- what moves with its own book and log


def _hex(cell: str) -> bytes:
    if not _HEX.fullmatch(cell):
        raise FieldInvalid(field="", why=NOT_KNOWN)
    return bytes.fromhex(cell)


def _any_json(cell: str) -> str:
    try:
        json.loads(cell)
    except (ValueError, RecursionError):
        raise FieldInvalid(field="", why=NOT_JSON) from None
    return cell


def _texts(cell: str) -> list[str]:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise FieldInvalid(field="", why=NOT_JSON)
    return value


_CELLS: Final[Mapping[str, tuple[Callable[[Any], str], Callable[[str], Any]]]] = {
    "id": (str, _id),
    "day": (date.isoformat, _day),
    "moment": (moment, _moment),
    "whole": (str, _whole(-TOTAL_MAX, TOTAL_MAX)),
    "yes_or_no": (_write_flag, _flag),
    "text": (defused, undefused),
    "hex": (bytes.hex, _hex),
    "json": (str, _any_json),
    "texts": (lambda texts: json.dumps(list(texts), ensure_ascii=False), _texts),
}


def _row(*cells: Any) -> tuple[Any, ...]:
    return cells[:-1]


def _moved_sheet(file: str, columns: Iterable[Cells]) -> Sheet:
    made = []
    for name, kind, optional in columns:
        column = Column(name, *_CELLS[kind])
        made.append(_optional(column) if optional else column)
    return _sheet(file, _row, *made)


BOOK: Final = _moved_sheet(
    "moved_book.csv", [Cells("book", "hex"), Cells("created_at", "moment"), Cells("epoch", "whole")]
)
PERSONS: Final = _moved_sheet(
    "moved_members.csv",
    [
        Cells("number", "whole"),
        Cells("member_id", "id"),
        Cells("household_id", "id", optional=True),
        Cells("accounts", "json"),
    ],
)
RECORDS: Final = _moved_sheet(
    "moved_records.csv", [Cells("seq", "whole"), Cells("salt", "hex"), Cells("record", "text")]
)
TABLES: Final[Mapping[str, Sheet]] = {
    name: _moved_sheet(moved.file, moved.columns) for name, moved in BY_TABLE.items()
}
MOVED_SHEETS: Final = (BOOK, PERSONS, *TABLES.values(), RECORDS)
"""What lets a book go on elsewhere as the very same book, in the order in which it is written."""
