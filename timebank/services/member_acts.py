"""What members and stewards do about membership: enter, rename, duties, households, suspend, leave, be forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from timebank.errors import (
    N_,
    FieldInvalid,
    MemberNotFound,
    MemberNotOpen,
    NeedsRole,
    Refusal,
    UnknownMember,
)
from timebank.rules.commands import CancelDraw, Command, WithdrawProposal
from timebank.rules.names import NICKNAME_MAX, plain_text, read_member_code
from timebank.rules.people import (
    DUTIES,
    MEMBER,
    NAMED_DUTIES,
    Actor,
    check_duties,
    check_may_give,
    check_self_or,
)
from timebank.rules.set_up import NOT_KNOWN, TWICE
from timebank.services.acts import Acted, Once, Records
from timebank.services.duties import Given, give, withdraw_duties_of
from timebank.services.looks import note_seen
from timebank.services.members import (
    STATES,
    Member,
    Newcomer,
    change_role,
    check_not_last_steward,
    give_code,
    join,
    load_member,
    make_keys,
)
from timebank.services.writer import Writer
from timebank.store import invitations as invitations_store
from timebank.store import members as store
from timebank.store import stand_ins as stand_ins_store
from timebank.store import treasury as treasury_store
from timebank.store.boxes import blind_index
from timebank.store.ids import id_of
from timebank.store.members import Listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx
    from timebank.store.members import ListedRow, MemberRow

PAGE_MAX: Final = 200
#: Of a row in a list of members: when they joined, and their id.
Place = tuple[date, UUID]
NAME_OR_CODE: Final = N_("give either a name or a code")

#: What stays in the book when somebody is forgotten, and what does not, as the answer names it.
STAYS: Final = ("entries", "balances", "decisions")
GOES: Final = ("nickname", "code", "accounts", "notes", "household", "tokens", "stand_ins")


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as somebody sees them.

    Attributes:
        nickname: Empty for somebody who was erased.
        code: Empty where the reader may not see it.
        household: Random id of those who are tied together, or None.
    """

    member_id: UUID
    nickname: str
    code: str
    state: str
    roles: tuple[str, ...]
    joined_on: date
    signs_in: bool
    household: UUID | None


@dataclass(frozen=True, slots=True)
class Members:
    """A page of members; ``whole`` says whether the reader sees more than nicknames, ``next`` begins the next page."""

    members: tuple[Listed, ...]
    whole: bool
    next: Place | None


# ---------------------------------------------------------------- reading


async def list_members(
    house: House,
    actor: Actor,
    listing: Listing,
    *,
    now: datetime,
    after: Place | None = None,
    limit: int = 50,
) -> Members:
    """Return a page of the members whom the actor may see, in the order in which they joined.

    Stewards see everybody. Others see who is active if the group keeps a list for its members, and
    else themselves.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: A filter was given that only stewards may use.
        FieldInvalid: A filter does not exist.
    """
    assert 1 <= limit <= PAGE_MAX, limit
    actor.require_scope("read")
    whole = "steward" in actor.roles
    _check_listing(listing, whole=whole)
    async with house.database.read(actor.group_id) as tx:
        if not whole:
            listed = await store.has_member_list(tx, actor.group_id)
            listing = Listing(state="active", member_id=None if listed else actor.member_id)
        rows = await store.list_members(tx, actor.group_id, listing, now=now, after=after, limit=limit + 1)
    shown = rows[:limit]
    if whole:
        await _note_list(house, actor, listing, shown, now=now)
        shown = await _with_codes(house, actor.group_id, shown, now=now)
    last = shown[-1] if len(rows) > limit else None
    return Members(
        tuple(_listed(house, actor.group_id, row) for row in shown),
        whole,
        None if last is None else (last.joined_on, last.member_id),
    )


async def _note_list(
    house: House, actor: Actor, listing: Listing, shown: Sequence[ListedRow], *, now: datetime
) -> None:
    """Write a look down for whom it is about: each one shown where it was one of them or a household, else everybody.

    Kept before anybody is shown: there is no look that is not written down.
    """
    named = listing.member_id is not None or listing.household_id is not None
    async with house.database.tx(actor.group_id) as tx:
        for whose in [row.member_id for row in shown] if named else [None]:
            await note_seen(tx, actor.group_id, actor, what="list", now=now, whose=whose)


