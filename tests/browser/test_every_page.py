"""Every page in a real browser, in each state: no barrier, nothing sideways, a way by keyboard that is seen.

The pages come from the application's routes (``tests/web/walk``). They are fetched once; the browser then gets them
from memory. In short, each page is looked at in one combination of language, light and width, in turn, so that all
pairs of these come up many times; with ``TIMEBANK_TEST_AXE=all`` in all of them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Route
from playwright.sync_api import Page as Tab

from tests.browser import journey_pictures
from tests.browser.screen import AXE_RULES, IN_A_BROWSER, ORIGIN, WIDTHS, sideways
from tests.database import Server, copied
from tests.web.walk import Page, different, open_walk
from timebank.web.files import static_files

pytestmark = IN_A_BROWSER

ALL = os.environ.get("TIMEBANK_TEST_AXE") == "all"
SCHEMES = ("light", "dark")
#: The one that is written, one with longer words, and one from right to left. Every page in every language is read in
#: tests/web; looking at each in a browser, too, would show the same shapes again.
LANGUAGES = ("en", "es", "ar")
#: These have to look again without a script. They say so, take nothing from anybody who is slow, and have a link
#: for whoever stops the refresh.
REFRESHES = "http-equiv"

#: Everything that one look at a page tells; see the tests for what each of it means.
LOOK = """
() => {
  const said = {};
  const shown = e => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const path = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + (e.className && e.className.baseVal === undefined
    ? '.' + e.className : '') + ' ' + (e.textContent || e.value || '').trim().slice(0, 30);
  said.focus = document.activeElement && document.activeElement.className;
  document.querySelectorAll('details').forEach(each => { each.open = true; });

  const stops = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')]
    .filter(e => !e.disabled && e.tabIndex >= 0 && shown(e));
  said.forced = stops.filter(e => e.tabIndex > 0).map(path);
  said.stops = stops.length;
  said.ringless = [];
  for (const stop of stops) {
    stop.focus({ preventScroll: true });
    const style = getComputedStyle(stop);
    if (document.activeElement !== stop || style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2)
      said.ringless.push(path(stop));
  }
  document.activeElement.blur();

  const faults = document.querySelector('.notice.problem[role=alert]');
  said.faults = faults ? [...faults.querySelectorAll('a[href^="#"]')].map(a => {
    const field = document.getElementById(a.getAttribute('href').slice(1));
    const near = field && (field.closest('.question, .wrong, form, article, fieldset, li, section') || field);
    return [a.textContent.trim(), field ? near.textContent.includes(a.textContent.trim()) : null];
  }) : null;

  said.nameless = [...document.querySelectorAll('svg')].filter(e => !e.closest('[aria-hidden=true]')
    && e.getAttribute('aria-hidden') !== 'true' && !e.querySelector('title') && !e.getAttribute('aria-label')).map(path);
  said.mute = [...document.querySelectorAll('svg.mark')].filter(e => shown(e) && !e.parentElement.textContent.trim()).map(path);
  said.unmarked = [...document.querySelectorAll('[aria-current]')].filter(shown).filter(e => {
    const style = getComputedStyle(e), others = [...e.closest('ul, ol, nav').querySelectorAll('a')].filter(a => a !== e);
    return others.length && style.fontWeight === getComputedStyle(others[0]).fontWeight;
  }).map(path);
  // The page that one is on leads nowhere: it has its weight instead of a line, which unmarked looks at.
  said.plain = [...document.querySelectorAll('main p a, main li a, footer a')].filter(e => shown(e) && !e.hasAttribute('aria-current')).filter(e => {
    const style = getComputedStyle(e);
    const looks = s => s.textDecorationLine.includes('underline') || parseFloat(s.borderBlockEndWidth) > 0;
    return !looks(style) && ![...e.querySelectorAll('*')].some(part => looks(getComputedStyle(part)));
  }).map(path);
  said.tiny = [...document.querySelectorAll('main *, header *, footer *')].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && shown(e)
    && !e.closest('.unseen, .skip') && parseFloat(getComputedStyle(e).fontSize) < 15.99).map(path);
  return said;
}
"""


class Sight(NamedTuple):
    """What was seen of one page in one way of looking."""

    page: str
    how: str
    said: dict[str, Any]
    barriers: list[tuple[str, str]]


@pytest.fixture(scope="module")
def pages(
    cluster: Server, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Page]]:
    """Every page in every language; of those that look alike, one."""

    async def walk() -> dict[str, list[Page]]:
        async with (
            copied(cluster, database_template) as dsn,
            open_walk(dsn, tmp_path_factory.mktemp("walk")) as opened,
        ):
            return {code: different(await opened.pages(code)) for code in LANGUAGES}

    # Playwright's loop runs in this thread: whatever else waits does so in another one.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, walk()).result()


@pytest.fixture(scope="module")
def sights(browser: Browser, pages: dict[str, list[Page]], pictures: Path) -> list[Sight]:
    """Look at everything, and take a picture of all of it where somebody keeps pictures and looks at all."""
    keep = pictures if ALL and "TIMEBANK_TEST_PICTURES" in os.environ else None
    ways = list(itertools.product(SCHEMES, WIDTHS))
    found: list[Sight] = []
    for turn, (scheme, width) in enumerate(ways):
        with tab(browser, scheme, width) as (page, serve):
            for code, each in chosen(pages, turn):
                serve(each)
                found.append(look(page, each, f"{code} {scheme} {width}", keep))
    return found


def chosen(pages: dict[str, list[Page]], turn: int) -> list[tuple[str, Page]]:
    """Return which pages are looked at in one light and width: all, or those whose turn it is, in a language of theirs."""
    if ALL:
        return [(code, page) for code, found in pages.items() for page in found]
    codes, turns = list(pages), len(SCHEMES) * len(WIDTHS)
    by_name = {code: {page.name: page for page in found} for code, found in pages.items()}
    picked = []
    for at, page in enumerate(pages[codes[0]]):
        if at % turns == turn:
            code = codes[at // turns % len(codes)]
            picked.append((code, by_name[code].get(page.name, page)))
    return picked


@contextmanager
def tab(browser: Browser, scheme: Any, width: int) -> Iterator[tuple[Tab, Callable[[Page], None]]]:
    """Open a tab that gets pages from memory: what ``serve`` was given last, and the static files."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    now: list[Page] = []
    files = static_files()

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            file = files[path.removeprefix("/static/")]
            route.fulfill(body=file.content, headers={"content-type": file.media_type})
            return
        got = now[-1].answer
        route.fulfill(
            body=got.content,
            headers={
                name: got.headers[name]
                for name in ("content-type", "content-security-policy")
                if name in got.headers
            },
        )

    context.route("**/*", answer)
    yield opened, now.append
    context.close()


