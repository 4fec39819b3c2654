"""Help as a form says it, read and looked up: who with, which day, what kind, how long."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from timebank.edge.days import read_day
from timebank.errors import N_, AmountOutOfRange, FieldInvalid, NumberAmbiguous, Refusal
from timebank.ledger.units import MINUTES
from timebank.rules.names import TOO_LONG, free_text
from timebank.rules.written import read_minutes
from timebank.services.member_acts import find_each_by_name
from timebank.services.stand_ins import list_stood_in_for
from timebank.web.forms import field_text, field_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timebank.i18n import Language
    from timebank.rules.state import SetUp
    from timebank.web.inside import Inside

#: Minutes of the buttons that write at once.
QUICK: Final = (15, 30, 45, 60, 75, 90, 105, 120, 180)
NOTE_MAX: Final = 2_000

# What stands between names: whoever has such a sign in their nickname is found by their code.
_BETWEEN: Final = re.compile(r"[,;،、\n]")

GAVE, GOT, TOGETHER = "gave", "got", "together"


class Voice(NamedTuple):
    """For whom a form speaks: the reader, or somebody whom they stand in for.

    Attributes:
        nickname: Of somebody else; empty for the reader.
    """

    member_id: UUID
    nickname: str = ""


class Writing(NamedTuple):
    """What stands in the form, as it was written.

    Attributes:
        what: ``gave``, ``got`` or ``together``.
        who: Nickname, or several; empty for the whole group.
        minutes: What the button says that was pressed; empty for none.
        time: What was written for a time; it wins over the button.
        voice: Id of somebody whom the reader stands in for; empty for the reader.
    """

    what: str = GAVE
    who: str = ""
    day: str = ""
    kind: str = ""
    note: str = ""
    minutes: str = ""
    time: str = ""
    voice: str = ""


@dataclass(frozen=True, slots=True)
class Help:
    """Help as the form says it, read and looked up.

    Attributes:
        other: Whom it was with; None for the whole group.
        other_name: Their nickname; empty for the group.
        minutes: As the group counts them; None when nobody said how long yet.
        others: (id, nickname) of everybody who gave it together with the reader; empty for help of one.
    """

    gave: bool
    other: UUID | None
    other_name: str
    day: date
    kind: str
    note: str
    minutes: int | None
    others: tuple[tuple[UUID, str], ...] = ()


async def list_voices(here: Inside) -> tuple[Voice, ...]:
    """Return the reader, and everybody for whom they may log help."""
    me = Voice(here.actor.member_id)
    if not _stands_in(here):
        return (me,)
    others = await list_stood_in_for(here.door.house, here.actor, "log")
    return (me, *(Voice(member_id, nickname) for member_id, nickname in others))


def may_log_for_others(here: Inside) -> bool:
    """Return whether the page for help of others is the reader's: stewards have it, and whoever stands in."""
    return "steward" in here.actor.roles or _stands_in(here)


def _stands_in(here: Inside) -> bool:
    return any("log" in scopes for scopes in here.actor.stands_in.values())


def voice_of(writing: Writing, voices: tuple[Voice, ...]) -> Voice:
    """Return for whom a form speaks; for nobody whom the reader does not stand in for any more."""
    return next((voice for voice in voices if str(voice.member_id) == writing.voice), voices[0])


def writing_of(fields: Mapping[str, list[str]]) -> Writing:
    """Return what stands in a form, as it was written."""
    return Writing(
        what=field_text(fields, "what"),
        who=field_text(fields, "who").strip(),
        day=field_text(fields, "day").strip(),
        kind=field_text(fields, "kind"),
        note=field_whole(fields, "note"),
        minutes=field_text(fields, "minutes"),
        time=field_text(fields, "time").strip(),
        voice=field_text(fields, "voice"),
    )


async def read_help(
    here: Inside, rules: SetUp, today: date, writing: Writing, voice: Voice, *, live: bool = False
) -> tuple[Help | None, dict[str, str]]:
    """Return the help that the form says, and everything that is wrong with it by field.

    Where it is the time or the note alone, there is help all the same, without them: what others will see of it is
    known.

    Args:
        live: Whether it is looked at while somebody still writes.
    """
    say, faults = here.chosen.say, dict[str, str]()
    if writing.what not in (GAVE, GOT, TOGETHER):
        faults["gave"] = say(N_("Choose what happened"))
    if not is_possible(rules):
        faults["form"] = say(N_("This group keeps no hours: there is nowhere to write help down"))
    others, fault = await _others(here, rules, writing, voice, live=live)
    if fault:
        faults["who"] = fault
    day, fault = read_past_day(writing.day, rules, today, here.chosen)
    if fault:
        faults["day"] = fault
    if writing.kind not in rules.categories:
        faults["kind"] = say(N_("Choose a kind of help"))
    note = ""
    try:
        note = free_text(writing.note, field="note", length_max=NOTE_MAX)
    except FieldInvalid as refusal:
        faults["note"] = _note_advice(refusal, here.chosen)
    minutes, fault = _minutes(writing, rules, here.chosen)
    if fault:
        faults["time"] = fault
    if faults.keys() - {"time", "note"} or day is None:
        return None, faults
    if writing.what == TOGETHER:
        return Help(True, None, "", day, writing.kind, note, minutes, others), faults
    other, nickname = others[0] if others else (None, "")
    return Help(writing.what == GAVE, other, nickname, day, writing.kind, note, minutes), faults


