"""Asking without an account: an address of one's own, one ask, and nothing to find without the address."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest_asyncio

from tests.cast import Stage, cast, house, stage, today
from tests.web.member import forms_of, signed_in, text_of
from tests.web.test_ask import SAMPLE

__all__ = ["cast", "house", "stage", "today"]


@pytest_asyncio.fixture(loop_scope="session")
async def open_stage(stage: Stage) -> Stage:
    """The stage, with a pot of money that anybody may ask who has the link."""
    terms = {
        "approvals": [{"above": 0, "count": 1}],
        "per_request_max": 5000,
        "two_people": False,
        "who": "anyone",
    }
    answer = await stage.post("bo", "/policies/money", {"terms": terms})
    assert answer.status_code in {200, 201}, answer.text
    return stage


async def start(stage: Stage) -> tuple[str, httpx.Response]:
    """Return an address of one's own and the form there."""
    led = await stage.http.get("/g/riverside/a")
    assert led.status_code == 303
    return led.headers["location"], await stage.http.get(led.headers["location"])


async def send(stage: Stage, place: str, page: httpx.Response, **fields: Any) -> httpx.Response:
    form = forms_of(page)[0]
    return await stage.http.post(place, data={**form.hidden, **fields})


async def test_somebody_without_an_account_asks_once_and_follows_it_to_the_end(open_stage: Stage) -> None:
    place, page = await start(open_stage)
    assert page.headers["cache-control"] == "no-store"
    assert "set-cookie" not in page.headers
    assert "Ask the pot" in text_of(page)
    assert 'value="hours"' not in page.text, "only pots that let anybody ask"

    for _ in range(2):
        assert (await send(open_stage, place, page, **SAMPLE)).headers["location"] == place
    status = await open_stage.http.get(place)
    assert "We have your ask €12.50" in text_of(status)
    assert "Its address is the only key." in text_of(status)
    assert re.search(r"<title>\s*Riverside</title>", status.text)
    asked = (await open_stage.get("bo", "/draws")).json()["draws"]
    assert len(asked) == 1
    assert asked[0]["without_account"]

    gone = await send(open_stage, place, status, act="cancel")
    assert gone.headers["location"] == place
    assert "You took it back" in text_of(await open_stage.http.get(place))


async def test_a_steward_says_that_it_is_not_their_own(open_stage: Stage) -> None:
    place, page = await start(open_stage)
    await send(open_stage, place, page, **SAMPLE)
    draw = (await open_stage.get("bo", "/draws")).json()["draws"][0]["id"]
    bo = await signed_in(open_stage, "bo")

    wrong = await bo.send(await bo.get(f"/today/{draw}"), draw, say="yes")

    assert wrong.status_code == 422
    assert text_of(wrong).count("Set the tick if it is not your own ask") == 2
    body = {"pot": "money", "amount": 5000, "currency": "EUR", "held": "bank", "effective_on": "2026-01-02"}
    assert (await open_stage.post("ed", "/money", body)).status_code == 201
    assert (await bo.send(wrong, draw, **{"say": "yes", "not-own": "yes"})).status_code == 303
    assert "Yes. It is on its way to you." in text_of(await open_stage.http.get(place))


async def test_what_is_wrong_is_said_and_nothing_is_asked(open_stage: Stage) -> None:
    place, page = await start(open_stage)

    for fields, advice in (
        ({**SAMPLE, "amount": "x"}, "Write an amount"),
        ({**SAMPLE, "amount": "50.01"}, "Ask for at most €50.00: the rules allow no more for one ask"),
        ({**SAMPLE, "pot": "hours", "amount": "1:00"}, ""),
        ({**SAMPLE, "amount": "50.02"}, "This form was sent before, with something else in it."),
    ):
        answer = await send(open_stage, place, page, **fields)
        assert answer.status_code in {403, 409, 422}, fields
        assert advice in text_of(answer)
    assert (await open_stage.get("bo", "/draws")).json()["draws"] == []
    no_key = await open_stage.http.post(place, data=SAMPLE)
    assert no_key.status_code == 422
    assert (await open_stage.get("bo", "/draws")).json()["draws"] == []
    mended = await send(open_stage, place, answer, **SAMPLE)
    assert mended.headers["location"] == place, "what was refused can be asked once it is mended"
    late = await send(open_stage, place, page, **{**SAMPLE, "amount": "3.00"})
    assert late.headers["location"] == place
    assert len((await open_stage.get("bo", "/draws")).json()["draws"]) == 1


async def test_addresses_that_were_not_given_out_and_those_of_another_group_lead_nowhere(
    open_stage: Stage,
) -> None:
    place, page = await start(open_stage)
    await send(open_stage, place, page, **SAMPLE)
    secret = place.rpartition("/")[2]
    wrong = secret[:-2] + ("AA" if secret[-2:] != "AA" else "BB")

    for group, tried in {
        "riverside": (wrong, "x", "A" * 43, secret[:-1]),
        "hillside": (secret, wrong, "x", "A" * 43),
    }.items():
        answers = [await open_stage.http.get(f"/g/{group}/a/{each}") for each in tried]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1, "one's own group is said, and nothing else"
    foreign = await open_stage.http.post(place, data={"act": "cancel", "key": "x"})
    assert foreign.status_code in {403, 422}
    other = await open_stage.http.post(
        place, data={"act": "cancel"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert other.status_code == 403
    assert "We have your ask" in text_of(await open_stage.http.get(place))


async def test_the_door_offers_it_where_the_rules_do(open_stage: Stage) -> None:
    assert 'href="/g/riverside/a"' in (await open_stage.http.get("/g/riverside/ask")).text
    assert 'href="/g/hillside/a"' not in (await open_stage.http.get("/g/hillside/ask")).text


async def test_asking_again_and_again_is_slowed_down(open_stage: Stage) -> None:
    codes = []
    for _ in range(12):
        place, page = await start(open_stage)
        codes.append((await send(open_stage, place, page, **SAMPLE)).status_code)

    assert codes[:3] == [303, 303, 303]
    assert codes[-1] == 429
