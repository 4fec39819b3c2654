"""Journeys from end to end in a real browser, each with script and without: a visitor; an ask until it has arrived."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser

from tests.browser.screen import IN_A_BROWSER, go_by, sideways
from tests.browser.town import Town, browse, open_town
from tests.cast import SLUG, Cast
from tests.database import Server
from timebank.services.close import close_period

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def town(cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The cast, a book with one page, and a hundred euros at the bank that are on no page yet."""
    names, home = ("ada", "bo", "di", "ed"), tmp_path_factory.mktemp("town")
    with open_town(cluster, database_template, home, names, prepare=_a_page) as opened:
        _give(opened)
        yield opened


async def _a_page(cast: Cast, now: datetime) -> None:
    await close_period(cast.house, cast.group_id, now=now + timedelta(days=1))


def _give(town: Town) -> None:
    today = datetime.now(UTC).date().isoformat()
    money = {"pot": "money", "amount": 10_000, "currency": "EUR", "held": "bank", "effective_on": today}
    request = urllib.request.Request(
        f"{town.address}/api/v1/groups/{SLUG}/money",
        json.dumps(money).encode(),
        {
            "Authorization": f"Bearer {town.tokens['ed']}",
            "Content-Type": "application/json",
            "Idempotency-Key": "a-hundred-euros",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


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
    assert sideways(page) == []
    page.get_by_text("The same numbers as a table").first.click()
    assert page.locator("details[open] table.book").first.is_visible()
    go_by(page.get_by_role("link", name="All earlier pages"))
    go_by(page.locator(".past table a").first)
    assert page.get_by_text("This is a page of the past.").is_visible()
    assert sideways(page) == []
    go_by(page.get_by_role("link", name="The newest page"))
    go_by(page.get_by_role("link", name="Check this book"))
    assert page.get_by_role("heading", name="With a program").is_visible()
    assert sideways(page) == []
    page.go_back()
    page.get_by_role("link", name="Download the book").click()
    assert page.get_by_role("link", name="All lines as JSON").is_visible()
    assert sideways(page) == []
    page.go_back()
    for door in ("Give", "Ask", "Join"):
        go_by(page.get_by_role("link", name=door).first)
        assert page.get_by_role("heading", name=door, level=1).is_visible()
        assert sideways(page) == [], door
        page.goto(town.at)
    languages = page.get_by_role("navigation", name="Language", exact=True)
    go_by(languages.get_by_role("link", name="Español"))
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
    go_by(ada.get_by_role("button", name="Send this ask"))
    ada.get_by_role("heading", name="We have your ask").wait_for()
    assert sideways(ada) == []
    status = ada.url

    # Above thirty euros one yes is not enough.
    for name in ("bo", "di"):
        steward = people[name]
        steward.goto(f"{town.at}/today")
        assert sideways(steward) == []
        card = steward.locator("article.request").filter(has_text=amount)
        go_by(card.get_by_role("link", name="Look at ask"))
        assert sideways(steward) == []
        steward.locator("input[name=say][value=yes]").check()
        go_by(steward.get_by_role("button", name="Record my answer"))
        ada.goto(status)
        on_its_way = ada.get_by_role("heading", name="Yes. It is on its way to you.")
        assert on_its_way.is_visible() == (name == "di"), name

    ed = people["ed"]
    ed.goto(f"{town.at}/pay")
    assert sideways(ed) == []
    promise = ed.locator("article.request").filter(has_text=amount)
    promise.get_by_label("bank").first.check()
    with ed.expect_navigation():
        promise.get_by_role("button", name="It is handed over").click()

    ada.goto(status)
    go_by(ada.get_by_role("button", name="It has arrived"))
    ada.get_by_role("heading", name="It has arrived").first.wait_for()
    assert sideways(ada) == []
    for page in people.values():
        page.context.close()
