"""Sending a request twice is sending it once, whatever happened the first time."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.cast import Stage
from timebank.edge.idempotency import check_key, request_hash
from timebank.errors import KeyInvalid, KeyMissing


def hours(today: str, minutes: int = 30) -> dict[str, object]:
    return {"minutes": minutes, "effective_on": today, "category": "cooking"}


async def given(stage: Stage, name: str = "ada") -> int:
    totals = (await stage.get(name, "/me/statement")).json()["totals"]
    return int(next(total["given"] for total in totals if total["unit"] == "minutes"))


async def test_fifty_at_once_with_one_key_are_one_with_one_answer(stage: Stage, today: str) -> None:
    answers = await asyncio.gather(*[stage.post("ada", "/hours", hours(today), key="one") for _ in range(50)])

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    replays = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert sorted(replays, key=str) == [None] + ["true"] * 49
    assert await given(stage) == 30
    later = await stage.post("ada", "/hours", hours(today), key="one")
    assert (later.content, later.headers["idempotent-replayed"]) == (answers[0].content, "true")


async def test_fifty_at_once_with_fifty_keys_are_fifty(stage: Stage, today: str) -> None:
    answers = await asyncio.gather(*[stage.post("ada", "/hours", hours(today)) for _ in range(50)])

    assert len({answer.json()["id"] for answer in answers}) == 50
    assert await given(stage) == 1500


async def test_a_key_is_for_one_request_of_one_member(stage: Stage, today: str) -> None:
    first = await stage.post("ada", "/hours", hours(today), key="mine")

    other_body = await stage.post("ada", "/hours", hours(today, 31), key="mine")
    other_path = await stage.post("ada", "/hours/batch", {"items": [hours(today)]}, key="mine")
    other_member = await stage.post("flo", "/hours", hours(today), key="mine")

    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    assert (other_path.status_code, other_path.json()["code"]) == (422, "idempotency_key_reused")
    assert other_member.status_code == 201
    assert other_member.json()["id"] != first.json()["id"]
    assert (await given(stage), await given(stage, "flo")) == (30, 30)


async def test_other_bytes_with_the_same_meaning_are_another_request(stage: Stage, today: str) -> None:
    body = json.dumps(hours(today))
    kind = {"Content-Type": "application/json"}

    first = await stage.send("ada", "POST", "/hours", content=body, headers=kind, key="bytes")
    second = await stage.send("ada", "POST", "/hours", content=body + " ", headers=kind, key="bytes")

    assert (first.status_code, second.status_code) == (201, 422)


async def test_a_refused_request_stays_refused_under_its_key(stage: Stage, today: str) -> None:
    ask = {"pot": "money", "amount": 500, "currency": "EUR", "category": "repairs"}
    draw = (await stage.post("flo", "/draws", ask)).json()["id"]
    refused = await stage.post("bo", f"/draws/{draw}/approve", {}, key="yes")
    assert (refused.status_code, refused.json()["code"]) == (409, "below_floor")
    money = {"pot": "money", "amount": 500, "currency": "EUR", "held": "bank", "effective_on": today}
    assert (await stage.post("ed", "/money", money)).status_code == 201

    again = await stage.post("bo", f"/draws/{draw}/approve", {}, key="yes")
    fresh = await stage.post("bo", f"/draws/{draw}/approve", {})

    assert (again.status_code, again.content) == (refused.status_code, refused.content)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.headers["idempotent-replayed"] == "true"
    assert (fresh.status_code, fresh.json()["state"]) == (200, "promised")


async def test_what_cannot_be_read_does_not_use_the_key_up(stage: Stage, today: str) -> None:
    broken = await stage.post("ada", "/hours", {**hours(today), "minutes": "30"}, key="again")
    mended = await stage.post("ada", "/hours", hours(today), key="again")

    assert (broken.status_code, mended.status_code) == (422, 201)


async def test_whoever_lost_the_right_to_ask_is_not_shown_old_answers(stage: Stage, today: str) -> None:
    from timebank.services.members import set_state

    assert (await stage.post("ada", "/hours", hours(today), key="k")).status_code == 201
    await set_state(stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"], "suspended")

    assert (await stage.post("ada", "/hours", hours(today), key="k")).status_code == 401


async def test_a_batch_has_one_key_and_replays_as_one(stage: Stage, today: str) -> None:
    body = {"items": [hours(today), hours(today, 0), hours(today, 45)]}

    first = await stage.post("ada", "/hours/batch", body, key="batch")
    second = await stage.post("ada", "/hours/batch", body, key="batch")

    assert [outcome["status"] for outcome in first.json()["outcomes"]] == [201, 422, 201]
    assert second.content == first.content
    assert await given(stage) == 75


async def test_a_write_without_a_good_key_is_refused(stage: Stage, today: str) -> None:
    missing = await stage.post("ada", "/hours", hours(today), key=None)
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")
    twice = await stage.http.post(
        "/api/v1/groups/riverside/hours",
        json=hours(today),
        headers=[
            ("Authorization", f"Bearer {stage.cast.tokens['ada']}"),
            ("Idempotency-Key", "a"),
            ("Idempotency-Key", "b"),
        ],
    )
    assert (twice.status_code, twice.json()["code"]) == (400, "idempotency_key_invalid")
    assert await given(stage) == 0


@pytest.mark.parametrize("key", [b"", b" ", b"x" * 256, b"caf\xc3\xa9", b"a\x00", b"a\tb", b"a\x7f"])
def test_a_key_is_printable_ascii_and_not_too_long(key: bytes) -> None:
    with pytest.raises(KeyInvalid):
        check_key([key])


def test_every_printable_key_is_a_key() -> None:
    printable = bytes(range(0x20, 0x7F))
    assert check_key([printable]) == printable.decode()
    assert check_key([b"x" * 255]) == "x" * 255
    with pytest.raises(KeyMissing):
        check_key([])


def test_method_path_and_body_cannot_run_into_each_other() -> None:
    assert request_hash("POST", b"/a", b"b") == request_hash("POST", b"/a", b"b")
    assert (
        len(
            {
                request_hash("POST", b"/a", b"b"),
                request_hash("POST", b"/ab", b""),
                request_hash("PUT", b"/a", b"b"),
            }
        )
        == 3
    )
