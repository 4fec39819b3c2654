"""Every GET that the application answers, of pages and of the API, by everybody; and all that is kept of a host.

What comes after a look is compared with what was there before, row by row and file by file.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from tests.api.principals import PRINCIPALS, World
from tests.api.sample_requests import Ask, build, send, with_session
from tests.api.test_matrix import matrix
from tests.cast import SLUG
from tests.database import Dsn, connected
from tests.web.walk import Walk
from timebank.store.migrate import SUPERUSER

#: A browser in which nobody is signed in here.
_NOBODY: Final = "timebank-other=x"


class Mark(NamedTuple):
    """What looking leaves behind on purpose.

    Attributes:
        columns: Those whose values may become others.
        grows: Whether there may be rows that were not there before.
        why: What it is good for.
    """

    columns: tuple[str, ...]
    grows: bool
    why: str


LEFT_BY_LOOKING: Final[Mapping[str, Mark]] = {
    "people.draw_looks": Mark(
        (), True, "who looked at who asks, and where money goes, is written down for them"
    ),
    "people.looks": Mark((), True, "who looked at somebody is written down for them"),
    "people.sessions": Mark(("seen_at",), False, "whoever carries a duty and is away for long is signed out"),
    "people.tries": Mark(
        ("tried", "healed_at", "open_at", "day"), True, "who tries secrets often has to wait"
    ),
}

#: By table, or file of the home, how often each row of it is there.
Kept = dict[str, Counter[str]]


async def all_that_is_kept(dsn: Dsn, home: Path) -> Kept:
    """Return every row of every table, without the columns that a look may change, and every file of the home."""
    kept: Kept = {}
    async with connected(dsn, SUPERUSER) as connection:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        for (name,) in tables:
            mark = LEFT_BY_LOOKING.get(name)
            rows = await connection.fetch(
                f"SELECT md5((to_jsonb(t) - $1::text[])::text) FROM {name} AS t",
                list(mark.columns) if mark else [],
            )
            kept[name] = Counter(row[0] for row in rows)
    return kept | _files(home)


def _files(home: Path) -> Kept:
    """Return what is in each file of the home; keys and checkpoints are there."""
    files = [each for each in home.rglob("*") if each.is_file()]
    return {str(each.relative_to(home)): Counter([sha256(each.read_bytes()).hexdigest()]) for each in files}


def changed(before: Kept, after: Kept) -> dict[str, tuple[int, int]]:
    """Return where rows or files went, and where some came that may not: by name, how many of each."""
    found = {}
    for name in before.keys() | after.keys():
        gone = before.get(name, Counter()) - after.get(name, Counter())
        came = after.get(name, Counter()) - before.get(name, Counter())
        if name in LEFT_BY_LOOKING and LEFT_BY_LOOKING[name].grows:
            came.clear()
        if gone or came:
            found[name] = (gone.total(), came.total())
    return found


class Look(NamedTuple):
    """A request by one of those who may come."""

    route: str
    principal: str
    ask: Ask


async def every_look(walk: Walk) -> list[Look]:
    """Return a good request of every GET route: of the API by everybody, of pages by whoever sees them in some way."""
    world = walk.world
    cookies = {who: (await world.signed_in(name))[1] for who, name in PRINCIPALS.items()}
    looks = []
    for (method, route), cells in matrix().items():
        if method != "GET":
            continue
        # Whoever may see it has one of their own to ask for; to the others the same is refused.
        best = next((who for who, cell in cells.items() if cell == "yes" and PRINCIPALS[who]), "steward")
        ask = await build(world, method, route, PRINCIPALS[best])
        whoever = PRINCIPALS if route.startswith("/api/") else ("anonymous", best, "elsewhere")
        looks += [Look(route, who, _signed_in(route, ask, cookies[who])) for who in whoever]
    for step in walk.steps:
        if step.method == "GET":
            own = walk.cookies.get((step.ask.path.get("slug", SLUG), step.viewer), _NOBODY)
            looks.append(Look(step.route, step.viewer, _signed_in(step.route, step.ask, own)))
    return looks


def _signed_in(route: str, ask: Ask, cookie: str) -> Ask:
    """Return a request with a session, unless it is one for programs, which show a token."""
    if route.startswith("/api/") and not with_session(route):
        return ask
    return dataclasses.replace(
        ask, more={**ask.more, "headers": {"Cookie": cookie, **ask.more.get("headers", {})}}
    )


async def look_at(world: World, look: Look) -> httpx.Response:
    """Send one of these requests; nothing is followed."""
    ask = dataclasses.replace(look.ask, more={**look.ask.more})
    return await send(world, "GET", look.route, PRINCIPALS.get(look.principal), ask)
