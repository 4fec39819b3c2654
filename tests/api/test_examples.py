"""What the description gives as examples happens so, and a stranger gets along with nothing but it."""

from __future__ import annotations

import itertools
from typing import Any

from tests.api.described import Client, Operation, check_answer, check_value, operations
from tests.api.principals import PRINCIPALS, World
from tests.api.sample_requests import KINDS, Ask, build, send
from tests.api.test_matrix import matrix
from tests.cast import SLUG, Stage
from timebank.edge.openapi import build_document

#: What nobody can know before: ids, secrets, answers to a challenge, and days that must be near.
FRESH = {*KINDS, "card", "code", "nonce", "passkey", "until"}

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


def with_fresh(said: Any, real: Any) -> Any:
    """Return an example with the ids and secrets of this moment, from a good request to the same route."""
    if isinstance(said, dict) and isinstance(real, dict):
        return {
            name: real[name] if name in FRESH and name in real else with_fresh(part, real.get(name))
            for name, part in said.items()
        }
    if isinstance(said, list) and isinstance(real, list):
        return [with_fresh(*parts) for parts in itertools.zip_longest(said, real[: len(said)])]
    return said


async def test_every_example_of_a_request_is_answered_as_its_example_says(world: World) -> None:
    document = build_document(world.app)
    sent, without = 0, []
    for operation in operations(document):
        body = operation.said.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        answers = operation.content(operation.done)["application/json"]
        if example(body) is None or example(answers) is None:
            without.append(operation.name)
            continue
        check_value(document, body["schema"], example(body))
        check_value(document, answers["schema"], example(answers))
        if not is_open(operation):
            continue
        name = welcome(operation)
        ask = await build(world, operation.method, operation.path, name)
        said = with_fresh(example(body), ask.json)

        answer = await send(
            world, operation.method, operation.path, name, Ask(ask.path, json=said, more=ask.more)
        )

        assert str(answer.status_code) == operation.done, (operation.name, answer.text)
        check_answer(document, operation, answer)
        assert shape(answer.json()) == shape(example(answers)), operation.name
        sent += 1
    assert without == [], "give these examples of body and answer"
    assert sent >= 65


async def test_forgetting_oneself_is_answered_as_its_example_says(stage: Stage) -> None:
    document = (await stage.http.get("/api/openapi.json")).json()
    operation = next(each for each in operations(document) if each.name == "erase_member")

    answer = await stage.post("flo", f"/members/{stage.cast.ids['flo']}/erase", {})

    assert answer.status_code == 200, answer.text
    check_answer(document, operation, answer)
    assert shape(answer.json()) == shape(example(operation.content("200")["application/json"]))


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
