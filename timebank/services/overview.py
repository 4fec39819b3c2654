"""What people who are signed in look at before they write: the rules of their group, and what waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from timebank.errors import UnknownHours
from timebank.ledger.units import MINUTES
from timebank.rules.asks import cap_use
from timebank.services.hours import Wanted, list_hours
from timebank.services.statement import list_own_totals
from timebank.store import overview as store
from timebank.store import statement as statement_store
from timebank.store.checkpoints import receipt_code
from timebank.store.draws import find_past
from timebank.store.engine import driver
from timebank.store.members import list_ties
from timebank.store.setup import load_members, load_setup

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime
    from uuid import UUID

    from timebank.rules.asks import CapUsed
    from timebank.rules.people import Actor
    from timebank.rules.state import SetUp
    from timebank.services.hours import Hours
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.statement import AskedRow

#: So many of one's last asks stand on the own page; the statement has all of them.
ASKS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Home:
    """What somebody finds on their own page, all of one moment.

    Attributes:
        given, received: Minutes over the whole book; there is no difference of the two.
        waiting: Hours about which it is their turn to say something, newest first.
        asks: Their last asks, newest first.
        nicknames: Of everybody whom ``waiting`` names.
        rules: The group's set-up.
    """

    nickname: str
    given: int
    received: int
    waiting: tuple[Hours, ...]
    asks: tuple[AskedRow, ...]
    nicknames: dict[UUID, str]
    rules: SetUp


@dataclass(frozen=True, slots=True)
class LoggedHours:
    """Hours that the reader gave, received or logged.

    Attributes:
        giver, receiver: Nicknames; empty for somebody who was erased, None for the pot.
        i_gave, i_received: Whether one of the two is the reader.
        receipt: Code by which the entry can be shown to be in the book; empty while it waits for a yes.
        silence_on: Day on which silence becomes a yes, for hours that wait.
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
    waiting: list[Hours] = []
    for state in ("logged", "questioned"):
        page = await list_hours(house, actor, Wanted(state=state, limit=100))
        waiting += [hours for hours in page.hours if hours.waits_for_me]
    people = {member for hours in waiting for member in (hours.giver, hours.receiver, hours.logged_by)}
    async with house.database.read(actor.group_id) as tx:
        totals = await list_own_totals(tx, actor)
        received = await store.sum_received(tx, actor.group_id, actor.account)
        asks = await statement_store.list_asked(
            tx, actor.group_id, actor.member_id, before=None, limit=ASKS_SHOWN
        )
        wanted = (people - {None}) | {actor.member_id}
        names = await store.find_nicknames(
            tx, house.keys, actor.group_id, [member for member in wanted if member]
        )
        rules = await _rules(tx, actor.group_id)
    return Home(
        nickname=names.get(actor.member_id, ""),
        given=next((total.given for total in totals if total.unit == MINUTES), 0),
        received=received,
        waiting=tuple(waiting),
        asks=tuple(asks),
        nicknames=names,
        rules=rules,
    )


async def read_logged(house: House, actor: Actor, hours_id: UUID) -> LoggedHours:
    """Return hours that the actor gave, received or logged.

    Raises:
        UnknownHours: There are none with this id, or none that are theirs.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        row = await store.find_hours_of(tx, actor.group_id, hours_id, actor.account)
        if row is None:
            raise UnknownHours
        ties = await list_ties(tx, house.keys, actor.group_id)
        people = [ties[account] for account in (row.giver_account, row.receiver_account) if account in ties]
        names = await store.find_nicknames(tx, house.keys, actor.group_id, people)
        rules = await _rules(tx, actor.group_id)

    def name_of(account: int) -> str:
        member = ties.get(account)
        return names.get(member, "") if member else ""

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
        rules=rules,
    )


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
