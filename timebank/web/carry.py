"""Money carried from one place to another: no pot changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.ledger.entries import EntryKind
from timebank.rules.commands import MoveHeld
from timebank.rules.previews import money_line
from timebank.rules.publication import OPEN
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.log_reading import read_past_day
from timebank.web.money_in import ENTRIES
from timebank.web.money_pages import (
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
    refusal_in_words,
    wait_for_proof,
)
from timebank.web.rooms import MONEY
from timebank.web.sending import send
from timebank.web.sight import Sight, published_with_its_pot, seen_lines, sight_line
from timebank.web.words import amounts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.store.treasury import ListedPlace
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
CARRY: Final = f"{MONEY}/carry"


class Carrying(NamedTuple):
    """What stands in the form about money carried from place to place."""

    amount: str = ""
    source: str = ""
    held: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """Money carried from place to place, as the form says it."""

    source: ListedPlace
    target: ListedPlace
    amount: int
    day: date


@route("/g/{slug:str}/money/carry", http_method=_READ, include_in_schema=False)
async def carry_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form about money carried from one place to another."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, CARRY):
        return waiting
    here.actor.require_role("treasurer")
    desk = await open_desk_of(here)
    if not desk.money_pots:
        return here.go(MONEY)
    return _carry_form(here, desk, Carrying(day=desk.today.isoformat()), {})


@post("/g/{slug:str}/money/carry", include_in_schema=False)
async def carry(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show it once more, or write down that money was carried."""
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer")
    desk = await open_desk_of(here)
    if not desk.money_pots:
        return here.go(MONEY)
    carrying = Carrying(*(field_text(fields, name).strip() for name in Carrying._fields))
    if "change" in fields:
        return _carry_form(here, desk, carrying, {})
    move, faults = _read_move(desk, carrying, here.chosen)
    if move is None:
        return _carry_form(here, desk, carrying, faults, status=422)
    if "checked" not in fields:
        return _carry_check(here, desk, carrying, move, fields)
    here.actor.require_fresh()
    command = MoveHeld(move.source.code, move.target.code, move.amount, move.source.unit, move.day)
    sent = await send(here, fields, command)
    if sent.is_refused:
        field = "source" if sent.code == "below_floor" else field_of(sent.code, Carrying._fields)
        told = refusal_in_words(sent, move.source.unit, here.chosen)
        return _carry_form(here, desk, carrying, {field: told}, status=sent.status)
    return here.go(f"{ENTRIES}/{sent.body['entry']}")


CARRY_PAGES: Final[list[HTTPRouteHandler]] = [carry_page, carry]


def _read_move(desk: Desk, carrying: Carrying, chosen: Language) -> tuple[Move | None, dict[str, str]]:
    faults = dict[str, str]()
    source, target = desk.place(carrying.source), desk.place(carrying.held)
    if source is None:
        faults["source"] = chosen.say(N_("Choose where the money is taken from"))
    if target is None or target is source:
        faults["held"] = chosen.say(N_("Choose another place, where the money is now"))
    elif source is not None and source.unit != target.unit:
        faults["held"] = chosen.say(N_("Choose a place that keeps the same money"))
    amount, fault = read_sum(carrying.amount, source.unit if source else "EUR", chosen)
    if fault:
        faults["amount"] = fault
    day, fault = read_past_day(carrying.day, desk.rules, desk.today, chosen)
    if fault:
        faults["day"] = fault
    if faults or source is None or target is None or day is None:
        return None, faults
    return Move(source, target, amount, day), {}


def _carry_form(
    here: Inside, desk: Desk, carrying: Carrying, faults: Mapping[str, str], *, status: int = 200
) -> PrivatePage:
    chosen = here.chosen
    return money_form(
        here,
        title=chosen.say(N_("Carry money from place to place")),
        lede=chosen.say(N_("From the cash box to the bank, for example. No pot changes.")),
        below=CARRY,
        questions=(
            Question(
                "source",
                "choice",
                chosen.say(N_("Where was it taken from?")),
                "",
                Answer("", faults.get("source", "")),
                desk.place_options(carrying.source, chosen),
            ),
            Question(
                "held",
                "choice",
                chosen.say(N_("Where is it now?")),
                "",
                Answer("", faults.get("held", "")),
                desk.place_options(carrying.held, chosen),
            ),
            amount_question(N_("How much?"), N_("For example 12.50."), carrying.amount, faults, chosen),
            day_question(
                N_("On which day"),
                N_("Today, or the day on which it was."),
                carrying.day,
                faults,
                desk,
                chosen,
            ),
        ),
        faults=faults,
        sight=_carry_sight(here, desk, desk.units[0], desk.today),
        few=(chosen.say(N_("From where to where, how much, and on which day.")),),
        button=chosen.say(N_("Look at it, then write it")),
        status=status,
    )


def _carry_check(
    here: Inside, desk: Desk, carrying: Carrying, move: Move, fields: Mapping[str, list[str]]
) -> PrivatePage:
    chosen, amounts = here.chosen, amounts_of(move.source.unit, here.chosen)
    return money_check(
        here,
        fields,
        title=chosen.say(N_("Is this right?")),
        lede=chosen.say(N_("Nothing is written yet.")),
        below=CARRY,
        carried=carrying._asdict(),
        rows=(
            Row(chosen.say(N_("How much")), amounts.words(move.amount)),
            Row(chosen.say(N_("Taken from")), desk.label(move.source, chosen)),
            Row(chosen.say(N_("Where it is")), desk.label(move.target, chosen)),
            Row(chosen.say(N_("When")), chosen.day(move.day)),
        ),
        sight=_carry_sight(here, desk, move.source.unit, move.day),
        few=(chosen.say(N_("From where to where, how much, and on which day.")),),
        button=chosen.say(N_("Write it down")),
        needs_proof=True,
    )


def _carry_sight(here: Inside, desk: Desk, unit: str, day: date) -> Sight:
    chosen = here.chosen
    if here.group.preset != OPEN:
        return Sight("", (), (chosen.say(N_("Nothing: places are not told apart.")),))
    pot = next(pot for pot in desk.money_pots if pot.unit == unit)
    line = money_line(
        desk.rules, EntryKind.HELD_MOVE, pot, preset=here.group.preset, amount=1, effective_on=day
    )
    words = N_("No amount in the line. How much is in each place is shown at the next close.")
    return Sight(
        chosen.say(N_("Money")),
        seen_lines([(line, sight_line(line, amounts_of(unit, chosen)))]),
        (chosen.say(words), published_with_its_pot(day, desk.today, chosen, here.group)),
    )
