"""Apps that show codes, in SQL: the sealed secret of each member, and which code was the last one used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from timebank.store.boxes import open_box, seal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

_TABLE = "people.totps"


class TotpRow(NamedTuple):
    """A row of people.totps; the box opens with the member's own key."""

    member_id: UUID
    box: bytes
    last_step: int
    added_at: datetime
    wrong: int
    wait_until: datetime


def seal_secret(key: bytes, group_id: UUID, member_id: UUID, secret: bytes) -> bytes:
    """Return the box of what an app and we share."""
    return seal(key, secret, group_id=group_id, table=_TABLE, row=member_id, column="box")


def open_secret(keys: KeyStore, group_id: UUID, member_id: UUID, box: bytes) -> bytes | None:
    """Return what an app and we share, or None if the member was erased.

    Raises:
        BoxBrokenError: It is not this member's box.
    """
    key = keys.find_member_key(group_id, member_id)
    if key is None:
        return None
    return open_box(key, box, group_id=group_id, table=_TABLE, row=member_id, column="box")


async def put_totp(tx: Tx, group_id: UUID, totp: TotpRow) -> None:
    """Insert a member's app; one that they had before is replaced."""
    await tx.execute(
        text("""
            INSERT INTO people.totps (group_id, member_id, box, last_step, added_at, wrong, wait_until)
            VALUES (:group_id, :member_id, :box, :last_step, :added_at, :wrong, :wait_until)
       ON CONFLICT (group_id, member_id)
     DO UPDATE SET box = excluded.box, last_step = excluded.last_step, added_at = excluded.added_at,
                   wrong = excluded.wrong, wait_until = excluded.wait_until
        """),
        {"group_id": group_id, **totp._asdict()},
    )


async def find_totp(tx: Tx, group_id: UUID, member_id: UUID, *, lock: bool = False) -> TotpRow | None:
    """Return a member's app, or None; locked, nobody else tries a code of theirs meanwhile."""
    row = (
        await tx.execute(
            text(f"""
                SELECT member_id, box, last_step, added_at, wrong, wait_until
                  FROM people.totps
                 WHERE group_id = :group_id
                   AND member_id = :member_id
                {"FOR UPDATE" if lock else ""}
            """),
            {"group_id": group_id, "member_id": member_id},
        )
    ).one_or_none()
    return None if row is None else TotpRow(*row)


async def note_try(
    tx: Tx, group_id: UUID, member_id: UUID, *, last_step: int, wrong: int, wait_until: datetime
) -> None:
    """Note what came of trying a code."""
    await tx.execute(
        text("""
            UPDATE people.totps
               SET last_step = :last_step, wrong = :wrong, wait_until = :wait_until
             WHERE group_id = :group_id
               AND member_id = :member_id
        """),
        {
            "group_id": group_id,
            "member_id": member_id,
            "last_step": last_step,
            "wrong": wrong,
            "wait_until": wait_until,
        },
    )


async def delete_totp(tx: Tx, group_id: UUID, member_id: UUID) -> bool:
    """Take a member's app away; False if they have none."""
    result = await tx.execute(
        text("DELETE FROM people.totps WHERE group_id = :group_id AND member_id = :member_id"),
        {"group_id": group_id, "member_id": member_id},
    )
    return bool(result.rowcount)
