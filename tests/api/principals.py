"""Two groups on one host, somebody of every kind in the first, and canaries in everything that the second holds."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text

from tests.cast import OTHER_SLUG, SLUG, Cast, Stage, a_group, be_durable_enough, running, trust_this_server
from tests.database import Dsn
from tests.mail_sink import Sink, mail_sink
from tests.mail_stage import ORIGIN
from tests.services.test_post import SENDER
from tests.worker import in_process
from timebank.app import build_app
from timebank.config import Settings
from timebank.rules.set_up import MINUTES, NewHeldPlace, NewPot
from timebank.services import cards, recovery, sessions
from timebank.services.groups import create_group
from timebank.services.house import House
from timebank.services.mail import address_index
from timebank.services.members import NewMember, add_members, set_state
from timebank.services.post import Recipient
from timebank.services.tokens import make_token
from timebank.store import mail as mail_store
from timebank.store.checkpoints import Checkpoints
from timebank.store.engine import Database
from timebank.store.keys import KeyStore

#: Who asks, in the order of the matrix, and who of the cast that is.
PRINCIPALS: Final[Mapping[str, str | None]] = {
    "anonymous": None,
    "member": "ada",
    "elsewhere": "cy",
    "stand_in": "sam",
    "steward": "bo",
    "treasurer": "ed",
    "auditor": "al",
    "host": "hu",
    "ex_member": "xe",
}

#: In every word that the other group writes, and in every code that it has.
CANARY: Final = "zyxwq"

_HERE: Final[Mapping[str, tuple[str, ...]]] = {
    "ada": (),
    "flo": (),
    "sam": ("stand_in",),
    "bo": ("steward",),
    "di": ("steward",),
    "ed": ("treasurer",),
    "kit": ("treasurer",),
    "al": ("auditor",),
    "hu": ("host",),
    "xe": (),
}
_THERE: Final[Mapping[str, tuple[str, ...]]] = {
    "cy": ("steward", "treasurer", "auditor", "host"),
    "dot": (),
    "eve": ("treasurer",),
    "gil": ("steward",),
}
GONE: Final = "xe"
_PAST: Final = b"date,giver,receiver,hours,category,note\n2026-02-01,Ada,,1:30,cooking,soup\n"


@dataclasses.dataclass(slots=True)
class World:
    """A running application and everybody in it.

    Attributes:
        stage: Sends requests as somebody of the cast; ``stage.cast.ids`` has the members of both groups.
        foreign: An id of the other group for each kind of thing: member, draw, entry, hours, import.
        today: Today in the time zone of both groups.
        kept: What sample requests made once and use again.
        sink: The mail server, with everything that was sent.
    """

    app: Litestar
    stage: Stage
    foreign: dict[str, str]
    today: str
    kept: dict[str, str] = dataclasses.field(default_factory=dict)
    sink: Sink = dataclasses.field(default_factory=Sink)

    @property
    def http(self) -> httpx.AsyncClient:
        """Sends requests as nobody."""
        return self.stage.http

    @property
    def house(self) -> House:
        """What services work with."""
        return self.stage.cast.house

    def token(self, name: str | None) -> str:
        """Return the token of somebody of the cast; for nobody, one that never was."""
        return self.stage.cast.tokens[name] if name else "tb_" + "0" * 43

    def group_of(self, name: str) -> UUID:
        """Return the group that somebody is in."""
        cast = self.stage.cast
        return cast.other_group_id if name in _THERE else cast.group_id

    async def session(self, name: str) -> tuple[str, str, UUID]:
        """Begin a session of somebody of the cast: (secret, token of its forms, id)."""
        cast, group_id = self.stage.cast, self.group_of(name)
        now = datetime.now(UTC)
        made = await sessions.begin(cast.house, group_id, cast.ids[name], way="card", strong=True, now=now)
        async with cast.house.database.tx(group_id) as tx:
            # The duties of the cast came before, and do not wait.
            await tx.execute(text("UPDATE people.sessions SET turned_at = :now"), {"now": now})
        return made.secret, sessions.csrf_of(cast.house.keys, group_id, made.session_id), made.session_id

    async def drop_strong_ways(self, name: str) -> None:
        """Take the passkeys and the app of somebody of the cast away."""
        group_id, member_id = self.group_of(name), self.stage.cast.ids[name]
        async with self.stage.cast.house.database.tx(group_id) as tx:
            for table in ("passkeys", "totps"):
                await tx.execute(
                    text(f"DELETE FROM people.{table} WHERE group_id = :group_id AND member_id = :member_id"),
                    {"group_id": group_id, "member_id": member_id},
                )

    async def signed_in(self, name: str | None) -> tuple[dict[str, str], str]:
        """Return headers and the cookie of a browser; somebody who may not sign in has an old session."""
        if name is None:
            return {}, "timebank-other=x"
        if name == GONE:
            return {}, f"timebank-{SLUG}={self.kept['old session']}"
        secret, token, _ = await self.session(name)
        return {"X-CSRF-Token": token}, f"timebank-{SLUG}={secret}"

    async def do(self, name: str, path: str, body: Any, **more: Any) -> dict[str, Any]:
        """Post as somebody of the cast what must succeed, and return the answer."""
        answer = await self.stage.post(name, path, body, **more)
        assert answer.status_code < 400, answer.text
        done: dict[str, Any] = answer.json()
        return done

    async def give_address(self, name: str) -> str:
        """Let somebody of the cast have a mail address that is confirmed, and return it."""
        cast, group_id, address = self.stage.cast, self.group_of(name), f"{name}@mail.example"
        key = cast.house.keys.find_member_key(group_id, cast.ids[name])
        assert key is not None
        content = msgspec.json.encode(Recipient(address, "en"))
        row = mail_store.AddressRow(
            cast.ids[name],
            mail_store.seal_address(key, group_id, cast.ids[name], content),
            address_index(cast.house, group_id, address),
            datetime.now(UTC),
        )
        async with cast.house.database.tx(group_id) as tx:
            await mail_store.upsert_address(tx, group_id, row)
        return address

    async def hand_in(self, name: str, *, slug: str = SLUG, content: bytes = _PAST) -> str:
        """Hand a file in, wait until it is checked, and return the id of the import."""
        # There is one piece of long work at a time in a group.
        await self.app.state.workshop.idle()
        answer = await self.stage.send(
            name, "POST", "/imports", slug=slug, content=content, headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == 202, answer.text
        await self.app.state.workshop.idle()
        return str(answer.json()["id"])


@asynccontextmanager
async def open_world(dsn: Dsn, home: Path) -> AsyncIterator[World]:
    """Set everything up on a fresh database, through the services and the API and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
        # Everybody here comes from one place, and often: limits have tests of their own.
        patch.setattr("timebank.services.limits.wait_seconds", lambda *_, **__: 0)
        # And the postman looks again at once where he waits a moment elsewhere.
        patch.setattr("timebank.services.postman._LOOK_AGAIN_S", 0.01)
        await be_durable_enough(dsn)
        database = await Database.open(dsn, check=False)
        keys = KeyStore(home)
        checkpoints = Checkpoints(keys, home)
        cast = await _cast(House(database, keys, checkpoints), datetime.now(UTC))
        async with mail_sink() as sink:
            settings = Settings(home=home, database_urls={}, origin=ORIGIN, smtp=sink.smtp, mail_from=SENDER)
            app = build_app(settings, dsn, worker=in_process)
            async with running(app), a_client(app) as http:
                today = datetime.now(ZoneInfo("Europe/Madrid")).date().isoformat()
                world = World(app, Stage(cast, http), {}, today, sink=sink)
                world.kept["old session"] = (await world.session(GONE))[0]
                await set_state(cast.house, cast.group_id, cast.ids[GONE], "left")
                await _life_here(world)
                await _life_there(world)
                yield world
        await checkpoints.close()
        await database.close()
        keys.close()


