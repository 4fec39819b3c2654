"""Lists: pages add up to the whole, filters leave out what they say and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.lists import Filters, Get, check_filters, check_pages, whole
from tests.api.principals import World
from tests.cast import NOON, OTHER_SLUG
from timebank.edge.paging import Listing
from timebank.services import pages
from timebank.services.close import close_period

DAYS = ("2026-01-05", "2026-02-01", "2026-03-01")
LATER = (NOON + timedelta(days=60)).date().isoformat()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def full(world: World) -> World:
    """A world in which Ada has rows of every kind, three days are closed, and imports have every state."""
    ids = world.stage.cast.ids
    for number, on in enumerate(DAYS):
        hours = {"effective_on": on, "category": ("cooking", "repairs")[number % 2]}
        await world.do("ada", "/hours", {**hours, "minutes": 10 + number})
        await world.do("flo", "/hours", {**hours, "minutes": 20 + number, "receiver": str(ids["ada"])})
        money = {
            "pot": "money",
            "amount": 100 + number,
            "currency": "EUR",
            "held": "bank",
            "effective_on": on,
        }
        await world.do("ed", "/money", {**money, "giver": str(ids["ada"])})
        await world.do("ada", "/draws", {"pot": "hours", "minutes": 5 + number, "category": "company"})
    wrong = await world.do("ada", "/hours", {"effective_on": DAYS[0], "category": "company", "minutes": 7})
    await world.do("ada", f"/entries/{wrong['entry']}/correct", {"reason": "typo", "instead": {"minutes": 8}})
    ask = {"pot": "money", "amount": 50, "currency": "EUR", "category": "repairs", "needed_by": LATER}
    draw = await world.do("ada", "/draws", ask)
    await world.do("bo", f"/draws/{draw['id']}/approve", {})
    for what in ("", "post", "cancel"):
        import_id = await world.hand_in("bo")
        if what:
            await world.do("bo", f"/imports/{import_id}/{what}", None)
            await world.app.state.workshop.idle()
    for body in ({"reason": "fee"}, {"reason": "fee"}, {"category": "repairs"}):
        out = {"pot": "money", "held": "bank", "amount": 5, "currency": "EUR", **body}
        proposed = await world.do("kit", "/money/out", out)
    await world.do("bo", f"/proposals/{proposed['proposal']}/sign", {})
    await world.do("kit", "/pots/moves", {"from": "money", "to": "spare", "amount": 5, "currency": "EUR"})
    for days in (9, 10, 11):
        await world.do("bo", "/settings", {"confirm_days": days})
    waiting = {"minutes": 9, "effective_on": DAYS[1], "category": "cooking", "mode": "exchange"}
    waits = await world.do("flo", "/hours", {**waiting, "receiver": str(ids["ada"])})
    await world.do("ada", f"/hours/{waits['id']}/confirm", {})
    # Two closes, so that the public lines are of more than one period.
    now = datetime.now(UTC)
    await close_period(world.house, world.stage.cast.group_id, now=now + timedelta(days=1))
    return world


def getting(world: World, name: str | None, path: str, **more: Any) -> Get:
    async def get(query: Mapping[str, str]) -> httpx.Response:
        return await world.stage.get(name, path, params=query, **more)

    return get


def is_between(first: str, last: str) -> Any:
    return lambda row: bool(row.get("effective_on")) and first <= row["effective_on"] <= last


STATEMENT: Filters = {
    "what": (("given", "received", "asked", "taken_back"), lambda row, said: row["what"] == said),
    "unit": (
        ("minutes", "EUR", "USD"),
        lambda row, said: ("minutes" if "minutes" in row else row["currency"]) == said,
    ),
    "from": (DAYS, lambda row, said: is_between(said, "9999")(row)),
    "to": (DAYS, lambda row, said: is_between("0000", said)(row)),
}
ENTRIES: Filters = {
    "kind": (("help_given", "money_in", "correction", "nothing"), lambda row, said: row["kind"] == said),
    "category": (("cooking", "repairs", "company"), lambda row, said: row["category"] == said),
    "pot": (("hours", "money", "gold"), lambda row, said: any(c["pot"] == said for c in row["changes"])),
}
IMPORTS: Filters = {
    "state": (("new", "checked", "posted", "dropped"), lambda row, said: row["state"] == said)
}


PROPOSALS: Filters = {
    "state": (("open", "signed", "withdrawn"), lambda row, said: row["state"] == said),
    "kind": (("money_out", "pot_move", "count"), lambda row, said: row["kind"] == said),
}
DRAWS: Filters = {
    "state": (
        ("asked", "promised", "asked,promised", "released"),
        lambda row, said: row["state"] in said.split(","),
    )
}
MEMBERS: Filters = {
    "role": (("steward", "treasurer", "host"), lambda row, said: said in row["roles"]),
    "state": (("active", "left", "suspended"), lambda row, said: row["state"] == said),
    "signs_in": (("true", "false"), lambda row, said: row["signs_in"] == (said == "true")),
}


def hours_of(member: str) -> Filters:
    """Return the filters of somebody's own hours."""
    return {
        "state": (("logged", "confirmed", "settled"), lambda row, said: row["state"] == said),
        "role": (("gave", "got"), lambda row, said: row["giver" if said == "gave" else "receiver"] == member),
        "category": (("cooking", "repairs", "company"), lambda row, said: row["category"] == said),
        "from": ((DAYS[1],), STATEMENT["from"][1]),
        "to": ((DAYS[1],), STATEMENT["to"][1]),
    }


