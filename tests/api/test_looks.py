"""Who looked at whose name: written down for duties, shown to whom it is about, and to nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.cast import SLUG, Stage, cast, house, stage, today
from tests.web.member import signed_in, text_of
from tests.web.test_ask_by_link import open_stage
from timebank.services.archive import write_archive
from timebank.services.member_acts import list_for_host
from timebank.services.retention import forget_over

__all__ = ["cast", "house", "open_stage", "stage", "today"]


class Nowhere:
    """Takes bytes and forgets them."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass

    def tell(self) -> int:
        return 0


async def seen(stage: Stage, name: str) -> list[dict[str, Any]]:
    answer = await stage.get(name, "/me/looks")
    assert answer.status_code == 200, answer.text
    looks: list[dict[str, Any]] = answer.json()["looks"]
    return looks


async def code_of(stage: Stage, name: str) -> str:
    return str((await stage.get(name, "/me")).json()["code"])


async def test_whoever_has_a_duty_and_goes_by_a_code_is_shown_to_that_person_alone(
    stage: Stage, today: str
) -> None:
    code = await code_of(stage, "ada")
    for _ in range(2):
        assert (await stage.get("ed", f"/members/find?code={code}")).json()["nickname"] == "Ada"

    assert await seen(stage, "ada") == [{"on": today, "what": "found", "by": "Ed"}]
    for other in ("flo", "ed", "bo"):
        assert await seen(stage, other) == []


async def test_members_among_each_other_exact_names_and_oneself_are_no_looks(stage: Stage) -> None:
    code, own = await code_of(stage, "ada"), await code_of(stage, "bo")

    assert (await stage.get("flo", f"/members/find?code={code}")).status_code == 200
    assert (await stage.get("bo", "/members/find?name=Ada")).status_code == 200
    assert (await stage.get("bo", f"/members/find?code={own}")).status_code == 200
    assert (await stage.get("bo", "/members/find?code=ZZZZ-ZZZZ")).status_code in {404, 422}

    assert await seen(stage, "ada") == []
    assert await seen(stage, "bo") == []


async def test_a_list_with_everybody_is_one_row_a_day_for_everybody_but_its_reader(
    stage: Stage, today: str
) -> None:
    for _ in range(3):
        assert len((await stage.get("bo", "/members")).json()["members"]) == 5
    assert (await stage.get("flo", "/members")).status_code == 200
    assert (await stage.get("bo", "/hours?whose=waiting")).status_code == 200

    expected = [{"on": today, "what": what, "by": "Bo", "everybody": True} for what in ("hours", "list")]
    assert await seen(stage, "ada") == expected
    assert await seen(stage, "di") == expected
    assert await seen(stage, "bo") == []
    async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM people.looks") == 2


async def test_the_page_of_one_person_is_shown_to_them_and_their_household_and_to_nobody_else(
    stage: Stage, today: str
) -> None:
    bo = await signed_in(stage, "bo")
    path = f"/people/{stage.cast.ids['ada']}"
    assert (await bo.send(await bo.get(path), "/household", household="Flo")).status_code == 303
    async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
        await connection.execute("DELETE FROM people.looks")

    for _ in range(2):
        assert "Ada" in text_of(await bo.get(path))

    alone = [{"on": today, "what": "list", "by": "Bo"}]
    assert [await seen(stage, name) for name in ("ada", "flo", "di", "bo")] == [alone, alone, [], []]
    ada = await signed_in(stage, "ada")
    assert "Bo opened a page about you or your household." in text_of(await ada.get("/me/looks"))

    await bo.get("/people")
    assert "Bo opened the list of all members." in text_of(await ada.get("/me/looks"))


async def test_what_the_host_takes_out_is_shown_to_everybody(stage: Stage, today: str) -> None:
    house, group_id = stage.cast.house, stage.cast.group_id
    assert len(await list_for_host(house, group_id, now=datetime.now(UTC))) == 5
    await write_archive(house, group_id, Nowhere(), now=datetime.now(UTC))  # type: ignore[arg-type]

    for name in ("ada", "bo"):
        assert await seen(stage, name) == [
            {"on": today, "what": what, "by": "", "host": True, "everybody": True}
            for what in ("archive", "list")
        ]


async def test_looks_at_an_own_ask_stand_in_the_same_list(stage: Stage, today: str) -> None:
    ask = {"pot": "money", "amount": 500, "currency": "EUR", "category": "repairs"}
    draw = (await stage.post("ada", "/draws", ask)).json()["id"]
    assert (await stage.post("bo", f"/draws/{draw}/who", {})).status_code == 200

    assert await seen(stage, "ada") == [{"on": today, "what": "who", "by": "Bo", "draw": draw}]
    assert await seen(stage, "flo") == []


async def test_the_own_page_leads_by_the_settings_to_who_looked(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")
    assert "Nobody has looked." in text_of(await ada.get("/me/looks"))
    await stage.get("bo", f"/members/find?code={await code_of(stage, 'ada')}")

    home, settings, page = [await ada.get(path) for path in ("/me", "/me/settings", "/me/looks")]

    assert f'href="/g/{SLUG}/me/settings"' in home.text
    assert f'href="/g/{SLUG}/me/looks"' in settings.text
    assert "Bo found you by your code." in text_of(page)
    assert page.headers["cache-control"] == "no-store"


async def test_looks_go_with_the_person_and_with_the_year(stage: Stage) -> None:
    house, group_id = stage.cast.house, stage.cast.group_id
    await stage.get("bo", f"/members/find?code={await code_of(stage, 'ada')}")
    await stage.get("bo", f"/members/find?code={await code_of(stage, 'flo')}")

    assert (await stage.post("ada", f"/members/{stage.cast.ids['ada']}/erase", {})).status_code == 200
    async with house.database.write_door(group_id) as connection:
        assert [row[0] for row in await connection.fetch("SELECT whose FROM people.looks")] == [
            stage.cast.ids["flo"]
        ]
    await forget_over(house, group_id, now=datetime.now(UTC) + timedelta(days=363))
    assert len(await seen(stage, "flo")) == 1
    await forget_over(house, group_id, now=datetime.now(UTC) + timedelta(days=368))
    assert await seen(stage, "flo") == []


async def test_the_words_of_an_ask_without_an_account_go_with_its_link_and_its_key(open_stage: Stage) -> None:
    stage = open_stage
    house, group_id = stage.cast.house, stage.cast.group_id
    link = (await stage.get(None, "/asks")).json()["secret"]
    ask = {"pot": "money", "amount": 500, "currency": "EUR", "category": "repairs", "contact": "the red door"}
    draw = UUID((await stage.post(None, f"/asks/{link}", ask, key=None)).json()["id"])
    assert house.keys.find_member_key(group_id, draw) is not None
    await forget_over(house, group_id, now=datetime.now(UTC) + timedelta(days=400))
    status = (await stage.get(None, f"/asks/{link}")).json()
    assert status["state"] == "asked", "what is open stays, however old it is"
    assert (await stage.post(None, f"/asks/{link}/cancel", None, key=status["key"])).status_code == 200

    await forget_over(house, group_id, now=datetime.now(UTC) + timedelta(days=179))
    assert (await stage.get(None, f"/asks/{link}")).json()["state"] == "cancelled"
    await forget_over(house, group_id, now=datetime.now(UTC) + timedelta(days=181))

    assert (await stage.get(None, f"/asks/{link}")).status_code == 404
    assert house.keys.find_member_key(group_id, draw) is None
    async with house.database.write_door(group_id) as connection:
        for table in ("people.ask_notes", "people.ask_links"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
