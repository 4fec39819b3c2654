"""From an empty database to a group that works: set up by keyboard, joined by its invitation, an hour, an ask, a yes."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.hands import Hands
from tests.browser.screen import IN_A_BROWSER, go_by, sideways, with_passkeys
from tests.browser.town import open_nothing
from tests.database import Server
from timebank.services import totp

pytestmark = IN_A_BROWSER


@pytest.fixture
def link(cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The link that a server prints when it starts for the first time."""
    with open_nothing(cluster, database_template, tmp_path_factory.mktemp("nothing")) as opened:
        yield opened


def window(browser: Browser, width: int, script: bool) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, locale="en", java_script_enabled=script
    )
    return context.new_page()


def add_a_way_in(page: Page, script: bool) -> None:
    """Add a passkey, or an app where no script runs; until then duties wait."""
    go_by(page.get_by_role("link", name="Add a passkey or an app"))
    assert page.get_by_text("You carry a duty. Add a passkey or an app now").is_visible()
    if script:
        with_passkeys(page)
        page.get_by_label("A name for this device").fill("This computer")
        page.get_by_role("button", name="Add a passkey").click()
        page.get_by_text("This computer").wait_for()
    else:
        go_by(page.get_by_role("link", name="Set one up"))
        secret = base64.b32decode(page.inner_text("code.secret").replace(" ", ""))
        page.fill("#code", totp.code_at(secret, datetime.now(UTC)))
        go_by(page.get_by_role("button", name="Keep this app"))
    assert not page.get_by_text("You carry a duty. Add a passkey or an app now").is_visible()


def join(page: Page, invitation: str, nickname: str) -> None:
    """Join by an invitation's address, and sign in with the card that comes of it."""
    page.goto(invitation)
    page.get_by_label("Your nickname").fill(nickname)
    go_by(page.get_by_role("button", name="Join"))
    assert page.get_by_role("heading", name="You are in").is_visible()
    assert sideways(page) == []
    card = page.inner_text("code.secret")
    go_by(page.get_by_role("link", name="Sign in with it"))
    page.fill("#card", card)
    go_by(page.get_by_role("button", name="Use this card"))


def test_one_link_leads_from_an_empty_database_to_a_group_that_works(
    browser: Browser, link: str, script: bool, record_property: Callable[[str, str], None]
) -> None:
    began = time.monotonic()
    ada, bo = window(browser, 1280, script), window(browser, 320, script)

    hands = Hands(ada)
    ada.goto(link)
    questions = ada.locator("form.form > .question").count()
    folded = ada.locator("form.form > details:not([open]) > .question").count()
    hands.tab_to("#name")
    hands.write("Millbank Lane")
    hands.tab_to("#nickname")
    hands.write("Ada")
    hands.enter()
    assert ada.get_by_role("heading", name="Your group is there").is_visible()
    assert sideways(ada) == []
    # What a person has to write is two words of their own; each question besides has an answer already.
    assert questions == 6
    assert folded == 5
    assert hands.loads == 2
    cost = f"{questions} questions, {hands.loads} pages, {hands.keys} keys"
    if script:
        assert hands.heard() == (hands.keys, 0)
    invitation = ada.inner_text("section:has(#invite) code.secret")
    add_a_way_in(ada, script)

    join(bo, invitation, "Bo")
    go_by(bo.get_by_role("link", name="Log help").first)
    go_by(bo.locator("button[name=minutes][value='60']"))
    assert bo.get_by_role("heading", name="It is in the book").is_visible()
    go_by(bo.get_by_role("link", name="Ask", exact=True).first)
    # Above two hours somebody has to say yes.
    bo.get_by_label("Someone’s time").check()
    bo.get_by_label("How much?").fill("3 h")
    bo.get_by_label("What is it for?").select_option("repairs")
    go_by(bo.get_by_role("button", name="Send this ask"))
    assert bo.get_by_role("heading", name="We have your ask").is_visible()

    group = ada.url.partition("/me/")[0]
    ada.goto(f"{group}/today")
    go_by(ada.get_by_role("link", name="Look at ask"))
    ada.get_by_label("Yes, all of it").check()
    go_by(ada.get_by_role("button", name="Record my answer"))
    bo.reload()
    assert bo.get_by_role("heading", name="Yes. It is on its way to you.").is_visible()
    assert sideways(bo) == []
    record_property("journey", f"first run: {cost}; all of it {time.monotonic() - began:.1f} s")

    bo.goto(group)
    assert "Millbank Lane" in bo.inner_text("h1")
    bo.goto(link)
    assert bo.get_by_role("heading", name="This link does not work").is_visible()
    for page in (ada, bo):
        page.context.close()
