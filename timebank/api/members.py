"""Members over the API: who is here, found by exact nickname or code, and what changes about them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import NothingBody
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, json_reply, signed_in
from timebank.edge.openapi import acts, reads
from timebank.edge.paging import Listing, Query, an_id, one_of, text
from timebank.rules.people import DUTIES, NAMED_DUTIES
from timebank.services import member_acts as service
from timebank.services.member_acts import PAGE_MAX, Listed, Place
from timebank.services.members import STATES
from timebank.store.members import Listing as Filters

_SOME_ID: Final = "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"
_NOTHING_ENDED: Final = {
    "asks_cancelled": [],
    "proposals_withdrawn": [],
    "duties": [],
    "stand_ins": 0,
    "invitations": 0,
    "tokens": 0,
    "duties_proposed": 0,
    "asks_open": [],
}

Nickname = Annotated[str, Meta(max_length=200, description="1 to 40 characters; nobody else here has it.")]
Duty = Annotated[str, Meta(max_length=20, description="steward, treasurer, auditor or host.")]


# ---------------------------------------------------------------- shapes


class NewMemberBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Somebody whom a steward enters; they need no device."""

    nickname: Nickname
    roles: list[Duty] = []


class RolesBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Duties to give and to take away."""

    give: list[Duty] = []
    take: list[Duty] = []


class RenameBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Another nickname."""

    nickname: Nickname


class HouseholdBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"with_member": "with"}):
    """Whose household this person is tied to; `null` ties them to none."""

    with_member: UUID | None


class MemberOut(msgspec.Struct, omit_defaults=True):
    """A member; only stewards, and the member themselves, see more than id and nickname."""

    id: UUID
    nickname: str
    code: str = ""
    state: str = ""
    roles: list[str] | None = None
    joined_on: date | None = None
    signs_in: bool | None = None
    household: UUID | None = None


class MembersOut(msgspec.Struct, omit_defaults=True):
    """A page of members in the order in which they joined; `next` is the `after` of the next page."""

    members: list[MemberOut]
    next: str = ""


class FoundOut(msgspec.Struct):
    """Who has exactly this nickname or code."""

    id: UUID
    nickname: str


class DoneOut(msgspec.Struct, omit_defaults=True):
    """What somebody is now; a field that this act does not touch is left out.

    `proposed` are duties that wait until another steward signs `proposal`; `roles` are those that hold.
    """

    id: UUID
    state: str = ""
    roles: list[str] | None = None
    proposal: UUID | None = None
    proposed: list[str] | None = None
    household: UUID | None = None


class LeavingOut(msgspec.Struct):
    """What ended with somebody's leaving, or would end; `asks_open` were asked for others, and stay theirs."""

    asks_cancelled: list[UUID]
    proposals_withdrawn: list[UUID]
    duties: list[str]
    stand_ins: int
    invitations: int
    tokens: int
    duties_proposed: int
    asks_open: list[UUID]


class GoneOut(msgspec.Struct, omit_defaults=True):
    """Somebody who left or was forgotten: what ended, and after forgetting what stays in the book and what goes."""

    id: UUID
    state: str
    ended: LeavingOut
    stays: list[str] | None = None
    goes: list[str] | None = None


# ---------------------------------------------------------------- reading


MEMBERS: Final[Listing[Place]] = Listing(
    "members",
    tuple[date, UUID],
    usual=50,
    largest=PAGE_MAX,
    filters=(
        one_of("role", sorted(DUTIES), "Who carries this duty now"),
        one_of("state", sorted({*STATES, "erased"}), "Who is in this state"),
        an_id("household", "Who is tied to this household"),
        one_of("signs_in", ("true", "false"), "Who has a way to sign in, or none"),
    ),
)
FIND: Final = Query((text("name", "The whole nickname"), text("code", "The short code")))


