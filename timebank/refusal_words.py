"""What refusals name by a code: the states of what cannot go on, and the duties that something takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from timebank.errors import N_

#: What people can carry for a group, each as a word beside a name.
DUTIES: Final[Mapping[str, str]] = {
    "steward": N_("steward"),
    "treasurer": N_("treasurer"),
    "auditor": N_("auditor"),
    "stand_in": N_("stand-in"),
    "host": N_("host"),
}
#: How something stands, after "This ask is"; other languages say "is in the state", so the word is that of a state.
STATES: Final[Mapping[str, str]] = {
    "accepted": N_("accepted"),
    "active": N_("active"),
    "agreed": N_("agreed"),
    "archive": N_("a whole archive"),
    "arrived": N_("arrived"),
    "asked": N_("asked for"),
    "cancelled": N_("called off"),
    "checked": N_("checked"),
    "confirmed": N_("confirmed"),
    "done": N_("finished"),
    "dropped": N_("thrown away"),
    "ended": N_("finished"),
    "erased": N_("forgotten"),
    "expired": N_("run out"),
    "failed": N_("stopped by a fault"),
    "given": N_("given by two"),
    "gone": N_("no longer there"),
    "handed_over": N_("handed over"),
    "left": N_("gone from the group"),
    "logged": N_("logged"),
    "looked_at": N_("being looked at"),
    "new": N_("not checked yet"),
    "not needed": N_("not needed"),
    "not_now": N_("answered with “not now”"),
    "open": N_("still open"),
    "posted": N_("written to the book"),
    "promised": N_("promised"),
    "questioned": N_("in question"),
    "refused": N_("refused"),
    "released": N_("given back"),
    "revoked": N_("ended by a steward"),
    "running": N_("under way"),
    "settled": N_("settled"),
    "signed": N_("signed"),
    "stopped": N_("stopped"),
    "suspended": N_("paused"),
    "undone": N_("undone"),
    "used": N_("used already"),
    "waiting": N_("still waiting"),
    "withdrawn": N_("taken back"),
}
#: By which name of a refusal's parameters words are looked up; a code without words stands as it is.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {"role": DUTIES, "state": STATES}
#: Parameters that are amounts of the unit in question, in minutes or smallest coins.
SUMS: Final = frozenset({"asked", "available", "handed", "promised"})
