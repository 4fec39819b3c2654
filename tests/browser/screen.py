"""A real browser, and a server for it to look at, for whole modules of tests.

Pictures go to ``TIMEBANK_TEST_PICTURES`` or the test's own directory. Without a chromium these
tests are skipped and say so; ``TIMEBANK_TEST_CHROMIUM`` names another than the one in the path.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from litestar import Litestar
from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright

CHROMIUM = os.environ.get("TIMEBANK_TEST_CHROMIUM") or shutil.which("chromium") or ""
#: Only what is wrong is told, which is quicker. Nothing is fetched a second time: that is for films, of which there are
#: none, and for styles that turn with the screen, which ``tests/browser/test_every_page.py`` looks for.
AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
    "preload": False,
}
IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="no chromium: apt-get install chromium, or set TIMEBANK_TEST_CHROMIUM"
    ),
]

#: Of a phone and of a desk.
WIDTHS = (320, 1280)
#: And of what is between them.
ALL_WIDTHS = (320, 768, 1280)
#: Of pages that come from memory: nothing is asked there.
ORIGIN = "http://timebank.test"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def serving(app: Litestar) -> Iterator[str]:
    """Serve an application on a port of its own, in a thread of its own; give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def sign_in(patch: pytest.MonkeyPatch, actor: Any) -> SimpleNamespace:
    """Let every page of an application without sessions find this actor signed in; return them as a visitor."""
    visitor = SimpleNamespace(actor=actor, csrf="c" * 43, duties_wait=(), has_passkey=False, has_totp=False)

    async def demand_visitor(_request: object) -> Any:
        return visitor

    async def read_language(_house: object, _actor: object) -> str:
        return ""

    patch.setattr("timebank.web.inside.demand_visitor", demand_visitor)
    patch.setattr("timebank.web.inside.read_language", read_language)
    return visitor


def with_passkeys(page: Page) -> None:
    """Give a page a device that makes passkeys without asking anybody."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def go_by(where: Locator) -> None:
    """Press what leads to another page, and wait until that is there: a press alone returns before a form is answered."""
    with where.page.expect_navigation():
        where.click()


def sideways(page: Page, widths: Sequence[int] = WIDTHS) -> list[int]:
    """Return at which widths a page is wider than its window; the window is as before afterwards."""
    # Without its style a page is as wide as its longest line.
    page.wait_for_load_state()
    before = page.viewport_size
    assert before is not None, "a window of its own size"
    found = []
    for width in widths:
        if page.viewport_size != (size := {"width": width, "height": before["height"]}):
            page.set_viewport_size(size)  # type: ignore[arg-type]
        if page.evaluate("document.documentElement.scrollWidth") != width:
            found.append(width)
    if page.viewport_size != before:
        page.set_viewport_size(before)
    return found


def stay(page: Page) -> None:
    """Keep a page that would look again by itself as it is: on a busy machine that comes while somebody still looks."""

    def answer(route: Route) -> None:
        # To a browser that means: stay where you are.
        if route.request.is_navigation_request():
            route.fulfill(status=204)
        else:
            route.continue_()

    page.route("**/*", answer)


def look_at(page: Page, pictures: Path, name: str) -> None:
    """Take a picture, and see that nothing sticks out at any width and nothing stands in anybody's way."""
    page.screenshot(path=pictures / f"members-{name}.png", full_page=True)
    assert sideways(page) == [], name
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert found == [], (name, [(each["id"], each["nodes"][0]["html"]) for each in found])


def sheets(page: Page) -> int:
    """Return how many sheets of paper a page takes."""
    return len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's own loop must not meet the session's: it lives in this thread's fixtures only.
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("TIMEBANK_TEST_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def script(request: pytest.FixtureRequest) -> bool:
    """Whether scripts run: who has this walks everything twice."""
    return bool(request.param)
