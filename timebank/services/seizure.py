"""What a seizure of the machine would reveal, for those who keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from timebank.store.exposure import BESIDE, KINDS, Kind, columns_by_class

if TYPE_CHECKING:
    from timebank.rules.people import Actor


class Seizure(NamedTuple):
    """What it would reveal.

    Attributes:
        classes: Name of a class of columns, what it tells, and how many columns of the database have it.
        beside: What lies beside the database, and what that gives away.
    """

    classes: list[tuple[str, Kind, int]]
    beside: Mapping[str, str]


def what_it_reveals(actor: Actor) -> Seizure:
    """Return what a seizure would reveal, from the schema as it is.

    Raises:
        NeedsRole: The actor does not keep the server.
    """
    actor.require_role("host")
    found = columns_by_class()
    return Seizure(
        [(kind, words, sum(map(len, found[kind].values()))) for kind, words in KINDS.items()], BESIDE
    )
