"""What people who are signed in look at before they write: the rules of their group, and what waits for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from timebank.errors import UnknownHours
from timebank.ledger.units import MINUTES
from timebank.rules.asks import cap_use
from timebank.rules.hours import HOURS_STATES
from timebank.services.hours import Wanted, list_hours
from timebank.services.statement import list_own_totals
from timebank.services.writer import answer_id
from timebank.store import overview as store
from timebank.store import statement as statement_store
from timebank.store.answers import find_answer
from timebank.store.checkpoints import receipt_code
from timebank.store.draws import find_past
from timebank.store.engine import driver
from timebank.store.members import list_ties
from timebank.store.setup import load_members, load_setup

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from timebank.rules.asks import CapUsed
    from timebank.rules.people import Actor
    from timebank.rules.state import SetUp
    from timebank.services.hours import Hours, Place
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.overview import HoursSeen
    from timebank.store.statement import AskedRow

#: So many of each kind stand on the own page, however long somebody is there; other pages have all of them.
WAITING_SHOWN = 4
ASKS_SHOWN = 4
LAST_SHOWN = 5
THANKS_SHOWN = 3
#: And so many on a page that has all of them; what waits has two forms each.
LISTED = 50
WAITING_LISTED = 15
#: From so many of one's last hours it is known whom one helps.
FAMILIAR_FROM = 30


@dataclass(frozen=True, slots=True)
class Home:
    """What somebody finds on their own page, all of one moment.

    Attributes:
        given, received: Minutes over the whole book; there is no difference of the two.
        waiting: The newest hours about which it is their turn to say something, newest first.
        asked: The newest hours about which they said "not quite", and the other one has not answered.
        last: The last hours that they gave or got, newest first.
        thanks: The last hours that they gave and whoever got them said yes to.
        asks: Their last asks, newest first.
        more: Of which of ``waiting``, ``asked``, ``last`` and ``asks`` there are others than these.
        nicknames: Of everybody whom these hours name.
        rules: The group's set-up.
    """

    nickname: str
    given: int
    received: int
    waiting: tuple[Hours, ...]
    asked: tuple[Hours, ...]
    last: tuple[Hours, ...]
    thanks: tuple[Hours, ...]
    asks: tuple[AskedRow, ...]
    more: frozenset[str]
    nicknames: dict[UUID, str]
    rules: SetUp


@dataclass(frozen=True, slots=True)
class OwnHours:
    """A page of somebody's own hours, newest first.

    Attributes:
        nicknames: Of everybody whom they name.
        rules: The group's set-up.
        next: Id by which the next page is found; empty on the last one.
    """

    hours: tuple[Hours, ...]
    nicknames: dict[UUID, str]
    rules: SetUp
    next: str


@dataclass(frozen=True, slots=True)
class LoggedHours:
    """Hours that the reader gave, received or logged.

    Attributes:
        giver, receiver: Nicknames; empty for somebody who was erased, None for the pot.
        i_gave, i_received: Whether one of the two is the reader.
        receipt: Code by which it can be shown that the book has it; empty for hours that wait and were
            looked up without the key of the form that logged them.
        is_posted: Whether they are in the book; hours between two people wait for a yes.
        may_withdraw: Whether the reader can take them back.
    """

    id: UUID
    state: str
    giver: str
    receiver: str | None
    i_gave: bool
    i_received: bool
    minutes: int
    effective_on: date
    category: str
    logged_at: datetime
    receipt: str
    is_posted: bool
    may_withdraw: bool
    rules: SetUp


@dataclass(frozen=True, slots=True)
class AskRules:
    """What an ask goes by; ``limits`` is by code of the pot, for whoever reads it."""

    setup: SetUp
    today: date
    limits: Mapping[str, tuple[CapUsed, ...]]


async def read_rules(house: House, group_id: UUID) -> SetUp:
    """Return the group's set-up as it is now."""
    async with house.database.read(group_id) as tx:
        return await _rules(tx, group_id)


