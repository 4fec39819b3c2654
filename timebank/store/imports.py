"""Imports in SQL: what was handed in, how it was read, and which records it became."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from timebank.store.boxes import open_box, seal

if TYPE_CHECKING:
    from timebank.store.engine import Raw

PART_BYTES = 256 * 1024
_TABLE = "people.import_papers"


class ImportRow(NamedTuple):
    """One import.

    Attributes:
        state: new, checked, posted, undone or dropped.
        options: How the files are to be read and booked; see services.imports.
        summary: Figures of the last check, without names.
        member_id: Who handed it in; None for the host.
        first_seq, last_seq: Its records, once posted.
    """

    import_id: UUID
    state: str
    options: dict[str, Any]
    summary: dict[str, Any]
    member_id: UUID | None
    created_at: datetime
    changed_at: datetime
    first_seq: int | None
    last_seq: int | None


_COLUMNS = (
    "import_id, state, options::text, summary::text, member_id, created_at, changed_at, first_seq, last_seq"
)


async def insert_import(
    connection: Raw,
    group_id: UUID,
    import_id: UUID,
    *,
    options: Mapping[str, Any],
    member_id: UUID | None,
    now: datetime,
) -> bool:
    """Add an import of which nothing is known yet; False if it is there already."""
    told = await connection.execute(
        """
            INSERT INTO timebank.imports (group_id, import_id, state, options, summary, member_id,
                                          created_at, changed_at)
            VALUES ($1, $2, 'new', $3::text::jsonb, '{}', $4, $5, $5)
                ON CONFLICT DO NOTHING
        """,
        group_id,
        import_id,
        json.dumps(options),
        member_id,
        now,
    )
    return bool(told == "INSERT 0 1")


async def update_import(
    connection: Raw,
    group_id: UUID,
    import_id: UUID,
    *,
    state: str,
    now: datetime,
    summary: Mapping[str, Any] | None = None,
    seqs: tuple[int, int] | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Move an import to another state, with what is known of it now."""
    await connection.execute(
        """
            UPDATE timebank.imports
               SET state = $3, changed_at = $4,
                   summary = coalesce($5::text::jsonb, summary),
                   first_seq = coalesce($6, first_seq),
                   last_seq = coalesce($7, last_seq),
                   -- What files and their columns are called is nobody's business once they are gone.
                   options = CASE WHEN $3 IN ('posted', 'dropped') THEN options - ARRAY['words', 'columns', 'files', 'sheet']
                                  ELSE coalesce($8::text::jsonb, options) END
             WHERE group_id = $1
               AND import_id = $2
        """,
        group_id,
        import_id,
        state,
        now,
        None if summary is None else json.dumps(summary),
        None if seqs is None else seqs[0],
        None if seqs is None else seqs[1],
        None if options is None else json.dumps(options),
    )


async def find_import(
    connection: Raw, group_id: UUID, import_id: UUID, *, lock: bool = False
) -> ImportRow | None:
    """Return an import, if it is there; ``lock`` keeps others from changing it until the commit."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM timebank.imports WHERE group_id = $1 AND import_id = $2"
        + (" FOR UPDATE" if lock else ""),
        group_id,
        import_id,
    )
    return None if row is None else _import(row)


async def list_imports(
    connection: Raw, group_id: UUID, *, before: tuple[datetime, UUID] | None = None, limit: int
) -> list[ImportRow]:
    """Return imports, newest first.

    Args:
        before: Moment and id of the last one seen; None begins with the newest.
    """
    rows = await connection.fetch(
        f"""
            SELECT {_COLUMNS}
              FROM timebank.imports
             WHERE group_id = $1
               AND ($3::timestamptz IS NULL OR (created_at, import_id) < ($3, $4::uuid))
          ORDER BY created_at DESC, import_id DESC
             LIMIT $2
        """,
        group_id,
        limit,
        *(before or (None, None)),
    )
    return [_import(row) for row in rows]


def _import(row: Any) -> ImportRow:
    values = list(row)
    values[2], values[3] = json.loads(values[2]), json.loads(values[3])
    return ImportRow(*values)


# ---------------------------------------------------------------- which rows are in the book

_KNOWN = """
    SELECT e.entry_id,
           EXISTS (SELECT FROM timebank.entries AS c
                    WHERE c.group_id = e.group_id AND c.reverses_seq = e.seq) AS corrected
      FROM timebank.entries AS e
     WHERE e.group_id = $1
       AND e.entry_id = ANY($2::uuid[])
"""


async def find_booked(connection: Raw, group_id: UUID, entry_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Return which of these entries are in the book: {id: whether it was corrected}."""
    rows = await connection.fetch(_KNOWN, group_id, list(entry_ids))
    return {row[0]: row[1] for row in rows}


_BATCH = """
    SELECT e.seq, e.entry_id
      FROM timebank.entries AS e
     WHERE e.group_id = $1
       AND e.seq BETWEEN $2 AND $3
       AND e.reverses_seq IS NULL
       AND NOT EXISTS (SELECT FROM timebank.entries AS c
                        WHERE c.group_id = e.group_id AND c.reverses_seq = e.seq)
  ORDER BY e.seq DESC
     LIMIT $4
"""


async def list_uncorrected(
    connection: Raw, group_id: UUID, *, first_seq: int, last_seq: int, limit: int
) -> list[tuple[int, UUID]]:
    """Return (seq, id) of entries of a batch that nobody corrected, newest first."""
    rows = await connection.fetch(_BATCH, group_id, first_seq, last_seq, limit)
    return [(row[0], row[1]) for row in rows]


