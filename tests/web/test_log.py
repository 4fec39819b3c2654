"""Logging help on a page: written once, read as it was meant, refused with the words beside the field."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.cast import Stage, cast, house, stage, today
from tests.web.member import Member, forms_of, signed_in, text_of
from timebank.rules.previews import hours_line
from timebank.services.close import close_period
from timebank.services.overview import read_rules
from timebank.services.published import read_public_lines

__all__ = ["cast", "house", "stage", "today"]

WRONG: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"what": "both"}, "gave", "Choose what happened"),
    ({"who": "Nobody At All"}, "who", "Look at it again: nobody here has exactly this name or code"),
    ({"who": "Cy"}, "who", "Look at it again"),
    ({"who": "ADA"}, "who", "Write the name of the other one: this is you"),
    ({"what": "got"}, "who", "Write who helped you"),
    ({"who": "\x00"}, "who", "Look at it again"),
    ({"day": ""}, "day", "Choose a day"),
    ({"day": "29.9.2026"}, "day", "Choose a day"),
    ({"day": "2999-01-01"}, "day", "1 January 2999 has not come yet"),
    ({"day": "2025-12-31"}, "day", "the book begins on 1 January 2026"),
    ({"kind": "poison"}, "kind", "Choose a kind of help"),
    ({"note": "x" * 2001}, "note", "at most 2,000 characters"),
    ({"note": "a\x07b"}, "note", "characters that cannot be shown"),
    ({"minutes": ""}, "time", "Press how long it took, or write it"),
    ({"minutes": "17"}, "time", "Press how long it took, or write it"),
    ({"time": "all morning"}, "time", "Write the time as hours and minutes, for example 1:30"),
    ({"time": "1:75"}, "time", "Write the time as hours and minutes"),
    ({"time": "-1:00"}, "time", "Write the time as hours and minutes"),
    ({"time": "NaN"}, "time", "Write the time as hours and minutes"),
    ({"time": "1e3"}, "time", "Write the time as hours and minutes"),
    ({"time": "1.500"}, "time", "this could be two numbers"),
    ({"time": "0:00"}, "time", "Write at least one minute"),
)

WRITTEN = (("1:30", 90), ("1h20", 80), ("90m", 90), ("1.5", 90), ("1,5 h", 90), ("١:٣٠", 90))
SAMPLE: dict[str, str] = {"what": "gave", "who": "", "kind": "repairs", "minutes": "90"}


async def given(stage: Stage, name: str = "ada") -> int:
    return int((await stage.get(name, "/me/statement")).json()["totals"][0]["given"])


async def log(member: Member, today: str, **fields: str) -> Any:
    return await member.send(await member.get("/log"), "/log", **{**SAMPLE, "day": today, **fields})


async def test_a_button_writes_help_and_leads_to_a_receipt(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")

    receipt = await ada.follow(await log(ada, today, note="Two shelves"))

    assert receipt.headers["cache-control"] == "no-store"
    said = text_of(receipt)
    assert "It is in the book. Thank you." in said
    assert "You helped the whole group, 1 h 30 min" in said
    assert "The 1 h 30 min are in the pot." in said
    code = re.search(r"<code[^>]*>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</code>", receipt.text)
    assert code
    line = (await stage.get("ada", "/me/statement")).json()["lines"][0]
    assert (line["minutes"], line["category"], line["note"]) == (90, "repairs", "Two shelves")
    assert line["effective_on"] == today


async def test_the_same_form_sent_twice_writes_once_and_shows_the_same_receipt(
    stage: Stage, today: str
) -> None:
    ada = await signed_in(stage, "ada")
    page = await ada.get("/log")

    first = await ada.send(page, "/log", **SAMPLE, day=today)
    second = await ada.send(page, "/log", **SAMPLE, day=today)
    other = await ada.send(page, "/log", **{**SAMPLE, "minutes": "15"}, day=today)

    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert other.status_code == 422, "another quarter on the same form is no second entry"
    assert "This form was sent before, with something else in it." in text_of(other)
    assert await given(stage) == 90
    await log(ada, today)
    assert await given(stage) == 180, "a new form writes again"


async def test_either_side_logs_and_the_pot_answers(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")

    for what, who, said in (("gave", "Flo", "You helped Flo"), ("got", " fLO ", "Flo helped you")):
        receipt = await ada.follow(await log(ada, today, what=what, who=who))
        assert said in text_of(receipt)
        assert "Flo can say that it was not quite like that." in text_of(receipt)

    lines = (await stage.get("ada", "/me/statement")).json()["lines"]
    assert [line["what"] for line in lines] == ["received", "given"]


async def test_what_is_wrong_stands_beside_its_field_and_above_and_the_rest_stays(
    stage: Stage, today: str
) -> None:
    ada = await signed_in(stage, "ada")
    page = await ada.get("/log")

    for fields, field, advice in WRONG:
        answer = await ada.send(page, "/log", **{**SAMPLE, "day": today, "note": "Kept <b>", **fields})

        assert answer.status_code == 422, fields
        assert text_of(answer).count(advice) == 2, ("the same words above and beside the field", fields)
        assert f'href="#{field}"' in answer.text
        assert f'id="{field}"' in answer.text
        assert f'id="{field}-fault"' in answer.text
        assert "<title>Error: " in answer.text
        assert "note" in fields or "Kept &lt;b&gt;" in answer.text
        assert forms_of(page)[0].hidden["key"] != forms_of(answer)[0].hidden["key"]
    assert await given(stage) == 0


async def test_everything_that_is_wrong_is_said_at_once(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")

    answer = await ada.send(
        await ada.get("/log"), "/log", what="got", who="", day="", kind="", time="x", note="a\x07"
    )

    assert "5 answers need another look" in text_of(answer)
    assert re.findall(r'<li><a href="#(\w+)">', answer.text) == ["who", "day", "kind", "note", "time"]


async def test_a_written_time_is_looked_at_once_more_and_wins_over_a_button(stage: Stage, today: str) -> None:
    ada, before = await signed_in(stage, "ada"), 0
    for time, minutes in WRITTEN:
        check = await log(ada, today, time=time, minutes="15", who="Flo", note="N")

        assert check.status_code == 200
        assert f"({minutes} minutes)" in text_of(check)
        assert f"You wrote “{time}”." in text_of(check)
        assert "Ada helped Flo" in text_of(check)
        assert await given(stage) == before
        receipt = await ada.follow(await ada.send(check, "/log", checked="yes"))
        assert "You helped Flo" in text_of(receipt)
        assert (await ada.send(check, "/log", checked="yes")).status_code == 303
        before += minutes
        assert await given(stage) == before


async def test_what_is_unusual_is_looked_at_once_more(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    long_ago = (date.fromisoformat(today) - timedelta(days=61)).isoformat()

    long = await log(ada, today, time="12:01")
    old = await log(ada, long_ago)

    assert "It is more than twelve hours" in text_of(long)
    assert "It is more than sixty days ago" in text_of(old)
    assert await given(stage) == 0
    recent = (date.fromisoformat(today) - timedelta(days=60)).isoformat()
    assert (await log(ada, recent)).status_code == 303
    assert (await ada.send(old, "/log", checked="yes")).status_code == 303
    assert await given(stage) == 180


async def test_changing_something_brings_the_form_back_as_it_was(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    check = await log(ada, today, time="1h20", who="Flo", note="Soup", kind="cooking")

    form = await ada.send(check, "/log", change="yes")

    assert form.status_code == 200
    for standing in ('value="1h20"', 'value="Flo"', ">Soup</textarea>", '<option value="cooking" selected>'):
        assert standing in form.text
    assert await given(stage) == 0


async def test_a_receipt_takes_its_entry_back_with_one_tap_once(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    receipt = await ada.follow(await log(ada, today))

    undone = await ada.follow(await ada.send(receipt, "/undo"))

    assert "It is taken back" in text_of(undone)
    assert "Undo this entry" not in text_of(undone)
    assert await given(stage) == 0
    kinds = [line["kind"] for line in (await stage.get("ada", "/me/statement")).json()["lines"]]
    assert kinds == ["correction", "help_given"], "nothing is rubbed out"
    assert (await ada.send(receipt, "/undo")).status_code == 303, "the same press again is the same answer"
    form = forms_of(receipt)[0]
    late = await ada.post(form.action, {**form.hidden, "key": "A" * 22})
    assert late.status_code == 409
    assert "It is taken back" in text_of(late)


async def test_receipts_and_undo_of_others_look_like_none(stage: Stage, today: str) -> None:
    ada, *others = [await signed_in(stage, name) for name in ("ada", "flo", "bo", "cy")]
    answer = await log(ada, today)
    place = answer.headers["location"].partition("?")[0].removeprefix("/g/riverside")
    nowhere = "/log/00000000-0000-4000-8000-000000000000"

    for somebody in others:
        theirs, none = await somebody.get(place), await somebody.get(nowhere)
        assert theirs.status_code == none.status_code == 404
        assert theirs.content == none.content
        form = forms_of(await somebody.get("/log"))[0]
        undo = await somebody.post(f"/g/{somebody.slug}{place}/undo", form.hidden)
        assert undo.status_code == 404
    assert await given(stage) == 90


async def test_a_form_without_the_token_of_the_session_is_refused(stage: Stage, today: str) -> None:
    ada, flo = await signed_in(stage, "ada"), await signed_in(stage, "flo")
    form = forms_of(await ada.get("/log"))[0]
    of_flo = forms_of(await flo.get("/log"))[0].hidden["csrf"]

    for csrf in ("", "x", of_flo):
        answer = await ada.post(form.action, {**form.hidden, "csrf": csrf, **SAMPLE, "day": today})
        assert answer.status_code == 403
    keyless = await ada.post(form.action, {"csrf": form.hidden["csrf"], **SAMPLE, "day": today})
    assert keyless.status_code == 400
    assert await given(stage) == 0


async def test_whoever_is_not_signed_in_is_led_to_the_way_in_and_back(stage: Stage) -> None:
    answer = await stage.http.get("/g/riverside/log?lang=es")

    assert answer.status_code == 303
    assert (
        answer.headers["location"] == "/g/riverside/sign-in?next=%2Fg%2Friverside%2Flog%3Flang%3Des&lang=es"
    )
    ada = await signed_in(stage, "ada")
    assert (await ada.get("/log", slug="hillside")).status_code == 303, "a session is of one group"


async def test_the_page_shows_the_line_that_is_published_later(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    check = await log(ada, today, time="1:30", who="Flo")
    shown = re.search(
        r'<tr><th scope="row">(.*?)</th><td class="n">(.*?)</td><td class="n">(.*?)</td>', check.text
    )
    assert shown
    assert (shown[2], shown[3]) == ("1:30", "1:30")
    assert "Between neighbours" in shown[1]
    await ada.send(check, "/log", checked="yes")
    cast = stage.cast
    rules = await read_rules(cast.house, cast.group_id)
    day = datetime.now(ZoneInfo("Europe/Madrid")).date()

    await close_period(cast.house, cast.group_id, now=datetime.now(UTC) + timedelta(days=2))

    published = await read_public_lines(cast.house.database, "riverside", after=None, limit=10)
    foretold = hours_line(
        rules, preset="open", minutes=90, effective_on=day, category="repairs", answered=True
    )
    assert [(line.kind, line.category, line.day, line.changes) for line in published.lines] == [
        tuple(foretold)
    ]
