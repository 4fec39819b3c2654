"""Joining over the API: by invitation or by asking, each once, and every state of both can be left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.api.test_members import SOME_ID, count, fingerprint
from tests.cast import OTHER_SLUG, Stage
from timebank.services.cards import sign_in
from timebank.services.members import find_member, revoke_role

NEVER = "x" * 32


async def invited(stage: Stage, **body: Any) -> dict[str, Any]:
    answer = await stage.post("bo", "/invitations", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def look(stage: Stage, secret: str, **more: Any) -> httpx.Response:
    return await stage.get(None, f"/invitations/{secret}", **more)


async def accept(stage: Stage, secret: str, nickname: str, *, key: str | None = None) -> httpx.Response:
    key = key or (await look(stage, secret)).json().get("key", "none")
    return await stage.post(None, f"/invitations/{secret}", {"nickname": nickname}, key=key)


def at(stage: Stage, when: datetime) -> None:
    """Have the application's clock stand still at a moment."""
    app: Any = stage.http._transport.app  # type: ignore[attr-defined]
    object.__setattr__(app.state.door, "clock", lambda: when)


async def me(stage: Stage, card: str) -> httpx.Response:
    """Sign in with the card that joining gave, and read oneself."""
    made = await sign_in(stage.cast.house, stage.cast.group_id, card, key="once", now=datetime.now(UTC))
    return await stage.get(None, "/me", headers={"Cookie": f"timebank-riverside={made.secret}"})


# ---------------------------------------------------------------- invitations


async def test_an_invitation_lets_people_in_who_see_nothing_but_the_groups_name_before(stage: Stage) -> None:
    made = await invited(stage, uses=2)

    seen = (await look(stage, made["secret"])).json()
    assert set(seen) == {"name", "key"}
    assert seen["name"] == "Riverside"
    joined = await accept(stage, made["secret"], "Rosa", key=seen["key"])

    assert joined.status_code == 201
    own = (await me(stage, joined.json()["card"])).json()
    assert (own["nickname"], own["roles"]) == ("Rosa", [])
    assert own["id"] == joined.json()["member"]
    listed = (await stage.get("bo", "/invitations")).json()["invitations"]
    assert [(one["state"], one["uses"], one["uses_max"]) for one in listed] == [("open", 1, 2)]


async def test_a_form_sent_twice_lets_one_person_in_and_only_shortly_after(stage: Stage) -> None:
    now = datetime.now(UTC)
    made = await invited(stage, uses=5)
    key = (await look(stage, made["secret"])).json()["key"]

    first = await accept(stage, made["secret"], "Rosa", key=key)
    again = await accept(stage, made["secret"], "rosa", key=key)
    other = await accept(stage, made["secret"], "Rosalia", key=key)
    at(stage, now + timedelta(minutes=11))
    late = await accept(stage, made["secret"], "Rosa", key=key)

    assert again.json()["member"] == first.json()["member"]
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (late.status_code, late.json()["code"]) == (409, "invitation_not_open")
    assert await count(stage, "SELECT uses FROM people.invitations") == 1


async def test_only_keys_that_came_with_the_invitation_are_taken(stage: Stage) -> None:
    one, two = await invited(stage, uses=2), await invited(stage, uses=2)
    key = (await look(stage, two["secret"])).json()["key"]
    before = await fingerprint(stage)

    for wrong in ("mine", "a" * 43 + "=", key, "~"):
        answer = await accept(stage, one["secret"], "Rosa", key=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "key_not_issued"), wrong

    assert await fingerprint(stage) == before


async def test_every_invitation_that_does_not_work_looks_as_if_it_had_never_been(stage: Stage) -> None:
    now = datetime.now(UTC)
    used, revoked, expired = [await invited(stage, days=days) for days in (30, 30, 1)]
    await accept(stage, used["secret"], "Rosa")
    await stage.post("bo", f"/invitations/{revoked['id']}/revoke", None)
    at(stage, now + timedelta(days=2))
    never = await look(stage, NEVER)

    for secret in (used["secret"], revoked["secret"], expired["secret"], "%00", "%ff", "x" * 500):
        answer = await look(stage, secret)
        assert (answer.status_code, answer.content) == (404, never.content), secret
    assert never.json()["code"] == "unknown_invitation"
    working = await invited(stage)
    assert (await look(stage, working["secret"], slug=OTHER_SLUG)).content == never.content
    states = {
        one["id"]: one["state"] for one in (await stage.get("bo", "/invitations")).json()["invitations"]
    }
    assert [states[one["id"]] for one in (used, revoked, expired, working)] == [
        *("used_up", "revoked", "expired", "open")
    ]


