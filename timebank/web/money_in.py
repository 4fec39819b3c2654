"""Money that came in: a form, and a second look before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.ledger.entries import EntryKind
from timebank.rules.commands import GiveMoney
from timebank.rules.previews import money_line
from timebank.services.member_acts import find_each_by_name
from timebank.web.forms import Answer, field_text, field_whole, is_live
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
    wait_for_proof,
)
from timebank.web.rooms import MONEY
from timebank.web.sending import send
from timebank.web.sight import Sight, published_gift, seen_lines, sight_line
from timebank.web.words import amounts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from litestar.handlers import HTTPRouteHandler

    from timebank.rules.state import Pot
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
IN: Final = f"{MONEY}/in"
ENTRIES: Final = f"{MONEY}/entries"


class Writing(NamedTuple):
    """What stands in the form, as it was written."""

    amount: str = ""
    held: str = ""
    pot: str = ""
    day: str = ""
    giver: str = ""
    reference: str = ""
    again: str = ""


class Gift(NamedTuple):
    """Money that came in, as the form says it, read and looked up; ``giver`` is None for nobody of the group."""

    pot: Pot
    amount: int
    held: str
    day: date
    giver: UUID | None
    giver_name: str
    reference: str


# ---------------------------------------------------------------- handlers


@route("/g/{slug:str}/money/in", http_method=_READ, include_in_schema=False)
async def money_in_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, IN):
        return waiting
    here.actor.require_role("treasurer")
    desk = await open_desk_of(here)
    if not desk.money_pots:
        return here.go(MONEY)
    return _form(here, desk, Writing(day=desk.today.isoformat()), {})


@post("/g/{slug:str}/money/in", include_in_schema=False)
async def take_money_in(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what the form says once more, or write it down and go to its receipt."""
    here, fields = await received(request, slug, size_max=FORM_MAX)
    here.actor.require_role("treasurer")
    desk = await open_desk_of(here)
    if not desk.money_pots:
        return here.go(MONEY)
    writing = Writing(*(field_text(fields, name).strip() for name in Writing._fields))._replace(
        reference=field_whole(fields, "reference")
    )
    if "change" in fields:
        return _form(here, desk, writing, {})
    gift, faults = await _read(here, desk, writing, fields)
    if gift is None:
        return _form(here, desk, writing, faults, status=422)
    if "checked" not in fields:
        return _check(here, desk, writing, gift, fields)
    command = GiveMoney(
        pot=gift.pot.code,
        amount=gift.amount,
        currency=gift.pot.unit,
        held=gift.held,
        giver=gift.giver,
        effective_on=gift.day,
        reference=gift.reference,
        again=bool(writing.again),
    )
    sent = await send(here, fields, command)
    if sent.is_refused:
        return _refused(here, desk, writing, sent)
    return here.go(f"{ENTRIES}/{sent.body['entry']}")


MONEY_IN_PAGES: Final[list[HTTPRouteHandler]] = [money_in_page, take_money_in]


# ---------------------------------------------------------------- reading


async def _read(
    here: Inside, desk: Desk, writing: Writing, fields: Mapping[str, list[str]]
) -> tuple[Gift | None, dict[str, str]]:
    """Return the money that the form says, or everything that is wrong with it by field."""
    chosen, faults = here.chosen, dict[str, str]()
    pot = _pot(desk, writing)
    if pot is None:
        faults["pot"] = chosen.say(N_("Choose which pot it is for"))
    unit = pot.unit if pot is not None else desk.units[0] if desk.units else "EUR"
    amount, fault = read_sum(writing.amount, unit, chosen)
    if fault:
        faults["amount"] = fault
    place = desk.place(writing.held)
    if place is None or (pot is not None and place.unit != pot.unit):
        faults["held"] = chosen.say(N_("Choose where the money is now"))
    day, fault = read_past_day(writing.day, desk.rules, desk.today, chosen)
    if fault:
        faults["day"] = fault
    giver, name = None, ""
    if writing.giver:
        (found,) = await find_each_by_name(
            here.door.house, here.actor, [writing.giver], now=here.door.clock(), quiet=is_live(fields)
        )
        giver, name = found or (None, "")
        if found is None:
            faults["giver"] = chosen.say(N_("Look at it again: nobody here has exactly this name or code"))
    reference, fault = read_words(fields, "reference", chosen)
    if fault:
        faults["reference"] = fault
    if faults or pot is None or day is None:
        return None, faults
    return Gift(pot, amount, writing.held, day, giver, name, reference), {}


def _pot(desk: Desk, writing: Writing) -> Pot | None:
    if len(desk.money_pots) == 1 and not writing.pot:
        return desk.money_pots[0]
    return next((pot for pot in desk.money_pots if pot.code == writing.pot), None)


# ---------------------------------------------------------------- the form, and the second look


