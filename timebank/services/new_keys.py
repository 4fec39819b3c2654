"""New keys for a group's public log and its receipts, on the server that it is on: changed on purpose, lost or stolen.

The book says so at once, and the public log with its next close: signed with the keys before or, where these are
lost or stolen, with the recovery key from paper. From that close on the new keys count for everybody.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from timebank.config import OperatorError
from timebank.ledger.canonical import parse
from timebank.ledger.notes import verifier_key
from timebank.ledger.public_log import (
    NEEDS_RECOVERY,
    GenesisLeaf,
    KeyLeaf,
    LogKeys,
    key_message,
    keys_after,
    keys_of,
    read_leaf,
)
from timebank.rules.closing import key_fields
from timebank.services.public_verify import verify_with
from timebank.store import public_log as log_store
from timebank.store.checkpoints import live_origin
from timebank.store.closes import list_told_at_once, lock_book
from timebank.store.groups import bump_setup_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Tx

WAITS = "A new key was made already, and counts from the next close on."


class NewKeys(NamedTuple):
    """The verifier keys that are signed with from now on."""

    log: str
    live: str


async def published_keys(tx: Tx, group_id: UUID) -> LogKeys | None:
    """Return the keys that count at the end of a group's public log; None before it begins."""
    if await log_store.find_head(tx, group_id) is None:
        return None
    genesis = read_leaf((await log_store.list_leaves(tx, group_id, 0, 1))[0])
    assert isinstance(genesis, GenesisLeaf), group_id
    keys = keys_of(genesis)
    for data in await log_store.list_key_leaves(tx, group_id):
        leaf = read_leaf(data)
        if isinstance(leaf, KeyLeaf):
            keys = keys_after(keys, leaf, verify_with)
    return keys


def must_sign_for(
    house: House, group_id: UUID, origin: str, keys: LogKeys | None, *, told: Iterable[Mapping[str, Any]]
) -> None:
    """Refuse to let a log go on with a key that nobody who follows it knows.

    The caller holds the book's lock: keys are changed under it, so what is looked at here is what signs.

    Args:
        keys: What counts before; see published_keys.
        told: What the book says of new keys in what is about to be published.

    Raises:
        OperatorError: The key here is not the one of the log, and nothing told introduces it.
    """
    here = _here(house, group_id, origin)
    if keys is None or keys.log_key == here.log:
        return
    if not any((one["old"], one["new"]) == (keys.log_key, here.log) for one in told):
        raise OperatorError(
            f"The key here is not that of the public log of {origin}: nobody would take its word. Bring the right one back"
            " (timebank keys import), or introduce this server's: timebank new-keys --lost"
        )


async def introduce_keys(
    house: House, group_id: UUID, *, reason: str, paper: bytes | None = None, now: datetime
) -> NewKeys:
    """Make new keys and have the book say who introduces them.

    All under the group's lock: nobody else changes keys meanwhile, and nothing is signed with some that the book does
    not tell of.

    Args:
        reason: ``rotation``, ``lost`` or ``stolen``.
        paper: The recovery key, for the latter two.

    Raises:
        OperatorError: The log has not begun, earlier new keys still wait for a close, or neither the keys here
            nor the one from paper may introduce others.
    """
    async with house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        await _settle(house, tx, group_id)
        book = await log_store.find_book(tx, group_id)
        keys = await published_keys(tx, group_id)
        waiting = [one for one in await list_told_at_once(tx, group_id, after_seq=0) if one.kind == "key"]
        if keys is None:
            raise OperatorError("Its public log has not begun yet: run timebank close first.")
        signers = _signers(house, group_id, keys, book.origin, reason, paper, waits=bool(waiting))
        secrets = house.random(32), house.random(32)
        await asyncio.to_thread(house.keys.change_log_keys, group_id, *secrets)
        here = _here(house, group_id, book.origin)
        records = _key_records(keys, here, signers, reason)
        kept = await house.append_records(tx, group_id, records, now=now)
    house.checkpoints.keep(group_id, *kept)
    # Whoever came in between may have settled this already, and have made others.
    await settle_keys(house, group_id)
    return here


