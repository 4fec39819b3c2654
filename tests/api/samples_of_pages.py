"""Good requests for the pages of members and of duties; see sample_requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.api.principals import World
from tests.api.sample_requests import Ask, sample
from tests.api.samples_of_money import hours_for_ada
from tests.cast import SLUG
from timebank.ledger.cosignatures import cosign
from timebank.ledger.notes import signature_line
from timebank.services.asks import find_holder, make_form, make_key
from timebank.services.close import close_period
from timebank.web.sending import new_key

ASKING = {"pot": "money", "amount": "1.00", "kind": "repairs"}


def _form(path: dict[str, str] | None = None, **fields: str) -> Ask:
    """A form that was not sent yet."""
    return Ask(path or {}, more={"data": {"key": new_key(), **fields}})


# ---------------------------------------------------------------- asking without an account


@sample("GET", "/g/{slug}/a/{secret}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": make_form(world.house.keys, world.stage.cast.group_id)})


@sample("POST", "/g/{slug}/a/{secret}")
async def _(world: World, name: str | None) -> Ask:
    keys, group_id = world.house.keys, world.stage.cast.group_id
    secret = make_form(keys, group_id)
    holder = await find_holder(world.house, group_id, secret)
    key = make_key(keys, group_id, holder.link_hash)
    return Ask({"secret": secret}, more={"data": {**ASKING, "key": key}})


# ---------------------------------------------------------------- hours


@sample("POST", "/g/{slug}/log")
async def _(world: World, name: str | None) -> Ask:
    """Help for the whole group."""
    return _form(what="gave", who="", day=world.today, kind="cooking", minutes="30")


async def _logged_by_ada(world: World) -> str:
    """Hours that ada, who is the member of the matrix, says to have given flo."""
    body = {"minutes": 30, "effective_on": world.today, "category": "cooking", "mode": "exchange"}
    said = await world.do("ada", "/hours", {**body, "receiver": str(world.stage.cast.ids["flo"])})
    return str(said["id"])


@sample("GET", "/g/{slug}/log/{hours_id}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"hours_id": await _logged_by_ada(world)})


@sample("POST", "/g/{slug}/log/{hours_id}/undo")
async def _(world: World, name: str | None) -> Ask:
    return _form({"hours_id": await _logged_by_ada(world)})


@sample("POST", "/g/{slug}/me/hours/{hours_id}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"hours_id": await hours_for_ada(world)}, say="yes")


@sample("POST", "/g/{slug}/today/hours/{hours_id}")
async def _(world: World, name: str | None) -> Ask:
    hours = await hours_for_ada(world)
    await world.do("ada", f"/hours/{hours}/question", {"minutes": 20})
    return _form({"hours_id": hours}, time="0:25")


# ---------------------------------------------------------------- asks


async def _asked(world: World, name: str, *, approved: bool = False) -> str:
    ask = {"pot": "money", "amount": 100, "currency": "EUR", "category": "repairs"}
    draw = str((await world.do(name, "/draws", ask))["id"])
    if approved:
        await world.do("di", f"/draws/{draw}/approve", {})
    return draw


@sample("POST", "/g/{slug}/ask")
async def _(world: World, name: str | None) -> Ask:
    return _form(**ASKING)


@sample("GET", "/g/{slug}/asks/{draw_id}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await _asked(world, "ada")})


@sample("POST", "/g/{slug}/asks/{draw_id}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"draw_id": await _asked(world, "ada")}, act="cancel")


@sample("GET", "/g/{slug}/today/{draw_id}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await _asked(world, "flo")})


@sample("GET", "/g/{slug}/today/all/{kind}")
async def _(world: World, name: str | None) -> Ask:
    await _asked(world, "flo")
    return Ask({"kind": "asks"})


@sample("POST", "/g/{slug}/today/{draw_id}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"draw_id": await _asked(world, "flo")}, say="yes")


@sample("POST", "/g/{slug}/today/{draw_id}/who")
async def _(world: World, name: str | None) -> Ask:
    return _form({"draw_id": await _asked(world, "flo")})


@sample("POST", "/g/{slug}/pay/{draw_id}")
async def _(world: World, name: str | None) -> Ask:
    draw = await _asked(world, "flo", approved=True)
    return _form({"draw_id": draw}, held="bank", amount="1.00", day=world.today)


@sample("POST", "/g/{slug}/pay/{draw_id}/papers")
async def _(world: World, name: str | None) -> Ask:
    return _form({"draw_id": await _asked(world, "flo", approved=True)})


# ---------------------------------------------------------------- the public log


@sample("GET", "/g/{slug}/periods/{number}")
async def _(world: World, name: str | None) -> Ask:
    """The first page of the book, which ends with today."""
    if "a page" not in world.kept:
        now = datetime.now(UTC) + timedelta(days=1)
        await close_period(world.house, world.stage.cast.group_id, now=now)
        world.kept["a page"] = "1"
    return Ask({"number": "1"})


@sample("GET", "/g/{slug}/log/tile/{path}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"path": "entries/000.p/1"})


@sample("POST", "/g/{slug}/log/cosignatures")
async def _(world: World, name: str | None) -> Ask:
    """Somebody whom nobody made a witness."""
    note = (await world.http.get(f"/g/{SLUG}/log/checkpoint")).text
    stranger = Ed25519PrivateKey.generate()
    public = stranger.public_key().public_bytes_raw()
    line = signature_line(
        cosign(note.split("\n\n")[0] + "\n", "witness.example/cy", public, stranger.sign, at=1)
    )
    return Ask(more={"content": note + line, "headers": {"Content-Type": "text/plain"}})


@sample("GET", "/g/{slug}/log/policies/{pot}/{version}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"pot": "money", "version": "1"})
