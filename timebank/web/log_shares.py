"""Help that several people gave together: who gave how much of it, so that the parts are the whole to the minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from timebank.errors import N_, Refusal
from timebank.rules.commands import Share, ShareHours
from timebank.rules.hours import WEIGHT_MAX, split
from timebank.rules.written import read_amount
from timebank.services.overview import read_own_nickname
from timebank.web.forms import Answer, field_text
from timebank.web.log_reading import Help, Voice, Writing, read_time
from timebank.web.log_sight import sentence, sight_of
from timebank.web.rooms import LOG, Way, ways
from timebank.web.sending import new_key
from timebank.web.sight import Sight
from timebank.web.words import category_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timebank.rules.state import SetUp
    from timebank.web.inside import Inside
    from timebank.web.private import PrivatePage

#: The field of the button that writes; without it the page only says how the parts come out.
SHARED: Final = "shared"
EACH, PARTS, TIMES = "each", "parts", "times"


class SharedWay(NamedTuple):
    """One way to share."""

    value: str
    label: str
    hint: str
    chosen: bool


class Part(NamedTuple):
    """One person's part: what is written, and how long it comes to; empty where that is not known."""

    key: str
    name: str
    written: Answer
    comes_to: str


@dataclass(frozen=True, slots=True)
class SharesPage:
    """Who gave how much of it.

    Attributes:
        carried: (name, value) of what the first page said.
        whole: What all parts come to; empty while one of them is not known.
        told: Whether ``sight`` and ``few`` know all parts.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    carried: tuple[tuple[str, str], ...]
    about: str
    shared_ways: tuple[SharedWay, ...]
    parts: tuple[Part, ...]
    whole: str
    sight: Sight
    few: tuple[str, ...]
    told: bool


def divide(
    here: Inside, rules: SetUp, helped: Help, voice: Voice, fields: Mapping[str, list[str]]
) -> tuple[ShareHours | None, dict[str, str]]:
    """Return the help as the page divides it, or what is wrong with each part."""
    parts, faults = _parts(here, rules, helped, voice, fields)
    if faults:
        return None, faults
    assert helped.minutes is not None
    by_weight = _how(fields) == PARTS
    shares = tuple(
        Share(member_id, weight=part) if by_weight else Share(member_id, minutes=part)
        for member_id, part in parts
    )
    whole = helped.minutes if by_weight else None
    return ShareHours(shares, whole, None, None, helped.day, helped.kind, helped.note), {}


def _parts(
    here: Inside, rules: SetUp, helped: Help, voice: Voice, fields: Mapping[str, list[str]]
) -> tuple[list[tuple[UUID, int]], dict[str, str]]:
    assert helped.minutes is not None
    how, chosen = _how(fields), here.chosen
    found, faults = [], dict[str, str]()
    for number, (member_id, _) in enumerate(((voice.member_id, ""), *helped.others)):
        key, written = f"part-{number}", field_text(fields, f"part-{number}").strip()
        if how == EACH:
            found.append((member_id, helped.minutes))
        elif how == PARTS:
            try:
                weight = read_amount(written or "1", digits=0)
            except Refusal:
                weight = 0
            if not 1 <= weight <= WEIGHT_MAX:
                faults[key] = chosen.say(N_("Write a whole number, such as 1 or 2"))
            found.append((member_id, weight))
        else:
            minutes, fault = read_time(written, rules, chosen)
            if fault:
                faults[key] = fault
            found.append((member_id, minutes or 0))
    if how == PARTS and not faults and not all(split(helped.minutes, tuple(each for _, each in found))):
        faults["part-0"] = chosen.say(N_("Write other parts: somebody would have less than a minute"))
    return found, faults


def _how(fields: Mapping[str, list[str]]) -> str:
    how = field_text(fields, "how")
    return how if how in {PARTS, TIMES} else EACH


async def shares_page(
    here: Inside,
    rules: SetUp,
    today: date,
    writing: Writing,
    helped: Help,
    voice: Voice,
    fields: Mapping[str, list[str]],
    faults: Mapping[str, str],
    *,
    status: int,
) -> PrivatePage:
    """Show how the help is shared so far, and what that comes to."""
    assert helped.minutes is not None
    chosen, how = here.chosen, _how(fields)
    time = chosen.hours(helped.minutes)
    found, wrong = _parts(here, rules, helped, voice, fields)
    minutes = [part for _, part in found]
    if how == PARTS and not wrong:
        minutes = split(helped.minutes, tuple(minutes))
    own = voice.nickname or await read_own_nickname(here.door.house, here.actor)
    names = (own, *(name for _, name in helped.others))
    page = SharesPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, LOG),
        action=here.path(LOG),
        # Nothing was written under it yet, unless something was refused.
        key=new_key() if "form" in faults else field_text(fields, "key"),
        faults=tuple(faults.items()),
        carried=tuple((name, value) for name, value in writing._asdict().items() if value),
        about=" · ".join((category_in_words(helped.kind, chosen), chosen.day(helped.day))),
        shared_ways=(
            SharedWay(EACH, chosen.say(N_("Each of us gave %(time)s"), time=time), "", how == EACH),
            SharedWay(
                PARTS,
                chosen.say(N_("%(time)s in all, by parts"), time=time),
                chosen.say(N_("A part of 2 is twice a part of 1. Empty is 1.")),
                how == PARTS,
            ),
            SharedWay(
                TIMES,
                chosen.say(N_("Each of us a time of their own")),
                chosen.say(N_("For example 1:30, 1h30, 90m or 1.5.")),
                how == TIMES,
            ),
        ),
        parts=tuple(
            Part(
                f"part-{number}",
                name,
                Answer(field_text(fields, f"part-{number}"), faults.get(f"part-{number}", "")),
                "" if wrong else chosen.hours(minutes[number]),
            )
            for number, name in enumerate(names)
        ),
        whole="" if wrong else chosen.hours(sum(minutes)),
        sight=sight_of(here, rules, today, helped, () if wrong else minutes),
        few=tuple(
            sentence("", name, chosen, gave=True) + ("" if wrong else f" · {chosen.hours(part)}")
            for name, part in zip(names, minutes, strict=True)
        ),
        told=not wrong,
    )
    return here.page("log_shares.html", page, status=status, with_script=True)
