"""What becomes of hours once they are logged: a yes, a question, an end to it, or back as if never logged."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from timebank.errors import (
    N_,
    AmountOutOfRange,
    EntryBelongsToDraw,
    FieldInvalid,
    HoursNotOpen,
    NoTimeBank,
    NotYourHours,
    OwnHours,
    PolicyRefuses,
    Refusal,
    SilenceNotOver,
    UnknownHours,
)
from timebank.ledger import posting
from timebank.ledger.entries import Draft, EntryKind, Transfer
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules.commands import ConfirmHours, PassSilence, QuestionHours, SettleHours, WithdrawHours
from timebank.rules.hours import HOURS_STATES, counted, post_exchange
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor, group_itself
from timebank.rules.state import MINUTES, HoursRow, Note, Question, State

NOTHING_PROPOSED = N_("nobody proposed anything else; say how many minutes it is")
NOT_THE_PROPOSAL = N_("only a steward who took no part settles on something else than what was proposed")


def confirm(command: ConfirmHours, actor: Actor, state: State) -> Done | Refusal:
    """Take the other side's yes. Hours between two people are posted by it.

    Those between two people want the receiver, or who stands in for them; of others the side
    that did not log them, or a steward who neither gave nor logged them.

    Raises:
        UnknownHours, NotYourHours, HoursNotOpen, PolicyRefuses
    """
    row, speaks = _find(command.hours, actor, state)
    follows = _follows(row, "confirm")
    if row.seq is None:
        if row.receiver_account not in speaks:
            raise NotYourHours
    else:
        _require_other_side(row, actor, speaks)
    body: dict[str, Any] = {}
    if row.seq is None:
        posted = _post_waiting(row, actor, state, body)
        if isinstance(posted, Refusal):
            return posted
        seq = posted
    else:
        seq = _record("hours_confirmed", row, actor, state)
    return _moved(row, follows, seq, state, body)


def pass_silence(command: PassSilence, actor: Actor, state: State) -> Done | Refusal:
    """Take the silence of somebody who can sign in for a yes, once the group's days are over.

    Raises:
        UnknownHours, NotYourHours: Somebody other than the group says so, or they cannot sign in.
        HoursNotOpen, SilenceNotOver, PolicyRefuses
    """
    if not actor.is_group:
        raise NotYourHours
    row = state.hours.get(command.hours)
    if row is None:
        raise UnknownHours
    follows = _follows(row, "silence")
    waiting = state.open_hours.waiting.get(row.hours_id)
    if row.seq is not None:
        raise HoursNotOpen(state=row.state)
    if waiting is None or not _can_speak(waiting.receiver_id, state):
        raise NotYourHours
    if not silence_is_over(row, state):
        raise SilenceNotOver
    body: dict[str, Any] = {}
    posted = _post_waiting(row, actor, state, body)
    return posted if isinstance(posted, Refusal) else _moved(row, follows, posted, state, body)


def question(command: QuestionHours, actor: Actor, state: State) -> Done | Refusal:
    """Take a "not quite" from the side that did not log these hours, with what it should be.

    Asking again replaces what was proposed before. Hours between two people whose days of silence
    are over are posted first: a correction will then say what is right.

    Raises:
        UnknownHours, NotYourHours, HoursNotOpen, AmountOutOfRange
    """
    row, speaks = _find(command.hours, actor, state)
    _follows(row, "question")
    side = _require_other_side(row, actor, speaks)
    minutes = _whole(command.minutes, state)
    _hear_silence(row, state)
    salt = state.salt() if command.reason else b""
    asked = Question(next(state.ids), row.hours_id, side, minutes, state.now)
    fields: dict[str, Any] = {"minutes": minutes, "question": str(asked.question_id)}
    if command.reason:
        fields["note_hash"] = text_hash(salt, command.reason)
        state.notes.append(Note(asked.question_id, "note", actor.member_id, salt, command.reason))
    _answer(row, "replaced", state)
    state.open_hours.asked.append(asked)
    state.open_hours.questions[row.hours_id] = asked
    seq = _record("hours_questioned", row, actor, state, **fields)
    body = {"proposed": minutes}
    if state.setup.rounding.minutes > 1:
        body["said"] = command.minutes
    return _moved(row, "questioned", seq, state, body)


def settle(command: SettleHours, actor: Actor, state: State) -> Done | Refusal:
    """End a question: whoever was asked agrees to it, or a steward who took no part decides.

    A steward may decide on hours in any state that is not an end, also without a question. To
    settle on what was logged is to confirm it; on anything else, the right hours take its place,
    with a correction if they were in the book.

    Raises:
        UnknownHours, NotYourHours, OwnHours, HoursNotOpen, FieldInvalid, AmountOutOfRange,
        EntryBelongsToDraw, PolicyRefuses
    """
    row, speaks = _find(command.hours, actor, state)
    follows = _follows(row, "settle")
    asked = state.open_hours.questions.get(row.hours_id)
    agrees = asked is not None and bool(speaks & (_parties(row) - {asked.asked_by}))
    if not agrees:
        if "steward" not in actor.roles:
            raise NotYourHours
        if speaks & _parties(row):
            raise OwnHours
    minutes = _settled_on(command, row, asked, state, agrees=agrees)
    salt = state.salt() if command.reason else b""
    note_hash = text_hash(salt, command.reason)
    if minutes == row.minutes:
        body: dict[str, Any] = {}
        if row.seq is None:
            posted = _post_waiting(row, actor, state, body)
            if isinstance(posted, Refusal):
                return posted
        seq = _settlement(row, minutes, note_hash, actor, state)
        about, follows, right = row.hours_id, "confirmed", None
    else:
        right = _right_row(row, minutes, actor, state)
        result = (
            _post_instead(row, right, actor, state) if row.seq is None else _correct(row, right, actor, state)
        )
        if isinstance(result, Refusal):
            return result
        about, body = result
        seq = _settlement(row, minutes, note_hash, actor, state)
        body["instead"] = str(right.hours_id)
    if command.reason:
        # What is said of hours already is theirs; this is about the entry that put them right.
        what = "facts" if about == row.hours_id else "note"
        state.notes.append(Note(about, what, actor.member_id, salt, command.reason))
    _answer(row, "settled", state)
    body["counted"] = minutes
    return _moved(row, follows, seq, state, body)


def withdraw(command: WithdrawHours, actor: Actor, state: State) -> Done | Refusal:
    """Take hours back; what is in the book is corrected.

    Whoever gave them may, whoever logged them while nobody said yes, and a steward.

    Raises:
        UnknownHours, NotYourHours, HoursNotOpen, EntryBelongsToDraw
    """
    row, speaks = _find(command.hours, actor, state)
    follows = _follows(row, "withdraw")
    may = row.giver_account in speaks or "steward" in actor.roles
    if not may and not (actor.account == row.logged_by and row.state != "confirmed"):
        raise NotYourHours
    body: dict[str, Any] = {}
    if row.seq is None:
        seq = _record("hours_withdrawn", row, actor, state)
        _cease(row, state)
    else:
        result = _correct(row, None, actor, state)
        if isinstance(result, Refusal):
            return result
        body = result[1]
        seq = state.books.seq
    _answer(row, "dropped", state)
    return _moved(row, follows, seq, state, body)


def silence_is_over(row: HoursRow, state: State) -> bool:
    """Say whether the days are over after which silence is a yes."""
    return state.now >= row.logged_at + timedelta(days=state.setup.confirm_days)


def forget_question(row: HoursRow, state: State) -> None:
    """End the open question to hours whose entry is corrected otherwise."""
    _answer(row, "settled", state)


# ---------------------------------------------------------------- who


def _find(hours_id: UUID, actor: Actor, state: State) -> tuple[HoursRow, frozenset[int]]:
    """Return hours, and the account numbers that the actor speaks for.

    Raises:
        UnknownHours: There are none with this id, or none that are this actor's to see.
    """
    row = state.hours.get(hours_id)
    if row is None:
        raise UnknownHours
    speaks = {actor.account}
    for member_id, scopes in actor.stands_in.items():
        member = state.setup.members.get(member_id)
        if "log" in scopes and member is not None and MINUTES in member.accounts:
            speaks.add(member.accounts[MINUTES])
    if "steward" not in actor.roles and not speaks & (_parties(row) | {row.logged_by}):
        raise UnknownHours
    return row, frozenset(speaks)


def _parties(row: HoursRow) -> set[int]:
    return {row.giver_account} if row.receiver_account is None else {row.giver_account, row.receiver_account}


def _require_other_side(row: HoursRow, actor: Actor, speaks: frozenset[int]) -> int:
    """Return the account of the side that still has to say something, if the actor speaks for it.

    A steward speaks for the group, by their own account.

    Raises:
        NotYourHours: They logged it themselves, or have nothing to do with it.
    """
    parties = _parties(row)
    spoke = row.logged_by if row.logged_by in parties else row.giver_account
    for side in speaks & (parties - {spoke}):
        return side
    if "steward" not in actor.roles or actor.account in (row.giver_account, row.logged_by):
        raise NotYourHours
    return actor.account


def _can_speak(member_id: UUID, state: State) -> bool:
    member = state.setup.members.get(member_id)
    return member is not None and member.active and member.signs_in


def _hear_silence(row: HoursRow, state: State) -> None:
    """Post hours whose days of silence are over already, before anything else is said about them."""
    waiting = state.open_hours.waiting.get(row.hours_id)
    if row.state != "logged" or waiting is None or not _can_speak(waiting.receiver_id, state):
        return
    if silence_is_over(row, state):
        with suppress(PolicyRefuses):
            _post_waiting(row, group_itself(state.setup.group_id), state, {})


# ---------------------------------------------------------------- what


def _follows(row: HoursRow, act: str) -> str:
    follows = HOURS_STATES[row.state].get(act)
    if follows is None:
        raise HoursNotOpen(state=row.state)
    return follows


def _whole(minutes: int, state: State) -> int:
    rounded = counted(minutes, state.setup)
    if not 1 <= rounded <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=rounded, amount_max=AMOUNT_MAX)
    return rounded


def _settled_on(
    command: SettleHours, row: HoursRow, asked: Question | None, state: State, *, agrees: bool
) -> int:
    if command.minutes is None:
        if asked is not None:
            return asked.minutes
        if row.seq is None:
            return row.minutes
        raise FieldInvalid(field="minutes", why=NOTHING_PROPOSED)
    minutes = _whole(command.minutes, state)
    if agrees and asked is not None and minutes != asked.minutes:
        raise FieldInvalid(field="minutes", why=NOT_THE_PROPOSAL)
    return minutes


def _post_waiting(row: HoursRow, actor: Actor, state: State, body: dict[str, Any]) -> int | Refusal:
    """Post hours that waited; return the record's number."""
    waiting = state.open_hours.waiting.get(row.hours_id)
    if waiting is None:
        raise NoTimeBank
    posted = post_exchange(row.hours_id, row, waiting, actor, state)
    if isinstance(posted, Refusal):
        return posted
    state.open_hours.posted[row.hours_id] = posted.seq
    state.hours[row.hours_id] = row._replace(seq=posted.seq)
    _cease(row, state)
    body["entry"] = str(row.hours_id)
    if posted.talk_first:
        body["talk_first"] = True
    return posted.seq