async def count_uncorrected(connection: Raw, group_id: UUID, *, first_seq: int, last_seq: int) -> int:
    """Return how many entries of a batch nobody corrected."""
    return int(
        await connection.fetchval(
            f"SELECT count(*) FROM ({_BATCH}) AS batch", group_id, first_seq, last_seq, 2**62
        )
    )


# ---------------------------------------------------------------- the set-up that an import may change


async def move_beginning(connection: Raw, group_id: UUID, began_on: date) -> None:
    """Let the book begin earlier."""
    await connection.execute(
        "UPDATE timebank.groups SET began_on = $2 WHERE group_id = $1", group_id, began_on
    )


async def add_categories(connection: Raw, group_id: UUID, categories: Sequence[str]) -> None:
    """Let the group keep more categories, after those it has; one that was retired comes back."""
    await connection.execute(
        """
            UPDATE timebank.groups
               SET categories = categories || $2::text[],
                   categories_retired = ARRAY(SELECT c FROM unnest(categories_retired) AS c
                                               WHERE c <> ALL($2::text[]))
             WHERE group_id = $1
        """,
        group_id,
        list(categories),
    )


async def find_member_ids(connection: Raw, group_id: UUID, indexes: Collection[bytes]) -> dict[bytes, UUID]:
    """Return the members with these blind indexes who are here: {index: member}."""
    rows = await connection.fetch(
        """
            SELECT nickname_index, member_id
              FROM people.members
             WHERE group_id = $1
               AND nickname_index = ANY($2::bytea[])
               AND state IN ('active', 'suspended')
        """,
        group_id,
        list(indexes),
    )
    return {row[0]: row[1] for row in rows}


# ---------------------------------------------------------------- which column is which


async def save_columns(
    connection: Raw, group_id: UUID, header_hash: bytes, layout: str, places: Mapping[str, int]
) -> None:
    """Remember which of a header's columns is which, in place of what was remembered before.

    Args:
        places: Our column: the place of theirs from 0, or -1 for none. What they are called is not kept.
    """
    await connection.execute(
        """
            INSERT INTO timebank.import_columns AS c (group_id, header_hash, layout, columns)
            VALUES ($1, $2, $3, $4::text::jsonb)
                ON CONFLICT (group_id, header_hash) DO UPDATE
               SET layout = excluded.layout, columns = excluded.columns
        """,
        group_id,
        header_hash,
        layout,
        json.dumps(places),
    )


async def find_columns(
    connection: Raw, group_id: UUID, header_hash: bytes
) -> tuple[str, dict[str, int]] | None:
    """Return (layout, our column: place of theirs) as it was last said of this header, if ever."""
    row = await connection.fetchrow(
        "SELECT layout, columns::text FROM timebank.import_columns WHERE group_id = $1 AND header_hash = $2",
        group_id,
        header_hash,
    )
    return None if row is None else (row[0], json.loads(row[1]))


# ---------------------------------------------------------------- papers


def seal_words(key: bytes, group_id: UUID, import_id: UUID, words: bytes) -> bytes:
    """Return the box with what files and their columns are called."""
    return seal(key, words, group_id=group_id, table="timebank.imports", row=import_id, column="options")


def open_words(key: bytes, group_id: UUID, import_id: UUID, box: bytes) -> bytes:
    """Return what is in that box."""
    return open_box(key, box, group_id=group_id, table="timebank.imports", row=import_id, column="options")


async def insert_paper(
    connection: Raw,
    key: bytes,
    group_id: UUID,
    import_id: UUID,
    what: str,
    number: int,
    data: bytes,
    *,
    member_id: UUID,
    expires_on: date,
) -> None:
    """Seal and keep a file (or a report, in place of the one before) in parts."""
    if what == "report":
        await connection.execute(
            "DELETE FROM people.import_papers WHERE group_id = $1 AND import_id = $2 AND what = 'report'",
            group_id,
            import_id,
        )
    for part, at in enumerate(range(0, max(1, len(data)), PART_BYTES)):
        box = seal(
            key,
            data[at : at + PART_BYTES],
            group_id=group_id,
            table=_TABLE,
            row=import_id,
            column=f"{what}/{number}/{part}",
        )
        await connection.execute(
            """
                INSERT INTO people.import_papers (group_id, import_id, what, number, part, member_id, box,
                                                  expires_on)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            group_id,
            import_id,
            what,
            number,
            part,
            member_id,
            box,
            expires_on,
        )


async def read_paper(
    connection: Raw, key: bytes, group_id: UUID, import_id: UUID, what: str, number: int
) -> AsyncIterator[bytes]:
    """Give a file part by part; nothing when it is not there, or not any more.

    Raises:
        BoxBrokenError: It was changed, or is not the key's.
    """
    part = 0
    while True:
        box = await connection.fetchval(
            """
                SELECT box
                  FROM people.import_papers
                 WHERE group_id = $1 AND import_id = $2 AND what = $3 AND number = $4 AND part = $5
            """,
            group_id,
            import_id,
            what,
            number,
            part,
        )
        if box is None:
            return
        yield open_box(
            key, box, group_id=group_id, table=_TABLE, row=import_id, column=f"{what}/{number}/{part}"
        )
        part += 1


async def delete_papers(connection: Raw, group_id: UUID, import_id: UUID, *, what: str = "") -> None:
    """Let the files and the report of an import be gone, or only one of the two."""
    await connection.execute(
        """
            DELETE FROM people.import_papers
             WHERE group_id = $1
               AND import_id = $2
               AND $3 IN ('', what)
        """,
        group_id,
        import_id,
        what,
    )


async def delete_expired_papers(connection: Raw, group_id: UUID, *, today: date) -> None:
    """Let papers be gone whose week is over."""
    await connection.execute(
        "DELETE FROM people.import_papers WHERE group_id = $1 AND expires_on < $2", group_id, today
    )
