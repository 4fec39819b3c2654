"""Money over the API: places, moves, counts, and what takes two people, by whoever may and nobody else."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from tests.cast import OTHER_SLUG, Stage
from timebank.services.members import grant_role

NO_ID = "00000000-0000-4000-8000-000000000000"


async def put_in(stage: Stage, today: str, amount: int = 1000, **more: Any) -> dict[str, Any]:
    body = {"pot": "money", "amount": amount, "currency": "EUR", "held": "cash-box", "effective_on": today}
    answer = await stage.post("ed", "/money", {**body, **more})
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_a_treasurers_week(stage: Stage, today: str) -> None:
    first = await put_in(stage, today, reference="statement 7")
    twice = await stage.post(
        "ed",
        "/money",
        {
            "pot": "money",
            "amount": 1000,
            "currency": "EUR",
            "held": "cash-box",
            "effective_on": today,
            "reference": "Statement 7",
        },
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "reference_known")
    assert twice.json()["params"] == {"entry": first["entry"]}
    await put_in(stage, today, reference="statement 7", again=True)

    opened = await stage.post("ed", "/held", {"held": "tin", "kind": "cash", "currency": "EUR"})
    assert (opened.status_code, opened.json()["held"]) == (201, "tin")
    move = {"from": "cash-box", "to": "tin", "amount": 500, "currency": "EUR"}
    moved = await stage.post("ed", "/held/moves", move)
    assert (moved.status_code, moved.json()["to"]) == (201, "tin")
    counted = await stage.post("ed", "/held/tin/counts", {"amount": 480, "currency": "EUR", "reason": "mice"})
    assert (counted.status_code, counted.json()["state"], counted.json()["book"]) == (201, "open", 500)
    count = counted.json()["proposal"]
    waits = (await stage.get("bo", "/proposals?state=open")).json()["proposals"]
    assert [(p["proposal"], p["kind"], p["why"], p["mine"]) for p in waits] == [
        (count, "count", "mice", False)
    ]
    assert (await stage.post("ed", f"/held/tin/counts/{count}/sign", None)).json()["code"] == "own_proposal"
    signed = await stage.post("bo", f"/held/tin/counts/{count}/sign", None)
    assert (signed.status_code, signed.json()["state"]) == (200, "signed")

    held = (await stage.get("bo", "/held")).json()["held"]
    assert {place["held"]: place["amount"] for place in held} == {"bank": 0, "cash-box": 1500, "tin": 480}
    live = (await stage.get("bo", "/live")).json()
    assert {pot["pot"]: pot["available"] for pot in live["pots"]} == {"hours": 0, "money": 1980}

    fee = {"pot": "money", "amount": 80, "currency": "EUR", "held": "tin"}
    proposed = (await stage.post("ed", "/money/out", fee)).json()["proposal"]
    assert (await stage.post("bo", f"/proposals/{proposed}/withdraw", None)).json()["state"] == "withdrawn"
    late = await stage.post("di", f"/proposals/{proposed}/sign", None)
    assert (late.status_code, late.json()["code"]) == (409, "proposal_not_open")
    assert (await stage.post("ed", "/held/tin/close", None)).json()["code"] == "place_not_empty"
    back = {"from": "tin", "to": "cash-box", "amount": 480, "currency": "EUR"}
    assert (await stage.post("ed", "/held/moves", back)).status_code == 201
    assert (await stage.post("ed", "/held/tin/close", None)).json()["closed"] is True
    assert (await stage.post("ed", "/held/tin/reopen", None)).json()["closed"] is False


async def test_a_signature_over_the_api_is_counted_once(stage: Stage, today: str) -> None:
    await put_in(stage, today)
    fee = {"pot": "money", "amount": 80, "currency": "EUR", "held": "cash-box"}
    proposed = (await stage.post("ed", "/money/out", fee)).json()["proposal"]

    once = await stage.post("bo", f"/proposals/{proposed}/sign", None, key="sign")
    replay = await stage.post("bo", f"/proposals/{proposed}/sign", None, key="sign")
    again = await stage.post("bo", f"/proposals/{proposed}/sign", None)

    assert once.status_code == 200
    assert replay.content == once.content
    assert (again.status_code, again.json()["code"]) == (409, "proposal_not_open")


async def test_openings_over_the_api(stage: Stage, today: str) -> None:
    hours = {"pot": "hours", "minutes": 600}
    euros = {"pot": "money", "amount": 900, "currency": "EUR", "held": "bank"}
    assert (await stage.post("bo", "/openings", hours)).json()["state"] == "posted"
    assert (await stage.post("ed", "/openings", euros)).json()["state"] == "posted"
    await put_in(stage, today)
    assert (await stage.post("ed", "/openings", euros)).json()["state"] == "open"
    member = {"member": str(stage.cast.ids["ada"]), "minutes": 60}
    assert (await stage.post("bo", "/openings", member)).json()["code"] == "no_time_bank"


DOORS: tuple[tuple[str, Any, set[str]], ...] = (
    ("/held", {"held": "tin", "kind": "cash", "currency": "EUR"}, {"ed", "bo"}),
    ("/held/bank/close", None, {"ed", "bo"}),
    ("/held/bank/reopen", None, {"ed", "bo"}),
    ("/held/moves", {"from": "bank", "to": "cash-box", "amount": 1, "currency": "EUR"}, {"ed"}),
    ("/held/bank/counts", {"amount": 0, "currency": "EUR"}, {"ed", "bo"}),
    (f"/held/bank/counts/{NO_ID}/sign", None, {"ed", "bo"}),
    ("/money/out", {"pot": "money", "amount": 1, "currency": "EUR", "held": "bank"}, {"ed"}),
    ("/pots/moves", {"from": "hours", "to": "hours", "minutes": 1}, {"ed", "bo"}),
    ("/openings", {"pot": "hours", "minutes": 1}, {"bo"}),
    (f"/proposals/{NO_ID}/sign", None, {"ed", "bo"}),
    (f"/proposals/{NO_ID}/withdraw", None, {"ed", "bo"}),
)


async def test_every_role_at_every_door_of_the_treasury(stage: Stage) -> None:
    for (path, body, welcome), name in itertools.product(DOORS, ("ada", "bo", "ed", "cy", None)):
        answer = await stage.post(name, path, body)

        said = (path, name, answer.text)
        if name in welcome:
            assert answer.status_code not in {401, 403}, said
        else:
            assert answer.status_code == (401 if name in {"cy", None} else 403), said


async def test_where_money_is_is_seen_by_those_with_a_duty(stage: Stage) -> None:
    house, cast = stage.cast.house, stage.cast
    for path in ("/held", "/proposals"):
        for name in ("bo", "ed"):
            assert (await stage.get(name, path)).status_code == 200
        assert (await stage.get("ada", path)).json()["code"] == "needs_role"
        assert (await stage.get("cy", path)).status_code == 401
    await grant_role(house, cast.group_id, cast.ids["flo"], "auditor", now=datetime.now(UTC))
    assert (await stage.get("flo", "/held")).status_code == 200


async def test_what_is_another_groups_is_as_if_it_never_was(stage: Stage, today: str) -> None:
    fee = {"pot": "money", "amount": 80, "currency": "EUR", "held": "cash-box"}
    theirs = (await stage.post("cy", "/money/out", fee, slug=OTHER_SLUG)).json()["proposal"]
    for act in ("sign", "withdraw"):
        answers = [await stage.post("bo", f"/proposals/{one}/{act}", None) for one in (theirs, NO_ID)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    for path in ("/held/their-box/close", "/held/their-box/counts"):
        body = {"amount": 1, "currency": "EUR"} if path.endswith("counts") else None
        answer = await stage.post("ed", path, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_page")
