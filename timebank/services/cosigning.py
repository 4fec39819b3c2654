"""What witnesses and auditors say of a group's public log: taken from those who are known, and shown to everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

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
from timebank.ledger.public_log import ClosingLeaf, read_leaf
from timebank.rules.settings import taken
from timebank.services.new_keys import published_keys
from timebank.services.public_verify import verify_with
from timebank.services.published import read_public_group
from timebank.services.told import Told, read_told
from timebank.store import public_log as store
from timebank.store.auditors import list_keys, list_witnesses
from timebank.store.public_log import Cosigned
from timebank.store.published import find_last_period

if TYPE_CHECKING:
    from timebank.rules.publication import PublicGroup
    from timebank.services.house import House

NOT_A_CHECKPOINT: Final = N_("it is no cosigned checkpoint")
WITNESSED: Final = "witnessed"
AUDITED: Final = "audited"
NOT_YET: Final = N_("it was signed in the future")

#: Clocks of others may be that far ahead.
_AHEAD: Final = timedelta(minutes=5)


class Said(NamedTuple):
    """What somebody cosigned.

    Attributes:
        audited: Whether as an auditor, who opened every record up to there; else as a witness.
        size: Leaves of the log.
        until: Last day of the period that it ends with; None before the first close.
    """

    name: str
    audited: bool
    size: int
    until: date | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Checking:
    """What somebody needs to check a book.

    Attributes:
        group: What the group says about itself.
        period: Number of the newest page; 0 before the first close.
        note: The newest checkpoint.
        log_key: Verifier key that signed it.
        said: Who cosigned what, the last of each.
        told: What the log tells of restores and new keys, latest first.
    """

    group: PublicGroup
    period: int
    note: str
    log_key: str
    said: tuple[Said, ...]
    told: tuple[Told, ...]

    @property
    def witnessed(self) -> tuple[Said, ...]:
        """What witnesses said."""
        return tuple(one for one in self.said if not one.audited)

    @property
    def audited(self) -> tuple[Said, ...]:
        """What auditors said."""
        return tuple(one for one in self.said if one.audited)


async def read_checking(house: House, slug: str) -> Checking:
    """Return what somebody needs to check a group's book.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Its log has not begun.
    """
    group = (await read_public_group(house.database, slug)).group
    group_id = await house.database.group_id(slug)
    async with house.database.public_read(group_id) as tx:
        period = await find_last_period(tx, group_id)
        found = await store.find_note(tx, group_id)
        cosigned = await store.list_cosigned(tx, group_id)
        ends = await store.list_ends(tx, group_id, {one.size for one in cosigned})
        # Not the keys of this server: a new one counts from the next close on.
        keys = await published_keys(tx, group_id)
        told = await read_told(tx, group_id)
    if found is None or keys is None:
        raise UnknownPage
    said = tuple(
        Said(one.name, one.said == AUDITED, one.size, _last_day(ends[one.size]), one.cosigned_at)
        for one in cosigned
    )
    return Checking(group, period.period if period else 0, found[1], keys.log_key, said, told)


async def take_cosignatures(
    house: House, slug: str, body: bytes, *, witnesses: Sequence[str], now: datetime
) -> int:
    """Keep what known witnesses and auditors signed below the newest checkpoint; returns how many of them did.

    Known are the auditors who introduced a key, and the witnesses that the group chose; if it chose none, its host's.

    Args:
        body: The checkpoint as a signed note, with cosignatures; whatever else is below it is passed over.
        witnesses: Verifier keys of those whom the host was told of, for groups that chose none.
        now: Aware.

    Raises:
        UnknownGroup: No group has this address.
        UnknownPage: Its log has not begun.
        MalformedBody: It is no note, or a cosignature is wrong or from the future.
        CheckpointNotNewest: It is of another checkpoint.
        UnknownWitness: Nobody who is known has signed it.
    """
    try:
        note = parse_note(body)
    except NotANote as error:
        raise MalformedBody(why=NOT_A_CHECKPOINT) from error
    group_id = await house.database.group_id(slug)
    async with house.database.public_read(group_id) as tx:
        newest = await store.find_note(tx, group_id)
    async with house.database.read(group_id) as tx:
        auditors = await list_keys(tx, group_id, now=now)
        chosen = await list_witnesses(tx, group_id)
    if newest is None:
        raise UnknownPage
    if parse_note(newest[1]).text != note.text:
        raise CheckpointNotNewest
    witnesses = chosen or witnesses
    # A host can be told of a witness afterwards. Whoever is one says less than an auditor, so that is what counts.
    auditors = [key for key in auditors if not taken(key, witnesses)]
    known = _verifiers([*witnesses, *auditors])
    by_auditors = {read_verifier_key(key, COSIGNATURE)[:2] for key in auditors}
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
            said = AUDITED if (name, signature.key_id) in by_auditors else WITNESSED
            await store.insert_cosignature(
                tx, group_id, Cosigned(name, newest[0], at, said), signature_line(signature)
            )
    return len(good)


def _last_day(leaf: bytes) -> date | None:
    closing = read_leaf(leaf)
    return closing.last_day if isinstance(closing, ClosingLeaf) else None


def _verifiers(witnesses: Sequence[str]) -> dict[tuple[str, bytes], Verify]:
    known = {}
    for line in witnesses:
        name, tag, public = read_verifier_key(line, COSIGNATURE)
        known[name, tag] = cosignature_verifier(partial(verify_with, public))
    return known


def _said(signature: Signature) -> datetime:
    """Return when a cosignature was made; one that no calendar has is in the far future."""
    return datetime.fromtimestamp(min(cosigned_at(signature), 253_402_300_799), UTC)