@get(
    "/groups/{slug:str}/members",
    operation_class=reads(
        MembersOut,
        summary="Who is in the group",
        description="Stewards see everybody and may filter. Others see the nicknames of active members if the group "
        "keeps a list for its members, and else only themselves.",
        query=MEMBERS.query,
        refusals=(errors.NeedsRole,),
    ),
)
async def list_members(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a page of members."""
    door, actor = await signed_in(request)
    asked = MEMBERS.read(request.scope["query_string"])
    said = asked.filters
    page = await service.list_members(
        door.house,
        actor,
        Filters(
            role=said.get("role"),
            state=said.get("state"),
            household_id=said.get("household"),
            signs_in=None if "signs_in" not in said else said["signs_in"] == "true",
        ),
        now=door.clock(),
        after=asked.after,
        limit=asked.limit,
    )
    shown = [
        _whole(one)
        if page.whole or one.member_id == actor.member_id
        else MemberOut(one.member_id, one.nickname)
        for one in page.members
    ]
    return json_reply(MembersOut(shown, MEMBERS.next(page.next)))


@get(
    "/groups/{slug:str}/members/find",
    operation_class=reads(
        FoundOut,
        summary="Find a neighbour by exact nickname or code",
        description="`name` in any spelling, or `code` as it stands on their slip. Nothing is found by parts.",
        query=FIND.query,
        refusals=(errors.MemberNotFound,),
    ),
)
async def find_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who has a nickname or a code."""
    door, actor = await signed_in(request)
    said = FIND.values(request.scope["query_string"])
    found = await service.find_by_name(
        door.house, actor, name=said.get("name", ""), code=said.get("code", ""), now=door.clock()
    )
    return json_reply(FoundOut(*found))


@get(
    "/groups/{slug:str}/me",
    operation_class=reads(
        MemberOut,
        summary="Oneself",
        description="As the group has the actor, with their code.",
    ),
)
async def get_self(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the actor as the group has them."""
    door, actor = await signed_in(request)
    return json_reply(_whole(await service.read_self(door.house, actor, now=door.clock())))


# ---------------------------------------------------------------- acting

NEW: Final = Act(
    Reader(NewMemberBody),
    lambda door, actor, body, _params, once: service.enter_member(
        door.house, actor, once, nickname=body.nickname, roles=body.roles
    ),
)
ROLES: Final = Act(
    Reader(RolesBody),
    lambda door, actor, body, params, once: service.change_duties(
        door.house, actor, once, params["member_id"], give=body.give, take=body.take
    ),
)
RENAME: Final = Act(
    Reader(RenameBody),
    lambda door, actor, body, params, once: service.rename_member(
        door.house, actor, once, params["member_id"], nickname=body.nickname
    ),
)
HOUSEHOLD: Final = Act(
    Reader(HouseholdBody),
    lambda door, actor, body, params, once: service.set_household(
        door.house, actor, once, params["member_id"], with_member=body.with_member
    ),
)
CODE: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.renew_code(door.house, actor, once, params["member_id"]),
    empty=b"{}",
)
SUSPEND: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.suspend_member(
        door.house, actor, once, params["member_id"]
    ),
    empty=b"{}",
)
RESUME: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.resume_member(
        door.house, actor, once, params["member_id"]
    ),
    empty=b"{}",
)
LEAVE: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.leave_group(
        door.house, actor, once, params["member_id"]
    ),
    empty=b"{}",
)
ERASE: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, params, once: service.forget_member(
        door.house, actor, once, params["member_id"]
    ),
    empty=b"{}",
)


@post(
    "/groups/{slug:str}/members",
    operation_class=acts(
        NewMemberBody,
        DoneOut,
        summary="Enter somebody",
        description="By a steward, also for people without any device. Duties take a fresh proof of who is asking, "
        "and another steward's yes where there is one who can sign in.",
        status=201,
        example={"nickname": "Rosa"},
        refusals=(
            errors.MayNotGive,
            errors.NeedsRole,
            errors.NicknameTaken,
            errors.StepUpNeeded,
        ),
        gives={"id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "state": "active", "roles": []},
    ),
)
async def enter_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Enter somebody."""
    return await NEW.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/roles",
    operation_class=acts(
        RolesBody,
        DoneOut,
        summary="Give and take duties",
        description="By a steward who proved just now who they are; `host` only by a host. Giving takes two where another "
        "steward can sign in: the answer names a `proposal`, and they sign it. What is given or taken counts from "
        "the member's next request on. The last steward stays one.",
        example={"give": ["treasurer"]},
        refusals=(
            errors.LastSteward,
            errors.MayNotGive,
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NeedsRole,
            errors.StepUpNeeded,
        ),
        gives={
            "id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "roles": [],
            "proposal": _SOME_ID,
            "proposed": ["treasurer"],
        },
    ),
)
async def change_roles(request: Request[Any, Any, Any]) -> ASGIApp:
    """Give and take duties."""
    return await ROLES.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/rename",
    operation_class=acts(
        RenameBody,
        DoneOut,
        summary="Give another nickname",
        description="By the member themselves, or a steward.",
        example={"nickname": "Rosa M."},
        refusals=(
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NicknameTaken,
            errors.NotYourself,
        ),
        gives={"id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"},
    ),
)
async def rename_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Give another nickname."""
    return await RENAME.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/household",
    operation_class=acts(
        HouseholdBody,
        DoneOut,
        summary="Tie people to a household, or untie them",
        description="By a steward. A household is a random id; nothing else about it exists.",
        example={"with": _SOME_ID},
        refusals=(
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NeedsRole,
            errors.UnknownMember,
        ),
        gives={
            "id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "household": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
        },
    ),
)
async def set_household(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tie people to a household, or untie them."""
    return await HOUSEHOLD.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/code",
    operation_class=acts(
        NothingBody,
        DoneOut,
        summary="Make a new code",
        description="By the member themselves, or a steward. The old one finds nobody from then on; `/me` and the "
        "list show the new one.",
        body_required=False,
        refusals=(
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NotYourself,
        ),
        example={},
        gives={"id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"},
    ),
)
async def renew_code(request: Request[Any, Any, Any]) -> ASGIApp:
    """Make a new code."""
    return await CODE.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/suspend",
    operation_class=acts(
        NothingBody,
        DoneOut,
        summary="Suspend somebody",
        description="By a steward. They cannot sign in or be named until they are resumed; nothing of theirs is lost.",
        body_required=False,
        refusals=(
            errors.LastSteward,
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NeedsRole,
            errors.StepUpNeeded,
        ),
        example={},
        gives={"id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "state": "suspended"},
    ),
)
async def suspend_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Suspend somebody."""
    return await SUSPEND.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/resume",
    operation_class=acts(
        NothingBody,
        DoneOut,
        summary="Let somebody act again",
        description="By a steward: who was suspended, or left. Who left comes back without duties.",
        body_required=False,
        refusals=(
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NeedsRole,
            errors.NicknameTaken,
            errors.StepUpNeeded,
        ),
        example={},
        gives={"id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42", "state": "active"},
    ),
)
async def resume_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Let somebody act again."""
    return await RESUME.answer(request)


