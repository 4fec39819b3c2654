"""What an import would do: files are read, compared with the book, and rehearsed; nothing is written here.

Each line becomes an entry whose id follows from what the line says and the group's own key. So the
same line never comes in twice, whatever file it stands in, however often, and whoever imports it at
the same moment; and without the key an id tells nobody what the line says.
"""

from __future__ import annotations

import hmac
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID

from babel.numbers import get_currency_precision, get_currency_symbol

from timebank.errors import (
    N_,
    ColumnsMissing,
    DateInFuture,
    FieldInvalid,
    NeedsRole,
    Refusal,
    UnknownCategory,
    UnknownLayout,
)
from timebank.formats.columns import Layout, columns_found, folded
from timebank.formats.layouts import LAYOUTS, Reading, header_of
from timebank.formats.table import open_table
from timebank.ledger.units import MINUTES
from timebank.rules.imports import COLUMN_OF, Bookkeeper, Somebody, order_of
from timebank.rules.names import plain_text
from timebank.rules.set_up import CATEGORY_MAX, LIST_MAX, TOO_MANY, accounts_of_member
from timebank.rules.sheets import (
    COLUMNS_MAX,
    Fault,
    HoursLine,
    Line,
    MoneyLine,
    OpeningLine,
    Passed,
    PersonLine,
    ReadOptions,
    Total,
)
from timebank.rules.written import shown
from timebank.services.import_report import (
    FAULTS_SHOWN_MAX,
    NAMES_SHOWN_MAX,
    Report,
    SeenColumn,
    SeenFault,
    SeenFile,
    SeenHeader,
    SeenTotal,
)
from timebank.services.members import Newcomer
from timebank.store import imports as store
from timebank.store.boxes import blind_index
from timebank.store.groups import find_frame
from timebank.store.ids import id_of
from timebank.store.setup import load_members

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.rules.state import SetUp
    from timebank.services.house import House
    from timebank.services.import_report import ImportOptions, Source
    from timebank.services.jobs import Teller
    from timebank.services.long_batch import LongBatch
    from timebank.store.engine import Raw
    from timebank.store.groups import GroupFrame

_LOOK_UP: Final = 5_000
_STEP: Final = 500
#: No group keeps a book of before; it is far enough back for any, and finds slips of the pen.
BEGINNING_MIN: Final = date(1900, 1, 1)
TOO_EARLY: Final = N_("it is too early")

_ROW_ID: Final = b"timebank/import-line/1\0"


