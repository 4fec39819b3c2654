"""Hostile text in every field that takes text: refused with a reason, or inert and isolated wherever it is shown.

The fields come from the description of the API, so that a new one is tried, too.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest_asyncio

from tests.api.principals import PRINCIPALS, World
from tests.api.sample_requests import Ask, build, send
from tests.api.test_matrix import matrix
from tests.database import Server, copied
from tests.web.reading import Reading
from tests.web.walk import Step, Walk, open_walk
from timebank.edge.openapi import build_document

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202e\u2067\u200b"
#: What a note takes, and a name does not.
IN_NOTES = f"{TAG}{TURNED}&amp;\"'"
IN_NAMES = f'{TAG}&amp;"'
NUL = "a\x00b"
MARKS = "e" + "\u0301\u0316" * 5_000
#: As many as any script needs, and no more.
PILE = "e" + "\u0316" * 31

#: What is sent there is only compared with what it should be, and the answer says that it is not.
COMPARED = {"/api/v1/groups/{slug}/members/{member_id}/vouch"}
#: Says where money comes back to, and is not looked at where it was hours.
NOT_READ = {("/api/v1/groups/{slug}/entries/{entry_id}/correct", "held")}

Field = tuple[str, str, str]


def fields_of_text(world: World) -> Iterator[Field]:
    """Return (method, path, field) of every field of a body that takes text of any kind."""
    document = build_document(world.app)
    components = document["components"]["schemas"]

    def plain(schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = components[schema["$ref"].rpartition("/")[2]]
        return schema

    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, part in plain(content.get("schema", {})).get("properties", {}).items():
                choices = [plain(one) for one in plain(part).get("anyOf", [plain(part)])]
                if any(
                    one.get("type") == "string" and not {"enum", "format", "pattern", "const"} & set(one)
                    for one in choices
                ):
                    yield method.upper(), path, name


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(cluster: Server, database_template: str, tmp_path_factory: Any) -> AsyncIterator[Walk]:
    async with (
        copied(cluster, database_template) as dsn,
        open_walk(dsn, tmp_path_factory.mktemp("hostile")) as opened,
    ):
        yield opened


async def good_request(world: World, method: str, path: str) -> tuple[str | None, Ask]:
    """Return a request that would succeed, and who may send it."""
    who = next(who for who, cell in matrix()[method, path].items() if cell == "yes")
    ask = await build(world, method, path, PRINCIPALS[who])
    return PRINCIPALS[who], ask if isinstance(ask.json, dict) else dataclasses.replace(ask, json={})


def but_for(ask: Ask, name: str, text: str) -> Ask:
    """Return a request with another text in one of its fields."""
    return dataclasses.replace(ask, json={**ask.json, name: text}, more=dict(ask.more))


async def test_what_no_screen_can_show_is_refused_everywhere_and_breaks_nothing(walk: Walk) -> None:
    by_route: dict[tuple[str, str], list[str]] = {}
    for method, path, name in fields_of_text(walk.world):
        by_route.setdefault((method, path), []).append(name)
    assert len(by_route) >= 38
    assert {path for _, path in by_route} >= COMPARED
    assert {(path, name) for (_, path), names in by_route.items() for name in names} >= NOT_READ
    wrong = []

    for (method, path), names in by_route.items():
        if path in COMPARED:
            continue
        # What is refused changes nothing: the same request is good for the next field, too.
        who, good = await good_request(walk.world, method, path)
        for name, text in itertools.product(names, (NUL, MARKS, PILE)):
            answer = await send(walk.world, method, path, who, but_for(good, name, text))
            status = answer.status_code
            if status >= 500 or (status < 400 and (path, name) not in NOT_READ):
                wrong.append((method, path, name, text[:3], status))
            if status < 400:
                who, good = await good_request(walk.world, method, path)
    assert wrong == []


async def test_what_is_taken_is_inert_and_isolated_on_every_page_export_and_mail(walk: Walk) -> None:
    world, taken = walk.world, set()
    for method, path, name in fields_of_text(world):
        for text in (IN_NOTES, IN_NAMES):
            who, good = await good_request(world, method, path)
            answer = await send(world, method, path, who, but_for(good, name, text))
            assert answer.status_code < 500, (method, path, name)
            if answer.status_code < 400:
                taken.add((path.rpartition("/")[2], name))
                walk.steps += _pages_of(answer)
                break
    # The control: what people write is taken as they wrote it.
    assert {("hours", "note"), ("draws", "contact"), ("members", "nickname"), ("settings", "name")} <= taken

    shown = 0
    for page in await walk.pages("en"):
        assert "<img" not in page.html, page.name
        for words in Reading(page.html).words:
            shown += "<img src" in words.text
            if set(TURNED) & set(words.text):
                assert words.isolated, (page.name, words.tags, words.text[:60])
    assert shown > 8, "it was looked for where it is"
    await _look_at_files(world)
    for letter in world.sink.messages:
        assert letter.get_content_type() == "text/plain"
        heads = "".join(str(value) for value in letter.values())
        assert "<img" not in heads
        assert not set(TURNED) & set(heads)


def _pages_of(answer: httpx.Response) -> list[Step]:
    """Return the pages of what was made by a request, for whoever could have made it."""
    said = answer.json() if answer.headers.get("content-type", "") == "application/json" else {}
    made = said.get("id") if isinstance(said, dict) else None
    if answer.request.url.path.endswith("/draws") and made:
        return [Step("the ask", "GET", "/g/{slug}/asks/{draw_id}", "member", Ask({"draw_id": made}))]
    if answer.request.url.path.endswith("/hours") and made:
        return [Step("the hours", "GET", "/g/{slug}/log/{hours_id}", "member", Ask({"hours_id": made}))]
    return []


async def _look_at_files(world: World) -> None:
    """No file is taken for a page, and none begins a formula."""
    for name, path in (
        ("ada", "/me/data"),
        ("ada", "/me/statement"),
        ("ada", "/me/statement.csv"),
        ("bo", "/exports/journal?format=hledger"),
        ("bo", "/exports/journal?format=csv"),
    ):
        answer = await world.stage.get(name, path)
        assert answer.status_code == 200, (path, answer.text[:200])
        assert "html" not in answer.headers["content-type"], path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "\x00" not in answer.text
