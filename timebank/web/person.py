"""One member as stewards see them: duties, ways in, household, stand-ins, and pausing or leaving."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.errors import (
    N_,
    CardForDuty,
    MemberNotFound,
    Refusal,
    UnknownCard,
    UnknownMember,
    UnknownPage,
    UnknownStandIn,
)
from timebank.refusal_words import DUTIES
from timebank.rules.people import CONSENTS, NAMED_DUTIES, may_give
from timebank.services import cards, stand_ins
from timebank.services import member_acts as service
from timebank.services.duties import vouch
from timebank.services.overview import today_of
from timebank.store.members import Listing
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside
from timebank.web.people import STATES, find_exactly, nickname_advice
from timebank.web.private import PrivatePage
from timebank.web.rooms import PEOPLE, Way, ways
from timebank.web.sending import Sent, act, new_key
from timebank.web.stewards import READ, Fault, Option, done, done_in_words, steward_reads, steward_sends
from timebank.web.ways_in import PRINTED, card_page
from timebank.web.words import duties_in_words, names_in_row, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

    from timebank.services.acts import Once
    from timebank.services.member_acts import Listed
    from timebank.services.stand_ins import Tie
    from timebank.services.writer import Answer as Stored

#: How long a consent holds unless somebody says otherwise; days.
_STANDS_IN_FOR: Final = 90
_SCOPES: Final[Mapping[str, str]] = {
    "log": N_("log help for them"),
    "ask": N_("ask the pot for them"),
    "see": N_("see what is theirs"),
}
_CONSENTS: Final[Mapping[str, str]] = {
    "in_person_with_steward": N_("They said so to me, with the stand-in there"),
    "on_paper": N_("They wrote it down and signed it"),
    "said": N_("They said so"),
}
_SHOWN_DUTIES: Final = tuple(role for role in DUTIES if role in NAMED_DUTIES)


class CardRow(NamedTuple):
    """A card that still holds."""

    id: str
    words: str


class TieRow(NamedTuple):
    """Somebody who stands in, or for whom this member does."""

    id: str
    words: Markup
    key: str


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One member.

    Attributes:
        action: What the addresses of the forms begin with, and ``query`` what they end with.
        give, take: Duties that the reader may give, and take away.
        household: Nicknames of those with whom they are tied together.
        is_own: Whether it is the reader.
        key: For whichever form is sent; a page sends one of them.
        faults: (field, what to do about it).
        ends: What would end if they left.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    told: str
    nickname: str
    code: str
    state: str
    state_words: str
    joined: str
    duties: str
    is_own: bool
    signs_in: bool
    carries_duty: bool
    action: str
    query: str
    back: str
    key: str
    faults: tuple[tuple[str, str], ...]
    answers: Mapping[str, Answer]
    give: tuple[Option, ...]
    take: tuple[Option, ...]
    cards: tuple[CardRow, ...]
    household: Markup
    ties: tuple[TieRow, ...]
    scopes: tuple[Option, ...]
    consents: tuple[Option, ...]
    ends: str


@route("/g/{slug:str}/people/{member_id:uuid}", http_method=READ, include_in_schema=False)
async def person_page(
    request: Request[Any, Any, Any], slug: FromPath[str], member_id: FromPath[UUID]
) -> ASGIApp:
    """Show one member."""
    here = await steward_reads(request, slug, f"{PEOPLE}/{member_id}")
    if isinstance(here, PrivatePage):
        return here
    return await _page(here, member_id, told=done_in_words(request, here.chosen))


@post("/g/{slug:str}/people/{member_id:uuid}/{deed:str}", include_in_schema=False)
async def change_person(
    request: Request[Any, Any, Any], slug: FromPath[str], member_id: FromPath[UUID], deed: FromPath[str]
) -> ASGIApp:
    """Do what a form of the page says."""
    here, fields = await steward_sends(request, slug)
    if deed == "card":
        return await _print_card(request, here, member_id)
    do, told = _DEEDS.get(deed, (None, ""))
    if do is None:
        raise UnknownPage
    try:
        sent = await do(here, member_id, fields)
    except _NotDoneError as fault:
        return await _page(here, member_id, Fault(fault.field, fault.text, fields), status=422)
    if sent.code in {"member_not_found", "unknown_member"}:
        raise MemberNotFound
    if sent.is_refused:
        field = _FIELD_OF.get((deed, str(sent.body.get("field", ""))), deed)
        text = nickname_advice(sent.sentence, sent.body, here.chosen)
        return await _page(here, member_id, Fault(field, text, fields), status=sent.status)
    return done(here, f"{PEOPLE}/{member_id}", "proposed" if "proposal" in sent.body else told)


PERSON_PAGES: Final[list[HTTPRouteHandler]] = [person_page, change_person]


class _NotDoneError(Exception):
    """A field of a form says nothing that a service could be asked for."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


