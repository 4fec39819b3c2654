"""Logging help: one screen, a second look only where something was written by hand or is unusual, and a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.days import read_day
from timebank.errors import N_, AmountOutOfRange, FieldInvalid, MemberNotFound, NumberAmbiguous, Refusal
from timebank.i18n import NO_BREAK
from timebank.ledger.units import HOURS, MINUTES
from timebank.rules.commands import LogHours, WithdrawHours
from timebank.rules.names import TOO_LONG, free_text
from timebank.rules.previews import exchange_line, hours_line
from timebank.rules.publication import SHELTERED
from timebank.rules.readiness import period_end
from timebank.rules.written import read_minutes
from timebank.services.member_acts import find_by_name
from timebank.services.overview import LoggedHours, read_logged, read_own_nickname, today_of
from timebank.web.forms import Answer, field_text, field_whole
from timebank.web.inside import Inside, inside, received
from timebank.web.rooms import LOG, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import Sight, SightLine, published_from, seen_lines, sight_line
from timebank.web.words import Amounts, category_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup, PublicLine
    from timebank.rules.state import SetUp
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: Minutes of the buttons that write at once.
QUICK: Final = (15, 30, 45, 60, 75, 90, 105, 120, 180)
NOTE_MAX: Final = 2_000
#: A note of so many signs of four bytes, each written as three.
FORM_MAX: Final = 32 * 1024
#: More in one go, or longer ago, is looked at once more.
LONG_MINUTES: Final = 12 * 60
LONG_AGO: Final = timedelta(days=60)

GAVE, GOT = "gave", "got"
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


class Writing(NamedTuple):
    """What stands in the form, as it was written.

    Attributes:
        what: ``gave`` or ``got``.
        who: Nickname; empty for the whole group.
        minutes: What the button says that was pressed; empty for none.
        time: What was written for a time; it wins over the button.
    """

    what: str = GAVE
    who: str = ""
    day: str = ""
    kind: str = ""
    note: str = ""
    minutes: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Help:
    """Help as the form says it, read and looked up.

    Attributes:
        other: Whom it was with; None for the whole group.
        other_name: Their nickname; empty for the group.
        minutes: As the group counts them; None when nobody said how long yet.
    """

    gave: bool
    other: UUID | None
    other_name: str
    day: date
    kind: str
    note: str
    minutes: int | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """The form.

    Attributes:
        key: Tells this form from others, so that it writes once.
        faults: (field, what to do about it) in the order of the form.
        today: Latest day that can be chosen.
        sight, few: What the public, and what the other one and the stewards will see.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    gave: bool
    what_fault: str
    who: Answer
    who_hint: str
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


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What was written, with the code that shows it is in the book.

    Attributes:
        title: What became of it.
        receipt: Empty while it waits for a yes.
        next: What happens now: (mark, sentence).
        can_undo: Whether a button takes it back.
        fault: Why it was not taken back just now; mostly empty.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    sentence: str
    when: str
    written: str
    kind: str
    receipt: str
    next: tuple[tuple[str, str], ...]
    can_undo: bool
    undo: str
    undo_hint: str
    key: str
    fault: str
    log_href: str
    home_href: str


# ---------------------------------------------------------------- handlers


@route("/g/{slug:str}/log", http_method=_READ, include_in_schema=False)
async def log_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form."""
    here = await inside(request, slug)
    rules, today = await _rules(here)
    return _form(here, rules, today, Writing(day=today.isoformat()), {})


@post("/g/{slug:str}/log", include_in_schema=False)
async def log_help(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Write help down and go to its receipt; or ask for a second look, or say what is wrong."""
    here, fields = await received(request, slug, size_max=FORM_MAX)
    rules, today = await _rules(here)
    writing = _writing(fields)
    if "change" in fields:
        return _form(here, rules, today, writing, {})
    told, faults = await _read(here, rules, today, writing)
    if faults or told is None or told.minutes is None:
        return _form(here, rules, today, writing, faults, status=422)
    why = _why_look(told, writing, today, here.chosen)
    if why and "checked" not in fields:
        return await _check(here, rules, today, writing, told, why, fields)
    sent = await send(here, fields, _command(here, rules, told, told.minutes))
    if sent.is_refused:
        return _form(here, rules, today, writing, _refused(sent), status=sent.status)
    return here.go(f"{LOG}/{sent.body['id']}")


