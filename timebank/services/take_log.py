"""A public log that somebody else kept, taken as if it had been kept here, where the files beside the keys are gone or damaged."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

from timebank.config import OperatorError
from timebank.errors import UnknownGroup
from timebank.ledger.notes import NotANote, parse_checkpoint, parse_note
from timebank.ledger.public_log import (
    ClosingLeaf,
    GenesisLeaf,
    PolicyLeaf,
    padding_commitment,
    policy_path,
    read_leaf,
)
from timebank.ledger.tiles import NotATile
from timebank.ledger.tree import Frontier, leaf_hash, root_of
from timebank.ledger.witnessing import leaves_from
from timebank.services.log_sources import NoLogError, open_log
from timebank.services.public_log import newest_kept
from timebank.services.public_verify import check_log
from timebank.services.verify import list_books
from timebank.store.closes import find_group_to_close
from timebank.store.log_files import KeptPeriod, LogFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from timebank.ledger.notes import Checkpoint
    from timebank.services.house import House
    from timebank.services.log_sources import LogSource
    from timebank.services.public_verify import LogVerdict


async def take_log(house: House, where: str) -> None:
    """Keep a public log that somebody else has, as if it had been kept here, in the place of what is damaged here.

    A shorter one than is here changes nothing while what is here is whole.

    Args:
        where: Address, archive or folder.

    Raises:
        OperatorError: It is not whole, cannot be read, is of none of the books here, or, being as long as what is
            known here, is not what was published here.
    """
    try:
        with open_log(where) as log:
            verdict = await asyncio.to_thread(check_log, log)
            if not verdict.ok:
                raise OperatorError(f"The public log at {where} is not whole: {verdict.findings[0].what}.")
            group_id = await _group_of(house, verdict.origin, where)
            await asyncio.to_thread(_take, log, LogFiles(house.keys.home), group_id, verdict)
    except NoLogError as error:
        raise OperatorError(str(error)) from error
    except _OtherLogError as error:
        raise OperatorError(
            f"The public log at {where} is not the one of which {error} has the newest checkpoint. If that file is damaged,"
            " take it away first."
        ) from error


class _OtherLogError(Exception):
    """A log does not go on from the checkpoint that is kept; says where that is."""


async def _group_of(house: House, origin: str, where: str) -> UUID:
    for group_id in await list_books(house):
        async with house.database.read(group_id) as tx:
            try:
                group = await find_group_to_close(tx, group_id)
            except UnknownGroup:
                continue
        if group.origin == origin:
            return group_id
    raise OperatorError(f"The public log at {where} is of {origin}, and no book here is.")


def _take(log: LogSource, files: LogFiles, group_id: UUID, verdict: LogVerdict) -> None:
    told = newest_kept(files, group_id)
    size = parse_checkpoint(parse_note(verdict.note).text).size
    if told is not None and told.size > size:
        if _has_whole(files, group_id, told):
            return
    elif told is not None:
        before = islice(_leaves(log, size), told.size)
        if root_of(leaf_hash(data) for data in before) != told.root:
            raise _OtherLogError(files.checkpoint_path(group_id))
    frontier = Frontier()
    for number, leaves in enumerate(_periods(_leaves(log, size))):
        for data in leaves:
            frontier.append(leaf_hash(data))
        policies = [leaf for data in leaves if isinstance(leaf := read_leaf(data), PolicyLeaf)]
        kept = _kept(files, group_id, number)
        if kept is None or not _is_whole(kept, leaves, policies, frontier):
            texts = {
                (leaf.pot, leaf.version): log.read(policy_path(leaf.pot, leaf.version)) or b""
                for leaf in policies
            }
            salts = _salts_of(leaves, files.read_salts(group_id, number))
            files.keep_period(group_id, KeptPeriod(number, leaves, None, salts, texts))
    if told is None or told.size <= size:
        files.keep_checkpoint(group_id, verdict.note.decode())


def _leaves(log: LogSource, size: int) -> Iterator[bytes]:
    return leaves_from(0, size, lambda path: log.read(path) or b"")


def _periods(leaves: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Return a log period by period: what it begins with, and what each closing ends."""
    period: list[bytes] = []
    for data in leaves:
        period.append(data)
        if isinstance(read_leaf(data), ClosingLeaf | GenesisLeaf):
            yield period
            period = []


def _has_whole(files: LogFiles, group_id: UUID, told: Checkpoint) -> bool:
    """Whether the leaves that are kept are those of the newest checkpoint."""
    frontier = Frontier()
    try:
        for kept in files.read_periods(group_id, after=-1):
            for data in kept.leaves:
                frontier.append(leaf_hash(data))
    except NotATile:
        return False
    return (frontier.size, frontier.root()) == (told.size, told.root)


def _kept(files: LogFiles, group_id: UUID, number: int) -> KeptPeriod | None:
    try:
        return files.read_period(group_id, number)
    except NotATile:
        return None


def _is_whole(
    kept: KeptPeriod, leaves: Sequence[bytes], policies: Iterable[PolicyLeaf], frontier: Frontier
) -> bool:
    """Whether what is kept of a period has these leaves, their texts, and a checkpoint of them if any."""
    if kept.leaves != leaves or not all(_has_text(kept, leaf) for leaf in policies):
        return False
    try:
        said = None if kept.note is None else parse_checkpoint(parse_note(kept.note).text)
    except NotANote:
        return False
    return said is None or (said.size, said.root) == (frontier.size, frontier.root())


def _has_text(kept: KeptPeriod, leaf: PolicyLeaf) -> bool:
    text = kept.texts.get((leaf.pot, leaf.version))
    return text is not None and sha256(text).digest() == leaf.text_hash


def _salts_of(leaves: Iterable[bytes], salts: Iterable[bytes]) -> list[bytes]:
    """Return those of the salts that a period has padding of: nobody else has them."""
    commitments = {read_leaf(data).commitment for data in leaves}
    return [salt for salt in salts if len(salt) == 32 and padding_commitment(salt) in commitments]
