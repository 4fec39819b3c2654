"""Sessions: begun by a proof, found anew for every request, turned by the next proof, ended on the server.

``begin`` is for every way in, those of other parts too: it makes the id, keeps its hash, and returns what
goes into the cookie (``edge.sessions.signed_in_reply`` puts it there).
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.errors import NotSignedIn, SignInFailed, UnknownSession
from timebank.rules.people import Actor
from timebank.rules.sessions import MEMBER_FOR, is_idle_counted, standing
from timebank.services.look_ups import LookUps
from timebank.services.ways_in import note_ways_in
from timebank.store import members as members_store
from timebank.store import sessions as store
from timebank.store.boxes import BoxBrokenError
from timebank.store.sessions import SessionRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore
    from timebank.store.sessions import Signed

#: 32 bytes in base64url without padding.
SECRET_LENGTH: Final = 43
#: A session in use is noted so often; the hour without a request is right to within it.
TOUCH_AFTER: Final = timedelta(minutes=1)

SESSION_SCOPES: Final = frozenset({"read", "write"})


class SessionSecret(NamedTuple):
    """A session that was begun or turned; ``secret`` is the only copy there will ever be."""

    session_id: UUID
    secret: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in with a session, as they were at the start of this very request.

    Attributes:
        actor: Who they are, with the duties that the session carries.
        session_id: Their session; it stays the same when the secret is turned.
        way: How it began: card, mail, passkey, recovery, set_up.
        strong: Whether a passkey or an app was among its proofs.
        duties: All duties that the member has.
        duties_wait: Those of them that wait for a strong proof, or for somebody who vouches, sorted.
        vouched: Whether nobody else printed a card for them, or a steward who did not has met them since.
        has_passkey, has_totp: What the member could prove it with.
        csrf: What forms of this session carry; the same as long as it lasts.
    """

    actor: Actor
    session_id: UUID
    way: str
    strong: bool
    begun_at: datetime
    seen_at: datetime
    duties: frozenset[str]
    duties_wait: tuple[str, ...]
    has_passkey: bool
    has_totp: bool
    vouched: bool
    csrf: str


class Sessions:
    """Finds out whose session it is: in the database, for every request, and nothing is remembered."""

    def __init__(self, house: House, *, clock: Callable[[], datetime]) -> None:
        self._house = house
        self._clock = clock

        async def find(group_id: UUID, digests: set[bytes]) -> dict[bytes, Signed]:
            return await store.find_signed(house.database.hot, group_id, digests, now=clock())

        self._look_ups: LookUps[Signed, SignedIn] = LookUps(
            find, lambda group_id, row: _signed_in(house.keys, group_id, row, now=clock())
        )

    async def find(self, group_id: UUID, secret: str) -> SignedIn:
        """Return who has a session in this group.

        Raises:
            NotSignedIn: There is none, it ended, it is of another group, or its member is not active;
                all of these look the same from outside.
            StoreAway: The database cannot be reached.
        """
        found = await self._look_ups.find(group_id, _digest(secret))
        now = self._clock()
        if is_idle_counted(found.duties) and now >= found.seen_at + TOUCH_AFTER:
            async with self._house.database.tx(group_id) as tx:
                await store.touch_session(tx, group_id, found.session_id, now=now)
        return found


async def begin(
    house: House,
    group_id: UUID,
    member_id: UUID,
    *,
    way: str,
    strong: bool,
    now: datetime,
    replaces: UUID | None = None,
) -> SessionSecret:
    """Sign somebody in who just proved who they are.

    Args:
        way: card, mail, passkey, recovery or set_up.
        strong: Whether it was a passkey that asked for a finger or a code.
        replaces: Session that the same browser had, which ends, whoever it was of.

    Raises:
        SignInFailed: Nobody active has this id.
    """
    async with house.database.tx(group_id) as tx:
        return await begin_in(
            tx, house, group_id, member_id, way=way, strong=strong, now=now, replaces=replaces
        )


