"""Public figures as JSON: read from what is published, by a role that can read nothing else."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.types import ASGIApp

from timebank.edge.published import PublishedReply
from timebank.errors import N_, FieldInvalid, UnknownPage, UnknownPot
from timebank.rules.publication import PublicPeriod, PublishedLine
from timebank.services import published

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.store.engine import Database

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
FLOWS_SHOWN: Final = 60
LINES_SHOWN: Final = 100

NOT_A_CURSOR = N_("it is no cursor that an earlier answer gave")
NOT_A_GROUPING = N_("it is neither period nor kind")
NOT_A_UNIT = N_("the group does not keep it")


class UnitOut(msgspec.Struct, frozen=True):
    """A unit of the group; ``digits`` come after the point when an amount is shown."""

    code: str
    kind: str
    digits: int


class PotOut(msgspec.Struct, frozen=True):
    """A pot; ``number`` counts the pots of its unit."""

    pot: str
    unit: str
    number: int


class PeriodOut(msgspec.Struct, frozen=True):
    """A closed stretch of days, both ends included."""

    period: int
    first_day: date
    last_day: date
    next_close_on: date


class GroupOut(msgspec.Struct, frozen=True):
    """What a group says about itself; ``period`` is null before the first close."""

    slug: str
    name: str
    languages: tuple[str, ...]
    preset: str
    began_on: date
    first_close_on: date
    units: tuple[UnitOut, ...]
    pots: tuple[PotOut, ...]
    period: PeriodOut | None


class BalanceOut(msgspec.Struct, frozen=True):
    """A pot as of the last close, in its unit: whole minutes or smallest coins.

    Given and drawn are since the book began, came_in and went_out of the period. Available is
    below zero where a group's rules let it.
    """

    pot: str
    unit: str
    available: int
    promised: int
    given: int
    drawn: int
    came_in: int
    went_out: int


class PlaceOut(msgspec.Struct, frozen=True):
    """A place where money is, by kind and number."""

    place: str
    kind: str
    number: int
    amount: int


class HeldOut(msgspec.Struct, frozen=True):
    """All money of one unit and where it is."""

    unit: str
    amount: int
    places: tuple[PlaceOut, ...]


class BalancesOut(msgspec.Struct, frozen=True):
    """All figures as of the last close; ``checkpoint`` is null until the group has a public log."""

    period: PeriodOut | None
    pots: tuple[BalanceOut, ...]
    held: tuple[HeldOut, ...]
    checkpoint: str | None


class FlowOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """In and out of one pot in one period; ``kind`` is there when asked for by kind."""

    period: int
    first_day: date
    last_day: date
    pot: str
    unit: str
    came_in: int
    went_out: int
    lines: int
    kind: str = ""


class FlowsOut(msgspec.Struct, frozen=True):
    """Flows, oldest first; ``next`` is the cursor of earlier ones."""

    period: PeriodOut | None
    flows: tuple[FlowOut, ...]
    next: str | None


class ChangeOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one step did to one pot; a part that is nought is left out."""

    pot: str
    unit: str
    available: int = 0
    promised: int = 0


class LineOut(msgspec.Struct, frozen=True):
    """A public line; ``id`` is random and says nothing."""

    id: str
    period: int
    kind: str
    category: str
    day: date | None
    arrived_late: bool
    changes: tuple[ChangeOut, ...]


class LinesOut(msgspec.Struct, frozen=True):
    """Public lines, newest period first, in no order within it; ``next`` is the cursor of the next page."""

    period: PeriodOut | None
    entries: tuple[LineOut, ...]
    next: str | None


class PolicyOut(msgspec.Struct, frozen=True):
    """One version of a pot's rules."""

    version: int
    agreed_on: date
    terms: dict[str, Any]


class PoliciesOut(msgspec.Struct, frozen=True):
    """Every version of a pot's rules, newest first."""

    pot: str
    versions: tuple[PolicyOut, ...]


def _documented(answer: type[msgspec.Struct], summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": ["public"],
        "responses": {
            200: ResponseSpec(
                data_container=answer, generate_examples=False, description="As of the last close."
            )
        },
    }


