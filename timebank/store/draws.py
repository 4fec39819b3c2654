"""Draws and the hands of those who asked, decided and paid, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from timebank.rules.state import Draw, Hand, Past

if TYPE_CHECKING:
    from timebank.rules.state import NewLink
    from timebank.store.engine import Raw

#: Of the asks that wait for a pot, how many are looked at by one batch.
QUEUE_SEEN: Final = 50

COLUMNS: Final = """draw_id, pot_id, category, needed_by, state, policy_version, amount_asked, amount_agreed,
           amount_promised, amount_handed, amount_released, asked_at, agreed_at, queued_at, promised_on,
           due_at, without_account, warnings"""
HAND_COLUMNS: Final = "asked, approved, paid, two_people, theirs, stepped_aside, objected, not_own"

_FIND = f"""
    SELECT {COLUMNS}
      FROM timebank.draws
     WHERE group_id = $1
       AND draw_id = ANY($2::uuid[])
"""

_FIND_HANDS = f"""
    SELECT draw_id, member_id, {HAND_COLUMNS}
      FROM timebank.draw_hands
     WHERE group_id = $1
       AND draw_id = ANY($2::uuid[])
"""

_QUEUES = """
    SELECT p.pot_id, q.draw_id
      FROM timebank.pots AS p
CROSS JOIN LATERAL (SELECT d.draw_id
                      FROM timebank.draws AS d
                     WHERE d.group_id = p.group_id
                       AND d.pot_id = p.pot_id
                       AND d.queued_at IS NOT NULL
                  ORDER BY d.queued_at, d.draw_id
                     LIMIT $2) AS q
     WHERE p.group_id = $1
"""

# Whoever is in no household is in one of their own. A year and a day is the longest that limits look back.
_PAST = """
    SELECT a.asker_id, h.member_id = a.asker_id AS own, d.draw_id, d.pot_id,
           (d.asked_at AT TIME ZONE g.time_zone)::date AS asked_on, d.state, d.amount_asked, d.amount_agreed,
           d.amount_promised, d.amount_released
      FROM unnest($2::uuid[]) AS a (asker_id)
      JOIN people.members AS m ON m.group_id = $1 AND m.member_id = a.asker_id
      JOIN people.members AS o
        ON o.group_id = $1
       AND (o.member_id = m.member_id OR o.household_id = m.household_id)
      JOIN timebank.draw_hands AS h ON h.group_id = $1 AND h.member_id = o.member_id AND h.theirs
      JOIN timebank.draws AS d ON d.group_id = $1 AND d.draw_id = h.draw_id
      JOIN timebank.groups AS g ON g.group_id = $1
     WHERE d.asked_at > $3::timestamptz - interval '368 days'
       AND ($4 OR d.state IN ('asked', 'looked_at', 'promised'))
"""

_CONTACTS = """
    SELECT DISTINCT l.contact_index
      FROM people.ask_links AS l
      JOIN timebank.draws AS d ON d.group_id = l.group_id AND d.draw_id = l.draw_id
     WHERE l.group_id = $1
       AND l.contact_index = ANY($2::bytea[])
       AND l.contact_index <> ''
       AND d.state IN ('asked', 'looked_at', 'promised')
"""

_INSERT = """
    INSERT INTO timebank.draws (group_id, draw_id, pot_id, category, needed_by, state, policy_version,
                                amount_asked, amount_agreed, amount_promised, amount_handed,
                                amount_released, asked_at, agreed_at, queued_at, promised_on, due_at,
                                without_account, warnings, changed_at)
    SELECT $1, u.draw_id, u.pot_id, u.category, u.needed_by, u.state, u.policy_version, u.asked, u.agreed,
           u.promised, u.handed, u.released, u.asked_at, u.agreed_at, u.queued_at, u.promised_on, u.due_at,
           u.without_account, string_to_array(u.warnings, ' '), $2
      FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::date[], $7::text[], $8::integer[],
                  $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                  $14::timestamptz[], $15::timestamptz[], $16::timestamptz[], $17::date[],
                  $18::timestamptz[], $19::boolean[], $20::text[])
        AS u (draw_id, pot_id, category, needed_by, state, policy_version, asked, agreed, promised, handed,
              released, asked_at, agreed_at, queued_at, promised_on, due_at, without_account, warnings)
"""

_UPDATE = """
    UPDATE timebank.draws AS d
       SET state = u.state, amount_asked = u.asked, amount_agreed = u.agreed, amount_promised = u.promised,
           amount_handed = u.handed, amount_released = u.released, agreed_at = u.agreed_at,
           queued_at = u.queued_at, promised_on = u.promised_on, due_at = u.due_at, changed_at = $2
      FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                  $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::date[], $13::timestamptz[])
        AS u (draw_id, state, asked, agreed, promised, handed, released, agreed_at, queued_at, promised_on,
              due_at)
     WHERE d.group_id = $1
       AND d.draw_id = u.draw_id
"""

_UPSERT_HANDS = """
    INSERT INTO timebank.draw_hands AS h (group_id, draw_id, member_id, asked, approved, paid, two_people,
                                          theirs, stepped_aside, objected, not_own, without_account)
    SELECT $1, u.*
      FROM unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::boolean[], $6::boolean[], $7::boolean[],
                  $8::boolean[], $9::boolean[], $10::boolean[], $11::boolean[], $12::boolean[]) AS u
        ON CONFLICT (group_id, draw_id, member_id) DO UPDATE
       SET asked = excluded.asked, approved = excluded.approved, paid = excluded.paid,
           two_people = excluded.two_people, theirs = excluded.theirs,
           stepped_aside = excluded.stepped_aside, objected = excluded.objected, not_own = excluded.not_own
