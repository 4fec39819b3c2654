"""The leaves of the public log: what anyone may read of a book, as bytes that never change; docs/proofs.md has them.

Nothing here knows a person: a leaf is a commitment, and what the group's preset shows beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, NamedTuple

from timebank.ledger.canonical import NotCanonical, canonical, quoted
from timebank.ledger.cosignatures import COSIGNATURE
from timebank.ledger.entries import EntryKind
from timebank.ledger.notes import ED25519, NotANote, read_verifier_key
from timebank.ledger.tree import HASH_BYTES
from timebank.ledger.units import TOTAL_MAX

LEAF_VERSION: Final = 1
LEAF_BYTES_MAX: Final = 65_535
"""What the length in an entry bundle can say."""

OPEN: Final = "open"
CAREFUL: Final = "careful"
SHELTERED: Final = "sheltered"
PADDED_TO: Final[Mapping[str, int]] = {OPEN: 16, CAREFUL: 16, SHELTERED: 64}
"""By preset: the sorted leaves of a period are as many as a multiple of this, once at least."""

KEY_REASONS: Final = frozenset({"rotation", "moved", "lost", "stolen"})
NEEDS_RECOVERY: Final = frozenset({"lost", "stolen"})
"""Reasons for a new key that the old one cannot give: whoever has it could be anybody."""

CHECKPOINT_PATH: Final = "checkpoint"
COSIGNATURES_PATH: Final = "cosignatures"

_PADDING: Final = b"timebank/padding/1\0"
_NEW_KEY: Final = b"timebank/key/1\0"
OTHER: Final = "other"
"""Kind of a line whose own kind would tell of too few people; *careful* only."""

_KINDS: Final = frozenset({*(str(kind) for kind in EntryKind), OTHER})
_POT: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]*", re.ASCII)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_RECORD_LEAF: Final = re.compile(rb'\{"commitment":"([0-9a-f]{64})","v":1\}')


VerifyWith = Callable[[bytes, bytes, bytes], bool]
"""Says whether, under the Ed25519 key given first, the second is a signature of the third."""


class NotALeaf(ValueError):
    """Bytes are not a leaf of the public log, or a leaf has no bytes: too long, or out of its bounds."""


# ---------------------------------------------------------------- what leaves are


class PotUnit(NamedTuple):
    """A pot by its code, and the code of its unit."""

    pot: str
    unit: str


class LogUnit(NamedTuple):
    """A unit: code, digits after the point when shown, and ``time`` or ``money``."""

    code: str
    digits: int
    kind: str


class Change(NamedTuple):
    """What one step did to one pot: added to what is free to ask for, and to what is promised."""

    pot: str
    unit: str
    available: int
    promised: int


class GenesisLeaf(NamedTuple):
    """The first leaf of every public log, and only that.

    Attributes:
        commitment: Of the book's first record.
        origin: Name of the log for ever, which is also the name of its key.
        book: The book id, 16 bytes.
        units, pots: As the book has them when the log begins, sorted by code.
        preset: What was shown when the log began; each closing says its own.
        log_key: Verifier key of the log's checkpoints; ``key`` leaves can follow.
        live_key: Verifier key of receipts.
        recovery: SHA-256 of the recovery key, which is kept on paper.
    """

    commitment: bytes
    origin: str
    book: bytes
    units: tuple[LogUnit, ...]
    pots: tuple[PotUnit, ...]
    preset: str
    log_key: str
    live_key: str
    recovery: bytes


class RecordLeaf(NamedTuple):
    """A record of which nothing is shown; padding looks the same."""

    commitment: bytes


class LineLeaf(NamedTuple):
    """An entry as *open* and *careful* show it.

    Attributes:
        kind: One of the kinds of entries, or ``OTHER``.
        changes: One for each step that touches a pot, in the order of the steps, none of them nought.
        category: *open* only; one of the group's words or ``""``.
        day: *open* only: the day it happened; None under *careful*.
    """

    commitment: bytes
    kind: str
    changes: tuple[Change, ...]
    category: str = ""
    day: date | None = None


class KeyLeaf(NamedTuple):
    """A new key, introduced by the old one or by the recovery key.

    Attributes:
        old, new: Verifier keys of the same name: the origin for the log's key, ``<origin>/live``
            for that of receipts. A period has at most one for each; it counts from its end on.
        reason: One of ``KEY_REASONS``.
        signature: Ed25519 over ``key_message``, by the recovery key where ``recovery`` has one.
        recovery: The 32 bytes of the recovery key that signed; empty when the old key signed.
        recovery_next: SHA-256 of the recovery key from now on; empty while it stays the same.
    """

    commitment: bytes
    old: str
    new: str
    reason: str
    signature: bytes
    recovery: bytes = b""
    recovery_next: bytes = b""


class PolicyLeaf(NamedTuple):
    """A version of a pot's rules; ``text_hash`` is SHA-256 of the published text."""

    commitment: bytes
    pot: str
    version: int
    text_hash: bytes


