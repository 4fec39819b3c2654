"""Stand-ins: members who act for named others who are offline, with consent, for some things, until a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from timebank.errors import N_, FieldInvalid, StandInNotOpen, UnknownMember, UnknownStandIn
from timebank.rules.people import CONSENTS, Actor, check_consent, check_stand_in_scopes
from timebank.rules.set_up import NOT_KNOWN, TWICE
from timebank.services.acts import Acted, Once, Records
from timebank.services.members import load_member
from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store import stand_ins as store
from timebank.store.overview import find_nicknames
from timebank.store.stand_ins import StandInRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx

#: Longest time that one consent holds; a new one is a new conversation.
DAYS_MAX: Final = 366
ROLE: Final = "stand_in"
NOT_SO_LONG: Final = N_("it must be today or later, and within a year")
ONLY_SAID: Final = N_("who agrees for themselves says so; the other ways are for stewards to write down")


@dataclass(frozen=True, slots=True)
class Tie:
    """Somebody who stands in for somebody, as one of the two or a steward sees it.

    Attributes:
        stand_in, member: (id, nickname) of who acts, and for whom; the nickname is empty once erased.
        state: active, ended or expired.
    """

    row: StandInRow
    stand_in: tuple[UUID, str]
    member: tuple[UUID, str]
    state: str


async def begin_stand_in(
    house: House,
    actor: Actor,
    once: Once,
    *,
    stand_in: UUID,
    member_id: UUID,
    scopes: Sequence[str],
    until: date,
    consent: str,
) -> Answer:
    """Let one member act for another: the other says so, or a steward who is not the stand-in writes it down.

    A tie between the same two takes the place of the one before it.

    Refuses: NotYourConsent, StepUpNeeded, FieldInvalid, UnknownMember.
    """

    async def act(tx: Tx) -> Acted:
        check_consent(actor, stand_in=stand_in, member_id=member_id)
        actor.require_fresh()
        allowed = check_stand_in_scopes(scopes)
        if stand_in == member_id:
            raise FieldInvalid(field="for", why=TWICE)
        if consent not in CONSENTS:
            raise FieldInvalid(field="consent", why=NOT_KNOWN)
        if consent != "said" and "steward" not in actor.roles:
            raise FieldInvalid(field="consent", why=ONLY_SAID)
        expires_at = await _end_of(tx, actor.group_id, until, now=once.now)
        accounts = {}
        for one in (stand_in, member_id):
            member = await load_member(house, tx, actor.group_id, one, now=once.now)
            if member.state != "active":
                raise UnknownMember
            accounts[one] = member.accounts["minutes"]
        before = [
            row
            for row in await store.list_stand_ins(tx, actor.group_id, member_id=member_id)
            if row.stand_in == stand_in and row.ended_at is None
        ]
        await store.end_stand_ins(tx, actor.group_id, [row.stand_in_id for row in before], now=once.now)
        row = StandInRow(
            stand_in_id=house.new_id(),
            stand_in=stand_in,
            member_id=member_id,
            scopes=list(allowed),
            consent=consent,
            consent_by=actor.member_id,
            since=once.now,
            expires_at=expires_at,
            until=until,
            ended_at=None,
        )
        await store.insert_stand_in(tx, actor.group_id, row)
        records: Records = [("stand_in", actor.account, _fields(accounts, row, given=True))]
        records += await _settle_role(house, tx, actor, stand_in, now=once.now)
        body = {
            "id": str(row.stand_in_id),
            "stand_in": str(stand_in),
            "for": str(member_id),
            "scopes": list(allowed),
            "until": until.isoformat(),
            "state": "active",
        }
        return Acted(201, body, records)

    return await once.run(house, actor, act)


async def end_stand_in(house: House, actor: Actor, once: Once, stand_in_id: UUID) -> Answer:
    """End a tie now: either of the two, or a steward.

    Refuses: UnknownStandIn, StandInNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        row = await store.find_stand_in(tx, actor.group_id, stand_in_id)
        sides = () if row is None else (row.stand_in, row.member_id)
        if row is None or (actor.member_id not in sides and "steward" not in actor.roles):
            raise UnknownStandIn
        if (state := row.state(once.now)) != "active":
            raise StandInNotOpen(state=state)
        records = await _end(house, tx, actor, [row], now=once.now)
        return Acted(200, {"id": str(stand_in_id), "state": "ended"}, records)

    return await once.run(house, actor, act)


