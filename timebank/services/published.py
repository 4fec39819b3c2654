"""Reading what is published: each answer is one moment, seen through a role that can see nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from timebank.errors import UnknownPage, UnknownPot
from timebank.rules.publication import (
    CAREFUL,
    OPEN,
    SHELTERED,
    PublicBalance,
    PublicBook,
    PublicFlow,
    PublicGroup,
    PublicMonth,
    PublicPeriod,
    PublicPlace,
    PublicPolicy,
    PublicRestore,
    PublishedLine,
)
from timebank.services.pages import sift
from timebank.services.told import read_told
from timebank.store import published as store
from timebank.store.public_log import find_note, find_note_of

if TYPE_CHECKING:
    from timebank.store.engine import Database, Tx

WEEKS_SHOWN: Final = 8
PERIODS_OF_LINES: Final = {OPEN: 7, CAREFUL: 4, SHELTERED: 1}
LINES_READ: Final = 240
PERIODS_LISTED: Final = 62
#: Ids of lines are random; none comes before this one.
BEFORE_ALL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class PublicFigures:
    """Balances as of the last close; ``period`` is None before the first one.

    Attributes:
        checkpoint: Signed note of the public log; None until it begins.
    """

    group: PublicGroup
    period: PublicPeriod | None
    balances: tuple[PublicBalance, ...]
    held: tuple[PublicPlace, ...]
    checkpoint: str | None = None


class LinesWanted(NamedTuple):
    """Which public lines; None is all."""

    kind: str | None = None
    category: str | None = None
    pot: str | None = None

    def has(self, line: PublishedLine) -> bool:
        """Whether a line is one of these."""
        return (
            self.kind in {None, line.kind}
            and self.category in {None, line.category}
            and (self.pot is None or any(change.pot == self.pot for change in line.changes))
        )


@dataclass(frozen=True, slots=True)
class PublicLines:
    """A page of public lines; ``after`` is the place of the next one, or None at the end."""

    group: PublicGroup
    period: PublicPeriod | None
    lines: tuple[PublishedLine, ...]
    after: tuple[int, UUID] | None


@dataclass(frozen=True, slots=True)
class PublicFlows:
    """In and out of some periods, oldest first; ``before`` leads to earlier ones, None at the begin."""

    group: PublicGroup
    period: PublicPeriod | None
    flows: tuple[PublicFlow, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class PublicHistory:
    """Closed periods, newest first, with what came in and went out in each; none before the first close.

    Where there are more, the list ends with a whole month, or with a whole year where pages are monthly.

    Attributes:
        months: In and out of every month of the book, newest first, by pot.
        now: Every pot at the last close.
        balances: Every pot at the end of the first of these periods.
        before: Leads to earlier ones; None at the begin.
    """

    group: PublicGroup
    periods: tuple[PublicPeriod, ...]
    flows: tuple[PublicFlow, ...]
    balances: tuple[PublicBalance, ...]
    before: int | None
    months: tuple[PublicMonth, ...] = ()
    now: tuple[PublicBalance, ...] = ()

    @property
    def by_year(self) -> bool:
        """Whether pages are gathered by year: a month of a monthly book has one page."""
        return bool(self.periods) and self.periods[0].preset == SHELTERED


async def read_public_book(database: Database, slug: str) -> PublicBook:
    """Return everything that a group's public page shows.

    It costs the same for a book of a thousand entries and of ten million: it reads the last
    eight weeks of sums and a page of lines.

    Raises:
        UnknownGroup: No group has this address.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        period = await store.find_last_period(tx, group_id)
        return await _book(tx, group_id, group, period, periods_of_lines=PERIODS_OF_LINES)


async def read_public_page(database: Database, slug: str, number: int) -> PublicBook:
    """Return a page of the past: everything as the close of that period left it, with the lines of that period.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: No period has this number, or not yet.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        period = await store.find_period(tx, group_id, number)
        if period is None:
            raise UnknownPage
        return await _book(tx, group_id, group, period, lines_after=(number, BEFORE_ALL))


async def read_public_periods(
    database: Database, slug: str, *, before: int | None, limit: int = PERIODS_LISTED
) -> PublicHistory:
    """Return closed periods, newest first: those before a number, or the last ones.

    Raises:
        UnknownGroup: No group has this address.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        periods = _whole(await store.list_periods(tx, group_id, before=before, limit=limit))
        newest = await store.find_last_period(tx, group_id)
        if not periods or newest is None:
            return PublicHistory(group, (), (), (), None)
        first, last = periods[-1].period, periods[0].period
        flows = await store.list_flows(tx, group_id, first_period=first, last_period=last, by_kind=False)
        return PublicHistory(
            group,
            tuple(periods),
            tuple(flows),
            tuple(await store.list_balances(tx, group_id, last)),
            first if first > 1 else None,
            tuple(await store.list_months(tx, group_id)),
            tuple(await store.list_balances(tx, group_id, newest.period)),
        )


def _whole(periods: list[PublicPeriod]) -> list[PublicPeriod]:
    """Return periods without the oldest month (or year) if it is not whole, unless nothing else is there."""
    if not periods or periods[-1].period == 1:
        return periods
    digits = 4 if periods[0].preset == SHELTERED else 7
    oldest = periods[-1].last_day.isoformat()[:digits]
    return [one for one in periods if one.last_day.isoformat()[:digits] != oldest] or periods


