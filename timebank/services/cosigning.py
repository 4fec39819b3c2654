"""What witnesses say of a group's public log: taken from those whom the host was told of, and shown to everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from timebank.errors import N_, CheckpointNotNewest, MalformedBody, UnknownPage, UnknownWitness
from timebank.ledger.cosignatures import COSIGNATURE, cosignature_verifier, cosigned_at
from timebank.ledger.notes import (
    NotANote,
    Signature,
    Verify,
    parse_note,
    read_verifier_key,
    signature_line,
    verified,
)
from timebank.services.new_keys import published_keys
from timebank.services.public_verify import verify_with
from timebank.services.published import read_public_group
from timebank.services.told import Told, read_told
from timebank.store import public_log as store
from timebank.store.public_log import Cosigned

if TYPE_CHECKING:
    from timebank.rules.publication import PublicGroup
    from timebank.services.house import House

NOT_A_CHECKPOINT: Final = N_("it is no cosigned checkpoint")
NOT_YET: Final = N_("it was signed in the future")

#: Clocks of others may be that far ahead.
_AHEAD: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Checking:
    """What somebody needs to check a book.

    Attributes:
        group: What the group says about itself.
        note: The newest checkpoint.
        log_key: Verifier key that signed it.
        cosigned: Who cosigned what, the last of each.
        told: What the log tells of restores and new keys, latest first.
    """

    group: PublicGroup
    note: str
    log_key: str
    cosigned: tuple[Cosigned, ...]
    told: tuple[Told, ...]


async def read_checking(house: House, slug: str) -> Checking:
    """Return what somebody needs to check a group's book.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Its log has not begun.
    """
    group = (await read_public_group(house.database, slug)).group
    group_id = await house.database.group_id(slug)
    async with house.database.public_read(group_id) as tx:
        found = await store.find_note(tx, group_id)
        cosigned = await store.list_cosigned(tx, group_id)
        # Not the keys of this server: a new one counts from the next close on.
        keys = await published_keys(tx, group_id)
        told = await read_told(tx, group_id)
    if found is None or keys is None:
        raise UnknownPage
    return Checking(group, found[1], keys.log_key, tuple(cosigned), told)


async def take_cosignatures(
    house: House, slug: str, body: bytes, *, witnesses: Sequence[str], now: datetime
) -> int:
    """Keep what known witnesses signed below the newest checkpoint; returns how many of them did.

    Args:
        body: The checkpoint as a signed note, with cosignatures; whatever else is below it is passed over.
        witnesses: Verifier keys of those whom the host was told of.
        now: Aware.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Its log has not begun.
        MalformedBody: It is no note, or a cosignature is wrong or from the future.
        CheckpointNotNewest: It is of another checkpoint.
        UnknownWitness: No known witness has signed it.
    """
    try:
        note = parse_note(body)
    except NotANote as error:
        raise MalformedBody(why=NOT_A_CHECKPOINT) from error
    group_id = await house.database.group_id(slug)
    async with house.database.public_read(group_id) as tx:
        newest = await store.find_note(tx, group_id)
    if newest is None:
        raise UnknownPage
    if parse_note(newest[1]).text != note.text:
        raise CheckpointNotNewest
    known = _verifiers(witnesses)
    if not any((one.name, one.key_id) in known for one in note.signatures):
        raise UnknownWitness
    try:
        good = {one.name: (_said(one), one) for one in verified(note, known)}
    except NotANote as error:
        raise MalformedBody(why=NOT_A_CHECKPOINT) from error
    if any(at > now + _AHEAD for at, _ in good.values()):
        raise MalformedBody(why=NOT_YET)

    async with house.database.tx(group_id) as tx:
        for name, (at, signature) in good.items():
            await store.insert_cosignature(
                tx, group_id, Cosigned(name, newest[0], at), signature_line(signature)
            )
    return len(good)


def _verifiers(witnesses: Sequence[str]) -> dict[tuple[str, bytes], Verify]:
    known = {}
    for line in witnesses:
        name, tag, public = read_verifier_key(line, COSIGNATURE)
        known[name, tag] = cosignature_verifier(partial(verify_with, public))
    return known


def _said(signature: Signature) -> datetime:
    """Return when a cosignature was made; one that no calendar has is in the far future."""
    return datetime.fromtimestamp(min(cosigned_at(signature), 253_402_300_799), UTC)
