"""Bodies of requests: JSON with exactly the fields that the route knows, each of them once."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, Union, get_args, get_origin

import msgspec
from litestar.exceptions import ClientException

from timebank.errors import (
    N_,
    AmountOutOfRange,
    FieldInvalid,
    MalformedAmount,
    MalformedBody,
    Refusal,
    TooLarge,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from litestar.types import Receive

T = TypeVar("T")

BODY_MAX: Final = 64 * 1024
BATCH_BODY_MAX: Final = 2 * 1024 * 1024
#: So many wrong fields are named at once.
FAULTS_MAX: Final = 100
_NAME_MAX: Final = 60

NOT_JSON: Final = N_("it is not JSON")
NOT_UTF8: Final = N_("it is not UTF-8")
FIELD_TWICE: Final = N_("a field is there twice")
UNKNOWN_FIELD: Final = N_("there is no such field")
MISSING_FIELD: Final = N_("it is missing")
WRONG_TYPE: Final = N_("it has a wrong type")
NOT_A_DAY: Final = N_("it must be a day such as 2026-03-01")
NOT_AN_ID: Final = N_("it is no id")
TOO_LONG: Final = N_("it is too long")

_FIELD: Final = re.compile(r"`\$((?:\.\w+|\[\d+\])*)`$")
_NAMED: Final = re.compile(r"field `([^`]{0,60})`")
_AMOUNTS: Final = frozenset({"minutes", "amount"})


class Reader(Generic[T]):
    """Reads bodies of one shape.

    Args:
        shape: A msgspec struct with ``forbid_unknown_fields``.
        size_max: Most bytes that a body may have.
    """

    __slots__ = ("_decode", "shape", "size_max")

    def __init__(self, shape: type[T], *, size_max: int = BODY_MAX) -> None:
        self.shape = shape
        self.size_max = size_max
        self._decode = msgspec.json.Decoder(shape).decode

    def read(self, body: bytes) -> T:
        """Return the body as its shape.

        Raises:
            MalformedBody: It is no JSON, not UTF-8, or has a field that is unknown or there twice.
            MalformedAmount: Minutes or an amount is no whole number.
            FieldInvalid: A field is missing or has a wrong type.
        """
        try:
            value = self._decode(body)
        except msgspec.ValidationError as error:
            path, refusal = _refusal("", str(error))
            if path:
                refusal.faults = list_faults(self.shape, body) or ((path, refusal),)
            raise refusal from None
        except (msgspec.DecodeError, RecursionError):
            raise MalformedBody(why=NOT_JSON) from None
        except (UnicodeError, ValueError):
            # ValueError: a number of more digits than Python is willing to read.
            raise MalformedBody(why=NOT_UTF8 if _is_not_utf8(body) else NOT_JSON) from None
        # Only now: what fits the shape is as deep as the shape, so this cannot be led down a hole.
        _LOOK_FOR_DOUBLES(body.decode())
        return value


class Faults:
    """Collects what is wrong with the fields of a request, so that all of it is said at once.

    Use ``with faults.at("note"): ...`` around what may refuse that field, and ``settle()`` in the end.
    """

    __slots__ = ("_first", "_found")

    def __init__(self) -> None:
        self._first: Refusal | None = None
        self._found: list[tuple[str, Refusal]] = []

    @contextmanager
    def at(self, field: str) -> Iterator[None]:
        """Keep a refusal of this field for later; what comes after it is looked at, too.

        A refusal that names a field itself is of that one, below this field if this ends with a point.
        """
        try:
            yield
        except (FieldInvalid, MalformedAmount, AmountOutOfRange) as refusal:
            self._first = self._first or refusal
            own = str(refusal.params.get("field", ""))
            path = f"{field}{own}" if field.endswith(".") else own or field
            self._found.append((path, refusal))

    def settle(self) -> None:
        """Go on if nothing was wrong.

        Raises:
            FieldInvalid, MalformedAmount, AmountOutOfRange: The first that came, with all of them.
        """
        if self._first is not None:
            self._first.faults = tuple(self._found[:FAULTS_MAX])
            raise self._first


def list_faults(shape: Any, body: bytes) -> tuple[tuple[str, Refusal], ...]:
    """Return everything that keeps a body from being a shape, field by field; only for bodies that are not.

    What cannot be told apart into fields gives nothing.
    """
    try:
        return tuple(itertools.islice(_faults(shape, body, ""), FAULTS_MAX))
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
        return ()


def _faults(kind: Any, raw: bytes | msgspec.Raw, path: str) -> Iterator[tuple[str, Refusal]]:
    """Find what is wrong with a value, by the same decoder that refused the whole."""
    try:
        _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        nothing = True
        # One after the other: whoever reads stops after a hundred, however large the body is.
        for part in _parts(kind, raw, path):
            for fault in part:
                nothing = False
                yield fault
        if nothing:
            yield _refusal(path, str(error))


def _parts(kind: Any, raw: bytes | msgspec.Raw, path: str) -> Iterator[Iterator[tuple[str, Refusal]]]:
    """Yield the faults of each field or item of a value; nothing if it is not even an object or a list."""
    struct, items = _shape_of(kind)
    with suppress(msgspec.ValidationError):
        if items is not None:
            for place, item in enumerate(_ITEMS.decode(raw)):
                yield _faults(items, item, f"{path}[{place}]")
        elif struct is not None:
            yield from _fields(struct, _OBJECT.decode(raw), path)


def _fields(struct: type, said: dict[str, msgspec.Raw], path: str) -> Iterator[Iterator[tuple[str, Refusal]]]:
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, value in said.items():
        if name in known:
            yield _faults(known[name].type, value, _joined(path, name))
        else:
            # Long or strange names are not repeated.
            at = _joined(path, name if len(name) <= _NAME_MAX and name.isprintable() else "?")
            yield iter([(at, FieldInvalid(field=at, why=UNKNOWN_FIELD))])
    for name, field in known.items():
        if field.required and name not in said:
            at = _joined(path, name)
            yield iter([(at, FieldInvalid(field=at, why=MISSING_FIELD))])


@lru_cache(maxsize=1024)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@lru_cache(maxsize=1024)
def _shape_of(kind: Any) -> tuple[type | None, Any]:
    """Return the struct that a type is, or the type of the items of a list; None alike through ``| None``."""
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    if get_origin(kind) in {Union, UnionType} and len(choices) == 1:
        return _shape_of(choices[0])
    if get_origin(kind) is Annotated:
        return _shape_of(choices[0])
    if get_origin(kind) is list:
        return None, choices[0]
    return (kind, None) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else (None, None)


_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def check_media_type(content_type: str) -> None:
    """Refuse what does not say that it is JSON.

    Raises:
        UnsupportedMedia: Another type, or none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMedia


