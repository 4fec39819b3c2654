"""An archive comes in: into an empty group or as a new one, every entry judged again, all of it or nothing.

The book that comes out is new: its records have their own numbers, moments and proofs. One of them
says of which checkpoint of which book it is a copy, so that an auditor can tie the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from uuid import UUID

from timebank.errors import (
    N_,
    EntryIdReused,
    FieldInvalid,
    GroupNotEmpty,
    NicknameTaken,
    NoTimeBank,
    Refusal,
    UnitMismatch,
)
from timebank.formats.archive import ArchivedEntry, ArchiveReader, WrongArchive, wrong
from timebank.formats.archive_rows import (
    ENTRIES,
    GROUP,
    MEMBERS,
    PLACES,
    POTS,
    DrawLine,
    HoursLine,
    PlaceLine,
    PolicyLine,
    PotLine,
)
from timebank.ledger.entries import Draft, Entry, Transfer
from timebank.ledger.units import MINUTES
from timebank.rules.archive import Key, kind_of, owner_of
from timebank.rules.publication import place_name
from timebank.rules.set_up import (
    LIST_MAX,
    TOO_MANY,
    NewPot,
    OpenedAccount,
    accounts_of_member,
    opened_accounts,
    pot_floor,
)
from timebank.rules.state import Draw, Hand, HeldPlace, HoursRow, Pot, Waiting
from timebank.services import jobs
from timebank.services.archive_check import check_archive, read_terms
from timebank.services.groups import create_group, policy_fields
from timebank.services.import_report import NAMES_SHOWN_MAX, Report, SeenFault, SeenFile
from timebank.services.imports import HasFaults
from timebank.services.jobs import Teller
from timebank.services.long_batch import SLICE, long_batch, rehearsal
from timebank.services.members import Newcomer, join, make_keys
from timebank.store import archive as store
from timebank.store import groups as groups_store
from timebank.store import imports as imports_store
from timebank.store.archive import RoleRow
from timebank.store.boxes import blind_index
from timebank.store.draws import insert_draws, upsert_hands
from timebank.store.engine import STORE_ERRORS, is_our_fault
from timebank.store.groups import NewAccount, PolicyRow, find_frame
from timebank.store.hours import insert_unposted, insert_waiting
from timebank.store.members import MemberRow, insert_members, set_household

if TYPE_CHECKING:
    from timebank.rules.state import SetUp
    from timebank.services.archive_check import Checked
    from timebank.services.house import House
    from timebank.services.import_report import Source
    from timebank.services.long_batch import LongBatch
    from timebank.store.groups import GroupFrame

LAYOUT: Final = "archive"
NOT_KEPT_HERE: Final = N_("this group does not keep it; import into a new group")
OTHER_PLACE: Final = N_("this group has another place of this name")

_LOOK_UP: Final = 5_000
_ENTRIES_PER_SECOND: Final = 4_000
_TICK: Final = timedelta(microseconds=1)

Records = list[tuple[str, int, dict[str, Any]]]


class NewAddress(NamedTuple):
    """Where a group is to be made of an archive; ``origin`` is the name of its book in proofs."""

    slug: str
    origin: str


async def import_archive(
    house: House,
    where: UUID | NewAddress,
    source: Source,
    *,
    clock: Callable[[], datetime],
    dry_run: bool,
    show: jobs.Show | None = None,
    step_back: Callable[[int], None] = lambda _pid: None,
) -> tuple[Report, UUID | None]:
    """Bring an archive in for the host, all or nothing.

    Args:
        where: An empty group, or where to make one; a new group stays, empty, when the import into
            it is interrupted afterwards, and takes the same archive again.
        dry_run: Compare everything in the archive with everything else in it, and write nothing.

    Returns:
        What was found, and the id of the import; None when nothing was written: the run was dry,
        or the group has these entries already.

    Raises:
        HasFaults: It is no archive, or was changed, or does not fit; its report says where.
        GroupNotEmpty: The group has other entries.
        SlugTaken, JobRunning, JobCancelled
    """
    with faults_told(source), ArchiveReader(source.file) as reader:
        if isinstance(where, NewAddress):
            checked = await check_archive(reader, Teller(clock=clock, show=show))
            if dry_run:
                return report_of(source, checked), None
            where = await _make_group(house, checked, where, now=clock())
        else:
            if dry_run:
                return (await _look(house, where, reader, source, Teller(clock=clock, show=show)))[1], None
            checked = None
        import_id = house.new_id()
        async with jobs.doing(
            house, where, clock=clock, kind="post", about_id=import_id, show=show, step_back=step_back
        ) as teller:
            with faults_told(source):
                if checked is None:
                    checked, report = await _look(house, where, reader, source, teller)
                    if checked is None:
                        return report, None
                report = report_of(source, checked)
                await _post(house, where, import_id, reader, checked, report, teller)
    return report, import_id


async def _make_group(house: House, checked: Checked, at: NewAddress, *, now: datetime) -> UUID:
    """Make a group with the settings of an archive: its pots, places, units and first rules."""
    agreed_on = {line.pot: line.agreed_on for line in checked.archive.policies if line.version == 1}
    return await create_group(
        house, replace(checked.group, slug=at.slug), origin=at.origin, now=now, agreed_on=agreed_on
    )


@contextmanager
def faults_told(source: Source) -> Iterator[None]:
    """Turn what is wrong with an archive into a refusal with a report."""
    try:
        yield
    except WrongArchive as bad:
        line, column, why, value = bad.fault
        name = bad.file or source.name
        refusal = HasFaults(count=1)
        refusal.report = report_of(
            source, None, SeenFault(name, line, column, why.code, why.message, dict(why.params), value)
        )
        raise refusal from None


def report_of(
    source: Source, checked: Checked | None, fault: SeenFault | None = None, *, already: int = 0
) -> Report:
    """Return what there is to say of an archive, or of the fault that was found in it."""
    archive = None if checked is None else checked.archive
    names = [] if archive is None else [m.nickname for m in archive.members if m.nickname]
    entries = already if archive is None else archive.entries
    return Report(
        files=[] if fault else [SeenFile(source.name, LAYOUT, entries, [], [])],
        faults=[fault] if fault else [],
        fault_count=1 if fault else 0,
        new=0 if archive is None else archive.entries,
        already=already,
        totals=[] if checked is None else checked.totals,
        people_new=names[:NAMES_SHOWN_MAX],
        people_new_count=len(names),
        people_known=0,
        outside=0,
        categories_new=[],
        notes_lost=0,
        began_on=date.min if archive is None else archive.group.began_on,
        first_day=None if checked is None else checked.first_day,
        last_day=None if checked is None else checked.last_day,
    )


# ---------------------------------------------------------------- does it fit


async def _look(
    house: House, group_id: UUID, reader: ArchiveReader, source: Source, teller: Teller
) -> tuple[Checked | None, Report]:
    """Return what an archive is; None, with a report, when the group has its entries already."""
    async with rehearsal(house, group_id, now=teller.clock()) as batch:
        if await store.has_entries(batch.connection, group_id):
            return None, report_of(source, None, already=await _count_booked(batch, reader, teller))
    checked = await check_archive(reader, teller)
    async with rehearsal(house, group_id, now=teller.clock()) as batch:
        await _fit(house, batch, checked)
    return checked, report_of(source, checked)


async def _count_booked(batch: LongBatch, reader: ArchiveReader, teller: Teller) -> int:
    """Return how many entries an archive has, all of which are in the book.

    Raises:
        GroupNotEmpty: One of them is not.
    """
    total, count = reader.head().entries, 0
    lines = reader.entry_lines()
    while page := list(islice(lines, _LOOK_UP)):
        booked = await imports_store.find_booked(batch.connection, batch.group_id, [line.id for line in page])
        if len(booked) < len(page):
            raise GroupNotEmpty
        count += len(page)
        await teller.tell("comparing", count, total)
    if not count:
        raise GroupNotEmpty
    return count


@dataclass(frozen=True, slots=True)
class _Fit:
    """What an empty group lacks to take an archive.

    Attributes:
        policies: Versions to add, numbered as the group will have them.
        versions: By pot and version in the archive, the version that the group will have.
    """

    frame: GroupFrame
    setup: SetUp
    pots: list[PotLine]
    places: list[PlaceLine]
    policies: list[PolicyLine]
    versions: Mapping[tuple[str, int], int]
    categories: list[str]


async def _fit(house: House, batch: LongBatch, checked: Checked) -> _Fit:
    """Compare an archive with a group that is there.

    Raises:
        WrongArchive: The group keeps other units, or something else under the same name.
    """
    archive = checked.archive
    frame = await find_frame(batch.tx, batch.group_id)
    setup = await batch.load_setup()
    if not set(archive.group.currencies) <= set(frame.units):
        missing = min(set(archive.group.currencies) - set(frame.units))
        why = FieldInvalid(field="currency", why=NOT_KEPT_HERE)
        wrong(GROUP, archive.group.lines["currency"], "currency", why, missing)
    if archive.group.time_bank and not frame.time_bank:
        wrong(GROUP, archive.group.lines["time_bank"], "time_bank", NoTimeBank())
    for pot in archive.pots:
        mine = setup.pots.get(pot.code)
        if mine is not None and mine.unit != pot.unit:
            refusal = UnitMismatch(unit=pot.unit, account_unit=mine.unit)
            wrong(POTS, pot.line, "unit", refusal, pot.code)
    for place in archive.places:
        there = setup.held.get(place.code)
        if there is not None and (there.kind, there.unit) != (place.kind, place.unit):
            refusal_place = FieldInvalid(field="code", why=OTHER_PLACE)
            wrong(PLACES, place.line, "code", refusal_place, place.code)
    categories = [name for name in checked.group.categories if name not in setup.categories]
    if len(categories) + len(setup.categories) > LIST_MAX:
        too_many = FieldInvalid(field="category", why=TOO_MANY)
        wrong(GROUP, archive.group.lines["category"], "category", too_many)
    await _check_nicknames(house, batch, checked)
    policies, versions = _new_policies(
        archive.policies, await store.load_policies(batch.connection, batch.group_id)
    )
    return _Fit(
        frame=frame,
        setup=setup,
        pots=[pot for pot in archive.pots if pot.code not in setup.pots],
        places=[place for place in archive.places if place.code not in setup.held],
        policies=policies,
        versions=versions,
        categories=categories,
    )


async def _check_nicknames(house: House, batch: LongBatch, checked: Checked) -> None:
    """Refuse two people of one nickname who are both here; those who left may share one."""
    key = house.keys.index_key(batch.group_id)
    here = {"active", "suspended"}
    taken = {
        member.nickname_index
        for member in await store.load_members(batch.connection, batch.group_id)
        if member.state in here
    }
    for line in checked.archive.members:
        if line.state in here:
            index = blind_index(key, line.nickname)
            if index in taken:
                wrong(MEMBERS, line.line, "nickname", NicknameTaken())
            taken.add(index)


def _new_policies(
    lines: Sequence[PolicyLine], there: Sequence[PolicyRow]
) -> tuple[list[PolicyLine], dict[tuple[str, int], int]]:
    """Return the versions that are new, and what each one of the archive is numbered here."""
    mine: dict[str, list[dict[str, Any]]] = {}
    for row in there:
        mine.setdefault(row.pot, []).append(row.terms)
    versions: dict[tuple[str, int], int] = {}
    new: list[PolicyLine] = []
    for line in lines:
        own = mine.setdefault(line.pot, [])
        if line.version <= len(own) and own[line.version - 1] == line.terms:
            versions[line.pot, line.version] = line.version
        else:
            own.append(line.terms)
            versions[line.pot, line.version] = len(own)
            new.append(line._replace(version=len(own)))
    return new, versions


# ---------------------------------------------------------------- people


@dataclass(slots=True)
class _People:
    """Who comes with an archive.

    Attributes:
        ids: By number in the archive.
        nobodys: Accounts of people who were erased.
        numbers: Account numbers of all of them, by name and unit.
    """

    newcomers: list[Newcomer]
    erased: list[MemberRow]
    ids: dict[int, UUID]
    nobodys: list[NewAccount]
    numbers: dict[Key, int]


def _people(house: House, checked: Checked, frame: GroupFrame) -> _People:
    archive = checked.archive
    people = _People([], [], {}, [], {})
    planned = accounts_of_member(frame.units, time_bank=frame.time_bank)
    for line in archive.members:
        member_id = people.ids[line.member] = house.new_id()
        if line.state == "erased":
            people.erased.append(MemberRow(member_id, "erased", b"", b"", b"", line.joined_on))
            continue
        own = {name: house.new_number() for name in planned}
        people.newcomers.append(
            Newcomer(member_id, line.nickname, (), own, state=line.state, joined_on=line.joined_on)
        )
        for name, account in planned.items():
            people.numbers[f"{account.kind}:{line.member}", account.unit] = own[name]
    for account_line in archive.accounts:
        key = account_line.account, account_line.unit
        kind, owner = kind_of(account_line.account), owner_of(account_line.account)
        if kind in {"member", "exchange"} and int(owner) > len(archive.members):
            number = people.numbers[key] = house.new_number()
            people.nobodys.append(NewAccount(number, kind, account_line.unit, 0, None))
    return people


async def _let_in(
    house: House, batch: LongBatch, checked: Checked, people: _People, *, now: datetime
) -> Records:
    """Let everybody join as they were: active, suspended, left, or as a row that names nobody any more."""
    records: Records = []
    if people.newcomers:
        records += await join(house, batch.tx, batch.group_id, people.newcomers, now=now, actor=0)
    if people.erased:
        await insert_members(batch.tx, batch.group_id, people.erased)
    if people.nobodys:
        await groups_store.insert_accounts(batch.tx, batch.group_id, people.nobodys)
        opened = [OpenedAccount(account.account_id, account.kind, account.unit) for account in people.nobodys]
        records.append(("joined", 0, {"accounts": opened_accounts(opened)}))
        records.append(("erasure", 0, {"accounts": sorted(account.number for account in opened)}))
    for household in checked.archive.group.households:
        tied = [people.ids[member] for member in household]
        await set_household(batch.tx, batch.group_id, tied, house.new_id())
    roles = checked.archive.roles
    await store.insert_past_roles(
        batch.tx,
        batch.group_id,
        [RoleRow(people.ids[role.member], role.role, role.since, role.until) for role in roles],
    )
    # What was taken away before is told by its times alone: the book begins with what holds.
    for role in roles:
        number = people.numbers.get((f"member:{role.member}", MINUTES))
        if number is not None and (role.until is None or role.until > now):
            records.append(("role", 0, {"account": number, "given": True, "role": role.role}))
    return records


# ---------------------------------------------------------------- set-up


async def _complete_setup(house: House, batch: LongBatch, checked: Checked, fit: _Fit) -> Records:
    """Give the group the pots, places, rules, categories and days that it lacks; return what says so."""
    await groups_store.bump_setup_version(batch.tx, batch.group_id)
    records: Records = []
    pots, places, accounts, opened = _additions(house, fit)
    if accounts:
        await groups_store.insert_accounts(batch.tx, batch.group_id, accounts)
        records.append(("opened", 0, {"accounts": opened_accounts(opened)}))
    if pots:
        await groups_store.insert_pots(batch.tx, batch.group_id, pots)
    await groups_store.insert_held_places(batch.tx, batch.group_id, places)
    if pots or places:
        await store.publish_additions(batch.tx, batch.group_id, pots, places)
    if fit.policies:
        ids = {pot.code: pot.pot_id for pot in (*fit.setup.pots.values(), *pots)}
        rows = [
            PolicyRow(ids[line.pot], line.pot, line.version, line.agreed_on, read_terms(line).as_json())
            for line in fit.policies
        ]
        await groups_store.insert_policies(batch.tx, batch.group_id, rows)
        records += [("policy", 0, policy_fields(row)) for row in rows]
    if fit.categories:
        await imports_store.add_categories(batch.connection, batch.group_id, fit.categories)
    before, began_on = fit.setup.began_on, checked.group.began_on
    if began_on < before:
        await imports_store.move_beginning(batch.connection, batch.group_id, began_on)
        records.append(("began", 0, {"before": before.isoformat(), "began_on": began_on.isoformat()}))
    return records


def _additions(
    house: House, fit: _Fit
) -> tuple[list[Pot], list[HeldPlace], list[NewAccount], list[OpenedAccount]]:
    """Return the pots and places that a group lacks, with their accounts; numbers go on from those it has."""
    pots, places = [], []
    accounts: list[NewAccount] = []
    opened: list[OpenedAccount] = []
    of_unit = Counter(pot.unit for pot in fit.setup.pots.values())
    for line in fit.pots:
        of_unit[line.unit] += 1
        own, promised, shared = (house.new_number() for _ in range(3))
        pots.append(Pot(house.new_id(), line.code, line.unit, of_unit[line.unit], own, promised, shared))
        floor = pot_floor(NewPot(line.code, line.unit, line.floor))
        for kind, number, least in (("pot", own, floor), ("promised", promised, 0), ("shared", shared, None)):
            accounts.append(NewAccount(number, kind, line.unit, own, least))
            opened.append(OpenedAccount(number, kind, line.unit, line.code, least))
    of_kind = Counter((place.unit, place.kind) for place in fit.setup.held.values())
    for place in fit.places:
        of_kind[place.unit, place.kind] += 1
        count, number = of_kind[place.unit, place.kind], house.new_number()
        places.append(HeldPlace(house.new_id(), place.code, place.kind, count, place.unit, number))
        accounts.append(NewAccount(number, "held", place.unit, 0, 0))
        name = place_name(place.kind, count, place.unit)
        opened.append(OpenedAccount(number, "held", place.unit, name, 0))
    return pots, places, accounts, opened


def _numbers_of_group(setup: SetUp) -> dict[Key, int]:
    """Return the numbers of the accounts that a group has whoever is in it, by name and unit."""
    numbers: dict[Key, int] = {(kind, unit): number for (kind, unit), number in setup.special.items()}
    for pot in setup.pots.values():
        numbers[f"pot:{pot.code}", pot.unit] = pot.pot_account
        numbers[f"promised:{pot.code}", pot.unit] = pot.promised_account
        numbers[f"shared:{pot.code}", pot.unit] = pot.shared_account
    for place in setup.held.values():
        numbers[f"held:{place.code}", place.unit] = place.account_id
    return numbers


# ---------------------------------------------------------------- the book


async def _post(
    house: House,
    group_id: UUID,
    import_id: UUID,
    reader: ArchiveReader,
    checked: Checked,
    report: Report,
    teller: Teller,
) -> None:
    """Write a checked archive in one transaction: set-up, people, and every entry as the book judges it again."""
    await teller.wait_for_a_slot()
    async with rehearsal(house, group_id, now=teller.clock()) as looking:
        people = _people(house, checked, await find_frame(looking.tx, group_id))
    await make_keys(house, group_id, people.newcomers)
    now = teller.clock()
    group = checked.archive.group
    try:
        async with long_batch(house, group_id, now=now) as batch:
            teller.step_back(batch.connection.get_server_pid())
            if await store.has_entries(batch.connection, group_id):
                raise GroupNotEmpty
            await imports_store.insert_import(
                batch.connection, group_id, import_id, options={"archive": True}, member_id=None, now=now
            )
            fit = await _fit(house, batch, checked)
            records = await _complete_setup(house, batch, checked, fit)
            records += await _let_in(house, batch, checked, people, now=now)
            await batch.load(await batch.load_setup(), people.numbers.values())
            for kind, actor, fields in records:
                batch.state.record(kind, actor, fields)
            told = {"origin": group.origin, "root": checked.root.hex(), "size": group.records}
            first_seq = batch.state.record(
                "import", 0, {"entries": checked.archive.entries, "from": told, "import": str(import_id)}
            )
            replay = _Replay(batch, checked, people, fit.versions, teller)
            await replay.run(reader)
            await imports_store.update_import(
                batch.connection,
                group_id,
                import_id,
                state="posted",
                now=now,
                summary=report.summary(),
                seqs=(first_seq, batch.state.books.seq),
            )
            await teller.end_within(batch.connection)
            kept = await batch.finish()
    except STORE_ERRORS as error:
        if is_our_fault(error):
            _find_twice(reader)
        raise
    house.checkpoints.keep(group_id, *kept)


def _find_twice(reader: ArchiveReader) -> None:
    """Look for an id that two entries have, once the database would not have them both.

    Raises:
        WrongArchive: There is one.
    """
    seen: set[int] = set()
    for line in reader.entry_lines():
        if line.id.int in seen:
            wrong(ENTRIES, line.line, "id", EntryIdReused(), str(line.id))
        seen.add(line.id.int)


_Chain = list[ArchivedEntry]


class _Replay:
    """Posts the entries of an archive in their order, and writes what people did with them."""

    def __init__(
        self,
        batch: LongBatch,
        checked: Checked,
        people: _People,
        versions: Mapping[tuple[str, int], int],
        teller: Teller,
    ) -> None:
        self.batch = batch
        self.archive = checked.archive
        self.people = people
        self.versions = versions
        self.teller = teller
        self.numbers = _numbers_of_group(batch.state.setup) | people.numbers
        self.asked_at: dict[UUID, datetime] = {}
        self._last_at = batch.state.books.recorded_at
        self._draws_after: dict[int, list[DrawLine]] = {}
        for draw in self.archive.draws:
            self._draws_after.setdefault(draw.after, []).append(draw)
        # Asks between two entries keep their order only if there are moments enough between the two.
        self._room_after = {
            after: len({draw.asked_at for draw in draws}) for after, draws in self._draws_after.items()
        }

    async def run(self, reader: ArchiveReader) -> None:
        """Do it all; what is left for the caller is to commit.

        Raises:
            WrongArchive: The book refuses an entry, so the archive is not as it was.
        """
        batch, total = self.batch, self.archive.entries
        began, done = self.teller.clock(), 0
        waiting: list[HoursLine] = []
        crowded = {after for after, room in self._room_after.items() if room > 1}
        for window in _windows(reader.entries(waiting), crowded):
            await self._meet(window)
            for chain in window:
                self._post(chain)
                done += len(chain)
            await batch.flush()
            seconds = (self.teller.clock() - began).total_seconds()
            rate = done / seconds if seconds > 0 else _ENTRIES_PER_SECOND
            until = self.teller.clock() + timedelta(seconds=(total - done) / rate)
            await self.teller.tell("writing", done, total, locked_until=until)
        await batch.settle()
        last = batch.state.books.recorded_at
        self._date_draws(total, last + self._room_after.get(total, 1) * _TICK)
        await self._write_draws()
        unposted = [self._hours(line, None, last + _TICK) for line in waiting]
        await insert_unposted(batch.connection, batch.group_id, unposted)
        await insert_waiting(batch.connection, batch.group_id, dict(filter(None, map(self._waits, waiting))))

    async def _meet(self, window: Sequence[_Chain]) -> None:
        """Have what the window corrects at hand, and room for asks before its first entry."""
        here = {each.entry.id for chain in window for each in chain}
        corrected = {each.entry.corrects for chain in window for each in chain}
        room = self._room_after.get(window[0][0].entry.entry - 1, 1)
        if room > 1:
            # Within a slice moments follow one another without a gap.
            await self.batch.flush()
            self.batch.state.books.recorded_at += (room - 1) * _TICK
        await self.batch.load_known([each for each in corrected if each is not None and each not in here])

    def _post(self, chain: _Chain) -> None:
        state = self.batch.state
        for each in chain:
            if each.entry.id in state.books.known:
                wrong(ENTRIES, each.entry.line, "id", EntryIdReused(), str(each.entry.id))
        result = state.post(*map(self._draft, chain))
        if isinstance(result, Refusal):
            wrong(ENTRIES, chain[0].entry.line, "", result)
        for each, entry in zip(chain, result, strict=True):
            if each.hours is not None:
                state.new_hours.append(self._hours(each.hours, entry, entry.recorded_at))
            self._date_draws(each.entry.entry - 1, entry.recorded_at)

    def _draft(self, archived: ArchivedEntry) -> Draft:
        entry, numbers = archived.entry, self.numbers
        return Draft(
            entry_id=entry.id,
            kind=entry.kind,
            source=entry.source,
            transfers=tuple(
                Transfer(t.unit, numbers[t.debit, t.unit], numbers[t.credit, t.unit], t.amount)
                for t in archived.transfers
            ),
            effective_on=entry.effective_on,
            actor=numbers[entry.written_by, MINUTES] if entry.written_by else 0,
            category=entry.category,
            draw_id=entry.draw,
            reverses=entry.corrects,
            reversal_legs=entry.reversal_legs,
        )

    def _hours(self, line: HoursLine, entry: Entry | None, at: datetime) -> HoursRow:
        numbers = self.numbers
        return HoursRow(
            line.id,
            None if entry is None else entry.seq,
            line.state,
            numbers[line.giver, MINUTES],
            numbers[line.receiver, MINUTES] if line.receiver else None,
            line.draw,
            line.minutes,
            line.effective_on,
            line.category,
            numbers[line.logged_by, MINUTES] if line.logged_by else 0,
            at,
        )

    def _waits(self, line: HoursLine) -> tuple[UUID, Waiting] | None:
        """Return between whom hours wait for a yes; nobody waits for themselves, or for who is nobody any more."""
        giver, receiver = (
            self.people.ids.get(int(owner_of(name) or 0)) for name in (line.giver, line.receiver)
        )
        if (
            line.state not in {"logged", "questioned"}
            or giver is None
            or receiver is None
            or giver == receiver
        ):
            return None
        return line.id, Waiting(giver, receiver)

    def _date_draws(self, after: int, at: datetime) -> None:
        """Give the asks that came after so many entries moments later than those, the last one ``at``."""
        before, self._last_at = self._last_at, at
        draws = self._draws_after.pop(after, None)
        if draws is None:
            return
        moments = sorted({draw.asked_at for draw in draws})
        room = (at - before) // _TICK
        for draw in draws:
            back = len(moments) - 1 - moments.index(draw.asked_at)
            self.asked_at[draw.id] = at - min(back, room - 1) * _TICK

    async def _write_draws(self) -> None:
        batch = self.batch
        pots = {pot.code: pot.pot_id for pot in batch.state.setup.pots.values()}
        for page in _pages(self.archive.draws):
            draws = [
                Draw(
                    draw_id=line.id,
                    pot_id=pots[line.pot],
                    category=line.category,
                    needed_by=line.needed_by,
                    state=line.state,
                    policy_version=self.versions[line.pot, line.policy],
                    asked=line.asked,
                    agreed=line.agreed,
                    promised=line.promised,
                    handed=line.handed,
                    released=line.released,
                    asked_at=self.asked_at[line.id],
                )
                for line in page
            ]
            await insert_draws(batch.connection, batch.group_id, draws, now=batch.now)
        for hands in _pages(self.archive.hands):
            await upsert_hands(
                batch.connection,
                batch.group_id,
                [
                    (
                        line.draw,
                        self.people.ids[line.member],
                        # An archive does not say for whom a steward asked: either counts as having asked.
                        Hand(line.asked, line.approved, line.paid, line.two_people, theirs=line.asked),
                        False,
                    )
                    for line in hands
                ],
            )


def _windows(entries: Iterable[ArchivedEntry], crowded: set[int]) -> Iterator[list[_Chain]]:
    """Cut entries into chains that are judged as one, and these into slices; some have to begin at certain places.

    Args:
        crowded: Numbers of entries after which a slice ends.
    """
    window: list[_Chain] = []
    size = 0
    for each in entries:
        if each.entry.chain is not None:
            window[-1].append(each)
        else:
            if size >= SLICE or (window and each.entry.entry - 1 in crowded):
                yield window
                window, size = [], 0
            window.append([each])
        size += 1
    if window:
        yield window


_T = TypeVar("_T")


def _pages(lines: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for at in range(0, len(lines), SLICE):
        yield lines[at : at + SLICE]