async def list_for_host(house: House, group_id: UUID, *, now: datetime) -> list[Listed]:
    """Return everybody in a group, for whoever keeps the machine; codes are made for those without one."""
    async with house.database.tx(group_id) as tx:
        await note_seen(tx, group_id, None, what="list", now=now)
    listed: list[Listed] = []
    after: tuple[date, UUID] | None = None
    while True:
        async with house.database.read(group_id) as tx:
            rows = await store.list_members(tx, group_id, Listing(), now=now, after=after, limit=PAGE_MAX)
        if not rows:
            return listed
        after = rows[-1].joined_on, rows[-1].member_id
        listed += [_listed(house, group_id, row) for row in await _with_codes(house, group_id, rows, now=now)]


async def find_by_name(
    house: House, actor: Actor, *, name: str = "", code: str = "", now: datetime
) -> tuple[UUID, str]:
    """Return id and nickname of the active member who has exactly this nickname, or this code.

    Somebody with a duty who goes by a code learns a name: that is written down for whoever has it.

    Raises:
        NeedsScope: The token was not made for reading.
        FieldInvalid: Neither was given, or both.
        MemberNotFound: There is none.
    """
    actor.require_scope("read")
    if bool(name.strip()) == bool(code.strip()):
        raise FieldInvalid(field="name", why=NAME_OR_CODE)
    async with house.database.tx(actor.group_id) as tx:
        if name.strip():
            found = await _by_name(house, tx, actor.group_id, name)
        else:
            found = await _by_code(house, tx, actor, code, now=now)
    if found is None:
        raise MemberNotFound
    return found


async def find_each_by_name(
    house: House, actor: Actor, written: Sequence[str], *, now: datetime, quiet: bool = False
) -> list[tuple[UUID, str] | None]:
    """Return, in order, id and nickname of who has exactly this name, or else this code; None for nobody.

    Args:
        quiet: Find nobody by a code where that would have to be written down; see ``find_by_name``.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    known: dict[str, tuple[UUID, str] | None] = {}
    async with house.database.tx(actor.group_id) as tx:
        for said in written:
            if said not in known:
                known[said] = await _by_name(house, tx, actor.group_id, said) or await _by_code(
                    house, tx, actor, said, now=now, quiet=quiet
                )
    return [known[said] for said in written]


async def _by_name(house: House, tx: Tx, group_id: UUID, name: str) -> tuple[UUID, str] | None:
    index = blind_index(house.keys.index_key(group_id), name)
    return _named(house, group_id, await store.find_member_by_index(tx, group_id, index))


async def _by_code(
    house: House, tx: Tx, actor: Actor, code: str, *, now: datetime, quiet: bool = False
) -> tuple[UUID, str] | None:
    if quiet and actor.roles & NAMED_DUTIES:
        return None
    group_id, read = actor.group_id, read_member_code(code)
    found = None if read is None else await store.find_member_by_code(tx, house.keys, group_id, read)
    row = None if found is None else await store.find_member(tx, group_id, found)
    if row is not None and row.state == "active":
        await note_seen(tx, group_id, actor, what="found", now=now, whose=row.member_id)
    return _named(house, group_id, row)


def _named(house: House, group_id: UUID, row: MemberRow | None) -> tuple[UUID, str] | None:
    if row is None or row.state != "active":
        return None
    nickname = store.open_nickname(house.keys, group_id, row.member_id, row.nickname_box)
    return None if nickname is None else (row.member_id, nickname)


async def read_self(house: House, actor: Actor, *, now: datetime) -> Listed:
    """Return the actor as the group has them, with their code; one is made if they have none yet.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    async with house.database.read(actor.group_id) as tx:
        rows = await store.list_members(
            tx, actor.group_id, Listing(member_id=actor.member_id), now=now, after=None, limit=1
        )
    (row,) = await _with_codes(house, actor.group_id, rows, now=now)
    return _listed(house, actor.group_id, row)


async def _with_codes(
    house: House, group_id: UUID, rows: Sequence[ListedRow], *, now: datetime
) -> list[ListedRow]:
    """Give a code to those who were here before there were any, and return the rows as they are then."""
    without = [row for row in rows if row.code_box is None and row.state in {"active", "suspended"}]
    if not without:
        return list(rows)
    made: dict[UUID, ListedRow] = {}
    async with house.database.tx(group_id) as tx:
        for row in without:
            (found,) = await _one(tx, group_id, row.member_id, now)
            if found.code_box is None and found.state != "erased":
                await give_code(house, tx, group_id, row.member_id)
                (found,) = await _one(tx, group_id, row.member_id, now)
            made[row.member_id] = found
    return [made.get(row.member_id, row) for row in rows]