def is_possible(rules: SetUp) -> bool:
    """Return whether help can go anywhere: through a pot of hours, or between two people."""
    return rules.time_bank or MINUTES in rules.first_pots


async def _others(
    here: Inside, rules: SetUp, writing: Writing, voice: Voice, *, live: bool
) -> tuple[tuple[tuple[UUID, str], ...], str]:
    """Return ids and names of those whom it was with, nobody for the whole group, and what is wrong with it."""
    say = here.chosen.say
    if not writing.who:
        if writing.what == GOT:
            return (), say(N_("Write who helped you"))
        alone = writing.what == GAVE and MINUTES in rules.first_pots
        return (), "" if alone else say(N_("Write who it was with"))
    if writing.what != TOGETHER:
        written = [writing.who]
    elif MINUTES in rules.first_pots:
        written = [part.strip() for part in _BETWEEN.split(writing.who) if part.strip()]
    else:
        return (), say(N_("This group keeps no pot of hours: say which of you helped the other"))
    found = await find_each_by_name(here.door.house, here.actor, written, now=here.door.clock(), quiet=live)
    unknown = [name for name, person in zip(written, found, strict=True) if person is None]
    if unknown and writing.what == TOGETHER:
        return (), say(
            N_("Look at “%(name)s” again: nobody here has exactly this name or code"), name=unknown[0]
        )
    if unknown:
        return (), say(N_("Look at it again: nobody here has exactly this name or code"))
    others = [person for person in found if person is not None]
    if any(member_id == voice.member_id for member_id, _ in others):
        if voice.nickname:
            return (), say(N_("Write the name of the other one: this is the same person"))
        return (), say(N_("Write the name of the other one: this is you"))
    if len({member_id for member_id, _ in others}) < len(others):
        return (), say(N_("Write each name once"))
    return tuple(others), ""


def read_past_day(written: str, rules: SetUp, today: date, chosen: Language) -> tuple[date | None, str]:
    """Return a day of the book up to today, and what is wrong with what was written."""
    try:
        day = read_day(written, field="day")
    except FieldInvalid:
        day = None
    if day is None:
        return None, chosen.say(N_("Choose a day"))
    if day > today:
        said = chosen.say(
            N_("Choose today or an earlier day: %(day)s has not come yet"), day=chosen.day_month_year(day)
        )
        return None, said
    if day < rules.began_on:
        said = chosen.say(
            N_("Choose a later day: the book begins on %(day)s"), day=chosen.day_month_year(rules.began_on)
        )
        return None, said
    return day, ""


def _minutes(writing: Writing, rules: SetUp, chosen: Language) -> tuple[int | None, str]:
    if not writing.time:
        if writing.minutes in {str(minutes) for minutes in QUICK}:
            return rules.rounding.of(int(writing.minutes)), ""
        return None, chosen.say(N_("Press how long it took, or write it"))
    return read_time(writing.time, rules, chosen)


def read_time(written: str, rules: SetUp, chosen: Language) -> tuple[int | None, str]:
    """Return minutes as the group counts them, and what is wrong with what was written."""
    try:
        return rules.rounding.of(read_minutes(written)), ""
    except NumberAmbiguous:
        return None, chosen.say(N_("Write it another way: this could be two numbers. For example 1:30"))
    except AmountOutOfRange:
        return None, chosen.say(N_("Write at least one minute, and no more than there is time"))
    except Refusal:
        return None, chosen.say(N_("Write the time as hours and minutes, for example 1:30"))


def _note_advice(refusal: FieldInvalid, chosen: Language) -> str:
    if refusal.params.get("why") == TOO_LONG:
        return chosen.say(
            N_("Write a shorter note: at most %(count)s characters"), count=chosen.number(NOTE_MAX)
        )
    return chosen.say(N_("Write the note again: it has characters that cannot be shown"))
