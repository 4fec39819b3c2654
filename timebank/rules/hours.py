"""Hours: who may log help, and which entry follows from it."""

from __future__ import annotations

from uuid import UUID

from timebank.errors import (
    DrawNotOpen,
    NotYourDraw,
    NotYourEntry,
    Refusal,
    SameAccountTwice,
    UnknownCategory,
    UnknownDraw,
)
from timebank.ledger import posting
from timebank.ledger.entries import Draft, EntryKind, Transfer
from timebank.rules import draw_steps
from timebank.rules.commands import LogHours
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.state import MINUTES, Draw, HoursRow, Note, Pot, State


def log_hours(command: LogHours, actor: Actor, state: State) -> Done | Refusal:
    """Post help that was given: to the pot, to somebody with the pot answering, or for an ask.

    Whoever gave or received it may log it, and a steward for others.

    Raises:
        NotYourEntry, UnknownMember, UnknownCategory, SameAccountTwice, UnknownPot, UnknownDraw,
        DrawNotOpen, NotYourDraw
    """
    setup = state.setup
    giver_id = actor.member_id if command.giver is None else command.giver
    if actor.member_id not in (giver_id, command.receiver) and "steward" not in actor.roles:
        raise NotYourEntry
    giver = setup.member_account(giver_id, MINUTES)
    receiver = None if command.receiver is None else setup.member_account(command.receiver, MINUTES)
    if command.category not in setup.categories:
        raise UnknownCategory(category=command.category)
    if receiver == giver:
        raise SameAccountTwice

    draw: Draw | None = None
    if command.draw is None:
        pot = setup.pot(command.pot, MINUTES)
        kind, transfers = _given(pot, giver, command.minutes, answered=receiver is not None)
    else:
        draw = _open_draw(command.draw, giver_id, state)
        pot = setup.pots_by_id[draw.pot_id]
        # Hours beyond the promise reach the asker if the policy would have said yes to them at once.
        beyond = command.minutes - draw.left
        at_once = setup.terms_of(draw).lets_beyond(beyond)
        kind = EntryKind.FULFIL
        transfers = posting.fulfil(
            giver,
            pot.pot_account,
            pot.promised_account,
            pot.shared_account,
            minutes=command.minutes,
            left=draw.left,
            beyond_shared=at_once,
        )

    hours_id = next(state.ids)
    salt = state.salt() if command.note else b""
    result = state.post(
        Draft(
            entry_id=hours_id,
            kind=kind,
            source="hours",
            transfers=transfers,
            effective_on=command.effective_on,
            actor=actor.account,
            category=command.category,
            note_hash=text_hash(salt, command.note),
            draw_id=command.draw,
        )
    )
    if isinstance(result, Refusal):
        return result

    entry = result[0]
    state.new_hours.append(
        HoursRow(
            hours_id,
            entry.seq,
            "logged",
            giver,
            receiver,
            command.draw,
            command.minutes,
            command.effective_on,
            command.category,
            actor.account,
            entry.recorded_at,
        )
    )
    if command.note:
        state.notes.append(Note(hours_id, "note", actor.member_id, salt, command.note))
    if draw is not None:
        draw_steps.give(draw, command.minutes, draw_steps.Act.FULFIL, state)
    return Done(
        201,
        {
            "id": str(hours_id),
            "entry": str(hours_id),
            "state": "logged",
            "minutes": command.minutes,
            "effective_on": command.effective_on.isoformat(),
        },
        entry.seq,
    )


def _given(pot: Pot, giver: int, minutes: int, *, answered: bool) -> tuple[EntryKind, tuple[Transfer, ...]]:
    if answered:
        return EntryKind.HELP_ANSWERED, posting.help_answered(
            giver, pot.pot_account, pot.shared_account, minutes
        )
    return EntryKind.HELP_GIVEN, posting.help_given(giver, pot.pot_account, minutes)


def _open_draw(draw_id: UUID, giver_id: UUID, state: State) -> Draw:
    """Return a promised ask for hours that somebody else made."""
    draw = state.draws.get(draw_id)
    if draw is None or state.setup.pots_by_id[draw.pot_id].unit != MINUTES:
        raise UnknownDraw
    draw_steps.settle(draw, state)
    if draw.state != "promised":
        raise DrawNotOpen(state=draw.state)
    hand = state.hands.get(draw_id, {}).get(giver_id)
    if hand is not None and hand.asked:
        raise NotYourDraw
    return draw
