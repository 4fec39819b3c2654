"""After a database was put back: people who were erased since are erased again, and the book says where it goes on.

Everything here may be done again; what is done already is found done. ``settle`` is for whoever restores,
``settle_at_start`` for every start of the server, since a database can be put back without us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from timebank.config import OperatorError
from timebank.ledger.canonical import parse
from timebank.ledger.notes import Checkpoint, NotANote, parse_checkpoint, parse_note
from timebank.services.new_keys import settle_keys
from timebank.services.public_log import is_behind, keep_files, refuse_behind
from timebank.services.republish import republish
from timebank.services.verify import list_books
from timebank.store import erasures as store
from timebank.store.groups import bump_setup_version, find_checkpoint
from timebank.store.invitations import revoke_all_of
from timebank.store.join_requests import decide_request
from timebank.store.members import erase_member_rows, open_accounts

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.engine import Tx


class Settled(NamedTuple):
    """What settling one group came to.

    Attributes:
        erased: How many people were erased again.
        epoch: The epoch that the book goes on in if a record says that it was restored, else 0.
        lost: How many records are gone for good: signed once and in no book any more; None if nobody can know.
        without_key: How many people cannot be read, although nobody erased them.
        published_lost: How many records of the public log the book does not have any more.
    """

    group_id: UUID
    slug: str
    erased: int
    epoch: int
    lost: int | None
    without_key: int
    published_lost: int


class _WentOn(NamedTuple):
    """Where a book goes on; see Settled."""

    epoch: int
    lost: int | None
    published_lost: int


class _Erased(NamedTuple):
    """What replaying the list of the erased came to."""

    people: int
    without_key: int


async def settle(house: House, beside: Checkpoints, *, now: datetime) -> list[Settled]:
    """Make a database that was put back fit to go on, group by group.

    Unless the last checkpoint that was signed is known, and is exactly of the end of the book, records may have been signed
    that this book does not have: then it says so by a record and goes on in the next epoch.

    Args:
        beside: The checkpoints that are kept beside the keys; they are read here and not changed.
    """
    settled = []
    for group_id, slug in (await list_books(house)).items():
        kept = _parsed(beside.read_kept(group_id))
        known = beside.read_epoch(group_id)
        on = await _go_on(house, group_id, kept, newest=beside.is_newest(group_id), known=known, now=now)
        erased = await replay_erasures(house, group_id, now=now)
        settled.append(
            Settled(group_id, slug, erased.people, on.epoch, on.lost, erased.without_key, on.published_lost)
        )
    return settled


async def settle_at_start(house: House, *, now: datetime) -> int:
    """Erase again whoever a database that was put back still has; return how many.

    Raises:
        OperatorError: A book is older than what was signed here, and no record says that it was restored.
    """
    again = 0
    for group_id, slug in (await list_books(house)).items():
        kept = _parsed(house.checkpoints.read_kept(group_id))
        if not slug:
            continue
        await settle_keys(house, group_id)
        if kept is not None:
            await _refuse_older(house, group_id, slug, kept)
        await refuse_behind(house, group_id)
        await keep_files(house, group_id)
        async with house.database.read(group_id) as tx:
            house.checkpoints.keep_epoch(group_id, await store.find_epoch(tx, group_id))
        again += (await replay_erasures(house, group_id, now=now)).people
    return again


# ---------------------------------------------------------------- where the book goes on


async def _go_on(
    house: House, group_id: UUID, kept: Checkpoint | None, *, newest: bool, known: int, now: datetime
) -> _WentOn:
    async with house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        _size, note = await find_checkpoint(tx, group_id)
        new = _parsed(note)
        known_end = newest and (kept == new or await _is_told(tx, group_id, kept))
        if new is None or (known_end and not await is_behind(house, tx, group_id)):
            return _WentOn(0, 0, 0)
        republished = await republish(house, tx, group_id, now=now)
        # Later than any that was ever begun here, also in a book that was lost since.
        epoch = 1 + max(known, await store.find_epoch(tx, group_id))
        await store.begin_epoch(tx, group_id, epoch)
        fields: dict[str, Any] = {
            "epoch": epoch,
            "new": {"root": new.root.hex(), "size": new.size},
            **republished.fields,
        }
        if kept is not None:
            fields["old"] = {"root": kept.root.hex(), "size": kept.size}
        records = [("restored", 0, fields), *republished.records]
        await house.append_records(tx, group_id, records, now=now)
    older = kept is not None and kept.size > new.size
    lost = kept.size - new.size if older and kept is not None else None
    return _WentOn(epoch, lost, int(republished.fields["published_lost"]))


async def _is_told(tx: Tx, group_id: UUID, kept: Checkpoint | None) -> bool:
    """Return whether the last record of a restore names this very checkpoint: then only the file is behind."""
    if kept is None:
        return False
    told = await store.list_records(tx, group_id, "restored")
    old = _fields(told[-1]).get("old") if told else None
    return bool(old == {"root": kept.root.hex(), "size": kept.size})


async def _refuse_older(house: House, group_id: UUID, slug: str, kept: Checkpoint) -> None:
    async with house.database.read(group_id) as tx:
        size, note = await find_checkpoint(tx, group_id)
        if kept.size < size or kept == _parsed(note):
            return
        if not await _is_told(tx, group_id, kept):
            raise OperatorError(
                f"The book of {slug} has {size} records, and {kept.size} were signed here: its tail is gone, or an"
                " older copy was put back. If you put it back, run: timebank restore --settle"
            )
    house.checkpoints.replace(group_id, size, note)


def _parsed(note: str | None) -> Checkpoint | None:
    """Return what a checkpoint says, or None for none; whose signature it has, is for verify."""
    if not note:
        return None
    try:
        return parse_checkpoint(parse_note(note).text)
    except NotANote:
        return None


def _fields(record: bytes) -> dict[str, Any]:
    fields = parse(record)
    assert isinstance(fields, dict), "records are objects"
    return fields


# ---------------------------------------------------------------- people who were erased since


async def replay_erasures(house: House, group_id: UUID, *, now: datetime) -> _Erased:
    """Erase again, in one group, whoever is on the list of the erased and still has rows.

    Their keys are gone, so their boxes do not say which accounts were theirs. These are the accounts that
    are nobody else's, and one record names them all.
    """
    listed = {line.member_id for line in house.keys.list_erased() if line.group_id == group_id}
    async with house.database.read(group_id) as tx:
        members = await store.list_members(tx, group_id)
        requests = await store.list_waiting_requests(tx, group_id, listed)
    again = [one.member_id for one in members if one.member_id in listed]
    without_key = sum(
        house.keys.find_member_key(group_id, one.member_id) is None
        for one in members
        if one.member_id not in listed
    )
    if not again and not requests:
        return _Erased(0, without_key)
    kept: tuple[int, str] | None = None
    async with house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        for request_id in requests:
            await decide_request(tx, group_id, request_id, "expired", now=now)
        if again:
            accounts = [] if without_key else await _accounts_of_nobody(house, tx, group_id)
            for member_id in again:
                await revoke_all_of(tx, group_id, member_id, now=now)
                await erase_member_rows(tx, group_id, member_id, now=now)
            kept = await house.append_records(
                tx, group_id, [("erasure", 0, {"accounts": sorted(accounts)})], now=now
            )
    if kept is not None:
        house.checkpoints.keep(group_id, *kept)
    return _Erased(len(again), without_key)


async def _accounts_of_nobody(house: House, tx: Tx, group_id: UUID) -> set[int]:
    """Return the accounts of people that no box of anybody names and no erasure named before."""
    left = await store.list_accounts_of_people(tx, group_id)
    for record in await store.list_records(tx, group_id, "erasure"):
        left -= set(_fields(record)["accounts"])
    for one in await store.list_members(tx, group_id):
        left -= set((open_accounts(house.keys, group_id, one.member_id, one.accounts_box) or {}).values())
    return left
