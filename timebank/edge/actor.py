"""Who is asking: a group from the address, an actor from the token or session, looked at for every request."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from timebank.errors import NotSignedIn, UnknownGroup
from timebank.services.sessions import Sessions
from timebank.services.tokens import TOKEN_LENGTH, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.tokens import Held

#: An address that is moved to another group leads to the old one for so long, in every process.
SLUG_SECONDS: Final = 10.0
_SLUGS_MAX: Final = 10_000
_SLUG: Final = re.compile(r"[a-z0-9-]{2,63}", re.ASCII)


class Doorkeeper:
    """Finds groups by address, actors by token, and who is signed in with a browser in ``sessions``.

    What is remembered of a token between requests counts only once the writer has had it confirmed.
    """

    def __init__(self, house: House, *, clock: Callable[[], datetime]) -> None:
        self._database = house.database
        self._tokens = Tokens(house.database, house.keys, clock=clock)
        self.sessions = Sessions(house, clock=clock)
        self._slugs: dict[str, tuple[UUID, float]] = {}

    async def group_id(self, slug: str) -> UUID:
        """Return the group at an address.

        Raises:
            UnknownGroup: There is none.
        """
        # What could not be an address never reaches the database, which takes no zero bytes.
        if not _SLUG.fullmatch(slug):
            raise UnknownGroup
        at = time.monotonic()
        known = self._slugs.get(slug)
        if known is not None and known[1] > at:
            return known[0]
        group_id = await self._database.group_id(slug)
        # Only addresses that exist come to here, so strangers cannot fill this.
        if len(self._slugs) >= _SLUGS_MAX:
            self._slugs.clear()
        self._slugs[slug] = (group_id, at + SLUG_SECONDS)
        return group_id

    async def actor(self, slug: str, authorization: list[bytes]) -> Actor:
        """Return who is asking.

        Args:
            slug: Address of the group.
            authorization: Every Authorization header of the request.

        Raises:
            UnknownGroup: There is no group at this address.
            NotSignedIn: No token, more than one, or one that does not hold in this group.
        """
        group_id = await self.group_id(slug)
        return await self._tokens.find_actor(group_id, bearer_token(authorization))

    async def held(self, slug: str, authorization: list[bytes]) -> Held | None:
        """Return what the token of a request opened a while ago, if that is remembered.

        Whoever goes on with it has it confirmed where they write, or asks for the ``actor`` after all.

        Raises:
            UnknownGroup, NotSignedIn: See ``actor``; a token that has ended since is not found out here.
        """
        group_id = await self.group_id(slug)
        return self._tokens.held(group_id, bearer_token(authorization))


def bearer_token(authorization: list[bytes]) -> str:
    """Return the token in an Authorization header.

    Raises:
        NotSignedIn: There is not exactly one header with a bearer token in it.
    """
    if len(authorization) != 1:
        raise NotSignedIn
    scheme, _, token = authorization[0].partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or len(token) != TOKEN_LENGTH or not token.isascii():
        raise NotSignedIn
    return token.decode("ascii")
