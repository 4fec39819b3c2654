"""Everybody in the group for its stewards: who asks to join, which duties wait, who is here, and letting somebody in."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import (
    N_,
    FieldInvalid,
    MalformedBody,
    MemberNotFound,
    UnknownJoinRequest,
    UnknownPage,
    UnknownProposal,
)
from timebank.rules.names import EMPTY, NICKNAME_MAX
from timebank.services.duties import list_duties, sign_duty, withdraw_duty
from timebank.services.joining import accept_request, decline_request, list_requests
from timebank.services.member_acts import enter_member, find_by_name, list_members
from timebank.services.overview import read_nicknames
from timebank.services.ways_in import time_zone_of
from timebank.store.members import Listing
from timebank.web.forms import NOT_A_FORM, Answer, field_text
from timebank.web.inside import Inside
from timebank.web.private import PrivatePage
from timebank.web.rooms import PEOPLE, Way, ways
from timebank.web.sending import act, new_key
from timebank.web.stewards import READ, Fault, done, done_in_words, steward_reads, steward_sends
from timebank.web.words import duties_in_words, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler
    from markupsafe import Markup

    from timebank.i18n import Language
    from timebank.services.joining import Waiting
    from timebank.services.member_acts import Listed
    from timebank.store.duties import DutyRow

INVITATIONS: Final = f"{PEOPLE}/invitations"
STATES: Final[Mapping[str, str]] = {
    "active": N_("here"),
    "suspended": N_("suspended"),
    "left": N_("has left"),
    "erased": N_("forgotten"),
}
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class RequestRow:
    """Somebody who asks to join."""

    id: str
    nickname: Answer
    words: str
    age: str
    action: str
    key: str


@dataclass(frozen=True, slots=True)
class DutyToSign:
    """A duty that waits for a second yes; ``is_own`` where the reader proposed it."""

    id: str
    what: Markup
    age: str
    action: str
    key: str
    is_own: bool
    fault: str


class MemberRow(NamedTuple):
    """A line of the list."""

    href: str
    nickname: str
    duties: str
    state: str
    joined: str


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Everybody, and what waits about them; ``more_href`` leads to those who joined later."""

    name: str
    href: str
    ways: tuple[Way, ...]
    told: str
    faults: tuple[tuple[str, str], ...]
    requests: tuple[RequestRow, ...]
    duties: tuple[DutyToSign, ...]
    members: tuple[MemberRow, ...]
    more_href: str
    is_first: bool
    find_action: str
    who: Answer
    enter_action: str
    enter_key: str
    nickname: Answer
    invitations_href: str


@route("/g/{slug:str}/people", http_method=READ, include_in_schema=False)
async def people_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show everybody."""
    here = await steward_reads(request, slug, PEOPLE)
    if isinstance(here, PrivatePage):
        return here
    after = _place(request.query_params.get("after", ""))
    return await _page(here, after=after, told=done_in_words(request, here.chosen))


@post("/g/{slug:str}/people", include_in_schema=False)
async def enter(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Let somebody in who needs no device."""
    here, fields = await steward_sends(request, slug)
    nickname = field_text(fields, "nickname")
    sent = await act(
        here,
        fields,
        ("enter", nickname),
        lambda once: enter_member(here.door.house, here.actor, once, nickname=nickname, roles=()),
    )
    if sent.is_refused:
        advice = nickname_advice(sent.sentence, sent.body, here.chosen)
        return await _page(here, Fault("nickname", advice, fields), status=sent.status)
    return done(here, f"{PEOPLE}/{sent.body['id']}", "entered")


