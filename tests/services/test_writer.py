"""The one door: batches, keys, slices, and what goes wrong beside somebody else's request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from tests.cast import Cast
from tests.database import Dsn
from timebank.edge.problems import renderer
from timebank.errors import GroupBusy, KeyReused, Refusal, ServerFault
from timebank.i18n import language
from timebank.rules import decide
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
from timebank.rules.policies import Terms
from timebank.services import writer as writer_module
from timebank.services.groups import policy_fields
from timebank.services.members import grant_role
from timebank.services.verify import verify_group
from timebank.services.writer import SLICE, Answer, Writer
from timebank.store import book, engine
from timebank.store import groups as groups_store
from timebank.store.groups import PolicyRow

pytestmark = pytest.mark.database


class Desk:
    """Somebody at the door who sends commands for the cast."""

    def __init__(self, cast: Cast, writer: Writer, today: date) -> None:
        self.cast, self.writer, self.today = cast, writer, today
        self.sent = 0

    async def send(
        self, name: str, *commands: Command, key: str = "", many: bool = False, asked: bytes = b""
    ) -> Answer:
        """Submit one request; a fresh key unless one is given."""
        self.sent += 1
        key = key or f"key-{self.sent}"
        return await self.writer.submit(
            self.cast.group_of(name),
            commands,
            actor=await self.cast.actor(name),
            key=key,
            request_hash=sha256(asked or repr(commands).encode()).digest(),
            render=renderer(language("en")),
            many=many,
        )

    async def said(self, name: str, command: Command) -> dict[str, Any]:
        """Submit one command and return what the answer says, with its status."""
        answer = await self.send(name, command)
        return {"status": answer.status, **json.loads(answer.body)}

    def hours(self, minutes: int = 60, **changes: Any) -> LogHours:
        """Return help that Ada or whoever sends it gave to the pot today."""
        return LogHours(None, None, None, minutes, self.today, "cooking")._replace(**changes)

    async def balances(self) -> dict[tuple[str, str], int]:
        """Return credits - debits of the pots' accounts, by kind and unit."""
        group_id = self.cast.group_id
        async with self.cast.house.database.write_door(group_id) as connection:
            rows = await connection.fetch(
                """SELECT kind, unit, sum(credits - debits)::bigint AS net FROM timebank.accounts
                    WHERE kind IN ('pot', 'promised', 'shared', 'held') GROUP BY kind, unit"""
            )
        return {(row["kind"], row["unit"]): row["net"] for row in rows}

    async def verified(self) -> bool:
        """Say whether the whole book is in order."""
        house = self.cast.house
        verdict = await verify_group(house, self.cast.group_id)
        return not verdict.findings


@pytest_asyncio.fixture(loop_scope="session")
async def desk(cast: Cast, today: str) -> AsyncIterator[Desk]:
    house = cast.house
    writer = Writer(house.database, house.keys, house.checkpoints)
    yield Desk(cast, writer, date.fromisoformat(today))
    await writer.close()


