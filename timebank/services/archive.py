"""The archive of a whole group, for its host: from one cut, in bounded memory, with nicknames and without words.

What people wrote is sealed with their own keys and stays behind; each member can take their own along.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from uuid import UUID

from timebank.formats.archive import ArchiveWriter, SheetWriter
from timebank.formats.archive_rows import (
    ACCOUNTS,
    BOOK,
    DRAWS,
    ENTRIES,
    GROUP,
    HANDS,
    HOURS,
    MEMBERS,
    PERSONS,
    PLACES,
    POLICIES,
    POTS,
    RECORDS,
    ROLES,
    TABLES,
    TRANSFERS,
    AccountLine,
    ArchivedGroup,
    DrawLine,
    HandLine,
    HoursLine,
    MemberLine,
    PlaceLine,
    PolicyLine,
    PotLine,
    RoleLine,
    TransferLine,
    group_lines,
)
from timebank.formats.formulas import defused
from timebank.ledger.books import WITH
from timebank.ledger.canonical import moment
from timebank.ledger.public_log import CHECKPOINT_PATH, COSIGNATURES_PATH, policy_path
from timebank.ledger.tiles import TILE_WIDTH, bundle, entries_path, tiles_at
from timebank.ledger.units import MINUTES
from timebank.rules.archive import name_accounts
from timebank.rules.moving import BY_TABLE
from timebank.services.looks import note_seen
from timebank.services.public_log import read_policy_text
from timebank.store import archive as store
from timebank.store import archive_moves as moves
from timebank.store import public_log as log_store
from timebank.store.export import list_first_seen
from timebank.store.members import open_accounts, open_nickname

if TYPE_CHECKING:
    from timebank.services.house import House
    from timebank.services.jobs import Show
    from timebank.store.archive import Cut
    from timebank.store.archive_moves import MovedCut

_README: Final = """\
timebank archive, version 1: the whole book of the group "{name}" ({slug}),
through record {records}, as it was at {taken_at}.

KEEP IT AS YOU KEEP YOUR KEYS. It has nicknames, and who gave and asked for what.

To bring it into an empty group, or to make a new one of it:

    timebank import --group SLUG THIS-FILE.zip

The files are CSV in UTF-8: open them with any spreadsheet, or read them with a
program. Each ends with a line "total": how many lines there are, and what they
add up to. files.csv has the SHA-256 of each. An import compares all of that and
refuses what was changed. Amounts are whole minutes, or whole smallest coins.

group.csv      name, settings, how far the book goes, and its signed checkpoint
pots.csv       the common pots; places.csv: where money lies
policies.csv   every version of the rules of each pot
members.csv    who is or was here, as m1, m2, ...; roles.csv: their duties
accounts.csv   every account and what went through it. member:3 is of m3;
               a number that members.csv does not have is of somebody erased
entries.csv    everything that happened, in order; transfers.csv: what moved
hours.csv      hours as they were logged
draws.csv      what was asked for, and what became of it; hands.csv: by whom

log/           the public log, as anybody can read it: timebank verify THIS-FILE.zip
moved_*.csv    what else the server kept of the group, row by row, and its records
published_*    what was published, period by period

The import above makes a copy, with new proofs. A group that MOVES takes its book
and its log along, and only one server may go on with these:

    timebank import --group SLUG --move --key KEY-FILE THIS-FILE.zip

