"""Cells that a spreadsheet would run as a formula, made harmless on the way out and restored on the way in."""

from __future__ import annotations

import re
from typing import Final

# OWASP ASVS 5.0, 1.2.10. One with marks in front would be changed by the way back, so it gets one more.
_RISKY: Final = re.compile(r"'*[=+\-@\t\r\0]")
_DEFUSED: Final = re.compile(r"'+[=+\-@\t\r\0]")
# A number with a sign is none: references and telephone numbers begin like that.
_LIVE: Final = re.compile(r"""=|[+\-@][=+\-@(\s]*(?:[^\W\d_]|["'])""")
LIVE_SIGNS: Final = ("=", "+", "-", "@")


class Restored(str):
    """A cell that had the mark of ``defused``: whatever it begins with, it is text."""

    __slots__ = ()


def defused(cell: str) -> str:
    """Return a cell so that no spreadsheet takes it for a formula; ``undefused`` gives it back unchanged."""
    return f"'{cell}" if _RISKY.match(cell) else cell


def undefused(cell: str) -> str:
    """Return a cell as it was before ``defused``; one that never was comes back as it is, but for a ``'=``."""
    return Restored(cell[1:]) if _DEFUSED.match(cell) else cell


def is_live(cell: str) -> bool:
    """Say whether a spreadsheet would run a cell as it stands in a file."""
    return not isinstance(cell, Restored) and _LIVE.match(cell) is not None