class RestoredLeaf(NamedTuple):
    """The book was restored from a backup, and says so.

    Attributes:
        epoch: From now on; the first book has epoch 1.
        live_old: SHA-256 of the last live checkpoint (the whole signed note) known from before.
        live_new: SHA-256 of the live checkpoint that the restored book goes on from.
        lost: How many published commitments have no record any more.
    """

    commitment: bytes
    epoch: int
    live_old: bytes
    live_new: bytes
    lost: int


class Parts(NamedTuple):
    """A pot's balance as *open* and *careful* show it."""

    available: int
    promised: int

    @property
    def total(self) -> int:
        """Both together: what *sheltered* shows."""
        return self.available + self.promised


Figure = Parts | int
"""A balance: in parts, or under *sheltered* their sum."""


class KindFigures(NamedTuple):
    """What came in and went out with one kind of entry, and how many lines of the period are of it."""

    kind: str
    came_in: int
    went_out: int
    lines: int


class PotFigures(NamedTuple):
    """What a closing says of one pot.

    Attributes:
        opening, closing: Balances; parts, or under *sheltered* their sum.
        came_in, went_out: Over all lines of the period, 0 and up.
        kinds: The same by kind, sorted by kind; empty under *sheltered*.
        waited: What waited until the long stop and is published as this one total, without
            lines; None where nothing did.
        lost: What published records that a restore lost had moved, taken out again as one total; None
            where nothing was lost. Only beside a ``restored`` leaf that says how many they are.
    """

    pot: str
    unit: str
    opening: Figure
    closing: Figure
    came_in: int
    went_out: int
    kinds: tuple[KindFigures, ...] = ()
    waited: Figure | None = None
    lost: Figure | None = None


class Held(NamedTuple):
    """Money of one currency in all places together, as far as balances of pots are published."""

    unit: str
    amount: int


class PolicyVersion(NamedTuple):
    """The version of a pot's rules that was in force at the end of a period."""

    pot: str
    version: int


class ClosingLeaf(NamedTuple):
    """The last leaf of a period.

    Attributes:
        commitment: Of the record of the closing.
        period: 1, 2, 3... without gaps.
        first_day, last_day: Both included; periods follow each other without gaps.
        preset: What this period shows, and how it is padded.
        pots: Every pot there is, sorted by code.
        held: By unit, sorted; money only.
        policies: Sorted by pot.
        live: SHA-256 of the live checkpoint (the whole signed note) at the close.
        auditors: Verifier keys of auditors who cosign, sorted.
    """

    commitment: bytes
    period: int
    first_day: date
    last_day: date
    preset: str
    pots: tuple[PotFigures, ...]
    held: tuple[Held, ...]
    policies: tuple[PolicyVersion, ...]
    live: bytes
    auditors: tuple[str, ...] = ()


PeriodLeaf = RecordLeaf | LineLeaf | KeyLeaf | PolicyLeaf | RestoredLeaf
"""Leaves that are sorted within their period."""

Leaf = GenesisLeaf | PeriodLeaf | ClosingLeaf


# ---------------------------------------------------------------- a period


