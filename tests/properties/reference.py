"""A second ledger, in memory and as plain as can be; it shares no code with the one that it judges.

It knows one group: who is in it, what moves from where to where, and which refusal comes first. What people
can do is in ``reference_hours``, ``reference_money`` and ``reference_draws`` (with ``reference_steps``). Accounts are named in words,
ids are small numbers, and nothing is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

MOST = 10**12
NEW = 0
DECISIONS = {"promise", "hand_over", "fulfil", "pot_move", "money_out"}
OF_DRAWS = {
    "promise", "release", "fulfil", "hand_over", "hand_over_undone", "fulfil_undone", "money_returned",
}  # fmt: skip


class Said(NamedTuple):
    """What became of a command: "ok" or the code of a refusal, and the numbers of what it made.

    ``made`` has them by the name that the answer gives the id under.
    """

    code: str
    made: Mapping[str, int] = {}
    state: str = ""


class No(Exception):
    """A refusal; its only argument is the code."""


#: (from, to, amount) of each move: what is debited comes first.
Moves = tuple[tuple[str, str, int], ...]


@dataclass
class Entry:
    """Something that happened.

    Attributes:
        draw: Number of the ask that it belongs to.
        reverses: Number of the entry that it takes back.
        taken_back: How many of its moves, from the first, take back what was written before.
    """

    kind: str
    moves: Moves
    day: date
    category: str = ""
    draw: int | None = None
    reverses: int | None = None
    taken_back: int = 0
    corrected: bool = False


@dataclass
class Hours:
    """Help that somebody logged; its number is that of its entry, which may come later.

    Attributes:
        asked: (who, minutes) of an open question.
    """

    giver: str
    receiver: str | None
    minutes: int
    day: date
    category: str
    logged_by: str
    logged_at: datetime
    draw: int | None = None
    exchange: bool = False
    state: str = "logged"
    posted: bool = True
    asked: tuple[str, int] | None = None


@dataclass
class Proposal:
    """Something that takes two people; ``moves`` are what the second one's signature writes."""

    kind: str
    moves: Moves
    day: date
    by: str
    at: datetime
    held: str = ""
    category: str = ""
    state: str = "open"


@dataclass
class Hand:
    """What one person did with one ask."""

    asked: bool = False
    theirs: bool = False
    approved: bool = False
    paid: bool = False
    aside: bool = False
    objected: bool = False


@dataclass
class Draw:
    """An ask and how far it is; ``terms`` are those it was asked under.

    Attributes:
        tie: What the book's id of it sorts by, once that is known.
    """

    pot: str
    asked: int
    category: str
    terms: Any
    asked_at: datetime
    asked_on: date
    needed_by: date | None = None
    state: str = "asked"
    agreed: int = 0
    promised: int = 0
    handed: int = 0
    released: int = 0
    agreed_at: datetime | None = None
    queued_at: datetime | None = None
    promised_on: date | None = None
    due_at: datetime | None = None
    hands: dict[str, Hand] = field(default_factory=dict)
    tie: str = ""

    @property
    def left(self) -> int:
        return self.promised - self.handed - self.released

    @property
    def waits(self) -> bool:
        return self.state in {"asked", "looked_at"}

    @property
    def objected_to(self) -> bool:
        return any(hand.objected for hand in self.hands.values())


@dataclass
class Pot:
    """A pot: what it keeps, its floor, and every version of its rules."""

    unit: str
    floor: int | None
    versions: list[Any]


