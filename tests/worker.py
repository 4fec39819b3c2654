"""A worker in the same process, for applications whose long work tests want to see done."""

from __future__ import annotations

from datetime import UTC, datetime

from timebank.services.house import House
from timebank.services.work import Runner, work


def in_process(house: House) -> Runner:
    """Return what does all waiting work here, as the server's own process does it elsewhere."""

    async def run() -> bool:
        await work(house, clock=lambda: datetime.now(UTC))
        return True

    return run
