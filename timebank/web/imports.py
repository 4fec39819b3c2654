"""Handlers of the import pages: files are handed in, and whoever did it goes on at an address of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.import_options import NAMES, read_options
from timebank.edge.problems import status_of
from timebank.edge.sessions import SignInFirst, check_form
from timebank.edge.uploads import receive_upload
from timebank.errors import (
    N_,
    Busy,
    Conflict,
    FieldInvalid,
    ImportNotUndoable,
    JobNotOpen,
    JobRunning,
    NeedsRole,
    NotAllowed,
    Refusal,
    TooLarge,
    UnknownImport,
    UnknownPage,
)
from timebank.rules.set_up import TOO_MANY
from timebank.services import imports as service
from timebank.services.import_link import link_of, open_link
from timebank.services.import_report import ImportOptions
from timebank.services.imports import FILES_MAX, UPLOAD_MAX
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.import_page import (
    ImportClosedPage,
    ImportFormPage,
    ImportUndoPage,
    choices_of,
    columns_said,
    import_page,
    stage_of,
)
from timebank.web.inside import Inside, inside
from timebank.web.private import PrivatePage, go_to
from timebank.web.sign_in import duty_location

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.people import Actor
    from timebank.services.imports import Import
    from timebank.services.work import Workshop

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_FIELDS: Final = ("files", *NAMES)
#: Questions that stand behind "only if it is needed".
_RARE: Final = frozenset({"categories", "layout", "nearest", "began", "on", "sheet", "column"})
#: A form that says what all columns of five wide files are.
_MATCH_FIELDS_MAX: Final = 400
_MATCH_FORM_MAX: Final = 64 * 1024
_FOR_FORM: Final = frozenset({*NAMES} - {"column"})


@route("/g/{slug:str}/import", http_method=_READ, include_in_schema=False)
async def import_form(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form that takes files."""
    here = await inside(request, slug)
    return here.page("import.html", _form_page(here, {}, {}))


