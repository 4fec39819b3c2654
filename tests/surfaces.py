"""All that a running application answers somebody who looks: every address of its routes, in every form of it.

A new route is looked at by itself; a place in its path that nobody filled before fails until it stands here.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.cast import SLUG, running, trust_this_server
from tests.database import Dsn
from tests.worker import in_process
from timebank.app import build_app
from timebank.config import Settings
from timebank.i18n import SOURCE_LANGUAGE, language_codes
from timebank.ledger.tiles import new_paths
from timebank.services import sessions
from timebank.services.house import House

#: Status, body, and headers but ``Date``.
Answer = tuple[int, bytes, tuple[tuple[str, str], ...]]
Answers = dict[str, Answer]

ORIGIN: Final = "http://localhost"
#: An id that never was, and a secret that nobody made.
NOBODY: Final = "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"
NO_SECRET: Final = "N" * 43

#: What can stand in a path, by the name of the place; ``path`` depends on the route.
PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "slug": (SLUG,),
    "pot": ("hours", "money"),
    "door": ("give", "join", "feed"),
    "version": ("1", "2"),
    "secret": (NO_SECRET,),
    "link": (NO_SECRET,),
    "token": (NO_SECRET,),
    "act": ("take",),
    "deed": ("give",),
    "held": ("box", "bank"),
    "key": (NO_SECRET,),
    "number": ("1", "2", "99"),
    "kind": ("asks", "hours", "links"),
}
#: Where nothing is, whatever somebody hopes for.
NOT_THERE: Final = (
    "/robots.txt",
    "/sitemap.xml",
    "/favicon.ico",
    "/g/nobody",
    "/api/v1/groups/nobody",
    "/metrics",
    f"/api/v1/groups/{SLUG}/nothing",
)
#: What lists are asked besides.
QUERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "/api/v1/groups/{slug}/flows": ("by=kind", "by=kind&unit=EUR", "limit=2&by=kind"),
    "/api/v1/groups/{slug}/entries": (
        "limit=3",
        "kind=promise",
        "kind=money_in",
        "pot=money",
        "category=cooking",
    ),
}
_CURSORS: Final = {"flows": "before", "entries": "after"}
#: Without being asked for another one, the group speaks English.
_OTHER_LANGUAGES: Final = tuple(code for code in language_codes() if code != SOURCE_LANGUAGE)
_PAGES_MAX: Final = 60


@asynccontextmanager
async def open_app(
    dsn: Dsn, home: Path, clock: Any, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
    """Start an application with a clock of one's own on a database and a home that somebody else writes to as well."""
    patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    # Everybody here comes from one place, and often.
    patch.setattr("timebank.services.limits.wait_seconds", lambda *_, **__: 0)
    # What time does, is done when whoever has the clock says so.
    patch.setattr("timebank.services.due.EVERY_S", 1e6)
    app = build_app(Settings(home=home, database_urls={}, origin=ORIGIN), dsn, clock=clock, worker=in_process)
    async with running(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield app, http


@contextmanager
def without_chance() -> Iterator[None]:
    """Let what is drawn anew for each form be the same each time; nothing else of an answer is by chance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", lambda count=32: bytes(count))
        patch.setattr(secrets, "token_hex", lambda count=32: "00" * count)
        patch.setattr(secrets, "token_urlsafe", lambda count=32: "A" * -(-count * 8 // 6))
        yield


async def session_of(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> dict[str, str]:
    """Return the headers of a browser in which somebody is signed in."""
    made = await sessions.begin(house, group_id, member_id, way="card", strong=False, now=now)
    return {"Cookie": f"timebank-{SLUG}={made.secret}"}


def routes(app: Litestar, method: str = "GET") -> list[str]:
    """Return every path that answers a method."""
    return sorted(
        {
            route.path_format
            for route in app.routes
            if isinstance(route, HTTPRoute) and method in {str(each) for each in route.methods}
        }
    )


def addresses(
    app: Litestar, *, log_size: int, own: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, str]]:
    """Yield every address that a GET can go to, and the route that it belongs to.

    Args:
        log_size: Leaves of the public log; files of a log with more are asked for, too.
        own: Further values for places, such as the secret of an ask of one's own.
    """
    for route in routes(app):
        names = re.findall(r"\{(\w+)\}", route)
        choices = [_values(route, name, log_size) + tuple(own.get(name, ())) for name in names]
        for values in itertools.product(*choices):
            yield route, route.format(**dict(zip(names, values, strict=True)))
    for path in NOT_THERE:
        yield "", path


def _values(route: str, name: str, log_size: int) -> tuple[str, ...]:
    if name == "path":
        if "/log/tile/" not in route:
            return ("nothing",)
        there = new_paths(0, log_size)
        # Whoever waits for the next leaf asks for a tile that has it.
        not_yet = [path for more in (1, 16, 17) for path in new_paths(log_size, log_size + more)]
        return tuple(path.removeprefix("tile/") for path in dict.fromkeys([*there, *not_yet]))
    if name.endswith("_id"):
        return (NOBODY,)
    assert name in PLACES, f"say in PLACES what can stand for {{{name}}} in {route}"
    return PLACES[name]


async def everything(
    app: Litestar,
    http: httpx.AsyncClient,
    *,
    log_size: int,
    headers: Mapping[str, str] = {},
    own: Mapping[str, Collection[str]] = {},
    in_every_way: bool = False,
) -> Answers:
    """Return what every address answers to somebody, and all that pages link to.

    Args:
        log_size, own: See ``addresses``.
        headers: Of whoever looks; none for whoever is not signed in.
        in_every_way: Whether pages are looked at in each language, and all that answers HEAD with that as well.
    """
    looking, heads = _Looking(http, dict(headers), in_every_way), frozenset(routes(app, "HEAD"))
    with without_chance():
        for route, path in addresses(app, log_size=log_size, own=own):
            await looking.at(path, head=route in heads)
            for query in QUERIES.get(route, ()):
                await looking.through(path, query, route.rpartition("/")[2])
        for path in sorted(looking.links - looking.paths):
            await looking.at(path)
    return looking.answers


class _Looking:
    """One look at everything."""

    def __init__(self, http: httpx.AsyncClient, headers: dict[str, str], in_every_way: bool) -> None:
        self.http = http
        self.headers = headers
        self.answers: Answers = {}
        self.links: set[str] = set()
        self.paths: set[str] = set()
        self.in_every_way = in_every_way

    async def at(self, path: str, *, head: bool = False) -> None:
        """Look at one address in every way."""
        self.paths.add(path)
        said = await self._ask("GET", path)
        if head and self.in_every_way:
            await self._ask("HEAD", path)
        if said.headers.get("content-type", "").startswith("text/html") and said.status_code < 500:
            self.links |= {
                link.partition("#")[0]
                for link in re.findall(r'(?:href|src)="(/[^"]*)"', said.text)
                if "?" not in link
            }
            if said.status_code == 200 and self.in_every_way:
                for language in _OTHER_LANGUAGES:
                    await self._ask("GET", f"{path}?lang={language}")
                await self._ask("GET", path, {"Accept-Language": _OTHER_LANGUAGES[-1]})

    async def through(self, path: str, query: str, name: str) -> None:
        """Read a list to its end."""
        cursor = ""
        for _ in range(_PAGES_MAX):
            said = await self._ask("GET", f"{path}?{query}{cursor}")
            following = said.json().get("next")
            if not following:
                return
            cursor = f"&{_CURSORS[name]}={following}"

    async def _ask(
        self,
        method: str,
        path: str,
        more: Mapping[str, str] = {},
    ) -> httpx.Response:
        # What answers set is for one request: nobody goes on as whoever asked before.
        self.http.cookies.clear()
        said = await self.http.request(method, path, headers={**self.headers, **more})
        heads = tuple(sorted(pair for pair in said.headers.multi_items() if pair[0] != "date"))
        wanted = "".join(f" {name}: {value}" for name, value in more.items())
        self.answers[f"{method} {path}{wanted}"] = (said.status_code, said.content, heads)
        return said


def differing(one: Answers, other: Answers) -> list[str]:
    """Return where two looks saw something else."""
    return sorted(path for path in {**one, **other} if one.get(path) != other.get(path))
