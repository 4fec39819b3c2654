"""What people see of draws, who looked at whose, and the links of those without an account, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from timebank.rules.state import Draw, Hand
from timebank.store.draws import COLUMNS, HAND_COLUMNS, read_draw

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class LookRow(NamedTuple):
    """Somebody looked at what is personal about a draw."""

    member_id: UUID
    what: str
    looked_at: datetime


class WordRow(NamedTuple):
    """A sealed word about a draw; ``member_id`` is whose key opens it, None for the key of the ask itself."""

    what: str
    member_id: UUID | None
    box: bytes


class LinkRow(NamedTuple):
    """The ask behind a link, and how often a link of it was issued."""

    draw_id: UUID
    issue: int


_OPEN: Final = "('asked', 'looked_at', 'promised')"


async def list_draws(
    tx: Tx,
    group_id: UUID,
    *,
    mine: Sequence[UUID],
    states_of_all: Sequence[str],
    states: Sequence[str] | None,
    after: UUID | None,
    limit: int,
) -> list[Draw]:
    """Return draws that somebody may see, newest first.

    Args:
        mine: Members whose draws are seen in every state.
        states_of_all: States in which everybody's are seen.
        states: Only these; None for all.
        after: The last draw of the page before; None begins.
    """
    rows = await tx.execute(
        text(f"""
            WITH seen AS (
                SELECT asked_at, draw_id FROM timebank.draws WHERE group_id = :group_id AND draw_id = :after
            )
            SELECT {COLUMNS}
              FROM timebank.draws AS d
             WHERE d.group_id = :group_id
               AND (d.state = ANY(CAST(:states_of_all AS text[]))
                    OR d.draw_id IN (SELECT h.draw_id
                                       FROM timebank.draw_hands AS h
                                      WHERE h.group_id = :group_id
                                        AND h.member_id = ANY(CAST(:mine AS uuid[]))
                                        AND h.asked))
               AND (CAST(:states AS text[]) IS NULL OR d.state = ANY(CAST(:states AS text[])))
               AND (CAST(:after AS uuid) IS NULL
                    OR (d.asked_at, d.draw_id) < (SELECT s.asked_at, s.draw_id FROM seen AS s))
          ORDER BY d.asked_at DESC, d.draw_id DESC
             LIMIT :limit
        """),
        {
            "group_id": group_id,
            "mine": list(mine),
            "states_of_all": list(states_of_all),
            "states": None if states is None else list(states),
            "after": after,
            "limit": limit,
        },
    )
    return [read_draw(tuple(row)) for row in rows]


async def find_draw(tx: Tx, group_id: UUID, draw_id: UUID) -> Draw | None:
    """Return a draw, or None."""
    row = (
        await tx.execute(
            text(f"SELECT {COLUMNS} FROM timebank.draws WHERE group_id = :group_id AND draw_id = :draw_id"),
            {"group_id": group_id, "draw_id": draw_id},
        )
    ).one_or_none()
    return None if row is None else read_draw(tuple(row))


async def list_hands(tx: Tx, group_id: UUID, draw_ids: Collection[UUID]) -> dict[UUID, dict[UUID, Hand]]:
    """Return what people did with these draws, by draw and member."""
    rows = await tx.execute(
        text(f"""
            SELECT draw_id, member_id, {HAND_COLUMNS}
              FROM timebank.draw_hands
             WHERE group_id = :group_id
               AND draw_id = ANY(CAST(:draw_ids AS uuid[]))
        """),
        {"group_id": group_id, "draw_ids": list(draw_ids)},
    )
    hands: dict[UUID, dict[UUID, Hand]] = {draw_id: {} for draw_id in draw_ids}
    for draw_id, member_id, *hand in rows:
        hands[draw_id][member_id] = Hand(*hand)
    return hands


async def list_words(
    tx: Tx, group_id: UUID, draw_ids: Collection[UUID], what: Sequence[str]
) -> dict[UUID, list[WordRow]]:
    """Return words of these kinds that are kept about draws themselves, still sealed, by draw."""
    rows = await tx.execute(
        text("""
            SELECT about_id, what, member_id, box
              FROM people.notes
             WHERE group_id = :group_id
               AND about_id = ANY(CAST(:draw_ids AS uuid[]))
               AND what = ANY(CAST(:what AS text[]))
             UNION ALL
            SELECT draw_id, what, NULL, box
              FROM people.ask_notes
             WHERE group_id = :group_id
               AND draw_id = ANY(CAST(:draw_ids AS uuid[]))
               AND about_id = draw_id
               AND what = ANY(CAST(:what AS text[]))
        """),
        {"group_id": group_id, "draw_ids": list(draw_ids), "what": list(what)},
    )
    words: dict[UUID, list[WordRow]] = {draw_id: [] for draw_id in draw_ids}
    for draw_id, *word in rows:
        words[draw_id].append(WordRow(*word))
    return words


async def insert_look(
    tx: Tx, group_id: UUID, look_id: UUID, draw_id: UUID, member_id: UUID, what: str, *, now: datetime
) -> None:
    """Write down that somebody looked; the same look twice is one."""
    await tx.execute(
        text("""
            INSERT INTO people.draw_looks (group_id, look_id, draw_id, member_id, what, looked_at)
            VALUES (:group_id, :look_id, :draw_id, :member_id, :what, :now)
                ON CONFLICT DO NOTHING
        """),
        {
            "group_id": group_id,
            "look_id": look_id,
            "draw_id": draw_id,
            "member_id": member_id,
            "what": what,
            "now": now,
        },
    )


async def list_looks(tx: Tx, group_id: UUID, draw_id: UUID) -> list[LookRow]:
    """Return who looked at what is personal about a draw, newest first."""
    rows = await tx.execute(
        text("""
            SELECT member_id, what, looked_at
              FROM people.draw_looks
             WHERE group_id = :group_id
               AND draw_id = :draw_id
          ORDER BY looked_at DESC, look_id
        """),
        {"group_id": group_id, "draw_id": draw_id},
    )
    return [LookRow(*row) for row in rows]


async def find_link(tx: Tx, group_id: UUID, link_hash: bytes) -> LinkRow | None:
    """Return the ask behind a link that holds, or None."""
    return await _find_link(tx, group_id, "link_hash", link_hash)


async def find_code(tx: Tx, group_id: UUID, code_index: bytes) -> LinkRow | None:
    """Return the ask behind the short code of a slip that holds, or None."""
    return await _find_link(tx, group_id, "code_index", code_index)


async def _find_link(tx: Tx, group_id: UUID, column: str, value: bytes) -> LinkRow | None:
    row = (
        await tx.execute(
            text(f"""
                SELECT draw_id, issue FROM people.ask_links
                 WHERE group_id = :group_id AND {column} = :value
            """),
            {"group_id": group_id, "value": value},
        )
    ).one_or_none()
    return None if row is None else LinkRow(*row)


async def next_issue(tx: Tx, group_id: UUID, draw_id: UUID) -> int | None:
    """Return the number of the next link of an ask, locking it; None for an ask that has none."""
    issue = (
        await tx.execute(
            text("""
                SELECT issue + 1 FROM people.ask_links
                 WHERE group_id = :group_id AND draw_id = :draw_id FOR UPDATE
            """),
            {"group_id": group_id, "draw_id": draw_id},
        )
    ).scalar_one_or_none()
    return None if issue is None else int(issue)


async def replace_link(
    tx: Tx,
    group_id: UUID,
    draw_id: UUID,
    *,
    issue: int,
    link_hash: bytes,
    code_index: bytes,
    now: datetime,
) -> None:
    """Have another link and short code lead to an ask; the ones before lead nowhere from now on."""
    await tx.execute(
        text("""
            UPDATE people.ask_links
               SET link_hash = :link_hash, code_index = :code_index, issue = :issue, issued_at = :now
             WHERE group_id = :group_id
               AND draw_id = :draw_id
        """),
        {
            "group_id": group_id,
            "draw_id": draw_id,
            "issue": issue,
            "link_hash": link_hash,
            "code_index": code_index,
            "now": now,
        },
    )


async def list_due(tx: Tx, group_id: UUID, *, now: datetime, today: date, limit: int) -> list[UUID]:
    """Return draws with which the group has to do something, longest due first."""
    rows = await tx.execute(
        text(f"""
            SELECT draw_id
              FROM timebank.draws
             WHERE group_id = :group_id
               AND (due_at <= :now
                    OR (state IN {_OPEN} AND state <> 'promised' AND needed_by < CAST(:today AS date)))
          ORDER BY due_at, draw_id
             LIMIT :limit
        """),
        {"group_id": group_id, "now": now, "today": today, "limit": limit},
    )
    return list(rows.scalars())


async def list_pots_to_queue(tx: Tx, group_id: UUID) -> list[UUID]:
    """Return pots that have enough by now for whoever waits for them longest."""
    rows = await tx.execute(
        text("""
            SELECT q.pot_id
              FROM (SELECT DISTINCT ON (pot_id) pot_id, policy_version, amount_agreed
                      FROM timebank.draws
                     WHERE group_id = :group_id
                       AND queued_at IS NOT NULL
                  ORDER BY pot_id, queued_at, draw_id) AS q
              JOIN timebank.pots AS o ON o.group_id = :group_id AND o.pot_id = q.pot_id
              JOIN timebank.accounts AS a ON a.group_id = :group_id AND a.account_id = o.pot_account
              JOIN timebank.policies AS p
                ON p.group_id = :group_id AND p.pot_id = q.pot_id AND p.version = q.policy_version
             WHERE a.floor IS NULL AND p.terms ->> 'reserve' IS NULL
                OR a.credits - a.debits - q.amount_agreed
                   >= greatest(a.floor, CAST(p.terms ->> 'reserve' AS bigint))
        """),
        {"group_id": group_id},
    )
    return list(rows.scalars())


async def list_pot_balances(tx: Tx, group_id: UUID) -> dict[UUID, int]:
    """Return what is available in each pot now, by id."""
    rows = await tx.execute(
        text("""
            SELECT o.pot_id, a.credits - a.debits
              FROM timebank.pots AS o
              JOIN timebank.accounts AS a ON a.group_id = o.group_id AND a.account_id = o.pot_account
             WHERE o.group_id = :group_id
        """),
        {"group_id": group_id},
    )
    return {pot_id: int(available) for pot_id, available in rows}


async def list_stewards_since(tx: Tx, group_id: UUID, *, now: datetime) -> list[datetime]:
    """Return since when each of those is steward who is it now; not who they are."""
    rows = await tx.execute(
        text("""
            SELECT min(since)
              FROM people.member_roles
             WHERE group_id = :group_id
               AND role = 'steward'
               AND since <= :now
               AND (until IS NULL OR until > :now)
          GROUP BY member_id
        """),
        {"group_id": group_id, "now": now},
    )
    return list(rows.scalars())
