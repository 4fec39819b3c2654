"""Signing in over the API: a program with a cookie does what a browser does, and ids of others are nobody's."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import text

from tests.authenticator import Device
from tests.cast import OTHER_SLUG, SLUG, Stage
from timebank.services import cards, sessions, totp

COOKIE = f"timebank-{SLUG}"
SOME_ID = "00000000-0000-4000-8000-000000000000"
ROUTES = {
    ("POST", "/sign-out"),
    ("GET", "/me/session"),
    ("GET", "/me/sessions"),
    ("POST", f"/me/sessions/{SOME_ID}/end"),
    ("POST", "/me/sessions/end-others"),
    ("POST", "/me/prove/options"),
    ("POST", "/me/prove"),
    ("GET", "/me/ways-in"),
    ("POST", "/me/passkeys/options"),
    ("POST", "/me/passkeys"),
    ("POST", f"/me/passkeys/{SOME_ID}/remove"),
    ("POST", "/me/totp/offer"),
    ("POST", "/me/totp"),
    ("POST", "/me/totp/remove"),
}


async def card_of(stage: Stage, name: str) -> str:
    made = await cards.make_card(
        stage.cast.house, stage.cast.group_of(name), stage.cast.ids[name], made_by=None, now=datetime.now(UTC)
    )
    return made.code


async def enter(
    stage: Stage, name: str, *, strong: bool = False, proved: timedelta = timedelta()
) -> dict[str, str]:
    """Sign somebody in with this client, so long after a proof; return the headers for what changes something."""
    house, group_id = stage.cast.house, stage.cast.group_of(name)
    now = datetime.now(UTC)
    made = await sessions.begin(
        house, group_id, stage.cast.ids[name], way="card", strong=strong, now=now - proved
    )
    async with house.database.tx(group_id) as tx:
        # What came since, such as the duties of the cast, was there before.
        await tx.execute(text("UPDATE people.sessions SET turned_at = :now"), {"now": now})
    stage.http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")
    return {"X-CSRF-Token": sessions.csrf_of(house.keys, group_id, made.session_id)}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_card_then_an_app_then_a_passkey_and_out_again(stage: Stage) -> None:
    said = await stage.post(None, "/sign-in", {"card": await card_of(stage, "bo")})
    assert said.status_code == 200
    assert "HttpOnly; SameSite=Lax" in said.headers["set-cookie"]
    assert said.json() | {"csrf": ""} == {
        "member": str(stage.cast.ids["bo"]),
        "roles": ["member"],
        "duties_wait": ["steward"],
        "fresh": True,
        "csrf": "",
    }
    own = {"X-CSRF-Token": said.json()["csrf"]}

    offered = (await stage.post(None, "/me/totp/offer", None, headers=own)).json()
    secret = base64.b32decode(offered["secret"])
    wrong = await stage.post(None, "/me/totp", {"nonce": offered["nonce"], "code": "x"}, headers=own)
    assert code_of(wrong) == (403, "proof_failed")
    code = totp.code_at(secret, datetime.now(UTC))
    done = await stage.post(None, "/me/totp", {"nonce": offered["nonce"], "code": code}, headers=own)
    assert done.json()["roles"] == ["member", "steward"]
    assert done.json()["csrf"] == own["X-CSRF-Token"], "forms that are open stay good"

    device = Device()
    asked = (await stage.post(None, "/me/passkeys/options", None, headers=own)).json()
    body = {"name": "Mine", "passkey": device.create(asked)}
    assert (await stage.post(None, "/me/passkeys", body, headers=own)).json()["roles"] == [
        "member",
        "steward",
    ]
    ways = (await stage.get(None, "/me/ways-in")).json()
    assert [each["name"] for each in ways["passkeys"]] == ["Mine"]
    assert (ways["totp"], ways["cards"]) == (True, [])

    asked = (await stage.post(None, "/me/prove/options", None, headers=own)).json()
    proved = await stage.post(None, "/me/prove", {"passkey": device.get(asked)}, headers=own)
    assert proved.json()["fresh"] is True
    listed = (await stage.get(None, "/me/sessions")).json()["sessions"]
    assert [(each["way"], each["current"]) for each in listed] == [("card", True)]
    await enter(stage, "bo")
    asked = (await stage.post(None, "/sign-in/options", None)).json()
    entered = await stage.post(None, "/sign-in", {"passkey": device.get(asked)})
    own = {"X-CSRF-Token": entered.json()["csrf"]}
    assert (await stage.post(None, "/me/sessions/end-others", None, headers=own)).json() == {"ended": 1}
    for path in (f"/me/passkeys/{ways['passkeys'][0]['id']}/remove", "/me/totp/remove", "/sign-out"):
        assert (await stage.post(None, path, None, headers=own)).status_code == 200, path
    assert COOKIE not in stage.http.cookies
    assert code_of(await stage.get(None, "/me/session")) == (401, "not_signed_in")


async def test_whatever_does_not_sign_in_is_refused_alike(stage: Stage) -> None:
    foreign = await card_of(stage, "cy")
    used = await card_of(stage, "ada")
    await stage.post(None, "/sign-in", {"card": used})
    stage.http.cookies.clear()

    answers = [
        await stage.post(None, "/sign-in", body)
        for body in ({"card": "nonsense"}, {"card": foreign}, {"card": used}, {"card": ""}, {"passkey": {}})
    ]

    assert {(each.status_code, each.content) for each in answers} == {(403, answers[0].content)}
    assert all("set-cookie" not in each.headers for each in answers)
    for body in ({}, {"card": "a", "passkey": {}}, {"code": "1"}, {"card": 7}):
        assert (await stage.post(None, "/sign-in", body)).status_code == 422
    other = await stage.post(None, "/sign-in", {"card": foreign}, headers={"Sec-Fetch-Site": "cross-site"})
    assert code_of(other) == (403, "form_not_ours")


async def test_what_only_a_person_does_takes_a_session_and_its_token(stage: Stage) -> None:
    document = (await stage.http.get("/api/openapi.json")).json()["paths"]
    described = {
        (method.upper(), path.removeprefix("/api/v1/groups/{slug}"))
        for path, operations in document.items()
        for method, operation in operations.items()
        if operation.get("security") == [{"session": []}]
    }
    assert len(described) == len(ROUTES), described
    for method, path in sorted(ROUTES):
        for name in (None, "bo"):
            answer = await stage.send(name, method, path, {} if method == "POST" else None)
            assert code_of(answer) == (401, "not_signed_in"), "a token is no person"
    await enter(stage, "bo")
    for method, path in sorted(ROUTES):
        if method == "POST":
            assert code_of(await stage.post(None, path, {})) == (403, "form_not_ours"), path


async def test_ids_of_others_are_as_if_they_never_were(stage: Stage) -> None:
    house, cast, now = stage.cast.house, stage.cast, datetime.now(UTC)
    theirs = await sessions.begin(house, cast.group_id, cast.ids["flo"], way="card", strong=False, now=now)
    card = await cards.make_card(house, cast.group_id, cast.ids["flo"], made_by=None, now=now)
    foreign = await cards.make_card(house, cast.other_group_id, cast.ids["cy"], made_by=None, now=now)
    own = await enter(stage, "ada")

    for path, ids in (
        ("/me/sessions/{}/end", (theirs.session_id,)),
        ("/cards/{}/revoke", (card.card_id, foreign.card_id)),
        ("/me/passkeys/{}/remove", (theirs.session_id,)),
    ):
        nobody = await stage.post(None, path.format(SOME_ID), None, headers=own)
        assert nobody.status_code == 404
        for each in ids:
            answer = await stage.post(None, path.format(each), None, headers=own)
            assert (answer.status_code, answer.content) == (404, nobody.content), path
    assert (await stage.get(None, "/me/sessions", slug=OTHER_SLUG)).status_code == 401


async def test_stewards_print_cards_by_token_too_and_nobody_else_for_others(stage: Stage) -> None:
    path = f"/members/{stage.cast.ids['ada']}/cards"
    made = await stage.post("bo", path, None)
    assert made.status_code == 200
    assert (await stage.get("bo", path)).json()["cards"][0]["id"] == made.json()["id"]

    for name, where, expected in (
        ("flo", path, (403, "needs_role")),
        ("ed", path, (403, "needs_role")),
        ("bo", f"/members/{stage.cast.ids['ed']}/cards", (403, "card_for_duty")),
        ("bo", f"/members/{stage.cast.ids['cy']}/cards", (404, "unknown_page")),
        ("bo", f"/members/{SOME_ID}/cards", (404, "unknown_page")),
        ("cy", path, (401, "not_signed_in")),
    ):
        assert code_of(await stage.post(name, where, None)) == expected, (name, where)
    assert code_of(await stage.get("flo", path)) == (403, "needs_role")
    for nobody in (stage.cast.ids["cy"], SOME_ID):
        assert code_of(await stage.get("bo", f"/members/{nobody}/cards")) == (404, "unknown_page")
    entered = await stage.post(None, "/sign-in", {"card": made.json()["card"]})
    assert entered.json()["member"] == str(stage.cast.ids["ada"])


async def test_what_takes_a_fresh_proof_says_so_and_goes_through_after_it(stage: Stage) -> None:
    house, cast = stage.cast.house, stage.cast
    own = await enter(stage, "ada", proved=timedelta(minutes=6))
    path = f"/members/{cast.ids['ada']}/cards"
    assert code_of(await stage.post(None, path, None, headers=own)) == (403, "step_up_needed")
    fresh = await cards.make_card(house, cast.group_id, cast.ids["ada"], made_by=None, now=datetime.now(UTC))

    proved = await stage.post(None, "/me/prove", {"card": fresh.code}, headers=own)

    assert proved.json()["fresh"] is True
    assert (await stage.post(None, path, None, headers=own)).status_code == 200
    await enter(stage, "bo", strong=True, proved=timedelta(minutes=6))
    assert code_of(await stage.get(None, "/exports/journal")) == (403, "step_up_needed")
    await enter(stage, "bo", strong=True)
    assert (await stage.get(None, "/exports/journal")).status_code == 200


async def test_wrong_codes_are_told_when_to_try_again(stage: Stage) -> None:
    own = await enter(stage, "bo")
    offered: Any = (await stage.post(None, "/me/totp/offer", None, headers=own)).json()
    code = totp.code_at(base64.b32decode(offered["secret"]), datetime.now(UTC))
    await stage.post(None, "/me/totp", {"nonce": offered["nonce"], "code": code}, headers=own)
    for _ in range(10):
        assert code_of(await stage.post(None, "/me/prove", {"code": "1"}, headers=own)) == (
            403,
            "proof_failed",
        )

    waits = await stage.post(None, "/me/prove", {"code": "1"}, headers=own)

    assert code_of(waits) == (429, "codes_wait")
    assert 1 <= int(waits.headers["retry-after"]) <= 31
    assert waits.json()["retryable"] is True
