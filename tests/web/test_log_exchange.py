"""Hours between two people on the pages: noted with a code, posted by the other one's yes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from tests.cast import Cast, Stage, house, make_cast, stage, today
from tests.web.member import signed_in, text_of
from timebank.services.close import close_period
from timebank.services.house import House

__all__ = ["house", "stage", "today"]

CODE = re.compile(r"<code[^>]*>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</code>")


@pytest_asyncio.fixture(loop_scope="session")
async def cast(house: House) -> Cast:
    """The cast, in a group where hours can go from one to the other."""
    return await make_cast(house, datetime.now(UTC), time_bank=True, preset="careful")


async def test_the_receipt_of_hours_that_wait_has_a_code_and_with_the_yes_another(
    stage: Stage, today: str
) -> None:
    ada, flo = await signed_in(stage, "ada"), await signed_in(stage, "flo")
    fields = {"what": "gave", "who": "Flo", "kind": "repairs", "minutes": "60", "day": today}

    noted = await ada.follow(await ada.send(await ada.get("/log"), "/log", **fields))

    assert "It is noted, and waits for a yes" in text_of(noted)
    first = CODE.search(noted.text)
    assert first
    place = str(noted.url.path).removeprefix("/g/riverside")
    assert "comes with the yes" in text_of(await ada.get(place)), (
        "without the key of the form nobody knows it"
    )
    assert "comes with the yes" in text_of(await ada.get(place, sent="A" * 22))
    assert "waits for the other one" in text_of(await ada.get("/me"))
    await flo.follow(await flo.send(await flo.get("/me"), say="yes"))
    second = CODE.search((await ada.get(place)).text)
    assert second
    assert second[1] != first[1]
    assert "Keep it as a file" in text_of(await ada.get(place))


async def test_members_see_what_was_published_last_and_those_who_work_with_the_pot_what_is_in_it_now(
    stage: Stage, today: str
) -> None:
    cast, hours = stage.cast, {"minutes": 60, "effective_on": today, "category": "repairs"}
    await stage.post("ada", "/hours", hours)
    ada, bo = [await signed_in(stage, name) for name in ("ada", "bo")]
    before = text_of(await ada.get("/me"))

    await close_period(cast.house, cast.group_id, now=datetime.now(UTC) + timedelta(days=40))
    await stage.post("ada", "/hours", hours)
    said, known = text_of(await ada.get("/me")), text_of(await bo.get("/me"))

    assert "not yet drawn" not in before, "nothing was published so far"
    assert "As it was when" in said
    assert "0 h given, not yet drawn" in said, "too few people stand behind it"
    assert "As it is now" in known
    assert "2 h given, not yet drawn" in known
