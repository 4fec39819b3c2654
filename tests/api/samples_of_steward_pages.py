"""Good requests for the pages of stewards, and for those on which members change what is their own; see sample_requests."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from tests.api.principals import GONE, PRINCIPALS, World
from tests.api.sample_requests import Ask, sample
from tests.api.samples_of_money import asked
from tests.api.samples_of_people import duty, invitation, key_to_join, request, somebody
from tests.cast import SLUG
from tests.web.member import fields_of
from timebank.services.members import NewMember, add_members
from timebank.web.sending import new_key

_numbers = itertools.count()


def _fresh_name() -> str:
    return f"Newcomer {next(_numbers)}"


def _form(path: dict[str, str] | None = None, **fields: Any) -> Ask:
    """A form that was not sent yet."""
    return Ask(path or {}, more={"data": {"key": new_key(), **fields}})


async def _steward(world: World) -> tuple[dict[str, str], str]:
    """A browser of bo, who is the steward of the matrix: its headers, and the token of its forms."""
    headers, cookie = await world.signed_in("bo")
    return {"Cookie": cookie}, headers["X-CSRF-Token"]


async def _filled(world: World, path: str) -> dict[str, Any]:
    """Return what stands in the fields of a page that a steward sees."""
    headers, _ = await _steward(world)
    page = await world.http.get(f"/g/{SLUG}{path}", headers=headers)
    fields = fields_of(page.text)
    return {name: value for name, value in fields.items() if name not in {"csrf", "key"}}


# ---------------------------------------------------------------- asking to join


@sample("POST", "/g/{slug}/ask-to-join")
async def _(world: World, name: str | None) -> Ask:
    return Ask(more={"data": {"key": await key_to_join(world), "nickname": _fresh_name()}})


@sample("GET", "/g/{slug}/ask-to-join/{secret}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await request(world))[0]})


@sample("POST", "/g/{slug}/ask-to-join/{secret}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"secret": (await request(world))[0]}, say="withdraw")


# ---------------------------------------------------------------- one's own


@sample("POST", "/g/{slug}/me/settings/{setting}")
async def _(world: World, name: str | None) -> Ask:
    """Whatever the browser says."""
    return _form({"setting": "language"}, language="")


async def somebody_who_goes(world: World, name: str) -> tuple[dict[str, str], str]:
    """Somebody new with the duties of one of the cast: (headers, token of forms)."""
    cast = world.stage.cast
    (cast.ids["goer"],) = await add_members(
        cast.house,
        cast.group_id,
        [NewMember(_fresh_name(), await _duties(world, name))],
        now=datetime.now(UTC),
    )
    headers, cookie = await world.signed_in("goer")
    return {"Cookie": cookie}, headers["X-CSRF-Token"]


async def _duties(world: World, name: str) -> tuple[str, ...]:
    role = next(role for role, who in PRINCIPALS.items() if who == name)
    return () if role == "member" else (role,)


def _register(act: str) -> None:
    @sample("POST", f"/g/{{slug}}/me/{act}")
    async def _(world: World, name: str | None) -> Ask:
        if name is None or name == GONE or world.group_of(name) != world.stage.cast.group_id:
            return _form(sure="yes")
        headers, csrf = await somebody_who_goes(world, name)
        ask = _form(sure="yes", csrf=csrf)
        ask.more["headers"] = headers
        return ask


for _act in ("leave", "forget"):
    _register(_act)


# ---------------------------------------------------------------- hours of others


ROW = {"rows": "1", "giver-0": "Flo", "receiver-0": "", "time-0": "0:30", "kind-0": "cooking", "day-0": ""}


@sample("POST", "/g/{slug}/log/many")
async def _(world: World, name: str | None) -> Ask:
    return _form(do="look", **ROW)


async def written(world: World) -> str:
    """The key of a form by which bo wrote hours of flo down."""
    headers, csrf = await _steward(world)
    key = new_key()
    fields = {"csrf": csrf, "key": key, "do": "write", **ROW}
    answer = await world.http.post(f"/g/{SLUG}/log/many", data=fields, headers=headers)
    assert answer.status_code == 303, answer.text
    return key


@sample("GET", "/g/{slug}/log/many/{key}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"key": await written(world)})


@sample("POST", "/g/{slug}/log/many/{key}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"key": await written(world)}, do="all")


# ---------------------------------------------------------------- asks whose link is lost


@sample("POST", "/g/{slug}/today/{draw_id}/link")
async def _(world: World, name: str | None) -> Ask:
    return _form({"draw_id": (await asked(world))[1]})


# ---------------------------------------------------------------- people


@sample("POST", "/g/{slug}/people")
async def _(world: World, name: str | None) -> Ask:
    return _form(nickname=_fresh_name())


@sample("POST", "/g/{slug}/people/find")
async def _(world: World, name: str | None) -> Ask:
    return _form(who="Flo")


@sample("POST", "/g/{slug}/people/requests/{request_id}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"request_id": (await request(world))[1]}, say="not-now")


@sample("POST", "/g/{slug}/people/duties/{duty_id}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"duty_id": await duty(world)}, say="yes")


@sample("GET", "/g/{slug}/people/{member_id}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"member_id": await somebody(world)})


@sample("POST", "/g/{slug}/people/{member_id}/{deed}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"member_id": await somebody(world), "deed": "nickname"}, nickname=_fresh_name())


@sample("POST", "/g/{slug}/people/invitations")
async def _(world: World, name: str | None) -> Ask:
    return _form(uses="2", days="7")


@sample("GET", "/g/{slug}/people/invitations/{invitation_id}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"invitation_id": (await invitation(world))["id"]})


@sample("POST", "/g/{slug}/people/invitations/{invitation_id}")
async def _(world: World, name: str | None) -> Ask:
    return _form({"invitation_id": (await invitation(world))["id"]})


# ---------------------------------------------------------------- the group and its rules


@sample("POST", "/g/{slug}/group")
async def _(world: World, name: str | None) -> Ask:
    """A look at what would be different."""
    said = await _filled(world, "/group")
    return _form(**{**said, "name": f"Riverside {next(_numbers)}", "say": "look"})


@sample("GET", "/g/{slug}/group/rules/{pot}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"pot": "money"})


@sample("POST", "/g/{slug}/group/rules/{pot}")
async def _(world: World, name: str | None) -> Ask:
    """A look at what would be different."""
    said = await _filled(world, "/group/rules/money")
    return _form({"pot": "money"}, **{**said, "per_request_max": "50", "say": "look"})
