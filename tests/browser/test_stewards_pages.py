"""Stewards without script and by keyboard: an invitation, a duty given by two, rules changed with a look before."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.screen import IN_A_BROWSER, serving
from tests.browser.test_members_pages import Served, _copy, _session, browse, look_at
from tests.cast import SLUG, make_cast, trust_this_server
from tests.database import Dsn, Server, drop
from timebank.app import build_app
from timebank.config import Settings
from timebank.rules.settings import Change
from timebank.services.acts import Once
from timebank.services.house import House
from timebank.services.settings import write_settings
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.migrate import SUPERUSER

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def served(
    cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The cast behind a server, in a group that lets people ask to join; both stewards proved it just now."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    with ThreadPoolExecutor(1) as aside:
        dsn = aside.submit(asyncio.run, _copy(cluster, database_template)).result()
        secrets = aside.submit(asyncio.run, _set_up(dsn, home)).result()
        with serving(build_app(Settings(home=home, database_urls={}), dsn)) as address:
            yield Served(address, secrets)
        aside.submit(asyncio.run, drop(cluster, dsn(SUPERUSER)["database"])).result()
    patch.undo()


async def _set_up(dsn: Dsn, home: Path) -> dict[str, str]:
    database, keys = await Database.open(dsn, check=False), KeyStore(home)
    house = House(database, keys, Checkpoints(keys, home))
    now = datetime.now(UTC)
    cast = await make_cast(house, now)
    once = Once("requests", b"0" * 32, now, lambda _refusal: (500, {}))
    await write_settings(house, await cast.actor("bo"), once, Change(joining="request"))
    secrets = {name: await _session(cast, name) for name in ("bo", "di")}
    await house.checkpoints.close()
    await database.close()
    keys.close()
    return secrets


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


def test_by_keyboard_and_without_script(browser: Browser, served: Served) -> None:
    at = f"{served.address}/g/{SLUG}"
    bo, di = (browse(browser, served, name, 320, java_script_enabled=False) for name in ("bo", "di"))

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
    browser: Browser, served: Served, pictures: Path
) -> None:
    at = f"{served.address}/g/{SLUG}"
    wrong: list[str] = []

    def look(page: Page, name: str) -> None:
        try:
            look_at(page, pictures, f"steward-{name}")
        except AssertionError as fault:
            wrong.append(str(fault).partition("\n")[0])

    def snap(page: Page, name: str) -> None:
        """See that nothing sticks out; the picture is for whoever asked for pictures."""
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{name} sticks out")
        if "TIMEBANK_TEST_PICTURES" in os.environ:
            page.screenshot(path=pictures / f"members-steward-{name}.png", full_page=True)

    phone, desk = browse(browser, served, "bo", 320), browse(browser, served, "bo", 1280)
    dark = browse(browser, served, "bo", 1280, color_scheme="dark")
    desk.goto(f"{at}/people/invitations")
    desk.get_by_label("For how many people?").fill("4")
    desk.get_by_role("button", name="Make an invitation").click()
    card = desk.url
    desk.goto(f"{at}/people")
    desk.get_by_label("Their nickname").fill("Old Rosa")
    desk.get_by_role("button", name="Enter them").click()
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
    desk.get_by_role("button", name="Look at the rules in words").click()
    look(desk, "editor-fault")
    desk.get_by_label("Most for one ask").fill("75")
    desk.get_by_role("button", name="Look at the rules in words").click()
    look(desk, "preview-desk")
    desk.goto(pages["group"])
    desk.get_by_label("Month by month: totals only").check()
    desk.get_by_role("button", name="Look at what changes").click()
    look(desk, "settings-preview-desk")
    desk.goto(card)
    desk.emulate_media(media="print")
    desk.screenshot(path=pictures / "steward-invitation-print.png", full_page=True)
    assert wrong == []
