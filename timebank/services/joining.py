"""How people join by themselves: with an invitation, or by asking; both end with a way to sign in, shown once."""

from __future__ import annotations

import asyncio
import base64
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from timebank.errors import (
    InvitationNotOpen,
    JoiningClosed,
    JoinRequestNotOpen,
    KeyNotIssued,
    KeyReused,
    RequestsFull,
    UnknownInvitation,
    UnknownJoinRequest,
)
from timebank.rules.names import NICKNAME_MAX, free_text, plain_text
from timebank.rules.people import Actor, check_duties, check_may_give, may_give
from timebank.services.acts import Acted, Once
from timebank.services.cards import make_card
from timebank.services.duties import give
from timebank.services.members import Newcomer, join, load_member, make_keys
from timebank.store import groups as groups_store
from timebank.store import invitations as store
from timebank.store import join_requests as requests_store
from timebank.store import members as members_store
from timebank.store.boxes import blind_index
from timebank.store.ids import id_of
from timebank.store.invitations import InvitationRow
from timebank.store.join_requests import WORDS_MAX, JoinRequestRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Database, Tx

USES_MAX: Final = 500
DAYS_MAX: Final = 90
LISTED_MAX: Final = 200

REQUEST_DAYS: Final = 14
#: The way of joining in which somebody without an invitation may ask to be let in.
BY_REQUEST: Final = "request"
WAITING_MAX: Final = 100

#: Whoever heard no answer and sends the form again within this gets another way in, and is one member.
AGAIN_WITHIN: Final = timedelta(minutes=10)

#: Looked up in place of whoever is not there, so that the work is the same.
NOBODY: Final = UUID(int=0)

_SECRET_BYTES: Final = 24


# ---------------------------------------------------------------- secrets and keys of strangers


def _secret(house: House, what: str, group_id: UUID, row_id: UUID) -> str:
    derived = house.keys.derive(what, group_id.bytes, row_id.bytes)[:_SECRET_BYTES]
    return base64.urlsafe_b64encode(derived).decode("ascii")


def invitation_secret(house: House, group_id: UUID, invitation_id: UUID) -> str:
    """Return the secret of an invitation: 32 characters that only this host can compute, and nobody stores."""
    return _secret(house, "invitation", group_id, invitation_id)


def request_secret(house: House, group_id: UUID, request_id: UUID) -> str:
    """Return the secret by which somebody without an account sees what became of their request."""
    return _secret(house, "join-request", group_id, request_id)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def issue_key(house: House, group_id: UUID, about: str) -> str:
    """Return a fresh key for a form that somebody without an account fills in: 16 random bytes and their seal."""
    nonce = house.random(16)
    return base64.urlsafe_b64encode(nonce + _seal_of(house, group_id, about, nonce)).decode("ascii")


def _id_of_key(house: House, group_id: UUID, about: str, key: str) -> UUID:
    """Return the id of what a form makes: the same for the same key, however often it is sent.

    Raises:
        KeyNotIssued: The key did not come with this form.
    """
    try:
        data = base64.urlsafe_b64decode(key.encode("ascii"))
    except ValueError:
        raise KeyNotIssued from None
    nonce, seal = data[:16], data[16:]
    if not hmac.compare_digest(seal, _seal_of(house, group_id, about, nonce)):
        raise KeyNotIssued
    made = bytearray(sha256(b"timebank/joining/1\0" + group_id.bytes + data).digest()[:16])
    made[6], made[8] = made[6] & 0x0F | 0x40, made[8] & 0x3F | 0x80
    return id_of(bytes(made))


def _seal_of(house: House, group_id: UUID, about: str, nonce: bytes) -> bytes:
    return house.keys.derive("form-key", group_id.bytes, about.encode(), nonce)[:16]


# ---------------------------------------------------------------- invitations


