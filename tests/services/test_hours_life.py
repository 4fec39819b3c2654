"""Hours after they were logged: every step leads on, none is skipped or done twice, and silence is heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.services.ledger_desk import LedgerDesk, ledger_desk
from timebank.edge.problems import renderer
from timebank.errors import NeedsRole
from timebank.i18n import language
from timebank.rules.commands import (
    Command,
    ConfirmHours,
    CorrectEntry,
    Instead,
    LogHours,
    PassSilence,
    QuestionHours,
    SettleHours,
    WithdrawHours,
)
from timebank.rules.hours import HOURS_STATES
from timebank.services.acts import Once
from timebank.services.hours import Wanted, due_hours, list_hours
from timebank.services.house import House
from timebank.services.policies import agree_policy
from timebank.services.statement import read_statement

pytestmark = pytest.mark.database


@pytest_asyncio.fixture(loop_scope="session")
async def desk(house: House) -> AsyncIterator[LedgerDesk]:
    async with ledger_desk(house) as desk:
        yield desk


def today(desk: LedgerDesk) -> date:
    return desk.now.astimezone(ZoneInfo("Europe/Madrid")).date()


def between(desk: LedgerDesk, giver: str, receiver: str, minutes: int = 60, **more: Any) -> LogHours:
    return LogHours(
        desk.ids[giver], desk.ids[receiver], None, minutes, today(desk), "cooking", exchange=True, **more
    )


def to_pot(desk: LedgerDesk, giver: str, minutes: int = 60, receiver: str | None = None) -> LogHours:
    return LogHours(
        desk.ids[giver], desk.ids[receiver] if receiver else None, None, minutes, today(desk), "cooking"
    )


# ---------------------------------------------------------------- between two people


async def test_hours_between_two_people_are_posted_at_the_receivers_yes(desk: LedgerDesk) -> None:
    logged = await desk.done("ada", between(desk, "ada", "flo", 90))
    assert "entry" not in logged
    assert await desk.exchanged("flo") == (0, 0)
    hours = ConfirmHours(UUID(logged["id"]))
    assert await desk.refused("ada", hours) == "not_your_hours"
    assert await desk.refused("hal", hours) == "unknown_hours"
    assert await desk.refused("bo", hours) == "not_your_hours"

    said = await desk.done("flo", hours)

    assert (said["state"], said["entry"]) == ("confirmed", logged["id"])
    assert await desk.exchanged("ada") == (90, 0)
    assert await desk.exchanged("flo") == (0, 90)
    assert await desk.rows("SELECT FROM timebank.hours_waiting") == []
    assert await desk.refused("flo", hours) == "hours_not_open"
    await desk.verified()


async def test_a_statement_has_hours_between_two_people_once_and_only_when_posted(desk: LedgerDesk) -> None:
    flo = await desk.actor("flo", scopes=frozenset({"read"}))
    hours_id = UUID((await desk.done("ada", between(desk, "ada", "flo", 90)))["id"])
    assert (await read_statement(desk.house.database, desk.house.keys, flo)).lines == ()

    await desk.done("flo", ConfirmHours(hours_id))

    lines = (await read_statement(desk.house.database, desk.house.keys, flo)).lines
    assert [(line.what, line.kind, line.amount) for line in lines] == [("received", "help_exchanged", 90)]


async def test_what_the_receiver_logs_is_their_yes(desk: LedgerDesk) -> None:
    logged = await desk.done("flo", between(desk, "ada", "flo", 90))

    assert await desk.hours_row(logged["id"]) == ("logged", True)
    assert await desk.exchanged("ada") == (90, 0)
    assert (await desk.done("ada", ConfirmHours(UUID(logged["id"]))))["state"] == "confirmed"


async def test_silence_of_somebody_who_signs_in_is_a_yes_after_the_days_and_not_before(
    desk: LedgerDesk,
) -> None:
    logged = await desk.done("ada", between(desk, "ada", "flo"))
    silence = PassSilence(UUID(logged["id"]))
    desk.wait(days=7, seconds=-1)
    assert await due_hours(desk.house, desk.group_id, now=desk.now) == []
    assert await desk.refused("group", silence) == "silence_not_over"
    desk.wait(seconds=2)
    assert await desk.refused("bo", silence) == "not_your_hours"

    due = await due_hours(desk.house, desk.group_id, now=desk.now)
    said = await desk.done("group", due[0])

    assert due == [silence]
    assert said["state"] == "confirmed"
    assert await desk.exchanged("ada") == (60, 0)
    assert await due_hours(desk.house, desk.group_id, now=desk.now) == []
    assert await desk.refused("group", silence) == "hours_not_open"
    await desk.verified()


async def test_silence_of_somebody_without_a_device_is_never_a_yes(desk: LedgerDesk) -> None:
    logged = await desk.done("ada", between(desk, "ada", "gil"))
    assert "silence_counts_on" not in logged
    desk.wait(days=400)

    assert await due_hours(desk.house, desk.group_id, now=desk.now) == []
    assert await desk.refused("group", PassSilence(UUID(logged["id"]))) == "not_your_hours"

    said = await desk.done("bo", SettleHours(UUID(logged["id"])))
    assert (said["state"], await desk.exchanged("ada")) == ("confirmed", (60, 0))


async def test_a_question_after_the_days_of_silence_is_one_about_posted_hours(desk: LedgerDesk) -> None:
    logged = await desk.done("ada", between(desk, "ada", "flo"))
    desk.wait(days=8)

    await desk.done("flo", QuestionHours(UUID(logged["id"]), 30))

    assert await desk.hours_row(logged["id"]) == ("questioned", True)
    said = await desk.done("ada", SettleHours(UUID(logged["id"])))
    assert (said["counted"], await desk.exchanged("ada")) == (30, (30, 0))
    assert await desk.hours_row(said["instead"]) == ("confirmed", True)
    await desk.verified()


async def test_a_question_ends_when_the_other_agrees_and_only_the_right_hours_are_posted(
    desk: LedgerDesk,
) -> None:
    logged = await desk.done("ada", between(desk, "ada", "flo", 60, note="soup"))
    hours_id = UUID(logged["id"])
    await desk.done("flo", QuestionHours(hours_id, 50, "we began late"))
    await desk.done("flo", QuestionHours(hours_id, 45, "no, later still"))
    assert await desk.refused("flo", SettleHours(hours_id)) == "not_your_hours"
    assert await desk.refused("ada", SettleHours(hours_id, 50)) == "field_invalid"
    assert await desk.exchanged("ada") == (0, 0)
    seen = (await list_hours(desk.house, await desk.actor("ada", scopes={"read"}), Wanted())).hours[0]
    assert (seen.proposed, seen.why, seen.waits_for_me) == (45, "no, later still", True)

    said = await desk.done("ada", SettleHours(hours_id))

    assert await desk.hours_row(logged["id"]) == ("settled", False)
    assert await desk.hours_row(said["instead"]) == ("confirmed", True)
    assert await desk.exchanged("ada") == (45, 0)
    assert await desk.rows("SELECT state, count(*) FROM timebank.hours_questions GROUP BY 1 ORDER BY 1") == [
        ("replaced", 1),
        ("settled", 1),
    ]
    await desk.verified()


async def test_a_steward_who_took_no_part_may_always_settle(desk: LedgerDesk) -> None:
    mine = UUID((await desk.done("bo", between(desk, "bo", "flo", 60)))["id"])
    assert await desk.refused("bo", SettleHours(mine, 60)) == "own_hours"
    assert await desk.refused("hal", SettleHours(mine, 60)) == "unknown_hours"

    said = await desk.done("di", SettleHours(mine, 40, "I was there"))

    assert (said["counted"], await desk.exchanged("bo")) == (40, (40, 0))
    again = await desk.done("di", SettleHours(UUID(said["instead"]), 20))
    assert (again["counted"], await desk.exchanged("bo")) == (20, (20, 0))
    await desk.verified()


async def test_somebody_who_stands_in_speaks_for_the_other_and_the_row_says_who(desk: LedgerDesk) -> None:
    for_gil = {"stands_in": {desk.ids["gil"]: frozenset({"log"})}}
    only_sees = {"stands_in": {desk.ids["gil"]: frozenset({"see"})}}
    command = between(desk, "ada", "gil")
    assert await desk.refused("flo", command, **only_sees) == "not_your_entry"

    logged = await desk.done("flo", command, **for_gil)

    assert await desk.hours_row(logged["id"]) == ("logged", True)
    flo = (await desk.actor("flo")).account
    assert await desk.rows("SELECT logged_by FROM timebank.hours") == [(flo,)]
    waits = UUID((await desk.done("ada", command))["id"])
    assert await desk.refused("flo", ConfirmHours(waits), **only_sees) == "unknown_hours"
    assert (await desk.done("flo", ConfirmHours(waits), **for_gil))["state"] == "confirmed"


async def test_a_group_without_a_time_bank_has_no_hours_between_two(house: House) -> None:
    async with ledger_desk(house, time_bank=False) as desk:
        assert await desk.refused("ada", between(desk, "ada", "flo")) == "no_time_bank"
        assert (await desk.done("ada", to_pot(desk, "ada", 60, "flo")))["state"] == "logged"


NEVER: tuple[tuple[Callable[[LedgerDesk], LogHours], str], ...] = (
    (lambda d: between(d, "ada", "ada"), "same_account_twice"),
    (lambda d: between(d, "ada", "flo", 0), "amount_out_of_range"),
    (lambda d: between(d, "ada", "flo", 10**12 + 1), "amount_out_of_range"),
    (lambda d: between(d, "ada", "flo", pot="hours"), "field_invalid"),
    (lambda d: between(d, "ada", "flo")._replace(receiver=None), "field_invalid"),
    (lambda d: between(d, "ada", "flo")._replace(effective_on=date(2999, 1, 1)), "date_in_future"),
    (lambda d: between(d, "ada", "flo")._replace(effective_on=date(1999, 1, 1)), "date_before_begin"),
    (lambda d: between(d, "ada", "flo")._replace(category="war"), "unknown_category"),
)


async def test_what_could_never_be_posted_does_not_wait_either(desk: LedgerDesk) -> None:
    for command, code in NEVER:
        assert await desk.refused("ada", command(desk)) == code


# ---------------------------------------------------------------- to the pot


async def test_a_question_about_posted_help_ends_as_a_correction(desk: LedgerDesk) -> None:
    logged = await desk.done("ada", to_pot(desk, "ada", 60, "flo"))
    hours_id = UUID(logged["id"])
    assert (await desk.nets())["hours"] == 0
    await desk.done("flo", QuestionHours(hours_id, 30))

    said = await desk.done("ada", SettleHours(hours_id))

    kinds = await desk.rows("SELECT kind FROM timebank.entries ORDER BY seq")
    assert [kind for (kind,) in kinds] == ["help_answered", "correction", "help_answered"]
    assert await desk.hours_row(said["instead"]) == ("confirmed", True)
    given = await desk.rows(
        """SELECT debits - reversal_debits - reversal_credits FROM timebank.accounts WHERE account_id = $1""",
        (await desk.actor("ada")).account,
    )
    assert given == [(30,)]
    await desk.verified()


async def test_ones_own_slip_is_undone_with_one_tap(desk: LedgerDesk) -> None:
    logged = await desk.done("ada", to_pot(desk, "ada", 60))
    assert await desk.refused("flo", WithdrawHours(UUID(logged["id"]))) == "unknown_hours"

    said = await desk.done("ada", WithdrawHours(UUID(logged["id"])))

    assert (said["state"], "correction" in said) == ("withdrawn", True)
    assert (await desk.nets())["hours"] == 0
    waits = await desk.done("ada", between(desk, "ada", "flo"))
    assert (await desk.done("ada", WithdrawHours(UUID(waits["id"]))))["state"] == "withdrawn"
    assert await desk.rows("SELECT FROM timebank.hours_waiting") == []
    await desk.verified()


async def test_what_the_receiver_said_yes_to_they_cannot_take_back_alone(desk: LedgerDesk) -> None:
    hours_id = UUID((await desk.done("flo", between(desk, "ada", "flo")))["id"])
    await desk.done("ada", ConfirmHours(hours_id))

    assert await desk.refused("flo", WithdrawHours(hours_id)) == "not_your_hours"
    assert await desk.refused("flo", CorrectEntry(hours_id, "no")) == "not_your_entry"
    assert await desk.refused("flo", CorrectEntry(hours_id, "less", Instead(amount=5))) == "not_your_entry"
    assert await desk.refused("ada", CorrectEntry(hours_id, "more", Instead(amount=500))) == "not_your_entry"
    await desk.done("ada", CorrectEntry(hours_id, "less", Instead(amount=50)))
    assert await desk.exchanged("ada") == (50, 0)


async def test_a_correction_of_the_entry_ends_the_question_too(desk: LedgerDesk) -> None:
    hours_id = UUID((await desk.done("ada", to_pot(desk, "ada", 60, "flo")))["id"])
    await desk.done("flo", QuestionHours(hours_id, 30))

    await desk.done("bo", CorrectEntry(hours_id, "neither"))

    assert await desk.hours_row(str(hours_id)) == ("withdrawn", True)
    assert await desk.rows("SELECT state FROM timebank.hours_questions") == [("settled",)]
    assert await desk.refused("ada", SettleHours(hours_id)) == "hours_not_open"


# ---------------------------------------------------------------- limits


async def agree_on_limit(desk: LedgerDesk, at: int, then: str) -> None:
    """Have the group's rules for hours say what follows at a limit."""
    bo = await desk.actor("bo")
    once = Once(
        key=f"limit {then}",
        request_hash=sha256(then.encode()).digest(),
        now=desk.now,
        render=renderer(language("en")),
    )
    told = {"approvals": [{"above": 0, "count": 1}], "limit": {"at": at, "then": then}}
    answer = await agree_policy(desk.house, bo, "hours", told, agreed_on=None, once=once)
    assert answer.status == 201, answer.body


