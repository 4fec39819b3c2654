"""Hours rows in SQL, but for new ones: those are written with the batch (store.book.apply)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.rules.state import HoursRow, OpenHours, Question, Waiting

if TYPE_CHECKING:
    from timebank.store.engine import Raw, Tx

_END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
_LAST_ID: Final = UUID(int=2**128 - 1)

_FIND = """
    SELECT hours_id, seq, state, giver_account, receiver_account, draw_id, minutes,
           effective_on, category, logged_by, logged_at
      FROM timebank.hours
     WHERE group_id = $1
       AND hours_id = ANY($2::uuid[])
"""

_SET_STATES = """
    UPDATE timebank.hours AS h
       SET state = u.state, seq = coalesce(u.seq, h.seq)
      FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS u (hours_id, state, seq)
     WHERE h.group_id = $1
       AND h.hours_id = u.hours_id
"""

_WAITING = """
    SELECT hours_id, giver_id, receiver_id
      FROM timebank.hours_waiting
     WHERE group_id = $1
       AND hours_id = ANY($2::uuid[])
"""

_QUESTIONS = """
    SELECT question_id, hours_id, asked_by, minutes, asked_at
      FROM timebank.hours_questions
     WHERE group_id = $1
       AND hours_id = ANY($2::uuid[])
       AND state = 'open'
