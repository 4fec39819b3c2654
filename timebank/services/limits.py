"""Limits: how often anybody tries, counted in the database under keys that tell nobody who it was."""

from __future__ import annotations

import asyncio
import hmac
import math
from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING

from timebank.errors import TooManyTries
from timebank.rules.tries import PACES, Pace, Tried, count, wait_seconds
from timebank.store import tries as store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from uuid import UUID

    from timebank.services.house import House


async def take(
    house: House, group_id: UUID, what: str, who: bytes, *, now: datetime, account: bytes = b""
) -> None:
    """Count one try, or refuse it because it comes too soon; a refused one is not counted.

    Counts begin anew at midnight UTC, when the key changes under which they are kept.

    Args:
        what: One of ``rules.tries.PACES``.
        who: Where the try comes from; see ``edge.limits``. It is kept nowhere.
        account: Whom it is about, as far as the caller was told (such as a blind index of what was
            written), known or not; empty for nobody.

    Raises:
        TooManyTries: With the seconds after which the next one is taken.
    """
    day = now.astimezone(UTC).date()
    paces = await _paces(house, what, who, account, day)
    async with house.database.tx(group_id) as tx:
        before = await store.lock_tries(tx, group_id, list(paces), now=now, day=day)
        _refuse_too_soon(before.values(), now=now)
        after = {key: count(before[key], pace, now=now) for key, pace in paces.items()}
        await store.update_tries(tx, group_id, after)


async def check(house: House, group_id: UUID, what: str, who: bytes, *, now: datetime) -> None:
    """Refuse a try that comes too soon, as ``take`` does, and count nothing: for what is counted only if it fails.

    Raises:
        TooManyTries: With the seconds after which the next one is taken.
    """
    day = now.astimezone(UTC).date()
    paces = await _paces(house, what, who, b"", day)
    async with house.database.tx(group_id) as tx:
        before = await store.lock_tries(tx, group_id, list(paces), now=now, day=day)
    _refuse_too_soon(before.values(), now=now)


def _refuse_too_soon(before: Iterable[Tried], *, now: datetime) -> None:
    wait = max(wait_seconds(tried, now=now) for tried in before)
    if wait > 0:
        raise TooManyTries(seconds=math.ceil(wait))


async def forgive(
    house: House, group_id: UUID, what: str, who: bytes, *, now: datetime, account: bytes
) -> None:
    """Forget the tries about an account from one address: whoever got in was the right one."""
    day = now.astimezone(UTC).date()
    pair = next(iter(await _paces(house, what, who, account, day)))
    async with house.database.tx(group_id) as tx:
        await store.delete_tries(tx, group_id, try_key=pair)


async def forget_old(house: House, group_id: UUID, *, now: datetime) -> None:
    """Delete what was counted before today, and the keys of those days."""
    day = now.astimezone(UTC).date()
    await asyncio.to_thread(house.keys.days.forget_before, day)
    async with house.database.tx(group_id) as tx:
        await store.delete_tries(tx, group_id, before=day)


async def _paces(house: House, what: str, who: bytes, account: bytes, day: date) -> dict[bytes, Pace]:
    """Return the pace by the key of each counter that a try counts for; of a pair first."""
    key = await asyncio.to_thread(house.keys.days.find, day)
    paces = PACES[what]
    found = {}
    if account:
        found[_key(key, what, b"pair", who, account)] = paces.pair
    found[_key(key, what, b"address", who)] = paces.address
    found[_key(key, what, b"everybody")] = paces.everybody
    return found


def _key(key: bytes, what: str, *parts: bytes) -> bytes:
    code = hmac.new(key, what.encode() + b"\0", sha256)
    for part in parts:
        code.update(len(part).to_bytes(4, "big") + part)
    return code.digest()
