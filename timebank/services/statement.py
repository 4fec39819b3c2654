"""A member's own rows: what they gave, received and asked for, newest first, page by page."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple
from uuid import UUID

from msgspec import Meta

from timebank.errors import MemberNotFound, TooLarge
from timebank.ledger.units import MINUTES
from timebank.services.members import load_member
from timebank.services.pages import Page, sift
from timebank.store import statement as store
from timebank.store.boxes import BoxBrokenError, open_box
from timebank.store.members import open_accounts, open_nickname

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.engine import Database, Tx
    from timebank.store.keys import KeyStore
    from timebank.store.statement import AskedRow, PassedRow, ReceivedRow, TotalRow

PAGE_MAX: Final = 100
_WHOLE_PAGE: Final = 1_000
WHATS: Final = ("given", "received", "asked", "taken_back")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a statement.

    Attributes:
        id: Id of the entry, of the hours or of the draw.
        what: given, received, asked, or taken_back for the mirror of a correction.
        kind: Kind of the entry; ``hours`` and ``draw`` for what is not one.
        at: When it was recorded, UTC.
        amount: In ``unit``, always above zero.
        state: State of the hours or the draw; for entries recorded or corrected.
        note: What the member wrote about it; empty if nothing, or if it was written by others.
        pot: Code of the pot that was asked; empty for everything else.
        handed: Of a draw: what arrived so far.
        entered_by: Nickname of the stand-in or steward who entered it for the member; empty for what
            they or the other side of it entered.
    """

    id: UUID
    what: str
    kind: str
    at: datetime
    effective_on: date | None
    unit: str
    amount: int
    category: str
    state: str
    note: str = ""
    pot: str = ""
    handed: int = 0
    entered_by: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """Everything that a member gave in one unit, and in time-bank mode received; never a difference."""

    unit: str
    given: int
    received: int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One page.

    Attributes:
        totals: Over the whole book, minutes first.
        lines: Newest first.
        next: Where the next page begins; None on the last one.
    """

    totals: tuple[Total, ...]
    lines: tuple[Line, ...]
    next: Place | None


#: What a cursor may hold must fit its column.
_Leg = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Moment = Annotated[datetime, Meta(tz=True)]


class Place(NamedTuple):
    """How far each of the three lists was read: the last row seen of each.

    Ids and own times only: a seq would tell how busy others are.
    """

    passed: tuple[UUID, _Leg] | None = None
    received: tuple[_Moment, UUID] | None = None
    asked: tuple[_Moment, UUID] | None = None


class Wanted(NamedTuple):
    """Which lines of a statement; None is all.

    Attributes:
        what: One of ``WHATS``.
        first, last: Days on which it happened, or by which an ask is needed; lines without a day have none.
    """

    what: str | None = None
    unit: str | None = None
    first: date | None = None
    last: date | None = None

    def has(self, line: Line) -> bool:
        """Whether a line is one of these."""
        on = line.effective_on
        return (
            self.what in {None, line.what}
            and self.unit in {None, line.unit}
            and (self.first is None or (on is not None and on >= self.first))
            and (self.last is None or (on is not None and on <= self.last))
        )


async def read_statement(
    database: Database,
    keys: KeyStore,
    actor: Actor,
    *,
    after: Place | None = None,
    limit: int = 50,
    wanted: Wanted = Wanted(),  # noqa: B008 - it cannot change
) -> Statement:
    """Return a page of the actor's own rows.

    Args:
        after: ``next`` of the page before; None for the first page.
        limit: Most lines, 1 to 100.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    assert 1 <= limit <= PAGE_MAX, limit
    actor.require_scope("read")
    async with database.read(actor.group_id) as tx:
        totals = await list_own_totals(tx, actor)
        page = await _read_page(tx, keys, actor, after, limit, wanted=wanted)
    return Statement(totals, page.rows, page.next)


async def list_own_totals(tx: Tx, actor: Actor) -> tuple[Total, ...]:
    """Return what the actor gave and received over the whole book, minutes first."""
    return _totals(await store.list_totals(tx, actor.group_id, list(actor.accounts.values())))


async def list_own_lines(tx: Tx, keys: KeyStore, actor: Actor, *, lines_max: int) -> list[Line]:
    """Return all of the actor's own rows as of this transaction, newest first.

    Raises:
        TooLarge: There are more than ``lines_max``.
    """
    lines: list[Line] = []
    place: Place | None = Place()
    while place is not None:
        page = await _read_page(tx, keys, actor, place, _WHOLE_PAGE)
        lines += page.rows
        place = page.next
        if len(lines) > lines_max:
            raise TooLarge(limit=lines_max)
    return lines


async def _read_page(
    tx: Tx, keys: KeyStore, actor: Actor, after: Place | None, limit: int, *, wanted: Wanted | None = None
) -> Page[Line, Place]:
    """Return lines from a place on, newest first."""

    async def read(place: Place | None, size: int) -> list[tuple[Line, Place]]:
        return await _read_rows(tx, actor, place or Place(), size)

    chosen = wanted if wanted and wanted != Wanted() else None
    page = await sift(read, after=after, limit=limit, keep=chosen.has if chosen else None)
    shown = [line.id for line in page.rows]
    notes = await _open_notes(tx, keys, actor, shown)
    writers = await _name_writers(tx, keys, actor, shown)
    return Page(
        tuple(
            replace(line, note=notes.get(line.id, ""), entered_by=writers.get(line.id, ""))
            for line in page.rows
        ),
        page.next,
    )


