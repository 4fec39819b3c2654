"""Bodies of requests: JSON with exactly the fields that the route knows, each of them once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

import msgspec
from litestar.exceptions import ClientException

from timebank.errors import N_, FieldInvalid, MalformedAmount, MalformedBody, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from litestar.types import Receive

T = TypeVar("T")

BODY_MAX: Final = 64 * 1024
BATCH_BODY_MAX: Final = 2 * 1024 * 1024

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
            _refuse(str(error))
        except (msgspec.DecodeError, RecursionError):
            raise MalformedBody(why=NOT_JSON) from None
        except (UnicodeError, ValueError):
            # ValueError: a number of more digits than Python is willing to read.
            raise MalformedBody(why=NOT_UTF8 if _is_not_utf8(body) else NOT_JSON) from None
        # Only now: what fits the shape is as deep as the shape, so this cannot be led down a hole.
        _LOOK_FOR_DOUBLES(body.decode())
        return value


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


def _refuse(said: str) -> NoReturn:
    """Turn what the decoder said, which is for programmers, into a refusal for people."""
    found = _FIELD.search(said)
    path = found[1].lstrip(".") if found else ""
    named = _NAMED.search(said)
    if "unknown field" in said:
        raise FieldInvalid(field=_joined(path, named[1] if named else "?"), why=UNKNOWN_FIELD)
    if "missing required field" in said:
        raise FieldInvalid(field=_joined(path, named[1] if named else "?"), why=MISSING_FIELD)
    if path.rpartition(".")[2] in _AMOUNTS:
        raise MalformedAmount
    if not path:
        raise MalformedBody(why=WRONG_TYPE)
    if "length" in said:
        raise FieldInvalid(field=path, why=TOO_LONG)
    if "date" in said:
        raise FieldInvalid(field=path, why=NOT_A_DAY)
    raise FieldInvalid(field=path, why=NOT_AN_ID if "UUID" in said or "uuid" in said else WRONG_TYPE)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
