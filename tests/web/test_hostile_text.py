"""Hostile text in every field that takes text: refused with a reason, or inert and isolated wherever it is shown.

The fields come from the description of the API, and from the forms of the pages as they stand there, so that a new
one is tried, too.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest_asyncio

from tests.api.principals import PRINCIPALS, World
from tests.api.sample_requests import Ask, build, send
from tests.api.test_matrix import live_routes, matrix
from tests.database import Server, copied
from tests.web.reading import Reading
from tests.web.walk import Page, Step, Walk, open_walk
from timebank.edge.openapi import build_document
from timebank.formats.formulas import is_live
from timebank.services.archive import write_archive

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202e\u2067\u200b"
#: What a note takes, and a name does not; a spreadsheet would run both.
IN_NOTES = f"=1+{TAG}{TURNED}&amp;\"'"
IN_NAMES = f'=1+{TAG}"'
NUL = "a\x00b"
MARKS = "e" + "\u0301\u0316" * 5_000
#: As many as any script needs, and no more.
PILE = "e" + "\u0316" * 31

#: What is sent there is only compared with what it should be, and the answer says that it is not.
COMPARED = {"/api/v1/groups/{slug}/members/{member_id}/vouch"}
#: Says where money comes back to, and is not looked at where it was hours.
NOT_READ = {("/api/v1/groups/{slug}/entries/{entry_id}/correct", "held")}

#: What is said of text that nobody can show: that it is such, that nothing is called like it, or, in a form that was
#: sent under this key before, that it is another one now.
WHY = {"field_invalid", "idempotency_key_reused", "proof_failed", "sign_in_failed", "unit_mismatch"}
#: A browser writes these itself: a key, a token, a choice of ours.
NOT_TYPED = {"hidden", "radio", "checkbox", "submit", "file", "date", "number"}

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
    wrong, codes = [], set()

    for (method, path), names in by_route.items():
        if path in COMPARED:
            continue
        # What is refused changes nothing: the same request is good for the next field, too.
        who, good = await good_request(walk.world, method, path)
        for name, text in itertools.product(names, (NUL, MARKS, PILE)):
            answer = await send(walk.world, method, path, who, but_for(good, name, text))
            status = answer.status_code
            if status >= 400:
                codes.add(answer.json()["code"])
            if status >= 500 or (status < 400 and (path, name) not in NOT_READ):
                wrong.append((method, path, name, text[:3], status))
            if status < 400:
                who, good = await good_request(walk.world, method, path)
    assert wrong == []
    assert "field_invalid" in codes
    assert {code for code in codes if not code.startswith("unknown_")} <= WHY


class Typed(HTMLParser):
    """The forms of a page: by address, the names of what somebody types there."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, set[str]] = {}
        self._of = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._of = said.get("action", "").partition("?")[0]
        typed = tag == "textarea" or (tag == "input" and said.get("type", "text") not in NOT_TYPED)
        if typed and said.get("name"):
            self.fields.setdefault(self._of, set()).add(said["name"])


def forms_of(walk: Walk, pages: list[Page]) -> dict[str, set[str]]:
    """Return what somebody types, by the route that a form goes to."""
    routes = [path for method, path in sorted(live_routes(walk.world.app)) if method == "POST"]
    patterns = [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path) for path in routes]
    # A word in an address wins over a place.
    patterns.sort(key=lambda each: each[1].count("{"))
    found: dict[str, set[str]] = {}
    for page in pages:
        for address, names in Typed(page.html).fields.items():
            route = next((path for pattern, path in patterns if pattern.fullmatch(address)), None)
            if route is not None:
                found.setdefault(route, set()).update(names)
    return found


async def filled(walk: Walk, route: str, names: set[str], text: str) -> httpx.Response:
    """Send a form that would be taken, but for what stands in some of its fields."""
    known = matrix().get(("POST", route), {})
    who = PRINCIPALS[next((who for who, cell in known.items() if cell == "yes"), "steward")]
    ask = await build(walk.world, "POST", route, who)
    ask.more["data"] = {**ask.more.get("data", {}), **dict.fromkeys(names, text)}
    return await send(walk.world, "POST", route, who, ask)


def look_at_page(html: str) -> tuple[int, list[str]]:
    """Return how often hostile text is on a page, and where it is more than text or turns what stands beside it."""
    shown, wrong = 0, ["<img"] if "<img" in html else []
    for words in Reading(html).words:
        shown += "<img src" in words.text
        if set(TURNED) & set(words.text) and not words.isolated:
            wrong.append(f"{' '.join(words.tags[-3:])}: {words.text[:60]!r}")
    return shown, wrong


