"""Long work in SQL: what waits, what runs, how far it is; a session lock says whether its process still lives."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import asyncpg

from timebank.errors import JobRunning, StoreAway
from timebank.store.engine import STORE_ERRORS, WRITE_DOOR_SETTINGS, enter_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.store.engine import Database, Raw


class JobRow(NamedTuple):
    """A piece of long work.

    Attributes:
        kind: ``check``, ``post`` or ``undo`` an import.
        about_id: The import.
        asked_by: The member who asked for it; None for the host.
        runner: ``server`` takes it up again after a restart; ``command`` ends with its terminal.
        state: waiting, running; then done, refused, cancelled or failed for good.
        phase: What is being done; a word for ``web.words``.
        done, total: How far it is, in lines; total is 0 while nobody knows.
        cancel: Whether somebody asked it to stop.
        refusal: Code of why it was refused or failed; else empty.
        locked_until: When others may write again, as far as can be told; None while they may.
    """

    job_id: UUID
    kind: str
    about_id: UUID
    asked_by: UUID | None
    runner: str
    state: str
    phase: str
    done: int
    total: int
    cancel: bool
    refusal: str
    created_at: datetime
    started_at: datetime | None
    changed_at: datetime
    locked_until: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done, or being done."""
        return self.state in {"waiting", "running"}


_COLUMNS = (
    "job_id, kind, about_id, asked_by, runner, state, phase, done, total, cancel, refusal, created_at,"
    " started_at, changed_at, locked_until"
)

#: At most so many imports are written at once on one server: more would only share the same disk.
WRITERS_MAX = 2
_SLOTS = int.from_bytes(sha256(b"timebank/long-writers").digest()[:4], signed=True)


def lock_key(group_id: UUID) -> int:
    """Return the number of the advisory lock that whoever works for a group holds."""
    return int.from_bytes(sha256(b"timebank/job\0" + group_id.bytes).digest()[:8], signed=True)


async def take_lock(line: Raw, group_id: UUID) -> bool:
    """Take the group's lock for long work, for as long as this connection lives; False if another has it."""
    return bool(await line.fetchval("SELECT pg_try_advisory_lock($1)", lock_key(group_id)))


async def release_lock(line: Raw, group_id: UUID) -> None:
    """Let go of the group's lock for long work before the connection ends."""
    await line.execute("SELECT pg_advisory_unlock($1)", lock_key(group_id))


async def take_slot(line: Raw) -> bool:
    """Take one of the few places for writing at once; False if all are taken."""
    for slot in range(WRITERS_MAX):
        if await line.fetchval("SELECT pg_try_advisory_lock($1, $2)", _SLOTS, slot):
            return True
    return False


async def clear_dead(line: Raw, group_id: UUID, *, now: datetime, for_good: bool = False) -> None:
    """Set right what a process left behind that is gone; the caller holds the group's lock.

    Work of a server waits again: nothing of it was written. Work of a terminal has failed.

    Args:
        for_good: Let work of a server have failed, too: whoever does it is ended every time.
    """
    await line.execute(
        """
            UPDATE timebank.jobs
               SET state = CASE WHEN cancel THEN 'cancelled'
                                WHEN runner = 'server' AND NOT $3 THEN 'waiting' ELSE 'failed' END,
                   refusal = CASE WHEN cancel OR runner = 'server' AND NOT $3 THEN '' ELSE 'interrupted' END,
                   phase = '', done = 0, total = 0, locked_until = NULL, changed_at = $2
             WHERE group_id = $1
               AND (state = 'running' OR state = 'waiting' AND runner = 'command')
        """,
        group_id,
        now,
        for_good,
    )


async def insert_job(
    line: Raw,
    group_id: UUID,
    job_id: UUID,
    kind: str,
    about_id: UUID,
    *,
    runner: str,
    now: datetime,
    asked_by: UUID | None = None,
) -> None:
    """Add work that waits.

    Raises:
        JobRunning: This group has work that is not ended.
    """
    try:
        await line.execute(
            """
                INSERT INTO timebank.jobs (group_id, job_id, kind, about_id, runner, state, phase, done, total,
                                           cancel, refusal, created_at, changed_at, asked_by)
                VALUES ($1, $2, $3, $4, $5, 'waiting', '', 0, 0, false, '', $6, $6, $7)
            """,
            group_id,
            job_id,
            kind,
            about_id,
            runner,
            now,
            asked_by,
        )
    except asyncpg.UniqueViolationError as error:
        raise JobRunning from error


