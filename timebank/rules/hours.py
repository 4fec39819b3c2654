"""Hours: who may log help, and which entry follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from timebank.errors import (
    N_,
    AmountOutOfRange,
    DrawNotOpen,
    FieldInvalid,
    NoTimeBank,
    NotYourDraw,
    NotYourEntry,
    PolicyRefuses,
    Refusal,
    SameAccountTwice,
    UnknownCategory,
    UnknownDraw,
)
from timebank.ledger import posting
from timebank.ledger.entries import Draft, EntryKind, Transfer
from timebank.ledger.units import AMOUNT_MAX
from timebank.rules import draw_steps
from timebank.rules.commands import LogHours, Share, ShareHours
from timebank.rules.outcome import Done, text_hash
from timebank.rules.people import Actor
from timebank.rules.state import EXCHANGE, MINUTES, Draw, HoursRow, Note, Pot, SetUp, State, Waiting

HOURS_STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "logged": {
        "confirm": "confirmed",
        "silence": "confirmed",
        "question": "questioned",
        "settle": "settled",
        "withdraw": "withdrawn",
    },
    "questioned": {
        "confirm": "confirmed",
        "question": "questioned",
        "settle": "settled",
        "withdraw": "withdrawn",
    },
    "confirmed": {"settle": "settled", "withdraw": "withdrawn"},
    "settled": {},
    "withdrawn": {},
}
"""What can be done with hours in each state, and which state follows.

