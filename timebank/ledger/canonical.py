"""Canonical bytes of records: RFC 8785 JSON, without floats and null, every text in NFC.

The bytes of what is written never change again; docs/proofs.md has them one by one.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from timebank.ledger.entries import Draft, Entry, EntryKind, Transfer
from timebank.ledger.units import TOTAL_MAX

Value = bool | int | str | list["Value"] | tuple["Value", ...] | dict[str, "Value"]

RECORD_VERSION: Final = 1


class NotCanonical(ValueError):
    """A value has no canonical form, or bytes are not in it."""


# Python's own escapes are those of RFC 8785: short forms where JSON has them, else \u00xx.
_escape = json.JSONEncoder(ensure_ascii=False).encode


def canonical(value: object) -> bytes:
    """Return the one form in which a value is written.

    Args:
        value: Objects (``dict`` with ``str`` keys), arrays (``list`` or ``tuple``), ``str``,
            ``bool`` and ``int`` within +-(2^53 - 1), nested at will.

    Raises:
        NotCanonical: Anything else is in it, such as a float, None or half a surrogate pair, or
            two keys of an object are the same text.
    """
    try:
        return _text_of(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("text with half a surrogate pair") from error


def _text_of(value: object) -> str:
    if isinstance(value, str):
        return _escape(unicodedata.normalize("NFC", value))
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        if not -TOTAL_MAX <= value <= TOTAL_MAX:
            raise NotCanonical(f"{value} is beyond 2^53 - 1")
        return int.__repr__(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text_of, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(_members_of(value)) + "}"
    raise NotCanonical(f"no {type(value).__name__} in a record")


def _members_of(value: Mapping[object, object]) -> list[str]:
    members: dict[str, str] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise NotCanonical(f"{key!r} is no key")
        key = unicodedata.normalize("NFC", key)
        if key in members:
            raise NotCanonical(f"two keys {key!r}")
        members[key] = _escape(key) + ":" + _text_of(item)
    return [members[key] for key in sorted(members, key=utf16)]


def utf16(text: str) -> bytes:
    """Return what keys are sorted by: their UTF-16 code units, which is not the order of code points."""
    return text.encode("utf-16-be")


def parse(data: bytes) -> Value:
    """Read canonical bytes.

    Raises:
        NotCanonical: They are not JSON, or not in its canonical form.
    """
    try:
        value: Value = json.loads(data.decode())
        again = canonical(value)
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not JSON: {error}") from error
    # Two equal keys, another order, an escape that was not needed: it comes out different.
    if again != data:
        raise NotCanonical("another order, spacing or spelling than the canonical one")
    return value


# ---------------------------------------------------------------- records of entries


def record_object(entry: Entry) -> dict[str, Value]:
    """Return what is written of an entry; ``entry_record`` is ``canonical`` of this, only faster."""
    draft = entry.draft
    record: dict[str, Value] = {
        "actor": draft.actor,
        "effective_on": draft.effective_on.isoformat(),
        "id": str(draft.entry_id),
        "kind": str(draft.kind),
        "recorded_at": moment(entry.recorded_at),
        "source": draft.source,
        "transfers": [
            {"amount": t.amount, "credit": t.credit, "debit": t.debit, "unit": t.unit}
            for t in draft.transfers
        ],
        "v": RECORD_VERSION,
    }
    if draft.category:
        record["category"] = draft.category
    if draft.draw_id is not None:
        record["draw"] = str(draft.draw_id)
    if draft.facts_hash:
        record["facts_hash"] = draft.facts_hash
    if draft.links:
        record["links"] = dict(draft.links)
        assert len(dict(draft.links)) == len(draft.links), draft.links
    if draft.note_hash:
        record["note_hash"] = draft.note_hash
    if draft.reversal_legs:
        record["reversal_legs"] = draft.reversal_legs
    if draft.reverses is not None:
        record["reverses"] = str(draft.reverses)
    return record


def entry_record(entry: Entry) -> bytes:
    """Return the canonical bytes of an entry's record.

    Raises:
        NotCanonical: A text in it has half a surrogate pair.
    """
    # Members stand in the order of their names; taking the draft apart at once is the fast way.
    (entry_id, kind, source, transfers, effective_on, actor, category, links, note_hash, facts_hash, draw_id,
        reverses, reversal_legs) = entry.draft  # fmt: skip
    head = f'{{"actor":{actor}'
    if category:
        head += f',"category":{quoted(category)}'
    if draw_id is not None:
        head += f',"draw":"{uuid_text(draw_id)}"'
    head += f',"effective_on":"{effective_on.isoformat()}"'
    if facts_hash:
        head += f',"facts_hash":{_escape(facts_hash)}'
    head += f',"id":"{uuid_text(entry_id)}","kind":{quoted(kind)}'
    if links:
        head += f',"links":{_links(links)}'
    if note_hash:
        head += f',"note_hash":{_escape(note_hash)}'
    head += f',"recorded_at":"{moment(entry.recorded_at)}"'
    if reversal_legs:
        head += f',"reversal_legs":{reversal_legs}'
    if reverses is not None:
        head += f',"reverses":"{uuid_text(reverses)}"'
    moved = ",".join(
        [
            f'{{"amount":{amount},"credit":{credit},"debit":{debit},"unit":{quoted(unit)}}}'
            for unit, debit, credit, amount in transfers
        ]
    )
    return f'{head},"source":{quoted(source)},"transfers":[{moved}],"v":1}}'.encode()


def uuid_text(value: UUID) -> str:
    """Return what ``str`` does, in half the time."""
    if type(value) is not UUID:
        return str(value)
    digits = f"{value.int:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=4096)
def quoted(text: str) -> str:
    """Return the canonical form of a text that comes again and again, such as a unit or a category."""
    return canonical(text).decode()


def _links(links: tuple[tuple[str, str], ...]) -> str:
    if len(links) == 1:
        name, value = links[0]
        return f"{{{quoted(name)}:{_id_text(value)}}}"
    assert len(dict(links)) == len(links), links
    return _text_of(dict(links))


def _id_text(value: str) -> str:
    return _escape(value if value.isascii() else unicodedata.normalize("NFC", value))


def moment(at: datetime) -> str:
    """Return an aware moment as records have it: UTC, six digits after the second, ``Z``."""
    assert at.tzinfo is not None, at
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    # isoformat asks the time zone first and takes twice as long.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.microsecond,
    )


def read_moment(text: str) -> datetime:
    """Read what ``moment`` wrote.

    Raises:
        NotCanonical: It is not in that form.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotCanonical(f"{text!r} is no moment") from error
    if at.tzinfo is None or moment(at) != text:
        raise NotCanonical(f"{text!r} is no moment in UTC with microseconds")
    return at.astimezone(UTC)


