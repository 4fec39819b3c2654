"""The printable statement in a real browser: on a phone, on a desk, on paper, and without a barrier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from litestar import Litestar
from playwright.sync_api import Browser, Page

from tests.browser.screen import ALL_WIDTHS, AXE_RULES, IN_A_BROWSER, go_by, serving, sideways, sign_in
from tests.web.fixture_books import lively_book
from timebank.errors import FieldInvalid
from timebank.formats.statement_csv import StatementSum
from timebank.ledger.units import MINUTES
from timebank.services.export import ENDS_BEFORE
from timebank.services.own_data import DatedLine, OwnStatement
from timebank.services.published import PublicFigures
from timebank.services.statement import Line
from timebank.store.own_data import OwnGroup
from timebank.web.public import PUBLIC_PAGES
from timebank.web.statement import STATEMENT_PAGES

pytestmark = IN_A_BROWSER

NOW = datetime(2026, 9, 27, 18, 0, tzinfo=UTC)
PATH = "/g/millbank-lane/statement"
#: First days that stand for a statement each.
GOOD, EMPTY, LONG, WRONG = "2026-07-01", "2026-07-02", "2026-07-03", "2027-01-01"
NOTE = "Two pots of soup for the whole staircase, and the lift was out: " + "W" * 60


def line(number: int, what: str, kind: str, amount: int, unit: str = MINUTES, **more: Any) -> DatedLine:
    day = date(2026, 7, 1) + timedelta(days=2 * number)
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "what": what,
        "kind": kind,
        "at": datetime.combine(day, datetime.min.time(), UTC),
        "effective_on": day,
        "unit": unit,
        "amount": amount,
        "category": "cooking",
        "state": "recorded",
    }
    return DatedLine(day, Line(**{**values, **more}))


LINES = (
    line(1, "given", "help_given", 90, note=NOTE),
    line(1, "given", "help_answered", 45),
    line(2, "received", "hours", 120, state="logged", category="a very long kind of help that a group wrote"),
    line(3, "given", "help_given", 500, state="corrected"),
    line(3, "taken_back", "correction", 500, note="I had written the day twice"),
    line(4, "given", "fulfil", 7_325),
    line(5, "received", "hours", 30, state="withdrawn"),
    line(5, "given", "money_in", 1_250, "EUR", category=""),
    line(6, "asked", "draw", 4_500, "EUR", state="handed_over", handed=4_500, pot="money"),
    line(7, "asked", "draw", 90, state="asked", pot="hours"),
)


def statement(lines: tuple[DatedLine, ...], given: int, received: int, euros: int) -> OwnStatement:
    return OwnStatement(
        group=OwnGroup("Millbank Lane Neighbours", "millbank-lane", "Europe/Dublin"),
        nickname="Ada",
        taken_at=NOW,
        first=date(2026, 7, 1),
        last=None,
        lines=lines,
        given=(StatementSum("given", MINUTES, given, 3), StatementSum("given", "EUR", euros, 1)),
        received=StatementSum("received", MINUTES, received, 1),
    )


STATEMENTS = {
    GOOD: statement(LINES, 7_460, 120, 1_250),
    EMPTY: statement((), 0, 0, 0),
    LONG: statement(
        tuple(line(number, "given", "help_given", 60) for number in range(1, 200)), 199 * 60, 0, 0
    ),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with the statements above, each behind its first day."""
    patch = pytest.MonkeyPatch()

    async def read_group(_database: object, _slug: str) -> PublicFigures:
        book = lively_book()
        return PublicFigures(book.group, book.period, book.balances, book.held)

    async def read(_house: object, _actor: object, *, first: date | None, **_: object) -> OwnStatement:
        said = first.isoformat() if first else GOOD
        if said not in STATEMENTS:
            raise FieldInvalid(field="to", why=ENDS_BEFORE)
        return STATEMENTS[said]

    sign_in(patch, SimpleNamespace(roles=frozenset({"member"})))
    patch.setattr("timebank.web.inside.read_public_group", read_group)
    patch.setattr("timebank.web.statement.read_own_statement", read)
    app = Litestar([*PUBLIC_PAGES, *STATEMENT_PAGES], openapi_config=None, logging_config=None)
    app.state.database = None
    app.state.door = SimpleNamespace(house=None, clock=lambda: NOW)
    with serving(app) as at:
        yield at
    patch.undo()


