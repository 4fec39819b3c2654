"""The life of a draw as a graph that is explored, not told: no step skipped, repeated, or taken out of order."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.rules.life import Life, a_life, agree
from timebank.rules.commands import (
    AnswerDraw,
    ApproveDraw,
    AskDraw,
    CancelDraw,
    ChangeDraw,
    DeclineDraw,
    DrawArrived,
    DrawDue,
    HandOver,
    LogHours,
    ObjectDraw,
    QuestionDraw,
    QueueDue,
    ReleaseDraw,
    ReturnMoney,
    StepAside,
    UndoDrawEntry,
)
from timebank.rules.draw_steps import ENDED, OPEN, STEPS
from timebank.rules.policies import Cap, Rhythm, Terms

#: Places of one graph that are looked at.
PLACES = 300

#: Codes that say "not in this state", "done before" or "more than there is": all of them are 409.
CONFLICTS = {
    "draw_not_open", "already_approved", "already_done", "already_corrected", "below_floor", "stepped_aside",
    "more_than_promised", "more_than_handed", "policy_refuses", "entry_belongs_to_draw",
}  # fmt: skip


def steps(draw: UUID, entries: list[UUID]) -> list[tuple[str, str, Any]]:
    """Return everything that anybody could try with a draw: (name, who, command)."""
    return [
        ("approve", "bo", ApproveDraw(draw)),
        ("approve", "di", ApproveDraw(draw)),
        ("decline", "bo", DeclineDraw(draw, "not this month")),
        ("object", "gus", ObjectDraw(draw, "I have a doubt")),
        ("withdraw", "gus", ObjectDraw(draw, withdraw=True)),
        ("question", "bo", QuestionDraw(draw, "By when?")),
        ("answer", "ada", AnswerDraw(draw, "By Friday")),
        ("step_aside", "di", StepAside(draw)),
        ("cancel", "ada", CancelDraw(draw)),
        ("change", "ada", ChangeDraw(draw, 800)),
        ("part", "ed", HandOver(draw, "cash", 300)),
        ("rest", "hal", HandOver(draw, "cash")),
        *(("undo", "ed", UndoDrawEntry(draw, entry)) for entry in entries),
        ("return", "ed", ReturnMoney(draw, "cash", 300)),
        ("release_part", "bo", ReleaseDraw(draw, 100)),
        ("release", "ed", ReleaseDraw(draw)),
        ("arrived", "ada", DrawArrived(draw)),
        ("due", "group", DrawDue(draw)),
        ("queue", "group", QueueDue(UUID(int=1))),
    ]


def seen(life: Life, draw: UUID) -> tuple[Any, ...]:
    """Return what tells two places of the graph apart."""
    d, hands = life.state.draws[draw], life.state.hands[draw]
    corrected = tuple(sorted(k.seq for k in life.state.known.values() if k.corrected))
    return (
        d.state, d.asked, d.agreed, d.promised, d.handed, d.released,
        d.agreed_at is not None, d.queued_at is not None, d.due_at is not None,
        tuple(sorted((str(i), str(h)) for i, h in hands.items())), bool(corrected), life.available > 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "funded"),
    [
        (Terms(approvals=((0, 1), (500, 2)), consent_hours=24, promise_days=30, scarcity="queue"), 5000),
        (Terms(approvals=((0, 1), (500, 2)), scarcity="queue"), 0),
        (Terms(approvals=((0, 0),), consent_hours=24), 5000),
    ],
    ids=["window and expiry", "short pot", "at once after a window"],
)
def test_every_state_can_be_left_and_every_other_step_is_refused_without_a_trace(
    terms: Terms, funded: int
) -> None:
    life = a_life(terms)
    if funded:
        life.fund(funded)
    draw = UUID(life.ask("ada", 1000)["id"])
    places: dict[tuple[Any, ...], set[str]] = {}
    states: dict[str, set[str]] = {}
    waiting = deque([life])
    places[seen(life, draw)] = set()
    while waiting:
        here = waiting.popleft()
        state = here.state.draws[draw].state
        states.setdefault(state, set())
        entries = [k for k, v in here.state.known.items() if v.draft.kind == "hand_over"]
        tries: list[tuple[str, str, Any, float]] = [(*step, 0) for step in steps(draw, entries[:1])]
        tries += [("due later", "group", DrawDue(draw), 40)]
        for name, who, command, days in tries:
            there = here.copy()
            if days:
                there.go_on(days=days)
            before = there.trace()

            said = there.do(who, command)

            if said["code"] != "ok":
                assert said["code"] in CONFLICTS | {"unknown_entry"}, (state, name, said)
                assert there.trace() == before, (state, name, said)
                continue
            after = there.state.draws[draw].state
            place = seen(there, draw)
            _check(there, draw)
            if place != seen(here, draw):
                states[state].add(after)
            if place not in places and len(places) < PLACES:
                places[place] = set()
                waiting.append(there)

    # Every state has a way out, or is an end of which nothing is left open.
    for state, following in states.items():
        assert following - {state} or state in ENDED, state
    assert "promised" in states or not funded
    assert OPEN - {"promised"} & set(states)


def _check(life: Life, draw: UUID) -> None:
    """What must hold in every place: promised is what is open, and the books say the same."""
    d = life.state.draws[draw]
    assert d.handed + d.released <= d.promised <= d.asked or d.state in ENDED
    assert life.promised == d.left
    assert (d.left > 0) == (d.state == "promised")
    assert life.state.books.accounts[3].net == d.handed
    assert life.available >= 0
    assert (d.queued_at is None) or d.state == "looked_at"


def test_the_table_has_no_state_without_a_way_in_or_out() -> None:
    reached = {after for acts in STEPS.values() for states in acts.values() for after in states}

    assert reached == set(STEPS)
    for state in OPEN:
        ways = {after for states in STEPS[state].values() for after in states} - {state}
        assert ways & ENDED, state


# ---------------------------------------------------------------- who decides


def test_a_yes_is_void_once_the_amount_changes() -> None:
    life = a_life(Terms(approvals=((0, 2),)))
    life.fund(5000)
    asked = life.ask("ada", 1000)
    draw = UUID(asked["id"])
    assert life.do("bo", ApproveDraw(draw))["approvals"] == 1

    life.do("ada", ChangeDraw(draw, 900))

    assert life.draw(asked).state == "asked"
    assert life.do("di", ApproveDraw(draw))["approvals"] == 1
    assert life.do("bo", ApproveDraw(draw))["state"] == "promised"
    assert life.promised == 900


def test_whoever_steps_aside_has_no_say_and_their_yes_counts_no_more() -> None:
    life = a_life(Terms(approvals=((0, 2),)))
    life.fund(5000)
    draw = UUID(life.ask("ada", 1000)["id"])
    life.do("bo", ApproveDraw(draw))

    assert life.do("bo", StepAside(draw))["code"] == "ok"

    assert life.do("bo", ApproveDraw(draw))["code"] == "stepped_aside"
    assert life.do("bo", DeclineDraw(draw))["code"] == "stepped_aside"
    assert life.do("di", ApproveDraw(draw))["approvals"] == 1
    assert life.do("gus", ApproveDraw(draw))["state"] == "promised"


def test_an_objection_keeps_a_promise_from_being_made_until_it_is_withdrawn() -> None:
    life = a_life(Terms(consent_hours=48))
    life.fund(5000)
    draw = UUID(life.ask("ada", 1000)["id"])
    assert life.do("bo", ApproveDraw(draw))["waits_for"] == "window"
    assert life.do("ada", ObjectDraw(draw))["code"] == "needs_role"
    assert life.do("gus", ObjectDraw(draw, "a doubt"))["code"] == "ok"
    life.go_on(hours=72)

    assert life.do("group", DrawDue(draw))["state"] == "looked_at"
    assert life.promised == 0

    assert life.do("gus", ObjectDraw(draw, withdraw=True))["state"] == "promised"
    assert life.promised == 1000


def test_a_window_that_ended_decides_when_somebody_touches_the_draw() -> None:
    life = a_life(Terms(consent_hours=48))
    life.fund(5000)
    draw = UUID(life.ask("ada", 1000)["id"])
    life.do("bo", ApproveDraw(draw))
    assert life.do("ed", HandOver(draw, "cash"))["code"] == "draw_not_open"

    life.go_on(hours=49)

    assert life.do("ed", HandOver(draw, "cash"))["state"] == "handed_over"


def test_where_no_yes_is_needed_the_answer_tells_nothing_of_the_pot() -> None:
    rich, poor = (a_life(Terms(approvals=((0, 0),), scarcity="queue")) for _ in range(2))
    rich.fund(5000)

    full, empty = rich.ask("ada", 1000), poor.ask("ada", 1000)

    assert full == empty | {"id": full["id"]}
    assert (rich.draw(full).state, poor.draw(empty).state) == ("promised", "looked_at")
    assert rich.do("ada", ApproveDraw(UUID(full["id"])))["code"] == "needs_role"


def test_a_stand_in_asks_and_sees_to_it_and_neither_of_the_two_decides() -> None:
    life = a_life(Terms())
    life.fund(5000)
    flo, ada = life.people["flo"], life.people["ada"]
    life.people["flo"] = _standing_in(flo, ada.member_id, "ask")
    draw = UUID(life.ask("flo", 500, on_behalf_of=ada.member_id)["id"])
    life.people["flo"] = _standing_in(_with_roles(life.people["flo"], "steward"), ada.member_id, "ask")
    life.people["ada"] = _with_roles(ada, "steward")

    assert life.do("flo", ApproveDraw(draw))["code"] == "own_draw"
    assert life.do("ada", ApproveDraw(draw))["code"] == "own_draw"
    assert life.do("bo", ApproveDraw(draw))["state"] == "promised"
    assert life.do("ed", HandOver(draw, "cash"))["state"] == "handed_over"
    assert life.do("bo", DrawArrived(draw))["code"] == "not_asker"
    assert life.do("flo", DrawArrived(draw))["state"] == "arrived"


def test_whoever_stands_in_for_something_else_does_not_ask() -> None:
    life = a_life(Terms())
    ada = life.people["ada"]
    life.people["flo"] = _standing_in(life.people["flo"], ada.member_id, "log")

    assert life.ask("flo", 500, on_behalf_of=ada.member_id)["code"] == "needs_role"


def test_an_ask_without_an_account_needs_somebody_who_says_it_is_not_their_own() -> None:
    life = a_life(Terms(who="anyone", approvals=((0, 2),)))
    life.fund(5000)
    ask_id = UUID(int=99)
    life.ask(str(ask_id), 500, without_account=True, link=bytes(32), ask_id=ask_id)

    assert life.do("bo", ApproveDraw(ask_id))["code"] == "not_own_unsaid"
    assert life.do("bo", ApproveDraw(ask_id, not_own=True))["approvals"] == 1
    assert life.do("di", ApproveDraw(ask_id, not_own=True))["state"] == "promised"
    assert life.do(str(UUID(int=98)), CancelDraw(ask_id))["code"] == "unknown_draw"
    assert life.do(str(ask_id), CancelDraw(ask_id))["state"] == "cancelled"
    assert life.promised == 0


def test_only_members_ask_where_the_rules_say_so() -> None:
    life = a_life(Terms())
    ask_id = UUID(int=99)

    said = life.ask(str(ask_id), 500, without_account=True, link=bytes(32), ask_id=ask_id)

    assert said["code"] == "needs_account"


def test_a_member_without_a_duty_does_not_learn_that_an_ask_is_there() -> None:
    life = a_life(Terms())
    draw = UUID(life.ask("ada", 500)["id"])

    here, nowhere = life.do("flo", CancelDraw(draw)), life.do("flo", CancelDraw(UUID(int=12345)))

    assert here == nowhere == {"code": "unknown_draw"}


@pytest.mark.parametrize("command", [ApproveDraw, lambda draw: HandOver(draw, "cash")])
def test_deciding_and_handing_over_need_somebody_who_proved_just_now_who_they_are(command: Any) -> None:
    life = a_life(Terms())
    life.fund(5000)
    draw = UUID(life.ask("ada", 500)["id"])
    for name in ("bo", "ed"):
        life.people[name] = _stale(life.people[name])
    if command is not ApproveDraw:
        life.do("di", ApproveDraw(draw))

    assert life.do("bo" if command is ApproveDraw else "ed", command(draw))["code"] == "step_up_needed"


# ---------------------------------------------------------------- the pot


def test_the_queue_is_answered_in_order_when_money_comes() -> None:
    life = a_life(Terms(scarcity="queue"))
    draws = [UUID(life.ask(who, amount)["id"]) for who, amount in (("ada", 900), ("flo", 200))]
    for draw in draws:
        assert life.do("bo", ApproveDraw(draw))["waits_for"] == "queue"
    life.fund(500)

    # There would be enough for the second; it is not its turn.
    assert life.do("group", QueueDue(UUID(int=1)))["code"] == "ok"
    assert life.promised == 0
    third = UUID(life.ask("ada", 100)["id"])
    assert life.do("di", ApproveDraw(third))["waits_for"] == "queue"

    life.fund(600)
    life.do("group", QueueDue(UUID(int=1)))
    assert [life.state.draws[draw].state for draw in (*draws, third)] == ["promised", "promised", "looked_at"]
    assert (life.available, life.promised) == (0, 1100)


def test_nobody_jumps_a_queue_that_is_longer_than_one_batch_sees() -> None:
    life = a_life(Terms(scarcity="queue"))
    life.fund(1000)
    life.state.long_queues = frozenset({UUID(int=1)})
    draw = UUID(life.ask("ada", 100)["id"])

    assert life.do("bo", ApproveDraw(draw))["waits_for"] == "queue"


def test_what_is_released_goes_to_whoever_waits() -> None:
    life = a_life(Terms(scarcity="queue"))
    life.fund(1000)
    first, second = (UUID(life.ask(who, 1000)["id"]) for who in ("ada", "flo"))
    life.do("bo", ApproveDraw(first))
    life.do("bo", ApproveDraw(second))

    life.do("ed", ReleaseDraw(first))

    assert life.state.draws[first].state == "released"
    assert life.state.draws[second].state == "promised"


def test_a_reserve_is_kept_back() -> None:
    life = a_life(Terms(reserve=400))
    life.fund(1000)
    over, within = (UUID(life.ask("ada", amount)["id"]) for amount in (601, 600))

    assert life.do("bo", ApproveDraw(over)) == {
        "code": "below_floor", "account": "pot", "available": 600, "asked": 601,
    }  # fmt: skip
    assert life.do("bo", ApproveDraw(within))["state"] == "promised"


def test_a_promise_that_nobody_used_expires() -> None:
    life = a_life(Terms(promise_days=30))
    life.fund(1000)
    draw = UUID(life.ask("ada", 600)["id"])
    life.do("bo", ApproveDraw(draw))
    life.do("ed", HandOver(draw, "cash", 100))
    life.go_on(days=29, hours=23)
    assert life.do("group", DrawDue(draw))["state"] == "promised"

    life.go_on(hours=2)

    # What was handed over stays handed over; the rest is the pot's again.
    assert life.do("ed", HandOver(draw, "cash"))["code"] == "draw_not_open"
    assert life.state.draws[draw].state == "handed_over"
    assert (life.available, life.promised) == (900, 0)


def test_an_ask_for_a_day_that_is_over_expires() -> None:
    life = a_life(Terms())
    life.fund(1000)
    draw = UUID(life.ask("ada", 600, needed_by=life.state.today + timedelta(days=2))["id"])
    life.go_on(days=2)
    assert life.do("group", DrawDue(draw))["state"] == "asked"

    life.go_on(days=1)

    assert life.do("bo", ApproveDraw(draw))["code"] == "draw_not_open"
    assert life.state.draws[draw].state == "expired"


def test_money_is_handed_over_from_the_next_day_of_the_rhythm_on() -> None:
    life = a_life(Terms(rhythm=Rhythm("week", weekday=5)))  # a Tuesday; Friday is the thirteenth
    life.fund(1000)
    draw = UUID(life.ask("ada", 600)["id"])
    life.do("bo", ApproveDraw(draw))

    assert life.do("ed", HandOver(draw, "cash")) == {
        "code": "policy_refuses", "rule": "rhythm", "limit": "2026-03-13",
    }  # fmt: skip
    life.go_on(days=4)
    assert life.do("ed", HandOver(draw, "cash"))["state"] == "handed_over"


def test_receipts_are_asked_for_only_where_the_rules_say_so() -> None:
    life = a_life(Terms(receipts="above", receipts_above=100))
    life.fund(1000)
    draw = UUID(life.ask("ada", 600)["id"])
    life.do("bo", ApproveDraw(draw))
    assert life.do("ed", HandOver(draw, "cash", 101))["rule"] == "receipts"
    assert life.do("ed", HandOver(draw, "cash", 100))["code"] == "ok"
    assert life.do("ed", HandOver(draw, "cash", 101, receipt=True))["code"] == "ok"

    agree(life, Terms())
    other = UUID(life.ask("ada", 100)["id"])
    life.do("bo", ApproveDraw(other))
    assert life.do("ed", HandOver(other, "cash", receipt=True))["rule"] == "receipts"


def test_papers_are_wiped_some_days_after_the_end() -> None:
    life = a_life(Terms(keep_days=10))
    life.fund(1000)
    draw = UUID(life.ask("ada", 600, contact="ring twice")["id"])
    life.do("bo", ApproveDraw(draw))
    life.do("ed", HandOver(draw, "cash"))
    life.go_on(days=9)
    life.do("group", DrawDue(draw))
    assert life.state.papers_gone == []

    life.go_on(days=2)
    life.do("group", DrawDue(draw))
    life.do("group", DrawDue(draw))

    assert life.state.papers_gone == [draw]


# ---------------------------------------------------------------- hours


def test_hours_of_a_draw_are_given_undone_and_given_again() -> None:
    life = a_life(Terms(), unit="minutes")
    draw = UUID(life.ask("ada", 90)["id"])
    life.do("bo", ApproveDraw(draw))
    given = life.do("flo", LogHours(None, None, draw, 120, life.state.today, "company"))
    assert life.state.draws[draw].state == "handed_over"
    assert life.do("ada", UndoDrawEntry(draw, UUID(given["entry"])))["code"] == "not_your_entry"

    undone = life.do("flo", UndoDrawEntry(draw, UUID(given["entry"])))

    assert (undone["state"], undone["left"], life.promised, life.available) == ("promised", 90, 90, -90)
    assert life.do("flo", UndoDrawEntry(draw, UUID(given["entry"])))["code"] == "already_corrected"
    assert life.do("flo", LogHours(None, None, draw, 90, life.state.today, "company"))["code"] == "ok"
    assert life.do("ada", DrawArrived(draw))["state"] == "arrived"


def test_a_hand_over_undone_after_it_arrived_goes_back_to_the_pot() -> None:
    life = a_life(Terms())
    life.fund(1000)
    draw = UUID(life.ask("ada", 600)["id"])
    life.do("bo", ApproveDraw(draw))
    entry = UUID(life.do("ed", HandOver(draw, "cash"))["entry"])
    life.do("ada", DrawArrived(draw))

    assert life.do("ada", UndoDrawEntry(draw, entry))["code"] == "needs_role"
    assert life.do("bo", UndoDrawEntry(draw, entry, reason="the wrong one"))["state"] == "released"

    assert (life.available, life.promised) == (1000, 0)


def test_a_hundred_random_ids_are_nobodys_draw() -> None:
    life = a_life(Terms())
    for name, who, command in steps(UUID(int=4242), []):
        if name == "queue":
            continue
        assert life.do(who, command)["code"] == "unknown_draw", name


def _with_roles(actor: Any, *roles: str) -> Any:
    return replace(actor, roles=actor.roles | set(roles))


def _standing_in(actor: Any, member_id: UUID, what: str) -> Any:
    return replace(actor, stands_in={member_id: frozenset({what})})


def _stale(actor: Any) -> Any:
    return replace(actor, fresh=False)


def test_an_ask_twice_is_told_to_stewards_and_never_blocked() -> None:
    life = a_life(Terms())

    first, again, other = (life.draw(life.ask("ada", amount)) for amount in (500, 500, 700))

    assert [draw.warnings for draw in (first, again, other)] == [(), ("perhaps_twice",), ()]


def test_a_new_version_of_the_rules_is_for_what_is_asked_from_then_on() -> None:
    life = a_life(Terms())
    life.fund(5000)
    before = UUID(life.ask("ada", 500)["id"])

    agree(life, Terms(approvals=((0, 2),), per_request_max=400))

    assert life.ask("ada", 500)["rule"] == "per_request_max"
    after = UUID(life.do("ada", AskDraw("pot", 400, "EUR", "company"))["id"])
    assert life.do("bo", ApproveDraw(before))["state"] == "promised"
    assert life.do("bo", ApproveDraw(after))["approvals_needed"] == 2


@pytest.mark.parametrize(
    ("who", "make", "code"),
    [
        ("flo", lambda d: ChangeDraw(d, 5), "unknown_draw"),
        ("flo", lambda d: AnswerDraw(d, "x"), "unknown_draw"),
        ("bo", lambda d: ChangeDraw(d, 5), "not_asker"),
        ("ada", lambda d: ChangeDraw(d, 5, "minutes"), "unit_mismatch"),
        ("ada", lambda d: ChangeDraw(d, 2001), "policy_refuses"),
        ("ada", lambda d: ChangeDraw(d, 0), "amount_out_of_range"),
        ("ada", lambda d: ChangeDraw(d, 1600), "policy_refuses"),
        ("ada", lambda d: AskDraw("pot", 10, "EUR", "nothing we do"), "unknown_category"),
        ("ada", lambda d: AskDraw("pot", 0, "EUR", "company"), "amount_out_of_range"),
        ("bo", lambda d: ApproveDraw(d, 5, "minutes"), "unit_mismatch"),
        ("bo", lambda d: ApproveDraw(d, 1001), "amount_out_of_range"),
        ("ada", lambda d: DeclineDraw(d), "needs_role"),
        ("ada", lambda d: QuestionDraw(d, "x"), "needs_role"),
        ("ada", lambda d: StepAside(d), "needs_role"),
        ("bo", lambda d: ObjectDraw(d), "policy_refuses"),
        ("gus", lambda d: QuestionDraw(d, "x"), "stepped_aside"),
    ],
)
def test_what_is_not_somebody_s_to_do_or_not_by_the_rules_is_refused(who: str, make: Any, code: str) -> None:
    life = a_life(Terms(per_request_max=2000, caps=(Cap("person", "month", most=1500),)))
    life.fund(5000)
    draw = UUID(life.ask("ada", 1000)["id"])
    life.do("gus", StepAside(draw))
    before = life.trace()

    assert life.do(who, make(draw))["code"] == code
    assert life.trace() == before


@pytest.mark.parametrize(
    ("who", "make"),
    [
        ("ada", lambda d: ChangeDraw(d, 5)),
        ("ada", lambda d: CancelDraw(d)),
        ("bo", lambda d: DeclineDraw(d)),
        ("bo", lambda d: QuestionDraw(d, "x")),
        ("bo", lambda d: StepAside(d)),
        ("bo", lambda d: ObjectDraw(d)),
    ],
)
def test_an_ask_whose_day_is_over_is_over_for_whoever_touches_it(who: str, make: Any) -> None:
    life = a_life(Terms(consent_hours=5))
    draw = UUID(life.ask("ada", 600, needed_by=life.state.today)["id"])
    life.go_on(days=1)

    assert life.do(who, make(draw)) == {"code": "draw_not_open", "state": "expired"}


def test_the_first_yes_settles_the_amount_and_what_is_cancelled_goes_to_the_next() -> None:
    life = a_life(Terms(approvals=((0, 2),), scarcity="queue"))
    life.fund(500)
    first, second = (UUID(life.ask(who, 500)["id"]) for who in ("ada", "flo"))
    life.do("bo", ApproveDraw(first, 400))
    assert life.do("di", ApproveDraw(first, 300))["rule"] == "same_amount"
    life.do("di", ApproveDraw(first))
    for steward in ("bo", "di"):
        life.do(steward, ApproveDraw(second))
    assert life.do("gus", ApproveDraw(second)) == {"code": "draw_not_open", "state": "agreed"}

    life.do("ada", CancelDraw(first))

    assert life.state.draws[second].state == "promised"
