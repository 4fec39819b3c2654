"""Good requests about people: members, joining, stand-ins, settings, and how they sign in; see sample_requests."""

from __future__ import annotations

import asyncio
import base64
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.api.principals import GONE, World
from tests.api.sample_requests import GROUP, Ask, sample
from tests.authenticator import Device
from tests.cast import SLUG
from tests.services.test_post import until
from timebank.ledger.cosignatures import COSIGNATURE
from timebank.ledger.notes import verifier_key
from timebank.services import cards, recovery, totp
from timebank.store import recoveries as recoveries_store

_numbers = itertools.count()
SOME_ID = "00000000-0000-4000-8000-000000000000"


def _fresh_name() -> str:
    return f"Person {next(_numbers)}"


async def somebody(world: World, *roles: str) -> str:
    """A member whom a steward entered just now."""
    said = await world.do("di", "/members", {"nickname": _fresh_name(), "roles": list(roles)})
    return str(said["id"])


# ---------------------------------------------------------------- members


@sample("GET", f"{GROUP}/members/{{member_id}}/statement")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": str(world.stage.cast.ids["ada"])})


@sample("GET", f"{GROUP}/members/find")
async def _(world: World, name: str | None) -> Ask:
    return Ask(query={"name": "Flo"})


@sample("POST", f"{GROUP}/members")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"nickname": _fresh_name()})


@sample("GET", f"{GROUP}/members/{{member_id}}/leaving")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)})


_ABOUT: dict[str, Any] = {
    "roles": {"give": ["auditor"]},
    "code": {},
    "suspend": {},
    "leave": {},
    "erase": {},
}


def _register(act: str, body: Any) -> None:
    @sample("POST", f"{GROUP}/members/{{member_id}}/{act}")
    async def _(world: World, name: str | None) -> Ask:
        return Ask({"member_id": await somebody(world)}, json=body)


for _act, _body in _ABOUT.items():
    _register(_act, _body)


@sample("POST", f"{GROUP}/members/{{member_id}}/household")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)}, json={"with": await somebody(world)})


@sample("POST", f"{GROUP}/members/{{member_id}}/rename")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)}, json={"nickname": _fresh_name()})


@sample("POST", f"{GROUP}/members/{{member_id}}/resume")
async def _(world: World, name: str | None) -> Ask:
    member = await somebody(world)
    await world.do("di", f"/members/{member}/suspend", {})
    return Ask({"member_id": member}, json={})


# ---------------------------------------------------------------- duties that wait


async def duty(world: World) -> str:
    """A duty for somebody that di proposed."""
    said = await world.do("di", f"/members/{await somebody(world)}/roles", {"give": ["auditor"]})
    return str(said["proposal"])


for _act in ("sign", "withdraw"):

    @sample("POST", f"{GROUP}/duties/{{duty_id}}/{_act}")
    async def _(world: World, name: str | None) -> Ask:
        return Ask({"duty_id": await duty(world)}, json={})


@sample("POST", f"{GROUP}/members/{{member_id}}/vouch")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)}, json={"code": "ABCD-EFGH"})


# ---------------------------------------------------------------- joining


async def invitation(world: World) -> dict[str, Any]:
    """An invitation that is open."""
    return await world.do("di", "/invitations", {"uses": 5})


@sample("POST", f"{GROUP}/invitations")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"uses": 2})


@sample("GET", f"{GROUP}/invitations/{{invitation_id}}/qr.svg")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"invitation_id": (await invitation(world))["id"]})


@sample("POST", f"{GROUP}/invitations/{{invitation_id}}/revoke")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"invitation_id": (await invitation(world))["id"]}, json={})


