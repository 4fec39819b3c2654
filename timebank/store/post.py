"""Mail on its way in SQL: taken by one sender at a time, emptied as soon as nobody needs it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from timebank.store.boxes import BoxBrokenError, open_box, seal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

_TABLE = "people.outbox"


class MailRow(NamedTuple):
    """A row of people.outbox that waits.

    Attributes:
        tries: How often it was tried, this time too.
        useless_at: From then on nobody needs it.
    """

    mail_id: UUID
    member_id: UUID
    box: bytes
    tries: int
    created_at: datetime
    useless_at: datetime


def seal_mail(key: bytes, group_id: UUID, mail_id: UUID, content: bytes) -> bytes:
    """Return the box with everything that a mail says, recipient and all."""
    return seal(key, content, group_id=group_id, table=_TABLE, row=mail_id, column="box")


def open_mail(keys: KeyStore, group_id: UUID, row: MailRow) -> bytes | None:
    """Return what is in a mail's box; None if its member was erased or the box is broken."""
    key = keys.find_member_key(group_id, row.member_id)
    if key is None:
        return None
    try:
        return open_box(key, row.box, group_id=group_id, table=_TABLE, row=row.mail_id, column="box")
    except BoxBrokenError:
        return None


async def insert_mail(tx: Tx, group_id: UUID, row: MailRow) -> None:
    """Insert mail to be sent as soon as somebody looks."""
    await tx.execute(
        text("""
            INSERT INTO people.outbox (group_id, mail_id, member_id, box, state, tries, created_at,
                                       next_try_at, useless_at, ended_at)
            VALUES (:group_id, :mail_id, :member_id, :box, 'waiting', :tries, :created_at,
                    :created_at, :useless_at, NULL)
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def take_mail(tx: Tx, group_id: UUID, *, now: datetime, until: datetime, limit: int) -> list[MailRow]:
    """Take mail that is due, oldest first; nobody else gets it before ``until``, whatever becomes of us."""
    rows = await tx.execute(
        text("""
            WITH due AS (
                SELECT mail_id
                  FROM people.outbox
                 WHERE group_id = :group_id
                   AND state = 'waiting'
                   AND next_try_at <= :now
              ORDER BY next_try_at, mail_id
                 LIMIT :limit
                   FOR UPDATE SKIP LOCKED)
            UPDATE people.outbox AS o
               SET tries = o.tries + 1, next_try_at = :until
              FROM due
             WHERE o.group_id = :group_id
               AND o.mail_id = due.mail_id
         RETURNING o.mail_id, o.member_id, o.box, o.tries, o.created_at, o.useless_at
        """),
        {"group_id": group_id, "now": now, "until": until, "limit": limit},
    )
    return sorted((MailRow(*row) for row in rows), key=lambda row: (row.created_at, row.mail_id))


async def try_mail_again(tx: Tx, group_id: UUID, mail_id: UUID, *, at: datetime) -> None:
    """Let mail wait for its next try."""
    await tx.execute(
        text("""
            UPDATE people.outbox
               SET next_try_at = :at
             WHERE group_id = :group_id
               AND mail_id = :mail_id
               AND state = 'waiting'
        """),
        {"group_id": group_id, "mail_id": mail_id, "at": at},
    )


async def end_mail(tx: Tx, group_id: UUID, mail_id: UUID, state: str, *, now: datetime) -> None:
    """Say how mail ended (``sent``, ``failed``, ``given_up``), and forget what it said and to whom."""
    await tx.execute(
        text("""
            UPDATE people.outbox
               SET state = :state, box = '', ended_at = :now
             WHERE group_id = :group_id
               AND mail_id = :mail_id
               AND state = 'waiting'
        """),
        {"group_id": group_id, "mail_id": mail_id, "state": state, "now": now},
    )


async def is_anything_due(tx: Tx, group_id: UUID, *, now: datetime) -> bool:
    """Return whether mail can be tried now, or somebody waits for a link."""
    return bool(
        await tx.scalar(
            text("""
                SELECT EXISTS (SELECT FROM people.outbox
                                WHERE group_id = :group_id AND state = 'waiting' AND next_try_at <= :now)
                    OR EXISTS (SELECT FROM people.mail_asks WHERE group_id = :group_id)
            """),
            {"group_id": group_id, "now": now},
        )
    )


async def delete_ended_mail(tx: Tx, group_id: UUID, *, before: datetime) -> None:
    """Delete what is left of mail that ended before a moment: ids and dates."""
    await tx.execute(
        text("""
            DELETE FROM people.outbox
             WHERE group_id = :group_id
               AND state <> 'waiting'
               AND ended_at < :before
        """),
        {"group_id": group_id, "before": before},
    )
