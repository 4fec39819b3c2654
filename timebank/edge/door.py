"""The way in for signed-in requests: who, may they, what, once; then a service, and its bytes go out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from timebank.edge.bodies import Reader, check_media_type, receive_body
from timebank.edge.headers import JSON, PROBLEM, REPLAYED, Reply
from timebank.edge.idempotency import check_key, request_hash
from timebank.edge.problems import language_of, renderer, reply
from timebank.errors import Refusal

if TYPE_CHECKING:
    from litestar import Request

    from timebank.edge.actor import Doorkeeper
    from timebank.rules.commands import Command
    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.writer import Answer, Writer

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Door:
    """What handlers work with; one per application, in ``app.state.door``."""

    house: House
    writer: Writer
    keeper: Doorkeeper
    clock: Callable[[], datetime]


class Asked:
    """What the headers of a request say, as far as anybody here wants to know, read in one pass."""

    __slots__ = ("accept_language", "authorization", "content_length", "content_type", "keys")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.authorization: list[bytes] = []
        self.keys: list[bytes] = []
        self.content_type = self.content_length = self.accept_language = ""
        for name, value in headers:
            if name == b"authorization":
                self.authorization.append(value)
            elif name == b"idempotency-key":
                self.keys.append(value)
            elif name == b"content-type":
                self.content_type = value.decode("latin-1")
            elif name == b"content-length":
                self.content_length = value.decode("latin-1")
            elif name == b"accept-language":
                self.accept_language = value.decode("latin-1")


class Write(Generic[T]):
    """One route that writes to the book.

    Args:
        reader: Shape and largest size of the body.
        commands: Turns a body into commands; gets the path parameters for what the address names.
            It refuses what could never be a command, and decides nothing.
        many: Whether the answer lists an outcome for each command.
        empty: Body that stands for none at all; None where a body is needed.
    """

    __slots__ = ("_commands", "_empty", "_many", "reader")

    def __init__(
        self,
        reader: Reader[T],
        commands: Callable[[T, dict[str, Any]], Sequence[Command]],
        *,
        many: bool = False,
        empty: bytes | None = None,
    ) -> None:
        self.reader = reader
        self._commands = commands
        self._many = many
        self._empty = empty

    async def answer(self, request: Request[Any, Any, Any]) -> Reply:
        """Answer one request: who is asking, what, under which key; then what the writer stored."""
        scope = request.scope
        asked = Asked(scope["headers"])
        language = language_of(asked.accept_language)
        try:
            door: Door = scope["litestar_app"].state.door
            params = scope["path_params"]
            actor = await door.keeper.actor(params["slug"], asked.authorization)
            actor.require_scope("write")
            body = await receive_body(
                request.receive, size_max=self.reader.size_max, announced=asked.content_length
            )
            if body or self._empty is None:
                check_media_type(asked.content_type)
            key = check_key(asked.keys)
            value = self.reader.read(body or self._empty or b"")
            commands = self._commands(value, params)
            answer = await door.writer.submit(
                actor.group_id,
                commands,
                actor=actor,
                key=key,
                request_hash=request_hash(scope["method"], scope["raw_path"], body),
                render=renderer(language),
                many=self._many,
            )
        except Refusal as refusal:
            return reply(refusal, language)
        return Reply(
            answer.status,
            answer.body,
            JSON if answer.status < 400 else PROBLEM,
            (REPLAYED,) if answer.replayed else (),
        )


class ServiceWrite(Generic[T]):
    """One route that writes through a service instead of the book's writer: once under its key all the same.

    Args:
        reader: Shape and largest size of the body.
        do: Does it; gets the door, who asks, the body, the path parameters, the key and the request's hash.
        empty: Body that stands for none at all; None where a body is needed.
    """

    __slots__ = ("_do", "_empty", "reader")

    def __init__(
        self,
        reader: Reader[T],
        do: Callable[[Door, Actor, T, dict[str, Any], str, bytes], Awaitable[Answer]],
        *,
        empty: bytes | None = None,
    ) -> None:
        self.reader = reader
        self._do = do
        self._empty = empty

    async def answer(self, request: Request[Any, Any, Any]) -> Reply:
        """Answer one request."""
        scope = request.scope
        asked = Asked(scope["headers"])
        language = language_of(asked.accept_language)
        try:
            door: Door = scope["litestar_app"].state.door
            params = scope["path_params"]
            actor = await door.keeper.actor(params["slug"], asked.authorization)
            actor.require_scope("write")
            body = await receive_body(
                request.receive, size_max=self.reader.size_max, announced=asked.content_length
            )
            if body or self._empty is None:
                check_media_type(asked.content_type)
            key = check_key(asked.keys)
            value = self.reader.read(body or self._empty or b"")
            hashed = request_hash(scope["method"], scope["raw_path"], body)
            answer = await self._do(door, actor, value, params, key, hashed)
        except Refusal as refusal:
            return reply(refusal, language)
        return Reply(answer.status, answer.body, JSON, (REPLAYED,) if answer.replayed else ())


async def signed_in(request: Request[Any, Any, Any]) -> tuple[Door, Actor]:
    """Return the door and who is asking, for routes that only read.

    Raises:
        UnknownGroup, NotSignedIn
    """
    scope = request.scope
    door: Door = scope["litestar_app"].state.door
    asked = Asked(scope["headers"])
    return door, await door.keeper.actor(scope["path_params"]["slug"], asked.authorization)


def json_reply(value: Any) -> Reply:
    """Return a value as an answer that no cache keeps."""
    return Reply(200, _encode(value), JSON)
