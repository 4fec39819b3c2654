"""A group in memory, with a clock of its own: the rules and the books as they are, and no database."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from timebank.errors import Refusal
from timebank.ledger.accounts import Account, AccountKind
from timebank.ledger.books import Books
from timebank.ledger.entries import KnownEntry
from timebank.rules.commands import AskDraw, GiveMoney, LogHours
from timebank.rules.decide import decide
from timebank.rules.outcome import Done
from timebank.rules.people import Actor, group_itself, holder_of_link
from timebank.rules.policies import Policy, Terms
from timebank.rules.state import MINUTES, Draw, HeldPlace, MemberAccounts, Pot, SetUp, State

GROUP = UUID(int=7)
PEOPLE: Mapping[str, tuple[str, ...]] = {
    "ada": (),
    "flo": (),
    "bo": ("steward",),
    "di": ("steward",),
    "gus": ("steward",),
    "ed": ("treasurer",),
    "hal": ("treasurer",),
}


@dataclass
class Life:
    """One pot of one group."""

    state: State
    people: dict[str, Actor]
    unit: str

    def do(self, who: str, command: Any) -> dict[str, Any]:
        """Have somebody do something; return what is said, with ``code`` "ok" or that of the refusal."""
        actor = self.people.get(who) or self.actor(who)
        self.state.now += timedelta(seconds=1)
        outcome = decide(command, actor, self.state)
        self._keep()
        if isinstance(outcome, Refusal):
            return {"code": outcome.code, **outcome.params}
        assert isinstance(outcome, Done)
        return {"code": "ok", **outcome.body}

    def actor(self, who: str) -> Actor:
        """Return the group itself, or the holder of the link of an ask with this id."""
        return group_itself(GROUP) if who == "group" else holder_of_link(GROUP, UUID(who))

    def ask(self, who: str, amount: int, **more: Any) -> dict[str, Any]:
        """Ask for an amount from the pot."""
        return self.do(who, AskDraw("pot", amount, self.unit, "company", **more))

    def draw(self, said: Mapping[str, Any]) -> Draw:
        """Return the draw that an answer speaks of."""
        return self.state.draws[UUID(said["id"])]

    def fund(self, amount: int) -> None:
        """Have so much come into the pot."""
        if self.unit == MINUTES:
            said = self.do("flo", LogHours(None, None, None, amount, self.state.today, "company"))
        else:
            said = self.do("ed", GiveMoney("pot", amount, self.unit, "cash", None, self.state.today))
        assert said["code"] == "ok", said

    def go_on(self, **span: float) -> None:
        """Let time pass."""
        self.state.now += timedelta(**span)
        self.state.today = self.state.now.date()
        self.state.books.today = self.state.today

    def on(self, day: date) -> None:
        """Move to a day."""
        self.go_on(days=(day - self.state.today).days)

    @property
    def available(self) -> int:
        """What is in the pot."""
        return self.state.books.accounts[1].net

    @property
    def promised(self) -> int:
        """What is promised."""
        return self.state.books.accounts[2].net

    def trace(self) -> Any:
        """Return everything that a command could leave behind, to be compared."""
        state = self.state
        return (
            len(state.written),
            len(state.notes),
            len(state.new_draws),
            repr(state.draws),
            repr(state.hands),
            repr(state.queues),
            repr(state.changed_hours),
            len(state.papers_gone),
            [(number, a.debits, a.credits) for number, a in state.books.accounts.items()],
        )

    def copy(self) -> Life:
        """Return a second one that goes on from here by itself."""
        state, books = self.state, self.state.books
        last = max([*state.draws, *state.known], default=UUID(int=0)).int
        accounts = {number: copy.copy(account) for number, account in books.accounts.items()}
        known = dict(books.known)
        twin = dataclasses.replace(
            state,
            books=Books(accounts, books.seq, books.recorded_at, books.began_on, books.today, known),
            ids=(UUID(int=max(last, 50_000) + 1_000 + n) for n in itertools.count()),
            draws={i: copy.copy(draw) for i, draw in state.draws.items()},
            hands={i: {m: copy.copy(h) for m, h in hands.items()} for i, hands in state.hands.items()},
            known=known,
            hours=dict(state.hours),
            past={whose: dict(each) for whose, each in state.past.items()},
            contacts=set(state.contacts),
            queues={pot: list(queue) for pot, queue in state.queues.items()},
            **{
                name: copy.copy(getattr(state, name))
                for name in (
                    "written", "new_hours", "changed_hours", "new_draws", "changed_draws", "changed_hands", "notes",
                    "new_links", "papers_gone",
                )
            },
        )  # fmt: skip
        return Life(twin, self.people, self.unit)

    def _keep(self) -> None:
        # What the store would load for the next batch.
        for hours in self.state.new_hours:
            self.state.hours[hours.hours_id] = hours


def a_life(terms: Terms, *, unit: str = "EUR", floor: int | None = None, **more: Any) -> Life:
    """A group with one pot, whose rules are these.

    Args:
        more: ``today``; ``people``: roles by name; ``households``: names by household.
    """
    people: Mapping[str, tuple[str, ...]] = more.get("people", PEOPLE)
    households = {
        name: UUID(int=900 + place)
        for place, names in enumerate(more.get("households", ()))
        for name in names
    }
    units = [MINUTES] if unit == MINUTES else [MINUTES, unit]
    numbers = itertools.count(100)
    accounts: dict[int, Account] = {
        1: Account(1, AccountKind.POT, unit, 1, 0 if unit != MINUTES and floor is None else floor),
        2: Account(2, AccountKind.PROMISED, unit, 1, 0),
        3: Account(3, AccountKind.SHARED, unit, 1),
        4: Account(4, AccountKind.OUTSIDE, unit),
        5: Account(5, AccountKind.CUSTODY, unit),
        6: Account(6, AccountKind.HELD, unit, 0, 0),
        7: Account(7, AccountKind.HELD, unit, 0, 0),
    }
    actors, members = {}, {}
    for place, (name, roles) in enumerate(people.items()):
        own = {each: next(numbers) for each in units}
        own[f"exchange:{MINUTES}"] = next(numbers)
        for each, number in own.items():
            kind = AccountKind.EXCHANGE if each.startswith("exchange") else AccountKind.MEMBER
            accounts[number] = Account(number, kind, each.rpartition(":")[2])
        member_id = UUID(int=1000 + place)
        members[member_id] = MemberAccounts(True, own, True, households.get(name))
        actors[name] = Actor(
            GROUP, member_id, own[MINUTES], own, frozenset({"member", *roles}), frozenset({"write"})
        )
    today: date = more.get("today", date(2026, 3, 10))
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    pot = Pot(UUID(int=1), "pot", unit, 1, 1, 2, 3)
    setup = SetUp(
        version=1,
        group_id=GROUP,
        book_id=b"",
        origin="",
        began_on=date(2020, 1, 1),
        time_zone="UTC",
        categories=frozenset({"company"}),
        pots={"pot": pot},
        held={
            "cash": HeldPlace(UUID(int=2), "cash", "cash", 1, unit, 6),
            "bank": HeldPlace(UUID(int=3), "bank", "bank", 1, unit, 7),
        },
        policies={(pot.pot_id, 1): Policy(1, terms)},
        special={(AccountKind.OUTSIDE, unit): 4, (AccountKind.CUSTODY, unit): 5},
        members=members,
    )
    known: dict[UUID, KnownEntry] = {}
    ids = (UUID(int=50_000 + n) for n in itertools.count())
    state = State(
        setup=setup,
        books=Books(accounts, 0, now, setup.began_on, today, known),
        now=now,
        today=today,
        ids=ids,
        salt=lambda: bytes(32),
        known=known,
    )
    return Life(state, actors, unit)


def agree(life: Life, terms: Terms) -> None:
    """Have a new version of the rules hold from now on."""
    setup = life.state.setup
    version = setup.newest[UUID(int=1)].version + 1
    setup.policies[UUID(int=1), version] = setup.newest[UUID(int=1)] = Policy(version, terms)


__all__ = ["GROUP", "PEOPLE", "Life", "a_life", "agree"]
