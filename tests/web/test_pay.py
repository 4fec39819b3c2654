"""Handing over on a page: promised money only, one look at a time, and never by whoever asked or said yes."""

from __future__ import annotations

import re

import pytest

from tests.cast import Stage, cast, house, stage, today
from tests.database import Dsn
from tests.web.member import forms_of, grow_old, signed_in, text_of
from tests.web.test_today import asked, filled, state_of

__all__ = ["cast", "house", "stage", "today"]


async def promised(stage: Stage, today: str, name: str = "ada", **fields: object) -> str:
    await filled(stage, today)
    draw = await asked(stage, name, **fields)
    assert (await stage.post("bo", f"/draws/{draw}/approve", None)).status_code == 200
    return draw


async def test_an_empty_list_says_so(stage: Stage) -> None:
    page = await (await signed_in(stage, "ed")).get("/pay")

    assert "Nothing waits to be handed over." in text_of(page)
    assert page.headers["cache-control"] == "no-store"


async def test_only_what_is_promised_stands_there_and_papers_are_looked_at_one_by_one(
    stage: Stage, today: str
) -> None:
    draw = await promised(stage, today, contact="The blue door", payout="Cash")
    await asked(stage, "flo", amount=700, contact="Never shown")
    ed, ada = await signed_in(stage, "ed"), await signed_in(stage, "ada")
    page = await ed.get("/pay")
    said = text_of(page)
    assert "€12.50 to a neighbour" in said
    assert "€7.00" not in said
    assert "The blue door" not in said

    looked = await ed.send(page, "/papers")

    assert "How to reach them The blue door Where it should go Cash" in text_of(looked)
    assert "Ada" not in text_of(looked)
    assert "The blue door" not in text_of(await ed.get("/pay"))
    assert "Ed looked how to reach you and where the money should go" in text_of(
        await ada.get(f"/asks/{draw}")
    )


async def test_money_is_handed_over_once_and_arrives(stage: Stage, today: str) -> None:
    draw = await promised(stage, today)
    ed, ada = await signed_in(stage, "ed"), await signed_in(stage, "ada")
    page = await ed.get("/pay")

    done = await ed.follow(await ed.send(page, draw, held="cash-box", amount="12.50", day=today))
    assert "It is written: handed over." in text_of(done)
    assert "Nothing waits to be handed over." in text_of(done)
    assert (await ed.send(page, draw, held="cash-box", amount="12.50", day=today)).status_code == 303
    assert await state_of(stage, draw) == "handed_over"

    status = await ada.get(f"/asks/{draw}")
    assert "It was handed over. Has it arrived?" in text_of(status)
    assert "It has arrived" in text_of(await ada.follow(await ada.send(status, act="arrived")))
    assert await state_of(stage, draw) == "arrived"


async def test_a_part_may_be_handed_over_today_without_a_day_and_the_rest_waits(
    stage: Stage, today: str
) -> None:
    draw = await promised(stage, today)
    ed = await signed_in(stage, "ed")

    done = await ed.follow(await ed.send(await ed.get("/pay"), draw, held="cash-box", amount="5", day=" "))

    assert "€7.50 to a neighbour" in text_of(done)


async def test_what_is_wrong_stands_in_place(stage: Stage, today: str) -> None:
    draw = await promised(stage, today)
    ed = await signed_in(stage, "ed")
    page = await ed.get("/pay")

    for fields, field, advice in (
        ({"held": ""}, "held", "Choose where the money is taken from"),
        ({"held": "safe"}, "held", "Choose where the money is taken from"),
        ({"amount": "all"}, "amount", "Write an amount, for example 12.50"),
        ({"amount": "1.500"}, "amount", "Write it another way: this could be two numbers"),
        ({"day": "2999-01-01"}, "day", "Choose today or an earlier day"),
        ({"day": "2020-01-01"}, "day", "Choose a later day: the book begins on"),
        ({"day": "x"}, "day", "Choose a day"),
    ):
        wrong = await ed.send(page, draw, **{"held": "cash-box", "amount": "5", "day": today, **fields})
        assert wrong.status_code == 422, fields
        assert text_of(wrong).count(advice) == 2, fields
        assert f'href="#{field}-{draw}"' in wrong.text
        assert f'id="{field}-{draw}"' in wrong.text
        told = f'data-sight="{draw}" data-told' in wrong.text
        assert told == (field == "held"), "of what cannot be read nobody knows what will be seen"
    more = await ed.send(page, draw, held="cash-box", amount="13", day=today)
    assert more.status_code == 409
    assert f'href="#amount-{draw}"' in more.text
    assert "Only €12.50 is still promised; €13.00 was to be handed over." in text_of(more), "not in cents"
    assert await state_of(stage, draw) == "promised"