async def make_invitation(
    house: House, actor: Actor, once: Once, *, roles: Sequence[str], uses: int, days: int
) -> Answer:
    """Make an invitation; ``invitation_secret`` of the id in the answer is what opens it.

    Refuses: NeedsRole, MayNotGive, StepUpNeeded (with duties), FieldInvalid.
    """
    checked = check_duties(roles, field="roles")

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward", "host")
        check_may_give(actor, checked)
        if checked:
            actor.require_fresh()
        invitation_id = house.new_id()
        row = InvitationRow(
            invitation_id=invitation_id,
            secret_hash=_hash(invitation_secret(house, actor.group_id, invitation_id)),
            roles=list(checked),
            uses_max=uses,
            uses=0,
            made_by=actor.member_id,
            made_at=once.now,
            expires_at=once.now + timedelta(days=days),
            revoked_at=None,
        )
        await store.insert_invitation(tx, actor.group_id, row)
        body = {
            "id": str(invitation_id),
            "state": "open",
            "roles": list(checked),
            "uses_max": uses,
            "expires_at": row.expires_at.isoformat(),
        }
        return Acted(201, body, [])

    return await once.run(house, actor, act)


async def list_invitations(house: House, actor: Actor, *, now: datetime) -> list[InvitationRow]:
    """Return the group's invitations, at most 200: those that are open first, and then the newest first.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: The actor is no steward.
    """
    actor.require_scope("read")
    actor.require_role("steward", "host")
    async with house.database.read(actor.group_id) as tx:
        return await store.list_invitations(tx, actor.group_id, now=now, limit=LISTED_MAX)


async def revoke_invitation(house: House, actor: Actor, once: Once, invitation_id: UUID) -> Answer:
    """End an invitation: nobody joins by it from now on.

    Refuses: NeedsRole, UnknownInvitation, InvitationNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward", "host")
        row = await store.find_invitation(tx, actor.group_id, invitation_id=invitation_id)
        if row is None:
            raise UnknownInvitation
        if (state := row.state(once.now)) != "open":
            raise InvitationNotOpen(state=state)
        await store.revoke_invitation(tx, actor.group_id, invitation_id, now=once.now)
        return Acted(200, {"id": str(invitation_id), "state": "revoked"}, [])

    return await once.run(house, actor, act)


class Invited(NamedTuple):
    """What the holder of an invitation sees: the group's name, and a key for the form."""

    name: str
    key: str


async def look_at_invitation(house: House, group_id: UUID, secret: str, *, now: datetime) -> Invited:
    """Return what an invitation opens.

    Raises:
        UnknownInvitation: It never was one, or it is over; both look the same.
    """
    async with house.database.read(group_id) as tx:
        await _find_open(house, tx, group_id, secret, now=now)
        name, _ = await requests_store.find_joining(tx, group_id)
    return Invited(name, issue_key(house, group_id, secret))


class Joined(NamedTuple):
    """Somebody who is a member now, with what they sign in with the first time; ``again`` for a repeated form."""

    member_id: UUID
    card: str
    again: bool


async def accept_invitation(
    house: House,
    group_id: UUID,
    secret: str,
    *,
    key: str,
    nickname: str,
    now: datetime,
) -> Joined:
    """Join by an invitation.

    Args:
        key: The one that came with the invitation.

    Raises:
        UnknownInvitation: It never was one, it is over, or whoever made it may not invite any more.
        InvitationNotOpen: The form was sent before, and not just now.
        KeyNotIssued, KeyReused: See Once.
        FieldInvalid, NicknameTaken: See services.members.
    """
    member_id = _id_of_key(house, group_id, secret, key)
    text = plain_text(nickname, field="nickname", length_max=NICKNAME_MAX)
    async with house.database.read(group_id) as tx:
        found = await store.find_invitation(tx, group_id, secret_hash=_hash(secret))
        invitation_id = NOBODY if found is None else found.invitation_id
        before = await store.joined_at(tx, group_id, invitation_id, member_id)
        if found is None or before is None:
            # Asked for what never was, too: both are answered after the same steps.
            await _find_open(house, tx, group_id, secret, now=now)
    assert found is not None, "or it would not be open"
    kept: tuple[int, str] | None = None
    if before is None:
        newcomer = Newcomer(member_id, text)
        await make_keys(house, group_id, [newcomer])
        async with house.database.tx(group_id) as tx:
            await groups_store.bump_setup_version(tx, group_id)
            before = await store.joined_at(tx, group_id, found.invitation_id, member_id)
            if before is None:
                inviter = await _find_open(house, tx, group_id, secret, now=now)
                records = await join(house, tx, group_id, [newcomer], now=now, actor=inviter)
                member = await load_member(house, tx, group_id, member_id, now=now)
                given = await give(
                    tx, house, group_id, member, found.roles, giver=found.made_by, account=inviter, now=now
                )
                records += given.records
                await store.use_invitation(tx, group_id, found.invitation_id, member_id, now=now)
                kept = await house.append_records(tx, group_id, records, now=now)
    if kept is not None:
        house.checkpoints.keep(group_id, *kept)
    else:
        await _check_again(house, group_id, member_id, text, before, now)
    card = await make_card(house, group_id, member_id, made_by=member_id, now=now)
    return Joined(member_id, card.code, again=kept is None)


