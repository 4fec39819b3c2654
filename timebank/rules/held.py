"""Held places: where money is, carrying it from one to another, and counting it against the book."""

from __future__ import annotations

from typing import Any

from timebank.errors import (
    N_,
    AmountOutOfRange,
    FieldInvalid,
    PlaceNotEmpty,
    PlaceTaken,
    Refusal,
    UnknownPage,
)
from timebank.ledger import posting
from timebank.ledger.entries import Draft, EntryKind
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import ClosePlace, CountHeld, MoveHeld, OpenPlace
from timebank.rules.money import check_unit, held_place
from timebank.rules.names import code
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.proposals import propose
from timebank.rules.publication import place_name
from timebank.rules.set_up import CODE_MAX, HELD_KINDS, NOT_KNOWN, OpenedAccount, opened_accounts
from timebank.rules.state import HeldPlace, Note, State

SAME_PLACE = N_("it is the place that the money comes from")
_NUMBERS = 2**53 - 1


def open_place(command: OpenPlace, actor: Actor, state: State) -> Done | Refusal:
    """Open a place for money of a currency that a pot keeps; it can be used from the next request on.

    Raises:
        NeedsRole, StepUpNeeded, FieldInvalid, PlaceTaken
    """
    actor.require_role("treasurer", "steward")
    actor.require_fresh()
    setup = state.setup
    places = [*setup.held.values(), *state.treasury.new_places]
    code(command.code, field="held", length_max=CODE_MAX)
    if command.kind not in HELD_KINDS:
        raise FieldInvalid(field="kind", why=NOT_KNOWN)
    if ("custody", command.currency) not in setup.special:
        raise FieldInvalid(field="currency", why=NOT_KNOWN)
    if any(place.code == command.code for place in places):
        raise PlaceTaken(held=command.code)
    alike = [p.number for p in places if (p.kind, p.unit) == (command.kind, command.currency)]
    place = HeldPlace(
        next(state.ids),
        command.code,
        command.kind,
        max(alike, default=0) + 1,
        command.currency,
        1 + int.from_bytes(state.salt()) % _NUMBERS,
    )
    state.treasury.new_places.append(place)
    opened = OpenedAccount(place.account_id, "held", place.unit, _public_name(place), 0)
    seq = state.record("opened", actor.account, {"accounts": opened_accounts([opened])})
    return Done(201, {"held": place.code, "kind": place.kind, "currency": place.unit}, seq)


def close_place(command: ClosePlace, actor: Actor, state: State) -> Done | Refusal:
    """Close a place that is empty, or open a closed one again; doing either twice changes nothing.

    Raises:
        NeedsRole, StepUpNeeded, UnknownPage, PlaceNotEmpty
    """
    actor.require_role("treasurer", "steward")
    actor.require_fresh()
    place = _place(command.held, state)
    account = state.books.accounts[place.account_id]
    closed = not command.reopen
    seq = 0
    if account.closed != closed:
        if closed and account.balance:
            raise PlaceNotEmpty(amount=account.balance, currency=place.unit)
        account.closed = closed
        state.treasury.closed[place.account_id] = closed
        kind = "closed" if closed else "reopened"
        seq = state.record(kind, actor.account, {"accounts": [place.account_id]})
    return Done(200, {"held": place.code, "closed": closed}, seq)


def move_held(command: MoveHeld, actor: Actor, state: State) -> Done | Refusal:
    """Carry money from one place to another.

    Raises:
        NeedsRole, StepUpNeeded, UnknownHeldPlace, FieldInvalid
    """
    actor.require_role("treasurer")
    actor.require_fresh()
    setup = state.setup
    source = held_place(setup, command.source, command.currency)
    target = held_place(setup, command.target, command.currency)
    if source is target:
        raise FieldInvalid(field="to", why=SAME_PLACE)
    entry_id = next(state.ids)
    day = command.effective_on or state.today
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=EntryKind.HELD_MOVE,
            source="money",
            transfers=posting.held_move(
                command.currency, source.account_id, target.account_id, command.amount
            ),
            effective_on=day,
            actor=actor.account,
        )
    )
    if isinstance(result, Refusal):
        return result
    return Done(
        201,
        {
            "entry": str(entry_id),
            "from": source.code,
            "to": target.code,
            "amount": command.amount,
            "currency": command.currency,
            "effective_on": day.isoformat(),
        },
        result[0].seq,
    )


def count_held(command: CountHeld, actor: Actor, state: State) -> Done | Refusal:
    """Compare what was counted with the book; a difference becomes a proposal for somebody else to sign.

    Raises:
        NeedsRole, UnknownPage, UnitMismatch, UnknownPot, AmountOutOfRange
    """
    actor.require_role("treasurer", "steward")
    place = _place(command.held, state)
    check_unit(command.currency, place.unit)
    if not 0 <= command.counted <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=command.counted, amount_max=AMOUNT_MAX)
    pot = state.setup.pot(command.pot, place.unit)
    book = state.books.accounts[place.account_id].balance
    body: dict[str, Any] = {
        "held": place.code,
        "counted": command.counted,
        "book": book,
        "currency": place.unit,
    }
    if command.counted == book:
        salt = state.salt() if command.reason else b""
        about = next(state.ids)
        fields = {"amount": book, "currency": place.unit, "held": _public_name(place)}
        if command.reason:
            fields |= {"id": str(about), "note_hash": text_hash(salt, command.reason)}
            state.notes.append(Note(about, "note", actor.member_id, salt, command.reason))
        return Done(201, body | {"state": "right"}, state.record("counted", actor.account, fields))
    asked = {
        "amount": abs(command.counted - book),
        "book": book,
        "counted": command.counted,
        "effective_on": state.today.isoformat(),
        "held": place.code,
        "pot": pot.code,
        "unit": place.unit,
    }
    done = propose("count", asked, command.reason, actor, state)
    return done._replace(body=body | done.body)


def _place(held: str, state: State) -> HeldPlace:
    """Return a place that an address names.

    Raises:
        UnknownPage: There is none.
    """
    place = state.setup.held.get(held)
    if place is None:
        raise UnknownPage
    return place


def _public_name(place: HeldPlace) -> str:
    # What a group calls a place may name somebody: the book knows it by its kind and number.
    return place_name(place.kind, place.number, place.unit)