async def list_stand_ins(
    house: House, actor: Actor, *, now: datetime, own: bool = False, member_id: UUID | None = None
) -> list[Tie]:
    """Return ties, newest first: all of them for a steward, otherwise and with ``own`` the actor's two sides.

    Args:
        member_id: For stewards: only those that this member is one side of.

    Raises:
        NeedsScope: The token was not made for reading.
    """
    actor.require_scope("read")
    mine = own or "steward" not in actor.roles
    async with house.database.read(actor.group_id) as tx:
        rows = await store.list_stand_ins(
            tx, actor.group_id, member_id=actor.member_id if mine else member_id
        )
        sides = {one for row in rows for one in (row.stand_in, row.member_id)}
        names = await find_nicknames(tx, house.keys, actor.group_id, sides)
    return [
        Tie(
            row,
            (row.stand_in, names.get(row.stand_in, "")),
            (row.member_id, names.get(row.member_id, "")),
            row.state(now),
        )
        for row in rows
    ]


async def list_stood_in_for(house: House, actor: Actor, scope: str) -> list[tuple[UUID, str]]:
    """Return ids and nicknames of those for whom the actor may do this now (``log``, ``ask``, ``see``), by name."""
    wanted = [member_id for member_id, scopes in actor.stands_in.items() if scope in scopes]
    async with house.database.read(actor.group_id) as tx:
        names = await find_nicknames(tx, house.keys, actor.group_id, wanted)
    return sorted(names.items(), key=lambda pair: pair[1])


async def end_ties_of(
    house: House, tx: Tx, actor: Actor, member_id: UUID, *, now: datetime
) -> tuple[int, Records]:
    """End every tie that a member is one side of, inside a transaction; return how many, and the records."""
    rows = [
        row
        for row in await store.list_stand_ins(tx, actor.group_id, member_id=member_id)
        if row.state(now) == "active"
    ]
    return len(rows), await _end(house, tx, actor, rows, now=now)


async def _end(house: House, tx: Tx, actor: Actor, rows: Sequence[StandInRow], *, now: datetime) -> Records:
    await store.end_stand_ins(tx, actor.group_id, [row.stand_in_id for row in rows], now=now)
    records: Records = []
    for row in rows:
        accounts = {
            one: (await load_member(house, tx, actor.group_id, one, now=now)).accounts.get("minutes", 0)
            for one in (row.stand_in, row.member_id)
        }
        records.append(("stand_in", actor.account, _fields(accounts, row, given=False)))
    for stand_in in dict.fromkeys(row.stand_in for row in rows):
        records += await _settle_role(house, tx, actor, stand_in, now=now)
    return records


async def _settle_role(house: House, tx: Tx, actor: Actor, stand_in: UUID, *, now: datetime) -> Records:
    """Have somebody carry the role for exactly as long as they have a tie; return the record of a change."""
    ties = [
        row
        for row in await store.list_stand_ins(tx, actor.group_id, member_id=stand_in)
        if row.stand_in == stand_in and row.state(now) == "active"
    ]
    member = await load_member(house, tx, actor.group_id, stand_in, now=now)
    until = max((row.expires_at for row in ties), default=None)
    await members_store.set_role_until(tx, actor.group_id, stand_in, ROLE, now=now, until=until)
    if (ROLE in member.roles) == bool(ties):
        return []
    fields = {"account": member.accounts.get("minutes", 0), "given": bool(ties), "role": ROLE}
    return [("role", actor.account, fields)]


def _fields(accounts: dict[UUID, int], row: StandInRow, *, given: bool) -> dict[str, Any]:
    return {
        "account": accounts[row.stand_in],
        "consent": row.consent,
        "for": accounts[row.member_id],
        "given": given,
        "scopes": list(row.scopes),
        "until": row.until.isoformat(),
    }


async def _end_of(tx: Tx, group_id: UUID, until: date, *, now: datetime) -> datetime:
    """Return the moment at which a day ends in the group's time zone.

    Raises:
        FieldInvalid: The day is over, or too far away.
    """
    zone = ZoneInfo((await groups_store.find_frame(tx, group_id)).time_zone)
    today = now.astimezone(zone).date()
    if not today <= until <= today + timedelta(days=DAYS_MAX):
        raise FieldInvalid(field="until", why=NOT_SO_LONG)
    return datetime.combine(until + timedelta(days=1), time(), zone)
