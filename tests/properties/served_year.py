"""The year of ``year_outside`` lived in a real database, behind a running application that somebody polls.

They look at each minute in which anything happens, before and after each close, and at each midnight: in between
nobody does anything. What they saw is read from bytes that were served: lines, flows and balances from the public API,
leaves from the tiles. What is behind it is known here alone, from what was written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from litestar import Litestar

from tests.cast import SLUG, a_group, be_durable_enough
from tests.database import Server, copied
from tests.properties.stand import code, said, send
from tests.properties.year_outside import DRAWS, FIRST, Group, Page, Told
from tests.surfaces import Answers, differing, everything, open_app, without_chance
from timebank.ledger.public_log import OTHER
from timebank.ledger.tiles import entries_path, new_tiles_at, read_bundle
from timebank.rules.commands import (
    ApproveDraw,
    AskDraw,
    GiveMoney,
    HandOver,
    ProposeOpening,
    ReleaseDraw,
    ReturnMoney,
)
from timebank.rules.people import Actor
from timebank.rules.publication import Sum
from timebank.rules.readiness import ANYBODY, WAITED, Outcome, Way, period_end
from timebank.rules.set_up import NewHeldPlace, NewPot, Terms
from timebank.services.asks import find_holder, make_form
from timebank.services.due import sweep_group
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.members import NewMember, actor_of, add_members
from timebank.services.tokens import make_token

ZONE: Final = ZoneInfo("Europe/Madrid")
#: The group has what it gives before anybody asks.
BEGINS: Final = FIRST - timedelta(days=35)
#: So long after the year nothing happens any more.
AFTER: Final = {"open": 1, "careful": 14 * 7, "sheltered": 27 * 7}
API: Final = f"/api/v1/groups/{SLUG}"
#: What is looked at each minute; all addresses are looked at around each close.
EACH_MINUTE: Final = (
    f"/g/{SLUG}",
    f"{API}/balances",
    f"{API}/flows?by=kind",
    f"{API}/entries",
    f"/g/{SLUG}/log/checkpoint",
)
OF_A_MEMBER: Final = (f"{API}/live", f"{API}/draws")


class Cell(NamedTuple):
    """A published figure: of a kind of entries in one period, or what a pot has; and how many are behind it."""

    what: str
    period: int
    people: int


@dataclass(slots=True)
class Seen:
    """What somebody saw who polled for a year.

    Attributes:
        pages: What each change of public bytes showed; ``behind`` is what was written.
        to_member, to_asker: Changes of what somebody else did in what only they see, in the same form.
        cells: Every figure of draws that was published, and of gifts where gifts wait.
        polls, changes: How often they looked, and how often public bytes had changed.
        moved: Addresses that answered something else although no close was between.
        compared: How many answers of all addresses were held against those of before.
        wrong: What was served and is not what was written.
    """

    pages: list[Page] = field(default_factory=list)
    to_member: list[Page] = field(default_factory=list)
    to_asker: list[Page] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    polls: int = 0
    changes: int = 0
    moved: list[str] = field(default_factory=list)
    compared: int = 0
    wrong: list[str] = field(default_factory=list)


class Clock:
    """The time that everybody here has."""

    def __init__(self) -> None:
        self.now = datetime.combine(BEGINS, time(9), ZONE)

    def __call__(self) -> datetime:
        return self.now

    def go(self, day: date, hour: int, minute: int) -> None:
        """Let it be later."""
        later = datetime.combine(day, time(hour, minute), ZONE)
        assert later > self.now, (later, self.now)
        self.now = later


@dataclass(slots=True)
class _Draw:
    draw_id: UUID
    asker: Actor


class Life:
    """A group that lives, and a visitor who looks."""

    def __init__(
        self, app: Litestar, http: httpx.AsyncClient, clock: Clock, way: Way, *, whole_every: int
    ) -> None:
        self.whole_every = whole_every
        self.house: House = app.state.door.house
        self.writer = app.state.door.writer
        self.app, self.http, self.clock, self.way = app, http, clock, way
        self.seen = Seen()
        self.group_id = UUID(int=0)
        self.people: list[Actor] = []
        self.actors: dict[str, Actor] = {}
        self.stopped: set[int] = set()
        self._draws: dict[int, _Draw] = {}
        self._truth: dict[str, Told] = {}
        self._seqs: dict[int, Told] = {}
        self._before: dict[str, bytes] = {}
        self._whole: Answers = {}
        self._shown: dict[str, tuple[int, int]] = {}
        self._period = self._leaves = self._seq = self._polled = self._closes = 0
        self._balances: dict[str, tuple[int, int]] = {}
        self._token = self._secret = ""

    # ------------------------------------------------------------ what happens

    async def begin(self, people: int) -> None:
        """Set the group up, with money in its pot that came from an older book."""
        now = self.clock.now
        pot = NewPot("money", "EUR", terms=Terms(who="anyone"))
        places = (NewHeldPlace("bank", "bank", "EUR"),)
        self.group_id = await create_group(
            self.house,
            a_group(preset=self.way.preset, pots=(pot,), held_places=places, began_on=BEGINS),
            origin=f"bank.example/g/{SLUG}",
            now=now,
        )
        duties = {"bo": ("steward",), "ed": ("treasurer",)}
        names = [NewMember(f"P{number}") for number in range(people)]
        ids = await add_members(
            self.house, self.group_id, [*names, *(NewMember(n, r) for n, r in duties.items())], now=now
        )
        made = await make_token(self.house, self.group_id, ids[1], ("read",), now=now)
        self._token = made.token
        actors = [
            replace(
                await actor_of(self.house, self.group_id, member_id, now=now),
                scopes=frozenset(("read", "write", "seq")),
            )
            for member_id in ids
        ]
        self.people = actors[:people]
        self.actors = dict(zip(duties, actors[people:], strict=True))
        await self._send(self.actors["ed"], ProposeOpening("money", 10**9, "EUR", held="bank"))
        self._seq = await self._head()
        self._before = await self._public()

    async def _send(self, actor: Actor, *commands: Any) -> dict[str, Any]:
        answer = await send(self.writer, self.group_id, actor, *commands)
        assert code(answer) == "ok", (commands, answer.body)
        return said(answer)

    async def happen(self, told: Told) -> None:
        """Let one entry be written as its people would."""
        bo, ed = self.actors["bo"], self.actors["ed"]
        match told.kind:
            case "money_in":
                assert isinstance(told.person, int)
                giver = self.people[told.person - 1000].member_id
                await self._send(ed, GiveMoney("money", told.amount, "EUR", "bank", giver, told.day))
            case "promise":
                draw = await self._ask(told)
                await self._send(bo, ApproveDraw(draw, not_own=True))
            case "release":
                await self._send(bo, ReleaseDraw(self._draws[told.ask].draw_id))
            case "hand_over":
                await self._send(ed, HandOver(self._draws[told.ask].draw_id, "bank"))
            case "money_returned":
                await self._send(ed, ReturnMoney(self._draws[told.ask].draw_id, "bank", told.amount))
        await self._learn(told)

    async def _ask(self, told: Told) -> UUID:
        ask = AskDraw("money", told.amount, "EUR", "repairs")
        if told.person == ANYBODY:
            self._secret = make_form(self.house.keys, self.group_id)
            holder = await find_holder(self.house, self.group_id, self._secret)
            ask = ask._replace(without_account=True, link=holder.link_hash, ask_id=holder.ask_id)
            asker = holder.actor
        else:
            assert isinstance(told.person, int)
            asker = self.people[told.person]
        draw_id = UUID((await self._send(asker, ask))["id"])
        self._draws[told.ask] = _Draw(draw_id, asker)
        return draw_id

    async def _learn(self, told: Told) -> None:
        """Note which record is of what really happened."""
        async with self.house.database.write_door(self.group_id) as connection:
            rows = await connection.fetch(
                "SELECT r.seq, r.kind, r.commitment FROM timebank.records AS r"
                " JOIN timebank.entries AS e USING (group_id, seq) WHERE r.seq > $1",
                self._seq,
            )
            await connection.execute("ROLLBACK")
        ((seq, kind, commitment),) = rows
        assert kind == told.kind, (kind, told)
        self._truth[commitment.hex()] = self._seqs[seq] = told
        self._seq = seq

    async def _head(self) -> int:
        async with self.house.database.write_door(self.group_id) as connection:
            found: int = await connection.fetchval("SELECT seq FROM timebank.book_heads")
            await connection.execute("ROLLBACK")
        return found

    # ------------------------------------------------------------ who looks

    async def _get(self, path: str, **headers: str) -> bytes:
        self.http.cookies.clear()
        found = await self.http.get(path, headers=headers)
        assert found.status_code < 500, (path, found.text)
        return found.content

    async def _public(self) -> dict[str, bytes]:
        return {path: await self._get(path) for path in EACH_MINUTE}

    async def poll(self) -> None:
        """Look whether anything public is another than at the last look, and what it tells."""
        now = await self._public()
        self.seen.polls += 1
        if now != self._before:
            self.seen.changes += 1
            await self._read(now)
        self._before, self._polled = now, self._seq

    async def minute(self, told: Told) -> None:
        """Let something happen, and look before and after it also at what only a member and only an asker see."""
        theirs = told.person in {1, 1001, ANYBODY}
        before = {} if theirs else await self._private()
        await self.happen(told)
        for path in [
            path for path, answer in (await self._private()).items() if before.get(path, answer) != answer
        ]:
            side = self.seen.to_asker if "/a/" in path else self.seen.to_member
            side.append(_glimpse((told,)))
        await self.poll()

    async def night(self, behind: list[Told]) -> None:
        """Let midnight be over, look at the pot that members see then, and let the server close what is over.

        Args:
            behind: What happened on the day that is over.
        """
        if await self._live() != self._shown and behind:
            self.seen.to_member.append(_glimpse(tuple(behind)))
        yesterday = self.clock.now.date() - timedelta(days=1)
        closes = period_end(self.way.preset, yesterday) == yesterday
        if self._whole and closes:
            now = await everything(self.app, self.http, log_size=self._leaves)
            self.seen.moved += differing(self._whole, now)
            self.seen.compared += len(now)
        await sweep_group(self.house, self.writer, self.group_id, now=self.clock.now)
        await self.poll()
        self._shown = await self._live()
        if self.way.preset != "open" and self._shown not in ({}, self._balances):
            self.seen.wrong.append(f"period {self._period}: members see {self._shown}")
        if closes:
            # Before the first one nobody did anything.
            self._closes += yesterday > FIRST
            whole = self._closes and (self._closes - 1) % self.whole_every == 0
            self._whole = await everything(self.app, self.http, log_size=self._leaves) if whole else {}

    async def _live(self) -> dict[str, tuple[int, int]]:
        """Return the pot as a member sees it."""
        seen = json.loads(await self._get(f"{API}/live", Authorization=f"Bearer {self._token}"))
        assert not seen["held"], "what is in one place, tells of whoever it was taken for"
        return {pot["pot"]: (pot["available"], pot["promised"] or 0) for pot in seen["pots"]}

    async def _private(self) -> dict[str, bytes]:
        found = {}
        with without_chance():
            for path in OF_A_MEMBER:
                found[path] = await self._get(path, Authorization=f"Bearer {self._token}")
            if self._secret:
                path = f"/g/{SLUG}/a/{self._secret}"
                found[path] = await self._get(path)
        return found

    # ------------------------------------------------------------ what they read

    async def _read(self, now: dict[str, bytes]) -> None:
        period = json.loads(now[f"{API}/balances"])["period"]
        if period is None or period["period"] == self._period:
            # No close: whatever moved, moved within the minutes since the last look.
            behind = tuple(told for seq, told in self._seqs.items() if seq > self._polled)
            self.seen.pages.append(_glimpse(behind))
            return
        assert period["period"] == self._period + 1, "one close after the other"
        self._period = period["period"]
        leaves = await self._new_leaves(now)
        lines = await self._lines()
        flows = [
            flow
            for flow in json.loads(now[f"{API}/flows?by=kind"])["flows"]
            if flow["period"] == self._period
        ]
        known = [
            (leaf, self._truth[leaf["commitment"]]) for leaf in leaves if leaf["commitment"] in self._truth
        ]
        stopped = {self._seqs[seq].seq for seq in self.stopped if seq in self._seqs}
        going = [(leaf, told) for leaf, told in known if told.seq not in stopped]
        self._compare(leaves, lines, going)
        self._count(flows, going, json.loads(now[f"{API}/balances"]))
        self.seen.pages.append(
            Page(
                first_day=date.fromisoformat(period["first_day"]),
                last_day=date.fromisoformat(period["last_day"]),
                closed_on=self.clock.now.date(),
                lines=tuple(
                    (line["kind"], change.get("available", 0), change.get("promised", 0))
                    for line in lines
                    for change in line["changes"]
                ),
                came_in=sum(flow["came_in"] for flow in flows),
                went_out=sum(flow["went_out"] for flow in flows),
                stopped=_waited(flows),
                behind=tuple(told for _, told in going),
                behind_stop=tuple(told for _, told in known if told.seq in stopped),
            )
        )

    async def _new_leaves(self, now: dict[str, bytes]) -> list[dict[str, Any]]:
        size = int(now[f"/g/{SLUG}/log/checkpoint"].split(b"\n")[1])
        found: list[dict[str, Any]] = []
        for tile in new_tiles_at(self._leaves, size, 0):
            path = entries_path(tile.number, tile.width)
            bundle = read_bundle(await self._get(f"/g/{SLUG}/log/{path}"), tile.width)
            start = max(0, self._leaves - tile.number * 256)
            found += [json.loads(leaf) for leaf in bundle[start:]]
        assert len(found) == size - self._leaves
        self._leaves = size
        return found

    async def _lines(self) -> list[dict[str, Any]]:
        """Return the lines of the newest period, page by page."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = json.loads(await self._get(f"{API}/entries?limit=200{after}"))
            found += [line for line in page["entries"] if line["period"] == self._period]
            if page["next"] is None or any(line["period"] < self._period for line in page["entries"]):
                return found
            after = f"&after={page['next']}"

    def _compare(
        self,
        leaves: list[dict[str, Any]],
        lines: list[dict[str, Any]],
        going: list[tuple[dict[str, Any], Told]],
    ) -> None:
        """Note what was served and does not say what was written."""
        said_twice = Counter(_said(leaf) for leaf in leaves if "changes" in leaf), Counter(map(_said, lines))
        if said_twice[0] != said_twice[1]:
            self.seen.wrong.append(f"period {self._period}: lines are not those of the leaves")
        for leaf, told in going:
            if leaf.get("kind", told.kind) not in {told.kind, OTHER}:
                self.seen.wrong.append(f"period {self._period}: {leaf} is of {told}")

    # ------------------------------------------------------------ how many are behind it

    def _count(
        self, flows: list[dict[str, Any]], going: list[tuple[dict[str, Any], Told]], balances: dict[str, Any]
    ) -> None:
        for flow in flows:
            if flow.get("kind", "") == WAITED:
                continue
            behind = [
                told for leaf, told in going if leaf.get("kind", flow.get("kind", "")) == flow.get("kind", "")
            ]
            self._cell(f"{flow['pot']} {flow.get('kind', '')}", behind)
        for pot in balances["pots"]:
            figures = pot["available"], pot["promised"] or 0
            if figures != self._balances.get(pot["pot"], (0, 0)):
                self._cell(f"{pot['pot']} balance", [told for _, told in going])
            self._balances[pot["pot"]] = figures

    def _cell(self, what: str, behind: list[Told]) -> None:
        for side in ("in", "out"):
            people: Counter[Hashable] = Counter()
            for told in behind:
                if (told.kind in DRAWS) == (side == "out"):
                    people[told.person] += told.amount * {
                        "hand_over": 1,
                        "money_returned": -1,
                        "money_in": 1,
                    }.get(told.kind, 0)
            only_totals = self.way.preset == "sheltered"
            counted = [who for who, net in people.items() if net or not only_totals]
            if counted and (side == "out" or self.way.gifts_wait):
                self.seen.cells.append(Cell(f"{what} {side}", self._period, len(counted)))


