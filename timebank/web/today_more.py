"""What else waits for stewards: duties, requests to join, people to meet, late entries, and what to talk about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from timebank.errors import N_
from timebank.services.duties import list_duties, list_unvouched
from timebank.services.joining import list_requests
from timebank.services.next_close import LATE_SHOWN, read_next_close
from timebank.services.overview import read_nicknames
from timebank.services.reminders import list_reminders
from timebank.web.close_page import CLOSE
from timebank.web.people import age_in_words
from timebank.web.rooms import GROUP, PEOPLE
from timebank.web.words import amounts_of, duties_in_words, told

if TYPE_CHECKING:
    from markupsafe import Markup

    from timebank.rules.state import SetUp
    from timebank.services.reminders import Reminder
    from timebank.web.inside import Inside


class MoreLine(NamedTuple):
    """Something else that waits, where it is answered, and since when."""

    href: str
    what: Markup | str
    age: str


async def read_more(here: Inside, rules: SetUp) -> tuple[MoreLine, ...]:
    """Return what else waits, people first, the oldest of a kind first."""
    return (
        *await _duties(here, rules),
        *await _unvouched(here),
        *await _requests(here, rules),
        *await _late(here),
        *await _reminders(here, rules),
    )


async def _duties(here: Inside, rules: SetUp) -> list[MoreLine]:
    now, chosen, zone = here.door.clock(), here.chosen, ZoneInfo(rules.time_zone)
    rows = [
        row
        for row in reversed(await list_duties(here.door.house, here.actor))
        if row.state_at(now) == "open" and row.proposed_by != here.actor.member_id
    ]
    names = await read_nicknames(here.door.house, here.actor, {row.member_id for row in rows})
    return [
        MoreLine(
            here.path(PEOPLE),
            told(
                chosen,
                N_("A duty for %(name)s waits for a second yes: %(duties)s"),
                {"name": names.get(row.member_id) or chosen.say(N_("somebody who has left"))},
                duties=duties_in_words(row.roles, chosen),
            ),
            age_in_words(row.proposed_at, zone, now, chosen),
        )
        for row in rows
    ]


async def _unvouched(here: Inside) -> list[MoreLine]:
    found = await list_unvouched(here.door.house, here.actor, now=here.door.clock())
    others = [member for member in found if member != here.actor.member_id]
    names = await read_nicknames(here.door.house, here.actor, others)
    return [
        MoreLine(
            here.path(f"{PEOPLE}/{member}"),
            told(here.chosen, N_("%(name)s has a duty, and a steward must meet them first"), {"name": name}),
            "",
        )
        for member, name in names.items()
    ]


async def _requests(here: Inside, rules: SetUp) -> list[MoreLine]:
    now, zone = here.door.clock(), ZoneInfo(rules.time_zone)
    waiting = await list_requests(here.door.house, here.actor, now=now)
    if not waiting:
        return []
    what = here.chosen.say_many("%(count)s person asks to join", "%(count)s people ask to join", len(waiting))
    oldest = min(each.asked_at for each in waiting)
    return [MoreLine(here.path(PEOPLE), what, age_in_words(oldest, zone, now, here.chosen))]


async def _late(here: Inside) -> list[MoreLine]:
    found = await read_next_close(here.door.house, here.actor)
    if not found.late or found.last_day is None:
        return []
    count = len(found.late)
    what = here.chosen.say_many(
        "%(count)s entry is about a closed day", "%(count)s entries are about closed days", count
    )
    if count == LATE_SHOWN:
        what = here.chosen.say(
            N_("%(count)s entries or more are about closed days"), count=here.chosen.number(count)
        )
    ends = here.chosen.say(N_("The next close: %(day)s"), day=here.chosen.weekday(found.ends_on))
    return [MoreLine(here.path(CLOSE), what, ends)]


async def _reminders(here: Inside, rules: SetUp) -> list[MoreLine]:
    found = await list_reminders(here.door.house, here.actor, now=here.door.clock())
    return [
        MoreLine(here.path(f"{GROUP}/rules/{each.pot}"), _reminder(here, each, rules), each.text)
        for each in found
    ]


def _reminder(here: Inside, reminder: Reminder, rules: SetUp) -> str:
    chosen = here.chosen
    if reminder.rule == "surplus":
        amounts = amounts_of(rules.pots[reminder.pot].unit, chosen)
        return chosen.say(
            N_("The pot has %(amount)s, more than %(limit)s: time to talk about it"),
            amount=amounts.words(reminder.found),
            limit=amounts.words(reminder.limit),
        )
    if reminder.rule == "stewards.months":
        return chosen.say_many(
            "%(count)s steward is over the time that was agreed",
            "%(count)s stewards are over the time that was agreed",
            reminder.found,
        )
    return chosen.say(
        N_("Stewards: %(found)s, and %(limit)s were agreed"),
        found=chosen.number(reminder.found),
        limit=chosen.number(reminder.limit),
    )
