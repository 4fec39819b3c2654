"""The public page in a real browser: what it asks for, how it fits, how it reads without eyes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from litestar import Litestar, get
from litestar.types import ASGIApp
from playwright.sync_api import Browser, Page

from tests.browser.screen import ALL_WIDTHS, AXE_RULES, IN_A_BROWSER, go_by, serving, sheets, sideways
from tests.web.fixture_books import EMPTY_BOOK, lively_book
from timebank.edge.published import PublishedReply
from timebank.errors import UnknownGroup
from timebank.i18n import language
from timebank.services.published import PublicFigures
from timebank.web.book_page import book_page
from timebank.web.pages import PAGE_HEADERS, render
from timebank.web.public import PUBLIC_PAGES

pytestmark = IN_A_BROWSER

BOOKS = {
    "millbank-lane": lively_book(),
    "short": lively_book(available=(-720, -5000)),
    "busy": lively_book(available=(900_000, 9_000_000), per_day=60),
    "young": EMPTY_BOOK,
}
PAGES = {
    "lively": "/g/millbank-lane?lang=en",
    "lively-es": "/g/millbank-lane?lang=es",
    "short-es": "/g/short?lang=es",
    "busy": "/g/busy?lang=en",
    "lively-ar": "/g/millbank-lane?lang=ar",
    "young": "/g/young?lang=en",
    "young-es": "/g/young?lang=es",
}


@get("/rtl", include_in_schema=False)
async def right_to_left() -> ASGIApp:
    """Show the page in a language of Latin letters that would run from right to left."""
    spoken = dataclasses.replace(language("en"), direction="rtl")
    body = render(
        "public.html", book_page(lively_book(), spoken, explicit=True, origin="https://pot.example"), spoken
    )
    return PublishedReply(body, "text/html; charset=utf-8", headers=PAGE_HEADERS)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with the books above, on a port of its own."""
    patch = pytest.MonkeyPatch()

    async def read_book(_database: object, slug: str) -> Any:
        if slug not in BOOKS:
            raise UnknownGroup
        return BOOKS[slug]

    async def read_group(_database: object, slug: str) -> PublicFigures:
        book = await read_book(None, slug)
        return PublicFigures(book.group, book.period, book.balances, book.held)

    patch.setattr("timebank.web.public.read_public_book", read_book)
    patch.setattr("timebank.web.public.read_public_group", read_group)
    app = Litestar([*PUBLIC_PAGES, right_to_left], openapi_config=None, logging_config=None)
    app.state.database = None
    app.state.door = SimpleNamespace(origin="https://pot.example")
    with serving(app) as at:
        yield at
    patch.undo()


def look(browser: Browser, url: str, width: int = 1280, **more: Any) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}, **more).new_page()
    page.goto(url)
    return page


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(browser, address, pictures, name):
    page = look(browser, address + PAGES[name])

    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert sideways(page, ALL_WIDTHS) == []
    for width in ALL_WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=pictures / f"{name}-{width}.png", full_page=True)
    page.context.close()


