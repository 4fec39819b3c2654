"""Printed sign-in cards: a code on paper that signs in once, for people without a device or mail of their own."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.errors import CardForDuty, SignInFailed, UnknownCard, UnknownMember
from timebank.rules.sessions import STRONG_DUTIES
from timebank.services import sessions
from timebank.services.recovery import require_way_back
from timebank.services.ways_in import note_ways_in
from timebank.store import cards as store
from timebank.store import duties as duties_store
from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store.cards import CardRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.sessions import SessionSecret
    from timebank.store.cards import UsedCard
    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

#: Letters and digits that nobody takes for one another: no 0 O, 1 I L, and no U beside V. 16 of them
#: are 78 bits.
SIGNS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 16
GROUP_LENGTH: Final = 4

CARD_FOR: Final = timedelta(days=30)
#: The same form, sent again after the line broke, is answered again for so long.
AGAIN_FOR: Final = timedelta(minutes=2)
_KEPT_FOR: Final = timedelta(days=1)


class MadeCard(NamedTuple):
    """A fresh card; ``code`` is the only copy there will ever be, as ``ABCD-EFGH-JKMN-PQRS``."""

    card_id: UUID
    code: str
    expires_at: datetime


async def make_card(
    house: House,
    group_id: UUID,
    member_id: UUID,
    *,
    made_by: UUID | None,
    now: datetime,
    recovers: bool = False,
) -> MadeCard:
    """Make a card for somebody; others that they have still hold.

    Args:
        made_by: Member who made it; None for the host, or when joining.
        recovers: Whether who uses it may set up another passkey or app although they had one. Only
            for those whom the host knows; with a duty, after the wait of a recovery.

    Raises:
        UnknownMember: Nobody active has this id.
        RecoveryWaits: Others with a duty must be able to stop it first.
    """
    async with house.database.tx(group_id) as tx:
        if recovers:
            await groups_store.bump_setup_version(tx, group_id)
            await require_way_back(tx, group_id, member_id, now=now)
        return await make_card_in(tx, house, group_id, member_id, made_by=made_by, now=now, recovers=recovers)


async def make_card_in(
    tx: Tx,
    house: House,
    group_id: UUID,
    member_id: UUID,
    *,
    made_by: UUID | None,
    now: datetime,
    recovers: bool = False,
) -> MadeCard:
    """Do the same inside a transaction that is under way, as when somebody joins."""
    member = await members_store.find_member(tx, group_id, member_id)
    if member is None or member.state != "active":
        raise UnknownMember

    await sweep_cards(tx, group_id, now=now)
    code = "".join(secrets.choice(SIGNS) for _ in range(CODE_LENGTH))
    row = CardRow(
        card_id=house.new_id(),
        code_hash=_hash(house.keys, group_id, code),
        member_id=member_id,
        made_by=made_by,
        recovers=recovers,
        made_at=now,
        expires_at=now + CARD_FOR,
    )
    await store.insert_card(tx, group_id, row)
    await note_ways_in(tx, group_id, member_id, now=now)
    return MadeCard(row.card_id, written(code), row.expires_at)


async def make_card_for(house: House, actor: Actor, member_id: UUID, *, now: datetime) -> MadeCard:
    """Make a card for oneself, or as a steward for somebody without duties.

    Somebody with duties gets theirs from themselves or from the host: whoever prints a card could
    use it, and one person must not become two. For the same reason it is noted who printed one:
    duties that are given later wait until another steward vouches (services.duties).

    Raises:
        NeedsRole: It is for somebody else, and who asks is no steward.
        StepUpNeeded: The last proof is too long ago.
        UnknownMember: Nobody active has this id.
        CardForDuty: It is for somebody else who carries duties.
    """
    is_own = member_id == actor.member_id
    if not is_own:
        actor.require_role("steward")
    actor.require_fresh()
    async with house.database.tx(actor.group_id) as tx:
        duties = await members_store.list_roles(tx, actor.group_id, member_id, now=now)
        if not is_own and not STRONG_DUTIES.isdisjoint(duties):
            raise CardForDuty
        made = await make_card_in(tx, house, actor.group_id, member_id, made_by=actor.member_id, now=now)
        if not is_own:
            # Whoever prints it can use it: their duties wait until somebody else has met them.
            await duties_store.note_card_maker(tx, actor.group_id, member_id, actor.member_id)
        return made


async def list_cards(house: House, actor: Actor, member_id: UUID, *, now: datetime) -> list[CardRow]:
    """Return somebody's cards that still hold, newest first, for themselves and for stewards.

    Raises:
        NeedsRole: They are somebody else's, and who asks is no steward.
        UnknownMember: Nobody has this id.
    """
    if member_id != actor.member_id:
        actor.require_role("steward")
    async with house.database.read(actor.group_id) as tx:
        if await members_store.find_member(tx, actor.group_id, member_id) is None:
            raise UnknownMember
        return await store.list_cards(tx, actor.group_id, member_id, now=now)


async def revoke_card(house: House, actor: Actor, card_id: UUID, *, now: datetime) -> None:
    """Take back a card of one's own, or as a steward anybody's.

    Raises:
        UnknownCard: There is none that still holds, or it is somebody else's.
    """
    own = None if "steward" in actor.roles else actor.member_id
    async with house.database.tx(actor.group_id) as tx:
        member_id = await store.delete_card(tx, actor.group_id, card_id, member_id=own)
        if member_id is None:
            raise UnknownCard
        await note_ways_in(tx, actor.group_id, member_id, now=now)


async def sign_in(
    house: House,
    group_id: UUID,
    code: str,
    *,
    key: str,
    now: datetime,
    replaces: UUID | None = None,
) -> SessionSecret:
    """Sign in with a card, which is used up by it.

    Args:
        code: As it was typed: any case, with or without blanks and hyphens.
        key: What tells this sending of the form from others.
        replaces: Session that the same browser had, which ends.

    Raises:
        SignInFailed: There is no such card, or it was used, taken back or has expired, or its owner
            is not active; all of these look the same from outside.
    """
    async with house.database.tx(group_id) as tx:
        used = await take_card(tx, house, group_id, code, key=key, now=now)
        if used is None:
            raise SignInFailed
        way = "recovery" if used.recovers else "card"
        return await sessions.begin_in(
            tx, house, group_id, used.member_id, way=way, strong=False, now=now, replaces=replaces
        )


async def take_card(
    tx: Tx, house: House, group_id: UUID, code: str, *, key: str, now: datetime
) -> UsedCard | None:
    """Use a card up inside a transaction; None if there is none that still holds."""
    return await store.use_card(
        tx,
        group_id,
        _hash(house.keys, group_id, read_code(code)),
        key=sha256(key.encode("utf-8", "surrogateescape")).digest(),
        now=now,
        again_since=now - AGAIN_FOR,
    )


async def sweep_ways_in(house: House, group_id: UUID, *, now: datetime) -> None:
    """Forget the sessions and cards of a group that are over."""
    async with house.database.tx(group_id) as tx:
        await sessions.sweep_sessions(tx, group_id, now=now)
        await sweep_cards(tx, group_id, now=now)


async def sweep_cards(tx: Tx, group_id: UUID, *, now: datetime) -> None:
    """Delete what expired or was used, and note who has no way in any more by that."""
    for member_id in await store.delete_old_cards(tx, group_id, now=now, used_before=now - _KEPT_FOR):
        await note_ways_in(tx, group_id, member_id, now=now)


def written(code: str) -> str:
    """Return a code as it is printed: four groups of four."""
    return "-".join(code[at : at + GROUP_LENGTH] for at in range(0, len(code), GROUP_LENGTH))


def read_code(typed: str) -> str:
    """Return what a person typed as a code may be: large letters and digits, nothing in between."""
    return "".join(sign for sign in typed[:100].upper() if sign.isalnum())


def _hash(keys: KeyStore, group_id: UUID, code: str) -> bytes:
    return hmac.new(keys.index_key(group_id), b"timebank/card/1\0" + code.encode(), sha256).digest()
