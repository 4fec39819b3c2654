"""What the description gives as examples happens so, and a stranger gets along with nothing but it."""

from __future__ import annotations

from typing import Any

from tests.api.described import Client, Operation, check_answer, operations
from tests.api.principals import PRINCIPALS, World
from tests.api.sample_requests import Ask, build, send
from tests.api.test_matrix import matrix
from tests.cast import SLUG, Stage
from timebank.edge.openapi import build_document

#: Routes that have no example of body and answer yet. A route that is added has one; this only gets shorter.
WITHOUT_EXAMPLE = frozenset(
    [
        "accept_invitation",
        "accept_request",
        "add_passkey",
        "add_totp",
        "agree_on_policy",
        "answer_by_link",
        "answer_draw",
        "arrived_by_link",
        "ask_by_link",
        "ask_to_join",
        "begin_stand_in",
        "cancel_by_link",
        "cancel_draw",
        "change_by_link",
        "change_draw",
        "change_roles",
        "change_settings",
        "close_place",
        "confirm_hours",
        "count_held",
        "decline_draw",
        "decline_request",
        "draw_arrived",
        "end_stand_in",
        "enter_member",
        "erase_member",
        "find_ask_by_code",
        "invite",
        "issue_link_of_draw",
        "leave_group",
        "move_held",
        "object_to_draw",
        "open_place",
        "post_mail",
        "post_stop_recovery",
        "propose_money_out",
        "propose_opening",
        "propose_pot_move",
        "prove",
        "question_draw",
        "question_hours",
        "release_draw",
        "rename_member",
        "renew_code",
        "reopen_place",
        "resume_member",
        "return_to_draw",
        "revoke_invitation",
        "see_who_asked",
        "set_household",
        "settle_hours",
        "share_hours",
        "sign_count",
        "sign_in",
        "sign_proposal",
        "step_aside_from_draw",
        "suspend_member",
        "undo_of_draw",
        "withdraw_hours",
        "withdraw_proposal",
    ]
)

#: Given where somebody has a duty, or where the entry is written in the same moment.
SOMETIMES = {"receipt", "seq"}


def is_open(operation: Operation) -> bool:
    """Say whether anybody gets in here: this server has no mail, so ways by mail are closed."""
    return "yes" in matrix()[operation.method, operation.path].values()


def welcome(operation: Operation) -> str | None:
    """Return somebody who gets in."""
    cells = matrix()[operation.method, operation.path]
    first = ("member", "steward", "treasurer", "anonymous")
    others = (who for who in PRINCIPALS if who not in first)
    return next(PRINCIPALS[who] for who in (*first, *others) if cells[who] == "yes")


def shape(value: Any) -> Any:
    """Return what a value is made of, without what happens to stand in it."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items() if name not in SOMETIMES}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return type(value)


def example(content: Any) -> Any:
    return content.get("examples", {}).get("one", {}).get("value")


async def test_a_stranger_logs_asks_approves_hands_over_and_reads_with_the_description_alone(
    stage: Stage,
) -> None:
    document = (await stage.http.get("/api/openapi.json")).json()
    ada, bo, ed, visitor = (
        Client(stage.http, document, None if name is None else stage.cast.tokens[name])
        for name in ("ada", "bo", "ed", None)
    )

    group = await visitor.call("get_group", slug=SLUG)
    pots = {pot["unit"]: pot["pot"] for pot in group["pots"]}
    hours = {"minutes": 45, "effective_on": "2026-03-01", "category": "cooking"}
    logged = await ada.call("log_hours", hours, slug=SLUG)
    money = {
        "pot": pots["EUR"],
        "amount": 5000,
        "currency": "EUR",
        "held": "bank",
        "effective_on": "2026-03-01",
    }
    await ed.call("give_money", money, slug=SLUG)
    ask = {"pot": pots["EUR"], "amount": 1200, "currency": "EUR", "category": "repairs"}
    asked = await ada.call("ask_draw", ask, slug=SLUG)
    approved = await bo.call("approve_draw", {}, slug=SLUG, draw_id=asked["id"])
    paid = await ed.call("hand_over_draw", {"held": "bank"}, slug=SLUG, draw_id=asked["id"])

    assert (asked["state"], approved["state"], paid["state"], paid["left"]) == (
        "asked",
        "promised",
        "handed_over",
        0,
    )
    lines: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = await ada.call("get_statement", slug=SLUG, limit="1", **after)
        lines += page["lines"]
        if not page.get("next"):
            break
        after = {"after": page["next"]}
    assert {line["id"] for line in lines} >= {logged["id"], asked["id"]}
    assert next(line for line in lines if line["id"] == asked["id"])["handed_over"] == 1200
    assert (await visitor.call("get_balances", slug=SLUG))["pots"] == []


async def test_every_example_of_a_request_is_answered_as_its_example_says(world: World) -> None:
    document = build_document(world.app)
    without = set()
    for operation in operations(document):
        body = operation.said.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        expected = example(operation.content(operation.done).get("application/json", {}))
        if not is_open(operation) or example(body) is None or expected is None:
            without.add(operation.name)
            continue
        name = welcome(operation)
        ask = await build(world, operation.method, operation.path, name)

        answer = await send(world, operation.method, operation.path, name, Ask(ask.path, json=example(body)))

        assert str(answer.status_code) == operation.done, (operation.name, answer.text)
        check_answer(document, operation, answer)
        assert shape(answer.json()) == shape(expected), operation.name
    assert sorted(without) == sorted(WITHOUT_EXAMPLE)


async def test_every_answer_to_somebody_who_is_welcome_is_as_described(world: World) -> None:
    document = build_document(world.app)
    for operation in operations(document):
        if not operation.path.startswith("/api/v1/") or not is_open(operation):
            continue
        name = welcome(operation)
        ask = await build(world, operation.method, operation.path, name)

        answer = await send(world, operation.method, operation.path, name, ask)

        assert str(answer.status_code) == operation.done, (operation.name, answer.text)
        check_answer(document, operation, answer)
        await world.app.state.workshop.idle()


async def test_names_of_operations_are_words_and_nobody_shares_one(world: World) -> None:
    names = [operation.name for operation in operations(build_document(world.app))]

    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalpha() and name.islower() for name in names), names
