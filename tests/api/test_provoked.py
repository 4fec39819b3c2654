"""Refusals that rules and book give, each provoked at the route that names it: one request, one code."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy

from tests.api.principals import World
from tests.api.samples_of_money import asked, draw, hours_for_ada, place, proposal
from tests.api.samples_of_people import SOME_ID, somebody
from tests.cast import OTHER_SLUG
from timebank.services import joining
from timebank.services.writer import Writer

EUROS = {"amount": 100, "currency": "EUR"}
EARLY, LATE = "2025-01-01", "2099-01-01"
YES = ("di", "approve", {})
PAID = ("kit", "hand-over", {"held": "bank"})
NEVER = "x" * 32


async def provoke(world: World, path: str, *tries: tuple[str | None, Any, str]) -> None:
    """Post to one path as somebody each, and check the code that comes."""
    for name, body, code in tries:
        answer = await world.stage.post(name, path, body)
        assert answer.status_code >= 400, (path, name, body, answer.text)
        assert answer.json()["code"] == code, (path, name, body, answer.text)


async def test_hours_that_cannot_be(world: World) -> None:
    ids = world.stage.cast.ids
    hours = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    ask = {"pot": "hours", "minutes": 60, "category": "company"}
    own = (await world.do("ada", "/draws", ask))["id"]
    waits = (await world.do("ada", "/draws", ask))["id"]
    await world.do("bo", f"/draws/{own}/approve", {})
    await provoke(
        world,
        "/hours",
        ("ada", {**hours, "receiver": str(ids["ada"])}, "same_account_twice"),
        ("ada", {**hours, "draw": own}, "own_draw"),
        ("flo", {**hours, "draw": waits}, "draw_not_open"),
        ("flo", {**hours, "draw": SOME_ID}, "unknown_draw"),
    )
    both = [{"giver": str(ids[name]), "weight": 1} for name in ("ada", "flo")]
    shares = {**hours, "givers": both}
    await provoke(
        world,
        "/hours/shares",
        ("ada", {**shares, "minutes": 0}, "amount_out_of_range"),
        ("ada", {**shares, "effective_on": EARLY}, "date_before_begin"),
        ("ada", {**shares, "effective_on": LATE}, "date_in_future"),
        ("ada", {**shares, "category": "gold"}, "unknown_category"),
        ("ada", {**shares, "pot": "gold"}, "unknown_pot"),
        ("ada", {**shares, "receiver": str(ids["flo"])}, "same_account_twice"),
        ("ada", {**shares, "draw": own}, "own_draw"),
        ("ada", {**shares, "draw": waits}, "draw_not_open"),
    )
    there = {**hours, "category": "zyxwq-care", "receiver": str(ids["eve"]), "mode": "exchange"}
    answer = await world.stage.post("dot", "/hours", there, slug=OTHER_SLUG)
    assert answer.json()["code"] == "no_time_bank"


async def test_steps_of_hours_that_are_not_ones_own_or_not_now(world: World) -> None:
    logged = await hours_for_ada(world)
    await provoke(
        world,
        f"/hours/{logged}/question",
        ("flo", {"minutes": 20}, "not_your_hours"),
        ("ada", {"minutes": 0}, "amount_out_of_range"),
    )
    await provoke(world, f"/hours/{logged}/withdraw", ("ada", {}, "not_your_hours"))
    await provoke(world, f"/hours/{logged}/settle", ("bo", {"minutes": 0}, "amount_out_of_range"))
    await world.do("flo", f"/hours/{logged}/withdraw", {})
    for step, name, body in (
        ("confirm", "ada", {}),
        ("question", "ada", {"minutes": 20}),
        ("settle", "bo", {"minutes": 20}),
        ("withdraw", "flo", {}),
    ):
        await provoke(world, f"/hours/{logged}/{step}", (name, body, "hours_not_open"))
    hours = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    own = (await world.do("bo", "/hours", hours))["id"]
    await provoke(world, f"/hours/{own}/settle", ("bo", {"minutes": 20}, "own_hours"))
    draw_of_hours = (await world.do("ada", "/draws", {"pot": "hours", "minutes": 60, "category": "company"}))[
        "id"
    ]
    await world.do("bo", f"/draws/{draw_of_hours}/approve", {})
    given = (await world.do("flo", "/hours", {**hours, "draw": draw_of_hours}))["id"]
    await provoke(world, f"/hours/{given}/withdraw", ("flo", {}, "entry_belongs_to_draw"))
    await provoke(world, f"/hours/{given}/settle", ("di", {"minutes": 20}, "entry_belongs_to_draw"))
    await provoke(world, f"/draws/{draw_of_hours}/undo", ("ed", {"entry": given}, "not_your_entry"))


async def test_money_that_cannot_be(world: World) -> None:
    closed, empty = await place(world, closed=True), await place(world)
    money = {"pot": "money", **EUROS, "held": "bank", "effective_on": world.today}
    await provoke(
        world,
        "/money",
        ("ed", {**money, "effective_on": EARLY}, "date_before_begin"),
        ("ed", {**money, "effective_on": LATE}, "date_in_future"),
        ("ed", {**money, "held": "gold"}, "unknown_held_place"),
        ("ed", {**money, "pot": "gold"}, "unknown_pot"),
        ("ed", {**money, "held": closed}, "account_closed"),
    )
    carry = {"from": "bank", "to": "cash-box", **EUROS}
    await provoke(
        world,
        "/held/moves",
        ("ed", {**carry, "amount": 0}, "amount_out_of_range"),
        ("ed", {**carry, "effective_on": EARLY}, "date_before_begin"),
        ("ed", {**carry, "effective_on": LATE}, "date_in_future"),
        ("ed", {**carry, "to": "gold"}, "unknown_held_place"),
        ("ed", {**carry, "to": closed}, "account_closed"),
        ("ed", {**carry, "from": empty}, "below_floor"),
    )
    await provoke(
        world,
        f"/held/{empty}/counts",
        ("bo", {"amount": -1, "currency": "EUR"}, "amount_out_of_range"),
        ("bo", {"amount": 1, "currency": "USD"}, "unit_mismatch"),
        ("bo", {"amount": 1, "currency": "EUR", "pot": "gold"}, "unknown_pot"),
    )
    counted = (await world.do("kit", f"/held/{empty}/counts", {"amount": 5, "currency": "EUR"}))["proposal"]
    await world.do("bo", f"/held/{empty}/close", {})
    path = f"/held/{empty}/counts/{counted}/sign"
    await provoke(world, path, ("bo", {}, "account_closed"))
    await world.do("bo", f"/proposals/{counted}/withdraw", {})
    await provoke(world, path, ("bo", {}, "proposal_not_open"))


async def test_proposals_that_cannot_be(world: World) -> None:
    out = {"pot": "money", "held": "bank", **EUROS}
    dated = ((EARLY, "date_before_begin"), (LATE, "date_in_future"))
    for path, body in (
        ("/money/out", out),
        ("/pots/moves", {"from": "money", "to": "spare", **EUROS}),
        ("/openings", out),
    ):
        which = "from" if "from" in body else "pot"
        await provoke(
            world,
            path,
            ("ed", {**body, "amount": 0}, "amount_out_of_range"),
            ("ed", {**body, which: "gold"}, "unknown_pot"),
            *(("ed", {**body, "effective_on": on}, code) for on, code in dated),
        )
    await provoke(world, "/money/out", ("ed", {**out, "category": "gold"}, "unknown_category"))
    for path in ("/money/out", "/openings"):
        await provoke(world, path, ("ed", {**out, "held": "gold"}, "unknown_held_place"))
    own, empty = await proposal(world), await place(world)
    await provoke(world, f"/proposals/{own}/sign", ("kit", {}, "own_proposal"))
    nothing_there = (await world.do("kit", "/money/out", {**out, "held": empty}))["proposal"]
    await provoke(world, f"/proposals/{nothing_there}/sign", ("bo", {}, "below_floor"))
    await world.do("bo", f"/held/{empty}/close", {})
    await provoke(world, f"/proposals/{nothing_there}/sign", ("bo", {}, "account_closed"))
    await world.do("bo", f"/proposals/{own}/withdraw", {})
    await provoke(world, f"/proposals/{own}/withdraw", ("bo", {}, "proposal_not_open"))


async def test_asks_that_cannot_be(world: World) -> None:
    ask = {"pot": "money", **EUROS, "category": "repairs"}
    await provoke(
        world,
        "/draws",
        ("ada", {**ask, "amount": 0}, "amount_out_of_range"),
        ("ada", {**ask, "category": "gold"}, "unknown_category"),
    )
    cancelled = await draw(world, ("ada", "cancel", {}))
    for step, name, body in (
        ("approve", "di", {}),
        ("cancel", "ada", {}),
        ("release", "di", {}),
        ("return", "ed", {"held": "bank", **EUROS}),
        ("step-aside", "di", {}),
        ("hand-over", "ed", {"held": "bank"}),
    ):
        await provoke(world, f"/draws/{cancelled}/{step}", (name, body, "draw_not_open"))
    waits = await draw(world)
    await provoke(
        world, f"/draws/{waits}/approve", ("di", {"amount": 101, "currency": "EUR"}, "amount_out_of_range")
    )
    await provoke(
        world,
        f"/draws/{waits}/change",
        ("ada", {"amount": 0, "currency": "EUR"}, "amount_out_of_range"),
        ("ada", {"amount": 5, "currency": "USD"}, "unit_mismatch"),
    )
    await provoke(world, f"/draws/{waits}/object", ("di", {}, "policy_refuses"))
    spare = (await world.do("ada", "/draws", {**ask, "pot": "spare"}))["id"]
    await provoke(world, f"/draws/{spare}/object", ("di", {"withdraw": True}, "already_done"))


async def test_nobody_who_asked_or_stepped_aside_has_a_say(world: World) -> None:
    ask = {"pot": "spare", **EUROS, "category": "repairs"}
    own = (await world.do("bo", "/draws", ask))["id"]
    aside = (await world.do("ada", "/draws", ask))["id"]
    await world.do("bo", f"/draws/{aside}/step-aside", {})
    steps = {
        "approve": {},
        "decline": {},
        "object": {},
        "question": {"text": "?"},
        "step-aside": {},
        "release": {},
    }
    for step, body in steps.items():
        await provoke(world, f"/draws/{own}/{step}", ("bo", body, "own_draw"))
        await provoke(world, f"/draws/{aside}/{step}", ("bo", body, "stepped_aside"))
    for name, code in (("ed", "stepped_aside"), ("kit", "own_draw")):
        if name == "kit":
            made = (await world.do("kit", "/draws", {"pot": "money", **EUROS, "category": "repairs"}))["id"]
            await world.do("di", f"/draws/{made}/approve", {})
        else:
            made = await draw(world, YES, ("ed", "step-aside", {}))
        await provoke(world, f"/draws/{made}/hand-over", (name, {"held": "bank"}, code))
        looked = await world.stage.get(name, f"/draws/{made}/payout")
        assert looked.json()["code"] == code
        other = "ed" if name == "kit" else "kit"
        paid = await world.do(other, f"/draws/{made}/hand-over", {"held": "bank"})
        back = {"held": "bank", "amount": 1, "currency": "EUR"}
        await provoke(world, f"/draws/{made}/return", (name, back, code))
        await provoke(world, f"/draws/{made}/undo", (name, {"entry": paid["entry"]}, code))


async def test_hand_overs_that_cannot_be(world: World) -> None:
    closed, empty = await place(world, closed=True), await place(world)
    promised = await draw(world, YES)
    await provoke(world, f"/draws/{promised}/step-aside", ("di", {}, "already_approved"))
    give = {"held": "bank"}
    await provoke(
        world,
        f"/draws/{promised}/hand-over",
        ("ed", {**give, "amount": 0, "currency": "EUR"}, "amount_out_of_range"),
        ("ed", {**give, "effective_on": EARLY}, "date_before_begin"),
        ("ed", {**give, "effective_on": LATE}, "date_in_future"),
        ("ed", {"held": "gold"}, "unknown_held_place"),
        ("ed", {"held": closed}, "account_closed"),
        ("ed", {"held": empty}, "below_floor"),
    )
    await provoke(
        world,
        f"/draws/{promised}/release",
        ("bo", {"amount": 0, "currency": "EUR"}, "amount_out_of_range"),
    )
    paid = await world.do("kit", f"/draws/{promised}/hand-over", {"held": "bank"})
    back = {"held": "bank", "amount": 1, "currency": "EUR"}
    await provoke(
        world,
        f"/draws/{promised}/return",
        ("ed", {**back, "amount": 0}, "amount_out_of_range"),
        ("ed", {**back, "currency": "USD"}, "unit_mismatch"),
        ("ed", {**back, "effective_on": EARLY}, "date_before_begin"),
        ("ed", {**back, "effective_on": LATE}, "date_in_future"),
        ("ed", {**back, "held": "gold"}, "unknown_held_place"),
        ("ed", {**back, "held": closed}, "account_closed"),
    )
    undo = {"entry": paid["entry"]}
    await provoke(
        world,
        f"/draws/{promised}/undo",
        ("bo", {**undo, "held": "gold"}, "unknown_held_place"),
        ("bo", {**undo, "held": closed}, "account_closed"),
    )
    await world.do("bo", f"/draws/{promised}/undo", undo)
    await provoke(world, f"/draws/{promised}/undo", ("bo", undo, "already_corrected"))
    await world.do("bo", f"/draws/{promised}/release", {})
    await provoke(world, f"/draws/{promised}/undo", ("bo", undo, "draw_not_open"))


async def test_corrections_that_cannot_be(world: World) -> None:
    closed = await place(world, closed=True)
    hours = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    logged = (await world.do("flo", "/hours", hours))["entry"]
    why = {"reason": "typo"}
    await provoke(
        world,
        f"/entries/{logged}/correct",
        ("flo", {**why, "instead": {"minutes": 0}}, "amount_out_of_range"),
        ("flo", {**why, "instead": {"category": "gold"}}, "unknown_category"),
        ("flo", {**why, "instead": {"effective_on": EARLY}}, "date_before_begin"),
        ("flo", {**why, "instead": {"effective_on": LATE}}, "date_in_future"),
    )
    mirror = (await world.do("flo", f"/entries/{logged}/correct", why))["entry"]
    await provoke(world, f"/entries/{logged}/correct", ("bo", why, "already_corrected"))
    await provoke(world, f"/entries/{mirror}/correct", ("bo", why, "correction_of_correction"))
    paid = await world.do("kit", f"/draws/{await draw(world, YES)}/hand-over", {"held": "bank"})
    await provoke(world, f"/entries/{paid['entry']}/correct", ("bo", why, "entry_belongs_to_draw"))
    tin = await place(world)
    money = {"pot": "money", **EUROS, "held": tin, "effective_on": world.today}
    given = (await world.do("ed", "/money", money))["entry"]
    moved = (await world.do("ed", "/held/moves", {"from": tin, "to": "bank", **EUROS}))["entry"]
    await provoke(
        world,
        f"/entries/{given}/correct",
        ("ed", {**why, "held": "gold"}, "unknown_held_place"),
        ("ed", {**why, "held": closed}, "account_closed"),
        ("ed", why, "below_floor"),
    )
    await provoke(world, f"/entries/{moved}/correct", ("ed", {**why, "held": tin}, "same_account_twice"))


async def test_asks_without_an_account_that_cannot_be(world: World) -> None:
    secret, made = await asked(world)
    ask = {"pot": "money", **EUROS, "category": "repairs"}
    for body, code in (
        ({**ask, "amount": 0}, "amount_out_of_range"),
        ({**ask, "category": "gold"}, "unknown_category"),
        ({**ask, "pot": "gold"}, "unknown_pot"),
        ({**ask, "pot": "spare"}, "needs_account"),
    ):
        form = (await world.stage.get(None, "/asks")).json()["secret"]
        await provoke(world, f"/asks/{form}", (None, body, code))
    for step, body in (
        ("change", {"amount": 5, "currency": "EUR"}),
        ("answer", {"text": "Friday"}),
        ("cancel", {}),
        ("arrived", {}),
    ):
        await provoke(world, f"/asks/{secret}/{step}", (None, body, "key_not_issued"))
        await provoke(world, f"/asks/{NEVER}/{step}", (None, body, "unknown_draw"))

    async def with_key(step: str, body: Any, code: str) -> None:
        key = (await world.stage.get(None, f"/asks/{secret}")).json()["key"]
        answer = await world.stage.post(None, f"/asks/{secret}/{step}", body, key=key)
        assert answer.json()["code"] == code, answer.text

    await with_key("change", {"amount": 0, "currency": "EUR"}, "amount_out_of_range")
    await with_key("change", {"amount": 5, "currency": "USD"}, "unit_mismatch")
    await with_key("answer", {"text": "Friday"}, "draw_not_open")
    await with_key("arrived", {}, "draw_not_open")
    await provoke(world, f"/asks/{NEVER}", (None, ask, "unknown_draw"))
    assert made


async def test_people_who_are_not_there_or_in_another_state(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = await somebody(world)
    await world.do("di", f"/members/{gone}/leave", {})
    for act, body in (
        ("code", {}),
        ("household", {"with": None}),
        ("leave", {}),
        ("rename", {"nickname": "Nobody else"}),
        ("roles", {"give": ["auditor"]}),
    ):
        await provoke(world, f"/members/{gone}/{act}", ("bo", body, "member_not_open"))
    await provoke(world, "/members", ("bo", {"nickname": "Nobody", "roles": ["host"]}, "may_not_give"))
    await provoke(world, f"/stand-ins/{SOME_ID}/end", ("bo", {}, "unknown_stand_in"))
    for act in ("withdraw", "enter"):
        await provoke(world, f"/join-requests/{NEVER}/{act}", (None, None, "unknown_join_request"))
    invited = (await world.do("di", "/invitations", {"uses": 5}))["secret"]
    key = (await world.stage.get(None, f"/invitations/{invited}")).json()["key"]
    answer = await world.stage.post(None, f"/invitations/{invited}", {"nickname": "Flo"}, key=key)
    assert answer.json()["code"] == "nickname_taken"

    await provoke(world, "/join-requests", (None, {"nickname": "Rui"}, "key_not_issued"))
    monkeypatch.setattr(joining, "WAITING_MAX", 0)
    key = (await world.stage.get(None, "/joining")).json()["key"]
    answer = await world.stage.post(None, "/join-requests", {"nickname": "Rui"}, key=key)
    assert (answer.status_code, answer.json()["code"]) == (503, "join_requests_full")


async def test_whoever_hears_nothing_of_a_commit_finds_out_with_the_same_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    execute, decide = PoolConnectionProxy.execute, Writer._decide_and_apply
    written = []

    async def decided(self: Writer, *args: Any) -> Any:
        written.append(True)
        return await decide(self, *args)

    async def lost(self: Any, query: str, *args: Any, **more: Any) -> str:
        done: str = await execute(self, query, *args, **more)
        if query == "COMMIT" and written:
            raise asyncpg.ConnectionDoesNotExistError("it went away")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_decide_and_apply", decided)
        patch.setattr(PoolConnectionProxy, "execute", lost)
        first = await world.stage.post("ada", "/hours", hours, key="lost once")
    again = await world.stage.post("ada", "/hours", hours, key="lost once")

    assert (first.status_code, first.json()["code"]) == (503, "outcome_unknown")
    assert first.json()["retryable"] is True
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
