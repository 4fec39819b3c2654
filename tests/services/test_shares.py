"""Help that several gave together: an entry for each, all or none, adding up to the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import text

from tests.services.ledger_desk import LedgerDesk, ledger_desk
from timebank.rules.commands import ApproveDraw, AskDraw, LogHours, Share, ShareHours
from timebank.services.house import House
from timebank.store.groups import bump_setup_version

pytestmark = pytest.mark.database


@pytest_asyncio.fixture(loop_scope="session")
async def desk(house: House) -> AsyncIterator[LedgerDesk]:
    async with ledger_desk(house) as desk:
        yield desk


def today(desk: LedgerDesk) -> date:
    return desk.now.astimezone(ZoneInfo("Europe/Madrid")).date()


def shares(
    desk: LedgerDesk, minutes: int | None, /, receiver: UUID | None = None, **parts: Share | int
) -> ShareHours:
    given = tuple(
        Share(desk.ids[name], weight=part) if isinstance(part, int) else part._replace(giver=desk.ids[name])
        for name, part in parts.items()
    )
    return ShareHours(given, minutes, receiver, None, today(desk), "cooking")


def in_minutes(minutes: int) -> Share:
    return Share(UUID(int=0), minutes=minutes)


async def given_by(desk: LedgerDesk, name: str) -> int:
    rows = await desk.rows(
        "SELECT debits - reversal_debits - reversal_credits FROM timebank.accounts WHERE account_id = $1",
        (await desk.actor(name)).account,
    )
    return int(rows[0][0])


async def round_hours(desk: LedgerDesk, minutes: int, *, up: bool) -> None:
    async with desk.house.database.tx(desk.group_id) as tx:
        await bump_setup_version(tx, desk.group_id)
        await tx.execute(
            text("UPDATE timebank.groups SET rounding_minutes = :minutes, rounding_up = :up"),
            {"minutes": minutes, "up": up},
        )


async def test_ten_hours_among_three_are_ten_hours(desk: LedgerDesk) -> None:
    said = await desk.done("ada", shares(desk, 601, ada=1, flo=1, gil=1))

    assert [share["minutes"] for share in said["shares"]] == [201, 200, 200]
    assert said["minutes"] == 601
    assert [await given_by(desk, name) for name in ("ada", "flo", "gil")] == [201, 200, 200]
    assert (await desk.nets())["hours"] == 601
    assert len(await desk.rows("SELECT FROM timebank.hours WHERE state = 'logged'")) == 3
    await desk.verified()


async def test_shares_in_minutes_are_taken_as_they_are_and_must_add_up(desk: LedgerDesk) -> None:
    command = shares(desk, None, ada=in_minutes(200), flo=in_minutes(200), gil=in_minutes(200))
    assert await desk.refused("ada", command._replace(minutes=599)) == "field_invalid"

    assert (await desk.done("ada", command._replace(minutes=600)))["minutes"] == 600
    assert (await desk.done("ada", command))["minutes"] == 600


CANNOT_BE: tuple[dict[str, Any], ...] = (
    {"shares": ()},
    {"minutes": None},
    {"minutes": 0},
    {"minutes": 1},
    {"effective_on": date(2999, 1, 1)},
    {"category": "war"},
)


async def test_what_cannot_be_shared_is_booked_for_nobody(desk: LedgerDesk) -> None:
    for change in CANNOT_BE:
        await desk.refused("ada", shares(desk, 600, ada=3, flo=1, gil=1)._replace(**change))


async def test_one_that_cannot_be_booked_takes_the_others_along(desk: LedgerDesk) -> None:
    whole = shares(desk, 600, ada=1, flo=1)
    strangers = whole._replace(shares=(*whole.shares, Share(UUID(int=7), weight=1)))
    assert await desk.refused("ada", strangers) == "unknown_member"
    twice = whole._replace(shares=whole.shares * 2)
    assert await desk.refused("ada", twice) == "field_invalid"
    mixed = whole._replace(shares=(whole.shares[0], Share(desk.ids["flo"], minutes=5)))
    assert await desk.refused("ada", mixed) == "field_invalid"
    heavy = whole._replace(shares=(Share(desk.ids["ada"], weight=0), whole.shares[1]))
    assert await desk.refused("ada", heavy) == "field_invalid"
    assert await desk.refused("ada", whole._replace(receiver=desk.ids["flo"])) == "same_account_twice"
    assert await desk.refused("hal", whole) == "not_your_entry"
    await desk.done("bo", whole)
    for_flo = {"stands_in": {desk.ids["flo"]: frozenset({"log"})}}
    await desk.done("hal", whole, **for_flo)


async def test_an_ask_is_answered_by_several_up_to_what_it_was_promised(desk: LedgerDesk) -> None:
    draw = UUID((await desk.done("gil", AskDraw("hours", 100, "minutes", "cooking")))["id"])
    await desk.done("bo", ApproveDraw(draw))
    command = shares(desk, 150, ada=1, flo=1)._replace(draw=draw)
    own = shares(desk, 150, ada=1, gil=1)._replace(draw=draw)
    assert await desk.refused("ada", own) == "own_draw"

    await desk.done("ada", command)

    assert await desk.rows("SELECT state, amount_handed FROM timebank.draws") == [("handed_over", 100)]
    await desk.verified()


async def test_the_whole_is_rounded_and_the_parts_still_add_up(desk: LedgerDesk) -> None:
    await round_hours(desk, 15, up=True)

    said = await desk.done("ada", shares(desk, 601, ada=1, flo=1, gil=1))
    single = await desk.done("ada", LogHours(None, None, None, 16, today(desk), "cooking"))

    assert said["minutes"] == sum(share["minutes"] for share in said["shares"]) == 615
    assert (single["said"], single["minutes"]) == (16, 30)
    assert (
        await desk.refused("ada", LogHours(None, None, None, 0, today(desk), "cooking"))
        == "amount_out_of_range"
    )
    await desk.verified()
