"""How fast the server is over HTTP, beside routes of the same server that do less."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from timebank.bench.load import Ask, Job, Load, make_ask, quantile
from timebank.bench.measure import Run, Say, in_turns
from timebank.bench.plan import BATCH, BATCH_HTTP, EMPTY, HTTP_BATCH, SAME_AUTH, Plan
from timebank.bench.server import EMPTY_PATH, SAME_AUTH_PATH, Server
from timebank.bench.stage import CATEGORIES, STEWARDS, a_day, a_member, make_requests, some_minutes

if TYPE_CHECKING:
    from collections.abc import Collection

    from timebank.bench.stage import Group, Stage

NAMES = frozenset({SAME_AUTH, EMPTY, HTTP_BATCH})
CONNECTIONS: Final = 64
BATCH_CONNECTIONS: Final = STEWARDS
_encode = msgspec.json.encode


@dataclass(slots=True)
class Http:
    """The routes that are measured in turns."""

    stage: Stage
    group: Group
    plan: Plan
    server: Server
    load: Load
    latencies: list[float] = field(default_factory=list)

    async def measure(self, wanted: Collection[str], say: Say) -> dict[str, list[float]]:
        """Return seconds per request, or per entry of a batch, of each route that the wanted ratios need."""
        runs: dict[str, Run] = {}
        if {SAME_AUTH, EMPTY} & set(wanted):
            runs["http_64"] = self.singles
        if SAME_AUTH in wanted:
            runs["same_auth"] = self._beside(SAME_AUTH_PATH.format(slug=self.group.slug))
        if EMPTY in wanted:
            runs["empty"] = self._beside(EMPTY_PATH)
        if HTTP_BATCH in wanted:
            runs["http_batch_200"] = self._batches
            runs["batch_1000_beside_http"] = self._batch
        return await in_turns(runs, rounds=self.plan.http_rounds, warm_up=1, say=say)

    def quantiles(self) -> dict[str, float]:
        """Return how long a single request took, in milliseconds."""
        return {
            f"http_64_p{part:g}_ms": round(quantile(self.latencies, part / 100) * 1000, 2)
            for part in (50, 99)
            if self.latencies
        }

    async def singles(self) -> float:
        """Send single requests for a while; return seconds for each."""
        seconds, count, latencies = await self._send(
            self._asks(f"/api/v1/groups/{self.group.slug}/hours"), status=201
        )
        self.group.entries += count
        self.group.answers += count
        self.latencies += latencies
        return seconds / count

    def _beside(self, path: str) -> Run:
        async def run() -> float:
            seconds, count, _ = await self._send(self._asks(path), status=201)
            return seconds / count

        return run

    async def _batches(self) -> float:
        path = f"/api/v1/groups/{self.group.slug}/hours/batch"
        # The first members are stewards, who may log for others: so a batch touches many accounts.
        asks = [
            make_ask("POST", path, token=token, body=_encode({"items": self._items()}))
            for token in self.group.tokens[:BATCH_CONNECTIONS]
        ]
        seconds, count, _ = await self._send(asks, status=200, mark=b'"status":201', marks=BATCH_HTTP)
        self.group.entries += count * BATCH_HTTP
        self.group.answers += count
        return seconds / (count * BATCH_HTTP)

    async def _batch(self) -> float:
        batches = [make_requests(self.group, BATCH) for _ in range(self.plan.http_batches)]
        return sum([await self.stage.write(self.group, batch) for batch in batches]) / len(batches)

    async def _send(
        self, asks: list[Ask], *, status: int, mark: bytes = b"", marks: int = 0
    ) -> tuple[float, int, list[float]]:
        job = Job(
            self.server.port, asks, self.plan.http_seconds, self.plan.http_count_max, status, mark, marks
        )
        sent = await self.load.send(job)
        return sent.seconds, sent.answered, sent.latencies

    def _asks(self, path: str) -> list[Ask]:
        """Return one request for each connection, of as many members as there are."""
        tokens = self.group.tokens
        today = datetime.now(UTC).date()
        return [
            make_ask(
                "POST",
                path,
                token=tokens[number % len(tokens)],
                body=_encode(
                    {
                        "minutes": some_minutes(),
                        "effective_on": a_day(today),
                        "category": CATEGORIES[number % len(CATEGORIES)],
                    }
                ),
            )
            for number in range(CONNECTIONS)
        ]

    def _items(self) -> list[dict[str, object]]:
        today = datetime.now(UTC).date()
        return [
            {
                "giver": a_member(self.group),
                "minutes": some_minutes(),
                "effective_on": a_day(today),
                "category": CATEGORIES[number % len(CATEGORIES)],
            }
            for number in range(BATCH_HTTP)
        ]
