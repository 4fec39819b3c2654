"""What every answer says besides its body: pages, programs' answers, files, refusals, faults, whatever the method."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from tests.api.test_matrix import live_routes
from tests.cast import SLUG, Stage, cast, house, stage, today
from tests.web.member import signed_in
from tests.web.observatory import score
from timebank.web.files import static_files

__all__ = ["cast", "house", "stage", "today"]

ENOUGH = 120
#: What stands in addresses: nothing that is there, but for the group.
PLACES = {"{slug}": SLUG, "{door}": "give", "{pot}": "money"}


def addresses(app: Litestar) -> list[tuple[str, str]]:
    """Return (method, address) of every route, and of some that are none."""
    found = []
    for method, path in sorted(live_routes(app)):
        parts = [PLACES.get(part, "x" * 22 if "{" in part else part) for part in path.split("/")]
        found.append((method, "/".join(parts)))
    return [
        *found,
        ("GET", "/g/nobody"),
        ("GET", "/nothing/at/all"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/static/nothing.css"),
        ("PUT", f"/g/{SLUG}"),
        ("GET", "/favicon.ico"),
        *(("GET", f"/static/{name}") for name in static_files()),
    ]


@pytest_asyncio.fixture(loop_scope="session")
async def answers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[httpx.Response]]:
    """An answer of every address over TLS, by whichever method, as nobody and as a steward."""
    transport: Any = stage.http._transport
    # Everybody here comes from one place, and often.
    monkeypatch.setattr("timebank.services.limits.wait_seconds", lambda *_, **__: 0)
    bo = await signed_in(stage, "bo")
    cookie = {"cookie": f"__Host-timebank-{SLUG}={bo.secret}"}
    found = []
    async with httpx.AsyncClient(transport=transport, base_url="https://pot.example") as http:
        for method, path in addresses(transport.app):
            methods = (method, "HEAD", "OPTIONS") if method == "GET" else (method,)
            found += [await http.request(each, path) for each in methods]
            if method == "GET" and path.startswith("/g/"):
                found.append(await http.get(path, headers=cookie))
        card = await http.post(f"/g/{SLUG}/sign-in", data={"card": "wrong", "key": "k" * 32})
        found.append(card)

        async def fail(*_: object) -> None:
            raise RuntimeError("planted")

        with monkeypatch.context() as patch:
            patch.setattr("timebank.web.public.read_public_book", fail)
            patch.setattr("timebank.services.published.read_public_group", fail)
            found += [await http.get(f"/g/{SLUG}"), await http.get(f"/api/v1/groups/{SLUG}")]
    yield found


async def test_every_answer_is_worth_an_a_plus_with_room_and_lets_in_only_what_is_ours(
    answers: list[httpx.Response],
) -> None:
    statuses = {answer.status_code for answer in answers}
    assert {200, 204, 303, 401, 404, 405, 500} <= statuses, statuses
    assert len(answers) > 300
    poor = []
    for answer in answers:
        where = (answer.request.method, answer.request.url.path, answer.status_code)
        points, why = score(answer)
        if points < ENOUGH:
            poor.append((*where, points, why))
        check_guards(answer, where)
    assert poor == []


def check_guards(answer: httpx.Response, where: tuple[str, str, int]) -> None:
    """Check what nothing else scores."""
    parts = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert parts[0] == "default-src 'none'", where
    assert {"base-uri 'none'", "frame-ancestors 'none'"} <= set(parts), where
    for part in parts[1:]:
        assert set(part.split()[1:]) <= {"'self'", "'none'"}, (*where, part)
    assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
    assert "server" not in answer.headers, where
    if answer.status_code >= 400:
        assert answer.headers["cache-control"] == "no-store", where


async def test_without_tls_nobody_is_told_to_keep_to_it(stage: Stage) -> None:
    """Somebody who tries it at home would be locked out of every other program on that name."""
    answer = await stage.http.get(f"/g/{SLUG}")

    assert "strict-transport-security" not in answer.headers
