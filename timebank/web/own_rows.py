"""What is one's own, as the own page and the lists behind it show it: hours that wait for a yes, hours, asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup

from timebank.errors import N_
from timebank.ledger.units import HOURS
from timebank.web.forms import Answer
from timebank.web.log_sight import sentence_to_you
from timebank.web.rooms import HOME, LOG
from timebank.web.sending import new_key
from timebank.web.words import Amounts, amounts_of, category_in_words, told

if TYPE_CHECKING:
    from timebank.i18n import Language
    from timebank.rules.state import SetUp
    from timebank.services.hours import Hours
    from timebank.store.statement import AskedRow
    from timebank.web.inside import Inside

#: (mark, what it is called) of an ask in each of its states.
ASK_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "asked": ("hollow", N_("received, waiting for a yes")),
    "looked_at": ("hollow", N_("being looked at")),
    "promised": ("hatched", N_("yes, on its way to you")),
    "handed_over": ("hatched", N_("handed over: has it arrived?")),
    "arrived": ("solid", N_("arrived")),
    "released": ("solid", N_("given back to the pot")),
    "not_now": ("hollow", N_("not now")),
    "expired": ("hollow", N_("over: nobody took it up in time")),
    "cancelled": ("hollow", N_("taken back")),
}


@dataclass(frozen=True, slots=True)
class WaitingHours:
    """Hours about which it is the reader's turn.

    Attributes:
        key: Of the form that says yes; ``other_key`` of the one that says otherwise.
        what: What somebody says happened.
        age: When, what about, since when it waits, and what silence does.
        proposal: What the other one says it was instead; empty where the reader may say it.
        said: What the reader said it was; empty where they have not said it yet.
        can_withdraw: Whether the reader can take it back altogether.
        is_open: Whether the part with "not quite" stands open, because something in it is wrong.
    """

    id: str
    action: str
    key: str
    other_key: str
    what: Markup | str
    age: str
    proposal: str
    said: str
    can_withdraw: bool
    reason: str
    is_open: bool
    time: Answer
    why: Answer


class EntryLine(NamedTuple):
    """Hours of the reader's own; ``age`` says which day, what about, and what is to be known besides."""

    href: str
    what: Markup | str
    age: Markup | str
    given: str
    received: str


class AskLine(NamedTuple):
    """One of the reader's asks."""

    href: str
    mark: str
    words: str
    day: str


class RefusedAnswer(NamedTuple):
    """An answer to hours that was not taken: whose, which field, why, and what stood in the fields."""

    hours_id: UUID
    field: str
    fault: str
    time: str
    why: str


def waiting_hours(
    here: Inside,
    rules: SetUp,
    nicknames: Mapping[UUID, str],
    hours: Hours,
    refused: RefusedAnswer | None = None,
) -> WaitingHours:
    """Return hours that wait for a word, with what stood in their form if it was not taken just now."""
    chosen, me = here.chosen, here.actor.member_id
    mine = refused if refused and refused.hours_id == hours.id else None
    zone = ZoneInfo(rules.time_zone)
    on = hours.logged_at.astimezone(zone).date()
    days = (here.door.clock().astimezone(zone).date() - on).days
    age = [
        chosen.weekday(hours.effective_on),
        category_in_words(hours.category, chosen),
        _since(days, chosen),
    ]
    if not hours.posted and hours.state == "logged":
        until = on + timedelta(days=rules.confirm_days)
        age.append(chosen.say(N_("counts as a yes on %(day)s"), day=chosen.weekday(until)))
    instead = chosen.hours(hours.proposed or 0)
    asked_me = hours.proposed is not None and hours.waits_for_me
    i_asked = hours.proposed is not None and not hours.waits_for_me
    return WaitingHours(
        id=str(hours.id),
        action=here.path(f"{HOME}/hours/{hours.id}"),
        key=new_key(),
        other_key=new_key(),
        what=_what(hours, nicknames, me, chosen),
        age=" · ".join(age),
        proposal=chosen.say(N_("The other one says it was %(time)s instead."), time=instead)
        if asked_me
        else "",
        said=chosen.say(N_("You said it was %(time)s."), time=instead) if i_asked else "",
        can_withdraw=hours.draw is None and (me in {hours.giver, hours.logged_by}),
        reason=hours.why,
        is_open=bool(mine and mine.field),
        time=Answer(mine.time if mine else "", mine.fault if mine and mine.field == "time" else ""),
        why=Answer(mine.why if mine else "", mine.fault if mine and mine.field == "why" else ""),
    )


