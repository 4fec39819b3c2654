"""Giving a duty takes two: one proposes it, a second steward says yes; and one person must not become two.

Whoever prints a sign-in card for somebody could use it, set up a passkey or app in their name, and so hold
what is given to them. So duties of whom others printed cards for wait until a steward who printed none met
them: they show a code that only whoever holds the passkey or app can see (decision 0067).
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.errors import (
    MadeTheirCard,
    MemberNotFound,
    MemberNotOpen,
    NotYourProposal,
    OwnProposal,
    ProofFailed,
    ProposalNotOpen,
    UnknownMember,
    UnknownProposal,
)
from timebank.rules.people import may_give
from timebank.services.acts import Acted, Once, Records
from timebank.services.cards import CODE_LENGTH, SIGNS, read_code, written
from timebank.services.members import Member, change_role, load_member
from timebank.store import duties as store
from timebank.store import groups as groups_store
from timebank.store import passkeys as passkeys_store
from timebank.store import totps as totps_store
from timebank.store.duties import DutyRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.sessions import SignedIn
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx

PROPOSED_FOR: Final = timedelta(days=30)
LISTED_MAX: Final = 200

#: Half of a card's length: it is read out, and whoever guesses is a steward who is signed in.
_WORD_LENGTH: Final = CODE_LENGTH // 2


class Given(NamedTuple):
    """What came of giving duties.

    Attributes:
        roles: Those that the member has by it.
        duty_id: What another steward signs; None where the duties were given at once.
    """

    roles: tuple[str, ...]
    duty_id: UUID | None
    records: Records

    def said(self, proposed: Sequence[str]) -> dict[str, object]:
        """Return what an answer says besides: nothing where the duties were given at once."""
        return {} if self.duty_id is None else {"proposal": str(self.duty_id), "proposed": list(proposed)}


async def give(
    tx: Tx,
    house: House,
    group_id: UUID,
    member: Member,
    roles: Sequence[str],
    *,
    giver: UUID,
    account: int,
    now: datetime,
) -> Given:
    """Give duties that a member does not have, or propose them where another steward can say yes.

    Args:
        giver: Who gives them, with the account number that records name them by; they may.
    """
    if not roles:
        return Given((), None, [])
    if not await store.is_there_another_steward(tx, group_id, giver, now=now):
        return Given(tuple(roles), None, await _give(tx, group_id, member, roles, account=account, now=now))
    row = DutyRow(house.new_id(), member.member_id, list(roles), "open", giver, now, now + PROPOSED_FOR)
    await store.insert_duty(tx, group_id, row)
    return Given((), row.duty_id, [_record(row, member, "proposed", account)])


async def _give(
    tx: Tx, group_id: UUID, member: Member, roles: Sequence[str], *, account: int, now: datetime
) -> Records:
    records: Records = []
    for role in roles:
        records += await change_role(tx, group_id, member, role, given=True, now=now, actor=account)
    return records


async def list_duties(house: House, actor: Actor) -> list[DutyRow]:
    """Return which duties were proposed, newest first, at most 200.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: The actor is neither steward nor host.
    """
    actor.require_scope("read")
    actor.require_role("steward", "host")
    async with house.database.read(actor.group_id) as tx:
        return await store.list_duties(tx, actor.group_id, limit=LISTED_MAX)


async def sign_duty(house: House, actor: Actor, once: Once, duty_id: UUID) -> Answer:
    """Agree to duties that somebody else proposed; they count from the member's next request on.

    Refuses: NeedsRole, StepUpNeeded, UnknownProposal, OwnProposal, ProposalNotOpen, MemberNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        actor.require_fresh()
        row = await _find_open(tx, actor.group_id, duty_id, now=once.now)
        if row.proposed_by == actor.member_id:
            raise OwnProposal
        proposer = await load_member(house, tx, actor.group_id, row.proposed_by, now=once.now)
        # A duty taken away counts from the next request on, also for what was begun with it.
        if proposer.state != "active" or not may_give(proposer.roles, row.roles):
            raise ProposalNotOpen(state="withdrawn")
        member = await load_member(house, tx, actor.group_id, row.member_id, now=once.now)
        if member.state != "active":
            raise MemberNotOpen(state=member.state)
        missing = [role for role in row.roles if role not in member.roles]
        records = await _give(tx, actor.group_id, member, missing, account=actor.account, now=once.now)
        await store.end_duty(tx, actor.group_id, duty_id, "given", now=once.now, signed_by=actor.member_id)
        body = {
            "id": str(duty_id),
            "state": "given",
            "member": str(row.member_id),
            "roles": sorted({*member.roles, *row.roles}),
        }
        return Acted(200, body, [_record(row, member, "given", actor.account), *records])

    return await once.run(house, actor, act)


