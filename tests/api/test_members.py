"""Members over the API: entered, listed, found, renamed, given duties, suspended, gone, forgotten."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cast import OTHER_SLUG, Stage
from timebank.services.members import grant_role, set_state

SOME_ID = "00000000-0000-4000-8000-000000000000"


async def count(stage: Stage, query: str) -> Any:
    async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
        found = await connection.fetchval(query)
        await connection.execute("ROLLBACK")
        return found


async def fingerprint(stage: Stage) -> Any:
    """What a refusal may not change: the book, people, settings; answers are kept on purpose."""
    tables = (
        "timebank.records",
        "timebank.settings_history",
        "people.members",
        "people.member_roles",
        "people.invitations",
        "people.invited",
        "people.join_requests",
        "people.stand_ins",
        "people.tokens",
    )
    said = [
        await count(
            stage,
            f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} AS t",
        )
        for table in tables
    ]
    return (*said, await count(stage, "SELECT setup_version FROM timebank.book_heads"))


async def entered(stage: Stage, nickname: str, *, roles: tuple[str, ...] = ()) -> str:
    answer = await stage.post("bo", "/members", {"nickname": nickname, "roles": list(roles)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


# ---------------------------------------------------------------- entering and listing


async def test_a_steward_enters_somebody_who_has_no_device_and_nobody_else_can(stage: Stage) -> None:
    before = await fingerprint(stage)
    for name in ("ada", "ed"):
        refused = await stage.post(name, "/members", {"nickname": "Rosa"})
        assert (refused.status_code, refused.json()["code"]) == (403, "needs_role")
    assert await fingerprint(stage) == before

    rosa = await entered(stage, "Rosa")

    listed = (await stage.get("bo", "/members")).json()["members"]
    found = next(one for one in listed if one["id"] == rosa)
    assert (found["nickname"], found["state"], found["signs_in"]) == ("Rosa", "active", False)
    assert len(found["code"]) == 8
    taken = await stage.post("bo", "/members", {"nickname": "ROSA"})
    assert (taken.status_code, taken.json()["code"]) == (409, "nickname_taken")


async def test_entering_twice_under_one_key_enters_once(stage: Stage) -> None:
    first = await stage.post("bo", "/members", {"nickname": "Rosa"}, key="rosa-1")
    again = await stage.post("bo", "/members", {"nickname": "Rosa"}, key="rosa-1")
    other = await stage.post("bo", "/members", {"nickname": "Rosalia"}, key="rosa-1")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await stage.get("bo", "/members")).json()["members"]) == 6


async def test_a_refusal_is_remembered_under_its_key(stage: Stage) -> None:
    first = await stage.post("bo", "/members", {"nickname": "Ada"}, key="ada-1")
    await set_state(stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"], "left")

    again = await stage.post("bo", "/members", {"nickname": "Ada"}, key="ada-1")

    assert (first.status_code, again.content) == (409, first.content)
    assert (await stage.post("bo", "/members", {"nickname": "Ada"}, key="ada-2")).status_code == 201


async def test_members_see_only_themselves_until_the_group_keeps_a_list(stage: Stage) -> None:
    own = (await stage.get("ada", "/members")).json()["members"]
    assert [one["nickname"] for one in own] == ["Ada"]
    assert own[0]["code"]

    assert (await stage.post("bo", "/settings", {"member_list": True})).status_code == 200
    await set_state(stage.cast.house, stage.cast.group_id, stage.cast.ids["flo"], "suspended")

    listed = (await stage.get("ada", "/members")).json()["members"]
    assert sorted(one["nickname"] for one in listed) == ["Ada", "Bo", "Di", "Ed"]
    assert all(set(one) == {"id", "nickname"} for one in listed if one["nickname"] != "Ada")
    filtered = await stage.get("ada", "/members?role=steward")
    assert (filtered.status_code, filtered.json()["code"]) == (403, "needs_role")


async def test_every_pair_of_filters_and_every_page_size_gives_what_the_full_list_has(stage: Stage) -> None:
    house, group_id, ids = stage.cast.house, stage.cast.group_id, stage.cast.ids
    rosa = await entered(stage, "Rosa")
    await stage.post("bo", f"/members/{rosa}/household", {"with": str(ids["ada"])})
    await set_state(house, group_id, ids["flo"], "suspended")
    await grant_role(house, group_id, ids["ada"], "auditor", now=datetime.now(UTC))
    whole = (await stage.get("bo", "/members?limit=200")).json()["members"]
    household = next(one["household"] for one in whole if one["id"] == rosa)
    filters: dict[str, dict[str, Any]] = {
        "role": {role: lambda one, r=role: r in one["roles"] for role in ("steward", "auditor", "host")},
        "state": {state: lambda one, s=state: one["state"] == s for state in ("active", "suspended", "left")},
        "household": {household: lambda one: one.get("household") == household},
        "signs_in": {"true": lambda one: one["signs_in"], "false": lambda one: not one["signs_in"]},
    }
    for one, two in itertools.combinations(filters, 2):
        for (first, is_first), (second, is_second) in itertools.product(
            filters[one].items(), filters[two].items()
        ):
            found = (await stage.get("bo", f"/members?{one}={first}&{two}={second}")).json()["members"]
            assert found == [each for each in whole if is_first(each) and is_second(each)], (one, two)
    for size in (1, 2, 5, 6, 7):
        pages, after = [], ""
        while True:
            page = (await stage.get("bo", f"/members?limit={size}&after={after}")).json()
            pages += page["members"]
            if not (after := page.get("next", "")):
                break
        assert pages == whole


async def test_filters_that_do_not_exist_are_refused_by_name(stage: Stage) -> None:
    for query in (
        *("role=king", "state=gone", "household=x", "signs_in=maybe", "after=%00", "after=WzFd", "limit=0"),
    ):
        answer = await stage.get("bo", f"/members?{query}")

        assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid")
        assert answer.json()["params"]["field"] == query.partition("=")[0]


async def test_somebody_is_found_by_exact_nickname_or_code_and_by_nothing_less(stage: Stage) -> None:
    flo = (await stage.get("flo", "/me")).json()
    code = flo["code"]

    for query in ("name=%20fLO", f"code={code}", f"code={code[:4].lower()}-{code[4:]}"):
        found = await stage.get("ada", f"/members/find?{query}")
        assert found.json() == {"id": flo["id"], "nickname": "Flo"}, query
    for query in ("name=Fl", "name=Cy", f"code={code[:7]}", "code=AAAAAAAA"):
        answer = await stage.get("ada", f"/members/find?{query}")
        assert (answer.status_code, answer.json()["code"]) == (404, "member_not_found"), query
    for query in ("", f"name=Flo&code={code}", "code=%00", "code=", "nickname=Flo"):
        assert (await stage.get("ada", f"/members/find?{query}")).status_code == 422
    assert (await stage.get("cy", f"/members/find?code={code}", slug=OTHER_SLUG)).status_code == 404


async def test_a_new_code_takes_the_place_of_the_old_one(stage: Stage) -> None:
    flo, before = str(stage.cast.ids["flo"]), (await stage.get("flo", "/me")).json()["code"]
    refused = await stage.post("ada", f"/members/{flo}/code", None)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yourself")

    assert (await stage.post("flo", f"/members/{flo}/code", None)).status_code == 200

    after = (await stage.get("flo", "/me")).json()["code"]
    assert after != before
    assert (await stage.get("ada", f"/members/find?code={before}")).status_code == 404
    assert (await stage.get("ada", f"/members/find?code={after}")).status_code == 200


async def test_whoever_was_here_before_codes_gets_one_when_they_look(stage: Stage) -> None:
    house, group_id = stage.cast.house, stage.cast.group_id
    async with house.database.write_door(group_id) as connection:
        await connection.execute("UPDATE people.members SET code_box = NULL, code_index = NULL")
        await connection.execute("COMMIT")

    own = (await stage.get("ada", "/me")).json()["code"]
    listed = (await stage.get("bo", "/members")).json()["members"]

    assert {len(one["code"]) for one in listed} == {8}
    assert own in {one["code"] for one in listed}
    assert len({one["code"] for one in listed}) == len(listed)


# ---------------------------------------------------------------- names and households


async def test_a_nickname_is_changed_by_its_owner_or_a_steward(stage: Stage) -> None:
    ada = str(stage.cast.ids["ada"])
    assert (await stage.post("flo", f"/members/{ada}/rename", {"nickname": "X"})).status_code == 403
    assert (await stage.post("ada", f"/members/{ada}/rename", {"nickname": "bo"})).status_code == 409

    assert (await stage.post("ada", f"/members/{ada}/rename", {"nickname": "Adelina"})).status_code == 200
    assert (await stage.post("bo", f"/members/{ada}/rename", {"nickname": "Adela"})).status_code == 200

    assert (await stage.get("flo", "/members/find?name=adela")).json()["id"] == ada
    assert (await stage.get("flo", "/members/find?name=ada")).status_code == 404


async def test_a_household_is_a_random_id_that_people_are_tied_to_and_untied_from(stage: Stage) -> None:
    ada, flo, bo = (str(stage.cast.ids[name]) for name in ("ada", "flo", "bo"))
    refused = await stage.post("ada", f"/members/{ada}/household", {"with": flo})
    assert (refused.status_code, refused.json()["code"]) == (403, "needs_role")
    assert (await stage.post("bo", f"/members/{ada}/household", {"with": ada})).status_code == 422
    assert (await stage.post("bo", f"/members/{ada}/household", {"with": SOME_ID})).status_code == 404

    tied = (await stage.post("bo", f"/members/{ada}/household", {"with": flo})).json()["household"]
    third = (await stage.post("bo", f"/members/{bo}/household", {"with": ada})).json()["household"]
    assert third == tied
    assert len((await stage.get("bo", f"/members?household={tied}")).json()["members"]) == 3

    await stage.post("bo", f"/members/{flo}/household", {"with": None})

    left = (await stage.get("bo", f"/members?household={tied}")).json()["members"]
    assert {one["nickname"] for one in left} == {"Ada", "Bo"}


# ---------------------------------------------------------------- duties


async def test_duties_are_given_and_taken_from_the_next_request_on_and_the_book_says_so(stage: Stage) -> None:
    ada = str(stage.cast.ids["ada"])
    records = await count(stage, "SELECT count(*) FROM timebank.records WHERE kind = 'role'")
    assert (await stage.post("ada", f"/members/{ada}/roles", {"give": ["steward"]})).status_code == 403

    given = await stage.post("bo", f"/members/{ada}/roles", {"give": ["steward", "auditor"]})
    assert given.json()["proposed"] == ["auditor", "steward"]
    assert (await stage.get("ada", "/invitations")).status_code == 403
    signed = await stage.post("di", f"/duties/{given.json()['proposal']}/sign", None)
    assert signed.json()["roles"] == ["auditor", "steward"]
    assert (await stage.get("ada", "/invitations")).status_code == 200
    taken = await stage.post("ada", f"/members/{ada}/roles", {"take": ["steward", "treasurer"]})
    assert taken.json()["roles"] == ["auditor"]

    assert (await stage.get("ada", "/invitations")).status_code == 403
    assert await count(stage, "SELECT count(*) FROM timebank.records WHERE kind = 'role'") == records + 3


async def test_nobody_gives_what_is_not_theirs_to_give(stage: Stage) -> None:
    ada = str(stage.cast.ids["ada"])
    before = await fingerprint(stage)
    for body, status, code in (
        ({"give": ["host"]}, 403, "may_not_give"),
        ({"take": ["host"]}, 403, "may_not_give"),
        ({"give": ["stand_in"]}, 422, "field_invalid"),
        ({"give": ["member"]}, 422, "field_invalid"),
        ({"give": ["steward", "steward"]}, 422, "field_invalid"),
        ({"give": ["steward"], "take": ["steward"]}, 422, "field_invalid"),
    ):
        answer = await stage.post("bo", f"/members/{ada}/roles", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert await fingerprint(stage) == before

    await grant_role(
        stage.cast.house, stage.cast.group_id, stage.cast.ids["bo"], "host", now=datetime.now(UTC)
    )
    assert (await stage.post("bo", f"/members/{ada}/roles", {"give": ["host"]})).status_code == 200


async def test_the_last_steward_cannot_be_taken_away_suspended_or_leave_until_another_is_named(
    stage: Stage,
) -> None:
    bo, di, ada = (str(stage.cast.ids[name]) for name in ("bo", "di", "ada"))
    assert (await stage.post("bo", f"/members/{di}/roles", {"take": ["steward"]})).status_code == 200
    before = await fingerprint(stage)

    for path, body in (
        (f"/members/{bo}/roles", {"take": ["steward"]}),
        (f"/members/{bo}/suspend", None),
        (f"/members/{bo}/leave", None),
        (f"/members/{bo}/erase", None),
    ):
        answer = await stage.post("bo", path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_steward"), path
    assert await fingerprint(stage) == before

    assert (await stage.post("bo", f"/members/{ada}/roles", {"give": ["steward"]})).status_code == 200
    left = await stage.post("bo", f"/members/{bo}/leave", None)
    assert left.json()["ended"]["duties"] == ["steward"]
    assert (await stage.get("bo", "/me")).status_code == 401


# ---------------------------------------------------------------- suspended, gone, forgotten


async def test_somebody_suspended_cannot_act_until_they_are_resumed(stage: Stage) -> None:
    ada = str(stage.cast.ids["ada"])
    assert (await stage.post("ed", f"/members/{ada}/suspend", None)).status_code == 403

    assert (await stage.post("bo", f"/members/{ada}/suspend", None)).json()["state"] == "suspended"
    assert (await stage.get("ada", "/me")).status_code == 401
    assert (await stage.get("flo", "/members/find?name=ada")).status_code == 404
    again = await stage.post("bo", f"/members/{ada}/suspend", None)
    assert (again.status_code, again.json()["code"]) == (409, "member_not_open")

    assert (await stage.post("bo", f"/members/{ada}/resume", None)).json()["state"] == "active"
    assert (await stage.get("ada", "/me")).status_code == 200
    assert (await stage.post("bo", f"/members/{ada}/resume", None)).status_code == 409


async def test_whoever_leaves_is_told_what_ended_and_what_stays_open(stage: Stage) -> None:
    ada, flo = str(stage.cast.ids["ada"]), str(stage.cast.ids["flo"])
    ask = await stage.post("ada", "/draws", {"pot": "hours", "minutes": 30, "category": "company"})
    await stage.post(
        "ada",
        "/stand-ins",
        {"stand_in": flo, "for": ada, "scopes": ["log"], "until": _soon(), "consent": "said"},
    )
    assert (await stage.post("flo", f"/members/{ada}/leave", None)).status_code == 403

    gone = (await stage.post("ada", f"/members/{ada}/leave", None)).json()

    assert gone["state"] == "left"
    assert gone["ended"] == {
        "asks_cancelled": [ask.json()["id"]],
        "proposals_withdrawn": [],
        "duties": [],
        "stand_ins": 1,
        "invitations": 0,
        "tokens": 1,
        "duties_proposed": 0,
        "asks_open": [],
    }
    assert (await stage.get("ada", "/me")).status_code == 401
    assert (await stage.get("flo", "/me")).json()["roles"] == []
    back = await stage.post("bo", f"/members/{ada}/resume", None)
    assert back.json()["state"] == "active"


async def test_forgetting_takes_what_is_personal_and_says_what_stays(stage: Stage) -> None:
    house, group_id, ada = stage.cast.house, stage.cast.group_id, str(stage.cast.ids["ada"])
    flo = str(stage.cast.ids["flo"])
    for name in ("flo", "bo", "ed"):
        refused = await stage.post(name, f"/members/{ada}/erase", None)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_yourself"), name

    gone = (await stage.post("ada", f"/members/{ada}/erase", None)).json()

    assert gone["state"] == "erased"
    assert "entries" in gone["stays"]
    assert "nickname" in gone["goes"]
    assert [line.member_id for line in house.keys.list_erased()] == [stage.cast.ids["ada"]]
    for verb in ("rename", "suspend", "resume", "leave", "erase", "code"):
        body = {"nickname": "X"} if verb == "rename" else None
        answer = await stage.post("bo", f"/members/{ada}/{verb}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "member_not_found"), verb
    await grant_role(house, group_id, stage.cast.ids["bo"], "host", now=datetime.now(UTC))
    assert (await stage.post("bo", f"/members/{flo}/erase", None)).json()["state"] == "erased"
    listed = (await stage.get("bo", "/members?state=erased")).json()["members"]
    assert [(one["nickname"], one.get("code", "")) for one in listed] == [("", "")] * 2


async def test_ids_of_another_group_and_of_nobody_are_answered_with_equal_bytes(stage: Stage) -> None:
    cy, ada = str(stage.cast.ids["cy"]), str(stage.cast.ids["ada"])
    for verb, body in (
        ("roles", {"give": ["auditor"]}),
        ("rename", {"nickname": "X"}),
        ("household", {"with": None}),
        *((verb, None) for verb in ("code", "suspend", "resume", "leave")),
    ):
        foreign = await stage.post("bo", f"/members/{cy}/{verb}", body)
        nobody = await stage.post("bo", f"/members/{SOME_ID}/{verb}", body)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "member_not_found"), verb
        assert foreign.content == nobody.content
    for path, field in (
        (f"/members/{ada}/household", "with"),
        ("/stand-ins", "for"),
        ("/stand-ins", "stand_in"),
    ):
        answers = []
        for other in (cy, SOME_ID):
            body = {"with": other}
            if path == "/stand-ins":
                body = {"stand_in": ada, "for": str(stage.cast.ids["flo"])} | {field: other}
                body |= {"scopes": ["log"], "until": _soon(), "consent": "on_paper"}  # type: ignore[dict-item]
            answers.append(await stage.post("bo", path, body))
        # Named in a body, as everywhere: a wrong value.
        assert (answers[0].status_code, answers[0].json()["code"]) == (404, "unknown_member"), path
        assert answers[0].content == answers[1].content
    household = await stage.get("bo", f"/members?household={SOME_ID}")
    assert household.json()["members"] == []


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