@route("/g/{slug:str}/log/{hours_id:uuid}", http_method=_READ, include_in_schema=False)
async def receipt_page(
    request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]
) -> ASGIApp:
    """Show what was written, and the way to take it back."""
    here = await inside(request, slug)
    return here.page("receipt.html", _receipt(here, await read_logged(here.door.house, here.actor, hours_id)))


@post("/g/{slug:str}/log/{hours_id:uuid}/undo", include_in_schema=False)
async def undo_log(request: Request[Any, Any, Any], slug: FromPath[str], hours_id: FromPath[UUID]) -> ASGIApp:
    """Take one's own slip back: a second line, nothing is rubbed out."""
    here, fields = await received(request, slug)
    # Hours of others look like none before anything is written about them.
    await read_logged(here.door.house, here.actor, hours_id)
    sent = await send(here, fields, WithdrawHours(hours_id))
    if sent.is_refused:
        logged = await read_logged(here.door.house, here.actor, hours_id)
        return here.page("receipt.html", _receipt(here, logged, fault=sent.sentence), status=sent.status)
    return here.go(f"{LOG}/{hours_id}")


LOG_PAGES: Final[list[HTTPRouteHandler]] = [log_page, log_help, receipt_page, undo_log]


async def _rules(here: Inside) -> tuple[SetUp, date]:
    return await today_of(here.door.house, here.actor.group_id, now=here.door.clock())


# ---------------------------------------------------------------- reading


def _writing(fields: Mapping[str, list[str]]) -> Writing:
    return Writing(
        what=field_text(fields, "what"),
        who=field_text(fields, "who").strip(),
        day=field_text(fields, "day").strip(),
        kind=field_text(fields, "kind"),
        note=field_whole(fields, "note"),
        minutes=field_text(fields, "minutes"),
        time=field_text(fields, "time").strip(),
    )


async def _read(
    here: Inside, rules: SetUp, today: date, writing: Writing
) -> tuple[Help | None, dict[str, str]]:
    """Return the help that the form says, or everything that is wrong with it by field."""
    say, faults = here.chosen.say, {}
    if writing.what not in (GAVE, GOT):
        faults["gave"] = say(N_("Choose what happened"))
    if not _is_possible(rules):
        faults["form"] = say(N_("This group keeps no hours: there is nowhere to write help down"))
    other, nickname, fault = await _other(here, rules, writing)
    if fault:
        faults["who"] = say(fault)
    day, fault = _day(writing.day, rules, today, here.chosen)
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
    if faults or day is None:
        return None, faults
    return Help(writing.what == GAVE, other, nickname, day, writing.kind, note, minutes), {}


async def _other(here: Inside, rules: SetUp, writing: Writing) -> tuple[UUID | None, str, str]:
    """Return whom it was with and their name, None for the whole group, and what is wrong with it."""
    if not writing.who:
        if writing.what == GOT:
            return None, "", N_("Write who helped you")
        return None, "", "" if MINUTES in rules.first_pots else N_("Write who it was with")
    try:
        other, nickname = await _find(here, writing.who)
    except (MemberNotFound, FieldInvalid):
        return None, "", N_("Look at it again: nobody here has exactly this name or code")
    if other == here.actor.member_id:
        return None, "", N_("Write the name of the other one: this is you")
    return other, nickname, ""


async def _find(here: Inside, who: str) -> tuple[UUID, str]:
    """Return id and nickname of whoever has exactly this name, or else this code.

    Raises:
        MemberNotFound, FieldInvalid: Nobody has.
    """
    try:
        return await find_by_name(here.door.house, here.actor, name=who, now=here.door.clock())
    except MemberNotFound:
        return await find_by_name(here.door.house, here.actor, code=who, now=here.door.clock())


