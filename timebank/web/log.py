"""Logging help: one screen, a second look only where something was written by hand or is unusual, and a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.i18n import NO_BREAK
from timebank.ledger.units import MINUTES
from timebank.rules.commands import LogHours
from timebank.services.overview import read_familiar, read_own_nickname, today_of
from timebank.web.forms import Answer, field_text, is_live, is_look
from timebank.web.inside import Inside, inside, received
from timebank.web.log_reading import (
    GAVE,
    GOT,
    NOTE_MAX,
    QUICK,
    TOGETHER,
    Help,
    Voice,
    Writing,
    list_voices,
    may_log_for_others,
    read_help,
    voice_of,
    writing_of,
)
from timebank.web.log_shares import SHARED, divide, shares_page
from timebank.web.log_sight import (
    between_two,
    both_sights,
    few_before,
    few_of,
    sentence,
    sentence_to_you,
    sight_of,
)
from timebank.web.private import go_to
from timebank.web.receipt import SENT
from timebank.web.rooms import LOG, LOG_MANY, Way, ways
from timebank.web.sending import KEY_FIELD, new_key, send
from timebank.web.sight import Sight
from timebank.web.words import category_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.state import SetUp
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: A note of so many signs of four bytes, each written as three.
FORM_MAX: Final = 32 * 1024
#: More in one go, or longer ago, is looked at once more.
LONG_MINUTES: Final = 12 * 60
LONG_AGO: Final = timedelta(days=60)

_FIELDS: Final = ("form", "gave", "who", "day", "kind", "note", "time")
# Which question a refusal of the rules is about.
_FIELD_OF: Final = {
    "unknown_member": "who",
    "same_account_twice": "who",
    "no_time_bank": "who",
    "date_in_future": "day",
    "date_before_begin": "day",
    "unknown_category": "kind",
    "amount_out_of_range": "time",
}


class Choice(NamedTuple):
    """One of several answers."""

    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class LogPage:
    """The form.

    Attributes:
        key: Tells this form from others, so that it writes once.
        faults: (field, what to do about it) in the order of the form.
        voice: Id of somebody whom the reader stands in for; empty for the reader.
        voices: The reader and everybody for whom they may log, as links; empty where there is nobody else.
        whats: What can have happened.
        names: Whom help was with before, to choose from.
        today: Latest day that can be chosen.
        sight, few: What the public, and what the other one and the stewards will see.
        told: Whether that is of what stands in the form, and not of every form.
        many_href: The page for many at once; empty for those without it.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    voice: str
    voices: tuple[Way, ...]
    whats: tuple[Choice, ...]
    what_fault: str
    who: Answer
    who_hint: str
    names: tuple[str, ...]
    day: Answer
    today: str
    kinds: tuple[Choice, ...]
    kind_fault: str
    note: Answer
    note_max: int
    quick: tuple[Choice, ...]
    time: Answer
    time_hint: str
    sight: Sight
    few: tuple[str, ...]
    told: bool
    many_href: str


@dataclass(frozen=True, slots=True)
class CheckPage:
    """What the form says, once more in words, before it is written.

    Attributes:
        carried: (name, value) of what goes along.
        sentence: What happened.
        how_long: The time as the group counts it; ``how_read`` says how it was read, often empty.
        why: Why this page is shown.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    carried: tuple[tuple[str, str], ...]
    why: str
    sentence: str
    how_long: str
    how_read: str
    when: str
    kind: str
    note: str
    sight: Sight
    few: tuple[str, ...]


# ---------------------------------------------------------------- handlers


@route("/g/{slug:str}/log", http_method=_READ, include_in_schema=False)
async def log_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form."""
    here = await inside(request, slug)
    rules, today = await _rules(here)
    writing = Writing(day=today.isoformat(), voice=request.query_params.get("for", "")[:36])
    return await _form(here, rules, today, writing, {}, await list_voices(here))


