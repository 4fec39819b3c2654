"""Asking without an account: a form with a secret link, and what its holder can see and do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.api.draws import (
    AmountBody,
    AskedOut,
    ChangedAskOut,
    StepOut,
    TextBody,
    asked_amount,
    some_words,
    words,
)
from timebank.api.fields import Amount, Category, Code, Currency, Minutes, Note, NothingBody
from timebank.edge.bodies import Reader, check_media_type, receive_body
from timebank.edge.door import Asked, Door, json_reply, stored_reply
from timebank.edge.headers import Reply
from timebank.edge.idempotency import check_key, request_hash
from timebank.edge.limits import slow_down
from timebank.edge.openapi import for_strangers, reads_by_link, writes_by_link
from timebank.edge.problems import language_of, renderer, reply
from timebank.errors import Refusal
from timebank.rules import commands
from timebank.services import asks

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.rules.commands import Command


class FormOut(msgspec.Struct, frozen=True):
    """A secret of one's own: ask with a POST to `asks/{secret}`, and find the ask there again. Keep it."""

    secret: str


class StatusOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far an ask is; amounts in the unit of its pot. `key` is the Idempotency-Key of the next step."""

    pot: str
    unit: str
    category: str
    state: str
    asked: int
    promised: int
    handed: int
    left: int
    acts: tuple[str, ...]
    key: str = ""
    waits_for: str = ""
    needed_by: date | None = None
    reason: str = ""
    question: str = ""
    answer: str = ""


class AskBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An ask by somebody without an account: `minutes`, or `amount` and `currency`."""

    pot: Code
    category: Category
    minutes: Minutes | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    needed_by: date | None = None
    contact: Note | None = None
    payout: Note | None = None


class CodeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The short code of a slip, such as `K7QP-3MWX`."""

    code: str


Make = Callable[[Any, asks.Holder, Door], "Command"]


def _ask(body: AskBody, holder: asks.Holder, door: Door) -> Command:
    amount, unit = asked_amount(body)
    contact = words(body.contact, "contact")
    return commands.AskDraw(
        pot=body.pot,
        amount=amount,
        unit=unit,
        category=body.category,
        needed_by=body.needed_by,
        contact=contact,
        payout=words(body.payout, "payout"),
        without_account=True,
        link=holder.link_hash,
        contact_index=asks.contact_index(door.house.keys, holder.actor.group_id, contact),
        ask_id=holder.ask_id,
    )


def _change(body: AmountBody, holder: asks.Holder, _door: Door) -> Command:
    amount, unit = asked_amount(body)
    return commands.ChangeDraw(holder.ask_id, amount, unit)


def _answer(body: TextBody, holder: asks.Holder, _door: Door) -> Command:
    return commands.AnswerDraw(holder.ask_id, some_words(body.text, "text"))


def _cancel(_body: NothingBody, holder: asks.Holder, _door: Door) -> Command:
    return commands.CancelDraw(holder.ask_id)


def _arrived(_body: NothingBody, holder: asks.Holder, _door: Door) -> Command:
    return commands.DrawArrived(holder.ask_id)


class LinkWrite:
    """One thing that the holder of a link can do.

    The link itself is the key of the ask; each further step has a key that the status page gave out.
    """

    __slots__ = ("_empty", "_is_ask", "_make", "reader")

    def __init__(
        self, reader: Reader[Any], make: Make, *, is_ask: bool = False, empty: bytes | None = None
    ) -> None:
        self.reader = reader
        self._make = make
        self._is_ask = is_ask
        self._empty = empty

    async def answer(self, request: Request[Any, Any, Any]) -> Reply:
        """Answer one request."""
        scope = request.scope
        asked = Asked(scope["headers"])
        language = language_of(asked.accept_language)
        try:
            door: Door = scope["litestar_app"].state.door
            group_id = await door.keeper.group_id(scope["path_params"]["slug"])
            body = await receive_body(
                request.receive, size_max=self.reader.size_max, announced=asked.content_length
            )
            if body or self._empty is None:
                check_media_type(asked.content_type)
            if self._is_ask:
                await slow_down(request, group_id, "ask")
            holder = await asks.find_holder(door.house, group_id, scope["path_params"]["secret"])
            key = self._key(door, group_id, holder, asked)
            value = self.reader.read(body or self._empty or b"")
            answer = await door.writer.submit(
                group_id,
                [self._make(value, holder, door)],
                actor=holder.actor,
                key=key,
                request_hash=request_hash(scope["method"], scope["raw_path"], body),
                render=renderer(language),
            )
        except Refusal as refusal:
            return reply(refusal, language)
        return stored_reply(answer)

    def _key(self, door: Door, group_id: UUID, holder: asks.Holder, asked: Asked) -> str:
        if self._is_ask:
            return f"ask {holder.link_hash.hex()}"
        key = check_key(asked.keys)
        asks.check_key(door.house.keys, group_id, holder.link_hash, key)
        return key


ASK: Final = LinkWrite(Reader(AskBody), _ask, is_ask=True)
CHANGE: Final = LinkWrite(Reader(AmountBody), _change)
ANSWER: Final = LinkWrite(Reader(TextBody), _answer)
CANCEL: Final = LinkWrite(Reader(NothingBody), _cancel, empty=b"{}")
ARRIVED: Final = LinkWrite(Reader(NothingBody), _arrived, empty=b"{}")
CODES: Final = Reader(CodeBody)


@get(
    "/groups/{slug:str}/asks",
    operation_class=reads_by_link(
        FormOut,
        summary="A form to ask without an account",
        description="A fresh secret; nothing is stored until somebody asks with it.",
    ),
)
async def get_form(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a fresh secret to ask with."""
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(request.path_params["slug"])
    return json_reply(FormOut(asks.make_form(door.house.keys, group_id)))


