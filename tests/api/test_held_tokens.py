"""What is remembered of a token counts for nothing until the writer has it confirmed under the lock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cast import Stage, a_group
from tests.database import SUPERUSER, Dsn, run
from timebank.rules.people import SCOPES
from timebank.services import tokens
from timebank.services.groups import create_group
from timebank.services.members import grant_role, revoke_role, set_state
from timebank.services.tokens import MadeToken, Tokens, make_token, revoke_token
from timebank.services.writer import Writer
from timebank.store import book
from timebank.store import tokens as store

pytestmark = pytest.mark.database


@pytest.fixture
def hours(today: str) -> dict[str, Any]:
    """Help that whoever sends it gave to the pot today."""
    return {"minutes": 30, "effective_on": today, "category": "cooking"}


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens each look-up asked for."""
    counted: list[int] = []
    find = store.find_bearers

    async def find_counted(pool: Any, group_id: Any, digests: Any, **more: Any) -> Any:
        counted.append(len(digests))
        return await find(pool, group_id, digests, **more)

    monkeypatch.setattr(store, "find_bearers", find_counted)
    return counted


async def another_token(stage: Stage, name: str = "ada", **more: Any) -> MadeToken:
    """Give somebody of the cast a token of which nothing is remembered, and return it."""
    cast = stage.cast
    made = await make_token(
        cast.house,
        cast.group_of(name),
        cast.ids[name],
        more.pop("scopes", SCOPES),
        now=datetime.now(UTC),
        **more,
    )
    cast.tokens[name] = made.token
    return made


async def test_only_the_first_write_looks_its_token_up(
    stage: Stage, hours: dict[str, Any], look_ups: list[int]
) -> None:
    answers = [await stage.post("ada", "/hours", hours) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert look_ups == [1]


async def test_who_reads_is_looked_up_every_time(
    stage: Stage, hours: dict[str, Any], look_ups: list[int]
) -> None:
    await stage.post("ada", "/hours", hours)

    assert (await stage.get("ada", "/live")).status_code == 200
    assert look_ups == [1, 1]


Change = Callable[[Stage, MadeToken, Dsn], Awaitable[None]]


async def _revoke(stage: Stage, made: MadeToken, _dsn: Dsn) -> None:
    await revoke_token(stage.cast.house, stage.cast.group_id, made.token_id, now=datetime.now(UTC))


async def _expire(_stage: Stage, made: MadeToken, dsn: Dsn) -> None:
    sql = f"UPDATE people.tokens SET expires_at = now() - interval '1 s' WHERE token_id = '{made.token_id}'"
    await run(dsn, SUPERUSER, sql)


async def _delete(_stage: Stage, made: MadeToken, dsn: Dsn) -> None:
    sql = f"DELETE FROM people.tokens WHERE token_id = '{made.token_id}'"
    await run(dsn, SUPERUSER, sql)


async def _leave(stage: Stage, _made: MadeToken, _dsn: Dsn) -> None:
    await set_state(stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"], "left")


async def _break_the_box(stage: Stage, _made: MadeToken, dsn: Dsn) -> None:
    sql = f"UPDATE people.members SET accounts_box = 'x' WHERE member_id = '{stage.cast.ids['ada']}'"
    await run(dsn, SUPERUSER, sql)


@pytest.mark.parametrize("change", [_revoke, _expire, _delete, _leave, _break_the_box])
async def test_a_token_that_opens_nothing_any_more_writes_nothing(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any], change: Change
) -> None:
    made = await another_token(stage)
    assert (await stage.post("ada", "/hours", hours)).status_code == 201

    await change(stage, made, fresh_dsn)
    answer = await stage.post("ada", "/hours", hours)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_whoever_is_nobody_any_more_hears_that_and_not_what_is_wrong_with_the_request(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any]
) -> None:
    made = await another_token(stage)
    await stage.post("ada", "/hours", hours)
    assert (await stage.post("ada", "/hours", {"minutes": "many"})).status_code == 422

    await _revoke(stage, made, fresh_dsn)

    for body, key in (({"minutes": "many"}, ""), (hours, None)):
        answer = await stage.post("ada", "/hours", body, key=key)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_duties_and_scopes_are_those_of_the_moment(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any]
) -> None:
    cast, ada = stage.cast, stage.cast.ids["ada"]
    made = await another_token(stage)
    for_flo = {**hours, "giver": str(cast.ids["flo"])}
    assert (await stage.post("ada", "/hours", for_flo)).json()["code"] == "not_your_entry"

    await grant_role(cast.house, cast.group_id, ada, "steward", now=datetime.now(UTC))
    assert (await stage.post("ada", "/hours", for_flo)).status_code == 201

    await revoke_role(cast.house, cast.group_id, ada, "steward", now=datetime.now(UTC))
    assert (await stage.post("ada", "/hours", for_flo)).json()["code"] == "not_your_entry"

    sql = f"UPDATE people.tokens SET scopes = '{{read}}' WHERE token_id = '{made.token_id}'"
    await run(fresh_dsn, SUPERUSER, sql)
    assert (await stage.post("ada", "/hours", hours)).json()["code"] == "needs_scope"


async def test_a_token_that_ended_takes_nobody_of_its_batch_along(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any]
) -> None:
    made = await another_token(stage)
    for name in ("ada", "bo", "ed"):
        assert (await stage.post(name, "/hours", hours)).status_code == 201
    await _revoke(stage, made, fresh_dsn)

    names = [("ada", "bo", "ed")[number % 3] for number in range(30)]
    answers = await asyncio.gather(*[stage.post(name, "/hours", hours) for name in names])

    for name, answer in zip(names, answers, strict=True):
        assert answer.status_code == (401 if name == "ada" else 201), (name, answer.text)