async def test_every_pair_of_filters_finds_what_the_full_list_says(full: World) -> None:
    # A day after another finds nothing and is refused, so the pairs of days are in order.
    for first, last in ((DAYS[0], DAYS[0]), (DAYS[0], DAYS[2]), (DAYS[1], DAYS[2])):
        days: Filters = {
            **STATEMENT,
            "from": ((first,), STATEMENT["from"][1]),
            "to": ((last,), STATEMENT["to"][1]),
        }
        assert await check_filters(getting(full, "ada", "/me/statement"), "lines", days) >= 10
    assert await check_filters(getting(full, None, "/entries"), "entries", ENTRIES) >= 8
    assert await check_filters(getting(full, "bo", "/imports"), "imports", IMPORTS) >= 2
    hours = hours_of(str(full.stage.cast.ids["ada"]))
    assert await check_filters(getting(full, "ada", "/hours"), "hours", hours) >= 10
    assert await check_filters(getting(full, "bo", "/proposals"), "proposals", PROPOSALS) >= 5
    assert await check_filters(getting(full, "bo", "/draws"), "draws", DRAWS) >= 2
    assert await check_filters(getting(full, "bo", "/members"), "members", MEMBERS) >= 5


async def test_pages_of_every_size_add_up_to_the_whole(full: World) -> None:
    await check_pages(getting(full, "ada", "/me/statement"), "lines", largest=100)
    await check_pages(getting(full, None, "/entries"), "entries", largest=500)
    await check_pages(getting(full, "bo", "/imports"), "imports", largest=200)
    await check_pages(getting(full, "ada", "/hours"), "hours", largest=100)
    await check_pages(getting(full, "bo", "/proposals"), "proposals", largest=100)
    await check_pages(getting(full, "bo", "/draws"), "draws", largest=200)
    await check_pages(getting(full, "bo", "/members"), "members", largest=200)
    await check_pages(getting(full, "ada", "/settings/history"), "changes", largest=100)


async def test_flows_go_back_period_by_period(full: World) -> None:
    get = getting(full, None, "/flows")
    everything = (await get({"limit": "400"})).json()

    for size in (1, 2, 7, 400):
        pages: list[list[dict[str, Any]]] = []
        asked = {"limit": str(size)}
        while True:
            page = (await get(asked)).json()
            pages.insert(0, page["flows"])
            if not page["next"]:
                break
            asked["before"] = page["next"]
        assert [flow for page in pages for flow in page] == everything["flows"], size
    assert (await get({"before": "7"})).json()["errors"][0]["field"] == "before"
    by_kind = (await get({"by": "kind", "unit": "minutes"})).json()["flows"]
    assert {flow["unit"] for flow in by_kind} == {"minutes"}


async def test_rows_that_come_meanwhile_move_nothing(full: World) -> None:
    get = getting(full, "ada", "/me/statement")
    before = await whole(get, "lines", {})
    page = (await get({"limit": "3"})).json()

    await full.do("ada", "/hours", {"effective_on": full.today, "category": "cooking", "minutes": 99})
    rest = await whole(get, "lines", {"after": page["next"]})

    assert page["lines"] + rest == before
    assert (await whole(get, "lines", {}))[1:] == before


async def test_a_cursor_of_another_list_or_made_up_is_refused_and_one_of_another_group_opens_nothing(
    full: World,
) -> None:
    mine = (await full.stage.get("ada", "/me/statement", params={"limit": "1"})).json()["next"]
    theirs = (await full.stage.get("dot", "/me/statement", slug=OTHER_SLUG, params={"limit": "1"})).json()[
        "next"
    ]

    wrong_list = await full.stage.get("bo", "/imports", params={"after": mine})
    assert (wrong_list.status_code, wrong_list.json()["code"]) == (422, "field_invalid")
    foreign = await full.stage.get("ada", "/me/statement", params={"after": theirs})
    assert foreign.status_code == 200
    assert {row["id"] for row in foreign.json()["lines"]} <= {
        row["id"] for row in await whole(getting(full, "ada", "/me/statement"), "lines", {})
    }
    uuid = "00000000-0000-4000-8000-000000000000"
    for place in (
        ["statement", [[uuid, 2**31], None, None]],
        ["statement", [[uuid, -1], None, None]],
        ["statement", [[uuid, True], None, None]],
        ["statement", [None, ["2026-01-01T00:00:00", uuid], None]],
        ["statement", [None, [1, uuid], None]],
        ["statement", [None, None, None], 1],
        ["statement"],
        "[" * 5000,
    ):
        text = place if isinstance(place, str) else json.dumps(place, separators=(",", ":"))
        made_up = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        answer = await full.stage.get("ada", "/me/statement", params={"after": made_up})
        assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid"), place
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        place = ["statement", [None, [moment, uuid], [moment, uuid]]]
        made_up = (
            base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")
        )
        assert (await full.stage.get("ada", "/me/statement", params={"after": made_up})).status_code == 200


async def test_a_filter_that_finds_almost_nothing_comes_to_an_end_page_by_page(
    full: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_CHUNK", 2)
    monkeypatch.setattr(pages, "LOOKED_AT_MAX", 4)
    get = getting(full, "ada", "/me/statement")

    first = (await get({"unit": "USD"})).json()

    assert (first["lines"], bool(first["next"])) == ([], True)
    assert await whole(get, "lines", {"unit": "USD"}) == []
    assert (
        await check_filters(get, "lines", {**STATEMENT, "from": ((), is_between), "to": ((), is_between)}) > 3
    )


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    listing: Listing[tuple[int, str]] = Listing("some", tuple[int, str], usual=1, largest=2)

    assert listing.read(b"after=" + listing.next((7, "é")).encode()).after == (7, "é")
    assert (listing.next(None), listing.read(b"").after, listing.read(b"").limit) == ("", None, 1)
