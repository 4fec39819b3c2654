"""The example group is in the middle of its days: whoever looks finds something of every kind that is open."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from tests.cast import house
from timebank.ledger.units import MINUTES
from timebank.rules.people import Actor
from timebank.services.example import make_example
from timebank.services.house import House
from timebank.services.members import find_member
from timebank.services.overview import Home, read_home, read_own_hours

__all__ = ["house"]


async def test_the_story_ends_with_hours_that_wait_and_asks_in_every_state(house: House) -> None:
    async def nothing(*_: object) -> None:
        pass

    now = datetime.now(UTC)
    example = await make_example(house, host="bank.example", now=now, progress=nothing, days=30)
    ada = await _actor(house, example.group_id, example.cast["member"], now)

    home: Home = await read_home(house, ada)
    everything = await read_own_hours(house, ada, turn="mine")

    assert {hours.state for hours in home.waiting} == {"logged", "questioned"}
    assert 3 <= len(everything.hours) <= 12, "people say yes within a week, and what waits stays little"
    assert [hours.proposed for hours in home.waiting if hours.proposed] == [60]
    assert {ask.state for ask in home.asks} == {"asked", "looked_at", "promised", "not_now"}
    assert home.nicknames[home.thanks[0].receiver or ada.member_id] == "Ivo"


async def _actor(house: House, group_id: UUID, member_id: UUID, now: datetime) -> Actor:
    member = await find_member(house, group_id, now=now, member_id=member_id)
    return Actor(
        group_id=group_id,
        member_id=member_id,
        account=member.accounts[MINUTES],
        accounts=member.accounts,
        roles=frozenset({"member"}),
        scopes=frozenset({"read"}),
    )
