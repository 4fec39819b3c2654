"""The cast's book with a clock in hand, for tests of what is published when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.cast import SLUG, Cast
from timebank.errors import Refusal
from timebank.ledger.public_log import Leaf, read_leaf
from timebank.ledger.tiles import new_paths
from timebank.rules.commands import ApproveDraw, AskDraw, Command, HandOver, LogHours
from timebank.services import public_log
from timebank.services.close import close_period
from timebank.services.house import House
from timebank.services.writer import Writer
from timebank.store import public_log as log_store

# Noon in Madrid on the day that the cast sets its group up, a Monday.
MARCH_2 = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)


class Book:
    """The cast's book with a clock in hand: things are written when a test says."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.now = cast, MARCH_2
        house = cast.house
        self.writer = Writer(house.database, house.keys, house.checkpoints, clock=lambda: self.now)
        self.count = 0

    @property
    def house(self) -> House:
        return self.cast.house

    @property
    def group_id(self) -> UUID:
        return self.cast.group_id

    async def write(self, name: str, command: Command) -> dict[str, Any]:
        self.count += 1
        key = f"key-{self.count}"
        answer = await self.writer.submit(
            self.group_id,
            [command],
            actor=await self.cast.actor(name),
            key=key,
            request_hash=sha256(key.encode()).digest(),
            render=_render,
        )
        assert answer.status < 300, answer.body
        said: dict[str, Any] = json.loads(answer.body)
        return said

    async def give(self, minutes: int, day: date, name: str = "ada", **more: Any) -> dict[str, Any]:
        return await self.write(name, LogHours(None, None, None, minutes, day, "cooking", **more))

    async def promise(
        self, name: str, amount: int, pot: str = "money", unit: str = "EUR", **more: Any
    ) -> UUID:
        """Have somebody ask, and somebody else say yes."""
        draw = UUID((await self.write(name, AskDraw(pot, amount, unit, "cooking", **more)))["id"])
        await self.write("di" if name == "bo" else "bo", ApproveDraw(draw, not_own=True))
        return draw

    async def draw(self, name: str, amount: int, **more: Any) -> UUID:
        """Have somebody ask for money, and get it."""
        draw = await self.promise(name, amount, **more)
        await self.write("ed", HandOver(draw, "bank"))
        return draw

    async def leaves(self) -> list[Leaf]:
        """Return every leaf of the public log."""
        async with self.house.database.public_read(self.group_id) as tx:
            found = await log_store.find_note(tx, self.group_id)
            assert found is not None
            rows = await log_store.list_leaves(tx, self.group_id, 0, found[0])
            assert len(rows) == found[0]
        return [read_leaf(row) for row in rows]

    async def save_log(self, folder: Path) -> None:
        """Save the public log as a host serves it."""
        database = self.house.database
        async with database.public_read(self.group_id) as tx:
            found = await log_store.find_note(tx, self.group_id)
        assert found is not None
        files = {
            "checkpoint": await public_log.read_checkpoint(database, SLUG),
            **{path: await public_log.read_file(database, SLUG, path) for path in new_paths(0, found[0])},
        }
        for pot in ("hours", "money"):
            for version in (1,):
                files[f"policies/{pot}/{version}"] = await public_log.read_policy_text(
                    database, SLUG, pot, version
                )
        for path, content in files.items():
            place = folder / "log" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    async def close(self, through: date | None = None) -> Any:
        return await close_period(self.house, self.group_id, now=self.now, through=through)

    async def rows(self, query: str) -> Sequence[Any]:
        async with self.house.database.read(self.group_id) as tx:
            return (await tx.execute(text(query))).all()


def _render(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return 409, {"code": refusal.code, "params": refusal.params}


def _render(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return 409, {"code": refusal.code, "params": refusal.params}
