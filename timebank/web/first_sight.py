"""What the public will see of a group that somebody is about to set up: its page on the first day, and its first line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from timebank.errors import N_
from timebank.ledger.units import HOURS, MINUTES
from timebank.rules.previews import hours_line, not_yet
from timebank.rules.publication import PublicGroup
from timebank.rules.readiness import PEOPLE_LEAST, period_end
from timebank.web.policy_words import rules_in_words
from timebank.web.sight import Sight, published_from, seen_lines, sight_line
from timebank.web.words import Amounts, amounts_of, pot_in_words

if TYPE_CHECKING:
    from timebank.i18n import Language
    from timebank.rules.set_up import NewGroup, NewPot

#: So much is shown as the first gift.
_AN_HOUR = 60


class FirstPot(NamedTuple):
    """A pot as its public page will call it, with its rules in the words that are published."""

    title: str
    rules: tuple[str, ...]


class FirstSight(NamedTuple):
    """What stands on the public page at once, and an hour that somebody gives as it will come out."""

    name: str
    address: str
    pots: tuple[FirstPot, ...]
    line: Sight


def first_sight(group: NewGroup, chosen: Language, *, host: str) -> FirstSight:
    """Return what the public will see; the group is one that could be set up."""
    line = hours_line(
        not_yet(group),
        preset=group.preset,
        minutes=_AN_HOUR,
        effective_on=group.began_on,
        category=group.categories[0],
        answered=False,
    )
    words = published_from(group.began_on, group.began_on, chosen, _public(group))
    shown = seen_lines([(line, sight_line(line, Amounts(HOURS, chosen)))])
    return FirstSight(
        name=group.name,
        address=f"{host}/g/{group.slug}",
        pots=tuple(_pot(pot, group.words, chosen) for pot in group.pots),
        line=Sight(chosen.say(N_("An hour that somebody gives")), shown, (words,)),
    )


def _pot(pot: NewPot, word: str, chosen: Language) -> FirstPot:
    unit = amounts_of(pot.unit, chosen).unit
    kind = chosen.say(N_("Hours")) if pot.unit == MINUTES else chosen.say(N_("Money"))
    title = chosen.listed((kind, pot_in_words(word, chosen)))
    return FirstPot(title, rules_in_words(pot.terms.as_json(), unit, chosen))


def _public(group: NewGroup) -> PublicGroup:
    """Return what the group would say about itself, as far as it says when something comes out."""
    return PublicGroup(
        slug=group.slug,
        name=group.name,
        languages=group.languages,
        preset=group.preset,
        began_on=group.began_on,
        first_close_on=period_end(group.preset, group.began_on) + timedelta(days=1),
        units=(),
        pots=(),
        people=PEOPLE_LEAST[group.preset],
        gifts_wait=group.gifts_wait,
    )
