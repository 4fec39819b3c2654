"""Pages of treasurers: money in, counts that take two people, and what only those with a duty may see or do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import httpx

from tests.cast import Stage, cast, house, stage, today
from tests.database import Dsn
from tests.web.member import Member, forms_of, grow_old, signed_in, text_of
from tests.web.test_today import filled
from timebank.i18n import language
from timebank.rules.publication import PublicGroup
from timebank.services.members import grant_role
from timebank.web.sight import published_gift, published_with_its_pot

__all__ = ["cast", "house", "stage", "today"]

BOX = {"amount": "12.50", "held": "cash-box"}


async def write_down(member: Member, form: httpx.Response, ending: str, **fields: str) -> httpx.Response:
    """Fill a form, look at it once more, and press the button there."""
    check = await member.send(form, ending, **fields)
    assert check.status_code == 200, text_of(check)
    return await member.send(check, ending, checked="yes")


async def figures(stage: Stage) -> dict[str, int]:
    held = (await stage.get("bo", "/held")).json()["held"]
    return {place["held"]: place["amount"] for place in held}


async def test_money_is_looked_at_written_once_and_taken_back(stage: Stage, today: str) -> None:
    ed = await signed_in(stage, "ed")
    empty = await ed.get("/money")
    assert "Nothing came in or went out yet." in text_of(empty)
    form = await ed.get("/money/in")
    fields = {**BOX, "day": today, "giver": "ada", "reference": "Statement 7"}

    check = await ed.send(form, "/in", **fields)
    said = text_of(check)
    for words in (
        "€12.50",
        "You wrote “12.50”.",
        "cash box",
        "Ada finds it in their own statement.",
        "Statement 7",
    ):
        assert words in said
    assert "Given 12.50" in said, "what the public will see, to the cent"
    assert await figures(stage) == {"bank": 0, "cash-box": 0}
    written = await ed.send(check, "/in", checked="yes")
    again = await ed.send(check, "/in", checked="yes")
    assert written.headers["location"] == again.headers["location"]
    receipt = await ed.follow(written)
    assert "Given: €12.50" in text_of(receipt)
    assert "Ada" not in text_of(receipt)
    assert "somebody of the group" in text_of(receipt)
    assert re.search(r"<code dir=\"ltr\">[0-9A-Z-]{9,}</code>", receipt.text)
    assert await figures(stage) == {"bank": 0, "cash-box": 1250}

    twice = await write_down(ed, await ed.get("/money/in"), "/in", **{**fields, "reference": " statement 7 "})
    assert twice.status_code == 409
    assert f'href="{written.headers["location"]}"' in twice.text
    assert 'href="#reference"' in twice.text
    assert 'value="12.50"' in twice.text, "nothing that was written is lost"
    other = await write_down(ed, twice, "/in", **{**fields, "again": "yes"})
    assert other.headers["location"] != written.headers["location"]

    undone = await ed.follow(await ed.send(receipt, "/undo", held="cash-box", reason="A slip"))
    assert "It is taken back: a second line says so" in text_of(undone)
    assert "Note A slip" in text_of(undone)
    assert "What they call it" not in text_of(undone), "a reason is no reference"
    gone = await ed.get(written.headers["location"].removeprefix("/g/riverside"))
    assert "It is taken back" in text_of(gone)
    assert [form for form in forms_of(gone) if form.action.endswith("/undo")] == []
    assert await figures(stage) == {"bank": 0, "cash-box": 1250}
    assert "Corrected" in text_of(await ed.get("/money"))


async def test_a_refused_undo_keeps_what_was_written_and_shows_what_the_public_will_see(
    stage: Stage, today: str
) -> None:
    ed = await signed_in(stage, "ed")
    given = await write_down(ed, await ed.get("/money/in"), "/in", **BOX, day=today)
    receipt = await ed.follow(given)
    told = text_of(receipt).partition("Where is the money now?")[2].partition("Undo this entry")[0]
    assert "The public will see Money In Out Corrected 12.50" in told, "made as a close makes it"
    assert "for treasurers alone" in told

    empty = await ed.send(receipt, "/undo", held="bank", reason='In the "other" place')
    long = await ed.send(receipt, "/undo", held="bank", reason="x" * 501)

    assert empty.status_code == 409
    assert 'href="#held"' in empty.text
    assert "There is not enough: €0.00 available, €12.50 asked for." in text_of(empty), "not in cents"
    assert 'value="In the &#34;other&#34; place"' in empty.text
    assert long.status_code == 422
    assert 'href="#reason"' in long.text
    assert f'value="{"x" * 501}"' in long.text
    for page in (empty, long):
        assert re.search(r'value="bank"[^>]* checked', page.text), "the place stays chosen"
    assert await figures(stage) == {"bank": 0, "cash-box": 1250}
    await ed.follow(await ed.send(empty, "/undo", held="cash-box"))
    late = await ed.send(receipt, "/undo", held="cash-box", reason="Twice")
    assert 'href="#receipt"' in late.text, "nothing is left to mend, and no way there leads nowhere"
    assert await figures(stage) == {"bank": 0, "cash-box": 0}


async def test_an_auditor_sees_an_entry_and_no_button_that_would_be_refused(stage: Stage, today: str) -> None:
    ed, cast = await signed_in(stage, "ed"), stage.cast
    given = await write_down(ed, await ed.get("/money/in"), "/in", **BOX, day=today)
    receipt = given.headers["location"].removeprefix("/g/riverside")
    await grant_role(cast.house, cast.group_id, cast.ids["flo"], "auditor", now=datetime.now(UTC))

    for name, can in (("ed", True), ("bo", True), ("flo", False)):
        page = await (await signed_in(stage, name)).get(receipt)
        assert "Given: €12.50" in text_of(page), name
        assert any(form.action.endswith("/undo") for form in forms_of(page)) == can, name


async def test_what_is_wrong_with_money_stands_in_place(stage: Stage, today: str) -> None:
    ed = await signed_in(stage, "ed")
    form = await ed.get("/money/in")

    for fields, field in (
        ({"amount": "much"}, "amount"),
        ({"amount": "1.500"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"held": "safe"}, "held"),
        ({"day": ""}, "day"),
        ({"day": "2999-01-01"}, "day"),
        ({"day": "2020-01-01"}, "day"),
        ({"giver": "nobody here"}, "giver"),
        ({"reference": "x" * 501}, "reference"),
    ):
        wrong = await ed.send(form, "/in", **{**BOX, "day": today, "checked": "yes", **fields})
        assert wrong.status_code == 422, fields
        assert f'href="#{field}"' in wrong.text, fields
        assert f'id="{field}-fault"' in wrong.text, fields
        told = 'data-sight="form" data-told' in wrong.text
        assert told == (field not in {"amount", "day"}), (
            "of what cannot be read nobody knows what will be seen"
        )
    assert await figures(stage) == {"bank": 0, "cash-box": 0}


async def test_a_difference_is_seen_and_signed_by_somebody_else(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    await filled(stage, today)
    ed, bo = await signed_in(stage, "ed"), await signed_in(stage, "bo")
    count = await ed.get("/money/places/cash-box")
    assert "The book says €100.00." in text_of(count)

    right = await write_down(ed, count, "/cash-box", amount="100")
    assert "counted, and right" in text_of(await ed.follow(right))
    check = await ed.send(await ed.get("/money/places/cash-box"), "/cash-box", amount="95", reason="Mice")
    assert "€5.00 is missing" in text_of(check)
    assert "Counted: missing 5.00" in text_of(check)
    # Somebody writes something down meanwhile: what was looked at is not what would be written.
    await stage.post(
        "ed",
        "/money",
        {"pot": "money", "amount": 100, "currency": "EUR", "held": "cash-box", "effective_on": today},
    )
    stale = await ed.send(check, "/cash-box", checked="yes")
    assert stale.status_code == 409
    assert "the book says another figure" in text_of(stale)
    assert "€6.00 is missing" in text_of(stale)
    proposed = await ed.send(stale, "/cash-box", checked="yes")
    own = await ed.follow(proposed)
    assert "You proposed it: somebody else with a duty signs it." in text_of(own)
    assert "Sign it" not in text_of(own)
    at = proposed.headers["location"].removeprefix("/g/riverside")
    form = forms_of(own)[-1]
    forged = await ed.post(form.action, {**form.hidden, "say": "sign"})
    assert forged.status_code == 403
    assert "You proposed it" in text_of(forged)
    assert await figures(stage) == {"bank": 0, "cash-box": 10_100}

    page = await bo.get("/money")
    assert "A count with a difference: €6.00" in text_of(page)
    sign = await bo.get(at)
    for words in ("Who counted Ed", "Counted €95.00", "The book said €101.00", "Note Mice"):
        assert words in text_of(sign), words
    await grow_old(fresh_dsn)
    proof = await bo.send(await bo.get(at), at.rpartition("/")[2], say="sign")
    assert proof.status_code == 403
    assert "Prove that it is you" in text_of(proof)
    assert "What you wrote is kept and sent right after it." in text_of(proof)
    fresh = await signed_in(stage, "di")
    one, two = await fresh.get(at), await fresh.get(at)
    signed = await fresh.follow(await fresh.send(one, at.rpartition("/")[2], say="sign"))
    assert "It is signed, and in the book" in text_of(signed)
    assert "Who signed it Di" in text_of(signed)
    late = await fresh.send(two, at.rpartition("/")[2], say="sign")
    assert late.status_code == 409
    assert "Who signed it Di" in text_of(late), "whoever comes second sees what happened"
    assert await figures(stage) == {"bank": 0, "cash-box": 9_500}
    assert "Nothing waits for you." in text_of(await fresh.get("/money/second"))


async def test_money_goes_out_only_with_two_and_can_be_refused(stage: Stage, today: str) -> None:
    await filled(stage, today)
    ed, bo = await signed_in(stage, "ed"), await signed_in(stage, "bo")
    fields = {"amount": "3.50", "held": "cash-box", "day": today, "reason": "A fee"}

    proposed = await write_down(ed, await ed.get("/money/out"), "/out", **fields)

    at = proposed.headers["location"].removeprefix("/g/riverside")
    ended = await bo.follow(await bo.send(await bo.get(at), at.rpartition("/")[2], say="withdraw"))
    assert "It was taken back, and moved nothing" in text_of(ended)
    assert forms_of(ended) == [] or "Sign it" not in text_of(ended)
    assert await figures(stage) == {"bank": 0, "cash-box": 10_000}
    again = await write_down(ed, await ed.get("/money/out"), "/out", **fields)
    at = again.headers["location"].removeprefix("/g/riverside")
    signed = await bo.follow(await bo.send(await bo.get(at), at.rpartition("/")[2], say="sign"))
    entry = re.search(r'href="(/g/riverside/money/entries/[^"]+)"', signed.text)
    assert entry is not None
    assert "Passed on: €3.50" in text_of(await bo.get(entry[1].removeprefix("/g/riverside")))
    assert await figures(stage) == {"bank": 0, "cash-box": 9_650}
    bad = await ed.send(await ed.get("/money/out"), "/out", **{**fields, "held": "", "amount": "x"})
    assert bad.status_code == 422
    assert 'href="#held"' in bad.text
    assert 'href="#amount"' in bad.text


async def test_places_open_carry_and_close(stage: Stage, today: str) -> None:
    await filled(stage, today)
    ed = await signed_in(stage, "ed")

    bad = await ed.send(await ed.get("/money/new-place"), "/new-place", code="Not Good")
    assert bad.status_code == 422
    wrong = await ed.send(bad, "/new-place", kind="cash", code="Not Good")
    assert 'id="code-fault"' in wrong.text
    taken = await ed.send(wrong, "/new-place", kind="cash", code="cash-box")
    assert (taken.status_code, 'id="code-fault"' in taken.text) == (409, True)
    page = await ed.follow(await ed.send(taken, "/new-place", kind="cash"))
    assert "cash box 2 cash-1" in text_of(page)
    carry = await ed.get("/money/carry")
    fields = {"source": "cash-box", "held": "cash-1", "amount": "40", "day": today}
    same = await ed.send(carry, "/carry", **{**fields, "held": "cash-box"})
    assert 'href="#held"' in same.text
    much = await write_down(ed, same, "/carry", **{**fields, "amount": "400"})
    assert (much.status_code, 'href="#source"' in much.text) == (409, True)
    look = await ed.send(much, "/carry", **fields)
    assert "Moved from place to place No amount in the line." in text_of(look), "as the close publishes it"
    receipt = await ed.follow(await write_down(ed, much, "/carry", **fields))
    assert "Taken from cash box 1 Where it is cash box 2" in text_of(receipt)
    assert await figures(stage) == {"bank": 0, "cash-1": 4000, "cash-box": 6000}

    hub = await ed.get("/money")
    assert not any(form.action.endswith("/cash-1/close") for form in forms_of(hub)), "it is not empty"
    closed = await ed.follow(await ed.send(hub, "/bank/close"))
    assert "closed" in text_of(closed)
    stale = await ed.send(hub, "/bank/close")
    assert stale.status_code == 303, "closing it twice changes nothing"
    assert 'value="bank"' not in (await ed.get("/money/carry")).text
    late = await ed.send(await ed.get("/money/in"), "/in", amount="1", held="bank", day=today, checked="yes")
    assert (late.status_code, 'href="#held"' in late.text) == (409, True)
    assert "Use it again" in text_of(closed)
    assert "Close it bank" in text_of(await ed.follow(await ed.send(closed, "/bank/reopen")))


async def test_a_place_may_have_any_short_name_and_is_counted_all_the_same(stage: Stage) -> None:
    ed = await signed_in(stage, "ed")
    await ed.send(await ed.get("/money/new-place"), "/new-place", kind="cash", code="new")

    count = await ed.get("/money/places/new")
    right = await write_down(ed, count, "/places/new", amount="0")

    assert "counted, and right" in text_of(await ed.follow(right))
    assert await figures(stage) == {"bank": 0, "cash-box": 0, "new": 0}


def test_a_gift_is_said_to_wait_for_others_only_where_the_group_chose_so() -> None:
    day, english = date(2026, 3, 4), language("en")
    group = PublicGroup("g", "G", ("en",), "careful", day, day, (), (), people=3)

    at_once = published_gift(day, day, english, group)
    waits = published_gift(day, day, english, replace(group, gifts_wait=True))

    assert "on Monday 9 March at the earliest" in at_once
    assert "different people" not in at_once
    assert "once at least 3 different people stand behind them" in waits
    assert published_with_its_pot(day, day, english, group) == at_once


READ = (
    "/money",
    "/money/second",
    "/money/in",
    "/money/out",
    "/money/carry",
    "/money/new-place",
    "/money/places/bank",
)
WELCOME = {
    "/money": {"ed", "bo"},
    "/money/second": {"ed", "bo"},
    "/money/in": {"ed"},
    "/money/out": {"ed"},
    "/money/carry": {"ed"},
    "/money/new-place": {"ed", "bo"},
    "/money/places/bank": {"ed", "bo"},
}
WRITE = ("/money/in", "/money/out", "/money/pots", "/money/carry", "/money/new-place", "/money/places/bank",
         "/money/places/bank/close", "/money/places/bank/reopen")  # fmt: skip
NO_ID = "00000000-0000-4000-8000-000000000000"


async def test_nobody_without_a_duty_finds_or_does_anything(stage: Stage, today: str) -> None:
    people = {name: await signed_in(stage, name) for name in ("ada", "bo", "ed", "cy")}
    weak = await signed_in(stage, "ed", strong=False)
    own = forms_of(await people["ada"].get("/log"))[0].hidden

    for path in READ:
        for name in ("ada", "bo", "ed"):
            answer = await people[name].get(path)
            assert answer.status_code == (200 if name in WELCOME[path] else 403), (name, path)
        assert "/prove?next=" in (await weak.get(path)).headers["location"], path
    for path in (*WRITE, f"/money/second/{NO_ID}", f"/money/entries/{NO_ID}/undo"):
        fields = {"say": "sign", "amount": "1", "held": "bank", "day": today}
        assert (await people["ada"].post(f"/g/riverside{path}", {**own, **fields})).status_code == 403, path
    for path in (f"/money/second/{NO_ID}", f"/money/entries/{NO_ID}", "/money/places/nowhere"):
        assert (await people["ed"].get(path)).status_code == 404, path
    assert 'href="/g/riverside/money"' not in (await people["ada"].get("/me")).text
    assert 'href="/g/riverside/money"' in (await people["bo"].get("/me")).text


async def test_what_is_another_groups_is_as_if_it_never_was(stage: Stage, today: str) -> None:
    await filled(stage, today)
    body = {"pot": "money", "amount": 9, "currency": "EUR", "held": "bank", "effective_on": today}
    entry = (await stage.post("cy", "/money", body, slug="hillside")).json()["entry"]
    fee = {key: value for key, value in body.items() if key != "effective_on"}
    proposal = (await stage.post("cy", "/money/out", fee, slug="hillside")).json()["proposal"]
    hours = await stage.post("ada", "/hours", {"minutes": 30, "effective_on": today, "category": "cooking"})
    ed = await signed_in(stage, "ed")

    for path, ids in (("entries", (entry, hours.json()["id"], NO_ID)), ("second", (proposal, NO_ID))):
        answers = [await ed.get(f"/money/{path}/{one}") for one in ids]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
