"""Words for what the book holds: kinds of entries, categories, pots, places, amounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from babel.numbers import get_currency_precision
from markupsafe import Markup, escape

from timebank.errors import N_
from timebank.i18n import NO_BREAK, Language
from timebank.ledger.units import HOURS, MINUTES, Unit
from timebank.pot_words import noun_of
from timebank.refusal_words import DUTIES
from timebank.rules.publication import PublicNewKey, PublicRestore
from timebank.rules.set_up import WORDS

TIME_KINDS: Final = {
    "help_given": N_("Given to the pot"),
    "help_answered": N_("Between neighbours"),
    "help_exchanged": N_("Between two neighbours"),
    "promise": N_("Promised"),
    "release": N_("Promise given back"),
    "fulfil": N_("Asked for"),
    "fulfil_undone": N_("Help that did not happen"),
    "pot_move": N_("Moved between pots"),
    "counted_missing": N_("Counted: missing"),
    "counted_found": N_("Counted: found"),
    "opening": N_("Brought along at the start"),
    "correction": N_("Corrected"),
    "other": N_("Of several kinds"),
}
MONEY_KINDS: Final = {
    **TIME_KINDS,
    "money_in": N_("Given"),
    "hand_over": N_("Handed over"),
    "hand_over_undone": N_("Handed over by mistake, taken back"),
    "money_returned": N_("Came back"),
    "money_out": N_("Passed on"),
    "held_move": N_("Moved from place to place"),
}
PLACES: Final = {"cash": N_("cash box"), "bank": N_("bank"), "platform": N_("platform")}
NUMBERED_PLACES: Final = {
    "cash": N_("cash box %(number)s"),
    "bank": N_("bank %(number)s"),
    "platform": N_("platform %(number)s"),
}
PUT_BACK: Final = N_(
    "Before the page of %(day)s this book was put back from a backup. Nothing that had been published is missing in it."
)
KEY_BY_KEY: Final = N_("With the page of %(day)s the log got a new key. The key before introduced it.")
KEY_BY_PAPER: Final = N_(
    "With the page of %(day)s the log got a new key. The recovery key on paper introduced it."
)
# Categories that presets bring along; what a group wrote itself stands as it was written.
CATEGORIES: Final = {
    "care": N_("care"),
    "children": N_("children"),
    "company": N_("company"),
    "cooking": N_("cooking"),
    "errands": N_("errands"),
    "food": N_("food"),
    "forms": N_("forms and letters"),
    "garden": N_("garden"),
    "housing": N_("housing"),
    "language": N_("language"),
    "lifts": N_("lifts"),
    "organising": N_("organising"),
    "other": N_("something else"),
    "paperwork": N_("forms and letters"),
    "rent": N_("rent"),
    "repair": N_("repairs"),
    "repairs": N_("repairs"),
    "teaching": N_("teaching"),
    "transport": N_("transport"),
    "utilities": N_("heating and light"),
}


def duties_in_words(roles: Iterable[str], language: Language) -> str:
    """Return the duties of somebody, in a row; empty for none."""
    carried = set(roles)
    return language.listed(language.say(message) for role, message in DUTIES.items() if role in carried)


def kind_in_words(kind: str, unit: Unit, language: Language) -> str:
    """Return what a kind of entry is called on the leaf of a unit; a kind without words stands as its code."""
    message = (TIME_KINDS if unit.kind == "time" else MONEY_KINDS).get(kind)
    return language.say(message) if message else kind


def pot_in_words(word: str, language: Language) -> str:
    """Return the word for the pot that a choice stands for; any other text stands as it is."""
    return noun_of(word, language.code).one if word in WORDS else word


def category_in_words(category: str, language: Language) -> str:
    """Return what a category is called; the group's own words stand as they are."""
    known = CATEGORIES.get(category)
    return language.say(known) if known else category


def place_in_words(kind: str, number: int, *, alone: bool, language: Language) -> str:
    """Return a held place by kind, and by number where the group has several of that kind."""
    if alone:
        return language.say(PLACES[kind])
    return language.say(NUMBERED_PLACES[kind], number=language.number(number))


def told_in_words(told: PublicRestore | PublicNewKey, language: Language) -> str:
    """Return what a log tells of itself, as a sentence."""
    day = language.day_month_year(told.told_on)
    if isinstance(told, PublicNewKey):
        return language.say(KEY_BY_PAPER if told.by_paper else KEY_BY_KEY, day=day)
    if not told.lost:
        return language.say(PUT_BACK, day=day)
    return language.say_many(
        "Before the page of %(day)s this book was put back from a backup. It lost %(count)s record that had been"
        " published: what that had moved is taken out of the pots again, as one total. It can be written down once more.",
        "Before the page of %(day)s this book was put back from a backup. It lost %(count)s records that had been"
        " published: what they had moved is taken out of the pots again, as one total. They can be written down once more.",
        told.lost,
        day=day,
    )


