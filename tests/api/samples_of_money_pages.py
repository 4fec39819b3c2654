"""Good requests for the pages about money, places and second signatures, and about the machine; see sample_requests."""

from __future__ import annotations

from typing import Final

from tests.api.principals import World
from tests.api.sample_requests import Ask, sample
from tests.api.samples_of_money import EUROS, draw, place, proposal
from timebank.web.sending import new_key

MONEY: Final = "/g/{slug}/money"
#: A second look was taken.
_CHECKED: Final = {"checked": "yes"}


def form(path: dict[str, str] | None = None, **fields: str) -> Ask:
    """A form that was not sent yet."""
    return Ask(path or {}, more={"data": {"key": new_key(), **fields}})


# ---------------------------------------------------------------- what the forms say


def money_in(world: World) -> dict[str, str]:
    """Money that somebody outside gave."""
    return {"amount": "1.00", "pot": "money", "held": "bank", "day": world.today}


def carried(world: World) -> dict[str, str]:
    """Money carried from the bank to the box."""
    return {"amount": "0.01", "source": "bank", "held": "cash-box", "day": world.today}


def money_out(world: World) -> dict[str, str]:
    """Money out without an ask."""
    return {"amount": "1.00", "pot": "money", "held": "bank", "day": world.today, "reason": "soup"}


def between_pots(world: World) -> dict[str, str]:
    """What one pot of money passes on to another."""
    return {"amount": "1.00", "pot": "money", "to": "spare", "day": world.today}


COUNTED: Final = {"amount": "0.05", "pot": "money", "book": "0"}


@sample("POST", f"{MONEY}/in")
async def _(world: World, name: str | None) -> Ask:
    return form(**money_in(world), **_CHECKED)


@sample("POST", f"{MONEY}/carry")
async def _(world: World, name: str | None) -> Ask:
    return form(**carried(world), **_CHECKED)


@sample("POST", f"{MONEY}/out")
async def _(world: World, name: str | None) -> Ask:
    return form(**money_out(world), **_CHECKED)


@sample("POST", f"{MONEY}/pots")
async def _(world: World, name: str | None) -> Ask:
    return form(**between_pots(world), **_CHECKED)


# ---------------------------------------------------------------- entries


async def came_in(world: World) -> str:
    """Money that a treasurer wrote down who is nobody in the matrix."""
    body = {"pot": "money", **EUROS, "held": "bank", "effective_on": world.today}
    return str((await world.do("kit", "/money", body))["entry"])


@sample("GET", f"{MONEY}/entries/{{entry_id}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"entry_id": await came_in(world)})


@sample("POST", f"{MONEY}/entries/{{entry_id}}/undo")
async def _(world: World, name: str | None) -> Ask:
    return form({"entry_id": await came_in(world)}, held="bank", reason="Written twice")


async def handed_over(world: World) -> str:
    """Money of an ask that went to whoever asked."""
    ask = {"pot": "money", "amount": 100, "currency": "EUR", "category": "repairs"}
    made = (await world.do("flo", "/draws", ask))["id"]
    await world.do("di", f"/draws/{made}/approve", {})
    return str((await world.do("kit", f"/draws/{made}/hand-over", {"held": "bank"}))["entry"])


@sample("POST", f"{MONEY}/entries/{{entry_id}}/return")
async def _(world: World, name: str | None) -> Ask:
    return form({"entry_id": await handed_over(world)}, held="bank", back="0.25")


# ---------------------------------------------------------------- places


@sample("POST", f"{MONEY}/new-place")
async def _(world: World, name: str | None) -> Ask:
    return form(kind="cash")


@sample("GET", f"{MONEY}/places/{{held}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"held": await place(world)})


@sample("POST", f"{MONEY}/places/{{held}}")
async def _(world: World, name: str | None) -> Ask:
    return form({"held": await place(world)}, **COUNTED, **_CHECKED)


@sample("POST", f"{MONEY}/places/{{held}}/close")
async def _(world: World, name: str | None) -> Ask:
    return form({"held": await place(world)})


@sample("POST", f"{MONEY}/places/{{held}}/reopen")
async def _(world: World, name: str | None) -> Ask:
    return form({"held": await place(world, closed=True)})


# ---------------------------------------------------------------- second signatures


@sample("GET", f"{MONEY}/second/{{proposal_id}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"proposal_id": await proposal(world)})


@sample("POST", f"{MONEY}/second/{{proposal_id}}")
async def _(world: World, name: str | None) -> Ask:
    return form({"proposal_id": await proposal(world)}, say="sign")


# ---------------------------------------------------------------- giving back what is promised, and the machine


@sample("POST", "/g/{slug}/pay/{draw_id}/back")
async def _(world: World, name: str | None) -> Ask:
    return form({"draw_id": await draw(world, ("di", "approve", {}))}, back="0.50")


@sample("POST", "/g/{slug}/host/link")
async def _(world: World, name: str | None) -> Ask:
    return form()