async def _one(tx: Tx, group_id: UUID, member_id: UUID, now: datetime) -> list[ListedRow]:
    return await store.list_members(tx, group_id, Listing(member_id=member_id), now=now, after=None, limit=1)


def _listed(house: House, group_id: UUID, row: ListedRow) -> Listed:
    nickname = store.open_nickname(house.keys, group_id, row.member_id, row.nickname_box)
    return Listed(
        member_id=row.member_id,
        nickname=nickname or "",
        code=store.open_code(house.keys, group_id, row.member_id, row.code_box),
        state=row.state,
        roles=tuple(row.roles),
        joined_on=row.joined_on,
        signs_in=row.signs_in,
        household=row.household_id,
    )


def _check_listing(listing: Listing, *, whole: bool) -> None:
    if listing != Listing() and not whole:
        raise NeedsRole(role="steward")
    if listing.role is not None and listing.role not in DUTIES:
        raise FieldInvalid(field="role", why=NOT_KNOWN)
    if listing.state is not None and listing.state not in {*STATES, "erased"}:
        raise FieldInvalid(field="state", why=NOT_KNOWN)


# ---------------------------------------------------------------- joining and names


async def enter_member(
    house: House, actor: Actor, once: Once, *, nickname: str, roles: Sequence[str]
) -> Answer:
    """Let a steward enter somebody, also without any device; they can be given a way to sign in later.

    Refuses: NeedsRole, MayNotGive, StepUpNeeded (with duties), FieldInvalid, NicknameTaken.
    """
    # The id follows from the key: whoever sends it twice makes one key and one member.
    member_id = id_of(
        sha256(b"timebank/member/1\0" + actor.group_id.bytes + once.answer_id(actor).bytes).digest()[:16]
    )
    checked = check_duties(roles, field="roles")
    newcomer = Newcomer(member_id, nickname)
    if "steward" in actor.roles:
        await make_keys(house, actor.group_id, [newcomer])

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        check_may_give(actor, checked)
        if checked:
            actor.require_fresh()
        records = await join(house, tx, actor.group_id, [newcomer], now=once.now, actor=actor.account)
        member = await load_member(house, tx, actor.group_id, member_id, now=once.now)
        given = await _give(house, tx, actor, member, checked, now=once.now)
        body = {"id": str(member_id), "state": "active", "roles": list(given.roles), **given.said(checked)}
        return Acted(201, body, [*records, *given.records])

    return await once.run(house, actor, act)


async def rename_member(house: House, actor: Actor, once: Once, member_id: UUID, *, nickname: str) -> Answer:
    """Give a member another nickname: themselves, or a steward.

    Refuses: NotYourself, FieldInvalid, NicknameTaken, MemberNotFound, MemberNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        await _find_open(house, tx, actor, member_id, {"active", "suspended"}, now=once.now)
        check_self_or(actor, member_id, "steward")
        text = plain_text(nickname, field="nickname", length_max=NICKNAME_MAX)
        key = house.keys.find_member_key(actor.group_id, member_id)
        if key is None:
            raise MemberNotFound
        await store.update_nickname(
            tx,
            actor.group_id,
            member_id,
            box=store.seal_nickname(key, actor.group_id, member_id, text),
            index=blind_index(house.keys.index_key(actor.group_id), text),
        )
        return Acted(200, {"id": str(member_id)}, [])

    return await once.run(house, actor, act)


async def renew_code(house: House, actor: Actor, once: Once, member_id: UUID) -> Answer:
    """Give a member a new short code instead of the old one: themselves, or a steward. Lists show it.

    Refuses: NotYourself, MemberNotFound, MemberNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        await _find_open(house, tx, actor, member_id, {"active", "suspended"}, now=once.now)
        check_self_or(actor, member_id, "steward")
        await give_code(house, tx, actor.group_id, member_id)
        return Acted(200, {"id": str(member_id)}, [])

    return await once.run(house, actor, act)


