"""One journey through the pages of members in a real browser: log, ask, decide, hand over, arrive."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.screen import AXE_RULES, IN_A_BROWSER, serving
from tests.cast import SLUG, Cast, be_durable_enough, make_cast, trust_this_server
from tests.database import Dsn, Server, database_name, drop, dsn_of, run, run_as_superuser
from timebank.app import build_app
from timebank.config import Settings
from timebank.services import sessions
from timebank.services.house import House
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore
from timebank.store.migrate import SUPERUSER
from timebank.store.roles import database_sql

pytestmark = IN_A_BROWSER


class Served(NamedTuple):
    """An address, and a session secret for each of the cast."""

    address: str
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def served(
    cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The cast behind a server, each signed in with a proof of just now."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    # Playwright's loop runs in this thread: whatever else waits does so in another one.
    with ThreadPoolExecutor(1) as aside:
        dsn = aside.submit(asyncio.run, _copy(cluster, database_template)).result()
        secrets = aside.submit(asyncio.run, _set_up(dsn, home)).result()
        with serving(build_app(Settings(home=home, database_urls={}), dsn)) as address:
            yield Served(address, secrets)
        aside.submit(asyncio.run, drop(cluster, dsn(SUPERUSER)["database"])).result()
    patch.undo()


async def _copy(cluster: Server, template: str) -> Dsn:
    name = database_name("pages")
    await run_as_superuser(cluster, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    dsn = dsn_of(cluster, name)
    await run(dsn, SUPERUSER, database_sql(name))
    await be_durable_enough(dsn)
    return dsn


async def _set_up(dsn: Dsn, home: Path) -> dict[str, str]:
    database, keys = await Database.open(dsn, check=False), KeyStore(home)
    house = House(database, keys, Checkpoints(keys, home))
    cast = await make_cast(house, datetime.now(UTC))
    secrets = {name: await _session(cast, name) for name in ("ada", "bo", "ed")}
    await house.checkpoints.close()
    await database.close()
    keys.close()
    return secrets


async def _session(cast: Cast, name: str) -> str:
    made = await sessions.begin(
        cast.house, cast.group_id, cast.ids[name], way="passkey", strong=True, now=datetime.now(UTC)
    )
    return made.secret


def browse(browser: Browser, served: Served, name: str, width: int, **more: Any) -> Page:
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": 900}, **more)
    host = urlsplit(served.address).hostname or ""
    context.add_cookies(
        [{"name": f"timebank-{SLUG}", "value": served.secrets[name], "domain": host, "path": "/"}]
    )
    return context.new_page()


def look_at(page: Page, pictures: Path, name: str) -> None:
    """Take a picture, and see that nothing sticks out and nothing stands in anybody's way."""
    page.screenshot(path=pictures / f"members-{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, (name, wide)
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert found == [], (name, [(each["id"], each["nodes"][0]["html"]) for each in found])


def test_one_evening_on_a_phone_and_on_a_desk(browser: Browser, served: Served, pictures: Path) -> None:
    at = f"{served.address}/g/{SLUG}"
    ada, bo, ed = (browse(browser, served, name, 320 if name == "ada" else 1280) for name in served.secrets)

    ada.goto(f"{at}/me")
    look_at(ada, pictures, "home-phone")
    ada.get_by_role("link", name="Log help").first.click()
    look_at(ada, pictures, "log-phone")
    ada.get_by_label("Or write it").fill("nonsense")
    ada.get_by_label("Who with?").press("Enter")
    assert ada.locator("#time-fault").is_visible(), "Return presses no quarter of an hour"
    look_at(ada, pictures, "log-fault-phone")
    ada.get_by_label("Or write it").fill("1h20")
    ada.get_by_role("button", name="Look at it").click()
    look_at(ada, pictures, "check-phone")
    ada.get_by_role("button", name="Change something").click()
    ada.get_by_label("Or write it").fill("")
    ada.get_by_role("button", name=re.compile("^1.h.30")).click()
    assert ada.get_by_role("heading", name="It is in the book").is_visible()
    look_at(ada, pictures, "receipt-phone")

    ada.goto(f"{at}/ask")
    look_at(ada, pictures, "ask-phone")
    ada.get_by_label("Money", exact=True).check()
    ada.get_by_label("How much?").fill("12.50")
    ada.get_by_label("What is it for?").select_option("repairs")
    ada.get_by_label("How can we reach you?").fill("The blue door, after six")
    ada.get_by_role("button", name="Send this ask").click()
    look_at(ada, pictures, "asked-phone")
    status = ada.url

    bo.goto(f"{at}/today")
    look_at(bo, pictures, "today-desk")
    bo.get_by_label("Not now").check()
    bo.get_by_role("button", name="Record my answer").click()
    look_at(bo, pictures, "today-fault-desk")
    bo.set_viewport_size({"width": 320, "height": 900})
    look_at(bo, pictures, "today-phone")
    bo.set_viewport_size({"width": 1280, "height": 900})
    bo.get_by_label("Yes, a part").check()
    bo.get_by_label("A part: how much").fill("5")
    bo.get_by_role("button", name="Record my answer").click()
    assert "12.50" in bo.locator("main").inner_text(), "the pot is empty: it still waits"
    ada.goto(status)
    look_at(ada, pictures, "status-phone")
    ed.goto(f"{at}/pay")
    look_at(ed, pictures, "pay-empty-desk")


def test_desks_paper_and_the_other_direction(browser: Browser, served: Served, pictures: Path) -> None:
    at = f"{served.address}/g/{SLUG}"
    page = browse(browser, served, "ada", 1280, color_scheme="dark")
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
