"""What whoever keeps the server looks after: whether it is well, which groups are here, and a link for another one."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.errors import StoreAway
from timebank.ledger.cosignatures import COSIGNATURE
from timebank.ledger.notes import read_verifier_key
from timebank.store import health as store
from timebank.store.backup_folders import find_newest
from timebank.store.jobs import list_groups
from timebank.store.post import is_anything_due
from timebank.store.public_log import list_cosigned
from timebank.store.published import find_group, find_last_period

if TYPE_CHECKING:
    from datetime import date, datetime
    from pathlib import Path
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House

#: Where ``timebank backup`` puts copies when nobody says otherwise.
BACKUPS: Final = "backups"
#: Mail that did not go out for so long is stuck.
MAIL_WITHIN: Final = timedelta(minutes=10)
#: Less than the second that whoever watches us may wait.
_REACHED_WITHIN_S: Final = 0.8


class Machine(NamedTuple):
    """What of the settings this page speaks of; ``witnesses`` are verifier keys."""

    home: Path
    witnesses: tuple[str, ...]


class HostedGroup(NamedTuple):
    """A group on this server as everybody may know it; ``last_day`` is None before the first close."""

    slug: str
    name: str
    began_on: date
    last_day: date | None
    next_close_on: date


@dataclass(frozen=True, slots=True)
class Health:
    """How the machine is.

    Attributes:
        database: Version of PostgreSQL that answered.
        seconds_apart: How far the clock of the database is from ours.
        free: Bytes that are left where everything is kept.
        backup_at: When the newest copy in the usual place was made; None if there is none.
        sends_mail, mail_waits: Whether mail is set up, and whether some has waited for too long.
        witnesses: Name of each that the host was told of, and when it last saw any log.
        groups: All that are here, by name.
    """

    database: str
    seconds_apart: int
    free: int
    backup_at: datetime | None
    sends_mail: bool
    mail_waits: bool
    witnesses: tuple[tuple[str, datetime | None], ...]
    groups: tuple[HostedGroup, ...]


async def reach_book(house: House) -> None:
    """Ask the database whether it is there, and wait for no longer than whoever watches us.

    Raises:
        StoreAway: It does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(_REACHED_WITHIN_S):
            await store.find_version_and_clock(house.database)
    except TimeoutError as error:
        raise StoreAway from error


async def look_at_health(house: House, actor: Actor, machine: Machine, *, now: datetime) -> Health:
    """Return how the machine is; nothing private is in it.

    Raises:
        NeedsRole: The actor does not keep the server.
        StoreAway: The database does not answer.
    """
    actor.require_role("host")
    version, their_now = await store.find_version_and_clock(house.database)
    last: dict[str, datetime | None] = {
        read_verifier_key(line, COSIGNATURE)[0]: None for line in machine.witnesses
    }
    groups, stuck = [], False
    for group_id in await list_groups(house.database):
        groups.append(await _group(house, group_id))
        async with house.database.public_read(group_id) as tx:
            for one in await list_cosigned(tx, group_id):
                before = last.get(one.name)
                if one.name in last and (before is None or one.cosigned_at > before):
                    last[one.name] = one.cosigned_at
        async with house.database.read(group_id) as tx:
            stuck = stuck or await is_anything_due(tx, group_id, now=now - MAIL_WITHIN)
    usage = await asyncio.to_thread(shutil.disk_usage, machine.home)
    return Health(
        database=version,
        seconds_apart=round(abs((their_now - now).total_seconds())),
        free=usage.free,
        backup_at=await asyncio.to_thread(find_newest, machine.home / BACKUPS),
        sends_mail=house.post is not None,
        mail_waits=house.post is not None and stuck,
        witnesses=tuple(last.items()),
        groups=tuple(sorted(groups, key=lambda group: (group.name.casefold(), group.slug))),
    )


async def _group(house: House, group_id: UUID) -> HostedGroup:
    async with house.database.public_read(group_id) as tx:
        group = await find_group(tx, group_id)
        period = await find_last_period(tx, group_id)
    if period is None:
        return HostedGroup(group.slug, group.name, group.began_on, None, group.first_close_on)
    return HostedGroup(group.slug, group.name, group.began_on, period.last_day, period.next_close_on)
