"""A treasurer's evening in a real browser, by keyboard and without a script: money in, a count, a second signature."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.screen import IN_A_BROWSER, go_by, look_at, sheets, sideways
from tests.browser.town import Town, browse, open_town
from tests.cast import Cast
from tests.database import Server
from timebank.services.members import grant_role

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def town(cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The cast; Di keeps the machine, too."""
    home = tmp_path_factory.mktemp("home")
    with open_town(cluster, database_template, home, ("ada", "bo", "di", "ed"), prepare=_a_host) as opened:
        yield opened


async def _a_host(cast: Cast, now: datetime) -> None:
    await grant_role(cast.house, cast.group_id, cast.ids["di"], "host", now=now)


def press_to(page: Page, selector: str) -> None:
    """Go on with the tabulator until something has the focus, as somebody without a mouse does."""
    for _ in range(80):
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the tabulator never comes to {selector}")


def type_into(page: Page, selector: str, text: str) -> None:
    press_to(page, selector)
    page.keyboard.type(text)


def button(page: Page, words: str) -> None:
    """Press a button with the keyboard, and wait for where it leads."""
    found = page.get_by_role("button", name=words, exact=True)
    for _ in range(80):
        if found.evaluate("it => it === document.activeElement"):
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the tabulator never comes to {words}")


def test_money_in_a_count_and_a_second_signature_by_keyboard_alone(
    browser: Browser, town: Town, pictures: Path
) -> None:
    at = town.at
    ed, bo = (browse(browser, town, name, 1280, java_script_enabled=False) for name in ("ed", "bo"))

    ed.goto(f"{at}/money/in")
    type_into(ed, "#amount", "120.50")
    press_to(ed, "#held")
    ed.keyboard.press("ArrowDown")
    ed.keyboard.press("ArrowUp")
    type_into(ed, "#reference", "Statement 7")
    button(ed, "Look at it, then write it")
    assert ed.get_by_role("heading", name="Is this right?").is_visible()
    button(ed, "Write it down")
    assert "Given: €120.50" in ed.locator("main").inner_text()

    ed.goto(f"{at}/money/places/bank")
    type_into(ed, "#amount", "118")
    button(ed, "Hold it against the book")
    assert "€2.50 is missing" in ed.locator("main").inner_text()
    button(ed, "Write this count down")
    assert "somebody else with a duty signs it" in ed.locator("main").inner_text()
    proposal = ed.url

    bo.goto(f"{at}/money")
    press_to(bo, ".todo a")
    bo.keyboard.press("Enter")
    bo.wait_for_url(proposal)
    assert "Ed" in bo.locator("dl.summary").inner_text()
    button(bo, "Sign it")
    assert "It is signed, and in the book" in bo.locator("main").inner_text()
    ed.goto(f"{at}/money")
    assert "118.00" in ed.locator("table.book").first.inner_text()


def test_an_ask_is_handed_over_undone_and_arrives(browser: Browser, town: Town, pictures: Path) -> None:
    at = town.at
    ada, bo, ed = (browse(browser, town, name, 320) for name in ("ada", "bo", "ed"))
    ada.goto(f"{at}/ask")
    ada.get_by_label("Money", exact=True).check()
    ada.get_by_label("How much?").fill("12.50")
    ada.get_by_label("What is it for?").select_option("repairs")
    go_by(ada.get_by_role("button", name="Send this ask"))
    status = ada.url
    bo.goto(f"{at}/today")
    go_by(bo.get_by_role("link", name="Look at ask"))
    bo.get_by_label("Yes, all of it").check()
    go_by(bo.get_by_role("button", name="Record my answer"))
    ed.goto(f"{at}/pay")
    look_at(ed, pictures, "pay-phone")
    ed.emulate_media(media="print")
    ed.set_viewport_size({"width": 700, "height": 990})
    ed.screenshot(path=pictures / "print-pay.png", full_page=True)
    assert ed.locator(".pay-list").is_visible()
    assert not ed.get_by_role("button", name="It is handed over").is_visible()
    ed.emulate_media(media="screen")
    ed.set_viewport_size({"width": 320, "height": 900})

    def hand_over() -> None:
        ed.goto(f"{at}/pay")
        ed.get_by_label("bank", exact=True).check()
        go_by(ed.get_by_role("button", name="It is handed over"))

    hand_over()
    look_at(ed, pictures, "paid-phone")
    go_by(ed.get_by_role("link", name="€12.50"))
    look_at(ed, pictures, "paid-receipt-phone")
    go_by(ed.get_by_role("button", name="Undo this entry"))
    assert ed.get_by_role("heading", name="It is taken back").is_visible()
    hand_over()
    ada.goto(status)
    go_by(ada.get_by_role("button", name="It has arrived"))
    ed.goto(f"{at}/pay")
    assert "says that it has arrived" in ed.locator("#lately").inner_text()


def test_every_page_of_a_treasurer_and_of_a_host_fits_and_has_no_barrier(
    browser: Browser, town: Town, pictures: Path
) -> None:
    at = town.at
    page = browse(browser, town, "ed", 320)
    for path in ("", "/carry", "/out", "/new-place", "/places/cash-box", "/second"):
        page.goto(f"{at}/money{path}")
        look_at(page, pictures, f"money{path.replace('/', '-')}-phone")
    page.goto(f"{at}/money/in")
    go_by(page.get_by_role("button", name="Look at it, then write it"))
    look_at(page, pictures, "money-in-fault-phone")
    page.goto(f"{at}/money/places/cash-box")
    page.get_by_label("How much is there?").fill("5")
    go_by(page.get_by_role("button", name="Hold it against the book"))
    look_at(page, pictures, "money-count-check-phone")
    go_by(page.get_by_role("button", name="Write this count down"))
    proposal = page.url
    desk = browse(browser, town, "di", 1280, color_scheme="dark")
    desk.goto(proposal)
    look_at(desk, pictures, "money-sign-desk")
    desk.goto(f"{at}/host")
    look_at(desk, pictures, "host-desk")
    go_by(desk.get_by_role("button", name="Make a link for another group"))
    look_at(desk, pictures, "host-link-desk")

    page.goto(f"{at}/money")
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.screenshot(path=pictures / "money-rtl.png", full_page=True)
    assert sideways(page) == []
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 990})
    for name, path in (("slip", "/money/places/cash-box"), ("money", "/money")):
        page.goto(f"{at}{path}")
        page.screenshot(path=pictures / f"print-{name}.png", full_page=True)
        assert sheets(page) == 1, name
