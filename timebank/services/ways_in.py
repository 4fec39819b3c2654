"""Whether somebody has any way to sign in: silence of those who have none is never a yes; and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store.published import find_group
from timebank.store.ways_in import has_way_in

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.engine import Tx


async def note_ways_in(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """Make what is noted about a member true, after a way in came or went in this transaction.

    It takes the group's lock only where something changes.
    """
    member = await members_store.find_member(tx, group_id, member_id)
    if member is None or member.signs_in == await has_way_in(tx, group_id, member_id, now=now):
        return
    await groups_store.bump_setup_version(tx, group_id)
    # Under the lock it is looked at once more: two that go at the same time see each other here.
    signs_in = await has_way_in(tx, group_id, member_id, now=now)
    await members_store.set_signs_in(tx, group_id, member_id, signs_in=signs_in)


async def name_of_group(house: House, group_id: UUID) -> str:
    """Return what a group calls itself, for a device that lists what it opens."""
    async with house.database.public_read(group_id) as tx:
        return (await find_group(tx, group_id)).name


async def names_of(house: House, actor: Actor) -> tuple[str, str]:
    """Return what a group and one of its members call themselves."""
    name = await name_of_group(house, actor.group_id)
    async with house.database.read(actor.group_id) as tx:
        row = await members_store.find_member(tx, actor.group_id, actor.member_id)
    nickname = row and members_store.open_nickname(
        house.keys, actor.group_id, actor.member_id, row.nickname_box
    )
    return name, nickname or ""


async def time_zone_of(house: House, group_id: UUID) -> str:
    """Return the time zone that days of a group are told in."""
    async with house.database.read(group_id) as tx:
        return (await groups_store.find_frame(tx, group_id)).time_zone
