"""Every live route times everybody: who gets in, and that nobody gets a byte of another group.

``matrix.csv`` has a line for each route: yes, 401, 404, the code of a refusal over the API, or 403
on a page. A route without a line fails, and so does a line without a route.
"""

from __future__ import annotations

import copy
import csv
import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.api.principals import CANARY, PRINCIPALS, World
from tests.api.sample_requests import GROUP, KINDS, Ask, build, send, with_session
from tests.promised import codes_of_routes
from timebank.edge.openapi import build_document
from timebank.rules.people import Actor
from timebank.services.tokens import make_token
from timebank.store import engine
from timebank.store.engine import Database
from timebank.web.sending import new_key

MATRIX = Path(__file__).with_name("matrix.csv")
#: Who asks for what is another group's: whoever may do most of what the route is for.
MIGHTY = ("steward", "treasurer", "auditor", "member")

#: A host has all groups of the machine in one list on purpose: their names, and the days of their closes.
SHOWS_ALL_GROUPS = {("GET", "/g/{slug}/host", "host")}
NAME_THERE = f"hillside {CANARY}"

#: What a body cannot say beside an id.
INSTEAD_OF = {"member": "pot"}

Route = tuple[str, str]


@functools.cache
def matrix() -> dict[Route, dict[str, str]]:
    """Read the file: what each route answers everybody."""
    with MATRIX.open(encoding="utf-8", newline="") as file:
        lines = [row for row in csv.reader(file, skipinitialspace=True) if row and not row[0].startswith("#")]
    head, *rows = [[cell.strip() for cell in row] for row in lines]
    assert head == ["method", "route", *PRINCIPALS]
    read = {(row[0], row[1]): dict(zip(PRINCIPALS, row[2:], strict=True)) for row in rows}
    assert len(read) == len(rows), "a route has two lines"
    return read


def for_a_browser(route: Route) -> bool:
    """Return whether only a session opens a route; below the same addresses lie pages for everybody."""
    return with_session(route[1]) and matrix()[route]["anonymous"] == "401"


