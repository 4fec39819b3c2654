"""What services work with: the database, the keys, who signs the live book, and where randomness comes from."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from timebank.store.book import append_records
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database, Dsn, driver
from timebank.store.groups import find_checkpoint
from timebank.store.keys import KeyStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from timebank.services.post import Post
    from timebank.store.engine import Tx


def _new_number() -> int:
    return 1 + secrets.randbelow(2**53 - 1)


@dataclass(frozen=True, slots=True)
class House:
    """The parts of one running program that every service needs.

    Attributes:
        new_id: Gives fresh random ids; a demo gives seeded ones.
        new_number: Gives fresh random account numbers, 1 to 2^53 - 1.
        random: Gives so many fresh random bytes.
        post: What mail is sent with; None where no mail is sent, and so none may be offered.
    """

    database: Database
    keys: KeyStore
    checkpoints: Checkpoints
    new_id: Callable[[], UUID] = uuid4
    new_number: Callable[[], int] = _new_number
    random: Callable[[int], bytes] = os.urandom
    post: Post | None = None

    async def append_records(
        self, tx: Tx, group_id: UUID, records: Sequence[tuple[str, int, dict[str, Any]]], *, now: datetime
    ) -> tuple[int, str]:
        """Append records that move nothing to a group's book, inside a transaction that is under way.

        Args:
            records: (kind, account number of the actor or 0, fields) of each.

        Returns:
            Size and signed note of the new live checkpoint: give them to ``checkpoints.keep``
            once the transaction is committed.
        """
        await append_records(
            await driver(tx),
            self.checkpoints,
            group_id,
            records,
            now=now,
            random=self.random(32 * len(records)),
        )
        return await find_checkpoint(tx, group_id)


@asynccontextmanager
async def open_house(
    home: Path, dsn: Dsn, *, check: bool = True, post: Post | None = None
) -> AsyncIterator[House]:
    """Open everything that services work with, and close it again in the end.

    Args:
        check: Refuse a database that is not safe; False only where another process of ours asked just before.
        post: What mail is sent with, if any is.

    Raises:
        Unsafe: See Database.open.
    """
    database = await Database.open(dsn, check=check)
    try:
        with KeyStore(home) as keys:
            checkpoints = Checkpoints(keys, home)
            try:
                yield House(database, keys, checkpoints, post=post)
            finally:
                await checkpoints.close()
    finally:
        await database.close()
