"""Stand-ins over the API: with consent, for some things, until a day; and whoever was acted for sees by whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.api.test_joining import at
from tests.api.test_members import SOME_ID, count, fingerprint
from tests.cast import OTHER_SLUG, Stage
from timebank.services.tokens import find_actor

TODAY = datetime.now(UTC).date()
SOON = (TODAY + timedelta(days=30)).isoformat()


def tie(stage: Stage, stand_in: str, member: str, **changes: Any) -> dict[str, Any]:
    return {
        "stand_in": str(stage.cast.ids[stand_in]),
        "for": str(stage.cast.ids[member]),
        "scopes": ["log", "see"],
        "until": SOON,
        "consent": "said",
        **changes,
    }


async def actor(stage: Stage, name: str, now: datetime | None = None) -> Any:
    cast = stage.cast
    return await find_actor(cast.house, cast.group_id, cast.tokens[name], now=now or datetime.now(UTC))


async def test_consent_is_the_persons_own_or_a_stewards_record_and_never_the_stand_ins_word(
    stage: Stage,
) -> None:
    before = await fingerprint(stage)
    for name, body, status, code in (
        ("flo", tie(stage, "flo", "ada"), 403, "not_your_consent"),
        ("ed", tie(stage, "flo", "ada"), 403, "not_your_consent"),
        ("bo", tie(stage, "bo", "ada", consent="on_paper"), 403, "not_your_consent"),
        ("ada", tie(stage, "flo", "ada", consent="on_paper"), 422, "field_invalid"),
        ("bo", tie(stage, "flo", "ada", consent="guessed"), 422, "field_invalid"),
        ("bo", tie(stage, "flo", "ada", scopes=[]), 422, "field_invalid"),
        ("bo", tie(stage, "flo", "ada", scopes=["pay"]), 422, "field_invalid"),
        ("bo", tie(stage, "flo", "ada", until=(TODAY - timedelta(days=2)).isoformat()), 422, "field_invalid"),
        (
            "bo",
            tie(stage, "flo", "ada", until=(TODAY + timedelta(days=400)).isoformat()),
            422,
            "field_invalid",
        ),
        ("bo", tie(stage, "flo", "flo"), 422, "field_invalid"),
    ):
        answer = await stage.post(name, "/stand-ins", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert await fingerprint(stage) == before

    assert (await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))).status_code == 201
    on_paper = await stage.post("bo", "/stand-ins", tie(stage, "ed", "ada", consent="on_paper"))
    assert on_paper.status_code == 201


async def test_the_role_and_what_it_allows_follow_from_the_tie_and_end_with_its_day(stage: Stage) -> None:
    ada = stage.cast.ids["ada"]
    assert (await actor(stage, "flo")).stands_in == {}

    begun = await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))

    flo = await actor(stage, "flo")
    assert "stand_in" in flo.roles
    assert flo.stands_in == {ada: frozenset({"log", "see"})}
    assert flo.may_act_for(ada, "log")
    assert not flo.may_act_for(ada, "ask")
    assert begun.json()["state"] == "active"
    over = await actor(stage, "flo", datetime.now(UTC) + timedelta(days=32))
    assert (over.stands_in, "stand_in" in over.roles) == ({}, False)
    kinds = "SELECT count(*) FROM timebank.records WHERE kind = 'stand_in'"
    assert await count(stage, kinds) == 1


async def test_a_new_tie_takes_the_place_of_the_old_one_and_the_role_stays_while_one_holds(
    stage: Stage,
) -> None:
    first = (await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))).json()
    second = (await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada", scopes=["ask"]))).json()
    other = (await stage.post("bo", "/stand-ins", tie(stage, "flo", "ed"))).json()

    listed = (await stage.get("bo", "/stand-ins")).json()["stand_ins"]
    states = {one["id"]: one["state"] for one in listed}
    assert [states[one["id"]] for one in (first, second, other)] == ["ended", "active", "active"]
    assert (await actor(stage, "flo")).stands_in == {
        stage.cast.ids["ada"]: frozenset({"ask"}),
        stage.cast.ids["ed"]: frozenset({"log", "see"}),
    }

    assert (await stage.post("flo", f"/stand-ins/{second['id']}/end", None)).json()["state"] == "ended"
    assert "stand_in" in (await actor(stage, "flo")).roles
    assert (await stage.post("bo", f"/stand-ins/{other['id']}/end", None)).status_code == 200
    assert "stand_in" not in (await actor(stage, "flo")).roles


async def test_a_tie_is_ended_by_either_side_or_a_steward_once_and_by_nobody_else(stage: Stage) -> None:
    ties = {}
    for name in ("flo", "ada", "bo"):
        ties[name] = (await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))).json()["id"]
        foreign = await stage.post("ed", f"/stand-ins/{ties[name]}/end", None)
        nobody = await stage.post("ed", f"/stand-ins/{SOME_ID}/end", None)
        assert (foreign.status_code, foreign.content) == (404, nobody.content)
        assert (await stage.post(name, f"/stand-ins/{ties[name]}/end", None)).json()["state"] == "ended"
    running = (await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))).json()["id"]
    at(stage, datetime.now(UTC) + timedelta(days=32))
    before = await fingerprint(stage)

    for tie_id, state in (*((one, "ended") for one in ties.values()), (running, "expired")):
        again = await stage.post("bo", f"/stand-ins/{tie_id}/end", None)
        assert (again.status_code, again.json()["code"]) == (409, "stand_in_not_open")
        assert again.json()["params"]["state"] == state
    assert await fingerprint(stage) == before
    other = await stage.post("cy", f"/stand-ins/{running}/end", None, slug=OTHER_SLUG)
    assert other.status_code == 404


async def test_everybody_sees_their_own_ties_and_stewards_all(stage: Stage) -> None:
    await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))
    await stage.post("bo", "/stand-ins", tie(stage, "ed", "bo", consent="said"))

    for name, path, seen in (
        *(("ada", "/stand-ins", 1), ("flo", "/me/stands-in", 1), ("ed", "/stand-ins", 1)),
        *(("di", "/me/stands-in", 0), ("di", "/stand-ins", 2), ("bo", "/me/stands-in", 1)),
    ):
        assert len((await stage.get(name, path)).json()["stand_ins"]) == seen, (name, path)
    (own,) = (await stage.get("flo", "/me/stands-in")).json()["stand_ins"]
    assert (own["stand_in"]["nickname"], own["for"]["nickname"]) == ("Flo", "Ada")
    assert own["until"] == SOON


async def test_suspending_who_is_stood_in_for_stops_it_and_leaving_ends_it(stage: Stage) -> None:
    ada = str(stage.cast.ids["ada"])
    await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))

    await stage.post("bo", f"/members/{ada}/suspend", None)
    assert (await actor(stage, "flo")).stands_in == {}
    assert (await stage.post("bo", "/stand-ins", tie(stage, "ed", "ada"))).status_code == 404
    await stage.post("bo", f"/members/{ada}/resume", None)
    assert len((await actor(stage, "flo")).stands_in) == 1

    gone = (await stage.post("bo", f"/members/{ada}/leave", None)).json()
    assert gone["ended"]["stand_ins"] == 1
    assert "stand_in" not in (await actor(stage, "flo")).roles


async def test_whoever_was_acted_for_sees_by_whom_and_a_stand_in_sees_their_rows(
    stage: Stage, today: str
) -> None:
    ada = str(stage.cast.ids["ada"])
    hours = {"minutes": 30, "effective_on": today, "category": "cooking"}
    await stage.post("ada", "/hours", {**hours, "note": "my own words"})
    await stage.post("bo", "/hours", {**hours, "giver": ada})

    lines = (await stage.get("ada", "/me/statement")).json()["lines"]
    assert [line.get("entered_by", "") for line in lines] == ["Bo", ""]

    path = f"/members/{ada}/statement"
    for name in ("flo", "bo", "ed"):
        refused = await stage.get(name, path)
        nobody = await stage.get(name, f"/members/{SOME_ID}/statement")
        assert (refused.status_code, refused.content) == (404, nobody.content), name
    await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))
    seen = (await stage.get("flo", path)).json()
    assert [line["minutes"] for line in seen["lines"]] == [30, 30]
    assert "my own words" not in (await stage.get("flo", path)).text
    await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada", scopes=["log"]))
    assert (await stage.get("flo", path)).status_code == 404


async def test_the_database_itself_takes_no_tie_by_the_stand_ins_own_word(stage: Stage) -> None:
    await stage.post("ada", "/stand-ins", tie(stage, "flo", "ada"))
    for consent_by, member in (("stand_in", "member_id"), ("consent_by", "stand_in")):
        async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"""
                    INSERT INTO people.stand_ins
                    SELECT group_id, gen_random_uuid(), stand_in, {member}, scopes, consent, {consent_by}, since,
                           expires_at, until, now()
                      FROM people.stand_ins
                """)
            await connection.execute("ROLLBACK")