class Book:
    """One group.

    Attributes:
        changes: How often anything at all changed; a refusal alone changes nothing.
        days: By account and day, what was added, as in ``accounts``.
        queues: By pot, the asks that wait for it.
    """

    def __init__(
        self,
        roles: Mapping[str, set[str]],
        pots: dict[str, Pot],
        held: set[str],
        *,
        began: date,
        now: datetime,
        zone: str,
        without_device: set[str],
        households: Mapping[str, str],
    ) -> None:
        self.roles = {name: set(theirs) for name, theirs in roles.items()}
        self.active = dict.fromkeys(roles, True)
        self.pots = pots
        self.held = held
        self.began = began
        self.now = now
        self.zone = ZoneInfo(zone)
        self.without_device = without_device
        self.households = households
        self.categories = {"cooking", "repairs"}
        self.accounts: dict[str, list[int]] = {}
        self.days: dict[tuple[str, date], list[int]] = {}
        self.entries: dict[int, Entry] = {}
        self.hours: dict[int, Hours] = {}
        self.draws: dict[int, Draw] = {}
        self.proposals: dict[int, Proposal] = {}
        self.queues: dict[str, list[int]] = {code: [] for code in pots}
        self.number = 0
        self.changes = 0

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def net(self, name: str) -> int:
        sums = self.accounts.get(name, [0, 0, 0, 0])
        return sums[1] - sums[0]

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def changed(self) -> None:
        self.changes += 1

    def do(self, deed: Callable[[Book, str, Any], Said], who: str, command: Any) -> Said:
        """Carry a command out, or refuse it; then only what time had decided has changed."""
        try:
            return deed(self, who, command)
        except No as no:
            return Said(no.args[0])

    # ------------------------------------------------------------ who and where

    def member(self, name: str) -> None:
        unless(self.active.get(name, False), "unknown_member")

    def role(self, who: str, *roles: str) -> None:
        unless(bool(self.roles[who] & set(roles)), "needs_role")

    def pot(self, code: str, unit: str) -> str:
        found = code or next((c for c, pot in self.pots.items() if pot.unit == unit), "")
        unless(found in self.pots and self.pots[found].unit == unit, "unknown_pot")
        return found

    def place(self, code: str) -> str:
        unless(code in self.held, "unknown_held_place")
        return f"held {code}"

    def day_is_possible(self, day: date) -> None:
        unless(day <= self.today, "date_in_future")
        unless(day >= self.began, "date_before_begin")

    # ------------------------------------------------------------ what is written

    def write(self, *entries: Entry, numbers: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Write a chain of entries as a whole, or none of it; return their numbers."""
        before = {name: list(sums) for name, sums in self.accounts.items()}
        try:
            for entry in entries:
                self._check(entry)
                self._move(entry, self.accounts)
            self._check_floors(entries, before)
        except No:
            self.accounts = before
            raise
        given = tuple(numbers[at : at + 1] or (self.next_number(),) for at in range(len(entries)))
        for (number,), entry in zip(given, entries, strict=True):
            self.entries[number] = entry
            if entry.reverses is not None:
                self.entries[entry.reverses].corrected = True
            self._count_days(entry)
        self.changed()
        return tuple(number for (number,) in given)

    def try_write(self, entry: Entry) -> bool:
        """Write an entry, or say that it is refused."""
        with suppress(No):
            self.write(entry)
            return True
        return False

    def _check(self, entry: Entry) -> None:
        unless(all(1 <= n <= MOST for _, _, n in entry.moves), "amount_out_of_range")
        unless(all(source != target for source, target, _ in entry.moves), "same_account_twice")
        self.day_is_possible(entry.day)
        if entry.reverses is None:
            return
        wrong = self.entries[entry.reverses]
        unless(wrong.reverses is None, "correction_of_correction")
        unless(not wrong.corrected, "already_corrected")
        unless(
            entry.kind in OF_DRAWS or (wrong.draw is None and wrong.kind not in OF_DRAWS),
            "entry_belongs_to_draw",
        )

    @staticmethod
    def _move(entry: Entry, accounts: dict[str, list[int]]) -> None:
        for place, (source, target, n) in enumerate(entry.moves):
            for name, side in ((source, 0), (target, 1)):
                sums = accounts.setdefault(name, [0, 0, 0, 0])
                sums[side] += n
                sums[side + 2] += n * (place < entry.taken_back)

    def _count_days(self, entry: Entry) -> None:
        today: dict[str, list[int]] = {}
        self._move(entry, today)
        for name, sums in today.items():
            so_far = self.days.setdefault((name, entry.day), [0, 0, 0, 0])
            self.days[name, entry.day] = [a + b for a, b in zip(so_far, sums, strict=True)]

    def _check_floors(self, entries: tuple[Entry, ...], before: dict[str, list[int]]) -> None:
        def lower(name: str) -> bool:
            sums = before.get(name, [0, 0, 0, 0])
            return self.net(name) < sums[1] - sums[0]

        for entry in entries:
            for source, target, _ in entry.moves:
                kind, _, pot = source.partition(" ")
                if kind == "promised":
                    unless(self.net(source) >= 0 or not lower(source), "below_floor")
                if kind == "pot" and entry.kind in DECISIONS:
                    floor = self.pots[pot].floor
                    unless(floor is None or self.net(source) >= floor or not lower(source), "below_floor")
                if target.startswith("held "):
                    sums = before.get(target, [0, 0, 0, 0])
                    worse = self.net(target) > sums[1] - sums[0]
                    unless(self.net(target) <= 0 or not worse, "below_floor")
                if kind == "promised" and entry.kind == "hand_over":
                    unless(self.net(f"pot {pot}") + self.net(source) >= 0, "below_floor")


def mirrored(moves: Moves, held: str = "") -> Moves:
    """Return moves that take these back; money that lay at the first place named is at ``held`` now."""
    return tuple((target, source, n) for source, target, n in now_at(moves, held))


def now_at(moves: Moves, held: str) -> Moves:
    """Return moves with the place that they name first replaced."""
    first = next((name for move in moves for name in move[:2] if name.startswith("held ")), "")
    if not held or not first:
        return moves

    def now(name: str) -> str:
        return held if name == first else name

    return tuple((now(source), now(target), n) for source, target, n in moves)


def unless(holds: bool, code: str) -> None:
    """Refuse with a code unless something holds."""
    if not holds:
        raise No(code)
