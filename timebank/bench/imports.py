"""How fast a past comes in and what it takes, and whether two hundred of them hold other groups' writers up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from timebank.bench.measure import Say, WentWrong
from timebank.bench.plan import BATCH, Plan
from timebank.bench.stage import CATEGORIES, make_requests, new_group
from timebank.rules.set_up import MINUTES
from timebank.services.groups import create_group
from timebank.services.house import House, open_house
from timebank.services.import_report import ImportOptions, Report, Source
from timebank.services.imports import HasFaults, import_files
from timebank.services.jobs import step_back
from timebank.services.members import find_member

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    from timebank.bench.http import Http
    from timebank.bench.stage import Dsn, Group, Stage

PEOPLE: Final = 200
DAYS: Final = 5 * 365
#: So many of the imports of one process are under way at once; each of the others waits for its turn.
AT_ONCE: Final = 4
_IMPORT_WITHIN_S: Final = 900.0
_TURN_WITHIN_S: Final = 3600.0
_MINUTES: Final = (15, 30, 45, 60, 75, 90, 120, 180)
_CENTS: Final = (500, 750, 1_000, 2_000, 5_000)
_HOURS_HEADER: Final = "date,giver,receiver,hours,category,note\n"
_MONEY_HEADER: Final = "date,direction,person,amount,currency,held,reference,note\n"


class Past(NamedTuple):
    """What a group brings along, and what its book must hold afterwards.

    Attributes:
        slug: Address of the group.
        files: Sheets, written by ``write_past``.
        first_day: Of all lines.
        hours, money: Lines of each kind.
        given: Minutes by nickname of who gave them.
        pot: Minutes that nobody received.
        cents: What came in and did not go out again.
    """

    slug: str
    files: tuple[Path, ...]
    first_day: date
    hours: int
    money: int
    given: Mapping[str, int]
    pot: int
    cents: int

    @property
    def lines(self) -> int:
        """How many lines there are of both kinds."""
        return self.hours + self.money


class Took(NamedTuple):
    """What a process that imported says of itself.

    Attributes:
        seconds: How long each import took, in the order of the pasts.
        megabytes: The most memory that it had at a time.
        wrong: Why its figures mean nothing; empty if they do.
    """

    seconds: list[float]
    megabytes: float
    wrong: str = ""


# ---------------------------------------------------------------- pasts


def write_past(directory: Path, slug: str, *, people: int, hours: int, money: int = 0) -> Past:
    """Write the sheets of a group's past: five years, half of the help to somebody, a note on every fifth line.

    Every run writes the same sheets, so that two runs differ by machine and program alone.
    """
    chance = random.Random(slug)  # noqa: S311 - nothing of this is secret
    names = [f"Person {number}" for number in range(people)]
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS)
    given: Counter[str] = Counter()
    pot = cents = 0

    def a_day() -> date:
        return first_day + timedelta(days=chance.randrange(DAYS))

    files = [directory / f"{slug}-hours.csv"]
    with files[0].open("w", encoding="utf-8") as sheet:
        sheet.write(_HOURS_HEADER)
        for number in range(hours):
            giver, other = chance.sample(names, 2)
            receiver, minutes = chance.choice(("", other)), chance.choice(_MINUTES)
            given[giver] += minutes
            pot += 0 if receiver else minutes
            note = f'"line {number}, as people write"' if chance.random() < 0.2 else ""
            time_given = f"{minutes // 60}:{minutes % 60:02}"
            sheet.write(f"{a_day()},{giver},{receiver},{time_given},{chance.choice(CATEGORIES)},{note}\n")
    if money:
        files.append(directory / f"{slug}-money.csv")
        with files[1].open("w", encoding="utf-8") as sheet:
            sheet.write(_MONEY_HEADER)
            # What goes out was brought along on the first day, whatever comes in later.
            sheet.write(f"{first_day},in,,{money * 100}.00,EUR,box,,\n")
            cents += money * 10_000
            for number in range(1, money):
                amount, out = chance.choice(_CENTS), chance.random() < 0.4
                cents += -amount if out else amount
                person = "" if out else chance.choice(names)
                way = "out" if out else "in"
                euros = f"{amount // 100}.{amount % 100:02}"
                sheet.write(f"{a_day()},{way},{person},{euros},EUR,box,R-{number},\n")
    return Past(slug, tuple(files), first_day, hours, money, dict(given), pot, cents)


def write_pasts(directory: Path, plan: Plan) -> list[Past]:
    """Write pasts of real size: 30 to 60 people, and lines as the plan says, a tenth of them money."""
    chance = random.Random(plan.pasts)  # noqa: S311 - nothing of this is secret
    pasts = []
    for number in range(plan.pasts):
        lines = chance.randint(plan.past_lines // 2, plan.past_lines)
        people = chance.randint(30, 60)
        past = write_past(
            directory, f"past-{number}", people=people, hours=lines - lines // 10, money=lines // 10
        )
        pasts.append(past)
    return pasts


def _directory(stage: Stage) -> Path:
    found = stage.dsn.home.parent / "pasts"
    found.mkdir(exist_ok=True)
    return found


async def make_group_for(stage: Stage, past: Past) -> UUID:
    """Make the group that a past is for; nobody is in it yet."""
    new = new_group(past.slug, past.first_day)
    return await create_group(stage.house, new, origin=f"bench.example/g/{past.slug}", now=datetime.now(UTC))


# ---------------------------------------------------------------- the process that imports


class Importing:
    """Imports in a process of their own that steps back, as the server's worker; so does the database for it."""

    def __init__(self, dsn: Dsn, pasts: Sequence[tuple[UUID, Past]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._gate = Gate(context.Event(), context.Event())
        self._process = context.Process(target=bring_in, args=(dsn, pasts, theirs, self._gate), daemon=True)
        self._process.start()
        theirs.close()

    async def ready(self) -> None:
        """Return when it could begin.

        Raises:
            WentWrong: It does not come up.
        """
        if not await asyncio.to_thread(self._pipe.poll, 60.0):
            raise WentWrong("the importing process did not start")
        try:
            self._pipe.recv()
        except EOFError:
            raise WentWrong("the importing process died") from None

    def go_on(self) -> None:
        """Let it begin, or go on."""
        self._gate.still.clear()
        self._gate.open.set()

    async def hold(self) -> None:
        """Return once it stands still, or is over.

        It is not stopped from outside: whoever stops it while it writes to the key store, locks
        everybody out.
        """
        self._gate.open.clear()
        while not self._gate.still.is_set() and not self.is_over():  # noqa: ASYNC110 - it is another process's flag
            await asyncio.sleep(0.01)

    def is_over(self) -> bool:
        """Whether there is a result."""
        return self._pipe.poll()

    async def took(self, within_s: float) -> Took:
        """Return what it says of itself.

        Raises:
            WentWrong: An import was refused, or did not end.
        """
        if not await asyncio.to_thread(self._pipe.poll, within_s):
            raise WentWrong(f"the imports did not end within {within_s:.0f} s")
        try:
            took: Took = self._pipe.recv()
        except EOFError:
            raise WentWrong("the importing process died") from None
        if took.wrong:
            raise WentWrong(took.wrong)
        return took

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process.is_alive():
            self._process.join(2 if self.is_over() else 0)
            self._process.kill()
        self._process.join(10)
        self._pipe.close()


class Gate(NamedTuple):
    """Where an importing process stands still whenever it would say how far it is.

    Attributes:
        open: Whether it may go on.
        still: Whether it waits.
    """

    open: Event
    still: Event

    def pass_through(self, _phase: str = "", _done: int = 0, _total: int = 0) -> None:
        """Wait until it is open; all imports of the process do."""
        if not self.open.is_set():
            self.still.set()
            self.open.wait()


def bring_in(dsn: Dsn, pasts: Sequence[tuple[UUID, Past]], pipe: Connection, gate: Gate) -> None:
    """Import pasts while the gate is open; the life of the process."""
    # As the server's worker: in a session of its own, which can step back as a whole.
    os.setsid()
    step_back(0)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        try:
            took = asyncio.run(_bring_in(dsn, pasts, pipe, gate))
        except HasFaults as refused:
            took = Took([], 0.0, f"an import was refused: {refused.report.faults[:3]}")
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            took = Took([], 0.0, f"an import failed: {error!r}")
        pipe.send(took)


async def _bring_in(dsn: Dsn, pasts: Sequence[tuple[UUID, Past]], pipe: Connection, gate: Gate) -> Took:
    async with open_house(dsn.home, dsn) as house:
        pipe.send("ready")
        gate.pass_through()
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(group_id: UUID, past: Past) -> float:
            async with turns:
                return await _bring_in_one(house, group_id, past, gate)

        seconds = await asyncio.gather(*[in_turn(group_id, past) for group_id, past in pasts])
        return Took(list(seconds), _megabytes())


async def _bring_in_one(house: House, group_id: UUID, past: Past, gate: Gate) -> float:
    began = time.perf_counter()
    with ExitStack() as stack:
        sources = [Source(path.name, stack.enter_context(path.open("rb"))) for path in past.files]
        report, import_id = await import_files(
            house,
            group_id,
            sources,
            ImportOptions(),
            clock=lambda: datetime.now(UTC),
            dry_run=False,
            show=gate.pass_through,
            step_back=step_back,
        )
    seconds = time.perf_counter() - began
    _check_report(past, report, import_id)
    return seconds


def _check_report(past: Past, report: Report, import_id: UUID | None) -> None:
    if import_id is None or (report.new, report.already) != (past.lines, 0):
        raise WentWrong(f"{past.slug}: of {past.lines} lines {report.new} were new")


def _megabytes() -> float:
    """Return the most memory that this process had at a time.

    What the system tells of a process it may have from the one that started it, from before it
    became another program; what it tells of the program's own pages is right.
    """
    with contextlib.suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000 * 1.024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


# ---------------------------------------------------------------- one large past, beside COPY


class LargePast:
    """One file after the other, each into a group of its own.

    Attributes:
        seconds: How long each took.
        megabytes: The most memory that a process had for it.
        books: Lines of each book, by address.
    """

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage = stage
        self.plan = plan
        self.seconds: list[float] = []
        self.megabytes = 0.0
        self.books: dict[str, int] = {}

    async def run(self) -> float:
        """Import a file that nobody imported before, and check what came of it; return seconds per line."""
        lines = self.plan.import_lines
        slug = f"large-past-{len(self.seconds) + 1}"
        past = write_past(_directory(self.stage), slug, people=min(PEOPLE, lines), hours=lines)
        group_id = await make_group_for(self.stage, past)
        async with _importing(self.stage, [(group_id, past)]) as importing:
            importing.go_on()
            took = await importing.took(_IMPORT_WITHIN_S)
        await check_past(self.stage, group_id, past, by_name=True)
        self.seconds += took.seconds
        self.megabytes = max(self.megabytes, took.megabytes)
        self.books[slug] = past.lines
        return took.seconds[0] / lines


@asynccontextmanager
async def _importing(stage: Stage, pasts: Sequence[tuple[UUID, Past]]) -> AsyncIterator[Importing]:
    importing = Importing(stage.dsn, pasts)
    try:
        await importing.ready()
        yield importing
    finally:
        importing.close()


# ---------------------------------------------------------------- many pasts, beside writers


class ManyPasts:
    """Writers of one group, in turns alone and while pasts of other groups come in.

    Attributes:
        books: Lines that came in, by what is printed of them.
    """

    def __init__(self, stage: Stage, group: Group, plan: Plan, over_http: Http) -> None:
        self.stage = stage
        self.group = group
        self.plan = plan
        self.over_http = over_http
        self.books: dict[str, int] = {}

    async def measure(self, say: Say) -> dict[str, list[float]]:
        """Return seconds per entry of batches and of single requests, alone and beside imports; and of all imports.

        Raises:
            WentWrong: A line is missing in a book, or is there twice.
        """
        say("writing pasts")
        pasts = write_pasts(_directory(self.stage), self.plan)
        meant = [(await make_group_for(self.stage, past), past) for past in pasts]
        found: dict[str, list[float]] = {
            f"{what}_{how}": [] for what in ("batches", "singles") for how in ("alone", "beside_imports")
        }
        await self._write(lambda: False)
        async with _importing(self.stage, meant) as importing:
            took = await self._in_turns(importing, found, say)
        say("looking at what came in")
        for group_id, past in meant:
            await check_past(self.stage, group_id, past)
        lines = sum(past.lines for past in pasts)
        self.books[f"{len(pasts)} pasts"] = lines
        return found | {"lines_beside_writers": [took / lines]}

    async def _in_turns(self, importing: Importing, found: dict[str, list[float]], say: Say) -> float:
        """Measure until every past is in; return how many seconds the imports had for it."""
        turn, seconds = 0, 0.0
        while not importing.is_over():
            turn += 1
            say(f"turn {turn}: writing alone")
            self._note(found, "alone", *await self._write(lambda: False))
            say(f"turn {turn}: writing while others import")
            importing.go_on()
            began = time.perf_counter()
            self._note(found, "beside_imports", *await self._write(importing.is_over))
            seconds += time.perf_counter() - began
            await importing.hold()
            if seconds > _TURN_WITHIN_S:
                raise WentWrong(f"the imports did not end within {_TURN_WITHIN_S:.0f} s")
        await importing.took(1.0)
        return seconds

    def _note(
        self, found: dict[str, list[float]], how: str, batches: list[float], singles: list[float]
    ) -> None:
        found[f"batches_{how}"] += batches
        found[f"singles_{how}"] += singles

    async def _write(self, is_over: Callable[[], bool]) -> tuple[list[float], list[float]]:
        """Write batches for a while, and then single requests; what ended after the imports says nothing of them."""
        batches: list[float] = []
        end = time.perf_counter() + self.plan.turn_seconds
        while time.perf_counter() < end:
            requests = make_requests(self.group, BATCH)
            gc.collect()
            seconds = await self.stage.write(self.group, requests)
            if is_over():
                return batches or [seconds], []
            batches.append(seconds)
        singles = await self.over_http.singles()
        return batches, [] if is_over() else [singles]


# ---------------------------------------------------------------- what came of it


async def check_past(stage: Stage, group_id: UUID, past: Past, *, by_name: bool = False) -> None:
    """Compare a book with the past that it was made from, to the minute and the cent.

    Args:
        by_name: Look each person up and compare what that very person gave.

    Raises:
        WentWrong: They differ.
    """
    async with stage.superuser() as connection:
        row = await connection.fetchrow(_SUMS, group_id)
    wanted: dict[str, Any] = {
        "entries": past.lines,
        "hours": past.hours,
        "pot": past.pot,
        "shared": sum(past.given.values()) - past.pot,
        "cents": past.cents,
        "held": past.cents,
        "given": sorted(past.given.values()),
    }
    found = {name: row[name] for name in wanted}
    if found != wanted:
        raise WentWrong(f"{past.slug} should hold {wanted} and has {found}")
    if row["records"] != row["seq"] or not row["debits"] == row["credits"] == row["moved"] == row["dated"]:
        raise WentWrong(f"{past.slug}: the sums of the book are {dict(row)}")
    if by_name:
        debits = dict(zip(row["members"], row["member_debits"], strict=True))
        for nickname, minutes in past.given.items():
            member = await find_member(stage.house, group_id, now=datetime.now(UTC), nickname=nickname)
            if debits[member.accounts[MINUTES]] != minutes:
                raise WentWrong(f"{past.slug}: somebody gave {minutes} minutes and the book says otherwise")


def _sum(side: str, kind: str, unit: str = MINUTES) -> str:
    return f"(SELECT coalesce(sum({side}), 0)::bigint FROM mine WHERE kind = '{kind}' AND unit = '{unit}')"


_SUMS: Final = f"""
    WITH mine AS (SELECT account_id, kind, unit, debits, credits FROM timebank.accounts WHERE group_id = $1),
         givers AS (SELECT * FROM mine WHERE kind = 'member' AND unit = '{MINUTES}')
    SELECT (SELECT seq FROM timebank.book_heads WHERE group_id = $1) AS seq,
           (SELECT count(*) FROM timebank.records WHERE group_id = $1) AS records,
           (SELECT count(*) FROM timebank.entries WHERE group_id = $1) AS entries,
           (SELECT count(*) FROM timebank.hours WHERE group_id = $1) AS hours,
           (SELECT sum(amount)::bigint FROM timebank.transfers WHERE group_id = $1) AS moved,
           (SELECT sum(debits)::bigint FROM timebank.account_days WHERE group_id = $1) AS dated,
           (SELECT sum(debits)::bigint FROM mine) AS debits,
           (SELECT sum(credits)::bigint FROM mine) AS credits,
           {_sum("credits - debits", "pot")} AS pot,
           {_sum("credits - debits", "shared")} AS shared,
           {_sum("credits - debits", "pot", "EUR")} AS cents,
           {_sum("debits - credits", "held", "EUR")} AS held,
           (SELECT array_agg(debits ORDER BY debits) FROM givers WHERE debits > 0) AS given,
           (SELECT array_agg(account_id ORDER BY account_id) FROM givers) AS members,
           (SELECT array_agg(debits ORDER BY account_id) FROM givers) AS member_debits
"""