@get(
    "/groups/{slug:str}/members/{member_id:uuid}/leaving",
    operation_class=reads(
        LeavingOut,
        summary="What would end if somebody left",
        description="For the member themselves, and stewards; nothing is changed.",
        gives={
            "asks_cancelled": [_SOME_ID],
            "proposals_withdrawn": [],
            "duties": [],
            "stand_ins": 1,
            "invitations": 0,
            "tokens": 1,
            "duties_proposed": 0,
            "asks_open": [],
        },
        refusals=(errors.MemberNotFound, errors.MemberNotOpen, errors.NotYourself),
    ),
)
async def look_at_leaving(request: Request[Any, Any, Any], member_id: FromPath[UUID]) -> ASGIApp:
    """Return what would end if somebody left."""
    door, actor = await signed_in(request)
    found = await service.look_at_leaving(door.house, actor, member_id, now=door.clock())
    return json_reply(LeavingOut(**found))


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/leave",
    operation_class=acts(
        NothingBody,
        GoneOut,
        summary="Leave, or let somebody go",
        description="By the member themselves, or a steward. Their open asks are cancelled and what they proposed is "
        "withdrawn; duties, stand-ins, invitations and tokens end. `GET .../leaving` tells it before.",
        body_required=False,
        refusals=(
            errors.LastSteward,
            errors.MemberNotFound,
            errors.MemberNotOpen,
            errors.NotYourself,
            errors.StepUpNeeded,
        ),
        example={},
        gives={
            "id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "state": "left",
            "ended": _NOTHING_ENDED,
        },
    ),
)
async def leave_group(request: Request[Any, Any, Any]) -> ASGIApp:
    """Leave, or let somebody go."""
    return await LEAVE.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/erase",
    operation_class=acts(
        NothingBody,
        GoneOut,
        summary="Forget somebody for good",
        description="By the member themselves, or somebody who is steward and host. What is personal goes with its "
        "key, also from backups; the entries stay as numbers that nothing ties to anybody.",
        body_required=False,
        refusals=(
            errors.LastSteward,
            errors.MemberNotFound,
            errors.NotYourself,
            errors.StepUpNeeded,
        ),
        example={},
        gives={
            "id": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "state": "erased",
            "stays": list(service.STAYS),
            "goes": list(service.GOES),
            "ended": _NOTHING_ENDED,
        },
    ),
)
async def erase_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Forget somebody for good."""
    return await ERASE.answer(request)


ROUTES: Final = (
    list_members,
    find_member,
    get_self,
    enter_member,
    change_roles,
    rename_member,
    set_household,
    renew_code,
    suspend_member,
    resume_member,
    look_at_leaving,
    leave_group,
    erase_member,
)
assert len(NAMED_DUTIES) == 4, "the text of Duty names them"


def _whole(one: Listed) -> MemberOut:
    return MemberOut(
        id=one.member_id,
        nickname=one.nickname,
        code=one.code,
        state=one.state,
        roles=list(one.roles),
        joined_on=one.joined_on,
        signs_in=one.signs_in,
        household=one.household,
    )