@sample("GET", f"{GROUP}/invitations/{{secret}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await invitation(world))["secret"]})


@sample("POST", f"{GROUP}/invitations/{{secret}}")
async def _(world: World, name: str | None) -> Ask:
    secret = (await invitation(world))["secret"]
    key = (await world.stage.get(None, f"/invitations/{secret}")).json()["key"]
    return Ask(
        {"secret": secret}, json={"nickname": _fresh_name()}, more={"headers": {"Idempotency-Key": key}}
    )


async def key_to_join(world: World) -> str:
    """The key that the form to ask for joining comes with."""
    return str((await world.stage.get(None, "/joining")).json()["key"])


async def request(world: World, *, accepted: bool = False) -> tuple[str, str]:
    """A request to join: (its secret, its id)."""
    name = _fresh_name()
    asked = await world.stage.post(None, "/join-requests", {"nickname": name}, key=await key_to_join(world))
    waiting = (await world.stage.get("di", "/join-requests")).json()["requests"]
    made = next(one["id"] for one in waiting if one["nickname"] == name)
    if accepted:
        await world.do("di", f"/join-requests/{made}/accept", {})
    return asked.json()["secret"], made


@sample("POST", f"{GROUP}/join-requests")
async def _(world: World, name: str | None) -> Ask:
    key = await key_to_join(world)
    return Ask(json={"nickname": _fresh_name()}, more={"headers": {"Idempotency-Key": key}})


@sample("GET", f"{GROUP}/join-requests/{{secret}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await request(world))[0]})


@sample("POST", f"{GROUP}/join-requests/{{secret}}/withdraw")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await request(world))[0]})


@sample("POST", f"{GROUP}/join-requests/{{secret}}/enter")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await request(world, accepted=True))[0]})


@sample("POST", f"{GROUP}/join-requests/{{request_id}}/accept")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"request_id": (await request(world))[1]}, json={})


@sample("POST", f"{GROUP}/join-requests/{{request_id}}/not-now")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"request_id": (await request(world))[1]}, json={})


# ---------------------------------------------------------------- stand-ins, settings, mail, recoveries


def _tie(world: World, stand_in: str, member: str) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    return {
        "stand_in": stand_in,
        "for": member,
        "scopes": ["log"],
        "until": until,
        "consent": "said",
    }


@sample("POST", f"{GROUP}/stand-ins")
async def _(world: World, name: str | None) -> Ask:
    # Flo stays somebody who speaks for nobody else: what she says to have given ada waits for a yes.
    return Ask(json=_tie(world, await somebody(world), str(world.stage.cast.ids["ada"])))


@sample("POST", f"{GROUP}/stand-ins/{{stand_in_id}}/end")
async def _(world: World, name: str | None) -> Ask:
    made = await world.do(
        "ada", "/stand-ins", _tie(world, await somebody(world), str(world.stage.cast.ids["ada"]))
    )
    return Ask({"stand_in_id": made["id"]}, json={})


@sample("POST", f"{GROUP}/settings")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"confirm_days": 7 + next(_numbers) % 20})


@sample("POST", f"{GROUP}/me/mail")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"address": f"person{next(_numbers)}@mail.example"})


@sample("DELETE", f"{GROUP}/me/mail")
async def _(world: World, name: str | None) -> Ask:
    return Ask()


async def recovery_of_kit(world: World) -> str:
    """A way back in that was asked for, for a treasurer who is nobody in the matrix."""
    group_id, kit = world.stage.cast.group_id, world.stage.cast.ids["kit"]
    async with world.house.database.read(group_id) as tx:
        last = await recoveries_store.find_last_recovery(tx, group_id, kit)
    if last is not None and last.state == "asked":
        return str(last.recovery_id)
    row = await recovery.ask_recovery(world.house, group_id, kit, now=datetime.now(UTC))
    return str(row.recovery_id)


@sample("POST", f"{GROUP}/recoveries/{{recovery_id}}/stop")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"recovery_id": await recovery_of_kit(world)}, json={})


# ---------------------------------------------------------------- signing in


async def card(world: World, name: str | None) -> str:
    """A card of somebody of the cast; for nobody, and for who left, one that never was."""
    if name is None or name == GONE:
        return "AAAA-AAAA-AAAA"
    cast = world.stage.cast
    now = datetime.now(UTC)
    made = await cards.make_card(cast.house, world.group_of(name), cast.ids[name], made_by=None, now=now)
    return made.code


@sample("POST", f"{GROUP}/sign-in/options")
async def _(world: World, name: str | None) -> Ask:
    return Ask()


