"""An example group: two years of a neighbourhood that never was, told through the services, the same every time.

Everything goes through the one door with a clock of its own, so the book that comes out is a
real one: it verifies, closes and publishes like any other. What it should hold is counted
beside it, from the answers alone, so that somebody can compare.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from timebank.errors import UnknownGroup
from timebank.ledger.units import MINUTES
from timebank.rules.commands import (
    ApproveDraw,
    AskDraw,
    Command,
    ConfirmHours,
    CorrectEntry,
    DeclineDraw,
    DrawArrived,
    GiveMoney,
    HandOver,
    Instead,
    LogHours,
    QuestionHours,
)
from timebank.rules.people import Actor
from timebank.rules.policies import Terms
from timebank.rules.set_up import NewGroup, NewHeldPlace, NewPot
from timebank.services.close import close_period
from timebank.services.groups import create_group
from timebank.services.members import NewMember, add_members, find_member
from timebank.services.writer import Writer

if TYPE_CHECKING:
    from timebank.errors import Refusal
    from timebank.services.house import House

SLUG = "millbank-lane"
NAME = "Millbank Lane Neighbours"
OTHER_SLUG = "brook-lane"
OTHER_NAME = "Brook Lane Tenants"
TIME_ZONE = "Europe/Dublin"
CURRENCY = "EUR"
YEARS = 2
CATEGORIES = (
    "care", "children", "cooking", "garden", "language", "other", "paperwork", "repair", "transport",
)  # fmt: skip

_NICKNAMES = (
    "Ada", "Bo", "Dido", "Ed", "Farah", "Gus", "Hana", "Ivo", "June", "Kofi", "Lena", "Milo", "Nour", "Odile",
    "Pim", "Quinn", "Rosa", "Sami", "Tess", "Umar", "Vera", "Wen", "Xenia", "Yusuf", "Zora", "Anouk", "Bilal",
    "Clara", "Dmitri", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jakob", "Kasia", "Luis", "Maeve", "Nils",
    "Olga", "Pavel", "Rania", "Sven", "Thea", "Uli", "Viktor",
)  # fmt: skip
_FOUNDERS = 14
_TREASURER = 3
_STEWARDS = (1, 2, 4)
_DUTIES = {1: ("steward",), 2: ("steward",), 3: ("treasurer",), 4: ("steward", "auditor")}

#: Reports how far the story is: (days told, days in all, what is being done).
Progress = Callable[[int, int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Example:
    """The two groups, and what the first one's book must hold.

    Attributes:
        cast: Member ids by part: member, member2, steward, steward2, treasurer; stranger is a
            member of the second group.
        totals: Balances by account, as counted from the answers: ``pot:hours``, ``promised:money``,
            ``shared:hours``, ``held:cash-1``... in minutes and smallest coins.
        given, drawn: Per pot, over all time.
        refused: Commands that the rules refused on the way, as some should be.
    """

    slug: str
    other_slug: str
    group_id: UUID
    other_group_id: UUID
    cast: dict[str, UUID]
    totals: dict[str, int]
    given: dict[str, int]
    drawn: dict[str, int]
    entries: int
    refused: int


@dataclass(slots=True)
class _Ask:
    """An ask on its way through the story."""

    draw_id: UUID
    asker: int
    unit: str
    left: int
    wanted: int
    due: date
    needs: int
    yes: list[int] = field(default_factory=list)
    promised: bool = False


@dataclass(slots=True)
class _Wait:
    """Hours that wait for the word of whoever received them; ``asked`` once they said "not quite"."""

    hours_id: UUID
    entry_id: UUID
    receiver: int
    minutes: int
    evenings: int = 0
    asked: bool = False


@dataclass(slots=True)
class _Story:
    """What the story remembers from one evening to the next."""

    house: House
    writer: Writer
    group_id: UUID
    dice: random.Random
    clock: list[datetime]
    people: list[Actor] = field(default_factory=list)
    asks: list[_Ask] = field(default_factory=list)
    recent: list[tuple[UUID, int, int, bool]] = field(default_factory=list)
    waits: list[_Wait] = field(default_factory=list)
    handed: list[tuple[UUID, int]] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    refused: int = 0
    commands: int = 0

    async def write(self, wanted: list[tuple[int, Command]]) -> list[dict[str, Any] | None]:
        """Have people do things in one batch; what was refused comes back as None."""
        requests = []
        for person, command in wanted:
            self.commands += 1
            key = f"example-{self.commands}"
            requests.append((command, self.people[person], key, sha256(key.encode()).digest()))
        answers = await self.writer.post(self.group_id, requests, render=_say)
        said: list[dict[str, Any] | None] = []
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            if answer.status >= 400:
                self.refused += 1
                said.append(None)
            else:
                said.append(json.loads(answer.body))
        return said


class Found(NamedTuple):
    """The newest example on a server: its address, or the free address that the next one takes.

    Attributes:
        whole: Whether its story was told to the end; the second group, made last, is the sign.
        interrupted: Whether an earlier one was begun and never finished.
    """

    slug: str
    other_slug: str
    whole: bool
    interrupted: bool


async def find_example(house: House) -> Found:
    """Look for a whole example; one that was interrupted keeps its address, and the next takes another."""
    number = 1
    while True:
        suffix = "" if number == 1 else f"-{number}"
        slug, other_slug = SLUG + suffix, OTHER_SLUG + suffix
        if not await _exists(house, slug):
            return Found(slug, other_slug, whole=False, interrupted=number > 1)
        if await _exists(house, other_slug):
            return Found(slug, other_slug, whole=True, interrupted=number > 1)
        number += 1


async def _exists(house: House, slug: str) -> bool:
    try:
        await house.database.group_id(slug)
    except UnknownGroup:
        return False
    return True


async def make_example(
    house: House, *, host: str, now: datetime, progress: Progress, days: int = YEARS * 365
) -> Example:
    """Tell the story up to yesterday, close its periods, and say what the book must hold.

    Args:
        house: Its ids, account numbers and randomness are replaced by seeded ones, all but the keys.
        host: First part of the books' origins, such as ``localhost:8000``.
        now: The moment at which the last periods are closed; the story ends on the evening before.
        days: How long the story is; 30 or more.
    """
    assert days >= 30, days
    today = now.astimezone(ZoneInfo(TIME_ZONE)).date()
    slug, other_slug, whole, _ = await find_example(house)
    assert not whole, "one example is enough"
    # The same story every time; under another address it needs other ids.
    dice = random.Random(f"the open book for a common pot: {slug}")  # noqa: S311 - a story, not a secret
    house = replace(
        house,
        new_id=lambda: UUID(int=dice.getrandbits(128), version=4),
        new_number=lambda: dice.randrange(1, 2**53),
        random=dice.randbytes,
    )
    began = today - timedelta(days=days)
    clock = [_evening(began, 8)]
    writer = Writer(
        house.database, house.keys, house.checkpoints, clock=lambda: clock[0], random=dice.randbytes
    )
    group_id = await create_group(house, _group(slug, NAME, began), origin=f"{host}/g/{slug}", now=clock[0])
    story = _Story(house, writer, group_id, dice, clock)
    await _join(story, range(_FOUNDERS))

    for number in range(days):
        day = began + timedelta(days=number)
        clock[0] = _evening(day, 20)
        await _newcomers(story, number, days)
        await _tell_day(story, day)
        if number == days - 1:
            await _last_evening(story, day)
        if number % 7 == 6:
            await progress(number + 1, days, "telling")
    await close_period(house, group_id, now=now)
    await progress(days, days, "closing")

    other_id = await create_group(
        house, _group(other_slug, OTHER_NAME, began), origin=f"{host}/g/{other_slug}", now=now
    )
    stranger = (await add_members(house, other_id, [NewMember("Cy")], now=now))[0]
    parts = {"member": 0, "member2": 5, "steward": 1, "steward2": 2, "treasurer": _TREASURER}
    return Example(
        slug=slug,
        other_slug=other_slug,
        group_id=group_id,
        other_group_id=other_id,
        cast={part: story.people[number].member_id for part, number in parts.items()}
        | {"stranger": stranger},
        totals=dict(sorted(story.totals.items())),
        given=dict(sorted(story.given.items())),
        drawn=dict(sorted(story.drawn.items())),
        entries=story.entries,
        refused=story.refused,
    )


def _group(slug: str, name: str, began: date) -> NewGroup:
    return NewGroup(
        slug=slug,
        name=name,
        languages=("en", "es", "ar"),
        time_zone=TIME_ZONE,
        began_on=began,
        categories=CATEGORIES,
        preset="open",
        currencies=(CURRENCY,),
        pots=(
            NewPot("hours", MINUTES, terms=Terms(per_request_max=360, approvals=((0, 0), (120, 1)))),
            NewPot("money", CURRENCY, terms=Terms(per_request_max=5_000, approvals=((0, 1), (3_000, 2)))),
        ),
        held_places=(
            NewHeldPlace("cash-1", "cash", CURRENCY),
            NewHeldPlace("bank-1", "bank", CURRENCY),
        ),
    )


def _evening(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), ZoneInfo(TIME_ZONE)).astimezone(UTC)


def _say(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return 409, {"code": refusal.code, "params": refusal.params}


# ---------------------------------------------------------------- people


async def _join(story: _Story, numbers: range) -> None:
    new = [NewMember(_NICKNAMES[number], _DUTIES.get(number, ())) for number in numbers]
    now = story.clock[0]
    for member_id in await add_members(story.house, story.group_id, new, now=now):
        member = await find_member(story.house, story.group_id, now=now, member_id=member_id)
        story.people.append(
            Actor(
                group_id=story.group_id,
                member_id=member_id,
                account=member.accounts[MINUTES],
                accounts=member.accounts,
                roles=frozenset({"member", *member.roles}),
                scopes=frozenset({"read", "write"}),
            )
        )


async def _newcomers(story: _Story, number: int, days: int) -> None:
    """Let people join bit by bit, so that all are there when two thirds of the story are told."""
    there = len(story.people)
    wanted = _FOUNDERS + (len(_NICKNAMES) - _FOUNDERS) * min(1.0, number / (days * 2 / 3))
    if there + 1 <= wanted:
        await _join(story, range(there, int(wanted)))


# ---------------------------------------------------------------- one day


async def _tell_day(story: _Story, day: date) -> None:
    dice = story.dice
    del story.recent[:-40]
    lively = len(story.people) / len(_NICKNAMES) * (1.5 if day.weekday() >= 5 else 0.9)
    doings: list[tuple[int, Command]] = [_help(story, day) for _ in range(_poisson(dice, 3.4 * lively))]
    doings += [_gift(story, day) for _ in range(_poisson(dice, 0.62 * lively))]
    doings += [_ask_hours(story) for _ in range(_poisson(dice, 0.50 * lively))]
    doings += [_ask_money(story) for _ in range(_poisson(dice, 0.24 * lively))]
    if story.recent and dice.random() < 0.03:
        doings.append(_correction(story))
    for (person, command), said in zip(doings, await story.write(doings), strict=True):
        if said is not None:
            _count(story, person, command, said, day)

    await _hear_the_others(story)
    await _say_yes(story, day)
    await _answer_asks(story, day)


def _help(story: _Story, day: date) -> tuple[int, LogHours]:
    dice = story.dice
    giver = dice.randrange(len(story.people))
    receiver = None
    if dice.random() < 0.92:
        other = dice.randrange(len(story.people) - 1)
        receiver = story.people[other + (other >= giver)].member_id
    happened = max(day - timedelta(days=min(6, int(dice.expovariate(0.9)))), day - timedelta(days=6))
    minutes = dice.choice((30, 45, 60, 60, 60, 75, 90, 90, 120, 120, 150, 180, 240))
    command = LogHours(None, receiver, None, minutes, happened, dice.choice(CATEGORIES))
    return giver, command


def _gift(story: _Story, day: date) -> tuple[int, GiveMoney]:
    dice = story.dice
    held, amount = ("cash-1", dice.choice((200, 500, 500, 1_000, 1_000, 2_000)))
    if dice.random() < 0.45:
        held, amount = "bank-1", dice.choice((1_000, 1_000, 1_500, 2_000, 2_500))
    giver = None if dice.random() < 0.35 else story.people[dice.randrange(len(story.people))].member_id
    return _TREASURER, GiveMoney("money", amount, CURRENCY, held, giver, day)


def _ask_hours(story: _Story) -> tuple[int, AskDraw]:
    dice = story.dice
    minutes = dice.choice((60, 60, 90, 120, 120, 180, 240, 300, 360))
    return dice.randrange(len(story.people)), AskDraw("hours", minutes, MINUTES, dice.choice(CATEGORIES))


def _ask_money(story: _Story) -> tuple[int, AskDraw]:
    dice = story.dice
    # Six thousand is over the limit: somebody asks too much now and then, and is told so.
    amount = dice.choice((1_000, 1_500, 2_000, 2_500, 3_000, 3_000, 3_500, 4_000, 5_000, 6_000))
    asker = dice.randrange(len(story.people))
    if asker == _TREASURER:  # there is only one, and nobody hands their own ask over
        asker = 0
    return asker, AskDraw("money", amount, CURRENCY, dice.choice(CATEGORIES))


def _correction(story: _Story) -> tuple[int, CorrectEntry]:
    entry_id, person, minutes, _ = story.dice.choice(story.recent)
    instead = Instead(amount=max(15, minutes - 30)) if story.dice.random() < 0.7 else None
    return person, CorrectEntry(entry_id, instead=instead)


def _count(story: _Story, person: int, command: Command, said: dict[str, Any], day: date) -> None:
    """Count what an accepted command did, by the words of the rules and not by the book."""
    if isinstance(command, LogHours):
        story.entries += 1
        story.given["hours"] += command.minutes
        story.totals["pot:hours"] += command.minutes
        answered = command.receiver is not None
        if answered:
            story.totals["pot:hours"] -= command.minutes
            story.totals["shared:hours"] += command.minutes
            story.drawn["hours"] += command.minutes
        story.recent.append((UUID(said["entry"]), person, command.minutes, answered))
        if command.receiver is not None:
            receiver = _number_of(story, command.receiver)
            story.waits.append(_Wait(UUID(said["id"]), UUID(said["entry"]), receiver, command.minutes))
    elif isinstance(command, GiveMoney):
        story.entries += 1
        story.given["money"] += command.amount
        story.totals["pot:money"] += command.amount
        story.totals[f"held:{command.held}"] += command.amount
    elif isinstance(command, AskDraw):
        _count_ask(story, person, command, said, day)
    elif isinstance(command, CorrectEntry):
        _count_correction(story, command)


def _count_ask(story: _Story, person: int, command: AskDraw, said: dict[str, Any], day: date) -> None:
    needs = 2 if command.unit == CURRENCY and command.amount > 3_000 else 1
    ask = _Ask(
        draw_id=UUID(said["id"]),
        asker=person,
        unit=command.unit,
        left=command.amount,
        wanted=command.amount,
        due=day + timedelta(days=story.dice.randrange(1, 5)),
        needs=needs,
    )
    if command.unit == MINUTES and command.amount <= 120:
        # At once, by the rules; the answer to an ask does not tell what the pot had.
        _count_promise(story, ask)
    story.asks.append(ask)


def _count_promise(story: _Story, ask: _Ask) -> None:
    pot = "money" if ask.unit == CURRENCY else "hours"
    story.entries += 1
    ask.promised = True
    story.totals[f"pot:{pot}"] -= ask.wanted
    story.totals[f"promised:{pot}"] += ask.wanted


def _count_correction(story: _Story, command: CorrectEntry) -> None:
    found = next(entry for entry in story.recent if entry[0] == command.entry)
    _, _, minutes, answered = found
    now = 0 if command.instead is None else (command.instead.amount or 0)
    story.entries += 1 if command.instead is None else 2
    story.given["hours"] += now - minutes
    if answered:
        story.drawn["hours"] += now - minutes
        story.totals["shared:hours"] += now - minutes
    else:
        story.totals["pot:hours"] += now - minutes
    story.recent.remove(found)
    story.waits = [wait for wait in story.waits if wait.entry_id != command.entry]


def _number_of(story: _Story, member_id: UUID) -> int:
    return next(number for number, actor in enumerate(story.people) if actor.member_id == member_id)


# ---------------------------------------------------------------- what the other side says


async def _hear_the_others(story: _Story) -> None:
    """Whoever received help says yes within a week, and whoever asked says that it arrived; no total moves by it."""
    dice = story.dice
    doings: list[tuple[int, Command]] = []
    for wait in story.waits:
        wait.evenings += 1
        if wait.evenings > 6 or dice.random() < 0.4:
            doings.append((wait.receiver, ConfirmHours(wait.hours_id)))
        elif wait.minutes > 45 and not wait.asked and dice.random() < 0.03:
            # It turns out to be right after all: their yes comes on another evening.
            wait.asked = True
            doings.append((wait.receiver, QuestionHours(wait.hours_id, wait.minutes - 15)))
    answered = {command.hours for _, command in doings if isinstance(command, ConfirmHours)}
    story.waits = [wait for wait in story.waits if wait.hours_id not in answered]
    arrived = [each for each in story.handed if dice.random() < 0.6]
    story.handed = [each for each in story.handed if each not in arrived]
    doings += [(asker, DrawArrived(draw_id)) for draw_id, asker in arrived]
    await story.write(doings)


async def _last_evening(story: _Story, day: date) -> None:
    """Leave something of every kind open, so that whoever looks finds a group in the middle of its days."""
    ada, bo, gus, hana, ivo, june = 0, 1, 5, 6, 7, 8
    ids = [actor.member_id for actor in story.people]
    yesterday = day - timedelta(days=1)
    doings: list[tuple[int, Command]] = [
        (june, LogHours(None, ids[ada], None, 75, yesterday, "repair")),
        (hana, LogHours(None, ids[ada], None, 45, day - timedelta(days=2), "paperwork")),
        (ada, LogHours(None, ids[gus], None, 90, yesterday, "cooking")),
        (ada, LogHours(None, ids[ivo], None, 60, day, "transport")),
        (ada, AskDraw("money", 2_000, CURRENCY, "repair")),
        (ada, AskDraw("money", 4_000, CURRENCY, "children")),
        (ada, AskDraw("hours", 180, MINUTES, "garden")),
        (ada, AskDraw("money", 1_500, CURRENCY, "other")),
    ]
    told = await story.write(doings)
    for (person, command), answer in zip(doings, told, strict=True):
        assert answer is not None, command
        _count(story, person, command, answer, day)
    ids_told = [UUID(answer["id"]) for answer in told if answer is not None]
    _, _, not_quite, right, _, half, promised, not_now = ids_told
    said = await story.write(
        [
            (gus, QuestionHours(not_quite, 60)),
            (ivo, ConfirmHours(right)),
            (bo, ApproveDraw(half)),
            (bo, ApproveDraw(promised)),
            (bo, DeclineDraw(not_now, "The box has to last until Friday. Ask again then, please.")),
        ]
    )
    assert None not in said, said
    _count_promise(story, next(ask for ask in story.asks if ask.draw_id == promised))


# ---------------------------------------------------------------- asks on their way


async def _say_yes(story: _Story, day: date) -> None:
    """Stewards look at what is due; an ask that the pot cannot answer waits for another day."""
    due = [ask for ask in story.asks if not ask.promised and ask.due <= day]
    doings: list[tuple[int, Command]] = []
    for ask in due:
        steward = next(number for number in _STEWARDS if number != ask.asker and number not in ask.yes)
        ask.yes.append(steward)
        doings.append((steward, ApproveDraw(ask.draw_id)))
    for ask, said in zip(due, await story.write(doings), strict=True):
        ask.due = day + timedelta(days=story.dice.randrange(1, 4))
        if said is None:
            ask.yes.pop()
        elif said["state"] == "promised":
            _count_promise(story, ask)


async def _answer_asks(story: _Story, day: date) -> None:
    """Money is handed over on Fridays; hours are given in the days that follow."""
    ready = [ask for ask in story.asks if ask.promised and ask.due < day]
    chosen: list[_Ask] = []
    doings: list[tuple[int, Command]] = []
    for ask in ready:
        if ask.unit == MINUTES:
            helper = story.dice.randrange(len(story.people))
            if helper == ask.asker or story.dice.random() < 0.75:
                continue  # not today
            minutes = ask.left if ask.left <= 120 or story.dice.random() < 0.7 else ask.left // 2
            chosen.append(ask)
            doings.append((helper, LogHours(None, None, ask.draw_id, minutes, day, "other")))
        elif day.weekday() == 4:
            held = "cash-1" if story.totals["held:cash-1"] >= ask.left + 2_000 else "bank-1"
            chosen.append(ask)
            doings.append((_TREASURER, HandOver(ask.draw_id, held)))
    for ask, (_, command), said in zip(chosen, doings, await story.write(doings), strict=True):
        if said is None:
            continue
        story.entries += 1
        if isinstance(command, LogHours):
            story.given["hours"] += command.minutes
            story.drawn["hours"] += command.minutes
            story.totals["pot:hours"] += command.minutes
            story.totals["promised:hours"] -= command.minutes
            story.totals["shared:hours"] += command.minutes
            ask.left -= command.minutes
            if not ask.left:
                story.handed.append((ask.draw_id, ask.asker))
        else:
            assert isinstance(command, HandOver)
            story.totals["promised:money"] -= ask.left
            story.totals["shared:money"] += ask.left
            story.totals[f"held:{command.held}"] -= ask.left
            story.drawn["money"] += ask.left
            ask.left = 0
            story.handed.append((ask.draw_id, ask.asker))
    story.asks = [ask for ask in story.asks if ask.left]


def _poisson(dice: random.Random, mean: float) -> int:
    """Return how many of something happen on a day (Knuth's method; small means only)."""
    limit, product, count = 2.718281828459045**-mean, dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count