@post("/g/{slug:str}/log", include_in_schema=False)
async def log_help(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Write help down and go to its receipt; or ask for a second look, or say what is wrong."""
    here, fields = await received(request, slug, size_max=FORM_MAX, fields_max=400)
    rules, today = await _rules(here)
    writing, voices = writing_of(fields), await list_voices(here)
    voice = voice_of(writing, voices)
    if "change" in fields:
        return await _form(here, rules, today, writing, {}, voices)
    helped, faults = await read_help(here, rules, today, writing, voice, live=is_live(fields))
    if faults or helped is None or helped.minutes is None:
        return await _form(here, rules, today, writing, faults, voices, helped, status=422)
    if helped.others:
        return await _share(here, rules, today, writing, helped, voice, fields)
    why = _why_look(helped, writing, today, here.chosen)
    if is_look(fields) or (why and "checked" not in fields):
        return await _check(here, rules, today, writing, helped, voice, why, fields)
    sent = await send(here, fields, _command(rules, helped, voice, helped.minutes))
    if sent.is_refused:
        return await _form(here, rules, today, writing, _refused(sent), voices, status=sent.status)
    at, mark = here.path(f"{LOG}/{sent.body['id']}"), "&" if here.query else "?"
    return go_to(f"{at}{mark}{SENT}={field_text(fields, KEY_FIELD)}")


LOG_PAGES: Final[list[HTTPRouteHandler]] = [log_page, log_help]


async def _rules(here: Inside) -> tuple[SetUp, date]:
    return await today_of(here.door.house, here.actor.group_id, now=here.door.clock())


async def _share(
    here: Inside,
    rules: SetUp,
    today: date,
    writing: Writing,
    helped: Help,
    voice: Voice,
    fields: Mapping[str, list[str]],
) -> PrivatePage:
    """Ask how help of several is shared, then write it for all of them or for none."""
    shares, faults = divide(here, rules, helped, voice, fields)
    if is_look(fields) or SHARED not in fields or faults or shares is None:
        status = 422 if faults else 200
        return await shares_page(here, rules, today, writing, helped, voice, fields, faults, status=status)
    sent = await send(here, fields, shares)
    if sent.is_refused:
        faults = {"form": sent.sentence}
        return await shares_page(
            here, rules, today, writing, helped, voice, fields, faults, status=sent.status
        )
    return here.go(f"{LOG_MANY}/{field_text(fields, KEY_FIELD)}")


def _refused(sent: Sent) -> dict[str, str]:
    return {_FIELD_OF.get(sent.code, "form"): sent.sentence}


def _why_look(helped: Help, writing: Writing, today: date, chosen: Language) -> str:
    """Return why help is looked at once more before it is written; empty if there is no reason."""
    assert helped.minutes is not None
    if helped.minutes > LONG_MINUTES:
        return chosen.say(N_("It is more than twelve hours, so look at it once more."))
    if helped.day < today - LONG_AGO:
        return chosen.say(N_("It is more than sixty days ago, so look at it once more."))
    if writing.time:
        return chosen.say(
            N_("We show this page when you write the time yourself, so that we read it the way you meant it.")
        )
    return ""


def _command(rules: SetUp, helped: Help, voice: Voice, minutes: int) -> LogHours:
    own = voice.member_id if voice.nickname else None
    giver, receiver = (own, helped.other) if helped.gave else (helped.other, voice.member_id)
    return LogHours(
        giver=giver,
        receiver=receiver,
        draw=None,
        minutes=minutes,
        effective_on=helped.day,
        category=helped.kind,
        note=helped.note,
        exchange=between_two(rules, helped),
    )


# ---------------------------------------------------------------- pages


async def _form(
    here: Inside,
    rules: SetUp,
    today: date,
    writing: Writing,
    faults: Mapping[str, str],
    voices: tuple[Voice, ...],
    helped: Help | None = None,
    *,
    status: int = 200,
) -> PrivatePage:
    chosen, voice = here.chosen, voice_of(writing, voices)
    own = voice.nickname or await read_own_nickname(here.door.house, here.actor) if helped else ""
    names, last_kind = await read_familiar(here.door.house, here.actor)
    kinds = sorted(rules.categories, key=lambda kind: category_in_words(kind, chosen))
    kind = next((each for each in (writing.kind, last_kind) if each in rules.categories), kinds[0])
    page = LogPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, LOG),
        action=here.path(LOG),
        key=new_key(),
        faults=tuple((field, faults[field]) for field in _FIELDS if field in faults),
        voice=str(voice.member_id) if voice.nickname else "",
        voices=_voices(here, voice, voices) if len(voices) > 1 else (),
        whats=_whats(rules, writing, voice, chosen),
        what_fault=faults.get("gave", ""),
        who=Answer(writing.who, faults.get("who", "")),
        who_hint=_who_hint(rules, chosen),
        names=names,
        day=Answer(writing.day, faults.get("day", "")),
        today=today.isoformat(),
        kinds=tuple(Choice(each, category_in_words(each, chosen), each == kind) for each in kinds),
        kind_fault=faults.get("kind", ""),
        note=Answer(writing.note[: NOTE_MAX * 2], faults.get("note", "")),
        note_max=NOTE_MAX,
        quick=tuple(Choice(str(minutes), _button(minutes, chosen)) for minutes in QUICK),
        time=Answer(writing.time, faults.get("time", "")),
        time_hint=_time_hint(rules, chosen),
        sight=sight_of(here, rules, today, helped) if helped else both_sights(here, rules, today, kind),
        few=few_of(here, rules, helped, own) if helped else few_before(rules, chosen),
        told=helped is not None,
        many_href=here.path(LOG_MANY) if may_log_for_others(here) else "",
    )
    return here.page("log.html", page, status=status, with_script=True)


def _whats(rules: SetUp, writing: Writing, voice: Voice, chosen: Language) -> tuple[Choice, ...]:
    said = {GAVE: N_("I helped"), GOT: N_("I was helped"), TOGETHER: N_("We did it together")}
    if voice.nickname:
        said = {GAVE: N_("They helped"), GOT: N_("They were helped"), TOGETHER: N_("They did it together")}
    if MINUTES not in rules.first_pots:
        # What several give together goes into the pot.
        del said[TOGETHER]
    what = writing.what if writing.what in said else GAVE
    return tuple(Choice(each, chosen.say(label), each == what) for each, label in said.items())


def _voices(here: Inside, voice: Voice, voices: tuple[Voice, ...]) -> tuple[Way, ...]:
    """Return the ways to the form of each for whom the reader may log."""
    mark = "&" if here.query else "?"
    return tuple(
        Way(
            f"{here.path(LOG)}{mark}for={each.member_id}" if each.nickname else here.path(LOG),
            each.nickname or here.chosen.say(N_("Yourself")),
            each == voice,
        )
        for each in voices
    )


def _button(minutes: int, chosen: Language) -> str:
    """Return a time for a narrow button, which may break between hours and minutes."""
    return " ".join(f"{number}{NO_BREAK}{unit}" for number, unit in chosen.hours_parts(minutes))


def _who_hint(rules: SetUp, chosen: Language) -> str:
    if rules.time_bank:
        return chosen.say(
            N_(
                "The exact nickname, or the code. Then it goes between the two of you. Leave it empty if you helped the whole group."
            )
        )
    return chosen.say(N_("The exact nickname, or the code. Leave it empty if you helped the whole group."))


def _time_hint(rules: SetUp, chosen: Language) -> str:
    how = chosen.say(N_("For example 1:30, 1h30, 90m or 1.5. You look at it once more before it is written."))
    return f"{how} {_rounding_words(rules, chosen)}".strip()


def _rounding_words(rules: SetUp, chosen: Language) -> str:
    step, up = rules.rounding
    if step == 1:
        return ""
    message = (
        N_("The group rounds up to %(time)s.") if up else N_("The group rounds to the nearest %(time)s.")
    )
    return chosen.say(message, time=chosen.hours(step))


async def _check(
    here: Inside,
    rules: SetUp,
    today: date,
    writing: Writing,
    helped: Help,
    voice: Voice,
    why: str,
    fields: Mapping[str, list[str]],
) -> PrivatePage:
    chosen, minutes = here.chosen, helped.minutes or 0
    nickname = voice.nickname or await read_own_nickname(here.door.house, here.actor)
    how_read = ""
    if writing.time:
        how_read = chosen.say(N_("You wrote “%(written)s”."), written=writing.time)
        how_read = f"{how_read} {_rounding_words(rules, chosen)}".strip()
    page = CheckPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, LOG),
        action=here.path(LOG),
        # Nothing was written under it yet.
        key=field_text(fields, "key"),
        carried=tuple((name, value) for name, value in writing._asdict().items() if value),
        why=why,
        sentence=sentence(helped.other_name, nickname, chosen, gave=helped.gave)
        if voice.nickname
        else sentence_to_you(helped.other_name if helped.other else None, chosen, gave=helped.gave),
        how_long=chosen.say(
            N_("%(time)s (%(count)s minutes)"), time=chosen.hours(minutes), count=chosen.number(minutes)
        ),
        how_read=how_read,
        when=chosen.day(helped.day),
        kind=category_in_words(helped.kind, chosen),
        note=helped.note,
        sight=sight_of(here, rules, today, helped),
        few=few_of(here, rules, helped, nickname),
    )
    return here.page("log_check.html", page)
