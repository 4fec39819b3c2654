"""The public log in SQL: leaves, the hashes above them, and a signed checkpoint for each period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx

PAGE: Final = 5_000


class LogHead(NamedTuple):
    """Where a log ends: its last period (0 is the one it begins with), size, and right edge."""

    period: int
    size: int
    frontier: bytes


class NewLeaf(NamedTuple):
    """A leaf about to be appended; ``hash`` is its RFC 6962 hash."""

    commitment: bytes
    leaf: bytes
    hash: bytes


class NewNode(NamedTuple):
    """The root of a whole subtree: one hash of a tile of this level."""

    level: int
    place: int
    hash: bytes


class Book(NamedTuple):
    """What the first leaf says of a book; ``units`` as they are published."""

    origin: str
    book_id: bytes
    preset: str
    units: list[dict[str, object]]
    pots: list[tuple[str, str]]
    commitment: bytes


async def find_head(tx: Tx, group_id: UUID) -> LogHead | None:
    """Return where a group's log ends, or None before it begins."""
    row = (
        await tx.execute(
            text("""
                SELECT period, size, frontier
                  FROM timebank.published_checkpoints
                 WHERE group_id = :group_id
              ORDER BY period DESC
                 LIMIT 1
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    return None if row is None else LogHead(row.period, row.size, bytes(row.frontier))


async def find_book(tx: Tx, group_id: UUID) -> Book:
    """Return what the first leaf of a log says; the book has its first record."""
    row = (
        await tx.execute(
            text("""
                SELECT g.origin, g.book_id, g.preset, p.units, r.commitment
                  FROM timebank.groups AS g
                  JOIN timebank.published_groups AS p ON p.group_id = g.group_id
                  JOIN timebank.records AS r ON r.group_id = g.group_id AND r.seq = 1
                 WHERE g.group_id = :group_id
            """),
            {"group_id": group_id},
        )
    ).one()
    pots = await tx.execute(
        text("SELECT code, unit FROM timebank.pots WHERE group_id = :group_id"), {"group_id": group_id}
    )
    return Book(
        origin=row.origin,
        book_id=bytes(row.book_id),
        preset=row.preset,
        units=row.units,
        pots=sorted((pot.code, pot.unit) for pot in pots),
        commitment=bytes(row.commitment),
    )


async def find_commitment(tx: Tx, group_id: UUID, seq: int) -> bytes:
    """Return the commitment of a record that is there."""
    found = await tx.scalar(
        text("SELECT commitment FROM timebank.records WHERE group_id = :group_id AND seq = :seq"),
        {"group_id": group_id, "seq": seq},
    )
    assert found is not None, seq
    return bytes(found)


async def list_hashes(tx: Tx, group_id: UUID, level: int, start: int, end: int) -> list[bytes]:
    """Return hashes of a level, from ``start`` to before ``end``, in order; level 0 has those of leaves."""
    if level == 0:
        statement = """
            SELECT hash
              FROM timebank.published_leaves
             WHERE group_id = :group_id
               AND leaf_index >= :start
               AND leaf_index < :end
          ORDER BY leaf_index
        """
    else:
        statement = """
            SELECT hash
              FROM timebank.published_nodes
             WHERE group_id = :group_id
               AND level = :level
               AND node_index >= :start
               AND node_index < :end
          ORDER BY node_index
        """
    values = {"group_id": group_id, "start": start, "end": end}
    rows = await tx.execute(text(statement), values | ({"level": level} if level else {}))
    return [bytes(found) for found in rows.scalars()]


async def list_leaves(tx: Tx, group_id: UUID, start: int, end: int) -> list[bytes]:
    """Return leaves from ``start`` to before ``end``, in order."""
    rows = await tx.execute(
        text("""
            SELECT leaf
              FROM timebank.published_leaves
             WHERE group_id = :group_id
               AND leaf_index >= :start
               AND leaf_index < :end
          ORDER BY leaf_index
        """),
        {"group_id": group_id, "start": start, "end": end},
    )
    return [bytes(leaf) for leaf in rows.scalars()]


async def find_last_leaf(tx: Tx, group_id: UUID, size: int) -> bytes:
    """Return the last leaf of a log of this size, which is a closing or the first leaf."""
    (leaf,) = await list_leaves(tx, group_id, size - 1, size)
    return leaf


async def find_index(tx: Tx, group_id: UUID, commitment: bytes) -> int | None:
    """Return where the leaf of a record is, or None while it is not published."""
    found: int | None = await tx.scalar(
        text("""
            SELECT leaf_index
              FROM timebank.published_leaves
             WHERE group_id = :group_id
               AND commitment = :commitment
        """),
        {"group_id": group_id, "commitment": commitment},
    )
    return found


async def find_note(tx: Tx, group_id: UUID) -> tuple[int, str] | None:
    """Return size and signed note of the newest checkpoint, or None before the log begins."""
    row = (
        await tx.execute(
            text("""
                SELECT size, note
                  FROM timebank.published_checkpoints
                 WHERE group_id = :group_id
              ORDER BY period DESC
                 LIMIT 1
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    return None if row is None else (row.size, row.note)


async def find_note_of(tx: Tx, group_id: UUID, period: int) -> str | None:
    """Return the signed note of the checkpoint that a closed period ended with; None for one of before the log.

    Args:
        period: Numbered as pages are. A log counts its own, but both end with the last close.
    """
    note: str | None = await tx.scalar(
        text("""
            SELECT note
              FROM timebank.published_checkpoints
             WHERE group_id = :group_id
               AND period > 0
               AND period = :period
                            + (SELECT max(period) FROM timebank.published_checkpoints WHERE group_id = :group_id)
                            - (SELECT max(period) FROM timebank.published_periods WHERE group_id = :group_id)
        """),
        {"group_id": group_id, "period": period},
    )
    return note


async def list_sizes(tx: Tx, group_id: UUID, *, before: int, limit: int) -> list[tuple[int, int]]:
    """Return (period, size after it) of periods before a number, newest first."""
    rows = await tx.execute(
        text("""
            SELECT period, size
              FROM timebank.published_checkpoints
             WHERE group_id = :group_id
               AND period < :before
          ORDER BY period DESC
             LIMIT :limit
        """),
        {"group_id": group_id, "before": before, "limit": limit},
    )
    return [(row.period, row.size) for row in rows]


async def find_period(tx: Tx, group_id: UUID, period: int) -> tuple[int, int, str]:
    """Return where the leaves of a period that is there begin and end, and the note that was signed then."""
    row = (
        await tx.execute(
            text("""
                SELECT size, note,
                       (SELECT COALESCE(max(b.size), 0)
                          FROM timebank.published_checkpoints AS b
                         WHERE b.group_id = :group_id
                           AND b.period < :period) AS start
                  FROM timebank.published_checkpoints
                 WHERE group_id = :group_id
                   AND period = :period
            """),
            {"group_id": group_id, "period": period},
        )
    ).one()
    return row.start, row.size, row.note


async def find_closing_record(tx: Tx, group_id: UUID, commitment: bytes) -> bytes | None:
    """Return the record of a closing by its commitment, or None if the book has it no more."""
    found = await tx.scalar(
        text("""
            SELECT record
              FROM timebank.records
             WHERE group_id = :group_id
               AND kind = 'closing'
               AND commitment = :commitment
        """),
        {"group_id": group_id, "commitment": commitment},
    )
    return None if found is None else bytes(found)


async def list_key_leaves(tx: Tx, group_id: UUID) -> list[bytes]:
    """Return every leaf in which a log changed a key, in order."""
    rows = await tx.execute(
        text("""
            SELECT leaf
              FROM timebank.published_leaves
             WHERE group_id = :group_id
               AND (position('"kind":"key"'::bytea IN leaf) > 0
                    OR position('"kind":"restored"'::bytea IN leaf) > 0)
          ORDER BY leaf_index
        """),
        {"group_id": group_id},
    )
    return [bytes(leaf) for leaf in rows.scalars()]


async def list_key_records(tx: Tx, group_id: UUID) -> list[bytes]:
    """Return every record of a new key, in order."""
    rows = await tx.execute(
        text("""
            SELECT record
              FROM timebank.records
             WHERE group_id = :group_id
               AND kind = 'key'
          ORDER BY seq
        """),
        {"group_id": group_id},
    )
    return [bytes(record) for record in rows.scalars()]


async def list_told(tx: Tx, group_id: UUID) -> list[tuple[bytes, bytes]]:
    """Return the last leaves of new keys and restores, each with the last leaf of its period; 50 at most."""
    told = (
        await tx.execute(
            text("""
                SELECT leaf, period
                  FROM timebank.published_leaves
                 WHERE group_id = :group_id
                   AND (position('"kind":"key"'::bytea IN leaf) > 0
                        OR position('"kind":"restored"'::bytea IN leaf) > 0)
              ORDER BY leaf_index DESC
                 LIMIT 50
            """),
            {"group_id": group_id},
        )
    ).all()
    if not told:
        return []
    # Not in one statement: a planner that expects many leaves would read all of them.
    sizes = await tx.execute(
        text("""
            SELECT period, size
              FROM timebank.published_checkpoints
             WHERE group_id = :group_id
               AND period = ANY(CAST(:periods AS integer[]))
        """),
        {"group_id": group_id, "periods": sorted({row.period for row in told})},
    )
    ends = {row.period: row.size - 1 for row in sizes}
    rows = await tx.execute(
        text("""
            SELECT leaf_index, leaf
              FROM timebank.published_leaves
             WHERE group_id = :group_id
               AND leaf_index = ANY(CAST(:places AS bigint[]))
        """),
        {"group_id": group_id, "places": list(ends.values())},
    )
    leaves = {row.leaf_index: bytes(row.leaf) for row in rows}
    return [(bytes(row.leaf), leaves[ends[row.period]]) for row in told]


async def list_cosignatures(tx: Tx, group_id: UUID, size: int) -> list[str]:
    """Return the lines of everybody who cosigned the checkpoint of this size, by name."""
    rows = await tx.execute(
        text("""
            SELECT line
              FROM timebank.published_cosignatures
             WHERE group_id = :group_id
               AND size = :size
          ORDER BY name COLLATE "C"
        """),
        {"group_id": group_id, "size": size},
    )
    return list(rows.scalars())


class Cosigned(NamedTuple):
    """That somebody cosigned a checkpoint of this size; ``said`` is ``witnessed`` or ``audited``."""

    name: str
    size: int
    cosigned_at: datetime
    said: str


async def list_cosigned(tx: Tx, group_id: UUID) -> list[Cosigned]:
    """Return the last checkpoint that each witness and auditor cosigned, by name; 50 names at most."""
    rows = await tx.execute(
        text("""
            SELECT DISTINCT ON (name COLLATE "C") name, size, cosigned_at, said
              FROM timebank.published_cosignatures
             WHERE group_id = :group_id
          ORDER BY name COLLATE "C", size DESC
             LIMIT 50
        """),
        {"group_id": group_id},
    )
    return [Cosigned(*row) for row in rows]


async def insert_cosignature(tx: Tx, group_id: UUID, cosigned: Cosigned, line: str) -> None:
    """Keep a cosignature; the first one of a name for a checkpoint stays."""
    await tx.execute(
        text("""
            INSERT INTO timebank.published_cosignatures (group_id, size, name, line, cosigned_at, said)
            VALUES (:group_id, :size, :name, :line, :cosigned_at, :said)
            ON CONFLICT (group_id, size, name) DO NOTHING
        """),
        {"group_id": group_id, **cosigned._asdict(), "line": line},
    )


async def list_ends(tx: Tx, group_id: UUID, sizes: Collection[int]) -> dict[int, bytes]:
    """Return the last leaf of logs of these sizes; that of a closing says until which day it is."""
    rows = await tx.execute(
        text("""
            SELECT leaf_index + 1 AS size, leaf
              FROM timebank.published_leaves
             WHERE group_id = :group_id
               AND leaf_index = ANY(CAST(:places AS bigint[]))
        """),
        {"group_id": group_id, "places": [size - 1 for size in sizes]},
    )
    return {row.size: bytes(row.leaf) for row in rows}


async def insert_leaves(
    tx: Tx, group_id: UUID, *, period: int, first_index: int, leaves: Sequence[NewLeaf]
) -> None:
    """Append leaves, some thousands at a time.

    Raises:
        IntegrityError: A commitment is in the log already.
    """
    for start in range(0, len(leaves), PAGE):
        page = leaves[start : start + PAGE]
        await tx.execute(
            text("""
                INSERT INTO timebank.published_leaves (group_id, leaf_index, period, commitment, leaf, hash)
                SELECT :group_id, :first_index + new.at - 1, :period, new.commitment, new.leaf, new.hash
                  FROM unnest(CAST(:commitments AS bytea[]), CAST(:leaves AS bytea[]), CAST(:hashes AS bytea[]))
                  WITH ORDINALITY AS new (commitment, leaf, hash, at)
            """),
            {
                "group_id": group_id,
                "first_index": first_index + start,
                "period": period,
                "commitments": [leaf.commitment for leaf in page],
                "leaves": [leaf.leaf for leaf in page],
                "hashes": [leaf.hash for leaf in page],
            },
        )


async def insert_nodes(tx: Tx, group_id: UUID, nodes: Sequence[NewNode]) -> None:
    """Append the roots of subtrees that became whole."""
    if not nodes:
        return
    await tx.execute(
        text("""
            INSERT INTO timebank.published_nodes (group_id, level, node_index, hash)
            SELECT :group_id, new.*
              FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[]), CAST(:hashes AS bytea[]))
                AS new
        """),
        {
            "group_id": group_id,
            "levels": [node.level for node in nodes],
            "indexes": [node.place for node in nodes],
            "hashes": [node.hash for node in nodes],
        },
    )


async def insert_checkpoint(tx: Tx, group_id: UUID, head: LogHead, note: str) -> None:
    """Freeze a period with its signed checkpoint."""
    await tx.execute(
        text("""
            INSERT INTO timebank.published_checkpoints (group_id, period, size, frontier, note)
            VALUES (:group_id, :period, :size, :frontier, :note)
        """),
        {"group_id": group_id, **head._asdict(), "note": note},
    )
