"""What takes two people: one proposes, another one signs, and only then the book says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from timebank.errors import (
    N_,
    AmountOutOfRange,
    FieldInvalid,
    NoTimeBank,
    NotYourProposal,
    OwnProposal,
    ProposalNotOpen,
    Refusal,
    UnknownCategory,
    UnknownProposal,
)
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import Draft, Entry, EntryKind
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import (
    ExpireProposal,
    ProposeOpening,
    ProposeOut,
    ProposePotMove,
    SignProposal,
    WithdrawProposal,
)
from timebank.rules.hours import exchange_account
from timebank.rules.money import held_place
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.publication import place_name
from timebank.rules.state import MINUTES, Note, Proposal, State

PROPOSAL_STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "open": {"sign": "signed", "withdraw": "withdrawn", "expire": "expired"},
    "signed": {},
    "withdrawn": {},
    "expired": {},
}
"""What can be done with a proposal in each state, and which state follows; what was signed is corrected."""

#: Days within which somebody signs; money that was counted longer ago is counted again.
DAYS_OPEN: Final = 30

#: Who may propose and sign what takes two people.
_DUTIES: Final = ("treasurer", "steward")

SAME_POT: Final = N_("it is the pot that it comes from")
POT_OR_MEMBER: Final = N_("give either a pot or a member")
WHERE_IS_IT: Final = N_("money needs a place, and hours have none")


def propose_out(command: ProposeOut, actor: Actor, state: State) -> Done | Refusal:
    """Propose that money leaves without a draw.

    Raises:
        NeedsRole, UnknownPot, UnknownHeldPlace, UnknownCategory, AmountOutOfRange
    """
    actor.require_role("treasurer")
    setup = state.setup
    pot = setup.pot(command.pot, command.currency)
    place = held_place(setup, command.held, command.currency)
    if command.category and command.category not in setup.categories:
        raise UnknownCategory
    body = {
        "amount": _amount(command.amount),
        "category": command.category,
        "effective_on": _day(command.effective_on, state),
        "held": place.code,
        "pot": pot.code,
        "unit": command.currency,
    }
    return propose("money_out", body, command.reason, actor, state)


def propose_pot_move(command: ProposePotMove, actor: Actor, state: State) -> Done | Refusal:
    """Propose that one pot passes something on to another; hours by a steward, too.

    Raises:
        NeedsRole, UnknownPot, FieldInvalid, AmountOutOfRange
    """
    actor.require_role(*(_DUTIES if command.unit == MINUTES else _DUTIES[:1]))
    source = state.setup.pot(command.source, command.unit)
    target = state.setup.pot(command.target, command.unit)
    if source is target:
        raise FieldInvalid(field="to", why=SAME_POT)
    body = {
        "amount": _amount(command.amount),
        "effective_on": _day(command.effective_on, state),
        "from": source.code,
        "to": target.code,
        "unit": command.unit,
    }
    return propose("pot_move", body, command.reason, actor, state)


def propose_opening(command: ProposeOpening, actor: Actor, state: State) -> Done | Refusal:
    """Propose what a pot or a member brings along from an older book.

    While the book says nothing but openings, one person posts it, as one person imports: hours a
    steward, money a treasurer.

    Raises:
        NeedsRole, UnknownPot, UnknownHeldPlace, FieldInvalid, NoTimeBank, AmountOutOfRange
    """
    hours = command.unit == MINUTES
    actor.require_role(*(("steward",) if hours else ("treasurer",)))
    setup = state.setup
    body: dict[str, Any] = {
        "amount": _amount(command.amount),
        "effective_on": _day(command.effective_on, state),
        "unit": command.unit,
    }
    if (command.member is None) == (not command.pot):
        raise FieldInvalid(field="pot", why=POT_OR_MEMBER)
    if (hours or command.member is not None) == bool(command.held):
        raise FieldInvalid(field="held", why=WHERE_IS_IT)
    if command.member is not None:
        if not hours or not setup.time_bank:
            raise NoTimeBank
        setup.member_account(command.member, MINUTES)
        exchange_account(command.member, setup)
        body |= {"member": str(command.member), "received": command.received}
    else:
        body["pot"] = setup.pot(command.pot, command.unit).code
        if not hours:
            body["held"] = held_place(setup, command.held, command.unit).code
    if _nothing_but_openings(state):
        actor.require_fresh()
        return _post_alone(body, command.reason, actor, state)
    return propose("opening", body, command.reason, actor, state)


def propose(kind: str, body: dict[str, Any], reason: str, actor: Actor, state: State) -> Done:
    """Write a proposal down; it waits for another one with a duty."""
    proposal = Proposal(next(state.ids), kind, body, "open", actor.member_id, state.now)
    salt = state.salt() if reason else b""
    state.treasury.proposals[proposal.proposal_id] = proposal
    state.treasury.new_proposals.append(proposal)
    fields: dict[str, Any] = {
        "proposal": str(proposal.proposal_id),
        "what": kind,
        **{name: value for name, value in body.items() if name not in {"held", "member"}},
    }
    if "held" in body:
        place = state.setup.held[body["held"]]
        fields["held"] = place_name(place.kind, place.number, place.unit)
    if "member" in body:
        # The book knows people by the numbers of their accounts only.
        fields["account"] = exchange_account(UUID(body["member"]), state.setup)
    if reason:
        fields["note_hash"] = text_hash(salt, reason)
        state.notes.append(Note(proposal.proposal_id, "note", actor.member_id, salt, reason))
    seq = state.record("proposed", actor.account, fields)
    # Later than every other, as records are, so that lists have an order.
    proposal.proposed_at = state.books.recorded_at
    return Done(201, {"proposal": str(proposal.proposal_id), "state": "open", **_shown(body)}, seq)


def sign(command: SignProposal, actor: Actor, state: State) -> Done | Refusal:
    """Sign what somebody else proposed: it is posted now, or refused by the book and stays open.

    Raises:
        NeedsRole, StepUpNeeded, UnknownProposal, ProposalNotOpen, OwnProposal
    """
    actor.require_role("steward", "treasurer")
    proposal = _find(command.proposal, state)
    if command.count_of and (proposal.kind, proposal.body.get("held")) != ("count", command.count_of):
        raise UnknownProposal
    follows = _follows(proposal, "sign", state)
    if proposal.proposed_by == actor.member_id:
        raise OwnProposal
    actor.require_fresh()
    entry_id = next(state.ids)
    links = (("proposal", str(proposal.proposal_id)),)
    draft = _draft(proposal.kind, proposal.body, entry_id, actor, state)
    result = state.post(draft._replace(source="proposal", links=links))
    if isinstance(result, Refusal):
        return result
    proposal.state, proposal.signed_by, proposal.entry_id = follows, actor.member_id, entry_id
    state.treasury.changed_proposals[proposal.proposal_id] = proposal
    body = {"proposal": str(proposal.proposal_id), "state": follows, "entry": str(entry_id)}
    return Done(200, body | _shown(proposal.body), result[0].seq)


def withdraw_proposal(command: WithdrawProposal, actor: Actor, state: State) -> Done | Refusal:
    """Take a proposal back, or say no to somebody else's.

    Raises:
        NotYourProposal, UnknownProposal, ProposalNotOpen
    """
    if actor.roles.isdisjoint(_DUTIES):
        # Whoever proposed it and has no duty any more may still take it back.
        mine = state.treasury.proposals.get(command.proposal)
        if mine is None or mine.proposed_by != actor.member_id:
            raise NotYourProposal
    return _end(_find(command.proposal, state), "withdraw", actor, state)


def expire_proposal(command: ExpireProposal, actor: Actor, state: State) -> Done | Refusal:
    """End a proposal that nobody signed within its days.

    Raises:
        NotYourProposal: Somebody other than the group says so, or there is still time.
        UnknownProposal, ProposalNotOpen
    """
    proposal = _find(command.proposal, state)
    if not actor.is_group or (proposal.state == "open" and not _is_over(proposal, state)):
        raise NotYourProposal
    return _end(proposal, "expire", actor, state)


def _end(proposal: Proposal, act: str, actor: Actor, state: State) -> Done:
    proposal.state = _follows(proposal, act, state)
    state.treasury.changed_proposals[proposal.proposal_id] = proposal
    fields = {"proposal": str(proposal.proposal_id), "state": proposal.state}
    seq = state.record("proposal_ended", actor.account, fields)
    return Done(200, {"proposal": str(proposal.proposal_id), "state": proposal.state}, seq)


def _find(proposal_id: UUID, state: State) -> Proposal:
    proposal = state.treasury.proposals.get(proposal_id)
    if proposal is None:
        raise UnknownProposal
    return proposal


def _follows(proposal: Proposal, act: str, state: State) -> str:
    follows = PROPOSAL_STATES[proposal.state].get(act)
    if follows is None:
        raise ProposalNotOpen(state=proposal.state)
    if act == "sign" and _is_over(proposal, state):
        raise ProposalNotOpen(state="expired")
    return follows


def _is_over(proposal: Proposal, state: State) -> bool:
    return state.now >= proposal.proposed_at + timedelta(days=DAYS_OPEN)


# ---------------------------------------------------------------- what is posted


def _draft(kind: str, body: Mapping[str, Any], entry_id: UUID, actor: Actor, state: State) -> Draft:
    """Return the entry that a proposal stands for."""
    setup = state.setup
    unit, amount = body["unit"], body["amount"]
    if kind == "pot_move":
        entry_kind = EntryKind.POT_MOVE
        source, target = setup.pot(body["from"], unit), setup.pot(body["to"], unit)
        transfers = posting.pot_move(unit, source.pot_account, target.pot_account, amount)
    elif kind == "opening":
        entry_kind = EntryKind.OPENING
        transfers = _opening(body, state)
    else:
        pot = setup.pot(body["pot"], unit).pot_account
        held = held_place(setup, body["held"], unit).account_id
        custody = setup.special[AccountKind.CUSTODY, unit]
        if kind == "money_out":
            entry_kind = EntryKind.MONEY_OUT
            outside = setup.special[AccountKind.OUTSIDE, unit]
            transfers = posting.money_out(unit, pot, outside, custody, held, amount)
        else:
            adjustment = setup.special[AccountKind.ADJUSTMENT, unit]
            if body["counted"] < body["book"]:
                entry_kind = EntryKind.COUNTED_MISSING
                transfers = posting.counted_missing(unit, pot, adjustment, custody, held, amount)
            else:
                entry_kind = EntryKind.COUNTED_FOUND
                transfers = posting.counted_found(unit, adjustment, pot, held, custody, amount)
    return Draft(
        entry_id=entry_id,
        kind=entry_kind,
        source="money",
        transfers=transfers,
        effective_on=date.fromisoformat(body["effective_on"]),
        actor=actor.account,
        category=body.get("category", ""),
    )


def _opening(body: Mapping[str, Any], state: State) -> posting.Transfers:
    setup = state.setup
    unit, amount = body["unit"], body["amount"]
    opening = setup.special[AccountKind.OPENING, unit]
    if "member" in body:
        exchange = exchange_account(UUID(body["member"]), setup)
        if body["received"]:
            return posting.opening_exchange_received(opening, exchange, amount)
        return posting.opening_exchange_given(exchange, opening, amount)
    pot = setup.pot(body["pot"], unit).pot_account
    if unit == MINUTES:
        return posting.opening_hours(opening, pot, amount)
    held = held_place(setup, body["held"], unit).account_id
    return posting.opening_money(unit, opening, pot, held, setup.special[AccountKind.CUSTODY, unit], amount)


def _post_alone(body: dict[str, Any], reason: str, actor: Actor, state: State) -> Done | Refusal:
    entry_id = next(state.ids)
    salt = state.salt() if reason else b""
    draft = _draft("opening", body, entry_id, actor, state)
    result = state.post(draft._replace(source="opening", note_hash=text_hash(salt, reason)))
    if isinstance(result, Refusal):
        return result
    if reason:
        state.notes.append(Note(entry_id, "note", actor.member_id, salt, reason))
    return Done(201, {"state": "posted", "entry": str(entry_id), **_shown(body)}, result[0].seq)


def _nothing_but_openings(state: State) -> bool:
    if state.treasury.has_entries:
        return False
    return all(
        record.draft.kind is EntryKind.OPENING for record in state.written if isinstance(record, Entry)
    )


def _amount(amount: int) -> int:
    if not 1 <= amount <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=amount, amount_max=AMOUNT_MAX)
    return amount


def _day(day: date | None, state: State) -> str:
    chosen = day or state.today
    refusal = state.books.refuses_day(chosen)
    if refusal is not None:
        raise refusal
    return chosen.isoformat()


def _shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a proposal's body as answers say it: minutes, or an amount with its currency."""
    shown = {name: value for name, value in body.items() if name not in {"amount", "unit"} and value != ""}
    if body["unit"] == MINUTES:
        return shown | {"minutes": body["amount"]}
    return shown | {"amount": body["amount"], "currency": body["unit"]}
