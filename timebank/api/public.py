"""Public figures as JSON: read from what is published, by a role that can read nothing else."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.openapi import shows
from timebank.edge.paging import Count, Listing, one_of, text
from timebank.edge.published import PublishedReply
from timebank.errors import N_, FieldInvalid, UnknownPage, UnknownPot
from timebank.rules.publication import ALL_PLACES, SHELTERED, PublicPeriod, PublishedLine
from timebank.services import published
from timebank.services.cosigning import AUDITED, WITNESSED, read_checking
from timebank.services.published import LinesWanted

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.store.engine import Database

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_PUBLIC: Final = ["public"]
FLOWS_SHOWN: Final = 60
LINES_SHOWN: Final = 100
#: What others sign can be there at any time.
AT_ONCE: Final = "no-cache"

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
    """A closed stretch of days, both ends included; `preset` is how it was published."""

    period: int
    first_day: date
    last_day: date
    next_close_on: date
    preset: str


class GroupOut(msgspec.Struct, frozen=True):
    """What a group says about itself; ``period`` is null before the first close.

    At least ``people`` stand behind each figure (0 under open), gifts of money included if ``gifts_wait``.
    """

    slug: str
    name: str
    languages: tuple[str, ...]
    preset: str
    people: int
    gifts_wait: bool
    began_on: date
    first_close_on: date
    units: tuple[UnitOut, ...]
    pots: tuple[PotOut, ...]
    period: PeriodOut | None


class BalanceOut(msgspec.Struct, frozen=True):
    """A pot as of the last close, in its unit: whole minutes or smallest coins.

    Given and drawn are since the book began, came_in and went_out of the period. Available is
    below zero where a group's rules let it. Under sheltered ``promised`` is null: it is part of
    ``available``.
    """

    pot: str
    unit: str
    available: int
    promised: int | None
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
    """All money of one unit and where it is; under careful and sheltered ``places`` is empty."""

    unit: str
    amount: int
    places: tuple[PlaceOut, ...]


class BalancesOut(msgspec.Struct, frozen=True):
    """All figures as of the last close; ``checkpoint`` is the signed note of the public log then."""

    period: PeriodOut | None
    pots: tuple[BalanceOut, ...]
    held: tuple[HeldOut, ...]
    checkpoint: str | None


class FlowOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """In and out of one pot in one period; ``kind`` is there when asked for by kind.

    ``other`` are lines of several kinds with too few people behind each; ``waited`` is the one total of what
    waited as long as it may, and has no lines.
    """

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
    """A public line; ``id`` is random and says nothing. Under careful it has no category and no day."""

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


class SaidOut(msgspec.Struct, frozen=True):
    """Who cosigned a checkpoint of the public log, when, and what that means.

    `witnessed`: the log goes on from all that they knew before. `audited`: they opened every record up to there.
    `until` is the last day of the period that ends there, null before the first close.
    """

    name: str
    said: str
    size: int
    until: date | None
    at: datetime


class ChecksOut(msgspec.Struct, frozen=True):
    """What is needed to check the book, and the last that each witness and each auditor said of it."""

    checkpoint: str
    log_key: str
    cosigned: tuple[SaidOut, ...]


FLOWS: Final[Listing[int]] = Listing(
    "flows",
    Count,
    usual=FLOWS_SHOWN,
    largest=400,
    filters=(
        text("unit", "Only pots of this unit, such as `minutes` or `EUR`"),
        one_of("by", ("period", "kind"), "All kinds of entries together, or apart", default="period"),
    ),
    cursor="before",
)
LINES: Final[Listing[tuple[int, UUID]]] = Listing(
    "entries",
    tuple[Count, UUID],
    usual=LINES_SHOWN,
    largest=500,
    filters=(
        text("kind", "Only this kind of entry, such as `help_given`"),
        text("category", "Only this category"),
        text("pot", "Only what changed this pot"),
    ),
)


@route(
    "/api/v1/groups/{slug:str}",
    http_method=_READ,
    tags=_PUBLIC,
    operation_class=shows(GroupOut, summary="A group: name, units, pots"),
)
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
            people=group.people,
            gifts_wait=group.gifts_wait,
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
    tags=_PUBLIC,
    operation_class=shows(BalancesOut, summary="The pots and where the money is, as of the last close"),
)
async def get_balances(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return every pot as of the last close."""
    figures = await published.read_public_group(_database(request), slug)
    units = dict.fromkeys(place.unit for place in figures.held)
    sheltered = figures.period is not None and figures.period.preset == SHELTERED
    return _reply(
        BalancesOut(
            period=_period(figures.period),
            pots=tuple(
                BalanceOut(
                    pot=balance.pot,
                    unit=balance.unit,
                    available=balance.available,
                    promised=None if sheltered else balance.promised,
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
                        if place.unit == unit and place.kind != ALL_PLACES
                    ),
                )
                for unit in units
            ),
            checkpoint=figures.checkpoint,
        )
    )