@dataclass(slots=True)
class Seen:
    """What was read from all files.

    Attributes:
        lines: (number of the file, line), but for people.
        people: Who stands in lists of people.
        headers: (SHA-256 of the header, layout, place of each column that somebody named) of each file.
        columns: What the columns of each file are taken to be, if it has a header.
    """

    names: tuple[str, ...]
    files: list[SeenFile] = field(default_factory=list)
    lines: list[tuple[int, Line]] = field(default_factory=list)
    people: list[PersonLine] = field(default_factory=list)
    faults: list[SeenFault] = field(default_factory=list)
    fault_count: int = 0
    headers: list[tuple[bytes, str, dict[str, int]]] = field(default_factory=list)
    columns: list[SeenHeader] = field(default_factory=list)

    def fault(self, number: int, fault: Fault) -> None:
        """Keep what is wrong with a line of a file, or count it once there is enough to mend."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_SHOWN_MAX:
            why = fault.refusal
            self.faults.append(
                SeenFault(
                    self.names[number],
                    fault.line,
                    fault.column,
                    why.code,
                    why.message,
                    dict(why.params),
                    fault.value,
                )
            )


@dataclass(slots=True)
class Plan:
    """What is to be booked, and for whom.

    Attributes:
        booked: (file, line, id of its entry) of lines that are new, in the order in which they
            are booked.
        already: How many lines are in the book.
        people: Whom each name in the lines means.
        newcomers: Who joins.
        categories: The group's category for each spelling in the lines.
        began_on: First day of the book, afterwards.
    """

    seen: Seen
    frame: GroupFrame
    setup: SetUp
    booked: list[tuple[int, Line, UUID]]
    already: int
    people: dict[str, Somebody]
    newcomers: list[Newcomer]
    known: int
    outside: int
    categories: dict[str, str]
    categories_new: list[str]
    began_on: date

    def bookkeeper(self, batch: LongBatch, actor: Actor | None) -> Bookkeeper:
        """Return what turns the lines into entries of a batch."""
        return Bookkeeper(
            batch.state,
            people=self.people,
            categories=self.categories,
            time_bank=self.frame.time_bank,
            actor=0 if actor is None else actor.account,
            note_keeper=None if actor is None else actor.member_id,
        )

    def numbers(self) -> set[int]:
        """Return the numbers of all accounts of people that lines name."""
        return {number for each in self.people.values() for number in each.accounts.values()}


async def make_plan(
    house: House,
    batch: LongBatch,
    sources: Sequence[Source],
    options: ImportOptions,
    teller: Teller,
    *,
    actor: Actor | None,
) -> tuple[Plan, Report]:
    """Read files, compare them with the book, and book them in a rehearsal.

    Args:
        batch: A rehearsal.
        actor: Who imports; None for the host.

    Raises:
        NeedsRole: The actor has not the duty for what the files hold.
    """
    frame = await find_frame(batch.tx, batch.group_id)
    setup = await batch.load_setup()
    seen = await _read(batch, sources, _read_options(options, frame), teller)
    _require_duty(actor, seen)
    _resolve_keys(seen)
    plan = await _compare(house, batch, seen, frame, setup, options, teller)
    notes_lost = await _rehearse(batch, plan, actor, teller)
    return plan, _report(plan, notes_lost)


def _read_options(options: ImportOptions, frame: GroupFrame) -> ReadOptions:
    currencies = [unit for unit in frame.units if unit != MINUTES]
    return ReadOptions(
        layout=options.layout,
        days=options.days,
        decimal=options.decimal,
        nearest=options.nearest,
        on=options.on,
        columns=dict(options.columns),
        digits={code: get_currency_precision(code) for code in currencies},
        symbols={code: (code, get_currency_symbol(code, "en")) for code in currencies},
        sheet=options.sheet,
    )


def _require_duty(actor: Actor | None, seen: Seen) -> None:
    """Refuse hours and people from who is no steward, and money from who is no treasurer."""
    if actor is None:
        return
    for _, line in seen.lines:
        money = isinstance(line, MoneyLine) or (isinstance(line, OpeningLine) and line.unit != MINUTES)
        role = "treasurer" if money else "steward"
        if role not in actor.roles:
            raise NeedsRole(role=role)
    if seen.people:
        actor.require_role("steward")


# ---------------------------------------------------------------- reading


async def _read(batch: LongBatch, sources: Sequence[Source], options: ReadOptions, teller: Teller) -> Seen:
    sources = [source._replace(name=shown(source.name)) for source in sources]
    seen = Seen(tuple(source.name for source in sources))
    for number, source in enumerate(sources):
        try:
            await _read_file(batch, number, source, options, teller, seen)
        except Refusal as refusal:
            seen.fault(number, Fault(0, "", refusal))
    return seen


async def _read_file(
    batch: LongBatch, number: int, source: Source, options: ReadOptions, teller: Teller, seen: Seen
) -> None:
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(0)
    table = open_table(source.file, sheet=options.sheet)
    header = header_of(table)
    digest = sha256("\0".join(header).encode("utf-8", "surrogatepass")).digest()
    if not options.columns:
        before = await store.find_columns(batch.connection, batch.group_id, digest)
        if before is not None and options.layout in ("", before[0]):
            options = replace(options, layout=before[0], columns=_named(header, before[1]))
    lines = 0
    passed: Counter[str] = Counter()
    try:
        reading = Reading(table, options)
    except (ColumnsMissing, UnknownLayout):
        seen.columns.append(_header(source.name, header, _nearest(header, options), options, whole=False))
        raise
    if reading.match.headed:
        seen.columns.append(_header(source.name, header, reading.match.layout, options, whole=True))
    for count, item in enumerate(reading, start=1):
        if isinstance(item, Fault):
            seen.fault(number, item)
        elif isinstance(item, Passed):
            passed[item.why] += 1
        elif isinstance(item, PersonLine):
            seen.people.append(item)
            lines += 1
        elif not isinstance(item, Total):
            seen.lines.append((number, item))
            lines += 1
        if count % _STEP == 0:
            await teller.tell("reading", min(source.file.tell(), size), size)
    seen.headers.append((digest, reading.match.layout.name, _places(header, options.columns)))
    remarks = [(remark.msgid, dict(remark.params)) for remark in (*table.remarks, *reading.remarks())]
    seen.files.append(
        SeenFile(source.name, reading.match.layout.name, lines, sorted(passed.items()), remarks)
    )


def _places(header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return where the columns are that somebody named; -1 where they said that there is none."""
    headers = [folded(cell) for cell in header]
    wishes = {ours: folded(theirs) for ours, theirs in columns.items()}
    found = {ours: headers.index(wish) for ours, wish in wishes.items() if wish in headers}
    return found | {ours: -1 for ours, wish in wishes.items() if not wish}


