"""What somebody might do next in a group: mostly what can be done there, now and then what cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, Final, TypeVar

from tests.properties import reference_draws as draws
from tests.properties import reference_hours as hours
from tests.properties import reference_money as money
from tests.properties.lives import PEOPLE, UNITS, Side
from tests.properties.reference import Draw, Hand
from tests.properties.stand import BEGAN_ON
from tests.rules.policies.cases import POLICIES

T = TypeVar("T")

_OWN: Final[dict[str, list[dict[str, Any]]]] = {
    "EUR": [
        {"approvals": [{"above": 0, "count": 1}, {"above": 300, "count": 2}], "promise_days": 14},
        {"approvals": [{"above": 0, "count": 1}], "consent_hours": 48, "per_request_max": 400},
        {
            "approvals": [{"above": 0, "count": 0}, {"above": 200, "count": 2}],
            "consent_hours": 24,
            "scarcity": "queue",
            "reserve": 50,
        },
        {
            "approvals": [{"above": 0, "count": 1}],
            "scarcity": "queue",
            "two_people": True,
            "receipts": "above",
            "receipts_above": 100,
            "promise_days": 7,
        },
        {
            "approvals": [{"above": 0, "count": 0}, {"above": 100, "count": 1}],
            "rhythm": {"every": "month", "day": 15},
            "receipts": "optional",
            "keep_days": 3,
        },
    ],
    "minutes": [
        {"approvals": [{"above": 0, "count": 0}, {"above": 60, "count": 1}], "beyond_at_once": True},
        {
            "approvals": [{"above": 0, "count": 1}],
            "limit": {"at": 240, "then": "pause"},
            "reserve": 30,
            "scarcity": "queue",
        },
        {"approvals": [{"above": 0, "count": 2}], "consent_hours": 24, "promise_days": 14},
    ],
}
#: Rules that a pot of a unit may have: some of our own, twice as often, and the written ones of real groups.
TERMS: Final = {
    "EUR": _OWN["EUR"] * 2 + [each.terms for each in POLICIES.values() if each.unit != "minutes"],
    "minutes": _OWN["minutes"] * 2 + [each.terms for each in POLICIES.values() if each.unit == "minutes"],
}
#: What no pot can have, and the code that says so.
BAD_TERMS: Final = (
    ({"approvals": [{"above": 5, "count": 1}]}, "policy_invalid"),
    ({"per_request_max": 0}, "policy_invalid"),
    ({"approvals": [{"above": 0, "count": 1}], "scarcity": "lottery"}, "rule_not_yet"),
)

#: None is any amount that is not large.
_SMALL: Final = (30, 60, 61, 100, 101, 200, 300, 301, *[None] * 8)
_ODD: Final = (-5, 0, 1, 3000, 3001, 5000, 5001, 10**12, 10**12 + 1)
_CATEGORIES: Final = ("cooking", "repairs")


class Chooser:
    """Chooses deeds for one group with what chance says.

    Args:
        who: Only deeds of this person; empty for anybody's.
    """

    def __init__(self, chance: Random, side: Side, who: str = "") -> None:
        self.chance = chance
        self.side = side
        self.book = side.book
        self.nobody_can = False
        self.people = [who] if who else [name for name in PEOPLE if self.book.active[name]]

    def deed(self, act: str) -> tuple[str, Any]:
        """Return somebody, and what they do; where nobody can do it yet, mostly what has to come before."""
        while act in _BEFORE:
            self.nobody_can = False
            chosen = _ACTS[act](self)
            if not self.nobody_can or self.rarely(6):
                return chosen
            act = _BEFORE[act]
        return _ACTS[act](self)

    # ------------------------------------------------------------ small choices

    def rarely(self, one_in: int = 10) -> bool:
        return self.chance.randrange(one_in) == 0

    def one_of(self, likely: Sequence[T], otherwise: Callable[[], T]) -> T:
        """Return something likely, if there is any; now and then anything."""
        self.nobody_can |= not likely
        if likely and not self.rarely(9):
            return self.chance.choice(likely)
        return otherwise()

    def anybody(self) -> str:
        return str(self.chance.choice(self.people))

    def with_duty(self, *roles: str) -> str:
        return self.one_of([n for n in self.people if self.book.roles[n] & set(roles)], self.anybody)

    def somebody(self) -> str:
        """Return whom a deed names; hardly ever nobody, or somebody suspended."""
        named = [name for name in PEOPLE if self.book.active[name]]
        return self.one_of(named, lambda: self.chance.choice(["nobody", *PEOPLE]))

    def number(self, of: Sequence[int]) -> int:
        return int(self.chance.choice([*of, -1]))

    def amount(self) -> int:
        return self.chance.choice(_ODD if self.rarely(14) else _SMALL) or self.chance.randint(1, 500)

    def part(self, whole: int) -> int | None:
        """Return a part of an amount, None for all of it, or too much."""
        if self.rarely(3):
            return self.amount()
        return self.chance.choice([None, self.chance.randint(1, max(1, whole))])

    def day(self) -> date:
        if self.rarely(20):
            return self.chance.choice([BEGAN_ON - timedelta(days=1), self.book.today + timedelta(days=1)])
        return self.book.today - timedelta(days=int(self.chance.choice([0, 0, 0, 1, 2, 9, 40])))

    def maybe_day(self) -> date | None:
        return self.day() if self.rarely(4) else None

    def place(self) -> str:
        return "sofa" if self.rarely(20) else str(self.chance.choice(["cash-box", "bank"]))

    def category(self) -> str:
        return "yachting" if self.rarely(25) else str(self.chance.choice(_CATEGORIES))

    def pot(self, unit: str = "EUR") -> str:
        fits = [code for code, kept in UNITS.items() if kept == unit]
        return self.one_of(fits, lambda: self.chance.choice(["gold", *UNITS]))

    # ------------------------------------------------------------ hours

    def log(self) -> tuple[str, Any]:
        draw_ = self.one_of([None], lambda: self.number(list(self.book.draws)))
        return self._logged(draw_, exchange=False)

    def exchange(self) -> tuple[str, Any]:
        return self._logged(None, exchange=True)

    def fulfil(self) -> tuple[str, Any]:
        waiting = [n for n, d in self.book.draws.items() if d.state == "promised" and d.pot == "hours"]
        return self._logged(self.one_of(waiting, lambda: self.number(list(self.book.draws))), exchange=False)

    def _logged(self, draw_: int | None, *, exchange: bool) -> tuple[str, Any]:
        who = self.anybody()
        giver = self.chance.choice([None, None, who])
        receiver = self.somebody() if exchange or self.rarely(3) else None
        if self.rarely(3):
            giver, receiver = self.somebody(), self.chance.choice([who, receiver])
        minutes = self.amount()
        if draw_ in self.book.draws and not self.rarely(3):
            minutes = self.chance.randint(1, max(1, self.book.draws[draw_].left))
        return who, hours.Log(giver, receiver, draw_, minutes, self.day(), self.category(), exchange)

    def _hours(self, *states: str, who: Callable[[Any], set[str]]) -> tuple[str, int]:
        pairs = [
            (name, number)
            for number, row in self.book.hours.items()
            if row.state in states and row.draw is None
            for name in self.people
            if name in who(row)
        ]
        return self.one_of(pairs, lambda: (self.anybody(), self.number(list(self.book.hours))))

    def confirm(self) -> tuple[str, Any]:
        who, number = self._hours(
            "logged", "questioned", who=lambda row: {row.receiver} - {row.logged_by} or self._stewards()
        )
        return who, hours.Confirm(number)

    def question(self) -> tuple[str, Any]:
        who, number = self._hours(
            "logged", "questioned", who=lambda row: {row.receiver} - {row.logged_by} or self._stewards()
        )
        return who, hours.Question(number, self.amount())

    def settle(self) -> tuple[str, Any]:
        who, number = self._hours("questioned", who=lambda row: {row.giver, row.receiver} | self._stewards())
        if self.rarely(4):
            who, number = self._hours("logged", "confirmed", who=lambda _: self._stewards())
        return who, hours.Settle(number, self.amount() if self.rarely(2) else None)

    def withdraw(self) -> tuple[str, Any]:
        who, number = self._hours(
            "logged", "questioned", "confirmed", who=lambda row: {row.giver, row.logged_by}
        )
        return who, hours.Withdraw(number)

    def _stewards(self) -> set[str]:
        return {name for name, roles in self.book.roles.items() if "steward" in roles}

    # ------------------------------------------------------------ money

    def give(self) -> tuple[str, Any]:
        giver = self.somebody() if self.rarely(3) else None
        amount = self.amount() if self.rarely(3) else self.chance.randint(100, 6000)
        return self.with_duty("treasurer"), money.Give(self.pot(), amount, self.place(), giver, self.day())

    def move(self) -> tuple[str, Any]:
        source, target = self.chance.sample(["cash-box", "bank"], 2)
        if self.rarely(5):
            target = self.place()
        return self.with_duty("treasurer"), money.Move(source, target, self.amount(), self.maybe_day())

    def count(self) -> tuple[str, Any]:
        held = self.place()
        book = -self.book.net(f"held {held}")
        counted = self.chance.choice([book, book, max(0, book - 7), book + 9, 0]) if book >= 0 else 0
        if self.rarely(9):
            counted = self.amount()
        return self.with_duty("treasurer", "steward"), money.Count(held, counted, self.pot())

    def out(self) -> tuple[str, Any]:
        category = self.category() if self.rarely(3) else ""
        return self.with_duty("treasurer"), money.Out(
            self.pot(), self.amount(), self.place(), category, self.maybe_day()
        )

    def pot_move(self) -> tuple[str, Any]:
        unit = "minutes" if self.rarely(6) else "EUR"
        source, target = self.pot(unit), self.pot(unit)
        if source == target and not self.rarely(4):
            target = "quick" if source == "money" else "money"
        return self.with_duty("treasurer"), money.PotMove(
            source, target, self.amount(), unit, self.maybe_day()
        )

    def opening(self) -> tuple[str, Any]:
        unit = self.chance.choice(["minutes", "EUR"])
        member = self.somebody() if self.rarely(3) else None
        pot = "" if member and not self.rarely() else self.pot(unit)
        held = self.place() if (unit == "EUR") != self.rarely(12) else ""
        duty = "steward" if unit == "minutes" else "treasurer"
        received = self.chance.random() < 0.5
        return self.with_duty(duty), money.Opening(
            pot, self.amount(), unit, held, member, received, self.maybe_day()
        )

    def sign(self) -> tuple[str, Any]:
        pairs = [
            (name, number)
            for number, proposal in self.book.proposals.items()
            if proposal.state == "open"
            for name in self.people
            if name != proposal.by and self.book.roles[name] & {"steward", "treasurer"}
        ]
        who, number = self.one_of(pairs, lambda: (self.anybody(), self.number(list(self.book.proposals))))
        return who, money.Sign(number)

    def unsign(self) -> tuple[str, Any]:
        waiting = [number for number, proposal in self.book.proposals.items() if proposal.state == "open"]
        number = self.one_of(waiting, lambda: self.number(list(self.book.proposals)))
        return self.with_duty("treasurer", "steward"), money.Unsign(number)

    def correct(self) -> tuple[str, Any]:
        known = [number for number in self.book.entries if number in self.side.ids]
        right = [
            n
            for n in known
            if not (e := self.book.entries[n]).corrected and e.reverses is None and e.draw is None
        ]
        number = self.one_of(right, lambda: self.number(known))
        row = self.book.hours.get(number)
        if row is not None and not self.rarely(3):
            who = self.one_of([n for n in self.people if n in (row.giver, row.receiver)], self.anybody)
        else:
            who = self.with_duty("steward", "treasurer")
        instead = None
        if self.rarely(2):
            instead = (
                self.amount() if self.rarely(2) else None,
                self.maybe_day(),
                self.category() if self.rarely(3) else None,
            )
        return who, money.Correct(number, instead, self.place() if self.rarely(3) else "")

    # ------------------------------------------------------------ asks

    def ask(self) -> tuple[str, Any]:
        pot = self.chance.choice(["money", "money", "quick", "quick", "hours", "hours", "gold"])
        unit = UNITS.get(pot, "EUR") if not self.rarely(25) else "minutes"
        amount = self.amount() if not self.rarely(8) else self.chance.randint(2900, 5100)
        who, behalf = self.anybody(), None
        if self.rarely(4):
            who, behalf = self.with_duty("steward"), self.somebody()
        needed_by = None
        if self.rarely(3):
            needed_by = self.book.today + timedelta(days=int(self.chance.randint(0, 20)))
        return who, draws.Ask(pot, amount, unit, self.category(), behalf, needed_by)

    def _pair(
        self, fits: Callable[[Draw], bool], who: Callable[[Draw, Hand, set[str]], bool]
    ) -> tuple[str, int]:
        pairs = [
            (name, number)
            for number, each in self.book.draws.items()
            if fits(each)
            for name in self.people
            if who(each, each.hands.get(name, Hand()), self.book.roles[name])
        ]
        return self.one_of(pairs, lambda: (self.anybody(), self.number(list(self.book.draws))))

    def approve(self) -> tuple[str, Any]:
        who, number = self._pair(
            lambda d: d.waits and d.agreed_at is None,
            lambda d, h, roles: (
                not (h.asked or h.approved or h.aside) and bool(roles & d.terms.roles(d.asked))
            ),
        )
        whole = self.book.draws[number].asked if number in self.book.draws else 1
        return who, draws.Approve(number, self.part(whole) if self.rarely(4) else None)

    def decline(self) -> tuple[str, Any]:
        who, number = self._pair(lambda d: d.waits, _a_steward)
        return who, draws.Decline(number)

    def object(self) -> tuple[str, Any]:
        withdraw = self.chance.random() < 0.5
        who, number = self._pair(
            lambda d: d.waits and d.terms.consent_hours > 0 and d.queued_at is None,
            lambda d, h, roles: _a_steward(d, h, roles) and h.objected == withdraw,
        )
        return who, draws.Object(number, withdraw)

    def ask_back(self) -> tuple[str, Any]:
        who, number = self._pair(lambda d: d.waits, _a_steward)
        return who, draws.AskBack(number)

    def answer(self) -> tuple[str, Any]:
        who, number = self._pair(lambda d: d.state == "looked_at", _asked)
        return who, draws.Answer(number)

    def step_aside(self) -> tuple[str, Any]:
        who, number = self._pair(
            lambda d: d.waits or d.state == "promised",
            lambda _, h, roles: not h.asked and not h.aside and bool(roles & {"steward", "treasurer"}),
        )
        return who, draws.StepAside(number)

    def cancel(self) -> tuple[str, Any]:
        who, number = self._pair(lambda d: d.waits or d.state == "promised", _asked)
        return who, draws.Cancel(number)

    def change(self) -> tuple[str, Any]:
        who, number = self._pair(lambda d: d.waits, _asked)
        return who, draws.Change(number, self.amount())

    def hand_over(self) -> tuple[str, Any]:
        who, number = self._pair(
            lambda d: d.state == "promised" and d.pot != "hours" and self._is_the_day(d),
            lambda d, h, roles: (
                "treasurer" in roles and not (h.asked or h.aside) and (not h.approved or d.terms.two_people)
            ),
        )
        found = self.book.draws.get(number)
        left = 1 if found is None else found.left
        amount = self.part(left) if self.rarely(2) else None
        receipt = found is not None and (found.terms.receipts == "above") != self.rarely(12)
        full = [code for code in ("cash-box", "bank") if -self.book.net(f"held {code}") >= left]
        return who, draws.HandOver(number, self.one_of(full, self.place), amount, self.maybe_day(), receipt)

    def _is_the_day(self, draw_: Draw) -> bool:
        promised_on = draw_.promised_on or self.book.today
        return self.rarely(9) or self.book.today >= draw_.terms.day_to_hand_over(promised_on)

    def undo(self) -> tuple[str, Any]:
        twice = self.rarely(3)
        done = [
            (each.draw, number)
            for number, each in self.book.entries.items()
            if each.kind in {"hand_over", "fulfil"} and (twice or not each.corrected)
        ]
        known = [n for n in self.book.entries if n in self.side.ids]
        draw_, entry = self.one_of(done, lambda: (self.number(list(self.book.draws)), self.number(known)))
        row = self.book.hours.get(entry)
        likely = [n for n in self.people if row is not None and n == row.giver]
        who = self.one_of(likely, lambda: self.with_duty("steward", "treasurer"))
        return who, draws.Undo(draw_ or 0, entry, self.place() if self.rarely(3) else "")

    def give_back(self) -> tuple[str, Any]:
        who, number = self._pair(
            lambda d: d.handed > 0 and d.pot != "hours",
            lambda _, h, roles: "treasurer" in roles and not h.asked and not h.aside,
        )
        handed = self.book.draws[number].handed if number in self.book.draws else 1
        amount = self.part(handed)
        return who, draws.Return(number, self.place(), handed if amount is None else amount, self.maybe_day())

    def release(self) -> tuple[str, Any]:
        who, number = self._pair(
            lambda d: d.state == "promised",
            lambda _, h, roles: not (h.asked or h.aside) and bool(roles & {"steward", "treasurer"}),
        )
        left = self.book.draws[number].left if number in self.book.draws else 1
        return who, draws.Release(number, self.part(left))

    def arrived(self) -> tuple[str, Any]:
        who, number = self._pair(lambda d: d.state == "handed_over", _asked)
        return who, draws.Arrived(number)


def _a_steward(_draw: Draw, hand: Hand, roles: set[str]) -> bool:
    return "steward" in roles and not hand.asked and not hand.aside


def _asked(_draw: Draw, hand: Hand, _roles: set[str]) -> bool:
    return hand.asked


_ACTS: Final[dict[str, Callable[[Chooser], tuple[str, Any]]]] = {
    name: getattr(Chooser, name)
    for name in (
        "log", "exchange", "fulfil", "confirm", "question", "settle", "withdraw", "give", "move", "count", "out",
        "pot_move", "opening", "sign", "unsign", "correct", "ask", "approve", "decline", "object", "ask_back",
        "answer", "step_aside", "cancel", "change", "hand_over", "undo", "give_back", "release", "arrived",
    )
}  # fmt: skip


#: What somebody has to do before something else can be done.
_BEFORE: Final = {
    "fulfil": "approve", "confirm": "exchange", "question": "exchange", "settle": "question", "withdraw": "log",
    "sign": "count", "unsign": "out", "approve": "ask", "decline": "ask", "object": "ask", "ask_back": "ask",
    "answer": "ask_back", "step_aside": "ask", "cancel": "ask", "change": "ask", "hand_over": "approve",
    "undo": "hand_over", "give_back": "hand_over", "release": "approve", "arrived": "hand_over",
}  # fmt: skip


def _often(**times: int) -> tuple[str, ...]:
    return tuple(name for name, count in times.items() for _ in range(count))


#: What is done how often; a name that is there thrice is chosen thrice as often.
HOURS: Final = _often(log=2, exchange=3, fulfil=3, confirm=2, question=2, settle=2, withdraw=1, correct=1)
MONEY: Final = _often(give=3, move=1, count=2, out=1, pot_move=1, opening=1, sign=4, unsign=1, correct=3)
ASKS: Final = _often(
    ask=4, approve=6, object=4, ask_back=1, answer=2, step_aside=1, change=2, cancel=1, decline=1
)
PROMISES: Final = _often(
    approve=3, hand_over=6, undo=3, give_back=2, release=2, arrived=2, fulfil=2, cancel=1
)
ALL: Final = HOURS + MONEY + ASKS + PROMISES