def padding_commitment(salt: bytes) -> bytes:
    """Return the commitment of a padding leaf; its salt of 32 random bytes stands in the closing record."""
    assert len(salt) == 32, len(salt)
    return sha256(_PADDING + salt).digest()


def padding_needed(leaves: int, preset: str) -> int:
    """Return how many padding leaves a period with so many others needs; a block at least is full."""
    block = PADDED_TO[preset]
    return block - leaves if leaves < block else -leaves % block


def sorted_leaves(leaves: Iterable[PeriodLeaf], salts: Sequence[bytes]) -> list[PeriodLeaf]:
    """Return a period's leaves as they stand in the log: padding among them, sorted by commitment.

    Args:
        leaves: One for each record of the period, but that of its closing.
        salts: ``padding_needed`` of them, random.
    """
    padding = (RecordLeaf(padding_commitment(salt)) for salt in salts)
    return sorted((*leaves, *padding), key=lambda leaf: leaf.commitment)


def policy_path(pot: str, version: int) -> str:
    """Return where a log serves the published text of a policy, beside its tiles."""
    return f"policies/{pot}/{version}"


# ---------------------------------------------------------------- new keys


def key_message(book: bytes, leaf: KeyLeaf) -> bytes:
    """Return what the old key, or the recovery key, signs to introduce a new one."""
    said: dict[str, object] = {"new": leaf.new, "old": leaf.old, "reason": leaf.reason}
    if leaf.recovery:
        said["recovery"] = leaf.recovery.hex()
    if leaf.recovery_next:
        said["recovery_next"] = leaf.recovery_next.hex()
    return _NEW_KEY + book + canonical(said)


class LogKeys(NamedTuple):
    """Which keys a log has at some size: verifier keys, and the hash of the recovery key."""

    book: bytes
    log_key: str
    live_key: str
    recovery: bytes


def keys_of(genesis: GenesisLeaf) -> LogKeys:
    """Return the keys that a log begins with."""
    return LogKeys(genesis.book, genesis.log_key, genesis.live_key, genesis.recovery)


def keys_after(keys: LogKeys, leaf: KeyLeaf, verify: VerifyWith) -> LogKeys:
    """Return the keys from a ``key`` leaf on.

    Args:
        keys: Those before it.
        verify: Verifies Ed25519.

    Raises:
        NotALeaf: The old key is not one of the log's, or nobody who may has signed.
    """
    if leaf.old not in (keys.log_key, keys.live_key):
        raise NotALeaf("the old key is not a key of this log")
    if leaf.recovery:
        if sha256(leaf.recovery).digest() != keys.recovery:
            raise NotALeaf("the recovery key is not the one whose hash the log has")
        signer = leaf.recovery
    else:
        signer = read_verifier_key(leaf.old)[2]
    if not verify(signer, leaf.signature, key_message(keys.book, leaf)):
        raise NotALeaf("the new key is not signed by the key that introduces it")
    return LogKeys(
        book=keys.book,
        log_key=leaf.new if leaf.old == keys.log_key else keys.log_key,
        live_key=leaf.new if leaf.old == keys.live_key else keys.live_key,
        recovery=leaf.recovery_next or keys.recovery,
    )


# ---------------------------------------------------------------- bytes


def leaf_bytes(leaf: Leaf) -> bytes:
    """Return the one form in which a leaf is written.

    Raises:
        NotALeaf: It is longer than ``LEAF_BYTES_MAX``, or has a text or number that no leaf has.
    """
    if type(leaf) is RecordLeaf:
        return b'{"commitment":"%s","v":1}' % leaf.commitment.hex().encode()
    try:
        data = _line_text(leaf).encode() if type(leaf) is LineLeaf else canonical(_object_of(leaf))
    except NotCanonical as error:
        raise NotALeaf(str(error)) from error
    if len(data) > LEAF_BYTES_MAX:
        raise NotALeaf(f"a leaf of {len(data)} bytes is too long")
    return data


