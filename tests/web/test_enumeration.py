"""Nobody can find out who is here: a known and an unknown name get the same answer, as long, and as soon.

Whoever builds a new way to name a person to a stranger adds it to ``WAYS``, and says there what is known
and what is not. The medians are measured when asked: ``TIMEBANK_TEST_TRIES=1000``.

Two things are not among them. Whoever holds an invitation that is open is told that a nickname is taken,
or they could not choose another; so what must look alike there is a secret that never was one and one
that is over. And a duty's way back in is asked for at the server itself (``timebank recover``): over HTTP
there is nothing to ask but stopping one by its id.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.authenticator import Device
from tests.cast import cast, house
from tests.mail_stage import MailStage, posted
from timebank.rules.tries import PACES, Pace, Paces
from timebank.services import cards, joining, passkeys, sessions
from timebank.services.passkeys import Place
from timebank.services.recovery import ask_recovery

__all__ = ["cast", "house", "posted"]


TRIES = int(os.environ.get("TIMEBANK_TEST_TRIES", "0"))
SHORT = 5

API = "/api/v1/groups/riverside"
_numbers = itertools.count()


@dataclass(slots=True)
class Town:
    """What the tries are about: people by name, and what there is and what never was, by what it is called."""

    stage: MailStage
    things: dict[str, str]
    devices: dict[str, Device]

    def __getitem__(self, name: str) -> str:
        return self.things[name]

    def headers(self, name: str, key: str = "") -> dict[str, str]:
        """Return what a program of somebody sends along."""
        return {
            "Authorization": f"Bearer {self.stage.cast.tokens[name]}",
            "Idempotency-Key": key or f"try-{next(_numbers)}",
        }


Prepared = Any
#: Gets ready what one try needs, sends it from a browser of its own, and tidies up after it.
Prepare = Callable[[httpx.AsyncClient, Town, str], Awaitable[Prepared]]
Send = Callable[[httpx.AsyncClient, Town, str, Prepared], Awaitable[httpx.Response]]
After = Callable[[httpx.AsyncClient, Town, httpx.Response, Prepared], Awaitable[None]]


async def nothing(*_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to say to a stranger's server who one means.

    Attributes:
        known: Somebody or something that is there.
        unknown: As long, and never there.
        status: What both are answered.
        echoes: Whether the answer shows to who wrote it what they wrote.
    """

    send: Send
    known: str
    unknown: str
    status: int = 200
    prepare: Prepare = nothing
    after: After = nothing
    echoes: bool = False


# ---------------------------------------------------------------- a link by mail, and an address


async def by_nickname(browser: httpx.AsyncClient, _: Town, name: str, __: Prepared) -> httpx.Response:
    return await browser.post("/g/riverside/sign-in/mail", data={"who": name})


async def by_address(browser: httpx.AsyncClient, town: Town, name: str, _: Prepared) -> httpx.Response:
    return await by_nickname(browser, town, f"{name}@mail.example", None)


async def own_address(browser: httpx.AsyncClient, town: Town, name: str, _: Prepared) -> httpx.Response:
    """Flo, who is nobody's neighbour, says that an address is hers."""
    body = {"address": f"{name}@mail.example"}
    return await browser.post(f"{API}/me/mail", json=body, headers=town.headers("flo"))


async def no_address(browser: httpx.AsyncClient, town: Town, _: httpx.Response, __: Prepared) -> None:
    await browser.delete(f"{API}/me/mail", headers=town.headers("flo"))


# ---------------------------------------------------------------- joining


async def form_to_join(browser: httpx.AsyncClient, _: Town, __: str) -> str:
    return str((await browser.get(f"{API}/joining")).json()["key"])


async def ask_to_join(browser: httpx.AsyncClient, _: Town, name: str, key: str) -> httpx.Response:
    body = {"nickname": name, "words": "hello"}
    return await browser.post(f"{API}/join-requests", json=body, headers={"Idempotency-Key": key})


