"""Reading a list page by page, with what is not wanted left out, at a cost that has a bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Row = TypeVar("Row")
Place = TypeVar("Place")

#: So many rows are looked at for one page, however few of them are wanted.
LOOKED_AT_MAX: Final = 2_000
_CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row, Place]):
    """Rows of a list, and the place of the next page; None on the last one.

    A page may have fewer rows than were asked for, even none, and still not be the last.
    """

    rows: tuple[Row, ...]
    next: Place | None


async def sift(
    read: Callable[[Place | None, int], Awaitable[Sequence[tuple[Row, Place]]]],
    *,
    after: Place | None,
    limit: int,
    keep: Callable[[Row], bool] | None = None,
) -> Page[Row, Place]:
    """Return a page of a list.

    Args:
        read: Gives up to so many rows behind a place, each with its own place; fewer only at the end.
        after: Place of the last row that was looked at before; None begins.
        limit: Most rows on the page.
        keep: Whether a row is wanted; None for all of them.
    """
    found: list[Row] = []
    place, looked_at = after, 0
    while looked_at < LOOKED_AT_MAX:
        # One more than fits says whether there is another page.
        size = limit + 1 if keep is None else _CHUNK
        rows = await read(place, size)
        for row, here in rows:
            if keep is None or keep(row):
                if len(found) == limit:
                    return Page(tuple(found), place)
                found.append(row)
            place = here
        if len(rows) < size:
            return Page(tuple(found), None)
        looked_at += size
    return Page(tuple(found), place)