def _since(days: int, chosen: Language) -> str:
    if days < 1:
        return chosen.say(N_("written today"))
    return chosen.say_many("written %(count)s day ago", "written %(count)s days ago", days)


def _what(hours: Hours, nicknames: Mapping[UUID, str], me: UUID, chosen: Language) -> Markup:
    # The first is escaped, and the second is digits and letters of our own.
    return Markup(chosen.listed((_who(hours, nicknames, me, chosen), chosen.hours(hours.minutes))))  # noqa: S704


def _who(hours: Hours, nicknames: Mapping[UUID, str], me: UUID, chosen: Language) -> Markup:
    if hours.receiver == me:
        return sentence_to_you(_name(hours.giver, nicknames), chosen, gave=False)
    if hours.is_for_pot:
        return sentence_to_you(None, chosen, gave=True)
    return sentence_to_you(_name(hours.receiver, nicknames), chosen, gave=True)


def _name(member_id: UUID | None, nicknames: Mapping[UUID, str]) -> str:
    """Return what somebody is called; empty for whoever was forgotten."""
    return nicknames.get(member_id, "") if member_id else ""


def entry_line(here: Inside, nicknames: Mapping[UUID, str], hours: Hours) -> EntryLine:
    """Return hours as a line of a list."""
    chosen, me = here.chosen, here.actor.member_id
    got = hours.receiver == me
    gone = hours.state in {"withdrawn", "settled"}
    time = Amounts(HOURS, chosen).digits(hours.minutes)
    # A day of this year needs no year; a long list goes back further.
    this_year = hours.effective_on.year == here.door.clock().year
    day = (chosen.day_short if this_year else chosen.day_month_year)(hours.effective_on)
    if gone:
        age: Markup | str = chosen.say(N_("taken back"))
    elif hours.waits_for_me:
        age = chosen.say(N_("waits for your yes"))
    elif hours.state == "confirmed" and not got and not hours.is_for_pot:
        name = _name(hours.receiver, nicknames) or chosen.say(N_("A neighbour"))
        age = told(chosen, N_("%(name)s said yes. Thank you."), {"name": name})
    elif hours.state == "questioned" or not hours.posted:
        age = chosen.say(N_("waits for the other one"))
    else:
        age = ""
    return EntryLine(
        href=here.path(f"{LOG}/{hours.id}"),
        what=_who(hours, nicknames, me, chosen),
        age=Markup(" · ").join(
            each for each in (day, category_in_words(hours.category, chosen), age) if each
        ),
        given="" if got or gone else time,
        received=time if got and not gone else "",
    )


def thanks(nicknames: Mapping[UUID, str], hours: Hours, chosen: Language) -> Markup:
    """Return what somebody said yes to."""
    return told(
        chosen,
        N_("%(name)s said yes to your %(time)s of %(day)s. Thank you."),
        {"name": _name(hours.receiver, nicknames) or chosen.say(N_("A neighbour"))},
        time=chosen.hours(hours.minutes),
        day=chosen.weekday(hours.effective_on),
    )


def ask_line(here: Inside, rules: SetUp, ask: AskedRow) -> AskLine:
    """Return an ask as a line of a list."""
    mark, state = ASK_STATES.get(ask.state, ("hollow", ask.state))
    on = ask.at.astimezone(ZoneInfo(rules.time_zone)).date()
    return AskLine(
        href=here.path(f"/asks/{ask.draw_id}"),
        mark=mark,
        words=here.chosen.say(
            N_("%(amount)s: %(state)s"),
            amount=amounts_of(ask.unit, here.chosen).words(ask.asked),
            state=here.chosen.say(state),
        ),
        day=here.chosen.say(N_("asked on %(day)s"), day=here.chosen.weekday(on)),
    )
