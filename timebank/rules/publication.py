"""What the public sees: the one function that makes an entry public, and types that cannot hold a person.

Nothing else in the program may make anything public: the previews beside forms, the published
pages, the API and the exports all read what :func:`public_facet` returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from timebank.ledger.entries import EntryKind, Transfer
from timebank.ledger.units import Unit

PotPart = Literal["available", "promised", "shared"]

OPEN: Final = "open"
CAREFUL: Final = "careful"
SHELTERED: Final = "sheltered"
LOST: Final = "lost"
"""Kind of a flow that is no entry: what published records had moved that a restore lost."""
ALL_PLACES: Final = "all"
"""Kind of a place that stands for all places of a unit together."""

TAKES_BACK: Final = frozenset(
    {
        EntryKind.CORRECTION,
        EntryKind.HAND_OVER_UNDONE,
        EntryKind.FULFIL_UNDONE,
        EntryKind.MONEY_RETURNED,
    }
)
"""Kinds that undo what was given or drawn before, so that cumulative figures go back with them."""


class PotAccount(NamedTuple):
    """What an account of a pot is to the public: which pot, and which part of it."""

    pot: str
    part: PotPart


@dataclass(frozen=True, slots=True)
class PublicAccounts:
    """The accounts that the public may know of, by number; whatever is not here is nobody.

    Attributes:
        pots: Accounts of pots. Those of people, places and control accounts are left out.
        givers: Numbers of everybody who can give: members and outside, as one set without names.
    """

    pots: Mapping[int, PotAccount]
    givers: frozenset[int]


class Change(NamedTuple):
    """What one step of an entry did to one pot, in the pot's unit.

    Attributes:
        available: Added to what is free to ask for; below zero: taken from it.
        promised: The same for what is promised.
    """

    pot: str
    unit: str
    available: int
    promised: int

    @property
    def total(self) -> int:
        """What came in (above zero) or went out (below); 0 when it only changed from free to promised."""
        return self.available + self.promised


class PublicLine(NamedTuple):
    """The public part of an entry; what its preset leaves out is empty.

    Attributes:
        category, day: Under *open* only.
        changes: One for each step that touches a pot, so that help which only passes through
            a pot still shows what came in and what went out; none of them is nought. Under
            *sheltered* there are none.
    """

    kind: str
    category: str
    day: date | None
    changes: tuple[Change, ...]


NO_LINE: Final = PublicLine("", "", None, ())
"""What the public sees of an entry that it only sees as part of a total, or not at all."""


class Shares(NamedTuple):
    """What an entry adds to one pot's figures since the book began; taking back counts below zero."""

    given: int
    drawn: int


def public_facet(
    *,
    preset: str,
    kind: str,
    category: str,
    effective_on: date,
    transfers: Iterable[Transfer],
    accounts: PublicAccounts,
) -> PublicLine:
    """Return what the public will see of an entry, and nothing else.

    Args:
        preset: What the group chose: open, careful or sheltered.
        kind, category, effective_on, transfers: Of the entry; who wrote it is not asked for.
        accounts: What the public may know of; transfers between others leave no trace.
    """
    assert preset in {OPEN, CAREFUL, SHELTERED}, preset
    changes = tuple(change for transfer in transfers for change in changes_of(transfer, accounts))
    if preset == OPEN:
        return PublicLine(kind=str(kind), category=category, day=effective_on, changes=changes)
    if preset == CAREFUL and changes:
        return PublicLine(kind=str(kind), category="", day=None, changes=changes)
    return NO_LINE


def shares_of(kind: str, transfers: Iterable[Transfer], accounts: PublicAccounts) -> dict[str, Shares]:
    """Return what was given to each pot and drawn from it, by pot.

    Given is what people gave to a pot, drawn what a pot handed to people; both without what was
    taken back. Money passed on to others, openings and counted differences are neither.
    """
    sign = -1 if kind in TAKES_BACK else 1
    found: dict[str, Shares] = {}
    for transfer in transfers:
        source, target = transfer.debit, transfer.credit
        if sign < 0:
            source, target = target, source
        from_pot, to_pot = accounts.pots.get(source), accounts.pots.get(target)
        given = sign * transfer.amount if source in accounts.givers and to_pot else 0
        drawn = sign * transfer.amount if from_pot and to_pot and to_pot.part == "shared" else 0
        if to_pot and (given or drawn):
            before = found.get(to_pot.pot, Shares(0, 0))
            found[to_pot.pot] = Shares(before.given + given, before.drawn + drawn)
    return found


def place_name(kind: str, number: int, unit: str) -> str:
    """Return the public name of a held place: its kind and number, never the name that a group wrote."""
    return f"{unit.lower()}-{kind}-{number}"


def changes_of(transfer: Transfer, accounts: PublicAccounts) -> list[Change]:
    """Return what a transfer does to pots: one change, or two when it goes from pot to pot."""
    moved: dict[str, list[int]] = {}
    for account, amount in ((transfer.debit, -transfer.amount), (transfer.credit, transfer.amount)):
        known = accounts.pots.get(account)
        if known and known.part != "shared":
            sums = moved.setdefault(known.pot, [0, 0])
            sums[known.part == "promised"] += amount
    return [Change(pot, transfer.unit, *sums) for pot, sums in moved.items()]


