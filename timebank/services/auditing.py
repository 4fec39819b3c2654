"""An audit from outside: every record opened, and held against the public log, the rules, and the limits per person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from timebank.formats.opened_book import (
    NOT_KNOWN,
    AskLine,
    FactsLine,
    HeadLine,
    NotAnOpenedBook,
    RecordLine,
    SettingLine,
    read_lines,
)
from timebank.ledger.checks import WHOLE_BOOK_CHECKS, BookCheck, Finding
from timebank.ledger.entries import EntryKind
from timebank.ledger.notes import NotANote, parse_checkpoint, parse_note, read_verifier_key
from timebank.ledger.public_log import (
    ClosingLeaf,
    GenesisLeaf,
    padding_commitment,
    policy_path,
    read_leaf,
)
from timebank.ledger.tree import commitment
from timebank.rules.audit import (
    AUDIT_CHECKS,
    BookAudit,
    ChangeRow,
    GroupFrame,
    PeriodRow,
    Published,
    TermsRow,
    public_accounts,
)
from timebank.rules.closing_audit import CLOSING_CHECKS, ClosedBook, ClosingAudit, Counted
from timebank.rules.draw_audit import DRAW_CHECKS, AskedBy, DrawAudit, Opened, OpenedFacts
from timebank.rules.log_audit import LOG_CHECKS, LogAudit, PlacedLeaf, PublishedLog
from timebank.rules.opened_book import OpenedRecord, Outline, RowReader, close_of
from timebank.rules.policies import read_policy
from timebank.rules.publication import OPEN
from timebank.rules.readiness import Way
from timebank.services.log_sources import LogSource
from timebank.services.public_verify import LogVerdict, check_log, is_signed
from timebank.services.verify import CLOSES_LOST
from timebank.store.checkpoints import live_origin

_LIVE: Final = "live_checkpoint"
CHECKS: Final = {
    **WHOLE_BOOK_CHECKS,
    **AUDIT_CHECKS,
    **LOG_CHECKS,
    **CLOSING_CHECKS,
    **DRAW_CHECKS,
    _LIVE: "The host signed that these are all records there are.",
}
"""Every check by name, with the promise that it holds."""

NEWER: Final = (
    "that {count} newer closes are in the public log as they should be: they came while this audit ran"
)
LOST: Final = "that every leaf of the public log was a record: a restore lost some, and the log says so"
OWN_ASKS: Final = "that nobody said yes to their own ask: who asked is not opened, not even to auditors"

PAGE: Final = 4_000
_ENTRIES: Final = frozenset(str(kind) for kind in EntryKind)

Progress = Callable[[str, int, int], None]
"""Told what is looked at, how much of it is done, and how much there is."""


class Audit(NamedTuple):
    """What an audit found.

    Attributes:
        log: What was found of the public log alone; if that is not whole, nothing else was looked at.
        records, entries: How many were opened.
        waiting: How many entries wait for a close.
        decisions: How many decisions could be opened.
        findings: The first wrong record of each check that found something.
        unproved: What could not be checked, each the end of "This does not prove ...".
    """

    log: LogVerdict
    records: int = 0
    entries: int = 0
    waiting: int = 0
    decisions: int = 0
    findings: tuple[Finding, ...] = ()
    unproved: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing wrong was found."""
        return self.log.ok and not self.findings


class _KindOf(msgspec.Struct):
    """What the first pass reads of a record."""

    kind: str = ""
    reverses: str = ""


_read_kind: Final = msgspec.json.Decoder(_KindOf).decode


@dataclass(slots=True)
class _Log:
    """The leaves of a log by commitment, with where they stand."""

    genesis: GenesisLeaf | None = None
    period: int = 0
    leaves: dict[bytes, PlacedLeaf] = field(default_factory=dict)
    places: dict[bytes, int] = field(default_factory=dict)
    closings: set[bytes] = field(default_factory=set)

    def take(self, data: bytes) -> None:
        """Take the next leaf."""
        leaf = read_leaf(data)
        if isinstance(leaf, GenesisLeaf):
            self.genesis = leaf
        self.places[leaf.commitment] = len(self.leaves)
        self.leaves[leaf.commitment] = PlacedLeaf(self.period, data)
        if isinstance(leaf, GenesisLeaf | ClosingLeaf):
            self.period += 1
        if isinstance(leaf, ClosingLeaf):
            self.closings.add(leaf.commitment)


