"""What a new group is: its pots, the places where its money lies, and the accounts that follow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from timebank.errors import N_, DateInFuture, FieldInvalid, PolicyInvalid
from timebank.rules.names import code, plain_text
from timebank.rules.policies import Terms, check_terms
from timebank.rules.readiness import PEOPLE_LEAST, PEOPLE_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date

MINUTES = "minutes"
PRESETS = ("open", "careful", "sheltered")
HELD_KINDS = ("cash", "bank", "platform")
ROUNDING_STEPS = (1, 5, 6, 10, 15, 30, 60)
CONFIRM_DAYS_MAX = 90
WORDS = ("pot", "pool", "hat", "kitty")
JOINING = ("invitation", "request")

SLUG_MAX = 63
CODE_MAX = 32
NAME_MAX = 120
CATEGORY_MAX = 40
LIST_MAX = 50

NOT_PEOPLE = N_(
    "it must be a number of people from 3 (sheltered: 5) to 50, and none where everything is shown"
)
NOT_A_LANGUAGE = N_("it is no language tag such as en or pt-BR")
NOT_DAYS = N_("it must be a whole number of days from 1 to 90")
NOT_KNOWN = N_("it is not known")
TWICE = N_("something is there twice")
TOO_FEW = N_("at least one is needed")
TOO_MANY = N_("there are too many")
TOO_SHORT = N_("it is too short")
NOT_FOR_THIS_UNIT = N_("it does not fit the unit")
NOT_TERMS = N_("its rules are none that a pot can have")

LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewPot:
    """A common pot to begin with.

    Attributes:
        code: Such as ``hours`` or ``money``.
        unit: ``minutes`` or one of the group's currencies.
        floor: What decisions may not take it below. None is 0 for money and no floor for hours.
    """

    code: str
    unit: str
    floor: int | None = None
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class NewHeldPlace:
    """A place where money will be: ``kind`` is cash, bank or platform."""

    code: str
    kind: str
    unit: str


@dataclass(frozen=True, slots=True)
class NewGroup:
    """Everything that a group says about itself at set-up.

    Attributes:
        slug: Its address: small letters, digits, hyphens, 2 to 63.
        name: What people call it, 1 to 120 characters.
        languages: Language tags, the first is the default.
        time_zone: IANA name; days of the book are days there.
        began_on: First day that anything can be dated to.
        categories: What help can be for; at least one.
        preset: What the public sees: open, careful or sheltered.
        people: How many people at least stand behind a figure; 0 for what the preset asks for.
        gifts_wait: Whether gifts of money wait for them, too.
        currencies: ISO 4217 codes; empty for a group without money.
        time_bank: Whether hours also go between two people.
        rounding_minutes, rounding_up: Hours are rounded to so many minutes (1 is not at all), up or to
            the nearest.
        confirm_days: Days of silence that are a yes, 1 to 90.
        words: What people call the pot: pot, pool, hat or kitty.
        member_list: Whether members see a list of each other.
        joining: ``invitation``, or ``request`` if people may also ask to join.
        categories_retired: What help could be for before; only a group that was moved has some.
    """

    slug: str
    name: str
    languages: tuple[str, ...]
    time_zone: str
    began_on: date
    categories: tuple[str, ...]
    preset: str = "careful"
    people: int = 0
    gifts_wait: bool = False
    currencies: tuple[str, ...] = ()
    pots: tuple[NewPot, ...] = (NewPot("hours", MINUTES),)
    held_places: tuple[NewHeldPlace, ...] = ()
    time_bank: bool = False
    rounding_minutes: int = 1
    rounding_up: bool = False
    confirm_days: int = 7
    words: str = "pot"
    member_list: bool = False
    joining: str = "invitation"
    categories_retired: tuple[str, ...] = ()


class PlannedAccount(NamedTuple):
    """An account that a group or a member needs; who sets it up draws its number.

    Attributes:
        owner: Code of the pot or held place that it belongs to; empty for the group's own.
    """

    kind: str
    unit: str
    owner: str = ""
    floor: int | None = None


class OpenedAccount(NamedTuple):
    """An account as the book opens it.

    Attributes:
        owner: Code of the pot or public name of the held place that it belongs to; empty for others.
        floor: Lowest balance that a decision may leave; None for no floor.
    """

    number: int
    kind: str
    unit: str
    owner: str = ""
    floor: int | None = None


def check_group(
    group: NewGroup, *, today: date, currencies_known: Collection[str], time_zones_known: Collection[str]
) -> NewGroup:
    """Return the group with its texts in normal form, or refuse what cannot be a group.

    Args:
        group: As it was asked for.
        today: Today in the group's time zone.
        currencies_known: Every ISO 4217 code that can be shown.
        time_zones_known: Every IANA time zone name.

    Raises:
        FieldInvalid: The first field, in the order of the class, that is wrong.
        DateInFuture: It would begin after today.
    """
    slug = code(group.slug, field="slug", length_max=SLUG_MAX)
    if len(slug) < 2:
        raise FieldInvalid(field="slug", why=TOO_SHORT)
    name = plain_text(group.name, field="name", length_max=NAME_MAX)
    _check_list(group.languages, field="languages")
    for language in group.languages:
        if not LANGUAGE.fullmatch(language):
            raise FieldInvalid(field="languages", why=NOT_A_LANGUAGE)
    if group.time_zone not in time_zones_known:
        raise FieldInvalid(field="time_zone", why=NOT_KNOWN)
    if group.began_on > today:
        raise DateInFuture(effective_on=group.began_on.isoformat(), today=today.isoformat())
    categories = tuple(plain_text(c, field="categories", length_max=CATEGORY_MAX) for c in group.categories)
    _check_list(categories, field="categories")
    retired = tuple(
        plain_text(c, field="categories_retired", length_max=CATEGORY_MAX) for c in group.categories_retired
    )
    if len({*categories, *retired}) != len(categories) + len(retired):
        raise FieldInvalid(field="categories_retired", why=TWICE)
    if group.preset not in PRESETS:
        raise FieldInvalid(field="preset", why=NOT_KNOWN)
    check_people(group.people, group.preset)
    _check_list(group.currencies, field="currencies", least=0)
    for currency in group.currencies:
        if not _CURRENCY.fullmatch(currency) or currency not in currencies_known:
            raise FieldInvalid(field="currencies", why=NOT_KNOWN)
    _check_list([pot.code for pot in group.pots], field="pots")
    for pot in group.pots:
        _check_pot(pot, group.currencies)
    _check_list([place.code for place in group.held_places], field="held_places", least=0)
    for place in group.held_places:
        _check_held_place(place, group.currencies)
    _check_ways(group)
    return replace(group, slug=slug, name=name, categories=categories, categories_retired=retired)


def accounts_of_group(group: NewGroup) -> list[PlannedAccount]:
    """Return every account that a group begins with, pots first, in the order of set-up."""
    planned = []
    for pot in group.pots:
        planned.append(PlannedAccount("pot", pot.unit, pot.code, pot_floor(pot)))
        planned.append(PlannedAccount("promised", pot.unit, pot.code, 0))
        planned.append(PlannedAccount("shared", pot.unit, pot.code))
    for unit in (MINUTES, *group.currencies):
        planned.append(PlannedAccount("outside", unit))
        planned.append(PlannedAccount("opening", unit))
        planned.append(PlannedAccount("adjustment", unit))
        if unit != MINUTES:
            planned.append(PlannedAccount("custody", unit))
    planned.extend(PlannedAccount("held", place.unit, place.code, 0) for place in group.held_places)
    return planned


def accounts_of_member(units: Sequence[str], *, time_bank: bool) -> dict[str, PlannedAccount]:
    """Return the accounts that somebody needs who joins, by the name they have in an Actor."""
    planned = {unit: PlannedAccount("member", unit) for unit in units}
    if time_bank:
        planned[f"exchange:{MINUTES}"] = PlannedAccount("exchange", MINUTES)
    return planned


def opened_accounts(accounts: Iterable[OpenedAccount]) -> list[dict[str, Any]]:
    """Return what a record says of the accounts that it opens, by number, so that order tells nothing else."""
    return [
        {name: value for name, value in account._asdict().items() if value not in ("", None)}
        for account in sorted(accounts)
    ]


def pot_floor(pot: NewPot) -> int | None:
    """Return the floor of a new pot: nobody promises money that is not there, hours may be asked first."""
    if pot.floor is None and pot.unit != MINUTES:
        return 0
    return pot.floor


def numbers(things: Sequence[NewPot] | Sequence[NewHeldPlace]) -> list[int]:
    """Return the public number of each pot or place: the first of its unit (and kind) is 1."""
    seen: dict[tuple[str, str], int] = {}
    result = []
    for thing in things:
        key = (thing.unit, thing.kind if isinstance(thing, NewHeldPlace) else "")
        seen[key] = seen.get(key, 0) + 1
        result.append(seen[key])
    return result


def published_terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms as they are hashed: what is not limited is left out, never null."""
    return {name: value for name, value in terms.items() if value is not None}