def _named(header: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    """Return what the columns at these places of a header are called."""
    return {
        ours: header[place] if place >= 0 else "" for ours, place in places.items() if place < len(header)
    }


def _nearest(header: Sequence[str], options: ReadOptions) -> Layout | None:
    if options.layout:
        return LAYOUTS.get(options.layout)
    found = {layout.name: len(columns_found(layout, header, options)) for layout in LAYOUTS.values()}
    nearest = max(found, key=lambda name: found[name])
    return LAYOUTS[nearest] if found[nearest] > 1 else None


def _header(
    name: str, header: Sequence[str], layout: Layout | None, options: ReadOptions, *, whole: bool
) -> SeenHeader:
    places = columns_found(layout, header, options) if layout else {}
    columns = [
        SeenColumn(
            column.name,
            column.means,
            column.needed,
            column.blank,
            header[places[column.name]] if column.name in places else "",
        )
        for column in (layout.columns if layout else ())
    ]
    # What a form could not send back as it is cannot be chosen there.
    headers = [cell for cell in header[:COLUMNS_MAX] if cell.strip() and shown(cell) == cell]
    return SeenHeader(name, layout.name if layout else "", headers, columns, whole)


def _resolve_keys(seen: Seen) -> None:
    """Put nicknames where lines name people as another system numbered them."""
    by_key = {person.key: person.nickname for person in seen.people if person.key}
    named = {"member": "member %s"}

    def name_of(written: str) -> str:
        found = by_key.get(written)
        if found is not None:
            return found
        kind, colon, number = written.partition(":")
        return named[kind] % number if colon and kind in named and number.isdigit() else written

    for at, (number, line) in enumerate(seen.lines):
        if isinstance(line, HoursLine):
            if ":" in line.giver or ":" in line.receiver:
                seen.lines[at] = (
                    number,
                    line._replace(giver=name_of(line.giver), receiver=name_of(line.receiver)),
                )
        elif isinstance(line, OpeningLine | MoneyLine) and ":" in line.person:
            seen.lines[at] = (number, line._replace(person=name_of(line.person)))


# ---------------------------------------------------------------- comparing with the book


async def _compare(
    house: House,
    batch: LongBatch,
    seen: Seen,
    frame: GroupFrame,
    setup: SetUp,
    options: ImportOptions,
    teller: Teller,
) -> Plan:
    """Find out which lines are new, whom they name, and what the group does not have."""
    seen.lines.sort(key=lambda pair: order_of(pair[1]))
    index_key = house.keys.index_key(batch.group_id)
    booked = await _new_lines(batch.connection, batch.group_id, index_key, seen.lines, teller)
    people, newcomers, known, outside = await _people(house, batch, seen, booked, frame, options)
    categories, categories_new = _categories(seen, booked, setup, options)
    return Plan(
        seen=seen,
        frame=frame,
        setup=setup,
        booked=booked,
        already=len(seen.lines) - len(booked),
        people=people,
        newcomers=newcomers,
        known=known,
        outside=outside,
        categories=categories,
        categories_new=categories_new,
        began_on=_beginning(seen, setup, options),
    )


async def _new_lines(
    connection: Raw, group_id: UUID, index_key: bytes, lines: Sequence[tuple[int, Line]], teller: Teller
) -> list[tuple[int, Line, UUID]]:
    """Return the lines that are not in the book, each with the id that its entry will have."""
    seen: Counter[bytes] = Counter()
    new: list[tuple[int, Line, UUID]] = []
    for at in range(0, len(lines), _LOOK_UP):
        page: list[tuple[int, Line, bytes]] = []
        for number, line in lines[at : at + _LOOK_UP]:
            said = _said(line)
            seen[said] += 1
            # The second line that says the same is another entry: two lifts on one day, an hour each.
            page.append((number, line, b"%s\0%d" % (said, seen[said])))
        new += await _not_booked(connection, group_id, index_key, page)
        await teller.tell("comparing", at, len(lines))
    return new


async def _not_booked(
    connection: Raw, group_id: UUID, index_key: bytes, page: list[tuple[int, Line, bytes]]
) -> list[tuple[int, Line, UUID]]:
    """Leave out what is in the book; what was taken back since may come in again, as a new entry."""
    ids: dict[int, UUID] = {}
    open_ones = list(range(len(page)))
    again = 0
    while open_ones:
        asked = {at: _entry_id(index_key, page[at][2], again) for at in open_ones}
        booked = await store.find_booked(connection, group_id, list(asked.values()))
        ids |= {at: entry_id for at, entry_id in asked.items() if entry_id not in booked}
        open_ones = [at for at, entry_id in asked.items() if booked.get(entry_id)]
        again += 1
    return [(page[at][0], page[at][1], ids[at]) for at in sorted(ids)]


def _said(line: Line) -> bytes:
    """Return what a line says, but for where it stands; the same bytes for the same event."""
    words = [str(part) for part in line[1:]]
    return "\x1f".join([type(line).__name__, *words]).encode()


def _entry_id(index_key: bytes, said: bytes, again: int) -> UUID:
    digest = bytearray(hmac.digest(index_key, b"%s%d\0%s" % (_ROW_ID, again, said), "sha256")[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return id_of(bytes(digest))


async def _people(
    house: House,
    batch: LongBatch,
    seen: Seen,
    booked: Sequence[tuple[int, Line, UUID]],
    frame: GroupFrame,
    options: ImportOptions,
) -> tuple[dict[str, Somebody], list[Newcomer], int, int]:
    """Return whom each name means, who joins, how many are here already, how many stay outside."""
    names = dict.fromkeys(person.nickname for person in seen.people)
    # What was saved in a time bank belongs to somebody; it cannot stay with nobody.
    savers: set[str] = set()
    for _, line, _ in booked:
        if isinstance(line, HoursLine):
            names[line.giver] = None
            if line.receiver:
                names[line.receiver] = None
        elif isinstance(line, OpeningLine):
            if line.person:
                names[line.person] = None
                savers.add(line.person)
        elif isinstance(line, MoneyLine) and line.incoming and line.person:
            names[line.person] = None

    index_key = house.keys.index_key(batch.group_id)
    indexes = {name: blind_index(index_key, name) for name in names}
    found = await store.find_member_ids(batch.connection, batch.group_id, set(indexes.values()))
    members = await load_members(batch.connection, house.keys, batch.group_id, set(found.values()))

    people: dict[str, Somebody] = {}
    joining: dict[bytes, Newcomer] = {}
    planned = accounts_of_member(frame.units, time_bank=frame.time_bank)
    outside = 0
    for name, index in indexes.items():
        member_id = found.get(index)
        if member_id is not None and member_id in members:
            people[name] = Somebody(member_id, members[member_id].accounts)
        elif options.people == "members" or name in savers:
            newcomer = joining.get(index)
            if newcomer is None:
                numbers = {unit: house.new_number() for unit in planned}
                newcomer = joining[index] = Newcomer(house.new_id(), name, (), numbers)
            people[name] = Somebody(newcomer.member_id, newcomer.numbers)
        else:
            outside += 1
            people[name] = Somebody(None, {})
    return people, list(joining.values()), len(found), outside


def _categories(
    seen: Seen, booked: Sequence[tuple[int, Line, UUID]], setup: SetUp, options: ImportOptions
) -> tuple[dict[str, str], list[str]]:
    """Return the group's category for each spelling, and those that it is to have from now on."""
    by_fold = {category.casefold(): category for category in setup.categories}
    written = dict.fromkeys(
        line.category for _, line, _ in booked if isinstance(line, HoursLine | MoneyLine) and line.category
    )
    new: dict[str, str] = {}
    meant: dict[str, str] = {}
    for name in written:
        known = by_fold.get(name.casefold()) or new.get(name.casefold())
        if known is None and options.categories == "add":
            with suppress(Refusal):
                known = new[name.casefold()] = plain_text(name, field="category", length_max=CATEGORY_MAX)
        if known is not None:
            meant[name] = known
    if len(new) + len(setup.categories) > LIST_MAX:
        seen.fault(0, Fault(0, "category", FieldInvalid(field="category", why=TOO_MANY)))
    return meant, list(new.values())


def _beginning(seen: Seen, setup: SetUp, options: ImportOptions) -> date:
    began_on = options.began
    if began_on is None or began_on >= setup.began_on:
        return setup.began_on
    if began_on < BEGINNING_MIN:
        seen.fault(0, Fault(0, "", FieldInvalid(field="began", why=TOO_EARLY)))
        return setup.began_on
    return began_on


# ---------------------------------------------------------------- rehearsing


async def _rehearse(batch: LongBatch, plan: Plan, actor: Actor | None, teller: Teller) -> int:
    """Book every line in memory, and keep what the book refuses; return how many notes nobody can seal."""
    setup = replace(plan.setup, began_on=plan.began_on)
    newcomers = {number: name for new in plan.newcomers for name, number in new.numbers.items()}
    await batch.load(setup, plan.numbers() - newcomers.keys())
    batch.open_accounts(newcomers)
    bookkeeper = plan.bookkeeper(batch, actor)
    notes_lost = 0
    for count, (number, line, entry_id) in enumerate(plan.booked):
        refusal = bookkeeper.book(line, entry_id)
        if refusal is not None:
            plan.seen.fault(number, _fault_of(line, refusal))
        elif actor is None and _has_note(line) and _author(plan, line) is None:
            notes_lost += 1
        if batch.is_full:
            await batch.flush()
            await teller.tell("rehearsing", count, len(plan.booked))
    return notes_lost


def _has_note(line: Line) -> bool:
    return isinstance(line, HoursLine | MoneyLine) and bool(line.note)


def _author(plan: Plan, line: Line) -> UUID | None:
    if isinstance(line, HoursLine):
        return plan.people[line.giver].member_id
    if isinstance(line, MoneyLine) and line.person and line.incoming:
        return plan.people[line.person].member_id
    return None


def _fault_of(line: Line, refusal: Refusal) -> Fault:
    column = COLUMN_OF.get(type(refusal), "")
    if column == "amount" and isinstance(line, HoursLine):
        column = "hours"
    value = ""
    if isinstance(refusal, UnknownCategory):
        value = str(refusal.params.get("category", ""))
    elif isinstance(refusal, DateInFuture):
        value = str(refusal.params.get("effective_on", ""))
    return Fault(line.line, column, refusal, value)


# ---------------------------------------------------------------- telling


def _report(plan: Plan, notes_lost: int) -> Report:
    seen = plan.seen
    days = [line.day for _, line, _ in plan.booked if not isinstance(line, PersonLine)]
    return Report(
        files=seen.files,
        faults=sorted(seen.faults, key=lambda fault: (fault.file, fault.line)),
        fault_count=seen.fault_count,
        new=len(plan.booked),
        already=plan.already,
        totals=_totals(line for _, line, _ in plan.booked),
        people_new=[new.nickname for new in plan.newcomers[:NAMES_SHOWN_MAX]],
        people_new_count=len(plan.newcomers),
        people_known=plan.known,
        outside=plan.outside,
        categories_new=plan.categories_new,
        notes_lost=notes_lost,
        began_on=plan.began_on,
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        headers=seen.columns,
    )


def _totals(lines: Iterable[Line]) -> list[SeenTotal]:
    sums: Counter[tuple[str, str]] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if isinstance(line, HoursLine):
            key, amount = ("given", MINUTES), line.minutes
        elif isinstance(line, MoneyLine):
            key, amount = ("in" if line.incoming else "out", line.currency), line.amount
        elif isinstance(line, OpeningLine):
            key, amount = ("opening", line.unit), line.amount
        else:
            continue
        sums[key] += amount
        counts[key] += 1
    return [
        SeenTotal(what, unit, amount, counts[what, unit]) for (what, unit), amount in sorted(sums.items())
    ]
