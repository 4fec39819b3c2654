"""What the public was shown of a period, read back from its leaves: for a book that lost the period in a restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from timebank.ledger.public_log import ClosingLeaf, Figure, LineLeaf, Parts
from timebank.rules.publication import (
    ALL_PLACES,
    OPEN,
    Change,
    PotTotals,
    PublicBalance,
    PublicLine,
    PublicPeriod,
    PublicPlace,
    Sum,
)
from timebank.rules.readiness import next_close_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timebank.ledger.public_log import Leaf, PotFigures
    from timebank.rules.publication import Shares

NOTHING: Final = Sum(0, 0)


@dataclass(frozen=True, slots=True)
class ShownPeriod:
    """A period as it was published.

    Attributes:
        lines: With whether each arrived late.
        totals: By pot, what came in and went out by kind, and what stood apart.
    """

    period: PublicPeriod
    lines: tuple[tuple[PublicLine, bool], ...]
    balances: tuple[PublicBalance, ...]
    held: tuple[PublicPlace, ...]
    totals: Mapping[str, PotTotals]


def shown_period(
    number: int,
    leaves: Sequence[Leaf],
    before: Mapping[str, PublicBalance],
    shares: Mapping[str, Shares],
    more_lines: Sequence[PublicLine] = (),
) -> ShownPeriod:
    """Return what the pages showed of a period.

    Args:
        number: Of the period, as closes count them.
        leaves: All of the period; the last is its closing.
        before: Balances of the period before, by pot.
        shares: What records that the book still has gave and drew in it; of others nobody knows.
        more_lines: Lines of records that the book still has and whose leaves show nothing, since no pot is in them.
    """
    end = leaves[-1]
    assert isinstance(end, ClosingLeaf), number
    lines = [
        PublicLine(leaf.kind, leaf.category, leaf.day, tuple(Change(*change) for change in leaf.changes))
        for leaf in leaves
        if isinstance(leaf, LineLeaf)
    ]
    lines += more_lines
    late = [
        (line, end.preset == OPEN and line.day is not None and line.day < end.first_day) for line in lines
    ]
    return ShownPeriod(
        period=PublicPeriod(
            number,
            end.first_day,
            end.last_day,
            next_close_on(end.preset, end.last_day),
            len(lines),
            end.preset,
        ),
        lines=tuple(late),
        balances=tuple(_balance(pot, before.get(pot.pot), shares.get(pot.pot)) for pot in end.pots),
        held=tuple(PublicPlace(one.unit.lower(), ALL_PLACES, 0, one.unit, one.amount) for one in end.held),
        totals={pot.pot: _totals(pot) for pot in end.pots},
    )


def sum_of(figure: Figure) -> Sum:
    """Return a figure of a log; where only a sum is shown, all of it counts as available."""
    return Sum(*figure) if isinstance(figure, Parts) else Sum(figure, 0)


def lost_of(pots: Sequence[PotFigures], book: Mapping[str, Sum]) -> dict[str, Sum]:
    """Return by pot what must be added to what was published so that it is what the book has; nothing where it is.

    Args:
        pots: Of the last closing that was published.
        book: What the book has of what is published; a pot that is not here has nothing.
    """
    found = {}
    for pot in pots:
        told, has = sum_of(pot.closing), book.get(pot.pot, NOTHING)
        if not isinstance(pot.closing, Parts):
            has = Sum(sum(has), 0)
        lost = Sum(has.available - told.available, has.promised - told.promised)
        if lost != NOTHING:
            found[pot.pot] = lost
    return found


def _balance(pot: PotFigures, before: PublicBalance | None, shares: Shares | None) -> PublicBalance:
    closing = sum_of(pot.closing)
    apart = [sum(sum_of(one)) for one in (pot.waited, pot.lost) if one is not None]
    return PublicBalance(
        pot=pot.pot,
        unit=pot.unit,
        available=closing.available,
        promised=closing.promised,
        given=(before.given if before else 0) + (shares.given if shares else 0),
        drawn=(before.drawn if before else 0) + (shares.drawn if shares else 0),
        came_in=pot.came_in + sum(max(0, one) for one in apart),
        went_out=pot.went_out + sum(max(0, -one) for one in apart),
    )


def _totals(pot: PotFigures) -> PotTotals:
    totals = PotTotals(pot.unit)
    for kind in pot.kinds:
        totals.flows[kind.kind] = [kind.came_in, kind.went_out, kind.lines]
    if not pot.kinds and (pot.came_in or pot.went_out):
        totals.flows[""] = [pot.came_in, pot.went_out, 0]
    totals.waited = None if pot.waited is None else sum_of(pot.waited)
    totals.lost = None if pot.lost is None else sum_of(pot.lost)
    return totals
