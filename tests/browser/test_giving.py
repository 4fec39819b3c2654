"""Giving in a real browser: a few keys for whoever helped before, thirty rows by keyboard, help of several, settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.hands import Hands
from tests.browser.screen import IN_A_BROWSER, go_by, look_at
from tests.browser.test_members_pages import town
from tests.browser.town import Town, browse

__all__ = ["town"]

pytestmark = IN_A_BROWSER


AN_HOUR_AND_A_HALF = re.compile("^1.h.30")
WRITTEN = "It is in the book"


def test_whoever_helped_before_needs_few_keys_few_taps_and_two_pages(
    browser: Browser, town: Town, pictures: Path, script: bool, record_property: Callable[[str, str], None]
) -> None:
    form = f"{town.at}/log"
    before = browse(browser, town, "ada", 1280, java_script_enabled=script)
    before.goto(form)
    before.get_by_label("Who with?").fill("Flo")
    go_by(before.get_by_role("button", name=AN_HOUR_AND_A_HALF))
    assert before.get_by_role("heading", name=WRITTEN).is_visible()

    desk = browse(browser, town, "ada", 1280, java_script_enabled=script)
    by_keys = Hands(desk)
    desk.goto(form)
    fields = by_keys.count_fields()
    by_keys.press("Tab")
    by_keys.press("Enter")
    by_keys.tab_to("#who")
    by_keys.write("Flo")
    by_keys.tab_to("button[name=minutes][value='90']")
    by_keys.enter()
    assert desk.get_by_role("heading", name=WRITTEN).is_visible()
    assert 0 < fields <= 6
    assert by_keys.loads == 2
    assert by_keys.keys <= 25
    if script:
        look_at(desk, pictures, "receipt-desk")

    phone = browse(browser, town, "ada", 320, has_touch=True, java_script_enabled=script)
    by_taps = Hands(phone)
    phone.goto(form)
    known = phone.locator("#names option").get_attribute("value")
    assert known == "Flo", "whom one helped is there to choose"
    by_taps.tap(phone.get_by_label("Who with?"))
    # Letter by letter, on the keyboard that a phone shows: choosing the name from the list is one tap.
    by_taps.write("Flo")
    by_taps.tap_through(phone.get_by_role("button", name=AN_HOUR_AND_A_HALF))
    assert phone.get_by_role("heading", name=WRITTEN).is_visible()
    assert by_taps.loads == 2
    assert by_taps.touches <= 8
    if script:
        assert by_keys.heard() == (by_keys.keys, 0)
        assert by_taps.heard() == (by_taps.keys, by_taps.taps)
    record_property(
        "journey",
        f"log help: {fields} fields, {by_keys.loads} pages, {by_keys.keys} keys on a desk;"
        f" {by_taps.loads} pages, {by_taps.touches} taps on a phone",
    )
    for page in (before, desk, phone):
        page.context.close()


def test_thirty_in_a_row_by_keyboard_alone(
    browser: Browser, town: Town, pictures: Path, script: bool, record_property: Callable[[str, str], None]
) -> None:
    page = browse(browser, town, "bo", 1280, java_script_enabled=script)
    hands = Hands(page)
    page.goto(f"{town.at}/log/many?rows=30")
    assert page.locator("#day-0:focus").count() == 1
    for row in range(30):
        # Past the kind, which is as above, and the day, which is today.
        hands.press("Tab", 1 if row == 0 else 3)
        hands.write("Ada" if row != 7 else "Adx")
        hands.press("Tab")
        hands.write("Flo" if row % 2 else "")
        hands.press("Tab")
        hands.write(f"{1 + row % 3}:30")
        if row == 0:
            hands.press("Tab")
            hands.write("re")
            hands.press("Shift+Tab")
    hands.enter()
    assert page.get_by_role("alert").is_visible()
    page.screenshot(path=pictures / "members-many-fault-desk.png", full_page=True)
    hands.tab_to("a[href='#giver-7']")
    hands.press("Enter")
    hands.press("Control+a")
    hands.write("Ada")
    hands.enter()
    assert page.locator("button[value=write]:focus").inner_text() == "Write these 30 rows down"
    page.screenshot(path=pictures / "members-many-look-desk.png", full_page=True)
    hands.enter()
    assert page.get_by_role("heading", name="30 lines are written").is_visible()
    assert len(set(page.locator("td code").all_inner_texts())) == 30
    assert hands.loads == 4
    record_property("journey", f"thirty in a row: {hands.keys} keys, {hands.loads} pages, one row mended")
    page.screenshot(path=pictures / "members-many-written-desk.png", full_page=True)

    hands.tab_to("button.plain")
    hands.enter()
    assert page.get_by_role("heading", name="29 lines are written").is_visible()
    hands.tab_to("button[value=all]", 80)
    hands.enter()
    assert page.get_by_role("heading", name="It is taken back").is_visible()
    phone = browse(browser, town, "bo", 320)
    phone.goto(f"{town.at}/log/many?rows=2")
    look_at(phone, pictures, "many-phone")
    for each in (page, phone):
        each.context.close()


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