@sample("POST", f"{GROUP}/sign-in")
async def _(world: World, name: str | None) -> Ask:
    """With one's own card."""
    return Ask(json={"card": await card(world, name)})


for _path in (
    "/sign-out",
    "/me/sessions/end-others",
    "/me/prove/options",
    "/me/passkeys/options",
    "/me/totp/offer",
    "/me/totp/remove",
):

    @sample("POST", GROUP + _path)
    async def _(world: World, name: str | None) -> Ask:
        return Ask()


@sample("POST", f"{GROUP}/me/sessions/{{session_id}}/end")
async def _(world: World, name: str | None) -> Ask:
    if name is None or name == GONE:
        return Ask({"session_id": SOME_ID})
    _secret, _csrf, session_id = await world.session(name)
    return Ask({"session_id": str(session_id)})


@sample("POST", f"{GROUP}/me/prove")
async def _(world: World, name: str | None) -> Ask:
    """With one's own card, which is enough for whoever has neither passkey nor app."""
    if name is not None:
        await world.drop_strong_ways(name)
    return Ask(json={"card": await card(world, name)})


class _Browser:
    """Somebody with one session, who sends something before the request that is asked about."""

    def __init__(self, world: World, headers: dict[str, str]) -> None:
        self._world = world
        self.headers = headers

    @classmethod
    async def of(cls, world: World, name: str | None) -> _Browser:
        headers, cookie = await world.signed_in(name)
        return cls(world, {**headers, "Cookie": cookie})

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer; None if it was refused."""
        address = f"/api/v1/groups/{SLUG}{path}"
        answer = await self._world.http.request(method, address, json=body, headers=self.headers)
        return answer.json() if answer.status_code == 200 else None


@sample("POST", f"{GROUP}/me/passkeys")
async def _(world: World, name: str | None) -> Ask:
    browser = await _Browser.of(world, name)
    offered = await browser.send("POST", "/me/passkeys/options")
    passkey = Device().create(offered) if offered else {}
    return Ask(json={"name": "Mine", "passkey": passkey}, more={"headers": browser.headers})


@sample("POST", f"{GROUP}/me/passkeys/{{passkey_id}}/remove")
async def _(world: World, name: str | None) -> Ask:
    browser = await _Browser.of(world, name)
    offered = await browser.send("POST", "/me/passkeys/options")
    if not offered:
        return Ask({"passkey_id": SOME_ID})
    await browser.send("POST", "/me/passkeys", {"name": "Mine", "passkey": Device().create(offered)})
    browser = await _Browser.of(world, name)
    ways = await browser.send("GET", "/me/ways-in")
    return Ask({"passkey_id": ways["passkeys"][0]["id"]}, more={"headers": browser.headers})


@sample("POST", f"{GROUP}/me/totp")
async def _(world: World, name: str | None) -> Ask:
    browser = await _Browser.of(world, name)
    offered = await browser.send("POST", "/me/totp/offer")
    if not offered:
        return Ask(json={"nonce": "x", "code": "000000"})
    code = totp.code_at(base64.b32decode(offered["secret"]), datetime.now(UTC))
    return Ask(json={"nonce": offered["nonce"], "code": code}, more={"headers": browser.headers})


@sample("POST", f"{GROUP}/members/{{member_id}}/cards")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)})


@sample("GET", f"{GROUP}/members/{{member_id}}/cards")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)})


async def _card_of_flo(world: World) -> str:
    made = await world.stage.send("di", "POST", f"/members/{world.stage.cast.ids['flo']}/cards")
    return str(made.json()["id"])


@sample("POST", f"{GROUP}/cards/{{card_id}}/revoke")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"card_id": await _card_of_flo(world)})


# ---------------------------------------------------------------- pages


@sample("POST", "/g/{slug}/sign-in")
async def _(world: World, name: str | None) -> Ask:
    """With one's own card; a wrong one shows the form again."""
    return Ask(more={"data": {"card": await card(world, name), "key": "k" * 32}})


@sample("POST", "/g/{slug}/sign-out")
async def _(world: World, name: str | None) -> Ask:
    return Ask(more={"data": {}})


@sample("POST", "/g/{slug}/prove")
async def _(world: World, name: str | None) -> Ask:
    return Ask(more={"data": {"card": await card(world, name), "key": "k" * 32}})


