"""A pot as pages show it: its two figures, its bar, and where its money is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from timebank.errors import N_
from timebank.rules.publication import ALL_PLACES, SHELTERED, PublicBook, PublicPlace, PublicPot
from timebank.web.drawings import Part, PotBar, held_strip, pot_bar
from timebank.web.words import Amounts, place_in_words


@dataclass(frozen=True, slots=True)
class Figure:
    """A large figure: ``pieces`` are (text, is small); ``machine`` is an ISO duration or empty."""

    mark: Literal["solid", "hatched", "dotted"]
    name: str
    note: str
    pieces: tuple[tuple[str, bool], ...]
    machine: str


@dataclass(frozen=True, slots=True)
class PotView:
    """The pot bar with its figures and sentences.

    Attributes:
        days: First and last day of the latest days, as a sentence says them; the first is
            empty when it is one day.
        came_in, went_out: Of those days; for hours what was given and received.
        given, drawn: Since the book began.
        where: Whose money the places below have.
        places: (name, amount) of each place where money is, and the strip that shows them.
    """

    figures: tuple[Figure, ...]
    bar: PotBar
    bar_sentence: str
    days: tuple[str, str]
    came_in: str
    went_out: str
    given: str
    drawn: str
    where: str
    places: tuple[tuple[str, str], ...]
    strip: tuple[Part, ...]


def pot_figures(available: int, promised: int, amounts: Amounts) -> tuple[Figure, Figure]:
    """Return the two figures of a pot: what is free and what is promised; never with a minus."""
    say, short = amounts.language.say, available < 0
    if amounts.is_time:
        name = say(N_("asked ahead of giving")) if short else say(N_("given, not yet drawn"))
        note = say(N_("hours still to come")) if short else say(N_("a measure, not a limit"))
    else:
        name = say(N_("short by")) if short else say(N_("available"))
        note = say(N_("nothing new is promised")) if short else say(N_("free to ask for"))
    shown = abs(available)
    first = Figure("dotted" if short else "solid", name, note, amounts.figure(shown), amounts.machine(shown))
    return first, Figure(
        "hatched",
        say(N_("promised")),
        say(N_("already said yes to")),
        amounts.figure(promised),
        amounts.machine(promised),
    )


def _one_figure(total: int, amounts: Amounts) -> tuple[tuple[Figure], str]:
    """Return the one figure of a pot that does not tell promised from free, and the bar as a sentence."""
    say, first = amounts.language.say, pot_figures(total, 0, amounts)[0]
    if total < 0:
        return (first,), bar_sentence(total, 0, amounts)
    note = say(N_("what is promised included"))
    figure = replace(first, name=say(N_("in the pot")), note=note)
    return (figure,), say(N_("%(total)s in the pot in all"), total=amounts.words(total))


def bar_sentence(available: int, promised: int, amounts: Amounts) -> str:
    """Return what the pot bar shows as one sentence, for those who hear it."""
    say, words = amounts.language.say, amounts.words
    if not available and not promised:
        return say(N_("Nothing available, nothing promised"))
    if available < 0:
        message = (
            N_("%(missing)s asked ahead of giving, %(promised)s promised")
            if amounts.is_time
            else N_("Short by %(missing)s, with %(promised)s promised")
        )
        return say(message, missing=words(-available), promised=words(promised))
    message = (
        N_("%(available)s given and not yet drawn, %(promised)s promised, %(total)s in the pot in all")
        if amounts.is_time
        else N_("%(available)s available, %(promised)s promised, %(total)s in the pot in all")
    )
    return say(
        message, available=words(available), promised=words(promised), total=words(available + promised)
    )


def pot_view(book: PublicBook, pot: PublicPot, amounts: Amounts) -> PotView:
    """Return a pot that was published, as of the last close."""
    balance, period = book.balance(pot.pot), book.period
    assert balance is not None
    assert period is not None
    language = amounts.language
    came_in, went_out = sums_of(book, pot)
    before = next((earlier for earlier in book.before if earlier.pot == pot.pot), None)
    if amounts.is_time:
        # Hours are given and received: what a correction took back is not a gift of the pot.
        given = balance.given - (before.given if before else 0)
        drawn = balance.drawn - (before.drawn if before else 0)
        came_in, went_out = (given, drawn) if given >= 0 and drawn >= 0 else (came_in, went_out)
    sharing = [each.pot for each in book.group.pots if each.unit == pot.unit and book.balance(each.pot)]
    # One box can hold the money of several pots: what is in it stands once, below the last of them, or it would be
    # added up twice by whoever reads on.
    held = book.held if pot.pot == sharing[-1] else ()
    places = [place for place in held if place.unit == pot.unit and place.kind != ALL_PLACES]
    first = book.lines_from or period.first_day
    figures: tuple[Figure, ...] = pot_figures(balance.available, balance.promised, amounts)
    sentence = bar_sentence(balance.available, balance.promised, amounts)
    if period.preset == SHELTERED:
        figures, sentence = _one_figure(balance.available, amounts)
    return PotView(
        figures=figures,
        bar=pot_bar(
            balance.available,
            balance.promised,
            label=amounts.label,
            plain_label=amounts.plain_label,
            unit_step=amounts.step,
            rtl=language.direction == "rtl",
        ),
        bar_sentence=sentence,
        days=("", language.day_month(period.last_day))
        if first == period.last_day
        else language.span(first, period.last_day),
        came_in=amounts.words(came_in),
        went_out=amounts.words(went_out),
        given=amounts.words(max(0, balance.given)),
        drawn=amounts.words(max(0, balance.drawn)),
        where=language.say(
            N_("Where it is") if len(sharing) == 1 else N_("Where it is, of all pots together")
        ),
        places=_places(places, amounts),
        strip=held_strip([place.amount for place in places], rtl=language.direction == "rtl")
        if places
        else (),
    )


def _places(places: Sequence[PublicPlace], amounts: Amounts) -> tuple[tuple[str, str], ...]:
    kinds = [place.kind for place in places]
    return tuple(
        (
            place_in_words(
                place.kind, place.number, alone=kinds.count(place.kind) == 1, language=amounts.language
            ),
            amounts.words(place.amount),
        )
        for place in places
    )


def sums_of(book: PublicBook, pot: PublicPot) -> tuple[int, int]:
    """Return what came into a pot and went out of it, of the lines shown."""
    flows = [flow for flow in book.line_flows if flow.pot == pot.pot]
    return sum(flow.came_in for flow in flows), sum(flow.went_out for flow in flows)
