"""Somebody of the cast with a browser: a session, pages, and forms sent as they stand on the page."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx

from tests.cast import OTHER_SLUG, SLUG, Stage
from tests.database import Dsn, run
from timebank.services import sessions
from timebank.store.migrate import SUPERUSER


def text_of(answer: httpx.Response) -> str:
    """Return what a page says, without marks and with plain spaces."""
    body = re.sub(r"<(style|title)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    # Names are kept apart from the sentence around them, and are words of it all the same.
    body = re.sub(r"</?bdi\b[^>]*>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page: where it goes, what it carries along, and the names of its other fields and buttons."""

    action: str
    hidden: dict[str, str]
    names: frozenset[str]


def forms_of(answer: httpx.Response) -> list[Form]:
    """Return the forms of a page, without the one that signs out."""
    found = []
    for head, body in re.findall(r"<form\b([^>]*)>(.*?)</form>", answer.text, flags=re.DOTALL):
        action = html.unescape(re.search(r'action="([^"]*)"', head)[1])  # type: ignore[index]
        if action.partition("?")[0].endswith("/sign-out"):
            continue
        hidden = {
            html.unescape(name): html.unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', body)
        }
        found.append(Form(action, hidden, frozenset(re.findall(r'\bname="([^"]*)"', body)) - set(hidden)))
    return found


def fields_of(page_text: str) -> dict[str, str | list[str]]:
    """Return what a browser would send of all that stands in the fields of a page."""
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input\b[^>]*>", page_text):
        name = re.search(r'\bname="([^"]*)"', tag)
        value = re.search(r'\bvalue="([^"]*)"', tag)
        if name is None or (re.search(r'type="(checkbox|radio)"', tag) and " checked" not in tag):
            continue
        fields.setdefault(name[1], []).append(value[1] if value else "")
    for name, body in re.findall(r'<select\b[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page_text, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        chosen = chosen or re.search(r'<option value="([^"]*)"', body)
        assert chosen is not None
        fields[name] = [chosen[1]]
    texts = re.findall(r'<textarea\b[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', page_text)
    return {**fields, **{name: [body] for name, body in texts}}


@dataclass(slots=True)
class Member:
    """Somebody who is signed in.

    Attributes:
        secret: Their session.
        slug: Their group.
    """

    stage: Stage
    secret: str
    slug: str = SLUG
    last: httpx.Response = field(init=False)

    async def get(self, path: str, slug: str = "", **more: str) -> httpx.Response:
        """Look at a page below the group."""
        self.last = await self.stage.http.get(
            f"/g/{slug or self.slug}{path}", params=more, headers=self._headers()
        )
        return self.last

    async def post(self, path: str, fields: Mapping[str, str | list[str]]) -> httpx.Response:
        """Send fields to an address as they are; nothing is followed."""
        self.last = await self.stage.http.post(
            path,
            content=urlencode(fields, doseq=True),
            headers={**self._headers(), "content-type": "application/x-www-form-urlencoded"},
        )
        return self.last

    async def send(self, page: httpx.Response, ending: str = "", **fields: str) -> httpx.Response:
        """Fill a form of a page and send it: the first one whose address ends like this."""
        form = next(form for form in forms_of(page) if form.action.partition("?")[0].endswith(ending))
        return await self.post(form.action, {**form.hidden, **fields})

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        """Go where an answer leads."""
        assert answer.status_code == 303, (answer.status_code, text_of(answer))
        self.last = await self.stage.http.get(answer.headers["location"], headers=self._headers())
        return self.last

    def _headers(self) -> dict[str, str]:
        return {"cookie": f"timebank-{self.slug}={self.secret}", "sec-fetch-site": "same-origin"}


async def grow_old(dsn: Dsn) -> None:
    """Let everything that people proved so far be six minutes older, and their duties a day."""
    await run(
        dsn,
        SUPERUSER,
        """
        UPDATE people.member_roles SET since = since - interval '1 day';
        UPDATE people.sessions
           SET begun_at = begun_at - interval '6 minutes', turned_at = turned_at - interval '6 minutes',
               proved_at = proved_at - interval '6 minutes', seen_at = seen_at - interval '6 minutes';
        """,
    )


async def signed_in(stage: Stage, name: str, *, strong: bool = True) -> Member:
    """Return somebody of the cast with a session that was just proved."""
    cast = stage.cast
    made = await sessions.begin(
        cast.house,
        cast.group_of(name),
        cast.ids[name],
        way="passkey",
        strong=strong,
        now=datetime.now(UTC),
    )
    return Member(stage, made.secret, OTHER_SLUG if name == "cy" else SLUG)
