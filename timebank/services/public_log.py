"""The public log grows when a period closes, and begins with its group; nothing else ever touches it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timebank.ledger.public_log import (
    GenesisLeaf,
    Leaf,
    LogUnit,
    PotUnit,
    leaf_bytes,
)
from timebank.ledger.tiles import TILE_WIDTH
from timebank.ledger.tree import Frontier, leaf_hash, root_of
from timebank.store import public_log as store
from timebank.store.public_log import LogHead, NewLeaf, NewNode

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Tx


@dataclass(slots=True)
class Growth:
    """A log to which leaves are appended in memory, and what is to be written of it.

    Attributes:
        edge: By level, the hashes of the tile at the right edge.
    """

    frontier: Frontier
    edge: list[list[bytes]]
    nodes: list[NewNode]

    def append(self, hash_: bytes) -> None:
        """Add a leaf by its hash; each tile that fills gives a hash to the level above."""
        self.frontier.append(hash_)
        for level in range(len(self.edge) + 1):
            if level == len(self.edge):
                self.edge.append([])
            row = self.edge[level]
            row.append(hash_)
            if len(row) < TILE_WIDTH:
                return
            hash_ = root_of(row)
            place = (self.frontier.size >> 8 * (level + 1)) - 1
            self.nodes.append(NewNode(level + 1, place, hash_))
            self.edge[level] = []


def new_leaf(leaf: Leaf) -> NewLeaf:
    """Return a leaf with its bytes and its hash."""
    data = leaf_bytes(leaf)
    return NewLeaf(leaf.commitment, data, leaf_hash(data))


async def take_up(tx: Tx, group_id: UUID, head: LogHead) -> Growth:
    """Return a log where it ends, ready to grow: O(log n) hashes are read."""
    edge = []
    level = 0
    while head.size >> 8 * level:
        count = head.size >> 8 * level
        edge.append(await store.list_hashes(tx, group_id, level, count - count % TILE_WIDTH, count))
        level += 1
    return Growth(Frontier.from_bytes(head.size, head.frontier), edge, [])


async def append(tx: Tx, group_id: UUID, growth: Growth, *, period: int, leaves: Sequence[NewLeaf]) -> None:
    """Append leaves; the checkpoint that makes them count comes with ``freeze``."""
    first = growth.frontier.size
    for leaf in leaves:
        growth.append(leaf.hash)
    await store.insert_leaves(tx, group_id, period=period, first_index=first, leaves=leaves)
    await store.insert_nodes(tx, group_id, growth.nodes)
    growth.nodes = []


async def freeze(
    house: House, tx: Tx, group_id: UUID, growth: Growth, *, origin: str, period: int
) -> LogHead:
    """Sign what a log has now; it stays so until the next close."""
    frontier = growth.frontier
    head = LogHead(period, frontier.size, frontier.to_bytes())
    note = house.checkpoints.sign_log(group_id, origin, frontier.size, frontier.root())
    await store.insert_checkpoint(tx, group_id, head, note)
    return head


async def make_keys(house: House, group_id: UUID) -> None:
    """Make the keys of a group's log, unless they are there; it waits for the disk."""
    await asyncio.to_thread(house.keys.create_log_keys, group_id)


async def begin(house: House, tx: Tx, group_id: UUID) -> LogHead:
    """Write the first leaf of a group's log, in clear, and its first checkpoint.

    The book has its first record, and the log its keys.
    """
    book = await store.find_book(tx, group_id)
    log_key, live_key = house.checkpoints.log_keys(group_id, book.origin)
    leaf = GenesisLeaf(
        commitment=book.commitment,
        origin=book.origin,
        book=book.book_id,
        units=tuple(
            sorted(LogUnit(str(u["code"]), int(str(u["digits"])), str(u["kind"])) for u in book.units)
        ),
        pots=tuple(PotUnit(*pot) for pot in book.pots),
        preset=book.preset,
        log_key=log_key,
        live_key=live_key,
        recovery=house.checkpoints.recovery_hash(group_id),
    )
    growth = Growth(Frontier(), [], [])
    await append(tx, group_id, growth, period=0, leaves=[new_leaf(leaf)])
    return await freeze(house, tx, group_id, growth, origin=book.origin, period=0)
