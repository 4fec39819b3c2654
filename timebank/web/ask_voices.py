"""For whom an ask is: for oneself, for somebody whom one stands in for, or for whom a steward asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from timebank.errors import N_
from timebank.services.member_acts import find_each_by_name
from timebank.services.stand_ins import list_stood_in_for
from timebank.web.rooms import ASK, Way

if TYPE_CHECKING:
    from timebank.web.inside import Inside

#: For whom an ask is whom a steward has yet to name.
OTHER: Final = "other"
_NOBODY: Final = N_("Look at it again: nobody here has exactly this name or code")


async def for_whom(here: Inside, voice: str, whom: str, *, live: bool) -> tuple[dict[str, Any], str]:
    """Return the fields of an ask that say for whom it is, and what is wrong with what was written.

    Args:
        voice: Id of somebody whom the reader stands in for, ``other`` for whoever ``whom`` says, or empty.
        whom: Nickname or code; empty for somebody without an account.
        live: Whether it is looked at while somebody still writes.
    """
    if not voice:
        return {}, ""
    if voice != OTHER:
        known = [member_id for member_id in here.actor.stands_in if str(member_id) == voice]
        return ({"on_behalf_of": known[0]}, "") if known else ({}, here.chosen.say(_NOBODY))
    if not whom:
        return {"without_account": True}, ""
    (found,) = await find_each_by_name(here.door.house, here.actor, [whom], now=here.door.clock(), quiet=live)
    return ({"on_behalf_of": found[0]}, "") if found else ({}, here.chosen.say(_NOBODY))


async def list_voices(here: Inside, asked_for: str) -> tuple[Way, ...]:
    """Return the ways to the form for each for whom the reader may ask; nothing where that is nobody else."""
    others = await list_stood_in_for(here.door.house, here.actor, "ask") if here.actor.stands_in else []
    said = [("", here.chosen.say(N_("Yourself"))), *((str(member_id), name) for member_id, name in others)]
    if "steward" in here.actor.roles:
        said.append((OTHER, here.chosen.say(N_("Somebody else"))))
    mark = "&" if here.query else "?"
    return tuple(
        Way(f"{here.path(ASK)}{mark}for={voice}" if voice else here.path(ASK), name, voice == asked_for)
        for voice, name in said
        if len(said) > 1
    )
