"""Whether somebody has any way to sign in: silence of those who have none is never a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store.ways_in import has_way_in

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

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