Settled is what other hours took the place of, so it is an end like withdrawn; to settle on what
was logged is to confirm. Correcting the entry of hours settles or withdraws them, too.
"""

SHARES_MAX: Final = 200
WEIGHT_MAX: Final = 1_000_000

NEEDS_RECEIVER: Final = N_("hours between two people need the other one")
NOT_BOTH: Final = N_("hours between two people answer no ask and touch no pot")
NOBODY_THERE: Final = N_("at least one is needed")
TOO_MANY: Final = N_("there are too many")
TWICE: Final = N_("something is there twice")
WEIGHTS_OR_MINUTES: Final = N_("give each of them a weight, or each of them minutes")
NOT_A_WEIGHT: Final = N_("it is no whole number from 1 to 1,000,000")
NOT_THE_SUM: Final = N_("the shares do not add up to it")
LESS_THAN_A_MINUTE: Final = N_("somebody's share would be less than a minute")


def log_hours(command: LogHours, actor: Actor, state: State) -> Done | Refusal:
    """Post help that was given: to the pot, to somebody with the pot answering, or for an ask.

    Whoever gave or received it may log it, who stands in for one of them, and a steward for others.
    Hours between two people are posted when the receiver says so, and wait for that until then.

    Raises:
        NotYourEntry, UnknownMember, UnknownCategory, SameAccountTwice, UnknownPot, UnknownDraw,
        DrawNotOpen, NotYourDraw, AmountOutOfRange, NoTimeBank, FieldInvalid, PolicyRefuses
    """
    setup = state.setup
    giver_id = actor.member_id if command.giver is None else command.giver
    if (
        actor.member_id not in (giver_id, command.receiver)
        and "steward" not in actor.roles
        and not _stands_in(actor, giver_id, command.receiver)
    ):
        raise NotYourEntry
    giver = setup.member_account(giver_id, MINUTES)
    receiver = None if command.receiver is None else setup.member_account(command.receiver, MINUTES)
    if command.category not in setup.categories:
        raise UnknownCategory
    if receiver == giver:
        raise SameAccountTwice
    minutes = counted(command.minutes, setup)
    if command.exchange:
        return _log_exchange(command, minutes, giver_id, giver, receiver, actor, state)

    draw = None if command.draw is None else _open_draw(command.draw, giver_id, state)
    kind, transfers = _help(giver, receiver, minutes, draw, 0 if draw is None else draw.left, command, state)
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
            minutes,
            command.effective_on,
            command.category,
            actor.account,
            entry.recorded_at,
        )
    )
    if command.note:
        state.notes.append(Note(hours_id, "note", actor.member_id, salt, command.note))
    if draw is not None:
        draw_steps.give(draw, minutes, draw_steps.Act.FULFIL, state)
    body = {
        "id": str(hours_id),
        "entry": str(hours_id),
        "state": "logged",
        "minutes": minutes,
        "effective_on": command.effective_on.isoformat(),
    }
    if setup.rounding.minutes > 1:
        body["said"] = command.minutes
    return Done(201, body, entry.seq)


def share_hours(command: ShareHours, actor: Actor, state: State) -> Done | Refusal:
    """Post help that several people gave together: an entry for each, all or none.

    Whoever gave or received may log it for all of them, and a steward for others.

    Raises:
        As log_hours, and FieldInvalid for shares that cannot be.
    """
    setup = state.setup
    givers = [share.giver for share in command.shares]
    if (
        actor.member_id not in (*givers, command.receiver)
        and "steward" not in actor.roles
        and not _stands_in(actor, *givers, command.receiver)
    ):
        raise NotYourEntry
    said = _shares(command.shares, command.minutes, setup)
    if command.category not in setup.categories:
        raise UnknownCategory
    receiver = None if command.receiver is None else setup.member_account(command.receiver, MINUTES)
    draw: Draw | None = None
    left = 0
    drafts: list[Draft] = []
    salt = state.salt() if command.note else b""
    for giver_id, minutes in zip(givers, said, strict=True):
        giver = setup.member_account(giver_id, MINUTES)
        if receiver == giver:
            raise SameAccountTwice
        if command.draw is not None:
            draw = _open_draw(command.draw, giver_id, state)
            left = draw.left if not drafts else left
        kind, transfers = _help(giver, receiver, minutes, draw, left, command, state)
        left = max(0, left - minutes)
        drafts.append(
            Draft(
                entry_id=next(state.ids),
                kind=kind,
                source="hours",
                transfers=transfers,
                effective_on=command.effective_on,
                actor=actor.account,
                category=command.category,
                note_hash=text_hash(salt, command.note) if not drafts else "",
                draw_id=command.draw,
            )
        )
    result = state.post(*drafts)
    if isinstance(result, Refusal):
        return result

    for entry, minutes in zip(result, said, strict=True):
        state.new_hours.append(
            HoursRow(
                entry.draft.entry_id,
                entry.seq,
                "logged",
                entry.draft.transfers[0].debit,
                receiver,
                command.draw,
                minutes,
                command.effective_on,
                command.category,
                actor.account,
                entry.recorded_at,
            )
        )
    if draw is not None:
        draw_steps.give(draw, sum(said), draw_steps.Act.FULFIL, state)
    if command.note:
        state.notes.append(Note(drafts[0].entry_id, "note", actor.member_id, salt, command.note))
    body = {
        "minutes": sum(said),
        "effective_on": command.effective_on.isoformat(),
        "shares": [
            {"id": str(draft.entry_id), "giver": str(giver_id), "minutes": minutes}
            for draft, giver_id, minutes in zip(drafts, givers, said, strict=True)
        ],
    }
    return Done(201, body, result[0].seq)


def split(minutes: int, weights: tuple[int, ...]) -> list[int]:
    """Divide minutes by weight so that the parts add up to the whole, to the minute.

    Everybody gets what is due rounded down; what is left goes, a minute each, to those who lost
    most by that (largest remainder), and among equals to whoever stands first.
    """
    whole = sum(weights)
    parts = [minutes * weight // whole for weight in weights]
    lost = sorted(range(len(weights)), key=lambda at: -(minutes * weights[at] % whole))
    for at in lost[: minutes - sum(parts)]:
        parts[at] += 1
    return parts


def counted(minutes: int, setup: SetUp) -> int:
    """Return minutes as the group counts them, rounded by its rule.

    Raises:
        AmountOutOfRange: They are none, or more than the book takes.
    """
    if setup.rounding.minutes == 1:
        return minutes
    if not 1 <= minutes <= AMOUNT_MAX:
        # Rounded up, nothing would become something.
        raise AmountOutOfRange(amount=minutes, amount_max=AMOUNT_MAX)
    return setup.rounding.of(minutes)


# ---------------------------------------------------------------- between two people


class Posted(NamedTuple):
    """Hours between two people that are in the book now."""

    seq: int
    talk_first: bool


def post_exchange(
    entry_id: UUID, row: HoursRow, waiting: Waiting, actor: Actor, state: State
) -> Posted | Refusal:
    """Post hours between two people as ``row`` has them.

    Raises:
        UnknownMember, NoTimeBank: One of them has no such account.
        PolicyRefuses: The receiver has reached the limit, and the group pauses there.
    """
    setup = state.setup
    received_by = exchange_account(waiting.receiver_id, setup)
    limit = setup.exchange_limit
    beyond = limit is not None and state.books.accounts[received_by].net + row.minutes > limit.at
    if beyond and limit is not None and limit.then == "pause":
        raise PolicyRefuses(rule="exchange_limit")
    result = state.post(
        Draft(
            entry_id=entry_id,
            kind=EntryKind.HELP_EXCHANGED,
            source="hours",
            transfers=posting.help_exchanged(
                exchange_account(waiting.giver_id, setup), received_by, row.minutes
            ),
            effective_on=row.effective_on,
            actor=actor.account,
            category=row.category,
        )
    )
    if isinstance(result, Refusal):
        return result
    # What somebody's two figures come to is told to that person and to stewards only.
    hears = actor.member_id == waiting.receiver_id or "steward" in actor.roles
    return Posted(result[0].seq, beyond and hears)


def exchange_account(member_id: UUID, setup: SetUp) -> int:
    """Return the number of the account that a member's hours with others go through, active or not.

    Raises:
        NoTimeBank: They have none.
    """
    member = setup.members.get(member_id)
    if member is None or EXCHANGE not in member.accounts:
        raise NoTimeBank
    return member.accounts[EXCHANGE]


def _log_exchange(
    command: LogHours,
    minutes: int,
    giver_id: UUID,
    giver: int,
    receiver: int | None,
    actor: Actor,
    state: State,
) -> Done | Refusal:
    setup = state.setup
    if command.receiver is None or receiver is None:
        raise FieldInvalid(field="receiver", why=NEEDS_RECEIVER)
    if command.draw is not None or command.pot:
        raise FieldInvalid(field="mode", why=NOT_BOTH)
    if not setup.time_bank:
        raise NoTimeBank
    waiting = Waiting(giver_id, command.receiver)
    exchange_account(giver_id, setup)
    exchange_account(command.receiver, setup)
    if not 1 <= minutes <= AMOUNT_MAX:
        raise AmountOutOfRange(amount=minutes, amount_max=AMOUNT_MAX)
    refusal = state.books.refuses_day(command.effective_on)
    if refusal is not None:
        return refusal
    hours_id = next(state.ids)
    salt = state.salt() if command.note else b""
    row = HoursRow(
        hours_id,
        None,
        "logged",
        giver,
        receiver,
        None,
        minutes,
        command.effective_on,
        command.category,
        actor.account,
        state.now,
    )
    body: dict[str, Any] = {
        "id": str(hours_id),
        "state": "logged",
        "minutes": minutes,
        "effective_on": command.effective_on.isoformat(),
    }
    if setup.rounding.minutes > 1:
        body["said"] = command.minutes
    if actor.may_act_for(command.receiver, "log"):
        # The receiver's own word is the yes.
        posted = post_exchange(hours_id, row, waiting, actor, state)
        if isinstance(posted, Refusal):
            return posted
        seq = posted.seq
        state.new_hours.append(row._replace(seq=seq, logged_at=state.books.recorded_at))
        body["entry"] = str(hours_id)
        if posted.talk_first:
            body["talk_first"] = True
    else:
        seq = state.record(
            "hours_logged",
            actor.account,
            {
                "category": command.category,
                "effective_on": command.effective_on.isoformat(),
                "hours": str(hours_id),
                "minutes": minutes,
                **({"note_hash": text_hash(salt, command.note)} if command.note else {}),
            },
        )
        state.open_hours.began.append((row._replace(logged_at=state.books.recorded_at), waiting))
        if setup.members[command.receiver].signs_in:
            body["silence_counts_on"] = (state.today + timedelta(days=setup.confirm_days)).isoformat()
    if command.note:
        state.notes.append(Note(hours_id, "note", actor.member_id, salt, command.note))
    return Done(201, body, seq)


# ---------------------------------------------------------------- what they share


def _stands_in(actor: Actor, *members: UUID | None) -> bool:
    return any("log" in actor.stands_in.get(member, ()) for member in members if member is not None)


def _shares(shares: tuple[Share, ...], minutes: int | None, setup: SetUp) -> list[int]:
    """Return the minutes of each share, in order.

    Raises:
        FieldInvalid: There are none, too many or one person twice, or they are not all of one kind.
        AmountOutOfRange: A share or the whole is none, or more than the book takes.
    """
    if not shares or len(shares) > SHARES_MAX:
        raise FieldInvalid(field="givers", why=TOO_MANY if shares else NOBODY_THERE)
    if len({share.giver for share in shares}) < len(shares):
        raise FieldInvalid(field="givers", why=TWICE)
    by_weight = [share.weight for share in shares if share.weight is not None]
    by_minutes = [share.minutes for share in shares if share.minutes is not None]
    if (by_weight and by_minutes) or len(by_weight or by_minutes) < len(shares):
        raise FieldInvalid(field="givers", why=WEIGHTS_OR_MINUTES)
    if by_weight:
        if minutes is None:
            raise FieldInvalid(field="minutes", why=NOT_THE_SUM)
        if not all(1 <= weight <= WEIGHT_MAX for weight in by_weight):
            raise FieldInvalid(field="givers", why=NOT_A_WEIGHT)
        # The whole is rounded and the parts are not: rounded parts would add up to something else.
        whole = counted(minutes, setup)
        if not 1 <= whole <= AMOUNT_MAX:
            raise AmountOutOfRange(amount=whole, amount_max=AMOUNT_MAX)
        parts = split(whole, tuple(by_weight))
        if not all(parts):
            raise FieldInvalid(field="givers", why=LESS_THAN_A_MINUTE)
        return parts
    if minutes is not None and minutes != sum(by_minutes):
        raise FieldInvalid(field="minutes", why=NOT_THE_SUM)
    return [counted(part, setup) for part in by_minutes]


def _help(
    giver: int,
    receiver: int | None,
    minutes: int,
    draw: Draw | None,
    left: int,
    command: LogHours | ShareHours,
    state: State,
) -> tuple[EntryKind, tuple[Transfer, ...]]:
    """Return kind and transfers of help; ``left`` is what the draw is still promised by then."""
    setup = state.setup
    if draw is None:
        pot = setup.pot(command.pot, MINUTES)
        return _given(pot, giver, minutes, answered=receiver is not None)
    pot = setup.pots_by_id[draw.pot_id]
    # Hours beyond the promise reach the asker if the policy would have said yes to them at once.
    at_once = setup.terms_of(draw).lets_beyond(minutes - left)
    return EntryKind.FULFIL, posting.fulfil(
        giver,
        pot.pot_account,
        pot.promised_account,
        pot.shared_account,
        minutes=minutes,
        left=left,
        beyond_shared=at_once,
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
