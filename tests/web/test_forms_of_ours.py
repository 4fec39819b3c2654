"""Every page that changes something: only a form of ours does it, only by POST, and no page route is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.api.test_matrix import matrix
from tests.cast import Stage, cast, house, stage, today
from timebank.services import sessions

__all__ = ["cast", "house", "stage", "today"]

COOKIE = "timebank-riverside"
#: What stands in addresses; none of it is anything that is there.
PLACES = {"slug": "riverside", "act": "post", "link": "A" * 52, "token": "x", "door": "join", "path": "x"}
#: Changed by nobody: they begin a session or a group, and have no session whose token they could carry.
#: What guards them is tested below: no other site.
WITHOUT_TOKEN = {
    "/g/{slug}/a/{secret}",
    "/g/{slug}/ask-to-join",
    "/g/{slug}/ask-to-join/{secret}",
    "/g/{slug}/join/{secret}",
    "/g/{slug}/mail/{secret}",
    "/g/{slug}/sign-in/mail",
    "/g/{slug}/sign-in/mail/{secret}",
    "/g/{slug}/sign-in",
    "/setup/{token}",
    "/setup/{token}/example",
    "/setup/{token}/recovery-key",
    "/setup/{token}/example/tokens",
}
#: No forms: what a witness signed is taken from whoever brings it. Its signature guards it, and no cookie counts.
SIGNED = {"/g/{slug}/log/cosignatures"}
WATCHED = (
    "people.sessions",
    "people.cards",
    "people.passkeys",
    "people.totps",
    "people.duty_proposals",
    "people.invitations",
    "people.join_requests",
    "people.member_roles",
    "people.members",
    "timebank.book_heads",
    "timebank.imports",
    "timebank.jobs",
    "timebank.groups",
)
EFFECTS = {"POST", "PUT", "PATCH", "DELETE"}


def unsafe_pages(app: Litestar) -> list[tuple[str, str]]:
    """Return (method, path) of every page route that is not for reading."""
    found = []
    for route in app.routes:
        if (
            isinstance(route, HTTPRoute)
            and not route.path.startswith("/api/")
            and route.path_format not in SIGNED
        ):
            found += [(method, route.path_format) for method in route.methods if method in EFFECTS]
    return sorted(found)


def address(path: str) -> str:
    for name, value in PLACES.items():
        path = path.replace(f"{{{name}}}", value)
    # Whatever a route is called that came later: an id that is nowhere.
    return "/".join(
        "00000000-0000-4000-8000-000000000000" if "{" in part else part for part in path.split("/")
    )


@pytest_asyncio.fixture(loop_scope="session")
async def app(stage: Stage) -> AsyncIterator[Litestar]:
    transport: Any = stage.http._transport
    made = await sessions.begin(
        stage.cast.house,
        stage.cast.group_id,
        stage.cast.ids["bo"],
        way="passkey",
        strong=True,
        now=datetime.now(UTC),
    )
    stage.http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")
    yield transport.app


async def fingerprint(stage: Stage) -> list[Any]:
    """What a form could have changed."""
    async with stage.cast.house.database.write_door(stage.cast.group_id) as connection:
        rows = [
            await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} AS t"
            )
            for table in WATCHED
        ]
        await connection.execute("ROLLBACK")
        return rows


async def test_no_page_takes_a_form_without_its_token_or_from_another_site(
    stage: Stage, app: Litestar
) -> None:
    before = await fingerprint(stage)
    pages = unsafe_pages(app)
    assert len(pages) >= 9
    csrf = sessions.csrf_of(stage.cast.house.keys, stage.cast.group_id, stage.cast.ids["bo"])

    for method, path in pages:
        tries: list[tuple[dict[str, str], dict[str, str]]] = [
            ({"csrf": csrf}, {"Sec-Fetch-Site": "cross-site"}),
            ({"csrf": csrf}, {"Sec-Fetch-Site": "same-site"}),
            ({"csrf": csrf}, {"Origin": "https://evil.example"}),
        ]
        if path not in WITHOUT_TOKEN:
            tries += [({}, {}), ({"csrf": ""}, {}), ({"csrf": csrf}, {}), ({"csrf": "\udcff"}, {})]
        for fields, headers in tries:
            fields = {"id": "x", **fields}
            said = {name: value.encode("utf-8", "surrogateescape") for name, value in fields.items()}
            answer = await stage.http.request(method, address(path), data=said, headers=headers)
            # Set-up addresses are secrets: one that is none is not there, before all else.
            allowed = {403, 404} if path.startswith("/setup/") else {403}
            if "/mail" in path:
                # This server sends no mail, and says that first.
                allowed = {403, 404, 409}
            if path.endswith("/import"):
                # It takes files, and these are none.
                allowed = {400, 403}
            assert answer.status_code in allowed, (method, path, fields, headers, answer.status_code)
            assert "set-cookie" not in answer.headers

    assert await fingerprint(stage) == before


async def test_no_route_of_the_api_takes_a_session_without_its_token_or_from_another_site(
    stage: Stage, app: Litestar
) -> None:
    before = await fingerprint(stage)
    routes = sorted(
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/")
        for method in route.methods
        if method in EFFECTS
    )
    assert len(routes) > 80

    let_in = set()
    for method, path in routes:
        for headers in ({}, {"X-CSRF-Token": "x"}, {"Sec-Fetch-Site": "cross-site"}):
            headers = {"Idempotency-Key": "x" * 20, **headers}
            answer = await stage.http.request(method, address(path), json={}, headers=headers)
            if answer.status_code < 400 or answer.json()["code"] != "form_not_ours":
                let_in.add((method, path))
    # A secret in the address or the body opens these, whoever asks; no session counts there.
    for_all = {route for route, cells in matrix().items() if cells["anonymous"] != "401"}
    assert let_in <= for_all, sorted(let_in - for_all)
    assert await fingerprint(stage) == before


async def test_no_page_has_an_effect_when_it_is_only_looked_at(stage: Stage, app: Litestar) -> None:
    before = await fingerprint(stage)

    for _, path in unsafe_pages(app):
        for method in ("GET", "HEAD"):
            answer = await stage.http.request(method, address(path))
            assert answer.status_code in {200, 303, 403, 404, 405, 409}, (path, answer.status_code)
    assert (await stage.http.get("/g/riverside/sign-out")).status_code in {404, 405}

    assert await fingerprint(stage) == before


async def test_a_session_on_the_api_needs_its_token_for_what_changes_something(
    stage: Stage, app: Litestar, today: str
) -> None:
    hours = {"minutes": 30, "effective_on": today, "category": "cooking"}
    secret = stage.http.cookies[COOKIE]
    visitor = await app.state.door.keeper.sessions.find(stage.cast.group_id, secret)
    assert (await stage.get(None, "/live")).status_code == 200, "reading needs none"

    for headers in (
        {},
        {"X-CSRF-Token": "x"},
        {"X-CSRF-Token": visitor.csrf, "Sec-Fetch-Site": "cross-site"},
        {"X-CSRF-Token": visitor.csrf, "Origin": "https://evil.example"},
    ):
        answer = await stage.post(None, "/hours", hours, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "form_not_ours"), headers
    written = await stage.post(
        None, "/hours", hours, headers={"X-CSRF-Token": visitor.csrf, "Sec-Fetch-Site": "same-origin"}
    )
    assert written.status_code == 201

    wrong_token = await stage.http.get(
        "/api/v1/groups/riverside/live", headers={"Authorization": "Bearer tb_" + "x" * 43}
    )
    assert wrong_token.status_code == 401, "a token that does not hold is not made good by a cookie"
    assert (await stage.get(None, "/live", slug="hillside")).status_code == 401


async def test_pages_and_answers_for_somebody_signed_in_are_kept_by_nobody(
    stage: Stage, app: Litestar
) -> None:
    for path in ("/me/ways-in", "/me/ways-in/new-app", "/prove", "/sign-in", "/import", "/statement"):
        answer = await stage.http.get(f"/g/riverside{path}")
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert "unsafe" not in answer.headers["content-security-policy"]
    for path in ("/me/session", "/me/sessions", "/me/ways-in", "/live"):
        answer = await stage.get(None, path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "no-store"
    public = await stage.http.get("/g/riverside")
    assert "no-store" not in public.headers["cache-control"]
    assert "set-cookie" not in public.headers
