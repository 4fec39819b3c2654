"""The set-up pages in a real browser: how they fit, how they read without eyes, what they ask for.

A desk without a database stands behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from litestar import Litestar
from playwright.sync_api import Page, expect

from tests.browser.screen import AXE_RULES, IN_A_BROWSER, serving, sheets, sideways, stay
from timebank.errors import ServerFault, SlugTaken
from timebank.services.setup import ExampleState, MadeGroup
from timebank.web.public import PUBLIC_PAGES
from timebank.web.setup import SET_UP_PAGES

# The longer language on the narrow page.
LOOKS = ((320, "es", "light"), (1280, "en", "dark"))
MADE = MadeGroup(
    UUID(int=1),
    UUID(int=2),
    "millbank-lane",
    "Millbank Lane Neighbours",
    date(2026, 3, 1),
    "EUR",
    "tb_" + "x" * 43,
    recovery="ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567 ABCD EFGH IJKL MNOP QRST",
    invitation="x" * 32,
)
STATES = {
    "none": ExampleState("none", 0, 730, can_start=True),
    "telling": ExampleState("telling", 252, 730),
    "closing": ExampleState("telling", 728, 730),
    "ready": ExampleState("ready", 730, 730),
    "interrupted": ExampleState("interrupted", 0, 730),
    "failed": ExampleState("failed", 91, 730, can_start=True, problem=ServerFault()),
}

pytestmark = IN_A_BROWSER


class Desk:
    """A desk at which every link named after a state of the example is good."""

    origin = ""
    data_option = ""

    def __init__(self) -> None:
        self.example = self
        self.now = "none"

    def is_open(self, token: str) -> bool:
        self.now = token
        return token in STATES

    knows = is_open

    async def state(self) -> ExampleState:
        return STATES[self.now]

    async def start(self, **_: Any) -> None:
        self.now = "telling"

    async def make_tokens(self) -> dict[str, str]:
        return {part: "tb_" + part.ljust(43, "x") for part in ("member", "steward", "treasurer")}

    async def make_cards(self) -> dict[str, str]:
        return dict.fromkeys(("member", "steward", "treasurer"), "7K2Q-9TXR-MW4H-P3CA")

    async def set_up(self, _token: str, first: Any, **_: Any) -> MadeGroup:
        if first.slug == "taken":
            raise SlugTaken(slug="taken")
        return MADE


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with that desk, on a port of its own."""
    app = Litestar([*PUBLIC_PAGES, *SET_UP_PAGES], openapi_config=None, logging_config=None)
    app.state.set_up = Desk()
    app.state.door = SimpleNamespace(clock=lambda: datetime.now(UTC), origin="")
    with serving(app) as at:
        yield at


def fill(page: Page, **answers: str) -> None:
    folded = page.locator("details.fold:not([open]) > summary")
    if "slug" in answers and folded.count():
        folded.click()
    for field, text in {"name": "Millbank Lane", "nickname": "Ada", **answers}.items():
        page.fill(f"#{field}", text)
    page.click("form.form button")


def go_form(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/setup/none{query}")


def go_faults(page: Page, address: str, query: str) -> None:
    go_form(page, address, query)
    fill(page, name="", slug="Not Good", currency="EURO", nickname="")


def go_done(page: Page, address: str, query: str) -> None:
    go_form(page, address, query)
    fill(page)


def go_closed(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/setup/wrong{query}")


def go_tokens(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/setup/ready/example{query}")
    page.click("form button")


def go_state(state: str) -> Any:
    return lambda page, address, query: page.goto(f"{address}/setup/{state}/example{query}")


PAGES = {
    "form": go_form,
    "faults": go_faults,
    "done": go_done,
    "closed": go_closed,
    "tokens": go_tokens,
    **{f"example-{state}": go_state(state) for state in STATES},
}


LOOKS_AGAIN = {"example-telling", "example-closing"}


@pytest.mark.parametrize(
    ("name", "width", "lang", "scheme"), [(name, *LOOKS[at % 2]) for at, name in enumerate(PAGES)]
)
def test_no_set_up_page_scrolls_sideways_or_has_a_barrier(
    browser, address, pictures, name, width, lang, scheme
):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()

    PAGES[name](page, address, f"?lang={lang}")
    if name in LOOKS_AGAIN:
        stay(page)
    page.screenshot(path=pictures / f"setup-{name}-{width}.png", full_page=True)

    assert sideways(page) == []
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    # This page has to look again without a script. It says so, takes nothing from anybody who
    # is slow, and has a link for whoever stops the refresh.
    expected = {"meta-refresh"} if name in LOOKS_AGAIN else set()
    assert {one["id"] for one in found} <= expected, [(one["id"], one["nodes"][0]["html"]) for one in found]
    context.close()


def test_the_way_through_set_up_needs_no_script_and_nobody_else(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    go_form(page, address, "")
    fill(page, slug="taken")
    assert page.locator("#slug").input_value() == "taken"
    assert page.locator("#name").input_value() == "Millbank Lane"
    page.click(".notice a")
    assert page.url.endswith("#slug")
    fill(page, slug="")

    assert page.inner_text("h1") == "Your group is there"
    assert all(url.startswith(address) for url in asked)
    assert context.cookies() == []
    context.close()


def test_the_key_and_the_invitation_are_sheets_of_their_own(browser, address):
    page = browser.new_page()
    go_done(page, address, "")
    page.wait_for_selector("#invite")

    assert sheets(page) == 4
    page.close()


def test_the_faults_have_the_focus_and_every_field_has_its_words(browser, address):
    page = browser.new_page()

    go_faults(page, address, "")

    expect(page.locator(".notice.problem")).to_be_focused()
    for field in ("name", "slug", "currency", "nickname"):
        control = page.locator(f"#{field}")
        assert control.get_attribute("aria-invalid") == "true"
        said = [page.locator(f"#{one}").count() for one in control.get_attribute("aria-describedby").split()]
        assert said == [1, 1], field
    page.close()


def test_the_example_page_reads_itself_again_without_a_script(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    go_state("telling")(page, address, "")

    with page.expect_navigation(timeout=6_000):
        pass

    assert page.inner_text("#day") == "Day 252 of 730"
    context.close()
