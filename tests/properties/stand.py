"""A small group at a real write door: its people by first name, and what the database says of them."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.database import Dsn, connected
from timebank.errors import Refusal
from timebank.rules.commands import ApproveDraw, AskDraw, Command, GiveMoney, HandOver, LogHours
from timebank.rules.people import Actor
from timebank.rules.set_up import MINUTES, NewGroup, NewHeldPlace, NewPot, Terms
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.members import NewMember, add_members, find_member
from timebank.services.verify import verify_group
from timebank.services.writer import Answer, Writer
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore

ZONE = "Europe/Madrid"
BEGAN_ON = date(2025, 1, 1)
CATEGORIES = ("cooking", "repairs")

#: Ada and Flo give and ask, Bo, Di and Gus are stewards, Ed and Hal treasurers.
ROLES: Mapping[str, tuple[str, ...]] = {
    "ada": (),
    "flo": (),
    "bo": ("steward",),
    "di": ("steward",),
    "gus": ("steward",),
    "ed": ("treasurer",),
    "hal": ("treasurer",),
}

_numbers = itertools.count(1)


def render(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Say a refusal the way tests read it."""
    return 409, {"code": refusal.code, "params": refusal.params}


def today() -> date:
    """Return today where the groups are."""
    return datetime.now(ZoneInfo(ZONE)).date()


