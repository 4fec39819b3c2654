"""Every role at every door: who may, who may not, and that a refusal leaves no trace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.cast import OTHER_SLUG, Stage
from timebank.services.members import grant_role, revoke_role
from timebank.services.tokens import make_token, revoke_token

SOME_ID = "00000000-0000-4000-8000-000000000000"

#: Route, body, and who gets through (a status below 400, or a refusal that is not about who they are).
WRITES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("/hours", {"minutes": 30, "category": "cooking"}, {"ada", "bo", "ed"}),
    ("/hours/batch", {"items": []}, {"ada", "bo", "ed"}),
    ("/money", {"pot": "money", "amount": 100, "currency": "EUR", "held": "bank"}, {"ed"}),
    ("/draws", {"pot": "hours", "minutes": 30, "category": "company"}, {"ada", "bo", "ed"}),
    (f"/draws/{SOME_ID}/approve", {}, {"bo"}),
    (f"/draws/{SOME_ID}/hand-over", {"held": "bank"}, {"ed"}),
    (f"/draws/{SOME_ID}/decline", {}, {"bo"}),
    (f"/draws/{SOME_ID}/object", {}, {"bo"}),
    (f"/draws/{SOME_ID}/question", {"text": "when?"}, {"bo"}),
    (f"/draws/{SOME_ID}/answer", {"text": "now"}, {"ada", "bo", "ed"}),
    (f"/draws/{SOME_ID}/step-aside", {}, {"bo", "ed"}),
    (f"/draws/{SOME_ID}/change", {"minutes": 30}, {"ada", "bo", "ed"}),
    (f"/draws/{SOME_ID}/cancel", {}, {"ada", "bo", "ed"}),
    (f"/draws/{SOME_ID}/arrived", {}, {"ada", "bo", "ed"}),
    (f"/draws/{SOME_ID}/release", {}, {"bo", "ed"}),
    (f"/draws/{SOME_ID}/return", {"held": "bank", "amount": 1, "currency": "EUR"}, {"ed"}),
    (f"/draws/{SOME_ID}/undo", {"entry": SOME_ID}, {"bo", "ed"}),
    (f"/draws/{SOME_ID}/who", {}, {"bo"}),
    (f"/draws/{SOME_ID}/link", {}, {"bo"}),
    ("/policies/hours", {"terms": {}}, {"bo"}),
    (f"/entries/{SOME_ID}/correct", {"reason": "typo"}, {"ada", "bo", "ed"}),
]
READS = ("/live", "/me/statement", "/draws")
NOT_ABOUT_WHO = {"unknown_draw", "unknown_entry"}


async def seq(stage: Stage) -> int:
    cast = stage.cast
    async with cast.house.database.write_door(cast.group_id) as connection:
        found = await connection.fetchval("SELECT seq FROM timebank.book_heads")
        await connection.execute("ROLLBACK")
        return int(found)


async def test_every_role_at_every_route_that_writes(stage: Stage, today: str) -> None:
    for path, body, welcome in WRITES:
        dated = {"effective_on": today} if path in {"/hours", "/money"} else {}
        for name in ("ada", "bo", "ed", "cy", None):
            before = await seq(stage)

            answer = await stage.post(name, path, {**body, **dated})

            where = (path, name, answer.text)
            if name in welcome:
                assert answer.status_code < 400 or answer.json()["code"] in NOT_ABOUT_WHO, where
                continue
            assert answer.status_code == (401 if name in {"cy", None} else 403), where
            assert answer.json()["code"] in {"not_signed_in", "needs_role"}, where
            assert await seq(stage) == before, where


async def test_every_role_at_every_route_that_reads(stage: Stage) -> None:
    for path in READS:
        for name in ("ada", "bo", "ed"):
            assert (await stage.get(name, path)).status_code == 200
        for name in ("cy", None):
            answer = await stage.get(name, path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await stage.get("cy", path, slug=OTHER_SLUG)).status_code == 200
        assert (await stage.get("ada", path, slug=OTHER_SLUG)).status_code == 401


async def test_duties_in_one_group_are_nothing_in_another(stage: Stage, today: str) -> None:
    ask = {"pot": "hours", "minutes": 30, "category": "company"}
    theirs = (await stage.post("ada", "/draws", ask)).json()["id"]

    answer = await stage.post("cy", f"/draws/{theirs}/approve", {}, slug=OTHER_SLUG)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_draw")


async def test_a_duty_counts_from_the_next_request_on(stage: Stage) -> None:
    house, group_id, ada = stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"]
    path = f"/draws/{SOME_ID}/approve"
    assert (await stage.post("ada", path, {})).json()["code"] == "needs_role"

    await grant_role(house, group_id, ada, "steward", now=datetime.now(UTC))
    assert (await stage.post("ada", path, {})).json()["code"] == "unknown_draw"

    await revoke_role(house, group_id, ada, "steward", now=datetime.now(UTC))
    assert (await stage.post("ada", path, {})).json()["code"] == "needs_role"


async def test_a_token_ended_counts_from_the_next_request_on(stage: Stage) -> None:
    house, group_id, ada = stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"]
    made = await make_token(house, group_id, ada, ("read",), now=datetime.now(UTC))
    stage.cast.tokens["ada"] = made.token
    assert (await stage.get("ada", "/live")).status_code == 200

    await revoke_token(house, group_id, made.token_id, now=datetime.now(UTC))

    assert (await stage.get("ada", "/live")).status_code == 401


async def test_a_token_is_for_what_it_was_made_for(stage: Stage, today: str) -> None:
    house, group_id, ada = stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"]
    hours = {"minutes": 30, "effective_on": today, "category": "cooking"}
    for scopes, may_read, may_write, has_seq in (
        (("read",), True, False, False),
        (("write",), False, True, False),
        (("read", "seq"), True, False, True),
        (("read", "write", "seq"), True, True, True),
    ):
        made = await make_token(house, group_id, ada, scopes, now=datetime.now(UTC))
        stage.cast.tokens["ada"] = made.token

        read = await stage.get("ada", "/live")
        wrote = await stage.post("ada", "/hours", hours)

        assert read.status_code == (200 if may_read else 403)
        assert wrote.status_code == (201 if may_write else 403)
        assert ("as_of_seq" in read.json()) == has_seq
        assert ("seq" in wrote.json()) == (may_write and has_seq)
        for answer in (read, wrote):
            assert answer.status_code != 403 or answer.json()["code"] == "needs_scope"


NO_TOKENS: list[Any] = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer tb_",
    "Basic dXNlcjpwYXNz",
    "Bearer tb_" + "x" * 43,
    "Bearer tb_" + "x" * 44,
    "Bearer tb_" + "'" * 43,
    "Bearer  two words",
    "tb_" + "x" * 43,
    b"Bearer tb_" + b"\xff" * 43,
    b"Bearer " + b"x" * 60_000,
]


async def test_whatever_is_no_token_is_answered_alike(stage: Stage) -> None:
    nothing = await stage.get(None, "/live")
    for value in NO_TOKENS:
        answer = await stage.get(None, "/live", headers={"Authorization": value})

        assert (answer.status_code, answer.content) == (401, nothing.content), value


async def test_two_tokens_at_once_are_no_token(stage: Stage) -> None:
    token = stage.cast.tokens["ada"]
    for headers in (
        [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")],
        [("Authorization", f"Bearer {token}, Bearer {token}")],
    ):
        answer = await stage.http.get("/api/v1/groups/riverside/live", headers=headers)
        assert answer.status_code == 401
    one = await stage.http.get(
        "/api/v1/groups/riverside/live", headers=[("Authorization", f"bearer {token}")]
    )
    assert one.status_code == 200


async def test_a_group_that_is_not_there_is_not_found_whoever_asks(stage: Stage) -> None:
    for slug in ("nowhere", "a%00b", "%ff%fe", "x" * 500, "RIVERSIDE", "..%2Friverside"):
        for name in ("ada", None):
            answer = await stage.get(name, "/live", slug=slug)
            assert answer.status_code == 404, slug
            assert answer.json()["code"] in {"unknown_group", "unknown_page"}, slug
