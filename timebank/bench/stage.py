"""Where the measuring happens: a durable PostgreSQL of our own, groups, members, and commands for them."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg

from timebank.bench.measure import Say, WentWrong
from timebank.rules.commands import LogHours
from timebank.rules.people import Actor
from timebank.rules.set_up import MINUTES, NewGroup, NewHeldPlace, NewPot
from timebank.services.groups import create_group
from timebank.services.house import House, open_house
from timebank.services.members import NewMember, add_members
from timebank.services.tokens import find_actor, make_token
from timebank.services.writer import Answer, Writer
from timebank.store.embedded import SUPERUSER, Cluster
from timebank.store.migrate import upgrade

if TYPE_CHECKING:
    from timebank.errors import Refusal

CATEGORIES: Final = ("care", "cooking", "garden", "repair", "transport")
DAYS: Final = 30
STEWARDS: Final = 8
_DUES: Final = (15, 30, 45, 60, 90, 120)
# The same requests in every run, so that two runs differ by machine and program alone.
_chance = random.Random(1)  # noqa: S311 - nothing of this is secret

Request = tuple[LogHours, Actor, str, bytes]


class Dsn:
    """Connect arguments by role, for one database of a cluster; can be sent to another process."""

    def __init__(self, home: Path, database: str) -> None:
        self.home = home
        self.database = database

    def __call__(self, role: str) -> dict[str, Any]:
        """Return the asyncpg arguments for a role."""
        return {**Cluster(self.home).dsn(role), "database": self.database}


@dataclass(slots=True)
class Group:
    """A group to write to, and how much it must hold in the end.

    Attributes:
        entries: Every entry that was acknowledged.
        answers: Every request that was.
        first_day: First day of its book.
    """

    group_id: UUID
    slug: str
    actors: list[Actor]
    tokens: list[str]
    first_day: date
    entries: int = 0
    answers: int = 0


@dataclass(slots=True)
class Stage:
    """One database with everything that writes to it from this process."""

    dsn: Dsn
    house: House
    writer: Writer
    groups: list[Group] = field(default_factory=list)

    async def make_group(self, slug: str, members: int, *, now: datetime | None = None) -> Group:
        """Set up a group through the services, now or at an earlier moment, with a token for every member."""
        now = now or datetime.now(UTC)
        first_day = now.date() - timedelta(days=2 * DAYS)
        group_id = await create_group(
            self.house, new_group(slug, first_day), origin=f"bench.example/g/{slug}", now=now
        )
        people = [
            NewMember(f"Member {number}", ("steward",) if number < STEWARDS else ())
            for number in range(members)
        ]
        ids = await add_members(self.house, group_id, people, now=now)
        tokens, actors = [], []
        for member_id in ids:
            made = await make_token(self.house, group_id, member_id, ("read", "write"), now=now)
            tokens.append(made.token)
            actors.append(await find_actor(self.house, group_id, made.token, now=datetime.now(UTC)))
        group = Group(group_id, slug, actors, tokens, first_day)
        self.groups.append(group)
        return group

    async def write(
        self, group: Group, requests: Sequence[Request], *, writer: Writer | None = None
    ) -> float:
        """Write requests as one batch; return seconds for each of them."""
        began = time.perf_counter()
        answers = await (writer or self.writer).post(group.group_id, requests, render=refused)
        seconds = time.perf_counter() - began
        check_all_written(answers)
        group.entries += len(requests)
        group.answers += len(requests)
        return seconds / len(requests)

    async def load(
        self, group: Group, entries: int, *, batch: int, say: Say, since: datetime | None = None
    ) -> None:
        """Write so many entries.

        Args:
            since: Have them recorded evenly from this moment on, by the writer's clock; None for now.
        """
        start, clock = datetime.now(UTC), _Clock(datetime.now(UTC))
        writer = Writer(self.house.database, self.house.keys, self.house.checkpoints, clock=clock)
        for done in range(0, entries, batch):
            if since is not None:
                clock.at = since + (start - since) * done / entries
            requests = make_requests(group, min(batch, entries - done), today=clock.at.date())
            await self.write(group, requests, writer=writer)
            say(f"{group.slug}: {group.entries:,} of {entries:,} entries")

    @asynccontextmanager
    async def superuser(self) -> AsyncIterator[Any]:
        """A connection for what only this bench does: twins of tables, statistics, counting."""
        connection = await asyncpg.connect(**self.dsn(SUPERUSER))
        try:
            yield connection
        finally:
            await connection.close()

    async def analyse(self) -> None:
        """Give the planner what it would have a minute later anyway."""
        async with self.superuser() as connection:
            await connection.execute("VACUUM (ANALYZE)")


@dataclass(slots=True)
class _Clock:
    """A clock that stands still until somebody sets it."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


