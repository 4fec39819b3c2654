"""What a whole-book check asks of every close: that what went out, and what waits, follows from records and ways alone.

Which entries a close let out is read from the log. What that comes to is added up anew for each way of publishing, and
whether they should have gone is decided anew, as far as it is still known for whom entries were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from timebank.ledger.checks import EntryRow, Finding, RecordRow, TransferRow
from timebank.ledger.entries import Transfer
from timebank.ledger.public_log import (
    OTHER,
    ClosingLeaf,
    Figure,
    LineLeaf,
    NotALeaf,
    PotFigures,
    RecordLeaf,
    read_leaf,
)
from timebank.rules.audit import CloseRow, FlowRow, HeldRow, LineRow, PeriodRow, PlaceRow, PotRow, Published
from timebank.rules.closing import PotAtClose, closing_leaf, held_of, leaf_of_entry
from timebank.rules.log_audit import PlacedLeaf, fields_of
from timebank.rules.publication import (
    ALL_PLACES,
    NO_LINE,
    OPEN,
    SHELTERED,
    PotTotals,
    PublicAccounts,
    PublicBalance,
    PublicLine,
    Sum,
    add_line,
    add_up,
    changes_of,
    place_name,
    public_facet,
    shares_of,
)
from timebank.rules.readiness import (
    LONG_STOP_DAYS,
    WAITED,
    Candidate,
    Way,
    decide,
    long_stop,
    next_close_on,
    pots_of,
    shows_places,
    side_totals,
    sums_of,
    touches_of,
    way_on,
)

CLOSING_CHECKS: Final[Mapping[str, str]] = {
    "closing_leaves": "The closing of every period in the public log says what follows from the records, and every "
    "entry is shown there as its period's way of publishing has it.",
    "people_behind": "Every close let out what its way of publishing lets out: nothing behind which too few people "
    "stand, and nothing later than that.",
}
"""Every check by name, with the promise that it holds; figures of pages are among those of ``rules.audit``."""

PEOPLE_GONE: Final = (
    "that enough people stood behind what {count} closes let out: somebody of those was forgotten since"
)
"""What could not be checked, as the end of "This does not prove ..."."""

DayOf = Callable[[datetime], date]


class Counted(NamedTuple):
    """For whom an entry counts.

    Attributes:
        undoes: For a correction: the kind of what it takes back, else empty.
        drawn_by: Whom its draw or help is for; None for nobody.
        known: Whether it is still known who that was.
    """

    undoes: str = ""
    drawn_by: Hashable | None = None
    known: bool = True


FOR_NOBODY: Final = Counted()


@dataclass(frozen=True, slots=True)
class ClosedBook:
    """What a check of closes needs to know beside the records.

    Attributes:
        units: Unit of each account.
        ways: How the group published, from which day on; see ``readiness.way_on``.
        closes: All of them, in order.
        logged: How many of them, the last ones, have their closing in the public log.
        published: What pages showed; None where only the log is looked at.
    """

    pots: Sequence[PotRow]
    places: Sequence[PlaceRow]
    accounts: PublicAccounts
    units: Mapping[int, str]
    ways: Sequence[tuple[date, Way]]
    closes: Sequence[CloseRow]
    logged: int
    published: Published | None = None

    @property
    def pots_by_unit(self) -> dict[str, frozenset[str]]:
        """By unit, the codes of its pots."""
        units = {pot.unit for pot in self.pots}
        return {unit: frozenset(pot.code for pot in self.pots if pot.unit == unit) for unit in units}


@dataclass(slots=True)
class _Item:
    """An entry that may wait, with the way that it was written under and its leaf, if it has one."""

    commitment: bytes
    kind: str
    category: str
    effective_on: date
    transfers: tuple[Transfer, ...]
    candidate: Candidate
    way: Way
    known: bool
    leaf: PlacedLeaf | None


@dataclass(slots=True)
class _Sums:
    """What one period publishes, gathered entry by entry."""

    totals: dict[str, PotTotals]
    lines: Counter[LineRow] = field(default_factory=Counter)


class _Expected(NamedTuple):
    """What the closing leaf of a period must say; ``exact`` is False where in and out cannot be told."""

    close: CloseRow
    log_period: int
    preset: str
    pots: tuple[PotAtClose, ...]
    policies: dict[str, int]
    exact: bool


class ClosingAudit:
    """One pass over a book beside others: fed page by page, told where periods end.

    Args:
        book: What is known beside the records.
        day_of: The day of a moment in the group's time zone.
    """

    def __init__(self, book: ClosedBook, day_of: DayOf) -> None:
        self._book = book
        self._day_of = day_of
        self._closes = list(book.closes)
        self._before_log = len(self._closes) - book.logged
        self._pots_by_unit = book.pots_by_unit
        self._done = 0
        self._found: dict[str, Finding] = {}
        self._people_gone = 0
        self._waiting: list[_Item] = []
        self._fresh: list[_Item] = []
        self._sums = _Sums(self._no_totals())
        self._earlier = self._no_totals()
        self._policies: dict[str, int] = {}
        self._expected: dict[int, _Expected] = {}
        self._given = dict.fromkeys((pot.code for pot in book.pots), (0, 0))
        self._lines: Counter[LineRow] = Counter()
        # A book that was always open has its pages checked by another program, rules.audit.
        shown = book.published
        self._shown = None if shown is None or shown.all_open else shown

    def feed(
        self,
        records: Sequence[RecordRow],
        entries: Sequence[EntryRow],
        transfers: Sequence[TransferRow],
        leaves: Mapping[int, PlacedLeaf],
        counted: Mapping[int, Counted],
    ) -> None:
        """Take the next page, with the leaves of its records, and for whom its entries count."""
        by_seq = {entry.seq: entry for entry in entries}
        legs: dict[int, list[Transfer]] = {}
        units = self._book.units
        for seq, _, debit, credit, amount, *_ in transfers:
            legs.setdefault(seq, []).append(Transfer(units.get(debit, ""), debit, credit, amount))
        for record in records:
            entry = by_seq.get(record.seq)
            if entry is None:
                self._other(record, leaves.get(record.seq))
            elif self._closes:
                item = self._item(
                    record, entry, tuple(legs.get(record.seq, ())), counted.get(record.seq, FOR_NOBODY)
                )
                item.leaf = leaves.get(record.seq)
                if item.way.people:
                    self._fresh.append(item)
                else:
                    self._publish(item, item.kind)

    def end_period(self, close: CloseRow, nets: Mapping[int, int]) -> None:
        """Judge a period, whose last record was just fed.

        Args:
            nets: Credits - debits of every account after that record.
        """
        assert self._closes[0] is close, "periods end in order"
        way = way_on(self._book.ways, close.last_day)
        every = [*self._waiting, *self._fresh]
        exact = self._let_go(every, way, close, nets)
        closing = self._closing(nets, self._waiting)
        if self._log_period:
            pots = tuple(
                PotAtClose(
                    pot.code,
                    pot.unit,
                    _both(self._sums.totals[pot.code], self._earlier[pot.code]),
                    closing[pot.code],
                )
                for pot in self._book.pots
            )
            self._expected[close.period] = _Expected(
                close, self._log_period, way.preset, pots, dict(self._policies), exact
            )
            self._earlier = self._no_totals()
        else:
            self._earlier = {
                code: _both(total, self._earlier[code]) for code, total in self._sums.totals.items()
            }
        self._compare_pages(close, way, closing, nets, exact=exact)
        self._lines, self._fresh = self._sums.lines, []
        self._sums = _Sums(self._no_totals())
        self._done += 1
        del self._closes[0]

    def compare_lines(self, lines: Iterable[LineRow]) -> None:
        """Take lines of the page of the period that just ended off those it should have."""
        if self._shown is not None:
            self._lines.subtract(lines)

    def end_lines(self, close: CloseRow) -> None:
        """Say whether all lines of the page were there, and no other."""
        for line, missing in self._lines.items():
            if missing:
                said = "missing" if missing > 0 else "published that no entry stands for"
                what = f"period {close.period}: a line of kind {line.kind} is {said}"
                self._find("published_lines", close.through_seq, what)
                break
        self._lines = Counter()

    def finish(self) -> list[Finding]:
        """Return the first finding of each check."""
        for expected in self._expected.values():
            what = f"period {expected.close.period} was closed, and no record of its closing has a leaf"
            self._find("closing_leaves", 0, what)
        return sorted(self._found.values(), key=lambda finding: (finding.seq == 0, finding.seq))

    @property
    def unproved(self) -> list[str]:
        """What could not be checked, each the end of "This does not prove ..."."""
        return [PEOPLE_GONE.format(count=self._people_gone)] if self._people_gone else []

    @property
    def waiting(self) -> Collection[int]:
        """Numbers of the entries that wait after the last close."""
        return {item.candidate.seq for item in self._waiting}

    # ------------------------------------------------------------ one record

    @property
    def _log_period(self) -> int:
        """Number in the log of the period that is being read; 0 for one from before there was a log."""
        return max(0, self._done + 1 - self._before_log)

    def _no_totals(self) -> dict[str, PotTotals]:
        return {pot.code: PotTotals(pot.unit) for pot in self._book.pots}

    def _find(self, check: str, seq: int, what: str) -> None:
        first = self._found.get(check)
        if first is None or 0 < seq < first.seq:
            self._found[check] = Finding(check, seq, what)

    def _item(
        self, record: RecordRow, entry: EntryRow, transfers: tuple[Transfer, ...], counted: Counted
    ) -> _Item:
        accounts = self._book.accounts
        way = way_on(self._book.ways, self._closes[0].last_day)
        candidate = Candidate(
            seq=record.seq,
            kind=entry.kind,
            recorded_on=self._day_of(entry.recorded_at),
            changes=tuple(change for leg in transfers for change in changes_of(leg, accounts)),
            touches=touches_of(
                entry.kind, transfers, accounts, undoes=counted.undoes, drawn_by=counted.drawn_by
            )
            if way.people
            else (),
            pots=pots_of(transfers, accounts, self._pots_by_unit) if way.people else frozenset(),
        )
        known = counted.known or not any(touch.side.side == "out" for touch in candidate.touches)
        return _Item(
            bytes(record.commitment),
            entry.kind,
            entry.category,
            entry.effective_on,
            transfers,
            candidate,
            way,
            known,
            None,
        )

    def _other(self, record: RecordRow, leaf: PlacedLeaf | None) -> None:
        if record.kind not in {"policy", "closing"}:
            return
        fields = fields_of(record)
        if record.kind == "policy" and type(fields.get("version")) is int:
            pot = str(fields.get("pot"))
            self._policies[pot] = max(fields["version"], self._policies.get(pot, 0))
        expected = self._expected.pop(fields.get("period", 0), None) if record.kind == "closing" else None
        if expected is not None:
            self._compare_closing(record, fields, expected, leaf)

    # ------------------------------------------------------------ who went

    def _let_go(self, every: Sequence[_Item], way: Way, close: CloseRow, nets: Mapping[int, int]) -> bool:
        """Publish what went by the log, and say whether it should have; return whether all is told apart."""
        went = {item.candidate.seq for item in every if self._went(item)}
        kinds, stopped = self._decided(every, way, close, nets)
        trusted = all(item.known for item in every)
        right = kinds.keys() | stopped
        if trusted and went != right:
            seq = min(went ^ right)
            why = (
                "too few people stood behind it, or it was to wait for others"
                if seq in went
                else "it was to go out: people enough stood behind it, or it had waited as long as it may"
            )
            self._find("people_behind", seq, f"period {close.period} is wrong about it: {why}")
        self._people_gone += bool(every) and not trusted
        if went != right or (not trusted and way.preset != SHELTERED):
            kinds, stopped = _as_shown(every, went, way)
        for its_way in dict.fromkeys([way, *(item.way for item in every)]):
            mine = [item for item in every if item.way == its_way]
            for item in mine:
                if item.candidate.seq in kinds:
                    self._publish(item, kinds[item.candidate.seq], way=way)
            if way.preset == SHELTERED:
                self._publish_totals([item.candidate for item in mine if item.candidate.seq in kinds])
            self._publish_stopped([item for item in mine if item.candidate.seq in stopped])
        self._waiting = sorted(
            (item for item in every if item.candidate.seq not in went), key=lambda item: item.candidate.seq
        )
        self._check_long_stop(close)
        return went == right or way.preset != SHELTERED

    def _check_long_stop(self, close: CloseRow) -> None:
        """Nothing waits longer than it may, whoever stood behind it."""
        next_day = self._next_day(close)
        for item in self._waiting:
            if (next_day - item.candidate.recorded_on).days > LONG_STOP_DAYS[item.way.preset]:
                what = f"period {close.period} let it wait longer than anything may"
                self._find("people_behind", item.candidate.seq, what)

    def _next_day(self, close: CloseRow) -> date:
        next_way = way_on(self._book.ways, close.last_day + timedelta(days=1))
        return next_close_on(next_way.preset, close.last_day)

    def _went(self, item: _Item) -> bool:
        if not self._log_period:
            return True
        if item.leaf is None:
            return False
        if item.leaf.period < self._log_period:
            what = "its leaf stands in a period that was closed before it was written"
            self._find("closing_leaves", item.candidate.seq, what)
        return item.leaf.period <= self._log_period

    def _decided(
        self, every: Sequence[_Item], way: Way, close: CloseRow, nets: Mapping[int, int]
    ) -> tuple[dict[int, str], frozenset[int]]:
        """Decide anew what goes as itself, under which kind, and what the long stop takes."""
        next_day = self._next_day(close)
        before = self._closing(nets, every)
        kinds: dict[int, str] = {}
        stopped: frozenset[int] = frozenset()
        for its_way in dict.fromkeys([way, *(item.way for item in every)]):
            mine = [item.candidate for item in every if item.way == its_way]
            if its_way == way:
                outcome = decide(mine, way, before=before, next_day=next_day)
                kinds |= outcome.kinds
                stopped |= outcome.stopped
            else:
                stopped |= long_stop(mine, its_way, next_day=next_day)[0]
        return kinds, stopped

    # ------------------------------------------------------------ what that comes to

    def _publish(self, item: _Item, kind: str, *, way: Way | None = None) -> None:
        accounts, preset = self._book.accounts, (way or item.way).preset
        line = public_facet(
            preset=preset,
            kind=kind,
            category=item.category,
            effective_on=item.effective_on,
            transfers=item.transfers,
            accounts=accounts,
        )
        shares = shares_of(item.kind, item.transfers, accounts)
        if preset == SHELTERED:
            add_up(self._sums.totals, item.candidate.changes, shares)
        else:
            add_line(self._sums.totals, line, shares)
        if self._shown is not None and line != NO_LINE:
            late = preset == OPEN and item.effective_on < self._closes[0].first_day
            self._sums.lines[LineRow(line.kind, line.category, line.day, late, line.changes)] += 1
        self._compare_leaf(item, line)

    def _publish_totals(self, candidates: Sequence[Candidate]) -> None:
        for side, net in side_totals(candidates).items():
            self._sums.totals[side.pot].add_net(net)
        for pot, total in sums_of(one for one in candidates if not one.touches).items():
            self._sums.totals[pot].add_net(sum(total))

    def _publish_stopped(self, items: Sequence[_Item]) -> None:
        for pot, total in sums_of(item.candidate for item in items).items():
            self._sums.totals[pot].add_waited(total)
        for item in items:
            self._compare_leaf(item, NO_LINE)

    def _compare_leaf(self, item: _Item, line: PublicLine) -> None:
        seq, placed = item.candidate.seq, item.leaf
        # Where there is none, rules.log_audit says so; before there was a log, its first period tells all.
        if placed is None or not self._log_period:
            return
        try:
            leaf = read_leaf(placed.data)
        except NotALeaf:
            return
        if leaf != leaf_of_entry(item.commitment, line):
            self._find("closing_leaves", seq, f"period {self._done + 1} does not show it as it should")
        elif placed.period != self._log_period:
            self._find("closing_leaves", seq, "its leaf stands in another period than the one that covers it")

    def _closing(self, nets: Mapping[int, int], waiting: Sequence[_Item]) -> dict[str, Sum]:
        """Return by pot what is published: what the book has without what waits."""
        not_yet, nothing = sums_of(item.candidate for item in waiting), Sum(0, 0)
        return {
            pot.code: Sum(
                nets.get(pot.available, 0) - not_yet.get(pot.code, nothing).available,
                nets.get(pot.promised, 0) - not_yet.get(pot.code, nothing).promised,
            )
            for pot in self._book.pots
        }

    # ------------------------------------------------------------ the closing in the log

    def _compare_closing(
        self, record: RecordRow, fields: Mapping[str, Any], expected: _Expected, placed: PlacedLeaf | None
    ) -> None:
        if placed is None:
            self._find("closing_leaves", record.seq, "it has no leaf in the public log")
            return
        try:
            leaf = read_leaf(placed.data)
        except NotALeaf:
            return
        if not isinstance(leaf, ClosingLeaf):
            self._find("closing_leaves", record.seq, "its leaf in the public log is no closing")
            return
        close = expected.close
        # The first period of a log tells of all days of the book, however far back an import moved its begin.
        first_day = leaf.first_day if expected.log_period == 1 else close.first_day
        right = closing_leaf(
            commitment=bytes(record.commitment),
            period=expected.log_period,
            first_day=first_day,
            last_day=close.last_day,
            preset=expected.preset,
            pots=expected.pots,
            policies=expected.policies,
            live=leaf.live,
            auditors=tuple(map(str, fields.get("auditors", ()))),
        )
        if not expected.exact:
            told = {one.pot: one for one in leaf.pots}
            right = right._replace(
                pots=tuple(
                    one._replace(
                        came_in=told[one.pot].came_in,
                        went_out=told[one.pot].went_out,
                        waited=told[one.pot].waited,
                    )
                    if one.pot in told
                    else one
                    for one in right.pots
                )
            )
        there = {one.pot for one in leaf.pots}
        right = right._replace(
            pots=tuple(one for one in right.pots if one.pot in there or not _is_nothing(one))
        )
        if leaf != right:
            wrong = next(
                (name for name in leaf._fields if getattr(leaf, name) != getattr(right, name)), "closing"
            )
            what = f"the closing of period {close.period} in the public log has other {wrong} than the book"
            self._find("closing_leaves", record.seq, what)

    # ------------------------------------------------------------ pages

    def _compare_pages(
        self, close: CloseRow, way: Way, closing: Mapping[str, Sum], nets: Mapping[int, int], *, exact: bool
    ) -> None:
        for pot in self._book.pots:
            total, before = self._sums.totals[pot.code], self._given[pot.code]
            self._given[pot.code] = before[0] + total.given, before[1] + total.drawn
        shown = self._shown
        if shown is None:
            return
        self._compare_balances(shown, close, way, closing, exact=exact)
        if not self._held_fits(shown, close, closing, nets):
            self._find(
                "published_balances", close.through_seq, f"period {close.period}: what is held is wrong"
            )
        if exact:
            self._compare_flows(shown, close)
        period = next((one for one in shown.periods if one.period == close.period), None)
        lines = sum(self._sums.lines.values())
        if period != PeriodRow(close.period, close.first_day, close.last_day, lines, way.preset):
            what = f"period {close.period} does not have its days, its preset or its {lines} lines"
            self._find("published_flows", close.through_seq, what)

    def _compare_balances(
        self, shown: Published, close: CloseRow, way: Way, closing: Mapping[str, Sum], *, exact: bool
    ) -> None:
        rows = shown.balances.get(close.period, ())
        told = {balance.pot: balance for balance in rows}
        if len(told) != len(rows) or told.keys() - closing.keys():
            what = f"period {close.period}: a pot that is not there"
            self._find("published_balances", close.through_seq, what)
        for pot in self._book.pots:
            total, end, (given, drawn) = self._sums.totals[pot.code], closing[pot.code], self._given[pot.code]
            waited = sum(total.waited or (0,))
            right = PublicBalance(
                pot=pot.code,
                unit=pot.unit,
                available=sum(end) if way.preset == SHELTERED else end.available,
                promised=0 if way.preset == SHELTERED else end.promised,
                given=given,
                drawn=drawn,
                came_in=total.came_in + max(0, waited),
                went_out=total.went_out + max(0, -waited),
            )
            one = told.get(pot.code)
            if one is not None and not exact:
                # How much of a total came in and went out is not known any more; what is left is.
                self._given[pot.code] = one.given, one.drawn
                right = replace(
                    right, given=one.given, drawn=one.drawn, came_in=one.came_in, went_out=one.went_out
                )
            if one != right:
                what = f"period {close.period}: the figures of pot {pot.code} are not those of the book"
                self._find("published_balances", close.through_seq, what)

    def _held_fits(
        self, shown: Published, close: CloseRow, closing: Mapping[str, Sum], nets: Mapping[int, int]
    ) -> bool:
        rows = shown.held.get(close.period, ())
        if len(set(rows)) != len(rows):
            return False
        if shows_places(self._book.ways, close.last_day):
            right = {
                HeldRow(place_name(*place[:3]), *place[:3], -nets.get(place.account_id, 0))
                for place in self._book.places
            }
            # A place that was opened later is empty, and may be there or not.
            return {row for row in right if row.amount} <= set(rows) <= right
        pots = [
            PotAtClose(pot.code, pot.unit, PotTotals(pot.unit), closing[pot.code]) for pot in self._book.pots
        ]
        return set(rows) == {
            HeldRow(held.unit.lower(), ALL_PLACES, 0, held.unit, held.amount) for held in held_of(pots)
        }

    def _compare_flows(self, shown: Published, close: CloseRow) -> None:
        right = set()
        for pot, total in self._sums.totals.items():
            right |= {FlowRow(pot, kind, total.unit, *flow) for kind, flow in total.flows.items()}
            if total.waited is not None:
                came_to = sum(total.waited)
                right.add(FlowRow(pot, WAITED, total.unit, max(0, came_to), max(0, -came_to), 0))
        rows = shown.flows.get(close.period, ())
        if set(rows) != right or len(rows) != len(right):
            what = f"period {close.period}: flows are not the sums of its entries"
            self._find("published_flows", close.through_seq, what)


def _as_shown(
    every: Sequence[_Item], went: Collection[int], way: Way
) -> tuple[dict[int, str], frozenset[int]]:
    """Return what went as itself, and under which kind, and what the long stop took, as the leaves show it."""
    kinds: dict[int, str] = {}
    stopped = set()
    for item in every:
        seq = item.candidate.seq
        if seq not in went or item.leaf is None:
            continue
        try:
            leaf = read_leaf(item.leaf.data)
        except NotALeaf:
            leaf = None
        hidden = isinstance(leaf, RecordLeaf) and bool(item.candidate.changes)
        if hidden and way.preset != SHELTERED:
            stopped.add(seq)
        else:
            other = isinstance(leaf, LineLeaf) and leaf.kind == OTHER
            kinds[seq] = OTHER if other else item.kind
    return kinds, frozenset(stopped)


def _both(one: PotTotals, other: PotTotals) -> PotTotals:
    """Return the totals of two stretches of time together."""
    flows = {kind: list(flow) for kind, flow in one.flows.items()}
    for kind, flow in other.flows.items():
        so_far = flows.get(kind, [0, 0, 0])
        flows[kind] = [mine + its for mine, its in zip(so_far, flow, strict=True)]
    return PotTotals(
        unit=one.unit,
        available=one.available + other.available,
        promised=one.promised + other.promised,
        flows=flows,
        waited=one.waited,
    )


def _is_nothing(figures: PotFigures) -> bool:
    """Whether this is a pot in which there never was anything: it may have been opened later."""
    opening, closing = figures.opening, figures.closing
    return not any((*_parts(opening), *_parts(closing), figures.came_in, figures.went_out, figures.kinds))


def _parts(figure: Figure) -> tuple[int, ...]:
    return (figure,) if isinstance(figure, int) else tuple(figure)