async def start_job(line: Raw, group_id: UUID, job_id: UUID, *, now: datetime) -> bool:
    """Say that waiting work is being done; False if it waits no more."""
    told = await line.execute(
        """
            UPDATE timebank.jobs
               SET state = 'running', started_at = $3, changed_at = $3
             WHERE group_id = $1
               AND job_id = $2
               AND state = 'waiting'
        """,
        group_id,
        job_id,
        now,
    )
    return bool(told == "UPDATE 1")


async def tell_progress(
    line: Raw,
    group_id: UUID,
    job_id: UUID,
    *,
    phase: str,
    done: int,
    total: int,
    locked_until: datetime | None,
    now: datetime,
) -> bool:
    """Say how far running work is; return whether somebody asked it to stop."""
    return bool(
        await line.fetchval(
            """
                UPDATE timebank.jobs
                   SET phase = $3, done = $4, total = $5, locked_until = $6, changed_at = $7
                 WHERE group_id = $1
                   AND job_id = $2
             RETURNING cancel
            """,
            group_id,
            job_id,
            phase,
            done,
            total,
            locked_until,
            now,
        )
    )


async def is_anybody_writing(line: Raw) -> bool:
    """Say whether a server of this database was asked something in the last second, here or elsewhere.

    Whoever waits for a lock is not counted: it may be the lock of the very work that asks.
    """
    return bool(
        await line.fetchval(
            """
                SELECT EXISTS (SELECT FROM pg_stat_activity
                                WHERE datname = current_database()
                                  AND application_name = $1
                                  AND wait_event_type IS DISTINCT FROM 'Lock'
                                  AND (state <> 'idle' OR state_change > clock_timestamp() - interval '1 second'))
            """,
            WRITE_DOOR_SETTINGS["application_name"],
        )
    )


async def end_job(
    connection: Raw, group_id: UUID, job_id: UUID, *, state: str, refusal: str = "", now: datetime
) -> None:
    """Say how work ended; inside the transaction of its effect, so that both are there or neither."""
    await connection.execute(
        """
            UPDATE timebank.jobs
               SET state = $3, refusal = $4, phase = '', locked_until = NULL, changed_at = $5
             WHERE group_id = $1
               AND job_id = $2
        """,
        group_id,
        job_id,
        state,
        refusal,
        now,
    )


async def ask_to_cancel(line: Raw, group_id: UUID, job_id: UUID, *, now: datetime) -> bool:
    """Ask work to stop: what waits is cancelled at once, what runs stops soon; False if it has ended."""
    told = await line.execute(
        """
            UPDATE timebank.jobs
               SET cancel = true, changed_at = $3,
                   state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END
             WHERE group_id = $1
               AND job_id = $2
               AND state IN ('waiting', 'running')
        """,
        group_id,
        job_id,
        now,
    )
    return bool(told == "UPDATE 1")


async def find_open_job(line: Raw, group_id: UUID) -> JobRow | None:
    """Return the group's work that is not ended, if any."""
    row = await line.fetchrow(
        f"""
            SELECT {_COLUMNS}
              FROM timebank.jobs
             WHERE group_id = $1
               AND state IN ('waiting', 'running')
        """,
        group_id,
    )
    return None if row is None else JobRow(*row)


async def find_last_job(line: Raw, group_id: UUID, about_id: UUID) -> JobRow | None:
    """Return the newest work about an import, if any."""
    row = await line.fetchrow(
        f"""
            SELECT {_COLUMNS}
              FROM timebank.jobs
             WHERE group_id = $1
               AND about_id = $2
          ORDER BY created_at DESC, job_id
             LIMIT 1
        """,
        group_id,
        about_id,
    )
    return None if row is None else JobRow(*row)


async def list_groups(database: Database) -> Sequence[UUID]:
    """Return every group that has an address, sorted."""
    try:
        rows = await database.hot.fetch("SELECT group_id FROM timebank.published_slugs ORDER BY group_id")
    except STORE_ERRORS as error:
        raise StoreAway from error
    return [row[0] for row in rows]


async def seconds_locked(database: Database, group_id: UUID, *, now: datetime) -> int:
    """Return for how many seconds more an import keeps others from writing, 1 or more; 0 if none does."""
    async with database.lend() as connection:
        try:
            await connection.execute(enter_group(group_id))
            until = await connection.fetchval(
                """
                    SELECT locked_until
                      FROM timebank.jobs
                     WHERE group_id = $1
                       AND state = 'running'
                       AND locked_until IS NOT NULL
                """,
                group_id,
            )
        except STORE_ERRORS as error:
            raise StoreAway from error
    return 0 if until is None else max(1, min(600, int((until - now).total_seconds()) + 1))
