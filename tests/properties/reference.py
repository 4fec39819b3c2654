"""A second ledger, in memory and as plain as can be; it shares no code with the one that it judges.

It knows one group: what everybody may do, what each command moves, and which refusal comes first.
Accounts are named in words, ids are small numbers, and nothing is quick.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MOST = 10**12


class Hours(NamedTuple):
    """Help that ``giver`` gave: to the pot, to ``receiver``, or for a draw; ``day`` counts from today."""

    giver: str | None
    receiver: str | None
    draw: int | None
    minutes: int
    day: int
    category: str


class Money(NamedTuple):
    """Money that came into a place, from somebody or from outside."""

    pot: str
    amount: int
    held: str
    giver: str | None
    day: int


class Ask(NamedTuple):
    """An ask; ``unit`` should be that of the pot."""

    pot: str
    amount: int
    unit: str
    category: str
    behalf: str | None


class Approve(NamedTuple):
    """A yes to a draw."""

    draw: int
    amount: int | None


class HandOver(NamedTuple):
    """Money of a draw handed over."""

    draw: int
    held: str
    amount: int | None
    day: int


class Correct(NamedTuple):
    """An entry taken back; with ``instead`` another amount, day or category is written in its place."""

    entry: int
    instead: tuple[int | None, int | None, str | None] | None
    held: str


Command = Hours | Money | Ask | Approve | HandOver | Correct


class Said(NamedTuple):
    """What became of a command: "ok" or the code of a refusal, and the numbers of what it made."""

    code: str
    entries: tuple[int, ...] = ()
    draw: int | None = None


class No(Exception):
    """A refusal; its only argument is the code."""


Moves = tuple[tuple[str, str, int], ...]


@dataclass
class Entry:
    """Something that happened: (from, to, amount) of each move, and who had part in it."""

    kind: str
    moves: Moves
    day: int
    category: str
    draw: int | None = None
    reverses: int | None = None
    corrected: bool = False
    took_part: frozenset[str] | None = None
    logged_by: str = ""


@dataclass
class Draw:
    """An ask and how far it is."""

    pot: str
    wanted: int
    category: str
    state: str = "asked"
    agreed: int = 0
    left: int = 0
    asked: set[str] = field(default_factory=set)
    approved: set[str] = field(default_factory=set)


@dataclass
class Rules:
    """The rules of one pot: its unit, its floor, most per ask, how many must say yes from where on."""

    unit: str
    floor: int | None
    most: int | None
    steps: tuple[tuple[int, int], ...]
    two_people: bool = False

    def needed(self, amount: int) -> int:
        count = 0
        for above, people in self.steps:
            if amount > above:
                count = people
        return count


class Ledger:
    """One group."""

    def __init__(
        self, roles: dict[str, set[str]], pots: dict[str, Rules], held: set[str], began: int
    ) -> None:
        self.roles = roles
        self.pots = pots
        self.held = held
        self.began = began
        self.categories = {"cooking", "repairs"}
        self.accounts: dict[str, list[int]] = {}
        self.entries: dict[int, Entry] = {}
        self.draws: dict[int, Draw] = {}
        self.number = 0

    def net(self, name: str) -> int:
        sums = self.accounts.get(name, [0, 0, 0, 0])
        return sums[1] - sums[0]

    def do(self, who: str, command: Command) -> Said:
        """Carry a command out, or refuse it and change nothing."""
        deeds: dict[type, Any] = {
            Hours: self._hours, Money: self._money, Ask: self._ask, Approve: self._approve,
            HandOver: self._hand_over, Correct: self._correct,
        }  # fmt: skip
        try:
            said: Said = deeds[type(command)](who, command)
            return said
        except No as no:
            return Said(no.args[0])

    # ------------------------------------------------------------ what people do

    def _hours(self, who: str, c: Hours) -> Said:
        giver = c.giver or who
        self._unless(who in (giver, c.receiver) or "steward" in self.roles[who], "not_your_entry")
        self._member(giver)
        self._member(c.receiver or giver)
        self._unless(c.category in self.categories, "unknown_category")
        self._unless(c.receiver != giver, "same_account_twice")
        to_pot = (f"member {giver} minutes", "pot hours", c.minutes)
        moves: Moves = (to_pot,)
        kind = "help_given"
        if c.draw is not None:
            draw = self.draws.get(c.draw)
            if draw is None or self.pots[draw.pot].unit != "minutes":
                raise No("unknown_draw")
            self._unless(draw.state == "promised", "draw_not_open")
            self._unless(giver not in draw.asked, "own_draw")
            kind, covered = "fulfil", min(c.minutes, draw.left)
            if covered:
                moves += (("promised hours", "shared hours", covered),)
            if c.minutes > covered and self.pots["hours"].needed(c.minutes) == 0:
                moves += (("pot hours", "shared hours", c.minutes - covered),)
        elif c.receiver is not None:
            kind, moves = "help_answered", (to_pot, ("pot hours", "shared hours", c.minutes))
        part = frozenset({giver, c.receiver or giver})
        entry = self._write([Entry(kind, moves, c.day, c.category, c.draw, took_part=part, logged_by=who)])
        if c.draw is not None:
            draw = self.draws[c.draw]
            draw.left -= min(c.minutes, draw.left)
            draw.state = "promised" if draw.left else "handed_over"
        return Said("ok", entry)

    def _money(self, who: str, c: Money) -> Said:
        self._unless("treasurer" in self.roles[who], "needs_role")
        self._unless(c.pot in self.pots and self.pots[c.pot].unit == "EUR", "unknown_pot")
        self._unless(c.held in self.held, "unknown_held_place")
        self._member(c.giver or who)
        giver = f"member {c.giver} EUR" if c.giver else "outside EUR"
        moves = ((giver, f"pot {c.pot}", c.amount), (f"held {c.held}", "custody EUR", c.amount))
        return Said("ok", self._write([Entry("money_in", moves, c.day, "")]))

    def _ask(self, who: str, c: Ask) -> Said:
        rules = self.pots.get(c.pot)
        if rules is None or rules.unit != c.unit:
            raise No("unknown_pot")
        self._unless(c.category in self.categories, "unknown_category")
        self._unless(1 <= c.amount <= MOST, "amount_out_of_range")
        self._unless(rules.most is None or c.amount <= rules.most, "policy_refuses")
        asker = c.behalf or who
        if asker != who:
            self._unless("steward" in self.roles[who], "needs_role")
            self._member(asker)
        draw = Draw(c.pot, c.amount, c.category, asked={asker, who})
        self.number += 1
        number = self.number
        self.draws[number] = draw
        if rules.needed(c.amount) == 0:
            with suppress(No):
                self._promise(number, c.amount)
        return Said("ok", (), number)

    def _approve(self, who: str, c: Approve) -> Said:
        self._unless("steward" in self.roles[who], "needs_role")
        draw = self.draws.get(c.draw)
        if draw is None:
            raise No("unknown_draw")
        self._unless(who not in draw.asked, "own_draw")
        self._unless(who not in draw.approved, "already_approved")
        self._unless(draw.state == "asked", "draw_not_open")
        amount = c.amount if c.amount is not None else draw.agreed or draw.wanted
        self._unless(1 <= amount <= draw.wanted, "amount_out_of_range")
        self._unless(not draw.agreed or amount == draw.agreed, "policy_refuses")
        if len(draw.approved) + 1 >= max(1, self.pots[draw.pot].needed(amount)):
            self._promise(c.draw, amount)
        draw.agreed = amount
        draw.approved.add(who)
        return Said("ok")

    def _promise(self, number: int, amount: int) -> None:
        draw = self.draws[number]
        moves = ((f"pot {draw.pot}", f"promised {draw.pot}", amount),)
        self._write([Entry("promise", moves, 0, draw.category, number)])
        draw.agreed = draw.left = amount
        draw.state = "promised"

    def _hand_over(self, who: str, c: HandOver) -> Said:
        self._unless("treasurer" in self.roles[who], "needs_role")
        draw = self.draws.get(c.draw)
        if draw is None:
            raise No("unknown_draw")
        self._unless(who not in draw.asked, "own_draw")
        self._unless(who not in draw.approved or self.pots[draw.pot].two_people, "payer_approved")
        self._unless(draw.state == "promised", "draw_not_open")
        self._unless(self.pots[draw.pot].unit != "minutes", "policy_refuses")
        self._unless(c.held in self.held, "unknown_held_place")
        amount = draw.left if c.amount is None else c.amount
        self._unless(amount <= draw.left, "more_than_promised")
        shared = (f"promised {draw.pot}", f"shared {draw.pot}", amount)
        moves = (shared, ("custody EUR", f"held {c.held}", amount))
        entry = self._write([Entry("hand_over", moves, c.day, draw.category, c.draw)])
        draw.left -= amount
        draw.state = "promised" if draw.left else "handed_over"
        return Said("ok", entry)

    def _correct(self, who: str, c: Correct) -> Said:
        wrong = self.entries.get(c.entry)
        if wrong is None:
            raise No("unknown_entry")
        if wrong.took_part is None:
            allowed = "treasurer" in self.roles[who]
        else:
            allowed = who in wrong.took_part or who == wrong.logged_by
        self._unless(allowed or "steward" in self.roles[who], "not_your_entry")
        amount, day, category = c.instead or (None, None, None)
        self._unless(category is None or category in self.categories, "unknown_category")
        places = {name for move in wrong.moves for name in move[:2] if name.startswith("held ")}
        if places and c.held:
            self._unless(c.held in self.held, "unknown_held_place")
        moves: Moves = tuple((self._now(t, c.held), self._now(s, c.held), n) for s, t, n in wrong.moves)
        entries = [Entry("correction", moves, wrong.day, wrong.category, None, c.entry)]
        if c.instead is not None:
            right = tuple(
                (self._now(s, c.held), self._now(t, c.held), n if amount is None else amount)
                for s, t, n in wrong.moves
            )
            day = wrong.day if day is None else day
            category = wrong.category if category is None else category
            entries.append(Entry(wrong.kind, right, day, category, None, None, False, wrong.took_part, who))
        return Said("ok", self._write(entries))

    @staticmethod
    def _now(account: str, held: str) -> str:
        return f"held {held}" if held and account.startswith("held ") else account

    # ------------------------------------------------------------ what is written

    def _write(self, entries: list[Entry]) -> tuple[int, ...]:
        before = {name: list(sums) for name, sums in self.accounts.items()}
        try:
            for entry in entries:
                self._check(entry)
                self._move(entry)
            self._check_floors(entries, before)
        except No:
            self.accounts = before
            raise
        numbers = []
        for entry in entries:
            self.number += 1
            self.entries[self.number] = entry
            numbers.append(self.number)
            if entry.reverses is not None:
                self.entries[entry.reverses].corrected = True
        return tuple(numbers)

    def _check(self, entry: Entry) -> None:
        self._unless(all(1 <= n <= MOST for _, _, n in entry.moves), "amount_out_of_range")
        self._unless(entry.day <= 0, "date_in_future")
        self._unless(entry.day >= self.began, "date_before_begin")
        if entry.reverses is not None:
            wrong = self.entries[entry.reverses]
            self._unless(wrong.reverses is None, "correction_of_correction")
            self._unless(not wrong.corrected, "already_corrected")
            self._unless(wrong.draw is None, "entry_belongs_to_draw")

    def _move(self, entry: Entry) -> None:
        back = entry.reverses is not None
        for source, target, n in entry.moves:
            for name, place in ((source, 0), (target, 1)):
                sums = self.accounts.setdefault(name, [0, 0, 0, 0])
                sums[place] += n
                sums[place + 2] += n * back

    def _check_floors(self, entries: list[Entry], before: dict[str, list[int]]) -> None:
        def was(name: str) -> int:
            sums = before.get(name, [0, 0, 0, 0])
            return sums[1] - sums[0]

        for name in self.accounts:
            kind, _, pot = name.partition(" ")
            low = self.net(name) < was(name)
            self._unless(not (kind == "promised" and self.net(name) < 0 and low), "below_floor")
            higher = self.net(name) > was(name)
            self._unless(not (kind == "held" and self.net(name) > 0 and higher), "below_floor")
            decided = any(e.kind in {"promise", "fulfil", "hand_over"} for e in entries)
            if kind == "pot" and decided and low and self.pots[pot].floor is not None:
                self._unless(self.net(name) >= (self.pots[pot].floor or 0), "below_floor")
            if any(e.kind == "hand_over" for e in entries) and kind == "promised" and low:
                self._unless(self.net(f"pot {pot}") + self.net(name) >= 0, "below_floor")

    def _member(self, name: str) -> None:
        self._unless(name in self.roles, "unknown_member")

    @staticmethod
    def _unless(holds: bool, code: str) -> None:
        if not holds:
            raise No(code)
