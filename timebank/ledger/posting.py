"""The posting table: what moves from where to where, one function for each thing that can happen.

Arguments are account numbers; amounts are whole minutes or smallest coins. Whoever
calls has read the amount as an ``int``; whether it may move is for ``Books`` to say.

For money, ``custody`` stands against all held places: whatever comes into a pot also
goes from held to custody, whatever leaves it from custody to held, so that the sum of
what is held is always the sum of all pots and promises.
"""

from __future__ import annotations

from collections.abc import Mapping

from timebank.ledger.entries import Transfer
from timebank.ledger.units import MINUTES

Transfers = tuple[Transfer, ...]

# ---------------------------------------------------------------- hours


def help_given(giver: int, pot: int, minutes: int) -> Transfers:
    """Somebody gave time to the pot; ``giver`` is a member's account or ``outside``."""
    return (Transfer(MINUTES, giver, pot, minutes),)


def help_answered(giver: int, pot: int, shared: int, minutes: int) -> Transfers:
    """Somebody helped someone, and the pot answers for it at once."""
    return (Transfer(MINUTES, giver, pot, minutes), Transfer(MINUTES, pot, shared, minutes))


def help_exchanged(giver: int, receiver: int, minutes: int) -> Transfers:
    """Two members of a time bank, by their exchange accounts."""
    return (Transfer(MINUTES, giver, receiver, minutes),)


def fulfil(
    giver: int, pot: int, promised: int, shared: int, minutes: int, *, left: int, beyond_shared: bool
) -> Transfers:
    """Somebody gave time that a draw asked for, the whole of it or a part.

    Args:
        minutes: What was given, at least 1.
        left: What the draw is still promised, 0 or more.
        beyond_shared: Whether the policy lets hours beyond ``left`` go to the asker at once;
            otherwise they stay in the pot.
    """
    of_promise = min(minutes, left)
    beyond = minutes - of_promise
    transfers = [Transfer(MINUTES, giver, pot, minutes)]
    if of_promise:
        transfers.append(Transfer(MINUTES, promised, shared, of_promise))
    if beyond and beyond_shared:
        transfers.append(Transfer(MINUTES, pot, shared, beyond))
    return tuple(transfers)


def opening_exchange_given(exchange: int, opening: int, minutes: int) -> Transfers:
    """A member brings along from an older time bank that they gave more than they received."""
    return (Transfer(MINUTES, exchange, opening, minutes),)


def opening_exchange_received(opening: int, exchange: int, minutes: int) -> Transfers:
    """A member brings along from an older time bank that they received more than they gave."""
    return (Transfer(MINUTES, opening, exchange, minutes),)


def opening_hours(opening: int, pot: int, minutes: int) -> Transfers:
    """Hours that a pot brings along from an older book."""
    return (Transfer(MINUTES, opening, pot, minutes),)


# ---------------------------------------------------------------- hours and money


def promise(unit: str, pot: int, promised: int, amount: int) -> Transfers:
    """A draw was approved: what it may have is set aside."""
    return (Transfer(unit, pot, promised, amount),)


def release(unit: str, promised: int, pot: int, amount: int) -> Transfers:
    """What was set aside is not needed after all."""
    return (Transfer(unit, promised, pot, amount),)


def pot_move(unit: str, source: int, target: int, amount: int) -> Transfers:
    """One pot passes something on to another; where the money is does not change."""
    return (Transfer(unit, source, target, amount),)


# ---------------------------------------------------------------- money


def money_in(unit: str, giver: int, pot: int, held: int, custody: int, amount: int) -> Transfers:
    """Money came in and lies at ``held``; ``giver`` is a member's account or ``outside``."""
    return (Transfer(unit, giver, pot, amount), Transfer(unit, held, custody, amount))


def hand_over(unit: str, promised: int, shared: int, custody: int, held: int, amount: int) -> Transfers:
    """Promised money was handed over, the whole of it or a part, out of ``held``."""
    return (Transfer(unit, promised, shared, amount), Transfer(unit, custody, held, amount))


def money_returned(unit: str, shared: int, pot: int, held: int, custody: int, amount: int) -> Transfers:
    """Money of a draw came back. It corrects the hand-over: draft it with ``reversal_legs=2``."""
    return (Transfer(unit, shared, pot, amount), Transfer(unit, held, custody, amount))


def money_out(unit: str, pot: int, outside: int, custody: int, held: int, amount: int) -> Transfers:
    """Money left without a draw: an import, a bank's fee, a surplus passed on."""
    return (Transfer(unit, pot, outside, amount), Transfer(unit, custody, held, amount))


def held_move(unit: str, source: int, target: int, amount: int) -> Transfers:
    """Money was carried from one place to another, such as from the cash box to the bank."""
    return (Transfer(unit, target, source, amount),)


def counted_missing(unit: str, pot: int, adjustment: int, custody: int, held: int, amount: int) -> Transfers:
    """A count found less than the book says; the group named the pot that bears it."""
    return (Transfer(unit, pot, adjustment, amount), Transfer(unit, custody, held, amount))


def counted_found(unit: str, adjustment: int, pot: int, held: int, custody: int, amount: int) -> Transfers:
    """A count found more than the book says; the group named the pot that has it."""
    return (Transfer(unit, adjustment, pot, amount), Transfer(unit, held, custody, amount))


def opening_money(unit: str, opening: int, pot: int, held: int, custody: int, amount: int) -> Transfers:
    """Money that a pot brings along from an older book, and where it lies."""
    return (Transfer(unit, opening, pot, amount), Transfer(unit, held, custody, amount))


# ---------------------------------------------------------------- taking back


def mirror(transfers: Transfers, *, held_instead: Mapping[int, int] | None = None) -> Transfers:
    """Take back what an entry did, transfer by transfer in the same order.

    Args:
        transfers: All that the entry moved.
        held_instead: Where the money is now: for a held account of the entry, the held account
            of the same unit to use in its place.
    """
    instead = held_instead or {}
    return tuple(
        Transfer(unit, instead.get(credit, credit), instead.get(debit, debit), amount)
        for unit, debit, credit, amount in transfers
    )


def hand_over_undone(
    handed_over: Transfers,
    promised: int,
    pot: int,
    *,
    draw_open: bool,
    held_instead: Mapping[int, int] | None = None,
) -> Transfers:
    """Take back a hand-over; the money is promised again, or the pot's if the draw is closed meanwhile.

    ``reversal_legs`` of the draft is the number of transfers in ``handed_over``.
    """
    taken_back = mirror(handed_over, held_instead=held_instead)
    return taken_back if draw_open else taken_back + _released(handed_over, promised, pot)


def fulfil_undone(fulfilled: Transfers, promised: int, pot: int, *, draw_open: bool) -> Transfers:
    """Take back a fulfilment; the hours are promised again, or the pot's if the draw is closed meanwhile.

    ``reversal_legs`` of the draft is the number of transfers in ``fulfilled``.
    """
    taken_back = mirror(fulfilled)
    return taken_back if draw_open else taken_back + _released(fulfilled, promised, pot)


def _released(transfers: Transfers, promised: int, pot: int) -> Transfers:
    return tuple(
        Transfer(unit, promised, pot, amount) for unit, debit, _, amount in transfers if debit == promised
    )