async def begin_in(
    tx: Tx,
    house: House,
    group_id: UUID,
    member_id: UUID,
    *,
    way: str,
    strong: bool,
    now: datetime,
    replaces: UUID | None = None,
) -> SessionSecret:
    """Do the same inside a transaction that is under way: what was proved is used up with it."""
    member = await members_store.find_member(tx, group_id, member_id)
    if member is None or member.state != "active":
        raise SignInFailed

    if replaces is not None:
        await store.delete_session(tx, group_id, replaces)
    await sweep_sessions(tx, group_id, now=now)
    secret = _new_secret()
    row = SessionRow(
        session_id=house.new_id(),
        session_hash=_digest(secret),
        member_id=member_id,
        way=way,
        strong=strong,
        begun_at=now,
        turned_at=now,
        proved_at=now,
        seen_at=now,
    )
    await store.insert_session(tx, group_id, row)
    await note_ways_in(tx, group_id, member_id, now=now)
    return SessionSecret(row.session_id, secret)


async def turn(
    tx: Tx, group_id: UUID, session_id: UUID, secret: str, *, strong: bool, now: datetime
) -> SessionSecret:
    """Give a session another secret after a proof, inside a transaction; the old one is dead with it.

    Raises:
        NotSignedIn: It ended, or somebody else turned it meanwhile.
    """
    new = _new_secret()
    if not await store.turn_session(
        tx, group_id, session_id, old=_digest(secret), new=_digest(new), strong=strong, now=now
    ):
        raise NotSignedIn
    return SessionSecret(session_id, new)


async def end(house: House, group_id: UUID, member_id: UUID, session_id: UUID, *, now: datetime) -> None:
    """End one session of a member.

    Raises:
        UnknownSession: They have none with this id.
    """
    async with house.database.tx(group_id) as tx:
        if not await store.delete_session(tx, group_id, session_id, member_id=member_id):
            raise UnknownSession
        await note_ways_in(tx, group_id, member_id, now=now)


async def end_all(
    house: House, group_id: UUID, member_id: UUID, *, now: datetime, besides: UUID | None = None
) -> int:
    """End every session of a member, or all but one; return how many."""
    async with house.database.tx(group_id) as tx:
        ended = await store.delete_sessions(tx, group_id, member_id, besides=besides)
        await note_ways_in(tx, group_id, member_id, now=now)
    return ended


async def list_sessions(house: House, group_id: UUID, member_id: UUID, *, now: datetime) -> list[SessionRow]:
    """Return a member's sessions that are not over, newest first."""
    async with house.database.read(group_id) as tx:
        duties = await members_store.list_roles(tx, group_id, member_id, now=now)
        rows = await store.list_sessions(tx, group_id, member_id)
    still = partial(standing, duties, now=now)
    return [row for row in rows if still(strong=row.strong, proved_at=row.proved_at, seen_at=row.seen_at)]


async def sweep_sessions(tx: Tx, group_id: UUID, *, now: datetime) -> None:
    """Delete sessions that are over for everybody, and note who has no way in any more by that."""
    for member_id in await store.delete_old_sessions(tx, group_id, proved_before=now - MEMBER_FOR):
        await note_ways_in(tx, group_id, member_id, now=now)


def csrf_of(keys: KeyStore, group_id: UUID, session_id: UUID) -> str:
    """Return what forms of a session carry: only this host can compute it, and only for this session."""
    digest = keys.derive("csrf", group_id.bytes, session_id.bytes)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _new_secret() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _signed_in(keys: KeyStore, group_id: UUID, row: Signed | None, *, now: datetime) -> SignedIn:
    if row is None:
        raise NotSignedIn
    stands = standing(
        row.roles,
        strong=row.strong,
        vouched=row.vouched,
        proved_at=row.proved_at,
        seen_at=row.seen_at,
        now=now,
    )
    if stands is None:
        raise NotSignedIn
    try:
        accounts = members_store.open_accounts(keys, group_id, row.member_id, row.accounts_box)
    except BoxBrokenError:
        accounts = None
    if accounts is None:
        raise NotSignedIn
    return SignedIn(
        actor=Actor(
            group_id=group_id,
            member_id=row.member_id,
            account=accounts["minutes"],
            accounts=accounts,
            roles=stands.roles,
            scopes=SESSION_SCOPES,
            fresh=stands.fresh,
            stands_in=row.stands_in,
        ),
        session_id=row.session_id,
        way=row.way,
        strong=row.strong,
        begun_at=row.begun_at,
        seen_at=row.seen_at,
        duties=frozenset(row.roles),
        duties_wait=stands.duties_wait,
        has_passkey=row.has_passkey,
        has_totp=row.has_totp,
        vouched=row.vouched,
        csrf=csrf_of(keys, group_id, row.session_id),
    )
