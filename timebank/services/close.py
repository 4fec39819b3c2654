"""Closing: what happened in a stretch of days becomes public, once, and is never changed again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.errors import PeriodNotOver
from timebank.rules.publication import (
    OPEN,
    PotTotals,
    PublicBalance,
    PublicPeriod,
    PublicPlace,
    add_line,
    first_period_end,
    next_close_on,
    public_facet,
    require_open,
    shares_of,
)
from timebank.services.settings import let_time_zone_begin
from timebank.store import closes as store
from timebank.store.published import list_balances
from timebank.store.settings import publish_frame

if TYPE_CHECKING:
    from timebank.services.house import House
    from timebank.store.closes import ClosableRecord, CloseFrame, GroupToClose, LastClose, NewLine


@dataclass(frozen=True, slots=True)
class Closed:
    """What a call of close did.

    Attributes:
        periods: The periods that it closed, in order; empty when all were closed before.
        last_day: Last day that is closed now; None while the book has no closed day.
    """

    periods: tuple[PublicPeriod, ...]
    last_day: date | None

    @property
    def nothing_to_do(self) -> bool:
        """Whether every day asked for was closed already."""
        return not self.periods


@dataclass(frozen=True, slots=True)
class _Start:
    """What the next period is computed from: the last close, its figures, and the accounts to look at."""

    last: LastClose
    balances: dict[str, PublicBalance]
    frame: CloseFrame


@dataclass(frozen=True, slots=True)
class _Figures:
    """Everything that one period publishes, computed from rows that cannot change."""

    period: PublicPeriod
    ends_at: datetime
    through_seq: int
    lines: list[NewLine]
    totals: dict[str, PotTotals]
    balances: tuple[PublicBalance, ...]
    held: tuple[PublicPlace, ...]


class _StaleError(Exception):
    """What a period was computed from no longer holds: it was closed by another, or a late batch came in."""


async def close_period(house: House, group_id: UUID, *, now: datetime, through: date | None = None) -> Closed:
    """Close every day that is due, in order, each in a transaction of its own.

    Closing again closes nothing and says so. Stopped half-way, the next call goes on.

    Args:
        now: Aware; what "over" means is decided in the group's time zone.
        through: Last day to close; None is yesterday.

    Raises:
        UnknownGroup: There is no such group.
        PresetNotYet: The group's preset cannot be closed by this version.
        PeriodNotOver: ``through`` is not over yet.
        GroupBusy: Another process is closing this group right now.
    """
    await let_time_zone_begin(house, group_id, now=now)
    async with house.database.read(group_id) as tx:
        group = await store.find_group_to_close(tx, group_id)
    require_open(group.preset)
    zone = ZoneInfo(group.time_zone)
    today = now.astimezone(zone).date()
    through = through or today - timedelta(days=1)
    if through >= today:
        raise PeriodNotOver(through=through.isoformat(), today=today.isoformat())

    periods: list[PublicPeriod] = []
    start = await _start(house, group_id)
    while (due := _next_days(group, start.last, zone, through)) is not None:
        figures = await _figures(house, group_id, start, *due, zone)
        try:
            await _publish(house, group_id, figures, now=now)
        except _StaleError:
            start = await _start(house, group_id)
            continue
        periods.append(figures.period)
        start = _Start(
            last=store.LastClose(figures.period.period, figures.period.last_day, figures.through_seq),
            balances={balance.pot: balance for balance in figures.balances},
            frame=start.frame,
        )
    return Closed(tuple(periods), start.last.last_day)


def _next_days(
    group: GroupToClose, last: LastClose, zone: ZoneInfo, through: date
) -> tuple[date, date] | None:
    """Return first and last day of the next period that is due; None when none is."""
    if last.last_day is None:
        first_day = group.began_on
        last_day = first_period_end(first_day, group.created_at.astimezone(zone).date())
    else:
        first_day = last_day = last.last_day + timedelta(days=1)
    return (first_day, last_day) if last_day <= through else None


async def _start(house: House, group_id: UUID) -> _Start:
    async with house.database.read(group_id) as tx:
        last = await store.find_last_close(tx, group_id)
        balances = {balance.pot: balance for balance in await list_balances(tx, group_id, last.period)}
        return _Start(last, balances, await store.find_frame(tx, group_id))


async def _figures(
    house: House, group_id: UUID, start: _Start, first_day: date, last_day: date, zone: ZoneInfo
) -> _Figures:
    """Add up a period, page by page, without holding up anybody."""
    ends_at = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), zone)
    frame, through_seq = start.frame, start.last.through_seq
    totals = {pot.pot: PotTotals(pot.unit) for pot in frame.pots}
    lines: list[NewLine] = []
    # Most days are short: the first page is small, so that catching up on many of them is quick.
    limit, more = 100, True
    net: dict[int, int] = {}
    while more:
        async with house.database.read(group_id) as tx:
            page = await store.list_records_after(
                tx, group_id, after_seq=through_seq, units=frame.units, limit=limit
            )
            # Moments never decrease from seq to seq, so what is covered is the page's beginning.
            covered = [record for record in page if record.recorded_at < ends_at]
            more = bool(page) and len(covered) == len(page)
            through_seq = covered[-1].seq if covered else through_seq
            if not more:
                net = await store.find_balances_at(tx, group_id, frame.numbers, through_seq=through_seq)
        lines += [
            _line(house, frame, record, first_day, totals)
            for record in covered
            if record.effective_on is not None
        ]
        limit = store.PAGE
    return _Figures(
        period=PublicPeriod(start.last.period + 1, first_day, last_day, next_close_on(last_day), len(lines)),
        ends_at=ends_at,
        through_seq=through_seq,
        lines=lines,
        totals=totals,
        balances=_balances(frame, net, start.balances, totals),
        held=tuple(
            PublicPlace(place.place, place.kind, place.number, place.unit, -net[account])
            for place, account in frame.held
        ),
    )


def _line(
    house: House, frame: CloseFrame, record: ClosableRecord, first_day: date, totals: dict[str, PotTotals]
) -> NewLine:
    assert record.effective_on is not None, record.seq
    line = public_facet(
        preset=OPEN,
        kind=record.kind,
        category=record.category,
        effective_on=record.effective_on,
        transfers=record.transfers,
        accounts=frame.accounts,
    )
    add_line(totals, line, shares_of(record.kind, record.transfers, frame.accounts))
    return store.NewLine(house.new_id(), line, record.effective_on < first_day)


def _balances(
    frame: CloseFrame, net: dict[int, int], before: dict[str, PublicBalance], totals: dict[str, PotTotals]
) -> tuple[PublicBalance, ...]:
    balances = []
    for pot in frame.pots:
        total = totals[pot.pot]
        earlier = before.get(pot.pot) or PublicBalance(pot.pot, pot.unit, 0, 0, 0, 0, 0, 0)
        available, promised = net[pot.available], net[pot.promised]
        # Two ways to the same figures: the running balances of the book, and the lines we publish.
        folded = (earlier.available + total.available, earlier.promised + total.promised)
        assert (available, promised) == folded, (pot.pot, (available, promised), folded)
        balances.append(
            PublicBalance(
                pot=pot.pot,
                unit=pot.unit,
                available=available,
                promised=promised,
                given=earlier.given + total.given,
                drawn=earlier.drawn + total.drawn,
                came_in=total.came_in,
                went_out=total.went_out,
            )
        )
    return tuple(balances)


async def _publish(house: House, group_id: UUID, figures: _Figures, *, now: datetime) -> None:
    """Write a period in one transaction.

    Raises:
        _StaleError: Nothing was written; the figures have to be computed again.
    """
    period = figures.period
    async with house.database.tx(group_id) as tx:
        await store.lock_closing(tx, group_id)
        if (await store.find_last_close(tx, group_id)).period != period.period - 1:
            raise _StaleError
        # Lines can be many. They are written before the book is locked; nobody sees them yet.
        await store.insert_lines(tx, group_id, period.period, figures.lines)
        await store.lock_book(tx, group_id)
        following = await store.list_records_after(
            tx, group_id, after_seq=figures.through_seq, units={}, limit=1
        )
        if following and following[0].recorded_at < figures.ends_at:
            raise _StaleError

        await store.insert_figures(
            tx, group_id, period, balances=figures.balances, held=figures.held, totals=figures.totals
        )
        await publish_frame(tx, group_id)
        await store.insert_close(tx, group_id, period, through_seq=figures.through_seq, closed_at=now)
        closing = {
            "first_day": period.first_day.isoformat(),
            "last_day": period.last_day.isoformat(),
            "period": period.period,
            "through_seq": figures.through_seq,
        }
        size, note = await house.append_records(tx, group_id, [("closing", 0, closing)], now=now)
    house.checkpoints.keep(group_id, size, note)