async def test_what_somebody_types_into_any_form_breaks_nothing_and_comes_back_inert(walk: Walk) -> None:
    forms = forms_of(walk, await walk.pages("en"))
    assert len(forms) > 20, sorted(forms)
    wrong, back = [], 0

    for route, names in sorted(forms.items()):
        # Where one field is refused, the others are not looked at: each by itself, too.
        whole = [(names, text) for text in (NUL, PILE, IN_NOTES)]
        for some, text in [*whole, *(({name}, IN_NOTES) for name in sorted(names) if len(names) > 1)]:
            answer = await filled(walk, route, some, text)
            where = (route, min(some) if len(some) == 1 else "all", text[:3])
            is_page = answer.headers.get("content-type", "").startswith("text/html")
            if answer.status_code >= 500 or not (is_page or answer.is_redirect):
                wrong.append((*where, answer.status_code))
            if is_page:
                shown, loose = look_at_page(answer.text)
                back += shown
                wrong += [(*where, each) for each in loose]
    assert wrong == [], wrong
    assert back > 20, "what was not taken stands in its field again"


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
    ruled = await _agree_on_hostile_rules(walk)
    # The control: what people write is taken as they wrote it.
    assert {("hours", "note"), ("draws", "contact"), ("members", "nickname"), ("settings", "name")} <= taken

    pages = await walk.pages("en")
    looks = {page.name: look_at_page(page.html) for page in pages}
    assert {name: wrong for name, (_, wrong) in looks.items() if wrong} == {}
    rules = next(page.html for page in pages if page.name == "GET /g/{slug}/rules as anonymous")
    assert look_at_page(rules)[0] >= ruled, "what the group agreed on is published"
    assert sum(shown for shown, _ in looks.values()) > 8, "it was looked for where it is"
    await _look_at_files(world)
    assert world.sink.messages
    for letter in world.sink.messages:
        assert letter.get_content_type() == "text/plain"
        heads = "".join(str(value) for value in letter.values())
        assert "<img" not in heads
        # No letter has what a note takes: nothing in it turns its lines round.
        assert not set(TURNED) & set(heads + letter.get_content())


async def _agree_on_hostile_rules(walk: Walk) -> int:
    """Publish rules of a pot with hostile text wherever they take text; return how many fields took it."""
    route, world = "/g/{slug}/group/rules/{pot}", walk.world
    ask = await build(world, "POST", route, "bo")
    await walk.sign_in()
    form = await walk.fetch(next(step for step in walk.steps if step.name == f"GET {route} as steward"))
    taken = re.findall(r'<textarea\b[^>]*name="([^"]+)"', form.text)
    assert len(taken) > 1, "what happens with a surplus, and when stewards talk"
    ask.more["data"] = {**ask.more["data"], **dict.fromkeys(taken, IN_NOTES), "say": "agree"}
    answer = await send(world, "POST", route, "bo", ask)
    assert answer.is_redirect, answer.text
    return len(taken)


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
    """No file is taken for a page, and no cell of any begins a formula."""
    sheets, texts = {}, 0
    for name, path in (
        ("ada", "/me/data"),
        ("ada", "/me/statement"),
        ("ada", "/me/statement.csv"),
        ("bo", "/exports/journal?format=hledger"),
        ("bo", "/exports/journal?format=beancount"),
        ("bo", "/exports/journal?format=csv"),
        ("al", "/audit/book"),
        (None, "/entries"),
        (None, ""),
    ):
        answer = await world.stage.get(name, path)
        assert answer.status_code == 200, (path, answer.text[:200])
        assert "html" not in answer.headers["content-type"], path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "\x00" not in answer.text
        texts += TAG in answer.text or TAG in answer.text.encode().decode("unicode_escape", "replace")
        if "csv" in answer.headers["content-type"]:
            sheets[path] = answer.text
    out = io.BytesIO()
    await write_archive(world.house, world.stage.cast.group_id, out, now=datetime.now(UTC))
    with zipfile.ZipFile(out) as packed:
        for each in packed.namelist():
            sheets[each] = packed.read(each).decode("utf-8-sig") if each.endswith(".csv") else ""
    cells = [
        (where, cell)
        for where, sheet in sheets.items()
        for row in csv.reader(io.StringIO(sheet, newline=""))
        for cell in row
    ]
    assert [each for each in cells if is_live(each[1])] == []
    assert [cell for _, cell in cells if TAG in cell], "hostile text is in some of them"
    assert texts >= 2
    assert len(sheets) > 5
