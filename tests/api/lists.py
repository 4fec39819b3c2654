"""Checks any list of the API by brute force: every pair of its filters, every size of its pages."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx

Row = dict[str, Any]
#: Gets the list with a query.
Get = Callable[[Mapping[str, str]], Awaitable[httpx.Response]]
#: For each filter: values to try, and whether a row is wanted with a value.
Filters = Mapping[str, tuple[Sequence[str], Callable[[Row, str], bool]]]


async def whole(get: Get, rows: str, query: Mapping[str, str], *, cursor: str = "after") -> list[Row]:
    """Return all rows that a query finds, page by page."""
    found: list[Row] = []
    asked = dict(query)
    for _ in range(1_000):
        answer = await get(asked)
        assert answer.status_code == 200, (asked, answer.text)
        page = answer.json()
        if "limit" in query:
            assert len(page[rows]) <= int(query["limit"]), asked
        found += page[rows]
        if not page.get("next"):
            return found
        asked[cursor] = page["next"]
    raise AssertionError(f"{query} never comes to an end")


async def check_filters(get: Get, rows: str, filters: Filters) -> int:
    """Check that each pair of values of two filters, and each value alone, finds what it should.

    Args:
        rows: Name of the rows in the answer.

    Returns:
        How many combinations found some rows and left some out, so that a test can ask for enough.
    """
    everything = await whole(get, rows, {})
    said = [(name, value) for name, (values, _) in filters.items() for value in values]
    pairs = [pair for pair in itertools.combinations(said, 2) if pair[0][0] != pair[1][0]]
    telling = 0
    for combination in [*((one,) for one in said), *pairs]:
        wanted = [
            row for row in everything if all(filters[name][1](row, value) for name, value in combination)
        ]
        for query in (dict(combination), {**dict(combination), "limit": "2"}):
            assert await whole(get, rows, query) == wanted, query
        telling += 0 < len(wanted) < len(everything)
    return telling


async def check_pages(get: Get, rows: str, *, largest: int, cursor: str = "after") -> None:
    """Check that pages of every size add up to the same whole, and that nonsense is refused in words."""
    everything = await whole(get, rows, {}, cursor=cursor)
    sizes = range(1, min(largest, len(everything) + 2) + 1)
    for size in sizes:
        assert await whole(get, rows, {"limit": str(size)}, cursor=cursor) == everything, size
    assert (await get({"limit": str(largest)})).status_code == 200
    cursors = ["x", "W10", "W10=", "eyJhIjoxfQ==", "é", "A" * 700, "[]", "%00", "\x00"]
    first = (await get({"limit": "1"})).json().get("next")
    if first:
        cursors += [first[:-1], first + "A", first + "=", first.swapcase(), " " + first]
    for query in (
        *(
            {"limit": said}
            for said in ("0", "-1", "x", "1e3", "1.0", "٣", "", " 1", str(largest + 1), "9" * 5000)
        ),
        *({cursor: said} for said in cursors),
        {"no_such_filter": "1"},
    ):
        answer = await get(query)
        assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid"), query
        assert [error["field"] for error in answer.json()["errors"]] == list(query), query
    both = await get({"limit": "0", "no_such_filter": "1"})
    assert len(both.json()["errors"]) == 2
