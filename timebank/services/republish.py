"""A book that is older than its public log takes up again what was published: the same leaves, days and figures.

What it no longer has the records of is counted. The next close takes out again what these had moved.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from timebank.config import OperatorError
from timebank.ledger.canonical import canonical
from timebank.ledger.public_log import (
    ClosingLeaf,
    Leaf,
    NotALeaf,
    PolicyLeaf,
    padding_commitment,
    read_leaf,
)
from timebank.ledger.tiles import NotATile
from timebank.ledger.tree import Frontier
from timebank.rules.closing import NOT_IN_PERIODS
from timebank.rules.publication import (
    NO_LINE,
    OPEN,
    PublicLine,
    Shares,
    Sum,
    changes_of,
    public_facet,
    shares_of,
)
from timebank.rules.readiness import Way, way_on
from timebank.rules.republished import lost_of, shown_period
from timebank.rules.set_up import published_terms
from timebank.services.groups import policy_fields
from timebank.services.public_log import Growth, append, new_leaf, newest_kept, take_up
from timebank.store import closes as store
from timebank.store import public_log as log_store
from timebank.store.closes import NewLine, WaitingRow
from timebank.store.groups import PolicyRow, find_newest_policy, insert_policies
from timebank.store.log_files import KeptPeriod, LogFiles
from timebank.store.public_log import LogHead
from timebank.store.published import find_policy, list_balances

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from timebank.ledger.notes import Checkpoint
    from timebank.services.house import House
    from timebank.store.closes import ClosableRecord, CloseFrame, GroupToClose
    from timebank.store.engine import Tx

NewRecord = tuple[str, int, dict[str, Any]]


class Republished(NamedTuple):
    """What a book took up again.

    Attributes:
        fields: What the record of the restore says of it.
        records: What else the book writes: rules that were published and that it had lost.
    """

    fields: dict[str, Any]
    records: tuple[NewRecord, ...] = ()


NOTHING = Republished({"published_lost": 0})


async def republish(house: House, tx: Tx, group_id: UUID, *, now: datetime) -> Republished:
    """Append the published leaves that a restored book lost, and what the public was shown with them.

    The caller holds the group's lock and writes the record of the restore. Nothing is done to a log that lacks nothing.

    Raises:
        OperatorError: What is kept in files does not go on from this book's log, or is not whole.
    """
    files = LogFiles(house.keys.home)
    head = await log_store.find_head(tx, group_id)
    told = newest_kept(files, group_id)
    if told is None or (head is not None and told.size < head.size):
        return NOTHING
    lost = await asyncio.to_thread(_read, files, group_id, -1 if head is None else head.period)
    growth = Growth(Frontier(), [], []) if head is None else await take_up(tx, group_id, head)
    for kept in lost:
        await _append(house, tx, group_id, growth, kept, told)
    if (growth.frontier.size, growth.frontier.root()) != (told.size, told.root):
        raise OperatorError(
            f"The public log of {told.origin} in this backup is not the beginning of the one that was published, or"
            f" its files in {house.keys.home / 'logs'} are not whole. Take another backup, or the public log from"
            " somebody who kept it (--log)."
        )
    if not lost:
        return NOTHING
    return await _Catching(house, tx, group_id, now).run(lost)


def _read(files: LogFiles, group_id: UUID, after: int) -> list[_Lost]:
    try:
        return [
            _Lost(kept, [read_leaf(data) for data in kept.leaves])
            for kept in files.read_periods(group_id, after=after)
        ]
    except (NotALeaf, NotATile) as error:
        raise OperatorError(
            f"A file of the public log that was kept is damaged: {error}. Take the log from somebody who kept it (--log)."
        ) from error


@dataclass(frozen=True, slots=True)
class _Lost:
    """A period that was published and that the book lost, and what it has of it after all.

    Attributes:
        here: Entries of the book that it published.
    """

    kept: KeptPeriod
    leaves: list[Leaf]
    here: list[ClosableRecord] = field(default_factory=list)

    @property
    def end(self) -> ClosingLeaf | None:
        """Its closing; None for the period with which a log begins."""
        end = self.leaves[-1]
        return end if isinstance(end, ClosingLeaf) else None


async def _append(
    house: House, tx: Tx, group_id: UUID, growth: Growth, lost: _Lost, told: Checkpoint
) -> None:
    kept = lost.kept
    leaves = [new_leaf(leaf) for leaf in lost.leaves]
    await append(tx, group_id, growth, period=kept.period, leaves=leaves)
    frontier = growth.frontier
    note = kept.note
    if note is None:
        # An older program kept the newest one only. A signature comes out the same again.
        note = house.checkpoints.sign_log(group_id, told.origin, frontier.size, frontier.root())
    head = LogHead(kept.period, frontier.size, frontier.to_bytes())
    await log_store.insert_checkpoint(tx, group_id, head, note)


class _Catching:
    """A book being brought to where its public log is."""

    def __init__(self, house: House, tx: Tx, group_id: UUID, now: datetime) -> None:
        self.house = house
        self.tx = tx
        self.group_id = group_id
        self.now = now

    async def run(self, lost: Sequence[_Lost]) -> Republished:
        tx, group_id = self.tx, self.group_id
        group = await store.find_group_to_close(tx, group_id)
        frame = await store.find_frame(tx, group_id)
        periods = [one for one in lost if one.end is not None]
        published = {leaf.commitment: at for at, one in enumerate(periods) for leaf in one.leaves}
        through, mine = await self._assign(group, frame, periods, published)
        closed = [
            {**_days(one.end), "period": number, "through_seq": seq}
            for number, one, seq in await self._show(frame, periods, through)
            if one.end is not None
        ]
        salts = [salt for one in lost for salt in one.kept.salts]
        gone = {leaf.commitment for one in lost for leaf in one.leaves} - mine
        gone -= {padding_commitment(salt) for salt in salts}
        fields: dict[str, Any] = {"published_lost": len(gone)}
        if closed:
            fields["closed"] = closed
        taken_out = await self._taken_out(frame, periods, through)
        if taken_out:
            fields["lost"] = taken_out
        if salts:
            fields["padding"] = [salt.hex() for salt in salts]
        return Republished(fields, await self._agree_again(lost))

    # ------------------------------------------------------------ which records they published

    async def _assign(
        self,
        group: GroupToClose,
        frame: CloseFrame,
        periods: Sequence[_Lost],
        published: dict[bytes, int],
    ) -> tuple[list[int], set[bytes]]:
        """Say up to which record each period went, and which commitments of the log the book has.

        A book that went another way after a restore has records that these periods never saw: they are left to
        the next close.
        """
        tx, group_id = self.tx, self.group_id
        zone = ZoneInfo(group.time_zone)
        ways = await store.list_ways(tx, group_id)
        last = await store.find_last_close(tx, group_id)
        rows = await store.list_waiting(tx, group_id)
        waiting = await store.list_records(tx, group_id, [row.seq for row in rows], units=frame.units)
        went = [one for one in waiting if one.commitment in published]
        for record in went:
            periods[published[record.commitment]].here.append(record)
        fresh = await self._fresh(frame, last.through_seq)
        through, waits, at = [], list[WaitingRow](), 0
        for one in periods:
            assert one.end is not None
            ends_at = datetime.combine(one.end.last_day + timedelta(days=1), datetime.min.time(), zone)
            while at < len(fresh) and fresh[at].recorded_at < ends_at:
                record = fresh[at]
                in_period = published.get(record.commitment)
                if in_period is not None:
                    if record.is_entry:
                        periods[in_period].here.append(record)
                elif record.is_entry and (way := way_on(ways, one.end.last_day)).people:
                    day = record.recorded_at.astimezone(zone).date()
                    waits.append(WaitingRow(record.seq, day, way))
                elif record.kind not in NOT_IN_PERIODS:
                    break
                at += 1
            through.append(fresh[at - 1].seq if at else last.through_seq)
        await store.change_waiting(tx, group_id, gone=[one.seq for one in went], new=waits)
        mine = {record.commitment for record in chain(waiting, fresh)}
        if last.through_seq == 0:
            mine.add(await log_store.find_commitment(tx, group_id, 1))
        return through, mine

    async def _fresh(self, frame: CloseFrame, after_seq: int) -> list[ClosableRecord]:
        """Return all records after one."""
        found: list[ClosableRecord] = []
        while True:
            page = await store.list_records_after(
                self.tx, self.group_id, after_seq=after_seq, units=frame.units
            )
            found += page
            if len(page) < store.PAGE:
                return found
            after_seq = page[-1].seq

    # ------------------------------------------------------------ what the public was shown

    async def _show(
        self, frame: CloseFrame, periods: Sequence[_Lost], through: Sequence[int]
    ) -> list[tuple[int, _Lost, int]]:
        """Publish days and figures again; return the number of each period, as closes count them."""
        tx, group_id = self.tx, self.group_id
        last = await store.find_last_close(tx, group_id)
        before = {one.pot: one for one in await list_balances(tx, group_id, last.period)}
        numbered = []
        for number, (one, seq) in enumerate(zip(periods, through, strict=True), start=last.period + 1):
            assert one.end is not None
            shown = shown_period(
                number, one.leaves, before, _shares(one.here, frame), _bare_lines(one, frame)
            )
            lines = [NewLine(self.house.new_id(), line, late) for line, late in shown.lines]
            await store.insert_lines(tx, group_id, number, lines)
            await store.insert_figures(
                tx, group_id, shown.period, balances=shown.balances, held=shown.held, totals=shown.totals
            )
            await store.insert_close(tx, group_id, shown.period, through_seq=seq, closed_at=self.now)
            await self._publish_in_this_way(one.end)
            before = {balance.pot: balance for balance in shown.balances}
            numbered.append((number, one, seq))
        return numbered

    async def _publish_in_this_way(self, end: ClosingLeaf) -> None:
        """Go on publishing as was published, where the book lost that its group had chosen so."""
        ways = await store.list_ways(self.tx, self.group_id)
        if way_on(ways, end.last_day).preset == end.preset:
            return
        way = Way.of(end.preset)
        await store.insert_way(self.tx, self.group_id, end.first_day, way, decided_at=self.now)
        await store.let_way_begin(self.tx, self.group_id, way)

    async def _taken_out(
        self, frame: CloseFrame, periods: Sequence[_Lost], through: Sequence[int]
    ) -> list[dict[str, Any]]:
        """Return by pot what the next close must add so that it is of the book again."""
        tx, group_id = self.tx, self.group_id
        if not periods or periods[-1].end is None:
            return []
        net = await store.find_balances_at(tx, group_id, frame.numbers, through_seq=through[-1])
        rows = await store.list_waiting(tx, group_id)
        waiting = await store.list_records(tx, group_id, [row.seq for row in rows], units=frame.units)
        book = {pot.pot: Sum(net[pot.available], net[pot.promised]) for pot in frame.pots}
        for record in waiting:
            for change in chain.from_iterable(changes_of(leg, frame.accounts) for leg in record.transfers):
                has = book[change.pot]
                book[change.pot] = Sum(has.available - change.available, has.promised - change.promised)
        return [
            {"available": lost.available, "pot": pot, "promised": lost.promised}
            for pot, lost in sorted(lost_of(periods[-1].end.pots, book).items())
        ]

    # ------------------------------------------------------------ rules that were published

    async def _agree_again(self, lost: Sequence[_Lost]) -> tuple[NewRecord, ...]:
        """Have the rules hold that everybody read; return the records that say so.

        Raises:
            OperatorError: The text of one was not kept, or the book has another in its place.
        """
        tx, group_id = self.tx, self.group_id
        records: list[NewRecord] = []
        for one in lost:
            told = sorted(leaf[1:] for leaf in one.leaves if isinstance(leaf, PolicyLeaf))
            for pot, version, text_hash in told:
                text = one.kept.texts.get((pot, version), b"")
                here = await find_policy(tx, group_id, pot=pot, version=version)
                if here is not None:
                    if sha256(canonical(published_terms(here.terms))).digest() != text_hash:
                        raise OperatorError(
                            f"Version {version} of the rules of {pot} that was published is another one than this book has."
                            " Take another backup."
                        )
                    continue
                if sha256(text).digest() != text_hash:
                    raise OperatorError(
                        f"Version {version} of the rules of {pot} was published, and neither the backup nor the files of"
                        " the public log have its text. Take the log from somebody who kept it (--log)."
                    )
                newest = await find_newest_policy(tx, group_id, pot)
                day = one.end.last_day if one.end else self.now.date()
                assert newest is not None, "pots are made with their group"
                row = PolicyRow(newest.pot_id, pot, version, day, json.loads(text))
                await insert_policies(tx, group_id, [row])
                records.append(("policy", 0, policy_fields(row)))
        return tuple(records)


def _days(end: ClosingLeaf | None) -> dict[str, Any]:
    assert end is not None
    return {
        "first_day": end.first_day.isoformat(),
        "last_day": end.last_day.isoformat(),
        "preset": end.preset,
    }


def _shares(records: Iterable[ClosableRecord], frame: CloseFrame) -> dict[str, Shares]:
    found: dict[str, Shares] = {}
    for record in records:
        for pot, share in shares_of(record.kind, record.transfers, frame.accounts).items():
            before = found.get(pot, Shares(0, 0))
            found[pot] = Shares(before.given + share.given, before.drawn + share.drawn)
    return found


def _bare_lines(one: _Lost, frame: CloseFrame) -> list[PublicLine]:
    """Return the lines of entries that touch no pot: pages show them under *open*, and a log has no more than a commitment."""
    assert one.end is not None
    if one.end.preset != OPEN:
        return []
    lines = [
        public_facet(
            preset=OPEN,
            kind=record.kind,
            category=record.category,
            effective_on=record.effective_on,
            transfers=record.transfers,
            accounts=frame.accounts,
        )
        for record in one.here
        if record.effective_on is not None
    ]
    return [line for line in lines if line != NO_LINE and not line.changes]