async def test_a_refused_command_leaves_the_others_of_its_request_alone(desk: Desk) -> None:
    commands = [desk.hours(30), desk.hours(0), desk.hours(45), desk.hours(60, category="nothing we know")]

    answer = await desk.send("ada", *commands, many=True)

    outcomes = json.loads(answer.body)["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == [201, 422, 201, 422]
    assert [outcome.get("code") for outcome in outcomes] == [
        None,
        "amount_out_of_range",
        None,
        "unknown_category",
    ]
    assert (await desk.balances())["pot", "minutes"] == 75
    assert await desk.verified()


async def test_a_request_of_several_slices_is_one_batch(desk: Desk) -> None:
    count = 2 * SLICE + 7

    answer = await desk.send("ada", *[desk.hours(1) for _ in range(count)], many=True)

    outcomes = json.loads(answer.body)["outcomes"]
    assert len({outcome["receipt"] for outcome in outcomes}) == count
    assert (await desk.balances())["pot", "minutes"] == count
    assert await desk.verified()


async def test_the_same_key_in_one_batch_is_one_effect(desk: Desk) -> None:
    answers = await asyncio.gather(*[desk.send("ada", desk.hours(20), key="once") for _ in range(50)])

    assert len({answer.body for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert (await desk.balances())["pot", "minutes"] == 20
    assert await desk.verified()


async def test_a_known_key_is_answered_beside_fresh_ones(desk: Desk) -> None:
    first = await desk.send("ada", desk.hours(20), key="once")

    again, other, fresh = await asyncio.gather(
        desk.send("ada", desk.hours(20), key="once"),
        desk.send("flo", desk.hours(20), key="once"),
        desk.send("ada", desk.hours(5)),
    )

    assert (again.body, again.replayed) == (first.body, True)
    assert other.body != first.body
    assert fresh.status == 201
    assert (await desk.balances())["pot", "minutes"] == 45


async def test_a_key_used_for_something_else_is_refused_and_writes_nothing(desk: Desk) -> None:
    await desk.send("ada", desk.hours(20), key="once")

    with pytest.raises(KeyReused):
        await desk.send("ada", desk.hours(21), key="once")

    assert (await desk.balances())["pot", "minutes"] == 20


async def test_a_refusal_is_remembered_with_its_key(desk: Desk) -> None:
    ask = json.loads((await desk.send("ada", AskDraw("money", 500, "EUR", "cooking"))).body)
    yes = ApproveDraw(draw_uuid(ask))
    refused = await desk.send("bo", yes, key="yes")
    await desk.said("ed", GiveMoney("money", 900, "EUR", "cash-box", None, desk.today))

    again = await desk.send("bo", yes, key="yes")
    anew = await desk.send("bo", yes, key="yes, now that there is money")

    assert json.loads(refused.body)["code"] == "below_floor"
    assert (again.body, again.replayed) == (refused.body, True)
    assert anew.status == 200


async def test_our_own_mistake_fails_one_request_and_not_its_neighbours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules: dict[type, Callable[..., Any]] = decide.RULES
    log_hours = rules[LogHours]

    def stumble(command: LogHours, *rest: Any) -> Any:
        if command.minutes == 13:
            raise ZeroDivisionError("a mistake of ours")
        return log_hours(command, *rest)

    monkeypatch.setitem(rules, LogHours, stumble)

    answers = await asyncio.gather(
        *[desk.send("ada", desk.hours(minutes)) for minutes in (10, 13, 20)], return_exceptions=True
    )

    assert [getattr(answer, "status", None) for answer in answers] == [201, None, 201]
    assert isinstance(answers[1], ServerFault)
    assert (await desk.balances())["pot", "minutes"] == 30
    assert await desk.verified()


async def test_a_full_queue_refuses_at_once_and_keeps_what_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "QUEUE_MAX", 5)

    answers = await asyncio.gather(
        *[desk.send("ada", desk.hours(1)) for _ in range(30)], return_exceptions=True
    )

    written = [answer for answer in answers if isinstance(answer, Answer)]
    assert {type(answer) for answer in answers} == {Answer, GroupBusy}
    assert GroupBusy.retryable
    assert (await desk.balances())["pot", "minutes"] == len(written)


async def test_work_goes_on_when_whoever_asked_hangs_up(desk: Desk) -> None:
    task = asyncio.create_task(desk.send("ada", desk.hours(25), key="gone"))
    while not desk.writer._groups:  # noqa: ASYNC110 - nothing tells when a request waits
        await asyncio.sleep(0)
    task.cancel()

    answer = await desk.send("ada", desk.hours(25), key="gone")

    assert answer.replayed
    assert (await desk.balances())["pot", "minutes"] == 25


# ---------------------------------------------------------------- standing at the lock


class _Held:
    """A writer whose first batch stays on its way to the database until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written = 0
        self.under_way = asyncio.Event()
        self.let_go = asyncio.Event()
        self._append = book.append
        monkeypatch.setattr(book, "append", self.append)

    async def append(self, *arguments: Any) -> None:
        self.written += 1
        if self.written == 1:
            self.under_way.set()
            await self.let_go.wait()
        await self._append(*arguments)


async def test_the_next_batch_stands_at_the_lock_and_takes_along_whatever_came_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(monkeypatch)
    first = asyncio.create_task(desk.send("ada", desk.hours(1)))
    await held.under_way.wait()
    waiting = [asyncio.create_task(desk.send("ada", desk.hours(1))) for _ in range(9)]
    (group,) = desk.writer._groups.values()
    while len(group.waiting) < len(waiting):  # noqa: ASYNC110 - nothing tells when a request waits
        await asyncio.sleep(0)
    lines = (len(group.lines), group.at_lock)
    held.let_go.set()
    await asyncio.gather(first, *waiting)

    assert lines == (2, 1)
    assert held.written == 2
    assert (await desk.balances())["pot", "minutes"] == 10
    assert await desk.verified()


async def test_nobody_is_refused_because_a_batch_of_our_own_takes_long(
    desk: Desk, fresh_dsn: Dsn, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = desk.cast.house
    monkeypatch.setitem(engine.WRITE_DOOR_SETTINGS, "lock_timeout", "10ms")
    hasty = await engine.Database.open(fresh_dsn, check=False)
    writer = Writer(hasty, house.keys, house.checkpoints)
    held = _Held(monkeypatch)
    begun = 0
    begin = book.begin_batch

    def count(group_id: UUID) -> str:
        nonlocal begun
        begun += 1
        return begin(group_id)

    monkeypatch.setattr(book, "begin_batch", count)
    patient, desk.writer = desk.writer, writer
    first = asyncio.create_task(desk.send("ada", desk.hours(1)))
    await held.under_way.wait()
    second = asyncio.create_task(desk.send("ada", desk.hours(1)))
    while begun < 4 and not second.done():  # noqa: ASYNC110 - the database says when a lock took too long
        await asyncio.sleep(0.001)
    held.let_go.set()

    assert [answer.status for answer in await asyncio.gather(first, second)] == [201, 201]
    assert await desk.verified()
    desk.writer = patient
    await writer.close()
    await hasty.close()


# ---------------------------------------------------------------- draws, from asked to handed over


def draw_uuid(ask: dict[str, Any]) -> Any:
    return UUID(ask["id"])


async def a_promised_draw(desk: Desk, amount: int = 2000) -> Any:
    await desk.said("ed", GiveMoney("money", 5000, "EUR", "cash-box", None, desk.today))
    draw = draw_uuid(await desk.said("ada", AskDraw("money", amount, "EUR", "cooking")))
    assert (await desk.said("bo", ApproveDraw(draw)))["state"] == "promised"
    return draw


async def test_asked_promised_by_another_handed_over_by_a_third(desk: Desk) -> None:
    draw = await a_promised_draw(desk)
    assert (await desk.balances())["promised", "EUR"] == 2000

    part = await desk.said("ed", HandOver(draw, "cash-box", 500))
    rest = await desk.said("ed", HandOver(draw, "cash-box"))

    assert (part["state"], part["left"]) == ("promised", 1500)
    assert (rest["state"], rest["left"]) == ("handed_over", 0)
    assert await desk.balances() == {
        ("pot", "minutes"): 0, ("promised", "minutes"): 0, ("shared", "minutes"): 0,
        ("pot", "EUR"): 3000, ("promised", "EUR"): 0, ("shared", "EUR"): 2000, ("held", "EUR"): -3000,
    }  # fmt: skip
    assert await desk.verified()


@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("ada", "approve", "needs_role"),
        ("bo", "approve", "already_approved"),
        ("di", "approve", "draw_not_open"),
        ("bo", "hand_over", "needs_role"),
        ("ada", "hand_over", "needs_role"),
        ("ed", "more", "more_than_promised"),
        ("ed", "elsewhere", "unknown_held_place"),
        ("ed", "nothing", "amount_out_of_range"),
    ],
)
async def test_steps_of_a_promised_draw_that_are_refused(
    desk: Desk, name: str, command: str, code: str
) -> None:
    draw = await a_promised_draw(desk)
    before = await desk.balances()
    commands = {
        "approve": ApproveDraw(draw),
        "hand_over": HandOver(draw, "cash-box"),
        "more": HandOver(draw, "cash-box", 2001),
        "elsewhere": HandOver(draw, "under the mattress"),
        "nothing": HandOver(draw, "cash-box", 0),
    }

    said = await desk.said(name, commands[command])

    assert said["code"] == code
    assert await desk.balances() == before


async def test_two_different_people_say_yes_to_a_large_amount(desk: Desk) -> None:
    await desk.said("ed", GiveMoney("money", 9000, "EUR", "bank", None, desk.today))
    draw = draw_uuid(await desk.said("ada", AskDraw("money", 4000, "EUR", "cooking")))

    first = await desk.said("bo", ApproveDraw(draw))
    twice = await desk.said("bo", ApproveDraw(draw))
    less = await desk.said("di", ApproveDraw(draw, 3500))
    second = await desk.said("di", ApproveDraw(draw))

    assert (first["state"], first["approvals"], first["approvals_needed"]) == ("looked_at", 1, 2)
    assert twice["code"] == "already_approved"
    assert less["code"] == "policy_refuses"
    assert second["state"] == "promised"
    assert (await desk.balances())["promised", "EUR"] == 4000
    assert await desk.verified()


async def test_a_steward_does_not_say_yes_to_an_own_ask_nor_to_one_for_somebody_else(desk: Desk) -> None:
    own = draw_uuid(await desk.said("bo", AskDraw("hours", 60, "minutes", "cooking")))
    for_ada = AskDraw("hours", 60, "minutes", "cooking", on_behalf_of=desk.cast.ids["ada"])
    on_behalf = draw_uuid(await desk.said("bo", for_ada))

    assert (await desk.said("bo", ApproveDraw(own)))["code"] == "own_draw"
    assert (await desk.said("bo", ApproveDraw(on_behalf)))["code"] == "own_draw"
    assert (await desk.said("di", ApproveDraw(own)))["state"] == "promised"


async def test_hours_of_a_draw_are_given_in_parts_and_beyond(desk: Desk) -> None:
    draw = draw_uuid(await desk.said("ada", AskDraw("hours", 90, "minutes", "cooking")))
    await desk.said("bo", ApproveDraw(draw))

    own = await desk.said("ada", desk.hours(30, draw=draw))
    await desk.said("flo", desk.hours(60, draw=draw))
    await desk.said("flo", desk.hours(50, draw=draw))
    late = await desk.said("flo", desk.hours(10, draw=draw))

    balances = await desk.balances()
    assert own["code"] == "own_draw"
    assert late["code"] == "draw_not_open"
    # Twenty minutes beyond the promise stay in the pot: this policy wants a yes for any amount.
    assert balances["shared", "minutes"] == 90
    assert balances["pot", "minutes"] == 110 - 90
    assert balances["promised", "minutes"] == 0
    assert await desk.verified()


# ---------------------------------------------------------------- a new version of the rules


async def agree(desk: Desk, pot: str, terms: Terms, *, version: int = 2) -> None:
    """Have the group agree on a further version of a pot's policy, and write it down as set-up does."""
    house, group_id = desk.cast.house, desk.cast.group_id
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        found = await tx.execute(text("SELECT pot_id FROM timebank.pots WHERE code = :pot"), {"pot": pot})
        policy = PolicyRow(found.scalar_one(), pot, version, desk.today, terms.as_json())
        await groups_store.insert_policies(tx, group_id, [policy])
        kept = await house.append_records(
            tx, group_id, [("policy", 0, policy_fields(policy))], now=datetime.now(UTC)
        )
    house.checkpoints.keep(group_id, *kept)


async def test_an_ask_keeps_the_number_of_yeses_that_it_was_asked_under(desk: Desk) -> None:
    await desk.said("ed", GiveMoney("money", 9000, "EUR", "bank", None, desk.today))
    before = draw_uuid(await desk.said("ada", AskDraw("money", 2000, "EUR", "cooking")))
    half = draw_uuid(await desk.said("ada", AskDraw("money", 4000, "EUR", "cooking")))
    assert (await desk.said("bo", ApproveDraw(half)))["approvals_needed"] == 2

    await agree(desk, "money", Terms(approvals=((0, 2), (3000, 3))))
    after = draw_uuid(await desk.said("ada", AskDraw("money", 2000, "EUR", "cooking")))

    assert (await desk.said("bo", ApproveDraw(before)))["state"] == "promised"
    assert (await desk.said("di", ApproveDraw(half)))["state"] == "promised"
    said = await desk.said("bo", ApproveDraw(after))
    assert (said["state"], said["approvals_needed"]) == ("looked_at", 2)
    assert await desk.verified()


async def test_an_ask_keeps_who_may_hand_over_as_it_was_asked_under(desk: Desk) -> None:
    await grant_role(
        desk.cast.house, desk.cast.group_id, desk.cast.ids["bo"], "treasurer", now=datetime.now(UTC)
    )
    before = await a_promised_draw(desk)

    await agree(desk, "money", Terms(two_people=True))
    after = await a_promised_draw(desk)

    assert (await desk.said("bo", HandOver(before, "cash-box")))["code"] == "payer_approved"
    assert (await desk.said("bo", HandOver(after, "cash-box")))["state"] == "handed_over"
    assert (await desk.said("ed", HandOver(before, "cash-box")))["state"] == "handed_over"
    assert await desk.verified()


@pytest.mark.parametrize("at_once_before", [True, False])
async def test_hours_beyond_a_promise_go_where_the_ask_was_asked_to(desk: Desk, at_once_before: bool) -> None:
    # One version says "at once" to half an hour, the other wants a yes for any amount.
    at_once, with_a_yes = Terms(approvals=((0, 0), (30, 1))), Terms()
    versions = [at_once, with_a_yes] if at_once_before else [with_a_yes, at_once]
    if at_once_before:
        await agree(desk, "hours", versions[0])
    draw = draw_uuid(await desk.said("ada", AskDraw("hours", 60, "minutes", "cooking")))
    await desk.said("bo", ApproveDraw(draw))

    await agree(desk, "hours", versions[1], version=3 if at_once_before else 2)
    await desk.said("flo", desk.hours(80, draw=draw))

    balances = await desk.balances()
    assert balances["shared", "minutes"] == (80 if at_once_before else 60)
    assert balances["pot", "minutes"] == (0 if at_once_before else 20)
    assert await desk.verified()


async def test_what_is_asked_from_now_on_follows_the_newest_version(desk: Desk) -> None:
    assert (await desk.said("ada", AskDraw("money", 2000, "EUR", "cooking")))["state"] == "asked"

    await agree(desk, "money", Terms(per_request_max=1000))

    assert (await desk.said("ada", AskDraw("money", 2000, "EUR", "cooking")))["code"] == "policy_refuses"
    assert (await desk.said("ada", AskDraw("money", 1000, "EUR", "cooking")))["state"] == "asked"


# ---------------------------------------------------------------- corrections


async def test_a_slip_is_undone_once_and_perhaps_replaced(desk: Desk) -> None:
    wrong = UUID((await desk.said("ada", desk.hours(90)))["entry"])

    stranger = await desk.said("flo", CorrectEntry(wrong))
    done = await desk.said("ada", CorrectEntry(wrong, "I meant forty", Instead(amount=40)))
    again = await desk.said("ada", CorrectEntry(wrong))
    of_correction = await desk.said("ada", CorrectEntry(UUID(done["entry"])))
    right = await desk.said("ada", CorrectEntry(UUID(done["instead"])))

    assert stranger["code"] == "not_your_entry"
    assert again["code"] == "already_corrected"
    assert of_correction["code"] == "not_your_entry"
    assert right["status"] == 201
    assert (await desk.balances())["pot", "minutes"] == 0
    assert await desk.verified()


async def test_money_that_was_banked_meanwhile_is_corrected_where_it_is_now(desk: Desk) -> None:
    wrong = UUID(
        (await desk.said("ed", GiveMoney("money", 800, "EUR", "cash-box", None, desk.today)))["entry"]
    )

    done = await desk.said("ed", CorrectEntry(wrong, instead=Instead(amount=300), held="bank"))

    # Nothing was in the bank, so taking 800 out of it is refused: a place never holds less than nothing.
    assert done["code"] == "below_floor"
    await desk.said("ed", GiveMoney("money", 700, "EUR", "bank", None, desk.today))
    done = await desk.said("ed", CorrectEntry(wrong, instead=Instead(amount=300), held="bank"))
    assert done["status"] == 201
    assert (await desk.balances())["pot", "EUR"] == 1000
    assert (await desk.balances())["held", "EUR"] == -1000
    assert await desk.verified()


def test_every_refusal_of_a_batch_can_be_said() -> None:
    for kind in _all(Refusal):
        status, problem = renderer(language("en"))(kind())
        assert status >= 400
        assert problem["code"] == kind.code


def _all(kind: type[Refusal]) -> list[type[Refusal]]:
    return [kind] + [found for below in kind.__subclasses__() for found in _all(below)]
