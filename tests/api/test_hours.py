"""Hours over the API: written as people write them, between two people, and found again by every filter."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from tests.cast import OTHER_SLUG, Cast, Stage, a_group, make_cast
from timebank.services.house import House

NO_ID = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture(loop_scope="session")
async def cast(house: House, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """The cast in groups with time-bank mode."""
    monkeypatch.setattr("tests.cast.a_group", partial(a_group, time_bank=True))
    return await make_cast(house, datetime.now(UTC))


@pytest.fixture
def day(today: str) -> dict[str, Any]:
    return {"effective_on": today, "category": "cooking"}


async def test_a_time_is_taken_as_people_write_it_or_refused_by_name(
    stage: Stage, day: dict[str, Any]
) -> None:
    for written, minutes in (("1:30", 90), ("1h30", 90), ("90m", 90), ("1.5", 90), ("2", 120)):
        said = (await stage.post("ada", "/hours", {**day, "time": written})).json()
        assert said["minutes"] == minutes, written
    for wrong in ("1:75", "-1:00", "NaN", "1e3", "", "a while", "٣e٢", "Infinity", "0"):
        for path, body in (
            ("/hours", {**day, "time": wrong}),
            (f"/hours/{NO_ID}/question", {"time": wrong}),
            ("/hours/shares", {**day, "time": wrong, "givers": []}),
            ("/hours/shares", {**day, "givers": [{"giver": NO_ID, "time": wrong}]}),
        ):
            answer = await stage.post("ada", path, body)
            assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid"), (wrong, path)
            assert answer.json()["params"]["field"] == "time"
    both = await stage.post("ada", "/hours", {**day, "time": "1:30", "minutes": 90})
    neither = await stage.post("ada", "/hours", day)
    assert {answer.json()["params"]["field"] for answer in (both, neither)} == {"minutes"}


async def test_hours_between_two_people_over_the_api(stage: Stage, day: dict[str, Any]) -> None:
    ids = stage.cast.ids
    body = {**day, "minutes": 60, "receiver": str(ids["flo"]), "mode": "exchange"}
    logged = (await stage.post("ada", "/hours", body)).json()
    assert (logged["state"], "entry" in logged, "receipt" in logged) == ("logged", False, True)
    hours = f"/hours/{logged['id']}"
    waits = (await stage.get("flo", "/hours?role=got")).json()["hours"]
    assert [(h["id"], h["waits_for_me"], h["giver"]) for h in waits] == [
        (logged["id"], True, str(ids["ada"]))
    ]
    assert [h["id"] for h in (await stage.get("bo", "/hours?whose=waiting")).json()["hours"]] == [
        logged["id"]
    ]
    assert (await stage.get("ada", "/hours?whose=waiting")).json()["code"] == "needs_role"

    asked = await stage.post("flo", f"{hours}/question", {"minutes": 45, "reason": "we began late"})
    assert (asked.status_code, asked.json()["state"], asked.json()["proposed"]) == (200, "questioned", 45)
    seen = (await stage.get("ada", "/hours")).json()["hours"][0]
    assert (seen["proposed"], seen["why"], seen["waits_for_me"]) == (45, "we began late", True)
    settled = await stage.post("ada", f"{hours}/settle", None, key="settle")
    assert (settled.status_code, settled.json()["counted"]) == (200, 45)
    replay = await stage.post("ada", f"{hours}/settle", None, key="settle")
    assert (replay.content, replay.headers["idempotent-replayed"]) == (settled.content, "true")
    again = await stage.post("ada", f"{hours}/settle", {})
    assert (again.status_code, again.json()["code"]) == (409, "hours_not_open")
    statement = (await stage.get("flo", "/me/statement")).json()
    assert [t["received"] for t in statement["totals"] if t["unit"] == "minutes"] == [45]


async def test_shares_over_the_api_add_up(stage: Stage, day: dict[str, Any]) -> None:
    ids = stage.cast.ids
    givers = [
        {"giver": str(ids[name]), "weight": weight} for name, weight in (("ada", 3), ("flo", 2), ("bo", 2))
    ]

    said = (await stage.post("ada", "/hours/shares", {**day, "time": "10:00", "givers": givers})).json()

    assert [share["minutes"] for share in said["shares"]] == [257, 172, 171]
    wrong = [{"giver": str(ids["ada"]), "weight": 1, "minutes": 5}]
    answer = await stage.post("ada", "/hours/shares", {**day, "minutes": 10, "givers": wrong})
    assert (answer.status_code, answer.json()["params"]["field"]) == (422, "givers")


async def test_hours_of_another_group_are_as_if_they_never_were(stage: Stage, day: dict[str, Any]) -> None:
    theirs = (await stage.post("cy", "/hours", {**day, "minutes": 5}, slug=OTHER_SLUG)).json()["id"]
    for act, body in (("confirm", None), ("question", {"minutes": 5}), ("settle", {}), ("withdraw", None)):
        answers = [await stage.post("bo", f"/hours/{hours}/{act}", body) for hours in (theirs, NO_ID)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    shared = {**day, "minutes": 6, "givers": [{"giver": str(stage.cast.ids["cy"]), "weight": 1}]}
    nobody = {**shared, "givers": [{"giver": NO_ID, "weight": 1}]}
    answers = [await stage.post("bo", "/hours/shares", body) for body in (shared, nobody)]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["code"] == "unknown_member"


async def test_every_pair_of_filters_finds_what_the_whole_list_has(stage: Stage, today: str) -> None:
    ids = stage.cast.ids
    yesterday = (datetime.fromisoformat(today) - timedelta(days=1)).date().isoformat()
    for number, (category, on, who) in enumerate(
        itertools.product(("cooking", "repairs"), (today, yesterday), ("ada", "flo"))
    ):
        body = {"minutes": 10 + number, "category": category, "effective_on": on}
        receiver = {"ada": "flo", "flo": "ada"}[who]
        logged = (await stage.post(who, "/hours", {**body, "receiver": str(ids[receiver])})).json()
        if number % 3 == 0:
            await stage.post(receiver, f"/hours/{logged['id']}/confirm", None)
        elif number % 3 == 1:
            await stage.post(who, f"/hours/{logged['id']}/withdraw", None)
    whole = (await stage.get("ada", "/hours?limit=100")).json()["hours"]
    assert len(whole) == 8
    ada = str(ids["ada"])
    filters: dict[str, Any] = {
        "state=confirmed": lambda h: h["state"] == "confirmed",
        "state=withdrawn": lambda h: h["state"] == "withdrawn",
        "role=gave": lambda h: h["giver"] == ada,
        "role=got": lambda h: h["receiver"] == ada,
        "category=repairs": lambda h: h["category"] == "repairs",
        f"from={today}": lambda h: h["effective_on"] >= today,
        f"to={yesterday}": lambda h: h["effective_on"] <= yesterday,
    }
    for one, other in itertools.combinations(filters, 2):
        if one.partition("=")[0] == other.partition("=")[0] or (one[:5], other[:3]) == ("from=", "to="):
            # No day is both; a last day before the first is refused.
            continue
        right = [h["id"] for h in whole if filters[one](h) and filters[other](h)]
        for limit in (1, 3, 100):
            found, after = [], ""
            while True:
                query = f"/hours?{one}&{other}&limit={limit}&after={after}"
                page = (await stage.get("ada", query)).json()
                found += [h["id"] for h in page["hours"]]
                after = page.get("next", "")
                if not after:
                    break
            assert found == right, (one, other, limit)


WRONG_FILTERS = (
    ("state=new", "state"),
    ("role=both", "role"),
    ("whose=all", "whose"),
    ("from=today", "from"),
    ("to=2026-2-1", "to"),
    ("after=x", "after"),
    (
        "after=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwiMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAwIl0=",
        "after",
    ),
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("limit=٣", "limit"),
)


async def test_a_filter_that_cannot_be_is_refused_by_name(stage: Stage) -> None:
    for query, field in WRONG_FILTERS:
        answer = await stage.get("ada", f"/hours?{query}")

        assert (answer.status_code, answer.json()["params"]["field"]) == (422, field), query


async def test_a_list_opens_no_more_boxes_of_members_than_it_takes_to_name_who_is_on_it(
    stage: Stage, today: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timebank.store import members as members_store

    flo = stage.cast.ids["flo"]
    body = {"minutes": 30, "effective_on": today, "category": "cooking", "receiver": str(flo)}
    assert (await stage.post("ada", "/hours", body)).status_code == 201
    opened: list[Any] = []
    open_accounts = members_store.open_accounts

    def note(keys: Any, group_id: Any, member_id: Any, box: bytes) -> Any:
        opened.append(member_id)
        return open_accounts(keys, group_id, member_id, box)

    monkeypatch.setattr(members_store, "open_accounts", note)
    (row,) = (await stage.get("ada", "/hours")).json()["hours"]

    assert (row["giver"], row["receiver"]) == (str(stage.cast.ids["ada"]), str(flo))
    # The reader's own is opened where they are looked up; the others only until Flo was found.
    assert opened[-1] == flo