async def _check_again(
    house: House, group_id: UUID, member_id: UUID, nickname: str, before: datetime | None, now: datetime
) -> None:
    """Refuse a form that was sent before with another nickname, or too long ago to be a lost answer.

    Raises:
        KeyReused, InvitationNotOpen
    """
    async with house.database.read(group_id) as tx:
        row = await members_store.find_member(tx, group_id, member_id)
    index = blind_index(house.keys.index_key(group_id), nickname)
    if before is None or now - before > AGAIN_WITHIN or row is None or row.state != "active":
        raise InvitationNotOpen(state="used")
    if row.nickname_index != index:
        raise KeyReused


async def _find_open(house: House, tx: Tx, group_id: UUID, secret: str, *, now: datetime) -> int:
    """Return the account number of who made an invitation that people can join by now.

    Raises:
        UnknownInvitation: There is no such invitation; or it is over, or its maker may not invite any more.
    """
    row = await store.find_invitation(tx, group_id, secret_hash=_hash(secret))
    # Its maker is looked up in any case: a secret that is over is refused as late as one that never was.
    # And a duty taken away counts from the next request on, also for what was begun with it.
    made_by = NOBODY if row is None else row.made_by
    inviter = await members_store.find_member(tx, group_id, made_by)
    roles = tuple(await members_store.list_roles(tx, group_id, made_by, now=now))
    if row is None or row.state(now) != "open" or inviter is None or inviter.state != "active":
        raise UnknownInvitation
    accounts = members_store.open_accounts(house.keys, group_id, made_by, inviter.accounts_box)
    if accounts is None or {"steward", "host"}.isdisjoint(roles) or not may_give(roles, row.roles):
        raise UnknownInvitation
    return accounts["minutes"]


# ---------------------------------------------------------------- requests to join


class Way(NamedTuple):
    """How people join a group; ``key`` is for the form of a request, empty where there is none."""

    name: str
    joining: str
    key: str


_FORM: Final = "join-request"


async def find_way(house: House, group_id: UUID) -> Way:
    """Return how people join a group."""
    async with house.database.read(group_id) as tx:
        name, joining = await requests_store.find_joining(tx, group_id)
    return Way(name, joining, issue_key(house, group_id, _FORM) if joining == BY_REQUEST else "")


async def read_joining(database: Database, group_id: UUID) -> str:
    """Return how people join a group, for a page that everybody may read."""
    async with database.read(group_id) as tx:
        return (await requests_store.find_joining(tx, group_id))[1]


