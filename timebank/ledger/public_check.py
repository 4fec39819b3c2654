"""A public log held against its own rules, leaf by leaf: what anyone can know of a book from published bytes alone.

docs/proofs.md, 7.4, has the rules; frontend/download/check_book.py is a second program that shares nothing with this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from timebank.ledger.public_log import (
    CAREFUL,
    OPEN,
    PADDED_TO,
    SHELTERED,
    ClosingLeaf,
    Figure,
    GenesisLeaf,
    KeyLeaf,
    KindFigures,
    Leaf,
    LineLeaf,
    LogKeys,
    NotALeaf,
    Parts,
    PolicyLeaf,
    PotFigures,
    RestoredLeaf,
    VerifyWith,
    keys_after,
    keys_of,
    policy_path,
    read_leaf,
)
from timebank.ledger.units import is_money

ReadText = Callable[[str], bytes | None]
"""Returns what a log has at a path, or None where there is nothing."""


class WrongLeaf(Exception):
    """The first leaf that is not as it must be.

    Attributes:
        leaf: Its place in the log, from 0.
        why: A sentence for people.
    """

    def __init__(self, leaf: int, why: str) -> None:
        super().__init__(leaf, why)
        self.leaf = leaf
        self.why = why


class Restore(NamedTuple):
    """What a log says of one restore: the last day of the period that tells it, the epoch since, and how many are lost."""

    told_on: date
    epoch: int
    lost: int


class Seen(NamedTuple):
    """How much a log has, counted on the way."""

    leaves: int
    periods: int
    lines: int
    policies: int
    new_keys: int
    restores: tuple[Restore, ...]
    last_day: date | None


class _Sums:
    """What the lines of a period did to one pot, counted from its changes."""

    __slots__ = ("available", "kinds", "promised")

    def __init__(self) -> None:
        self.available = 0
        self.promised = 0
        self.kinds: dict[str, list[int]] = {}


class PublicCheck:
    """Takes the leaves of a log in order and refuses the first that does not follow from those before.

    Keeps what one period needs and one number for each version of a policy, however long the log is.
    """

    def __init__(self, *, verify: VerifyWith, read: ReadText) -> None:
        """Begin with an empty log.

        Args:
            verify: Verifies Ed25519.
            read: Reads the published texts of policies.
        """
        self.size = 0
        self.genesis: GenesisLeaf | None = None
        self._verify = verify
        self._read = read
        self._keys: LogKeys | None = None
        self._closing: ClosingLeaf | None = None
        self._pots: dict[str, str] = {}
        self._epoch = 1
        self._versions: set[tuple[str, int]] = set()
        self._periods = self._lines = self._new_keys = 0
        self._restores: list[Restore] = []
        self._begin_period()

    def _begin_period(self) -> None:
        self._before = b""
        self._leaves = 0
        self._presets: set[str] = set()
        self._sums: dict[tuple[str, str], _Sums] = {}
        self._introduced: dict[str, KeyLeaf] = {}
        self._restored: list[RestoredLeaf] = []

    @property
    def keys(self) -> LogKeys:
        """The keys that count at the end of the last closed period."""
        assert self._keys is not None, "a log without a genesis leaf"
        return self._keys

    @property
    def whole(self) -> bool:
        """Whether the log could end here: after a closing leaf, or with the genesis leaf alone."""
        return self.genesis is not None and not self._leaves

    @property
    def seen(self) -> Seen:
        """What there was so far."""
        return Seen(
            leaves=self.size,
            periods=self._periods,
            lines=self._lines,
            policies=len(self._versions),
            new_keys=self._new_keys,
            restores=tuple(self._restores),
            last_day=self._closing.last_day if self._closing else None,
        )

    def add(self, data: bytes) -> Leaf:
        """Take the next leaf, and return what it says.

        Raises:
            WrongLeaf: It is not as it must be; nothing after it means anything.
        """
        try:
            leaf = read_leaf(data)
            self._add(leaf)
        except NotALeaf as error:
            raise WrongLeaf(self.size, str(error)) from error
        self.size += 1
        return leaf

    def _add(self, leaf: Leaf) -> None:
        if isinstance(leaf, GenesisLeaf) != (self.size == 0):
            raise NotALeaf("the first leaf is a genesis leaf, and no other is")
        if isinstance(leaf, GenesisLeaf):
            self.genesis, self._keys = leaf, keys_of(leaf)
            self._pots = {one.pot: one.unit for one in leaf.pots}
            return
        if isinstance(leaf, ClosingLeaf):
            self._close(leaf)
            return
        if leaf.commitment <= self._before:
            raise NotALeaf("the leaves of a period are sorted, and none is there twice")
        if isinstance(leaf, LineLeaf):
            self._add_line(leaf)
        elif isinstance(leaf, PolicyLeaf):
            self._add_policy(leaf)
        elif isinstance(leaf, KeyLeaf):
            self._add_key(leaf)
        elif isinstance(leaf, RestoredLeaf):
            self._add_restored(leaf)
        self._before = leaf.commitment
        self._leaves += 1

    # ------------------------------------------------------------ within a period

    def _add_line(self, leaf: LineLeaf) -> None:
        self._presets.add(OPEN if leaf.day else CAREFUL)
        self._lines += 1
        seen = set()
        for change in leaf.changes:
            key = change.pot, change.unit
            sums = self._sums.get(key)
            if sums is None:
                sums = self._sums[key] = _Sums()
            sums.available += change.available
            sums.promised += change.promised
            kind = sums.kinds.setdefault(leaf.kind, [0, 0, 0])
            total = change.available + change.promised
            kind[total < 0] += abs(total)
            if key not in seen:
                seen.add(key)
                kind[2] += 1

    def _add_policy(self, leaf: PolicyLeaf) -> None:
        text = self._read(policy_path(leaf.pot, leaf.version))
        if text is None:
            raise NotALeaf(f"the text of version {leaf.version} of the rules of {leaf.pot!r} is not there")
        if sha256(text).digest() != leaf.text_hash:
            raise NotALeaf(f"the text of version {leaf.version} of the rules of {leaf.pot!r} is another one")
        self._versions.add((leaf.pot, leaf.version))

    def _add_key(self, leaf: KeyLeaf) -> None:
        keys_after(self.keys, leaf, self._verify)
        if leaf.old in self._introduced:
            raise NotALeaf("a key is replaced once in a period")
        self._introduced[leaf.old] = leaf

    def _add_restored(self, leaf: RestoredLeaf) -> None:
        if leaf.epoch <= self._epoch:
            raise NotALeaf(f"epoch {leaf.epoch} does not follow epoch {self._epoch}")
        self._restored.append(leaf)

    # ------------------------------------------------------------ the end of one

    def _close(self, leaf: ClosingLeaf) -> None:
        if not self._leaves or self._leaves % PADDED_TO[leaf.preset]:
            raise NotALeaf(f"{self._leaves} leaves are not padded as {leaf.preset} has it")
        if self._presets - {leaf.preset}:
            raise NotALeaf(f"lines that {leaf.preset} does not show")
        before = self._closing
        if before is not None:
            if leaf.period != before.period + 1:
                raise NotALeaf(f"period {leaf.period} does not follow period {before.period}")
            if leaf.first_day != before.last_day + timedelta(days=1):
                raise NotALeaf("its first day is not the day after the period before")
        self._check_pots(leaf, {one.pot: one for one in before.pots} if before else {})
        self._check_held(leaf)
        for policy in leaf.policies:
            if policy not in self._versions:
                raise NotALeaf(f"version {policy.version} of the rules of {policy.pot!r} was never published")
        for key in self._introduced.values():
            self._keys = keys_after(self.keys, key, self._verify)
        self._check_lost(leaf)
        told = sorted(Restore(leaf.last_day, one.epoch, one.lost) for one in self._restored)
        self._epoch = max([self._epoch, *(one.epoch for one in told)])
        self._restores += told
        self._periods += 1
        self._new_keys += len(self._introduced)
        self._closing = leaf
        self._begin_period()

    def _check_pots(self, leaf: ClosingLeaf, before: Mapping[str, PotFigures]) -> None:
        units = {one.pot: one.unit for one in leaf.pots}
        for pot, unit in self._pots.items():
            if units.get(pot) != unit:
                raise NotALeaf(f"pot {pot!r} is gone, or has another unit")
        for pot, unit in self._sums:
            if units.get(pot) != unit:
                raise NotALeaf(f"a line changes {pot!r} in {unit}, which is no pot of this group")
        for one in leaf.pots:
            _check_pot(one, before.get(one.pot), self._sums.get((one.pot, one.unit)), leaf.preset)
        self._pots = units

    def _check_lost(self, leaf: ClosingLeaf) -> None:
        if any(one.lost is not None for one in leaf.pots) and not any(one.lost for one in self._restored):
            raise NotALeaf("figures are taken out as lost, and nothing says that the book was restored")

    def _check_held(self, leaf: ClosingLeaf) -> None:
        sums: dict[str, int] = {}
        for one in leaf.pots:
            if is_money(one.unit):
                sums[one.unit] = sums.get(one.unit, 0) + _total(one.closing)
        if sums != {one.unit: one.amount for one in leaf.held}:
            raise NotALeaf("what is held is not what the pots have")


_NONE: Final = _Sums()


def _check_pot(figures: PotFigures, before: PotFigures | None, lines: _Sums | None, preset: str) -> None:
    pot, opening, closing = figures.pot, figures.opening, figures.closing
    apart = [one for one in (figures.waited, figures.lost) if one is not None]
    nothing: Figure = Parts(0, 0) if isinstance(opening, Parts) else 0
    expected = before.closing if before else nothing
    # A change of preset shows parts that were not shown before, or no longer shows them.
    if opening != expected if type(opening) is type(expected) else _total(opening) != _total(expected):
        raise NotALeaf(f"pot {pot!r} does not open with what it closed with before")
    if preset == SHELTERED:
        came = figures.came_in - figures.went_out
        if _total(opening) + came + sum(map(_total, apart)) != _total(closing):
            raise NotALeaf(f"pot {pot!r} does not add up")
        return
    sums = lines or _NONE
    kinds = tuple(KindFigures(kind, *numbers) for kind, numbers in sorted(sums.kinds.items()))
    if kinds != figures.kinds:
        raise NotALeaf(f"pot {pot!r} has other lines than its figures by kind say")
    totals = sum(one.came_in for one in kinds), sum(one.went_out for one in kinds)
    if totals != (figures.came_in, figures.went_out):
        raise NotALeaf(f"pot {pot!r} does not add up to what came in and went out")
    parts = [_parts(opening), *map(_parts, apart)]
    if _parts(closing) != (
        sum(one.available for one in parts) + sums.available,
        sum(one.promised for one in parts) + sums.promised,
    ):
        raise NotALeaf(f"pot {pot!r} does not add up")


def _parts(figure: Figure) -> Parts:
    assert isinstance(figure, Parts), figure
    return figure


def _total(figure: Figure) -> int:
    return figure.total if isinstance(figure, Parts) else figure
