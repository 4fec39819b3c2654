"""A member's own rows over the API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.door import json_reply, signed_in
from timebank.edge.openapi import QueryField, reads
from timebank.errors import N_, FieldInvalid
from timebank.ledger.units import MINUTES
from timebank.services.statement import (
    PAGE_MAX,
    Line,
    Statement,
    Total,
    read_for_another,
    read_statement,
)

PAGE: Final = 50
NOT_A_LIMIT: Final = N_("it must be a whole number from 1 to 100")


class TotalOut(msgspec.Struct, omit_defaults=True):
    """What was given in one unit; `received` in time-bank mode only. There is no difference of the two."""

    unit: str
    given: int
    received: int | None = None


class LineOut(msgspec.Struct, omit_defaults=True):
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
    lines: list[LineOut]
    next: str = ""


_QUERY: Final = (
    QueryField("after", {"type": "string"}, "`next` of the page before"),
    QueryField(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE},
        "Most rows on a page",
    ),
)


@get(
    "/groups/{slug:str}/me/statement",
    operation_class=reads(
        StatementOut,
        summary="Own rows",
        description="What the actor gave, received and asked for, newest first.",
        query=_QUERY,
    ),
)
async def get_statement(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a page of the actor's own rows."""
    door, actor = await signed_in(request)
    statement = await read_statement(
        door.house.database,
        door.house.keys,
        actor,
        after=request.query_params.get("after", ""),
        limit=_limit(request.query_params.get("limit", str(PAGE))),
    )
    return json_reply(_statement_out(statement))


def _statement_out(statement: Statement) -> StatementOut:
    return StatementOut(
        totals=[total_out(total) for total in statement.totals],
        lines=[line_out(line) for line in statement.lines],
        next=statement.next,
    )


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= PAGE_MAX:
        raise FieldInvalid(field="limit", why=NOT_A_LIMIT)
    return int(text)


def total_out(total: Total) -> TotalOut:
    """Return a total as the API says it."""
    return TotalOut(total.unit, total.given, total.received)


def line_out(line: Line) -> LineOut:
    """Return a line as the API says it."""
    time = line.unit == MINUTES
    return LineOut(
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
        query=_QUERY,
    ),
)
async def get_statement_for(request: Request[Any, Any, Any], member_id: FromPath[UUID]) -> ASGIApp:
    """Return a page of the rows of somebody for whom the actor stands in."""
    door, actor = await signed_in(request)
    statement = await read_for_another(
        door.house,
        actor,
        member_id,
        after=request.query_params.get("after", ""),
        limit=_limit(request.query_params.get("limit", str(PAGE))),
        now=door.clock(),
    )
    return json_reply(_statement_out(statement))


ROUTES: Final = (get_statement, get_statement_for)