async def ask_to_join(
    house: House, group_id: UUID, *, key: str, nickname: str, words: str, now: datetime
) -> UUID:
    """Keep a request to join; ``request_secret`` of its id shows what becomes of it.

    Whether the nickname is free is for stewards to see, so the answer never tells.

    Raises:
        JoiningClosed: The group lets people in by invitation only.
        RequestsFull: Too many wait already.
        KeyNotIssued, KeyReused: The key is another form's, or was sent with other words.
        FieldInvalid: The nickname cannot be one, or the words are too long.
    """
    request_id = _id_of_key(house, group_id, _FORM, key)
    nickname = plain_text(nickname, field="nickname", length_max=NICKNAME_MAX)
    words = free_text(words, field="words", length_max=WORDS_MAX)
    async with house.database.read(group_id) as tx:
        _, joining = await requests_store.find_joining(tx, group_id)
        if joining != BY_REQUEST:
            raise JoiningClosed
        waiting = [row for row in await requests_store.list_waiting(tx, group_id) if now < row.expires_at]
        if len(waiting) >= WAITING_MAX:
            raise RequestsFull
        if await _is_same(house, tx, group_id, request_id, nickname, words):
            return request_id
    await asyncio.to_thread(house.keys.create_member_keys, group_id, [request_id])
    sealing = house.keys.find_member_key(group_id, request_id)
    assert sealing is not None, "made just before"

    def box(column: str, said: str) -> bytes:
        return requests_store.seal_words(sealing, group_id, request_id, column, said)

    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        if await _is_same(house, tx, group_id, request_id, nickname, words):
            return request_id
        row = JoinRequestRow(
            request_id=request_id,
            secret_hash=_hash(request_secret(house, group_id, request_id)),
            state="waiting",
            nickname_box=box("nickname_box", nickname),
            words_box=box("words_box", words),
            asked_at=now,
            expires_at=now + timedelta(days=REQUEST_DAYS),
            decided_at=None,
            entered_at=None,
        )
        await requests_store.insert_request(tx, group_id, row)
    return request_id


async def _is_same(house: House, tx: Tx, group_id: UUID, request_id: UUID, nickname: str, words: str) -> bool:
    """Return whether this very form was taken in before.

    Raises:
        KeyReused: It was, with other words.
    """
    row = await requests_store.find_request(tx, group_id, request_id=request_id)
    if row is None:
        return False
    if row.state == "waiting":
        said = [
            requests_store.open_words(house.keys, group_id, request_id, column, sealed)
            for column, sealed in (("nickname_box", row.nickname_box), ("words_box", row.words_box))
        ]
        if said != [nickname, words]:
            raise KeyReused
    return True


async def look_at_request(house: House, group_id: UUID, secret: str) -> JoinRequestRow:
    """Return a request to whoever holds its secret.

    Raises:
        UnknownJoinRequest: There is none.
    """
    async with house.database.read(group_id) as tx:
        return await _find_request(tx, group_id, secret=secret)


async def withdraw_request(house: House, group_id: UUID, secret: str, *, now: datetime) -> None:
    """Take a request back.

    Raises:
        UnknownJoinRequest, JoinRequestNotOpen
    """
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        row = await _find_request(tx, group_id, secret=secret)
        await _decide(house, tx, group_id, row, "withdrawn", now=now)


