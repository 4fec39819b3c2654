"""What is different between two versions of a pot's rules: sentence by sentence, and field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from timebank.errors import N_
from timebank.i18n import Language

_MISSING = "–"


class DiffLine(NamedTuple):
    """A rule as it stays, comes or goes: mark, what becomes of it (empty where it stays), and the sentence."""

    mark: str
    verdict: str
    text: str


class FieldDiff(NamedTuple):
    """A field of the terms that is different, with what it said and says."""

    path: str
    was: str
    now: str


def words_diff(before: Sequence[str], after: Sequence[str], language: Language) -> tuple[DiffLine, ...]:
    """Return the rules of both versions in one list, in the order of the newer one."""
    new, gone = language.say(N_("New.")), language.say(N_("No longer."))
    lines: list[DiffLine] = []
    for what, from_old, to_old, from_new, to_new in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if what == "equal":
            lines += (DiffLine("solid", "", text) for text in after[from_new:to_new])
            continue
        lines += (DiffLine("hollow", gone, text) for text in before[from_old:to_old])
        lines += (DiffLine("hatched", new, text) for text in after[from_new:to_new])
    return tuple(lines)


def fields_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldDiff, ...]:
    """Return every field that is different, by its path in the terms."""
    was, now = dict(_flat(before)), dict(_flat(after))
    return tuple(
        FieldDiff(path, was.get(path, _MISSING), now.get(path, _MISSING))
        for path in sorted({*was, *now})
        if was.get(path) != now.get(path)
    )


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _flat(each, f"{path}[{place}]")
    elif value is not None:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)
