"""Sending what a form says through the write door, once however often the button is pressed."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from timebank.edge.problems import renderer, status_of
from timebank.errors import N_, FieldInvalid, FormNotOurs, KeyInvalid, KeyReused, messages
from timebank.services.acts import Once
from timebank.web.forms import field_text, is_look

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from timebank.i18n import Language
    from timebank.rules.commands import Command
    from timebank.services.writer import Answer
    from timebank.web.inside import Inside

#: Hidden in every form that writes to a book.
KEY_FIELD: Final = "key"
#: Of a form that was sent with something else in it, taken or refused, by anybody: most have no statement to look at.
SENT_BEFORE: Final = N_(
    "This form was sent before, with something else in it. Look first at what became of that, and then send it again."
)
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a command.

    Attributes:
        status: As HTTP says it; below 400 the book has it.
        code: Name of the refusal; empty if there is none.
        sentence: The refusal in words of the reader, whatever language it was first given in.
        body: What the answer says.
    """

    status: int
    code: str
    sentence: str
    body: Mapping[str, Any]

    @property
    def is_refused(self) -> bool:
        """Whether nothing was written."""
        return bool(self.code)


def new_key() -> str:
    """Return the key of a form that was not sent yet; whoever sees it again after a refusal gets another."""
    return secrets.token_urlsafe(16)


def key_of(fields: Mapping[str, list[str]]) -> str:
    """Return the key that came with a form.

    Raises:
        FormNotOurs: It is only looked at: nothing is ever written for such a form.
        KeyInvalid: It is none that a page of ours has.
    """
    if is_look(fields):
        raise FormNotOurs
    key = field_text(fields, KEY_FIELD)
    if not _KEY.fullmatch(key):
        raise KeyInvalid
    return key


def form_key(said: str) -> str:
    """Return the key under which the answer to a form is kept, or nothing if no form of ours has this key."""
    return f"page-{said}" if _KEY.fullmatch(said) else ""


async def send_many(
    here: Inside, fields: Mapping[str, list[str]], commands: Sequence[Command]
) -> tuple[Sent, ...]:
    """Send many commands of one form as the reader, each taken or refused by itself; what became of each, in order.

    Raises:
        KeyReused: The form was sent before, with something else in it.
        KeyInvalid, Busy, ServerFault: See ``send``.
    """
    said = msgspec.json.encode([(type(command).__name__, command) for command in commands])
    answer = await here.door.writer.submit(
        here.actor.group_id,
        commands,
        actor=here.actor,
        key=form_key(key_of(fields)),
        request_hash=sha256(said).digest(),
        render=renderer(here.chosen),
        many=True,
    )
    return tuple(
        sent_as(outcome["status"], outcome, here.chosen)
        for outcome in msgspec.json.decode(answer.body)["outcomes"]
    )


async def send(here: Inside, fields: Mapping[str, list[str]], command: Command) -> Sent:
    """Send a command as the reader; the same form sent again gets the same answer, and writes nothing.

    Raises:
        KeyInvalid: The form has no key of ours.
        Busy, ServerFault: See Writer.submit.
    """
    said = msgspec.json.encode((type(command).__name__, command))
    try:
        answer = await here.door.writer.submit(
            here.actor.group_id,
            [command],
            actor=here.actor,
            key=form_key(key_of(fields)),
            request_hash=sha256(said).digest(),
            render=renderer(here.chosen),
        )
    except KeyReused as refusal:
        return _sent_before(here, refusal)
    return sent_as(answer.status, msgspec.json.decode(answer.body), here.chosen)


async def act(
    here: Inside, fields: Mapping[str, list[str]], said: object, do: Callable[[Once], Awaitable[Answer]]
) -> Sent:
    """Have a service do what a form says; the same form sent again gets the same answer, and does nothing.

    Args:
        said: What the form asks for, as far as it decides: the same key with something else is refused.
        do: Calls the service.

    Raises:
        KeyInvalid: The form has no key of ours.
        StepUpNeeded, Busy, ServerFault: See Once.run.
    """
    once = Once(
        key=f"page-{key_of(fields)}",
        request_hash=sha256(msgspec.json.encode(said)).digest(),
        now=here.door.clock(),
        render=renderer(here.chosen),
    )
    try:
        answer = await do(once)
    except KeyReused as refusal:
        return _sent_before(here, refusal)
    except FieldInvalid as refusal:
        # What services check before they begin; the same form may come again, mended.
        return Sent(status_of(refusal), refusal.code, here.chosen.refusal(refusal), refusal.params)
    return sent_as(answer.status, msgspec.json.decode(answer.body), here.chosen)


def _sent_before(here: Inside, refusal: KeyReused) -> Sent:
    return Sent(status_of(refusal), refusal.code, here.chosen.say(SENT_BEFORE), {})


def sent_as(status: int, body: Mapping[str, Any], chosen: Language) -> Sent:
    """Return an answer of the write door to whoever reads this language."""
    if status < 400:
        return Sent(status, "", "", body)
    code, params = body["code"], body["params"]
    message = messages().get(code)
    # Answers are kept in the language of whoever asked first, which may be another one by now.
    return Sent(status, code, chosen.refused(message, params) if message else body["detail"], params)