async def _read_rows(tx: Tx, actor: Actor, place: Place, size: int) -> list[tuple[Line, Place]]:
    """Return up to so many lines behind a place, without their notes, each with its own place."""
    accounts = list(actor.accounts.values())
    passed = await store.list_passed(tx, actor.group_id, accounts, before=place.passed, limit=size)
    received = await store.list_received(tx, actor.group_id, actor.account, before=place.received, limit=size)
    asked = await store.list_asked(tx, actor.group_id, actor.member_id, before=place.asked, limit=size)
    lists: tuple[Iterable[PassedRow | ReceivedRow | AskedRow], ...] = (passed, received, asked)
    found = []
    for row in list(heapq.merge(*lists, key=_recorded_at, reverse=True))[:size]:
        place = _behind(place, row)
        found.append((_line(row), place))
    return found


def _recorded_at(row: PassedRow | ReceivedRow | AskedRow) -> datetime:
    return row.at


def _totals(rows: Sequence[TotalRow]) -> tuple[Total, ...]:
    units = dict.fromkeys(row.unit for row in rows)
    given = {(row.kind, row.unit): row.given for row in rows}
    received = {row.unit: row.received for row in rows if row.kind == "exchange"}
    return tuple(
        Total(unit, given.get(("member", unit), 0) + given.get(("exchange", unit), 0), received.get(unit))
        for unit in units
    )


def _line(row: PassedRow | ReceivedRow | AskedRow) -> Line:
    if isinstance(row, store.PassedRow):
        taken_back = row.kind == "correction"
        return Line(
            id=row.entry_id,
            what="taken_back" if taken_back else "received" if row.came_in else "given",
            kind=row.kind,
            at=row.at,
            effective_on=row.effective_on,
            unit=row.unit,
            amount=row.amount,
            category=row.category,
            state="corrected" if row.corrected else "recorded",
        )
    if isinstance(row, store.ReceivedRow):
        return Line(
            id=row.hours_id,
            what="received",
            kind="hours",
            at=row.at,
            effective_on=row.effective_on,
            unit=MINUTES,
            amount=row.minutes,
            category=row.category,
            state=row.state,
        )
    return Line(
        id=row.draw_id,
        what="asked",
        kind="draw",
        at=row.at,
        effective_on=row.needed_by,
        unit=row.unit,
        amount=row.asked,
        category=row.category,
        state=row.state,
        pot=row.pot,
        handed=row.handed,
    )


async def read_for_another(
    house: House,
    actor: Actor,
    member_id: UUID,
    *,
    after: Place | None = None,
    limit: int = 50,
    wanted: Wanted = Wanted(),  # noqa: B008 - it cannot change
    now: datetime,
) -> Statement:
    """Return a page of the rows of somebody for whom the actor stands in and may see; without what they noted.

    Raises:
        NeedsScope: The token was not made for reading.
        MemberNotFound: There is nobody, or nobody whose rows this actor may see.
    """
    actor.require_scope("read")
    if not actor.may_act_for(member_id, "see"):
        raise MemberNotFound
    async with house.database.read(actor.group_id) as tx:
        member = await load_member(house, tx, actor.group_id, member_id, now=now)
    if not member.accounts:
        raise MemberNotFound
    as_them = replace(actor, member_id=member_id, account=member.accounts[MINUTES], accounts=member.accounts)
    page = await read_statement(house.database, house.keys, as_them, after=after, limit=limit, wanted=wanted)
    return replace(page, lines=tuple(replace(line, note="") for line in page.lines))


async def _name_writers(tx: Tx, keys: KeyStore, actor: Actor, about: Sequence[UUID]) -> dict[UUID, str]:
    """Return who entered which rows for the actor, as far as they stood in for them or were stewards."""
    entered = dict(await store.list_entered_by_others(tx, actor.group_id, actor.account, about))
    if not entered:
        return {}
    names: dict[int, str] = {}
    for member_id, nickname_box, accounts_box in await store.list_writers_for(
        tx, actor.group_id, actor.member_id
    ):
        accounts = open_accounts(keys, actor.group_id, member_id, accounts_box)
        nickname = open_nickname(keys, actor.group_id, member_id, nickname_box)
        if accounts and nickname:
            names[accounts[MINUTES]] = nickname
    return {about_id: names[account] for about_id, account in entered.items() if account in names}


async def _open_notes(tx: Tx, keys: KeyStore, actor: Actor, about: Sequence[UUID]) -> dict[UUID, str]:
    key = keys.find_member_key(actor.group_id, actor.member_id)
    if key is None or not about:
        return {}
    opened = {}
    for about_id, what, box in await store.list_notes(tx, actor.group_id, actor.member_id, about):
        try:
            words = open_box(
                key, box, group_id=actor.group_id, table="people.notes", row=about_id, column=what
            )
        except BoxBrokenError:
            continue
        opened[about_id] = words.decode()
    return opened


def _behind(place: Place, row: PassedRow | ReceivedRow | AskedRow) -> Place:
    if isinstance(row, store.PassedRow):
        return place._replace(passed=(row.entry_id, row.leg))
    if isinstance(row, store.ReceivedRow):
        return place._replace(received=(row.at, row.hours_id))
    return place._replace(asked=(row.at, row.draw_id))
