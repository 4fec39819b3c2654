"""Random public logs with everything that one can have, and the ways in which somebody may tamper with their files."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from timebank.ledger.notes import checkpoint_body, key_id, sign_note, verifier_key
from timebank.ledger.public_log import (
    CAREFUL,
    OPEN,
    SHELTERED,
    Change,
    ClosingLeaf,
    Figure,
    GenesisLeaf,
    Held,
    KeyLeaf,
    KindFigures,
    Leaf,
    LineLeaf,
    LogUnit,
    Parts,
    PeriodLeaf,
    PolicyLeaf,
    PolicyVersion,
    PotFigures,
    PotUnit,
    RecordLeaf,
    RestoredLeaf,
    key_message,
    leaf_bytes,
    padding_needed,
    policy_path,
    sorted_leaves,
)
from timebank.ledger.tiles import TileWriter
from timebank.ledger.units import is_money

ORIGIN = "open.example/g/garden"
Files = dict[str, bytes]


def new_secret(chance: random.Random) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def write_log(
    leaves: Iterable[bytes], secret: Ed25519PrivateKey, *, origin: str = ORIGIN, files: Files | None = None
) -> Files:
    """Return every file of a log with these leaves, signed with a key; ``files`` are others that it has."""
    writer = TileWriter()
    written: Files = dict(files or {})
    for leaf in leaves:
        written.update(writer.append(leaf))
    written.update(writer.rest())
    written["checkpoint"] = signed(origin, writer.size, writer.root(), secret)
    return written


def signed(origin: str, size: int, root: bytes, secret: Ed25519PrivateKey) -> bytes:
    tag = key_id(origin, public(secret))
    return sign_note(checkpoint_body(origin, size, root), origin, tag, secret.sign).encode()


@dataclass
class Book:
    """A public log that grows period by period as a host would let it grow.

    Attributes:
        leaves: What was published, one for each leaf.
        calm: Leave new rules, keys, pots, restores and what waited to whoever calls ``close``.
        ends: How many leaves there were at each checkpoint.
        secrets: The secret key that signed at each of them.
    """

    chance: random.Random
    calm: bool = False
    origin: str = ORIGIN
    leaves: list[bytes] = field(default_factory=list)
    policies: Files = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)
    secrets: list[Ed25519PrivateKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = self.chance
        self.book = chance.randbytes(16)
        self.secret, self.live, self.recovery = (new_secret(chance) for _ in range(3))
        self.pots: dict[str, list] = {"hours": ["minutes", 0, 0], "money": ["EUR", 0, 0]}
        self.versions: dict[str, int] = {}
        self.day = date(2026, 1, 1)
        self.period = 0
        self.epoch = 1
        self.shown: dict[str, Figure] = {}
        self._write(
            GenesisLeaf(
                commitment=chance.randbytes(32),
                origin=self.origin,
                book=self.book,
                units=(LogUnit("EUR", 2, "money"), LogUnit("minutes", 0, "time")),
                pots=tuple(PotUnit(pot, unit) for pot, (unit, _, _) in sorted(self.pots.items())),
                preset=OPEN,
                log_key=self._key_line(self.secret),
                live_key=verifier_key(f"{self.origin}/live", public(self.live)),
                recovery=sha256(public(self.recovery)).digest(),
            )
        )
        self._end()

    def files(self, *, at: int = -1) -> Files:
        """Return what is served at a checkpoint, the newest by default."""
        return write_log(
            self.leaves[: self.ends[at]], self.secrets[at], origin=self.origin, files=self.policies
        )

    def note(self, at: int) -> bytes:
        return self.files(at=at)["checkpoint"]

    def close(
        self, preset: str | None = None, *, lines: int | None = None, others: Iterable[PeriodLeaf] = ()
    ) -> None:
        """Close one more period; what is not said is left to chance."""
        chance = self.chance
        preset = preset or chance.choice([OPEN, CAREFUL, SHELTERED])
        leaves: list[PeriodLeaf] = [*others]
        rare = 0.0 if self.calm else 1.0
        if chance.random() < 0.3 * rare:
            leaves.append(self.policy())
        if chance.random() < 0.15 * rare:
            leaves.append(self.new_key())
        if chance.random() < 0.1 * rare:
            leaves.append(self.restored())
        if chance.random() < 0.1 * rare:
            self.pots.setdefault(f"pot-{len(self.pots)}", [chance.choice(["EUR", "minutes", "GBP"]), 0, 0])
        before = {pot: (available, promised) for pot, (_, available, promised) in self.pots.items()}
        waited = {}
        if chance.random() < 0.2 * rare:
            waited = {pot: (chance.randrange(-50, 50), chance.randrange(-50, 50)) for pot in self.pots}
        kinds: dict[str, dict[str, list[int]]] = {pot: {} for pot in self.pots}
        lines = chance.randrange(30) if lines is None else lines
        leaves += [self._line(preset, kinds) for _ in range(lines)]
        leaves += [RecordLeaf(chance.randbytes(32)) for _ in range(chance.randrange(6))]
        lost = {}
        if any(leaf.lost for leaf in leaves if isinstance(leaf, RestoredLeaf)) and chance.random() < 0.8:
            lost = {pot: (chance.randrange(-50, 50), chance.randrange(-50, 50)) for pot in self.pots}
        for pot, (available, promised) in [*waited.items(), *lost.items()]:
            self.pots[pot][1] += available
            self.pots[pot][2] += promised
        salts = [chance.randbytes(32) for _ in range(padding_needed(len(leaves), preset))]
        for leaf in sorted_leaves(leaves, salts):
            self._write(leaf)
        self._write(self._closing(preset, before, kinds, waited, lost))
        self._end()

    # ------------------------------------------------------------ leaves

    def new_key(self, *, reason: str = "rotation") -> KeyLeaf:
        """Let the log sign with another key from the end of the period on."""
        old, self.secret = self.secret, new_secret(self.chance)
        by_paper = reason in {"lost", "stolen"} or self.chance.random() < 0.3
        leaf = KeyLeaf(
            self.chance.randbytes(32), self._key_line(old), self._key_line(self.secret), reason, b""
        )
        signer = old
        if by_paper:
            signer = self.recovery
            leaf = leaf._replace(recovery=public(signer))
            if self.chance.random() < 0.5:
                self.recovery = new_secret(self.chance)
                leaf = leaf._replace(recovery_next=sha256(public(self.recovery)).digest())
        return leaf._replace(signature=signer.sign(key_message(self.book, leaf)))

    def restored(self) -> RestoredLeaf:
        self.epoch += 1
        chance = self.chance
        return RestoredLeaf(
            chance.randbytes(32), self.epoch, chance.randbytes(32), chance.randbytes(32), chance.randrange(5)
        )

    def policy(self) -> PolicyLeaf:
        pot = self.chance.choice(sorted(self.pots))
        version = self.versions[pot] = self.versions.get(pot, 0) + 1
        text = b'{"version":%d}' % version
        self.policies[policy_path(pot, version)] = text
        return PolicyLeaf(self.chance.randbytes(32), pot, version, sha256(text).digest())

    def _line(self, preset: str, kinds: dict[str, dict[str, list[int]]]) -> PeriodLeaf:
        chance = self.chance
        kind = chance.choice(["help_given", "money_in", "promise", "fulfil", "correction", "held_move"])
        changes = []
        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            pot = chance.choice(sorted(self.pots))
            amount = chance.randrange(1, 500)
            available, promised = chance.choice(
                [(amount, 0), (-amount, amount), (0, -amount), (amount, -amount)]
            )
            changes.append(Change(pot, self.pots[pot][0], available, promised))
            self.pots[pot][1] += available
            self.pots[pot][2] += promised
        for pot in {change.pot for change in changes}:
            kinds[pot].setdefault(kind, [0, 0, 0])[2] += 1
        for change in changes:
            total = change.available + change.promised
            kinds[change.pot][kind][total < 0] += abs(total)
        commitment = chance.randbytes(32)
        if preset == SHELTERED:
            return RecordLeaf(commitment)
        if preset == CAREFUL:
            return LineLeaf(commitment, kind, tuple(changes))
        category = chance.choice(["", "garden", "Küche \U0001f33b"])
        return LineLeaf(commitment, kind, tuple(changes), category, self.day)

    def _closing(self, preset: str, before, kinds, waited, lost) -> ClosingLeaf:
        def figure(pair: tuple[int, int]) -> Figure:
            return sum(pair) if preset == SHELTERED else Parts(*pair)

        self.period += 1
        days = self.chance.choice([1, 7, 31])
        pots = []
        for pot, (unit, available, promised) in sorted(self.pots.items()):
            flows = kinds[pot]
            pots.append(
                PotFigures(
                    pot,
                    unit,
                    figure(before[pot]),
                    figure((available, promised)),
                    sum(one[0] for one in flows.values()),
                    sum(one[1] for one in flows.values()),
                    ()
                    if preset == SHELTERED
                    else tuple(KindFigures(kind, *one) for kind, one in sorted(flows.items())),
                    figure(waited[pot]) if pot in waited else None,
                    figure(lost[pot]) if pot in lost else None,
                )
            )
        held: dict[str, int] = {}
        for unit, available, promised in self.pots.values():
            if is_money(unit):
                held[unit] = held.get(unit, 0) + available + promised
        leaf = ClosingLeaf(
            commitment=self.chance.randbytes(32),
            period=self.period,
            first_day=self.day,
            last_day=self.day + timedelta(days=days - 1),
            preset=preset,
            pots=tuple(pots),
            held=tuple(Held(*one) for one in sorted(held.items())),
            policies=tuple(PolicyVersion(*one) for one in sorted(self.versions.items())),
            live=self.chance.randbytes(32),
            auditors=(verifier_key("auditor.example", public(self.live), 4),) if days == 7 else (),
        )
        self.day += timedelta(days=days)
        return leaf

    def _key_line(self, secret: Ed25519PrivateKey) -> str:
        return verifier_key(self.origin, public(secret))

    def _write(self, leaf: Leaf) -> None:
        self.leaves.append(leaf_bytes(leaf))

    def _end(self) -> None:
        self.ends.append(len(self.leaves))
        self.secrets.append(self.secret)


def random_book(chance: random.Random, periods: int = 3) -> Book:
    book = Book(chance)
    for _ in range(periods):
        book.close()
    return book


# ---------------------------------------------------------------- tampering


def flip(files: Files, chance: random.Random, path: str) -> None:
    """Turn over one bit of one file."""
    data = bytearray(files[path])
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    files[path] = bytes(data)


def truncate(files: Files, chance: random.Random, path: str) -> None:
    """Cut one file short."""
    files[path] = files[path][: chance.randrange(len(files[path]))]


def lose(files: Files, chance: random.Random, path: str) -> None:
    """Take one file away."""
    del files[path]


def lengthen(files: Files, chance: random.Random, path: str) -> None:
    """Write something behind one file."""
    files[path] += chance.randbytes(chance.choice([1, 2, 32]))


def _places(value: object, path: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, item in items for found in _places(item, (*path, name)))]


def another_leaf(leaf: bytes, chance: random.Random) -> bytes:
    """Return a leaf with one value of it changed, taken away or added, in canonical form."""
    fields = json.loads(leaf)
    path = chance.choice(_places(fields)[1:])
    inner: Any = fields
    for name in path[:-1]:
        inner = inner[name]
    name, value = path[-1], inner[path[-1]]
    how = chance.randrange(6)
    if how == 0 and isinstance(value, int):
        inner[name] = value + chance.choice([-1, 1, 10**6])
    elif how == 1 and isinstance(value, str) and value:
        at = chance.randrange(len(value))
        inner[name] = value[:at] + chance.choice("0a Z9") + value[at + 1 :]
    elif how == 2 and isinstance(value, list):
        inner[name] = value[::-1] if chance.random() < 0.5 else value + value[:1]
    elif how == 3:
        del inner[name]
    elif how == 4 and isinstance(inner, dict):
        key = chance.choice(
            ["waited", "lost", "category", "day", "available", "recovery", "kinds", "extra", "kind"]
        )
        inner[key] = chance.choice([0, 5, "garden", "2026-01-01", [], {"available": 1, "promised": -1}])
    else:
        odd = [0, -5, 2**53, True, False, "", "x", "2026-02-30", [], {}, 1.0, None, "e\u0301", "open", "EUR"]
        inner[name] = chance.choice(odd)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


IN_A_FILE: tuple[Callable[[Files, random.Random, str], None], ...] = (flip, flip, truncate, lose, lengthen)
IN_THE_LEAVES = ("delete", "insert", "swap", "change", "cut")


def tamper_with_leaves(how: str, leaves: list[bytes], chance: random.Random) -> tuple[list[bytes], int]:
    """Return other leaves, and the first that is not what it was."""
    leaves = list(leaves)
    at = chance.randrange(len(leaves))
    if how == "delete":
        del leaves[at]
    elif how == "insert":
        leaves.insert(at, leaf_bytes(RecordLeaf(chance.randbytes(32))))
    elif how == "swap":
        at, other = sorted(chance.sample(range(len(leaves)), 2))
        leaves[at], leaves[other] = leaves[other], leaves[at]
    elif how == "change":
        leaf = bytearray(leaves[at])
        leaf[chance.randrange(len(leaf))] ^= 1 << chance.randrange(8)
        leaves[at] = bytes(leaf)
    else:
        leaves = leaves[: max(1, at)]
        at = len(leaves)
    return leaves, at
