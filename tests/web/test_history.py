"""The past of a public book: every page as it was, a list that folds, and what can be taken away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from tests.cast import SLUG, Stage, cast, house, stage, today
from tests.web.member import text_of
from tests.web.reading import Reading
from timebank.ledger.notes import seal_of
from timebank.services.close import close_period

__all__ = ["cast", "house", "stage", "today"]

PAST = f"/g/{SLUG}/periods"


@pytest_asyncio.fixture(loop_scope="session")
async def book(stage: Stage, today: str) -> AsyncIterator[Stage]:
    """Three pages: nothing; an hour and a half with ten euros; and half an hour."""
    now = datetime.now(UTC)
    await close_period(stage.cast.house, stage.cast.group_id, now=now + timedelta(days=1))
    hours = {"minutes": 90, "effective_on": today, "category": "cooking"}
    euros = {"pot": "money", "amount": 1000, "currency": "EUR", "held": "bank", "effective_on": today}
    assert (await stage.post("ada", "/hours", hours)).status_code == 201
    assert (await stage.post("ed", "/money", euros)).status_code == 201
    await close_period(stage.cast.house, stage.cast.group_id, now=now + timedelta(days=2))
    assert (await stage.post("ada", "/hours", {**hours, "minutes": 30})).status_code == 201
    await close_period(stage.cast.house, stage.cast.group_id, now=now + timedelta(days=3))
    yield stage


async def test_before_the_first_close_the_list_says_when_the_first_page_comes(stage: Stage) -> None:
    said = await stage.http.get(PAST)

    assert said.status_code == 200
    assert "The first page is written after" in text_of(said)
    assert (await stage.http.get(f"{PAST}/1")).status_code == 404


async def test_every_page_of_the_list_is_there_and_the_newest_says_what_the_group_page_says(
    book: Stage,
) -> None:
    listed = await book.http.get(PAST)
    hrefs = list(dict.fromkeys(re.findall(rf'href="({PAST}/\d+)"', listed.text)))
    pages = [await book.http.get(href) for href in hrefs]
    newest = await book.http.get(f"/g/{SLUG}")

    assert hrefs == [f"{PAST}/3", f"{PAST}/2", f"{PAST}/1"]
    assert {page.status_code for page in pages} == {200}
    figures = [re.findall(r'<dl class="figures.*?</dl>', page.text, re.DOTALL) for page in (newest, *pages)]
    assert figures[0] == figures[1]
    assert len({str(figure) for figure in figures[1:]}) == 3
    assert "2 h" in text_of(pages[0])
    assert "1 h 30 min" in text_of(pages[1])
    # The page before the last tells nothing of what came later.
    assert "0:30" not in text_of(pages[1])


async def test_the_list_folds_from_the_newest_page_to_nothing(book: Stage) -> None:
    tables = re.findall(r"<table.*?</table>", (await book.http.get(PAST)).text, re.DOTALL)

    rows = [re.findall(r'<td class="n">([^<]*)</td>', table) for table in tables]
    assert rows[0] == ["0:30", "", "2:00", "1:30", "", "1:30", "", "", "0:00", "0:00"]
    assert rows[1] == ["", "", "10.00", "10.00", "", "10.00", "", "", "0.00", "0.00"]


async def test_pages_lead_to_the_pages_beside_them_and_stay_as_they_were(book: Stage) -> None:
    first, last = await book.http.get(f"{PAST}/1?lang=es"), await book.http.get(f"{PAST}/3")

    assert f'href="{PAST}/2?lang=es" rel="next"' in first.text
    assert 'rel="prev"' not in first.text
    assert f'href="{PAST}/2" rel="prev"' in last.text
    assert 'rel="next"' not in last.text
    before = (await book.http.get(f"{PAST}/2")).headers["etag"]
    now = datetime.now(UTC) + timedelta(days=4)
    await close_period(book.cast.house, book.cast.group_id, now=now)
    assert (await book.http.get(f"{PAST}/2")).headers["etag"] == before
    again = await book.http.get(f"{PAST}/2", headers={"if-none-match": before})
    assert (again.status_code, again.content) == (304, b"")
    assert (await book.http.head(f"{PAST}/2")).headers["etag"] == before


async def test_between_closes_no_public_page_moves_whatever_is_written(book: Stage, today: str) -> None:
    paths = [f"/g/{SLUG}", PAST, f"{PAST}/1", f"{PAST}/3", f"/g/{SLUG}/downloads", f"/g/{SLUG}/give"]
    before = [(await book.http.get(path)).headers["etag"] for path in paths]

    hours = {"minutes": 45, "effective_on": today, "category": "repairs"}
    assert (await book.post("flo", "/hours", hours)).status_code == 201
    draw = {"pot": "hours", "minutes": 30, "category": "company"}
    assert (await book.post("ada", "/draws", draw)).status_code == 201

    assert [(await book.http.get(path)).headers["etag"] for path in paths] == before


async def test_earlier_pages_are_a_list_away(book: Stage) -> None:
    older = await book.http.get(f"{PAST}?before=3")

    assert f'href="{PAST}/2"' in older.text
    assert f'href="{PAST}/3"' not in older.text
    assert f'href="{PAST}"' in older.text
    for said in ("0", "x", "1x", "-1", "9" * 10, "٣"):
        assert (await book.http.get(f"{PAST}?before={said}")).status_code == 404, said
        assert (await book.http.get(f"{PAST}/{said}")).status_code == 404, said
    assert (await book.http.get("/g/nobody/periods/1")).status_code == 404


async def test_the_seal_is_the_root_of_the_log_at_that_close(book: Stage) -> None:
    note = (await book.http.get(f"/g/{SLUG}/log/checkpoint")).text
    seals = [
        re.findall(r'<code dir="ltr">([A-Z2-7 ]{19})</code>', (await book.http.get(path)).text)
        for path in (f"/g/{SLUG}", f"{PAST}/3", f"{PAST}/2")
    ]

    assert set(seals[0]) == {seal_of(note)}
    assert seals[1] == seals[0] != seals[2]
    assert seal_of("") == ""


async def test_what_can_be_taken_away_is_there_and_says_what_it_is_for(book: Stage) -> None:
    page = await book.http.get(f"/g/{SLUG}/downloads")
    read = Reading(page.text)

    files = [
        v for t, n, v in read.attributes if (t, n) == ("a", "href") and v.startswith(("/api", "/check_"))
    ]
    assert len(files) == 6
    for address in [*files, f"/g/{SLUG}/log/checkpoint"]:
        assert address in page.text
        assert (await book.http.get(address)).status_code == 200, address
    assert read.text.count("Every version that the group agreed on") == 2
    assert f'href="/g/{SLUG}/downloads"' in (await book.http.get(f"/g/{SLUG}")).text
