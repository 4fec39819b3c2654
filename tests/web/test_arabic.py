"""Arabic on every page: all words, all digits, the direction, and the choice of it without a cookie."""

from __future__ import annotations

import html
import re

import httpx

from tests.cast import Stage, cast, house, stage, today
from tests.web.fixture_books import lively_book
from tests.web.member import signed_in, text_of
from timebank.i18n import language
from timebank.web.book_page import book_page
from timebank.web.pages import render

__all__ = ["cast", "house", "stage", "today"]

ARABIC = language("ar")
# What stays as it is: names of people, groups, programs and formats, and codes that are typed as they stand.
NAMES = {
    *("Riverside", "Millbank", "Lane", "Neighbours", "Ada", "Flo", "Bo", "Di", "Ed"),
    *(
        "timebank",
        "JSON",
        "CSV",
        "XLSX",
        "ODS",
        "MB",
        "PDF",
        "JavaScript",
        "Python",
        "cryptography",
        "check_book",
    ),
    *(
        "py",
        "English",
        "Español",
        "Français",
        "Português",
        "EUR",
        "TIMEBANK_ORIGIN",
        "pot",
        "example",
        "IP",
        "UTC",
    ),
}
CODES = re.compile(
    r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}|2026-03-01|2025-12-31|31\.12\.2025|12/31/2025|1[.,]5 |1[.,]200 |0\.33|"
    r"(?<=الطلب )[0-9A-F]{4}"
)


def foreign(page: str) -> list[str]:
    """Return the Latin words and digits that a page shows outside names, codes and whatever says its own direction."""
    shown = re.sub(r"<(style|script|code|pre|bdi|option|textarea)\b.*?</\1>", " ", page, flags=re.DOTALL)
    shown = re.sub(r'<(\w+)[^>]* dir="ltr".*?</\1>', " ", shown, flags=re.DOTALL)
    attributes = " ".join(re.findall(r'\b(?:aria-label|placeholder|title|alt)="([^"]*)"', shown))
    words = html.unescape(re.sub(r"<[^>]+>", " ", shown) + " " + attributes)
    found = re.findall(r"[A-Za-zçñê_]+|[0-9]+", CODES.sub(" ", words))
    return sorted({word for word in found if word not in NAMES})


def check(answer: httpx.Response, where: str) -> None:
    assert answer.status_code in {200, 404, 409, 422}, (where, answer.status_code)
    assert '<html lang="ar" dir="rtl">' in answer.text, where
    assert foreign(answer.text) == [], (where, foreign(answer.text))
    assert "%(" not in answer.text, where
    assert "&amp;lt;" not in answer.text, where


def test_the_open_book_is_arabic_down_to_the_scales_of_its_drawings() -> None:
    for book in (lively_book(), lively_book(available=(-720, -5000))):
        page = render("public.html", book_page(book, ARABIC, explicit=True), ARABIC).decode()

        assert foreign(page) == []
        assert "موعود به" in page
        assert re.search(r"[٠-٩]+:[٠-٩]{2}", page)


async def test_pages_of_visitors_are_arabic_by_their_link_or_browser_and_nothing_is_kept(
    stage: Stage,
) -> None:
    paths = ["", "/check", "/give", "/join", "/ask", "/sign-in", "/nothing-of-that"]
    for path in paths:
        check(await stage.http.get(f"/g/riverside{path}?lang=ar"), path)
    for path in ("/", "/patterns", "/g/nobody"):
        headers = {"accept-language": "ar-EG,ar;q=0.9,en;q=0.5"}
        answer = await stage.http.get(path, headers=headers)
        check(answer, path)
        assert answer.headers["content-language"] == "ar"

    english = await stage.http.get("/g/riverside", headers={"accept-language": "en"})
    arabic = await stage.http.get("/g/riverside?lang=ar", headers={"accept-language": "en"})

    assert '<html lang="en">' in english.text
    check(arabic, "the public page")
    assert "set-cookie" not in arabic.headers
    assert 'href="/g/riverside/give?lang=ar"' in arabic.text, "links go on in the language of the address"
    by_browser = await stage.http.get("/g/riverside", headers={"accept-language": "ar-EG"})
    check(by_browser, "by the browser")
    assert by_browser.headers["vary"].lower() == "accept-language"


async def test_pages_of_members_stewards_and_treasurers_are_arabic(stage: Stage, today: str) -> None:
    money = {"pot": "money", "amount": 10_000, "currency": "EUR", "held": "cash-box", "effective_on": today}
    await stage.post("ed", "/money", money)
    hours = {"minutes": 90, "effective_on": today, "category": "repairs"}
    await stage.post("ada", "/hours", hours)
    for minutes in (30, 45, 60, 75, 90, 105, 120):
        body = {**hours, "minutes": minutes, "receiver": str(stage.cast.ids["ada"])}
        await stage.post("flo", "/hours", body)
    ask = {"pot": "money", "category": "repairs", "amount": 1250, "currency": "EUR", "contact": "٠٧"}
    first, second = [(await stage.post("ada", "/draws", ask)).json()["id"] for _ in range(2)]
    yes = await stage.post("bo", f"/draws/{first}/approve", {})
    ada, bo, ed = [await signed_in(stage, name) for name in ("ada", "bo", "ed")]

    for path in (
        "/me",
        "/log",
        "/ask",
        "/statement",
        "/me/looks",
        "/me/ways-in",
        "/import",
        f"/asks/{first}",
    ):
        check(await ada.get(path, lang="ar"), path)
    for path in ("/me", "/today", "/prove", "/import", "/me/ways-in"):
        check(await bo.get(path, lang="ar"), f"bo{path}")
    check(await ed.get("/pay", lang="ar"), "/pay")
    check(await ada.get("/statement", lang="ar", **{"from": "2026-01-01"}), "statement of a year")

    assert yes.status_code < 300, yes.text
    assert second


async def test_forms_answer_in_arabic_and_understand_it(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")

    refused = await ada.send(
        await ada.get("/log", lang="ar"),
        "",
        what="gave",
        day=today,
        kind="repairs",
        time="كثيرًا",
        who="Ed Ada",
    )
    check(refused, "a form with faults")
    assert "إجابتان تحتاجان إلى نظرة أخرى" in text_of(refused)
    looked = await ada.send(
        await ada.get("/log", lang="ar"), "", what="gave", day=today, kind="repairs", time="١ ساعة و٣٠ دقيقة"
    )
    check(looked, "the look before it is written")
    assert "١ ساعة و٣٠ دقيقة (بالدقائق: ٩٠)" in text_of(looked)
    written = await ada.follow(await ada.send(looked, "", checked="1"))
    check(written, "the receipt")
    assert "صار في الدفتر" in text_of(written)
