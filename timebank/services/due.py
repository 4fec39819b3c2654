"""What time decides: once a minute somebody looks whether anything is due, group by group.

Nothing depends on it: whatever a command touches is settled first by the rules themselves. The sweep is
for what nobody touches, and only ever sends commands through the door, as the group itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.errors import Refusal, StoreAway
from timebank.rules.commands import Command, DrawDue, QueueDue
from timebank.rules.people import group_itself
from timebank.services.cards import sweep_ways_in
from timebank.services.close import close_what_is_over
from timebank.services.hours import due_hours
from timebank.services.joining import expire_requests
from timebank.services.retention import forget_over
from timebank.services.settings import let_time_zone_begin
from timebank.services.treasury import due_proposals
from timebank.store import asks
from timebank.store.engine import STORE_ERRORS
from timebank.store.groups import find_frame, try_sweep_lock
from timebank.store.jobs import list_groups

if TYPE_CHECKING:
    from timebank.services.house import House
    from timebank.services.writer import Writer

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
#: Commands of one kind that one look sends; the rest follows a minute later.
AT_ONCE: Final = 500
_STOP_WITHIN_S: Final = 2.0


class Due(NamedTuple):
    """A kind of thing that comes due.

    Attributes:
        name: For the log.
        find: Returns the commands that are due in a group by ``now``, at most about ``AT_ONCE``.
    """

    name: str
    find: FindDue


class FindDue(Protocol):
    """Finds what is due in one group."""

    async def __call__(self, house: House, group_id: UUID, *, now: datetime) -> Sequence[Command]:
        """Return its commands."""
        ...


class Chore(Protocol):
    """Does what is due in one group and is no command of the book."""

    async def __call__(self, house: House, group_id: UUID, *, now: datetime) -> object:
        """Do it; nothing to do costs a look."""
        ...


async def due_draws(house: House, group_id: UUID, *, now: datetime) -> Sequence[Command]:
    """Windows that ended, promises that expired, days after which help is no help, papers to be wiped."""
    async with house.database.read(group_id) as tx:
        frame = await find_frame(tx, group_id)
        today = now.astimezone(ZoneInfo(frame.time_zone)).date()
        found = await asks.list_due(tx, group_id, now=now, today=today, limit=AT_ONCE)
    return [DrawDue(draw_id) for draw_id in found]


async def due_queues(house: House, group_id: UUID, *, now: datetime) -> Sequence[Command]:  # noqa: ARG001
    """Pots that have enough by now for whoever waits for them longest."""
    async with house.database.read(group_id) as tx:
        return [QueueDue(pot_id) for pot_id in await asks.list_pots_to_queue(tx, group_id)]


#: Everything that time decides about the book. Add a line for what else does.
DUE: Final[tuple[Due, ...]] = (
    Due("draws", due_draws),
    Due("queues", due_queues),
    Due("hours", due_hours),
    Due("proposals", due_proposals),
)

#: Everything that time does beside the book.
CHORES: Final[tuple[Chore, ...]] = (let_time_zone_begin, expire_requests, sweep_ways_in)

#: The same, for what is soon enough twice an hour.
SLOW_CHORES: Final[tuple[Chore, ...]] = (forget_over,)
SLOW_EVERY_MINUTES: Final = 30
#: What has a lock of its own, and may take longer than a transaction may wait for it.
LONG_CHORES: Final[tuple[Chore, ...]] = (close_what_is_over,)


async def sweep(house: House, writer: Writer, *, now: datetime) -> int:
    """Look at every group once; return how many commands were sent.

    Raises:
        StoreAway: The database cannot be reached.
    """
    sent = 0
    for group_id in await list_groups(house.database):
        sent += await sweep_group(house, writer, group_id, now=now)
    return sent


async def sweep_group(house: House, writer: Writer, group_id: UUID, *, now: datetime) -> int:
    """Do what is due in one group, unless another process is at it; return how many commands were sent.

    Raises:
        StoreAway: The database cannot be reached.
    """
    async with house.database.tx(group_id) as tx:
        # Held until the commands are written, so that two processes do not send them twice. Were they
        # to, the second would find nothing to do.
        if not await try_sweep_lock(tx, group_id):
            return 0
        sent = 0
        for due in DUE:
            commands = await due.find(house, group_id, now=now)
            if commands:
                log.info("%d due: %s", len(commands), due.name)
                await _send(house, writer, group_id, commands)
                sent += len(commands)
        slow = SLOW_CHORES if now.minute % SLOW_EVERY_MINUTES == 0 else ()
        for chore in (*CHORES, *slow):
            await chore(house, group_id, now=now)
    for chore in LONG_CHORES:
        await chore(house, group_id, now=now)
    return sent


async def _send(house: House, writer: Writer, group_id: UUID, commands: Sequence[Command]) -> None:
    with contextlib.suppress(Refusal):
        await writer.submit(
            group_id,
            commands,
            actor=group_itself(group_id),
            # A key of its own each time: what is due again later is not a repetition.
            key=f"due {house.new_id()}",
            request_hash=sha256(repr(commands).encode()).digest(),
            render=_render,
            many=True,
        )


def _render(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return 409, {"code": refusal.code}


class Sweeper:
    """Says when every group was last looked at; ``swept_at`` is None until then."""

    def __init__(self) -> None:
        self.swept_at: datetime | None = None


@asynccontextmanager
async def open_sweeper(
    house: House, writer: Writer, *, clock: Callable[[], datetime]
) -> AsyncIterator[Sweeper]:
    """Sweep once a minute while the application runs."""
    stopping, sweeper = asyncio.Event(), Sweeper()
    task = asyncio.create_task(_keep_sweeping(house, writer, clock, stopping, sweeper))
    try:
        yield sweeper
    finally:
        # It is asked, and not cancelled: a look takes milliseconds, and ends with its connection given back.
        stopping.set()
        await asyncio.wait({task}, timeout=_STOP_WITHIN_S)
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_STOP_WITHIN_S)


async def _keep_sweeping(
    house: House,
    writer: Writer,
    clock: Callable[[], datetime],
    stopping: asyncio.Event,
    sweeper: Sweeper,
) -> None:
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), EVERY_S)
        if stopping.is_set():
            return
        try:
            await sweep(house, writer, now=clock())
            sweeper.swept_at = clock()
        except (StoreAway, *STORE_ERRORS):
            # While the database is away nothing can be done; the next look is soon enough.
            continue
        except Exception:
            # Whatever it was, the next minute has its turn.
            log.exception("the sweep stumbled")
