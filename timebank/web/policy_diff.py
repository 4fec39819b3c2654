"""What is different between two versions of a pot's rules: sentence by sentence, and field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from timebank.errors import N_
from timebank.i18n import Language

if TYPE_CHECKING:
    from timebank.web.words import Amounts

_MISSING = "–"
#: Which fields are amounts of the pot; the others are numbers of people, days or months, or words.
_AMOUNTS: Final = re.compile(
    r"(per_request_max|reserve|receipts_above|limit\.at|surplus\.(above|keep)|approvals\[\d+\]\.above|caps\[\d+\]\.sum)"
)


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


def fields_diff(
    before: Mapping[str, Any], after: Mapping[str, Any], amounts: Amounts
) -> tuple[FieldDiff, ...]:
    """Return every field that is different, by its path in the terms; amounts as people write them."""
    was, now = dict(_said(before, amounts)), dict(_said(after, amounts))
    return tuple(
        FieldDiff(path, was.get(path, _MISSING), now.get(path, _MISSING))
        for path in sorted({*was, *now})
        if was.get(path) != now.get(path)
    )


def _said(terms: Mapping[str, Any], amounts: Amounts) -> Iterator[tuple[str, str]]:
    for path, value in _flat(terms):
        yield path, amounts.words(int(value)) if _AMOUNTS.fullmatch(path) else value


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _flat(each, f"{path}[{place}]")
    elif value is not None:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)
