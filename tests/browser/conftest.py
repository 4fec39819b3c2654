"""The browser is in ``screen``."""

from tests.browser.screen import browser, pictures

__all__ = ["browser", "pictures"]
