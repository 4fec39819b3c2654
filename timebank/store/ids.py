"""Ids as the driver likes them: its own UUID class is made, written and compared ten times as fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from asyncpg.pgproto import pgproto

_fast: Callable[[bytes], UUID] = pgproto.UUID


def id_of(data: bytes) -> UUID:
    """Return the id with these 16 bytes; equal to the standard library's of the same bytes."""
    return _fast(data)


def random_ids(random: Callable[[int], bytes]) -> Iterator[UUID]:
    """Yield random ids (RFC 9562, version 4) for ever."""
    while True:
        pool = bytearray(random(16 * 64))
        for at in range(0, len(pool), 16):
            pool[at + 6] = pool[at + 6] & 0x0F | 0x40
            pool[at + 8] = pool[at + 8] & 0x3F | 0x80
            yield _fast(bytes(pool[at : at + 16]))
