"""The postman of a server: looks for mail to send and for who waits for a link, and clears away what is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import Refusal
from timebank.services import limits, mail_links, post
from timebank.store import mail as mail_store
from timebank.store import post as store
from timebank.store.jobs import list_groups

if TYPE_CHECKING:
    from timebank.services.house import House

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

_ROUND_EVERY_S: Final = 60.0
_CLEAR_EVERY_S: Final = 3600.0
_LOOK_AGAIN_S: Final = 0.5
_STOP_WITHIN_S: Final = 2.0
_CANCEL_AGAIN_S: Final = 0.2
#: What is left of mail that ended: an id and dates, for whoever asks what became of it.
_ENDED_FOR: Final = timedelta(days=7)


@asynccontextmanager
async def open_postman(house: House, *, clock: Clock) -> AsyncIterator[None]:
    """Let the postman work as long as this is open."""
    stopping = asyncio.Event()
    task = asyncio.create_task(_work(house, clock, stopping))
    try:
        yield
    finally:
        # Asked, and not cancelled at once: a look takes milliseconds. A mail server may take longer.
        stopping.set()
        if house.post is not None:
            house.post.woken.set()
        await asyncio.wait({task}, timeout=_STOP_WITHIN_S)
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)


async def _work(house: House, clock: Clock, stopping: asyncio.Event) -> None:
    """Go round now and then, and at once where somebody calls."""
    next_round = next_clear = 0.0
    while not stopping.is_set():
        moment = time.monotonic()
        try:
            if moment >= next_clear:
                next_clear = moment + _CLEAR_EVERY_S
                await clear_away(house, clock=clock, stopping=stopping)
            if moment >= next_round:
                next_round = moment + _ROUND_EVERY_S
                await go_round(house, await list_groups(house.database), clock=clock, stopping=stopping)
            else:
                await go_round(house, _called(house), clock=clock, stopping=stopping)
        except Exception as error:  # noqa: BLE001 - the database may be away; it is looked for again
            log.warning("no mail was sent in this round: %s", type(error).__name__)
        await _rest(house, stopping, next_round - time.monotonic())


def _called(house: House) -> list[UUID]:
    """Return the groups that somebody called from, each of them a few times."""
    if house.post is None:
        return []
    called = list(house.post.called)
    for group_id in called:
        house.post.called[group_id] -= 1
        if house.post.called[group_id] <= 0:
            del house.post.called[group_id]
    return called


async def _rest(house: House, stopping: asyncio.Event, seconds: float) -> None:
    """Wait for the next round, or for somebody to call."""
    waited_for, longest = stopping, max(0.0, seconds)
    if house.post is not None and house.post.called:
        # Whoever wrote mail may not have committed yet.
        longest = min(longest, _LOOK_AGAIN_S)
    elif house.post is not None:
        waited_for = house.post.woken
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(waited_for.wait(), longest)
    if house.post is not None and not stopping.is_set():
        house.post.woken.clear()


async def go_round(
    house: House, groups: Sequence[UUID], *, clock: Clock, stopping: asyncio.Event | None = None
) -> None:
    """Answer who waits for links and send what is due, group by group; one's fault is no other's."""
    if house.post is None:
        return
    due = [group_id for group_id in groups if await _look(house, group_id, clock())]
    well = True
    for group_id in due:
        if stopping is not None and stopping.is_set():
            return
        try:
            await mail_links.answer_asks(house, group_id, now=clock())
            # While the mail server is away there is no use in asking it for every group.
            well = well and await post.deliver(house, group_id, now=clock())
        except Exception as error:  # noqa: BLE001 - whatever it is, the next group has its turn
            # Where it happened, and never with what: the values are people's.
            log.error(  # noqa: TRY400
                "mail of a group could not be sent: %s\n%s",
                type(error).__name__,
                "".join(traceback.format_tb(error.__traceback__)),
            )


async def _look(house: House, group_id: UUID, now: datetime) -> bool:
    async with house.database.tx(group_id) as tx:
        return await store.is_anything_due(tx, group_id, now=now)


async def clear_away(house: House, *, clock: Clock, stopping: asyncio.Event | None = None) -> None:
    """Delete links and counts whose time is over, and what is left of mail that ended.

    Raises:
        StoreAway: The database cannot be reached.
    """
    for group_id in await list_groups(house.database):
        if stopping is not None and stopping.is_set():
            return
        now = clock()
        # A group of which the keys are missing must not keep the others from being cleared.
        with contextlib.suppress(Refusal):
            await limits.forget_old(house, group_id, now=now)
            async with house.database.tx(group_id) as tx:
                await mail_store.delete_ended_links(tx, group_id, now=now)
                await store.delete_ended_mail(tx, group_id, before=now - _ENDED_FOR)
