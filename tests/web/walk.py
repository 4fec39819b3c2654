"""Every page as everybody gets it, walked from the application's own routes: a new page comes along by itself.

A page whose path names more than the group needs a good request in ``tests/api/sample_requests.py``, as for the
matrix; who may see it, ``tests/api/matrix.csv`` says.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from tests.api import (
    samples_of_money,
    samples_of_money_pages,
    samples_of_pages,
    samples_of_people,
    samples_of_steward_pages,
)
from tests.api.principals import PRINCIPALS, World, open_world
from tests.api.sample_requests import Ask, build, send, with_session
from tests.api.test_matrix import live_routes, matrix
from tests.cast import SLUG, a_group
from tests.database import Dsn
from timebank.services import sessions
from timebank.services.close import close_period
from timebank.services.groups import create_group
from timebank.services.members import NewMember, add_members

#: They bring the good requests along.
SAMPLES = (
    samples_of_money,
    samples_of_money_pages,
    samples_of_pages,
    samples_of_people,
    samples_of_steward_pages,
)

#: Through whose eyes a page is looked at, unless it looks the same for all of them.
VIEWERS: Final = ("anonymous", "member", "steward", "treasurer", "host")
#: A group in which nothing has happened yet, and who is in it.
YOUNG: Final = "young"
SETUP_LINK: Final = "k" * 32
_ROLES: Final = {"member": (), "steward": ("steward",), "treasurer": ("treasurer",), "host": ("host",)}
_TAGS: Final = re.compile(r"<[^>]*>")
_OF_ONE_LOOK: Final = re.compile(r'\b(?:value|href|action|id|for|aria-\w+|name)="[^"]*"')


class Step(NamedTuple):
    """One request for a page.

    Attributes:
        name: As failures call it.
        route: As the application knows it.
        viewer: Who looks.
        with_nothing: Whether it is a form that is sent as it stands there.
        happens_once: Whether each time needs a request of its own.
    """

    name: str
    method: str
    route: str
    viewer: str
    ask: Ask
    with_nothing: bool = False
    happens_once: bool = False


class Page(NamedTuple):
    """A page that somebody got."""

    name: str
    route: str
    viewer: str
    url: str
    answer: httpx.Response

    @property
    def html(self) -> str:
        """Its text."""
        return self.answer.text


@dataclasses.dataclass(slots=True)
class Walk:
    """A running application, and the way to all of its pages."""

    world: World
    dsn: Dsn
    home: Path
    steps: list[Step]
    cookies: dict[tuple[str, str], str]

    async def pages(self, language: str) -> list[Page]:
        """Return every page in one language."""
        # Some forms end sessions, one makes another set-up link, and every walk sends them all.
        await self.sign_in()
        found: list[Page] = []
        for step in self.steps:
            answer = await self.fetch(step, language)
            is_page = answer.headers.get("content-type", "").startswith("text/html")
            if is_page and not answer.is_redirect:
                found.append(Page(step.name, step.route, step.viewer, str(answer.request.url), answer))
        return found

    async def sign_in(self) -> None:
        """Give everybody a new session, and the machine the set-up link that the walk knows."""
        (self.home / "setup.key").write_text(SETUP_LINK, encoding="ascii")
        for viewer in VIEWERS[1:]:
            secret, _, _ = await self.world.session(str(PRINCIPALS[viewer]))
            self.cookies[SLUG, viewer] = f"timebank-{SLUG}={secret}"

    async def fetch(self, step: Step, language: str = "en") -> httpx.Response:
        """Send one request as whoever looks."""
        if step.happens_once:
            name = PRINCIPALS.get(step.viewer)
            step = step._replace(ask=await build(self.world, step.method, step.route, name))
        ask = dataclasses.replace(
            step.ask, query={**step.ask.query, "lang": language}, more={**step.ask.more}
        )
        headers = dict(ask.more.get("headers", {}))
        signed_in = with_session(step.route)
        if step.with_nothing:
            # Whoever sends a form has a session of their own: some forms end it.
            headers.pop("Cookie", None)
            ask.more["data"] = {"nothing": ""}
        elif step.method == "POST":
            ask.more["data"] = {**ask.more.get("data", {})}
        elif signed_in and "Cookie" not in headers:
            slug = ask.path.get("slug", SLUG)
            headers["Cookie"] = self.cookies.get((slug, step.viewer), "timebank-other=x")
        ask.more["headers"] = headers
        return await send(self.world, step.method, step.route, PRINCIPALS.get(step.viewer), ask)


@asynccontextmanager
async def open_walk(dsn: Dsn, home: Path) -> AsyncIterator[Walk]:
    """Set up two groups with much in them and one with nothing, and build a request for each page."""
    async with open_world(dsn, home) as world:
        cookies: dict[tuple[str, str], str] = {}
        await _young(world, cookies)
        steps = [*await _steps(world), *await _further(world), *await _money(world), *_errors()]
        # Forms come last, one of them ends sessions; and after them whatever ends the set-up link.
        steps.sort(key=lambda step: (step.route.endswith("/host/link"), step.with_nothing))
        await world.app.state.workshop.idle()
        await close_period(world.house, world.stage.cast.group_id, now=datetime.now(UTC) + timedelta(days=2))
        yield Walk(world, dsn, home, steps, cookies)


async def _young(world: World, cookies: dict[tuple[str, str], str]) -> None:
    now = datetime.now(UTC)
    house = world.house
    group_id = await create_group(
        house, a_group(YOUNG, name="Young"), origin=f"bank.example/g/{YOUNG}", now=now
    )
    ids = await add_members(
        house, group_id, [NewMember(f"Y {viewer}", roles) for viewer, roles in _ROLES.items()], now=now
    )
    for viewer, member_id in zip(_ROLES, ids, strict=True):
        made = await sessions.begin(house, group_id, member_id, way="card", strong=True, now=now)
        cookies[YOUNG, viewer] = f"timebank-{YOUNG}={made.secret}"


async def _steps(world: World) -> list[Step]:
    steps: list[Step] = []
    known = matrix()
    for method, route in sorted(live_routes(world.app)):
        if route.startswith(("/api/", "/static/", "/setup/")) or (method, route) not in known:
            continue
        cells = known[method, route]
        # Who comes first sees what the next ones see, but for their duties.
        viewers = [viewer for viewer, cell in cells.items() if cell == "yes" and viewer in VIEWERS][:2]
        if not with_session(route) or method != "GET":
            viewers = viewers[:1]
        for viewer in viewers:
            ask = await build(world, method, route, PRINCIPALS[viewer])
            steps.append(Step(f"{method} {route} as {viewer}", method, route, viewer, ask, method != "GET"))
        if method == "GET" and set(re.findall(r"\{(\w+)", route)) == {"slug"}:
            steps += [
                Step(f"GET {route} of a young group as {viewer}", "GET", route, viewer, Ask({"slug": YOUNG}))
                for viewer in viewers[:1]
            ]
    return [step for step in steps if "files" not in step.ask.more]


async def _further(world: World) -> list[Step]:
    """Return what is there only after some answers were given."""
    own = "/g/{slug}/me/ways-in/{act}"
    look = {"what": "gave", "who": "", "day": world.today, "kind": "cooking", "time": "1:20", "look": "yes"}
    join = await build(world, "POST", "/g/{slug}/join/{secret}", None)
    together = {**look, "what": "together", "who": "Flo, Di", "key": "k" * 22}
    return [
        *await _of_stewards(world),
        *await _of_who_goes(world),
        Step("help of several", "POST", "/g/{slug}/log", "member", Ask(more={"data": together})),
        Step(
            "a statement", "GET", "/g/{slug}/statement", "member", Ask(query={"from": "2026-01-01", "to": ""})
        ),
        Step("a file that is nobody's", "GET", "/g/{slug}/import/{link}", "steward", Ask({"link": "x" * 52})),
        Step("a card", "POST", own, "member", Ask({"act": "card"}, more={"data": {"key": "k" * 32}})),
        Step(
            "a wrong code",
            "POST",
            own,
            "member",
            Ask({"act": "app"}, more={"data": {"nonce": "x", "code": "1"}}),
        ),
        Step(
            "a look first", "POST", "/g/{slug}/log", "member", Ask(more={"data": {**look, "key": "k" * 32}})
        ),
        Step("joined", "POST", "/g/{slug}/join/{secret}", "anonymous", join),
    ]


async def _money(world: World) -> list[Step]:
    """Return the second looks at forms about money, what they say to faults, and what is over."""
    money, own = samples_of_money_pages, samples_of_money_pages.MONEY
    counted, missed = await samples_of_money.place(world), await samples_of_money.place(world)
    entry, signed = await money.came_in(world), await samples_of_money.proposal(world)
    await world.do("bo", f"/entries/{entry}/correct", {"reason": "Written twice"})
    await world.do("ed", f"/proposals/{signed}/sign", {})
    forms = {
        "money in": (f"{own}/in", {}, {**money.money_in(world), "giver": "Ada", "reference": "A 7"}),
        "money carried": (f"{own}/carry", {}, money.carried(world)),
        "money out": (f"{own}/out", {}, money.money_out(world)),
        "between pots": (f"{own}/pots", {}, money.between_pots(world)),
        "a count that is right": (
            f"{own}/places/{{held}}",
            {"held": counted},
            {**money.COUNTED, "amount": "0"},
        ),
        "a count that is not": (f"{own}/places/{{held}}", {"held": missed}, money.COUNTED),
        "a new place": (f"{own}/new-place", {}, {"kind": "cash", "code": "X 1"}),
    }
    looks = [
        Step(f"{name}, looked at", "POST", route, "treasurer", money.form(path, **said))
        for name, (route, path, said) in forms.items()
    ]
    empty = [
        Step(f"{name}, with nothing", "POST", route, "treasurer", money.form(path))
        for name, (route, path, _) in forms.items()
    ]
    over = [
        Step("money taken back", "GET", f"{own}/entries/{{entry_id}}", "treasurer", Ask({"entry_id": entry})),
        Step("signed", "GET", f"{own}/second/{{proposal_id}}", "treasurer", Ask({"proposal_id": signed})),
    ]
    return [*looks, *empty, *over]


async def _of_stewards(world: World) -> list[Step]:
    """Return what stewards see once they said something."""
    person = "/g/{slug}/people/{member_id}/{deed}"
    steps = []
    for name, route in (
        ("rules as they would be", "/g/{slug}/group/rules/{pot}"),
        ("a group as it would be", "/g/{slug}/group"),
        ("rows as they are read", "/g/{slug}/log/many"),
        ("a new link", "/g/{slug}/today/{draw_id}/link"),
    ):
        steps.append(Step(name, "POST", route, "steward", await build(world, "POST", route, "bo")))
    known = str(world.stage.cast.ids["ada"])
    paper = Ask({"member_id": known, "deed": "card"}, more={"data": {"key": "k" * 22}})
    steps.append(Step("a card of somebody", "POST", person, "steward", paper))
    for deed in ("give", "take", "household", "stand-in", "leave", "nickname"):
        ask = Ask({"member_id": known, "deed": deed}, more={"data": {"key": "k" * 22}})
        steps.append(Step(f"{deed} with nothing", "POST", person, "steward", ask))
    ada = Ask({"member_id": known})
    return [*steps, Step("somebody known", "GET", "/g/{slug}/people/{member_id}", "steward", ada)]


async def _of_who_goes(world: World) -> list[Step]:
    """Return what somebody reads who left, and who is forgotten."""
    return [
        Step(
            f"gone by {act}",
            "POST",
            f"/g/{{slug}}/me/{act}",
            "member",
            await build(world, "POST", f"/g/{{slug}}/me/{act}", "ada"),
            happens_once=True,
        )
        for act in ("leave", "forget")
    ]


def _errors() -> list[Step]:
    """Return what is refused, each with the page that says so, and the pages of setting up."""
    nobody = "anonymous"
    link = {"token": SETUP_LINK}
    return [
        Step("no such group", "GET", "/g/{slug}", nobody, Ask({"slug": "nobody"})),
        Step("no such page", "GET", "/g/{slug}/{door}", nobody, Ask({"door": "nothing"})),
        Step("nothing at all", "GET", "/nothing/at/all", nobody, Ask()),
        Step("not for members", "GET", "/g/{slug}/today", "member", Ask()),
        Step("not by POST", "POST", "/g/{slug}", nobody, Ask()),
        Step("no form of ours", "POST", "/g/{slug}/me/ways-in/{act}", nobody, Ask({"act": "card"})),
        Step("an old set-up link", "GET", "/setup/{token}", nobody, Ask({"token": "x" * 43})),
        Step("set up", "GET", "/setup/{token}", nobody, Ask(link)),
        Step("set up with nothing", "POST", "/setup/{token}", nobody, Ask(link), with_nothing=True),
        Step("the example", "GET", "/setup/{token}/example", nobody, Ask(link)),
    ]


def different(pages: list[Page]) -> list[Page]:
    """Return pages without those of which another viewer, or another route, has the very same parts."""
    kept: dict[str, Page] = {}
    for page in pages:
        parts = _OF_ONE_LOOK.sub("", "".join(_TAGS.findall(page.html)))
        kept.setdefault(f"{page.answer.status_code} {parts}", page)
    return list(kept.values())
