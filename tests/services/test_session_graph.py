"""Every state of a session, found by walking: each can be left, none can be entered twice, none comes back."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest

from tests.cast import NOON, Cast
from timebank.errors import NotSignedIn, Refusal
from timebank.services import cards, proofs, sessions, totp
from timebank.services.members import grant_role, revoke_role, set_state
from timebank.services.sessions import Sessions, SessionSecret

pytestmark = pytest.mark.database

BEGIN = NOON


class State(NamedTuple):
    """What can be told of a session from outside.

    Attributes:
        alive: Whether its secret opens anything.
        opens: Duties that it opens.
        waits: Duties that wait.
        carries: Whether Ada has a duty by now, whatever this session opens.
    """

    alive: bool
    opens: frozenset[str] = frozenset()
    waits: frozenset[str] = frozenset()
    fresh: bool = False
    carries: bool = False


GONE = {State(alive=False), State(alive=False, carries=True)}


class Walk:
    """One session of Ada's from its beginning on, and everything that can happen to it."""

    def __init__(self, cast: Cast, secret: bytes, at: datetime) -> None:
        self.cast = cast
        self.secret = secret
        self.now = at
        self.found = Sessions(cast.house, clock=lambda: self.now)
        self.session: SessionSecret
        self.dead: set[str] = set()
        self.carries = False

    async def begin(self) -> None:
        house, group_id, ada = self.cast.house, self.cast.group_id, self.cast.ids["ada"]
        await set_state(house, group_id, ada, "active")
        await revoke_role(house, group_id, ada, "treasurer", now=self.now)
        self.now += timedelta(seconds=1)
        made = await cards.make_card(house, group_id, ada, made_by=None, now=self.now)
        self.session = await cards.sign_in(house, group_id, made.code, key="k", now=self.now)

    async def state(self) -> State:
        for secret in self.dead:
            with pytest.raises(NotSignedIn):
                await self.found.find(self.cast.group_id, secret)
        try:
            seen = await self.found.find(self.cast.group_id, self.session.secret)
        except NotSignedIn:
            return State(False, carries=self.carries)
        opens, waits = seen.actor.roles - {"member"}, frozenset(seen.duties_wait)
        return State(True, opens, waits, seen.actor.fresh, self.carries)

    async def prove(self) -> None:
        self.now += timedelta(seconds=90)
        seen = await self.found.find(self.cast.group_id, self.session.secret)
        code = totp.code_at(self.secret, self.now)
        turned = await proofs.prove_by_code(self.cast.house, seen, self.session.secret, code, now=self.now)
        self.dead.add(self.session.secret)
        self.session = turned

    async def sign_out(self) -> None:
        await sessions.end(
            self.cast.house, self.cast.group_id, self.cast.ids["ada"], self.session.session_id, now=self.now
        )

    async def sign_out_everywhere(self) -> None:
        await sessions.end_all(self.cast.house, self.cast.group_id, self.cast.ids["ada"], now=self.now)

    async def get_duty(self) -> None:
        self.carries = True
        self.now += timedelta(seconds=1)
        await grant_role(self.cast.house, self.cast.group_id, self.cast.ids["ada"], "treasurer", now=self.now)

    async def be_suspended_and_come_back(self) -> None:
        await set_state(self.cast.house, self.cast.group_id, self.cast.ids["ada"], "suspended")
        await set_state(self.cast.house, self.cast.group_id, self.cast.ids["ada"], "active")

    async def sign_in_anew(self) -> None:
        """With the duty that came meanwhile, in another browser."""
        self.now += timedelta(seconds=1)
        house, group_id, ada = self.cast.house, self.cast.group_id, self.cast.ids["ada"]
        made = await cards.make_card(house, group_id, ada, made_by=None, now=self.now)
        self.session = await cards.sign_in(house, group_id, made.code, key="k", now=self.now)

    async def six_minutes(self) -> None:
        self.now += timedelta(minutes=6)

    async def an_hour(self) -> None:
        self.now += timedelta(hours=1)

    async def a_month(self) -> None:
        self.now += timedelta(days=30)


Step = Callable[[Walk], Awaitable[None]]
STEPS: dict[str, Step] = {
    name: getattr(Walk, name)
    for name in (
        "prove", "sign_out", "sign_out_everywhere", "get_duty", "be_suspended_and_come_back", "sign_in_anew",
        "six_minutes", "an_hour", "a_month",
    )
}  # fmt: skip


async def test_every_state_of_a_session_can_be_left_and_none_comes_back(cast: Cast) -> None:
    begun = await sessions.begin(
        cast.house, cast.group_id, cast.ids["ada"], way="card", strong=False, now=BEGIN
    )
    visitor = await Sessions(cast.house, clock=lambda: BEGIN).find(cast.group_id, begun.secret)
    offered = totp.offer_totp(cast.house, visitor, group_name="Riverside", nickname="Ada")
    secret = base64.b32decode(offered.secret)
    await totp.add_totp(
        cast.house, visitor, begun.secret, nonce=offered.nonce, code=totp.code_at(secret, BEGIN), now=BEGIN
    )
    graph = await explore(cast, secret)

    treasurer, none = frozenset({"treasurer"}), frozenset[str]()
    assert set(graph) == {
        *GONE,
        State(True, none, none, fresh=True),
        State(True, none, none, fresh=False),
        State(True, none, treasurer, fresh=True, carries=True),
        State(True, none, treasurer, fresh=False, carries=True),
        State(True, treasurer, none, fresh=True, carries=True),
        State(True, treasurer, none, fresh=False, carries=True),
    }
    for state, leads in graph.items():
        assert set(leads.values()) - {state}, f"{state} cannot be left"
        for name in ("sign_out", "sign_out_everywhere", "be_suspended_and_come_back", "a_month"):
            assert leads[name] in GONE, (state, name)
        if state.carries:
            assert leads["an_hour"] in GONE, "an hour without a request ends a duty"
        else:
            assert leads["get_duty"] in GONE, "a new duty ends what was begun before it"
        for name, after in leads.items():
            assert not after.opens or after.opens == state.opens or name == "prove", "a proof opens duties"
            assert state.alive or not after.alive or name == "sign_in_anew", "nothing comes back"


async def explore(cast: Cast, secret: bytes) -> dict[State, dict[str, State]]:
    """Return where every step leads from every state that can be reached."""
    at = BEGIN
    graph: dict[State, dict[str, State]] = {}
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        path = waiting.pop(0)
        state = await (await walked(cast, secret, at := at + timedelta(days=90), path)).state()
        if state in graph:
            continue
        graph[state] = {}
        for name, step in STEPS.items():
            walk = await walked(cast, secret, at := at + timedelta(days=90), path)
            assert await walk.state() == state, "the same path leads to the same state"
            try:
                await step(walk)
            except Refusal:
                assert await walk.state() == state, (path, name, "a refusal leaves no trace")
                graph[state][name] = state
                continue
            graph[state][name] = await walk.state()
            waiting.append((*path, name))
    return graph


async def walked(cast: Cast, secret: bytes, at: datetime, path: tuple[str, ...]) -> Walk:
    """Return a session that went through some steps."""
    walk = Walk(cast, secret, at)
    await walk.begin()
    for name in path:
        await STEPS[name](walk)
    return walk
