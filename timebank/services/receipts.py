"""Receipts: a promise that one's own entry will be published, and after the close the proof that it is."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from timebank.errors import UnknownEntry
from timebank.services import public_log
from timebank.store import public_log as log_store
from timebank.store.checkpoints import receipt_code
from timebank.store.receipts import find_own_entry

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a commitment is in the public log, for anybody to check.

    Attributes:
        index: Place of its leaf, from 0.
        leaf: The bytes of the leaf.
        hashes: Those beside the way up to the root, lowest first (RFC 6962).
        checkpoint: The signed note that has size and root.
    """

    index: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    size: int
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What a commitment was made of: whoever has it can show what the entry says."""

    record: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What somebody can keep of their own entry.

    Attributes:
        promise: Signed note of origin, epoch, commitment and day: it will be published.
        day: Day on which it was recorded, in the group's time zone.
        inclusion: None until a close has published it.
        opening: Only when it was asked for: a receipt shown under pressure must prove nothing about anybody.
    """

    code: str
    commitment: bytes
    day: date
    promise: str
    inclusion: Inclusion | None
    opening: Opening | None


async def read_receipt(house: House, actor: Actor, entry_id: UUID, *, opened: bool) -> Receipt:
    """Return the receipt of an entry that the actor gave, received, logged or drew.

    Raises:
        NeedsScope: The token was not made for reading.
        UnknownEntry: There is none, or it is somebody else's.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        entry = await find_own_entry(
            tx, actor.group_id, entry_id, member_id=actor.member_id, accounts=set(actor.accounts.values())
        )
        if entry is None:
            raise UnknownEntry
        index = await log_store.find_index(tx, actor.group_id, entry.commitment)
        inclusion = None
        if index is not None:
            found = await log_store.find_note(tx, actor.group_id)
            assert found is not None, "a leaf without a checkpoint"
            size, note = found
            (leaf,) = await log_store.list_leaves(tx, actor.group_id, index, index + 1)
            hashes = await public_log.prove_inclusion(tx, actor.group_id, index, size)
            inclusion = Inclusion(index, leaf, hashes, size, note)
    day = entry.recorded_at.astimezone(ZoneInfo(entry.time_zone)).date()
    words = f"{entry.epoch}\n{base64.b64encode(entry.commitment).decode('ascii')}\n{day.isoformat()}\n"
    return Receipt(
        code=receipt_code(entry.commitment),
        commitment=entry.commitment,
        day=day,
        promise=house.checkpoints.sign_promise(actor.group_id, entry.origin, words),
        inclusion=inclusion,
        opening=Opening(entry.record, entry.salt) if opened else None,
    )
