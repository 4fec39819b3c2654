"""Who acts: one member of one group, with the duties they carry and what their token is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import (
    FieldInvalid,
    MayNotGive,
    NeedsRole,
    NeedsScope,
    NotYourConsent,
    NotYourself,
    StepUpNeeded,
)
from timebank.rules.set_up import NOT_KNOWN, TOO_FEW, TWICE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: What everybody with an active membership may do; the other roles are duties on top of it.
MEMBER = "member"

#: Duties that a group can give to a member. ``member`` itself is not given, it comes with joining.
DUTIES = frozenset({"steward", "treasurer", "auditor", "stand_in", "host"})

#: Duties that a person gives to a person. Standing in follows from a tie between two people.
NAMED_DUTIES: Final = DUTIES - {"stand_in"}

#: What stewards may give; only who keeps the machine names others who do.
_GIVEN_BY_STEWARDS: Final = frozenset({"steward", "treasurer", "auditor"})

#: What somebody may do for another: log help, ask from a pot, see their rows.
STAND_IN_SCOPES: Final = frozenset({"log", "ask", "see"})

#: How a person said that somebody may stand in for them.
CONSENTS: Final = ("said", "on_paper", "in_person_with_steward")

#: Duties that need the pot as it is now, not as it was published last, to do their work.
LIVE_DUTIES = frozenset({"steward", "treasurer"})

#: Duties that may see places in the book (``seq``): they tell how busy a group is.
SEQ_DUTIES = frozenset({"steward", "treasurer", "auditor"})

#: What a token can be made for.
SCOPES = frozenset({"read", "write", "seq"})


#: Stands where a member would, for what the group decides by its rules.
NOBODY_ID: Final = UUID(int=0)


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
        fresh: Whether this person proved within the last five minutes who they are; programs with
            a token always count as fresh, since their token was made for what they do.
        stands_in: Members for whom this actor may act now, each with what for: ``log``, ``ask``, ``see``.
    """

    group_id: UUID
    member_id: UUID
    account: int
    accounts: Mapping[str, int]
    roles: frozenset[str]
    scopes: frozenset[str]
    fresh: bool = True
    stands_in: Mapping[UUID, frozenset[str]] = field(default_factory=dict)

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

    def require_fresh(self) -> None:
        """Refuse somebody who has not proved just now who they are: a phone left on a table is not enough.

        Raises:
            StepUpNeeded: They must prove it again, and may then send the same once more.
        """
        if not self.fresh:
            raise StepUpNeeded

    def may_act_for(self, member_id: UUID, what: str) -> bool:
        """Return whether this actor is the member, or stands in for them in this (``log``, ``ask``, ``see``)."""
        return member_id == self.member_id or what in self.stands_in.get(member_id, ())

    @property
    def is_stranger(self) -> bool:
        """Whether this is somebody without an account, who holds the link of one ask: its id is their own."""
        return self.account == 0 and not self.is_group

    @property
    def is_group(self) -> bool:
        """Whether this is no person but the group: silence, windows, expiry."""
        return self.member_id == NOBODY_ID

    @property
    def sees_seq(self) -> bool:
        """Whether answers to this actor may carry places in the book."""
        return "seq" in self.scopes or not self.roles.isdisjoint(SEQ_DUTIES)

    @property
    def sees_live(self) -> bool:
        """Whether this actor sees the pot as it is now in every kind of group."""
        return not self.roles.isdisjoint(LIVE_DUTIES)


def group_itself(group_id: UUID) -> Actor:
    """Return the group as an actor: it carries no duty, and records name it by account 0."""
    return Actor(
        group_id=group_id,
        member_id=NOBODY_ID,
        account=0,
        accounts={},
        roles=frozenset(),
        scopes=frozenset({"write"}),
    )


def check_may_give(actor: Actor, roles: Collection[str]) -> None:
    """Refuse unless the actor may give these duties to others, and take them away.

    Raises:
        NeedsRole: They are no steward, and there is something to give.
        MayNotGive: One of the duties is not theirs to give.
    """
    if roles:
        actor.require_role("steward", "host")
    for role in sorted(roles):
        if not may_give(actor.roles, (role,)):
            raise MayNotGive(role=role)


def may_give(own: Collection[str], roles: Collection[str]) -> bool:
    """Return whether somebody with these duties may give all of those to others."""
    return "host" in own or ("steward" in own and set(roles) <= _GIVEN_BY_STEWARDS) or not roles


def check_self_or(actor: Actor, member_id: UUID, role: str) -> None:
    """Refuse unless the actor is this member or carries a duty.

    Raises:
        NotYourself
    """
    if actor.member_id != member_id and role not in actor.roles:
        raise NotYourself(role=role)


def check_consent(actor: Actor, *, stand_in: UUID, member_id: UUID) -> None:
    """Refuse unless this actor can say, or write down, that somebody may stand in for a member.

    Raises:
        NotYourConsent: They are neither the member nor a steward, or they are the stand-in.
    """
    if actor.member_id == stand_in or (actor.member_id != member_id and "steward" not in actor.roles):
        raise NotYourConsent


def check_duties(roles: Sequence[str], *, field: str) -> tuple[str, ...]:
    """Return duties that a person can give, sorted.

    Raises:
        FieldInvalid: One does not exist, or is there twice.
    """
    return _check_set(roles, NAMED_DUTIES, field=field)


def check_stand_in_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return what somebody may do for another, sorted.

    Raises:
        FieldInvalid: It does not exist, is there twice, or is nothing.
    """
    if not scopes:
        raise FieldInvalid(field="scopes", why=TOO_FEW)
    return _check_set(scopes, STAND_IN_SCOPES, field="scopes")


def _check_set(values: Sequence[str], known: Collection[str], *, field: str) -> tuple[str, ...]:
    if not set(values) <= set(known):
        raise FieldInvalid(field=field, why=NOT_KNOWN)
    if len(set(values)) != len(values):
        raise FieldInvalid(field=field, why=TWICE)
    return tuple(sorted(values))


def holder_of_link(group_id: UUID, ask_id: UUID) -> Actor:
    """Return whoever holds the link of an ask, as an actor who can do nothing but see to that ask."""
    return Actor(
        group_id=group_id,
        member_id=ask_id,
        account=0,
        accounts={},
        roles=frozenset(),
        scopes=frozenset({"write"}),
    )