def _right_row(row: HoursRow, minutes: int, actor: Actor, state: State) -> HoursRow:
    return row._replace(hours_id=next(state.ids), state="confirmed", minutes=minutes, logged_by=actor.account)


def _post_instead(
    row: HoursRow, right: HoursRow, actor: Actor, state: State
) -> tuple[UUID, dict[str, Any]] | Refusal:
    waiting = state.open_hours.waiting.get(row.hours_id)
    if waiting is None:
        raise NoTimeBank
    posted = post_exchange(right.hours_id, right, waiting, actor, state)
    if isinstance(posted, Refusal):
        return posted
    state.new_hours.append(right._replace(seq=posted.seq, logged_at=state.books.recorded_at))
    _cease(row, state)
    return right.hours_id, {"talk_first": True} if posted.talk_first else {}


def _correct(
    row: HoursRow, right: HoursRow | None, actor: Actor, state: State
) -> tuple[UUID, dict[str, Any]] | Refusal:
    """Take the entry of hours back, and write the right one with it."""
    if row.draw_id is not None:
        return EntryBelongsToDraw()
    wrong = state.known[row.hours_id].draft
    mirror = Draft(
        entry_id=next(state.ids),
        kind=EntryKind.CORRECTION,
        source="hours",
        transfers=posting.mirror(wrong.transfers),
        effective_on=wrong.effective_on,
        actor=actor.account,
        category=wrong.category,
        reverses=row.hours_id,
        reversal_legs=len(wrong.transfers),
    )
    body: dict[str, Any] = {"correction": str(mirror.entry_id)}
    if right is None:
        result = state.post(mirror)
        return result if isinstance(result, Refusal) else (mirror.entry_id, body)
    entry = Draft(
        entry_id=right.hours_id,
        kind=wrong.kind,
        source="hours",
        transfers=tuple(Transfer(t.unit, t.debit, t.credit, right.minutes) for t in wrong.transfers),
        effective_on=wrong.effective_on,
        actor=actor.account,
        category=wrong.category,
    )
    result = state.post(mirror, entry)
    if isinstance(result, Refusal):
        return result
    state.new_hours.append(right._replace(seq=result[1].seq, logged_at=result[1].recorded_at))
    return mirror.entry_id, body


