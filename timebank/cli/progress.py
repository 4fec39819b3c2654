"""How far long work is, on one line of a terminal that is written over and over; elsewhere nothing is said."""

from __future__ import annotations

import sys
import time
from typing import Final

_EVERY_S: Final = 0.1
_WIDTH: Final = 30


class Bar:
    """One line on the terminal.

    Args:
        name: What the line begins with, such as the address of a group.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_at = 0.0
        self._phase = ""
        self._shown = False
        self._on = sys.stderr.isatty()

    def show(self, phase: str, done: int, total: int) -> None:
        """Show how much of a phase is done; most calls cost nothing. A total of 0 is not known."""
        if not self._on:
            return
        now = time.monotonic()
        if now < self._next_at and phase == self._phase and (not total or done < total):
            return
        self._next_at, self._phase, self._shown = now + _EVERY_S, phase, True
        if total:
            width = min(_WIDTH, _WIDTH * done // total)
            part = f"{'█' * width}{'·' * (_WIDTH - width)} {100 * done // total} %"
        else:
            part = "…"
        print(f"\r\x1b[K{self._name}: {phase} {part}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the line away, so that what is printed next stands alone."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