async def receive_body(receive: Receive, *, size_max: int, announced: str) -> bytes:
    """Return the whole body, reading no more than is allowed.

    Args:
        announced: The Content-Length header, empty if there is none.

    Raises:
        TooLarge: It is larger, announced or not.
        ClientException: The client went away in the middle.
    """
    if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > size_max):
        raise TooLarge(limit=size_max)
    first: Any = await receive()
    if first["type"] == "http.request" and not first.get("more_body", False):
        body: bytes = first["body"]
        if len(body) > size_max:
            raise TooLarge(limit=size_max)
        return body
    return await _receive_parts(first, receive, size_max)


async def _receive_parts(event: Any, receive: Receive, size_max: int) -> bytes:
    parts, size = [], 0
    while True:
        if event["type"] == "http.disconnect":
            raise ClientException("the client went away")
        part = event.get("body", b"")
        size += len(part)
        if size > size_max:
            raise TooLarge(limit=size_max)
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)
        event = await receive()


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({name for name, _ in pairs}) != len(pairs):
        raise MalformedBody(why=FIELD_TWICE)


_LOOK_FOR_DOUBLES: Final = json.JSONDecoder(object_pairs_hook=_each_once).decode


def _is_not_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _refusal(prefix: str, said: str) -> tuple[str, Refusal]:
    """Turn what the decoder said, which is for programmers, into a field and a refusal for people."""
    found = _FIELD.search(said)
    path = _below(prefix, found[1] if found else "")
    named = _NAMED.search(said)
    if "unknown field" in said or "missing required field" in said:
        path = _joined(path, named[1] if named else "?")
        why = UNKNOWN_FIELD if "unknown field" in said else MISSING_FIELD
        return path, FieldInvalid(field=path, why=why)
    if path.rpartition(".")[2] in _AMOUNTS:
        return path, MalformedAmount()
    if not path:
        return path, MalformedBody(why=WRONG_TYPE)
    return path, FieldInvalid(field=path, why=_why(said))


def _why(said: str) -> str:
    if "length" in said:
        return TOO_LONG
    if "date" in said:
        return NOT_A_DAY
    return NOT_AN_ID if "UUID" in said or "uuid" in said else WRONG_TYPE


def _below(prefix: str, path: str) -> str:
    return f"{prefix}{path}" if prefix else path.lstrip(".")


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