async def today_of(house: House, group_id: UUID, *, now: datetime) -> tuple[SetUp, date]:
    """Return the group's set-up, and which day it is there."""
    rules = await read_rules(house, group_id)
    return rules, now.astimezone(ZoneInfo(rules.time_zone)).date()


async def read_ask_rules(house: House, actor: Actor | None, group_id: UUID, *, now: datetime) -> AskRules:
    """Return what an ask goes by: the rules of each pot, and how much of their limits somebody has used.

    Args:
        actor: Whoever asks; None for somebody without an account, for whom nothing is counted.
    """
    async with house.database.read(group_id) as tx:
        setup = await _rules(tx, group_id)
        today = now.astimezone(ZoneInfo(setup.time_zone)).date()
        if actor is None:
            return AskRules(setup, today, {})
        connection = await driver(tx)
        member = (await load_members(connection, house.keys, group_id, [actor.member_id])).get(
            actor.member_id
        )
        household = None if member is None else member.household
        past = await find_past(connection, group_id, [actor.member_id], now=now)
    limits = {}
    for pot in setup.pots.values():
        own = [each for _, is_own, each in past if is_own and each.pot_id == pot.pot_id]
        shared = [each for _, _, each in past if each.pot_id == pot.pot_id]
        used = {actor.member_id: own} | ({household: shared} if household else {})
        terms = setup.newest[pot.pot_id].terms
        limits[pot.code] = tuple(cap_use(terms, used, actor.member_id, household, today=today))
    return AskRules(setup, today, limits)


async def read_waiting_hours(
    house: House, actor: Actor, *, now: datetime
) -> tuple[tuple[Hours, ...], dict[UUID, str]]:
    """Return all hours of the group that wait for somebody's word, newest first, and who they name.

    Raises:
        NeedsScope, NeedsRole: It is for stewards.
    """
    page = await list_hours(house, actor, Wanted(waiting=True, limit=100), now=now)
    people = {member for hours in page.hours for member in (hours.giver, hours.receiver)}
    async with house.database.read(actor.group_id) as tx:
        names = await store.find_nicknames(
            tx, house.keys, actor.group_id, [member for member in people if member]
        )
    return page.hours, names


async def read_home(house: House, actor: Actor) -> Home:
    """Return what somebody finds on their own page.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    waiting = await list_hours(house, actor, Wanted(turn="mine", limit=WAITING_SHOWN))
    asked = await list_hours(house, actor, Wanted(turn="theirs", limit=WAITING_SHOWN))
    last = await list_hours(house, actor, Wanted(limit=LAST_SHOWN))
    thanks = await list_hours(house, actor, Wanted(state="confirmed", role="gave", limit=THANKS_SHOWN))
    pages = {"waiting": waiting, "asked": asked, "last": last}
    async with house.database.read(actor.group_id) as tx:
        totals = await list_own_totals(tx, actor)
        received = await store.sum_received(tx, actor.group_id, actor.account)
        asks = await statement_store.list_asked(
            tx, actor.group_id, actor.member_id, before=None, limit=ASKS_SHOWN + 1
        )
        shown = [hours for page in (*pages.values(), thanks) for hours in page.hours]
        names = await _names(tx, house, actor, shown)
        rules = await _rules(tx, actor.group_id)
    more = {what for what, page in pages.items() if page.next} | (
        {"asks"} if len(asks) > ASKS_SHOWN else set()
    )
    return Home(
        nickname=names.get(actor.member_id, ""),
        given=next((total.given for total in totals if total.unit == MINUTES), 0),
        received=received,
        waiting=waiting.hours,
        asked=asked.hours,
        last=last.hours,
        thanks=tuple(hours for hours in thanks.hours if not hours.is_for_pot),
        asks=tuple(asks[:ASKS_SHOWN]),
        more=frozenset(more),
        nicknames=names,
        rules=rules,
    )


async def read_own_hours(house: House, actor: Actor, before: str = "", *, turn: str = "") -> OwnHours:
    """Return a page of somebody's own hours, newest first.

    Args:
        before: Id of the last ones of the page before; anything else begins anew.
        turn: See ``services.hours.Wanted``.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    limit = WAITING_LISTED if turn else LISTED
    wanted = Wanted(turn=turn, after=await _place(house, actor, before), limit=limit)
    page = await list_hours(house, actor, wanted)
    async with house.database.read(actor.group_id) as tx:
        names = await _names(tx, house, actor, page.hours)
        rules = await _rules(tx, actor.group_id)
    return OwnHours(page.hours, names, rules, str(page.next[1]) if page.next else "")