async def set_household(
    house: House, actor: Actor, once: Once, member_id: UUID, *, with_member: UUID | None
) -> Answer:
    """Tie a member to the household of another, or to none. A household is a random id and nothing else.

    Refuses: NeedsRole, FieldInvalid, MemberNotFound, UnknownMember (of `with`), MemberNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        await _find_open(house, tx, actor, member_id, {"active", "suspended"}, now=once.now)
        household: UUID | None = None
        if with_member is not None:
            if with_member == member_id:
                raise FieldInvalid(field="with", why=TWICE)
            await _find_open(
                house, tx, actor, with_member, {"active", "suspended"}, now=once.now, nobody=UnknownMember
            )
            household = await store.find_household(tx, actor.group_id, with_member) or house.new_id()
            await store.set_household(tx, actor.group_id, [member_id, with_member], household)
        else:
            await store.set_household(tx, actor.group_id, [member_id], None)
        return Acted(
            200, {"id": str(member_id), "household": None if household is None else str(household)}, []
        )

    return await once.run(house, actor, act)


# ---------------------------------------------------------------- duties


async def change_duties(
    house: House, actor: Actor, once: Once, member_id: UUID, *, give: Sequence[str], take: Sequence[str]
) -> Answer:
    """Give and take duties; they count from the member's next request on. Giving them takes another steward's yes.

    Refuses: NeedsRole, MayNotGive, StepUpNeeded, FieldInvalid, MemberNotFound, MemberNotOpen, LastSteward.
    """
    given, taken = check_duties(give, field="give"), check_duties(take, field="take")
    if set(given) & set(taken):
        raise FieldInvalid(field="take", why=TWICE)

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward", "host")
        check_may_give(actor, {*given, *taken})
        actor.require_fresh()
        states = {"active"} if given else {"active", "suspended"}
        member = await _find_open(house, tx, actor, member_id, states, now=once.now)
        records: Records = []
        for role in taken:
            if role in member.roles:
                records += await change_role(
                    tx, actor.group_id, member, role, given=False, now=once.now, actor=actor.account
                )
        missing = [role for role in given if role not in member.roles]
        new = await _give(house, tx, actor, member, missing, now=once.now)
        roles_now = sorted((set(member.roles) | set(new.roles)) - set(taken))
        body = {"id": str(member_id), "roles": roles_now, **new.said(missing)}
        return Acted(200, body, [*records, *new.records])

    return await once.run(house, actor, act)


async def _give(
    house: House, tx: Tx, actor: Actor, member: Member, roles: Sequence[str], *, now: datetime
) -> Given:
    return await give(
        tx, house, actor.group_id, member, roles, giver=actor.member_id, account=actor.account, now=now
    )


# ---------------------------------------------------------------- suspending and coming back


async def suspend_member(house: House, actor: Actor, once: Once, member_id: UUID) -> Answer:
    """Keep a member from signing in and from being named, until they are resumed.

    Refuses: NeedsRole, StepUpNeeded, MemberNotFound, MemberNotOpen, LastSteward.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        actor.require_fresh()
        member = await _find_open(house, tx, actor, member_id, {"active"}, now=once.now)
        await check_not_last_steward(tx, actor.group_id, member, now=once.now)
        return await _set_state(tx, actor, member, "suspended")

    return await once.run(house, actor, act)


