"""Whatever people send, in whatever order, the real write door and a plain ledger in memory agree.

Hypothesis makes the story; every outcome and every balance is compared after every step, and
the whole book is verified at the end of each run. ``TIMEBANK_TEST_STATEFUL=300x60`` runs the full one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.database import Dsn
from tests.properties import reference as ref
from tests.properties.stand import (
    BEGAN_ON,
    ROLES,
    Group,
    Stand,
    keep_commits,
    make_group,
    open_stand,
    render,
    said,
    send,
    shut,
    today,
)
from timebank.errors import KeyReused, Refusal
from timebank.rules.commands import (
    ApproveDraw,
    AskDraw,
    Command,
    CorrectEntry,
    GiveMoney,
    HandOver,
    Instead,
    LogHours,
)
from timebank.rules.set_up import NewPot, Terms

pytestmark = [pytest.mark.database]

T = TypeVar("T")

NOBODY = uuid4()
KINDS_OF_POT = (
    # A group whose hours may go below nothing, and two pots of money in one cash box.
    (
        NewPot("hours", "minutes"),
        NewPot("money", "EUR", terms=Terms(approvals=((0, 1), (300, 2)))),
        NewPot("quick", "EUR", floor=50, terms=Terms(200, ((0, 0), (100, 1)), two_people=True)),
    ),
    # One that hands hours out at once, but none that it has not.
    (
        NewPot("hours", "minutes", floor=0, terms=Terms(approvals=((0, 0), (60, 1)))),
        NewPot("money", "EUR", terms=Terms(per_request_max=400)),
        NewPot("quick", "EUR", terms=Terms(approvals=((0, 3),))),
    ),
)

people = st.sampled_from(sorted(ROLES))
maybe = st.one_of(st.none(), people, st.sampled_from(["nobody"]))
amounts = st.one_of(
    st.sampled_from([30, 60, 61, 100, 101, 200, 300, 301]),
    st.integers(1, 500),
    st.sampled_from([-5, 0, 1, 10**12, 10**12 + 1]),
)
days = st.one_of(st.integers(-40, 0), st.sampled_from([0, 0, 0, 1, -9999]))
categories = st.one_of(st.sampled_from(["cooking", "repairs"]), st.just("yachting"))
places = st.one_of(st.sampled_from(["cash-box", "bank"]), st.just("sofa"))
pots = st.one_of(st.sampled_from(["money", "quick"]), st.sampled_from(["hours", "gold"]))
indexes = st.integers(0, 10**6)


def pot_of_ask(pot: str) -> st.SearchStrategy[ref.Ask]:
    unit = st.just("minutes" if pot == "hours" else "EUR")
    return st.builds(
        ref.Ask,
        st.just(pot),
        amounts,
        st.one_of(unit, unit, unit, st.sampled_from(["EUR", "minutes"])),
        categories,
        st.one_of(st.none(), st.none(), maybe),
    )


givers = st.one_of(st.none(), st.none(), maybe)
hours_given = st.builds(ref.Hours, givers, givers, st.one_of(st.none(), indexes), amounts, days, categories)
money_in = st.builds(ref.Money, pots, amounts, places, givers, days)
asks = st.sampled_from(["money", "quick", "hours", "gold"]).flatmap(pot_of_ask)
approvals = st.builds(ref.Approve, indexes, st.one_of(st.none(), st.none(), amounts))
hand_overs = st.builds(ref.HandOver, indexes, places, st.one_of(st.none(), amounts), days)
instead = st.tuples(
    st.one_of(st.none(), amounts), st.one_of(st.none(), days), st.one_of(st.none(), categories)
)
corrections = st.builds(
    ref.Correct, indexes, st.one_of(st.none(), instead), st.one_of(st.just(""), st.just(""), places)
)
commands = st.one_of(hours_given, money_in, asks, approvals, hand_overs, corrections)


class Side:
    """One group twice: in the database and in memory, and which id is which number."""

    def __init__(self, group: Group, pots: tuple[NewPot, ...]) -> None:
        self.group = group
        self.model = ref.Ledger(
            roles={name: set(roles) for name, roles in ROLES.items()},
            pots={
                pot.code: ref.Rules(
                    unit=pot.unit,
                    floor=0 if pot.floor is None and pot.unit == "EUR" else pot.floor,
                    most=pot.terms.per_request_max,
                    steps=pot.terms.approvals,
                    two_people=pot.terms.two_people,
                )
                for pot in pots
            },
            held={"cash-box", "bank"},
            began=(BEGAN_ON - today()).days,
        )
        self.entries: dict[int, UUID] = {}
        self.draws: dict[int, UUID] = {}
        self.names = {number: _word(*name) for name, number in group.accounts.items()}

    def pick(self, ids: dict[int, UUID], index: int) -> int:
        """Choose one of what is there; now and then what is not."""
        return sorted(ids)[index % len(ids)] if ids and index % 17 else -1

    def resolved(self, command: ref.Command) -> ref.Command:
        """Let a command mean something that is there, by its number in the model."""
        if isinstance(command, ref.Correct):
            return command._replace(entry=self.pick(self.entries, command.entry))
        if isinstance(command, ref.Approve | ref.HandOver) or (
            isinstance(command, ref.Hours) and command.draw is not None
        ):
            assert command.draw is not None
            return command._replace(draw=self.pick(self.draws, command.draw))
        return command

    def real(self, command: ref.Command) -> Command:
        """Say the same to the write door."""
        if isinstance(command, ref.Hours):
            draw = None if command.draw is None else self.draws.get(command.draw, NOBODY)
            return LogHours(
                self._id(command.giver),
                self._id(command.receiver),
                draw,
                command.minutes,
                _day(command.day),
                command.category,
            )
        if isinstance(command, ref.Money):
            return GiveMoney(
                command.pot, command.amount, "EUR", command.held, self._id(command.giver), _day(command.day)
            )
        if isinstance(command, ref.Ask):
            return AskDraw(
                command.pot,
                command.amount,
                command.unit,
                command.category,
                contact="by the door",
                on_behalf_of=self._id(command.behalf),
            )
        if isinstance(command, ref.Approve):
            return ApproveDraw(self.draws.get(command.draw, NOBODY), command.amount)
        if isinstance(command, ref.HandOver):
            return HandOver(
                self.draws.get(command.draw, NOBODY), command.held, command.amount, _day(command.day)
            )
        amount, day, category = command.instead or (None, None, None)
        right = Instead(amount, None if day is None else _day(day), category)
        return CorrectEntry(
            self.entries.get(command.entry, NOBODY),
            "it was wrong" if command.entry % 2 else "",
            right if command.instead is not None else None,
            command.held,
        )

    def learn(self, expected: ref.Said, body: dict[str, Any]) -> None:
        """Remember the ids of what came to be."""
        if expected.draw is not None:
            self.draws[expected.draw] = UUID(body["id"])
        ids = [body[name] for name in ("entry", "instead") if name in body]
        self.entries.update(zip(expected.entries, map(UUID, ids), strict=True))

    def _id(self, name: str | None) -> UUID | None:
        if name is None:
            return None
        actor = self.group.people.get(name)
        return NOBODY if actor is None else actor.member_id


def _day(offset: int) -> Any:
    return today() + timedelta(days=max(offset, -700)) if offset > -9999 else BEGAN_ON - timedelta(days=1)


def _word(kind: str, unit: str, whose: str) -> str:
    if kind in {"pot", "promised", "shared", "held"}:
        return f"{kind} {whose}"
    return f"member {whose} {unit}" if kind == "member" else f"{kind} {unit}"


class Story(RuleBasedStateMachine):
    """One run: two fresh groups, and whatever is sent to them."""

    def __init__(self, stand: Stand, run: Callable[[Coroutine[Any, Any, T]], T]) -> None:
        super().__init__()
        self.stand = stand
        self.run: Callable[[Coroutine[Any, Any, Any]], Any] = run
        self.sides: list[Side] = []
        self.sent: list[tuple[int, str, tuple[Command, ...], str, bool, bytes]] = []

    @initialize()
    def set_up(self) -> None:
        for pots in KINDS_OF_POT:
            group = self.run(make_group(self.stand.house, f"g-{uuid4().hex[:12]}", pots=pots))
            self.sides.append(Side(group, pots))

    # Money and hours come first, or everything else is refused.
    @rule(at=st.integers(0, 1), amount=st.integers(50, 600), held=st.sampled_from(["cash-box", "bank"]))
    def money_comes_in(self, at: int, amount: int, held: str) -> None:
        self._send(at, "ed", [ref.Money("quick" if amount % 2 else "money", amount, held, None, 0)])

    @rule(at=st.integers(0, 1), who=people, command=commands)
    def one(self, at: int, who: str, command: ref.Command) -> None:
        self._send(at, who, [command])

    @rule(
        at=st.integers(0, 1),
        who=st.sampled_from(["bo", "di", "gus"]),
        command=st.one_of(approvals, corrections),
    )
    def a_steward(self, at: int, who: str, command: ref.Command) -> None:
        self._send(at, who, [command])

    @rule(at=st.integers(0, 1), who=st.sampled_from(["ed", "hal"]), command=st.one_of(hand_overs, money_in))
    def a_treasurer(self, at: int, who: str, command: ref.Command) -> None:
        self._send(at, who, [command])

    @rule(at=st.integers(0, 1), who=people, batch=st.lists(commands, min_size=2, max_size=12))
    def many(self, at: int, who: str, batch: list[ref.Command]) -> None:
        self._send(at, who, batch)

    @rule(at=st.integers(0, 1), batch=st.lists(st.tuples(people, commands), min_size=2, max_size=8))
    def several_people_at_once(self, at: int, batch: list[tuple[str, ref.Command]]) -> None:
        side = self.sides[at]
        wanted = [(who, side.resolved(command)) for who, command in batch]
        requests = [
            (side.real(command), side.group.people[who], uuid4().hex, bytes(32)) for who, command in wanted
        ]
        answers = self.run(self.stand.writer.post(side.group.group_id, requests, render=render))
        for (who, command), answer in zip(wanted, answers, strict=True):
            self._compare(side, command, side.model.do(who, command), said(answer))
        self._balances_agree()

    @precondition(lambda self: self.sent)
    @rule(index=indexes)
    def the_same_again(self, index: int) -> None:
        at, who, real, key, is_many, body = self.sent[index % len(self.sent)]
        group = self.sides[at].group

        answer = self.run(
            send(self.stand.writer, group.group_id, group.people[who], *real, key=key, many=is_many)
        )

        assert answer.replayed
        assert answer.body == body
        self._balances_agree()

    @precondition(lambda self: self.sent)
    @rule(index=indexes, other=commands)
    def another_request_under_the_same_key(self, index: int, other: ref.Command) -> None:
        at, who, real, key, _, _ = self.sent[index % len(self.sent)]
        side = self.sides[at]
        command = side.real(side.resolved(other))
        if (command,) == real:
            return

        try:
            self.run(send(self.stand.writer, side.group.group_id, side.group.people[who], command, key=key))
            raise AssertionError("a key was used for two requests")
        except KeyReused:
            pass
        self._balances_agree()

    @precondition(lambda self: self.sent)
    @rule(index=indexes, who=people)
    def another_persons_same_key(self, index: int, who: str) -> None:
        at, first, _, key, _, _ = self.sent[index % len(self.sent)]
        if who != first and not any(sent[1:4:2] == (who, key) for sent in self.sent):
            self._send(at, who, [ref.Hours(None, None, None, 5, 0, "repairs")], key=key)

    def teardown(self) -> None:
        for side in self.sides:
            self.run(self.stand.verified(side.group))

    # ------------------------------------------------------------ comparing

    def _send(self, at: int, who: str, batch: list[ref.Command], key: str = "") -> None:
        side = self.sides[at]
        wanted = [side.resolved(command) for command in batch]
        real = tuple(side.real(command) for command in wanted)
        key, is_many = key or uuid4().hex, len(batch) > 1
        group = side.group
        try:
            answer = self.run(
                send(self.stand.writer, group.group_id, group.people[who], *real, key=key, many=is_many)
            )
        except Refusal as refusal:
            raise AssertionError(f"{batch} was not answered") from refusal
        self.sent.append((at, who, real, key, is_many, answer.body))

        outcomes = said(answer)["outcomes"] if is_many else [said(answer)]
        for command, outcome in zip(wanted, outcomes, strict=True):
            self._compare(side, command, side.model.do(who, command), outcome)
        self._balances_agree()

    def _compare(self, side: Side, command: ref.Command, expected: ref.Said, body: dict[str, Any]) -> None:
        assert body.get("code", "ok") == expected.code, (command, expected, body)
        if expected.code == "ok":
            side.learn(expected, body)

    def _balances_agree(self) -> None:
        for side in self.sides:
            rows = self.run(
                self.stand.rows(
                    "SELECT account_id, debits, credits, reversal_debits, reversal_credits"
                    "  FROM timebank.accounts",
                    group=side.group,
                )
            )
            real = {side.names[number]: list(sums) for number, *sums in rows}
            model = {name: side.model.accounts.get(name, [0, 0, 0, 0]) for name in real}
            assert real == model
            assert side.model.accounts.keys() <= real.keys()


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """A loop of its own: Hypothesis calls from outside any."""
    with asyncio.Runner() as runner:
        yield runner


def test_the_book_and_a_plain_ledger_in_memory_agree_after_every_step(
    fresh_dsn: Dsn, tmp_path: Path, loop: asyncio.Runner
) -> None:
    runs, steps = map(int, os.environ.get("TIMEBANK_TEST_STATEFUL", "25x30").split("x"))
    loop.run(keep_commits(fresh_dsn))
    stand = loop.run(open_stand(fresh_dsn, tmp_path))
    try:
        run_state_machine_as_test(
            lambda: Story(stand, loop.run),
            settings=settings(
                max_examples=runs,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,)
                if os.environ.get("TIMEBANK_NO_SHRINK")
                else (Phase.generate, Phase.shrink),
            ),
        )
    finally:
        loop.run(shut(stand))
