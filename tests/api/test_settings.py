"""Group settings over the API: changed by a steward, with their history, and public only from the next close on."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from tests.api.test_joining import at
from tests.api.test_members import count, fingerprint
from tests.cast import Stage
from tests.database import Dsn, run
from timebank.errors import FieldInvalid
from timebank.ledger.canonical import canonical
from timebank.rules.settings import Change, Settings, change_settings
from timebank.services.close import close_period
from timebank.services.settings import let_time_zone_begin
from timebank.services.verify import verify_group
from timebank.store.migrate import SUPERUSER


async def test_a_steward_changes_settings_and_every_member_sees_what_they_were(stage: Stage) -> None:
    before = await fingerprint(stage)
    for name in ("ada", "ed"):
        refused = await stage.post(name, "/settings", {"confirm_days": 14})
        assert (refused.status_code, refused.json()["code"]) == (403, "needs_role")
    assert await fingerprint(stage) == before

    changed = await stage.post(
        "bo", "/settings", {"confirm_days": 14, "words": "kitty", "rounding_minutes": 15}
    )

    assert changed.json()["changed"] == ["confirm_days", "rounding_minutes", "words"]
    now = (await stage.get("ada", "/settings")).json()
    assert (now["confirm_days"], now["words"], now["rounding_minutes"]) == (14, "kitty", 15)
    (change,) = (await stage.get("ada", "/settings/history")).json()["changes"]
    assert change["before"] == {"confirm_days": 7, "rounding_minutes": 1, "words": "pot"}
    assert change["after"] == {"confirm_days": 14, "rounding_minutes": 15, "words": "kitty"}
    assert "by" not in change
    bo = await stage.cast.actor("bo")
    assert (await stage.get("di", "/settings/history")).json()["changes"][0]["by"] == bo.account


async def test_the_book_says_which_settings_changed_and_holds_the_hash_of_what_they_were(
    stage: Stage,
) -> None:
    await stage.post("bo", "/settings", {"name": "Rio"})

    record = json.loads(
        await count(
            stage, "SELECT convert_from(record, 'UTF8') FROM timebank.records ORDER BY seq DESC LIMIT 1"
        )
    )
    (change,) = (await stage.get("bo", "/settings/history")).json()["changes"]

    assert (record["kind"], record["changed"]) == ("settings", ["name"])
    assert "Rio" not in json.dumps(record)
    said = canonical({"after": change["after"], "before": change["before"], "change": change["id"]})
    assert record["hash"] == sha256(said).hexdigest()


async def test_the_next_hours_follow_the_settings_and_a_category_is_retired_and_comes_back(
    stage: Stage, today: str
) -> None:
    hours = {"minutes": 30, "effective_on": today, "category": "garden"}
    assert (await stage.post("ada", "/hours", hours)).status_code == 422

    await stage.post("bo", "/settings", {"categories_add": ["garden"], "categories_retire": ["repairs"]})

    assert (await stage.post("ada", "/hours", hours)).status_code == 201
    assert (await stage.post("ada", "/hours", {**hours, "category": "repairs"})).status_code == 422
    now = (await stage.get("ada", "/settings")).json()
    assert (now["categories"], now["categories_retired"]) == (["cooking", "company", "garden"], ["repairs"])
    await stage.post("bo", "/settings", {"categories_add": ["repairs"]})
    assert (await stage.get("ada", "/settings")).json()["categories_retired"] == []


async def test_what_cannot_be_is_refused_by_field_and_changes_nothing(stage: Stage) -> None:
    before = await fingerprint(stage)
    for body, field in (
        ({}, "settings"),
        ({"name": " "}, "name"),
        ({"languages": []}, "languages"),
        ({"languages": ["english"]}, "languages"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"categories_add": ["cooking"]}, "categories_add"),
        ({"categories_retire": ["garden"]}, "categories_retire"),
        ({"categories_retire": ["cooking", "repairs", "company"]}, "categories_retire"),
        ({"rounding_minutes": 7}, "rounding_minutes"),
        ({"confirm_days": 0}, "confirm_days"),
        ({"confirm_days": 91}, "confirm_days"),
        ({"words": "bank"}, "words"),
        ({"joining": "everybody"}, "joining"),
        ({"preset": "secret"}, "preset"),
        ({"preset": "careful", "people": 2}, "people"),
        ({"preset": "sheltered", "people": 4}, "people"),
        ({"preset": "careful", "people": 51}, "people"),
        ({"people": 3}, "people"),
    ):
        answer = await stage.post("bo", "/settings", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid"), body
        assert answer.json()["params"]["field"] == field
    assert (await stage.post("bo", "/settings", {"slug": "other"})).status_code == 422
    assert await fingerprint(stage) == before
    assert (await stage.post("bo", "/settings", {"preset": "open"})).json()["changed"] == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    settings = Settings(
        "Riverside", ("en",), "UTC", ("cooking",), (), 1, False, 7, "pot", "open", False, "invitation"
    )

    same, faults = change_settings(
        settings,
        Change(name="", confirm_days=0, words="bank", preset="careful", people=2, member_list=True),
        time_zones_known={"UTC"},
    )

    assert [type(fault) for fault in faults] == [FieldInvalid] * 4
    assert [fault.params.get("field") for fault in faults] == ["name", "confirm_days", "words", "people"]
    assert same == dataclasses.replace(settings, member_list=True)


async def test_another_time_zone_begins_with_the_next_day_whether_or_not_anybody_sweeps(stage: Stage) -> None:
    house, group_id = stage.cast.house, stage.cast.group_id
    # A winter to come, in which nothing is a day off for summer time and everybody has the duties of today.
    winter = datetime.now(UTC).year + 1
    evening = datetime(winter, 11, 26, 22, 30, tzinfo=UTC)
    at(stage, evening)
    app: Any = stage.http._transport.app  # type: ignore[attr-defined]

    said = (await stage.post("bo", "/settings", {"time_zone": "Asia/Tokyo"})).json()

    midnight = datetime(winter, 11, 26, 23, 0, tzinfo=UTC)
    assert datetime.fromisoformat(said["time_zone_from"]) == midnight
    assert (await stage.get("ada", "/settings")).json()["time_zone"] == "Europe/Madrid"
    # A day later it is the 28th in Tokyo while it is still the 27th in Madrid.
    hours = {"minutes": 30, "category": "cooking", "effective_on": f"{winter}-11-28"}
    tokyo_has_the_28th = datetime(winter, 11, 27, 15, 0, tzinfo=UTC)
    app.state.door.writer.clock = lambda: tokyo_has_the_28th - timedelta(seconds=1)
    early = await stage.post("ada", "/hours", hours)
    assert early.json()["code"] == "date_in_future"
    app.state.door.writer.clock = lambda: tokyo_has_the_28th
    assert (await stage.post("ada", "/hours", hours)).status_code == 201

    at(stage, midnight)
    assert (await stage.get("ada", "/settings")).json()["time_zone"] == "Asia/Tokyo"
    assert not await let_time_zone_begin(house, group_id, now=midnight - timedelta(seconds=1))
    assert await let_time_zone_begin(house, group_id, now=midnight)
    assert not await let_time_zone_begin(house, group_id, now=midnight)
    assert await count(stage, "SELECT time_zone FROM timebank.groups") == "Asia/Tokyo"


async def test_a_change_of_zone_is_taken_back_before_its_day(stage: Stage) -> None:
    await stage.post("bo", "/settings", {"time_zone": "Asia/Tokyo"})

    back = (await stage.post("bo", "/settings", {"time_zone": "Europe/Madrid"})).json()

    assert back == {"changed": ["time_zone"]}
    assert "next_time_zone" not in (await stage.get("ada", "/settings")).json()


async def test_another_way_of_publishing_begins_with_the_next_period(stage: Stage) -> None:
    said = (await stage.post("bo", "/settings", {"preset": "careful", "gifts_wait": True})).json()

    now = (await stage.get("ada", "/settings")).json()
    assert sorted(said["changed"]) == ["gifts_wait", "people", "preset"]
    # Under open a period is a day: it begins tomorrow, and today is published as it was promised.
    assert (now["preset"], now["people"], now["next_preset"]) == ("open", 0, "careful")
    assert now["publishing_from"] == said["publishing_from"]
    assert (await stage.http.get("/api/v1/groups/riverside")).json()["preset"] == "open"

    back = (await stage.post("bo", "/settings", {"preset": "open"})).json()
    assert sorted(back["changed"]) == ["gifts_wait", "people", "preset"]
    assert "next_preset" not in (await stage.get("ada", "/settings")).json()


async def test_nothing_public_changes_before_the_next_close(stage: Stage) -> None:
    house, group_id = stage.cast.house, stage.cast.group_id
    pages = ("/g/riverside", "/api/v1/groups/riverside")
    before = [(await stage.http.get(path)).content for path in pages]

    await stage.post("bo", "/settings", {"name": "Rio", "languages": ["es"], "words": "hat"})

    assert [(await stage.http.get(path)).content for path in pages] == before
    await close_period(house, group_id, now=datetime.now(UTC) + timedelta(days=1))
    shown = (await stage.http.get("/api/v1/groups/riverside")).json()
    assert (shown["name"], shown["languages"]) == ("Rio", ["es"])
    page = (await stage.http.get("/g/riverside?lang=en")).text
    assert "Hours in the hat" in page
    assert "Rules of the money hat" in page
    assert "Reglas de la gorra de dinero" in (await stage.http.get("/g/riverside?lang=es")).text


async def test_the_history_is_read_page_by_page(stage: Stage) -> None:
    for days in range(8, 13):
        await stage.post("bo", "/settings", {"confirm_days": days})
    whole = (await stage.get("ada", "/settings/history")).json()["changes"]
    assert [change["after"]["confirm_days"] for change in whole] == [12, 11, 10, 9, 8]

    for size in (1, 2, 4, 5):
        pages: list[Any] = []
        after = ""
        while True:
            page = (await stage.get("ada", f"/settings/history?limit={size}&after={after}")).json()
            pages += page["changes"]
            if not (after := page.get("next", "")):
                break
        assert pages == whole
    assert (await stage.get("ada", "/settings/history?after=x")).status_code == 422


@pytest.mark.parametrize("path", ["/settings", "/settings/history"])
async def test_settings_are_for_members_only(stage: Stage, path: str) -> None:
    assert (await stage.get("ada", path)).status_code == 200
    for name in ("cy", None):
        assert (await stage.get(name, path)).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE timebank.settings_history SET after = jsonb_set(after, '{confirm_days}', '30')",
        "UPDATE timebank.settings_history SET changed_by = 0",
        "DELETE FROM timebank.settings_history",
        (
            "INSERT INTO timebank.settings_history SELECT group_id, gen_random_uuid(), changed_at, changed_by,"
            " before, after FROM timebank.settings_history"
        ),
    ],
)
async def test_a_history_of_settings_that_is_another_than_the_book_says_is_found(
    stage: Stage, fresh_dsn: Dsn, changed: str
) -> None:
    assert (await stage.post("bo", "/settings", {"confirm_days": 20})).status_code == 200
    assert (await verify_group(stage.cast.house, stage.cast.group_id)).ok

    await run(fresh_dsn, SUPERUSER, changed)

    verdict = await verify_group(stage.cast.house, stage.cast.group_id)
    assert {finding.check for finding in verdict.findings} == {"settings"}
