"""Closing: what happened in a stretch of days becomes public, once, and is never changed again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.config import OperatorError
from timebank.errors import GroupBusy, PeriodNotOver
from timebank.ledger.public_log import (
    ClosingLeaf,
    PeriodLeaf,
    RecordLeaf,
    RestoredLeaf,
    padding_needed,
    read_leaf,
)
from timebank.rules.closing import (
    NOT_IN_PERIODS,
    TOLD_AT_ONCE,
    PotAtClose,
    closing_leaf,
    held_of,
    leaf_of_entry,
    leaf_of_record,
)
from timebank.rules.publication import (
    ALL_PLACES,
    NO_LINE,
    OPEN,
    SHELTERED,
    PotTotals,
    PublicBalance,
    PublicPeriod,
    PublicPlace,
    Sum,
    add_line,
    add_up,
    changes_of,
    first_period_end,
    public_facet,
    shares_of,
)
from timebank.rules.readiness import (
    ANYBODY,
    Candidate,
    Way,
    decide,
    long_stop,
    next_close_on,
    period_end,
    pots_of,
    shows_places,
    side_totals,
    sums_of,
    touches_of,
    way_on,
)
from timebank.services import public_log
from timebank.services.new_keys import must_sign_for, published_keys
from timebank.services.settings import let_time_zone_begin
from timebank.store import closes as store
from timebank.store import public_log as log_store
from timebank.store.auditors import list_keys
from timebank.store.closes import NewLine, WaitingRow
from timebank.store.engine import driver
from timebank.store.members import list_ties
from timebank.store.published import list_balances
from timebank.store.settings import publish_frame

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from timebank.rules.publication import PublicLine
    from timebank.services.house import House
    from timebank.store.closes import ClosableRecord, CloseFrame, Drawn, GroupToClose, LastClose
    from timebank.store.public_log import LogHead

logger = logging.getLogger(__name__)

Ways = Sequence[tuple[date, Way]]
LiveHash = Callable[[Any], bytes]

# Long enough that writers keep four fifths of their rate, and short enough that 100,000 entries are out in 30 s.
_REST_MAX_S: Final = 0.2


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
class _Unpublished:
    """An entry that is not published yet, and the way of publishing that it was written under."""

    record: ClosableRecord
    candidate: Candidate
    way: Way


@dataclass(frozen=True, slots=True)
class _Start:
    """What the next period is computed from.

    Attributes:
        last, balances: The last close and its figures.
        ties: Whose account of hours a number is; only where people are counted.
        waiting: What earlier closes have seen and not published.
        log: Where the public log ends; None before it begins.
        policies: The newest version of each pot's rules that has a leaf.
        at_once: Records of restores and new keys that go out with this close, whichever days it covers.
    """

    last: LastClose
    balances: Mapping[str, PublicBalance]
    frame: CloseFrame
    ways: Ways
    ties: Mapping[int, UUID]
    waiting: tuple[_Unpublished, ...]
    log: LogHead | None
    policies: Mapping[str, int]
    at_once: tuple[ClosableRecord, ...]


@dataclass(frozen=True, slots=True)
class _Figures:
    """Everything that one period publishes, computed from rows that cannot change.

    Attributes:
        pots: As the log shows them; its first period tells of the whole book.
        went, waits: Entries that cease to wait, and that begin to.
        new_keys: What the book says of keys that it introduces.
    """

    period: PublicPeriod
    way_after: Way
    ends_at: datetime
    through_seq: int
    lines: list[NewLine]
    totals: dict[str, PotTotals]
    balances: tuple[PublicBalance, ...]
    held: tuple[PublicPlace, ...]
    leaves: list[PeriodLeaf]
    log_first_day: date
    log_pots: tuple[PotAtClose, ...]
    policies: dict[str, int]
    went: list[int]
    waits: list[WaitingRow]
    waiting: tuple[_Unpublished, ...]
    new_keys: list[Mapping[str, Any]]


@dataclass(slots=True)
class _Going:
    """What goes out with one period, gathered step by step."""

    frame: CloseFrame
    preset: str
    totals: dict[str, PotTotals]
    lines: list[tuple[PublicLine, bool]] = field(default_factory=list)
    leaves: list[PeriodLeaf] = field(default_factory=list)

    def publish(self, record: ClosableRecord, kind: str, *, first_day: date) -> None:
        """Publish an entry as itself: as a line, or under *sheltered* as a part of totals."""
        assert record.effective_on is not None, record.seq
        accounts = self.frame.accounts
        line = public_facet(
            preset=self.preset,
            kind=kind,
            category=record.category,
            effective_on=record.effective_on,
            transfers=record.transfers,
            accounts=accounts,
        )
        shares = shares_of(record.kind, record.transfers, accounts)
        if self.preset == SHELTERED:
            changes = (change for leg in record.transfers for change in changes_of(leg, accounts))
            add_up(self.totals, changes, shares)
        else:
            add_line(self.totals, line, shares)
        if line != NO_LINE:
            # Elsewhere than under open, being late would tell that something waited.
            late = self.preset == OPEN and record.effective_on < first_day
            self.lines.append((line, late))
        self.leaves.append(leaf_of_entry(record.commitment, line))

    def publish_totals(self, candidates: Sequence[Candidate]) -> None:
        """Publish what entries come to, side by side, where only totals are shown."""
        for side, net in side_totals(candidates).items():
            self.totals[side.pot].add_net(net)
        of_nobody = [candidate for candidate in candidates if not candidate.touches]
        for pot, total in sums_of(of_nobody).items():
            self.totals[pot].add_net(sum(total))

    def publish_stopped(self, totals: Mapping[str, Sum], records: Iterable[ClosableRecord]) -> None:
        """Publish what waited until the long stop: one total for each pot, and no line."""
        for pot, total in totals.items():
            self.totals[pot].add_waited(total)
        self.leaves += (leaf_of_entry(record.commitment, NO_LINE) for record in records)


class _StaleError(Exception):
    """What a period was computed from no longer holds: it was closed by another, or a late batch came in."""


async def close_period(
    house: House,
    group_id: UUID,
    *,
    now: datetime,
    through: date | None = None,
    meet: Callable[[int], None] = lambda _pid: None,
) -> Closed:
    """Close every period that is over, in order, each in a transaction of its own.

    Closing again closes nothing and says so. Stopped half-way, the next call goes on.

    Args:
        now: Aware; what "over" means is decided in the group's time zone.
        through: Last day to close; None is yesterday. A period that ends later stays open.
        meet: Told the number of the database's process that serves the close, so that whoever does nothing else with
            it can let it step back.

    Raises:
        UnknownGroup: There is no such group.
        PeriodNotOver: ``through`` is not over yet.
        GroupBusy: Another process is closing this group right now.
        OperatorError: The log is not as it was published here, or its key is missing.
    """
    await let_time_zone_begin(house, group_id, now=now)
    async with house.database.read(group_id) as tx:
        meet((await driver(tx)).get_server_pid())
        group = await store.find_group_to_close(tx, group_id)
        last = await store.find_last_close(tx, group_id)
        ways = await store.list_ways(tx, group_id)
    zone = ZoneInfo(group.time_zone)
    today = now.astimezone(zone).date()
    through = through or today - timedelta(days=1)
    if through >= today:
        raise PeriodNotOver(through=through.isoformat(), today=today.isoformat())

    if _next_days(group, last, ways, zone, through) is None:
        return Closed((), last.last_day)

    await public_log.refuse_behind(house, group_id)
    await public_log.make_keys(house, group_id)
    periods: list[PublicPeriod] = []
    start = await _start(house, group_id, zone)
    while (due := _next_days(group, start.last, start.ways, zone, through)) is not None:
        figures = await _figures(house, group_id, start, group, *due, zone)
        try:
            log = await _publish(house, group_id, group.origin, figures, now=now)
        except _StaleError:
            start = await _start(house, group_id, zone)
            continue
        periods.append(figures.period)
        start = _Start(
            last=store.LastClose(figures.period.period, figures.period.last_day, figures.through_seq),
            balances={balance.pot: balance for balance in figures.balances},
            frame=start.frame,
            ways=start.ways,
            ties=start.ties,
            waiting=figures.waiting,
            log=log,
            policies=figures.policies,
            at_once=(),
        )
    await public_log.keep_files(house, group_id)
    return Closed(tuple(periods), start.last.last_day)


async def close_what_is_over(house: House, group_id: UUID, *, now: datetime) -> None:
    """Close the periods of a group that are over, unless somebody else is at it; for the sweep."""
    try:
        await close_period(house, group_id, now=now)
    except GroupBusy:
        pass
    except OperatorError as error:
        # Whoever keeps the server has to do something; other groups go on.
        logger.warning("not closed: %s", error)


def _next_days(
    group: GroupToClose, last: LastClose, ways: Ways, zone: ZoneInfo, through: date
) -> tuple[date, date] | None:
    """Return first and last day of the next period that is due; None when none is."""
    first_day, last_day, _ = next_period(group, last, ways, zone)
    return (first_day, last_day) if last_day <= through else None


def next_period(group: GroupToClose, last: LastClose, ways: Ways, zone: ZoneInfo) -> tuple[date, date, Way]:
    """Return first and last day of the period after the last close, and how it is published."""
    if last.last_day is None:
        first_day = group.began_on
        begins = first_period_end(first_day, group.created_at.astimezone(zone).date())
    else:
        first_day = begins = last.last_day + timedelta(days=1)
    way = way_on(ways, begins)
    return first_day, period_end(way.preset, begins), way


# ---------------------------------------------------------------- what a period starts from


async def _start(house: House, group_id: UUID, zone: ZoneInfo) -> _Start:
    async with house.database.read(group_id) as tx:
        last = await store.find_last_close(tx, group_id)
        balances = {balance.pot: balance for balance in await list_balances(tx, group_id, last.period)}
        frame = await store.find_frame(tx, group_id)
        ways = await store.list_ways(tx, group_id)
        rows = await store.list_waiting(tx, group_id)
        counts = bool(rows) or any(way.people for _, way in ways)
        # Asks name people, help names accounts: the same person must not count twice.
        ties = await list_ties(tx, house.keys, group_id) if counts else {}
        log = await log_store.find_head(tx, group_id)
        end = read_leaf(await log_store.find_last_leaf(tx, group_id, log.size)) if log else None
        records = await store.list_records(tx, group_id, [row.seq for row in rows], units=frame.units)
        drawn = await store.list_drawn(tx, group_id, [row.seq for row in rows])
        seen = last.through_seq if log and log.period else 0
        at_once = await store.list_told_at_once(tx, group_id, after_seq=seen)
    waiting = tuple(
        _Unpublished(record, _candidate(record, drawn[record.seq], frame, ties, zone), row.way)
        for record, row in zip(records, rows, strict=True)
    )
    policies = dict(end.policies) if isinstance(end, ClosingLeaf) else {}
    return _Start(
        last,
        balances,
        frame,
        ways,
        ties,
        waiting,
        log,
        policies,
        at_once=tuple(at_once),
    )


def _candidate(
    record: ClosableRecord, drawn: Drawn, frame: CloseFrame, ties: Mapping[int, UUID], zone: ZoneInfo
) -> Candidate:
    accounts = frame.accounts
    return Candidate(
        seq=record.seq,
        kind=record.kind,
        recorded_on=record.recorded_at.astimezone(zone).date(),
        changes=tuple(change for leg in record.transfers for change in changes_of(leg, accounts)),
        touches=touches_of(
            record.kind,
            record.transfers,
            accounts,
            undoes=drawn.undoes,
            drawn_by=_drawn_by(drawn, frame, ties),
        ),
        pots=pots_of(record.transfers, accounts, frame.pots_by_unit),
    )


def _drawn_by(drawn: Drawn, frame: CloseFrame, ties: Mapping[int, UUID]) -> Hashable | None:
    if drawn.without_account or drawn.receiver in frame.outside:
        return ANYBODY
    if drawn.member_id is not None:
        return drawn.member_id
    # Nobody knows any more whose account this was: it may be somebody's who is counted already.
    return None if drawn.receiver is None else ties.get(drawn.receiver)


# ---------------------------------------------------------------- adding up


async def _figures(
    house: House,
    group_id: UUID,
    start: _Start,
    group: GroupToClose,
    first_day: date,
    last_day: date,
    zone: ZoneInfo,
) -> _Figures:
    """Add up a period, page by page, without holding up anybody."""
    frame = start.frame
    way = way_on(start.ways, last_day)
    ends_at = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), zone)
    going = _Going(frame, way.preset, {pot.pot: PotTotals(pot.unit) for pot in frame.pots})
    policies = dict(start.policies)
    live_hash = _live_hash(house, group_id, group.origin)
    introduced = {record.fields["old"]: record.seq for record in start.at_once if record.kind == "key"}
    for record in start.at_once:
        going.leaves.append(_leaf_at_once(record, introduced, live_hash))
        for one in record.fields.get("lost", ()):
            going.totals[one["pot"]].add_lost(Sum(one["available"], one["promised"]))
    fresh: list[_Unpublished] = []
    through_seq = start.last.through_seq
    # Most days are short: the first page is small, so that catching up on many of them is quick.
    limit, more = 100, True
    net: dict[int, int] = {}
    while more:
        began = time.monotonic()
        async with house.database.read(group_id) as tx:
            page = await store.list_records_after(
                tx, group_id, after_seq=through_seq, units=frame.units, limit=limit
            )
            # Moments never decrease from seq to seq, so what is covered is the page's beginning.
            covered = [record for record in page if record.recorded_at < ends_at]
            more = bool(page) and len(covered) == len(page)
            through_seq = covered[-1].seq if covered else through_seq
            entries = [record for record in covered if record.is_entry]
            drawn = (
                await store.list_drawn(tx, group_id, [record.seq for record in entries])
                if way.people and entries
                else {}
            )
            if not more:
                net = await store.find_balances_at(tx, group_id, frame.numbers, through_seq=through_seq)
        for record in covered:
            if not record.is_entry:
                going.leaves += _leaves_of_other(record, policies)
            elif way.people:
                candidate = _candidate(record, drawn[record.seq], frame, start.ties, zone)
                fresh.append(_Unpublished(record, candidate, way))
            else:
                going.publish(record, record.kind, first_day=first_day)
        limit = store.PAGE
        if more:
            await _rest(began)

    next_way = way_on(start.ways, last_day + timedelta(days=1))
    next_day = next_close_on(next_way.preset, last_day)
    every = (*start.waiting, *fresh)
    before = _closing(frame, net, every)
    # A group's whole past can come in at once: in a thread, so that others are answered meanwhile.
    waiting = await asyncio.to_thread(
        _let_go, every, way, going, before=before, first_day=first_day, next_day=next_day
    )
    closing = _closing(frame, net, waiting)
    earlier = await _earlier(house, group_id, start, policies)
    seqs = {one.record.seq for one in waiting}
    known = {one.record.seq for one in start.waiting}
    return _Figures(
        period=PublicPeriod(
            start.last.period + 1, first_day, last_day, next_day, len(going.lines), way.preset
        ),
        way_after=next_way,
        ends_at=ends_at,
        through_seq=through_seq,
        lines=[NewLine(house.new_id(), line, late) for line, late in going.lines],
        totals=going.totals,
        balances=_balances(frame, closing, start.balances, going.totals, way.preset),
        held=_held(frame, net, closing, going.totals, places=shows_places(start.ways, last_day)),
        leaves=earlier.leaves + going.leaves,
        log_first_day=group.began_on if earlier.leaves else first_day,
        log_pots=_log_pots(frame, closing, going.totals, earlier.totals),
        policies=policies,
        went=sorted(known - seqs),
        waits=[
            WaitingRow(one.record.seq, one.candidate.recorded_on, one.way)
            for one in waiting
            if one.record.seq not in known
        ],
        waiting=waiting,
        new_keys=[record.fields for record in start.at_once if record.kind == "key"],
    )


def _leaves_of_other(record: ClosableRecord, policies: dict[str, int]) -> list[PeriodLeaf]:
    """Return the leaf of a record that moves nothing; none for one that stands elsewhere in the log."""
    if record.kind in NOT_IN_PERIODS or record.kind in TOLD_AT_ONCE:
        return []
    if record.kind == "policy":
        pot, version = str(record.fields["pot"]), int(record.fields["version"])
        policies[pot] = max(version, policies.get(pot, 0))
    return [leaf_of_record(record.kind, record.commitment, record.fields)]


def _leaf_at_once(record: ClosableRecord, introduced: Mapping[str, int], live_hash: LiveHash) -> PeriodLeaf:
    """Return the leaf of a restore or a new key.

    Args:
        introduced: By the key before, the last record that replaces it; others came to nothing, and show nothing.
    """
    if record.kind == "restored" and "new" in record.fields:
        return RestoredLeaf(
            commitment=record.commitment,
            epoch=int(record.fields["epoch"]),
            live_old=live_hash(record.fields.get("old")),
            live_new=live_hash(record.fields["new"]),
            lost=int(record.fields["published_lost"]),
        )
    if record.kind == "key" and introduced[record.fields["old"]] != record.seq:
        return RecordLeaf(record.commitment)
    return leaf_of_record(record.kind, record.commitment, record.fields)


def _live_hash(house: House, group_id: UUID, origin: str) -> LiveHash:
    """Return what hashes a live checkpoint of which a record has size and root: a signature comes out the same again."""

    def hashed(said: Mapping[str, Any] | None) -> bytes:
        if said is None:
            return bytes(32)
        root = bytes.fromhex(str(said["root"]))
        return sha256(house.checkpoints.sign(group_id, origin, 1, int(said["size"]), root).encode()).digest()

    return hashed


def _let_go(
    every: Sequence[_Unpublished],
    way: Way,
    going: _Going,
    *,
    before: dict[str, Sum],
    first_day: date,
    next_day: date,
) -> tuple[_Unpublished, ...]:
    """Publish what may be published; return what goes on waiting.

    What was written under another way of publishing was promised to come out in that way. Nobody joins
    it any more, so it waits for its long stop.
    """
    waiting: list[_Unpublished] = []
    for its_way in dict.fromkeys([way, *(one.way for one in every)]):
        mine = [one for one in every if one.way == its_way]
        candidates = [one.candidate for one in mine]
        if its_way == way:
            outcome = decide(candidates, way, before=before, next_day=next_day)
            kinds, stopped, totals = outcome.kinds, outcome.stopped, outcome.totals
        else:
            kinds = {}
            stopped, totals = long_stop(candidates, its_way, next_day=next_day)
        for one in mine:
            if one.record.seq in kinds:
                going.publish(one.record, kinds[one.record.seq], first_day=first_day)
        if way.preset == SHELTERED:
            going.publish_totals([candidate for candidate in candidates if candidate.seq in kinds])
        going.publish_stopped(totals, [one.record for one in mine if one.record.seq in stopped])
        waiting += (one for one in mine if one.record.seq not in kinds and one.record.seq not in stopped)
    return tuple(sorted(waiting, key=lambda one: one.record.seq))


def _closing(frame: CloseFrame, net: Mapping[int, int], waiting: Sequence[_Unpublished]) -> dict[str, Sum]:
    """Return by pot what is published: what the book has without what waits."""
    not_yet = sums_of(one.candidate for one in waiting)
    nothing = Sum(0, 0)
    return {
        pot.pot: Sum(
            net[pot.available] - not_yet.get(pot.pot, nothing).available,
            net[pot.promised] - not_yet.get(pot.pot, nothing).promised,
        )
        for pot in frame.pots
    }


def _balances(
    frame: CloseFrame,
    closing: Mapping[str, Sum],
    before: Mapping[str, PublicBalance],
    totals: Mapping[str, PotTotals],
    preset: str,
) -> tuple[PublicBalance, ...]:
    balances = []
    for pot in frame.pots:
        total, end = totals[pot.pot], closing[pot.pot]
        earlier = before.get(pot.pot) or PublicBalance(pot.pot, pot.unit, 0, 0, 0, 0, 0, 0)
        # Two ways to the same figures: the running balances of the book, and what we publish.
        folded = earlier.available + earlier.promised + total.available + total.promised
        assert sum(end) == folded, (pot.pot, end, folded)
        apart = [sum(one) for one in (total.waited, total.lost) if one is not None]
        balances.append(
            PublicBalance(
                pot=pot.pot,
                unit=pot.unit,
                available=sum(end) if preset == SHELTERED else end.available,
                promised=0 if preset == SHELTERED else end.promised,
                given=earlier.given + total.given,
                drawn=earlier.drawn + total.drawn,
                came_in=total.came_in + sum(max(0, one) for one in apart),
                went_out=total.went_out + sum(max(0, -one) for one in apart),
            )
        )
    return tuple(balances)


def _held(
    frame: CloseFrame,
    net: Mapping[int, int],
    closing: Mapping[str, Sum],
    totals: Mapping[str, PotTotals],
    *,
    places: bool,
) -> tuple[PublicPlace, ...]:
    """Return where money is, or how much there is in all places where one place could tell of one person."""
    if places:
        return tuple(
            PublicPlace(place.place, place.kind, place.number, place.unit, -net[account])
            for place, account in frame.held
        )
    pots = [PotAtClose(pot.pot, pot.unit, totals[pot.pot], closing[pot.pot]) for pot in frame.pots]
    return tuple(
        PublicPlace(held.unit.lower(), ALL_PLACES, 0, held.unit, held.amount) for held in held_of(pots)
    )


# ---------------------------------------------------------------- a book that is older than its log


async def _earlier(house: House, group_id: UUID, start: _Start, policies: dict[str, int]) -> _Going:
    """Return what was published before there was a log, which its first period tells again; mostly nothing.

    Only *open* could be closed then, so all of it went out as it was.
    """
    earlier = _Going(start.frame, OPEN, {pot.pot: PotTotals(pot.unit) for pot in start.frame.pots})
    if start.log is not None and start.log.period > 0:
        return earlier
    seq, more = 0, start.last.through_seq > 0
    while more:
        began = time.monotonic()
        async with house.database.read(group_id) as tx:
            page = await store.list_records_after(tx, group_id, after_seq=seq, units=start.frame.units)
        for record in page:
            if record.seq > start.last.through_seq:
                more = False
            elif record.is_entry:
                earlier.publish(record, record.kind, first_day=date.min)
            else:
                earlier.leaves += _leaves_of_other(record, policies)
        more = more and bool(page)
        seq = page[-1].seq if page else seq
        if more:
            await _rest(began)
    return earlier


async def _rest(began: float) -> None:
    """Leave the processors to whoever writes: a page of a long day takes one of them as long as writing it did.

    Args:
        began: When the page began that is done now.
    """
    await asyncio.sleep(min(3 * (time.monotonic() - began), _REST_MAX_S))


def _log_pots(
    frame: CloseFrame,
    closing: Mapping[str, Sum],
    totals: Mapping[str, PotTotals],
    earlier: Mapping[str, PotTotals],
) -> tuple[PotAtClose, ...]:
    pots = []
    for pot in frame.pots:
        total, before = totals[pot.pot], earlier[pot.pot]
        flows = {kind: list(flow) for kind, flow in total.flows.items()}
        for kind, flow in before.flows.items():
            so_far = flows.get(kind, [0, 0, 0])
            flows[kind] = [one + other for one, other in zip(so_far, flow, strict=True)]
        both = PotTotals(
            unit=pot.unit,
            available=total.available + before.available,
            promised=total.promised + before.promised,
            flows=flows,
            waited=total.waited,
            lost=total.lost,
        )
        pots.append(PotAtClose(pot.pot, pot.unit, both, closing[pot.pot]))
    return tuple(pots)


# ---------------------------------------------------------------- writing


async def _publish(house: House, group_id: UUID, origin: str, figures: _Figures, *, now: datetime) -> LogHead:
    """Write a period in one transaction; return where the log ends then.

    Raises:
        _StaleError: Nothing was written; the figures have to be computed again.
    """
    period = figures.period
    salts = [house.random(32) for _ in range(padding_needed(len(figures.leaves), period.preset))]
    leaves = await asyncio.to_thread(public_log.new_leaves, figures.leaves, salts)
    async with house.database.tx(group_id) as tx:
        await store.lock_closing(tx, group_id)
        if (await store.find_last_close(tx, group_id)).period != period.period - 1:
            raise _StaleError
        # Lines and leaves can be many. They are written before the book is locked; nobody sees them yet.
        await store.insert_lines(tx, group_id, period.period, figures.lines)
        log = await log_store.find_head(tx, group_id) or await public_log.begin(house, tx, group_id)
        keys = await published_keys(tx, group_id)
        growth = await public_log.take_up(tx, group_id, log)
        log_period = log.period + 1
        await public_log.append(tx, group_id, growth, period=log_period, leaves=leaves)
        await store.change_waiting(tx, group_id, gone=figures.went, new=figures.waits)
        await store.lock_book(tx, group_id)
        following = await store.list_records_after(
            tx, group_id, after_seq=figures.through_seq, units={}, limit=1
        )
        if following and following[0].recorded_at < figures.ends_at:
            raise _StaleError
        # New keys must go out with the first close that they sign.
        if await store.list_told_at_once(tx, group_id, after_seq=figures.through_seq):
            raise _StaleError
        must_sign_for(house, group_id, origin, keys, told=figures.new_keys)

        await store.insert_figures(
            tx, group_id, period, balances=figures.balances, held=figures.held, totals=figures.totals
        )
        await publish_frame(tx, group_id)
        await store.let_way_begin(tx, group_id, figures.way_after)
        await store.insert_close(tx, group_id, period, through_seq=figures.through_seq, closed_at=now)
        auditors = await list_keys(tx, group_id, now=now)
        size, note = await house.append_records(
            tx, group_id, [("closing", 0, _record(figures, salts, auditors))], now=now
        )
        end = closing_leaf(
            commitment=await log_store.find_commitment(tx, group_id, size),
            period=log_period,
            first_day=figures.log_first_day,
            last_day=period.last_day,
            preset=period.preset,
            pots=figures.log_pots,
            policies=figures.policies,
            live=sha256(note.encode()).digest(),
            auditors=auditors,
        )
        await public_log.append(tx, group_id, growth, period=log_period, leaves=[public_log.new_leaf(end)])
        head = await public_log.freeze(house, tx, group_id, growth, origin=origin, period=log_period)
    house.checkpoints.keep(group_id, size, note)
    return head


def _record(figures: _Figures, salts: Sequence[bytes], auditors: Sequence[str]) -> dict[str, Any]:
    """Return what the book says of a close; with the salts auditors tell padding from what is withheld."""
    period = figures.period
    return {
        **({"auditors": list(auditors)} if auditors else {}),
        "first_day": period.first_day.isoformat(),
        "last_day": period.last_day.isoformat(),
        "padding": [salt.hex() for salt in salts],
        "period": period.period,
        "preset": period.preset,
        "through_seq": figures.through_seq,
    }
