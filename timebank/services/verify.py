"""Verifying a book: everything recomputed from its records and compared, the first wrong record named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature

from timebank.ledger.checks import WHOLE_BOOK_CHECKS, BookCheck, Finding, HeadRow
from timebank.ledger.notes import Checkpoint, NotANote, key_id, parse_checkpoint, parse_note, verified
from timebank.rules.audit import AUDIT_CHECKS, BookAudit, GroupFrame, public_accounts
from timebank.rules.closing_audit import CLOSING_CHECKS, ClosedBook, ClosingAudit, Counted
from timebank.rules.log_audit import LOG_CHECKS, LogAudit
from timebank.rules.readiness import ANYBODY
from timebank.services.whole_log import LOG_WHOLE, PROMISE, WholeLog
from timebank.store import audit as store
from timebank.store.boxes import BoxBrokenError
from timebank.store.checkpoints import live_origin
from timebank.store.members import open_accounts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from timebank.rules.audit import Published
    from timebank.services.house import House
    from timebank.store.audit import CountedRow, Cut
    from timebank.store.engine import Raw

SERVER_CHECKS: Final[Mapping[str, str]] = {
    "head": "The group has a book, and no row of it is beyond the head.",
    "live_checkpoint": "The signed checkpoint in the head is of exactly these records.",
    LOG_WHOLE: PROMISE,
    "kept_checkpoint": "The checkpoint kept outside the database is of the beginning of exactly these records.",
}
CHECKS: Final[Mapping[str, str]] = {
    **WHOLE_BOOK_CHECKS,
    **AUDIT_CHECKS,
    **LOG_CHECKS,
    **CLOSING_CHECKS,
    **SERVER_CHECKS,
}
"""Every check by name, with the promise that it holds."""

NO_KEPT: Final = "that no tail was cut off: there is no checkpoint of this group outside the database"
NOT_OPENED: Final = "that every account of a member is somebody's: not all boxes open with the keys here"
PUT_BACK: Final = (
    "that lines and figures of the periods from {first} to {last} are those of the book: a restore lost some of "
    "their records, and they were taken up again from the public log"
)
CLOSES_LOST: Final = (
    "that every close let out what it should: a restore lost records of some, and the log says so"
)

Progress = Callable[[int, int], None]
"""Told how many records are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of one book found.

    Attributes:
        slug: Address of the group; empty when it has none.
        records: How many records there are, by the head.
        entries: How many of them are entries.
        periods: How many closed periods were recomputed.
        kept: Size of the checkpoint that was kept outside the database; None for none.
        findings: The first wrong record of each check that found something, by number, those
            about the whole book last; empty when all is well.
        unproved: What could not be checked, each the end of "This does not prove ...".
        epoch: Of the book: 1, or more if it was put back from a backup.
        seal: Of the newest published page; empty before the first close, or if the log is not whole.
    """

    group_id: UUID
    slug: str
    records: int
    entries: int
    periods: int
    kept: int | None
    findings: tuple[Finding, ...]
    unproved: tuple[str, ...]
    epoch: int = 1
    seal: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing wrong was found."""
        return not self.findings


async def list_books(house: House) -> dict[UUID, str]:
    """Return every group whose book can be checked, by id, with its address.

    Groups that have lost their address are in it when their checkpoint was kept.
    """
    books = await store.list_addresses(house.database)
    return books | {group_id: "" for group_id in house.checkpoints.list_kept() if group_id not in books}


async def verify_group(
    house: House,
    group_id: UUID,
    *,
    progress: Progress = lambda _done, _total: None,
    meet: Callable[[int], None] = lambda _pid: None,
) -> Verdict:
    """Recompute a book from its records and compare everything with it; writers are not held up.

    Args:
        progress: Told after each page.
        meet: Told the number of the database's process that serves this check, so that whoever
            may can make it step back behind others.

    Returns:
        The verdict; whatever is wrong with the data is a finding in it, never an exception.
    """
    # What is kept is read first: it can only speak of records that the cut has.
    kept = house.checkpoints.read_kept(group_id)
    async with store.open_line(house.database) as connection:
        cut = await store.take_cut(connection, group_id)
        if cut is None:
            lost = Finding("head", 0, "the group has no set-up or no head row")
            return Verdict(group_id, "", 0, 0, 0, None, (lost,), ())
        meet(cut.backend_pid)
        return await _Verification(house, connection, cut, kept, progress).run()


