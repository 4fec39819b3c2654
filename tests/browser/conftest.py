"""The browser is in ``screen``."""

from tests.browser.screen import browser, pictures, script

__all__ = ["browser", "pictures", "script"]
