"""Proposing what takes two people: money out without an ask, and what one pot passes on to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.ledger.entries import EntryKind
from timebank.ledger.units import MINUTES
from timebank.rules.commands import ProposeOut, ProposePotMove
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.log_reading import read_past_day
from timebank.web.money_pages import (
    FORM_MAX,
    Desk,
    Question,
    Row,
    amount_question,
    day_question,
    field_of,
    money_check,
    money_form,
    open_desk_of,
    read_sum,
    read_words,
    refusal_in_words,
    wait_for_proof,
)
from timebank.web.rooms import MONEY
from timebank.web.second import KINDS, SECOND, proposed_sight
from timebank.web.sending import send
from timebank.web.words import amounts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from litestar.handlers import HTTPRouteHandler

    from timebank.rules.state import Pot
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
OUT: Final = f"{MONEY}/out"
POTS: Final = f"{MONEY}/pots"


class Writing(NamedTuple):
    """What stands in the form of money out, or of a move between pots."""

    amount: str = ""
    pot: str = ""
    to: str = ""
    held: str = ""
    day: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Proposed:
    """What a form proposes, read."""

    pot: Pot
    to: Pot | None
    amount: int
    held: str
    day: date
    reason: str


@route("/g/{slug:str}/money/out", http_method=_READ, include_in_schema=False)
async def out_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form of money out without an ask."""
    return await _show_form(request, slug, OUT)


