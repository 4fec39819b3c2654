"""What a group says about itself over time: what may be changed, and what a change comes to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from timebank.errors import N_, FieldInvalid, Refusal
from timebank.ledger.cosignatures import COSIGNATURE
from timebank.ledger.notes import NotANote, read_verifier_key
from timebank.rules.names import plain_text
from timebank.rules.readiness import Way
from timebank.rules.set_up import (
    CATEGORY_MAX,
    CONFIRM_DAYS_MAX,
    JOINING,
    LANGUAGE,
    LIST_MAX,
    NAME_MAX,
    NOT_A_LANGUAGE,
    NOT_DAYS,
    NOT_KNOWN,
    PRESETS,
    ROUNDING_STEPS,
    TOO_FEW,
    TOO_MANY,
    TWICE,
    WORDS,
    check_people,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NOT_IN_USE: Final = N_("it is not in use")
NOTHING: Final = N_("nothing is to be changed")
NOT_A_KEY: Final = N_("it is no key that cosigns")
NAME_TAKEN: Final = N_("somebody else has a key of this name")
KEY_TAKEN: Final = N_("this key is taken already")

WITNESSES_MAX: Final = 20
COSIGNER_NAME_MAX: Final = 200
COSIGNER_KEY_MAX: Final = 400


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be changed of a group after set-up.

    Attributes:
        time_zone: IANA name; another one begins with the next day.
        categories: What help can be for.
        categories_retired: What it could be for once; entries keep it, and it can come back.
        rounding_minutes, rounding_up: Hours are rounded to so many minutes (1 is not at all), up or to the nearest.
        confirm_days: Days of silence that are a yes.
        words: What people here call the pot: pot, pool, hat, kitty.
        member_list: Whether members see a list of each other.
        joining: invitation, or request for both.
        preset, people, gifts_wait: How it publishes; another way begins with the next period. See Way.
        witnesses: Verifier keys of those whose cosignatures are taken; none for those of the host.
    """

    name: str
    languages: tuple[str, ...]
    time_zone: str
    categories: tuple[str, ...]
    categories_retired: tuple[str, ...]
    rounding_minutes: int
    rounding_up: bool
    confirm_days: int
    words: str
    preset: str
    member_list: bool
    joining: str
    people: int = 0
    gifts_wait: bool = False
    witnesses: tuple[str, ...] = ()

    @property
    def way(self) -> Way:
        """How it publishes."""
        return Way(self.preset, self.people, self.gifts_wait)

    def as_json(self) -> dict[str, Any]:
        """Return every setting by name, as the history keeps it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


class Change(NamedTuple):
    """What is to be different; None leaves a setting as it is."""

    name: str | None = None
    languages: tuple[str, ...] | None = None
    time_zone: str | None = None
    categories_add: tuple[str, ...] = ()
    categories_retire: tuple[str, ...] = ()
    rounding_minutes: int | None = None
    rounding_up: bool | None = None
    confirm_days: int | None = None
    words: str | None = None
    preset: str | None = None
    member_list: bool | None = None
    joining: str | None = None
    people: int | None = None
    gifts_wait: bool | None = None
    witnesses: tuple[str, ...] | None = None


def change_settings(
    settings: Settings, change: Change, *, time_zones_known: Collection[str]
) -> tuple[Settings, list[Refusal]]:
    """Return the settings as they are wanted, and everything that is wrong with that; then they do not count."""
    faults: list[Refusal] = []

    def checked(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return check()
        except Refusal as refusal:
            faults.append(refusal)
            return {}

    wanted = {
        **checked(lambda: _name(change)),
        **checked(lambda: _languages(change)),
        **checked(lambda: _categories(settings, change)),
        **checked(lambda: _one_of(change.time_zone, time_zones_known, "time_zone")),
        **checked(lambda: _one_of(change.rounding_minutes, ROUNDING_STEPS, "rounding_minutes")),
        **checked(lambda: _confirm_days(change)),
        **checked(lambda: _one_of(change.words, WORDS, "words")),
        **checked(lambda: _one_of(change.joining, JOINING, "joining")),
        **checked(lambda: _way(settings, change)),
        **checked(lambda: _witnesses(change)),
    }
    for name in ("rounding_up", "member_list"):
        value = getattr(change, name)
        if value is not None:
            wanted[name] = value
    return replace(settings, **wanted), faults


def difference(before: Settings, after: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was and what is, of the settings that are different only."""
    was, now = before.as_json(), after.as_json()
    names = [name for name in was if was[name] != now[name]]
    return {name: was[name] for name in names}, {name: now[name] for name in names}


def _name(change: Change) -> dict[str, Any]:
    if change.name is None:
        return {}
    return {"name": plain_text(change.name, field="name", length_max=NAME_MAX)}