def _settlement(row: HoursRow, minutes: int, note_hash: str, actor: Actor, state: State) -> int:
    return _record(
        "hours_settled",
        row,
        actor,
        state,
        minutes=minutes,
        **({"note_hash": note_hash} if note_hash else {}),
    )


def _record(kind: str, row: HoursRow, actor: Actor, state: State, **fields: Any) -> int:
    return state.record(kind, actor.account, {"hours": str(row.hours_id), **fields})


def _cease(row: HoursRow, state: State) -> None:
    """Have hours wait no longer: who the two are is kept no longer, either."""
    if state.open_hours.waiting.pop(row.hours_id, None) is not None:
        state.open_hours.ended.append(row.hours_id)


def _answer(row: HoursRow, answer: str, state: State) -> None:
    asked = state.open_hours.questions.pop(row.hours_id, None)
    if asked is not None:
        state.open_hours.answered[asked.question_id] = answer


def _moved(row: HoursRow, follows: str, seq: int, state: State, body: dict[str, Any]) -> Done:
    if follows in ("confirmed", "withdrawn"):
        _answer(row, "dropped", state)
    now = state.hours[row.hours_id]._replace(state=follows)
    state.hours[row.hours_id] = now
    state.changed_hours[row.hours_id] = follows
    return Done(
        200,
        {"id": str(row.hours_id), "state": follows, "minutes": row.minutes, **body},
        seq,
    )
