"""A way back in for somebody with a duty: seen by all who have one, stopped by any of them, done after two days."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.cast import Cast, cast, house
from tests.database import Dsn, connected
from tests.mail_sink import Sink, mail_sink
from tests.services.test_post import SENDER
from timebank.errors import (
    RecoveryNotOpen,
    RecoveryUnderWay,
    RecoveryWaits,
    Refusal,
    UnknownMember,
    UnknownRecovery,
)
from timebank.services.house import House
from timebank.services.mail import confirm_address, set_address
from timebank.services.members import revoke_role, set_state
from timebank.services.post import Post, deliver
from timebank.services.recovery import (
    WAIT,
    ask_recovery,
    finish_recovery,
    list_recoveries,
    require_way_back,
    stop_recovery,
)
from timebank.services.verify import verify_group
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house"]

pytestmark = pytest.mark.database


@pytest_asyncio.fixture(loop_scope="session")
async def sink() -> AsyncIterator[Sink]:
    """A mail server."""
    async with mail_sink() as sink:
        yield sink


def now() -> datetime:
    return datetime.now(UTC)


async def records(dsn: Dsn, cast: Cast) -> list[Any]:
    async with connected(dsn, SUPERUSER) as connection:
        rows = await connection.fetch(
            "SELECT convert_from(record, 'UTF8')::json ->> 'state' FROM timebank.records"
            " WHERE group_id = $1 AND kind = 'recovery' ORDER BY seq",
            cast.group_id,
        )
    return [row[0] for row in rows]


async def way_back_refused(house: House, cast: Cast, name: str, *, at: datetime) -> bool:
    async with house.database.tx(cast.group_id) as tx:
        try:
            await require_way_back(tx, cast.group_id, cast.ids[name], now=at)
        except RecoveryWaits:
            return True
    return False


async def test_after_two_days_in_which_nobody_said_no_a_card_can_be_made_for_a_day(
    house: House, cast: Cast, fresh_dsn: Dsn
) -> None:
    asked_at, bo = now(), cast.ids["bo"]
    row = await ask_recovery(house, cast.group_id, bo, now=asked_at)
    assert (row.state, row.due_at) == ("asked", asked_at + WAIT)
    assert await way_back_refused(house, cast, "bo", at=asked_at + WAIT), "waiting alone opens nothing"
    with pytest.raises(RecoveryWaits):
        await finish_recovery(house, cast.group_id, bo, now=asked_at + WAIT - timedelta(seconds=1))
    with pytest.raises(RecoveryUnderWay):
        await ask_recovery(house, cast.group_id, bo, now=asked_at)

    done = await finish_recovery(house, cast.group_id, bo, now=asked_at + WAIT)

    assert done.state == "done"
    assert not await way_back_refused(house, cast, "bo", at=asked_at + WAIT)
    assert not await way_back_refused(house, cast, "bo", at=asked_at + WAIT + timedelta(hours=23))
    assert await way_back_refused(house, cast, "bo", at=asked_at + WAIT + timedelta(hours=24))
    assert (await finish_recovery(house, cast.group_id, bo, now=asked_at + WAIT)).state == "done"
    assert await records(fresh_dsn, cast) == ["asked", "done"]
    assert (await verify_group(house, cast.group_id)).findings == ()


@pytest.mark.parametrize("who", ["di", "ed", "bo"])
async def test_anybody_with_a_duty_and_whom_it_is_about_can_stop_it(
    house: House, cast: Cast, fresh_dsn: Dsn, who: str
) -> None:
    asked_at, bo = now(), cast.ids["bo"]
    row = await ask_recovery(house, cast.group_id, bo, now=asked_at)
    actor = await cast.actor(who)
    assert [each.row.recovery_id for each in await list_recoveries(house, actor)] == [row.recovery_id]

    await stop_recovery(house, actor, row.recovery_id, now=asked_at)
    assert (await stop_recovery(house, actor, row.recovery_id, now=asked_at)).state == "stopped"

    with pytest.raises(RecoveryNotOpen):
        await finish_recovery(house, cast.group_id, bo, now=asked_at + WAIT)
    assert await way_back_refused(house, cast, "bo", at=asked_at + WAIT)
    assert await records(fresh_dsn, cast) == ["asked", "stopped"]
    await ask_recovery(house, cast.group_id, bo, now=asked_at)


async def test_who_has_no_duty_sees_and_stops_nothing_and_nor_does_another_group(
    house: House, cast: Cast
) -> None:
    row = await ask_recovery(house, cast.group_id, cast.ids["bo"], now=now())
    for name in ("ada", "cy"):
        actor = await cast.actor(name)

        assert await list_recoveries(house, actor) == []
        with pytest.raises(UnknownRecovery):
            await stop_recovery(house, actor, row.recovery_id, now=now())


async def test_what_is_done_cannot_be_stopped_any_more(house: House, cast: Cast) -> None:
    asked_at = now()
    row = await ask_recovery(house, cast.group_id, cast.ids["bo"], now=asked_at)
    await finish_recovery(house, cast.group_id, cast.ids["bo"], now=asked_at + WAIT)

    with pytest.raises(RecoveryNotOpen):
        await stop_recovery(house, await cast.actor("di"), row.recovery_id, now=asked_at + WAIT)


async def test_whoever_is_alone_with_a_duty_need_not_wait(house: House, cast: Cast, fresh_dsn: Dsn) -> None:
    at = now()
    await revoke_role(house, cast.group_id, cast.ids["di"], "steward", now=at)
    await set_state(house, cast.group_id, cast.ids["ed"], "suspended")

    row = await ask_recovery(house, cast.group_id, cast.ids["bo"], now=at + timedelta(seconds=1))

    assert row.state == "done"
    assert not await way_back_refused(house, cast, "bo", at=at + timedelta(hours=1))
    assert await records(fresh_dsn, cast) == ["asked", "done"]


@pytest.mark.parametrize(("who", "refusal"), [("ada", RecoveryNotOpen), ("cy", UnknownMember)])
async def test_only_members_with_a_duty_need_it(
    house: House, cast: Cast, fresh_dsn: Dsn, who: str, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        await ask_recovery(house, cast.group_id, cast.ids[who], now=now())

    assert await records(fresh_dsn, cast) == []
    assert not await way_back_refused(house, cast, who, at=now())


async def test_nothing_is_done_early_even_without_our_own_checks(
    house: House, cast: Cast, fresh_dsn: Dsn
) -> None:
    row = await ask_recovery(house, cast.group_id, cast.ids["bo"], now=now())

    async with connected(fresh_dsn, SUPERUSER) as connection:
        with pytest.raises(Exception, match="nothing_done_early"):
            await connection.execute(
                "UPDATE people.recoveries SET state = 'done', ended_at = now() WHERE recovery_id = $1",
                row.recovery_id,
            )


async def test_everybody_with_a_duty_who_gets_mail_is_told(house: House, cast: Cast, sink: Sink) -> None:
    house, at = replace(house, post=Post(sink.smtp, SENDER, "https://bank.example")), now()
    for name in ("di", "ada"):
        address = f"{name}@mail.example"
        await set_address(house, cast.group_id, cast.ids[name], address, language="en", now=at)
    await deliver(house, cast.group_id, now=at)
    for message in list(sink.messages):
        secret = message.get_content().partition("/mail/")[2].split()[0]
        await confirm_address(house, cast.group_id, secret, now=at)
    sink.messages.clear()

    row = await ask_recovery(house, cast.group_id, cast.ids["bo"], now=at)
    await stop_recovery(house, await cast.actor("ed"), row.recovery_id, now=at)
    await deliver(house, cast.group_id, now=at)

    assert [message["To"] for message in sink.messages] == ["di@mail.example"] * 2
    # Both wait since one moment; the letters tell which of them was first.
    stopped, asked = sorted(
        (message.get_content() for message in sink.messages), key=lambda said: "was stopped" not in said
    )
    assert "sign in anew: Bo." in asked.replace("\r\n", " ")
    assert "was stopped" in stopped
    assert {message["Subject"] for message in sink.messages} == {"A message for you"}
