"""A way back in for somebody with a duty who lost every other, by the host; others can stop it for two days.

The host of a server could give anybody's duty to anybody. What keeps them honest is that it cannot be
done unseen: the book says so at once, everybody else with a duty is told, and has 48 hours to say no.
Where nobody else has a duty there is nobody to ask, and it is done at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from timebank.errors import (
    N_,
    RecoveryNotOpen,
    RecoveryUnderWay,
    RecoveryWaits,
    UnknownMember,
    UnknownRecovery,
)
from timebank.services.post import Mail, write
from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store import recoveries as store
from timebank.store.recoveries import RecoveryRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.members import MemberRow

WAIT: Final = timedelta(hours=48)
#: A card is made within this time, or it is asked for anew.
USE_WITHIN: Final = timedelta(hours=24)
#: Who may see recoveries, and stop them.
WATCHERS: Final = ("steward", "treasurer", "auditor")
_SHOWN: Final = 50

ASKED: Final = N_(
    "Hello,\n\nwhoever runs the server was asked to let somebody with a duty in your group sign in anew:"
    " %(name)s.\n\nIf that is right, do nothing. If it is not, or if it is you and you did not ask for it,"
    " sign in and stop it before %(day)s, %(time)s (UTC).\n"
)
STOPPED: Final = N_("Hello,\n\nthe new way to sign in for %(name)s was stopped.\n")
DONE: Final = N_(
    "Hello,\n\nwhoever runs the server can now make a card with which %(name)s signs in. The book says so, too.\n"
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery as duty people see it.

    Attributes:
        nickname: Whose it is; None for somebody who was erased.
    """

    row: RecoveryRow
    nickname: str | None


