"""A year of a group that never was, as the rules of publication let it out, and somebody who reads all of it.

Nothing public moves between closes (``tests/services/test_two_worlds.py`` holds that), so whoever polls each minute
sees exactly one answer for each period: what is told here.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from timebank.ledger.entries import Transfer
from timebank.rules.publication import PotAccount, PublicAccounts, Sum, changes_of
from timebank.rules.readiness import (
    ANYBODY,
    Candidate,
    Way,
    decide,
    next_close_on,
    period_end,
    sums_of,
    touches_of,
)

POT, PROMISED, SHARED, OUTSIDE, CUSTODY, BANK = 1, 2, 3, 4, 5, 6
MONTH = 365 / 12
FIRST = date(2026, 1, 5)


class Told(NamedTuple):
    """What really happened, behind one entry: for whom, in which ask, how much, on which day."""

    seq: int
    kind: str
    person: Hashable
    ask: int
    amount: int
    day: date


class Page(NamedTuple):
    """What a close published, and behind it what the public never sees.

    Attributes:
        last_day: Of the period.
        lines: (kind, available, promised) of each line, sorted; none under sheltered.
        came_in, went_out: What gifts and draws came to.
        stopped: Totals of the long stop.
        behind: Entries behind lines or totals.
        behind_stop: Entries behind the long stop's total.
    """

    first_day: date
    last_day: date
    closed_on: date
    lines: tuple[tuple[str, int, int], ...]
    came_in: int
    went_out: int
    stopped: Sum | None
    behind: tuple[Told, ...]
    behind_stop: tuple[Told, ...]


class Group:
    """A group of so many people that asks so often; chance is seeded."""

    def __init__(
        self, *, people: int, draws: int, gifts: int, seed: int, without_account: float = 0.1
    ) -> None:
        self.chance = random.Random(f"{people} {draws} {gifts} {seed}")
        self.people = people
        self.draws, self.gifts, self.without_account = draws, gifts, without_account
        givers = range(1000, 1000 + people)
        self.accounts = PublicAccounts(
            pots={
                POT: PotAccount("money", "available"),
                PROMISED: PotAccount("money", "promised"),
                SHARED: PotAccount("money", "shared"),
            },
            givers=frozenset({*givers, OUTSIDE}),
        )

    def year(self) -> list[Told]:
        """Return a year of entries in order of their days."""
        told: list[tuple[date, int, str, Hashable, int, int]] = []
        for day, number in self._events(self.gifts):
            giver = 1000 + self.chance.randrange(self.people)
            told.append((day, number, "money_in", giver, 0, 100 * self.chance.randrange(50, 500)))
        for day, number in self._events(self.draws):
            asker: Hashable = self.chance.randrange(self.people)
            if self.chance.random() < self.without_account:
                asker = ANYBODY
            amount = self.chance.randrange(500, 8000)
            told.append((day, number, "promise", asker, number, amount))
            later = day + timedelta(days=self.chance.choice((0, 0, 1, 2, 5)))
            if self.chance.random() < 0.1:
                told.append((later, number, "release", asker, number, amount))
                continue
            told.append((later, number, "hand_over", asker, number, amount))
            if self.chance.random() < 0.05:
                back = self.chance.randrange(1, amount)
                told.append((later + timedelta(days=3), number, "money_returned", asker, number, back))
        ordered = sorted(told, key=lambda one: (one[0], one[1], one[2] != "promise"))
        return [
            Told(seq, kind, person, ask, amount, day)
            for seq, (day, _, kind, person, ask, amount) in enumerate(ordered, start=1)
        ]

    def _events(self, a_month: int) -> Iterator[tuple[date, int]]:
        day, number = 0.0, 0
        while True:
            day += self.chance.expovariate(a_month / MONTH)
            if day >= 364:
                return
            number += 1
            yield FIRST + timedelta(days=int(day)), number

    def candidate(self, told: Told) -> Candidate:
        """Return an entry as a close sees it."""
        legs = {
            "money_in": [(told.person, POT), (BANK, CUSTODY)],
            "promise": [(POT, PROMISED)],
            "release": [(PROMISED, POT)],
            "hand_over": [(PROMISED, SHARED), (CUSTODY, BANK)],
            "money_returned": [(SHARED, POT), (BANK, CUSTODY)],
        }[told.kind]
        transfers = [Transfer("EUR", debit, credit, told.amount) for debit, credit in legs]  # type: ignore[arg-type]
        return Candidate(
            seq=told.seq,
            kind=told.kind,
            recorded_on=told.day,
            changes=tuple(change for leg in transfers for change in changes_of(leg, self.accounts)),
            touches=touches_of(told.kind, transfers, self.accounts, drawn_by=told.person),
            pots=frozenset({"money"}),
        )

    def publish(self, way: Way) -> list[Page]:
        """Return every page of a year and of the half year after it, in which nothing happens any more."""
        year = self.year()
        truth = {told.seq: told for told in year}
        waiting: list[Candidate] = []
        # As much as there must be, so that nothing is refused: the group had it before.
        pages, shown, first = [], Sum(10**9, 0), FIRST
        while first < FIRST + timedelta(days=364 + 183):
            last = period_end(way.preset, first)
            waiting += [self.candidate(told) for told in year if first <= told.day <= last]
            outcome = decide(waiting, way, before={"money": shown}, next_day=next_close_on(way.preset, last))
            page = self._page(first, last, way, outcome.kinds, outcome.stopped, waiting, truth)
            moved = sums_of(c for c in waiting if c.seq in outcome.kinds or c.seq in outcome.stopped)
            more = moved.get("money", Sum(0, 0))
            shown = Sum(shown.available + more.available, shown.promised + more.promised)
            waiting = [c for c in waiting if c.seq not in outcome.kinds and c.seq not in outcome.stopped]
            pages.append(page)
            first = last + timedelta(days=1)
        assert not waiting
        return pages

    def leak(self) -> list[Page]:
        """Return pages as a group would write them that published each entry when it is written: the control."""
        return [
            Page(told.day, told.day, told.day, ((told.kind, 0, 0),), 0, 0, None, (told,), ())
            for told in self.year()
        ]

    def _page(
        self,
        first: date,
        last: date,
        way: Way,
        kinds: Mapping[int, str],
        stopped: Collection[int],
        waiting: list[Candidate],
        truth: Mapping[int, Told],
    ) -> Page:
        going = [candidate for candidate in waiting if candidate.seq in kinds]
        stops = [candidate for candidate in waiting if candidate.seq in stopped]
        lines = sorted(
            (kinds[candidate.seq], change.available, change.promised)
            for candidate in going
            for change in candidate.changes
        )
        ins = sum(t.total for c in going for t in c.touches if t.side.side == "in")
        outs = -sum(t.total for c in going for t in c.touches if t.side.side == "out")
        return Page(
            first_day=first,
            last_day=last,
            closed_on=last + timedelta(days=1),
            lines=() if way.preset == "sheltered" else tuple(lines),
            came_in=ins,
            went_out=outs,
            stopped=sums_of(stops).get("money") if stops else None,
            behind=tuple(truth[candidate.seq] for candidate in going),
            behind_stop=tuple(truth[candidate.seq] for candidate in stops),
        )


# ---------------------------------------------------------------- who reads it

DRAWS = frozenset({"promise", "release", "hand_over", "money_returned"})


class Score(NamedTuple):
    """What somebody outside found out of how many draws: for whom, on which day, how much."""

    draws: int
    persons: int
    days: int
    amounts: int


def attack(pages: list[Page], way: Way, *, knows: Collection[Hashable] = ()) -> Score:
    """Read every page, subtract what friends told of their own draws, and count what is left beyond doubt.

    Args:
        knows: People who tell everything of their own: a payee, who may be somebody without an account, or
            somebody who joined to look.
    """
    asks, persons, days, amounts = set[int](), 0, 0, 0
    for page in pages:
        drawn = [told for told in page.behind if told.kind in DRAWS]
        asks |= {told.ask for told in drawn}
        if way.preset == "sheltered":
            # What changes no total is not seen at all.
            drawn = [told for told in drawn if told.kind in {"hand_over", "money_returned"}]
        unknown = [told for told in drawn if told.person not in knows]
        others = {told.person for told in unknown}
        # Everybody who may be behind a line is as likely as the next one, until only one is left.
        if len(others) == 1:
            persons += len({told.ask for told in unknown})
        # Under careful an amount is a line of its own; what a line does not tell is the day.
        if (page.last_day - page.first_day).days == 0:
            days += len({told.ask for told in unknown})
        if way.preset == "sheltered" or not page.lines:
            net: Counter[Hashable] = Counter()
            for told in unknown:
                net[told.person] += {"hand_over": 1, "money_returned": -1}.get(told.kind, 0) * told.amount
            if sum(map(bool, net.values())) == 1:
                amounts += 1
    return Score(len(asks), persons, days, amounts)


def smallest_cell(pages: list[Page], way: Way) -> int:
    """Return how few people stand behind any published figure of draws, or of gifts that wait; 99 for none."""
    least = 99
    for page in pages:
        cells: dict[str, Counter[Hashable]] = defaultdict(Counter)
        for told in page.behind:
            if told.kind in DRAWS:
                sign = {"hand_over": 1, "money_returned": -1}.get(told.kind, 0)
                cells["out"][told.person] += sign * told.amount
            elif way.gifts_wait:
                cells["in"][told.person] += told.amount
        for cell in cells.values():
            people = [who for who, net in cell.items() if net or way.preset != "sheltered"]
            if people:
                least = min(least, len(people))
    return least


def longest_wait(pages: list[Page]) -> int:
    """Return the most days from the day of an entry to the close that published it."""
    return max(
        ((page.closed_on - told.day).days for page in pages for told in (*page.behind, *page.behind_stop)),
        default=0,
    )


def share_with_draws(pages: list[Page], *, days: int = 364) -> float:
    """Return in which part of the periods of the year draws were published as themselves."""
    year = [page for page in pages if page.last_day < FIRST + timedelta(days=days)]
    return sum(any(told.kind == "hand_over" for told in page.behind) for page in year) / len(year)