"""

_INSERT_UNPOSTED = """
    INSERT INTO timebank.hours (group_id, hours_id, seq, state, giver_account, receiver_account, draw_id,
                                minutes, effective_on, category, logged_by, logged_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

_WAIT = """
    INSERT INTO timebank.hours_waiting (group_id, hours_id, giver_id, receiver_id)
    SELECT $1, u.*
      FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS u
"""

_CEASE = "DELETE FROM timebank.hours_waiting WHERE group_id = $1 AND hours_id = ANY($2::uuid[])"

_ASK = """
    INSERT INTO timebank.hours_questions (group_id, question_id, hours_id, asked_by, minutes, state, asked_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_ANSWER = """
    UPDATE timebank.hours_questions AS q
       SET state = u.state
      FROM unnest($2::uuid[], $3::text[]) AS u (question_id, state)
     WHERE q.group_id = $1
       AND q.question_id = u.question_id
"""


async def find_hours(connection: Raw, group_id: UUID, hours_ids: Collection[UUID]) -> dict[UUID, HoursRow]:
    """Return the hours with these ids, by id; unknown ids are left out."""
    if not hours_ids:
        return {}
    rows = await connection.fetch(_FIND, group_id, list(hours_ids))
    return {row["hours_id"]: HoursRow(*row) for row in rows}


async def find_open_hours(connection: Raw, group_id: UUID, hours: Mapping[UUID, HoursRow]) -> OpenHours:
    """Return what is open about these hours: who waits for whom, and which question was not settled."""
    found = OpenHours()
    unposted = [hours_id for hours_id, row in hours.items() if row.seq is None]
    if unposted:
        rows = await connection.fetch(_WAITING, group_id, unposted)
        found.waiting = {row["hours_id"]: Waiting(row["giver_id"], row["receiver_id"]) for row in rows}
    questioned = [hours_id for hours_id, row in hours.items() if row.state == "questioned"]
    if questioned:
        rows = await connection.fetch(_QUESTIONS, group_id, questioned)
        found.questions = {row["hours_id"]: Question(*row) for row in rows}
    return found


async def set_hours_states(
    connection: Raw, group_id: UUID, states: Mapping[UUID, str], posted: Mapping[UUID, int]
) -> None:
    """Move hours to other states, by id; ``posted`` has the record of those that had none."""
    if states:
        seqs = [posted.get(hours_id) for hours_id in states]
        await connection.execute(_SET_STATES, group_id, list(states), list(states.values()), seqs)


async def insert_unposted(connection: Raw, group_id: UUID, hours: Sequence[HoursRow]) -> None:
    """Write hours that have no entry yet."""
    if hours:
        await connection.executemany(_INSERT_UNPOSTED, [(group_id, *row) for row in hours])


async def insert_waiting(connection: Raw, group_id: UUID, waiting: Mapping[UUID, Waiting]) -> None:
    """Write down between whom hours wait, by hours."""
    if waiting:
        givers, receivers = zip(*waiting.values(), strict=True)
        await connection.execute(_WAIT, group_id, list(waiting), givers, receivers)


async def update_open_hours(connection: Raw, group_id: UUID, open_hours: OpenHours) -> None:
    """Write what began to wait, what ceased, and what became of questions; ``set_hours_states`` comes before."""
    await insert_unposted(connection, group_id, [row for row, _ in open_hours.began])
    await insert_waiting(connection, group_id, {row.hours_id: who for row, who in open_hours.began})
    if open_hours.ended:
        await connection.execute(_CEASE, group_id, open_hours.ended)
    if open_hours.answered:
        answered = open_hours.answered
        await connection.execute(_ANSWER, group_id, list(answered), list(answered.values()))
    if open_hours.asked:
        # One that was replaced in the batch that asked it is written as what became of it.
        await connection.executemany(
            _ASK,
            [
                (group_id, *question[:4], open_hours.answered.get(question.question_id, "open"), question[4])
                for question in open_hours.asked
            ],
        )


# ---------------------------------------------------------------- lists


class ListedHours(NamedTuple):
    """Hours as a list shows them; ``asked_by``, ``proposed`` and ``question_id`` are of an open question."""

    hours_id: UUID
    posted: bool
    state: str
    giver_account: int
    receiver_account: int | None
    draw_id: UUID | None
    minutes: int
    effective_on: date
    category: str
    logged_by: int
    logged_at: datetime
    question_id: UUID | None
    asked_by: int | None
    proposed: int | None


_LIST = """
    SELECT h.hours_id, h.seq IS NOT NULL AS posted, h.state, h.giver_account, h.receiver_account,
           h.draw_id, h.minutes, h.effective_on, h.category, h.logged_by, h.logged_at,
           q.question_id, q.asked_by, q.minutes AS proposed
      FROM {source}
 LEFT JOIN timebank.hours_questions AS q
        ON q.group_id = :group_id AND q.hours_id = h.hours_id AND q.state = 'open'
  ORDER BY h.logged_at DESC, h.hours_id DESC
     LIMIT :limit
"""

_FITS = """
       AND (logged_at, hours_id) < (CAST(:at AS timestamptz), CAST(:hours_id AS uuid))
       AND (CAST(:state AS text) IS NULL OR state = :state)
       AND (CAST(:category AS text) IS NULL OR category = :category)
       AND (CAST(:first AS date) IS NULL OR effective_on >= :first)
       AND (CAST(:last AS date) IS NULL OR effective_on <= :last)
"""

# What waits for somebody: those between two people for whoever received them, others for the side that did
# not log them, and a "not quite" for the one who was told it; the other way round for who said it.
_TURNS = """
       AND CASE CAST(:turn AS text)
               WHEN 'mine' THEN
                    (state = 'logged'
                     AND CASE WHEN seq IS NULL THEN receiver_account = :account ELSE logged_by <> :account END)
                    OR (state = 'questioned' AND hours_id IN (
                        SELECT hours_id FROM timebank.hours_questions
                         WHERE group_id = :group_id AND state = 'open' AND asked_by <> :account))
               WHEN 'theirs' THEN
                    state = 'questioned' AND hours_id IN (
                        SELECT hours_id FROM timebank.hours_questions
                         WHERE group_id = :group_id AND state = 'open' AND asked_by = :account)
               ELSE true
           END
"""

# Each half walks its own index backwards, and stops where the page is full.
_GAVE = f"""
    (SELECT * FROM timebank.hours
      WHERE group_id = :group_id AND giver_account = :account {_FITS} {_TURNS}
   ORDER BY logged_at DESC, hours_id DESC LIMIT :limit)
"""
_GOT = f"""
    (SELECT * FROM timebank.hours
      WHERE group_id = :group_id AND receiver_account = :account {_FITS} {_TURNS}
   ORDER BY logged_at DESC, hours_id DESC LIMIT :limit)
"""
_OWN = {
    "gave": f"({_GAVE}) AS h",
    "got": f"({_GOT}) AS h",
    "": f"({_GAVE} UNION ALL {_GOT}) AS h",
}
_OPEN = f"""
    (SELECT * FROM timebank.hours
      WHERE group_id = :group_id
        AND hours_id IN (SELECT hours_id FROM timebank.hours_waiting WHERE group_id = :group_id
                          UNION
                         SELECT hours_id FROM timebank.hours_questions
                          WHERE group_id = :group_id AND state = 'open')
        {_FITS}) AS h
"""


async def list_own_hours(
    tx: Tx, group_id: UUID, account: int, *, role: str, limit: int, turn: str = "", **filters: Any
) -> list[ListedHours]:
    """Return hours that a member gave or got, newest first.

    Args:
        account: The member's.
        role: ``gave``, ``got``, or empty for both.
        limit: Most rows to return.
        turn: ``mine`` for those about which it is their turn to say something, ``theirs`` for those to
            which they said "not quite" and nobody has answered, empty for both and all others.
        filters: ``before`` is (logged_at, id) of the last row seen; ``state``, ``category``,
            ``first`` and ``last`` effective day; None for each that does not matter.
    """
    query = text(_LIST.format(source=_OWN[role]))
    values = {**_values(group_id, limit, **filters), "account": account, "turn": turn}
    rows = await tx.execute(query, values)
    return [ListedHours(*row) for row in rows]


async def list_open_hours(tx: Tx, group_id: UUID, *, limit: int, **filters: Any) -> list[ListedHours]:
    """Return all hours of the group that wait for somebody's word, newest first; see list_own_hours."""
    rows = await tx.execute(text(_LIST.format(source=_OPEN)), _values(group_id, limit, **filters))
    return [ListedHours(*row) for row in rows]


def _values(
    group_id: UUID,
    limit: int,
    *,
    before: tuple[datetime, UUID] | None,
    state: str | None,
    category: str | None,
    first: date | None,
    last: date | None,
) -> dict[str, Any]:
    at, hours_id = before or (_END_OF_TIME, _LAST_ID)
    return {
        "group_id": group_id,
        "limit": limit,
        "at": at,
        "hours_id": hours_id,
        "state": state,
        "category": category,
        "first": first,
        "last": last,
    }


async def list_overdue(tx: Tx, group_id: UUID, *, now: datetime, limit: int) -> list[UUID]:
    """Return hours whose receiver can sign in and was silent for the group's days, oldest first."""
    rows = await tx.execute(
        text("""
            SELECT h.hours_id
              FROM timebank.hours_waiting AS w
              JOIN timebank.hours AS h ON h.group_id = w.group_id AND h.hours_id = w.hours_id
              JOIN people.members AS m ON m.group_id = w.group_id AND m.member_id = w.receiver_id
              JOIN timebank.groups AS g ON g.group_id = w.group_id
             WHERE w.group_id = :group_id
               AND h.state = 'logged'
               AND h.logged_at + g.confirm_days * interval '24 hours' <= CAST(:now AS timestamptz)
               AND m.signs_in
               AND m.state = 'active'
          ORDER BY h.logged_at
             LIMIT :limit
        """),
        {"group_id": group_id, "now": now, "limit": limit},
    )
    return list(rows.scalars())


async def forget_waiting(tx: Tx, group_id: UUID, member_id: UUID) -> None:
    """Withdraw hours that wait between a member who is being erased and somebody else."""
    await tx.execute(
        text("""
            WITH gone AS (
                DELETE FROM timebank.hours_waiting
                 WHERE group_id = :group_id
                   AND (giver_id = :member_id OR receiver_id = :member_id)
             RETURNING hours_id
            )
            UPDATE timebank.hours
               SET state = 'withdrawn'
             WHERE group_id = :group_id
               AND hours_id IN (SELECT hours_id FROM gone)
        """),
        {"group_id": group_id, "member_id": member_id},
    )
