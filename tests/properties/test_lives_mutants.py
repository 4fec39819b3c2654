"""Random lives that could not fail would prove nothing: each rule that is spoilt here has to be found by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase

from tests.database import Dsn
from tests.properties.stand import shut, superuser
from tests.properties.test_stateful import Stage, live
from timebank.errors import Refusal
from timebank.rules import asks, decide, draw_steps, draws
from timebank.rules.commands import ChangeDraw, UndoDrawEntry
from timebank.rules.outcome import Done
from timebank.rules.people import Actor
from timebank.rules.state import Draw, State

#: Lives of enough steps that one of them comes by what is spoilt.
RUNS, STEPS = 60, 40


@pytest.fixture
def stage(fresh_dsn: Dsn, tmp_path: Path) -> Iterator[Stage]:
    """Where lives are lived."""
    with asyncio.Runner() as runner:
        made = Stage(runner.run, fresh_dsn, tmp_path)
        made.open()
        yield made
        runner.run(shut(made.stand))


def forget_to_lower_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is released goes back to the pot, and the draw is promised it still."""

    def give_back(draw: Draw, amount: int, account: int, state: State) -> int | Refusal:
        result = draw_steps.give_back(draw, amount, account, state)
        if not isinstance(result, Refusal):
            draw.released -= amount
        return result

    monkeypatch.setattr(draws, "give_back", give_back)


def pay_back_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was undone can be undone once more."""

    def undo(command: UndoDrawEntry, actor: Actor, state: State) -> Done | Refusal:
        known = state.known.get(command.entry)
        if known is not None:
            state.known[command.entry] = known._replace(corrected=False)
        return draws.undo(command, actor, state)

    monkeypatch.setitem(decide.RULES, UndoDrawEntry, undo)


def keep_approvals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes to an amount counts for another amount, too."""

    def change(command: ChangeDraw, actor: Actor, state: State) -> Done | Refusal:
        said_yes = [hand for hand in state.hands.get(command.draw, {}).values() if hand.approved]
        result = asks.change(command, actor, state)
        for hand in said_yes:
            hand.approved = True
        return result

    monkeypatch.setitem(decide.RULES, ChangeDraw, change)


def ignore_objections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window ends when its hours are over, whoever objects."""

    def date_window(draw: Draw, state: State) -> None:
        if draw.state in draw_steps.WAITING and draw.agreed_at is not None and draw.queued_at is None:
            draw.due_at = draw.agreed_at + timedelta(hours=state.setup.terms_of(draw).consent_hours)

    monkeypatch.setattr(draw_steps, "date_window", date_window)
    monkeypatch.setattr(draws, "date_window", date_window)


@pytest.mark.parametrize(
    ("spoil", "focus", "terms"),
    [
        (forget_to_lower_the_promise, ("approve", "release"), (1, 0, 0)),
        (pay_back_twice, ("hand_over", "undo", "undo"), (1, 0, 0)),
        (keep_approvals, ("ask", "approve", "change"), (2, 0, 0)),
        (ignore_objections, ("ask", "approve", "object"), (2, 1, 1)),
    ],
)
def test_random_lives_find_a_rule_that_is_spoilt(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch], None],
    focus: tuple[str, ...],
    terms: tuple[int, ...],
) -> None:
    # The constraints of the database would help; here the lives have to see it by themselves.
    stage.run(superuser(stage.dsn, "DROP INDEX timebank.entries_corrected_once"))
    # Lives that do everything find it, too, and take minutes.
    stage.focus, stage.terms = focus, terms
    live(stage, runs=1, steps=STEPS, phases=(Phase.generate,), derandomize=True)
    spoil(monkeypatch)

    with pytest.raises((AssertionError, ExceptionGroup)):
        live(stage, runs=RUNS, steps=STEPS, phases=(Phase.generate,), derandomize=True)