@sample("POST", "/g/{slug}/me/ways-in/{act}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"act": "sessions-end"}, more={"data": {}})


@sample("POST", "/g/{slug}/sign-in/mail")
async def _(world: World, name: str | None) -> Ask:
    return Ask(more={"data": {"who": "Flo"}})


async def _until_sent(world: World) -> None:
    """Wait until nobody waits for a look-up or for a letter: two conversations may go on at once, in any order."""
    async with asyncio.timeout(10):
        while True:
            async with world.house.database.write_door(world.stage.cast.group_id) as connection:
                waits = await connection.fetchval(
                    "SELECT (SELECT count(*) FROM people.mail_asks)"
                    " + (SELECT count(*) FROM people.outbox WHERE state = 'waiting')"
                )
                await connection.execute("ROLLBACK")
            if not waits:
                return
            await asyncio.sleep(0.01)


def _mailed(world: World, address: str, since: int) -> str:
    """The secret of the link that came to an address; one that never was if there came none."""
    for letter in world.sink.messages[since:]:
        if letter["To"] == address:
            words = letter.get_content().split()
            return str(next(word for word in words if f"/g/{SLUG}/" in word).rpartition("/")[2])
    return "x" * 43


async def _link_to_sign_in(world: World, name: str | None) -> Ask:
    """The link that somebody is mailed who asks for one in this browser; whoever carries a duty gets none."""
    address = await world.give_address(name) if name else ""
    since, cookie = len(world.sink.messages), ""
    # Who asks is looked up in order: once Flo got her link, what there is for those before her is written.
    last = await world.give_address("flo")
    for who in (name or "nobody", "flo"):
        answer = await world.http.post(f"/g/{SLUG}/sign-in/mail", data={"who": who.title()})
        cookie = cookie or answer.headers["set-cookie"].partition(";")[0]
        world.http.cookies.clear()
    await until(lambda: last in [letter["To"] for letter in world.sink.messages[since:]])
    await _until_sent(world)
    return Ask({"secret": _mailed(world, address, since)}, more={"headers": {"Cookie": cookie}})


async def _link_to_confirm(world: World, name: str | None) -> Ask:
    """The link that confirms an address which somebody set just now."""
    address, since = f"person{next(_numbers)}@mail.example", len(world.sink.messages)
    answer = await world.stage.post(name, "/me/mail", {"address": address})
    if answer.status_code == 200:
        await until(lambda: address in [letter["To"] for letter in world.sink.messages[since:]])
    return Ask({"secret": _mailed(world, address, since)})


for _method in ("GET", "POST"):
    sample(_method, "/g/{slug}/sign-in/mail/{secret}")(_link_to_sign_in)
    sample(_method, "/g/{slug}/mail/{secret}")(_link_to_confirm)


@sample("GET", "/g/{slug}/join/{secret}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await invitation(world))["secret"]})


@sample("POST", "/g/{slug}/join/{secret}")
async def _(world: World, name: str | None) -> Ask:
    secret = (await invitation(world))["secret"]
    key = (await world.stage.get(None, f"/invitations/{secret}")).json()["key"]
    return Ask({"secret": secret}, more={"data": {"nickname": _fresh_name(), "key": key}})


# ---------------------------------------------------------------- receipts


@sample("GET", f"{GROUP}/me/receipts/{{entry_id}}")
async def _(world: World, name: str | None) -> Ask:
    """Of hours that ada, who is the member of the matrix, gave."""
    body = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    said = await world.do("ada", "/hours", body)
    return Ask({"entry_id": str(said["entry"])})


# ---------------------------------------------------------------- auditors


def a_key() -> dict[str, str]:
    """A key that nobody introduced yet."""
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return {"key": verifier_key(f"auditor.example/{next(_numbers)}", public, COSIGNATURE)}


@sample("POST", f"{GROUP}/audit/key")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json=a_key())


@sample("POST", f"{GROUP}/audit/key/withdraw")
async def _(world: World, name: str | None) -> Ask:
    if name == "al":
        await world.do("al", "/audit/key", a_key())
    return Ask(json={})
