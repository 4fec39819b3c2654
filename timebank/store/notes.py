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

# Of what is said about a draw, one of each kind is kept: the last.
_INSERT = """
    INSERT INTO people.notes (group_id, about_id, what, member_id, salt, box, expires_on)
    SELECT $1, u.*, NULL
      FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::bytea[], $6::bytea[]) AS u
        ON CONFLICT (group_id, about_id, what) DO UPDATE
       SET member_id = excluded.member_id, salt = excluded.salt, box = excluded.box
"""

_INSERT_OF_ASKS = """
    INSERT INTO people.ask_notes (group_id, about_id, what, draw_id, salt, box)
    SELECT $1, u.*
      FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::bytea[], $6::bytea[]) AS u
        ON CONFLICT (group_id, draw_id, about_id, what) DO UPDATE
       SET salt = excluded.salt, box = excluded.box
"""


async def insert_notes(connection: Raw, keys: KeyStore, group_id: UUID, notes: Sequence[Note]) -> None:
    """Seal and write notes; what a person who was erased meanwhile wrote is not kept."""
    # The same twice in one statement would be refused; of what one batch says twice, the last counts.
    last = {(note.of_ask, note.about_id, note.what): note for note in notes}
    for of_ask, statement, table in (
        (False, _INSERT, "people.notes"),
        (True, _INSERT_OF_ASKS, "people.ask_notes"),
    ):
        rows = []
        for note in last.values():
            key = keys.find_member_key(group_id, note.member_id) if note.of_ask == of_ask else None
            if key is not None:
                box = seal(
                    key,
                    note.text.encode("utf-8"),
                    group_id=group_id,
                    table=table,
                    row=note.about_id,
                    column=note.what,
                )
                rows.append((note.about_id, note.what, note.member_id, note.salt, box))
        if rows:
            await connection.execute(statement, group_id, *zip(*rows, strict=True))