async def ask_recovery(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> RecoveryRow:
    """Ask for a way back in for somebody with a duty; tell everybody else who has one, and them.

    Where nobody else has a duty it is done already.

    Raises:
        UnknownMember: Nobody active has this id.
        RecoveryNotOpen: They carry no duty: a card can be made without waiting.
        RecoveryUnderWay: One is under way.
    """
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        member, account = await _find(tx, house, group_id, member_id)
        people = await store.list_duty_people(tx, group_id, now=now)
        if member_id not in people:
            raise RecoveryNotOpen(state="not needed")
        last = await store.find_last_recovery(tx, group_id, member_id)
        if last is not None and last.state == "asked":
            raise RecoveryUnderWay(until=last.due_at.isoformat(timespec="minutes"))

        alone = people == [member_id]
        row = RecoveryRow(
            house.new_id(),
            member_id,
            "done" if alone else "asked",
            now,
            now if alone else now + WAIT,
            now if alone else None,
        )
        await store.insert_recovery(tx, group_id, row)
        records = [_record(account, row, "asked", 0), *([_record(account, row, "done", 0)] if alone else [])]
        kept = await house.append_records(tx, group_id, records, now=now)
        if not alone:
            await _tell(tx, house, group_id, member, ASKED, people, now=now, until=row.due_at)
    house.checkpoints.keep(group_id, *kept)
    return row


async def stop_recovery(house: House, actor: Actor, recovery_id: UUID, *, now: datetime) -> RecoveryRow:
    """Stop a recovery: one's own, or anybody's for who has a duty. Stopping it again changes nothing.

    Raises:
        UnknownRecovery: There is none with this id that the actor may see.
        RecoveryNotOpen: It is done already.
    """
    async with house.database.tx(actor.group_id) as tx:
        await groups_store.bump_setup_version(tx, actor.group_id)
        row = await store.find_recovery(tx, actor.group_id, recovery_id)
        if row is None or not (row.member_id == actor.member_id or _watches(actor)):
            raise UnknownRecovery
        if row.state == "stopped":
            return row
        if row.state != "asked":
            raise RecoveryNotOpen(state=row.state)
        member, account = await _find(tx, house, actor.group_id, row.member_id)

        await store.end_recovery(
            tx, actor.group_id, recovery_id, "stopped", now=now, stopped_by=actor.member_id
        )
        record = _record(account, row, "stopped", actor.account)
        kept = await house.append_records(tx, actor.group_id, [record], now=now)
        people = await store.list_duty_people(tx, actor.group_id, now=now)
        await _tell(tx, house, actor.group_id, member, STOPPED, people, now=now)
    house.checkpoints.keep(actor.group_id, *kept)
    return row._replace(state="stopped", ended_at=now, stopped_by=actor.member_id)


async def finish_recovery(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> RecoveryRow:
    """End the waiting of a recovery that nobody stopped; from then on a card can be made.

    Raises:
        UnknownRecovery: None was ever asked for.
        RecoveryNotOpen: It was stopped, or was done long ago.
        RecoveryWaits: Others can still stop it.
    """
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        member, account = await _find(tx, house, group_id, member_id)
        row = await store.find_last_recovery(tx, group_id, member_id)
        if row is None:
            raise UnknownRecovery
        if row.state == "done" and _is_usable(row, now=now):
            return row
        if row.state != "asked":
            raise RecoveryNotOpen(state=row.state)
        if now < row.due_at:
            raise RecoveryWaits(until=row.due_at.isoformat(timespec="minutes"))

        await store.end_recovery(tx, group_id, row.recovery_id, "done", now=now)
        kept = await house.append_records(tx, group_id, [_record(account, row, "done", 0)], now=now)
        people = await store.list_duty_people(tx, group_id, now=now)
        await _tell(tx, house, group_id, member, DONE, people, now=now)
    house.checkpoints.keep(group_id, *kept)
    return row._replace(state="done", ended_at=now)


async def require_way_back(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """Refuse to let the host make a way to sign in for somebody with a duty without a recovery that is done.

    For whoever makes cards: call it inside the transaction, under the group's lock.

    Raises:
        RecoveryWaits: One is needed, and none was done within the last day; ``until`` says when at the earliest.
    """
    if member_id not in await store.list_duty_people(tx, group_id, now=now):
        return
    row = await store.find_last_recovery(tx, group_id, member_id)
    if row is None or not _is_usable(row, now=now):
        until = (now + WAIT if row is None or row.state != "asked" else row.due_at).isoformat(
            timespec="minutes"
        )
        raise RecoveryWaits(until=until)


async def list_recoveries(house: House, actor: Actor) -> list[Recovery]:
    """Return the newest recoveries: all of them for who has a duty, else one's own."""
    async with house.database.read(actor.group_id) as tx:
        if _watches(actor):
            rows = await store.list_recoveries(tx, actor.group_id, limit=_SHOWN)
        else:
            rows = await store.list_recoveries_of(tx, actor.group_id, actor.member_id)
        found = []
        for row in rows[:_SHOWN]:
            member = await members_store.find_member(tx, actor.group_id, row.member_id)
            found.append(Recovery(row, None if member is None else _nickname(house, actor.group_id, member)))
    return found


def _watches(actor: Actor) -> bool:
    return not actor.roles.isdisjoint(WATCHERS)


def _is_usable(row: RecoveryRow, *, now: datetime) -> bool:
    return row.state == "done" and row.ended_at is not None and now < row.ended_at + USE_WITHIN


def _record(account: int, row: RecoveryRow, state: str, actor: int) -> tuple[str, int, dict[str, Any]]:
    return "recovery", actor, {"account": account, "id": str(row.recovery_id), "state": state}


async def _find(tx: Tx, house: House, group_id: UUID, member_id: UUID) -> tuple[MemberRow, int]:
    member = await members_store.find_member(tx, group_id, member_id)
    if member is None or member.state != "active":
        raise UnknownMember
    accounts = members_store.open_accounts(house.keys, group_id, member_id, member.accounts_box)
    if accounts is None:
        raise UnknownMember
    return member, accounts["minutes"]


def _nickname(house: House, group_id: UUID, member: MemberRow) -> str | None:
    return members_store.open_nickname(house.keys, group_id, member.member_id, member.nickname_box)


async def _tell(
    tx: Tx,
    house: House,
    group_id: UUID,
    member: MemberRow,
    text: str,
    people: list[UUID],
    *,
    now: datetime,
    until: datetime | None = None,
) -> None:
    """Write to everybody with a duty, and to whom it is about; who gave no address sees it when they sign in."""
    params: dict[str, str | int] = {"name": _nickname(house, group_id, member) or ""}
    if until is not None:
        # Written as every language reads it: whose mail is in which one is known further down.
        params |= {"day": until.date().isoformat(), "time": until.strftime("%H:%M")}
    for person in people:
        await write(tx, house, group_id, person, Mail(text, params), now=now)