@dataclass(slots=True)
class Group:
    """One group, its people, and the numbers of its accounts by (kind, unit, whose)."""

    group_id: UUID
    people: dict[str, Actor]
    accounts: dict[tuple[str, str, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class Stand:
    """A write door with one group or more behind it."""

    house: House
    writer: Writer
    dsn: Dsn
    home: Path
    groups: list[Group] = field(default_factory=list)

    @property
    def group(self) -> Group:
        """The first group."""
        return self.groups[0]

    async def send(
        self,
        who: str,
        *commands: Command,
        key: str = "",
        group: Group | None = None,
        many: bool | None = None,
    ) -> Answer:
        """Have somebody send commands as one request, under a fresh key unless one is given."""
        group = group or self.group
        return await send(self.writer, group.group_id, group.people[who], *commands, key=key, many=many)

    async def balances(self, group: Group | None = None) -> dict[int, int]:
        """Return credits - debits of every account, by number, in one read of the app role."""
        return {number: net for number, _, _, net in await self.accounts(group)}

    async def accounts(self, group: Group | None = None) -> list[tuple[int, str, str, int]]:
        """Return (number, kind, unit, credits - debits) of every account, in one read of the app role."""
        rows = await self.rows(
            "SELECT account_id, kind, unit, credits - debits FROM timebank.accounts", group=group
        )
        return [tuple(row) for row in rows]

    async def rows(self, query: str, *values: Any, group: Group | None = None) -> list[Any]:
        """Return the rows of one query by the app role inside the group's wall."""
        async with self.house.database.write_door((group or self.group).group_id) as connection:
            rows = await connection.fetch(query, *values)
            await connection.execute("ROLLBACK")
            return list(rows)

    async def verified(self, group: Group | None = None) -> None:
        """Fail unless the whole book is as it should be."""
        await self.house.checkpoints.close()
        verdict = await verify_group(self.house, (group or self.group).group_id)
        assert verdict.ok, verdict.findings


async def send(
    writer: Writer, group_id: UUID, actor: Actor, *commands: Command, key: str = "", many: bool | None = None
) -> Answer:
    """Send commands as one request; its hash says what was asked, as that of an HTTP request does."""
    many = len(commands) != 1 if many is None else many
    return await writer.submit(
        group_id,
        commands,
        actor=actor,
        key=key or f"key-{next(_numbers)}-{secrets.token_hex(4)}",
        request_hash=sha256(repr((commands, many)).encode()).digest(),
        render=render,
        many=many,
    )


def said(answer: Answer) -> dict[str, Any]:
    """Return what an answer says."""
    body: dict[str, Any] = json.loads(answer.body)
    return body


def code(answer: Answer) -> str:
    """Return the code of a refusal, or "ok"."""
    return str(said(answer).get("code", "ok"))


async def open_stand(
    dsn: Dsn, home: Path, *, hot_size: int = 4, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Stand:
    """Open a write door, without a group; ``shut`` ends it."""
    database = await Database.open(dsn, check=False, hot_size=hot_size)
    keys = KeyStore(home)
    checkpoints = Checkpoints(keys, home)
    writer = Writer(database, keys, checkpoints, clock=clock)
    return Stand(House(database, keys, checkpoints), writer, dsn, home)


async def shut(stand: Stand) -> None:
    """End a write door and everything behind it."""
    await stand.writer.close()
    await stand.house.checkpoints.close()
    await stand.house.database.close()
    stand.house.keys.close()


@asynccontextmanager
async def a_stand(
    dsn: Dsn, home: Path, *, hot_size: int = 4, groups: int = 1, **terms: Any
) -> AsyncIterator[Stand]:
    """A write door with so many groups behind it."""
    await keep_commits(dsn)
    stand = await open_stand(dsn, home, hot_size=hot_size)
    try:
        for number in range(groups):
            stand.groups.append(
                await make_group(stand.house, f"group-{number}-{secrets.token_hex(4)}", **terms)
            )
        yield stand
    finally:
        await shut(stand)


async def make_group(
    house: House,
    slug: str,
    *,
    hours: Terms | None = None,
    money: Terms | None = None,
    pots: tuple[NewPot, ...] = (),
    people: Mapping[str, tuple[str, ...]] = ROLES,
    time_bank: bool = False,
    now: datetime | None = None,
) -> Group:
    """Set a group up through the services and nothing else.

    Args:
        now: When it begins; None for five minutes ago.
    """
    now = now or datetime.now(UTC) - timedelta(minutes=5)
    group_id = await create_group(
        house,
        NewGroup(
            slug=slug,
            name="Riverside",
            languages=("en",),
            time_zone=ZONE,
            began_on=BEGAN_ON,
            categories=CATEGORIES,
            preset="open",
            currencies=("EUR",),
            time_bank=time_bank,
            pots=pots
            or (
                NewPot("hours", MINUTES, terms=hours or Terms()),
                NewPot("money", "EUR", terms=money or Terms()),
            ),
            held_places=(NewHeldPlace("cash-box", "cash", "EUR"), NewHeldPlace("bank", "bank", "EUR")),
        ),
        origin=f"bank.example/g/{slug}",
        now=now,
    )
    ids = await add_members(house, group_id, [NewMember(n.title(), r) for n, r in people.items()], now=now)
    group = Group(group_id, {})
    for name, member_id in zip(people, ids, strict=True):
        member = await find_member(house, group_id, member_id=member_id, now=now)
        group.people[name] = Actor(
            group_id=group_id,
            member_id=member_id,
            account=member.accounts["minutes"],
            accounts=member.accounts,
            roles=frozenset(("member", *member.roles)),
            scopes=frozenset(("read", "write", "seq")),
        )
    await _name_accounts(house, group)
    return group


async def _name_accounts(house: House, group: Group) -> None:
    async with house.database.write_door(group.group_id) as connection:
        pots = await connection.fetch(
            "SELECT code, unit, pot_account, promised_account, shared_account FROM timebank.pots"
        )
        for code_, unit, *numbers in pots:
            for kind, number in zip(("pot", "promised", "shared"), numbers, strict=True):
                group.accounts[kind, unit, code_] = number
        for code_, unit, number in await connection.fetch(
            "SELECT code, unit, account_id FROM timebank.held_places"
        ):
            group.accounts["held", unit, code_] = number
        for kind, unit, number in await connection.fetch(
            "SELECT kind, unit, account_id FROM timebank.accounts"
            " WHERE kind IN ('outside', 'custody', 'opening', 'adjustment')"
        ):
            group.accounts[kind, unit, ""] = number
        await connection.execute("ROLLBACK")
    for name, actor in group.people.items():
        for account, number in actor.accounts.items():
            kind, _, unit = account.rpartition(":")
            group.accounts[kind or "member", unit, name] = number


# ---------------------------------------------------------------- what people do


def hours(minutes: int = 60, **more: Any) -> LogHours:
    """Time given to the pot."""
    values: dict[str, Any] = {
        "giver": None,
        "receiver": None,
        "draw": None,
        "minutes": minutes,
        "effective_on": today(),
        "category": "cooking",
    }
    return LogHours(**{**values, **more})


def money(amount: int, **more: Any) -> GiveMoney:
    """Money that came in from outside into the cash box."""
    values: dict[str, Any] = {
        "pot": "money",
        "amount": amount,
        "currency": "EUR",
        "held": "cash-box",
        "giver": None,
        "effective_on": today(),
    }
    return GiveMoney(**{**values, **more})


def ask(amount: int, unit: str = "EUR") -> AskDraw:
    """An ask for money, or for minutes."""
    return AskDraw("hours" if unit == MINUTES else "money", amount, unit, "cooking")


async def ask_and_approve(stand: Stand, asker: str, steward: str, amount: int) -> UUID:
    """Have money asked for and promised; return the draw."""
    draw = UUID(said(await stand.send(asker, ask(amount)))["id"])
    answer = await stand.send(steward, ApproveDraw(draw))
    assert code(answer) == "ok", answer
    return draw


def hand_over(draw: UUID, amount: int | None = None) -> HandOver:
    """Money handed over from the cash box."""
    return HandOver(draw, "cash-box", amount)


async def keep_commits(dsn: Dsn) -> None:
    """Have commits wait for the log, which the write door insists on even where a test server forgets it."""
    await superuser(dsn, f'ALTER DATABASE "{dsn("timebank")["database"]}" SET synchronous_commit = on')


async def superuser(dsn: Dsn, script: str) -> None:
    """Run a script as somebody whom no wall stops."""
    async with connected(dsn, "timebank") as connection:
        await connection.execute(script)