def _day(written: str, rules: SetUp, today: date, chosen: Language) -> tuple[date | None, str]:
    try:
        day = read_day(written, field="day")
    except FieldInvalid:
        day = None
    if day is None:
        return None, chosen.say(N_("Choose a day"))
    if day > today:
        told = chosen.say(
            N_("Choose today or an earlier day: %(day)s has not come yet"), day=chosen.day_month_year(day)
        )
        return None, told
    if day < rules.began_on:
        told = chosen.say(
            N_("Choose a later day: the book begins on %(day)s"), day=chosen.day_month_year(rules.began_on)
        )
        return None, told
    return day, ""


def _minutes(writing: Writing, rules: SetUp, chosen: Language) -> tuple[int | None, str]:
    if not writing.time:
        if writing.minutes in {str(minutes) for minutes in QUICK}:
            return rules.rounding.of(int(writing.minutes)), ""
        return None, chosen.say(N_("Press how long it took, or write it"))
    try:
        return rules.rounding.of(read_minutes(writing.time)), ""
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


def _refused(sent: Sent) -> dict[str, str]:
    return {_FIELD_OF.get(sent.code, "form"): sent.sentence}


def _why_look(told: Help, writing: Writing, today: date, chosen: Language) -> str:
    """Return why help is looked at once more before it is written; empty if there is no reason."""
    assert told.minutes is not None
    if told.minutes > LONG_MINUTES:
        return chosen.say(N_("It is more than twelve hours, so look at it once more."))
    if told.day < today - LONG_AGO:
        return chosen.say(N_("It is more than sixty days ago, so look at it once more."))
    if writing.time:
        return chosen.say(
            N_("We show this page when you write the time yourself, so that we read it the way you meant it.")
        )
    return ""


def _command(here: Inside, rules: SetUp, told: Help, minutes: int) -> LogHours:
    giver, receiver = (None, told.other) if told.gave else (told.other, here.actor.member_id)
    return LogHours(
        giver=giver,
        receiver=receiver,
        draw=None,
        minutes=minutes,
        effective_on=told.day,
        category=told.kind,
        note=told.note,
        exchange=_between_two(rules, told),
    )


def _is_possible(rules: SetUp) -> bool:
    """Whether help can go anywhere: through a pot of hours, or between two people."""
    return rules.time_bank or MINUTES in rules.first_pots


def _between_two(rules: SetUp, told: Help) -> bool:
    """Whether help goes from one account to the other: with a neighbour, in a group in time-bank mode."""
    return rules.time_bank and told.other is not None


# ---------------------------------------------------------------- what will be seen


def _sight(here: Inside, rules: SetUp, today: date, told: Help) -> Sight:
    amounts = Amounts(HOURS, here.chosen)
    line = _public_line(here, rules, told)
    words = [published_from(told.day, today, here.chosen, here.group)]
    if _between_two(rules, told):
        words.append(
            here.chosen.say(N_("No amount: it goes from one of you to the other and touches no pot."))
        )
    return Sight(
        here.chosen.say(N_("Help")),
        seen_lines([(line, sight_line(line, amounts, known=told.minutes is not None))]),
        tuple(words),
    )


def _both_sights(here: Inside, rules: SetUp, today: date, kind: str) -> Sight:
    """Return what the public will see of either answer, while none is given yet."""
    amounts = Amounts(HOURS, here.chosen)
    lines: list[tuple[PublicLine, SightLine]] = []
    cases: list[tuple[UUID | None, str]] = [(here.actor.member_id, N_("If it was for a neighbour"))]
    if MINUTES in rules.first_pots:
        cases = [(None, N_("If it was for the whole group")), *cases]
    for other, case in cases if _is_possible(rules) else ():
        told = Help(True, other, "", today, kind, "", None)
        line = _public_line(here, rules, told)
        lines.append((line, sight_line(line, amounts, case=here.chosen.say(case), known=False)))
    words = published_from(today, today, here.chosen, here.group)
    return Sight(here.chosen.say(N_("Help")), seen_lines(lines), (words,))


def _public_line(here: Inside, rules: SetUp, told: Help) -> PublicLine:
    preset, minutes = here.group.preset, told.minutes or 60
    if _between_two(rules, told):
        return exchange_line(rules, preset=preset, minutes=minutes, effective_on=told.day, category=told.kind)
    return hours_line(
        rules,
        preset=preset,
        minutes=minutes,
        effective_on=told.day,
        category=told.kind,
        answered=told.other is not None,
    )