def live_routes(app: Litestar) -> set[Route]:
    """Return everything that answers; what answers GET answers HEAD alike."""
    return {
        (str(method), route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in {"HEAD", "OPTIONS"}
    }


def outcome(answer: httpx.Response) -> str:
    """Return an answer in the words of the matrix."""
    if answer.status_code == 303 and "/sign-in?" in answer.headers["location"]:
        return "401"
    if answer.status_code < 400:
        return "yes"
    is_problem = answer.headers["content-type"].startswith("application/problem+json")
    if answer.status_code in {401, 404} or not is_problem:
        return str(answer.status_code)
    return str(answer.json()["code"])


async def seq(world: World, group_id: UUID | None = None) -> int:
    async with world.house.database.write_door(group_id or world.stage.cast.group_id) as connection:
        found = await connection.fetchval("SELECT seq FROM timebank.book_heads")
        await connection.execute("ROLLBACK")
        return int(found)


async def mismatches(world: World, routes: Mapping[Route, Mapping[str, str]]) -> list[str]:
    """Send one request for each cell, and return where the answer is another than the one written."""
    wrong, said = [], codes_of_routes(build_document(world.app))
    for (method, path), cells in routes.items():
        for principal, expected in cells.items():
            name = PRINCIPALS[principal]
            ask = await build(world, method, path, name)
            # Work that somebody asked for just before writes, too.
            await world.app.state.workshop.idle()
            before = await seq(world)
            answer = await send(world, method, path, name, ask)
            found = outcome(answer)
            where = f"{method} {path} as {principal}"
            if found != expected:
                wrong.append(f"{where}: {expected} is written, {found} came; {answer.text[:200]}")
            if found != "yes" and (method, path) in said and answer.json()["code"] not in said[method, path]:
                wrong.append(f"{where}: its description does not name {answer.json()['code']}: say refusals=")
            if found != "yes" and await seq(world) != before:
                wrong.append(f"{where}: refused, and left a trace")
            text = answer.text.lower()
            if (method, path, principal) in SHOWS_ALL_GROUPS:
                assert NAME_THERE in text
                text = text.replace(NAME_THERE, "")
            if CANARY in text:
                wrong.append(f"{where}: has a word of another group")
    return wrong


# ---------------------------------------------------------------- who gets in


async def test_every_live_route_has_a_line_and_every_line_a_route(world: World) -> None:
    written, live = set(matrix()), live_routes(world.app)

    assert sorted(live - written) == [], "write what these answer everybody into matrix.csv"
    assert sorted(written - live) == [], "these are no longer there"


async def test_everybody_gets_at_every_route_what_is_written(world: World) -> None:
    assert await mismatches(world, matrix()) == []


async def test_a_guard_that_is_taken_away_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read = matrix()
    some = {route: read[route] for route in (("POST", f"{GROUP}/money"), ("GET", f"{GROUP}/imports"))}
    assert await mismatches(world, some) == []

    monkeypatch.setattr(Actor, "require_role", lambda *_: None)

    wrong = await mismatches(world, some)
    assert {line.partition(":")[0] for line in wrong} == {
        f"{method} {path} as {principal}"
        for (method, path), cells in some.items()
        for principal, expected in cells.items()
        if expected == "needs_role"
    }


async def test_a_token_made_for_reading_writes_nothing_and_one_for_writing_reads_nothing(
    world: World,
) -> None:
    cast, tokens = world.stage.cast, {}
    for name in ("bo", "ed"):
        for scope in ("read", "write"):
            made = await make_token(
                cast.house, cast.group_id, cast.ids[name], (scope,), now=datetime.now(UTC)
            )
            tokens[name, scope] = made.token
    for (method, path), cells in matrix().items():
        if not path.startswith("/api/") or for_a_browser((method, path)) or cells["anonymous"] != "401":
            continue
        name = "bo" if cells["steward"] == "yes" else "ed"
        ask = await build(world, method, path, name)
        wrong = "write" if method == "GET" else "read"
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(cast.tokens, name, tokens[name, wrong])
            answer = await send(world, method, path, name, ask)
        assert outcome(answer) == "needs_scope", (method, path)


# ---------------------------------------------------------------- ids of another group


async def test_the_other_group_is_full_of_canaries(world: World) -> None:
    for name, path in (("dot", "/me/statement"), ("dot", "/me/data"), ("cy", "/live"), ("dot", "/live")):
        answer = await world.stage.get(name, path, slug="hillside")
        assert CANARY in answer.text.lower(), path
    report = await world.stage.get("cy", f"/imports/{world.foreign['import']}", slug="hillside")
    assert CANARY in report.text.lower()


def ids_in(
    schema: Mapping[str, Any], components: Mapping[str, Any], at: tuple[Any, ...] = ()
) -> Iterator[Any]:
    """Find every place of an id in the schema of a body: (path to it, its name)."""
    if "$ref" in schema:
        yield from ids_in(components[schema["$ref"].rpartition("/")[2]], components, at)
    if schema.get("format") == "uuid":
        yield at
    for choice in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(choice, ()):
            yield from ids_in(part, components, at)
    for name, part in schema.get("properties", {}).items():
        yield from ids_in(part, components, (*at, name))
    if isinstance(schema.get("items"), dict):
        yield from ids_in(schema["items"], components, (*at, 0))


def places_of_ids(app: Litestar) -> list[tuple[Route, str, tuple[Any, ...]]]:
    """Return every place in which a request can name a thing by its id: (route, where, path to it)."""
    document = build_document(app)
    components = document["components"]["schemas"]
    found: list[tuple[Route, str, tuple[Any, ...]]] = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            route = (method.upper(), path)
            found += [
                (route, parameter["in"], (parameter["name"],))
                for parameter in operation.get("parameters", ())
                if parameter["schema"].get("format") == "uuid"
            ]
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            found += [(route, "body", at) for at in ids_in(schema, components)]
    return found


def with_id(ask: Ask, where: str, at: tuple[Any, ...], value: str) -> Ask:
    """Return a request that names something else in one place."""
    ask = copy.deepcopy(ask)
    if where in {"path", "query"}:
        getattr(ask, where)[at[0]] = value
        return ask
    place = ask.json
    for step, following in itertools.pairwise(at):
        if isinstance(place, dict):
            place = place.setdefault(step, [] if isinstance(following, int) else {})
        else:
            place = place[step] if step < len(place) else place.append({}) or place[step]
    if isinstance(place, dict):
        if at[-1] in INSTEAD_OF:
            place.pop(INSTEAD_OF[at[-1]], None)
        place[at[-1]] = value
    else:
        place[at[-1] :] = [value]
    return ask


def refused(answer: httpx.Response) -> tuple[int, bytes]:
    """Return status and bytes of an answer; of the answer to a batch those of its one outcome."""
    if answer.status_code == 200 and "outcomes" in answer.json():
        (said,) = answer.json()["outcomes"]
        return said["status"], repr(said).encode()
    return answer.status_code, answer.content


async def look_with_foreign_ids(world: World) -> list[str]:
    """Name a thing of the other group in every place where a thing can be named; return what went wrong."""
    wrong = []
    read = matrix()
    for (method, path), where, at in places_of_ids(world.app):
        name_of_place = next(step for step in reversed(at) if isinstance(step, str))
        assert name_of_place in KINDS, f"say in KINDS what {name_of_place} of {path} is the id of"
        kind = KINDS[name_of_place]
        cells = read[method, path]
        name = PRINCIPALS[next((who for who in MIGHTY if cells[who] == "yes"), "steward")]
        ask = await build(world, method, path, name)
        foreign = await send(world, method, path, name, with_id(ask, where, at, world.foreign[kind]))
        never = await send(world, method, path, name, with_id(ask, where, at, str(uuid4())))
        found, other = refused(foreign), refused(never)
        # A filter leaves rows out; what nobody here has leaves out all of them.
        if found[0] != (200 if where == "query" else 404):
            wrong.append(f"{method} {path} {where} {at}: {found[0]} {foreign.text[:160]}")
        if found != other:
            wrong.append(f"{method} {path} {where} {at}: {found} is not as {other}")
        if CANARY in foreign.text.lower():
            wrong.append(f"{method} {path} {where} {at}: has a word of another group")
    return wrong


async def test_an_id_of_another_group_is_answered_like_an_id_that_never_was(world: World) -> None:
    assert len(places_of_ids(world.app)) >= 10
    assert await look_with_foreign_ids(world) == []


def pages_about_things(app: Litestar) -> list[tuple[Route, str]]:
    """Return the pages whose address names a thing by its id, or a place by its code, each with the name of that place."""
    return [
        ((method, path), parts[0])
        for method, path in sorted(live_routes(app))
        if path.startswith("/g/") and (parts := re.findall(r"\{(\w+_id|held)\}", path))
    ]


def told(answer: httpx.Response, thing: str) -> tuple[int, str]:
    """Return status and text of a page, without its new keys and the id that it was asked for."""
    return answer.status_code, re.sub(r' value="[\w-]{22,}"', "", answer.text).replace(thing, "")


async def look_at_foreign_pages(world: World) -> list[str]:
    """Open the page of a thing of the other group wherever there is one; return what went wrong."""
    wrong, read = [], matrix()
    for (method, path), place in pages_about_things(world.app):
        cells = read[method, path]
        name = PRINCIPALS[next(who for who in MIGHTY if cells[who] == "yes")]
        ask = await build(world, method, path, name)
        found = []
        for thing in (world.foreign[KINDS[place]], str(uuid4())):
            asked = with_id(ask, "path", (place,), thing)
            if method == "POST":
                # Another form: one that is sent twice is answered as the first time.
                asked.more["data"]["key"] = new_key()
            answer = await send(world, method, path, name, asked)
            found.append(told(answer, thing))
        (status, text), never = found
        if status != 404:
            wrong.append(f"{method} {path}: {status} for what is of another group")
        if (status, text) != never:
            wrong.append(f"{method} {path}: {text} is not as {never}")
        if CANARY in text.lower():
            wrong.append(f"{method} {path}: has a word of another group")
    return wrong


async def test_the_page_of_a_thing_of_another_group_is_like_that_of_one_that_never_was(world: World) -> None:
    assert len(pages_about_things(world.app)) >= 10
    assert await look_at_foreign_pages(world) == []


def without_guards(patch: pytest.MonkeyPatch) -> None:
    """Let everybody do everything, as far as the program is concerned; its description knows of guards only."""
    patch.setattr("tests.promised.check_refusal", lambda *_: None)
    for guard in ("require_role", "require_scope", "require_fresh"):
        patch.setattr(Actor, guard, lambda *_: None)
    patch.setattr(Actor, "may_act_for", lambda *_: True)


async def test_without_guards_an_id_of_another_group_still_opens_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_guards(monkeypatch)

    assert await look_with_foreign_ids(world) == []


# ---------------------------------------------------------------- the wall behind the guards


def believe_that_it_is_there(world: World, patch: pytest.MonkeyPatch, actor: Actor, *, wall: bool) -> None:
    """Make the program take everybody for somebody of the other group, in every WHERE that it writes.

    Args:
        wall: Whether the database is told the group that the request came for; without it there is no wall.
    """
    without_guards(patch)
    here, there = world.stage.cast.group_id, world.stage.cast.other_group_id
    keeper = world.app.state.door.keeper

    async def found(*_: Any) -> UUID:
        return there

    async def signed_in(*_: Any) -> Actor:
        return actor

    patch.setattr(keeper, "group_id", found)
    patch.setattr(keeper, "actor", signed_in)
    patch.setattr(Database, "group_id", found)
    if wall:
        real_wall, real_enter, real_dial = engine._wall, engine.enter_group, Database.dial
        patch.setattr(engine, "_wall", lambda tx, _: real_wall(tx, here))
        patch.setattr(Database, "dial", lambda self, _: real_dial(self, here))
        for module in ("engine", "book", "jobs"):
            patch.setattr(f"timebank.store.{module}.enter_group", lambda _: real_enter(here))


def writes_there(world: World) -> dict[str, dict[str, Any]]:
    """Return what somebody could do in the other group, by path."""
    words = {"effective_on": world.today, "category": f"{CANARY}-care"}
    ask = {"pot": f"{CANARY}-money", "amount": 1, "currency": "EUR"}
    return {
        f"{GROUP}/hours": {**words, "minutes": 5},
        f"{GROUP}/draws": {**ask, "category": f"{CANARY}-care"},
        f"{GROUP}/money": {**ask, "held": f"{CANARY}-box", "effective_on": world.today},
        f"{GROUP}/draws/{{draw_id}}/approve": {},
        f"{GROUP}/entries/{{entry_id}}/correct": {"reason": "typo"},
    }


async def leaks(world: World, monkeypatch: pytest.MonkeyPatch, *, wall: bool) -> set[str]:
    """Go through every route as if it were the other group's; return where that group was read or written."""
    cast, found = world.stage.cast, set()
    actor = await cast.actor("cy")
    there = {
        "draw_id": world.foreign["draw"],
        "entry_id": world.foreign["entry"],
        "import_id": world.foreign["import"],
        "hours_id": world.foreign["hours"],
        "invitation_id": world.foreign["invitation"],
        "member_id": world.foreign["member"],
        "pot": f"{CANARY}-hours",
        "door": "give",
        "number": "1",
        "path": "x",
        "version": "1",
    }
    bodies = writes_there(world)
    for method, path in sorted(live_routes(world.app)):
        by_secret = any(place in path for place in ("{link}", "{secret}", "{token}"))
        if by_secret or for_a_browser((method, path)) or (method != "GET" and path not in bodies):
            continue
        before = await seq(world, cast.other_group_id)
        with monkeypatch.context() as patch:
            believe_that_it_is_there(world, patch, actor, wall=wall)
            answer = await send(world, method, path, "ada", Ask(there, json=bodies.get(path)))
        assert answer.status_code not in {401, 403}, path
        if CANARY in answer.text.lower() or await seq(world, cast.other_group_id) != before:
            found.add(path)
    return found


async def test_with_every_guard_off_the_wall_gives_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_wall = await leaks(world, monkeypatch, wall=True)
    # The control: the same without the wall reads and writes the other group everywhere.
    without = await leaks(world, monkeypatch, wall=False)

    assert with_wall == set()
    read = {f"{GROUP}/live", f"{GROUP}/me/data", f"{GROUP}/imports/{{import_id}}", "/g/{slug}"}
    # Also what lies beside pages for which a session is needed.
    read |= {"/g/{slug}/ask", "/g/{slug}/ask-to-join"}
    assert without >= read | set(writes_there(world))
