"""One good request for every route: what the matrix asks in everybody's name.

A new route needs a builder here only if its path names more than the group or it takes a body.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import httpx

from tests.api.principals import World
from tests.cast import SLUG
from timebank.services.import_link import link_of
from timebank.web.files import static_files

GROUP: Final = "/api/v1/groups/{slug}"
_keys = itertools.count()
_MAY_HAND_IN: Final = ("bo", "ed")
_PAST: Final = "date,giver,receiver,hours,category,note\n2026-02-%02d,Ada,,1:30,cooking,soup %d\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """One request, without who sends it.

    Attributes:
        path: Values for the places in the route's path; the group is filled in.
        json: The body, or None for none.
        more: Further arguments for httpx.
    """

    path: dict[str, str] = dataclasses.field(default_factory=dict)
    query: dict[str, str] = dataclasses.field(default_factory=dict)
    json: Any = None
    more: dict[str, Any] = dataclasses.field(default_factory=dict)


Build = Callable[[World, str | None], Awaitable[Ask]]
SAMPLES: Final[dict[tuple[str, str], Build]] = {}

#: What an id is of, by the name of its place in a path, a query or a body. An id without a line here
#: fails the test of other groups' ids; a kind must be in ``World.foreign``.
KINDS: Final = {
    "card_id": "card",
    "count_id": "proposal",
    "draw": "draw",
    "draw_id": "draw",
    "duty_id": "duty",
    "entry": "entry",
    "entry_id": "entry",
    "for": "member",
    "giver": "member",
    "held": "place",
    "hours_id": "hours",
    "household": "household",
    "import_id": "import",
    "invitation_id": "invitation",
    "member": "member",
    "member_id": "member",
    "on_behalf_of": "member",
    "passkey_id": "passkey",
    "proposal_id": "proposal",
    "receiver": "member",
    "recovery_id": "recovery",
    "request_id": "request",
    "session_id": "session",
    "stand_in": "member",
    "stand_in_id": "stand_in",
    "with": "member",
}


#: A browser asks for these and what lies below them, with a session and its token; no token of a program counts there.
_SIGNED_IN: Final = (
    *(
        f"{GROUP}/{path}"
        for path in (
            "sign-out",
            "me/session",
            "me/sessions",
            "me/prove",
            "me/ways-in",
            "me/passkeys",
            "me/totp",
        )
    ),
    *(
        f"/g/{{slug}}/{path}"
        for path in (
            *("sign-out", "prove", "me", "host", "log", "ask", "asks", "today", "pay", "money"),
            *("statement", "import", "people", "group"),
        )
    ),
)


def with_session(path: str) -> bool:
    """Return whether a browser shows its session there, if it has one; some of these pages are for everybody."""
    return any(path == place or path.startswith(f"{place}/") for place in _SIGNED_IN)


def sample(method: str, path: str) -> Callable[[Build], Build]:
    """Say which good request a route gets; it is built anew for each principal."""

    def keep(build: Build) -> Build:
        assert (method, path) not in SAMPLES, path
        SAMPLES[method, path] = build
        return build

    return keep


async def build(world: World, method: str, path: str, name: str | None) -> Ask:
    """Return a good request for a route, as somebody of the cast would send it."""
    found = SAMPLES.get((method, path))
    if found is not None:
        return await found(world, name)
    assert method == "GET", f"{method} {path} has no sample request"
    assert set(_places(path)) <= {"slug"}, f"{path} has no sample request"
    return Ask()


async def send(world: World, method: str, path: str, name: str | None, ask: Ask) -> httpx.Response:
    """Send a request as somebody of the cast: programs show their token, pages bring their own proof."""
    headers = dict(ask.more.get("headers", {}))
    # What answers set is for one request: nobody goes on as whoever asked before.
    world.http.cookies.clear()
    if with_session(path) and "Cookie" not in headers:
        own, cookie = await world.signed_in(name)
        headers |= {**own, "Cookie": cookie}
        if "data" in ask.more:
            ask.more["data"]["csrf"] = own.get("X-CSRF-Token", "")
    elif path.startswith("/api/") and name is not None and "Cookie" not in headers:
        headers["Authorization"] = f"Bearer {world.token(name)}"
    if path.startswith("/api/") and method == "POST":
        headers.setdefault("Idempotency-Key", f"sample-{next(_keys)}")
    values = {"slug": SLUG} | {place: quote(value, safe="/") for place, value in ask.path.items()}
    more = {key: value for key, value in ask.more.items() if key != "headers"}
    if ask.json is not None:
        more["json"] = ask.json
    return await world.http.request(method, path.format(**values), params=ask.query, headers=headers, **more)


def _places(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


# ---------------------------------------------------------------- hours, money, draws


def _hours(world: World) -> dict[str, Any]:
    return {"minutes": 30, "effective_on": world.today, "category": "cooking"}


async def _draw(world: World, *, approved: bool = False) -> str:
    """Return an ask for money of somebody who is nobody in the matrix."""
    ask = {"pot": "money", "amount": 100, "currency": "EUR", "category": "repairs"}
    draw: str = (await world.do("flo", "/draws", ask))["id"]
    if approved:
        await world.do("di", f"/draws/{draw}/approve", {})
    return draw


@sample("POST", f"{GROUP}/hours")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json=_hours(world))


@sample("POST", f"{GROUP}/hours/batch")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"items": [_hours(world)]})


@sample("POST", f"{GROUP}/money")
async def _(world: World, name: str | None) -> Ask:
    money = {"pot": "money", "amount": 100, "currency": "EUR", "held": "bank"}
    return Ask(json={**money, "effective_on": world.today})


@sample("POST", f"{GROUP}/draws")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"pot": "hours", "minutes": 30, "category": "company"})


@sample("POST", f"{GROUP}/draws/{{draw_id}}/approve")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await _draw(world)}, json={})


@sample("POST", f"{GROUP}/draws/{{draw_id}}/hand-over")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await _draw(world, approved=True)}, json={"held": "bank"})


@sample("POST", f"{GROUP}/entries/{{entry_id}}/correct")
async def _(world: World, name: str | None) -> Ask:
    entry = (await world.do("flo", "/hours", _hours(world)))["entry"]
    return Ask({"entry_id": entry}, json={"reason": "typo"})


# ---------------------------------------------------------------- imports


def _file(name: str | None) -> bytes:
    """A file that nobody handed in before, of the kind that this person may hand in."""
    number = next(_keys)
    if name == "ed":
        return (
            f"date,direction,person,amount,currency,held\n2026-02-01,in,Ada,{number}.00,EUR,bank\n".encode()
        )
    return (_PAST % (1 + number % 28, number)).encode()


async def _import(world: World, name: str | None, *, posted: bool = False) -> str:
    """Return a checked or posted import: a fresh one of their own for whoever may hand in, else a steward's."""
    if name in _MAY_HAND_IN:
        return await _fresh_import(world, name, posted=posted)
    kept = "posted import" if posted else "import"
    if kept not in world.kept:
        world.kept[kept] = await _fresh_import(world, "bo", posted=posted)
    return world.kept[kept]


