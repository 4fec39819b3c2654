"""Journeys from end to end in a real browser, each with script and without: a visitor; an ask until it has arrived."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.screen import IN_A_BROWSER, serving
from tests.cast import SLUG, be_durable_enough, make_cast, trust_this_server
from tests.database import Dsn, Server, copied
from timebank.app import build_app
from timebank.config import Settings
from timebank.services import sessions
from timebank.services.close import close_period
from timebank.services.house import House
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore

pytestmark = IN_A_BROWSER


class Town(NamedTuple):
    """A running server, a session of each of the cast, and a token of the treasurer."""

    address: str
    sessions: dict[str, str]
    token: str

    @property
    def at(self) -> str:
        """Where the group's pages are."""
        return f"{self.address}/g/{SLUG}"


@pytest.fixture(scope="module")
def town(cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The cast, a book with one page, and a hundred euros at the bank that are on no page yet."""
    home = tmp_path_factory.mktemp("town")
    # Playwright's loop runs in this thread: whatever else waits does so in another one.
    with ThreadPoolExecutor(1) as aside, pytest.MonkeyPatch.context() as patch:
        patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
        loop = asyncio.new_event_loop()
        opened = copied(cluster, database_template)
        dsn = aside.submit(loop.run_until_complete, opened.__aenter__()).result()
        secrets, token = aside.submit(loop.run_until_complete, _people(dsn, home)).result()
        with serving(build_app(Settings(home=home, database_urls={}), dsn)) as address:
            made = Town(address, secrets, token)
            _give(made)
            yield made
        aside.submit(loop.run_until_complete, opened.__aexit__(None, None, None)).result()
        loop.close()


async def _people(dsn: Dsn, home: Path) -> tuple[dict[str, str], str]:
    await be_durable_enough(dsn)
    database, keys = await Database.open(dsn, check=False), KeyStore(home)
    house = House(database, keys, Checkpoints(keys, home))
    now = datetime.now(UTC)
    cast = await make_cast(house, now)
    secrets = {}
    for name in ("ada", "bo", "di", "ed"):
        made = await sessions.begin(house, cast.group_id, cast.ids[name], way="passkey", strong=True, now=now)
        secrets[name] = made.secret
    await close_period(house, cast.group_id, now=now + timedelta(days=1))
    await house.checkpoints.close()
    await database.close()
    keys.close()
    return secrets, cast.tokens["ed"]


def _give(town: Town) -> None:
    today = datetime.now(UTC).date().isoformat()
    money = {"pot": "money", "amount": 10_000, "currency": "EUR", "held": "bank", "effective_on": today}
    request = urllib.request.Request(
        f"{town.address}/api/v1/groups/{SLUG}/money",
        json.dumps(money).encode(),
        {
            "Authorization": f"Bearer {town.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": "a-hundred-euros",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def script(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def browse(browser: Browser, town: Town, name: str, width: int, **more: Any) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="en", **more)
    if name:
        cookie = {"name": f"timebank-{SLUG}", "value": town.sessions[name], "url": town.address}
        context.add_cookies([cookie])  # type: ignore[list-item]
    return context.new_page()


def test_a_visitor_reads_checks_turns_the_pages_and_finds_the_doors(
    browser: Browser, town: Town, script: bool
) -> None:
    page = browse(browser, town, "", 320, java_script_enabled=script)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(town.at)
    assert page.locator("svg.measure").count() == 2
    page.get_by_text("The same numbers as a table").first.click()
    assert page.locator("details[open] table.book").first.is_visible()
    page.get_by_role("link", name="All earlier pages").click()
    page.locator(".past table a").first.click()
    assert page.get_by_text("This is a page of the past.").is_visible()
    page.get_by_role("link", name="The newest page").click()
    page.get_by_role("link", name="Check this book").click()
    assert page.get_by_role("heading", name="With a program").is_visible()
    page.go_back()
    page.get_by_role("link", name="Download the book").click()
    assert page.get_by_role("link", name="All lines as JSON").is_visible()
    page.go_back()
    for door in ("Give", "Ask", "Join"):
        page.get_by_role("link", name=door).first.click()
        assert page.get_by_role("heading", name=door, level=1).is_visible()
        page.goto(town.at)
    page.get_by_role("link", name="Español").click()
    assert page.get_by_role("heading", name="Horas en el bote").is_visible()

    assert page.context.cookies() == []
    assert all(url.startswith(town.address) for url in asked)
    assert complaints == []
    page.context.close()


def test_an_ask_goes_from_asker_over_two_stewards_and_a_treasurer_until_it_has_arrived(
    browser: Browser, town: Town, script: bool
) -> None:
    amount = "40.00" if script else "35.00"
    people = {
        name: browse(browser, town, name, 320 if name == "ada" else 1280, java_script_enabled=script)
        for name in town.sessions
    }
    ada = people["ada"]

    ada.goto(f"{town.at}/ask")
    ada.get_by_label("Money", exact=True).check()
    ada.get_by_label("How much?").fill(amount)
    ada.get_by_label("What is it for?").select_option("repairs")
    ada.get_by_role("button", name="Send this ask").click()
    ada.get_by_role("heading", name="We have your ask").wait_for()
    status = ada.url

    # Above thirty euros one yes is not enough.
    for name in ("bo", "di"):
        steward = people[name]
        steward.goto(f"{town.at}/today")
        card = steward.locator("article.request").filter(has_text=amount)
        card.locator("input[name=say][value=yes]").check()
        with steward.expect_navigation():
            card.get_by_role("button", name="Record my answer").click()
        ada.goto(status)
        on_its_way = ada.get_by_role("heading", name="Yes. It is on its way to you.")
        assert on_its_way.is_visible() == (name == "di"), name

    ed = people["ed"]
    ed.goto(f"{town.at}/pay")
    promise = ed.locator("article.request").filter(has_text=amount)
    promise.get_by_label("bank").first.check()
    with ed.expect_navigation():
        promise.get_by_role("button", name="It is handed over").click()

    ada.goto(status)
    ada.get_by_role("button", name="It has arrived").click()
    ada.get_by_role("heading", name="It has arrived").first.wait_for()
    for page in people.values():
        page.context.close()