async def test_the_list_is_for_treasurers_and_handing_over_takes_a_fresh_proof(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    draw = await promised(stage, today)
    ada, bo, cy = [await signed_in(stage, name) for name in ("ada", "bo", "cy")]
    fields = {"held": "cash-box", "amount": "12.50", "day": today}
    own = forms_of(await cy.get("/log"))[0].hidden
    for path in (f"/g/hillside/pay/{draw}", f"/g/hillside/pay/{draw}/papers"):
        assert (await cy.post(path, {**own, **fields})).status_code == 404
    late = await signed_in(stage, "ed")
    await grow_old(fresh_dsn)
    weak = await signed_in(stage, "ed", strong=False)
    page = await late.get("/pay")
    form = next(form for form in forms_of(page) if form.action.endswith(draw))

    for somebody in (ada, bo):
        assert (await somebody.get("/pay")).status_code == 403
        own = forms_of(await somebody.get("/log"))[0].hidden
        assert (await somebody.post(form.action, {**own, **fields})).status_code == 403
        assert (await somebody.post(f"{form.action}/papers", own)).status_code == 403
    assert "/prove?next=" in (await weak.get("/pay")).headers["location"]
    assert (await late.post(form.action, {**form.hidden, "csrf": "", **fields})).status_code == 403
    for answer in (await late.send(page, draw, **fields), await late.send(page, "/papers")):
        assert answer.status_code == 403
        assert "Prove that it is you" in text_of(answer)
    assert await state_of(stage, draw) == "promised"


async def test_whoever_asked_does_not_hand_over(stage: Stage, today: str) -> None:
    draw = await promised(stage, today, "ed")
    ed = await signed_in(stage, "ed")

    page = await ed.get("/pay")

    assert "You asked this: somebody else hands it over." in text_of(page)
    assert [form for form in forms_of(page) if draw in form.action] == []
    own = forms_of(await ed.get("/log"))[0].hidden
    forged = await ed.post(
        f"/g/riverside/pay/{draw}", {**own, "held": "cash-box", "amount": "1", "day": today}
    )
    assert forged.status_code in {403, 409}
    assert await state_of(stage, draw, "ed") == "promised"


async def test_a_hand_over_is_undone_on_its_receipt_and_promised_again(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    draw = await promised(stage, today)
    ed, ada = await signed_in(stage, "ed"), await signed_in(stage, "ada")
    await ed.send(await ed.get("/pay"), draw, held="cash-box", amount="12.50", day=today)
    page = await ed.get("/pay")
    assert "whoever asked has not said yet that it has arrived" in text_of(page)
    entry = re.search(r'href="/g/riverside(/money/entries/[^"]+)"', page.text)
    assert entry is not None
    receipt = await ed.get(entry[1])
    assert "Handed over: €12.50" in text_of(receipt)
    assert "Ada" not in text_of(receipt)

    own = forms_of(await ada.get("/log"))[0].hidden
    assert (await ada.post(f"/g/riverside{entry[1]}/undo", own)).status_code == 403
    undone = await ed.follow(await ed.send(receipt, "/undo", reason="A slip"))

    assert "It is taken back: a second line says so" in text_of(undone)
    assert "Note A slip" in text_of(undone)
    assert await state_of(stage, draw) == "promised"
    again = await ed.get("/pay")
    assert "€12.50 to a neighbour" in text_of(again)
    assert "Nothing was handed over yet." in text_of(again)
    await ed.send(again, draw, held="cash-box", amount="12.50", day=today)
    late = re.search(r'href="/g/riverside(/money/entries/[^"]+)"', (await ed.get("/pay")).text)
    assert late is not None
    page = await ed.get(late[1])
    await grow_old(fresh_dsn)
    assert "Prove that it is you" in text_of(await ed.send(page, "/undo"))
    assert await state_of(stage, draw) == "handed_over"


async def test_a_part_that_came_back_is_the_pots_again_and_the_rest_stays_handed_over(
    stage: Stage, today: str
) -> None:
    draw = await promised(stage, today)
    ed, bo = await signed_in(stage, "ed"), await signed_in(stage, "bo")
    await ed.send(await ed.get("/pay"), draw, held="cash-box", amount="12.50", day=today)
    entry = re.search(r'href="/g/riverside(/money/entries/[^"]+)"', (await ed.get("/pay")).text)
    assert entry is not None
    receipt = await ed.get(entry[1])
    assert "Did a part of it come back?" not in text_of(await bo.get(entry[1])), "it is for treasurers"

    for fields, field in (
        ({"held": "cash-box", "back": ""}, "back"),
        ({"held": "cash-box", "back": "12.51"}, "back"),
        ({"held": "", "back": "1"}, "back-held"),
        ({"held": "nowhere", "back": "1"}, "back-held"),
    ):
        wrong = await ed.send(receipt, "/return", **fields)
        assert wrong.status_code in {409, 422}, fields
        assert f'href="#{field}"' in wrong.text, fields
        assert f'id="{field}-fault"' in wrong.text, fields
        assert f'value="{fields["back"]}"' in wrong.text
        receipt = wrong
    done = [await ed.send(receipt, "/return", held="cash-box", back="2.50") for _ in range(2)]

    assert done[0].headers["location"] == done[1].headers["location"], "pressed twice, it came back once"
    shown = text_of(await ed.follow(done[0]))
    assert "Came back: €2.50" in shown
    state = (await stage.get("ada", f"/draws/{draw}")).json()
    assert (state["state"], state["handed"]) == ("handed_over", 1000)
    money = forms_of(await bo.get("/log"))[0].hidden
    assert (await bo.post(f"/g/riverside{entry[1]}/return", money)).status_code == 403


async def test_a_hand_over_stands_there_however_much_came_in_after_it(
    stage: Stage, today: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timebank.web.pay._LATELY", 2)
    draw = await promised(stage, today)
    ed = await signed_in(stage, "ed")
    await ed.send(await ed.get("/pay"), draw, held="cash-box", amount="12.50", day=today)
    for _ in range(3):
        await filled(stage, today)

    page = await ed.get("/pay")

    assert "whoever asked has not said yet that it has arrived" in text_of(page)
    assert "Nothing was handed over yet." not in text_of(page)
    assert page.text.count('href="/g/riverside/money/entries/') == 1


async def test_what_is_not_needed_goes_back_and_two_at_once_lose_nothing(stage: Stage, today: str) -> None:
    draw = await promised(stage, today)
    ed = await signed_in(stage, "ed")
    one, two = await ed.get("/pay"), await ed.get("/pay")

    for amount in ("some", "13"):
        wrong = await ed.send(await ed.get("/pay"), "/back", back=amount)
        assert wrong.status_code in {409, 422}
        assert f'href="#back-{draw}"' in wrong.text
        assert f'aria-describedby="back-{draw}-fault back-{draw}-hint" aria-invalid="true"' in wrong.text
        assert f'value="{amount}"' in wrong.text
    part = await ed.follow(await ed.send(one, "/back", back="2.50"))
    assert "It is written: back in the pot." in text_of(part)
    assert "€10.00 to a neighbour" in text_of(part)
    await ed.send(part, draw, held="cash-box", amount="10", day=today)
    late = await ed.send(two, draw, held="cash-box", amount="12.50", day=today)

    assert late.status_code == 409
    assert "this ask does not wait any more, and nothing was written just now" in text_of(late)
    assert 'id="lately"' in late.text
    assert await state_of(stage, draw) == "handed_over"
