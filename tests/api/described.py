"""Reads the description of the API as a stranger would, who has nothing else: calls by name, checked answers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import jsonschema_rs

_keys = itertools.count()


class Operation(NamedTuple):
    """One operation of the document, under its own name."""

    name: str
    method: str
    path: str
    said: Mapping[str, Any]

    @property
    def done(self) -> str:
        """The status of an answer that it was done."""
        return next(status for status in self.said["responses"] if status.startswith("2"))

    def content(self, status: str) -> Mapping[str, Any]:
        """What an answer with this status holds, by media type."""
        content: Mapping[str, Any] = self.said["responses"][status].get("content", {})
        return content


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Find every operation, HEAD left out."""
    for path, item in document["paths"].items():
        for method, said in item.items():
            if method != "head":
                yield Operation(said["operationId"], method.upper(), path, said)


def check_answer(document: Mapping[str, Any], operation: Operation, answer: httpx.Response) -> None:
    """Check an answer against what the document says of it: status, media type, schema."""
    status = str(answer.status_code)
    assert status in operation.said["responses"], (operation.name, answer.status_code, answer.text[:300])
    kind = answer.headers.get("content-type", "").partition(";")[0]
    content = operation.content(status)
    assert kind in content or not content, (operation.name, kind)
    if kind.endswith("json") and content:
        check_value(document, content[kind]["schema"], answer.json())


def check_value(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> None:
    """Check a value against a schema of the document."""
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "components": document["components"],
    }
    jsonschema_rs.validator_for(whole, validate_formats=True).validate(value)


@dataclass(frozen=True, slots=True)
class Client:
    """Calls operations by name. Whoever uses it has read no other page than the document."""

    http: httpx.AsyncClient
    document: Mapping[str, Any]
    token: str = ""

    async def call(self, name: str, body: Any = None, **places: str) -> Any:
        """Call an operation, and return what its answer says.

        Args:
            places: Parameters of its path and its query, by their names.
        """
        operation = next(each for each in operations(self.document) if each.name == name)
        path, query, headers = operation.path, {}, {"Accept": "application/json"}
        for parameter in operation.said.get("parameters", ()):
            place, where = parameter["name"], parameter["in"]
            if where == "header" and parameter.get("required"):
                headers[place] = f"stranger-{next(_keys)}"
            elif place in places:
                if where == "path":
                    path = path.replace(f"{{{place}}}", places[place])
                else:
                    query[place] = places[place]
        if operation.said.get("security"):
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            assert "application/json" in operation.said["requestBody"]["content"], name
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body).encode()
        answer = await self.http.request(
            operation.method, path, params=query, headers=headers, content=content
        )
        check_answer(self.document, operation, answer)
        assert answer.status_code < 400, answer.text
        return answer.json()
