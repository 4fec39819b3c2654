"""Many asks and yeses at once against a pot that is short: never more promised than there is, every answer final."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from tests.database import Dsn
from tests.properties.promises import another_door
from tests.properties.stand import a_stand, ask, code, money, said
from timebank.rules.commands import ApproveDraw, QueueDue, ReleaseDraw
from timebank.rules.people import group_itself
from timebank.rules.policies import Terms

#: Asks, each with a yes: half as many draws as attempts. TIMEBANK_TEST_SHORT_POT=10000 for the long way.
ATTEMPTS = int(os.environ.get("TIMEBANK_TEST_SHORT_POT", "200"))
EACH, ENOUGH_FOR = 10, 25

pytestmark = [pytest.mark.database]


@pytest.mark.parametrize("scarcity", ["refuse", "queue"])
async def test_a_short_pot_is_never_promised_twice(fresh_dsn: Dsn, tmp_path: Path, scarcity: str) -> None:
    async with (
        a_stand(fresh_dsn, tmp_path, hot_size=8) as first,
        another_door(first, tmp_path) as second,
    ):
        from tests.properties.stand import make_group

        group = await make_group(first.house, "short", money=Terms(scarcity=scarcity))
        doors = (first, second)
        assert code(await first.send("ed", money(EACH * ENOUGH_FOR), group=group)) == "ok"
        asked: list[str] = []

        async def one(number: int) -> str:
            door = doors[number % 2]
            answer = await door.send("ada" if number % 3 else "flo", ask(EACH), group=group)
            asked.append(code(answer))
            draw = UUID(said(answer)["id"])
            answer = await doors[(number + 1) % 2].send(
                ("bo", "di", "gus")[number % 3], ApproveDraw(draw), group=group
            )
            return str(said(answer).get("state") or code(answer))

        outcomes = Counter(await asyncio.gather(*[one(number) for number in range(ATTEMPTS // 2)]))

        # Every ask was taken, whatever the pot had; every yes was answered for good.
        assert set(asked) == {"ok"}
        waiting = "looked_at" if scarcity == "queue" else "below_floor"
        assert outcomes == {"promised": ENOUGH_FOR, waiting: ATTEMPTS // 2 - ENOUGH_FOR}
        promised = await first.rows(
            "SELECT draw_id FROM timebank.draws WHERE state = 'promised' ORDER BY asked_at", group=group
        )
        assert len(promised) == ENOUGH_FOR
        balances = await first.balances(group)
        assert balances[group.accounts["pot", "EUR", "money"]] == 0
        assert balances[group.accounts["promised", "EUR", "money"]] == EACH * ENOUGH_FOR

        # What one gives back goes to exactly one other, if others wait.
        await first.send("bo", ReleaseDraw(promised[0]["draw_id"]), group=group)
        pots = await first.rows("SELECT pot_id FROM timebank.pots WHERE code = 'money'", group=group)
        group.people["group"] = group_itself(group.group_id)
        await asyncio.gather(
            *[door.send("group", QueueDue(pots[0]["pot_id"]), group=group) for door in doors]
        )
        open_now = await first.rows(
            "SELECT sum(amount_promised - amount_handed - amount_released) AS n FROM timebank.draws",
            group=group,
        )
        left = ENOUGH_FOR if scarcity == "queue" else ENOUGH_FOR - 1
        assert open_now[0]["n"] == EACH * left
        await first.verified(group)