async def enter_by_request(house: House, group_id: UUID, secret: str, *, now: datetime) -> Joined:
    """Give whoever asked, and was let in, something to sign in with the first time.

    Raises:
        UnknownJoinRequest: There is no such request.
        JoinRequestNotOpen: It was not accepted, or the way in was taken before and not just now.
    """
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        row = await _find_request(tx, group_id, secret=secret)
        if (state := row.state_at(now)) != "accepted":
            raise JoinRequestNotOpen(state=state)
        if row.entered_at is not None and now - row.entered_at > AGAIN_WITHIN:
            raise JoinRequestNotOpen(state="used")
        await requests_store.enter(tx, group_id, row.request_id, now=now)
    card = await make_card(house, group_id, row.request_id, made_by=row.request_id, now=now)
    return Joined(row.request_id, card.code, again=row.entered_at is not None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request to join as stewards see it."""

    request_id: UUID
    nickname: str
    words: str
    asked_at: datetime
    expires_at: datetime


async def list_requests(house: House, actor: Actor, *, now: datetime) -> list[Waiting]:
    """Return who waits to be let in, longest first.

    Raises:
        NeedsScope: The token was not made for reading.
        NeedsRole: The actor is no steward.
    """
    actor.require_scope("read")
    actor.require_role("steward")
    group_id = actor.group_id
    async with house.database.read(group_id) as tx:
        rows = await requests_store.list_waiting(tx, group_id)
    return [
        Waiting(
            row.request_id,
            requests_store.open_words(house.keys, group_id, row.request_id, "nickname_box", row.nickname_box),
            requests_store.open_words(house.keys, group_id, row.request_id, "words_box", row.words_box),
            row.asked_at,
            row.expires_at,
        )
        for row in rows
        if row.state_at(now) == "waiting"
    ]


async def accept_request(
    house: House, actor: Actor, once: Once, request_id: UUID, *, nickname: str | None
) -> Answer:
    """Let in somebody who asked, under the nickname that they wrote or another one.

    Refuses: NeedsRole, UnknownJoinRequest, JoinRequestNotOpen, FieldInvalid, NicknameTaken.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        group_id = actor.group_id
        row = await _find_request(tx, group_id, request_id=request_id)
        if (state := row.state_at(once.now)) != "waiting":
            raise JoinRequestNotOpen(state=state)
        if house.keys.find_member_key(group_id, request_id) is None:
            # Declining began and was cut off: the words are gone, and so is the person.
            raise JoinRequestNotOpen(state="not_now")
        name = nickname or requests_store.open_words(
            house.keys, group_id, request_id, "nickname_box", row.nickname_box
        )
        newcomer = Newcomer(request_id, plain_text(name, field="nickname", length_max=NICKNAME_MAX))
        records = await join(house, tx, group_id, [newcomer], now=once.now, actor=actor.account)
        await requests_store.decide_request(tx, group_id, request_id, "accepted", now=once.now)
        return Acted(200, {"id": str(request_id), "state": "accepted", "member": str(request_id)}, records)

    return await once.run(house, actor, act)


async def decline_request(house: House, actor: Actor, once: Once, request_id: UUID) -> Answer:
    """Say "not now" to a request; what was written in it is gone.

    Refuses: NeedsRole, UnknownJoinRequest, JoinRequestNotOpen.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("steward")
        row = await _find_request(tx, actor.group_id, request_id=request_id)
        await _decide(house, tx, actor.group_id, row, "not_now", now=once.now)
        return Acted(200, {"id": str(request_id), "state": "not_now"}, [])

    return await once.run(house, actor, act)


async def expire_requests(house: House, group_id: UUID, *, now: datetime) -> int:
    """Empty the requests of a group that nobody answered in time; return how many. For the sweep."""
    async with house.database.read(group_id) as tx:
        waiting = await requests_store.list_waiting(tx, group_id)
    if all(now < row.expires_at for row in waiting):
        return 0
    async with house.database.tx(group_id) as tx:
        await groups_store.bump_setup_version(tx, group_id)
        over = [
            row for row in await requests_store.list_waiting(tx, group_id) if row.state_at(now) == "expired"
        ]
        for row in over:
            await requests_store.decide_request(tx, group_id, row.request_id, "expired", now=now)
        await asyncio.to_thread(house.keys.erase_members, group_id, [row.request_id for row in over], now=now)
    return len(over)


async def _find_request(
    tx: Tx, group_id: UUID, *, secret: str | None = None, request_id: UUID | None = None
) -> JoinRequestRow:
    row = await requests_store.find_request(
        tx, group_id, request_id=request_id, secret_hash=None if secret is None else _hash(secret)
    )
    if row is None:
        raise UnknownJoinRequest
    return row


async def _decide(
    house: House, tx: Tx, group_id: UUID, row: JoinRequestRow, state: str, *, now: datetime
) -> None:
    """End a request without a member: its words go, and the key that they were sealed with.

    Raises:
        JoinRequestNotOpen: It was decided before, or has expired.
    """
    if (was := row.state_at(now)) != "waiting":
        raise JoinRequestNotOpen(state=was)
    await requests_store.decide_request(tx, group_id, row.request_id, state, now=now)
    await asyncio.to_thread(house.keys.erase_members, group_id, [row.request_id], now=now)
