"""Hands on a keyboard or on a screen: what journeys cost is counted while it happens.

With script on, the browser counts what reached it as well, and has to come to the same.
"""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Locator, Page

#: A browser with script off runs none of this.
_LISTEN: Final = """
for (const kind of ['keydown', 'touchstart'])
  addEventListener(kind, () => sessionStorage.setItem(kind, 1 + Number(sessionStorage.getItem(kind))), true);
"""
_HEARD: Final = "() => ['keydown', 'touchstart'].map(kind => Number(sessionStorage.getItem(kind)))"
_FIELDS: Final = """
form => new Set([...form.elements]
  .filter(each => each.matches('input:not([type=hidden]), select, textarea')).map(each => each.name)).size
"""


class Hands:
    """Somebody's hands.

    Attributes:
        keys: Presses so far; modifiers that are held count with their key.
        taps: On the screen itself.
        loads: Pages that came, the first one included.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keys = self.taps = self.loads = 0
        page.add_init_script(_LISTEN)
        page.on("load", self._count)

    def _count(self, _page: object) -> None:
        self.loads += 1

    def press(self, key: str, times: int = 1) -> None:
        """Press one key, several times."""
        for _ in range(times):
            self.page.keyboard.press(key)
            self.keys += 1

    def write(self, text: str) -> None:
        """Press a key for every letter."""
        self.page.keyboard.type(text)
        self.keys += len(text)

    def tab_to(self, selector: str, tries: int = 40) -> None:
        """Press Tab until something has the focus."""
        for _ in range(tries):
            if self.page.evaluate("it => document.activeElement.matches(it)", selector):
                return
            self.press("Tab")
        raise AssertionError(selector)

    def enter(self) -> None:
        """Press Return, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.press("Enter")

    def tap(self, where: Locator) -> None:
        """Tap on something that stays on its page."""
        where.tap()
        self.taps += 1

    def tap_through(self, where: Locator) -> None:
        """Tap on something, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.tap(where)

    @property
    def touches(self) -> int:
        """Taps of somebody whose keyboard is on the screen, too."""
        return self.taps + self.keys

    def heard(self) -> tuple[int, int]:
        """Return how many keys and taps reached the browser; with script on only."""
        keys, taps = self.page.evaluate(_HEARD)
        return keys, taps

    def count_fields(self) -> int:
        """Return how many fields the longest form here has; buttons are none, and choices of one answer are one."""
        return max(form.evaluate(_FIELDS) for form in self.page.locator("form").all())
