"""What a close writes into the public log: a leaf for each record that goes out, and one that ends the period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from timebank.ledger import public_log
from timebank.ledger.public_log import (
    ClosingLeaf,
    Figure,
    Held,
    KeyLeaf,
    KindFigures,
    LineLeaf,
    Parts,
    PeriodLeaf,
    PolicyLeaf,
    PolicyVersion,
    PotFigures,
    RecordLeaf,
)
from timebank.ledger.units import is_money
from timebank.rules.publication import SHELTERED, PublicLine, Sum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from timebank.rules.publication import PotTotals

NOT_IN_PERIODS: Final = frozenset({"genesis", "closing"})
"""Records whose leaf is the first of the log, or the last of a period."""

TOLD_AT_ONCE: Final = frozenset({"restored", "key"})
"""Records whose leaf goes out with the very next close, whichever days that covers."""


class PotAtClose(NamedTuple):
    """A pot as a close found it: what it did in the period, and what of it is published now."""

    pot: str
    unit: str
    totals: PotTotals
    closing: Sum


def leaf_of_record(kind: str, commitment: bytes, fields: Mapping[str, Any]) -> PeriodLeaf:
    """Return the leaf of a record that is no entry: nothing but its commitment, or rules and keys in clear."""
    if kind == "policy":
        return PolicyLeaf(
            commitment, str(fields["pot"]), int(fields["version"]), bytes.fromhex(str(fields["terms_hash"]))
        )
    if kind == "key":
        return KeyLeaf(
            commitment=commitment,
            old=str(fields["old"]),
            new=str(fields["new"]),
            reason=str(fields["reason"]),
            signature=bytes.fromhex(str(fields["signature"])),
            recovery=bytes.fromhex(str(fields.get("recovery", ""))),
            recovery_next=bytes.fromhex(str(fields.get("recovery_next", ""))),
        )
    return RecordLeaf(commitment)


def key_fields(leaf: KeyLeaf) -> dict[str, Any]:
    """Return what the book says of a new key; ``leaf_of_record`` makes its leaf of it."""
    fields = {"new": leaf.new, "old": leaf.old, "reason": leaf.reason, "signature": leaf.signature.hex()}
    if leaf.recovery:
        fields["recovery"] = leaf.recovery.hex()
    if leaf.recovery_next:
        fields["recovery_next"] = leaf.recovery_next.hex()
    return fields


def leaf_of_entry(commitment: bytes, line: PublicLine) -> PeriodLeaf:
    """Return the leaf of an entry that goes out, made of what the public sees of it and nothing else."""
    if not line.changes:
        return RecordLeaf(commitment)
    return LineLeaf(
        commitment=commitment,
        kind=line.kind,
        changes=tuple(public_log.Change(*change) for change in line.changes),
        category=line.category,
        day=line.day,
    )


def held_of(pots: Sequence[PotAtClose]) -> tuple[Held, ...]:
    """Return what lies in all places together, by unit: the sum of the pots, as far as they are published."""
    units = sorted({pot.unit for pot in pots if is_money(pot.unit)})
    return tuple(Held(unit, sum(sum(pot.closing) for pot in pots if pot.unit == unit)) for unit in units)


def closing_leaf(
    *,
    commitment: bytes,
    period: int,
    first_day: date,
    last_day: date,
    preset: str,
    pots: Sequence[PotAtClose],
    policies: Mapping[str, int],
    live: bytes,
    auditors: Sequence[str] = (),
) -> ClosingLeaf:
    """Return the leaf that ends a period.

    Args:
        commitment: Of the record of the closing.
        period: As the log counts them.
        policies: The newest version of each pot's rules that has a leaf.
        live: SHA-256 of the live checkpoint.
        auditors: Verifier keys of those who cosign what they opened.
    """
    return ClosingLeaf(
        commitment=commitment,
        period=period,
        first_day=first_day,
        last_day=last_day,
        preset=preset,
        pots=tuple(_figures(pot, preset) for pot in sorted(pots)),
        held=held_of(pots),
        policies=tuple(PolicyVersion(*policy) for policy in sorted(policies.items())),
        live=live,
        auditors=tuple(sorted(auditors)),
    )


def _figures(pot: PotAtClose, preset: str) -> PotFigures:
    total = pot.totals
    opening = Sum(pot.closing.available - total.available, pot.closing.promised - total.promised)
    return PotFigures(
        pot=pot.pot,
        unit=pot.unit,
        opening=_figure(opening, preset),
        closing=_figure(pot.closing, preset),
        came_in=total.came_in,
        went_out=total.went_out,
        kinds=()
        if preset == SHELTERED
        else tuple(
            KindFigures(kind, came_in, went_out, lines)
            for kind, (came_in, went_out, lines) in sorted(total.flows.items())
        ),
        waited=None if total.waited is None else _figure(total.waited, preset),
        lost=None if total.lost is None else _figure(total.lost, preset),
    )


def _figure(figure: Sum, preset: str) -> Figure:
    return sum(figure) if preset == SHELTERED else Parts(*figure)
