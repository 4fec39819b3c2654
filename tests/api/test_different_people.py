"""Who asks, who says yes, who pays: every way three people can share that, by API and by plain SQL, as a file says."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from tests.cast import Stage
from timebank.rules.policies import Terms
from timebank.rules.set_up import MINUTES, NewPot
from timebank.services.groups import create_group
from timebank.services.members import NewMember, add_members
from timebank.services.tokens import make_token

FILE = Path(__file__).with_name("different_people.csv")
#: Kim is the second to say yes where two are wanted.
PEOPLE = ("kit", "lou", "max", "kim")
SLUG = "three-people"


def cases() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pot_of(case: dict[str, str]) -> str:
    return f"pot-{case['approvals']}-{case['two_people']}"


async def a_group_of_four(stage: Stage) -> dict[str, UUID]:
    from tests.cast import a_group

    now = datetime.now(UTC)
    pots = [
        NewPot(f"pot-{count}-{word}", "EUR", terms=Terms(approvals=((0, count),), two_people=word == "yes"))
        for count in (0, 1, 2)
        for word in ("no", "yes")
    ]
    group = replace(a_group(SLUG), pots=(NewPot("hours", MINUTES), *pots))
    house = stage.cast.house
    group_id = await create_group(house, group, origin=f"bank.example/g/{SLUG}", now=now)
    new = [NewMember(name.title(), ("steward", "treasurer")) for name in PEOPLE]
    ids = dict(zip(PEOPLE, await add_members(house, group_id, new, now=now), strict=True))
    for name, member_id in ids.items():
        stage.cast.tokens[name] = (
            await make_token(house, group_id, member_id, ("read", "write"), now=now)
        ).token
    for pot in pots:
        body = {
            "pot": pot.code,
            "amount": 27_000,
            "currency": "EUR",
            "held": "bank",
            "effective_on": now.date().isoformat(),
        }
        assert (await stage.post("kim", "/money", body, slug=SLUG)).status_code == 201
    return {**ids, "": group_id}


async def by_api(stage: Stage, case: dict[str, str]) -> str:
    """Take the steps until one is refused; return which and why, or the state in the end."""
    ask = {"pot": pot_of(case), "amount": 1000, "currency": "EUR", "category": "cooking"}
    draw = (await stage.post(case["asker"], "/draws", ask, slug=SLUG)).json()["id"]
    steps: list[tuple[str, str, dict[str, Any]]] = []
    if case["approvals"] == "2":
        steps.append(("kim", "approve", {}))
    if case["approvals"] != "0":
        steps.append((case["approver"], "approve", {}))
    steps.append((case["payer"], "hand-over", {"held": "bank"}))
    said: dict[str, Any] = {}
    for name, step, body in steps:
        said = (await stage.post(name, f"/draws/{draw}/{step}", body, slug=SLUG)).json()
        if "code" in said:
            return f"{step} {said['code']}"
    return str(said["state"])


async def by_sql(stage: Stage, people: dict[str, UUID], case: dict[str, str]) -> bool:
    """Write the hands down as the role of the application, without any rule; return whether the database lets it."""
    async with stage.cast.house.database.write_door(people[""]) as connection:
        draw = uuid4()
        await connection.execute(
            """
            INSERT INTO timebank.draws
            SELECT (jsonb_populate_record(d, jsonb_build_object('draw_id', $1::text))).*
              FROM timebank.draws AS d LIMIT 1
            """,
            str(draw),
        )
        try:
            for name in {case["asker"], case["approver"], case["payer"]}:
                asked = name == case["asker"]
                approved = case["approvals"] != "0" and name == case["approver"]
                await connection.execute(
                    "INSERT INTO timebank.draw_hands (group_id, draw_id, member_id, asked, approved, paid, two_people,"
                    " theirs, stepped_aside, objected, not_own, without_account)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $4, false, false, false, false)",
                    people[""], draw, people[name], asked, approved, name == case["payer"], case["two_people"] == "yes",
                )  # fmt: skip
        except asyncpg.CheckViolationError:
            return False
        finally:
            await connection.execute("ROLLBACK")
        return True


async def test_all_27_ways_times_two_times_three_are_as_the_file_says(stage: Stage) -> None:
    people = await a_group_of_four(stage)
    told = cases()
    assert len({tuple(case.values())[:5] for case in told}) == 27 * 2 * 3

    for case in told:
        assert await by_api(stage, case) == case["outcome"], case
        assert await by_sql(stage, people, case) == (case["outcome"] == "handed_over"), case