def _glimpse(behind: tuple[Told, ...]) -> Page:
    """Return what a change tells that came without a close: that all of it happened since the last look."""
    first, last = (behind[0].day, behind[-1].day) if behind else (FIRST, FIRST)
    return Page(first, last, last, (), 0, 0, None, behind, ())


def _said(line: dict[str, Any]) -> str:
    return json.dumps([line["kind"], line["changes"], line.get("day")], sort_keys=True)


def _waited(flows: list[dict[str, Any]]) -> Sum | None:
    totals = [flow["came_in"] - flow["went_out"] for flow in flows if flow.get("kind", "") == WAITED]
    return Sum(sum(totals), 0) if totals else None


# ---------------------------------------------------------------- a year


@asynccontextmanager
async def open_life(
    cluster: Server,
    template: str,
    home: Path,
    way: Way,
    patch: pytest.MonkeyPatch,
    *,
    whole_every: int = 1000,
) -> AsyncIterator[Life]:
    """Open an empty database with an application in front of it, and a clock.

    Args:
        whole_every: After how many closes all addresses are looked at again, just after one and just before the next.
    """
    async with copied(cluster, template) as dsn:
        await be_durable_enough(dsn)
        clock = Clock()
        async with open_app(dsn, home, clock, patch) as (app, http):
            life = Life(app, http, clock, way, whole_every=whole_every)
            _spy(life, patch)
            yield life


