"""Who acts: one member of one group, with the duties they carry and what their token is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from timebank.errors import NeedsRole, NeedsScope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

#: What everybody with an active membership may do; the other roles are duties on top of it.
MEMBER = "member"

#: Duties that a group can give to a member. ``member`` itself is not given, it comes with joining.
DUTIES = frozenset({"steward", "treasurer", "auditor", "stand_in", "host"})

#: Duties that need the pot as it is now, not as it was at midnight, to do their work.
LIVE_DUTIES = frozenset({"steward", "treasurer"})

#: Duties that may see places in the book (``seq``): they tell how busy a group is.
SEQ_DUTIES = frozenset({"steward", "treasurer", "auditor"})

#: What a token can be made for.
SCOPES = frozenset({"read", "write", "seq"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who is signed in, as they were at the start of this very request.

    Attributes:
        group_id: The one group that this actor can do anything in.
        member_id: The member behind the token or session.
        account: Number of the member's account in minutes; records name the actor by it.
        accounts: Account numbers by unit, ``{"minutes": n, "EUR": m, "exchange:minutes": k}``;
            the last only in groups with time-bank mode.
        roles: ``member`` and the duties that hold now.
        scopes: What the token was made for: ``read``, ``write``, ``seq``.
    """

    group_id: UUID
    member_id: UUID
    account: int
    accounts: Mapping[str, int]
    roles: frozenset[str]
    scopes: frozenset[str]

    def require_role(self, *roles: str) -> None:
        """Refuse unless the actor carries at least one of these roles.

        Raises:
            NeedsRole: With the first of ``roles``, the one that usually does it.
        """
        assert roles, "a check that names no role lets everybody through or nobody"
        if self.roles.isdisjoint(roles):
            raise NeedsRole(role=roles[0])

    def require_scope(self, scope: str) -> None:
        """Refuse unless the token was made for this.

        Raises:
            NeedsScope: With the scope that is missing.
        """
        assert scope in SCOPES, scope
        if scope not in self.scopes:
            raise NeedsScope(scope=scope)

    @property
    def sees_seq(self) -> bool:
        """Whether answers to this actor may carry places in the book."""
        return "seq" in self.scopes or not self.roles.isdisjoint(SEQ_DUTIES)

    @property
    def sees_live(self) -> bool:
        """Whether this actor sees the pot as it is now in every kind of group."""
        return not self.roles.isdisjoint(LIVE_DUTIES)
