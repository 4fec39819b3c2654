"""What somebody chose for themselves, in SQL: sealed with their own key, like everything that they write."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from timebank.store.boxes import BoxBrokenError, open_box, seal

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

#: A note about oneself: the language that somebody reads in.
_WHAT: Final = "note"


async def find_language(tx: Tx, keys: KeyStore, group_id: UUID, member_id: UUID) -> str:
    """Return the code of the language that a member chose; empty if they chose none."""
    row = await tx.execute(
        text("""
            SELECT box
              FROM people.notes
             WHERE group_id = :group_id
               AND about_id = :member_id
               AND what = :what
               AND member_id = :member_id
        """),
        {"group_id": group_id, "member_id": member_id, "what": _WHAT},
    )
    box, key = row.scalar_one_or_none(), keys.find_member_key(group_id, member_id)
    if box is None or key is None:
        return ""
    try:
        said = open_box(key, box, group_id=group_id, table="people.notes", row=member_id, column=_WHAT)
    except BoxBrokenError:
        return ""
    return said.decode()


async def set_language(tx: Tx, keys: KeyStore, group_id: UUID, member_id: UUID, code: str) -> None:
    """Keep the language that a member chose; of somebody who was erased meanwhile nothing is kept."""
    key = keys.find_member_key(group_id, member_id)
    if key is None:
        return
    box = seal(key, code.encode(), group_id=group_id, table="people.notes", row=member_id, column=_WHAT)
    await tx.execute(
        text("""
            INSERT INTO people.notes (group_id, about_id, what, member_id, salt, box, expires_on)
            VALUES (:group_id, :member_id, :what, :member_id, :salt, :box, NULL)
       ON CONFLICT (group_id, about_id, what) DO UPDATE
               SET salt = excluded.salt, box = excluded.box
        """),
        {
            "group_id": group_id,
            "member_id": member_id,
            "what": _WHAT,
            "salt": secrets.token_bytes(32),
            "box": box,
        },
    )


async def forget_language(tx: Tx, group_id: UUID, member_id: UUID) -> None:
    """Let the browser of a member say which language they read in."""
    await tx.execute(
        text("""
            DELETE FROM people.notes
             WHERE group_id = :group_id
               AND about_id = :member_id
               AND what = :what
               AND member_id = :member_id
        """),
        {"group_id": group_id, "member_id": member_id, "what": _WHAT},
    )
