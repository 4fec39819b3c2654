"""What takes two people: what waits for a second signature, who made it, and signing it."""

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
from timebank.rules.commands import SignProposal, WithdrawProposal
from timebank.rules.previews import money_line
from timebank.services.treasury import list_proposals, read_proposal
from timebank.web.forms import NOT_A_FORM, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.money_in import ENTRIES
from timebank.web.money_pages import (
    Desk,
    Row,
    difference_in_words,
    open_desk_of,
    proof_words,
    refusal_in_words,
    wait_for_proof,
)
from timebank.web.rooms import MONEY, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import Sight, published_with_its_pot, seen_lines, sight_line
from timebank.web.words import amounts_of, category_in_words

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.rules.state import Pot, Proposal
    from timebank.services.treasury import SeenProposal
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
SECOND: Final = f"{MONEY}/second"

KINDS: Final = {
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
        f"{chosen.say(KINDS[proposal.kind])}: {amounts.words(proposal.body['amount'])}",
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
        return await _sign_page(here, proposal_id, sent)
    return here.go(f"{SECOND}/{proposal_id}")


SECOND_PAGES: Final[list[HTTPRouteHandler]] = [second_page, sign_page, sign]


async def _sign_page(here: Inside, proposal_id: UUID, refused: Sent | None = None) -> PrivatePage:
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
        what=chosen.say(KINDS[proposal.kind]),
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
        fault=refusal_in_words(refused, proposal.body["unit"], chosen) if refused else "",
        entry_href=here.path(f"{ENTRIES}/{proposal.entry_id}")
        if proposal.entry_id and proposal.body["unit"] != MINUTES
        else "",
    )
    return here.page("sign.html", page, status=refused.status if refused else 200)


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
    return proposed_sight(here, desk, kind, pots[body.get("pot") or body["from"]], to, body["amount"])


def proposed_sight(
    here: Inside, desk: Desk, kind: EntryKind, pot: Pot, to: Pot | None, amount: int, *, known: bool = True
) -> Sight:
    """Return what the public will see of a proposal once it is signed."""
    chosen = here.chosen
    line = money_line(
        desk.rules, kind, pot, to=to, preset=here.group.preset, amount=amount, effective_on=desk.today
    )
    return Sight(
        chosen.say(N_("Hours") if pot.unit == MINUTES else N_("Money")),
        seen_lines([(line, sight_line(line, amounts_of(pot.unit, chosen), known=known))]),
        (published_with_its_pot(desk.today, desk.today, chosen, here.group),),
    )
