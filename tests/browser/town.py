"""The town that tests in a browser live in: the cast behind a server, each signed in with a proof of just now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.screen import serving
from tests.cast import SLUG, Cast, be_durable_enough, make_cast, trust_this_server
from tests.database import Dsn, Server, copied
from timebank.app import build_app
from timebank.cli.serve import setup_token
from timebank.config import Settings
from timebank.services import sessions
from timebank.services.house import open_house

Prepare = Callable[[Cast, datetime], Awaitable[object]]


class Town(NamedTuple):
    """A running server.

    Attributes:
        sessions: By name, the secret of somebody's session.
        tokens: By name, what a program of theirs shows.
    """

    address: str
    sessions: dict[str, str]
    tokens: dict[str, str]

    @property
    def at(self) -> str:
        """Where the group's pages are."""
        return f"{self.address}/g/{SLUG}"


async def nothing_more(_cast: Cast, _now: datetime) -> None:
    """The cast is there, and nothing has happened."""


@contextmanager
def open_town(
    cluster: Server, template: str, home: Path, names: Sequence[str], *, prepare: Prepare = nothing_more
) -> Iterator[Town]:
    """Open a town in a database of its own.

    Args:
        names: Who of the cast is signed in.
        prepare: Lets something happen before the server starts.
    """
    with _open(cluster, template, home, partial(_people, home=home, names=names, prepare=prepare)) as made:
        address, (signed_in, tokens) = made
        yield Town(address, signed_in, tokens)


@contextmanager
def open_nothing(cluster: Server, template: str, home: Path) -> Iterator[str]:
    """Open a server with an empty database, as it is after the first start; give the set-up link that it prints."""
    with _open(cluster, template, home, be_durable_enough) as (address, _):
        # Passkeys do not work on an address of numbers.
        yield f"{address.replace('127.0.0.1', 'localhost')}/setup/{setup_token(home)}"


@contextmanager
def _open(
    cluster: Server, template: str, home: Path, before: Callable[[Dsn], Awaitable[Any]]
) -> Iterator[tuple[str, Any]]:
    """Start a server on a copy of a database; give its address, and what came of what was done before."""
    # Playwright's loop runs in this thread: whatever else waits does so in another one.
    with ThreadPoolExecutor(1) as aside, pytest.MonkeyPatch.context() as patch:
        runner = asyncio.Runner()
        patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)

        def run(work: Any) -> Any:
            return aside.submit(runner.run, work).result()

        opened = copied(cluster, template)
        dsn = run(opened.__aenter__())
        try:
            done = run(before(dsn))
            with serving(build_app(Settings(home=home, database_urls={}), dsn)) as address:
                yield address, done
        finally:
            run(opened.__aexit__(None, None, None))
            aside.submit(runner.close).result()


async def _people(
    dsn: Dsn, *, home: Path, names: Sequence[str], prepare: Prepare
) -> tuple[dict[str, str], dict[str, str]]:
    await be_durable_enough(dsn)
    async with open_house(home, dsn, check=False) as house:
        now = datetime.now(UTC)
        cast = await make_cast(house, now)
        signed_in = {}
        for name in names:
            made = await sessions.begin(
                house, cast.group_id, cast.ids[name], way="passkey", strong=True, now=now
            )
            signed_in[name] = made.secret
        await prepare(cast, now)
        return signed_in, cast.tokens


def browse(browser: Browser, town: Town, name: str, width: int, **more: Any) -> Page:
    """Open a window of somebody's in which they are signed in; ``""`` is nobody."""
    context = browser.new_context(
        **{"viewport": {"width": width, "height": 900}, "locale": "en", **more}  # type: ignore[arg-type]
    )
    if name:
        context.add_cookies([{"name": f"timebank-{SLUG}", "value": town.sessions[name], "url": town.address}])
    return context.new_page()