def _spy(life: Life, patch: pytest.MonkeyPatch) -> None:
    """Learn what the long stop takes out of waiting: of that only a total is shown, as every ask form says."""
    from timebank.services import close

    real = close.decide

    def decide(*args: Any, **named: Any) -> Outcome:
        outcome = real(*args, **named)
        life.stopped |= outcome.stopped
        return outcome

    patch.setattr(close, "decide", decide)


async def live(life: Life, group: Group, *, weeks: int = 52) -> Seen:
    """Live so many weeks of a group's year and then as long as anything may wait, and return what was seen."""
    await life.begin(group.people)
    by_day: dict[date, list[Told]] = {}
    for told in group.year():
        if told.day < FIRST + timedelta(weeks=weeks):
            by_day.setdefault(told.day, []).append(told)
    last = max(by_day) + timedelta(days=AFTER[life.way.preset])
    for count in range((last - BEGINS).days):
        yesterday, day = BEGINS + timedelta(days=count), BEGINS + timedelta(days=count + 1)
        if yesterday in by_day or period_end(life.way.preset, yesterday) == yesterday:
            life.clock.go(day, 0, 1)
            await life.night(by_day.get(yesterday, []))
        for number, told in enumerate(by_day.get(day, [])):
            life.clock.go(day, 9 + number // 6, 10 * (number % 6))
            await life.minute(told)
    return life.seen
