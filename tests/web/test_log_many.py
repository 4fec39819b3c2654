"""Logging for others: many rows in one form, all that is wrong at its row, and nothing that was right is lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cast import Stage, cast, house, stage, today
from tests.web.member import Member, forms_of, signed_in, text_of

__all__ = ["cast", "house", "stage", "today"]


def rows(*said: tuple[str, ...]) -> dict[str, str]:
    """Rows of (giver, receiver, time, kind, day) as the form sends them; what is left out is empty."""
    fields = {"rows": str(len(said))}
    for number, row in enumerate(said):
        for column, value in zip(("giver", "receiver", "time", "kind", "day"), row, strict=False):
            fields[f"{column}-{number}"] = value
    return fields


async def send(member: Member, *said: tuple[str, ...], do: str = "write", **more: str) -> Any:
    page = await member.get("/log/many")
    return await member.send(page, "/log/many", do=do, **rows(*said), **more)


async def given(stage: Stage, name: str = "ada") -> int:
    return int((await stage.get(name, "/me/statement")).json()["totals"][0]["given"])


async def test_rows_are_looked_at_then_written_at_once_and_each_has_its_receipt(
    stage: Stage, today: str
) -> None:
    bo = await signed_in(stage, "bo")
    look = await send(bo, ("Ada", "Flo", "1h20", "repairs"), ("Flo", "", "1:00"), do="look")
    assert look.status_code == 200
    assert "Ada helped Flo · 1 h 20 min" in text_of(look)
    assert "Write these 2 rows down" in text_of(look)
    assert 'value="1h20"' in look.text
    assert await given(stage) == 0

    written = await bo.follow(
        await send(bo, ("Ada", "Flo", "1:30", "repairs"), ("flo", "", "45m"), ("", "", ""), ("ADA", "", "2"))
    )

    said = text_of(written)
    assert "3 lines are written" in said
    assert "Ada helped Flo" in said
    assert "Flo helped the whole group" in said
    assert "In all 4:15" in said
    assert len(set(re.findall(r"<code[^>]*>([A-Z2-7-]{19})</code>", written.text))) == 3
    assert (await given(stage), await given(stage, "flo")) == (210, 45)
    line = (await stage.get("ada", "/me/statement")).json()["lines"][0]
    assert (line["category"], line["effective_on"], line["entered_by"]) == ("repairs", today, "Bo")
    ada = await signed_in(stage, "ada")
    assert (
        "Entered for you by <bdi>Bo</bdi>."
        in (await ada.get("/statement", **{"from": today, "to": today})).text
    )


async def test_one_wrong_row_keeps_all_of_them_on_the_page_and_none_in_the_book(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")

    answer = await send(
        bo,
        ("Ada", "Flo", "1:30", "repairs"),
        ("Nobody At All", "Ada", "1:00"),
        ("Ada", "ada", "soon"),
        ("", "Flo", "1", "", "2999-01-01"),
        ("Ada", "", ""),
    )

    assert answer.status_code == 422
    for field, advice in (
        ("giver-1", "nobody here has exactly this name or code"),
        ("receiver-2", "this is the same person"),
        ("time-2", "Write the time as hours and minutes"),
        ("giver-3", "Write who gave the help"),
        ("day-3", "1 January 2999 has not come yet"),
        ("time-4", "Write how long it was"),
    ):
        assert f'href="#{field}"' in answer.text
        assert f'id="{field}-fault"' in answer.text
        assert text_of(answer).count(advice) == 2, "the same words above and beside the field"
    assert "Row 2: " in text_of(answer)
    for kept in ("Nobody At All", "1:30", "soon"):
        assert f'value="{kept}"' in answer.text
    assert await given(stage) == 0


async def test_what_the_book_refuses_stands_here_again_and_the_rest_is_written(
    stage: Stage, today: str
) -> None:
    body = {"stand_in": str(stage.cast.ids["flo"]), "for": str(stage.cast.ids["ada"]), "consent": "said"}
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert (
        await stage.post("ada", "/stand-ins", {**body, "scopes": ["log"], "until": until})
    ).status_code == 201
    flo = await signed_in(stage, "flo")

    answer = await send(flo, ("Ada", "", "1:00", "repairs"), ("Ed", "Bo", "2:00"), ("Ada", "Bo", "0:30"))

    assert answer.status_code == 422
    assert "2 rows are in the book. These are not:" in text_of(answer)
    assert 'value="Ed"' in answer.text
    assert '<option value="repairs" selected>' in answer.text, "what it had from the row above"
    assert answer.text.count('value="Ada"') == 0
    assert (await given(stage), await given(stage, "ed")) == (90, 0)
    there = re.search(r'href="/g/riverside(/log/many/[^"]+)"', answer.text)
    assert there
    written = await flo.get(there[1])
    assert "2 lines are written" in text_of(written)
    assert 'href="/g/riverside/log/many">Log for others' in written.text, "who stands in goes on there, too"


async def test_a_form_writes_once_and_what_is_unusual_only_once_it_was_shown(
    stage: Stage, today: str
) -> None:
    bo = await signed_in(stage, "bo")
    page = await bo.get("/log/many")
    # A lone number is that day of the month which was last.
    said = rows(("Ada", "", "1:00", "repairs", str(int(today[-2:]))))

    first, second = [await bo.send(page, "/log/many", do="write", **said) for _ in range(2)]
    other = await bo.send(page, "/log/many", do="write", **rows(("Ada", "", "3:00", "repairs")))

    assert first.headers["location"] == second.headers["location"]
    assert other.status_code == 422
    assert "This form was sent before, with something else in it." in text_of(other)
    assert await given(stage) == 60
    assert (await stage.get("ada", "/me/statement")).json()["lines"][0]["effective_on"] == today
    assert "or the number of a day that was" in text_of(await send(bo, ("Ada", "", "1", "repairs", "soon")))

    long = ("Ada", "", "12:01", "repairs")
    look = await send(bo, long)
    assert look.status_code == 200
    assert '<span class="marked">' in look.text
    assert await given(stage) == 60
    assert (await bo.send(look, "/log/many", do="write", **rows(long))).status_code == 303
    assert await given(stage) == 60 + 721


async def test_one_line_or_all_of_them_are_taken_back_once(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")
    page = await bo.follow(await send(bo, *[("Ada", "", "1:00", "repairs")] * 3))
    (form,) = forms_of(page)
    one = re.search(r'name="do" value="([0-9a-f-]{36})"', page.text)
    assert one

    less = await bo.follow(await bo.post(form.action, {**form.hidden, "do": one[1]}))

    assert "2 lines are written" in text_of(less)
    assert await given(stage) == 120
    gone = await bo.follow(await bo.send(less, do="all"))
    assert "It is taken back" in text_of(gone)
    assert 'name="do"' not in gone.text
    assert await given(stage) == 0
    again = await bo.post(form.action, {**form.hidden, "key": "C" * 22, "do": "all"})
    assert again.status_code == 303


async def test_the_page_is_for_those_who_log_for_others_and_its_receipts_for_who_wrote_them(
    stage: Stage, today: str
) -> None:
    bo, ada, cy = [await signed_in(stage, name) for name in ("bo", "ada", "cy")]
    answer = await send(bo, ("Ada", "", "1:00", "repairs"))
    place = answer.headers["location"].removeprefix("/g/riverside")

    assert (await ada.get("/log/many")).status_code == 403
    assert "/log/many" not in (await ada.get("/log")).text
    assert "/log/many" in (await bo.get("/log")).text
    waits = await (await signed_in(stage, "bo", strong=False)).get("/log/many")
    assert waits.headers["location"] == "/g/riverside/prove?next=%2Fg%2Friverside%2Flog%2Fmany"
    for somebody in (ada, cy):
        theirs, none = await somebody.get(place), await somebody.get(f"/log/many/{'A' * 22}")
        assert theirs.status_code == none.status_code == 404
        assert theirs.content == none.content
    form = forms_of(await ada.get("/log"))[0]
    refused = await ada.post(
        "/g/riverside/log/many", {**form.hidden, **rows(("Flo", "", "1")), "do": "write"}
    )
    assert refused.status_code == 403
    assert await given(stage, "flo") == 0


async def test_several_share_what_they_did_to_the_minute(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    fields = {"what": "together", "who": "Flo, Bo", "kind": "repairs", "minutes": "105", "day": today}
    page = await ada.send(await ada.get("/log"), "/log", **fields)
    assert "Each of us gave 1 h 45 min" in text_of(page)
    assert await given(stage) == 0

    look = await ada.send(page, "/log", **{"how": "parts", "part-1": "2"})
    assert "1 h 45 min in all, to the minute" in text_of(look)
    written = await ada.follow(
        await ada.send(look, "/log", **{"how": "parts", "part-1": "2", "shared": "yes"})
    )

    assert "3 lines are written" in text_of(written)
    shares = [await given(stage, name) for name in ("ada", "flo", "bo")]
    assert sum(shares) == 105
    assert shares == [26, 53, 26]
    again = await ada.send(look, "/log", **{"how": "parts", "part-1": "2", "shared": "yes"})
    assert again.status_code == 303
    assert await given(stage) == 26

    fields = {**fields, "who": "Flo", "minutes": "60"}
    await ada.send(written, do="all")
    assert (await given(stage), await given(stage, "flo")) == (0, 0), "whoever logged it takes it back"
    for more, expected in (
        ({"how": "each"}, (60, 60)),
        ({"how": "times", "part-0": "1:30", "part-1": "15m"}, (150, 75)),
    ):
        page = await ada.send(await ada.get("/log"), "/log", **fields)
        assert (await ada.send(page, "/log", shared="yes", **more)).status_code == 303
        assert (await given(stage), await given(stage, "flo")) == expected
    for more, field in (
        ({"how": "times", "part-0": "1:30"}, "part-1"),
        ({"how": "parts", "part-0": "1.5"}, "part-0"),
        ({"how": "parts", "part-1": "0"}, "part-1"),
        ({"how": "parts", "part-1": "1000000"}, "part-0"),
    ):
        wrong = await ada.send(page, "/log", shared="yes", **more)
        assert wrong.status_code == 422, more
        assert f'id="{field}-fault"' in wrong.text
    for who, advice in (
        ("", "Write who it was with"),
        ("Flo, Ada", "this is you"),
        ("Flo, flo", "Write each name once"),
        ("Flo, Nobody", "Look at “Nobody” again"),
    ):
        wrong = await ada.send(await ada.get("/log"), "/log", **{**fields, "who": who})
        assert text_of(wrong).count(advice) == 2, who
    assert (await given(stage), await given(stage, "flo")) == (150, 75)


async def test_who_stands_in_for_somebody_writes_in_their_name(stage: Stage, today: str) -> None:
    ids = stage.cast.ids
    body = {"stand_in": str(ids["flo"]), "for": str(ids["ada"]), "consent": "said"}
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert (
        await stage.post("ada", "/stand-ins", {**body, "scopes": ["log"], "until": until})
    ).status_code == 201
    flo, bo = await signed_in(stage, "flo"), await signed_in(stage, "bo")
    assert "You write for" not in text_of(await bo.get("/log"))

    page = await flo.get("/log", **{"for": str(ids["ada"])})
    fields = {"kind": "repairs", "minutes": "30", "day": today}
    assert "They helped" in text_of(page)
    receipt = await flo.follow(await flo.send(page, "/log", what="gave", who="Bo", **fields))

    assert "Ada helped Bo, 30 min" in text_of(receipt)
    assert (await given(stage), await given(stage, "flo")) == (30, 0)
    await flo.follow(await flo.send(receipt, "/undo"))
    assert await given(stage) == 0
    got = await flo.follow(await flo.send(page, "/log", what="got", who="Flo", **{**fields, "key": "D" * 22}))
    assert "You helped Ada" in text_of(got)
    # Whoever the form names without standing in for them is not written for.
    form = forms_of(await bo.get("/log"))[0]
    await bo.post(form.action, {**form.hidden, **fields, "what": "gave", "voice": str(ids["ada"])})
    assert (await given(stage), await given(stage, "bo")) == (0, 30)