async def withdraw(browser: httpx.AsyncClient, _: Town, answer: httpx.Response, __: Prepared) -> None:
    answer = await browser.post(f"{API}/join-requests/{answer.json()['secret']}/withdraw")
    assert answer.status_code == 200


async def look_at_invitation(browser: httpx.AsyncClient, town: Town, name: str, _: str) -> httpx.Response:
    return await browser.get(f"{API}/invitations/{town[name]}")


async def open_invitation(browser: httpx.AsyncClient, town: Town, name: str, _: str) -> httpx.Response:
    return await browser.get(f"/g/riverside/join/{town[name]}")


async def key_of_invitation(_: httpx.AsyncClient, town: Town, name: str) -> str:
    """The key that whoever looked in time was given: even with it nothing is told."""
    return joining.issue_key(town.stage.cast.house, town.stage.cast.group_id, town[name])


async def join(browser: httpx.AsyncClient, town: Town, name: str, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await browser.post(f"{API}/invitations/{town[name]}", json={"nickname": "Rosa"}, headers=headers)


async def join_on_page(browser: httpx.AsyncClient, town: Town, name: str, key: str) -> httpx.Response:
    return await browser.post(f"/g/riverside/join/{town[name]}", data={"nickname": "Rosa", "key": key})


async def key_of_used(browser: httpx.AsyncClient, town: Town, _: str) -> str:
    return await key_of_invitation(browser, town, "used")


async def name_somebody(browser: httpx.AsyncClient, town: Town, name: str, key: str) -> httpx.Response:
    """Name somebody with an invitation that is over."""
    headers = {"Idempotency-Key": key}
    return await browser.post(f"{API}/invitations/{town['used']}", json={"nickname": name}, headers=headers)


# ---------------------------------------------------------------- cards, passkeys, recoveries


async def by_card(browser: httpx.AsyncClient, town: Town, name: str, _: Prepared) -> httpx.Response:
    return await browser.post(f"{API}/sign-in", json={"card": town[name]})


async def by_card_on_page(browser: httpx.AsyncClient, town: Town, name: str, _: Prepared) -> httpx.Response:
    return await browser.post("/g/riverside/sign-in", data={"card": town[name], "key": "k" * 32})


async def answer_of_device(browser: httpx.AsyncClient, town: Town, name: str) -> dict[str, Any]:
    """What somebody sends who knows the name of a passkey, and not its key."""
    offered = (await browser.post(f"{API}/sign-in/options")).json()
    return town.devices[name].get(offered)


async def by_passkey(browser: httpx.AsyncClient, _: Town, __: str, said: Prepared) -> httpx.Response:
    return await browser.post(f"{API}/sign-in", json={"passkey": said})


async def stop_recovery(browser: httpx.AsyncClient, town: Town, name: str, _: Prepared) -> httpx.Response:
    return await browser.post(f"{API}/recoveries/{town[name]}/stop", headers=town.headers("flo"))


# ---------------------------------------------------------------- asking without an account


async def form_to_ask(browser: httpx.AsyncClient, _: Town, __: str) -> str:
    return str((await browser.get(f"{API}/asks")).json()["secret"])


async def ask(browser: httpx.AsyncClient, _: Town, name: str, secret: str) -> httpx.Response:
    # One that was written once is known from then on.
    contact = name if name == "0600000000" else f"07{next(_numbers):08d}"
    body = {"pot": "money", "amount": 100, "currency": "EUR", "category": "repairs", "contact": contact}
    return await browser.post(f"{API}/asks/{secret}", json=body)


async def need_no_more(browser: httpx.AsyncClient, _: Town, __: httpx.Response, secret: str) -> None:
    key = (await browser.get(f"{API}/asks/{secret}")).json()["key"]
    answer = await browser.post(f"{API}/asks/{secret}/cancel", headers={"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text


#: Each with what is known there and with something of the same length that is not.
WAYS: dict[str, Way] = {
    "link by nickname": Way(by_nickname, "Ada", "Adb"),
    "link by address": Way(by_address, "ada", "adb"),
    "link of a steward": Way(by_nickname, "Bo", "Bx"),
    "link of somebody without an address": Way(by_nickname, "Flo", "Flx"),
    # Members, too, learn nothing about each other's address.
    "an address of somebody else": Way(own_address, "ada", "adb", after=no_address, echoes=True),
    # Only stewards are told that a nickname is taken.
    "asking to join": Way(ask_to_join, "Ada", "Adb", 201, form_to_join, withdraw),
    # Somebody with a secret that is over names a member, or nobody.
    "name with an old invitation": Way(name_somebody, "Ada", "Adb", 404, key_of_used),
    # An invitation was there, and a secret never was.
    **{
        f"{what}, {state} invitation": Way(send, state, "never", 404, prepare)
        for state in ("used", "revoked", "expired", "elsewhere", "unmade")
        for what, send, prepare in (
            ("look at", look_at_invitation, nothing),
            ("page of", open_invitation, nothing),
            ("join by", join, key_of_invitation),
            ("join on page by", join_on_page, key_of_invitation),
        )
    },
    # A card that somebody had, and one that never was.
    **{
        f"{what}, {state}": Way(send, f"{state} card", "never card", 403, echoes=echoes)
        for state in ("used", "left", "elsewhere")
        for what, send, echoes in (("card", by_card, False), ("card on page", by_card_on_page, True))
    },
    # The name of a passkey that is somebody's, and of none.
    "passkey": Way(by_passkey, "ada", "nobody", 403, answer_of_device),
    # A recovery of somebody with a duty that is under way, and none.
    "recovery of somebody": Way(stop_recovery, "recovery", "no recovery", 404),
    # Whoever asked before from the same telephone is known to stewards.
    "ask without an account": Way(ask, "0600000000", "07", 201, form_to_ask, need_no_more),
}


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test try as often as it likes."""
    free = Pace(10**9, 1, 1, 1)
    for what in PACES:
        monkeypatch.setitem(PACES, what, Paces(free, free, free))


async def build(stage: MailStage) -> Town:
    """Let everything be there that the ways are about."""
    await stage.give_address("ada", "ada@mail.example")
    await stage.give_address("bo", "bo@mail.example")
    terms = {"who": "anyone", "approvals": [{"above": 0, "count": 1}], "two_people": False}
    for path, body in (("/settings", {"joining": "request"}), ("/policies/money", {"terms": terms})):
        answer = await stage.post("bo", path, body)
        assert answer.status_code < 400, answer.text
    town = Town(stage, {"never": secrets.token_urlsafe(24), "never card": "AAAA-AAAA-AAAA-AAAA"}, {})
    await _invitations(town)
    await _cards(town)
    await _passkeys(town)
    back = await ask_recovery(
        stage.cast.house, stage.cast.group_id, stage.cast.ids["ed"], now=datetime.now(UTC)
    )
    town.things |= {"recovery": str(back.recovery_id), "no recovery": str(uuid4())}
    async with stage.browser() as browser:
        await ask(browser, town, "0600000000", await form_to_ask(browser, town, ""))
    # By now what was to end after a day has ended.
    stage.clock.set_to = datetime.now(UTC) + timedelta(days=2)
    return town


async def _invitations(town: Town) -> None:
    stage = town.stage
    made = {
        "used": await stage.post("bo", "/invitations", {"uses": 1}),
        "revoked": await stage.post("bo", "/invitations", {}),
        "expired": await stage.post("bo", "/invitations", {"days": 1}),
        "elsewhere": await stage.post("cy", "/invitations", {}, slug="hillside"),
        "unmade": await stage.post("di", "/invitations", {}),
    }
    town.things |= {state: answer.json()["secret"] for state, answer in made.items()}
    async with stage.browser() as browser:
        await join(browser, town, "used", await key_of_invitation(browser, town, "used"))
    done = [
        await stage.post("bo", f"/invitations/{made['revoked'].json()['id']}/revoke", {}),
        await stage.post("bo", f"/members/{stage.cast.ids['di']}/roles", {"take": ["steward"]}),
    ]
    assert [answer.status_code for answer in done] == [200, 200]


async def _cards(town: Town) -> None:
    cast, now = town.stage.cast, datetime.now(UTC)
    answer = await town.stage.post("bo", "/members", {"nickname": "Xe"})
    gone = UUID(answer.json()["id"])
    for state, group_id, member_id in (
        ("used", cast.group_id, cast.ids["ada"]),
        ("left", cast.group_id, gone),
        ("elsewhere", cast.other_group_id, cast.ids["cy"]),
    ):
        made = await cards.make_card(cast.house, group_id, member_id, made_by=None, now=now)
        town.things[f"{state} card"] = made.code
    await cards.sign_in(cast.house, cast.group_id, town["used card"], key="x", now=now)
    answer = await town.stage.post("bo", f"/members/{gone}/leave", {})
    assert answer.status_code == 200


async def _passkeys(town: Town) -> None:
    cast, now, here = town.stage.cast, datetime.now(UTC), Place("localhost", "http://localhost", "Riverside")
    session = await sessions.begin(
        cast.house, cast.group_id, cast.ids["ada"], way="card", strong=False, now=now
    )
    found = sessions.Sessions(cast.house, clock=lambda: now)
    visitor = await found.find(cast.group_id, session.secret)
    device, other = Device(), Device()
    options = await passkeys.offer_add(cast.house, visitor, here, now=now)
    said = device.create(options)
    await passkeys.add_passkey(cast.house, visitor, session.secret, said, here, name="Phone", now=now)
    town.devices = {"ada": other, "nobody": Device()}
    other.credential_id, other.handle = device.credential_id, device.handle
    town.devices["nobody"].handle = secrets.token_bytes(len(device.handle))


def seen(answer: httpx.Response, said: str) -> tuple[object, ...]:
    """Return what a stranger sees, with what is random for everybody, and what is said back to them, put aside."""
    headers = {
        name: re.sub(r"=[0-9a-f]{64};", "=random;", value)
        for name, value in answer.headers.items()
        if name != "date"
    }
    text = re.sub(r"[\w-]{32,}=*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "random", answer.text)
    text = text.replace(said, "what was said") if said else text
    return answer.status_code, len(answer.content), text, headers


async def test_known_and_unknown_get_the_same_answer(posted: MailStage) -> None:
    town = await build(posted)
    only = os.environ.get("TIMEBANK_TEST_WAY", "")

    for way in WAYS:
        if only in way:
            await compare(town, way)


async def compare(town: Town, name_of_way: str) -> None:
    """Try a way with both names in turns, and compare what comes."""
    way = WAYS[name_of_way]
    times: dict[str, list[float]] = {way.known: [], way.unknown: []}

    answers = set()
    for number in range(2 * (TRIES or SHORT)):
        # In turns, so that whatever else this machine does is shared; and each begins half of the pairs.
        name = (way.known, way.unknown)[(number + number // 2) % 2]
        async with town.stage.browser() as browser:
            ready = await way.prepare(browser, town, name)
            begun = time.perf_counter()
            answer = await way.send(browser, town, name, ready)
            times[name].append(time.perf_counter() - begun)
            answers.add(repr(seen(answer, town.things.get(name, name) if way.echoes else "")))
            assert answer.status_code == way.status, (name_of_way, name, answer.text)
            await way.after(browser, town, answer, ready)

    assert len(answers) == 1, (name_of_way, answers)
    if TRIES:
        first, second = (quartiles(times[name]) for name in (way.known, way.unknown))
        print(
            f"\n{name_of_way}: known {first[1]:.3f} ms, unknown {second[1]:.3f} ms; quartiles {first} {second}"
        )
        # The median of each lies in the middle half of the other.
        assert first[0] <= second[1] <= first[2]
        assert second[0] <= first[1] <= second[2]


def quartiles(seconds: list[float]) -> tuple[float, float, float]:
    """Return the quartiles in milliseconds."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return round(low * 1000, 3), round(middle * 1000, 3), round(high * 1000, 3)
