"""Signing in with a real browser: with a card and without a script, with a passkey, and without a barrier."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.screen import IN_A_BROWSER, serving, sideways, with_passkeys
from tests.cast import SLUG, Cast, be_durable_enough, make_cast, trust_this_server
from tests.database import database_name, drop, dsn_of
from timebank.app import build_app
from timebank.config import Settings
from timebank.services import cards, totp
from timebank.services.house import House, open_house
from timebank.store.embedded import Cluster
from timebank.store.migrate import upgrade

pytestmark = IN_A_BROWSER


class Stand:
    """A server with the cast; cards are made beside it, in a thread of its own."""

    def __init__(self, home: Path, dsn: Any) -> None:
        self.home, self.dsn = home, dsn
        self.address = ""
        self.cast: Cast

    def begin(self) -> None:
        async def make(house: House) -> None:
            self.cast = await make_cast(house, datetime.now(UTC))

        in_a_thread(self._prepare())
        in_a_thread(self._with_house(make))

    async def _prepare(self) -> None:
        await upgrade(self.dsn, embedded=True)
        await be_durable_enough(self.dsn)

    async def _with_house(self, do: Any) -> None:
        async with open_house(self.home, self.dsn, check=False) as house:
            await do(house)

    def card(self, name: str) -> str:
        codes = []

        async def make(house: House) -> None:
            made = await cards.make_card(
                house, self.cast.group_id, self.cast.ids[name], made_by=None, now=datetime.now(UTC)
            )
            codes.append(made.code)

        in_a_thread(self._with_house(make))
        return codes[0]


def in_a_thread(work: Any) -> None:
    """Run a coroutine where no other loop is: the browser has one in this thread."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(scope="module")
def stand(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    name = database_name("browser")
    made = Stand(tmp_path_factory.mktemp("home"), dsn_of(cluster, name))
    made.begin()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
        with serving(build_app(Settings(home=made.home, database_urls={}), made.dsn)) as address:
            # Passkeys do not work on an address of numbers.
            made.address = f"{address.replace('127.0.0.1', 'localhost')}/g/{SLUG}"
            yield made
    in_a_thread(drop(cluster, name))


def enter(page: Page, stand: Stand, name: str, then: str = "/me/ways-in") -> None:
    page.goto(f"{stand.address}{then}")
    page.fill("#card", stand.card(name).lower().replace("-", " "))
    page.click("text=Use this card")


def test_a_passkey_is_made_signs_in_and_proves_it_once_more(browser: Browser, stand: Stand) -> None:
    context = browser.new_context(locale="en")
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with_passkeys(page)
    enter(page, stand, "bo")
    assert page.is_visible("text=Your duties wait")

    page.fill("#device", "This computer")
    page.click("button#passkey")
    page.wait_for_selector("text=This computer")
    assert not page.is_visible("text=Your duties wait")

    page.click("text=Sign out >> nth=0")
    page.goto(f"{stand.address}/me/ways-in")
    page.click("button#passkey")
    page.wait_for_selector("text=with a passkey")
    assert not page.is_visible("text=Your duties wait")
    page.goto(f"{stand.address}/prove?next=/g/{SLUG}/me/ways-in")
    assert sideways(page) == []
    page.click("button#prove-passkey")
    page.wait_for_url("**/me/ways-in")
    assert said == []
    assert all(url.startswith(stand.address.partition("/g/")[0]) for url in asked)
    context.close()


def test_a_device_that_does_not_answer_is_said_so_in_place(browser: Browser, stand: Stand) -> None:
    page = browser.new_context(locale="en").new_page()
    page.goto(f"{stand.address}/sign-in")
    assert not page.is_visible("[data-faults]")
    page.evaluate("() => { navigator.credentials.get = () => Promise.reject(new Error('no')) }")

    page.click("button#passkey")

    page.wait_for_selector("[data-faults]:not([hidden])")
    assert page.is_enabled("button#passkey")
    expect(page.locator("[data-faults]")).to_be_focused()
    assert sideways(page) == []
    page.context.close()


def test_without_a_script_a_card_and_a_code_lead_to_every_duty(browser: Browser, stand: Stand) -> None:
    page = browser.new_context(locale="en", java_script_enabled=False).new_page()
    enter(page, stand, "di")
    page.click("text=Set one up")
    assert sideways(page) == []
    secret = base64.b32decode(page.inner_text("code.secret").replace(" ", ""))

    page.fill("#code", totp.code_at(secret, datetime.now(UTC)))
    page.click("text=Keep this app")

    assert page.inner_text("h1") == "Your ways in"
    assert not page.is_visible("text=Your duties wait")
    assert sideways(page) == []
    page.click("text=Print a card")
    assert sideways(page) == []
    assert re.fullmatch("([A-Z2-9]{4}-){3}[A-Z2-9]{4}", page.inner_text("code.secret"))
    page.goto(f"{stand.address}/sign-in")
    assert page.url == f"{stand.address}/me", "who is signed in goes on"
    page.goto(f"{stand.address}/me/ways-in")
    page.click("header >> text=Sign out")
    page.goto(f"{stand.address}/me/ways-in")
    assert page.inner_text("h1") == "Sign in"
    page.click("button#passkey")
    assert page.is_visible("text=a passkey needs JavaScript")
    page.context.close()


@pytest.mark.parametrize("code", ["ar", "es"])
def test_the_example_of_a_code_stands_on_one_line_as_it_is_typed(
    browser: Browser, stand: Stand, pictures: Path, code: str
) -> None:
    page = browser.new_context(viewport={"width": 320, "height": 900}).new_page()
    page.goto(f"{stand.address}/sign-in?lang={code}")
    page.screenshot(path=pictures / f"sign-in-{code}.png", full_page=True)

    example = page.locator("#card-hint code")
    assert example.inner_text() == "7K2Q-9TXR-MW4H-P3CA"
    assert example.evaluate("it => [it.getClientRects().length, getComputedStyle(it).direction]") == [
        1,
        "ltr",
    ]
    assert sideways(page) == []
    page.context.close()