@dataclass(frozen=True, slots=True)
class Amounts:
    """How amounts of one unit are written in one language; all take 0 and up."""

    unit: Unit
    language: Language

    @property
    def is_time(self) -> bool:
        """Whether amounts are minutes."""
        return self.unit.kind == "time"

    def words(self, amount: int) -> str:
        """Return an amount with its unit: ``146 h 30 min``, ``€986.50``."""
        if self.is_time:
            return self.language.hours(amount)
        if self.unit.kind == "money":
            return self.language.money(amount, self.unit.code)
        return f"{self.language.number(amount)}{NO_BREAK}{self.unit.code}"

    def digits(self, amount: int) -> str:
        """Return an amount for a column, without its unit: ``31:15``, ``1,176.50``."""
        if self.is_time:
            return self.language.hours_digits(amount)
        if self.unit.kind == "money":
            return self.language.money_digits(amount, self.unit.code)
        return self.language.number(amount)

    def field(self, amount: int) -> str:
        """Return an amount as somebody writes it into a field, and as ``rules.written`` reads it: ``31:15``, ``1176.50``.

        Thousands are not grouped: a field that says 1,176 could mean a little more than one.
        """
        if self.is_time:
            return self.language.digits(f"{amount // 60}:{amount % 60:02}")
        if self.unit.kind == "money":
            return self.language.money_field(amount, self.unit.code)
        return self.language.digits(str(amount))

    def figure(self, amount: int) -> tuple[tuple[str, bool], ...]:
        """Return an amount as (text, is small) pieces, for large figures with small units."""
        if self.is_time:
            pieces: list[tuple[str, bool]] = []
            for number, unit in self.language.hours_parts(amount):
                pieces += [((" " if pieces else "") + number, False), (NO_BREAK + unit, True)]
            return tuple(pieces)
        if self.unit.kind == "money":
            before, figure, after = self.language.money_parts(amount, self.unit.code)
            return tuple(piece for piece in ((before, True), (figure, False), (after, True)) if piece[0])
        return ((self.language.number(amount), False), (NO_BREAK + self.unit.code, True))

    def machine(self, amount: int) -> str:
        """Return hours as an ISO 8601 duration for ``<time>``; empty for other units."""
        if not self.is_time:
            return ""
        hours, minutes = divmod(amount, 60)
        return "PT" + (f"{hours}H" if hours or not minutes else "") + (f"{minutes}M" if minutes else "")

    def label(self, amount: int) -> str:
        """Return an amount for a scale, with its unit: ``150 h``, ``€1,000``."""
        if self.is_time:
            return self.language.hours(amount)
        if self.unit.kind == "money":
            return self.language.money_round(amount, self.unit.code)
        return self.words(amount)

    def plain_label(self, amount: int) -> str:
        """Return an amount for a scale whose last label says the unit: ``50``; money keeps its sign."""
        if self.is_time and amount % 60 == 0:
            return self.language.number(amount // 60)
        return self.label(amount)

    @property
    def step(self) -> int:
        """Smallest round amount of a scale."""
        return 60 if self.is_time else 10**self.unit.digits

    @property
    def column_unit(self) -> str:
        """What the figures of a column are: ``hours : minutes``, ``euros``."""
        if self.is_time:
            return self.language.say(N_("hours : minutes"))
        return self.language.currency_name(self.unit.code) if self.unit.kind == "money" else self.unit.code


def amounts_of(unit: str, chosen: Language) -> Amounts:
    """Return how amounts of a unit are written: minutes, or a currency."""
    return Amounts(HOURS if unit == MINUTES else Unit(unit, "money", get_currency_precision(unit)), chosen)


# ---------------------------------------------------------------- sentences with names


def told(chosen: Language, message: str, names: Mapping[str, str], **params: str) -> Markup:
    """Return a sentence with its places filled, each name kept apart from the text around it.

    A name may run the other way than the sentence; in ``<bdi>`` it cannot turn the rest of it round.
    """
    return _apart(chosen.say(message), names, params)


def told_many(
    chosen: Language, one: str, many: str, count: int, names: Mapping[str, str], **params: str
) -> Markup:
    """Return the sentence for a number of things, with names kept apart; see ``told``."""
    said = chosen.translations.ngettext(one, many, count)
    return _apart(said, names, {"count": chosen.number(count), **params})


def names_in_row(names: Iterable[str], chosen: Language) -> Markup:
    """Return names in a row, each kept apart from its neighbours; see ``told``."""
    return Markup(chosen.listed(map(_kept, names)))  # noqa: S704 - each is escaped


def _kept(name: str) -> Markup:
    return Markup("<bdi>{}</bdi>").format(name)


def _apart(said: str, names: Mapping[str, str], params: Mapping[str, str]) -> Markup:
    kept = {place: _kept(name) for place, name in names.items()}
    # Escaped first: what is filled in is escaped by the per cent sign of Markup, or is made above.
    return escape(said) % {**params, **kept}
