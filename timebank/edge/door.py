"""The way in for signed-in requests: who, may they, what, once; then a service, and its bytes go out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from timebank.edge.bodies import Reader, check_media_type, receive_body
from timebank.edge.headers import JSON, PROBLEM, REPLAYED, Reply
from timebank.edge.idempotency import check_key, request_hash
from timebank.edge.problems import language_of, renderer, reply
from timebank.edge.sessions import SAFE_METHODS, secret_of, visitor_of_cookie
from timebank.errors import Refusal
from timebank.services.acts import Once
from timebank.services.writer import NotConfirmed

if TYPE_CHECKING:
    from litestar import Request

    from timebank.edge.actor import Doorkeeper
    from timebank.edge.sessions import Visitor
    from timebank.i18n import Language
    from timebank.rules.commands import Command
    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.tokens import Held
    from timebank.services.writer import Answer, Writer

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Door:
    """What handlers work with; one per application, in ``app.state.door``.

    Attributes:
        origin: What people type to get here, without a slash at the end; empty if the operator did not say.
        witnesses: Verifier keys of witnesses whom the operator was told of.
    """

    house: House
    writer: Writer
    keeper: Doorkeeper
    clock: Callable[[], datetime]
    origin: str = ""
    witnesses: tuple[str, ...] = ()


class Asked:
    """What the headers of a request say, as far as anybody here wants to know, read in one pass."""

    __slots__ = ("accept_language", "authorization", "content_length", "content_type", "has_cookie", "keys")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.authorization: list[bytes] = []
        self.keys: list[bytes] = []
        self.has_cookie = False
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
            elif name == b"cookie":
                self.has_cookie = True


class _Wanted(NamedTuple):
    """What a request asks to be written, and what makes it once."""

    commands: Sequence[Command]
    key: str
    request_hash: bytes


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
            held = await _held(door, scope, asked)
            actor = await _who(door, scope, asked) if held is None else held.actor
            try:
                actor.require_scope("write")
                wanted = await self._read(request, asked)
            except Refusal:
                if held is not None:
                    # Whoever is nobody any more hears that, and not what is wrong with their request.
                    await _who(door, scope, asked)
                raise
            try:
                answer = await self._submit(door, wanted, actor, held, language)
            except NotConfirmed:
                actor = await _who(door, scope, asked)
                actor.require_scope("write")
                answer = await self._submit(door, wanted, actor, None, language)
        except Refusal as refusal:
            return reply(refusal, language)
        return stored_reply(answer)

    async def _read(self, request: Request[Any, Any, Any], asked: Asked) -> _Wanted:
        scope = request.scope
        value, key, body = await _read(request, asked, self.reader, self._empty)
        commands = self._commands(value, scope["path_params"])
        return _Wanted(commands, key, request_hash(scope["method"], scope["raw_path"], body))

    async def _submit(
        self, door: Door, wanted: _Wanted, actor: Actor, held: Held | None, language: Language
    ) -> Answer:
        return await door.writer.submit(
            actor.group_id,
            wanted.commands,
            actor=actor,
            key=wanted.key,
            request_hash=wanted.request_hash,
            render=renderer(language),
            many=self._many,
            held=held,
        )


class Act(Generic[T]):
    """One route by which people decide about people and rules; its service keeps the answer under the key.

    Args:
        reader: Shape and largest size of the body.
        do: Calls the service: the door, who is asking, the body, path parameters, and what makes it once.
        empty: Body that stands for none at all; None where a body is needed.
        reveal: Adds to an accepted answer what is derived and never stored; the same for a replay.
    """

    __slots__ = ("_do", "_empty", "_reveal", "reader")

    def __init__(
        self,
        reader: Reader[T],
        do: Callable[[Door, Actor, T, dict[str, Any], Once], Awaitable[Answer]],
        *,
        empty: bytes | None = None,
        reveal: Callable[[Door, Actor, dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.reader = reader
        self._do = do
        self._empty = empty
        self._reveal = reveal

    async def answer(self, request: Request[Any, Any, Any]) -> Reply:
        """Answer one request: who is asking, what, under which key; then what the service stored."""
        scope = request.scope
        asked = Asked(scope["headers"])
        door: Door = scope["litestar_app"].state.door
        params = scope["path_params"]
        actor = await _who(door, scope, asked)
        actor.require_scope("write")
        value, key, body = await _read(request, asked, self.reader, self._empty)
        once = Once(
            key=key,
            request_hash=request_hash(scope["method"], scope["raw_path"], body),
            now=door.clock(),
            render=renderer(language_of(asked.accept_language)),
        )
        answer = await self._do(door, actor, value, params, once)
        if self._reveal is not None and answer.status < 400:
            said = self._reveal(door, actor, msgspec.json.decode(answer.body))
            answer = answer._replace(body=_encode(said))
        return stored_reply(answer)


async def _read(
    request: Request[Any, Any, Any], asked: Asked, reader: Reader[T], empty: bytes | None
) -> tuple[T, str, bytes]:
    """Return what a body says, the key, and the body; raises what is wrong with them, in this order of headers and body.

    Args:
        empty: Body that stands for none at all; None where a body is needed.
    """
    body = await receive_body(request.receive, size_max=reader.size_max, announced=asked.content_length)
    if body or empty is None:
        check_media_type(asked.content_type)
    key = check_key(asked.keys)
    return reader.read(body or empty or b""), key, body


async def read_stranger(request: Request[Any, Any, Any], reader: Reader[T]) -> tuple[str, T]:
    """Return the key and the body of somebody without an account.

    Raises:
        UnsupportedMedia, KeyMissing, KeyInvalid, TooLarge, and what the reader refuses.
    """
    asked = Asked(request.scope["headers"])
    body = await receive_body(request.receive, size_max=reader.size_max, announced=asked.content_length)
    check_media_type(asked.content_type)
    return check_key(asked.keys), reader.read(body)


async def signed_in(request: Request[Any, Any, Any]) -> tuple[Door, Actor]:
    """Return the door and who is asking, by token or by session.

    Raises:
        UnknownGroup, NotSignedIn
        FormNotOurs: It changes something, and a session comes without its token.
    """
    scope = request.scope
    door: Door = scope["litestar_app"].state.door
    asked = Asked(scope["headers"])
    return door, await _who(door, scope, asked)


async def session_of(request: Request[Any, Any, Any]) -> tuple[Door, Visitor, str]:
    """Return the door, who is signed in with a browser, and the secret of their session; no token counts.

    Raises:
        UnknownGroup, NotSignedIn
        FormNotOurs: It changes something, and comes without the session's token.
    """
    scope = request.scope
    door: Door = scope["litestar_app"].state.door
    visitor = await visitor_of_cookie(door, scope, unsafe=scope["method"] not in SAFE_METHODS)
    secret = secret_of(request)
    assert secret is not None, "it was found by it"
    return door, visitor, secret


async def read_json(request: Request[Any, Any, Any], reader: Reader[T]) -> T:
    """Return the body of a request that is JSON.

    Raises:
        TooLarge, UnsupportedMedia, MalformedBody, MalformedAmount, FieldInvalid
    """
    asked = Asked(request.scope["headers"])
    body = await receive_body(request.receive, size_max=reader.size_max, announced=asked.content_length)
    check_media_type(asked.content_type)
    return reader.read(body)


async def _held(door: Door, scope: Any, asked: Asked) -> Held | None:
    """Return what the token of a request opened a while ago; None where only a look-up can tell who is asking."""
    if asked.authorization or not asked.has_cookie:
        return await door.keeper.held(scope["path_params"]["slug"], asked.authorization)
    return None


async def _who(door: Door, scope: Any, asked: Asked) -> Actor:
    if asked.authorization or not asked.has_cookie:
        return await door.keeper.actor(scope["path_params"]["slug"], asked.authorization)
    visitor = await visitor_of_cookie(door, scope, unsafe=scope["method"] not in SAFE_METHODS)
    return visitor.actor


def json_reply(
    value: Any, status: int = 200, *, replayed: bool = False, more: tuple[tuple[bytes, bytes], ...] = ()
) -> Reply:
    """Return a value as an answer that no cache keeps, with further headers."""
    return Reply(status, _encode(value), JSON, (*more, REPLAYED) if replayed else more)


def stored_reply(answer: Answer) -> Reply:
    """Return what was stored under a key as it goes out, and whether it was given before."""
    return Reply(
        answer.status,
        answer.body,
        JSON if answer.status < 400 else PROBLEM,
        (REPLAYED,) if answer.replayed else (),
    )
