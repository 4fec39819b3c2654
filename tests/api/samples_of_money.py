"""Good requests for hours that wait, for money, proposals and the life of a draw; see sample_requests."""

from __future__ import annotations

import itertools
from typing import Any

from tests.api.principals import World
from tests.api.sample_requests import GROUP, Ask, sample
from timebank.services.asks import make_form

_numbers = itertools.count()
WINDOW = {"who": "members", "approvals": [{"above": 0, "count": 1}], "consent_hours": 24}
EUROS = {"amount": 100, "currency": "EUR"}


def _number() -> int:
    return next(_numbers)


# ---------------------------------------------------------------- hours that wait


async def hours_for_ada(world: World) -> str:
    """Hours that flo says to have given ada, who is the member of the matrix."""
    ids = world.stage.cast.ids
    body = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    said = await world.do("flo", "/hours", {**body, "receiver": str(ids["ada"]), "mode": "exchange"})
    return str(said["id"])


@sample("POST", f"{GROUP}/hours/shares")
async def _(world: World, name: str | None) -> Ask:
    givers = [{"giver": str(world.stage.cast.ids[who]), "weight": 1} for who in ("ada", "flo")]
    return Ask(json={"minutes": 30, "effective_on": world.today, "category": "cooking", "givers": givers})


@sample("POST", f"{GROUP}/hours/{{hours_id}}/confirm")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"hours_id": await hours_for_ada(world)}, json={})


@sample("POST", f"{GROUP}/hours/{{hours_id}}/question")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"hours_id": await hours_for_ada(world)}, json={"minutes": 20})


@sample("POST", f"{GROUP}/hours/{{hours_id}}/settle")
async def _(world: World, name: str | None) -> Ask:
    hours = await hours_for_ada(world)
    await world.do("ada", f"/hours/{hours}/question", {"minutes": 20})
    return Ask({"hours_id": hours}, json={"minutes": 25})


@sample("POST", f"{GROUP}/hours/{{hours_id}}/withdraw")
async def _(world: World, name: str | None) -> Ask:
    """Withdrawn by whoever logged it: nobody of the matrix but a steward for them, if at all."""
    ids = world.stage.cast.ids
    body = {"minutes": 30, "effective_on": world.today, "category": "cooking", "mode": "exchange"}
    said = await world.do("ada", "/hours", {**body, "receiver": str(ids["flo"])})
    return Ask({"hours_id": said["id"]}, json={})


# ---------------------------------------------------------------- places and proposals


async def place(world: World, *, closed: bool = False) -> str:
    """A place for money that is empty."""
    code = f"tin-{_number()}"
    await world.do("kit", "/held", {"held": code, "kind": "cash", "currency": "EUR"})
    if closed:
        await world.do("kit", f"/held/{code}/close", {})
    return code


@sample("POST", f"{GROUP}/held")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"held": f"box-{_number()}", "kind": "cash", "currency": "EUR"})


@sample("POST", f"{GROUP}/held/{{held}}/close")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"held": await place(world)}, json={})


@sample("POST", f"{GROUP}/held/{{held}}/reopen")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"held": await place(world, closed=True)}, json={})


@sample("POST", f"{GROUP}/held/moves")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"from": "bank", "to": "cash-box", "amount": 1, "currency": "EUR"})


@sample("POST", f"{GROUP}/held/{{held}}/counts")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"held": await place(world)}, json={"amount": 5, "currency": "EUR"})


@sample("POST", f"{GROUP}/held/{{held}}/counts/{{count_id}}/sign")
async def _(world: World, name: str | None) -> Ask:
    held = await place(world)
    said = await world.do("kit", f"/held/{held}/counts", {"amount": 5, "currency": "EUR"})
    return Ask({"held": held, "count_id": said["proposal"]}, json={})


async def proposal(world: World) -> str:
    """Money out, proposed by a treasurer who is nobody in the matrix."""
    said = await world.do("kit", "/money/out", {"pot": "money", "held": "bank", **EUROS})
    return str(said["proposal"])


@sample("POST", f"{GROUP}/money/out")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"pot": "money", "held": "bank", **EUROS})


@sample("POST", f"{GROUP}/pots/moves")
async def _(world: World, name: str | None) -> Ask:
    return Ask(json={"from": "money", "to": "spare", **EUROS})


@sample("POST", f"{GROUP}/openings")
async def _(world: World, name: str | None) -> Ask:
    """Stewards bring hours along, treasurers money."""
    if name == "bo":
        return Ask(json={"pot": "hours", "minutes": 60})
    return Ask(json={"pot": "money", "held": "bank", **EUROS})


@sample("POST", f"{GROUP}/proposals/{{proposal_id}}/sign")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"proposal_id": await proposal(world)}, json={})


@sample("POST", f"{GROUP}/proposals/{{proposal_id}}/withdraw")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"proposal_id": await proposal(world)}, json={})


# ---------------------------------------------------------------- the life of a draw