def _form(
    here: Inside,
    desk: Desk,
    writing: Writing,
    faults: Mapping[str, str],
    *,
    more: tuple[str, str] = ("", ""),
    status: int = 200,
) -> PrivatePage:
    chosen, pots = here.chosen, desk.money_pots
    pot, (day, _) = _pot(desk, writing), read_past_day(writing.day, desk.rules, desk.today, chosen)
    amount, fault = read_sum(writing.amount, (pot or pots[0]).unit, chosen)
    known = pot is not None and not fault
    questions = [
        amount_question(N_("How much came in?"), N_("For example 12.50."), writing.amount, faults, chosen),
        Question(
            "held",
            "choice",
            chosen.say(N_("Where is it now?")),
            "",
            Answer("", faults.get("held", "")),
            desk.place_options(writing.held, chosen),
        ),
        day_question(N_("When?"), N_("The day on which it came."), writing.day, faults, desk, chosen),
        Question(
            "giver",
            "text",
            chosen.say(N_("Who gave it?")),
            chosen.say(
                N_("The exact nickname, or the code. Leave it empty for somebody outside, or without a name.")
            ),
            Answer(writing.giver, faults.get("giver", "")),
            optional=True,
        ),
        Question(
            "reference",
            "text",
            chosen.say(N_("What does the bank or the platform call it?")),
            chosen.say(
                N_(
                    "Its number or words there. Sealed, for treasurers alone: with it the same money is not written twice."
                )
            ),
            Answer(writing.reference[: 2 * 500], faults.get("reference", "")),
            optional=True,
            sealed=True,
        ),
    ]
    if len(pots) != 1:
        questions.insert(
            2,
            Question(
                "pot",
                "choice",
                chosen.say(N_("For which pot?")),
                "",
                Answer("", faults.get("pot", "")),
                desk.pot_options(pots, writing.pot, chosen),
            ),
        )
    if more[0]:
        questions.append(
            Question(
                "again",
                "tick",
                chosen.say(N_("It is really another one, though it looks the same.")),
                chosen.say(N_("The same once more?")),
                Answer(writing.again, ""),
            )
        )
    return money_form(
        here,
        title=chosen.say(N_("Money came in")),
        lede=chosen.say(N_("Write down what somebody gave. You look at it once more before it is written.")),
        below=IN,
        questions=questions,
        faults=faults,
        sight=_sight(here, desk, pot or pots[0], amount if known else 1, day or desk.today, known=known),
        told=known and day is not None,
        few=(
            chosen.say(N_("How much, where it is, on which day, and whether somebody of the group gave it.")),
            chosen.say(N_("Whoever is named finds it in their own statement.")),
        ),
        button=chosen.say(N_("Look at it, then write it")),
        more=more,
        status=status,
    )


def _check(
    here: Inside, desk: Desk, writing: Writing, gift: Gift, fields: Mapping[str, list[str]]
) -> PrivatePage:
    chosen = here.chosen
    amounts = amounts_of(gift.pot.unit, chosen)
    rows = [
        Row(
            chosen.say(N_("How much")),
            amounts.words(gift.amount),
            chosen.say(N_("You wrote “%(written)s”."), written=writing.amount),
        ),
        Row(chosen.say(N_("Where it is")), desk.label_of(gift.held, chosen)),
        Row(chosen.say(N_("When")), chosen.day(gift.day)),
        Row(
            chosen.say(N_("Who gave it")),
            gift.giver_name or chosen.say(N_("somebody outside, or without a name")),
        ),
    ]
    if len(desk.money_pots) > 1:
        rows.insert(1, Row(chosen.say(N_("Which pot")), desk.pot_name(gift.pot, chosen)))
    if gift.reference:
        rows.append(Row(chosen.say(N_("What they call it")), gift.reference))
    few = [
        chosen.say(N_("How much, where it is, on which day, and whether somebody of the group gave it.")),
    ]
    if gift.giver_name:
        few.append(chosen.say(N_("%(name)s finds it in their own statement."), name=gift.giver_name))
    return money_check(
        here,
        fields,
        title=chosen.say(N_("Is this right?")),
        lede=chosen.say(N_("Nothing is written yet.")),
        below=IN,
        carried=writing._asdict(),
        rows=rows,
        sight=_sight(here, desk, gift.pot, gift.amount, gift.day),
        few=few,
        button=chosen.say(N_("Write it down")),
    )


def _sight(here: Inside, desk: Desk, pot: Pot, amount: int, day: date, *, known: bool = True) -> Sight:
    chosen = here.chosen
    line = money_line(
        desk.rules, EntryKind.MONEY_IN, pot, preset=here.group.preset, amount=amount, effective_on=day
    )
    return Sight(
        chosen.say(N_("Money")),
        seen_lines([(line, sight_line(line, amounts_of(pot.unit, chosen), known=known))]),
        (published_gift(day, desk.today, chosen, here.group),),
    )


def _refused(here: Inside, desk: Desk, writing: Writing, sent: Sent) -> PrivatePage:
    chosen = here.chosen
    if sent.code != "reference_known":
        field = field_of(sent.code, Writing._fields)
        return _form(here, desk, writing, {field: sent.sentence}, status=sent.status)
    told = chosen.say(
        N_(
            "Look at the first one: as much came in there already, and the bank or the platform called it the same"
        )
    )
    first = here.path(f"{ENTRIES}/{sent.body['entry']}")
    return _form(
        here,
        desk,
        writing,
        {"reference": told},
        more=(first, chosen.say(N_("The one that is in the book already"))),
        status=sent.status,
    )
