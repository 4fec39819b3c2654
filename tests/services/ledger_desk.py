"""A time bank with a pot of hours and two of euros, a clock that tests turn, and what the tables hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from tests.cast import a_group
from timebank.edge.problems import renderer
from timebank.i18n import language
from timebank.rules.commands import Command
from timebank.rules.people import Actor, group_itself
from timebank.rules.set_up import MINUTES, NewHeldPlace, NewPot, Terms
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.members import NewMember, actor_of, add_members
from timebank.services.tokens import make_token
from timebank.services.verify import verify_group
from timebank.services.writer import Writer

#: Ada and Flo help each other, Gil has no device, Bo and Di are stewards, Ed and Hal treasurers.
PEOPLE: Mapping[str, tuple[str, ...]] = {
    "ada": (),
    "flo": (),
    "gil": (),
    "bo": ("steward",),
    "di": ("steward",),
    "ed": ("treasurer",),
    "hal": ("treasurer",),
}
WITHOUT_DEVICE = {"gil"}

#: Every table that a refusal must leave as it was; answers remember refusals, and that is their work.
TABLES = (
    "timebank.records",
    "timebank.entries",
    "timebank.transfers",
    "timebank.accounts",
    "timebank.account_days",
    "timebank.book_heads",
    "timebank.hours",
    "timebank.hours_waiting",
    "timebank.hours_questions",
    "timebank.held_places",
    "timebank.money_references",
    "timebank.proposals",
    "timebank.draws",
    "people.notes",
)


@dataclass(slots=True)
class LedgerDesk:
    """Somebody who sends commands for everybody in the group."""

    house: House
    group_id: UUID
    ids: dict[str, UUID]
    now: datetime
    writer: Writer = field(init=False)
    sent: int = 0

    async def actor(self, name: str, **changes: Any) -> Actor:
        """Return somebody as they are now; the group itself by the name ``group``."""
        if name == "group":
            return group_itself(self.group_id)
        actor = await actor_of(self.house, self.group_id, self.ids[name], now=self.now)
        return replace(actor, **changes)

    async def send(self, name: str, command: Command, **changes: Any) -> dict[str, Any]:
        """Have somebody send a command; return what the answer says, with its status."""
        self.sent += 1
        key = f"key-{self.sent}"
        answer = await self.writer.submit(
            self.group_id,
            [command],
            actor=await self.actor(name, **changes),
            key=key,
            request_hash=sha256(repr(command).encode()).digest(),
            render=renderer(language("en")),
        )
        return {"status": answer.status, **json.loads(answer.body)}

    async def done(self, name: str, command: Command, **changes: Any) -> dict[str, Any]:
        """Have somebody send a command that is not refused."""
        said = await self.send(name, command, **changes)
        assert said["status"] < 400, said
        return said

    async def refused(self, name: str, command: Command, **changes: Any) -> str:
        """Have somebody send a command that is refused and leaves no trace; return the code."""
        before = await self.trace()
        said = await self.send(name, command, **changes)
        assert said["status"] >= 400, said
        assert await self.trace() == before, (name, command)
        return str(said["code"])

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query inside the group's wall."""
        async with self.house.database.write_door(self.group_id) as connection:
            rows = await connection.fetch(query, *values)
            await connection.execute("ROLLBACK")
            return [tuple(row) for row in rows]

    async def trace(self) -> dict[str, str]:
        """Return what every table holds, as a digest of each."""
        digests = " UNION ALL ".join(
            f"SELECT '{table}', coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} AS t"
            for table in TABLES
        )
        return dict(await self.rows(digests))  # type: ignore[arg-type]

    async def exchanged(self, name: str) -> tuple[int, int]:
        """Return what somebody gave and got in the time bank."""
        number = (await self.actor(name)).accounts["exchange:minutes"]
        return (
            await self.rows(
                """SELECT debits - reversal_debits - reversal_credits, credits - reversal_debits - reversal_credits
                     FROM timebank.accounts WHERE account_id = $1""",
                number,
            )
        )[0]  # type: ignore[return-value]

    async def nets(self) -> dict[str, int]:
        """Return the balance of each pot and place by its code."""
        rows = await self.rows(
            """SELECT code, a.credits - a.debits FROM timebank.pots JOIN timebank.accounts AS a
                   ON account_id = pots.pot_account
                UNION ALL
               SELECT code, a.debits - a.credits FROM timebank.held_places AS h JOIN timebank.accounts AS a
                   ON a.account_id = h.account_id"""
        )
        return dict(rows)  # type: ignore[arg-type]

    async def hours_row(self, hours_id: str) -> tuple[str, bool]:
        """Return the state of hours and whether they are posted."""
        rows = await self.rows(
            "SELECT state, seq IS NOT NULL FROM timebank.hours WHERE hours_id = $1", UUID(hours_id)
        )
        return rows[0]  # type: ignore[return-value]

    async def verified(self) -> None:
        """Fail unless the whole book is as it should be, and totals add up."""
        await self.house.checkpoints.close()
        verdict = await verify_group(self.house, self.group_id)
        assert verdict.ok, verdict.findings


@asynccontextmanager
async def ledger_desk(house: House, **changes: Any) -> AsyncIterator[LedgerDesk]:
    """A desk before a fresh group."""
    now = datetime.now(UTC)
    group = a_group(
        **{
            "time_bank": True,
            "currencies": ("EUR", "GBP"),
            "pots": (
                NewPot("hours", MINUTES),
                NewPot("money", "EUR", terms=Terms(approvals=((0, 1),))),
                NewPot("rent", "EUR"),
                NewPot("pounds", "GBP"),
            ),
            "held_places": (
                NewHeldPlace("cash-box", "cash", "EUR"),
                NewHeldPlace("bank", "bank", "EUR"),
                NewHeldPlace("tin", "cash", "GBP"),
            ),
            **changes,
        }
    )
    group_id = await create_group(house, group, origin="bank.example/g/riverside", now=now)
    joined = await add_members(
        house, group_id, [NewMember(name.title(), roles) for name, roles in PEOPLE.items()], now=now
    )
    ids = dict(zip(PEOPLE, joined, strict=True))
    for name in PEOPLE.keys() - WITHOUT_DEVICE:
        await make_token(house, group_id, ids[name], ("read", "write"), now=now)
    desk = LedgerDesk(house, group_id, ids, now)
    desk.writer = Writer(house.database, house.keys, house.checkpoints, clock=lambda: desk.now)
    yield desk
    await desk.writer.close()
