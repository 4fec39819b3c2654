"""What the public will see of something before it is written: posted as the rules would, seen as a close does."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.ledger import posting
from timebank.ledger.entries import EntryKind
from timebank.rules.publication import PotAccount, PublicAccounts, PublicLine, public_facet
from timebank.rules.state import MINUTES, Pot, SetUp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timebank.ledger.entries import Transfer
    from timebank.rules.set_up import NewGroup

#: Stands for whoever it will be: the public knows no accounts but those of pots.
_SOMEBODY: Final = 0


def not_yet(group: NewGroup) -> SetUp:
    """Return a group that nobody has set up yet as far as its public lines need it: with numbers that are nobody's."""
    # Nobody is account 0, and no two of these are one.
    pots = {
        pot.code: Pot(UUID(int=place), pot.code, pot.unit, place, 3 * place, 3 * place + 1, 3 * place + 2)
        for place, pot in enumerate(group.pots, start=1)
    }
    return SetUp(
        version=0,
        group_id=UUID(int=0),
        book_id=b"",
        origin="",
        began_on=group.began_on,
        time_zone=group.time_zone,
        categories=frozenset(group.categories),
        pots=pots,
        held={},
        policies={},
        special={},
        time_bank=group.time_bank,
    )


def hours_line(
    setup: SetUp, *, preset: str, minutes: int, effective_on: date, category: str, answered: bool
) -> PublicLine:
    """Return the public line of help that goes through the first pot of hours.

    Args:
        answered: Whether it reached somebody, so that the pot answers.

    Raises:
        UnknownPot: The group has no pot of hours.
    """
    pot = setup.pot("", MINUTES)
    if answered:
        transfers = posting.help_answered(_SOMEBODY, pot.pot_account, pot.shared_account, minutes)
    else:
        transfers = posting.help_given(_SOMEBODY, pot.pot_account, minutes)
    kind = EntryKind.HELP_ANSWERED if answered else EntryKind.HELP_GIVEN
    return _line(setup, preset, kind, category, effective_on, transfers)


def hours_undone_line(
    setup: SetUp, *, preset: str, minutes: int, effective_on: date, category: str, to: str
) -> PublicLine:
    """Return the public line of what takes hours in the book back.

    Args:
        to: Where they went: ``pot``, ``somebody`` through the pot, or ``other`` without it.
    """
    pot = setup.pot("", MINUTES)
    if to == "other":
        wrong = posting.help_exchanged(_SOMEBODY, _SOMEBODY, minutes)
    elif to == "somebody":
        wrong = posting.help_answered(_SOMEBODY, pot.pot_account, pot.shared_account, minutes)
    else:
        assert to == "pot", to
        wrong = posting.help_given(_SOMEBODY, pot.pot_account, minutes)
    return _line(setup, preset, EntryKind.CORRECTION, category, effective_on, posting.mirror(wrong))


def exchange_line(
    setup: SetUp, *, preset: str, minutes: int, effective_on: date, category: str
) -> PublicLine:
    """Return the public line of hours between two people; it touches no pot."""
    transfers = posting.help_exchanged(_SOMEBODY, _SOMEBODY, minutes)
    return _line(setup, preset, EntryKind.HELP_EXCHANGED, category, effective_on, transfers)


def ask_line(
    setup: SetUp, pot: Pot, *, preset: str, amount: int, effective_on: date, category: str
) -> PublicLine:
    """Return the public line of an ask once it is met in full: handed over, or given by somebody."""
    if pot.unit == MINUTES:
        kind = EntryKind.FULFIL
        transfers = posting.fulfil(
            _SOMEBODY,
            pot.pot_account,
            pot.promised_account,
            pot.shared_account,
            amount,
            left=amount,
            beyond_shared=False,
        )
    else:
        kind = EntryKind.HAND_OVER
        transfers = posting.hand_over(
            pot.unit, pot.promised_account, pot.shared_account, _SOMEBODY, _SOMEBODY, amount
        )
    return _line(setup, preset, kind, category, effective_on, transfers)


def money_line(
    setup: SetUp,
    kind: EntryKind,
    pot: Pot,
    *,
    preset: str,
    amount: int,
    effective_on: date,
    to: Pot | None = None,
) -> PublicLine:
    """Return the public line of what a treasurer writes down, or two people sign.

    Args:
        pot: The pot that it touches; for a pot move the one that passes something on.
        to: For a pot move, the one that gets it.
    """
    unit, account = pot.unit, pot.pot_account
    if kind is EntryKind.MONEY_IN:
        transfers = posting.money_in(unit, _SOMEBODY, account, _SOMEBODY, _SOMEBODY, amount)
    elif kind is EntryKind.MONEY_OUT:
        transfers = posting.money_out(unit, account, _SOMEBODY, _SOMEBODY, _SOMEBODY, amount)
    elif kind is EntryKind.COUNTED_MISSING:
        transfers = posting.counted_missing(unit, account, _SOMEBODY, _SOMEBODY, _SOMEBODY, amount)
    elif kind is EntryKind.COUNTED_FOUND:
        transfers = posting.counted_found(unit, _SOMEBODY, account, _SOMEBODY, _SOMEBODY, amount)
    elif kind is EntryKind.HELD_MOVE:
        transfers = posting.held_move(unit, _SOMEBODY, _SOMEBODY, amount)
    else:
        assert kind is EntryKind.POT_MOVE, kind
        assert to is not None, "it goes somewhere"
        transfers = posting.pot_move(unit, account, to.pot_account, amount)
    return _line(setup, preset, kind, "", effective_on, transfers)


def undo_line(
    setup: SetUp,
    kind: str,
    transfers: tuple[Transfer, ...],
    *,
    preset: str,
    category: str,
    effective_on: date,
) -> PublicLine:
    """Return the public line of what takes an entry about money back.

    Args:
        kind, transfers, category, effective_on: Of the entry that is taken back.
    """
    undoes = EntryKind.HAND_OVER_UNDONE if kind == EntryKind.HAND_OVER else EntryKind.CORRECTION
    return _line(setup, preset, undoes, category, effective_on, posting.mirror(transfers))


def _line(
    setup: SetUp,
    preset: str,
    kind: EntryKind,
    category: str,
    effective_on: date,
    transfers: tuple[Transfer, ...],
) -> PublicLine:
    return public_facet(
        preset=preset,
        kind=kind,
        category=category,
        effective_on=effective_on,
        transfers=transfers,
        accounts=PublicAccounts(pots=_pots(setup), givers=frozenset({_SOMEBODY})),
    )


def _pots(setup: SetUp) -> Mapping[int, PotAccount]:
    return {
        number: known
        for pot in setup.pots.values()
        for number, known in (
            (pot.pot_account, PotAccount(pot.code, "available")),
            (pot.promised_account, PotAccount(pot.code, "promised")),
            (pot.shared_account, PotAccount(pot.code, "shared")),
        )
    }
