"""Asking on a page: what the rules say, one ask however often the button is pressed, and the way to its end."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.cast import Stage, cast, house, stage, today
from tests.web.member import Member, forms_of, signed_in, text_of

__all__ = ["cast", "house", "stage", "today"]

SAMPLE: dict[str, str] = {"pot": "money", "amount": "12.50", "kind": "repairs"}

WRONG: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"pot": ""}, "pot", "Choose what would help"),
    ({"pot": "gold"}, "pot", "Choose what would help"),
    ({"amount": ""}, "amount", "Write an amount, for example 12.50"),
    ({"amount": "-5"}, "amount", "Write an amount, for example 12.50"),
    ({"amount": "NaN"}, "amount", "Write an amount, for example 12.50"),
    ({"amount": "12.5051"}, "amount", "fewer digits after the point"),
    ({"amount": "1.500"}, "amount", "this could be two amounts"),
    ({"amount": "0"}, "amount", "Write an amount above nought"),
    ({"pot": "hours", "amount": "soon"}, "amount", "Write hours and minutes, for example 1:30"),
    ({"kind": ""}, "kind", "Choose what it is for"),
    ({"needed_by": "2020-01-01"}, "needed-by", "Choose today or a later day, or leave it empty"),
    ({"needed_by": "soon"}, "needed-by", "Choose today or a later day, or leave it empty"),
    ({"contact": "x" * 301}, "contact", "at most 300 characters"),
    ({"payout": "a\x07"}, "payout", "at most 300 characters"),
)


async def ask(member: Member, **fields: str) -> Member:
    """Ask, and be on the page of the ask."""
    await member.follow(await member.send(await member.get("/ask"), "/ask", **{**SAMPLE, **fields}))
    return member


async def asks_of(stage: Stage, name: str = "ada") -> int:
    return len((await stage.get(name, "/draws")).json()["draws"])


async def test_the_form_says_the_rules_and_who_will_see_what_under_a_neutral_title(stage: Stage) -> None:
    page = await (await signed_in(stage, "ada")).get("/ask")

    said = text_of(page)
    assert "Asking never looks at what is in the pot." in said
    assert "Up to €30.00: one steward says yes. Above €30.00: two stewards say yes." in said
    assert "A member who looks at the pot every day sees that it was promised" in said
    assert "A steward who needs to know who must say so" in said
    assert re.search(r"<title>\s*Riverside</title>", page.text)
    assert "Leave this page now" in said
    assert page.headers["cache-control"] == "no-store"


async def test_the_form_comes_before_the_rules_and_leads_to_them(stage: Stage) -> None:
    page = (await (await signed_in(stage, "ada")).get("/ask")).text

    assert page.index('href="#rules"') < page.index('<form class="form"') < page.index('id="rules"')


async def test_an_ask_says_who_does_what_and_where_to_ask_again_once_it_is_over(stage: Stage) -> None:
    ada = await ask(await signed_in(stage, "ada"))
    said = text_of(ada.last)
    for words in (
        "Looked at A steward does this; for their own ask it is another one.",
        "The stewards say it, by the rules of the pot.",
        "On its way A treasurer hands it over, and writes it down.",
    ):
        assert words in said
    assert "Ask again" not in said

    await ada.follow(
        await ada.post(forms_of(ada.last)[0].action, {**forms_of(ada.last)[0].hidden, "act": "cancel"})
    )

    assert "Taken back You said so. Nothing is held against you." in text_of(ada.last)
    assert re.search(r'href="/g/riverside/ask"[^>]*>Ask again<', ada.last.text)


async def test_an_ask_is_sent_once_and_can_be_followed(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")
    page = await ada.get("/ask")

    first = await ada.send(page, "/ask", **SAMPLE, contact="Ring 07", payout="Cash")
    second = await ada.send(page, "/ask", **SAMPLE, contact="Ring 07", payout="Cash")

    assert first.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert await asks_of(stage) == 1
    status = await ada.follow(first)
    said = text_of(status)
    assert "We have your ask €12.50 · repairs" in said
    assert "A steward looks at it next." in said
    assert "Nobody has looked who you are." in said
    assert re.search(r"<title>\s*Riverside</title>", status.text)
    assert "€12.50: received, waiting for a yes" in text_of(await ada.get("/me"))


async def test_what_is_wrong_stands_beside_its_field_and_above_and_the_rest_stays(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")
    page = await ada.get("/ask")

    for fields, field, advice in WRONG:
        answer = await ada.send(page, "/ask", **{**SAMPLE, "contact": "Kept <b>", **fields})

        assert answer.status_code == 422, fields
        assert text_of(answer).count(advice) == 2, fields
        assert f'href="#{field}"' in answer.text, fields
        assert f'id="{field}"' in answer.text, fields
        assert f'id="{field}-fault"' in answer.text, fields
        assert "contact" in fields or 'value="Kept &lt;b&gt;"' in answer.text
        assert forms_of(page)[0].hidden["key"] != forms_of(answer)[0].hidden["key"]
    assert await asks_of(stage) == 0


async def test_a_status_page_is_for_whoever_asked(stage: Stage) -> None:
    ada = await ask(await signed_in(stage, "ada"))
    place = ada.last.request.url.path.removeprefix("/g/riverside")
    form = forms_of(ada.last)[0]
    nowhere = "/asks/00000000-0000-4000-8000-000000000000"

    for name in ("flo", "bo", "ed", "cy"):
        somebody = await signed_in(stage, name)
        theirs, none = await somebody.get(place), await somebody.get(nowhere)
        assert theirs.status_code == none.status_code == 404, name
        assert theirs.content == none.content, name
        own = forms_of(await somebody.get("/log"))[0].hidden
        tried = await somebody.post(f"/g/{somebody.slug}{place}", {**own, "act": "cancel"})
        assert tried.status_code == 404, name
    assert (await ada.post(form.action, {**form.hidden, "csrf": "x", "act": "cancel"})).status_code == 403
    assert (await ada.post(form.action, {**form.hidden, "act": "steal"})).status_code == 400
    assert "We have your ask" in text_of(await ada.get(place))


async def test_an_ask_is_taken_back_once(stage: Stage) -> None:
    ada = await ask(await signed_in(stage, "ada"))
    status = ada.last

    gone = await ada.follow(await ada.send(status, act="cancel"))

    assert "You took it back" in text_of(gone)
    assert forms_of(gone) == []
    assert (await ada.send(status, act="cancel")).status_code == 303
    form = forms_of(status)[0]
    late = await ada.post(form.action, {**form.hidden, "key": "C" * 22, "act": "cancel"})
    assert late.status_code == 409
    assert "You took it back" in text_of(late)


async def test_a_question_is_answered(stage: Stage) -> None:
    ada = await ask(await signed_in(stage, "ada"))
    place = ada.last.request.url.path
    draw = place.rpartition("/")[2]
    await stage.post("bo", f"/draws/{draw}/question", {"text": "Which day suits you?"})

    status = await ada.get(place.removeprefix("/g/riverside"))
    assert "Your ask is being looked at" in text_of(status)
    assert "Which day suits you?" in text_of(status)
    empty = await ada.send(status, act="answer", text=" ")
    assert empty.status_code == 422
    assert text_of(empty).count("Write an answer") == 2
    told = await ada.follow(await ada.send(status, act="answer", text="Friday"))

    assert "You answered: Friday" in text_of(told)


async def test_whoever_is_not_signed_in_reads_how_to_ask(stage: Stage) -> None:
    answer = await stage.http.get("/g/riverside/ask")

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert 'href="/g/riverside/sign-in?next=%2Fg%2Friverside%2Fask"' in answer.text
    assert "/g/riverside/a" not in answer.text.replace("/g/riverside/ask", "")
    assert "Leave this page now" in text_of(answer)
    assert re.search(r"<title>\s*Riverside</title>", answer.text)
    forged = await stage.http.post("/g/riverside/ask", data=SAMPLE)
    assert forged.status_code == 303, "to the way in, and nothing is asked"


async def test_another_amount_is_asked_for_on_the_page_of_the_ask(stage: Stage) -> None:
    ada = await ask(await signed_in(stage, "ada"))
    form = next(form for form in forms_of(ada.last) if "amount" in form.names)

    wrong = await ada.post(form.action, {**form.hidden, "act": "change", "amount": "a lot"})
    assert wrong.status_code == 422
    assert text_of(wrong).count("Write an amount, for example 12.50") == 2
    assert 'value="a lot"' in wrong.text
    changed = await ada.follow(await ada.post(form.action, {**form.hidden, "act": "change", "amount": "8"}))

    assert "€8.00" in text_of(changed)
    assert [draw["asked"] for draw in (await stage.get("ada", "/draws")).json()["draws"]] == [800]


async def test_a_steward_asks_for_somebody_else_and_a_stand_in_for_theirs(stage: Stage) -> None:
    bo, ed = [await signed_in(stage, name) for name in ("bo", "ed")]
    page = await bo.get("/ask", **{"for": "other"})
    assert "You ask for" in text_of(page)
    assert "You ask for" not in text_of(await ed.get("/ask"))
    wrong = await bo.send(page, "/ask", **SAMPLE, whom="Nobody")
    assert wrong.status_code == 422
    assert 'id="whom-fault"' in wrong.text
    await bo.follow(await bo.send(page, "/ask", **SAMPLE, whom="Flo"))
    assert await asks_of(stage, "flo") == 1

    tie = {"stand_in": str(stage.cast.ids["flo"]), "for": str(stage.cast.ids["ada"]), "consent": "said"}
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert (
        await stage.post("ada", "/stand-ins", {**tie, "scopes": ["ask"], "until": until})
    ).status_code == 201
    flo = await signed_in(stage, "flo")
    await flo.follow(await flo.send(await flo.get("/ask", **{"for": tie["for"]}), "/ask", **SAMPLE))
    assert await asks_of(stage, "ada") == 1
    form = forms_of(await ed.get("/ask"))[0]
    refused = await ed.post(form.action, {**form.hidden, **SAMPLE, "voice": tie["for"]})
    assert refused.status_code == 422
    also = await ed.post(
        form.action, {**form.hidden, **SAMPLE, "voice": "other", "whom": "Ada", "key": "E" * 22}
    )
    assert also.status_code >= 400
    assert await asks_of(stage, "ada") == 1
