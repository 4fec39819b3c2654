"""What a public log tells of itself in clear: that its book was put back from a backup, and that it changed its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.ledger.public_log import ClosingLeaf, KeyLeaf, RestoredLeaf, read_leaf
from timebank.rules.publication import PublicNewKey, PublicRestore
from timebank.store import public_log as store

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.store.engine import Tx

Told = PublicRestore | PublicNewKey


async def read_told(tx: Tx, group_id: UUID) -> tuple[Told, ...]:
    """Return what a log tells of restores and of keys that sign it, latest first; it costs the same however long the log is."""
    found: list[Told] = []
    for data, closing in await store.list_told(tx, group_id):
        leaf, end = read_leaf(data), read_leaf(closing)
        if not isinstance(end, ClosingLeaf):
            continue
        if isinstance(leaf, RestoredLeaf):
            found.append(PublicRestore(end.last_day, leaf.lost))
        elif isinstance(leaf, KeyLeaf) and not leaf.old.partition("+")[0].endswith("/live"):
            found.append(PublicNewKey(end.last_day, by_paper=bool(leaf.recovery)))
    return tuple(found)