@route("/api/v1/groups/{slug:str}", http_method=_READ, **_documented(GroupOut, "A group: name, units, pots"))
async def get_group(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return what a group says about itself."""
    figures = await published.read_public_group(_database(request), slug)
    group = figures.group
    return _reply(
        GroupOut(
            slug=group.slug,
            name=group.name,
            languages=group.languages,
            preset=group.preset,
            began_on=group.began_on,
            first_close_on=group.first_close_on,
            units=tuple(UnitOut(unit.code, unit.kind, unit.digits) for unit in group.units),
            pots=tuple(PotOut(pot.pot, pot.unit, pot.number) for pot in group.pots),
            period=_period(figures.period),
        )
    )


@route(
    "/api/v1/groups/{slug:str}/balances",
    http_method=_READ,
    **_documented(BalancesOut, "The pots and where the money is, as of the last close"),
)
async def get_balances(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return every pot as of the last close."""
    figures = await published.read_public_group(_database(request), slug)
    units = dict.fromkeys(place.unit for place in figures.held)
    return _reply(
        BalancesOut(
            period=_period(figures.period),
            pots=tuple(
                BalanceOut(
                    pot=balance.pot,
                    unit=balance.unit,
                    available=balance.available,
                    promised=balance.promised,
                    given=balance.given,
                    drawn=balance.drawn,
                    came_in=balance.came_in,
                    went_out=balance.went_out,
                )
                for balance in figures.balances
            ),
            held=tuple(
                HeldOut(
                    unit=unit,
                    amount=sum(place.amount for place in figures.held if place.unit == unit),
                    places=tuple(
                        PlaceOut(place.place, place.kind, place.number, place.amount)
                        for place in figures.held
                        if place.unit == unit
                    ),
                )
                for unit in units
            ),
            checkpoint=None,
        )
    )


@route(
    "/api/v1/groups/{slug:str}/flows",
    http_method=_READ,
    **_documented(FlowsOut, "What came in and went out, period by period"),
)
async def get_flows(
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    unit: Annotated[
        str | None, QueryParameter(description="Only pots of this unit, such as minutes or EUR.")
    ] = None,
    by: Annotated[str, QueryParameter(description="period: all kinds together; kind: apart.")] = "period",
    before: Annotated[
        str | None, QueryParameter(description="Cursor: the next of an earlier answer.")
    ] = None,
    limit: Annotated[
        str | None, QueryParameter(description="How many periods, 1 to 400; 60 if not said.")
    ] = None,
) -> ASGIApp:
    """Return in and out of the last periods, oldest first."""
    if by not in {"period", "kind"}:
        raise FieldInvalid(field="by", why=NOT_A_GROUPING)
    found = await published.read_public_flows(
        _database(request),
        slug,
        before=_number(before, field="before"),
        limit=_limit(limit, usual=FLOWS_SHOWN, largest=400),
        by_kind=by == "kind",
    )
    if unit is not None and unit not in {known.code for known in found.group.units}:
        raise FieldInvalid(field="unit", why=NOT_A_UNIT)
    return _reply(
        FlowsOut(
            period=_period(found.period),
            flows=tuple(
                FlowOut(
                    period=flow.period,
                    first_day=flow.first_day,
                    last_day=flow.last_day,
                    pot=flow.pot,
                    unit=flow.unit,
                    came_in=flow.came_in,
                    went_out=flow.went_out,
                    lines=flow.lines,
                    kind=flow.kind,
                )
                for flow in found.flows
                if unit in {None, flow.unit}
            ),
            next=str(found.before) if found.before else None,
        )
    )


@route(
    "/api/v1/groups/{slug:str}/entries",
    http_method=_READ,
    **_documented(LinesOut, "The public lines of the book"),
)
async def get_entries(
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    after: Annotated[str | None, QueryParameter(description="Cursor: the next of an earlier answer.")] = None,
    limit: Annotated[str | None, QueryParameter(description="1 to 500; 100 if not said.")] = None,
) -> ASGIApp:
    """Return a page of public lines, newest period first."""
    found = await published.read_public_lines(
        _database(request),
        slug,
        after=_place(after),
        limit=_limit(limit, usual=LINES_SHOWN, largest=500),
    )
    return _reply(
        LinesOut(
            period=_period(found.period),
            entries=tuple(_line(line) for line in found.lines),
            next=f"{found.after[0]}.{found.after[1]}" if found.after else None,
        )
    )


@route(
    "/api/v1/groups/{slug:str}/policies/{pot:str}",
    http_method=_READ,
    **_documented(PoliciesOut, "The rules of a pot, every version"),
)
async def get_policies(request: Request[Any, Any, Any], slug: FromPath[str], pot: FromPath[str]) -> ASGIApp:
    """Return every version of a pot's rules, newest first; new ones show at once, not at the next close."""
    try:
        _, policies = await published.read_public_policies(_database(request), slug, pot)
    except UnknownPot as error:
        # Named in an address, and so it is the page that is not there.
        raise UnknownPage from error
    return _reply(
        PoliciesOut(
            pot=pot,
            versions=tuple(
                PolicyOut(policy.version, policy.agreed_on, dict(policy.terms)) for policy in policies
            ),
        )
    )


PUBLIC_API: Final[list[HTTPRouteHandler]] = [get_group, get_balances, get_flows, get_entries, get_policies]


def _database(request: Request[Any, Any, Any]) -> Database:
    database: Database = request.app.state.database
    return database


def _reply(answer: msgspec.Struct) -> PublishedReply:
    return PublishedReply(msgspec.json.encode(answer), "application/json")


def _period(period: PublicPeriod | None) -> PeriodOut | None:
    if period is None:
        return None
    return PeriodOut(period.period, period.first_day, period.last_day, period.next_close_on)


def _line(line: PublishedLine) -> LineOut:
    return LineOut(
        id=line.line_id,
        period=line.period,
        kind=line.kind,
        category=line.category,
        day=line.day,
        arrived_late=line.arrived_late,
        changes=tuple(ChangeOut(*change) for change in line.changes),
    )


def _place(cursor: str | None) -> tuple[int, UUID] | None:
    if cursor is None:
        return None
    period, _, line_id = cursor.partition(".")
    try:
        return _number(period, field="after") or 0, UUID(line_id)
    except ValueError as error:
        raise FieldInvalid(field="after", why=NOT_A_CURSOR) from error


def _number(text: str | None, *, field: str) -> int | None:
    if text is None:
        return None
    # Periods fit an integer column; longer digits would be somebody's experiment.
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise FieldInvalid(field=field, why=NOT_A_CURSOR)
    return int(text)


def _limit(text: str | None, *, usual: int, largest: int) -> int:
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= largest):
        raise FieldInvalid(field="limit", why=f"1–{largest}")
    return int(text)
