"""One journey through the pages of members in a real browser: log, ask, decide, hand over, arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.screen import IN_A_BROWSER, go_by, look_at
from tests.browser.town import Town, browse, open_town
from tests.database import Server

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def town(cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The cast, and nothing has happened."""
    home = tmp_path_factory.mktemp("home")
    with open_town(cluster, database_template, home, ("ada", "bo", "ed")) as opened:
        yield opened


def test_one_evening_on_a_phone_and_on_a_desk(browser: Browser, town: Town, pictures: Path) -> None:
    at = town.at
    ada, bo, ed = (browse(browser, town, name, 320 if name == "ada" else 1280) for name in town.sessions)

    ada.goto(f"{at}/me")
    look_at(ada, pictures, "home-phone")
    go_by(ada.get_by_role("link", name="Log help").first)
    look_at(ada, pictures, "log-phone")
    ada.get_by_label("Or write it").fill("nonsense")
    ada.get_by_label("Who with?").press("Enter")
    assert ada.locator("#time-fault").is_visible(), "Return presses no quarter of an hour"
    look_at(ada, pictures, "log-fault-phone")
    ada.get_by_label("Or write it").fill("1h20")
    go_by(ada.get_by_role("button", name="Look at it"))
    look_at(ada, pictures, "check-phone")
    go_by(ada.get_by_role("button", name="Change something"))
    ada.get_by_label("Or write it").fill("")
    go_by(ada.get_by_role("button", name=re.compile("^1.h.30")))
    assert ada.get_by_role("heading", name="It is in the book").is_visible()
    look_at(ada, pictures, "receipt-phone")

    ada.goto(f"{at}/ask")
    look_at(ada, pictures, "ask-phone")
    ada.get_by_label("Money", exact=True).check()
    ada.get_by_label("How much?").fill("12.50")
    ada.get_by_label("What is it for?").select_option("repairs")
    ada.get_by_label("How can we reach you?").fill("The blue door, after six")
    go_by(ada.get_by_role("button", name="Send this ask"))
    look_at(ada, pictures, "asked-phone")
    status = ada.url

    bo.goto(f"{at}/today")
    look_at(bo, pictures, "today-desk")
    go_by(bo.get_by_role("link", name="Look at ask"))
    look_at(bo, pictures, "ask-card-desk")
    bo.get_by_label("Not now").check()
    go_by(bo.get_by_role("button", name="Record my answer"))
    look_at(bo, pictures, "today-fault-desk")
    bo.set_viewport_size({"width": 320, "height": 900})
    look_at(bo, pictures, "today-phone")
    bo.set_viewport_size({"width": 1280, "height": 900})
    bo.get_by_label("Yes, a part").check()
    bo.get_by_label("A part: how much").fill("5")
    go_by(bo.get_by_role("button", name="Record my answer"))
    assert "12.50" in bo.locator("main").inner_text(), "the pot is empty: it still waits"
    ada.goto(status)
    look_at(ada, pictures, "status-phone")
    ed.goto(f"{at}/pay")
    look_at(ed, pictures, "pay-empty-desk")


def test_desks_paper_and_the_other_direction(browser: Browser, town: Town, pictures: Path) -> None:
    at = town.at
    page = browse(browser, town, "ada", 1280, color_scheme="dark")
    for path in ("me", "log", "ask"):
        page.goto(f"{at}/{path}")
        look_at(page, pictures, f"{path}-desk-dark")
    for path in ("me", "log", "ask"):
        page.goto(f"{at}/{path}?lang=ar")
        assert page.evaluate("getComputedStyle(document.documentElement).direction") == "rtl"
        look_at(page, pictures, f"{path}-desk-ar")
    page.emulate_media(media="print", color_scheme="light")
    page.goto(f"{at}/me")
    page.screenshot(path=pictures / "members-home-print.png", full_page=True)
    assert not page.get_by_role("navigation", name="Pages").is_visible()