async def draw(world: World, *steps: tuple[str, str, Any]) -> str:
    """An ask of ada, the member of the matrix, and what others did with it."""
    ask = {"pot": "money", **EUROS, "category": "repairs", "payout": "iban"}
    made = str((await world.do("ada", "/draws", ask))["id"])
    for name, step, body in steps:
        await world.do(name, f"/draws/{made}/{step}", body)
    return made


_YES = ("di", "approve", {})
_PAID = ("kit", "hand-over", {"held": "bank"})

_STEPS: dict[str, tuple[tuple[tuple[str, str, Any], ...], Any]] = {
    "decline": ((), {"reason": "Not this month"}),
    "question": ((), {"text": "By when?"}),
    "answer": ((("di", "question", {"text": "By when?"}),), {"text": "Friday"}),
    "step-aside": ((), {}),
    "cancel": ((), {}),
    "change": ((), {"amount": 50, "currency": "EUR"}),
    "release": ((_YES,), {}),
    "return": ((_YES, _PAID), {"held": "bank", "amount": 1, "currency": "EUR"}),
    "arrived": ((_YES, _PAID), {}),
    "who": ((), {}),
}


def _register(step: str, before: tuple[tuple[str, str, Any], ...], body: Any) -> None:
    @sample("POST", f"{GROUP}/draws/{{draw_id}}/{step}")
    async def _(world: World, name: str | None) -> Ask:
        return Ask({"draw_id": await draw(world, *before)}, json=body)


for _step, (_before, _body) in _STEPS.items():
    _register(_step, _before, _body)


@sample("POST", f"{GROUP}/draws/{{draw_id}}/object")
async def _(world: World, name: str | None) -> Ask:
    """To an ask in the window of a pot that has one."""
    ask = {"pot": "spare", **EUROS, "category": "repairs"}
    made = str((await world.do("ada", "/draws", ask))["id"])
    await world.do("di", f"/draws/{made}/approve", {})
    return Ask({"draw_id": made}, json={"reason": "Too much"})


@sample("POST", f"{GROUP}/draws/{{draw_id}}/undo")
async def _(world: World, name: str | None) -> Ask:
    made = await draw(world, _YES)
    paid = await world.do("kit", f"/draws/{made}/hand-over", {"held": "bank"})
    return Ask({"draw_id": made}, json={"entry": paid["entry"], "held": "bank"})


@sample("GET", f"{GROUP}/draws/{{draw_id}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await draw(world, _YES)})


@sample("GET", f"{GROUP}/draws/{{draw_id}}/payout")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await draw(world, _YES)})


@sample("GET", f"{GROUP}/draws/{{draw_id}}/who")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": await draw(world)})


# ---------------------------------------------------------------- asks without an account


async def asked(world: World, *steps: tuple[str, str, Any]) -> tuple[str, str]:
    """An ask without an account: (its secret, its id)."""
    secret = make_form(world.house.keys, world.stage.cast.group_id)
    answer = await world.stage.post(
        None, f"/asks/{secret}", {"pot": "money", **EUROS, "category": "repairs"}, key=None
    )
    made = str(answer.json()["id"])
    for name, step, body in steps:
        await world.do(name, f"/draws/{made}/{step}", body)
    return secret, made


@sample("POST", f"{GROUP}/draws/{{draw_id}}/link")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"draw_id": (await asked(world))[1]}, json={})


@sample("GET", f"{GROUP}/asks/{{secret}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"secret": (await asked(world))[0]})


@sample("POST", f"{GROUP}/asks/{{secret}}")
async def _(world: World, name: str | None) -> Ask:
    secret = make_form(world.house.keys, world.stage.cast.group_id)
    return Ask({"secret": secret}, json={"pot": "money", **EUROS, "category": "repairs"})


_BY_LINK: dict[str, tuple[tuple[tuple[str, str, Any], ...], Any]] = {
    "change": ((), {"amount": 50, "currency": "EUR"}),
    "answer": ((("di", "question", {"text": "By when?"}),), {"text": "Friday"}),
    "cancel": ((), {}),
    "arrived": ((("di", "approve", {"not_own": True}), _PAID), {}),
}


def _register_by_link(step: str, before: tuple[tuple[str, str, Any], ...], body: Any) -> None:
    @sample("POST", f"{GROUP}/asks/{{secret}}/{step}")
    async def _(world: World, name: str | None) -> Ask:
        secret, _made = await asked(world, *before)
        key = (await world.stage.get(None, f"/asks/{secret}")).json()["key"]
        return Ask({"secret": secret}, json=body, more={"headers": {"Idempotency-Key": key}})


for _step, (_before, _body) in _BY_LINK.items():
    _register_by_link(_step, _before, _body)


@sample("POST", f"{GROUP}/ask-codes")
async def _(world: World, name: str | None) -> Ask:
    given = await world.do("bo", f"/draws/{(await asked(world))[1]}/link", {})
    return Ask(json={"code": given["code"]})


@sample("POST", f"{GROUP}/policies/{{pot}}")
async def _(world: World, name: str | None) -> Ask:
    return Ask({"pot": "spare"}, json={"terms": WINDOW})
