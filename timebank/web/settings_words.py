"""Settings in words: what each is called, and what it says, for the form, its preview and the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from timebank.errors import N_
from timebank.i18n import Language, language, language_codes
from timebank.services.setup import ROUNDINGS
from timebank.web.words import category_in_words, pot_in_words

#: What each setting is called, in the order of the form.
NAMES: Final[Mapping[str, str]] = {
    "name": N_("Name"),
    "languages": N_("Languages"),
    "time_zone": N_("Time zone"),
    "words": N_("What you share is called"),
    "categories": N_("Kinds of help"),
    "categories_retired": N_("Kinds of help of before"),
    "rounding_minutes": N_("Rounding"),
    "rounding_up": N_("Rounded up"),
    "confirm_days": N_("Days until silence is a yes"),
    "joining": N_("Joining"),
    "member_list": N_("Members see a list of each other"),
    "preset": N_("What everybody may see"),
    "people": N_("Different people behind what is shown"),
    "gifts_wait": N_("Single gifts of money wait for others"),
}
JOINING: Final[Mapping[str, str]] = {
    "invitation": N_("by invitation"),
    "request": N_("by invitation, or by asking"),
}
PRESETS: Final[Mapping[str, str]] = {
    "careful": N_("week by week"),
    "sheltered": N_("month by month, totals only"),
    "open": N_("day by day"),
}
YES_NO: Final[Mapping[bool, str]] = {True: N_("yes"), False: N_("no")}


def setting_in_words(name: str, value: Any, chosen: Language) -> str:
    """Return what one setting says."""
    if isinstance(value, bool):
        return chosen.say(YES_NO[value])
    if name == "languages":
        return chosen.listed(language(code).name if code in language_codes() else code for code in value)
    if name in {"categories", "categories_retired"}:
        return chosen.listed(category_in_words(each, chosen) for each in value)
    if name == "rounding_minutes":
        return chosen.say(N_("not at all")) if value == 1 else chosen.hours(value)
    for known, words in (("joining", JOINING), ("preset", PRESETS)):
        if name == known and value in words:
            return chosen.say(words[value])
    if name == "words":
        return pot_in_words(value, chosen)
    if name == "time_zone":
        return str(value).replace("_", " ")
    return chosen.number(value) if isinstance(value, int) else str(value)


def rounding_of(minutes: int, *, up: bool) -> str:
    """Return the choice that stands for a rounding, or one made of its minutes where the form has none."""
    return next(
        (name for name, said in ROUNDINGS.items() if said == (minutes, up and minutes != 1)),
        f"{minutes}-up" if up else str(minutes),
    )