_FIELD_OF: Final = {("stand-in", "until"): "until", ("stand-in", "scopes"): "scopes"}

Fields = Mapping[str, list[str]]


# ---------------------------------------------------------------- what is done


async def _print_card(request: Request[Any, Any, Any], here: Inside, member_id: UUID) -> PrivatePage:
    try:
        made = await cards.make_card_for(here.door.house, here.actor, member_id, now=here.door.clock())
    except CardForDuty as refusal:
        return await _page(here, member_id, Fault("card", here.chosen.refusal(refusal), {}), status=409)
    except UnknownMember:
        raise MemberNotFound from None
    return card_page(request, here, made.code, made.expires_at, back=here.path(f"{PEOPLE}/{member_id}"))


async def _take_card(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    # The page may be older than what it is about; the new one says what is there.
    with suppress(UnknownCard):
        await cards.revoke_card(
            here.door.house, here.actor, _id(field_text(fields, "id")), now=here.door.clock()
        )
    return Sent(200, "", "", {"id": str(member_id)})


async def _give(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    roles = _chosen(here, fields, "give")
    return await act(
        here,
        fields,
        ("give", member_id, roles),
        lambda once: service.change_duties(here.door.house, here.actor, once, member_id, give=roles, take=()),
    )


async def _take(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    roles = _chosen(here, fields, "take")
    return await act(
        here,
        fields,
        ("take", member_id, roles),
        lambda once: service.change_duties(here.door.house, here.actor, once, member_id, give=(), take=roles),
    )


async def _vouch(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    code = field_text(fields, "vouch")
    return await act(
        here,
        fields,
        ("vouch", member_id, code),
        lambda once: vouch(here.door.house, here.actor, once, member_id, code=code),
    )


async def _rename(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    nickname = field_text(fields, "nickname")
    return await act(
        here,
        fields,
        ("nickname", member_id, nickname),
        lambda once: service.rename_member(here.door.house, here.actor, once, member_id, nickname=nickname),
    )


async def _tie(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    other = None
    if "untie" not in fields:
        other = await _find(here, fields, "household")
    return await act(
        here,
        fields,
        ("household", member_id, other),
        lambda once: service.set_household(here.door.house, here.actor, once, member_id, with_member=other),
    )


async def _begin_stand_in(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    say = here.chosen.say
    who = await _find(here, fields, "stand-in")
    scopes = [scope for scope in _SCOPES if scope in fields.get("scopes", ())]
    if not scopes:
        raise _NotDoneError("scopes", say(N_("Choose what they may do")))
    try:
        until = date.fromisoformat(field_text(fields, "until"))
    except ValueError:
        raise _NotDoneError("until", say(N_("Choose a day"))) from None
    consent = field_text(fields, "consent")
    if consent not in CONSENTS:
        raise _NotDoneError("consent", say(N_("Choose how they agreed")))
    return await act(
        here,
        fields,
        ("stand-in", member_id, who, scopes, until, consent),
        lambda once: stand_ins.begin_stand_in(
            here.door.house,
            here.actor,
            once,
            stand_in=who,
            member_id=member_id,
            scopes=scopes,
            until=until,
            consent=consent,
        ),
    )


async def _end_stand_in(here: Inside, member_id: UUID, fields: Fields) -> Sent:
    tie_id = _id(field_text(fields, "id"), UnknownStandIn)
    return await act(
        here,
        fields,
        ("stand-in-end", member_id, tie_id),
        lambda once: stand_ins.end_stand_in(here.door.house, here.actor, once, tie_id),
    )


def _state_deed(
    name: str, do: Callable[..., Awaitable[Stored]]
) -> Callable[[Inside, UUID, Fields], Awaitable[Sent]]:
    async def change(here: Inside, member_id: UUID, fields: Fields) -> Sent:
        if name == "leave" and "sure" not in fields:
            raise _NotDoneError("leave", here.chosen.say(N_("Set the tick if they said so")))

        async def once_done(once: Once) -> Stored:
            return await do(here.door.house, here.actor, once, member_id)

        return await act(here, fields, (name, member_id), once_done)

    return change


_DEEDS: Final[Mapping[str, tuple[Callable[[Inside, UUID, Fields], Awaitable[Sent]], str]]] = {
    "give": (_give, "given"),
    "take": (_take, "taken"),
    "vouch": (_vouch, "vouched"),
    "nickname": (_rename, "changed"),
    "code": (_state_deed("code", service.renew_code), "changed"),
    "card-revoke": (_take_card, "revoked"),
    "household": (_tie, "changed"),
    "stand-in": (_begin_stand_in, "changed"),
    "stand-in-end": (_end_stand_in, "changed"),
    "suspend": (_state_deed("suspend", service.suspend_member), "changed"),
    "resume": (_state_deed("resume", service.resume_member), "changed"),
    "leave": (_state_deed("leave", service.leave_group), "changed"),
}


def _chosen(here: Inside, fields: Fields, name: str) -> list[str]:
    roles = [role for role in _SHOWN_DUTIES if role in fields.get(name, ())]
    if not roles:
        raise _NotDoneError(name, here.chosen.say(N_("Choose a duty")))
    return roles


async def _find(here: Inside, fields: Fields, name: str) -> UUID:
    found = await find_exactly(here, field_text(fields, name))
    if found is None:
        raise _NotDoneError(
            name, here.chosen.say(N_("Look at it again: nobody here has exactly this name or code"))
        )
    return found


def _id(said: str, missing: type[Refusal] = UnknownCard) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        raise missing from None


# ---------------------------------------------------------------- the page


async def _page(
    here: Inside, member_id: UUID, fault: Fault | None = None, *, told: str = "", status: int = 200
) -> PrivatePage:
    house, actor, chosen, now = here.door.house, here.actor, here.chosen, here.door.clock()
    found = await service.list_members(house, actor, Listing(member_id=member_id), now=now, limit=1)
    member = next(iter(found.members), None)
    if member is None or member.state == "erased":
        raise MemberNotFound
    rules, today = await today_of(house, actor.group_id, now=now)
    said = fault.fields if fault else {}
    is_here = member.state in {"active", "suspended"}
    page = PersonPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, ""),
        told=told,
        nickname=member.nickname,
        code=member.code,
        state=member.state,
        state_words=chosen.say(STATES[member.state]),
        joined=chosen.day_month_year(member.joined_on),
        duties=duties_in_words(member.roles, chosen),
        is_own=member_id == actor.member_id,
        signs_in=member.signs_in,
        carries_duty=bool(NAMED_DUTIES & set(member.roles)),
        action=f"/g/{here.group.slug}{PEOPLE}/{member_id}",
        query=here.query,
        back=here.path(PEOPLE),
        key=new_key(),
        faults=((fault.field, fault.text),) if fault else (),
        answers=_answers(fault, member, today),
        give=_duties(here, member, said.get("give", ()), given=True),
        take=_duties(here, member, said.get("take", ()), given=False),
        cards=await _cards(here, member_id, ZoneInfo(rules.time_zone)) if member.state == "active" else (),
        household=await _household(here, member),
        ties=tuple(
            _tie_row(here, tie, member_id)
            for tie in await stand_ins.list_stand_ins(house, actor, now=now, member_id=member_id)
            if tie.state == "active"
        ),
        scopes=tuple(
            Option(scope, chosen.say(words), scope in said.get("scopes", ()))
            for scope, words in _SCOPES.items()
        ),
        consents=tuple(
            Option(each, chosen.say(words), each in said.get("consent", ()))
            for each, words in _CONSENTS.items()
        ),
        ends=await _ends(here, member_id) if is_here else "",
    )
    return here.page("person.html", page, status=status)


_FIELDS: Final = (
    *("give", "take", "vouch", "nickname", "household", "stand-in", "scopes", "until", "consent"),
    *("card", "leave", "suspend", "resume", "code"),
)


def _answers(fault: Fault | None, member: Listed, today: date) -> Mapping[str, Answer]:
    first = {
        "nickname": member.nickname,
        "until": (today + timedelta(days=_STANDS_IN_FOR)).isoformat(),
    }
    return {
        field: Answer(
            field_text(fault.fields, field) if fault and field in fault.fields else first.get(field, ""),
            fault.text if fault and fault.field == field else "",
        )
        for field in _FIELDS
    }


def _duties(here: Inside, member: Listed, pressed: Sequence[str], *, given: bool) -> tuple[Option, ...]:
    return tuple(
        Option(role, here.chosen.say(DUTIES[role]), role in pressed)
        for role in _SHOWN_DUTIES
        if may_give(here.actor.roles, (role,)) and (role in member.roles) != given
    )


async def _cards(here: Inside, member_id: UUID, zone: ZoneInfo) -> tuple[CardRow, ...]:
    rows = await cards.list_cards(here.door.house, here.actor, member_id, now=here.door.clock())
    chosen = here.chosen

    return tuple(
        CardRow(
            str(row.card_id),
            chosen.say(
                PRINTED,
                day=chosen.day_month_year(row.made_at.astimezone(zone).date()),
                until=chosen.day_month_year(row.expires_at.astimezone(zone).date()),
            ),
        )
        for row in rows
    )


async def _household(here: Inside, member: Listed) -> Markup:
    if member.household is None:
        return Markup()
    found = await service.list_members(
        here.door.house,
        here.actor,
        Listing(household_id=member.household),
        now=here.door.clock(),
        limit=50,
    )
    others = (one.nickname for one in found.members if one.member_id != member.member_id)
    return names_in_row(others, here.chosen)


def _tie_row(here: Inside, tie: Tie, member_id: UUID) -> TieRow:
    chosen = here.chosen
    message = (
        N_("%(name)s stands in for them until %(day)s: %(what)s.")
        if tie.member[0] == member_id
        else N_("They stand in for %(name)s until %(day)s: %(what)s.")
    )
    _, name = tie.stand_in if tie.member[0] == member_id else tie.member
    words = told(
        chosen,
        message,
        {"name": name},
        day=chosen.day_month_year(tie.row.until),
        what=chosen.listed(chosen.say(_SCOPES[scope]) for scope in _SCOPES if scope in tie.row.scopes),
    )
    return TieRow(str(tie.row.stand_in_id), words, new_key())


async def _ends(here: Inside, member_id: UUID) -> str:
    """Return what would end if they left now, in words."""
    chosen = here.chosen
    ends = await service.look_at_leaving(here.door.house, here.actor, member_id, now=here.door.clock())

    def count(name: str) -> int:
        found = ends[name]
        return found if isinstance(found, int) else len(found)

    said = []
    if count("asks_cancelled"):
        said.append(
            chosen.say_many(
                "%(count)s ask is taken back", "%(count)s asks are taken back", count("asks_cancelled")
            )
        )
    if count("duties"):
        said.append(duties_in_words(ends["duties"], chosen))
    if count("stand_ins"):
        said.append(chosen.say_many("%(count)s stand-in", "%(count)s stand-ins", count("stand_ins")))
    if count("invitations"):
        said.append(chosen.say_many("%(count)s invitation", "%(count)s invitations", count("invitations")))
    return chosen.listed(said)