@get(
    "/groups/{slug:str}/asks/{secret:str}",
    operation_class=reads_by_link(
        StatusOut,
        summary="How far an ask is",
        description="To whoever holds its link. A link that was replaced is answered as one that never was.",
        refusals=(errors.UnknownDraw,),
    ),
)
async def get_ask(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return how far an ask is."""
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(request.path_params["slug"])
    holder = await asks.find_holder(door.house, group_id, request.path_params["secret"])
    return json_reply(_status(await asks.read_status(door.house, holder)))


@post(
    "/groups/{slug:str}/asks/{secret:str}",
    operation_class=writes_by_link(
        AskBody,
        summary="Ask without an account",
        description="Where the pot's rules let anybody ask. The secret is the key: sending it twice asks once.",
        keyed=False,
        answer=AskedOut,
        refusals=(
            errors.AlreadyDone,
            errors.AmountOutOfRange,
            errors.NeedsAccount,
            errors.PolicyRefuses,
            errors.TooManyTries,
            errors.UnknownCategory,
            errors.UnknownDraw,
            errors.UnknownPot,
        ),
        example={
            "pot": "money",
            "amount": 2500,
            "currency": "EUR",
            "category": "repairs",
            "contact": "Ring twice",
        },
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "pot": "money", "state": "asked"},
    ),
)
async def ask_by_link(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask without an account."""
    return await ASK.answer(request)


@post(
    "/groups/{slug:str}/asks/{secret:str}/change",
    operation_class=writes_by_link(
        AmountBody,
        summary="Ask for another amount",
        description="Before it is promised.",
        status=200,
        answer=ChangedAskOut,
        refusals=(
            errors.AmountOutOfRange,
            errors.DrawNotOpen,
            errors.KeyNotIssued,
            errors.PolicyRefuses,
            errors.UnitMismatch,
            errors.UnknownDraw,
        ),
        example={"amount": 2000, "currency": "EUR"},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "asked", "asked": 2000, "unit": "EUR"},
    ),
)
async def change_by_link(request: Request[Any, Any, Any]) -> ASGIApp:
    """Ask for another amount."""
    return await CHANGE.answer(request)