@post("/g/{slug:str}/money/out", include_in_schema=False)
async def propose_out(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Propose it."""
    return await _take_form(request, slug, OUT)


@route("/g/{slug:str}/money/pots", http_method=_READ, include_in_schema=False)
async def pots_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form of a move between pots."""
    return await _show_form(request, slug, POTS)


@post("/g/{slug:str}/money/pots", include_in_schema=False)
async def propose_move(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Propose it."""
    return await _take_form(request, slug, POTS)


PROPOSE_PAGES: Final[list[HTTPRouteHandler]] = [out_page, propose_out, pots_page, propose_move]


async def _show_form(request: Request[Any, Any, Any], slug: str, below: str) -> ASGIApp:
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, below):
        return waiting
    here.actor.require_role(*_who(below))
    desk = await open_desk_of(here)
    if not _pots(here, desk, below):
        return here.go(MONEY)
    return _form(here, desk, below, Writing(day=desk.today.isoformat()), {})


async def _take_form(request: Request[Any, Any, Any], slug: str, below: str) -> ASGIApp:
    here, fields = await received(request, slug, size_max=FORM_MAX)
    here.actor.require_role(*_who(below))
    desk = await open_desk_of(here)
    if not _pots(here, desk, below):
        return here.go(MONEY)
    writing = Writing(*(field_text(fields, name).strip() for name in Writing._fields))
    if "change" in fields:
        return _form(here, desk, below, writing, {})
    proposed, faults = _read(here, desk, below, writing, fields)
    if proposed is None:
        return _form(here, desk, below, writing, faults, status=422)
    if "checked" not in fields:
        return _check(here, desk, below, writing, proposed, fields)
    unit = proposed.pot.unit
    command: ProposeOut | ProposePotMove
    if proposed.to is None:
        command = ProposeOut(
            proposed.pot.code,
            proposed.amount,
            unit,
            proposed.held,
            effective_on=proposed.day,
            reason=proposed.reason,
        )
    else:
        command = ProposePotMove(
            proposed.pot.code, proposed.to.code, proposed.amount, unit, proposed.day, proposed.reason
        )
    sent = await send(here, fields, command)
    if sent.is_refused:
        field = field_of(sent.code, Writing._fields)
        told = refusal_in_words(sent, unit, here.chosen)
        return _form(here, desk, below, writing, {field: told}, status=sent.status)
    return here.go(f"{SECOND}/{sent.body['proposal']}")


def _who(below: str) -> tuple[str, ...]:
    """Return who proposes: stewards move hours between pots, money only treasurers."""
    return ("treasurer",) if below == OUT else ("treasurer", "steward")


def _pots(here: Inside, desk: Desk, below: str) -> list[Pot]:
    """Return the pots that the reader may take something from."""
    pots = list(desk.money_pots) if below == OUT else list(desk.rules.pots.values())
    if "treasurer" not in here.actor.roles:
        pots = [pot for pot in pots if pot.unit == MINUTES]
    if below == POTS:
        pots = [pot for pot in pots if sum(each.unit == pot.unit for each in pots) > 1]
    return pots


def _read(
    here: Inside, desk: Desk, below: str, writing: Writing, fields: Mapping[str, list[str]]
) -> tuple[_Proposed | None, dict[str, str]]:
    chosen, faults, pots = here.chosen, dict[str, str](), _pots(here, desk, below)
    pot = next((pot for pot in pots if pot.code == writing.pot), None)
    if pot is None and len(pots) == 1 and not writing.pot:
        pot = pots[0]
    if pot is None:
        faults["pot"] = chosen.say(N_("Choose the pot that it comes from"))
    to = next((each for each in pots if each.code == writing.to), None)
    if below == POTS and (to is None or to is pot or (pot is not None and to.unit != pot.unit)):
        faults["to"] = chosen.say(N_("Choose another pot of the same kind"))
    place = desk.place(writing.held)
    if below == OUT and (place is None or (pot is not None and place.unit != pot.unit)):
        faults["held"] = chosen.say(N_("Choose where the money is taken from"))
    amount, fault = read_sum(writing.amount, pot.unit if pot else "EUR", chosen)
    if fault:
        faults["amount"] = fault
    day, fault = read_past_day(writing.day, desk.rules, desk.today, chosen)
    if fault:
        faults["day"] = fault
    reason, fault = read_words(fields, "reason", chosen)
    if fault:
        faults["reason"] = fault
    if faults or pot is None or day is None:
        return None, faults
    return _Proposed(pot, to if below == POTS else None, amount, writing.held, day, reason), {}


def _form(
    here: Inside, desk: Desk, below: str, writing: Writing, faults: Mapping[str, str], *, status: int = 200
) -> PrivatePage:
    chosen, pots = here.chosen, _pots(here, desk, below)

    def choice(field: str, label: str, options: tuple[Any, ...]) -> Question:
        return Question(field, "choice", chosen.say(label), "", Answer("", faults.get(field, "")), options)

    hint = N_("For example 12.50.")
    if any(pot.unit == MINUTES for pot in pots):
        hint = N_("For example 12.50, or 1:30 for hours.")
    questions = [amount_question(N_("How much?"), hint, writing.amount, faults, chosen)]
    if below == POTS or len(pots) != 1:
        questions.append(choice("pot", N_("From which pot?"), desk.pot_options(pots, writing.pot, chosen)))
    if below == POTS:
        questions.append(choice("to", N_("To which pot?"), desk.pot_options(pots, writing.to, chosen)))
    else:
        options = desk.place_options(writing.held, chosen)
        questions.append(choice("held", N_("Where was it taken from?"), options))
    questions += [
        day_question(
            N_("On which day"), N_("Today, or the day on which it was."), writing.day, faults, desk, chosen
        ),
        Question(
            "reason",
            "words",
            chosen.say(N_("A note")),
            chosen.say(N_("What it is for. Those with a duty can read it.")),
            Answer(writing.reason, faults.get("reason", "")),
            optional=True,
        ),
    ]
    kind = EntryKind.POT_MOVE if below == POTS else EntryKind.MONEY_OUT
    to = next(each for each in pots[1:] if each.unit == pots[0].unit) if below == POTS else None
    sight = proposed_sight(here, desk, kind, pots[0], to, 1, known=False)
    lede = N_("A fee of the bank, or a surplus that is passed on. Somebody else with a duty signs it first.")
    if below == POTS:
        lede = N_("One pot passes something on to another. Somebody else with a duty signs it first.")
    return money_form(
        here,
        title=chosen.say(KINDS["pot_move" if below == POTS else "money_out"]),
        lede=chosen.say(lede),
        below=below,
        questions=questions,
        faults=faults,
        sight=sight,
        few=(
            chosen.say(N_("How much, from where, on which day, and your note.")),
            chosen.say(N_("Whoever signs sees your name.")),
        ),
        button=chosen.say(N_("Look at it, then propose it")),
        status=status,
    )


def _check(
    here: Inside,
    desk: Desk,
    below: str,
    writing: Writing,
    proposed: _Proposed,
    fields: Mapping[str, list[str]],
) -> PrivatePage:
    chosen = here.chosen
    say, amounts = chosen.say, amounts_of(proposed.pot.unit, chosen)
    rows = [Row(say(N_("How much")), amounts.words(proposed.amount))]
    if proposed.to is None:
        rows += [
            Row(say(N_("Which pot")), desk.pot_name(proposed.pot, chosen)),
            Row(say(N_("Where")), desk.label_of(proposed.held, chosen)),
        ]
    else:
        rows += [
            Row(say(N_("From")), desk.pot_name(proposed.pot, chosen)),
            Row(say(N_("To")), desk.pot_name(proposed.to, chosen)),
        ]
    rows.append(Row(say(N_("When")), chosen.day(proposed.day)))
    if proposed.reason:
        rows.append(Row(say(N_("Your note")), proposed.reason))
    kind = EntryKind.MONEY_OUT if proposed.to is None else EntryKind.POT_MOVE
    return money_check(
        here,
        fields,
        title=say(N_("Is this right?")),
        lede=say(N_("Nothing moves before somebody else signs it.")),
        below=below,
        carried=writing._asdict(),
        rows=rows,
        sight=proposed_sight(here, desk, kind, proposed.pot, proposed.to, proposed.amount),
        few=(
            say(N_("How much, from where, on which day, and your note.")),
            say(N_("Whoever signs sees your name.")),
        ),
        button=say(N_("Propose it")),
    )
