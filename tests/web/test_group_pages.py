"""What a steward changes about the group and its rules is looked at in words before it counts, and kept afterwards."""

from __future__ import annotations

import re

from tests.cast import Stage, cast, house, stage, today
from tests.database import Dsn
from tests.web.member import Member, fields_of, forms_of, grow_old, signed_in, text_of

__all__ = ["cast", "house", "stage", "today"]

MONEY = "/group/rules/money"


async def change(member: Member, path: str, **fields: str) -> tuple[str, dict[str, str | list[str]]]:
    """Fill in the form of a page; return its address, and everything that a browser would send."""
    page = await member.get(path)
    form = next(form for form in forms_of(page) if form.action.endswith(path))
    return form.action, {**fields_of(page.text), **fields}


async def test_rules_are_read_in_words_with_what_is_different_before_they_count_also_when_others_were_first(
    stage: Stage,
) -> None:
    bo = await signed_in(stage, "bo")
    action, fields = await change(bo, MONEY, per_request_max="50", **{"tier-1-above": "40"})

    looked = await bo.post(action, {**fields, "say": "look"})

    said = text_of(looked)
    assert looked.status_code == 200
    assert "New. Up to €50.00 for one ask." in said
    assert "No longer. Up to €30.00: one steward says yes. Above €30.00: two stewards say yes." in said
    assert "New. Up to €40.00: one steward says yes. Above €40.00: two stewards say yes." in said
    assert "approvals[1].above €30.00 €40.00" in said, "as people write amounts, not in smallest coins"
    assert "per_request_max – €50.00" in said
    assert "Version 2, at once:" in said
    rules = "/g/riverside/rules"
    assert "€50.00" not in (await stage.http.get(rules)).text, "nothing counts so far"

    (form,) = forms_of(looked)
    for _ in range(2):
        agreed = await bo.post(form.action, {**fields_of(looked.text), "say": "agree"})
        assert agreed.status_code == 303
    public = await stage.http.get(rules)
    shown = text_of(public)
    assert "Version 2, agreed on" in shown
    assert "Version 3" not in shown
    assert "New. Up to €50.00 for one ask." in shown
    assert "no-store" not in public.headers["cache-control"]
    assert "set-cookie" not in public.headers
    assert "Bo" not in shown

    # Another steward publishes something meanwhile: a form of an older version is looked at again.
    di = await signed_in(stage, "di")
    action, fields = await change(bo, MONEY, per_request_max="60")
    looked = await bo.post(action, {**fields, "say": "look"})
    _, others = await change(di, MONEY, consent_hours="24")
    published = await di.post(action, {**others, "say": "look"})
    await di.post(action, {**fields_of(published.text), "say": "agree"})

    stale = await bo.post(action, {**fields_of(looked.text), "say": "agree"})

    assert stale.status_code == 409
    assert "Somebody published another version meanwhile." in text_of(stale)
    assert "No longer. After the last yes, any steward may object for 24 h." in text_of(stale)
    again = await bo.post(action, {**fields_of(stale.text), "say": "agree"})
    assert again.status_code == 303
    assert "Version 4, agreed on" in text_of(await stage.http.get("/g/riverside/rules"))


async def test_rules_that_cannot_be_are_refused_at_their_fields_and_those_of_presets_can_be(
    stage: Stage,
) -> None:
    bo = await signed_in(stage, "bo")
    assert (await bo.get(MONEY)).text.count('<details class="fold">') == 5
    for fault, field in (
        ({"per_request_max": "much"}, "per_request_max"),
        ({"tier-0-count": "10"}, "tier-0-count"),
        ({"tier-0-count": ""}, "tier-0-count"),
        (
            {"tier-1-above": "30", "tier-1-count": "1", "tier-2-above": "20", "tier-2-count": "2"},
            "tier-0-count",
        ),
        ({"cap-0-sum": "50", "cap-0-period": "days"}, "cap-0-days"),
        ({"consent_hours": "999"}, "consent_hours"),
        ({"rhythm_every": "fortnight"}, "rhythm_first"),
        ({"surplus_above": "10", "surplus_keep": "20"}, "surplus_keep"),
        ({"promise_days": "-1"}, "promise_days"),
    ):
        action, fields = await change(bo, MONEY, **fault, stewards_text="Kept as typed")
        wrong = await bo.post(action, {**fields, "say": "look"})
        assert wrong.status_code == 422, fault
        assert f'href="#{field}"' in wrong.text, fault
        assert f'id="{field}-fault"' in wrong.text, fault
        assert f'id="{field}"' in wrong.text, fault
        assert "Kept as typed" in wrong.text
        assert 'open>\n   <summary><span class="ask-line" id="part-words">' in wrong.text, "it is different"
        folded = wrong.text.count('<details class="fold">')
        assert folded == (4 if field == "per_request_max" or field.startswith("surplus") else 3), fault
    assert "Version 1, agreed on" in text_of(await stage.http.get("/g/riverside/rules"))

    for pot, names in (
        ("money", ("trust", "two", "circle")),
        ("hours", ("trust", "two", "circle", "time_bank")),
    ):
        for name in names:
            page = await bo.get(f"/group/rules/{pot}", **{"from": name})
            looked = await bo.post(f"/g/riverside/group/rules/{pot}", {**fields_of(page.text), "say": "look"})
            assert looked.status_code == 200, (pot, name)
            back = await bo.post(
                f"/g/riverside/group/rules/{pot}", {**fields_of(looked.text), "say": "change"}
            )
            same, again = fields_of(page.text), fields_of(back.text)
            assert {k: v for k, v in again.items() if k != "key"} == {
                k: v for k, v in same.items() if k != "key"
            }


