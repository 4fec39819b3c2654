"""Stewards without script and by keyboard: an invitation, a duty given by two, rules changed with a look before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.screen import IN_A_BROWSER, go_by, look_at, sideways
from tests.browser.town import Town, browse, open_town
from tests.cast import Cast
from tests.database import Server
from timebank.rules.settings import Change
from timebank.services.acts import Once
from timebank.services.settings import write_settings

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def town(cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The cast, in a group that lets people ask to join."""
    home = tmp_path_factory.mktemp("home")
    with open_town(cluster, database_template, home, ("bo", "di"), prepare=_let_people_ask) as opened:
        yield opened


async def _let_people_ask(cast: Cast, now: datetime) -> None:
    once = Once("requests", b"0" * 32, now, lambda _refusal: (500, {}))
    await write_settings(cast.house, await cast.actor("bo"), once, Change(joining="request"))


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus: whoever has no mouse comes there."""
    for _ in range(120):
        if wanted.and_(page.locator(":focus")).count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way by Tab to {wanted}")


def press(page: Page, name: str) -> None:
    reach(page, page.get_by_role("button", name=name, exact=True).first)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def follow(page: Page, name: str) -> None:
    reach(page, page.get_by_role("link", name=name, exact=True).first)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def fill(page: Page, label: str, words: str, *, send: bool = False) -> None:
    reach(page, page.get_by_label(label, exact=True).first)
    page.keyboard.press("Control+A")
    page.keyboard.type(words)
    if send:
        with page.expect_navigation():
            page.keyboard.press("Enter")


def test_by_keyboard_and_without_script(browser: Browser, town: Town) -> None:
    at = town.at
    bo, di = (browse(browser, town, name, 320, java_script_enabled=False) for name in ("bo", "di"))

    bo.goto(f"{at}/today")
    follow(bo, "People")
    follow(bo, "Invitations")
    fill(bo, "For how many people?", "2", send=True)
    address = bo.locator(".where-to").first.inner_text()
    assert "/join/" in address

    guest = browser.new_context(java_script_enabled=False).new_page()
    guest.goto(f"{at}{address[address.index('/join/') :]}")
    fill(guest, "Your nickname", "Noor", send=True)
    assert guest.get_by_role("heading", name="You are in").is_visible()

    bo.goto(f"{at}/people")
    follow(bo, "Noor")
    reach(bo, bo.get_by_label("treasurer", exact=True).first)
    bo.keyboard.press("Space")
    press(bo, "Propose this duty")
    assert bo.get_by_text("It is proposed.").is_visible()

    di.goto(f"{at}/today")
    follow(di, "A duty for Noor waits for a second yes: treasurer")
    press(di, "Yes, give it")
    assert di.get_by_text("Done. The duty counts from their next step on.").is_visible()
    assert di.get_by_role("row").filter(has_text="Noor").get_by_text("treasurer").is_visible()

    follow(bo, "The group")
    follow(bo, "Rules of the money pot")
    fill(bo, "Most for one ask", "50", send=True)
    assert bo.locator(".facts").get_by_text("New. Up to €50.00 for one ask.").is_visible()
    press(bo, "Publish these rules")
    follow(bo, "All versions")
    assert bo.get_by_text("Version 2, agreed on").first.is_visible()


def test_every_page_of_stewards_stands_on_phones_desks_in_the_dark_and_on_paper(
    browser: Browser, town: Town, pictures: Path
) -> None:
    at = town.at
    wrong: list[str] = []

    def look(page: Page, name: str) -> None:
        try:
            look_at(page, pictures, f"steward-{name}")
        except AssertionError as fault:
            wrong.append(str(fault).partition("\n")[0])

    def snap(page: Page, name: str) -> None:
        """See that nothing sticks out; the picture is for whoever asked for pictures."""
        wrong.extend(f"{name} sticks out at {width}" for width in sideways(page))
        if "TIMEBANK_TEST_PICTURES" in os.environ:
            page.screenshot(path=pictures / f"members-steward-{name}.png", full_page=True)

    phone, desk = browse(browser, town, "bo", 320), browse(browser, town, "bo", 1280)
    dark = browse(browser, town, "bo", 1280, color_scheme="dark")
    desk.goto(f"{at}/people/invitations")
    desk.get_by_label("For how many people?").fill("4")
    go_by(desk.get_by_role("button", name="Make an invitation"))
    card = desk.url
    desk.goto(f"{at}/people")
    desk.get_by_label("Their nickname").fill("Old Rosa")
    go_by(desk.get_by_role("button", name="Enter them"))
    person = desk.url.partition("?")[0]
    pages = {
        "people": f"{at}/people",
        "person": person,
        "invitations": f"{at}/people/invitations",
        "invitation": card,
        "group": f"{at}/group",
        "editor": f"{at}/group/rules/money",
        "close": f"{at}/group/close",
        "rules": f"{at}/rules",
        "join": f"{at}/ask-to-join",
        "today": f"{at}/today",
    }
    for name, address in pages.items():
        phone.goto(address)
        for details in phone.locator("details").all():
            details.evaluate("each => each.open = true")
        # Barriers are looked for by the walk over every page.
        snap(phone, f"{name}-phone")
        desk.goto(address)
        snap(desk, f"{name}-desk")
    dark.goto(pages["editor"])
    look(dark, "editor-dark")
    for name in ("people", "group", "today"):
        dark.goto(pages[name])
        snap(dark, f"{name}-dark")
    phone.goto(pages["person"])
    phone.evaluate("document.documentElement.dir = 'rtl'")
    snap(phone, "person-rtl")
    desk.goto(pages["editor"])
    desk.get_by_label("Most for one ask").fill("much")
    go_by(desk.get_by_role("button", name="Look at the rules in words"))
    look(desk, "editor-fault")
    desk.get_by_label("Most for one ask").fill("75")
    go_by(desk.get_by_role("button", name="Look at the rules in words"))
    look(desk, "preview-desk")
    desk.goto(pages["group"])
    desk.locator("summary", has_text="What becomes public").click()
    desk.get_by_label("Month by month: totals only").check()
    go_by(desk.get_by_role("button", name="Look at what changes"))
    look(desk, "settings-preview-desk")
    desk.goto(card)
    desk.emulate_media(media="print")
    desk.screenshot(path=pictures / "steward-invitation-print.png", full_page=True)
    assert wrong == []
