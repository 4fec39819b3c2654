"""The close of the period: when it comes, what arrived late, what waits and why; it has no button, since days close by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_
from timebank.rules.publication import OPEN, SHELTERED
from timebank.services.next_close import read_next_close
from timebank.web.private import PrivatePage
from timebank.web.rooms import GROUP, Way, ways
from timebank.web.stewards import READ, steward_reads
from timebank.web.words import category_in_words, kind_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup
    from timebank.services.next_close import LateEntry, NextClose, WaitingSide

CLOSE: Final = f"{GROUP}/close"

_SIDES: Final[Mapping[str, str]] = {
    "in": N_("what came in"),
    "out": N_("what went out"),
    "": N_("what nobody stands behind"),
}


class LateLine(NamedTuple):
    """An entry of a closed day."""

    what: str
    day: str
    written: str


class WaitLine(NamedTuple):
    """A side of a pot that waits, why, and until when at most."""

    what: str
    why: str
    until: str


@dataclass(frozen=True, slots=True)
class ClosePage:
    """What the next close is about; ``rhythm`` says how the group publishes."""

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    closed: str
    days: str
    comes: str
    entries: str
    rhythm: str
    late: tuple[LateLine, ...]
    late_aside: str
    waiting: tuple[WaitLine, ...]


@route("/g/{slug:str}/group/close", http_method=READ, include_in_schema=False)
async def close_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show what the next close is about."""
    here = await steward_reads(request, slug, CLOSE)
    if isinstance(here, PrivatePage):
        return here
    chosen = here.chosen
    found = await read_next_close(here.door.house, here.actor)
    page = ClosePage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, GROUP),
        back=here.path(GROUP),
        closed=chosen.say(N_("Closed until %(day)s."), day=chosen.weekday(found.last_day))
        if found.last_day
        else chosen.say(N_("No day is closed so far.")),
        days=_days(found, chosen),
        comes=chosen.say(N_("It comes by itself once %(day)s is over."), day=chosen.weekday(found.ends_on)),
        entries=chosen.say_many(
            "%(count)s entry was written since the last close.",
            "%(count)s entries were written since the last close.",
            found.entries,
        ),
        rhythm=_rhythm(found, chosen),
        late=tuple(_late(entry, here.group, chosen) for entry in found.late),
        late_aside=chosen.say(
            N_("They come out with the next close, and the public sees that they are late.")
        )
        if found.way.preset == OPEN
        else chosen.say(N_("They come out with the next close. The public does not see that they are late.")),
        waiting=tuple(_wait(side, here.group, chosen) for side in found.waiting),
    )
    return here.page("close.html", page)


CLOSE_PAGES: Final[list[HTTPRouteHandler]] = [close_page]


def _days(found: NextClose, chosen: Language) -> str:
    if found.first_day == found.ends_on:
        return chosen.weekday(found.ends_on)
    first, last = chosen.span(found.first_day, found.ends_on)
    return chosen.say(N_("%(first)s to %(last)s"), first=first, last=last)


def _rhythm(found: NextClose, chosen: Language) -> str:
    if not found.way.people:
        return chosen.say(N_("Every line comes out, however few people took part."))
    message = (
        N_("Totals come out once at least %(people)s different people stand behind them.")
        if found.way.preset == SHELTERED
        else N_("Lines come out once at least %(people)s different people stand behind a side.")
    )
    return chosen.say(message, people=chosen.number(found.way.people))


def _late(entry: LateEntry, group: PublicGroup, chosen: Language) -> LateLine:
    unit = next(iter(group.units))
    words = kind_in_words(entry.kind, next((u for u in group.units if u.kind == "money"), unit), chosen)
    category = category_in_words(entry.category, chosen)
    return LateLine(
        what=f"{words} · {category}" if category else words,
        day=chosen.weekday(entry.effective_on),
        written=chosen.weekday(entry.recorded_on),
    )


def _wait(side: WaitingSide, group: PublicGroup, chosen: Language) -> WaitLine:
    units = {unit.code: unit for unit in group.units}
    pot = next((pot for pot in group.pots if pot.pot == side.pot), None)
    hours = pot is not None and units[pot.unit].kind == "time"
    name = chosen.say(N_("Hours")) if hours else chosen.say(N_("Money"))
    count = chosen.say_many("%(count)s entry", "%(count)s entries", side.entries)
    why = (
        chosen.say(
            N_("Fewer than %(people)s different people stand behind it so far."),
            people=chosen.number(side.people),
        )
        if side.side
        else chosen.say(N_("Something else of this pot waits, and this would give it away."))
    )
    until = chosen.say(
        N_("Since %(first)s; by %(last)s at the latest, as a part of one total."),
        first=chosen.weekday(side.since),
        last=chosen.weekday(side.until),
    )
    return WaitLine(f"{chosen.listed((name, chosen.say(_SIDES[side.side])))} · {count}", why, until)
