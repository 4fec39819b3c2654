"""Tries in SQL: counters under keys that say nothing, each locked while it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from timebank.rules.tries import Tried, begin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from timebank.store.engine import Tx


async def lock_tries(
    tx: Tx, group_id: UUID, try_keys: Sequence[bytes], *, now: datetime, day: date
) -> dict[bytes, Tried]:
    """Lock counters, in one order for everybody, and return what they say; new ones are made."""
    rows = await tx.execute(
        text("""
            INSERT INTO people.tries (group_id, try_key, tried, healed_at, open_at, day)
            SELECT :group_id, k, 0, :now, :open_at, :day
              FROM unnest(CAST(:try_keys AS bytea[])) AS k
          ORDER BY k
            ON CONFLICT (group_id, try_key) DO UPDATE SET tried = tries.tried
         RETURNING try_key, tried, healed_at, open_at
        """),
        {
            "group_id": group_id,
            "try_keys": sorted(try_keys),
            "now": now,
            "open_at": begin(now).open_at,
            "day": day,
        },
    )
    return {bytes(row[0]): Tried(*row[1:]) for row in rows}


async def update_tries(tx: Tx, group_id: UUID, tries: Mapping[bytes, Tried]) -> None:
    """Write counters that this transaction has locked."""
    await tx.execute(
        text("""
            UPDATE people.tries AS t
               SET tried = n.tried, healed_at = n.healed_at, open_at = n.open_at
              FROM unnest(CAST(:keys AS bytea[]), CAST(:tried AS integer[]),
                          CAST(:healed AS timestamptz[]), CAST(:open AS timestamptz[]))
                   AS n (try_key, tried, healed_at, open_at)
             WHERE t.group_id = :group_id
               AND t.try_key = n.try_key
        """),
        {
            "group_id": group_id,
            "keys": list(tries),
            "tried": [each.tried for each in tries.values()],
            "healed": [each.healed_at for each in tries.values()],
            "open": [each.open_at for each in tries.values()],
        },
    )


async def delete_tries(
    tx: Tx, group_id: UUID, *, try_key: bytes | None = None, before: date | None = None
) -> None:
    """Delete one counter, or those of days before one."""
    await tx.execute(
        text("""
            DELETE FROM people.tries
             WHERE group_id = :group_id
               AND (try_key = CAST(:try_key AS bytea) OR day < CAST(:before AS date))
        """),
        {"group_id": group_id, "try_key": try_key, "before": before},
    )
