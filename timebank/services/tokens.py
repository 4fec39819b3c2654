"""API tokens: shown once, kept as a hash, looked up anew for every request."""

from __future__ import annotations

import asyncio
import base64
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from timebank.errors import FieldInvalid, NotSignedIn, UnknownMember, UnknownToken
from timebank.rules.people import MEMBER, SCOPES, Actor
from timebank.rules.set_up import NOT_KNOWN
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

    Requests of one group that arrive while a look-up is under way share the next one, as writes
    share a commit: each is answered by a look-up that began after it came, so that a duty taken
    away or a token ended counts from the next request on, and a busy group costs few round trips.
    """

    def __init__(self, database: Database, keys: KeyStore, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._waiting: dict[UUID, list[tuple[bytes, asyncio.Future[Actor]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def find_actor(self, group_id: UUID, token: str) -> Actor:
        """Return who holds a token in this group, with the duties of this very moment.

        Raises:
            NotSignedIn: The token is not one, ended, belongs to another group, or its member is
                not active; all of these look the same from outside.
            StoreAway: The database cannot be reached.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Actor] = loop.create_future()
        asked = (sha256(token.encode("utf-8", "surrogateescape")).digest(), future)
        waiting = self._waiting.get(group_id)
        if waiting is not None:
            waiting.append(asked)
        else:
            self._waiting[group_id] = [asked]
            task = loop.create_task(self._look_up_all(group_id))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _look_up_all(self, group_id: UUID) -> None:
        """Look up what waits for a group until nothing does; never raises."""
        while batch := self._waiting[group_id]:
            self._waiting[group_id] = []
            bearers: dict[bytes, Bearer] = {}
            failure: Exception | None = None
            try:
                bearers = await store.find_bearers(
                    self._database.hot, group_id, {digest for digest, _ in batch}, now=self._clock()
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                failure = error
            for digest, future in batch:
                if not future.done():
                    self._settle(group_id, future, bearers.get(digest), failure)
        del self._waiting[group_id]

    def _settle(
        self,
        group_id: UUID,
        future: asyncio.Future[Actor],
        bearer: Bearer | None,
        failure: Exception | None,
    ) -> None:
        if failure is not None:
            future.set_exception(failure)
            return
        try:
            future.set_result(_actor(self._keys, group_id, bearer))
        except Exception as error:  # noqa: BLE001 - the key store may be busy; those behind must not wait for ever
            future.set_exception(error)


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