def look(browser: Browser, url: str, width: int = 1280, **more: Any) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}, **more).new_page()
    page.goto(url)
    return page


def opened(browser: Browser, url: str, first: str, width: int = 1280, **more: Any) -> Page:
    """Fill the form in as a person would."""
    page = look(browser, url, width, java_script_enabled=more.pop("script", True), **more)
    page.locator("#from").fill(first)
    # What is looked at next must be the answer, not the form that is on its way out.
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("statement|extracto", re.IGNORECASE)).click()
    return page


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_page_scrolls_sideways(browser, address, pictures, language):
    url = f"{address}{PATH}?lang={language}"
    pages = {
        "form": look(browser, url),
        "form-wrong": opened(browser, url, WRONG),
        "statement": opened(browser, url, GOOD),
        "statement-empty": opened(browser, url, EMPTY),
    }
    for name, page in pages.items():
        assert sideways(page, ALL_WIDTHS) == [], name
        for width in ALL_WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=pictures / f"{name}-{language}-{width}.png", full_page=True)
        page.context.close()


def test_no_page_has_a_barrier(browser, address):
    """At a phone's width and in the dark; the walk over every page has the other ways."""
    for first in ("", WRONG, GOOD, EMPTY):
        url = f"{address}{PATH}?lang=en"
        dark = {"color_scheme": "dark"}
        page = opened(browser, url, first, 320, **dark) if first else look(browser, url, 320, **dark)

        found = Axe().run(page, options=AXE_RULES)

        assert found.violations_count == 0, found.generate_report()
        page.context.close()


def test_the_way_through_needs_no_script_and_can_be_loaded_again(browser, address):
    page = opened(browser, f"{address}{PATH}?lang=en", WRONG, script=False)

    assert page.get_by_role("alert").is_visible()
    assert page.locator("#from").input_value() == WRONG
    page.locator("#from").fill(GOOD)
    go_by(page.get_by_role("button", name="Show my statement"))
    assert page.get_by_role("heading", name="Statement of Ada").is_visible()
    page.reload()
    assert page.get_by_role("heading", name="Statement of Ada").is_visible()
    assert page.context.cookies() == []
    go_by(page.get_by_role("link", name="Other days"))
    assert page.locator("#from").input_value() == ""
    page.context.close()


def test_given_and_received_are_equally_large_side_by_side_and_no_column_has_a_minus(browser, address):
    for width in (320, 1280):
        page = opened(browser, f"{address}{PATH}?lang=en", GOOD, width)

        given, received = (page.locator(".pair dd").nth(number).bounding_box() for number in (0, 1))

        assert given
        assert received
        assert given["y"] == received["y"]
        assert given["x"] < received["x"]
        assert not re.search(r"[-−]\d", page.locator("main").inner_text())
        page.context.close()


def test_on_paper_there_is_the_statement_and_nothing_to_press(browser, address, pictures):
    page = opened(browser, f"{address}{PATH}?lang=en", GOOD, 680)
    page.emulate_media(media="print")

    assert not page.get_by_role("link", name="Other days").is_visible()
    assert not page.get_by_role("link", name="Leave this page now").is_visible()
    assert page.get_by_role("heading", name="Statement of Ada").is_visible()
    page.screenshot(path=pictures / "statement-printed.png", full_page=True)
    printed = page.pdf(path=pictures / "statement.pdf", prefer_css_page_size=True)
    assert b"/MediaBox [0 0 594" in printed or b"/MediaBox [0 0 595" in printed
    page.context.close()


def test_a_long_statement_repeats_its_heads_on_every_sheet(browser, address, pictures):
    page = opened(browser, f"{address}{PATH}?lang=en", LONG)

    printed = page.pdf(path=pictures / "statement-long.pdf", prefer_css_page_size=True)

    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) > 4
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    page.context.close()