async def test_each_state_of_an_invitation_is_left_once_and_a_refusal_leaves_no_trace(stage: Stage) -> None:
    now = datetime.now(UTC)
    used, revoked, expired = [await invited(stage, days=days) for days in (30, 30, 1)]
    await accept(stage, used["secret"], "Rosa")
    assert (await stage.post("bo", f"/invitations/{revoked['id']}/revoke", None)).json()["state"] == "revoked"
    keys = [(await look(stage, one["secret"])).json().get("key", NEVER) for one in (used, revoked, expired)]
    at(stage, now + timedelta(days=2))
    before = await fingerprint(stage)

    for one, state in ((used, "used_up"), (revoked, "revoked"), (expired, "expired")):
        answer = await stage.post("bo", f"/invitations/{one['id']}/revoke", None)
        assert (answer.status_code, answer.json()["code"]) == (409, "invitation_not_open")
        assert answer.json()["params"]["state"] == state
    assert (await accept(stage, expired["secret"], "Uma", key=keys[2])).status_code == 404
    for name in ("ada", "ed"):
        assert (await stage.post(name, "/invitations", {})).status_code == 403
        assert (await stage.get(name, "/invitations")).status_code == 403
        assert (await stage.post(name, f"/invitations/{used['id']}/revoke", None)).status_code == 403
    for body in ({"uses": 0}, {"uses": 501}, {"days": 91}, {"roles": ["stand_in"]}, {"more": 1}):
        assert (await stage.post("bo", "/invitations", body)).status_code == 422
    unknown = await stage.post("bo", f"/invitations/{SOME_ID}/revoke", None)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_invitation")
    assert await fingerprint(stage) == before


