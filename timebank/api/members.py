"""Members over the API: who is here, found by exact nickname or code, and what changes about them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import NothingBody
from timebank.edge.bodies import NOT_AN_ID, Reader
from timebank.edge.door import Act, json_reply, signed_in
from timebank.edge.openapi import QueryField, acts, reads
from timebank.errors import N_, FieldInvalid
from timebank.rules.people import DUTIES, NAMED_DUTIES
from timebank.rules.set_up import NOT_KNOWN
from timebank.services import member_acts as service
from timebank.services.member_acts import PAGE_MAX, Listed
from timebank.services.members import STATES
from timebank.store.members import Listing

#: What the rules about this noun may say, whichever of its routes is asked.
_MAY_REFUSE: Final = (
    errors.NicknameTaken,
    errors.FieldInvalid,
    errors.LastSteward,
    errors.MayNotGive,
    errors.MemberNotFound,
    errors.MemberNotOpen,
    errors.NeedsRole,
    errors.NotYourConsent,
    errors.NotYourself,
    errors.StepUpNeeded,
    errors.UnknownMember,
)
#: What they may say to whoever only reads.
_LOOK_REFUSALS: Final = (
    errors.FieldInvalid,
    errors.MayNotGive,
    errors.MemberNotFound,
    errors.NeedsRole,
    errors.NotYourConsent,
    errors.NotYourself,
    errors.StepUpNeeded,
    errors.UnknownMember,
)


PAGE: Final = 50
NOT_A_LIMIT: Final = N_("it must be a whole number from 1 to 200")
_SOME_ID: Final = "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"

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
    """What somebody is now; a field that this act does not touch is left out."""

    id: UUID
    state: str = ""
    roles: list[str] | None = None
    household: UUID | None = None


class LeavingOut(msgspec.Struct):
    """What ended with somebody's leaving; `asks_open` are still to be cancelled or handed over."""

    duties: list[str]
    stand_ins: int
    invitations: int
    tokens: int
    asks_open: list[UUID]


class GoneOut(msgspec.Struct, omit_defaults=True):
    """Somebody who left or was forgotten: what ended, and after forgetting what stays in the book and what goes."""

    id: UUID
    state: str
    ended: LeavingOut
    stays: list[str] | None = None
    goes: list[str] | None = None


# ---------------------------------------------------------------- reading


_FILTERS: Final = (
    QueryField("role", {"type": "string", "enum": sorted(DUTIES)}, "Who carries this duty now"),
    QueryField("state", {"type": "string", "enum": sorted({*STATES, "erased"})}, "Who is in this state"),
    QueryField("household", {"type": "string", "format": "uuid"}, "Who is tied to this household"),
    QueryField(
        "signs_in", {"type": "string", "enum": ["true", "false"]}, "Who has a way to sign in, or none"
    ),
    QueryField("after", {"type": "string"}, "`next` of the page before"),
    QueryField(
        "limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE}, "Most on a page"
    ),
)


@get(
    "/groups/{slug:str}/members",
    operation_class=reads(
        MembersOut,
        summary="Who is in the group",
        description="Stewards see everybody and may filter. Others see the nicknames of active members if the group "
        "keeps a list for its members, and else only themselves.",
        query=_FILTERS,
        refusals=_LOOK_REFUSALS,
    ),
)
async def list_members(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return a page of members."""
    door, actor = await signed_in(request)
    said = request.query_params
    page = await service.list_members(
        door.house,
        actor,
        Listing(
            role=said.get("role"),
            state=said.get("state"),
            household_id=_id(said.get("household")),
            signs_in=_flag(said.get("signs_in")),
        ),
        now=door.clock(),
        after=said.get("after", ""),
        limit=_limit(said.get("limit", str(PAGE))),
    )
    shown = [
        _whole(one)
        if page.whole or one.member_id == actor.member_id
        else MemberOut(one.member_id, one.nickname)
        for one in page.members
    ]
    return json_reply(MembersOut(shown, page.next))


@get(
    "/groups/{slug:str}/members/find",
    operation_class=reads(
        FoundOut,
        summary="Find a neighbour by exact nickname or code",
        description="`name` in any spelling, or `code` as it stands on their slip. Nothing is found by parts.",
        query=(
            QueryField("name", {"type": "string"}, "The whole nickname"),
            QueryField("code", {"type": "string"}, "The short code"),
        ),
        refusals=_LOOK_REFUSALS,
    ),
)
async def find_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return who has a nickname or a code."""
    door, actor = await signed_in(request)
    said = request.query_params
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
        refusals=_LOOK_REFUSALS,
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
        description="By a steward, also for people without any device. Duties take a fresh proof of who is asking.",
        status=201,
        example={"nickname": "Rosa"},
        refusals=_MAY_REFUSE,
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
        description="By a steward who proved just now who they are; `host` only by a host. They count from the "
        "member's next request on. The last steward stays one.",
        example={"give": ["treasurer"]},
        refusals=_MAY_REFUSE,
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
        refusals=_MAY_REFUSE,
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
        refusals=_MAY_REFUSE,
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
        refusals=_MAY_REFUSE,
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
        refusals=_MAY_REFUSE,
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
        refusals=_MAY_REFUSE,
    ),
)
async def resume_member(request: Request[Any, Any, Any]) -> ASGIApp:
    """Let somebody act again."""
    return await RESUME.answer(request)


@post(
    "/groups/{slug:str}/members/{member_id:uuid}/leave",
    operation_class=acts(
        NothingBody,
        GoneOut,
        summary="Leave, or let somebody go",
        description="By the member themselves, or a steward. Duties, stand-ins, invitations and tokens end; the answer "
        "names the asks that are still open.",
        body_required=False,
        refusals=_MAY_REFUSE,
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
        refusals=_MAY_REFUSE,
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


def _id(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise FieldInvalid(field="household", why=NOT_AN_ID) from None


def _flag(text: str | None) -> bool | None:
    if text not in {None, "true", "false"}:
        raise FieldInvalid(field="signs_in", why=NOT_KNOWN)
    return None if text is None else text == "true"


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= PAGE_MAX:
        raise FieldInvalid(field="limit", why=NOT_A_LIMIT)
    return int(text)