def _line_text(leaf: LineLeaf) -> str:
    # Most leaves of a busy group are lines: written at once, in the order of their keys.
    changes = ",".join(map(_change_text, leaf.changes))
    head = f'{{"category":{quoted(leaf.category)},' if leaf.category else "{"
    day = f'"day":"{leaf.day.isoformat()}",' if leaf.day else ""
    return f'{head}"changes":[{changes}],"commitment":"{leaf.commitment.hex()}",{day}"kind":"{leaf.kind}","v":1}}'


def _change_text(change: Change) -> str:
    pot, unit, available, promised = change
    first = f'"available":{available},' if available else ""
    second = f'"promised":{promised},' if promised else ""
    return f'{{{first}"pot":{quoted(pot)},{second}"unit":{quoted(unit)}}}'


def _object_of(leaf: Leaf) -> dict[str, object]:
    said: dict[str, object] = {"commitment": leaf.commitment.hex(), "v": LEAF_VERSION}
    if isinstance(leaf, GenesisLeaf):
        said |= _genesis_object(leaf)
    elif isinstance(leaf, KeyLeaf):
        said |= {"kind": "key", "old": leaf.old, "new": leaf.new, "reason": leaf.reason}
        said["signature"] = leaf.signature.hex()
        if leaf.recovery:
            said["recovery"] = leaf.recovery.hex()
        if leaf.recovery_next:
            said["recovery_next"] = leaf.recovery_next.hex()
    elif isinstance(leaf, PolicyLeaf):
        said |= {"kind": "policy", "pot": leaf.pot, "version": leaf.version}
        said["text_hash"] = leaf.text_hash.hex()
    elif isinstance(leaf, RestoredLeaf):
        said |= {"kind": "restored", "epoch": leaf.epoch, "lost": leaf.lost}
        said |= {"live_old": leaf.live_old.hex(), "live_new": leaf.live_new.hex()}
    elif isinstance(leaf, ClosingLeaf):
        said |= _closing_object(leaf)
    return said


def _genesis_object(leaf: GenesisLeaf) -> dict[str, object]:
    return {
        "book": leaf.book.hex(),
        "keys": {"live": leaf.live_key, "log": leaf.log_key},
        "kind": "genesis",
        "origin": leaf.origin,
        "pots": [one._asdict() for one in leaf.pots],
        "preset": leaf.preset,
        "recovery": leaf.recovery.hex(),
        "units": [one._asdict() for one in leaf.units],
    }


def _closing_object(leaf: ClosingLeaf) -> dict[str, object]:
    return {
        "auditors": leaf.auditors,
        "first_day": leaf.first_day.isoformat(),
        "held": [one._asdict() for one in leaf.held],
        "kind": "closing",
        "last_day": leaf.last_day.isoformat(),
        "live": leaf.live.hex(),
        "period": leaf.period,
        "policies": [one._asdict() for one in leaf.policies],
        "pots": [_pot_object(one, leaf.preset) for one in leaf.pots],
        "preset": leaf.preset,
    }


def _pot_object(figures: PotFigures, preset: str) -> dict[str, object]:
    said: dict[str, object] = {
        "closing": _figure_object(figures.closing, preset),
        "in": figures.came_in,
        "opening": _figure_object(figures.opening, preset),
        "out": figures.went_out,
        "pot": figures.pot,
        "unit": figures.unit,
    }
    if preset != SHELTERED:
        said["kinds"] = [
            {"in": one.came_in, "kind": one.kind, "lines": one.lines, "out": one.went_out}
            for one in figures.kinds
        ]
    if figures.waited is not None:
        said["waited"] = _figure_object(figures.waited, preset)
    if figures.lost is not None:
        said["lost"] = _figure_object(figures.lost, preset)
    return said


def _figure_object(figure: Figure, preset: str) -> object:
    if isinstance(figure, Parts) == (preset == SHELTERED):
        raise NotALeaf("balances are in parts, and under sheltered their sum")
    return figure._asdict() if isinstance(figure, Parts) else figure


# ---------------------------------------------------------------- reading


