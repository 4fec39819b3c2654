"""What the server logs of an exception: where it happened and of which kind, and never with what.

The text of an exception can have whatever somebody wrote: a value that does not fit, the row that a
constraint refused. Logs are read by many, copied into reports and kept for long.
"""

from __future__ import annotations

import copy
import logging
import sys
import traceback
from types import TracebackType

_FORMAT = "%(levelname)s %(name)s: %(message)s"


class Discreet(logging.Formatter):
    """Formats records like any other formatter, and exceptions without what they say."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, whatever another formatter made of the exception before."""
        record = copy.copy(record)
        record.exc_text = None
        return super().format(record)

    def formatException(  # noqa: N802 - the name that logging calls
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return the frames of an exception and of what caused it, and the kind of each."""
        parts: list[str] = []
        error = ei[1]
        while error is not None and len(parts) < 10:
            state = getattr(error, "sqlstate", None)
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            parts.append(
                "".join(traceback.format_tb(error.__traceback__)) + kind + (f" {state}" if state else "")
            )
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\ncaused by\n".join(parts)


def log_to_stderr() -> None:
    """Log warnings and worse on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet(_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
