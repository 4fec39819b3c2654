"""Whoever goes leaves nothing open behind: their asks and proposals end with them, in the same step or not at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cast import Stage, cast, house, stage, today
from timebank.errors import ServerFault
from timebank.services.verify import verify_group

__all__ = ["cast", "house", "stage", "today"]

pytestmark = pytest.mark.database

EUROS = {"amount": 100, "currency": "EUR"}
ASK = {"pot": "money", **EUROS, "category": "repairs"}
ENDED = (
    "asks_cancelled",
    "proposals_withdrawn",
    "duties",
    "stand_ins",
    "invitations",
    "tokens",
    "duties_proposed",
    "asks_open",
)


async def do(stage: Stage, name: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = await stage.post(name, path, body)
    assert answer.status_code < 400, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def a_member_with_everything(stage: Stage, today: str) -> tuple[list[str], str]:
    """Let ed, who is treasurer, have one ask of each kind open, a proposal, and a stand-in; return them."""
    ids = stage.cast.ids
    await do(stage, "ed", "/money", {"pot": "money", "held": "bank", **EUROS, "effective_on": today})
    asks = [(await do(stage, "ed", "/draws", ASK))["id"] for _ in range(2)]
    await do(stage, "bo", f"/draws/{asks[1]}/approve", {})
    asks.append(
        (await do(stage, "ed", "/draws", {"pot": "hours", "minutes": 30, "category": "company"}))["id"]
    )
    proposal = (await do(stage, "ed", "/money/out", {"pot": "money", "held": "bank", **EUROS}))["proposal"]
    until = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    tie = {"stand_in": str(ids["flo"]), "for": str(ids["ed"]), "scopes": ["log"], "until": until}
    await do(stage, "ed", "/stand-ins", {**tie, "consent": "said"})
    return asks, proposal


async def states(stage: Stage, asks: list[str]) -> list[str]:
    return [(await stage.get("bo", f"/draws/{ask}")).json()["state"] for ask in asks]


@pytest.mark.parametrize("who", ["ed", "bo"])
@pytest.mark.parametrize("road", ["leave", "erase"])
async def test_asks_and_proposals_end_in_the_same_step_and_are_told_before(
    stage: Stage, today: str, who: str, road: str
) -> None:
    if (who, road) == ("bo", "erase"):
        # Only somebody who is steward and host forgets others.
        from timebank.services.members import grant_role

        await grant_role(
            stage.cast.house, stage.cast.group_id, stage.cast.ids["bo"], "host", now=datetime.now(UTC)
        )
    asks, proposal = await a_member_with_everything(stage, today)
    ed = stage.cast.ids["ed"]
    before = (await stage.get(who, f"/members/{ed}/leaving")).json()
    assert await states(stage, asks) == ["asked", "promised", "asked"], "looking changes nothing"
    stranger = await stage.get("flo", f"/members/{ed}/leaving")
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not_yourself")

    ended = (await do(stage, who, f"/members/{ed}/{road}"))["ended"]

    assert ended == before
    assert tuple(ended) == ENDED
    assert sorted(ended["asks_cancelled"]) == sorted(asks)
    assert ended["proposals_withdrawn"] == [proposal]
    assert (ended["duties"], ended["stand_ins"], ended["asks_open"]) == (["treasurer"], 1, [])
    assert await states(stage, asks) == ["cancelled"] * 3
    listed = (await stage.get("bo", "/proposals")).json()["proposals"]
    assert [each["state"] for each in listed] == ["withdrawn"]
    live = (await stage.get("bo", "/live")).json()
    assert [pot["promised"] for pot in live["pots"]] == [0, 0], "what was promised is back"
    assert (await verify_group(stage.cast.house, stage.cast.group_id)).ok


async def test_what_somebody_asked_for_another_stays_that_ones(stage: Stage, today: str) -> None:
    ids = stage.cast.ids
    ask = {"pot": "hours", "minutes": 30, "category": "company", "on_behalf_of": str(ids["flo"])}
    made = (await do(stage, "bo", "/draws", ask))["id"]

    ended = (await do(stage, "bo", f"/members/{ids['bo']}/leave"))["ended"]

    assert (ended["asks_cancelled"], ended["asks_open"]) == ([], [made])
    assert (await stage.get("flo", f"/draws/{made}")).json()["state"] == "asked"
    assert (await do(stage, "flo", f"/draws/{made}/cancel"))["state"] == "cancelled"


async def test_a_suspended_member_who_is_let_go_leaves_nothing_open_either(stage: Stage) -> None:
    flo = stage.cast.ids["flo"]
    made = (await do(stage, "flo", "/draws", ASK))["id"]
    await do(stage, "bo", f"/members/{flo}/suspend")

    ended = (await do(stage, "di", f"/members/{flo}/leave"))["ended"]

    assert ended["asks_cancelled"] == [made]
    assert await states(stage, [made]) == ["cancelled"]


async def test_a_leaving_that_fails_at_its_end_cancelled_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (await do(stage, "flo", "/draws", ASK))["id"]

    async def broken(*_: Any, **__: Any) -> None:
        raise ServerFault

    with monkeypatch.context() as patch:
        patch.setattr("timebank.store.members.update_member_state", broken)
        answer = await stage.post("flo", f"/members/{stage.cast.ids['flo']}/leave", None, key="leave")
    assert answer.status_code == 500
    assert await states(stage, [made]) == ["asked"]

    again = await stage.post("flo", f"/members/{stage.cast.ids['flo']}/leave", None, key="leave")

    assert again.json()["ended"]["asks_cancelled"] == [made]


async def test_leaving_and_a_yes_at_once_end_in_one_of_two_ways(stage: Stage, today: str) -> None:
    await do(stage, "ed", "/money", {"pot": "money", "held": "bank", "amount": 5000, "currency": "EUR",
                                     "effective_on": today})  # fmt: skip
    ids = stage.cast.ids
    for number in range(3):
        name = (await do(stage, "bo", "/members", {"nickname": f"Gil {number}"}))["id"]
        made = (await do(stage, "bo", "/draws", {**ASK, "on_behalf_of": name}))["id"]
        answers = await asyncio.gather(
            stage.post("bo", f"/members/{name}/leave", None),
            stage.post("di", f"/members/{name}/leave", None),
            stage.post("di", f"/draws/{made}/approve", {}),
        )

        left = sorted(answer.status_code for answer in answers[:2])
        assert left == [200, 409], "gone once, and the other is told"
        assert answers[2].status_code in {200, 404, 409, 422}, answers[2].text
        # It was asked by bo for them: what is theirs ends with them, promised or not.
        assert await states(stage, [made]) == ["cancelled"]
    live = (await stage.get("bo", "/live")).json()
    assert {pot["promised"] for pot in live["pots"]} == {0}
    assert ids
    assert (await verify_group(stage.cast.house, stage.cast.group_id)).ok
