"""Every route that takes a body says of each field at once what is wrong with it; none of them breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.api.described import Operation, operations
from tests.api.principals import World
from tests.api.sample_requests import Ask, build, send
from tests.api.test_bodies import a_problem
from tests.api.test_examples import is_open, welcome
from timebank.edge.openapi import build_document

Schema = Mapping[str, Any]


class Shape:
    """The schema of a body, with what it refers to."""

    def __init__(self, components: Mapping[str, Schema], schema: Schema) -> None:
        self._components = components
        self.schema = self._plain(schema)
        self.fields = {name: self._plain(part) for name, part in self.schema.get("properties", {}).items()}
        self.required = list(self.schema.get("required", ()))

    def _plain(self, schema: Schema) -> Schema:
        """Return a schema without references and without the choice of null."""
        if "$ref" in schema:
            return self._plain(self._components[schema["$ref"].rpartition("/")[2]])
        choices = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
        return self._plain(choices[0]) if len(choices) == 1 else schema

    def below(self, schema: Schema) -> Shape:
        """Return the shape of a field."""
        return Shape(self._components, schema)


def wrong(shape: Shape, path: str = "", *, deep: bool) -> tuple[dict[str, Any], list[str]]:
    """Return an object with a wrong type in every field, and the path of each.

    Args:
        deep: Whether the fields inside of fields are wrong, and not those that they are in.
    """
    body: dict[str, Any] = {}
    paths: list[str] = []
    for name, schema in shape.fields.items():
        at = f"{path}.{name}" if path else name
        items = shape.below(schema.get("items", {}))
        if deep and schema.get("type") == "object" and shape.below(schema).fields:
            body[name], found = wrong(shape.below(schema), at, deep=True)
            paths += found
        elif deep and items.fields:
            body[name] = []
            for place in range(2):
                item, found = wrong(items, f"{at}[{place}]", deep=True)
                body[name].append(item)
                paths += found
        else:
            body[name] = 5 if schema.get("type") in {"object", "array"} else {"a": 1}
            paths.append(at)
    return body, paths


def bodies(document: Mapping[str, Any]) -> Iterator[tuple[Operation, Shape]]:
    """Find every operation that takes JSON, with the shape of it."""
    for operation in operations(document):
        content = operation.said.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            yield operation, Shape(document["components"]["schemas"], content["schema"])


def fields_of(answer: httpx.Response, what: str) -> list[str]:
    """Check that an answer is a refusal of fields, and return them."""
    assert answer.status_code == 422, (what, answer.text)
    problem = a_problem(answer, what)
    assert problem["code"] == problem["errors"][0]["code"], what
    assert {error["code"] for error in problem["errors"]} <= {"field_invalid", "malformed_amount"}, what
    assert all(error["detail"] for error in problem["errors"]), what
    return [error["field"] for error in problem["errors"]]


async def test_each_wrong_field_of_each_body_is_named_by_its_path_at_once(world: World) -> None:
    looked = 0
    for operation, shape in bodies(build_document(world.app)):
        name = welcome(operation) if is_open(operation) else "ada"
        ask = await build(world, operation.method, operation.path, name)

        async def refused(
            body: Any, operation: Operation = operation, ask: Ask = ask, name: Any = name
        ) -> Any:
            again = Ask(ask.path, json=body, more=dict(ask.more))
            answer = await send(world, operation.method, operation.path, name, again)
            return fields_of(answer, f"{operation.name} {body}")

        for deep in (False, True):
            body, paths = wrong(shape, deep=deep)
            if paths:
                assert sorted(await refused(body)) == sorted(paths), operation.name
        if shape.required:
            assert sorted(await refused({})) == sorted(shape.required), operation.name
        unknown = await refused({"no_such_field": 1})
        assert sorted(unknown) == sorted([*shape.required, "no_such_field"]), operation.name
        for nothing_like_it in ([], 5, "x", None):
            headers = {**ask.more.get("headers", {}), "Content-Type": "application/json"}
            more = {"content": json.dumps(nothing_like_it), "headers": headers}
            answer = await send(world, operation.method, operation.path, name, Ask(ask.path, more=more))
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), operation.name
        looked += 1
    assert looked >= 65
