"""Requests to join in SQL: what strangers wrote, sealed with the key of the member whom they would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from timebank.store.boxes import open_box, seal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

_TABLE: Final = "people.join_requests"
#: Boxes tell lengths; words of one kind all have the same.
_BYTES: Final = {"nickname_box": 160, "words_box": 2_000}
WORDS_MAX: Final = 500


class JoinRequestRow(NamedTuple):
    """A row of people.join_requests; ``request_id`` is the id of the member whom it becomes."""

    request_id: UUID
    secret_hash: bytes
    state: str
    nickname_box: bytes
    words_box: bytes
    asked_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    entered_at: datetime | None

    def state_at(self, now: datetime) -> str:
        """Return what it is at a moment: nobody need sweep for a request to be over."""
        return "expired" if self.state == "waiting" and now >= self.expires_at else self.state


def seal_words(key: bytes, group_id: UUID, request_id: UUID, column: str, words: str) -> bytes:
    """Return the box of a nickname or of words of at most 500 characters; all boxes of a kind have one length."""
    data = words.encode()
    assert len(data) <= _BYTES[column], "checked before"
    padded = data.ljust(_BYTES[column], b"\0")
    return seal(key, padded, group_id=group_id, table=_TABLE, row=request_id, column=column)


def open_words(keys: KeyStore, group_id: UUID, request_id: UUID, column: str, box: bytes) -> str:
    """Return what is in a box; empty once the request was decided.

    Raises:
        BoxBrokenError: It is not a box of this request.
    """
    key = keys.find_member_key(group_id, request_id)
    if key is None or not box:
        return ""
    data = open_box(key, box, group_id=group_id, table=_TABLE, row=request_id, column=column)
    return data.rstrip(b"\0").decode()


_COLUMNS: Final = (
    "request_id, secret_hash, state, nickname_box, words_box, asked_at, expires_at, decided_at, entered_at"
)


async def insert_request(tx: Tx, group_id: UUID, row: JoinRequestRow) -> None:
    """Insert a request."""
    await tx.execute(
        text(f"""
            INSERT INTO people.join_requests (group_id, {_COLUMNS})
            VALUES (:group_id, :request_id, :secret_hash, :state, :nickname_box, :words_box, :asked_at,
                    :expires_at, :decided_at, :entered_at)
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def find_request(
    tx: Tx, group_id: UUID, *, request_id: UUID | None = None, secret_hash: bytes | None = None
) -> JoinRequestRow | None:
    """Return a request by id or by the hash of its secret, or None."""
    row = (
        await tx.execute(
            text(f"""
                SELECT {_COLUMNS}
                  FROM people.join_requests
                 WHERE group_id = :group_id
                   AND (request_id = CAST(:request_id AS uuid) OR secret_hash = CAST(:secret_hash AS bytea))
            """),
            {"group_id": group_id, "request_id": request_id, "secret_hash": secret_hash},
        )
    ).one_or_none()
    return None if row is None else JoinRequestRow(*row)


async def list_waiting(tx: Tx, group_id: UUID) -> list[JoinRequestRow]:
    """Return requests that nobody decided yet, oldest first; some may have expired."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}
              FROM people.join_requests
             WHERE group_id = :group_id
               AND state = 'waiting'
          ORDER BY asked_at, request_id
        """),
        {"group_id": group_id},
    )
    return [JoinRequestRow(*row) for row in rows]


async def decide_request(tx: Tx, group_id: UUID, request_id: UUID, state: str, *, now: datetime) -> None:
    """Decide a request that waits, and empty its boxes; the caller holds the group's lock."""
    await tx.execute(
        text("""
            UPDATE people.join_requests
               SET state = :state, decided_at = :now, nickname_box = '', words_box = ''
             WHERE group_id = :group_id
               AND request_id = :request_id
               AND state = 'waiting'
        """),
        {"group_id": group_id, "request_id": request_id, "state": state, "now": now},
    )


async def enter(tx: Tx, group_id: UUID, request_id: UUID, *, now: datetime) -> None:
    """Note when whoever asked first took their way in; it stays the first time."""
    await tx.execute(
        text("""
            UPDATE people.join_requests
               SET entered_at = coalesce(entered_at, :now)
             WHERE group_id = :group_id
               AND request_id = :request_id
        """),
        {"group_id": group_id, "request_id": request_id, "now": now},
    )


async def find_joining(tx: Tx, group_id: UUID) -> tuple[str, str]:
    """Return what a group is called, and how people join it: invitation or request."""
    row = (
        await tx.execute(
            text("SELECT name, joining FROM timebank.groups WHERE group_id = :group_id"),
            {"group_id": group_id},
        )
    ).one()
    return row[0], row[1]