# ---------------------------------------------------------------- what is read back


@dataclass(frozen=True, slots=True)
class PublicPot:
    """A pot as the public knows it; ``word`` is what the group calls it, as of the last close."""

    pot: str
    unit: str
    number: int
    word: str = "pot"


@dataclass(frozen=True, slots=True)
class PublicGroup:
    """What a group says about itself in public.

    Attributes:
        first_close_on: When the first figures come.
        people: How many people at least stand behind a figure; 0 under *open*.
        gifts_wait: Whether gifts of money wait for them, too.
    """

    slug: str
    name: str
    languages: tuple[str, ...]
    preset: str
    began_on: date
    first_close_on: date
    units: tuple[Unit, ...]
    pots: tuple[PublicPot, ...]
    people: int = 0
    gifts_wait: bool = False

    @property
    def word(self) -> str:
        """What the group calls its pots, as of the last close; one word for all of them."""
        return self.pots[0].word if self.pots else "pot"


@dataclass(frozen=True, slots=True)
class PublicPeriod:
    """A closed stretch of days, both ends included; ``lines`` is how many it published, ``preset`` how."""

    period: int
    first_day: date
    last_day: date
    next_close_on: date
    lines: int
    preset: str = OPEN


@dataclass(frozen=True, slots=True)
class PublicBalance:
    """A pot at the end of a period; given and drawn since the book began, the rest of the period.

    Of a period under *sheltered* ``available`` is what is available and promised together, and ``promised`` 0.
    """

    pot: str
    unit: str
    available: int
    promised: int
    given: int
    drawn: int
    came_in: int
    went_out: int


@dataclass(frozen=True, slots=True)
class PublicPlace:
    """Money in one place at the end of a period; of the kind ALL_PLACES where places are not told apart."""

    place: str
    kind: str
    number: int
    unit: str
    amount: int


@dataclass(frozen=True, slots=True)
class PublicFlow:
    """What came into a pot and went out of it in one period, for one kind or for all."""

    period: int
    first_day: date
    last_day: date
    pot: str
    unit: str
    kind: str
    came_in: int
    went_out: int
    lines: int


class PublicMonth(NamedTuple):
    """What came into a pot and went out of it in the periods that ended in one month.

    Attributes:
        first_day: Of the month.
        first, last: Numbers of the first and the last period with something in this pot; ``pot`` is empty for
            periods in which nothing happened.
    """

    first_day: date
    first: int
    last: int
    pot: str
    came_in: int
    went_out: int


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """A public line in its place: which period published it, under a random id."""

    line_id: str
    period: int
    first_day: date
    last_day: date
    kind: str
    category: str
    day: date | None
    arrived_late: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class PublicPolicy:
    """One version of a pot's rules; ``terms`` as the group agreed them."""

    pot: str
    version: int
    agreed_on: date
    terms: Mapping[str, object]


class PublicRestore(NamedTuple):
    """That a book was put back from a backup; ``lost`` is how many published records it has no more."""

    told_on: date
    lost: int


class PublicNewKey(NamedTuple):
    """That a log is signed with another key; ``by_paper``: the recovery key introduced it, and not the key before."""

    told_on: date
    by_paper: bool


@dataclass(frozen=True, slots=True)
class PublicBook:
    """Everything one public page shows, read at one moment.

    Attributes:
        period: The last closed one; None before the first close, and then all figures are empty.
        before: Balances at the end of the period before the lines begin, by pot; empty when
            the lines begin with the book.
        flows: Of the last weeks, all kinds together, oldest first.
        lines: Of the last days, newest day first, in no order within a day.
        lines_from: First day that ``lines`` and ``line_flows`` speak of.
        line_flows: What came in and went out over those days, by pot, with the number of lines.
        policies: The version in force of each pot.
        restores: Those that the page speaks of, latest first.
        note: Signed note of the public log as the period left it; empty before the first close.
    """

    group: PublicGroup
    period: PublicPeriod | None = None
    balances: tuple[PublicBalance, ...] = ()
    before: tuple[PublicBalance, ...] = ()
    held: tuple[PublicPlace, ...] = ()
    flows: tuple[PublicFlow, ...] = ()
    lines: tuple[PublishedLine, ...] = ()
    lines_from: date | None = None
    line_flows: tuple[PublicFlow, ...] = ()
    policies: tuple[PublicPolicy, ...] = ()
    restores: tuple[PublicRestore, ...] = ()
    note: str = ""

    def balance(self, pot: str) -> PublicBalance | None:
        """Return a pot's last balance, or None before the first close."""
        return next((balance for balance in self.balances if balance.pot == pot), None)


class Week(NamedTuple):
    """Flows of one pot gathered into a stretch of days; ``weeks`` is how many it stands for."""

    first_day: date
    last_day: date
    came_in: int
    went_out: int
    weeks: int


