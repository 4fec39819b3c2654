"""What takes two people: proposing it, what waits for a second signature, and signing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, MalformedBody
from timebank.ledger.entries import EntryKind
from timebank.ledger.units import MINUTES
from timebank.rules.commands import ProposeOut, ProposePotMove, SignProposal, WithdrawProposal
from timebank.rules.previews import money_line
from timebank.services.treasury import list_proposals, read_proposal
from timebank.web.forms import NOT_A_FORM, Answer, field_text
from timebank.web.home import amounts_of
from timebank.web.inside import Inside, inside, received
from timebank.web.money_in import ENTRIES
from timebank.web.money_pages import (
    FORM_MAX,
    Desk,
    Question,
    Row,
    difference_in_words,
    field_of,
    money_check,
    money_form,
    open_desk_of,
    proof_words,
    read_past_day,
    read_sum,
    read_words,
    wait_for_proof,
)
from timebank.web.rooms import MONEY, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import Sight, published_with_its_pot, seen_lines, sight_line
from timebank.web.words import category_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.rules.state import Pot, Proposal
    from timebank.services.treasury import SeenProposal
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
SECOND: Final = f"{MONEY}/second"
OUT: Final = f"{MONEY}/out"
POTS: Final = f"{MONEY}/pots"

_KINDS: Final = {
    "count": N_("A count with a difference"),
    "money_out": N_("Money out without an ask"),
    "opening": N_("Brought along at the start"),
    "pot_move": N_("From one pot to another"),
}
_ENTRY_KINDS: Final = {
    "money_out": EntryKind.MONEY_OUT,
    "pot_move": EntryKind.POT_MOVE,
}
_ENDS: Final = {
    "open": N_("It waits for a second signature"),
    "signed": N_("It is signed, and in the book"),
    "withdrawn": N_("It was taken back, and moved nothing"),
    "expired": N_("Nobody signed it in time: it moved nothing"),
}


class Writing(NamedTuple):
    """What stands in the form of money out, or of a move between pots."""

    amount: str = ""
    pot: str = ""
    to: str = ""
    held: str = ""
    day: str = ""
    reason: str = ""


class Waiting(NamedTuple):
    """A proposal in a list; ``mark`` is hatched while it waits."""

    href: str
    what: str
    age: str
    mark: str


@dataclass(frozen=True, slots=True)
class SecondPage:
    """What waits for a second signature, and what was signed or ended lately."""

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    yours: tuple[Waiting, ...]
    others: tuple[Waiting, ...]
    ended: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class SignPage:
    """One proposal: what is signed, who made it, and what follows.

    Attributes:
        rows: What it says.
        can_sign: Whether the reader may sign it; ``why_not`` says why they may not.
        withdraw: What the button says that ends it; empty where it cannot be ended.
        entry_href: The entry that it became; empty for none.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    title: str
    what: str
    rows: tuple[Row, ...]
    sight: Sight
    few: tuple[str, ...]
    action: str
    key: str
    can_sign: bool
    why_not: str
    withdraw: str
    proof: str
    fault: str
    entry_href: str


@dataclass(frozen=True, slots=True)
class _Proposed:
    """What a form proposes, read."""

    pot: Pot
    to: Pot | None
    amount: int
    held: str
    day: date
    reason: str


# ---------------------------------------------------------------- the list


@route("/g/{slug:str}/money/second", http_method=_READ, include_in_schema=False)
async def second_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what waits for a second signature."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, SECOND):
        return waiting
    desk = await open_desk_of(here)
    found = (await list_proposals(here.door.house, here.actor, limit=100)).proposals
    rows = [(seen, waiting_row(here, desk, seen)) for seen in found]
    is_open = [pair for pair in rows if pair[0].proposal.state == "open"]
    page = SecondPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, MONEY),
        back=here.path(MONEY),
        yours=tuple(row for seen, row in is_open if not seen.mine),
        others=tuple(row for seen, row in is_open if seen.mine),
        ended=tuple(row for seen, row in rows if seen.proposal.state != "open")[:20],
    )
    return here.page("second.html", page)


def waiting_row(here: Inside, desk: Desk, seen: SeenProposal) -> Waiting:
    """Return a proposal as lists show it."""
    chosen, proposal = here.chosen, seen.proposal
    zone = ZoneInfo(desk.rules.time_zone)
    amounts = amounts_of(proposal.body["unit"], chosen)
    day = proposal.proposed_at.astimezone(zone).date()
    is_open = proposal.state == "open"
    age = [
        chosen.say(N_("since %(day)s"), day=chosen.weekday(day)) if is_open else chosen.day_month_year(day)
    ]
    if is_open:
        until = chosen.weekday(seen.expires_at.astimezone(zone).date())
        age.append(chosen.say(N_("ends by itself on %(day)s"), day=until))
    else:
        age.append(chosen.say(_ENDS[proposal.state]))
    return Waiting(
        here.path(f"{SECOND}/{proposal.proposal_id}"),
        f"{chosen.say(_KINDS[proposal.kind])}: {amounts.words(proposal.body['amount'])}",
        " · ".join(age),
        "hatched" if is_open else "solid" if proposal.state == "signed" else "hollow",
    )


