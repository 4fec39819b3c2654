"""Who looked at whose name: written down when a duty opens one, and shown to whoever it is about."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.rules.people import NAMED_DUTIES
from timebank.store import looks as store
from timebank.store.groups import find_frame
from timebank.store.overview import find_nicknames

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.engine import Tx


class Seen(NamedTuple):
    """Somebody looked at the reader's name.

    Attributes:
        by: Nickname of who looked; empty for somebody who is gone.
        host: Whether it was whoever keeps the server, who has no nickname.
        what: See ``store.looks.SeenRow``.
        everybody: Whether they saw everybody and not the reader alone.
    """

    on: date
    by: str
    host: bool
    what: str
    everybody: bool
    draw_id: UUID | None


async def note_seen(
    tx: Tx, group_id: UUID, actor: Actor | None, *, what: str, now: datetime, whose: UUID | None = None
) -> None:
    """Write down, in the transaction of the look itself, that somebody with a duty sees a name.

    Args:
        actor: Who looks; None for whoever keeps the server. Without a duty nothing is written: what members show
            each other is their own affair.
        whose: Whose name; None for everybody's.
    """
    if actor is not None and (not actor.roles & NAMED_DUTIES or whose == actor.member_id):
        return
    frame = await find_frame(tx, group_id)
    await store.insert_seen(
        tx,
        group_id,
        whose=whose or group_id,
        looker=group_id if actor is None else actor.member_id,
        what=what,
        looked_on=now.astimezone(ZoneInfo(frame.time_zone)).date(),
    )


async def list_seen(house: House, actor: Actor) -> list[Seen]:
    """Return who looked at the actor's name and asks, newest day first.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    group_id = actor.group_id
    async with house.database.read(group_id) as tx:
        rows = await store.list_seen(tx, group_id, actor.member_id)
        names = await find_nicknames(tx, house.keys, group_id, list({row.looker for row in rows}))
    return [
        Seen(
            on=row.looked_on,
            by=names.get(row.looker) or "",
            host=row.looker == group_id,
            what=row.what,
            everybody=row.all,
            draw_id=row.draw_id,
        )
        for row in rows
    ]