async def test_a_token_that_ended_is_tried_once(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await another_token(stage)
    await stage.post("ada", "/hours", hours)
    await _revoke(stage, made, fresh_dsn)
    submitted: list[str] = []
    submit = Writer.submit

    async def submit_counted(self: Writer, *args: Any, **more: Any) -> Any:
        submitted.append(more["key"])
        return await submit(self, *args, **more)

    monkeypatch.setattr(Writer, "submit", submit_counted)

    for key in ("first", "second", "third"):
        assert (await stage.post("ada", "/hours", hours, key=key)).status_code == 401
    assert submitted == ["first"]


async def test_a_key_that_a_token_which_ended_came_with_is_free(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One batch has the same key of the same person twice, and the first of the two comes with the old token.
    old = await another_token(stage)
    await stage.post("ada", "/hours", hours)
    old_token = stage.cast.tokens["ada"]
    await another_token(stage)
    await stage.post("ada", "/hours", hours)
    new_token = stage.cast.tokens["ada"]
    await _revoke(stage, old, fresh_dsn)
    at_lock = asyncio.Event()
    begin = Writer._answer_next

    async def wait_before(self: Writer, *args: Any) -> None:
        await at_lock.wait()
        await begin(self, *args)

    monkeypatch.setattr(Writer, "_answer_next", wait_before)
    sent = []
    for token in (old_token, new_token):
        stage.cast.tokens["ada"] = token
        sent.append(asyncio.create_task(stage.post("ada", "/hours", hours, key="the same")))
        await asyncio.sleep(0.05)
    at_lock.set()
    ended, written = await asyncio.gather(*sent)

    assert (ended.status_code, written.status_code) == (401, 201)
    assert "idempotent-replayed" not in written.headers


async def test_a_known_answer_is_for_whoever_may_still_ask(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any]
) -> None:
    made = await another_token(stage)
    assert (await stage.post("ada", "/hours", hours, key="once")).status_code == 201

    await _revoke(stage, made, fresh_dsn)

    assert (await stage.post("ada", "/hours", hours, key="once")).status_code == 401


async def test_a_token_of_one_group_opens_nothing_in_another(stage: Stage, hours: dict[str, Any]) -> None:
    cast = stage.cast
    assert (await stage.post("ada", "/hours", hours)).status_code == 201
    await create_group(
        cast.house, a_group("third-street"), origin="bank.example/g/third-street", now=datetime.now(UTC)
    )

    answer = await stage.post("ada", "/hours", hours, slug="third-street")

    assert answer.status_code == 401


async def test_who_stands_in_for_somebody_is_looked_up_every_time(
    stage: Stage, hours: dict[str, Any], look_ups: list[int]
) -> None:
    cast = stage.cast
    await grant_role(cast.house, cast.group_id, cast.ids["ada"], "stand_in", now=datetime.now(UTC))

    for _ in range(2):
        assert (await stage.post("ada", "/hours", hours)).status_code == 201

    assert look_ups == [1, 1]


async def test_little_is_remembered_and_not_for_long(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = stage.cast
    at = 0.0
    monkeypatch.setattr(tokens.time, "monotonic", lambda: at)
    monkeypatch.setattr(tokens, "REMEMBERED_MAX", 2)
    of_all = Tokens(cast.house.database, cast.house.keys, clock=lambda: datetime.now(UTC))

    for name in ("ada", "bo", "ed"):
        await of_all.find_actor(cast.group_id, cast.tokens[name])

    assert of_all.held(cast.group_id, cast.tokens["ada"]) is None, "the oldest goes first"
    assert of_all.held(cast.group_id, cast.tokens["ed"]) is not None
    at = tokens.REMEMBERED_S
    assert of_all.held(cast.group_id, cast.tokens["ed"]) is None
    await of_all.find_actor(cast.group_id, cast.tokens["flo"])
    assert len(of_all._held) == 1


async def test_a_token_is_confirmed_at_the_moment_of_the_writer(stage: Stage) -> None:
    cast, now = stage.cast, datetime.now(UTC)
    await another_token(stage, "ada", expires_at=now + timedelta(hours=1))
    of_all = Tokens(cast.house.database, cast.house.keys, clock=lambda: now)
    for name in ("ada", "bo"):
        await of_all.find_actor(cast.group_id, cast.tokens[name])
    found = [of_all.held(cast.group_id, cast.tokens[name]) for name in ("ada", "bo")]
    held = [(one.digest, one.bearer) for one in found if one is not None]

    async with cast.house.database.write_door(cast.group_id) as connection:

        async def confirmed(at: datetime) -> set[int]:
            return (await book.load_confirmed(connection, cast.group_id, (), held, now=at))[2]

        assert await confirmed(now + timedelta(minutes=59)) == {0, 1}
        assert await confirmed(now + timedelta(hours=1)) == {1}


async def test_negative_control_nothing_else_keeps_a_token_out_that_ended(
    stage: Stage, fresh_dsn: Dsn, hours: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await another_token(stage)
    await stage.post("ada", "/hours", hours)
    await _revoke(stage, made, fresh_dsn)
    load = book.load_confirmed

    async def believe(connection: Any, group_id: Any, numbers: Any, held: Any, *, now: datetime) -> Any:
        head, accounts, _ = await load(connection, group_id, numbers, held, now=now)
        return head, accounts, set(range(len(held)))

    monkeypatch.setattr(book, "load_confirmed", believe)

    assert (await stage.post("ada", "/hours", hours)).status_code == 201
