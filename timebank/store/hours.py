"""Hours rows in SQL, but for new ones: those are written with the batch (store.book.apply)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from timebank.rules.state import HoursRow

if TYPE_CHECKING:
    from timebank.store.engine import Raw

_FIND = """
    SELECT hours_id, seq, state, giver_account, receiver_account, draw_id, minutes,
           effective_on, category, logged_by, logged_at
      FROM timebank.hours
     WHERE group_id = $1
       AND hours_id = ANY($2::uuid[])
"""

_SET_STATES = """
    UPDATE timebank.hours AS h
       SET state = u.state
      FROM unnest($2::uuid[], $3::text[]) AS u (hours_id, state)
     WHERE h.group_id = $1
       AND h.hours_id = u.hours_id
"""


async def find_hours(connection: Raw, group_id: UUID, hours_ids: Collection[UUID]) -> dict[UUID, HoursRow]:
    """Return the hours with these ids, by id; unknown ids are left out."""
    if not hours_ids:
        return {}
    rows = await connection.fetch(_FIND, group_id, list(hours_ids))
    return {row["hours_id"]: HoursRow(*row) for row in rows}


async def set_hours_states(connection: Raw, group_id: UUID, states: Mapping[UUID, str]) -> None:
    """Move hours to other states, by id."""
    if states:
        await connection.execute(_SET_STATES, group_id, list(states), list(states.values()))