@asynccontextmanager
async def open_stage(home: Path, database: str) -> AsyncIterator[Stage]:
    """Make a database on the running cluster and open it as the server would."""
    dsn = Dsn(home, database)
    await upgrade(dsn, embedded=True)
    async with open_house(home, dsn) as house:
        writer = Writer(house.database, house.keys, house.checkpoints)
        try:
            yield Stage(dsn, house, writer)
        finally:
            await writer.close()


def new_group(slug: str, first_day: date) -> NewGroup:
    """Return a group to set up whose book begins on a day; every group of the bench is like that."""
    return NewGroup(
        slug=slug,
        name=slug.title(),
        languages=("en", "es"),
        time_zone="UTC",
        began_on=first_day,
        categories=CATEGORIES,
        preset="open",
        currencies=("EUR",),
        pots=(NewPot("hours", MINUTES), NewPot("money", "EUR")),
        held_places=(NewHeldPlace("box", "cash", "EUR"),),
    )


def make_requests(group: Group, count: int, *, today: date | None = None) -> list[Request]:
    """Return so many requests: members log what they gave, most of it today or in the days before."""
    today = today or datetime.now(UTC).date()
    return [
        (
            LogHours(None, None, None, _chance.choice(_DUES), a_day(today), _chance.choice(CATEGORIES)),
            _chance.choice(group.actors),
            secrets.token_hex(16),
            secrets.token_bytes(32),
        )
        for _ in range(count)
    ]


def a_day(today: date) -> date:
    """Return a day that somebody may log help for: today most often, and at most 30 days back."""
    return today - timedelta(days=min(DAYS, int(_chance.expovariate(0.5))))


def a_member(group: Group) -> UUID:
    """Return somebody of the group."""
    return _chance.choice(group.actors).member_id


def some_minutes() -> int:
    """Return what people log: a quarter of an hour to two hours."""
    return _chance.choice(_DUES)


def refused(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Say a refusal; none is expected here, and a status of 409 ends the run."""
    return 409, {"code": refusal.code}


def check_all_written(answers: Sequence[Answer | Refusal]) -> None:
    """Refuse to go on unless every request was written, by this very batch.

    Raises:
        WentWrong: One was not.
    """
    for answer in answers:
        if not isinstance(answer, Answer) or answer.status != 201 or answer.replayed:
            raise WentWrong(f"a request was answered {answer!r}")


async def check_books(stage: Stage) -> dict[str, int]:
    """Count what is in the book of each group; return the number of entries by address.

    Raises:
        WentWrong: Something that was acknowledged is missing, or is there twice.
    """
    counted: dict[str, int] = {}
    async with stage.superuser() as connection:
        for group in stage.groups:
            row = await connection.fetchrow(_COUNT, group.group_id)
            entries = {row["entries"], row["transfers"], row["hours"], group.entries}
            if len(entries) != 1 or row["answers"] != group.answers or row["records"] != row["seq"]:
                raise WentWrong(
                    f"{group.slug}: {group.entries} entries were acknowledged to {group.answers} requests, "
                    f"and the book has {dict(row)}"
                )
            if not row["debits"] == row["credits"] == row["moved"] == row["dated"]:
                raise WentWrong(f"{group.slug}: the sums of the book are {dict(row)}")
            counted[group.slug] = group.entries
    return counted


_COUNT: Final = """
    SELECT (SELECT seq FROM timebank.book_heads WHERE group_id = $1) AS seq,
           (SELECT count(*) FROM timebank.records WHERE group_id = $1) AS records,
           (SELECT count(*) FROM timebank.entries WHERE group_id = $1) AS entries,
           (SELECT count(*) FROM timebank.transfers WHERE group_id = $1) AS transfers,
           (SELECT count(*) FROM timebank.hours WHERE group_id = $1) AS hours,
           (SELECT count(*) FROM timebank.answers WHERE group_id = $1) AS answers,
           (SELECT sum(amount)::bigint FROM timebank.transfers WHERE group_id = $1) AS moved,
           (SELECT sum(debits)::bigint FROM timebank.accounts WHERE group_id = $1) AS debits,
           (SELECT sum(credits)::bigint FROM timebank.accounts WHERE group_id = $1) AS credits,
           (SELECT sum(debits)::bigint FROM timebank.account_days WHERE group_id = $1) AS dated
"""