def gather_weeks(flows: Sequence[PublicFlow], *, as_of: date, began_on: date, weeks: int) -> tuple[Week, ...]:
    """Gather one pot's periods into weeks that end on the weekday of ``as_of``, oldest first.

    A period of more than a week was published as one and stays one. Weeks in which nothing
    happened are there, with nothing in them; days before the book began are not.

    Args:
        flows: One pot's, all kinds together or kind by kind, in any order.
        as_of: Last day of the last period.
        began_on: First day of the book.
        weeks: How many weeks back to look, 1 and up.
    """
    begin = max(began_on, as_of - timedelta(days=7 * weeks - 1))
    recent = [flow for flow in flows if flow.last_day >= begin]
    wide = {(flow.first_day, flow.last_day) for flow in recent if _length(flow) > 7}
    sums = {(first, last, -(-((last - first).days + 1) // 7)): [0, 0] for first, last in wide}
    last = as_of
    while last >= begin:
        first, end = max(begin, last - timedelta(days=6)), last
        # Days that a wide period covers are drawn with it; what is left of the week stands alone.
        for wide_first, wide_last in wide:
            if wide_first <= first <= wide_last:
                first = wide_last + timedelta(days=1)
            elif first < wide_first <= end:
                end = wide_first - timedelta(days=1)
        if first <= end:
            sums[first, end, 1] = [0, 0]
        last -= timedelta(days=7)
    for flow in recent:
        total = sums[next(key for key in sums if key[0] <= flow.last_day <= key[1])]
        total[0] += flow.came_in
        total[1] += flow.went_out
    return tuple(
        Week(first, last, came_in, went_out, count)
        for (first, last, count), (came_in, went_out) in sorted(sums.items())
    )


def _length(flow: PublicFlow) -> int:
    return (flow.last_day - flow.first_day).days + 1


# ---------------------------------------------------------------- adding up a period


class Sum(NamedTuple):
    """What is available and promised, or what something adds to them."""

    available: int
    promised: int


@dataclass(slots=True)
class PotTotals:
    """What one period did to one pot, as far as it is published.

    Attributes:
        flows: [came in, went out, lines] by kind; under *sheltered* of no kind and no lines.
        waited: What the long stop published as one total; None for nothing. It is no flow.
        lost: What published records had moved that a restore lost, taken out again; None for nothing. No flow, either.
    """

    unit: str
    available: int = 0
    promised: int = 0
    given: int = 0
    drawn: int = 0
    flows: dict[str, list[int]] = field(default_factory=dict)
    waited: Sum | None = None
    lost: Sum | None = None

    @property
    def came_in(self) -> int:
        """All that came in, of every kind."""
        return sum(flow[0] for flow in self.flows.values())

    @property
    def went_out(self) -> int:
        """All that went out, of every kind."""
        return sum(flow[1] for flow in self.flows.values())

    def add_waited(self, total: Sum) -> None:
        """Add what waited until the long stop; how it came about shows nowhere, only what it comes to."""
        before = self.waited or Sum(0, 0)
        self.waited = Sum(before.available + total.available, before.promised + total.promised)
        self.available += total.available
        self.promised += total.promised
        self.given += max(0, sum(total))
        self.drawn += max(0, -sum(total))

    def add_lost(self, total: Sum) -> None:
        """Take out what records had moved that were published and are in no book any more."""
        before = self.lost or Sum(0, 0)
        self.lost = Sum(before.available + total.available, before.promised + total.promised)
        self.available += total.available
        self.promised += total.promised

    def add_net(self, net: int) -> None:
        """Add what one side came to, or what nobody stands behind, where only totals are shown."""
        flow = self.flows.setdefault("", [0, 0, 0])
        flow[0] += max(0, net)
        flow[1] += max(0, -net)


def add_line(totals: dict[str, PotTotals], line: PublicLine, shares: Mapping[str, Shares]) -> None:
    """Add a public line, and what it gave and drew, to the totals of its period.

    What comes in and goes out follows from the signs of the changes alone, so that whoever has
    the lines can add up the same flows.
    """
    for pot in dict.fromkeys(change.pot for change in line.changes):
        flow = totals[pot].flows.setdefault(line.kind, [0, 0, 0])
        flow[2] += 1
    for change in line.changes:
        flow = totals[change.pot].flows[line.kind]
        flow[0] += max(0, change.total)
        flow[1] += max(0, -change.total)
    add_up(totals, line.changes, shares)


def add_up(totals: dict[str, PotTotals], changes: Iterable[Change], shares: Mapping[str, Shares]) -> None:
    """Add to balances, and to what was given and drawn, but to no flow."""
    for change in changes:
        total = totals[change.pot]
        total.available += change.available
        total.promised += change.promised
    for pot, share in shares.items():
        totals[pot].given += share.given
        totals[pot].drawn += share.drawn


def first_period_end(began_on: date, set_up_on: date) -> date:
    """Return the last day of a group's first period: the day of its set-up, or the day it begins on.

    A group that has been going for years before it keeps this book has no figures for them: the
    first period takes all those days together, and what is entered on the first day is not late.
    """
    return max(began_on, set_up_on)
