"""What addresses ask for behind the question mark, and lists: how far a page reaches, where it begins, and what is left out.

A list says once what it takes (``Listing``); reading a request and describing it follow from that.
A cursor names the last row that was looked at, never a number of rows: whatever is written meanwhile,
no row comes twice and none that was there is left out. It is a place and no right: it opens nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from msgspec import Meta

from timebank.edge.bodies import FIELD_TWICE, NOT_AN_ID, UNKNOWN_FIELD, Faults
from timebank.edge.days import read_day
from timebank.edge.openapi import QueryField
from timebank.errors import N_, FieldInvalid
from timebank.rules.set_up import NOT_KNOWN

Place = TypeVar("Place")

NOT_A_CURSOR: Final = N_("it is no cursor that an earlier answer of this list gave")
NOT_IN_RANGE: Final = N_("it is no whole number in the range that is possible here")
DAYS_TURNED: Final = N_("the last day is before the first")

_CURSOR_MAX: Final = 600
_TEXT_MAX: Final = 80
#: Whole numbers in places go to columns of four bytes.
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to leave rows out; make it with one_of, day, text or whole.

    Attributes:
        read: Turns what stands in the address into a value, or raises FieldInvalid.
    """

    field: QueryField
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Asked(Generic[Place]):
    """What a request wants of a list.

    Attributes:
        after: Where the page begins; None at the beginning.
        limit: Most rows.
        filters: A value for each filter that was given.
    """

    after: Place | None
    limit: int
    filters: Mapping[str, Any]


def one_of(name: str, values: Sequence[str], description: str, *, default: str | None = None) -> Filter:
    """Return a filter with a few fixed values."""
    usual = {} if default is None else {"default": default}

    def read(said: str) -> str:
        if said not in values:
            raise FieldInvalid(field=name, why=NOT_KNOWN)
        return said

    return Filter(QueryField(name, {"type": "string", "enum": list(values), **usual}, description), read)


def some_of(name: str, values: Sequence[str], description: str) -> Filter:
    """Return a filter with a few fixed values, one or several of them with commas between."""

    def read(said: str) -> list[str]:
        chosen = said.split(",")
        if not set(chosen) <= set(values):
            raise FieldInvalid(field=name, why=NOT_KNOWN)
        return chosen

    choice = "|".join(values)
    return Filter(
        QueryField(name, {"type": "string", "pattern": f"^({choice})(,({choice}))*$"}, description), read
    )


def an_id(name: str, description: str) -> Filter:
    """Return a filter that is an id; one that the group does not have finds nothing."""

    def read(said: str) -> UUID:
        try:
            return UUID(said)
        except ValueError:
            raise FieldInvalid(field=name, why=NOT_AN_ID) from None

    return Filter(QueryField(name, {"type": "string", "format": "uuid"}, description), read)


def day(name: str, description: str) -> Filter:
    """Return a filter that is a day such as ``2026-03-01``."""

    def read(said: str) -> date:
        found = read_day(said, field=name)
        if found is None:
            raise FieldInvalid(field=name, why=NOT_KNOWN)
        return found

    return Filter(QueryField(name, {"type": "string", "format": "date"}, description), read)


def text(name: str, description: str) -> Filter:
    """Return a filter that is a code or another short word of the group; one that it does not have finds nothing."""

    def read(said: str) -> str:
        if not 0 < len(said) <= _TEXT_MAX or not said.isprintable():
            raise FieldInvalid(field=name, why=NOT_KNOWN)
        return said

    return Filter(
        QueryField(name, {"type": "string", "min_length": 1, "max_length": _TEXT_MAX}, description), read
    )


def whole(name: str, description: str, *, largest: int, usual: int | None = None) -> Filter:
    """Return a parameter that is a whole number from 1 on."""
    digits = len(str(largest))
    default = {} if usual is None else {"default": usual}

    def read(said: str) -> int:
        if not (said.isascii() and said.isdigit() and len(said) <= digits and 1 <= int(said) <= largest):
            raise FieldInvalid(field=name, why=NOT_IN_RANGE)
        return int(said)

    schema = {"type": "integer", "minimum": 1, "maximum": largest, **default}
    return Filter(QueryField(name, schema, description), read)


