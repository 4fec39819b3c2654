"""The public log grows when a period closes, and begins with its group; nothing else ever touches it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from timebank.config import OperatorError
from timebank.errors import UnknownPage
from timebank.ledger.canonical import canonical
from timebank.ledger.notes import NotANote, parse_checkpoint, parse_note
from timebank.ledger.public_log import (
    GenesisLeaf,
    Leaf,
    LogUnit,
    PeriodLeaf,
    PolicyLeaf,
    PotUnit,
    leaf_bytes,
    read_leaf,
    sorted_leaves,
)
from timebank.ledger.tiles import TILE_WIDTH, Tile, bundle, entries_path, inclusion_from_tiles
from timebank.ledger.tree import Frontier, leaf_hash, root_of
from timebank.rules.set_up import published_terms
from timebank.store import public_log as store
from timebank.store.log_files import KeptPeriod, LogFiles
from timebank.store.public_log import LogHead, NewLeaf, NewNode
from timebank.store.published import find_policy

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.ledger.notes import Checkpoint
    from timebank.services.house import House
    from timebank.store.engine import Database, Tx

# Levels and numbers are short: a log of 2^63 leaves has eight levels.
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|[0-7])/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(slots=True)
class Growth:
    """A log to which leaves are appended in memory, and what is to be written of it.

    Attributes:
        edge: By level, the hashes of the tile at the right edge.
    """

    frontier: Frontier
    edge: list[list[bytes]]
    nodes: list[NewNode]

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Add leaves by their hashes, in order."""
        for hash_ in hashes:
            self.append(hash_)

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


def new_leaves(leaves: Sequence[PeriodLeaf], salts: Sequence[bytes]) -> list[NewLeaf]:
    """Return the leaves of a period as they stand in the log, padding among them; salts as ``sorted_leaves`` takes them."""
    return [new_leaf(leaf) for leaf in sorted_leaves(leaves, salts)]


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
    await asyncio.to_thread(growth.extend, [leaf.hash for leaf in leaves])
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


async def keep_files(house: House, group_id: UUID) -> None:
    """Keep what was published as files beside the keys: what is not kept yet, and the newest checkpoint last."""
    files = LogFiles(house.keys.home)
    async with house.database.read(group_id) as tx:
        head = await store.find_head(tx, group_id)
        missing = [] if head is None else [head.period + 1]
        while missing and missing[-1] > 0 and not files.has(group_id, missing[-1] - 1):
            missing.append(missing[-1] - 1)
    # The earliest first: once a period is kept, those before it are.
    for period in reversed(missing[1:]):
        async with house.database.read(group_id) as tx:
            kept = await _period_of(tx, group_id, period)
        await asyncio.to_thread(files.keep_period, group_id, kept)
    async with house.database.read(group_id) as tx:
        note = await store.find_note(tx, group_id)
    told = newest_kept(files, group_id)
    # A log that is shorter than what was published says nothing here: a restore needs what was.
    if note is not None and (told is None or told.size <= note[0]):
        await asyncio.to_thread(files.keep_checkpoint, group_id, note[1])


def newest_kept(files: LogFiles, group_id: UUID) -> Checkpoint | None:
    """Return what the newest checkpoint says that is kept in files, or None for none."""
    note = files.read_checkpoint(group_id)
    try:
        return None if note is None else parse_checkpoint(parse_note(note).text)
    except NotANote:
        return None


async def is_behind(house: House, tx: Tx, group_id: UUID) -> bool:
    """Return whether a group's log is shorter than what was published here: its database was put back."""
    published, head = newest_kept(LogFiles(house.keys.home), group_id), await store.find_head(tx, group_id)
    return published is not None and published.size > (head.size if head else 0)


async def refuse_behind(house: House, group_id: UUID) -> None:
    """Refuse to go on with a log that is shorter than what was published here.

    Raises:
        OperatorError: It is.
    """
    async with house.database.read(group_id) as tx:
        behind = await is_behind(house, tx, group_id)
        origin = (await store.find_book(tx, group_id)).origin if behind else ""
    if behind:
        raise OperatorError(
            f"More was published of {origin} than its public log has now: an older copy was put back. If you put it back,"
            " run: timebank restore --settle"
        )


