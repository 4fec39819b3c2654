"""What the pages of stewards share: who may read them, what was done just now, and a field with its fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar.enums import HttpMethod

from timebank.errors import N_
from timebank.web.inside import Inside, inside, received
from timebank.web.private import go_to
from timebank.web.sign_in import duty_location

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Request

    from timebank.i18n import Language
    from timebank.web.private import PrivatePage

READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: What was done just now, by the word in the address that says so.
_DONE: Final[Mapping[str, str]] = {
    "proposed": N_("It is proposed. Another steward says yes to it."),
    "given": N_("Done. The duty counts from their next step on."),
    "taken": N_("Done. The duty is gone."),
    "entered": N_("They are in. Print a sign-in card, or write their hours for them."),
    "let-in": N_("They are in, and find their way in on their own page."),
    "not-now": N_("Answered. What they wrote is gone."),
    "vouched": N_("Their duties wait no more."),
    "changed": N_("Changed."),
    "revoked": N_("It opens nothing any more."),
    "agreed": N_("The new version is published."),
    "answered": N_("Your answer is written down."),
    "settled": N_("It is settled."),
}


class Option(NamedTuple):
    """One of several answers to a question."""

    value: str
    label: str
    chosen: bool = False
    hint: str = ""


class Fault(NamedTuple):
    """What is wrong with one field of a page, and what stood in the form."""

    field: str
    text: str
    fields: Mapping[str, list[str]]


def waits(here: Inside, below: str) -> PrivatePage | None:
    """Return the way to a proof for a steward whose duty waits for one; None for everybody else.

    Raises:
        NeedsRole: The reader is no steward.
    """
    if "steward" in here.visitor.duties_wait:
        return go_to(duty_location(here, below))
    here.actor.require_role("steward")
    return None


async def steward_reads(request: Request[Any, Any, Any], slug: str, below: str) -> Inside | PrivatePage:
    """Return the steward who reads a page, or the way to the proof that they must give first.

    Raises:
        NeedsRole: The reader is no steward.
        SignInFirst, UnknownGroup: See inside.
    """
    here = await inside(request, slug)
    return waits(here, below) or here


async def steward_sends(
    request: Request[Any, Any, Any], slug: str, *, size_max: int = 16 * 1024, fields_max: int = 40
) -> tuple[Inside, Mapping[str, list[str]]]:
    """Return the steward who sent a form, and its fields.

    Raises:
        NeedsRole: The sender is no steward.
        SignInFirst, UnknownGroup, FormNotOurs, TooLarge, MalformedBody: See received.
    """
    here, fields = await received(request, slug, size_max=size_max, fields_max=fields_max)
    here.actor.require_role("steward")
    return here, fields


def done(here: Inside, below: str, said: str) -> PrivatePage:
    """Return the way to a page that begins with what was done just now."""
    assert said in _DONE, said
    path, mark, anchor = here.path(below), "&" if here.query else "?", ""
    if "#" in below:
        below, _, anchor = below.partition("#")
        path = here.path(below)
    return go_to(f"{path}{mark}done={said}" + (f"#{anchor}" if anchor else ""))


def done_in_words(request: Request[Any, Any, Any], chosen: Language) -> str:
    """Return what the address says was done just now; empty for nothing."""
    message = _DONE.get(request.query_params.get("done", ""))
    return chosen.say(message) if message else ""
