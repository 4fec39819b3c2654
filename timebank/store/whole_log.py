"""Reading a group's public log to check it against its book: one cut, then leaf by leaf."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from timebank.store.audit import looking

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.store.engine import Raw

PAGE: Final = 4_000
_CUT_SECONDS: Final = 300


class CheckpointRow(NamedTuple):
    """What stands in the database of one period of a log."""

    period: int
    size: int
    frontier: bytes
    note: str


class LeafRow(NamedTuple):
    """A leaf as it stands in the database."""

    at: int
    period: int
    commitment: bytes
    leaf: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class LogCut:
    """A log and what it must be of, at one moment.

    Attributes:
        leaves: How many there are, of whatever period.
        nodes: Roots of whole subtrees, by level and place.
        nodes_twice: How many of them are there once more.
        terms: What is published of each version of rules, by pot and version.
        lost: The first record with which the log or a period of it should begin or end; None if all do.
        unexplained: Leaves that are of no record: padding, and what a restore lost.
        closings: Records of closings, in order.
        restored: Records of restores.
        new_keys: Records of keys that no close has published.
    """

    checkpoints: list[CheckpointRow]
    leaves: int
    nodes: dict[tuple[int, int], bytes]
    nodes_twice: int
    terms: dict[tuple[str, int], Any]
    lost: int | None
    unexplained: dict[bytes, int]
    closings: list[bytes]
    restored: list[bytes]
    new_keys: list[bytes]


_THROUGH: Final = "(SELECT coalesce(max(through_seq), 0) FROM timebank.closes WHERE group_id = $1)"
# A closing from before there was a log says nothing of padding, and has no leaf. Others of the book are looked
# at page by page, by rules.log_audit.
_LOST: Final = """
    SELECT min(r.seq)
      FROM timebank.records AS r
 LEFT JOIN timebank.published_leaves AS l
        ON l.group_id = r.group_id
       AND l.commitment = r.commitment
     WHERE r.group_id = $1
       AND l.commitment IS NULL
       AND (r.kind = 'genesis' OR (r.kind = 'closing' AND position('"padding"'::bytea IN r.record) > 0))
"""
# A set operation has one plan; as a join this once looked through all records for each leaf.
_UNEXPLAINED: Final = """
    WITH unexplained AS MATERIALIZED (
        SELECT commitment FROM timebank.published_leaves WHERE group_id = $1
        EXCEPT
        SELECT commitment FROM timebank.records WHERE group_id = $1
    )
    SELECT l.commitment, l.leaf_index
      FROM timebank.published_leaves AS l
      JOIN unexplained AS u ON u.commitment = l.commitment
     WHERE l.group_id = $1
"""
_OTHERS: Final = f"""
    SELECT kind, record
      FROM timebank.records
     WHERE group_id = $1
       AND (kind IN ('closing', 'restored') OR (kind = 'key' AND seq > {_THROUGH}))
  ORDER BY seq
"""


async def take_log_cut(connection: Raw, group_id: UUID) -> LogCut:
    """Return a log and what it must be of, at one moment."""
    async with looking(connection, group_id, "REPEATABLE READ"):
        await connection.execute(f"SET LOCAL statement_timeout = '{_CUT_SECONDS}s'")
        # In a table that nobody analysed yet the planner guesses few leaves, and would look through all records for each.
        await connection.execute("SET LOCAL enable_nestloop = off")
        notes = await connection.fetch(
            "SELECT period, size, frontier, note FROM timebank.published_checkpoints WHERE group_id = $1"
            " ORDER BY period, size",
            group_id,
        )
        nodes = await connection.fetch(
            "SELECT level, node_index, hash FROM timebank.published_nodes WHERE group_id = $1", group_id
        )
        terms = await connection.fetch(
            "SELECT pot, version, terms::text FROM timebank.published_policies WHERE group_id = $1", group_id
        )
        others: dict[str, list[bytes]] = {"closing": [], "restored": [], "key": []}
        for kind, record in await connection.fetch(_OTHERS, group_id):
            others[kind].append(record)
        return LogCut(
            checkpoints=[CheckpointRow(*row) for row in notes],
            leaves=await connection.fetchval(
                "SELECT count(*) FROM timebank.published_leaves WHERE group_id = $1", group_id
            ),
            nodes={(level, place): hash_ for level, place, hash_ in nodes},
            nodes_twice=len(nodes) - len({(level, place) for level, place, _ in nodes}),
            terms={(pot, version): msgspec.json.decode(text) for pot, version, text in terms},
            lost=await connection.fetchval(_LOST, group_id),
            unexplained=dict(map(tuple, await connection.fetch(_UNEXPLAINED, group_id))),
            closings=others["closing"],
            restored=others["restored"],
            new_keys=others["key"],
        )


async def list_log(connection: Raw, group_id: UUID, period: int) -> AsyncIterator[list[LeafRow]]:
    """Yield the leaves of all periods up to this one, page by page."""
    after = -(2**62)
    while True:
        async with looking(connection, group_id):
            rows = await connection.fetch(
                "SELECT leaf_index, period, commitment, leaf, hash FROM timebank.published_leaves"
                " WHERE group_id = $1 AND leaf_index >= $2 AND (period <= $3 OR leaf_index < 0)"
                " ORDER BY leaf_index LIMIT $4",
                group_id,
                after,
                period,
                PAGE,
            )
        yield [LeafRow(*row) for row in rows]
        if len(rows) < PAGE:
            return
        after = rows[-1]["leaf_index"] + 1