async def test_beside_every_amount_of_the_rules_stands_what_it_is_written_in(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")
    of_both = {"per_request_max", "reserve", "receipts_above", "surplus_above", "surplus_keep", "cap-0-sum"}

    for pot, unit, more in (("money", "euros", {"tier-1-above"}), ("hours", "hours : minutes", {"limit_at"})):
        page = (await bo.get(f"/group/rules/{pot}", **{"from": "two"})).text
        beside = dict(re.findall(r'id="([\w-]+)-unit">([^<]*)<', page))
        assert of_both | more <= set(beside)
        assert set(beside.values()) == {unit}
        for name in beside:
            assert re.search(rf'<input [^>]*id="{name}"[^>]* aria-describedby="{name}-unit"', page), name
    action, fields = await change(bo, MONEY, reserve="x")
    wrong = await bo.post(action, {**fields, "say": "look"})
    assert 'aria-describedby="reserve-fault reserve-unit" aria-invalid="true"' in wrong.text


async def test_settings_are_looked_at_before_they_change_are_refused_at_their_fields_and_kept(
    stage: Stage,
) -> None:
    bo = await signed_in(stage, "bo")
    action, fields = await change(
        bo, "/group", name="Riverside Commons", confirm_days="14", category="garden"
    )
    nothing = await bo.post(action, {**(await change(bo, "/group"))[1], "say": "look"})
    assert nothing.status_code == 422
    assert "Nothing is different so far" in text_of(nothing)

    looked = await bo.post(action, {**fields, "say": "look"})

    assert "Riverside Commons" in text_of(looked)
    assert "Name and languages, from the next close on." in text_of(looked)
    assert (await stage.get("bo", "/settings")).json()["confirm_days"] == 7
    for _ in range(2):
        saved = await bo.post(action, {**fields_of(looked.text), "say": "save"})
        assert saved.status_code == 303, text_of(saved)
    page = await bo.follow(saved)
    assert "Changed." in text_of(page)
    settings = (await stage.get("bo", "/settings")).json()
    assert (settings["name"], settings["confirm_days"]) == ("Riverside Commons", 14)
    assert "garden" in settings["categories"]
    history = text_of(page).partition("What was changed")[2]
    assert "· Bo" in history
    assert "Days until silence is a yes" in history
    assert len((await stage.get("bo", "/settings/history")).json()["changes"]) == 1

    for fault, field in (
        ({"name": " "}, "name"),
        ({"confirm_days": "0"}, "confirm_days"),
        ({"confirm_days": "soon"}, "confirm_days"),
        ({"category": "cooking"}, "category"),
        ({"people": "2", "preset": "careful"}, "people"),
        ({"people": "x"}, "people"),
    ):
        action, fields = await change(bo, "/group", **fault)
        wrong = await bo.post(action, {**fields, "say": "look"})
        assert wrong.status_code == 422, fault
        assert f'href="#{field}"' in wrong.text, fault
        assert f'id="{field}-fault"' in wrong.text, fault


async def test_another_way_of_publishing_says_what_follows_and_begins_with_the_next_period(
    stage: Stage, fresh_dsn: Dsn
) -> None:
    bo = await signed_in(stage, "bo")
    action, fields = await change(bo, "/group", preset="sheltered")
    looked = await bo.post(action, {**fields, "say": "look"})
    said = text_of(looked)
    assert "A page is written every month, with totals only." in said
    assert "at least 5 different people" in said
    assert "It holds for what is written from" in said
    assert "what is out stays out" in said
    await grow_old(fresh_dsn)
    asked = await bo.post(action, {**fields_of(looked.text), "say": "save"})
    assert asked.status_code == 403
    assert "Prove that it is you" in text_of(asked)

    bo = await signed_in(stage, "bo")
    _, fields = await change(bo, "/group", preset="sheltered")
    looked = await bo.post(action, {**fields, "say": "look"})
    page = await bo.follow(await bo.post(action, {**fields_of(looked.text), "say": "save"}))
    assert "comes out in another way: month by month, totals only." in text_of(page)
    assert (await stage.get("bo", "/settings")).json()["next_preset"] == "sheltered"


async def test_the_next_close_is_told_to_stewards_without_a_button_and_without_counts_of_people(
    stage: Stage, today: str
) -> None:
    body = {"minutes": 45, "effective_on": "2026-02-01", "category": "cooking"}
    assert (await stage.post("ada", "/hours", body)).status_code == 201
    bo = await signed_in(stage, "bo")

    page = await bo.get("/group/close")

    said = text_of(page)
    assert "It comes by itself once" in said
    assert "1 entry was written since the last close." in said
    assert "No day is closed so far." in said
    assert forms_of(page) == []
    assert "Ada" not in said