def read_leaf(data: bytes) -> Leaf:
    """Read a leaf, and nothing that only looks like one.

    Raises:
        NotALeaf: Unknown or missing keys, another order or spelling, a list out of its order,
            a value out of its bounds, or too long.
    """
    found = _RECORD_LEAF.fullmatch(data)
    if found:
        return RecordLeaf(bytes.fromhex(found[1].decode("ascii")))
    if len(data) > LEAF_BYTES_MAX:
        raise NotALeaf(f"a leaf of {len(data)} bytes is too long")
    try:
        fields = json.loads(data)
        leaf: Leaf = _READERS.get(fields.get("kind"), _read_line)(fields)
        again = leaf_bytes(leaf)
    except NotALeaf:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotALeaf(f"not a leaf: {error!r}") from error
    # What is left over, twice, or in another order or spelling comes out differently.
    if again != data:
        raise NotALeaf("unknown keys, or another order or spelling than the one form of a leaf")
    return leaf


def _read_genesis(fields: dict[str, Any]) -> GenesisLeaf:
    origin = _text(fields["origin"])
    keys = fields["keys"]
    leaf = GenesisLeaf(
        commitment=_hash(fields["commitment"]),
        origin=origin,
        book=_hex(fields["book"], 16),
        units=tuple(
            LogUnit(_text(one["code"]), _count(one["digits"]), _word(one["kind"], {"time", "money", "goods"}))
            for one in fields["units"]
        ),
        pots=tuple(PotUnit(_pot(one["pot"]), _text(one["unit"])) for one in fields["pots"]),
        preset=_word(fields["preset"], PADDED_TO),
        log_key=_key(keys["log"], origin),
        live_key=_key(keys["live"], f"{origin}/live"),
        recovery=_hash(fields["recovery"]),
    )
    _in_order(one.code for one in leaf.units)
    _in_order(one.pot for one in leaf.pots)
    return leaf


def _read_line(fields: dict[str, Any]) -> LineLeaf:
    day = fields.get("day")
    if day is None and "category" in fields:
        raise NotALeaf("a category without a day")
    return LineLeaf(
        commitment=_hash(fields["commitment"]),
        kind=_word(fields["kind"], _KINDS),
        changes=tuple(map(_change, fields["changes"])),
        category=_text(fields["category"]) if "category" in fields else "",
        day=None if day is None else _day(day),
    )


def _read_key(fields: dict[str, Any]) -> KeyLeaf:
    name = read_verifier_key(_text(fields["old"]))[0]
    leaf = KeyLeaf(
        commitment=_hash(fields["commitment"]),
        old=_text(fields["old"]),
        new=_key(fields["new"], name),
        reason=_word(fields["reason"], KEY_REASONS),
        signature=_hex(fields["signature"], 64),
        recovery=_hash(fields["recovery"]) if "recovery" in fields else b"",
        recovery_next=_hash(fields["recovery_next"]) if "recovery_next" in fields else b"",
    )
    if leaf.reason in NEEDS_RECOVERY and not leaf.recovery:
        raise NotALeaf("a lost or stolen key is replaced by the recovery key alone")
    if leaf.new == leaf.old:
        raise NotALeaf("the new key is the old one")
    return leaf


def _read_policy(fields: dict[str, Any]) -> PolicyLeaf:
    return PolicyLeaf(
        _hash(fields["commitment"]),
        _pot(fields["pot"]),
        _count(fields["version"], 1),
        _hash(fields["text_hash"]),
    )


def _read_restored(fields: dict[str, Any]) -> RestoredLeaf:
    return RestoredLeaf(
        commitment=_hash(fields["commitment"]),
        epoch=_count(fields["epoch"], 2),
        live_old=_hash(fields["live_old"]),
        live_new=_hash(fields["live_new"]),
        lost=_count(fields["lost"]),
    )


