"""API tokens: shown once, kept as a hash, looked up anew for every request."""

from __future__ import annotations

import base64
import secrets
import time
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.errors import FieldInvalid, NotSignedIn, UnknownMember, UnknownToken
from timebank.rules.people import MEMBER, SCOPES, Actor
from timebank.rules.set_up import NOT_KNOWN
from timebank.services.look_ups import LookUps
from timebank.store import groups as groups_store
from timebank.store import members as members_store
from timebank.store import tokens as store
from timebank.store.boxes import BoxBrokenError
from timebank.store.tokens import TokenRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.store.engine import Database
    from timebank.store.keys import KeyStore
    from timebank.store.tokens import Bearer

PREFIX = "tb_"

#: ``tb_`` and 32 bytes in base64url without padding.
TOKEN_LENGTH = 3 + 43

#: How long, and of how many tokens, is remembered what they opened.
REMEMBERED_S: Final = 60.0
REMEMBERED_MAX: Final = 4_096


class MadeToken(NamedTuple):
    """A fresh token; ``token`` is the only copy there will ever be."""

    token_id: UUID
    token: str


async def make_token(
    house: House,
    group_id: UUID,
    member_id: UUID,
    scopes: Collection[str],
    *,
    now: datetime,
    expires_at: datetime | None = None,
) -> MadeToken:
    """Make a token that lets a program act for a member.

    Args:
        scopes: What it may be used for: read, write, seq; at least one.
        expires_at: When it ends by itself; None for never.

    Raises:
        FieldInvalid: A scope does not exist, or none was given.
        UnknownMember: Nobody active has this id.
    """
    if not scopes or not SCOPES.issuperset(scopes):
        raise FieldInvalid(field="scope", why=NOT_KNOWN)
    token = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    row = TokenRow(
        token_id=house.new_id(),
        token_hash=sha256(token.encode()).digest(),
        member_id=member_id,
        scopes=sorted(scopes),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    async with house.database.tx(group_id) as tx:
        member = await members_store.find_member(tx, group_id, member_id)
        if member is None or member.state != "active":
            raise UnknownMember

        if not member.signs_in:
            await groups_store.bump_setup_version(tx, group_id)
            await members_store.set_signs_in(tx, group_id, member_id)
        await store.insert_token(tx, group_id, row)
    return MadeToken(row.token_id, token)


async def revoke_token(house: House, group_id: UUID, token_id: UUID, *, now: datetime) -> None:
    """End a token; it counts from the next request on.

    Raises:
        UnknownToken: There is none with this id that still holds.
    """
    async with house.database.tx(group_id) as tx:
        if not await store.revoke_token(tx, group_id, token_id, now=now):
            raise UnknownToken


class Held(NamedTuple):
    """What a token opened at its last look-up. It proves nothing by itself: the writer has it confirmed.

    Attributes:
        digest: SHA-256 of the token.
        until: Moment of a clock that only goes forward, after which this is no longer remembered.
    """

    digest: bytes
    bearer: Bearer
    actor: Actor
    until: float


class Tokens:
    """Finds out who holds a token, in the database, for every request.

    Look-ups share round trips as writes share a commit; a duty taken away or a token ended counts
    from the next request on. What a token opened is remembered for a while for requests that write: the
    writer has it confirmed under its lock, in the round trip that reads balances anyway.
    """

    def __init__(self, database: Database, keys: KeyStore, *, clock: Callable[[], datetime]) -> None:
        async def find(group_id: UUID, digests: set[bytes]) -> dict[bytes, Bearer]:
            return await store.find_bearers(database.hot, group_id, digests, now=clock())

        self._look_ups: LookUps[Bearer, tuple[Bearer, Actor]] = LookUps(find, partial(_found, keys))
        self._held: dict[tuple[UUID, bytes], Held] = {}

    async def find_actor(self, group_id: UUID, token: str) -> Actor:
        """Return who holds a token in this group, with the duties of this very moment.

        Raises:
            NotSignedIn: The token is not one, ended, belongs to another group, or its member is
                not active; all of these look the same from outside.
            StoreAway: The database cannot be reached.
        """
        digest = _digest(token)
        # What is not there any more must not be tried again and again.
        self._held.pop((group_id, digest), None)
        bearer, actor = await self._look_ups.find(group_id, digest)
        self._remember(Held(digest, bearer, actor, time.monotonic() + REMEMBERED_S))
        return actor

    def held(self, group_id: UUID, token: str) -> Held | None:
        """Return what this token opened a while ago, if that is remembered; it may have ended since."""
        held = self._held.get((group_id, _digest(token)))
        return held if held is not None and held.until > time.monotonic() else None

    def _remember(self, held: Held) -> None:
        if "stand_in" in held.bearer.roles:
            # For whom they stand in can change without a word in what is compared.
            return
        key = held.actor.group_id, held.digest
        # The newest stands last, so those whose time is over stand first; another look-up may have come first.
        self._held.pop(key, None)
        self._held[key] = held
        now = time.monotonic()
        while True:
            oldest = next(iter(self._held))
            if len(self._held) <= REMEMBERED_MAX and self._held[oldest].until > now:
                break
            del self._held[oldest]


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def _found(keys: KeyStore, group_id: UUID, bearer: Bearer | None) -> tuple[Bearer, Actor]:
    if bearer is None:
        raise NotSignedIn
    try:
        accounts = members_store.open_accounts(keys, group_id, bearer.member_id, bearer.accounts_box)
    except BoxBrokenError:
        accounts = None
    if accounts is None:
        raise NotSignedIn
    return bearer, Actor(
        group_id=group_id,
        member_id=bearer.member_id,
        account=accounts["minutes"],
        accounts=accounts,
        roles=frozenset((MEMBER, *bearer.roles)),
        scopes=frozenset(bearer.scopes),
        stands_in=bearer.stands_in,
    )


async def find_actor(house: House, group_id: UUID, token: str, *, now: datetime) -> Actor:
    """Return who holds a token in a group at a moment; one look-up, for programs without a server.

    Raises:
        NotSignedIn, StoreAway: See Tokens.find_actor.
    """
    return await Tokens(house.database, house.keys, clock=lambda: now).find_actor(group_id, token)
