"""Whatever people do, in whatever order, the services and a plain ledger in memory agree.

Hypothesis makes the lives of a group: hours, money, asks, duties, rules and days that pass. Every outcome, every
balance and every row of an ask is compared after every step, and the whole book is verified at the end of each
run. ``TIMEBANK_TEST_STATEFUL=300x60`` runs the full one; with ``-s`` it says what was done how often.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.database import Dsn
from tests.properties import reference_draws, reference_hours, reference_money, reference_steps
from tests.properties.choices import ALL, ASKS, BAD_TERMS, HOURS, MONEY, PROMISES, TERMS, Chooser
from tests.properties.lives import DEEDS, HOUSEHOLDS, PEOPLE, TRACE, UNITS, WITHOUT_DEVICE, Side
from tests.properties.reference import Said
from tests.properties.reference_rules import Terms
from tests.properties.stand import (
    Group,
    Stand,
    keep_commits,
    make_group,
    open_stand,
    render,
    said,
    send,
    shut,
)
from timebank.errors import KeyReused, Refusal, UnknownMember
from timebank.rules.commands import Command, LogHours
from timebank.rules.people import Actor
from timebank.rules.policies import read_terms
from timebank.rules.set_up import NewPot
from timebank.services import due
from timebank.services.acts import Once
from timebank.services.duties import sign_duty
from timebank.services.member_acts import change_duties, resume_member, set_household, suspend_member
from timebank.services.members import actor_of
from timebank.services.policies import agree_policy
from timebank.services.tokens import make_token
from timebank.services.writer import Answer

T = TypeVar("T")

#: Where every life begins. What tests do here asks no other clock.
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
#: From so many steps on, every deed has to have been accepted so often.
MANY, OFTEN = 10_000, 20
#: So that no moment is ever exactly the end of a window, whichever came first.
ODD = timedelta(seconds=7)

terms_of_money = st.sampled_from(range(len(TERMS["EUR"])))
terms_of_hours = st.sampled_from(range(len(TERMS["minutes"])))
indexes = st.integers(0, 10**6)
seeds = st.integers(0, 2**32)


@dataclass
class Stage:
    """What all lives share: a write door, a clock, and a group beside them that nobody touches.

    Attributes:
        counted: How often each act ended with each code.
        focus: What people mostly do; empty for everything.
        terms: Under which rules of the pots of hours, money and quick, which then never change; empty for any.
    """

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    dsn: Dsn
    home: Path
    stand: Stand = field(init=False)
    beside: Group = field(init=False)
    untouched: Any = None
    now: datetime = NOON
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    focus: tuple[str, ...] = ()
    terms: tuple[int, ...] = ()

    def open(self) -> None:
        self.run(keep_commits(self.dsn))
        self.stand = self.run(open_stand(self.dsn, self.home, clock=lambda: self.now))
        self.beside = self.run(self.make_group([0, 0, 0]))
        side = Side(self.beside, _terms([0, 0, 0]), now=NOON)
        for command in (
            reference_money.Give("money", 500, "bank", None, side.book.today),
            reference_draws.Ask("money", 90, "EUR", "cooking", None, None),
        ):
            actor = self.beside.people["ed"]
            self.run(send(self.stand.writer, self.beside.group_id, actor, side.real(command)))
        self.untouched = self.trace_beside()

    def trace_beside(self) -> Any:
        return self.run(self.stand.rows(TRACE, group=self.beside))

    async def make_group(self, terms: Sequence[int]) -> Group:
        pots = tuple(
            NewPot(code, UNITS[code], terms=read_terms(told, UNITS[code]))
            for code, told in _terms(terms).items()
        )
        stand, now = self.stand, NOON - timedelta(minutes=5)
        group = await make_group(
            stand.house, f"g-{uuid4().hex[:12]}", pots=pots, people=PEOPLE, time_bank=True, now=now
        )
        for name in PEOPLE.keys() - WITHOUT_DEVICE:
            member_id = group.people[name].member_id
            await make_token(stand.house, group.group_id, member_id, ("read", "write"), now=now)
        ada, flo = (group.people[name].member_id for name in HOUSEHOLDS)
        await set_household(stand.house, group.people["bo"], once(now), ada, with_member=flo)
        return group


def _terms(places: Sequence[int]) -> dict[str, Any]:
    return {code: TERMS[unit][place] for (code, unit), place in zip(UNITS.items(), places, strict=True)}


def once(now: datetime, key: str = "") -> Once:
    """Return a request under a key of its own."""
    key = key or uuid4().hex
    return Once(key, sha256(key.encode()).digest(), now, render)


class Story(RuleBasedStateMachine):
    """One run: a fresh group, and whatever is done in it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.stand = stage.stand
        self.run = stage.run
        self.sent: list[tuple[str, Actor, tuple[Command, ...], str, bool, bytes]] = []
        self.agreed = False

    @initialize(
        money=terms_of_money, quick=terms_of_money, hours=terms_of_hours, brought=st.booleans(), seed=seeds
    )
    def set_up(self, money: int, quick: int, hours: int, brought: bool, seed: int) -> None:
        self.stage.now = NOON
        places = self.stage.terms or (hours, money, quick)
        group = self.run(self.stage.make_group(places))
        self.side = Side(group, _terms(places), now=NOON)
        self.book = self.side.book
        if brought:
            for _ in range(2):
                self._send(*self._choose(seed).deed("opening"))
        # Money and hours come first, or everything else is refused.
        for pot, amount in (("money", 700), ("quick", 4000)):
            self._send("ed", reference_money.Give(pot, amount, "cash-box", None, self.book.today))
        self._send("ada", reference_hours.Log(None, None, None, 240, self.book.today, "cooking"))

    # ------------------------------------------------------------ deeds

    @rule(seed=seeds, acts=st.lists(st.sampled_from(ASKS), min_size=2, max_size=5))
    def people_ask_and_decide(self, seed: int, acts: list[str]) -> None:
        self._one_by_one(seed, acts)

    @rule(seed=seeds, acts=st.lists(st.sampled_from(PROMISES), min_size=2, max_size=5))
    def promises_are_kept_or_not(self, seed: int, acts: list[str]) -> None:
        self._one_by_one(seed, acts)

    @rule(seed=seeds, acts=st.lists(st.sampled_from(HOURS), min_size=1, max_size=4))
    def people_help(self, seed: int, acts: list[str]) -> None:
        self._one_by_one(seed, acts)

    @rule(seed=seeds, acts=st.lists(st.sampled_from(MONEY), min_size=1, max_size=4))
    def money_comes_and_is_counted(self, seed: int, acts: list[str]) -> None:
        self._one_by_one(seed, acts)

    @rule(seed=seeds, acts=st.lists(st.sampled_from(ALL), min_size=2, max_size=10))
    def many_at_once(self, seed: int, acts: list[str]) -> None:
        first = self._choose(seed)
        who = first.anybody() if first.rarely(3) else first.with_duty("steward", "treasurer")
        chooser = self._choose(seed, who)
        self._send(who, *[chooser.deed(act)[1] for act in self._focused(seed, acts)], many=True)

    @rule(seed=seeds, acts=st.lists(st.sampled_from(ALL), min_size=2, max_size=8))
    def several_people_at_once(self, seed: int, acts: list[str]) -> None:
        chooser = self._choose(seed)
        wanted = [chooser.deed(act) for act in self._focused(seed, acts)]
        note(f"at once: {wanted}")
        requests = [(self.side.real(deed), self._actor(who), uuid4().hex, bytes(32)) for who, deed in wanted]
        answers = self.run(self.stand.writer.post(self.side.group.group_id, requests, render=render))
        self._compare([(*each, said(answer)) for each, answer in zip(wanted, answers, strict=True)])

    # ------------------------------------------------------------ keys

    @precondition(lambda self: self.sent)
    @rule(index=indexes, seed=seeds, how=st.integers(0, 3))
    def a_key_is_used_again(self, index: int, seed: int, how: int) -> None:
        if how == 0:
            self._another_request_under_the_same_key(index)
        elif how == 1:
            self._another_persons_same_key(index, seed)
        else:
            self._the_same_again(index)

    def _the_same_again(self, index: int) -> None:
        _, actor, real, key, many, body = self.sent[index % len(self.sent)]
        group_id = self.side.group.group_id

        answer = self.run(send(self.stand.writer, group_id, actor, *real, key=key, many=many))

        assert answer.replayed
        assert answer.body == body
        self._agree()

    def _another_request_under_the_same_key(self, index: int) -> None:
        _, actor, real, key, _, _ = self.sent[index % len(self.sent)]
        other = LogHours(None, None, None, 7 + len(real), self.book.today, "repairs")
        try:
            self.run(send(self.stand.writer, self.side.group.group_id, actor, other, key=key))
            raise AssertionError("a key was used for two requests")
        except KeyReused:
            pass
        self._agree()

    def _another_persons_same_key(self, index: int, seed: int) -> None:
        first, _, _, key, _, _ = self.sent[index % len(self.sent)]
        who, deed = self._choose(seed).deed("log")
        if who != first and not any((sent[0], sent[3]) == (who, key) for sent in self.sent):
            self._send(who, deed, key=key)

    # ------------------------------------------------------------ time

    @rule(hours=st.sampled_from([1, 13, 25, 25, 49, 49, 24 * 8, 24 * 15, 24 * 31]), looked=st.booleans())
    def time_passes(self, hours: int, looked: bool) -> None:
        self._pass(timedelta(hours=hours) + ODD)
        if looked:
            self._somebody_looks_what_is_due()

    def _somebody_looks_what_is_due(self) -> None:
        group_id, book = self.side.group.group_id, self.book
        # Closes write records of their own, and after sixty days a key is as if it never was: both have their own
        # tests. Here a life may be longer than that, and everything that is due moves something.
        with patch.object(due, "LONG_CHORES", ()), patch.object(due, "SLOW_CHORES", ()):
            self.run(due.sweep_group(self.stand.house, self.stand.writer, group_id, now=self.stage.now))

        before = book.changes
        reference_steps.sort_queues(book)
        for number in reference_steps.due_draws(book):
            reference_steps.settle(book, number)
        reference_steps.sort_queues(book)
        for pot in book.pots:
            reference_steps.drain(book, pot)
        reference_hours.hear_silences(book)
        reference_money.expire_proposals(book)
        self.stage.counted["sweep", "ok" if book.changes > before else "nothing"] += 1
        self._agree()

    # ------------------------------------------------------------ people and rules

    @rule(seed=seeds, back=st.sampled_from([True, True, False]))
    def people_change(self, seed: int, back: bool) -> None:
        how = Random(seed).choice(["suspended", "steward", "treasurer"])
        if how == "suspended":
            self._somebody_is_suspended(seed, back=back)
        else:
            self._duties_change(seed, how, given=back)

    def _duties_change(self, seed: int, role: str, *, given: bool) -> None:
        who, whom = self._choose(seed).with_duty("steward"), sorted(PEOPLE)[seed % len(PEOPLE)]
        theirs = self.book.roles[whom]
        code = "ok"
        if "steward" not in self.book.roles[who]:
            code = "needs_role"
        elif given and not self.book.active[whom]:
            code = "member_not_open"
        elif not given and role == "steward" and role in theirs and self._is_last_steward(whom):
            code = "last_steward"

        change = {"give": (role,), "take": ()} if given else {"give": (), "take": (role,)}
        answer = self._act(change_duties, who, code, self._id(whom), what="duties", **change)

        waits = (
            code == "ok"
            and given
            and role not in theirs
            and (second := self._second_steward(who)) is not None
        )
        assert ("proposal" in answer) == waits, (who, whom, role, answer)
        if waits:
            # That it was proposed is in the book, whoever says yes.
            self.book.changed()
        if waits and seed % 5:
            assert second is not None
            self._act(sign_duty, second, "ok", UUID(answer["proposal"]))
            waits = False
        if code == "ok" and not waits:
            (theirs.add if given else theirs.discard)(role)
            self._changed(whom)
        self._agree()
        if not given and self.book.active[whom]:
            # A form that they had open while they still carried the duty.
            act = "approve" if role == "steward" else "hand_over"
            self._send(whom, Chooser(Random(seed), self.side).deed(act)[1])

    def _somebody_is_suspended(self, seed: int, *, back: bool) -> None:
        who, whom = self._choose(seed).with_duty("steward"), sorted(PEOPLE)[seed % len(PEOPLE)]
        code = "ok"
        if "steward" not in self.book.roles[who]:
            code = "needs_role"
        elif self.book.active[whom] == back:
            code = "member_not_open"
        elif not back and "steward" in self.book.roles[whom] and self._is_last_steward(whom):
            code = "last_steward"

        self._act(resume_member if back else suspend_member, who, code, self._id(whom))

        if code == "ok":
            self.book.active[whom] = back
            self._changed(whom)
        if not self.book.active[whom]:
            with pytest.raises(UnknownMember):
                self._actor(whom)
        self._agree()

    @precondition(lambda self: not self.stage.terms)
    @rule(seed=seeds, pot=st.sampled_from(sorted(UNITS)), bad=st.integers(0, 9))
    def rules_change(self, seed: int, pot: str, bad: int) -> None:
        who, unit = self._choose(seed).with_duty("steward"), UNITS[pot]
        told, code = BAD_TERMS[bad] if bad < len(BAD_TERMS) else (TERMS[unit][seed % len(TERMS[unit])], "ok")
        if "steward" not in self.book.roles[who]:
            code = "needs_role"

        self._act(agree_policy, who, code, pot, told, agreed_on=None, what="policy")

        if code == "ok":
            versions = self.book.pots[pot].versions
            versions.append(Terms(told, len(versions) + 1))
            self.book.changed()
        self._agree()

    def teardown(self) -> None:
        # What went wrong already would only be hidden by what follows from it.
        if self.agreed:
            self.run(self.stand.verified(self.side.group))
            assert self.stage.trace_beside() == self.stage.untouched, "the group beside was touched"
            self._count()

    def _count(self) -> None:
        """Count what is in the book at the end of a life, and how far its asks came."""
        for entry in self.book.entries.values():
            self.stage.counted[f"entry: {entry.kind}", "ok"] += 1
        for draw in self.book.draws.values():
            self.stage.counted[f"ask: {draw.state}", "ok"] += 1
        for row in self.book.hours.values():
            self.stage.counted[f"hours: {row.state}", "ok"] += 1
        for proposal in self.book.proposals.values():
            self.stage.counted[f"{proposal.kind}: {proposal.state}", "ok"] += 1

    # ------------------------------------------------------------ doing

    def _choose(self, seed: int, who: str = "") -> Chooser:
        # Details by chance: were Hypothesis to choose each, lives would be short.
        return Chooser(Random(seed + 1_000 * len(self.sent)), self.side, who)

    def _one_by_one(self, seed: int, acts: Sequence[str]) -> None:
        for place, act in enumerate(self._focused(seed, acts)):
            self._send(*self._choose(seed + place).deed(act))

    def _focused(self, seed: int, acts: Sequence[str]) -> Sequence[str]:
        focus = self.stage.focus
        return [focus[(seed + place) % len(focus)] for place in range(len(acts))] if focus else acts

    def _send(self, who: str, *deeds: Any, key: str = "", many: bool = False) -> None:
        side, actor = self.side, self._actor(who)
        real = tuple(side.real(deed) for deed in deeds)
        key = key or uuid4().hex
        try:
            answer = self.run(send(self.stand.writer, side.group.group_id, actor, *real, key=key, many=many))
        except Refusal as refusal:
            raise AssertionError(f"{deeds} was not answered") from refusal
        note(f"{who}: {deeds if many else deeds[0]}")
        self.sent.append((who, actor, real, key, many, answer.body))
        outcomes = said(answer)["outcomes"] if many else [said(answer)]
        self._compare([(who, deed, body) for deed, body in zip(deeds, outcomes, strict=True)])

    def _compare(self, outcomes: Sequence[tuple[str, Any, dict[str, Any]]]) -> None:
        self.agreed = False
        reference_steps.sort_queues(self.book)
        for who, deed, body in outcomes:
            expected: Said = self.book.do(DEEDS[type(deed)], who, deed)
            code = body.get("code", "ok")
            assert code == expected.code, (who, deed, expected, body)
            self.stage.counted[type(deed).__name__, code] += 1
            if code == "ok":
                self.side.learn(expected, body)
                assert expected.state in ("", body.get("state", expected.state)), (who, deed, expected, body)
        self._agree()

    def _act(
        self,
        service: Callable[..., Coroutine[Any, Any, Answer]],
        who: str,
        code: str,
        *given: Any,
        what: str = "",
        **more: Any,
    ) -> Mapping[str, Any]:
        """Have somebody change people or rules, check that it came out as expected, and return the answer."""
        # Two changes of a duty never come in one moment.
        self._pass(ODD)
        actor, request = self._actor(who), once(self.stage.now)
        if service is agree_policy:
            asked = service(self.stand.house, actor, *given, once=request, **more)
        else:
            asked = service(self.stand.house, actor, request, *given, **more)
        answer: Mapping[str, Any] = {}
        try:
            answer = said(self.run(asked))
            became = answer.get("code", "ok")
        except Refusal as refusal:
            became = refusal.code
        assert became == code, (service, who, given, more, became)
        self.stage.counted[what or service.__name__, code] += 1
        return answer

    def _agree(self) -> None:
        self.agreed = False
        self.run(self.side.agrees(self.stand))
        self.agreed = True

    def _actor(self, name: str) -> Actor:
        """Return somebody as they are now; looked up again when their duties changed."""
        actors, group = self.side.actors, self.side.group
        if name not in actors:
            found = actor_of(self.stand.house, group.group_id, self._id(name), now=self.stage.now)
            actors[name] = self.run(found)
        return actors[name]

    def _changed(self, name: str) -> None:
        self.book.changed()
        self.side.actors.pop(name, None)

    def _id(self, name: str) -> Any:
        return self.side.group.people[name].member_id

    def _second_steward(self, name: str) -> str | None:
        """Return a steward other than this one who can sign in: whoever can say yes to a duty."""
        book = self.book
        able = book.active.keys() - WITHOUT_DEVICE - {name}
        return min((n for n in able if "steward" in book.roles[n] and book.active[n]), default=None)

    def _is_last_steward(self, name: str) -> bool:
        book = self.book
        others = [n for n, roles in book.roles.items() if n != name and "steward" in roles and book.active[n]]
        return book.active[name] and not others

    def _pass(self, span: timedelta) -> None:
        self.stage.now += span
        self.book.now = self.stage.now


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """A loop of its own: Hypothesis calls from outside any."""
    with asyncio.Runner() as runner:
        yield runner


