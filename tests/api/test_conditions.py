"""What many routes may refuse alike is refused by those that name it, and by no other: sent to all of them in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.api.described import Operation, operations
from tests.api.principals import World
from tests.api.sample_requests import Ask, build, send
from tests.api.test_examples import is_open, welcome
from tests.promised import codes_of_routes
from timebank.edge.openapi import build_document

#: Named, and not given to the good request of the matrix: only if what is asked for is more than that.
SOMETIMES = {
    "enter_member": "with duties",
    "erase_member": "of oneself, or by who is steward and host: nobody of the matrix",
    "invite": "with duties",
    "propose_opening": "while the book is empty, where it is posted at once",
}


async def as_it_is(_operation: Operation, ask: Ask, _name: str | None) -> Ask | None:
    return ask


async def find(
    world: World,
    code: str,
    prepare: Callable[[Operation, Ask, str | None], Awaitable[Ask | None]] = as_it_is,
    meanwhile: Callable[[pytest.MonkeyPatch], None] = lambda _: None,
) -> tuple[set[str], set[str]]:
    """Send a good request to every route, prepared; return the routes that gave a code, and those that name it.

    Args:
        meanwhile: Changes the program while that request is answered, and not what comes before it.
    """
    document = build_document(world.app)
    promised = codes_of_routes(document)
    gave, named = set(), set()
    for operation in operations(document):
        if not operation.path.startswith("/api/v1/"):
            continue
        name = welcome(operation) if is_open(operation) else "ada"
        ask = await prepare(operation, await build(world, operation.method, operation.path, name), name)
        if ask is None:
            continue
        if code in promised[operation.method, operation.path]:
            named.add(operation.name)
        with pytest.MonkeyPatch.context() as patch:
            meanwhile(patch)
            answer = await send(world, operation.method, operation.path, name, ask)
        if answer.status_code >= 400 and answer.json()["code"] == code:
            gave.add(operation.name)
        await world.app.state.workshop.idle()
    return gave, named


def with_headers(ask: Ask, headers: dict[str, str]) -> Ask:
    return Ask(ask.path, ask.query, ask.json, {**ask.more, "headers": headers})


async def with_session(
    world: World, operation: Operation, ask: Ask, name: str | None
) -> dict[str, str] | None:
    """Return the headers of a browser for a request; None where nobody is asked who they are."""
    if not operation.said["security"] or name is None:
        return None
    headers = dict(ask.more.get("headers", {}))
    if "Cookie" not in headers:
        own, cookie = await world.signed_in(name)
        headers |= {**own, "Cookie": cookie}
    return headers


async def test_those_acts_take_a_fresh_proof_that_say_so(world: World) -> None:
    async def as_a_browser(operation: Operation, ask: Ask, name: str | None) -> Ask | None:
        headers = await with_session(world, operation, ask, name)
        return None if headers is None else with_headers(ask, headers)

    def long_after(patch: pytest.MonkeyPatch) -> None:
        patch.setattr("timebank.rules.sessions.FRESH_FOR", timedelta())

    gave, named = await find(world, "step_up_needed", as_a_browser, long_after)

    assert gave | set(SOMETIMES) == named
    assert not gave & set(SOMETIMES)


async def test_those_who_come_with_a_session_change_nothing_without_its_token(world: World) -> None:
    async def without_token(operation: Operation, ask: Ask, name: str | None) -> Ask | None:
        headers = await with_session(world, operation, ask, name)
        if headers is None:
            return None
        headers.pop("X-CSRF-Token", None)
        return with_headers(ask, headers)

    gave, named = await find(world, "form_not_ours", without_token)

    assert gave == named
    assert len(gave) > 70


async def test_a_key_is_missed_by_those_that_say_so(world: World) -> None:
    async def without_key(operation: Operation, ask: Ask, _name: str | None) -> Ask | None:
        return with_headers(ask, {**ask.more.get("headers", {}), "Idempotency-Key": ""})

    gave, named = await find(world, "idempotency_key_invalid", without_key)

    assert gave == named
    assert len(gave) > 60


async def test_those_ask_for_patience_that_say_so(world: World) -> None:
    def hurried(patch: pytest.MonkeyPatch) -> None:
        patch.setattr("timebank.services.limits.wait_seconds", lambda *_, **__: 60)

    gave, named = await find(world, "too_many_tries", meanwhile=hurried)

    assert gave == named
    assert len(gave) > 8
