"""Giving in a real browser: a few keys for whoever helped before, thirty rows by keyboard, help of several, settings."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.screen import IN_A_BROWSER, go_by, look_at
from tests.browser.test_members_pages import town
from tests.browser.town import Town, browse

__all__ = ["town"]

pytestmark = IN_A_BROWSER


class Keys:
    """A keyboard whose presses are counted, and the pages that they load."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.presses = self.loads = 0
        page.on("load", self._count)

    def _count(self, _page: object) -> None:
        self.loads += 1

    def press(self, key: str, times: int = 1) -> None:
        """Press one key, several times."""
        for _ in range(times):
            self.page.keyboard.press(key)
            self.presses += 1

    def write(self, text: str) -> None:
        """Press a key for every letter."""
        for letter in text:
            self.press(letter)

    def tab_to(self, selector: str, tries: int = 40) -> None:
        """Press Tab until something has the focus."""
        for _ in range(tries):
            if self.page.locator(selector).and_(self.page.locator(":focus")).count():
                return
            self.press("Tab")
        raise AssertionError(selector)

    def enter(self) -> None:
        """Press Return, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.press("Enter")


def test_whoever_helped_before_needs_few_keys_few_taps_and_two_pages(
    browser: Browser, town: Town, pictures: Path
) -> None:
    at = town.at
    page = browse(browser, town, "ada", 1280, java_script_enabled=False)
    page.goto(f"{at}/log")
    page.get_by_label("Who with?").fill("Flo")
    go_by(page.get_by_role("button", name=re.compile("^1.h.30")))
    assert page.get_by_role("heading", name="It is in the book").is_visible()

    by_keys = browse(browser, town, "ada", 1280)
    keys = Keys(by_keys)
    by_keys.goto(f"{at}/log")
    fields = by_keys.locator("fieldset.question, div.question").count()
    keys.press("Tab")
    keys.press("Enter")
    keys.tab_to("#who")
    keys.write("Flo")
    keys.tab_to("button[name=minutes][value='90']")
    keys.enter()
    assert by_keys.get_by_role("heading", name="It is in the book").is_visible()
    assert (fields, keys.loads) == (6, 2)
    assert keys.presses <= 25, keys.presses
    look_at(by_keys, pictures, "receipt-desk")

    phone = browse(browser, town, "ada", 320, has_touch=True)
    loads: list[object] = []
    phone.on("load", lambda page: loads.append(page))
    phone.goto(f"{at}/log")
    assert phone.locator("#names option").get_attribute("value") == "Flo", (
        "whom one helped is there to choose"
    )
    taps = (phone.get_by_label("Who with?"), phone.get_by_role("button", name=re.compile("^1.h.30")))
    taps[0].tap()
    phone.keyboard.insert_text("Flo")
    with phone.expect_navigation():
        taps[1].tap()
    assert phone.get_by_role("heading", name="It is in the book").is_visible()
    # One more to choose the name from the list.
    assert len(taps) + 1 <= 8
    assert len(loads) == 2


def test_thirty_in_a_row_by_keyboard_alone_and_without_script(
    browser: Browser, town: Town, pictures: Path
) -> None:
    page = browse(browser, town, "bo", 1280, java_script_enabled=False)
    page.goto(f"{town.at}/log/many?rows=30")
    keys = Keys(page)
    assert page.locator("#day-0:focus").count() == 1
    for row in range(30):
        # Past the kind, which is as above, and the day, which is today.
        keys.press("Tab", 1 if row == 0 else 3)
        keys.write("Ada" if row != 7 else "Adx")
        keys.press("Tab")
        keys.write("Flo" if row % 2 else "")
        keys.press("Tab")
        keys.write(f"{1 + row % 3}:30")
        if row == 0:
            keys.press("Tab")
            keys.write("re")
            keys.press("Shift+Tab")
    keys.enter()
    assert page.get_by_role("alert").is_visible()
    page.screenshot(path=pictures / "members-many-fault-desk.png", full_page=True)
    keys.tab_to("a[href='#giver-7']")
    keys.press("Enter")
    keys.press("Control+a")
    keys.write("Ada")
    keys.enter()
    assert page.locator("button[value=write]:focus").inner_text() == "Write these 30 rows down"
    page.screenshot(path=pictures / "members-many-look-desk.png", full_page=True)
    keys.enter()
    assert page.get_by_role("heading", name="30 lines are written").is_visible()
    assert len(set(page.locator("td code").all_inner_texts())) == 30
    page.screenshot(path=pictures / "members-many-written-desk.png", full_page=True)

    keys.tab_to("button.plain")
    keys.enter()
    assert page.get_by_role("heading", name="29 lines are written").is_visible()
    keys.tab_to("button[value=all]", 80)
    keys.enter()
    assert page.get_by_role("heading", name="It is taken back").is_visible()
    phone = browse(browser, town, "bo", 320)
    phone.goto(f"{town.at}/log/many?rows=2")
    look_at(phone, pictures, "many-phone")


def test_what_several_did_together_is_shared_to_the_minute(
    browser: Browser, town: Town, pictures: Path
) -> None:
    page = browse(browser, town, "ada", 320)
    page.goto(f"{town.at}/log")
    page.get_by_label("We did it together").check()
    page.get_by_label("Who with?").fill("Flo, Bo")
    go_by(page.get_by_role("button", name=re.compile("^1.h$")))
    look_at(page, pictures, "shares-phone")
    page.get_by_label("in all, by parts").check()
    page.get_by_label("Flo").fill("2")
    page.get_by_label("Flo").press("Enter")
    assert page.get_by_text("in all, to the minute").inner_text().replace("\xa0", " ").startswith("1 h in")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.screenshot(path=pictures / "members-shares-desk.png", full_page=True)
    go_by(page.get_by_role("button", name="Log this help"))
    assert page.get_by_role("heading", name="3 lines are written").is_visible()
    look_at(page, pictures, "shares-written-desk")


def test_all_that_is_ones_own_to_say_is_on_one_page(browser: Browser, town: Town, pictures: Path) -> None:
    at = town.at
    page = browse(browser, town, "ed", 320, locale="en-GB")
    page.goto(f"{at}/me/settings")
    look_at(page, pictures, "settings-phone")
    page.get_by_label("Read the pages in").select_option("es")
    go_by(page.get_by_role("button", name="Keep this language"))
    assert page.locator("html").get_attribute("lang") == "es"
    page.goto(f"{at}/me")
    assert page.locator("html").get_attribute("lang") == "es", "the person before the browser"
    look_at(page, pictures, "home-es-phone")
    page.goto(f"{at}/me/settings?lang=en")
    page.get_by_label("Read the pages in").select_option("")
    go_by(page.get_by_role("button", name="Keep this language"))
    assert page.locator("html").get_attribute("lang") == "en"

    desk = browse(browser, town, "ada", 1280, color_scheme="dark")
    for path in ("me/settings", "me/receipts", "me/forget"):
        desk.goto(f"{at}/{path}")
        look_at(desk, pictures, f"{path.replace('/', '-')}-desk-dark")
    desk.goto(f"{at}/me")
    desk.emulate_media(color_scheme="light")
    desk.screenshot(path=pictures / "members-home-desk.png", full_page=True)
    desk.set_viewport_size({"width": 320, "height": 900})
    desk.evaluate("document.documentElement.dir = 'rtl'")
    look_at(desk, pictures, "home-phone-rtl")
