"""A member's own rows over the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.door import json_reply, signed_in
from timebank.edge.openapi import reads
from timebank.edge.paging import Listing, day, one_of, text
from timebank.errors import MemberNotFound
from timebank.ledger.units import MINUTES
from timebank.services.statement import (
    PAGE_MAX,
    WHATS,
    Line,
    Place,
    Statement,
    Total,
    Wanted,
    read_for_another,
    read_statement,
)

STATEMENT: Final[Listing[Place]] = Listing(
    "statement",
    Place,
    usual=50,
    largest=PAGE_MAX,
    filters=(
        one_of("what", WHATS, "Only what was given, received, asked for, or taken back"),
        text("unit", "Only this unit, such as `minutes` or `EUR`"),
        day("from", "Only what happened on this day or later; of asks, what is needed by then"),
        day("to", "Only what happened on this day or before"),
    ),
)


class TotalOut(msgspec.Struct, omit_defaults=True):
    """What was given in one unit; `received` in time-bank mode only. There is no difference of the two."""

    unit: str
    given: int
    received: int | None = None


class OwnLineOut(msgspec.Struct, omit_defaults=True):
    """One row; `minutes`, or `amount` and `currency`. `what` is given, received, asked or taken_back."""

    id: UUID
    what: str
    kind: str
    at: datetime
    state: str
    minutes: int | None = None
    amount: int | None = None
    currency: str | None = None
    effective_on: date | None = None
    category: str = ""
    note: str = ""
    pot: str = ""
    handed_over: int | None = None
    entered_by: str = ""


class StatementOut(msgspec.Struct, omit_defaults=True):
    """A page of own rows, newest first; `next` is the `after` of the next page."""

    totals: list[TotalOut]
    lines: list[OwnLineOut]
    next: str = ""


@get(
    "/groups/{slug:str}/me/statement",
    operation_class=reads(
        StatementOut,
        summary="Own rows",
        description="What the actor gave, received and asked for, newest first.",
        query=STATEMENT.query,
    ),
)
async def get_statement(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a page of the actor's own rows."""
    door, actor = await signed_in(request)
    asked = STATEMENT.read(request.scope["query_string"])
    statement = await read_statement(
        door.house.database,
        door.house.keys,
        actor,
        after=asked.after,
        limit=asked.limit,
        wanted=wanted(asked.filters),
    )
    return json_reply(_statement_out(statement))


def wanted(filters: Mapping[str, Any]) -> Wanted:
    """Return which lines the filters of an address ask for."""
    return Wanted(filters.get("what"), filters.get("unit"), filters.get("from"), filters.get("to"))


def _statement_out(statement: Statement) -> StatementOut:
    return StatementOut(
        totals=[total_out(total) for total in statement.totals],
        lines=[line_out(line) for line in statement.lines],
        next=STATEMENT.next(statement.next),
    )


def total_out(total: Total) -> TotalOut:
    """Return a total as the API says it."""
    return TotalOut(total.unit, total.given, total.received)


def line_out(line: Line) -> OwnLineOut:
    """Return a line as the API says it."""
    time = line.unit == MINUTES
    return OwnLineOut(
        id=line.id,
        what=line.what,
        kind=line.kind,
        at=line.at,
        state=line.state,
        minutes=line.amount if time else None,
        amount=None if time else line.amount,
        currency=None if time else line.unit,
        effective_on=line.effective_on,
        category=line.category,
        note=line.note,
        pot=line.pot,
        handed_over=line.handed if line.what == "asked" else None,
        entered_by=line.entered_by,
    )


@get(
    "/groups/{slug:str}/members/{member_id:uuid}/statement",
    operation_class=reads(
        StatementOut,
        summary="Rows of somebody one stands in for",
        description="For who stands in for them and may `see`; without the notes that they wrote.",
        query=STATEMENT.query,
        refusals=(MemberNotFound,),
    ),
)
async def get_statement_for(request: Request[Any, Any, Any], member_id: FromPath[UUID]) -> ASGIApp:
    """Return a page of the rows of somebody for whom the actor stands in."""
    door, actor = await signed_in(request)
    asked = STATEMENT.read(request.scope["query_string"])
    statement = await read_for_another(
        door.house,
        actor,
        member_id,
        after=asked.after,
        limit=asked.limit,
        wanted=wanted(asked.filters),
        now=door.clock(),
    )
    return json_reply(_statement_out(statement))


ROUTES: Final = (get_statement, get_statement_for)
