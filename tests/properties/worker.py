"""A process that writes to a group somebody else set up, and prints the entries that were acknowledged."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path

from tests.properties.stand import hours, open_stand, said, shut


async def main(plan: bytes, number: int, rounds: int) -> None:
    """Send single entries, eight at a time."""
    app, public, home, group = pickle.loads(plan)
    stand = await open_stand(lambda role: app if role == "timebank_app" else public, home)
    stand.groups = [group]
    people = sorted(group.people)
    gate = asyncio.Semaphore(8)

    async def one(turn: int) -> str:
        async with gate:
            return str(said(await stand.send(people[turn % len(people)], hours(11 + number)))["entry"])

    entries = await asyncio.gather(*[one(turn) for turn in range(rounds)])
    await shut(stand)
    print(json.dumps(entries))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3])))