async def test_duties_in_an_invitation_are_never_more_than_its_maker_may_give_now(stage: Stage) -> None:
    house, group_id, now = stage.cast.house, stage.cast.group_id, datetime.now(UTC)
    refused = await stage.post("bo", "/invitations", {"roles": ["host"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "may_not_give")
    made = await invited(stage, roles=["treasurer"], uses=3)

    joined = await accept(stage, made["secret"], "Rosa")
    # A card alone opens no duty, and a duty takes the yes of another steward.
    assert (await me(stage, joined.json()["card"])).json()["nickname"] == "Rosa"
    rosa = await find_member(house, group_id, now=datetime.now(UTC), nickname="Rosa")
    assert rosa.roles == ()
    (duty,) = (await stage.get("di", "/duties")).json()["duties"]
    assert (await stage.post("di", f"/duties/{duty['id']}/sign", None)).json()["roles"] == ["treasurer"]

    await revoke_role(house, group_id, stage.cast.ids["bo"], "steward", now=now)
    assert (await look(stage, made["secret"])).status_code == 404


async def test_the_secret_is_derived_shown_again_under_the_same_key_and_stored_nowhere(stage: Stage) -> None:
    first = await stage.post("bo", "/invitations", {"uses": 3}, key="invite-1")
    again = await stage.post("bo", "/invitations", {"uses": 3}, key="invite-1")

    assert again.content == first.content
    made = first.json()
    for table in ("people.invitations", "timebank.answers"):
        found = await count(stage, f"SELECT string_agg(t::text, '|') FROM {table} AS t")
        assert made["secret"] not in found, table
    bodies = await count(stage, "SELECT string_agg(convert_from(body, 'UTF8'), '') FROM timebank.answers")
    assert made["id"] in bodies
    assert made["secret"] not in bodies
    drawing = await stage.get("bo", f"/invitations/{made['id']}/qr.svg")
    assert drawing.headers["content-type"] == "image/svg+xml"
    assert drawing.headers["cache-control"] == "no-store"
    assert drawing.content.startswith(b"<svg")
    assert (await stage.get("ada", f"/invitations/{made['id']}/qr.svg")).status_code == 403


async def test_two_who_press_at_once_share_the_last_use_and_one_is_refused(stage: Stage) -> None:
    import asyncio

    made = await invited(stage, uses=1)
    keys = [(await look(stage, made["secret"])).json()["key"] for _ in range(4)]

    answers = await asyncio.gather(
        *(accept(stage, made["secret"], f"Rosa {n}", key=key) for n, key in enumerate(keys))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 404, 404, 404]
    assert await count(stage, "SELECT uses FROM people.invitations") == 1


# ---------------------------------------------------------------- requests


async def open_door(stage: Stage) -> None:
    assert (await stage.post("bo", "/settings", {"joining": "request"})).status_code == 200


async def asked(stage: Stage, nickname: str, words: str = "") -> httpx.Response:
    key = (await stage.get(None, "/joining")).json()["key"]
    return await stage.post(None, "/join-requests", {"nickname": nickname, "words": words}, key=key)


async def waiting(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await stage.get("bo", "/join-requests")).json()["requests"]
    return found


async def test_a_group_takes_requests_only_if_it_says_so(stage: Stage) -> None:
    way = (await stage.get(None, "/joining")).json()
    assert way == {"name": "Riverside", "joining": "invitation"}
    await open_door(stage)
    key = (await stage.get(None, "/joining")).json()["key"]
    await stage.post("bo", "/settings", {"joining": "invitation"})

    answer = await stage.post(None, "/join-requests", {"nickname": "Rosa"}, key=key)

    assert (answer.status_code, answer.json()["code"]) == (409, "joining_closed")


async def test_whoever_asks_waits_is_let_in_and_signs_in(stage: Stage) -> None:
    await open_door(stage)
    secret = (await asked(stage, "Rosa", "We met at the allotment.")).json()["secret"]
    assert (await stage.get(None, f"/join-requests/{secret}")).json() == {"state": "waiting"}
    assert (await stage.post(None, f"/join-requests/{secret}/enter", None)).status_code == 409
    (one,) = await waiting(stage)
    assert (one["nickname"], one["words"]) == ("Rosa", "We met at the allotment.")
    assert (await stage.get("ada", "/join-requests")).status_code == 403

    let_in = await stage.post("bo", f"/join-requests/{one['id']}/accept", None)

    assert let_in.json()["state"] == "accepted"
    assert await waiting(stage) == []
    entered = await stage.post(None, f"/join-requests/{secret}/enter", None)
    assert (await me(stage, entered.json()["card"])).json()["nickname"] == "Rosa"
    at(stage, datetime.now(UTC) + timedelta(minutes=11))
    late = await stage.post(None, f"/join-requests/{secret}/enter", None)
    assert (late.status_code, late.json()["params"]["state"]) == (409, "used")


async def test_a_stranger_never_learns_whether_a_nickname_is_free(stage: Stage) -> None:
    await open_door(stage)

    free, taken = await asked(stage, "Rosa"), await asked(stage, "Ada")

    assert free.status_code == taken.status_code == 201
    assert len(free.content) == len(taken.content)
    one = next(each for each in await waiting(stage) if each["nickname"] == "Ada")
    refused = await stage.post("bo", f"/join-requests/{one['id']}/accept", None)
    assert (refused.status_code, refused.json()["code"]) == (409, "nickname_taken")
    let_in = await stage.post("bo", f"/join-requests/{one['id']}/accept", {"nickname": "Ada 2"})
    assert let_in.status_code == 200


async def test_each_state_of_a_request_is_left_by_its_own_ways_only(stage: Stage) -> None:
    await open_door(stage)
    now = datetime.now(UTC)
    secrets = {}
    for state in ("accepted", "not_now", "withdrawn", "expired"):
        secrets[state] = (await asked(stage, state)).json()["secret"]
    ids = {one["nickname"]: one["id"] for one in await waiting(stage)}
    await stage.post("bo", f"/join-requests/{ids['accepted']}/accept", None)
    await stage.post("bo", f"/join-requests/{ids['not_now']}/not-now", None)
    await stage.post(None, f"/join-requests/{secrets['withdrawn']}/withdraw", None)
    at(stage, now + timedelta(days=15))
    before = await fingerprint(stage)

    for state, secret in secrets.items():
        assert (await stage.get(None, f"/join-requests/{secret}")).json() == {"state": state}
        tries = [
            await stage.post("bo", f"/join-requests/{ids[state]}/accept", None),
            await stage.post("bo", f"/join-requests/{ids[state]}/not-now", None),
            await stage.post(None, f"/join-requests/{secret}/withdraw", None),
        ]
        if state != "accepted":
            tries.append(await stage.post(None, f"/join-requests/{secret}/enter", None))
        for answer in tries:
            assert (answer.status_code, answer.json()["code"]) == (409, "join_request_not_open"), state
            assert answer.json()["params"]["state"] == state
    assert await fingerprint(stage) == before
    for path in (f"/join-requests/{SOME_ID}/accept", f"/join-requests/{SOME_ID}/not-now"):
        assert (await stage.post("bo", path, None)).status_code == 404
    never = await stage.get(None, f"/join-requests/{NEVER}")
    foreign = await stage.get(None, f"/join-requests/{secrets['accepted']}", slug=OTHER_SLUG)
    assert (never.status_code, foreign.content) == (404, never.content)


async def test_what_a_stranger_wrote_is_sealed_and_gone_once_it_is_decided(stage: Stage) -> None:
    from timebank.services.joining import expire_requests

    await open_door(stage)
    house, group_id = stage.cast.house, stage.cast.group_id
    secret = (await asked(stage, "Rosa", "allotment")).json()["secret"]
    raw = await count(stage, "SELECT string_agg(t::text, '|') FROM people.join_requests AS t")
    assert secret not in raw
    for words in (b"Rosa", b"allotment"):
        assert words.hex() not in raw

    later = datetime.now(UTC) + timedelta(days=15)
    assert await expire_requests(house, group_id, now=datetime.now(UTC)) == 0
    assert await expire_requests(house, group_id, now=later) == 1
    assert await expire_requests(house, group_id, now=later) == 0

    boxes = "SELECT max(length(nickname_box) + length(words_box)) FROM people.join_requests"
    assert await count(stage, boxes) == 0
    assert len(house.keys.list_erased()) == 1


async def test_the_same_request_sent_twice_is_one_and_with_other_words_is_refused(stage: Stage) -> None:
    await open_door(stage)
    key = (await stage.get(None, "/joining")).json()["key"]

    first = await stage.post(None, "/join-requests", {"nickname": "Rosa"}, key=key)
    again = await stage.post(None, "/join-requests", {"nickname": "Rosa"}, key=key)
    other = await stage.post(None, "/join-requests", {"nickname": "Uma"}, key=key)

    assert again.content == first.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(await waiting(stage)) == 1