class _Verification:
    """One check under way."""

    def __init__(self, house: House, connection: Raw, cut: Cut, kept: str | None, progress: Progress) -> None:
        self.house = house
        self.connection = connection
        self.cut = cut
        self.progress = progress
        self.findings: list[Finding] = []
        self.unproved: list[str] = []
        self.entries = 0
        self.seal = ""
        self._members: dict[int, UUID] = {}
        self.kept = self._read_checkpoint("kept_checkpoint", kept) if kept is not None else None
        if kept is None:
            self.unproved.append(NO_KEPT)

    async def run(self) -> Verdict:
        cut = self.cut
        published = await store.read_published(self.connection, cut.group_id, cut.period)
        check = BookCheck(
            HeadRow(cut.book_id, cut.seq, cut.frontier, cut.recorded_at),
            cut.accounts,
            await store.list_corrected(self.connection, cut.group_id),
        )
        frame = self._frame()
        audit = BookAudit(frame, published)
        log = await store.read_log(self.connection, cut.group_id, cut.period)
        units = {account.account_id: account.unit for account in cut.accounts}
        log_audit = LogAudit(log, public_accounts(frame), units)
        closed = ClosedBook(
            pots=cut.pots,
            places=cut.places,
            accounts=public_accounts(frame),
            units=units,
            ways=await store.list_ways(self.connection, cut.group_id),
            closes=published.closes,
            logged=log.logged,
            published=published,
        )
        zone = ZoneInfo(cut.time_zone)
        closings = ClosingAudit(closed, lambda at: at.astimezone(zone).date())
        counts = any(way.people for _, way in closed.ways)
        ends = {close.through_seq for close in published.closes}
        if self.kept is not None:
            ends.add(self.kept.size)
        if published.put_back:
            self.unproved.append(PUT_BACK.format(first=min(published.put_back), last=max(published.put_back)))
            self.unproved.append(CLOSES_LOST)

        closes = list(published.closes)
        for before, last in pairwise(_page_ends(cut.seq, ends)):
            if last > before:
                page = await store.read_page(self.connection, cut.group_id, before + 1, last)
                check.feed(*page)
                audit.feed(*page)
                leaves = await store.read_leaves(
                    self.connection, cut.group_id, before + 1, last, size=log.leaves
                )
                log_audit.feed(*page, leaves)
                counted = await self._counted(before + 1, last) if counts else {}
                closings.feed(*page, leaves, counted)
                self.entries += len(page.entries)
            self._compare_kept(last, check)
            while closes and closes[0].through_seq <= last:
                close = closes.pop(0)
                nets = {number: row.net for number, row in check.accounts.items()}
                audit.end_period(close, nets)
                closings.end_period(close, nets)
                async for lines in store.read_lines(self.connection, cut.group_id, close.period):
                    audit.compare_lines(lines)
                    closings.compare_lines(lines)
                audit.end_lines(close)
                closings.end_lines(close)
            self.progress(last, cut.seq)

        self._compare_head(check)
        self._find_twice(published)
        await self._compare_log()
        self.findings += check.finish(cut.days)
        self.findings += audit.finish()
        self.findings += log_audit.finish()
        if not published.put_back:
            self.findings += closings.finish()
            self.unproved += closings.unproved
        return Verdict(
            group_id=cut.group_id,
            slug=cut.slug,
            records=cut.seq,
            entries=self.entries,
            periods=len(published.closes),
            kept=None if self.kept is None else self.kept.size,
            findings=tuple(sorted(self.findings, key=lambda finding: (finding.seq == 0, finding.seq))),
            unproved=tuple(self.unproved),
            epoch=cut.epoch,
            seal=self.seal,
        )

    async def _counted(self, first: int, last: int) -> dict[int, Counted]:
        """Return for whom entries count, as far as that is still known; as a close did."""
        outside = {row.account_id for row in self.cut.accounts if row.kind == "outside"}
        rows = await store.read_counted(self.connection, self.cut.group_id, first, last)
        return {seq: self._counts_for(row, outside) for seq, row in rows.items()}

    def _counts_for(self, row: CountedRow, outside: Collection[int]) -> Counted:
        if row.without_account or row.receiver in outside:
            return Counted(row.undoes, ANYBODY)
        if row.member_id is not None:
            return Counted(row.undoes, row.member_id)
        member_id = None if row.receiver is None else self._members.get(row.receiver)
        return Counted(row.undoes, member_id, known=row.receiver is None or member_id is not None)

    def _find_twice(self, published: Published) -> None:
        """Name what is there twice where a second row just like the first would change no sum."""
        cut = self.cut
        if cut.heads != 1:
            self._find("head", f"the book has {cut.heads} heads")
        for check, what, ids in (
            ("opened", "account", [account.account_id for account in cut.accounts]),
            ("closings", "published period", [period.period for period in published.periods]),
            ("closings", "close of period", [close.period for close in published.closes]),
        ):
            twice = sorted(one for one, count in Counter(ids).items() if count > 1)
            if twice:
                self._find(check, f"{what} {twice[0]} is there twice")

    async def _compare_log(self) -> None:
        cut = self.cut
        try:
            log_key, _ = self.house.checkpoints.log_keys(cut.group_id, cut.origin)
        except LookupError:
            log_key = None
        log = WholeLog(
            self.connection, cut.group_id, log_key, lambda what, seq: self._find(LOG_WHOLE, what, seq)
        )
        await log.run()
        self.unproved += log.unproved
        self.seal = log.seal

    def _find(self, check: str, what: str, seq: int = 0) -> None:
        assert check in CHECKS, check
        self.findings.append(Finding(check, seq, what))

    def _frame(self) -> GroupFrame:
        cut = self.cut
        ties: dict[int, str] = {}
        all_opened = True
        for member_id, state, box in cut.members:
            if state == "erased":
                continue
            try:
                accounts = open_accounts(self.house.keys, cut.group_id, member_id, box)
            except BoxBrokenError:
                self._find("set_up", f"the box with the accounts of member {member_id} is broken")
                accounts = None
            if accounts is None:
                all_opened = False
            else:
                ties |= {number: name for name, number in accounts.items()}
                self._members[accounts["minutes"]] = member_id
        if not all_opened:
            self.unproved.append(NOT_OPENED)
        return GroupFrame(
            book_id=cut.book_id,
            origin=cut.origin,
            began_on=cut.began_on,
            preset=cut.preset,
            epoch=cut.epoch,
            accounts=cut.accounts,
            pots=cut.pots,
            places=cut.places,
            ties=ties,
            all_opened=all_opened,
            changes=cut.changes,
        )

    # ------------------------------------------------------------ signed checkpoints

    def _read_checkpoint(self, check: str, text: str) -> Checkpoint | None:
        """Return what a live checkpoint says if this group's key signed it; None, and a finding, if not."""
        origin = live_origin(self.cut.origin)
        try:
            public = self.house.checkpoints.public_key(self.cut.group_id, self.cut.origin)
        except LookupError:
            self._find(check, "the key store has no live key of this group, so no signature can be checked")
            return None

        def verify(signature: bytes, data: bytes) -> bool:
            try:
                public.verify(signature, data)
            except InvalidSignature:
                return False
            return True

        try:
            note = parse_note(text)
            verified(note, {(origin, key_id(origin, public.public_bytes_raw())): verify})
            checkpoint = parse_checkpoint(note.text)
        except NotANote as error:
            self._find(check, f"it is not a checkpoint signed by this group: {error}")
            return None
        if checkpoint.origin != origin:
            self._find(check, "it is of another book")
            return None
        return checkpoint

    def _compare_kept(self, seq: int, check: BookCheck) -> None:
        kept = self.kept
        if kept is None or kept.size != seq:
            return
        if check.frontier.size != seq or check.frontier.root() != kept.root:
            self._find(
                "kept_checkpoint", f"the first {seq} records are not those of the checkpoint that was kept"
            )

    def _compare_head(self, check: BookCheck) -> None:
        cut = self.cut
        for table, seq in cut.strays:
            self._find("head", f"{table} has a row {seq}; the head counts {cut.seq} records", max(seq, 0))
        if self.kept is not None and self.kept.size > cut.seq:
            self._find(
                "kept_checkpoint",
                f"the tail was cut off: the checkpoint that was kept has {self.kept.size} records, "
                f"the book {cut.seq}",
                cut.seq + 1,
            )
        live = self._read_checkpoint("live_checkpoint", cut.checkpoint)
        if live is None:
            return
        if live.size != cut.seq:
            self._find("live_checkpoint", f"it is of {live.size} records; the head counts {cut.seq}")
        elif live.root != check.frontier.root():
            self._find("live_checkpoint", "it is of other records than these")


def _page_ends(seq: int, ends: set[int]) -> list[int]:
    """Return where pages end, from 0 on: at least every PAGE records, and at each of ``ends``."""
    steps = set(range(0, seq, store.PAGE)) | {end for end in ends if 0 <= end <= seq} | {0, seq}
    return [0, *sorted(steps)]