def live(stage: Stage, *, runs: int, steps: int, **more: Any) -> None:
    """Let so many lives of so many steps be lived."""
    phases = (Phase.generate,) if os.environ.get("TIMEBANK_NO_SHRINK") else (Phase.generate, Phase.shrink)
    run_state_machine_as_test(
        lambda: Story(stage),
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            **{"phases": phases, **more},
        ),
    )


def test_the_services_and_a_plain_ledger_in_memory_agree_after_every_step(
    fresh_dsn: Dsn, tmp_path: Path, loop: asyncio.Runner
) -> None:
    runs, steps = map(int, os.environ.get("TIMEBANK_TEST_STATEFUL", "25x30").split("x"))
    stage = Stage(loop.run, fresh_dsn, tmp_path)
    stage.open()
    try:
        live(stage, runs=runs, steps=steps)
        if runs * steps >= MANY:
            assert not [deed.__name__ for deed in DEEDS if stage.counted[deed.__name__, "ok"] < OFTEN]
        loop.run(stage.stand.verified(stage.beside))
    finally:
        loop.run(shut(stage.stand))
        print(table(stage.counted))


def table(counted: Counter[tuple[str, str]]) -> str:
    """Say how often each act was accepted, and refused with which code."""
    acts = sorted({act for act, _ in counted})
    lines = [f"{'act':<26} {'accepted':>8}  refused"]
    for act in acts:
        refused = {code: n for (a, code), n in counted.items() if a == act and code != "ok"}
        told = ", ".join(f"{code} {n}" for code, n in sorted(refused.items(), key=lambda each: -each[1]))
        lines.append(f"{act:<26} {counted[act, 'ok']:>8}  {told}")
    return "\n".join(lines)