@route(
    "/api/v1/groups/{slug:str}/flows",
    http_method=_READ,
    tags=_PUBLIC,
    operation_class=shows(FlowsOut, summary="What came in and went out, period by period", query=FLOWS.query),
)
async def get_flows(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return in and out of the last periods, oldest first."""
    asked = FLOWS.read(request.scope["query_string"])
    unit = asked.filters.get("unit")
    found = await published.read_public_flows(
        _database(request),
        slug,
        before=asked.after,
        limit=asked.limit,
        by_kind=asked.filters.get("by") == "kind",
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
            next=FLOWS.next(found.before) or None,
        )
    )


@route(
    "/api/v1/groups/{slug:str}/entries",
    http_method=_READ,
    tags=_PUBLIC,
    operation_class=shows(
        LinesOut,
        summary="The public lines of the book",
        description="A page may have fewer lines than `limit`, even none; the last one has no `next`.",
        query=LINES.query,
    ),
)
async def get_entries(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return a page of public lines, newest period first."""
    asked = LINES.read(request.scope["query_string"])
    found = await published.read_public_lines(
        _database(request), slug, after=asked.after, limit=asked.limit, wanted=LinesWanted(**asked.filters)
    )
    return _reply(
        LinesOut(
            period=_period(found.period),
            entries=tuple(_line(line) for line in found.lines),
            next=LINES.next(found.after) or None,
        )
    )


@route(
    "/api/v1/groups/{slug:str}/policies/{pot:str}",
    http_method=_READ,
    tags=_PUBLIC,
    operation_class=shows(PoliciesOut, summary="The rules of a pot, every version", refusals=(UnknownPage,)),
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


@route(
    "/api/v1/groups/{slug:str}/checks",
    http_method=_READ,
    tags=_PUBLIC,
    operation_class=shows(
        ChecksOut,
        summary="Who checked the book, and until when",
        description="Newest checkpoint, its key, and who witnessed or audited which one. It changes when somebody has "
        "signed, between closes, too.",
        refusals=(UnknownPage,),
    ),
)
async def get_checks(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Return who checked the book, and until when."""
    checking = await read_checking(request.app.state.door.house, slug)
    answer = ChecksOut(
        checkpoint=checking.note,
        log_key=checking.log_key,
        cosigned=tuple(
            SaidOut(one.name, AUDITED if one.audited else WITNESSED, one.size, one.until, one.at)
            for one in checking.said
        ),
    )
    return PublishedReply(msgspec.json.encode(answer), "application/json", cache=AT_ONCE)


PUBLIC_API: Final[list[HTTPRouteHandler]] = [
    get_group,
    get_balances,
    get_flows,
    get_entries,
    get_policies,
    get_checks,
]


def _database(request: Request[Any, Any, Any]) -> Database:
    database: Database = request.app.state.database
    return database


def _reply(answer: msgspec.Struct) -> PublishedReply:
    return PublishedReply(msgspec.json.encode(answer), "application/json")


def _period(period: PublicPeriod | None) -> PeriodOut | None:
    if period is None:
        return None
    return PeriodOut(period.period, period.first_day, period.last_day, period.next_close_on, period.preset)


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