def read_log(log: LogSource, *, kept: bytes | None, progress: Progress) -> tuple[LogVerdict, _Log]:
    """Check a public log as anybody would, and keep its leaves for the audit."""
    leaves = _Log()
    verdict = check_log(
        log, kept=kept, progress=lambda done, total: progress("leaves", done, total), take=leaves.take
    )
    return verdict, leaves


def audit_book(
    log: LogSource, verdict: LogVerdict, leaves: _Log, book: BinaryIO, progress: Progress
) -> Audit:
    """Hold an opened book against its public log.

    Args:
        log: The published files, for the texts of rules.
        verdict, leaves: Of ``read_log``, which came before the book was opened.
        book: The opened book, from its first line; it is read twice.
        progress: Told how far it is.

    Raises:
        NotAnOpenedBook: The file is none, or something in it cannot be read.
        NoLogError: The texts of rules cannot be read.
    """
    if not verdict.ok:
        return Audit(verdict)
    try:
        return _Auditing(log, verdict, leaves, book, progress).run()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, NotAnOpenedBook):
            raise
        # Records that no program of ours would write: the host shows something that is no book.
        raise NotAnOpenedBook(f"something in it cannot be read ({error})") from error


class _Auditing:
    """One audit under way."""

    def __init__(
        self, log: LogSource, verdict: LogVerdict, leaves: _Log, book: BinaryIO, progress: Progress
    ) -> None:
        assert leaves.genesis is not None, "a log that is whole has a first leaf"
        assert verdict.keys is not None, "a log that is whole has keys"
        self._source = log
        self._verdict = verdict
        self._keys = verdict.keys
        self._log = leaves
        self._genesis = leaves.genesis
        self._book = book
        self._progress = progress
        self._outline = Outline(leaves.genesis.book)
        self._changes: list[ChangeRow] = []
        self._facts: dict[str, OpenedFacts] = {}
        self._asks: dict[str, AskedBy] = {}
        self._bare: set[int] = set()
        self._closing_commitments: list[bytes] = []
        self._findings: list[Finding] = []
        self._unproved: list[str] = [OWN_ASKS]

    def run(self) -> Audit:
        """Read the book twice: what it is made of, then every record."""
        self._first_pass()
        terms = self._read_terms()
        closes = self._outline.closes[: self._logged_to()]
        ways = [
            (way.from_day, Way.of(way.preset, people=way.people, gifts_wait=way.gifts_wait))
            for way in self._head.ways
        ]
        # What a restore took up again was published too, and no close says so.
        put_back = [close_of(fields) for _, fields in self._outline.put_back]
        through = max((close.through_seq for close in [*closes[-1:], *put_back]), default=0)
        waiting = (
            {seq for seq in self._bare if seq <= through} if any(way.people for _, way in ways) else set()
        )
        pots, places = self._outline.pots, self._outline.places
        frame = self._frame()
        zone = ZoneInfo(self._head.time_zone)

        def day_of(at: object) -> date:
            return at.astimezone(zone).date()  # type: ignore[attr-defined, no-any-return]

        units = {number: row.unit for number, row in self._outline.accounts.items()}
        public = public_accounts(frame)
        check = BookCheck(self._outline.head, self._outline.accounts.values(), None)
        book_audit = BookAudit(frame, self._published(terms), pages=False)
        log_audit = LogAudit(
            PublishedLog(len(self._log.leaves), through, frozenset(waiting), is_of_cut=False), public, units
        )
        closings = ClosingAudit(
            ClosedBook(pots, places, public, units, ways, closes, self._logged(closes)), day_of
        )
        draws = DrawAudit(
            pots,
            Opened(
                self._facts,
                self._asks,
                {(row.pot, row.version): read_policy(row.version, row.terms).terms for row in terms},
            ),
            day_of,
        )
        unmatched = set(self._log.leaves)
        reader, entries = RowReader(self._outline), 0
        ends, to_end = {close.through_seq for close in closes}, list(closes)
        for page in self._pages(ends):
            rows = reader.read((opened, kind) for opened, kind, _ in page)
            placed = {}
            for record in rows.records:
                leaf = self._log.leaves.get(record.commitment)
                if leaf is not None:
                    placed[record.seq] = leaf
                    unmatched.discard(record.commitment)
            words = {opened.seq: word for opened, _, word in page}
            counted = {
                entry.seq: Counted(
                    reader.undone(entry.reverses_seq) if entry.kind == "correction" else "",
                    words[entry.seq] or None,
                    known=words[entry.seq] != NOT_KNOWN,
                )
                for entry in rows.entries
            }
            check.feed(*rows)
            book_audit.feed(*rows)
            log_audit.feed(*rows, placed)
            closings.feed(*rows, placed, counted)
            draws.feed(*rows)
            entries += len(rows.entries)
            while to_end and to_end[0].through_seq <= rows.records[-1].seq:
                closings.end_period(
                    to_end.pop(0), {number: row.net for number, row in check.accounts.items()}
                )
            self._progress("records", rows.records[-1].seq, self._outline.records)
        self._compare_live(check)
        self._compare_padding(unmatched, self._logged_to())
        for one in (check.end(), book_audit.finish(), log_audit.finish(), draws.finish()):
            self._findings += one
        self._unproved += draws.unproved
        if self._outline.lost:
            # Who stood behind closes whose records are gone, nobody can tell any more.
            self._unproved.append(CLOSES_LOST)
        else:
            self._findings += closings.finish()
            self._unproved += closings.unproved
        newer = len(self._outline.closings) - len(closes)
        if newer:
            self._unproved.append(NEWER.format(count=newer))
        return Audit(
            log=self._verdict,
            records=self._outline.records,
            entries=entries,
            waiting=len(waiting),
            decisions=len(self._facts),
            findings=tuple(sorted(self._findings, key=lambda finding: (finding.seq == 0, finding.seq))),
            unproved=tuple(self._unproved),
        )

    def _find(self, check: str, seq: int, what: str) -> None:
        assert check in CHECKS, check
        self._findings.append(Finding(check, seq, what))

    # ------------------------------------------------------------ reading

    def _first_pass(self) -> None:
        outline = self._outline
        for line in self._lines():
            if isinstance(line, HeadLine):
                self._head = line
            elif isinstance(line, SettingLine):
                self._changes.append(ChangeRow(line.change, line.by, line.before, line.after))
            elif isinstance(line, AskLine):
                self._asks[line.ask] = AskedBy(line.person, line.household, line.asked_at)
            elif isinstance(line, FactsLine):
                self._facts[line.decision] = OpenedFacts(bytes.fromhex(line.salt), line.text)
            else:
                self._outline_record(line)
        outline.finish()

    def _outline_record(self, line: RecordLine) -> None:
        outline = self._outline
        opened = _opened(line)
        if opened.seq != outline.records + 1:
            raise NotAnOpenedBook(f"record {opened.seq} comes after record {outline.records}")
        told = _read_kind(opened.record)
        outline.add(opened, told.kind, told.reverses)
        if told.kind in _ENTRIES or told.kind == "closing":
            committed = commitment(outline.book_id, opened.salt, opened.record)
            if told.kind == "closing":
                self._closing_commitments.append(committed)
            elif committed not in self._log.leaves:
                self._bare.add(opened.seq)

    def _lines(self) -> Iterator[HeadLine | SettingLine | AskLine | FactsLine | RecordLine]:
        self._book.seek(0)
        return read_lines(self._book)  # type: ignore[return-value]

    def _pages(self, ends: set[int]) -> Iterator[list[tuple[OpenedRecord, str, str]]]:
        """Yield records with their kinds and for whom they count, some at a time; a page ends where a period does."""
        page: list[tuple[OpenedRecord, str, str]] = []
        for line in self._lines():
            if not isinstance(line, RecordLine):
                continue
            opened = _opened(line)
            page.append((opened, _read_kind(opened.record).kind, line.counts_for))
            if len(page) == PAGE or opened.seq in ends:
                yield page
                page = []
        if page:
            yield page

    def _read_terms(self) -> list[TermsRow]:
        """Return the published text of every version of rules that the book has."""
        rows = []
        for said in self._outline.policies:
            pot, version = str(said.get("pot")), int(said.get("version", 0))
            text = self._source.read(policy_path(pot, version))
            try:
                terms = json.loads(text or b"")
            except ValueError:
                terms = None
            if isinstance(terms, dict):
                agreed_on = date.fromisoformat(str(said.get("agreed_on")))
                rows.append(TermsRow("published", pot, version, agreed_on, terms))
        return rows

    # ------------------------------------------------------------ what is known of the group

    def _frame(self) -> GroupFrame:
        return GroupFrame(
            book_id=self._genesis.book,
            origin=self._genesis.origin,
            began_on=self._head.began_on,
            preset=self._genesis.preset,
            epoch=self._head.epoch,
            accounts=list(self._outline.accounts.values()),
            pots=self._outline.pots,
            places=self._outline.places,
            ties={},
            all_opened=False,
            changes=self._changes,
        )

    def _published(self, terms: Sequence[TermsRow]) -> Published:
        told = [(close_of(fields), str(fields.get("preset", OPEN))) for _, fields in self._outline.told]
        closes = [close for close, _ in told]
        periods = [
            PeriodRow(close.period, close.first_day, close.last_day, 0, preset) for close, preset in told
        ]
        # There is one text only, the published one, which stands for the one that is applied as well.
        both = [*terms, *(row._replace(where="applied") for row in terms)]
        return Published(closes, periods, {}, {}, {}, both)

    def _logged_to(self) -> int:
        """Return how many closes there are up to the last one whose closing is in the log."""
        found = [at for at, one in enumerate(self._closing_commitments, 1) if one in self._log.closings]
        return max(found, default=0)

    def _logged(self, closes: Sequence[object]) -> int:
        return sum(one in self._log.closings for one in self._closing_commitments[: len(closes)])

    # ------------------------------------------------------------ the book as a whole

    def _compare_live(self, check: BookCheck) -> None:
        """Compare the tree over all records with what the host signed as the head of its book."""
        origin = live_origin(self._genesis.origin)
        keys = [self._keys.live_key, *self._outline.keys]
        try:
            note = parse_note(self._head.live)
            live = parse_checkpoint(note.text)
        except NotANote as error:
            self._find(_LIVE, 0, f"the live checkpoint is none: {error}")
            return
        # Where the log has a new key of the host that no close published yet, that one signs already.
        if not any(read_verifier_key(key)[0] == origin and is_signed(note, key) for key in keys):
            self._find(_LIVE, 0, "the live checkpoint is not signed with the key that the log has for it")
        elif (live.origin, live.size) != (origin, self._outline.records):
            self._find(_LIVE, 0, f"the live checkpoint is of {live.size} records of {live.origin}")
        elif live.root != check.frontier.root():
            self._find(_LIVE, 0, "the host signed other records than those it opened")

    def _compare_padding(self, unmatched: set[bytes], closes: int) -> None:
        """Tell padding from what is withheld: its salts stand in the records of closings, and of restores."""
        padding: dict[bytes, int] = {}
        for seq, fields in self._outline.closings[:closes]:
            for salt in fields.get("padding", ()):
                padding[padding_commitment(bytes.fromhex(salt))] = seq
        again = {padding_commitment(bytes.fromhex(salt)) for salt in self._outline.padding_again}
        strange = sorted(self._log.places[one] for one in unmatched - padding.keys() - again)
        if strange and len(strange) <= self._outline.lost:
            self._unproved.append(LOST)
        elif strange:
            what = f"leaf {strange[0]} of the public log is of no record, and no padding"
            if self._outline.lost:
                what += f"; {len(strange)} leaves are like it, and restores lost {self._outline.lost}"
            self._find("public_log", 0, what)
        gone = sorted(seq for one, seq in padding.items() if one not in unmatched)
        if gone:
            self._find("public_log", gone[0], "padding that it has the salt of is not in the public log")


def _opened(line: RecordLine) -> OpenedRecord:
    salt = bytes.fromhex(line.salt)
    if len(salt) != 32:
        raise NotAnOpenedBook(f"the salt of record {line.seq} has not 32 bytes")
    return OpenedRecord(line.seq, line.record.encode(), salt)