def _few(here: Inside, rules: SetUp, told: Help, nickname: str) -> tuple[str, ...]:
    """Return what the other one and the stewards will see."""
    chosen = here.chosen
    said = [_sentence(told.other_name, nickname, chosen, gave=told.gave)]
    said.append(
        " · ".join(
            (
                chosen.hours(told.minutes) if told.minutes else chosen.say(N_("the time that you choose")),
                category_in_words(told.kind, chosen),
                chosen.day(told.day),
            )
        )
    )
    said.append(_silence_words(rules, told.other_name if told.other else "", chosen, gave=told.gave))
    if told.note:
        said.append(chosen.say(N_("Your note is for you alone: you find it in your statement.")))
    return tuple(each for each in said if each)


def _few_before(rules: SetUp, chosen: Language) -> tuple[str, ...]:
    """Return the same while nothing is written yet."""
    return (
        chosen.say(N_("Who helped whom, how long, on which day, and the kind of help.")),
        _silence_words(rules, chosen.say(N_("The other one")), chosen, gave=True),
        chosen.say(N_("Your note is for you alone: you find it in your statement.")),
    )


def _silence_words(rules: SetUp, name: str, chosen: Language, *, gave: bool) -> str:
    if not name:
        return ""
    if not rules.time_bank:
        return chosen.say(N_("%(name)s can say that it was not quite like that."), name=name)
    if not gave:
        return ""
    return chosen.say_many(
        "%(name)s is asked whether this is right; no answer for %(count)s day counts as a yes.",
        "%(name)s is asked whether this is right; no answer for %(count)s days counts as a yes.",
        rules.confirm_days,
        name=name,
    )


def _sentence(other: str, nickname: str, chosen: Language, *, gave: bool) -> str:
    if not other:
        return chosen.say(N_("%(name)s helped the whole group"), name=nickname)
    first, second = (nickname, other) if gave else (other, nickname)
    return chosen.say(N_("%(name)s helped %(other)s"), name=first, other=second)


# ---------------------------------------------------------------- pages


def _form(
    here: Inside,
    rules: SetUp,
    today: date,
    writing: Writing,
    faults: Mapping[str, str],
    *,
    status: int = 200,
) -> PrivatePage:
    chosen = here.chosen
    kinds = sorted(rules.categories, key=lambda kind: category_in_words(kind, chosen))
    kind = writing.kind if writing.kind in rules.categories else kinds[0]
    page = LogPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, LOG),
        action=here.path(LOG),
        key=new_key(),
        faults=tuple((field, faults[field]) for field in _FIELDS if field in faults),
        gave=writing.what != GOT,
        what_fault=faults.get("gave", ""),
        who=Answer(writing.who, faults.get("who", "")),
        who_hint=_who_hint(rules, chosen),
        day=Answer(writing.day, faults.get("day", "")),
        today=today.isoformat(),
        kinds=tuple(Choice(each, category_in_words(each, chosen), each == kind) for each in kinds),
        kind_fault=faults.get("kind", ""),
        note=Answer(writing.note[: NOTE_MAX * 2], faults.get("note", "")),
        note_max=NOTE_MAX,
        quick=tuple(Choice(str(minutes), _button(minutes, chosen)) for minutes in QUICK),
        time=Answer(writing.time, faults.get("time", "")),
        time_hint=_time_hint(rules, chosen),
        sight=_both_sights(here, rules, today, kind),
        few=_few_before(rules, chosen),
    )
    return here.page("log.html", page, status=status)


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
    told: Help,
    why: str,
    fields: Mapping[str, list[str]],
) -> PrivatePage:
    chosen, minutes = here.chosen, told.minutes or 0
    nickname = await read_own_nickname(here.door.house, here.actor)
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
        sentence=_sentence_to_you(told.other_name if told.other else None, chosen, gave=told.gave),
        how_long=chosen.say(
            N_("%(time)s (%(count)s minutes)"), time=chosen.hours(minutes), count=chosen.number(minutes)
        ),
        how_read=how_read,
        when=chosen.day(told.day),
        kind=category_in_words(told.kind, chosen),
        note=told.note,
        sight=_sight(here, rules, today, told),
        few=_few(here, rules, told, nickname),
    )
    return here.page("log_check.html", page)


