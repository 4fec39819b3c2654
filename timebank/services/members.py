"""Members: joining, duties, leaving, and being forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from timebank.errors import FieldInvalid, LastSteward, UnknownMember
from timebank.rules.names import NICKNAME_MAX, member_code, plain_text
from timebank.rules.people import DUTIES, MEMBER, Actor
from timebank.rules.set_up import MINUTES, NOT_KNOWN, OpenedAccount, accounts_of_member, opened_accounts
from timebank.store import groups as groups_store
from timebank.store import members as store
from timebank.store.boxes import blind_index
from timebank.store.groups import NewAccount
from timebank.store.members import MemberRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.groups import GroupFrame

#: Two members never had the same code so far; so many in a row would mean that randomness is broken.
_CODE_TRIES = 5

STATES = frozenset({"active", "suspended", "left"})


@dataclass(frozen=True, slots=True)
class NewMember:
    """Somebody who joins.

    Attributes:
        nickname: 1 to 40 characters; nobody else in the group may have it in any spelling.
        roles: Duties from the first day on.
        member_id: Their id; None for a random one.
    """

    nickname: str
    roles: tuple[str, ...] = ()
    member_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who joins, as decided: with an id, and perhaps with the numbers of their accounts.

    Attributes:
        roles: Duties from the first day on, each once.
        numbers: Account numbers by the name in an Actor; empty to have them drawn.
        state: ``active``, or what they are by now, when the past comes in.
        joined_on: None for today.
    """

    member_id: UUID
    nickname: str
    roles: tuple[str, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    state: str = "active"
    joined_on: date | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member as services and the command line see them.

    Attributes:
        nickname: None for somebody who was erased.
        accounts: Account numbers by unit; empty for somebody who was erased.
        roles: Duties that hold now, sorted.
    """

    member_id: UUID
    state: str
    nickname: str | None
    accounts: dict[str, int]
    roles: tuple[str, ...]


async def add_member(
    house: House,
    group_id: UUID,
    nickname: str,
    *,
    now: datetime,
    roles: Sequence[str] = (),
    member_id: UUID | None = None,
) -> UUID:
    """Let somebody join; return their id.

    Raises:
        FieldInvalid: The nickname cannot be one, or a role does not exist.
        NicknameTaken: Somebody here has it.
        UnknownGroup: There is no such group.
    """
    return (await add_members(house, group_id, [NewMember(nickname, tuple(roles), member_id)], now=now))[0]


async def add_members(
    house: House, group_id: UUID, members: Sequence[NewMember], *, now: datetime, actor: int = 0
) -> list[UUID]:
    """Let several people join at once, all or none; return their ids in order.

    Args:
        actor: Account number of who let them in; 0 for the host.

    Raises:
        FieldInvalid, NicknameTaken, UnknownGroup: See add_member.
    """
    newcomers = [
        Newcomer(new.member_id or house.new_id(), new.nickname, tuple(dict.fromkeys(new.roles)))
        for new in members
    ]
    await make_keys(house, group_id, newcomers)
    async with house.database.tx(group_id) as tx:
        records = await join(house, tx, group_id, newcomers, now=now, actor=actor)
        kept = await house.append_records(tx, group_id, records, now=now)
    house.checkpoints.keep(group_id, *kept)
    return [new.member_id for new in newcomers]


async def make_keys(house: House, group_id: UUID, newcomers: Sequence[Newcomer]) -> None:
    """Make the keys of who will join; they come first, and one whose row never came opens nothing.

    Raises:
        FieldInvalid: A nickname cannot be one, or a role does not exist; no key is made.
    """
    for new in newcomers:
        plain_text(new.nickname, field="nickname", length_max=NICKNAME_MAX)
        _check_roles(new.roles)
    await asyncio.to_thread(house.keys.create_member_keys, group_id, [new.member_id for new in newcomers])


async def join(
    house: House, tx: Tx, group_id: UUID, newcomers: Sequence[Newcomer], *, now: datetime, actor: int
) -> list[tuple[str, int, dict[str, Any]]]:
    """Let people join whose keys are made, inside a transaction; return the records to append.

    Raises:
        NicknameTaken: Somebody here has one of the nicknames.
        UnknownGroup: There is no such group.
    """
    await groups_store.bump_setup_version(tx, group_id)
    frame = await groups_store.find_frame(tx, group_id)
    sealed = [_seal(house, group_id, frame, new, now) for new in newcomers]
    opened = [account for _, accounts, _ in sealed for account in accounts]
    await groups_store.insert_accounts(tx, group_id, opened)
    await store.insert_members(tx, group_id, [row for row, _, _ in sealed])
    for new in newcomers:
        if new.state == "active":
            await give_code(house, tx, group_id, new.member_id)
    duties = [(new.member_id, role) for new in newcomers for role in new.roles]
    await store.insert_roles(tx, group_id, duties, since=now, until=None)
    numbers = {row.member_id: number for row, _, number in sealed}
    return [
        ("joined", actor, _joined(opened)),
        *(
            ("role", actor, {"account": numbers[member_id], "given": True, "role": role})
            for member_id, role in duties
        ),
    ]


async def give_code(house: House, tx: Tx, group_id: UUID, member_id: UUID) -> str:
    """Give a member a short code that nobody else here has, instead of any before; return it.

    Raises:
        UnknownMember: They were erased.
    """
    for _ in range(_CODE_TRIES):
        code = member_code(house.random(16))
        if await store.set_code(tx, house.keys, group_id, member_id, code):
            return code
    raise UnknownMember


async def check_not_last_steward(tx: Tx, group_id: UUID, member: Member, *, now: datetime) -> None:
    """Refuse to do without the only steward; the caller holds the group's lock.

    Raises:
        LastSteward
    """
    is_one = "steward" in member.roles and member.state == "active"
    if is_one and not await store.count_other_stewards(tx, group_id, member.member_id, now=now):
        raise LastSteward


async def grant_role(
    house: House, group_id: UUID, member_id: UUID, role: str, *, now: datetime, actor: int = 0
) -> None:
    """Give a duty to a member from now on; giving it twice changes nothing.

    Raises:
        FieldInvalid: There is no such role.
        UnknownMember: Nobody active has this id.
    """
    await _change_role(house, group_id, member_id, role, given=True, now=now, actor=actor)


async def revoke_role(
    house: House, group_id: UUID, member_id: UUID, role: str, *, now: datetime, actor: int = 0
) -> None:
    """Take a duty away; it counts from the member's next request on. Taking it twice changes nothing.

    Raises:
        FieldInvalid: There is no such role.
        LastSteward: The group would have no steward left.
        UnknownMember: Nobody who is still here has this id.
    """
    await _change_role(house, group_id, member_id, role, given=False, now=now, actor=actor)


async def set_state(house: House, group_id: UUID, member_id: UUID, state: str) -> None:
    """Make a member active, suspended or left; whoever is not active cannot sign in or be named.

    Raises:
        FieldInvalid: There is no such state.
        UnknownMember: Nobody has this id, or nobody any more.
        NicknameTaken: They come back, and somebody else has their nickname by now.
    """
    if state not in STATES:
        raise FieldInvalid(field="state", why=NOT_KNOWN)
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        await store.update_member_state(tx, group_id, member_id, state)


async def erase_member(
    house: House, group_id: UUID, member_id: UUID, *, now: datetime, actor: int = 0
) -> None:
    """Forget a person: their accounts stay in the book as numbers that nothing ties to anybody.

    Erasing again finishes what was interrupted, and changes nothing else.

    Raises:
        UnknownMember: Nobody ever had this id.
    """
    kept: tuple[int, str] | None = None
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        member = await load_member(house, tx, group_id, member_id, now=now)
        if member.state != "erased":
            await store.erase_member_rows(tx, group_id, member_id, now=now)
            # The notice names numbers only, and only the random ones of the book.
            accounts = sorted(member.accounts.values())
            kept = await house.append_records(
                tx, group_id, [("erasure", actor, {"accounts": accounts})], now=now
            )
        # Before the commit: if the database says "erased", the key is gone. The other way round
        # a crash here leaves a person without a key, who cannot sign in, until this runs again.
        await asyncio.to_thread(house.keys.erase_members, group_id, [member_id], now=now)
    if kept is not None:
        house.checkpoints.keep(group_id, *kept)


async def find_member(
    house: House,
    group_id: UUID,
    *,
    now: datetime,
    member_id: UUID | None = None,
    nickname: str | None = None,
) -> Member:
    """Return a member by id or by exact nickname, in any spelling of it.

    Raises:
        UnknownMember: There is none.
    """
    async with house.database.read(group_id) as tx:
        if member_id is None:
            assert nickname is not None, "by id or by nickname"
            index = blind_index(house.keys.index_key(group_id), nickname)
            row = await store.find_member_by_index(tx, group_id, index)
            if row is None:
                raise UnknownMember
            member_id = row.member_id
        return await load_member(house, tx, group_id, member_id, now=now)


async def actor_of(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> Actor:
    """Return a member as they act now, for work that they asked for earlier.

    Raises:
        UnknownMember: They are not active any more.
    """
    member = await find_member(house, group_id, now=now, member_id=member_id)
    if member.state != "active":
        raise UnknownMember
    return Actor(
        group_id=group_id,
        member_id=member_id,
        account=member.accounts[MINUTES],
        accounts=member.accounts,
        roles=frozenset({MEMBER, *member.roles}),
        scopes=frozenset(),
    )


async def load_member(house: House, tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> Member:
    """Return a member in whatever state, inside a transaction.

    Raises:
        UnknownMember: Nobody ever had this id.
    """
    row = await store.find_member(tx, group_id, member_id)
    if row is None:
        raise UnknownMember
    roles = await store.list_roles(tx, group_id, member_id, now=now)
    return Member(
        member_id=member_id,
        state=row.state,
        nickname=store.open_nickname(house.keys, group_id, member_id, row.nickname_box),
        accounts=store.open_accounts(house.keys, group_id, member_id, row.accounts_box) or {},
        roles=tuple(roles),
    )


async def _change_role(
    house: House, group_id: UUID, member_id: UUID, role: str, *, given: bool, now: datetime, actor: int
) -> None:
    _check_roles((role,))
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        member = await load_member(house, tx, group_id, member_id, now=now)
        if member.state == "erased" or (given and member.state != "active"):
            raise UnknownMember
        if (role in member.roles) == given:
            return

        records = await change_role(tx, group_id, member, role, given=given, now=now, actor=actor)
        kept = await house.append_records(tx, group_id, records, now=now)
    house.checkpoints.keep(group_id, *kept)


async def change_role(
    tx: Tx, group_id: UUID, member: Member, role: str, *, given: bool, now: datetime, actor: int
) -> list[tuple[str, int, dict[str, Any]]]:
    """Give or take a duty that the member does not have, or has; return what the book says of it.

    Raises:
        LastSteward: The group would have no steward left.
    """
    if given:
        await store.insert_roles(tx, group_id, [(member.member_id, role)], since=now, until=None)
    else:
        if role == "steward":
            await check_not_last_steward(tx, group_id, member, now=now)
        await store.end_role(tx, group_id, member.member_id, role, now=now)
    return [("role", actor, {"account": member.accounts["minutes"], "given": given, "role": role})]


def _joined(accounts: Sequence[NewAccount]) -> dict[str, Any]:
    """Return what the book says of accounts that were opened together, and not which are of one person."""
    return {"accounts": opened_accounts(OpenedAccount(a.account_id, a.kind, a.unit) for a in accounts)}


def _check_roles(roles: Sequence[str]) -> None:
    if not DUTIES.issuperset(roles):
        raise FieldInvalid(field="roles", why=NOT_KNOWN)


def _seal(
    house: House, group_id: UUID, frame: GroupFrame, new: Newcomer, now: datetime
) -> tuple[MemberRow, list[NewAccount], int]:
    """Return a member's row, their accounts, and the number that records will name them by."""
    key = house.keys.find_member_key(group_id, new.member_id)
    assert key is not None, "made just before"
    planned = accounts_of_member(frame.units, time_bank=frame.time_bank)
    numbers = new.numbers or {name: house.new_number() for name in planned}
    accounts = [
        NewAccount(numbers[name], account.kind, account.unit, 0, None) for name, account in planned.items()
    ]
    row = MemberRow(
        member_id=new.member_id,
        state=new.state,
        nickname_box=store.seal_nickname(
            key, group_id, new.member_id, plain_text(new.nickname, field="nickname", length_max=NICKNAME_MAX)
        ),
        nickname_index=blind_index(house.keys.index_key(group_id), new.nickname),
        accounts_box=store.seal_accounts(key, group_id, new.member_id, numbers),
        joined_on=new.joined_on or now.astimezone(ZoneInfo(frame.time_zone)).date(),
    )
    return row, accounts, numbers["minutes"]