async def _period_of(tx: Tx, group_id: UUID, period: int) -> KeptPeriod:
    """Return what is kept of a period that is there."""
    start, end, note = await store.find_period(tx, group_id, period)
    leaves = await store.list_leaves(tx, group_id, start, end)
    texts = {}
    for data in leaves:
        # Most leaves are no policies: only those that could be are read.
        leaf = read_leaf(data) if b'"policy"' in data else None
        if isinstance(leaf, PolicyLeaf):
            policy = await find_policy(tx, group_id, pot=leaf.pot, version=leaf.version)
            assert policy is not None, (leaf.pot, leaf.version)
            texts[leaf.pot, leaf.version] = canonical(published_terms(policy.terms))
    closing = await store.find_closing_record(tx, group_id, read_leaf(leaves[-1]).commitment)
    salts = () if closing is None else json.loads(closing).get("padding", ())
    return KeptPeriod(period, leaves, note, [bytes.fromhex(salt) for salt in salts], texts)


# ---------------------------------------------------------------- reading


async def read_checkpoint(database: Database, slug: str) -> bytes:
    """Return the newest checkpoint of a group's log, a signed note.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Its log has not begun.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        return (await _note(tx, group_id))[1].encode()


async def read_cosignatures(database: Database, slug: str) -> bytes:
    """Return what others signed below the newest checkpoint, a line each; often nothing.

    Raises:
        UnknownGroup, UnknownPage: See read_checkpoint.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        size, _ = await _note(tx, group_id)
        return "".join(await store.list_cosignatures(tx, group_id, size)).encode()


async def read_file(database: Database, slug: str, path: str) -> bytes:
    """Return a tile or a bundle of entries, by its path below the log, such as ``tile/0/x001/234.p/56``.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: There is no such file, or not yet.
    """
    group_id = await database.group_id(slug)
    place = read_path(path)
    if place is None:
        raise UnknownPage
    level, number, width = place
    start = number * TILE_WIDTH
    async with database.public_read(group_id) as tx:
        if level is None:
            rows = await store.list_leaves(tx, group_id, start, start + width)
        else:
            rows = await store.list_hashes(tx, group_id, level, start, start + width)
    if len(rows) < width:
        raise UnknownPage
    return bundle(rows) if level is None else b"".join(rows)


async def prove_inclusion(tx: Tx, group_id: UUID, index: int, size: int) -> tuple[bytes, ...]:
    """Return the hashes that prove a leaf to be in the log of this size: a few tiles are read, whatever its size."""
    files: dict[str, bytes] = {}
    while True:
        try:
            return inclusion_from_tiles(index, size, files.__getitem__)
        except KeyError as missing:
            path = str(missing.args[0])
            place = read_path(path)
            assert place is not None, path
            assert place[0] is not None, path
            level, number, width = place[0], place[1], place[2]
            start = number * TILE_WIDTH
            files[path] = b"".join(await store.list_hashes(tx, group_id, level, start, start + width))


async def read_policy_text(database: Database, slug: str, pot: str, version: int) -> bytes:
    """Return the text of a pot's rules whose hash a leaf has.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: The pot has no such version.
    """
    group_id = await database.group_id(slug)
    async with database.public_read(group_id) as tx:
        policy = await find_policy(tx, group_id, pot=pot, version=version)
    if policy is None:
        raise UnknownPage
    return canonical(published_terms(policy.terms))


def read_path(path: str) -> tuple[int | None, int, int] | None:
    """Return level (None for entries), number and width that a path names; None for what is no path of a log."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level, number, width = found["level"], int(found["number"].replace("/", "").replace("x", "")), TILE_WIDTH
    if found["width"] is not None:
        width = int(found["width"])
    if not 1 <= width <= TILE_WIDTH:
        return None
    right = entries_path(number, width) if level == "entries" else Tile(int(level), number, width).path
    # One spelling only, so that caches and verifiers never see two names of one thing.
    return (None if level == "entries" else int(level), number, width) if path == right else None


async def _note(tx: Tx, group_id: UUID) -> tuple[int, str]:
    found = await store.find_note(tx, group_id)
    if found is None:
        raise UnknownPage
    return found