def read_entry(record: bytes) -> tuple[Draft, datetime]:
    """Read an entry's record: what was drafted, and when it was recorded.

    Raises:
        NotCanonical: The bytes are not the record of an entry.
    """
    try:
        fields = json.loads(record)
        draft = _draft_of(fields)
        recorded_at = read_moment(fields["recorded_at"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotCanonical(f"not the record of an entry: {error}") from error
    if entry_record(Entry(0, draft, recorded_at, (), None)) != record:
        raise NotCanonical("not the canonical record of an entry")
    return draft, recorded_at


def _draft_of(fields: dict[str, Any]) -> Draft:
    # What is left over, or stands there as another type, comes out differently when written
    # again; only where a number or a nested text is put in as it is, its type is looked at.
    get = fields.get
    draw, reverses = get("draw"), get("reverses")
    return Draft(
        entry_id=UUID(str(fields["id"])),
        kind=EntryKind(str(fields["kind"])),
        source=str(fields["source"]),
        transfers=tuple(
            Transfer(_string(t["unit"]), _number(t["debit"]), _number(t["credit"]), _number(t["amount"]))
            for t in fields["transfers"]
        ),
        effective_on=date.fromisoformat(str(fields["effective_on"])),
        actor=_number(fields["actor"]),
        category=str(get("category", "")),
        links=tuple(sorted((name, _string(value)) for name, value in get("links", {}).items())),
        note_hash=str(get("note_hash", "")),
        facts_hash=str(get("facts_hash", "")),
        draw_id=None if draw is None else UUID(str(draw)),
        reverses=None if reverses is None else UUID(str(reverses)),
        reversal_legs=_number(get("reversal_legs", 0)),
    )


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= TOTAL_MAX:
        raise NotCanonical(f"{value!r} is no number of a record")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise NotCanonical(f"{value!r} is no text of a record")
    return value


# ---------------------------------------------------------------- other records


def other_record(kind: str, recorded_at: datetime, actor: int, fields: Mapping[str, Value]) -> bytes:
    """Return the canonical bytes of a record that moves nothing.

    Args:
        kind: What happened, such as ``"policy"``; never the kind of an entry.
        recorded_at: When it is written, aware UTC.
        actor: Account number of who wrote it; 0 for the program itself.
        fields: What there is to say; may not name ``actor``, ``kind``, ``recorded_at`` or ``v``.

    Raises:
        NotCanonical: ``fields`` has a value that no record has.
    """
    assert kind not in frozenset(EntryKind), kind
    assert not fields.keys() & {"actor", "kind", "recorded_at", "v"}, fields
    own: dict[str, Value] = {
        "actor": actor,
        "kind": kind,
        "recorded_at": moment(recorded_at),
        "v": RECORD_VERSION,
    }
    return canonical(own | dict(fields))