@post("/g/{slug:str}/people/find", include_in_schema=False)
async def find(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Go to somebody by exact nickname or code; by POST, so that no name stands in an address."""
    here, fields = await steward_sends(request, slug)
    found = await find_exactly(here, field_text(fields, "who"))
    if found is None:
        advice = here.chosen.say(N_("Look at it again: nobody here has exactly this name or code"))
        return await _page(here, Fault("who", advice, fields), status=422)
    return here.go(f"{PEOPLE}/{found}")


async def find_exactly(here: Inside, who: str) -> UUID | None:
    """Return who has exactly this nickname, or else this code; None for nobody."""
    house, now = here.door.house, here.door.clock()
    for ask in ({"name": who}, {"code": who}):
        with suppress(MemberNotFound, FieldInvalid):
            return (await find_by_name(house, here.actor, **ask, now=now))[0]
    return None


@post("/g/{slug:str}/people/requests/{request_id:uuid}", include_in_schema=False)
async def answer_request(
    request: Request[Any, Any, Any], slug: FromPath[str], request_id: FromPath[UUID]
) -> ASGIApp:
    """Let somebody in who asked, or say "not now"."""
    here, fields = await steward_sends(request, slug)
    house, said = here.door.house, field_text(fields, "say")
    nickname = field_text(fields, "nickname")
    if said == "yes":
        sent = await act(
            here,
            fields,
            ("yes", request_id, nickname),
            lambda once: accept_request(house, here.actor, once, request_id, nickname=nickname or None),
        )
    elif said == "not-now":
        sent = await act(
            here,
            fields,
            ("not-now", request_id),
            lambda once: decline_request(house, here.actor, once, request_id),
        )
    else:
        raise MalformedBody(why=NOT_A_FORM)
    if sent.status == 404:
        raise UnknownJoinRequest
    if sent.is_refused:
        advice = nickname_advice(sent.sentence, sent.body, here.chosen)
        return await _page(here, Fault(f"nickname-{request_id}", advice, fields), status=sent.status)
    return done(here, PEOPLE, "let-in" if said == "yes" else "not-now")


@post("/g/{slug:str}/people/duties/{duty_id:uuid}", include_in_schema=False)
async def answer_duty(
    request: Request[Any, Any, Any], slug: FromPath[str], duty_id: FromPath[UUID]
) -> ASGIApp:
    """Say the second yes to a duty, or take the proposal back."""
    here, fields = await steward_sends(request, slug)
    said = field_text(fields, "say")
    do = {"yes": sign_duty, "no": withdraw_duty}.get(said)
    if do is None:
        raise MalformedBody(why=NOT_A_FORM)
    sent = await act(
        here, fields, (said, duty_id), lambda once: do(here.door.house, here.actor, once, duty_id)
    )
    if sent.status == 404:
        raise UnknownProposal
    if sent.is_refused:
        return await _page(here, Fault(f"duty-{duty_id}", sent.sentence, fields), status=sent.status)
    return done(here, PEOPLE, "given" if said == "yes" else "changed")


PEOPLE_PAGES: Final[list[HTTPRouteHandler]] = [people_page, enter, find, answer_request, answer_duty]


def nickname_advice(sentence: str, params: Mapping[str, Any], chosen: Language) -> str:
    """Return what to do about a nickname that was refused."""
    if params.get("field") != "nickname":
        return sentence
    if params.get("why") == EMPTY:
        return chosen.say(N_("Write a nickname"))
    return chosen.say(
        N_("Write the nickname in plain letters, %(count)s at most"), count=chosen.number(NICKNAME_MAX)
    )


def age_in_words(since: datetime, zone: ZoneInfo, now: datetime, chosen: Language) -> str:
    """Return for how many days something waits."""
    days = (now.astimezone(zone).date() - since.astimezone(zone).date()).days
    if days <= 0:
        return chosen.say(N_("waiting since today"))
    return chosen.say_many("waiting for %(count)s day", "waiting for %(count)s days", days)


# ---------------------------------------------------------------- the page


async def _page(
    here: Inside,
    fault: Fault | None = None,
    *,
    after: tuple[date, UUID] | None = None,
    told: str = "",
    status: int = 200,
) -> PrivatePage:
    house, now, chosen = here.door.house, here.door.clock(), here.chosen
    zone = ZoneInfo(await time_zone_of(house, here.actor.group_id))
    members = await list_members(house, here.actor, Listing(), now=now, after=after, limit=_PAGE)
    requests = await list_requests(house, here.actor, now=now)
    open_duties = [row for row in await list_duties(house, here.actor) if row.state_at(now) == "open"]
    names = await read_nicknames(
        house, here.actor, {one for row in open_duties for one in (row.member_id, row.proposed_by)}
    )

    def told_of(field: str) -> str:
        return fault.text if fault and fault.field == field else ""

    page = PeoplePage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, PEOPLE),
        told=told,
        faults=((fault.field, fault.text),) if fault else (),
        requests=tuple(
            _request(here, each, fault, age_in_words(each.asked_at, zone, now, chosen)) for each in requests
        ),
        duties=tuple(
            _duty(
                here,
                row,
                names,
                age_in_words(row.proposed_at, zone, now, chosen),
                told_of(f"duty-{row.duty_id}"),
            )
            for row in open_duties
        ),
        members=tuple(_member(here, each) for each in members.members if each.state != "erased"),
        more_href=_with(here, f"after={members.next[0].isoformat()}_{members.next[1]}")
        if members.next
        else "",
        is_first=after is None,
        find_action=here.path(f"{PEOPLE}/find"),
        who=Answer(field_text(fault.fields, "who") if fault and fault.field == "who" else "", told_of("who")),
        enter_action=here.path(PEOPLE),
        enter_key=new_key(),
        nickname=Answer(
            field_text(fault.fields, "nickname") if fault and fault.field == "nickname" else "",
            told_of("nickname"),
        ),
        invitations_href=here.path(INVITATIONS),
    )
    return here.page("people.html", page, status=status)


def _request(here: Inside, asked: Waiting, fault: Fault | None, age: str) -> RequestRow:
    mine = fault if fault and fault.field == f"nickname-{asked.request_id}" else None
    return RequestRow(
        id=str(asked.request_id),
        nickname=Answer(
            field_text(mine.fields, "nickname") if mine else asked.nickname, mine.text if mine else ""
        ),
        words=asked.words,
        age=age,
        action=here.path(f"{PEOPLE}/requests/{asked.request_id}"),
        key=new_key(),
    )


def _duty(here: Inside, row: DutyRow, names: Mapping[UUID, str], age: str, fault: str) -> DutyToSign:
    chosen = here.chosen
    nobody = chosen.say(N_("Somebody who has left"))
    what = told(
        chosen,
        N_("%(proposer)s proposes %(name)s: %(duties)s"),
        {"proposer": names.get(row.proposed_by) or nobody, "name": names.get(row.member_id) or nobody},
        duties=duties_in_words(row.roles, chosen),
    )
    return DutyToSign(
        id=str(row.duty_id),
        what=what,
        age=age,
        action=here.path(f"{PEOPLE}/duties/{row.duty_id}"),
        key=new_key(),
        is_own=row.proposed_by == here.actor.member_id,
        fault=fault,
    )


def _member(here: Inside, member: Listed) -> MemberRow:
    chosen = here.chosen
    state = "" if member.state == "active" else chosen.say(STATES[member.state])
    if member.state == "active" and not member.signs_in:
        state = chosen.say(N_("without a way to sign in"))
    return MemberRow(
        href=here.path(f"{PEOPLE}/{member.member_id}"),
        nickname=member.nickname,
        duties=duties_in_words(member.roles, chosen),
        state=state,
        joined=chosen.day_month_year(member.joined_on),
    )


def _with(here: Inside, query: str) -> str:
    return here.path(PEOPLE) + ("&" if here.query else "?") + query


def _place(said: str) -> tuple[date, UUID] | None:
    """Return after whom a page of the list begins, as the page before said.

    Raises:
        UnknownPage: It said something else.
    """
    if not said:
        return None
    on, _, member_id = said.partition("_")
    try:
        return date.fromisoformat(on), UUID(member_id)
    except ValueError:
        raise UnknownPage from None
