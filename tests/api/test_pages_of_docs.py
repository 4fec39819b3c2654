"""docs/api.md names every route and none that is gone, and its examples run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from tests.api.described import operations
from tests.api.principals import World
from tests.api.test_matrix import live_routes
from tests.cast import SLUG
from tests.house.test_errors import with_code
from tests.promised import codes_of_routes
from timebank.edge.openapi import build_document

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")
GROUP = "/api/v1/groups/{slug}"
#: A block of commands, and the answer to the last of them.
EXAMPLE = re.compile(r"```sh\n(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)
FILES = {
    "hours.csv": b"date,giver,receiver,hours,category\n01/02/2026,Ada,,1:30,cooking\n",
    "people.csv": b"name\nAda\n",
}


def rows() -> list[tuple[str, str, str]]:
    """Return every route on the page: (method, path, query); `/reopen` after `/held/{held}/close` is its sister."""
    found = []
    for line in PAGE.splitlines():
        method = path = ""
        for said in re.findall(r"`([^`]*)`", line.split(" | ")[0]) if line.startswith("| `") else ():
            route = re.fullmatch(r"(?:(GET|POST|PUT|PATCH|DELETE) )?(/[^? ]*|)(\?.*)?", said)
            if route is None or not (route[1] or method):
                continue
            if route[1]:
                method, path = route[1], route[2]
            else:
                path = path.rpartition("/")[0] + route[2]
            found.append((method, path, route[3] or ""))
    return found


def nameless(path: str) -> str:
    """Return a path in which it does not matter what a place is called."""
    return re.sub(r"\{\w+\}", "{}", path)


async def test_the_page_names_every_route_and_none_that_is_gone(world: World) -> None:
    written = {(method, nameless(GROUP + path)) for method, path, _ in rows()}
    live = {
        (method, nameless(path)) for method, path in live_routes(world.app) if path.startswith("/api/v1/")
    }

    assert sorted(live - written) == [], "write them into the tables of docs/api.md"
    assert sorted(written - live) == [], "they are no longer there"


async def test_the_page_names_every_parameter_of_an_address(world: World) -> None:
    described = {
        (operation.method, nameless(operation.path)): [
            parameter["name"]
            for parameter in operation.said.get("parameters", ())
            if parameter["in"] == "query"
        ]
        for operation in operations(build_document(world.app))
        # The options of an import have a page of their own.
        if not operation.path.endswith("/imports") or operation.method == "GET"
    }
    for method, path, query in rows():
        names = re.findall(r"(\w+)=", query)
        if (method, nameless(GROUP + path)) in described:
            assert names == described[method, nameless(GROUP + path)], (method, path)


async def test_every_code_on_the_page_and_in_the_description_is_a_refusal(world: World) -> None:
    codes = {kind.code for kind in with_code()}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)` \((?:4|5)\d\d\)", PAGE))

    assert named <= codes
    for route, said in codes_of_routes(build_document(world.app)).items():
        assert said <= codes, route
        assert said or not route[1].startswith("/api/v1/"), f"{route} names no refusal"


def curl(command: str) -> tuple[str, str, dict[str, Any]]:
    """Read a command as curl would: (method, address, what to send)."""
    words = iter(shlex.split(command.replace("\\\n", " ")))
    assert next(words) == "curl", command
    method, address, headers, more = "", "", {}, {}
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word in {"-d", "--data-binary"}:
            said = next(words)
            more["content"] = FILES[said[1:]] if said.startswith("@") else said.encode()
        elif word == "-F":
            name, _, value = next(words).partition("=")
            if value.startswith("@"):
                more.setdefault("files", []).append((name, (value[1:], FILES[value[1:]])))
            else:
                more.setdefault("data", {})[name] = value
        else:
            assert not word.startswith("-"), word
            address = word
    return method or ("POST" if more else "GET"), address, {"headers": headers, **more}


async def test_the_examples_run_and_answer_what_stands_below_them(world: World) -> None:
    examples = EXAMPLE.findall(PAGE)
    assert len(examples) >= 4
    tokens = {"$TOKEN": world.token("ada"), "$STEWARD": world.token("bo"), "$TREASURER": world.token("ed")}
    known: dict[str, str] = {}
    for commands, expected in examples:
        answer = None
        for command in re.split(r"\n(?=curl )", commands.strip()):
            for name, value in {**tokens, **known, "$GROUP": GROUP.format(slug=SLUG)}.items():
                command = command.replace(name, value)
            await world.app.state.workshop.idle()
            method, address, more = curl(command)
            answer = await world.http.request(method, address, **more)
            assert answer.status_code < 400, (command, answer.text)
            if method == "POST":
                known["$ID"] = answer.json().get("id", "")
        assert answer is not None
        if expected:
            said, found = json.loads(expected), answer.json()
            assert said.keys() <= found.keys(), commands
            for name, value in said.items():
                assert type(found[name]) is type(value), (commands, name)
                if name not in {"id", "entry", "receipt", "created_at", "expires_on", "next", "lines"}:
                    assert found[name] == value, (commands, name)


async def test_the_refusal_shown_on_the_page_of_refusals_is_one(world: World) -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", (DOCS / "errors.md").read_text(), re.DOTALL)[0])
    ask = {"pot": "money", "amount": 10**11, "currency": "EUR", "category": "repairs"}
    draw = (await world.do("flo", "/draws", ask))["id"]
    problem = (await world.stage.post("bo", f"/draws/{draw}/approve", {})).json()

    assert problem.keys() == shown.keys()
    assert {name: problem[name] for name in ("type", "title", "status", "code", "retryable")} == {
        name: shown[name] for name in ("type", "title", "status", "code", "retryable")
    }
    assert problem["params"].keys() == shown["params"].keys()