# ---------------------------------------------------------------- one of them


@route("/g/{slug:str}/money/second/{proposal_id:uuid}", http_method=_READ, include_in_schema=False)
async def sign_page(
    request: Request[Any, Any, Any], slug: FromPath[str], proposal_id: FromPath[UUID]
) -> ASGIApp:
    """Show what a second signature would sign."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, f"{SECOND}/{proposal_id}"):
        return waiting
    return await _sign_page(here, proposal_id)


@post("/g/{slug:str}/money/second/{proposal_id:uuid}", include_in_schema=False)
async def sign(request: Request[Any, Any, Any], slug: FromPath[str], proposal_id: FromPath[UUID]) -> ASGIApp:
    """Sign it, or end it."""
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer", "steward")
    said = field_text(fields, "say")
    if said not in {"sign", "withdraw"}:
        raise MalformedBody(why=NOT_A_FORM)
    if said == "withdraw":
        sent = await send(here, fields, WithdrawProposal(proposal_id))
    else:
        here.actor.require_fresh()
        sent = await send(here, fields, SignProposal(proposal_id))
    if sent.is_refused:
        return await _sign_page(here, proposal_id, fault=sent.sentence, status=sent.status)
    return here.go(f"{SECOND}/{proposal_id}")


async def _sign_page(here: Inside, proposal_id: UUID, *, fault: str = "", status: int = 200) -> PrivatePage:
    chosen, desk = here.chosen, await open_desk_of(here)
    found = await read_proposal(here.door.house, here.actor, proposal_id)
    seen, proposal = found.seen, found.seen.proposal
    is_open = proposal.state == "open"
    may = not here.actor.roles.isdisjoint({"treasurer", "steward"})
    why_not = ""
    if is_open and seen.mine:
        why_not = chosen.say(N_("You proposed it: somebody else with a duty signs it."))
    elif is_open and not may:
        why_not = chosen.say(N_("A steward or a treasurer signs it."))
    withdraw = ""
    if is_open and may:
        withdraw = chosen.say(N_("Take it back") if seen.mine else N_("This is not right: end it"))
    page = SignPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, MONEY),
        back=here.path(SECOND),
        title=chosen.say(_ENDS[proposal.state]),
        what=chosen.say(_KINDS[proposal.kind]),
        rows=_rows(here, desk, proposal, seen.why, found.proposed_by, found.signed_by),
        sight=_sight_of(here, desk, proposal),
        few=(
            chosen.say(N_("All of this, and who signed it.")),
            chosen.say(N_("With your signature it is in the book at once.")),
        ),
        action=here.path(f"{SECOND}/{proposal_id}"),
        key=new_key(),
        can_sign=is_open and may and not seen.mine,
        why_not=why_not,
        withdraw=withdraw,
        proof=proof_words(here),
        fault=fault,
        entry_href=here.path(f"{ENTRIES}/{proposal.entry_id}")
        if proposal.entry_id and proposal.body["unit"] != MINUTES
        else "",
    )
    return here.page("sign.html", page, status=status)


def _rows(
    here: Inside, desk: Desk, proposal: Proposal, why: str, proposed_by: str, signed_by: str
) -> tuple[Row, ...]:
    chosen, body = here.chosen, proposal.body
    say, amounts = chosen.say, amounts_of(body["unit"], chosen)
    zone = ZoneInfo(desk.rules.time_zone)
    somebody = say(N_("somebody who has left"))
    rows = []
    if proposal.kind == "count":
        rows += [
            Row(say(N_("Where")), desk.label_of(body["held"], chosen)),
            Row(say(N_("Counted")), amounts.words(body["counted"])),
            Row(say(N_("The book said")), amounts.words(body["book"])),
            Row(
                say(N_("The difference")),
                difference_in_words(body["counted"], body["book"], body["unit"], chosen),
            ),
            Row(say(N_("Which pot bears it")), desk.pot_name(desk.rules.pots[body["pot"]], chosen)),
        ]
    else:
        rows.append(Row(say(N_("How much")), amounts.words(body["amount"])))
        if "from" in body:
            pots = [desk.pot_name(desk.rules.pots[body[end]], chosen) for end in ("from", "to")]
            rows += [Row(say(N_("From")), pots[0]), Row(say(N_("To")), pots[1])]
        elif "pot" in body:
            rows.append(Row(say(N_("Which pot")), desk.pot_name(desk.rules.pots[body["pot"]], chosen)))
        if body.get("held"):
            rows.append(Row(say(N_("Where")), desk.label_of(body["held"], chosen)))
        if body.get("category"):
            rows.append(Row(say(N_("What kind")), category_in_words(body["category"], chosen)))
    rows.append(Row(say(N_("When")), chosen.day(date.fromisoformat(body["effective_on"]))))
    if why:
        rows.append(Row(say(N_("Note")), why))
    by = proposed_by or somebody
    on = chosen.day(proposal.proposed_at.astimezone(zone).date())
    who = say(N_("Who counted")) if proposal.kind == "count" else say(N_("Who proposed it"))
    rows.append(Row(who, by, on))
    if proposal.state == "signed":
        rows.append(Row(say(N_("Who signed it")), signed_by or somebody))
    return tuple(rows)


def _sight_of(here: Inside, desk: Desk, proposal: Proposal) -> Sight:
    body, chosen = proposal.body, here.chosen
    if proposal.kind == "opening":
        return Sight("", (), (published_with_its_pot(desk.today, desk.today, chosen, here.group),))
    pots = desk.rules.pots
    kind = _ENTRY_KINDS.get(proposal.kind)
    if kind is None:
        kind = EntryKind.COUNTED_MISSING if body["counted"] < body["book"] else EntryKind.COUNTED_FOUND
    to = pots[body["to"]] if "to" in body else None
    return _sight(here, desk, kind, pots[body.get("pot") or body["from"]], to, body["amount"])


def _sight(
    here: Inside, desk: Desk, kind: EntryKind, pot: Pot, to: Pot | None, amount: int, *, known: bool = True
) -> Sight:
    chosen = here.chosen
    line = money_line(
        desk.rules, kind, pot, to=to, preset=here.group.preset, amount=amount, effective_on=desk.today
    )
    return Sight(
        chosen.say(N_("Hours") if pot.unit == MINUTES else N_("Money")),
        seen_lines([(line, sight_line(line, amounts_of(pot.unit, chosen), known=known))]),
        (published_with_its_pot(desk.today, desk.today, chosen, here.group),),
    )


# ---------------------------------------------------------------- proposing


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


SECOND_PAGES: Final[list[HTTPRouteHandler]] = [
    second_page,
    sign_page,
    sign,
    out_page,
    propose_out,
    pots_page,
    propose_move,
]


async def _show_form(request: Request[Any, Any, Any], slug: str, below: str) -> ASGIApp:
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, below):
        return waiting
    here.actor.require_role(*_who(below))
    desk = await open_desk_of(here)
    return _form(here, desk, below, Writing(day=desk.today.isoformat()), {})


async def _take_form(request: Request[Any, Any, Any], slug: str, below: str) -> ASGIApp:
    here, fields = await received(request, slug, size_max=FORM_MAX)
    here.actor.require_role(*_who(below))
    desk = await open_desk_of(here)
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
        return _form(here, desk, below, writing, {field: sent.sentence}, status=sent.status)
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
    day, fault = read_past_day(writing.day, desk, chosen)
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
    questions = [
        Question(
            "amount",
            "amount",
            chosen.say(N_("How much?")),
            chosen.say(hint),
            Answer(writing.amount, faults.get("amount", "")),
        )
    ]
    if below == POTS or len(pots) != 1:
        questions.append(choice("pot", N_("From which pot?"), desk.pot_options(pots, writing.pot, chosen)))
    if below == POTS:
        questions.append(choice("to", N_("To which pot?"), desk.pot_options(pots, writing.to, chosen)))
    else:
        options = desk.place_options(writing.held, chosen)
        questions.append(choice("held", N_("Where was it taken from?"), options))
    questions += [
        Question(
            "day",
            "day",
            chosen.say(N_("On which day")),
            chosen.say(N_("Today, or the day on which it was.")),
            Answer(writing.day, faults.get("day", "")),
            most=desk.today.isoformat(),
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
    sight = Sight("", (), ())
    if pots and (below == OUT or len(pots) > 1):
        sight = _sight(here, desk, kind, pots[0], pots[1] if below == POTS else None, 1, known=False)
    lede = N_("A fee of the bank, or a surplus that is passed on. Somebody else with a duty signs it first.")
    if below == POTS:
        lede = N_("One pot passes something on to another. Somebody else with a duty signs it first.")
    return money_form(
        here,
        title=chosen.say(_KINDS["pot_move" if below == POTS else "money_out"]),
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
        sight=_sight(here, desk, kind, proposed.pot, proposed.to, proposed.amount),
        few=(
            say(N_("How much, from where, on which day, and your note.")),
            say(N_("Whoever signs sees your name.")),
        ),
        button=say(N_("Propose it")),
    )
