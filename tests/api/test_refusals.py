"""The description of a route names what it can refuse, and nothing that it cannot.

That it names enough is looked at with every answer that any test gets (``tests.promised``). That it names no more is
read off the program: what a handler calls, down to the rule of its command, mentions each refusal that is named.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import httpx
import pytest

from tests.promised import check_refusal, codes_of_routes, route_of, the_document
from timebank import errors
from timebank.api import routes
from timebank.api.asks import LinkWrite
from timebank.edge.door import Act, Write
from timebank.errors import Refusal
from timebank.ledger import books
from timebank.ledger.books import Books
from timebank.rules.decide import RULES
from timebank.rules.people import Actor
from timebank.rules.state import SetUp, State
from timebank.services import sessions

TESTS = Path(__file__).parents[1]
#: What the kind of a route says for all routes of its kind (``edge.openapi``).
OF_THE_KIND = {
    "unknown_group",
    "store_away",
    "not_signed_in",
    "needs_scope",
    "form_not_ours",
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "group_busy",
    "import_under_way",
    "outcome_unknown",
    "malformed_body",
    "malformed_amount",
    "field_invalid",
    "too_large",
    "unsupported_media_type",
    "unknown_page",
}
#: Objects that are handed around, so that only the name of what is called tells what is called.
HANDED_AROUND = (Actor, SetUp, State, Books, sessions.SignedIn)


def _methods() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for kind in HANDED_AROUND:
        for name, method in vars(kind).items():
            if inspect.isfunction(method):
                found.setdefault(name, []).append(method)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class Reach:
    """Follows what a function mentions, and collects the refusals among it."""

    methods = _methods()

    def __init__(self) -> None:
        self.refusals: set[type[Refusal]] = set()
        self._seen: set[Any] = set()

    def follow(self, thing: Any) -> None:
        """Go on with whatever a name stands for."""
        if isinstance(thing, Write):
            self.follow(thing._commands)
        elif isinstance(thing, Act):
            self.follow(thing._do)
            self.follow(thing._reveal)
        elif isinstance(thing, LinkWrite):
            self.follow(thing._make)
            self.follow(LinkWrite.answer)
            self.follow(LinkWrite._key)
        elif isinstance(thing, type):
            if issubclass(thing, Refusal):
                self.refusals.add(thing)
            elif thing in RULES:
                self.follow(RULES[thing])
        elif thing is State.post or thing is Books.refuses_day:
            # What the book says of an entry depends on the entry, and is read by people.
            self.refusals |= {kind for kind in vars(errors).values() if _is_of_book(kind)}
        elif inspect.isfunction(thing) and thing.__module__.startswith("timebank"):
            self._read(inspect.unwrap(thing))

    def _read(self, function: Callable[..., Any]) -> None:
        if function in self._seen:
            return
        self._seen.add(function)
        known = function.__globals__
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        modules = [known[name] for name in names if isinstance(known.get(name), ModuleType)]
        found = [known[name] for name in names if name in known]
        found += [getattr(module, name) for module in modules for name in names if hasattr(module, name)]
        found += [method for name in names for method in self.methods.get(name, ())]
        found += list(function.__defaults__ or ()) + list((function.__kwdefaults__ or {}).values())
        for thing in found:
            self.follow(thing)


@lru_cache(maxsize=1)
def _text_of_book() -> str:
    return inspect.getsource(books)


def _is_of_book(kind: Any) -> bool:
    return inspect.isclass(kind) and f"errors.{kind.__name__}(" in _text_of_book()


def handlers() -> Iterator[Any]:
    """Yield the handlers of everything that the description has, but what is public."""
    for name in dir(routes):
        module = getattr(routes, name)
        if isinstance(module, ModuleType) and module.__name__.startswith("timebank.api."):
            yield from getattr(module, "ROUTES", ())


def test_no_route_names_a_refusal_that_nothing_it_calls_can_give() -> None:
    promised = {
        operation["operationId"]: codes_of_routes({"paths": {path: {method: operation}}})[
            method.upper(), path
        ]
        for path, item in the_document()["paths"].items()
        for method, operation in item.items()
    }
    wrong, looked = [], 0
    for handler in handlers():
        reach = Reach()
        reach.follow(handler.fn)
        possible = {kind.code for kind in reach.refusals} | OF_THE_KIND
        wrong += [f"{handler.handler_name}: {code}" for code in promised[handler.handler_name] - possible]
        looked += 1

    assert looked > 100
    assert sorted(wrong) == [], "nothing that these call mentions it"


def test_a_refusal_that_a_rule_cannot_give_is_noticed() -> None:
    reach = Reach()
    reach.follow(importlib.import_module("timebank.api.hours").confirm_hours.fn)

    assert errors.HoursNotOpen in reach.refusals
    assert errors.Overflow in reach.refusals, "what the book says counts, too"
    assert errors.PlaceNotEmpty not in reach.refusals


def test_every_code_that_a_route_names_is_spoken_of_by_a_test() -> None:
    written = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted(TESTS.rglob("*"))
        if path.suffix in {".py", ".csv"} and path != Path(__file__)
    )
    words = set(re.findall(r"\w+", written))
    classes = {kind.code: kind.__name__ for kind in vars(errors).values() if _has_code(kind)}
    named = set().union(*codes_of_routes(the_document()).values())

    assert {code for code in named if code not in words and classes[code] not in words} == set()


def _has_code(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Refusal) and "code" in vars(kind)


def test_a_refusal_that_no_description_names_turns_a_test_red() -> None:
    request = httpx.Request("POST", "http://localhost/api/v1/groups/riverside/held")
    problem = {"content-type": "application/problem+json"}

    assert route_of("POST", request.url.path) == ("POST", "/api/v1/groups/{slug}/held")
    check_refusal(request, httpx.Response(409, headers=problem, json={"code": "place_taken"}))
    with pytest.raises(AssertionError, match="name it"):
        check_refusal(request, httpx.Response(409, headers=problem, json={"code": "place_not_empty"}))
    batch = httpx.Request("POST", "http://localhost/api/v1/groups/riverside/hours/batch")
    check_refusal(batch, httpx.Response(200, json={"outcomes": [{"code": "own_draw"}, {"id": "x"}]}))
    with pytest.raises(AssertionError, match="name it"):
        check_refusal(batch, httpx.Response(200, json={"outcomes": [{"code": "place_taken"}]}))