def a_client(app: Litestar) -> httpx.AsyncClient:
    """Return what sends requests to an application without a network in between."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


async def _cast(house: House, now: datetime) -> Cast:
    here = await create_group(
        house,
        a_group(time_bank=True, pots=(*a_group().pots, NewPot("spare", "EUR"))),
        origin=f"bank.example/g/{SLUG}",
        now=now,
    )
    there = await create_group(
        house,
        a_group(
            OTHER_SLUG,
            name=f"Hillside {CANARY}",
            categories=(f"{CANARY}-care",),
            pots=(NewPot(f"{CANARY}-hours", MINUTES), NewPot(f"{CANARY}-money", "EUR")),
            held_places=(NewHeldPlace(f"{CANARY}-box", "cash", "EUR"),),
        ),
        origin=f"bank.example/g/{OTHER_SLUG}",
        now=now,
    )
    cast = Cast(house, here, there, {}, {})
    for group_id, people, prefix in ((here, _HERE, ""), (there, _THERE, CANARY)):
        joined = await add_members(
            house,
            group_id,
            [NewMember(f"{prefix}{name}".title(), roles) for name, roles in people.items()],
            now=now,
        )
        for name, member_id in zip(people, joined, strict=True):
            cast.ids[name] = member_id
            made = await make_token(house, group_id, member_id, ("read", "write"), now=now)
            cast.tokens[name] = made.token
    return cast


async def _life_here(world: World) -> None:
    """Enough in both pots for everything that the requests of these tests promise."""
    await world.do("ed", "/money", _money(world, "money", 10_000_000, "bank"))
    await world.do("flo", "/hours", {**_hours(world, "cooking"), "minutes": 1_000_000})
    await world.do("bo", "/settings", {"joining": "request"})
    # Anyone may ask the pot of money, with or without an account.
    terms = {"who": "anyone", "approvals": [{"above": 0, "count": 1}]}
    await world.do("bo", "/policies/money", {"terms": terms})
    await world.do("bo", "/policies/spare", {"terms": {**terms, "who": "members", "consent_hours": 24}})
    await world.do("bo", "/stand-ins", _tie(world, "sam", "ada"))


async def _life_there(world: World) -> None:
    """Something of every kind, each with a canary in whatever people write."""
    there = {"slug": OTHER_SLUG}
    words, care = f"{CANARY} words", f"{CANARY}-care"
    reference = {"reference": words}
    await world.do(
        "cy", "/money", {**_money(world, f"{CANARY}-money", 700, f"{CANARY}-box"), **reference}, **there
    )
    hours = await world.do("dot", "/hours", {**_hours(world, care), "note": words}, **there)
    ask = {"pot": f"{CANARY}-money", "amount": 70, "currency": "EUR", "category": care}
    draw = await world.do("dot", "/draws", {**ask, "contact": words, "payout": words}, **there)
    past = f"date,giver,receiver,hours,category,note\n2026-02-01,{CANARY}new,,1:30,{care},{words}\n"
    cast, now = world.stage.cast, datetime.now(UTC)
    euros = {"amount": 5, "currency": "EUR"}
    out = {"pot": f"{CANARY}-money", "held": f"{CANARY}-box", **euros, "reason": words}
    proposal = await world.do("eve", "/money/out", out, **there)
    invitation = await world.do("cy", "/invitations", {}, **there)
    tie = await world.do("cy", "/stand-ins", _tie(world, "eve", "dot"), **there)
    await world.do("cy", "/settings", {"joining": "request"}, **there)
    key = (await world.stage.get(None, "/joining", **there)).json()["key"]
    name = f"{CANARY} newcomer"
    await world.stage.post(None, "/join-requests", {"nickname": name, "words": words}, key=key, **there)
    waiting = (await world.stage.get("cy", "/join-requests", **there)).json()["requests"]
    home = await world.do(
        "cy", f"/members/{cast.ids['dot']}/household", {"with": str(cast.ids["eve"])}, **there
    )
    card = await cards.make_card(cast.house, cast.other_group_id, cast.ids["dot"], made_by=None, now=now)
    back = await recovery.ask_recovery(cast.house, cast.other_group_id, cast.ids["eve"], now=now)
    duty = await world.do("cy", f"/members/{cast.ids['dot']}/roles", {"give": ["auditor"]}, **there)
    world.foreign |= {
        "duty": duty["proposal"],
        "place": f"{CANARY}-box",
        "proposal": proposal["proposal"],
        "invitation": invitation["id"],
        "stand_in": tie["id"],
        "request": waiting[0]["id"],
        "card": str(card.card_id),
        "household": home["household"],
        "recovery": str(back.recovery_id),
        "session": str((await world.session("dot"))[2]),
        # Nobody there has one: an id that never was.
        "passkey": str(uuid4()),
        "member": str(world.stage.cast.ids["dot"]),
        "hours": hours["id"],
        "entry": hours["entry"],
        "draw": draw["id"],
        "import": await world.hand_in("cy", slug=OTHER_SLUG, content=past.encode()),
    }


def _tie(world: World, stand_in: str, member: str) -> dict[str, Any]:
    ids = world.stage.cast.ids
    until = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
    sides = {"stand_in": str(ids[stand_in]), "for": str(ids[member])}
    return {**sides, "scopes": ["log", "ask", "see"], "until": until, "consent": "on_paper"}


def _money(world: World, pot: str, amount: int, held: str) -> dict[str, Any]:
    return {"pot": pot, "amount": amount, "currency": "EUR", "held": held, "effective_on": world.today}


def _hours(world: World, category: str) -> dict[str, Any]:
    return {"minutes": 70, "effective_on": world.today, "category": category}
