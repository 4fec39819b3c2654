"""Free text and other words about people, sealed with their author's key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from timebank.store.boxes import seal

if TYPE_CHECKING:
    from timebank.rules.state import Note
    from timebank.store.engine import Raw
    from timebank.store.keys import KeyStore

_INSERT = """
    INSERT INTO people.notes (group_id, about_id, what, member_id, salt, box, expires_on)
    SELECT $1, u.*, NULL
      FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::bytea[], $6::bytea[]) AS u
"""


async def insert_notes(connection: Raw, keys: KeyStore, group_id: UUID, notes: Sequence[Note]) -> None:
    """Seal and write notes; what a person who was erased meanwhile wrote is not kept."""
    rows = []
    for note in notes:
        key = keys.find_member_key(group_id, note.member_id)
        if key is not None:
            box = seal(
                key,
                note.text.encode("utf-8"),
                group_id=group_id,
                table="people.notes",
                row=note.about_id,
                column=note.what,
            )
            rows.append((note.about_id, note.what, note.member_id, note.salt, box))
    if rows:
        await connection.execute(_INSERT, group_id, *zip(*rows, strict=True))
