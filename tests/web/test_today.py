"""Deciding on a page: facts without names, an answer that nobody chose beforehand, and roles that hold now."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import httpx

from tests.cast import Stage, cast, house, stage, today
from tests.database import Dsn, run
from tests.web.member import Member, forms_of, grow_old, signed_in, text_of
from tests.web.test_ask import SAMPLE
from timebank.services.members import revoke_role
from timebank.store.migrate import SUPERUSER
from timebank.web.today import ALL_SHOWN, KIND_SHOWN

__all__ = ["cast", "house", "stage", "today"]


async def asked(stage: Stage, name: str = "ada", **fields: object) -> str:
    body = {"pot": "money", "category": "repairs", "amount": 1250, "currency": "EUR", **fields}
    answer = await stage.post(name, "/draws", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def filled(stage: Stage, today: str) -> None:
    body = {"pot": "money", "amount": 10_000, "currency": "EUR", "held": "cash-box", "effective_on": today}
    assert (await stage.post("ed", "/money", body)).status_code == 201


async def state_of(stage: Stage, draw: str, name: str = "ada") -> str:
    return str((await stage.get(name, f"/draws/{draw}")).json()["state"])


async def answer(steward: Member, draw: str, **fields: str) -> httpx.Response:
    return await steward.send(await steward.get(f"/today/{draw}"), draw, **fields)


async def test_an_empty_day_says_so(stage: Stage) -> None:
    page = await (await signed_in(stage, "bo")).get("/today")

    assert "Nothing waits." in text_of(page)
    assert "article" not in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_asks_stand_oldest_first_with_facts_and_without_names(stage: Stage, today: str) -> None:
    await filled(stage, today)
    first = await asked(stage, "ada", contact="Ring 07 at Ada's")
    second = await asked(stage, "flo", amount=4000)
    bo = await signed_in(stage, "bo")

    day = await bo.get("/today")
    page = await bo.get(f"/today/{first}")

    said = text_of(day)
    assert said.index("A neighbour asks for €12.50") < said.index("A neighbour asks for €40.00")
    assert said.index("1 yes needed.") < said.index("Fits. 2 rules are kept."), "what needs a look first"
    assert "2 yeses needed." in said
    assert f'href="/g/riverside/today/{second}"' in day.text
    assert not re.search(r"\b(Ada|Flo|Ring 07)\b", said)
    said = text_of(page)
    assert "Fits. A member asks. Rule 1" in said
    assert "1 yes needed. Nobody has said yes so far. Rule 2" in said
    assert "Fits. You are not the one who asks. Rule 3" in said
    assert "Fits. The pot after a yes: €87.50 available, €12.50 promised." in said
    assert "By version 1 of the rules." in said
    assert not re.search(r"\b(Ada|Flo|Ring 07)\b", said)
    assert not re.search(r'type="radio"[^>]* checked', page.text), "nothing is chosen beforehand"


async def test_a_day_shows_five_of_a_kind_and_leads_to_all_of_them(stage: Stage, today: str) -> None:
    receiver = str(stage.cast.ids["ada"])
    await stage.post("bo", "/policies/money", {"terms": {"approvals": [{"above": 0, "count": 1}]}})
    for amount in range(100, 100 * (ALL_SHOWN + 2), 100):
        await asked(stage, "ada", amount=amount)
    for minutes in range(10, 10 * (KIND_SHOWN + 2), 10):
        body = {"minutes": minutes, "effective_on": today, "category": "repairs", "receiver": receiver}
        hours = (await stage.post("flo", "/hours", body)).json()["id"]
        await stage.post("ada", f"/hours/{hours}/question", {"minutes": 5, "reason": "Less"})
    bo = await signed_in(stage, "bo")

    day = await bo.get("/today")
    every = await bo.get("/today/all/asks")
    last = await bo.get("/today/all/asks", page="1")
    hours = await bo.get("/today/all/hours")

    said = text_of(day)
    assert "21 asks wait all of them since today" in said
    assert "See all 21 of them" in said
    assert day.text.count("<article") == day.text.count("Help them agree") == KIND_SHOWN
    assert "€1.00" in said
    assert "€6.00" not in said, "the oldest first"
    assert "Flo helped Ada, 10 min" in said
    assert every.text.count("<article") == ALL_SHOWN
    assert 'href="/g/riverside/today/all/asks?page=1"' in every.text
    assert last.text.count("<article") == 1
    assert "Show later ones" not in text_of(last)
    assert hours.text.count("Help them agree") == KIND_SHOWN + 1
    assert (await bo.get("/today/all/nothing")).status_code == 404
    assert "Nothing waits." in text_of(await bo.get("/today/all/links"))


async def test_a_yes_promises_once_and_part_of_it_when_a_part_is_said(stage: Stage, today: str) -> None:
    await filled(stage, today)
    whole, part = await asked(stage), await asked(stage, "flo", amount=2000)
    bo = await signed_in(stage, "bo")
    page = await bo.get(f"/today/{whole}")

    for _ in range(2):
        assert (await bo.send(page, whole, say="yes")).status_code == 303
    assert (await answer(bo, part, say="part", part="5")).status_code == 303

    assert await state_of(stage, whole) == await state_of(stage, part, "flo") == "promised"
    assert (await stage.get("flo", f"/draws/{part}")).json()["promised"] == 500
    day = text_of(await bo.get("/today", done="answered"))
    assert "Nothing waits." in day
    assert "Your answer is written down." in day
    over = await bo.get(f"/today/{whole}")
    assert "This ask does not wait for stewards any more." in text_of(over)
    assert 'type="radio"' not in over.text


async def test_two_yeses_come_from_two_people(stage: Stage, today: str) -> None:
    await filled(stage, today)
    draw = await asked(stage, amount=4000)
    bo, di = await signed_in(stage, "bo"), await signed_in(stage, "di")

    await answer(bo, draw, say="yes")

    page = await bo.get(f"/today/{draw}")
    assert "1 more yes needed. 1 steward has said yes." in text_of(page)
    assert 'value="yes"' not in page.text
    forged = await bo.send(page, draw, say="yes")
    assert forged.status_code == 409
    await answer(di, draw, say="yes")
    assert await state_of(stage, draw) == "promised"


async def test_not_now_and_a_question_need_words_and_reach_whoever_asked(stage: Stage) -> None:
    later, question = await asked(stage), await asked(stage, amount=100)
    bo, ada = await signed_in(stage, "bo"), await signed_in(stage, "ada")

    for say, draw, advice in (
        ("later", later, "Write the reason"),
        ("question", question, "Write the question"),
    ):
        wrong = await answer(bo, draw, say=say, words="  ")
        assert wrong.status_code == 422
        assert text_of(wrong).count(advice) == 2
        assert 'href="#words"' in wrong.text
        assert f'value="{say}"' in wrong.text
        assert (await answer(bo, draw, say=say, words="Ask again in May")).status_code == 303
        status = await ada.get(f"/asks/{draw}")
        assert "Ask again in May" in text_of(status)
        assert "Bo" not in text_of(status)
    assert await state_of(stage, later) == "not_now"
    assert await state_of(stage, question) == "looked_at"


async def test_answers_that_are_none_are_said_so_in_place(stage: Stage) -> None:
    draw = await asked(stage)
    bo = await signed_in(stage, "bo")

    for fields, field, advice in (
        ({}, "say", "Choose an answer"),
        ({"say": "part", "part": ""}, "part", "Write how much of it"),
        ({"say": "part", "part": "x"}, "part", "Write how much of it"),
        ({"say": "part", "part": "12.51"}, "part", "Write at most €12.50: no more was asked for"),
        ({"say": "question", "words": "a\x07"}, "words", "at most 300 characters"),
    ):
        wrong = await answer(bo, draw, **fields)
        assert wrong.status_code == 422
        assert text_of(wrong).count(advice) == 2, fields
        assert f'href="#{field}"' in wrong.text
        assert f'id="{field}"' in wrong.text
        assert ("data-told" in wrong.text) == (field == "words"), "of what cannot be read nothing is told"
    assert (await answer(bo, draw, say="maybe")).status_code == 400
    assert await state_of(stage, draw) == "asked"


async def test_an_own_ask_and_one_stepped_aside_from_are_for_others(stage: Stage) -> None:
    own, other = await asked(stage, "bo"), await asked(stage)
    bo = await signed_in(stage, "bo")
    page = await bo.get(f"/today/{own}")
    assert "You asked this, for yourself or for somebody: others decide." in text_of(page)
    assert "You asked this, for yourself or for somebody: others decide." in text_of(await bo.get("/today"))
    assert [form.action for form in forms_of(page) if own in form.action] == []

    await answer(bo, other, say="aside")

    page = await bo.get(f"/today/{other}")
    assert "You stepped aside: others decide." in text_of(page)
    form = forms_of(await bo.get("/log"))[0].hidden
    for draw in (own, other):
        forged = await bo.post(f"/g/riverside/today/{draw}", {**form, "key": draw[:22], "say": "yes"})
        assert forged.status_code in {403, 409}
    assert await state_of(stage, other) == "asked"


async def test_who_asks_is_told_to_a_steward_who_says_so_and_whoever_asked_reads_that(stage: Stage) -> None:
    draw = await asked(stage)
    bo, ada = await signed_in(stage, "bo"), await signed_in(stage, "ada")
    page = await bo.get(f"/today/{draw}")
    assert "Ada" not in text_of(page)
    assert "Whoever asked can read that on their own page for a year; other stewards cannot." in text_of(page)

    told = await bo.send(page, "/who")

    assert "It is Ada. That you looked is written down" in text_of(told)
    assert "Ada" not in text_of(await bo.get(f"/today/{draw}")), "once"
    assert "Bo looked who asked" in text_of(await ada.get(f"/asks/{draw}"))


async def test_the_day_is_for_stewards_who_proved_it_and_are_stewards_still(stage: Stage) -> None:
    draw = await asked(stage)
    cast = stage.cast
    ada, cy = await signed_in(stage, "ada"), await signed_in(stage, "cy")
    weak, bo = await signed_in(stage, "bo", strong=False), await signed_in(stage, "bo")
    page = await bo.get(f"/today/{draw}")
    form = next(form for form in forms_of(page) if form.action.endswith(draw))

    for path in ("/today", f"/today/{draw}", "/today/all/asks"):
        assert (await ada.get(path)).status_code == 403
        assert "/prove?next=" in (await weak.get(path)).headers["location"]
    own = forms_of(await cy.get("/log"))[0].hidden
    assert (await cy.post(f"/g/hillside/today/{draw}", {**own, "say": "yes"})).status_code == 404
    mine = forms_of(await ada.get("/log"))[0].hidden
    assert (await ada.post(form.action, {**mine, "say": "yes"})).status_code == 403
    assert (await bo.post(form.action, {**form.hidden, "csrf": "x", "say": "yes"})).status_code == 403

    await revoke_role(cast.house, cast.group_id, cast.ids["bo"], "steward", now=datetime.now(UTC))
    old = await bo.post(form.action, {**form.hidden, "say": "yes"})
    assert old.status_code in {303, 403}, "the old form of a steward of yesterday"
    assert await state_of(stage, draw) == "asked"


async def test_a_yes_takes_a_fresh_proof(stage: Stage, today: str, fresh_dsn: Dsn) -> None:
    await filled(stage, today)
    draw = await asked(stage)
    bo = await signed_in(stage, "bo")
    await grow_old(fresh_dsn)

    asked_again = await answer(bo, draw, say="part", part="5", words="")

    assert asked_again.status_code == 403
    assert "Prove that it is you" in text_of(asked_again)
    assert await state_of(stage, draw) == "asked"
    assert (await answer(bo, draw, say="aside")).status_code == 303, "that takes none"


async def test_hours_that_two_do_not_agree_on_are_settled_by_a_third(stage: Stage, today: str) -> None:
    body = {
        "minutes": 60,
        "effective_on": today,
        "category": "repairs",
        "receiver": str(stage.cast.ids["ada"]),
    }
    hours = (await stage.post("flo", "/hours", body)).json()["id"]
    await stage.post("ada", f"/hours/{hours}/question", {"minutes": 30, "reason": "It was short"})
    bo = await signed_in(stage, "bo")
    page = await bo.get("/today")
    assert "Flo helped Ada, 1 h" in text_of(page)
    assert "<bdi>Flo</bdi> helped <bdi>Ada</bdi>," in page.text
    assert "One of them says it was 30 min. It was short" in text_of(page)

    wrong = await bo.send(page, hours, time="a bit")
    assert wrong.status_code == 422
    assert text_of(wrong).count("Write how long it was, for example 1:30") == 2
    assert (await bo.send(page, hours, time="45m")).status_code == 303

    assert "Nothing waits." in text_of(await bo.get("/today"))
    assert "hours received 45 min" in text_of(await (await signed_in(stage, "ada")).get("/me"))


async def test_what_is_answered_elsewhere_stands_below_with_its_age(stage: Stage) -> None:
    cast = stage.cast
    bo, di = await signed_in(stage, "bo"), await signed_in(stage, "di")
    assert "Also waiting" not in text_of(await di.get("/today"))
    await stage.post("bo", f"/members/{cast.ids['ada']}/roles", {"give": ["treasurer"]})
    await stage.post("bo", "/settings", {"joining": "request"})
    key = (await stage.get(None, "/joining")).json()["key"]
    await stage.post(None, "/join-requests", {"nickname": "Ines"}, key=key)

    page = await di.get("/today")
    theirs, own = text_of(page), text_of(await bo.get("/today"))

    assert "A duty for <bdi>Ada</bdi> waits" in page.text
    assert "2 other things" in theirs
    assert "A duty for Ada waits for a second yes: treasurer waiting since today" in theirs
    assert "1 person asks to join waiting since today" in theirs
    assert "A duty for Ada" not in own, "it waits for somebody else"


async def test_a_group_whose_address_begins_like_a_page_finds_that_page_all_the_same(
    stage: Stage, fresh_dsn: Dsn
) -> None:
    for table in ("groups", "published_slugs", "published_groups"):
        rename = f"UPDATE timebank.{table} SET slug = 'import' WHERE slug = 'riverside'"
        await run(fresh_dsn, SUPERUSER, rename)
    bo = replace(await signed_in(stage, "bo"), slug="import")

    page = await bo.get("/today")

    assert 'href="/g/import/log/many">Log for others</a>' in page.text
    assert 'href="/g/import/import">Bring in a file</a>' in page.text
    assert "Key them in row by row, or bring in a file with their rows." in text_of(page)
    assert (await bo.get("/log/many")).status_code == 200


async def test_a_lost_link_is_made_anew_and_the_one_before_leads_nowhere(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    await filled(stage, today)
    terms = {"approvals": [{"above": 0, "count": 1}], "who": "anyone"}
    await stage.post("bo", "/policies/money", {"terms": terms})
    first = (await stage.http.get("/g/riverside/a")).headers["location"]
    form = forms_of(await stage.http.get(first))[0]
    sent = await stage.http.post(form.action, data={**form.hidden, **SAMPLE})
    assert sent.status_code == 303
    bo = await signed_in(stage, "bo")
    draw = (await stage.get("bo", "/draws")).json()["draws"][0]["id"]
    page = await bo.get(f"/today/{draw}")
    assert "I need to know who" not in text_of(page), "there is no account to look up"

    slip = await bo.send(page, "/link")
    again = await bo.send(page, "/link")

    link = re.search(r'<bdi dir="ltr">http://localhost(/g/riverside/a/[^<]+)</bdi>', slip.text)
    assert link is not None
    assert link[1] in again.text, "sent twice, it is the same one"
    assert "Your code, to ask by telephone:" in text_of(slip)
    assert 'class="qr"' in slip.text
    assert (await stage.http.get(link[1])).status_code == 200
    assert (await stage.http.get(first)).status_code == 404
    await answer(bo, draw, say="yes", **{"not-own": "yes"})
    page = await bo.get("/today")
    assert "Lost links" in text_of(page)
    await grow_old(fresh_dsn)
    assert (await bo.send(page, "/link")).status_code == 403
    assert (await stage.http.get(link[1])).status_code == 200, "nothing happened without the proof"
