"""API tokens: shown once, kept as a hash, looked up anew for every request."""

from __future__ import annotations

import base64
import secrets
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

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


class Tokens:
    """Finds out who holds a token: in the database, for every request, and nothing is remembered.

    Look-ups share round trips as writes share a commit; a duty taken away or a token ended counts
    from the next request on.
    """

    def __init__(self, database: Database, keys: KeyStore, *, clock: Callable[[], datetime]) -> None:
        async def find(group_id: UUID, digests: set[bytes]) -> dict[bytes, Bearer]:
            return await store.find_bearers(database.hot, group_id, digests, now=clock())

        self._look_ups: LookUps[Bearer, Actor] = LookUps(find, partial(_actor, keys))

    async def find_actor(self, group_id: UUID, token: str) -> Actor:
        """Return who holds a token in this group, with the duties of this very moment.

        Raises:
            NotSignedIn: The token is not one, ended, belongs to another group, or its member is
                not active; all of these look the same from outside.
            StoreAway: The database cannot be reached.
        """
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        return await self._look_ups.find(group_id, digest)


def _actor(keys: KeyStore, group_id: UUID, bearer: Bearer | None) -> Actor:
    if bearer is None:
        raise NotSignedIn
    try:
        accounts = members_store.open_accounts(keys, group_id, bearer.member_id, bearer.accounts_box)
    except BoxBrokenError:
        accounts = None
    if accounts is None:
        raise NotSignedIn
    return Actor(
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
