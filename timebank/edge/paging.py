"""Lists over HTTP: how far a page reaches, where it begins, and what is left out.

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

import msgspec
from msgspec import Meta

from timebank.edge.bodies import FIELD_TWICE, UNKNOWN_FIELD, Faults
from timebank.edge.days import read_day
from timebank.edge.openapi import QueryField
from timebank.errors import N_, FieldInvalid
from timebank.rules.set_up import NOT_KNOWN

Place = TypeVar("Place")

NOT_A_CURSOR: Final = N_("it is no cursor that an earlier answer of this list gave")
NOT_A_LIMIT: Final = N_("it is no whole number of the range that this list takes")
DAYS_TURNED: Final = N_("the last day is before the first")

_CURSOR_MAX: Final = 600
_TEXT_MAX: Final = 80
#: Whole numbers in places go to columns of four bytes.
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to leave rows out; make it with one_of, day or text.

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


class Listing(Generic[Place]):
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
        self._largest = largest
        self._filters = {each.field.name: each for each in filters}
        self._cursor = cursor

    @property
    def query(self) -> tuple[QueryField, ...]:
        """The query parameters of the list, as its route describes them."""
        return (
            QueryField(
                self._cursor,
                {"type": "string", "max_length": _CURSOR_MAX},
                "`next` of an earlier answer: go on there",
            ),
            QueryField(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": self._largest, "default": self._usual},
                "Most rows on a page",
            ),
            *(each.field for each in self._filters.values()),
        )

    def read(self, query_string: bytes) -> Asked[Place]:
        """Return what a request wants.

        Raises:
            FieldInvalid: A parameter is unknown, there twice, or has a value that it cannot have; all at once.
        """
        faults, said = Faults(), self._said(query_string)
        after, limit, values = None, self._usual, {}
        for name, found in said.items():
            with faults.at(name):
                if len(found) > 1:
                    raise FieldInvalid(field=name, why=FIELD_TWICE)
                if name == self._cursor:
                    after = self._place(found[0])
                elif name == "limit":
                    limit = self._limit(found[0])
                elif name in self._filters:
                    values[name] = self._filters[name].read(found[0])
                else:
                    raise FieldInvalid(field=name, why=UNKNOWN_FIELD)
        faults.settle()
        first, last = values.get("from"), values.get("to")
        if first and last and last < first:
            raise FieldInvalid(field="to", why=DAYS_TURNED)
        return Asked(after, limit, values)

    def next(self, place: Place | None) -> str:
        """Return the cursor of a place; empty for none, as on the last page."""
        if place is None:
            return ""
        return base64.urlsafe_b64encode(msgspec.json.encode((self._name, place))).decode("ascii").rstrip("=")

    def _said(self, query_string: bytes) -> dict[str, list[str]]:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=None)
        said: dict[str, list[str]] = {}
        for name, value in pairs:
            known = name == self._cursor or name == "limit" or name in self._filters
            # Long or strange names are not repeated.
            shown = name if known or (len(name) <= _TEXT_MAX and name.isprintable()) else "?"
            said.setdefault(shown, []).append(value)
        return said

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

    def _limit(self, said: str) -> int:
        if not (said.isascii() and said.isdigit() and len(said) <= 3 and 1 <= int(said) <= self._largest):
            raise FieldInvalid(field="limit", why=NOT_A_LIMIT)
        return int(said)
