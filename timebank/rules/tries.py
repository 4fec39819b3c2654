"""How often somebody may try: a few times at once, then each try waits a little longer than the one before.

Nobody is ever locked out: after the wait there is always one more try, and tries are forgotten one
by one as time goes by. Whoever tries while they should wait is told for how long, and nothing else
happens, so that hammering does not make the wait longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple


class Pace(NamedTuple):
    """How fast tries may follow one another.

    Attributes:
        free: So many tries may come at once.
        first_s: Seconds to wait after the try that follows them; each further one doubles it.
        most_s: Longest wait in seconds.
        heal_s: So many seconds make one try forgotten.
    """

    free: int
    first_s: float
    most_s: float
    heal_s: float


class Paces(NamedTuple):
    """The paces of one thing that can be tried.

    Attributes:
        pair: For one account from one address; so nobody can make an account wait for its owner.
        address: For one address, whoever it names. A whole neighbourhood may share one.
        everybody: For all of a group together, so that no crowd wears the database out.
    """

    pair: Pace
    address: Pace
    everybody: Pace


class Tried(NamedTuple):
    """What is remembered of tries.

    Attributes:
        tried: Tries that are not forgotten.
        healed_at: Up to when forgetting is counted.
        open_at: When the next try may come.
    """

    tried: int
    healed_at: datetime
    open_at: datetime


_EVERYBODY: Final = Pace(free=600, first_s=0.1, most_s=0.1, heal_s=0.1)

#: Before any clock of a group's servers, however far one of them is behind.
LONG_AGO: Final = timedelta(days=1)

#: What can be tried. The names are also in the keys of rows, so changing one starts its counts anew.
PACES: Final[dict[str, Paces]] = {
    "sign_in": Paces(Pace(5, 2, 900, 600), Pace(30, 1, 120, 20), _EVERYBODY),
    "prove": Paces(Pace(12, 2, 900, 600), Pace(30, 1, 120, 20), _EVERYBODY),
    "mail_link": Paces(Pace(3, 30, 3600, 1200), Pace(20, 5, 600, 60), Pace(300, 0.2, 0.2, 0.2)),
    "mail_address": Paces(Pace(5, 60, 3600, 3600), Pace(20, 10, 600, 120), Pace(300, 0.2, 0.2, 0.2)),
    "invitation": Paces(Pace(10, 2, 300, 60), Pace(30, 1, 120, 20), _EVERYBODY),
    "join": Paces(Pace(3, 30, 3600, 1200), Pace(10, 10, 900, 300), Pace(200, 0.5, 0.5, 0.5)),
    "ask": Paces(Pace(3, 30, 3600, 1200), Pace(10, 10, 900, 300), Pace(200, 0.5, 0.5, 0.5)),
    "code": Paces(Pace(5, 2, 900, 600), Pace(10, 2, 900, 120), _EVERYBODY),
}


def begin(now: datetime) -> Tried:
    """Return what is remembered of somebody who never tried."""
    return Tried(0, now, now - LONG_AGO)


def wait_seconds(tried: Tried, *, now: datetime) -> float:
    """Return for how many seconds more the next try must wait; 0 if it may come."""
    return max(0.0, (tried.open_at - now).total_seconds())


def count(tried: Tried, pace: Pace, *, now: datetime) -> Tried:
    """Return what is remembered after one more try, which may come."""
    healed = max(0, int((now - tried.healed_at).total_seconds() / pace.heal_s))
    if healed >= tried.tried:
        left, healed_at = 0, now
    else:
        left, healed_at = tried.tried - healed, tried.healed_at + timedelta(seconds=healed * pace.heal_s)
    beyond = left - pace.free
    # Doubling ends at 2^40: by then every longest wait is reached, and no number overflows.
    wait = 0.0 if beyond < 0 else min(pace.most_s, pace.first_s * 2.0 ** min(beyond, 40))
    # Whoever need not wait is not held up by a server whose clock is a little behind.
    return Tried(left + 1, healed_at, now + timedelta(seconds=wait) if wait else tried.open_at)
