"""Every refusal is documented as it is, and so is which one comes first."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from timebank import errors
from timebank.edge.problems import status_of
from timebank.errors import Refusal, Unsafe
from timebank.ledger import books

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \| (yes|no) \| (.*?) \| (.+) \|$", re.MULTILINE)
UNSAFE_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \|$", re.MULTILINE)


def below(base: type[Refusal]) -> Iterator[type[Refusal]]:
    for kind in base.__subclasses__():
        yield kind
        yield from below(kind)


def with_code() -> list[type[Refusal]]:
    return [kind for kind in below(Refusal) if "code" in vars(kind)]


def said(text: str) -> str:
    return " ".join(text.split())


def test_the_table_says_of_every_refusal_what_is_so() -> None:
    rows = {
        code: (int(status), retry == "yes", params, when)
        for code, status, retry, params, when in ROW.findall(PAGE)
    }
    kinds = [kind for kind in with_code() if not issubclass(kind, Unsafe)]

    assert sorted(rows) == list(rows), "sorted, so that a reader finds them"
    assert set(rows) == {kind.code for kind in kinds}
    for kind in kinds:
        status, retry, params, when = rows[kind.code]
        # Made without its parameters: status_of looks at the class only.
        assert (status, retry) == (status_of(kind.__new__(kind)), kind.retryable), kind
        places = set(re.findall(r"%\((\w+)\)s", kind.message))
        assert places <= set(re.findall(r"`(\w+)`", params)), kind
        assert when == said(kind.__doc__ or ""), kind


def test_what_stops_the_program_is_in_a_table_of_its_own() -> None:
    kinds = {kind.code: said(kind.__doc__ or "") for kind in below(Unsafe)}
    rows = {code: said(when) for code, when in UNSAFE_ROW.findall(PAGE)}

    assert rows == kinds


def test_codes_are_words_and_nobody_shares_one() -> None:
    codes = [kind.code for kind in with_code()]

    assert len(set(codes)) == len(codes)
    for code in codes:
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code)
    for kind in with_code():
        assert kind.__doc__
        assert kind.message.endswith("."), kind


def raised_params() -> Iterator[tuple[str, set[str], str]]:
    """Find every place that makes a refusal: (class name, names of the parameters, where)."""
    names = {kind.__name__ for kind in with_code()}
    for path in sorted((ROOT / "timebank").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in names and all(keyword.arg for keyword in node.keywords):
                yield name, {str(k.arg) for k in node.keywords}, f"{path.name}:{node.lineno}"


def test_whoever_refuses_gives_every_parameter_that_the_sentence_and_the_page_name() -> None:
    kinds = {kind.__name__: kind for kind in with_code()}
    documented = {code: set(re.findall(r"`(\w+)`", params)) for code, _, _, params, _ in ROW.findall(PAGE)}
    for name, params, where in raised_params():
        places = set(re.findall(r"%\((\w+)\)s", kinds[name].message))
        assert places <= params, (name, where)
        if not issubclass(kinds[name], Unsafe):
            assert params <= documented[kinds[name].code], (name, where)


def test_the_order_of_the_book_is_the_one_that_its_code_states() -> None:
    listed = re.findall(r"^ ?\d+\. (.*(?:\n {4}.*)*)", books.__doc__ or "", re.MULTILINE)
    stated = []
    for line in listed:
        names = [name for name in re.findall(r"``(\w+)``", line) if hasattr(errors, name)]
        stated.append([getattr(errors, name).code for name in names])
    documented = [
        re.findall(r"`(\w+)`", line)
        for line in re.findall(r"^\d+\. (.*)$", PAGE.rpartition("What the book says")[2], re.MULTILINE)
    ]

    assert len(stated) == 12
    assert documented == stated


def test_every_code_in_the_orders_exists() -> None:
    order = PAGE.rpartition("## Which one")[2]
    codes = {kind.code for kind in with_code()}

    assert set(re.findall(r"`(\w+)`", order)) <= codes