async def list_own_asks(house: House, actor: Actor, before: str = "") -> tuple[list[AskedRow], SetUp, str]:
    """Return a page of what somebody asked for, newest first, the group's set-up, and where the next page begins.

    Args:
        before: Id of the last one of the page before; anything else begins anew.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        place = await statement_store.find_asked_place(tx, actor.group_id, actor.member_id, _id_of(before))
        rows = await statement_store.list_asked(
            tx, actor.group_id, actor.member_id, before=place, limit=LISTED + 1
        )
        rules = await _rules(tx, actor.group_id)
    return rows[:LISTED], rules, str(rows[LISTED - 1].draw_id) if len(rows) > LISTED else ""


async def _names(tx: Tx, house: House, actor: Actor, hours: Sequence[Hours]) -> dict[UUID, str]:
    """Return the nicknames of everybody whom hours name, and the reader's own."""
    people = {member for each in hours for member in (each.giver, each.receiver, each.logged_by) if member}
    return await store.find_nicknames(tx, house.keys, actor.group_id, list(people | {actor.member_id}))


async def _place(house: House, actor: Actor, before: str) -> Place | None:
    """Return after which of the reader's hours a page begins; None for the first one."""
    hours_id = _id_of(before)
    found = await list_logged(house, actor, [hours_id]) if hours_id else []
    return (found[0].logged_at, found[0].id) if found else None