async def _book(
    tx: Tx,
    group_id: UUID,
    group: PublicGroup,
    period: PublicPeriod | None,
    *,
    periods_of_lines: Mapping[str, int] = MappingProxyType({}),
    lines_after: tuple[int, UUID] | None = None,
) -> PublicBook:
    """Read the book as a period left it.

    Args:
        periods_of_lines: Of how many periods lines are shown, by preset; one where it is not said.
        lines_after: Where they begin if that is not the newest one.
    """
    as_of = period.last_day if period else date.max
    policies = [
        _in_force(versions, as_of)
        for pot in group.pots
        if (versions := await store.list_policies(tx, group_id, pot=pot.pot))
    ]
    if period is None:
        return PublicBook(group=group, policies=tuple(policies))

    # Lines of the last days or weeks, and sums of at least as many weeks as the page shows.
    recent = await store.list_periods(
        tx, group_id, before=period.period + 1, limit=periods_of_lines.get(period.preset, 1)
    )
    first_shown = recent[-1]
    flows = await store.list_flows(
        tx,
        group_id,
        first_period=max(1, period.period - WEEKS_SHOWN * 7 + 1),
        last_period=period.period,
        by_kind=True,
    )
    return PublicBook(
        group=group,
        period=period,
        balances=tuple(await store.list_balances(tx, group_id, period.period)),
        before=tuple(await store.list_balances(tx, group_id, first_shown.period - 1)),
        held=tuple(await store.list_held(tx, group_id, period.period)),
        flows=tuple(flows),
        lines=tuple(
            await store.list_lines(
                tx,
                group_id,
                first_period=first_shown.period,
                after=lines_after,
                limit=LINES_READ,
            )
        ),
        lines_from=first_shown.first_day,
        line_flows=tuple(flow for flow in flows if flow.period >= first_shown.period),
        policies=tuple(policies),
        restores=tuple(
            one
            for one in await read_told(tx, group_id)
            if isinstance(one, PublicRestore)
            and period.last_day - timedelta(weeks=WEEKS_SHOWN) < one.told_on <= period.last_day
        ),
        note=await find_note_of(tx, group_id, period.period) or "",
    )


def _in_force(versions: Sequence[PublicPolicy], as_of: date) -> PublicPolicy:
    """Return the version that held at the end of the last closed day: the page keeps still until the next close."""
    return next((version for version in versions if version.agreed_on <= as_of), versions[-1])


async def read_public_group(database: Database, slug: str) -> PublicFigures:
    """Return a group's frame and its figures as of the last close.

    Raises:
        UnknownGroup: No group has this address.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        period = await store.find_last_period(tx, group_id)
        note = await find_note(tx, group_id)
        checkpoint = note[1] if note else None
        if period is None:
            return PublicFigures(group, None, (), (), checkpoint)
        return PublicFigures(
            group,
            period,
            tuple(await store.list_balances(tx, group_id, period.period)),
            tuple(await store.list_held(tx, group_id, period.period)),
            checkpoint,
        )


async def read_public_flows(
    database: Database, slug: str, *, before: int | None, limit: int, by_kind: bool
) -> PublicFlows:
    """Return what came in and went out, by period.

    Args:
        before: Only periods before this one; None ends with the last.
        limit: How many periods, 1 to 400.
        by_kind: Whether kinds of entries stand apart.

    Raises:
        UnknownGroup: No group has this address.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        period = await store.find_last_period(tx, group_id)
        periods = await store.list_periods(tx, group_id, before=before, limit=limit)
        if not periods:
            return PublicFlows(group, period, (), None)
        first, last = periods[-1].period, periods[0].period
        flows = await store.list_flows(tx, group_id, first_period=first, last_period=last, by_kind=by_kind)
        return PublicFlows(group, period, tuple(flows), first if first > 1 else None)


async def read_public_lines(
    database: Database,
    slug: str,
    *,
    after: tuple[int, UUID] | None,
    limit: int,
    wanted: LinesWanted = LinesWanted(),  # noqa: B008 - it cannot change
) -> PublicLines:
    """Return a page of public lines, newest period first.

    Args:
        after: Where the page before ended; None begins.
        limit: 1 to 500.

    Raises:
        UnknownGroup: No group has this address.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        period = await store.find_last_period(tx, group_id)

        async def read(
            place: tuple[int, UUID] | None, size: int
        ) -> list[tuple[PublishedLine, tuple[int, UUID]]]:
            lines = await store.list_lines(tx, group_id, first_period=1, after=place, limit=size)
            return [(line, (line.period, UUID(line.line_id))) for line in lines]

        keep = wanted.has if wanted != LinesWanted() else None
        page = await sift(read, after=after, limit=limit, keep=keep)
    return PublicLines(group, period, page.rows, page.next)


async def read_public_rules(
    database: Database, slug: str
) -> tuple[PublicGroup, dict[str, tuple[PublicPolicy, ...]]]:
    """Return every version of every pot's rules by pot, newest first, at one moment.

    Raises:
        UnknownGroup: No group has this address.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        return group, {
            pot.pot: tuple(await store.list_policies(tx, group_id, pot=pot.pot)) for pot in group.pots
        }


async def read_public_policies(
    database: Database, slug: str, pot: str
) -> tuple[PublicGroup, tuple[PublicPolicy, ...]]:
    """Return every version of a pot's rules, newest first.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPot: The group has no such pot.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        group = await store.find_group(tx, group_id)
        if all(known.pot != pot for known in group.pots):
            raise UnknownPot
        return group, tuple(await store.list_policies(tx, group_id, pot=pot))
