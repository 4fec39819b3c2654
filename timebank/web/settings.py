"""Everything that is somebody's own to say: language, name, ways in, what is held of them, leaving, being forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.errors import N_, FieldInvalid, StandInNotOpen, UnknownPage, UnknownStandIn
from timebank.i18n import language, language_codes
from timebank.rules.names import NICKNAME_MAX
from timebank.services import preferences
from timebank.services.member_acts import read_self, rename_member, renew_code
from timebank.services.stand_ins import end_stand_in, list_stand_ins
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.log import Choice
from timebank.web.people import nickname_advice
from timebank.web.private import go_to
from timebank.web.rooms import HOME, SETTINGS, Way, ways
from timebank.web.sending import act, new_key
from timebank.web.words import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: A tie that ended meanwhile, or was none of theirs, is not on the page that follows.
_GONE: Final = frozenset({UnknownStandIn.code, StandInNotOpen.code})


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """The one page that leads to everything of one's own.

    Attributes:
        languages: What can be read in; the first leaves it to the browser.
        nickname: What stands in the field.
        code: Short code by which others find the reader.
        ties: Who stands in for the reader, and for whom they do: (id, sentence, key of its form).
        doors: Pages about the reader; ``files`` are what can be taken along, ``going`` the ways out.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    query: str
    keys: tuple[str, str, str]
    faults: tuple[tuple[str, str], ...]
    languages: tuple[Choice, ...]
    language_fault: str
    nickname: Answer
    nickname_max: int
    code: str
    code_fault: str
    ties: tuple[tuple[str, Markup, str], ...]
    ties_fault: str
    doors: tuple[tuple[str, str, str], ...]
    files: tuple[tuple[str, str, str], ...]
    going: tuple[tuple[str, str, str], ...]


