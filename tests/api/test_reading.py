"""What signed-in people read: the pot now or as of the last close, and their own rows page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cast import Cast, Stage, a_group
from timebank.edge.problems import renderer
from timebank.i18n import language
from timebank.rules.commands import GiveMoney, ProposeOpening
from timebank.rules.people import Actor
from timebank.services.close import close_period
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.live import read_live
from timebank.services.members import NewMember, add_members
from timebank.services.tokens import find_actor, make_token
from timebank.services.writer import Writer


async def test_a_statement_has_every_own_row_once_and_nobody_elses(stage: Stage, today: str) -> None:
    hours = {"effective_on": today, "category": "cooking"}
    for minutes in (15, 30, 45):
        await stage.post("ada", "/hours", {**hours, "minutes": minutes, "note": f"note {minutes}"})
    await stage.post("flo", "/hours", {**hours, "minutes": 60, "receiver": str(stage.cast.ids["ada"])})
    wrong = (await stage.post("ada", "/hours", {**hours, "minutes": 500})).json()["entry"]
    await stage.post("ada", f"/entries/{wrong}/correct", {"reason": "typo", "instead": {"minutes": 50}})
    await stage.post("ada", "/draws", {"pot": "hours", "minutes": 20, "category": "company"})
    money = {"pot": "money", "amount": 700, "currency": "EUR", "held": "bank", "effective_on": today}
    await stage.post("ed", "/money", {**money, "giver": str(stage.cast.ids["ada"]), "reference": "bank line"})

    lines: list[dict[str, Any]] = []
    after = ""
    for _ in range(20):
        page = (await stage.get("ada", "/me/statement", params={"limit": "2", "after": after})).json()
        assert len(page["lines"]) <= 2
        lines += page["lines"]
        after = page.get("next", "")
        if not after:
            break

    said = [(line["what"], line.get("minutes", line.get("amount")), line["state"]) for line in lines]
    assert said == [
        ("given", 700, "recorded"),
        ("asked", 20, "asked"),
        ("given", 50, "recorded"),
        ("taken_back", 500, "recorded"),
        ("given", 500, "corrected"),
        ("received", 60, "logged"),
        ("given", 45, "recorded"),
        ("given", 30, "recorded"),
        ("given", 15, "recorded"),
    ]
    whole = (await stage.get("ada", "/me/statement")).json()
    assert whole["lines"] == lines
    assert whole["totals"] == [{"unit": "minutes", "given": 140}, {"unit": "EUR", "given": 700}]
    assert [line.get("note") for line in lines[-3:]] == ["note 45", "note 30", "note 15"]
    assert "bank line" not in str(whole), "what somebody else wrote is theirs"
    assert not [line for line in lines if "seq" in line]


async def test_a_page_of_a_statement_is_asked_for_properly(stage: Stage) -> None:
    for params in (
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": "-1"},
        {"limit": "٣"},
        {"after": "x"},
        {"after": "W10"},
        {"after": "eyJhIjoxfQ=="},
        {"after": "é"},
    ):
        answer = await stage.get("ada", "/me/statement", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid"), params


async def a_writer_at(house: House, moment: datetime) -> Writer:
    return Writer(house.database, house.keys, house.checkpoints, clock=lambda: moment)


async def write(house: House, actor: Actor, moment: datetime, key: str, *commands: Any) -> None:
    writer = await a_writer_at(house, moment)
    for number, command in enumerate(commands):
        answer = await writer.submit(
            actor.group_id,
            [command],
            actor=actor,
            key=f"{key}-{number}",
            request_hash=bytes(32),
            render=renderer(language("en")),
        )
        assert answer.status == 201, answer.body


@pytest.mark.parametrize("preset", ["careful", "sheltered"])
async def test_members_see_the_pot_as_of_the_last_close_and_duties_see_it_now(
    house: House, preset: str
) -> None:
    zone = ZoneInfo("Europe/Madrid")
    begin = datetime(2026, 5, 1, 9, tzinfo=zone)
    group_id = await create_group(house, a_group(preset=preset), origin="x", now=begin)
    ids = await add_members(house, group_id, [NewMember("Ada"), NewMember("Ed", ("treasurer",))], now=begin)
    actors = []
    for member_id in ids:
        made = await make_token(house, group_id, member_id, ("read", "write"), now=begin)
        actors.append(await find_actor(house, group_id, made.token, now=begin))
    ada, ed = actors

    unpublished = await read_live(house.database, ada, now=begin)
    assert (unpublished.as_of, unpublished.pots, unpublished.held) == (None, (), ())
    await write(house, ed, begin.astimezone(UTC), "first", ProposeOpening("money", 2_00, "EUR", held="bank"))
    await close_period(house, group_id, now=datetime(2026, 6, 1, 9, tzinfo=zone))
    later = datetime(2026, 6, 1, 10, tzinfo=zone)
    await write(
        house, ed, later.astimezone(UTC), "later", GiveMoney("money", 5_00, "EUR", "bank", None, later.date())
    )

    asked = (later + timedelta(days=2)).astimezone(UTC)
    seen = await read_live(house.database, ada, now=asked)
    now = await read_live(house.database, ed, now=asked)

    # Not even on the day after: what each evening adds would tell of single people.
    assert seen.as_of == datetime(2026, 6, 1, tzinfo=zone)
    assert (seen.now, seen.seq, seen.held) == (False, None, ())
    assert {pot.pot: (pot.available, pot.promised) for pot in seen.pots} == {
        "hours": (0, 0),
        "money": (2_00, 0),
    }
    assert seen.totals_only == (preset == "sheltered")
    assert now.now
    assert now.seq is not None
    assert {pot.pot: pot.available for pot in now.pots} == {"hours": 0, "money": 7_00}
    assert {place.held: place.amount for place in now.held} == {"bank": 7_00, "cash-box": 0}


async def test_the_figures_of_one_answer_agree(cast: Cast, stage: Stage, today: str) -> None:
    money = {"pot": "money", "amount": 9000, "currency": "EUR", "held": "bank", "effective_on": today}
    await stage.post("ed", "/money", money)
    ask = {"pot": "money", "amount": 2500, "currency": "EUR", "category": "repairs"}
    draw = (await stage.post("flo", "/draws", ask)).json()["id"]
    await stage.post("bo", f"/draws/{draw}/approve", {})

    live = (await stage.get("ada", "/live")).json()

    pot = next(pot for pot in live["pots"] if pot["pot"] == "money")
    assert (pot["available"], pot["promised"]) == (6500, 2500)
    assert sum(place["amount"] for place in live["held"]) == 9000
    assert live["now"] is True
    assert "as_of_seq" not in live
