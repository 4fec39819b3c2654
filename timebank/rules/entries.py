"""Corrections: the mirror of a wrong entry, and perhaps the right one with it, judged together."""

from __future__ import annotations

from uuid import UUID

from timebank.errors import NotYourEntry, Refusal, UnknownCategory, UnknownEntry
from timebank.ledger import posting
from timebank.ledger.entries import Draft, EntryKind, KnownEntry, Transfer
from timebank.rules.commands import CorrectEntry, Instead
from timebank.rules.hours_life import forget_question
from timebank.rules.money import check_unit, held_place
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.state import HoursRow, Note, State


def correct_entry(command: CorrectEntry, actor: Actor, state: State) -> Done | Refusal:
    """Undo an entry once, linked to it; entries of a draw are undone through the draw.

    Who took part in logged help may correct it, a steward any of it; money, a treasurer or steward.

    Raises:
        UnknownEntry, NotYourEntry, UnknownHeldPlace, UnknownCategory
    """
    known = state.known.get(command.entry)
    if known is None:
        raise UnknownEntry
    wrong = known.draft
    hours = state.hours.get(command.entry)
    instead = command.instead
    _may_correct(hours, actor)
    if wrong.kind is EntryKind.HELP_EXCHANGED and hours is not None:
        _may_change_exchange(hours, instead, actor)
    if (
        instead is not None
        and instead.category is not None
        and instead.category not in state.setup.categories
    ):
        raise UnknownCategory
    if instead is not None:
        check_unit(instead.unit, wrong.transfers[0].unit)
    held_now = _held_now(command, known, state)

    entry_id = next(state.ids)
    salt = state.salt() if command.reason else b""
    mirror = Draft(
        entry_id=entry_id,
        kind=EntryKind.CORRECTION,
        source="correction",
        transfers=posting.mirror(wrong.transfers, held_instead=held_now),
        effective_on=wrong.effective_on,
        actor=actor.account,
        category=wrong.category,
        note_hash=text_hash(salt, command.reason),
        reverses=command.entry,
        reversal_legs=len(wrong.transfers),
    )
    right = None if instead is None else _right_entry(wrong, instead, actor, state, held_now)
    result = state.post(mirror) if right is None else state.post(mirror, right)
    if isinstance(result, Refusal):
        return result

    if command.reason:
        state.notes.append(Note(entry_id, "note", actor.member_id, salt, command.reason))
    if wrong.kind is EntryKind.MONEY_IN:
        _carry_reference(command.entry, right, state)
    if hours is not None:
        forget_question(hours, state)
        follows = "withdrawn" if right is None else "settled"
        state.changed_hours[hours.hours_id] = follows
        state.hours[hours.hours_id] = hours._replace(state=follows)
        if right is not None:
            state.new_hours.append(
                hours._replace(
                    hours_id=right.entry_id,
                    seq=result[1].seq,
                    state="logged",
                    minutes=right.transfers[0].amount,
                    effective_on=right.effective_on,
                    category=right.category,
                    logged_by=actor.account,
                    logged_at=result[1].recorded_at,
                )
            )
    body = {"entry": str(entry_id), "corrects": str(command.entry)}
    if right is not None:
        body["instead"] = str(right.entry_id)
    return Done(201, body, result[0].seq)


def _carry_reference(wrong: UUID, right: Draft | None, state: State) -> None:
    """Have the reference of money that came in speak of the right entry from now on, or of none."""
    treasury = state.treasury
    treasury.references = {key: entry for key, entry in treasury.references.items() if entry != wrong}
    if right is not None:
        _, in_place = right.transfers
        treasury.carried.append((wrong, right.entry_id, in_place.debit, in_place.amount))


def _may_correct(hours: HoursRow | None, actor: Actor) -> None:
    if "steward" in actor.roles:
        return
    if hours is None:
        if "treasurer" not in actor.roles:
            raise NotYourEntry
    elif actor.account not in (hours.giver_account, hours.receiver_account, hours.logged_by):
        raise NotYourEntry


def _may_change_exchange(hours: HoursRow, instead: Instead | None, actor: Actor) -> None:
    """Refuse whoever would take hours between two people from the other one without their word.

    What somebody gave they may correct downwards, what they received upwards, and down only until
    they said yes to it. A steward who took no part may do either.

    Raises:
        NotYourEntry
    """
    now = 0 if instead is None else hours.minutes if instead.amount is None else instead.amount
    takes_more = actor.account == hours.giver_account and now > hours.minutes
    takes_back = actor.account == hours.receiver_account and now < hours.minutes
    if takes_more or (takes_back and hours.state == "confirmed"):
        raise NotYourEntry


def _held_now(command: CorrectEntry, known: KnownEntry, state: State) -> dict[int, int]:
    """Return {held account of the wrong entry: the one where its money is now}, when the command says so."""
    if not command.held:
        return {}
    places = {place.account_id: place for place in state.setup.held.values()}
    for transfer in known.draft.transfers:
        for number in (transfer.debit, transfer.credit):
            if number in places:
                return {number: held_place(state.setup, command.held, transfer.unit).account_id}
    return {}


def _right_entry(
    wrong: Draft, instead: Instead, actor: Actor, state: State, held_now: dict[int, int]
) -> Draft:
    """Return the entry that should have been written: like the wrong one, but for what ``instead`` says."""
    return Draft(
        entry_id=next(state.ids),
        kind=wrong.kind,
        source="correction",
        transfers=tuple(
            Transfer(
                t.unit,
                held_now.get(t.debit, t.debit),
                held_now.get(t.credit, t.credit),
                t.amount if instead.amount is None else instead.amount,
            )
            for t in wrong.transfers
        ),
        effective_on=instead.effective_on or wrong.effective_on,
        actor=actor.account,
        category=wrong.category if instead.category is None else instead.category,
    )