@post(
    "/groups/{slug:str}/asks/{secret:str}/answer",
    operation_class=writes_by_link(
        TextBody,
        summary="Answer a question",
        description="Of a steward.",
        status=200,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.KeyNotIssued,
            errors.UnknownDraw,
        ),
        example={"text": "By Friday"},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "looked_at"},
    ),
)
async def answer_by_link(request: Request[Any, Any, Any]) -> ASGIApp:
    """Answer a question."""
    return await ANSWER.answer(request)


@post(
    "/groups/{slug:str}/asks/{secret:str}/cancel",
    operation_class=writes_by_link(
        NothingBody,
        summary="Need it no more",
        description="What is still promised goes back.",
        status=200,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.KeyNotIssued,
            errors.Overflow,
            errors.UnknownDraw,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "cancelled"},
    ),
)
async def cancel_by_link(request: Request[Any, Any, Any]) -> ASGIApp:
    """Need it no more."""
    return await CANCEL.answer(request)


@post(
    "/groups/{slug:str}/asks/{secret:str}/arrived",
    operation_class=writes_by_link(
        NothingBody,
        summary="Say that it arrived",
        description="Once it was handed over.",
        status=200,
        answer=StepOut,
        refusals=(
            errors.DrawNotOpen,
            errors.KeyNotIssued,
            errors.UnknownDraw,
        ),
        example={},
        gives={"id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10", "state": "arrived"},
    ),
)
async def arrived_by_link(request: Request[Any, Any, Any]) -> ASGIApp:
    """Say that it arrived."""
    return await ARRIVED.answer(request)


@post(
    "/groups/{slug:str}/ask-codes",
    operation_class=for_strangers(
        StatusOut,
        body=CodeBody,
        summary="How far the ask of a slip is",
        description="By its short code, which shows and changes nothing else.",
        refusals=(
            errors.TooManyTries,
            errors.UnknownDraw,
        ),
        example={"code": "K7QP-3MWX"},
        gives={
            "pot": "money",
            "unit": "EUR",
            "category": "repairs",
            "state": "asked",
            "asked": 2500,
            "promised": 0,
            "handed": 0,
            "left": 0,
            "acts": [],
            "waits_for": "yes",
        },
    ),
)
async def find_ask_by_code(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return how far the ask of a slip is."""
    scope = request.scope
    asked = Asked(scope["headers"])
    language = language_of(asked.accept_language)
    try:
        door: Door = request.app.state.door
        group_id = await door.keeper.group_id(request.path_params["slug"])
        check_media_type(asked.content_type)
        body = await receive_body(request.receive, size_max=CODES.size_max, announced=asked.content_length)
        code = CODES.read(body).code
        await slow_down(request, group_id, "code")
        holder = await asks.find_holder_by_code(door.house, group_id, code)
        return json_reply(_status(await asks.read_status(door.house, holder)))
    except Refusal as refusal:
        return reply(refusal, language)


def _status(status: asks.AskStatus) -> StatusOut:
    draw, said = status.draw, status.said
    return StatusOut(
        pot=status.pot.code,
        unit=status.pot.unit,
        category=draw.category,
        state=draw.state,
        asked=draw.asked,
        promised=draw.promised,
        handed=draw.handed,
        left=draw.left,
        acts=status.acts,
        key=status.key,
        waits_for=status.waits_for,
        needed_by=draw.needed_by,
        reason=said.get("reason", ""),
        question=said.get("question", ""),
        answer=said.get("answer", ""),
    )


ROUTES: Final = (
    get_form,
    get_ask,
    ask_by_link,
    change_by_link,
    answer_by_link,
    cancel_by_link,
    arrived_by_link,
    find_ask_by_code,
)
