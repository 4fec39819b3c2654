"""Draws over the API: who sees what, asking without an account, names and papers, and the rules of a pot."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from tests.cast import Stage
from timebank.edge.problems import renderer
from timebank.i18n import language
from timebank.rules.commands import AskDraw, QueueDue
from timebank.services.due import sweep_group
from timebank.services.members import erase_member, revoke_role
from timebank.services.reminders import list_reminders
from timebank.services.verify import verify_group
from timebank.services.writer import Writer
from timebank.store.groups import bump_setup_version

ASK = {"pot": "money", "amount": 1000, "currency": "EUR", "category": "cooking"}
OPEN_RULES = {"who": "anyone", "approvals": [{"above": 0, "count": 1}]}


async def fund(stage: Stage, today: str, amount: int = 50_000) -> None:
    body = {"pot": "money", "amount": amount, "currency": "EUR", "held": "bank", "effective_on": today}
    assert (await stage.post("ed", "/money", body)).status_code == 201


async def agree(stage: Stage, terms: dict[str, Any], pot: str = "money") -> Any:
    return await stage.post("bo", f"/policies/{pot}", {"terms": terms})


async def rows(stage: Stage, query: str, *values: Any) -> list[Any]:
    async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
        found = list(await connection.fetch(query, *values))
        await connection.execute("ROLLBACK")
        return found


async def counts(stage: Stage) -> dict[str, int]:
    """Return how many rows every table has that a step of a draw could write to, but for the answers."""
    tables = [
        "timebank.records", "timebank.entries", "timebank.transfers", "timebank.draws", "timebank.draw_hands",
        "timebank.policies", "timebank.published_policies", "people.notes", "people.ask_notes", "people.ask_links",
        "people.draw_looks",
    ]  # fmt: skip
    return {table: (await rows(stage, f"SELECT count(*) FROM {table}"))[0][0] for table in tables}


async def a_promise(stage: Stage, today: str, **more: Any) -> str:
    await fund(stage, today)
    draw = (await stage.post("ada", "/draws", {**ASK, **more})).json()["id"]
    assert (await stage.post("bo", f"/draws/{draw}/approve", {})).json()["state"] == "promised"
    return str(draw)


# ---------------------------------------------------------------- the whole way


async def test_from_asked_to_arrived(stage: Stage, today: str) -> None:
    draw = await a_promise(stage, today)
    part = await stage.post(
        "ed", f"/draws/{draw}/hand-over", {"held": "bank", "amount": 400, "currency": "EUR"}
    )
    rest = await stage.post("ed", f"/draws/{draw}/hand-over", {"held": "bank"})
    arrived = await stage.post("ada", f"/draws/{draw}/arrived", None)

    assert (part.json()["left"], rest.json()["state"], arrived.json()["state"]) == (
        600,
        "handed_over",
        "arrived",
    )
    seen = (await stage.get("ada", f"/draws/{draw}")).json()
    assert (seen["handed"], seen["state"], seen["mine"]) == (1000, "arrived", True)


async def test_a_refused_step_leaves_no_row_behind(stage: Stage, today: str) -> None:
    draw = await a_promise(stage, today)
    tries: list[tuple[str, str, Any, int]] = [
        ("bo", "approve", {}, 409),
        ("ada", "approve", {}, 403),
        ("flo", "cancel", None, 404),
        ("bo", "cancel", None, 403),
        ("ada", "arrived", None, 409),
        ("ada", "answer", {"text": "x"}, 409),
        ("ada", "change", {"amount": 5, "currency": "EUR"}, 409),
        ("bo", "decline", {"reason": "x"}, 409),
        ("di", "object", {"reason": "x"}, 409),
        ("bo", "question", {"text": "x"}, 409),
        ("ed", "return", {"held": "bank", "amount": 1, "currency": "EUR"}, 409),
        ("ed", "release", {"amount": 1001, "currency": "EUR"}, 409),
        ("ed", "release", {"minutes": 5}, 422),
        ("ed", "hand-over", {"held": "bank", "amount": 1001, "currency": "EUR"}, 409),
        ("ed", "undo", {"entry": draw}, 404),
        ("ada", "who", None, 403),
        ("bo", "link", None, 404),
        ("bo", "question", {"text": "  "}, 422),
        ("bo", "question", {}, 422),
    ]
    before = await counts(stage)
    for name, step, body, status in tries:
        answer = await stage.post(name, f"/draws/{draw}/{step}", body)

        assert answer.status_code == status, (name, step, answer.text)
        assert await counts(stage) == before, (name, step)


async def test_a_demoted_steward_s_old_form_is_refused(stage: Stage, today: str) -> None:
    await fund(stage, today)
    draw = (await stage.post("ada", "/draws", ASK)).json()["id"]
    house, group_id = stage.cast.house, stage.cast.group_id
    await revoke_role(house, group_id, stage.cast.ids["bo"], "steward", now=datetime.now(UTC))

    answer = await stage.post("bo", f"/draws/{draw}/approve", {})

    assert (answer.status_code, answer.json()["code"]) == (403, "needs_role")


async def test_reasons_and_questions_are_told_to_whoever_asked_and_to_stewards_only(stage: Stage) -> None:
    draw = (await stage.post("ada", "/draws", ASK)).json()["id"]
    await stage.post("bo", f"/draws/{draw}/question", {"text": "By when?"})
    await stage.post("ada", f"/draws/{draw}/answer", {"text": "By Friday"})
    await stage.post("di", f"/draws/{draw}/decline", {"reason": "Nothing left this month"})

    for name in ("ada", "bo"):
        seen = (await stage.get(name, f"/draws/{draw}")).json()
        assert (seen["question"], seen["answer"]) == ("By when?", "By Friday")
        assert (seen["state"], seen["reason"]) == ("not_now", "Nothing left this month")
    for name in ("flo", "ed"):
        assert (await stage.get(name, f"/draws/{draw}")).status_code == 404
    found = await rows(stage, "SELECT box FROM people.notes")
    assert not any(b"Friday" in row["box"] or b"Nothing" in row["box"] for row in found)


# ---------------------------------------------------------------- who sees which


async def test_each_sees_the_draws_that_are_theirs_to_see_and_no_name(stage: Stage, today: str) -> None:
    promised = await a_promise(stage, today)
    own = (await stage.post("flo", "/draws", {**ASK, "amount": 700})).json()["id"]
    gone = (await stage.post("flo", "/draws", {**ASK, "amount": 800})).json()["id"]
    await stage.post("flo", f"/draws/{gone}/cancel", None)

    seen = {name: (await stage.get(name, "/draws")) for name in ("ada", "flo", "bo", "ed")}

    ids = {name: [each["id"] for each in answer.json()["draws"]] for name, answer in seen.items()}
    assert ids == {"ada": [promised], "flo": [gone, own], "bo": [own, promised], "ed": [promised]}
    for name, answer in seen.items():
        people = {str(i) for i in stage.cast.ids.values()} | set(stage.cast.ids)
        assert not any(f'"{word}"' in answer.text.lower() for word in people), name
    assert (await stage.get(None, "/draws")).status_code == 401
    assert (await stage.get("cy", f"/draws/{own}", slug="hillside")).status_code == 404


async def test_pages_of_draws_put_together_are_the_whole_list(stage: Stage) -> None:
    for amount in range(100, 108):
        await stage.post("ada", "/draws", {**ASK, "amount": amount})
    first = (await stage.get("bo", "/draws")).json()["draws"][3]["id"]
    await stage.post("bo", f"/draws/{first}/decline", None)
    for query in ("", "&state=asked", "&state=asked,promised", "&state=not_now"):
        whole = (await stage.get("ada", f"/draws?limit=200{query}")).json()["draws"]
        for size in (1, 3, 200):
            found, after = [], ""
            while True:
                page = (await stage.get("ada", f"/draws?limit={size}{query}{after}")).json()
                found += page["draws"]
                if "next" not in page:
                    break
                after = f"&after={page['next']}"
            assert found == whole
    for wrong in ("state=nowhere", "after=x", "limit=0", "limit=999"):
        assert (await stage.get("ada", f"/draws?{wrong}")).status_code == 422


async def test_how_much_of_a_limit_is_used_is_told_to_the_asker_and_stewards(stage: Stage) -> None:
    caps = [{"per": "person", "period": "month", "sum": 1500}]
    assert (await agree(stage, {"caps": caps})).status_code == 201
    draw = (await stage.post("ada", "/draws", ASK)).json()["id"]
    over = await stage.post("ada", "/draws", ASK)

    assert over.json()["params"] == {"rule": "caps[0].sum", "limit": 1500, "left": 500}
    for name in ("ada", "bo"):
        limits = (await stage.get(name, f"/draws/{draw}")).json()["limits"]
        assert limits == [{"per": "person", "period": "month", "used": 1000, "times": 1, "sum": 1500}]


# ---------------------------------------------------------------- what is personal


async def test_contact_and_payout_are_for_the_treasurer_of_a_promise_and_each_look_is_shown(
    stage: Stage, today: str
) -> None:
    await fund(stage, today)
    words = {"contact": "knock twice", "payout": "ES91 2100"}
    draw = (await stage.post("ada", "/draws", {**ASK, **words})).json()["id"]
    early = await stage.get("ed", f"/draws/{draw}/payout")
    await stage.post("bo", f"/draws/{draw}/approve", {})

    seen = await stage.get("ed", f"/draws/{draw}/payout")

    assert (early.status_code, early.json()["code"]) == (409, "draw_not_open")
    assert seen.json() == words
    assert (await stage.get("bo", f"/draws/{draw}/payout")).json()["code"] == "needs_role"
    assert (await stage.get("ada", f"/draws/{draw}/payout")).json()["code"] == "needs_role"
    looks = (await stage.get("ada", f"/draws/{draw}/who")).json()["looks"]
    assert [(look["nickname"], look["what"]) for look in looks] == [("Ed", "payout")]
    assert (await stage.get("bo", f"/draws/{draw}/who")).status_code == 404


async def test_a_name_is_told_to_a_steward_once_and_written_down_for_that_person(stage: Stage) -> None:
    for_ada = {**ASK, "on_behalf_of": str(stage.cast.ids["ada"])}
    draw = (await stage.post("di", "/draws", for_ada)).json()["id"]

    first = await stage.post("bo", f"/draws/{draw}/who", None, key="I must know")
    again = await stage.post("bo", f"/draws/{draw}/who", None, key="I must know")

    assert first.json() == {"id": draw, "nickname": "Ada", "asked_by": ["Di"]}
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    looks = (await stage.get("ada", f"/draws/{draw}/who")).json()["looks"]
    assert [(look["nickname"], look["what"]) for look in looks] == [("Bo", "who")]


async def test_papers_are_wiped_by_the_sweep_and_words_go_with_the_person(stage: Stage, today: str) -> None:
    draw = await a_promise(stage, today, contact="knock twice", payout="ES91 2100")
    await stage.post("ed", f"/draws/{draw}/hand-over", {"held": "bank"})
    assert await sweep(stage, days=29) == 0

    assert await sweep(stage, days=31) == 1

    kept = await rows(stage, "SELECT what FROM people.notes WHERE what IN ('contact', 'payout')")
    assert kept == []
    assert await rows(stage, "SELECT 1 FROM people.notes WHERE what = 'facts'")
    house = stage.cast.house
    await erase_member(house, stage.cast.group_id, stage.cast.ids["ada"], now=datetime.now(UTC))
    assert await rows(stage, "SELECT 1 FROM people.notes WHERE what = 'facts'") == []


async def test_with_its_papers_the_key_of_an_ask_without_an_account_is_gone(stage: Stage, today: str) -> None:
    await fund(stage, today)
    await agree(stage, OPEN_RULES)
    secret = (await stage.get(None, "/asks")).json()["secret"]
    ask = {**ASK, "contact": "0600 123", "payout": "ES91 2100"}
    draw = (await stage.post(None, f"/asks/{secret}", ask, key=None)).json()["id"]
    await stage.post("bo", f"/draws/{draw}/approve", {"not_own": True})
    await stage.post("ed", f"/draws/{draw}/hand-over", {"held": "bank"})
    keys, group_id = stage.cast.house.keys, stage.cast.group_id
    assert await sweep(stage, days=29) == 0
    assert keys.find_member_key(group_id, UUID(draw)) is not None

    assert await sweep(stage, days=31) == 1

    assert keys.find_member_key(group_id, UUID(draw)) is None
    assert await rows(stage, "SELECT 1 FROM people.ask_notes") == []
    # Whoever holds the link still sees how far it is, and says that it arrived.
    status = (await stage.get(None, f"/asks/{secret}")).json()
    assert status["state"] == "handed_over"
    arrived = await stage.post(None, f"/asks/{secret}/arrived", {}, key=status["key"])
    assert arrived.json()["state"] == "arrived"
    assert (await verify_group(stage.cast.house, group_id)).ok


async def sweep(stage: Stage, **later: float) -> int:
    """Look at what is due so much later, with a clock that is there already."""
    house, at = stage.cast.house, datetime.now(UTC) + timedelta(**later)
    writer = Writer(house.database, house.keys, house.checkpoints, clock=lambda: at)
    try:
        return await sweep_group(house, writer, stage.cast.group_id, now=at)
    finally:
        await writer.close()


# ---------------------------------------------------------------- time decides


async def test_a_window_ends_and_a_promise_expires_though_nobody_touches_them(
    stage: Stage, today: str
) -> None:
    await fund(stage, today)
    await agree(stage, {"consent_hours": 48, "promise_days": 30})
    draw = (await stage.post("ada", "/draws", ASK)).json()["id"]
    said = (await stage.post("bo", f"/draws/{draw}/approve", {})).json()
    assert (said["state"], said["waits_for"]) == ("looked_at", "window")
    assert await sweep(stage, hours=47) == 0

    assert await sweep(stage, hours=49) == 1
    assert (await stage.get("ada", f"/draws/{draw}")).json()["state"] == "promised"
    assert await sweep(stage, hours=49) == 0
    assert await sweep(stage, days=33) == 1
    assert (await stage.get("ada", f"/draws/{draw}")).json()["state"] == "expired"


async def test_whoever_waits_in_the_queue_is_promised_once_there_is_money(stage: Stage, today: str) -> None:
    await agree(stage, {"scarcity": "queue"})
    draw = (await stage.post("ada", "/draws", ASK)).json()["id"]
    said = (await stage.post("bo", f"/draws/{draw}/approve", {})).json()
    assert (said["state"], said["waits_for"]) == ("looked_at", "queue")
    assert await sweep(stage) == 0
    await fund(stage, today, 999)
    assert await sweep(stage) == 0
    await fund(stage, today, 1)

    assert await sweep(stage) == 1

    assert (await stage.get("ada", f"/draws/{draw}")).json()["state"] == "promised"


async def test_only_the_group_itself_does_what_is_due(stage: Stage) -> None:
    house = stage.cast.house
    writer = Writer(house.database, house.keys, house.checkpoints)
    answer = await writer.submit(
        stage.cast.group_id,
        [QueueDue(UUID(int=5))],
        actor=await stage.cast.actor("bo"),
        key="not mine",
        request_hash=sha256(b"").digest(),
        render=renderer(language("en")),
    )
    await writer.close()

    assert answer.status == 403


# ---------------------------------------------------------------- without an account


async def a_link(stage: Stage) -> str:
    return str((await stage.get(None, "/asks")).json()["secret"])


async def test_somebody_without_an_account_asks_and_follows_it_to_the_end(stage: Stage, today: str) -> None:
    await fund(stage, today)
    await agree(stage, OPEN_RULES)
    link = await a_link(stage)
    assert (await stage.get(None, f"/asks/{link}")).status_code == 404

    asked = await stage.post(None, f"/asks/{link}", {**ASK, "contact": "the red door"}, key=None)
    again = await stage.post(None, f"/asks/{link}", {**ASK, "contact": "the red door"}, key=None)
    other = await stage.post(None, f"/asks/{link}", {**ASK, "amount": 5}, key=None)

    assert (asked.status_code, again.content) == (201, asked.content)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    draw = asked.json()["id"]
    assert (await stage.post("bo", f"/draws/{draw}/approve", {})).json()["code"] == "not_own_unsaid"
    assert (await stage.post("bo", f"/draws/{draw}/approve", {"not_own": True})).json()["state"] == "promised"
    assert (await stage.get("ed", f"/draws/{draw}/payout")).json() == {
        "contact": "the red door",
        "payout": "",
    }
    await stage.post("ed", f"/draws/{draw}/hand-over", {"held": "bank"})

    status = (await stage.get(None, f"/asks/{link}")).json()
    assert (status["state"], status["acts"], status["handed"]) == ("handed_over", ["arrived"], 1000)
    arrived = await stage.post(None, f"/asks/{link}/arrived", None, key=status["key"])
    assert arrived.json()["state"] == "arrived"
    # Nothing of it can be read in the database.
    boxes = [row["box"] for row in await rows(stage, "SELECT box FROM people.ask_notes")]
    assert boxes
    assert not any(b"red door" in box for box in boxes)
    secrets = await rows(stage, "SELECT link_hash FROM people.ask_links")
    assert [row["link_hash"] for row in secrets] == [sha256(link.encode()).digest()]


async def test_a_key_that_was_not_given_out_for_this_ask_is_refused(stage: Stage) -> None:
    await agree(stage, OPEN_RULES)
    one, other = await a_link(stage), await a_link(stage)
    for link in (one, other):
        assert (await stage.post(None, f"/asks/{link}", ASK, key=None)).status_code == 201
    foreign = (await stage.get(None, f"/asks/{other}")).json()["key"]

    for key in ("made-up", foreign, foreign[:-2] + "AA"):
        answer = await stage.post(None, f"/asks/{one}/cancel", None, key=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "key_not_issued")
    assert (await stage.post(None, f"/asks/{one}/cancel", None, key=None)).json()[
        "code"
    ] == "idempotency_key_missing"
    right = (await stage.get(None, f"/asks/{one}")).json()["key"]
    assert (await stage.post(None, f"/asks/{one}/cancel", None, key=right)).json()["state"] == "cancelled"


async def test_links_that_this_server_did_not_make_lead_nowhere(stage: Stage) -> None:
    await agree(stage, OPEN_RULES)
    link = await a_link(stage)
    nothing = await stage.get(None, "/asks/" + "x" * 43)
    for other in (link[:-3] + "AAA", "A" * 43, "x", link + "A", link[:-1] + "%00", "é" * 43):
        answer = await stage.get(None, f"/asks/{other}")
        assert (answer.status_code, answer.content) == (404, nothing.content), other
        assert (await stage.post(None, f"/asks/{other}", ASK, key=None)).status_code == 404
    # One of another group is another's.
    assert (await stage.post(None, f"/asks/{link}", ASK, key=None, slug="hillside")).status_code == 404


async def test_a_steward_gives_a_new_link_and_a_slip_and_the_old_one_is_dead(stage: Stage) -> None:
    await agree(stage, OPEN_RULES)
    old = await a_link(stage)
    draw = (await stage.post(None, f"/asks/{old}", ASK, key=None)).json()["id"]
    assert (await stage.post("ada", f"/draws/{draw}/link", None)).json()["code"] == "needs_role"

    given = await stage.post("bo", f"/draws/{draw}/link", None, key="a new one")
    again = await stage.post("bo", f"/draws/{draw}/link", None, key="a new one")
    said = given.json()

    assert again.content == given.content
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", said["code"])
    assert (await stage.get(None, f"/asks/{old}")).status_code == 404
    assert (await stage.post(None, f"/asks/{old}", ASK, key=None)).status_code == 404
    assert (await stage.get(None, f"/asks/{said['link']}")).json()["state"] == "asked"
    slip = await stage.post(None, "/ask-codes", {"code": said["code"].lower().replace("-", " ")}, key=None)
    assert slip.json() == {
        "pot": "money", "unit": "EUR", "category": "cooking", "state": "asked", "asked": 1000, "promised": 0,
        "handed": 0, "left": 0, "acts": [], "waits_for": "yes",
    }  # fmt: skip
    assert (await stage.post(None, "/ask-codes", {"code": "AAAA-2222"}, key=None)).status_code == 404
    newest = (await stage.post("di", f"/draws/{draw}/link", None)).json()
    assert (await stage.get(None, f"/asks/{said['link']}")).status_code == 404
    assert (await stage.get(None, f"/asks/{newest['link']}")).status_code == 200
    kept = await rows(stage, "SELECT body FROM timebank.answers")
    assert not any(said["link"].encode() in row["body"] for row in kept)


async def test_two_asks_with_one_contact_are_told_to_stewards(stage: Stage) -> None:
    await agree(stage, OPEN_RULES)
    ids = []
    for contact in ("0151 234", "0151 999", " 0151  234 "):
        link = await a_link(stage)
        body = {**ASK, "contact": contact}
        ids.append((await stage.post(None, f"/asks/{link}", body, key=None)).json()["id"])

    told = [(await stage.get("bo", f"/draws/{draw}")).json().get("warnings") for draw in ids]

    assert told == [None, None, ["perhaps_twice"]]


async def test_a_steward_asks_for_somebody_without_an_account_and_does_not_decide(
    stage: Stage, today: str
) -> None:
    await fund(stage, today)
    body = {**ASK, "without_account": True, "contact": "the red door"}
    assert (await stage.post("bo", "/draws", body)).json()["code"] == "needs_account"
    await agree(stage, OPEN_RULES)
    assert (await stage.post("ada", "/draws", body)).json()["code"] == "needs_role"

    draw = (await stage.post("bo", "/draws", body)).json()["id"]

    assert (await stage.post("bo", f"/draws/{draw}/approve", {"not_own": True})).json()["code"] == "own_draw"
    assert (await stage.post("di", f"/draws/{draw}/approve", {"not_own": True})).json()["state"] == "promised"
    link = (await stage.post("bo", f"/draws/{draw}/link", None)).json()["link"]
    assert (await stage.get(None, f"/asks/{link}")).json()["state"] == "promised"
    assert (await stage.get("ed", f"/draws/{draw}/payout")).json()["contact"] == "the red door"


# ---------------------------------------------------------------- asking never looks at the pot


@pytest.mark.parametrize("scarcity", ["refuse", "queue"])
async def test_the_answer_to_an_ask_is_the_same_whether_the_pot_is_full_or_empty(
    stage: Stage, today: str, scarcity: str
) -> None:
    at_once = {"who": "anyone", "approvals": [{"above": 0, "count": 0}], "scarcity": scarcity}
    await agree(stage, at_once)
    said = []
    for _ in range(2):
        member = await stage.post("ada", "/draws", ASK)
        link = await a_link(stage)
        stranger = await stage.post(None, f"/asks/{link}", ASK, key=None)
        said += [member, stranger]
        await fund(stage, today)

    blank = {re.sub(rb'"id":"[^"]+"', b"", answer.content) for answer in said}
    assert len(blank) == 1
    assert {(answer.status_code, len(answer.content)) for answer in said} == {(201, len(said[0].content))}
    assert {tuple(sorted(answer.headers)) for answer in said} == {tuple(sorted(said[0].headers))}
    # Only whose it is sees what became of it: those who waited came first, then this one.
    states = [(await stage.get("ada", f"/draws/{said[n].json()['id']}")).json()["state"] for n in (0, 2)]
    assert states == ["promised" if scarcity == "queue" else "asked", "promised"]


# ---------------------------------------------------------------- the rules of a pot


async def test_a_new_version_is_public_at_once_and_in_the_book(stage: Stage) -> None:
    answer = await stage.post("bo", "/policies/money", {"terms": OPEN_RULES}, key="agreed")
    again = await stage.post("bo", "/policies/money", {"terms": OPEN_RULES}, key="agreed")

    assert (answer.status_code, answer.json()["version"]) == (201, 2)
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
    public = (await stage.get(None, "/policies/money")).json()["versions"]
    assert [(version["version"], version["terms"].get("who")) for version in public] == [
        (2, "anyone"),
        (1, None),
    ]
    await stage.cast.house.checkpoints.close()
    assert (await verify_group(stage.cast.house, stage.cast.group_id)).ok


async def test_who_may_agree_on_rules_and_what_is_told_when_they_are_wrong(stage: Stage, today: str) -> None:
    before = await counts(stage)
    wrong = {"terms": {"who": "all", "reserve": -1, "caps": [{"per": "person", "period": "month"}]}}

    answer = await stage.post("bo", "/policies/money", wrong)

    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["who", "caps[0]", "reserve"]
    assert (await stage.post("ada", "/policies/money", {"terms": {}})).json()["code"] == "needs_role"
    assert (await stage.post("bo", "/policies/nothing", {"terms": {}})).status_code == 404
    later = await stage.post("bo", "/policies/money", {"terms": {"scarcity": "lottery"}})
    assert (later.status_code, later.json()["code"]) == (409, "rule_not_yet")
    future = await stage.post("bo", "/policies/money", {"terms": {}, "agreed_on": "2999-01-01"})
    assert future.json()["code"] == "date_in_future"
    assert await counts(stage) == before


async def test_stewards_are_reminded_of_what_no_program_can_keep(stage: Stage, today: str) -> None:
    terms = {"surplus": {"above": 50_000, "text": "Pass it on"}, "stewards": {"months": 3, "people": 2}}
    await agree(stage, terms)
    await fund(stage, today, 50_000)
    assert (await stage.get("bo", "/reminders")).json() == {"reminders": []}

    await fund(stage, today, 1)

    reminder = {"pot": "money", "rule": "surplus", "limit": 50_000, "found": 50_001, "text": "Pass it on"}
    assert (await stage.get("bo", "/reminders")).json() == {"reminders": [reminder]}
    assert (await stage.get("ada", "/reminders")).json()["code"] == "needs_role"
    later = await list_reminders(
        stage.cast.house, await stage.cast.actor("bo"), now=datetime.now(UTC) + timedelta(days=94)
    )
    assert [(each.rule, each.found) for each in later] == [("surplus", 50_001), ("stewards.months", 2)]


async def test_a_month_begins_at_midnight_where_the_group_is(stage: Stage) -> None:
    await agree(stage, {"caps": [{"per": "person", "period": "month", "sum": 1000}]})
    # Half past eleven at night of 30 November in Madrid, then half past midnight; in London it is still November.
    before, after = datetime(2031, 11, 30, 22, 30, tzinfo=UTC), datetime(2031, 11, 30, 23, 30, tzinfo=UTC)
    ask = AskDraw("money", 1000, "EUR", "cooking")

    said = [await send_at(stage, at, "ada", ask) for at in (before, before, after, after)]

    assert [answer.status for answer in said] == [201, 409, 201, 409]


async def send_at(stage: Stage, at: datetime, name: str, command: Any) -> Any:
    """Have somebody send a command at a moment."""
    house = stage.cast.house
    writer = Writer(house.database, house.keys, house.checkpoints, clock=lambda: at)
    try:
        return await writer.submit(
            stage.cast.group_id,
            [command],
            actor=await stage.cast.actor(name),
            key=f"at {at} {secrets.token_hex(4)}",
            request_hash=sha256(b"").digest(),
            render=renderer(language("en")),
        )
    finally:
        await writer.close()


async def test_households_share_a_limit_and_whoever_is_in_none_has_their_own(stage: Stage) -> None:
    await agree(stage, {"caps": [{"per": "household", "period": "year", "count": 2}]})
    house, group_id = stage.cast.house, stage.cast.group_id
    async with house.database.tx(group_id) as tx:
        await bump_setup_version(tx, group_id)
        for name in ("ada", "flo"):
            await tx.execute(
                text("UPDATE people.members SET household_id = :household WHERE member_id = :member_id"),
                {"household": UUID(int=77), "member_id": stage.cast.ids[name]},
            )

    codes = [
        (await stage.post(who, "/draws", ASK)).json().get("code")
        for who in ("ada", "flo", "ada", "ed", "flo")
    ]

    assert codes == [None, None, "policy_refuses", None, "policy_refuses"]


BAD_HANDS = {
    "theirs, and not asked": {"theirs": True},
    "decided after stepping aside": {"stepped_aside": True, "approved": True},
    "paid after stepping aside": {"stepped_aside": True, "paid": True},
    "yes and objection": {"approved": True, "objected": True},
    "objected to their own": {"asked": True, "objected": True},
}


async def test_the_database_itself_refuses_hands_that_no_rule_would_write(stage: Stage) -> None:
    draw = UUID((await stage.post("ada", "/draws", ASK)).json()["id"])
    for marks in BAD_HANDS.values():
        with pytest.raises(asyncpg.CheckViolationError):
            await write_hand(stage, draw, marks)


async def test_the_database_itself_wants_a_statement_for_a_yes_to_an_ask_without_an_account(
    stage: Stage,
) -> None:
    await agree(stage, OPEN_RULES)
    link = await a_link(stage)
    draw = UUID((await stage.post(None, f"/asks/{link}", ASK, key=None)).json()["id"])

    with pytest.raises(asyncpg.CheckViolationError):
        await write_hand(stage, draw, {"approved": True, "without_account": True})
    # Saying that it is one with an account is no way around it.
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await write_hand(stage, draw, {"approved": True, "without_account": False})
    await write_hand(stage, draw, {"approved": True, "without_account": True, "not_own": True})


async def write_hand(stage: Stage, draw: UUID, marks: dict[str, bool]) -> None:
    """Write what Di did with a draw as the role of the application, past every rule; nothing is kept."""
    names = [
        "asked",
        "approved",
        "paid",
        "two_people",
        "theirs",
        "stepped_aside",
        "objected",
        "not_own",
        "without_account",
    ]
    values = ", ".join(str(marks.get(name, False)) for name in names)
    async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
        try:
            await connection.execute(
                f"INSERT INTO timebank.draw_hands (group_id, draw_id, member_id, {', '.join(names)})"
                f" VALUES ($1, $2, $3, {values})",
                stage.cast.group_id,
                draw,
                stage.cast.ids["di"],
            )
        finally:
            await connection.execute("ROLLBACK")


async def test_the_database_itself_keeps_promises_and_states_together(stage: Stage, today: str) -> None:
    draw = UUID(await a_promise(stage, today))
    for change in ("state = 'handed_over'", "state = 'asked'", "amount_handed = 1000", "queued_at = now()"):
        async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"UPDATE timebank.draws SET {change} WHERE draw_id = $1", draw)
            await connection.execute("ROLLBACK")