class Query:
    """What stands behind the question mark of an address: each parameter once, none that is not known.

    Args:
        filters: The parameters, each with how it is read.
    """

    def __init__(self, filters: Sequence[Filter] = ()) -> None:
        self._filters = {each.field.name: each for each in filters}

    @property
    def query(self) -> tuple[QueryField, ...]:
        """The parameters, as the route describes them."""
        return tuple(each.field for each in self._filters.values())

    def values(self, query_string: bytes) -> dict[str, Any]:
        """Return a value for each parameter that was given.

        Raises:
            FieldInvalid: A parameter is unknown, there twice, or has a value that it cannot have; all at once.
        """
        faults, values = Faults(), {}
        for name, found in self._said(query_string).items():
            with faults.at(name):
                if name not in self._filters:
                    raise FieldInvalid(field=name, why=UNKNOWN_FIELD)
                if len(found) > 1:
                    raise FieldInvalid(field=name, why=FIELD_TWICE)
                values[name] = self._filters[name].read(found[0])
        faults.settle()
        first, last = values.get("from"), values.get("to")
        if first and last and last < first:
            raise FieldInvalid(field="to", why=DAYS_TURNED)
        return values

    def _said(self, query_string: bytes) -> dict[str, list[str]]:
        said: dict[str, list[str]] = {}
        for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
            # Long or strange names are not repeated.
            plain = name in self._filters or (len(name) <= _TEXT_MAX and name.isprintable())
            said.setdefault(name if plain else "?", []).append(value)
        return said


class Listing(Query, Generic[Place]):
    """One list: its cursor, its pages, its filters.

    Args:
        name: Tells its cursors from those of other lists.
        place: Type of a place in it: a tuple of texts, ids, aware moments and ``Count``.
        usual: Rows on a page if nothing is said.
        largest: Most rows that can be asked for.
        filters: What rows can be left out by.
        cursor: Name of the query parameter that takes a cursor.
    """

    def __init__(
        self,
        name: str,
        place: Any,
        *,
        usual: int,
        largest: int,
        filters: Sequence[Filter] = (),
        cursor: str = "after",
    ) -> None:
        assert usual <= largest <= 999, (usual, largest)
        self._name = name
        self._decoder = msgspec.json.Decoder(tuple[Literal[name], place])  # type: ignore[valid-type]
        self._usual = usual
        self._cursor = cursor
        on = QueryField(
            cursor, {"type": "string", "max_length": _CURSOR_MAX}, "`next` of an earlier answer: go on there"
        )
        super().__init__(
            (
                Filter(on, self._place),
                whole("limit", "Most rows on a page", largest=largest, usual=usual),
                *filters,
            )
        )

    def read(self, query_string: bytes) -> Asked[Place]:
        """Return what a request wants.

        Raises:
            FieldInvalid: See Query.values.
        """
        values = self.values(query_string)
        return Asked(values.pop(self._cursor, None), values.pop("limit", self._usual), values)

    def next(self, place: Place | None) -> str:
        """Return the cursor of a place; empty for none, as on the last page."""
        if place is None:
            return ""
        return base64.urlsafe_b64encode(msgspec.json.encode((self._name, place))).decode("ascii").rstrip("=")

    def _place(self, said: str) -> Place | None:
        if not said:
            return None
        try:
            if len(said) > _CURSOR_MAX:
                raise ValueError(said)
            told = base64.b64decode(said + "=" * (-len(said) % 4), altchars=b"-_", validate=True)
            place: Place = self._decoder.decode(told)[1]
            # Another way to write the same place is none of ours.
            if self.next(place) != said:
                raise ValueError(said)
        except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
            raise FieldInvalid(field=self._cursor, why=NOT_A_CURSOR) from None
        return place
