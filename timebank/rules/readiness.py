"""When a record may be published: enough people on every side that it touches, or the long stop.

What is counted here is who stands behind a figure; nothing of that is ever published. A close
gives everything that is not published yet, and gets back what goes out now and how.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from timebank.ledger.entries import EntryKind, Transfer
from timebank.ledger.public_log import OTHER
from timebank.ledger.units import is_money
from timebank.rules.publication import CAREFUL, OPEN, SHELTERED, Change, PublicAccounts, Sum, changes_of

PEOPLE_LEAST: Final[Mapping[str, int]] = {OPEN: 0, CAREFUL: 3, SHELTERED: 5}
"""How many people a group may ask for at least on a side; it may ask for more."""

PEOPLE_MAX: Final = 50
LONG_STOP_DAYS: Final[Mapping[str, int]] = {OPEN: 0, CAREFUL: 13 * 7, SHELTERED: 26 * 7}
"""Nothing waits longer than so many days from the day it was recorded."""

WAITED: Final = "waited"
"""What flows call a total that the long stop published."""

ANYBODY: Final = "anybody"
"""Stands for everybody who asked without an account, and for receivers outside: together one person."""

SideName = Literal["in", "out"]


class Way(NamedTuple):
    """How a group publishes.

    Attributes:
        people: Least number of people on a side that is not empty; 0 under *open*.
        gifts_wait: Whether gifts of money wait for that number, too; always under *sheltered*.
    """

    preset: str
    people: int
    gifts_wait: bool

    @classmethod
    def of(cls, preset: str, *, people: int = 0, gifts_wait: bool = False) -> Way:
        """Return a way with what its preset asks for at least."""
        least = PEOPLE_LEAST[preset]
        return cls(preset, max(least, people) if least else 0, preset == SHELTERED or gifts_wait)


class Side(NamedTuple):
    """One side of a pot: what people gave to it, or what it promised and gave to people."""

    pot: str
    unit: str
    side: SideName


class Touch(NamedTuple):
    """That an entry touches a side.

    Attributes:
        person: Whom it counts for; None when it is nobody who can be told from others.
        total: What it adds to available and promised together on this side.
    """

    side: Side
    person: Hashable | None
    total: int


class Candidate(NamedTuple):
    """An entry that is not published yet, as far as it matters whether it may be.

    Attributes:
        recorded_on: Day on which it was written, in the group's time zone.
        changes: What it does to pots, step by step.
        touches: The sides it touches; none for what is about pots and places only.
        pots: Every pot that it waits for: those it changes, or all of its unit when it moves held money.
    """

    seq: int
    kind: str
    recorded_on: date
    changes: tuple[Change, ...]
    touches: tuple[Touch, ...]
    pots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a close does with everything that was not published before.

    Attributes:
        kinds: By seq, the kind under which an entry is published as itself; what is not here and
            not in ``stopped`` goes on waiting.
        stopped: Entries that the long stop takes out of waiting, as part of a total.
        totals: By pot, what those came to.
    """

    kinds: Mapping[int, str]
    stopped: frozenset[int]
    totals: Mapping[str, Sum]


# ---------------------------------------------------------------- what an entry touches


def touches_of(
    kind: str,
    transfers: Iterable[Transfer],
    accounts: PublicAccounts,
    *,
    undoes: str = "",
    drawn_by: Hashable | None = None,
) -> tuple[Touch, ...]:
    """Return the sides that an entry touches, and for whom it counts there.

    *out* is what a pot promised or gave to people and took back from there, *in* what people gave to
    it and got back. Openings, counts and moves between pots touch neither: nobody stands behind them.

    Args:
        kind: Of the entry.
        undoes: For a correction: the kind of what it takes back.
        drawn_by: Whom the draw is for, or whom the help reached; None if that cannot be told.
    """
    meant = undoes or kind
    found: dict[tuple[Side, Hashable | None], int] = {}
    for transfer in transfers:
        source, target = accounts.pots.get(transfer.debit), accounts.pots.get(transfer.credit)
        person: Hashable | None
        if source and target:
            if source.pot != target.pot:
                continue
            side, person = Side(source.pot, transfer.unit, "out"), drawn_by
        elif meant == EntryKind.MONEY_OUT and (source or target):
            known = source or target
            assert known is not None
            side, person = Side(known.pot, transfer.unit, "out"), None
        elif target and transfer.debit in accounts.givers:
            side, person = Side(target.pot, transfer.unit, "in"), transfer.debit
        elif source and transfer.credit in accounts.givers:
            side, person = Side(source.pot, transfer.unit, "in"), transfer.credit
        else:
            continue
        total = sum(change.total for change in changes_of(transfer, accounts))
        found[side, person] = found.get((side, person), 0) + total
    return tuple(Touch(side, person, total) for (side, person), total in found.items())