async def _fresh_import(world: World, name: str, *, posted: bool) -> str:
    import_id = await world.hand_in(name, content=_file(name))
    if posted:
        await world.do(name, f"/imports/{import_id}/post", None)
        await world.app.state.workshop.idle()
    return import_id


@sample("POST", f"{GROUP}/imports")
async def _(world: World, name: str | None) -> Ask:
    await world.app.state.workshop.idle()
    return Ask(more={"content": _file(name), "headers": {"Content-Type": "text/csv"}})


@sample("GET", f"{GROUP}/imports/{{import_id}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"import_id": await _import(world, name)})


@sample("POST", f"{GROUP}/imports/{{import_id}}/post")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"import_id": await _import(world, name)})


@sample("POST", f"{GROUP}/imports/{{import_id}}/undo")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"import_id": await _import(world, name, posted=True)})


@sample("POST", f"{GROUP}/imports/{{import_id}}/cancel")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"import_id": await _import(world, name)})


# ---------------------------------------------------------------- public


@sample("GET", f"{GROUP}/policies/{{pot}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"pot": "hours"})


@sample("GET", "/static/{path}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"path": next(iter(static_files()))})


# ---------------------------------------------------------------- pages

_OLD_SECRET: Final = "x" * 43


@sample("GET", "/g/{slug}/{door}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"door": "give"})


@sample("POST", "/g/{slug}/import")
async def _(world: World, name: str | None) -> Ask:
    await world.app.state.workshop.idle()
    return Ask(more={"data": {}, "files": {"files": ("past.csv", _file(name))}})


async def _at_link(world: World, *, posted: bool = False, act: str = "") -> Ask:
    import_id = await _import(world, None, posted=posted)
    link = link_of(world.house, world.stage.cast.group_id, UUID(import_id))
    path = {"link": link, "act": act} if act else {"link": link}
    return Ask(path)


@sample("GET", "/g/{slug}/import/{link}")
async def _(world: World, name: str | None) -> Ask:
    return await _at_link(world)


@sample("GET", "/g/{slug}/import/{link}/{act}")
async def _(world: World, name: str | None) -> Ask:
    return await _at_link(world, posted=True, act="undo")


@sample("POST", "/g/{slug}/import/{link}/{act}")
async def _(world: World, name: str | None) -> Ask:
    # An import that is posted is not dropped: the page says so, to whoever has its address.
    return dataclasses.replace(await _at_link(world, posted=True, act="drop"), more={"data": {}})


async def _set_up(world: World, name: str | None) -> Ask:
    """The link that set a server up is used: nobody's duty opens it again."""
    return Ask({"token": _OLD_SECRET}, more={})


for _path in ("/setup/{token}", "/setup/{token}/example"):
    sample("GET", _path)(_set_up)
for _path in (
    "/setup/{token}",
    "/setup/{token}/example",
    "/setup/{token}/example/tokens",
    "/setup/{token}/recovery-key",
):
    sample("POST", _path)(_set_up)