"""

_INSERT_LINKS = """
    INSERT INTO people.ask_links (group_id, draw_id, link_hash, code_index, contact_index, issue, issued_at)
    SELECT $1, u.draw_id, u.link_hash, NULL, u.contact_index, 0, $2
      FROM unnest($3::uuid[], $4::bytea[], $5::bytea[]) AS u (draw_id, link_hash, contact_index)
"""

_DELETE_NOTES = """
    DELETE FROM people.notes
     WHERE group_id = $1
       AND about_id = ANY($2::uuid[])
       AND what IN ('contact', 'payout')
"""
_DELETE_ASK_NOTES = """
    DELETE FROM people.ask_notes
     WHERE group_id = $1
       AND draw_id = ANY($2::uuid[])
"""


async def find_draws(
    connection: Raw, group_id: UUID, draw_ids: Collection[UUID]
) -> tuple[dict[UUID, Draw], dict[UUID, dict[UUID, Hand]]]:
    """Return the draws with these ids and the hands of each, by draw and member; unknown ids are left out."""
    if not draw_ids:
        return {}, {}
    wanted = list(draw_ids)
    draws = {row["draw_id"]: read_draw(row) for row in await connection.fetch(_FIND, group_id, wanted)}
    hands: dict[UUID, dict[UUID, Hand]] = {draw_id: {} for draw_id in draws}
    for draw_id, member_id, *hand in await connection.fetch(_FIND_HANDS, group_id, wanted):
        hands[draw_id][member_id] = Hand(*hand)
    return draws, hands


def read_draw(row: Sequence[Any]) -> Draw:
    """Return the draw in a row of ``COLUMNS``."""
    draw = Draw(*row)
    draw.warnings = tuple(draw.warnings)
    return draw


async def find_queues(connection: Raw, group_id: UUID) -> dict[UUID, list[UUID]]:
    """Return by pot the asks that wait for it, longest first, up to ``QUEUE_SEEN`` of each."""
    queues: dict[UUID, list[UUID]] = {}
    for pot_id, draw_id in await connection.fetch(_QUEUES, group_id, QUEUE_SEEN):
        queues.setdefault(pot_id, []).append(draw_id)
    return queues


async def find_past(
    connection: Raw, group_id: UUID, askers: Collection[UUID], *, now: datetime, limited: bool = True
) -> list[tuple[UUID, bool, Past]]:
    """Return earlier draws as limits see them: (who asks now, whether it was theirs or their household's, draw).

    Args:
        limited: Whether any pot has limits; else only what is open is of interest.
    """
    if not askers:
        return []
    found = []
    for row in await connection.fetch(_PAST, group_id, list(askers), now, limited):
        asker, own, draw_id, pot_id, on, state, asked, agreed, promised, released = row
        waits = state in {"asked", "looked_at"}
        counted = (agreed or asked) if waits else promised - released
        found.append((asker, own, Past(draw_id, pot_id, on, counted, waits or state == "promised", asked)))
    return found


async def find_contacts(connection: Raw, group_id: UUID, indexes: Collection[bytes]) -> set[bytes]:
    """Return those of these blind indexes by which somebody asked whose ask is open."""
    if not indexes:
        return set()
    return {row[0] for row in await connection.fetch(_CONTACTS, group_id, list(indexes))}


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
                d.agreed_at,
                d.queued_at,
                d.promised_on,
                d.due_at,
                d.without_account,
                " ".join(d.warnings),
            )
            for d in draws
        ]
        await connection.execute(_INSERT, group_id, now, *zip(*rows, strict=True))


async def update_draws(connection: Raw, group_id: UUID, draws: Iterable[Draw], *, now: datetime) -> None:
    """Write what became of draws that were there before."""
    rows = [
        (
            d.draw_id,
            d.state,
            d.asked,
            d.agreed,
            d.promised,
            d.handed,
            d.released,
            d.agreed_at,
            d.queued_at,
            d.promised_on,
            d.due_at,
        )
        for d in draws
    ]
    if rows:
        await connection.execute(_UPDATE, group_id, now, *zip(*rows, strict=True))


async def upsert_hands(
    connection: Raw, group_id: UUID, hands: Iterable[tuple[UUID, UUID, Hand, bool]]
) -> None:
    """Write what people did with draws: (draw, member, hand, whether it is one without an account) of each."""
    rows = [
        (
            draw,
            member,
            h.asked,
            h.approved,
            h.paid,
            h.two_people,
            h.theirs,
            h.stepped_aside,
            h.objected,
            h.not_own,
            without_account,
        )
        for draw, member, h, without_account in hands
    ]
    if rows:
        await connection.execute(_UPSERT_HANDS, group_id, *zip(*rows, strict=True))


async def insert_links(connection: Raw, group_id: UUID, links: Sequence[NewLink], *, now: datetime) -> None:
    """Write how asks without an account are found again."""
    if links:
        await connection.execute(_INSERT_LINKS, group_id, now, *zip(*links, strict=True))


async def delete_papers(connection: Raw, group_id: UUID, draw_ids: Collection[UUID]) -> None:
    """Wipe contact and payout of draws; of asks without an account everything that their own key opened."""
    if draw_ids:
        await connection.execute(_DELETE_NOTES, group_id, list(draw_ids))
        await connection.execute(_DELETE_ASK_NOTES, group_id, list(draw_ids))
