"""The stage with a mail server, a note of whose sessions began, and a clock that a test can set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from tests.cast import Cast, Stage, running, trust_this_server
from tests.database import Dsn
from tests.mail_sink import Sink, mail_sink
from tests.services.test_post import SENDER, until
from timebank.app import build_app
from timebank.config import Settings
from timebank.services import sessions
from timebank.services.house import House
from timebank.services.mail import confirm_address

ORIGIN = "http://localhost"


@dataclass(slots=True)
class Clock:
    """The moment now, until a test says otherwise."""

    set_to: datetime | None = None

    def __call__(self) -> datetime:
        """Return the moment."""
        return self.set_to or datetime.now(UTC)


@dataclass(slots=True)
class MailStage(Stage):
    """The cast, an application that answers them, and the mail that it sends.

    Attributes:
        begun: Whoever was signed in by mail, in order.
    """

    app: Any = None
    sink: Sink = field(default_factory=Sink)
    clock: Clock = field(default_factory=Clock)
    begun: list[tuple[UUID, UUID]] = field(default_factory=list)

    def browser(self) -> httpx.AsyncClient:
        """Return another browser, with cookies of its own."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    async def link(self, count: int) -> str:
        """Return the link in the newest mail, once so many came."""
        await until(lambda: len(self.sink.messages) >= count)
        words = self.sink.messages[-1].get_content().split()
        return next(word for word in words if word.startswith(f"{ORIGIN}/g/riverside/")).removeprefix(ORIGIN)

    async def give_address(self, name: str, address: str) -> None:
        """Let somebody set and confirm a mail address."""
        count = len(self.sink.messages)
        answer = await self.post(name, "/me/mail", {"address": address})
        assert answer.status_code == 200, answer.text
        secret = (await self.link(count + 1)).rpartition("/")[2]
        await confirm_address(self.cast.house, self.cast.group_id, secret, now=self.clock())


@pytest_asyncio.fixture(loop_scope="session")
async def posted(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MailStage]:
    """The cast, and an application with a mail server."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    async with mail_sink() as sink:
        settings = Settings(home=tmp_path, database_urls={}, origin=ORIGIN, smtp=sink.smtp, mail_from=SENDER)
        clock, begun = Clock(), list[tuple[UUID, UUID]]()
        app = build_app(settings, fresh_dsn, clock=clock)
        begin = sessions.begin

        async def note(house: House, group_id: UUID, member_id: UUID, **more: Any) -> sessions.SessionSecret:
            begun.append((group_id, member_id))
            return await begin(house, group_id, member_id, **more)

        monkeypatch.setattr(sessions, "begin", note)

        async with running(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
                yield MailStage(cast, http, app, sink, clock, begun)