@post("/g/{slug:str}/import", include_in_schema=False)
async def hand_in(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Take files in, and go to the address that says what is in them; or show the form again with what is wrong."""
    here = await inside(request, slug)
    fields: Mapping[str, list[str]] = {}
    door = here.door

    async def is_welcome(fields: Mapping[str, list[str]]) -> bool:
        """Say whether files that follow are worth keeping."""
        try:
            check_form(request, here.visitor, fields)
            _check_duty(here.actor)
        except NotAllowed:
            return False
        return True

    try:
        upload = await receive_upload(
            request.receive,
            content_type=request.headers.get("content-type", ""),
            announced=request.headers.get("content-length", ""),
            size_max=UPLOAD_MAX,
            admit=is_welcome,
        )
        fields = upload.fields
        check_form(request, here.visitor, fields)
        _check_duty(here.actor)
        if len(upload.files) > FILES_MAX:
            raise FieldInvalid(field="files", why=TOO_MANY)
        options = read_options({name: values for name, values in fields.items() if name in _FOR_FORM})
        import_id = _import_id(here.actor, fields, upload.files, options)
        await service.hand_in(
            door.house, here.actor, upload.files, options, import_id=import_id, now=door.clock()
        )
    except (NeedsRole, FieldInvalid, TooLarge, JobRunning) as refusal:
        advice = {_field_of(refusal): _advice(refusal, here.chosen)}
        status = 422 if isinstance(refusal, FieldInvalid) else status_of(refusal)
        return here.page("import.html", _form_page(here, fields, advice), status=status)
    _workshop(request).wake()
    return here.go(f"/import/{link_of(door.house, here.actor.group_id, import_id)}")


@route("/g/{slug:str}/import/{link:str}", http_method=_READ, include_in_schema=False)
async def import_state(request: Request[Any, Any, Any], slug: FromPath[str], link: FromPath[str]) -> ASGIApp:
    """Show how far an import is, what is in it, or what came of it; the page reads itself again while it works."""
    here = await _Here.find(request, slug, link)
    if here.found is None:
        return here.closed()
    if here.found.job is not None and here.found.job.is_open:
        # If its worker was lost, whoever looks starts the next one.
        _workshop(request).wake()
    return here.page()


@route("/g/{slug:str}/import/{link:str}/{act:str}", http_method=_READ, include_in_schema=False)
async def ask_before_undo(
    request: Request[Any, Any, Any], slug: FromPath[str], link: FromPath[str], act: FromPath[str]
) -> ASGIApp:
    """Ask once more before an import is taken back."""
    if act != "undo":
        raise UnknownPage
    here = await _Here.find(request, slug, link)
    if here.found is None:
        return here.closed()
    if here.stage != "posted":
        return here.go()
    count = int(here.found.row.summary.get("new", 0))
    page = ImportUndoPage(
        name=here.group.name,
        href=here.href,
        action=here.action,
        query=here.query,
        lines=here.chosen.number(count),
        count=count,
    )
    return here.within.page("import_undo.html", page)


@post("/g/{slug:str}/import/{link:str}/{act:str}", include_in_schema=False)
async def act_on_import(
    request: Request[Any, Any, Any], slug: FromPath[str], link: FromPath[str], act: FromPath[str]
) -> ASGIApp:
    """Do what a button of the page says, and go back to the page."""
    if act not in _ACTS:
        raise UnknownPage
    here = await _Here.find(request, slug, link)
    check_form(request, here.within.visitor, await _match_form(request))
    if here.found is None:
        return here.closed()
    if here.stage == "expired":
        return here.go()
    try:
        if act == "options":
            await _change_options(request, here)
        else:
            await _act(here, act)
    except (JobNotOpen, ImportNotUndoable):
        # The page was older than what it is about; the new one says what became of it.
        return here.go()
    except FieldInvalid as refusal:
        return here.page(refusal=refusal, fields=await _match_form(request))
    except (Conflict, Busy, NotAllowed) as refusal:
        return here.page(refusal=refusal)
    _workshop(request).wake()
    return here.go()


IMPORT_PAGES: Final[list[HTTPRouteHandler]] = [
    import_form,
    hand_in,
    import_state,
    ask_before_undo,
    act_on_import,
]

_ACTS: Final = frozenset({"check", "options", "post", "undo", "stop", "drop"})


# ---------------------------------------------------------------- who is asking


def _check_duty(actor: Actor) -> None:
    actor.require_role("steward", "treasurer")


class _Here:
    """An import at its own address, and what its pages need to know of the request.

    Attributes:
        found: None where the address leads nowhere, or not for whoever is signed in.
    """

    def __init__(self, within: Inside, link: str) -> None:
        self.within = within
        self.door = within.door
        self.group = within.group
        self.chosen = within.chosen
        self.query = within.query
        self.actor = within.actor
        self.action = f"/g/{within.group.slug}/import/{link}"
        self.href = within.href
        self.import_id: UUID
        self.found: Import | None = None

    @classmethod
    async def find(cls, request: Request[Any, Any, Any], slug: str, link: str) -> _Here:
        """Open the address, for who handed the import in.

        Raises:
            NeedsRole: They have no duty any more.
            SignInFirst: Nobody is signed in, or their duties wait for a proof.
        """
        here = cls(await inside(request, slug), link)
        house, now = here.door.house, here.door.clock()
        try:
            owner, here.import_id = await open_link(house, here.actor.group_id, link, now=now)
            if owner.member_id == here.actor.member_id:
                here.found = await service.find_import(house, here.actor, here.import_id)
        except UnknownImport:
            here.found = None
        except NeedsRole:
            if here.within.visitor.duties_wait:
                raise SignInFirst(duty_location(here.within, f"/import/{link}")) from None
            raise
        return here

    @property
    def stage(self) -> str:
        """Where the import is on its way."""
        assert self.found is not None, "closed addresses have no stage"
        return stage_of(self.found, now=self.door.clock())

    def page(
        self, *, refusal: Refusal | None = None, fields: Mapping[str, list[str]] | None = None
    ) -> PrivatePage:
        """Return the page of the import, perhaps with why something was not done."""
        assert self.found is not None, "closed addresses have no page"
        said = _advice(refusal, self.chosen) if refusal else ""
        page = import_page(
            self.found,
            self.group,
            self.chosen,
            action=self.action,
            query=self.query,
            now=self.door.clock(),
            problem=said,
            written={name: field_text(fields, name) for name in _FOR_FORM & fields.keys()}
            if fields
            else None,
            faults={_field_of(refusal): said} if refusal else None,
        )
        status = status_of(refusal) if refusal else 200
        return self.within.page("import_state.html", page, status=status)

    def go(self) -> PrivatePage:
        """Return the way back to the page of the import."""
        return go_to(f"{self.action}{self.query}")

    def closed(self) -> PrivatePage:
        """Return the page of an address that leads nowhere."""
        page = ImportClosedPage(self.group.name, self.href, f"/g/{self.group.slug}/import{self.query}")
        return self.within.page("import_closed.html", page, status=404)


# ---------------------------------------------------------------- doing


def _workshop(request: Request[Any, Any, Any]) -> Workshop:
    workshop: Workshop = request.app.state.workshop
    return workshop


def _import_id(
    actor: Actor,
    fields: Mapping[str, list[str]],
    files: Sequence[tuple[str, bytes]],
    options: ImportOptions,
) -> UUID:
    """Return the same id for the same form pressed twice; other files in it are another import."""
    key = field_text(fields, "key") or secrets.token_hex(16)
    content = sha256(repr([options, [(name, sha256(data).digest()) for name, data in files]]).encode())
    return service.import_id_of(actor, f"page {key} {content.hexdigest()}")


async def _act(here: _Here, act: str) -> None:
    house, now = here.door.house, here.door.clock()
    if act == "stop":
        await service.stop_work(house, here.actor, here.import_id, now=now)
    elif act == "drop":
        await service.drop_import(house, here.actor, here.import_id, now=now)
    elif act == "check":
        await service.ask_for(house, here.actor, here.import_id, "check", now=now)
    elif act == "post":
        await service.ask_for(house, here.actor, here.import_id, "post", now=now)
    else:
        assert act == "undo", act
        await service.ask_for(house, here.actor, here.import_id, "undo", now=now)


async def _change_options(request: Request[Any, Any, Any], here: _Here) -> None:
    assert here.found is not None, "closed addresses have no options"
    fields = await _match_form(request)
    headers = here.found.report.headers if here.found.report else []
    columns = columns_said(fields, headers, service.options_of(here.found.row).columns)
    said = {name: values for name, values in fields.items() if name in _FOR_FORM}
    said["column"] = [f"{ours}={theirs}" for ours, theirs in columns.items()]
    await service.change_options(
        here.door.house, here.actor, here.import_id, read_options(said), now=here.door.clock()
    )


async def _match_form(request: Request[Any, Any, Any]) -> Mapping[str, list[str]]:
    state = request.scope.setdefault("state", {})
    if "match_form" not in state:
        state["match_form"] = await read_form(request, size_max=_MATCH_FORM_MAX, fields_max=_MATCH_FIELDS_MAX)
    fields: Mapping[str, list[str]] = state["match_form"]
    return fields


# ---------------------------------------------------------------- what went wrong


def _field_of(refusal: Refusal) -> str:
    if isinstance(refusal, FieldInvalid):
        return str(refusal.params["field"])
    return "files"


def _advice(refusal: Refusal, chosen: Language) -> str:
    """Return what to do about a refusal, for the summary and beside the field alike."""
    if isinstance(refusal, NeedsRole):
        return chosen.say(N_("Hours and people are brought in by a steward, money by a treasurer"))
    if isinstance(refusal, TooLarge):
        return chosen.say(
            N_("Choose smaller files: all together have at most %(count)s MB"),
            count=chosen.number(UPLOAD_MAX // 2**20),
        )
    if isinstance(refusal, JobRunning):
        return chosen.say(N_("Wait: something long is being done for this group, and there is one at a time"))
    if isinstance(refusal, FieldInvalid):
        field = refusal.params["field"]
        if field == "files" and refusal.params["why"] == TOO_MANY:
            return chosen.say(N_("Choose at most %(count)s files"), count=chosen.number(FILES_MAX))
        if field == "files":
            return chosen.say(N_("Choose a file"))
        if field in {"began", "on"}:
            return chosen.say(N_("Write a day such as 2026-03-01, or leave this empty"))
        return chosen.say(N_("Choose one of the answers"))
    return chosen.refusal(refusal)


def _form_page(here: Inside, fields: Mapping[str, list[str]], faults: Mapping[str, str]) -> ImportFormPage:
    written = {name: field_text(fields, name) for name in _FOR_FORM & fields.keys()}
    return ImportFormPage(
        name=here.group.name,
        action=here.path("/import"),
        href=here.href,
        key=field_text(fields, "key") or secrets.token_hex(16),
        faults=tuple((field, faults[field]) for field in _FIELDS if field in faults),
        files=Answer("", faults.get("files", "")),
        choices=choices_of(ImportOptions(), here.chosen, written=written, faults=faults),
        more_open=bool(_RARE & faults.keys())
        or any(written.get(name) not in {None, "", "refuse", "false"} for name in _RARE),
    )
