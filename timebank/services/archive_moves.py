"""A group moves: its archive becomes the very same book on another server, and its public log goes on there.

Nothing is judged anew and nothing gets a new number: records, moments, salts and accounts are those of
before, so the tree has the same root. What was published is served as it was. Only keys are new, and a
leaf of the next close introduces them: signed with the old ones, or with the recovery key from paper.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from timebank.errors import (
    N_,
    BookIsHere,
    FieldInvalid,
    FileUnreadable,
    KeyNotOfTheLog,
    Refusal,
    TotalsDiffer,
    UnknownGroup,
)
from timebank.formats.archive import CHANGED, ArchiveReader, WrongArchive, wrong
from timebank.formats.archive_rows import BOOK, GROUP, PERSONS, RECORDS, TABLES
from timebank.ledger.books import WITH, Books
from timebank.ledger.canonical import NotCanonical, entry_record, read_entry, read_moment
from timebank.ledger.entries import Entry, EntryKind, Replayed
from timebank.ledger.notes import NotANote, parse_checkpoint, parse_note, verifier_key
from timebank.ledger.public_log import KeyLeaf, NotALeaf, key_message, read_leaf
from timebank.ledger.tiles import NotATile, entries_path, read_bundle, tiles_at
from timebank.ledger.tree import Frontier, commitment, leaf_hash
from timebank.rules.closing import key_fields
from timebank.rules.moving import BY_TABLE, NOT_AS_THEY_ARE
from timebank.rules.sheets import Fault
from timebank.rules.state import HoursRow, OtherRecord
from timebank.services.archive_check import check_archive
from timebank.services.archive_import import faults_told, report_of
from timebank.services.jobs import Teller
from timebank.services.log_sources import ArchiveLog
from timebank.services.public_log import Growth, append, keep_files
from timebank.services.public_verify import check_log, is_signed
from timebank.store import archive_moves as store
from timebank.store import book as book_store
from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store import public_log as log_store
from timebank.store.archive import RoleRow, insert_past_roles
from timebank.store.archive_moves import BookRow, MovedRecord
from timebank.store.audit import list_addresses
from timebank.store.book import Settlement, Slice, later
from timebank.store.boxes import blind_index
from timebank.store.checkpoints import live_origin
from timebank.store.engine import driver
from timebank.store.groups import GroupRow, NewAccount
from timebank.store.log_key_files import OldKeys, PaperKey
from timebank.store.members import MemberRow
from timebank.store.public_log import LogHead, NewLeaf

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from timebank.ledger.entries import Draft
    from timebank.ledger.public_log import LogKeys
    from timebank.services.archive_check import Checked
    from timebank.services.house import House
    from timebank.services.import_report import Report, Source
    from timebank.services.jobs import Show
    from timebank.store.book import Head
    from timebank.store.engine import Raw, Tx

NO_BOOK_IN_IT: Final = N_("it is of a version that cannot move, only be copied")
LOG_IS_WRONG: Final = N_("the public log in it is not whole")
OTHER_BOOK: Final = N_("it is not the book whose checkpoint the archive has")

_DAYS_MAX: Final = 20_000


Introducer = OldKeys | PaperKey
"""What may introduce new keys to whoever follows a log."""


async def move_group(
    house: House,
    slug: str,
    source: Source,
    introducer: Introducer,
    *,
    clock: Callable[[], datetime],
    show: Show | None = None,
) -> tuple[Report, UUID]:
    """Take a group over with its book and its log, all or nothing; return what came, and its id here.

    Raises:
        HasFaults: It is no archive, was changed, or has no book in it; its report says where.
        BookIsHere: A group of this server is this very book.
        KeyNotOfTheLog: The keys given cannot introduce others.
        SlugTaken: Another group has this address.
    """
    with faults_told(source), ArchiveReader(source.file) as reader:
        if not reader.moves:
            raise WrongArchive("", Fault(0, "", FileUnreadable(why=NO_BOOK_IN_IT)))
        teller = Teller(clock=clock, show=show)
        checked = await check_archive(reader, teller)
        (book,) = (BookRow(*row) for row in reader.rows(BOOK))
        keys = await asyncio.to_thread(_check_log, reader, source.name, checked, book)
        await asyncio.to_thread(_check_records, reader, checked, book)
        await _check_not_here(house, book.book_id)
        if keys is not None:
            _check_introducer(keys, introducer)
        group_id = house.new_id()
        await asyncio.to_thread(_make_keys, house, group_id, reader, introducer)
        moving = _Moving(house, group_id, slug, reader, checked, book, keys, introducer, teller)
        try:
            kept = await moving.run(now=clock())
        except store.CONTRADICTIONS as error:
            # Each value could be read, and together they are nothing that a group could be.
            raise WrongArchive("", Fault(0, "", FileUnreadable(why=CHANGED), str(error)[:80])) from None
    house.checkpoints.keep(group_id, *kept)
    await keep_files(house, group_id)
    return report_of(source, checked), group_id


# ---------------------------------------------------------------- before anything is written


def _check_log(reader: ArchiveReader, name: str, checked: Checked, book: BookRow) -> LogKeys | None:
    """Check the public log as anybody would, and return the keys that count at its end; None before it begins."""
    group = checked.archive.group
    if not any(True for _ in reader.rows(TABLES["published_checkpoints"])):
        return None
    verdict = check_log(ArchiveLog(reader.packed, Path(name)))
    if verdict.keys is None or verdict.origin != group.origin or verdict.keys.book != book.book_id:
        leaf = verdict.findings[0].leaf if verdict.findings else None
        what = verdict.findings[0].what if verdict.findings else ""
        raise WrongArchive("log", Fault(leaf or 0, "", FileUnreadable(why=LOG_IS_WRONG), what[:80]))
    if not is_signed(parse_note(group.checkpoint), verdict.keys.live_key):
        refusal = FieldInvalid(field="checkpoint", why=OTHER_BOOK)
        wrong(GROUP, group.lines["checkpoint"], "checkpoint", refusal)
    return verdict.keys


def _check_records(reader: ArchiveReader, checked: Checked, book: BookRow) -> None:
    """See that the records are those of the signed checkpoint, to the last bit."""
    frontier, entries = Frontier(), 0
    kinds = frozenset(EntryKind)
    for seq, salt, record in reader.rows(RECORDS):
        if seq != frontier.size + 1:
            wrong(RECORDS, 0, "seq", FileUnreadable(why=OTHER_BOOK), str(seq))
        frontier.append(leaf_hash(commitment(book.book_id, salt, record.encode())))
        entries += _kind_of(record) in kinds
    told = checked.archive
    if (frontier.size, frontier.root()) != (told.group.records, checked.root):
        wrong(RECORDS, 0, "record", FileUnreadable(why=OTHER_BOOK))
    if entries != told.entries:
        wrong(RECORDS, 0, "record", TotalsDiffer(told=told.entries, found=entries))


def _kind_of(record: str) -> str:
    try:
        return str(json.loads(record)["kind"])
    except (ValueError, KeyError, TypeError):
        return ""


async def _check_not_here(house: House, book_id: bytes) -> None:
    for group_id, slug in (await list_addresses(house.database)).items():
        async with house.database.read(group_id) as tx:
            try:
                here = await store.find_book_id(tx, group_id)
            except UnknownGroup:
                continue
        if here == book_id:
            raise BookIsHere(slug=slug)


def _public(secret: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def _check_introducer(keys: LogKeys, introducer: Introducer) -> None:
    if isinstance(introducer, PaperKey):
        fits = sha256(_public(introducer.recovery)).digest() == keys.recovery
    else:
        origin = keys.log_key.split("+", 1)[0]
        fits = (
            verifier_key(origin, _public(introducer.log)) == keys.log_key
            and verifier_key(live_origin(origin), _public(introducer.live)) == keys.live_key
            and (
                introducer.recovery is None or sha256(_public(introducer.recovery)).digest() == keys.recovery
            )
        )
    if not fits:
        raise KeyNotOfTheLog


def _make_keys(house: House, group_id: UUID, reader: ArchiveReader, introducer: Introducer) -> None:
    house.keys.create_group_keys(group_id)
    recovery = introducer.recovery if isinstance(introducer, OldKeys) else None
    house.keys.move_log_keys(group_id, recovery)
    here = [member_id for _, member_id, _, accounts in reader.rows(PERSONS) if json.loads(accounts)]
    house.keys.create_member_keys(group_id, here)


# ---------------------------------------------------------------- one transaction


class _Moving:
    """One move under way."""

    def __init__(
        self,
        house: House,
        group_id: UUID,
        slug: str,
        reader: ArchiveReader,
        checked: Checked,
        book: BookRow,
        keys: LogKeys | None,
        introducer: Introducer,
        teller: Teller,
    ) -> None:
        self.house = house
        self.group_id = group_id
        self.slug = slug
        self.reader = reader
        self.checked = checked
        self.book = book
        self.keys = keys
        self.introducer = introducer
        self.teller = teller
        self.numbers: dict[tuple[str, str], int] = {}
        self.posted: dict[UUID, int] = {}
        self._closed: list[int] = []

    async def run(self, *, now: datetime) -> tuple[int, str]:
        """Write everything; return what ``checkpoints.keep`` wants after the commit."""
        async with self.house.database.tx(self.group_id) as tx:
            connection = await driver(tx)
            await book_store.be_patient(connection)
            await self._write_group(tx, connection)
            await self._write_members(tx)
            for name, moved in BY_TABLE.items():
                if name not in NOT_AS_THEY_ARE:
                    rows = self.reader.rows(TABLES[name])
                    await store.insert_rows(connection, self.group_id, moved, rows)
            await store.take_witnesses(connection, self.group_id)
            await self._write_log(tx)
            head, books = await self._write_records(connection, now=now)
            await self._write_hours(connection)
            return await self._write_keys(connection, head, books, now=now)

    async def _write_group(self, tx: Tx, connection: Raw) -> None:
        group = self.checked.group
        row = GroupRow(
            group_id=self.group_id,
            slug=self.slug,
            name=group.name,
            origin=self.checked.archive.group.origin,
            book_id=self.book.book_id,
            began_on=group.began_on,
            time_zone=group.time_zone,
            languages=list(group.languages),
            preset=group.preset,
            categories=list(group.categories),
            time_bank=group.time_bank,
            created_at=self.book.created_at,
            rounding_minutes=group.rounding_minutes,
            rounding_up=group.rounding_up,
            confirm_days=group.confirm_days,
            words=group.words,
            member_list=group.member_list,
            joining=group.joining,
            categories_retired=group.categories_retired,
        )
        await groups_store.insert_group(tx, row)
        await store.set_epoch(connection, self.group_id, self.book.epoch, self.book.created_at)
        (shown,) = self.reader.rows(TABLES["published_groups"])
        moved = BY_TABLE["published_groups"]
        await store.insert_published_group(connection, self.group_id, self.slug, moved, shown)
        accounts = []
        for name, number, kind, unit, pot_account, floor, closed in self.reader.rows(TABLES["accounts"]):
            accounts.append(NewAccount(number, kind, unit, pot_account, floor))
            self.numbers[name, unit] = number
            if closed:
                self._closed.append(number)
        await groups_store.insert_accounts(tx, self.group_id, accounts)

    async def _write_members(self, tx: Tx) -> None:
        house, group_id = self.house, self.group_id
        index_key = house.keys.index_key(group_id)
        ids: dict[int, UUID] = {}
        rows, households = [], dict[UUID, list[UUID]]()
        persons = {number: rest for number, *rest in self.reader.rows(PERSONS)}
        for line in self.checked.archive.members:
            member_id, household_id, accounts = persons[line.member]
            ids[line.member] = member_id
            key = house.keys.find_member_key(group_id, member_id)
            if line.state == "erased" or key is None:
                rows.append(MemberRow(member_id, "erased", b"", b"", b"", line.joined_on))
                continue
            rows.append(
                MemberRow(
                    member_id,
                    line.state,
                    members_store.seal_nickname(key, group_id, member_id, line.nickname),
                    blind_index(index_key, line.nickname),
                    members_store.seal_accounts(key, group_id, member_id, json.loads(accounts)),
                    line.joined_on,
                )
            )
            if household_id is not None:
                households.setdefault(household_id, []).append(member_id)
        if rows:
            await members_store.insert_members(tx, group_id, rows)
        for household_id, tied in households.items():
            await members_store.set_household(tx, group_id, tied, household_id)
        roles = self.checked.archive.roles
        await insert_past_roles(
            tx, group_id, [RoleRow(ids[role.member], role.role, role.since, role.until) for role in roles]
        )

    # ------------------------------------------------------------ what was published

    async def _write_log(self, tx: Tx) -> None:
        """Write leaves and checkpoints as they were; what is between them is computed again."""
        growth = Growth(Frontier(), [], [])
        notes = list(self.reader.rows(TABLES["published_checkpoints"]))
        leaves = self._leaves(notes[-1][1]) if notes else iter(())
        for period, size, note in notes:
            count = size - growth.frontier.size
            page = list(islice(leaves, count))
            await append(tx, self.group_id, growth, period=period, leaves=page)
            frontier = growth.frontier
            try:
                told = parse_checkpoint(parse_note(note).text)
            except NotANote:
                told = None
            if told is None or (told.size, told.root) != (frontier.size, frontier.root()):
                sheet = TABLES["published_checkpoints"]
                wrong(sheet, 0, "note", FileUnreadable(why=LOG_IS_WRONG), str(period))
            head = LogHead(period, frontier.size, frontier.to_bytes())
            await log_store.insert_checkpoint(tx, self.group_id, head, note)

    def _leaves(self, size: int) -> Iterator[NewLeaf]:
        log = ArchiveLog(self.reader.packed, Path())
        for tile in tiles_at(size, 0):
            try:
                found = read_bundle(log.read(entries_path(tile.number, tile.width)) or b"", tile.width)
                for data in found:
                    yield NewLeaf(read_leaf(data).commitment, data, leaf_hash(data))
            except (NotATile, NotALeaf):
                raise WrongArchive("log", Fault(tile.number, "", FileUnreadable(why=LOG_IS_WRONG))) from None

    # ------------------------------------------------------------ the book

    async def _write_records(self, connection: Raw, *, now: datetime) -> tuple[Head, Books]:
        """Write every record with the number, the moment and the salt that it had."""
        head, accounts = await book_store.load(connection, self.group_id, list(self.numbers.values()))
        group = self.checked.group
        books = Books(
            accounts=accounts,
            seq=0,
            recorded_at=head.recorded_at,
            began_on=group.began_on,
            today=now.astimezone(ZoneInfo(group.time_zone)).date(),
        )
        total = self.checked.archive.group.records
        for page in _pages(self._records()):
            await self._know(connection, books, page)
            await store.insert_records(connection, self.group_id, list(self._judged(books, head, page)))
            books.known.clear()
            if len(books.days) > _DAYS_MAX:
                await self._settle(connection, head, books)
            await self.teller.tell("writing", head.seq, total)
        await self._settle(connection, head, books)
        await store.close_accounts(connection, self.group_id, self._closed)
        return head, books

    def _records(self) -> Iterator[_Read]:
        kinds = frozenset(EntryKind)
        for seq, salt, text in self.reader.rows(RECORDS):
            record = text.encode()
            try:
                kind = _kind_of(text)
                if kind in kinds:
                    draft, at = read_entry(record)
                    yield _Read(seq, kind, record, salt, at, draft)
                else:
                    yield _Read(seq, kind, record, salt, read_moment(json.loads(text)["recorded_at"]), None)
            except (NotCanonical, ValueError, KeyError, TypeError):
                wrong(RECORDS, 0, "record", FileUnreadable(why=OTHER_BOOK), str(seq))

    async def _know(self, connection: Raw, books: Books, page: list[_Read]) -> None:
        """Have what the page corrects at hand."""
        drafts = [read.draft for read in page if read.draft is not None]
        here = {draft.entry_id for draft in drafts}
        earlier = {draft.reverses for draft in drafts if draft.reverses is not None} - here
        books.known |= await book_store.load_known(connection, self.group_id, earlier)

    def _judged(self, books: Books, head: Head, page: list[_Read]) -> Iterator[MovedRecord]:
        """Have the books take every record again, and see that the same comes out."""
        for chain in _chains(page):
            entries: list[Entry | None] = [None]
            if chain[0].draft is None:
                books.seq += 1
                books.recorded_at = chain[0].at
            else:
                result = books.post([read.draft for read in chain if read.draft is not None], chain[0].at)
                if isinstance(result, Refusal):
                    wrong(RECORDS, 0, "record", result, str(chain[0].seq))
                if isinstance(result, Replayed):
                    wrong(RECORDS, 0, "record", FileUnreadable(why=OTHER_BOOK), str(chain[0].seq))
                entries = list(result)
            for read, entry in zip(chain, entries, strict=True):
                if entry is not None and (entry.seq != read.seq or entry_record(entry) != read.record):
                    wrong(RECORDS, 0, "record", FileUnreadable(why=OTHER_BOOK), str(read.seq))
                sealed = commitment(self.book.book_id, read.salt, read.record)
                head.frontier.append(leaf_hash(sealed))
                head.seq, head.recorded_at = read.seq, read.at
                if entry is not None:
                    self.posted[entry.draft.entry_id] = entry.seq
                yield MovedRecord(read.seq, read.kind, read.record, read.salt, sealed, entry)

    async def _settle(
        self,
        connection: Raw,
        head: Head,
        books: Books,
        written: tuple[OtherRecord, ...] = (),
    ) -> None:
        """Write balances, days and head, and records that are new."""
        at = written[0].recorded_at if written else head.recorded_at
        appended = book_store.seal_records(
            head, self.book.book_id, written, self.house.random(32 * len(written))
        )
        origin = self.checked.archive.group.origin
        head.checkpoint = self.house.checkpoints.sign(
            self.group_id, origin, head.epoch, head.seq, head.frontier.root()
        )
        accounts = [books.accounts[number] for number in books.touched]
        part, settlement = Slice((), at, appended, written, ()), Settlement(head, accounts, books.days)
        await book_store.append(connection, book_store.ready_to_settle(self.group_id, part, settlement))
        books.days.clear()

    async def _write_hours(self, connection: Raw) -> None:
        page: list[HoursRow] = []
        for line in self.reader.hours():
            numbers = self.numbers
            page.append(
                HoursRow(
                    line.id,
                    self.posted.get(line.id) if line.posted else None,
                    line.state,
                    numbers[line.giver, "minutes"],
                    numbers[line.receiver, "minutes"] if line.receiver else None,
                    line.draw,
                    line.minutes,
                    line.effective_on,
                    line.category,
                    numbers[line.logged_by, "minutes"] if line.logged_by else 0,
                    line.logged_at,
                )
            )
            if len(page) == store.PAGE:
                await store.insert_hours(connection, self.group_id, page)
                page = []
        await store.insert_hours(connection, self.group_id, page)

    # ------------------------------------------------------------ new keys

    async def _write_keys(
        self, connection: Raw, head: Head, books: Books, *, now: datetime
    ) -> tuple[int, str]:
        """Write that new keys count from the next close on."""
        if self.keys is not None:
            written, at = [], head.recorded_at
            for number, leaf in enumerate(self._new_keys(self.keys), start=1):
                # Moments of one statement follow each other without a gap.
                at = later(now, at) if number == 1 else at + timedelta(microseconds=1)
                written.append(OtherRecord(head.seq + number, "key", at, 0, key_fields(leaf)))
            await self._settle(connection, head, books, tuple(written))
        return head.seq, head.checkpoint

    def _new_keys(self, keys: LogKeys) -> Iterable[KeyLeaf]:
        origin = self.checked.archive.group.origin
        log_key, live_key = self.house.checkpoints.log_keys(self.group_id, origin)
        who = self.introducer
        for old, new, secret in (
            (keys.log_key, log_key, who.recovery if isinstance(who, PaperKey) else who.log),
            (keys.live_key, live_key, who.recovery if isinstance(who, PaperKey) else who.live),
        ):
            recovery = _public(secret) if isinstance(who, PaperKey) else b""
            leaf = KeyLeaf(bytes(32), old, new, "moved", b"", recovery)
            signature = Ed25519PrivateKey.from_private_bytes(secret).sign(key_message(keys.book, leaf))
            yield leaf._replace(signature=signature)


class _Read(NamedTuple):
    """A record as it was read; ``draft`` is None for one that moves nothing."""

    seq: int
    kind: str
    record: bytes
    salt: bytes
    at: datetime
    draft: Draft | None

    def goes_on(self, first: _Read | None) -> bool:
        """Say whether it is judged with this one as one."""
        return (
            self.draft is not None
            and first is not None
            and first.draft is not None
            and (WITH, str(first.draft.entry_id)) in self.draft.links
        )


def _chains(records: Iterable[_Read]) -> Iterator[list[_Read]]:
    chain: list[_Read] = []
    for read in records:
        if chain and not read.goes_on(chain[0]):
            yield chain
            chain = []
        chain.append(read)
    if chain:
        yield chain


def _pages(records: Iterable[_Read]) -> Iterator[list[_Read]]:
    page: list[_Read] = []
    for chain in _chains(records):
        page += chain
        if len(page) >= store.PAGE:
            yield page
            page = []
    if page:
        yield page