def _key_records(
    keys: LogKeys, here: NewKeys, signers: tuple[bytes, bytes], reason: str
) -> list[tuple[str, int, dict[str, Any]]]:
    records = []
    for old, new, secret in zip((keys.log_key, keys.live_key), here, signers, strict=True):
        by_paper = _public(secret) if reason in NEEDS_RECOVERY else b""
        leaf = KeyLeaf(bytes(32), old, new, reason, b"", by_paper)
        signature = Ed25519PrivateKey.from_private_bytes(secret).sign(key_message(keys.book, leaf))
        records.append(("key", 0, key_fields(leaf._replace(signature=signature))))
    return records


async def must_be_introduced(house: House, group_id: UUID) -> bool:
    """Return whether the key here is not that of the group's log, and the book tells of nobody who introduced it."""
    async with house.database.read(group_id) as tx:
        keys = await published_keys(tx, group_id)
        book = await log_store.find_book(tx, group_id)
        told = await log_store.list_key_records(tx, group_id)
    here = _here(house, group_id, book.origin)
    return keys is not None and keys.log_key != here.log and here.log not in map(_new_of, told)


def make_up_for_lost_keys(house: House, group_id: UUID) -> None:
    """Give a group keys of which nobody knows yet, if it has none; the one on paper must introduce them."""
    try:
        house.keys.live_key(group_id)
        house.keys.log_key(group_id)
    except LookupError:
        house.keys.change_log_keys(group_id, house.random(32), house.random(32))
        house.keys.forget_former_keys(group_id)


async def settle_keys(house: House, group_id: UUID) -> None:
    """Finish a change of keys that was cut short: done if the book tells of it, and otherwise undone.

    One that is under way holds the group's lock, and is waited for.
    """
    if not house.keys.has_former_keys(group_id):
        return
    async with house.database.tx(group_id) as tx:
        await lock_book(tx, group_id)
        await _settle(house, tx, group_id)


async def _settle(house: House, tx: Tx, group_id: UUID) -> None:
    if not house.keys.has_former_keys(group_id):
        return
    book = await log_store.find_book(tx, group_id)
    told = await log_store.list_key_records(tx, group_id)
    here = _here(house, group_id, book.origin)
    done = any(_new_of(record) == here.log for record in told)
    keys = house.keys
    await asyncio.to_thread(keys.forget_former_keys if done else keys.take_back_former_keys, group_id)


def _new_of(record: bytes) -> str:
    fields = parse(record)
    return str(fields["new"]) if isinstance(fields, dict) else ""


def _signers(
    house: House,
    group_id: UUID,
    keys: LogKeys,
    origin: str,
    reason: str,
    paper: bytes | None,
    *,
    waits: bool,
) -> tuple[bytes, bytes]:
    """Return the secrets that sign the new key of the log, and that of receipts."""
    if reason in NEEDS_RECOVERY:
        if paper is None or sha256(_public(paper)).digest() != keys.recovery:
            raise OperatorError("This is not the recovery key that the log of this group began with.")
        return paper, paper
    if waits:
        raise OperatorError(f"{WAITS} Wait for it, or run timebank close.")
    if _here(house, group_id, origin) != (keys.log_key, keys.live_key):
        raise OperatorError(
            "The keys here are not those of the log, so they can introduce no others. Take the recovery key: --lost"
        )
    return house.keys.log_key(group_id), house.keys.live_key(group_id)


def _here(house: House, group_id: UUID, origin: str) -> NewKeys:
    """Return the keys that this server signs with; empty where it has none."""
    keys = house.keys
    try:
        log, live = _public(keys.log_key(group_id)), _public(keys.live_key(group_id))
    except LookupError:
        return NewKeys("", "")
    return NewKeys(verifier_key(origin, log), verifier_key(live_origin(origin), live))


def _public(secret: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