def pots_of(
    transfers: Iterable[Transfer], accounts: PublicAccounts, pots_by_unit: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Return the pots whose figures an entry has to do with: those it changes, or all where its money lies.

    Args:
        pots_by_unit: By unit, the codes of its pots.
    """
    touched: set[str] = set()
    units: set[str] = set()
    for transfer in transfers:
        units.add(transfer.unit)
        touched.update(
            known.pot for number in transfer[1:3] if (known := accounts.pots.get(number)) is not None
        )
    if touched:
        return frozenset(touched)
    return frozenset().union(*(pots_by_unit.get(unit, frozenset()) for unit in units if is_money(unit)))


# ---------------------------------------------------------------- who may go


def decide(
    candidates: Sequence[Candidate], way: Way, *, before: Mapping[str, Sum], next_day: date
) -> Outcome:
    """Say what of everything that is not published goes out at a close, under one way of publishing.

    Args:
        candidates: All that waited and all that is new, in order of seq.
        before: By pot, what was published last.
        next_day: Day of the close after this one.
    """
    going = _going(candidates, way, before)
    kinds = _kinds(going, way)
    rest = [candidate for candidate in candidates if candidate.seq not in kinds]
    return Outcome(kinds, *long_stop(rest, way, next_day=next_day))


def long_stop(
    waiting: Sequence[Candidate], way: Way, *, next_day: date
) -> tuple[frozenset[int], dict[str, Sum]]:
    """Return what may not wait for one more close, with all that waits for the same pot, and what that comes to.

    Args:
        next_day: Day of the close after this one.
    """
    overdue = {
        pot
        for candidate in waiting
        if (next_day - candidate.recorded_on).days > LONG_STOP_DAYS[way.preset]
        for pot in candidate.pots
    }
    stopped = [candidate for candidate in waiting if candidate.pots & overdue]
    return frozenset(candidate.seq for candidate in stopped), sums_of(stopped)


def sums_of(candidates: Iterable[Candidate]) -> dict[str, Sum]:
    """Return by pot what entries come to."""
    sums: dict[str, Sum] = {}
    for candidate in candidates:
        for change in candidate.changes:
            so_far = sums.get(change.pot, Sum(0, 0))
            sums[change.pot] = Sum(so_far.available + change.available, so_far.promised + change.promised)
    return sums


def side_totals(candidates: Iterable[Candidate]) -> dict[Side, int]:
    """Return by side what entries come to, available and promised together."""
    totals: dict[Side, int] = {}
    for candidate in candidates:
        for touch in candidate.touches:
            totals[touch.side] = totals.get(touch.side, 0) + touch.total
    return totals


def _going(candidates: Sequence[Candidate], way: Way, before: Mapping[str, Sum]) -> list[Candidate]:
    """Return what may be published: the most that leaves no side with too few people behind it."""
    shut: set[Side] = set()
    while True:
        going = [
            candidate
            for candidate in candidates
            if not any(touch.side in shut for touch in _counted(candidate, way))
        ]
        # Who is left behind on one side is missing on the other: again until nothing changes.
        more = _too_few(going, way) - shut
        if not more:
            going = _after_their_pots(candidates, going)
            more = _false_shortage(candidates, going, way, before) - shut
        if not more:
            return going
        shut |= more


def _counted(candidate: Candidate, way: Way) -> Iterable[Touch]:
    """Return the sides of an entry that a figure will show: under *sheltered* only totals are."""
    if way.preset == SHELTERED:
        return [touch for touch in candidate.touches if touch.total]
    return candidate.touches


def _bound(side: Side, way: Way) -> bool:
    """Whether a side needs the minimum."""
    return way.people > 0 and (side.side == "out" or way.gifts_wait or not is_money(side.unit))


def _too_few(going: Iterable[Candidate], way: Way) -> set[Side]:
    people: dict[Side, dict[Hashable, int]] = {}
    for candidate in going:
        for touch in _counted(candidate, way):
            if _bound(touch.side, way):
                behind = people.setdefault(touch.side, {})
                if touch.person is not None:
                    behind[touch.person] = behind.get(touch.person, 0) + touch.total
    if way.preset == SHELTERED:
        # Whoever got and gave back the same does not stand behind a total.
        count = {side: sum(map(bool, behind.values())) for side, behind in people.items()}
    else:
        count = {side: len(behind) for side, behind in people.items()}
    return {side for side, number in count.items() if number < way.people}


def _after_their_pots(candidates: Iterable[Candidate], going: Iterable[Candidate]) -> list[Candidate]:
    """Leave out what nobody stands behind while something else of its pots waits."""
    going = list(going)
    seqs = {candidate.seq for candidate in going}
    waited_for = {pot for candidate in candidates if candidate.seq not in seqs for pot in candidate.pots}
    return [c for c in going if c.touches or not c.pots & waited_for]


def _false_shortage(
    candidates: Sequence[Candidate], going: Sequence[Candidate], way: Way, before: Mapping[str, Sum]
) -> set[Side]:
    """Return sides that would show a pot short which only seems so because something else waits."""
    if len(going) == len(candidates):
        return set()
    all_of, shown = sums_of(candidates), sums_of(going)
    sides = {touch.side for candidate in going for touch in candidate.touches}
    wrong: set[Side] = set()
    for pot in shown:
        of_pot = [side for side in sides if side.pot == pot]
        if of_pot and _seems_short(before.get(pot, Sum(0, 0)), shown[pot], all_of[pot], of_pot[0].unit, way):
            outs = {side for side in of_pot if side.side == "out"}
            wrong |= outs or set(of_pot)
    return wrong


def _seems_short(before: Sum, shown: Sum, true: Sum, unit: str, way: Way) -> bool:
    if way.preset == SHELTERED:
        return is_money(unit) and sum(before) + sum(shown) < 0 <= sum(before) + sum(true)
    promised = before.promised + shown.promised < 0 <= before.promised + true.promised
    available = before.available + shown.available < 0 <= before.available + true.available
    return promised or (is_money(unit) and available)


# ---------------------------------------------------------------- what kinds are called


def _kinds(going: Sequence[Candidate], way: Way) -> dict[int, str]:
    """Return by seq the kind to publish: its own, or *other* where too few people stand behind that."""
    if way.people == 0 or way.preset == SHELTERED:
        return {candidate.seq: candidate.kind for candidate in going}
    behind: dict[str, dict[str, dict[SideName, set[Hashable]]]] = {}
    for candidate in going:
        for side, person, _ in candidate.touches:
            if _bound(side, way):
                people = behind.setdefault(side.pot, {}).setdefault(candidate.kind, {})
                people.setdefault(side.side, set()).update(() if person is None else (person,))
    merged = {pot: _merged(kinds, way.people) for pot, kinds in behind.items()}
    return {
        candidate.seq: OTHER
        if any(candidate.kind in merged.get(pot, ()) for pot in candidate.pots)
        else candidate.kind
        for candidate in going
    }


def _merged(kinds: Mapping[str, Mapping[SideName, Collection[Hashable]]], least: int) -> set[str]:
    """Return the kinds of a pot that are shown as one: all with too few people, and more until those are enough."""

    def short(people: Mapping[SideName, Collection[Hashable]]) -> set[SideName]:
        return {side for side, who in people.items() if 0 < len(who) < least}

    merged = {kind for kind, people in kinds.items() if short(people)}
    while merged:
        together: dict[SideName, set[Hashable]] = {}
        for kind in merged:
            for side, who in kinds[kind].items():
                together.setdefault(side, set()).update(who)
        lacking = short(together)
        more = [kind for kind in kinds if kind not in merged and lacking & kinds[kind].keys()]
        if not more:
            break
        merged.add(min(more, key=lambda kind: (sum(map(len, kinds[kind].values())), kind)))
    return merged


# ---------------------------------------------------------------- periods


def period_end(preset: str, first_day: date) -> date:
    """Return the last day of a period that begins on a day: that day, its Sunday, or the end of its month."""
    if preset == OPEN:
        return first_day
    if preset == CAREFUL:
        return first_day + timedelta(days=6 - first_day.weekday())
    return (first_day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def next_close_on(preset: str, last_day: date) -> date:
    """Return the day on which the period after this one can be closed, if it is published in this way."""
    return period_end(preset, last_day + timedelta(days=1)) + timedelta(days=1)


def way_on(ways: Sequence[tuple[date, Way]], day: date) -> Way:
    """Return how a group publishes the period that has this day.

    Args:
        ways: From which day on in which way, earliest first; the first one has no begin.
    """
    return next((way for from_day, way in reversed(ways) if from_day <= day), ways[0][1])


def shows_places(ways: Sequence[tuple[date, Way]], last_day: date) -> bool:
    """Say whether the public sees where money is: under *open*, once nothing can wait any more.

    Depends on the ways of publishing alone, which everybody knows, and never on what really waits.
    """
    longest = max(LONG_STOP_DAYS.values())
    since = [last_day, *(from_day for from_day, _ in ways[1:])]
    recent = [way_on(ways, day) for day in since if 0 <= (last_day - day).days <= longest]
    before = [way for from_day, way in ways if (last_day - from_day).days > longest]
    return all(way.preset == OPEN for way in recent + before[-1:])
