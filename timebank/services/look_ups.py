"""Look-ups that share a round trip: requests of one group that arrive while one is under way share the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

Row = TypeVar("Row")
Found = TypeVar("Found")


class LookUps(Generic[Row, Found]):
    """Answers each question by a look-up that began after it came, so nothing is remembered.

    What was taken away counts from the next request on, and a busy group costs few round trips.

    Args:
        find: Returns the rows of a group for hashes; those without one are left out.
        settle: Turns a row, or None where there was none, into what was asked for, or raises.
    """

    def __init__(
        self,
        find: Callable[[UUID, set[bytes]], Awaitable[Mapping[bytes, Row]]],
        settle: Callable[[UUID, Row | None], Found],
    ) -> None:
        self._find = find
        self._settle_one = settle
        self._waiting: dict[UUID, list[tuple[bytes, asyncio.Future[Found]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def find(self, group_id: UUID, digest: bytes) -> Found:
        """Return what belongs to a hash in a group; raises whatever ``find`` and ``settle`` raise."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        waiting = self._waiting.get(group_id)
        if waiting is not None:
            waiting.append((digest, future))
        else:
            self._waiting[group_id] = [(digest, future)]
            task = loop.create_task(self._look_up_all(group_id))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _look_up_all(self, group_id: UUID) -> None:
        """Look up what waits for a group until nothing does; never raises."""
        while batch := self._waiting[group_id]:
            self._waiting[group_id] = []
            rows: Mapping[bytes, Row] = {}
            failure: Exception | None = None
            try:
                rows = await self._find(group_id, {digest for digest, _ in batch})
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                failure = error
            for digest, future in batch:
                if not future.done():
                    self._settle(group_id, future, rows.get(digest), failure)
        del self._waiting[group_id]

    def _settle(
        self, group_id: UUID, future: asyncio.Future[Found], row: Row | None, failure: Exception | None
    ) -> None:
        if failure is not None:
            future.set_exception(failure)
            return
        try:
            future.set_result(self._settle_one(group_id, row))
        except Exception as error:  # noqa: BLE001 - the key store may be busy; those behind must not wait for ever
            future.set_exception(error)
