"""The ways between the pages of somebody who is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.errors import N_

if TYPE_CHECKING:
    from timebank.web.inside import Inside

HOME: Final = "/me"
SETTINGS: Final = "/me/settings"
LOG: Final = "/log"
LOG_MANY: Final = "/log/many"
ASK: Final = "/ask"
TODAY: Final = "/today"
PAY: Final = "/pay"
MONEY: Final = "/money"
PEOPLE: Final = "/people"
GROUP: Final = "/group"
HOST: Final = "/host"

_ROOMS: Final = (
    (HOME, N_("Your page"), ""),
    (LOG, N_("Log help"), ""),
    (ASK, N_("Ask"), ""),
    (TODAY, N_("Today"), "steward"),
    (PEOPLE, N_("People"), "steward"),
    (GROUP, N_("The group"), "steward"),
    (PAY, N_("Hand over"), "treasurer"),
    (MONEY, N_("Money"), "treasurer steward auditor"),
    (HOST, N_("The machine"), "host"),
    ("", N_("The book"), ""),
    (SETTINGS, N_("Settings"), ""),
)


class Way(NamedTuple):
    """A link to one of the pages."""

    href: str
    label: str
    is_here: bool


def ways(here: Inside, current: str) -> tuple[Way, ...]:
    """Return the pages that the reader has, in the order of the head.

    Args:
        current: Which of them this page is; empty for none.
    """
    return tuple(
        Way(here.path(below), here.chosen.say(label), bool(current) and below == current)
        for below, label, role in _ROOMS
        if not role or not here.actor.roles.isdisjoint(role.split())
    )