async def test_the_limit_leads_to_a_talk_that_only_the_receiver_and_stewards_hear_of(
    desk: LedgerDesk,
) -> None:
    await desk.done("flo", between(desk, "ada", "flo", 60))
    await agree_on_limit(desk, 100, "talk")

    theirs = await desk.done("flo", between(desk, "ada", "flo", 60))
    assert theirs["talk_first"] is True
    waits = await desk.done("ada", between(desk, "ada", "flo", 60))
    assert "talk_first" not in waits
    await agree_on_limit(desk, 100, "pause")
    assert await desk.refused("flo", ConfirmHours(UUID(waits["id"]))) == "policy_refuses"
    assert (await desk.done("ada", between(desk, "ada", "flo", 60)))["state"] == "logged"


# ---------------------------------------------------------------- the whole graph

Step = tuple[str, str]


async def test_every_state_can_be_left_and_no_step_is_skipped_or_done_twice(desk: LedgerDesk) -> None:
    """Walk every act by everybody from every state that can be reached, for both kinds of hours.

    What is refused is refused with a reason and leaves no trace; what is done leads where the table says.
    """
    acts: dict[str, Callable[[UUID], Command]] = {
        "confirm": ConfirmHours,
        "question": lambda hours_id: QuestionHours(hours_id, 30),
        "settle": SettleHours,
        "withdraw": WithdrawHours,
        "silence": PassSilence,
    }
    refusals = {"not_your_hours", "own_hours", "unknown_hours", "hours_not_open", "field_invalid"}
    people = ("ada", "flo", "bo", "hal", "group")
    seen: set[tuple[bool, str, bool]] = set()
    left: set[tuple[bool, str, bool]] = set()
    todo: deque[tuple[bool, tuple[Step, ...]]] = deque([(True, ()), (False, ())])
    while todo:
        exchange, path = todo.popleft()
        hours_id = await _walk(desk, exchange, path, acts)
        at = (exchange, *(await desk.hours_row(str(hours_id))))
        if at in seen:
            continue
        seen.add(at)
        for who in people:
            for name, act in acts.items():
                before = await desk.trace()
                said = await desk.send(who, act(hours_id))
                if said["status"] >= 400:
                    assert said["code"] in refusals | {"silence_not_over"}, (at, who, name, said)
                    assert await desk.trace() == before, (at, who, name)
                    if name not in HOURS_STATES[at[1]] and who in {"ada", "flo", "bo"} and name != "silence":
                        assert (said["status"], said["code"]) == (409, "hours_not_open"), (at, who, name)
                    continue
                allowed = {HOURS_STATES[at[1]].get(name)} | ({"confirmed"} if name == "settle" else set())
                assert said["state"] in allowed, (at, who, name, said)
                left.add(at)
                todo.append((exchange, (*path, (who, name))))
                hours_id = await _walk(desk, exchange, path, acts)

    assert {state for _, state, _ in seen} == set(HOURS_STATES)
    assert seen - left == {state for state in seen if not HOURS_STATES[state[1]]}
    await desk.verified()


