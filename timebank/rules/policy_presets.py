"""Rules to begin with: four ways in which groups share a pot, each as the terms of one pot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.ledger.units import MINUTES
from timebank.rules.policies import Cap, Limit, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Trust first, two signatures, consent circle, time bank only.
PRESETS = ("trust", "two", "circle", "time_bank")

_HOUR = 60


def preset_terms(unit: str, *, whole: int) -> Mapping[str, Terms]:
    """Return what each preset says about a pot of this unit; *time bank only* says nothing about money.

    Args:
        unit: ``minutes`` or a currency.
        whole: Smallest coins in one of the currency; amounts are meant for pounds, euros or dollars.
    """
    if unit == MINUTES:
        return {
            "trust": Terms(approvals=((0, 0),)),
            "two": Terms(approvals=((0, 0), (2 * _HOUR, 1), (10 * _HOUR, 2))),
            "circle": Terms(approvals=((0, 1),), consent_hours=48),
            "time_bank": Terms(approvals=((0, 0), (2 * _HOUR, 1)), limit=Limit(10 * _HOUR, "talk")),
        }
    return {
        "trust": Terms(
            per_request_max=50 * whole,
            approvals=((0, 1),),
            caps=(Cap("household", "month", most=50 * whole),),
        ),
        "two": Terms(approvals=((0, 1), (30 * whole, 2))),
        "circle": Terms(approvals=((0, 1),), consent_hours=48),
    }