@pytest.mark.parametrize("name", ["busy", "short-es"])
def test_no_page_has_a_barrier(browser, address, name):
    """Of books that the walk over every page does not have."""
    for width, scheme in ((320, "light"), (1280, "dark")):
        page = look(browser, address + PAGES[name], width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

        found = Axe().run(page, options=AXE_RULES)

        assert found.violations_count == 0, found.generate_report()
        page.context.close()


def test_the_page_asks_nobody_else_and_keeps_nothing(browser, address):
    context = browser.new_context()
    page = context.new_page()
    asked, complaints, sizes = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("response", lambda response: sizes.append(len(response.body())))

    page.goto(address + PAGES["busy"])
    page.wait_for_load_state("networkidle")

    assert len(asked) >= 5
    assert all(url.startswith(address) for url in asked)
    assert complaints == []
    assert sum(sizes) < 100_000
    assert context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    context.close()


def test_the_page_is_whole_without_script(browser, address):
    page = look(browser, address + PAGES["lively"], java_script_enabled=False)

    page.locator("summary").first.click()

    assert page.locator("table.book").first.is_visible()
    assert page.locator("details[open]").count() == 1
    languages = page.get_by_role("navigation", name="Language", exact=True)
    go_by(languages.get_by_role("link", name="Español"))
    assert page.get_by_role("heading", name="Horas en el bote").is_visible()
    go_by(page.get_by_role("link", name="Aporta"))
    assert page.get_by_role("heading", name="Aporta").is_visible()
    page.context.close()


def test_the_first_pot_bar_is_on_the_first_screen_of_a_phone(browser, address):
    page = browser.new_context(viewport={"width": 320, "height": 640}).new_page()
    page.goto(address + PAGES["lively"])

    box = page.locator("svg.measure").first.bounding_box()

    assert box
    assert box["y"] + 56 < 640
    page.context.close()


def test_the_bar_and_the_strip_of_places_are_equally_long(browser, address):
    page = look(browser, address + PAGES["lively"])

    bar = page.locator(".leaf.verso svg.measure rect").last.bounding_box()
    strip = page.locator(".where svg").bounding_box()

    assert bar
    assert strip
    assert strip["width"] == pytest.approx(bar["width"], abs=2)
    page.context.close()


def test_keys_reach_every_link_and_the_ring_is_seen(browser, address):
    page = look(browser, address + PAGES["lively"])
    reached = set()

    for _ in range(40):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            "(() => { const a = document.activeElement, s = getComputedStyle(a);"
            " return [a.tagName + ':' + (a.textContent || '').trim().slice(0, 30), s.outlineStyle, s.outlineWidth] })()"
        )
        if focus[0].startswith("BODY"):
            break
        assert focus[1:] == ["solid", "3px"], focus
        reached.add(focus[0])

    links = page.locator("a:visible").count()
    assert len([one for one in reached if one.startswith("A:")]) >= links - 3
    page.context.close()


def test_text_twice_as_large_still_fits(browser, address):
    page = look(browser, address + PAGES["lively-es"], 1280)

    page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert sideways(page, (1280,)) == []
    page.context.close()


@pytest.mark.parametrize("name", ["lively", "lively-es", "lively-ar"])
def test_the_poster_is_two_sheets(browser, address, name):
    page = look(browser, address + PAGES[name])

    assert sheets(page) == 2
    page.context.close()


#: The words of an element in the order in which they stand on the page, from left to right.
AS_SEEN = """
element => {
  const words = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    for (const found of walker.currentNode.data.matchAll(/[^\\s\\u00a0\\u202f]+/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, found.index);
      range.setEnd(walker.currentNode, found.index + found[0].length);
      words.push([range.getBoundingClientRect().left, found[0]]);
    }
  return words.sort((one, other) => one[0] - other[0]).map(word => word[1]);
}
"""


def test_a_time_with_latin_units_is_read_from_left_to_right_in_every_page(browser, address):
    for path in (PAGES["lively"], "/rtl"):
        page = look(browser, address + path)
        times = page.locator(".figure time").all()
        right = [time.text_content().split() for time in times]
        assert any(len(words) == 4 for words in right), right

        assert [time.evaluate(AS_SEEN) for time in times] == right

        # Without a word about its direction a time follows the page, and turns round with it.
        for time in times:
            time.evaluate("time => time.removeAttribute('dir')")
        assert ([time.evaluate(AS_SEEN) for time in times] == right) == (path != "/rtl")
        page.context.close()


def test_a_time_in_arabic_is_read_from_right_to_left(browser, address):
    page = look(browser, address + PAGES["lively-ar"])
    times = page.locator(".figure time").all()

    assert any(len(time.text_content().split()) == 4 for time in times)
    for time in times:
        assert time.evaluate(AS_SEEN) == time.text_content().split()[::-1]
    page.context.close()


@pytest.mark.parametrize(
    "more", [{"color_scheme": "dark"}, {"forced_colors": "active"}], ids=["dark", "forced"]
)
def test_pictures_in_other_lights(browser, address, pictures, more):
    for name in ("lively", "lively-ar", "short-es"):
        page = look(browser, address + PAGES[name], **more)
        page.screenshot(path=pictures / f"{name}-{next(iter(more.values()))}.png", full_page=True)
        page.context.close()