async def _walk(
    desk: LedgerDesk, exchange: bool, path: tuple[Step, ...], acts: dict[str, Callable[[UUID], Command]]
) -> UUID:
    logged = await desk.done(
        "ada", between(desk, "ada", "flo") if exchange else to_pot(desk, "ada", 60, "flo")
    )
    hours_id = UUID(logged["id"])
    for who, name in path:
        if name == "silence":
            desk.wait(days=8)
        await desk.done(who, acts[name](hours_id))
    return hours_id


async def test_of_two_yeses_at_once_one_is_done(desk: LedgerDesk) -> None:
    hours_id = UUID((await desk.done("ada", between(desk, "ada", "flo")))["id"])

    answers = await asyncio.gather(*[desk.send("flo", ConfirmHours(hours_id)) for _ in range(8)])

    assert sorted(answer["status"] for answer in answers) == [200] + [409] * 7
    assert await desk.exchanged("ada") == (60, 0)


# ---------------------------------------------------------------- lists


async def test_everybody_sees_their_own_hours_and_stewards_what_waits(desk: LedgerDesk) -> None:
    mine = (await desk.done("ada", to_pot(desk, "ada", 10)))["id"]
    waits = (await desk.done("ada", between(desk, "ada", "flo", 20)))["id"]
    got = (await desk.done("flo", to_pot(desk, "flo", 30, "ada")))["id"]
    ada = await desk.actor("ada", scopes=frozenset({"read"}))
    bo = await desk.actor("bo", scopes=frozenset({"read"}))

    async def ids(actor: Any, **wanted: Any) -> list[str]:
        return [
            str(h.id) for h in (await list_hours(desk.house, actor, Wanted(**wanted), now=desk.now)).hours
        ]

    assert await ids(ada) == [got, waits, mine]
    assert await ids(ada, role="gave") == [waits, mine]
    assert await ids(ada, role="got") == [got]
    assert await ids(ada, state="withdrawn") == []
    assert await ids(ada, first=today(desk), category="cooking") == [got, waits, mine]
    assert await ids(ada, category="repairs") == []
    assert await ids(bo) == []
    assert await ids(bo, waiting=True) == [waits]
    with pytest.raises(NeedsRole):
        await ids(ada, waiting=True)

    page = await list_hours(desk.house, ada, Wanted(limit=2))
    rest = await list_hours(desk.house, ada, Wanted(limit=2, after=page.next))
    assert [str(h.id) for h in (*page.hours, *rest.hours)] == [got, waits, mine]
    assert rest.next is None
    first = (await list_hours(desk.house, bo, Wanted(waiting=True), now=desk.now)).hours[0]
    assert (first.giver, first.receiver) == (desk.ids["ada"], desk.ids["flo"])