@route("/g/{slug:str}/me/settings", http_method=_READ, include_in_schema=False)
async def settings_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the page."""
    return await _page(await inside(request, slug))


@post("/g/{slug:str}/me/settings/{setting:str}", include_in_schema=False)
async def change_settings(
    request: Request[Any, Any, Any], slug: FromPath[str], setting: FromPath[str]
) -> ASGIApp:
    """Change one of them, and show the page again."""
    here, fields = await received(request, slug)
    match setting:
        case "language":
            return await _choose_language(here, fields)
        case "nickname":
            return await _rename(here, fields)
        case "code":
            return await _renew_code(here, fields)
        case "tie":
            return await _end_tie(here, fields)
    raise UnknownPage


SETTINGS_PAGES: Final[list[HTTPRouteHandler]] = [settings_page, change_settings]


async def _choose_language(here: Inside, fields: Mapping[str, list[str]]) -> PrivatePage:
    try:
        await preferences.choose_language(here.door.house, here.actor, field_text(fields, "language"))
    except FieldInvalid:
        return await _page(here, fields, {"language": here.chosen.say(N_("Choose one of these"))}, status=422)
    # Whatever the address said before: this is what counts now.
    return go_to(f"/g/{here.group.slug}{SETTINGS}")


async def _end_tie(here: Inside, fields: Mapping[str, list[str]]) -> PrivatePage:
    try:
        tie_id = UUID(field_text(fields, "id"))
    except ValueError:
        raise UnknownPage from None
    sent = await act(
        here, fields, ("tie", tie_id), lambda once: end_stand_in(here.door.house, here.actor, once, tie_id)
    )
    if not sent.is_refused or sent.code in _GONE:
        return here.go(SETTINGS)
    return await _page(here, fields, {"ties": sent.sentence}, status=sent.status)


async def _ties(here: Inside) -> tuple[tuple[str, Markup, str], ...]:
    now, me = here.door.clock(), here.actor.member_id
    found = []
    for tie in await list_stand_ins(here.door.house, here.actor, now=now, own=True):
        if tie.state != "active":
            continue
        for_me = tie.member[0] == me
        words = told(
            here.chosen,
            N_("%(name)s stands in for you until %(day)s")
            if for_me
            else N_("You stand in for %(name)s until %(day)s"),
            {"name": (tie.stand_in if for_me else tie.member)[1]},
            day=here.chosen.day_month_year(tie.row.until),
        )
        found.append((str(tie.row.stand_in_id), words, new_key()))
    return tuple(found)


async def _rename(here: Inside, fields: Mapping[str, list[str]]) -> PrivatePage:
    nickname = field_text(fields, "nickname")
    sent = await act(
        here,
        fields,
        ("nickname", nickname),
        lambda once: rename_member(
            here.door.house, here.actor, once, here.actor.member_id, nickname=nickname
        ),
    )
    if not sent.is_refused:
        return here.go(SETTINGS)
    advice = nickname_advice(sent.sentence, sent.body, here.chosen)
    return await _page(here, fields, {"nickname": advice}, status=sent.status)


async def _renew_code(here: Inside, fields: Mapping[str, list[str]]) -> PrivatePage:
    sent = await act(
        here,
        fields,
        ("code",),
        lambda once: renew_code(here.door.house, here.actor, once, here.actor.member_id),
    )
    if not sent.is_refused:
        return here.go(SETTINGS)
    return await _page(here, fields, {"code": sent.sentence}, status=sent.status)


async def _page(
    here: Inside,
    fields: Mapping[str, list[str]] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> PrivatePage:
    say, faults = here.chosen.say, faults or {}
    me = await read_self(here.door.house, here.actor, now=here.door.clock())
    own = await preferences.read_language(here.door.house, here.actor)
    api = f"/api/v1/groups/{here.group.slug}/me"
    page = SettingsPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, SETTINGS),
        action=f"/g/{here.group.slug}{SETTINGS}",
        query=here.query,
        keys=(new_key(), new_key(), new_key()),
        faults=tuple(faults.items()),
        languages=(
            Choice("", say(N_("As my browser says")), not own),
            *(Choice(code, language(code).name, code == own) for code in language_codes()),
        ),
        language_fault=faults.get("language", ""),
        nickname=Answer(
            field_text(fields, "nickname") if fields and "nickname" in fields else me.nickname,
            faults.get("nickname", ""),
        ),
        nickname_max=NICKNAME_MAX,
        code=me.code,
        code_fault=faults.get("code", ""),
        ties=await _ties(here),
        ties_fault=faults.get("ties", ""),
        doors=(
            (
                here.path("/me/ways-in"),
                say(N_("Your ways in")),
                say(N_("Passkeys, codes, printed cards, and where you are signed in.")),
            ),
            (
                here.path(f"{HOME}/looks"),
                say(N_("Who looked at your name")),
                say(N_("Everybody with a duty who saw it, and when.")),
            ),
            (
                here.path(f"{HOME}/receipts"),
                say(N_("Your receipts")),
                say(N_("The codes of your entries, and the proofs that they are in the public log.")),
            ),
        ),
        files=(
            (
                here.path("/statement"),
                say(N_("Your statement")),
                say(N_("All your entries, to read or to print.")),
            ),
            (
                f"{api}/statement.csv",
                say(N_("Your statement as a sheet")),
                say(N_("The same as a CSV file.")),
            ),
            (
                f"{api}/data",
                say(N_("Everything that the group holds of you")),
                say(N_("One file, also with your notes and your own settings.")),
            ),
        ),
        going=(
            (
                here.path(f"{HOME}/leave"),
                say(N_("Leave the group")),
                say(N_("You can come back later. Nothing that you gave is lost.")),
            ),
            (
                here.path(f"{HOME}/forget"),
                say(N_("Be forgotten")),
                say(N_("This cannot be undone by anybody. Read first what goes and what stays.")),
            ),
        ),
    )
    return here.page("settings.html", page, status=status)
