"""How long somebody stays signed in, what they may do meanwhile, and when they prove again who they are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from timebank.rules.people import MEMBER

#: Duties that a printed card or a mail alone does not open: they need a passkey, or the code of an app.
STRONG_DUTIES: Final = frozenset({"steward", "treasurer", "auditor", "host"})

FRESH_FOR: Final = timedelta(minutes=5)
MEMBER_FOR: Final = timedelta(days=30)
DUTY_FOR: Final = timedelta(hours=24)
DUTY_IDLE_FOR: Final = timedelta(hours=1)

#: Ways in that may set up a first passkey or app for somebody who carries duties. Mail may not: it
#: would make a mail box open what it is not to open.
ENROLLING_WAYS: Final = frozenset({"card", "recovery", "set_up"})


class Standing(NamedTuple):
    """What a session is good for at one moment.

    Attributes:
        roles: ``member`` and the duties that it carries.
        duties_wait: Duties that its member has and that wait for a passkey or a code, or for somebody who
            says that the member is who they are; sorted.
        fresh: Whether the last proof is at most five minutes old, and strong enough for the duties.
    """

    roles: frozenset[str]
    duties_wait: tuple[str, ...]
    fresh: bool


def standing(
    duties: Iterable[str],
    *,
    strong: bool,
    proved_at: datetime,
    seen_at: datetime,
    now: datetime,
    vouched: bool = True,
) -> Standing | None:
    """Return what a session is good for now; None once it is over.

    Who carries duties stays signed in for a day after the last proof, and for an hour without a
    request; everybody else for thirty days.

    Args:
        duties: Duties that the member has at this moment.
        strong: Whether the session had a strong proof.
        proved_at: When the member last proved who they are.
        seen_at: When the session was last used.
        vouched: Whether nobody else printed a card for the member, or a steward who did not has met them since.
    """
    held = frozenset(duties)
    guarded = held & STRONG_DUTIES
    if now >= proved_at + (DUTY_FOR if guarded else MEMBER_FOR):
        return None
    if guarded and now >= seen_at + DUTY_IDLE_FOR:
        return None
    waiting = frozenset() if strong and vouched else guarded
    return Standing(
        roles=frozenset({MEMBER}) | held - waiting,
        duties_wait=tuple(sorted(waiting)),
        fresh=now < proved_at + FRESH_FOR,
    )


def is_idle_counted(duties: Iterable[str]) -> bool:
    """Return whether a session of somebody with these duties ends when it is not used for a while."""
    return not STRONG_DUTIES.isdisjoint(duties)


def may_enrol(duties: Iterable[str], *, way: str, strong: bool, has_strong: bool) -> bool:
    """Return whether a session may add a passkey or an app.

    Args:
        duties: Duties that the member has, whether they wait or not.
        way: How the session began.
        strong: Whether it had a strong proof.
        has_strong: Whether the member has a passkey or an app already: then one of them is asked for,
            unless whoever keeps the server let them start anew with a card for that.
    """
    if strong or way == "recovery":
        return True
    if has_strong:
        return False
    return STRONG_DUTIES.isdisjoint(duties) or way in ENROLLING_WAYS