def look(page: Tab, each: Page, how: str, keep: Path | None) -> Sight:
    """Look at a page as it was loaded."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    page.on("console", hear)
    page.goto(ORIGIN + urlsplit(each.url).path)
    # From now on whatever has the focus shows it, as for somebody with a keyboard.
    page.keyboard.press("Shift")
    # What is to have the focus gets it with the first picture, which a busy machine draws late.
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    said = page.evaluate(LOOK)
    said["complaints"] = complaints
    # With everything open that can be.
    said["sideways"] = sideways(page)
    # From the top: where faults have the focus, the way out lies over a head that was scrolled half away.
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(f"axe.run({json.dumps(AXE_RULES)}).then(found => found.violations)")
    barriers = [(one["id"], node["html"][:120]) for one in found for node in one["nodes"][:3]]
    if REFRESHES in each.html:
        barriers = [one for one in barriers if one[0] != "meta-refresh"]
    if keep is not None:
        name = re.sub(r"[^a-z0-9]+", "-", f"{each.name} {how}".lower()).strip("-")
        page.screenshot(path=keep / f"every-{name}.png", full_page=True)
    page.remove_listener("console", hear)
    return Sight(each.name, how, said, barriers)


def seen(sights: list[Sight], what: str) -> list[tuple[str, str, Any]]:
    """Return where something was seen that should not be."""
    return [(each.page, each.how, each.said[what]) for each in sights if each.said[what]]


def test_no_page_has_a_barrier_in_any_language_light_or_width(sights: list[Sight]) -> None:
    assert [(each.page, each.how, each.barriers) for each in sights if each.barriers] == []
    assert len(sights) > 60
    ways = {tuple(each.how.split()) for each in sights}
    for one, other in itertools.combinations(range(3), 2):
        kinds = ((code for code in LANGUAGES), SCHEMES, map(str, WIDTHS))
        every = [list(kind) for kind in kinds]
        assert {(way[one], way[other]) for way in ways} == set(itertools.product(every[one], every[other]))


def test_nothing_plays_and_nothing_depends_on_how_the_screen_is_held(pages: dict[str, list[Page]]) -> None:
    """What axe would fetch everything a second time for."""
    assert [name for name, file in static_files().items() if b"orientation:" in file.content] == []
    assert [page.name for page in pages["en"] if re.search("<(?:audio|video)", page.html)] == []


def test_no_page_scrolls_sideways(sights: list[Sight]) -> None:
    assert seen(sights, "sideways") == []


def test_every_stop_of_the_keyboard_shows_that_it_is_there_in_the_order_of_the_page(
    sights: list[Sight],
) -> None:
    assert seen(sights, "ringless") == []
    assert seen(sights, "forced") == []
    assert all(each.said["stops"] for each in sights)


def test_faults_have_the_focus_and_lead_to_their_fields_which_say_the_same(sights: list[Sight]) -> None:
    with_faults = [each for each in sights if each.said["faults"] is not None]
    assert len(with_faults) >= 5
    wrong = [
        (each.page, each.how, each.said["focus"], each.said["faults"])
        for each in with_faults
        if each.said["focus"] != "notice problem" or not all(near for _, near in each.said["faults"])
    ]
    assert wrong == []


def test_nothing_means_something_by_its_colour_alone(sights: list[Sight]) -> None:
    """A mark has its words, a drawing its sentence, a link its line, and the page that one is on its weight."""
    for what in ("mute", "nameless", "plain", "unmarked"):
        assert seen(sights, what) == [], what


def test_no_letter_is_smaller_than_sixteen_pixels(sights: list[Sight]) -> None:
    assert seen(sights, "tiny") == []


def test_no_page_makes_the_browser_complain(sights: list[Sight]) -> None:
    """Of a style or a script that its policy does not let through, for one."""
    assert seen(sights, "complaints") == []


@pytest.mark.skipif(
    "TIMEBANK_TEST_PICTURES" not in os.environ,
    reason="pictures of journeys are kept where TIMEBANK_TEST_PICTURES says",
)
def test_every_step_of_a_journey_is_kept_as_pictures_and_fits(
    browser: Browser, pages: dict[str, list[Page]], pictures: Path
) -> None:
    with tab(browser, "light", 1280) as (page, serve):
        kept = journey_pictures.keep(page, serve, pages, pictures / "journeys")

    assert [one.file for one in kept if not one.fits] == []
    # Each way of looking, and on paper.
    ways = len(journey_pictures.STEPS) * len(LANGUAGES) * (len(journey_pictures.WAYS) + 1)
    assert len({one.file for one in kept}) == ways
    shown = (pictures / "journeys" / "index.html").read_text(encoding="utf-8")
    assert [one.file for one in kept if f'"{one.file}"' not in shown] == []
