"""Looks at every refusal that any test gets from the API: its code must stand in the description of that route.

``TIMEBANK_TEST_CODES=FILE`` also writes down which route gave which code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from timebank.app import build_app
from timebank.config import Settings
from timebank.edge.openapi import build_document

#: Said of no route: nothing is there, it takes another method, or the mistake is ours.
OF_NO_ROUTE = {"server_fault", "wrong_method"}

Route = tuple[str, str]
given: set[tuple[str, str, str]] = set()


@lru_cache(maxsize=1)
def the_document() -> Mapping[str, Any]:
    """Return the description, of an application that nobody starts."""
    return build_document(build_app(Settings(home=Path(), database_urls={}), lambda _role: {}))


def codes_of_routes(document: Mapping[str, Any]) -> dict[Route, set[str]]:
    """Return every code that the description of a route names."""
    found: dict[Route, set[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            codes = found.setdefault((method.upper(), path), set())
            for answer in operation["responses"].values():
                problem = answer.get("content", {}).get("application/problem+json", {}).get("schema", {})
                for part in problem.get("allOf", ()):
                    codes.update(part.get("properties", {}).get("code", {}).get("enum", ()))
    return found


@lru_cache(maxsize=1)
def _promised() -> dict[Route, set[str]]:
    return codes_of_routes(the_document())


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return a pattern for each path, those with fewer places first: words win over places."""
    paths = sorted(the_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path) for path in paths]


def route_of(method: str, path: str) -> Route | None:
    """Return the route that a request went to; None if it went nowhere."""
    found = (shape for pattern, shape in _patterns() if pattern.fullmatch(path))
    return next(((method, shape) for shape in found if (method, shape) in _promised()), None)


def check_refusal(request: httpx.Request, answer: httpx.Response) -> None:
    """Check that an answer, if it refuses something, has a code that the route's description names."""
    if not request.url.path.startswith("/api/v1/") or request.method == "HEAD":
        return
    kind = answer.headers.get("content-type", "")
    is_problem = kind.startswith("application/problem+json")
    if not is_problem and not request.url.path.endswith("/batch"):
        return
    said = answer.json()
    codes = [said["code"]] if is_problem else [each.get("code") for each in said.get("outcomes", ())]
    # What became of one of many is said in the words of the route for one.
    path = request.url.path if is_problem else request.url.path.removesuffix("/batch")
    route = route_of(request.method, path)
    for code in codes:
        if route is None or code is None or code in OF_NO_ROUTE:
            continue
        given.add((*route, code))
        assert code in _promised()[route], f"{' '.join(route)} said {code}: name it in its refusals="


@pytest.fixture(scope="session", autouse=True)
def every_refusal_is_promised() -> Iterator[None]:
    """Look at whatever any client of any test gets."""
    send = httpx.AsyncClient.send

    async def looked_at(self: httpx.AsyncClient, request: httpx.Request, **more: Any) -> httpx.Response:
        answer = await send(self, request, **more)
        if answer.is_closed:
            check_refusal(request, answer)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.AsyncClient, "send", looked_at)
        yield
    if place := os.environ.get("TIMEBANK_TEST_CODES"):
        with Path(place).open("a", encoding="utf-8") as file:
            file.writelines(f"{' '.join(each)}\n" for each in sorted(given))