def _sentence_to_you(other: str | None, chosen: Language, *, gave: bool) -> str:
    """Return what happened, said to the reader; ``other`` is None for the group, empty for nobody any more."""
    if other is None:
        return chosen.say(N_("You helped the whole group"))
    name = other or chosen.say(N_("a neighbour"))
    return chosen.say(N_("You helped %(name)s") if gave else N_("%(name)s helped you"), name=name)


def _receipt(here: Inside, logged: LoggedHours, *, fault: str = "") -> ReceiptPage:
    chosen = here.chosen
    if logged.i_gave:
        sentence = _sentence_to_you(logged.receiver, chosen, gave=True)
    elif logged.i_received:
        sentence = _sentence_to_you(logged.giver, chosen, gave=False)
    else:
        sentence = _sentence(logged.receiver or "", logged.giver, chosen, gave=True)
    zone = ZoneInfo(logged.rules.time_zone)
    gone = logged.state in {"withdrawn", "settled"}
    if gone:
        title = chosen.say(N_("It is taken back"))
    elif logged.receipt:
        title = chosen.say(N_("It is in the book. Thank you."))
    else:
        title = chosen.say(N_("It is noted, and waits for a yes"))
    return ReceiptPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        title=title,
        sentence=f"{sentence}, {chosen.hours(logged.minutes)}",
        when=chosen.day(logged.effective_on),
        written=chosen.day(logged.logged_at.astimezone(zone).date()),
        kind=category_in_words(logged.category, chosen),
        receipt=logged.receipt,
        next=_next(logged, zone, chosen, here.group),
        can_undo=not gone,
        undo=here.path(f"{LOG}/{logged.id}/undo"),
        undo_hint=chosen.say(
            N_("Undo writes a second line that takes this one back. Nothing is rubbed out.")
            if logged.receipt
            else N_("Undo takes it back before it comes into the book.")
        ),
        key=new_key(),
        fault=fault,
        log_href=here.path(LOG),
        home_href=here.path("/me"),
    )


def _next(
    logged: LoggedHours, zone: ZoneInfo, chosen: Language, group: PublicGroup
) -> tuple[tuple[str, str], ...]:
    """Return what happens now: what is done, what is on its way, what is still to come."""
    time = chosen.hours(logged.minutes)
    other = (logged.receiver if logged.i_gave else logged.giver) or chosen.say(N_("the other one"))
    if logged.state in {"withdrawn", "settled"}:
        said = N_("These %(time)s do not count any more. The receipt still holds: the book shows both lines.")
        if not logged.receipt:
            said = N_("These %(time)s do not count, and the book never had them.")
        return (("solid", chosen.say(said, time=time)),)
    day = logged.logged_at.astimezone(zone).date()
    if not logged.receipt:
        until = day + timedelta(days=logged.rules.confirm_days)
        asked = chosen.say(
            N_("%(name)s is asked whether this is right. No answer by %(day)s counts as a yes."),
            name=other,
            day=chosen.weekday(until),
        )
        return (("hatched", asked), ("hollow", chosen.say(N_("Then it comes into the book."))))
    if logged.receiver is None:
        first = chosen.say(N_("The %(time)s are in the pot."), time=time)
    elif logged.rules.time_bank:
        first = chosen.say(N_("The %(time)s went from one of you to the other."), time=time)
    else:
        first = chosen.say(N_("The %(time)s are in the pot, and the pot has answered."), time=time)
    out = period_end(group.preset, max(day, logged.effective_on)) + timedelta(days=1)
    seen = N_("The public sees it on %(day)s at the earliest, as one line without names.")
    if group.preset == SHELTERED:
        seen = N_("The public sees it on %(day)s at the earliest, as a part of the totals of a month.")
    public = chosen.say(seen, day=chosen.weekday(out))
    steps = [("solid", first), ("hollow", public)]
    if logged.receiver is not None and logged.state == "logged" and not logged.rules.time_bank:
        said = chosen.say(N_("%(name)s can say that it was not quite like that."), name=other)
        steps.insert(1, ("hatched", said))
    return tuple(steps)
