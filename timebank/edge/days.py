"""Days that an address or a form names."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from timebank.edge.bodies import NOT_A_DAY
from timebank.errors import FieldInvalid

# Python reads other ways of ISO 8601, too, such as weeks.
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_day(text: str, *, field: str) -> date | None:
    """Return a day such as ``2026-03-01``; None where nothing is written.

    Raises:
        FieldInvalid: It is anything else.
    """
    if not text:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise FieldInvalid(field=field, why=NOT_A_DAY) from None
