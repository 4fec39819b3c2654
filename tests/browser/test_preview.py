"""What others will see of a form, while somebody writes in it: in a real browser, and never at the price of the form."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.screen import IN_A_BROWSER, go_by, look_at
from tests.browser.test_members_pages import town
from tests.browser.town import Town, browse
from tests.cast import SLUG

__all__ = ["town"]

pytestmark = IN_A_BROWSER

SPARING = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"


def entries(page: Page, town: Town) -> str:
    """Return what stands in the reader's own book."""
    answer = page.request.get(f"{town.address}/api/v1/groups/{SLUG}/me/statement", headers=_token(town))
    assert answer.ok, answer.text()
    return answer.text()


def _token(town: Town) -> dict[str, str]:
    return {"Authorization": f"Bearer {town.tokens['ada']}"}


def test_the_sight_follows_what_is_written_and_nothing_else_happens(
    browser: Browser, town: Town, pictures: Path
) -> None:
    page = browse(browser, town, "ada", 320)
    said: list[str] = []
    loads: list[object] = []
    page.on("request", lambda request: said.append(request.post_data or "") if request.post_data else None)
    page.on("load", lambda page: loads.append(page))
    page.goto(f"{town.at}/log")
    before = entries(page, town)
    sight, stale = page.locator("[data-sight]"), page.locator("[data-before]")
    expect(sight).to_contain_text("If it was for the whole group")

    page.get_by_label("Who with?").press_sequentially("Flo")
    expect(sight).to_contain_text("Ada helped Flo")
    expect(sight).to_contain_text("the time that you choose")
    assert len(said) == 1, "one question for three keys in a row"
    page.get_by_label("A note").fill("Mine alone")
    page.get_by_label("Or write it").fill("1h20")
    expect(sight).to_contain_text("1:20")
    expect(sight).to_contain_text("Your note is for you alone")
    assert "Mine" not in "".join(said), "words for few eyes stay here"
    expect(stale).not_to_be_visible()
    look_at(page, pictures, "preview-phone")

    page.get_by_label("When?").fill("")
    expect(stale).to_be_visible()
    expect(sight).to_contain_text("1:20")
    assert page.locator(".fault, .problem").count() == 0, "what is half written is no fault"
    look_at(page, pictures, "preview-before-phone")
    assert page.evaluate("document.activeElement.id") == "day"
    assert page.get_by_label("Who with?").input_value() == "Flo"
    assert page.get_by_label("A note").input_value() == "Mine alone"
    assert (len(loads), entries(page, town)) == (1, before)

    page.get_by_label("When?").fill(page.locator("#day").get_attribute("max") or "")
    expect(stale).not_to_be_visible()
    go_by(page.get_by_role("button", name=re.compile("^Look at it")))
    go_by(page.get_by_role("button", name="Log this help"))
    assert page.get_by_role("heading", name="It is in the book").is_visible()
    assert entries(page, town) != before, "the form of all these looks still writes, once"


def test_a_broken_way_a_sparing_phone_and_no_script_leave_the_form_as_it_is(
    browser: Browser, town: Town
) -> None:
    def broken(route: Route) -> None:
        tried.append(route.request)
        route.abort()

    tried: list[object] = []
    page = browse(browser, town, "ada", 1280)
    page.goto(f"{town.at}/ask")
    general = page.locator("[data-sight]").inner_text()
    page.route("**/ask", broken)
    with page.expect_event("requestfailed"):
        page.get_by_label("Money", exact=True).check()
    assert page.locator("[data-sight]").inner_text() == general
    page.unroute("**/ask")
    page.get_by_label("How much?").fill("12.50")
    expect(page.locator("[data-sight]")).to_contain_text("A neighbour asks for €12.50")
    assert len(tried) == 1

    sparing = browse(browser, town, "ada", 1280)
    sparing.add_init_script(SPARING)
    plain = browse(browser, town, "ada", 1280, java_script_enabled=False)
    for each in (sparing, plain):
        asked: list[str] = []
        each.on("request", lambda request, asked=asked: asked.append(request.method))
        each.goto(f"{town.at}/ask")
        each.get_by_label("Money", exact=True).check()
        each.get_by_label("How much?").fill("12.50")
        each.get_by_label("What is it for?").select_option("repairs")
        # Longer than a look waits for the next key.
        each.wait_for_timeout(1000)
        assert "POST" not in asked
        go_by(each.get_by_role("button", name="Look first"))
        assert asked.count("POST") == 1
        seen = each.locator("[data-sight]")
        assert "12.50" in seen.inner_text()
        expect(seen).to_be_focused()
        assert each.get_by_label("How much?").input_value() == "12.50"