def _id_of(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


async def read_logged(house: House, actor: Actor, hours_id: UUID, *, key: str = "") -> LoggedHours:
    """Return hours that the actor gave, received or logged.

    Args:
        key: Idempotency-Key under which the actor logged them; its answer has the code of hours that wait.

    Raises:
        UnknownHours: There are none with this id, or none that are theirs.
    """
    found = await list_logged(house, actor, [hours_id])
    if not found:
        raise UnknownHours
    (logged,) = found
    if logged.receipt or not key:
        return logged
    said = await read_answer(house, actor, key)
    return replace(logged, receipt=said.get("receipt", "") if said.get("id") == str(hours_id) else "")


async def list_logged(house: House, actor: Actor, hours_ids: Sequence[UUID]) -> list[LoggedHours]:
    """Return those of some hours that the actor gave, received or logged, in this order.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        rows = await store.list_hours_of(tx, actor.group_id, hours_ids, actor.account)
        accounts = {account for row in rows for account in (row.giver_account, row.receiver_account)} - {None}
        ties = await list_ties(tx, house.keys, actor.group_id, wanted=[each for each in accounts if each])
        people = [ties[account] for account in accounts if account in ties]
        names = await store.find_nicknames(tx, house.keys, actor.group_id, people)
        rules = await _rules(tx, actor.group_id)

    def name_of(account: int) -> str:
        member = ties.get(account)
        return names.get(member, "") if member else ""

    def seen(row: HoursSeen) -> LoggedHours:
        giver = ties.get(row.giver_account)
        return LoggedHours(
            id=row.hours_id,
            state=row.state,
            giver=name_of(row.giver_account),
            receiver=None if row.receiver_account is None else name_of(row.receiver_account),
            i_gave=row.giver_account == actor.account,
            i_received=row.receiver_account == actor.account,
            minutes=row.minutes,
            effective_on=row.effective_on,
            category=row.category,
            logged_at=row.logged_at,
            receipt=receipt_code(row.commitment) if row.commitment else "",
            is_posted=row.commitment is not None,
            may_withdraw=_may_withdraw(row, giver, actor),
            rules=rules,
        )

    by_id = {row.hours_id: row for row in rows}
    return [seen(by_id[hours_id]) for hours_id in hours_ids if hours_id in by_id]


async def list_receipts(house: House, actor: Actor, before: str = "") -> tuple[list[LoggedHours], str]:
    """Return a page of the actor's own hours that are in the book, newest first, and where the next one begins.

    Args:
        before: Id of the last one of the page before; anything else begins anew.
    """
    after = await _place(house, actor, before)
    page = await list_hours(house, actor, Wanted(after=after, limit=100))
    logged = await list_logged(house, actor, [hours.id for hours in page.hours])
    return [each for each in logged if each.is_posted], str(page.next[1]) if page.next else ""


def _may_withdraw(row: HoursSeen, giver: UUID | None, actor: Actor) -> bool:
    """Say what the rules would (``rules.hours_life.withdraw``), so that no button is shown in vain."""
    if row.draw_id is not None or "withdraw" not in HOURS_STATES[row.state]:
        return False
    speaks = row.giver_account == actor.account or (giver is not None and actor.may_act_for(giver, "log"))
    return speaks or "steward" in actor.roles or (row.logged_by == actor.account and row.state != "confirmed")


async def read_answer(house: House, actor: Actor, key: str) -> dict[str, Any]:
    """Return what the actor was answered under a key; nothing if they never used it, or long ago."""
    async with house.database.read(actor.group_id) as tx:
        known = await find_answer(tx, actor.group_id, answer_id(actor.account, key))
    return {} if known is None else msgspec.json.decode(known.body)


async def read_familiar(house: House, actor: Actor) -> tuple[tuple[str, ...], str]:
    """Return the nicknames of whom somebody's last help was with, by name, and of which kind it was last."""
    page = await list_hours(house, actor, Wanted(limit=FAMILIAR_FROM))
    people = {member for hours in page.hours for member in (hours.giver, hours.receiver)}
    async with house.database.read(actor.group_id) as tx:
        names = await store.find_nicknames(
            tx, house.keys, actor.group_id, [each for each in people if each and each != actor.member_id]
        )
    return tuple(sorted(names.values())), page.hours[0].category if page.hours else ""


async def read_nicknames(house: House, actor: Actor, people: Collection[UUID]) -> dict[UUID, str]:
    """Return what members are called, to a steward; who was erased is left out.

    Raises:
        NeedsRole: It is for stewards.
    """
    actor.require_role("steward")
    if not people:
        return {}
    async with house.database.read(actor.group_id) as tx:
        return await store.find_nicknames(tx, house.keys, actor.group_id, list(people))


async def read_names_of_accounts(house: House, actor: Actor, accounts: Collection[int]) -> dict[int, str]:
    """Return whose account of hours each number is, by nickname, to a steward; who was erased is left out.

    Raises:
        NeedsRole: It is for stewards.
    """
    actor.require_role("steward")
    wanted = {account for account in accounts if account}
    if not wanted:
        return {}
    async with house.database.read(actor.group_id) as tx:
        ties = await list_ties(tx, house.keys, actor.group_id, wanted=wanted)
        names = await store.find_nicknames(tx, house.keys, actor.group_id, list(ties.values()))
    return {account: names[member] for account, member in ties.items() if member in names}


async def read_own_nickname(house: House, actor: Actor) -> str:
    """Return what the actor is called; empty for somebody who was erased meanwhile."""
    async with house.database.read(actor.group_id) as tx:
        names = await store.find_nicknames(tx, house.keys, actor.group_id, [actor.member_id])
    return names.get(actor.member_id, "")


async def _rules(tx: Tx, group_id: UUID) -> SetUp:
    # Whoever only looks needs no version: nothing is decided by it.
    return await load_setup(await driver(tx), group_id, 0)