async def withdraw_duty(house: House, actor: Actor, once: Once, duty_id: UUID) -> Answer:
    """Take a proposal back, or refuse it: whoever made it, or any steward.

    Refuses: UnknownProposal, NotYourProposal, ProposalNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        row = await store.find_duty(tx, actor.group_id, duty_id)
        if row is None:
            raise UnknownProposal
        if "steward" not in actor.roles and row.proposed_by != actor.member_id:
            raise NotYourProposal
        row = await _find_open(tx, actor.group_id, duty_id, now=once.now)
        member = await load_member(house, tx, actor.group_id, row.member_id, now=once.now)
        await store.end_duty(tx, actor.group_id, duty_id, "withdrawn", now=once.now)
        body = {"id": str(duty_id), "state": "withdrawn", "member": str(row.member_id)}
        return Acted(200, body, [_record(row, member, "withdrawn", actor.account)])

    return await once.run(house, actor, act)


async def withdraw_duties_of(
    house: House, tx: Tx, group_id: UUID, member_id: UUID, *, account: int, now: datetime
) -> tuple[int, Records]:
    """Withdraw what somebody proposed, and what was proposed for them; return how many, and the records."""
    records: Records = []
    rows = await store.withdraw_duties_of(tx, group_id, member_id, now=now)
    for row in rows:
        member = await load_member(house, tx, group_id, row.member_id, now=now)
        records.append(_record(row, member, "withdrawn", account))
    return len(rows), records


async def _find_open(tx: Tx, group_id: UUID, duty_id: UUID, *, now: datetime) -> DutyRow:
    row = await store.find_duty(tx, group_id, duty_id)
    if row is None:
        raise UnknownProposal
    if (state := row.state_at(now)) != "open":
        raise ProposalNotOpen(state=state)
    return row


def _record(row: DutyRow, member: Member, state: str, actor: int) -> tuple[str, int, dict[str, object]]:
    fields = {
        "account": member.accounts.get("minutes", 0),
        "id": str(row.duty_id),
        "roles": sorted(row.roles),
        "state": state,
    }
    return "duty", actor, fields


# ---------------------------------------------------------------- who they are


async def find_word(house: House, signed_in: SignedIn) -> str:
    """Return the code that somebody shows to a steward whom they meet; empty where no duty waits for that.

    Only a session that was proved with the passkey or app sees it, and it is another for other ones.
    """
    if not signed_in.duties_wait or not signed_in.strong:
        return ""
    group_id, member_id = signed_in.actor.group_id, signed_in.actor.member_id
    async with house.database.read(group_id) as tx:
        return await _word(house, tx, group_id, member_id)


async def list_unvouched(house: House, actor: Actor, *, now: datetime) -> list[UUID]:
    """Return whose duties wait until a steward met them, to stewards.

    Raises:
        NeedsScope, NeedsRole
    """
    actor.require_scope("read")
    actor.require_role("steward")
    async with house.database.read(actor.group_id) as tx:
        return await store.list_unvouched(tx, actor.group_id, now=now)


async def vouch(house: House, actor: Actor, once: Once, member_id: UUID, *, code: str) -> Answer:
    """Say that a member is who they are: a steward who printed no card for them saw the code on their page.

    Where nobody printed one, nothing waits, and nothing changes.

    Refuses: NeedsRole, StepUpNeeded, MemberNotFound, MemberNotOpen, MadeTheirCard, ProofFailed.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        actor.require_fresh()
        try:
            member = await load_member(house, tx, actor.group_id, member_id, now=once.now)
        except UnknownMember:
            raise MemberNotFound from None
        if member.state == "erased":
            raise MemberNotFound
        if member.state != "active":
            raise MemberNotOpen(state=member.state)
        makers = await store.list_card_makers(tx, actor.group_id, member_id)
        if actor.member_id in {member_id, *makers}:
            raise MadeTheirCard
        if not makers:
            return Acted(200, {"id": str(member_id)}, [])
        word = await _word(house, tx, actor.group_id, member_id)
        if not hmac.compare_digest(read_code(word).encode(), read_code(code).encode()):
            raise ProofFailed
        await store.forget_card_makers(tx, actor.group_id, member_id)
        return Acted(200, {"id": str(member_id)}, [_vouched(member, actor.account)])

    return await once.run(house, actor, act)


async def vouch_as_host(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """Say as whoever keeps the server that a member is who they are; the book says so.

    Raises:
        UnknownMember: Nobody active has this id.
    """
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        member = await load_member(house, tx, group_id, member_id, now=now)
        if member.state != "active":
            raise UnknownMember
        await store.forget_card_makers(tx, group_id, member_id)
        kept = await house.append_records(tx, group_id, [_vouched(member, 0)], now=now)
    house.checkpoints.keep(group_id, *kept)


def _vouched(member: Member, actor: int) -> tuple[str, int, dict[str, object]]:
    return "vouched", actor, {"account": member.accounts["minutes"]}


async def _word(house: House, tx: Tx, group_id: UUID, member_id: UUID) -> str:
    """Return the code that goes with what a member signs in with now, and with nothing else."""
    passkeys = [row.passkey_id.bytes for row in await passkeys_store.list_passkeys(tx, group_id, member_id)]
    app = await totps_store.find_totp(tx, group_id, member_id)
    made = b"" if app is None else app.added_at.isoformat().encode()
    drawn = int.from_bytes(
        house.keys.derive("vouch", group_id.bytes, member_id.bytes, *sorted(passkeys), made), "big"
    )
    signs = []
    for _ in range(_WORD_LENGTH):
        drawn, place = divmod(drawn, len(SIGNS))
        signs.append(SIGNS[place])
    return written("".join(signs))
