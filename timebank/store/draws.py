"""Draws and the hands of those who asked, approved and paid, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from timebank.rules.state import Draw, Hand

if TYPE_CHECKING:
    from timebank.store.engine import Raw

_FIND = """
    SELECT draw_id, pot_id, category, needed_by, state, policy_version, amount_asked, amount_agreed,
           amount_promised, amount_handed, amount_released, asked_at
      FROM timebank.draws
     WHERE group_id = $1
       AND draw_id = ANY($2::uuid[])
"""

_FIND_HANDS = """
    SELECT draw_id, member_id, asked, approved, paid, two_people
      FROM timebank.draw_hands
     WHERE group_id = $1
       AND draw_id = ANY($2::uuid[])
"""

_INSERT = """
    INSERT INTO timebank.draws (group_id, draw_id, pot_id, category, needed_by, state, policy_version,
                                amount_asked, amount_agreed, amount_promised, amount_handed,
                                amount_released, asked_at, changed_at)
    SELECT $1, u.*, $2
      FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::date[], $7::text[], $8::integer[],
                  $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                  $14::timestamptz[]) AS u
"""

_UPDATE = """
    UPDATE timebank.draws AS d
       SET state = u.state, amount_agreed = u.agreed, amount_promised = u.promised,
           amount_handed = u.handed, amount_released = u.released, changed_at = $2
      FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
        AS u (draw_id, state, agreed, promised, handed, released)
     WHERE d.group_id = $1
       AND d.draw_id = u.draw_id
"""

_UPSERT_HANDS = """
    INSERT INTO timebank.draw_hands AS h (group_id, draw_id, member_id, asked, approved, paid, two_people)
    SELECT $1, u.*
      FROM unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::boolean[], $6::boolean[], $7::boolean[]) AS u
        ON CONFLICT (group_id, draw_id, member_id) DO UPDATE
       SET asked = excluded.asked, approved = excluded.approved,
           paid = excluded.paid, two_people = excluded.two_people
"""


async def find_draws(
    connection: Raw, group_id: UUID, draw_ids: Collection[UUID]
) -> tuple[dict[UUID, Draw], dict[UUID, dict[UUID, Hand]]]:
    """Return the draws with these ids and the hands of each, by draw and member; unknown ids are left out."""
    if not draw_ids:
        return {}, {}
    wanted = list(draw_ids)
    draws = {row["draw_id"]: Draw(*row) for row in await connection.fetch(_FIND, group_id, wanted)}
    hands: dict[UUID, dict[UUID, Hand]] = {draw_id: {} for draw_id in draws}
    for draw_id, member_id, asked, approved, paid, two_people in await connection.fetch(
        _FIND_HANDS, group_id, wanted
    ):
        hands[draw_id][member_id] = Hand(asked, approved, paid, two_people)
    return draws, hands


async def insert_draws(connection: Raw, group_id: UUID, draws: Sequence[Draw], *, now: datetime) -> None:
    """Write new draws as they are now."""
    if draws:
        rows = [
            (
                d.draw_id,
                d.pot_id,
                d.category,
                d.needed_by,
                d.state,
                d.policy_version,
                d.asked,
                d.agreed,
                d.promised,
                d.handed,
                d.released,
                d.asked_at,
            )
            for d in draws
        ]
        await connection.execute(_INSERT, group_id, now, *zip(*rows, strict=True))


async def update_draws(connection: Raw, group_id: UUID, draws: Iterable[Draw], *, now: datetime) -> None:
    """Write what became of draws that were there before."""
    rows = [(d.draw_id, d.state, d.agreed, d.promised, d.handed, d.released) for d in draws]
    if rows:
        await connection.execute(_UPDATE, group_id, now, *zip(*rows, strict=True))


async def upsert_hands(connection: Raw, group_id: UUID, hands: Iterable[tuple[UUID, UUID, Hand]]) -> None:
    """Write what people did with draws: (draw, member, hand) of each."""
    rows = [(draw, member, h.asked, h.approved, h.paid, h.two_people) for draw, member, h in hands]
    if rows:
        await connection.execute(_UPSERT_HANDS, group_id, *zip(*rows, strict=True))