def _languages(change: Change) -> dict[str, Any]:
    if change.languages is None:
        return {}
    _check_list(change.languages, field="languages")
    if not all(LANGUAGE.fullmatch(language) for language in change.languages):
        raise FieldInvalid(field="languages", why=NOT_A_LANGUAGE)
    return {"languages": tuple(change.languages)}


def _categories(settings: Settings, change: Change) -> dict[str, Any]:
    add = [plain_text(c, field="categories_add", length_max=CATEGORY_MAX) for c in change.categories_add]
    retire = list(change.categories_retire)
    if set(add) & set(settings.categories) or len(set(add)) != len(add):
        raise FieldInvalid(field="categories_add", why=TWICE)
    if not set(retire) <= set(settings.categories):
        raise FieldInvalid(field="categories_retire", why=NOT_IN_USE)
    if len(set(retire)) != len(retire):
        raise FieldInvalid(field="categories_retire", why=TWICE)
    kept = tuple(c for c in settings.categories if c not in retire) + tuple(add)
    _check_list(kept, field="categories_retire" if not kept else "categories_add")
    # What was used stays known, so that its entries keep their word and it can come back.
    retired = tuple(c for c in settings.categories_retired if c not in add) + tuple(retire)
    return {"categories": kept, "categories_retired": retired}


def _confirm_days(change: Change) -> dict[str, Any]:
    if change.confirm_days is None:
        return {}
    if not 1 <= change.confirm_days <= CONFIRM_DAYS_MAX:
        raise FieldInvalid(field="confirm_days", why=NOT_DAYS)
    return {"confirm_days": change.confirm_days}


def _way(settings: Settings, change: Change) -> dict[str, Any]:
    if change.preset is None and change.people is None and change.gifts_wait is None:
        return {}
    preset = settings.preset if change.preset is None else change.preset
    if preset not in PRESETS:
        raise FieldInvalid(field="preset", why=NOT_KNOWN)
    # Another preset begins with what it asks for, unless somebody says more.
    kept = settings.way if preset == settings.preset else Way(preset, 0, gifts_wait=False)
    people = kept.people if change.people is None else change.people
    check_people(people, preset)
    gifts_wait = kept.gifts_wait if change.gifts_wait is None else change.gifts_wait
    return Way.of(preset, people=people, gifts_wait=gifts_wait)._asdict()


def _witnesses(change: Change) -> dict[str, Any]:
    if change.witnesses is None:
        return {}
    if len(change.witnesses) > WITNESSES_MAX:
        raise FieldInvalid(field="witnesses", why=TOO_MANY)
    for key in change.witnesses:
        cosigner_name(key, field="witnesses")
    # One witness of two names would count as two.
    if any(taken(key, change.witnesses[:place]) for place, key in enumerate(change.witnesses)):
        raise FieldInvalid(field="witnesses", why=TWICE)
    return {"witnesses": tuple(change.witnesses)}


def cosigner_name(key: str, *, field: str) -> str:
    """Return the name of a verifier key of somebody who cosigns checkpoints.

    Raises:
        FieldInvalid: It is none.
    """
    try:
        name = read_verifier_key(key, COSIGNATURE)[0]
    except NotANote as error:
        raise FieldInvalid(field=field, why=NOT_A_KEY) from error
    if len(name) > COSIGNER_NAME_MAX or len(key) > COSIGNER_KEY_MAX:
        raise FieldInvalid(field=field, why=NOT_A_KEY)
    return name


def refuse_taken(key: str, others: Iterable[str], *, field: str) -> None:
    """Refuse a key of which others have the name or the secret: what one of them says would count as another's word.

    Args:
        key, others: Verifier keys that ``cosigner_name`` knows.

    Raises:
        FieldInvalid: One of them has.
    """
    cosigner_name(key, field=field)
    if why := taken(key, others):
        raise FieldInvalid(field=field, why=why)


def taken(key: str, others: Iterable[str]) -> str:
    """Return what others have of a verifier key, its name or its secret; empty if none of them has either."""
    name, _, public = read_verifier_key(key, COSIGNATURE)
    for other in others:
        its_name, _, its_public = read_verifier_key(other, COSIGNATURE)
        if its_name == name:
            return NAME_TAKEN
        # A signature says nothing of the name that stands before it, so the name alone tells nobody apart.
        if its_public == public:
            return KEY_TAKEN
    return ""


def _one_of(value: Any, known: Collection[Any], field: str) -> dict[str, Any]:
    if value is None:
        return {}
    if value not in known:
        raise FieldInvalid(field=field, why=NOT_KNOWN)
    return {field: value}


def _check_list(values: Sequence[str], *, field: str) -> None:
    if not values:
        raise FieldInvalid(field=field, why=TOO_FEW)
    if len(values) > LIST_MAX:
        raise FieldInvalid(field=field, why=TOO_MANY)
    if len(set(values)) != len(values):
        raise FieldInvalid(field=field, why=TWICE)
