"""Random lives under changing ways of publishing: verify and an audit find nothing wrong with what was done rightly."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.cast import NAMES, make_cast
from tests.services.book_with_clock import MARCH_2, Book
from tests.services.test_audit import audit
from timebank.errors import NotSignedIn
from timebank.rules.commands import (
    ApproveDraw,
    AskDraw,
    CancelDraw,
    ChangeDraw,
    Command,
    CorrectEntry,
    GiveMoney,
    HandOver,
    LogHours,
    ObjectDraw,
    ReleaseDraw,
    ReturnMoney,
    StepAside,
    UndoDrawEntry,
)
from timebank.rules.policies import Cap
from timebank.rules.readiness import Way
from timebank.rules.set_up import MINUTES, NewPot, Terms
from timebank.services.acts import Once
from timebank.services.house import House
from timebank.services.members import erase_member, grant_role
from timebank.services.settings import Change, write_settings
from timebank.services.verify import verify_group

LIVES = int(os.environ.get("TIMEBANK_TEST_AUDITS", "1"))
STEPS = 120 if LIVES > 1 else 60

TERMS = (
    Terms(
        approvals=((0, 1), (700, 2)),
        caps=(Cap("person", "month", most=2500, times=4), Cap("household", "days", days=45, most=4000)),
        who="anyone",
    ),
    Terms(approvals=((0, 0), (500, 1)), reserve=300, scarcity="queue", promise_days=20, two_people=True),
    Terms(approvals=((0, 1),), consent_hours=48, caps=(Cap("person", "days", days=30, times=3),)),
)


@asynccontextmanager
async def a_life(house: House, chance: random.Random) -> AsyncIterator[Book]:
    pots = (NewPot("hours", MINUTES), NewPot("money", "EUR", terms=chance.choice(TERMS)))
    book = Book(
        await make_cast(house, MARCH_2, pots=pots, preset=chance.choice(["open", "careful", "sheltered"]))
    )
    await grant_role(house, book.group_id, book.cast.ids["flo"], "auditor", now=MARCH_2)
    try:
        yield book
    finally:
        await book.writer.close()


class Life:
    """One life under way: does what comes to its mind, and is often refused."""

    def __init__(self, book: Book, chance: random.Random) -> None:
        self.book, self.chance = book, chance
        self.draws: list[tuple[UUID, str]] = []
        self.entries: list[UUID] = []
        self.done = 0

    async def write(self, name: str, command: Command) -> dict[str, object]:
        try:
            said = await self.book.write(name, command)
        except (AssertionError, NotSignedIn):
            return {}
        self.done += 1
        return said

    async def step(self) -> None:
        chance, book = self.chance, self.book
        book.now += timedelta(hours=chance.choice([1, 5, 30, 70]))
        day = (book.now - timedelta(days=chance.choice([0, 0, 1, 9]))).date()
        amount = chance.choice([100, 400, 600, 900, 1500])
        name = chance.choice(NAMES)
        what = chance.random()
        if what < 0.18:
            giver = chance.choice([None, book.cast.ids[name]])
            await self.write("ed", GiveMoney("money", amount * 2, "EUR", "bank", giver, day, again=True))
        elif what < 0.32:
            receiver = chance.choice([None, book.cast.ids[chance.choice(NAMES)]])
            said = await self.write(name, LogHours(None, receiver, None, 30, day, "cooking"))
            self.entries += [UUID(str(said["entry"]))] if "entry" in said else []
        elif what < 0.5:
            more = {"without_account": True} if name == "bo" and chance.random() < 0.5 else {}
            said = await self.write(name, AskDraw("money", amount, "EUR", "cooking", **more))
            self.draws += [(UUID(str(said["id"])), name)] if "id" in said else []
        elif what < 0.54 and self.entries:
            await self.write("bo", CorrectEntry(chance.choice(self.entries)))
        elif self.draws:
            await self.about(*chance.choice(self.draws[-8:]))

    async def about(self, draw: UUID, asker: str) -> None:
        chance = self.chance
        steward = chance.choice(["bo", "di"])
        commands: list[tuple[str, Command]] = [
            (steward, ApproveDraw(draw, not_own=True)),
            (steward, ApproveDraw(draw, not_own=True)),
            (steward, ApproveDraw(draw, amount=300, not_own=True)),
            ("ed", HandOver(draw, "bank")),
            ("ed", HandOver(draw, "bank", amount=100)),
            (steward, StepAside(draw)),
            (steward, ObjectDraw(draw, "why", withdraw=chance.random() < 0.6)),
            (asker, ChangeDraw(draw, chance.choice([200, 1200]))),
            (asker, CancelDraw(draw)),
            ("ed", ReleaseDraw(draw)),
            ("ed", ReturnMoney(draw, "bank", 50)),
        ]
        name, command = chance.choice(commands)
        said = await self.write(name, command)
        if isinstance(command, HandOver) and "entry" in said and chance.random() < 0.3:
            await self.write("ed", UndoDrawEntry(draw, UUID(str(said["entry"]))))

    async def publish_otherwise(self) -> None:
        book = self.book
        way = Way.of(self.chance.choice(["open", "careful", "careful", "sheltered"]))
        once = Once(uuid4().hex, bytes(32), book.now, lambda refusal: (409, {"code": refusal.code}))
        await write_settings(book.house, await book.cast.actor("bo"), once, Change(preset=way.preset))


@pytest.mark.parametrize("seed", range(LIVES))
async def test_what_was_done_rightly_is_never_found_wrong(house: House, tmp_path: Path, seed: int):
    chance = random.Random(seed)
    async with a_life(house, chance) as book:
        life = Life(book, chance)
        for at in range(1, STEPS + 1):
            await life.step()
            if at % 10 == 0:
                book.now += timedelta(days=chance.choice([1, 3, 8]))
                await book.close()
            if at % 30 == 0:
                await life.publish_otherwise()
            if at == STEPS - 30 and chance.random() < 0.5:
                await erase_member(book.house, book.group_id, book.cast.ids["ada"], now=book.now)
        book.now += timedelta(days=40)
        await book.close()

        verdict = await verify_group(book.house, book.group_id)
        found = await audit(book, tmp_path)

        assert verdict.findings == ()
        assert found.findings == ()
        assert life.done > STEPS / 4
        assert found.entries > 10
