"""Somebody without an account at the door of a group: which group, in which language, and the addresses that keep both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from timebank.edge.limits import slow_down
from timebank.web.inside import group_and_language

if TYPE_CHECKING:
    from litestar import Request

    from timebank.edge.door import Door
    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who is nobody here yet.

    Attributes:
        query: ``?lang=es`` if the address named a language, else empty.
    """

    door: Door
    group_id: UUID
    group: PublicGroup
    chosen: Language
    query: str

    def path(self, below: str) -> str:
        """Return an address of the group in the language of this page, such as ``/g/riverside/sign-in?lang=es``."""
        return f"/g/{self.group.slug}{below}{self.query}"


async def stranger(request: Request[Any, Any, Any], slug: str) -> Stranger:
    """Return who is at the door of a group.

    Raises:
        UnknownGroup: There is no group at this address.
    """
    door: Door = request.app.state.door
    group_id = await door.keeper.group_id(slug)
    return Stranger(door, group_id, *await group_and_language(request, slug))


async def arrive(request: Request[Any, Any, Any], slug: str) -> Stranger:
    """Return who comes to join, counted among those who try invitations.

    Raises:
        UnknownGroup: There is no group at this address.
        TooManyTries: They tried too often.
    """
    door: Door = request.app.state.door
    await slow_down(request, await door.keeper.group_id(slug), "invitation")
    return await stranger(request, slug)