def check_people(people: int, preset: str) -> None:
    """Refuse fewer people behind a figure than the preset asks for; 0 stands for as many as that.

    Raises:
        FieldInvalid: It is too few, too many, or *open* was chosen, where nobody is counted.
    """
    least = PEOPLE_LEAST[preset]
    if people and not least <= people <= (PEOPLE_MAX if least else 0):
        raise FieldInvalid(field="people", why=NOT_PEOPLE)


def _check_ways(group: NewGroup) -> None:
    for field_name, value, known in (
        ("rounding_minutes", group.rounding_minutes, ROUNDING_STEPS),
        ("words", group.words, WORDS),
        ("joining", group.joining, JOINING),
    ):
        if value not in known:
            raise FieldInvalid(field=field_name, why=NOT_KNOWN)
    if not 1 <= group.confirm_days <= CONFIRM_DAYS_MAX:
        raise FieldInvalid(field="confirm_days", why=NOT_DAYS)


def _check_list(values: Sequence[str], *, field: str, least: int = 1) -> None:
    if len(values) < least:
        raise FieldInvalid(field=field, why=TOO_FEW)
    if len(values) > LIST_MAX:
        raise FieldInvalid(field=field, why=TOO_MANY)
    if len(set(values)) != len(values):
        raise FieldInvalid(field=field, why=TWICE)


def _check_pot(pot: NewPot, currencies: Sequence[str]) -> None:
    code(pot.code, field="pots", length_max=CODE_MAX)
    if pot.unit != MINUTES and pot.unit not in currencies:
        raise FieldInvalid(field="pots", why=NOT_KNOWN)
    if pot.unit != MINUTES and pot.floor is not None and pot.floor < 0:
        raise FieldInvalid(field="pots", why=NOT_FOR_THIS_UNIT)
    try:
        check_terms(pot.terms, pot.unit)
    except PolicyInvalid as fault:
        raise FieldInvalid(field="pots", why=NOT_TERMS) from fault


def _check_held_place(place: NewHeldPlace, currencies: Sequence[str]) -> None:
    code(place.code, field="held_places", length_max=CODE_MAX)
    if place.kind not in HELD_KINDS or place.unit not in currencies:
        raise FieldInvalid(field="held_places", why=NOT_KNOWN)
