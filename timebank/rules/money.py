"""Money in: what a treasurer records when somebody gives to a pot."""

from __future__ import annotations

from timebank.errors import ReferenceKnown, Refusal, UnitMismatch, UnknownHeldPlace
from timebank.ledger import posting
from timebank.ledger.accounts import AccountKind
from timebank.ledger.entries import Draft, EntryKind
from timebank.rules.commands import GiveMoney
from timebank.rules.names import folded
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.state import HeldPlace, Note, Reference, SetUp, State


def give_money(command: GiveMoney, actor: Actor, state: State) -> Done | Refusal:
    """Post money that came in, and where it now is.

    Raises:
        NeedsRole, UnknownPot, UnknownHeldPlace, UnknownMember
        ReferenceKnown: As much came in there under this reference before.
    """
    actor.require_role("treasurer")
    setup = state.setup
    pot = setup.pot(command.pot, command.currency)
    place = held_place(setup, command.held, command.currency)
    if command.giver is None:
        giver = setup.special[AccountKind.OUTSIDE, command.currency]
    else:
        giver = setup.member_account(command.giver, command.currency)

    reference = Reference(folded(command.reference), place.account_id, command.amount)
    if command.reference and not command.again and reference in state.treasury.references:
        raise ReferenceKnown(entry=str(state.treasury.references[reference]))
    entry_id = next(state.ids)
    salt = state.salt() if command.reference else b""
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=EntryKind.MONEY_IN,
            source="money",
            transfers=posting.money_in(
                command.currency,
                giver,
                pot.pot_account,
                place.account_id,
                setup.special[AccountKind.CUSTODY, command.currency],
                command.amount,
            ),
            effective_on=command.effective_on,
            actor=actor.account,
            note_hash=text_hash(salt, command.reference),
        )
    )
    if isinstance(result, Refusal):
        return result

    if command.reference:
        state.notes.append(Note(entry_id, "reference", actor.member_id, salt, command.reference))
        state.treasury.references[reference] = entry_id
        state.treasury.new_references.append((reference, entry_id))
    return Done(
        201,
        {
            "entry": str(entry_id),
            "pot": pot.code,
            "amount": command.amount,
            "currency": command.currency,
            "held": place.code,
            "effective_on": command.effective_on.isoformat(),
        },
        result[0].seq,
    )


def held_place(setup: SetUp, code: str, currency: str) -> HeldPlace:
    """Return a place where money of this currency is kept.

    Raises:
        UnknownHeldPlace: No such place, or it keeps another currency.
    """
    place = setup.held.get(code)
    if place is None or place.unit != currency:
        raise UnknownHeldPlace(currency=currency)
    return place


def check_unit(said: str, kept: str) -> None:
    """Refuse an amount in another unit than the one that is kept; saying nothing is saying the right one.

    Raises:
        UnitMismatch: ``said`` is another unit.
    """
    if said and said != kept:
        raise UnitMismatch(unit=said, account_unit=kept)