def _read_closing(fields: dict[str, Any]) -> ClosingLeaf:
    preset = _word(fields["preset"], PADDED_TO)
    leaf = ClosingLeaf(
        commitment=_hash(fields["commitment"]),
        period=_count(fields["period"], 1),
        first_day=_day(fields["first_day"]),
        last_day=_day(fields["last_day"]),
        preset=preset,
        pots=tuple(_pot_figures(one, preset) for one in fields["pots"]),
        held=tuple(Held(_text(one["unit"]), _amount(one["amount"])) for one in fields["held"]),
        policies=tuple(
            PolicyVersion(_pot(one["pot"]), _count(one["version"], 1)) for one in fields["policies"]
        ),
        live=_hash(fields["live"]),
        auditors=tuple(_key(one, "", COSIGNATURE) for one in fields["auditors"]),
    )
    if leaf.last_day < leaf.first_day:
        raise NotALeaf("a period that ends before it begins")
    _in_order(one.pot for one in leaf.pots)
    _in_order(one.unit for one in leaf.held)
    _in_order(one.pot for one in leaf.policies)
    _in_order(leaf.auditors)
    return leaf


def _pot_figures(said: dict[str, Any], preset: str) -> PotFigures:
    figures = PotFigures(
        pot=_pot(said["pot"]),
        unit=_text(said["unit"]),
        opening=_figure(said["opening"], preset),
        closing=_figure(said["closing"], preset),
        came_in=_count(said["in"]),
        went_out=_count(said["out"]),
        kinds=tuple(
            KindFigures(
                _word(one["kind"], _KINDS), _count(one["in"]), _count(one["out"]), _count(one["lines"], 1)
            )
            for one in said.get("kinds", ())
        ),
        waited=_figure(said["waited"], preset) if "waited" in said else None,
        lost=_figure(said["lost"], preset) if "lost" in said else None,
    )
    _in_order(one.kind for one in figures.kinds)
    return figures


_READERS: Final[Mapping[object, Any]] = {
    "genesis": _read_genesis,
    "key": _read_key,
    "policy": _read_policy,
    "restored": _read_restored,
    "closing": _read_closing,
}


# ---------------------------------------------------------------- values


def _amount(value: object) -> int:
    if type(value) is not int or not -TOTAL_MAX <= value <= TOTAL_MAX:
        raise NotALeaf(f"{value!r} is no amount")
    return value


def _count(value: object, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= TOTAL_MAX:
        raise NotALeaf(f"{value!r} is no count from {least} on")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise NotALeaf(f"{value!r} is no text")
    return value


def _word(value: object, words: Iterable[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise NotALeaf(f"{value!r} is none of {sorted(words)}")
    return value


def _pot(value: object) -> str:
    if not isinstance(value, str) or not _POT.fullmatch(value):
        raise NotALeaf(f"{value!r} is no code of a pot")
    return value


def _hex(value: object, length: int) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * length or not _HEX.fullmatch(value):
        raise NotALeaf(f"{value!r} is not {length} bytes in hexadecimal")
    return bytes.fromhex(value)


def _hash(value: object) -> bytes:
    return _hex(value, HASH_BYTES)


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise NotALeaf(f"{value!r} is no day")
    return date.fromisoformat(value)


def _key(value: object, name: str, signature_type: int = ED25519) -> str:
    line = _text(value)
    try:
        found = read_verifier_key(line, signature_type)[0]
    except NotANote as error:
        raise NotALeaf(str(error)) from error
    if name and found != name:
        raise NotALeaf(f"the key of {found!r} is not that of {name!r}")
    return line


def _change(said: dict[str, Any]) -> Change:
    change = Change(
        _pot(said["pot"]),
        _text(said["unit"]),
        _amount(said.get("available", 0)),
        _amount(said.get("promised", 0)),
    )
    if not (change.available or change.promised):
        raise NotALeaf("a change that changes nothing")
    return change


def _figure(value: Any, preset: str) -> Figure:
    if preset == SHELTERED:
        return _amount(value)
    return Parts(_amount(value["available"]), _amount(value["promised"]))


def _in_order(names: Iterable[str]) -> None:
    if any(one >= other for one, other in pairwise(names)):
        raise NotALeaf("a list that is not in its order, or has something twice")
