"""The past of a public book: every page as it was, a list that folds, and what can be taken away."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import pytest_asyncio

from tests.cast import SLUG, Stage, cast, house, stage, today
from tests.web.fixture_books import GROUP
from tests.web.member import text_of
from tests.web.reading import Reading
from timebank.formats.public_csv import PublicRow, write_public_sheet
from timebank.i18n import language
from timebank.ledger.notes import seal_of
from timebank.rules.publication import SHELTERED, PublicBalance, PublicFlow, PublicMonth, PublicPeriod
from timebank.services.close import close_period
from timebank.services.published import PublicHistory, _whole
from timebank.web.history import _past

__all__ = ["cast", "house", "stage", "today"]

PAST = f"/g/{SLUG}/periods"
LINES = f"/g/{SLUG}/lines"
SHEET = f"/g/{SLUG}/lines.csv"


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

    rows = [
        re.findall(r'<td class="n">([^<]*)</td>', re.sub(r'<tr class="of-day">.*?</tr>', "", table))
        for table in tables
    ]
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
        v
        for t, n, v in read.attributes
        if (t, n) == ("a", "href") and v.startswith(("/api", "/check_", f"/g/{SLUG}/lines.csv"))
    ]
    assert len(files) >= 7
    for address in [*files, f"/g/{SLUG}/log/checkpoint"]:
        assert address in page.text
        assert (await book.http.get(address)).status_code == 200, address
    assert read.text.count("Every version that the group agreed on") == 2
    assert f'href="/g/{SLUG}/downloads"' in (await book.http.get(f"/g/{SLUG}")).text


def rows_of(sheet: str) -> list[dict[str, str]]:
    assert sheet.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(sheet.removeprefix("\ufeff"), newline="")))


async def test_a_sheet_has_every_published_line_once_and_adds_up_to_the_pots(book: Stage) -> None:
    answer = await book.http.get(SHEET)
    entries = (await book.http.get(f"/api/v1/groups/{SLUG}/entries")).json()["entries"]

    rows = rows_of(answer.text)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == f'attachment; filename="{SLUG}.csv"'
    lines, totals = [r for r in rows if r["page"] != "total"], [r for r in rows if r["page"] == "total"]
    assert [row["line"] for row in lines] == [entry["id"] for entry in entries]
    assert sorted((r["page"], r["pot"], r["hours_in"] or r["amount_in"], r["currency"]) for r in lines) == [
        ("2", "hours", "1:30", ""),
        ("2", "money", "10.00", "EUR"),
        ("3", "hours", "0:30", ""),
    ]
    assert [(r["pot"], r["hours_in"], r["amount_in"]) for r in totals] == [
        ("hours", "2:00", ""),
        ("money", "", "10.00"),
        ("", "", ""),
    ]
    assert totals[-1]["line"].startswith("rows=3; until=")


async def test_a_sheet_is_the_same_until_the_next_close_and_is_not_read_twice(book: Stage) -> None:
    first, head = await book.http.get(SHEET), await book.http.head(SHEET)
    etag = first.headers["etag"]
    again = await book.http.get(SHEET, headers={"if-none-match": etag})

    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
    assert (again.status_code, again.content) == (304, b"")
    await close_period(book.cast.house, book.cast.group_id, now=datetime.now(UTC) + timedelta(days=4))
    assert (await book.http.get(SHEET, headers={"if-none-match": etag})).status_code == 200


async def test_a_sheet_of_a_year_has_that_year_and_of_no_other_there_is_one(book: Stage) -> None:
    whole = rows_of((await book.http.get(SHEET)).text)
    years = sorted({row["last_day"][:4] for row in whole if row["page"] != "total"})

    for year in years:
        rows = rows_of((await book.http.get(f"{SHEET}?year={year}")).text)
        assert [row for row in rows if row["page"] != "total"] == [
            row for row in whole if row["last_day"].startswith(year)
        ]
    for said in ("1999", "", "x", "0", "20261", "2026.5"):
        assert (await book.http.get(f"{SHEET}?year={said}")).status_code == 404, said
    assert (await book.http.get("/g/nobody/lines.csv")).status_code == 404


async def test_before_the_first_close_a_sheet_is_empty_and_says_so(stage: Stage) -> None:
    rows = rows_of((await stage.http.get(SHEET)).text)

    assert [row["line"] for row in rows] == ["rows=0; until=nothing"]


async def test_a_long_book_is_a_sheet_piece_by_piece(book: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (await book.http.get(SHEET)).text
    for name in ("_LINES_AT_ONCE", "_PERIODS_AT_ONCE"):
        monkeypatch.setattr(f"timebank.services.public_sheet.{name}", 1)

    assert (await book.http.get(SHEET)).text == whole


async def test_what_a_group_calls_a_category_is_no_formula_in_a_sheet() -> None:
    async def rows() -> AsyncIterator[PublicRow]:
        day = date(2026, 9, 1)
        yield PublicRow(1, day, day, day, True, "help_given", "=1+1", "hours", "minutes", 90, 0, 15, "x")

    sheet = b"".join([piece async for piece in write_public_sheet(rows(), digits={"minutes": 0}, cut="c")])

    (line, *_) = rows_of(sheet.decode())
    assert (line["category"], line["hours_in"], line["hours_promised"]) == ("'=1+1", "1:30", "0:15")
    assert (line["late"], line["hours_out"], line["amount_in"]) == ("late", "", "")


async def test_lines_go_on_into_the_past_page_by_page(book: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timebank.web.public_lines.LINES_ON_A_PAGE", 1)
    address, seen = f"{LINES}?lang=es", []
    for _ in range(5):
        page = await book.http.get(address)
        assert page.status_code == 200
        seen += re.findall(r'<tr class="total">.*?<td class="n">([^<]*)</td>', page.text)
        older = re.search(r'<a href="([^"]+)" rel="next">', page.text)
        if not older:
            break
        address = older[1].replace("&amp;", "&")
        assert "lang=es" in address

    assert sorted(amount for amount in seen if amount.strip("0:,.")) == ["0:30", "10,00", "1:30"]
    assert f'href="{LINES}?lang=es"' in page.text
    assert f'href="{LINES}?from=2"' in (await book.http.get(f"{PAST}/2")).text
    assert "0:30" not in text_of(await book.http.get(f"{LINES}?from=2"))
    for said in ("from=4", "from=x", "from=0", "from=2&after=x", "from="):
        assert (await book.http.get(f"{LINES}?{said}")).status_code == 404, said


async def test_without_lines_the_page_of_lines_says_why(stage: Stage) -> None:
    assert "The first page is written after" in text_of(await stage.http.get(LINES))


def a_book_of_months(count: int) -> PublicHistory:
    """A book of monthly pages, the newest of June 2026; in each an hour more comes in than goes out."""
    months = [date(2026 - (back + 6) // 12, 12 - (back + 6) % 12, 1) for back in range(count)]
    numbered = list(enumerate(months))
    ends = [
        (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1) for month in months
    ]
    periods = tuple(
        PublicPeriod(count - at, month, ends[at], ends[at], 0, SHELTERED) for at, month in numbered
    )
    flows = tuple(
        PublicFlow(one.period, one.first_day, one.last_day, "hours", "minutes", "", 120, 60, 0)
        for one in periods
    )
    balance = (PublicBalance("hours", "minutes", 60 * count, 0, 0, 0, 0, 0),)
    found = tuple(PublicMonth(month, count - at, count - at, "hours", 120, 60) for at, month in numbered)
    group = replace(GROUP, preset=SHELTERED)
    return PublicHistory(group, periods, flows, balance, None, found, balance)


def test_years_of_monthly_pages_are_gathered_by_year_with_what_each_comes_to() -> None:
    page = _past(a_book_of_months(30), language("en"), "?lang=en", None)

    leaf = page.leaves[0][0]
    assert leaf is not None
    # The newest page is of June 2026 and the oldest of January 2024.
    assert [(row.days, row.came_in, row.went_out, row.left) for row in leaf.years] == [
        ("2026", "12:00", "6:00", "30:00"),
        ("2025", "24:00", "12:00", "24:00"),
        ("2024", "24:00", "12:00", "12:00"),
    ]
    assert [row.href.partition("periods")[2] for row in leaf.years] == [
        "?lang=en",
        "?before=25&lang=en",
        "?before=13&lang=en",
    ]
    assert [(group.name, len(group.rows), group.came_in) for group in leaf.groups] == [
        ("2026", 6, "12:00"),
        ("2025", 12, "24:00"),
        ("2024", 12, "24:00"),
    ]
    assert leaf.before == "0:00"


def test_a_year_of_which_pages_are_missing_in_the_list_has_no_sum() -> None:
    history = a_book_of_months(30)
    part = replace(history, periods=history.periods[:10], flows=history.flows[:10])

    leaf = _past(part, language("en"), "", None).leaves[0][0]

    assert leaf is not None
    assert [(group.name, group.came_in) for group in leaf.groups] == [("2026", "12:00"), ("2025", "")]


def test_a_list_ends_with_a_whole_year_if_it_can() -> None:
    periods = list(a_book_of_months(30).periods)

    assert _whole(periods[:20]) == periods[:18]
    assert _whole(periods) == periods
    assert _whole(periods[6:9]) == periods[6:9]