What is NOT in it: notes, contacts, payout details and bank references, which
are sealed with the key of who wrote them (everybody can download their own);
tokens, sign-ins, invitations; keys of the server.
"""


_NO_LINKS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class _People:
    """Who is in a group, for an archive.

    Attributes:
        numbers: By member id, their number in the archive.
        names: By account number, its name in the archive.
        accounts: By member id, the numbers of their own accounts by name; nothing of who was erased.
    """

    lines: list[MemberLine]
    numbers: Mapping[UUID, int]
    names: Mapping[int, str]
    accounts: Mapping[UUID, Mapping[str, int]]


async def write_archive(
    house: House, group_id: UUID, out: BinaryIO, *, now: datetime, show: Show = lambda *_: None
) -> int:
    """Write the archive of a group that is there, and return how many entries it has.

    What moves is read in one short snapshot; entries up to it never change and are read page by
    page, each in a snapshot of its own, so that writers are never held up.

    Args:
        out: Takes the bytes; it need not be able to go back.

    Raises:
        StoreAway: The database went away; what was written so far is no archive.
    """
    async with house.database.tx(group_id) as tx:
        await note_seen(tx, group_id, None, what="archive", now=now)
    async with house.database.read(group_id) as tx:
        cut = await store.take_cut(tx, group_id)
        moved = await moves.take_moved_cut(tx, group_id)
    async with house.database.read(group_id) as tx:
        seen = await list_first_seen(tx, group_id, through_seq=cut.group.seq)
        rank = {number: place for place, number in enumerate(seen)}
    people = _people(house, group_id, cut, rank)
    group = _group(cut, people, now)
    readme = _README.format(
        name=group.name, slug=group.slug, records=group.records, taken_at=now.isoformat(timespec="seconds")
    )
    writer = ArchiveWriter(out, records=group.records, readme=readme, moves=True)
    writer.add(GROUP, group_lines(group))
    writer.add(POTS, [PotLine(number, code, unit, floor) for number, code, unit, floor, _ in cut.pots])
    writer.add(POLICIES, [PolicyLine(p.version, p.pot, p.agreed_on, p.terms) for p in cut.policies])
    writer.add(PLACES, [PlaceLine(*place) for place in cut.places])
    writer.add(MEMBERS, people.lines)
    writer.add(ROLES, _roles(cut, people))
    writer.add(ACCOUNTS, _accounts(cut, people))
    with writer.sheet(ENTRIES) as sheet:
        after = await _write_entries(house, group_id, cut, people, sheet, show)
        entries = sheet.lines
    with writer.sheet(TRANSFERS) as sheet:
        await _write_transfers(house, group_id, cut, people, sheet, show)
    with writer.sheet(HOURS) as sheet:
        await _write_hours(house, group_id, cut, people, sheet, show)
    writer.add(DRAWS, _draws(cut, after))
    writer.add(HANDS, _hands(cut, people))
    await _write_moved(house, group_id, cut, people, moved, writer, show)
    await _write_log(house, group_id, group.slug, moved, writer, show)
    writer.close()
    return entries


def _group(cut: Cut, people: _People, now: datetime) -> ArchivedGroup:
    group = cut.group
    tied: dict[UUID, list[int]] = {}
    for member_id, household_id in cut.households:
        tied.setdefault(household_id, []).append(people.numbers[member_id])
    return ArchivedGroup(
        slug=group.slug,
        name=group.name,
        languages=tuple(group.languages),
        time_zone=group.time_zone,
        began_on=group.began_on,
        preset=group.preset,
        categories=tuple(group.categories),
        currencies=tuple(
            sorted(
                a.account.unit
                for a in cut.accounts
                if a.account.kind == "outside" and a.account.unit != MINUTES
            )
        ),
        time_bank=group.time_bank,
        origin=group.origin,
        records=group.seq,
        taken_at=now,
        checkpoint=group.checkpoint,
        rounding_minutes=group.rounding_minutes,
        rounding_up=group.rounding_up,
        confirm_days=group.confirm_days,
        words=group.words,
        member_list=group.member_list,
        joining=group.joining,
        categories_retired=tuple(group.categories_retired),
        households=tuple(sorted(tuple(sorted(members)) for members in tied.values())),
        lines={},
    )


# ---------------------------------------------------------------- what fits into memory


def _people(house: House, group_id: UUID, cut: Cut, rank: Mapping[int, int]) -> _People:
    """Number the members, and name all accounts; the same group anywhere gives the same numbers."""
    duties: dict[UUID, list[tuple[datetime, str]]] = {}
    for role in cut.roles:
        duties.setdefault(role.member_id, []).append((role.since, role.role))
    asks: dict[UUID, list[UUID]] = {}
    for draw_id, member_id, _ in cut.hands:
        asks.setdefault(member_id, []).append(draw_id)
    lines, owners = [], {}
    own: dict[UUID, Mapping[str, int]] = {}
    for member_id, state, nickname_box, _, accounts_box, joined_on, _ in cut.members:
        nickname = open_nickname(house.keys, group_id, member_id, nickname_box)
        accounts = open_accounts(house.keys, group_id, member_id, accounts_box)
        if state == "erased" or nickname is None or accounts is None:
            # A key without which nothing opens is as good as an erasure that was interrupted.
            state, nickname, accounts = "erased", "", {}
        first = min((rank.get(number, len(rank)) for number in accounts.values()), default=len(rank))
        order = (
            joined_on,
            nickname,
            state,
            first,
            sorted(duties.get(member_id, ())),
            sorted(asks.get(member_id, ())),
        )
        lines.append((order, member_id, MemberLine(0, nickname, state, joined_on)))
        owners[member_id] = list(accounts.values())
        own[member_id] = accounts
    lines.sort(key=lambda each: each[0])
    numbers = {member_id: place for place, (_, member_id, _) in enumerate(lines, start=1)}
    tied = {number: numbers[member_id] for member_id, theirs in owners.items() for number in theirs}
    nobodys = [
        a.account.account_id
        for a in cut.accounts
        if a.account.kind in {"member", "exchange"} and a.account.account_id not in tied
    ]
    units = {a.account.account_id: (a.account.kind, a.account.unit) for a in cut.accounts}
    nobodys.sort(key=lambda number: (rank.get(number, len(rank)), units[number]))
    return _People(
        lines=[line._replace(member=place) for place, (_, _, line) in enumerate(lines, start=1)],
        numbers=numbers,
        names=name_accounts([a.account for a in cut.accounts], tied, nobodys),
        accounts=own,
    )


def _roles(cut: Cut, people: _People) -> list[RoleLine]:
    # Standing in follows from a consent between two people, and that stays where it was given.
    lines = [
        RoleLine(people.numbers[r.member_id], r.role, r.since, r.until)
        for r in cut.roles
        if r.role != "stand_in"
    ]
    return sorted(lines, key=lambda line: line[:3])


def _accounts(cut: Cut, people: _People) -> list[AccountLine]:
    lines = [AccountLine(people.names[a.account.account_id], a.account.unit, *a[2:]) for a in cut.accounts]
    return sorted(lines, key=lambda line: _natural(line.account, line.unit))


def _natural(name: str, unit: str) -> tuple[str, int, str, str]:
    """Return what puts ``member:10`` after ``member:9``."""
    kind, _, owner = name.partition(":")
    numbered = kind in {"member", "exchange"}
    return kind, int(owner) if numbered else 0, owner, unit


def _draws(cut: Cut, after: list[int]) -> list[DrawLine]:
    codes = {pot_id: code for _, code, _, _, pot_id in cut.pots}
    return [
        DrawLine(
            draw.draw_id,
            codes[draw.pot_id],
            draw.category,
            draw.needed_by,
            draw.state,
            draw.policy_version,
            draw.asked,
            draw.agreed,
            draw.promised,
            draw.handed,
            draw.released,
            draw.asked_at,
            before,
        )
        for draw, before in zip(cut.draws, after, strict=True)
    ]


def _hands(cut: Cut, people: _People) -> list[HandLine]:
    order = {draw.draw_id: place for place, draw in enumerate(cut.draws)}
    lines = [
        HandLine(
            draw_id,
            people.numbers[member_id],
            asked=hand.asked,
            approved=hand.approved,
            paid=hand.paid,
            two_people=hand.two_people,
        )
        for draw_id, member_id, hand in cut.hands
    ]
    return sorted(lines, key=lambda line: (order[line.draw], line.member))


# ---------------------------------------------------------------- what does not


async def _write_entries(
    house: House, group_id: UUID, cut: Cut, people: _People, sheet: SheetWriter, show: Show
) -> list[int]:
    """Write all entries, and return for each draw how many of them were recorded before it was asked."""
    seq, names = cut.group.seq, people.names
    # Moments in this form compare as their texts do.
    waiting = deque(moment(draw.asked_at) for draw in cut.draws)
    after: list[int] = []
    count = 0
    for first in range(1, seq + 1, store.PAGE):
        last = min(first + store.PAGE - 1, seq)
        async with house.database.read(group_id) as tx:
            page = await store.list_entries(tx, group_id, first_seq=first, last_seq=last)
        lines = []
        for record in page:
            told = json.loads(record)
            while waiting and waiting[0] <= told["recorded_at"]:
                waiting.popleft()
                after.append(count)
            count += 1
            lines.append(_entry_cells(count, told, names))
        sheet.add_cells(lines)
        show("entries", last, seq)
    return after + [count] * len(waiting)


def _entry_cells(count: int, told: dict[str, Any], names: Mapping[int, str]) -> list[str]:
    """Return the cells of an entry: its record has nearly all of them in the very same spelling."""
    get, actor = told.get, told["actor"]
    return [
        str(count),
        told["id"],
        told["kind"],
        told["source"],
        told["effective_on"],
        told["recorded_at"],
        defused(get("category", "")),
        get("draw", ""),
        get("reverses", ""),
        str(get("reversal_legs", 0)),
        get("links", _NO_LINKS).get(WITH, ""),
        names[actor] if actor else "",
    ]


async def _write_transfers(
    house: House, group_id: UUID, cut: Cut, people: _People, sheet: SheetWriter, show: Show
) -> None:
    seq, names = cut.group.seq, people.names
    units = {a.account.account_id: a.account.unit for a in cut.accounts}
    entry = before = 0
    for first in range(1, seq + 1, store.PAGE):
        last = min(first + store.PAGE - 1, seq)
        async with house.database.read(group_id) as tx:
            page = await store.list_transfers(tx, group_id, first_seq=first, last_seq=last)
        lines = []
        for at, leg, debit, credit, amount in page:
            entry += at != before
            before = at
            lines.append(TransferLine(entry, leg + 1, units[debit], names[debit], names[credit], amount))
        sheet.add(lines)
        show("transfers", last, seq)


async def _write_hours(
    house: House, group_id: UUID, cut: Cut, people: _People, sheet: SheetWriter, show: Show
) -> None:
    total, names = store.count_hours(cut.hours), people.names
    for first in range(0, total, store.PAGE):
        async with house.database.read(group_id) as tx:
            page = await store.list_hours(tx, group_id, cut.hours, first=first)
        sheet.add(
            HoursLine(
                hours.hours_id,
                hours.posted,
                names[hours.giver_account],
                names[hours.receiver_account] if hours.receiver_account is not None else "",
                hours.draw_id,
                hours.minutes,
                hours.effective_on,
                hours.category,
                state,
                names[hours.logged_by] if hours.logged_by else "",
                hours.logged_at,
            )
            for hours, state in page
        )
        show("hours", min(first + store.PAGE, total), total)


# ---------------------------------------------------------------- the book itself, and its log


async def _write_moved(
    house: House,
    group_id: UUID,
    cut: Cut,
    people: _People,
    moved: MovedCut,
    writer: ArchiveWriter,
    show: Show,
) -> None:
    """Write what lets the book go on elsewhere as the very same."""
    writer.add(BOOK, [moved.book])
    households = dict(cut.households)
    writer.add(
        PERSONS,
        [
            (number, member_id, households.get(member_id), json.dumps(dict(people.accounts[member_id])))
            for member_id, number in people.numbers.items()
        ],
    )
    for name, sheet in TABLES.items():
        if name == "published_lines":
            with writer.sheet(sheet) as lines:
                for period in moved.periods:
                    async with house.database.read(group_id) as tx:
                        lines.add(await moves.list_lines(tx, group_id, BY_TABLE[name], period))
        elif name == "accounts":
            writer.add(sheet, [(people.names[row[0]], *row) for row in moved.tables[name]])
        else:
            writer.add(sheet, moved.tables[name])
    seq = cut.group.seq
    with writer.sheet(RECORDS) as records:
        for first in range(1, seq + 1, store.PAGE):
            last = min(first + store.PAGE - 1, seq)
            async with house.database.read(group_id) as tx:
                records.add(await moves.list_records(tx, group_id, first_seq=first, last_seq=last))
            show("records", last, seq)


async def _write_log(
    house: House, group_id: UUID, slug: str, moved: MovedCut, writer: ArchiveWriter, show: Show
) -> None:
    """Write the public log file by file, as the host serves it."""
    size = moved.log_size
    if not size:
        return
    _, _, note = moved.tables["published_checkpoints"][-1]
    writer.add_log(CHECKPOINT_PATH, note.encode())
    lines = [line for at, _, line, _ in moved.tables["published_cosignatures"] if at == size]
    writer.add_log(COSIGNATURES_PATH, "".join(lines).encode())
    level = 0
    while size >> 8 * level:
        for tile in tiles_at(size, level):
            start = tile.number * TILE_WIDTH
            async with house.database.read(group_id) as tx:
                hashes = await log_store.list_hashes(tx, group_id, level, start, start + tile.width)
                leaves = [] if level else await log_store.list_leaves(tx, group_id, start, start + tile.width)
            writer.add_log(tile.path, b"".join(hashes))
            if leaves:
                writer.add_log(entries_path(tile.number, tile.width), bundle(leaves))
                show("log", start + tile.width, size)
        level += 1
    for version, pot, _, _ in moved.tables["published_policies"]:
        writer.add_log(policy_path(pot, version), await read_policy_text(house.database, slug, pot, version))
