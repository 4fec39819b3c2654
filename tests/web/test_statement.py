"""The statement to print: who is signed in sees their lines, and nobody else sees anything."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.api.test_exports import CANARY, some_life
from tests.cast import Stage, cast, house, stage, today
from timebank.services import sessions

__all__ = ["cast", "house", "stage", "today"]

PATH = "/g/riverside/statement"
COOKIE = "timebank-riverside"


async def enter(stage: Stage, name: str) -> None:
    """Sign somebody in with this browser."""
    made = await sessions.begin(
        stage.cast.house, stage.cast.group_of(name), stage.cast.ids[name], way="card", strong=False,
        now=datetime.now(UTC),
    )  # fmt: skip
    stage.http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")


async def send(stage: Stage, name: str, path: str = PATH, **fields: str) -> httpx.Response:
    await enter(stage, name)
    return await stage.http.get(path, params={"from": "", "to": "", **fields})


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).replace("\u00a0", " ").split())


async def test_the_form_asks_for_days_and_is_kept_by_nobody(stage: Stage) -> None:
    await enter(stage, "ada")
    answer = await stage.http.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert re.findall(r'<input[^>]* type="date"[^>]* name="(\w+)"', answer.text) == ["from", "to"]
    assert "<script" not in answer.text
    assert (await stage.http.head(PATH)).status_code == 200
    spanish = await stage.http.get(PATH, params={"lang": "es"})
    assert '<html lang="es">' in spanish.text
    assert '<input type="hidden" name="lang" value="es">' in spanish.text


async def test_whoever_is_signed_in_sees_their_own_statement(stage: Stage, today: str) -> None:
    await some_life(stage, today)

    answer = await send(stage, "ada")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    said = text_of(answer)
    assert "Statement of Ada" in said
    # Ninety, thirty and fifty minutes were given and count; sixty reached her.
    assert "hours that you gave 2 h 50 min" in said
    assert "hours that reached you 1 h" in said
    assert "In all 2:50 1:00" in said
    assert "Taken back: 8 h 20 min" in said
    assert "corrected: 8 h 20 min does not count" in said
    assert "In all 7.05" in said
    assert "handed over · repairs €12.34 €12.34" in said
    assert '=HYPERLINK("https://bad.example";"Ada, 20 €")' in said
    assert '<a href="https://bad' not in answer.text
    assert CANARY not in answer.text
    assert stage.cast.tokens["ada"] not in answer.text
    assert not re.search(r"[-−]\d", said.replace(today, ""))


async def test_totals_on_the_page_are_those_of_the_statement(stage: Stage, today: str) -> None:
    await some_life(stage, today)
    totals = (await stage.get("ada", "/me/statement")).json()["totals"]

    said = text_of(await send(stage, "ada"))

    hours, minutes = divmod(totals[0]["given"], 60)
    assert f"hours that you gave {hours} h {minutes} min" in said
    given = re.findall(
        r"<td class=\"n\">(\d+):(\d\d)</td><td class=\"n\"></td>",
        (await send(stage, "ada")).text,
    )
    assert sum(int(h) * 60 + int(m) for h, m in given) == totals[0]["given"]


async def test_every_entry_is_one_line_and_the_same_is_a_sheet(stage: Stage, today: str) -> None:
    await some_life(stage, today)

    answer = await send(stage, "ada", **{"from": today})
    found = re.search(r'href="([^"]*statement\.csv[^"]*)" download', answer.text)

    assert found
    assert found[1] == f"/api/v1/groups/riverside/me/statement.csv?from={today}"
    sheet = await stage.http.get(found[1])
    assert sheet.headers["content-type"].startswith("text/csv")
    lines = [line for line in sheet.text.splitlines()[1:] if line.startswith(today)]
    assert lines
    assert answer.text.count('<td class="day">') == len(lines)


async def test_some_days_only(stage: Stage, today: str) -> None:
    await some_life(stage, today)

    before = await send(stage, "ada", **{"from": "2026-01-01", "to": "2026-01-02"})
    exact = await send(stage, "ada", **{"from": today, "to": today})

    assert "Nothing of yours is written in these days." in text_of(before)
    assert "From 1 January 2026 to 2 January 2026" in text_of(before)
    assert "hours that you gave 0 h hours that reached you 0 h" in text_of(before)
    assert "In all 2:50 1:00" in text_of(exact)


async def test_who_is_not_signed_in_here_sees_nothing(stage: Stage) -> None:
    stranger = await stage.http.get(PATH, params={"from": "2026-01-01"})
    foreign = await send(stage, "cy")
    await enter(stage, "ada")
    elsewhere = await stage.http.get("/g/hillside/statement", params={"from": ""})

    for answer in (stranger, foreign, elsewhere):
        assert answer.status_code == 303
        assert answer.headers["cache-control"] == "no-store"
        assert not answer.content
    assert (
        stranger.headers["location"]
        == f"/g/riverside/sign-in?next={quote(f'{PATH}?from=2026-01-01', safe='')}"
    )


async def test_days_that_are_none_are_said_so_in_place(stage: Stage) -> None:
    for fields, field, advice in (
        ({"from": "1.2.2026"}, "from", "Write a day such as 2026-03-01"),
        ({"to": '"><script>'}, "to", "Write a day such as 2026-03-01"),
        (
            {"from": "2026-02-02", "to": "2026-02-01"},
            "to",
            "Choose a last day that is not before the first one",
        ),
    ):
        answer = await send(stage, "ada", **fields)

        assert answer.status_code == 422, fields
        assert advice in text_of(answer)
        assert f'id="{field}-fault"' in answer.text
        assert f'href="#{field}"' in answer.text
        assert "<script" not in answer.text


async def test_a_page_that_would_be_a_book_says_to_choose_fewer_days(
    stage: Stage, today: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_life(stage, today)
    monkeypatch.setattr("timebank.web.statement.LINES_SHOWN_MAX", 7)

    answer = await send(stage, "ada")

    assert answer.status_code == 422
    assert "Choose fewer days" in text_of(answer)


async def test_where_no_group_is_and_what_is_not_asked_for_like_this(stage: Stage) -> None:
    answers: list[tuple[httpx.Response, int]] = [
        (await stage.http.get("/g/nowhere/statement"), 404),
        (await send(stage, "ada", "/g/nowhere/statement"), 404),
        (await stage.http.post(PATH, data={"from": ""}), 405),
    ]
    for answer, status in answers:
        assert answer.status_code == status
        assert answer.headers["cache-control"] == "no-store"


async def test_the_doors_of_the_group_are_still_where_they_were(stage: Stage) -> None:
    said: dict[str, Any] = {}
    for door in ("give", "ask", "join", "other"):
        said[door] = (await stage.http.get(f"/g/riverside/{door}")).status_code
    assert said == {"give": 200, "ask": 200, "join": 200, "other": 404}
