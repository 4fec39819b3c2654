"""What time decides about a draw comes to the same whether or not a sweep has been by; and nothing waits for ever.

Each of these was found by the random lives of ``tests/properties/test_stateful.py``, or on the way to them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.rules.life import Life, a_life
from timebank.rules.commands import (
    AnswerDraw,
    ApproveDraw,
    ChangeDraw,
    DrawArrived,
    DrawDue,
    HandOver,
    ObjectDraw,
    QuestionDraw,
    QueueDue,
    ReturnMoney,
    StepAside,
    UndoDrawEntry,
)
from timebank.rules.policies import Terms

WINDOW = Terms(consent_hours=24)


def asked(life: Life, who: str, amount: int, **more: Any) -> UUID:
    return UUID(life.ask(who, amount, **more)["id"])


def ok(life: Life, who: str, command: Any) -> dict[str, Any]:
    said = life.do(who, command)
    assert said["code"] == "ok", (who, command, said)
    return said


@pytest.mark.parametrize(
    "end",
    [
        [("bo", lambda draw: ApproveDraw(draw))],
        [("di", lambda draw: ApproveDraw(draw)), ("bo", lambda draw: StepAside(draw))],
        [("di", lambda draw: ApproveDraw(draw)), ("bo", lambda draw: ObjectDraw(draw, withdraw=True))],
    ],
    ids=["a yes", "stepping aside", "taking it back"],
)
def test_however_an_objection_ends_the_window_ends_too(end: list[Any]) -> None:
    life = a_life(WINDOW)
    life.fund(100)
    draw = asked(life, "ada", 60)
    ok(life, "bo", ObjectDraw(draw, "let us talk"))
    for who, make in end:
        ok(life, who, make(draw))

    life.go_on(hours=25)
    ok(life, "group", DrawDue(draw))

    assert life.state.draws[draw].state == "promised"


def test_while_an_objection_stands_no_window_ends() -> None:
    life = a_life(WINDOW)
    life.fund(100)
    draw = asked(life, "ada", 60)
    ok(life, "bo", ObjectDraw(draw, "let us talk"))
    ok(life, "di", ApproveDraw(draw))

    life.go_on(hours=200)
    ok(life, "group", DrawDue(draw))

    assert life.state.draws[draw].state == "looked_at"


def test_an_answer_in_a_window_does_not_keep_it_open_for_ever() -> None:
    life = a_life(WINDOW)
    life.fund(100)
    draw = asked(life, "ada", 60)
    ok(life, "bo", ApproveDraw(draw))
    ok(life, "di", QuestionDraw(draw, "By when?"))
    ok(life, "ada", AnswerDraw(draw, "By Friday"))

    life.go_on(hours=25)
    ok(life, "group", DrawDue(draw))

    assert life.state.draws[draw].state == "promised"


def test_what_would_help_nobody_any_more_is_not_promised_from_the_queue() -> None:
    life = a_life(Terms(scarcity="queue"))
    late = asked(life, "ada", 60, needed_by=life.state.today)
    other = asked(life, "flo", 60)
    for draw in (late, other):
        ok(life, "bo", ApproveDraw(draw))
    life.fund(60)

    life.go_on(days=1)
    ok(life, "group", QueueDue(UUID(int=1)))

    assert life.state.draws[late].state == "expired"
    assert life.state.draws[other].state == "promised"


def test_whoever_asks_for_more_waits_behind_the_others_at_once() -> None:
    life = a_life(Terms(approvals=((0, 0),), scarcity="queue"))
    asked(life, "gus", 60)
    first, second = asked(life, "ada", 60), asked(life, "flo", 60)
    ok(life, "ada", ChangeDraw(first, 61))
    life.fund(121)

    ok(life, "group", QueueDue(UUID(int=1)))

    assert life.state.draws[first].state == "looked_at"
    assert life.state.draws[second].state == "promised"


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize(
    ("who", "make", "state", "left"),
    [
        ("ed", lambda draw, entry: UndoDrawEntry(draw, entry), "promised", 40),
        ("ed", lambda draw, _: ReturnMoney(draw, "cash", 10), "handed_over", 0),
        ("ada", lambda draw, _: DrawArrived(draw), "arrived", 0),
    ],
    ids=["undo", "return", "arrived"],
)
def test_a_promise_that_is_too_old_is_over_for_whatever_is_done_with_it(
    who: str, make: Any, state: str, left: int, *, swept: bool
) -> None:
    life = a_life(Terms(promise_days=7))
    life.fund(100)
    draw = asked(life, "ada", 100)
    ok(life, "bo", ApproveDraw(draw))
    entry = UUID(ok(life, "ed", HandOver(draw, "cash", 40))["entry"])
    life.state.now += timedelta(days=8)
    life.go_on()
    if swept:
        ok(life, "group", DrawDue(draw))

    ok(life, who, make(draw, entry))

    assert (life.state.draws[draw].state, life.state.draws[draw].left) == (state, left)
    assert life.promised == left


def test_money_that_came_back_does_not_come_back_a_second_time() -> None:
    life = a_life(Terms())
    life.fund(100)
    draw = asked(life, "ada", 100)
    ok(life, "bo", ApproveDraw(draw))
    first, second = (UUID(ok(life, "ed", HandOver(draw, "cash", each))["entry"]) for each in (60, 40))
    ok(life, "ed", ReturnMoney(draw, "cash", 50))
    before = life.trace()

    assert life.do("ed", UndoDrawEntry(draw, first))["code"] == "more_than_handed"

    assert life.trace() == before
    ok(life, "ed", UndoDrawEntry(draw, second))
    assert (life.state.draws[draw].handed, life.promised) == (10, 40)
