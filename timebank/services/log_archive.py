"""A public log as one ZIP file, with the files that its host serves: for whoever checks it elsewhere, or later."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

from timebank.ledger.notes import parse_checkpoint, parse_note
from timebank.ledger.public_log import CHECKPOINT_PATH, COSIGNATURES_PATH, PolicyLeaf, policy_path, read_leaf
from timebank.ledger.tiles import entries_path, levels, new_tiles_at, read_bundle, tiles_at
from timebank.services import public_log
from timebank.services.log_sources import FOLDER

if TYPE_CHECKING:
    from timebank.store.engine import Database

#: The same log gives the same bytes.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

Show = Callable[[str, int, int], None]


async def write_log(database: Database, slug: str, out: BinaryIO, *, show: Show) -> None:
    """Write a group's public log as of its newest checkpoint, file by file; memory stays flat.

    Args:
        database: Read as the public reads it.
        slug: Of the group.
        out: Need not be seekable.
        show: Is told how many leaves are written, and of how many.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Its log has not begun.
    """
    note = await public_log.read_checkpoint(database, slug)
    size = parse_checkpoint(parse_note(note).text).size
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:

        def put(path: str, data: bytes) -> None:
            info = zipfile.ZipInfo(f"{FOLDER}/{path}", _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, data)

        put(CHECKPOINT_PATH, note)
        cosigned = await public_log.read_cosignatures(database, slug)
        if cosigned:
            put(COSIGNATURES_PATH, cosigned)
        done = 0
        written: set[tuple[str, int]] = set()
        for tile in tiles_at(size, 0):
            path = entries_path(tile.number, tile.width)
            data = await public_log.read_file(database, slug, path)
            put(path, data)
            for entry in read_bundle(data, tile.width):
                # Most leaves are no policies: only those that could be are read.
                leaf = read_leaf(entry) if b'"policy"' in entry else None
                # Rules that a restore lost and brought back have two leaves and one text.
                if isinstance(leaf, PolicyLeaf) and (leaf.pot, leaf.version) not in written:
                    written.add((leaf.pot, leaf.version))
                    text = await public_log.read_policy_text(database, slug, leaf.pot, leaf.version)
                    put(policy_path(leaf.pot, leaf.version), text)
            done += tile.width
            show("leaves", done, size)
        for level in levels(size):
            for tile in new_tiles_at(0, size, level):
                put(tile.path, await public_log.read_file(database, slug, tile.path))