async def resume_member(house: House, actor: Actor, once: Once, member_id: UUID) -> Answer:
    """Let a member who was suspended or left act again; whoever left comes back without duties.

    Refuses: NeedsRole, StepUpNeeded, MemberNotFound, MemberNotOpen, NicknameTaken.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        actor.require_fresh()
        member = await _find_open(house, tx, actor, member_id, {"suspended", "left"}, now=once.now)
        return await _set_state(tx, actor, member, "active")

    return await once.run(house, actor, act)


async def _set_state(tx: Tx, actor: Actor, member: Member, state: str) -> Acted:
    await store.update_member_state(tx, actor.group_id, member.member_id, state)
    fields = {"account": member.accounts["minutes"], "state": state}
    return Acted(200, {"id": str(member.member_id), "state": state}, [("member", actor.account, fields)])


# ---------------------------------------------------------------- leaving and being forgotten


class Leaving(Protocol):
    """Ends, or names, what somebody who goes leaves behind; under the group's lock.

    Returns:
        What the answer says under which name, and records.
    """

    async def __call__(
        self, house: House, tx: Tx, actor: Actor, member: Member, *, now: datetime
    ) -> tuple[str, Any, Records]:
        """Do it."""
        ...


async def _end_duties(
    house: House,  # noqa: ARG001
    tx: Tx,
    actor: Actor,
    member: Member,
    *,
    now: datetime,
) -> tuple[str, Any, Records]:
    records: Records = []
    for role in member.roles:
        if role in NAMED_DUTIES:
            records += await change_role(
                tx, actor.group_id, member, role, given=False, now=now, actor=actor.account
            )
    return "duties", [role for role in member.roles if role in NAMED_DUTIES], records


async def _end_ties(
    house: House, tx: Tx, actor: Actor, member: Member, *, now: datetime
) -> tuple[str, Any, Records]:
    # Imported late: standing in needs to know who is a member.
    from timebank.services.stand_ins import end_ties_of

    ended, records = await end_ties_of(house, tx, actor, member.member_id, now=now)
    return "stand_ins", ended, records


async def _end_invitations(
    house: House,  # noqa: ARG001
    tx: Tx,
    actor: Actor,
    member: Member,
    *,
    now: datetime,
) -> tuple[str, Any, Records]:
    ended = await invitations_store.revoke_all_of(tx, actor.group_id, member.member_id, now=now)
    return "invitations", ended, []


async def _end_tokens(
    house: House,  # noqa: ARG001
    tx: Tx,
    actor: Actor,
    member: Member,
    *,
    now: datetime,
) -> tuple[str, Any, Records]:
    return "tokens", await store.end_tokens(tx, actor.group_id, member.member_id, now=now), []


async def _withdraw_duties(
    house: House, tx: Tx, actor: Actor, member: Member, *, now: datetime
) -> tuple[str, Any, Records]:
    ended, records = await withdraw_duties_of(
        house, tx, actor.group_id, member.member_id, account=actor.account, now=now
    )
    return "duties_proposed", ended, records


async def _cancel_asks(
    house: House, tx: Tx, actor: Actor, member: Member, *, now: datetime
) -> tuple[str, Any, Records]:
    found = await stand_ins_store.list_open_asks(tx, actor.group_id, member.member_id, own=True)
    await _write(house, tx, actor, member, [CancelDraw(draw_id) for draw_id in found], now=now)
    left = await stand_ins_store.list_open_asks(tx, actor.group_id, member.member_id, own=True)
    return "asks_cancelled", [str(draw_id) for draw_id in found if draw_id not in left], []


async def _withdraw_proposals(
    house: House, tx: Tx, actor: Actor, member: Member, *, now: datetime
) -> tuple[str, Any, Records]:
    found = await treasury_store.list_open_proposals(tx, actor.group_id, member.member_id)
    await _write(house, tx, actor, member, [WithdrawProposal(proposal) for proposal in found], now=now)
    return "proposals_withdrawn", [str(proposal) for proposal in found], []


async def _write(
    house: House, tx: Tx, actor: Actor, member: Member, commands: Sequence[Command], *, now: datetime
) -> None:
    """Have commands written in the name of whoever goes; the book says by whom it was done."""
    if not commands:
        return
    goes = Actor(
        group_id=actor.group_id,
        member_id=member.member_id,
        account=actor.account,
        accounts=member.accounts,
        roles=frozenset({MEMBER}),
        scopes=frozenset({"write"}),
    )
    writer = Writer(house.database, house.keys, house.checkpoints, clock=lambda: now, random=house.random)
    await writer.write_within(tx, actor.group_id, commands, actor=goes, key=f"leaving {house.new_id()}")


async def _name_open_asks(
    house: House,  # noqa: ARG001
    tx: Tx,
    actor: Actor,
    member: Member,
    *,
    now: datetime,  # noqa: ARG001
) -> tuple[str, Any, Records]:
    # What somebody asked for another stays that one's; and what could not be cancelled is told.
    found = [
        draw_id
        for own in (True, False)
        for draw_id in await stand_ins_store.list_open_asks(tx, actor.group_id, member.member_id, own=own)
    ]
    return "asks_open", [str(draw_id) for draw_id in found], []


#: What is ended, or handed on by name, when somebody goes; each is a line of the answer.
LEAVING: Final[tuple[Leaving, ...]] = (
    _cancel_asks,
    _withdraw_proposals,
    _end_duties,
    _end_ties,
    _end_invitations,
    _end_tokens,
    _withdraw_duties,
    _name_open_asks,
)


async def look_at_leaving(house: House, actor: Actor, member_id: UUID, *, now: datetime) -> dict[str, Any]:
    """Return what would end if a member left now, under the names of the answer to leaving; nothing is changed.

    Raises:
        NeedsScope: The token was not made for reading.
        NotYourself: It is somebody else, and the actor is no steward.
        MemberNotFound, MemberNotOpen
    """
    actor.require_scope("read")
    group_id = actor.group_id
    async with house.database.read(group_id) as tx:
        member = await _find_open(house, tx, actor, member_id, {"active", "suspended"}, now=now)
        check_self_or(actor, member_id, "steward")
        own = await stand_ins_store.list_open_asks(tx, group_id, member_id, own=True)
        others = await stand_ins_store.list_open_asks(tx, group_id, member_id, own=False)
        return {
            "asks_cancelled": own,
            "proposals_withdrawn": await treasury_store.list_open_proposals(tx, group_id, member_id),
            "duties": [role for role in member.roles if role in NAMED_DUTIES],
            **await store.count_what_ends(tx, group_id, member_id, now=now),
            "asks_open": others,
        }


async def leave_group(house: House, actor: Actor, once: Once, member_id: UUID) -> Answer:
    """Let a member go: themselves, or a steward for them. The answer says what ended and what stays open.

    Refuses: NotYourself, StepUpNeeded (of a steward), MemberNotFound, MemberNotOpen, LastSteward.
    """

    async def act(tx: Tx) -> Acted:
        member = await _find_open(house, tx, actor, member_id, {"active", "suspended"}, now=once.now)
        check_self_or(actor, member_id, "steward")
        if actor.member_id != member_id:
            actor.require_fresh()
        await check_not_last_steward(tx, actor.group_id, member, now=once.now)
        ended, records = await _end_all(house, tx, actor, member, now=once.now)
        acted = await _set_state(tx, actor, member, "left")
        return Acted(200, {**acted.body, "ended": ended}, [*records, *acted.records])

    return await once.run(house, actor, act)


async def forget_member(house: House, actor: Actor, once: Once, member_id: UUID) -> Answer:
    """Forget a member for good: themselves, or somebody who is steward and host. The answer says what stays.

    Refuses: NotYourself, StepUpNeeded, MemberNotFound, LastSteward.
    """

    async def act(tx: Tx) -> Acted:
        member = await _find_open(house, tx, actor, member_id, STATES, now=once.now)
        if actor.member_id != member_id:
            check_self_or(actor, member_id, "host")
            check_self_or(actor, member_id, "steward")
        actor.require_fresh()
        await check_not_last_steward(tx, actor.group_id, member, now=once.now)
        ended, records = await _end_all(house, tx, actor, member, now=once.now)
        await store.erase_member_rows(tx, actor.group_id, member_id, now=once.now)
        records.append(("erasure", actor.account, {"accounts": sorted(member.accounts.values())}))
        # Before the commit, as in services.members: if the database says "erased", the key is gone.
        await asyncio.to_thread(house.keys.erase_members, actor.group_id, [member_id], now=once.now)
        body = {
            "id": str(member_id),
            "state": "erased",
            "stays": list(STAYS),
            "goes": list(GOES),
            "ended": ended,
        }
        return Acted(200, body, records)

    return await once.run(house, actor, act)


async def _end_all(
    house: House, tx: Tx, actor: Actor, member: Member, *, now: datetime
) -> tuple[dict[str, Any], Records]:
    said: dict[str, Any] = {}
    records: Records = []
    for leave in LEAVING:
        name, what, more = await leave(house, tx, actor, member, now=now)
        said[name] = what
        records += more
    return said, records


async def _find_open(
    house: House,
    tx: Tx,
    actor: Actor,
    member_id: UUID,
    states: set[str] | frozenset[str],
    *,
    now: datetime,
    nobody: type[Refusal] = MemberNotFound,
) -> Member:
    """Return a member in one of these states.

    Args:
        nobody: How an id is refused that is nobody's, or nobody's any more: where the body and not
            the address names it, UnknownMember.

    Raises:
        MemberNotOpen: They are in another state.
    """
    try:
        member = await load_member(house, tx, actor.group_id, member_id, now=now)
    except UnknownMember:
        raise nobody from None
    if member.state == "erased" or not member.accounts:
        raise nobody
    if member.state not in states:
        raise MemberNotOpen(state=member.state)
    return member
