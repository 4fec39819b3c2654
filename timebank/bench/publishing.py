"""How long a day takes to be published, and whether writers feel it."""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from timebank.bench.measure import Say, WentWrong
from timebank.bench.plan import BATCH_LONG, PUBLISH, PUBLISH_WRITERS, Plan
from timebank.bench.reads import close, write_beside
from timebank.bench.stage import make_requests
from timebank.services.close import close_period
from timebank.services.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Collection

    from timebank.bench.stage import Group, Stage

NAMES = frozenset({PUBLISH, PUBLISH_WRITERS})
_MEMBERS = 30


class Publishing:
    """Days of many entries that are over and not published yet.

    Attributes:
        seconds: What each day took to be published.
    """

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage = stage
        self.plan = plan
        self.seconds: list[float] = []

    async def measure(self, wanted: Collection[str], say: Say) -> dict[str, list[float]]:
        """Return seconds per entry of writing and of publishing, and of writers alone and beside it."""
        found: dict[str, list[float]] = {}
        if PUBLISH in wanted:
            for number in range(self.plan.publish_rounds):
                say(f"publishing a day, {number + 1} of {self.plan.publish_rounds}")
                group, wrote = await self._day(f"day-{number + 1}")
                found.setdefault("write_before_publish", []).append(wrote)
                gc.collect()
                began = time.perf_counter()
                closed = await close_period(self.stage.house, group.group_id, now=datetime.now(UTC))
                self.seconds.append(time.perf_counter() - began)
                lines = sum(period.lines for period in closed.periods)
                if lines != group.entries:
                    raise WentWrong(f"{lines} lines were published of {group.entries} entries")
                found.setdefault("publish", []).append(self.seconds[-1] / group.entries)
        if PUBLISH_WRITERS in wanted:
            group, _ = await self._day("day-beside")
            alone, beside, took = await write_beside(
                self.stage, group, close, self.plan.verify_seconds / 2, say
            )
            found |= {
                "writers_beside_nothing": alone,
                "writers_beside_publish": beside,
                "publish_beside_writers": [took],
            }
        return found

    async def _day(self, slug: str) -> tuple[Group, float]:
        """Make a group with a day of entries, all of yesterday; return it with seconds per entry of its writing."""
        at = datetime.now(UTC) - timedelta(days=1)
        group = await self.stage.make_group(slug, _MEMBERS, now=at)
        house = self.stage.house
        writer = Writer(house.database, house.keys, house.checkpoints, clock=lambda: at)
        seconds = 0.0
        for done in range(0, self.plan.published, BATCH_LONG):
            count = min(BATCH_LONG, self.plan.published - done)
            requests = make_requests(group, count, today=at.date())
            seconds += count * await self.stage.write(group, requests, writer=writer)
        await self.stage.analyse()
        return group, seconds / self.plan.published
